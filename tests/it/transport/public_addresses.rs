//! The default HTTP client and requests that require a public address.

use std::error::Error;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::timeout;
use tower_bearer::transport::{
    FetchError, FetchErrorKind, FetchRequest, HttpClient, ReqwestClient, UrlKind, reqwest,
};

/// How long a request may take that must fail at once.
const LIMIT: Duration = Duration::from_secs(10);

fn request(url: &str) -> FetchRequest {
    let request = Request::get(url).body(Bytes::new()).unwrap();
    FetchRequest::new(request, UrlKind::Jwks, "https://login.example.com", 1024).to_public_address_only()
}

fn source(error: &FetchError) -> String {
    error.source().map(ToString::to_string).unwrap_or_default()
}

#[tokio::test]
async fn a_url_with_a_private_address_gets_no_connection() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let client = ReqwestClient::build(|client| client).unwrap();
    // The listener responds to nothing, so a request that reaches it would wait.
    let error_of = async |request| timeout(LIMIT, client.fetch(request)).await.unwrap().unwrap_err();
    for (host, address) in [
        ("127.0.0.1", "127.0.0.1"),
        ("localhost", "127.0.0.1"),
        ("LOCALHOST", "127.0.0.1"),
        ("[::1]", "::1"),
        ("[::ffff:127.0.0.1]", "::ffff:127.0.0.1"),
        ("[::ffff:7f00:1]", "::ffff:127.0.0.1"),
        ("0.0.0.0", "0.0.0.0"),
        ("[::]", "::"),
        ("10.0.0.1", "10.0.0.1"),
        ("169.254.169.254", "169.254.169.254"),
        ("[fd00::1]", "fd00::1"),
    ] {
        for scheme in ["http", "https"] {
            let url = format!("{scheme}://{host}:{port}/keys");
            for request in [request(&url), request(&url).on_fresh_connection()] {
                let error = error_of(request).await;
                assert_eq!(error.kind(), FetchErrorKind::AddressNotAllowed, "{url}");
                assert!(source(&error).starts_with(&format!("the address {address} of ")), "{error:?}");
                assert!(source(&error).contains("IssuerResolver::allow_private_addresses"), "{error:?}");
            }
        }
    }
    // URL parsers read these as 127.0.0.1.
    for host in ["2130706433", "127.1", "0x7f.1", "0x7f000001", "0177.0.0.1", "127.0.0.1."] {
        for scheme in ["http", "https"] {
            let url = format!("{scheme}://{host}:{port}/keys");
            for request in [request(&url), request(&url).on_fresh_connection()] {
                let error = error_of(request).await;
                assert_eq!(error.kind(), FetchErrorKind::AddressNotAllowed, "{url}");
                assert!(source(&error).starts_with(&format!("the host {host:?} is neither ")), "{error:?}");
            }
        }
    }
    let connection = timeout(Duration::from_millis(10), listener.accept()).await;
    assert!(connection.is_err());
}

#[tokio::test]
async fn a_wrapped_client_sends_no_request_that_requires_a_public_address() {
    let client = reqwest::Client::builder().tls_certs_only([]).build().unwrap();
    let error =
        ReqwestClient::from(client).fetch(request("https://login.example.com/keys")).await.unwrap_err();
    assert_eq!(error.kind(), FetchErrorKind::AddressNotAllowed);
    assert!(source(&error).contains("use ReqwestClient::build"), "{error:?}");
}

/// The port of a server that responds to every request, also to those for another host, as a proxy.
async fn server() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _length = stream.read(&mut [0; 4096]).await;
            let response = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
            let _closed_early = stream.write_all(response).await;
        }
    });
    port
}

#[tokio::test]
async fn a_proxy_is_reached_at_a_private_address_but_not_by_a_name_that_has_one() {
    let port = server().await;
    for (proxy, url, is_allowed) in [
        ("127.0.0.1", "http://login.example.com/keys", true),
        ("127.0.0.1", "http://10.0.0.1/keys", false),
        ("localhost", "http://login.example.com/keys", false),
    ] {
        let proxy = format!("http://{proxy}:{port}");
        let through = {
            let proxy = reqwest::Proxy::all(&proxy).unwrap();
            ReqwestClient::build(move |client| client.no_proxy().proxy(proxy.clone())).unwrap()
        };
        let outcome = through.fetch(request(url)).await.map(drop).map_err(|error| error.kind());
        let expected = if is_allowed { Ok(()) } else { Err(FetchErrorKind::AddressNotAllowed) };
        assert_eq!(outcome, expected, "{proxy} {url}");
    }
}

#[tokio::test]
async fn an_address_that_the_configuration_sets_for_a_name_is_not_checked() {
    let address: SocketAddr = ([127, 0, 0, 1], server().await).into();
    let resolve =
        move |client: reqwest::ClientBuilder| client.no_proxy().resolve("keys.example.com", address);
    let client = ReqwestClient::build(resolve).unwrap();
    let url = format!("http://keys.example.com:{}/keys", address.port());
    assert!(client.fetch(request(&url)).await.is_ok());
}
