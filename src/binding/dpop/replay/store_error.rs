//! Why a replay store could not record a proof. Operators read these errors, clients never see them.

use std::error::Error;
use std::fmt;
use std::time::Duration;

/// Why a [`ReplayStore`](super::ReplayStore) could not record the use of a proof.
///
/// The request is rejected with 503: as `proofs_too_many` if the store is [full](Self::full), otherwise as
/// `replay_store_unavailable`. The source of the error is logged, so it must hold no secret, such as a
/// password in a URL.
///
/// ```
/// use std::io;
/// use std::time::Duration;
/// use tower_bearer::dpop::ReplayStoreError;
///
/// let error = ReplayStoreError::new(io::Error::from(io::ErrorKind::ConnectionRefused));
/// assert_eq!(error.to_string(), "the replay store is unavailable");
///
/// let error = ReplayStoreError::full(Duration::from_secs(5));
/// assert_eq!(error.retry_after(), Some(Duration::from_secs(5)));
/// ```
#[derive(Debug)]
pub struct ReplayStoreError(Cause);

#[derive(Debug)]
enum Cause {
    Unavailable(Box<dyn Error + Send + Sync>),
    Full(Duration),
    TimedOut,
}

impl ReplayStoreError {
    /// The store is unavailable, for the reason in `source`.
    pub fn new(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(Cause::Unavailable(source.into()))
    }

    /// The store has no room for another proof before `retry_after` has passed.
    ///
    /// The response has it as `Retry-After`: in whole seconds, at least 1 s and at most 5 min.
    #[must_use]
    pub fn full(retry_after: Duration) -> Self {
        Self(Cause::Full(retry_after))
    }

    pub(super) fn timed_out() -> Self {
        Self(Cause::TimedOut)
    }

    /// When there is room again, if the store is [full](Self::full).
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self.0 {
            Cause::Full(retry_after) => Some(retry_after),
            Cause::Unavailable(_) | Cause::TimedOut => None,
        }
    }
}

impl fmt::Display for ReplayStoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Cause::Unavailable(_) => "the replay store is unavailable",
            Cause::Full(_) => "the replay store is full",
            Cause::TimedOut => "the replay store did not respond in time",
        })
    }
}

impl Error for ReplayStoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.0 {
            Cause::Unavailable(source) => Some(&**source),
            Cause::Full(_) | Cause::TimedOut => None,
        }
    }
}
