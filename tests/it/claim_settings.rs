//! The settings that name claims: roles, scopes by pointer, the audience of tokens without `aud`, validators,
//! scopes that include others, and access tokens that look like ID tokens.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use tower::Layer;
use tower_bearer::RejectionKind::{
    AudienceMismatch, ClaimIllTyped, ClaimMissing, ClaimsRejected, ClientNotAllowed, IdTokenPresented,
    KeyUnknown, RequirementUnmet, ScopeInsufficient, SignatureMismatch, TokenExpired,
};
use tower_bearer::builder::{ConfigProblem, RequiredValue};
use tower_bearer::testing::{TestIssuer, TokenBuilder};
use tower_bearer::{BearerAuth, Issuer, Require};

use crate::support::app::{App, NOW};
use crate::support::introspected::introspection;
use crate::support::keys::{clock, encode, jwk, token, with as with_member};
use crate::support::protected::{ACCEPTED, API, ApiResponse, Handler, ISSUER, Outcome, Protected, get, send};

/// The base token with these claims instead of its `scope`. A `null` stays a `null`.
fn with(app: &App, claims: &Value) -> TokenBuilder {
    let claims = claims.as_object().unwrap().iter();
    claims.fold(app.token().without("scope"), |token, (name, value)| token.claim(name, value.clone()))
}

/// The response of a route with this requirement.
async fn at(app: &App, require: &Require, token: &TokenBuilder) -> ApiResponse {
    send(app.auth.layer(require.layer(Handler::default())), get(token.sign())).await
}

#[tokio::test(start_paused = true)]
async fn roles_are_read_from_strings_arrays_and_member_names() {
    let app = App::with_issuer(|issuer| {
        issuer.role_claims(["/realm_access/roles", "/groups", "/a~1b/0", "/client_id", "/scope"])
    });
    for (name, claims, expected) in [
        ("none", json!({}), vec!["app"]),
        ("nested array", json!({"realm_access": {"roles": ["a", "b c"]}}), vec!["a", "b c", "app"]),
        ("one string is one role", json!({"groups": "a b"}), vec!["a b", "app"]),
        ("array", json!({"groups": ["x", "y"]}), vec!["x", "y", "app"]),
        (
            "member names",
            json!({"groups": {"admin": {"1": "acme"}, "clerk": {}}}),
            vec!["admin", "clerk", "app"],
        ),
        ("escaped", json!({"groups": ["\u{e9}\"\n"]}), vec!["\u{e9}\"\n", "app"]),
        ("item of an array", json!({"a/b": ["first", 5]}), vec!["first", "app"]),
        ("empty strings", json!({"groups": ["", "x"], "realm_access": {"roles": ""}}), vec!["x", "app"]),
        ("a scalar on the way", json!({"realm_access": "roles"}), vec!["app"]),
        ("an array on the way", json!({"realm_access": ["roles"]}), vec!["app"]),
        ("null on the way", json!({"realm_access": null}), vec!["app"]),
        ("a built-in claim", json!({"scope": "s t"}), vec!["app", "s t"]),
        ("a literal dot", json!({"realm_access.roles": ["a"]}), vec!["app"]),
    ] {
        let response = app.present(&with(&app, &claims).sign()).await;
        let token = response.assert_accepted(name);
        assert_eq!(token.roles().collect::<Vec<_>>(), expected, "{name}");
        assert!(expected.iter().all(|role| token.has_role(role)) && !token.has_role(""), "{name}");
        let cached = app.present(&with(&app, &claims).sign()).await;
        assert_eq!(cached.assert_accepted(name).roles().collect::<Vec<_>>(), expected, "{name}, cached");
    }
    let default = App::new();
    let response = default.present(&default.token().claim("roles", json!(["admin"])).sign()).await;
    assert_eq!(response.assert_accepted("no setting").roles().count(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_ill_typed_role_claim_is_rejected() {
    let app = App::with_issuer(|issuer| issuer.role_claims(["/realm_access/roles"]));
    for roles in [json!(5), json!(true), Value::Null, json!(["a", 1]), json!([["a"]]), json!(["a", null])] {
        let token = app.token().claim("realm_access", json!({"roles": roles})).sign();
        let response = app.present(&token).await;
        response.assert_rejected(ClaimIllTyped, &roles.to_string());
        assert_eq!(response.rejection().unwrap().claim(), Some("/realm_access/roles"), "{roles}");
    }
    for value in [json!(false), json!(true), Value::Null, json!(0), json!(""), json!("no"), json!([])] {
        let roles = json!({"clerk": {}, "admin": value});
        let token = app.token().claim("realm_access", json!({"roles": roles})).sign();
        app.present(&token).await.assert_rejected(ClaimIllTyped, &roles.to_string());
    }
    let ignored = App::new();
    let token = ignored.token().claim("realm_access", json!({"roles": 5})).sign();
    ignored.present(&token).await.assert_accepted("no setting uses it");
}

#[tokio::test(start_paused = true)]
async fn a_missing_role_gives_403_without_a_scope() {
    let app = App::with_issuer(|issuer| issuer.role_claims(["/groups"]));
    for (name, require, groups, expected) in [
        ("role", Require::role("admin"), json!(["clerk", "admin"]), ACCEPTED),
        ("no role", Require::role("admin"), json!([]), Err(RequirementUnmet)),
        ("another role", Require::role("admin"), json!(["clerk"]), Err(RequirementUnmet)),
        ("case", Require::role("admin"), json!(["Admin"]), Err(RequirementUnmet)),
        ("prefix", Require::role("admin"), json!(["administrator", "a"]), Err(RequirementUnmet)),
        ("any, second", Require::any_role(["x", "clerk"]), json!(["clerk"]), ACCEPTED),
        ("any, none", Require::any_role(["x", "y"]), json!(["clerk"]), Err(RequirementUnmet)),
        ("any of nothing", Require::any_role(Vec::<&str>::new()), json!(["clerk"]), Err(RequirementUnmet)),
        ("both", Require::role("a").and_role("b"), json!(["a", "b"]), ACCEPTED),
        ("half", Require::role("a").and_role("b"), json!(["a"]), Err(RequirementUnmet)),
        ("role and no scope", Require::scope("s").and_role("a"), json!(["a"]), Err(ScopeInsufficient)),
    ] {
        let response = at(&app, &require, &with(&app, &json!({"groups": groups}))).await;
        assert_eq!(response.outcome(), expected, "{name}");
        if expected == Err(RequirementUnmet) {
            assert_eq!(response.challenge().unwrap().param("scope"), None, "{name}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_scope_claim_can_be_a_json_pointer() {
    let app = App::with_issuer(|issuer| issuer.scope_claims(["/ext/scopes", "scp", "/azp", "/a.b"]));
    for (name, claims, expected) in [
        ("array", json!({"ext": {"scopes": ["a", "b"]}}), "a b"),
        ("string", json!({"ext": {"scopes": "a b"}}), "a b"),
        ("two claims", json!({"ext": {"scopes": ["a"]}, "scp": "c"}), "a c"),
        ("a built-in claim", json!({"azp": "web"}), "web"),
        ("a claim with a dot", json!({"a.b": "x"}), "x"),
        ("not configured", json!({"scope": "a"}), ""),
        ("absent", json!({"ext": {}}), ""),
    ] {
        let response = app.present(&with(&app, &claims).sign()).await;
        assert_eq!(response.assert_accepted(name).scopes().to_string(), expected, "{name}");
    }
    let token = with(&app, &json!({"ext": {"scopes": 5}}));
    app.present(&token.sign()).await.assert_rejected(ClaimIllTyped, "ill-typed");
}

#[tokio::test(start_paused = true)]
async fn a_route_can_require_the_value_of_a_claim() {
    let app = App::new();
    let acme = || Require::claim("/org/id", |id| id.as_str() == Some("acme"));
    let verified = Require::scope("a").and_claim("email_verified", |value| value.as_bool() == Some(true));
    for (name, require, claims, expected) in [
        ("value", acme(), json!({"org": {"id": "acme"}}), ACCEPTED),
        ("another value", acme(), json!({"org": {"id": "other"}}), Err(RequirementUnmet)),
        ("another type", acme(), json!({"org": {"id": 5}}), Err(RequirementUnmet)),
        ("null", acme(), json!({"org": {"id": null}}), Err(RequirementUnmet)),
        ("absent", acme(), json!({"org": {}}), Err(RequirementUnmet)),
        ("no object", acme(), json!({"org": "acme"}), Err(RequirementUnmet)),
        ("malformed pointer", Require::claim("/~", |_| true), json!({"~": 1}), Err(RequirementUnmet)),
        ("empty name", Require::claim("", |_| true), json!({"": 1}), Err(RequirementUnmet)),
        ("name", Require::claim("n", |n| n.as_i64() == Some(7)), json!({"n": 7}), ACCEPTED),
        ("in an array", Require::claim("g", |g| g.contains("b")), json!({"g": ["a", "b"]}), ACCEPTED),
        ("and scope", verified.clone(), json!({"email_verified": true, "scope": "a"}), ACCEPTED),
        ("without scope", verified.clone(), json!({"email_verified": true}), Err(ScopeInsufficient)),
        ("not verified", verified, json!({"email_verified": "true", "scope": "a"}), Err(RequirementUnmet)),
    ] {
        assert_eq!(at(&app, &require, &with(&app, &claims)).await.outcome(), expected, "{name}");
    }
    let response = app.present(&with(&app, &json!({"n": [1, 2], "o": {"x": "y"}})).sign()).await;
    let token = response.assert_accepted("values");
    assert_eq!(token.claim("n").unwrap().items().count(), 2);
    assert_eq!(token.claim("/n/1").and_then(|value| value.to::<u8>()), Some(2));
    assert_eq!(token.claim("o").and_then(|value| value.get("x")).and_then(|value| value.as_str()), Some("y"));
    assert!(token.claim("/n/2").is_none() && token.claim("x").is_none());
    assert!(!format!("{:?}", token.claim("o")).contains('y'), "Debug shows no value");
}

#[tokio::test(start_paused = true)]
async fn a_validator_that_returns_false_rejects_the_token_after_every_other_check() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let app = App::with_issuer(|issuer| {
        issuer
            .validate(move |claims| {
                counted.fetch_add(1, Ordering::Relaxed);
                claims.get("org").is_some_and(|org| org.as_str() == Some("acme"))
            })
            .validate(|claims| claims.get("/act").is_none())
    });
    let org = |org: &str| app.token().claim("org", org);
    for (name, token, expected, called) in [
        ("accepted", org("acme"), ACCEPTED, 1),
        ("refused", org("other"), Err(ClaimsRejected), 1),
        ("absent", app.token(), Err(ClaimsRejected), 1),
        ("refused by the second", org("acme").claim("act", json!({})), Err(ClaimsRejected), 1),
        ("another fault", org("other").expired(), Err(TokenExpired), 0),
    ] {
        let before = calls.load(Ordering::Relaxed);
        let token = token.sign();
        app.present(&token).await.assert_outcome(expected, name);
        assert_eq!(calls.load(Ordering::Relaxed) - before, called, "{name}");
        if expected == ACCEPTED {
            app.present(&token).await.assert_accepted("cached");
            assert_eq!(calls.load(Ordering::Relaxed) - before, 1, "a cached token is not validated again");
        }
    }
    let signed = org("acme").sign();
    let forged = format!("{}.{}", signed.rsplit_once('.').unwrap().0, encode([7; 64]));
    let before = calls.load(Ordering::Relaxed);
    app.present(&forged).await.assert_rejected(SignatureMismatch, "forged");
    assert_eq!(calls.load(Ordering::Relaxed), before, "a forged token reaches no validator");
}

#[tokio::test(start_paused = true)]
async fn a_required_value_must_be_that_string_or_that_uuid() {
    const UUID: &str = "0a1b2c3d-4e5f-6a7b-8c9d-0e1f2a3b4c5d";
    let app = App::with_issuer(|issuer| {
        issuer
            .require_claim_value("tenant", "acme")
            .require_claim_value("/org/id", UUID)
            .require_claim_value("client_id", "app")
    });
    let good = || app.token().claim("tenant", "acme").claim("org", json!({"id": UUID}));
    let org = |id: Value| good().claim("org", json!({"id": id}));
    let refused = |claim| Err((ClaimsRejected, claim));
    for (name, token, expected) in [
        ("the values", good(), Ok(())),
        ("a UUID in upper case", org(json!(UUID.to_uppercase())), Ok(())),
        ("another value", good().claim("tenant", "globex"), refused("tenant")),
        ("another case", good().claim("tenant", "Acme"), refused("tenant")),
        ("a longer value", good().claim("tenant", "acme2"), refused("tenant")),
        ("an empty value", good().claim("tenant", ""), refused("tenant")),
        ("another UUID", org(json!("0a1b2c3d-4e5f-6a7b-8c9d-0e1f2a3b4c5e")), refused("/org/id")),
        ("a built-in claim", good().claim("client_id", "web"), refused("client_id")),
        ("absent", good().without("tenant"), Err((ClaimMissing, "tenant"))),
        ("absent inside", good().claim("org", json!({})), Err((ClaimMissing, "/org/id"))),
        ("a number", good().claim("tenant", 7), Err((ClaimIllTyped, "tenant"))),
        ("null", good().claim("tenant", Value::Null), Err((ClaimIllTyped, "tenant"))),
        ("an array", good().claim("tenant", json!(["acme"])), Err((ClaimIllTyped, "tenant"))),
        ("an object inside", org(json!({})), Err((ClaimIllTyped, "/org/id"))),
    ] {
        let response = app.present(&token.sign()).await;
        let rejection = response.rejection();
        let found = rejection.as_ref().map_or(Ok(()), |rejection| Err((rejection.kind(), rejection.claim())));
        assert_eq!(found, expected.map_err(|(kind, claim)| (kind, Some(claim))), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_required_value_must_have_the_type_of_the_claim_or_be_in_its_list() {
    let app = App::with_issuer(|issuer| {
        issuer
            .require_claim_value("verified", true)
            .require_claim_value("level", 1)
            .require_claim_value("tenant", ["acme", "beta"])
            .require_claim_value("plan", [RequiredValue::from("gold"), 2.into()])
    });
    let good = || {
        let token = app.token().claim("verified", true).claim("level", 1);
        token.claim("tenant", "beta").claim("plan", 2)
    };
    app.present(&good().sign()).await.assert_accepted("all");
    app.present(&good().claim("plan", "gold").sign()).await.assert_accepted("the other type of the list");
    for (claim, value, kind) in [
        ("verified", json!(false), ClaimsRejected),
        ("verified", json!("true"), ClaimIllTyped),
        ("verified", json!(1), ClaimIllTyped),
        ("verified", json!([true]), ClaimIllTyped),
        ("level", json!(2), ClaimsRejected),
        ("level", json!("1"), ClaimIllTyped),
        ("level", json!(1.0), ClaimIllTyped),
        ("level", json!(true), ClaimIllTyped),
        ("level", json!([1]), ClaimIllTyped),
        ("tenant", json!("acme or beta"), ClaimsRejected),
        ("tenant", json!(["acme"]), ClaimIllTyped),
        ("tenant", json!(["acme", "beta"]), ClaimIllTyped),
        ("plan", json!("2"), ClaimsRejected),
        ("plan", json!(3), ClaimsRejected),
        ("plan", json!(true), ClaimIllTyped),
        ("plan", Value::Null, ClaimIllTyped),
    ] {
        let response = app.present(&good().claim(claim, value.clone()).sign()).await;
        let rejection = response.rejection().unwrap();
        assert_eq!((rejection.kind(), rejection.claim()), (kind, Some(claim)), "{claim}: {value}");
    }
    for claim in ["verified", "level", "tenant", "plan"] {
        app.present(&good().without(claim).sign()).await.assert_rejected(ClaimMissing, claim);
    }
}

#[tokio::test(start_paused = true)]
async fn a_granted_scope_includes_others_by_the_rule_of_its_issuer() {
    let app = App::with_issuer(|issuer| {
        issuer.scope_implies(|granted, needed| {
            needed.strip_prefix(granted).is_some_and(|rest| rest.starts_with(':'))
        })
    });
    let default = App::new();
    for (name, app, granted, needed, expected) in [
        ("exact", &app, "orders:read", "orders:read", ACCEPTED),
        ("included", &app, "x orders", "orders:read", ACCEPTED),
        ("both included", &app, "orders users", "orders:read users:write", ACCEPTED),
        ("one included", &app, "orders", "orders:read users:write", Err(ScopeInsufficient)),
        ("not upwards", &app, "orders:read", "orders", Err(ScopeInsufficient)),
        ("another", &app, "ordersx", "orders:read", Err(ScopeInsufficient)),
        ("no rule", &default, "orders", "orders:read", Err(ScopeInsufficient)),
    ] {
        let token = app.token().scope(granted);
        let response = at(app, &Require::scope(needed), &token).await;
        assert_eq!(response.outcome(), expected, "{name}");
        let accepted = app.present(&token.sign()).await;
        let accepted = accepted.assert_accepted(name);
        assert_eq!(accepted.require(needed).is_ok(), expected == ACCEPTED, "{name}, in a handler");
        assert_eq!(accepted.scopes().to_string(), granted, "{name}: the scopes stay as they are");
    }
}

#[tokio::test(start_paused = true)]
async fn another_claim_names_the_audience_only_in_tokens_without_aud() {
    let client =
        App::with_issuer(|issuer| issuer.audience_claim("client_id").allowed_clients(["app", "web"]));
    let azp = App::with_issuer(|issuer| issuer.audience_claim("/azp").allowed_clients(["app"]));
    let resource = App::with_issuer(|issuer| issuer.audience_claim("/resource/id"));
    let cases: Vec<(&str, &App, Value, Outcome)> = vec![
        ("allowed client", &client, json!({"client_id": "web"}), ACCEPTED),
        ("another client", &client, json!({"client_id": "other"}), Err(ClientNotAllowed)),
        ("the API is no client", &client, json!({"client_id": API}), Err(ClientNotAllowed)),
        ("ill-typed client", &client, json!({"client_id": 5}), Err(ClaimIllTyped)),
        (
            "another client beside the audience",
            &azp,
            json!({"azp": "app", "client_id": "x"}),
            Err(ClientNotAllowed),
        ),
        (
            "another audience beside the client",
            &azp,
            json!({"azp": "x", "client_id": "app"}),
            Err(ClientNotAllowed),
        ),
        ("no audience beside the client", &azp, json!({"client_id": "app"}), Err(ClaimMissing)),
        ("this API", &resource, json!({"resource": {"id": API}}), ACCEPTED),
        ("one of several", &resource, json!({"resource": {"id": ["x", API]}}), ACCEPTED),
        ("another API", &resource, json!({"resource": {"id": "other"}}), Err(AudienceMismatch)),
        ("a client is not this API", &resource, json!({"resource": {"id": "app"}}), Err(AudienceMismatch)),
        ("ill-typed", &resource, json!({"resource": {"id": 5}}), Err(ClaimIllTyped)),
        ("absent", &resource, json!({}), Err(ClaimMissing)),
    ];
    for (name, app, claims, expected) in cases {
        let token = with(app, &claims).without("aud").sign();
        app.present(&token).await.assert_outcome(expected, name);
    }
    for (name, aud, expected) in [
        ("this API", json!(API), ACCEPTED),
        ("another API", json!("other"), Err(AudienceMismatch)),
        ("the client", json!("app"), Err(AudienceMismatch)),
        ("an empty list", json!([]), Err(AudienceMismatch)),
        ("null", Value::Null, Err(ClaimIllTyped)),
        ("ill-typed", json!(5), Err(ClaimIllTyped)),
    ] {
        let token = client.token().claim("aud", aud).sign();
        client.present(&token).await.assert_outcome(expected, &format!("aud: {name}"));
    }
    let response = client.present(&client.token().without("aud").sign()).await;
    assert_eq!(response.assert_accepted("a client is no audience").audiences().count(), 0);
    let token = with(&resource, &json!({"resource": {"id": API}})).without("aud").sign();
    let response = resource.present(&token).await;
    assert_eq!(response.assert_accepted("audiences").audiences().collect::<Vec<_>>(), [API]);
}

#[tokio::test(start_paused = true)]
async fn access_tokens_that_look_like_id_tokens_are_accepted_only_by_setting() {
    let dex = App::with_issuer(Issuer::dangerous_accept_id_token_claims);
    let default = App::new();
    let bare = |app: &App| app.token().without("scope").without("client_id");
    for (name, claim, value, expected) in [
        ("at_hash", "at_hash", json!("x"), ACCEPTED),
        ("nonce", "nonce", json!("n"), ACCEPTED),
        ("c_hash", "c_hash", json!("x"), Err(IdTokenPresented)),
        ("s_hash", "s_hash", json!("x"), Err(IdTokenPresented)),
        ("token_use", "token_use", json!("id"), Err(IdTokenPresented)),
        ("typ", "typ", json!("ID"), Err(IdTokenPresented)),
        ("another audience", "aud", json!("web"), Err(AudienceMismatch)),
    ] {
        dex.present(&bare(&dex).claim(claim, value.clone()).sign()).await.assert_outcome(expected, name);
        let default = default.present(&bare(&default).claim(claim, value).sign()).await;
        assert!(default.outcome().is_err(), "{name}: rejected by default");
    }
}

#[tokio::test(start_paused = true)]
async fn the_settings_apply_to_responses_about_opaque_tokens() {
    let idp = TestIssuer::new();
    let issuer = idp
        .issuer()
        .role_claims(["/realm_access/roles"])
        .client_claims(["cid"])
        .allowed_clients(["client"])
        .require_claim_value("tenant", "acme")
        .validate(|claims| claims.get("org").is_none_or(|org| org.as_str() == Some("acme")))
        .introspect(introspection());
    let auth = BearerAuth::builder(API).issuer(issuer).clock(idp.clock()).http_client(idp.http_client());
    let api = Protected::by(&auth.build().unwrap());
    let token = || idp.token(API).claim("tenant", "acme").claim("realm_access", json!({"roles": ["admin"]}));
    let response = api.get(token().opaque()).await;
    let accepted = response.assert_accepted("client_id names the client in every response");
    assert_eq!(accepted.client_id(), Some("client"));
    assert_eq!(accepted.roles().collect::<Vec<_>>(), ["admin"]);
    for (name, token, expected) in [
        ("another client", token().claim("client_id", "x"), Err(ClientNotAllowed)),
        (
            "another client beside cid",
            token().claim("client_id", "x").claim("cid", "client"),
            Err(ClientNotAllowed),
        ),
        ("refused", token().claim("org", "other"), Err(ClaimsRejected)),
        ("another value", token().claim("tenant", "globex"), Err(ClaimsRejected)),
        ("no value", token().claim("tenant", Value::Null), Err(ClaimMissing)),
        ("ill-typed roles", token().claim("realm_access", json!({"roles": 5})), Err(ClaimIllTyped)),
        ("roles are null", token().claim("realm_access", Value::Null), ACCEPTED),
    ] {
        assert_eq!(api.outcome(token.opaque()).await, expected, "{name}");
    }
}

#[test]
fn a_setting_that_can_match_no_token_is_a_config_error() {
    let idp = TestIssuer::new();
    let problems = |audience: &str, issuer: Issuer| {
        let built = BearerAuth::builder(audience).http_client(idp.http_client()).issuer(issuer).build();
        built.err().map(|error| error.problems().to_vec()).unwrap_or_default()
    };
    let issuer = || Issuer::discover("https://login.example.com");
    for (setting, name, issuer) in [
        ("scope_claims", "realm_access.roles", issuer().scope_claims(["scope", "realm_access.roles"])),
        ("scope_claims", "/~", issuer().scope_claims(["/~"])),
        ("role_claims", "roles", issuer().role_claims(["roles"])),
        ("role_claims", "realm_access.roles", issuer().role_claims(["realm_access.roles"])),
        ("role_claims", "/a~2", issuer().role_claims(["/a~2"])),
        ("client_claims", "/azp", issuer().client_claims(["/azp"])),
        ("client_claims", "app.id", issuer().client_claims(["app.id"])),
        ("client_claims", "aud", issuer().client_claims(["azp", "aud"])),
        ("client_claims", "iss", issuer().client_claims(["iss"])),
        ("client_claims", "scope", issuer().client_claims(["scope"])),
        ("require_claim", "/realm_access/roles", issuer().require_claim("/realm_access/roles")),
        ("require_claim", "/sub", issuer().require_claim("/sub")),
        ("require_claim_value", "org.id", issuer().require_claim_value("org.id", "a")),
        ("require_claim_value", "/~", issuer().require_claim_value("/~", "a")),
        ("require_claim_value", "tenant", issuer().require_claim_value("tenant", "")),
        (
            "require_claim_value",
            "tenant",
            issuer().require_claim_value("tenant", "a").require_claim_value("tenant", "b"),
        ),
        ("require_claim_value", "tenant", issuer().require_claim_value("tenant", Vec::<&str>::new())),
        ("require_claim_value", "tenant", issuer().require_claim_value("tenant", ["a", ""])),
        (
            "require_claim_value",
            "/level",
            issuer().require_claim_value("level", 1).require_claim_value("/level", ["1", "2"]),
        ),
        ("audience_claim", "resource.id", issuer().audience_claim("resource.id")),
        ("audience_claim", "aud", issuer().audience_claim("aud")),
        ("audience_claim", "client_id", issuer().audience_claim("client_id")),
        ("audience_claim", "/azp", issuer().audience_claim("/azp")),
        ("audience_claim", "cid", issuer().audience_claim("cid")),
        ("audience_claim", "app", issuer().client_claims(["app"]).audience_claim("app")),
        ("audience_claim", "resource", issuer().strict_rfc9068().audience_claim("resource")),
        ("audience_claim", "client_id", Issuer::cognito("eu-central-1", "eu-central-1_a")),
    ] {
        let found = problems(API, issuer);
        let [problem @ ConfigProblem::ClaimUnusable { setting: of, name: named, .. }] = &*found else {
            panic!("{setting} {name}: {found:?}");
        };
        assert_eq!((*of, named.as_str()), (setting, name));
        assert!(problem.to_string().contains("; hint: "), "{problem}");
    }
    for (setting, issuer) in [
        ("client_claims", issuer().client_claims(Vec::<&str>::new())),
        ("client_claims", issuer().client_claims([""])),
        ("role_claims", issuer().role_claims([""])),
        ("audience_claim", issuer().audience_claim("")),
        ("require_claim_value", issuer().require_claim_value("", "acme")),
    ] {
        let found = problems(API, issuer);
        assert!(
            matches!(&*found, [ConfigProblem::ClaimNameEmpty { setting: of, .. }] if *of == setting),
            "{found:?}"
        );
    }
    for (name, audience, issuer) in [
        ("trailing blank", "orders-api ", issuer()),
        ("line end", "orders-api\n", issuer()),
        ("leading tab", "\torders-api", issuer()),
        ("of the issuer", API, issuer().audience("orders-api ")),
        ("added", API, issuer().add_audience(" orders-api")),
    ] {
        let found = problems(audience, issuer);
        assert!(matches!(&*found, [ConfigProblem::AudienceUnusable { .. }]), "{name}: {found:?}");
    }
    for issuer in [
        issuer().scope_claims(["https://api.example.com/scopes", "urn:acme.com:scopes", "/a.b/c", "a"]),
        issuer().role_claims(["/kubernetes.io/namespace"]).require_claim("kubernetes.io"),
        issuer().audience_claim("resource"),
        issuer().audience_claim("client_id").allowed_clients(["a"]),
        issuer().audience("orders api"),
        issuer().require_claim_value("tenant", "a").require_claim_value("tenant", "a"),
        issuer().require_claim_value("tenant", ["a", "b"]).require_claim_value("tenant", ["b", "c"]),
        issuer().require_claim_value("/org/id", "a").require_claim_value("org", "b"),
        issuer().client_claims(["client_id", "azp", "sub", "appid"]),
    ] {
        assert!(problems(API, issuer.clone()).is_empty(), "{issuer:?}");
    }
}

#[test]
fn an_issuer_whose_callers_choose_aud_needs_a_rule_for_callers() {
    let idp = TestIssuer::new();
    let build =
        |issuer: Issuer| BearerAuth::builder(API).http_client(idp.http_client()).issuer(issuer).build();
    for issuer in [
        Issuer::google(),
        Issuer::google().require_claim("email"),
        Issuer::discover("https://accounts.google.com"),
        Issuer::with_jwks_url("accounts.google.com", "https://www.googleapis.com/oauth2/v3/certs"),
    ] {
        let shown = format!("{issuer:?}");
        let error = build(issuer).expect_err(&shown);
        assert!(matches!(error.problems(), [ConfigProblem::CallersUnrestricted { .. }]), "{shown}: {error}");
        let text = error.to_string();
        assert!(text.contains("allowed_clients") && text.contains("validate"), "{text}");
    }
    for issuer in [
        Issuer::google().allowed_clients(["113774264463038321964"]),
        Issuer::google().validate(|claims| claims.get("email").is_some()),
        Issuer::google().require_claim_value("email", "caller@acme.iam.gserviceaccount.com"),
        Issuer::discover("https://accounts.google.com.example"),
    ] {
        let shown = format!("{issuer:?}");
        assert!(build(issuer).is_ok(), "{shown}");
    }
}

#[test]
fn a_setting_for_fetched_keys_on_static_keys_is_a_config_error() {
    let idp = TestIssuer::new();
    let fixed = || Issuer::with_static_jwks(idp.identifier(), idp.jwks());
    let build =
        |issuer: Issuer| BearerAuth::builder(API).http_client(idp.http_client()).issuer(issuer).build();
    for (setting, issuer) in [
        ("seed_jwks", fixed().seed_jwks(idp.jwks())),
        ("add_fallback_jwks_url", fixed().add_fallback_jwks_url("https://keys.example.net/jwks")),
        ("http_client", fixed().http_client(idp.http_client())),
    ] {
        let error = build(issuer).expect_err(setting);
        let [ConfigProblem::SettingNeedsFetchedKeys { setting: named, .. }] = error.problems() else {
            panic!("{setting}: {error}");
        };
        assert_eq!(*named, setting);
    }
    assert!(build(fixed()).is_ok());
    assert!(build(fixed().http_client(idp.http_client()).introspect(introspection())).is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_key_without_alg_is_used_with_the_default_key_algorithm_only() {
    use tower_bearer::Algorithm::{ES256, PS256, RS256};
    let keys = |algorithm, alg: Option<&str>| {
        let key = with_member(jwk(algorithm), "alg", alg.map_or(Value::Null, Value::from));
        json!({"keys": [key]}).to_string()
    };
    for (name, set, default, signed, expected) in [
        ("no setting, PS256", keys(PS256, None), None, PS256, ACCEPTED),
        ("the default", keys(PS256, None), Some(PS256), PS256, ACCEPTED),
        ("another algorithm", keys(PS256, None), Some(RS256), PS256, Err(KeyUnknown)),
        ("the key has an alg", keys(PS256, Some("PS256")), Some(RS256), PS256, ACCEPTED),
        ("a key of another type", keys(ES256, None), Some(RS256), ES256, ACCEPTED),
    ] {
        let issuer = Issuer::with_static_jwks(ISSUER, set);
        let issuer = default.into_iter().fold(issuer, Issuer::default_key_algorithm);
        let auth = BearerAuth::builder(API).issuer(issuer).clock(clock()).build().unwrap();
        assert_eq!(Protected::by(&auth).outcome(token(signed).sign()).await, expected, "{name}");
    }
    let issuer = Issuer::discover(ISSUER).algorithms([ES256]).default_key_algorithm(RS256);
    let built = BearerAuth::builder(API).http_client(TestIssuer::new().http_client()).issuer(issuer).build();
    let error = built.err().unwrap();
    assert!(matches!(error.problems(), [ConfigProblem::DefaultAlgorithmNotAllowed { .. }]), "{error}");
}

#[test]
fn debug_of_an_issuer_prints_the_settings_that_differ_from_their_defaults() {
    let plain = format!("{:?}", Issuer::discover("https://login.example.com"));
    assert_eq!(plain, r#"Issuer { identifier: "https://login.example.com", keys: discovered, .. }"#);
    let dex = format!("{:?}", Issuer::dex("https://dex.example.com").introspect(introspection()));
    let entra = format!("{:?}", Issuer::discover("https://a.example").require_claim_value("tid", "1"));
    assert!(entra.contains(r#"require_claim_value: [("tid", "1")]"#), "{entra}");
    let typed = Issuer::discover("https://a.example").require_claim_value("level", [2, 3]);
    let typed = format!("{:?}", typed.require_claim_value("verified", true));
    assert!(typed.contains(r#"require_claim_value: [("level", [2, 3]), ("verified", true)]"#), "{typed}");
    for shown in [r#"role_claims: ["/groups"]"#, "dangerous_accept_id_token_claims: true", "introspect: true"]
    {
        assert!(dex.contains(shown), "{dex}");
    }
    assert!(!dex.contains(TestIssuer::CLIENT_SECRET), "{dex}");
}

#[tokio::test(start_paused = true)]
async fn explain_names_the_claims_of_the_settings() {
    let app = App::with_issuer(|issuer| {
        issuer
            .audience_claim("client_id")
            .allowed_clients(["app"])
            .require_claim_value("tenant", "acme")
            .require_claim_value("level", [2, 3])
            .validate(|claims| claims.get("org").is_some())
    });
    let explanation = app.auth.explain(&app.token().without("aud").claim("exp", NOW + 60).sign()).await;
    let finding =
        |check: &str| explanation.findings().iter().find(|finding| finding.check() == check).unwrap();
    assert!(finding("aud").expected().contains("an allowed client in client_id"), "{explanation}");
    let required = finding("required claims");
    assert_eq!(required.expected(), "iss, aud, exp, tenant = acme, level = 2 or 3");
    assert_eq!(required.presented(), "not tenant, not level");
    assert_eq!(
        finding("validators").result(),
        tower_bearer::diagnostics::CheckResult::Failed(ClaimsRejected)
    );
    assert!(!explanation.is_accepted());
}
