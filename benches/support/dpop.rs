//! DPoP clients, whose requests have a proof of their own each.

use std::cell::RefCell;

use http::HeaderValue;
use tower::{Layer, Service, ServiceExt};
use tower_bearer::testing::{DpopKey, TestIssuer};
use tower_bearer::{Algorithm, BearerAuth};

use super::request::{Body, Empty, Orders, bare_request, finish, opaque, typical_request};
use super::signature::proof_checks;
use super::token::{API, token};

/// A client with a token that is bound to its key.
pub(crate) struct DpopClient {
    key: DpopKey,
    algorithm: Algorithm,
    token: String,
}

impl DpopClient {
    pub(crate) fn new(issuer: &TestIssuer, algorithm: Algorithm) -> Self {
        let key = DpopKey::with_algorithm(algorithm).clock(issuer.clock());
        let token = token(issuer).bound_to_key(&key).sign();
        Self { key, algorithm, token }
    }

    /// Signs a proof for a GET request to this path.
    pub(crate) fn proof(&self, path: &str) -> String {
        self.key.proof("GET", &format!("{API}{path}")).token(&self.token).sign()
    }

    /// A closure that verifies the signatures of these proofs in turn.
    pub(crate) fn checks(&self, proofs: &[String]) -> impl Fn() + use<> {
        proof_checks(&self.key, self.algorithm, proofs)
    }

    /// A closure that sends a bare request with each of these proofs, for the path `/`.
    pub(crate) fn bare(&self, auth: &BearerAuth, proofs: &[String]) -> impl Fn() + use<> {
        let (service, next) = (RefCell::new(auth.layer(Empty)), self.credentials(proofs));
        move || {
            let [authorization, proof] = next();
            let mut request = bare_request(Some(authorization));
            request.headers_mut().insert("dpop", proof);
            finish(service.borrow_mut().call(opaque(request)), 200);
        }
    }

    /// A closure that sends a typical request with each of these proofs.
    pub(crate) fn typical(&self, auth: &BearerAuth, proofs: &[String]) -> impl Fn() + use<> {
        let (service, next) = (auth.layer(Orders), self.credentials(proofs));
        move || {
            let [authorization, proof] = next();
            let mut request = typical_request::<Body>(Some(authorization));
            request.headers_mut().insert("dpop", proof);
            finish(service.clone().oneshot(opaque(request)), 200);
        }
    }

    /// A closure that returns the header values of the next request.
    fn credentials(&self, proofs: &[String]) -> impl Fn() -> [HeaderValue; 2] + use<> {
        let header = |text: &str| HeaderValue::from_str(text).expect("a header value");
        let authorization = header(&format!("DPoP {}", self.token));
        let proofs: Vec<_> = proofs.iter().map(|proof| header(proof)).collect();
        let proofs = RefCell::new(proofs.into_iter());
        move || [authorization.clone(), proofs.borrow_mut().next().expect("a proof for each request")]
    }
}
