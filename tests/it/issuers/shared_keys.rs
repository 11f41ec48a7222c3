//! Issuers whose keys come from the same source share its fetches, and never a key that names its issuer.

use std::sync::Arc;

use serde_json::Value;
use tokio::time::sleep;
use tower_bearer::RejectionKind::{KeyUnknown, KeysUnavailable};
use tower_bearer::testing::{Endpoint, Fault, TestIssuer};
use tower_bearer::transport::HttpClient;
use tower_bearer::{Algorithm, BearerAuth, Issuer};

use super::HOUR;
use crate::support::protected::{ACCEPTED, API, Protected};

const TENANTS: [&str; 3] = ["https://a.test", "https://b.test", "https://c.test"];

/// One server with the keys of all [`TENANTS`].
struct Shared {
    idp: TestIssuer,
    auth: BearerAuth,
    api: Protected,
}

impl Shared {
    fn new(configure: impl Fn(Issuer) -> Issuer) -> Self {
        let idp = TestIssuer::new();
        let builder = BearerAuth::builder(API).clock(idp.clock()).http_client(idp.http_client());
        let builder = TENANTS
            .iter()
            .fold(builder, |builder, tenant| builder.add_issuer(configure(issuer(&idp, tenant))));
        let auth = builder.build().unwrap();
        Self { api: Protected::by(&auth), idp, auth }
    }

    fn token(&self, tenant: &str) -> String {
        self.idp.token(API).claim("iss", tenant).lifetime(24 * HOUR).sign()
    }

    fn fetches(&self) -> usize {
        self.idp.requests(Endpoint::Jwks)
    }
}

fn issuer(idp: &TestIssuer, tenant: &str) -> Issuer {
    Issuer::with_jwks_url(tenant, idp.jwks_url())
}

#[tokio::test(start_paused = true)]
async fn one_jwks_url_is_fetched_once_for_all_issuers_that_name_it() {
    let shared = Shared::new(|issuer| issuer);
    for tenant in TENANTS {
        assert_eq!(shared.api.outcome(shared.token(tenant)).await, ACCEPTED, "{tenant}");
    }
    assert_eq!(shared.fetches(), 1);
    let kid = shared.idp.rotate_key();
    for tenant in TENANTS {
        assert_eq!(shared.api.outcome(shared.token(tenant)).await, ACCEPTED, "{tenant}");
    }
    assert_eq!(shared.fetches(), 2, "one fetch finds the new key for all");
    assert!(shared.auth.status().iter().all(|issuer| issuer.keys().unwrap().key_ids().contains(&kid)));
}

#[tokio::test(start_paused = true)]
async fn a_shared_key_that_names_its_issuer_verifies_no_token_of_another() {
    let shared = Shared::new(|issuer| issuer);
    let mut document: Value = serde_json::from_str(&shared.idp.jwks()).unwrap();
    document["keys"][0]["issuer"] = TENANTS[0].into();
    shared.idp.set_jwks(Some(document.to_string()));
    assert_eq!(shared.api.outcome(shared.token(TENANTS[0])).await, ACCEPTED);
    for tenant in &TENANTS[1..] {
        assert_eq!(shared.api.outcome(shared.token(tenant)).await, Err(KeyUnknown), "{tenant}");
    }
    let status = shared.auth.status();
    let keys: Vec<usize> = status.iter().map(|issuer| issuer.keys().unwrap().key_ids().len()).collect();
    let skipped: Vec<usize> =
        status.iter().map(|issuer| issuer.keys().unwrap().skipped_keys().len()).collect();
    assert_eq!((keys, skipped), (vec![1, 0, 0], vec![0, 1, 1]));
    let exported: Vec<String> =
        shared.auth.keys_snapshot().iter().map(|(issuer, _)| issuer.to_owned()).collect();
    assert_eq!(exported, [TENANTS[0]]);
}

#[tokio::test(start_paused = true)]
async fn a_replaced_issuer_with_the_same_source_keeps_its_keys() {
    let shared = Shared::new(|issuer| issuer);
    assert_eq!(shared.api.outcome(shared.token(TENANTS[0])).await, ACCEPTED);
    for tenant in &TENANTS[1..] {
        assert!(shared.auth.issuers().remove(tenant));
    }
    let replacement = issuer(&shared.idp, TENANTS[0]).require_claim("sub");
    shared.auth.issuers().replace(replacement).unwrap();
    assert_eq!(shared.api.outcome_at_once(shared.token(TENANTS[0])), ACCEPTED);
    assert_eq!(shared.fetches(), 1);
}

#[tokio::test(start_paused = true)]
async fn shared_keys_are_refreshed_until_the_last_issuer_that_uses_them_is_removed() {
    let shared = Shared::new(|issuer| issuer);
    let tokens = TENANTS.map(|tenant| shared.token(tenant));
    assert_eq!(shared.api.outcome(&tokens[0]).await, ACCEPTED);
    let run = async || {
        for _ in 0..4 {
            shared.idp.clock().advance(HOUR / 12);
            sleep(HOUR / 12).await;
            for token in &tokens {
                shared.api.outcome(token).await.ok();
            }
        }
        shared.fetches()
    };
    let before = shared.fetches();
    for tenant in &TENANTS[..2] {
        shared.auth.issuers().remove(tenant);
    }
    let with_one = run().await;
    assert!(with_one > before);
    shared.auth.issuers().remove(TENANTS[2]);
    assert_eq!(run().await, with_one);
}

#[tokio::test(start_paused = true)]
async fn issuers_with_other_algorithms_fetch_keys_of_their_own() {
    let shared = Shared::new(|issuer| issuer);
    let idp = &shared.idp;
    let narrow = issuer(idp, "https://d.test").algorithms([Algorithm::ES256]);
    shared.auth.issuers().add(narrow).unwrap();
    for tenant in [TENANTS[0], "https://d.test"] {
        assert_eq!(shared.api.outcome(shared.token(tenant)).await, ACCEPTED, "{tenant}");
    }
    assert_eq!(shared.fetches(), 2);
}

#[tokio::test(start_paused = true)]
async fn issuers_with_clones_of_one_shared_client_of_their_own_share_its_fetches() {
    let idp = TestIssuer::new();
    let client: Arc<dyn HttpClient> = Arc::new(idp.http_client());
    let builder = BearerAuth::builder(API).clock(idp.clock()).http_client(idp.http_client());
    let builder = TENANTS.iter().fold(builder, |builder, tenant| {
        builder.add_issuer(issuer(&idp, tenant).http_client(Arc::clone(&client)))
    });
    let api = Protected::by(&builder.build().unwrap());
    for tenant in TENANTS {
        assert_eq!(api.outcome(idp.token(API).claim("iss", tenant).sign()).await, ACCEPTED, "{tenant}");
    }
    assert_eq!(idp.requests(Endpoint::Jwks), 1);
}

#[tokio::test(start_paused = true)]
async fn keys_that_seed_one_issuer_verify_no_token_of_another() {
    let shared = Shared::new(|issuer| issuer);
    shared.idp.set_outage(Some(Fault::Refuse));
    let seeded = issuer(&shared.idp, "https://d.test").seed_jwks(shared.idp.jwks());
    shared.auth.issuers().add(seeded).unwrap();
    assert_eq!(shared.api.outcome(shared.token("https://d.test")).await, ACCEPTED);
    assert_eq!(shared.api.outcome(shared.token(TENANTS[0])).await, Err(KeysUnavailable));
}
