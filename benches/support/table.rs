//! Measures two closures alternately and prints the ratios as a Markdown table.
//!
//! Why: the speed of a machine drifts, and more so if it is shared. A slow period affects both of two
//! consecutive batches, so their ratio is stable. The median ignores the ratios that were disturbed in
//! between.

use std::fmt::Display;
use std::time::{Duration, Instant};

/// The minimum duration of a batch: long compared with reading the clock, short compared with a time slice.
const BATCH: Duration = Duration::from_micros(100);

/// A table that prints each row when it is measured.
pub(crate) struct Table {
    rounds: usize,
}

/// A measurement and the baseline that was measured next to it.
#[derive(Clone, Copy)]
pub(crate) struct Sample {
    pub(crate) measured: f64,
    pub(crate) baseline: f64,
}

impl Table {
    /// Prints the header. The environment variable `ROUNDS` sets the number of batches. Default: 400.
    pub(crate) fn new() -> Self {
        println!("| measurement | ratio (10th to 90th percentile) | measured | baseline | target |");
        println!("|---|---|---|---|---|");
        Self { rounds: number_from_env("ROUNDS").unwrap_or(400).max(1) }
    }

    pub(crate) fn rounds(&self) -> usize {
        self.rounds
    }

    /// Measures both closures and prints a row with their times and ratio.
    pub(crate) fn compare(&self, name: &str, target: &str, measured: impl Fn(), baseline: impl Fn()) {
        Self::samples(name, target, "ns", &self.time_alternately(measured, baseline));
    }

    /// Like [`compare`](Self::compare), with closures for one batch of `calls` calls each.
    pub(crate) fn compare_batches<M: Fn(), B: Fn()>(
        name: &str,
        target: &str,
        calls: usize,
        batches: impl Iterator<Item = (M, B)>,
    ) {
        let nanoseconds = |call: &dyn Fn()| time(|| (0..calls).for_each(|_| call())) / calls as f64;
        let sample = |(measured, baseline): (M, B)| Sample {
            measured: nanoseconds(&measured),
            baseline: nanoseconds(&baseline),
        };
        Self::samples(name, target, "ns", &batches.map(sample).collect::<Vec<_>>());
    }

    /// Like [`compare`](Self::compare), with the difference in nanoseconds as the target.
    pub(crate) fn compare_excess(
        &self,
        name: &str,
        limit: Option<u32>,
        measured: impl Fn(),
        baseline: impl Fn(),
    ) {
        let samples = self.time_alternately(measured, baseline);
        let excess = samples.iter().map(|sample| sample.measured - sample.baseline).collect();
        let limit = limit.map(|limit| format!("<= {limit} ns more; ")).unwrap_or_default();
        let target = format!("{limit}{:.0} ns more", percentile(excess, 50));
        Self::samples(name, &target, "ns", &samples);
    }

    /// Prints a row with the medians of these samples.
    pub(crate) fn samples(name: &str, target: &str, unit: &str, samples: &[Sample]) {
        let median = |figure: fn(&Sample) -> f64| percentile(samples.iter().map(figure).collect(), 50);
        let ratio =
            |rank| percentile(samples.iter().map(|sample| sample.measured / sample.baseline).collect(), rank);
        let ratio = format!("{:.3} ({:.3} to {:.3})", ratio(50), ratio(10), ratio(90));
        let (measured, baseline) = (median(|sample| sample.measured), median(|sample| sample.baseline));
        Self::row(name, ratio, format!("{measured:.0} {unit}"), format!("{baseline:.0} {unit}"), target);
    }

    /// Prints a row.
    pub(crate) fn row(
        name: &str,
        ratio: impl Display,
        measured: impl Display,
        baseline: impl Display,
        target: &str,
    ) {
        println!("| {name} | {ratio} | {measured} | {baseline} | {target} |");
    }

    fn time_alternately(&self, measured: impl Fn(), baseline: impl Fn()) -> Vec<Sample> {
        let (measured, baseline) = (Batch::new(measured), Batch::new(baseline));
        (0..self.rounds).map(|_| Sample { measured: measured.time(), baseline: baseline.time() }).collect()
    }
}

/// A closure, and the number of calls that takes at least [`BATCH`].
pub(crate) struct Batch<C> {
    call: C,
    calls: u32,
}

impl<C: Fn()> Batch<C> {
    /// Finds the number of calls, which also warms up caches.
    pub(crate) fn new(call: C) -> Self {
        let mut batch = Self { call, calls: 1 };
        while batch.time() * f64::from(batch.calls) < BATCH.as_secs_f64() * 1e9 {
            batch.calls *= 2;
        }
        batch
    }

    /// Runs a batch. Returns the nanoseconds per call.
    pub(crate) fn time(&self) -> f64 {
        time(|| (0..self.calls).for_each(|_| (self.call)())) / f64::from(self.calls)
    }
}

/// Returns the nanoseconds of one call.
pub(crate) fn time(call: impl FnOnce()) -> f64 {
    let start = Instant::now();
    call();
    start.elapsed().as_secs_f64() * 1e9
}

pub(crate) fn number_from_env(name: &str) -> Option<usize> {
    std::env::var(name).ok()?.parse().ok()
}

/// The percentile `rank` (0 to 100) of these figures.
pub(crate) fn percentile(mut figures: Vec<f64>, rank: usize) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[(figures.len() * rank / 100).min(figures.len() - 1)]
}
