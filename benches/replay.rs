//! Measures the memory of used DPoP proofs while it fills up: `cargo bench --bench replay`.
//!
//! The environment variable `PROOFS` sets its size. Default: 1 000 000. This takes some minutes, because each
//! proof has to be signed.

mod support;

use std::time::Duration;

use support::auth::with_dpop;
use support::dpop::DpopClient;
use support::table::{Sample, Table, number_from_env, time};
use support::token::{API, issuer};
use tower_bearer::dpop::Dpop;
use tower_bearer::testing::TestIssuer;
use tower_bearer::{Algorithm, BearerAuth};

/// The number of clients. One client key holds at most a sixteenth of a memory that is half full.
const CLIENTS: usize = 64;

/// The number of proofs that one client signs at a time.
const CHUNK: usize = 100;

/// The number of requests that are measured at each fill level.
const MEASURED: usize = 10_000;

/// The time that the clock advances while the store fills up. A proof stays recorded for longer.
const FILL_TIME: Duration = Duration::from_secs(80);

fn main() {
    let size = number_from_env("PROOFS").unwrap_or(1_000_000).max(10 * MEASURED);
    Table::new();
    let issuer = issuer(Algorithm::EdDSA);
    let auth = with_dpop(&issuer, Dpop::at(API).max_proofs(size));
    let clients: Vec<_> = (0..CLIENTS).map(|_| DpopClient::new(&issuer, Algorithm::Ed25519)).collect();
    let mut memory = Memory { auth, issuer, clients, size, used: 0, bytes: 0 };
    memory.warm_up();
    let levels = [1, 50, 99].map(|percent| (percent, memory.measure_at(size / 100 * percent)));
    for (percent, samples) in &levels {
        let name = format!("{percent} % of {size} proofs used: DPoP with Ed25519 / signature check");
        Table::samples(&name, "flat", "ns", samples);
    }
    for (percent, samples) in levels {
        report_slowest(percent, &samples);
    }
    memory.fill_to(size - CHUNK);
    let megabytes = memory.bytes as f64 / 1e6;
    Table::row(
        &format!("memory of {} proofs", memory.used),
        "",
        format!("{megabytes:.1} MB"),
        "",
        "<= 40 MB",
    );
}

/// An API, and how many proofs its store holds.
struct Memory {
    auth: BearerAuth,
    issuer: TestIssuer,
    clients: Vec<DpopClient>,
    size: usize,
    used: usize,
    bytes: i64,
}

impl Memory {
    /// Caches the token and the key of each client.
    fn warm_up(&mut self) {
        for client in &self.clients {
            client.bare(&self.auth, &[client.proof("/")])();
        }
        self.used = self.clients.len();
    }

    /// Uses proofs until the store holds `used` of them, then measures the next ones.
    fn measure_at(&mut self, used: usize) -> Vec<Sample> {
        self.fill_to(used - MEASURED / 2);
        (0..MEASURED / CHUNK).flat_map(|_| self.use_chunk()).collect()
    }

    fn fill_to(&mut self, used: usize) {
        while self.used < used {
            self.use_chunk();
        }
    }

    /// Uses proofs of one client. Counts the bytes that are still in use when the requests are gone.
    fn use_chunk(&mut self) -> Vec<Sample> {
        let client = &self.clients[self.used / CHUNK % CLIENTS];
        let mut samples = Vec::with_capacity(CHUNK);
        let counted = allocation_counter::measure(|| {
            let proofs: Vec<_> = (0..CHUNK).map(|_| client.proof("/")).collect();
            let (send, check) = (client.bare(&self.auth, &proofs), client.checks(&proofs));
            samples.extend((0..CHUNK).map(|_| Sample { measured: time(&send), baseline: time(&check) }));
        });
        self.used += CHUNK;
        self.bytes += counted.bytes_current;
        self.issuer.clock().advance(FILL_TIME * CHUNK as u32 / self.size as u32);
        samples
    }
}

/// Prints the time of the slowest in a thousand requests. The signature checks show what the machine adds.
fn report_slowest(percent: usize, samples: &[Sample]) {
    let per_mille = |figure: fn(&Sample) -> f64| {
        let mut figures: Vec<_> = samples.iter().map(figure).collect();
        figures.sort_by(f64::total_cmp);
        figures[figures.len() * 999 / 1000]
    };
    let (measured, baseline) = (per_mille(|sample| sample.measured), per_mille(|sample| sample.baseline));
    let name = format!("{percent} % used: p99.9 of single requests / of signature checks");
    let ratio = format!("{:.3}", measured / baseline);
    Table::row(&name, ratio, format!("{measured:.0} ns"), format!("{baseline:.0} ns"), "flat");
}
