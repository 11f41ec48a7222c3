//! A token in a form-encoded body (RFC 6750 section 2.2): which requests may carry one, and how it is parsed.
//!
//! Checks: the method; the content type; that the body is ASCII and has at most one `access_token`; the
//! grammar of the token.
//! Does not check: the size of the token; [`extract::find`](crate::bearer::extract::find) does.

use std::fmt;

use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderMap, Method};

use crate::bearer::credential::{BearerToken, CredentialsFault, only_one};
use crate::bearer::grammar::split_pair;

/// The result of parsing a request's body: a token, or why its credentials are rejected.
///
/// The type is private, so only this crate can put one into a request's extensions.
#[derive(Clone)]
pub(crate) struct FormCredential(pub(crate) Result<String, CredentialsFault>);

impl FormCredential {
    /// Parses `body`. `None` if it holds no token.
    pub(crate) fn in_body(body: &[u8]) -> Option<Self> {
        token(body).transpose().map(Self)
    }

    /// For a body above the size limit, which may hold a token.
    pub(crate) fn body_too_large() -> Self {
        Self(Err(CredentialsFault::BodyTooLarge))
    }
}

impl fmt::Debug for FormCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FormCredential(redacted)")
    }
}

/// Whether the body of this request is a form that may hold a token (RFC 6750 section 2.2). Its method
/// defines semantics for a body. Its only content type is `application/x-www-form-urlencoded` in ASCII or
/// UTF-8. It has no content coding.
pub(crate) fn carries_form(parts: &Parts) -> bool {
    [Method::POST, Method::PUT, Method::PATCH].contains(&parts.method)
        && !parts.headers.contains_key(CONTENT_ENCODING)
        && content_type(&parts.headers).is_some_and(is_form)
}

/// The token in `body`. `None` if it holds none, or is not ASCII.
///
/// # Errors
/// [`CredentialsFault::SeveralCredentials`] for a second `access_token`,
/// [`CredentialsFault::Malformed`] for a token that is no `b64token`.
pub(crate) fn token(body: &[u8]) -> Result<Option<String>, CredentialsFault> {
    if !body.is_ascii() {
        return Ok(None);
    }
    let tokens = form_urlencoded::parse(body).filter(|(name, _)| name == "access_token");
    let Some((_, token)) = only_one(tokens)? else {
        return Ok(None);
    };
    BearerToken::parse(token.as_bytes())?;
    Ok(Some(token.into_owned()))
}

fn content_type(headers: &HeaderMap) -> Option<&[u8]> {
    let line = only_one(headers.get_all(CONTENT_TYPE).into_iter()).ok()??;
    Some(line.as_bytes())
}

/// A quoted parameter that holds `;` is split here. A piece of it can only make this return `false`.
fn is_form(content_type: &[u8]) -> bool {
    let (essence, params) = split_pair(content_type, b';');
    let mut charsets = params.split(|byte| *byte == b';').filter_map(charset);
    essence.trim_ascii().eq_ignore_ascii_case(b"application/x-www-form-urlencoded")
        && charsets.next().is_none_or(is_ascii_compatible)
        && charsets.next().is_none()
}

fn charset(param: &[u8]) -> Option<&[u8]> {
    let (name, value) = split_pair(param, b'=');
    name.trim_ascii().eq_ignore_ascii_case(b"charset").then_some(value.trim_ascii_end())
}

fn is_ascii_compatible(charset: &[u8]) -> bool {
    let bare = match charset {
        [b'"', quoted @ .., b'"'] => quoted,
        _ => charset,
    };
    bare.eq_ignore_ascii_case(b"utf-8") || bare.eq_ignore_ascii_case(b"us-ascii")
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn head(method: &str, fields: &[(&str, &str)]) -> Parts {
        let mut request = Request::builder().method(method);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn only_one_plain_form_may_hold_a_token() {
        const FORM: &str = "application/x-www-form-urlencoded";
        for (name, content_type, expected) in [
            ("bare", FORM, true),
            ("another case", "Application/X-WWW-Form-Urlencoded", true),
            ("UTF-8", "application/x-www-form-urlencoded; charset=UTF-8", true),
            ("quoted", "application/x-www-form-urlencoded ;charset=\"utf-8\"", true),
            ("ASCII", "application/x-www-form-urlencoded;CHARSET=us-ascii;x=y", true),
            ("empty parameter", "application/x-www-form-urlencoded;", true),
            ("UTF-16", "application/x-www-form-urlencoded; charset=utf-16", false),
            ("Latin-1", "application/x-www-form-urlencoded; x=y; charset=iso-8859-1", false),
            ("charset twice", "application/x-www-form-urlencoded; charset=utf-8; charset=utf-8", false),
            ("empty charset", "application/x-www-form-urlencoded; charset=", false),
            ("a charset inside quotes", "application/x-www-form-urlencoded; x=\";charset=utf-16\"", false),
            ("multipart", "multipart/form-data; boundary=x", false),
            ("JSON", "application/json", false),
            ("text", "text/plain", false),
            ("two in one line", "application/x-www-form-urlencoded, text/plain", false),
            ("longer", "application/x-www-form-urlencoded2", false),
            ("empty", "", false),
        ] {
            assert_eq!(carries_form(&head("POST", &[("content-type", content_type)])), expected, "{name}");
        }
        let form = ("content-type", FORM);
        assert!(!carries_form(&head("POST", &[])));
        assert!(!carries_form(&head("POST", &[form, form])));
        assert!(!carries_form(&head("POST", &[form, ("content-encoding", "gzip")])));
        for method in ["PUT", "PATCH"] {
            assert!(carries_form(&head(method, &[form])), "{method}");
        }
        for method in ["GET", "HEAD", "OPTIONS", "TRACE", "CONNECT", "DELETE", "post", "ANY"] {
            assert!(!carries_form(&head(method, &[form])), "{method}");
        }
    }

    #[test]
    fn a_body_holds_one_well_formed_token_or_none() {
        use CredentialsFault::{Malformed, SeveralCredentials};
        for (name, body, expected) in [
            ("empty", &b""[..], Ok(None)),
            ("alone", b"access_token=a.b-c", Ok(Some("a.b-c"))),
            ("among others", b"x=1&access_token=abc&y=", Ok(Some("abc"))),
            ("encoded", b"access_token=a%2Bb%2fc%3D", Ok(Some("a+b/c="))),
            ("encoded name", b"access%5Ftoken=abc", Ok(Some("abc"))),
            ("another name", b"Access_Token=a&access_tokens=b&xaccess_token=c", Ok(None)),
            ("not ASCII", b"x=\xe9&access_token=abc", Ok(None)),
            ("twice", b"access_token=a&access_token=a", Err(SeveralCredentials)),
            ("twice, once encoded", b"access_token=a&access%5ftoken=a", Err(SeveralCredentials)),
            ("twice, once empty", b"access_token=a&access_token", Err(SeveralCredentials)),
            ("no value", b"access_token=", Err(Malformed)),
            ("no equals sign", b"access_token", Err(Malformed)),
            ("space", b"access_token=a+b", Err(Malformed)),
            ("decodes to no ASCII", b"access_token=a%C3%A9", Err(Malformed)),
            ("decodes to no UTF-8", b"access_token=a%E9", Err(Malformed)),
            ("line break", b"access_token=abc\r\n", Err(Malformed)),
        ] {
            let found = token(body);
            assert_eq!(found.as_ref().map(|token| token.as_deref()), expected.as_ref().copied(), "{name}");
        }
    }

    #[test]
    fn debug_does_not_show_the_token() {
        let found = FormCredential::in_body(b"access_token=secret").unwrap();
        assert_eq!(format!("{found:?}"), "FormCredential(redacted)");
        assert!(FormCredential::in_body(b"x=1").is_none());
    }
}
