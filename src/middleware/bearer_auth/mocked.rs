//! Calls a service with a token that no request has presented, for `testing::MockBearerAuth`.

use std::time::Duration;

use http::Request;
use tower_service::Service;

use super::accepted::Accepted;
use super::future::ResponseFuture;
use super::layer::BearerAuth;
use crate::access_token::AccessToken;
use crate::observe::Undecided;

impl BearerAuth {
    /// Calls `inner`, which is ready, as if the request had presented this token, or none.
    pub(crate) fn call_as<S, B>(
        &self,
        token: Option<AccessToken>,
        request: Request<B>,
        inner: &mut S,
    ) -> ResponseFuture<S, B>
    where
        S: Service<Request<B>>,
    {
        let (mut head, body) = request.into_parts();
        let shared = self.shared.shard();
        let undecided = Undecided::start(shared.observers.is_observed());
        let accepted = Accepted::new(&mut head, token, Duration::ZERO, undecided, shared);
        ResponseFuture::calling(inner.call(Request::from_parts(head, body)), accepted)
    }
}
