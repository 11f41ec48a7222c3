//! The introspection calls in flight, at most one per token, and their progress.

use std::collections::HashMap;
use std::time::Instant;

use tokio::sync::watch;

use super::cache::Origin;
use super::digest::TokenDigest;
use super::error::IntrospectionErrorKind;
use super::fault::IntrospectionFault;
use crate::access_token::AccessToken;
use crate::time::now;

/// The result of an introspection: the token, or why it is rejected.
pub(super) type Outcome = Result<AccessToken, IntrospectionFault>;

/// The calls in flight, by token.
#[derive(Default)]
pub(super) struct CallsInFlight {
    /// The number of the latest call. Calls are numbered from 1.
    latest: u64,
    in_flight: HashMap<TokenDigest, InFlight>,
}

/// A call in flight, as its waiters see it.
#[derive(Clone)]
pub(super) struct InFlight {
    number: u64,
    /// When the response has to be there, for the request that started the call.
    pub(super) deadline: Instant,
    pub(super) progress: watch::Receiver<Progress>,
}

/// A call that starts.
pub(super) struct Started {
    pub(super) call: InFlight,
    pub(super) origin: Origin,
    pub(super) sender: watch::Sender<Progress>,
}

/// The progress of a call.
#[derive(Clone)]
pub(super) enum Progress {
    /// The call waits for a permit.
    Queued,
    /// The call holds a permit.
    Running,
    Done(Completed),
}

/// The result of a call.
#[derive(Clone)]
pub(super) struct Completed {
    pub(super) origin: Origin,
    pub(super) outcome: Outcome,
}

impl CallsInFlight {
    /// The number of the latest call.
    pub(super) fn latest(&self) -> u64 {
        self.latest
    }

    pub(super) fn len(&self) -> usize {
        self.in_flight.len()
    }

    pub(super) fn get(&self, token: &TokenDigest) -> Option<&InFlight> {
        self.in_flight.get(token)
    }

    /// Starts a call for a token that has none in flight.
    pub(super) fn start(&mut self, token: TokenDigest, deadline: Instant) -> Started {
        self.latest = self.latest.saturating_add(1);
        let (sender, progress) = watch::channel(Progress::Queued);
        let call = InFlight { number: self.latest, deadline, progress };
        self.in_flight.insert(token, call.clone());
        Started { call, origin: Origin { call: self.latest, requested_at: now() }, sender }
    }

    /// Removes the call with this origin. The next one for the same token may be in flight already.
    pub(super) fn remove(&mut self, token: &TokenDigest, origin: Origin) {
        if self.in_flight.get(token).is_some_and(|call| call.number == origin.call) {
            self.in_flight.remove(token);
        }
    }
}

impl Completed {
    pub(super) fn is_not_sent(&self) -> bool {
        matches!(
            &self.outcome,
            Err(IntrospectionFault::Unavailable { cause, .. })
                if cause.kind() == IntrospectionErrorKind::NotSent
        )
    }
}
