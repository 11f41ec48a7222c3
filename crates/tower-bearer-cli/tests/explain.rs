//! `tower-bearer explain`, run as a program against a test issuer on loopback.

mod program;

use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;

use program::{Run, program, run};
use serde_json::Value;
use tower_bearer::testing::TestIssuer;

const API: &str = "https://api.example.com";

/// Explains `token` with the flags for this issuer and `more` flags.
fn explain(issuer: &TestIssuer, more: &[&str], token: &str) -> Run {
    let arguments = [&["explain", "--issuer", issuer.identifier(), "--audience", API], more].concat();
    let run = run(program(&arguments), token.as_bytes());
    assert_silent_about(token, &run);
    run
}

/// Fails the test if the output has any part of `token`.
fn assert_silent_about(token: &str, run: &Run) {
    for part in token.split('.').filter(|part| !part.is_empty()) {
        assert!(!run.stdout.contains(part), "standard output has the token: {}", run.stdout);
        assert!(!run.stderr.contains(part), "standard error has the token: {}", run.stderr);
    }
}

/// A file in the folder of this test run.
fn file(name: &str, text: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, text).unwrap();
    path
}

#[test]
fn a_token_among_the_arguments_is_refused_and_not_printed() {
    let token = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJl";
    let flags = ["explain", "--issuer", "http://127.0.0.1:1", "--audience", API];
    let with_value = format!("--token={token}");
    for misplaced in [&[token][..], &["--token", token], &[&with_value], &["--json", "--", token]] {
        let run = run(program(&[&flags[..], misplaced].concat()), b"");
        assert_eq!((run.status, run.stdout.as_str()), (Some(2), ""), "{misplaced:?}");
        assert_silent_about(token, &run);
    }
    for misplaced in [&[&flags[..], &[token]].concat()[..], &["explain", token], &[token]] {
        let run = run(program(misplaced), b"");
        assert_eq!((run.status, run.stdout.as_str()), (Some(2), ""), "{misplaced:?}");
        assert_silent_about(token, &run);
        assert!(run.stderr.contains("standard input"), "{misplaced:?}: {}", run.stderr);
    }
}

#[test]
fn no_token_or_no_issuer_is_wrong_usage() {
    let flags = ["explain", "--issuer", "http://127.0.0.1:1", "--audience", API];
    for nothing in ["", " \n"] {
        let run = run(program(&flags), nothing.as_bytes());
        assert_eq!((run.status, run.stdout.as_str()), (Some(2), ""));
        assert!(run.stderr.contains("no token on standard input"), "{}", run.stderr);
    }
    let run = run(program(&["explain", "--audience", API]), b"token");
    assert_eq!(run.status, Some(2));
    assert!(run.stderr.contains("--issuer"), "{}", run.stderr);
}

#[test]
fn every_problem_of_the_flags_is_reported_before_the_token_is_read() {
    let run = run(program(&["explain", "--issuer", "http://login.example.com", "--audience", ""]), b"");
    assert_eq!(run.status, Some(2));
    assert!(run.stderr.contains("http://login.example.com"), "{}", run.stderr);
    assert!(run.stderr.matches("\n  - ").count() >= 2, "{}", run.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_tokens_are_rejected_with_the_remedy() {
    let issuer = TestIssuer::start().await.unwrap();
    let token = issuer.token(API).sign();
    let prefixed = explain(&issuer, &[], &format!("Bearer {token}"));
    assert_eq!(prefixed.status, Some(1), "{}", prefixed.stderr);
    assert!(prefixed.stdout.contains("hint: remove the `Bearer ` prefix"), "{}", prefixed.stdout);
    for malformed in ["opaque-token-value", "!!!!.????.####", &format!("{token}.more")] {
        let run = explain(&issuer, &[], malformed);
        assert_eq!(run.status, Some(1), "{malformed}: {}", run.stdout);
        assert!(run.stdout.starts_with("rejected: "), "{}", run.stdout);
    }
    let run = run(program(&["explain", "--issuer", issuer.identifier(), "--audience", API]), b"\xff\xfe");
    assert_eq!(run.status, Some(1), "{}", run.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_check_that_fails_has_a_cross_and_what_was_expected() {
    let issuer = TestIssuer::start().await.unwrap();
    let run = explain(&issuer, &[], &issuer.token("https://other.example").expired().sign());
    assert_eq!(run.status, Some(1), "{}", run.stderr);
    assert!(run.stdout.contains("✗ aud "), "{}", run.stdout);
    assert!(run.stdout.contains("presented: https://other.example\n"), "{}", run.stdout);
    assert!(run.stdout.contains(&format!("expected:  {API}\n")), "{}", run.stdout);
    assert!(run.stdout.contains("✗ exp "), "{}", run.stdout);
    assert!(run.stdout.contains("✓ signature"), "{}", run.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_valid_token_is_accepted_and_white_space_around_it_is_ignored() {
    let issuer = TestIssuer::start().await.unwrap();
    let token = issuer.token(API).sign();
    let run = explain(&issuer, &[], &format!(" {token}\n"));
    assert_eq!((run.status, run.stderr.as_str()), (Some(0), ""), "{}", run.stdout);
    assert!(run.stdout.starts_with("accepted\n"), "{}", run.stdout);
    assert!(!run.stdout.contains('✗') && !run.stdout.contains("not run"), "{}", run.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn scopes_of_the_route_are_checked() {
    let issuer = TestIssuer::start().await.unwrap();
    let token = issuer.token(API).scope("orders:read profile").sign();
    let accepted = explain(&issuer, &["--scope", "orders:read profile"], &token);
    assert_eq!(accepted.status, Some(0), "{}", accepted.stdout);
    let rejected = explain(&issuer, &["--scope", "profile", "--scope", "orders:write"], &token);
    assert_eq!(rejected.status, Some(1), "{}", rejected.stdout);
    assert!(rejected.stdout.starts_with("rejected: scope_insufficient"), "{}", rejected.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_undecided_while_the_keys_are_unavailable() {
    let issuer = TestIssuer::start().await.unwrap();
    // A port on which nothing listens any more.
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let closed = format!("http://{free}/jwks");
    let token = issuer.token(API).sign();
    let run = explain(&issuer, &["--jwks-url", &closed], &token);
    assert_eq!(run.status, Some(2), "{}", run.stdout);
    assert!(run.stdout.starts_with("undecided: keys_unavailable"), "{}", run.stdout);
    let json = explain(&issuer, &["--jwks-url", &closed, "--json"], &token);
    assert_eq!(json.status, Some(2));
    let json: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!((&json["accepted"], &json["rejection"]), (&false.into(), &"keys_unavailable".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn json_has_the_verdict_and_one_member_per_check() {
    let issuer = TestIssuer::start().await.unwrap();
    let token = issuer.token("https://other.example").sign();
    let run = explain(&issuer, &["--json", "--color", "always"], &token);
    assert_eq!(run.status, Some(1), "{}", run.stderr);
    let json: Value = serde_json::from_str(&run.stdout).unwrap();
    let members: Vec<&str> = json.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(members, ["accepted", "description", "findings", "hint", "rejection"]);
    assert_eq!(json["rejection"], "audience_mismatch");
    let findings = json["findings"].as_array().unwrap();
    let aud = findings.iter().find(|finding| finding["check"] == "aud").unwrap();
    let expected = serde_json::json!({
        "check": "aud", "result": "failed", "rejection": "audience_mismatch",
        "presented": "https://other.example", "expected": API,
    });
    assert_eq!(*aud, expected);
    let results = findings.iter().filter(|finding| finding["result"] == "passed").count();
    assert_eq!(results, findings.len() - 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn colors_are_for_terminals_unless_they_are_requested() {
    let issuer = TestIssuer::start().await.unwrap();
    let token = issuer.token(API).sign();
    for (color, is_colored) in [("auto", false), ("never", false), ("always", true)] {
        let run = explain(&issuer, &["--color", color], &token);
        assert_eq!(run.stdout.contains("\x1b["), is_colored, "{color}: {}", run.stdout);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn opaque_tokens_are_introspected_with_the_secret_of_the_environment() {
    let issuer = TestIssuer::start().await.unwrap();
    let token = issuer.token(API).opaque();
    let flags = ["--introspection-client", TestIssuer::CLIENT_ID];
    let without_secret = explain(&issuer, &flags, &token);
    assert_eq!(without_secret.status, Some(2));
    assert!(without_secret.stderr.contains("TOWER_BEARER_CLIENT_SECRET is not set"));

    let arguments = [&["explain", "--issuer", issuer.identifier(), "--audience", API], &flags[..]].concat();
    let explain_with = |secret: &str| {
        let mut command = program(&arguments);
        command.env("TOWER_BEARER_CLIENT_SECRET", secret);
        let run = run(command, token.as_bytes());
        assert_silent_about(&token, &run);
        assert!(!run.stdout.contains(secret) && !run.stderr.contains(secret));
        run
    };
    assert_eq!(explain_with("not-the-secret").status, Some(2));
    assert_eq!(explain_with(TestIssuer::CLIENT_SECRET).status, Some(0));
    issuer.revoke(&token);
    assert_eq!(explain_with(TestIssuer::CLIENT_SECRET).status, Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_table_auth_of_a_file_replaces_the_flags() {
    let issuer = TestIssuer::start().await.unwrap();
    let config = file(
        "explain.toml",
        &format!(
            "listen = \"127.0.0.1:8080\"\n[auth]\naudience = \"{API}\"\n[[auth.issuers]]\nissuer = \"{}\"\n",
            issuer.identifier()
        ),
    );
    let config = config.to_str().unwrap();
    let explain = |token: &str| run(program(&["explain", "--config", config]), token.as_bytes());
    assert_eq!(explain(&issuer.token(API).sign()).status, Some(0));
    assert_eq!(explain(&issuer.token("other").sign()).status, Some(1));
}

#[test]
fn an_unusable_file_is_reported_without_its_text() {
    let missing = run(program(&["explain", "--config", "/nonexistent/tower-bearer.toml"]), b"token");
    assert_eq!(missing.status, Some(2));
    assert!(missing.stderr.contains("cannot read /nonexistent/tower-bearer.toml"), "{}", missing.stderr);
    let config = file("secret.toml", "[auth]\naudience = [\"a\"]\nissuers = []\nclient = \"hunter2\"\n");
    let unknown = run(program(&["explain", "--config", config.to_str().unwrap()]), b"token");
    assert_eq!(unknown.status, Some(2));
    assert!(unknown.stderr.contains("secret.toml"), "{}", unknown.stderr);
    assert!(!unknown.stderr.contains("hunter2"), "{}", unknown.stderr);
}
