//! Asks the running development issuer for a token.
//!
//! Checks: the issuer is on a loopback address, as every development issuer is. Why: a typing error must not
//! send claims in plain text to another machine.

use std::net::IpAddr;
use std::time::Duration;

use http::Uri;
use http::header::CONTENT_TYPE;
use tokio::runtime::Runtime;
use tower_bearer::transport::reqwest::{Client, redirect};

use super::token_request::TokenRequest;
use crate::dev_issuer::MINT_PATH;
use crate::failure::Failure;

/// The time limit for the response.
const TIMEOUT: Duration = Duration::from_secs(10);

pub(super) fn ask(issuer: &str, request: &TokenRequest) -> Result<String, Failure> {
    let url = format!("{}{MINT_PATH}", issuer.trim_end_matches('/'));
    if !is_loopback(&url) {
        return Err(Failure::new(format!(
            "{issuer} is no development issuer: use http://127.0.0.1 and its port"
        )));
    }
    let body = serde_json::to_vec(request).map_err(|error| Failure::because("cannot send", error))?;
    let runtime = Runtime::new().map_err(|error| Failure::because("cannot start", error))?;
    runtime.block_on(async {
        let no_response =
            |_| Failure::new(format!("no response from {issuer}: start it with `tower-bearer dev-issuer`"));
        let client = Client::builder().no_proxy().redirect(redirect::Policy::none()).timeout(TIMEOUT);
        let client = client.build().map_err(|error| Failure::because("cannot start", error))?;
        let request = client.post(url).header(CONTENT_TYPE, "application/json").body(body);
        let response = request.send().await.map_err(no_response)?;
        let status = response.status();
        let text = response.text().await.map_err(no_response)?;
        // Another server on this port may respond with a page.
        if status.is_success() && text.bytes().all(|byte| byte.is_ascii_graphic()) {
            Ok(text)
        } else {
            Err(Failure::new(format!("{issuer} has issued no token ({status}): is it a `dev-issuer`?")))
        }
    })
}

fn is_loopback(url: &str) -> bool {
    let Ok(url) = url.parse::<Uri>() else { return false };
    let host = url.host().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    url.scheme_str() == Some("http")
        && (host == "localhost" || address.is_ok_and(|address| address.is_loopback()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_addresses_are_asked() {
        for other in [
            "",
            "127.0.0.1:9000",
            "https://127.0.0.1:9000",
            "http://login.example.com",
            "http://127.0.0.1.example.com",
            "http://127.0.0.1@example.com",
            "http://localhost.example.com",
            "http://10.0.0.1:9000",
            "http://0.0.0.0:9000",
        ] {
            assert!(!is_loopback(other), "{other}");
        }
        for loopback in
            ["http://127.0.0.1:9000", "http://127.8.8.8", "http://[::1]:9000", "http://localhost:1"]
        {
            assert!(is_loopback(loopback), "{loopback}");
        }
    }
}
