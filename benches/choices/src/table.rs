//! The Markdown table: one row for each comparison of two candidates. All figures are medians.

use crate::rounds::Samples;

/// Prints rows as soon as they are measured.
pub(crate) struct Table {
    pub(crate) rounds: usize,
}

impl Table {
    /// Reads the number of rounds and prints the head of the table.
    pub(crate) fn start() -> Self {
        let rounds = std::env::var("ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(400);
        println!(
            "| measured | baseline | ratio (10th to 90th percentile) | difference, ns | measured, ns \
             | baseline, ns |"
        );
        println!("|---|---|---|---|---|---|");
        Self { rounds }
    }

    /// Prints one row. Both candidates ran in the same rounds.
    pub(crate) fn compare(&self, group: &str, measured: &Samples, baseline: &Samples) {
        let added = measured.paired(baseline, |measured, baseline| measured - baseline).percentile(50);
        row(group, measured, baseline, &format!("{added:+.0}"));
    }

    /// Prints one row about a part of the work, where a difference says nothing.
    pub(crate) fn share(&self, group: &str, part: &Samples, baseline: &Samples) {
        row(group, part, baseline, "");
    }
}

fn row(group: &str, measured: &Samples, baseline: &Samples, added: &str) {
    let ratio = measured.paired(baseline, |measured, baseline| measured / baseline);
    let [low, median, high] = [10, 50, 90].map(|rank| ratio.percentile(rank));
    let digits = if median < 0.1 { 3 } else { 2 };
    let [measured_ns, baseline_ns] = [measured, baseline].map(|samples| samples.percentile(50));
    println!(
        "| {group}: {} | {} | {median:.digits$} ({low:.digits$} to {high:.digits$}) | {added} \
         | {measured_ns:.0} | {baseline_ns:.0} |",
        measured.name, baseline.name,
    );
}
