//! Parses the client credentials of a request (RFC 6749 section 2.3, RFC 7521 section 4.2).
//!
//! Checks: the request has exactly one kind of credentials; `client_id` in the form, if present, matches
//! them.
//!
//! Does not check: the credentials themselves. `client_authentication.rs` does.

use http::HeaderMap;
use http::header::AUTHORIZATION;

use super::form::Form;
use super::oauth_error::OAuthError;

/// Unverified client credentials.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Credentials<'a> {
    /// `client_secret_basic` or `client_secret_post`.
    Secret { id: String, secret: String },
    /// `private_key_jwt`.
    Assertion { id: Option<&'a str>, kind: &'a str, assertion: &'a str },
    /// An access token (RFC 7662 section 2.1).
    Bearer(&'a str),
    /// `tls_client_auth`: a `client_id` and nothing else.
    Certificate(&'a str),
}

impl<'a> Credentials<'a> {
    /// Parses the only credentials of a request.
    ///
    /// # Errors
    /// [`OAuthError::InvalidClient`] if there are none, [`OAuthError::InvalidRequest`] if there are several.
    pub(super) fn parse(headers: &'a HeaderMap, form: &'a Form) -> Result<Self, OAuthError> {
        let id = form.text("client_id");
        let (secret, assertion) = (form.text("client_secret"), form.text("client_assertion"));
        let mut lines = headers.get_all(AUTHORIZATION).iter();
        match (lines.next(), lines.next(), secret, assertion) {
            (Some(line), None, None, None) => Self::from_header(line.to_str().unwrap_or_default(), id),
            (None, _, Some(secret), None) => Self::from_secret(id, secret),
            (None, _, None, Some(assertion)) => {
                let kind = form.text("client_assertion_type").unwrap_or_default();
                Ok(Self::Assertion { id, kind, assertion })
            }
            (None, _, None, None) => id.map(Self::Certificate).ok_or(OAuthError::InvalidClient),
            _ => Err(OAuthError::InvalidRequest),
        }
    }

    fn from_secret(id: Option<&str>, secret: &str) -> Result<Self, OAuthError> {
        let id = id.ok_or(OAuthError::InvalidClient)?.to_owned();
        Ok(Self::Secret { id, secret: secret.to_owned() })
    }

    fn from_header(line: &'a str, form_id: Option<&str>) -> Result<Self, OAuthError> {
        let (scheme, text) = line.split_once(' ').ok_or(OAuthError::InvalidClient)?;
        if scheme.eq_ignore_ascii_case("Bearer") {
            return Ok(Self::Bearer(text));
        }
        let basic = Some(text).filter(|_| scheme.eq_ignore_ascii_case("Basic"));
        let (id, secret) = basic.and_then(basic_pair).ok_or(OAuthError::InvalidClient)?;
        match form_id {
            Some(other) if other != id => Err(OAuthError::InvalidRequest),
            _ => Ok(Self::Secret { id, secret }),
        }
    }
}

/// Both parts are form-encoded before they are joined (RFC 6749 section 2.3.1, RFC 7617 section 2).
fn basic_pair(text: &str) -> Option<(String, String)> {
    let pair = String::from_utf8(base64_simd::STANDARD.decode_to_vec(text).ok()?).ok()?;
    let (id, secret) = pair.split_once(':')?;
    Some((form_decoded(id)?, form_decoded(secret)?))
}

fn form_decoded(text: &str) -> Option<String> {
    let field = format!("={text}");
    let mut fields = form_urlencoded::parse(field.as_bytes());
    let (_, decoded) = fields.next()?;
    fields.next().is_none().then(|| decoded.into_owned())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::Request;
    use http::header::CONTENT_TYPE;

    use super::*;

    /// Base64 of `test-api:test-secret`.
    const BASIC: &str = "Basic dGVzdC1hcGk6dGVzdC1zZWNyZXQ=";

    fn parse(lines: &[&str], body: &str) -> Result<String, OAuthError> {
        let mut request = Request::post("/").header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        for line in lines {
            request = request.header(AUTHORIZATION, *line);
        }
        let request = request.body(Bytes::copy_from_slice(body.as_bytes())).unwrap();
        Credentials::parse(request.headers(), &Form::parse(&request)?)
            .map(|credentials| format!("{credentials:?}"))
    }

    #[test]
    fn a_request_without_exactly_one_kind_of_credentials_is_rejected() {
        for (name, lines, body, error) in [
            ("nothing", &[][..], "token=a", OAuthError::InvalidClient),
            ("a secret without a client", &[], "client_secret=s", OAuthError::InvalidClient),
            ("another scheme", &["Digest abc"], "", OAuthError::InvalidClient),
            ("only a scheme", &["Basic"], "", OAuthError::InvalidClient),
            ("not base64", &["Basic %%%"], "", OAuthError::InvalidClient),
            ("no colon", &["Basic dGVzdA=="], "", OAuthError::InvalidClient),
            ("not padded", &["Basic dGVzdC1hcGk6dGVzdC1zZWNyZXQ"], "", OAuthError::InvalidClient),
            ("two headers", &[BASIC, BASIC], "", OAuthError::InvalidRequest),
            ("header and secret", &[BASIC], "client_id=test-api&client_secret=s", OAuthError::InvalidRequest),
            ("header and assertion", &[BASIC], "client_assertion=a", OAuthError::InvalidRequest),
            ("bearer and secret", &["Bearer a"], "client_secret=s", OAuthError::InvalidRequest),
            (
                "secret and assertion",
                &[],
                "client_id=a&client_secret=s&client_assertion=a",
                OAuthError::InvalidRequest,
            ),
            ("header and another client", &[BASIC], "client_id=other", OAuthError::InvalidRequest),
        ] {
            assert_eq!(parse(lines, body), Err(error), "{name}");
        }
    }

    #[test]
    fn each_kind_of_credentials_is_parsed() {
        let secret = |id: &str, secret: &str| {
            let (id, secret) = (id.to_owned(), secret.to_owned());
            format!("{:?}", Credentials::Secret { id, secret })
        };
        // Base64 of `a%3Ab:c%2B+%C3%A9`: a colon, a plus sign, a space and an accent.
        let encoded = "basic YSUzQWI6YyUyQislQzMlQTk=";
        for (name, lines, body, expected) in [
            ("basic", &[BASIC][..], "", secret("test-api", "test-secret")),
            ("basic and client_id", &[BASIC], "client_id=test-api", secret("test-api", "test-secret")),
            ("form-encoded", &[encoded], "", secret("a:b", "c+ \u{e9}")),
            ("post", &[], "client_id=a&client_secret=b%2B+c", secret("a", "b+ c")),
            ("bearer", &["bearer abc"], "", format!("{:?}", Credentials::Bearer("abc"))),
            ("certificate", &[], "client_id=a", format!("{:?}", Credentials::Certificate("a"))),
        ] {
            assert_eq!(parse(lines, body), Ok(expected), "{name}");
        }
        assert!(parse(&[], "client_assertion=a&client_assertion_type=b").is_ok());
    }
}
