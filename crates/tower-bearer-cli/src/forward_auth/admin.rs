//! The second listener: probes, status, metrics and a page for operators, and the metadata of the API.
//!
//! Checks: the `Host` of a request for the status or the page.
//!
//! Does not check: the `Host` of other requests. Clients of probes and metrics use the names of services, and
//! the metadata is public.
//!
//! Why the listener is separate: the first one checks every path, so none is free for others.

use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use metrics_exporter_prometheus::PrometheusHandle;
use tower::ServiceExt;
use tower_bearer::BearerAuth;
use tower_bearer::inspector::Inspector;

use super::authorizer::{Authorizer, Body, full};

/// The body of 421.
const OTHER_HOST: &str = "this host name is not allowed; hint: add it to admin_hosts\n";

/// The metrics and the page of the program. A reload keeps them.
#[derive(Clone)]
pub(crate) struct Pages {
    pub(crate) prometheus: PrometheusHandle,
    pub(crate) inspector: Inspector,
}

impl Pages {
    /// `GET /ready` is for readiness probes, `GET /status` and `/inspector/` for people, and `GET /metrics`
    /// for Prometheus. The paths of the resource metadata have its document (RFC 9728).
    pub(crate) async fn respond(
        &self,
        authorizer: &Authorizer,
        request: Request<Incoming>,
    ) -> Response<Body> {
        let (auth, path) = (authorizer.auth(), request.uri().path());
        let metadata = auth.resource_metadata().filter(|metadata| metadata.paths().any(|own| own == path));
        if let Some(metadata) = metadata {
            let Ok(response) = metadata.oneshot(request).await;
            return response.map(|text| full(text.into()));
        }
        match path {
            "/ready" => {
                let Ok(response) = auth.ready_service().oneshot(request).await;
                response.map(|text| full(text.into()))
            }
            "/status" | "/inspector" | "/inspector/" if !authorizer.allows_host(request.headers()) => {
                let header = (CONTENT_TYPE, HeaderValue::from_static("text/plain"));
                plain(StatusCode::MISDIRECTED_REQUEST, header, OTHER_HOST.to_owned())
            }
            "/status" => {
                let Ok(response) = auth.status_service().oneshot(request).await;
                response.map(|text| full(text.into()))
            }
            "/inspector" | "/inspector/" => {
                let Ok(response) = self.inspector.service(auth).oneshot(request).await;
                response.map(|text| full(text.into()))
            }
            "/metrics" => self.metrics(auth, request.method()),
            _ => {
                let header = (CONTENT_TYPE, HeaderValue::from_static("text/plain"));
                plain(StatusCode::NOT_FOUND, header, String::new())
            }
        }
    }

    fn metrics(&self, auth: &BearerAuth, method: &Method) -> Response<Body> {
        if method != Method::GET && method != Method::HEAD {
            let header = (ALLOW, HeaderValue::from_static("GET, HEAD"));
            return plain(StatusCode::METHOD_NOT_ALLOWED, header, String::new());
        }
        auth.record_gauges();
        let header = (CONTENT_TYPE, HeaderValue::from_static("text/plain; version=0.0.4"));
        plain(StatusCode::OK, header, self.prometheus.render())
    }
}

fn plain(status: StatusCode, (name, value): (HeaderName, HeaderValue), text: String) -> Response<Body> {
    let mut response = Response::new(full(text.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(name, value);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
