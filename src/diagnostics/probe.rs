//! The readiness of the issuers for a probe, which must respond at once: no waiting, and a fetch in the
//! background if one is missing.
//!
//! Checks: each configured issuer can accept tokens. Its keys are usable, and its introspection has worked
//! once if no token is accepted without it.
//! Does not check: issuers that a resolver has found. Clients choose them, and must not be able to take this
//! API out of service.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;
use tokio::runtime::Handle;
use tokio::task::AbortHandle;
use tokio::time::sleep;

use super::ready::unavailable;
use crate::authenticate::{Authenticator, IssuerIntrospection, JwtIntrospection, TrustedIssuer};
use crate::introspection::Introspector;
use crate::jwks::Keys;

/// The shortest time from a failed check to the next one, however often probes come.
const PAUSE: Duration = Duration::from_secs(5);

/// The checks of one readiness probe in the background: at most one at a time. Dropping it cancels them.
#[derive(Default)]
pub(crate) struct ReadinessProbe {
    check: Mutex<Option<AbortHandle>>,
}

/// An issuer that cannot accept tokens yet.
#[derive(Debug, Serialize)]
pub(crate) struct UnreadyIssuer {
    #[serde(serialize_with = "str::serialize")]
    issuer: Arc<str>,
    reason: UnreadyReason,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
enum UnreadyReason {
    /// The first fetch has not ended.
    KeysPending,
    /// The last fetch failed.
    KeysUnavailable,
    /// No introspection request has succeeded.
    IntrospectionUnavailable,
}

impl ReadinessProbe {
    /// The issuers that are not ready now, sorted. Starts a check of these in the background, unless one is
    /// running or there is no runtime.
    pub(crate) fn unready(&self, authenticator: &Authenticator) -> Vec<UnreadyIssuer> {
        let mut issuers = authenticator.issuers.load().sorted();
        issuers.retain(|issuer| !issuer.is_resolved());
        // An idle service stays ready only if its keys stay refreshed.
        issuers.iter().filter_map(|issuer| issuer.keys.as_ref()).for_each(Keys::mark_used);
        let unready = |issuer: &Arc<TrustedIssuer>| {
            let reason = issuer.unready_reason()?;
            Some(UnreadyIssuer { issuer: Arc::clone(issuer.identifier()), reason })
        };
        let report: Vec<UnreadyIssuer> = issuers.iter().filter_map(unready).collect();
        if !report.is_empty() {
            issuers.retain(|issuer| issuer.unready_reason().is_some());
            self.start_check(issuers);
        }
        report
    }

    fn start_check(&self, issuers: Vec<Arc<TrustedIssuer>>) {
        let Ok(runtime) = Handle::try_current() else { return };
        let mut check = self.check.lock().unwrap_or_else(PoisonError::into_inner);
        if check.as_ref().is_none_or(AbortHandle::is_finished) {
            *check = Some(runtime.spawn(run_check(issuers)).abort_handle());
        }
    }
}

impl Drop for ReadinessProbe {
    fn drop(&mut self) {
        if let Some(check) = self.check.get_mut().unwrap_or_else(PoisonError::into_inner).take() {
            check.abort();
        }
    }
}

async fn run_check(issuers: Vec<Arc<TrustedIssuer>>) {
    unavailable(&issuers).await;
    if issuers.iter().any(|issuer| issuer.unready_reason().is_some()) {
        sleep(PAUSE).await;
    }
}

impl TrustedIssuer {
    /// Why it cannot accept tokens. `None` if it can.
    fn unready_reason(&self) -> Option<UnreadyReason> {
        if let Some(keys) = self.keys.as_ref().filter(|keys| keys.current().is_none()) {
            let has_failed = keys.status().last_error().is_some();
            return Some(if has_failed {
                UnreadyReason::KeysUnavailable
            } else {
                UnreadyReason::KeysPending
            });
        }
        let introspector = self.introspector_of_all()?;
        (!introspector.has_worked()).then_some(UnreadyReason::IntrospectionUnavailable)
    }

    /// The introspector, if every token needs it.
    fn introspector_of_all(&self) -> Option<&Introspector> {
        let IssuerIntrospection { introspector, jwts, .. } = self.introspection.as_ref()?;
        let is_needed = self.keys.is_none() || matches!(jwts, JwtIntrospection::All);
        is_needed.then_some(introspector)
    }
}
