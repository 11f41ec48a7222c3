//! The events of requests whose sender may not use the token: expected values and hints.

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http::request::Builder;
use http_body_util::Full;
use tower_bearer::certificates::Certificates;
use tower_bearer::dpop::{Dpop, Nonces};
use tower_bearer::testing::{DpopKey, ProofBuilder, TestIssuer};
use tower_bearer::{Algorithm, BearerAuthBuilder, RejectionKind};

use crate::support::app::issuer;
use crate::support::log::{Entry, Log, leaked_pieces};
use crate::support::protected::{API, ISSUER, Protected};

const URL: &str = "https://api.example.com/orders";

/// The event of a request.
async fn event(
    idp: &TestIssuer,
    change: impl FnOnce(BearerAuthBuilder) -> BearerAuthBuilder,
    request: Builder,
) -> Entry {
    let api = Protected::by(&change(idp.bearer_auth(API)).build().unwrap());
    let log = Log::start();
    api.send(request.body(Full::<Bytes>::default()).unwrap()).await;
    log.requests().pop().expect("an event")
}

#[track_caller]
fn assert_event(event: &Entry, kind: RejectionKind, expected: Option<&str>, hint: &str) {
    assert_eq!(event.field("kind"), Some(kind.as_str()));
    assert_eq!(event.field("expected"), expected, "{kind}");
    assert!(
        event.field("hint").is_some_and(|found| found.contains(hint)),
        "{kind}: {:?}",
        event.field("hint")
    );
}

/// Makes a good proof a bad one.
type Change = fn(ProofBuilder) -> ProofBuilder;

#[tokio::test(start_paused = true)]
async fn a_rejected_proof_is_logged_with_the_expected_values_and_a_hint() {
    let idp = issuer(ISSUER);
    let key = idp.dpop_key();
    let token = idp.token(API).bound_to_key(&key).sign();
    let dpop = || Dpop::at("https://api.example.com").and_at("https://eu.example.com/v2");
    let bases = Some("https://api.example.com, https://eu.example.com/v2");
    let window = Some("iat at most 60 s ago, leeway 30 s");
    let cases: [(RejectionKind, Option<&str>, &str, Change); 6] = [
        (RejectionKind::ProofUrlMismatch, bases, "Dpop::target_from", |proof| {
            proof.claim("htu", "https://internal:8080/orders")
        }),
        (RejectionKind::ProofExpired, window, "synchronize its clock", |proof| {
            proof.issued_ago(Duration::from_secs(91))
        }),
        (RejectionKind::ProofIssuedInFuture, window, "synchronize its clock", |proof| {
            proof.issued_ahead(Duration::from_secs(31))
        }),
        (RejectionKind::ProofMalformed, None, "the cause names the part", |proof| proof.without("jti")),
        (RejectionKind::ProofMethodMismatch, None, "changes the method", |proof| proof.claim("htm", "POST")),
        (RejectionKind::ProofKeyMismatch, None, "the key of its token request", |proof| {
            let key = DpopKey::new();
            proof.header("jwk", key.jwk()).signed_by(&key)
        }),
    ];
    for (kind, expected, hint, alter) in cases {
        let proof = alter(key.proof("GET", URL).token(&token));
        let event = event(&idp, |builder| builder.dpop(dpop()), proof.request()).await;
        assert_event(&event, kind, expected, hint);
        assert!(leaked_pieces(&format!("{event:?}"), &proof.sign(), 20).is_empty(), "{kind}: {event:?}");
    }
    let only_eddsa = |builder: BearerAuthBuilder| builder.dpop(dpop().algorithms([Algorithm::EdDSA]));
    let proof = || key.proof("GET", URL).token(&token);
    let rejected = event(&idp, only_eddsa, proof().request()).await;
    assert_event(&rejected, RejectionKind::ProofAlgorithmNotAllowed, Some("EdDSA"), "Dpop::algorithms");
    let nonces = |builder: BearerAuthBuilder| builder.dpop(dpop().nonces(Nonces::required()));
    let rejected = event(&idp, nonces, proof().request()).await;
    assert_eq!(rejected.field("kind"), Some("proof_nonce_required"));
    assert!(rejected.field("hint").unwrap().contains("DPoP-Nonce"));
}

#[tokio::test(start_paused = true)]
async fn a_token_without_its_proof_is_logged_with_what_is_accepted() {
    let idp = issuer(ISSUER);
    let key = idp.dpop_key();
    let (bound, unbound) = (idp.token(API).bound_to_key(&key).sign(), idp.token(API).sign());
    let bearer = |token: &str| Request::get(URL).header("authorization", format!("Bearer {token}"));
    let dpop = |builder: BearerAuthBuilder| builder.dpop(Dpop::at(API));
    let rejected = event(&idp, |builder| builder, bearer(&bound)).await;
    let expected = Some("a bearer token");
    assert_event(&rejected, RejectionKind::SenderNotProven, expected, "BearerAuthBuilder::dpop");
    let expected = Some("a bearer token, or scheme DPoP and a token with jkt");
    let rejected = event(&idp, dpop, bearer(&bound)).await;
    assert_event(&rejected, RejectionKind::SenderNotProven, expected, "scheme DPoP and a proof");
    let rejected = event(&idp, dpop, key.proof("GET", URL).token(&unbound).request()).await;
    assert_event(&rejected, RejectionKind::TokenNotBound, expected, "bound to its key");
    let certificates = Certificates::client_cert_header().from_proxy("10.0.0.0/8");
    let token = idp.token(API).bound_to_certificate(b"\x30\x00").sign();
    let rejected = event(&idp, |builder| builder.certificates(certificates), bearer(&token)).await;
    let expected = Some("header client-cert of a proxy");
    assert_event(&rejected, RejectionKind::CertificateMissing, expected, "from_proxy");
}

#[tokio::test(start_paused = true)]
async fn credentials_of_another_scheme_get_a_hint_about_the_accepted_ones() {
    let idp = issuer(ISSUER);
    let (optional, required) = (Dpop::at(API), Dpop::at(API).required());
    for (dpop, authorization, hint) in [
        (None, "Basic abc", "the scheme of the Authorization header is not Bearer"),
        (None, "DPoP abc", "set BearerAuthBuilder::dpop"),
        (Some(&optional), "Basic abc", "neither Bearer nor DPoP"),
        (Some(&required), "Basic abc", "is not DPoP"),
        (Some(&required), "Bearer abc", "bearer tokens are not accepted (Dpop::required)"),
        (Some(&required), "abc", "`Authorization: DPoP TOKEN`"),
        (Some(&optional), "DPoP", "`Authorization: Bearer TOKEN` or `Authorization: DPoP TOKEN`"),
        (Some(&required), "DPoP DPoP abc", "the scheme is there twice"),
    ] {
        let change = |builder: BearerAuthBuilder| match dpop {
            Some(dpop) => builder.dpop(dpop.clone()),
            None => builder,
        };
        let event = event(&idp, change, Request::get(URL).header("authorization", authorization)).await;
        let found = event.field("hint").unwrap_or_default();
        assert!(found.contains(hint), "{authorization}: {found}");
    }
}
