//! Routes and settings that require a sender-constrained token, and `AccessToken::bound_to`.

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use serde_json::json;
use tower::Layer;
use tower_bearer::RejectionKind::{
    CertificateMissing, IntrospectionMismatch, Missing, ScopeInsufficient, SenderNotProven, TokenExpired,
    TokenInactive, TokenNotBound,
};
use tower_bearer::builder::ConfigProblem;
use tower_bearer::certificates::{Certificates, ClientCertificate};
use tower_bearer::diagnostics::CheckResult;
use tower_bearer::dpop::Dpop;
use tower_bearer::testing::{DpopKey, MockBearerAuth, TestIssuer};
use tower_bearer::{
    AccessToken, BearerAuth, BearerAuthBuilder, FormBodyToken, Rejection, RejectionKind, Require, TokenSource,
};

use crate::support::protected::{API, ApiResponse, Handler, anonymous, get, send};

const ORDERS: &str = "https://api.example.com/orders";
const CERTIFICATE: &[u8] = include_bytes!("../data/localhost-cert.der");

type ApiRequest = Request<Full<Bytes>>;

fn accepting_all(builder: BearerAuthBuilder) -> BearerAuthBuilder {
    builder.dpop(Dpop::at(API)).certificates(Certificates::of_connection())
}

fn api() -> (TestIssuer, BearerAuth) {
    let idp = TestIssuer::new();
    let auth = accepting_all(idp.bearer_auth(API)).build().unwrap();
    (idp, auth)
}

/// An API that introspects all tokens.
fn introspecting_api() -> (TestIssuer, BearerAuth) {
    let idp = TestIssuer::new();
    let issuer = idp.issuer().introspect(idp.introspection().also_jwts());
    let builder = BearerAuth::builder(API).clock(idp.clock()).http_client(idp.http_client());
    let auth = accepting_all(builder.issuer(issuer)).build().unwrap();
    (idp, auth)
}

/// The token under the scheme DPoP, with a proof of the key.
fn proven(key: &DpopKey, token: &str) -> ApiRequest {
    key.proof("GET", ORDERS).token(token).request().body(Full::default()).unwrap()
}

/// The token from a connection with [`CERTIFICATE`].
fn over_tls(token: &str) -> ApiRequest {
    let mut request = get(token);
    request.extensions_mut().insert(ClientCertificate::from_der(CERTIFICATE));
    request
}

/// The response of a route with this requirement.
async fn at(require: &Require, auth: &BearerAuth, request: ApiRequest) -> ApiResponse {
    send(auth.layer(require.layer(Handler::default())), request).await
}

/// The kind of the rejection. `None` if the handler was called.
fn kind(response: &ApiResponse) -> Option<RejectionKind> {
    assert_eq!(response.rejection().is_none(), response.is_from_handler());
    response.rejection().map(Rejection::kind)
}

#[tokio::test(start_paused = true)]
async fn a_route_that_requires_a_bound_token_rejects_bearer_tokens_only() {
    let (idp, auth) = api();
    let key = idp.dpop_key();
    let of_key = idp.token(API).bound_to_key(&key).sign();
    let of_certificate = idp.token(API).bound_to_certificate(CERTIFICATE).sign();
    let bearer = idp.token(API).sign();
    for (name, request, expected) in [
        ("key", proven(&key, &of_key), None),
        ("certificate", over_tls(&of_certificate), None),
        ("bearer", get(&bearer), Some(TokenNotBound)),
        ("bearer, cached", get(&bearer), Some(TokenNotBound)),
        ("bearer, with a certificate", over_tls(&bearer), Some(TokenNotBound)),
        ("bearer, expired", get(idp.token(API).expired().sign()), Some(TokenExpired)),
        ("certificate, not presented", get(&of_certificate), Some(CertificateMissing)),
        ("no token", anonymous("GET"), Some(Missing)),
    ] {
        let response = at(&Require::token().sender_bound(), &auth, request).await;
        assert_eq!(kind(&response), expected, "{name}");
    }
    assert_eq!(kind(&at(&Require::token(), &auth, get(&bearer)).await), None, "another route");
    let optional = auth.view().optional().build().unwrap();
    let response = at(&Require::token().sender_bound(), &optional, anonymous("GET")).await;
    assert_eq!(kind(&response), Some(Missing));
}

#[tokio::test(start_paused = true)]
async fn a_bearer_token_at_a_bound_route_gets_its_challenge_byte_for_byte() {
    let idp = TestIssuer::new();
    let auth = idp.bearer_auth(API).certificates(Certificates::of_connection()).build().unwrap();
    let response = at(&Require::token().sender_bound(), &auth, get(idp.token(API).sign())).await;
    response.assert_rejected(TokenNotBound, "bearer");
    assert_eq!(
        response.header("www-authenticate").unwrap(),
        "Bearer realm=\"https://api.example.com\", error=\"invalid_token\", \
         error_description=\"The access token is not bound as this request requires\""
    );
}

#[tokio::test(start_paused = true)]
async fn the_binding_is_required_before_scopes_and_authentication() {
    let (idp, auth) = api();
    let require = Require::scope("pay").acr_any(["mfa"]).sender_bound();
    let response = at(&require, &auth, get(idp.token(API).sign())).await;
    assert_eq!(kind(&response), Some(TokenNotBound));
    for challenge in response.headers().get_all("www-authenticate") {
        let challenge = challenge.to_str().unwrap();
        assert!(!challenge.contains("scope=") && !challenge.contains("acr_values"), "{challenge}");
    }
    let bound = idp.token(API).claim("acr", "mfa").bound_to_certificate(CERTIFICATE).sign();
    assert_eq!(kind(&at(&require, &auth, over_tls(&bound)).await), Some(ScopeInsufficient));
}

#[tokio::test(start_paused = true)]
async fn an_introspected_token_is_bound_by_its_claims_or_by_the_response() {
    let (idp, auth) = introspecting_api();
    let require = Require::token().sender_bound();
    let token = || idp.token(API).bound_to_certificate(CERTIFICATE);
    for (name, token, expected) in [
        ("opaque", token().opaque(), None),
        ("JWT", token().sign(), None),
        ("opaque bearer", idp.token(API).opaque(), Some(TokenNotBound)),
        ("bearer JWT", idp.token(API).sign(), Some(TokenNotBound)),
    ] {
        assert_eq!(kind(&at(&require, &auth, over_tls(&token)).await), expected, "{name}");
    }
    let thumbprint = ClientCertificate::from_der(CERTIFICATE).thumbprint();
    idp.alter_introspection(move |response| {
        response.insert("cnf".to_owned(), json!({ "x5t#S256": thumbprint }));
    });
    let bound_by_response = idp.token(API).sign();
    assert_eq!(kind(&at(&require, &auth, over_tls(&bound_by_response)).await), None);
    assert_eq!(kind(&at(&require, &auth, get(&bound_by_response)).await), Some(CertificateMissing));
}

#[tokio::test(start_paused = true)]
async fn a_route_that_introspects_anew_accepts_the_same_binding_only() {
    let idp = TestIssuer::new();
    let issuer = idp.issuer().introspect(idp.introspection());
    let builder = BearerAuth::builder(API).clock(idp.clock()).http_client(idp.http_client());
    let auth = accepting_all(builder.issuer(issuer)).build().unwrap();
    let require = Require::token().sender_bound().still_active();
    let (bound, revoked) = (idp.token(API), idp.token(API));
    let bound = bound.bound_to_certificate(CERTIFICATE).sign();
    let revoked = revoked.bound_to_certificate(CERTIFICATE).sign();
    idp.revoke(&revoked);
    assert_eq!(kind(&at(&require, &auth, over_tls(&bound)).await), None);
    assert_eq!(kind(&at(&require, &auth, over_tls(&revoked)).await), Some(TokenInactive));
    assert_eq!(kind(&at(&require, &auth, get(idp.token(API).sign())).await), Some(TokenNotBound));

    let jkt = idp.dpop_key().thumbprint();
    idp.alter_introspection(move |response| {
        response.insert("cnf".to_owned(), json!({ "jkt": jkt }));
    });
    let rebound = at(&Require::token().still_active(), &auth, get(idp.token(API).sign())).await;
    assert_eq!(kind(&rebound), Some(IntrospectionMismatch), "the key was not proven");
}

#[tokio::test(start_paused = true)]
async fn a_handler_sees_what_the_token_is_bound_to() {
    let thumbprint = ClientCertificate::from_der(CERTIFICATE).thumbprint();
    for (name, (idp, auth)) in [("local", api()), ("introspected", introspecting_api())] {
        let key = idp.dpop_key();
        let base = || idp.token(API).scope("a b");
        let tokens = |token: tower_bearer::testing::TokenBuilder| {
            if name == "local" { vec![token.sign()] } else { vec![token.sign(), token.opaque()] }
        };
        // The scopes of a JWT are narrowed to those in the response.
        idp.alter_introspection(|response| drop(response.insert("scope".to_owned(), "a".into())));
        let bound_to = async |request| {
            let response = at(&Require::token(), &auth, request).await;
            let token = response.token().expect(name);
            assert_eq!(token.scopes().contains("b"), name == "local", "narrowed");
            let bound_to = token.bound_to()?;
            Some((bound_to.jwk_thumbprint(), bound_to.certificate_thumbprint()))
        };
        for bearer in tokens(base()) {
            assert_eq!(bound_to(over_tls(&bearer)).await, None, "{name}");
        }
        for token in tokens(base().bound_to_key(&key)) {
            let expected = Some((Some(key.thumbprint()), None));
            assert_eq!(bound_to(proven(&key, &token)).await, expected, "{name}");
        }
        for token in tokens(base().bound_to_certificate(CERTIFICATE)) {
            for _ in ["uncached", "cached"] {
                let expected = Some((None, Some(thumbprint.clone())));
                assert_eq!(bound_to(over_tls(&token)).await, expected, "{name}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_for_tests_needs_no_proof_and_keeps_its_binding() {
    let (idp, require) = (TestIssuer::new(), Require::token().sender_bound());
    let key = idp.dpop_key();
    let mocked = async |token: AccessToken| {
        let service = MockBearerAuth::accepting(token).layer(require.layer(Handler::default()));
        kind(&send(service, anonymous("GET")).await)
    };
    let bound = idp.token(API).bound_to_key(&key).access_token().unwrap();
    assert_eq!(bound.bound_to().unwrap().jwk_thumbprint(), Some(key.thumbprint()));
    assert_eq!(mocked(bound).await, None);
    let of_certificate = idp.token(API).bound_to_certificate(CERTIFICATE).access_token().unwrap();
    assert_eq!(mocked(of_certificate).await, None);
    assert_eq!(mocked(idp.token(API).access_token().unwrap()).await, Some(TokenNotBound));
}

#[tokio::test(start_paused = true)]
async fn explain_says_whether_a_token_has_the_binding_that_a_route_requires() {
    let (idp, auth) = api();
    let require = Require::token().sender_bound();
    let binding = async |token: String| {
        let explanation = auth.explain_for(&token, &require).await;
        let finding = explanation.findings().iter().find(|finding| finding.check() == "binding").unwrap();
        assert_eq!(finding.expected(), "to a key or a certificate");
        (finding.presented().to_owned(), finding.result())
    };
    let failed = CheckResult::Failed(TokenNotBound);
    assert_eq!(binding(idp.token(API).sign()).await, ("none".to_owned(), failed));
    let of_key = idp.token(API).bound_to_key(&idp.dpop_key());
    assert_eq!(binding(of_key.sign()).await, ("jkt".to_owned(), CheckResult::Passed));
    let both = of_key.bound_to_certificate(CERTIFICATE).sign();
    assert_eq!(binding(both).await, ("jkt, x5t#S256".to_owned(), CheckResult::Passed));

    let explanation = auth.explain_for(&idp.token(API).sign(), &require).await;
    assert_eq!(explanation.rejection_kind(), Some(TokenNotBound));
    let elsewhere = auth.explain_for(&idp.token(API).sign(), &Require::token()).await;
    assert!(elsewhere.is_accepted() && elsewhere.findings().iter().all(|found| found.check() != "binding"));
}

#[tokio::test(start_paused = true)]
async fn a_token_outside_of_a_request_cannot_be_proven() {
    let idp = TestIssuer::new();
    let key = idp.dpop_key();
    let bearer = idp.token(API).sign();
    let of_key = idp.token(API).bound_to_key(&key).sign();
    let of_certificate = idp.token(API).bound_to_certificate(CERTIFICATE).sign();
    let accepting = accepting_all(idp.bearer_auth(API)).build().unwrap();
    let requiring = idp.bearer_auth(API).dpop(Dpop::at(API).required()).build().unwrap();
    for (name, auth, token, expected) in [
        ("bearer", &accepting, &bearer, None),
        ("key", &accepting, &of_key, Some(SenderNotProven)),
        ("certificate", &accepting, &of_certificate, Some(SenderNotProven)),
        ("key, required", &requiring, &of_key, Some(SenderNotProven)),
        ("bearer, key required", &requiring, &bearer, Some(TokenNotBound)),
    ] {
        for _ in ["uncached", "cached"] {
            let rejection = auth.authenticate(token).await.err();
            assert_eq!(rejection.map(|rejection| rejection.kind()), expected, "{name}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_required_proof_cannot_be_avoided_by_another_place_for_the_token() {
    let idp = TestIssuer::new();
    let builder = || accepting_all(idp.bearer_auth(API)).dpop(Dpop::at(API).required());
    let auth = builder().build().unwrap();
    let in_form = |token: &str| {
        let form = Bytes::from(format!("access_token={token}"));
        let mut request = anonymous("POST").map(|_| Full::new(form));
        let content_type = "application/x-www-form-urlencoded".parse().unwrap();
        request.headers_mut().insert("content-type", content_type);
        request.extensions_mut().insert(ClientCertificate::from_der(CERTIFICATE));
        request
    };
    let key = idp.dpop_key();
    for (name, token, expected) in [
        ("bearer", idp.token(API).sign(), TokenNotBound),
        ("certificate", idp.token(API).bound_to_certificate(CERTIFICATE).sign(), TokenNotBound),
        ("key", idp.token(API).bound_to_key(&key).sign(), SenderNotProven),
    ] {
        for _ in ["uncached", "cached"] {
            let service = FormBodyToken::up_to(8192).layer(auth.layer(Handler::default()));
            assert_eq!(kind(&send(service, in_form(&token)).await), Some(expected), "{name}");
        }
    }

    let source = || TokenSource::cookie("__Host-token");
    let of_builder = builder().add_token_source(source()).build().map(drop);
    let of_view = auth.view().add_token_source(source()).build().map(drop);
    for (name, result) in [("builder", of_builder), ("view", of_view)] {
        let error = result.unwrap_err();
        let problems = error.problems();
        assert!(matches!(problems, [ConfigProblem::TokenSourceWithoutProof { .. }]), "{name}: {problems:?}");
    }
    assert!(accepting_all(idp.bearer_auth(API)).add_token_source(source()).build().is_ok());
}
