//! The origin of a URL: scheme, host and port (RFC 6454 section 4).

use http::Uri;

use super::{FetchUrl, Host, PlainHttp, UrlFault};

/// Scheme, host and port, normalized: names in lower case, addresses by value, and the port of the scheme if
/// the URL has none.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Origin {
    is_https: bool,
    host: Box<str>,
    port: u16,
}

impl Origin {
    /// Parses an origin such as `https://login.example.com:8443`. A slash at its end is ignored.
    ///
    /// # Errors
    /// The fault, as a predicate for the text.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let url = FetchUrl::parse(text, PlainHttp::Anywhere).map_err(|fault| match fault {
            UrlFault::Insecure => "has another scheme than https and http",
            fault => fault.as_str(),
        })?;
        if !url.path().is_empty() || url.has_query() {
            return Err("has a path or a query");
        }
        Self::of(url.uri()).ok_or(UrlFault::Relative.as_str())
    }

    /// The origin of an absolute URL with the scheme https or http.
    pub(crate) fn of(uri: &Uri) -> Option<Self> {
        let (is_https, default_port) = match uri.scheme_str()? {
            "https" => (true, 443),
            "http" => (false, 80),
            _ => return None,
        };
        let host = match Host::parse(uri.host()?)? {
            Host::Name(name) => name.to_ascii_lowercase(),
            Host::V4(address) => address.to_string(),
            Host::V6(address) => address.to_string(),
        };
        Some(Self { is_https, host: host.into(), port: uri.port_u16().unwrap_or(default_port) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_equal_in_whatever_form_they_are_written() {
        let parse = |text| Origin::parse(text).unwrap();
        for (a, b) in [
            ("https://a.example", "https://a.example:443"),
            ("https://a.example/", "HTTPS://A.Example"),
            ("http://a.example", "http://a.example:80/"),
            ("https://[::1]:8443", "https://[0:0:0:0:0:0:0:1]:8443"),
        ] {
            assert_eq!(parse(a), parse(b), "{a} and {b}");
        }
        for (a, b) in [
            ("https://a.example", "http://a.example"),
            ("https://a.example", "https://a.example:80"),
            ("https://a.example", "https://b.example"),
            ("https://a.example", "https://a.example.evil.example"),
            ("https://a.example", "https://a.example."),
            ("https://localhost", "https://127.0.0.1"),
        ] {
            assert_ne!(parse(a), parse(b), "{a} and {b}");
        }
        let uri = "https://a.example/jwks?x=1".parse().unwrap();
        assert_eq!(Origin::of(&uri), Some(parse("https://a.example")));
    }
}
