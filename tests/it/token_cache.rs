//! The token cache: a hit needs the same token byte for byte, and whatever can change is checked on every
//! hit.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use http::HeaderValue;
use serde_json::json;
use tokio::time::sleep;
use tower::{Layer, service_fn};
use tower_bearer::RejectionKind::{
    AlgorithmNotAllowed, AudienceMismatch, ClaimIllTyped, ClientNotAllowed, IssuerUnknown, KeyUnknown,
    KeysUnavailable, MalformedRequest, ScopeInsufficient, SenderNotProven, SignatureMismatch, TokenExpired,
    TokenInactive, TokenIssuedInFuture, TokenNotYetValid, TokenOpaque, TokenTooLarge, TokenTooOld,
};
use tower_bearer::builder::ConfigProblem;
use tower_bearer::testing::{Endpoint, Fault, TestIssuer};
use tower_bearer::time::Clock;
use tower_bearer::{Algorithm, BearerAuth, BearerAuthBuilder, Issuer, Require, TokenCache, TokenSource};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer as _;
use tracing_subscriber::layer::{Context, SubscriberExt};

use crate::support::introspected::{IssuerIntrospection, SECOND, introspection};
use crate::support::log::Log;
use crate::support::protected::{ACCEPTED, API, Handler, Protected, at_once, get, send};

const MINUTE: Duration = Duration::from_secs(60);

/// A test issuer, and an API that trusts it and fetches its keys.
struct Api {
    idp: TestIssuer,
    auth: BearerAuth,
    protected: Protected,
}

impl Api {
    fn new() -> Self {
        Self::with(|builder| builder, |issuer| issuer)
    }

    fn with(
        builder: impl FnOnce(BearerAuthBuilder) -> BearerAuthBuilder,
        issuer: impl FnOnce(Issuer) -> Issuer,
    ) -> Self {
        let idp = TestIssuer::new();
        let base = BearerAuth::builder(API).clock(idp.clock()).http_client(idp.http_client());
        let auth = builder(base).issuer(issuer(idp.issuer())).build().unwrap();
        Self { protected: Protected::by(&auth), idp, auth }
    }

    /// A valid token that is cached.
    async fn cached_token(&self) -> String {
        let token = self.idp.token(API).lifetime(100 * MINUTE).sign();
        let before = self.auth.cached_tokens();
        assert_eq!(self.protected.outcome(&token).await, ACCEPTED);
        assert_eq!(self.auth.cached_tokens(), before + 1);
        assert_eq!(self.protected.outcome_at_once(&token), ACCEPTED);
        token
    }

    /// Advances both tokio's time and the clock of the issuer, and lets background tasks run until they wait.
    async fn pass(&self, time: Duration) {
        self.idp.clock().advance(time);
        sleep(time).await;
        sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_cached_token_is_rejected_once_it_has_expired() {
    let api = Api::new();
    let token = api.idp.token(API).lifetime(5 * MINUTE).sign();
    assert_eq!(api.protected.outcome(&token).await, ACCEPTED);
    // The leeway is 30 s.
    api.idp.clock().advance(5 * MINUTE + 29 * SECOND);
    assert_eq!(api.protected.outcome_at_once(&token), ACCEPTED);
    api.idp.clock().advance(SECOND);
    assert_eq!(api.protected.outcome_at_once(&token), Err(TokenExpired));
    assert_eq!(api.auth.cached_tokens(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_cached_token_is_rejected_when_the_clock_is_set_back_before_nbf_or_iat() {
    let now = |idp: &TestIssuer| idp.clock().now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    for (claim, expected) in [("nbf", Err(TokenNotYetValid)), ("iat", Err(TokenIssuedInFuture))] {
        let api = Api::new();
        let token = api.idp.token(API).claim("iat", 0).claim(claim, now(&api.idp)).sign();
        assert_eq!(api.protected.outcome(&token).await, ACCEPTED);
        let start = api.idp.clock().now();
        api.idp.clock().set(start - 30 * SECOND);
        assert_eq!(api.protected.outcome_at_once(&token), ACCEPTED, "{claim}");
        api.idp.clock().set(start - 31 * SECOND);
        assert_eq!(api.protected.outcome_at_once(&token), expected, "{claim}");
        api.idp.clock().set(start);
        assert_eq!(api.protected.outcome_at_once(&token), ACCEPTED, "{claim}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_cached_token_is_rejected_once_it_exceeds_max_age() {
    let api = Api::with(|builder| builder, |issuer| issuer.max_age(MINUTE));
    let token = api.cached_token().await;
    // The leeway is 30 s.
    api.idp.clock().advance(MINUTE + 29 * SECOND);
    assert_eq!(api.protected.outcome_at_once(&token), ACCEPTED);
    api.idp.clock().advance(2 * SECOND);
    assert_eq!(api.protected.outcome_at_once(&token), Err(TokenTooOld));
}

#[tokio::test(start_paused = true)]
async fn a_cached_token_is_rejected_once_its_key_is_retired() {
    let api = Api::new();
    let token = api.cached_token().await;
    let kid = api.idp.key_id();
    api.idp.rotate_key();
    api.idp.retire_key(&kid);
    api.pass(11 * MINUTE).await;
    assert_eq!(api.auth.cached_tokens(), 1);
    assert_eq!(api.protected.outcome(&token).await, Err(KeyUnknown));
    assert_eq!(api.auth.cached_tokens(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_cached_token_is_rejected_once_another_key_has_its_kid() {
    let api = Api::new();
    let token = api.cached_token().await;
    api.idp.replace_key();
    api.pass(11 * MINUTE).await;
    assert_eq!(api.protected.outcome(&token).await, Err(SignatureMismatch));
}

#[tokio::test(start_paused = true)]
async fn a_cached_token_is_rejected_once_its_key_has_another_use() {
    let api = Api::new();
    let token = api.cached_token().await;
    let jwks = api.idp.jwks().replace(r#""use":"sig""#, r#""use":"enc""#);
    assert_ne!(jwks, api.idp.jwks());
    let other = TestIssuer::new().jwks();
    let keys = |jwks: &str| jwks.trim_start_matches(r#"{"keys":["#).trim_end_matches("]}").to_owned();
    api.idp.set_jwks(Some(format!(r#"{{"keys":[{},{}]}}"#, keys(&jwks), keys(&other))));
    api.pass(11 * MINUTE).await;
    assert_ne!(api.protected.outcome(&token).await, ACCEPTED);
}

#[tokio::test(start_paused = true)]
async fn a_cached_token_stays_cached_while_its_key_is_published() {
    let api = Api::new();
    let token = api.idp.token(API).lifetime(100 * MINUTE).sign();
    assert_eq!(api.protected.outcome(&token).await, ACCEPTED);
    api.pass(11 * MINUTE).await;
    assert_eq!(api.protected.outcome_at_once(&token), ACCEPTED);
    api.idp.rotate_key();
    api.pass(11 * MINUTE).await;
    assert_eq!(api.protected.outcome_at_once(&token), ACCEPTED);
    assert_eq!(api.auth.cached_tokens(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_cached_token_is_rejected_when_the_grace_period_of_the_keys_ends() {
    let api = Api::with(|builder| builder.jwks_stale_for(30 * MINUTE), |issuer| issuer);
    let token = api.idp.token(API).lifetime(100 * MINUTE).sign();
    assert_eq!(api.protected.outcome(&token).await, ACCEPTED);
    api.idp.set_outage(Some(Fault::Status(503)));
    for _ in 0..39 {
        api.pass(MINUTE).await;
        assert_eq!(api.protected.outcome(&token).await, ACCEPTED);
    }
    api.pass(2 * MINUTE).await;
    assert_eq!(api.protected.outcome(&token).await, Err(KeysUnavailable));
    api.idp.set_outage(None);
    api.pass(MINUTE).await;
    assert_eq!(api.protected.outcome(&token).await, ACCEPTED);
}

#[tokio::test(start_paused = true)]
async fn a_cached_token_is_rejected_once_introspection_reports_its_revocation() {
    let api = IssuerIntrospection::with(|introspection| introspection.also_jwts().active_ttl(10 * SECOND));
    for (name, token) in [("JWT", api.idp.token(API).sign()), ("opaque", api.opaque())] {
        for _ in 0..3 {
            assert_eq!(api.api.outcome(&token).await, ACCEPTED, "{name}");
        }
        let cached = api.auth.cached_tokens();
        api.idp.revoke(&token);
        api.pass(10 * SECOND).await;
        assert_eq!(api.api.outcome(&token).await, Err(TokenInactive), "{name}");
        assert_eq!(api.api.outcome_at_once(&token), Err(TokenInactive), "{name}");
        assert_eq!(api.auth.cached_tokens(), cached, "the token cache is unchanged: {name}");
    }
}

#[tokio::test(start_paused = true)]
async fn still_active_rejects_a_cached_token_right_after_its_revocation() {
    let api = IssuerIntrospection::with(|introspection| introspection.also_jwts());
    let route = api.still_active_route();
    for (name, token) in [("JWT", api.idp.token(API).sign()), ("opaque", api.opaque())] {
        for _ in 0..3 {
            assert_eq!(route.outcome(&token).await, ACCEPTED, "{name}");
        }
        api.idp.revoke(&token);
        assert_eq!(route.outcome(&token).await, Err(TokenInactive), "{name}");
        // The other routes use the same introspection response.
        assert_eq!(api.api.outcome_at_once(&token), Err(TokenInactive), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn another_configuration_does_not_share_the_token_cache() {
    let idp = TestIssuer::new();
    let token = idp.token(API).claim("azp", "shop").sign();
    let of = |audience: &str, issuer: Issuer, max_token_bytes: usize| {
        let builder = BearerAuth::builder(audience).clock(idp.clock()).http_client(idp.http_client());
        builder.issuer(issuer).max_token_bytes(max_token_bytes).build().unwrap()
    };
    let first = of(API, idp.issuer(), 16 * 1024);
    assert_eq!(Protected::by(&first).outcome(&token).await, ACCEPTED);
    assert_eq!(first.cached_tokens(), 1);
    let elsewhere = TestIssuer::in_memory("https://elsewhere.example").issuer();
    for (name, audience, issuer, max_token_bytes, expected) in [
        ("audience", "https://other.example", idp.issuer(), 16 * 1024, Err(AudienceMismatch)),
        ("issuer", API, elsewhere, 16 * 1024, Err(IssuerUnknown)),
        ("algorithms", API, idp.issuer().algorithms([Algorithm::PS256]), 16 * 1024, Err(AlgorithmNotAllowed)),
        ("clients", API, idp.issuer().allowed_clients(["cart"]), 16 * 1024, Err(ClientNotAllowed)),
        ("size", API, idp.issuer(), 64, Err(TokenTooLarge)),
    ] {
        let other = of(audience, issuer, max_token_bytes);
        assert_eq!(other.cached_tokens(), 0);
        assert_eq!(Protected::by(&other).outcome(&token).await, expected, "{name}");
        assert_eq!(Protected::by(&first).outcome_at_once(&token), ACCEPTED);
    }
}

#[tokio::test(start_paused = true)]
async fn clones_share_the_token_cache() {
    let api = Api::new();
    let token = api.cached_token().await;
    let clone = api.auth.clone();
    assert_eq!(Protected::by(&clone).outcome_at_once(&token), ACCEPTED);
    assert_eq!((clone.cached_tokens(), api.auth.cached_tokens()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn only_accepted_tokens_are_cached() {
    let api = IssuerIntrospection::new();
    let valid = api.idp.token(API).sign();
    let (input, signature) = valid.rsplit_once('.').unwrap();
    let forged = if signature.starts_with('B') { "C" } else { "B" };
    let of = |idp: &TestIssuer| idp.token(API);
    for (token, expected) in [
        (format!("{input}.{forged}{}", &signature[1..]), Err(SignatureMismatch)),
        (of(&api.idp).expired().sign(), Err(TokenExpired)),
        (api.idp.token("https://other.example").sign(), Err(AudienceMismatch)),
        (of(&api.idp).header("kid", "unknown").sign(), Err(KeyUnknown)),
        (of(&api.idp).claim("cnf", json!({"x": 1})).sign(), Err(SenderNotProven)),
        (of(&api.idp).claim("cnf", "x").sign(), Err(ClaimIllTyped)),
        (of(&TestIssuer::in_memory("https://elsewhere.example")).sign(), Err(IssuerUnknown)),
        ("unknown-opaque-token".to_owned(), Err(TokenInactive)),
        ("a b".to_owned(), Err(MalformedRequest)),
    ] {
        for _ in 0..3 {
            assert_eq!(api.api.outcome(&token).await, expected);
        }
    }
    assert_eq!(api.auth.cached_tokens(), 0);
    assert_eq!(api.api.outcome(&valid).await, ACCEPTED);
    assert_eq!(api.auth.cached_tokens(), 1);
}

#[test]
fn a_token_that_differs_from_a_cached_token_in_one_character_is_rejected() {
    let idp = TestIssuer::new();
    let issuer = Issuer::with_static_jwks(idp.identifier(), idp.jwks());
    let auth = BearerAuth::builder(API).clock(idp.clock()).issuer(issuer).build().unwrap();
    let api = Protected::by(&auth);
    let token = idp.token(API).scope("a b").sign();
    assert_eq!(api.outcome_at_once(&token), ACCEPTED);
    for at in 0..token.len() {
        let mut altered = token.clone().into_bytes();
        altered[at] = if altered[at] == b'B' { b'C' } else { b'B' };
        let altered = String::from_utf8(altered).unwrap();
        assert_ne!(api.outcome_at_once(&altered), ACCEPTED, "character {at}");
    }
    for altered in [format!("{token}A"), format!("{token}="), token[..token.len() - 1].to_owned()] {
        assert_ne!(api.outcome_at_once(&altered), ACCEPTED, "{altered}");
    }
    assert_eq!(api.outcome_at_once(&token), ACCEPTED);
    assert_eq!(auth.cached_tokens(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_second_credential_is_rejected_beside_a_cached_token() {
    let api = Api::with(|builder| builder.add_token_source(TokenSource::query()), |issuer| issuer);
    let token = api.cached_token().await;
    let value = HeaderValue::try_from(format!("Bearer {token}")).unwrap();
    let mut twice = get(&token);
    twice.headers_mut().append("authorization", value);
    assert_eq!(at_once(api.protected.send(twice)).outcome(), Err(MalformedRequest));
    let mut in_query = get(&token);
    *in_query.uri_mut() = format!("https://api.example.com/?access_token={token}").parse().unwrap();
    assert_eq!(at_once(api.protected.send(in_query)).outcome(), Err(MalformedRequest));
}

#[tokio::test(start_paused = true)]
async fn a_cached_token_is_accepted_from_every_source_and_in_every_encoding() {
    let api = Api::with(|builder| builder.add_token_source(TokenSource::query()), |issuer| issuer);
    let token = api.cached_token().await;
    let encoded = token.replace('.', "%2E");
    for query in [&token, &encoded] {
        let mut request = get("x");
        request.headers_mut().remove("authorization");
        *request.uri_mut() = format!("https://api.example.com/?access_token={query}").parse().unwrap();
        let response = at_once(api.protected.send(request));
        assert_eq!(response.outcome(), ACCEPTED);
        assert_eq!(response.header("cache-control"), Some("private"));
    }
    assert_eq!(api.auth.cached_tokens(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_cached_token_is_checked_against_the_scopes_of_each_route() {
    let api = Api::new();
    let token = api.idp.token(API).scope("a").sign();
    let route = |scope: &str| {
        let handler = Handler::default();
        api.auth.layer(Require::scope(scope).layer(handler))
    };
    for _ in 0..2 {
        assert_eq!(send(route("a"), get(&token)).await.outcome(), ACCEPTED);
        assert_eq!(send(route("b"), get(&token)).await.outcome(), Err(ScopeInsufficient));
    }
}

#[tokio::test(start_paused = true)]
async fn handler_and_log_see_the_same_for_a_cached_and_an_uncached_token() {
    let api = Api::with(|builder| builder.strip_credentials(), |issuer| issuer);
    let token = api.idp.token(API).subject("alice").claim("tenant", "t").sign();
    let log = Log::start();
    let (first, second) = (api.protected.get(&token).await, api.protected.get(&token).await);
    for response in [&first, &second] {
        assert_eq!(response.token().unwrap().subject(), Some("alice"));
        assert!(!response.received().head.headers.contains_key("authorization"));
    }
    let requests = log.requests();
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[0].fields, requests[1].fields);
    assert!(!log.text().contains(&token));
}

#[tokio::test(start_paused = true)]
async fn typed_claims_are_deserialized_once_per_cached_token() {
    static READ: AtomicUsize = AtomicUsize::new(0);
    struct Tenant(String);
    impl<'de> serde::Deserialize<'de> for Tenant {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            #[derive(serde::Deserialize)]
            struct Raw {
                tenant: String,
            }
            READ.fetch_add(1, Ordering::Relaxed);
            Raw::deserialize(deserializer).map(|raw| Self(raw.tenant))
        }
    }
    let api = Api::new();
    let token = api.idp.token(API).claim("tenant", "t").sign();
    let (first, second) = (api.protected.get(&token).await, api.protected.get(&token).await);
    let claims = [&first, &second].map(|response| response.token().unwrap().claims::<Tenant>().unwrap());
    assert_eq!(claims[0].0, "t");
    assert!(Arc::ptr_eq(&claims[0], &claims[1]));
    assert_eq!(READ.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn also_jwts_when_is_evaluated_for_every_request() {
    let calls = Arc::new(AtomicUsize::new(0));
    let idp = TestIssuer::new();
    let counter = Arc::clone(&calls);
    let introspection = introspection().endpoint(idp.introspection_url());
    let issuer = idp.issuer().introspect(introspection.also_jwts_when(move |token| {
        counter.fetch_add(1, Ordering::Relaxed);
        token.subject() == Some("alice")
    }));
    let builder = BearerAuth::builder(API).clock(idp.clock()).http_client(idp.http_client());
    let auth = builder.issuer(issuer).build().unwrap();
    let api = Protected::by(&auth);
    let token = idp.token(API).subject("alice").sign();
    for requests in 1..=3 {
        assert_eq!(api.outcome(&token).await, ACCEPTED);
        assert!(calls.load(Ordering::Relaxed) >= requests);
    }
    idp.revoke(&token);
    idp.clock().advance(30 * SECOND);
    sleep(30 * SECOND).await;
    assert_eq!(api.outcome(&token).await, Err(TokenInactive));
}

/// A clock that shows by its reference count whether it is still in use.
#[derive(Debug)]
struct Alive(#[allow(dead_code, reason = "only its reference count is read")] Arc<()>);

impl Clock for Alive {
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }
}

/// Neither cached tokens nor what a handler keeps of a request may own the cache.
#[tokio::test(start_paused = true)]
async fn a_dropped_layer_is_freed_even_if_handlers_keep_the_extensions_of_requests() {
    for keep in [false, true] {
        let (idp, alive) = (TestIssuer::new(), Arc::new(()));
        idp.clock().set(SystemTime::now());
        let issuer = idp.issuer().introspect(introspection().endpoint(idp.introspection_url()).also_jwts());
        let builder =
            BearerAuth::builder(API).clock(Alive(Arc::clone(&alive))).http_client(idp.http_client());
        let auth = builder.issuer(issuer).build().unwrap();
        let service = auth.layer(Require::token().still_active().layer(Handler::default()));
        let mut kept = Vec::new();
        for token in [idp.token(API).sign(), idp.token(API).opaque()] {
            for _ in 0..3 {
                let response = send(service.clone(), get(&token)).await;
                assert_eq!(response.outcome(), ACCEPTED);
                kept.extend(keep.then(|| response.received().head.extensions.clone()));
            }
        }
        drop((service, auth));
        let fetched = idp.requests(Endpoint::Jwks);
        sleep(120 * MINUTE).await;
        assert_eq!((Arc::strong_count(&alive), idp.requests(Endpoint::Jwks)), (1, fetched), "{kept:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn opaque_when_is_evaluated_for_every_request() {
    let on = Arc::new(AtomicBool::new(true));
    let rule = Arc::clone(&on);
    let api = IssuerIntrospection::with(|introspection| {
        introspection.opaque_when(move |_| rule.load(Ordering::Relaxed))
    });
    let token = api.opaque();
    for _ in 0..3 {
        assert_eq!(api.api.outcome(&token).await, ACCEPTED);
    }
    on.store(false, Ordering::Relaxed);
    assert_eq!(api.api.outcome_at_once(&token), Err(TokenOpaque));
}

#[tokio::test(start_paused = true)]
async fn an_active_opaque_token_is_cached() {
    let api = IssuerIntrospection::new();
    let token = api.opaque();
    for _ in 0..2 {
        assert_eq!(api.api.outcome(&token).await, ACCEPTED);
    }
    assert_eq!((api.auth.cached_tokens(), api.calls()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn the_largest_and_smallest_cache_limits_work() {
    for (tokens, bytes) in [(1, usize::MAX), (usize::MAX, 1), (usize::MAX, usize::MAX)] {
        let cache = TokenCache::new().max_tokens(tokens).max_bytes(bytes);
        let api = Api::with(|builder| builder.token_cache(cache), |issuer| issuer);
        let token = api.idp.token(API).sign();
        for _ in 0..3 {
            assert_eq!(api.protected.outcome(&token).await, ACCEPTED, "{tokens} {bytes}");
        }
        let api = Api::with(
            |builder| builder.max_cached_responses(tokens).max_cached_response_bytes(bytes),
            |issuer| issuer.introspect(introspection()),
        );
        assert_eq!(api.protected.outcome(api.idp.token(API).opaque()).await, ACCEPTED, "{tokens} {bytes}");
    }
}

/// Per-layer filters of `tracing_subscriber` keep the result of `enabled!` and apply it to the next event.
#[test]
fn events_of_the_handler_reach_subscribers_with_per_layer_filters() {
    let idp = TestIssuer::new();
    let issuer = Issuer::with_static_jwks(idp.identifier(), idp.jwks());
    let auth = BearerAuth::builder(API).clock(idp.clock()).issuer(issuer).build().unwrap();
    let (informed, debugging) = (Named::default(), Named::default());
    let subscriber = tracing_subscriber::registry()
        .with(informed.clone().with_filter(LevelFilter::INFO))
        .with(debugging.clone().with_filter(LevelFilter::DEBUG));
    let _guard = tracing::subscriber::set_default(subscriber);
    tracing::callsite::rebuild_interest_cache();
    let service = auth.layer(service_fn(|_: http::Request<_>| async {
        tracing::info!(target: "handler", "hello");
        Ok::<_, std::convert::Infallible>(
            http::Response::new(http_body_util::Full::<bytes::Bytes>::default()),
        )
    }));
    let token = idp.token(API).sign();
    for _ in 0..2 {
        assert_eq!(at_once(send(service.clone(), get(&token))).status(), 200);
    }
    assert_eq!(informed.names(), ["INFO handler", "INFO handler"]);
    let both = ["INFO handler", "DEBUG tower_bearer"];
    assert_eq!(debugging.names(), [both, both].concat());
}

/// Records the levels and targets of events.
#[derive(Clone, Default)]
struct Named(Arc<Mutex<Vec<String>>>);

impl Named {
    fn names(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

impl<S: Subscriber> tracing_subscriber::Layer<S> for Named {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        self.0.lock().unwrap().push(format!("{} {}", metadata.level(), metadata.target()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_disabled_token_cache_caches_nothing() {
    let api = Api::with(|builder| builder.token_cache(TokenCache::disabled()), |issuer| issuer);
    let token = api.idp.token(API).sign();
    for _ in 0..3 {
        assert_eq!(api.protected.outcome(&token).await, ACCEPTED);
    }
    assert_eq!(api.auth.cached_tokens(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_token_cache_stays_within_its_limits_and_keeps_tokens_in_use() {
    for (name, cache, most) in [
        ("tokens", TokenCache::new().max_tokens(100), 100),
        ("bytes", TokenCache::new().max_bytes(100 * 1024), 100),
    ] {
        let api = Api::with(|builder| builder.token_cache(cache), |issuer| issuer);
        let used = api.idp.token(API).sign();
        for number in 0..500 {
            assert_eq!(api.protected.outcome(api.idp.token(API).claim("n", number).sign()).await, ACCEPTED);
            assert_eq!(api.protected.outcome_at_once(&used), ACCEPTED);
            assert!(api.auth.cached_tokens() <= most, "{name}");
        }
        assert!(api.auth.cached_tokens() >= 20, "{name}: {}", api.auth.cached_tokens());
    }
}

#[tokio::test(start_paused = true)]
async fn roles_count_as_memory_of_a_cached_token() {
    for (name, claim, cached) in [("no roles", "/none", 1), ("2000 short roles", "/roles", 0)] {
        let cache = TokenCache::new().max_bytes(45 * 1024);
        let api = Api::with(|builder| builder.token_cache(cache), |issuer| issuer.role_claims([claim]));
        let token = api.idp.token(API).claim("roles", vec!["r"; 2000]).sign();
        assert_eq!(api.protected.outcome(&token).await, ACCEPTED, "{name}");
        assert_eq!(api.auth.cached_tokens(), cached, "{name}");
    }
}

#[test]
fn cache_limits_of_zero_are_config_errors() {
    let idp = TestIssuer::new();
    let cache = TokenCache::new().max_tokens(0).max_bytes(0);
    let issuer = Issuer::with_static_jwks(idp.identifier(), idp.jwks());
    let error = BearerAuth::builder(API).issuer(issuer).token_cache(cache).build().unwrap_err();
    let settings: Vec<&str> = error
        .problems()
        .iter()
        .filter_map(|problem| match problem {
            ConfigProblem::Zero { setting, .. } => Some(*setting),
            _ => None,
        })
        .collect();
    assert_eq!(settings, ["max_tokens of TokenCache", "max_bytes of TokenCache"]);
}
