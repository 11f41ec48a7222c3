//! What an answer must say (RFC 7662 section 2.2).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use serde::Deserialize;
use serde_json::{Value, json};
use tower_bearer::testing::{Endpoint, Fault, TestIssuer};
use tower_bearer::{Issuer, Require};

use super::{Api, failing, introspection};
use crate::support::protected::API;

/// One member of the answer set to this, or with `None` left out, and the kind that comes of it.
type Row = (&'static str, Option<Value>, &'static str);

/// The answers that go through `rows`, each about a token of its own.
async fn check(api: &Api, rows: Vec<Row>) {
    for (member, value, expected) in rows {
        let row = format!("{member} {value:?}");
        api.tell(member, value);
        let token = api.token().opaque();
        assert_eq!(api.kind(&token).await, expected, "{row}");
        let explanation = api.auth.explain(&token).await;
        assert_eq!(explanation.is_accepted(), expected == "ok", "{row}: {explanation}");
        let fails = failing(&explanation);
        assert!(expected == "ok" || fails.iter().any(|(_, kind)| *kind == expected), "{row}: {explanation}");
    }
    api.idp.clear_alterations();
}

/// Values that are no text.
fn no_texts(member: &'static str) -> impl Iterator<Item = Row> {
    [json!(5), json!(true), json!(null), json!([]), json!(["x"]), json!({})]
        .map(|value| (member, Some(value), "claim_ill_typed"))
        .into_iter()
}

/// Values that are no date.
fn no_dates(member: &'static str) -> impl Iterator<Item = Row> {
    [json!("4102444800"), json!("never"), json!(true), json!(null), json!([4_102_444_800_u64]), json!({})]
        .map(|value| (member, Some(value), "claim_ill_typed"))
        .into_iter()
}

#[tokio::test(start_paused = true)]
async fn only_the_boolean_true_makes_a_token_active() {
    let api = Api::new();
    let mut rows: Vec<Row> = vec![("active", None, "token_inactive"), ("active", Some(json!(true)), "ok")];
    for value in [
        json!("true"),
        json!("True"),
        json!(1),
        json!(1.0),
        json!(null),
        json!([]),
        json!([true]),
        json!({}),
        json!(false),
    ] {
        rows.push(("active", Some(value), "token_inactive"));
    }
    check(&api, rows).await;
}

#[tokio::test(start_paused = true)]
async fn every_member_is_checked_absent_ill_typed_and_wrong() {
    let api = Api::new();
    let now = api.now();
    let mut rows: Vec<Row> = vec![
        ("aud", None, "claim_missing"),
        ("aud", Some(json!(null)), "claim_ill_typed"),
        ("aud", Some(json!(5)), "claim_ill_typed"),
        ("aud", Some(json!({API: 1})), "claim_ill_typed"),
        ("aud", Some(json!([API, 1])), "claim_ill_typed"),
        ("aud", Some(json!([[API]])), "claim_ill_typed"),
        ("aud", Some(json!([])), "audience_mismatch"),
        ("aud", Some(json!("")), "audience_mismatch"),
        ("aud", Some(json!("https://other.example")), "audience_mismatch"),
        ("aud", Some(json!(format!("{API}/"))), "audience_mismatch"),
        ("aud", Some(json!(format!("x {API}"))), "audience_mismatch"),
        ("aud", Some(json!("https://API.example.com")), "audience_mismatch"),
        ("aud", Some(json!([TestIssuer::CLIENT_ID])), "audience_mismatch"),
        ("aud", Some(json!(["https://other.example", API])), "ok"),
        ("exp", None, "claim_missing"),
        ("exp", Some(json!(now - 30)), "token_expired"),
        ("exp", Some(json!(0)), "token_expired"),
        ("exp", Some(json!(now as f64 + 0.5)), "ok"),
        ("iss", None, "ok"),
        ("iss", Some(json!("https://other.example")), "issuer_unknown"),
        ("iss", Some(json!(format!("{}/", api.idp.identifier()))), "issuer_unknown"),
        ("iss", Some(json!("https://ISSUER.test")), "issuer_unknown"),
        ("iss", Some(json!("")), "issuer_unknown"),
        ("nbf", None, "ok"),
        ("nbf", Some(json!(now + 30)), "ok"),
        ("nbf", Some(json!(now + 31)), "token_not_yet_valid"),
        ("iat", None, "ok"),
        ("iat", Some(json!(now + 30)), "ok"),
        ("iat", Some(json!(now + 31)), "token_issued_in_future"),
        ("scope", None, "ok"),
        ("scope", Some(json!(["a", "b"])), "ok"),
        ("scope", Some(json!(["a", 1])), "claim_ill_typed"),
        ("scope", Some(json!(5)), "claim_ill_typed"),
        ("scope", Some(json!(null)), "claim_ill_typed"),
        ("scope", Some(json!({"a": true})), "claim_ill_typed"),
        ("sub", None, "ok"),
        ("client_id", None, "ok"),
        ("username", None, "ok"),
        ("username", Some(json!("alice")), "ok"),
        ("token_type", None, "ok"),
        ("token_type", Some(json!("bearer")), "ok"),
        ("token_type", Some(json!("BEARER")), "ok"),
        ("token_type", Some(json!("access_token")), "ok"),
        ("token_type", Some(json!("Access_Token")), "ok"),
        ("token_type", Some(json!("DPoP")), "sender_not_proven"),
        ("token_type", Some(json!("dpop")), "sender_not_proven"),
        ("token_type", Some(json!("refresh_token")), "type_mismatch"),
        ("token_type", Some(json!("id_token")), "type_mismatch"),
        ("token_type", Some(json!("mac")), "type_mismatch"),
        ("token_type", Some(json!("N_A")), "type_mismatch"),
        ("token_type", Some(json!("Bearer ")), "type_mismatch"),
        ("token_type", Some(json!("")), "type_mismatch"),
        ("cnf", None, "ok"),
        ("cnf", Some(json!({"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"})), "sender_not_proven"),
        (
            "cnf",
            Some(json!({"x5t#S256": "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2"})),
            "sender_not_proven",
        ),
        ("cnf", Some(json!({})), "sender_not_proven"),
        ("cnf", Some(json!(null)), "sender_not_proven"),
        ("cnf", Some(json!("x")), "sender_not_proven"),
        // What the issuer also knows about, and what opens nothing.
        ("token_use", Some(json!("refresh_token")), "type_mismatch"),
        ("token_use", Some(json!("access_token")), "ok"),
        ("typ", Some(json!("Refresh")), "type_mismatch"),
        ("typ", Some(json!("Bearer")), "ok"),
        ("at_hash", Some(json!("x")), "id_token_presented"),
        ("anything", Some(json!({"else": [null]})), "ok"),
    ];
    rows.extend(["iss", "sub", "client_id", "username", "token_type", "jti"].into_iter().flat_map(no_texts));
    rows.extend(["exp", "nbf", "iat"].into_iter().flat_map(no_dates));
    check(&api, rows).await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_no_single_object_is_no_answer() {
    let api = Api::new();
    let good = json!({"active": true, "aud": API, "exp": api.now() + 60}).to_string();
    let body = |text: &str| Fault::Body(text.to_owned());
    for (name, answer, expected) in [
        ("as it should be", body(&good), "ok"),
        ("white space around", body(&format!(" {good}\r\n")), "ok"),
        ("active twice", body(&good.replace('{', r#"{"active":false,"#)), "introspection_unavailable"),
        ("aud twice", body(&good.replace('{', r#"{"aud":"x","#)), "introspection_unavailable"),
        (
            "an escaped member twice",
            body(&good.replace('{', r#"{"\u0061ud":"x","#)),
            "introspection_unavailable",
        ),
        (
            "a member within a member twice",
            body(&good.replace('{', r#"{"x":{"y":1,"y":2},"#)),
            "introspection_unavailable",
        ),
        ("two objects", body(&format!("{good}{good}")), "introspection_unavailable"),
        ("an array", body(&format!("[{good}]")), "introspection_unavailable"),
        ("nothing", body(""), "introspection_unavailable"),
        ("true", body("true"), "introspection_unavailable"),
        ("an empty object", body("{}"), "token_inactive"),
        ("a page", Fault::Html, "introspection_unavailable"),
    ] {
        // Five failures in a row would suspend the calls.
        api.pass(Duration::from_secs(20)).await;
        let exp = api.now() + 60;
        let answer = match answer {
            Fault::Body(text) => {
                Fault::Body(text.replace(&good, &json!({"active": true, "aud": API, "exp": exp}).to_string()))
            }
            other => other,
        };
        api.idp.set_fault(Endpoint::Introspection, Some(answer));
        assert_eq!(api.kind(api.token().opaque()).await, expected, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_audience_that_may_be_absent_is_still_compared() {
    let api = Api::asking(introspection().dangerous_accept_without_audience());
    let rows = vec![
        ("aud", None, "ok"),
        ("aud", Some(json!(API)), "ok"),
        ("aud", Some(json!("https://other.example")), "audience_mismatch"),
        ("aud", Some(json!([])), "ok"),
        ("aud", Some(json!("")), "audience_mismatch"),
        ("aud", Some(json!(null)), "claim_ill_typed"),
        ("aud", Some(json!(5)), "claim_ill_typed"),
    ];
    check(&api, rows).await;
    let token = api.token().without("aud").opaque();
    let answer = api.protected.get(&token).await;
    assert_eq!(answer.token().unwrap().audiences().count(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_settings_of_the_issuer_go_for_answers_too() {
    type Setting = fn(Issuer) -> Issuer;
    let now = Api::new().now();
    let day = 86_400;
    let table: Vec<(&str, Setting, Vec<Row>)> = vec![
        (
            "required claims",
            |issuer| issuer.require_claim("tenant").require_claim("sub"),
            vec![
                ("tenant", None, "claim_missing"),
                ("tenant", Some(json!(null)), "claim_missing"),
                ("tenant", Some(json!(5)), "ok"),
            ],
        ),
        (
            "a required claim that the crate knows",
            |issuer| issuer.require_claim("username"),
            vec![("username", None, "claim_missing"), ("username", Some(json!("alice")), "ok")],
        ),
        (
            "clients",
            |issuer| issuer.allowed_clients(["client"]),
            vec![
                ("client_id", Some(json!("client")), "ok"),
                ("client_id", None, "claim_missing"),
                ("client_id", Some(json!("other")), "client_not_allowed"),
                ("client_id", Some(json!("")), "client_not_allowed"),
                ("client_id", Some(json!(5)), "claim_ill_typed"),
            ],
        ),
        (
            "age",
            |issuer| issuer.max_age(Duration::from_secs(60)),
            vec![
                ("iat", Some(json!(now)), "ok"),
                ("iat", None, "claim_missing"),
                ("iat", Some(json!(now - day)), "token_too_old"),
            ],
        ),
        (
            "lifetime",
            |issuer| issuer.max_lifetime(Duration::from_secs(600)),
            vec![
                ("exp", Some(json!(now + 600)), "ok"),
                ("exp", Some(json!(now + day)), "lifetime_too_long"),
                ("iat", None, "claim_missing"),
            ],
        ),
        (
            "audience",
            |issuer| issuer.audience("orders"),
            vec![("aud", Some(json!("orders")), "ok"), ("aud", Some(json!(API)), "audience_mismatch")],
        ),
        (
            "scope claims",
            |issuer| issuer.scope_claims(["roles"]),
            vec![
                ("roles", Some(json!("a")), "ok"),
                ("roles", None, "ok"),
                ("roles", Some(json!(5)), "claim_ill_typed"),
                ("scope", Some(json!(5)), "ok"),
            ],
        ),
    ];
    for (name, setting, rows) in table {
        println!("{name}");
        let idp = TestIssuer::new();
        idp.clock().set(UNIX_EPOCH + Duration::from_secs(now));
        let api = Api::of(idp, |issuer| setting(issuer).introspect(introspection()), |builder| builder);
        check(&api, rows).await;
    }
    let api = Api::with(|issuer| issuer.scope_claims(["roles"]).introspect(introspection()));
    let route = Require::scope("admin");
    for (name, token, expected) in [
        ("in the claim", api.token().claim("roles", json!(["admin"])), "ok"),
        ("in another claim", api.token().scope("admin"), "scope_insufficient"),
    ] {
        assert_eq!(api.on_route(&route, token.opaque()).await.kind(), expected, "{name}");
    }
}

/// RFC 9068 speaks of JWTs; node oidc-provider leaves `sub` out for client credentials.
#[tokio::test(start_paused = true)]
async fn the_strict_profile_demands_nothing_of_answers() {
    let api = Api::with(|issuer| issuer.strict_rfc9068().introspect(introspection()));
    let rows = ["sub", "client_id", "iat", "jti"].into_iter().map(|member| (member, None, "ok")).collect();
    check(&api, rows).await;
    assert_eq!(api.kind(api.token().without("sub").sign()).await, "claim_missing", "a JWT needs it");
}

/// django-oauth-toolkit tells `active`, `exp`, `scope`, `client_id`, `username` and no more.
#[tokio::test(start_paused = true)]
async fn an_answer_without_issuer_and_audience_needs_a_dangerous_word() {
    let answer = |exp: u64| {
        let body =
            json!({"active": true, "scope": "read", "exp": exp, "client_id": "app", "username": "alice"});
        Some(Fault::Body(body.to_string()))
    };
    let strict = Api::new();
    strict.idp.set_fault(Endpoint::Introspection, answer(strict.now() + 60));
    assert_eq!(strict.kind("opaque").await, "claim_missing");

    let lax = Api::asking(introspection().dangerous_accept_without_audience());
    lax.idp.set_fault(Endpoint::Introspection, answer(lax.now() + 60));
    let seen = lax.protected.get("opaque").await;
    let token = seen.token().unwrap();
    assert_eq!((token.issuer(), token.subject()), (lax.idp.identifier(), None));
    assert_eq!((token.client_id(), token.username()), (Some("app"), Some("alice")));
    assert!(token.scopes().contains("read"));
}

#[tokio::test(start_paused = true)]
async fn a_handler_gets_from_an_opaque_token_what_it_gets_from_a_jwt() {
    #[derive(Debug, Deserialize, PartialEq)]
    struct Own {
        tenant: String,
        #[serde(flatten)]
        more: BTreeMap<String, Value>,
    }
    let api = Api::new();
    let now = api.now();
    let builder = api
        .token()
        .claim("tenant", "blue")
        .claim("username", "alice@example.com")
        .claim("acr", "gold")
        .claim("auth_time", now - 5)
        .claim("nbf", now - 1)
        .claim("aud", json!(["other", API]));
    let (jwt, opaque) = (builder.sign(), builder.opaque());
    let (jwt, opaque) = (api.protected.get(jwt).await, api.protected.get(opaque).await);
    for token in [jwt.token().unwrap(), opaque.token().unwrap()] {
        assert_eq!((token.issuer(), token.subject()), (api.idp.identifier(), Some("alice")));
        assert_eq!((token.client_id(), token.acr()), (Some("client"), Some("gold")));
        assert_eq!(token.audiences().collect::<Vec<_>>(), ["other", API]);
        assert!(token.scopes().contains("a") && token.scopes().contains("b"));
        let secs = |time: std::time::SystemTime| time.duration_since(UNIX_EPOCH).unwrap().as_secs();
        assert_eq!(secs(token.expires_at()), now + 300);
        assert_eq!(
            [token.issued_at(), token.not_before(), token.auth_time()].map(|time| secs(time.unwrap())),
            [now, now - 1, now - 5]
        );
        assert!(token.token_id().unwrap().starts_with("token-"));
        let own = token.claims::<Own>().unwrap();
        assert_eq!(own.tenant, "blue");
        assert!(Arc::ptr_eq(&own, &token.claims::<Own>().unwrap()), "read once");
        assert!(token.claims::<Vec<String>>().is_err());
        let json: Value = serde_json::from_str(token.claims_json()).unwrap();
        assert_eq!(json["tenant"], "blue");
    }
    assert_eq!(jwt.token().unwrap().username(), None, "it is no claim of a JWT");
    let opaque = opaque.token().unwrap();
    assert_eq!(opaque.username(), Some("alice@example.com"));
    assert_eq!(opaque.claims::<Own>().unwrap().more["active"], true);
    assert!(!format!("{opaque:?}").contains("alice"));
}

#[tokio::test(start_paused = true)]
async fn an_inactive_token_is_told_no_more_whatever_the_reason() {
    let api = Api::new();
    let revoked = api.token().opaque();
    api.idp.revoke(&revoked);
    let expired = api.token().expired().opaque();
    let answers = [
        api.protected.get("never-issued").await,
        api.protected.get(revoked).await,
        api.protected.get(expired).await,
    ];
    let told: Vec<_> = answers.iter().map(|answer| (answer.kind(), answer.headers(), &answer.body)).collect();
    assert_eq!(told[0].0, "token_inactive");
    assert!(told.iter().all(|answer| *answer == told[0]), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn an_explanation_asks_once_and_shows_nothing_secret() {
    let api = Api::new();
    let builder = api.token().subject("secret-subject").claim("username", "secret-name");
    let builder = builder.claim("email", "secret-email").scope("secret-scope");
    let active = builder.opaque();
    let elsewhere = builder.clone().claim("aud", "https://other.example").opaque();
    let revoked = builder.opaque();
    api.idp.revoke(&revoked);
    let shown = Mutex::new(String::new());
    for (name, token, expected) in [
        ("active", &active, vec![]),
        ("for another API", &elsewhere, vec![("aud", "audience_mismatch")]),
        ("revoked", &revoked, vec![("active", "token_inactive")]),
    ] {
        let asked = api.asked();
        let explanation = api.auth.explain(token).await;
        assert_eq!(api.asked(), asked + 1, "{name}");
        assert_eq!(failing(&explanation), expected, "{name}: {explanation}");
        assert_eq!(explanation.is_accepted(), expected.is_empty(), "{name}");
        assert_eq!(api.kind(token).await == "ok", expected.is_empty(), "{name}");
        shown.lock().unwrap().push_str(&format!("{explanation}{explanation:?}"));
        assert!(!shown.lock().unwrap().contains(&token[..20]), "{name}");
    }
    let shown = shown.into_inner().unwrap();
    assert!(shown.contains("https://other.example") && shown.contains(api.idp.identifier()), "{shown}");
    for secret in ["secret", TestIssuer::CLIENT_ID] {
        assert!(!shown.contains(secret), "{secret}: {shown}");
    }
}
