//! Rounds: every candidate runs one batch in each of them.

use std::time::{Duration, Instant};

/// One candidate. `batch` runs a batch and returns the nanoseconds of one call, or NaN for a batch that does
/// not count.
pub(crate) struct Candidate<'a> {
    name: String,
    batch: Box<dyn FnMut() -> f64 + 'a>,
}

/// The nanoseconds of one candidate, one figure for each round.
pub(crate) struct Samples {
    pub(crate) name: String,
    nanoseconds: Vec<f64>,
}

impl<'a> Candidate<'a> {
    /// `batch` measures itself.
    pub(crate) fn new(name: impl Into<String>, batch: impl FnMut() -> f64 + 'a) -> Self {
        Self { name: name.into(), batch: Box::new(batch) }
    }

    /// Repeats `call` in each batch for about 150 us.
    pub(crate) fn calls(name: impl Into<String>, mut call: impl FnMut() + 'a) -> Self {
        let mut calls = 1;
        while time(calls, &mut call) * f64::from(calls) < 150_000.0 {
            calls *= 2;
        }
        Self::new(name, move || {
            // Not measured: the previous candidate left its own data in the processor's caches.
            call();
            time(calls, &mut call)
        })
    }
}

/// Runs all rounds and returns the samples in the order of the candidates.
pub(crate) fn run<const N: usize>(rounds: usize, mut candidates: [Candidate<'_>; N]) -> [Samples; N] {
    let mut all = candidates.each_ref().map(|candidate| Samples::new(candidate.name.clone()));
    for round in 0..rounds {
        for turn in 0..N {
            let next = (round + turn) % N;
            all[next].nanoseconds.push((candidates[next].batch)());
        }
    }
    all
}

impl Samples {
    fn new(name: String) -> Self {
        Self { name, nanoseconds: Vec::new() }
    }

    /// Combines the two figures of each round.
    pub(crate) fn paired(&self, other: &Self, combine: impl Fn(f64, f64) -> f64) -> Self {
        let pairs = self.nanoseconds.iter().zip(&other.nanoseconds);
        let nanoseconds = pairs.map(|(own, other)| combine(*own, *other)).collect();
        Self { name: self.name.clone(), nanoseconds }
    }

    /// The figure at this percentile: 50 is the median.
    pub(crate) fn percentile(&self, rank: usize) -> f64 {
        let mut sorted = self.nanoseconds.clone();
        sorted.retain(|figure| !figure.is_nan());
        sorted.sort_by(f64::total_cmp);
        sorted.get(sorted.len() * rank / 100).copied().unwrap_or(f64::NAN)
    }
}

/// Nanoseconds of one call, averaged over `calls`.
fn time(calls: u32, call: &mut impl FnMut()) -> f64 {
    let start = Instant::now();
    (0..calls).for_each(|_| call());
    per_call(start.elapsed(), f64::from(calls))
}

/// Nanoseconds of one of the `calls` that took `elapsed` together.
pub(crate) fn per_call(elapsed: Duration, calls: f64) -> f64 {
    elapsed.as_secs_f64() * 1e9 / calls
}
