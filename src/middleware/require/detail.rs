//! Requires authorization details on a route (RFC 9396).

use std::sync::Arc;

use http::request::Parts;
use serde::de::DeserializeOwned;

use super::layer::Require;
use crate::requirement::RequiredDetail;

impl Require {
    /// Requires an authorization detail of this `type` (RFC 9396) that deserializes into `T` and that a
    /// function accepts, which also sees the head of the request. One such detail is enough. Otherwise the
    /// response is 403 `insufficient_scope` without a `scope` parameter, kind `requirement_unmet`. The event
    /// says whether the detail is absent, does not fit `T`, or was rejected by the function.
    ///
    /// The function must not block. If several APIs use the type, check in it that the member `locations`
    /// names yours (RFC 9396 section 2.2). The claims are parsed once per cached token, `T` for each request.
    ///
    /// ```
    /// use tower_bearer::Require;
    ///
    /// #[derive(serde::Deserialize)]
    /// struct Payment {
    ///     actions: Vec<String>,
    /// }
    ///
    /// let layer = Require::detail("payment_initiation", |payment: Payment, head| {
    ///     let needed = if head.method == "GET" { "status" } else { "initiate" };
    ///     payment.actions.iter().any(|action| action == needed)
    /// });
    /// ```
    pub fn detail<T, F>(kind: &str, check: F) -> Self
    where
        T: DeserializeOwned,
        F: Fn(T, &Parts) -> bool + Send + Sync + 'static,
    {
        Self::new().and_detail(kind, check)
    }

    /// Requires in addition what [`detail`](Self::detail) requires.
    ///
    /// ```
    /// use serde_json::Value;
    /// use tower_bearer::Require;
    ///
    /// // Any detail of this type.
    /// let layer = Require::scope("payments").and_detail("payment_initiation", |_: Value, _| true);
    /// ```
    pub fn and_detail<T, F>(mut self, kind: &str, check: F) -> Self
    where
        T: DeserializeOwned,
        F: Fn(T, &Parts) -> bool + Send + Sync + 'static,
    {
        Arc::make_mut(&mut self.route).requirement.add_detail(RequiredDetail::new(kind, check));
        self
    }
}
