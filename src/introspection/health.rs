//! Classifies the end of a call by the health of the authorization server, for the circuit breaker.
//!
//! Why: a failure that one token can cause must not open the circuit breaker. Otherwise the holder of that
//! token could stop the introspection of all other tokens. A server that fails with 5xx over a
//! single token is indistinguishable from an outage.

use std::sync::Arc;

use super::error::{IntrospectionError, IntrospectionErrorKind};
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
    /// The server responded, with an error that may be due to the token.
    Responding,
    /// The server is unavailable, or fails for every token.
    Failing,
    /// The call did not reach the server.
    Unknown,
}

impl CallFailure {
    pub(super) fn health(&self) -> ServerHealth {
        match health(self.error.kind()) {
            ServerHealth::Responding if self.in_lookup => ServerHealth::Failing,
            health => health,
        }
    }
}

fn health(kind: IntrospectionErrorKind) -> ServerHealth {
    use FetchErrorKind::{ConnectionLost, Status, TimedOut, Transport};
    use IntrospectionErrorKind as Kind;
    match kind {
        Kind::Fetch(Transport | ConnectionLost | TimedOut) => ServerHealth::Failing,
        Kind::Fetch(Status(404 | 405 | 408 | 410 | 429 | 500..)) => ServerHealth::Failing,
        Kind::ClientRejected(401) => ServerHealth::Failing,
        Kind::NotSent | Kind::CredentialsUnusable => ServerHealth::Unknown,
        _ => ServerHealth::Responding,
    }
}
