//! The `tracing` events for operators: requests, fetches, introspection and changes of state, with the
//! target `tower_bearer`.
//!
//! No event holds a token or a secret. Values of the token are in it only by `log_token_details`, and in
//! audit events, which have the target `tower_bearer::audit`. The field `issuer` is a configured or resolved
//! identifier. A `cause` can quote the issuer and the endpoints that a metadata document names, the location
//! of a redirect, and plain words of the error that an introspection endpoint reports. Errors of user
//! functions and of the HTTP client appear in it as they are.

mod audit;
mod rejected;
pub(crate) mod span;

use std::error::Error;
use std::fmt;
use std::iter::successors;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use serde::Serializer;
use tracing::level_filters::LevelFilter;
use tracing::{Level, debug, error, info, warn};

pub(crate) use audit::{AuditedDecision, is_audit_reported};
pub(crate) use rejected::{
    PresentedToken, RejectedRequest, RejectionDetails, Severity, rejections_suppressed,
};

/// The target of every event.
const TARGET: &str = "tower_bearer";

/// The summary of a configuration, for the start event.
pub(crate) struct Configured {
    pub(crate) issuers: String,
    pub(crate) audiences: String,
    /// The settings that are turned on.
    pub(crate) enabled: String,
    /// Its guarantees.
    pub(crate) bounds: String,
}

/// Whether a subscriber may listen to the start event.
pub(crate) fn is_start_reported() -> bool {
    is_listened_to(Level::INFO)
}

/// A configuration was built.
pub(crate) fn configured(configured: &Configured) {
    let Configured { issuers, audiences, enabled, bounds } = configured;
    info!(target: TARGET, issuers, audiences, enabled, bounds, "BearerAuth configured");
}

/// Tokens were revoked. The kind says what they have in common, and no event says its value.
pub(crate) fn revoked(issuer: &str, kind: &str) {
    info!(target: TARGET, issuer, kind, "Access tokens revoked");
}

/// Tokens of an issuer were revoked that no `BearerAuth` trusts.
pub(crate) fn revoked_for_untrusted_issuer(issuer: &str, kind: &str) {
    let hint = "compare the issuer with the configured one, byte for byte";
    warn!(target: TARGET, issuer, kind, hint, "Access tokens revoked, but no BearerAuth trusts their issuer");
}

/// Tokens were revoked that have expired.
pub(crate) fn revoked_after_expiry(issuer: &str, kind: &str) {
    info!(target: TARGET, issuer, kind, "Revocation ignored: its access tokens have expired");
}

/// There was no room for a revocation.
pub(crate) fn not_revoked(issuer: &str, kind: &str) {
    let hint = "raise Revocations::max_entries, and revoke again";
    error!(target: TARGET, issuer, kind, hint, "Access tokens not revoked: too many revocations");
}

/// The resource identifier of this API is not an accepted audience, although the audiences are URLs as well.
/// One of them may be `almost` the identifier.
pub(crate) fn resource_is_no_audience(resource: &str, almost: Option<&str>) {
    let hint = match almost {
        Some(_) => "write the identifier and the audience alike: they differ in the slash at the end",
        None => "add it with .add_audience(...), unless the authorization server issues another `aud` for it",
    };
    warn!(target: TARGET, resource, audience = almost, hint, "the resource identifier is not an accepted audience");
}

/// Whether a subscriber may listen at this level. Not `enabled!`: a per-layer filter would apply its result
/// to the next event.
fn is_listened_to(level: Level) -> bool {
    LevelFilter::current() >= level
}

/// An issuer was added, replaced or removed at run time.
pub(crate) fn issuer_changed(issuer: &str, change: &'static str) {
    info!(target: TARGET, issuer, "{change}");
}

/// The resolver with this pattern failed. The event omits the untrusted `iss`.
pub(crate) fn issuer_unresolved(pattern: &dyn fmt::Display, error: &dyn Error) {
    warn!(target: TARGET, %pattern, cause = %Causes::of(error), "issuer not resolved");
}

/// An accepted request, reported at its end.
pub(crate) struct AcceptedRequest {
    issuer: Option<Arc<str>>,
}

/// Whether a subscriber may listen to the events of accepted requests.
pub(crate) fn is_acceptance_reported() -> bool {
    is_listened_to(Level::DEBUG)
}

impl AcceptedRequest {
    /// A request with a token of this issuer, or without a token where that is allowed. `None` if no
    /// subscriber listens.
    pub(crate) fn new(issuer: Option<&Arc<str>>) -> Option<Self> {
        is_acceptance_reported().then(|| Self { issuer: issuer.cloned() })
    }

    pub(crate) fn report(&self) {
        match self.issuer.as_deref() {
            Some(issuer) => debug!(target: TARGET, kind = "accepted", issuer, "request accepted"),
            None => debug!(target: TARGET, kind = "anonymous", "request accepted without a token"),
        }
    }
}

/// One fetch of an issuer's keys.
pub(crate) struct KeyFetch<'a> {
    /// The issuer that the keys belong to.
    pub(crate) issuer: &'a str,
    /// The URL that was read: of the key set or, until that is known, of the metadata. Without its query.
    pub(crate) url: &'a dyn fmt::Display,
    /// The duration of the fetch.
    pub(crate) duration: Duration,
    /// How many fetches in a row have failed: up to this one, or before this one if it has succeeded.
    pub(crate) failures: u32,
}

impl KeyFetch<'_> {
    /// The fetch returned this many usable keys, and `skipped` unusable ones.
    pub(crate) fn loaded(&self, keys: usize, skipped: usize) {
        info!(
            target: TARGET,
            issuer = self.issuer,
            url = %self.url,
            outcome = "loaded",
            keys,
            skipped,
            failures = self.failures,
            duration_ms = millis(self.duration),
            "keys fetched"
        );
    }

    /// The cached keys are current. INFO if that ends an outage.
    pub(crate) fn not_modified(&self, keys: usize, skipped: usize) {
        macro_rules! emit {
            ($level:ident) => {
                $level!(
                    target: TARGET,
                    issuer = self.issuer,
                    url = %self.url,
                    outcome = "not_modified",
                    keys,
                    skipped,
                    failures = self.failures,
                    duration_ms = millis(self.duration),
                    "keys unchanged"
                )
            };
        }
        if self.failures > 0 {
            emit!(info);
        } else {
            emit!(debug);
        }
    }

    /// The fetch failed as the one before did, which was logged in full.
    pub(crate) fn failed_again(&self, keys: usize) {
        debug!(
            target: TARGET,
            issuer = self.issuer,
            url = %self.url,
            outcome = "failed",
            keys,
            failures = self.failures,
            duration_ms = millis(self.duration),
            "key fetch failed again"
        );
    }

    /// The fetch failed, and `hint` says what to do about it. This many keys are cached.
    pub(crate) fn failed(&self, error: &dyn Error, hint: Option<&str>, keys: usize) {
        warn!(
            target: TARGET,
            issuer = self.issuer,
            url = %self.url,
            outcome = "failed",
            keys,
            failures = self.failures,
            duration_ms = millis(self.duration),
            cause = %Causes::of(error),
            hint,
            "key fetch failed"
        );
    }
}

/// The metadata of an issuer could not be read again. The URLs that it named before stay in use.
pub(crate) fn metadata_failed(issuer: &str, url: &dyn fmt::Display, error: &dyn Error, hint: Option<&str>) {
    warn!(
        target: TARGET,
        issuer,
        url = %url,
        outcome = "failed",
        cause = %Causes::of(error),
        hint,
        "metadata read failed"
    );
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// One introspection request.
pub(crate) struct Introspection<'a> {
    /// The issuer of the token.
    pub(crate) issuer: &'a str,
    /// The URL of the endpoint, or of the metadata that names it, without its query.
    pub(crate) url: &'a dyn fmt::Display,
    /// The duration of the request.
    pub(crate) duration: Duration,
}

impl Introspection<'_> {
    /// The endpoint responded.
    pub(crate) fn responded(&self) {
        debug!(
            target: TARGET,
            issuer = self.issuer,
            url = %self.url,
            outcome = "responded",
            duration_ms = millis(self.duration),
            "token introspected"
        );
    }

    /// The request failed.
    pub(crate) fn failed(&self, error: &dyn Error) {
        warn!(
            target: TARGET,
            issuer = self.issuer,
            url = %self.url,
            outcome = "failed",
            duration_ms = millis(self.duration),
            cause = %Causes::of(error),
            "token introspection failed"
        );
    }
}

/// The metadata of an issuer names no introspection endpoint, and neither does the configuration.
pub(crate) fn introspection_endpoint_missing(issuer: &str, error: &dyn Error) {
    warn!(target: TARGET, issuer, cause = %Causes::of(error), "introspection endpoint missing");
}

/// The provider of the credentials for introspection requests failed.
pub(crate) fn client_credentials_failed(issuer: &str, error: &dyn Error) {
    warn!(target: TARGET, issuer, cause = %Causes::of(error), "introspection credentials unavailable");
}

/// The authorization server rejected the credentials that it had accepted, and accepted the other ones.
pub(crate) fn client_credentials_switched(issuer: &str) {
    info!(target: TARGET, issuer, "introspection credentials switched");
}

/// A peer that is no trusted proxy has sent the header with the certificate of a client.
pub(crate) fn certificate_header_ignored(header: &str, peer: IpAddr) {
    warn!(
        target: TARGET,
        header,
        %peer,
        hint = "if the peer is your proxy, add it with Certificates::from_proxy; otherwise a client forged the header",
        "client certificate header ignored"
    );
}

/// The authorization server introspects no JWTs, although the configuration or a route needs that.
pub(crate) fn jwts_not_introspected(issuer: &str, error: &dyn Error) {
    error!(
        target: TARGET,
        issuer,
        cause = %Causes::of(error),
        "JWTs of this issuer cannot be introspected: remove also_jwts, also_jwts_when and still_active"
    );
}

/// A route requires `still_active`, and this issuer of its tokens has no introspection. Once per issuer: the
/// event of each rejected request says so, too.
pub(crate) fn still_active_without_introspection(issuer: &str) {
    error!(
        target: TARGET,
        issuer,
        hint = "add Issuer::introspect, or remove still_active from the routes for tokens of this issuer",
        "a route requires introspection, and the issuer has none"
    );
}

/// The introspection of an issuer's tokens was checked at the start, and does not work.
pub(crate) fn introspection_not_ready(issuer: &str, error: &dyn Error) {
    warn!(target: TARGET, issuer, cause = %Causes::of(error), "introspection not ready");
}

/// The circuit breaker of an introspection endpoint opened or closed.
pub(crate) fn circuit_changed(issuer: &str, opened: bool) {
    if opened {
        warn!(target: TARGET, issuer, circuit = "open", "introspection circuit breaker opened");
    } else {
        info!(target: TARGET, issuer, circuit = "closed", "introspection circuit breaker closed");
    }
}

/// The introspection endpoint requested a pause: with this status, for this long, and for all tokens or only
/// for those that were never active.
pub(crate) fn introspection_paused(issuer: &str, status: u16, length: Duration, untrusted_only: bool) {
    let paused = if untrusted_only { "untrusted_tokens" } else { "all_tokens" };
    warn!(
        target: TARGET,
        issuer,
        status,
        paused,
        duration_ms = millis(length),
        "introspection paused"
    );
}

/// An error and its sources, on one line.
pub(crate) struct Causes<'e> {
    error: &'e dyn Error,
    /// The most sources to show.
    max_sources: usize,
}

impl<'e> Causes<'e> {
    /// An error and all its sources.
    pub(crate) fn of(error: &'e dyn Error) -> Self {
        Self { error, max_sources: usize::MAX }
    }
}

/// Serializes an error as the text of its causes; for `serialize_with`.
pub(crate) fn serialize_causes<E, S>(error: &Option<Arc<E>>, serializer: S) -> Result<S::Ok, S::Error>
where
    E: Error + 'static,
    S: Serializer,
{
    match error {
        Some(error) => serializer.collect_str(&Causes::of(&**error)),
        None => serializer.serialize_none(),
    }
}

impl fmt::Display for Causes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.error)?;
        let sources = successors(self.error.source(), |cause: &&(dyn Error + 'static)| (*cause).source());
        sources.take(self.max_sources).try_for_each(|cause| write!(f, ": {cause}"))
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
    fn an_error_is_displayed_with_its_sources() {
        let error = Outer(io::Error::other("connection refused"));
        assert_eq!(Causes::of(&error).to_string(), "the connection failed: connection refused");
    }
}
