//! Verifies the proof of a request (RFC 9449 sections 4.3 and 7.1).
//!
//! Checks: everything except replay. The caller records the use last.
//! Does not check: the token. The caller has validated it, so a proof for an invalid one is not used up.
//!
//! Why no comparison takes constant time: the values are public, except the nonce, which `nonce.rs` compares.

use std::fmt;
use std::time::Duration;

use http::HeaderValue;
use http::request::Parts;

use super::fault::{Malformation, ProofFault};
use super::nonce::{MAX_NONCE_AGE, NonceIssuer};
use super::proof::{self, ProofClaims, ProofHeader};
use super::replay::{ProofUse, Replay};
use super::target::TargetPolicy;
use crate::access_token::{ProofKey, Sender, Thumbprint};
use crate::crypto::{Algorithm, AlgorithmSet, Jwk, VerifyingKey};
use crate::jwt::compact::Compact;
use crate::jwt::header::HeaderPolicy;
use crate::time::NumericDate;

/// The longest header that is cached with the token, still encoded. One with an RSA key of 4096 bits has
/// about 1050 bytes. A client can make its header longer, and must not fill the memory that way.
const MAX_CACHED_HEADER_BYTES: usize = 1536;

/// The checks of proofs, from the settings in [`Dpop`](super::Dpop).
pub(crate) struct Verifier {
    pub(super) is_required: bool,
    pub(super) headers: HeaderPolicy,
    pub(super) algs: Box<str>,
    pub(super) targets: TargetPolicy,
    pub(super) window: Window,
    pub(super) nonces: Option<NonceIssuer>,
    pub(super) replay: Replay,
}

/// A proof that passed every check but that for replay.
#[derive(Debug)]
pub(crate) struct Verified {
    /// The use to record. The request is accepted only if it is the first.
    pub(crate) proof: ProofUse,
    /// The nonce for the next proof of the client, if it used an older one.
    pub(crate) fresh_nonce: Option<HeaderValue>,
}

impl Verifier {
    /// Whether tokens that are not bound to a key are rejected.
    pub(crate) fn is_required(&self) -> bool {
        self.is_required
    }

    /// The allowed algorithms, delimited by spaces: the `algs` of challenges (RFC 9449 section 7.1).
    pub(crate) fn algs(&self) -> &str {
        &self.algs
    }

    /// The base URLs, as expected in `htu`.
    pub(crate) fn bases(&self) -> impl Iterator<Item = &str> {
        self.targets.bases.iter().map(|base| &*base.text)
    }

    /// When a proof is accepted.
    pub(crate) fn window(&self) -> Window {
        self.window
    }

    /// How long one proof is accepted at most.
    pub(crate) fn max_proof_lifetime(&self) -> Duration {
        max_proof_lifetime(self.window, self.nonces.is_some())
    }

    /// The replay store.
    pub(crate) fn replay(&self) -> &Replay {
        &self.replay
    }

    /// Verifies the proof of the request with this head, for the token of `sender`.
    ///
    /// # Errors
    /// The first [`ProofFault`] in the order of the module documentation. Never one of those about the use of
    /// the proof.
    pub(crate) fn verify(
        &self,
        head: &Parts,
        sender: &Sender,
        now: NumericDate,
    ) -> Result<Verified, ProofFault> {
        let proof = proof::find(&head.headers)?;
        let json = proof.claims().map_err(|_| Malformation::NotCompactJws)?;
        let jkt = sender.confirmation.jkt.as_ref().ok_or(ProofFault::KeyMismatch)?;
        self.verify_signature(proof, sender, jkt)?;
        let claims = ProofClaims::parse(&json)?;
        let target = self.targets.find(head)?;
        target.check_method(claims.htm()?)?;
        target.check_url(claims.htu()?)?;
        check_token_hash(claims.ath()?, sender)?;
        let jti = claims.jti()?;
        let (expires_at, fresh_nonce) = self.check_time(&claims, now)?;
        Ok(Verified { proof: ProofUse::new(jkt, jti, expires_at), fresh_nonce })
    }

    fn verify_signature(
        &self,
        proof: Compact<'_>,
        sender: &Sender,
        jkt: &Thumbprint,
    ) -> Result<(), ProofFault> {
        // Fast path: a header that was verified before is not parsed again.
        let is_known = |key: &&ProofKey| {
            *key.header == *proof.encoded_header() && self.headers.algorithms.contains(key.algorithm)
        };
        if let Some(key) = sender.proof_key.get().filter(is_known) {
            return verify_with(key, proof);
        }
        let key = self.proof_key(proof, jkt)?;
        verify_with(&key, proof)?;
        if key.header.len() <= MAX_CACHED_HEADER_BYTES {
            // Another request may have been faster.
            let _ = sender.proof_key.set(key);
        }
        Ok(())
    }

    /// The key in the header, if the token is bound to it.
    fn proof_key(&self, proof: Compact<'_>, jkt: &Thumbprint) -> Result<ProofKey, ProofFault> {
        let json = proof.header().map_err(|_| Malformation::NotCompactJws)?;
        let header = ProofHeader::parse(&json)?;
        header.check_type(&self.headers)?;
        header.check_algorithm(&self.headers)?;
        let jwk = header.jwk()?;
        // Before the backend parses the key, because anyone can send keys.
        check_thumbprint(&jwk, jkt)?;
        parse_key(&jwk, header.jose.algorithm, proof)
    }

    /// The first moment at which the proof is rejected, and the nonce to send.
    pub(super) fn check_time(
        &self,
        claims: &ProofClaims<'_>,
        now: NumericDate,
    ) -> Result<(NumericDate, Option<HeaderValue>), ProofFault> {
        let iat = claims.iat()?;
        match &self.nonces {
            Some(nonces) => check_nonce(nonces, claims.nonce(), now),
            None => Ok((self.window.check(iat.ok_or(Malformation::Claim("iat"))?, now)?, None)),
        }
    }
}

/// How long one proof is accepted at most. With nonces, the nonce decides.
pub(super) fn max_proof_lifetime(window: Window, has_nonces: bool) -> Duration {
    if has_nonces { MAX_NONCE_AGE } else { window.duration() }
}

/// The moment at which the nonce expires, and the nonce to send if this one is not the newest.
pub(super) fn check_nonce(
    nonces: &NonceIssuer,
    nonce: Option<&str>,
    now: NumericDate,
) -> Result<(NumericDate, Option<HeaderValue>), ProofFault> {
    let accepted = nonce.and_then(|nonce| nonces.check(nonce, now));
    let accepted = accepted.ok_or_else(|| ProofFault::NonceRequired(nonces.current(now)))?;
    let fresh_nonce = (!accepted.is_current).then(|| nonces.current(now));
    Ok((accepted.expires_at, fresh_nonce))
}

pub(super) fn check_thumbprint(jwk: &Jwk, jkt: &Thumbprint) -> Result<(), ProofFault> {
    if jwk.thumbprint() == *jkt { Ok(()) } else { Err(ProofFault::KeyMismatch) }
}

pub(super) fn check_token_hash(ath: &str, sender: &Sender) -> Result<(), ProofFault> {
    if *ath == *sender.ath { Ok(()) } else { Err(ProofFault::TokenMismatch) }
}

/// The key in the header of `proof`, for signatures with this algorithm.
pub(super) fn parse_key(jwk: &Jwk, algorithm: Algorithm, proof: Compact<'_>) -> Result<ProofKey, ProofFault> {
    let only: AlgorithmSet = [algorithm].into_iter().collect();
    let key = VerifyingKey::new(jwk, only)?;
    Ok(ProofKey { header: proof.encoded_header().into(), algorithm, key })
}

pub(super) fn verify_with(key: &ProofKey, proof: Compact<'_>) -> Result<(), ProofFault> {
    let signature = proof.signature().map_err(|_| Malformation::NotCompactJws)?;
    let verified = key.key.verify(key.algorithm, proof.signing_input(), &signature);
    verified.map_err(|_| ProofFault::SignatureMismatch)
}

/// When a proof is accepted: from the leeway before its `iat`, that moment included, to the maximum age and
/// the leeway after it, that moment excluded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    pub(super) max_age: Duration,
    pub(super) leeway: Duration,
}

impl Window {
    /// How long one proof is accepted at most.
    pub(super) fn duration(self) -> Duration {
        self.max_age.saturating_add(self.leeway).saturating_add(self.leeway)
    }

    /// The first moment at which a proof with this `iat` is rejected again.
    ///
    /// # Errors
    /// [`ProofFault::IssuedInFuture`], [`ProofFault::Expired`].
    pub(super) fn check(self, iat: NumericDate, now: NumericDate) -> Result<NumericDate, ProofFault> {
        if iat > now.later(self.leeway) {
            return Err(ProofFault::IssuedInFuture);
        }
        let end = iat.later(self.max_age).later(self.leeway);
        if now >= end { Err(ProofFault::Expired) } else { Ok(end) }
    }
}

/// The rule for `iat`, for a log or a terminal.
impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { max_age, leeway } = self;
        write!(f, "at most {} s ago, leeway {} s", max_age.as_secs(), leeway.as_secs())
    }
}
