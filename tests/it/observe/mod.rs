//! The reports to an `Observer`: each request once, key fetches, introspection requests and circuit breakers.

mod calls;
mod decisions;
mod metrics;

use std::sync::{Arc, Mutex};

use tower_bearer::observe::{CircuitChange, Decision, IntrospectionCall, KeyFetch, Observer};

/// Records each report as a line.
#[derive(Clone, Default)]
struct Recorder(Arc<Mutex<Vec<String>>>);

impl Recorder {
    /// The lines since the last call.
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }

    /// The decisions since the last call.
    fn decisions(&self) -> Vec<String> {
        let decision = |line: String| line.strip_prefix("decided ").map(str::to_owned);
        self.take().into_iter().filter_map(decision).collect()
    }

    fn push(&self, line: String) {
        self.0.lock().unwrap().push(line);
    }
}

impl Observer for Recorder {
    fn decided(&self, decision: &Decision<'_>) {
        let status = decision.status().map_or(0, |status| status.as_u16());
        let (outcome, kind) = (decision.outcome().as_str(), decision.kind());
        let (source, hit) = (decision.source().as_str(), decision.cache_hit());
        self.push(format!("decided {outcome} {kind} {status} {source} {hit:?}"));
    }

    fn keys_fetched(&self, fetch: &KeyFetch<'_>) {
        let (issuer, outcome) = (fetch.issuer(), fetch.outcome().as_str());
        let (keys, failures) = (fetch.keys(), fetch.failures());
        self.push(format!("fetched {issuer} {outcome} {keys} {failures} {:?}", fetch.resolver_pattern()));
    }

    fn introspected(&self, call: &IntrospectionCall<'_>) {
        self.push(format!("introspected {} {}", call.issuer(), call.outcome().as_str()));
    }

    fn circuit_changed(&self, change: &CircuitChange<'_>) {
        self.push(format!("circuit {} {}", change.issuer(), change.is_open()));
    }
}
