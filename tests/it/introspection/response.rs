//! The checks of an introspection response (RFC 7662 section 2.2).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use serde::Deserialize;
use serde_json::{Value, json};
use tower_bearer::RejectionKind::{
    AudienceMismatch, ClaimIllTyped, ClaimMissing, ClientNotAllowed, IdTokenPresented, IssuerUnknown,
    LifetimeTooLong, ScopeInsufficient, SenderNotProven, TokenExpired, TokenInactive, TokenIssuedInFuture,
    TokenNotYetValid, TokenTooOld, TypeMismatch,
};
use tower_bearer::testing::{Endpoint, Fault, TestIssuer};
use tower_bearer::{Issuer, Require};

use super::{Api, INACTIVE, UNAVAILABLE, failing};
use crate::support::introspected::introspection;
use crate::support::protected::{ACCEPTED, API, Outcome};

/// A member of the response, its value (`None` removes the member), and the outcome.
type Row = (&'static str, Option<Value>, Outcome);

/// Sends one request with a new token for each row.
async fn check(api: &Api, rows: Vec<Row>) {
    for (member, value, expected) in rows {
        let row = format!("{member} {value:?}");
        api.set_member(member, value);
        let token = api.token().opaque();
        assert_eq!(api.outcome(&token).await, expected, "{row}");
        let explanation = api.auth.explain(&token).await;
        assert_eq!(explanation.is_accepted(), expected == ACCEPTED, "{row}: {explanation}");
        let fails = failing(&explanation);
        assert!(
            expected == ACCEPTED || fails.iter().any(|(_, kind)| Err(*kind) == expected),
            "{row}: {explanation}"
        );
    }
    api.idp.clear_alterations();
}

/// Values that are not strings.
fn non_strings(member: &'static str) -> impl Iterator<Item = Row> {
    [json!(5), json!(true), json!([]), json!(["x"]), json!({})]
        .map(|value| (member, Some(value), Err(ClaimIllTyped)))
        .into_iter()
}

/// Values that are not dates.
fn non_dates(member: &'static str) -> impl Iterator<Item = Row> {
    [json!("4102444800"), json!("never"), json!(true), json!([4_102_444_800_u64]), json!({})]
        .map(|value| (member, Some(value), Err(ClaimIllTyped)))
        .into_iter()
}

#[tokio::test(start_paused = true)]
async fn only_the_boolean_true_makes_a_token_active() {
    let api = Api::new();
    let mut rows: Vec<Row> = vec![("active", None, INACTIVE), ("active", Some(json!(true)), ACCEPTED)];
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
        rows.push(("active", Some(value), INACTIVE));
    }
    check(&api, rows).await;
}

#[tokio::test(start_paused = true)]
async fn every_member_is_checked() {
    let api = Api::new();
    let now = api.now();
    let mut rows: Vec<Row> = vec![
        ("aud", None, Err(ClaimMissing)),
        ("aud", Some(json!(null)), Err(ClaimMissing)),
        ("aud", Some(json!(5)), Err(ClaimIllTyped)),
        ("aud", Some(json!({API: 1})), Err(ClaimIllTyped)),
        ("aud", Some(json!([API, 1])), Err(ClaimIllTyped)),
        ("aud", Some(json!([[API]])), Err(ClaimIllTyped)),
        ("aud", Some(json!([])), Err(AudienceMismatch)),
        ("aud", Some(json!("")), Err(AudienceMismatch)),
        ("aud", Some(json!("https://other.example")), Err(AudienceMismatch)),
        ("aud", Some(json!(format!("{API}/"))), Err(AudienceMismatch)),
        ("aud", Some(json!(format!("x {API}"))), Err(AudienceMismatch)),
        ("aud", Some(json!("https://API.example.com")), Err(AudienceMismatch)),
        ("aud", Some(json!([TestIssuer::CLIENT_ID])), Err(AudienceMismatch)),
        ("aud", Some(json!(["https://other.example", API])), ACCEPTED),
        ("exp", None, Err(ClaimMissing)),
        ("exp", Some(json!(null)), Err(ClaimMissing)),
        ("exp", Some(json!(now - 30)), Err(TokenExpired)),
        ("exp", Some(json!(0)), Err(TokenExpired)),
        ("exp", Some(json!(now as f64 + 0.5)), ACCEPTED),
        ("iss", None, ACCEPTED),
        ("iss", Some(json!("https://other.example")), Err(IssuerUnknown)),
        ("iss", Some(json!(format!("{}/", api.idp.identifier()))), Err(IssuerUnknown)),
        ("iss", Some(json!("https://ISSUER.test")), Err(IssuerUnknown)),
        ("iss", Some(json!("")), Err(IssuerUnknown)),
        ("nbf", None, ACCEPTED),
        ("nbf", Some(json!(now + 30)), ACCEPTED),
        ("nbf", Some(json!(now + 31)), Err(TokenNotYetValid)),
        ("iat", None, ACCEPTED),
        ("iat", Some(json!(now + 30)), ACCEPTED),
        ("iat", Some(json!(now + 31)), Err(TokenIssuedInFuture)),
        ("scope", None, ACCEPTED),
        ("scope", Some(json!(["a", "b"])), ACCEPTED),
        ("scope", Some(json!(["a", 1])), Err(ClaimIllTyped)),
        ("scope", Some(json!(5)), Err(ClaimIllTyped)),
        ("scope", Some(json!(null)), ACCEPTED),
        ("scope", Some(json!({"a": true})), Err(ClaimIllTyped)),
        ("sub", None, ACCEPTED),
        ("client_id", None, ACCEPTED),
        ("iss", Some(json!(null)), ACCEPTED),
        ("sub", Some(json!(null)), ACCEPTED),
        ("client_id", Some(json!(null)), ACCEPTED),
        ("nbf", Some(json!(null)), ACCEPTED),
        ("iat", Some(json!(null)), ACCEPTED),
        ("token_type", Some(json!(null)), ACCEPTED),
        ("username", Some(json!(null)), ACCEPTED),
        ("username", None, ACCEPTED),
        ("username", Some(json!("alice")), ACCEPTED),
        ("token_type", None, ACCEPTED),
        ("token_type", Some(json!("bearer")), ACCEPTED),
        ("token_type", Some(json!("BEARER")), ACCEPTED),
        ("token_type", Some(json!("access_token")), ACCEPTED),
        ("token_type", Some(json!("Access_Token")), ACCEPTED),
        ("token_type", Some(json!("DPoP")), Err(SenderNotProven)),
        ("token_type", Some(json!("dpop")), Err(SenderNotProven)),
        ("token_type", Some(json!("refresh_token")), Err(TypeMismatch)),
        ("token_type", Some(json!("id_token")), Err(TypeMismatch)),
        ("token_type", Some(json!("mac")), Err(TypeMismatch)),
        ("token_type", Some(json!("N_A")), Err(TypeMismatch)),
        ("token_type", Some(json!("Bearer ")), Err(TypeMismatch)),
        ("token_type", Some(json!("")), Err(TypeMismatch)),
        ("cnf", None, ACCEPTED),
        ("cnf", Some(json!({"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"})), Err(SenderNotProven)),
        (
            "cnf",
            Some(json!({"x5t#S256": "A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v0"})),
            Err(SenderNotProven),
        ),
        ("cnf", Some(json!({"x": 1})), Err(SenderNotProven)),
        ("cnf", Some(json!({})), Err(ClaimIllTyped)),
        ("cnf", Some(json!(null)), ACCEPTED),
        ("cnf", Some(json!("x")), Err(ClaimIllTyped)),
        // Tokens of other types that the authorization server also introspects.
        ("token_use", Some(json!("refresh_token")), Err(TypeMismatch)),
        ("token_use", Some(json!("access_token")), ACCEPTED),
        ("typ", Some(json!("Refresh")), Err(TypeMismatch)),
        ("typ", Some(json!("Bearer")), ACCEPTED),
        ("at_hash", Some(json!("x")), Err(IdTokenPresented)),
        ("anything", Some(json!({"else": [null]})), ACCEPTED),
    ];
    rows.extend(["iss", "sub", "client_id", "username", "token_type"].into_iter().flat_map(non_strings));
    rows.extend(non_strings("jti").map(|(member, value, _)| (member, value, ACCEPTED)));
    rows.extend(["exp", "nbf", "iat"].into_iter().flat_map(non_dates));
    check(&api, rows).await;
}

#[tokio::test(start_paused = true)]
async fn a_response_that_is_not_one_json_object_is_an_outage() {
    let api = Api::new();
    let good = json!({"active": true, "aud": API, "exp": api.now() + 60}).to_string();
    let body = |text: &str| Fault::Body(text.to_owned());
    for (name, response, expected) in [
        ("valid", body(&good), ACCEPTED),
        ("white space around", body(&format!(" {good}\r\n")), ACCEPTED),
        ("active twice", body(&good.replace('{', r#"{"active":false,"#)), UNAVAILABLE),
        ("aud twice", body(&good.replace('{', r#"{"aud":"x","#)), UNAVAILABLE),
        ("an escaped member twice", body(&good.replace('{', r#"{"\u0061ud":"x","#)), UNAVAILABLE),
        ("a repeated inner member", body(&good.replace('{', r#"{"x":{"y":1,"y":2},"#)), UNAVAILABLE),
        ("two objects", body(&format!("{good}{good}")), UNAVAILABLE),
        ("an array", body(&format!("[{good}]")), UNAVAILABLE),
        ("nothing", body(""), UNAVAILABLE),
        ("true", body("true"), UNAVAILABLE),
        ("an empty object", body("{}"), INACTIVE),
        ("HTML", Fault::Html, UNAVAILABLE),
    ] {
        // Keeps the circuit breaker closed: it opens after five consecutive failures.
        api.pass(Duration::from_secs(20)).await;
        let exp = api.now() + 60;
        let response = match response {
            Fault::Body(text) => {
                Fault::Body(text.replace(&good, &json!({"active": true, "aud": API, "exp": exp}).to_string()))
            }
            other => other,
        };
        api.idp.set_fault(Endpoint::Introspection, Some(response));
        assert_eq!(api.outcome(api.token().opaque()).await, expected, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_optional_audience_is_still_checked_when_present() {
    let api = Api::introspecting(introspection().dangerous_accept_without_audience());
    let rows = vec![
        ("aud", None, ACCEPTED),
        ("aud", Some(json!(API)), ACCEPTED),
        ("aud", Some(json!("https://other.example")), Err(AudienceMismatch)),
        ("aud", Some(json!([])), ACCEPTED),
        ("aud", Some(json!("")), Err(AudienceMismatch)),
        ("aud", Some(json!(null)), ACCEPTED),
        ("aud", Some(json!(5)), Err(ClaimIllTyped)),
    ];
    check(&api, rows).await;
    let token = api.token().without("aud").opaque();
    let response = api.protected.get(&token).await;
    assert_eq!(response.token().unwrap().audiences().count(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_settings_of_the_issuer_apply_to_responses() {
    type Setting = fn(Issuer) -> Issuer;
    let now = Api::new().now();
    let day = 86_400;
    let table: Vec<(&str, Setting, Vec<Row>)> = vec![
        (
            "required claims",
            |issuer| issuer.require_claim("tenant").require_claim("sub"),
            vec![
                ("tenant", None, Err(ClaimMissing)),
                ("tenant", Some(json!(null)), Err(ClaimMissing)),
                ("tenant", Some(json!(5)), ACCEPTED),
            ],
        ),
        (
            "a required registered claim",
            |issuer| issuer.require_claim("username"),
            vec![("username", None, Err(ClaimMissing)), ("username", Some(json!("alice")), ACCEPTED)],
        ),
        (
            "clients",
            |issuer| issuer.allowed_clients(["client"]),
            vec![
                ("client_id", Some(json!("client")), ACCEPTED),
                ("client_id", None, Err(ClaimMissing)),
                ("client_id", Some(json!(null)), Err(ClaimMissing)),
                ("client_id", Some(json!("other")), Err(ClientNotAllowed)),
                ("client_id", Some(json!("")), Err(ClientNotAllowed)),
                ("client_id", Some(json!(5)), Err(ClaimIllTyped)),
            ],
        ),
        (
            "age",
            |issuer| issuer.max_age(Duration::from_secs(60)),
            vec![
                ("iat", Some(json!(now)), ACCEPTED),
                ("iat", None, Err(ClaimMissing)),
                ("iat", Some(json!(now - day)), Err(TokenTooOld)),
            ],
        ),
        (
            "lifetime",
            |issuer| issuer.max_lifetime(Duration::from_secs(600)),
            vec![
                ("exp", Some(json!(now + 600)), ACCEPTED),
                ("exp", Some(json!(now + day)), Err(LifetimeTooLong)),
                ("iat", None, Err(ClaimMissing)),
            ],
        ),
        (
            "audience",
            |issuer| issuer.audience("orders"),
            vec![("aud", Some(json!("orders")), ACCEPTED), ("aud", Some(json!(API)), Err(AudienceMismatch))],
        ),
        (
            "scope claims",
            |issuer| issuer.scope_claims(["roles"]),
            vec![
                ("roles", Some(json!("a")), ACCEPTED),
                ("roles", None, ACCEPTED),
                ("roles", Some(json!(5)), Err(ClaimIllTyped)),
                ("scope", Some(json!(5)), ACCEPTED),
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
        ("in the claim", api.token().claim("roles", json!(["admin"])), ACCEPTED),
        ("in another claim", api.token().scope("admin"), Err(ScopeInsufficient)),
    ] {
        assert_eq!(api.on_route(&route, token.opaque()).await.outcome(), expected, "{name}");
    }
}

/// RFC 9068 applies to JWTs only. node oidc-provider omits `sub` for client credentials.
#[tokio::test(start_paused = true)]
async fn strict_rfc9068_requires_no_claims_of_responses() {
    let api = Api::with(|issuer| issuer.strict_rfc9068().introspect(introspection()));
    let rows =
        ["sub", "client_id", "iat", "jti"].into_iter().map(|member| (member, None, ACCEPTED)).collect();
    check(&api, rows).await;
    assert_eq!(
        api.outcome(api.token().without("sub").sign()).await,
        Err(ClaimMissing),
        "RFC 9068 requires it in a JWT"
    );
}

/// django-oauth-toolkit returns only `active`, `exp`, `scope`, `client_id` and `username`.
#[tokio::test(start_paused = true)]
async fn a_response_without_audience_needs_a_dangerous_setting() {
    let response = |exp: u64| {
        let body =
            json!({"active": true, "scope": "read", "exp": exp, "client_id": "app", "username": "alice"});
        Some(Fault::Body(body.to_string()))
    };
    let strict = Api::new();
    strict.idp.set_fault(Endpoint::Introspection, response(strict.now() + 60));
    assert_eq!(strict.outcome("opaque").await, Err(ClaimMissing));

    let lax = Api::introspecting(introspection().dangerous_accept_without_audience());
    lax.idp.set_fault(Endpoint::Introspection, response(lax.now() + 60));
    let response = lax.protected.get("opaque").await;
    let token = response.token().unwrap();
    assert_eq!((token.issuer(), token.subject()), (lax.idp.identifier(), None));
    assert_eq!((token.client_id(), token.username()), (Some("app"), Some("alice")));
    assert!(token.scopes().contains("read"));
}

#[tokio::test(start_paused = true)]
async fn a_handler_reads_an_opaque_token_like_a_jwt() {
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
        assert!(Arc::ptr_eq(&own, &token.claims::<Own>().unwrap()), "deserialized once");
        assert!(token.claims::<Vec<String>>().is_err());
        let json: Value = serde_json::from_str(token.claims_json()).unwrap();
        assert_eq!(json["tenant"], "blue");
    }
    assert_eq!(jwt.token().unwrap().username(), None, "`username` is not a claim of a JWT");
    let opaque = opaque.token().unwrap();
    assert_eq!(opaque.username(), Some("alice@example.com"));
    assert_eq!(opaque.claims::<Own>().unwrap().more["active"], true);
    assert!(!format!("{opaque:?}").contains("alice"));
}

#[tokio::test(start_paused = true)]
async fn the_rejection_of_an_inactive_token_does_not_reveal_the_reason() {
    let api = Api::new();
    let revoked = api.token().opaque();
    api.idp.revoke(&revoked);
    let expired = api.token().expired().opaque();
    let responses = [
        api.protected.get("never-issued").await,
        api.protected.get(revoked).await,
        api.protected.get(expired).await,
    ];
    let seen: Vec<_> =
        responses.iter().map(|response| (response.outcome(), response.headers(), &response.body)).collect();
    assert_eq!(seen[0].0, INACTIVE);
    assert!(seen.iter().all(|response| *response == seen[0]), "{seen:?}");
}

#[tokio::test(start_paused = true)]
async fn an_explanation_sends_one_request_and_shows_no_secret() {
    let api = Api::new();
    let builder = api.token().subject("secret-subject").claim("username", "secret-name");
    let builder = builder.claim("email", "secret-email").scope("orders:read");
    let active = builder.opaque();
    let elsewhere = builder.clone().claim("aud", "https://other.example").opaque();
    let revoked = builder.opaque();
    api.idp.revoke(&revoked);
    let shown = Mutex::new(String::new());
    for (name, token, expected) in [
        ("active", &active, vec![]),
        ("for another API", &elsewhere, vec![("aud", AudienceMismatch)]),
        ("revoked", &revoked, vec![("active", TokenInactive)]),
    ] {
        let calls = api.calls();
        let explanation = api.auth.explain(token).await;
        assert_eq!(api.calls(), calls + 1, "{name}");
        assert_eq!(failing(&explanation), expected, "{name}: {explanation}");
        assert_eq!(explanation.is_accepted(), expected.is_empty(), "{name}");
        assert_eq!(api.outcome(token).await == ACCEPTED, expected.is_empty(), "{name}");
        shown.lock().unwrap().push_str(&format!("{explanation}{explanation:?}"));
        assert!(!shown.lock().unwrap().contains(&token[..20]), "{name}");
    }
    let shown = shown.into_inner().unwrap();
    for part in ["https://other.example", api.idp.identifier(), "orders:read"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    for secret in ["secret", TestIssuer::CLIENT_ID] {
        assert!(!shown.contains(secret), "{secret}: {shown}");
    }
}
