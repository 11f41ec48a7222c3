//! A public key that was parsed once and checks signatures many times (RFC 7515 section 5.2 step 8).
//!
//! Checks: the key fits the algorithm, the algorithm is allowed, the signature is good.
//!
//! Why: a key that names its algorithm is used with that one only (RFC 8725 section 3.1). An RSA
//! key that names none is used with whichever RSA algorithm the issuer is allowed and the token
//! says: many issuers leave `alg` out, and no pair of these algorithms can be confused.

use std::fmt;

use super::backend::BackendKey;
use super::{Algorithm, AlgorithmSet, Jwk, JwkFault};

/// The signature was not made with this key over this message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct SignatureMismatch;

/// A public key, ready to verify with each algorithm it may be used with.
pub(crate) struct VerifyingKey {
    algorithms: AlgorithmSet,
    /// At most six. `EdDSA` and `Ed25519` share one.
    keys: Box<[(Algorithm, BackendKey)]>,
}

impl VerifyingKey {
    /// The key of `jwk`, for the algorithms that fit it and are `allowed`.
    ///
    /// # Errors
    /// [`JwkFault::NotAllowed`] when none is left; [`JwkFault::MaterialInvalid`] when the backend
    /// takes no such key, as for a point that is not on its curve.
    pub(crate) fn new(jwk: &Jwk, allowed: AlgorithmSet) -> Result<Self, JwkFault> {
        let algorithms = jwk.algorithms().intersection(allowed);
        if algorithms.is_empty() {
            return Err(JwkFault::NotAllowed);
        }
        let distinct: AlgorithmSet = algorithms.iter().map(Algorithm::fully_specified).collect();
        let keys: Option<_> = distinct
            .iter()
            .map(|algorithm| Some((algorithm, BackendKey::parse(&jwk.material, algorithm)?)))
            .collect();
        Ok(Self { algorithms, keys: keys.ok_or(JwkFault::MaterialInvalid)? })
    }

    /// Whether this key may be used with `algorithm`.
    pub(crate) fn fits(&self, algorithm: Algorithm) -> bool {
        self.algorithms.contains(algorithm)
    }

    /// Verifies that `signature` is this key's over `message`, by `algorithm`.
    ///
    /// # Errors
    /// [`SignatureMismatch`], also when the key does not fit the algorithm.
    pub(crate) fn verify(
        &self,
        algorithm: Algorithm,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), SignatureMismatch> {
        self.backend_key(algorithm).ok_or(SignatureMismatch)?.verify(message, signature)
    }

    fn backend_key(&self, algorithm: Algorithm) -> Option<&BackendKey> {
        let name = algorithm.fully_specified();
        let (_, key) = self.keys.iter().find(|(of, _)| *of == name && self.fits(algorithm))?;
        Some(key)
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("VerifyingKey").field(&self.algorithms).finish()
    }
}
