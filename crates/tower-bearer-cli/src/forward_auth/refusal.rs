//! A request that is rejected before its token is validated, or after.

use std::fmt;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Response, StatusCode};

use super::claim_headers::UnusableClaim;
use super::log_limit::LogLimit;
use super::path::PathFault;
use super::proxy_head::ProxyFault;

/// Why a request is rejected without a challenge.
#[derive(Debug)]
pub(crate) enum Refusal {
    UntrustedProxy,
    Proxy(ProxyFault),
    Path(PathFault),
    /// The target is no URI.
    Target,
    NoRule,
    Denied,
    Claim(UnusableClaim),
    /// The issuers have changed since the request started.
    Reloaded,
}

impl Refusal {
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::Proxy(ProxyFault::Missing(_) | ProxyFault::OutsidePrefix) => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
            Self::Proxy(_) | Self::Path(_) | Self::Target => StatusCode::BAD_REQUEST,
            Self::UntrustedProxy | Self::NoRule | Self::Denied | Self::Claim(_) => StatusCode::FORBIDDEN,
            Self::Reloaded => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The label of the metric.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::UntrustedProxy => "proxy_untrusted",
            Self::Proxy(_) => "proxy_request_invalid",
            Self::Path(_) | Self::Target => "path_invalid",
            Self::NoRule => "no_rule",
            Self::Denied => "rule_denies",
            Self::Claim(_) => "claim_unusable",
            Self::Reloaded => "reloaded",
        }
    }

    /// The response, and a line in the log. Neither has text of the request.
    pub(crate) fn respond(&self) -> Response<Bytes> {
        self.log();
        let error = match self.status() {
            StatusCode::BAD_REQUEST => r#"{"error":"invalid_request"}"#,
            StatusCode::FORBIDDEN => r#"{"error":"access_denied"}"#,
            StatusCode::SERVICE_UNAVAILABLE => r#"{"error":"temporarily_unavailable"}"#,
            _ => r#"{"error":"server_error"}"#,
        };
        let mut response = Response::new(Bytes::from_static(error.as_bytes()));
        *response.status_mut() = self.status();
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if matches!(self, Self::Reloaded) {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }

    fn log(&self) {
        let Some(suppressed) = self.log_limit().admit() else { return };
        let status = self.status().as_u16();
        match self {
            Self::Path(_) | Self::Target | Self::NoRule | Self::Denied | Self::Reloaded => {
                tracing::info!(status, suppressed, "request rejected: {self}");
            }
            Self::UntrustedProxy | Self::Proxy(_) | Self::Claim(_) => {
                tracing::warn!(status, suppressed, "request rejected: {self}");
            }
        }
    }

    /// Each kind has its own limit, so that one cannot hide another.
    fn log_limit(&self) -> &'static LogLimit {
        static UNTRUSTED_PROXY: LogLimit = LogLimit::new();
        static PROXY: LogLimit = LogLimit::new();
        static PATH: LogLimit = LogLimit::new();
        static RULE: LogLimit = LogLimit::new();
        static CLAIM: LogLimit = LogLimit::new();
        static RELOADED: LogLimit = LogLimit::new();
        match self {
            Self::UntrustedProxy => &UNTRUSTED_PROXY,
            Self::Proxy(_) => &PROXY,
            Self::Path(_) | Self::Target => &PATH,
            Self::NoRule | Self::Denied => &RULE,
            Self::Claim(_) => &CLAIM,
            Self::Reloaded => &RELOADED,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UntrustedProxy => f.write_str("the peer is not in trusted_proxies"),
            Self::Proxy(fault) => fault.fmt(f),
            Self::Path(fault) => write!(f, "the path {fault}"),
            Self::Target => f.write_str("the target is no valid URI"),
            Self::NoRule => f.write_str("no rule matches"),
            Self::Denied => f.write_str("a rule denies it"),
            Self::Claim(UnusableClaim(name)) => write!(f, "the claim for {name} cannot be sent in a header"),
            Self::Reloaded => f.write_str("the issuers changed while it was decided"),
        }
    }
}

impl From<ProxyFault> for Refusal {
    fn from(fault: ProxyFault) -> Self {
        Self::Proxy(fault)
    }
}

impl From<PathFault> for Refusal {
    fn from(fault: PathFault) -> Self {
        Self::Path(fault)
    }
}
