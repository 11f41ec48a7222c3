//! What is made of answers, whatever they look like.

use std::time::UNIX_EPOCH;

use super::*;
use crate::jwt::claims::OptionalClaims;

const NOW: u64 = 1_800_000_000;

fn policy() -> ResponsePolicy {
    let mut names = ConfiguredNames::default();
    RESPONSE_MEMBERS.iter().for_each(|name| names.add(name));
    let opaque = ClaimsPolicy {
        issuer: "https://h.example".into(),
        audiences: vec!["api".into()],
        leeway: Duration::from_secs(30),
        scope_claims: vec!["scope".into()],
        required: Vec::new(),
        max_age: None,
        max_lifetime: None,
        clients: None,
        optional: OptionalClaims { iss: true, aud: false, exp: false },
        names: Arc::new(names),
    };
    let jwt = ClaimsPolicy { optional: OptionalClaims { iss: true, aud: true, exp: true }, ..opaque.clone() };
    ResponsePolicy { opaque, jwt }
}

fn judged(json: &str, jwt: Option<&AccessToken>) -> Result<AccessToken, IntrospectionFault> {
    judge(json.to_owned(), &"opaque".into(), jwt, &policy(), NumericDate::from_secs(NOW).unwrap())
}

/// A good answer with `more` in it.
fn with(more: &str) -> String {
    format!(r#"{{"active":true,"aud":"api","exp":{},{more}}}"#, NOW + 60)
}

fn response(status: u16, headers: &[(&str, &str)], body: &'static str) -> Response<Bytes> {
    let response = Response::builder().status(status);
    let response = headers.iter().fold(response, |response, (name, value)| response.header(*name, *value));
    response.body(Bytes::from_static(body.as_bytes())).unwrap()
}

fn kind(response: Response<Bytes>) -> Option<FetchErrorKind> {
    let read = read(response).and_then(|reply| match reply {
        Reply::Plain(json) => check_object(&json),
        Reply::Signed(_) => Ok(()),
    });
    read.err().map(|error| error.kind())
}

#[test]
fn the_status_says_whose_fault_it_is() {
    use FetchErrorKind::{ClientRefused, Status, TokenKindRefused, Unreadable};
    for (name, status, body, expected) in [
        ("an answer", 200, r#"{"active":false}"#, None),
        ("no content", 204, "", Some(Status(204))),
        ("wrong credentials", 401, r#"{"error":"invalid_client"}"#, Some(ClientRefused(401))),
        ("wrong credentials, said otherwise", 403, "", Some(ClientRefused(403))),
        ("the client by 400", 400, r#"{"error":"invalid_client"}"#, Some(ClientRefused(400))),
        ("not this client", 400, r#"{"error":"unauthorized_client"}"#, Some(ClientRefused(400))),
        ("not such tokens", 400, r#"{"error":"unsupported_token_type"}"#, Some(TokenKindRefused)),
        ("the request", 400, r#"{"error":"invalid_request"}"#, Some(Status(400))),
        ("no reason", 400, "<html>", Some(Status(400))),
        ("an ill-typed reason", 400, r#"{"error":["invalid_client"]}"#, Some(Status(400))),
        ("an outage", 500, r#"{"active":true}"#, Some(Status(500))),
        ("not there", 404, r#"{"active":true}"#, Some(Status(404))),
        ("HTML", 200, "<html>active: true</html>", Some(Unreadable)),
        ("nothing", 200, "", Some(Unreadable)),
        ("an array", 200, r#"[{"active":true}]"#, Some(Unreadable)),
        ("a text", 200, r#""active""#, Some(Unreadable)),
        ("a member twice", 200, r#"{"active":false,"active":true}"#, Some(Unreadable)),
        ("two objects", 200, r#"{"active":true}{"active":true}"#, Some(Unreadable)),
    ] {
        assert_eq!(kind(response(status, &[], body)), expected, "{name}");
    }
    let no_text = Response::new(Bytes::from_static(b"{\"active\":true,\"x\":\"\xff\"}"));
    assert_eq!(kind(no_text), Some(Unreadable));
}

#[test]
fn a_signed_answer_is_known_by_its_content_type() {
    for (name, content_type, signed) in [
        ("JSON", "application/json", false),
        ("a signed answer", "application/token-introspection+jwt", true),
        ("in another case, with a parameter", "Application/Token-Introspection+JWT; charset=utf-8", true),
        ("any JWT", "application/jwt", false),
        ("of another kind", "text/token-introspection+jwt", false),
    ] {
        let reply = read(response(200, &[("content-type", content_type)], "{}")).unwrap();
        assert_eq!(matches!(reply, Reply::Signed(_)), signed, "{name}");
    }
}

#[test]
fn a_pause_is_asked_for_in_seconds_or_by_a_date() {
    let now = UNIX_EPOCH + Duration::from_secs(784_111_777);
    let secs = Duration::from_secs;
    for (name, status, header, expected) in [
        ("seconds", 429, Some("120"), Some(secs(120))),
        ("seconds of an outage", 503, Some("7"), Some(secs(7))),
        ("a date", 429, Some("Sun, 06 Nov 1994 08:50:37 GMT"), Some(secs(60))),
        ("a date long past", 503, Some("Sun, 06 Nov 1994 08:00:00 GMT"), Some(secs(0))),
        ("too many, for an unknown time", 429, None, Some(secs(1))),
        ("too many, nonsense", 429, Some("soon"), Some(secs(1))),
        ("an outage of unknown length", 503, None, None),
        ("negative", 503, Some("-1"), None),
        ("on an answer", 200, Some("120"), None),
        ("on a refusal", 401, Some("120"), None),
    ] {
        let headers: Vec<(&str, &str)> = header.map(|value| ("retry-after", value)).into_iter().collect();
        assert_eq!(pause(&response(status, &headers, ""), now), expected, "{name}");
    }
}

#[test]
fn only_the_boolean_true_is_active() {
    for active in [r#""true""#, "1", "null", "[]", "[true]", r#"{"active":true}"#, "false", r#""yes""#, "1.0"]
    {
        let json = format!(r#"{{"active":{active},"aud":"api","exp":{}}}"#, NOW + 60);
        assert!(matches!(judged(&json, None), Err(IntrospectionFault::Inactive)), "{active}");
    }
    let absent = format!(r#"{{"aud":"api","exp":{}}}"#, NOW + 60);
    assert!(matches!(judged(&absent, None), Err(IntrospectionFault::Inactive)));
    assert!(judged(&with(r#""x":1"#), None).is_ok());
}

#[test]
fn a_token_type_is_that_of_a_bearer_token_and_a_user_name_is_text() {
    for good in ["Bearer", "bearer", "BEARER", "access_token"] {
        assert!(judged(&with(&format!(r#""token_type":"{good}""#)), None).is_ok(), "{good}");
    }
    let fault = |member: &str| match judged(&with(member), None) {
        Err(IntrospectionFault::Claim(fault)) => fault,
        other => panic!("{member}: {other:?}"),
    };
    assert_eq!(fault(r#""token_type":"DPoP""#), ClaimFault::SenderNotProven);
    assert_eq!(fault(r#""token_type":"refresh_token""#), ClaimFault::OtherKind);
    assert_eq!(fault(r#""token_type":"""#), ClaimFault::OtherKind);
    for member in [r#""token_type":1"#, r#""token_type":null"#, r#""token_type":["Bearer"]"#] {
        assert_eq!(fault(member), ClaimFault::IllTyped("token_type".into()), "{member}");
    }
    assert_eq!(fault(r#""username":7"#), ClaimFault::IllTyped("username".into()));
    let named = judged(&with(r#""username":"ada""#), None).unwrap();
    assert_eq!((named.username(), named.is_jwt()), (Some("ada"), false));
}

#[test]
fn an_answer_about_a_jwt_is_about_the_same_token_where_both_say_something() {
    let jwt = judged(&with(r#""sub":"u","client_id":"c""#), None).unwrap();
    let end = NOW + 60;
    for (name, members, same) in [
        ("says nothing", "", true),
        ("all the same", &*format!(r#","sub":"u","client_id":"c","exp":{end}"#), true),
        ("another subject", r#","sub":"v""#, false),
        ("another client", r#","client_id":"d""#, false),
        ("another end", &*format!(r#","exp":{}"#, end + 1), false),
    ] {
        let told = judged(&format!(r#"{{"active":true{members}}}"#), Some(&jwt));
        match told {
            Ok(_) => assert!(same, "{name}"),
            Err(IntrospectionFault::OtherToken) => assert!(!same, "{name}"),
            Err(other) => panic!("{name}: {other:?}"),
        }
    }
    let elsewhere = judged(r#"{"active":true,"iss":"https://x.example"}"#, Some(&jwt));
    assert!(matches!(elsewhere, Err(IntrospectionFault::Claim(ClaimFault::IssuerMismatch))));
    let without_subject = judged(&with(r#""client_id":"c""#), None).unwrap();
    assert!(judged(r#"{"active":true,"sub":"u"}"#, Some(&without_subject)).is_ok());
}
