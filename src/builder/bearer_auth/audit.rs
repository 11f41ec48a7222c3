//! The setting for audit events.

use std::sync::Arc;

use super::BearerAuthBuilder;
use crate::audit::Audit;
use crate::settings::ConfigProblem;

/// Audit events.
impl BearerAuthBuilder {
    /// Reports each decision in an audit event: its subject, client, `jti` and route label. Default: no
    /// audit events. A [view](crate::BearerAuth::view) shares the setting.
    ///
    /// The module [`audit`](crate::audit) lists the fields.
    ///
    /// ```
    /// use tower_bearer::BearerAuth;
    /// use tower_bearer::audit::Audit;
    ///
    /// fn audited(key: Vec<u8>) -> tower_bearer::BearerAuthBuilder {
    ///     BearerAuth::builder("https://api.example.com").audit(Audit::with_hashed_subject(key))
    /// }
    /// ```
    ///
    /// # Risk
    /// The events identify people, clients and tokens: decide who may read them, and for how long they are
    /// kept. Every request is an event, those of a flood included.
    pub fn audit(mut self, audit: Audit) -> Self {
        self.audit = Some(Arc::new(audit));
        self
    }

    pub(super) fn check_audit(&self, problems: &mut Vec<ConfigProblem>) {
        if let Some(length) = self.audit.as_ref().and_then(|audit| audit.short_key()) {
            problems.push(ConfigProblem::SettingUnusable {
                setting: "the key of Audit::with_hashed_subject".to_owned(),
                reason: format!("has {length} bytes, less than 32"),
                hint: "use at least 32 random bytes".to_owned(),
            });
        }
    }
}
