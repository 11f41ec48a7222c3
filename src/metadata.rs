//! Finds the endpoints of an authorization server in its metadata document.
//!
//! RFC 8414 section 3 and OpenID Connect Discovery 1.0 section 4.
//!
//! Checks: the document is a JSON object, its `issuer` equals the configured one byte for byte (RFC 8414
//! sections 3.3 and 4), the endpoint has a URL that may be fetched, and its host is allowed.
//! Does not check: any other member. `signed_metadata` is ignored (RFC 8414 section 2.1).
//!
//! Why: by default an endpoint may be on another host than the issuer, because large authorization servers
//! publish their keys on a host of their own. It never has plain `http` if the issuer has `https`, since
//! credentials go to endpoints.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, StatusCode};
use serde_json::Value;

use crate::encoding::json;
use crate::fetch_url::{EndpointHosts, FetchUrl, PlainHttp, UrlFault};
use crate::transport::{FetchError, FetchErrorKind, FetchLimits, FetchRequest, HttpClient, UrlKind, fetch};

/// The most requests that one discovery sends.
pub(crate) const MAX_REQUESTS: u32 = 2;

/// An endpoint that the metadata document names.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Endpoint {
    /// The key set: `jwks_uri`.
    Jwks,
    /// `introspection_endpoint`.
    Introspection,
    /// `introspection_endpoint` of `mtls_endpoint_aliases` (RFC 8705 section 5), otherwise as
    /// `Introspection`.
    IntrospectionOverMtls,
}

/// An issuer with a metadata document.
#[derive(Clone, Debug)]
pub(crate) struct Discoverable {
    /// The issuer identifier, exactly as configured.
    pub(crate) identifier: Arc<str>,
    /// The issuer identifier as a URL.
    pub(crate) url: FetchUrl,
    /// Where plain `http` is allowed.
    pub(crate) plain_http: PlainHttp,
    /// The hosts on which its endpoints may be.
    pub(crate) endpoint_hosts: EndpointHosts,
}

/// Why the metadata yields no endpoint.
#[derive(Debug)]
pub(crate) enum MetadataError {
    /// The document names no such endpoint.
    EndpointMissing,
    /// The URL of the endpoint must not be fetched, for this reason.
    EndpointUnusable(UrlFault),
    /// The document could not be fetched.
    Fetch(FetchError),
    /// The document is about another issuer (RFC 8414 section 3.3).
    IssuerMismatch,
    /// The document is not valid metadata, for this reason.
    Unreadable(Unreadable),
}

/// Why a document is not valid metadata. The reason never quotes the document.
#[derive(Debug)]
pub(crate) enum Unreadable {
    /// It is not valid JSON, or a member occurs twice.
    Json(serde_json::Error),
    /// It is not an object, or this member is missing or not a string.
    NotAString(&'static str),
}

/// Fetches the metadata of `issuer` and finds an endpoint in it.
///
/// Tries the well-known URL of RFC 8414 first, then that of OpenID Connect.
///
/// # Errors
/// The more specific of the two failures.
pub(crate) async fn discover_endpoint(
    endpoint: Endpoint,
    issuer: &Discoverable,
    client: &dyn HttpClient,
    limits: FetchLimits,
) -> Result<FetchUrl, MetadataError> {
    let mut failure: Option<MetadataError> = None;
    for url in well_known_urls(&issuer.url) {
        match fetch_endpoint(&url, endpoint, issuer, client, limits).await {
            Ok(url) => return Ok(url),
            Err(error) if failure.as_ref().is_none_or(|other| error.specificity() > other.specificity()) => {
                failure = Some(error);
            }
            Err(_) => {}
        }
    }
    Err(failure.unwrap_or(MetadataError::EndpointMissing))
}

async fn fetch_endpoint(
    url: &str,
    endpoint: Endpoint,
    issuer: &Discoverable,
    client: &dyn HttpClient,
    limits: FetchLimits,
) -> Result<FetchUrl, MetadataError> {
    let url = FetchUrl::parse(url, issuer.plain_http).map_err(|_| MetadataError::EndpointMissing)?;
    let mut request = Request::new(Bytes::new());
    *request.uri_mut() = url.uri().clone();
    let identifier = Arc::clone(&issuer.identifier);
    let request = FetchRequest::new(request, UrlKind::Metadata, identifier, limits.max_body_bytes);
    let response = fetch(client, request, limits.timeout).await?;
    match response.status() {
        StatusCode::OK => find_endpoint(endpoint, response.body(), issuer),
        status => Err(FetchError::from(FetchErrorKind::Status(status.as_u16())).into()),
    }
}

/// The two well-known URLs of `issuer`.
///
/// RFC 8414 section 3.1 inserts the well-known part before the path. OpenID Connect Discovery 1.0 section 4.1
/// appends it to the path.
pub(crate) fn well_known_urls(issuer: &FetchUrl) -> [String; 2] {
    let (origin, path) = (issuer.origin(), issuer.path());
    [
        format!("{origin}/.well-known/oauth-authorization-server{path}"),
        format!("{origin}{path}/.well-known/openid-configuration"),
    ]
}

/// Finds an endpoint in `document`, which must be the metadata of `issuer`.
///
/// # Errors
/// [`MetadataError::Unreadable`], [`MetadataError::IssuerMismatch`] or [`MetadataError::EndpointMissing`].
pub(crate) fn find_endpoint(
    endpoint: Endpoint,
    document: &[u8],
    issuer: &Discoverable,
) -> Result<FetchUrl, MetadataError> {
    // Parsed as `Value`, because errors of typed deserialization quote the document.
    let document: Value = json::parse(document).map_err(Unreadable::Json)?;
    let named = document.get("issuer").and_then(Value::as_str).ok_or(Unreadable::NotAString("issuer"))?;
    if named != &*issuer.identifier {
        return Err(MetadataError::IssuerMismatch);
    }
    let url = endpoint.url_in(&document).ok_or(MetadataError::EndpointMissing)?;
    let url = url.as_str().ok_or_else(|| Unreadable::NotAString(endpoint.member()))?;
    FetchUrl::parse_endpoint(url, &issuer.url, issuer.plain_http, &issuer.endpoint_hosts)
        .map_err(MetadataError::EndpointUnusable)
}

impl Endpoint {
    fn url_in(self, document: &Value) -> Option<&Value> {
        match self {
            Self::Jwks | Self::Introspection => document.get(self.member()),
            Self::IntrospectionOverMtls => document
                .pointer("/mtls_endpoint_aliases/introspection_endpoint")
                .or_else(|| document.get(self.member())),
        }
    }

    fn member(self) -> &'static str {
        match self {
            Self::Jwks => "jwks_uri",
            Self::Introspection | Self::IntrospectionOverMtls => "introspection_endpoint",
        }
    }
}

impl MetadataError {
    /// Whether the authorization server is unavailable. An unreadable document counts as an outage, because
    /// proxies and load balancers send HTML while the server behind them is down.
    pub(crate) fn is_outage(&self) -> bool {
        match self {
            Self::Fetch(error) => error.is_outage(),
            Self::Unreadable(_) => true,
            Self::EndpointMissing | Self::EndpointUnusable(_) | Self::IssuerMismatch => false,
        }
    }

    /// Ranks the failures of the two well-known URLs. Most servers use only one of them, so a 404 says least.
    fn specificity(&self) -> u8 {
        match self {
            Self::IssuerMismatch => 4,
            Self::EndpointMissing | Self::EndpointUnusable(_) => 3,
            Self::Unreadable(_) => 2,
            Self::Fetch(error) if error.is_outage() => 1,
            Self::Fetch(_) => 0,
        }
    }
}

impl fmt::Display for MetadataError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EndpointMissing => {
                f.write_str("the metadata document names no URL for the endpoint that may be fetched")
            }
            Self::EndpointUnusable(_) => {
                f.write_str("the metadata document names a URL for the endpoint that must not be fetched")
            }
            Self::Fetch(error) => error.fmt(f),
            Self::IssuerMismatch => f.write_str("the metadata document is about another issuer"),
            Self::Unreadable(_) => f.write_str("the metadata document is not valid"),
        }
    }
}

impl Error for MetadataError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Fetch(error) => error.source(),
            Self::Unreadable(reason) => Some(reason),
            Self::EndpointUnusable(fault) => Some(fault),
            Self::EndpointMissing | Self::IssuerMismatch => None,
        }
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json(error) => error.fmt(f),
            Self::NotAString(member) => write!(f, "the member `{member}` is missing or not a string"),
        }
    }
}

impl Error for Unreadable {}

impl From<FetchError> for MetadataError {
    fn from(error: FetchError) -> Self {
        Self::Fetch(error)
    }
}

impl From<Unreadable> for MetadataError {
    fn from(reason: Unreadable) -> Self {
        Self::Unreadable(reason)
    }
}

#[cfg(test)]
#[path = "metadata_tests.rs"]
mod tests;
