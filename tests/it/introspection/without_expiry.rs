//! Introspection responses without `exp`.

use std::time::{Duration, UNIX_EPOCH};

use serde_json::{Value, json};
use tower_bearer::diagnostics::Bound;
use tower_bearer::testing::{Endpoint, Fault};
use tower_bearer::{RejectionKind, Require};

use super::{Api, INACTIVE, UNAVAILABLE, failing};
use crate::support::introspected::{SECOND, introspection};
use crate::support::protected::ACCEPTED;

const MIN: Duration = Duration::from_secs(60);

fn without_expiry(lifetime: Duration) -> Api {
    let api = Api::introspecting(
        introspection().active_ttl(2 * MIN).serve_stale(10 * MIN).dangerous_accept_without_expiry(lifetime),
    );
    api.set_member("exp", None);
    api
}

#[tokio::test(start_paused = true)]
async fn a_response_without_exp_is_rejected_by_default() {
    let api = Api::new();
    api.set_member("exp", None);
    assert_eq!(api.outcome(api.token().opaque()).await, Err(RejectionKind::ClaimMissing));
}

#[tokio::test(start_paused = true)]
async fn by_setting_a_token_without_exp_is_valid_for_the_lifetime_from_each_response_on() {
    let api = without_expiry(MIN);
    let token = api.token().opaque();
    for calls in 1..4 {
        assert_eq!(api.outcome(&token).await, ACCEPTED);
        api.pass(59 * SECOND).await;
        assert_eq!(api.outcome(&token).await, ACCEPTED);
        assert_eq!(api.calls(), calls);
        api.pass(SECOND).await;
    }
    api.idp.revoke(&token);
    assert_eq!(api.outcome(&token).await, INACTIVE);
}

/// Some servers write `null` for a token that does not expire.
#[tokio::test(start_paused = true)]
async fn by_setting_null_counts_as_no_exp() {
    let api = without_expiry(MIN);
    api.set_member("exp", Some(Value::Null));
    assert_eq!(api.outcome(api.token().opaque()).await, ACCEPTED);
    let api = Api::new();
    api.set_member("exp", Some(Value::Null));
    assert_eq!(api.outcome(api.token().opaque()).await, Err(RejectionKind::ClaimMissing));
}

#[tokio::test(start_paused = true)]
async fn expires_at_is_the_end_of_the_lifetime() {
    let api = without_expiry(MIN);
    let end = api.now() + 60;
    let is_end = Require::token()
        .check(move |token, _| token.expires_at().duration_since(UNIX_EPOCH).unwrap().as_secs() == end);
    assert_eq!(api.on_route(&is_end, api.token().opaque()).await.outcome(), ACCEPTED);
}

#[tokio::test(start_paused = true)]
async fn an_outage_does_not_extend_the_lifetime() {
    let api = without_expiry(5 * MIN);
    let token = api.token().opaque();
    assert_eq!(api.outcome(&token).await, ACCEPTED);
    api.idp.set_fault(Endpoint::Introspection, Some(Fault::Refuse));
    api.pass(5 * MIN - SECOND).await;
    assert_eq!(api.outcome(&token).await, ACCEPTED, "served stale");
    api.pass(2 * SECOND).await;
    assert_eq!(api.outcome(&token).await, UNAVAILABLE);
}

#[tokio::test(start_paused = true)]
async fn an_exp_that_is_present_is_still_checked() {
    for (exp, expected) in [
        (json!("9999999999"), RejectionKind::ClaimIllTyped),
        (json!(false), RejectionKind::ClaimIllTyped),
        (json!(1), RejectionKind::TokenExpired),
    ] {
        let api = without_expiry(MIN);
        api.set_member("exp", Some(exp.clone()));
        assert_eq!(api.outcome(api.token().opaque()).await, Err(expected), "{exp}");
    }
    let api = without_expiry(MIN);
    api.set_member("exp", Some(Value::from(api.now() + 10)));
    let token = api.token().opaque();
    assert_eq!(api.outcome(&token).await, ACCEPTED);
    api.pass(41 * SECOND).await;
    assert_eq!(api.outcome(&token).await, Err(RejectionKind::TokenExpired), "the earlier end counts");
}

#[tokio::test(start_paused = true)]
async fn a_jwt_keeps_its_own_exp() {
    let introspection = introspection().also_jwts().dangerous_accept_without_expiry(SECOND);
    let api = Api::introspecting(introspection);
    api.set_member("exp", None);
    let end = api.now() + 200;
    let token = api.token().claim("exp", end).sign();
    let is_end = Require::token()
        .check(move |token, _| token.expires_at().duration_since(UNIX_EPOCH).unwrap().as_secs() == end);
    assert_eq!(api.on_route(&is_end, token).await.outcome(), ACCEPTED);
}

#[tokio::test(start_paused = true)]
async fn explain_agrees() {
    let api = without_expiry(MIN);
    let explanation = api.auth.explain(&api.token().opaque()).await;
    assert_eq!(failing(&explanation), []);
    let strict = Api::new();
    strict.set_member("exp", None);
    let explanation = strict.auth.explain(&strict.token().opaque()).await;
    assert!(!failing(&explanation).is_empty());
}

#[test]
fn bounds_count_the_expiry_of_such_a_token_as_a_revocation() {
    let api = without_expiry(MIN);
    assert_eq!(api.auth.bounds().revoked_introspected_token(), Bound::Value(2 * MIN));
}

#[test]
fn a_lifetime_of_zero_or_of_days_is_a_config_error_and_so_is_max_lifetime() {
    use tower_bearer::{BearerAuth, Issuer};
    let build = |lifetime, max_lifetime: Option<Duration>| {
        let issuer = Issuer::discover("https://issuer.test");
        let issuer = match max_lifetime {
            Some(max_lifetime) => issuer.max_lifetime(max_lifetime),
            None => issuer,
        };
        let issuer = issuer.introspect(introspection().dangerous_accept_without_expiry(lifetime));
        let client = tower_bearer::testing::TestIssuer::new().http_client();
        BearerAuth::builder("api").http_client(client).issuer(issuer).build().map(drop)
    };
    let day = 24 * 60 * MIN;
    assert!(build(day, None).is_ok() && build(SECOND, None).is_ok());
    for (lifetime, max_lifetime, expected) in [
        (Duration::ZERO, None, "zero or longer than 24 h"),
        (day + SECOND, None, "zero or longer than 24 h"),
        (MIN, Some(MIN), "contradicts max_lifetime"),
    ] {
        let error = build(lifetime, max_lifetime).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}
