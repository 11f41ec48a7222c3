//! Rejections that ask for another authentication of the user (RFC 9470, and its predecessor at Entra ID).
//!
//! Why two kinds: clients of Entra ID know `insufficient_claims` with a parameter `claims`, but not the
//! parameters of RFC 9470.

use std::sync::Arc;

use base64_simd::STANDARD;
use serde_json::json;

use super::{Rejection, RejectionKind};
use crate::access_token::StepUp;

impl Rejection {
    /// A 401 `insufficient_user_authentication` with `acr_values` and `max_age` in the challenge, for a
    /// handler that decides by itself whether the authentication of the user is enough (RFC 9470 section 3).
    /// [`AccessToken::require_step_up`](crate::AccessToken::require_step_up) decides and rejects.
    ///
    /// ```
    /// use tower_bearer::access_token::StepUp;
    /// use tower_bearer::{Rejection, RejectionKind};
    ///
    /// let rejection = Rejection::insufficient_user_authentication(StepUp::new().acr_any(["mfa"]));
    /// assert_eq!(rejection.kind(), RejectionKind::AuthenticationInsufficient);
    /// assert_eq!(rejection.status(), 401);
    /// ```
    #[must_use]
    pub fn insufficient_user_authentication(step_up: StepUp) -> Self {
        Self::needing_step_up(Arc::new(step_up))
    }

    /// The required authentication of the user, for [`RejectionKind::AuthenticationInsufficient`].
    ///
    /// ```
    /// use tower_bearer::Rejection;
    ///
    /// /// A sentence for the user, in the body that `on_reject` writes.
    /// fn message(rejection: &Rejection) -> &'static str {
    ///     match rejection.step_up().and_then(|step_up| step_up.max_age()) {
    ///         Some(_) => "Please sign in again.",
    ///         None => "Please confirm with your second factor.",
    ///     }
    /// }
    /// ```
    #[must_use]
    pub fn step_up(&self) -> Option<&StepUp> {
        self.details.as_ref()?.step_up.as_deref()
    }

    /// The required authentication context, for [`RejectionKind::AuthContextMissing`].
    #[must_use]
    pub fn auth_context(&self) -> Option<&str> {
        self.details.as_ref()?.auth_context.as_deref()
    }

    pub(super) fn needing_step_up(step_up: Arc<StepUp>) -> Self {
        let mut rejection = Self::from(RejectionKind::AuthenticationInsufficient);
        rejection.details_mut().step_up = Some(step_up);
        rejection
    }

    pub(super) fn needing_auth_context(context: Arc<str>) -> Self {
        let mut rejection = Self::from(RejectionKind::AuthContextMissing);
        rejection.details_mut().auth_context = Some(context);
        rejection
    }

    /// The parameter `claims` of the challenge: the claims request for the context, in base64.
    pub(crate) fn claims_request(&self) -> Option<String> {
        let acrs = json!({"essential": true, "value": self.auth_context()?});
        Some(STANDARD.encode_to_string(json!({"access_token": {"acrs": acrs}}).to_string()))
    }

    /// The parameter `authorization_uri` beside it: the endpoint of the tenant that issued the token, in the
    /// public cloud for `sts.windows.net`. `None` if the identifier of the issuer has neither form of Entra
    /// ID.
    pub(crate) fn authorization_uri(&self) -> Option<String> {
        self.auth_context()?;
        let issuer = self.issuer()?;
        if let Some(tenant) = issuer.strip_suffix("/v2.0") {
            return Some(format!("{tenant}/oauth2/v2.0/authorize"));
        }
        let tenant = issuer.strip_prefix("https://sts.windows.net/")?.trim_end_matches('/');
        Some(format!("https://login.microsoftonline.com/{tenant}/oauth2/authorize"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_authorization_uri_is_that_of_the_tenant() {
        for (issuer, expected) in [
            (
                "https://login.microsoftonline.com/t-1/v2.0",
                Some("https://login.microsoftonline.com/t-1/oauth2/v2.0/authorize"),
            ),
            (
                "https://login.partner.microsoftonline.cn/t-1/v2.0",
                Some("https://login.partner.microsoftonline.cn/t-1/oauth2/v2.0/authorize"),
            ),
            ("https://sts.windows.net/t-1/", Some("https://login.microsoftonline.com/t-1/oauth2/authorize")),
            ("https://login.example.com", None),
        ] {
            let rejection = Rejection::needing_auth_context("c1".into()).with_issuer(&issuer.into());
            assert_eq!(rejection.authorization_uri().as_deref(), expected);
        }
    }
}
