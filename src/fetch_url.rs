//! URLs that may be fetched: `https`, and plain `http` for the loopback interface (RFC 8414 section 3
//! requires TLS).
//!
//! Does not normalize: issuer identifiers are compared code point by code point (RFC 7519 section 7.3, RFC
//! 8414 section 4).

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use http::Uri;

/// An absolute URL that may be fetched: `https`, or `http` where that is allowed.
#[derive(Clone, Eq, Hash, PartialEq)]
pub(crate) struct FetchUrl(Uri);

/// Why a string is not a [`FetchUrl`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum UrlFault {
    /// It is not an absolute URL with a host, or it has white space or characters outside ASCII.
    Relative,
    /// It has a fragment, a user name or a password.
    Decorated,
    /// It is neither `https` nor `http` to the loopback interface.
    Insecure,
}

impl UrlFault {
    /// The fault, as a predicate for the URL.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Relative => "is not an absolute URL such as https://login.example.com",
            Self::Decorated => "has a fragment, a user name or a password",
            Self::Insecure => "is not https (plain http is for loopback addresses only)",
        }
    }
}

/// Where plain `http` is allowed.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum PlainHttp {
    /// Only to the loopback interface.
    #[default]
    Loopback,
    /// To any host, by `dangerous_allow_http`.
    Anywhere,
}

impl FetchUrl {
    /// Parses `text`.
    ///
    /// # Errors
    /// The [`UrlFault`] that prevents fetching it.
    pub(crate) fn parse(text: &str, plain_http: PlainHttp) -> Result<Self, UrlFault> {
        let uri: Uri = text.parse().map_err(|_| UrlFault::Relative)?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(UrlFault::Relative);
        };
        if authority.host().is_empty() || authority.as_str().ends_with(':') {
            return Err(UrlFault::Relative);
        }
        // `Uri` drops a fragment silently.
        if text.contains('#') || authority.as_str().contains('@') {
            return Err(UrlFault::Decorated);
        }
        match scheme {
            "https" => Ok(Self(uri)),
            "http" if plain_http == PlainHttp::Anywhere || is_loopback(authority.host()) => Ok(Self(uri)),
            _ => Err(UrlFault::Insecure),
        }
    }

    /// The URL for an `http::Request`.
    pub(crate) fn uri(&self) -> &Uri {
        &self.0
    }

    /// Scheme, host and port, without a trailing slash.
    pub(crate) fn origin(&self) -> String {
        let scheme = self.0.scheme_str().unwrap_or_default();
        let authority = self.0.authority().map(http::uri::Authority::as_str).unwrap_or_default();
        format!("{scheme}://{authority}")
    }

    /// The path without a trailing slash. Empty for a bare host.
    pub(crate) fn path(&self) -> &str {
        self.0.path().trim_end_matches('/')
    }

    /// Whether it has a query.
    pub(crate) fn has_query(&self) -> bool {
        self.0.query().is_some()
    }
}

/// Omits the query, which may hold secrets.
impl fmt::Display for FetchUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.origin(), self.0.path())
    }
}

impl fmt::Debug for FetchUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FetchUrl({self})")
    }
}

/// A URL without what may be secret: user name, password, query and fragment. It need not be valid.
pub(crate) fn redacted(url: &str) -> String {
    let url = url.split(['?', '#']).next().unwrap_or_default();
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let host = rest.rsplit('@').next().unwrap_or_default();
    if scheme.is_empty() { host.to_owned() } else { format!("{scheme}://{host}") }
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || bare.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback())
        || bare.parse::<Ipv6Addr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_https_and_loopback_http_may_be_fetched() {
        for text in [
            "https://login.example.com",
            "https://login.example.com:8443/realms/a?x=1",
            "http://localhost:9000/a",
            "http://127.0.0.1",
            "http://127.9.9.9:1/",
            "http://[::1]:80/",
        ] {
            assert!(FetchUrl::parse(text, PlainHttp::Loopback).is_ok(), "{text}");
        }
        for (text, fault) in [
            ("http://login.example.com", UrlFault::Insecure),
            ("http://169.254.169.254/", UrlFault::Insecure),
            ("http://127.0.0.1.example.com/", UrlFault::Insecure),
            ("http://localhost.example.com/", UrlFault::Insecure),
            ("ftp://login.example.com", UrlFault::Insecure),
            ("https://a@b/", UrlFault::Decorated),
            ("https://login.example.com/#x", UrlFault::Decorated),
            ("https://", UrlFault::Relative),
            ("login.example.com", UrlFault::Relative),
            ("/realms/a", UrlFault::Relative),
            ("file:///etc/passwd", UrlFault::Relative),
            ("data:text/plain,{}", UrlFault::Relative),
            ("https://login.example.com/a b", UrlFault::Relative),
            ("https://b\u{fc}cher.example/", UrlFault::Relative),
            ("", UrlFault::Relative),
        ] {
            assert_eq!(FetchUrl::parse(text, PlainHttp::Loopback), Err(fault), "{text}");
        }
        assert!(FetchUrl::parse("http://keycloak:8080/", PlainHttp::Anywhere).is_ok());
        assert_eq!(FetchUrl::parse("ftp://keycloak/", PlainHttp::Anywhere), Err(UrlFault::Insecure));
    }

    #[test]
    fn the_query_of_a_url_is_not_displayed() {
        let url = FetchUrl::parse("https://h.example:1/a/?secret=1", PlainHttp::Loopback).unwrap();
        assert_eq!(url.to_string(), "https://h.example:1/a/");
        assert_eq!(format!("{url:?}"), "FetchUrl(https://h.example:1/a/)");
        assert_eq!((url.origin().as_str(), url.path()), ("https://h.example:1", "/a"));
    }
}
