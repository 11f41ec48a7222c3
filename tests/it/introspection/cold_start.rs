//! A cold start: all tokens are uncached, and more arrive than the authorization server can introspect.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tokio::task::JoinSet;
use tower_bearer::diagnostics::{Bound, CircuitState};
use tower_bearer::testing::{Fault, TestIssuer};
use tower_bearer::{BearerAuth, Introspection, Issuer};

use super::{INACTIVE, UNAVAILABLE};
use crate::support::figure::figure;
use crate::support::introspected::{IssuerIntrospection, SECOND, introspection, timed};
use crate::support::protected::{ACCEPTED, API};

fn pending(introspection: Introspection) -> Introspection {
    introspection.also_jwts().dangerous_accept_pending_jwts()
}

/// The rejected requests of 200 ms, with this many new JWTs per millisecond. A response takes 20 ms.
async fn rejected_at_cold_start(setup: &IssuerIntrospection, per_milli: usize) -> usize {
    setup.fail(Fault::Delay(Duration::from_millis(20)));
    let mut requests = JoinSet::new();
    for _ in 0..200 {
        for _ in 0..per_milli {
            let (api, jwt) = (setup.api.clone(), setup.jwt());
            requests.spawn(async move { api.outcome(jwt).await });
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    requests.join_all().await.iter().filter(|outcome| **outcome != ACCEPTED).count()
}

#[tokio::test(start_paused = true)]
async fn a_cold_start_at_10_000_requests_per_second_rejects_no_pending_jwt() {
    let setup = IssuerIntrospection::with(pending);
    let rejected = rejected_at_cold_start(&setup, 10).await;
    figure("1.9", "rejected of 2000, 10 000 new JWTs/s, accepted while pending", rejected, 0);
    assert_eq!((rejected, setup.circuit()), (0, CircuitState::Closed));
}

/// 64 permits and 20 ms per response are 3200 per second.
#[tokio::test(start_paused = true)]
async fn a_cold_start_below_the_capacity_rejects_no_jwt() {
    let setup = IssuerIntrospection::with(Introspection::also_jwts);
    let rejected = rejected_at_cold_start(&setup, 3).await;
    figure("1.9", "rejected of 600, 3000 new JWTs/s", rejected, 0);
    assert_eq!(rejected, 0);
}

/// 10 000 JWTs/s at 64 permits, scaled down: 625 per second at 4 permits, which are enough for 200.
#[tokio::test(start_paused = true)]
async fn a_cold_start_above_the_capacity_rejects_no_pending_jwt_and_otherwise_uses_70_percent_of_it() {
    for (name, configure, most) in [
        ("accepted while pending", pending as fn(_) -> _, 0),
        ("not accepted while pending", Introspection::also_jwts, 1250 - 2 * 140),
    ] {
        let setup =
            IssuerIntrospection::with(|introspection| configure(introspection.max_concurrent_calls(4)));
        setup.fail(Fault::Delay(Duration::from_millis(20)));
        let mut requests = JoinSet::new();
        for _ in 0..250 {
            for _ in 0..5 {
                let (api, jwt) = (setup.api.clone(), setup.jwt());
                requests.spawn(async move { api.outcome(jwt).await });
            }
            tokio::time::sleep(Duration::from_millis(8)).await;
        }
        let outcomes = requests.join_all().await;
        let rejected = outcomes.iter().filter(|outcome| **outcome != ACCEPTED).count();
        let quantity = format!("rejected of 1250, 625 new JWTs/s for 2 s, capacity 200/s, {name}");
        figure("1.9", quantity, rejected, format_args!("at most {most}"));
        assert!(rejected <= most, "{name}: {rejected}");
        assert_eq!(setup.circuit(), CircuitState::Closed, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_revoked_jwt_is_accepted_at_most_once_while_its_introspection_is_pending() {
    let setup = IssuerIntrospection::with(pending);
    let jwt = setup.idp.token(API).lifetime(Duration::from_secs(3600)).sign();
    setup.idp.revoke(&jwt);
    setup.fail(Fault::Delay(SECOND));
    assert_eq!(timed(setup.api.outcome(&jwt)).await, (ACCEPTED, Duration::ZERO));
    assert_eq!(timed(setup.api.outcome(&jwt)).await, (INACTIVE, SECOND), "waits for the response");
    setup.fail(None);
    for _ in 0..360 {
        setup.pass(10 * SECOND).await;
        assert_ne!(setup.api.outcome(&jwt).await, ACCEPTED);
    }
}

/// The same JWT with the other valid form of its ES256 signature: s is replaced by n - s.
fn with_other_signature(jwt: &str) -> String {
    const N: [u8; 32] = [
        0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa,
        0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
    ];
    let (signed, signature) = jwt.rsplit_once('.').unwrap();
    let mut signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let mut borrow = false;
    for (byte, n) in signature[32..].iter_mut().zip(N).rev() {
        let (difference, first) = n.overflowing_sub(*byte);
        let (difference, second) = difference.overflowing_sub(u8::from(borrow));
        (*byte, borrow) = (difference, first || second);
    }
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

#[tokio::test(start_paused = true)]
async fn the_other_form_of_its_signature_gives_a_pending_jwt_no_second_use() {
    let setup = IssuerIntrospection::with(pending);
    let jwt = setup.idp.token(API).sign();
    let other = with_other_signature(&jwt);
    assert_ne!(jwt, other);
    setup.fail(Fault::Refuse);
    assert_eq!(setup.api.outcome(&other).await, ACCEPTED, "the signature is valid");
    assert_eq!(setup.api.outcome(&jwt).await, UNAVAILABLE);
}

#[tokio::test(start_paused = true)]
async fn the_second_request_with_a_pending_jwt_gets_503_if_the_server_fails() {
    let setup = IssuerIntrospection::with(pending);
    setup.fail(Fault::Refuse);
    let jwt = setup.jwt();
    assert_eq!(setup.api.outcome(&jwt).await, ACCEPTED);
    for _ in 0..5 {
        assert_eq!(setup.api.outcome(&jwt).await, UNAVAILABLE);
    }
}

#[tokio::test(start_paused = true)]
async fn still_active_and_opaque_tokens_wait_for_the_introspection() {
    let setup = IssuerIntrospection::with(pending);
    let route = setup.still_active_route();
    let revoked = setup.jwt();
    setup.idp.revoke(&revoked);
    setup.fail(Fault::Delay(SECOND));
    assert_eq!(timed(route.outcome(&revoked)).await, (INACTIVE, SECOND));
    assert_eq!(timed(setup.outcome_of_new()).await, (ACCEPTED, SECOND));
}

#[tokio::test]
async fn a_runtime_is_needed_to_accept_a_pending_jwt() {
    let setup = IssuerIntrospection::with(pending);
    let jwt = setup.jwt();
    assert_eq!(setup.api.outcome(&jwt).await, ACCEPTED);
    tokio::task::yield_now().await;
    assert_eq!(setup.calls(), 1, "the introspection has started");
}

#[test]
fn the_bounds_report_that_a_revoked_jwt_may_be_accepted_while_pending() {
    let bounds = |configure: fn(Introspection) -> Introspection, lifetime: Option<Duration>| {
        let idp = TestIssuer::new();
        let issuer: Issuer = idp.issuer().introspect(configure(introspection()));
        let issuer = match lifetime {
            Some(lifetime) => issuer.max_lifetime(lifetime),
            None => issuer,
        };
        let auth = BearerAuth::builder(API).http_client(idp.http_client()).issuer(issuer).build().unwrap();
        (auth.bounds().revoked_token(), auth.bounds().revoked_introspected_token())
    };
    let ttl = Bound::Value(30 * SECOND);
    assert_eq!(bounds(Introspection::also_jwts, None), (ttl, ttl));
    assert_eq!(bounds(pending, None), (Bound::Unlimited, Bound::Unlimited));
    // The lifetime, and the leeway at both ends.
    let lifetime = Bound::Value(360 * SECOND);
    assert_eq!(bounds(pending, Some(300 * SECOND)), (lifetime, lifetime));
}

#[test]
fn accepting_pending_jwts_without_introspecting_jwts_is_a_config_error() {
    let idp = TestIssuer::new();
    let issuer = idp.issuer().introspect(introspection().dangerous_accept_pending_jwts());
    let error = BearerAuth::builder(API).http_client(idp.http_client()).issuer(issuer).build().unwrap_err();
    assert!(error.to_string().contains("dangerous_accept_pending_jwts"), "{error}");
}
