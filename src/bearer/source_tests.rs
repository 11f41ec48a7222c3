//! Sources beside the header, enabled and not.

use http::{HeaderValue, Request};

use super::*;
use crate::bearer::credential::BearerToken;
use crate::bearer::credential::CredentialsFault::{Malformed, SeveralCredentials, TokenTooLarge};

const LIMIT: usize = 32;

type Found<'a> = Result<Option<&'a str>, CredentialsFault>;

fn head(method: &str, uri: &str, fields: &[(&str, &[u8])]) -> Parts {
    let mut request = Request::builder().method(method).uri(uri);
    for (name, value) in fields {
        request = request.header(*name, HeaderValue::from_bytes(value).unwrap());
    }
    request.body(()).unwrap().into_parts().0
}

fn assert_finds(name: &str, source: &TokenSource, parts: &Parts, expected: Found<'_>) {
    let found = source.find(parts, LIMIT).and_then(|credential| {
        credential
            .map(|credential| Ok(BearerToken::parse(credential.octets())?.as_str().to_owned()))
            .transpose()
    });
    assert_eq!(found, expected.map(|token| token.map(str::to_owned)), "{name}");
}

#[test]
fn a_cookie_holds_one_token() {
    let source = TokenSource::cookie("__Host-t");
    for (name, lines, expected) in [
        ("no cookie", &[][..], Ok(None)),
        ("alone", &[&b"__Host-t=a.b-c="[..]][..], Ok(Some("a.b-c="))),
        ("among others", &[b"a=b; __Host-t=abc; c=d"], Ok(Some("abc"))),
        ("without spaces", &[b"a=b;__Host-t=abc;c"], Ok(Some("abc"))),
        ("on a line of its own", &[b"a=b", b"__Host-t=abc"], Ok(Some("abc"))),
        ("space before the equals sign", &[b"__Host-t =abc"], Ok(Some("abc"))),
        ("another case", &[b"__host-t=abc; __HOST-T=abc"], Ok(None)),
        ("longer and shorter names", &[b"__Host-tt=abc; __Host-=abc; x__Host-t=abc"], Ok(None)),
        ("the name within a value", &[b"a=__Host-t=abc"], Ok(None)),
        ("other cookies that are odd", &[b"\xff\xfe; =; ;;a=\"b\"; __Host-t=abc"], Ok(Some("abc"))),
        ("twice in a line", &[b"__Host-t=abc; __Host-t=abc"], Err(SeveralCredentials)),
        ("twice on two lines", &[b"__Host-t=abc", b"__Host-t=def"], Err(SeveralCredentials)),
        ("twice, once empty", &[b"__Host-t; __Host-t=abc"], Err(SeveralCredentials)),
        ("no value", &[b"__Host-t="], Err(Malformed)),
        ("no equals sign", &[b"__Host-t"], Err(Malformed)),
        ("quoted", &[b"__Host-t=\"abc\""], Err(Malformed)),
        ("percent-encoded", &[b"__Host-t=a%2Bc"], Err(Malformed)),
        ("inner space", &[b"__Host-t=a b"], Err(Malformed)),
        ("space behind the equals sign", &[b"__Host-t= abc"], Err(Malformed)),
        ("with a scheme", &[b"__Host-t=Bearer abc"], Err(Malformed)),
        ("comma", &[b"__Host-t=abc,def"], Err(Malformed)),
        ("obs-text", &[b"__Host-t=ab\xe9"], Err(Malformed)),
        ("too long", &[b"__Host-t=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"], Err(TokenTooLarge)),
    ] {
        let fields: Vec<(&str, &[u8])> = lines.iter().map(|line| ("cookie", *line)).collect();
        assert_finds(name, &source, &head("GET", "/", &fields), expected);
    }
}

#[test]
fn a_query_holds_one_token() {
    for (name, uri, expected) in [
        ("no query", "/", Ok(None)),
        ("empty query", "/?", Ok(None)),
        ("alone", "/?access_token=a.b-c", Ok(Some("a.b-c"))),
        ("among others", "/?a=b&access_token=abc&c", Ok(Some("abc"))),
        ("encoded", "/?access_token=a%2Bb%2fc%3D", Ok(Some("a+b/c="))),
        ("encoded in full", "/?access_token=%61%62%63", Ok(Some("abc"))),
        ("encoded name", "/?access%5Ftoken=abc", Ok(Some("abc"))),
        ("bare padding", "/?access_token=abc==", Ok(Some("abc=="))),
        ("another name", "/?Access_Token=abc&token=abc&access_token2=abc", Ok(None)),
        ("in the path", "/access_token=abc", Ok(None)),
        ("a semicolon separates nothing", "/?a=b;access_token=abc", Ok(None)),
        ("twice", "/?access_token=abc&access_token=abc", Err(SeveralCredentials)),
        ("twice, once encoded", "/?access_token=abc&access%5ftoken=def", Err(SeveralCredentials)),
        ("twice, once empty", "/?access_token&access_token=abc", Err(SeveralCredentials)),
        ("no value", "/?access_token=", Err(Malformed)),
        ("no equals sign", "/?access_token", Err(Malformed)),
        ("a plus is a space", "/?access_token=a+b", Err(Malformed)),
        ("encoded space", "/?access_token=a%20b", Err(Malformed)),
        ("encoded line break", "/?access_token=abc%0d%0a", Err(Malformed)),
        ("encoded NUL", "/?access_token=abc%00", Err(Malformed)),
        ("encoded UTF-8", "/?access_token=%C3%A9", Err(Malformed)),
        ("encoded, no UTF-8", "/?access_token=ab%FF", Err(Malformed)),
        ("encoded twice", "/?access_token=a%252Bb", Err(Malformed)),
        ("broken encoding", "/?access_token=abc%2", Err(Malformed)),
        ("padding in the middle", "/?access_token=a=b", Err(Malformed)),
        ("too long", "/?access_token=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", Err(TokenTooLarge)),
    ] {
        assert_finds(name, &TokenSource::query(), &head("GET", uri, &[]), expected);
    }
}

#[test]
fn the_limit_is_one_of_the_decoded_token() {
    let encoded = |times: usize| head("GET", &format!("/?access_token={}", "%61".repeat(times)), &[]);
    assert!(TokenSource::query().find(&encoded(LIMIT), LIMIT).is_ok());
    assert_eq!(TokenSource::query().find(&encoded(LIMIT + 1), LIMIT), Err(TokenTooLarge));
}

#[test]
fn only_a_token_in_an_enabled_query_makes_the_response_private() {
    let with = head("GET", "/?access_token=abc", &[]);
    let without = head("GET", "/?a=b", &[]);
    assert!(is_in_query(&with, &[TokenSource::cookie("__Host-t"), TokenSource::query()]));
    assert!(!is_in_query(&with, &[]));
    assert!(!is_in_query(&with, &[TokenSource::cookie("__Host-t")]));
    assert!(!is_in_query(&without, &[TokenSource::query()]));
}

#[test]
fn another_header_holds_the_bare_token() {
    let source = TokenSource::header(HeaderName::from_static("x-token"));
    for (name, lines, expected) in [
        ("absent", &[][..], Ok(None)),
        ("bare", &[&b"a.b-c="[..]][..], Ok(Some("a.b-c="))),
        ("two lines", &[b"abc", b"abc"], Err(SeveralCredentials)),
        ("two lines, one empty", &[b"", b"abc"], Err(SeveralCredentials)),
        ("empty", &[b""], Err(Malformed)),
        ("with a scheme", &[b"Bearer abc"], Err(Malformed)),
        ("list", &[b"abc,def"], Err(Malformed)),
        ("trailing space", &[b"abc "], Err(Malformed)),
        ("obs-text", &[b"\xff"], Err(Malformed)),
        ("too long", &[b"\xffaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"], Err(TokenTooLarge)),
    ] {
        let fields: Vec<(&str, &[u8])> = lines.iter().map(|line| ("x-token", *line)).collect();
        assert_finds(name, &source, &head("GET", "/", &fields), expected);
    }
}

#[test]
fn a_subprotocol_holds_one_token() {
    let source = TokenSource::web_socket_protocol("token.");
    for (name, lines, expected) in [
        ("absent", &[][..], Ok(None)),
        ("others only", &[&b"chat, token, Token.abc, xtoken.abc"[..]][..], Ok(None)),
        ("alone", &[b"token.a.b-c"], Ok(Some("a.b-c"))),
        ("among others", &[b"chat,\ttoken.abc , mqtt"], Ok(Some("abc"))),
        ("on a line of its own", &[b"chat", b"token.abc"], Ok(Some("abc"))),
        ("twice", &[b"token.abc, token.abc"], Err(SeveralCredentials)),
        ("twice on two lines", &[b"token.abc", b"token.def"], Err(SeveralCredentials)),
        ("prefix alone", &[b"token., chat"], Err(Malformed)),
        ("inner space", &[b"token.a b"], Err(Malformed)),
        ("obs-text", &[b"token.\xe9"], Err(Malformed)),
        ("too long", &[b"token.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"], Err(TokenTooLarge)),
    ] {
        let mut fields: Vec<(&str, &[u8])> =
            lines.iter().map(|line| ("sec-websocket-protocol", *line)).collect();
        assert_finds(name, &source, &head("CONNECT", "example.com:443", &fields), expected);
        assert_finds("no upgrade", &source, &head("GET", "/", &fields), Ok(None));
        fields.push(("upgrade", b"WebSocket"));
        assert_finds(name, &source, &head("GET", "/", &fields), expected);
    }
}

#[test]
fn only_an_upgrade_to_websocket_is_one() {
    let source = TokenSource::web_socket_protocol("token.");
    for (upgrade, is_one) in [
        (&b"websocket"[..], true),
        (b"WEBSOCKET", true),
        (b"h2c, websocket", true),
        (b"h2c", false),
        (b"websockets", false),
        (b"websocket/13", false),
        (b"\xff", false),
        (b"", false),
    ] {
        let parts = head("GET", "/", &[("upgrade", upgrade), ("sec-websocket-protocol", b"token.abc")]);
        assert_finds("upgrade", &source, &parts, Ok(is_one.then_some("abc")));
    }
}

#[test]
fn a_source_that_cannot_be_safe_has_a_fault() {
    use SourceFault::{CookieNameMalformed, CookiePrefixMissing, HeaderReserved, ProtocolPrefixMalformed};
    for (source, fault) in [
        (TokenSource::query(), None),
        (TokenSource::cookie("__Host-access_token"), None),
        (TokenSource::cookie(String::from("__Secure-t")), None),
        (TokenSource::cookie("access_token"), Some(CookiePrefixMissing)),
        (TokenSource::cookie("__host-t"), Some(CookiePrefixMissing)),
        (TokenSource::cookie("__Host-"), Some(CookiePrefixMissing)),
        (TokenSource::cookie("__Secure-"), Some(CookiePrefixMissing)),
        (TokenSource::cookie(""), Some(CookieNameMalformed)),
        (TokenSource::cookie("__Host-a b"), Some(CookieNameMalformed)),
        (TokenSource::cookie("__Host-a=b"), Some(CookieNameMalformed)),
        (TokenSource::cookie("__Host-a;b"), Some(CookieNameMalformed)),
        (TokenSource::cookie("__Host-\u{e9}"), Some(CookieNameMalformed)),
        (TokenSource::header(HeaderName::from_static("x-token")), None),
        (TokenSource::header(AUTHORIZATION), Some(HeaderReserved)),
        (TokenSource::header(PROXY_AUTHORIZATION), Some(HeaderReserved)),
        (TokenSource::header(COOKIE), Some(HeaderReserved)),
        (TokenSource::web_socket_protocol("access_token."), None),
        (TokenSource::web_socket_protocol(""), Some(ProtocolPrefixMalformed)),
        (TokenSource::web_socket_protocol("a/"), Some(ProtocolPrefixMalformed)),
        (TokenSource::web_socket_protocol("a="), Some(ProtocolPrefixMalformed)),
        (TokenSource::web_socket_protocol("a!"), Some(ProtocolPrefixMalformed)),
        (TokenSource::web_socket_protocol("a, "), Some(ProtocolPrefixMalformed)),
        (TokenSource::web_socket_protocol("\u{e9}"), Some(ProtocolPrefixMalformed)),
    ] {
        assert_eq!(source.fault(), fault, "{source:?}");
    }
}
