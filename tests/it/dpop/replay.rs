//! No proof is accepted twice, and only an accepted request uses a proof up (RFC 9449 section 11.1).

use std::time::Duration;

use serde_json::json;
use tokio::task::JoinSet;
use tower_bearer::RejectionKind::{
    KeysUnavailable, ProofMalformed, ProofMethodMismatch, ProofReplayed, ProofSignatureMismatch,
    ProofTokenMismatch, ProofUrlMismatch, ProofsTooMany, TokenNotYetValid,
};
use tower_bearer::dpop::Dpop;
use tower_bearer::testing::Fault;

use crate::support::app::NOW;
use crate::support::dpop::{DpopApi, URL, request, request_of};
use crate::support::keys::{decode, encode};
use crate::support::protected::{ACCEPTED, API, Outcome};

const REPLAYED: Outcome = Err(ProofReplayed);

#[tokio::test(start_paused = true)]
async fn a_proof_is_accepted_once_with_an_uncached_and_with_a_cached_token() {
    let api = DpopApi::new();
    let token = api.token();
    for cached in [false, true] {
        assert_eq!(api.auth.cached_tokens(), usize::from(cached));
        let proof = api.proof(&token);
        assert_eq!(api.outcome_of(&proof).await, ACCEPTED, "cached: {cached}");
        for _ in 0..3 {
            assert_eq!(api.outcome_of(&proof).await, REPLAYED, "cached: {cached}");
        }
    }
    assert_eq!(api.api.handler.calls(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_256_concurrent_uses_of_a_proof_one_is_accepted() {
    let api = DpopApi::new();
    let token = api.token();
    for cached in [false, true] {
        let proof = api.proof(&token);
        let mut requests = JoinSet::new();
        for _ in 0..256 {
            let (api, request) = (api.clone(), request_of(&proof));
            requests.spawn(async move { api.outcome(request).await });
        }
        let outcomes = requests.join_all().await;
        let accepted = outcomes.iter().filter(|outcome| **outcome == ACCEPTED).count();
        let replayed = outcomes.iter().filter(|outcome| **outcome == REPLAYED).count();
        assert_eq!((accepted, replayed), (1, 255), "cached: {cached}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_with_an_invalid_token_does_not_use_its_proof_up() {
    let api = DpopApi::new();
    let token = api.unsigned_token().claim("nbf", NOW + 50).bound_to_key(&api.key).sign();
    let proof = api.proof(&token);
    api.idp.set_outage(Some(Fault::Status(500)));
    assert_eq!(api.outcome_of(&proof).await, Err(KeysUnavailable));
    api.idp.set_outage(None);
    tokio::time::sleep(Duration::from_secs(60)).await;
    for _ in 0..2 {
        assert_eq!(api.outcome_of(&proof).await, Err(TokenNotYetValid));
    }
    api.idp.clock().advance(Duration::from_secs(20));
    assert_eq!(api.outcome_of(&proof).await, ACCEPTED);
    assert_eq!(api.outcome_of(&proof).await, REPLAYED);
}

#[tokio::test(start_paused = true)]
async fn a_rejected_proof_uses_nothing_up() {
    let api = DpopApi::new();
    let token = api.token();
    let proof = api.proof(&token);
    let thief = api.idp.dpop_key();
    // All have the `jti` and the key of the good proof.
    for (name, bad, expected) in [
        ("another signature", proof.clone().signed_by(&thief), ProofSignatureMismatch),
        ("another method", proof.clone().claim("htm", "POST"), ProofMethodMismatch),
        ("another URL", proof.clone().claim("htu", API), ProofUrlMismatch),
        ("another token", proof.clone().claim("ath", "A".repeat(43)), ProofTokenMismatch),
    ] {
        for _ in 0..2 {
            assert_eq!(api.outcome_of(&bad).await, Err(expected), "{name}");
        }
    }
    assert_eq!(api.outcome_of(&proof).await, ACCEPTED);
    assert_eq!(api.outcome_of(&proof).await, REPLAYED);
}

#[tokio::test(start_paused = true)]
async fn a_jti_counts_once_per_key() {
    let api = DpopApi::new();
    let (token, other_token) = (api.token(), api.token());
    let proof = |token: &str| api.proof(token).claim("jti", "7");
    assert_eq!(api.outcome_of(&proof(&token)).await, ACCEPTED);
    for (name, again) in [
        ("a new proof", proof(&token)),
        ("another token", proof(&other_token)),
        ("another URL", api.key.proof("GET", "https://api.example.com/x").token(&token).claim("jti", "7")),
        ("another method", api.key.proof("POST", URL).token(&token).claim("jti", "7")),
        ("another claim", proof(&token).claim("x", 1)),
        ("another header", proof(&token).header("x", 1)),
    ] {
        assert_eq!(api.outcome_of(&again).await, REPLAYED, "{name}");
    }
    for jti in ["07", "7 ", "7\u{0}", "\u{0667}"] {
        assert_eq!(api.outcome_of(&proof(&token).claim("jti", jti)).await, ACCEPTED, "{jti:?}");
    }

    let other = api.called_by_another();
    let token = other.token();
    let of_other = other.proof(&token).claim("jti", "7");
    assert_eq!(other.outcome_of(&of_other).await, ACCEPTED, "no client can use up the jti of another");
    assert_eq!(other.outcome_of(&of_other).await, REPLAYED);
}

/// With `s`, `n - s` is a valid part of an ECDSA signature as well. Anyone can compute it.
#[tokio::test(start_paused = true)]
async fn another_form_of_the_signature_is_a_replay() {
    let api = DpopApi::new();
    let token = api.token();
    let (one, other) = (api.proof(&token).sign(), api.proof(&token).sign());
    assert_eq!(api.outcome(request(&token, &one)).await, ACCEPTED);
    assert_eq!(api.outcome(request(&token, &malleated(&one))).await, REPLAYED);
    assert_eq!(api.outcome(request(&token, &malleated(&other))).await, ACCEPTED, "the form is valid");
    assert_eq!(api.outcome(request(&token, &other)).await, REPLAYED);
}

/// The proof with `n - s` instead of `s`.
fn malleated(proof: &str) -> String {
    let (input, signature) = proof.rsplit_once('.').unwrap();
    let mut signature = decode(signature);
    let order = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
    let mut borrow = 0;
    for index in (0..32).rev() {
        let minuend = i16::from_str_radix(&order[2 * index..2 * index + 2], 16).unwrap();
        let difference = minuend - i16::from(signature[32 + index]) - borrow;
        borrow = i16::from(difference < 0);
        signature[32 + index] = u8::try_from(difference.rem_euclid(256)).unwrap();
    }
    format!("{input}.{}", encode(signature))
}

#[tokio::test(start_paused = true)]
async fn a_client_that_fills_half_of_the_memory_leaves_the_rest_to_others() {
    let api = DpopApi::with(|dpop| dpop.max_proofs(32));
    let token = api.token();
    for number in 0..16 {
        assert_eq!(api.outcome_of(&api.proof(&token)).await, ACCEPTED, "{number}");
    }
    let refused = api.proof(&token);
    let response = api.api.send(request_of(&refused)).await;
    assert_eq!(response.rejection().unwrap().kind(), ProofsTooMany);
    let retry_after: u64 = response.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=150).contains(&retry_after), "{retry_after}");

    let other = api.called_by_another();
    let token_of_other = other.token();
    for _ in 0..2 {
        assert_eq!(other.outcome_of(&other.proof(&token_of_other)).await, ACCEPTED);
    }
    assert_eq!(other.outcome_of(&other.proof(&token_of_other)).await, Err(ProofsTooMany));
    api.idp.clock().advance(Duration::from_secs(retry_after));
    assert_eq!(api.outcome_of(&api.proof(&token)).await, ACCEPTED, "there is room after Retry-After");
}

#[tokio::test(start_paused = true)]
async fn a_proof_that_found_no_room_was_not_used_up() {
    let api = DpopApi::configured(|_, builder| {
        let dpop = Dpop::at(API).max_proofs(1).max_proof_age(Duration::from_secs(300));
        builder.dpop(dpop).leeway(Duration::ZERO)
    });
    let token = api.token();
    let first = api.proof(&token).issued_ago(Duration::from_secs(290));
    assert_eq!(api.outcome_of(&first).await, ACCEPTED);
    let second = api.proof(&token);
    assert_eq!(api.outcome_of(&second).await, Err(ProofsTooMany));
    api.idp.clock().advance(Duration::from_secs(40));
    assert_eq!(api.outcome_of(&second).await, ACCEPTED);
    assert_eq!(api.outcome_of(&second).await, REPLAYED);
}

#[tokio::test(start_paused = true)]
async fn a_jti_has_1_to_256_characters() {
    let api = DpopApi::new();
    let token = api.token();
    let malformed = Err(ProofMalformed);
    for (jti, expected) in [
        (json!(""), malformed),
        (json!("a"), ACCEPTED),
        (json!("a".repeat(256)), ACCEPTED),
        (json!("a".repeat(257)), malformed),
        (json!("\u{e9}".repeat(256)), ACCEPTED),
        (json!(7), malformed),
        (json!(null), malformed),
    ] {
        let proof = api.proof(&token).claim("jti", jti.clone());
        assert_eq!(api.outcome_of(&proof).await, expected, "{jti}");
    }
}
