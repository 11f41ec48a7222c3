//! The responses to requests that are rejected for their proof (RFC 9449 sections 7.1, 7.2 and 9).

use std::future::ready;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderName, Request, Response};
use http_body_util::Full;
use tower::Layer;
use tower_bearer::dpop::{Dpop, Nonces, ReplayStoreError};
use tower_bearer::resource_metadata::ResourceMetadata;
use tower_bearer::testing::ProofBuilder;
use tower_bearer::{Algorithm, BearerAuthBuilder, RejectionKind, Require};
use tower_http::cors::{Any, CorsLayer};

use super::StoreFn;
use crate::support::dpop::{DpopApi, URL, request_of};
use crate::support::protected::{API, ApiResponse, Handler, anonymous, as_grpc, get, send};

/// The error codes and the descriptions of the kinds that only DPoP raises.
const KINDS: [(RejectionKind, Option<&str>, &str); 16] = {
    use RejectionKind as K;
    const PROOF: Option<&str> = Some("invalid_dpop_proof");
    const TOKEN: Option<&str> = Some("invalid_token");
    [
        (
            K::SenderNotProven,
            TOKEN,
            "The access token is sender-constrained and its proof of possession is missing",
        ),
        (K::TokenNotBound, TOKEN, "The access token is not bound as this request requires"),
        (K::ProofMissing, PROOF, "The request has no DPoP proof"),
        (K::ProofMalformed, PROOF, "The DPoP proof is malformed"),
        (K::ProofAlgorithmNotAllowed, PROOF, "The signature algorithm of the DPoP proof is not allowed"),
        (K::ProofKeyMismatch, TOKEN, "The access token is bound to another key than that of the DPoP proof"),
        (K::ProofSignatureMismatch, PROOF, "The DPoP proof signature is invalid"),
        (K::ProofMethodMismatch, PROOF, "The DPoP proof is for another method"),
        (K::ProofUrlMismatch, PROOF, "The DPoP proof is for another URL"),
        (K::ProofTokenMismatch, PROOF, "The DPoP proof is for another access token"),
        (K::ProofExpired, PROOF, "The DPoP proof is too old"),
        (K::ProofIssuedInFuture, PROOF, "The DPoP proof was issued in the future"),
        (K::ProofNonceRequired, Some("use_dpop_nonce"), "The DPoP proof requires a nonce of this API"),
        (K::ProofReplayed, PROOF, "The DPoP proof was used before"),
        (K::ProofsTooMany, None, "The server cannot check more DPoP proofs at the moment"),
        (K::ReplayStoreUnavailable, None, "The DPoP proof cannot be checked at the moment"),
    ]
};

const METADATA_URL: &str = "https://api.example.com/.well-known/oauth-protected-resource";

/// The API that rejects requests as this kind.
fn rejecting(kind: RejectionKind, configure: impl FnOnce(BearerAuthBuilder) -> BearerAuthBuilder) -> DpopApi {
    let dpop = Dpop::at(API).algorithms([Algorithm::ES256, Algorithm::EdDSA]);
    let dpop = match kind {
        RejectionKind::ProofNonceRequired => dpop.nonces(Nonces::required()),
        RejectionKind::ProofsTooMany => {
            dpop.replay_store(StoreFn(|_| ready(Err(ReplayStoreError::full(Duration::from_secs(7))))))
        }
        RejectionKind::ReplayStoreUnavailable => {
            dpop.replay_store(StoreFn(|_| ready(Err(ReplayStoreError::new("down")))))
        }
        _ => dpop,
    };
    DpopApi::configured(|_, builder| configure(builder.dpop(dpop)))
}

/// The response to a request that is rejected as this kind.
async fn response(api: &DpopApi, kind: RejectionKind, request: Request<Full<Bytes>>) -> ApiResponse {
    if kind == RejectionKind::ProofReplayed {
        assert!(api.api.send(request.clone()).await.is_from_handler());
    }
    api.api.send(request).await
}

/// A request with this method that is rejected as this kind.
fn request(api: &DpopApi, kind: RejectionKind, method: &str) -> Request<Full<Bytes>> {
    use RejectionKind as K;
    let (token, other) = (api.token(), api.idp.dpop_key());
    let proof = api.key.proof(method, URL).token(&token);
    let changed: ProofBuilder = match kind {
        K::ProofAlgorithmNotAllowed => proof.header("alg", "ES384"),
        K::ProofKeyMismatch => other.proof(method, URL).token(&token),
        K::ProofSignatureMismatch => proof.signed_by(&other),
        K::ProofMethodMismatch => proof.claim("htm", "PUT"),
        K::ProofUrlMismatch => proof.claim("htu", "https://api.example.com/payments"),
        K::ProofTokenMismatch => proof.claim("ath", "A".repeat(43)),
        K::ProofExpired => proof.issued_ago(Duration::from_secs(600)),
        K::ProofIssuedInFuture => proof.issued_ahead(Duration::from_secs(600)),
        K::TokenNotBound => proof.token(&api.bearer_token()),
        _ => proof,
    };
    let mut request = request_of(&changed);
    let headers = request.headers_mut();
    match kind {
        K::SenderNotProven => drop(headers.insert(AUTHORIZATION, format!("Bearer {token}").parse().unwrap())),
        K::ProofMissing => drop(headers.remove("dpop")),
        K::ProofMalformed => drop(headers.insert("dpop", "a.b".parse().unwrap())),
        _ => {}
    }
    request
}

/// The challenges of a 401. `failure` is in that of the scheme used, `more` at the end of each.
fn challenges(kind: RejectionKind, failure: &str, more: &str) -> [String; 2] {
    let is_bearer = kind == RejectionKind::SenderNotProven;
    let (bearer, dpop) = if is_bearer { (failure, "") } else { ("", failure) };
    [
        format!(r#"Bearer realm="https://api.example.com"{bearer}{more}"#),
        format!(r#"DPoP realm="https://api.example.com"{dpop}, algs="ES256 EdDSA"{more}"#),
    ]
}

/// Asserts what does not depend on who writes the body: the headers, with these challenges.
#[track_caller]
fn check_headers(response: &ApiResponse, kind: RejectionKind, expected: &[String]) {
    let lines: Vec<&str> =
        response.headers().get_all(WWW_AUTHENTICATE).iter().map(|line| line.to_str().unwrap()).collect();
    let is_challenged = kind.status() == 401;
    assert_eq!(lines, if is_challenged { expected } else { &[] }, "{kind}");
    assert_eq!(response.rejection().unwrap().kind(), kind);
    assert!(!response.is_from_handler(), "{kind}");
    assert_eq!(response.header(CACHE_CONTROL), Some("no-store"), "{kind}");
    let retry_after = match kind {
        RejectionKind::ProofsTooMany => Some("7"),
        RejectionKind::ReplayStoreUnavailable => Some("1"),
        _ => None,
    };
    assert_eq!(response.header(RETRY_AFTER), retry_after, "{kind}");
    let nonces = response.headers().get_all("dpop-nonce").iter().count();
    assert_eq!(nonces, usize::from(kind == RejectionKind::ProofNonceRequired), "{kind}: DPoP-Nonce");
    assert_ne!(response.header("dpop-nonce"), Some("of-the-user"), "{kind}");
}

fn failure(error: Option<&str>, text: &str) -> String {
    format!(r#", error="{}", error_description="{text}""#, error.unwrap_or_default())
}

#[test]
fn the_table_has_every_kind_that_dpop_raises() {
    let is_of_dpop = |kind: &&RejectionKind| {
        let starts = ["proof", "replay_store", "sender_not_proven", "token_not_bound"];
        starts.iter().any(|start| kind.as_str().starts_with(start))
    };
    let expected: Vec<RejectionKind> = RejectionKind::ALL.iter().filter(is_of_dpop).copied().collect();
    assert_eq!(KINDS.map(|(kind, ..)| kind).to_vec(), expected);
}

#[tokio::test(start_paused = true)]
async fn every_kind_has_its_status_its_challenges_and_its_body() {
    for (kind, error, text) in KINDS {
        let api = rejecting(kind, |builder| builder);
        let response = response(&api, kind, request(&api, kind, "GET")).await;
        check_headers(&response, kind, &challenges(kind, &failure(error, text), ""));
        let status = if error.is_some() { 401 } else { 503 };
        assert_eq!(response.status(), status, "{kind}");
        assert_eq!(response.header(CONTENT_TYPE), Some("application/json"), "{kind}");
        let error = error.unwrap_or("temporarily_unavailable");
        let body = format!(r#"{{"error":"{error}","error_description":"{text}"}}"#);
        assert_eq!(response.body, body, "{kind}");
    }
}

#[tokio::test(start_paused = true)]
async fn every_challenge_names_the_resource_metadata() {
    let more = format!(r#", resource_metadata="{METADATA_URL}""#);
    for (kind, error, text) in KINDS {
        let api = rejecting(kind, |builder| builder.resource_metadata(ResourceMetadata::at(API)));
        let response = response(&api, kind, request(&api, kind, "GET")).await;
        check_headers(&response, kind, &challenges(kind, &failure(error, text), &more));
    }
}

#[tokio::test(start_paused = true)]
async fn omit_error_descriptions_leaves_only_error_codes() {
    for (kind, error, _) in KINDS {
        let api = rejecting(kind, BearerAuthBuilder::omit_error_descriptions);
        let response = response(&api, kind, request(&api, kind, "GET")).await;
        let failure = format!(r#", error="{}""#, error.unwrap_or_default());
        check_headers(&response, kind, &challenges(kind, &failure, ""));
        let body = format!(r#"{{"error":"{}"}}"#, error.unwrap_or("temporarily_unavailable"));
        assert_eq!(response.body, body, "{kind}");
    }
}

#[tokio::test(start_paused = true)]
async fn on_reject_replaces_the_body_and_no_header_of_the_protocol() {
    let write = |builder: BearerAuthBuilder| {
        builder.on_reject(|rejection, _| {
            let response = Response::builder()
                .header(CACHE_CONTROL, "max-age=600")
                .header(RETRY_AFTER, "9999")
                .header(WWW_AUTHENTICATE, "DPoP algs=\"none\"")
                .header("dpop-nonce", "of-the-user")
                .header("dpop-nonce", "of-the-user");
            response.body(Bytes::from(rejection.kind().as_str())).unwrap()
        })
    };
    for (kind, error, text) in KINDS {
        let api = rejecting(kind, write);
        let response = response(&api, kind, request(&api, kind, "GET")).await;
        check_headers(&response, kind, &challenges(kind, &failure(error, text), ""));
        assert_eq!(
            (response.status(), &response.body[..]),
            (kind.status().as_u16(), kind.as_str().as_bytes())
        );
    }
}

#[tokio::test(start_paused = true)]
async fn grpc_requests_get_the_same_challenges_and_nonces() {
    for (kind, error, text) in KINDS {
        let api = rejecting(kind, |builder| builder);
        let mut request = request(&api, kind, "POST");
        as_grpc(&mut request);
        let response = response(&api, kind, request).await;
        check_headers(&response, kind, &challenges(kind, &failure(error, text), ""));
        let status = if error.is_some() { "16" } else { "14" };
        assert_eq!((response.status(), response.header("grpc-status")), (200, Some(status)), "{kind}");
        assert_eq!(response.header("grpc-message"), Some(text), "{kind}");
        assert!(response.body.is_empty(), "{kind}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_without_credentials_gets_a_challenge_of_each_scheme_without_an_error() {
    let api = rejecting(RejectionKind::Missing, |builder| builder);
    for request in [anonymous("GET"), anonymous("HEAD"), {
        let mut request = anonymous("GET");
        request.headers_mut().insert("dpop", api.proof("").sign().parse().unwrap());
        request
    }] {
        let response = api.api.send(request).await;
        check_headers(&response, RejectionKind::Missing, &challenges(RejectionKind::Missing, "", ""));
    }
}

#[tokio::test(start_paused = true)]
async fn an_invalid_token_is_named_in_the_challenge_of_the_scheme_that_it_came_under() {
    let kind = RejectionKind::TokenExpired;
    let failure = failure(Some("invalid_token"), "The access token expired");
    let api = rejecting(kind, |builder| builder);
    let expired = api.unsigned_token().expired();
    let response = api.get(&expired.clone().bound_to_key(&api.key).sign()).await;
    check_headers(&response, kind, &challenges(kind, &failure, ""));
    let response = api.api.get(expired.sign()).await;
    check_headers(&response, kind, &challenges(RejectionKind::SenderNotProven, &failure, ""));
}

#[tokio::test(start_paused = true)]
async fn a_missing_scope_is_named_in_the_challenge_of_the_scheme_only() {
    let kind = RejectionKind::ScopeInsufficient;
    let api = rejecting(kind, |builder| builder);
    let route = api.auth.layer(Require::scope("orders:write").layer(Handler::default()));
    let text = "The access token lacks a required scope";
    let more = r#", scope="orders:write""#;
    for (name, request) in
        [("Bearer", get(api.bearer_token())), ("DPoP", request_of(&api.proof(&api.token())))]
    {
        let response = send(route.clone(), request).await;
        assert_eq!((response.status(), response.rejection().unwrap().kind()), (403, kind), "{name}");
        let algs = if name == "DPoP" { r#", algs="ES256 EdDSA""# } else { "" };
        let failure = failure(Some("insufficient_scope"), text);
        let line = format!(r#"{name} realm="{API}"{failure}{more}{algs}"#);
        assert_eq!(response.header(WWW_AUTHENTICATE), Some(&*line));
        assert_eq!(response.headers().get_all(WWW_AUTHENTICATE).iter().count(), 1, "{name}");
    }
}

/// RFC 9449 sections 7.1 and 8: scripts in a browser read the challenge and the nonce.
#[tokio::test(start_paused = true)]
async fn a_cors_layer_exposes_the_challenge_and_the_nonce() {
    let kind = RejectionKind::ProofNonceRequired;
    let api = rejecting(kind, |builder| builder);
    let nonce = HeaderName::from_static("dpop-nonce");
    let cors = CorsLayer::new().allow_origin(Any).expose_headers([WWW_AUTHENTICATE, nonce]);
    let app = cors.layer(api.auth.layer(Handler::default()));
    let mut request = request(&api, kind, "GET");
    request.headers_mut().insert("origin", "https://app.example".parse().unwrap());
    let response = send(app, request).await;
    let exposed = response.header("access-control-expose-headers");
    assert_eq!(exposed, Some("www-authenticate,dpop-nonce"));
    assert!(response.header("dpop-nonce").is_some() && response.header(WWW_AUTHENTICATE).is_some());
}

/// RFC 9470 section 3.
#[tokio::test(start_paused = true)]
async fn a_weak_authentication_is_named_in_the_challenge_of_the_scheme() {
    let kind = RejectionKind::AuthenticationInsufficient;
    let api = rejecting(kind, |builder| builder);
    let route = api.auth.layer(Require::token().acr_any(["mfa"]).layer(Handler::default()));
    let response = send(route, request_of(&api.proof(&api.token()))).await;
    let text = "A stronger or more recent user authentication is required";
    let failure = failure(Some("insufficient_user_authentication"), text);
    check_headers(&response, kind, &challenges(kind, &format!(r#"{failure}, acr_values="mfa""#), ""));
}
