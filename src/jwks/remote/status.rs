//! The status of an issuer's keys, for operators.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::event::serialize_causes;
use crate::jwks::error::KeysError;
use crate::jwks::key_set::{IssuerKeys, UnusableJwk};
use crate::time::serialize_secs;

/// The cached keys of one issuer, for a health check or an operator's page. Never show it to clients.
///
/// [`IssuerStatus::keys`](crate::diagnostics::IssuerStatus::keys) returns it.
///
/// # Example
///
/// ```
/// use tower_bearer::diagnostics::KeysStatus;
///
/// fn summary(keys: &KeysStatus) -> String {
///     let state = if keys.is_usable() { "usable" } else { "unavailable" };
///     match keys.last_error() {
///         Some(error) => format!("{} keys, {state}, last fetch failed: {error}", keys.key_ids().len()),
///         None => format!("{} keys, {state}", keys.key_ids().len()),
///     }
/// }
/// ```
#[derive(Clone, Debug, Default, Serialize)]
pub struct KeysStatus {
    pub(super) usable: bool,
    pub(super) key_ids: Vec<String>,
    #[serde(rename = "skipped_keys")]
    pub(super) skipped: Vec<SkippedKey>,
    #[serde(rename = "age_secs", serialize_with = "serialize_secs")]
    pub(super) age: Option<Duration>,
    #[serde(rename = "next_refresh_secs", serialize_with = "serialize_secs")]
    pub(super) next_refresh: Option<Duration>,
    #[serde(serialize_with = "serialize_causes")]
    pub(super) last_error: Option<Arc<KeysError>>,
    #[serde(serialize_with = "serialize_causes")]
    pub(super) metadata_error: Option<Arc<KeysError>>,
}

impl KeysStatus {
    /// The status of keys that are part of the configuration: always usable, never fetched.
    pub(crate) fn of_static(keys: &IssuerKeys) -> Self {
        let mut key_ids: Vec<String> = keys.key_ids().map(str::to_owned).collect();
        key_ids.sort_unstable();
        let skipped = keys.skipped().map(SkippedKey::from).collect();
        Self { usable: true, key_ids, skipped, ..Self::default() }
    }

    /// Whether keys are cached whose grace period has not ended.
    ///
    /// While nobody uses the keys they are not refreshed, and become stale. The next request then waits for a
    /// fetch, and uses the stale keys if it fails.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        self.usable
    }

    /// The `kid` of each cached key, sorted. A key without a `kid` is not listed.
    #[must_use]
    pub fn key_ids(&self) -> &[String] {
        &self.key_ids
    }

    /// The keys of the set that this crate cannot use, in the order of the document.
    ///
    /// A key that you expect to be in use is worth an alert:
    ///
    /// ```
    /// # use tower_bearer::diagnostics::KeysStatus;
    /// fn warn(keys: &KeysStatus) {
    ///     for key in keys.skipped_keys() {
    ///         eprintln!("skipped key {:?}: {}", key.key_id(), key.reason());
    ///     }
    /// }
    /// ```
    #[must_use]
    pub fn skipped_keys(&self) -> &[SkippedKey] {
        &self.skipped
    }

    /// The time since the authorization server last confirmed the keys. `None` if it never did.
    #[must_use]
    pub fn age(&self) -> Option<Duration> {
        self.age
    }

    /// The time to the next scheduled fetch, which takes place if the keys are used until then. `None` while
    /// a fetch is in flight, and for keys that are never fetched.
    #[must_use]
    pub fn next_refresh(&self) -> Option<Duration> {
        self.next_refresh
    }

    /// Why the last fetch failed. `None` if it succeeded, or if there was none.
    #[must_use]
    pub fn last_error(&self) -> Option<&KeysError> {
        self.last_error.as_deref()
    }

    /// Why the metadata of the issuer could not be read last. `None` if it could, and for keys whose URL is
    /// configured.
    ///
    /// While the keys can be fetched from the URL that is known, this is no outage. But the authorization
    /// server may move its keys unnoticed. If the metadata is about another issuer, the text has both names:
    ///
    /// ```
    /// # use tower_bearer::diagnostics::KeysStatus;
    /// fn warn(keys: &KeysStatus) {
    ///     if let Some(error) = keys.metadata_error() {
    ///         eprintln!("metadata: {error}");
    ///     }
    /// }
    /// ```
    #[must_use]
    pub fn metadata_error(&self) -> Option<&KeysError> {
        self.metadata_error.as_deref()
    }
}

/// A published key that this crate cannot use, and why.
///
/// [`KeysStatus::skipped_keys`] lists them.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct SkippedKey {
    key_id: Option<String>,
    reason: String,
}

impl SkippedKey {
    /// The `kid`, if the key has one. It comes from the authorization server, so escape it before you display
    /// it.
    #[must_use]
    pub fn key_id(&self) -> Option<&str> {
        self.key_id.as_deref()
    }

    /// Why the key cannot be used, as text for an operator.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

impl From<UnusableJwk> for SkippedKey {
    fn from(key: UnusableJwk) -> Self {
        Self { key_id: key.kid.as_deref().map(str::to_owned), reason: key.fault.to_string() }
    }
}
