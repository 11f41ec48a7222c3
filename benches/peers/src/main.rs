//! The same tokens through tower-bearer and its peers: `cargo run --release` in this folder.
//!
//! Each round sends one short batch of each kind of request to each contestant in turn, and just before it
//! to the service without auth and to the raw check of the signature. A figure is the median over the
//! rounds of the ratio to what came just before, so that a slow spell of the machine hits both.
//! `ROUNDS` in the environment sets their number (1000).

mod contestants;
mod measure;
mod row;
mod trial;

use std::error::Error;

use http::HeaderValue;
use tokio::runtime::{Builder, Runtime};
use tower_bearer::Algorithm;

use contestants::Sender;
use measure::{Samples, allocations, rounds, time, uncounted};
use row::Row;
use trial::{Token, Trial, bearer};

/// Requests in a batch whose signature is checked.
const CHECKED: usize = 10;
/// Requests in a batch that are refused before.
const UNCHECKED: usize = 100;

fn main() -> Result<(), Box<dyn Error>> {
    // One thread for the issuer and for what the contestants do in the background; this one is timed.
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let _inside = runtime.enter();
    for algorithm in [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA] {
        compare(&runtime, algorithm)?;
    }
    Ok(())
}

fn compare(runtime: &Runtime, algorithm: Algorithm) -> Result<(), Box<dyn Error>> {
    let trial = runtime.block_on(Trial::start(algorithm))?;
    let garbage = bearer(&"x".repeat(8192));
    let contestants = runtime.block_on(contestants::all(&trial));
    let mut rows: Vec<Row> =
        contestants.into_iter().map(|contestant| Row::new(contestant, &trial, &garbage)).collect();
    let mut yardsticks = Yardsticks::default();
    let mut without_auth = contestants::without_auth();
    uncounted(|| {
        for round in 0..rounds() {
            let tokens = trial.tokens(CHECKED + 1);
            // Another one begins each time: signing, which comes before, slows some processors down.
            for turn in 0..rows.len() {
                let next = (round + turn) % rows.len();
                let yardstick = Yardstick::new(&trial, &tokens, &garbage, &mut without_auth);
                rows[next].turn(&tokens, &garbage, &yardstick);
                yardsticks.push(&yardstick);
            }
        }
    });
    let token = &trial.tokens(1)[0];
    let bare = allocations(|| assert_eq!(without_auth(Some(&token.authorization)), 200));
    print(algorithm, &yardsticks, bare, &rows);
    Ok(())
}

/// What the figures of a turn are held against, in nanoseconds.
struct Yardstick {
    raw: f64,
    accepted: f64,
    missing: f64,
    garbage: f64,
}

impl Yardstick {
    fn new(trial: &Trial, tokens: &[Token], garbage: &HeaderValue, without_auth: &mut Sender) -> Self {
        let mut open = |authorization| time(UNCHECKED, |_| assert_eq!(without_auth(authorization), 200));
        Self {
            raw: time(CHECKED, |number| trial.verify(&tokens[number])),
            accepted: open(Some(&tokens[0].authorization)),
            missing: open(None),
            garbage: open(Some(garbage)),
        }
    }
}

#[derive(Default)]
struct Yardsticks {
    raw: Samples,
    accepted: Samples,
    ratio: Samples,
}

impl Yardsticks {
    fn push(&mut self, yardstick: &Yardstick) {
        self.raw.push(yardstick.raw);
        self.accepted.push(yardstick.accepted);
        self.ratio.push(yardstick.accepted / yardstick.raw);
    }
}

fn print(algorithm: Algorithm, yardsticks: &Yardsticks, allocations: u64, rows: &[Row]) {
    println!(
        "\n{algorithm}: the raw check takes {:.0} ns, the service without auth {:.0} ns. \
         Medians of {} rounds. No Rust peer remembers verified tokens.\n",
        yardsticks.raw.median(),
        yardsticks.accepted.median(),
        rounds(),
    );
    println!(
        "| | accepted / raw check | accepted / no auth | bad signature / raw check \
         | no header, ns over no auth | 8 KB of garbage, ns over no auth | allocations, accepted |"
    );
    println!("|---|---|---|---|---|---|---|");
    println!("| no auth | {:.3} | 1.00 | | | | {allocations} |", yardsticks.ratio.median());
    rows.iter().for_each(|row| println!("{row}"));
}
