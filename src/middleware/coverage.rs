//! What `BearerAuth` leaves in a request's extensions, beside the access token, for the layers and extractors
//! inside it.
//!
//! Why a marker and not one value: a value with a size costs every request an allocation. For a request with
//! a token the token itself refers to the shared state, weakly, so that a token that outlives its request
//! does not keep the background tasks running. Only a request without a token, or one that waited for
//! introspection, gets more.

use std::future::ready;
use std::sync::{Arc, Weak};
use std::time::Duration;

use http::Response;
use http::request::Parts;

use super::body::ResponseBody;
use super::responder::uncovered;
use super::shared::{Shared, SharedRef, report};
use crate::access_token::{AccessToken, CoveredBy};
use crate::authenticate::StillActive;
use crate::rejection::Rejection;
use crate::sync::Shard;

/// How a `BearerAuth` covers a request.
pub(crate) struct Coverage {
    /// `None` if a layer in between removed the token, or the `BearerAuth` is gone.
    shared: Option<SharedRef>,
    /// How long the request has waited for introspection: it has one deadline for `BearerAuth` and `Require`.
    introspection_time: Duration,
}

/// In the extensions of every covered request.
#[derive(Clone)]
struct Covered;

/// In the extensions where the token cannot tell.
#[derive(Clone)]
struct Details {
    shared: SharedRef,
    introspection_time: Duration,
}

impl Coverage {
    /// Inserts the token, and marks the request as covered by `shared`.
    pub(super) fn insert(
        head: &mut Parts,
        token: Option<AccessToken>,
        introspection_time: Duration,
        shared: &SharedRef,
    ) {
        // An outer layer may have left a token or details: they are not those of this `BearerAuth`.
        if token.is_none() || !introspection_time.is_zero() {
            head.extensions.insert(Details { shared: Arc::clone(shared), introspection_time });
        } else {
            head.extensions.remove::<Details>();
        }
        match token {
            Some(token) => {
                let shared: Weak<Shard<Shared>> = Arc::downgrade(shared);
                head.extensions.insert(token.covered_by(CoveredBy(shared)));
            }
            None => {
                head.extensions.remove::<AccessToken>();
            }
        }
        head.extensions.insert(Covered);
    }

    /// How the request with `head` is covered; `None` if it is not.
    pub(crate) fn of(head: &Parts) -> Option<Self> {
        head.extensions.get::<Covered>()?;
        let details = head.extensions.get::<Details>();
        let shared = details.map(|details| Arc::clone(&details.shared));
        Some(Self {
            shared: shared.or_else(|| head.extensions.get::<AccessToken>().and_then(shared_of)),
            introspection_time: details.map(|details| details.introspection_time).unwrap_or_default(),
        })
    }

    /// Introspects `token` once more, by a response no older than `max_age`.
    pub(crate) fn still_active(&self, token: &AccessToken, max_age: Duration) -> StillActive {
        match &self.shared {
            Some(shared) => shared.authenticator.still_active(token, max_age, self.introspection_time),
            None => Box::pin(ready(Err(Rejection::not_introspected()))),
        }
    }
}

/// Whether a `BearerAuth` covers the request with `head`.
pub(crate) fn is_covered(head: &Parts) -> bool {
    head.extensions.get::<Covered>().is_some()
}

/// Reports a rejection by a layer or an extractor, and responds as the `BearerAuth` that covers the request
/// would.
pub(crate) fn reject<B>(rejection: Rejection, head: &Parts) -> Response<ResponseBody<B>> {
    match Coverage::of(head).and_then(|coverage| coverage.shared) {
        Some(shared) => shared.reject(rejection, head),
        None => {
            report(&rejection);
            uncovered().respond(rejection, head)
        }
    }
}

fn shared_of(token: &AccessToken) -> Option<SharedRef> {
    let CoveredBy(shared) = token.coverage()?;
    shared.upgrade()?.downcast().ok()
}
