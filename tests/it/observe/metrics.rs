//! The feature `metrics`: series, labels and gauges, read as Prometheus text.

use std::collections::BTreeSet;
use std::convert::Infallible;

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusRecorder};
use tower_bearer::issuers::IssuerResolver;
use tower_bearer::revocation::{Revocations, Revoke};
use tower_bearer::testing::TestIssuer;
use tower_bearer::{BearerAuth, Issuer, RejectionKind};

use crate::support::introspected::{SECOND, introspection};
use crate::support::protected::{ACCEPTED, API, Protected, anonymous};

/// The recorder of a test: metrics of this thread go to it.
fn recorder() -> &'static PrometheusRecorder {
    Box::leak(Box::new(PrometheusBuilder::new().build_recorder()))
}

/// The lines of metrics, without comments.
fn series(recorder: &PrometheusRecorder) -> Vec<String> {
    let text = recorder.handle().render();
    text.lines().filter(|line| line.starts_with("tower_bearer_")).map(str::to_owned).collect()
}

/// The value of the series that starts with `name`.
fn value(recorder: &PrometheusRecorder, name: &str) -> Option<String> {
    let line = series(recorder).into_iter().find(|line| line.starts_with(name))?;
    line.rsplit_once(' ').map(|(_, value)| value.to_owned())
}

#[tokio::test(start_paused = true)]
async fn requests_are_counted_by_outcome_kind_source_and_issuer() {
    let idp = TestIssuer::new();
    let auth = idp.bearer_auth(API).metrics().build().unwrap();
    // Installed after `build`.
    let recorder = recorder();
    let _guard = metrics::set_default_local_recorder(recorder);
    let (api, token) = (Protected::by(&auth), idp.token(API).sign());
    for _ in 0..3 {
        assert_eq!(api.outcome(&token).await, ACCEPTED);
    }
    assert!(api.send(anonymous("GET")).await.outcome().is_err());
    let requests = |labels: &str| value(recorder, &format!("tower_bearer_requests_total{{{labels}}}"));
    let accepted = r#"outcome="accepted",kind="accepted""#;
    let (one, two) = (Some("1".to_owned()), Some("2".to_owned()));
    let issuer = r#"issuer="https://issuer.test""#;
    assert_eq!(requests(&format!(r#"{accepted},source="uncached",{issuer}"#)), one);
    assert_eq!(requests(&format!(r#"{accepted},source="cached",{issuer}"#)), two);
    assert_eq!(requests(r#"outcome="rejected",kind="missing",source="uncached",issuer="""#), one);
    assert_eq!(value(recorder, "tower_bearer_token_cache_hits_total"), two);
    assert_eq!(value(recorder, "tower_bearer_token_cache_misses_total"), one);
    let count = value(recorder, r#"tower_bearer_decision_duration_seconds_count{source="cached"}"#);
    assert_eq!(count, two);
    let fetches = r#"tower_bearer_key_fetches_total{issuer="https://issuer.test",outcome="loaded"}"#;
    assert_eq!(value(recorder, fetches), one);
}

#[tokio::test(start_paused = true)]
async fn gauges_show_the_state_of_the_layer() {
    let recorder = recorder();
    let _guard = metrics::set_default_local_recorder(recorder);
    let idp = TestIssuer::new();
    let issuer = idp.issuer().introspect(introspection().endpoint(idp.introspection_url()));
    let builder = BearerAuth::builder(API).clock(idp.clock()).http_client(idp.http_client());
    let revocations = Revocations::new();
    revocations.revoke(Revoke::token("https://issuer.test", "j")).unwrap();
    let auth = builder.issuer(issuer).metrics().revocations(revocations).build().unwrap();
    assert_eq!(Protected::by(&auth).outcome(idp.token(API).sign()).await, ACCEPTED);
    idp.clock().advance(SECOND * 7);
    auth.record_gauges();
    for (name, expected) in [
        ("tower_bearer_cached_tokens", "1"),
        ("tower_bearer_revocations", "1"),
        ("tower_bearer_token_cache_evictions_total", "0"),
        (r#"tower_bearer_keys_age_seconds{issuer="https://issuer.test"}"#, "7"),
        (r#"tower_bearer_circuit_open{issuer="https://issuer.test"}"#, "0"),
        (r#"tower_bearer_introspection_in_flight{issuer="https://issuer.test"}"#, "0"),
        (r#"tower_bearer_introspection_queued{issuer="https://issuer.test"}"#, "0"),
    ] {
        assert_eq!(value(recorder, name).as_deref(), Some(expected), "{name}");
    }
    let silent = idp.bearer_auth(API).build().unwrap();
    silent.record_gauges();
}

#[tokio::test(start_paused = true)]
async fn tenants_of_a_resolver_share_the_series_of_its_pattern() {
    let recorder = recorder();
    let _guard = metrics::set_default_local_recorder(recorder);
    let idps = ["acme", "globex"].map(|name| TestIssuer::in_memory(format!("https://{name}.login.test")));
    let resolver = IssuerResolver::new("https://{tenant}.login.test", async |request| {
        Ok::<_, Infallible>(Some(Issuer::discover(request.issuer())))
    });
    let client = idps[0].http_client().and(idps[1].http_client());
    let builder = BearerAuth::builder(API).clock(idps[0].clock()).http_client(client);
    let auth = builder.resolve_issuers(resolver).metrics().build().unwrap();
    for idp in &idps {
        assert_eq!(Protected::by(&auth).outcome(idp.token(API).sign()).await, ACCEPTED);
    }
    auth.record_gauges();
    let text = series(recorder).join("\n");
    assert!(!text.contains("acme") && !text.contains("globex"), "{text}");
    let accepted = r#"kind="accepted",source="uncached",issuer="https://{tenant}.login.test"} 2"#;
    assert!(text.contains(accepted), "{text}");
}

#[tokio::test(start_paused = true)]
async fn garbage_adds_no_series_beyond_the_kinds() {
    let recorder = recorder();
    let _guard = metrics::set_default_local_recorder(recorder);
    let idp = TestIssuer::new();
    let auth = idp.bearer_auth(API).metrics().build().unwrap();
    let api = Protected::by(&auth);
    for number in 0..40 {
        let token = idp.token(API);
        let token = match number % 5 {
            0 => format!("garbage-{number}"),
            1 => token.claim("iss", format!("https://evil-{number}.example")).sign(),
            2 => token.header("kid", format!("kid-{number}")).sign(),
            3 => token.claim("aud", format!("https://evil-{number}.example")).sign(),
            _ => format!("a.{number}.{}", "b".repeat(number)),
        };
        assert!(api.outcome(token).await.is_err());
    }
    let series = series(recorder);
    let kinds: BTreeSet<&str> = RejectionKind::ALL.iter().map(|kind| kind.as_str()).collect();
    let requests: Vec<_> =
        series.iter().filter(|line| line.starts_with("tower_bearer_requests_total")).collect();
    assert!(requests.len() <= 2 * kinds.len(), "{requests:?}");
    for line in &requests {
        let kind = line.split_once("kind=\"").unwrap().1.split_once('"').unwrap().0;
        assert!(kinds.contains(kind), "{line}");
    }
    for text in ["evil", "garbage", "kid-"] {
        assert!(!series.iter().any(|line| line.contains(text)), "{text}: {series:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn gauges_of_a_removed_issuer_are_zero() {
    let recorder = recorder();
    let _guard = metrics::set_default_local_recorder(recorder);
    let (removed, kept) =
        (TestIssuer::in_memory("https://removed.test"), TestIssuer::in_memory("https://kept.test"));
    let builder = BearerAuth::builder(API).clock(removed.clock()).http_client(removed.http_client());
    let auth = builder.issuer(removed.issuer()).metrics().build().unwrap();
    auth.issuers().add(kept.issuer().http_client(kept.http_client())).unwrap();
    for issuer in [&removed, &kept] {
        assert_eq!(Protected::by(&auth).outcome(issuer.token(API).sign()).await, ACCEPTED);
    }
    removed.clock().advance(SECOND * 7);
    let age = |issuer: &str| {
        value(recorder, &format!(r#"tower_bearer_keys_age_seconds{{issuer="https://{issuer}.test"}}"#))
    };

    auth.record_gauges();
    assert_eq!((age("removed").as_deref(), age("kept").as_deref()), (Some("7"), Some("7")));
    auth.issuers().remove("https://removed.test");
    auth.record_gauges();
    assert_eq!((age("removed").as_deref(), age("kept").as_deref()), (Some("0"), Some("7")));
    drop(auth);
    // The task that refreshes keys ends, and reports no more.
    tokio::time::sleep(SECOND).await;
    assert_eq!(age("kept").as_deref(), Some("0"));
    assert_eq!(value(recorder, r#"tower_bearer_circuit_open{issuer="https://kept.test"}"#), None);
}
