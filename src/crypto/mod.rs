//! Signature algorithms, private keys of OAuth clients, and the cryptographic backends.
//!
//! [`Algorithm`] names the signature algorithms that an [`Issuer`](crate::Issuer) may use. [`PrivateKey`] is
//! the key that this API authenticates with at an introspection endpoint, and [`HmacAlgorithm`] the way to do
//! so with a client secret.
//!
//! ```
//! use tower_bearer::crypto::{Algorithm, PrivateKey, PrivateKeyError};
//! use tower_bearer::{ClientAuth, Introspection, Issuer};
//!
//! # #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
//! fn main() -> Result<(), PrivateKeyError> {
//!     // In production, read the PEM from a file or a secret store. This is the example key of RFC 8410.
//!     let pem = "-----BEGIN PRIVATE KEY-----\n\
//!         MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n\
//!         -----END PRIVATE KEY-----\n";
//!     let key = PrivateKey::from_pkcs8_pem(Algorithm::EdDSA, pem)?.key_id("2026-01");
//!
//!     let issuer = Issuer::discover("https://login.example.com/realms/acme")
//!         .algorithms([Algorithm::ES256, Algorithm::EdDSA])
//!         .introspect(Introspection::with(ClientAuth::private_key_jwt("orders-api", key)));
//! #   drop(issuer);
//!     Ok(())
//! }
//! # #[cfg(not(any(feature = "aws-lc-rs", feature = "rust-crypto")))]
//! # fn main() {}
//! ```
//!
//! # Backends
//!
//! Cargo features select the backend: `aws-lc-rs` (default) or `rust-crypto`. With both on, aws-lc-rs is
//! used. With neither, the crate compiles, but constructing an `Issuer` is a compile-time error.

mod algorithm;
#[cfg(feature = "aws-lc-rs")]
mod aws_lc_rs;
mod backend;
mod hmac_algorithm;
mod jwk;
mod key;
#[cfg(not(any(feature = "aws-lc-rs", feature = "rust-crypto")))]
mod no_backend;
mod private_key;
#[cfg(any(test, feature = "test-util"))]
mod public_key;
#[cfg(feature = "rust-crypto")]
#[cfg_attr(
    feature = "aws-lc-rs",
    allow(dead_code, unused_imports, reason = "with both backends on, aws-lc-rs is used")
)]
mod rust_crypto;
mod signature_mismatch;
mod signing;
#[cfg(test)]
pub(crate) mod tests;

pub use algorithm::Algorithm;
pub(crate) use algorithm::{AlgorithmSet, KeyAlgorithms};
pub(crate) use backend::{hmac, random_text, sha256};
pub use hmac_algorithm::HmacAlgorithm;
pub(crate) use jwk::{Jwk, JwkFault, TENANT_ID};
pub(crate) use key::VerifyingKey;
pub use private_key::{PrivateKey, PrivateKeyError};
pub(crate) use signature_mismatch::SignatureMismatch;
#[cfg(any(test, feature = "test-util"))]
pub(crate) use signing::SigningKey;

/// Whether this build has a backend. Constructors assert it at compile time.
pub(crate) const AVAILABLE: bool = cfg!(any(feature = "aws-lc-rs", feature = "rust-crypto"));
