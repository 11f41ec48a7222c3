//! What the layer, its services and the layers further in share about one `BearerAuth`.

use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use http::Response;
use http::request::Parts;

use super::answers::Answers;
use super::response_body::ResponseBody;
use crate::access_token::AccessToken;
use crate::authenticate::{Authenticator, StillActive};
use crate::event;
use crate::rejection::Rejection;

/// Who is trusted, and how refusals are answered.
pub(crate) struct Protection {
    pub(crate) authenticator: Arc<Authenticator>,
    pub(crate) answers: Answers,
    pub(crate) strip_credentials: bool,
}

/// The mark on a request that a `BearerAuth` let through: how to answer for it further in, and how to ask about
/// its token once more.
#[derive(Clone)]
pub(crate) struct Covered {
    pub(crate) protection: Arc<Protection>,
    /// The token as it was sent, where its issuer can be asked about it.
    pub(crate) presented: Option<Arc<str>>,
}

/// Whether a `BearerAuth` let the request with `head` through.
pub(crate) fn is_covered(head: &Parts) -> bool {
    head.extensions.get::<Covered>().is_some()
}

/// Reports a refusal further in and answers it as the `BearerAuth` that covers the request would.
pub(crate) fn refuse<B>(rejection: Rejection, head: &Parts) -> Response<ResponseBody<B>> {
    report(&rejection);
    match head.extensions.get::<Covered>() {
        Some(covered) => covered.protection.answers.answer(rejection, head),
        None => Answers::new("api", false, None).answer(rejection, head),
    }
}

/// What the issuer of `token` says about it now, by an answer no older than `within`.
pub(crate) fn still_active(token: &AccessToken, head: &Parts, within: Duration) -> StillActive {
    let covered = head.extensions.get::<Covered>();
    match covered.and_then(|covered| Some((&covered.protection, covered.presented.as_deref()?))) {
        Some((protection, presented)) => {
            protection.authenticator.still_active(token, presented, head, within)
        }
        None => Box::pin(ready(Err(Rejection::not_introspected()))),
    }
}

/// The one event of a request that was refused.
pub(crate) fn report(rejection: &Rejection) {
    let kind = rejection.kind().as_str();
    event::refused(rejection.severity(), kind, rejection.status(), rejection.issuer(), rejection);
}
