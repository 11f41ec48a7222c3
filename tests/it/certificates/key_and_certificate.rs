//! Certificates and DPoP in one API: a token that is bound to both needs both proofs (RFC 7800 section 3).

use http::header::WWW_AUTHENTICATE;
use tower_bearer::RejectionKind::{
    CertificateMismatch, CertificateMissing, Missing, ProofKeyMismatch, ProofMissing, SenderNotProven,
    TokenNotBound,
};
use tower_bearer::dpop::Dpop;
use tower_bearer::testing::{DpopKey, ProofBuilder};
use tower_bearer::{Rejection, RejectionKind};

use super::*;

const ORDERS: &str = "https://api.example.com/orders";

fn api() -> Api {
    Api::configured(|builder| builder.dpop(Dpop::at(API)).certificates(Certificates::of_connection()))
}

fn proof(key: &DpopKey, token: &str) -> ProofBuilder {
    key.proof("GET", ORDERS).token(token)
}

/// The request with the proof, under the scheme DPoP.
fn proven(proof: &ProofBuilder) -> ApiRequest {
    proof.request().body(Full::default()).unwrap()
}

/// The kind of the rejection, for responses with more than one challenge.
fn kind(response: &ApiResponse) -> Option<RejectionKind> {
    assert_eq!(response.rejection().is_none(), response.is_from_handler());
    response.rejection().map(Rejection::kind)
}

#[tokio::test(start_paused = true)]
async fn a_token_that_is_bound_to_a_key_and_a_certificate_needs_both() {
    let api = api();
    let (key, thief) = (api.idp.dpop_key(), api.idp.dpop_key());
    let token = api.idp.token(API).bound_to_key(&key).bound_to_certificate(client()).sign();
    let good = || proven(&proof(&key, &token));
    let mut without_proof = good();
    without_proof.headers_mut().remove("dpop");
    for (name, request, expected) in [
        ("both", over(&client(), good()), None),
        ("no certificate", good(), Some(CertificateMissing)),
        ("another certificate", over(OTHER, good()), Some(CertificateMismatch)),
        ("as a bearer token", over(&client(), get(&token)), Some(SenderNotProven)),
        ("as a bearer token, without certificate", get(&token), Some(SenderNotProven)),
        ("no proof", over(&client(), without_proof), Some(ProofMissing)),
        ("another key", over(&client(), proven(&proof(&thief, &token))), Some(ProofKeyMismatch)),
        ("both again", over(&client(), good()), None),
    ] {
        assert_eq!(kind(&api.send(request).await), expected, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_missing_certificate_does_not_use_up_the_proof() {
    let api = api();
    let key = api.idp.dpop_key();
    let token = api.idp.token(API).bound_to_key(&key).bound_to_certificate(client()).sign();
    let proven = proven(&proof(&key, &token));
    assert_eq!(kind(&api.send(proven.clone()).await), Some(CertificateMissing));
    assert_eq!(kind(&api.send(over(&client(), proven.clone())).await), None);
    assert_eq!(kind(&api.send(over(&client(), proven)).await), Some(RejectionKind::ProofReplayed));
}

#[tokio::test(start_paused = true)]
async fn a_token_is_bound_to_what_it_names_and_to_nothing_else() {
    let api = api();
    let key = api.idp.dpop_key();
    let of_certificate = api.bound();
    let of_key = api.idp.token(API).bound_to_key(&key).sign();
    for (name, request, expected) in [
        ("certificate, as Bearer", over(&client(), get(&of_certificate)), None),
        (
            "certificate, under DPoP",
            over(&client(), proven(&proof(&key, &of_certificate))),
            Some(TokenNotBound),
        ),
        ("key, under DPoP", proven(&proof(&key, &of_key)), None),
        ("key, under DPoP, with any certificate", over(OTHER, proven(&proof(&key, &of_key))), None),
        ("key, as Bearer with a certificate", over(&client(), get(&of_key)), Some(SenderNotProven)),
        ("neither, as Bearer", get(api.unbound()), None),
        ("neither, under DPoP", proven(&proof(&key, &api.unbound())), Some(TokenNotBound)),
    ] {
        assert_eq!(kind(&api.send(request).await), expected, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_introspected_token_that_is_bound_to_both_needs_both() {
    let idp = TestIssuer::new();
    let issuer = idp.issuer().introspect(idp.introspection().also_jwts());
    let builder = BearerAuth::builder(API).clock(idp.clock()).http_client(idp.http_client()).issuer(issuer);
    let auth = builder.dpop(Dpop::at(API)).certificates(Certificates::of_connection()).build().unwrap();
    let api = Api { protected: Protected::by(&auth), idp, auth };
    let key = api.idp.dpop_key();
    let token = || api.idp.token(API).bound_to_key(&key).bound_to_certificate(client());
    for token in [token().opaque(), token().sign()] {
        let good = || proven(&proof(&key, &token));
        assert_eq!(kind(&api.send(good()).await), Some(CertificateMissing));
        assert_eq!(kind(&api.send(over(&client(), get(&token))).await), Some(SenderNotProven));
        assert_eq!(kind(&api.send(over(&client(), good())).await), None);
    }
}

#[tokio::test(start_paused = true)]
async fn a_method_that_the_api_does_not_accept_is_never_skipped() {
    let only_certificates = Api::with(Certificates::of_connection());
    let only_keys = Api::configured(|builder| builder.dpop(Dpop::at(API)));
    for (name, api) in [("only certificates", &only_certificates), ("only keys", &only_keys)] {
        let key = api.idp.dpop_key();
        let both = api.idp.token(API).bound_to_key(&key).bound_to_certificate(client()).sign();
        let as_bearer = kind(&api.send(over(&client(), get(&both))).await);
        assert_eq!(as_bearer, Some(SenderNotProven), "{name}");
        let under_dpop = kind(&api.send(over(&client(), proven(&proof(&key, &both)))).await);
        let is_unknown_scheme = name == "only certificates";
        let expected = if is_unknown_scheme { Missing } else { SenderNotProven };
        assert_eq!(under_dpop, Some(expected), "{name}");
    }
    let other_method = over(&client(), get(only_keys.bound()));
    assert_eq!(kind(&only_keys.send(other_method).await), Some(SenderNotProven));
}

#[tokio::test(start_paused = true)]
async fn a_fault_of_the_certificate_is_named_in_the_challenge_of_the_scheme_that_was_used() {
    let api = api();
    let key = api.idp.dpop_key();
    let both = api.idp.token(API).bound_to_key(&key).bound_to_certificate(client()).sign();
    let failure = "error=\"invalid_token\", error_description=\"The access token is bound to a client \
                   certificate and none was presented\"";
    let algs = "algs=\"RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA Ed25519\"";
    let realm = "realm=\"https://api.example.com\"";
    for (request, expected) in [
        (get(api.bound()), [format!("Bearer {realm}, {failure}"), format!("DPoP {realm}, {algs}")]),
        (
            proven(&proof(&key, &both)),
            [format!("Bearer {realm}"), format!("DPoP {realm}, {failure}, {algs}")],
        ),
    ] {
        let response = api.send(request).await;
        assert_eq!(kind(&response), Some(CertificateMissing));
        let challenges: Vec<_> = response.headers().get_all(WWW_AUTHENTICATE).iter().collect();
        assert_eq!(challenges, expected.each_ref());
    }
}
