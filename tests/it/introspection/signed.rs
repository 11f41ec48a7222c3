//! Signed answers (RFC 9701).

use serde_json::{Map, Value, json};
use tower_bearer::testing::{Endpoint, Fault, TestIssuer};
use tower_bearer::time::Clock;
use tower_bearer::{Algorithm, Issuer};

use super::{Api, SECOND, introspection};
use crate::support::keys::encode;
use crate::support::protected::API;

type Members = Map<String, Value>;

fn signed() -> Api {
    Api::asking(introspection().require_signed())
}

#[tokio::test(start_paused = true)]
async fn a_signed_answer_is_accepted() {
    let api = signed();
    let token = api.token().claim("username", "alice").opaque();
    let answer = api.protected.get(&token).await;
    assert_eq!(answer.kind(), "ok");
    assert_eq!(answer.token().unwrap().username(), Some("alice"));
    api.idp.revoke(&token);
    api.pass(30 * SECOND).await;
    assert_eq!(api.kind(&token).await, "token_inactive");

    // For the API by its own name rather than as a client, and in other spellings of the type.
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
        assert_eq!(api.kind(api.token().opaque()).await, "ok", "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_signed_answer_that_fails_a_check_is_no_answer() {
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
        ("typ with something before", Box::new(in_header("typ", json!("x-token-introspection+jwt")))),
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
        ("made long ago", Box::new(set("iat", json!(now - 60 - 31)))),
        ("made tomorrow", Box::new(set("iat", json!(now + 31)))),
        ("made when?", Box::new(set("iat", json!("now")))),
        ("no iat", Box::new(without("iat"))),
        ("expired", Box::new(set("exp", json!(now - 31)))),
        ("ill-typed exp", Box::new(set("exp", json!("x")))),
        ("says nothing of the token", Box::new(without("token_introspection"))),
        ("says it is true", Box::new(set("token_introspection", json!(true)))),
        ("says it in a text", Box::new(set("token_introspection", json!(r#"{"active":true}"#)))),
        ("says it in a list", Box::new(set("token_introspection", json!([{"active": true}])))),
        ("says null", Box::new(set("token_introspection", json!(null)))),
    ];
    for (name, alter) in alterations {
        let api = signed();
        api.idp.clock().set(std::time::UNIX_EPOCH + std::time::Duration::from_secs(now));
        let unasked =
            Api::of(api.idp.clone(), |issuer| issuer.introspect(introspection()), |builder| builder);
        api.idp.set_signed_introspection(true);
        for api in [&api, &unasked] {
            assert_eq!(api.kind(api.token().opaque()).await, "ok", "{name}: unaltered");
        }
        api.idp.alter_signed_introspection(alter);
        for api in [&api, &unasked] {
            let token = api.token().opaque();
            assert_eq!(api.kind(&token).await, "introspection_unavailable", "{name}");
            assert_eq!(api.status().active_tokens(), 1, "{name}");
            assert!(!api.auth.explain(&token).await.is_accepted(), "{name}");
        }
    }
}

/// Around the answer stands what is about the answer.
#[tokio::test(start_paused = true)]
async fn what_stands_beside_the_answer_says_nothing_of_the_token() {
    let api = signed();
    api.idp.alter_signed_introspection(|_, claims| {
        for (name, value) in [("active", json!(true)), ("scope", json!("a b admin")), ("sub", json!("root"))]
        {
            claims.insert(name.to_owned(), value);
        }
    });
    assert_eq!(api.kind("never-issued").await, "token_inactive");
    let answer = api.protected.get(api.token().opaque()).await;
    let token = answer.token().unwrap();
    assert_eq!((token.subject(), token.scopes().contains("admin")), (Some("alice"), false));

    // What the answer itself lacks is not taken from beside it.
    api.idp.alter_introspection(|answer| drop(answer.remove("aud")));
    assert_eq!(api.kind(api.token().opaque()).await, "claim_missing");
    api.idp.alter_introspection(|answer| drop(answer.remove("active")));
    assert_eq!(api.kind(api.token().opaque()).await, "token_inactive");
}

#[tokio::test(start_paused = true)]
async fn an_answer_by_another_key_or_altered_on_the_way_is_no_answer() {
    let answer = |idp: &TestIssuer| {
        idp.token(TestIssuer::CLIENT_ID)
            .header("typ", "token-introspection+jwt")
            .claim("token_introspection", json!({"active": true, "aud": API, "exp": 9_999_999_999_u64}))
    };
    let idp = TestIssuer::new();
    let good = answer(&idp).sign();
    let other = TestIssuer::new();
    other.clock().set(idp.clock().now());
    let by_other = answer(&other).header("kid", idp.key_id()).sign();
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
        ("as it should be", good.clone()),
    ] {
        let signed = "application/token-introspection+jwt";
        let dresses = [
            signed,
            "Application/Token-Introspection+JWT; charset=utf-8",
            "application/json",
            "application/jwt",
        ];
        for content_type in dresses {
            for required in [true, false] {
                let asking = if required { introspection().require_signed() } else { introspection() };
                let api = Api::of(idp.clone(), |issuer| issuer.introspect(asking), |builder| builder);
                let fault = Fault::BodyOfType(content_type.to_owned(), body.clone());
                api.idp.set_fault(Endpoint::Introspection, Some(fault));
                // The type of the body says what it is: a signed answer in another dress is not JSON.
                let is_signed = content_type.eq_ignore_ascii_case(signed) || content_type.contains(';');
                let good = is_signed && body == good || !is_signed && !required && body == plain;
                let expected = if good { "ok" } else { "introspection_unavailable" };
                assert_eq!(api.kind("opaque").await, expected, "{name} as {content_type}, {required}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_plain_answer_is_refused_where_a_signed_one_is_required() {
    let api = signed();
    api.idp.set_signed_introspection(false);
    assert_eq!(api.kind(api.token().opaque()).await, "introspection_unavailable");
    assert_eq!(api.kind("never-issued").await, "introspection_unavailable", "not even that it is inactive");
    api.idp.set_signed_introspection(None);
    assert_eq!(api.kind(api.token().opaque()).await, "ok");
}

#[tokio::test(start_paused = true)]
async fn a_signed_answer_of_an_issuer_without_keys_is_no_answer() {
    let idp = TestIssuer::new();
    let issuer = Issuer::without_keys(idp.identifier()).introspect(introspection());
    let api = Api::of(idp, |_| issuer, |builder| builder);
    assert_eq!(api.kind(api.token().opaque()).await, "ok");
    api.idp.set_signed_introspection(true);
    assert_eq!(api.kind(api.token().opaque()).await, "introspection_unavailable");
}

/// RFC 9701 section 8.1: the same key signs both.
#[tokio::test(start_paused = true)]
async fn a_signed_answer_is_no_access_token() {
    let api = Api::new();
    let inner = json!({"active": true, "sub": "alice", "aud": API, "exp": api.now() + 300, "scope": "a"});
    let answer = api.token().claim("token_introspection", inner);
    for (name, token, expected) in [
        ("as it is", answer.clone().header("typ", "token-introspection+jwt"), "type_mismatch"),
        (
            "as the RFC writes it",
            answer.clone().header("typ", "token-introspection+jwt").without("exp").without("sub"),
            "type_mismatch",
        ),
        ("without type", answer.clone().header("typ", Value::Null), "type_mismatch"),
        ("as a token", answer, "type_mismatch"),
    ] {
        assert_eq!(api.kind(token.sign()).await, expected, "{name}");
    }
    assert_eq!(api.asked(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_new_key_of_the_issuer_is_fetched_for_its_answers() {
    let api = signed();
    assert_eq!(api.kind(api.token().opaque()).await, "ok");
    let fetched = api.idp.requests(Endpoint::Jwks);
    api.idp.rotate_key();
    assert_eq!(api.kind(api.token().opaque()).await, "ok");
    assert_eq!(api.idp.requests(Endpoint::Jwks), fetched + 1);
    api.pass(60 * SECOND).await;
    api.idp.rotate_key_to(Algorithm::EdDSA);
    assert_eq!(api.kind(api.token().opaque()).await, "ok");
    assert_eq!(api.idp.requests(Endpoint::Jwks), fetched + 2);

    let narrow = Api::of(
        api.idp.clone(),
        |issuer| issuer.algorithms([Algorithm::ES256]).introspect(introspection().require_signed()),
        |builder| builder,
    );
    assert_eq!(
        narrow.kind(narrow.token().opaque()).await,
        "introspection_unavailable",
        "EdDSA is not allowed"
    );
}

#[tokio::test(start_paused = true)]
async fn signed_answers_about_jwts_are_judged_like_plain_ones() {
    let api = Api::asking(introspection().also_jwts().require_signed());
    let token = api.token().sign();
    assert_eq!(api.kind(&token).await, "ok");
    api.idp.revoke(&token);
    api.pass(30 * SECOND).await;
    assert_eq!(api.kind(&token).await, "token_inactive");
    api.idp.alter_introspection(|answer| drop(answer.insert("sub".to_owned(), json!("bob"))));
    assert_eq!(api.kind(api.token().sign()).await, "introspection_mismatch");
}
