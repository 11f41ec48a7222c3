//! Runs `tower-bearer forward-auth` and `check` as a proxy and an operator see them.

#![cfg(unix)]

mod admin_hosts;
mod attacks;
mod proxies;
mod reload;
mod support;

use support::{ForwardAuth, check, send};
use tower_bearer::testing::{Fault, TestIssuer};

const API: &str = "https://api.example.com";

/// A configuration for nginx with these settings and rules in addition.
fn config(issuer: &TestIssuer, settings: &str, rules: &str) -> String {
    format!(
        r#"
        listen = "127.0.0.1:0"
        admin_listen = "127.0.0.1:0"
        trusted_proxies = ["127.0.0.1"]
        mode = "original"
        {settings}

        [auth]
        audience = "{API}"
        [[auth.issuers]]
        issuer = "{}"

        {rules}

        [response_headers]
        x-user = "sub"
        x-tenant = "/org/id"
        "#,
        issuer.identifier()
    )
}

const RULES: &str = r#"
    [[rules]]
    path = "/public/**"
    access = "public"

    [[rules]]
    path = "/orders/**"
    methods = ["POST"]
    scopes = ["orders:write"]

    [[rules]]
    path = "/orders/**"

    [[rules]]
    path = "/internal/**"
    access = "deny"

    [[rules]]
    path = "/admin"
    roles = ["admin", "owner"]
"#;

async fn start() -> (TestIssuer, ForwardAuth) {
    let issuer = TestIssuer::start().await.unwrap();
    let program = ForwardAuth::start(&config(&issuer, "", RULES));
    (issuer, program)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_without_a_valid_token_gets_401_with_a_challenge() {
    let (issuer, program) = start().await;
    let expired = issuer.token(API).expired().sign();
    let foreign = issuer.token("https://other.example.com").sign();
    for token in [None, Some("x"), Some(expired.as_str()), Some(foreign.as_str())] {
        let reply = program.authorize("GET", "/orders", token);
        assert_eq!(reply.status, 401, "{token:?}");
        assert!(reply.header("www-authenticate").unwrap().starts_with("Bearer "), "{token:?}");
        assert_eq!(reply.header("x-user"), None, "{token:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_without_the_scope_or_role_gets_403_with_a_challenge() {
    let (issuer, program) = start().await;
    let token = issuer.token(API).sign();
    let reply = program.authorize("POST", "/orders", Some(&token));
    assert_eq!(reply.status, 403);
    assert!(reply.header("www-authenticate").unwrap().contains(r#"scope="orders:write""#));
    assert_eq!(program.authorize("GET", "/admin", Some(&token)).status, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_without_a_rule_and_denied_ones_get_403_whatever_their_token() {
    let (issuer, program) = start().await;
    let token = issuer.token(API).scope("orders:write").sign();
    for target in ["/", "/other", "/internal", "/internal/x", "/Orders", "/public/../other", "/ready"] {
        let status = program.authorize("GET", target, Some(&token)).status;
        assert_eq!(status, if target.contains("..") { 400 } else { 403 }, "{target}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_that_could_bypass_a_rule_gets_400() {
    let (_, program) = start().await;
    let targets = [
        "/public/%2e%2e/orders",
        "/public/..%2forders",
        "/public//orders",
        "//orders",
        "/public/..;/orders",
        "/public/%5c../orders",
        "/public/%252e%252e/orders",
        "/public/x%00",
        "http://authorizer/public/x",
    ];
    for target in targets {
        assert_eq!(program.authorize("GET", target, None).status, 400, "{target}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_the_proxy_does_not_describe_is_never_allowed() {
    let (_, program) = start().await;
    let method = "X-Original-Method: GET\r\n";
    let uri = "X-Original-URI: /public/x\r\n";
    let cases = [
        (String::new(), 500),
        (method.to_owned(), 500),
        (uri.to_owned(), 500),
        ("X-Forwarded-Method: GET\r\nX-Forwarded-Uri: /public/x\r\n".to_owned(), 500),
        (format!("{method}{method}{uri}"), 400),
        (format!("{method}{uri}{uri}"), 400),
        (format!("{method}{uri}X-Original-URL: http://a/public/x\r\n"), 400),
        (format!("{method}X-Original-URI: \r\n"), 400),
        (format!("X-Original-Method: \r\n{uri}"), 400),
        (format!("{method}{uri}"), 200),
    ];
    for (lines, status) in cases {
        assert_eq!(program.send(&lines).status, status, "{lines:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_trusted_proxy_is_answered() {
    let issuer = TestIssuer::start().await.unwrap();
    let config = config(&issuer, "", RULES).replace(r#"["127.0.0.1"]"#, r#"["10.0.0.0/8", "::1"]"#);
    let mut program = ForwardAuth::start(&config);
    let token = issuer.token(API).sign();
    for target in ["/public/x", "/orders"] {
        assert_eq!(program.authorize("GET", target, Some(&token)).status, 403, "{target}");
    }
    program.wait_for_log("the peer is not in trusted_proxies");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_response_to_a_grpc_call_is_never_a_yes() {
    let (_, program) = start().await;
    for content_type in ["application/grpc", "application/grpc+proto", "application/grpc-web"] {
        let request = format!(
            "POST /of-proxy HTTP/1.1\r\nX-Original-Method: POST\r\nX-Original-URI: /orders\r\n\
             Content-Type: {content_type}\r\nTE: trailers\r\nContent-Length: 0\r\n"
        );
        assert_eq!(send(program.address, &request).status, 401, "{content_type}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_claim_header_is_in_the_response_to_an_allowed_request() {
    let (issuer, program) = start().await;
    let token = issuer.token(API).subject("alice").claim("roles", ["owner"].as_slice()).sign();
    let reply = program.authorize("GET", "/orders/1?x=/../y", Some(&token));
    assert_eq!(
        (reply.status, reply.header("x-user"), reply.header("x-tenant")),
        (200, Some("alice"), Some(""))
    );
    let reply = program.authorize("DELETE", "/public/x", Some(&token));
    assert_eq!((reply.status, reply.header("x-user"), reply.header("x-tenant")), (200, Some(""), Some("")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_with_a_line_break_gets_403() {
    let (issuer, mut program) = start().await;
    let token = issuer.token(API).subject("alice\r\nx-admin: yes").sign();
    let reply = program.authorize("GET", "/orders", Some(&token));
    assert_eq!((reply.status, reply.header("x-admin")), (403, None));
    program.wait_for_log("the claim for x-user cannot be sent in a header");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_of_the_authorization_server_gets_503() {
    let issuer = TestIssuer::start().await.unwrap();
    issuer.set_outage(Some(Fault::Status(500)));
    let program = ForwardAuth::start(&config(&issuer, "", RULES));
    let token = issuer.token(API).sign();
    assert_eq!(program.authorize("GET", "/orders", Some(&token)).status, 503);
    assert_eq!(program.probe().status, 503);
    assert_eq!(program.authorize("GET", "/public/x", None).status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn nginx_status_turns_every_other_rejection_into_403_and_names_its_status() {
    let issuer = TestIssuer::start().await.unwrap();
    issuer.set_outage(Some(Fault::Status(500)));
    let program = ForwardAuth::start(&config(&issuer, "nginx_status = true", RULES));
    let token = issuer.token(API).sign();
    let cases = [
        (program.authorize("GET", "/orders", Some(&token)), 403, Some("503")),
        (program.authorize("GET", "/orders", None), 401, Some("401")),
        (program.authorize("GET", "//", None), 403, Some("400")),
        (program.authorize("GET", "/other", None), 403, Some("403")),
        (program.send(""), 403, Some("500")),
        (program.authorize("GET", "/public/x", None), 200, None),
    ];
    for (reply, status, auth_status) in &cases {
        assert_eq!((reply.status, reply.header("x-auth-status")), (*status, *auth_status));
    }
    assert!(cases[0].0.header("retry-after").is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn no_spelling_of_a_method_evades_the_rule_for_it() {
    let issuer = TestIssuer::start().await.unwrap();
    let rules = r#"
        [[rules]]
        path = "/a"
        methods = ["GET"]
        access = "deny"
        [[rules]]
        path = "/**"
    "#;
    let program = ForwardAuth::start(&config(&issuer, "", rules));
    let token = issuer.token(API).sign();
    let cases = [("GET", 403), ("HEAD", 403), ("get", 400), ("Get", 400), ("POST", 200)];
    for (method, status) in cases {
        assert_eq!(program.authorize(method, "/a", Some(&token)).status, status, "{method}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn probes_have_their_own_listener() {
    let (issuer, program) = start().await;
    assert_eq!(program.authorize("GET", "/orders", Some(&issuer.token(API).sign())).status, 200);
    assert_eq!(program.probe().status, 200);
    assert!(send(program.probes, "GET /status HTTP/1.1\r\n").body.contains(issuer.identifier()));
    let metrics = send(program.probes, "GET /metrics HTTP/1.1\r\n").body;
    assert!(
        metrics.contains(r#"tower_bearer_requests_total{outcome="accepted",kind="accepted""#),
        "{metrics}"
    );
    assert_eq!(send(program.address, "GET /ready HTTP/1.1\r\n").status, 500);
    assert_eq!(send(program.probes, "POST /metrics HTTP/1.1\r\n").status, 405);
    assert_eq!(send(program.probes, "POST /ready HTTP/1.1\r\n").status, 405);
    assert_eq!(send(program.probes, "GET /orders HTTP/1.1\r\n").status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_decision_is_counted_once_with_its_reason() {
    let (issuer, program) = start().await;
    let (token, bad) = (issuer.token(API).sign(), issuer.token(API).subject("a\nb").sign());
    program.authorize("GET", "/orders", Some(&token));
    program.authorize("GET", "/orders", Some(&token));
    program.authorize("GET", "/public/x", None);
    program.authorize("GET", "/orders", None);
    program.authorize("POST", "/orders", Some(&token));
    program.authorize("GET", "/orders", Some(&bad));
    program.authorize("GET", "/other", Some(&token));
    program.authorize("GET", "/internal/x", Some(&token));
    program.authorize("GET", "//", Some(&token));
    program.send("");
    let metrics = send(program.probes, "GET /metrics HTTP/1.1\r\n").body;
    let name = "tower_bearer_forward_auth_requests_total";
    let mut found: Vec<&str> = metrics.lines().filter_map(|line| line.strip_prefix(name)).collect();
    found.sort_unstable();
    assert_eq!(
        found,
        [
            r#"{decision="allowed",reason="public"} 1"#,
            r#"{decision="allowed",reason="token"} 2"#,
            r#"{decision="rejected",reason="claim_unusable"} 1"#,
            r#"{decision="rejected",reason="missing"} 1"#,
            r#"{decision="rejected",reason="no_rule"} 1"#,
            r#"{decision="rejected",reason="path_invalid"} 1"#,
            r#"{decision="rejected",reason="proxy_request_invalid"} 1"#,
            r#"{decision="rejected",reason="rule_denies"} 1"#,
            r#"{decision="rejected",reason="scope_insufficient"} 1"#,
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn challenges_name_the_resource_metadata_that_the_listener_for_probes_serves() {
    let issuer = TestIssuer::start().await.unwrap();
    let rules = format!("{RULES}\n[auth.resource_metadata]\nresource = \"{API}\"");
    let program = ForwardAuth::start(&config(&issuer, "", &rules));
    let challenge = program.authorize("GET", "/orders", None);
    let url = format!("resource_metadata=\"{API}/.well-known/oauth-protected-resource\"");
    assert!(challenge.header("www-authenticate").unwrap().contains(&url));
    let metadata = send(program.probes, "GET /.well-known/oauth-protected-resource HTTP/1.1\r\n");
    assert_eq!(metadata.status, 200);
    assert!(metadata.body.contains(issuer.identifier()), "{}", metadata.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_token_is_in_the_log_and_sigterm_ends_the_program_with_status_0() {
    let (issuer, program) = start().await;
    let token = issuer.token(API).expired().sign();
    assert_eq!(program.authorize("GET", &format!("/orders?access_token={token}"), Some(&token)).status, 401);
    let (status, log) = program.stop();
    assert_eq!(status, Some(0));
    assert!(!log.contains(&token) && log.contains("token_expired"), "{log}");
}

#[test]
fn check_reports_every_problem_and_no_secret() {
    let output = check(
        r#"
        listen = "localhost"
        envoy_path_prefix = "check"
        [auth]
        audience = ""
        issuers = [
            { issuer = "no url", introspection = { client_id = "a", secret = "s3cret", secret_file = "x" } },
        ]
        [[rules]]
        path = "/**"
        access = "public"
        scopes = ["a b"]
        methods = ["get"]
        [[rules]]
        path = "/a/**"
        host = "a:80"
        [response_headers]
        connection = "sub"
        "#,
    );
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2));
    let settings = [
        "listen \"localhost\"",
        "envoy_path_prefix has no effect",
        "mode is not set",
        "trusted_proxies is empty",
        "auth: ",
        "rules[0].access",
        "rules[0].scopes",
        "rules[0].methods",
        "rules[1].host",
        "response_headers.connection",
    ];
    for setting in settings {
        assert!(errors.contains(setting), "{setting}: {errors}");
    }
    assert!(!errors.contains("s3cret"), "{errors}");
}

#[test]
fn an_unknown_setting_or_a_rule_after_a_rule_for_everything_is_invalid() {
    let issuer = TestIssuer::new();
    let cases = [
        ("trusted_proxy = []", RULES, "unknown field `trusted_proxy`"),
        ("", "[[rules]]\npath = \"/a\"\nscope = \"a\"", "unknown field `scope`"),
        ("", "[[rules]]\npath = \"/**\"\n[[rules]]\npath = \"/a\"", "rules[0] matches every request"),
        ("", "", "there is no rule"),
        ("max_connections = 0", RULES, "max_connections is 0"),
        ("admin_hosts = [\"a:80\"]", RULES, "admin_hosts has \"a:80\", which is no host name; hint: write"),
    ];
    for (settings, rules, problem) in cases {
        let output = check(&config(&issuer, settings, rules));
        assert_eq!(output.status.code(), Some(2), "{problem}");
        let errors = String::from_utf8(output.stderr).unwrap();
        assert!(errors.contains(problem), "{problem}: {errors}");
    }
    let any_peer = config(&issuer, "", RULES).replace(r#"["127.0.0.1"]"#, r#"["0.0.0.0/0"]"#);
    assert_eq!(check(&any_peer).status.code(), Some(2));
}

#[test]
fn check_prints_the_bounds_of_a_valid_file() {
    let issuer = TestIssuer::in_memory("https://login.example.com");
    let output = check(&config(&issuer, "", RULES));
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("is valid") && text.contains("a revoked token is accepted for at most"), "{text}");
}
