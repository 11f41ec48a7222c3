//! The keys of one issuer, wherever they come from.

use std::sync::Arc;

use super::error::KeysError;
use super::key_set::{KeySet, KeySetId};
use super::refresh::KeyQuery;
use super::remote::{KeyLookup, KeysBounds, KeysStatus, RemoteKeys, WaitBudget};
use crate::time::now;

/// A set that never changes, or one that is fetched. A clone is another handle on the same keys.
#[derive(Clone)]
pub(crate) enum Keys {
    /// Given in the configuration.
    Static(Arc<KeySet>),
    /// Fetched and kept fresh.
    Remote(RemoteKeys),
}

impl Keys {
    /// The keys that may be used now, without waiting.
    pub(crate) fn current(&self) -> Option<Arc<KeySet>> {
        match self {
            Self::Static(keys) => Some(Arc::clone(keys)),
            Self::Remote(keys) => keys.current(now()),
        }
    }

    /// Whether the keys that may be used now are those of that set.
    pub(crate) fn are(&self, id: KeySetId) -> bool {
        match self {
            Self::Static(keys) => keys.id() == id,
            Self::Remote(keys) => keys.are(id, now()),
        }
    }

    /// What a request is told that misses `want` among the keys `seen`.
    pub(super) fn demand(
        &self,
        want: KeyQuery<'_>,
        seen: Option<&Arc<KeySet>>,
        wait_budget: &mut WaitBudget,
    ) -> KeyLookup {
        match self {
            Self::Static(_) => KeyLookup::Refuse,
            Self::Remote(keys) => keys.demand(want, seen, wait_budget),
        }
    }

    /// Waits for keys, through one attempt to fetch them.
    pub(crate) async fn ready(&self) -> Result<(), Arc<KeysError>> {
        match self {
            Self::Static(_) => Ok(()),
            Self::Remote(keys) => keys.ready().await,
        }
    }

    /// How the keys are.
    pub(crate) fn status(&self) -> KeysStatus {
        match self {
            Self::Static(keys) => KeysStatus::of_static(keys),
            Self::Remote(keys) => keys.status(),
        }
    }

    /// What is guaranteed; `None` for keys that are never fetched.
    pub(crate) fn bounds(&self) -> Option<KeysBounds> {
        match self {
            Self::Static(_) => None,
            Self::Remote(keys) => Some(keys.bounds()),
        }
    }
}
