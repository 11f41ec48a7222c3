//! The figures of `bounds()` for DPoP proofs hold.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use tower_bearer::diagnostics::Bound;
use tower_bearer::dpop::{Dpop, Nonces, ProofUse, RecordFuture, Recorded, ReplayStore};
use tower_bearer::testing::{DpopKey, TestIssuer};
use tower_bearer::{BearerAuth, Rejection, RejectionKind};

use crate::support::app::issuer;
use crate::support::protected::{API, ISSUER, Protected};

const URL: &str = "https://api.example.com/orders";

fn auth(idp: &TestIssuer, dpop: Dpop) -> BearerAuth {
    idp.bearer_auth(API).dpop(dpop).build().unwrap()
}

/// A store that accepts every proof.
struct Anything;

impl ReplayStore for Anything {
    fn record(&self, _: ProofUse) -> RecordFuture {
        Box::pin(async { Ok(Recorded::First) })
    }
}

#[test]
fn the_figures_about_proofs_apply_where_dpop_is_accepted() {
    let idp = issuer(ISSUER);
    let without = idp.bearer_auth(API).build().unwrap().bounds();
    assert_eq!(without.proof_lifetime(), Bound::NotApplicable);
    assert_eq!(without.proofs_per_second(), Bound::NotApplicable);
    assert!(!without.to_string().contains("DPoP"));
    let with_store = auth(&idp, Dpop::at(API).replay_store(Anything)).bounds();
    assert_eq!(with_store.proofs_per_second(), Bound::Unlimited);
    assert_eq!(with_store.proof_lifetime(), Bound::Value(Duration::from_secs(120)));
    let shown = auth(&idp, Dpop::at(API)).bounds().to_string();
    assert!(shown.contains("a DPoP proof is accepted for at most: 120 s (2 min)\n"), "{shown}");
    assert!(shown.contains("the memory of used proofs holds, at least: 2032\n"), "{shown}");
}

/// The kind of the rejection of a request with this proof, which names the token.
async fn outcome(api: &Protected, proof: &tower_bearer::testing::ProofBuilder) -> Option<RejectionKind> {
    let response = api.send(proof.request().body(Full::<Bytes>::default()).unwrap()).await;
    response.rejection().map(Rejection::kind)
}

#[tokio::test(start_paused = true)]
async fn a_proof_is_accepted_no_longer_than_its_bound() {
    let idp = issuer(ISSUER);
    for dpop in [Dpop::at(API), Dpop::at(API).nonces(Nonces::required())] {
        let auth = auth(&idp, dpop);
        let lifetime = auth.bounds().proof_lifetime().value().unwrap();
        let (api, key) = (Protected::by(&auth), idp.dpop_key());
        let token = idp.token(API).lifetime(Duration::from_secs(3600)).bound_to_key(&key).sign();
        // As early as it is accepted. With nonces, `iat` does not matter.
        let proof = key.proof("GET", URL).token(&token).issued_ahead(Duration::from_secs(30));
        let response = api.send(proof.request().body(Full::default()).unwrap()).await;
        let nonce = response.header("dpop-nonce").map(str::to_owned);
        let proof = |jti: &str| {
            let proof = proof.clone().claim("jti", jti);
            nonce.iter().fold(proof, |proof, nonce| proof.nonce(nonce))
        };
        assert_eq!(outcome(&api, &proof("first")).await, None);
        // The nonce was issued at the start of its step or later.
        let rest = if nonce.is_some() { Duration::from_secs(60) } else { Duration::from_secs(1) };
        idp.clock().advance(lifetime - rest);
        assert_eq!(outcome(&api, &proof("late")).await, None);
        idp.clock().advance(rest);
        assert!(outcome(&api, &proof("too late")).await.is_some());
    }
}

#[tokio::test(start_paused = true)]
async fn the_memory_holds_the_stated_rate_of_proofs_for_any_time() {
    const SECS: u64 = 300;
    let idp = issuer(ISSUER);
    let auth = auth(&idp, Dpop::at(API).max_proofs(400));
    let rate = auth.bounds().proofs_per_second().value().unwrap();
    assert_eq!(rate, 3);
    let api = Protected::by(&auth);
    let clients: Vec<(DpopKey, String)> = (0..40)
        .map(|_| {
            let key = idp.dpop_key();
            let token = idp.token(API).lifetime(Duration::from_secs(3600)).bound_to_key(&key).sign();
            (key, token)
        })
        .collect();
    let mut clients = clients.iter().cycle();
    // The oldest proofs that pass expire soonest, the newest ones stay longest.
    let ahead = Duration::from_secs(30);
    for _ in 0..SECS {
        for _ in 0..rate {
            let (key, token) = clients.next().unwrap();
            let proof = key.proof("GET", URL).token(token).issued_ahead(ahead);
            assert_eq!(outcome(&api, &proof).await, None);
        }
        idp.clock().advance(Duration::from_secs(1));
    }
    // The figure is no guess: half as much again fills the memory.
    let mut rejected = None;
    for _ in 0..SECS {
        for _ in 0..rate.div_ceil(2).saturating_add(rate) {
            let (key, token) = clients.next().unwrap();
            let proof = key.proof("GET", URL).token(token).issued_ahead(ahead);
            rejected = rejected.or(outcome(&api, &proof).await);
        }
        idp.clock().advance(Duration::from_secs(1));
    }
    assert_eq!(rejected, Some(RejectionKind::ProofsTooMany));
}
