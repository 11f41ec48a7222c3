//! Finding and reading the metadata document (RFC 8414 section 3, OpenID Connect Discovery 1.0 section 4).
//!
//! Checks: the document is a JSON object, its `issuer` is the configured one to the letter (RFC 8414
//! sections 3.3 and 4), the endpoint that is looked for may be asked. Does not check: any other member, nor
//! `signed_metadata`, which may be ignored (RFC 8414 section 2.1). The host of an endpoint may be another
//! than the issuer's: large issuers keep their keys elsewhere.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, StatusCode};
use serde_json::Value;

use crate::encoding::json;
use crate::fetch_url::{FetchUrl, PlainHttp};
use crate::transport::{FetchError, FetchErrorKind, FetchLimits, HttpClient, fetch};

/// What is looked for in the metadata.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Endpoint {
    /// The key set: `jwks_uri`.
    Jwks,
    /// `introspection_endpoint`.
    Introspection,
    /// The same for clients with a certificate, which may be elsewhere (RFC 8705 section 5).
    IntrospectionOverMtls,
}

/// An issuer whose metadata can be found.
#[derive(Clone, Debug)]
pub(crate) struct Discoverable {
    /// Its identifier, to the letter.
    pub(crate) identifier: Arc<str>,
    /// The same as a URL.
    pub(crate) url: FetchUrl,
    /// Whether its endpoints may be plain `http`.
    pub(crate) plain_http: PlainHttp,
}

/// The most requests that [`discover`] sends.
pub(crate) const MAX_REQUESTS: u32 = 2;

/// Looks an endpoint up in the metadata of `issuer`: by the form of RFC 8414 first, then by that of
/// OpenID Connect.
///
/// # Errors
/// The more telling of the two failures.
pub(crate) async fn discover(
    endpoint: Endpoint,
    issuer: &Discoverable,
    client: &dyn HttpClient,
    limits: FetchLimits,
) -> Result<FetchUrl, FetchError> {
    let mut worst: Option<FetchError> = None;
    for url in well_known_urls(&issuer.url) {
        match fetch_from(&url, endpoint, issuer, client, limits).await {
            Ok(url) => return Ok(url),
            Err(error) if worst.as_ref().is_none_or(|worst| telling(&error) > telling(worst)) => {
                worst = Some(error);
            }
            Err(_) => {}
        }
    }
    Err(worst.unwrap_or_else(|| FetchErrorKind::EndpointMissing.into()))
}

async fn fetch_from(
    url: &str,
    endpoint: Endpoint,
    issuer: &Discoverable,
    client: &dyn HttpClient,
    limits: FetchLimits,
) -> Result<FetchUrl, FetchError> {
    let url = FetchUrl::parse(url, issuer.plain_http).map_err(|_| FetchErrorKind::EndpointMissing)?;
    let mut request = Request::new(Bytes::new());
    *request.uri_mut() = url.uri().clone();
    let answer = fetch(client, request, limits).await?;
    if answer.status() != StatusCode::OK {
        return Err(FetchErrorKind::Status(answer.status().as_u16()).into());
    }
    find(endpoint, answer.body(), issuer)
}

/// Where the metadata of `issuer` may be: with the well-known part before its path (RFC 8414
/// section 3.1), and behind it (OpenID Connect Discovery 1.0 section 4.1).
pub(crate) fn well_known_urls(issuer: &FetchUrl) -> [String; 2] {
    let (origin, path) = (issuer.origin(), issuer.path());
    [
        format!("{origin}/.well-known/oauth-authorization-server{path}"),
        format!("{origin}{path}/.well-known/openid-configuration"),
    ]
}

/// Finds an endpoint in `document`, if it is the metadata of `issuer`.
///
/// # Errors
/// [`FetchErrorKind::Unreadable`], [`FetchErrorKind::IssuerMismatch`] (then nothing of it is used),
/// [`FetchErrorKind::EndpointMissing`].
pub(crate) fn find(
    endpoint: Endpoint,
    document: &[u8],
    issuer: &Discoverable,
) -> Result<FetchUrl, FetchError> {
    // Read as any value: the errors of typed reading quote the document.
    let document: Value = json::parse(document).map_err(FetchError::unreadable)?;
    let named = document.get("issuer").and_then(Value::as_str).ok_or(FetchErrorKind::Unreadable)?;
    if named != &*issuer.identifier {
        return Err(FetchErrorKind::IssuerMismatch.into());
    }
    let url = endpoint.look_up(&document).ok_or(FetchErrorKind::EndpointMissing)?;
    let url = url.as_str().ok_or(FetchErrorKind::Unreadable)?;
    FetchUrl::parse(url, issuer.plain_http).map_err(|_| FetchErrorKind::EndpointMissing.into())
}

impl Endpoint {
    fn look_up(self, document: &Value) -> Option<&Value> {
        match self {
            Self::Jwks => document.get("jwks_uri"),
            Self::Introspection => document.get("introspection_endpoint"),
            Self::IntrospectionOverMtls => document
                .pointer("/mtls_endpoint_aliases/introspection_endpoint")
                .or_else(|| document.get("introspection_endpoint")),
        }
    }
}

/// How much a failure says about what is wrong: that one form of the URL is not found says little.
fn telling(error: &FetchError) -> u8 {
    match error.kind() {
        FetchErrorKind::IssuerMismatch => 4,
        FetchErrorKind::EndpointMissing => 3,
        FetchErrorKind::Unreadable => 2,
        _ if error.is_outage() => 1,
        _ => 0,
    }
}

#[cfg(test)]
#[path = "metadata_tests.rs"]
mod tests;
