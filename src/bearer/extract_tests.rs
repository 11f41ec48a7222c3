//! The places a credential may stand in, good and bad, one by one.

use http::{HeaderValue, Request};

use super::*;
use crate::bearer::credential::BearerToken;
use crate::bearer::credential::CredentialsFault::{
    BodyTooLarge, Malformed, SeveralCredentials, TokenTooLarge,
};
use crate::bearer::scheme::Scheme;

const LIMIT: usize = 64;

fn head(fields: &[(&str, &[u8])]) -> Parts {
    let mut request = Request::builder().uri("/?access_token=from-query");
    for (name, value) in fields {
        request = request.header(*name, HeaderValue::from_bytes(value).unwrap());
    }
    request.body(()).unwrap().into_parts().0
}

fn found(parts: &Parts, sources: &[TokenSource]) -> Result<Option<String>, CredentialsFault> {
    let credential = find(parts, sources, Schemes::Bearer, LIMIT)?;
    credential.map(|credential| Ok(BearerToken::parse(credential.octets())?.as_str().to_owned())).transpose()
}

fn scheme(value: &[u8], schemes: Schemes) -> Result<Option<Scheme>, CredentialsFault> {
    let parts = head(&[("authorization", value)]);
    let credential = find(&parts, &[], schemes, LIMIT)?;
    Ok(credential.map(|credential| credential.scheme()))
}

fn authorization(value: &[u8]) -> Result<Option<String>, CredentialsFault> {
    found(&head(&[("authorization", value)]), &[])
}

#[test]
fn no_credentials_and_other_schemes_are_not_ours() {
    assert_eq!(found(&head(&[]), &[]), Ok(None));
    for value in [
        &b"Basic dXNlcjpwYXNz"[..],
        b"Basic",
        b"Negotiate ",
        b"DPoP abc",
        b"BearerX abc",
        b"Bearer-Token abc",
        b"abc",
        b"Digest username=\"\xc3\xa9\", a=b",
        b"Basic \xff",
    ] {
        assert_eq!(authorization(value), Ok(None), "{}", value.escape_ascii());
    }
}

#[test]
fn only_accepted_schemes_are_ours() {
    for (value, of_bearer, of_dpop) in [
        (&b"Bearer abc"[..], Some(Scheme::Bearer), None),
        (b"bEARER abc", Some(Scheme::Bearer), None),
        (b"DPoP abc", None, Some(Scheme::Dpop)),
        (b"dpop  abc", None, Some(Scheme::Dpop)),
        (b"DPoPX abc", None, None),
        (b"DPo abc", None, None),
        (b"Basic abc", None, None),
    ] {
        let name = value.escape_ascii();
        assert_eq!(scheme(value, Schemes::Bearer), Ok(of_bearer), "{name}");
        assert_eq!(scheme(value, Schemes::Dpop), Ok(of_dpop), "{name}");
        assert_eq!(scheme(value, Schemes::BearerAndDpop), Ok(of_bearer.or(of_dpop)), "{name}");
    }
    for value in [&b"DPoP"[..], b"DPoP,", b"DPoP\tabc"] {
        assert_eq!(scheme(value, Schemes::BearerAndDpop), Err(Malformed), "{}", value.escape_ascii());
    }
    let long = [b"DPoP ", "x".repeat(LIMIT + 1).as_bytes()].concat();
    assert_eq!(scheme(&long, Schemes::BearerAndDpop), Err(TokenTooLarge));
}

#[test]
fn a_proxys_credentials_are_never_looked_at() {
    let proxy = ("proxy-authorization", &b"Bearer abc"[..]);
    assert_eq!(found(&head(&[proxy, proxy]), &[]), Ok(None));
    assert_eq!(found(&head(&[proxy, ("authorization", b"Bearer x")]), &[]), Ok(Some("x".to_owned())));
}

#[test]
fn a_well_formed_token_is_found() {
    for (value, token) in [
        (&b"Bearer abc"[..], "abc"),
        (b"bearer abc", "abc"),
        (b"BEARER abc", "abc"),
        (b"bEaReR abc", "abc"),
        (b"Bearer  abc", "abc"),
        (b"Bearer        a.b-c_d~e+f/g==", "a.b-c_d~e+f/g=="),
        (b"Bearer 0", "0"),
    ] {
        assert_eq!(authorization(value), Ok(Some(token.to_owned())), "{}", value.escape_ascii());
    }
}

#[test]
fn what_does_not_follow_the_grammar_is_malformed() {
    for (name, value) in [
        ("empty", &b""[..]),
        ("a space", b" "),
        ("leading space", b" Bearer abc"),
        ("leading tab", b"\tBearer abc"),
        ("no token", b"Bearer"),
        ("no token but a space", b"Bearer "),
        ("no token but spaces", b"Bearer   "),
        ("tab for the space", b"Bearer\tabc"),
        ("tab behind the space", b"Bearer \tabc"),
        ("trailing space", b"Bearer abc "),
        ("trailing tab", b"Bearer abc\t"),
        ("inner space", b"Bearer abc def"),
        ("twice in one line", b"Bearer abc, Bearer def"),
        ("comma list", b"Bearer abc,def"),
        ("comma behind the scheme", b"Bearer, abc"),
        ("trailing comma", b"Bearer abc,"),
        ("auth-param", b"Bearer token=\"abc\""),
        ("quoted", b"Bearer \"abc\""),
        ("padding in the middle", b"Bearer a=b"),
        ("padding alone", b"Bearer =="),
        ("percent sign", b"Bearer a%20b"),
        ("colon", b"Bearer a:b"),
        ("backslash", b"Bearer a\\b"),
        ("UTF-8", b"Bearer caf\xc3\xa9"),
        ("obs-text first", b"Bearer \x80abc"),
        ("obs-text last", b"Bearer abc\xff"),
        ("obs-text for the space", b"Bearer\xa0abc"),
        ("obs-text for the scheme", b"\xff\xfe abc"),
        ("obs-text in the scheme", b"Bear\xe9r abc"),
        ("no scheme name", b"=abc"),
        ("separator in the scheme name", b"Bea(rer abc"),
        ("colon behind the scheme name", b"Bearer: abc"),
        ("a scheme name without end", &[b'a'; 8192]),
    ] {
        assert_eq!(authorization(value), Err(Malformed), "{name}");
    }
}

#[test]
fn no_octet_in_any_place_is_taken_for_another() {
    for octet in (0..=u8::MAX).filter(|octet| HeaderValue::from_bytes(&[*octet]).is_ok()) {
        let in_token = authorization(&[b"Bearer a", &[octet][..], b"b"].concat());
        let allowed = octet.is_ascii_alphanumeric() || b"-._~+/".contains(&octet);
        assert_eq!(in_token.is_ok(), allowed, "in the token: {octet:#x}");
        let as_space = authorization(&[b"Bearer", &[octet][..], b"abc"].concat());
        assert_eq!(as_space.is_ok_and(|token| token.is_some()), octet == b' ', "for the space: {octet:#x}");
    }
}

#[test]
fn a_second_line_is_refused_whatever_it_holds() {
    let line = |value: &'static [u8]| ("authorization", value);
    for (name, fields) in [
        ("the same", [line(b"Bearer abc"), line(b"Bearer abc")]),
        ("another", [line(b"Bearer abc"), line(b"Bearer def")]),
        ("another scheme behind", [line(b"Bearer abc"), line(b"Basic abc")]),
        ("another scheme before", [line(b"Basic abc"), line(b"Bearer abc")]),
        ("two other schemes", [line(b"Basic abc"), line(b"Negotiate abc")]),
        ("an empty line", [line(b""), line(b"Bearer abc")]),
    ] {
        assert_eq!(found(&head(&fields), &[]), Err(SeveralCredentials), "{name}");
    }
}

#[test]
fn a_token_over_the_limit_is_refused_unread() {
    let value = |padding: &str, token_bytes: usize, end: &str| {
        format!("Bearer{padding}{}{end}", "a".repeat(token_bytes)).into_bytes()
    };
    assert!(authorization(&value(" ", LIMIT, "")).is_ok());
    assert_eq!(authorization(&value(" ", LIMIT + 1, "")), Err(TokenTooLarge));
    assert_eq!(authorization(&value(" ", LIMIT, "\"")), Err(TokenTooLarge));
    assert_eq!(authorization(&value("  ", LIMIT, "")), Err(TokenTooLarge));
    assert_eq!(authorization(&value(&" ".repeat(1 << 20), 1, "")), Err(TokenTooLarge));
    assert_eq!(authorization(&value(" ", 1 << 20, "\t")), Err(TokenTooLarge));
}

#[test]
fn a_second_transmission_method_is_refused_even_when_equal() {
    let cookie = || TokenSource::cookie("__Host-t");
    let x_token = || TokenSource::header(http::HeaderName::from_static("x-token"));
    let in_header = ("authorization", &b"Bearer abc"[..]);
    let in_cookie = ("cookie", &b"__Host-t=abc"[..]);
    let in_x_token = ("x-token", &b"abc"[..]);
    for (name, fields, sources) in [
        ("header and cookie", &[in_header, in_cookie][..], &[cookie()][..]),
        ("header and other header", &[in_header, in_x_token], &[x_token()]),
        ("header and query", &[in_header], &[TokenSource::query()]),
        ("cookie and other header", &[in_cookie, in_x_token], &[cookie(), x_token()]),
        ("query and cookie", &[in_cookie], &[TokenSource::query(), cookie()]),
    ] {
        assert_eq!(found(&head(fields), sources), Err(SeveralCredentials), "{name}");
        assert!(found(&head(fields), &[]).is_ok(), "{name}: not enabled");
    }
    let basic = ("authorization", &b"Basic abc"[..]);
    assert_eq!(found(&head(&[basic, in_cookie]), &[cookie()]), Ok(Some("abc".to_owned())));
}

#[test]
fn what_the_form_layer_found_counts_as_a_method() {
    let with_form = |fields: &[(&str, &[u8])], form: Result<&str, CredentialsFault>| {
        let mut parts = head(fields);
        parts.extensions.insert(FormCredential(form.map(str::to_owned)));
        found(&parts, &[])
    };
    let in_header = ("authorization", &b"Bearer abc"[..]);
    assert_eq!(with_form(&[], Ok("abc")), Ok(Some("abc".to_owned())));
    assert_eq!(with_form(&[in_header], Ok("abc")), Err(SeveralCredentials));
    assert_eq!(with_form(&[], Ok(&"a".repeat(LIMIT + 1))), Err(TokenTooLarge));
    for fault in [Malformed, SeveralCredentials, BodyTooLarge] {
        assert_eq!(with_form(&[], Err(fault)), Err(fault));
        assert_eq!(with_form(&[in_header], Err(fault)), Err(fault));
    }
}
