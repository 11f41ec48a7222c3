//! Parsing and checking introspection responses of every form.

use std::time::UNIX_EPOCH;

use super::*;
use crate::encoding::json_pointer::JsonPointer;
use crate::jwt::claims::OptionalClaims;

const NOW: u64 = 1_800_000_000;

fn policy() -> ResponsePolicy {
    let mut names = ConfiguredNames::default();
    RESPONSE_MEMBERS.iter().for_each(|name| names.add(name));
    let opaque = ClaimsPolicy {
        issuer: "https://h.example".into(),
        audiences: vec!["api".into()],
        leeway: Duration::from_secs(30),
        scope_claims: JsonPointer::parse("scope").into_iter().collect(),
        required: Vec::new(),
        required_values: Vec::new(),
        max_age: None,
        max_lifetime: None,
        client_claims: vec!["client_id".into()],
        clients: None,
        audience_claim: None,
        role_claims: Vec::new(),
        scope_implies: None,
        accepts_id_token_claims: false,
        validators: Vec::new(),
        optional: OptionalClaims { iss: true, aud: false, exp: false },
    };
    let jwt = ClaimsPolicy { optional: OptionalClaims { iss: true, aud: true, exp: true }, ..opaque.clone() };
    ResponsePolicy { opaque, jwt, names, lifetime_without_exp: None }
}

fn checked(json: &str, jwt: Option<&AccessToken>) -> Result<AccessToken, IntrospectionFault> {
    check(json.to_owned(), &"opaque".into(), jwt, &policy(), NumericDate::from_secs(NOW).unwrap())
}

/// A valid response with the additional members `more`.
fn with(more: &str) -> String {
    format!(r#"{{"active":true,"aud":"api","exp":{},{more}}}"#, NOW + 60)
}

fn response(status: u16, headers: &[(&str, &str)], body: &'static str) -> Response<Bytes> {
    let response = Response::builder().status(status);
    let response = headers.iter().fold(response, |response, (name, value)| response.header(*name, *value));
    response.body(Bytes::from_static(body.as_bytes())).unwrap()
}

fn error_kind(response: Response<Bytes>) -> Option<IntrospectionErrorKind> {
    let parsed = parse(response, "opaque").and_then(|body| match body {
        ResponseBody::Json(json) => check_object(&json),
        ResponseBody::Signed(_) => Ok(()),
    });
    parsed.err().map(|error| error.kind())
}

#[test]
fn each_faulty_response_has_its_error_kind() {
    use IntrospectionErrorKind::{ClientRejected, ResponseUnreadable, TokenTypeUnsupported};
    let status_error = |status| Some(IntrospectionErrorKind::Fetch(FetchErrorKind::Status(status)));
    for (name, status, body, expected) in [
        ("a response", 200, r#"{"active":false}"#, None),
        ("no content", 204, "", status_error(204)),
        ("wrong credentials", 401, r#"{"error":"invalid_client"}"#, Some(ClientRejected(401))),
        ("forbidden", 403, "", Some(ClientRejected(403))),
        ("invalid_client with 400", 400, r#"{"error":"invalid_client"}"#, Some(ClientRejected(400))),
        ("unauthorized_client", 400, r#"{"error":"unauthorized_client"}"#, Some(ClientRejected(400))),
        ("unsupported_token_type", 400, r#"{"error":"unsupported_token_type"}"#, Some(TokenTypeUnsupported)),
        ("invalid_request", 400, r#"{"error":"invalid_request"}"#, status_error(400)),
        ("no error code", 400, "<html>", status_error(400)),
        ("ill-typed error code", 400, r#"{"error":["invalid_client"]}"#, status_error(400)),
        ("internal error", 500, r#"{"active":true}"#, status_error(500)),
        ("not found", 404, r#"{"active":true}"#, status_error(404)),
        ("HTML", 200, "<html>active: true</html>", Some(ResponseUnreadable)),
        ("empty body", 200, "", Some(ResponseUnreadable)),
        ("an array", 200, r#"[{"active":true}]"#, Some(ResponseUnreadable)),
        ("a string", 200, r#""active""#, Some(ResponseUnreadable)),
        ("duplicate member", 200, r#"{"active":false,"active":true}"#, Some(ResponseUnreadable)),
        ("two objects", 200, r#"{"active":true}{"active":true}"#, Some(ResponseUnreadable)),
    ] {
        assert_eq!(error_kind(response(status, &[], body)), expected, "{name}");
    }
    let not_utf8 = Response::new(Bytes::from_static(b"{\"active\":true,\"x\":\"\xff\"}"));
    assert_eq!(error_kind(not_utf8), Some(ResponseUnreadable));
}

#[test]
fn a_signed_response_is_recognized_by_its_content_type() {
    for (name, content_type, signed) in [
        ("JSON", "application/json", false),
        ("a signed response", "application/token-introspection+jwt", true),
        ("other case, with a parameter", "Application/Token-Introspection+JWT; charset=utf-8", true),
        ("another JWT type", "application/jwt", false),
        ("not application/", "text/token-introspection+jwt", false),
    ] {
        let body = parse(response(200, &[("content-type", content_type)], "{}"), "opaque").unwrap();
        assert_eq!(matches!(body, ResponseBody::Signed(_)), signed, "{name}");
    }
}

#[test]
fn retry_after_is_a_number_of_seconds_or_a_date() {
    let now = UNIX_EPOCH + Duration::from_secs(784_111_777);
    let secs = Duration::from_secs;
    for (name, status, header, expected) in [
        ("seconds", 429, Some("120"), Some(secs(120))),
        ("seconds with 503", 503, Some("7"), Some(secs(7))),
        ("a date", 429, Some("Sun, 06 Nov 1994 08:50:37 GMT"), Some(secs(60))),
        ("a past date", 503, Some("Sun, 06 Nov 1994 08:00:00 GMT"), Some(secs(0))),
        ("429 without Retry-After", 429, None, Some(secs(1))),
        ("429 with an invalid value", 429, Some("soon"), Some(secs(1))),
        ("503 without Retry-After", 503, None, None),
        ("503 with a negative value", 503, Some("-1"), None),
        ("200", 200, Some("120"), None),
        ("401", 401, Some("120"), None),
    ] {
        let headers: Vec<(&str, &str)> = header.map(|value| ("retry-after", value)).into_iter().collect();
        assert_eq!(requested_pause(&response(status, &headers, ""), now), expected, "{name}");
    }
}

#[test]
fn only_the_boolean_true_is_active() {
    for active in [r#""true""#, "1", "null", "[]", "[true]", r#"{"active":true}"#, "false", r#""yes""#, "1.0"]
    {
        let json = format!(r#"{{"active":{active},"aud":"api","exp":{}}}"#, NOW + 60);
        assert!(matches!(checked(&json, None), Err(IntrospectionFault::Inactive)), "{active}");
    }
    let absent = format!(r#"{{"aud":"api","exp":{}}}"#, NOW + 60);
    assert!(matches!(checked(&absent, None), Err(IntrospectionFault::Inactive)));
    assert!(checked(&with(r#""x":1"#), None).is_ok());
}

#[test]
fn token_type_must_be_a_bearer_type_and_username_a_string() {
    for good in ["Bearer", "bearer", "BEARER", "access_token"] {
        assert!(checked(&with(&format!(r#""token_type":"{good}""#)), None).is_ok(), "{good}");
    }
    let fault = |member: &str| match checked(&with(member), None) {
        Err(IntrospectionFault::Claim(fault)) => fault,
        other => panic!("{member}: {other:?}"),
    };
    assert_eq!(fault(r#""token_type":"DPoP""#), ClaimFault::SenderNotProven);
    assert_eq!(fault(r#""token_type":"refresh_token""#), ClaimFault::OtherKind);
    assert_eq!(fault(r#""token_type":"""#), ClaimFault::OtherKind);
    for member in [r#""token_type":1"#, r#""token_type":true"#, r#""token_type":["Bearer"]"#] {
        assert_eq!(fault(member), ClaimFault::IllTyped("token_type".into()), "{member}");
    }
    assert_eq!(fault(r#""username":7"#), ClaimFault::IllTyped("username".into()));
    let unset = checked(&with(r#""username":null,"token_type":null,"cnf":null,"sub":null"#), None).unwrap();
    assert_eq!((unset.username(), unset.subject()), (None, None));
    let named = checked(&with(r#""username":"ada""#), None).unwrap();
    assert_eq!((named.username(), named.is_jwt()), (Some("ada"), false));
}

#[test]
fn response_to_a_jwt_must_match_its_sub_client_id_and_exp() {
    let jwt = checked(&with(r#""sub":"u","client_id":"c""#), None).unwrap();
    let exp = NOW + 60;
    for (name, members, same) in [
        ("no members", "", true),
        ("all equal", &*format!(r#","sub":"u","client_id":"c","exp":{exp}"#), true),
        ("another subject", r#","sub":"v""#, false),
        ("another client", r#","client_id":"d""#, false),
        ("an exp within the leeway", &*format!(r#","exp":{}"#, exp + 30), true),
        ("an earlier exp within the leeway", &*format!(r#","exp":{}"#, exp - 30), true),
        ("another exp", &*format!(r#","exp":{}"#, exp + 31), false),
        ("another earlier exp", &*format!(r#","exp":{}"#, exp - 31), false),
    ] {
        let outcome = checked(&format!(r#"{{"active":true{members}}}"#), Some(&jwt));
        match outcome {
            Ok(_) => assert!(same, "{name}"),
            Err(IntrospectionFault::OtherToken) => assert!(!same, "{name}"),
            Err(other) => panic!("{name}: {other:?}"),
        }
    }
    let other_issuer = checked(r#"{"active":true,"iss":"https://x.example"}"#, Some(&jwt));
    assert!(matches!(other_issuer, Err(IntrospectionFault::Claim(ClaimFault::IssuerMismatch))));
    let without_subject = checked(&with(r#""client_id":"c""#), None).unwrap();
    assert!(checked(r#"{"active":true,"sub":"u"}"#, Some(&without_subject)).is_ok());
}
