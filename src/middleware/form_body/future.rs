//! The future of one request whose form is read first.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::Request;
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use super::body::ReplayedBody;
use super::read::Reading;

pin_project! {
    /// The future of a [`FormBodyTokenService`](crate::middleware::FormBodyTokenService). Dropping it drops
    /// the request and what was read of it.
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
    pub(super) enum Stage<S, F, B> {
        Reading { reading: Option<Reading<B>>, service: S },
        Answering { #[pin] future: F },
    }
}

impl<S, B> FormBodyTokenFuture<S, B>
where
    S: Service<Request<ReplayedBody<B>>>,
    B: Body,
{
    pub(super) fn new(stage: Stage<S, S::Future, B>) -> Self {
        Self { stage }
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
