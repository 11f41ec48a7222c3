//! JWTs that their issuer is asked about, and routes that want to know whether a token is active now.

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use serde_json::{Value, json};
use tokio::sync::Notify;
use tower::limit::ConcurrencyLimitLayer;
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_bearer::testing::{Endpoint, Fault, TestIssuer};
use tower_bearer::{FormBodyToken, Require, TokenSource};

use super::{Api, SECOND, failing, introspection};
use crate::support::protected::{Handler, anonymous, get, send};

fn payments() -> Require {
    Require::scope("a").still_active()
}

#[tokio::test(start_paused = true)]
async fn a_revoked_jwt_is_refused_once_it_is_no_longer_remembered() {
    let api = Api::asking(introspection().also_jwts());
    assert_eq!(api.auth.bounds().revoked_token().value(), Some(30 * SECOND));
    let token = api.token().sign();
    assert_eq!((api.kind(&token).await.as_str(), api.asked()), ("ok", 1));
    api.idp.revoke(&token);
    api.pass(29 * SECOND).await;
    assert_eq!((api.kind(&token).await.as_str(), api.asked()), ("ok", 1));
    api.pass(SECOND).await;
    assert_eq!((api.kind(&token).await.as_str(), api.asked()), ("token_inactive", 2));

    let by_itself = Api::new();
    let token = by_itself.token().sign();
    by_itself.idp.revoke(&token);
    assert_eq!((by_itself.kind(&token).await.as_str(), by_itself.asked()), ("ok", 0));
}

#[tokio::test(start_paused = true)]
async fn a_rule_says_which_jwts_are_asked_about() {
    let rule = introspection().also_jwts_when(|token| token.scopes().contains("admin"));
    let api = Api::asking(rule);
    let (plain, admin) = (api.token().sign(), api.token().scope("admin").sign());
    api.idp.revoke(&plain);
    api.idp.revoke(&admin);
    assert_eq!((api.kind(&plain).await.as_str(), api.asked()), ("ok", 0));
    assert_eq!((api.kind(&admin).await.as_str(), api.asked()), ("token_inactive", 1));
    let expired = api.token().scope("admin").expired().sign();
    assert_eq!((api.kind(&expired).await.as_str(), api.asked()), ("token_expired", 1));
}

/// The JWT says it already; what the answer says all the same must fit.
#[tokio::test(start_paused = true)]
async fn an_answer_about_a_jwt_may_be_short_and_must_not_be_wrong() {
    let api = Api::asking(introspection().also_jwts());
    let rows: Vec<(&str, Option<Value>, &str)> = vec![
        ("active", Some(json!("true")), "token_inactive"),
        ("active", None, "token_inactive"),
        ("aud", None, "ok"),
        ("aud", Some(json!("https://other.example")), "audience_mismatch"),
        ("aud", Some(json!(5)), "claim_ill_typed"),
        ("iss", None, "ok"),
        ("iss", Some(json!("https://other.example")), "issuer_unknown"),
        ("exp", None, "ok"),
        ("exp", Some(json!(0)), "token_expired"),
        ("exp", Some(json!(api.now() + 299)), "introspection_mismatch"),
        ("exp", Some(json!(9_999_999_999_u64)), "introspection_mismatch"),
        ("exp", Some(json!("x")), "claim_ill_typed"),
        ("sub", None, "ok"),
        ("sub", Some(json!("bob")), "introspection_mismatch"),
        ("sub", Some(json!("")), "introspection_mismatch"),
        ("client_id", None, "ok"),
        ("client_id", Some(json!("other")), "introspection_mismatch"),
        ("token_type", Some(json!("DPoP")), "sender_not_proven"),
        ("cnf", Some(json!({"jkt": "x"})), "sender_not_proven"),
        ("nbf", Some(json!(api.now() + 60)), "token_not_yet_valid"),
        ("username", Some(json!(5)), "claim_ill_typed"),
        ("scope", Some(json!(5)), "claim_ill_typed"),
        ("scope", None, "ok"),
    ];
    for (member, value, expected) in rows {
        let row = format!("{member} {value:?}");
        api.tell(member, value);
        let token = api.token().sign();
        assert_eq!(api.kind(&token).await, expected, "{row}");
        assert_eq!(api.on_route(&payments(), &token).await.kind(), expected, "{row}");
        let explanation = api.auth.explain(&token).await;
        assert_eq!(explanation.is_accepted(), expected == "ok", "{row}: {explanation}");
        let fails = failing(&explanation);
        assert!(expected == "ok" || fails.iter().any(|(_, kind)| *kind == expected), "{row}: {explanation}");
        assert!(!explanation.to_string().contains(token.rsplit_once('.').unwrap().1), "{row}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_route_is_told_at_once_that_a_token_was_revoked() {
    for (name, api) in [("opaque tokens", Api::new()), ("JWTs too", Api::asking(introspection().also_jwts()))]
    {
        for (form, token) in [("opaque", api.token().opaque()), ("JWT", api.token().sign())] {
            let name = format!("{name}: {form}");
            assert_eq!(api.kind(&token).await, "ok", "{name}");
            let asked = api.asked();
            let answer = api.on_route(&payments(), &token).await;
            assert_eq!((answer.kind().as_str(), api.asked()), ("ok", asked + 1), "{name}: asked again");
            assert_eq!(answer.token().unwrap().subject(), Some("alice"), "{name}");
            api.idp.revoke(&token);
            assert_eq!(api.on_route(&payments(), &token).await.kind(), "token_inactive", "{name}");
            // What was found out goes for all routes.
            let by_itself = form == "JWT" && name.starts_with("opaque");
            let kind = if by_itself { "ok" } else { "token_inactive" };
            assert_eq!(api.kind(&token).await, kind, "{name}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_route_may_do_with_an_answer_that_is_young() {
    let api = Api::new();
    let route = Require::scope("a").still_active_within(5 * SECOND);
    let token = api.token().opaque();
    for (name, wait, asked) in [
        ("new", Duration::ZERO, 1),
        ("at once", Duration::ZERO, 1),
        ("as old as allowed", 5 * SECOND, 1),
        ("older", Duration::from_millis(1), 2),
        ("young again", 4 * SECOND, 2),
    ] {
        api.pass(wait).await;
        assert_eq!(api.on_route(&route, &token).await.kind(), "ok", "{name}");
        assert_eq!(api.asked(), asked, "{name}");
    }
    api.idp.revoke(&token);
    api.pass(2 * SECOND).await;
    assert_eq!(api.kind(&token).await, "ok", "it is remembered");
    assert_eq!(api.on_route(&route, &token).await.kind(), "token_inactive");

    // More than is remembered is no more than is remembered.
    let long = Require::token().still_active_within(Duration::MAX);
    let token = api.token().opaque();
    assert_eq!(api.on_route(&long, &token).await.kind(), "ok");
    api.idp.revoke(&token);
    api.pass(30 * SECOND).await;
    assert_eq!(api.on_route(&long, &token).await.kind(), "token_inactive");
}

#[tokio::test(start_paused = true)]
async fn a_route_goes_by_the_scopes_of_the_fresh_answer() {
    let api = Api::new();
    let token = api.token().opaque();
    assert_eq!(api.on_route(&payments(), &token).await.kind(), "ok");
    api.idp.alter_introspection(|answer| {
        answer.insert("scope".to_owned(), json!("b"));
    });
    assert_eq!(api.on_route(&Require::scope("a"), &token).await.kind(), "ok", "as is remembered");
    assert_eq!(api.on_route(&payments(), &token).await.kind(), "scope_insufficient");
    assert_eq!(api.on_route(&Require::scope("a"), &token).await.kind(), "scope_insufficient");
    let route = Require::token().check(|token, _| token.scopes().contains("a")).still_active();
    assert_eq!(api.on_route(&route, &token).await.kind(), "requirement_unmet");

    // Who lacks the scope anyway costs no call.
    let asked = api.asked();
    let route = Require::scope("z").still_active();
    assert_eq!(api.on_route(&route, &token).await.kind(), "scope_insufficient");
    assert_eq!(api.asked(), asked);
}

#[tokio::test(start_paused = true)]
async fn a_route_that_asks_without_introspection_is_a_fault_of_the_configuration() {
    let api = Api::with(|issuer| issuer);
    let token = api.token().sign();
    assert_eq!(api.kind(&token).await, "ok");
    let answer = api.on_route(&payments(), &token).await;
    assert_eq!((answer.kind().as_str(), answer.status()), ("introspection_misconfigured", 500));
    assert!(answer.rejection().unwrap().description().contains("as configured"));
    let uncovered = send(payments().layer(Handler::default()), get(&token)).await;
    assert_eq!(uncovered.kind(), "not_covered");
}

#[tokio::test(start_paused = true)]
async fn a_route_knows_the_token_wherever_it_came_from() {
    let sources = |builder: tower_bearer::BearerAuthBuilder| {
        builder.add_token_source(TokenSource::cookie("__Host-token")).add_token_source(TokenSource::query())
    };
    for (name, api) in [
        ("left", Api::of(TestIssuer::new(), |issuer| issuer.introspect(introspection()), sources)),
        (
            "stripped",
            Api::of(
                TestIssuer::new(),
                |issuer| issuer.introspect(introspection()),
                |builder| sources(builder).strip_credentials(),
            ),
        ),
    ] {
        for place in ["header", "cookie", "query", "form"] {
            for token in [api.token().sign(), api.token().opaque()] {
                let request = || {
                    let mut request = anonymous("POST");
                    match place {
                        "header" => return get(&token),
                        "cookie" => {
                            let cookie = format!("__Host-token={token}").parse().unwrap();
                            request.headers_mut().insert("cookie", cookie);
                        }
                        "query" => {
                            let uri = format!("https://api.example.com/?access_token={token}");
                            *request.uri_mut() = uri.parse().unwrap();
                        }
                        _ => {
                            let form = "application/x-www-form-urlencoded".parse().unwrap();
                            request.headers_mut().insert("content-type", form);
                            *request.body_mut() = Full::new(Bytes::from(format!("access_token={token}")));
                        }
                    }
                    request
                };
                let call = async || {
                    let guarded = api.auth.layer(payments().layer(Handler::default()));
                    send(FormBodyToken::up_to(1 << 16).layer(guarded), request()).await.kind()
                };
                assert_eq!(call().await, "ok", "{name} {place}");
                let asked = api.asked();
                assert_eq!(call().await, "ok", "{name} {place}");
                assert_eq!(api.asked(), asked + 1, "{name} {place}");
                api.idp.revoke(&token);
                assert_eq!(call().await, "token_inactive", "{name} {place}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_route_wants_a_token_even_where_none_is_needed() {
    let api = Api::of(
        TestIssuer::new(),
        |issuer| issuer.introspect(introspection()),
        tower_bearer::BearerAuthBuilder::optional,
    );
    assert_eq!(api.protected.send(anonymous("GET")).await.kind(), "ok");
    let guarded = || api.auth.layer(Require::token().still_active().layer(Handler::default()));
    assert_eq!(send(guarded(), anonymous("GET")).await.kind(), "missing");
    assert_eq!(send(guarded(), get(api.token().opaque())).await.kind(), "ok");
    assert_eq!(send(guarded(), get("never-issued")).await.kind(), "token_inactive");
}

#[tokio::test(start_paused = true)]
async fn a_route_refuses_while_the_issuer_is_out_of_reach() {
    let api = Api::asking(introspection().also_jwts().serve_stale(3600 * SECOND));
    assert_eq!(api.auth.bounds().revoked_token_in_outage().value(), Some(3630 * SECOND));
    let tokens = [api.token().lifetime(3600 * SECOND).opaque(), api.token().lifetime(3600 * SECOND).sign()];
    for token in &tokens {
        assert_eq!(api.on_route(&payments(), token).await.kind(), "ok");
    }
    api.idp.set_fault(Endpoint::Introspection, Some(Fault::Refuse));
    for wait in [0, 10, 25] {
        api.pass(wait * SECOND).await;
        for token in &tokens {
            let answer = api.on_route(&payments(), token).await;
            assert_eq!((answer.kind().as_str(), answer.status()), ("introspection_unavailable", 503));
            assert_eq!(api.kind(token).await, "ok", "elsewhere a stale answer is allowed");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn those_who_ask_at_once_share_a_call_that_began_after_they_came() {
    let api = Api::new();
    let token = api.token().opaque();
    assert_eq!(api.kind(&token).await, "ok");
    api.idp.set_fault(Endpoint::Introspection, Some(Fault::Delay(SECOND)));
    let route = payments();
    let call = || api.on_route(&route, &token);
    let asked = api.asked();
    let ((a, b), (c, d)) = tokio::join!(async { tokio::join!(call(), call()) }, async {
        // The call of the first two is under way, and was so before these came.
        tokio::time::sleep(SECOND / 2).await;
        api.idp.revoke(&token);
        tokio::join!(call(), call())
    });
    assert_eq!(a.kind(), "ok");
    assert_eq!([b.kind(), c.kind(), d.kind()], ["token_inactive"; 3]);
    assert_eq!(api.asked(), asked + 2);
}

/// Who waits for the issuer takes no place from those who do not, and is let in when there is one.
#[tokio::test(start_paused = true)]
async fn who_waits_for_the_issuer_holds_no_place_further_in() {
    let api = Api::new();
    let release = Arc::new(Notify::new());
    let slow = {
        let release = Arc::clone(&release);
        service_fn(move |_: Request<Full<Bytes>>| {
            let release = Arc::clone(&release);
            async move {
                release.notified().await;
                Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"done"))))
            }
        })
    };
    let limited = ConcurrencyLimitLayer::new(1).layer(slow);
    let service = api.auth.layer(payments().layer(limited));
    let token = api.token().opaque();
    let call = || {
        let mut service = service.clone();
        let request = get(&token);
        async move { service.ready().await.unwrap().call(request).await.unwrap().status() }
    };
    let (mut first, mut second) = (tokio::spawn(call()), tokio::spawn(call()));
    // One of them is in, the other waits at the door.
    tokio::time::sleep(60 * SECOND).await;
    assert!(!first.is_finished() && !second.is_finished());
    release.notify_one();
    tokio::select! {
        status = &mut first => assert_eq!(status.unwrap(), 200),
        status = &mut second => assert_eq!(status.unwrap(), 200),
    }
    release.notify_one();
    let rest = async { if first.is_finished() { second.await } else { first.await } };
    assert_eq!(bounded(rest).await.unwrap(), 200);
}

async fn bounded<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(60 * SECOND, future).await.expect("it ends")
}

#[tokio::test(start_paused = true)]
async fn an_explanation_of_a_jwt_says_what_its_issuer_says() {
    let api = Api::asking(introspection().also_jwts());
    let token = api.token().subject("secret-subject").sign();
    let explanation = api.auth.explain(&token).await;
    assert!(explanation.is_accepted(), "{explanation}");
    let checks: Vec<&str> =
        explanation.findings().iter().map(tower_bearer::diagnostics::Finding::check).collect();
    for check in ["signature", "introspection", "active", "same token"] {
        assert!(checks.contains(&check), "{check}: {checks:?}");
    }
    api.idp.revoke(&token);
    let explanation = api.auth.explain(&token).await;
    assert_eq!(failing(&explanation), [("active", "token_inactive")], "{explanation}");
    assert!(!explanation.to_string().contains("secret"), "{explanation}");

    // A JWT that is refused by itself is not asked about, not even here.
    let asked = api.asked();
    assert!(!api.auth.explain(&api.token().expired().sign()).await.is_accepted());
    assert_eq!(api.asked(), asked);
}

/// The service that was polled ready keeps a place; whoever waits with a clone of it needs that place.
#[tokio::test(start_paused = true)]
async fn a_route_that_asks_gives_back_the_place_that_was_kept_for_it() {
    let api = Api::new();
    let limited = ConcurrencyLimitLayer::new(1).layer(Handler::default());
    let buffered = tower::buffer::Buffer::new(payments().layer(limited), 8);
    let service = api.auth.layer(buffered);
    let token = api.token().opaque();
    for round in 0..3 {
        let mut service = service.clone();
        let answered = async { service.ready().await.unwrap().call(get(&token)).await.unwrap().status() };
        assert_eq!(bounded(answered).await, 200, "{round}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_of_any_age_is_still_one_that_is_not_stale() {
    let api = Api::asking(introspection().serve_stale(3600 * SECOND));
    let token = api.token().scope("payments:write").lifetime(3600 * SECOND).opaque();
    for age in [Duration::MAX, 3000 * SECOND] {
        let route = Require::token().still_active_within(age);
        assert_eq!(api.on_route(&route, &token).await.kind(), "ok");
        let before = api.asked();
        assert_eq!(api.on_route(&route, &token).await.kind(), "ok");
        assert_eq!(api.asked(), before, "{age:?}: one is remembered");
        api.idp.set_fault(Endpoint::Introspection, Some(Fault::Refuse));
        api.pass(40 * SECOND).await;
        assert_eq!(api.on_route(&route, &token).await.kind(), "introspection_unavailable", "{age:?}");
        assert_eq!(api.kind(&token).await, "ok", "elsewhere a stale one will do");
        api.idp.set_fault(Endpoint::Introspection, None);
        api.pass(20 * SECOND).await;
    }
}

#[tokio::test(start_paused = true)]
async fn who_holds_a_revoked_token_cannot_have_the_issuer_asked_over_and_over() {
    let api = Api::asking(introspection().opaque_none());
    let token = api.token().sign();
    let route = Require::token().still_active();
    assert_eq!(api.on_route(&route, &token).await.kind(), "ok");
    api.idp.revoke(&token);
    for _ in 0..50 {
        assert_eq!(api.on_route(&route, &token).await.kind(), "token_inactive");
        api.pass(SECOND / 10).await;
    }
    assert_eq!(api.asked(), 2);
    api.pass(10 * SECOND).await;
    assert_eq!((api.on_route(&route, &token).await.kind().as_str(), api.asked()), ("token_inactive", 3));
}

/// The layer around and the route ask both; the request waits no longer for that.
#[tokio::test(start_paused = true)]
async fn a_request_that_asks_twice_has_one_time_for_both() {
    let api = Api::new();
    let token = api.token().opaque();
    for (delay, kind, within, then) in
        [(1, "ok", 2, 30), (2, "introspection_unavailable", 3, 2), (2, "ok", 2, 0)]
    {
        api.idp.set_fault(Endpoint::Introspection, Some(Fault::Delay(delay * SECOND)));
        let start = tokio::time::Instant::now();
        assert_eq!(api.on_route(&payments(), &token).await.kind(), kind, "{delay} s");
        assert_eq!(start.elapsed().as_secs(), within, "{delay} s");
        // Until it is forgotten; until the call has ended that the request did not wait for.
        api.pass(then * SECOND).await;
    }
}
