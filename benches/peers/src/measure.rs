//! Time, medians and allocations.

use std::time::Instant;

/// Returns the nanoseconds per call in a batch. `call` receives its number in the batch, from 1.
///
/// Call 0 comes first and is not measured: it finds the processor's caches filled by the previous candidate.
pub(crate) fn time(batch: usize, mut call: impl FnMut(usize)) -> f64 {
    call(0);
    let start = Instant::now();
    (1..=batch).for_each(&mut call);
    start.elapsed().as_secs_f64() * 1e9 / batch as f64
}

/// The number of allocations of one call on this thread.
pub(crate) fn allocations(call: impl FnOnce()) -> u64 {
    allocation_counter::measure(call).count_total
}

/// Runs `timed` without counting allocations, which takes time.
pub(crate) fn uncounted(timed: impl FnOnce()) {
    allocation_counter::opt_out(timed);
}

/// The samples of one figure, one per round.
#[derive(Default)]
pub(crate) struct Samples(Vec<f64>);

impl Samples {
    pub(crate) fn push(&mut self, sample: f64) {
        self.0.push(sample);
    }

    /// The median, or 0 without samples.
    pub(crate) fn median(&self) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted.get(sorted.len() / 2).copied().unwrap_or_default()
    }
}

/// The number of rounds: the environment variable `ROUNDS`, or 1000.
pub(crate) fn rounds() -> usize {
    std::env::var("ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(1000)
}
