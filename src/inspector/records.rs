//! The records of an inspector: counts of decisions, and the last rejections.

use super::decisions::Decisions;
use super::kinds;
use super::rejections::RecentRejections;
use crate::observe::{Decision, Outcome};

/// The records of one inspector.
pub(super) struct Records {
    pub(super) decisions: Decisions,
    pub(super) rejections: RecentRejections,
}

impl Records {
    pub(super) fn new() -> Self {
        Self { decisions: Decisions::new(), rejections: RecentRejections::default() }
    }

    pub(super) fn add(&self, decision: &Decision<'_>) {
        match decision.outcome() {
            Outcome::Accepted => self.decisions.accepted(),
            Outcome::Anonymous => self.decisions.anonymous(),
            Outcome::Rejected => {
                if let Some((position, kind)) = kinds::find(decision.kind()) {
                    self.decisions.rejected(position);
                    self.rejections.record(kind, decision.issuer());
                }
            }
        }
    }
}
