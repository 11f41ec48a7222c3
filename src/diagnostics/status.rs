//! The state of each issuer's keys and introspection, for a readiness probe or an operator's page. No I/O.

use std::sync::Arc;

use serde::Serialize;

use crate::authenticate::{Authenticator, TrustedIssuer};
use crate::introspection::{IntrospectionStatus, Introspector};
use crate::jwks::{Keys, KeysStatus};

/// The state of one issuer's keys and introspection; see [`BearerAuth::status`](crate::BearerAuth::status).
///
/// It serializes to the JSON below, which [`StatusService`](crate::middleware::StatusService) responds with.
/// Members keep their names and meanings; later versions may add members. Durations are whole seconds,
/// rounded down, and times are seconds since 1970 (Unix time). Each error is a text with all of its causes,
/// for people. `keys` and `introspection` are `null` if the issuer has none.
///
/// ```json
/// {
///   "issuer": "https://login.example.com",
///   "keys": {
///     "usable": true,
///     "key_ids": ["2024-06"],
///     "skipped_keys": [{ "key_id": "old", "reason": "the key type is not supported" }],
///     "age_secs": 12,
///     "next_refresh_secs": 588,
///     "last_error": null,
///     "metadata_error": null
///   },
///   "introspection": {
///     "circuit": "closed",
///     "paused_until": null,
///     "calls_in_flight": 0,
///     "queued_calls": 0,
///     "active_tokens": 3,
///     "inactive_tokens": 1,
///     "last_error": null
///   }
/// }
/// ```
///
/// `circuit` is `closed`, `open` or `half_open`.
#[derive(Clone, Debug, Serialize)]
pub struct IssuerStatus {
    #[serde(serialize_with = "str::serialize")]
    issuer: Arc<str>,
    keys: Option<KeysStatus>,
    introspection: Option<IntrospectionStatus>,
}

impl IssuerStatus {
    /// The identifier of the issuer, as configured.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The state of its keys. `None` for an issuer [without keys](crate::Issuer::without_keys).
    #[must_use]
    pub fn keys(&self) -> Option<&KeysStatus> {
        self.keys.as_ref()
    }

    /// The state of its introspection, if that is configured.
    #[must_use]
    pub fn introspection(&self) -> Option<&IntrospectionStatus> {
        self.introspection.as_ref()
    }
}

impl Authenticator {
    pub(crate) fn status(&self) -> Vec<IssuerStatus> {
        let status = |issuer: &Arc<TrustedIssuer>| IssuerStatus {
            issuer: Arc::clone(issuer.identifier()),
            keys: issuer.keys.as_ref().map(Keys::status),
            introspection: issuer.introspector().map(Introspector::status),
        };
        self.issuers.load().sorted().iter().map(status).collect()
    }
}
