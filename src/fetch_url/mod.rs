//! URLs that may be fetched: `https`, and plain `http` for the loopback interface (RFC 8414 section 3
//! requires TLS).
//!
//! Checks: scheme, host and port; that there is neither a user name nor a fragment. For an endpoint from
//! metadata: that it is not less secure than its issuer, and that its host is allowed.
//! Does not normalize: issuer identifiers are compared code point by code point (RFC 7519 section 7.3, RFC
//! 8414 section 4).

mod address;
mod difference;
mod endpoint_hosts;
mod host;
mod origin;

use std::error::Error;
use std::fmt;

use http::Uri;

pub(crate) use address::AddressPolicy;
pub use address::is_public_address;
pub(crate) use difference::Difference;
pub use endpoint_hosts::EndpointHosts;
pub(crate) use host::Host;
pub(crate) use origin::Origin;

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
    /// URL parsers read its host or its port differently.
    Ambiguous,
    /// It is neither `https` nor `http` to the loopback interface.
    Insecure,
    /// It is an endpoint with `http`, and its issuer has `https`.
    Downgraded,
    /// It is an endpoint on a host that [`EndpointHosts`] does not allow.
    HostNotAllowed,
}

impl UrlFault {
    /// The fault, as a predicate for the URL.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Relative => {
                "is not an absolute ASCII URL without white space, such as https://login.example.com"
            }
            Self::Decorated => "has a fragment, a user name or a password",
            Self::Ambiguous => "has an invalid host or port (write IPv4 addresses as four decimal numbers)",
            Self::Insecure => "is not https (plain http is for loopback addresses only)",
            Self::Downgraded => "is not https, but its issuer is",
            Self::HostNotAllowed => "is on a host that endpoint_hosts does not allow",
        }
    }
}

/// For an error whose text names the URL.
impl fmt::Display for UrlFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the URL {}", self.as_str())
    }
}

impl Error for UrlFault {}

/// Where plain `http` is allowed.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
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
        let port = authority.as_str().strip_prefix(authority.host());
        let host = Host::parse(authority.host()).filter(|_| port.is_some_and(is_port));
        let host = host.ok_or(UrlFault::Ambiguous)?;
        match scheme {
            "https" => Ok(Self(uri)),
            "http" if plain_http == PlainHttp::Anywhere || host.is_loopback() => Ok(Self(uri)),
            _ => Err(UrlFault::Insecure),
        }
    }

    /// Parses the URL of an endpoint that the metadata of the issuer at `issuer` names.
    ///
    /// # Errors
    /// The [`UrlFault`] that prevents fetching it.
    pub(crate) fn parse_endpoint(
        text: &str,
        issuer: &Self,
        plain_http: PlainHttp,
        hosts: &EndpointHosts,
    ) -> Result<Self, UrlFault> {
        let url = Self::parse(text, plain_http)?;
        if plain_http != PlainHttp::Anywhere && issuer.is_https() && !url.is_https() {
            return Err(UrlFault::Downgraded);
        }
        let is_allowed = url.host().zip(issuer.host()).is_some_and(|(host, own)| hosts.allow(host, own));
        if is_allowed { Ok(url) } else { Err(UrlFault::HostNotAllowed) }
    }

    /// The URL for an `http::Request`.
    pub(crate) fn uri(&self) -> &Uri {
        &self.0
    }

    /// The host. Every URL that may be fetched has one.
    pub(crate) fn host(&self) -> Option<Host<'_>> {
        self.0.host().and_then(Host::parse)
    }

    /// Whether it has this host.
    pub(crate) fn is_on(&self, host: &str) -> bool {
        self.host().zip(Host::parse(host)).is_some_and(|(own, host)| own.equals(host))
    }

    fn is_https(&self) -> bool {
        self.0.scheme_str() == Some("https")
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

/// Whether `text`, the rest of an authority after its host, is empty or a port.
fn is_port(text: &str) -> bool {
    match text.strip_prefix(':') {
        Some(digits) => digits.bytes().all(|octet| octet.is_ascii_digit()) && digits.parse::<u16>().is_ok(),
        None => text.is_empty(),
    }
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
            ("http://localhost./", UrlFault::Insecure),
            ("http://[::ffff:127.0.0.1]/", UrlFault::Insecure),
            ("http://[::]/", UrlFault::Insecure),
            ("http://0.0.0.0/", UrlFault::Insecure),
            ("ftp://login.example.com", UrlFault::Insecure),
            ("http://2130706433/", UrlFault::Ambiguous),
            ("http://0177.0.0.1/", UrlFault::Ambiguous),
            ("http://0x7f.0.0.1/", UrlFault::Ambiguous),
            ("http://127.1/", UrlFault::Ambiguous),
            ("https://127.0.0.1./", UrlFault::Ambiguous),
            ("https://a..b/", UrlFault::Ambiguous),
            ("https://login.example.com:99999/", UrlFault::Ambiguous),
            ("https://login.example.com:+80/", UrlFault::Ambiguous),
            ("http://localhost:80@evil.example/", UrlFault::Decorated),
            ("http://localhost@evil.example/", UrlFault::Decorated),
            ("http://localhost%40evil.example/", UrlFault::Relative),
            ("https://login.example.com\\.evil.example/", UrlFault::Relative),
            ("https://login.example.com\t.evil.example/", UrlFault::Relative),
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
    fn accepted_url_has_the_same_host_for_the_http_client() {
        for text in [
            "https://LOGIN.example.com:8443/a?x=1",
            "https://xn--bcher-kva.example/",
            "https://my_keycloak/",
            "https://login.example.com./",
            "https://4.example/",
            "http://127.9.9.9:1/",
            "http://[::1]:80/",
        ] {
            let ours = FetchUrl::parse(text, PlainHttp::Loopback).unwrap();
            assert_eq!(ours.uri().to_string().parse::<Uri>().unwrap().host(), ours.uri().host());
            #[cfg(feature = "reqwest")]
            {
                let theirs = reqwest::Url::parse(&ours.uri().to_string()).unwrap();
                let host = ours.uri().host().unwrap().to_ascii_lowercase();
                assert_eq!(theirs.host_str(), Some(&*host), "{text}");
                let port = ours.uri().port_u16().unwrap_or_else(|| if ours.is_https() { 443 } else { 80 });
                assert_eq!(theirs.port_or_known_default(), Some(port), "{text}");
            }
        }
    }

    #[test]
    fn endpoint_is_plain_http_only_if_the_issuer_is() {
        let parse = |text, issuer, plain_http| {
            let issuer = FetchUrl::parse(issuer, PlainHttp::Anywhere).unwrap();
            FetchUrl::parse_endpoint(text, &issuer, plain_http, &EndpointHosts::any()).map(drop)
        };
        for text in ["http://localhost/keys", "http://127.0.0.1:8080/keys", "http://[::1]/keys"] {
            let downgraded = parse(text, "https://login.example.com", PlainHttp::Loopback);
            assert_eq!(downgraded, Err(UrlFault::Downgraded), "{text}");
            assert_eq!(
                parse(text, "https://localhost", PlainHttp::Loopback),
                Err(UrlFault::Downgraded),
                "{text}"
            );
            assert_eq!(parse(text, "http://127.0.0.1:9000", PlainHttp::Loopback), Ok(()), "{text}");
            assert_eq!(parse(text, "https://login.example.com", PlainHttp::Anywhere), Ok(()), "{text}");
        }
        let insecure = parse("http://keys.example.com", "http://127.0.0.1", PlainHttp::Loopback);
        assert_eq!(insecure, Err(UrlFault::Insecure));
        assert_eq!(parse("https://keys.example.com", "http://127.0.0.1", PlainHttp::Loopback), Ok(()));
    }

    #[test]
    fn the_query_of_a_url_is_not_displayed() {
        let url = FetchUrl::parse("https://h.example:1/a/?secret=1", PlainHttp::Loopback).unwrap();
        assert_eq!(url.to_string(), "https://h.example:1/a/");
        assert_eq!(format!("{url:?}"), "FetchUrl(https://h.example:1/a/)");
        assert_eq!((url.origin().as_str(), url.path()), ("https://h.example:1", "/a"));
    }
}
