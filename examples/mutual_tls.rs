//! A hyper server that terminates mutual TLS: a certificate-bound token works only with its certificate (RFC
//! 8705 section 3).
//!
//! ```text
//! cargo run --example mutual_tls    # sends three requests; exits with 0 if all responses match
//! ```

use std::convert::Infallible;
use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use serde_json::json;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig, ServerConnection};
use tower::ServiceBuilder;
use tower_bearer::certificates::{Certificates, ClientCertificate};
use tower_bearer::testing::{TestCa, TestIssuer};
use tower_bearer::{AccessToken, BearerAuth};

/// The audience: tokens for this API have it in `aud`.
const API: &str = "https://api.example.com";

#[tokio::main]
async fn main() -> Result<ExitCode, Box<dyn Error>> {
    let (idp, ca) = (TestIssuer::start().await?, TestCa::new());
    let auth =
        BearerAuth::builder(API).issuer(idp.issuer()).certificates(Certificates::of_connection()).build()?;

    let (acceptor, server_certificate) = tls(&ca)?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("https://{}/", listener.local_addr()?);
    tokio::spawn(serve(listener, acceptor, auth));

    let (client, thief) = (ca.client_pem("orders-api"), ca.client_pem("thief"));
    let token = bound_token(&idp, &client)?;
    let mut all_match = true;
    for (name, identity, expected) in [
        ("the certificate of the token", Some(&client), 200),
        ("another certificate", Some(&thief), 401),
        ("no certificate", None, 401),
    ] {
        let status = send(&url, &server_certificate, identity, &token).await?;
        println!("{name:<30} {status}");
        all_match &= status == expected;
    }
    Ok(if all_match { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn serve(listener: TcpListener, acceptor: TlsAcceptor, auth: BearerAuth) {
    let service = ServiceBuilder::new().layer(auth).service(tower::service_fn(greet));
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let (acceptor, service) = (acceptor.clone(), service.clone());
        tokio::spawn(async move {
            let Ok(stream) = acceptor.accept(stream).await else { return };
            // Created once per connection, so that its requests share the thumbprint.
            let certificate = client_certificate(stream.get_ref().1);
            let add_certificate = move |mut request: Request<Incoming>| {
                if let Some(certificate) = &certificate {
                    request.extensions_mut().insert(certificate.clone());
                }
                request
            };
            let service = ServiceBuilder::new().map_request(add_certificate).service(service);
            let service = TowerToHyperService::new(service);
            if let Err(error) = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await {
                eprintln!("connection error: {error}");
            }
        });
    }
}

/// The first certificate that the client has sent is its own.
fn client_certificate(connection: &ServerConnection) -> Option<ClientCertificate> {
    let der = connection.peer_certificates()?.first()?;
    Some(ClientCertificate::from_der(der.to_vec()))
}

async fn greet(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let subject = request.extensions().get().and_then(AccessToken::subject).unwrap_or("client");
    Ok(Response::new(Full::from(format!("hello {subject}\n"))))
}

/// A TLS server that asks for a client certificate and does without, and the certificate of the server.
fn tls(ca: &TestCa) -> Result<(TlsAcceptor, CertificateDer<'static>), Box<dyn Error>> {
    let provider = Arc::new(default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca.pem().as_bytes())?)?;
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
        .allow_unauthenticated()
        .build()?;

    let server = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()])?;
    let certificate = server.cert.der().clone();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(server.signing_key.serialize_der()));
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![certificate.clone()], key)?;
    Ok((TlsAcceptor::from(Arc::new(config)), certificate))
}

/// A token that is bound to the certificate in `client_pem`.
fn bound_token(idp: &TestIssuer, client_pem: &str) -> Result<String, Box<dyn Error>> {
    let der = CertificateDer::from_pem_slice(client_pem.as_bytes())?;
    let thumbprint = ClientCertificate::from_der(der.to_vec()).thumbprint();
    Ok(idp.token(API).claim("cnf", json!({ "x5t#S256": thumbprint })).sign())
}

/// Sends the token over a connection with this client certificate. Returns the status of the response.
async fn send(
    url: &str,
    server_certificate: &CertificateDer<'_>,
    client_pem: Option<&String>,
    token: &str,
) -> Result<u16, Box<dyn Error>> {
    let server = reqwest::Certificate::from_der(server_certificate)?;
    let mut client = reqwest::Client::builder().no_proxy().tls_certs_only([server]);
    if let Some(pem) = client_pem {
        client = client.identity(reqwest::Identity::from_pem(pem.as_bytes())?);
    }
    Ok(client.build()?.get(url).bearer_auth(token).send().await?.status().as_u16())
}
