//! Signed introspection responses (RFC 9701).

use serde_json::{Map, Value, json};
use tower_bearer::RejectionKind::{ClaimMissing, IntrospectionMismatch, TypeMismatch};
use tower_bearer::diagnostics::{IntrospectionError, IntrospectionErrorKind};
use tower_bearer::testing::{Endpoint, Fault, TestIssuer};
use tower_bearer::time::Clock;
use tower_bearer::{Algorithm, Issuer};

use super::{Api, INACTIVE, UNAVAILABLE};
use crate::support::figure::figure;
use crate::support::introspected::{SECOND, introspection};
use crate::support::keys::encode;
use crate::support::protected::{ACCEPTED, API};

type Members = Map<String, Value>;

fn signed() -> Api {
    Api::introspecting(introspection().require_signed())
}

#[tokio::test(start_paused = true)]
async fn a_signed_response_is_accepted() {
    let api = signed();
    let token = api.token().claim("username", "alice").opaque();
    let response = api.protected.get(&token).await;
    assert_eq!(response.outcome(), ACCEPTED);
    assert_eq!(response.token().unwrap().username(), Some("alice"));
    api.idp.revoke(&token);
    api.pass(30 * SECOND).await;
    assert_eq!(api.outcome(&token).await, INACTIVE);

    // `aud` may name the API instead of the client, and `typ` has several spellings.
    type Alter = fn(&mut Members, &mut Members);
    let alterations: [(&str, Alter); 6] = [
        ("aud", |_, claims| drop(claims.insert("aud".to_owned(), json!(API)))),
        ("several aud", |_, claims| {
            drop(claims.insert("aud".to_owned(), json!(["x", TestIssuer::CLIENT_ID])))
        }),
        ("typ", |header, _| {
            drop(header.insert("typ".to_owned(), json!("application/Token-Introspection+JWT")))
        }),
        ("no kid", |header, _| drop(header.remove("kid"))),
        ("exp", |_, claims| drop(claims.insert("exp".to_owned(), json!(9_999_999_999_u64)))),
        ("more", |_, claims| drop(claims.insert("more".to_owned(), json!({"x": 1})))),
    ];
    for (name, alter) in alterations {
        api.idp.alter_signed_introspection(alter);
        assert_eq!(api.outcome(api.token().opaque()).await, ACCEPTED, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_signed_response_that_fails_a_check_is_an_outage() {
    let now = signed().now();
    let set = |name: &'static str, value: Value| {
        move |_: &mut Members, claims: &mut Members| drop(claims.insert(name.to_owned(), value.clone()))
    };
    let in_header = |name: &'static str, value: Value| {
        move |header: &mut Members, _: &mut Members| drop(header.insert(name.to_owned(), value.clone()))
    };
    let without = |name: &'static str| {
        move |header: &mut Members, claims: &mut Members| {
            header.remove(name);
            claims.remove(name);
        }
    };
    type Alter = Box<dyn Fn(&mut Members, &mut Members) + Send + Sync>;
    let alterations: Vec<(&str, Alter)> = vec![
        ("typ of an access token", Box::new(in_header("typ", json!("at+jwt")))),
        ("typ JWT", Box::new(in_header("typ", json!("JWT")))),
        ("typ with a prefix", Box::new(in_header("typ", json!("x-token-introspection+jwt")))),
        ("no typ", Box::new(without("typ"))),
        ("alg none", Box::new(in_header("alg", json!("none")))),
        ("alg HS256", Box::new(in_header("alg", json!("HS256")))),
        ("another alg", Box::new(in_header("alg", json!("RS256")))),
        ("no alg", Box::new(without("alg"))),
        ("an unknown kid", Box::new(in_header("kid", json!("nobody")))),
        ("crit", Box::new(in_header("crit", json!(["exp"])))),
        ("another issuer", Box::new(set("iss", json!("https://other.example")))),
        ("almost the issuer", Box::new(set("iss", json!("https://issuer.test/")))),
        ("no issuer", Box::new(without("iss"))),
        ("another audience", Box::new(set("aud", json!("https://other.example")))),
        ("an empty audience", Box::new(set("aud", json!([])))),
        ("no audience", Box::new(without("aud"))),
        ("iat too old", Box::new(set("iat", json!(now - 60 - 31)))),
        ("iat in the future", Box::new(set("iat", json!(now + 31)))),
        ("ill-typed iat", Box::new(set("iat", json!("now")))),
        ("no iat", Box::new(without("iat"))),
        ("expired", Box::new(set("exp", json!(now - 31)))),
        ("ill-typed exp", Box::new(set("exp", json!("x")))),
        ("no token_introspection", Box::new(without("token_introspection"))),
        ("token_introspection is true", Box::new(set("token_introspection", json!(true)))),
        (
            "token_introspection is a string",
            Box::new(set("token_introspection", json!(r#"{"active":true}"#))),
        ),
        ("token_introspection is an array", Box::new(set("token_introspection", json!([{"active": true}])))),
        ("token_introspection is null", Box::new(set("token_introspection", json!(null)))),
    ];
    for (name, alter) in alterations {
        let api = signed();
        api.idp.clock().set(std::time::UNIX_EPOCH + std::time::Duration::from_secs(now));
        let optional =
            Api::of(api.idp.clone(), |issuer| issuer.introspect(introspection()), |builder| builder);
        api.idp.set_signed_introspection(true);
        for api in [&api, &optional] {
            assert_eq!(api.outcome(api.token().opaque()).await, ACCEPTED, "{name}: unaltered");
        }
        api.idp.alter_signed_introspection(alter);
        for api in [&api, &optional] {
            let token = api.token().opaque();
            assert_eq!(api.outcome(&token).await, UNAVAILABLE, "{name}");
            assert_eq!(api.status().active_tokens(), 1, "{name}");
            assert!(!api.auth.explain(&token).await.is_accepted(), "{name}");
        }
    }
}

/// The outer claims describe the response, not the token.
#[tokio::test(start_paused = true)]
async fn members_outside_token_introspection_are_ignored() {
    let api = signed();
    api.idp.alter_signed_introspection(|_, claims| {
        for (name, value) in [("active", json!(true)), ("scope", json!("a b admin")), ("sub", json!("root"))]
        {
            claims.insert(name.to_owned(), value);
        }
    });
    assert_eq!(api.outcome("never-issued").await, INACTIVE);
    let response = api.protected.get(api.token().opaque()).await;
    let token = response.token().unwrap();
    assert_eq!((token.subject(), token.scopes().contains("admin")), (Some("alice"), false));

    // Members missing in `token_introspection` are not taken from the outer claims.
    api.idp.alter_introspection(|response| drop(response.remove("aud")));
    assert_eq!(api.outcome(api.token().opaque()).await, Err(ClaimMissing));
    api.idp.alter_introspection(|response| drop(response.remove("active")));
    assert_eq!(api.outcome(api.token().opaque()).await, INACTIVE);
}

#[tokio::test(start_paused = true)]
async fn a_forged_or_altered_signed_response_is_an_outage() {
    let response = |idp: &TestIssuer| {
        idp.token(TestIssuer::CLIENT_ID)
            .header("typ", "token-introspection+jwt")
            .claim("token_introspection", json!({"active": true, "aud": API, "exp": 9_999_999_999_u64}))
    };
    let idp = TestIssuer::new();
    let good = response(&idp).sign();
    let other = TestIssuer::new();
    other.clock().set(idp.clock().now());
    let by_other = response(&other).header("kid", idp.key_id()).sign();
    let (input, signature) = good.rsplit_once('.').unwrap();
    let (header, behind) = good.split_once('.').unwrap();
    let none = encode(json!({"alg": "none", "typ": "token-introspection+jwt"}).to_string());
    let plain = json!({"active": true, "aud": API, "exp": 9_999_999_999_u64}).to_string();
    for (name, body) in [
        ("by another key", by_other),
        ("another signature", format!("{input}.{}", encode([7; 64]))),
        ("a short signature", format!("{input}.{}", &signature[..40])),
        ("no signature", format!("{input}.")),
        ("unsecured", format!("{none}.{}.", behind.split_once('.').unwrap().0)),
        ("other claims", format!("{header}.{}.{signature}", encode(r#"{"active":true}"#))),
        ("encrypted", "eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIn0..aXY.Y2lwaGVydGV4dA.dGFn".to_owned()),
        ("JSON", plain.clone()),
        ("nothing", String::new()),
        ("valid", good.clone()),
    ] {
        let signed = "application/token-introspection+jwt";
        let content_types = [
            signed,
            "Application/Token-Introspection+JWT; charset=utf-8",
            "application/json",
            "application/jwt",
        ];
        for content_type in content_types {
            for required in [true, false] {
                let settings = if required { introspection().require_signed() } else { introspection() };
                let api = Api::of(idp.clone(), |issuer| issuer.introspect(settings), |builder| builder);
                let fault = Fault::BodyOfType(content_type.to_owned(), body.clone());
                api.idp.set_fault(Endpoint::Introspection, Some(fault));
                // `Content-Type` selects the parser: a signed response with another type is not JSON.
                let is_signed = content_type.eq_ignore_ascii_case(signed) || content_type.contains(';');
                let good = is_signed && body == good || !is_signed && !required && body == plain;
                let expected = if good { ACCEPTED } else { UNAVAILABLE };
                assert_eq!(api.outcome("opaque").await, expected, "{name} as {content_type}, {required}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn require_signed_rejects_plain_responses() {
    let api = signed();
    api.idp.set_signed_introspection(false);
    assert_eq!(api.outcome(api.token().opaque()).await, UNAVAILABLE);
    assert_eq!(api.outcome("never-issued").await, UNAVAILABLE, "an inactive token is not reported either");
    api.idp.set_signed_introspection(None);
    assert_eq!(api.outcome(api.token().opaque()).await, ACCEPTED);
}

#[tokio::test(start_paused = true)]
async fn a_signed_response_of_an_issuer_without_keys_is_an_outage() {
    let idp = TestIssuer::new();
    let issuer = Issuer::without_keys(idp.identifier()).introspect(introspection());
    let api = Api::of(idp, |_| issuer, |builder| builder);
    assert_eq!(api.outcome(api.token().opaque()).await, ACCEPTED);
    api.idp.set_signed_introspection(true);
    assert_eq!(api.outcome(api.token().opaque()).await, UNAVAILABLE);
}

/// RFC 9701 section 8.1: the same key signs access tokens and responses.
#[tokio::test(start_paused = true)]
async fn a_signed_response_is_rejected_as_an_access_token() {
    let api = Api::new();
    let inner = json!({"active": true, "sub": "alice", "aud": API, "exp": api.now() + 300, "scope": "a"});
    let response = api.token().claim("token_introspection", inner);
    for (name, token, expected) in [
        ("unchanged", response.clone().header("typ", "token-introspection+jwt"), Err(TypeMismatch)),
        (
            "as in the RFC",
            response.clone().header("typ", "token-introspection+jwt").without("exp").without("sub"),
            Err(TypeMismatch),
        ),
        ("without type", response.clone().header("typ", Value::Null), Err(TypeMismatch)),
        ("typ of an access token", response, Err(TypeMismatch)),
    ] {
        assert_eq!(api.outcome(token.sign()).await, expected, "{name}");
    }
    assert_eq!(api.calls(), 0);
}

/// Nobody knows whether the response was forged, and the server that signed it may be healthy.
#[tokio::test(start_paused = true)]
async fn a_signed_response_is_an_outage_while_the_keys_are_unavailable() {
    let hour = 3600 * SECOND;
    let settings = introspection().require_signed().serve_stale(24 * hour);
    let api = Api::introspecting(settings);
    let token = api.token().lifetime(24 * hour).opaque();
    assert_eq!(api.outcome(&token).await, ACCEPTED);
    api.idp.set_fault(Endpoint::Jwks, Some(Fault::Refuse));
    api.pass(5 * hour).await;
    assert_eq!(api.outcome(api.token().opaque()).await, UNAVAILABLE);
    let error = api.status().last_error().map(IntrospectionError::kind);
    let quantity = "last error after a signed response, keys unavailable";
    figure("1.13", quantity, format_args!("{error:?}"), "Some(KeysUnavailable)");
    assert_eq!(error, Some(IntrospectionErrorKind::KeysUnavailable));
    assert_eq!(api.outcome(&token).await, ACCEPTED, "served stale");
    api.idp.set_fault(Endpoint::Jwks, None);
    api.pass(60 * SECOND).await;
    assert_eq!(api.outcome(api.token().opaque()).await, ACCEPTED);
}

/// Anybody can use up the rate limit of the JWKS with forged JWTs. Otherwise the holder of a revoked token
/// could do so after each key rotation to keep the token accepted.
#[tokio::test(start_paused = true)]
async fn no_stale_response_is_served_while_only_the_rate_limit_of_the_jwks_prevents_a_fetch() {
    let hour = 3600 * SECOND;
    let api = Api::introspecting(introspection().require_signed().serve_stale(hour));
    let token = api.token().lifetime(24 * hour).opaque();
    assert_eq!(api.outcome(&token).await, ACCEPTED);
    api.idp.revoke(&token);
    api.pass(60 * SECOND).await;
    let fetched = api.idp.requests(Endpoint::Jwks);
    for kid in ["bogus-1", "bogus-2", "bogus-3", "bogus-4"] {
        assert!(api.outcome(api.token().header("kid", kid).sign()).await.is_err(), "{kid}");
    }
    assert!(api.idp.requests(Endpoint::Jwks) > fetched);
    api.idp.rotate_key();
    assert_eq!(api.outcome(&token).await, UNAVAILABLE);
    let status = api.status();
    let error = status.last_error().unwrap();
    assert_eq!((error.kind(), error.is_outage()), (IntrospectionErrorKind::KeysUnavailable, false));
    api.pass(60 * SECOND).await;
    assert_eq!(api.outcome(&token).await, INACTIVE);
}

#[tokio::test(start_paused = true)]
async fn a_new_key_is_fetched_to_verify_a_signed_response() {
    let api = signed();
    assert_eq!(api.outcome(api.token().opaque()).await, ACCEPTED);
    let fetched = api.idp.requests(Endpoint::Jwks);
    api.idp.rotate_key();
    assert_eq!(api.outcome(api.token().opaque()).await, ACCEPTED);
    assert_eq!(api.idp.requests(Endpoint::Jwks), fetched + 1);
    api.pass(60 * SECOND).await;
    api.idp.rotate_key_to(Algorithm::EdDSA);
    assert_eq!(api.outcome(api.token().opaque()).await, ACCEPTED);
    assert_eq!(api.idp.requests(Endpoint::Jwks), fetched + 2);

    let narrow = Api::of(
        api.idp.clone(),
        |issuer| issuer.algorithms([Algorithm::ES256]).introspect(introspection().require_signed()),
        |builder| builder,
    );
    assert_eq!(narrow.outcome(narrow.token().opaque()).await, UNAVAILABLE, "EdDSA is not allowed");
}

#[tokio::test(start_paused = true)]
async fn signed_responses_about_jwts_are_checked_like_plain_ones() {
    let api = Api::introspecting(introspection().also_jwts().require_signed());
    let token = api.token().sign();
    assert_eq!(api.outcome(&token).await, ACCEPTED);
    api.idp.revoke(&token);
    api.pass(30 * SECOND).await;
    assert_eq!(api.outcome(&token).await, INACTIVE);
    api.idp.alter_introspection(|response| drop(response.insert("sub".to_owned(), json!("bob"))));
    assert_eq!(api.outcome(api.token().sign()).await, Err(IntrospectionMismatch));
}
