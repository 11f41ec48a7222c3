//! Issuers that a function finds when a token names them.

use std::collections::HashMap;
use std::future::pending;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use tokio::runtime::Builder;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tower_bearer::RejectionKind::{IssuerUnknown, KeysUnavailable, SignatureMismatch, TokenInactive};
use tower_bearer::builder::ConfigProblem;
use tower_bearer::issuers::IssuerResolver;
use tower_bearer::testing::{Endpoint, InMemoryClient, TestIssuer};
use tower_bearer::{BearerAuth, Issuer};

use super::{HOUR, SECOND};
use crate::support::introspected::introspection;
use crate::support::log::Log;
use crate::support::protected::{ACCEPTED, API, Protected};
use crate::support::stuck::{driven, stuck_after_request};

const PATTERN: &str = "https://{tenant}.login.test";

/// An API that resolves the issuers of some tenants.
struct Resolving {
    tenants: HashMap<String, TestIssuer>,
    auth: BearerAuth,
    api: Protected,
    calls: Arc<Calls>,
}

/// The behaviour of the function, and the identifiers that it was called with.
#[derive(Default)]
struct Calls {
    asked: Mutex<Vec<String>>,
    fails: AtomicBool,
    /// Knows no tenant any more.
    is_offboarded: AtomicBool,
    millis: AtomicUsize,
}

impl Resolving {
    fn new(tenants: &[&str]) -> Self {
        Self::with(tenants, |resolver| resolver)
    }

    fn with(tenants: &[&str], configure: impl FnOnce(IssuerResolver) -> IssuerResolver) -> Self {
        let idp = |tenant: &&str| TestIssuer::in_memory(format!("https://{tenant}.login.test"));
        let tenants: HashMap<String, TestIssuer> =
            tenants.iter().map(|tenant| ((*tenant).to_owned(), idp(tenant))).collect();
        let calls: Arc<Calls> = Arc::default();
        let (known, asked) = (tenants.clone(), Arc::clone(&calls));
        let resolver = IssuerResolver::new(PATTERN, move |request| {
            let calls = Arc::clone(&asked);
            let is_offboarded = calls.is_offboarded.load(Ordering::Relaxed);
            let is_known = known.contains_key(request.tenant()) && !is_offboarded;
            async move {
                calls.asked.lock().unwrap().push(request.tenant().to_owned());
                sleep(SECOND / 1000 * calls.millis.load(Ordering::Relaxed) as u32).await;
                match calls.fails.load(Ordering::Relaxed) {
                    true => Err(io::Error::other("the database is down")),
                    false => Ok(is_known.then(|| Issuer::discover(request.issuer()))),
                }
            }
        });
        let clients = tenants.values().map(TestIssuer::http_client);
        let client = clients.reduce(InMemoryClient::and).unwrap();
        let clock = tenants.values().next().unwrap().clock();
        let builder = BearerAuth::builder(API).clock(clock).http_client(client);
        let auth = builder.resolve_issuers(configure(resolver)).build().unwrap();
        Self { api: Protected::by(&auth), tenants, auth, calls }
    }

    fn token(&self, tenant: &str) -> String {
        self.tenants[tenant].token(API).lifetime(100 * HOUR).sign()
    }

    /// A token of a tenant that nobody knows.
    fn made_up(&self, tenant: &str) -> String {
        let idp = self.tenants.values().next().unwrap();
        idp.token(API).claim("iss", format!("https://{tenant}.login.test")).sign()
    }

    fn calls(&self) -> usize {
        self.calls.asked.lock().unwrap().len()
    }
}

/// `token` with the signature of `other`.
fn with_other_signature(token: &str, other: &str) -> String {
    let parts = |token: &str| token.rsplit_once('.').map(|(head, tail)| (head.to_owned(), tail.to_owned()));
    let ((head, _), (_, signature)) = parts(token).zip(parts(other)).unwrap();
    format!("{head}.{signature}")
}

#[tokio::test(start_paused = true)]
async fn an_issuer_is_resolved_once_for_all_requests_that_wait() {
    let resolving = Resolving::new(&["acme", "globex"]);
    resolving.calls.millis.store(100, Ordering::Relaxed);
    let mut requests = JoinSet::new();
    for _ in 0..100 {
        let (api, token) = (resolving.api.clone(), resolving.token("acme"));
        requests.spawn(async move { api.outcome(token).await });
    }
    assert!(requests.join_all().await.into_iter().all(|outcome| outcome == ACCEPTED));
    assert_eq!(*resolving.calls.asked.lock().unwrap(), ["acme"]);
    assert_eq!(resolving.tenants["acme"].requests(Endpoint::Jwks), 1);
    assert_eq!(resolving.auth.issuers().list(), ["https://acme.login.test"]);
    assert_eq!(resolving.api.outcome(resolving.token("globex")).await, ACCEPTED);
    assert_eq!(resolving.api.outcome_at_once(resolving.token("acme")), ACCEPTED);
}

#[tokio::test(start_paused = true)]
async fn an_issuer_that_does_not_match_the_pattern_never_reaches_the_function() {
    let resolving = Resolving::new(&["acme"]);
    let idp = &resolving.tenants["acme"];
    for issuer in [
        "https://acme.login.test/",
        "http://acme.login.test",
        "https://login.test",
        "https://a.b.login.test",
        "https://acme.login.test.evil.test",
        "https://evil.test/.login.test",
        "https://169.254.169.254/.login.test",
        "",
    ] {
        let token = idp.token(API).claim("iss", issuer).sign();
        assert_eq!(resolving.api.outcome_at_once(token), Err(IssuerUnknown), "{issuer}");
    }
    assert_eq!(resolving.calls(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_issuer_is_rejected_and_not_asked_for_again_within_the_negative_ttl() {
    let resolving = Resolving::with(&["acme"], |resolver| resolver.negative_ttl(10 * SECOND));
    let token = resolving.made_up("nobody");
    assert_eq!(resolving.api.outcome(&token).await, Err(IssuerUnknown));
    sleep(9 * SECOND).await;
    assert_eq!(resolving.api.outcome_at_once(&token), Err(IssuerUnknown));
    assert_eq!(resolving.calls(), 1);
    sleep(2 * SECOND).await;
    assert_eq!(resolving.api.outcome(&token).await, Err(IssuerUnknown));
    assert_eq!(resolving.calls(), 2);
    assert_eq!(resolving.auth.issuers().list(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_function_that_fails_or_hangs_is_an_outage_and_resolved_issuers_are_not_affected() {
    let resolving = Resolving::new(&["acme", "globex"]);
    assert_eq!(resolving.api.outcome(resolving.token("acme")).await, ACCEPTED);
    resolving.calls.fails.store(true, Ordering::Relaxed);
    assert_eq!(resolving.api.outcome(resolving.token("globex")).await, Err(KeysUnavailable));
    assert_eq!(resolving.api.outcome_at_once(resolving.token("globex")), Err(KeysUnavailable));
    assert_eq!(resolving.api.outcome_at_once(resolving.token("acme")), ACCEPTED);
    assert_eq!(resolving.calls(), 2);
    resolving.calls.fails.store(false, Ordering::Relaxed);
    resolving.calls.millis.store(60_000, Ordering::Relaxed);
    sleep(SECOND).await;
    let start = Instant::now();
    assert_eq!(resolving.api.outcome(resolving.token("globex")).await, Err(KeysUnavailable));
    assert_eq!(start.elapsed().as_secs(), 3, "max_key_wait");
    resolving.calls.millis.store(0, Ordering::Relaxed);
    sleep(4 * SECOND).await;
    assert_eq!(resolving.api.outcome(resolving.token("globex")).await, ACCEPTED);
}

#[tokio::test(start_paused = true)]
async fn a_function_that_panics_is_an_outage_that_is_logged_and_cached() {
    let log = Log::start();
    let calls = Arc::new(AtomicUsize::new(0));
    let panicking = Arc::clone(&calls);
    let resolver = IssuerResolver::new(PATTERN, move |_| {
        panicking.fetch_add(1, Ordering::Relaxed);
        async { panic!("a bug in the function") as io::Result<Option<Issuer>> }
    });
    let idp = TestIssuer::in_memory("https://acme.login.test");
    let builder = BearerAuth::builder(API).clock(idp.clock()).http_client(idp.http_client());
    let api = Protected::by(&builder.resolve_issuers(resolver).build().unwrap());
    for _ in 0..10 {
        assert_eq!(api.outcome(idp.token(API).sign()).await, Err(KeysUnavailable));
    }
    assert_eq!(calls.load(Ordering::Relaxed), 1, "the failure is cached");
    let causes = log.events().into_iter().filter_map(|event| event.field("cause").map(str::to_owned));
    let panics = causes.filter(|cause| cause == "the issuer resolver failed: it panicked").count();
    assert_eq!(panics, 1);
    assert!(log.events().iter().any(|event| event.field("pattern") == Some(PATTERN)));
    assert!(!log.events().iter().any(|event| event.field("issuer") == Some("https://acme.login.test")));
    sleep(2 * SECOND).await;
    assert_eq!(api.outcome(idp.token(API).sign()).await, Err(KeysUnavailable));
    assert_eq!(calls.load(Ordering::Relaxed), 2);
}

#[tokio::test(start_paused = true)]
async fn an_issuer_with_another_identifier_than_the_token_names_is_never_used() {
    let idp = TestIssuer::in_memory("https://acme.login.test");
    let other = TestIssuer::in_memory("https://globex.login.test");
    let resolver = IssuerResolver::new(PATTERN, async |_| {
        Ok::<_, io::Error>(Some(Issuer::discover("https://acme.login.test")))
    });
    let builder = BearerAuth::builder(API).clock(idp.clock());
    let builder = builder.http_client(idp.http_client().and(other.http_client()));
    let api = Protected::by(&builder.resolve_issuers(resolver).build().unwrap());
    assert_eq!(api.outcome(other.token(API).sign()).await, Err(KeysUnavailable));
    assert_eq!(api.outcome(idp.token(API).sign()).await, ACCEPTED);
    let forged = other.token(API).claim("iss", "https://acme.login.test").sign();
    assert!(api.outcome(forged).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn an_idle_issuer_is_evicted_with_its_task_and_one_in_use_stays() {
    let resolving = Resolving::with(&["acme", "globex"], |resolver| resolver.idle_timeout(HOUR));
    let tokens = ["acme", "globex"].map(|tenant| resolving.token(tenant));
    for token in &tokens {
        assert_eq!(resolving.api.outcome(token).await, ACCEPTED);
    }
    let forged = with_other_signature(&tokens[1], &tokens[0]);
    for step in 0..5 {
        sleep(HOUR / 2).await;
        assert_eq!(resolving.api.outcome(&tokens[0]).await, ACCEPTED);
        // Forged tokens are no use. Once the issuer is evicted, they would make it resolved again.
        if step < 3 {
            assert_eq!(resolving.api.outcome(&forged).await, Err(SignatureMismatch));
        }
    }
    assert_eq!(resolving.auth.issuers().list(), ["https://acme.login.test"]);
    sleep(3 * HOUR).await;
    assert_eq!(resolving.auth.issuers().list(), [""; 0]);
    let fetches = |tenant: &str| resolving.tenants[tenant].requests(Endpoint::Jwks);
    let before = (fetches("acme"), fetches("globex"));
    sleep(24 * HOUR).await;
    assert_eq!((fetches("acme"), fetches("globex")), before);
    assert_eq!(resolving.api.outcome(&tokens[1]).await, ACCEPTED, "resolved again");
}

#[tokio::test(start_paused = true)]
async fn an_issuer_whose_tokens_are_only_introspected_stays_while_they_are_accepted() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let tenants = ["t0", "t1", "t2", "t3"].map(|tenant| format!("https://{tenant}.login.test"));
    let idps = tenants.clone().map(TestIssuer::in_memory);
    let resolver = IssuerResolver::new(PATTERN, move |request| {
        counted.fetch_add(1, Ordering::Relaxed);
        let issuer = Issuer::without_keys(request.issuer()).introspect(introspection().opaque_none());
        async move { Ok::<_, io::Error>(Some(issuer)) }
    });
    let resolver = resolver.max_issuers(2).idle_timeout(HOUR);
    let client = idps.iter().map(TestIssuer::http_client).reduce(InMemoryClient::and).unwrap();
    let builder = BearerAuth::builder(API).clock(idps[0].clock()).http_client(client);
    let auth = builder.resolve_issuers(resolver).build().unwrap();
    let api = Protected::by(&auth);
    let token = || idps[0].token(API).lifetime(100 * HOUR).sign();
    assert_eq!(api.outcome(token()).await, ACCEPTED);
    for _ in 0..5 {
        sleep(HOUR / 2).await;
        assert_eq!(api.outcome(token()).await, ACCEPTED);
    }
    assert_eq!(calls.load(Ordering::Relaxed), 1, "it is in use, so it is not evicted as idle");
    for idp in &idps[1..] {
        assert_eq!(api.outcome(token()).await, ACCEPTED);
        let revoked = idp.token(API).sign();
        idp.revoke(&revoked);
        assert_eq!(api.outcome(revoked).await, Err(TokenInactive));
        assert!(auth.issuers().list().contains(&tenants[0]), "one that is in use stays");
    }
}

#[tokio::test(start_paused = true)]
async fn an_issuer_that_is_resolved_right_before_the_eviction_of_idle_ones_stays_for_the_timeout() {
    let resolving = Resolving::with(&["acme", "globex"], |resolver| resolver.idle_timeout(HOUR));
    assert_eq!(resolving.api.outcome(resolving.token("acme")).await, ACCEPTED);
    sleep(HOUR - SECOND).await;
    let unsigned = with_other_signature(&resolving.token("globex"), &resolving.token("acme"));
    assert_eq!(resolving.api.outcome(&unsigned).await, Err(SignatureMismatch));
    sleep(2 * SECOND).await;
    assert!(resolving.auth.issuers().list().contains(&"https://globex.login.test".to_owned()));
    sleep(2 * HOUR).await;
    assert_eq!(resolving.auth.issuers().list(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn beyond_the_limit_an_issuer_that_no_valid_token_has_used_is_evicted_first() {
    let tenants: Vec<String> = (0..10).map(|number| format!("t{number}")).collect();
    let names: Vec<&str> = tenants.iter().map(String::as_str).collect();
    let resolving = Resolving::with(&names, |resolver| resolver.max_issuers(3));
    for tenant in ["t0", "t1"] {
        assert_eq!(resolving.api.outcome(resolving.token(tenant)).await, ACCEPTED);
    }
    for tenant in &tenants[2..] {
        // Signed by another tenant.
        let forged = resolving.tenants["t0"].token(API);
        let forged = forged.claim("iss", format!("https://{tenant}.login.test")).sign();
        assert!(resolving.api.outcome(forged).await.is_err(), "{tenant}");
        assert!(resolving.auth.issuers().list().len() <= 3);
        for tenant in ["t0", "t1"] {
            assert_eq!(resolving.api.outcome_at_once(resolving.token(tenant)), ACCEPTED);
        }
    }
    for tenant in &tenants {
        assert_eq!(resolving.api.outcome(resolving.token(tenant)).await, ACCEPTED, "{tenant}");
        assert!(resolving.auth.issuers().list().len() <= 3);
    }
}

#[tokio::test(start_paused = true)]
async fn made_up_tenants_are_limited_and_do_not_affect_resolved_issuers() {
    let resolving = Resolving::new(&["acme"]);
    let token = resolving.token("acme");
    assert_eq!(resolving.api.outcome(&token).await, ACCEPTED);
    resolving.calls.millis.store(1_000, Ordering::Relaxed);
    let mut requests = JoinSet::new();
    for number in 0..500 {
        let (api, token) = (resolving.api.clone(), resolving.made_up(&format!("x{number}")));
        requests.spawn(async move { api.outcome(token).await });
    }
    let outcomes = requests.join_all().await;
    assert_eq!(resolving.calls(), 64, "with the one of acme");
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == Err(IssuerUnknown)).count(), 63);
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Err(IssuerUnknown | KeysUnavailable))));
    assert_eq!(resolving.api.outcome_at_once(&token), ACCEPTED);
}

#[tokio::test(start_paused = true)]
async fn the_metadata_of_a_resolved_issuer_may_not_name_another_host() {
    let resolving = Resolving::new(&["acme", "globex"]);
    let metadata = json!({"issuer": "https://acme.login.test", "jwks_uri": "https://globex.login.test/jwks"});
    resolving.tenants["acme"].set_metadata(Some(metadata.to_string()));
    assert_eq!(resolving.api.outcome(resolving.token("acme")).await, Err(KeysUnavailable));
    assert_eq!(resolving.tenants["globex"].requests(Endpoint::Jwks), 0);
}

#[tokio::test(start_paused = true)]
async fn a_resolved_issuer_verifies_signatures_like_any_other_and_is_removed_like_any_other() {
    let resolving = Resolving::new(&["acme"]);
    let token = resolving.token("acme");
    assert_eq!(resolving.api.outcome(&token).await, ACCEPTED);
    let forged = with_other_signature(&token, &resolving.token("acme"));
    assert_eq!(resolving.api.outcome(forged).await, Err(SignatureMismatch));
    assert!(resolving.auth.issuers().remove("https://acme.login.test"));
    assert_eq!(resolving.api.outcome(&token).await, ACCEPTED, "the function still knows it");
    assert_eq!(resolving.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_call_in_flight_does_not_add_an_issuer_that_was_removed_after_it_started() {
    let resolving = Resolving::new(&["acme"]);
    resolving.calls.millis.store(1_000, Ordering::Relaxed);
    let remove = async {
        sleep(SECOND / 2).await;
        // This call has decided already, and the next one says no.
        resolving.calls.is_offboarded.store(true, Ordering::Relaxed);
        assert!(!resolving.auth.issuers().remove("https://acme.login.test"), "it is not listed yet");
    };
    let (outcome, ()) = tokio::join!(resolving.api.outcome(resolving.token("acme")), remove);
    assert_eq!(outcome, Err(IssuerUnknown));
    assert_eq!(resolving.calls(), 2, "the request that waited starts another call");
    assert_eq!(resolving.auth.issuers().list(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_waits_during_the_removal_of_another_issuer_is_accepted() {
    let resolving = Resolving::new(&["acme", "globex"]);
    assert_eq!(resolving.api.outcome(resolving.token("globex")).await, ACCEPTED);
    resolving.calls.millis.store(1_000, Ordering::Relaxed);
    let remove = async {
        sleep(SECOND / 2).await;
        assert!(resolving.auth.issuers().remove("https://globex.login.test"));
    };
    let (outcome, ()) = tokio::join!(resolving.api.outcome(resolving.token("acme")), remove);
    assert_eq!(outcome, ACCEPTED);
    assert_eq!(resolving.auth.issuers().list(), ["https://acme.login.test"]);
}

#[test]
fn an_unusable_pattern_or_limit_is_a_config_error() {
    let build = |pattern: &str, configure: fn(IssuerResolver) -> IssuerResolver| {
        let resolver = IssuerResolver::new(pattern, async |_| Ok::<_, io::Error>(None));
        let idp = TestIssuer::new();
        let builder = BearerAuth::builder(API).http_client(idp.http_client());
        builder.resolve_issuers(configure(resolver)).build().map(drop)
    };
    assert!(build(PATTERN, |resolver| resolver).is_ok(), "no other issuer is needed");
    for pattern in ["https://{tenant}", "https://login.test", "{tenant}", "https://{tenant}.test"] {
        let problems = super::problems(build(pattern, |resolver| resolver));
        assert!(matches!(problems[..], [ConfigProblem::IssuerPatternUnusable { .. }]), "{problems:?}");
    }
    let problems = super::problems(build(PATTERN, |resolver| {
        resolver.max_issuers(0).idle_timeout(Duration::ZERO).timeout(Duration::ZERO)
    }));
    assert_eq!(problems.len(), 3);
    assert!(problems.iter().all(|problem| matches!(problem, ConfigProblem::Zero { .. })));
}

/// Two runtimes: nothing drives that of the first request, after it has started the call.
#[tokio::test(start_paused = true)]
async fn a_call_on_a_runtime_that_stands_still_is_started_anew_by_a_waiting_request() {
    let resolving = Resolving::new(&["acme"]);
    resolving.calls.millis.store(3_600_000, Ordering::Relaxed);
    let token = resolving.token("acme");
    let stuck = stuck_after_request(&resolving.api, &token);
    assert_eq!(resolving.calls(), 1);
    resolving.calls.millis.store(0, Ordering::Relaxed);
    let start = Instant::now();
    assert_eq!(resolving.api.outcome(&token).await, ACCEPTED);
    assert!(start.elapsed() <= 3 * SECOND, "{:?}", start.elapsed());
    assert_eq!(resolving.calls(), 2);
    // Dropping the first call neither rejects the issuer nor wakes anybody.
    stuck.shutdown_background();
    assert_eq!(resolving.api.outcome_at_once(&token), ACCEPTED);
    assert_eq!(resolving.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_waits_is_accepted_by_the_first_call_that_returns_an_issuer() {
    replaced_call_returns(|issuer| Ok(Some(Issuer::discover(issuer))), false).await;
}

#[tokio::test(start_paused = true)]
async fn a_replaced_call_that_finds_no_issuer_does_not_decide() {
    replaced_call_returns(|_| Ok(None), true).await;
    replaced_call_returns(|_| Err(io::Error::other("timed out")), true).await;
}

/// A request is accepted although the first call, on a runtime that stands still for a while, has returned
/// `first`. The second call, on another runtime, never ends unless it `ends`.
async fn replaced_call_returns(first: fn(&str) -> io::Result<Option<Issuer>>, ends: bool) {
    let calls = Arc::new(AtomicUsize::new(0));
    let returns = Arc::new(Notify::new());
    let (counted, gate) = (Arc::clone(&calls), Arc::clone(&returns));
    let resolver = IssuerResolver::new(PATTERN, move |request| {
        let is_first = counted.fetch_add(1, Ordering::SeqCst) == 0;
        let gate = Arc::clone(&gate);
        async move {
            if is_first {
                gate.notified().await;
                return first(request.issuer());
            }
            if !ends {
                pending::<()>().await;
            }
            sleep(SECOND * 3 / 4).await;
            Ok(Some(Issuer::discover(request.issuer())))
        }
    });
    let idp = TestIssuer::in_memory("https://acme.login.test");
    let builder = BearerAuth::builder(API).clock(idp.clock()).http_client(idp.http_client());
    let api = Protected::by(&builder.resolve_issuers(resolver).build().unwrap());
    let token = idp.token(API).sign();
    let stuck = stuck_after_request(&api, &token);
    let request = tokio::spawn({
        let (api, token) = (api.clone(), token.clone());
        async move { api.outcome(token).await }
    });
    sleep(SECOND * 5 / 2).await;
    assert_eq!(calls.load(Ordering::SeqCst), 2);
    returns.notify_one();
    let stuck = driven(stuck);
    assert_eq!(request.await.unwrap(), ACCEPTED);
    assert_eq!(calls.load(Ordering::SeqCst), 2);
    stuck.shutdown_background();
    assert_eq!(api.outcome_at_once(&token), ACCEPTED);
}

#[tokio::test(start_paused = true)]
async fn idle_issuers_are_evicted_although_the_runtime_of_the_first_call_stands_still() {
    let resolving = Resolving::with(&["acme", "globex"], |resolver| resolver.idle_timeout(HOUR));
    let stuck = std::thread::spawn({
        let (api, token) = (resolving.api.clone(), resolving.token("acme"));
        move || {
            let stuck = Builder::new_current_thread().enable_all().build().unwrap();
            assert_eq!(stuck.block_on(api.outcome(&token)), ACCEPTED);
            stuck
        }
    });
    let stuck = stuck.join().unwrap();
    sleep(3 * HOUR).await;
    assert_eq!(resolving.auth.issuers().list(), ["https://acme.login.test"]);
    assert_eq!(resolving.api.outcome(resolving.token("globex")).await, ACCEPTED);
    sleep(2 * HOUR + SECOND).await;
    assert_eq!(resolving.auth.issuers().list(), [""; 0]);
    stuck.shutdown_background();
}

#[tokio::test(start_paused = true)]
async fn a_slow_call_on_a_runtime_that_is_driven_is_not_started_anew() {
    let resolving = Resolving::with(&["acme"], |resolver| resolver.timeout(100 * SECOND));
    resolving.calls.millis.store(20_000, Ordering::Relaxed);
    let token = resolving.token("acme");
    for _ in 0..6 {
        assert_eq!(resolving.api.outcome(&token).await, Err(KeysUnavailable));
    }
    sleep(3 * SECOND).await;
    assert_eq!(resolving.api.outcome(&token).await, ACCEPTED);
    assert_eq!(resolving.calls(), 1);
}
