//! Nonces in proofs (RFC 9449 sections 8 and 9). A nonce is issued for a minute and accepted for two more.

use std::convert::Infallible;
use std::future::ready;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use serde_json::{Value, json};
use tower::{Layer, service_fn};
use tower_bearer::RejectionKind::{
    ProofMalformed, ProofNonceRequired, ProofReplayed, ProofSignatureMismatch, ProofUrlMismatch,
};
use tower_bearer::dpop::Nonces;
use tower_bearer::testing::{ManualClock, ProofBuilder};

use crate::support::app::{NOW, at};
use crate::support::dpop::{DpopApi, request_of};
use crate::support::protected::{ACCEPTED, ApiResponse, Outcome, send};

fn api() -> DpopApi {
    DpopApi::with(|dpop| dpop.nonces(Nonces::required()))
}

fn with_secret(secret: &[u8]) -> DpopApi {
    DpopApi::with(|dpop| dpop.nonces(Nonces::required().secret(secret)))
}

/// The nonce that the API issues now.
async fn nonce(api: &DpopApi) -> String {
    let response = api.get(&api.token()).await;
    assert_eq!(response.rejection().unwrap().kind(), ProofNonceRequired);
    let nonce = response.header("dpop-nonce").unwrap().to_owned();
    assert_eq!(response.headers().get_all("dpop-nonce").iter().count(), 1);
    nonce
}

/// The response to a new proof with this nonce.
async fn response(api: &DpopApi, nonce: &str) -> ApiResponse {
    let token = api.token();
    api.api.send(request_of(&api.proof(&token).nonce(nonce))).await
}

async fn outcome(api: &DpopApi, nonce: &str) -> Outcome {
    let token = api.token();
    api.outcome_of(&api.proof(&token).nonce(nonce)).await
}

#[tokio::test(start_paused = true)]
async fn a_client_repeats_its_request_with_the_nonce_that_it_got() {
    let api = api();
    let token = api.token();
    let first = api.proof(&token);
    let response = api.api.send(request_of(&first)).await;
    assert_eq!(response.status(), 401);
    let challenges = response.challenges();
    assert_eq!(challenges[0].error(), None);
    assert_eq!(challenges[1].error(), Some("use_dpop_nonce"));
    let nonce = response.header("dpop-nonce").unwrap();
    let again = first.clone().nonce(nonce);
    let response = api.api.send(request_of(&again)).await;
    assert_eq!(response.outcome(), ACCEPTED);
    assert_eq!(response.header("dpop-nonce"), None, "the client has the current one");
    assert_eq!(api.outcome_of(&again).await, Err(ProofReplayed));
    assert_eq!(api.outcome_of(&first).await, Err(ProofNonceRequired), "there is no way back");
}

/// RFC 9449 section 8.1.
#[tokio::test(start_paused = true)]
async fn a_nonce_is_a_short_text_that_differs_in_each_minute() {
    let api = api();
    let mut nonces = Vec::new();
    for _ in 0..10 {
        let nonce = nonce(&api).await;
        let is_nqchar = |byte: u8| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
        assert!(nonce.bytes().all(is_nqchar) && (16..=64).contains(&nonce.len()), "{nonce}");
        nonces.push(nonce);
        api.idp.clock().advance(Duration::from_secs(60));
    }
    nonces.sort();
    nonces.dedup();
    assert_eq!(nonces.len(), 10);
}

#[tokio::test(start_paused = true)]
async fn a_nonce_is_accepted_until_the_end_of_the_third_minute() {
    let api = api();
    let first = nonce(&api).await;
    for (after, is_current) in [(0, true), (59, true), (60, false), (119, false), (120, false), (179, false)]
    {
        api.idp.clock().set(at(NOW + after));
        let response = response(&api, &first).await;
        assert_eq!(response.status(), 200, "after {after} s");
        let fresh = response.header("dpop-nonce").map(str::to_owned);
        let current = nonce(&api).await;
        assert_eq!(fresh, (!is_current).then_some(current), "after {after} s");
    }
    for after in [180, 181, 240, 3000] {
        api.idp.clock().set(at(NOW + after));
        assert_eq!(outcome(&api, &first).await, Err(ProofNonceRequired), "after {after} s");
    }
}

#[tokio::test(start_paused = true)]
async fn a_nonce_of_a_coming_minute_is_rejected() {
    let api = api();
    api.idp.clock().set(at(NOW + 60));
    let next = nonce(&api).await;
    api.idp.clock().set(at(NOW + 59));
    assert_eq!(outcome(&api, &next).await, Err(ProofNonceRequired));
    api.idp.clock().set(at(NOW + 60));
    assert_eq!(outcome(&api, &next).await, ACCEPTED);
}

#[tokio::test(start_paused = true)]
async fn a_nonce_of_another_secret_is_rejected() {
    let (api, other) = (with_secret(&[7; 32]), with_secret(&[8; 32]));
    let of_other = nonce(&other).await;
    assert_eq!(outcome(&other, &of_other).await, ACCEPTED);
    assert_eq!(outcome(&api, &of_other).await, Err(ProofNonceRequired));
    let own = nonce(&api).await;
    let longer = format!("{own}A");
    let changed: String = own.chars().rev().collect();
    for bad in ["", &own[1..], &longer, &changed, &own.to_uppercase(), "eyJ7S_zG.eyJH0-Z.HX4w-7v"] {
        assert_eq!(outcome(&api, bad).await, Err(ProofNonceRequired), "{bad}");
    }
    assert_eq!(outcome(&api, &own).await, ACCEPTED);
}

#[tokio::test(start_paused = true)]
async fn instances_with_one_secret_accept_the_nonces_of_each_other() {
    let (one, other) = (with_secret(&[7; 32]), with_secret(&[7; 32]));
    assert_eq!(outcome(&other, &nonce(&one).await).await, ACCEPTED);
    let (one, other) = (api(), api());
    assert_eq!(outcome(&other, &nonce(&one).await).await, ACCEPTED, "the secret of the process");
    assert_eq!(outcome(&with_secret(&[7; 32]), &nonce(&one).await).await, Err(ProofNonceRequired));
}

#[tokio::test(start_paused = true)]
async fn an_ill_typed_nonce_counts_as_absent() {
    let api = api();
    let token = api.token();
    for value in [json!(null), json!(1), json!([nonce(&api).await]), json!({})] {
        let proof = api.proof(&token).claim("nonce", value.clone());
        assert_eq!(api.outcome_of(&proof).await, Err(ProofNonceRequired), "{value}");
    }
}

/// Nobody but the client whose token it is gets a nonce.
#[tokio::test(start_paused = true)]
async fn a_proof_that_is_invalid_otherwise_is_not_asked_for_a_nonce() {
    let api = api();
    let token = api.token();
    let proof = api.proof(&token);
    let forged = proof.clone().signed_by(&api.idp.dpop_key());
    assert_eq!(api.outcome_of(&forged).await, Err(ProofSignatureMismatch));
    let elsewhere = proof.claim("htu", "https://other.example.com/orders");
    assert_eq!(api.outcome_of(&elsewhere).await, Err(ProofUrlMismatch));
}

#[tokio::test(start_paused = true)]
async fn without_the_setting_a_nonce_is_ignored() {
    let api = DpopApi::new();
    assert_eq!(outcome(&api, "of another server").await, ACCEPTED);
}

#[tokio::test(start_paused = true)]
async fn a_client_with_a_wrong_clock_is_accepted_with_a_nonce() {
    let api = api();
    for clock in [0, NOW - 86_400, NOW + 86_400, 9_999_999_999] {
        let client = api.called_with(api.key.clone().clock(ManualClock::at(at(clock))));
        assert_eq!(outcome(&client, &nonce(&api).await).await, ACCEPTED, "{clock}");
    }
    let with_iat = async |iat: Value| {
        let (token, nonce) = (api.token(), nonce(&api).await);
        api.outcome_of(&api.proof(&token).nonce(&nonce).claim("iat", iat)).await
    };
    for number in [json!(0), json!(-1), json!(1.5), json!(u64::MAX), json!(1e300), json!(-1e300)] {
        assert_eq!(with_iat(number.clone()).await, ACCEPTED, "{number}");
    }
    for other in [json!(null), json!("0"), json!(true), json!([0]), json!({})] {
        assert_eq!(with_iat(other.clone()).await, Err(ProofMalformed), "{other}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_proof_with_a_nonce_is_rejected_again_as_long_as_its_nonce_is_accepted() {
    for (name, iat) in [("now", NOW), ("1970", 0), ("tomorrow", NOW + 86_400)] {
        let api = api();
        let (token, nonce) = (api.token(), nonce(&api).await);
        let proof = api.proof(&token).nonce(&nonce).claim("iat", iat);
        assert_eq!(api.outcome_of(&proof).await, ACCEPTED, "{name}");
        for after in (0..180).step_by(7).chain([179]) {
            api.idp.clock().set(at(NOW + after));
            assert_eq!(api.outcome_of(&proof).await, Err(ProofReplayed), "{name}: after {after} s");
        }
        api.idp.clock().set(at(NOW + 180));
        assert_eq!(api.outcome_of(&proof).await, Err(ProofNonceRequired), "{name}");
    }
}

/// The response of a handler with this status and these headers, to a proof whose nonce is a minute old.
async fn rotated(status: u16, headers: &'static [(&'static str, &'static str)]) -> (ApiResponse, String) {
    let api = api();
    let old = nonce(&api).await;
    api.idp.clock().advance(Duration::from_secs(60));
    let token = api.token();
    let proof: ProofBuilder = api.proof(&token).nonce(&old);
    let handler = service_fn(move |_: Request<Full<Bytes>>| {
        let response = Response::builder().status(status);
        let add =
            |response: http::response::Builder, (name, value): &(&str, &str)| response.header(*name, *value);
        let response = headers.iter().fold(response, add).body(Full::<Bytes>::default());
        ready(Ok::<_, Infallible>(response.unwrap()))
    });
    (send(api.auth.layer(handler), request_of(&proof)).await, nonce(&api).await)
}

#[tokio::test(start_paused = true)]
async fn a_successful_response_renews_a_nonce_that_expires_soon() {
    for (status, expected) in [
        (200, true),
        (201, true),
        (204, true),
        (206, true),
        (301, false),
        (304, false),
        (404, false),
        (500, false),
    ] {
        let (response, current) = rotated(status, &[]).await;
        assert_eq!(response.status(), status);
        assert_eq!(response.header("dpop-nonce"), expected.then_some(&*current), "{status}");
    }
}

/// RFC 9449 section 8.2: a cache would give the nonce to other clients.
#[tokio::test(start_paused = true)]
async fn a_response_that_shared_caches_may_store_has_no_nonce() {
    for (headers, expected) in [
        (&[("cache-control", "public, max-age=60")][..], false),
        (&[("cache-control", "max-age=60, PUBLIC")], false),
        (&[("cache-control", "s-maxage=60")], false),
        (&[("cache-control", "max-age=60"), ("cache-control", "public")], false),
        (&[("cache-control", "max-age=60, must-revalidate")], false),
        (&[("cache-control", "max-age=60")], true),
        (&[("cache-control", "private")], true),
        (&[("cache-control", "no-store")], true),
        (&[("cache-control", "public-ish")], true),
    ] {
        let (response, current) = rotated(200, headers).await;
        assert_eq!(response.header("dpop-nonce"), expected.then_some(&*current), "{headers:?}");
        let lines = response.headers().get_all("cache-control").iter().count();
        assert_eq!(lines, headers.len(), "Cache-Control is left alone");
    }
}

/// RFC 9449 section 8.2.
#[tokio::test(start_paused = true)]
async fn a_response_has_one_nonce_whatever_the_handler_sets() {
    let (response, current) = rotated(200, &[("dpop-nonce", "x"), ("dpop-nonce", "y")]).await;
    let nonces: Vec<_> = response.headers().get_all("dpop-nonce").iter().collect();
    assert_eq!(nonces, [&*current]);
}
