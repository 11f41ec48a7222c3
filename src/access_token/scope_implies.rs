//! The user's rule for scopes that include other scopes.

use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;

/// Of a granted and a needed scope.
type Rule = dyn Fn(&str, &str) -> bool + Send + Sync;

/// Whether a granted scope includes a needed one.
#[derive(Clone)]
pub(crate) struct ScopeImplies(Arc<Rule>);

// A token exposes nothing of it.
impl UnwindSafe for ScopeImplies {}
impl RefUnwindSafe for ScopeImplies {}

impl ScopeImplies {
    pub(crate) fn new(rule: impl Fn(&str, &str) -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(rule))
    }

    /// Whether `granted` includes `needed`.
    pub(crate) fn implies(&self, granted: &str, needed: &str) -> bool {
        (self.0)(granted, needed)
    }
}

impl fmt::Debug for ScopeImplies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScopeImplies").finish_non_exhaustive()
    }
}
