//! The client that the tokens of a response are bound to: by the key of its DPoP proof (RFC 9449 section 5),
//! and by the certificate of its connection (RFC 8705 section 3).
//!
//! Checks: at most one proof; its `typ` and `jwk`; its signature; `htm` and, exactly, `htu`; `iat` is at most
//! a minute from the clock of the issuer; `jti` is new for this key.
//!
//! Does not check: a `nonce`. The token endpoint never requires one.

use bytes::Bytes;
use http::{HeaderName, Request};
use serde_json::{Map, Value};

use super::oauth_error::OAuthError;
use crate::crypto::{AlgorithmSet, Jwk, VerifyingKey};
use crate::encoding::json;
use crate::jwt::compact::Compact;
use crate::jwt::header::Header;
use crate::testing::fault::Endpoint;
use crate::testing::server::{PresentedCertificate, State, UnsignedToken};
use crate::testing::thumbprint;

const DPOP: HeaderName = HeaderName::from_static("dpop");

/// The greatest difference between the `iat` of a proof and the clock, in seconds.
const MAX_DIFFERENCE: u64 = 60;

/// The thumbprints of a client. A bearer token has none.
pub(super) struct Sender {
    key: Option<String>,
    certificate: Option<String>,
}

impl Sender {
    /// Binds a token to this client. Without a key and a certificate, the token stays as it is.
    pub(super) fn bind(self, token: &mut UnsignedToken) {
        for (method, thumbprint) in [("jkt", self.key), ("x5t#S256", self.certificate)] {
            thumbprint.into_iter().for_each(|thumbprint| token.bind(method, thumbprint));
        }
    }
}

impl State {
    /// The client that has sent a request to the token endpoint. Records its proof as used.
    ///
    /// # Errors
    /// [`OAuthError::InvalidDpopProof`].
    pub(super) fn sender(&self, request: &Request<Bytes>) -> Result<Sender, OAuthError> {
        let binds_to_certificates = self.lock().binds_to_certificates;
        let presented = request.extensions().get::<PresentedCertificate>().filter(|_| binds_to_certificates);
        let certificate = presented.and_then(PresentedCertificate::thumbprint);
        Ok(Sender { key: self.proof_key(request)?, certificate: certificate.map(str::to_owned) })
    }

    /// The thumbprint of the key in the proof. `None` without a proof.
    fn proof_key(&self, request: &Request<Bytes>) -> Result<Option<String>, OAuthError> {
        let mut lines = request.headers().get_all(DPOP).iter();
        let proof = match (lines.next(), lines.next()) {
            (None, _) => return Ok(None),
            (Some(proof), None) => self.verify_proof(proof.as_bytes()),
            (Some(_), Some(_)) => None,
        };
        proof.map(Some).ok_or(OAuthError::InvalidDpopProof)
    }

    fn verify_proof(&self, proof: &[u8]) -> Option<String> {
        let proof = Compact::parse(proof).ok()?;
        let jwk = verify_signature(&proof)?;
        let claims: Map<String, Value> = json::parse(proof.claims().ok()?.as_bytes()).ok()?;
        let text = |name| claims.get(name).and_then(Value::as_str);
        let issued_at = claims.get("iat").and_then(Value::as_u64)?;
        let is_valid = text("htm") == Some("POST")
            && text("htu") == Some(&self.address().url(Endpoint::Token))
            && issued_at.abs_diff(self.now()) <= MAX_DIFFERENCE;
        let thumbprint = thumbprint::of_jwk(&jwk);
        let is_new = is_valid && self.lock().clients.record_proof(&thumbprint, text("jti")?);
        is_new.then_some(thumbprint)
    }
}

/// The public key in the header of a proof that has signed the proof.
fn verify_signature(proof: &Compact<'_>) -> Option<Value> {
    let octets = proof.header().ok()?;
    let header = Header::parse(&octets).ok().filter(|header| header.typ.as_deref() == Some("dpop+jwt"))?;
    let jwk = json::parse::<Map<String, Value>>(&octets).ok()?.remove("jwk")?;
    let key = Jwk::parse(jwk.to_string().as_bytes()).ok()?;
    let key = VerifyingKey::new(&key, AlgorithmSet::ALL).ok()?;
    key.verify(header.algorithm, proof.signing_input(), &proof.signature().ok()?).ok()?;
    Some(jwk)
}
