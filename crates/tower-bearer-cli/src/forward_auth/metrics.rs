//! The recorder of the metrics, and the metric of this program: its decisions.

use std::sync::OnceLock;
use std::time::Duration;

use metrics::{Counter, Unit, counter, describe_counter};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

/// The buckets of the durations, in seconds: from a cached token to an introspection at its time limit.
const BUCKETS: [f64; 12] = [1e-6, 4e-6, 16e-6, 64e-6, 256e-6, 1e-3, 4e-3, 16e-3, 64e-3, 256e-3, 1.0, 4.0];

const REQUESTS: &str = "tower_bearer_forward_auth_requests_total";

/// The `reason` of a request that is allowed because of its token.
pub(crate) const TOKEN: &str = "token";

/// Installs the recorder of this process.
///
/// # Errors
/// [`BuildError`] if there is one.
pub(crate) fn install() -> Result<PrometheusHandle, BuildError> {
    let durations = Matcher::Suffix("_duration_seconds".to_owned());
    let prometheus = PrometheusBuilder::new().set_buckets_for_metric(durations, &BUCKETS)?;
    let prometheus = prometheus.install_recorder()?;
    describe_counter!(REQUESTS, Unit::Count, "Requests that a proxy asked about, by decision");
    Ok(prometheus)
}

/// Counts an allowed request.
pub(crate) fn count_allowed(reason: &'static str) {
    /// Looked up once: most requests have a cached token, which takes less time than the lookup.
    static WITH_TOKEN: OnceLock<Counter> = OnceLock::new();
    let counter = || counter!(REQUESTS, "decision" => "allowed", "reason" => reason);
    if reason == TOKEN { WITH_TOKEN.get_or_init(counter).increment(1) } else { counter().increment(1) }
}

/// Counts a rejected request.
pub(crate) fn count_rejected(reason: &'static str) {
    counter!(REQUESTS, "decision" => "rejected", "reason" => reason).increment(1);
}

/// Moves the samples of the durations into their buckets, for ever. The recorder keeps each sample until
/// then.
pub(crate) async fn keep_up(prometheus: PrometheusHandle) {
    let mut ticks = tokio::time::interval(Duration::from_secs(5));
    loop {
        ticks.tick().await;
        prometheus.run_upkeep();
    }
}
