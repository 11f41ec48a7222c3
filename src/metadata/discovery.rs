//! Finding and reading the metadata document (RFC 8414 section 3, OpenID Connect Discovery 1.0 section 4).
//!
//! Checks: the document is a JSON object, its `issuer` is the configured one to the letter (RFC 8414
//! sections 3.3 and 4), its `jwks_uri` may be fetched. Does not check: any other member, nor
//! `signed_metadata`, which may be ignored (RFC 8414 section 2.1). The host of `jwks_uri` may be another
//! than the issuer's: large issuers keep their keys elsewhere.

use bytes::Bytes;
use http::{Request, StatusCode};
use serde_json::Value;

use crate::encoding::json;
use crate::identifier::{FetchUrl, PlainHttp};
use crate::transport::{FetchError, FetchErrorKind, FetchLimits, HttpClient, fetch};

/// What is used of a metadata document.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Metadata {
    /// Where the key set is.
    pub(crate) jwks_uri: FetchUrl,
}

/// Fetches the metadata of `issuer`, whose identifier is `identifier` to the letter: by the form of
/// RFC 8414 first, then by that of OpenID Connect.
///
/// # Errors
/// The more telling of the two failures.
pub(crate) async fn fetch_metadata(
    client: &dyn HttpClient,
    issuer: &FetchUrl,
    identifier: &str,
    plain_http: PlainHttp,
    limits: FetchLimits,
) -> Result<Metadata, FetchError> {
    let mut worst: Option<FetchError> = None;
    for url in well_known_urls(issuer) {
        match fetch_from(client, &url, identifier, plain_http, limits).await {
            Ok(metadata) => return Ok(metadata),
            Err(error) if worst.as_ref().is_none_or(|worst| telling(&error) > telling(worst)) => {
                worst = Some(error);
            }
            Err(_) => {}
        }
    }
    Err(worst.unwrap_or_else(|| FetchErrorKind::EndpointMissing.into()))
}

async fn fetch_from(
    client: &dyn HttpClient,
    url: &str,
    identifier: &str,
    plain_http: PlainHttp,
    limits: FetchLimits,
) -> Result<Metadata, FetchError> {
    let url = FetchUrl::parse(url, plain_http).map_err(|_| FetchErrorKind::EndpointMissing)?;
    let mut request = Request::new(Bytes::new());
    *request.uri_mut() = url.uri().clone();
    let answer = fetch(client, request, limits).await?;
    if answer.status() != StatusCode::OK {
        return Err(FetchErrorKind::Status(answer.status().as_u16()).into());
    }
    check(answer.body(), identifier, plain_http)
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

/// Reads `document` as the metadata of the issuer called `identifier`.
///
/// # Errors
/// [`FetchErrorKind::Unreadable`], [`FetchErrorKind::IssuerMismatch`] (then nothing of it is used),
/// [`FetchErrorKind::EndpointMissing`].
pub(crate) fn check(
    document: &[u8],
    identifier: &str,
    plain_http: PlainHttp,
) -> Result<Metadata, FetchError> {
    // Read as any value: the errors of typed reading quote the document.
    let document: Value = json::parse(document).map_err(FetchError::unreadable)?;
    let issuer = document.get("issuer").and_then(Value::as_str).ok_or(FetchErrorKind::Unreadable)?;
    if issuer != identifier {
        return Err(FetchErrorKind::IssuerMismatch.into());
    }
    let jwks_uri = document.get("jwks_uri").ok_or(FetchErrorKind::EndpointMissing)?;
    let jwks_uri = jwks_uri.as_str().ok_or(FetchErrorKind::Unreadable)?;
    let jwks_uri = FetchUrl::parse(jwks_uri, plain_http).map_err(|_| FetchErrorKind::EndpointMissing)?;
    Ok(Metadata { jwks_uri })
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
mod tests;
