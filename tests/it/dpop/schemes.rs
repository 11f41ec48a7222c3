//! Which token may come under which scheme (RFC 9449 sections 7.1 and 7.2).

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, PROXY_AUTHORIZATION};
use http::{HeaderMap, Request};
use http_body_util::Full;
use serde_json::json;
use tower::Layer;
use tower_bearer::RejectionKind::{
    CertificateMissing, ClaimIllTyped, MalformedRequest, Missing, ProofMalformed, ProofMissing,
    SenderNotProven, TokenNotBound,
};
use tower_bearer::certificates::{Certificates, ClientCertificate};
use tower_bearer::dpop::Dpop;
use tower_bearer::{FormBodyToken, TokenSource};

use crate::support::dpop::{DpopApi, URL, request, request_of};
use crate::support::protected::{ACCEPTED, API, Handler, Outcome, Schemes, anonymous, get, send};

/// A GET with these header lines.
fn with_lines(lines: &[(&'static str, String)]) -> Request<Full<Bytes>> {
    let mut request = anonymous("GET");
    for (name, value) in lines {
        request.headers_mut().append(*name, value.parse().unwrap());
    }
    request
}

/// An API that accepts client certificates as well.
fn with_certificates() -> DpopApi {
    DpopApi::configured(|_, builder| builder.dpop(Dpop::at(API)).certificates(Certificates::of_connection()))
}

#[tokio::test(start_paused = true)]
async fn a_token_bound_to_a_key_is_no_bearer_token() {
    let api = DpopApi::new();
    let token = api.token();
    let proof = api.proof(&token).sign();
    for cached in [false, true] {
        let alone = api.outcome(get(&token)).await;
        assert_eq!(alone, Err(SenderNotProven), "cached: {cached}");
        let bearer = format!("Bearer {token}");
        let with_proof = with_lines(&[("authorization", bearer), ("dpop", proof.clone())]);
        assert_eq!(api.outcome(with_proof).await, Err(SenderNotProven), "cached: {cached}");
    }
    assert_eq!(api.outcome(request(&token, &proof)).await, ACCEPTED, "the proof was not used up");
}

#[tokio::test(start_paused = true)]
async fn a_token_that_is_not_bound_is_rejected_under_the_scheme_dpop() {
    let api = DpopApi::new();
    let token = api.bearer_token();
    for cached in [false, true] {
        assert_eq!(api.outcome_of(&api.proof(&token)).await, Err(TokenNotBound), "cached: {cached}");
        let without_proof = with_lines(&[("authorization", format!("DPoP {token}"))]);
        assert_eq!(api.outcome(without_proof).await, Err(TokenNotBound), "cached: {cached}");
    }
    assert_eq!(api.outcome(get(&token)).await, ACCEPTED);
}

#[tokio::test(start_paused = true)]
async fn a_token_bound_to_a_certificate_only_is_rejected_under_the_scheme_dpop() {
    let certificate = ClientCertificate::from_der([1, 2, 3]);
    for (name, api, expected) in [
        ("no certificates are accepted", DpopApi::new(), SenderNotProven),
        ("they are", with_certificates(), TokenNotBound),
    ] {
        let token = api.unsigned_token().bound_to_certificate(certificate.der()).sign();
        let mut request = request_of(&api.proof(&token));
        request.extensions_mut().insert(certificate.clone());
        assert_eq!(api.outcome(request).await, Err(expected), "{name}");
    }
}

/// RFC 7800 section 3.1.
#[tokio::test(start_paused = true)]
async fn a_token_bound_to_a_key_and_a_certificate_needs_both() {
    let certificate = ClientCertificate::from_der([1, 2, 3]);
    let api = with_certificates();
    let token = api.unsigned_token().bound_to_key(&api.key).bound_to_certificate(certificate.der()).sign();
    let with_certificate = |mut request: Request<Full<Bytes>>| {
        request.extensions_mut().insert(certificate.clone());
        request
    };
    let proof = api.proof(&token);
    let without_proof = || with_lines(&[("authorization", format!("DPoP {token}"))]);
    for _ in 0..2 {
        assert_eq!(api.outcome_of(&proof).await, Err(CertificateMissing));
        assert_eq!(api.outcome(with_certificate(without_proof())).await, Err(ProofMissing));
        assert_eq!(api.outcome(with_certificate(get(&token))).await, Err(SenderNotProven));
    }
    assert_eq!(api.outcome(with_certificate(request_of(&proof))).await, ACCEPTED);
    let only_keys = DpopApi::new();
    let token = only_keys.unsigned_token();
    let token = token.bound_to_key(&only_keys.key).bound_to_certificate(certificate.der()).sign();
    let request = with_certificate(request_of(&only_keys.proof(&token)));
    assert_eq!(only_keys.outcome(request).await, Err(SenderNotProven), "the API reads no certificate");
}

#[tokio::test(start_paused = true)]
async fn a_confirmation_that_cannot_be_checked_makes_no_bearer_token() {
    let api = DpopApi::new();
    let jkt = api.key.thumbprint();
    for (cnf, expected) in [
        (json!("x"), ClaimIllTyped),
        (json!({}), ClaimIllTyped),
        (json!({"jkt": 1}), ClaimIllTyped),
        (json!({"jkt": null}), ClaimIllTyped),
        (json!({"jkt": ""}), ClaimIllTyped),
        (json!({"jkt": format!("{jkt}=")}), ClaimIllTyped),
        (json!({"jkt": [jkt]}), ClaimIllTyped),
        (json!([{"jkt": jkt}]), ClaimIllTyped),
        (json!({"kid": "key-1"}), SenderNotProven),
    ] {
        let token = api.unsigned_token().claim("cnf", cnf.clone()).sign();
        assert_eq!(api.outcome_of(&api.proof(&token)).await, Err(expected), "DPoP: {cnf}");
        assert_eq!(api.outcome(get(&token)).await, Err(expected), "Bearer: {cnf}");
    }
    let token = api.unsigned_token().claim("cnf", json!({"jkt": jkt, "kid": "key-1"})).sign();
    assert_eq!(api.outcome_of(&api.proof(&token)).await, ACCEPTED, "an unknown member beside jkt");
}

#[tokio::test(start_paused = true)]
async fn a_proof_beside_a_bearer_token_is_ignored() {
    let api = DpopApi::new();
    let token = api.bearer_token();
    let bearer = || ("authorization", format!("Bearer {token}"));
    let proof = || ("dpop", api.proof(&token).sign());
    for (name, lines) in [
        ("a valid proof", vec![bearer(), proof()]),
        ("no proof", vec![bearer(), ("dpop", "x".to_owned())]),
        ("nothing", vec![bearer(), ("dpop", String::new())]),
        ("two proofs", vec![bearer(), proof(), proof()]),
    ] {
        assert_eq!(api.outcome(with_lines(&lines)).await, ACCEPTED, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn where_dpop_is_required_bearer_is_another_scheme() {
    let api = DpopApi::required();
    let (bound, unbound) = (api.token(), api.bearer_token());
    for (name, request, expected) in [
        ("no credentials", anonymous("GET"), Err(Missing)),
        ("an unbound token as Bearer", get(&unbound), Err(Missing)),
        ("a bound token as Bearer", get(&bound), Err(Missing)),
        ("an unbound token as DPoP", request_of(&api.proof(&unbound)), Err(TokenNotBound)),
        ("a bound token as DPoP", request_of(&api.proof(&bound)), ACCEPTED),
    ] {
        assert_eq!(api.outcome(request).await, expected, "{name}");
    }
    let proof = api.proof(&bound).sign();
    let lines = [("authorization", format!("Bearer {bound}")), ("dpop", proof)];
    assert_eq!(api.outcome(with_lines(&lines)).await, Err(Missing), "a proof beside Bearer");
}

/// A token that is not in the `Authorization` header has no scheme.
#[tokio::test(start_paused = true)]
async fn where_dpop_is_required_no_other_place_of_a_token_gets_around_it() {
    const DPOP_ONLY: Schemes = Schemes { accepted: &["DPoP"], used: "DPoP" };
    let api = DpopApi::required();
    let view = api.auth.view().add_token_source(TokenSource::query()).build();
    for (token, expected) in [(api.bearer_token(), TokenNotBound), (api.token(), SenderNotProven)] {
        let form = Request::post(URL).header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        let form = form.body(Full::<Bytes>::from(format!("access_token={token}"))).unwrap();
        let route = FormBodyToken::up_to(64 * 1024).layer(api.auth.layer(Handler::default()));
        let response = send(route, form).await;
        assert_eq!(response.outcome_among(DPOP_ONLY), Err(expected), "in a form");
        // Whether or not such a view can be built.
        if let Ok(view) = &view {
            let request = Request::get(format!("{URL}?access_token={token}"));
            let response = send(view.layer(Handler::default()), request.body(Full::default()).unwrap()).await;
            assert_eq!(response.outcome_among(DPOP_ONLY), Err(expected), "in the query");
        }
        let rejection = api.auth.authenticate(&token).await.unwrap_err();
        assert_eq!(rejection.kind(), expected, "outside of a request");
    }
}

#[tokio::test(start_paused = true)]
async fn where_a_token_is_optional_a_presented_one_is_still_checked() {
    let api = DpopApi::configured(|_, builder| builder.dpop(Dpop::at(API)).optional());
    let token = api.token();
    let nobody = [anonymous("GET"), with_lines(&[("dpop", api.proof(&token).sign())])];
    for request in nobody {
        let response = api.api.send(request).await;
        assert_eq!(response.outcome(), ACCEPTED);
        assert!(response.token().is_none(), "a proof is no token");
    }
    let without_proof = with_lines(&[("authorization", format!("DPoP {token}"))]);
    assert_eq!(api.outcome(without_proof).await, Err(ProofMissing));
    assert_eq!(api.outcome(request(&token, "x")).await, Err(ProofMalformed));
    assert_eq!(api.outcome(get(&token)).await, Err(SenderNotProven));
    let response = api.get(&token).await;
    assert_eq!(response.assert_accepted("with its proof").subject(), Some("alice"));
}

#[tokio::test(start_paused = true)]
async fn a_token_that_comes_twice_gets_400() {
    let api =
        DpopApi::configured(|_, builder| builder.dpop(Dpop::at(API)).add_token_source(TokenSource::query()));
    let (bound, unbound) = (api.token(), api.bearer_token());
    let dpop = || ("authorization", format!("DPoP {bound}"));
    let bearer = || ("authorization", format!("Bearer {unbound}"));
    let proof = || ("dpop", api.proof(&bound).sign());
    for (name, lines) in [
        ("DPoP twice", [dpop(), dpop(), proof()]),
        ("DPoP, then Bearer", [dpop(), bearer(), proof()]),
        ("Bearer, then DPoP", [bearer(), dpop(), proof()]),
    ] {
        assert_eq!(outcome_alone(&api, with_lines(&lines)).await, Err(MalformedRequest), "{name}");
    }
    let mut in_query = with_lines(&[dpop(), proof()]);
    *in_query.uri_mut() = format!("{URL}?access_token={bound}").parse().unwrap();
    assert_eq!(outcome_alone(&api, in_query).await, Err(MalformedRequest), "and in the query");
}

/// The outcome, without a look at the challenges: the request has no scheme that is accepted, or two.
async fn outcome_alone(api: &DpopApi, request: Request<Full<Bytes>>) -> Outcome {
    api.api.send(request).await.rejection().map_or(ACCEPTED, |rejection| Err(rejection.kind()))
}

#[tokio::test(start_paused = true)]
async fn a_bound_token_in_the_query_is_rejected_like_one_under_bearer() {
    let api =
        DpopApi::configured(|_, builder| builder.dpop(Dpop::at(API)).add_token_source(TokenSource::query()));
    for (token, expected) in [(api.token(), Err(SenderNotProven)), (api.bearer_token(), ACCEPTED)] {
        let mut request = with_lines(&[("dpop", api.proof(&token).sign())]);
        *request.uri_mut() = format!("{URL}?access_token={token}").parse().unwrap();
        assert_eq!(api.outcome(request).await, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn the_scheme_is_compared_without_case() {
    let api = DpopApi::new();
    let token = api.token();
    for scheme in ["DPoP", "dpop", "DPOP", "dPOp", "DPoP  "] {
        let lines = [("authorization", format!("{scheme} {token}")), ("dpop", api.proof(&token).sign())];
        assert_eq!(api.outcome(with_lines(&lines)).await, ACCEPTED, "{scheme}");
    }
    for scheme in ["DPo", "DPoPx", "DPoP-Bearer"] {
        let lines = [("authorization", format!("{scheme} {token}")), ("dpop", api.proof(&token).sign())];
        assert_eq!(outcome_alone(&api, with_lines(&lines)).await, Err(Missing), "{scheme}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_in_proxy_authorization_is_not_read() {
    let api = DpopApi::new();
    let token = api.token();
    let mut request = request_of(&api.proof(&token));
    let headers: &mut HeaderMap = request.headers_mut();
    let credentials = headers.remove(AUTHORIZATION).unwrap();
    headers.insert(PROXY_AUTHORIZATION, credentials);
    assert_eq!(api.outcome(request).await, Err(Missing));
}

/// RFC 9449 section 4.3, item 1.
#[tokio::test(start_paused = true)]
async fn the_proof_is_on_one_line() {
    let api = DpopApi::new();
    let token = api.token();
    let dpop = || ("authorization", format!("DPoP {token}"));
    let (one, other) = (api.proof(&token).sign(), api.proof(&token).sign());
    for (name, lines) in [
        ("two proofs", vec![dpop(), ("dpop", one.clone()), ("dpop", other.clone())]),
        ("one proof twice", vec![dpop(), ("dpop", one.clone()), ("dpop", one.clone())]),
        ("a list", vec![dpop(), ("dpop", format!("{one}, {other}"))]),
        ("an empty line first", vec![dpop(), ("dpop", String::new()), ("dpop", one.clone())]),
        ("a space in front", vec![dpop(), ("dpop", format!(" {one}"))]),
        ("quotes", vec![dpop(), ("dpop", format!("\"{one}\""))]),
        ("JSON", vec![dpop(), ("dpop", format!("[\"{one}\"]"))]),
        ("too long", vec![dpop(), ("dpop", format!("{one}.{}", "A".repeat(4096)))]),
    ] {
        assert_eq!(api.outcome(with_lines(&lines)).await, Err(ProofMalformed), "{name}");
    }
    assert_eq!(api.outcome(request(&token, &one)).await, ACCEPTED);
}
