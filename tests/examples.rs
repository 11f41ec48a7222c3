//! The examples, run as processes: what they print, how they end, and what `from_env` answers over HTTP.

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

/// Every variable that `from_env` reads: none may leak in from the machine that runs the tests.
const VARIABLES: [&str; 13] = [
    "LISTEN",
    "ISSUER",
    "AUDIENCE",
    "JWKS_URL",
    "REQUIRED_SCOPE",
    "INTROSPECTION_URL",
    "CLIENT_ID",
    "CLIENT_SECRET",
    "LEEWAY_SECS",
    "JWKS_TTL_SECS",
    "JWKS_COOLDOWN_SECS",
    "FETCH_TIMEOUT_SECS",
    "INTROSPECTION_CACHE_SECS",
];

#[test]
fn each_example_answers_its_own_requests_as_it_must() {
    for (name, answers, shown) in [
        ("quickstart", 9, "calls to authorization servers in a minute"),
        ("hyper_service", 4, "scope=\"greet\""),
        ("many_issuers", 6, "The client of the access token is not allowed"),
    ] {
        let output = example(name).arg("--once").output().unwrap();
        let text = stdout(&output);
        assert!(output.status.success(), "{name}: {text}{}", stderr(&output));
        assert_eq!(text.lines().filter(|line| line.starts_with("ok ")).count(), answers, "{name}: {text}");
        assert!(text.contains(shown), "{name}: {text}");
    }
}

#[tokio::test]
async fn quickstart_prints_curl_lines_that_get_the_status_that_stands_above_them() {
    let mut server = Running::start(&mut example("quickstart"));
    let mut sent = 0;
    loop {
        let title = server.line_starting("# ");
        let curl = server.line_starting("curl -i ");
        let (_, status) = title.rsplit_once(' ').unwrap();
        let (_, url) = curl.rsplit_once(' ').unwrap();
        let token = curl.split_once("Bearer ").map(|(_, behind)| behind.split_once('\'').unwrap().0);
        assert_eq!(get(url, token).await.status().as_str(), status, "{title}");
        sent += 1;
        if url.ends_with("/health") {
            break;
        }
    }
    assert_eq!(sent, 9);
}

#[test]
fn from_env_lists_every_bad_variable_and_exits_with_2() {
    let good: [(&str, &str); 4] = [
        ("LISTEN", "127.0.0.1:0"),
        ("ISSUER", "https://login.example.com"),
        ("AUDIENCE", API),
        ("REQUIRED_SCOPE", "orders:read"),
    ];
    for (name, set, told) in [
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
        ("no number", &[("LEEWAY_SECS", "1.5")], &["LEEWAY_SECS is \"1.5\""]),
        ("negative", &[("JWKS_TTL_SECS", "-1")], &["JWKS_TTL_SECS is \"-1\""]),
        ("not used, but checked", &[("INTROSPECTION_CACHE_SECS", "x")], &["INTROSPECTION_CACHE_SECS is"]),
        ("leeway too long", &[("LEEWAY_SECS", "301")], &["leeway of 301s"]),
        ("zero", &[("FETCH_TIMEOUT_SECS", "0")], &["fetch_timeout is zero"]),
        (
            "all at once",
            &[("LISTEN", "x"), ("ISSUER", "http://a.example"), ("LEEWAY_SECS", "999")],
            &["LISTEN is", "http://a.example", "leeway of 999s"],
        ),
    ] {
        let base = if name == "nothing set" { &[][..] } else { &good[..] };
        let output = from_env(base).envs(set.iter().copied()).output().unwrap();
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{name}: {text}");
        assert!(stdout(&output).is_empty(), "{name}");
        for word in told {
            assert!(text.contains(word), "{name}: {word}: {text}");
        }
    }
}

#[test]
fn from_env_says_that_introspection_is_not_used_and_never_shows_the_secret() {
    let output = from_env(&[("INTROSPECTION_URL", "https://a.example"), ("CLIENT_SECRET", "hush")]).output();
    let text = stderr(&output.unwrap());
    assert!(text.contains("not used yet: INTROSPECTION_URL, CLIENT_SECRET"), "{text}");
    assert!(!text.contains("hush"), "{text}");
}

#[tokio::test]
async fn from_env_protects_its_routes_with_the_keys_that_it_discovers() {
    let idp = TestIssuer::start().await.unwrap();
    let mut server = Running::start(&mut serving(&idp));
    let origin = server.origin();
    let good = || idp.token(API).subject("alice").scope("orders:read");
    for (name, path, token, status, error) in [
        ("public, no token", "/public", None, 200, None),
        ("public, bad token", "/public", Some("x".to_owned()), 200, None),
        ("no token", "/protected", None, 401, Some("Bearer realm=\"https://api.example.com\"")),
        ("no token, scoped", "/scoped", None, 401, Some("Bearer realm=\"https://api.example.com\"")),
        ("good", "/protected", Some(good().sign()), 200, None),
        ("good, scoped", "/scoped", Some(good().sign()), 200, None),
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
    let claims = get(&format!("{origin}/protected"), Some(&good().sign())).await;
    assert_eq!(claims.headers()["content-type"], "application/json");
    let claims: Value = serde_json::from_slice(&claims.bytes().await.unwrap()).unwrap();
    assert_eq!((&claims["sub"], &claims["aud"]), (&"alice".into(), &API.into()));
}

#[tokio::test]
async fn from_env_asks_the_key_set_url_that_it_is_given_and_no_metadata() {
    let idp = TestIssuer::start().await.unwrap();
    let mut server = Running::start(serving(&idp).env("JWKS_URL", idp.jwks_url()));
    let response = get(&format!("{}/protected", server.origin()), Some(&idp.token(API).sign())).await;
    assert_eq!(response.status(), 200);
    assert_eq!(idp.requests(Endpoint::Metadata), 0);
}

#[tokio::test]
async fn from_env_follows_a_rotation_of_keys_without_a_restart() {
    let idp = TestIssuer::start().await.unwrap();
    let mut server = Running::start(&mut serving(&idp));
    let protected = format!("{}/protected", server.origin());
    assert_eq!(get(&protected, Some(&idp.token(API).sign())).await.status(), 200);
    idp.rotate_key();
    assert_eq!(get(&protected, Some(&idp.token(API).sign())).await.status(), 200);
}

#[tokio::test]
async fn from_env_starts_in_an_outage_and_recovers_by_itself() {
    let idp = TestIssuer::start().await.unwrap();
    idp.set_outage(Some(Fault::Status(500)));
    let mut server = Running::start(&mut serving(&idp));
    let origin = server.origin();
    let (protected, token) = (format!("{origin}/protected"), idp.token(API).sign());
    let refused = get(&protected, Some(&token)).await;
    assert_eq!(refused.status(), 503);
    assert!(refused.headers().contains_key("retry-after"));
    assert!(!refused.headers().contains_key("www-authenticate"));
    assert_eq!(get(&format!("{origin}/public"), None).await.status(), 200);

    idp.set_outage(None);
    let outage_ended = Instant::now();
    while get(&protected, Some(&token)).await.status() == 503 {
        assert!(outage_ended.elapsed() < Duration::from_secs(40), "the longest back-off is 30 s");
    }
    assert_eq!(get(&protected, Some(&token)).await.status(), 200);
}

#[cfg(unix)]
#[tokio::test]
async fn from_env_ends_with_0_when_it_is_interrupted() {
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

/// A process that is ended when this is dropped.
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

    /// Where `from_env` says that it listens; waits for it.
    fn origin(&mut self) -> String {
        let line = self.line_starting("listening on ");
        line.strip_prefix("listening on ").unwrap().to_owned()
    }

    /// The next line that starts like this; the test fails when the output ends before.
    fn line_starting(&mut self, start: &str) -> String {
        let line = self.stdout.by_ref().lines().map(Result::unwrap).find(|line| line.starts_with(start));
        line.unwrap_or_else(|| panic!("the output ended without a line {start:?}..."))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ended = self.child.kill().and_then(|()| self.child.wait());
    }
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
