//! Requires a certain authentication of the user, on a route and inside a handler (RFC 9470).

use std::sync::Arc;
use std::time::Duration;

use super::layer::Require;
use crate::access_token::{AccessToken, StepUp};
use crate::middleware::coverage::now_for;
use crate::rejection::Rejection;

impl Require {
    /// Requires that the user was authenticated in one of these authentication context classes: the claim
    /// `acr` equals one of them, byte for byte (RFC 9470). Otherwise the response is 401
    /// `insufficient_user_authentication` with `acr_values`, kind `authentication_insufficient`. The client
    /// sends the user to the authorization endpoint with these, and returns with another token.
    ///
    /// Put the preferred class first. Classes with spaces, which the list cannot hold, and lists of more than
    /// 1 KiB are left out of the challenge. An absent or ill-typed `acr` does not match, and an empty list
    /// matches no token. Replaces an earlier list.
    ///
    /// ```
    /// use tower_bearer::Require;
    ///
    /// let layer = Require::scope("payments:write").acr_any(["urn:example:hardware-key", "urn:example:mfa"]);
    /// ```
    pub fn acr_any<A: Into<String>>(mut self, values: impl IntoIterator<Item = A>) -> Self {
        let values = values.into_iter().map(Into::into);
        Arc::make_mut(&mut self.route).requirement.set_acr_any(values);
        self
    }

    /// Requires that the user was authenticated no longer ago than `max_age`, by the claim `auth_time` (RFC
    /// 9470). Otherwise the response is 401 `insufficient_user_authentication` with `max_age` in whole
    /// seconds, kind `authentication_insufficient`. Replaces an earlier duration.
    ///
    /// The leeway of the issuer ([`BearerAuthBuilder::leeway`](crate::BearerAuthBuilder::leeway)) applies, as
    /// for the other dates: a token is accepted for that time longer, so that clocks may differ. The
    /// authorization server gets the exact `max_age`. An absent or ill-typed `auth_time` is not accepted, nor
    /// is one in the future by more than the leeway.
    ///
    /// Refreshing a token does not renew `auth_time`, so the client must send the user to the authorization
    /// endpoint. A duration shorter than the way back from there, a few seconds, sends users in a circle.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_bearer::Require;
    ///
    /// let layer = Require::scope("payments:write").authenticated_within(Duration::from_secs(300));
    /// ```
    pub fn authenticated_within(mut self, max_age: Duration) -> Self {
        Arc::make_mut(&mut self.route).requirement.set_max_authentication_age(max_age);
        self
    }

    /// Requires a Conditional Access authentication context of Entra ID, `c1` to `c99`: the claim `acrs`
    /// names it. Otherwise the response is 401 `insufficient_claims`, kind `auth_context_missing`, with the
    /// parameters `claims` and `authorization_uri`, from which the Microsoft Authentication Libraries request
    /// another token. Replaces an earlier context.
    ///
    /// This is the form of Entra ID, which does not know RFC 9470: use it in place of
    /// [`acr_any`](Self::acr_any). See [Providers](crate::guide::providers#entra-id) for the setup.
    ///
    /// ```
    /// use tower_bearer::Require;
    ///
    /// let layer = Require::scope("payments").entra_auth_context("c1");
    /// ```
    pub fn entra_auth_context(mut self, context: impl Into<String>) -> Self {
        Arc::make_mut(&mut self.route).requirement.set_auth_context(context.into().into());
        self
    }
}

impl AccessToken {
    /// Requires an authentication of the user inside a handler, as
    /// [`Require::acr_any`](crate::Require::acr_any) and
    /// [`Require::authenticated_within`](crate::Require::authenticated_within) do for a route. For
    /// requirements that depend on the request's body.
    ///
    /// The time is that of the [clock](crate::BearerAuthBuilder::clock) of the `BearerAuth` that accepted the
    /// request.
    ///
    /// # Errors
    /// A [`Rejection`] for 401 `insufficient_user_authentication`, kind `authentication_insufficient`.
    ///
    /// ```
    /// use tower_bearer::access_token::StepUp;
    /// use tower_bearer::{AccessToken, Rejection};
    ///
    /// fn delete_account(token: &AccessToken) -> Result<(), Rejection> {
    ///     token.require_step_up(StepUp::new().acr_any(["mfa"]))?;
    ///     // ...
    ///     Ok(())
    /// }
    /// ```
    pub fn require_step_up(&self, step_up: StepUp) -> Result<(), Rejection> {
        if self.meets(&step_up, || now_for(self)) {
            Ok(())
        } else {
            Err(Rejection::insufficient_user_authentication(step_up).about(self))
        }
    }
}
