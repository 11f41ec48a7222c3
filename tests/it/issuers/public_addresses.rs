//! Issuers that are not fixed at the start make no request to a private address.

use std::io;
use std::sync::{Arc, Mutex};

use serde_json::json;
use tokio::time::sleep;
use tower_bearer::RejectionKind::KeysUnavailable;
use tower_bearer::diagnostics::{IntrospectionErrorKind, KeysErrorKind};
use tower_bearer::issuers::IssuerResolver;
use tower_bearer::testing::TestIssuer;
use tower_bearer::transport::{FetchErrorKind, FetchFuture, FetchRequest, HttpClient, UrlKind};
use tower_bearer::{BearerAuth, Issuer};

use super::SECOND;
use crate::support::introspected::introspection;
use crate::support::net::{Net, Reply};
use crate::support::protected::{ACCEPTED, API, Protected};

const NOT_ALLOWED: FetchErrorKind = FetchErrorKind::AddressNotAllowed;
const ISSUER: &str = "https://acme.login.test";

/// Resolves every issuer that matches `pattern`.
fn resolver(pattern: &str) -> IssuerResolver {
    IssuerResolver::new(pattern, async |request| {
        let issuer = Issuer::discover(request.issuer());
        Ok::<_, io::Error>(Some(issuer.introspect(introspection().also_jwts())))
    })
}

#[cfg(feature = "reqwest")]
#[tokio::test]
async fn a_resolved_issuer_on_loopback_gets_no_request_unless_the_resolver_allows_it() {
    use tower_bearer::testing::Endpoint;

    let idp = TestIssuer::loopback().path("/acme").start().await.unwrap();
    let pattern = idp.identifier().replace("/acme", "/{tenant}");
    let build = |resolver: IssuerResolver| {
        BearerAuth::builder(API).clock(idp.clock()).resolve_issuers(resolver).build().unwrap()
    };
    let auth = build(resolver(&pattern));
    assert_eq!(Protected::by(&auth).outcome(idp.token(API).sign()).await, Err(KeysUnavailable));
    let status = auth.status();
    let error = status[0].keys().unwrap().last_error().unwrap();
    assert_eq!(error.kind(), KeysErrorKind::Fetch(NOT_ALLOWED));
    assert!(error.hint().unwrap().contains("allow_private_addresses"));
    for endpoint in [Endpoint::Metadata, Endpoint::Jwks, Endpoint::Introspection] {
        assert_eq!(idp.requests(endpoint), 0);
    }
    let auth = build(resolver(&pattern).allow_private_addresses());
    assert_eq!(Protected::by(&auth).outcome(idp.token(API).sign()).await, ACCEPTED);
}

#[tokio::test(start_paused = true)]
async fn metadata_that_names_a_private_address_causes_no_request_to_it() {
    for host in ["127.0.0.1", "localhost", "[::1]", "[::ffff:10.0.0.1]", "169.254.169.254", "192.168.1.1"] {
        let idp = TestIssuer::in_memory(ISSUER);
        let net = Net::to(&idp);
        let [jwks, introspect] = ["jwks", "introspect"].map(|path| format!("https://{host}/{path}"));
        let metadata =
            json!({"issuer": ISSUER, "jwks_uri": jwks, "introspection_endpoint": introspect}).to_string();
        idp.set_metadata(Some(metadata));
        net.set(&jwks, Reply::body(idp.jwks()));
        net.set(
            &introspect,
            Reply::body(json!({"active": true, "aud": API, "exp": 9_999_999_999u64}).to_string()),
        );
        let auth = |issuer: Issuer| {
            let builder = BearerAuth::builder(API).clock(idp.clock()).http_client(net.clone());
            let auth = builder.allow_no_issuer().skip_start_check().build().unwrap();
            auth.issuers().add(issuer.introspect(introspection())).unwrap();
            auth
        };
        let restricted = auth(idp.issuer().require_public_addresses());
        let api = Protected::by(&restricted);
        assert_eq!(api.outcome(idp.token(API).sign()).await, Err(KeysUnavailable), "{host}");
        assert!(api.outcome(idp.token(API).opaque()).await.is_err(), "{host}");
        assert_eq!((net.count(&jwks), net.count(&introspect)), (0, 0), "{host}");
        let status = restricted.status();
        let keys = status[0].keys().unwrap().last_error().map(|error| error.kind());
        assert_eq!(keys, Some(KeysErrorKind::Fetch(NOT_ALLOWED)), "{host}");
        let introspection = status[0].introspection().unwrap().last_error().map(|error| error.kind());
        assert_eq!(introspection, Some(IntrospectionErrorKind::Fetch(NOT_ALLOWED)), "{host}");
        // An issuer that the operator configures without the setting.
        let api = Protected::by(&auth(idp.issuer()));
        assert_eq!(api.outcome(idp.token(API).sign()).await, ACCEPTED, "{host}");
        assert_eq!(api.outcome(idp.token(API).opaque()).await, ACCEPTED, "{host}");
    }
}

/// Records whether each request requires a public address.
#[derive(Clone)]
struct Recording<C> {
    client: C,
    requests: Arc<Mutex<Vec<(UrlKind, bool)>>>,
}

impl<C: HttpClient> HttpClient for Recording<C> {
    fn fetch(&self, request: FetchRequest) -> FetchFuture {
        self.requests.lock().unwrap().push((request.url_kind(), request.requires_public_address()));
        self.client.fetch(request)
    }
}

#[tokio::test(start_paused = true)]
async fn every_request_for_a_resolved_issuer_tells_the_client_to_check_addresses() {
    let idp = TestIssuer::in_memory(ISSUER);
    for (resolver, expected) in [
        (resolver("https://{tenant}.login.test"), true),
        (resolver("https://{tenant}.login.test").allow_private_addresses(), false),
    ] {
        let client = Recording { client: idp.http_client(), requests: Arc::default() };
        let builder = BearerAuth::builder(API).clock(idp.clock()).http_client(client.clone());
        let auth = builder.resolve_issuers(resolver).build().unwrap();
        assert_eq!(Protected::by(&auth).outcome(idp.token(API).sign()).await, ACCEPTED);
        sleep(SECOND).await;
        let requests = client.requests.lock().unwrap().clone();
        for kind in [UrlKind::Metadata, UrlKind::Jwks, UrlKind::Introspection] {
            assert!(requests.contains(&(kind, expected)), "{kind:?}: {requests:?}");
            assert!(!requests.contains(&(kind, !expected)), "{kind:?}: {requests:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_issuer_with_restricted_addresses_does_not_use_the_keys_of_one_without() {
    let idp = TestIssuer::in_memory(ISSUER);
    let client = Recording { client: idp.http_client(), requests: Arc::default() };
    let issuer = |identifier: &str| Issuer::with_jwks_url(identifier, idp.jwks_url());
    let builder = BearerAuth::builder(API).clock(idp.clock()).http_client(client.clone());
    let other = issuer("https://other.test").require_public_addresses();
    let auth = builder.issuer(issuer(ISSUER)).add_issuer(other).skip_start_check().build().unwrap();
    auth.ready().await.unwrap();
    let mut requests = client.requests.lock().unwrap().clone();
    requests.sort_unstable_by_key(|(_, is_restricted)| *is_restricted);
    assert_eq!(requests, [(UrlKind::Jwks, false), (UrlKind::Jwks, true)]);
}
