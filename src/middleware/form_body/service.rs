//! The service that reads a form before the inner service is called.

use std::mem;
use std::task::{Context, Poll};

use http::Request;
use http::request::Parts;
use http_body::Body;
use tower_service::Service;

use super::body::ReplayedBody;
use super::future::{FormBodyTokenFuture, Stage};
use super::read::{Reading, is_declared_larger};
use crate::bearer::form::{FormCredential, carries_form};

/// The service of the layer [`FormBodyToken`](crate::FormBodyToken), around an inner service `S`.
#[derive(Clone, Copy, Debug)]
pub struct FormBodyTokenService<S> {
    inner: S,
    max_bytes: usize,
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
        if is_declared_larger(&head, &body, self.max_bytes) {
            head.extensions.insert(FormCredential::body_too_large());
            return self.pass(head, body);
        }
        self.read(head, body)
    }
}

impl<S> FormBodyTokenService<S> {
    pub(super) fn new(inner: S, max_bytes: usize) -> Self {
        Self { inner, max_bytes }
    }

    fn pass<B>(&mut self, head: Parts, body: B) -> FormBodyTokenFuture<S, B>
    where
        S: Service<Request<ReplayedBody<B>>>,
        B: Body,
    {
        let request = Request::from_parts(head, ReplayedBody::untouched(body));
        FormBodyTokenFuture::new(Stage::Calling { future: self.inner.call(request) })
    }

    fn read<B>(&mut self, head: Parts, body: B) -> FormBodyTokenFuture<S, B>
    where
        S: Service<Request<ReplayedBody<B>>> + Clone,
        B: Body + Unpin,
    {
        let reading = Some(Reading::new(head, body, self.max_bytes));
        // The service that was polled ready goes with the request; its clone is not ready yet.
        let not_ready = self.inner.clone();
        let service = mem::replace(&mut self.inner, not_ready);
        FormBodyTokenFuture::new(Stage::Reading { reading, service })
    }
}
