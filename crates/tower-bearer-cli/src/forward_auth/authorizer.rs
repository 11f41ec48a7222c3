//! Decides about the requests that a proxy asks about.
//!
//! Checks, in this order: the address of the proxy, the headers that name the request, the path, the rules,
//! then the token and what the rule requires of it.
//!
//! Why the content type is removed: `BearerAuth` answers gRPC calls with status 200, also if it rejects them.
//! A proxy would take that for a yes.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::net::IpAddr;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderMap, HeaderName, Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use ipnet::IpNet;
use tower::{Layer, Service, ServiceExt};
use tower_bearer::certificates::PeerAddress;
use tower_bearer::middleware::{BearerAuthService, RequireService};
use tower_bearer::{AccessToken, BearerAuth, Rejection};

use super::claim_headers::ClaimHeaders;
use super::live::Epoch;
use super::metrics;
use super::path::RequestPath;
use super::proxy_head::{Mode, OriginalHead, ProxyFault};
use super::refusal::Refusal;
use super::rule::{Access, Rule};
use crate::allowed_hosts::AllowedHosts;

pub(crate) type Body = UnsyncBoxBody<Bytes, Infallible>;

/// The status of a rejection, for `nginx_status`.
const AUTH_STATUS: HeaderName = HeaderName::from_static("x-auth-status");

/// The settings for requests, apart from those of `BearerAuth`.
#[derive(Debug)]
pub(crate) struct Policy {
    /// The names by which `admin_listen` may be called.
    pub(crate) admin_hosts: AllowedHosts,
    pub(crate) trusted_proxies: Vec<IpNet>,
    pub(crate) mode: Mode,
    /// Whether every rejection has status 401 or 403, and its own status in a header.
    pub(crate) nginx_status: bool,
    pub(crate) rules: Vec<Rule>,
    pub(crate) claim_headers: Arc<ClaimHeaders>,
}

/// One configuration, ready for requests.
#[derive(Debug)]
pub(crate) struct Authorizer {
    auth: BearerAuth,
    policy: Policy,
    /// The service for each rule that needs a token.
    services: Vec<Option<TokenService>>,
    needs_host: bool,
    epoch: Epoch,
}

type TokenService = BearerAuthService<RequireService<Allow>>;

/// The innermost service: the response to a request that is allowed.
#[derive(Clone, Debug)]
struct Allow {
    claim_headers: Arc<ClaimHeaders>,
    epoch: Epoch,
}

/// The decision in a response, with its label in the metrics.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Outcome {
    Allowed(&'static str),
    Rejected(&'static str),
    /// The issuers have changed since the request started.
    Reloaded,
}

impl Authorizer {
    /// Decides with `policy` and with the issuers of `auth` in this epoch.
    pub(crate) fn new(auth: BearerAuth, policy: Policy, epoch: Epoch) -> Self {
        let allow = Allow { claim_headers: Arc::clone(&policy.claim_headers), epoch: epoch.clone() };
        let service = |rule: &Rule| match &rule.access {
            Access::Token(require) => Some(auth.layer(require.layer(allow.clone()))),
            Access::Public | Access::Deny => None,
        };
        let services = policy.rules.iter().map(service).collect();
        let needs_host = policy.rules.iter().any(Rule::has_host);
        Self { auth, policy, services, needs_host, epoch }
    }

    pub(crate) fn epoch(&self) -> &Epoch {
        &self.epoch
    }

    pub(crate) fn trusts(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.policy.trusted_proxies.iter().any(|range| range.contains(&peer))
    }

    pub(crate) fn auth(&self) -> &BearerAuth {
        &self.auth
    }

    /// Whether a request to `admin_listen` with these `headers` has an allowed host.
    pub(crate) fn allows_host(&self, headers: &HeaderMap) -> bool {
        self.policy.admin_hosts.allow(headers)
    }

    /// The response to the proxy after this decision.
    pub(crate) fn respond(&self, decision: Result<Response<Body>, Refusal>) -> Response<Body> {
        let response = decision.unwrap_or_else(|refusal| {
            metrics::count_rejected(refusal.reason());
            refusal.respond().map(full)
        });
        if self.policy.nginx_status { for_nginx(response) } else { response }
    }

    /// Decides about the request with this `head` from the proxy at `peer`.
    pub(crate) async fn decide(&self, peer: IpAddr, head: &Parts) -> Result<Response<Body>, Refusal> {
        let peer = peer.to_canonical();
        if !self.trusts(peer) {
            return Err(Refusal::UntrustedProxy);
        }
        let original = self.policy.mode.original(head)?;
        if self.needs_host && original.host.is_none() {
            return Err(ProxyFault::Missing(self.policy.mode.host_header()).into());
        }
        let path = RequestPath::parse(&original.target)?;
        let matches = |(rule, _): &(&Rule, _)| rule.matches(&original.method, original.host.as_ref(), &path);
        match self.policy.rules.iter().zip(&self.services).find(matches) {
            None => Err(Refusal::NoRule),
            Some((_, Some(service))) => validate(service.clone(), peer, head, original).await,
            Some((Rule { access: Access::Public, .. }, None)) => {
                let mut response = Response::new(full(Bytes::new()));
                self.policy.claim_headers.clear(response.headers_mut());
                metrics::count_allowed("public");
                Ok(response)
            }
            Some((_, None)) => Err(Refusal::Denied),
        }
    }
}

/// Sends the original request through `service`, with the headers of the proxy's request.
async fn validate(
    service: TokenService,
    peer: IpAddr,
    head: &Parts,
    original: OriginalHead,
) -> Result<Response<Body>, Refusal> {
    let mut request = Request::new(());
    *request.uri_mut() = original.uri().ok_or(Refusal::Target)?;
    *request.method_mut() = original.method;
    request.headers_mut().clone_from(&head.headers);
    request.headers_mut().remove(CONTENT_TYPE);
    request.extensions_mut().insert(PeerAddress(peer));
    let Ok(response) = service.oneshot(request).await;
    match outcome(&response) {
        Outcome::Allowed(reason) => metrics::count_allowed(reason),
        Outcome::Rejected(reason) => metrics::count_rejected(reason),
        Outcome::Reloaded => return Err(Refusal::Reloaded),
    }
    Ok(response.map(BodyExt::boxed_unsync))
}

/// Reads the decision in a response of `BearerAuth`.
fn outcome<B>(response: &Response<B>) -> Outcome {
    let extensions = response.extensions();
    match (extensions.get::<Rejection>(), extensions.get::<Outcome>()) {
        (Some(rejection), _) => Outcome::Rejected(rejection.kind().as_str()),
        (None, Some(outcome)) => *outcome,
        // Neither `BearerAuth` nor `Allow` has decided.
        (None, None) => Outcome::Rejected("unknown"),
    }
}

/// nginx knows 401 and 403 only, and turns any other rejection into 500.
fn for_nginx(mut response: Response<Body>) -> Response<Body> {
    let status = response.status();
    if status.is_success() {
        return response;
    }
    if status != StatusCode::UNAUTHORIZED {
        *response.status_mut() = StatusCode::FORBIDDEN;
    }
    response.headers_mut().insert(AUTH_STATUS, status.as_u16().into());
    response
}

impl Service<Request<()>> for Allow {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<()>) -> Self::Future {
        let (mut response, outcome) = self.decide(request.extensions().get());
        response.extensions_mut().insert(outcome);
        ready(Ok(response))
    }
}

impl Allow {
    /// The response to a request with this token. A request without one is a preflight, with
    /// `allow_preflight`, or has no credentials, with `optional`.
    fn decide(&self, token: Option<&AccessToken>) -> (Response<Full<Bytes>>, Outcome) {
        let mut response = Response::new(Full::default());
        if !self.epoch.is_latest() {
            // Never sent: the request is decided once more, or rejected.
            *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
            return (response, Outcome::Reloaded);
        }
        let Some(token) = token else {
            self.claim_headers.clear(response.headers_mut());
            return (response, Outcome::Allowed("anonymous"));
        };
        match self.claim_headers.write(token, response.headers_mut()) {
            Ok(()) => (response, Outcome::Allowed(metrics::TOKEN)),
            Err(claim) => {
                let refusal = Refusal::Claim(claim);
                (refusal.respond().map(Full::new), Outcome::Rejected(refusal.reason()))
            }
        }
    }
}

pub(crate) fn full(body: Bytes) -> Body {
    Full::new(body).boxed_unsync()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_that_nobody_explains_counts_as_rejected() {
        assert_eq!(outcome(&Response::new(())), Outcome::Rejected("unknown"));
    }
}
