//! The trusted issuers of a running `BearerAuth`: requests read a snapshot without a lock, and changes
//! replace it.
//!
//! Why removal is a flag of the issuer as well: cached tokens refer to their issuer, and would otherwise need
//! a lookup per request to see that it was removed.

use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::{ArcSwap, Guard};

use super::set::Issuers;
use super::{OpaqueTokens, TrustedIssuer};

/// The trusted issuers, and the lock for changes.
pub(crate) struct IssuerRegistry {
    current: ArcSwap<Issuers>,
    /// Held while the set is changed. Requests do not take it.
    change: Mutex<()>,
    /// The number of removals by [`IssuerChange::remove_by_operator`]. Changes under the lock only.
    removals: AtomicU64,
    /// Changes with the issuers that opaque tokens may belong to.
    opaque_version: AtomicU64,
}

/// The issuers at one moment. Not to be held across an `await`.
pub(crate) struct CurrentIssuers {
    /// The version of the assignment of opaque tokens, read before the issuers: a change in between makes it
    /// too old, never too new.
    pub(in crate::authenticate) opaque_version: u64,
    issuers: Guard<Arc<Issuers>>,
}

/// The right to change the set.
pub(crate) struct IssuerChange<'r> {
    registry: &'r IssuerRegistry,
    _lock: MutexGuard<'r, ()>,
}

/// Why an issuer is not added.
pub(crate) enum InsertError {
    /// The identifier of another issuer that claims the same opaque tokens.
    Rival(Arc<str>),
    /// The source of its keys was closed after the issuer was built. Build it again. Not possible for an
    /// issuer that was built under the lock for changes.
    KeysClosed,
}

impl IssuerRegistry {
    pub(crate) fn new(issuers: Issuers) -> Self {
        // Nothing has been removed yet, so no source is closed.
        issuers.iter().for_each(|issuer| _ = issuer.attach());
        Self {
            current: ArcSwap::from_pointee(issuers),
            change: Mutex::new(()),
            removals: AtomicU64::new(0),
            opaque_version: AtomicU64::new(0),
        }
    }

    /// The issuers now.
    pub(crate) fn load(&self) -> CurrentIssuers {
        CurrentIssuers { opaque_version: self.opaque_version(), issuers: self.current.load() }
    }

    /// The issuers now, for longer.
    pub(crate) fn snapshot(&self) -> Arc<Issuers> {
        self.current.load_full()
    }

    /// A number that changes when an opaque token may belong to another issuer than before.
    pub(in crate::authenticate) fn opaque_version(&self) -> u64 {
        self.opaque_version.load(Ordering::Acquire)
    }

    /// A number that changes when an operator removes an issuer, listed or not.
    pub(in crate::authenticate) fn removals(&self) -> u64 {
        self.removals.load(Ordering::Acquire)
    }

    /// Waits for other changes. Nothing else changes the set while the result exists.
    pub(crate) fn change(&self) -> IssuerChange<'_> {
        let lock = self.change.lock().unwrap_or_else(PoisonError::into_inner);
        IssuerChange { registry: self, _lock: lock }
    }
}

impl IssuerChange<'_> {
    /// Whether there is an issuer with this identifier.
    pub(crate) fn contains(&self, identifier: &str) -> bool {
        self.registry.load().get(identifier).is_some()
    }

    /// Adds `issuer` and returns it, or replaces the one with the same identifier, whose tokens are validated
    /// again.
    ///
    /// # Errors
    /// [`InsertError`]. Nothing changes then.
    pub(crate) fn insert(&self, issuer: TrustedIssuer) -> Result<Arc<TrustedIssuer>, InsertError> {
        let mut issuers = Issuers::clone(&*self.registry.load());
        if let Some(rival) = issuers.rival_of(&issuer) {
            return Err(InsertError::Rival(Arc::clone(rival.identifier())));
        }
        let issuer = Arc::new(issuer);
        // Before the replaced issuer goes, so that keys which both use stay.
        if !issuer.attach() {
            return Err(InsertError::KeysClosed);
        }
        let replaced = issuers.insert(&issuer);
        self.publish(issuers, [Some(&issuer), replaced.as_ref()]);
        if let Some(replaced) = replaced {
            replaced.remove();
        }
        Ok(issuer)
    }

    /// Removes this issuer, unless it was removed or replaced meanwhile.
    pub(crate) fn remove_same(&self, issuer: &Arc<TrustedIssuer>) {
        if self.registry.load().get(issuer.identifier()).is_some_and(|listed| Arc::ptr_eq(listed, issuer)) {
            self.remove(issuer.identifier());
        }
    }

    /// Removes the issuer with this identifier. None of its tokens is accepted from now on, and no resolver
    /// call that has started before adds it. False if there is none.
    pub(crate) fn remove_by_operator(&self, identifier: &str) -> bool {
        self.registry.removals.fetch_add(1, Ordering::Release);
        self.remove(identifier)
    }

    /// Removes the issuer with this identifier. False if there is none.
    fn remove(&self, identifier: &str) -> bool {
        let mut issuers = Issuers::clone(&*self.registry.load());
        let Some(removed) = issuers.remove(identifier) else { return false };
        self.publish(issuers, [Some(&removed), None]);
        removed.remove();
        true
    }

    fn publish(&self, issuers: Issuers, changed: [Option<&Arc<TrustedIssuer>>; 2]) {
        self.registry.current.store(Arc::new(issuers));
        let is_opaque = |issuer: &Arc<TrustedIssuer>| !matches!(issuer.opaque_tokens(), OpaqueTokens::None);
        if changed.into_iter().flatten().any(is_opaque) {
            self.registry.opaque_version.fetch_add(1, Ordering::Release);
        }
    }
}

impl Deref for CurrentIssuers {
    type Target = Issuers;

    fn deref(&self) -> &Issuers {
        &self.issuers
    }
}
