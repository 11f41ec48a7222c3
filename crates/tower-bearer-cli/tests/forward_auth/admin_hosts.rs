//! The hosts by which `admin_listen` can be called.

use tower_bearer::testing::TestIssuer;

use super::support::{ForwardAuth, check, send_head};
use super::{API, RULES, config};

const OPERATOR_PATHS: [&str; 4] = ["/status", "/inspector", "/inspector/", "/inspector/?data"];

/// The response to a request to `admin_listen` with these header lines.
fn status(program: &ForwardAuth, path: &str, lines: &str) -> u16 {
    send_head(program.probes, &format!("GET {path} HTTP/1.1\r\n{lines}")).status
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_whose_name_resolves_to_the_listener_gets_421() {
    let issuer = TestIssuer::start().await.unwrap();
    let program = ForwardAuth::start(&config(&issuer, "admin_hosts = [\"ops.example.com\"]", RULES));
    for path in OPERATOR_PATHS {
        for lines in [
            "",
            "Host: \r\n",
            "Host: evil.example\r\n",
            "Host: evil.example:9091\r\n",
            "Host: ops.example.com.evil.example\r\n",
            "Host: 127.0.0.1.evil.example\r\n",
            "Host: localhost\r\nHost: localhost\r\n",
            "Host: localhost\r\nHost: evil.example\r\n",
            "Host: evil.example\r\nX-Forwarded-Host: localhost\r\n",
        ] {
            assert_eq!(status(&program, path, lines), 421, "{path} {lines:?}");
        }
        for host in ["127.0.0.1", "127.0.0.1:9091", "[::1]:9091", "localhost:9091", "Ops.example.com:9091"] {
            assert_eq!(status(&program, path, &format!("Host: {host}\r\n")), 200, "{path} {host}");
        }
    }
    let explain = "POST /inspector/?explain HTTP/1.1\r\nHost: evil.example\r\n\
                   Content-Type: application/json\r\nContent-Length: 0\r\n";
    let response = send_head(program.probes, explain);
    assert_eq!((response.status, response.header("cache-control")), (421, Some("no-store")));
    assert!(response.body.contains("admin_hosts"), "{}", response.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn probes_metrics_and_metadata_respond_under_every_name() {
    let issuer = TestIssuer::start().await.unwrap();
    let rules = format!("{RULES}\n[auth.resource_metadata]\nresource = \"{API}\"");
    let program = ForwardAuth::start(&config(&issuer, "", &rules));
    // The token needs the keys, so the issuer is ready afterwards.
    assert_eq!(program.authorize("GET", "/orders", Some(&issuer.token(API).sign())).status, 200);
    for path in ["/ready", "/metrics", "/.well-known/oauth-protected-resource"] {
        for lines in ["", "Host: authorizer.default.svc:9091\r\n"] {
            assert_eq!(status(&program, path, lines), 200, "{path} {lines:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_replaces_the_names() {
    let issuer = TestIssuer::start().await.unwrap();
    let named = |name: &str| config(&issuer, &format!("admin_hosts = [\"{name}\"]"), RULES);
    let mut program = ForwardAuth::start(&named("a.example.com"));
    let of = |program: &ForwardAuth, host: &str| status(program, "/status", &format!("Host: {host}\r\n"));
    assert_eq!((of(&program, "a.example.com"), of(&program, "b.example.com")), (200, 421));
    program.reload(&named("b.example.com"), "configuration reloaded");
    assert_eq!((of(&program, "a.example.com"), of(&program, "b.example.com")), (421, 200));
}

#[test]
fn names_without_a_listener_are_a_problem() {
    let issuer = TestIssuer::in_memory("https://login.example.com");
    let settings = "admin_hosts = [\"ops.example.com\"]";
    assert_eq!(check(&config(&issuer, settings, RULES)).status.code(), Some(0));
    let without = config(&issuer, settings, RULES).replace("admin_listen = \"127.0.0.1:0\"", "");
    let output = check(&without);
    assert_eq!(output.status.code(), Some(2));
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(errors.contains("admin_hosts has no effect unless admin_listen is set"), "{errors}");
}
