//! What `BearerAuth` leaves in a request's extensions, beside the access token, for the layers and extractors
//! inside it.
//!
//! Why: `Covered` is zero-sized, so inserting it does not allocate. The `AccessToken` holds a weak reference
//! to the shared state, so that a token that outlives its request does not keep the background tasks running.
//! `Details` takes the place of `Covered` only if there is no token, if the request waited for introspection,
//! or if it is observed. It refers to the shared state only if there is no token to do so.

use std::future::ready;
use std::sync::{Arc, Weak};
use std::time::Duration;

use http::Response;
use http::request::Parts;

use super::body::ResponseBody;
use super::decision_report::DecisionReport;
use super::rejection_log::report_uncovered;
use super::responder::uncovered;
use super::shared::{Shared, SharedRef};
use crate::access_token::{AccessToken, CoveredBy};
use crate::authenticate::StillActive;
use crate::rejection::Rejection;
use crate::sync::Shard;
use crate::time::{NumericDate, SystemClock};

/// How a `BearerAuth` covers a request.
pub(crate) struct Coverage {
    /// `None` if a layer in between removed the token, or the `BearerAuth` is gone.
    shared: Option<SharedRef>,
    /// How long the request has waited for introspection: it has one deadline for `BearerAuth` and `Require`.
    introspection_time: Duration,
    /// `None` if neither a subscriber nor an observer listens, or if the request is over.
    report: Option<Arc<DecisionReport>>,
}

/// In the extensions of a covered request without [`Details`].
#[derive(Clone)]
struct Covered;

/// In the extensions of a covered request whose token cannot tell all.
#[derive(Clone)]
struct Details {
    shared: Option<SharedRef>,
    introspection_time: Duration,
    report: Option<Weak<DecisionReport>>,
}

impl Coverage {
    /// Inserts the token, and marks the request as covered by `shared`.
    pub(super) fn insert(
        head: &mut Parts,
        token: Option<AccessToken>,
        introspection_time: Duration,
        report: Option<&Arc<DecisionReport>>,
        shared: &SharedRef,
    ) {
        // An outer `BearerAuth` may have left a token and details. Only its waiting time stays: a request has
        // one deadline.
        let outer = head.extensions.remove::<Details>().map(|details| details.introspection_time);
        let introspection_time = introspection_time.saturating_add(outer.unwrap_or_default());
        if token.is_none() || !introspection_time.is_zero() || report.is_some() {
            let shared = token.is_none().then(|| Arc::clone(shared));
            let report = report.map(Arc::downgrade);
            head.extensions.insert(Details { shared, introspection_time, report });
        } else {
            head.extensions.insert(Covered);
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
    }

    /// How the request with `head` is covered; `None` if it is not.
    pub(crate) fn of(head: &Parts) -> Option<Self> {
        if !is_covered(head) {
            return None;
        }
        let details = head.extensions.get::<Details>();
        let of_token = head.extensions.get::<AccessToken>().and_then(shared_of);
        Some(Self {
            shared: of_token.or_else(|| details?.shared.clone()),
            introspection_time: details.map(|details| details.introspection_time).unwrap_or_default(),
            report: details.and_then(|details| details.report.as_ref()?.upgrade()),
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
    head.extensions.get::<Covered>().is_some() || head.extensions.get::<Details>().is_some()
}

/// Reports a rejection by a layer or an extractor, and responds as the `BearerAuth` that covers the request
/// would.
pub(crate) fn reject<B>(rejection: Rejection, head: &Parts) -> Response<ResponseBody<B>> {
    let coverage = Coverage::of(head);
    if let Some(report) = coverage.as_ref().and_then(|coverage| coverage.report.as_ref()) {
        report.reject(&rejection);
    }
    let response = match coverage.and_then(|coverage| coverage.shared) {
        Some(shared) => shared.reject(rejection, head),
        None => {
            report_uncovered(&rejection);
            uncovered().respond(rejection, head)
        }
    };
    response.map(ResponseBody::rejection)
}

/// The time, by the clock of the `BearerAuth` that accepted the token. Without one, by the clock of the
/// machine.
pub(in crate::middleware) fn now_for(token: &AccessToken) -> NumericDate {
    let shared = shared_of(token);
    shared.map_or_else(|| NumericDate::now(&SystemClock), |shared| shared.authenticator.now())
}

fn shared_of(token: &AccessToken) -> Option<SharedRef> {
    let CoveredBy(shared) = token.coverage()?;
    shared.upgrade()?.downcast().ok()
}
