//! The settings of issuers as data: profiles with their arguments, and the claims that are read and required.

use serde_json::{Value, json};
use tower_bearer::builder::RequiredValue;
use tower_bearer::testing::TestIssuer;
use tower_bearer::{Algorithm, BearerAuth, Issuer, RejectionKind};

use super::{auth, parse};
use crate::support::protected::{ACCEPTED, API, Protected};

const TENANT: &str = "11111111-2222-3333-4444-555555555555";

const SHARED: &str = "https://login.microsoftonline.com/organizations/v2.0";

fn config(issuer: &Value) -> Value {
    json!({"audience": API, "issuers": [issuer]})
}

/// The problems of a configuration with this issuer.
fn problems(issuer: &Value) -> String {
    parse(config(issuer)).unwrap().builder().map_or_else(|error| error.to_string(), |_| String::new())
}

#[test]
fn an_issuer_as_data_is_the_issuer_in_code() {
    let url = "https://login.example.com";
    for (data, issuer) in [
        (json!({"profile": "adfs", "host": "adfs.example.com"}), Issuer::adfs("adfs.example.com")),
        (json!({"profile": "auth0", "domain": "acme.eu.auth0.com"}), Issuer::auth0("acme.eu.auth0.com")),
        (
            json!({"profile": "cognito", "region": "eu-central-1", "pool": "eu-central-1_A"}),
            Issuer::cognito("eu-central-1", "eu-central-1_A"),
        ),
        (json!({"profile": "dex", "issuer": url}), Issuer::dex(url)),
        (json!({"profile": "entra", "tenant": TENANT}), Issuer::entra(TENANT)),
        (json!({"profile": "entra_v1", "tenant": TENANT}), Issuer::entra_v1(TENANT)),
        (json!({"profile": "google", "allowed_clients": ["1"]}), Issuer::google().allowed_clients(["1"])),
        (json!({"profile": "hydra", "issuer": url}), Issuer::hydra(url)),
        (json!({"profile": "keycloak", "issuer": url}), Issuer::keycloak(url)),
        (json!({"profile": "kubernetes", "issuer": url}), Issuer::kubernetes(url)),
        (json!({"profile": "okta", "issuer": url}), Issuer::okta(url)),
        (json!({"profile": "zitadel", "issuer": url}), Issuer::zitadel(url)),
        // Settings beside a profile replace or extend its own.
        (
            json!({"profile": "okta", "issuer": url, "scope_claims": ["scope"], "require_claims": ["sub"]}),
            Issuer::okta(url).scope_claims(["scope"]).require_claim("sub"),
        ),
        (
            json!({"issuer": url, "client_claims": ["cid"], "role_claims": ["/a/b"], "audience_claim": "/api"}),
            Issuer::discover(url).client_claims(["cid"]).role_claims(["/a/b"]).audience_claim("/api"),
        ),
        (
            json!({"profile": "entra", "tenant": TENANT, "shared_metadata": SHARED}),
            Issuer::entra(TENANT).shared_metadata(SHARED),
        ),
        (
            json!({"issuer": format!("https://a.example/{TENANT}"), "shared_metadata": "https://a.example/all",
                "require_public_addresses": true}),
            Issuer::discover(format!("https://a.example/{TENANT}"))
                .shared_metadata("https://a.example/all")
                .require_public_addresses(),
        ),
        (
            json!({"issuer": url, "require_claim_values": {"/org/id": ["acme", 5], "verified": true}}),
            Issuer::discover(url)
                .require_claim_value("/org/id", ["acme".into(), RequiredValue::from(5)])
                .require_claim_value("verified", true),
        ),
        (
            json!({"issuer": url, "fallback_jwks_urls": ["https://a.example/1", "https://a.example/2"],
                "default_key_algorithm": "ES256", "dangerous_accept_id_token_claims": true}),
            Issuer::discover(url)
                .add_fallback_jwks_url("https://a.example/1")
                .add_fallback_jwks_url("https://a.example/2")
                .default_key_algorithm(Algorithm::ES256)
                .dangerous_accept_id_token_claims(),
        ),
    ] {
        let in_code = format!("{:?}", BearerAuth::builder(API).add_issuer(issuer));
        let as_data = format!("{:?}", parse(config(&data)).unwrap().builder().unwrap());
        assert_eq!(as_data, in_code, "{data}");
    }
}

#[test]
fn a_profile_needs_its_arguments_and_rejects_any_other() {
    for (issuer, parts) in [
        (json!({"profile": "keycloak"}), &["issuers[0].issuer is missing"][..]),
        (
            json!({"profile": "entra", "issuer": "https://a.example"}),
            &["issuers[0].tenant is missing", "issuers[0].issuer has no effect with this profile"],
        ),
        (json!({"profile": "cognito", "region": "eu-central-1"}), &["issuers[0].pool is missing"]),
        (
            json!({"issuer": "https://a.example", "tenant": TENANT}),
            &["issuers[0].tenant has no effect without a profile"],
        ),
        (
            json!({"profile": "google", "jwks_url": "https://a.example/jwks"}),
            &["issuers[0] has profile and jwks_url, of which only one can be used"],
        ),
        (
            json!({"profile": "entra", "tenant": TENANT, "shared_metadata": SHARED,
                "jwks_url": "https://a.example/jwks"}),
            &["issuers[0] has shared_metadata and jwks_url, of which only one can be used"],
        ),
    ] {
        let text = problems(&issuer);
        for part in parts {
            assert!(text.contains(part), "{issuer}: {part}: {text}");
        }
        assert_eq!(text.matches("issuers[0]").count(), parts.len(), "{text}");
    }
    let unknown = parse(config(&json!({"profile": "github"}))).unwrap_err();
    assert!(unknown.contains("unknown variant `github`"), "{unknown}");
}

#[test]
fn a_required_value_that_no_token_can_have_is_rejected() {
    let with = |values: Value| json!({"issuer": "https://a.example", "require_claim_values": values});
    for (values, part) in [
        (
            json!({"org": []}),
            "\"org\" in require_claim_value of issuer \"https://a.example\" has an empty list",
        ),
        (json!({"": "a"}), "require_claim_value of issuer \"https://a.example\" has no claim name"),
        (
            json!({"/a~2": "a"}),
            "\"/a~2\" in require_claim_value of issuer \"https://a.example\" is not a JSON",
        ),
        (json!({"a": "x", "/a": ["y", "z"]}), "two calls require different values"),
    ] {
        let idp = TestIssuer::new();
        let builder = parse(config(&with(values))).unwrap().builder().unwrap().http_client(idp.http_client());
        let text = builder.build().unwrap_err().to_string();
        assert!(text.contains(part), "{text}");
    }
    for ill_typed in [json!({"org": 1.5}), json!({"org": null}), json!({"org": {"id": "a"}})] {
        let error = parse(config(&with(ill_typed))).unwrap_err();
        assert!(error.contains("a string, an integer, a boolean, or a list of these"), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn claims_must_have_the_required_values_with_the_same_type() {
    let idp = TestIssuer::new();
    let issuer = json!({
        "issuer": idp.identifier(),
        "jwks": idp.jwks(),
        "require_claim_values": {"verified": true, "level": [2, 3], "/org/id": ["acme", "acme-labs"]},
    });
    let api = Protected::by(&auth(&idp, config(&issuer)));
    let good =
        || idp.token(API).claim("verified", true).claim("level", 3).claim("org", json!({"id": "acme-labs"}));
    let (missing, ill_typed) = (Err(RejectionKind::ClaimMissing), Err(RejectionKind::ClaimIllTyped));
    let rejected = Err(RejectionKind::ClaimsRejected);
    for (name, token, outcome) in [
        ("all", good(), ACCEPTED),
        ("absent", good().without("verified"), missing),
        ("other boolean", good().claim("verified", false), rejected),
        ("boolean as text", good().claim("verified", "true"), ill_typed),
        ("boolean as number", good().claim("verified", 1), ill_typed),
        ("number as text", good().claim("level", "3"), ill_typed),
        ("other number", good().claim("level", 1), rejected),
        ("in an array", good().claim("level", json!([3])), ill_typed),
        ("other text", good().claim("org", json!({"id": "ACME"})), rejected),
        ("text elsewhere", good().claim("org", "acme"), missing),
        ("null", good().claim("level", Value::Null), ill_typed),
    ] {
        assert_eq!(api.outcome(token.sign()).await, outcome, "{name}");
    }
}
