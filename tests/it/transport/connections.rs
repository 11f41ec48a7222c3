//! Which connections the default HTTP client reuses, and when it closes them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, Version};
use http_body_util::Full;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Barrier, Notify};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tower_bearer::transport::{FetchError, FetchErrorKind, FetchRequest, FetchResponse, HttpClient};
use tower_bearer::transport::{ReqwestClient, UrlKind};

use super::SECOND;
use crate::support::figure::figure;
use crate::support::protected::ISSUER;

/// A self-signed certificate for `localhost` and 127.0.0.1, and its key. Both are only for these tests.
const CERTIFICATE: &[u8] = include_bytes!("../../data/localhost-cert.der");
const CERTIFICATE_KEY: &[u8] = include_bytes!("../../data/localhost-key.der");

fn request(url: &str) -> FetchRequest {
    let request = Request::get(url).body(Bytes::new()).unwrap();
    FetchRequest::new(request, UrlKind::Jwks, ISSUER, 1024)
}

async fn fetch(client: &ReqwestClient, url: &str) -> Result<FetchResponse, FetchError> {
    client.fetch(request(url)).await
}

/// The default settings, with the certificate of these tests as a root.
fn over_tls(configure: fn(reqwest::ClientBuilder) -> reqwest::ClientBuilder) -> ReqwestClient {
    let root = reqwest::Certificate::from_der(CERTIFICATE).unwrap();
    ReqwestClient::build(move |client| configure(client.tls_certs_only([root.clone()]))).unwrap()
}

/// The number of connections that a server has accepted.
#[derive(Clone, Debug, Default)]
struct Accepted(Arc<AtomicUsize>);

impl Accepted {
    fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// A server that responds to the first `responses` requests of each connection. Then it is silent, but keeps
/// the connection open.
async fn silent_after(responses: usize) -> (String, Accepted) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let accepted = Accepted::default();
    let count = accepted.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            count.0.fetch_add(1, Ordering::Relaxed);
            tokio::spawn(async move {
                let mut request = [0; 4096];
                for _ in 0..responses {
                    if stream.read(&mut request).await.unwrap_or_default() == 0 {
                        return;
                    }
                    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
                }
                std::future::pending::<()>().await;
            });
        }
    });
    (url, accepted)
}

/// Fills the pool of `client` with this number of connections.
async fn open_connections(client: &ReqwestClient, url: &str, connections: usize) {
    let mut requests = JoinSet::new();
    for _ in 0..connections {
        requests.spawn(client.fetch(request(url)));
    }
    assert!(requests.join_all().await.iter().all(Result::is_ok));
}

/// A firewall drops idle connections without notice: every pooled connection hangs, and new ones work.
#[tokio::test]
async fn a_fresh_connection_is_not_taken_from_the_pool() {
    let (url, accepted) = silent_after(1).await;
    let client = ReqwestClient::build(|client| client).unwrap();
    open_connections(&client, &url, 3).await;
    assert_eq!(accepted.count(), 3);
    let hung = timeout(Duration::from_millis(100), fetch(&client, &url)).await;
    assert!(hung.is_err(), "the pooled connection hangs");
    for connections in 4..=6 {
        let response = timeout(10 * SECOND, client.fetch(request(&url).on_fresh_connection())).await;
        assert_eq!(response.unwrap().unwrap().response().status(), 200);
        assert_eq!(accepted.count(), connections, "each request has its own connection");
    }
}

#[tokio::test]
async fn an_idle_connection_is_closed_after_20_seconds() {
    let (url, accepted) = silent_after(9).await;
    let client = ReqwestClient::build(|client| client).unwrap();
    for (idle, connections) in [(0, 1), (15, 1), (19, 1), (21, 2), (15, 2)] {
        tokio::time::pause();
        tokio::time::advance(idle * SECOND).await;
        tokio::time::resume();
        assert_eq!(fetch(&client, &url).await.unwrap().response().status(), 200);
        if idle > 15 {
            let quantity = format!("connections that the client has opened, the last one {idle} s idle");
            figure("1.6", quantity, accepted.count(), connections);
        }
        assert_eq!(accepted.count(), connections, "after {idle} s");
    }
}

/// A server over TLS that offers HTTP/2 and HTTP/1.1. Its responses have the HTTP version as their body. They
/// wait for `concurrent` requests in flight.
async fn tls_server(concurrent: usize) -> (std::net::SocketAddr, Accepted) {
    let certificate = CertificateDer::from(CERTIFICATE);
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(CERTIFICATE_KEY));
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate], key);
    let mut config = config.unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let accepted = Accepted::default();
    let (count, barrier) = (accepted.clone(), Arc::new(Barrier::new(concurrent)));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            count.0.fetch_add(1, Ordering::Relaxed);
            tokio::spawn(serve_tls(acceptor.clone(), stream, Arc::clone(&barrier)));
        }
    });
    (address, accepted)
}

async fn serve_tls(acceptor: TlsAcceptor, stream: TcpStream, barrier: Arc<Barrier>) {
    let Ok(stream) = acceptor.accept(stream).await else { return };
    let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let service = service_fn(move |request: Request<hyper::body::Incoming>| {
        let barrier = Arc::clone(&barrier);
        async move {
            if request.uri().path() == "/together" {
                barrier.wait().await;
            }
            if request.uri().path() == "/redirect" {
                let redirect = Response::builder().status(307).header("location", "/");
                return Ok(redirect.body(Full::default()).unwrap());
            }
            let version = if request.version() == Version::HTTP_2 { "2" } else { "1.1" };
            Ok::<_, std::convert::Infallible>(Response::new(Full::new(Bytes::from_static(
                version.as_bytes(),
            ))))
        }
    });
    // The client closes its connections early.
    let _result = match is_http2 {
        true => {
            http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await
        }
        false => http1::Builder::new().serve_connection(TokioIo::new(stream), service).await,
    };
}

/// The user may wrap a client that follows redirects.
#[tokio::test]
async fn a_response_behind_a_redirect_is_an_error_for_a_wrapped_client_too() {
    let (address, _) = tls_server(1).await;
    let root = reqwest::Certificate::from_der(CERTIFICATE).unwrap();
    let following = reqwest::Client::builder().tls_certs_only([root]).build().unwrap();
    let client = ReqwestClient::from(following);
    assert!(fetch(&client, &format!("https://{address}/")).await.is_ok());
    let error = fetch(&client, &format!("https://{address}/redirect")).await.unwrap_err();
    assert_eq!(error.kind(), FetchErrorKind::Redirected);
}

/// Sends 64 requests at the same time and returns the number of connections they use, with the HTTP version.
/// There is no connection before.
async fn connections_of_64_requests(client: &ReqwestClient) -> (usize, Bytes) {
    let (address, accepted) = tls_server(64).await;
    let url = format!("https://{address}/together");
    let requests = open_connections(client, &url, 64);
    timeout(30 * SECOND, requests).await.expect("64 requests are in flight at the same time");
    let connections = accepted.count();
    let version = fetch(client, &format!("https://{address}/")).await.unwrap().into_response();
    (connections, version.into_body())
}

#[tokio::test]
async fn concurrent_requests_share_one_connection_over_http2() {
    let default = connections_of_64_requests(&over_tls(|client| client)).await;
    figure("4", "TLS connections of 64 concurrent calls", default.0, 1);
    assert_eq!(default, (1, Bytes::from("2")));
    // As a comparison.
    let http1 = connections_of_64_requests(&over_tls(reqwest::ClientBuilder::http1_only)).await;
    figure("4", "TLS connections of 64 concurrent calls, HTTP/1.1 only", http1.0, 64);
    assert_eq!(http1, (64, Bytes::from("1.1")));
}

#[tokio::test]
async fn a_fresh_connection_is_not_shared_over_http2() {
    let (address, accepted) = tls_server(1).await;
    let (client, url) = (over_tls(|client| client), format!("https://{address}/"));
    for connections in [1, 1] {
        fetch(&client, &url).await.unwrap();
        assert_eq!(accepted.count(), connections);
    }
    for connections in [2, 3] {
        client.fetch(request(&url).on_fresh_connection()).await.unwrap();
        assert_eq!(accepted.count(), connections);
    }
}

/// Forwards each connection to `target` until `silence` is notified. Then it keeps the connection open.
async fn relay_until(silence: &Arc<Notify>, target: std::net::SocketAddr) -> std::net::SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let silence = Arc::clone(silence);
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let silence = Arc::clone(&silence);
            tokio::spawn(async move {
                let mut server = TcpStream::connect(target).await.unwrap();
                tokio::select! {
                    _ = copy_bidirectional(&mut client, &mut server) => {}
                    () = silence.notified() => std::future::pending().await,
                }
            });
        }
    });
    address
}

/// A timeout does not remove a shared connection from the pool, so it has to be closed.
#[tokio::test]
async fn a_silent_http2_connection_is_closed_within_4_seconds_and_replaced() {
    let (server, accepted) = tls_server(1).await;
    let silence = Arc::new(Notify::new());
    let address = relay_until(&silence, server).await;
    let (client, url) = (over_tls(|client| client), format!("https://{address}/"));
    fetch(&client, &url).await.unwrap();
    silence.notify_waiters();
    tokio::time::pause();
    let start = Instant::now();
    let error = timeout(60 * SECOND, fetch(&client, &url)).await.expect("it is closed").unwrap_err();
    let waited = start.elapsed();
    tokio::time::resume();
    assert!(waited <= 4 * SECOND + Duration::from_millis(100), "{waited:?}");
    assert_eq!(error.kind(), FetchErrorKind::ConnectionLost);
    assert_eq!(
        (fetch(&client, &url).await.unwrap().response().status().as_u16(), accepted.count()),
        (200, 2)
    );
}

/// The name would leave the machine, and its answer could be any address.
#[tokio::test]
async fn localhost_is_not_looked_up_in_dns() {
    #[derive(Debug)]
    struct NoDns;
    impl reqwest::dns::Resolve for NoDns {
        fn resolve(&self, name: reqwest::dns::Name) -> reqwest::dns::Resolving {
            let error = format!("a lookup of {}", name.as_str());
            Box::pin(std::future::ready(Err(error.into())))
        }
    }
    let (url, _) = silent_after(9).await;
    let client = ReqwestClient::build(|client| client.dns_resolver(Arc::new(NoDns))).unwrap();
    for host in ["localhost", "LOCALHOST", "127.0.0.1"] {
        let response = fetch(&client, &url.replace("127.0.0.1", host)).await;
        assert_eq!(response.unwrap().response().status(), 200, "{host}");
    }
    let error = fetch(&client, "http://login.example.com/").await.unwrap_err();
    assert_eq!(error.kind(), FetchErrorKind::Transport);
}
