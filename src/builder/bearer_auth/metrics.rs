//! The setting of the feature `metrics`.

use super::BearerAuthBuilder;

/// The settings for metrics.
impl BearerAuthBuilder {
    /// Reports counters, durations and gauges through the facade of the crate `metrics`. Default: off.
    ///
    /// [Operations](https://docs.rs/tower-bearer/latest/tower_bearer/guide/operations/index.html#metrics) lists
    /// the names and labels. No label has a value of a token: the issuer is the configured identifier, or the
    /// pattern of a resolver.
    ///
    /// Install a recorder before the first request. Earlier reports are lost, and the counters of
    /// accepted requests stay with the recorder that was there at their first use. For the gauges, see
    /// [`BearerAuth::record_gauges`](crate::BearerAuth::record_gauges).
    ///
    /// ```
    /// use metrics_exporter_prometheus::PrometheusBuilder;
    /// use tower_bearer::BearerAuth;
    ///
    /// // Call `prometheus.run_upkeep()` every few seconds: it keeps each sample until then.
    /// let prometheus = PrometheusBuilder::new().install_recorder().unwrap();
    /// let builder = BearerAuth::builder("https://api.example.com").metrics();
    /// # let _ = (builder, prometheus.render());
    /// ```
    pub fn metrics(mut self) -> Self {
        self.metrics.get_or_insert_default();
        self
    }
}
