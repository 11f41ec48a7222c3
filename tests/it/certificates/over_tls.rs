//! Mutual TLS over loopback: from the token endpoint, which binds the token, to the protected API.

use std::convert::Infallible;

use http::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};
use tower::{Layer, ServiceBuilder, service_fn};
use tower_bearer::AccessToken;
use tower_bearer::testing::TestCa;
use tower_bearer::transport::ReqwestClient;
use tower_bearer::transport::reqwest::{Certificate, Client, Identity};

use super::*;

const SERVER: &[u8] = OTHER;
const SERVER_KEY: &[u8] = include_bytes!("../../data/localhost-key.der");

/// A client that trusts both servers, with this client certificate.
fn client_with(ca: &TestCa, identity: Option<&str>) -> Client {
    let roots = [Certificate::from_pem(ca.pem().as_bytes()), Certificate::from_der(SERVER)];
    let client = Client::builder().no_proxy().tls_certs_only(roots.map(Result::unwrap));
    match identity {
        None => client.build().unwrap(),
        Some(pem) => client.identity(Identity::from_pem(pem.as_bytes()).unwrap()).build().unwrap(),
    }
}

/// Serves an API over TLS that requests a client certificate, and returns its URL.
async fn serve(ca: &TestCa, auth: BearerAuth) -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("https://localhost:{}/", listener.local_addr().unwrap().port());
    let acceptor = acceptor(ca);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(connection(stream, acceptor.clone(), auth.clone()));
        }
    });
    url
}

fn acceptor(ca: &TestCa) -> TlsAcceptor {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca.pem().as_bytes()).unwrap()).unwrap();
    let verifier = WebPkiClientVerifier::builder(Arc::new(roots)).allow_unauthenticated().build().unwrap();
    let builder = ServerConfig::builder().with_client_cert_verifier(verifier);
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(SERVER_KEY));
    TlsAcceptor::from(Arc::new(builder.with_single_cert(vec![CertificateDer::from(SERVER)], key).unwrap()))
}

async fn connection(stream: TcpStream, acceptor: TlsAcceptor, auth: BearerAuth) {
    let Ok(stream) = acceptor.accept(stream).await else { return };
    let certificate = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
    let certificate = certificate.map(|der| ClientCertificate::from_der(der.to_vec()));
    let insert = move |mut request: Request<Incoming>| {
        if let Some(certificate) = &certificate {
            request.extensions_mut().insert(certificate.clone());
        }
        request
    };
    let handler = service_fn(async |request: Request<Incoming>| {
        let thumbprint = request
            .extensions()
            .get::<AccessToken>()
            .and_then(|token| token.bound_to().and_then(|bound_to| bound_to.certificate_thumbprint()));
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(thumbprint.unwrap_or_default()))))
    });
    let service = ServiceBuilder::new().map_request(insert).service(auth.layer(handler));
    // The client closes its connections early.
    let _result =
        http1::Builder::new().serve_connection(TokioIo::new(stream), TowerToHyperService::new(service)).await;
}

#[tokio::test]
async fn a_token_that_the_token_endpoint_has_bound_works_over_its_own_certificate_only() {
    let ca = TestCa::new();
    let idp = TestIssuer::loopback().tls(&ca).start().await.unwrap();
    idp.set_certificate_bound_tokens(true);
    let root = Certificate::from_pem(ca.pem().as_bytes()).unwrap();
    let http_client =
        ReqwestClient::build(move |client| client.no_proxy().tls_certs_only([root.clone()])).unwrap();
    let builder = BearerAuth::builder(API).issuer(idp.issuer()).http_client(http_client);
    let auth = builder.certificates(Certificates::of_connection()).skip_start_check().build().unwrap();
    let url = serve(&ca, auth).await;

    let (own, other) = (ca.client_pem("app"), ca.client_pem("thief"));
    let own_client = client_with(&ca, Some(&own));
    let token = {
        let request = own_client
            .post(idp.token_url())
            .basic_auth(TestIssuer::CLIENT_ID, Some(TestIssuer::CLIENT_SECRET))
            .header("content-type", "application/x-www-form-urlencoded")
            .body("grant_type=client_credentials&resource=https%3A%2F%2Fapi.example.com");
        let response = request.send().await.unwrap().bytes().await.unwrap();
        let response: Value = serde_json::from_slice(&response).unwrap();
        response["access_token"].as_str().unwrap().to_owned()
    };
    let certificate = CertificateDer::from_pem_slice(own.as_bytes()).unwrap();
    let thumbprint = ClientCertificate::from_der(certificate.to_vec()).thumbprint();
    for (name, client, expected) in [
        ("its own", own_client.clone(), Ok(thumbprint.clone())),
        ("its own, over the same connection", own_client.clone(), Ok(thumbprint.clone())),
        ("its own, over another connection", client_with(&ca, Some(&own)), Ok(thumbprint)),
        ("another", client_with(&ca, Some(&other)), Err("bound to another client certificate")),
        ("none", client_with(&ca, None), Err("none was presented")),
    ] {
        let response = client.get(&url).bearer_auth(&token).send().await.unwrap();
        let status = response.status().as_u16();
        let body = response.text().await.unwrap();
        match expected {
            Ok(thumbprint) => assert_eq!((status, body), (200, thumbprint), "{name}"),
            Err(reason) => assert!(status == 401 && body.contains(reason), "{name}: {status} {body}"),
        }
    }
}
