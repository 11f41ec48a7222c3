//! The cache of responses: TTLs, limits, and floods of unknown tokens (RFC 7662 section 4).

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;
use tower_bearer::BearerAuth;
use tower_bearer::RejectionKind::{
    AudienceMismatch, ClaimIllTyped, TokenExpired, TokenIssuedInFuture, TokenNotYetValid, TokenTooOld,
};
use tower_bearer::diagnostics::Bound;
use tower_bearer::testing::{Endpoint, Fault, TestIssuer};

use super::{Api, INACTIVE, MISCONFIGURED, UNAVAILABLE};
use crate::support::introspected::{SECOND, introspection};
use crate::support::protected::{ACCEPTED, API, Outcome, Protected};

const ALMOST: Duration = Duration::from_millis(1);

#[tokio::test(start_paused = true)]
async fn an_active_token_is_introspected_once_per_ttl() {
    let api = Api::new();
    let token = api.token().opaque();
    for (name, wait, calls) in [
        ("new", Duration::ZERO, 1),
        ("again", Duration::ZERO, 1),
        ("just before the end", 30 * SECOND - ALMOST, 1),
        ("at the end", ALMOST, 2),
        ("later", 29 * SECOND, 2),
        ("much later", SECOND, 3),
    ] {
        api.pass(wait).await;
        assert_eq!(api.outcome(&token).await, ACCEPTED, "{name}");
        assert_eq!(api.calls(), calls, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn no_response_is_cached_beyond_the_exp_of_the_token() {
    let api = Api::introspecting(introspection().active_ttl(3600 * SECOND));
    let token = api.token().lifetime(100 * SECOND).opaque();
    assert_eq!(api.outcome(&token).await, ACCEPTED);
    // Only the clock of the issuer advances; tokio's time stands.
    api.idp.clock().advance(99 * SECOND);
    assert_eq!((api.outcome(&token).await, api.calls()), (ACCEPTED, 1), "one second before exp");
    api.idp.clock().advance(SECOND);
    assert_eq!((api.outcome(&token).await, api.calls()), (INACTIVE, 2), "at exp");

    // Within the leeway a new response is accepted but not cached.
    let api = Api::introspecting(introspection().active_ttl(3600 * SECOND));
    let end = api.now() + 100;
    let body = json!({"active": true, "aud": API, "exp": end}).to_string();
    api.idp.set_fault(Endpoint::Introspection, Some(Fault::Body(body)));
    api.idp.clock().advance(100 * SECOND);
    for calls in 1..=3 {
        assert_eq!((api.outcome("opaque").await, api.calls()), (ACCEPTED, calls));
    }
    api.idp.clock().advance(30 * SECOND);
    assert_eq!((api.outcome("opaque").await, api.calls()), (Err(TokenExpired), 4));
}

#[tokio::test(start_paused = true)]
async fn a_revoked_token_is_accepted_until_its_ttl_ends_and_no_longer() {
    for ttl in [5, 30, 200] {
        let api = Api::introspecting(introspection().active_ttl(ttl * SECOND));
        assert_eq!(api.auth.bounds().revoked_token(), Bound::Unlimited, "JWTs are not introspected");
        let token = api.token().opaque();
        assert_eq!(api.outcome(&token).await, ACCEPTED);
        api.idp.revoke(&token);
        api.pass(ttl * SECOND - ALMOST).await;
        assert_eq!(api.outcome(&token).await, ACCEPTED, "{ttl}");
        api.pass(ALMOST).await;
        assert_eq!(api.outcome(&token).await, INACTIVE, "{ttl}");
        assert_eq!(api.status().active_tokens(), 0, "{ttl}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_rejected_token_is_introspected_once_per_ttl() {
    type Build = fn(&Api) -> String;
    let tokens: [(&str, Build, Outcome); 3] = [
        ("unknown", |_| "never-issued".to_owned(), INACTIVE),
        ("for another API", |api| api.token().claim("aud", "x").opaque(), Err(AudienceMismatch)),
        ("ill-typed", |api| api.token().claim("sub", 5).opaque(), Err(ClaimIllTyped)),
    ];
    for (name, build, outcome) in tokens {
        let api = Api::new();
        let token = build(&api);
        for (wait, calls) in [
            (Duration::ZERO, 1),
            (Duration::ZERO, 1),
            (10 * SECOND - ALMOST, 1),
            (ALMOST, 2),
            (9 * SECOND, 2),
        ] {
            api.pass(wait).await;
            assert_eq!(api.outcome(&token).await, outcome, "{name}");
            assert_eq!(api.calls(), calls, "{name}");
        }
        assert_eq!((api.status().active_tokens(), api.status().inactive_tokens()), (0, 1), "{name}");
    }
}

/// A client may get its token before the replicas of the authorization server know it.
#[tokio::test(start_paused = true)]
async fn a_token_that_becomes_active_is_rejected_for_at_most_ten_seconds() {
    let api = Api::new();
    assert_eq!(api.outcome("soon").await, INACTIVE);
    api.token().opaque_as("soon");
    api.pass(10 * SECOND).await;
    assert_eq!(api.outcome("soon").await, ACCEPTED);
    assert_eq!((api.status().active_tokens(), api.status().inactive_tokens()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn with_a_ttl_of_zero_every_request_is_introspected() {
    let api = Api::introspecting(introspection().active_ttl(Duration::ZERO).inactive_ttl(Duration::ZERO));
    let token = api.token().opaque();
    for calls in 1..=5 {
        assert_eq!((api.outcome(&token).await, api.calls()), (ACCEPTED, calls));
    }
    api.idp.revoke(&token);
    for calls in 6..=10 {
        assert_eq!((api.outcome(&token).await, api.calls()), (INACTIVE, calls));
    }
    assert_eq!((api.status().active_tokens(), api.status().inactive_tokens()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_failed_request_is_not_cached() {
    for (name, fault, outcome) in [
        ("no connection", Fault::Refuse, UNAVAILABLE),
        ("no response", Fault::Hang, UNAVAILABLE),
        ("an error", Fault::Status(500), UNAVAILABLE),
        ("HTML", Fault::Html, UNAVAILABLE),
        ("not JSON", Fault::Body("active".to_owned()), UNAVAILABLE),
        ("too large", Fault::HugeBody(10_000_000), UNAVAILABLE),
        ("rejected client", Fault::Status(401), MISCONFIGURED),
    ] {
        let api = Api::new();
        let token = api.token().opaque();
        api.idp.set_fault(Endpoint::Introspection, Some(fault));
        assert_eq!(api.outcome(&token).await, outcome, "{name}");
        assert_eq!((api.status().active_tokens(), api.status().inactive_tokens()), (0, 0), "{name}");
        api.idp.set_fault(Endpoint::Introspection, None);
        // Ends the hanging call, and the second in which the failure is cached.
        api.pass(SECOND).await;
        assert_eq!(api.outcome(&token).await, ACCEPTED, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_failed_request_evicts_no_cached_response() {
    let api = Api::new();
    let token = api.token().opaque();
    assert_eq!(api.outcome(&token).await, ACCEPTED);
    api.idp.set_outage(Some(Fault::Status(500)));
    assert_eq!(api.outcome("another").await, UNAVAILABLE);
    api.pass(29 * SECOND).await;
    assert_eq!(api.outcome(&token).await, ACCEPTED);
    api.pass(SECOND).await;
    assert_eq!(api.outcome(&token).await, UNAVAILABLE, "serve_stale is off by default");
}

/// The responses may differ, because each API has its own client and audience.
#[tokio::test(start_paused = true)]
async fn two_apis_never_share_a_response() {
    let api = Api::new();
    let other = Protected::by(
        &BearerAuth::builder("https://other.example")
            .clock(api.idp.clock())
            .http_client(api.idp.http_client())
            .issuer(api.idp.issuer().introspect(introspection()))
            .build()
            .unwrap(),
    );
    let token = api.token().opaque();
    assert_eq!((api.outcome(&token).await, api.calls()), (ACCEPTED, 1));
    assert_eq!((other.outcome(&token).await, api.calls()), (Err(AudienceMismatch), 2));
    assert_eq!((api.outcome(&token).await, api.calls()), (ACCEPTED, 2));

    let same = Protected::by(&api.auth);
    assert_eq!((same.outcome(&token).await, api.calls()), (ACCEPTED, 2), "a clone is the same API");
}

#[tokio::test(start_paused = true)]
async fn rejections_that_end_with_time_are_not_cached() {
    let api = Api::new();
    let now = api.now();
    for (member, outcome) in [("nbf", Err(TokenNotYetValid)), ("iat", Err(TokenIssuedInFuture))] {
        let body = json!({"active": true, "aud": API, "exp": now + 600, member: api.now() + 31}).to_string();
        api.idp.set_fault(Endpoint::Introspection, Some(Fault::Body(body)));
        assert_eq!(api.outcome(member).await, outcome);
        api.pass(SECOND).await;
        assert_eq!(api.outcome(member).await, ACCEPTED, "{member}");
    }
}

#[tokio::test(start_paused = true)]
async fn cached_tokens_are_compared_as_a_whole() {
    let api = Api::new();
    let long = "a".repeat(4000);
    let tokens = [format!("{long}b"), format!("{long}c"), long.clone(), "a".to_owned(), "A".to_owned()];
    for (index, token) in tokens.iter().enumerate().step_by(2) {
        api.token().subject(&index.to_string()).opaque_as(token);
    }
    for _ in 0..2 {
        for (index, token) in tokens.iter().enumerate() {
            let response = api.protected.get(token).await;
            match index % 2 {
                0 => assert_eq!(response.token().unwrap().subject(), Some(&*index.to_string())),
                _ => assert_eq!(response.outcome(), INACTIVE),
            }
        }
    }
    assert_eq!(api.calls(), tokens.len());
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_unknown_tokens_evicts_no_active_token() {
    let api = Api::of(
        TestIssuer::new(),
        |issuer| issuer.introspect(introspection().active_ttl(3600 * SECOND)),
        |builder| builder.max_cached_responses(100),
    );
    let token = api.token().opaque();
    assert_eq!(api.outcome(&token).await, ACCEPTED);
    for number in 0..1_000 {
        assert_eq!(api.outcome(format!("unknown-{number}")).await, INACTIVE);
        let status = api.status();
        assert!(status.inactive_tokens() <= 100 && status.active_tokens() == 1, "{number}: {status:?}");
    }
    assert_eq!(api.calls(), 1_001, "without a limit every token is introspected");
    assert_eq!((api.outcome(&token).await, api.calls()), (ACCEPTED, 1_001));
    assert_eq!(api.status().calls_in_flight(), 0);

    // The size in bytes is limited as well: each of these responses is large.
    let api = Api::of(
        TestIssuer::new(),
        |issuer| issuer.introspect(introspection()),
        |builder| builder.max_cached_response_bytes(1_000_000),
    );
    for number in 0..100 {
        assert_eq!(
            api.outcome(api.token().claim("much", "x".repeat(20_000)).opaque()).await,
            ACCEPTED,
            "{number}"
        );
    }
    let cached = api.status().active_tokens();
    assert!((1..=25).contains(&cached), "{cached}");
}

#[tokio::test(start_paused = true)]
async fn no_minute_has_more_requests_than_max_calls_per_minute() {
    const CALLS: u32 = 60;
    let api = Api::introspecting(introspection().max_calls_per_minute(CALLS).active_ttl(3600 * SECOND));
    let without_introspection =
        Api::with(|issuer| issuer).auth.bounds().max_calls_per_minute().value().unwrap();
    assert_eq!(api.auth.bounds().max_calls_per_minute(), Bound::Value(CALLS + without_introspection));
    assert_eq!(
        Api::new().auth.bounds().max_calls_per_minute(),
        Bound::Unlimited,
        "there is no limit by default"
    );
    let token = api.token().lifetime(3600 * SECOND).opaque();
    assert_eq!(api.outcome(&token).await, ACCEPTED);
    let requests = || api.idp.requests(Endpoint::Introspection) + api.idp.requests(Endpoint::Metadata);
    let mut calls = vec![Instant::now(); requests()];
    let mut outcomes = std::collections::HashSet::new();
    for number in 0..3_000 {
        let before = requests();
        outcomes.insert(api.outcome(format!("unknown-{number}")).await);
        calls.extend(vec![Instant::now(); requests() - before]);
        api.pass(Duration::from_millis(100)).await;
        assert_eq!(api.outcome(&token).await, ACCEPTED, "{number}");
    }
    let in_minute =
        |start: Instant| calls.iter().filter(|at| **at >= start && **at < start + 60 * SECOND).count();
    let most = calls.iter().map(|start| in_minute(*start)).max().unwrap();
    assert!(most <= CALLS as usize, "{most}");
    // The burst is half of the limit, minus a reserve for tokens accepted before. The rest is refilled over
    // time.
    let usable = (CALLS / 2 - CALLS / 8 + 5 * (CALLS / 2 + 1)) as usize;
    assert!((usable - 3..=usable + 3).contains(&calls.len()), "{} of {usable}", calls.len());
    assert_eq!(outcomes, [UNAVAILABLE, INACTIVE].into());
}

/// Discovery takes its tokens from the bucket all at once. Otherwise failed attempts could drain it forever.
#[tokio::test(start_paused = true)]
async fn a_low_rate_limit_does_not_prevent_endpoint_discovery() {
    for calls in [5, 6, 10] {
        let api = Api::introspecting(introspection().max_calls_per_minute(calls));
        api.idp.set_outage(Some(Fault::Status(500)));
        for second in 0..60 {
            api.pass(SECOND).await;
            assert_eq!(api.outcome(format!("a-{second}")).await, UNAVAILABLE);
        }
        api.idp.set_outage(None);
        let token = api.token().lifetime(3600 * SECOND).opaque();
        let mut outcomes = Vec::new();
        for _ in 0..120 {
            api.pass(SECOND).await;
            outcomes.push(api.outcome(&token).await);
        }
        assert!(outcomes.iter().any(Result::is_ok), "{calls}: {outcomes:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_cached_token_is_rejected_once_it_exceeds_max_age() {
    let api = Api::of(
        TestIssuer::new(),
        |issuer| issuer.max_age(60 * SECOND).introspect(introspection().active_ttl(600 * SECOND)),
        |builder| builder.leeway(Duration::ZERO),
    );
    let token = api.token().lifetime(3600 * SECOND).opaque();
    assert_eq!(api.outcome(&token).await, ACCEPTED);
    api.pass(59 * SECOND).await;
    assert_eq!((api.outcome(&token).await, api.calls()), (ACCEPTED, 1));
    api.pass(2 * SECOND).await;
    assert_eq!(api.outcome(&token).await, Err(TokenTooOld));
}

/// A response that was formed before a request arrived says nothing about the time since.
#[tokio::test(start_paused = true)]
async fn with_a_ttl_of_zero_no_request_uses_the_response_of_an_earlier_one() {
    let api = Api::introspecting(introspection().active_ttl(Duration::ZERO));
    let token = api.token().opaque();
    api.idp.set_fault_for(Endpoint::Introspection, Fault::Delay(2 * SECOND), 1);
    let (protected, early) = (api.protected.clone(), token.clone());
    let early = tokio::spawn(async move { protected.outcome(early).await });
    api.pass(SECOND).await;
    api.idp.revoke(&token);
    assert_eq!(api.outcome(&token).await, INACTIVE);
    assert_eq!((early.await.unwrap(), api.calls()), (ACCEPTED, 2));
    assert_eq!(api.auth.bounds().revoked_token_in_outage(), api.auth.bounds().revoked_token());
}
