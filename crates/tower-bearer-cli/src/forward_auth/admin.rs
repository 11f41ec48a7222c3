//! The second listener: probes, status and metrics for operators, and the metadata of the API.
//!
//! Why it is separate: the first one checks every path, so none is free for others.

use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use metrics_exporter_prometheus::PrometheusHandle;
use tower::ServiceExt;
use tower_bearer::BearerAuth;

use super::authorizer::{Body, full};

/// `GET /ready` is for readiness probes, `GET /status` for people, and `GET /metrics` for Prometheus. The
/// paths of the resource metadata have its document (RFC 9728).
pub(crate) async fn respond(auth: &BearerAuth, prometheus: &PrometheusHandle, head: Parts) -> Response<Body> {
    let path = head.uri.path();
    let metadata = auth.resource_metadata().filter(|metadata| metadata.paths().any(|own| own == path));
    if let Some(metadata) = metadata {
        let Ok(response) = metadata.oneshot(Request::from_parts(head, ())).await;
        return response.map(|text| full(text.into()));
    }
    match path {
        "/ready" => {
            let Ok(response) = auth.ready_service().oneshot(Request::from_parts(head, ())).await;
            response.map(|text| full(text.into()))
        }
        "/status" => {
            let Ok(response) = auth.status_service().oneshot(Request::from_parts(head, ())).await;
            response.map(|text| full(text.into()))
        }
        "/metrics" if head.method == Method::GET || head.method == Method::HEAD => {
            auth.record_gauges();
            let header = (CONTENT_TYPE, HeaderValue::from_static("text/plain; version=0.0.4"));
            plain(StatusCode::OK, header, prometheus.render())
        }
        "/metrics" => {
            let header = (ALLOW, HeaderValue::from_static("GET, HEAD"));
            plain(StatusCode::METHOD_NOT_ALLOWED, header, String::new())
        }
        _ => {
            let header = (CONTENT_TYPE, HeaderValue::from_static("text/plain"));
            plain(StatusCode::NOT_FOUND, header, String::new())
        }
    }
}

fn plain(status: StatusCode, (name, value): (HeaderName, HeaderValue), text: String) -> Response<Body> {
    let mut response = Response::new(full(text.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(name, value);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
