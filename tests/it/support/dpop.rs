//! An API that accepts DPoP proofs, and a client with the key that its tokens are bound to.

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http::header::AUTHORIZATION;
use http_body_util::Full;
use tower_bearer::dpop::Dpop;
use tower_bearer::testing::{DpopKey, ProofBuilder, TestIssuer, TokenBuilder};
use tower_bearer::{BearerAuth, BearerAuthBuilder};

use super::app::issuer;
use super::protected::{API, ApiResponse, ISSUER, Outcome, Protected, Schemes};

/// The URL of most requests.
pub(crate) const URL: &str = "https://api.example.com/orders";

/// An API with DPoP, the test issuer that it trusts, and the key of a client. The clock stands still.
#[derive(Clone)]
pub(crate) struct DpopApi {
    pub(crate) idp: TestIssuer,
    pub(crate) auth: BearerAuth,
    pub(crate) api: Protected,
    pub(crate) key: DpopKey,
    accepted: &'static [&'static str],
}

impl DpopApi {
    /// Accepts bearer tokens and DPoP. All settings have their defaults.
    pub(crate) fn new() -> Self {
        Self::with(|dpop| dpop)
    }

    /// Changes the settings of DPoP.
    pub(crate) fn with(configure: impl FnOnce(Dpop) -> Dpop) -> Self {
        Self::configured(|_, builder| builder.dpop(configure(Dpop::at(API))))
    }

    /// Accepts DPoP only.
    pub(crate) fn required() -> Self {
        Self { accepted: &["DPoP"], ..Self::with(Dpop::required) }
    }

    /// Changes the settings of the layer. They must accept bearer tokens and DPoP.
    pub(crate) fn configured(
        configure: impl FnOnce(&TestIssuer, BearerAuthBuilder) -> BearerAuthBuilder,
    ) -> Self {
        let idp = issuer(ISSUER);
        let auth = configure(&idp, idp.bearer_auth(API)).build().unwrap();
        let (api, key) = (Protected::by(&auth), idp.dpop_key());
        Self { idp, auth, api, key, accepted: &["Bearer", "DPoP"] }
    }

    /// The same issuer and client, with another layer.
    pub(crate) fn behind(&self, auth: BearerAuth) -> Self {
        Self { api: Protected::by(&auth), auth, ..self.clone() }
    }

    /// The same API, called by a client with this key.
    pub(crate) fn called_with(&self, key: DpopKey) -> Self {
        Self { key, ..self.clone() }
    }

    /// The same API, called by a client with a new key.
    pub(crate) fn called_by_another(&self) -> Self {
        self.called_with(self.idp.dpop_key())
    }

    /// A new token that is bound to the key of the client, valid for an hour.
    pub(crate) fn token(&self) -> String {
        self.unsigned_token().bound_to_key(&self.key).sign()
    }

    /// A new token that is bound to nothing.
    pub(crate) fn bearer_token(&self) -> String {
        self.unsigned_token().sign()
    }

    /// A new token that is bound to nothing, before it is signed.
    pub(crate) fn unsigned_token(&self) -> TokenBuilder {
        self.idp.token(API).subject("alice").lifetime(Duration::from_secs(3600))
    }

    /// A new proof of the client for a GET with this token.
    pub(crate) fn proof(&self, token: &str) -> ProofBuilder {
        self.key.proof("GET", URL).token(token)
    }

    /// The outcome of the request that the proof is for.
    pub(crate) async fn outcome_of(&self, proof: &ProofBuilder) -> Outcome {
        self.outcome(request_of(proof)).await
    }

    /// The response to a request with this token and a new proof.
    pub(crate) async fn get(&self, token: &str) -> ApiResponse {
        self.api.send(request_of(&self.proof(token))).await
    }

    /// Sends a request and checks the whole response.
    pub(crate) async fn outcome(&self, request: Request<Full<Bytes>>) -> Outcome {
        let schemes = self.schemes(&request);
        self.api.send(request).await.outcome_among(schemes)
    }

    /// The schemes that the API accepts, and the one whose challenge names the failure of this request.
    pub(crate) fn schemes<B>(&self, request: &Request<B>) -> Schemes {
        let credentials =
            request.headers().get(AUTHORIZATION).map(|line| line.as_bytes().to_ascii_lowercase());
        let is_dpop = credentials.is_some_and(|line| line.starts_with(b"dpop"));
        let used = if is_dpop { "DPoP" } else { self.accepted[0] };
        Schemes { accepted: self.accepted, used }
    }
}

/// The request that the proof is for.
pub(crate) fn request_of(proof: &ProofBuilder) -> Request<Full<Bytes>> {
    proof.request().body(Full::default()).unwrap()
}

/// A GET to [`URL`] with this token and this text as its proof.
pub(crate) fn request(token: &str, proof: &str) -> Request<Full<Bytes>> {
    let request = Request::get(URL).header(AUTHORIZATION, format!("DPoP {token}"));
    request.header("dpop", proof).body(Full::default()).unwrap()
}
