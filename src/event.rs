//! The events that an operator reads: one per request and one per fetch, under the target `tower_bearer`.
//!
//! No event holds a token, a claim's value or a secret. The name of an issuer is in it only as
//! it was configured.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use tracing::level_filters::LevelFilter;
use tracing::{Level, debug, error, info, warn};

/// The target of every event.
const TARGET: &str = "tower_bearer";

/// A configuration was built; `bounds` is what it guarantees.
pub(crate) fn configured(bounds: &dyn fmt::Display) {
    let bounds = bounds.to_string().replace('\n', "; ");
    info!(target: TARGET, bounds, "BearerAuth configured");
}

/// A request that passes, to be told of at its end.
pub(crate) struct Accepted {
    issuer: Option<Arc<str>>,
}

impl Accepted {
    /// With a token of that issuer, or without credentials where that is allowed. `None` where nobody listens.
    pub(crate) fn of(issuer: Option<&Arc<str>>) -> Option<Self> {
        // Not `enabled!`: filters of single layers take its answer for one about the next event.
        (LevelFilter::current() >= Level::DEBUG).then(|| Self { issuer: issuer.cloned() })
    }

    /// It passed.
    pub(crate) fn report(&self) {
        match self.issuer.as_deref() {
            Some(issuer) => debug!(target: TARGET, kind = "accepted", issuer, "request accepted"),
            None => debug!(target: TARGET, kind = "anonymous", "request passed without a token"),
        }
    }
}

/// Whose business a refusal is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Severity {
    /// Nobody's: no credentials were sent. DEBUG.
    Routine,
    /// The client's. INFO.
    Client,
    /// The authorization server's. WARN.
    Outage,
    /// This service's own. ERROR.
    Fault,
}

/// A request was refused.
pub(crate) fn refused(
    severity: Severity,
    kind: &'static str,
    status: StatusCode,
    issuer: Option<&str>,
    cause: &dyn Error,
) {
    let (status, cause) = (status.as_u16(), Causes(cause));
    match severity {
        Severity::Routine => debug!(target: TARGET, kind, status, "request refused"),
        Severity::Client => info!(target: TARGET, kind, status, issuer, cause = %cause, "request refused"),
        Severity::Outage => warn!(target: TARGET, kind, status, issuer, cause = %cause, "request refused"),
        Severity::Fault => error!(target: TARGET, kind, status, issuer, cause = %cause, "request refused"),
    }
}

/// One fetch of an issuer's keys.
pub(crate) struct KeyFetch<'a> {
    /// The issuer that the keys belong to.
    pub(crate) issuer: &'a str,
    /// What was asked last, without its query.
    pub(crate) url: &'a dyn fmt::Display,
    /// From the start of the fetch to its end.
    pub(crate) duration: Duration,
}

impl KeyFetch<'_> {
    /// It brought so many keys, beside `skipped` that cannot be used.
    pub(crate) fn loaded(&self, keys: usize, skipped: usize) {
        info!(
            target: TARGET,
            issuer = self.issuer,
            url = %self.url,
            outcome = "loaded",
            keys,
            skipped,
            duration_ms = millis(self.duration),
            "keys fetched"
        );
    }

    /// The keys in hand are the latest.
    pub(crate) fn not_modified(&self, keys: usize, skipped: usize) {
        debug!(
            target: TARGET,
            issuer = self.issuer,
            url = %self.url,
            outcome = "not_modified",
            keys,
            skipped,
            duration_ms = millis(self.duration),
            "keys unchanged"
        );
    }

    /// It failed; `keys` are in hand from before.
    pub(crate) fn failed(&self, error: &dyn Error, keys: usize) {
        warn!(
            target: TARGET,
            issuer = self.issuer,
            url = %self.url,
            outcome = "failed",
            keys,
            duration_ms = millis(self.duration),
            cause = %Causes(error),
            "keys could not be fetched"
        );
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// One call of an issuer's introspection endpoint.
pub(crate) struct Introspection<'a> {
    /// The issuer that was asked.
    pub(crate) issuer: &'a str,
    /// Where it was asked, or where the metadata is that tells where; without its query.
    pub(crate) url: &'a dyn fmt::Display,
    /// From the start of the call to its end.
    pub(crate) duration: Duration,
}

impl Introspection<'_> {
    /// The endpoint said whether the token is active.
    pub(crate) fn answered(&self) {
        debug!(
            target: TARGET,
            issuer = self.issuer,
            url = %self.url,
            outcome = "answered",
            duration_ms = millis(self.duration),
            "token introspected"
        );
    }

    /// It did not.
    pub(crate) fn failed(&self, error: &dyn Error) {
        warn!(
            target: TARGET,
            issuer = self.issuer,
            url = %self.url,
            outcome = "failed",
            duration_ms = millis(self.duration),
            cause = %Causes(error),
            "token could not be introspected"
        );
    }
}

/// The introspection endpoint of `issuer` is not asked for a while, or is asked again.
pub(crate) fn circuit_changed(issuer: &str, opened: bool) {
    if opened {
        warn!(target: TARGET, issuer, circuit = "open", "introspection suspended after failures in a row");
    } else {
        info!(target: TARGET, issuer, circuit = "closed", "introspection resumed");
    }
}

/// An error and all that it stems from, on one line.
pub(crate) struct Causes<'e>(pub(crate) &'e dyn Error);

impl fmt::Display for Causes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut next = self.0.source();
        while let Some(cause) = next {
            write!(f, ": {cause}")?;
            next = cause.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[derive(Debug)]
    struct Outer(io::Error);

    impl fmt::Display for Outer {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("the connection failed")
        }
    }

    impl Error for Outer {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&self.0)
        }
    }

    #[test]
    fn an_error_is_shown_with_its_causes() {
        let error = Outer(io::Error::other("connection refused"));
        assert_eq!(Causes(&error).to_string(), "the connection failed: connection refused");
    }
}
