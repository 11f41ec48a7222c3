//! The spans of decisions and of calls to the authorization server, with the attribute names of OpenTelemetry
//! where it has one.
//!
//! Why literals: some of these names contain a keyword of Rust.
//!
//! Why `i64`: OpenTelemetry has no unsigned integer, and `tracing-opentelemetry` exports a `u64` as a string.

use tracing::field::Empty;
use tracing::{Span, debug_span, info_span};

use super::TARGET;

/// The span of a decision that the token cache alone cannot make.
///
/// Boxed, and nothing if no subscriber listens: it is moved with every request that is not cached.
pub(crate) struct DecisionSpan(Option<Box<Span>>);

impl DecisionSpan {
    pub(crate) fn open() -> Self {
        let span = debug_span!(target: TARGET, "validate access token", kind = Empty);
        Self((!span.is_disabled()).then(|| Box::new(span)))
    }

    /// No span, for a decision of the token cache.
    pub(crate) fn none() -> Self {
        Self(None)
    }

    pub(crate) fn in_scope<T>(&self, run: impl FnOnce() -> T) -> T {
        match &self.0 {
            Some(span) => span.in_scope(run),
            None => run(),
        }
    }

    /// The span, for a future that runs within it.
    pub(crate) fn to_span(&self) -> Span {
        self.0.as_deref().cloned().unwrap_or_else(Span::none)
    }

    /// Ends the span with the decision: `accepted`, or the kind of the rejection.
    pub(crate) fn end(&mut self, kind: &'static str) {
        if let Some(span) = self.0.take() {
            span.record("kind", kind);
        }
    }
}

/// One request to an authorization server.
pub(crate) struct OutboundRequest<'a> {
    pub(crate) method: &'a str,
    pub(crate) host: Option<&'a str>,
    pub(crate) port: Option<u16>,
    /// The issuer on whose behalf the request is sent.
    pub(crate) issuer: &'a str,
}

impl OutboundRequest<'_> {
    /// The span of the request. [`record_response`] or [`record_error`] completes it.
    pub(crate) fn span(&self) -> Span {
        info_span!(
            target: TARGET,
            "authorization server request",
            "otel.name" = self.method,
            "otel.kind" = "client",
            "http.request.method" = self.method,
            "server.address" = self.host,
            "server.port" = self.port.map(i64::from),
            issuer = self.issuer,
            "http.response.status_code" = Empty,
            "error.type" = Empty,
        )
    }
}

/// The status of the response, which is an error from 400 on.
pub(crate) fn record_response(span: &Span, status: u16) {
    span.record("http.response.status_code", i64::from(status));
    if status >= 400 {
        span.record("error.type", tracing::field::display(status));
    }
}

/// The kind of the error, one of a few words.
pub(crate) fn record_error(span: &Span, kind: &'static str) {
    span.record("error.type", kind);
}
