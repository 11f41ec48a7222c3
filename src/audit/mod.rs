//! Audit events: one per accepted or rejected request.
//!
//! [`BearerAuthBuilder::audit`](crate::BearerAuthBuilder::audit) turns them on. Each decision is one event
//! with the target `tower_bearer::audit` and the level INFO. No limit suppresses it.
//!
//! | field | value |
//! |---|---|
//! | `decision` | `accepted` or `rejected` |
//! | `kind` | `accepted`, `anonymous` (accepted without a token), or the label of a [`RejectionKind`](crate::RejectionKind) |
//! | `status` | of the response to a rejected request |
//! | `issuer` | the issuer of the token |
//! | `subject` or `subject_hash` | the subject of the token, plain or hashed |
//! | `client_id`, `jti` | of the token |
//! | `method` | of the request |
//! | `route` | the label that [`Audit::route`] returns |
//!
//! A rejected request has `subject`, `client_id` and `jti` only if its token was accepted before: where a
//! [`Require`](crate::Require), an extractor or a handler rejects it. Otherwise nothing proves that these
//! values are genuine. Values are escaped and cut to 64 bytes. There is no path, because it can hold ids.
//!
//! A `BearerAuth` reports each request once. A request that it accepted is reported at its end, also if the
//! inner service fails or the client leaves, and as rejected if a layer further in, an extractor or a handler
//! has rejected it. Each of several nested layers reports. A request that no `BearerAuth` covers is not
//! audited.
//!
//! To write the events to a file of their own, give that layer of `tracing-subscriber` a filter for the
//! target.
//!
//! ```
//! use http::request::Parts;
//! use tower_bearer::BearerAuth;
//! use tower_bearer::audit::Audit;
//!
//! fn route(head: &Parts) -> Option<String> {
//!     let resource = head.uri.path().split('/').nth(1)?; // not the id after it
//!     ["orders", "invoices"].contains(&resource).then(|| format!("/{resource}/:id"))
//! }
//!
//! let builder = BearerAuth::builder("https://api.example.com").audit(Audit::with_subject().route(route));
//! // INFO tower_bearer::audit: request decided decision="rejected" kind="scope_insufficient" status=403
//! //     issuer="https://login.example.com" subject="alice" client_id="app" jti="8f2c"
//! //     method="DELETE" route="/orders/:id"
//! ```

mod request;

use std::fmt;
use std::sync::Arc;

use http::request::Parts;
use zeroize::Zeroizing;

use crate::crypto::{HmacAlgorithm, hmac};
use crate::encoding::base64url;
use crate::encoding::shown::shortened;

pub(crate) use request::AuditedRequest;

type RouteLabel = Arc<dyn Fn(&Parts) -> Option<String> + Send + Sync>;

/// The content of audit events: the argument of
/// [`BearerAuthBuilder::audit`](crate::BearerAuthBuilder::audit). The [module](self) lists the fields.
///
/// ```
/// use tower_bearer::audit::Audit;
///
/// let audit = Audit::with_hashed_subject("a key of at least 32 bytes, from your secret store");
/// ```
#[derive(Clone)]
#[must_use]
pub struct Audit {
    subject: ShownSubject,
    route: Option<RouteLabel>,
}

#[derive(Clone)]
enum ShownSubject {
    Plain,
    Hashed(Arc<Zeroizing<Vec<u8>>>),
}

impl Audit {
    /// The minimum length of the key in bytes: that of the hash (RFC 2104 section 3).
    const MIN_KEY_BYTES: usize = 32;

    /// Audit events with the plain subject, in the field `subject`.
    ///
    /// # Risk
    /// The log is personal data, with the duties that follow.
    pub fn with_subject() -> Self {
        Self { subject: ShownSubject::Plain, route: None }
    }

    /// Audit events with a keyed hash of the subject, in the field `subject_hash`: its HMAC-SHA-256 (RFC
    /// 2104), as base64url without padding. Only the key lets a reader find the
    /// events of a known subject.
    ///
    /// At least 32 random bytes; fewer are a [`ConfigError`](crate::ConfigError). All instances of an API
    /// need the same key. After a change of the key, the earlier events can be found only with the earlier
    /// key. The memory of the key is zeroed on drop.
    ///
    /// # Risk
    /// `client_id` and `jti` are plain, and can identify a person or a session.
    pub fn with_hashed_subject(key: impl Into<Vec<u8>>) -> Self {
        Self { subject: ShownSubject::Hashed(Arc::new(Zeroizing::new(key.into()))), route: None }
    }

    /// Sets the function that names the route of a request. Default: no route is logged.
    ///
    /// `BearerAuth` calls it before the inner service. Its label is escaped and cut to 64 bytes. Return a
    /// pattern such as `/orders/{id}` rather than the path, which can hold ids. In axum, that is the
    /// `MatchedPath` in the extensions: `head.extensions.get::<MatchedPath>()`. The head may contain the
    /// token: do not return it. The function must not block.
    ///
    /// ```
    /// use tower_bearer::audit::Audit;
    ///
    /// let audit = Audit::with_subject().route(|head| {
    ///     let is_admin = head.uri.path().starts_with("/admin/");
    ///     Some(if is_admin { "admin" } else { "public" }.to_owned())
    /// });
    /// ```
    pub fn route<F>(mut self, label: F) -> Self
    where
        F: Fn(&Parts) -> Option<String> + Send + Sync + 'static,
    {
        self.route = Some(Arc::new(label));
        self
    }

    /// The length of the key, if it is too short.
    pub(crate) fn short_key(&self) -> Option<usize> {
        match &self.subject {
            ShownSubject::Hashed(key) if key.len() < Self::MIN_KEY_BYTES => Some(key.len()),
            ShownSubject::Plain | ShownSubject::Hashed(_) => None,
        }
    }

    /// The fields `subject` and `subject_hash`: one of them, if there is a subject.
    fn shown(&self, subject: Option<&str>) -> (Option<String>, Option<String>) {
        match &self.subject {
            ShownSubject::Plain => (subject.map(shortened), None),
            ShownSubject::Hashed(key) => {
                let hash = subject.and_then(|subject| hmac(HmacAlgorithm::HS256, key, subject.as_bytes()));
                (None, hash.as_deref().map(base64url::encode))
            }
        }
    }

    fn label(&self, head: &Parts) -> Option<String> {
        let label = self.route.as_ref()?(head)?;
        Some(shortened(&label))
    }
}

/// Shows nothing of the key.
impl fmt::Debug for Audit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let subject = match &self.subject {
            ShownSubject::Plain => "plain",
            ShownSubject::Hashed(_) => "hashed",
        };
        f.debug_struct("Audit").field("subject", &subject).finish_non_exhaustive()
    }
}
