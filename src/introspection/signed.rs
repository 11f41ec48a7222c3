//! Signed answers (RFC 9701 section 5).
//!
//! Checks: a compact JWS with `typ` `token-introspection+jwt`, an algorithm that the issuer may use, a
//! signature by one of its keys; `iss` is the issuer, `aud` names this API or the client that asked, `iat` is
//! there and a moment ago, `exp` has not passed; `token_introspection` is an object.
//! Does not check: what that object says. `sub`, `exp` and `active` beside it are about the answer and not
//! about the token, and are not looked at as if they were.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::jwks::{Keys, VerifyError, WaitBudget};
use crate::jwt::claims::{self, ClaimsPolicy};
use crate::jwt::compact::Compact;
use crate::jwt::header::{Header, HeaderPolicy};
use crate::jwt::{ConfiguredNames, UnverifiedClaims};
use crate::time::NumericDate;
use crate::transport::{FetchError, FetchErrorKind};

/// How old a signed answer may be, beside the leeway: it was made for the call that it answers.
pub(crate) const MAX_RESPONSE_AGE: Duration = Duration::from_secs(60);

/// Who signs, and for whom.
#[derive(Clone)]
pub(crate) struct Signer {
    pub(crate) keys: Keys,
    /// With the type of an answer and not that of a token.
    pub(crate) header: HeaderPolicy,
    /// For the claims around the answer: the audiences are those of the API and the client that asked.
    pub(crate) claims: ClaimsPolicy,
}

impl Signer {
    /// The answer in `jwt`, once everything around it holds. May wait for keys.
    ///
    /// # Errors
    /// [`FetchErrorKind::NotSigned`], with the reason.
    pub(super) async fn open(&self, jwt: &str, now: NumericDate) -> Result<String, FetchError> {
        let compact = Compact::parse(jwt.trim_ascii()).map_err(|_| not_signed("it is no signed JWT"))?;
        let header_json = compact.header().map_err(|_| not_signed("its header is not base64url"))?;
        let header = Header::parse(&header_json).map_err(|_| not_signed("its header cannot be used"))?;
        self.header.check_algorithm(&header).map_err(|_| not_signed("its algorithm is not allowed"))?;
        self.header.check_type(&header).map_err(|_| not_signed("its `typ` is another"))?;
        let claims_json = compact.claims().map_err(|_| not_signed("its claims are not base64url"))?;
        let claims = UnverifiedClaims::parse(&claims_json, &ConfiguredNames::default());
        let claims = claims.ok_or_else(|| not_signed("its claims are no JSON object"))?;
        self.verify(&compact, &header, &claims, now).await?;
        let envelope: Envelope<'_> =
            serde_json::from_str(&claims_json).map_err(|_| not_signed("`token_introspection` is missing"))?;
        Ok(envelope.token_introspection.get().to_owned())
    }

    async fn verify(
        &self,
        compact: &Compact<'_>,
        header: &Header<'_>,
        claims: &UnverifiedClaims<'_>,
        now: NumericDate,
    ) -> Result<(), FetchError> {
        let mut wait_budget = WaitBudget::default();
        let signed = loop {
            match self.keys.verify(compact, header, claims, &mut wait_budget) {
                Ok(verified) => break verified.signed,
                Err(VerifyError::Await(keys)) => keys.await,
                Err(VerifyError::Unavailable { cause: Some(cause), .. }) => {
                    return Err(FetchError::because(FetchErrorKind::NotSigned, Arc::clone(&cause)));
                }
                Err(VerifyError::Unavailable { cause: None, .. }) => {
                    return Err(not_signed("the keys of the issuer are out of reach"));
                }
                Err(VerifyError::KeyUnknown) => return Err(not_signed("its key is unknown")),
                Err(VerifyError::Malformed(_) | VerifyError::Mismatch(_)) => {
                    return Err(not_signed("its signature does not hold"));
                }
            };
        };
        claims::check_envelope(&signed, &self.claims, now)
            .map_err(|_| not_signed("its `iss`, `aud`, `iat` or `exp` does not fit"))
    }
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    token_introspection: &'a RawValue,
}

fn not_signed(why: &'static str) -> FetchError {
    FetchError::because(FetchErrorKind::NotSigned, why)
}
