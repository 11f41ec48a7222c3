//! Fetches the keys and finds the introspection endpoints of issuers ahead of the first request.
//!
//! Checks: the authorization server accepts the credentials for introspection; see
//! `introspection/credentials_check.rs`.
//!
//! Why: the fetches run concurrently, because one issuer that hangs must not delay the others. At most 32 run
//! at a time: thousands at once would exhaust sockets and bandwidth, and then all would time out.

use std::error::Error;
use std::fmt;
use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use crate::authenticate::{Authenticator, IssuerIntrospection, JwtIntrospection, TrustedIssuer};
use crate::encoding::shown::and_more;
use crate::event::Causes;
use crate::introspection::{IntrospectionError, Introspector};
use crate::jwks::{Keys, KeysError};

/// The maximum number of issuers that are fetched at the same time.
const MAX_CONCURRENT: usize = 32;

/// The most issuers that an error lists.
const MAX_SHOWN: usize = 10;

/// An issuer that is not ready, and the reason.
type Unavailable = (Arc<str>, Arc<dyn Error + Send + Sync>);

/// The issuers whose keys or introspection endpoint are unavailable, each with the reason.
///
/// `Display` names the part that failed, every cause down to the error of the HTTP client or TLS, what to do
/// about it, and the time limit. It lists at most ten issuers. `Debug` prints the same, so that `main` may
/// return the error.
///
/// ```no_run
/// # async fn example(auth: tower_bearer::BearerAuth) {
/// if let Err(error) = auth.ready().await {
///     eprintln!("{error}");
///     // not ready (time limit per issuer: 15 s): https://login.example.com: keys: the response status is 404
///     // (https://login.example.com/.well-known/oauth-authorization-server); hint: check the issuer URL ...
/// }
/// # }
/// ```
#[derive(Clone)]
pub struct NotReady {
    issuers: Vec<Unavailable>,
    time_limit: Duration,
}

impl NotReady {
    /// The issuers and the error of each, sorted by issuer: a [`KeysError`](super::KeysError), an
    /// [`IntrospectionError`](super::IntrospectionError), or for an issuer that is not configured another
    /// error.
    pub fn issuers(&self) -> impl Iterator<Item = (&str, &(dyn Error + Send + Sync + 'static))> {
        self.issuers.iter().map(|(issuer, error)| (&**issuer, &**error))
    }
}

impl fmt::Display for NotReady {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not ready")?;
        if !self.time_limit.is_zero() {
            write!(f, " (time limit per issuer: {} s)", self.time_limit.as_secs_f64())?;
        }
        f.write_str(":")?;
        let separator = if self.issuers.len() == 1 { " " } else { "\n  - " };
        for (issuer, error) in self.issuers().take(MAX_SHOWN) {
            write!(f, "{separator}{issuer}: ")?;
            write_reason(f, error)?;
        }
        match and_more(self.issuers.len().saturating_sub(MAX_SHOWN)) {
            Some(end) => write!(f, "{separator}{end}"),
            None => Ok(()),
        }
    }
}

/// The same text as `Display`: a program whose `main` returns the error prints its `Debug`.
impl fmt::Debug for NotReady {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The part that failed, all causes, and the hint.
fn write_reason(f: &mut fmt::Formatter<'_>, error: &(dyn Error + 'static)) -> fmt::Result {
    let keys = error.downcast_ref::<KeysError>();
    let part = match keys {
        Some(_) => "keys: ",
        None if error.is::<IntrospectionError>() => "introspection: ",
        None => "",
    };
    write!(f, "{part}{}", Causes::of(error))?;
    keys.and_then(KeysError::hint).map_or(Ok(()), |hint| write!(f, "; hint: {hint}"))
}

/// Without a source: the text has the causes of every issuer.
impl Error for NotReady {}

/// The error of an issuer that is not configured.
#[derive(Debug)]
struct NotConfigured;

impl fmt::Display for NotConfigured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no such issuer is configured")
    }
}

impl Error for NotConfigured {}

impl Authenticator {
    /// Waits until every issuer is ready or has failed.
    ///
    /// # Errors
    /// [`NotReady`] if all have failed, and there is one.
    pub(crate) async fn ready(&self) -> Result<(), NotReady> {
        let all = self.issuers.load().sorted();
        let issuers = unavailable(&all).await;
        let is_any_ready = issuers.is_empty() || issuers.len() < all.len();
        if is_any_ready { Ok(()) } else { Err(self.not_ready(issuers)) }
    }

    /// Waits until every issuer is ready or has failed.
    ///
    /// # Errors
    /// [`NotReady`] if one has failed.
    pub(crate) async fn ready_all(&self) -> Result<(), NotReady> {
        let all = self.issuers.load().sorted();
        let issuers = unavailable(&all).await;
        if issuers.is_empty() { Ok(()) } else { Err(self.not_ready(issuers)) }
    }

    /// Waits until one issuer is ready or has failed.
    ///
    /// # Errors
    /// [`NotReady`] if it has failed or is not configured.
    pub(crate) async fn ready_for(&self, identifier: &str) -> Result<(), NotReady> {
        let not_ready = |error| self.not_ready(vec![(identifier.into(), error)]);
        let issuer = self.issuers.load().get(identifier).cloned();
        match issuer {
            Some(issuer) => issuer.ready().await.map_err(not_ready),
            None => Err(not_ready(Arc::new(NotConfigured))),
        }
    }

    fn not_ready(&self, issuers: Vec<Unavailable>) -> NotReady {
        let current = self.issuers.load();
        let failed = issuers.iter().filter_map(|(identifier, _)| current.get(identifier));
        let time_limit = failed.map(|issuer| issuer.max_ready_time()).max().unwrap_or_default();
        NotReady { issuers, time_limit }
    }
}

/// The issuers that have failed, sorted by identifier.
pub(super) async fn unavailable(issuers: &[Arc<TrustedIssuer>]) -> Vec<Unavailable> {
    let mut waiting = issuers.iter();
    let mut pending = Vec::new();
    let mut unavailable = Vec::new();
    poll_fn(|cx| {
        loop {
            let free = MAX_CONCURRENT.saturating_sub(pending.len());
            let next = waiting.by_ref().take(free);
            pending.extend(next.map(|issuer| (issuer, Box::pin(issuer.ready()))));
            let before = pending.len();
            pending.retain_mut(|(issuer, ready)| match ready.as_mut().poll(cx) {
                Poll::Ready(result) => {
                    // One that was removed meanwhile is nobody's problem.
                    let error = result.err().filter(|_| !issuer.is_removed());
                    let failed = error.map(|error| (Arc::clone(issuer.identifier()), error));
                    unavailable.extend(failed);
                    false
                }
                Poll::Pending => true,
            });
            if pending.len() == before {
                return if before == 0 { Poll::Ready(()) } else { Poll::Pending };
            }
        }
    })
    .await;
    unavailable.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    unavailable
}

impl TrustedIssuer {
    /// The maximum time until it is ready or has failed.
    fn max_ready_time(&self) -> Duration {
        let keys = self.keys.as_ref().map(Keys::max_ready_time).unwrap_or_default();
        let introspection = self.introspector().map(Introspector::max_ready_time).unwrap_or_default();
        keys.saturating_add(introspection)
    }

    async fn ready(&self) -> Result<(), Arc<dyn Error + Send + Sync>> {
        if let Some(keys) = &self.keys {
            keys.ready().await.map_err(|error| -> Arc<dyn Error + Send + Sync> { error })?;
        }
        match &self.introspection {
            Some(IssuerIntrospection { introspector, jwts, .. }) => {
                let introspects_jwts = !matches!(jwts, JwtIntrospection::None);
                let ready = introspector.ready(introspects_jwts).await;
                ready.map_err(|error| -> Arc<dyn Error + Send + Sync> { error })
            }
            None => Ok(()),
        }
    }
}
