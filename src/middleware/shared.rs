//! The shared state of one `BearerAuth`: its layer, its services and the layers further in refer to it.

use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use http::header::AUTHORIZATION;
use http::request::Parts;

use super::body::ResponseBody;
use super::rejection_log::RejectionLog;
use super::responder::Responder;
use crate::access_token::AccessToken;
use crate::audit::Audit;
use crate::authenticate::Authenticator;
use crate::bearer::hide_lines;
use crate::diagnostics::StartCheck;
#[cfg(feature = "metrics")]
use crate::observe::metrics::Metrics;
use crate::observe::{Observers, Undecided};
use crate::rejection::Rejection;
use crate::settings::BuildContext;
use crate::sync::Shard;

/// Called with the token and the head of each accepted request.
pub(crate) type OnAccept = Arc<dyn Fn(&AccessToken, &mut Parts) + Send + Sync>;

/// The trusted issuers, and the responses to rejected requests.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) authenticator: Arc<Authenticator>,
    pub(crate) responder: Arc<Responder>,
    pub(crate) on_accept: Option<OnAccept>,
    pub(crate) audit: Option<Arc<Audit>>,
    pub(crate) observers: Observers,
    /// One of the observers, which has the gauges.
    #[cfg(feature = "metrics")]
    pub(crate) metrics: Option<Arc<Metrics>>,
    pub(crate) strip_credentials: bool,
    /// Whether the events of rejections say what the token presents.
    pub(crate) log_token_details: bool,
    pub(crate) rejections: Arc<RejectionLog>,
    pub(crate) start_check: Arc<StartCheck>,
    /// Builds the issuers that are added at run time.
    pub(crate) context: Arc<BuildContext>,
}

/// One request's reference to the shared state.
pub(super) type SharedRef = Arc<Shard<Shared>>;

impl Shared {
    /// Spawns the check of the issuers, unless it was spawned before.
    pub(super) fn check_issuers_once(&self) {
        self.start_check.start(&self.authenticator);
    }

    /// Marks the credentials in `head` as sensitive, so that `Debug` does not show them, or removes them. A
    /// DPoP proof is no credential; see `SenderPolicy`.
    pub(super) fn hide_credentials(&self, head: &mut Parts, remove: bool) {
        if remove {
            head.headers.remove(AUTHORIZATION);
        } else {
            hide_lines(&mut head.headers, &AUTHORIZATION);
        }
        self.authenticator.sources.iter().for_each(|source| source.hide(&mut head.headers, remove));
    }

    /// Reports a rejection and responds to the request with that `head`, which `on_reject` sees.
    pub(super) fn reject_request(
        &self,
        rejection: Rejection,
        head: &mut Parts,
        undecided: Undecided,
    ) -> Response<Bytes> {
        if self.responder.has_on_reject() {
            self.hide_credentials(head, false);
            self.authenticator.senders.hide_proofs(&mut head.headers, false);
        }
        self.report_rejected(&rejection, Some(head), undecided);
        self.responder.respond(rejection, head)
    }

    /// Logs a rejection by a layer further in or an extractor, and responds to the request with that `head`,
    /// whose credentials are hidden.
    pub(super) fn reject(&self, rejection: Rejection, head: &Parts) -> Response<Bytes> {
        self.log_rejection(&rejection, Some(head));
        self.responder.respond(rejection, head)
    }

    /// Reports a rejection that a handler returned and completes its `response`.
    pub(super) fn finish_rejection<B>(
        &self,
        rejection: Rejection,
        response: Response<B>,
    ) -> Response<ResponseBody<B>> {
        self.log_rejection(&rejection, None);
        self.responder.complete(rejection, response)
    }

    /// Logs the rejection of a request, with this `head` where there is one.
    pub(super) fn log_rejection(&self, rejection: &Rejection, head: Option<&Parts>) {
        let with_token = self.log_token_details;
        self.rejections
            .report(rejection, || self.authenticator.rejection_details(rejection, head, with_token));
    }
}
