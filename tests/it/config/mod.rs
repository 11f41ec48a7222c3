//! The configuration as data: what is rejected, and that each setting has the effect of its method.

mod every_setting;
mod issuers;
mod problems;
mod secrets;
mod senders;

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};
use tower_bearer::config::BearerAuthConfig;
use tower_bearer::testing::{Endpoint, TestIssuer};
use tower_bearer::{BearerAuth, RejectionKind};

use crate::support::protected::{ACCEPTED, API, Protected, anonymous, get};

/// A file in the directory for temporary files, which is removed at the end.
struct TempFile(PathBuf);

impl TempFile {
    fn new(name: &str, content: impl AsRef<[u8]>) -> Self {
        let path = std::env::temp_dir().join(format!("tower-bearer-{}-{name}", std::process::id()));
        fs::write(&path, content).unwrap();
        Self(path)
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        drop(fs::remove_file(&self.0));
    }
}

fn parse(config: Value) -> Result<BearerAuthConfig, String> {
    serde_json::from_value(config).map_err(|error| error.to_string())
}

/// The problems of a configuration with this introspection.
fn introspection_problems(introspection: &Value) -> String {
    let config = json!({
        "audience": API,
        "issuers": [{"issuer": "https://a.example"}, {"issuer": "https://b.example", "introspection": introspection}],
    });
    match parse(config).unwrap().builder() {
        Ok(_) => String::new(),
        Err(error) => error.to_string(),
    }
}

fn auth(idp: &TestIssuer, config: Value) -> BearerAuth {
    let builder = parse(config).unwrap().builder().unwrap();
    builder.clock(idp.clock()).http_client(idp.http_client()).build().unwrap()
}

#[test]
fn unknown_missing_and_ill_typed_settings_are_rejected() {
    let issuer = |settings: Value| {
        let mut issuer = json!({"issuer": "https://a.example"});
        issuer.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
        json!({"audience": API, "issuers": [issuer]})
    };
    for (name, config, part) in [
        ("no audience", json!({"issuers": []}), "missing field `audience`"),
        ("no issuers", json!({"audience": API}), "missing field `issuers`"),
        ("a number as audience", json!({"audience": 1, "issuers": []}), "a string or a list of strings"),
        (
            "a typing error",
            json!({"audience": API, "issuers": [], "leway_secs": 1}),
            "unknown field `leway_secs`",
        ),
        ("a negative time", json!({"audience": API, "issuers": [], "leeway_secs": -1}), "u64"),
        ("a flag as text", json!({"audience": API, "issuers": [], "optional": "yes"}), "a boolean"),
        ("in an issuer", issuer(json!({"max_life_secs": 1})), "unknown field `max_life_secs`"),
        ("in introspection", issuer(json!({"introspection": {"client": "a"}})), "unknown field `client`"),
        ("an unknown method", issuer(json!({"introspection": {"auth": "none"}})), "unknown variant `none`"),
        (
            "an unknown source",
            json!({"audience": API, "issuers": [], "token_sources": ["body"]}),
            "unknown variant `body`",
        ),
        (
            "in the token cache",
            json!({"audience": API, "issuers": [], "token_cache": {"limited": {"tokens": 1}}}),
            "unknown field `tokens`",
        ),
    ] {
        let error = parse(config).unwrap_err();
        assert!(error.contains(part), "{name}: {error}");
    }
}

#[test]
fn no_error_and_no_debug_output_shows_a_secret() {
    let secret = 471_100_471_100_u64;
    for value in [json!(secret), json!(-471_100_471_100_i64), json!(471_100.25), json!(true)] {
        let introspection = json!({"client_id": "a", "secret": value});
        let issuer = json!({"issuer": "https://a.example", "introspection": introspection});
        let error = parse(json!({"audience": API, "issuers": [issuer]})).unwrap_err();
        assert!(error.contains("a secret must be a string"), "{error}");
        assert!(!error.contains("471"), "{error}");
    }
    let toml = "audience = 'a'\n[[issuers]]\nissuer = 'https://a.example'\n[issuers.introspection]\n";
    let good: BearerAuthConfig = toml::from_str(&format!("{toml}client_id = 'a'\nsecret = 'hush'")).unwrap();
    assert!(!format!("{good:?}").contains("hush"), "{good:?}");
    let builder = good.builder().unwrap();
    assert!(!format!("{builder:?}").contains("hush"), "{builder:?}");
    let control = introspection_problems(&json!({"client_id": "a", "secret": "hush\n", "secret_env": "X"}));
    assert!(control.contains("needs exactly one of") && !control.contains("hush"), "{control}");
}

#[test]
fn each_problem_names_the_path_of_its_setting() {
    let empty = TempFile::new("empty.txt", "\n");
    let no_key = TempFile::new("no-key.pem", "hush");
    let path = "issuers[1].introspection";
    for (name, introspection, parts) in [
        (
            "no secret",
            json!({"client_id": "a"}),
            &["issuers[1].introspection needs exactly one of secret, secret_file and secret_env"][..],
        ),
        (
            "no client and no secret",
            json!({}),
            &["introspection.client_id is missing", "introspection needs exactly one of"],
        ),
        (
            "no such file",
            json!({"client_id": "a", "secret_file": "/none/such"}),
            &["introspection.secret_file names the file \"/none/such\", which cannot be read"],
        ),
        (
            "an empty file",
            json!({"client_id": "a", "secret_file": empty.0}),
            &["introspection.secret_file names the file", "which is empty"],
        ),
        (
            "no such variable",
            json!({"client_id": "a", "secret_env": "TOWER_BEARER_NONE"}),
            &["introspection.secret_env names the variable \"TOWER_BEARER_NONE\", which is not set"],
        ),
        (
            "a secret without effect",
            json!({"auth": "private_key_jwt", "client_id": "a", "secret": "hush", "secret_env": "X"}),
            &["introspection.secret has no effect", "introspection.secret_env has no effect"],
        ),
        (
            "a key without effect",
            json!({"client_id": "a", "secret": "hush", "key_id": "k", "private_key_file": "/k"}),
            &["introspection.key_id has no effect", "introspection.private_key_file has no effect"],
        ),
        (
            "a client without effect",
            json!({"auth": "bearer", "client_id": "a", "secret": "t"}),
            &["introspection.client_id has no effect"],
        ),
        (
            "no key",
            json!({"auth": "private_key_jwt", "client_id": "a"}),
            &["introspection needs private_key_file and private_key_algorithm, or assertion_file"],
        ),
        (
            "a file without a key",
            json!({"auth": "private_key_jwt", "client_id": "a", "private_key_file": no_key.0,
                "private_key_algorithm": "ES256"}),
            &["introspection.private_key_file is unusable"],
        ),
        (
            "a fallback without effect",
            json!({"auth": "private_key_jwt", "client_id": "a", "assertion_file": "/a", "key_id": "k",
                "fallback_secret": "hush", "endpoint_as_audience": true}),
            &[
                "introspection.fallback_secret has no effect",
                "introspection.key_id has no effect",
                "introspection.endpoint_as_audience has no effect",
            ],
        ),
        (
            "two fallbacks",
            json!({"client_id": "a", "secret": "hush", "fallback_secret": "hush", "fallback_secret_env": "X"}),
            &["needs exactly one of fallback_secret, fallback_secret_file and fallback_secret_env"],
        ),
        (
            "a key and an assertion",
            json!({"auth": "private_key_jwt", "client_id": "a", "private_key_file": "/k",
                "private_key_algorithm": "ES256", "assertion_file": "/a"}),
            &["introspection has private_key_file and assertion_file, of which only one can be used"],
        ),
        (
            "no algorithm of the secret",
            json!({"auth": "client_secret_jwt", "client_id": "a", "secret": "hush"}),
            &["introspection.secret_algorithm is missing"],
        ),
        (
            "another algorithm of the secret",
            json!({"auth": "client_secret_jwt", "client_id": "a", "secret": "hush", "secret_algorithm": "ES256"}),
            &["introspection.secret_algorithm is \"ES256\", which is not HS256, HS384 or HS512"],
        ),
        (
            "an algorithm without effect",
            json!({"client_id": "a", "secret": "hush", "secret_algorithm": "HS256"}),
            &["introspection.secret_algorithm has no effect"],
        ),
        (
            "a bearer token that obtains another",
            json!({"auth": "bearer", "secret": "hush", "client_credentials": {"token_endpoint": "https://a/t"}}),
            &["introspection.client_credentials has no effect"],
        ),
        (
            "an unknown algorithm",
            json!({"auth": "private_key_jwt", "client_id": "a", "private_key_file": no_key.0,
                "private_key_algorithm": "HS256"}),
            &["introspection.private_key_algorithm is \"HS256\""],
        ),
    ] {
        let text = introspection_problems(&introspection);
        assert!(text.contains(path), "{name}: {text}");
        for part in parts {
            assert!(text.contains(part), "{name}: {part}: {text}");
        }
        assert!(!text.contains("hush"), "{name}: {text}");
    }
}

#[test]
fn problems_of_issuers_and_sources_are_reported_together() {
    let config = json!({
        "audience": [API],
        "token_sources": ["query", {"header": "x token"}],
        "issuers": [
            {"issuer": "https://a.example", "jwks": "{}", "jwks_url": "https://a.example/jwks"},
            {"issuer": "https://b.example", "jwks_file": "/none/such"},
            {"issuer": "https://c.example", "algorithms": ["RS256", "none"], "seed_jwks_file": "/none/seed"},
            {},
            {"jwks_file": "/none/keys", "default_key_algorithm": "ES255",
                "introspection": {"client_id": "a", "secret_file": "/none/secret"}},
        ],
    });
    let error = parse(config).unwrap().builder().unwrap_err();
    let text = error.to_string();
    for part in [
        "issuers[0] has jwks_url and jwks, of which only one can be used",
        "issuers[1].jwks_file names the file \"/none/such\", which cannot be read",
        "issuers[2].algorithms[1] is \"none\"",
        "issuers[2].seed_jwks_file names the file \"/none/seed\"",
        "issuers[3].issuer is missing",
        "issuers[4].issuer is missing",
        "issuers[4].jwks_file names the file \"/none/keys\"",
        "issuers[4].default_key_algorithm is \"ES255\"",
        "issuers[4].introspection.secret_file names the file \"/none/secret\"",
        "token_sources[1].header is not the name of a header",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert_eq!(error.problems().len(), 10, "{text}");
    let empty = parse(json!({"audience": [], "issuers": []})).unwrap().builder().unwrap_err();
    assert!(empty.to_string().contains("audience is an empty list"), "{empty}");
    // The rules of `build` apply as to any builder.
    let none = parse(json!({"audience": API, "issuers": [], "leeway_secs": 301})).unwrap();
    assert_eq!(none.builder().unwrap().build().unwrap_err().problems().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_settings_of_a_file_have_the_effect_of_their_methods() {
    let idp = TestIssuer::new();
    let auth = auth(
        &idp,
        json!({
            "audience": [API, "orders"],
            "realm": "orders api",
            "optional": true,
            "strip_credentials": true,
            "max_token_bytes": 4096,
            "token_sources": [{"cookie": "__Host-token"}],
            "token_cache": "disabled",
            "issuers": [{
                "issuer": idp.identifier(),
                "jwks": idp.jwks(),
                "scope_claims": ["roles"],
                "require_claims": ["tenant"],
                "max_lifetime_secs": 600,
                "allowed_clients": ["app"],
            }],
        }),
    );
    let api = Protected::by(&auth);
    let good = || idp.token("orders").claim("tenant", "acme").claim("client_id", "app").claim("roles", "r");
    let response = api.get(good().sign()).await;
    assert_eq!(response.outcome(), ACCEPTED);
    assert!(response.token().unwrap().scopes().contains("r"));
    assert!(!response.received().head.headers.contains_key("authorization"));
    assert_eq!(auth.cached_tokens(), 0);
    assert_eq!(idp.requests(Endpoint::Jwks) + idp.requests(Endpoint::Metadata), 0);
    assert_eq!(api.send(anonymous("GET")).await.outcome(), ACCEPTED);
    let mut cookie = anonymous("GET");
    cookie.headers_mut().insert("cookie", format!("__Host-token={}", good().sign()).parse().unwrap());
    assert!(api.send(cookie).await.token().is_some());
    for (name, token, kind) in [
        ("audience", idp.token("x").sign(), RejectionKind::AudienceMismatch),
        ("claim", good().without("tenant").sign(), RejectionKind::ClaimMissing),
        ("client", good().claim("client_id", "other").sign(), RejectionKind::ClientNotAllowed),
        (
            "lifetime",
            good().lifetime(std::time::Duration::from_secs(3600)).sign(),
            RejectionKind::LifetimeTooLong,
        ),
        ("size", "a".repeat(4097), RejectionKind::TokenTooLarge),
    ] {
        let response = api.send(get(token)).await;
        assert_eq!(response.outcome(), Err(kind), "{name}");
        assert_eq!(response.challenge().unwrap().realm(), Some("orders api"), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn introspection_uses_the_secret_from_a_file() {
    let idp = TestIssuer::new();
    for (name, ending) in [("none", ""), ("lf", "\n"), ("crlf", "\r\n")] {
        let secret = TempFile::new(name, format!("{}{ending}", TestIssuer::CLIENT_SECRET));
        for method in ["client_secret_basic", "client_secret_post"] {
            let toml = format!(
                "audience = {API:?}\n[[issuers]]\nissuer = {:?}\n[issuers.introspection]\nauth = {method:?}\n\
                 client_id = {:?}\nsecret_file = {:?}\nactive_ttl_secs = 0\nalso_jwts = true",
                idp.identifier(),
                TestIssuer::CLIENT_ID,
                secret.0,
            );
            let config: BearerAuthConfig = toml::from_str(&toml).unwrap();
            let builder = config.builder().unwrap().clock(idp.clock()).http_client(idp.http_client());
            let api = Protected::by(&builder.build().unwrap());
            for (form, token) in [("opaque", idp.token(API).opaque()), ("JWT", idp.token(API).sign())] {
                assert_eq!(api.outcome(&token).await, ACCEPTED, "{name}, {method}: {form}");
                idp.revoke(&token);
                assert_eq!(api.outcome(&token).await, Err(RejectionKind::TokenInactive), "{name}: {form}");
            }
        }
    }
}

#[test]
fn issuers_with_a_file_that_cannot_be_read_are_an_error() {
    let config = parse(json!({
        "audience": API,
        "issuers": [
            {"issuer": "https://a.example.com", "seed_jwks_file": "/none/seed"},
            {"issuer": "https://b.example.com", "jwks_file": "/none/such"},
        ],
    }));
    let error = config.unwrap().issuers().unwrap_err().to_string();
    for setting in ["issuers[0].seed_jwks_file", "issuers[1].jwks_file"] {
        assert!(error.contains(setting), "{error}");
    }
}

#[test]
fn issuers_of_a_configuration_replace_those_at_run_time() {
    let auth = BearerAuth::builder(API).allow_no_issuer().build().unwrap();
    let issuers = [json!({"issuer": "https://a.example.com"}), json!({"issuer": "https://b.example.com"})];
    let config = parse(json!({ "audience": API, "issuers": issuers })).unwrap();
    for issuer in config.issuers().unwrap() {
        auth.issuers().replace(issuer).unwrap();
    }
    assert_eq!(auth.issuers().list(), ["https://a.example.com", "https://b.example.com"]);
}
