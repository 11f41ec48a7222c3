//! One audited request: reported once, as accepted or as rejected.
//!
//! Why it is in the request's extensions: a layer further in may reject a request that `BearerAuth` has
//! accepted, and only one of the two may report it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::request::Parts;

use super::Audit;
use crate::access_token::AccessToken;
use crate::encoding::shown::shortened;
use crate::event::{AuditedDecision, is_audit_reported};
use crate::rejection::Rejection;

struct AuditedRequest {
    audit: Arc<Audit>,
    method: Option<String>,
    route: Option<String>,
    /// `None` if no token was accepted.
    token: Option<AccessToken>,
    is_decided: AtomicBool,
}

/// An accepted request. It is reported when this value is dropped, unless it was rejected further in.
pub(crate) struct AcceptedRequest(Arc<AuditedRequest>);

impl AcceptedRequest {
    /// Puts the request with this `head` under audit, instead of an outer `BearerAuth`. `None` if no
    /// subscriber listens.
    pub(crate) fn new(audit: &Arc<Audit>, head: &mut Parts, token: Option<&AccessToken>) -> Option<Self> {
        if !is_audit_reported() {
            return None;
        }
        let request = Arc::new(AuditedRequest::new(audit, Some(head), token));
        if let Some(outer) = head.extensions.insert(Arc::clone(&request)) {
            outer.is_decided.store(true, Ordering::Relaxed);
        }
        Some(Self(request))
    }

    /// A handler has rejected the request.
    pub(crate) fn reject(&self, rejection: &Rejection) {
        self.0.reject(rejection);
    }
}

impl Drop for AcceptedRequest {
    fn drop(&mut self) {
        self.0.accept();
    }
}

/// Reports that the request with this `head` was rejected: before `BearerAuth` with this `audit` has accepted
/// it, or further in.
pub(crate) fn reject(audit: Option<&Arc<Audit>>, rejection: &Rejection, head: &Parts) {
    if let Some(request) = head.extensions.get::<Arc<AuditedRequest>>() {
        request.reject(rejection);
    } else if let Some(audit) = audit.filter(|_| is_audit_reported()) {
        AuditedRequest::new(audit, Some(head), None).reject(rejection);
    }
}

/// Reports the decision about a token that came without a request.
pub(crate) fn outside_request(audit: &Arc<Audit>, decision: Result<&AccessToken, &Rejection>) {
    if is_audit_reported() {
        let request = AuditedRequest::new(audit, None, decision.ok());
        match decision {
            Ok(_) => request.accept(),
            Err(rejection) => request.reject(rejection),
        }
    }
}

impl AuditedRequest {
    fn new(audit: &Arc<Audit>, head: Option<&Parts>, token: Option<&AccessToken>) -> Self {
        Self {
            audit: Arc::clone(audit),
            method: head.map(|head| shortened(head.method.as_str())),
            route: head.and_then(|head| audit.label(head)),
            token: token.cloned(),
            is_decided: AtomicBool::new(false),
        }
    }

    fn accept(&self) {
        let kind = if self.token.is_some() { "accepted" } else { "anonymous" };
        self.report("accepted", kind, None);
    }

    fn reject(&self, rejection: &Rejection) {
        self.report("rejected", rejection.kind().as_str(), Some(rejection));
    }

    fn report(&self, decision: &'static str, kind: &'static str, rejection: Option<&Rejection>) {
        if self.is_decided.swap(true, Ordering::Relaxed) {
            return;
        }
        let token = self.token.as_ref();
        let (subject, subject_hash) = self.audit.shown(token.and_then(AccessToken::subject));
        let event = AuditedDecision {
            decision,
            kind,
            status: rejection.map(|rejection| rejection.status().as_u16()),
            issuer: token.map(AccessToken::issuer).or_else(|| rejection?.issuer()),
            subject,
            subject_hash,
            client_id: token.and_then(AccessToken::client_id).map(shortened),
            jti: token.and_then(AccessToken::token_id).map(shortened),
            method: self.method.clone(),
            route: self.route.clone(),
        };
        event.report();
    }
}
