//! The private key of an OAuth client, read from PEM (RFC 7468 section 10, RFC 5958).
//!
//! Checks: the key is unencrypted PKCS#8 in PEM (RFC 7468 section 10), it fits the algorithm, and RSA has
//! 2048 to 8192 bits.
//! Does not check: that the issuer knows the public half.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;
use zeroize::Zeroizing;

use super::{Algorithm, SigningKey};

/// The key that [`ClientAuth::private_key_jwt`](crate::ClientAuth::private_key_jwt) signs with.
#[derive(Clone)]
#[must_use]
pub struct PrivateKey {
    key: Arc<SigningKey>,
    key_id: Option<String>,
}

/// Why a text is not a [`PrivateKey`]. `Display` says how to mend it, and shows nothing of the key.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum PrivateKeyError {
    /// It is encrypted with a password.
    Encrypted,
    /// There is no private key in it that can be read.
    NotFound,
    /// It is PKCS#1 (`BEGIN RSA PRIVATE KEY`) or SEC 1 (`BEGIN EC PRIVATE KEY`), not PKCS#8.
    NotPkcs8,
    /// It is no key for this algorithm, an RSA key under 2048 or over 8192 bits, or damaged.
    Unfit {
        /// The algorithm.
        algorithm: Algorithm,
    },
}

impl PrivateKey {
    /// The key in `pem`, the text of a file that begins with `-----BEGIN PRIVATE KEY-----`
    /// (unencrypted PKCS#8, RFC 5208 and RFC 5958), to sign with `algorithm`.
    ///
    /// `openssl pkcs8 -topk8 -nocrypt -in key.pem` makes one of any other kind. The first private key
    /// in `pem` counts; certificates beside it are passed over.
    ///
    /// # Errors
    /// [`PrivateKeyError`]: it is encrypted, of another form, no private key, or none for `algorithm`.
    pub fn from_pkcs8_pem(algorithm: Algorithm, pem: &str) -> Result<Self, PrivateKeyError> {
        let der = private_key(pem)?;
        let PrivateKeyDer::Pkcs8(pkcs8) = &*der else { return Err(PrivateKeyError::NotPkcs8) };
        let key = SigningKey::from_pkcs8(algorithm, pkcs8.secret_pkcs8_der());
        let key = key.ok_or(PrivateKeyError::Unfit { algorithm })?;
        Ok(Self { key: Arc::new(key), key_id: None })
    }

    /// Sets the `kid` that assertions name the key by. Default: none, and the issuer tries the keys
    /// that it knows of this client.
    pub fn key_id(mut self, kid: impl Into<String>) -> Self {
        self.key_id = Some(kid.into());
        self
    }

    /// The key that signs.
    pub(crate) fn signing_key(&self) -> &SigningKey {
        &self.key
    }

    /// The `kid` to name the key by, where one was set.
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
                "no private key in PEM was found: give the whole text that begins with `-----BEGIN PRIVATE KEY-----`, with its line breaks",
            ),
            Self::NotPkcs8 => f.write_str(
                "the private key is not PKCS#8: rewrite it with `openssl pkcs8 -topk8 -nocrypt -in key.pem`",
            ),
            Self::Unfit { algorithm } => write!(
                f,
                "the private key is not one for {algorithm}: name the algorithm that it was made for; RSA needs 2048 to 8192 bits"
            ),
        }
    }
}

impl Error for PrivateKeyError {}

/// The first private key of any form. A label of an encrypted one is no kind that the reader knows, and
/// the fields on top of an older encrypted form are no base64 to it: both come as errors.
fn private_key(pem: &str) -> Result<Zeroizing<PrivateKeyDer<'static>>, PrivateKeyError> {
    match PrivateKeyDer::from_pem_slice(pem.as_bytes()) {
        Ok(der) => Ok(Zeroizing::new(der)),
        Err(_) if pem.contains("ENCRYPTED") => Err(PrivateKeyError::Encrypted),
        Err(_) => Err(PrivateKeyError::NotFound),
    }
}
