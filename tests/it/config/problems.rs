//! The problems of a configuration: all of them at once, none that another one causes, each with its hint.

use serde_json::{Value, json};
use tower_bearer::ConfigError;
use tower_bearer::config::BearerAuthConfig;
use tower_bearer::testing::TestIssuer;

use super::parse;
use crate::support::protected::API;

fn problems(config: Value) -> ConfigError {
    parse(config).unwrap().builder().unwrap_err()
}

fn with_issuer(issuer: &Value) -> Value {
    json!({"audience": API, "issuers": [issuer]})
}

#[test]
fn problems_of_values_are_reported_together_with_those_of_files_and_variables() {
    let error = problems(json!({
        "audience": ["", API],
        "leeway_secs": 4000,
        "max_token_bytes": 0,
        "realm": "\u{e9}",
        "token_sources": ["query", "query"],
        "issuers": [
            {"issuer": "https://a.example", "algorithms": ["HS256"], "role_claims": ["roles"]},
            {"issuer": "http://b.example", "introspection": {
                "client_id": "orders-api",
                "secret_env": "TOWER_BEARER_NONE",
                "timeout_secs": 0,
            }},
            {"issuer": "https://c.example", "jwks_file": "/none/such", "max_age_secs": 0},
            {"issuer": "https://d.example", "jwks_url": "http://d.example/jwks", "jwks": "{}"},
        ],
    }));
    let text = error.to_string();
    for part in [
        "issuers[0].algorithms[0] is \"HS256\"",
        "\"roles\" in role_claims of issuer \"https://a.example\"",
        "issuer \"http://b.example\" is not https",
        "issuers[1].introspection.secret_env names the variable",
        "timeout of Introspection is zero",
        "the endpoint cannot be discovered, because the identifier is not an https URL",
        "issuers[2].jwks_file names the file",
        "max_age is zero",
        "issuers[3] has jwks_url and jwks",
        "the key set URL \"http://d.example/jwks\"",
        "an audience is empty",
        "the leeway of 4000s is longer than 5 min",
        "max_token_bytes is zero",
        "the realm",
        "the token source query",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert_eq!(error.problems().len(), 15, "{text}");
}

#[test]
fn a_problem_does_not_appear_as_another_problem_too() {
    let with = |settings: Value| {
        let mut issuer = json!({"issuer": "https://a.example"});
        issuer.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
        with_issuer(&issuer)
    };
    let unreadable = || json!({"client_id": "a", "secret_file": "/none/secret"});
    for (name, config) in [
        ("no audience", json!({"audience": [], "issuers": [{"issuer": "https://a.example"}]})),
        ("no issuer", with_issuer(&json!({}))),
        ("no tenant", with_issuer(&json!({"profile": "entra"}))),
        ("keys", with(json!({"jwks_file": "/none/keys", "seed_jwks_file": Value::Null}))),
        ("keys of an issuer that is no URL", with_issuer(&json!({"issuer": "a", "jwks_file": "/none/keys"}))),
        ("first keys", with(json!({"seed_jwks_file": "/none/keys"}))),
        ("an algorithm", with(json!({"algorithms": ["HS256", "ES256"], "default_key_algorithm": "RS256"}))),
        ("the default", with(json!({"algorithms": ["ES256"], "default_key_algorithm": "HS256"}))),
        ("the only way to validate", with(json!({"without_keys": true, "introspection": unreadable()}))),
        (
            "the only endpoint in metadata",
            with(json!({"jwks_url": "https://a.example/jwks", "endpoint_hosts": "issuer_and_subdomains",
                "introspection": unreadable()})),
        ),
    ] {
        let error = problems(config);
        assert_eq!(error.problems().len(), 1, "{name}: {error}");
    }
}

#[test]
fn an_http_client_can_still_be_set_after_a_problem_is_solved() {
    let idp = TestIssuer::new();
    let config = json!({"audience": API, "issuers": [{"issuer": idp.identifier()}]});
    let built = parse(config).unwrap().builder().unwrap().http_client(idp.http_client()).build();
    assert!(built.is_ok(), "{built:?}");
    let added_in_code = json!({"audience": API, "issuers": [], "token_sources": [{"header": "x y"}]});
    let error = problems(added_in_code);
    assert_eq!(error.problems().len(), 1, "issuers may be added in code: {error}");
}

#[test]
fn each_hint_says_what_to_change() {
    let introspection =
        |settings: Value| with_issuer(&json!({"issuer": "https://a.example", "introspection": settings}));
    for (config, parts) in [
        (
            introspection(json!({"client_id": "a", "secret_env": "TOWER_BEARER_NONE"})),
            &["is not set; hint: set it in the environment of this process, or keep the secret in a file"][..],
        ),
        (
            introspection(json!({"client_id": "a", "secret_file": "/none/secret"})),
            &["hint: check the path, what is mounted there"],
        ),
        (introspection(json!({"secret": "s"})), &["client_id is missing; hint: set the client ID"]),
        (
            with_issuer(&json!({"issuer": "https://a.example", "algorithms": ["HS256"]})),
            &[
                "is \"HS256\", which is not one of RS256, RS384, RS512, PS256,",
                "EdDSA",
                "HMAC (HS256, HS384, HS512) and unsigned tokens are never accepted",
            ],
        ),
        (with_issuer(&json!({})), &["issuers[0].issuer is missing; hint: set it to the `iss` of its tokens"]),
        (with_issuer(&json!({"profile": "entra"})), &["issuers[0].tenant is missing; hint: set it"]),
    ] {
        let text = problems(config).to_string();
        for part in parts {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}

#[test]
fn an_empty_list_of_issuers_is_a_problem_of_the_file() {
    let config: BearerAuthConfig = toml::from_str("audience = 'a'\nissuers = []").unwrap();
    let error = config.builder().unwrap().build().unwrap_err();
    assert!(error.to_string().contains("[[issuers]] in the configuration file"), "{error}");
}

#[test]
fn a_table_of_issuers_is_told_how_to_be_a_list() {
    let table = "audience = 'a'\n[issuers]\nissuer = 'https://a.example'";
    let error = toml::from_str::<BearerAuthConfig>(table).unwrap_err();
    assert!(error.message().contains("each one begins with [[issuers]]"), "{error}");
}
