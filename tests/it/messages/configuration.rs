//! Mistakes in the settings of an issuer that `build` reports before any token does.

use tower_bearer::builder::ConfigProblem;
use tower_bearer::{BearerAuth, Issuer};

use crate::support::net::Net;
use crate::support::protected::{API, ISSUER};

/// The only problem of a configuration with this issuer.
fn problem(issuer: Issuer) -> Option<ConfigProblem> {
    let built = BearerAuth::builder(API).issuer(issuer).http_client(Net::default()).build();
    let problems = built.err()?.problems().to_vec();
    let [problem] = problems.as_slice() else { panic!("{problems:?}") };
    Some(problem.clone())
}

#[test]
fn the_url_of_a_metadata_document_is_no_issuer() {
    for url in [
        "https://login.example.com/realms/acme/.well-known/openid-configuration",
        "https://login.example.com/.well-known/oauth-authorization-server/realms/acme",
    ] {
        let text = problem(Issuer::discover(url)).unwrap().to_string();
        assert!(
            text.contains("is the URL of a metadata document; hint: write it exactly like the `iss`"),
            "{text}"
        );
    }
    assert_eq!(problem(Issuer::discover("https://login.example.com/realms/.well-known")), None);
}

#[test]
fn the_hint_for_an_unusable_url_fits_its_fault() {
    let https = "hint: use https, or Issuer::dangerous_allow_http";
    for (issuer, part) in [
        (Issuer::discover("http://keycloak:8080/realms/x"), https),
        (Issuer::with_jwks_url(ISSUER, "http://keys.example.com/jwks"), https),
        (
            Issuer::with_jwks_url(ISSUER, "https://keys.example.com/#jwks"),
            "hint: write an https URL such as https://login.example.com/jwks",
        ),
        (Issuer::discover("https://login.example.com/?x=1"), "hint: write it exactly like the `iss`"),
    ] {
        let text = problem(issuer).unwrap().to_string();
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn the_argument_of_a_profile_that_no_token_could_match_is_reported_with_the_remedy() {
    let tenant = "11111111-2222-3333-4444-555555555555";
    for (issuer, fault, hint) in [
        (
            Issuer::auth0("https://acme.eu.auth0.com/"),
            "\"https://acme.eu.auth0.com/\" in Issuer::auth0 is a URL",
            "name the host only",
        ),
        (
            Issuer::auth0("acme.eu.auth0.com/"),
            "Issuer::auth0 has a slash",
            "name the host only, without scheme",
        ),
        (Issuer::adfs("https://adfs.example.com"), "Issuer::adfs is a URL", "name the host only"),
        (
            Issuer::keycloak("https://kc.example/realms/acme/"),
            "Issuer::keycloak ends in a slash",
            "remove the slash",
        ),
        (Issuer::keycloak("https://kc.example/realms/realms/"), "ends in a slash", "remove the slash"),
        (Issuer::keycloak("https://kc.example"), "Issuer::keycloak names no realm", "/realms/acme"),
        (Issuer::keycloak("https://kc.example/realms/"), "Issuer::keycloak names no realm", "/realms/acme"),
        (
            Issuer::keycloak("https://kc.example/realms/acme/.well-known/openid-configuration"),
            "has a path behind the realm",
            "up to the name of the realm",
        ),
        (
            Issuer::keycloak("https://kc.example/realms/realms/acme/.well-known/openid-configuration"),
            "has a path behind the realm",
            "up to the name of the realm",
        ),
        (Issuer::okta("https://acme.okta.com/oauth2/default/"), "ends in a slash", "remove the slash"),
        (Issuer::zitadel("https://acme.zitadel.cloud/"), "ends in a slash", "remove the slash"),
        (Issuer::entra("https://login.microsoftonline.com/x/v2.0"), "is a URL", "tenant ID"),
        (Issuer::entra_v1("https://sts.windows.net/x/"), "is a URL", "tenant ID"),
        (
            Issuer::cognito("eu-central-1_AbCdEfGhI", "eu-central-1").allowed_clients(["app"]),
            "\"eu-central-1\" in Issuer::cognito is not the ID of a user pool in that region",
            "write the region, then the pool ID",
        ),
    ] {
        let text = problem(issuer).unwrap().to_string();
        let (shown, remedy) = text.split_once("; hint: ").unwrap();
        assert!(shown.contains(fault) && remedy.contains(hint), "{text}");
    }
    let secret = problem(Issuer::auth0("https://admin:hunter2@acme.eu.auth0.com/?x=1")).unwrap().to_string();
    assert!(!secret.contains("hunter2") && !secret.contains("x=1"), "{secret}");
    for issuer in [
        Issuer::auth0("acme.eu.auth0.com"),
        Issuer::adfs("adfs.example.com:8443"),
        Issuer::keycloak("https://kc.example/auth/realms/acme"),
        Issuer::keycloak("https://kc.example/realms/realms"),
        Issuer::keycloak("https://kc.example/realms/realms/acme"),
        Issuer::okta("https://acme.okta.com/oauth2/default"),
        Issuer::zitadel("https://acme.zitadel.cloud"),
        Issuer::hydra("https://hydra.example.com/"),
        Issuer::dex("https://dex.example.com/"),
        Issuer::entra(tenant),
        Issuer::entra_v1(tenant),
        Issuer::cognito("eu-central-1", "eu-central-1_AbCdEfGhI").allowed_clients(["app"]),
    ] {
        assert_eq!(problem(issuer), None);
    }
}

#[test]
fn an_issuer_that_is_added_again_at_run_time_can_be_replaced() {
    let issuer = || Issuer::discover(ISSUER);
    let auth = BearerAuth::builder(API).issuer(issuer()).http_client(Net::default()).build().unwrap();
    let text = auth.issuers().add(issuer()).unwrap_err().to_string();
    assert!(text.contains("change it with Issuers::replace"), "{text}");
}
