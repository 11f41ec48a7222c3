//! The audit event of one request.

use std::sync::Arc;

use http::request::Parts;

use super::Audit;
use crate::access_token::AccessToken;
use crate::encoding::shown::shortened;
use crate::event::{AuditedDecision, is_audit_reported};
use crate::rejection::Rejection;

/// A request under audit, with the values that its head no longer has at the end.
pub(crate) struct AuditedRequest {
    audit: Arc<Audit>,
    method: Option<String>,
    route: Option<String>,
}

impl AuditedRequest {
    /// The request with this `head`. `None` if no subscriber listens.
    pub(crate) fn new(audit: &Arc<Audit>, head: Option<&Parts>) -> Option<Self> {
        is_audit_reported().then(|| Self {
            audit: Arc::clone(audit),
            method: head.map(|head| shortened(head.method.as_str())),
            route: head.and_then(|head| audit.label(head)),
        })
    }

    /// The request was accepted, with this token or without one.
    pub(crate) fn accept(&self, token: Option<&AccessToken>) {
        let kind = if token.is_some() { "accepted" } else { "anonymous" };
        self.report("accepted", kind, token, None);
    }

    /// The request was rejected. `token` is `None` if no token was accepted before.
    pub(crate) fn reject(&self, token: Option<&AccessToken>, rejection: &Rejection) {
        self.report("rejected", rejection.kind().as_str(), token, Some(rejection));
    }

    fn report(
        &self,
        decision: &'static str,
        kind: &'static str,
        token: Option<&AccessToken>,
        rejection: Option<&Rejection>,
    ) {
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
            method: self.method.as_deref(),
            route: self.route.as_deref(),
        };
        event.report();
    }
}
