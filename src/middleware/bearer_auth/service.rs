//! The service that authenticates requests.
//!
//! Decides in `call` about requests that need no signature check, and hands every other request to a future,
//! together with the inner service that is ready.

use std::fmt;
use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response};
use tower_service::Service;

use super::accepted::Accepted;
use super::future::ResponseFuture;
use crate::authenticate::Progress;
use crate::middleware::body::ResponseBody;
use crate::middleware::shared::Shared;
use crate::observe::{Lookup, Undecided};
use crate::sync::ShardedArc;

/// The service of the layer [`BearerAuth`](crate::BearerAuth), around an inner service `S`.
#[derive(Clone)]
pub struct BearerAuthService<S> {
    inner: S,
    shared: Arc<ShardedArc<Shared>>,
}

impl<S> BearerAuthService<S> {
    pub(super) fn new(inner: S, shared: Arc<ShardedArc<Shared>>) -> Self {
        Self { inner, shared }
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
        let shared = self.shared.shard();
        let undecided = Undecided::start(shared.observers.is_observed());
        let progress = shared.authenticator.start(&head);
        let undecided = undecided.with(lookup(&progress));
        if let Progress::Done(Ok(token)) = progress {
            let accepted = Accepted::new(&mut head, token, Duration::ZERO, undecided, shared);
            return ResponseFuture::calling(self.inner.call(Request::from_parts(head, body)), accepted);
        }
        shared.check_issuers_once();
        // The service that was polled ready goes with the request, or is dropped, so that a rejected request
        // occupies no place in it. Its clone is not ready yet.
        let clone = self.inner.clone();
        let ready = mem::replace(&mut self.inner, clone);
        match progress {
            Progress::Done(Err(rejection)) => {
                ResponseFuture::rejected(shared.reject_request(rejection, &mut head, undecided))
            }
            progress => ResponseFuture::new(progress, undecided, ready, head, body, Arc::clone(shared)),
        }
    }
}

/// How far the token cache helped.
fn lookup(progress: &Progress) -> Lookup {
    match progress {
        Progress::Done(Ok(None)) => Lookup::NONE,
        // A rejection names an issuer only if the token was looked up.
        Progress::Done(Err(rejection)) if rejection.issuer().is_none() => Lookup::NONE,
        Progress::Uncached(_) => Lookup::MISS,
        Progress::Done(_) | Progress::Pending(..) | Progress::Unproven(_) => Lookup::HIT,
    }
}

impl<S: fmt::Debug> fmt::Debug for BearerAuthService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BearerAuthService").field("inner", &self.inner).finish_non_exhaustive()
    }
}
