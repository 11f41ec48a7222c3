//! The service: hands each request to a future, together with the inner service that was ready.

use std::fmt;
use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use tower_service::Service;

use super::future::ResponseFuture;
use super::protection::Protection;
use super::response_body::ResponseBody;

/// The service that [`BearerAuth`](crate::BearerAuth) makes of an inner service `S`.
#[derive(Clone)]
pub struct BearerAuthService<S> {
    inner: S,
    protection: Arc<Protection>,
}

impl<S> BearerAuthService<S> {
    pub(crate) fn new(inner: S, protection: Arc<Protection>) -> Self {
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
        // The service that was polled ready goes with the request; its clone is not ready yet.
        let clone = self.inner.clone();
        let ready = mem::replace(&mut self.inner, clone);
        ResponseFuture::new(ready, request, Arc::clone(&self.protection))
    }
}

impl<S: fmt::Debug> fmt::Debug for BearerAuthService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BearerAuthService").field("inner", &self.inner).finish_non_exhaustive()
    }
}
