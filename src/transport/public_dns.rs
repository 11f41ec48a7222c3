//! A DNS resolver that returns public addresses only.
//!
//! Why here: the HTTP client connects to the addresses that the resolver returns. A name that has another
//! address a moment later (DNS rebinding) gains nothing.

use std::net::SocketAddr;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::net::lookup_host;

use super::error::NotPublic;
use crate::fetch_url::is_public_address;

/// Looks names up with the resolver of the system. The error of a name without a public address is a
/// [`NotPublic`].
pub(super) struct PublicDns;

impl Resolve for PublicDns {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            // The port of the URL replaces the zero.
            let found: Vec<SocketAddr> = lookup_host((name.as_str(), 0)).await?.collect();
            let is_public = |address: &SocketAddr| is_public_address(address.ip());
            let public: Vec<SocketAddr> = found.iter().copied().filter(is_public).collect();
            if let Some(private) = found.first().filter(|_| public.is_empty()) {
                return Err(NotPublic::new(name.as_str(), private.ip()).into());
            }
            let public: Addrs = Box::new(public.into_iter());
            Ok(public)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_name_that_resolves_to_loopback_is_refused() {
        let Err(error) = PublicDns.resolve("localhost".parse().unwrap()).await else { panic!("resolved") };
        let refused = NotPublic::among_causes(&*error).unwrap();
        assert!(refused.to_string().starts_with("the address "), "{refused}");
    }
}
