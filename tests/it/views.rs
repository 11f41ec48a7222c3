//! Views of a `BearerAuth`: other settings for some routes, with the same keys and caches.

use serde_json::json;
use tower::Layer;
use tower_bearer::RejectionKind::{
    AudienceMismatch, ClaimMissing, MalformedRequest, Missing, TokenExpired, TokenOpaque,
};
use tower_bearer::builder::ConfigProblem;
use tower_bearer::diagnostics::CheckResult;
use tower_bearer::dpop::Dpop;
use tower_bearer::testing::{Endpoint, TestIssuer};
use tower_bearer::{BearerAuth, Require, TokenSource};

use crate::support::introspected::{IssuerIntrospection, introspection};
use crate::support::protected::{ACCEPTED, API, Handler, Outcome, Protected, anonymous, get, send};

const ADMIN: &str = "https://admin.example.com";

/// A `BearerAuth` for both audiences, and a view for the second one.
fn two_audiences(idp: &TestIssuer) -> (BearerAuth, BearerAuth) {
    let auth = idp.bearer_auth(API).add_audience(ADMIN).build().unwrap();
    let admin = auth.view().require_audience(ADMIN).build().unwrap();
    (auth, admin)
}

fn audience_outcomes() -> [(&'static str, serde_json::Value, Outcome); 7] {
    [
        ("the other audience", json!(API), Err(AudienceMismatch)),
        ("a list without it", json!([API, "x"]), Err(AudienceMismatch)),
        ("a longer one", json!([API, "https://admin.example.com/"]), Err(AudienceMismatch)),
        ("a shorter one", json!([API, "https://admin.example.co"]), Err(AudienceMismatch)),
        ("neither", json!("x"), Err(AudienceMismatch)),
        ("it alone", json!(ADMIN), ACCEPTED),
        ("both", json!([API, ADMIN]), ACCEPTED),
    ]
}

#[tokio::test(start_paused = true)]
async fn a_view_never_accepts_a_cached_token_for_another_audience() {
    let idp = TestIssuer::new();
    let (auth, admin) = two_audiences(&idp);
    let (base, view) = (Protected::by(&auth), Protected::by(&admin));
    for (name, aud, expected) in audience_outcomes() {
        let token = idp.token(API).claim("aud", aud.clone()).sign();
        assert_eq!(view.outcome(&token).await, expected, "{name}: uncached");
        let of_base = if name == "neither" { Err(AudienceMismatch) } else { ACCEPTED };
        assert_eq!(base.outcome(&token).await, of_base, "{name}: the base");
        for _ in 0..2 {
            assert_eq!(view.outcome_at_once(&token), expected, "{name}: cached");
            assert_eq!(view.get(&token).await.rejection().is_none(), expected.is_ok(), "{name}");
        }
        assert_eq!(base.outcome_at_once(&token), of_base, "{name}: the base, cached");
    }
    assert_eq!(idp.requests(Endpoint::Jwks), 1, "both share the keys");
    assert_eq!(auth.cached_tokens(), admin.cached_tokens());
}

#[tokio::test(start_paused = true)]
async fn a_view_never_accepts_an_introspected_token_for_another_audience() {
    for jwts in [false, true] {
        let idp = TestIssuer::new();
        let settings = if jwts { introspection().also_jwts() } else { introspection() };
        let issuer = idp.issuer().introspect(settings);
        let builder = BearerAuth::builder(API).clock(idp.clock()).http_client(idp.http_client());
        let auth = builder.add_audience(ADMIN).issuer(issuer).build().unwrap();
        let admin = auth.view().require_audience(ADMIN).build().unwrap();
        let (base, view) = (Protected::by(&auth), Protected::by(&admin));
        for (name, aud, expected) in audience_outcomes() {
            let builder = idp.token(API).claim("aud", aud);
            let token = if jwts { builder.sign() } else { builder.opaque() };
            assert_eq!(view.outcome(&token).await, expected, "{name}: uncached");
            let calls = idp.requests(Endpoint::Introspection);
            assert_eq!(view.outcome(&token).await, expected, "{name}: cached");
            let of_base = if name == "neither" { Err(AudienceMismatch) } else { ACCEPTED };
            assert_eq!(base.outcome(&token).await, of_base, "{name}: the base");
            assert_eq!(view.outcome(&token).await, expected, "{name}: after the base");
            assert_eq!(idp.requests(Endpoint::Introspection), calls, "{name}: both share the responses");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn still_active_checks_the_audience_of_a_view_again() {
    let api = IssuerIntrospection::new();
    let issuer = api.idp.issuer().introspect(introspection().endpoint(api.idp.introspection_url()));
    let builder = BearerAuth::builder(API).clock(api.idp.clock()).http_client(api.net.clone());
    let auth = builder.add_audience(ADMIN).issuer(issuer).build().unwrap();
    let admin = auth.view().require_audience(ADMIN).build().unwrap();
    let route = admin.layer(Require::token().still_active().layer(Handler::default()));
    let token = api.idp.token(ADMIN).opaque();
    assert_eq!(send(route.clone(), get(&token)).await.outcome(), ACCEPTED);
    api.idp.alter_introspection(|response| {
        response.insert("aud".to_owned(), json!(API));
    });
    assert_eq!(send(route.clone(), get(&token)).await.outcome(), Err(AudienceMismatch));
    let base = auth.layer(Require::token().still_active().layer(Handler::default()));
    assert_eq!(send(base, get(&token)).await.outcome(), ACCEPTED, "the base accepts both");
}

#[tokio::test(start_paused = true)]
async fn a_view_that_requires_an_audience_rejects_tokens_without_aud() {
    let idp = TestIssuer::new();
    let settings = introspection().dangerous_accept_without_audience();
    let builder = BearerAuth::builder(API).clock(idp.clock()).http_client(idp.http_client());
    let auth = builder.issuer(idp.issuer().introspect(settings)).build().unwrap();
    let token = idp.token(API).without("aud").opaque();
    assert_eq!(Protected::by(&auth).outcome(&token).await, ACCEPTED);
    let view = auth.view().require_audience(API).build().unwrap();
    let response = Protected::by(&view).get(&token).await;
    assert_eq!(response.outcome(), Err(ClaimMissing));
    assert_eq!(response.rejection().unwrap().claim(), Some("aud"));
    assert_eq!(view.authenticate(&token).await.unwrap_err().kind(), ClaimMissing);
}

#[tokio::test(start_paused = true)]
async fn a_client_does_not_meet_the_required_audience_of_a_view() {
    let idp = TestIssuer::new();
    let issuer = idp.issuer().audience_claim("client_id").allowed_clients([ADMIN]);
    let builder = BearerAuth::builder(API).clock(idp.clock()).http_client(idp.http_client()).issuer(issuer);
    let auth = builder.add_audience(ADMIN).build().unwrap();
    let view = auth.view().require_audience(ADMIN).build().unwrap();
    let token = idp.token(API).without("aud").claim("client_id", ADMIN).sign();
    assert_eq!(Protected::by(&auth).outcome(&token).await, ACCEPTED);
    assert_eq!(Protected::by(&view).outcome(&token).await, Err(ClaimMissing));
    assert!(!view.explain(&token).await.is_accepted());
}

#[tokio::test(start_paused = true)]
async fn views_of_views_require_all_audiences() {
    let idp = TestIssuer::new();
    let (_, admin) = two_audiences(&idp);
    let both = admin.view().require_audience(API).build().unwrap();
    let token = |aud: serde_json::Value| idp.token(API).claim("aud", aud).sign();
    let route = Protected::by(&both);
    assert_eq!(route.outcome(token(json!(API))).await, Err(AudienceMismatch));
    assert_eq!(route.outcome(token(json!(ADMIN))).await, Err(AudienceMismatch));
    assert_eq!(route.outcome(token(json!([API, ADMIN]))).await, ACCEPTED);
}

#[tokio::test(start_paused = true)]
async fn explain_names_the_audience_that_a_view_requires() {
    let idp = TestIssuer::new();
    let (auth, admin) = two_audiences(&idp);
    let token = idp.token(API).sign();
    assert!(auth.explain(&token).await.is_accepted());
    let explanation = admin.explain(&token).await;
    assert!(!explanation.is_accepted());
    let failed: Vec<_> =
        explanation.findings().iter().filter(|finding| finding.result() != CheckResult::Passed).collect();
    assert_eq!(failed.len(), 1, "{explanation}");
    assert_eq!((failed[0].expected(), failed[0].presented()), (ADMIN, API));
    assert_eq!(failed[0].result(), CheckResult::Failed(AudienceMismatch));
    assert!(admin.explain(&idp.token(ADMIN).sign()).await.is_accepted());
}

#[tokio::test(start_paused = true)]
async fn explain_reads_the_audience_that_a_view_requires_from_the_audience_claim() {
    let idp = TestIssuer::new();
    let auth = BearerAuth::builder(API).add_audience(ADMIN).clock(idp.clock()).http_client(idp.http_client());
    let auth = auth.issuer(idp.issuer().audience_claim("/api")).build().unwrap();
    let admin = auth.view().require_audience(ADMIN).build().unwrap();
    for (name, api, expected) in
        [("it alone", ADMIN, ACCEPTED), ("the other audience", API, Err(AudienceMismatch))]
    {
        let token = idp.token(API).without("aud").claim("api", api).sign();
        assert_eq!(Protected::by(&admin).outcome(&token).await, expected, "{name}");
        let explanation = admin.explain(&token).await;
        assert_eq!(explanation.rejection_kind(), expected.err(), "{name}: {explanation}");
        let finding =
            explanation.findings().iter().find(|finding| finding.check() == "required aud").unwrap();
        assert_eq!((finding.expected(), finding.presented()), (ADMIN, api), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_optional_view_rejects_all_but_requests_without_credentials() {
    let idp = TestIssuer::new();
    let auth = idp.bearer_auth(API).build().unwrap();
    let maybe = auth.view().optional().build().unwrap();
    let (base, view) = (Protected::by(&auth), Protected::by(&maybe));
    assert_eq!(base.send(anonymous("GET")).await.outcome(), Err(Missing));
    let response = view.send(anonymous("GET")).await;
    assert_eq!((response.outcome(), response.token().is_none()), (ACCEPTED, true));
    for (name, token, kind) in [
        ("expired", idp.token(API).expired().sign(), TokenExpired),
        ("another audience", idp.token("x").sign(), AudienceMismatch),
        ("opaque", "garbage".to_owned(), TokenOpaque),
        ("empty", String::new(), MalformedRequest),
    ] {
        assert_eq!(view.outcome(token).await, Err(kind), "{name}");
    }
    let token = idp.token(API).sign();
    assert_eq!(view.outcome(&token).await, ACCEPTED);
    assert_eq!(base.outcome_at_once(&token), ACCEPTED, "both share the token cache");
    assert_eq!(base.send(anonymous("GET")).await.outcome(), Err(Missing), "the base stays as it was");

    let inside = auth.layer(maybe.layer(Handler::default()));
    assert_eq!(send(inside, anonymous("GET")).await.outcome(), Err(Missing), "the outer layer decides");
    let required = maybe.layer(Require::token().layer(Handler::default()));
    assert_eq!(send(required, anonymous("GET")).await.outcome(), Err(Missing));
}

#[tokio::test(start_paused = true)]
async fn a_token_source_of_a_view_is_not_read_by_its_base() {
    let idp = TestIssuer::new();
    let auth = idp.bearer_auth(API).build().unwrap();
    let view = auth.view().add_token_source(TokenSource::cookie("__Host-token")).build().unwrap();
    let mut request = anonymous("GET");
    let cookie = format!("__Host-token={}", idp.token(API).sign());
    request.headers_mut().insert("cookie", cookie.parse().unwrap());
    assert_eq!(Protected::by(&view).send(request.clone()).await.outcome(), ACCEPTED);
    assert_eq!(Protected::by(&auth).send(request.clone()).await.outcome(), Err(Missing));
    let credentials = format!("Bearer {}", idp.token(API).sign());
    request.headers_mut().insert("authorization", credentials.parse().unwrap());
    assert_eq!(Protected::by(&view).send(request).await.outcome(), Err(MalformedRequest), "two tokens");
}

#[test]
fn a_view_that_could_accept_no_token_is_a_config_error() {
    let idp = TestIssuer::new();
    let auth = idp.bearer_auth(API).add_token_source(TokenSource::query()).build().unwrap();
    let view = auth
        .view()
        .require_audience("")
        .require_audience("https://api.example.com/")
        .add_token_source(TokenSource::query())
        .add_token_source(TokenSource::cookie("token"));
    let error = view.build().unwrap_err();
    assert!(
        matches!(
            error.problems(),
            [
                ConfigProblem::AudienceEmpty,
                ConfigProblem::AudienceNotAccepted { audience, .. },
                ConfigProblem::TokenSourceRepeated { .. },
                ConfigProblem::TokenSourceUnusable { .. },
            ] if audience == "https://api.example.com/"
        ),
        "{error}"
    );
}

#[test]
fn a_view_of_required_dpop_has_no_token_source() {
    let idp = TestIssuer::new();
    let auth = idp.bearer_auth(API).dpop(Dpop::at(API).required()).build().unwrap();
    let error = auth.view().add_token_source(TokenSource::query()).build().unwrap_err();
    assert!(matches!(error.problems(), [ConfigProblem::TokenSourceWithoutProof { .. }]), "{error}");
    assert!(auth.view().optional().build().is_ok());
}
