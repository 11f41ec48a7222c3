//! The target of a request: the method and the URL that its proof must name (RFC 9449 section 4.3, items 8
//! and 9).
//!
//! Checks: `htm` exactly, `htu` after normalization.
//! Never reads the headers `Host` and `X-Forwarded-*`, nor the authority in the request line: clients write
//! them.

use std::borrow::Cow;
use std::sync::Arc;

use http::Method;
use http::request::Parts;

use super::fault::ProofFault;
use super::htu::{Url, has_dot_segment, normalized_path, without_query};
use crate::bearer::is_web_socket;
use crate::fetch_url::{FetchUrl, Origin, PlainHttp};

/// The method and the URL of a request as its client sees them, for
/// [`Dpop::target_from`](super::Dpop::target_from).
///
/// ```
/// use http::Method;
/// use tower_bearer::dpop::Target;
///
/// let target = Target::new(Method::GET, "https://api.example.com/orders/7?page=2");
/// # drop(target);
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Target {
    method: Method,
    url: String,
}

impl Target {
    /// The target with this method and this absolute URL. Its query and its fragment are ignored.
    ///
    /// The request is rejected with `proof_url_mismatch` if the URL is not below a base URL of
    /// [`Dpop`](super::Dpop).
    pub fn new(method: Method, url: impl Into<String>) -> Self {
        Self { method, url: url.into() }
    }
}

/// The function of [`Dpop::target_from`](super::Dpop::target_from).
pub(super) type TargetFrom = Arc<dyn Fn(&Parts) -> Option<Target> + Send + Sync>;

/// How the target of a request is found.
pub(super) struct TargetPolicy {
    pub(super) bases: Box<[Base]>,
    pub(super) target_from: Option<TargetFrom>,
    /// Whether `htu` may have the scheme `wss` or `ws` if the request opens a WebSocket.
    pub(super) web_socket_urls: bool,
}

/// The target of one request.
pub(super) struct RequestTarget<'a> {
    policy: &'a TargetPolicy,
    head: &'a Parts,
    /// The result of the user's function, if there is one.
    computed: Option<Target>,
}

impl RequestTarget<'_> {
    /// The method that the proof must name.
    pub(super) fn method(&self) -> &Method {
        self.computed.as_ref().map_or(&self.head.method, |target| &target.method)
    }

    /// The URLs of which the proof must name one, for a terminal.
    pub(super) fn urls(&self) -> String {
        match &self.computed {
            Some(target) => without_query(&target.url).to_owned(),
            None => {
                let path = self.head.uri.path();
                let urls = self.policy.bases.iter().map(|base| format!("{}{path}", base.text));
                urls.collect::<Vec<String>>().join(" or ")
            }
        }
    }

    /// Checks `htm`. It is case-sensitive, as methods are (RFC 9110 section 9.1).
    ///
    /// # Errors
    /// [`ProofFault::MethodMismatch`].
    pub(super) fn check_method(&self, htm: &str) -> Result<(), ProofFault> {
        (htm == self.method().as_str()).then_some(()).ok_or(ProofFault::MethodMismatch)
    }

    /// Checks `htu`.
    ///
    /// # Errors
    /// [`ProofFault::UrlMismatch`].
    pub(super) fn check_url(&self, htu: &str) -> Result<(), ProofFault> {
        let is_equal = match &self.computed {
            None => self.policy.is_url_of(self.head, without_query(htu)),
            Some(target) => self.policy.is_url_of_target(self.head, target, htu),
        };
        is_equal.then_some(()).ok_or(ProofFault::UrlMismatch)
    }
}

impl TargetPolicy {
    /// The target of the request with this head.
    ///
    /// # Errors
    /// [`ProofFault::UrlMismatch`] if the function of the user finds none.
    pub(super) fn find<'a>(&'a self, head: &'a Parts) -> Result<RequestTarget<'a>, ProofFault> {
        let computed = match &self.target_from {
            Some(target_from) => Some(target_from(head).ok_or(ProofFault::UrlMismatch)?),
            None => None,
        };
        Ok(RequestTarget { policy: self, head, computed })
    }

    fn is_url_of(&self, head: &Parts, htu: &str) -> bool {
        let path = head.uri.path();
        // `OPTIONS *` and `CONNECT host:port` have no path.
        if !path.starts_with('/') {
            return false;
        }
        // Fast path: most clients send the URL in its normal form.
        if self.bases.iter().any(|base| htu.strip_prefix(&*base.text) == Some(path)) {
            return true;
        }
        // Routers do not normalize the path of the request. So `/files/../public` is another route than the
        // `/public` of the proof, and only the same text is the same URL.
        if has_dot_segment(path) {
            return false;
        }
        self.parse(head, htu).is_some_and(|url| self.bases.iter().any(|base| base.has(path, &url)))
    }

    fn is_url_of_target(&self, head: &Parts, target: &Target, htu: &str) -> bool {
        let url = Url::parse(&target.url).filter(|url| self.bases.iter().any(|base| base.contains(url)));
        url.is_some() && url == self.parse(head, htu)
    }

    fn parse(&self, head: &Parts, htu: &str) -> Option<Url> {
        let may_be_web_socket = self.web_socket_urls && is_web_socket(head);
        Url::parse(&if may_be_web_socket { with_http_scheme(htu) } else { Cow::Borrowed(htu) })
    }
}

/// A WebSocket URL with the scheme of the request that opens it (RFC 6455 section 3).
fn with_http_scheme(url: &str) -> Cow<'_, str> {
    match url.split_once("://") {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("wss") => format!("https://{rest}").into(),
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("ws") => format!("http://{rest}").into(),
        _ => url.into(),
    }
}

/// A base URL of the API.
#[derive(Debug)]
pub(super) struct Base {
    /// The URL up to its path, in lower case, and [`path`](Self::path).
    pub(super) text: Box<str>,
    origin: Origin,
    /// The normalized path without a slash at its end.
    path: Box<str>,
}

impl Base {
    /// Parses a base URL.
    ///
    /// # Errors
    /// The fault, as a predicate for the URL.
    pub(super) fn parse(url: &str) -> Result<Self, &'static str> {
        let parsed = FetchUrl::parse(url, PlainHttp::Loopback).map_err(|fault| fault.as_str())?;
        if parsed.has_query() {
            return Err("has a query");
        }
        let Url { origin, path } = Url::parse(url).ok_or("has an invalid host or port")?;
        let path = path.strip_suffix('/').unwrap_or(&path);
        let text = format!("{}{path}", parsed.origin().to_ascii_lowercase());
        Ok(Self { text: text.into(), origin, path: path.into() })
    }

    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.origin == other.origin && self.path == other.path
    }

    /// Whether `url` is this base with the path of a request.
    ///
    /// For the path `/` it may end with a slash or not: a proxy or router that strips the prefix of the base
    /// gives both the same path.
    fn has(&self, path: &str, url: &Url) -> bool {
        let is_root = path == "/" && !self.path.is_empty() && *url.path == *self.path;
        self.origin == url.origin && (is_root || normalized_path(&format!("{}{path}", self.path)) == url.path)
    }

    /// Whether `url` is this base or below it.
    fn contains(&self, url: &Url) -> bool {
        let below = url.path.strip_prefix(&*self.path);
        self.origin == url.origin && below.is_some_and(|path| path.is_empty() || path.starts_with('/'))
    }
}
