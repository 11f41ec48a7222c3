//! A test issuer over TLS: which HTTP clients reach it, and which certificates authenticate a client.

use super::*;
use crate::introspection::ClientAuth;
use crate::rejection::{Rejection, RejectionKind};
use crate::settings::Introspection;
use crate::testing::{Endpoint, TestCa};
use crate::transport::{ReqwestClient, reqwest};

/// A client that trusts `ca`, and presents the certificate in this PEM.
fn client(ca: &TestCa, certificate: Option<String>) -> ReqwestClient {
    let root = reqwest::Certificate::from_pem(ca.pem().as_bytes()).unwrap();
    let identity = certificate.map(|pem| reqwest::Identity::from_pem(pem.as_bytes()).unwrap());
    ReqwestClient::build(move |client| {
        let client = client.tls_certs_only([root.clone()]);
        identity.iter().fold(client, |client, identity| client.identity(identity.clone()))
    })
    .unwrap()
}

/// Whether a `BearerAuth` with this client can fetch the keys.
async fn is_reachable(idp: &TestIssuer, client: ReqwestClient) -> bool {
    let auth = BearerAuth::builder(API).issuer(idp.issuer()).http_client(client).build().unwrap();
    auth.ready().await.is_ok()
}

/// The kind of the rejection of a request with this token. `None` if it is accepted.
async fn rejection_of(auth: &BearerAuth, token: &str) -> Option<RejectionKind> {
    present(auth, token).await.extensions().get().map(Rejection::kind)
}

#[tokio::test]
async fn a_client_that_trusts_the_authority_reaches_the_issuer_and_no_other_does() {
    let (ca, other) = (TestCa::new(), TestCa::new());
    let idp = TestIssuer::loopback().path("/realms/acme").tls(&ca).start().await.unwrap();
    assert!(idp.identifier().starts_with("https://127.0.0.1:"));
    assert!(!is_reachable(&idp, client(&other, None)).await);
    assert_eq!(idp.requests(Endpoint::Metadata), 0);
    assert!(is_reachable(&idp, client(&ca, None)).await);
    assert_eq!(idp.requests(Endpoint::Jwks), 1);
}

#[tokio::test]
async fn a_handshake_without_a_certificate_fails_where_one_is_required() {
    let (ca, other) = (TestCa::new(), TestCa::new());
    let idp = TestIssuer::loopback().mutual_tls(&ca).start().await.unwrap();
    assert!(!is_reachable(&idp, client(&ca, None)).await);
    assert!(!is_reachable(&idp, client(&ca, Some(other.client_pem("orders-api")))).await);
    assert_eq!(idp.requests(Endpoint::Metadata), 0);
    assert!(is_reachable(&idp, client(&ca, Some(ca.client_pem("orders-api")))).await);
}

#[tokio::test]
async fn an_mtls_client_authenticates_with_its_own_certificate_only() {
    let ca = TestCa::new();
    let idp = TestIssuer::loopback().tls(&ca).start().await.unwrap();
    idp.register_mtls_client("orders-api");
    idp.register_mtls_client("billing-api");
    let rejected = Some(RejectionKind::IntrospectionMisconfigured);
    for (name, certificate, expected) in [
        ("its own", Some("orders-api"), None),
        ("none", None, rejected),
        ("that of another registered client", Some("billing-api"), rejected),
        ("that of an unregistered client", Some("shipping-api"), rejected),
    ] {
        let client = client(&ca, certificate.map(|id| ca.client_pem(id)));
        let introspection = Introspection::with(ClientAuth::mtls("orders-api")).http_client(client.clone());
        let builder = BearerAuth::builder(API).issuer(idp.issuer().introspect(introspection));
        let auth = builder.http_client(client).build().unwrap();
        let token = idp.token(API).subject("alice").opaque();
        assert_eq!(rejection_of(&auth, &token).await, expected, "{name}");
    }
}

#[tokio::test]
async fn a_registered_certificate_is_needed_even_with_the_right_one_presented() {
    let ca = TestCa::new();
    let idp = TestIssuer::loopback().tls(&ca).start().await.unwrap();
    let client = client(&ca, Some(ca.client_pem("orders-api")));
    let request =
        || form_request(&idp.introspection_url(), &[], &[("client_id", "orders-api"), ("token", "t")]);
    let status = async || {
        let request = FetchRequest::new(request(), UrlKind::Introspection, "", 1 << 20);
        client.fetch(request).await.unwrap().into_response().status()
    };
    assert_eq!(status().await, 401);
    idp.register_mtls_client("orders-api");
    assert_eq!(status().await, 200);
}

#[tokio::test]
async fn a_granted_token_is_bound_to_the_certificate_of_the_connection_if_the_test_asks_for_it() {
    let ca = TestCa::new();
    let idp = TestIssuer::loopback().tls(&ca).start().await.unwrap();
    idp.register_client("orders-api", "s3cret");
    let pem = ca.client_pem("orders-api");
    let cnf = async |certificate: Option<&String>| {
        let form = [
            ("grant_type", "client_credentials"),
            ("resource", API),
            ("client_id", "orders-api"),
            ("client_secret", "s3cret"),
        ];
        let request =
            FetchRequest::new(form_request(&idp.token_url(), &[], &form), UrlKind::Token, "", 1 << 20);
        let response = client(&ca, certificate.cloned()).fetch(request).await.unwrap().into_response();
        let body: Value = serde_json::from_slice(response.body()).unwrap();
        assert_eq!(body["token_type"], "Bearer");
        introspect(&idp, body["access_token"].as_str().unwrap()).await["cnf"].clone()
    };
    assert_eq!(cnf(Some(&pem)).await, Value::Null, "not asked for");
    idp.set_certificate_bound_tokens(true);
    let bound = introspect(&idp, &idp.token(API).bound_to_certificate(&pem).sign()).await;
    assert!(bound["cnf"]["x5t#S256"].is_string());
    assert_eq!(cnf(Some(&pem)).await, bound["cnf"]);
    assert_eq!(cnf(None).await, Value::Null, "no certificate");
}
