//! Finds an endpoint in a metadata document (RFC 8414 section 2, RFC 8705 section 5).
//!
//! Checks: the document is a JSON object, its `issuer` equals the configured one byte for byte (RFC 8414
//! sections 3.3 and 4), the endpoint has a URL that may be fetched, and its host is allowed. If many tenants
//! share the document, its `issuer` equals the template of their identifiers.
//! Does not check: any other member. `signed_metadata` is ignored (RFC 8414 section 2.1).

use serde_json::Value;

use super::discoverable::Discoverable;
use super::error::{IssuerMismatch, MetadataError, Unreadable, UnusableEndpoint};
use crate::encoding::json;
use crate::fetch_url::FetchUrl;

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

/// Finds an endpoint in `document`, which must be the metadata of `issuer`.
///
/// # Errors
/// Every variant of [`MetadataError`] but [`Fetch`](MetadataError::Fetch).
pub(crate) fn find_endpoint(
    endpoint: Endpoint,
    document: &[u8],
    issuer: &Discoverable,
) -> Result<FetchUrl, MetadataError> {
    // Parsed as `Value`, because errors of typed deserialization quote the document.
    let document: Value = json::parse(document).map_err(Unreadable::Json)?;
    let named = document.get("issuer").and_then(Value::as_str).ok_or(Unreadable::NotAString("issuer"))?;
    if named != &*issuer.named {
        return Err(MetadataError::IssuerMismatch(IssuerMismatch::new(named, &issuer.named)));
    }
    let url = endpoint.url_in(&document).ok_or(MetadataError::EndpointMissing(endpoint.member()))?;
    let url = url.as_str().ok_or_else(|| Unreadable::NotAString(endpoint.member()))?;
    FetchUrl::parse_endpoint(url, &issuer.url, issuer.plain_http, &issuer.endpoint_hosts).map_err(|fault| {
        MetadataError::EndpointUnusable(UnusableEndpoint::new(endpoint.member(), url, fault))
    })
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

    pub(super) fn member(self) -> &'static str {
        match self {
            Self::Jwks => "jwks_uri",
            Self::Introspection | Self::IntrospectionOverMtls => "introspection_endpoint",
        }
    }
}
