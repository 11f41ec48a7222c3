//! Keys that one process exports and another starts with.

use tower_bearer::testing::Fault;
use tower_bearer::{Algorithm, BearerAuth, Issuer};

use super::{HOUR, TwoIssuers};
use crate::support::protected::{ACCEPTED, API, Protected};

#[tokio::test(start_paused = true)]
async fn a_process_starts_with_the_exported_keys_of_another_during_an_outage() {
    let two = TwoIssuers::new();
    two.add_second();
    for algorithm in [Algorithm::RS256, Algorithm::EdDSA] {
        two.first.add_key(algorithm);
    }
    assert!(two.auth.keys_snapshot().iter().next().is_none(), "nothing is fetched yet");
    assert_eq!(two.api.outcome(two.first.token(API).sign()).await, ACCEPTED);
    let snapshot = two.auth.keys_snapshot();
    assert_eq!(snapshot.iter().map(|(issuer, _)| issuer).collect::<Vec<_>>(), ["https://first.test"]);
    assert_eq!(snapshot.jwks("https://second.test"), None);
    two.first.set_outage(Some(Fault::Refuse));
    let issuer = two.first.issuer().seed_jwks(snapshot.jwks("https://first.test").unwrap());
    let builder = BearerAuth::builder(API).clock(two.first.clock()).http_client(two.first.http_client());
    let auth = builder.issuer(issuer).build().unwrap();
    let api = Protected::by(&auth);
    for algorithm in [Algorithm::ES256, Algorithm::RS256, Algorithm::EdDSA] {
        two.first.rotate_key_to(algorithm);
    }
    let status = |auth: &BearerAuth| auth.status()[0].keys().unwrap().key_ids().to_vec();
    assert_eq!(status(&auth), status(&two.auth));
    let old = two.first.token(API);
    assert!(api.outcome(old.sign()).await.is_err(), "a key that was added later");
}

#[tokio::test(start_paused = true)]
async fn a_token_is_accepted_by_exported_keys_until_the_grace_period_ends() {
    let two = TwoIssuers::new();
    let token = two.first.token(API).lifetime(24 * HOUR).sign();
    assert_eq!(two.api.outcome(&token).await, ACCEPTED);
    let jwks = two.auth.keys_snapshot().jwks("https://first.test").unwrap().to_owned();
    two.first.set_outage(Some(Fault::Refuse));
    let builder = BearerAuth::builder(API).clock(two.first.clock()).http_client(two.first.http_client());
    let auth = builder.issuer(two.first.issuer().seed_jwks(jwks)).build().unwrap();
    let api = Protected::by(&auth);
    assert_eq!(api.outcome(&token).await, ACCEPTED);
    two.first.clock().advance(5 * HOUR);
    assert!(api.outcome(&token).await.is_err());
}

#[test]
fn configured_keys_are_not_exported() {
    let TwoIssuers { first, .. } = TwoIssuers::new();
    let issuer = Issuer::with_static_jwks(first.identifier(), first.jwks());
    let auth = BearerAuth::builder(API).issuer(issuer).build().unwrap();
    assert!(auth.keys_snapshot().iter().next().is_none());
}
