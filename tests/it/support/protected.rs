//! A protected service, and what it answered: every refusal is held to the table of answers.

use std::convert::Infallible;
use std::future::{Future, Ready, ready};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, Request, Response, request, response};
use http_body_util::{BodyExt, Full};
use serde_json::Value;
use tower::{Layer, Service, ServiceExt};
use tower_bearer::middleware::BearerAuthService;
use tower_bearer::testing::{ParsedChallenge, parse_challenges};
use tower_bearer::{AccessToken, BearerAuth, Rejection};

use super::events::keep_events;

pub(crate) const API: &str = "https://api.example.com";
pub(crate) const LOGIN: &str = "https://login.example.com";

/// The inner service of most tests: counts its calls, and hands back the head of the request in the
/// extensions of the response.
#[derive(Clone, Debug, Default)]
pub(crate) struct Handler(Arc<AtomicUsize>);

/// The head of the request as the handler saw it.
#[derive(Clone, Debug)]
pub(crate) struct Seen(pub(crate) request::Parts);

impl Handler {
    /// How often it was called.
    pub(crate) fn calls(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl<B> Service<Request<B>> for Handler {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        self.0.fetch_add(1, Ordering::Relaxed);
        let mut response = Response::new(Full::new(Bytes::from_static(b"hello")));
        response.extensions_mut().insert(Seen(request.into_parts().0));
        ready(Ok(response))
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
        keep_events();
        let handler = Handler::default();
        Self { service: auth.layer(handler.clone()), handler }
    }

    pub(crate) async fn send(&self, request: Request<Full<Bytes>>) -> Answer {
        send(self.service.clone(), request).await
    }

    /// The answer to a GET with this token.
    pub(crate) async fn get(&self, token: impl AsRef<str>) -> Answer {
        self.send(get(token)).await
    }

    /// The same, of which nothing may wait.
    pub(crate) fn kind_at_once(&self, token: impl AsRef<str>) -> String {
        at_once(self.get(token)).kind()
    }

    /// The kind of the answer to a GET with this token: `ok`, or the label of the refusal.
    pub(crate) async fn kind(&self, token: impl AsRef<str>) -> String {
        self.get(token).await.kind()
    }
}

/// The answer of any service.
pub(crate) async fn send<S, B, R>(service: S, request: Request<B>) -> Answer
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Error: std::fmt::Debug,
    R: http_body::Body<Data = Bytes>,
    R::Error: std::fmt::Debug,
{
    let response = service.oneshot(request).await.unwrap();
    let (head, body) = response.into_parts();
    Answer { head, body: body.collect().await.unwrap().to_bytes() }
}

/// What comes of a future that is polled once and no more.
pub(crate) fn at_once<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("it waits"),
    }
}

/// A request without credentials.
pub(crate) fn anonymous(method: &str) -> Request<Full<Bytes>> {
    Request::builder().method(method).uri("https://api.example.com/orders").body(Full::default()).unwrap()
}

/// A GET with this token.
pub(crate) fn get(token: impl AsRef<str>) -> Request<Full<Bytes>> {
    let mut request = anonymous("GET");
    let credentials = format!("Bearer {}", token.as_ref());
    request.headers_mut().insert("authorization", credentials.parse().unwrap());
    request
}

/// A response, read to its end.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) head: response::Parts,
    pub(crate) body: Bytes,
}

impl Answer {
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

    /// The token that the handler saw.
    pub(crate) fn token(&self) -> Option<&AccessToken> {
        self.head.extensions.get::<Seen>()?.0.extensions.get()
    }

    /// The head that the handler saw.
    pub(crate) fn seen(&self) -> &request::Parts {
        &self.head.extensions.get::<Seen>().expect("the handler was called").0
    }

    /// The challenge, read strictly; each has a line of its own, and there is one at most.
    pub(crate) fn challenge(&self) -> Option<ParsedChallenge> {
        let mut lines = self.headers().get_all(WWW_AUTHENTICATE).iter();
        let line = lines.next()?;
        assert!(lines.next().is_none(), "one challenge, one line: {:?}", self.headers());
        let mut challenges = parse_challenges(line).unwrap();
        assert_eq!(challenges.len(), 1, "one challenge in a line: {line:?}");
        challenges.pop()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// `ok`, or the label of the refusal, which is as the table says.
    pub(crate) fn kind(&self) -> String {
        match self.rejection() {
            None => {
                assert_eq!(self.status(), 200);
                assert!(self.head.extensions.get::<Seen>().is_some(), "200 comes from the handler");
                "ok".to_owned()
            }
            Some(rejection) => {
                self.check_refusal(rejection.kind().as_str());
                let text = self.json();
                assert!(text["error"].is_string() && text["error_description"].is_string(), "{text}");
                assert_eq!(self.header(CONTENT_TYPE), Some("application/json"));
                rejection.kind().as_str().to_owned()
            }
        }
    }

    /// What every refusal has in common, whatever its body.
    pub(crate) fn check_refusal(&self, kind: &str) {
        let (status, error) = expected(kind);
        assert_eq!(self.status(), status, "{kind}");
        assert!(self.head.extensions.get::<Seen>().is_none(), "{kind}: the handler was called");
        assert_eq!(self.header(CACHE_CONTROL), Some("no-store"), "{kind}");
        let retry: Option<u64> = self.header(RETRY_AFTER).map(|secs| secs.parse().unwrap());
        assert_eq!(retry.is_some(), status == 503, "{kind}");
        assert!(retry.is_none_or(|secs| secs >= 1), "{kind}");
        let challenge = self.challenge();
        assert_eq!(challenge.is_some(), status < 500, "{kind}");
        if let Some(challenge) = challenge {
            assert_eq!(challenge.scheme(), "Bearer", "{kind}");
            assert!(challenge.param("realm").is_some(), "{kind}");
            assert_eq!(challenge.param("error"), error, "{kind}");
        }
    }
}

/// The table of answers, written down once more.
fn expected(kind: &str) -> (u16, Option<&'static str>) {
    match kind {
        "missing" => (401, None),
        "malformed_request" | "token_too_large" => (400, Some("invalid_request")),
        "body_too_large" => (413, Some("invalid_request")),
        "scope_insufficient" | "requirement_unmet" => (403, Some("insufficient_scope")),
        "keys_unavailable" | "introspection_unavailable" => (503, None),
        "introspection_misconfigured" | "not_covered" => (500, None),
        _ => (401, Some("invalid_token")),
    }
}
