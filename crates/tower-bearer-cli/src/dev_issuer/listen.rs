//! Binds the port of the development issuer.
//!
//! Checks: every address that the host name has is a loopback address.

use std::net::SocketAddr;

use tokio::net::{TcpListener, lookup_host};

use crate::failure::Failure;

/// Binds `listen`, a `host:port`.
pub(super) async fn bind(listen: &str) -> Result<TcpListener, Failure> {
    let cannot_listen = |error| Failure::because(format!("cannot listen on {listen}"), error);
    let addresses: Vec<SocketAddr> = lookup_host(listen).await.map_err(cannot_listen)?.collect();
    check_loopback(listen, &addresses)?;
    // The addresses that were checked: another lookup could return others.
    TcpListener::bind(&*addresses).await.map_err(cannot_listen)
}

fn check_loopback(listen: &str, addresses: &[SocketAddr]) -> Result<(), Failure> {
    let Some(other) = addresses.iter().find(|address| !address.ip().is_loopback()) else { return Ok(()) };
    Err(Failure::new(format!(
        "refusing to listen on {listen}: {} is no loopback address, and whoever reaches this server gets any \
         token; use 127.0.0.1",
        other.ip()
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_refused_if_any_of_its_addresses_is_not_loopback() {
        let check = |addresses: &[&str]| {
            let addresses: Vec<SocketAddr> = addresses.iter().map(|text| text.parse().unwrap()).collect();
            check_loopback("dev.example.com:9000", &addresses).is_ok()
        };
        for other in
            ["0.0.0.0:1", "[::]:1", "10.0.0.1:1", "192.0.2.1:1", "[fe80::1]:1", "[::ffff:10.0.0.1]:1"]
        {
            assert!(!check(&[other]), "{other}");
            assert!(!check(&["127.0.0.1:1", other]), "{other}");
        }
        assert!(check(&["127.0.0.1:1", "[::1]:1", "127.8.8.8:1"]));
    }
}
