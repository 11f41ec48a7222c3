//! Compares tower-bearer with its peers: `cargo run --release` in this folder.
//!
//! Each round measures the baselines (the service without a layer, and the signature check alone), then sends
//! one short batch of each kind of request to a candidate, for each candidate in turn. A figure is the median
//! over the rounds of the ratio to the baseline of its turn, so a slow period of the machine affects both
//! sides. The environment variable `ROUNDS` sets the number of rounds. Default: 1000.

mod crates;
mod fixture;
mod measure;
mod row;

use std::error::Error;

use http::HeaderValue;
use tokio::runtime::{Builder, Runtime};
use tower_bearer::Algorithm;

use crates::Sender;
use fixture::{Fixture, Token, bearer};
use measure::{Samples, allocations, rounds, time, uncounted};
use row::Row;

/// Requests in a batch, if they need a signature check.
const CHECKED: usize = 10;
/// Requests in a batch, if they are rejected without a signature check.
const UNCHECKED: usize = 100;

fn main() -> Result<(), Box<dyn Error>> {
    // The worker thread runs the issuer and background tasks of the candidates. Only this thread is measured.
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let _inside = runtime.enter();
    for algorithm in [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA] {
        compare(&runtime, algorithm)?;
    }
    Ok(())
}

fn compare(runtime: &Runtime, algorithm: Algorithm) -> Result<(), Box<dyn Error>> {
    let fixture = runtime.block_on(Fixture::start(algorithm))?;
    let garbage = bearer(&"x".repeat(8192));
    let candidates = runtime.block_on(crates::all(&fixture));
    let mut rows: Vec<Row> =
        candidates.into_iter().map(|candidate| Row::new(candidate, &fixture, &garbage)).collect();
    let mut baselines = Baselines::default();
    let mut without_layer = crates::without_layer();
    uncounted(|| {
        for round in 0..rounds() {
            let tokens = fixture.tokens(CHECKED + 1);
            // Each round starts with another candidate: signing the tokens slows some processors down
            // afterwards.
            for turn in 0..rows.len() {
                let next = (round + turn) % rows.len();
                let baseline = Baseline::new(&fixture, &tokens, &garbage, &mut without_layer);
                rows[next].turn(&tokens, &garbage, &baseline);
                baselines.push(&baseline);
            }
        }
    });
    let token = &fixture.tokens(1)[0];
    let bare = allocations(|| assert_eq!(without_layer(Some(&token.authorization)), 200));
    print(algorithm, &baselines, bare, &rows);
    Ok(())
}

/// The baselines of one turn, in nanoseconds.
struct Baseline {
    signature_check: f64,
    accepted: f64,
    no_header: f64,
    garbage: f64,
}

impl Baseline {
    fn new(fixture: &Fixture, tokens: &[Token], garbage: &HeaderValue, without_layer: &mut Sender) -> Self {
        let mut open = |authorization| time(UNCHECKED, |_| assert_eq!(without_layer(authorization), 200));
        Self {
            signature_check: time(CHECKED, |number| fixture.verify(&tokens[number])),
            accepted: open(Some(&tokens[0].authorization)),
            no_header: open(None),
            garbage: open(Some(garbage)),
        }
    }
}

#[derive(Default)]
struct Baselines {
    signature_check: Samples,
    accepted: Samples,
    ratio: Samples,
}

impl Baselines {
    fn push(&mut self, baseline: &Baseline) {
        self.signature_check.push(baseline.signature_check);
        self.accepted.push(baseline.accepted);
        self.ratio.push(baseline.accepted / baseline.signature_check);
    }
}

fn print(algorithm: Algorithm, baselines: &Baselines, allocations: u64, rows: &[Row]) {
    println!(
        "\n{algorithm}: the signature check takes {:.0} ns, the service without a layer {:.0} ns. \
         Medians of {} rounds. No peer caches verified tokens.\n",
        baselines.signature_check.median(),
        baselines.accepted.median(),
        rounds(),
    );
    println!(
        "| | accepted / signature check | accepted / no layer | invalid signature / signature check \
         | no header, ns more than no layer | 8 KB of garbage, ns more than no layer | allocations, accepted |"
    );
    println!("|---|---|---|---|---|---|---|");
    println!("| no layer | {:.3} | 1.00 | | | | {allocations} |", baselines.ratio.median());
    rows.iter().for_each(|row| println!("{row}"));
}
