//! Replaces the configuration of a running program.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use tower_bearer::testing::{Endpoint, Fault, TestIssuer};

use super::support::{ForwardAuth, config_file, send};
use super::{API, RULES, config, start};

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_file_keeps_the_former_configuration() {
    let (issuer, mut program) = start().await;
    let token = issuer.token(API).sign();
    program.reload("listen = ", "the former one stays in use: line 1");
    program.reload(&config(&issuer, "", "[[rules]]\npath = \"/a/*b\""), "rules[0].path");
    assert_eq!(program.authorize("GET", "/orders", Some(&token)).status, 200);
    assert_eq!(program.authorize("GET", "/other", Some(&token)).status, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_keeps_keys_and_caches_unless_the_table_auth_changes() {
    let (issuer, mut program) = start().await;
    let token = issuer.token(API).sign();
    assert_eq!(program.authorize("GET", "/other", Some(&token)).status, 403);
    assert_eq!(program.authorize("GET", "/orders", Some(&token)).status, 200);
    issuer.set_outage(Some(Fault::Status(500)));

    let everything = config(&issuer, "", "[[rules]]\npath = \"/**\"");
    program.reload(&everything, "auth=\"unchanged\"");
    assert_eq!(program.authorize("GET", "/other", Some(&token)).status, 200);

    issuer.set_outage(None);
    let fetches = issuer.requests(Endpoint::Jwks);
    let audience = everything.replace(API, "https://new.example.com");
    program.reload(&audience, "auth=\"all\"");
    assert_eq!(program.authorize("GET", "/other", Some(&token)).status, 401);
    assert!(issuer.requests(Endpoint::Jwks) > fetches);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_issuer_leaves_the_keys_of_the_others_alone() {
    let (issuer, other) = (TestIssuer::start().await.unwrap(), TestIssuer::start().await.unwrap());
    let with = |issuers: &str| {
        let rules = format!("{RULES}\n[[auth.issuers]]\nissuer = \"{issuers}");
        config(&issuer, "", &rules)
    };
    let mut program = ForwardAuth::start(&with(&format!("{}\"", other.identifier())));
    let (token, of_other) = (issuer.token(API).sign(), other.token(API).sign());
    assert_eq!(program.authorize("GET", "/orders", Some(&token)).status, 200);
    assert_eq!(program.authorize("GET", "/orders", Some(&of_other)).status, 200);
    issuer.set_outage(Some(Fault::Status(500)));

    let stricter = format!("{}\"\nmax_lifetime_secs = 1", other.identifier());
    program.reload(&with(&stricter), "auth=\"issuers\"");
    assert_eq!(program.authorize("GET", "/orders", Some(&token)).status, 200);
    assert_eq!(program.authorize("GET", "/orders", Some(&of_other)).status, 401);

    program.reload(&config(&issuer, "", RULES), "auth=\"issuers\"");
    assert_eq!(program.authorize("GET", "/orders", Some(&token)).status, 200);
    assert_eq!(program.authorize("GET", "/orders", Some(&other.token(API).sign())).status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_gone_or_no_file_keeps_the_former_configuration() {
    let (issuer, mut program) = start().await;
    let token = issuer.token(API).sign();
    let path = program.config.clone();
    let allows = |program: &ForwardAuth| program.authorize("GET", "/orders", Some(&token)).status == 200;

    fs::remove_file(&path).unwrap();
    program.signal("HUP");
    program.wait_for_log("the former one stays in use: cannot read");
    assert!(allows(&program));

    fs::create_dir(&path).unwrap();
    program.signal("HUP");
    program.wait_for_log("the former one stays in use: cannot read");
    assert!(allows(&program));
    fs::remove_dir(&path).unwrap();

    fs::write(&path, [b'a', 0xff]).unwrap();
    program.signal("HUP");
    program.wait_for_log("the former one stays in use: cannot read");
    assert!(allows(&program));

    // The superuser reads every file, so this may be a reload without a change.
    fs::write(&path, config(&issuer, "", RULES)).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
    program.signal("HUP");
    program.wait_for_log("configuration");
    assert!(allows(&program));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_quick_changes_end_with_the_last_file() {
    let (issuer, mut program) = start().await;
    let token = issuer.token(API).sign();
    for change in 0..100 {
        let rules = format!("[[rules]]\npath = \"/change/{change}\"");
        fs::write(
            &program.config,
            if change % 3 == 1 { "listen = ".to_owned() } else { config(&issuer, "", &rules) },
        )
        .unwrap();
        program.signal("HUP");
        let status = program.authorize("GET", "/nowhere", Some(&token)).status;
        assert_eq!(status, 403, "{change}");
    }
    program.reload(&config(&issuer, "", "[[rules]]\npath = \"/last\""), "configuration reloaded");
    // Earlier signals may have lines of their own.
    while program.authorize("GET", "/last", Some(&token)).status != 200 {
        program.wait_for_log("configuration reloaded");
    }
    assert_eq!(program.authorize("GET", "/orders", Some(&token)).status, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_needs_a_restart_is_logged() {
    let (issuer, mut program) = start().await;
    program
        .reload(&config(&issuer, "max_connections = 5", RULES), "no effect until this program is restarted");
    let moved = config(&issuer, "", RULES).replacen("127.0.0.1:0", "127.0.0.1:1", 1);
    program.reload(&moved, "no effect until this program is restarted");
    assert_eq!(program.authorize("GET", "/public/x", None).status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn gauges_of_an_issuer_that_a_reload_removes_are_zero() {
    let (issuer, mut program) = start().await;
    let other = TestIssuer::start().await.unwrap();
    for token in [issuer.token(API).sign(), other.token(API).sign()] {
        program.authorize("GET", "/orders", Some(&token));
    }
    let age = |program: &ForwardAuth| {
        let metrics = send(program.probes, "GET /metrics HTTP/1.1\r\n").body;
        let name = format!("tower_bearer_keys_age_seconds{{issuer=\"{}\"}} ", issuer.identifier());
        let line = metrics.lines().find_map(|line| line.strip_prefix(&name)).map(ToOwned::to_owned);
        line.unwrap_or_else(|| panic!("{name}: {metrics}"))
    };
    assert_ne!(age(&program), "0");
    program.reload(&config(&other, "", RULES), "auth=\"issuers\"");
    assert_eq!(age(&program), "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn issuers_that_cannot_change_one_by_one_change_at_once() {
    let (issuer, other) = (TestIssuer::start().await.unwrap(), TestIssuer::start().await.unwrap());
    let secret = config_file(TestIssuer::CLIENT_SECRET);
    let introspection = |prefix: &str| {
        format!(
            "[auth.issuers.introspection]\nclient_id = \"{}\"\nsecret_file = {secret:?}\n\
             opaque_tokens = {{ prefix = \"{prefix}\" }}\n",
            TestIssuer::CLIENT_ID
        )
    };
    let with = |first: &str, second: &str| {
        let (first, second) = (introspection(first), introspection(second));
        let other = other.identifier();
        config(&issuer, "", &format!("{first}[[auth.issuers]]\nissuer = \"{other}\"\n{second}{RULES}"))
    };
    let mut program = ForwardAuth::start(&with("a_", "b_"));
    fs::write(&program.config, with("b_", "a_")).unwrap();
    program.signal("HUP");
    program.wait_for_log("cannot change the issuers one by one");
    program.wait_for_log("auth=\"all\"");
    let token = issuer.token(API).sign();
    assert_eq!(program.authorize("GET", "/orders", Some(&token)).status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_for_operators_keeps_its_counts_when_every_cache_is_replaced() {
    let (issuer, mut program) = start().await;
    let expired = issuer.token(API).expired().sign();
    assert_eq!(program.authorize("GET", "/orders", Some(&expired)).status, 401);
    program.reload(&config(&issuer, "", RULES).replace(API, "https://new.example.com"), "auth=\"all\"");
    let data = send(program.probes, "GET /inspector/?data HTTP/1.1\r\n").body;
    assert!(data.contains("\"token_expired\":1"), "{data}");
}
