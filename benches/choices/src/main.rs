//! Measures the alternatives that tower-bearer does not use: `cargo run --release` in this folder.
//!
//! In each round, every candidate runs one short batch; the next round starts with another candidate. A
//! ratio compares two batches of the same round, and the table shows the median over all rounds, so a slow
//! spell of the machine affects both sides of a ratio. `ROUNDS` in the environment sets the number of rounds
//! (default: 400).

mod caches;
mod rounds;
mod signatures;
mod table;

/// The tokens that all benches of the crate use.
#[path = "../../support/token.rs"]
#[allow(dead_code, reason = "other benches use the rest")]
mod token;

use table::Table;

fn main() {
    let table = Table::start();
    signatures::measure(&table);
    caches::measure_hits(&table);
    caches::measure_equal_samples(&table);
}
