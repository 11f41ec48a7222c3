//! How a client says who it is, as its request shows it (RFC 6749 section 2.3, RFC 7521 section 4.2).
//!
//! Checks: there is one way of authentication; `client_id`, where given as well, is the same.
//! Does not check: whether it is true; [`authentication`](super::authentication) does.

use http::HeaderMap;
use http::header::AUTHORIZATION;

use super::form::Form;
use super::refusal::Refusal;

/// What a request shows.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Credentials<'a> {
    Secret {
        id: String,
        secret: String,
    },
    Assertion {
        id: Option<&'a str>,
        kind: &'a str,
        assertion: &'a str,
    },
    Bearer(&'a str),
    /// A `client_id` alone.
    Certificate(&'a str),
}

impl<'a> Credentials<'a> {
    /// The one way in which the client authenticates.
    ///
    /// # Errors
    /// [`Refusal::InvalidClient`] for none, [`Refusal::InvalidRequest`] for several.
    pub(super) fn of(headers: &'a HeaderMap, form: &'a Form) -> Result<Self, Refusal> {
        let id = form.text("client_id");
        let (secret, assertion) = (form.text("client_secret"), form.text("client_assertion"));
        let mut lines = headers.get_all(AUTHORIZATION).iter();
        match (lines.next(), lines.next(), secret, assertion) {
            (Some(line), None, None, None) => Self::of_header(line.to_str().unwrap_or_default(), id),
            (None, _, Some(secret), None) => Self::of_secret(id, secret),
            (None, _, None, Some(assertion)) => {
                let kind = form.text("client_assertion_type").unwrap_or_default();
                Ok(Self::Assertion { id, kind, assertion })
            }
            (None, _, None, None) => id.map(Self::Certificate).ok_or(Refusal::InvalidClient),
            _ => Err(Refusal::InvalidRequest),
        }
    }

    fn of_secret(id: Option<&str>, secret: &str) -> Result<Self, Refusal> {
        let id = id.ok_or(Refusal::InvalidClient)?.to_owned();
        Ok(Self::Secret { id, secret: secret.to_owned() })
    }

    fn of_header(line: &'a str, form_id: Option<&str>) -> Result<Self, Refusal> {
        let (scheme, text) = line.split_once(' ').ok_or(Refusal::InvalidClient)?;
        if scheme.eq_ignore_ascii_case("Bearer") {
            return Ok(Self::Bearer(text));
        }
        let basic = Some(text).filter(|_| scheme.eq_ignore_ascii_case("Basic"));
        let (id, secret) = basic.and_then(basic_pair).ok_or(Refusal::InvalidClient)?;
        match form_id {
            Some(other) if other != id => Err(Refusal::InvalidRequest),
            _ => Ok(Self::Secret { id, secret }),
        }
    }
}

/// Both halves are form-encoded before they are joined (RFC 6749 section 2.3.1, RFC 7617 section 2).
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

    fn shown(lines: &[&str], body: &str) -> Result<String, Refusal> {
        let mut request = Request::post("/").header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        for line in lines {
            request = request.header(AUTHORIZATION, *line);
        }
        let request = request.body(Bytes::copy_from_slice(body.as_bytes())).unwrap();
        Credentials::of(request.headers(), &Form::of(&request)?).map(|credentials| format!("{credentials:?}"))
    }

    #[test]
    fn none_or_several_ways_are_refused() {
        for (name, lines, body, refusal) in [
            ("nothing", &[][..], "token=a", Refusal::InvalidClient),
            ("a secret without a client", &[], "client_secret=s", Refusal::InvalidClient),
            ("another scheme", &["Digest abc"], "", Refusal::InvalidClient),
            ("a scheme alone", &["Basic"], "", Refusal::InvalidClient),
            ("no base64", &["Basic %%%"], "", Refusal::InvalidClient),
            ("no colon", &["Basic dGVzdA=="], "", Refusal::InvalidClient),
            ("not padded", &["Basic dGVzdC1hcGk6dGVzdC1zZWNyZXQ"], "", Refusal::InvalidClient),
            ("two headers", &[BASIC, BASIC], "", Refusal::InvalidRequest),
            ("header and secret", &[BASIC], "client_id=test-api&client_secret=s", Refusal::InvalidRequest),
            ("header and assertion", &[BASIC], "client_assertion=a", Refusal::InvalidRequest),
            ("bearer and secret", &["Bearer a"], "client_secret=s", Refusal::InvalidRequest),
            (
                "secret and assertion",
                &[],
                "client_id=a&client_secret=s&client_assertion=a",
                Refusal::InvalidRequest,
            ),
            ("header and another client", &[BASIC], "client_id=other", Refusal::InvalidRequest),
        ] {
            assert_eq!(shown(lines, body), Err(refusal), "{name}");
        }
    }

    #[test]
    fn each_way_alone_is_read() {
        let secret = |id: &str, secret: &str| {
            let (id, secret) = (id.to_owned(), secret.to_owned());
            format!("{:?}", Credentials::Secret { id, secret })
        };
        // Base64 of `a%3Ab:c%2B+%C3%A9`, with a colon, a plus, a space and an accent.
        let encoded = "basic YSUzQWI6YyUyQislQzMlQTk=";
        for (name, lines, body, expected) in [
            ("basic", &[BASIC][..], "", secret("test-api", "test-secret")),
            ("basic, and who", &[BASIC], "client_id=test-api", secret("test-api", "test-secret")),
            ("encoded", &[encoded], "", secret("a:b", "c+ \u{e9}")),
            ("post", &[], "client_id=a&client_secret=b%2B+c", secret("a", "b+ c")),
            ("bearer", &["bearer abc"], "", format!("{:?}", Credentials::Bearer("abc"))),
            ("certificate", &[], "client_id=a", format!("{:?}", Credentials::Certificate("a"))),
        ] {
            assert_eq!(shown(lines, body), Ok(expected), "{name}");
        }
        assert!(shown(&[], "client_assertion=a&client_assertion_type=b").is_ok());
    }
}
