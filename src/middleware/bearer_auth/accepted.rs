//! An accepted request: what the inner service sees of it, and what becomes of the response.

use std::sync::Arc;
use std::time::Duration;

use http::header::CACHE_CONTROL;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Response};

use crate::access_token::AccessToken;
use crate::bearer::{self, DPOP_NONCE};
use crate::middleware::body::ResponseBody;
use crate::middleware::coverage::Coverage;
use crate::middleware::decision_report::DecisionReport;
use crate::middleware::shared::SharedRef;
use crate::observe::Undecided;
use crate::rejection::Rejection;

/// An accepted request, until its response is there.
pub(super) struct Accepted {
    /// Keeps the shared state alive for the layers further in: the service may be dropped before they need
    /// it.
    shared: SharedRef,
    report: Option<ReportOnDrop>,
    /// The token is in the URL.
    in_query: bool,
    /// The nonce for the next DPoP proof of the client. Boxed, because few requests have one.
    fresh_nonce: Option<Box<HeaderValue>>,
}

/// Reports the request when it is dropped, at the latest.
struct ReportOnDrop(Arc<DecisionReport>);

impl Accepted {
    /// Prepares the head for the inner service. `introspection_time` is what the request waited for
    /// introspection.
    pub(super) fn new(
        head: &mut Parts,
        token: Option<AccessToken>,
        introspection_time: Duration,
        undecided: Undecided,
        shared: &SharedRef,
    ) -> Self {
        let report = DecisionReport::new(shared, head, token.as_ref(), undecided);
        let accepted = Self {
            shared: Arc::clone(shared),
            report: report.map(ReportOnDrop),
            in_query: token.is_some() && bearer::is_in_query(head, &shared.authenticator.sources),
            fresh_nonce: None,
        };
        let remove = shared.strip_credentials && token.is_some();
        shared.hide_credentials(head, remove);
        if shared.authenticator.senders.reads_headers() {
            shared.authenticator.senders.hide_headers(&mut head.headers, remove);
        }
        let on_accept = shared.on_accept.as_ref().and_then(|on_accept| Some((on_accept, token.clone()?)));
        let report = accepted.report.as_ref().map(|ReportOnDrop(report)| report);
        Coverage::insert(head, token, introspection_time, report, shared);
        if let Some((on_accept, token)) = on_accept {
            on_accept(&token, head);
        }
        accepted
    }

    /// The response gives the client this nonce (RFC 9449 section 8.2).
    ///
    /// A shared cache would give an old nonce to other clients.
    pub(super) fn with_fresh_nonce(self, fresh_nonce: Option<HeaderValue>) -> Self {
        Self { fresh_nonce: fresh_nonce.map(Box::new), ..self }
    }

    /// Finishes the response of the inner service, and reports the request.
    ///
    /// A response to a token in the URL must not be stored by shared caches (RFC 6750 section 2.3). A
    /// rejection that a handler returned gets the challenge of this layer. One of a layer further in was
    /// reported there.
    pub(super) fn finish<R>(&mut self, mut response: Response<R>) -> Response<ResponseBody<R>> {
        // Its drop reports the request as accepted, unless it is reported as rejected before.
        let report = self.report.take();
        if let Some(rejection) = Rejection::take_from_handler(&mut response) {
            if let Some(ReportOnDrop(report)) = &report {
                report.reject(&rejection);
            }
            return self.shared.finish_rejection(rejection, response);
        }
        if let Some(ReportOnDrop(report)) = &report
            && let Some(rejection) = response.extensions().get::<Rejection>()
        {
            report.reject(rejection);
        }
        if (self.in_query || self.fresh_nonce.is_some()) && response.status().is_success() {
            self.add_headers(response.headers_mut());
        }
        let status = response.status();
        if status.is_client_error() || status.is_server_error() {
            return self.shared.responder.translate(response);
        }
        response.map(ResponseBody::inner)
    }

    /// Adds the headers that few requests need.
    #[cold]
    fn add_headers(&self, headers: &mut HeaderMap) {
        if self.in_query && !forbids_shared_caching(headers) {
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("private"));
        }
        if let Some(nonce) = self.fresh_nonce.as_ref().filter(|_| !allows_shared_caching(headers)) {
            headers.insert(DPOP_NONCE, HeaderValue::clone(nonce));
        }
    }
}

impl Drop for ReportOnDrop {
    fn drop(&mut self) {
        self.0.accept();
    }
}

fn forbids_shared_caching(headers: &HeaderMap) -> bool {
    has_directive(headers, |directive| {
        directive.eq_ignore_ascii_case("private") || directive.eq_ignore_ascii_case("no-store")
    })
}

/// Whether caches may store a response although its request had credentials (RFC 9111 section 3.5).
fn allows_shared_caching(headers: &HeaderMap) -> bool {
    has_directive(headers, |directive| {
        let name = directive.split('=').next().unwrap_or_default().trim_end();
        ["public", "s-maxage", "must-revalidate"].iter().any(|allowing| name.eq_ignore_ascii_case(allowing))
    })
}

/// Whether `Cache-Control` has such a directive (RFC 9111 section 5.2).
fn has_directive(headers: &HeaderMap, is_wanted: impl Fn(&str) -> bool) -> bool {
    let mut lines = headers.get_all(CACHE_CONTROL).into_iter().filter_map(|line| line.to_str().ok());
    lines.any(|line| line.split(',').any(|directive| is_wanted(directive.trim())))
}
