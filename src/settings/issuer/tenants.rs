//! Issuers that are tenants of one authorization server, as at Entra ID: their identifiers differ only in the
//! tenant ID, and one metadata document can serve all of them.
//!
//! Checks: an identifier of Entra ID names one tenant, by its ID.
//! Does not check: whether the tenant exists.

use std::sync::Arc;

use super::{Issuer, KeyOrigin};
use crate::crypto::TENANT_ID;
use crate::encoding::uuid::is_uuid;
use crate::fetch_url::{FetchUrl, redacted};
use crate::settings::config_error::ConfigProblem;

/// The hosts of Entra ID: the global cloud, the US government and China, with their earlier names.
const ENTRA_HOSTS: [&str; 8] = [
    "login.microsoftonline.com",
    "login.microsoft.com",
    "login.windows.net",
    "sts.windows.net",
    "login.microsoftonline.us",
    "login.partner.microsoftonline.cn",
    "login.chinacloudapi.cn",
    "sts.chinacloudapi.cn",
];

/// The path segments that Entra ID has in place of a tenant. The last two are `{tenantid}` and `{tenant}`.
const MULTI_TENANT_SEGMENTS: [&str; 5] = ["common", "organizations", "consumers", "_tenantid_", "_tenant_"];

/// One metadata document for many tenants.
impl Issuer {
    /// Reads the keys from metadata that many tenants share, in place of the metadata of this issuer.
    /// Replaces the source of the keys.
    ///
    /// `BearerAuth` looks for the metadata at the well-known URLs of `url`, as [`discover`](Self::discover)
    /// does. Issuers with the same shared metadata share the fetches of their keys: a thousand tenants cost
    /// no more than one.
    ///
    /// The identifier of this issuer must be a URL whose path begins with the ID of its tenant, a UUID. The
    /// `issuer` in the metadata must be this identifier with `{tenantid}` in place of the ID, byte for byte,
    /// as Entra ID writes it. Tokens and keys are checked as for any issuer: `iss` must equal the
    /// identifier, and a key whose `issuer` names another tenant verifies nothing.
    ///
    /// ```
    /// use tower_bearer::Issuer;
    ///
    /// let issuer = Issuer::entra("11111111-2222-3333-4444-555555555555")
    ///     .shared_metadata("https://login.microsoftonline.com/organizations/v2.0");
    /// ```
    pub fn shared_metadata(mut self, url: impl Into<String>) -> Self {
        self.keys = KeyOrigin::SharedMetadata(url.into());
        self
    }

    /// Its identifier with the placeholder in place of its tenant ID. `None` if its path does not begin with
    /// a tenant ID.
    pub(super) fn template(&self) -> Option<Arc<str>> {
        let (scheme, rest) = self.identifier.split_once("://")?;
        let (host, path) = rest.split_once('/')?;
        let tenant = path.split('/').next().filter(|tenant| is_uuid(tenant))?;
        let after = path.strip_prefix(tenant)?;
        Some(format!("{scheme}://{host}/{TENANT_ID}{after}").into())
    }

    /// The fault of an identifier of Entra ID that no token has as its `iss`.
    pub(super) fn entra_fault(&self) -> Option<ConfigProblem> {
        // No URL has braces.
        let url = FetchUrl::parse(&self.identifier.replace(['{', '}'], "_"), self.plain_http).ok()?;
        if !ENTRA_HOSTS.iter().any(|host| url.is_on(host)) {
            return None;
        }
        let path = url.path().strip_prefix('/')?;
        let (tenant, after) = path.split_once('/').unwrap_or((path, ""));
        let issuer = redacted(&self.identifier);
        if MULTI_TENANT_SEGMENTS.iter().any(|name| tenant.eq_ignore_ascii_case(name)) {
            return Some(ConfigProblem::IssuerOfManyTenants { issuer });
        }
        let is_written_by_entra =
            is_uuid(tenant) && !tenant.contains(|digit: char| digit.is_ascii_uppercase());
        // Other paths, such as those of B2C policies, have the tenant elsewhere.
        let is_tenant = matches!(after, "" | "v2.0");
        (is_tenant && !is_written_by_entra).then_some(ConfigProblem::TenantNotAnId { issuer })
    }

    /// The fault of shared metadata at `url` that cannot be read or cannot name this issuer.
    pub(super) fn shared_metadata_fault(&self, url: &str) -> Option<ConfigProblem> {
        let reason = match FetchUrl::parse(url, self.plain_http) {
            Err(fault) => fault.as_str(),
            Ok(url) if url.has_query() => "has a query",
            Ok(_) if self.template().is_none() => "cannot name an issuer without a tenant ID in its path",
            Ok(_) => return None,
        };
        let (issuer, url) = (redacted(&self.identifier), redacted(url));
        Some(ConfigProblem::SharedMetadataUnusable { issuer, url, reason })
    }
}
