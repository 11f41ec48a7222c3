//! An API behind `BearerAuth`, the requests that tests send to it, and the responses they get.
//!
//! Every rejection is compared with a table of statuses and error codes. The table is written from RFC 6750
//! section 3.1 and RFC 9449 section 7.1 instead of taken from the crate.

use std::convert::Infallible;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Request, Response, request, response};
use http_body_util::{BodyExt, Collected, Full};
use serde_json::Value;
use tower::{Layer, Service, ServiceExt};
use tower_bearer::challenge::Challenge;
use tower_bearer::middleware::BearerAuthService;
use tower_bearer::{AccessToken, BearerAuth, Rejection, RejectionKind};

use super::log::enable_all_events;

/// The audience of valid tokens.
pub(crate) const API: &str = "https://api.example.com";
/// The issuer of valid tokens.
pub(crate) const ISSUER: &str = "https://login.example.com";
/// The interval of the fetches that unknown keys cause.
pub(crate) const COOLDOWN: Duration = Duration::from_secs(30);

/// `Ok` if the request reached the handler, else the kind of its rejection.
pub(crate) type Outcome = Result<(), RejectionKind>;

/// The request reached the handler.
pub(crate) const ACCEPTED: Outcome = Ok(());

/// The inner service of most tests. It counts its calls and inserts [`Received`] into its response's
/// extensions.
#[derive(Clone, Debug, Default)]
pub(crate) struct Handler(Arc<AtomicUsize>);

/// The request as the handler received it.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) head: request::Parts,
    /// `None` if reading the body failed.
    pub(crate) body: Option<Bytes>,
    pub(crate) trailers: Option<HeaderMap>,
}

impl Handler {
    /// The number of calls.
    pub(crate) fn calls(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl<B> Service<Request<B>> for Handler
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
{
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        self.0.fetch_add(1, Ordering::Relaxed);
        Box::pin(async {
            let mut response = Response::new(Full::new(Bytes::from_static(b"hello")));
            response.extensions_mut().insert(Received::read(request).await);
            Ok(response)
        })
    }
}

impl Received {
    /// Reads a request to its end.
    pub(crate) async fn read<B: http_body::Body<Data = Bytes>>(request: Request<B>) -> Self {
        let (head, body) = request.into_parts();
        let body = body.collect().await.ok();
        let trailers = body.as_ref().and_then(|body| body.trailers().cloned());
        Self { head, body: body.map(Collected::to_bytes), trailers }
    }
}

/// A [`Handler`] behind a `BearerAuth`.
#[derive(Clone)]
pub(crate) struct Protected {
    pub(crate) handler: Handler,
    service: BearerAuthService<Handler>,
}

impl Protected {
    pub(crate) fn by(auth: &BearerAuth) -> Self {
        enable_all_events();
        let handler = Handler::default();
        Self { service: auth.layer(handler.clone()), handler }
    }

    pub(crate) async fn send(&self, request: Request<Full<Bytes>>) -> ApiResponse {
        send(self.service.clone(), request).await
    }

    /// Sends a GET with this token.
    pub(crate) async fn get(&self, token: impl AsRef<str>) -> ApiResponse {
        self.send(get(token)).await
    }

    /// Sends a GET with this token and returns the outcome.
    pub(crate) async fn outcome(&self, token: impl AsRef<str>) -> Outcome {
        self.get(token).await.outcome()
    }

    /// Like [`Self::outcome`], but panics if the request has to wait for anything.
    pub(crate) fn outcome_at_once(&self, token: impl AsRef<str>) -> Outcome {
        at_once(self.get(token)).outcome()
    }
}

/// Sends a request to any service.
pub(crate) async fn send<S, B, R>(service: S, request: Request<B>) -> ApiResponse
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Error: std::fmt::Debug,
    R: http_body::Body<Data = Bytes>,
    R::Error: std::fmt::Debug,
{
    let response = service.oneshot(request).await.unwrap();
    let (head, body) = response.into_parts();
    ApiResponse { head, body: body.collect().await.unwrap().to_bytes() }
}

/// The output of a future that must be ready at its first poll.
pub(crate) fn at_once<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("the future is not ready at its first poll"),
    }
}

/// A request without credentials.
pub(crate) fn anonymous(method: &str) -> Request<Full<Bytes>> {
    Request::builder().method(method).uri("https://api.example.com/orders").body(Full::default()).unwrap()
}

/// Turns `request` into a gRPC call, as gRPC clients send it.
pub(crate) fn as_grpc<B>(request: &mut Request<B>) {
    *request.method_mut() = http::Method::POST;
    *request.version_mut() = http::Version::HTTP_2;
    request.headers_mut().insert("te", HeaderValue::from_static("trailers"));
    request.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
}

/// A GET with this token.
pub(crate) fn get(token: impl AsRef<str>) -> Request<Full<Bytes>> {
    let mut request = anonymous("GET");
    let credentials = format!("Bearer {}", token.as_ref());
    request.headers_mut().insert("authorization", credentials.parse().unwrap());
    request
}

/// A response whose body was read to its end.
#[derive(Clone, Debug)]
pub(crate) struct ApiResponse {
    pub(crate) head: response::Parts,
    pub(crate) body: Bytes,
}

impl ApiResponse {
    pub(crate) fn status(&self) -> u16 {
        self.head.status.as_u16()
    }

    pub(crate) fn headers(&self) -> &HeaderMap {
        &self.head.headers
    }

    pub(crate) fn header(&self, name: impl http::header::AsHeaderName) -> Option<&str> {
        self.headers().get(name).map(|value| value.to_str().unwrap())
    }

    pub(crate) fn rejection(&self) -> Option<&Rejection> {
        self.head.extensions.get()
    }

    /// Whether the response comes from the handler.
    pub(crate) fn is_from_handler(&self) -> bool {
        self.head.extensions.get::<Received>().is_some()
    }

    /// The request as the handler received it.
    #[track_caller]
    pub(crate) fn received(&self) -> &Received {
        self.head.extensions.get().expect("the handler was called")
    }

    /// The token that the handler received.
    pub(crate) fn token(&self) -> Option<&AccessToken> {
        self.head.extensions.get::<Received>()?.head.extensions.get()
    }

    /// The challenge, which is in its canonical form. There is at most one, on a line of its own.
    #[track_caller]
    pub(crate) fn challenge(&self) -> Option<Challenge> {
        let mut challenges = self.challenges();
        assert!(challenges.len() <= 1, "more than one WWW-Authenticate line: {:?}", self.headers());
        challenges.pop()
    }

    /// The challenges, which are in their canonical form. Each is on a line of its own.
    #[track_caller]
    pub(crate) fn challenges(&self) -> Vec<Challenge> {
        let parse = |line| {
            let mut challenges = Challenge::parse(line).unwrap();
            assert_eq!(challenges.len(), 1, "challenges in {line:?}");
            assert_eq!(line, &challenges[0].to_string());
            challenges.remove(0)
        };
        self.headers().get_all(WWW_AUTHENTICATE).iter().map(parse).collect()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// Checks the whole response and returns the outcome. A rejection must match the table and have the
    /// default JSON body, a success must come from the handler.
    #[track_caller]
    pub(crate) fn outcome(&self) -> Outcome {
        self.outcome_among(BEARER_ONLY)
    }

    /// Like [`Self::outcome`], for an API that accepts these schemes.
    #[track_caller]
    pub(crate) fn outcome_among(&self, schemes: Schemes) -> Outcome {
        let Some(kind) = self.rejection().map(Rejection::kind) else {
            assert_eq!(self.status(), 200);
            assert!(self.is_from_handler(), "a 200 that is not from the handler");
            assert_eq!(self.header(WWW_AUTHENTICATE), None, "a challenge on a 200");
            return ACCEPTED;
        };
        self.check_rejection_among(schemes, kind);
        let body = self.json();
        assert!(body["error"].is_string() && body["error_description"].is_string(), "{kind}: {body}");
        assert_eq!(self.header(CONTENT_TYPE), Some("application/json"), "{kind}");
        Err(kind)
    }

    /// Asserts what all rejections of `kind` have in common, whatever their body.
    #[track_caller]
    pub(crate) fn check_rejection(&self, kind: RejectionKind) {
        self.check_rejection_among(BEARER_ONLY, kind);
    }

    /// Like [`Self::check_rejection`], for an API that accepts these schemes.
    #[track_caller]
    pub(crate) fn check_rejection_among(&self, schemes: Schemes, kind: RejectionKind) {
        let (status, error) = expected(kind);
        assert_eq!(self.rejection().map(Rejection::kind), Some(kind));
        assert_eq!(self.status(), status, "{kind}");
        assert!(!self.is_from_handler(), "{kind}: the handler was called");
        assert_eq!(self.header(CACHE_CONTROL), Some("no-store"), "{kind}");
        let retry_after: Option<u64> = self.header(RETRY_AFTER).map(|secs| secs.parse().unwrap());
        assert_eq!(retry_after.is_some(), status == 503, "{kind}: Retry-After");
        assert!(retry_after.is_none_or(|secs| secs >= 1), "{kind}: Retry-After");
        let has_nonce = self.headers().contains_key("dpop-nonce");
        assert_eq!(has_nonce, kind == RejectionKind::ProofNonceRequired, "{kind}: DPoP-Nonce");
        let challenged = match status {
            401 => schemes.accepted,
            ..500 => &[schemes.used],
            _ => &[],
        };
        let challenges = self.challenges();
        let named: Vec<&str> = challenges.iter().map(Challenge::scheme).collect();
        assert_eq!(named, challenged, "{kind}: challenges");
        for challenge in challenges {
            let is_used = challenge.scheme() == schemes.used;
            assert!(challenge.param("realm").is_some(), "{kind}: realm");
            assert_eq!(challenge.param("error"), error.filter(|_| is_used), "{kind}");
            assert_eq!(challenge.param("algs").is_some(), challenge.scheme() == "DPoP", "{kind}: algs");
        }
    }

    /// Asserts that the handler was called, and returns the token that it received.
    #[track_caller]
    pub(crate) fn assert_accepted(&self, name: &str) -> &AccessToken {
        assert_eq!(self.outcome(), ACCEPTED, "{name}");
        self.token().expect(name)
    }

    /// Asserts that the request was rejected as `kind`, with the default body and realm.
    #[track_caller]
    pub(crate) fn assert_rejected(&self, kind: RejectionKind, name: &str) {
        assert_eq!(self.outcome(), Err(kind), "{name}");
        let Some(challenge) = self.challenge() else { return };
        let (_, error) = expected(kind);
        assert_eq!(challenge.param("realm"), Some(API), "{name}");
        assert_eq!(challenge.param("error_description").is_some(), error.is_some(), "{name}");
        assert_eq!(challenge.param("error_uri"), None, "{name}");
        if let Some(error) = error {
            assert_eq!(self.json()["error"], error, "{name}");
        }
    }

    /// Asserts the outcome, with all that [`Self::assert_accepted`] or [`Self::assert_rejected`] checks.
    #[track_caller]
    pub(crate) fn assert_outcome(&self, expected: Outcome, name: &str) {
        match expected {
            Ok(()) => drop(self.assert_accepted(name).clone()),
            Err(kind) => self.assert_rejected(kind, name),
        }
    }
}

/// The schemes of an API, in the order of its challenges.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Schemes {
    pub(crate) accepted: &'static [&'static str],
    /// The one whose challenge names the failure.
    pub(crate) used: &'static str,
}

const BEARER_ONLY: Schemes = Schemes { accepted: &["Bearer"], used: "Bearer" };

/// The outcome in words, for a figure.
pub(crate) fn verdict(outcome: Outcome) -> String {
    outcome.map_or_else(|kind| format!("rejected with {kind}"), |()| "accepted".to_owned())
}

/// The status and the error code of each kind.
fn expected(kind: RejectionKind) -> (u16, Option<&'static str>) {
    use RejectionKind as K;
    match kind {
        K::Missing => (401, None),
        K::MalformedRequest | K::TokenTooLarge | K::CertificateHeaderMalformed => {
            (400, Some("invalid_request"))
        }
        K::BodyTooLarge => (413, Some("invalid_request")),
        K::AuthenticationInsufficient => (401, Some("insufficient_user_authentication")),
        K::AuthContextMissing => (401, Some("insufficient_claims")),
        K::ScopeInsufficient | K::RequirementUnmet => (403, Some("insufficient_scope")),
        K::KeysUnavailable
        | K::KeyUnconfirmed
        | K::IntrospectionUnavailable
        | K::ProofsTooMany
        | K::ReplayStoreUnavailable => (503, None),
        K::ProofNonceRequired => (401, Some("use_dpop_nonce")),
        K::ProofMissing
        | K::ProofMalformed
        | K::ProofAlgorithmNotAllowed
        | K::ProofSignatureMismatch
        | K::ProofMethodMismatch
        | K::ProofUrlMismatch
        | K::ProofTokenMismatch
        | K::ProofExpired
        | K::ProofIssuedInFuture
        | K::ProofReplayed => (401, Some("invalid_dpop_proof")),
        K::IntrospectionMisconfigured | K::NotCovered | K::PeerAddressUnknown => (500, None),
        _ => (401, Some("invalid_token")),
    }
}
