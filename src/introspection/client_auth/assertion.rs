//! Signs the assertions for `private_key_jwt` (RFC 7523 section 3).
//!
//! Why: `aud` is the issuer identifier, as a single string. An assertion for the URL of an endpoint, or for
//! several audiences, could be forwarded to another authorization server that accepts it.

use std::time::Duration;

use serde::Serialize;
use zeroize::Zeroizing;

use crate::crypto::{self, PrivateKey};
use crate::encoding::base64url;
use crate::time::NumericDate;

/// The lifetime of an assertion.
const LIFETIME: Duration = Duration::from_secs(60);

/// Signs an assertion of `client` for `issuer`. Use it once. `None` if no random `jti` can be generated.
pub(super) fn sign(
    key: &PrivateKey,
    client: &str,
    issuer: &str,
    now: NumericDate,
) -> Option<Zeroizing<String>> {
    let algorithm = key.signing_key().algorithm().as_str();
    let header = Header { alg: algorithm, typ: "JWT", kid: key.kid() };
    let jti = base64url::encode(&crypto::random()?);
    let exp = now.later(LIFETIME).as_secs();
    let claims = Claims { iss: client, sub: client, aud: issuer, jti: &jti, iat: now.as_secs(), exp };
    let input = format!("{}.{}", encode(&header)?, encode(&claims)?);
    let signature = key.signing_key().sign(input.as_bytes())?;
    Some(Zeroizing::new(format!("{input}.{}", base64url::encode(&signature))))
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

fn encode(members: &impl Serialize) -> Option<String> {
    serde_json::to_vec(members).ok().map(|json| base64url::encode(&json))
}
