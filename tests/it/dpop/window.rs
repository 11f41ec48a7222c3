//! How long a proof is accepted, to the second (RFC 9449 sections 4.3, item 11, and 11.1).

use std::time::Duration;

use serde_json::json;
use tower_bearer::RejectionKind::{ProofExpired, ProofIssuedInFuture, ProofMalformed, ProofReplayed};
use tower_bearer::dpop::Dpop;

use crate::support::app::{NOW, at};
use crate::support::dpop::DpopApi;
use crate::support::protected::{ACCEPTED, API};

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// An API with this leeway and this maximum age, in seconds.
fn api(leeway: u64, max_age: u64) -> DpopApi {
    DpopApi::configured(|_, builder| {
        builder.dpop(Dpop::at(API).max_proof_age(secs(max_age))).leeway(secs(leeway))
    })
}

#[tokio::test(start_paused = true)]
async fn a_proof_is_accepted_from_the_leeway_before_its_iat_to_the_leeway_after_its_end() {
    for (leeway, max_age) in [(0, 60), (30, 60), (60, 60), (0, 1), (30, 300), (1, 5)] {
        let api = api(leeway, max_age);
        let token = api.token();
        let proof = || api.proof(&token);
        let end = max_age + leeway;
        for (name, proof, expected) in [
            ("now", proof(), ACCEPTED),
            ("earliest", proof().issued_ahead(secs(leeway)), ACCEPTED),
            ("too early", proof().issued_ahead(secs(leeway + 1)), Err(ProofIssuedInFuture)),
            ("much too early", proof().issued_ahead(secs(3600)), Err(ProofIssuedInFuture)),
            ("latest", proof().issued_ago(secs(end - 1)), ACCEPTED),
            ("too late", proof().issued_ago(secs(end)), Err(ProofExpired)),
            ("much too late", proof().issued_ago(secs(3600)), Err(ProofExpired)),
        ] {
            assert_eq!(api.outcome_of(&proof).await, expected, "{name}: {leeway} s and {max_age} s");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_default_window_is_60_s_and_the_leeway_of_30_s_on_both_sides() {
    let api = DpopApi::new();
    let token = api.token();
    for (proof, expected) in [
        (api.proof(&token).issued_ahead(secs(30)), ACCEPTED),
        (api.proof(&token).issued_ahead(secs(31)), Err(ProofIssuedInFuture)),
        (api.proof(&token).issued_ago(secs(89)), ACCEPTED),
        (api.proof(&token).issued_ago(secs(90)), Err(ProofExpired)),
    ] {
        assert_eq!(api.outcome_of(&proof).await, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_used_proof_is_rejected_in_every_second_of_its_window_and_after_it() {
    for (leeway, max_age) in [(0, 60), (30, 60), (30, 5)] {
        let api = api(leeway, max_age);
        let token = api.token();
        let proof = api.proof(&token).issued_ahead(secs(leeway));
        assert_eq!(api.outcome_of(&proof).await, ACCEPTED);
        for passed in 0..max_age + 2 * leeway {
            assert_eq!(api.outcome_of(&proof).await, Err(ProofReplayed), "{leeway}: after {passed} s");
            api.idp.clock().advance(secs(1));
        }
        for _ in 0..3 {
            assert_eq!(api.outcome_of(&proof).await, Err(ProofExpired), "{leeway}");
            api.idp.clock().advance(secs(60));
        }
    }
}

/// The clock of this API may be set while it runs.
#[tokio::test(start_paused = true)]
async fn a_used_proof_is_rejected_wherever_the_clock_goes() {
    let api = DpopApi::new();
    let token = api.token();
    let proof = api.proof(&token);
    assert_eq!(api.outcome_of(&proof).await, ACCEPTED);
    for (name, now) in [
        ("a step back", NOW - 20),
        ("forward, past its end", NOW + 95),
        ("back again", NOW),
        ("far ahead", NOW + 1000),
        ("a little before its end", NOW + 89),
        ("back to the start", NOW),
    ] {
        api.idp.clock().set(at(now));
        // Time passes with requests of the same client.
        let _ = api.outcome_of(&api.proof(&token)).await;
        let outcome = api.outcome_of(&proof).await;
        assert!(matches!(outcome, Err(ProofReplayed | ProofExpired)), "{name}: {outcome:?}");
    }
    api.idp.clock().set(at(NOW + 300));
    assert_eq!(api.outcome_of(&api.proof(&token)).await, ACCEPTED, "new proofs are accepted again");
}

#[tokio::test(start_paused = true)]
async fn iat_is_a_number() {
    let api = DpopApi::new();
    let token = api.token();
    for (iat, expected) in [
        (json!(NOW), ACCEPTED),
        (json!(1_800_000_000.5), ACCEPTED),
        (json!(1.8e9), ACCEPTED),
        (json!(1_800_000_030.5), Err(ProofIssuedInFuture)),
        (json!(NOW.to_string()), Err(ProofMalformed)),
        (json!(null), Err(ProofMalformed)),
        (json!(true), Err(ProofMalformed)),
        (json!([NOW]), Err(ProofMalformed)),
        (json!({}), Err(ProofMalformed)),
    ] {
        let proof = api.proof(&token).claim("iat", iat.clone());
        assert_eq!(api.outcome_of(&proof).await, expected, "{iat}");
    }
    assert_eq!(api.outcome_of(&api.proof(&token).without("iat")).await, Err(ProofMalformed));
    for extreme in [json!(0), json!(-1), json!(u64::MAX), json!(i64::MIN), json!(1e300), json!(-1e300)] {
        let outcome = api.outcome_of(&api.proof(&token).claim("iat", extreme.clone())).await;
        assert!(outcome.is_err(), "{extreme}: {outcome:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn exp_and_nbf_of_a_proof_change_nothing() {
    let api = DpopApi::new();
    let token = api.token();
    for (name, value) in [("exp", NOW - 1000), ("nbf", NOW + 1000)] {
        assert_eq!(api.outcome_of(&api.proof(&token).claim(name, value)).await, ACCEPTED, "{name}");
    }
}
