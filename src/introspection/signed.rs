//! Verifies signed introspection responses (RFC 9701 section 5).
//!
//! Checks: a compact JWS with `typ` `token-introspection+jwt`, an algorithm that is allowed for the issuer,
//! and a valid signature by one of its keys. `iss` is the issuer. `aud` names this API or the client that
//! sent the request. `iat` is present and recent, and `exp` has not passed. `token_introspection` is an
//! object.
//! Does not check: the members of that object. `sub`, `exp` and `active` beside it describe the response
//! rather than the token, so they are ignored.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::error::{IntrospectionError, IntrospectionErrorKind};
use crate::jwks::{Keys, KeysError, VerifyError, WaitBudget};
use crate::jwt::claims::{self, ClaimsPolicy};
use crate::jwt::compact::Compact;
use crate::jwt::header::{Header, HeaderPolicy};
use crate::jwt::{ConfiguredNames, UnverifiedClaims};
use crate::time::NumericDate;

/// The maximum age of a signed response, without the leeway. The server signs it for one request.
pub(crate) const MAX_RESPONSE_AGE: Duration = Duration::from_secs(60);

/// Verifies the signed responses of one issuer.
#[derive(Clone)]
pub(crate) struct ResponseVerifier {
    pub(crate) keys: Keys,
    /// Expects the `typ` of a response instead of an access token's.
    pub(crate) header: HeaderPolicy,
    /// Checks the claims around the response. The audiences are those of this API, and the client identifier.
    pub(crate) claims: ClaimsPolicy,
}

impl ResponseVerifier {
    /// Verifies `jwt` and returns its `token_introspection` member: the text of the response. May wait for
    /// keys.
    ///
    /// # Errors
    /// [`IntrospectionErrorKind::ResponseUntrusted`], with the reason as the source.
    /// [`IntrospectionErrorKind::KeysUnavailable`], if there are no keys to verify the signature with.
    pub(super) async fn verify(&self, jwt: &str, now: NumericDate) -> Result<String, IntrospectionError> {
        let compact = Compact::parse(jwt.trim_ascii()).map_err(|_| untrusted("it is not a signed JWT"))?;
        let header_json = compact.header().map_err(|_| untrusted("its header is not base64url"))?;
        let header = Header::parse(&header_json).map_err(|_| untrusted("its header is invalid"))?;
        self.header.check_algorithm(&header).map_err(|_| untrusted("its algorithm is not allowed"))?;
        self.header.check_type(&header).map_err(|_| untrusted("its `typ` is wrong"))?;
        let claims_json = compact.claims().map_err(|_| untrusted("its claims are not base64url"))?;
        let claims = UnverifiedClaims::parse(&claims_json, ConfiguredNames::NONE);
        let claims = claims.ok_or_else(|| untrusted("its claims are not a JSON object"))?;
        self.verify_envelope(&compact, &header, &claims, now).await?;
        let envelope: Envelope<'_> =
            serde_json::from_str(&claims_json).map_err(|_| untrusted("`token_introspection` is missing"))?;
        Ok(envelope.token_introspection.get().to_owned())
    }

    async fn verify_envelope(
        &self,
        compact: &Compact<'_>,
        header: &Header<'_>,
        claims: &UnverifiedClaims<'_>,
        now: NumericDate,
    ) -> Result<(), IntrospectionError> {
        let mut wait_budget = WaitBudget::default();
        let signed = loop {
            match self.keys.verify(compact, header, claims, &mut wait_budget) {
                Ok(verified) => break verified.signed,
                Err(VerifyError::Pending(keys)) => keys.await,
                // Not an outage: anybody can use up this limit with forged tokens.
                Err(VerifyError::Unavailable { rate_limited: true, .. }) => {
                    return Err(IntrospectionError::keys_rate_limited());
                }
                Err(VerifyError::Unavailable { cause, .. }) => return Err(keys_unavailable(cause)),
                Err(VerifyError::KeyUnknown) => return Err(untrusted("its key is unknown")),
                Err(VerifyError::Malformed(_) | VerifyError::Mismatch(_)) => {
                    return Err(untrusted("its signature is invalid"));
                }
            };
        };
        claims::check_envelope(&signed, &self.claims, now)
            .map_err(|_| untrusted("its `iss`, `aud`, `iat` or `exp` fails a check"))
    }
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    token_introspection: &'a RawValue,
}

/// Nothing is known about the response: the server is at fault, not whoever signed it.
fn keys_unavailable(cause: Option<Arc<KeysError>>) -> IntrospectionError {
    match cause {
        Some(cause) => IntrospectionError::with_source(IntrospectionErrorKind::KeysUnavailable, cause),
        None => IntrospectionError::new(IntrospectionErrorKind::KeysUnavailable),
    }
}

fn untrusted(reason: &'static str) -> IntrospectionError {
    IntrospectionError::with_source(IntrospectionErrorKind::ResponseUntrusted, reason)
}
