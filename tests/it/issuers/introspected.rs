//! Issuers that introspect tokens and come and go: opaque tokens, cached responses and pending requests.

use tokio::time::sleep;
use tower::Layer;
use tower_bearer::RejectionKind::{IssuerUnknown, TokenInactive, TokenOpaque};
use tower_bearer::builder::ConfigProblem;
use tower_bearer::testing::{Endpoint, Fault, TestIssuer};
use tower_bearer::{Introspection, Issuer, Require};

use super::{SECOND, TwoIssuers, problems};
use crate::support::introspected::{IssuerIntrospection, introspection};
use crate::support::protected::{ACCEPTED, API, Handler, Outcome, get, send};

/// `idp` with introspection of its opaque tokens.
fn introspecting(idp: &TestIssuer, configure: impl FnOnce(Introspection) -> Introspection) -> Issuer {
    idp.issuer().introspect(configure(introspection()))
}

#[tokio::test(start_paused = true)]
async fn the_opaque_tokens_of_a_removed_issuer_are_rejected_at_once() {
    let TwoIssuers { second, auth, api, .. } = TwoIssuers::new();
    auth.issuers().add(introspecting(&second, |introspection| introspection)).unwrap();
    let token = second.token(API).opaque();
    assert_eq!(api.outcome(&token).await, ACCEPTED);
    assert_eq!(api.outcome_at_once(&token), ACCEPTED);
    assert!(auth.issuers().remove("https://second.test"));
    assert_eq!(api.outcome_at_once(&token), Err(TokenOpaque));
}

#[tokio::test(start_paused = true)]
async fn a_request_that_waits_for_introspection_by_a_removed_issuer_is_rejected() {
    let two = TwoIssuers::new();
    two.auth.issuers().add(introspecting(&two.second, Introspection::also_jwts)).unwrap();
    two.second.set_fault(Endpoint::Introspection, Some(Fault::Delay(2 * SECOND)));
    let remove = async {
        sleep(SECOND).await;
        two.auth.issuers().remove("https://second.test");
    };
    let (opaque, jwt) = (two.second.token(API).opaque(), two.second.token(API).sign());
    let (opaque, jwt, ()) = tokio::join!(two.api.outcome(opaque), two.api.outcome(jwt), remove);
    assert_eq!((opaque, jwt), (Err(TokenOpaque), Err(IssuerUnknown)));
}

#[tokio::test(start_paused = true)]
async fn a_request_that_waits_for_introspection_by_a_replaced_issuer_asks_the_new_one() {
    let two = TwoIssuers::new();
    let issuer = || introspecting(&two.second, |introspection| introspection);
    two.auth.issuers().add(issuer()).unwrap();
    two.second.set_fault_for(Endpoint::Introspection, Fault::Delay(2 * SECOND), 1);
    let replace = async {
        sleep(SECOND).await;
        two.auth.issuers().replace(issuer()).unwrap();
    };
    let (outcome, ()) = tokio::join!(two.api.outcome(two.second.token(API).opaque()), replace);
    assert_eq!(outcome, ACCEPTED);
    assert_eq!(two.second.requests(Endpoint::Introspection), 2);
}

/// The outcome on a route that requires `still_active`, for a token whose issuer changes during the
/// introspection, and the number of introspection requests.
async fn still_active_during(change: impl FnOnce(&TwoIssuers)) -> (Outcome, usize) {
    let two = TwoIssuers::new();
    two.auth.issuers().add(introspecting(&two.second, |introspection| introspection)).unwrap();
    let service = two.auth.layer(Require::token().still_active().layer(Handler::default()));
    let token = two.second.token(API).opaque();
    assert_eq!(two.api.outcome(&token).await, ACCEPTED, "cached for the layer");
    let calls = || two.second.requests(Endpoint::Introspection);
    let calls_before = calls();
    // The request and its hedge.
    two.second.set_fault_for(Endpoint::Introspection, Fault::Delay(2 * SECOND), 2);
    let change = async {
        sleep(SECOND).await;
        change(&two);
    };
    let (response, ()) = tokio::join!(send(service, get(&token)), change);
    (response.outcome(), calls() - calls_before)
}

#[tokio::test(start_paused = true)]
async fn still_active_introspects_once_more_if_the_issuer_is_replaced_meanwhile() {
    let replaced = still_active_during(|two| {
        two.auth.issuers().replace(introspecting(&two.second, |introspection| introspection)).unwrap();
    });
    assert_eq!(replaced.await, (ACCEPTED, 3));
}

#[tokio::test(start_paused = true)]
async fn still_active_rejects_a_token_whose_issuer_is_removed_meanwhile() {
    let removed = still_active_during(|two| {
        assert!(two.auth.issuers().remove("https://second.test"));
    });
    assert_eq!(removed.await, (Err(IssuerUnknown), 2));
}

#[tokio::test(start_paused = true)]
async fn a_replaced_issuer_does_not_use_responses_that_the_old_one_checked() {
    let TwoIssuers { first, second, auth, api } = TwoIssuers::new();
    let issuer = || introspecting(&second, |introspection| introspection.opaque_prefix("second_"));
    auth.issuers().add(issuer()).unwrap();
    auth.issuers().replace(introspecting(&first, |introspection| introspection)).unwrap();
    second.token(API).opaque_as("second_token");
    let of_first = first.token(API).opaque();
    for token in ["second_token", of_first.as_str()] {
        assert_eq!(api.outcome(token).await, ACCEPTED);
    }
    auth.issuers().replace(issuer().require_claim("tenant")).unwrap();
    assert!(api.outcome("second_token").await.is_err(), "the new settings require another claim");
    assert_eq!(second.requests(Endpoint::Introspection), 2);
    assert_eq!(api.outcome_at_once(&of_first), ACCEPTED);
    assert_eq!(first.requests(Endpoint::Introspection), 1, "an unchanged issuer keeps its responses");
}

#[tokio::test(start_paused = true)]
async fn an_issuer_that_is_added_again_does_not_use_its_earlier_responses() {
    let TwoIssuers { second, auth, api, .. } = TwoIssuers::new();
    let add = || auth.issuers().add(introspecting(&second, |introspection| introspection)).unwrap();
    add();
    let token = second.token(API).opaque();
    assert_eq!(api.outcome(&token).await, ACCEPTED);
    auth.issuers().remove("https://second.test");
    second.revoke(&token);
    add();
    assert_eq!(api.outcome(&token).await, Err(TokenInactive));
}

#[tokio::test(start_paused = true)]
async fn a_cached_opaque_token_goes_to_the_issuer_that_claims_it_now() {
    let TwoIssuers { first, second, auth, api } = TwoIssuers::new();
    auth.issuers().replace(introspecting(&first, Introspection::opaque_default)).unwrap();
    first.token(API).opaque_as("acme_token");
    assert_eq!(api.outcome("acme_token").await, ACCEPTED);
    auth.issuers().add(introspecting(&second, |introspection| introspection.opaque_prefix("acme_"))).unwrap();
    assert_eq!(api.outcome("acme_token").await, Err(TokenInactive), "the second issuer does not know it");
    auth.issuers().remove("https://second.test");
    assert_eq!(api.outcome_at_once("acme_token"), ACCEPTED, "the response of the first is still cached");
    assert_eq!(first.requests(Endpoint::Introspection), 1);
}

#[tokio::test(start_paused = true)]
async fn the_longest_prefix_wins_among_issuers_that_come_and_go() {
    let TwoIssuers { first, second, auth, api } = TwoIssuers::new();
    let issuers = auth.issuers();
    issuers.replace(introspecting(&first, |introspection| introspection.opaque_prefix("a_"))).unwrap();
    let longer = || introspecting(&second, |introspection| introspection.opaque_prefix("a_b_"));
    issuers.add(longer()).unwrap();
    second.token(API).opaque_as("a_b_1");
    first.token(API).opaque_as("a_1");
    assert_eq!(api.outcome("a_b_1").await, ACCEPTED);
    assert_eq!(api.outcome("a_1").await, ACCEPTED);
    assert_eq!(api.outcome("b_1").await, Err(TokenOpaque));
    issuers.remove("https://second.test");
    assert_eq!(api.outcome("a_b_1").await, Err(TokenInactive), "now the first issuer claims it");
    issuers.add(longer()).unwrap();
    assert_eq!(api.outcome("a_b_1").await, ACCEPTED);
}

#[test]
fn two_issuers_cannot_claim_the_same_opaque_tokens() {
    let TwoIssuers { first, second, auth, .. } = TwoIssuers::new();
    let issuers = auth.issuers();
    type Configure = fn(Introspection) -> Introspection;
    let rules: [(&str, Configure, Configure); 2] = [
        ("default", |introspection| introspection, Introspection::opaque_default),
        ("prefix", |introspection| introspection.opaque_prefix("a_"), |other| other.opaque_prefix("a_")),
    ];
    for (name, one, other) in rules {
        issuers.replace(introspecting(&first, one)).unwrap();
        for result in
            [issuers.add(introspecting(&second, other)), issuers.replace(introspecting(&second, other))]
        {
            let expected = ["https://first.test", "https://second.test"];
            assert!(
                matches!(&problems(result)[..],
                    [ConfigProblem::OpaqueTokensAmbiguous { issuers, .. }] if *issuers == expected),
                "{name}"
            );
        }
        assert_eq!(issuers.list(), ["https://first.test"], "{name}");
        issuers.replace(introspecting(&first, other)).expect("an issuer is no rival of itself");
    }
}

#[tokio::test(start_paused = true)]
async fn still_active_rejects_a_token_whose_issuer_was_removed_while_it_waits() {
    let t = IssuerIntrospection::new();
    let token = t.opaque();
    let route = t.still_active_route();
    assert_eq!(route.outcome(&token).await, ACCEPTED);
    t.fail(Fault::Delay(2 * SECOND));
    let remove = async {
        sleep(SECOND).await;
        t.auth.issuers().remove(t.idp.identifier());
    };
    let (outcome, ()) = tokio::join!(route.outcome(&token), remove);
    assert_eq!(outcome, Err(IssuerUnknown));
}
