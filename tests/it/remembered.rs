//! Tokens that were verified before: recognised whole or not at all, and never longer than they hold.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use http::HeaderValue;
use tokio::time::sleep;
use tower_bearer::builder::ConfigProblem;
use tower_bearer::testing::{Endpoint, Fault, TestIssuer};
use tower_bearer::time::Clock;
use tower_bearer::{Algorithm, BearerAuth, BearerAuthBuilder, Issuer, Require, TokenCache, TokenSource};

use tracing::level_filters::LevelFilter;
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer as _;
use tracing_subscriber::layer::{Context, SubscriberExt};

use crate::support::events::Log;
use crate::support::introspected::{IssuerIntrospection, SECOND, introspection};
use crate::support::protected::{API, Handler, Protected, at_once, get, send};

const MINUTE: Duration = Duration::from_secs(60);

/// An issuer whose keys are fetched, and a service that trusts it.
struct Api {
    idp: TestIssuer,
    auth: BearerAuth,
    api: Protected,
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
        Self { api: Protected::by(&auth), idp, auth }
    }

    /// A good token that is remembered.
    async fn remembered(&self) -> String {
        let token = self.idp.token(API).lifetime(100 * MINUTE).sign();
        let before = self.auth.cached_tokens();
        assert_eq!(self.api.kind(&token).await, "ok");
        assert_eq!(self.auth.cached_tokens(), before + 1);
        assert_eq!(self.api.kind_at_once(&token), "ok");
        token
    }

    /// Lets the time go by, for the clock of the issuer as well, and tasks in the background come to rest.
    async fn pass(&self, time: Duration) {
        self.idp.clock().advance(time);
        sleep(time).await;
        sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_remembered_token_is_refused_from_the_end_of_its_life_on() {
    let api = Api::new();
    let token = api.idp.token(API).lifetime(5 * MINUTE).sign();
    assert_eq!(api.api.kind(&token).await, "ok");
    // The leeway is 30 s.
    api.idp.clock().advance(5 * MINUTE + 29 * SECOND);
    assert_eq!(api.api.kind_at_once(&token), "ok");
    api.idp.clock().advance(SECOND);
    assert_eq!(api.api.kind_at_once(&token), "token_expired");
    assert_eq!(api.auth.cached_tokens(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_remembered_token_is_refused_when_the_clock_is_set_to_before_its_begin() {
    let now = |idp: &TestIssuer| idp.clock().now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    for (claim, kind) in [("nbf", "token_not_yet_valid"), ("iat", "token_issued_in_future")] {
        let api = Api::new();
        let token = api.idp.token(API).claim("iat", 0).claim(claim, now(&api.idp)).sign();
        assert_eq!(api.api.kind(&token).await, "ok");
        let start = api.idp.clock().now();
        api.idp.clock().set(start - 30 * SECOND);
        assert_eq!(api.api.kind_at_once(&token), "ok", "{claim}");
        api.idp.clock().set(start - 31 * SECOND);
        assert_eq!(api.api.kind_at_once(&token), kind, "{claim}");
        api.idp.clock().set(start);
        assert_eq!(api.api.kind_at_once(&token), "ok", "{claim}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_remembered_token_is_refused_once_it_is_too_old() {
    let api = Api::with(|builder| builder, |issuer| issuer.max_age(MINUTE));
    let token = api.remembered().await;
    // The leeway is 30 s.
    api.idp.clock().advance(MINUTE + 29 * SECOND);
    assert_eq!(api.api.kind_at_once(&token), "ok");
    api.idp.clock().advance(2 * SECOND);
    assert_eq!(api.api.kind_at_once(&token), "token_too_old");
}

#[tokio::test(start_paused = true)]
async fn a_remembered_token_is_refused_once_its_key_was_withdrawn() {
    let api = Api::new();
    let token = api.remembered().await;
    let kid = api.idp.key_id();
    api.idp.rotate_key();
    api.idp.withdraw_key(&kid);
    api.pass(11 * MINUTE).await;
    assert_eq!(api.auth.cached_tokens(), 1);
    assert_eq!(api.api.kind(&token).await, "key_unknown");
    assert_eq!(api.auth.cached_tokens(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_remembered_token_is_refused_once_another_key_has_its_kid() {
    let api = Api::new();
    let token = api.remembered().await;
    api.idp.replace_key();
    api.pass(11 * MINUTE).await;
    assert_eq!(api.api.kind(&token).await, "signature_mismatch");
}

#[tokio::test(start_paused = true)]
async fn a_remembered_token_is_refused_once_its_key_is_for_another_use() {
    let api = Api::new();
    let token = api.remembered().await;
    let jwks = api.idp.jwks().replace(r#""use":"sig""#, r#""use":"enc""#);
    assert_ne!(jwks, api.idp.jwks());
    let other = TestIssuer::new().jwks();
    let keys = |jwks: &str| jwks.trim_start_matches(r#"{"keys":["#).trim_end_matches("]}").to_owned();
    api.idp.set_jwks(Some(format!(r#"{{"keys":[{},{}]}}"#, keys(&jwks), keys(&other))));
    api.pass(11 * MINUTE).await;
    assert_ne!(api.api.kind(&token).await, "ok");
}

#[tokio::test(start_paused = true)]
async fn a_remembered_token_outlives_a_rotation_that_leaves_its_key_and_a_refresh_that_changes_nothing() {
    let api = Api::new();
    let token = api.idp.token(API).lifetime(100 * MINUTE).sign();
    assert_eq!(api.api.kind(&token).await, "ok");
    api.pass(11 * MINUTE).await;
    assert_eq!(api.api.kind_at_once(&token), "ok");
    api.idp.rotate_key();
    api.pass(11 * MINUTE).await;
    assert_eq!(api.api.kind_at_once(&token), "ok");
    assert_eq!(api.auth.cached_tokens(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_remembered_token_lives_no_longer_through_an_outage_than_the_keys_do() {
    let api = Api::with(|builder| builder.jwks_stale_for(30 * MINUTE), |issuer| issuer);
    let token = api.idp.token(API).lifetime(100 * MINUTE).sign();
    assert_eq!(api.api.kind(&token).await, "ok");
    api.idp.set_outage(Some(Fault::Status(503)));
    api.pass(39 * MINUTE).await;
    assert_eq!(api.api.kind_at_once(&token), "ok");
    api.pass(2 * MINUTE).await;
    assert_eq!(api.api.kind(&token).await, "keys_unavailable");
    api.idp.set_outage(None);
    api.pass(MINUTE).await;
    assert_eq!(api.api.kind(&token).await, "ok");
}

#[tokio::test(start_paused = true)]
async fn a_remembered_token_is_refused_once_its_issuer_says_that_it_was_revoked() {
    let asked = IssuerIntrospection::with(|introspection| introspection.also_jwts().active_ttl(10 * SECOND));
    for (name, token) in [("JWT", asked.idp.token(API).sign()), ("opaque", asked.opaque())] {
        for _ in 0..3 {
            assert_eq!(asked.api.kind(&token).await, "ok", "{name}");
        }
        let remembered = asked.auth.cached_tokens();
        asked.idp.revoke(&token);
        asked.pass(10 * SECOND).await;
        assert_eq!(asked.api.kind(&token).await, "token_inactive", "{name}");
        assert_eq!(asked.api.kind_at_once(&token), "token_inactive", "{name}");
        assert_eq!(asked.auth.cached_tokens(), remembered, "the issuer is asked, not this memory: {name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_route_that_asks_anew_learns_at_once_that_a_remembered_token_was_revoked() {
    let asked = IssuerIntrospection::with(|introspection| introspection.also_jwts());
    let route = asked.asking_now();
    for (name, token) in [("JWT", asked.idp.token(API).sign()), ("opaque", asked.opaque())] {
        for _ in 0..3 {
            assert_eq!(route.kind(&token).await, "ok", "{name}");
        }
        asked.idp.revoke(&token);
        assert_eq!(route.kind(&token).await, "token_inactive", "{name}");
        // And all other routes with it.
        assert_eq!(asked.api.kind_at_once(&token), "token_inactive", "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn another_configuration_does_not_know_the_token() {
    let idp = TestIssuer::new();
    let token = idp.token(API).claim("azp", "shop").sign();
    let of = |audience: &str, issuer: Issuer, max_token_bytes: usize| {
        let builder = BearerAuth::builder(audience).clock(idp.clock()).http_client(idp.http_client());
        builder.issuer(issuer).max_token_bytes(max_token_bytes).build().unwrap()
    };
    let first = of(API, idp.issuer(), 16 * 1024);
    assert_eq!(Protected::by(&first).kind(&token).await, "ok");
    assert_eq!(first.cached_tokens(), 1);
    let elsewhere = TestIssuer::in_memory("https://elsewhere.example").issuer();
    for (name, audience, issuer, max_token_bytes, kind) in [
        ("audience", "https://other.example", idp.issuer(), 16 * 1024, "audience_mismatch"),
        ("issuer", API, elsewhere, 16 * 1024, "issuer_unknown"),
        ("algorithms", API, idp.issuer().algorithms([Algorithm::PS256]), 16 * 1024, "algorithm_not_allowed"),
        ("clients", API, idp.issuer().allowed_clients(["cart"]), 16 * 1024, "client_not_allowed"),
        ("size", API, idp.issuer(), 64, "token_too_large"),
    ] {
        let other = of(audience, issuer, max_token_bytes);
        assert_eq!(other.cached_tokens(), 0);
        assert_eq!(Protected::by(&other).kind(&token).await, kind, "{name}");
        assert_eq!(Protected::by(&first).kind_at_once(&token), "ok");
    }
}

#[tokio::test(start_paused = true)]
async fn clones_share_what_is_remembered() {
    let api = Api::new();
    let token = api.remembered().await;
    let clone = api.auth.clone();
    assert_eq!(Protected::by(&clone).kind_at_once(&token), "ok");
    assert_eq!((clone.cached_tokens(), api.auth.cached_tokens()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn only_a_token_that_was_accepted_is_remembered() {
    let asked = IssuerIntrospection::new();
    let good = asked.idp.token(API).sign();
    let (input, signature) = good.rsplit_once('.').unwrap();
    let forged = if signature.starts_with('B') { "C" } else { "B" };
    let of = |idp: &TestIssuer| idp.token(API);
    for (token, kind) in [
        (format!("{input}.{forged}{}", &signature[1..]), "signature_mismatch"),
        (of(&asked.idp).expired().sign(), "token_expired"),
        (asked.idp.token("https://other.example").sign(), "audience_mismatch"),
        (of(&asked.idp).header("kid", "unknown").sign(), "key_unknown"),
        (of(&asked.idp).claim("cnf", "x").sign(), "sender_not_proven"),
        (of(&TestIssuer::in_memory("https://elsewhere.example")).sign(), "issuer_unknown"),
        ("opaque-and-made-up".to_owned(), "token_inactive"),
        ("a b".to_owned(), "malformed_request"),
    ] {
        for _ in 0..3 {
            assert_eq!(asked.api.kind(&token).await, kind);
        }
    }
    assert_eq!(asked.auth.cached_tokens(), 0);
    assert_eq!(asked.api.kind(&good).await, "ok");
    assert_eq!(asked.auth.cached_tokens(), 1);
}

#[test]
fn a_token_that_differs_in_one_letter_is_another_token() {
    let idp = TestIssuer::new();
    let issuer = Issuer::with_static_jwks(idp.identifier(), idp.jwks());
    let auth = BearerAuth::builder(API).clock(idp.clock()).issuer(issuer).build().unwrap();
    let api = Protected::by(&auth);
    let token = idp.token(API).scope("a b").sign();
    assert_eq!(api.kind_at_once(&token), "ok");
    for at in 0..token.len() {
        let mut altered = token.clone().into_bytes();
        altered[at] = if altered[at] == b'B' { b'C' } else { b'B' };
        let altered = String::from_utf8(altered).unwrap();
        assert_ne!(api.kind_at_once(&altered), "ok", "letter {at}");
    }
    for altered in [format!("{token}A"), format!("{token}="), token[..token.len() - 1].to_owned()] {
        assert_ne!(api.kind_at_once(&altered), "ok", "{altered}");
    }
    assert_eq!(api.kind_at_once(&token), "ok");
    assert_eq!(auth.cached_tokens(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_second_credential_is_refused_beside_a_remembered_token() {
    let api = Api::with(|builder| builder.add_token_source(TokenSource::query()), |issuer| issuer);
    let token = api.remembered().await;
    let value = HeaderValue::try_from(format!("Bearer {token}")).unwrap();
    let mut twice = get(&token);
    twice.headers_mut().append("authorization", value);
    assert_eq!(at_once(api.api.send(twice)).kind(), "malformed_request");
    let mut in_query = get(&token);
    *in_query.uri_mut() = format!("https://api.example.com/?access_token={token}").parse().unwrap();
    assert_eq!(at_once(api.api.send(in_query)).kind(), "malformed_request");
}

#[tokio::test(start_paused = true)]
async fn a_remembered_token_is_taken_from_every_source_and_in_every_spelling() {
    let api = Api::with(|builder| builder.add_token_source(TokenSource::query()), |issuer| issuer);
    let token = api.remembered().await;
    let encoded = token.replace('.', "%2E");
    for query in [&token, &encoded] {
        let mut request = get("x");
        request.headers_mut().remove("authorization");
        *request.uri_mut() = format!("https://api.example.com/?access_token={query}").parse().unwrap();
        let answer = at_once(api.api.send(request));
        assert_eq!(answer.kind(), "ok");
        assert_eq!(answer.header("cache-control"), Some("private"));
    }
    assert_eq!(api.auth.cached_tokens(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_remembered_token_lacks_the_scopes_that_it_lacked() {
    let api = Api::new();
    let token = api.idp.token(API).scope("a").sign();
    let route = |scope: &str| {
        let handler = Handler::default();
        tower::Layer::layer(&api.auth, tower::Layer::layer(&Require::scope(scope), handler))
    };
    for _ in 0..2 {
        assert_eq!(send(route("a"), get(&token)).await.kind(), "ok");
        assert_eq!(send(route("b"), get(&token)).await.kind(), "scope_insufficient");
    }
}

#[tokio::test(start_paused = true)]
async fn the_handler_and_the_log_see_a_remembered_token_as_they_saw_it_first() {
    let api = Api::with(|builder| builder.strip_credentials(), |issuer| issuer);
    let token = api.idp.token(API).subject("alice").claim("tenant", "t").sign();
    let log = Log::start();
    let (first, second) = (api.api.get(&token).await, api.api.get(&token).await);
    for answer in [&first, &second] {
        assert_eq!(answer.token().unwrap().subject(), Some("alice"));
        assert!(!answer.seen().headers.contains_key("authorization"));
    }
    let requests = log.requests();
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[0].fields, requests[1].fields);
    assert!(!log.text().contains(&token));
}

#[tokio::test(start_paused = true)]
async fn typed_claims_are_read_once_for_all_requests_with_a_token() {
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
    let (first, second) = (api.api.get(&token).await, api.api.get(&token).await);
    let claims = [&first, &second].map(|answer| answer.token().unwrap().claims::<Tenant>().unwrap());
    assert_eq!(claims[0].0, "t");
    assert!(Arc::ptr_eq(&claims[0], &claims[1]));
    assert_eq!(READ.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn a_rule_about_tokens_to_ask_about_is_asked_at_every_request() {
    let asked = Arc::new(AtomicUsize::new(0));
    let idp = TestIssuer::new();
    let counter = Arc::clone(&asked);
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
        assert_eq!(api.kind(&token).await, "ok");
        assert!(asked.load(Ordering::Relaxed) >= requests);
    }
    idp.revoke(&token);
    idp.clock().advance(30 * SECOND);
    sleep(30 * SECOND).await;
    assert_eq!(api.kind(&token).await, "token_inactive");
}

/// Says whether it is still there.
#[derive(Debug)]
struct Alive(#[allow(dead_code, reason = "it is there to be counted")] Arc<()>);

impl Clock for Alive {
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }
}

/// What is remembered must not hold what remembers it, nor must tokens that a handler keeps.
#[tokio::test(start_paused = true)]
async fn nothing_of_a_layer_is_left_once_it_is_dropped_whatever_it_remembers() {
    for kept in [false, true] {
        let (idp, alive) = (TestIssuer::new(), Arc::new(()));
        idp.clock().set(SystemTime::now());
        let issuer = idp.issuer().introspect(introspection().endpoint(idp.introspection_url()).also_jwts());
        let builder =
            BearerAuth::builder(API).clock(Alive(Arc::clone(&alive))).http_client(idp.http_client());
        let auth = builder.issuer(issuer).build().unwrap();
        let service = tower::Layer::layer(
            &auth,
            tower::Layer::layer(&Require::token().still_active(), Handler::default()),
        );
        let mut tokens = Vec::new();
        for token in [idp.token(API).sign(), idp.token(API).opaque()] {
            for _ in 0..3 {
                let answer = send(service.clone(), get(&token)).await;
                assert_eq!(answer.kind(), "ok");
                tokens.extend(answer.token().filter(|_| kept).cloned());
            }
        }
        drop((service, auth));
        let fetched = idp.requests(Endpoint::Jwks);
        sleep(120 * MINUTE).await;
        assert_eq!((Arc::strong_count(&alive), idp.requests(Endpoint::Jwks)), (1, fetched), "{tokens:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_rule_about_opaque_tokens_is_asked_at_every_request() {
    let on = Arc::new(AtomicBool::new(true));
    let rule = Arc::clone(&on);
    let asked = IssuerIntrospection::with(|introspection| {
        introspection.opaque_when(move |_| rule.load(Ordering::Relaxed))
    });
    let token = asked.opaque();
    for _ in 0..3 {
        assert_eq!(asked.api.kind(&token).await, "ok");
    }
    on.store(false, Ordering::Relaxed);
    assert_eq!(asked.api.kind_at_once(&token), "token_opaque");
}

#[tokio::test(start_paused = true)]
async fn an_opaque_token_is_remembered_once_its_issuer_said_that_it_is_active() {
    let asked = IssuerIntrospection::new();
    let token = asked.opaque();
    for _ in 0..2 {
        assert_eq!(asked.api.kind(&token).await, "ok");
    }
    assert_eq!((asked.auth.cached_tokens(), asked.calls()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn limits_may_be_as_large_or_small_as_anybody_likes() {
    for (tokens, bytes) in [(1, usize::MAX), (usize::MAX, 1), (usize::MAX, usize::MAX)] {
        let cache = TokenCache::new().max_tokens(tokens).max_bytes(bytes);
        let api = Api::with(|builder| builder.token_cache(cache), |issuer| issuer);
        let token = api.idp.token(API).sign();
        for _ in 0..3 {
            assert_eq!(api.api.kind(&token).await, "ok", "{tokens} {bytes}");
        }
        let asked = IssuerIntrospection::with(|introspection| {
            introspection.max_cached_tokens(tokens).max_cache_bytes(bytes)
        });
        assert_eq!(asked.kind_of_new().await, "ok", "{tokens} {bytes}");
    }
}

/// Filters of single layers remember what `enabled!` was told, and take it for an answer about the next event.
#[test]
fn the_events_of_a_handler_reach_whoever_wants_them() {
    let idp = TestIssuer::new();
    let issuer = Issuer::with_static_jwks(idp.identifier(), idp.jwks());
    let auth = BearerAuth::builder(API).clock(idp.clock()).issuer(issuer).build().unwrap();
    let (informed, debugging) = (Named::default(), Named::default());
    let subscriber = tracing_subscriber::registry()
        .with(informed.clone().with_filter(LevelFilter::INFO))
        .with(debugging.clone().with_filter(LevelFilter::DEBUG));
    let _guard = tracing::subscriber::set_default(subscriber);
    tracing::callsite::rebuild_interest_cache();
    let service = tower::Layer::layer(
        &auth,
        tower::service_fn(|_: http::Request<_>| async {
            tracing::info!(target: "handler", "hello");
            Ok::<_, std::convert::Infallible>(http::Response::new(
                http_body_util::Full::<bytes::Bytes>::default(),
            ))
        }),
    );
    let token = idp.token(API).sign();
    for _ in 0..2 {
        assert_eq!(at_once(send(service.clone(), get(&token))).status(), 200);
    }
    assert_eq!(informed.names(), ["INFO handler", "INFO handler"]);
    let both = ["INFO handler", "DEBUG tower_bearer"];
    assert_eq!(debugging.names(), [both, both].concat());
}

/// The levels and targets of the events that came.
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
async fn with_the_cache_off_nothing_is_remembered() {
    let api = Api::with(|builder| builder.token_cache(TokenCache::disabled()), |issuer| issuer);
    let token = api.idp.token(API).sign();
    for _ in 0..3 {
        assert_eq!(api.api.kind(&token).await, "ok");
    }
    assert_eq!(api.auth.cached_tokens(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_cache_stays_within_its_limits_and_keeps_the_tokens_that_are_used() {
    for (name, cache, most) in [
        ("tokens", TokenCache::new().max_tokens(100), 100),
        ("bytes", TokenCache::new().max_bytes(100 * 1024), 100),
    ] {
        let api = Api::with(|builder| builder.token_cache(cache), |issuer| issuer);
        let used = api.idp.token(API).sign();
        for number in 0..500 {
            assert_eq!(api.api.kind(api.idp.token(API).claim("n", number).sign()).await, "ok");
            assert_eq!(api.api.kind_at_once(&used), "ok");
            assert!(api.auth.cached_tokens() <= most, "{name}");
        }
        assert!(api.auth.cached_tokens() >= 20, "{name}: {}", api.auth.cached_tokens());
    }
}

#[test]
fn limits_of_zero_are_refused() {
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
