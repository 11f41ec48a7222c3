//! The user's own checks on the claims of every token of an issuer.

use std::fmt;
use std::sync::Arc;

use crate::access_token::ClaimValue;

/// A function that accepts or rejects the claims of a token.
#[derive(Clone)]
pub(crate) struct Validator(Arc<dyn Fn(ClaimValue<'_>) -> bool + Send + Sync>);

impl Validator {
    pub(crate) fn new(accepts: impl Fn(ClaimValue<'_>) -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(accepts))
    }

    /// Whether all `validators` accept the claims with this JSON text. Parses it only if there are any.
    pub(super) fn all_accept(validators: &[Self], json: &str) -> bool {
        if validators.is_empty() {
            return true;
        }
        let Ok(claims) = serde_json::from_str(json) else { return false };
        validators.iter().all(|validator| (validator.0)(ClaimValue::new(&claims)))
    }
}

impl fmt::Debug for Validator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Validator").finish_non_exhaustive()
    }
}
