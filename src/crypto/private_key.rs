//! The private key of an OAuth client, read from PEM (RFC 7468 section 10, RFC 5958).
//!
//! Checks: the key is unencrypted PKCS#8 and fits its algorithm; an RSA modulus has 2048 to 8192 bits.
//!
//! Does not check: that the authorization server has the matching public key.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;
use zeroize::Zeroizing;

use super::algorithm::Algorithm;
use super::signing::SigningKey;

/// A private key for [`ClientAuth::private_key_jwt`](crate::ClientAuth::private_key_jwt).
///
/// Clones share one key. `Debug` shows the algorithm and the `kid`, never the key.
///
/// With the backend `rust-crypto` alone, signing with an RSA key leaks timing (RUSTSEC-2023-0071). Use an EC
/// or Ed25519 key there, or enable the feature `aws-lc-rs`.
///
/// ```
/// use tower_bearer::crypto::{PrivateKey, PrivateKeyError};
/// use tower_bearer::{Algorithm, ClientAuth};
///
/// fn client_auth(pem: &str) -> Result<ClientAuth, PrivateKeyError> {
///     let key = PrivateKey::from_pkcs8_pem(Algorithm::ES256, pem)?;
///     Ok(ClientAuth::private_key_jwt("orders-api", key.key_id("2026-01")))
/// }
/// # assert!(client_auth("").is_err());
/// ```
#[derive(Clone)]
#[must_use]
pub struct PrivateKey {
    key: Arc<SigningKey>,
    key_id: Option<String>,
}

/// Why a text is not a usable [`PrivateKey`].
///
/// `Display` says how to fix it and never shows any part of the key.
///
/// ```
/// use tower_bearer::Algorithm;
/// use tower_bearer::crypto::{PrivateKey, PrivateKeyError};
///
/// let error = PrivateKey::from_pkcs8_pem(Algorithm::RS256, "/run/secrets/key.pem").unwrap_err();
/// assert_eq!(error, PrivateKeyError::NotFound); // a path instead of the contents of the file
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum PrivateKeyError {
    /// The key is encrypted with a password.
    Encrypted,
    /// The text contains no PEM section with a private key.
    NotFound,
    /// The key is PKCS#1 (`BEGIN RSA PRIVATE KEY`) or SEC 1 (`BEGIN EC PRIVATE KEY`) instead of PKCS#8.
    NotPkcs8,
    /// The key does not fit this algorithm, is damaged, or is an RSA key with under 2048 or over 8192 bits.
    Unfit {
        /// The algorithm that was passed with the key.
        algorithm: Algorithm,
    },
}

impl PrivateKey {
    /// Reads the first private key in `pem`, to sign with `algorithm`.
    ///
    /// `pem` is the text of a file with a section `-----BEGIN PRIVATE KEY-----`: unencrypted PKCS#8 (RFC
    /// 5208, RFC 5958). Other sections, such as certificates, are skipped. To convert a key of another
    /// format, run `openssl pkcs8 -topk8 -nocrypt -in key.pem`.
    ///
    /// ```
    /// use tower_bearer::Algorithm;
    /// use tower_bearer::crypto::{PrivateKey, PrivateKeyError};
    ///
    /// // The example key of RFC 8410 section 10.3.
    /// let pem = "-----BEGIN PRIVATE KEY-----\n\
    ///     MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n\
    ///     -----END PRIVATE KEY-----\n";
    /// # #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))] {
    /// assert!(PrivateKey::from_pkcs8_pem(Algorithm::EdDSA, pem).is_ok());
    ///
    /// let error = PrivateKey::from_pkcs8_pem(Algorithm::RS256, pem).unwrap_err();
    /// assert_eq!(error, PrivateKeyError::Unfit { algorithm: Algorithm::RS256 });
    /// # }
    /// ```
    ///
    /// # Errors
    /// - [`PrivateKeyError::Encrypted`]: the key is encrypted.
    /// - [`PrivateKeyError::NotFound`]: `pem` contains no private key.
    /// - [`PrivateKeyError::NotPkcs8`]: the key is PKCS#1 or SEC 1.
    /// - [`PrivateKeyError::Unfit`]: the key does not fit `algorithm` or is damaged.
    pub fn from_pkcs8_pem(algorithm: Algorithm, pem: &str) -> Result<Self, PrivateKeyError> {
        let der = first_private_key(pem)?;
        let PrivateKeyDer::Pkcs8(pkcs8) = &*der else { return Err(PrivateKeyError::NotPkcs8) };
        let key = SigningKey::from_pkcs8(algorithm, pkcs8.secret_pkcs8_der());
        let key = key.ok_or(PrivateKeyError::Unfit { algorithm })?;
        Ok(Self { key: Arc::new(key), key_id: None })
    }

    /// Sets the `kid` header parameter of assertions (RFC 7515 section 4.1.4).
    ///
    /// Default: no `kid`. The authorization server then tries every key that is registered for this client.
    ///
    /// ```
    /// # use tower_bearer::Algorithm;
    /// # use tower_bearer::crypto::{PrivateKey, PrivateKeyError};
    /// # fn read(pem: &str) -> Result<PrivateKey, PrivateKeyError> {
    /// let key = PrivateKey::from_pkcs8_pem(Algorithm::PS256, pem)?.key_id("2026-01");
    /// # Ok(key)
    /// # }
    /// ```
    pub fn key_id(mut self, kid: impl Into<String>) -> Self {
        self.key_id = Some(kid.into());
        self
    }

    /// The key pair.
    pub(crate) fn signing_key(&self) -> &SigningKey {
        &self.key
    }

    /// The key pair, shared with this value.
    #[cfg(feature = "test-util")]
    pub(crate) fn shared_signing_key(&self) -> Arc<SigningKey> {
        Arc::clone(&self.key)
    }

    /// The `kid`, if one was set.
    pub(crate) fn kid(&self) -> Option<&str> {
        self.key_id.as_deref()
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrivateKey")
            .field("algorithm", &self.key.algorithm())
            .field("key_id", &self.key_id)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for PrivateKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Encrypted => f.write_str(
                "the private key is encrypted: decrypt it with `openssl pkcs8 -topk8 -nocrypt -in key.pem`",
            ),
            Self::NotFound => f.write_str(
                "no private key found: pass the whole PEM text, including the line \
                 `-----BEGIN PRIVATE KEY-----` and all line breaks",
            ),
            Self::NotPkcs8 => f.write_str(
                "the private key is not PKCS#8: convert it with `openssl pkcs8 -topk8 -nocrypt -in key.pem`",
            ),
            Self::Unfit { algorithm } => write!(
                f,
                "the private key does not fit {algorithm}: pass the algorithm that matches the key; \
                 RSA keys need 2048 to 8192 bits"
            ),
        }
    }
}

impl Error for PrivateKeyError {}

/// The first private key in any format.
///
/// The PEM reader skips sections with an encrypted label and fails on the header fields of the older
/// encrypted format, so both end in an error.
fn first_private_key(pem: &str) -> Result<Zeroizing<PrivateKeyDer<'static>>, PrivateKeyError> {
    match PrivateKeyDer::from_pem_slice(pem.as_bytes()) {
        Ok(der) => Ok(Zeroizing::new(der)),
        Err(_) if pem.contains("ENCRYPTED") => Err(PrivateKeyError::Encrypted),
        Err(_) => Err(PrivateKeyError::NotFound),
    }
}

#[cfg(test)]
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
mod tests {
    use super::*;
    use crate::crypto::tests::private_keys;

    #[test]
    fn anything_but_unencrypted_pkcs8_for_the_algorithm_is_rejected() {
        use PrivateKeyError::{Encrypted, NotFound, NotPkcs8};
        let (es256, rs256, eddsa) = (Algorithm::ES256, Algorithm::RS256, Algorithm::EdDSA);
        let escaped_line_breaks = private_keys::P256.replace('\n', "\\n");
        let no_end = private_keys::P256.split("-----END").next().unwrap();
        for (name, algorithm, pem, expected) in [
            ("empty", es256, "", NotFound),
            ("no PEM", es256, "s3cret", NotFound),
            ("a file name", es256, "key.pem", NotFound),
            ("escaped line breaks", es256, &escaped_line_breaks, NotFound),
            ("no end line", es256, no_end, NotFound),
            ("a public key", eddsa, private_keys::PUBLIC, NotFound),
            ("PKCS#1", rs256, private_keys::PKCS1, NotPkcs8),
            ("SEC 1", es256, private_keys::SEC1, NotPkcs8),
            ("encrypted PKCS#8", eddsa, private_keys::ENCRYPTED, Encrypted),
            ("encrypted SEC 1", es256, private_keys::SEC1_ENCRYPTED, Encrypted),
            ("another curve", es256, private_keys::P384, PrivateKeyError::Unfit { algorithm: es256 }),
            ("another key type", eddsa, private_keys::P256, PrivateKeyError::Unfit { algorithm: eddsa }),
            ("1024 bits", rs256, private_keys::RSA_1024, PrivateKeyError::Unfit { algorithm: rs256 }),
        ] {
            assert_eq!(PrivateKey::from_pkcs8_pem(algorithm, pem).unwrap_err(), expected, "{name}");
        }
    }

    #[test]
    fn every_error_text_contains_a_remedy() {
        for (error, parts) in [
            (PrivateKeyError::Encrypted, ["encrypted", "openssl pkcs8 -topk8 -nocrypt -in key.pem"]),
            (PrivateKeyError::NotPkcs8, ["not PKCS#8", "openssl pkcs8 -topk8 -nocrypt -in key.pem"]),
            (PrivateKeyError::NotFound, ["-----BEGIN PRIVATE KEY-----", "line breaks"]),
            (PrivateKeyError::Unfit { algorithm: Algorithm::RS256 }, ["RS256", "2048 to 8192 bits"]),
        ] {
            let text = error.to_string();
            assert!(parts.iter().all(|part| text.contains(part)), "{text}");
        }
    }

    #[test]
    fn the_key_is_found_after_other_sections_and_with_any_line_breaks() {
        let crlf = private_keys::P256.replace('\n', "\r\n");
        let after_others = format!("Bag Attributes\n{}{}", private_keys::PUBLIC, private_keys::P256);
        for pem in [&crlf, &after_others] {
            assert!(PrivateKey::from_pkcs8_pem(Algorithm::ES256, pem).is_ok(), "{pem}");
        }
    }

    #[test]
    fn debug_shows_the_algorithm_and_the_kid_but_no_key() {
        let key = PrivateKey::from_pkcs8_pem(Algorithm::ES256, private_keys::P256).unwrap().key_id("k1");
        assert_eq!(format!("{key:?}"), r#"PrivateKey { algorithm: ES256, key_id: Some("k1"), .. }"#);
    }
}
