//! The settings for reports to the user's own code.

use std::sync::Arc;

use super::BearerAuthBuilder;
use crate::observe::{Observer, Observers};

/// The observers of decisions and calls.
impl BearerAuthBuilder {
    /// Sets an observer, which receives a report of each decision, key fetch and introspection request.
    /// Replaces those that were set or added before. Default: none.
    ///
    /// ```
    /// use tower_bearer::BearerAuth;
    /// use tower_bearer::observe::{Decision, Observer};
    ///
    /// struct Print;
    ///
    /// impl Observer for Print {
    ///     fn decided(&self, decision: &Decision<'_>) {
    ///         println!("{} after {:?}", decision.kind(), decision.duration());
    ///     }
    /// }
    ///
    /// let builder = BearerAuth::builder("https://api.example.com").observer(Print);
    /// ```
    pub fn observer(mut self, observer: impl Observer) -> Self {
        self.observers.clear();
        self.add_observer(observer)
    }

    /// Adds an observer. Each report goes to the observers in the order in which they were added.
    pub fn add_observer(mut self, observer: impl Observer) -> Self {
        self.observers.push(Arc::new(observer));
        self
    }

    /// The observers, and the one of the feature `metrics`.
    pub(super) fn all_observers(&self) -> Observers {
        #[cfg(feature = "metrics")]
        let metrics = self.metrics.clone().map(|metrics| -> Arc<dyn Observer> { metrics });
        #[cfg(not(feature = "metrics"))]
        let metrics = None;
        let observers: Vec<_> = self.observers.iter().cloned().chain(metrics).collect();
        Observers::new(&observers)
    }
}
