//! Every setting of the builders is in the docs of `config`, and every setting in these docs is in one
//! configuration that builds.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::json;
use tower_bearer::config::BearerAuthConfig;
use tower_bearer::testing::TestIssuer;

use super::TempFile;

/// The files with the methods of each builder, below `src`, and the start of their `impl`.
const BUILDERS: [(&str, &str); 8] = [
    ("builder/bearer_auth", "impl BearerAuthBuilder {"),
    ("builder/token_cache.rs", "impl TokenCache {"),
    ("resource_metadata", "impl ResourceMetadata {"),
    ("binding/dpop", "impl Dpop {"),
    ("binding/certificates", "impl Certificates {"),
    ("settings/issuer", "impl Issuer {"),
    ("settings/introspection", "impl Introspection {"),
    ("introspection/client_auth", "impl ClientAuth {"),
];

/// Methods that are no setting, and constructors that the docs describe in other words.
const NO_SETTING: [&str; 7] = ["at", "build", "discover", "new", "secret_basic", "secret_post", "with"];

fn source(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(path)).unwrap()
}

/// The Rust files at `path`, a file or a folder.
fn sources(path: &str) -> Vec<String> {
    if path.ends_with(".rs") {
        return vec![source(path)];
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(path);
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.ends_with(".rs")).map(|name| source(&format!("{path}/{name}"))).collect()
}

/// The public functions in the blocks that begin with `start`.
fn public_functions(text: &str, start: &str) -> BTreeSet<String> {
    let start = format!("\n{start}\n");
    let blocks = text.split(&*start).skip(1);
    let lines = blocks.flat_map(|block| block.split("\n}\n").next().unwrap_or_default().lines());
    let functions = lines.filter_map(|line| line.strip_prefix("    pub fn "));
    functions.map(|rest| rest.split(['(', '<']).next().unwrap_or_default().to_owned()).collect()
}

/// The docs of the module `config`.
fn docs() -> String {
    let text = source("config/mod.rs");
    text.lines().map_while(|line| line.strip_prefix("//!")).map(|line| format!("{line}\n")).collect()
}

/// The names in backticks, in brackets and before parentheses.
fn words(text: &str) -> BTreeSet<&str> {
    text.split(|character: char| !(character.is_ascii_alphanumeric() || character == '_')).collect()
}

#[test]
fn every_setting_of_the_builders_is_in_the_docs_or_in_their_list_of_code() {
    let docs = docs();
    let known = words(&docs);
    let mut missing = Vec::new();
    for (path, start) in BUILDERS {
        let functions: BTreeSet<String> =
            sources(path).iter().flat_map(|text| public_functions(text, start)).collect();
        assert!(functions.len() > 3, "{start}: {functions:?}");
        let is_known = |name: &String| {
            let forms = [name.clone(), format!("{name}_secs"), format!("{name}s")];
            NO_SETTING.contains(&&**name) || forms.iter().any(|form| known.contains(&**form))
        };
        missing.extend(functions.into_iter().filter(|name| !is_known(name)));
    }
    assert!(missing.is_empty(), "add to `config`, or to the list of settings that are code: {missing:?}");
}

#[test]
fn every_setting_in_the_docs_is_in_the_configuration_that_builds() {
    let docs = docs();
    let in_data = docs.split("# Settings that are code").next().unwrap();
    let rows = in_data.lines().filter_map(|line| line.strip_prefix(" | `"));
    let names = rows.flat_map(|row| row.split(" | ").next().unwrap().split(['`', ',', ' ']));
    let names: BTreeSet<&str> = names.filter(|name| !name.is_empty() && !name.starts_with('"')).collect();
    assert!(names.len() > 70, "{names:?}");
    let used = words(EVERY_SETTING);
    let unused: Vec<&str> = names.into_iter().filter(|name| !used.contains(name)).collect();
    assert!(unused.is_empty(), "{unused:?}");
}

/// One value for each setting in the docs of the module.
const EVERY_SETTING: &str = r#"
    audience = ["https://api.example.com", "orders"]
    realm = "orders"
    optional = true
    allow_preflight = true
    strip_credentials = true
    omit_error_descriptions = true
    grpc = false
    log_token_details = true
    skip_start_check = true
    allow_no_issuer = true
    fapi2 = false
    token_sources = [
        "query",
        { cookie = "__Host-token" },
        { header = "x-token" },
        { web_socket_protocol = "access_token." },
    ]
    leeway_secs = 10
    fetch_timeout_secs = 4
    max_key_wait_secs = 2
    jwks_ttl_secs = 300
    jwks_cooldown_secs = 60
    jwks_stale_for_secs = 600
    jwks_stale_for_bad_responses_secs = 300
    max_token_bytes = 8192
    max_rejection_events_per_second = 5
    max_cached_responses = 1000
    max_cached_response_bytes = 1000000
    token_cache = { limited = { max_tokens = 1000, max_bytes = 1000000 } }

    [resource_metadata]
    resource = "https://api.example.com"
    scopes_supported = ["orders:read"]
    scope_hint = ["orders:read"]
    name = "Orders"
    localized_names = { de = "Bestellungen" }
    documentation = "https://docs.example.com"
    policy_uri = "https://example.com/policy"
    tos_uri = "https://example.com/tos"
    form_body_tokens = true
    max_age_secs = 60

    [dpop]
    at = ["https://api.example.com", "https://eu.example.com"]
    required = false
    accept_web_socket_urls = true
    algorithms = ["ES256"]
    max_proof_age_secs = 30
    max_proofs = 1000
    # With require_nonces (and nonce_secret, nonce_secret_file or nonce_secret_env), max_proof_age_secs would
    # have no effect. See senders.rs.

    [certificates]
    source = "client_cert_header"
    from_proxy = ["10.0.0.0/8"]
    also_of_connection = true
    keep_header = true

    [[issuers]]
    issuer = "https://login.example.com"
    fallback_jwks_urls = ["https://keys.example.net/jwks"]
    seed_jwks_file = 'SEED'
    audience = "orders"
    algorithms = ["RS256", "ES256"]
    default_key_algorithm = "RS256"
    allowed_clients = ["app"]
    client_claims = ["cid"]
    scope_claims = ["/orders/scopes"]
    role_claims = ["/realm_access/roles"]
    require_claims = ["sub"]
    require_claim_values = { email_verified = true, "/org/id" = ["acme", 5] }
    max_age_secs = 3600
    max_lifetime_secs = 3600
    strict_rfc9068 = true
    require_public_addresses = true
    endpoint_hosts = { listed = ["*.example.com"] }
    dangerous_accept_types = ["access+jwt"]
    dangerous_accept_id_token_claims = true

    [issuers.introspection]
    auth = "client_secret_post"
    client_id = "orders-api"
    secret_file = 'SECRET'
    fallback_secret = "s3cret"
    client_credentials = { token_endpoint = "https://login.example.com/token", scope = "introspect" }
    also_jwts = true
    opaque_tokens = { prefix = "acme_" }
    active_ttl_secs = 20
    inactive_ttl_secs = 5
    timeout_secs = 2
    queue_timeout_secs = 1
    serve_stale_secs = 60
    max_concurrent_calls = 8
    max_queued_calls = 100
    max_calls_per_minute = 600
    dangerous_accept_pending_jwts = true
    dangerous_accept_without_audience = true

    [[issuers]]
    issuer = "https://b.example"
    without_keys = true
    dangerous_allow_http = true
    [issuers.introspection]
    auth = "bearer"
    secret = "t"
    endpoint = "https://b.example/introspect"
    opaque_tokens = "default"

    [[issuers]]
    issuer = "https://c.example"
    jwks_url = "https://c.example/jwks"
    [issuers.introspection]
    auth = "private_key_jwt"
    client_id = "orders-api"
    private_key_file = 'KEY'
    private_key_algorithm = "EdDSA"
    key_id = "2026-05"
    endpoint = "https://c.example/introspect"
    require_signed = true
    opaque_tokens = "none"
    also_jwts = true

    [[issuers]]
    issuer = "https://d.example"
    jwks_file = 'SEED'
    audience_claim = "client_id"
    allowed_clients = ["app"]
    [issuers.introspection]
    auth = "client_secret_jwt"
    client_id = "orders-api"
    secret = "0123456789012345678901234567890123456789"
    secret_algorithm = "HS256"
    fallback_secret_file = 'SECRET'
    endpoint_as_audience = true
    opaque_tokens = { prefix = "d_" }
    dangerous_accept_without_expiry_secs = 300

    [[issuers]]
    issuer = "https://e.example"
    jwks = 'JWKS'
    [issuers.introspection]
    auth = "private_key_jwt"
    client_id = "orders-api"
    assertion_file = "/var/run/secrets/tokens/login"
    opaque_tokens = { prefix = "e_" }

    [[issuers]]
    issuer = "https://f.example"
    [issuers.introspection]
    auth = "client_secret_basic"
    client_id = "orders-api"
    secret_env = "PATH"
    fallback_secret_env = "PATH"
    opaque_tokens = { prefix = "f_" }

    [[issuers]]
    profile = "entra"
    tenant = "11111111-2222-3333-4444-555555555555"
    shared_metadata = "https://login.microsoftonline.com/organizations/v2.0"

    [[issuers]]
    profile = "cognito"
    region = "eu-central-1"
    pool = "eu-central-1_AbCdEfGhI"
    allowed_clients = ["app"]

    [[issuers]]
    profile = "auth0"
    domain = "acme.eu.auth0.com"

    [[issuers]]
    profile = "adfs"
    host = "adfs.example.com"
"#;

#[test]
fn every_documented_setting_builds() {
    let idp = TestIssuer::new();
    let seed = TempFile::new("seed.json", idp.jwks());
    // The example key of RFC 8410 section 10.3.
    let key = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n\
               -----END PRIVATE KEY-----\n";
    let key = TempFile::new("key.pem", key);
    let toml = EVERY_SETTING.replace("SEED", seed.0.to_str().unwrap()).replace("JWKS", &idp.jwks());
    let secret = TempFile::new("secret", "0123456789012345678901234567890123456789\n");
    let toml = toml.replace("KEY", key.0.to_str().unwrap()).replace("SECRET", secret.0.to_str().unwrap());
    let config: BearerAuthConfig = toml::from_str(&toml).unwrap();
    let auth = config.builder().unwrap().http_client(idp.http_client()).build().unwrap();
    let metadata: serde_json::Value =
        serde_json::from_str(&auth.resource_metadata().unwrap().document()).unwrap();
    for (member, value) in [
        ("resource", json!("https://api.example.com")),
        ("scopes_supported", json!(["orders:read"])),
        ("resource_name", json!("Orders")),
        ("resource_name#de", json!("Bestellungen")),
        ("resource_documentation", json!("https://docs.example.com")),
        ("resource_policy_uri", json!("https://example.com/policy")),
        ("resource_tos_uri", json!("https://example.com/tos")),
        ("bearer_methods_supported", json!(["header", "body", "query"])),
    ] {
        assert_eq!(metadata[member], value, "{member}");
    }
    let issuers: Vec<String> = auth.status().iter().map(|status| status.issuer().to_owned()).collect();
    assert_eq!(
        issuers,
        [
            "http://adfs.example.com/adfs/services/trust",
            "https://acme.eu.auth0.com/",
            "https://b.example",
            "https://c.example",
            "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_AbCdEfGhI",
            "https://d.example",
            "https://e.example",
            "https://f.example",
            "https://login.example.com",
            "https://login.microsoftonline.com/11111111-2222-3333-4444-555555555555/v2.0",
        ]
    );
}
