//! Rejections: every fault of a request becomes one, with its kind, status, error code and text (RFC 6750
//! section 3.1).
//!
//! Each kind has one row in [`RejectionKind::row`], and nothing else in the crate knows a status. Texts are
//! fixed: they hold nothing of a token, a claim or a request.

mod kind;
mod sender;
mod step_up;

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, Response, StatusCode};

pub use self::kind::RejectionKind;

use crate::access_token::{AccessToken, ClaimsMismatch, StepUp};
use crate::bearer::{CredentialsFault, Scheme};
use crate::crypto::SignatureMismatch;
use crate::event::Severity;
use crate::introspection::IntrospectionFault;
use crate::jwks::KeysError;
use crate::jwt::claims::ClaimFault;
use crate::jwt::compact::CompactFault;
use crate::jwt::header::HeaderFault;
use crate::requirement::{RequirementFault, Scopes, Unmet};

/// Why a request was rejected.
///
/// The response to a rejected request has it in its extensions, for outer layers:
///
/// ```
/// use tower_bearer::{Rejection, RejectionKind};
///
/// fn was_expired<B>(response: &http::Response<B>) -> bool {
///     let rejection = response.extensions().get::<Rejection>();
///     rejection.is_some_and(|rejection| rejection.kind() == RejectionKind::TokenExpired)
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Rejection {
    kind: RejectionKind,
    /// The scheme that the request used, if it used an accepted one.
    scheme: Option<Scheme>,
    details: Option<Box<Details>>,
}

// A rejection must not make the accepted case larger than two words.
const _: () = assert!(size_of::<Rejection>() <= 16);

#[derive(Clone, Debug, Default)]
struct Details {
    claim: Option<Arc<str>>,
    issuer: Option<Arc<str>>,
    scopes_needed: Option<Arc<str>>,
    step_up: Option<Arc<StepUp>>,
    auth_context: Option<Arc<str>>,
    unmet: Option<Unmet>,
    retry_after: Option<Duration>,
    fresh_nonce: Option<HeaderValue>,
    cause: Option<Cause>,
}

#[derive(Clone, Debug)]
enum Cause {
    Error(Arc<dyn Error + Send + Sync>),
    NotIntrospected,
    Claims(ClaimsMismatch),
}

/// A route requires introspection of a token whose issuer has none.
#[derive(Debug)]
struct NotIntrospected;

impl fmt::Display for NotIntrospected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the route requires `still_active`, and the issuer of the token has no introspection: add Issuer::introspect")
    }
}

impl Error for NotIntrospected {}

impl Rejection {
    /// The reason.
    #[must_use]
    pub fn kind(&self) -> RejectionKind {
        self.kind
    }

    /// The status of the response. A gRPC response has the corresponding `grpc-status`.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.kind.status()
    }

    /// The `error_description` for the client: a fixed sentence per kind.
    #[must_use]
    pub fn description(&self) -> &'static str {
        self.kind.row().text
    }

    /// The name of the claim that is missing or ill-typed, for [`RejectionKind::ClaimMissing`] and
    /// [`RejectionKind::ClaimIllTyped`]. For [`RejectionKind::ClaimsRejected`], the claim whose value is not
    /// that of [`Issuer::require_claim_value`](crate::Issuer::require_claim_value). The name comes from an
    /// RFC or the configuration, never from a token.
    ///
    /// ```
    /// # #[cfg(all(feature = "test-util", any(feature = "aws-lc-rs", feature = "rust-crypto")))] {
    /// # let idp = tower_bearer::testing::TestIssuer::new();
    /// # let token = idp.token("https://api.example.com").claim("exp", "tomorrow");
    /// # let rejection = token.access_token().unwrap_err();
    /// assert_eq!(rejection.kind().as_str(), "claim_ill_typed");
    /// assert_eq!(rejection.claim(), Some("exp"));
    /// # }
    /// ```
    #[must_use]
    pub fn claim(&self) -> Option<&str> {
        self.details.as_ref()?.claim.as_deref()
    }

    /// The issuer, as configured, if the token names a configured one.
    ///
    /// ```
    /// use http::Response;
    /// use tower_bearer::Rejection;
    ///
    /// /// The labels of a metric, which clients cannot multiply: both have a fixed set of values.
    /// fn labels<B>(response: &Response<B>) -> Option<(&str, &'static str)> {
    ///     let rejection = response.extensions().get::<Rejection>()?;
    ///     Some((rejection.issuer().unwrap_or("unknown"), rejection.kind().as_str()))
    /// }
    /// ```
    #[must_use]
    pub fn issuer(&self) -> Option<&str> {
        self.details.as_ref()?.issuer.as_deref()
    }

    /// Every scope that the route needs, space-delimited, for [`RejectionKind::ScopeInsufficient`]. Also for
    /// [`RejectionKind::AuthenticationInsufficient`] and [`RejectionKind::AuthContextMissing`], if the token
    /// lacks a scope, too. `None` if the text would exceed 1 KiB: clients reject responses with too large
    /// headers.
    ///
    /// ```
    /// use tower_bearer::Rejection;
    ///
    /// /// A sentence for the client, in the body that `on_reject` writes.
    /// fn message(rejection: &Rejection) -> String {
    ///     match rejection.scopes_needed() {
    ///         Some(scopes) => format!("Request a token with the scopes: {scopes}"),
    ///         None => rejection.description().to_owned(),
    ///     }
    /// }
    /// # assert!(message(&Rejection::insufficient_scope(["orders:write"])).ends_with("orders:write"));
    /// ```
    #[must_use]
    pub fn scopes_needed(&self) -> Option<&str> {
        self.details.as_ref()?.scopes_needed.as_deref()
    }

    /// Whether its challenge says what the client should request.
    pub(crate) fn names_needs(&self) -> bool {
        self.scopes_needed().is_some() || self.step_up().is_some() || self.auth_context().is_some()
    }

    /// The rule that the token does not meet, for [`RejectionKind::RequirementUnmet`].
    pub(crate) fn unmet(&self) -> Option<&Unmet> {
        self.details.as_ref()?.unmet.as_ref()
    }

    /// When to retry, for [`RejectionKind::KeysUnavailable`], [`RejectionKind::KeyUnconfirmed`] and
    /// [`RejectionKind::IntrospectionUnavailable`]: a whole number of seconds, at least one.
    ///
    /// ```
    /// use tower_bearer::Rejection;
    ///
    /// /// Whether a client may send the same request with the same token again.
    /// fn may_retry(rejection: &Rejection) -> bool {
    ///     rejection.retry_after().is_some()
    /// }
    /// # assert!(!may_retry(&Rejection::insufficient_scope(["orders:write"])));
    /// ```
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.details.as_ref()?.retry_after
    }

    /// The level of its event.
    pub(crate) fn severity(&self) -> Severity {
        self.kind.severity()
    }

    /// The keys of an issuer are unavailable.
    pub(crate) fn keys_unavailable<E>(retry_after: Duration, cause: Option<Arc<E>>) -> Self
    where
        E: Error + Send + Sync + 'static,
    {
        Self::unavailable(RejectionKind::KeysUnavailable, retry_after, cause)
    }

    /// The issuer may have a new key that is not cached, and the rate limit allows no fetch now.
    pub(crate) fn key_unconfirmed(retry_after: Duration) -> Self {
        Self::unavailable::<KeysError>(RejectionKind::KeyUnconfirmed, retry_after, None)
    }

    /// The route requires introspection of a token whose issuer has none.
    pub(crate) fn not_introspected() -> Self {
        let mut rejection = Self::from(RejectionKind::IntrospectionMisconfigured);
        rejection.details_mut().cause = Some(Cause::NotIntrospected);
        rejection
    }

    fn unavailable<E>(kind: RejectionKind, retry_after: Duration, cause: Option<Arc<E>>) -> Self
    where
        E: Error + Send + Sync + 'static,
    {
        let secs = retry_after.as_secs().saturating_add(u64::from(retry_after.subsec_nanos() > 0)).max(1);
        let mut rejection = Self::from(kind);
        let details = rejection.details_mut();
        details.retry_after = Some(Duration::from_secs(secs));
        details.cause = cause.map(|cause| Cause::Error(cause));
        rejection
    }

    /// A 403 `insufficient_scope` that names all of `scopes`, for a handler that learns only from the
    /// request's body which scopes it needs (RFC 6750 section 3.1).
    ///
    /// ```
    /// use tower_bearer::{Rejection, RejectionKind};
    ///
    /// let rejection = Rejection::insufficient_scope(["orders:read", "orders:write"]);
    /// assert_eq!(rejection.kind(), RejectionKind::ScopeInsufficient);
    /// assert_eq!(rejection.scopes_needed(), Some("orders:read orders:write"));
    /// ```
    #[must_use]
    pub fn insufficient_scope<S: Into<Scopes>>(scopes: impl IntoIterator<Item = S>) -> Self {
        let needed = Scopes::all_of(scopes).needed();
        Self::from(RejectionKind::ScopeInsufficient).needing(&needed.into())
    }

    /// Takes out of `response` the rejection that a handler returned, if it did.
    pub(crate) fn take_from_handler<B>(response: &mut Response<B>) -> Option<Self> {
        response.extensions_mut().remove::<FromHandler>()?;
        response.extensions_mut().remove()
    }

    /// Marks `response` as made of this rejection by a handler: the outer `BearerAuth` completes and reports
    /// it.
    pub(crate) fn put_from_handler<B>(self, response: &mut Response<B>) {
        response.extensions_mut().insert(FromHandler);
        response.extensions_mut().insert(self);
    }

    /// The same, with the issuer that the token was routed to.
    pub(crate) fn with_issuer(mut self, issuer: &Arc<str>) -> Self {
        self.details_mut().issuer = Some(Arc::clone(issuer));
        self
    }

    /// The same, for a request that presented its token under this scheme.
    pub(crate) fn with_scheme(self, scheme: Scheme) -> Self {
        Self { scheme: Some(scheme), ..self }
    }

    /// The same, for a request that used this scheme, or none that is accepted.
    pub(crate) fn with_used(self, scheme: Option<Scheme>) -> Self {
        Self { scheme, ..self }
    }

    /// The same, for a request whose token was accepted: with its issuer and its scheme.
    pub(crate) fn about(self, token: &AccessToken) -> Self {
        let is_dpop = token.bound_to().is_some_and(|bound_to| bound_to.jkt.is_some());
        let scheme = if is_dpop { Scheme::Dpop } else { Scheme::Bearer };
        self.with_issuer(token.issuer_name()).with_scheme(scheme)
    }

    /// The nonce that the client should put into its next DPoP proof.
    pub(crate) fn fresh_nonce(&self) -> Option<&HeaderValue> {
        self.details.as_ref()?.fresh_nonce.as_ref()
    }

    /// The scheme that the request used, if it is known.
    pub(crate) fn scheme(&self) -> Option<Scheme> {
        self.scheme
    }

    /// The same, with the scopes that the route needs.
    pub(crate) fn needing(mut self, scopes: &Arc<str>) -> Self {
        if !scopes.is_empty() {
            self.details_mut().scopes_needed = Some(Arc::clone(scopes));
        }
        self
    }

    fn about_claim(kind: RejectionKind, claim: Arc<str>) -> Self {
        let mut rejection = Self::from(kind);
        rejection.details_mut().claim = Some(claim);
        rejection
    }

    fn details_mut(&mut self) -> &mut Details {
        self.details.get_or_insert_default()
    }
}

/// In the extensions of a response that a handler made of a [`Rejection`].
#[derive(Clone)]
struct FromHandler;

impl AccessToken {
    /// Requires scopes inside a handler, as [`Require::scope`](crate::Require::scope) does for a route: for
    /// scopes that depend on the request's body (MCP, GraphQL).
    ///
    /// With the feature `axum` a [`Rejection`] is a response, so a handler can return it with `?`. For other
    /// frameworks, see [`Rejection::into_http_response`].
    ///
    /// # Errors
    /// A [`Rejection`] with all of `scopes`, for 403 `insufficient_scope`.
    ///
    /// ```
    /// use tower_bearer::{AccessToken, Rejection};
    ///
    /// fn delete_orders(token: &AccessToken) -> Result<(), Rejection> {
    ///     token.require("orders:write orders:delete")?;
    ///     // ...
    ///     Ok(())
    /// }
    /// ```
    pub fn require(&self, scopes: impl Into<Scopes>) -> Result<(), Rejection> {
        let scopes = scopes.into();
        if scopes.is_met_by(&|scope| self.grants(scope)) {
            Ok(())
        } else {
            Err(Rejection::insufficient_scope([scopes]).about(self))
        }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.description())?;
        self.claim().map_or(Ok(()), |claim| write!(f, " ({claim})"))
    }
}

impl Error for Rejection {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self.details.as_ref()?.cause.as_ref()? {
            Cause::Error(error) => Some(&**error),
            Cause::NotIntrospected => Some(&NotIntrospected),
            Cause::Claims(error) => Some(error),
        }
    }
}

impl From<RejectionKind> for Rejection {
    fn from(kind: RejectionKind) -> Self {
        Self { kind, scheme: None, details: None }
    }
}

impl From<CredentialsFault> for Rejection {
    fn from(fault: CredentialsFault) -> Self {
        match fault {
            CredentialsFault::Malformed | CredentialsFault::SeveralCredentials => {
                RejectionKind::MalformedRequest
            }
            CredentialsFault::TokenTooLarge => RejectionKind::TokenTooLarge,
            CredentialsFault::BodyTooLarge => RejectionKind::BodyTooLarge,
        }
        .into()
    }
}

impl From<CompactFault> for Rejection {
    fn from(fault: CompactFault) -> Self {
        match fault {
            CompactFault::NotThreeParts => RejectionKind::TokenOpaque,
            CompactFault::Undecodable => RejectionKind::TokenMalformed,
        }
        .into()
    }
}

impl From<HeaderFault> for Rejection {
    fn from(fault: HeaderFault) -> Self {
        match fault {
            HeaderFault::Malformed => RejectionKind::TokenMalformed,
            HeaderFault::AlgorithmNotAllowed => RejectionKind::AlgorithmNotAllowed,
            HeaderFault::CriticalExtension => RejectionKind::CriticalHeaderUnsupported,
            HeaderFault::TypeMismatch => RejectionKind::TypeMismatch,
        }
        .into()
    }
}

impl From<SignatureMismatch> for Rejection {
    fn from(_: SignatureMismatch) -> Self {
        RejectionKind::SignatureMismatch.into()
    }
}

impl From<ClaimFault> for Rejection {
    fn from(fault: ClaimFault) -> Self {
        match fault {
            ClaimFault::AudienceMismatch => RejectionKind::AudienceMismatch,
            ClaimFault::ClientNotAllowed => RejectionKind::ClientNotAllowed,
            ClaimFault::Expired => RejectionKind::TokenExpired,
            ClaimFault::IdToken => RejectionKind::IdTokenPresented,
            ClaimFault::IllTyped(claim) => return Self::about_claim(RejectionKind::ClaimIllTyped, claim),
            ClaimFault::IssuedInFuture => RejectionKind::TokenIssuedInFuture,
            ClaimFault::IssuerMismatch => RejectionKind::IssuerUnknown,
            ClaimFault::LifetimeTooLong => RejectionKind::LifetimeTooLong,
            ClaimFault::Missing(claim) => return Self::about_claim(RejectionKind::ClaimMissing, claim),
            ClaimFault::NotYetValid => RejectionKind::TokenNotYetValid,
            ClaimFault::OtherKind => RejectionKind::TypeMismatch,
            ClaimFault::OtherValue(claim) => return Self::about_claim(RejectionKind::ClaimsRejected, claim),
            ClaimFault::Rejected => RejectionKind::ClaimsRejected,
            ClaimFault::SenderNotProven => RejectionKind::SenderNotProven,
            ClaimFault::TooOld => RejectionKind::TokenTooOld,
        }
        .into()
    }
}

impl From<IntrospectionFault> for Rejection {
    fn from(fault: IntrospectionFault) -> Self {
        match fault {
            IntrospectionFault::Inactive => RejectionKind::TokenInactive.into(),
            IntrospectionFault::OtherToken => RejectionKind::IntrospectionMismatch.into(),
            IntrospectionFault::Claim(fault) => fault.into(),
            IntrospectionFault::Unavailable { retry_after, cause, .. } => {
                Self::unavailable(RejectionKind::IntrospectionUnavailable, retry_after, Some(cause))
            }
            IntrospectionFault::Misconfigured(cause) => {
                let mut rejection = Self::from(RejectionKind::IntrospectionMisconfigured);
                rejection.details_mut().cause = Some(Cause::Error(cause));
                rejection
            }
        }
    }
}

impl From<RequirementFault> for Rejection {
    fn from(fault: RequirementFault) -> Self {
        match fault {
            RequirementFault::AuthenticationInsufficient { step_up, .. } => Self::needing_step_up(step_up),
            RequirementFault::AuthContextMissing { context, .. } => Self::needing_auth_context(context),
            RequirementFault::NotSenderBound => RejectionKind::TokenNotBound.into(),
            RequirementFault::ScopeInsufficient => RejectionKind::ScopeInsufficient.into(),
            RequirementFault::Unmet(unmet) => {
                let mut rejection = Self::from(RejectionKind::RequirementUnmet);
                rejection.details_mut().unmet = Some(unmet);
                rejection
            }
        }
    }
}

impl From<ClaimsMismatch> for Rejection {
    fn from(error: ClaimsMismatch) -> Self {
        let mut rejection = Self::from(RejectionKind::ClaimsMismatch);
        rejection.details_mut().cause = Some(Cause::Claims(error));
        rejection
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_a_whole_number_of_seconds_and_at_least_one() {
        for (given, expected) in [(0, 1), (1, 1), (1_000, 1), (1_001, 2), (29_500, 30)] {
            let rejection = Rejection::keys_unavailable::<fmt::Error>(Duration::from_millis(given), None);
            assert_eq!(rejection.retry_after(), Some(Duration::from_secs(expected)), "{given} ms");
        }
    }
}
