//! The method, target and host of the request that a proxy asks about.
//!
//! Checks: each header is there once, and its value is valid. No header has a default: a request without it
//! is rejected, so that a proxy with a mistake in its configuration allows nothing.
//! Does not check: the address of the proxy.

use std::fmt;

use http::header::HOST;
use http::request::Parts;
use http::{HeaderMap, Method, Uri};

use crate::host::Host;

/// Where the proxy says which request it asks about.
#[derive(Clone, Debug)]
pub(crate) enum Mode {
    /// `X-Forwarded-Method`, `X-Forwarded-Uri` and `X-Forwarded-Host`: Caddy, HAProxy and Traefik.
    Forwarded,
    /// `X-Original-Method`, and `X-Original-URI` with `X-Original-Host`, or `X-Original-URL`: nginx.
    Original,
    /// The request itself, below a path prefix: Envoy.
    Envoy { path_prefix: String },
}

/// The request that the proxy asks about.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct OriginalHead {
    pub(crate) method: Method,
    /// The path, with or without a query, as the client sent it.
    pub(crate) target: String,
    pub(crate) host: Option<Host>,
}

/// Why the request of the proxy names no request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum ProxyFault {
    Missing(&'static str),
    Repeated(&'static str),
    Invalid(&'static str),
    /// Both `x-original-uri` and `x-original-url`.
    TwoTargets,
    /// The path is not below the prefix of the mode `envoy`.
    OutsidePrefix,
}

impl Mode {
    /// The header that names the host, for an error about its absence.
    pub(crate) fn host_header(&self) -> &'static str {
        match self {
            Self::Forwarded => "x-forwarded-host",
            Self::Original => "x-original-host",
            Self::Envoy { .. } => "host",
        }
    }

    /// The request that the proxy asks about, whose own request has this `head`.
    pub(crate) fn original(&self, head: &Parts) -> Result<OriginalHead, ProxyFault> {
        let headers = &head.headers;
        match self {
            Self::Forwarded => Ok(OriginalHead {
                method: method(headers, "x-forwarded-method")?,
                target: required(headers, "x-forwarded-uri")?.to_owned(),
                host: host(headers, "x-forwarded-host")?,
            }),
            Self::Original => original(headers),
            Self::Envoy { path_prefix } => envoy(head, path_prefix),
        }
    }
}

fn original(headers: &HeaderMap) -> Result<OriginalHead, ProxyFault> {
    const URL: &str = "x-original-url";
    let method = method(headers, "x-original-method")?;
    match (single(headers, "x-original-uri")?, single(headers, URL)?) {
        (Some(_), Some(_)) => Err(ProxyFault::TwoTargets),
        (None, None) => Err(ProxyFault::Missing("x-original-uri")),
        (Some(uri), None) => {
            Ok(OriginalHead { method, target: uri.to_owned(), host: host(headers, "x-original-host")? })
        }
        (None, Some(url)) => {
            let (authority, target) = split_url(url).ok_or(ProxyFault::Invalid(URL))?;
            let host = Host::parse(authority).ok_or(ProxyFault::Invalid(URL))?;
            Ok(OriginalHead { method, target: target.to_owned(), host: Some(host) })
        }
    }
}

/// Splits a URL into authority and target, without a change to either.
fn split_url(url: &str) -> Option<(&str, &str)> {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"))?;
    let authority = rest.split(['/', '?', '#', '\\']).next()?;
    Some((authority, rest.strip_prefix(authority)?))
}

fn envoy(head: &Parts, path_prefix: &str) -> Result<OriginalHead, ProxyFault> {
    let target = head.uri.path_and_query().map_or("", |target| target.as_str());
    let target = target.strip_prefix(path_prefix).ok_or(ProxyFault::OutsidePrefix)?;
    let host = match head.uri.authority() {
        Some(authority) => Some(Host::parse(authority.as_str()).ok_or(ProxyFault::Invalid("host"))?),
        None => host(&head.headers, HOST.as_str())?,
    };
    Ok(OriginalHead { method: unambiguous(head.method.clone(), ":method")?, target: target.to_owned(), host })
}

fn method(headers: &HeaderMap, name: &'static str) -> Result<Method, ProxyFault> {
    let method = required(headers, name)?.parse().map_err(|_| ProxyFault::Invalid(name))?;
    unambiguous(method, name)
}

/// Some services read `post` as `POST`, which would bypass a rule for `POST`.
fn unambiguous(method: Method, name: &'static str) -> Result<Method, ProxyFault> {
    let has_lower_case = method.as_str().bytes().any(|byte| byte.is_ascii_lowercase());
    if has_lower_case { Err(ProxyFault::Invalid(name)) } else { Ok(method) }
}

fn host(headers: &HeaderMap, name: &'static str) -> Result<Option<Host>, ProxyFault> {
    let value = single(headers, name)?;
    value.map(|value| Host::parse(value).ok_or(ProxyFault::Invalid(name))).transpose()
}

fn required<'h>(headers: &'h HeaderMap, name: &'static str) -> Result<&'h str, ProxyFault> {
    single(headers, name)?.ok_or(ProxyFault::Missing(name))
}

fn single<'h>(headers: &'h HeaderMap, name: &'static str) -> Result<Option<&'h str>, ProxyFault> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(ProxyFault::Repeated(name));
    }
    value.to_str().map(Some).map_err(|_| ProxyFault::Invalid(name))
}

impl OriginalHead {
    /// The target as a URI. `None` if it is invalid.
    pub(crate) fn uri(&self) -> Option<Uri> {
        self.target.parse().ok()
    }
}

impl fmt::Display for ProxyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(name) => write!(f, "the proxy sent no header {name}"),
            Self::Repeated(name) => write!(f, "the proxy sent the header {name} more than once"),
            Self::Invalid(name) => write!(f, "the value of the header {name} is invalid"),
            Self::TwoTargets => f.write_str("the proxy sent both x-original-uri and x-original-url"),
            Self::OutsidePrefix => f.write_str("the path does not start with envoy_path_prefix"),
        }
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn read(mode: &Mode, lines: &[(&'static str, &'static str)]) -> Result<OriginalHead, ProxyFault> {
        let request = Request::get("/check/of-proxy?x=1");
        let request = lines.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        mode.original(&request.body(()).unwrap().into_parts().0)
    }

    fn head(method: Method, target: &str, host: &str) -> OriginalHead {
        OriginalHead { method, target: target.to_owned(), host: Host::parse(host) }
    }

    const METHOD: (&str, &str) = ("x-original-method", "GET");
    const URI: (&str, &str) = ("x-original-uri", "/a");

    #[test]
    fn a_missing_or_repeated_header_of_the_proxy_is_a_fault() {
        let cases: [(&[_], _); 9] = [
            (&[], ProxyFault::Missing("x-original-method")),
            (&[METHOD], ProxyFault::Missing("x-original-uri")),
            (&[URI], ProxyFault::Missing("x-original-method")),
            (&[METHOD, METHOD, URI], ProxyFault::Repeated("x-original-method")),
            (&[METHOD, URI, URI], ProxyFault::Repeated("x-original-uri")),
            (&[METHOD, URI, ("x-original-url", "http://a/")], ProxyFault::TwoTargets),
            (&[("x-original-method", "get"), URI], ProxyFault::Invalid("x-original-method")),
            (&[("x-original-method", "GE T"), URI], ProxyFault::Invalid("x-original-method")),
            (&[METHOD, URI, ("x-original-host", "a, b")], ProxyFault::Invalid("x-original-host")),
        ];
        for (lines, fault) in cases {
            assert_eq!(read(&Mode::Original, lines), Err(fault), "{lines:?}");
        }
        let forwarded = [("x-forwarded-method", "GET")];
        assert_eq!(read(&Mode::Forwarded, &forwarded), Err(ProxyFault::Missing("x-forwarded-uri")));
        let other_mode = [("x-forwarded-method", "GET"), ("x-forwarded-uri", "/public")];
        assert_eq!(read(&Mode::Original, &other_mode), Err(ProxyFault::Missing("x-original-method")));
    }

    #[test]
    fn an_invalid_original_url_is_a_fault() {
        for url in ["/a", "ftp://a/b", "https://", "https:///a", "https://user@a/b", "https://a b/c"] {
            let result = read(&Mode::Original, &[METHOD, ("x-original-url", url)]);
            assert_eq!(result, Err(ProxyFault::Invalid("x-original-url")), "{url}");
        }
    }

    #[test]
    fn the_headers_of_the_mode_name_the_request() {
        let lines = [("x-original-method", "PUT"), ("x-original-url", "https://A:8443/b//c?d=/e")];
        assert_eq!(read(&Mode::Original, &lines), Ok(head(Method::PUT, "/b//c?d=/e", "a")));
        let lines = [
            ("x-forwarded-method", "PURGE"),
            ("x-forwarded-uri", "/b"),
            ("x-forwarded-host", "a.example.com"),
            ("x-original-method", "GET"),
        ];
        let purge = Method::from_bytes(b"PURGE").unwrap();
        assert_eq!(read(&Mode::Forwarded, &lines), Ok(head(purge, "/b", "a.example.com")));
    }

    #[test]
    fn envoy_sends_the_request_itself_below_the_prefix() {
        let mode = |prefix: &str| Mode::Envoy { path_prefix: prefix.to_owned() };
        let host = [("host", "a:80")];
        assert_eq!(read(&mode("/check"), &host), Ok(head(Method::GET, "/of-proxy?x=1", "a")));
        assert_eq!(read(&mode(""), &host), Ok(head(Method::GET, "/check/of-proxy?x=1", "a")));
        assert_eq!(read(&mode("/other"), &host), Err(ProxyFault::OutsidePrefix));
        let twice = [("host", "a"), ("host", "b")];
        assert_eq!(read(&mode(""), &twice), Err(ProxyFault::Repeated("host")));
    }
}
