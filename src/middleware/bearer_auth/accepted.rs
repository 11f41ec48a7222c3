//! What is done with a request that is let through, and with the response to it.

use std::sync::Arc;

use http::header::{AUTHORIZATION, CACHE_CONTROL};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Response};

use crate::access_token::AccessToken;
use crate::bearer;
use crate::event;
use crate::middleware::body::ResponseBody;
use crate::middleware::shared::{Shared, SharedRef};
use crate::rejection::Rejection;

/// How a request was let through.
pub(super) struct Accepted {
    /// Kept for the layers further in, which may be all that is left of the service by the time they need it.
    _protection: SharedRef,
    report: Option<event::Accepted>,
    /// The token stood in the URL.
    in_query: bool,
}

impl Accepted {
    /// Makes the head what the inner service sees.
    pub(super) fn of(head: &mut Parts, token: Option<AccessToken>, protection: &SharedRef) -> Self {
        let sources = &protection.authenticator.sources;
        let passage = Self {
            _protection: Arc::clone(protection),
            report: event::Accepted::of(token.as_ref().map(AccessToken::issuer_name)),
            in_query: token.is_some() && bearer::is_in_query(head, sources),
        };
        let removed = protection.strip_credentials && token.is_some();
        if removed {
            head.headers.remove(AUTHORIZATION);
        } else if let Some(credentials) = head.headers.get_mut(AUTHORIZATION) {
            credentials.set_sensitive(true);
        }
        sources.iter().for_each(|source| source.hide(&mut head.headers, removed));
        Shared::cover(protection, head, token);
        passage
    }

    /// The response of the inner service; one to a token in the URL is not for shared caches (RFC 6750 section
    /// 2.3).
    ///
    /// Reports the request, unless a layer further in refused it and said so.
    pub(super) fn passed<R>(&self, mut response: Response<R>) -> Response<ResponseBody<R>> {
        if let Some(accepted) = &self.report
            && response.extensions().get::<Rejection>().is_none()
        {
            accepted.report();
        }
        if self.in_query && response.status().is_success() && !forbids_sharing(response.headers()) {
            response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("private"));
        }
        response.map(ResponseBody::inner)
    }
}

fn forbids_sharing(headers: &HeaderMap) -> bool {
    let mut lines = headers.get_all(CACHE_CONTROL).into_iter().filter_map(|line| line.to_str().ok());
    lines.any(|line| {
        line.split(',').any(|directive| {
            let name = directive.trim();
            name.eq_ignore_ascii_case("private") || name.eq_ignore_ascii_case("no-store")
        })
    })
}
