//! An accepted request: what the inner service sees of it, and what becomes of the response.

use std::sync::Arc;
use std::time::Duration;

use http::header::CACHE_CONTROL;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Response};

use crate::access_token::AccessToken;
use crate::bearer;
use crate::event;
use crate::middleware::body::ResponseBody;
use crate::middleware::coverage::Coverage;
use crate::middleware::shared::SharedRef;
use crate::rejection::Rejection;

/// An accepted request, until its response is there.
pub(super) struct Accepted {
    /// Keeps the shared state alive for the layers further in: the service may be dropped before they need
    /// it.
    shared: SharedRef,
    event: Option<event::AcceptedRequest>,
    /// The token is in the URL.
    in_query: bool,
}

impl Accepted {
    /// Prepares the head for the inner service. `introspection_time` is what the request waited for
    /// introspection.
    pub(super) fn new(
        head: &mut Parts,
        token: Option<AccessToken>,
        introspection_time: Duration,
        shared: &SharedRef,
    ) -> Self {
        let accepted = Self {
            shared: Arc::clone(shared),
            event: event::AcceptedRequest::new(token.as_ref().map(AccessToken::issuer_name)),
            in_query: token.is_some() && bearer::is_in_query(head, &shared.authenticator.sources),
        };
        shared.hide_credentials(head, shared.strip_credentials && token.is_some());
        let on_accept = shared.on_accept.as_ref().and_then(|on_accept| Some((on_accept, token.clone()?)));
        Coverage::insert(head, token, introspection_time, shared);
        if let Some((on_accept, token)) = on_accept {
            on_accept(&token, head);
        }
        accepted
    }

    /// Finishes the response of the inner service, and reports the request.
    ///
    /// A response to a token in the URL must not be stored by shared caches (RFC 6750 section 2.3). A
    /// rejection that a handler returned gets the challenge of this layer. One of a layer further in was
    /// reported there.
    pub(super) fn finish<R>(&self, mut response: Response<R>) -> Response<ResponseBody<R>> {
        if let Some(rejection) = Rejection::take_from_handler(&mut response) {
            return self.shared.finish_rejection(rejection, response);
        }
        if let Some(event) = &self.event
            && response.extensions().get::<Rejection>().is_none()
        {
            event.report();
        }
        if self.in_query && response.status().is_success() && !forbids_shared_caching(response.headers()) {
            response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("private"));
        }
        response.map(ResponseBody::inner)
    }
}

fn forbids_shared_caching(headers: &HeaderMap) -> bool {
    let mut lines = headers.get_all(CACHE_CONTROL).into_iter().filter_map(|line| line.to_str().ok());
    lines.any(|line| {
        line.split(',').any(|directive| {
            let name = directive.trim();
            name.eq_ignore_ascii_case("private") || name.eq_ignore_ascii_case("no-store")
        })
    })
}
