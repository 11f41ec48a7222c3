//! The audit event of a decision. The only event with the subject of a token.

use tracing::{Level, info};

use super::is_listened_to;

/// The target of audit events, so that a subscriber can send them elsewhere.
const TARGET: &str = "tower_bearer::audit";

/// Whether a subscriber may listen to audit events.
pub(crate) fn is_audit_reported() -> bool {
    is_listened_to(Level::INFO)
}

/// One decision. Texts that clients or authorization servers choose are escaped and shortened.
pub(crate) struct AuditedDecision<'a> {
    pub(crate) decision: &'static str,
    pub(crate) kind: &'static str,
    /// Of the response to a rejected request.
    pub(crate) status: Option<u16>,
    pub(crate) issuer: Option<&'a str>,
    pub(crate) subject: Option<String>,
    pub(crate) subject_hash: Option<String>,
    pub(crate) client_id: Option<String>,
    pub(crate) jti: Option<String>,
    pub(crate) method: Option<&'a str>,
    pub(crate) route: Option<&'a str>,
}

impl AuditedDecision<'_> {
    pub(crate) fn report(&self) {
        let Self { decision, kind, status, issuer, .. } = self;
        info!(
            target: TARGET,
            decision,
            kind,
            status,
            issuer,
            subject = self.subject.as_deref(),
            subject_hash = self.subject_hash.as_deref(),
            client_id = self.client_id.as_deref(),
            jti = self.jti.as_deref(),
            method = self.method,
            route = self.route,
            "request decided"
        );
    }
}
