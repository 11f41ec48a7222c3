//! The places beside the `Authorization` header that a token may be taken from, each by opting in.
//!
//! Query: RFC 6750 section 2.3. Cookie, other header and WebSocket subprotocol are no transmission
//! methods of RFC 6750: a client has to be told of them.
//!
//! Checks: that a source holds one token at most, and its size.
//! Does not check: that a cookie came without cross-site forgery; see [`TokenSource::cookie`].

use std::borrow::Cow;
use std::fmt;

use http::header::{AUTHORIZATION, COOKIE, Entry, PROXY_AUTHORIZATION, SEC_WEBSOCKET_PROTOCOL, UPGRADE};
use http::request::Parts;
use http::{HeaderMap, HeaderName, Method};

use crate::bearer::credential::{Credential, CredentialsFault, only_one};
use crate::bearer::grammar::{is_b64token, is_token, list_members, split_pair};

/// A place that a token may be taken from, beside the `Authorization` header.
///
/// None is looked at unless it was enabled. A token in an enabled source is judged exactly as one in
/// the `Authorization` header; a request that uses two places at once is refused with 400
/// `invalid_request` (RFC 6750 section 3.1), even when both hold the same token.
///
/// ```
/// use tower_bearer::TokenSource;
///
/// let for_browsers = TokenSource::cookie("__Host-access_token");
/// let for_sockets = TokenSource::web_socket_protocol("access_token.");
/// # let _ = (for_browsers, for_sockets);
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TokenSource(Kind);

#[derive(Clone, Debug, Eq, PartialEq)]
enum Kind {
    Cookie(String),
    Header(HeaderName),
    Query,
    WebSocketProtocol(String),
}

/// What is wrong with a [`TokenSource`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum SourceFault {
    /// It is no name that a cookie can have (RFC 6265 section 4.1.1).
    CookieNameMalformed,
    /// The cookie's name does not make the browser keep it to TLS.
    CookiePrefixMissing,
    /// The header has a meaning of its own here.
    HeaderReserved,
    /// The prefix is empty or cannot begin a subprotocol that goes on with a token.
    ProtocolPrefixMalformed,
}

impl TokenSource {
    /// The value of the cookie `name` (RFC 6265 section 4.2.1), as it stands: cookies have no
    /// encoding, and a token needs none. The name is compared with its case.
    ///
    /// The name must begin with `__Host-` or `__Secure-`, so that the browser takes the cookie from
    /// an `https` origin only and never sends it in clear (RFC 6750 section 5.3); `__Host-` also
    /// keeps sibling domains from planting one.
    ///
    /// # Risk
    /// A browser adds the cookie to every request to this host, whichever site made it: cross-site
    /// request forgery. Put a layer that stops it outside this one, such as tower-http's `csrf`, and
    /// set the cookie `HttpOnly` and `SameSite`.
    #[must_use]
    pub fn cookie(name: impl Into<String>) -> Self {
        Self(Kind::Cookie(name.into()))
    }

    /// The query parameter `access_token` (RFC 6750 section 2.3), percent-decoded.
    ///
    /// # Risk
    /// URLs end up in access logs, in the browser's history and in `Referer` headers, and the token
    /// with them (RFC 6750 section 5.3). RFC 9700 section 4.3.2 says not to do this, OAuth 2.1 and
    /// FAPI 2.0 forbid it: only for clients that can set no header. Responses to such requests get
    /// `Cache-Control: private`.
    #[must_use]
    pub fn query() -> Self {
        Self(Kind::Query)
    }

    /// The value of the header `name`: the bare token, with no scheme in front of it.
    ///
    /// It may not be `Authorization`, `Proxy-Authorization` or `Cookie`.
    ///
    /// # Risk
    /// Proxies, logs and HTTP clients know that `Authorization` is secret (RFC 9110 section 11.6.2);
    /// of this header they do not. It may be logged, sent on across a redirect, or its response kept
    /// by a shared cache (RFC 9111 section 3.5 protects `Authorization` only). Where a proxy is meant
    /// to set it, the proxy has to remove one that the client sent.
    #[must_use]
    pub fn header(name: HeaderName) -> Self {
        Self(Kind::Header(name))
    }

    /// The member of `Sec-WebSocket-Protocol` (RFC 6455 section 11.3.4) that begins with `prefix`,
    /// such as `access_token.`; what follows the prefix is the token. Only on a request with
    /// `Upgrade: websocket` or with method `CONNECT` (RFC 8441). The prefix is compared with its case.
    ///
    /// A browser cannot set headers on a WebSocket but can offer subprotocols:
    /// `new WebSocket(url, ["chat", "access_token." + token])`. A subprotocol is a `token` of
    /// RFC 9110, so that a token which holds `/` or `=` cannot be sent like this.
    ///
    /// # Risk
    /// The header is no secret to proxies and logs. The application must answer with another of the
    /// offered protocols, never with this one: the answer would echo the token. And a token that
    /// expires while the socket is open is not seen to expire.
    #[must_use]
    pub fn web_socket_protocol(prefix: impl Into<String>) -> Self {
        Self(Kind::WebSocketProtocol(prefix.into()))
    }

    /// Marks the header that this source reads, so that its `Debug` does not print the token; takes a
    /// header that holds nothing else away, if it is to be `removed`.
    pub(crate) fn hide(&self, headers: &mut HeaderMap, removed: bool) {
        let name = match &self.0 {
            Kind::Header(name) if removed => {
                headers.remove(name);
                return;
            }
            Kind::Header(name) => name.clone(),
            Kind::Cookie(_) => COOKIE,
            Kind::WebSocketProtocol(_) => SEC_WEBSOCKET_PROTOCOL,
            Kind::Query => return,
        };
        if let Entry::Occupied(mut lines) = headers.entry(name) {
            lines.iter_mut().for_each(|line| line.set_sensitive(true));
        }
    }

    /// Whether one token could be found by both sources, and count as two.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Kind::WebSocketProtocol(one), Kind::WebSocketProtocol(two)) => {
                one.starts_with(two.as_str()) || two.starts_with(one.as_str())
            }
            _ => self == other,
        }
    }

    /// What keeps this source from being enabled.
    pub(crate) fn fault(&self) -> Option<SourceFault> {
        match &self.0 {
            Kind::Cookie(name) => cookie_fault(name),
            Kind::Header(name) => is_reserved(name).then_some(SourceFault::HeaderReserved),
            Kind::Query => None,
            Kind::WebSocketProtocol(prefix) => {
                (!is_protocol_prefix(prefix)).then_some(SourceFault::ProtocolPrefixMalformed)
            }
        }
    }

    /// What stands in this source.
    ///
    /// # Errors
    /// [`CredentialsFault`] when it stands there twice or is too large.
    pub(crate) fn find<'a>(
        &self,
        parts: &'a Parts,
        max_token_bytes: usize,
    ) -> Result<Option<Credential<'a>>, CredentialsFault> {
        let found = match &self.0 {
            Kind::Cookie(name) => only_one(cookies(parts, name))?,
            Kind::Header(name) => only_one(parts.headers.get_all(name).into_iter())?.map(AsRef::as_ref),
            Kind::WebSocketProtocol(prefix) => only_one(protocols(parts, prefix))?,
            Kind::Query => return find_in_query(parts, max_token_bytes),
        };
        found.map(|token| Credential::new(token, max_token_bytes)).transpose()
    }
}

/// Whether the query is one of `sources` and holds a token: then the response is for this client
/// alone, `Cache-Control: private` (RFC 6750 section 2.3).
pub(crate) fn is_in_query(parts: &Parts, sources: &[TokenSource]) -> bool {
    sources.iter().any(|source| source.0 == Kind::Query) && query_tokens(parts).next().is_some()
}

impl fmt::Display for TokenSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Cookie(name) => write!(f, "cookie {name:?}"),
            Kind::Header(name) => write!(f, "header {name}"),
            Kind::Query => f.write_str("query parameter access_token"),
            Kind::WebSocketProtocol(prefix) => write!(f, "WebSocket protocol {prefix:?}"),
        }
    }
}

impl fmt::Display for SourceFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CookieNameMalformed => "is not a cookie name such as __Host-access_token",
            Self::CookiePrefixMissing => "does not begin with __Host- or __Secure-",
            Self::HeaderReserved => "is a header with a meaning of its own; choose another name",
            Self::ProtocolPrefixMalformed => {
                "is not a prefix such as access_token. (letters, digits and - . _ ~ +)"
            }
        })
    }
}

fn cookie_fault(name: &str) -> Option<SourceFault> {
    if !is_token(name.as_bytes()) {
        return Some(SourceFault::CookieNameMalformed);
    }
    let behind = name.strip_prefix("__Host-").or_else(|| name.strip_prefix("__Secure-"));
    behind.is_none_or(str::is_empty).then_some(SourceFault::CookiePrefixMissing)
}

fn is_reserved(name: &HeaderName) -> bool {
    [AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION].contains(name)
}

/// In both grammars: that of a subprotocol and that of the token that goes on from it.
fn is_protocol_prefix(prefix: &str) -> bool {
    is_token(prefix.as_bytes()) && is_b64token(prefix.as_bytes())
}

/// HTTP/2 may send each cookie on a line of its own (RFC 9113 section 8.2.3).
fn cookies<'a>(parts: &'a Parts, name: &str) -> impl Iterator<Item = &'a [u8]> {
    let lines = parts.headers.get_all(COOKIE).into_iter();
    let pairs = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b';'));
    pairs.map(|pair| split_pair(pair.trim_ascii(), b'=')).filter_map(move |(its_name, value)| {
        // A white space before `=` is not of the name to any browser; what is behind it is judged.
        (its_name.trim_ascii_end() == name.as_bytes()).then_some(value)
    })
}

fn protocols<'a>(parts: &'a Parts, prefix: &str) -> impl Iterator<Item = &'a [u8]> {
    let offered = is_web_socket(parts).then(|| list_members(&parts.headers, SEC_WEBSOCKET_PROTOCOL));
    offered.into_iter().flatten().filter_map(move |protocol| protocol.strip_prefix(prefix.as_bytes()))
}

fn is_web_socket(parts: &Parts) -> bool {
    parts.method == Method::CONNECT
        || list_members(&parts.headers, UPGRADE).any(|protocol| protocol.eq_ignore_ascii_case(b"websocket"))
}

fn find_in_query(parts: &Parts, max_token_bytes: usize) -> Result<Option<Credential<'_>>, CredentialsFault> {
    let found = only_one(query_tokens(parts))?;
    let octets = |token| match token {
        Cow::Borrowed(token) => Cow::Borrowed(str::as_bytes(token)),
        Cow::Owned(token) => Cow::Owned(String::into_bytes(token)),
    };
    found.map(|token| Credential::new(octets(token), max_token_bytes)).transpose()
}

fn query_tokens(parts: &Parts) -> impl Iterator<Item = Cow<'_, str>> {
    let query = parts.uri.query().unwrap_or_default();
    form_urlencoded::parse(query.as_bytes())
        .filter_map(|(name, value)| (name == "access_token").then_some(value))
}

#[cfg(test)]
#[path = "source_tests.rs"]
mod tests;
