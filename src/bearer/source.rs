//! Opt-in sources of tokens beside the `Authorization` header.
//!
//! The query is a method of RFC 6750 (section 2.3). Cookie, other header and WebSocket subprotocol are not:
//! clients must be told to use them.
//!
//! Checks: a source holds at most one token, of a limited size.
//! Does not check: cross-site request forgery, which a cookie is prone to; see [`TokenSource::cookie`].

use std::borrow::Cow;
use std::fmt;

use http::header::{AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION, SEC_WEBSOCKET_PROTOCOL, UPGRADE};
use http::request::Parts;
use http::{HeaderMap, HeaderName, Method};

use crate::bearer::credential::{Credential, CredentialsFault, only_one};
use crate::bearer::grammar::{is_b64token, is_token, list_members, split_pair};
use crate::bearer::sensitive::hide_lines;

/// A source of tokens beside the `Authorization` header, for
/// [`BearerAuthBuilder::add_token_source`](crate::BearerAuthBuilder::add_token_source).
///
/// A source is read only if it is enabled. A token in it is validated exactly like one in the `Authorization`
/// header. A request that uses two sources at once is rejected with 400 `invalid_request` (RFC 6750 section
/// 3.1), even if both hold the same token.
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

/// Why a [`TokenSource`] cannot be enabled.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum SourceFault {
    /// The name is not a cookie name (RFC 6265 section 4.1.1).
    CookieNameMalformed,
    /// The name does not restrict the cookie to TLS.
    CookiePrefixMissing,
    /// The header has another meaning.
    HeaderReserved,
    /// The prefix is empty, or cannot precede a token in a subprotocol.
    ProtocolPrefixMalformed,
}

impl TokenSource {
    /// The value of the cookie `name` (RFC 6265 section 4.2.1), without decoding: cookies have no encoding,
    /// and a token needs none. The name is case-sensitive.
    ///
    /// The name must begin with `__Host-` or `__Secure-`: then a browser accepts the cookie from an `https`
    /// origin only and never sends it in clear text (RFC 6750 section 5.3). `__Host-` also prevents sibling
    /// domains from setting it.
    ///
    /// ```
    /// use tower_bearer::TokenSource;
    ///
    /// let source = TokenSource::cookie("__Host-access_token");
    /// ```
    ///
    /// # Risk
    /// Cross-site request forgery: a browser adds the cookie to every request to this host, whichever site
    /// caused it. Put a layer against it outside this one, such as tower-http's `csrf`, and set the cookie
    /// `HttpOnly` and `SameSite`.
    #[must_use]
    pub fn cookie(name: impl Into<String>) -> Self {
        Self(Kind::Cookie(name.into()))
    }

    /// The query parameter `access_token` (RFC 6750 section 2.3), percent-decoded.
    ///
    /// # Risk
    /// URLs end up in access logs, browser histories and `Referer` headers, and the token with them (RFC 6750
    /// section 5.3). RFC 9700 section 4.3.2 advises against it; OAuth 2.1 and FAPI 2.0 forbid it. Use it only
    /// for clients that cannot set a header. Responses to such requests get `Cache-Control: private`.
    ///
    /// ```
    /// use tower_bearer::{BearerAuth, ConfigError, TokenSource};
    ///
    /// /// For the routes of downloads only: a link cannot set a header.
    /// fn for_downloads(auth: &BearerAuth) -> Result<BearerAuth, ConfigError> {
    ///     auth.view().add_token_source(TokenSource::query()).build()
    /// }
    /// ```
    #[must_use]
    pub fn query() -> Self {
        Self(Kind::Query)
    }

    /// The value of the header `name`: the bare token, without a scheme.
    ///
    /// `Authorization`, `Proxy-Authorization` and `Cookie` are not allowed.
    ///
    /// ```
    /// use http::HeaderName;
    /// use tower_bearer::TokenSource;
    ///
    /// let source = TokenSource::header(HeaderName::from_static("x-forwarded-access-token"));
    /// ```
    ///
    /// # Risk
    /// Proxies, logs and HTTP clients treat `Authorization` as secret (RFC 9110 section 11.6.2), but not this
    /// header. It may be logged or forwarded across a redirect, and a shared cache may store the response
    /// (RFC 9111 section 3.5 covers `Authorization` only). If a proxy sets the header, it must remove one
    /// that the client sent.
    #[must_use]
    pub fn header(name: HeaderName) -> Self {
        Self(Kind::Header(name))
    }

    /// The member of `Sec-WebSocket-Protocol` (RFC 6455 section 11.3.4) with the prefix `prefix`, such as
    /// `access_token.`. The token follows the prefix, which is case-sensitive. The header is read only on a
    /// request with `Upgrade: websocket` or the method `CONNECT` (RFC 8441).
    ///
    /// A browser cannot set headers on a WebSocket but can offer subprotocols: `new WebSocket(url, ["chat",
    /// "access_token." + token])`. A subprotocol is a `token` of RFC 9110: an access token with `/` or `=`
    /// cannot be sent this way.
    ///
    /// ```
    /// use tower_bearer::TokenSource;
    ///
    /// let source = TokenSource::web_socket_protocol("access_token.");
    /// ```
    ///
    /// # Risk
    /// Proxies and logs do not treat the header as secret. The application must select another of the offered
    /// protocols, never this one: the response would echo the token. A socket stays open when its token
    /// expires.
    #[must_use]
    pub fn web_socket_protocol(prefix: impl Into<String>) -> Self {
        Self(Kind::WebSocketProtocol(prefix.into()))
    }

    /// Marks the header of this source as sensitive, so that its `Debug` omits the token. With `strip`,
    /// removes a header that holds nothing else.
    pub(crate) fn hide(&self, headers: &mut HeaderMap, strip: bool) {
        let name = match &self.0 {
            Kind::Header(name) if strip => {
                headers.remove(name);
                return;
            }
            Kind::Header(name) => name.clone(),
            Kind::Cookie(_) => COOKIE,
            Kind::WebSocketProtocol(_) => SEC_WEBSOCKET_PROTOCOL,
            Kind::Query => return,
        };
        hide_lines(headers, &name);
    }

    /// Whether this is the query (RFC 6750 section 2.3).
    pub(crate) fn is_query(&self) -> bool {
        self.0 == Kind::Query
    }

    /// Whether both sources could find one token, which would then count as two.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Kind::WebSocketProtocol(one), Kind::WebSocketProtocol(two)) => {
                one.starts_with(two.as_str()) || two.starts_with(one.as_str())
            }
            _ => self == other,
        }
    }

    /// Why this source cannot be enabled, if it cannot.
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

    /// The credential in this source.
    ///
    /// # Errors
    /// [`CredentialsFault`] if there are two, or it is too large.
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

/// Whether the query is one of `sources` and holds a token: the response then gets `Cache-Control: private`
/// (RFC 6750 section 2.3).
pub(crate) fn is_in_query(parts: &Parts, sources: &[TokenSource]) -> bool {
    sources.iter().any(TokenSource::is_query) && has_query_token(parts)
}

/// Apart from `is_in_query`, so that the compiler inlines that for an API that reads no query.
#[cold]
fn has_query_token(parts: &Parts) -> bool {
    query_tokens(parts).next().is_some()
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
            Self::HeaderReserved => "is a header with another meaning; choose another name",
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
    let rest = name.strip_prefix("__Host-").or_else(|| name.strip_prefix("__Secure-"));
    rest.is_none_or(str::is_empty).then_some(SourceFault::CookiePrefixMissing)
}

fn is_reserved(name: &HeaderName) -> bool {
    [AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION].contains(name)
}

/// Valid in both grammars: that of a subprotocol, and that of the token that follows.
fn is_protocol_prefix(prefix: &str) -> bool {
    is_token(prefix.as_bytes()) && is_b64token(prefix.as_bytes())
}

/// HTTP/2 may send each cookie on its own line (RFC 9113 section 8.2.3).
fn cookies<'a>(parts: &'a Parts, name: &str) -> impl Iterator<Item = &'a [u8]> {
    let lines = parts.headers.get_all(COOKIE).into_iter();
    let pairs = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b';'));
    pairs.map(|pair| split_pair(pair.trim_ascii(), b'=')).filter_map(move |(cookie, value)| {
        // No browser takes white space before `=` as a part of the name. The value is used as it is.
        (cookie.trim_ascii_end() == name.as_bytes()).then_some(value)
    })
}

fn protocols<'a>(parts: &'a Parts, prefix: &str) -> impl Iterator<Item = &'a [u8]> {
    let offered = is_web_socket(parts).then(|| list_members(&parts.headers, SEC_WEBSOCKET_PROTOCOL));
    offered.into_iter().flatten().filter_map(move |protocol| protocol.strip_prefix(prefix.as_bytes()))
}

/// Whether the request opens a WebSocket: with `Upgrade` (RFC 6455), or with the method `CONNECT` (RFC 8441).
pub(crate) fn is_web_socket(parts: &Parts) -> bool {
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
