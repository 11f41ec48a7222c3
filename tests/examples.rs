//! Runs the examples as processes: their output, their exit codes, and the responses of `from_env` over HTTP.

#![cfg(all(feature = "axum", feature = "reqwest", feature = "aws-lc-rs"))]
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests may panic"
)]

use std::env;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tower_bearer::testing::{Endpoint, Fault, TestIssuer};

const API: &str = "https://api.example.com";

/// Every variable that `from_env` reads. The tests remove them, so that the environment has no influence.
const VARIABLES: [&str; 24] = [
    "LISTEN",
    "ISSUER",
    "AUDIENCE",
    "ALLOWED_CLIENTS",
    "CLIENT_CLAIMS",
    "ROLE_CLAIMS",
    "SCOPE_CLAIMS",
    "JWKS_URL",
    "REQUIRED_SCOPE",
    "ACR_VALUES",
    "MAX_AUTH_AGE_SECS",
    "INTROSPECTION_URL",
    "CLIENT_ID",
    "CLIENT_SECRET",
    "LEEWAY_SECS",
    "JWKS_TTL_SECS",
    "JWKS_COOLDOWN_SECS",
    "FETCH_TIMEOUT_SECS",
    "INTROSPECTION_AUTH",
    "INTROSPECTION_CACHE_SECS",
    "INTROSPECTION_JWTS",
    "INTROSPECTION_WITHOUT_AUDIENCE",
    "PUBLIC_URL",
    "RESOURCE_METADATA",
];

#[test]
fn each_example_passes_its_own_checks() {
    for (name, answers, shown) in [
        ("quickstart", 12, "requests to authorization servers per minute"),
        ("hyper_service", 4, "scope=\"greet\""),
        ("many_issuers", 13, "The issuer of the access token is not trusted"),
        ("revocable_jwt", 10, "a revoked token is accepted for at most: 5 s"),
    ] {
        let output = example(name).arg("--once").output().unwrap();
        let text = stdout(&output);
        assert!(output.status.success(), "{name}: {text}{}", stderr(&output));
        assert_eq!(text.lines().filter(|line| line.starts_with("ok ")).count(), answers, "{name}: {text}");
        assert!(text.contains(shown), "{name}: {text}");
    }
}

#[test]
fn mutual_tls_accepts_a_bound_token_with_its_own_certificate_only() {
    let output = example("mutual_tls").output().unwrap();
    let text = stdout(&output);
    assert!(output.status.success(), "{text}{}", stderr(&output));
    let statuses: Vec<_> = text.lines().filter_map(|line| line.rsplit_once("  ")).collect();
    let names = statuses.iter().map(|(name, _)| name.trim_end());
    assert!(names.eq(["the certificate of the token", "another certificate", "no certificate"]), "{text}");
    assert!(statuses.iter().map(|(_, status)| status.trim()).eq(["200", "401", "401"]), "{text}");
}

#[tokio::test]
async fn the_printed_curl_commands_get_the_printed_status() {
    for (name, lines) in [("quickstart", 12), ("revocable_jwt", 10)] {
        let mut server = Running::start(&mut example(name));
        // Reads all commands first: the responses after a revocation depend on the time between requests.
        let printed: Vec<(String, String)> =
            (0..lines).map(|_| (server.line_starting("# "), server.line_with("curl -i "))).collect();
        for (title, line) in printed {
            let (_, status) = title.rsplit_once(' ').unwrap();
            assert_eq!(send_as_curl(&line).await.status().as_str(), status, "{name}: {title}");
        }
    }
}

#[test]
fn from_env_lists_every_bad_variable_and_exits_with_2() {
    let good: [(&str, &str); 4] = [
        ("LISTEN", "127.0.0.1:0"),
        ("ISSUER", "https://login.example.com"),
        ("AUDIENCE", API),
        ("REQUIRED_SCOPE", "orders:read"),
    ];
    for (name, set, expected) in [
        (
            "nothing set",
            &[][..],
            &["LISTEN is not set", "ISSUER is not", "AUDIENCE is not", "REQUIRED_SCOPE is not"][..],
        ),
        (
            "empty is unset",
            &[("LISTEN", ""), ("AUDIENCE", "")],
            &["LISTEN is not set", "AUDIENCE is not set"],
        ),
        ("no port", &[("LISTEN", "127.0.0.1")], &["LISTEN is \"127.0.0.1\""]),
        ("port too large", &[("LISTEN", "127.0.0.1:99999")], &["LISTEN is"]),
        (
            "http issuer",
            &[("ISSUER", "http://login.example.com")],
            &["http://login.example.com", "is not https"],
        ),
        ("no URL", &[("JWKS_URL", "keys.json")], &["keys.json"]),
        ("no scope", &[("REQUIRED_SCOPE", "a\"b")], &["REQUIRED_SCOPE is"]),
        ("no acr", &[("ACR_VALUES", "a\"b")], &["ACR_VALUES is"]),
        ("no age", &[("MAX_AUTH_AGE_SECS", "-5")], &["MAX_AUTH_AGE_SECS is \"-5\""]),
        ("no number", &[("LEEWAY_SECS", "1.5")], &["LEEWAY_SECS is \"1.5\""]),
        ("negative", &[("JWKS_TTL_SECS", "-1")], &["JWKS_TTL_SECS is \"-1\""]),
        (
            "a client without a secret",
            &[("CLIENT_ID", "orders-api")],
            &["introspection (CLIENT_ID) needs CLIENT_SECRET; hint: set CLIENT_ID and CLIENT_SECRET"],
        ),
        (
            "a secret without a client",
            &[("CLIENT_SECRET", "hush"), ("INTROSPECTION_URL", "https://a.example/i")],
            &["introspection (CLIENT_SECRET, INTROSPECTION_URL) needs CLIENT_ID; hint: set"],
        ),
        (
            "no client, and several problems",
            &[
                ("INTROSPECTION_CACHE_SECS", "x"),
                ("INTROSPECTION_AUTH", "jwt"),
                ("INTROSPECTION_JWTS", "some"),
                ("INTROSPECTION_WITHOUT_AUDIENCE", "yes"),
            ],
            &[
                "needs CLIENT_ID and CLIENT_SECRET; hint: set",
                "INTROSPECTION_CACHE_SECS is \"x\"",
                "INTROSPECTION_AUTH is \"jwt\", which is not basic or post",
                "INTROSPECTION_JWTS is \"some\", which is not none or all",
                "INTROSPECTION_WITHOUT_AUDIENCE is \"yes\", which is not accept",
            ],
        ),
        (
            "an http introspection URL",
            &[("CLIENT_ID", "a"), ("CLIENT_SECRET", "hush"), ("INTROSPECTION_URL", "http://a.example/i")],
            &["http://a.example/i", "is not https"],
        ),
        (
            "a line break at the end of the secret",
            &[("CLIENT_ID", "a"), ("CLIENT_SECRET", "hush\n")],
            &["the client secret has a control character"],
        ),
        ("leeway too long", &[("LEEWAY_SECS", "301")], &["leeway of 301s"]),
        ("metadata without a URL", &[("RESOURCE_METADATA", "on")], &["RESOURCE_METADATA needs PUBLIC_URL"]),
        (
            "an http public URL",
            &[("RESOURCE_METADATA", "on"), ("PUBLIC_URL", "http://api.example.com")],
            &["http://api.example.com", "is not https"],
        ),
        ("zero", &[("FETCH_TIMEOUT_SECS", "0")], &["fetch_timeout is zero"]),
        (
            "several problems",
            &[("LISTEN", "x"), ("ISSUER", "http://a.example"), ("LEEWAY_SECS", "999")],
            &["LISTEN is", "http://a.example", "leeway of 999s"],
        ),
    ] {
        let base = if name == "nothing set" { &[][..] } else { &good[..] };
        let output = from_env(base).envs(set.iter().copied()).output().unwrap();
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{name}: {text}");
        assert!(stdout(&output).is_empty(), "{name}");
        for part in expected {
            assert!(text.contains(part), "{name}: {part}: {text}");
        }
        assert!(!text.contains("hush"), "{name}: {text}");
    }
}

/// The variables with which `from_env` introspects every request at a test issuer.
const INTROSPECTING: [(&str, &str); 3] = [
    ("CLIENT_ID", TestIssuer::CLIENT_ID),
    ("CLIENT_SECRET", TestIssuer::CLIENT_SECRET),
    ("INTROSPECTION_CACHE_SECS", "0"),
];

#[tokio::test]
async fn from_env_introspects_opaque_tokens_and_jwts_as_configured() {
    let idp = TestIssuer::start().await.unwrap();
    for (jwts, status_of_revoked_jwt) in [("", 200), ("none", 200), ("all", 401)] {
        let mut server = serving(&idp);
        server.envs(INTROSPECTING).env("INTROSPECTION_JWTS", jwts);
        let mut server = Running::start(&mut server);
        let origin = server.origin();
        let protected = format!("{origin}/protected");
        let good = || idp.token(API).subject("alice");
        for (name, token, status) in
            [("opaque", good().opaque(), 401), ("JWT", good().sign(), status_of_revoked_jwt)]
        {
            assert_eq!(get(&protected, Some(&token)).await.status(), 200, "{name}, {jwts:?}");
            idp.revoke(&token);
            assert_eq!(get(&protected, Some(&token)).await.status(), status, "{name}, {jwts:?}");
        }
        for (name, token, error) in [
            ("unknown", "x".repeat(43), "not active"),
            ("another audience", good().claim("aud", "x").opaque(), "another audience"),
            ("no audience", good().without("aud").opaque(), "lacks a required claim"),
        ] {
            let response = get(&protected, Some(&token)).await;
            let challenge = response.headers()["www-authenticate"].to_str().unwrap();
            assert!(challenge.contains(error), "{name}, {jwts:?}: {challenge}");
        }
        let ready = get(&format!("{origin}/ready"), None).await;
        assert_eq!(ready.status(), 200, "{jwts:?}");
    }
}

#[tokio::test]
async fn from_env_applies_each_setting_of_introspection() {
    let idp = TestIssuer::start().await.unwrap();
    let url = idp.introspection_url();
    for (name, set, status) in [
        ("own endpoint", &[("INTROSPECTION_URL", &*url)][..], 401),
        ("secret in the body", &[("INTROSPECTION_AUTH", "post")], 401),
        ("secret in a header", &[("INTROSPECTION_AUTH", "basic")], 401),
        ("optional audience", &[("INTROSPECTION_WITHOUT_AUDIENCE", "accept")], 200),
        ("a wrong secret", &[("CLIENT_SECRET", "wrong")], 500),
        ("a wrong endpoint", &[("INTROSPECTION_URL", &*idp.jwks_url())], 503),
    ] {
        let mut server = serving(&idp);
        server.envs(INTROSPECTING).envs(set.iter().copied());
        let mut server = Running::start(&mut server);
        let token = idp.token(API).without("aud").opaque();
        let response = get(&format!("{}/protected", server.origin()), Some(&token)).await;
        assert_eq!(response.status(), status, "{name}");
    }
}

#[tokio::test]
async fn from_env_caches_an_active_token_for_the_configured_time() {
    let idp = TestIssuer::start().await.unwrap();
    for (secs, calls) in [("0", 2), ("600", 1)] {
        let before = idp.requests(Endpoint::Introspection);
        let mut server = serving(&idp);
        server.envs(INTROSPECTING).env("INTROSPECTION_CACHE_SECS", secs);
        let mut server = Running::start(&mut server);
        let (protected, token) = (format!("{}/protected", server.origin()), idp.token(API).opaque());
        for _ in 0..2 {
            assert_eq!(get(&protected, Some(&token)).await.status(), 200);
        }
        assert_eq!(idp.requests(Endpoint::Introspection) - before, calls, "{secs} s");
    }
}

#[tokio::test]
async fn from_env_gives_503_during_an_introspection_outage_and_recovers() {
    let idp = TestIssuer::start().await.unwrap();
    let mut server = Running::start(serving(&idp).envs(INTROSPECTING));
    let (protected, token) = (format!("{}/protected", server.origin()), idp.token(API).opaque());
    assert_eq!(get(&protected, Some(&token)).await.status(), 200);
    idp.set_fault(Endpoint::Introspection, Some(Fault::Status(500)));
    let rejected = get(&protected, Some(&token)).await;
    assert_eq!(rejected.status(), 503);
    assert!(rejected.headers().contains_key("retry-after"));
    assert!(!rejected.headers().contains_key("www-authenticate"));
    idp.set_fault(Endpoint::Introspection, None);
    // The failure of the first token is cached for a second.
    let next = idp.token(API).opaque();
    assert_eq!(get(&protected, Some(&next)).await.status(), 200);
}

#[tokio::test]
async fn from_env_requires_the_configured_authentication_on_step_up() {
    let idp = TestIssuer::start().await.unwrap();
    let token =
        |acr: &str, age: u64| idp.token(API).claim("acr", acr).authenticated_ago(Duration::from_secs(age));
    let (strong, weak, old) = (token("mfa", 0), token("pwd", 0), token("mfa", 900));
    for (set, expected, parameters) in [
        (&[][..], [200, 200, 200], ""),
        (&[("ACR_VALUES", "hardware mfa")], [200, 401, 200], "acr_values=\"hardware mfa\""),
        (&[("MAX_AUTH_AGE_SECS", "300")], [200, 200, 401], "max_age=\"300\""),
        (
            &[("ACR_VALUES", "mfa"), ("MAX_AUTH_AGE_SECS", "300")],
            [200, 401, 401],
            "acr_values=\"mfa\", max_age=\"300\"",
        ),
    ] {
        let mut server = Running::start(serving(&idp).envs(set.iter().copied()));
        let url = format!("{}/step-up", server.origin());
        for (token, status) in [&strong, &weak, &old].into_iter().zip(expected) {
            for token in [token.clone(), token.clone().without("scope")] {
                let response = get(&url, Some(&token.sign())).await;
                assert_eq!(response.status(), status, "{set:?}");
                if status == 401 {
                    let challenge = response.headers()["www-authenticate"].to_str().unwrap();
                    assert!(challenge.contains("error=\"insufficient_user_authentication\""), "{challenge}");
                    assert!(challenge.ends_with(parameters), "{challenge}");
                }
            }
        }
        assert_eq!(get(&url, None).await.status(), 401);
    }
}

#[tokio::test]
async fn from_env_protects_its_routes_with_discovered_keys() {
    let idp = TestIssuer::start().await.unwrap();
    let mut server = Running::start(&mut serving(&idp));
    let origin = server.origin();
    let good = || idp.token(API).subject("alice").scope("orders:read");
    for (name, path, token, status, error) in [
        ("public, no token", "/public", None, 200, None),
        ("public, bad token", "/public", Some("x".to_owned()), 200, None),
        ("no token", "/protected", None, 401, Some("Bearer realm=\"https://api.example.com\"")),
        ("no token, scoped", "/scoped", None, 401, Some("Bearer realm=\"https://api.example.com\"")),
        ("valid", "/protected", Some(good().sign()), 200, None),
        ("valid, scoped", "/scoped", Some(good().sign()), 200, None),
        ("expired", "/protected", Some(good().expired().sign()), 401, Some("The access token expired")),
        (
            "wrong audience",
            "/protected",
            Some(good().claim("aud", "x").sign()),
            401,
            Some("another audience"),
        ),
        (
            "wrong audience, scoped",
            "/scoped",
            Some(good().claim("aud", "x").sign()),
            401,
            Some("another audience"),
        ),
        ("no scope", "/protected", Some(good().without("scope").sign()), 200, None),
        (
            "no scope, scoped",
            "/scoped",
            Some(good().without("scope").sign()),
            403,
            Some("scope=\"orders:read\""),
        ),
        (
            "wrong scope, scoped",
            "/scoped",
            Some(good().scope("orders").sign()),
            403,
            Some("insufficient_scope"),
        ),
        ("opaque", "/protected", Some("opaque".to_owned()), 401, Some("not a signed JWT")),
    ] {
        let response = get(&format!("{origin}{path}"), token.as_deref()).await;
        let challenge = response.headers().get("www-authenticate").map(|value| value.to_str().unwrap());
        assert_eq!(response.status(), status, "{name}: {challenge:?}");
        assert_eq!(challenge.is_some(), error.is_some(), "{name}: {challenge:?}");
        assert!(error.is_none_or(|error| challenge.unwrap().contains(error)), "{name}: {challenge:?}");
    }
    let metrics = get(&format!("{origin}/metrics"), None).await.text().await.unwrap();
    let missing =
        r#"tower_bearer_requests_total{outcome="rejected",kind="missing",source="uncached",issuer=""} 2"#;
    assert!(metrics.contains(missing), "{metrics}");
    assert!(metrics.contains("tower_bearer_keys_age_seconds"), "{metrics}");
    let claims = get(&format!("{origin}/protected"), Some(&good().sign())).await;
    assert_eq!(claims.headers()["content-type"], "application/json");
    let claims: Value = serde_json::from_slice(&claims.bytes().await.unwrap()).unwrap();
    assert_eq!((&claims["sub"], &claims["aud"]), (&"alice".into(), &API.into()));
}

#[tokio::test]
async fn from_env_serves_resource_metadata_if_that_is_on() {
    let idp = TestIssuer::start().await.unwrap();
    let paths = ["/.well-known/oauth-protected-resource/v1", "/.well-known/oauth-protected-resource"];
    let public_url = [("PUBLIC_URL", "https://api.example.com/v1")];
    let mut server = Running::start(serving(&idp).envs(public_url));
    let origin = server.origin();
    for path in paths {
        assert_eq!(get(&format!("{origin}{path}"), None).await.status(), 401, "off: a path like any other");
    }

    let mut server = Running::start(serving(&idp).envs(public_url).env("RESOURCE_METADATA", "on"));
    let origin = server.origin();
    for path in paths {
        let response = get(&format!("{origin}{path}"), None).await;
        assert_eq!(response.status(), 200, "{path}");
        let text = response.text().await.unwrap();
        assert!(text.contains(r#""resource":"https://api.example.com/v1""#), "{text}");
        assert!(text.contains(&format!(r#""authorization_servers":["{}"]"#, idp.identifier())), "{text}");
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let head = client.head(format!("{origin}{path}")).send().await.unwrap();
        assert_eq!(head.headers()["content-length"], text.len().to_string());
    }
    let response = get(&format!("{origin}/protected"), None).await;
    let challenge = response.headers()["www-authenticate"].to_str().unwrap();
    assert!(challenge.ends_with(&format!(r#"resource_metadata="https://api.example.com{}""#, paths[0])));
}

#[tokio::test]
async fn from_env_fetches_a_configured_key_set_url_without_metadata() {
    let idp = TestIssuer::start().await.unwrap();
    let mut server = Running::start(serving(&idp).env("JWKS_URL", idp.jwks_url()));
    let response = get(&format!("{}/protected", server.origin()), Some(&idp.token(API).sign())).await;
    assert_eq!(response.status(), 200);
    assert_eq!(idp.requests(Endpoint::Metadata), 0);
}

#[tokio::test]
async fn from_env_follows_a_key_rotation_without_restart() {
    let idp = TestIssuer::start().await.unwrap();
    let mut server = Running::start(&mut serving(&idp));
    let protected = format!("{}/protected", server.origin());
    assert_eq!(get(&protected, Some(&idp.token(API).sign())).await.status(), 200);
    idp.rotate_key();
    assert_eq!(get(&protected, Some(&idp.token(API).sign())).await.status(), 200);
}

#[tokio::test]
async fn from_env_starts_during_an_outage_and_recovers() {
    let idp = TestIssuer::start().await.unwrap();
    idp.set_outage(Some(Fault::Status(500)));
    let mut server = Running::start(&mut serving(&idp));
    let origin = server.origin();
    let (protected, token) = (format!("{origin}/protected"), idp.token(API).sign());
    let rejected = get(&protected, Some(&token)).await;
    assert_eq!(rejected.status(), 503);
    assert!(rejected.headers().contains_key("retry-after"));
    assert!(!rejected.headers().contains_key("www-authenticate"));
    assert_eq!(get(&format!("{origin}/public"), None).await.status(), 200);

    idp.set_outage(None);
    let outage_ended = Instant::now();
    while get(&protected, Some(&token)).await.status() == 503 {
        assert!(outage_ended.elapsed() < Duration::from_secs(40), "the longest backoff is 30 s");
    }
    assert_eq!(get(&protected, Some(&token)).await.status(), 200);
}

#[cfg(unix)]
#[tokio::test]
async fn from_env_exits_with_0_on_sigint_and_sigterm() {
    let idp = TestIssuer::start().await.unwrap();
    for signal in ["INT", "TERM"] {
        let mut server = Running::start(&mut serving(&idp));
        server.origin();
        let kill = format!("kill -{signal} {}", server.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
        assert_eq!(server.child.wait().unwrap().code(), Some(0), "{signal}");
    }
}

fn example(name: &str) -> Command {
    let test = env::current_exe().unwrap();
    let profile = test.parent().and_then(Path::parent).unwrap();
    let program = profile.join("examples").join(format!("{name}{}", env::consts::EXE_SUFFIX));
    assert!(program.is_file(), "{} is missing: run `cargo build --examples` first", program.display());
    let mut command = Command::new(program);
    for name in VARIABLES {
        command.env_remove(name);
    }
    command
}

fn from_env(set: &[(&str, &str)]) -> Command {
    let mut command = example("from_env");
    command.envs(set.iter().copied());
    command
}

fn serving(idp: &TestIssuer) -> Command {
    from_env(&[
        ("LISTEN", "127.0.0.1:0"),
        ("ISSUER", idp.identifier()),
        ("AUDIENCE", API),
        ("REQUIRED_SCOPE", "orders:read"),
    ])
}

async fn get(url: &str, token: Option<&str>) -> reqwest::Response {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = client.get(url);
    token.into_iter().fold(request, |request, token| request.bearer_auth(token)).send().await.unwrap()
}

/// Sends the request of a printed shell command: `[sleep N; ]curl -i ... URL`.
async fn send_as_curl(line: &str) -> reqwest::Response {
    let (sleep, curl) = line.split_once("curl -i ").unwrap();
    let secs = sleep.strip_prefix("sleep ").map(|rest| rest.trim_end_matches("; ").parse().unwrap());
    tokio::time::sleep(Duration::from_secs(secs.unwrap_or(0))).await;
    let mut words = shell_words(curl);
    let url = words.pop().unwrap();
    let method = if words.iter().any(|word| word == "POST" || word == "-d") { "POST" } else { "GET" };
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut request = client.request(method.parse().unwrap(), url);
    for option in words.chunks(2) {
        request = match (&*option[0], option[1].split_once(':')) {
            ("-H", Some((name, value))) => request.header(name, value.trim()),
            ("-u", Some((id, secret))) => request.basic_auth(id, Some(secret)),
            ("-d", None) => {
                request.header("content-type", "application/x-www-form-urlencoded").body(option[1].clone())
            }
            ("-X", None) => request,
            _ => panic!("unsupported option {option:?}: {line}"),
        };
    }
    request.send().await.unwrap()
}

/// Splits a shell command into words. Only single quotes are supported.
fn shell_words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (index, part) in line.split('\'').enumerate() {
        match index % 2 {
            0 => words.extend(part.split_whitespace().map(str::to_owned)),
            _ => words.push(part.to_owned()),
        }
    }
    words
}

/// A process that is killed on drop.
struct Running {
    child: Child,
    stdout: BufReader<ChildStdout>,
}

impl Running {
    fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        Self { child, stdout }
    }

    /// Waits until `from_env` listens, and returns its origin.
    fn origin(&mut self) -> String {
        let line = self.line_starting("listening on ");
        line.strip_prefix("listening on ").unwrap().to_owned()
    }

    /// The next line of the output that starts with `start`. Panics if there is none.
    fn line_starting(&mut self, start: &str) -> String {
        self.line(|line| line.starts_with(start), start)
    }

    /// The next line of the output that contains `part`. Panics if there is none.
    fn line_with(&mut self, part: &str) -> String {
        self.line(|line| line.contains(part), part)
    }

    fn line(&mut self, matches: impl Fn(&str) -> bool, pattern: &str) -> String {
        let line = self.stdout.by_ref().lines().map(Result::unwrap).find(|line| matches(line));
        line.unwrap_or_else(|| panic!("the output ended without a line with {pattern:?}"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _result = self.child.kill().and_then(|()| self.child.wait());
    }
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
