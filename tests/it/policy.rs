//! What a route or an issuer asks for beyond a good signature (RFC 6750 section 3.1, RFC 9068 section 2.2.3).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tower::Layer;
use tower_bearer::testing::{ManualClock, TestIssuer, TokenBuilder};
use tower_bearer::time::Clock;
use tower_bearer::{BearerAuth, Issuer, RejectionKind, Require, Scopes};
use tracing::Level;

use crate::support::events::Log;
use crate::support::protected::{API, Answer, Handler, Protected, anonymous, get, send};

/// The answer to a token at a route with this requirement.
async fn at(require: &Require, auth: &BearerAuth, token: impl AsRef<str>) -> Answer {
    send(auth.layer(require.layer(Handler::default())), get(token)).await
}

#[tokio::test(start_paused = true)]
async fn a_missing_scope_is_forbidden_and_named() {
    let idp = TestIssuer::new();
    let auth = idp.bearer_auth(API).build().unwrap();
    for require in [
        Require::all_of(["b", "a"]),
        Require::scope("b a"),
        Require::scope("b").and_scope("a"),
        Require::token().and_scope("b  a "),
    ] {
        for (scope, good) in [
            (Some("a b"), true),
            (Some("b a"), true),
            (Some("a b c"), true),
            (Some(" a  b "), true),
            (Some("A b"), false),
            (Some("a"), false),
            (Some("ab"), false),
            (Some(""), false),
            (None, false),
            (Some("a,b"), false),
            (Some("a:b b"), false),
            (Some("a\tb"), false),
        ] {
            let token = scope.into_iter().fold(idp.token(API), TokenBuilder::scope).sign();
            let answer = at(&require, &auth, token).await;
            if good {
                assert_eq!(answer.kind(), "ok", "{scope:?}");
                continue;
            }
            assert_eq!(answer.kind(), "scope_insufficient", "{scope:?}");
            assert_eq!(answer.challenge().unwrap().param("scope"), Some("b a"), "{scope:?}");
            assert_eq!(answer.rejection().unwrap().scopes_needed(), Some("b a"), "{scope:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn rules_about_scopes_nest() {
    let idp = TestIssuer::new();
    let auth = idp.bearer_auth(API).build().unwrap();
    let nested = || Scopes::all_of([Scopes::from("orders"), Scopes::any_of(["eu", "us"])]);
    let either = || Require::any_of([Scopes::from("read"), nested(), "x y".into()]);
    for (name, require, scope, expected, asked) in [
        ("any, first", Require::any_of(["a", "b"]), "a", "ok", None),
        ("any, second", Require::any_of(["a", "b"]), "b", "ok", None),
        ("any, none", Require::any_of(["a", "b"]), "c", "scope_insufficient", Some("a")),
        ("nested", Require::scope(nested()), "us orders", "ok", None),
        ("nested, half", Require::scope(nested()), "orders", "scope_insufficient", Some("orders eu")),
        ("nested, other half", Require::scope(nested()), "eu us", "scope_insufficient", Some("orders eu")),
        ("alternatives, first", either(), "read", "ok", None),
        ("alternatives, nested", either(), "orders eu", "ok", None),
        ("alternatives, list", either(), "x y", "ok", None),
        ("alternatives, half a list", either(), "x", "scope_insufficient", Some("read")),
        ("no alternative", Require::any_of(Vec::<&str>::new()), "a", "scope_insufficient", None),
        ("nothing asked", Require::all_of(Vec::<&str>::new()), "", "ok", None),
        ("no scope at all", Require::scope(""), "a", "scope_insufficient", None),
        ("a quote", Require::scope("a\"b"), "a b", "scope_insufficient", None),
        ("any token", Require::token(), "", "ok", None),
    ] {
        let answer = at(&require, &auth, idp.token(API).scope(scope).sign()).await;
        assert_eq!(answer.kind(), expected, "{name}");
        let challenge = answer.challenge();
        assert_eq!(challenge.as_ref().and_then(|challenge| challenge.param("scope")), asked, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn scopes_are_read_from_text_and_lists() {
    let idp = TestIssuer::new();
    let auth = idp.bearer_auth(API).build().unwrap();
    let named = Issuer::discover(idp.identifier()).scope_claims(["permissions", "groups"]);
    let renamed = BearerAuth::builder(API)
        .issuer(named)
        .http_client(idp.http_client())
        .clock(idp.clock())
        .build()
        .unwrap();
    let both = Require::scope("a b");
    for (name, auth, claims, expected) in [
        ("scope, text", &auth, json!({"scope": "a b"}), "ok"),
        ("scope, list", &auth, json!({"scope": ["a", "b"]}), "ok"),
        ("scp, text", &auth, json!({"scp": "a b"}), "ok"),
        ("scp, list", &auth, json!({"scp": ["a", "b"]}), "ok"),
        ("one in each", &auth, json!({"scope": "a", "scp": ["b"]}), "ok"),
        ("two in one item", &auth, json!({"scope": ["a b"]}), "scope_insufficient"),
        ("an empty list", &auth, json!({"scope": []}), "scope_insufficient"),
        ("another claim", &auth, json!({"permissions": "a b"}), "scope_insufficient"),
        ("in capitals", &auth, json!({"Scope": "a b"}), "scope_insufficient"),
        ("a number", &auth, json!({"scope": 5}), "claim_ill_typed"),
        ("a list with a number", &auth, json!({"scp": ["a", "b", 1]}), "claim_ill_typed"),
        ("null", &auth, json!({"scope": null}), "claim_ill_typed"),
        ("configured, text", &renamed, json!({"permissions": "a b"}), "ok"),
        ("configured, list", &renamed, json!({"permissions": ["a", "b"]}), "ok"),
        ("configured, both", &renamed, json!({"permissions": ["a"], "groups": "b"}), "ok"),
        ("configured, the usual claim", &renamed, json!({"scope": "a b"}), "scope_insufficient"),
        ("configured, ill-typed", &renamed, json!({"permissions": {"a": "b"}}), "claim_ill_typed"),
    ] {
        let mut token = idp.token(API);
        for (claim, value) in claims.as_object().unwrap() {
            token = token.claim(claim, value.clone());
        }
        assert_eq!(at(&both, auth, token.sign()).await.kind(), expected, "{name}");
    }
    let answer = at(&both, &auth, idp.token(API).claim("scp", json!(["b", "c", "a"])).sign()).await;
    let scopes = answer.token().unwrap().scopes().clone();
    assert_eq!((scopes.to_string().as_str(), scopes.len()), ("b c a", 3));
}

#[tokio::test(start_paused = true)]
async fn a_token_outside_the_limits_of_the_configuration_is_refused() {
    type Limit = fn(Issuer) -> Issuer;
    let now = |clock: &ManualClock| clock.now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let age: Limit = |issuer| issuer.max_age(Duration::from_secs(60));
    let life: Limit = |issuer| issuer.max_lifetime(Duration::from_secs(600));
    let clients: Limit = |issuer| issuer.allowed_clients(["app", "web"]);
    let tenant: Limit = |issuer| issuer.require_claim("tenant");
    type Change = fn(TokenBuilder, u64) -> TokenBuilder;
    let cases: Vec<(&str, Limit, Change, &str)> = vec![
        ("age within", age, |token, now| token.claim("iat", now - 90), "ok"),
        ("age beyond", age, |token, now| token.claim("iat", now - 91), "token_too_old"),
        ("age unknown", age, |token, _| token.without("iat"), "claim_missing"),
        ("age of no type", age, |token, _| token.claim("iat", "1"), "claim_ill_typed"),
        ("life within", life, |token, now| token.claim("exp", now + 600), "ok"),
        ("life beyond", life, |token, now| token.claim("exp", now + 601), "lifetime_too_long"),
        ("life beyond, by iat", life, |token, now| token.claim("iat", now - 301), "lifetime_too_long"),
        ("life unknown", life, |token, _| token.without("iat"), "claim_missing"),
        ("client known", clients, |token, _| token.claim("client_id", "web"), "ok"),
        ("client of another name", clients, |token, _| token.without("client_id").claim("azp", "app"), "ok"),
        ("client unknown", clients, |token, _| token.claim("client_id", "App"), "client_not_allowed"),
        ("client list", clients, |token, _| token.claim("client_id", json!(["app"])), "claim_ill_typed"),
        (
            "two names of one client",
            clients,
            |token, _| token.claim("client_id", "evil").claim("azp", "app"),
            "client_not_allowed",
        ),
        ("client absent", clients, |token, _| token.without("client_id"), "claim_missing"),
        ("claim there", tenant, |token, _| token.claim("tenant", "t"), "ok"),
        ("claim absent", tenant, |token, _| token, "claim_missing"),
        ("claim null", tenant, |token, _| token.claim("tenant", Value::Null), "claim_missing"),
    ];
    for (name, limit, change, expected) in cases {
        let idp = TestIssuer::new();
        let builder = BearerAuth::builder(API).issuer(limit(idp.issuer())).http_client(idp.http_client());
        let api = Protected::by(&builder.clock(idp.clock()).build().unwrap());
        idp.clock().set(std::time::UNIX_EPOCH + Duration::from_secs(now(&idp.clock())));
        let token = change(idp.token(API), now(&idp.clock())).sign();
        assert_eq!(api.kind(token).await, expected, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_unmet_requirement_is_forbidden() {
    let idp = TestIssuer::new();
    let auth = idp.bearer_auth(API).build().unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let require = Require::scope("a").check(move |token, head| {
        count.fetch_add(1, Ordering::Relaxed);
        head.uri.path() == format!("/{}", token.subject().unwrap_or_default())
    });
    let token = |subject: &str, scope: &str| idp.token(API).subject(subject).scope(scope).sign();
    assert_eq!(at(&require, &auth, token("orders", "a")).await.kind(), "ok");
    let answer = at(&require, &auth, token("alice", "a")).await;
    assert_eq!(answer.kind(), "requirement_unmet");
    assert_eq!(answer.rejection().unwrap().kind(), RejectionKind::RequirementUnmet);
    // No check is asked about a token without the scope.
    assert_eq!(at(&require, &auth, token("orders", "b")).await.kind(), "scope_insufficient");
    assert_eq!(asked.load(Ordering::Relaxed), 2);

    let twice = Require::token().check(|_, _| true).check(|_, _| false);
    assert_eq!(at(&twice, &auth, token("orders", "a")).await.kind(), "requirement_unmet");
}

#[tokio::test(start_paused = true)]
async fn a_route_without_bearer_auth_is_a_server_error() {
    let log = Log::start();
    let idp = TestIssuer::new();
    let handler = Handler::default();
    for require in [Require::token(), Require::scope("a"), Require::token().check(|_, _| true)] {
        let answer = send(require.layer(handler.clone()), get(idp.token(API).scope("a").sign())).await;
        assert_eq!(answer.kind(), "not_covered");
        // A token that another layer put there is no substitute.
        let mut request = anonymous("GET");
        request.extensions_mut().insert(idp.token(API).scope("a").access_token().unwrap());
        assert_eq!(send(require.layer(handler.clone()), request).await.kind(), "not_covered");
    }
    assert_eq!(handler.calls(), 0);
    let events = log.requests();
    assert_eq!(events.len(), 6);
    for event in events {
        assert_eq!((event.level, event.field("kind")), (Level::ERROR, Some("not_covered")));
    }
    // Outside of the layer that would cover it is not covered either.
    let auth = idp.bearer_auth(API).build().unwrap();
    let answer = send(Require::token().layer(auth.layer(handler)), get(idp.token(API).sign())).await;
    assert_eq!(answer.kind(), "not_covered");
}

#[tokio::test(start_paused = true)]
async fn under_optional_a_route_may_still_ask_for_a_token() {
    let idp = TestIssuer::new();
    let auth = idp.bearer_auth(API).optional().build().unwrap();
    for require in [Require::token(), Require::scope("a"), Require::token().check(|_, _| true)] {
        let answer = send(auth.layer(require.layer(Handler::default())), anonymous("GET")).await;
        assert_eq!(answer.kind(), "missing");
    }
    assert_eq!(at(&Require::token(), &auth, idp.token(API).sign()).await.kind(), "ok");
}
