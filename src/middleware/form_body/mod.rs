//! Opting in to tokens in a form-encoded body (RFC 6750 section 2.2): a layer outside `BearerAuth`.
//!
//! Checks: the size of the form, its fields (in `bearer::form`).
//! Does not check: the token. It notes what it found and hands the request on with a body that yields
//! what the original would have; `BearerAuth` decides and answers.
//!
//! Why a layer of its own: judging the head of a request needs no body, and most users want it so.
//! With this layer a request may wait for its body before it is judged.

mod reading;
mod replayed;

use std::fmt;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::Request;
use http::request::Parts;
use http_body::Body;
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use self::reading::{Reading, is_declared_larger};
pub use self::replayed::ReplayedBody;
use crate::bearer::form::{FormCredential, carries_form};

/// A layer that also takes the token from the field `access_token` of a form-encoded body
/// (RFC 6750 section 2.2). It goes outside `BearerAuth`, which judges what it found:
///
/// ```
/// use tower::ServiceBuilder;
/// use tower_bearer::FormBodyToken;
///
/// let layers = ServiceBuilder::new().layer(FormBodyToken::up_to(16 * 1024));
/// // .layer(bearer_auth)
/// # let _ = layers;
/// ```
///
/// A form is a `POST`, `PUT` or `PATCH` with the one content type
/// `application/x-www-form-urlencoded` (in ASCII or UTF-8) and no content coding. It is read into
/// memory up to the limit, and the inner service gets the same bytes and trailers again. Every other
/// request passes without being buffered.
///
/// # What is refused, by `BearerAuth`
/// - a form over the limit, with 413, even where the `Authorization` header holds a good token: the
///   form may hold a second one. Give a limit that fits the largest form of the routes behind it.
/// - a token in the form and another in the head, or two in the form: 400 `invalid_request`.
///
/// # Deployment
/// A form is read before the client is known. Put a timeout and a limit of concurrent requests
/// outside. A client that sent `Expect: 100-continue` is told to go on.
///
/// The request's body must be [`Unpin`], as those of hyper, axum and tonic are; another one becomes
/// it in a `Pin<Box<_>>`.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct FormBodyToken {
    bytes_max: usize,
}

impl FormBodyToken {
    /// Reads forms of at most `bytes` bytes.
    pub fn up_to(bytes: usize) -> Self {
        Self { bytes_max: bytes }
    }
}

impl<S> Layer<S> for FormBodyToken {
    type Service = FormBodyTokenService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        FormBodyTokenService { inner, bytes_max: self.bytes_max }
    }
}

/// The service of the layer [`FormBodyToken`].
#[derive(Clone, Copy, Debug)]
pub struct FormBodyTokenService<S> {
    inner: S,
    bytes_max: usize,
}

impl<S, B> Service<Request<B>> for FormBodyTokenService<S>
where
    S: Service<Request<ReplayedBody<B>>> + Clone,
    B: Body + Unpin,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = FormBodyTokenFuture<S, B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (mut head, body) = request.into_parts();
        head.extensions.remove::<FormCredential>();
        if !carries_form(&head) {
            return self.pass(head, body);
        }
        if is_declared_larger(&head, &body, self.bytes_max) {
            head.extensions.insert(FormCredential::body_too_large());
            return self.pass(head, body);
        }
        self.read(head, body)
    }
}

impl<S> FormBodyTokenService<S> {
    fn pass<B>(&mut self, head: Parts, body: B) -> FormBodyTokenFuture<S, B>
    where
        S: Service<Request<ReplayedBody<B>>>,
        B: Body,
    {
        let request = Request::from_parts(head, ReplayedBody::untouched(body));
        FormBodyTokenFuture { stage: Stage::Answering { future: self.inner.call(request) } }
    }

    fn read<B>(&mut self, head: Parts, body: B) -> FormBodyTokenFuture<S, B>
    where
        S: Service<Request<ReplayedBody<B>>> + Clone,
        B: Body + Unpin,
    {
        let reading = Some(Reading::new(head, body, self.bytes_max));
        // The clone is not ready; the one that was polled goes with the request.
        let not_ready = self.inner.clone();
        let service = mem::replace(&mut self.inner, not_ready);
        FormBodyTokenFuture { stage: Stage::Reading { reading, service } }
    }
}

pin_project! {
    /// The future of [`FormBodyTokenService`]. Dropping it drops the request, however much is read.
    pub struct FormBodyTokenFuture<S, B>
    where
        S: Service<Request<ReplayedBody<B>>>,
        B: Body,
    {
        #[pin]
        stage: Stage<S, S::Future, B>,
    }
}

pin_project! {
    #[project = StageProjection]
    enum Stage<S, F, B> {
        Reading { reading: Option<Reading<B>>, service: S },
        Answering { #[pin] future: F },
    }
}

impl<S, B> Future for FormBodyTokenFuture<S, B>
where
    S: Service<Request<ReplayedBody<B>>>,
    B: Body + Unpin,
{
    type Output = Result<S::Response, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut stage = self.project().stage;
        if let StageProjection::Reading { reading, service } = stage.as_mut().project() {
            let request = ready!(Reading::poll_request(reading, cx));
            let future = service.call(request);
            stage.set(Stage::Answering { future });
        }
        match stage.project() {
            StageProjection::Answering { future } => future.poll(cx),
            StageProjection::Reading { .. } => Poll::Pending,
        }
    }
}

impl<S, B> fmt::Debug for FormBodyTokenFuture<S, B>
where
    S: Service<Request<ReplayedBody<B>>>,
    B: Body,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FormBodyTokenFuture").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
