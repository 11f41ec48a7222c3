//! Counts decisions by kind and minute. Recording takes no lock and allocates nothing.
//!
//! Why minutes of the monotonic clock: setting the clock of the machine then moves no count.

use std::array;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use crate::rejection::RejectionKind;
use crate::time::now;

/// The minutes that are kept, including the current one.
const MINUTES: u64 = 30;

/// The counts of the last minutes.
pub(super) struct Decisions {
    start: Instant,
    /// A ring.
    slots: Vec<Slot>,
}

/// The counters of one minute.
struct Slot {
    accepted: Counter,
    anonymous: Counter,
    /// In the order of [`RejectionKind::ALL`].
    rejected: [Counter; RejectionKind::ALL.len()],
}

/// The number of a minute in the upper half, and its count in the lower half: a single operation starts a new
/// minute, so that no decision of it is lost.
#[derive(Default)]
struct Counter(AtomicU64);

const COUNT_MASK: u64 = 0xffff_ffff;

impl Decisions {
    pub(super) fn new() -> Self {
        let slot = |_| Slot {
            accepted: Counter::default(),
            anonymous: Counter::default(),
            rejected: array::from_fn(|_| Counter::default()),
        };
        Self { start: now(), slots: (0..MINUTES).map(slot).collect() }
    }

    pub(super) fn accepted(&self) {
        self.add(|slot| Some(&slot.accepted));
    }

    pub(super) fn anonymous(&self) {
        self.add(|slot| Some(&slot.anonymous));
    }

    /// `position` is that of the kind in [`RejectionKind::ALL`].
    pub(super) fn rejected(&self, position: usize) {
        self.add(|slot| slot.rejected.get(position));
    }

    /// The counts of each minute by label, without zeros. The current minute is the first.
    pub(super) fn by_minute(&self) -> Vec<BTreeMap<&'static str, u64>> {
        let current = self.minute();
        let minutes = (0..MINUTES).map(|ago| current.checked_sub(ago));
        minutes.map(|minute| minute.map(|minute| self.of_minute(minute)).unwrap_or_default()).collect()
    }

    /// The seconds of the current minute that have passed.
    pub(super) fn current_minute_secs(&self) -> u64 {
        self.elapsed_secs() % 60
    }

    fn of_minute(&self, minute: u64) -> BTreeMap<&'static str, u64> {
        let Some(slot) = self.slot(minute) else { return BTreeMap::new() };
        let rejected = RejectionKind::ALL.iter().map(|kind| kind.as_str()).zip(&slot.rejected);
        let counters = [("accepted", &slot.accepted), ("anonymous", &slot.anonymous)];
        let counts = counters.into_iter().chain(rejected);
        counts.map(|(label, counter)| (label, counter.of(minute))).filter(|(_, count)| *count > 0).collect()
    }

    fn add<'s>(&'s self, counter: impl FnOnce(&'s Slot) -> Option<&'s Counter>) {
        let minute = self.minute();
        if let Some(counter) = self.slot(minute).and_then(counter) {
            counter.add(minute);
        }
    }

    fn slot(&self, minute: u64) -> Option<&Slot> {
        self.slots.get(usize::try_from(minute % MINUTES).ok()?)
    }

    /// The number of the current minute. Never 0, the minute of a counter that was never used.
    fn minute(&self) -> u64 {
        (self.elapsed_secs() / 60).saturating_add(1)
    }

    fn elapsed_secs(&self) -> u64 {
        now().saturating_duration_since(self.start).as_secs()
    }
}

impl Counter {
    fn add(&self, minute: u64) {
        if self.0.load(Ordering::Relaxed) >> 32 == minute {
            self.0.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let next = |packed: u64| {
            let base = if packed >> 32 == minute { packed } else { minute << 32 };
            Some(base.saturating_add(1))
        };
        // `next` always returns a value.
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
    }

    fn of(&self, minute: u64) -> u64 {
        let packed = self.0.load(Ordering::Relaxed);
        if packed >> 32 == minute { packed & COUNT_MASK } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::advance;

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[tokio::test(start_paused = true)]
    async fn decisions_are_counted_by_minute_and_dropped_after_30() {
        let decisions = Decisions::new();
        decisions.accepted();
        decisions.accepted();
        decisions.rejected(0);
        advance(MINUTE).await;
        decisions.anonymous();
        assert_eq!(decisions.by_minute()[0], BTreeMap::from([("anonymous", 1)]));
        assert_eq!(decisions.by_minute()[1], BTreeMap::from([("accepted", 2), ("missing", 1)]));
        assert_eq!(decisions.by_minute().len(), 30);

        advance(28 * MINUTE).await;
        assert_eq!(decisions.by_minute()[29]["accepted"], 2);
        advance(MINUTE).await;
        assert!(decisions.by_minute()[..29].iter().all(BTreeMap::is_empty));
        decisions.accepted();
        assert_eq!(decisions.by_minute()[0], BTreeMap::from([("accepted", 1)]));
        advance(120 * MINUTE).await;
        assert!(decisions.by_minute().iter().all(BTreeMap::is_empty));
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_hour_leaves_no_count_in_a_reused_slot() {
        let decisions = Decisions::new();
        decisions.accepted();
        advance(30 * MINUTE).await;
        assert!(decisions.by_minute().iter().all(BTreeMap::is_empty));
    }

    #[test]
    fn no_decision_is_lost_when_threads_start_a_minute_together() {
        let decisions = Decisions::new();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..1000).for_each(|_| decisions.accepted()));
            }
        });
        assert_eq!(
            decisions.by_minute().iter().filter_map(|counts| counts.get("accepted")).sum::<u64>(),
            4000
        );
    }
}
