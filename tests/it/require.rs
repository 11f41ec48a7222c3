//! Requirements of routes (`Require`) and issuers beyond a valid token (RFC 6750 section 3.1, RFC 9068
//! section 2.2.3).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tower::Layer;
use tower_bearer::RejectionKind::{
    ClaimIllTyped, ClaimMissing, ClientNotAllowed, LifetimeTooLong, Missing, NotCovered, RequirementUnmet,
    ScopeInsufficient, TokenTooOld,
};
use tower_bearer::testing::{ManualClock, TestIssuer, TokenBuilder};
use tower_bearer::time::Clock;
use tower_bearer::{BearerAuth, Issuer, Require, Scopes};
use tracing::Level;

use crate::support::log::Log;
use crate::support::protected::{
    ACCEPTED, API, ApiResponse, Handler, Outcome, Protected, anonymous, get, send,
};

/// The response of a route with this requirement to a token.
async fn at(require: &Require, auth: &BearerAuth, token: impl AsRef<str>) -> ApiResponse {
    send(auth.layer(require.layer(Handler::default())), get(token)).await
}

#[tokio::test(start_paused = true)]
async fn a_missing_scope_gives_403_and_the_challenge_names_it() {
    let idp = TestIssuer::new();
    let auth = idp.bearer_auth(API).build().unwrap();
    for require in [
        Require::all_of(["b", "a"]),
        Require::scope("b a"),
        Require::scope("b").and_scope("a"),
        Require::token().and_scope("b  a "),
    ] {
        for (scope, is_sufficient) in [
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
            let response = at(&require, &auth, token).await;
            if is_sufficient {
                assert_eq!(response.outcome(), ACCEPTED, "{scope:?}");
                continue;
            }
            assert_eq!(response.outcome(), Err(ScopeInsufficient), "{scope:?}");
            assert_eq!(response.challenge().unwrap().param("scope"), Some("b a"), "{scope:?}");
            assert_eq!(response.rejection().unwrap().scopes_needed(), Some("b a"), "{scope:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn scope_requirements_nest() {
    let idp = TestIssuer::new();
    let auth = idp.bearer_auth(API).build().unwrap();
    let nested = || Scopes::all_of([Scopes::from("orders"), Scopes::any_of(["eu", "us"])]);
    let either = || Require::any_of([Scopes::from("read"), nested(), "x y".into()]);
    for (name, require, scope, expected, challenged) in [
        ("any, first", Require::any_of(["a", "b"]), "a", ACCEPTED, None),
        ("any, second", Require::any_of(["a", "b"]), "b", ACCEPTED, None),
        ("any, none", Require::any_of(["a", "b"]), "c", Err(ScopeInsufficient), Some("a")),
        ("nested", Require::scope(nested()), "us orders", ACCEPTED, None),
        ("nested, half", Require::scope(nested()), "orders", Err(ScopeInsufficient), Some("orders eu")),
        ("nested, other half", Require::scope(nested()), "eu us", Err(ScopeInsufficient), Some("orders eu")),
        ("alternatives, first", either(), "read", ACCEPTED, None),
        ("alternatives, nested", either(), "orders eu", ACCEPTED, None),
        ("alternatives, list", either(), "x y", ACCEPTED, None),
        ("alternatives, half a list", either(), "x", Err(ScopeInsufficient), Some("read")),
        (
            "an empty list of alternatives",
            Require::any_of(Vec::<&str>::new()),
            "a",
            Err(ScopeInsufficient),
            None,
        ),
        ("an empty list of all", Require::all_of(Vec::<&str>::new()), "", ACCEPTED, None),
        ("an empty scope", Require::scope(""), "a", Err(ScopeInsufficient), None),
        ("a quote", Require::scope("a\"b"), "a b", Err(ScopeInsufficient), None),
        ("any token", Require::token(), "", ACCEPTED, None),
    ] {
        let response = at(&require, &auth, idp.token(API).scope(scope).sign()).await;
        assert_eq!(response.outcome(), expected, "{name}");
        let challenge = response.challenge();
        assert_eq!(challenge.as_ref().and_then(|challenge| challenge.param("scope")), challenged, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn scopes_are_read_from_strings_and_arrays() {
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
        ("scope, string", &auth, json!({"scope": "a b"}), ACCEPTED),
        ("scope, array", &auth, json!({"scope": ["a", "b"]}), ACCEPTED),
        ("scp, string", &auth, json!({"scp": "a b"}), ACCEPTED),
        ("scp, array", &auth, json!({"scp": ["a", "b"]}), ACCEPTED),
        ("one in each", &auth, json!({"scope": "a", "scp": ["b"]}), ACCEPTED),
        ("two in one item", &auth, json!({"scope": ["a b"]}), Err(ScopeInsufficient)),
        ("an empty array", &auth, json!({"scope": []}), Err(ScopeInsufficient)),
        ("another claim", &auth, json!({"permissions": "a b"}), Err(ScopeInsufficient)),
        ("in capitals", &auth, json!({"Scope": "a b"}), Err(ScopeInsufficient)),
        ("a number", &auth, json!({"scope": 5}), Err(ClaimIllTyped)),
        ("an array with a number", &auth, json!({"scp": ["a", "b", 1]}), Err(ClaimIllTyped)),
        ("null", &auth, json!({"scope": null}), Err(ClaimIllTyped)),
        ("configured, string", &renamed, json!({"permissions": "a b"}), ACCEPTED),
        ("configured, array", &renamed, json!({"permissions": ["a", "b"]}), ACCEPTED),
        ("configured, both", &renamed, json!({"permissions": ["a"], "groups": "b"}), ACCEPTED),
        ("configured, the default claim", &renamed, json!({"scope": "a b"}), Err(ScopeInsufficient)),
        ("configured, ill-typed", &renamed, json!({"permissions": {"a": "b"}}), Err(ClaimIllTyped)),
    ] {
        let mut token = idp.token(API);
        for (claim, value) in claims.as_object().unwrap() {
            token = token.claim(claim, value.clone());
        }
        assert_eq!(at(&both, auth, token.sign()).await.outcome(), expected, "{name}");
    }
    let response = at(&both, &auth, idp.token(API).claim("scp", json!(["b", "c", "a"])).sign()).await;
    let scopes = response.token().unwrap().scopes().clone();
    assert_eq!((scopes.to_string().as_str(), scopes.len()), ("b c a", 3));
}

#[tokio::test(start_paused = true)]
async fn a_token_outside_the_configured_limits_is_rejected() {
    type Limit = fn(Issuer) -> Issuer;
    let now = |clock: &ManualClock| clock.now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let age: Limit = |issuer| issuer.max_age(Duration::from_secs(60));
    let lifetime: Limit = |issuer| issuer.max_lifetime(Duration::from_secs(600));
    let clients: Limit = |issuer| issuer.allowed_clients(["app", "web"]);
    let tenant: Limit = |issuer| issuer.require_claim("tenant");
    type Change = fn(TokenBuilder, u64) -> TokenBuilder;
    let cases: Vec<(&str, Limit, Change, Outcome)> = vec![
        ("age within", age, |token, now| token.claim("iat", now - 90), ACCEPTED),
        ("age beyond", age, |token, now| token.claim("iat", now - 91), Err(TokenTooOld)),
        ("no iat for the age", age, |token, _| token.without("iat"), Err(ClaimMissing)),
        ("ill-typed iat", age, |token, _| token.claim("iat", "1"), Err(ClaimIllTyped)),
        ("lifetime within", lifetime, |token, now| token.claim("exp", now + 600), ACCEPTED),
        ("lifetime beyond", lifetime, |token, now| token.claim("exp", now + 601), Err(LifetimeTooLong)),
        (
            "lifetime beyond, by iat",
            lifetime,
            |token, now| token.claim("iat", now - 301),
            Err(LifetimeTooLong),
        ),
        ("no iat for the lifetime", lifetime, |token, _| token.without("iat"), Err(ClaimMissing)),
        ("allowed client_id", clients, |token, _| token.claim("client_id", "web"), ACCEPTED),
        ("allowed azp", clients, |token, _| token.without("client_id").claim("azp", "app"), ACCEPTED),
        ("another client_id", clients, |token, _| token.claim("client_id", "App"), Err(ClientNotAllowed)),
        (
            "client_id is an array",
            clients,
            |token, _| token.claim("client_id", json!(["app"])),
            Err(ClaimIllTyped),
        ),
        (
            "another client_id beside an allowed azp",
            clients,
            |token, _| token.claim("client_id", "evil").claim("azp", "app"),
            Err(ClientNotAllowed),
        ),
        ("no client_id", clients, |token, _| token.without("client_id"), Err(ClaimMissing)),
        ("required claim present", tenant, |token, _| token.claim("tenant", "t"), ACCEPTED),
        ("required claim absent", tenant, |token, _| token, Err(ClaimMissing)),
        ("required claim is null", tenant, |token, _| token.claim("tenant", Value::Null), Err(ClaimMissing)),
    ];
    for (name, limit, change, expected) in cases {
        let idp = TestIssuer::new();
        let builder = BearerAuth::builder(API).issuer(limit(idp.issuer())).http_client(idp.http_client());
        let api = Protected::by(&builder.clock(idp.clock()).build().unwrap());
        idp.clock().set(std::time::UNIX_EPOCH + Duration::from_secs(now(&idp.clock())));
        let token = change(idp.token(API), now(&idp.clock())).sign();
        assert_eq!(api.outcome(token).await, expected, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_failed_check_gives_403() {
    let idp = TestIssuer::new();
    let auth = idp.bearer_auth(API).build().unwrap();
    let checks = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&checks);
    let require = Require::scope("a").check(move |token, head| {
        count.fetch_add(1, Ordering::Relaxed);
        head.uri.path() == format!("/{}", token.subject().unwrap_or_default())
    });
    let token = |subject: &str, scope: &str| idp.token(API).subject(subject).scope(scope).sign();
    assert_eq!(at(&require, &auth, token("orders", "a")).await.outcome(), ACCEPTED);
    let response = at(&require, &auth, token("alice", "a")).await;
    assert_eq!(response.outcome(), Err(RequirementUnmet));
    // The check does not run for a token without the scope.
    assert_eq!(at(&require, &auth, token("orders", "b")).await.outcome(), Err(ScopeInsufficient));
    assert_eq!(checks.load(Ordering::Relaxed), 2);

    let twice = Require::token().check(|_, _| true).check(|_, _| false);
    assert_eq!(at(&twice, &auth, token("orders", "a")).await.outcome(), Err(RequirementUnmet));
}

#[tokio::test(start_paused = true)]
async fn a_route_without_bearer_auth_gives_500() {
    let log = Log::start();
    let idp = TestIssuer::new();
    let handler = Handler::default();
    for require in [Require::token(), Require::scope("a"), Require::token().check(|_, _| true)] {
        let response = send(require.layer(handler.clone()), get(idp.token(API).scope("a").sign())).await;
        assert_eq!(response.outcome(), Err(NotCovered));
        // A token that another layer has inserted does not help.
        let mut request = anonymous("GET");
        request.extensions_mut().insert(idp.token(API).scope("a").access_token().unwrap());
        assert_eq!(send(require.layer(handler.clone()), request).await.outcome(), Err(NotCovered));
    }
    assert_eq!(handler.calls(), 0);
    let events = log.requests();
    assert_eq!(events.len(), 6);
    for event in events {
        assert_eq!((event.level, event.field("kind")), (Level::ERROR, Some("not_covered")));
    }
    // A requirement outside of the layer is not covered either.
    let auth = idp.bearer_auth(API).build().unwrap();
    let response = send(Require::token().layer(auth.layer(handler)), get(idp.token(API).sign())).await;
    assert_eq!(response.outcome(), Err(NotCovered));
}

#[tokio::test(start_paused = true)]
async fn under_optional_a_route_can_still_require_a_token() {
    let idp = TestIssuer::new();
    let auth = idp.bearer_auth(API).optional().build().unwrap();
    for require in [Require::token(), Require::scope("a"), Require::token().check(|_, _| true)] {
        let response = send(auth.layer(require.layer(Handler::default())), anonymous("GET")).await;
        assert_eq!(response.outcome(), Err(Missing));
    }
    assert_eq!(at(&Require::token(), &auth, idp.token(API).sign()).await.outcome(), ACCEPTED);
}
