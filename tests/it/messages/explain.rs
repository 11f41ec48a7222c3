//! `explain()`: the verdict first, then the hint, then every check.

use std::io;

use serde_json::json;
use tower_bearer::diagnostics::{CheckResult, Explanation};
use tower_bearer::issuers::IssuerResolver;
use tower_bearer::testing::TestIssuer;
use tower_bearer::{BearerAuth, Introspection, Issuer, RejectionKind, Require};

use crate::support::app::{NOW, issuer};
use crate::support::introspected::{IssuerIntrospection, introspection};
use crate::support::net::Net;
use crate::support::protected::{API, ISSUER, Protected};

fn api() -> (TestIssuer, BearerAuth) {
    let idp = issuer(ISSUER);
    let auth = idp.bearer_auth(API).build().unwrap();
    (idp, auth)
}

fn first_lines(explanation: &Explanation) -> [String; 2] {
    let text = explanation.to_string();
    let mut lines = text.lines().map(str::to_owned);
    [lines.next().unwrap_or_default(), lines.next().unwrap_or_default()]
}

fn finding(explanation: &Explanation, check: &str) -> (String, String, CheckResult) {
    let finding = explanation.findings().iter().find(|finding| finding.check() == check).expect(check);
    (finding.expected().to_owned(), finding.presented().to_owned(), finding.result())
}

#[tokio::test(start_paused = true)]
async fn the_verdict_comes_first_and_then_the_hint() {
    let (idp, auth) = api();
    let token = || idp.token(API);
    let accepted = auth.explain(&token().sign()).await;
    assert_eq!((accepted.rejection_kind(), accepted.hint()), (None, None));
    assert_eq!(first_lines(&accepted)[0], "accepted");
    assert!(first_lines(&accepted)[1].starts_with("size "));
    for (text, verdict, hint) in [
        (
            idp.token("https://api.example.com/").sign(),
            "rejected: audience_mismatch. The access token is intended for another audience",
            "the configured one lacks the slash at the end",
        ),
        (
            token().claim("iss", "http://login.example.com").sign(),
            "rejected: issuer_unknown. The issuer of the access token is not trusted",
            "they differ in the scheme",
        ),
        (
            token().claim("iat", NOW + 70).sign(),
            "rejected: token_issued_in_future. The access token was issued in the future",
            "issued 70 s in the future, leeway 30 s",
        ),
        (
            format!("Bearer {}", token().sign()),
            "rejected: malformed_request. The credentials are malformed or repeated",
            "remove the `Bearer ` prefix",
        ),
        (
            format!("{}\n", token().sign()),
            "rejected: malformed_request. The credentials are malformed or repeated",
            "remove the white space after the token",
        ),
        ("opaque".to_owned(), "rejected: token_opaque. The access token is not a signed JWT", "introspect"),
    ] {
        let explanation = auth.explain(&text).await;
        let [first, second] = first_lines(&explanation);
        assert_eq!(first, verdict);
        assert!(second.starts_with("hint: ") && second.contains(hint), "{verdict}: {second}");
        assert!(!explanation.is_accepted());
    }
}

#[tokio::test(start_paused = true)]
async fn the_verdict_is_the_first_check_that_fails() {
    let (idp, auth) = api();
    let explanation = auth.explain(&idp.token("https://other.example").expired().sign()).await;
    assert_eq!(explanation.rejection_kind(), Some(RejectionKind::AudienceMismatch));
}

#[tokio::test(start_paused = true)]
async fn dates_are_shown_as_seconds_and_as_in_rfc_3339() {
    let (idp, auth) = api();
    let explanation = auth.explain(&idp.token(API).claim("iat", NOW).claim("exp", NOW + 300).sign()).await;
    assert_eq!(finding(&explanation, "exp").1, "1800000300 (2027-01-15T08:05:00Z)");
    assert_eq!(finding(&explanation, "iat").1, "1800000000 (2027-01-15T08:00:00Z)");
    assert!(finding(&explanation, "nbf").0.contains("2027-01-15T08:00:00Z"));
}

#[tokio::test(start_paused = true)]
async fn scopes_are_shown_and_checked_for_a_route() {
    let (idp, auth) = api();
    let token = idp.token(API).scope("orders:read openid").sign();
    let explanation = auth.explain(&token).await;
    let any = "any; a route may require some".to_owned();
    assert_eq!(finding(&explanation, "scopes"), (any, "orders:read openid".to_owned(), CheckResult::Passed));
    assert!(auth.explain_for(&token, &Require::scope("orders:read")).await.is_accepted());
    assert!(auth.explain_for(&token, &Require::token()).await.is_accepted());

    let route = Require::scope("orders:write").check(|_, _| panic!("a check of the route was run"));
    let explanation = auth.explain_for(&token, &route).await;
    assert_eq!(explanation.rejection_kind(), Some(RejectionKind::ScopeInsufficient));
    assert_eq!(finding(&explanation, "scopes").0, "orders:write, and checks that need a request");
    assert!(explanation.hint().unwrap().contains("scope_claims"));
    let expired = idp.token(API).expired().scope("orders:read").sign();
    let explanation = auth.explain_for(&expired, &Require::scope("orders:write")).await;
    assert_eq!(explanation.rejection_kind(), Some(RejectionKind::TokenExpired), "the token comes first");
    let without = auth.explain(&idp.token(API).sign()).await;
    assert_eq!(finding(&without, "scopes").1, "none");
}

#[tokio::test(start_paused = true)]
async fn scopes_of_an_opaque_token_are_those_of_its_introspection_response() {
    let idp = issuer(ISSUER);
    let builder = BearerAuth::builder(API).clock(idp.clock()).http_client(idp.http_client());
    let auth = builder.issuer(idp.issuer().introspect(introspection())).build().unwrap();
    let token = idp.token(API).scope("orders:read").opaque();
    assert!(auth.explain_for(&token, &Require::scope("orders:read")).await.is_accepted());
    let explanation = auth.explain_for(&token, &Require::scope("orders:write")).await;
    assert_eq!(explanation.rejection_kind(), Some(RejectionKind::ScopeInsufficient));
}

#[tokio::test(start_paused = true)]
async fn without_keys_the_cause_of_the_failed_fetch_is_shown_with_its_hint() {
    let idp = issuer(ISSUER);
    let (issuer, token) = (Issuer::discover(ISSUER), idp.token(API).sign());
    let builder = BearerAuth::builder(API).clock(idp.clock()).http_client(Net::default());
    let auth = builder.issuer(issuer).build().unwrap();
    let explanation = auth.explain(&token).await;
    assert_eq!(explanation.rejection_kind(), Some(RejectionKind::KeysUnavailable));
    assert!(
        explanation.hint().unwrap().starts_with("is the authorization server running there?"),
        "{explanation}"
    );
    let (expected, presented, _) = finding(&explanation, "kid");
    assert!(
        expected.starts_with("a key of https://login.example.com, but the connection failed"),
        "{expected}"
    );
    assert!(expected.ends_with("connection refused"), "{expected}");
    assert_eq!(presented, "key-1");
    let explanation = auth.explain_for(&token, &Require::role("admin")).await;
    assert!(
        explanation.hint().unwrap().starts_with("is the authorization server"),
        "that of the first failure"
    );
}

#[tokio::test(start_paused = true)]
async fn roles_of_a_route_are_shown_and_checked() {
    let idp = issuer(ISSUER);
    let auth = |role_claims: &[&str]| {
        let builder = BearerAuth::builder(API).clock(idp.clock()).http_client(idp.http_client());
        builder.issuer(idp.issuer().role_claims(role_claims.to_vec())).build().unwrap()
    };
    let token = idp.token(API).claim("roles", json!(["clerk", "auditor"])).sign();
    let unmet = CheckResult::Failed(RejectionKind::RequirementUnmet);
    for (role_claims, route, presented, expected, hint) in [
        (&["/roles"][..], Require::any_role(["admin", "auditor"]), "clerk auditor", "admin or auditor", None),
        (
            &["/roles"],
            Require::role("admin"),
            "clerk auditor",
            "admin",
            Some("role claims (/roles) do not have it"),
        ),
        (&["/roles"], Require::role("clerk").and_role("x"), "clerk auditor", "x", Some("assign the role")),
        (
            &[],
            Require::role("clerk"),
            "none",
            "clerk",
            Some("no role claim is configured: set Issuer::role_claims"),
        ),
    ] {
        let explanation = auth(role_claims).explain_for(&token, &route).await;
        assert_eq!(explanation.is_accepted(), hint.is_none(), "{explanation}");
        let last = explanation.findings().last().unwrap();
        assert_eq!((last.check(), last.presented(), last.expected()), ("role", presented, expected));
        match hint {
            Some(hint) => {
                assert_eq!(last.result(), unmet, "{explanation}");
                assert_eq!(explanation.rejection_kind(), Some(RejectionKind::RequirementUnmet));
                assert!(explanation.hint().unwrap().contains(hint), "{explanation}");
            }
            None => assert_eq!((last.result(), explanation.hint()), (CheckResult::Passed, None)),
        }
    }
    let ill_typed = idp.token(API).claim("roles", 5).sign();
    let explanation = auth(&["/roles"]).explain_for(&ill_typed, &Require::role("admin")).await;
    assert_eq!(explanation.rejection_kind(), Some(RejectionKind::ClaimIllTyped), "the token comes first");
    assert!(explanation.hint().unwrap().contains("mapping"), "{explanation}");
}

#[tokio::test(start_paused = true)]
async fn claims_of_a_route_are_shown_and_checked() {
    let (idp, auth) = api();
    let acme = || Require::claim("/org/id", |id| id.as_str() == Some("acme"));
    for (org, presented, is_accepted) in [
        (json!({"id": "acme"}), "\"acme\"", true),
        (json!({"id": "other"}), "\"other\"", false),
        (json!({"id": 5}), "5", false),
        (json!({}), "none", false),
    ] {
        let explanation = auth.explain_for(&idp.token(API).claim("org", org).sign(), &acme()).await;
        assert_eq!(explanation.is_accepted(), is_accepted, "{explanation}");
        let (expected, shown, _) = finding(&explanation, "claim");
        assert_eq!(
            (expected.as_str(), shown.as_str()),
            ("/org/id, with a value that the route accepts", presented)
        );
        assert_eq!(explanation.hint().is_none(), is_accepted, "{explanation}");
    }
}

#[tokio::test(start_paused = true)]
async fn roles_of_an_opaque_token_are_those_of_its_introspection_response() {
    let idp = issuer(ISSUER);
    let builder = BearerAuth::builder(API).clock(idp.clock()).http_client(idp.http_client());
    let of_roles = idp.issuer().role_claims(["/roles"]).introspect(introspection());
    let auth = builder.issuer(of_roles).build().unwrap();
    let token = idp.token(API).claim("roles", json!(["clerk"])).opaque();
    assert!(auth.explain_for(&token, &Require::role("clerk")).await.is_accepted());
    let explanation = auth.explain_for(&token, &Require::role("admin")).await;
    assert_eq!(explanation.rejection_kind(), Some(RejectionKind::RequirementUnmet));
}

/// The introspection response to a JWT decides before the route, and narrows its scopes.
#[tokio::test(start_paused = true)]
async fn an_introspected_jwt_is_explained_as_a_request_with_it_is_validated() {
    let setup = || IssuerIntrospection::with(Introspection::also_jwts);
    let of_idp = |idp: &TestIssuer| idp.token(API).scope("orders:read orders:write").sign();

    let revoked = setup();
    let token = of_idp(&revoked.idp);
    revoked.idp.revoke(&token);
    let route = Require::role("admin");
    let explanation = revoked.auth.explain_for(&token, &route).await;
    assert_eq!(revoked.requiring(&route).outcome(&token).await, Err(RejectionKind::TokenInactive));
    assert_eq!(explanation.rejection_kind(), Some(RejectionKind::TokenInactive), "{explanation}");

    let narrowed = setup();
    narrowed.idp.alter_introspection(|response| {
        response.insert("scope".to_owned(), "orders:read".into());
    });
    let token = of_idp(&narrowed.idp);
    for (scope, expected) in [("orders:read", None), ("orders:write", Some(RejectionKind::ScopeInsufficient))]
    {
        let route = Require::scope(scope);
        let explanation = narrowed.auth.explain_for(&token, &route).await;
        assert_eq!(narrowed.requiring(&route).outcome(&token).await.err(), expected);
        assert_eq!(explanation.rejection_kind(), expected, "{explanation}");
        assert_eq!(explanation.findings().last().unwrap().presented(), "orders:read");
    }
    assert!(narrowed.auth.explain(&token).await.is_accepted());
}

#[tokio::test(start_paused = true)]
async fn the_audiences_of_a_view_are_explained_after_the_introspection_of_a_jwt() {
    let (idp, admin) = (issuer(ISSUER), "https://admin.example.com");
    let builder = BearerAuth::builder(API).add_audience(admin).clock(idp.clock());
    let introspected = idp.issuer().introspect(introspection().also_jwts());
    let auth = builder.http_client(idp.http_client()).issuer(introspected).build().unwrap();
    let view = auth.view().require_audience(admin).build().unwrap();
    let token = idp.token(API).sign();
    idp.revoke(&token);
    assert_eq!(Protected::by(&view).outcome(&token).await, Err(RejectionKind::TokenInactive));
    let explanation = view.explain(&token).await;
    assert_eq!(explanation.rejection_kind(), Some(RejectionKind::TokenInactive), "{explanation}");
    assert_eq!(finding(&explanation, "required aud").2, CheckResult::Failed(RejectionKind::AudienceMismatch));
}

#[tokio::test(start_paused = true)]
async fn an_issuer_that_the_resolver_fails_for_is_explained_with_the_causes() {
    let resolver = |fails: bool| {
        IssuerResolver::new("https://{tenant}.login.test", move |_| async move {
            if fails { Err(io::Error::other("the database is down")) } else { Ok(None::<Issuer>) }
        })
    };
    let token = issuer("https://acme.login.test").token(API).sign();
    let explained = async |fails| {
        let builder = BearerAuth::builder(API).http_client(Net::default());
        let auth = builder.resolve_issuers(resolver(fails)).build().unwrap();
        let explanation = auth.explain(&token).await;
        assert_eq!(Protected::by(&auth).outcome(&token).await.err(), explanation.rejection_kind());
        explanation
    };
    let failed = explained(true).await;
    let (expected, presented, result) = finding(&failed, "issuer");
    assert_eq!(
        (expected.as_str(), presented.as_str(), result),
        (
            "an issuer that the resolver returns, but the issuer resolver failed: the database is down",
            "https://acme.login.test",
            CheckResult::Failed(RejectionKind::KeysUnavailable)
        )
    );
    assert_eq!(failed.hint(), None, "the issuer may well be trusted");
    let unknown = explained(false).await;
    assert_eq!(unknown.rejection_kind(), Some(RejectionKind::IssuerUnknown));
}
