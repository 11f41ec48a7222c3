//! Parses the form that a client posts (RFC 6749 sections 3.2 and 4.4.2).
//!
//! Checks: the content type; that no parameter but `resource` and `audience` is duplicated.
//!
//! Does not check: that the body is UTF-8. Invalid sequences are replaced.

use bytes::Bytes;
use http::Request;
use http::header::CONTENT_TYPE;

use super::oauth_error::OAuthError;

/// The decoded parameters in their original order.
pub(super) struct Form(Vec<(String, String)>);

impl Form {
    /// Parses the body of `request`. Ignores the query, and parameters without a value (RFC 6749 section
    /// 3.2).
    ///
    /// # Errors
    /// [`OAuthError::InvalidRequest`]: not a form, or a duplicate parameter.
    pub(super) fn parse(request: &Request<Bytes>) -> Result<Self, OAuthError> {
        if !is_form(request) {
            return Err(OAuthError::InvalidRequest);
        }
        let mut form = Self(Vec::new());
        for (name, value) in form_urlencoded::parse(request.body()).filter(|(_, value)| !value.is_empty()) {
            if form.text(&name).is_some() && !may_repeat(&name) {
                return Err(OAuthError::InvalidRequest);
            }
            form.0.push((name.into_owned(), value.into_owned()));
        }
        Ok(form)
    }

    /// The first value of a parameter.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// All values of a parameter.
    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(parameter, _)| parameter == name).map(|(_, value)| value.as_str())
    }
}

/// The token that a request is about (RFC 7662 section 2.1, RFC 7009 section 2.1, RFC 6749 section 6).
pub(super) fn token_of(request: &Request<Bytes>) -> Option<String> {
    let form = Form::parse(request).ok()?;
    form.text("token").or_else(|| form.text("refresh_token")).map(str::to_owned)
}

fn is_form(request: &Request<Bytes>) -> bool {
    let content_type = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = content_type.and_then(|value| value.split(';').next()).unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

/// Whether a parameter may be repeated (RFC 8707 section 2, RFC 8693 section 2.1).
fn may_repeat(name: &str) -> bool {
    matches!(name, "resource" | "audience")
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORM: &str = "application/x-www-form-urlencoded";

    fn form(content_type: &str, body: &'static str) -> Result<Form, OAuthError> {
        let request = Request::post("/token?token=query").header(CONTENT_TYPE, content_type);
        Form::parse(&request.body(Bytes::from_static(body.as_bytes())).unwrap())
    }

    #[test]
    fn a_body_that_is_not_a_form_or_repeats_a_parameter_is_rejected() {
        for (name, content_type, body) in [
            ("JSON", "application/json", "{}"),
            ("no content type", "", "a=b"),
            ("a duplicate parameter", FORM, "token=a&token=b"),
            ("a duplicate parameter and value", FORM, "token=a&x=y&token=a"),
        ] {
            assert_eq!(form(content_type, body).err(), Some(OAuthError::InvalidRequest), "{name}");
        }
    }

    #[test]
    fn parameters_of_the_body_are_decoded_and_the_query_is_ignored() {
        let form =
            form("Application/X-WWW-Form-Urlencoded; charset=utf-8", "a=%C3%A9+b&resource=x&resource=y&e=")
                .unwrap_or(Form(Vec::new()));
        assert_eq!(form.text("a"), Some("\u{e9} b"));
        assert_eq!(form.all("resource").collect::<Vec<_>>(), ["x", "y"]);
        assert_eq!((form.text("e"), form.text("token")), (None, None));
    }
}
