//! Times things in turn with a yardstick, and prints the ratios as a Markdown table.
//!
//! Why: machines drift, and shared ones more so. A slow spell hits both, so that the ratio of two batches that
//! follow each other stays, and the median of many such ratios does not see the few that were hit in between.

use std::fmt::Display;
use std::time::{Duration, Instant};

/// How long a batch takes at the least: long against reading the clock, short against a turn of the scheduler.
const BATCH: Duration = Duration::from_micros(100);

/// A table whose rows are printed as they are measured.
pub(crate) struct Table {
    rounds: usize,
}

/// What was measured, and the yardstick next to it.
#[derive(Clone, Copy)]
pub(crate) struct Sample {
    pub(crate) measured: f64,
    pub(crate) yardstick: f64,
}

impl Table {
    /// The number of batches is the environment variable `ROUNDS`, or 400.
    pub(crate) fn new() -> Self {
        println!("| what | ratio (10th to 90th percentile) | measured | yardstick | target |");
        println!("|---|---|---|---|---|");
        Self { rounds: number_from_environment("ROUNDS").unwrap_or(400).max(1) }
    }

    pub(crate) fn rounds(&self) -> usize {
        self.rounds
    }

    /// A row of times.
    pub(crate) fn compare(&self, what: &str, target: &str, measured: impl Fn(), yardstick: impl Fn()) {
        Self::samples(what, target, "ns", &self.time_in_turn(measured, yardstick));
    }

    /// The same where what counts is how much longer it takes.
    pub(crate) fn compare_excess(
        &self,
        what: &str,
        limit: Option<u32>,
        measured: impl Fn(),
        yardstick: impl Fn(),
    ) {
        let samples = self.time_in_turn(measured, yardstick);
        let excess = samples.iter().map(|sample| sample.measured - sample.yardstick).collect();
        let limit = limit.map(|limit| format!("<= {limit} ns over; ")).unwrap_or_default();
        let target = format!("{limit}{:.0} ns over", percentile(excess, 50));
        Self::samples(what, &target, "ns", &samples);
    }

    /// A row of figures that were taken elsewhere.
    pub(crate) fn samples(what: &str, target: &str, unit: &str, samples: &[Sample]) {
        let median = |figure: fn(&Sample) -> f64| percentile(samples.iter().map(figure).collect(), 50);
        let ratio = |rank| percentile(samples.iter().map(|of| of.measured / of.yardstick).collect(), rank);
        let ratio = format!("{:.3} ({:.3} to {:.3})", ratio(50), ratio(10), ratio(90));
        let (measured, yardstick) = (median(|of| of.measured), median(|of| of.yardstick));
        Self::row(what, ratio, format!("{measured:.0} {unit}"), format!("{yardstick:.0} {unit}"), target);
    }

    /// A row of anything.
    pub(crate) fn row(
        what: &str,
        ratio: impl Display,
        measured: impl Display,
        yardstick: impl Display,
        target: &str,
    ) {
        println!("| {what} | {ratio} | {measured} | {yardstick} | {target} |");
    }

    fn time_in_turn(&self, measured: impl Fn(), yardstick: impl Fn()) -> Vec<Sample> {
        let (measured, yardstick) = (Batch::of(measured), Batch::of(yardstick));
        (0..self.rounds).map(|_| Sample { measured: measured.time(), yardstick: yardstick.time() }).collect()
    }
}

/// So many calls that a batch is long enough.
pub(crate) struct Batch<C> {
    call: C,
    calls: u32,
}

impl<C: Fn()> Batch<C> {
    /// Tries it, which also warms it up.
    pub(crate) fn of(call: C) -> Self {
        let mut batch = Self { call, calls: 1 };
        while batch.time() * f64::from(batch.calls) < BATCH.as_secs_f64() * 1e9 {
            batch.calls *= 2;
        }
        batch
    }

    /// Nanoseconds of one call, in a batch.
    pub(crate) fn time(&self) -> f64 {
        time(|| (0..self.calls).for_each(|_| (self.call)())) / f64::from(self.calls)
    }
}

/// Nanoseconds of one call.
pub(crate) fn time(call: impl FnOnce()) -> f64 {
    let start = Instant::now();
    call();
    start.elapsed().as_secs_f64() * 1e9
}

pub(crate) fn number_from_environment(name: &str) -> Option<usize> {
    std::env::var(name).ok()?.parse().ok()
}

/// The figure that so many of a hundred are not above.
pub(crate) fn percentile(mut figures: Vec<f64>, rank: usize) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[(figures.len() * rank / 100).min(figures.len() - 1)]
}
