//! The events of rejected requests.

use std::error::Error;

use http::StatusCode;
use tracing::{Level, debug, error, info, warn};

use super::{Causes, TARGET, is_listened_to};

/// Who should look at a rejection, which sets its level.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Severity {
    /// Nobody: the request has no credentials. DEBUG.
    Routine,
    /// The client's developer. INFO.
    Client,
    /// The operator of the authorization server. WARN.
    Outage,
    /// The operator of this API. ERROR.
    Fault,
}

impl Severity {
    /// Whether a subscriber may listen to the event of such a rejection.
    pub(crate) fn is_reported(self) -> bool {
        is_listened_to(match self {
            Self::Routine => Level::DEBUG,
            Self::Client => Level::INFO,
            Self::Outage => Level::WARN,
            Self::Fault => Level::ERROR,
        })
    }
}

/// A request was rejected.
pub(crate) struct RejectedRequest<'a> {
    pub(crate) severity: Severity,
    pub(crate) kind: &'static str,
    pub(crate) status: StatusCode,
    pub(crate) issuer: Option<&'a str>,
    pub(crate) cause: &'a dyn Error,
    /// Whether another event has every cause of `cause`, so that the first is enough.
    pub(crate) is_cause_logged: bool,
    pub(crate) details: RejectionDetails,
    /// The events of this kind that were suppressed since the last one, if there were any.
    pub(crate) suppressed: Option<u64>,
}

/// Details that help to find the cause of a rejection.
#[derive(Default)]
pub(crate) struct RejectionDetails {
    /// The values that the configuration expects.
    pub(crate) expected: Option<String>,
    pub(crate) hint: Option<String>,
    pub(crate) token: PresentedToken,
}

/// Values of the token, escaped and shortened. Empty unless the user wants them in the log.
#[derive(Default)]
pub(crate) struct PresentedToken {
    pub(crate) iss: Option<String>,
    pub(crate) aud: Option<String>,
    pub(crate) client_id: Option<String>,
    pub(crate) jti: Option<String>,
    pub(crate) kid: Option<String>,
}

impl RejectedRequest<'_> {
    pub(crate) fn report(&self) {
        let Self { kind, issuer, suppressed, .. } = self;
        let max_sources = if self.is_cause_logged { 1 } else { usize::MAX };
        let (status, cause) = (self.status.as_u16(), Causes { error: self.cause, max_sources });
        let RejectionDetails { expected, hint, token } = &self.details;
        let (expected, hint) = (expected.as_deref(), hint.as_deref());
        let PresentedToken { iss, aud, client_id, jti, kid } = token;
        macro_rules! emit {
            ($level:ident) => {
                $level!(
                    target: TARGET,
                    kind,
                    status,
                    issuer,
                    cause = %cause,
                    expected,
                    hint,
                    token.iss = iss.as_deref(),
                    token.aud = aud.as_deref(),
                    token.client_id = client_id.as_deref(),
                    token.jti = jti.as_deref(),
                    token.kid = kid.as_deref(),
                    suppressed,
                    "request rejected"
                )
            };
        }
        match self.severity {
            Severity::Routine => debug!(target: TARGET, kind, status, hint, suppressed, "request rejected"),
            Severity::Client => emit!(info),
            Severity::Outage => emit!(warn),
            Severity::Fault => emit!(error),
        }
    }
}

/// A flood of rejections of one kind has ended, and this many of them had no event.
pub(crate) fn rejections_suppressed(severity: Severity, kind: &'static str, suppressed: u64) {
    macro_rules! emit {
        ($level:ident) => {
            $level!(target: TARGET, kind, suppressed, "rejections suppressed")
        };
    }
    match severity {
        Severity::Routine => emit!(debug),
        Severity::Client => emit!(info),
        Severity::Outage => emit!(warn),
        Severity::Fault => emit!(error),
    }
}
