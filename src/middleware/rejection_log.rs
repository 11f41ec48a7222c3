//! Limits how often the rejections of one kind are logged, so that a flood cannot fill the disk.
//!
//! Why one bucket per kind: a flood of one kind must not hide another kind. Why lock-free: a flood comes from
//! all threads at once.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::diagnostics::{fetch_error, uncovered_details};
use crate::event::{RejectedRequest, RejectionDetails, rejections_suppressed};
use crate::rejection::{Rejection, RejectionKind};
use crate::sync::AtomicRateLimit;
use crate::time;

/// The events of each kind that are logged at once, if no more than that are allowed per second.
const BURST: u32 = 10;

/// The limits of one `BearerAuth` and its views.
#[derive(Debug)]
pub(crate) struct RejectionLog {
    /// In the order of [`RejectionKind::ALL`].
    kinds: Box<[KindLimit]>,
    /// The events of all kinds that were suppressed and not yet reported.
    suppressed: AtomicU64,
}

#[derive(Debug)]
struct KindLimit {
    kind: RejectionKind,
    limit: AtomicRateLimit,
    /// The events that were suppressed and not yet reported.
    suppressed: AtomicU64,
}

impl RejectionLog {
    pub(crate) const DEFAULT_PER_SECOND: u32 = 1;

    /// At most this many events per kind and second, after a burst.
    pub(crate) fn new(per_second: u32) -> Self {
        let start = time::now();
        let interval = Duration::from_secs(1).checked_div(per_second).unwrap_or(Duration::MAX);
        let limit = || AtomicRateLimit::full(per_second.max(BURST), interval, start);
        let kinds = RejectionKind::ALL.iter().map(|kind| KindLimit {
            kind: *kind,
            limit: limit(),
            suppressed: AtomicU64::new(0),
        });
        Self { kinds: kinds.collect(), suppressed: AtomicU64::new(0) }
    }

    /// Emits the one event of a rejected request, or counts it as suppressed. Then emits the counts of the
    /// kinds whose flood has ended.
    pub(super) fn report(&self, rejection: &Rejection, details: impl FnOnce() -> RejectionDetails) {
        let is_reported = rejection.severity().is_reported();
        if !is_reported && !self.has_suppressed() {
            return;
        }
        let now = time::now();
        if is_reported && let Some(suppressed) = self.admit(rejection.kind(), now) {
            emit(rejection, details(), suppressed);
        }
        if self.has_suppressed() {
            self.report_ended_floods(now);
        }
    }

    fn has_suppressed(&self) -> bool {
        self.suppressed.load(Ordering::Relaxed) > 0
    }

    /// The number of suppressed events of this kind since the last one that was emitted, if one may be
    /// emitted now. Counts it as suppressed if not.
    fn admit(&self, kind: RejectionKind, now: Instant) -> Option<u64> {
        let of_kind = self.kinds.iter().find(|of_kind| of_kind.kind == kind)?;
        if of_kind.limit.take(now) {
            return Some(self.take_suppressed(of_kind));
        }
        // The sum comes first, so that it never falls below one of its parts.
        self.suppressed.fetch_add(1, Ordering::Relaxed);
        of_kind.suppressed.fetch_add(1, Ordering::Relaxed);
        None
    }

    /// A bucket that is full again says that the flood has ended. Before, the next event of the kind has the
    /// count.
    fn report_ended_floods(&self, now: Instant) {
        let is_pending = |of_kind: &&KindLimit| of_kind.suppressed.load(Ordering::Relaxed) > 0;
        for of_kind in self.kinds.iter().filter(is_pending) {
            if of_kind.limit.take_if_full(now) {
                let suppressed = self.take_suppressed(of_kind);
                rejections_suppressed(of_kind.kind.severity(), of_kind.kind.as_str(), suppressed);
            }
        }
    }

    fn take_suppressed(&self, of_kind: &KindLimit) -> u64 {
        let suppressed = of_kind.suppressed.swap(0, Ordering::Relaxed);
        self.suppressed.fetch_sub(suppressed, Ordering::Relaxed);
        suppressed
    }
}

/// Emits the one event of a rejected request that no `BearerAuth` covers.
///
/// Why a limit per thread: there is no configuration to hold one, and a static one would couple unrelated
/// services of one process.
pub(super) fn report_uncovered(rejection: &Rejection) {
    thread_local! {
        static UNCOVERED: RejectionLog = RejectionLog::new(RejectionLog::DEFAULT_PER_SECOND);
    }
    // A thread that ends has no log anymore.
    UNCOVERED.try_with(|log| log.report(rejection, || uncovered_details(rejection))).ok();
}

fn emit(rejection: &Rejection, details: RejectionDetails, suppressed: u64) {
    let event = RejectedRequest {
        severity: rejection.severity(),
        kind: rejection.kind().as_str(),
        status: rejection.status(),
        issuer: rejection.issuer(),
        cause: rejection,
        is_cause_logged: fetch_error(rejection).is_some(),
        details,
        suppressed: (suppressed > 0).then_some(suppressed),
    };
    event.report();
}
