//! Reads the gauges of the feature `metrics` from the state of the layer.

use std::collections::BTreeMap;

use super::bearer_auth::BearerAuth;
use super::shared::Shared;
use crate::diagnostics::{CircuitState, IssuerStatus};
use crate::observe::Source;
use crate::observe::metrics::{Gauges, IssuerGauges, label};
use crate::revocation::Revocations;

impl BearerAuth {
    /// Sets the gauges of [`BearerAuthBuilder::metrics`](crate::BearerAuthBuilder::metrics) to the current
    /// state. Does nothing without them.
    ///
    /// Call it in the handler of `/metrics`, before you render the metrics. Requests set the gauges too, at
    /// most once per second and only if their token is not cached.
    ///
    /// ```
    /// use tower_bearer::BearerAuth;
    ///
    /// fn render(auth: &BearerAuth, prometheus: &metrics_exporter_prometheus::PrometheusHandle) -> String {
    ///     auth.record_gauges();
    ///     prometheus.render()
    /// }
    /// ```
    pub fn record_gauges(&self) {
        self.shared().record_gauges();
    }
}

impl Shared {
    pub(super) fn record_gauges_after(&self, source: Source) {
        if source != Source::Cached && self.metrics.as_ref().is_some_and(|metrics| metrics.are_gauges_due()) {
            self.record_gauges();
        }
    }

    fn record_gauges(&self) {
        let Some(metrics) = &self.metrics else { return };
        let tokens = &self.authenticator.tokens;
        metrics.record(Gauges {
            cached_tokens: tokens.len(),
            evictions: tokens.evictions(),
            replay_proofs: self.authenticator.senders.replay_proofs(),
            revocations: self.authenticator.revocations.as_ref().map(Revocations::len),
            issuers: self.issuer_gauges(),
        });
    }

    fn issuer_gauges(&self) -> BTreeMap<String, IssuerGauges> {
        let mut gauges: BTreeMap<String, IssuerGauges> = BTreeMap::new();
        for status in self.authenticator.status() {
            let pattern = self.authenticator.resolver_pattern(status.issuer());
            let label = label(Some(status.issuer()), pattern.map(|pattern| &**pattern)).to_owned();
            add(gauges.entry(label).or_default(), &status);
        }
        gauges
    }
}

/// Adds the state of an issuer.
fn add(gauges: &mut IssuerGauges, status: &IssuerStatus) {
    gauges.keys_age = gauges.keys_age.max(status.keys().and_then(|keys| keys.age()));
    let Some(status) = status.introspection() else { return };
    let sum = gauges.introspection.get_or_insert_default();
    let queued = status.queued_calls();
    sum.queued = sum.queued.saturating_add(queued);
    sum.in_flight = sum.in_flight.saturating_add(status.calls_in_flight().saturating_sub(queued));
    let is_open = status.circuit() == CircuitState::Open;
    sum.open_circuits = sum.open_circuits.saturating_add(usize::from(is_open));
}
