//! A requirement on the authentication of the user (RFC 9470): its class and its age.
//!
//! Checks: `acr` against a list of values, and `auth_time` against the clock. An absent or ill-typed claim
//! meets no requirement.

use std::time::Duration;

use crate::bearer;
use crate::time::NumericDate;

/// Clients reject responses with too large headers.
const MAX_LISTED_BYTES: usize = 1024;

/// A requirement on the authentication of the user: how, and how long ago (RFC 9470).
///
/// [`Require::acr_any`](crate::Require::acr_any) and
/// [`Require::authenticated_within`](crate::Require::authenticated_within) set the same requirement for a
/// route. This type is for handlers that learn only from the body what a request needs:
///
/// ```
/// use std::time::Duration;
/// use tower_bearer::access_token::StepUp;
/// use tower_bearer::{AccessToken, Rejection};
///
/// fn transfer(token: &AccessToken, amount: u64) -> Result<(), Rejection> {
///     if amount > 1_000 {
///         let recent_mfa = StepUp::new().acr_any(["mfa"]).authenticated_within(Duration::from_secs(300));
///         token.require_step_up(recent_mfa)?;
///     }
///     // ...
///     Ok(())
/// }
/// ```
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[must_use]
pub struct StepUp {
    acr_any: Option<Box<[Box<str>]>>,
    max_age: Option<Duration>,
}

impl StepUp {
    /// Requires nothing yet.
    pub const fn new() -> Self {
        Self { acr_any: None, max_age: None }
    }

    /// Requires that `acr` is one of these authentication context classes, byte for byte. The challenge lists
    /// them in this order, so put the preferred one first. Replaces an earlier list. An empty list matches no
    /// token.
    ///
    /// ```
    /// use tower_bearer::access_token::StepUp;
    ///
    /// let step_up = StepUp::new().acr_any(["urn:example:hardware-key", "urn:example:mfa"]);
    /// assert!(step_up.acr_values().eq(["urn:example:hardware-key", "urn:example:mfa"]));
    /// ```
    pub fn acr_any<A: Into<String>>(self, values: impl IntoIterator<Item = A>) -> Self {
        let values = values.into_iter().map(|value| value.into().into_boxed_str());
        Self { acr_any: Some(values.collect()), ..self }
    }

    /// Requires that the user was authenticated no longer ago than `max_age`, by `auth_time`. Replaces an
    /// earlier duration. The leeway of the issuer applies.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_bearer::access_token::StepUp;
    ///
    /// let step_up = StepUp::new().authenticated_within(Duration::from_secs(300));
    /// assert_eq!(step_up.max_age(), Some(Duration::from_secs(300)));
    /// ```
    pub const fn authenticated_within(mut self, max_age: Duration) -> Self {
        self.max_age = Some(max_age);
        self
    }

    /// The accepted authentication context classes, in order of preference. Empty if any is accepted, or if
    /// none is.
    pub fn acr_values(&self) -> impl Iterator<Item = &str> {
        self.acr_any.iter().flatten().map(|value| &**value)
    }

    /// The maximum time since the authentication of the user.
    #[must_use]
    pub fn max_age(&self) -> Option<Duration> {
        self.max_age
    }

    /// [`acr_values`](Self::acr_values) as the challenge lists them, space-delimited. Without those that such
    /// a list cannot hold; empty if it would be too long for a header.
    pub(crate) fn listed_acr_values(&self) -> String {
        let listed: Vec<&str> = self.acr_values().filter(|value| bearer::is_scope_token(value)).collect();
        let listed = listed.join(" ");
        if listed.len() > MAX_LISTED_BYTES { String::new() } else { listed }
    }

    /// Whether a certain `acr` is required.
    pub(crate) fn requires_acr(&self) -> bool {
        self.acr_any.is_some()
    }

    /// Whether the `acr` of a token is accepted.
    pub(crate) fn accepts_acr(&self, acr: Option<&str>) -> bool {
        let is_listed = |values: &[Box<str>]| values.iter().any(|value| Some(&**value) == acr);
        self.acr_any.as_deref().is_none_or(is_listed)
    }

    /// Whether the `auth_time` of a token is accepted. `now` is called only if that depends on the time.
    ///
    /// The leeway applies in both directions, as for the other dates. Without it, no user could meet a short
    /// `max_age` if the clock of the authorization server is slow, and clients would run into a loop.
    pub(crate) fn accepts_auth_time(
        &self,
        auth_time: Option<NumericDate>,
        leeway: Duration,
        now: impl FnOnce() -> NumericDate,
    ) -> bool {
        let Some(max_age) = self.max_age else { return true };
        auth_time.is_some_and(|auth_time| {
            let now = now();
            auth_time <= now.later(leeway) && now.since(auth_time) <= max_age.saturating_add(leeway)
        })
    }
}
