//! A public key that is parsed once and verifies many signatures (RFC 7515 section 5.2 step 8).
//!
//! Checks: the key fits the algorithm, the algorithm is allowed, the signature is valid.
//!
//! Why: a key with an `alg` is used with that algorithm only (RFC 8725 section 3.1). An RSA key without `alg`
//! is used with any allowed RSA algorithm that the token names. Many authorization servers omit `alg`, and a
//! signature by one RSA algorithm never verifies under another.

use std::fmt;

use super::algorithm::{Algorithm, AlgorithmSet};
use super::backend::BackendKey;
use super::jwk::{Jwk, JwkFault};
use super::signature_mismatch::SignatureMismatch;

/// A public key, parsed by the backend for each algorithm that it may be used with.
pub(crate) struct VerifyingKey {
    algorithms: AlgorithmSet,
    /// At most six entries. `EdDSA` and `Ed25519` share one.
    keys: Box<[(Algorithm, BackendKey)]>,
}

impl VerifyingKey {
    /// The key in `jwk`, for those of its algorithms that are `allowed`.
    ///
    /// # Errors
    /// [`JwkFault::NotAllowed`] if no algorithm is left. [`JwkFault::MaterialInvalid`] if the backend rejects
    /// the key, as it does for a point that is not on its curve.
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

    /// Verifies the signature of this key over `message`.
    ///
    /// # Errors
    /// [`SignatureMismatch`], also if the key does not fit the algorithm.
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
