//! Why a token is refused after its issuer was asked, or because the issuer could not be asked.

use std::sync::Arc;
use std::time::Duration;

use crate::jwt::claims::ClaimFault;
use crate::transport::{FetchError, FetchErrorKind};

/// When a request may come again, where nothing better is known.
pub(super) const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Why.
#[derive(Clone, Debug)]
pub(crate) enum IntrospectionFault {
    /// The token is not active. Why is nobody's business (RFC 7662 section 2.2).
    Inactive,
    /// It is, and what is said of it does not fit.
    Claim(ClaimFault),
    /// What is said is not about the token that was asked about.
    OtherToken,
    /// The server does not answer this client, or not about such tokens: the configuration is at fault.
    Misconfigured(Arc<FetchError>),
    /// Nothing is known of the token now.
    Unavailable {
        /// When it is worth while to try again.
        retry_after: Duration,
        /// Why.
        cause: Arc<FetchError>,
        /// Whether it is the server that failed, and not a limit of ours that was reached.
        outage: bool,
    },
}

impl IntrospectionFault {
    /// The fault that a failed call is.
    pub(super) fn of(cause: Arc<FetchError>) -> Self {
        match cause.kind() {
            FetchErrorKind::ClientRefused(_) | FetchErrorKind::TokenKindRefused => Self::Misconfigured(cause),
            _ => {
                let outage = is_outage(&cause);
                Self::Unavailable { retry_after: RETRY_AFTER, cause, outage }
            }
        }
    }

    /// Nothing was asked, since the server failed with this a moment ago.
    pub(super) fn after_failure(cause: &Arc<FetchError>, retry_after: Duration) -> Self {
        let withheld = FetchError::because(FetchErrorKind::Withheld, Arc::clone(cause));
        Self::Unavailable { retry_after, cause: Arc::new(withheld), outage: is_outage(cause) }
    }

    /// The same where nothing will be asked for so long: what the server says of that goes for the client that
    /// hears it first as well.
    pub(super) fn not_before(self, wait: Option<Duration>) -> Self {
        match (self, wait) {
            (Self::Unavailable { cause, outage, .. }, Some(retry_after)) => {
                Self::Unavailable { retry_after, cause, outage }
            }
            (fault, _) => fault,
        }
    }

    /// Nothing was asked, for this reason.
    pub(super) fn withheld(why: &'static str, retry_after: Duration) -> Self {
        let cause = Arc::new(FetchError::because(FetchErrorKind::Withheld, why));
        Self::Unavailable { retry_after, cause, outage: false }
    }

    /// Whether the same answer would be judged the same a few seconds later.
    pub(super) fn is_lasting(&self) -> bool {
        match self {
            Self::Inactive | Self::OtherToken => true,
            Self::Claim(ClaimFault::NotYetValid | ClaimFault::IssuedInFuture) => false,
            Self::Claim(_) => true,
            Self::Misconfigured(_) | Self::Unavailable { .. } => false,
        }
    }
}

/// Whether the server failed. That it has too much to do (429) may be our clients' doing.
fn is_outage(cause: &FetchError) -> bool {
    cause.is_outage() && cause.kind() != FetchErrorKind::Status(429)
}

impl From<ClaimFault> for IntrospectionFault {
    fn from(fault: ClaimFault) -> Self {
        Self::Claim(fault)
    }
}
