//! Measures what metrics and observers add to a request with a cached token: `cargo bench --bench observed`.

mod support;

use metrics::with_local_recorder;
use metrics_exporter_prometheus::PrometheusBuilder;
use support::auth::{observed, warm_up};
use support::request::bare;
use support::table::Table;
use support::token::{bearer, issuer, token};
use tower_bearer::observe::Observer;
use tower_bearer::{Algorithm, BearerAuthBuilder};

/// An observer that does nothing.
struct Idle;

impl Observer for Idle {}

fn main() {
    let table = Table::new();
    let issuer = issuer(Algorithm::RS256);
    let header = [bearer(&token(&issuer).sign())];
    let requests = |configure: fn(BearerAuthBuilder) -> BearerAuthBuilder| {
        let auth = observed(&issuer, configure);
        // The first request is uncached, and the second registers the metrics of cached tokens.
        warm_up(&auth, &[header.clone(), header.clone()].concat());
        bare(&auth, &header, 200)
    };
    let unobserved = requests(|builder| builder);
    let more = |name: &str, limit, measured: &dyn Fn()| {
        table.compare_excess(&format!("{name} / no observer"), limit, measured, &unobserved);
    };
    more("an observer that does nothing", None, &requests(|builder| builder.observer(Idle)));
    more("metrics without a recorder", None, &requests(BearerAuthBuilder::metrics));
    let recorder = PrometheusBuilder::new().build_recorder();
    let recorded = with_local_recorder(&recorder, || requests(BearerAuthBuilder::metrics));
    more("metrics with a Prometheus recorder", Some(60), &recorded);
}
