//! What is remembered of answers, how long, and what a flood of tokens costs (RFC 7662 section 4).

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;
use tower_bearer::BearerAuth;
use tower_bearer::diagnostics::Bound;
use tower_bearer::testing::{Endpoint, Fault, TestIssuer};

use super::{Api, SECOND, introspection};
use crate::support::protected::{API, Protected};

const ALMOST: Duration = Duration::from_millis(1);

#[tokio::test(start_paused = true)]
async fn an_active_token_is_asked_about_once_in_its_time() {
    let api = Api::new();
    let token = api.token().opaque();
    for (name, wait, asked) in [
        ("new", Duration::ZERO, 1),
        ("at once", Duration::ZERO, 1),
        ("just before the end", 30 * SECOND - ALMOST, 1),
        ("at the end", ALMOST, 2),
        ("later", 29 * SECOND, 2),
        ("much later", SECOND, 3),
    ] {
        api.pass(wait).await;
        assert_eq!(api.kind(&token).await, "ok", "{name}");
        assert_eq!(api.asked(), asked, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_remembered_past_the_end_of_the_token() {
    let api = Api::asking(introspection().active_ttl(3600 * SECOND));
    let token = api.token().lifetime(100 * SECOND).opaque();
    assert_eq!(api.kind(&token).await, "ok");
    // The time of day alone decides; the other clock stands.
    api.idp.clock().advance(99 * SECOND);
    assert_eq!((api.kind(&token).await.as_str(), api.asked()), ("ok", 1), "one second before");
    api.idp.clock().advance(SECOND);
    assert_eq!((api.kind(&token).await.as_str(), api.asked()), ("token_inactive", 2), "at the second");

    // Not even within the leeway, where an answer that is got anew is accepted.
    let api = Api::asking(introspection().active_ttl(3600 * SECOND));
    let end = api.now() + 100;
    let body = json!({"active": true, "aud": API, "exp": end}).to_string();
    api.idp.set_fault(Endpoint::Introspection, Some(Fault::Body(body)));
    api.idp.clock().advance(100 * SECOND);
    for asked in 1..=3 {
        assert_eq!((api.kind("opaque").await.as_str(), api.asked()), ("ok", asked));
    }
    api.idp.clock().advance(30 * SECOND);
    assert_eq!((api.kind("opaque").await.as_str(), api.asked()), ("token_expired", 4));
}

#[tokio::test(start_paused = true)]
async fn a_revoked_token_is_accepted_for_as_long_as_it_is_remembered_and_no_longer() {
    for ttl in [5, 30, 200] {
        let api = Api::asking(introspection().active_ttl(ttl * SECOND));
        assert_eq!(api.auth.bounds().revoked_token(), Bound::Unlimited, "JWTs are judged by themselves");
        let token = api.token().opaque();
        assert_eq!(api.kind(&token).await, "ok");
        api.idp.revoke(&token);
        api.pass(ttl * SECOND - ALMOST).await;
        assert_eq!(api.kind(&token).await, "ok", "{ttl}");
        api.pass(ALMOST).await;
        assert_eq!(api.kind(&token).await, "token_inactive", "{ttl}");
        assert_eq!(api.status().active_tokens(), 0, "{ttl}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_token_is_asked_about_once_in_its_time() {
    type Build = fn(&Api) -> String;
    let tokens: [(&str, Build, &str); 4] = [
        ("unknown", |_| "never-issued".to_owned(), "token_inactive"),
        ("for another API", |api| api.token().claim("aud", "x").opaque(), "audience_mismatch"),
        ("bound", |api| api.token().claim("cnf", json!({"jkt": "x"})).opaque(), "sender_not_proven"),
        ("ill-typed", |api| api.token().claim("sub", 5).opaque(), "claim_ill_typed"),
    ];
    for (name, build, kind) in tokens {
        let api = Api::new();
        let token = build(&api);
        for (wait, asked) in [
            (Duration::ZERO, 1),
            (Duration::ZERO, 1),
            (10 * SECOND - ALMOST, 1),
            (ALMOST, 2),
            (9 * SECOND, 2),
        ] {
            api.pass(wait).await;
            assert_eq!(api.kind(&token).await, kind, "{name}");
            assert_eq!(api.asked(), asked, "{name}");
        }
        assert_eq!((api.status().active_tokens(), api.status().inactive_tokens()), (0, 1), "{name}");
    }
}

/// A client may get its token a moment before the issuer has told all its replicas.
#[tokio::test(start_paused = true)]
async fn a_token_that_becomes_active_is_refused_for_ten_seconds_at_most() {
    let api = Api::new();
    assert_eq!(api.kind("soon").await, "token_inactive");
    api.token().opaque_as("soon");
    api.pass(10 * SECOND).await;
    assert_eq!(api.kind("soon").await, "ok");
    assert_eq!((api.status().active_tokens(), api.status().inactive_tokens()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn with_no_time_to_remember_each_request_is_a_call() {
    let api = Api::asking(introspection().active_ttl(Duration::ZERO).inactive_ttl(Duration::ZERO));
    let token = api.token().opaque();
    for asked in 1..=5 {
        assert_eq!((api.kind(&token).await.as_str(), api.asked()), ("ok", asked));
    }
    api.idp.revoke(&token);
    for asked in 6..=10 {
        assert_eq!((api.kind(&token).await.as_str(), api.asked()), ("token_inactive", asked));
    }
    assert_eq!((api.status().active_tokens(), api.status().inactive_tokens()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_failed_call_is_not_remembered() {
    for (name, fault, kind) in [
        ("no connection", Fault::Refuse, "introspection_unavailable"),
        ("no answer", Fault::Hang, "introspection_unavailable"),
        ("an error", Fault::Status(500), "introspection_unavailable"),
        ("a page", Fault::Html, "introspection_unavailable"),
        ("no JSON", Fault::Body("active".to_owned()), "introspection_unavailable"),
        ("too large", Fault::HugeBody(10_000_000), "introspection_unavailable"),
        ("refused", Fault::Status(401), "introspection_misconfigured"),
    ] {
        let api = Api::new();
        let token = api.token().opaque();
        api.idp.set_fault(Endpoint::Introspection, Some(fault));
        assert_eq!(api.kind(&token).await, kind, "{name}");
        assert_eq!((api.status().active_tokens(), api.status().inactive_tokens()), (0, 0), "{name}");
        api.idp.set_fault(Endpoint::Introspection, None);
        // A call that hung ends in this moment.
        api.pass(ALMOST).await;
        assert_eq!(api.kind(&token).await, "ok", "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_failed_call_leaves_what_was_remembered() {
    let api = Api::new();
    let token = api.token().opaque();
    assert_eq!(api.kind(&token).await, "ok");
    api.idp.set_outage(Some(Fault::Status(500)));
    assert_eq!(api.kind("another").await, "introspection_unavailable");
    api.pass(29 * SECOND).await;
    assert_eq!(api.kind(&token).await, "ok");
    api.pass(SECOND).await;
    assert_eq!(api.kind(&token).await, "introspection_unavailable", "no longer, unless it was allowed");
}

/// Their answers may differ: one is asked as another client, or for another audience.
#[tokio::test(start_paused = true)]
async fn two_apis_never_share_an_answer() {
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
    assert_eq!((api.kind(&token).await.as_str(), api.asked()), ("ok", 1));
    assert_eq!((other.kind(&token).await.as_str(), api.asked()), ("audience_mismatch", 2));
    assert_eq!((api.kind(&token).await.as_str(), api.asked()), ("ok", 2));

    let same = Protected::by(&api.auth);
    assert_eq!((same.kind(&token).await.as_str(), api.asked()), ("ok", 2), "a clone is the same API");
}

#[tokio::test(start_paused = true)]
async fn what_changes_by_itself_is_not_remembered_as_refused() {
    let api = Api::new();
    let now = api.now();
    for (member, kind) in [("nbf", "token_not_yet_valid"), ("iat", "token_issued_in_future")] {
        let body = json!({"active": true, "aud": API, "exp": now + 600, member: api.now() + 31}).to_string();
        api.idp.set_fault(Endpoint::Introspection, Some(Fault::Body(body)));
        assert_eq!(api.kind(member).await, kind);
        api.pass(SECOND).await;
        assert_eq!(api.kind(member).await, "ok", "{member}");
    }
}

#[tokio::test(start_paused = true)]
async fn tokens_that_begin_alike_are_told_apart() {
    let api = Api::new();
    let long = "a".repeat(4000);
    let tokens = [format!("{long}b"), format!("{long}c"), long.clone(), "a".to_owned(), "A".to_owned()];
    for (index, token) in tokens.iter().enumerate().step_by(2) {
        api.token().subject(&index.to_string()).opaque_as(token);
    }
    for _ in 0..2 {
        for (index, token) in tokens.iter().enumerate() {
            let answer = api.protected.get(token).await;
            match index % 2 {
                0 => assert_eq!(answer.token().unwrap().subject(), Some(&*index.to_string())),
                _ => assert_eq!(answer.kind(), "token_inactive"),
            }
        }
    }
    assert_eq!(api.asked(), tokens.len());
}

#[tokio::test(start_paused = true)]
async fn made_up_tokens_do_not_push_out_a_good_one() {
    let api = Api::asking(introspection().active_ttl(3600 * SECOND).max_cached_tokens(100));
    let token = api.token().opaque();
    assert_eq!(api.kind(&token).await, "ok");
    for number in 0..10_000 {
        assert_eq!(api.kind(format!("made-up-{number}")).await, "token_inactive");
        let status = api.status();
        assert!(status.inactive_tokens() <= 100 && status.active_tokens() == 1, "{number}: {status:?}");
    }
    assert_eq!(api.asked(), 10_001, "without a limit, each is a call");
    assert_eq!((api.kind(&token).await.as_str(), api.asked()), ("ok", 10_001));
    assert_eq!(api.status().calls_in_flight(), 0);

    // Neither do bytes: each of these answers is large.
    let api = Api::asking(introspection().max_cache_bytes(1_000_000));
    for number in 0..300 {
        assert_eq!(api.kind(api.token().claim("much", "x".repeat(20_000)).opaque()).await, "ok", "{number}");
    }
    let remembered = api.status().active_tokens();
    assert!((1..=25).contains(&remembered), "{remembered}");
}

#[tokio::test(start_paused = true)]
async fn no_minute_sees_more_calls_than_were_allowed() {
    const CALLS: u32 = 60;
    let api = Api::asking(introspection().max_calls_per_minute(CALLS).active_ttl(3600 * SECOND));
    let jwts_alone = Api::with(|issuer| issuer).auth.bounds().max_calls_per_minute().value().unwrap();
    assert_eq!(api.auth.bounds().max_calls_per_minute(), Bound::Value(CALLS + jwts_alone));
    assert_eq!(
        Api::new().auth.bounds().max_calls_per_minute(),
        Bound::Unlimited,
        "unless a limit is set there is none"
    );
    let token = api.token().lifetime(3600 * SECOND).opaque();
    assert_eq!(api.kind(&token).await, "ok");
    let requests = || api.idp.requests(Endpoint::Introspection) + api.idp.requests(Endpoint::Metadata);
    let mut calls = vec![Instant::now(); requests()];
    let mut kinds = std::collections::BTreeSet::new();
    for number in 0..3_000 {
        let before = requests();
        kinds.insert(api.kind(format!("made-up-{number}")).await);
        calls.extend(vec![Instant::now(); requests() - before]);
        api.pass(Duration::from_millis(100)).await;
        assert_eq!(api.kind(&token).await, "ok", "{number}");
    }
    let in_minute =
        |start: Instant| calls.iter().filter(|at| **at >= start && **at < start + 60 * SECOND).count();
    let most = calls.iter().map(|start| in_minute(*start)).max().unwrap();
    assert!(most <= CALLS as usize, "{most}");
    // Half of them at once, but for those that are kept for tokens that were good; then as time goes by.
    let usable = (CALLS / 2 - CALLS / 8 + 5 * (CALLS / 2 + 1)) as usize;
    assert!((usable - 3..=usable + 3).contains(&calls.len()), "{} of {usable}", calls.len());
    assert_eq!(kinds.into_iter().collect::<Vec<_>>(), ["introspection_unavailable", "token_inactive"]);
}

/// Each try costs what it takes to look; were that taken bit by bit, it would never be enough.
#[tokio::test(start_paused = true)]
async fn a_low_limit_does_not_keep_the_endpoint_from_being_found() {
    for calls in [5, 6, 10] {
        let api = Api::asking(introspection().max_calls_per_minute(calls));
        api.idp.set_outage(Some(Fault::Status(500)));
        for second in 0..60 {
            api.pass(SECOND).await;
            assert_eq!(api.kind(format!("a-{second}")).await, "introspection_unavailable");
        }
        api.idp.set_outage(None);
        let token = api.token().lifetime(3600 * SECOND).opaque();
        let mut kinds = Vec::new();
        for _ in 0..120 {
            api.pass(SECOND).await;
            kinds.push(api.kind(&token).await);
        }
        assert!(kinds.iter().any(|kind| kind == "ok"), "{calls}: {kinds:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_that_grows_too_old_while_it_is_remembered_is_refused() {
    let api = Api::of(
        TestIssuer::new(),
        |issuer| issuer.max_age(60 * SECOND).introspect(introspection().active_ttl(600 * SECOND)),
        |builder| builder.leeway(Duration::ZERO),
    );
    let token = api.token().lifetime(3600 * SECOND).opaque();
    assert_eq!(api.kind(&token).await, "ok");
    api.pass(59 * SECOND).await;
    assert_eq!((api.kind(&token).await.as_str(), api.asked()), ("ok", 1));
    api.pass(2 * SECOND).await;
    assert_eq!(api.kind(&token).await, "token_too_old");
}

/// An answer that was formed before a request came says nothing about the time since.
#[tokio::test(start_paused = true)]
async fn where_nothing_is_remembered_no_request_takes_the_answer_to_an_older_one() {
    let api = Api::asking(introspection().active_ttl(Duration::ZERO));
    let token = api.token().opaque();
    api.idp.set_fault_for(Endpoint::Introspection, Fault::Delay(2 * SECOND), 1);
    let (protected, early) = (api.protected.clone(), token.clone());
    let early = tokio::spawn(async move { protected.kind(early).await });
    api.pass(SECOND).await;
    api.idp.revoke(&token);
    assert_eq!(api.kind(&token).await, "token_inactive");
    assert_eq!((early.await.unwrap().as_str(), api.asked()), ("ok", 2));
    assert_eq!(api.auth.bounds().revoked_token_in_outage(), api.auth.bounds().revoked_token());
}
