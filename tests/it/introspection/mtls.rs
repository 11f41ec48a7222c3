//! Mutual TLS towards the introspection endpoint, over loopback (RFC 8705 sections 2 and 5).

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};
use tower_bearer::diagnostics::{IntrospectionError, IntrospectionErrorKind};
use tower_bearer::transport::reqwest::{Certificate, ClientBuilder, Identity};
use tower_bearer::transport::{FetchErrorKind, ReqwestClient};
use tower_bearer::{BearerAuth, ClientAuth, Introspection, Issuer};

use super::UNAVAILABLE;
use crate::support::protected::{ACCEPTED, API, Protected};

/// The certificate of the servers for `localhost`, and its key.
const SERVER: &[u8] = include_bytes!("../../data/localhost-cert.der");
const SERVER_KEY: &[u8] = include_bytes!("../../data/localhost-key.der");

/// The CA that has issued the client certificate. The servers trust no other.
const CLIENT_CA: &[u8] = include_bytes!("../../data/client-ca.der");

/// The client certificate with its key. All of them are for these tests only.
const CLIENT: &[u8] = include_bytes!("../../data/client.pem");

/// The requests of one server: path, body, and whether the client has shown a certificate.
type Requests = Arc<Mutex<Vec<(String, String, bool)>>>;

/// An authorization server whose alias of the introspection endpoint requires a client certificate.
struct Server {
    issuer: String,
    plain: Requests,
    mutual: Requests,
}

impl Server {
    async fn start() -> Self {
        let (plain, mutual) = (Listening::bind().await, Listening::bind().await);
        let issuer = plain.origin();
        let metadata = json!({
            "issuer": issuer,
            "jwks_uri": format!("{issuer}/keys"),
            "introspection_endpoint": format!("{issuer}/introspect"),
            "mtls_endpoint_aliases": {"introspection_endpoint": format!("{}/introspect", mutual.origin())},
        });
        let active = json!({"active": true, "aud": API, "exp": 9_999_999_999_u64, "sub": "alice"});
        let respond = move |path: &str| match path {
            "/introspect" => active.to_string(),
            _ => metadata.to_string(),
        };
        Self { issuer, plain: plain.serve(false, respond.clone()), mutual: mutual.serve(true, respond) }
    }

    fn auth(&self, configure: fn(ClientBuilder) -> ClientBuilder) -> BearerAuth {
        let root = Certificate::from_der(SERVER).unwrap();
        let client = ReqwestClient::build(move |client| configure(client.tls_certs_only([root.clone()])));
        let introspection = Introspection::with(ClientAuth::mtls("orders-api")).http_client(client.unwrap());
        let issuer = Issuer::without_keys(&self.issuer).introspect(introspection);
        BearerAuth::builder(API).issuer(issuer).build().unwrap()
    }
}

struct Listening(TcpListener);

impl Listening {
    async fn bind() -> Self {
        Self(TcpListener::bind(("127.0.0.1", 0)).await.unwrap())
    }

    fn origin(&self) -> String {
        format!("https://localhost:{}", self.0.local_addr().unwrap().port())
    }

    fn serve(
        self,
        requires_certificate: bool,
        respond: impl Fn(&str) -> String + Clone + Send + Sync + 'static,
    ) -> Requests {
        let requests = Requests::default();
        let (acceptor, seen) = (acceptor(requires_certificate), Arc::clone(&requests));
        tokio::spawn(async move {
            while let Ok((stream, _)) = self.0.accept().await {
                tokio::spawn(serve(acceptor.clone(), stream, Arc::clone(&seen), respond.clone()));
            }
        });
        requests
    }
}

fn acceptor(requires_certificate: bool) -> TlsAcceptor {
    let builder = if requires_certificate {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from(CLIENT_CA)).unwrap();
        let verifier = WebPkiClientVerifier::builder(Arc::new(roots)).build().unwrap();
        ServerConfig::builder().with_client_cert_verifier(verifier)
    } else {
        ServerConfig::builder().with_no_client_auth()
    };
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(SERVER_KEY));
    TlsAcceptor::from(Arc::new(builder.with_single_cert(vec![CertificateDer::from(SERVER)], key).unwrap()))
}

async fn serve(
    acceptor: TlsAcceptor,
    stream: TcpStream,
    requests: Requests,
    respond: impl Fn(&str) -> String + Clone,
) {
    let Ok(stream) = acceptor.accept(stream).await else { return };
    let has_certificate = stream.get_ref().1.peer_certificates().is_some();
    let service = service_fn(move |request: Request<Incoming>| {
        let (requests, respond) = (Arc::clone(&requests), respond.clone());
        async move {
            let path = request.uri().path().to_owned();
            let body = request.into_body().collect().await.unwrap().to_bytes();
            let body = String::from_utf8(body.into()).unwrap();
            let response = respond(&path);
            requests.lock().unwrap().push((path, body, has_certificate));
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(response))))
        }
    });
    // The client closes its connections early.
    let _result = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

#[tokio::test]
async fn a_client_certificate_authenticates_at_the_alias_of_the_endpoint() {
    let server = Server::start().await;
    let auth = server.auth(|client| client.identity(Identity::from_pem(CLIENT).unwrap()));
    auth.ready_all().await.unwrap();
    assert_eq!(Protected::by(&auth).outcome("opaque").await, ACCEPTED);
    let sent = server.mutual.lock().unwrap().clone();
    assert_eq!(sent.len(), 2, "the check at start and the token");
    for (path, body, has_certificate) in &sent {
        assert_eq!((path.as_str(), has_certificate), ("/introspect", &true));
        assert!(body.contains("client_id=orders-api") && !body.contains("secret"), "{body}");
    }
    assert!(sent[1].1.contains("token=opaque"));
    let plain = server.plain.lock().unwrap().clone();
    assert!(plain.iter().all(|(path, ..)| path.starts_with("/.well-known/")), "{plain:?}");
}

#[tokio::test]
async fn without_a_client_certificate_no_token_is_accepted() {
    let server = Server::start().await;
    let auth = server.auth(|client| client);
    let error = auth.ready().await.unwrap_err();
    let kinds: Vec<_> =
        error.issuers().filter_map(|(_, error)| error.downcast_ref().map(IntrospectionError::kind)).collect();
    let is_transport = |kind: &IntrospectionErrorKind| {
        matches!(
            kind,
            IntrospectionErrorKind::Fetch(FetchErrorKind::Transport | FetchErrorKind::ConnectionLost)
        )
    };
    assert!(kinds.len() == 1 && kinds.iter().all(is_transport), "{kinds:?}");
    assert_eq!(Protected::by(&auth).outcome("opaque").await, UNAVAILABLE);
    assert!(server.mutual.lock().unwrap().is_empty());
}
