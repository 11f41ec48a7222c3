//! The form that a client posts (RFC 6749 sections 3.2 and 4.4.2).
//!
//! Checks: the content type; no parameter stands twice, but those that say what a token is for.
//! Does not check: that the body is UTF-8; what is not is replaced.

use bytes::Bytes;
use http::Request;
use http::header::CONTENT_TYPE;

use super::refusal::Refusal;

/// The parameters, decoded, in their order.
pub(super) struct Form(Vec<(String, String)>);

impl Form {
    /// The form in the body of `request`. Parameters without a value count as left out
    /// (RFC 6749 section 3.2); those of the URL are not looked at.
    ///
    /// # Errors
    /// [`Refusal::InvalidRequest`].
    pub(super) fn of(request: &Request<Bytes>) -> Result<Self, Refusal> {
        if !is_form(request) {
            return Err(Refusal::InvalidRequest);
        }
        let mut form = Self(Vec::new());
        for (name, value) in form_urlencoded::parse(request.body()).filter(|(_, value)| !value.is_empty()) {
            if form.text(&name).is_some() && !may_repeat(&name) {
                return Err(Refusal::InvalidRequest);
            }
            form.0.push((name.into_owned(), value.into_owned()));
        }
        Ok(form)
    }

    /// The (first) value of that parameter.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// All values of that parameter.
    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(its_name, _)| its_name == name).map(|(_, value)| value.as_str())
    }
}

fn is_form(request: &Request<Bytes>) -> bool {
    let content_type = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = content_type.and_then(|value| value.split(';').next()).unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

/// RFC 8707 section 2, RFC 8693 section 2.1.
fn may_repeat(name: &str) -> bool {
    matches!(name, "resource" | "audience")
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORM: &str = "application/x-www-form-urlencoded";

    fn form(content_type: &str, body: &'static str) -> Result<Form, Refusal> {
        let request = Request::post("/token?token=query").header(CONTENT_TYPE, content_type);
        Form::of(&request.body(Bytes::from_static(body.as_bytes())).unwrap())
    }

    #[test]
    fn what_is_no_form_or_repeats_a_parameter_is_refused() {
        for (name, content_type, body) in [
            ("JSON", "application/json", "{}"),
            ("no content type", "", "a=b"),
            ("a parameter twice", FORM, "token=a&token=b"),
            ("the same value twice", FORM, "token=a&x=y&token=a"),
        ] {
            assert_eq!(form(content_type, body).err(), Some(Refusal::InvalidRequest), "{name}");
        }
    }

    #[test]
    fn parameters_are_decoded_and_those_of_the_url_ignored() {
        let form =
            form("Application/X-WWW-Form-Urlencoded; charset=utf-8", "a=%C3%A9+b&resource=x&resource=y&e=")
                .unwrap_or(Form(Vec::new()));
        assert_eq!(form.text("a"), Some("\u{e9} b"));
        assert_eq!(form.all("resource").collect::<Vec<_>>(), ["x", "y"]);
        assert_eq!((form.text("e"), form.text("token")), (None, None));
    }
}
