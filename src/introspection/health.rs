//! Classifies a completed call: whether the authorization server or the token is at fault.
//!
//! Why: a failure that one token can cause must not open the circuit breaker. Otherwise the holder of that
//! token could stop the introspection of all other tokens. A server that fails with 5xx over a
//! single token is indistinguishable from an outage, so the circuit breaker counts such failures only for
//! trusted tokens, and each token once.

use std::sync::Arc;

use super::error::{IntrospectionError, IntrospectionErrorKind};
use super::priority::Priority;
use crate::sync::{CallEnd, Failure};
use crate::transport::FetchErrorKind;

/// A failed introspection request.
#[derive(Clone, Debug)]
pub(super) struct CallFailure {
    pub(super) error: Arc<IntrospectionError>,
    /// Whether the lookup of the endpoint failed. No token has an influence on that.
    pub(super) in_lookup: bool,
}

/// The health of the server at the end of a call.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum ServerHealth {
    /// The call succeeded.
    Healthy,
    /// The server responded, with an error that may be due to the token or to a rate limit.
    Responding,
    /// The server is unavailable, or fails for every token or for this one.
    Failing(Failure),
    /// The call did not reach the server, or the failure may be due to an untrusted token.
    Unknown,
}

impl CallFailure {
    /// The health of the server after a failed call for the token with this key.
    pub(super) fn health(&self, token: u64, priority: Priority) -> ServerHealth {
        use FetchErrorKind::{AddressNotAllowed, ConnectionLost, Status, TimedOut, Transport};
        use IntrospectionErrorKind as Kind;
        match self.error.kind() {
            Kind::NotSent | Kind::CredentialsUnavailable | Kind::CredentialsUnusable => ServerHealth::Unknown,
            _ if self.in_lookup => ServerHealth::Failing(Failure::Server),
            Kind::Fetch(Transport | AddressNotAllowed) | Kind::ClientRejected(401) => {
                ServerHealth::Failing(Failure::Server)
            }
            Kind::Fetch(ConnectionLost | TimedOut | Status(404 | 405 | 408 | 410 | 500..)) => {
                if priority.is_trusted() {
                    ServerHealth::Failing(Failure::Token(token))
                } else {
                    ServerHealth::Unknown
                }
            }
            _ => ServerHealth::Responding,
        }
    }

    /// Whether one of our own limits prevented the request.
    pub(super) fn is_not_sent(&self) -> bool {
        self.error.kind() == IntrospectionErrorKind::NotSent
    }

    /// Whether the authorization server rejected the credentials.
    pub(super) fn is_client_rejected(&self) -> bool {
        matches!(self.error.kind(), IntrospectionErrorKind::ClientRejected(_))
    }

    /// Whether the token may be the cause, so that a request for another token may succeed.
    pub(super) fn may_be_due_to_token(&self) -> bool {
        use FetchErrorKind::{ConnectionLost, Status, TimedOut, TooLarge};
        match self.error.kind() {
            _ if self.in_lookup => false,
            IntrospectionErrorKind::Fetch(Status(404 | 405 | 410 | 429)) => false,
            IntrospectionErrorKind::Fetch(ConnectionLost | TimedOut | TooLarge | Status(_)) => true,
            IntrospectionErrorKind::ResponseUnreadable => true,
            _ => false,
        }
    }

    /// Whether the server handles fewer calls than it gets. A status may be due to an untrusted token.
    pub(super) fn call_end(&self, priority: Priority) -> CallEnd {
        match self.error.kind() {
            IntrospectionErrorKind::Fetch(FetchErrorKind::TimedOut) if !self.in_lookup => CallEnd::Overdue,
            IntrospectionErrorKind::Fetch(FetchErrorKind::Status(429 | 503)) if priority.is_trusted() => {
                CallEnd::Overdue
            }
            _ => CallEnd::Failed,
        }
    }
}
