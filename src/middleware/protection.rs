//! What the layer, its services and the layers further in share about one `BearerAuth`.

use std::sync::Arc;

use http::Response;
use http::request::Parts;

use super::answers::Answers;
use super::response_body::ResponseBody;
use crate::authenticate::Authenticator;
use crate::event;
use crate::rejection::Rejection;

/// Who is trusted, and how refusals are answered.
pub(crate) struct Protection {
    pub(crate) authenticator: Arc<Authenticator>,
    pub(crate) answers: Answers,
    pub(crate) strip_credentials: bool,
}

/// The mark on a request that a `BearerAuth` let through: how to answer for it further in.
#[derive(Clone)]
pub(crate) struct Covered(pub(crate) Arc<Protection>);

/// Whether a `BearerAuth` let the request with `head` through.
pub(crate) fn is_covered(head: &Parts) -> bool {
    head.extensions.get::<Covered>().is_some()
}

/// Reports a refusal further in and answers it as the `BearerAuth` that covers the request would.
pub(crate) fn refuse<B>(rejection: Rejection, head: &Parts) -> Response<ResponseBody<B>> {
    report(&rejection);
    match head.extensions.get::<Covered>() {
        Some(Covered(protection)) => protection.answers.answer(rejection, head),
        None => Answers::new("api", false, None).answer(rejection, head),
    }
}

/// The one event of a request that was refused.
pub(crate) fn report(rejection: &Rejection) {
    let kind = rejection.kind().as_str();
    event::refused(rejection.severity(), kind, rejection.status(), rejection.issuer(), rejection);
}
