//! Proofs for tokens that are introspected (RFC 9449 section 6.2).

use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinSet;
use tower::Layer;
use tower_bearer::RejectionKind::{
    ClaimIllTyped, IntrospectionMismatch, IntrospectionUnavailable, ProofKeyMismatch, ProofMissing,
    ProofReplayed, SenderNotProven, TokenInactive, TokenNotBound,
};
use tower_bearer::dpop::Dpop;
use tower_bearer::testing::{Endpoint, Fault};
use tower_bearer::{Introspection, Require};

use crate::support::dpop::{DpopApi, request_of};
use crate::support::introspected::introspection;
use crate::support::protected::{ACCEPTED, API, Handler, Outcome, get, send};

/// An API that introspects tokens with these settings.
fn api(introspection: Introspection) -> DpopApi {
    DpopApi::configured(|idp, builder| {
        builder.dpop(Dpop::at(API)).issuer(idp.issuer().introspect(introspection))
    })
}

fn opaque(api: &DpopApi) -> String {
    api.unsigned_token().bound_to_key(&api.key).opaque()
}

/// Sets a member of each response, or removes it.
fn respond_with(api: &DpopApi, member: &'static str, value: Option<Value>) {
    api.idp.alter_introspection(move |response| {
        match &value {
            Some(value) => response.insert(member.to_owned(), value.clone()),
            None => response.remove(member),
        };
    });
}

#[tokio::test(start_paused = true)]
async fn an_opaque_token_is_bound_by_its_response_cached_or_not() {
    let api = api(introspection());
    let token = opaque(&api);
    let another = api.called_by_another();
    for cached in [false, true] {
        assert_eq!(api.idp.requests(Endpoint::Introspection), usize::from(cached));
        assert_eq!(api.outcome(get(&token)).await, Err(SenderNotProven), "cached: {cached}");
        assert_eq!(another.outcome_of(&another.proof(&token)).await, Err(ProofKeyMismatch));
        let proof = api.proof(&token);
        assert_eq!(api.outcome_of(&proof).await, ACCEPTED, "cached: {cached}");
        assert_eq!(api.outcome_of(&proof).await, Err(ProofReplayed), "cached: {cached}");
    }
    let response = api.get(&token).await;
    let bound_to = response.token().unwrap().bound_to().unwrap();
    assert_eq!(bound_to.jwk_thumbprint(), Some(api.key.thumbprint()));
    assert_eq!(api.idp.requests(Endpoint::Introspection), 1);
}

#[tokio::test(start_paused = true)]
async fn an_opaque_token_without_cnf_is_a_bearer_token() {
    let api = api(introspection());
    let token = api.unsigned_token().opaque();
    assert_eq!(api.outcome_of(&api.proof(&token)).await, Err(TokenNotBound));
    assert_eq!(api.outcome(get(&token)).await, ACCEPTED);
}

#[tokio::test(start_paused = true)]
async fn cnf_binds_an_opaque_token_whatever_its_token_type() {
    for (token_type, expected) in [
        (Some(json!("DPoP")), ACCEPTED),
        (Some(json!("dpop")), ACCEPTED),
        (Some(json!("Bearer")), ACCEPTED),
        (None, ACCEPTED),
        (Some(json!(["DPoP"])), Err(ClaimIllTyped)),
    ] {
        let api = api(introspection());
        respond_with(&api, "token_type", token_type.clone());
        let token = opaque(&api);
        assert_eq!(api.outcome_of(&api.proof(&token)).await, expected, "{token_type:?}");
        let as_bearer = if expected.is_ok() { Err(SenderNotProven) } else { expected };
        assert_eq!(api.outcome(get(&token)).await, as_bearer, "{token_type:?}");
    }
}

/// Nobody can prove to have a key that the response does not name.
#[tokio::test(start_paused = true)]
async fn token_type_dpop_without_a_key_is_rejected() {
    for cnf in [None, Some(json!({"x5t#S256": "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2"}))] {
        let api = api(introspection());
        respond_with(&api, "cnf", cnf.clone());
        let token = opaque(&api);
        for _ in 0..2 {
            assert_eq!(api.outcome_of(&api.proof(&token)).await, Err(SenderNotProven), "{cnf:?}");
            assert_eq!(api.outcome(get(&token)).await, Err(SenderNotProven), "{cnf:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_response_binds_a_jwt_that_is_not_bound_itself() {
    let api = api(introspection().also_jwts());
    respond_with(&api, "cnf", Some(json!({"jkt": api.key.thumbprint()})));
    let token = api.bearer_token();
    for cached in [false, true] {
        assert_eq!(api.outcome(get(&token)).await, Err(SenderNotProven), "cached: {cached}");
        let proof = api.proof(&token);
        assert_eq!(api.outcome_of(&proof).await, ACCEPTED, "cached: {cached}");
        assert_eq!(api.outcome_of(&proof).await, Err(ProofReplayed), "cached: {cached}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_response_that_omits_cnf_leaves_a_jwt_bound() {
    let api = api(introspection().also_jwts());
    respond_with(&api, "cnf", None);
    let token = api.token();
    for cached in [false, true] {
        assert_eq!(api.outcome(get(&token)).await, Err(SenderNotProven), "cached: {cached}");
        assert_eq!(api.outcome_of(&api.proof(&token)).await, ACCEPTED, "cached: {cached}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_response_that_binds_a_jwt_to_another_key_is_about_another_token() {
    let api = api(introspection().also_jwts());
    let another = api.called_by_another();
    respond_with(&api, "cnf", Some(json!({"jkt": another.key.thumbprint()})));
    let token = api.token();
    for client in [&api, &another] {
        assert_eq!(client.outcome_of(&client.proof(&token)).await, Err(IntrospectionMismatch));
    }
    assert_eq!(api.outcome(get(&token)).await, Err(IntrospectionMismatch));
}

/// The proof of this request was verified for the key of the first response.
#[tokio::test(start_paused = true)]
async fn still_active_rejects_a_token_that_is_bound_to_another_key_now() {
    let other = DpopApi::new().key.thumbprint();
    for (name, cnf, expected) in [
        ("the same key", None, ACCEPTED),
        ("another key", Some(json!({"jkt": other})), Err(IntrospectionMismatch)),
        ("no key", Some(Value::Null), Err(IntrospectionMismatch)),
    ] {
        let api = api(introspection());
        let route = api.auth.layer(Require::token().still_active().layer(Handler::default()));
        let token = opaque(&api);
        assert_eq!(api.outcome_of(&api.proof(&token)).await, ACCEPTED);
        api.idp.alter_introspection(move |response| {
            response.insert("token_type".to_owned(), json!("Bearer"));
            match &cnf {
                None => {}
                Some(Value::Null) => drop(response.remove("cnf")),
                Some(cnf) => drop(response.insert("cnf".to_owned(), cnf.clone())),
            }
        });
        let request = request_of(&api.proof(&token));
        let schemes = api.schemes(&request);
        let outcome: Outcome = send(route, request).await.outcome_among(schemes);
        assert_eq!(outcome, expected, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_inactive_token_or_an_outage_uses_no_proof_up() {
    let api = api(introspection());
    let token = opaque(&api);
    let proof = api.proof(&token);
    api.idp.set_fault(Endpoint::Introspection, Some(Fault::Status(500)));
    assert_eq!(api.outcome_of(&proof).await, Err(IntrospectionUnavailable));
    api.idp.set_fault(Endpoint::Introspection, None);
    respond_with(&api, "active", Some(json!(false)));
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert_eq!(api.outcome_of(&proof).await, Err(TokenInactive));
    api.idp.clear_alterations();
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert_eq!(api.outcome_of(&proof).await, ACCEPTED);
    assert_eq!(api.outcome_of(&proof).await, Err(ProofReplayed));
}

/// The requests wait for the keys, for one introspection, or for both. Then each must prove its sender.
#[tokio::test(start_paused = true)]
async fn of_many_requests_that_wait_with_one_proof_one_is_accepted() {
    for (name, api) in [("JWT", DpopApi::new()), ("introspected JWT", api(introspection().also_jwts()))] {
        api.idp.set_outage(Some(Fault::Delay(Duration::from_millis(300))));
        let token = api.token();
        let proof = api.proof(&token);
        let mut requests = JoinSet::new();
        for number in 0..100 {
            let (api, mut request) = (api.clone(), request_of(&proof));
            if number % 10 == 0 {
                request.headers_mut().remove("dpop");
            }
            requests.spawn(async move { api.outcome(request).await });
        }
        let outcomes = requests.join_all().await;
        let count = |outcome: Outcome| outcomes.iter().filter(|one| **one == outcome).count();
        let counts = (count(ACCEPTED), count(Err(ProofReplayed)), count(Err(ProofMissing)));
        assert_eq!(counts, (1, 89, 10), "{name}");
    }
}
