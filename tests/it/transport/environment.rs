//! Proxies and root certificates that the environment sets.
//!
//! Each test runs itself a second time, in a process of its own with other variables.

use std::process::Command;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tower_bearer::RejectionKind::TokenInactive;
use tower_bearer::builder::ConfigProblem;
use tower_bearer::testing::TestIssuer;
use tower_bearer::transport::ReqwestClient;
use tower_bearer::{BearerAuth, Issuer};

use crate::support::figure::figure;
use crate::support::introspected::introspection;
use crate::support::protected::{ACCEPTED, API, ISSUER, Protected, verdict};

/// Set in the second process, to anything.
const IS_CHILD: &str = "TOWER_BEARER_TEST_CHILD";

fn is_child() -> bool {
    std::env::var_os(IS_CHILD).is_some()
}

/// Runs the test `name` of this module in another process, and returns whether it passed, with its output.
async fn run_child(name: &str, variables: &[(&str, &str)]) -> (bool, String) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "--nocapture"]).arg(format!("transport::environment::{name}"));
    for proxy in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"] {
        command.env_remove(proxy).env_remove(proxy.to_lowercase());
    }
    command.envs(variables.iter().copied()).env(IS_CHILD, "1");
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let text =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    for (_, figure) in text.lines().filter_map(|line| line.split_once("figure ")) {
        println!("figure {figure}");
    }
    assert!(text.contains("1 passed") || !output.status.success(), "no test has this name: {text}");
    (output.status.success(), text)
}

/// A proxy that calls every token active, and the first line of each request that it received.
async fn lying_proxy() -> (String, Arc<Mutex<Vec<String>>>) {
    const FORGED: &str =
        r#"{"active":true,"aud":"https://api.example.com","exp":9999999999,"sub":"mallory"}"#;
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = vec![0; 16 * 1024];
            let length = stream.read(&mut request).await.unwrap_or_default();
            let text = String::from_utf8_lossy(&request[..length]).into_owned();
            log.lock().unwrap().push(text.lines().next().unwrap_or_default().to_owned());
            let head =
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length:";
            let response = format!("{head} {}\r\n\r\n{FORGED}", FORGED.len());
            let _closed_early = stream.write_all(response.as_bytes()).await;
        }
    });
    (url, seen)
}

/// Runs the test `name` with every proxy variable set, and returns what the proxy received.
async fn run_behind_proxy(name: &str) -> Vec<String> {
    let (proxy, seen) = lying_proxy().await;
    let variables =
        ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"].map(|name| (name, proxy.as_str()));
    let (passed, text) = run_child(name, &variables).await;
    let seen = seen.lock().unwrap().clone();
    assert!(passed, "the proxy received {seen:?}\n{text}");
    seen
}

/// The proxy would read the client secret and the token, and its forged `active` would be believed.
#[tokio::test]
async fn requests_to_loopback_never_go_through_a_proxy() {
    if !is_child() {
        let seen = run_behind_proxy("requests_to_loopback_never_go_through_a_proxy").await;
        figure("3.1", "requests to loopback that the proxy of the environment received", seen.len(), 0);
        return assert_eq!(seen, [""; 0]);
    }
    let idp = TestIssuer::start().await.unwrap();
    let by_name = idp.introspection_url().replace("127.0.0.1", "LocalHost");
    assert!(by_name.contains("LocalHost"));
    let wrapped = ReqwestClient::from(reqwest::Client::new());
    let built = ReqwestClient::build(|client| client.timeout(super::SECOND)).unwrap();
    for (name, introspection) in [
        ("host name", introspection().endpoint(by_name)),
        ("default client", introspection()),
        ("wrapped client", introspection().http_client(wrapped)),
        ("built client", introspection().http_client(built)),
    ] {
        let issuer = idp.issuer().introspect(introspection);
        let auth = BearerAuth::builder(API).issuer(issuer).clock(idp.clock()).build().unwrap();
        let api = Protected::by(&auth);
        let outcome = api.outcome("forged").await;
        let quantity = format!("token that the proxy calls active, {name}");
        figure("3.1", quantity, verdict(outcome), "rejected with token_inactive");
        assert_eq!(outcome, Err(TokenInactive));
        assert_eq!(api.outcome(idp.token(API).opaque()).await, ACCEPTED);
        assert_eq!(api.outcome(idp.token(API).sign()).await, ACCEPTED);
    }
}

/// Shows that the proxy of these tests works.
#[tokio::test]
async fn requests_to_other_hosts_go_through_the_proxy_of_the_environment() {
    if is_child() {
        let issuer = Issuer::discover("http://login.example.com").dangerous_allow_http();
        let auth = BearerAuth::builder(API).issuer(issuer).build().unwrap();
        return assert!(auth.ready().await.is_err());
    }
    let seen = run_behind_proxy("requests_to_other_hosts_go_through_the_proxy_of_the_environment").await;
    let well_known = "GET http://login.example.com/.well-known/oauth-authorization-server HTTP/1.1";
    assert!(seen.iter().any(|line| line == well_known), "{seen:?}");
}

/// As in a container image without the package ca-certificates.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn without_root_certificates_the_error_names_the_cause_and_the_remedy() {
    if !is_child() {
        let none = [("SSL_CERT_FILE", "/nonexistent"), ("SSL_CERT_DIR", "/nonexistent")];
        let name = "without_root_certificates_the_error_names_the_cause_and_the_remedy";
        let (passed, text) = run_child(name, &none).await;
        return assert!(passed, "{text}");
    }
    let error = BearerAuth::builder(API).issuer(Issuer::discover(ISSUER)).build().unwrap_err();
    let shown = error.to_string().replace('\n', " ");
    figure("3.3", "error without root certificates", shown, "names ca-certificates and SSL_CERT_FILE");
    assert!(matches!(error.problems(), [ConfigProblem::HttpClientUnusable { .. }]), "{error}");
    for part in ["No CA certificates were loaded from the system", "ca-certificates", "SSL_CERT_FILE"] {
        assert!(error.to_string().contains(part), "{part} is not in: {error}");
    }
    // Plain http needs none.
    let idp = TestIssuer::start().await.unwrap();
    let client = reqwest::Client::builder().tls_certs_only([]).build().unwrap();
    let builder = BearerAuth::builder(API).issuer(idp.issuer()).clock(idp.clock());
    let auth = builder.http_client(ReqwestClient::from(client)).build().unwrap();
    assert_eq!(Protected::by(&auth).outcome(idp.token(API).sign()).await, ACCEPTED);
}
