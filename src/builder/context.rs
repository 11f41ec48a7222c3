//! The values that the parts of a configuration share while [`BearerAuthBuilder::build`] runs.
//!
//! [`BearerAuthBuilder::build`]: crate::BearerAuthBuilder::build

use std::sync::Arc;
use std::time::Duration;

use crate::fetch_url::PlainHttp;
use crate::introspection::ResponseStore;
use crate::jwks::{KeySource, Keys, RemoteConfig};
use crate::jwt::ConfiguredNames;
use crate::jwt::claims::ClaimsPolicy;
use crate::jwt::header::HeaderPolicy;
use crate::metadata::Discoverable;
use crate::time::Clock;
use crate::transport::HttpClient;

/// The settings of the builder that every issuer uses.
pub(super) struct BuildContext<'b> {
    pub(super) audiences: &'b [String],
    pub(super) leeway: Duration,
    /// Makes the configuration of fetched keys; `None` without an HTTP client.
    pub(super) remote: &'b dyn Fn(&str, KeySource) -> Option<RemoteConfig>,
    pub(super) client: &'b Option<Arc<dyn HttpClient>>,
    /// The cached introspection responses of all issuers.
    pub(super) responses: &'b Arc<ResponseStore>,
    pub(super) clock: &'b Arc<dyn Clock>,
}

/// The settings of an issuer that its introspection uses.
pub(super) struct IntrospectedIssuer<'i> {
    pub(super) header: &'i HeaderPolicy,
    /// The rules for the claims of JWTs.
    pub(super) claims: ClaimsPolicy,
    /// The claims that the user requires, without those that only JWTs must have.
    pub(super) required: Vec<Arc<str>>,
    /// The claims that its settings name.
    pub(super) names: ConfiguredNames,
    /// `None` for an issuer without keys; an error if its keys cannot be used.
    pub(super) keys: Option<Result<Keys, AlreadyReported>>,
    pub(super) discoverable: Option<Discoverable>,
    pub(super) plain_http: PlainHttp,
    pub(super) client: Option<Arc<dyn HttpClient>>,
    pub(super) responses: Arc<ResponseStore>,
    pub(super) clock: Arc<dyn Clock>,
}

/// The fault is already in the list of problems.
#[derive(Clone, Copy, Debug)]
pub(super) struct AlreadyReported;
