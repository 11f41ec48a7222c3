//! `tower-bearer dev-issuer` and `tower-bearer mint`, run as programs on loopback.

mod program;

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Stdio};

use program::{Run, program, run};
use serde_json::Value;
use tower_bearer::testing::TestIssuer;
use tower_bearer::transport::reqwest::{Client, Method, RequestBuilder, StatusCode};

const API: &str = "https://api.example.com";

/// A running `dev-issuer`, which is killed at the end of the test.
struct DevIssuer {
    process: Child,
    identifier: String,
    /// The lines that it has printed.
    banner: Vec<String>,
}

impl DevIssuer {
    fn start(more: &[&str]) -> Self {
        Self::start_at("127.0.0.1:0", more)
    }

    fn start_at(listen: &str, more: &[&str]) -> Self {
        let mut command = program(&[&["dev-issuer", "--listen", listen], more].concat());
        let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut banner = Vec::new();
        for line in lines {
            banner.push(line.unwrap());
            if banner.last().unwrap().starts_with("a token ") {
                break;
            }
        }
        let issuer = banner.iter().find_map(|line| line.strip_prefix("issuer ")).unwrap();
        Self { process, identifier: issuer.trim().to_owned(), banner }
    }

    fn mint(&self, more: &[&str]) -> String {
        let run = run(program(&[&["mint", "--issuer", &self.identifier], more].concat()), b"");
        assert_eq!((run.status, run.stderr.as_str()), (Some(0), ""));
        let token = run.stdout.strip_suffix('\n').unwrap();
        assert!(!token.contains(char::is_whitespace), "more than a token: {token}");
        token.to_owned()
    }

    fn explain(&self, more: &[&str], token: &str) -> Run {
        let arguments = [&["explain", "--issuer", &self.identifier, "--audience", API], more].concat();
        let mut command = program(&arguments);
        command.env("TOWER_BEARER_CLIENT_SECRET", TestIssuer::CLIENT_SECRET);
        run(command, token.as_bytes())
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let client = Client::builder().no_proxy().build().unwrap();
        client.request(method, format!("{}{path}", self.identifier))
    }
}

impl Drop for DevIssuer {
    fn drop(&mut self) {
        // It may have ended.
        let _result = self.process.kill();
        let _result = self.process.wait();
    }
}

/// Runs a `dev-issuer` that must not start. If it does start, it is killed, and its banner fails the test.
fn assert_refused(arguments: &[&str], message: &str) {
    let mut command = program(&[&["dev-issuer"], arguments].concat());
    let mut process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut banner = String::new();
    BufReader::new(process.stdout.take().unwrap()).read_line(&mut banner).unwrap();
    if !banner.is_empty() {
        process.kill().unwrap();
    }
    let output = process.wait_with_output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), banner.as_str()), (Some(2), ""), "{arguments:?}");
    assert!(stderr.contains(message), "{arguments:?}: {stderr}");
}

/// The path of a file in the folder of this test run, which does not exist.
fn new_file(name: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    // It exists if the tests have run before.
    let _result = fs::remove_file(&path);
    path
}

#[test]
fn it_refuses_every_address_but_loopback() {
    // The last two are other notations of 0.0.0.0 and 10.0.0.1.
    for listen in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0", "[::ffff:10.0.0.1]:0", "0:0", "0x0a000001:0"] {
        assert_refused(&["--listen", listen], "refusing to listen");
    }
    for malformed in ["", "9000", "127.0.0.1", "127.0.0.1:http"] {
        assert_refused(&["--listen", malformed], "cannot listen");
    }
}

#[test]
fn a_port_in_use_is_a_failure() {
    let issuer = DevIssuer::start(&[]);
    let address = issuer.identifier.strip_prefix("http://").unwrap();
    assert_refused(&["--listen", address], address);
}

#[tokio::test]
async fn web_pages_get_no_token() {
    let issuer = DevIssuer::start(&[]);
    let mint = || issuer.request(Method::POST, "/dev/mint").body("{}");
    let json = || mint().header("content-type", "application/json");
    let status = async |request: RequestBuilder| request.send().await.unwrap().status();
    assert_eq!(status(json().header("origin", "https://evil.example")).await, StatusCode::FORBIDDEN);
    assert_eq!(status(json().header("host", "evil.example")).await, StatusCode::MISDIRECTED_REQUEST);
    assert_eq!(status(mint()).await, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert_eq!(status(mint().header("content-type", "text/plain")).await, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert_eq!(status(issuer.request(Method::GET, "/dev/mint")).await, StatusCode::METHOD_NOT_ALLOWED);
    let jwks = issuer.request(Method::GET, "/jwks").header("host", "evil.example");
    assert_eq!(status(jwks).await, StatusCode::MISDIRECTED_REQUEST);
    assert_eq!(status(json()).await, StatusCode::OK);
}

#[tokio::test]
async fn malformed_requests_for_a_token_are_rejected() {
    let issuer = DevIssuer::start(&[]);
    let mint = || issuer.request(Method::POST, "/dev/mint").header("content-type", "application/json");
    for body in ["", "7", "{", r#"{"subjet":"alice"}"#, r#"{"expired":"no"}"#, r#"{"lifetime_secs":-1}"#] {
        let response = mint().body(body).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{body}");
    }
    let response = mint().body(vec![b' '; 70_000]).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
}

#[test]
fn mint_without_an_issuer_prints_no_token() {
    let down = {
        let issuer = DevIssuer::start(&[]);
        issuer.identifier.clone()
    };
    for (issuer, message) in [
        (down.as_str(), "tower-bearer dev-issuer"),
        ("http://login.example.com", "is no development issuer"),
        ("https://127.0.0.1:9000", "is no development issuer"),
    ] {
        let run = run(program(&["mint", "--issuer", issuer]), b"");
        assert_eq!((run.status, run.stdout.as_str()), (Some(2), ""), "{issuer}");
        assert!(run.stderr.contains(message), "{}", run.stderr);
    }
    let issuer = TestIssuer::CLIENT_ID;
    for malformed in [&["--lifetime", "10"][..], &["--claim", "roles"], &["--keys", "keys.pem"], &[issuer]] {
        let run = run(program(&[&["mint"], malformed].concat()), b"");
        assert_eq!((run.status, run.stdout.as_str()), (Some(2), ""), "{malformed:?}");
    }
}

#[test]
fn the_banner_names_every_url_and_that_keys_change() {
    let issuer = DevIssuer::start(&["--audience", "https://orders.example.com"]);
    let banner = issuer.banner.join("\n");
    let identifier = &issuer.identifier;
    for text in [
        &format!("{identifier}/.well-known/openid-configuration"),
        &format!("{identifier}/jwks"),
        &format!("{identifier}/token"),
        &format!("{identifier}/introspect"),
        &format!("{identifier}/revoke"),
        &format!("tower-bearer mint --issuer {identifier}"),
        "change when this server restarts",
        "BearerAuth::builder(\"https://orders.example.com\")",
    ] {
        assert!(banner.contains(text), "no {text} in {banner}");
    }
}

#[test]
fn expired_tokens_and_tokens_for_another_audience_are_rejected() {
    let issuer = DevIssuer::start(&[]);
    let expired = issuer.explain(&["--json"], &issuer.mint(&["--expired"]));
    assert_eq!(expired.status, Some(1), "{}", expired.stdout);
    let expired: Value = serde_json::from_str(&expired.stdout).unwrap();
    assert_eq!(expired["rejection"], "token_expired");
    let other = issuer.explain(&[], &issuer.mint(&["--audience", "https://other.example"]));
    assert!(other.stdout.starts_with("rejected: audience_mismatch"), "{}", other.stdout);
}

#[test]
fn minted_tokens_have_the_claims_that_were_asked_for() {
    let issuer = DevIssuer::start(&[]);
    let flags = ["--sub", "alice", "--scope", "orders:read profile", "--lifetime", "10m", "--client", "shop"];
    let token = issuer.mint(&[&flags[..], &["--claim", "roles=[\"admin\"]", "--claim", "org=7"]].concat());
    let run = issuer.explain(&["--scope", "orders:read profile"], &token);
    assert_eq!(run.status, Some(0), "{}", run.stdout);

    let claims = token.split('.').nth(1).unwrap();
    let claims = base64::Engine::decode(&base64::prelude::BASE64_URL_SAFE_NO_PAD, claims).unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    assert_eq!(claims["sub"], "alice");
    assert_eq!(claims["client_id"], "shop");
    assert_eq!(claims["scope"], "orders:read profile");
    assert_eq!(claims["roles"], serde_json::json!(["admin"]));
    assert_eq!(claims["org"], 7);
    assert_eq!(claims["aud"], API);
    assert_eq!(claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(), 600);
}

#[tokio::test(flavor = "multi_thread")]
async fn revoked_tokens_are_rejected_after_introspection() {
    let issuer = DevIssuer::start(&[]);
    let flags = ["--introspection-client", TestIssuer::CLIENT_ID, "--introspect-jwts"];
    for kind in [&["--opaque"][..], &[]] {
        let token = issuer.mint(kind);
        let before = issuer.explain(&flags, &token);
        assert_eq!(before.status, Some(0), "{}", before.stdout);
        let revoke = issuer.request(Method::POST, "/revoke").body(format!("token={token}"));
        let revoke = revoke.header("content-type", "application/x-www-form-urlencoded");
        let client = (TestIssuer::CLIENT_ID, Some(TestIssuer::CLIENT_SECRET));
        let response = revoke.basic_auth(client.0, client.1).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        let after = issuer.explain(&flags, &token);
        assert!(after.stdout.starts_with("rejected: token_inactive"), "{}", after.stdout);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_get_tokens_from_the_token_endpoint() {
    let issuer = DevIssuer::start(&[]);
    let form = format!("grant_type=client_credentials&audience={API}");
    let request = issuer.request(Method::POST, "/token").body(form);
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    let request = request.basic_auth(TestIssuer::CLIENT_ID, Some(TestIssuer::CLIENT_SECRET));
    let response: Value = serde_json::from_str(&request.send().await.unwrap().text().await.unwrap()).unwrap();
    let token = response["access_token"].as_str().unwrap();
    assert_eq!(issuer.explain(&[], token).status, Some(0));
}

#[test]
fn without_a_file_tokens_from_before_a_restart_are_rejected() {
    let before = DevIssuer::start(&[]);
    let token = before.mint(&[]);
    let address = before.identifier.strip_prefix("http://").unwrap().to_owned();
    drop(before);
    let after = DevIssuer::start_at(&address, &[]);
    assert_eq!(after.explain(&[], &after.mint(&[])).status, Some(0));
    let run = after.explain(&[], &token);
    assert!(run.stdout.starts_with("rejected: key_unknown"), "{}", run.stdout);
}

#[test]
fn a_key_file_keeps_tokens_valid_across_restarts() {
    let path = new_file("kept-keys.pem");
    let keys = ["--keys", path.to_str().unwrap()];
    let before = DevIssuer::start(&keys);
    assert!(before.banner.join("\n").contains(&format!("kept in {}", path.display())));
    let token = before.mint(&[]);
    let address = before.identifier.strip_prefix("http://").unwrap().to_owned();
    drop(before);
    let after = DevIssuer::start_at(&address, &keys);
    assert_eq!(after.explain(&[], &token).status, Some(0));

    let offline = after.mint(&[&keys[..], &["--audience", API]].concat());
    assert_eq!(after.explain(&[], &offline).status, Some(0));
}

#[cfg(unix)]
#[test]
fn only_its_owner_may_read_a_key_file() {
    use std::os::unix::fs::PermissionsExt;

    let path = new_file("private-keys.pem");
    let keys = ["--keys", path.to_str().unwrap()];
    drop(DevIssuer::start(&keys));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    assert_refused(&[&["--listen", "127.0.0.1:0"], &keys[..]].concat(), "chmod 600");
    let mint = run(program(&[&["mint", "--audience", API], &keys[..]].concat()), b"");
    assert_eq!((mint.status, mint.stdout.as_str()), (Some(2), ""));
    assert!(mint.stderr.contains("chmod 600"), "{}", mint.stderr);
}

#[test]
fn an_unusable_key_file_is_not_replaced() {
    let path = new_file("broken-keys.pem");
    fs::write(&path, "hunter2").unwrap();
    #[cfg(unix)]
    fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    assert_refused(&["--listen", "127.0.0.1:0", "--keys", path.to_str().unwrap()], "no private key found");
    assert_eq!(fs::read_to_string(&path).unwrap(), "hunter2");
}
