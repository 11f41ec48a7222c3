//! The recorded documents of each profile, replayed: metadata, key set, access token and ID token.

use serde_json::{Value, json};
use tower_bearer::{Algorithm, Issuer, RejectionKind};

use super::{Unsigned, api, published, seen};
use crate::support::protected::Protected;

pub(super) const TENANT: &str = "11111111-2222-3333-4444-555555555555";

/// The profile of each provider, and its recorded documents.
fn providers() -> Vec<(&'static str, Issuer, Value)> {
    macro_rules! recorded {
        ($($name:literal => $issuer:expr,)*) => {
            vec![$(($name, $issuer, document(include_str!(concat!("../../data/providers/", $name, ".json")))),)*]
        };
    }
    recorded! {
        "adfs" => Issuer::adfs("adfs.example.com"),
        "auth0" => Issuer::auth0("acme.eu.auth0.com"),
        "cognito" => Issuer::cognito("eu-central-1", "eu-central-1_AbCdEfGhI").allowed_clients(["1example23456789"]),
        "dex" => Issuer::dex("https://dex.example.com"),
        "entra" => Issuer::entra(TENANT),
        "entra_organizations" =>
            Issuer::entra(TENANT).shared_metadata("https://login.microsoftonline.com/organizations/v2.0"),
        "entra_v1" => Issuer::entra_v1(TENANT),
        "entra_v1_common" =>
            Issuer::entra_v1(TENANT).shared_metadata("https://login.microsoftonline.com/common"),
        "google" => Issuer::google().allowed_clients(["113774264463038321964"]),
        "hydra" => Issuer::hydra("https://hydra.example.com"),
        "keycloak" => Issuer::keycloak("https://login.example.com/realms/acme"),
        "kubernetes" => Issuer::kubernetes("https://kubernetes.default.svc.cluster.local"),
        "okta" => Issuer::okta("https://acme.okta.com/oauth2/default"),
        "zitadel" => Issuer::zitadel("https://acme.zitadel.cloud"),
    }
}

pub(super) fn document(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// An API that trusts the provider, which publishes its recorded documents and nothing else.
pub(super) fn protected(issuer: Issuer, recorded: &Value) -> Protected {
    api(recorded["audience"].as_str().unwrap(), issuer, published_documents(recorded))
}

/// The recorded documents by their URL.
pub(super) fn published_documents(recorded: &Value) -> impl Fn(&str) -> Option<String> + use<> {
    let metadata = recorded.get("metadata").cloned();
    let metadata_url = recorded.get("metadata_url").cloned();
    let jwks_url = metadata.as_ref().map_or(&recorded["jwks_url"], |metadata| &metadata["jwks_uri"]).clone();
    let keys: Vec<Value> =
        recorded["keys"].as_array().unwrap().iter().map(|key| published(key, Algorithm::RS256)).collect();
    let jwks = json!({ "keys": keys }).to_string();
    move |url| match (&metadata_url, &metadata) {
        _ if jwks_url == url => Some(jwks.clone()),
        (Some(at), Some(metadata)) if *at == url => Some(metadata.to_string()),
        _ => None,
    }
}

/// Whether the token was rejected, rather than that its keys were not found.
fn is_invalid_token(kind: RejectionKind) -> bool {
    kind.status() == 401
}

pub(super) fn unsigned(recorded: &Value, kind: &str) -> Unsigned {
    Unsigned::new(&recorded[kind]["header"], &recorded[kind]["claims"])
}

#[tokio::test(start_paused = true)]
async fn a_profile_accepts_the_access_tokens_of_its_provider() {
    for (name, issuer, recorded) in providers() {
        let api = protected(issuer, &recorded);
        let response = api.get(unsigned(&recorded, "access").sign()).await;
        let (client, roles, scopes) = seen(&response, name);
        assert_eq!(json!(client), recorded["client"], "{name}: client");
        assert_eq!(json!(roles), recorded["roles"], "{name}: roles");
        assert_eq!(json!(scopes), recorded["scopes"], "{name}: scopes");
    }
}

#[tokio::test(start_paused = true)]
async fn a_profile_rejects_tokens_for_another_audience() {
    for (name, issuer, recorded) in providers() {
        let api = protected(issuer, &recorded);
        let access = unsigned(&recorded, "access");
        let other = match name {
            "cognito" => access.clone().with("client_id", json!("other")),
            _ => access.clone().with("aud", json!("https://other.example")),
        };
        assert!(api.outcome(other.sign()).await.is_err_and(is_invalid_token), "{name}: another audience");
        let beside = access.with("aud", json!("https://other.example"));
        assert!(
            api.outcome(beside.sign()).await.is_err_and(is_invalid_token),
            "{name}: an `aud` that is another"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_profile_rejects_id_tokens_even_for_this_api() {
    for (name, issuer, recorded) in providers() {
        let api = protected(issuer, &recorded);
        let id_token = unsigned(&recorded, "id_token");
        assert!(api.outcome(id_token.sign()).await.is_err_and(is_invalid_token), "{name}: as recorded");
        let for_api = id_token.with("aud", recorded["audience"].clone());
        assert!(api.outcome(for_api.sign()).await.is_err_and(is_invalid_token), "{name}: for this API");
    }
}

#[tokio::test(start_paused = true)]
async fn a_profile_rejects_tokens_of_another_issuer_or_without_an_end() {
    for (name, issuer, recorded) in providers() {
        let api = protected(issuer, &recorded);
        let access = unsigned(&recorded, "access");
        for other in [
            access.clone().with("iss", json!("https://login.evil.example")),
            access.clone().with("exp", Value::Null),
            access.with("exp", json!("never")),
        ] {
            assert!(api.outcome(other.sign()).await.is_err_and(is_invalid_token), "{name}");
        }
    }
}

#[test]
fn a_profile_prints_its_settings_and_later_calls_replace_them() {
    for (name, issuer, recorded) in providers() {
        let shown = format!("{issuer:?}");
        let iss = recorded["access"]["claims"]["iss"].as_str().unwrap();
        assert!(shown.contains(&format!("identifier: {iss:?}")), "{name}: {shown}");
        let replaced = format!("{:?}", issuer.role_claims(["/x"]).scope_claims(["/y"]).client_claims(["z"]));
        for setting in [r#"role_claims: ["/x"]"#, r#"scope_claims: ["/y"]"#, r#"client_claims: ["z"]"#] {
            assert!(replaced.contains(setting), "{name}: {replaced}");
        }
    }
}
