//! Key sets that are published at a second URL.

use tokio::time::sleep;
use tower_bearer::RejectionKind::KeysUnavailable;
use tower_bearer::builder::ConfigProblem;
use tower_bearer::diagnostics::Bound;
use tower_bearer::testing::{Endpoint, Fault, TestIssuer};
use tower_bearer::{BearerAuth, BearerAuthBuilder, ClientAuth, Introspection, Issuer};

use super::{HOUR, TwoIssuers, problems};
use crate::support::protected::{ACCEPTED, API, Protected};

/// The first issuer, with its keys at the second one as well.
fn with_fallback(two: &TwoIssuers) -> (BearerAuthBuilder, Issuer) {
    let client = two.first.http_client().and(two.second.http_client());
    two.second.set_jwks(Some(two.first.jwks()));
    let builder = BearerAuth::builder(API).clock(two.first.clock()).http_client(client);
    (builder, Issuer::with_jwks_url("https://first.test", two.first.jwks_url()))
}

#[tokio::test(start_paused = true)]
async fn keys_come_from_the_fallback_while_the_usual_url_fails() {
    for fault in [Fault::Refuse, Fault::Status(500), Fault::Status(404), Fault::Html] {
        let two = TwoIssuers::new();
        let (builder, issuer) = with_fallback(&two);
        let auth = builder.issuer(issuer.add_fallback_jwks_url(two.second.jwks_url())).build().unwrap();
        let api = Protected::by(&auth);
        two.first.set_fault(Endpoint::Jwks, Some(fault.clone()));
        let token = two.first.token(API).lifetime(24 * HOUR).sign();
        assert_eq!(api.outcome(&token).await, ACCEPTED, "{fault:?}");
        let (of_first, of_second) = (two.first.requests(Endpoint::Jwks), two.second.requests(Endpoint::Jwks));
        assert_eq!((of_first, of_second), (1, 1), "{fault:?}");
        two.first.set_fault(Endpoint::Jwks, None);
        two.first.clock().advance(HOUR);
        sleep(HOUR).await;
        assert_eq!(api.outcome(&token).await, ACCEPTED, "{fault:?}");
        assert!(two.first.requests(Endpoint::Jwks) > of_first);
        assert_eq!(two.second.requests(Endpoint::Jwks), of_second, "the usual URL is back");
    }
}

#[tokio::test(start_paused = true)]
async fn a_set_without_usable_keys_is_not_replaced_by_that_of_the_fallback() {
    let two = TwoIssuers::new();
    let (builder, issuer) = with_fallback(&two);
    let auth = builder.issuer(issuer.add_fallback_jwks_url(two.second.jwks_url())).build().unwrap();
    two.first.set_jwks(Some(r#"{"keys":[]}"#.to_owned()));
    let outcome = Protected::by(&auth).outcome(two.first.token(API).sign()).await;
    assert_eq!(outcome, Err(KeysUnavailable));
    assert_eq!(two.second.requests(Endpoint::Jwks), 0);
}

#[test]
fn a_fallback_counts_in_the_bounds_and_is_checked_like_the_usual_url() {
    let two = TwoIssuers::new();
    let calls = |fallbacks: usize| {
        let (builder, mut issuer) = with_fallback(&two);
        for _ in 0..fallbacks {
            issuer = issuer.add_fallback_jwks_url(two.second.jwks_url());
        }
        match builder.issuer(issuer).build().unwrap().bounds().max_calls_per_minute() {
            Bound::Value(calls) => calls,
            other => panic!("{other:?}"),
        }
    };
    assert!(calls(1) > calls(0) && calls(2) > calls(1));
    let (builder, issuer) = with_fallback(&two);
    let unusable = builder.issuer(issuer.add_fallback_jwks_url("http://keys.example.net")).build();
    assert!(matches!(problems(unusable.map(drop))[..], [ConfigProblem::JwksUrlUnusable { .. }]));
    let auth = ClientAuth::secret_basic(TestIssuer::CLIENT_ID, TestIssuer::CLIENT_SECRET);
    let without = Issuer::without_keys("https://first.test").introspect(Introspection::with(auth));
    let builder = BearerAuth::builder(API).http_client(two.first.http_client());
    let without_effect = builder.issuer(without.add_fallback_jwks_url("https://first.test/jwks")).build();
    assert!(matches!(problems(without_effect.map(drop))[..], [ConfigProblem::SettingNeedsKeys { .. }]));
}
