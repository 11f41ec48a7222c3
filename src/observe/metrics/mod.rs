//! The observer of the feature `metrics`: reports to the recorder of the `metrics` facade.
//!
//! Why handles: the facade looks a metric up by its name and labels, which costs more than validating a
//! cached token. Accepted requests use handles that are registered once per issuer, those of the first issuer
//! without a lookup, because most APIs trust only one. Everything else is looked up.
//!
//! Why at the first use: the handles belong to the recorder that is installed then, and an application may
//! install its recorder after it has built the layer.

mod gauges;
mod names;

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use foldhash::quality::RandomState;
use metrics::{Counter, Histogram, counter, histogram};

use super::Observer;
use super::calls::{IntrospectionCall, KeyFetch};
use super::decision::{Decision, Outcome, Source};
use gauges::GaugeState;
pub(crate) use gauges::{Gauges, IssuerGauges};

/// Reports to the recorder of the `metrics` facade.
#[derive(Default)]
pub(crate) struct Metrics {
    described: OnceLock<()>,
    durations: BySource<Histogram>,
    hits: OnceLock<Counter>,
    misses: OnceLock<Counter>,
    /// The accepted requests of the issuer that was counted first.
    accepted_first: OnceLock<(Box<str>, BySource<Counter>)>,
    /// The accepted requests of the other issuers.
    accepted: ArcSwap<AcceptedByIssuer>,
    gauges: GaugeState,
}

type AcceptedByIssuer = HashMap<Box<str>, Arc<BySource<Counter>>, RandomState>;

/// One handle for each source of a decision.
struct BySource<H> {
    uncached: OnceLock<H>,
    cached: OnceLock<H>,
    introspected: OnceLock<H>,
}

impl Metrics {
    fn describe_once(&self) {
        self.described.get_or_init(names::describe);
    }

    fn count_accepted(&self, decision: &Decision<'_>, issuer: &str) {
        let register = || requests(decision, issuer);
        let (first, handles) = self.accepted_first.get_or_init(|| (issuer.into(), BySource::default()));
        if **first == *issuer {
            return handles.get(decision.source(), register).increment(1);
        }
        if let Some(handles) = self.accepted.load().get(issuer) {
            return handles.get(decision.source(), register).increment(1);
        }
        self.accepted.rcu(|issuers| {
            let mut issuers = AcceptedByIssuer::clone(issuers);
            issuers.entry(issuer.into()).or_default();
            issuers
        });
        register().increment(1);
    }
}

impl Observer for Metrics {
    fn decided(&self, decision: &Decision<'_>) {
        self.describe_once();
        let source = decision.source();
        let duration =
            self.durations.get(source, || histogram!(names::DURATION, "source" => source.as_str()));
        duration.record(decision.duration().as_secs_f64());
        match decision.cache_hit() {
            Some(true) => self.hits.get_or_init(|| counter!(names::CACHE_HITS)).increment(1),
            Some(false) => self.misses.get_or_init(|| counter!(names::CACHE_MISSES)).increment(1),
            None => {}
        }
        let issuer = label(decision.issuer(), decision.resolver_pattern());
        match decision.outcome() {
            Outcome::Accepted => self.count_accepted(decision, issuer),
            Outcome::Anonymous | Outcome::Rejected => requests(decision, issuer).increment(1),
        }
    }

    fn keys_fetched(&self, fetch: &KeyFetch<'_>) {
        self.describe_once();
        let issuer = label(Some(fetch.issuer()), fetch.resolver_pattern()).to_owned();
        let outcome = fetch.outcome().as_str();
        counter!(names::KEY_FETCHES, "issuer" => issuer.clone(), "outcome" => outcome).increment(1);
        let duration = fetch.duration().as_secs_f64();
        histogram!(names::KEY_FETCH_DURATION, "issuer" => issuer).record(duration);
    }

    fn introspected(&self, call: &IntrospectionCall<'_>) {
        self.describe_once();
        let issuer = label(Some(call.issuer()), call.resolver_pattern()).to_owned();
        let outcome = call.outcome().as_str();
        counter!(names::INTROSPECTIONS, "issuer" => issuer.clone(), "outcome" => outcome).increment(1);
        let duration = call.duration().as_secs_f64();
        histogram!(names::INTROSPECTION_DURATION, "issuer" => issuer).record(duration);
    }
}

// Not derived, because a handle has no default.
impl<H> Default for BySource<H> {
    fn default() -> Self {
        Self { uncached: OnceLock::new(), cached: OnceLock::new(), introspected: OnceLock::new() }
    }
}

impl<H> BySource<H> {
    fn get(&self, source: Source, register: impl FnOnce() -> H) -> &H {
        let handle = match source {
            Source::Uncached => &self.uncached,
            Source::Cached => &self.cached,
            Source::Introspected => &self.introspected,
        };
        handle.get_or_init(register)
    }
}

/// The label of an issuer: the pattern of its resolver, so that tenants add no series. Empty without an
/// issuer.
pub(crate) fn label<'l>(issuer: Option<&'l str>, resolver_pattern: Option<&'l str>) -> &'l str {
    resolver_pattern.or(issuer).unwrap_or_default()
}

fn requests(decision: &Decision<'_>, issuer: &str) -> Counter {
    counter!(
        names::REQUESTS,
        "outcome" => decision.outcome().as_str(),
        "kind" => decision.kind(),
        "source" => decision.source().as_str(),
        "issuer" => issuer.to_owned()
    )
}
