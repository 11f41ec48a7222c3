//! The service: settles a request for which no token has to be verified, and hands any other to a future, together
//! with the inner service that was ready.

use std::fmt;
use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use tower_service::Service;

use super::accepted::Accepted;
use super::future::ResponseFuture;
use crate::middleware::body::ResponseBody;
use crate::middleware::shared::Shared;
use crate::sync::ShardedArc;

/// The service that [`BearerAuth`](crate::BearerAuth) makes of an inner service `S`.
#[derive(Clone)]
pub struct BearerAuthService<S> {
    inner: S,
    protection: Arc<ShardedArc<Shared>>,
}

impl<S> BearerAuthService<S> {
    pub(super) fn new(inner: S, protection: Arc<ShardedArc<Shared>>) -> Self {
        Self { inner, protection }
    }
}

impl<S, B, R> Service<Request<B>> for BearerAuthService<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
{
    type Response = Response<ResponseBody<R>>;
    type Error = S::Error;
    type Future = ResponseFuture<S, B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (mut head, body) = request.into_parts();
        let protection = self.protection.shard();
        let settled = protection.authenticator.settle(&head);
        if let Some(Ok(token)) = settled {
            let passage = Accepted::of(&mut head, token, protection);
            return ResponseFuture::passing(self.inner.call(Request::from_parts(head, body)), passage);
        }
        // The service that was polled ready goes with the request, or gives back the place that it had kept for it;
        // its clone is not ready yet.
        let clone = self.inner.clone();
        let ready = mem::replace(&mut self.inner, clone);
        let protection = Arc::clone(protection);
        match settled {
            Some(Err(rejection)) => ResponseFuture::refusing(rejection, head, protection),
            _ => ResponseFuture::judging(ready, head, body, protection),
        }
    }
}

impl<S: fmt::Debug> fmt::Debug for BearerAuthService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BearerAuthService").field("inner", &self.inner).finish_non_exhaustive()
    }
}
