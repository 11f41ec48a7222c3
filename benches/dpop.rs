//! Measures DPoP requests with cached tokens: `cargo bench --bench dpop`.
//!
//! Each request has a proof of its own, signed before the measurement. Like a server, the bench copies the
//! headers of a batch into fresh memory before it sends them. The baseline verifies the signatures of copies
//! of the same proofs.

mod support;

use std::time::Duration;

use support::auth::with_dpop;
use support::dpop::DpopClient;
use support::request::ORDERS;
use support::table::Table;
use support::token::{API, issuer};
use tower_bearer::Algorithm;
use tower_bearer::dpop::Dpop;

/// The number of requests per round: more than 100 us with the fastest algorithm.
const BATCH: usize = 8;

/// The number of requests before the first batch.
const WARM_UP: usize = 100;

fn main() {
    let (table, issuer) = (Table::new(), issuer(Algorithm::RS256));
    for algorithm in [Algorithm::ES256, Algorithm::Ed25519, Algorithm::RS256] {
        // Signing the proofs takes seconds.
        let auth = with_dpop(&issuer, Dpop::at(API).max_proof_age(Duration::from_secs(300)));
        let client = DpopClient::new(&issuer, algorithm);
        let sign = |path: &str, count: usize| -> Vec<_> { (0..count).map(|_| client.proof(path)).collect() };
        let warm_up = sign("/", WARM_UP);
        let send = client.bare(&auth, &warm_up);
        (0..WARM_UP).for_each(|_| send());
        let row = |form: &str| format!("{form}: DPoP with {algorithm}, cached token / signature check");
        let proofs = sign("/", table.rounds() * BATCH);
        let batches = proofs.chunks(BATCH).map(|proofs| (client.bare(&auth, proofs), client.checks(proofs)));
        Table::compare_batches(&row("bare"), "<= 1.06", BATCH, batches);
        let proofs = sign(ORDERS, table.rounds() * BATCH);
        let batches =
            proofs.chunks(BATCH).map(|proofs| (client.typical(&auth, proofs), client.checks(proofs)));
        Table::compare_batches(&row("typical"), "", BATCH, batches);
    }
}
