//! What an operator may want to know of an issuer's keys.

use std::sync::Arc;
use std::time::Duration;

use crate::jwks::key_set::{KeySet, UnusableJwk};
use crate::transport::FetchError;

/// How the keys of one issuer are: for a health check or a page for operators, never for a client.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct KeysStatus {
    /// Whether there are keys in hand that may be used.
    pub usable: bool,
    /// The ids (`kid`) of the keys in hand; a key without one is not listed.
    pub key_ids: Vec<String>,
    /// The keys of the set that cannot be used.
    pub skipped: Vec<SkippedKey>,
    /// The time since the server last vouched for the keys; `None` where it never did.
    pub age: Option<Duration>,
    /// The time to the next fetch, if no request demands one; `None` while one is under way.
    pub next_refresh: Option<Duration>,
    /// Why the last fetch failed; `None` if it did not.
    pub last_error: Option<Arc<FetchError>>,
}

impl KeysStatus {
    /// Of keys that are never fetched: they may always be used.
    pub(crate) fn of_static(keys: &KeySet) -> Self {
        let mut key_ids: Vec<String> = keys.key_ids().map(str::to_owned).collect();
        key_ids.sort_unstable();
        let skipped = keys.skipped().iter().map(SkippedKey::from).collect();
        Self { usable: true, key_ids, skipped, ..Self::default() }
    }
}

/// A key that the issuer publishes and this crate cannot use.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct SkippedKey {
    /// Its id (`kid`), if it has one. Another party wrote it: escape it where it is shown.
    pub key_id: Option<String>,
    /// Why it cannot be used, in words for an operator.
    pub reason: String,
}

impl From<&UnusableJwk> for SkippedKey {
    fn from(key: &UnusableJwk) -> Self {
        Self { key_id: key.kid.as_deref().map(str::to_owned), reason: key.fault.to_string() }
    }
}
