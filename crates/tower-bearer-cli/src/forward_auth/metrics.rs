//! The recorder of the metrics.

use std::time::Duration;

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

/// The buckets of the durations, in seconds: from a cached token to an introspection at its time limit.
const BUCKETS: [f64; 12] = [1e-6, 4e-6, 16e-6, 64e-6, 256e-6, 1e-3, 4e-3, 16e-3, 64e-3, 256e-3, 1.0, 4.0];

/// Installs the recorder of this process.
///
/// # Errors
/// [`BuildError`] if there is one.
pub(crate) fn install() -> Result<PrometheusHandle, BuildError> {
    let durations = Matcher::Suffix("_duration_seconds".to_owned());
    PrometheusBuilder::new().set_buckets_for_metric(durations, &BUCKETS)?.install_recorder()
}

/// Moves the samples of the durations into their buckets, for ever: the recorder keeps each sample until then.
pub(crate) async fn keep_up(prometheus: PrometheusHandle) {
    let mut ticks = tokio::time::interval(Duration::from_secs(5));
    loop {
        ticks.tick().await;
        prometheus.run_upkeep();
    }
}
