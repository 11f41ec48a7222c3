//! The settings for sender-constrained tokens as data.

use serde_json::{Value, json};
use tower_bearer::config::BearerAuthConfig;

use super::TempFile;

/// The text of the `ConfigError`, empty if a `BearerAuth` can be built with these tables.
fn problems(tables: &Value) -> String {
    let mut config = json!({
        "audience": "https://api.example.com",
        "issuers": [{"issuer": "https://login.example.com"}],
    });
    config.as_object_mut().unwrap().extend(tables.as_object().unwrap().clone());
    let config: BearerAuthConfig = serde_json::from_value(config).unwrap();
    let built = config.builder().and_then(tower_bearer::BearerAuthBuilder::build);
    built.err().map(|error| error.to_string()).unwrap_or_default()
}

fn dpop(more: &Value) -> Value {
    let mut dpop = json!({"at": "https://api.example.com"});
    dpop.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({"dpop": dpop})
}

#[test]
fn the_secret_of_nonces_is_text_or_in_a_file_or_a_variable() {
    let secret = "0123456789012345678901234567890123456789";
    let file = TempFile::new("nonces", secret);
    for (name, source) in [
        ("random", json!({})),
        ("text", json!({"nonce_secret": secret})),
        ("file", json!({"nonce_secret_file": file.0})),
        // The variable is set, and long enough.
        ("variable", json!({"nonce_secret_env": "CARGO_MANIFEST_DIR"})),
    ] {
        let mut table = source;
        table["require_nonces"] = json!(true);
        let text = problems(&dpop(&table));
        assert!(
            text.is_empty() || (name == "variable" && text.contains("shorter than 32 bytes")),
            "{name}: {text}"
        );
    }
    for (more, expected) in [
        (json!({"nonce_secret": secret}), "does not require them"),
        (json!({"require_nonces": true, "nonce_secret": "short"}), "is shorter than 32 bytes"),
        (
            json!({"require_nonces": true, "nonce_secret": secret, "nonce_secret_env": "X"}),
            "exactly one of nonce_secret",
        ),
        (json!({"require_nonces": true, "nonce_secret_env": "NO_SUCH_VARIABLE"}), "is not set"),
        (json!({"require_nonces": true, "max_proof_age_secs": 30}), "has no effect with nonces"),
    ] {
        let text = problems(&dpop(&more));
        assert!(text.contains(expected), "{more}: {text}");
        assert!(!text.contains(secret), "{more}: {text}");
    }
}

#[test]
fn every_unusable_table_is_a_problem_with_a_hint() {
    for (tables, expected) in [
        (json!({"dpop": {"at": []}}), "dpop.at is an empty list"),
        (json!({"dpop": {"at": "http://api.example.com"}}), "is not https"),
        (dpop(&json!({"algorithms": ["HS256"]})), "dpop.algorithms is \"HS256\""),
        (dpop(&json!({"max_proof_age_secs": 0})), "Dpop::max_proof_age"),
        (json!({"certificates": {"source": "client_cert_header"}}), "from_proxy"),
        (json!({"certificates": {"source": "xfcc_header", "from_proxy": ["proxy"]}}), "from_proxy"),
        (
            json!({"certificates": {"source": {"pem_header": "a b"}, "from_proxy": ["10.0.0.1"]}}),
            "pem_header",
        ),
        (json!({"fapi2": true}), "no sender-constrained token is accepted"),
    ] {
        let text = problems(&tables);
        assert!(text.contains(expected) && text.contains("; hint: "), "{tables}: {text}");
    }
    for source in [
        json!("of_connection"),
        json!("client_cert_header"),
        json!("xfcc_header"),
        json!({"pem_header": "x-cert"}),
        json!({"der_header": "x-cert"}),
    ] {
        let proxies = if source == "of_connection" { json!([]) } else { json!(["10.0.0.0/8", "::1"]) };
        let text = problems(&json!({"certificates": {"source": source, "from_proxy": proxies}}));
        assert_eq!(text, "", "{source}");
    }
}
