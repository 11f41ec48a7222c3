//! JWTs that are also introspected (`also_jwts`, `also_jwts_when`).

use std::time::Duration;

use serde_json::{Value, json};
use tower_bearer::RejectionKind::{
    AudienceMismatch, ClaimIllTyped, IntrospectionMismatch, IssuerUnknown, SenderNotProven, TokenExpired,
    TokenInactive, TokenNotYetValid,
};
use tower_bearer::Require;
use tower_bearer::diagnostics::Finding;

use super::{Api, INACTIVE, failing, payments};
use crate::support::figure::figure;
use crate::support::introspected::{SECOND, introspection};
use crate::support::protected::{ACCEPTED, Outcome, verdict};

#[tokio::test(start_paused = true)]
async fn a_revoked_jwt_is_rejected_once_its_ttl_ends() {
    let api = Api::introspecting(introspection().also_jwts());
    assert_eq!(api.auth.bounds().revoked_token().value(), Some(30 * SECOND));
    let token = api.token().sign();
    assert_eq!((api.outcome(&token).await, api.calls()), (ACCEPTED, 1));
    api.idp.revoke(&token);
    let revoked_at = api.now();
    api.pass(29 * SECOND).await;
    assert_eq!((api.outcome(&token).await, api.calls()), (ACCEPTED, 1));
    api.pass(SECOND).await;
    let (outcome, rejected_after) = (api.outcome(&token).await, api.now() - revoked_at);
    let shown = format!("{} after {rejected_after} s", verdict(outcome));
    figure("bounds", "revoked_token: introspected JWT", shown, "rejected after 30 s");
    assert_eq!((outcome, api.calls()), (INACTIVE, 2));

    let without_introspection = Api::new();
    let token = without_introspection.token().sign();
    without_introspection.idp.revoke(&token);
    assert_eq!((without_introspection.outcome(&token).await, without_introspection.calls()), (ACCEPTED, 0));
}

#[tokio::test(start_paused = true)]
async fn also_jwts_when_selects_the_jwts_to_introspect() {
    let settings = introspection().also_jwts_when(|token| token.scopes().contains("admin"));
    let api = Api::introspecting(settings);
    let (plain, admin) = (api.token().sign(), api.token().scope("admin").sign());
    api.idp.revoke(&plain);
    api.idp.revoke(&admin);
    assert_eq!((api.outcome(&plain).await, api.calls()), (ACCEPTED, 0));
    assert_eq!((api.outcome(&admin).await, api.calls()), (INACTIVE, 1));
    let expired = api.token().scope("admin").expired().sign();
    assert_eq!((api.outcome(&expired).await, api.calls()), (Err(TokenExpired), 1));
}

/// The JWT contains the claims already. Claims that the response repeats must agree with it.
#[tokio::test(start_paused = true)]
async fn a_response_about_a_jwt_may_omit_claims_but_not_contradict_them() {
    let api = Api::introspecting(introspection().also_jwts());
    let rows: Vec<(&str, Option<Value>, Outcome)> = vec![
        ("active", Some(json!("true")), INACTIVE),
        ("active", None, INACTIVE),
        ("aud", None, ACCEPTED),
        ("aud", Some(json!("https://other.example")), Err(AudienceMismatch)),
        ("aud", Some(json!(5)), Err(ClaimIllTyped)),
        ("iss", None, ACCEPTED),
        ("iss", Some(json!("https://other.example")), Err(IssuerUnknown)),
        ("exp", None, ACCEPTED),
        ("exp", Some(json!(0)), Err(TokenExpired)),
        ("exp", Some(json!(api.now() + 299)), ACCEPTED),
        ("exp", Some(json!(api.now() + 330)), ACCEPTED),
        ("exp", Some(json!(api.now() + 269)), Err(IntrospectionMismatch)),
        ("exp", Some(json!(api.now() + 331)), Err(IntrospectionMismatch)),
        ("exp", Some(json!(9_999_999_999_u64)), Err(IntrospectionMismatch)),
        ("exp", Some(json!("x")), Err(ClaimIllTyped)),
        ("sub", None, ACCEPTED),
        ("sub", Some(json!("bob")), Err(IntrospectionMismatch)),
        ("sub", Some(json!("")), Err(IntrospectionMismatch)),
        ("client_id", None, ACCEPTED),
        ("client_id", Some(json!("other")), Err(IntrospectionMismatch)),
        ("token_type", Some(json!("DPoP")), Err(SenderNotProven)),
        ("cnf", Some(json!({"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"})), Err(SenderNotProven)),
        ("nbf", Some(json!(api.now() + 60)), Err(TokenNotYetValid)),
        ("username", Some(json!(5)), Err(ClaimIllTyped)),
        ("scope", Some(json!(5)), Err(ClaimIllTyped)),
        ("scope", None, ACCEPTED),
    ];
    for (member, value, expected) in rows {
        let row = format!("{member} {value:?}");
        api.set_member(member, value);
        let token = api.token().sign();
        assert_eq!(api.outcome(&token).await, expected, "{row}");
        assert_eq!(api.on_route(&payments(), &token).await.outcome(), expected, "{row}");
        let explanation = api.auth.explain(&token).await;
        assert_eq!(explanation.is_accepted(), expected == ACCEPTED, "{row}: {explanation}");
        let fails = failing(&explanation);
        assert!(
            expected == ACCEPTED || fails.iter().any(|(_, kind)| Err(*kind) == expected),
            "{row}: {explanation}"
        );
        assert!(!explanation.to_string().contains(token.rsplit_once('.').unwrap().1), "{row}");
    }
}

/// A server that stores tokens in a table computes `exp` of the row and of the JWT apart.
#[tokio::test(start_paused = true)]
async fn the_earlier_exp_of_a_jwt_and_its_response_counts() {
    let api = Api::introspecting(introspection().also_jwts().active_ttl(3600 * SECOND));
    for (name, stated, expected) in [("earlier", 290, 290), ("later", 301, 300), ("the same", 300, 300)] {
        let start = api.now();
        api.set_member("exp", Some(json!(start + stated)));
        let token = api.token().sign();
        let response = api.protected.get(&token).await;
        let expires_at = response.assert_accepted(name).expires_at();
        let lifetime = expires_at.duration_since(std::time::UNIX_EPOCH + Duration::from_secs(start)).unwrap();
        let quantity = format!("lifetime of a JWT with exp in 300 s, exp of the response in {stated} s");
        figure("1.11", quantity, format_args!("{lifetime:?}"), format_args!("{expected} s"));
        assert_eq!(expires_at, std::time::UNIX_EPOCH + Duration::from_secs(start + expected), "{name}");
        let calls = api.calls();
        api.idp.clock().advance(Duration::from_secs(expected - 1));
        assert_eq!((api.outcome(&token).await, api.calls()), (ACCEPTED, calls), "{name}");
        api.idp.clock().advance(SECOND);
        let outcome = api.outcome(&token).await;
        assert_eq!(
            api.calls(),
            calls + 1,
            "{name}: {outcome:?}, no response is cached beyond the earlier exp"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn scopes_in_the_response_narrow_those_of_the_jwt() {
    let api = Api::introspecting(introspection().also_jwts());
    for (name, scope, expected) in [
        ("fewer", Some("b"), "b"),
        ("others", Some("c b d"), "b"),
        ("more", Some("c b a"), "a b"),
        ("none", Some(""), ""),
        ("absent", None, "a b"),
    ] {
        api.set_member("scope", scope.map(Value::from));
        let token = api.token().sign();
        for round in ["introspected", "cached"] {
            let response = api.protected.get(&token).await;
            let scopes = response.assert_accepted(name).scopes().iter().collect::<Vec<_>>().join(" ");
            if round == "introspected" {
                let quantity = format!("scopes of a JWT with `a b`, scope of the response {scope:?}");
                figure("1.13", quantity, format_args!("`{scopes}`"), format_args!("`{expected}`"));
            }
            assert_eq!(scopes, expected, "{name} {round}");
        }
        let on_route = api.on_route(&Require::scope("a"), &token).await.outcome();
        assert_eq!(on_route.is_ok(), expected.contains('a'), "{name}: {on_route:?}");
        let claims = api.protected.get(&token).await.token().unwrap().claims::<Value>().unwrap();
        assert_eq!(claims["scope"], "a b", "the claims of the JWT stay as they are");
    }
}

/// Okta writes the scopes of a JWT into `scp` and those of a response into `scope`.
#[tokio::test(start_paused = true)]
async fn scope_in_the_response_narrows_a_jwt_whatever_its_scope_claims_are() {
    let api = Api::with(|issuer| issuer.scope_claims(["scp"]).introspect(introspection().also_jwts()));
    for (stated, expected) in [(Some("b"), "b"), (Some(""), ""), (None, "a b")] {
        api.idp.alter_introspection(move |response| {
            response.remove("scp");
            stated.into_iter().for_each(|scope| drop(response.insert("scope".to_owned(), scope.into())));
        });
        let token = api.token().without("scope").claim("scp", json!(["a", "b"])).sign();
        let response = api.protected.get(&token).await;
        let scopes = response.assert_accepted("a JWT").scopes().iter().collect::<Vec<_>>().join(" ");
        assert_eq!(scopes, expected, "{stated:?}");
    }
}

/// With `client_claims(["sub"])` the client of a token is its `sub`, which is no `client_id`.
#[tokio::test(start_paused = true)]
async fn client_id_in_the_response_is_compared_with_what_names_a_client_id_in_the_jwt() {
    let api = |client_claim: &'static str| {
        Api::with(move |issuer| issuer.client_claims([client_claim]).introspect(introspection().also_jwts()))
    };
    for (source, claim, value, stated, expected) in [
        ("sub", "client_id", Some("client"), "client", ACCEPTED),
        ("sub", "client_id", Some("client"), "other", Err(IntrospectionMismatch)),
        ("sub", "client_id", None, "other", ACCEPTED),
        ("org", "org", Some("acme"), "client", ACCEPTED),
        ("cid", "cid", Some("client"), "client", ACCEPTED),
        ("cid", "cid", Some("x"), "other", Err(IntrospectionMismatch)),
        ("appid", "appid", Some("x"), "other", Err(IntrospectionMismatch)),
        ("azp", "azp", Some("x"), "other", Err(IntrospectionMismatch)),
    ] {
        let api = api(source);
        let name = format!("{source}: {claim} {value:?}, stated {stated}");
        api.set_member("client_id", Some(json!(stated)));
        let token = api.token().without("client_id");
        let token = value.into_iter().fold(token, |token, value| token.claim(claim, value));
        assert_eq!(api.outcome(token.sign()).await, expected, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_explanation_of_a_jwt_includes_its_introspection() {
    let api = Api::introspecting(introspection().also_jwts());
    let token = api.token().subject("secret-subject").sign();
    let explanation = api.auth.explain(&token).await;
    assert!(explanation.is_accepted(), "{explanation}");
    let checks: Vec<&str> = explanation.findings().iter().map(Finding::check).collect();
    for check in ["signature", "introspection", "active", "same token"] {
        assert!(checks.contains(&check), "{check}: {checks:?}");
    }
    api.idp.revoke(&token);
    let explanation = api.auth.explain(&token).await;
    assert_eq!(failing(&explanation), [("active", TokenInactive)], "{explanation}");
    assert!(!explanation.to_string().contains("secret"), "{explanation}");

    // `explain` does not introspect a JWT that fails another check.
    let calls = api.calls();
    assert!(!api.auth.explain(&api.token().expired().sign()).await.is_accepted());
    assert_eq!(api.calls(), calls);
}
