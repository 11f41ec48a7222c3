//! Checks the issuers shortly after the start, so that a wrong configuration is in the log before the first
//! request.
//!
//! Why a task of its own: `build` needs no runtime and performs no I/O, and nobody has to call `ready`. The
//! first service that is made on a runtime spawns the task, else the first request that is not accepted from
//! a cache.
//!
//! Why the delay: `ready` or a request may fetch first, and then there is nothing left to check. A proxy next
//! to this process gets a moment to start, too.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::AbortHandle;
use tokio::time::sleep;

use super::ready::unavailable;
use crate::authenticate::{Authenticator, TrustedIssuer};
use crate::event;
use crate::introspection::{IntrospectionError, IntrospectionErrorKind};

/// The time from the start to the check.
const DELAY: Duration = Duration::from_secs(1);

/// With more issuers, the others are checked by their first request: thousands of tenants, of which few are
/// in use, need not be fetched at the start.
const MAX_ISSUERS: usize = 32;

/// Runs the check once. Dropping it cancels the check.
pub(crate) struct StartCheck {
    is_started: AtomicBool,
    task: OnceLock<AbortHandle>,
}

impl StartCheck {
    /// `is_on` is false if the user wants no check.
    pub(crate) fn new(is_on: bool) -> Self {
        Self { is_started: AtomicBool::new(!is_on), task: OnceLock::new() }
    }

    /// Spawns the check on the current runtime, unless it was spawned before or there is no runtime.
    pub(crate) fn start(&self, authenticator: &Arc<Authenticator>) {
        if self.is_started.load(Ordering::Relaxed) {
            return;
        }
        let Ok(runtime) = Handle::try_current() else { return };
        if !self.is_started.swap(true, Ordering::Relaxed) && !authenticator.unused().is_empty() {
            let task = runtime.spawn(check(Arc::downgrade(authenticator)));
            self.task.get_or_init(|| task.abort_handle());
        }
    }
}

impl Drop for StartCheck {
    fn drop(&mut self) {
        if let Some(task) = self.task.get() {
            task.abort();
        }
    }
}

async fn check(authenticator: Weak<Authenticator>) {
    sleep(DELAY).await;
    let Some(authenticator) = authenticator.upgrade() else { return };
    for (issuer, error) in unavailable(&authenticator.unused()).await {
        // A failed fetch of keys is logged where it fails, and so is a missing endpoint.
        let error = error.downcast_ref::<IntrospectionError>();
        if let Some(error) = error.filter(|error| error.kind() != IntrospectionErrorKind::EndpointUnusable) {
            event::introspection_not_ready(&issuer, error);
        }
    }
}

impl Authenticator {
    /// The issuers whose keys or introspection nothing has used so far, up to the limit.
    fn unused(&self) -> Vec<Arc<TrustedIssuer>> {
        let issuers = self.issuers.load().some(MAX_ISSUERS).into_iter().cloned().collect::<Vec<_>>();
        issuers.into_iter().filter(|issuer| issuer.is_unused()).collect()
    }
}

impl TrustedIssuer {
    fn is_unused(&self) -> bool {
        let has_unused_keys = self.keys.as_ref().is_some_and(|keys| {
            let status = keys.status();
            !status.is_usable() && status.last_error().is_none()
        });
        let has_unused_introspection = self.introspector().is_some_and(|introspector| {
            let status = introspector.status();
            status.last_error().is_none() && status.active_tokens() == 0 && status.inactive_tokens() == 0
        });
        has_unused_keys || has_unused_introspection
    }
}
