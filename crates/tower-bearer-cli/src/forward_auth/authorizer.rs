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
use http::{HeaderName, Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use ipnet::IpNet;
use tower::{Layer, Service, ServiceExt};
use tower_bearer::certificates::PeerAddress;
use tower_bearer::middleware::{BearerAuthService, RequireService};
use tower_bearer::{AccessToken, BearerAuth};

use super::claim_headers::ClaimHeaders;
use super::path::RequestPath;
use super::proxy_head::{Mode, OriginalHead, ProxyFault};
use super::refusal::Refusal;
use super::rule::{Access, Rule};

pub(crate) type Body = UnsyncBoxBody<Bytes, Infallible>;

/// The status of a rejection, for `nginx_status`.
const AUTH_STATUS: HeaderName = HeaderName::from_static("x-auth-status");

/// The settings for requests, apart from those of `BearerAuth`.
#[derive(Debug)]
pub(crate) struct Policy {
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
}

type TokenService = BearerAuthService<RequireService<Allow>>;

/// The innermost service: the response to a request that is allowed.
#[derive(Clone, Debug)]
struct Allow {
    claim_headers: Arc<ClaimHeaders>,
}

impl Authorizer {
    pub(crate) fn new(auth: BearerAuth, policy: Policy) -> Self {
        let allow = Allow { claim_headers: Arc::clone(&policy.claim_headers) };
        let service = |rule: &Rule| match &rule.access {
            Access::Token(require) => Some(auth.layer(require.layer(allow.clone()))),
            Access::Public | Access::Deny => None,
        };
        let services = policy.rules.iter().map(service).collect();
        let needs_host = policy.rules.iter().any(Rule::has_host);
        Self { auth, policy, services, needs_host }
    }

    pub(crate) fn auth(&self) -> &BearerAuth {
        &self.auth
    }

    /// The response to the proxy at `peer`, whose request has this `head`.
    pub(crate) async fn respond(&self, peer: IpAddr, head: Parts) -> Response<Body> {
        let response = match self.decide(peer.to_canonical(), head).await {
            Ok(response) => response,
            Err(refusal) => refusal.respond().map(full),
        };
        if self.policy.nginx_status { for_nginx(response) } else { response }
    }

    async fn decide(&self, peer: IpAddr, head: Parts) -> Result<Response<Body>, Refusal> {
        if !self.policy.trusted_proxies.iter().any(|range| range.contains(&peer)) {
            return Err(Refusal::UntrustedProxy);
        }
        let original = self.policy.mode.original(&head)?;
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
    mut head: Parts,
    original: OriginalHead,
) -> Result<Response<Body>, Refusal> {
    head.uri = original.uri().ok_or(Refusal::Target)?;
    head.method = original.method;
    head.headers.remove(CONTENT_TYPE);
    head.extensions.insert(PeerAddress(peer));
    let Ok(response) = service.oneshot(Request::from_parts(head, ())).await;
    Ok(response.map(BodyExt::boxed_unsync))
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
        let mut response = Response::new(Full::default());
        let written = match request.extensions().get::<AccessToken>() {
            Some(token) => self.claim_headers.write(token, response.headers_mut()),
            // A preflight, with `allow_preflight`.
            None => {
                self.claim_headers.clear(response.headers_mut());
                Ok(())
            }
        };
        ready(Ok(match written {
            Ok(()) => response,
            Err(claim) => Refusal::Claim(claim).respond().map(Full::new),
        }))
    }
}

pub(crate) fn full(body: Bytes) -> Body {
    Full::new(body).boxed_unsync()
}
