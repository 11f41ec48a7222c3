//! The gauges, which are read from the state of the layer.
//!
//! Why the gauges of a removed issuer are set to zero: the facade cannot remove a metric, and an alert must
//! not stay on for an issuer that is gone.

use std::collections::BTreeMap;
use std::mem;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use metrics::{counter, gauge};

use super::{Metrics, names};
use crate::time::now;

/// The shortest time between two records that requests cause.
const INTERVAL: Duration = Duration::from_secs(1);

/// The state of the layer at one moment.
pub(crate) struct Gauges {
    pub(crate) cached_tokens: usize,
    /// The evictions of the token cache since it was created.
    pub(crate) evictions: u64,
    /// `None` without DPoP, or with a replay store of the user's.
    pub(crate) replay_proofs: Option<usize>,
    /// `None` without `Revocations`.
    pub(crate) revocations: Option<usize>,
    /// By the label of the issuer.
    pub(crate) issuers: BTreeMap<String, IssuerGauges>,
}

/// The state of an issuer, or of all issuers of a resolver together.
#[derive(Default)]
pub(crate) struct IssuerGauges {
    /// The greatest age.
    pub(crate) keys_age: Option<Duration>,
    /// `None` if no issuer introspects tokens.
    pub(crate) introspection: Option<IntrospectionGauges>,
}

#[derive(Default)]
pub(crate) struct IntrospectionGauges {
    pub(crate) in_flight: usize,
    pub(crate) queued: usize,
    pub(crate) open_circuits: usize,
}

/// The time, the issuers and the eviction count of the last recording.
#[derive(Default)]
pub(super) struct GaugeState {
    recorded_at: Mutex<Option<Instant>>,
    issuers: Mutex<BTreeMap<String, IssuerGauges>>,
    evictions: AtomicU64,
}

impl Metrics {
    /// Whether the last record is a second old. Then the caller records.
    pub(crate) fn are_gauges_due(&self) -> bool {
        // Another thread is deciding: this one need not.
        let Ok(mut recorded_at) = self.gauges.recorded_at.try_lock() else { return false };
        let now = now();
        let is_due = recorded_at.is_none_or(|at| now.saturating_duration_since(at) >= INTERVAL);
        if is_due {
            *recorded_at = Some(now);
        }
        is_due
    }

    /// Sets the gauges.
    pub(crate) fn record(&self, gauges: Gauges) {
        self.describe_once();
        *self.gauges.recorded_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(now());
        let evictions = self.gauges.evictions.swap(gauges.evictions, Ordering::AcqRel);
        counter!(names::CACHE_EVICTIONS).increment(gauges.evictions.saturating_sub(evictions));
        gauge!(names::CACHED_TOKENS).set(float(gauges.cached_tokens));
        if let Some(proofs) = gauges.replay_proofs {
            gauge!(names::REPLAY_PROOFS).set(float(proofs));
        }
        if let Some(revocations) = gauges.revocations {
            gauge!(names::REVOCATIONS).set(float(revocations));
        }
        let mut issuers = self.gauges.issuers.lock().unwrap_or_else(PoisonError::into_inner);
        gauges.issuers.iter().for_each(|(issuer, gauges)| gauges.record(issuer));
        for (issuer, former) in mem::replace(&mut *issuers, gauges.issuers) {
            if !issuers.contains_key(&issuer) {
                former.zero().record(&issuer);
            }
        }
    }
}

impl Drop for GaugeState {
    /// Zeroes the gauges of the issuers. Another `BearerAuth` that trusts one of them sets its gauges again
    /// when it records.
    fn drop(&mut self) {
        let issuers = self.issuers.get_mut().unwrap_or_else(PoisonError::into_inner);
        issuers.iter().for_each(|(issuer, former)| former.zero().record(issuer));
    }
}

impl IssuerGauges {
    /// The same gauges, for an issuer that was removed.
    fn zero(&self) -> Self {
        let introspection = self.introspection.as_ref().map(|_| IntrospectionGauges::default());
        Self { keys_age: self.keys_age.map(|_| Duration::ZERO), introspection }
    }

    fn record(&self, issuer: &str) {
        if let Some(age) = self.keys_age {
            gauge!(names::KEYS_AGE, "issuer" => issuer.to_owned()).set(age.as_secs_f64());
        }
        let Some(introspection) = &self.introspection else { return };
        for (name, value) in [
            (names::INTROSPECTIONS_IN_FLIGHT, introspection.in_flight),
            (names::INTROSPECTIONS_QUEUED, introspection.queued),
            (names::CIRCUIT_OPEN, introspection.open_circuits),
        ] {
            gauge!(name, "issuer" => issuer.to_owned()).set(float(value));
        }
    }
}

fn float(value: usize) -> f64 {
    u32::try_from(value).unwrap_or(u32::MAX).into()
}
