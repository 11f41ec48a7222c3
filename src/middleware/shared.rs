//! What the layer, its services and the layers further in share about one `BearerAuth`.

use std::future::ready;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use http::Response;
use http::request::Parts;

use super::body::ResponseBody;
use super::responder::Responder;
use crate::access_token::{Acceptor, AccessToken};
use crate::authenticate::{Authenticator, StillActive};
use crate::event;
use crate::rejection::Rejection;
use crate::sync::Shard;

/// Who is trusted, and how refusals are answered.
pub(crate) struct Shared {
    pub(crate) authenticator: Arc<Authenticator>,
    pub(crate) answers: Responder,
    pub(crate) strip_credentials: bool,
}

impl Shared {
    /// Reports and answers a request with that `head` that goes no further.
    pub(super) fn refuse<B>(&self, rejection: Rejection, head: &Parts) -> Response<ResponseBody<B>> {
        report(&rejection);
        self.answers.answer(rejection, head)
    }
}

/// A reference on it, of one request.
pub(super) type SharedRef = Arc<Shard<Shared>>;

/// The mark on a request that a `BearerAuth` let through. With a box of its own it would cost each an allocation,
/// so that the token says which one it was.
#[derive(Clone)]
struct Covered;

/// The same, where there is no token to say it.
#[derive(Clone)]
struct Anonymous {
    acceptor: SharedRef,
}

impl Shared {
    /// Marks the request with that `head` as let through.
    pub(super) fn cover(this: &SharedRef, head: &mut Parts, token: Option<AccessToken>) {
        // Whoever put a token or a mark there before us did not ask this issuer.
        match token {
            Some(token) => {
                head.extensions.remove::<Anonymous>();
                let acceptor: Weak<Shard<Self>> = Arc::downgrade(this);
                head.extensions.insert(token.with_acceptor(Acceptor(acceptor)));
            }
            None => {
                head.extensions.remove::<AccessToken>();
                head.extensions.insert(Anonymous { acceptor: Arc::clone(this) });
            }
        }
        head.extensions.insert(Covered);
    }
}

/// Which `BearerAuth` let the request with `head` through, if that can be told.
fn acceptor(head: &Parts) -> Option<SharedRef> {
    let token: Option<&AccessToken> = head.extensions.get();
    let acceptor = token.and_then(AccessToken::acceptor).and_then(|Acceptor(acceptor)| acceptor.upgrade());
    acceptor.and_then(|acceptor| acceptor.downcast().ok()).or_else(|| {
        let anonymous: &Anonymous = head.extensions.get()?;
        Some(Arc::clone(&anonymous.acceptor))
    })
}

/// Whether a `BearerAuth` let the request with `head` through.
pub(crate) fn is_covered(head: &Parts) -> bool {
    head.extensions.get::<Covered>().is_some()
}

/// How a request is answered that nobody let through, or nobody can tell who.
static UNCOVERED: OnceLock<Responder> = OnceLock::new();

/// Reports a refusal further in and answers it as the `BearerAuth` that covers the request would.
pub(crate) fn refuse<B>(rejection: Rejection, head: &Parts) -> Response<ResponseBody<B>> {
    match acceptor(head) {
        Some(protection) => protection.refuse(rejection, head),
        None => {
            report(&rejection);
            UNCOVERED.get_or_init(|| Responder::new("api", false, None)).answer(rejection, head)
        }
    }
}

/// What the issuer of `token` says about it now, by an answer no older than `within`.
pub(crate) fn still_active(token: &AccessToken, head: &Parts, within: Duration) -> StillActive {
    match acceptor(head) {
        Some(protection) => protection.authenticator.still_active(token, head, within),
        None => Box::pin(ready(Err(Rejection::not_introspected()))),
    }
}

/// The one event of a request that was refused.
fn report(rejection: &Rejection) {
    let kind = rejection.kind().as_str();
    event::refused(rejection.severity(), kind, rejection.status(), rejection.issuer(), rejection);
}
