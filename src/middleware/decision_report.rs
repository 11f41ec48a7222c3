//! Reports the decision about each request to the log, the audit log and the observers, exactly once.
//!
//! Why an accepted request is reported at its end: a layer further in, an extractor or a handler may still
//! reject it. It is reported as accepted even if there is no response, because the inner service failed or
//! the client has left.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::request::Parts;

use super::shared::{Shared, SharedRef};
use crate::access_token::AccessToken;
use crate::audit::AuditedRequest;
use crate::crypto::Algorithm;
use crate::event;
use crate::observe::{Decision, Lookup, Outcome, Undecided};
use crate::rejection::Rejection;

/// The report of a request that `BearerAuth` accepted, until the decision is final.
pub(super) struct DecisionReport {
    shared: SharedRef,
    event: Option<event::AcceptedRequest>,
    audited: Option<AuditedRequest>,
    token: Option<AccessToken>,
    lookup: Lookup,
    duration: Duration,
    is_reported: AtomicBool,
}

impl DecisionReport {
    /// The report of the request with this `head` and this token. `None` if neither a subscriber nor an
    /// observer listens.
    pub(super) fn new(
        shared: &SharedRef,
        head: &Parts,
        token: Option<&AccessToken>,
        undecided: Undecided,
    ) -> Option<Arc<Self>> {
        shared.is_listened_to().then(|| {
            Arc::new(Self {
                shared: Arc::clone(shared),
                event: event::AcceptedRequest::new(token.map(AccessToken::issuer_name)),
                audited: shared.audited(Some(head)),
                token: token.cloned(),
                lookup: undecided.lookup,
                duration: undecided.duration(),
                is_reported: AtomicBool::new(false),
            })
        })
    }

    /// Reports that the request was accepted, unless it is reported.
    pub(super) fn accept(&self) {
        if self.is_reported.swap(true, Ordering::AcqRel) {
            return;
        }
        let token = self.token.as_ref();
        if let Some(event) = &self.event {
            event.report();
        }
        if let Some(audited) = &self.audited {
            audited.accept(token);
        }
        self.shared.observe(accepted(token, self.lookup, self.duration));
    }

    /// Reports that a layer further in, an extractor or a handler rejected the request, unless it is
    /// reported. The log event is the task of the caller, which has the head of the request.
    pub(super) fn reject(&self, rejection: &Rejection) {
        if self.is_reported.swap(true, Ordering::AcqRel) {
            return;
        }
        let token = self.token.as_ref();
        if let Some(audited) = &self.audited {
            audited.reject(token, rejection);
        }
        let accepted = accepted(token, self.lookup, self.duration);
        let rejected = rejected(rejection, self.lookup, self.duration);
        let issuer = rejected.issuer.or(accepted.issuer);
        let (key_id, algorithm) = (accepted.key_id, accepted.algorithm);
        self.shared.observe(Decision { issuer, key_id, algorithm, ..rejected });
    }
}

impl Shared {
    /// Whether a subscriber or an observer may listen to accepted requests.
    fn is_listened_to(&self) -> bool {
        let is_audited = self.audit.is_some() && event::is_audit_reported();
        self.observers.is_observed() || event::is_acceptance_reported() || is_audited
    }

    /// Reports a request that is rejected before it is accepted, or a token that came without a request.
    pub(super) fn report_rejected(&self, rejection: &Rejection, head: Option<&Parts>, undecided: Undecided) {
        self.log_rejection(rejection, head);
        if let Some(audited) = self.audited(head) {
            audited.reject(None, rejection);
        }
        if self.observers.is_observed() {
            self.observe(rejected(rejection, undecided.lookup, undecided.duration()));
        }
    }

    /// Reports a token that came without a request and is accepted.
    pub(super) fn report_accepted(&self, token: &AccessToken, undecided: Undecided) {
        if let Some(event) = event::AcceptedRequest::new(Some(token.issuer_name())) {
            event.report();
        }
        if let Some(audited) = self.audited(None) {
            audited.accept(Some(token));
        }
        if self.observers.is_observed() {
            self.observe(accepted(Some(token), undecided.lookup, undecided.duration()));
        }
    }

    fn audited(&self, head: Option<&Parts>) -> Option<AuditedRequest> {
        AuditedRequest::new(self.audit.as_ref()?, head)
    }

    fn observe(&self, decision: Decision<'_>) {
        let resolver_pattern = decision.issuer.and_then(|issuer| self.authenticator.resolver_pattern(issuer));
        let resolver_pattern = resolver_pattern.map(|pattern| &**pattern);
        self.observers.decided(&Decision { resolver_pattern, ..decision });
        #[cfg(feature = "metrics")]
        self.record_gauges_after(decision.source());
    }
}

fn accepted(token: Option<&AccessToken>, lookup: Lookup, duration: Duration) -> Decision<'_> {
    let outcome = if token.is_some() { Outcome::Accepted } else { Outcome::Anonymous };
    let grant = token.map(AccessToken::grant);
    Decision {
        outcome,
        kind: outcome.as_str(),
        status: None,
        issuer: token.map(AccessToken::issuer),
        resolver_pattern: None,
        key_id: grant.and_then(|grant| Some(&*grant.key_id.as_ref()?.0)),
        algorithm: grant.and_then(|grant| grant.algorithm).map(Algorithm::as_str),
        lookup,
        duration,
    }
}

fn rejected(rejection: &Rejection, lookup: Lookup, duration: Duration) -> Decision<'_> {
    Decision {
        outcome: Outcome::Rejected,
        kind: rejection.kind().as_str(),
        status: Some(rejection.status()),
        issuer: rejection.issuer(),
        resolver_pattern: None,
        key_id: None,
        algorithm: None,
        lookup,
        duration,
    }
}
