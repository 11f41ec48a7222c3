//! The headers of a response that carry claims to your service.
//!
//! Checks: a value that is no header text, and a list that could be read in two ways, reject the request.
//! Why every header is always sent: the proxy copies it over what the client has sent. An absent claim makes
//! it empty.

use std::collections::BTreeMap;

use http::{HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;
use tower_bearer::AccessToken;

/// The headers, each with the name of a claim or a JSON Pointer.
#[derive(Debug, Default)]
pub(crate) struct ClaimHeaders(Vec<(HeaderName, String)>);

/// The claim for this header cannot be sent in one.
#[derive(Debug)]
pub(crate) struct UnusableClaim(pub(crate) HeaderName);

/// The kinds of claims that can be sent in a header.
#[derive(Deserialize)]
#[serde(untagged)]
enum ClaimText {
    /// `null`.
    Absent(()),
    Text(String),
    Flag(bool),
    Integer(i64),
    List(Vec<String>),
}

/// Headers with a meaning of their own for the proxy.
const RESERVED: [&str; 17] = [
    "authorization",
    "cache-control",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "date",
    "dpop-nonce",
    "host",
    "keep-alive",
    "location",
    "retry-after",
    "set-cookie",
    "te",
    "transfer-encoding",
    "upgrade",
    "www-authenticate",
];

const RESERVED_PREFIXES: [&str; 4] = ["proxy-", "x-auth-status", "x-forwarded-", "x-original-"];

impl ClaimHeaders {
    /// Checks the table `response_headers` of the configuration. Problems are added to `problems`.
    pub(crate) fn new(table: &BTreeMap<String, String>, problems: &mut Vec<String>) -> Self {
        let mut headers = Self::default();
        for (name, claim) in table {
            match parse_name(name) {
                Ok(_) if claim.is_empty() => {
                    problems.push(format!(
                        "response_headers.{name} is empty; hint: name a claim, such as \"sub\""
                    ));
                }
                Ok(name) if headers.0.iter().any(|(other, _)| *other == name) => {
                    problems.push(format!("response_headers has {name} twice, in different case"));
                }
                Ok(name) => headers.0.push((name, claim.clone())),
                Err(problem) => problems.push(format!("response_headers.{name} {problem}")),
            }
        }
        headers
    }

    /// Adds each header without a value.
    pub(crate) fn clear(&self, headers: &mut HeaderMap) {
        for (name, _) in &self.0 {
            headers.insert(name.clone(), HeaderValue::from_static(""));
        }
    }

    /// Adds each header, with the claim of `token` if there is one.
    pub(crate) fn write(&self, token: &AccessToken, headers: &mut HeaderMap) -> Result<(), UnusableClaim> {
        for (name, claim) in &self.0 {
            let value = token.claim(claim).map_or(Some(ClaimText::Absent(())), |value| value.to());
            let text = value.and_then(ClaimText::into_text);
            let value = text.and_then(|text| HeaderValue::from_bytes(text.as_bytes()).ok());
            headers.insert(name.clone(), value.ok_or_else(|| UnusableClaim(name.clone()))?);
        }
        Ok(())
    }
}

impl ClaimText {
    /// The text for a header. White space at its ends has no text: proxies remove it, which would make one
    /// user another. The items of a list are separated by commas, so an item with a comma has no text,
    /// either: it could be read as two.
    fn into_text(self) -> Option<String> {
        match self {
            Self::Absent(()) => Some(String::new()),
            Self::Text(text) => Some(text).filter(|text| text.trim() == text),
            Self::Flag(flag) => Some(flag.to_string()),
            Self::Integer(integer) => Some(integer.to_string()),
            Self::List(items) if items.iter().any(|item| item.contains(',') || item.trim() != item) => None,
            Self::List(items) => Some(items.join(",")),
        }
    }
}

/// # Errors
/// The end of a sentence that starts with the header.
fn parse_name(name: &str) -> Result<HeaderName, &'static str> {
    let parsed: HeaderName = name.parse().map_err(|_| "is no valid name of a header")?;
    let text = parsed.as_str();
    if RESERVED.contains(&text) || RESERVED_PREFIXES.iter().any(|prefix| text.starts_with(prefix)) {
        return Err("has a meaning of its own for proxies; hint: choose another name, such as x-user");
    }
    if text.contains('_') {
        return Err("has an underscore, and nginx drops such headers; hint: write - in place of _");
    }
    Ok(parsed)
}

#[cfg(test)]
mod tests {
    use serde::de::IntoDeserializer;
    use serde::de::value::{Error, SeqDeserializer};
    use tower_bearer::testing::TestIssuer;

    use super::*;

    fn headers(table: &[(&str, &str)]) -> (ClaimHeaders, Vec<String>) {
        let table = table.iter().map(|(name, claim)| ((*name).to_owned(), (*claim).to_owned())).collect();
        let mut problems = Vec::new();
        (ClaimHeaders::new(&table, &mut problems), problems)
    }

    #[test]
    fn headers_that_proxies_use_are_refused() {
        for name in ["Connection", "X-Forwarded-User", "x-original-uri", "proxy-user", "a b", "", "x_user"] {
            assert_eq!(headers(&[(name, "sub")]).1.len(), 1, "{name}");
        }
        assert_eq!(headers(&[("x-user", "")]).1.len(), 1);
        assert_eq!(headers(&[("x-user", "sub"), ("X-User", "email")]).1.len(), 1);
    }

    #[test]
    fn a_claim_that_is_no_header_text_is_an_error() {
        let issuer = TestIssuer::new();
        let (headers, _) = headers(&[("x-name", "name")]);
        for name in ["a\r\nx-admin: yes", "a\nb", "a\0b", "a\u{7f}", " a", "a\t"] {
            let token = issuer.token("api").claim("name", name).access_token().unwrap();
            let error = headers.write(&token, &mut HeaderMap::new()).unwrap_err();
            assert_eq!(error.0, "x-name", "{name:?}");
        }
    }

    #[test]
    fn a_list_with_a_comma_in_an_item_has_no_text() {
        let list = |items: &[&'static str]| {
            let items = SeqDeserializer::<_, Error>::new(items.iter().copied());
            ClaimText::deserialize(items.into_deserializer()).ok().and_then(ClaimText::into_text)
        };
        assert_eq!(list(&["a", "b,admin"]), None);
        assert_eq!(list(&["a", " admin"]), None);
        assert_eq!(list(&["a", "b c"]).as_deref(), Some("a,b c"));
    }

    #[test]
    fn absent_claims_give_empty_headers() {
        let token = TestIssuer::new().token("api").claim("level", 3).claim("nick", ());
        let token = token.access_token().unwrap();
        let (headers, _) = headers(&[("x-level", "level"), ("x-nick", "nick"), ("x-tenant", "/org/id")]);
        let mut written = HeaderMap::new();
        headers.write(&token, &mut written).unwrap();
        assert_eq!(written["x-nick"], "");
        assert_eq!(
            (&written["x-level"], &written["x-tenant"]),
            (&"3".parse().unwrap(), &"".parse().unwrap())
        );
    }
}
