//! Signs the assertions for `private_key_jwt` and `client_secret_jwt` (RFC 7523 section 3, OpenID Connect
//! Core section 9).
//!
//! Why: `aud` is a single string, by default the issuer identifier. An assertion for several audiences could
//! be forwarded to another authorization server that accepts it. An assertion for the URL of an endpoint is
//! sent to that URL only.

use std::time::Duration;

use serde::Serialize;
use zeroize::Zeroizing;

use crate::crypto::{self, HmacAlgorithm, PrivateKey, random_text};
use crate::encoding::base64url;
use crate::jwt::compact::signing_input;
use crate::time::NumericDate;

/// The lifetime of an assertion.
const LIFETIME: Duration = Duration::from_secs(60);

/// The key that signs an assertion.
#[derive(Clone, Copy)]
pub(super) enum AssertionKey<'a> {
    Private(&'a PrivateKey),
    Secret { algorithm: HmacAlgorithm, secret: &'a str },
}

/// Signs an assertion of `client` for `audience`. Use it once. `None` if no random `jti` can be generated.
pub(super) fn sign(
    key: AssertionKey<'_>,
    client: &str,
    audience: &str,
    now: NumericDate,
) -> Option<Zeroizing<String>> {
    let header = Header { alg: key.algorithm(), typ: "JWT", kid: key.kid() };
    let jti = random_text(16)?;
    let exp = now.later(LIFETIME).as_secs();
    let claims = Claims { iss: client, sub: client, aud: audience, jti: &jti, iat: now.as_secs(), exp };
    let input = signing_input(&header, &claims)?;
    let signature = key.sign(input.as_bytes())?;
    Some(Zeroizing::new(format!("{input}.{}", base64url::encode(&signature))))
}

impl AssertionKey<'_> {
    fn algorithm(&self) -> &'static str {
        match self {
            Self::Private(key) => key.signing_key().algorithm().as_str(),
            Self::Secret { algorithm, .. } => algorithm.as_str(),
        }
    }

    fn kid(&self) -> Option<&str> {
        match self {
            Self::Private(key) => key.kid(),
            Self::Secret { .. } => None,
        }
    }

    fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Private(key) => key.signing_key().sign(message),
            Self::Secret { algorithm, secret } => crypto::hmac(*algorithm, secret.as_bytes(), message),
        }
    }
}

#[derive(Serialize)]
struct Header<'a> {
    alg: &'a str,
    typ: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    kid: Option<&'a str>,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    jti: &'a str,
    iat: u64,
    exp: u64,
}
