//! What `explain`, `bounds`, the status and the metrics say about revocations.

use std::time::Duration;

use http::Request;
use http_body_util::Full;
use serde_json::{Value, json};
use tower::ServiceExt;
use tower_bearer::BearerAuth;
use tower_bearer::RejectionKind::TokenRevoked;
use tower_bearer::diagnostics::{Bound, CheckResult};
use tower_bearer::revocation::{Revocations, Revoke};
use tower_bearer::testing::TestIssuer;

use super::{Api, entries};
use crate::support::introspected::introspection;
use crate::support::protected::API;

/// The finding about revocations in the explanation of this token.
async fn finding(auth: &BearerAuth, token: &str) -> Option<CheckResult> {
    let explanation = auth.explain(token).await;
    let mut findings = explanation.findings().iter();
    findings.find(|finding| finding.check() == "revocation").map(|finding| finding.result())
}

#[tokio::test(start_paused = true)]
async fn explain_finds_an_entry_of_each_kind() {
    for is_opaque in [false, true] {
        for (name, entry) in entries("https://issuer.test") {
            let api = Api::introspecting(introspection());
            let token = if is_opaque { api.token().opaque() } else { api.token().sign() };
            assert_eq!(finding(&api.auth, &token).await, Some(CheckResult::Passed), "{name}");
            api.revoke(entry);
            assert_eq!(finding(&api.auth, &token).await, Some(CheckResult::Failed(TokenRevoked)), "{name}");
            let explanation = api.auth.explain(&token).await;
            assert_eq!(explanation.rejection_kind(), Some(TokenRevoked), "{name}");
            assert!(explanation.hint().is_some_and(|hint| hint.contains("Revocations")), "{explanation}");
        }
    }
    let idp = TestIssuer::new();
    let without = idp.bearer_auth(API).build().unwrap();
    assert_eq!(finding(&without, &idp.token(API).sign()).await, None);
}

#[test]
fn bounds_say_how_long_a_revocation_is_kept() {
    let hour = Duration::from_secs(3600);
    let (one, two) = (TestIssuer::new(), TestIssuer::in_memory("https://two.example"));
    let builder = || BearerAuth::builder(API).http_client(one.http_client().and(two.http_client()));
    let store = || Revocations::new().keep_for(2 * hour);
    let limited = || builder().issuer(one.issuer().max_lifetime(hour));
    for (name, builder, expected) in [
        ("none", limited(), Bound::NotApplicable),
        ("limited", limited().revocations(store()), Bound::Unlimited),
        ("one unlimited", limited().add_issuer(two.issuer()).revocations(store()), Bound::Value(2 * hour)),
        ("unlimited", builder().issuer(two.issuer()).revocations(store()), Bound::Value(2 * hour)),
    ] {
        let bounds = builder.build().unwrap().bounds();
        assert_eq!(bounds.revocation_kept(), expected, "{name}");
        let line =
            bounds.to_string().lines().find(|line| line.starts_with("a revocation")).map(str::to_owned);
        let shown = match expected {
            Bound::Value(_) => {
                Some("kept for at least: 7200 s (2 h); a token that lives longer is accepted again")
            }
            Bound::Unlimited => Some("kept until the tokens it rejects have expired"),
            _ => None,
        };
        assert_eq!(line, shown.map(|shown| format!("a revocation is {shown}")), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_status_has_the_number_of_revocations() {
    let api = Api::new();
    for number in 0..3 {
        api.revoke(Revoke::token(api.issuer(), number.to_string()));
    }
    let status = async |auth: &BearerAuth| {
        let request = Request::new(Full::<bytes::Bytes>::default());
        let body = auth.status_service().oneshot(request).await.unwrap().into_body();
        serde_json::from_str::<Value>(&body).unwrap()
    };
    assert_eq!(status(&api.auth).await["revocations"], json!({"entries": 3, "max_entries": 100_000}));
    let without = api.idp.bearer_auth(API).build().unwrap();
    assert!(status(&without).await.get("revocations").is_none());
}
