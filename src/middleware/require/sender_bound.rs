//! Requires a sender-constrained token on a route (RFC 9449, RFC 8705).

use std::sync::Arc;

use super::layer::Require;

impl Require {
    /// Requires a token that is bound to a key or a client certificate. The sender of the request has proven
    /// possession of it. A bearer token is rejected with 401 `invalid_token`, kind `token_not_bound`.
    ///
    /// For single routes of an API that also accepts bearer tokens, or as a layer of the whole router. To
    /// require a DPoP proof everywhere, use [`Dpop::required`](crate::dpop::Dpop::required). The `BearerAuth`
    /// around the route checks the proof, so configure it there: with
    /// [`dpop`](crate::BearerAuthBuilder::dpop), [`certificates`](crate::BearerAuthBuilder::certificates), or
    /// both.
    ///
    /// ```
    /// use tower_bearer::Require;
    ///
    /// let layer = Require::scope("payments:write").sender_bound();
    /// ```
    pub fn sender_bound(mut self) -> Self {
        Arc::make_mut(&mut self.route).requirement.require_sender_bound();
        self
    }
}
