//! Revocations that take effect on the next request: tokens that `BearerAuth` rejects although they are
//! otherwise valid.
//!
//! Introspection asks the authorization server whether a token is revoked. [`Revocations`] is the other
//! direction: your code says what is revoked, and from then on every request is checked against it, those
//! with a cached token or a cached introspection response included.
//!
//! ```
//! # #[cfg(feature = "reqwest")] {
//! use tower_bearer::revocation::{Revocations, Revoke};
//! use tower_bearer::{BearerAuth, Issuer};
//!
//! let issuer = "https://login.example.com";
//! let revocations = Revocations::new();
//! let auth = BearerAuth::builder("https://api.example.com")
//!     .issuer(Issuer::discover(issuer))
//!     .revocations(revocations.clone())
//!     .build()?;
//!
//! // When an administrator disables an account:
//! revocations.revoke(Revoke::subject(issuer, "alice"))?;
//! # }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A request with a revoked token is rejected with 401 `invalid_token`, kind
//! [`TokenRevoked`](crate::RejectionKind::TokenRevoked).
//!
//! # Cost
//! Each request costs one atomic load. If there are entries, it also costs at most five hash lookups: one for
//! each kind that has entries. It takes no lock, and performs no I/O.
//!
//! # One process
//! The store is in the memory of this process. Each instance needs every revocation, and a restart forgets
//! all of them.

mod entries;
mod revoke;
mod status;
mod store;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use crate::access_token::AccessToken;
use crate::event;
use crate::time::Clock;
pub use revoke::Revoke;
pub use status::{RevocationsFull, RevocationsStatus};

pub(crate) use entries::RevocableClaims;
use store::{Effect, Store};
pub(crate) use store::{TokenLifetime, TokenLifetimes};

/// The revocations of one process; see the [module](self).
///
/// A clone shares the entries and the settings. Give it to every
/// [`BearerAuth`](crate::BearerAuthBuilder::revocations) that accepts tokens of the same issuers.
#[derive(Clone, Default)]
pub struct Revocations {
    store: Arc<Store>,
}

impl Revocations {
    /// Without entries.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the maximum number of entries, for all clones. Default: 100 000.
    ///
    /// When the store is full, [`revoke`](Self::revoke) fails until an entry expires. No entry is dropped to
    /// make room. Revocations of clients and of all tokens of an issuer have room for 1 000 entries more.
    /// Zero is a [`ConfigError`](crate::ConfigError).
    #[must_use]
    pub fn max_entries(self, entries: usize) -> Self {
        self.store.writer().max_entries = entries;
        self
    }

    /// Sets how long revocations of an issuer without a limited lifetime of tokens are kept, for all clones.
    /// Default: 24 h. Set it to the longest lifetime of its access tokens. Zero is a
    /// [`ConfigError`](crate::ConfigError).
    ///
    /// A revocation is kept until every token issued before it has expired:
    ///
    /// - until [`Revoke::expires_at`], if that is set
    /// - else for the [`Issuer::max_lifetime`](crate::Issuer::max_lifetime) of its issuer, the longest one if
    ///   several `BearerAuth`s trust it
    /// - else, or before a `BearerAuth` that trusts the issuer is built, for this time
    ///
    /// and 10 min longer in each case, for the leeway. The time starts with the moment that the revocation is
    /// about, or now. [`BearerAuth::bounds`](crate::BearerAuth::bounds) says which case applies.
    ///
    /// # Risk
    /// A token that lives longer is accepted again. So is one that its issuer issues later in a revoked
    /// session.
    #[must_use]
    pub fn keep_for(self, time: Duration) -> Self {
        self.store.writer().keep_for = time;
        self
    }

    /// Sets the clock, for all clones. Default: the clock of this machine.
    ///
    /// If you set the [clock](crate::BearerAuthBuilder::clock) of the `BearerAuth` in a test, set the same
    /// one here.
    #[must_use]
    pub fn clock(self, clock: impl Clock) -> Self {
        self.store.set_clock(Arc::new(clock));
        self
    }

    /// Revokes tokens: a request that starts after it returns is rejected. Logs an event at `INFO` with the
    /// issuer and the kind; at `WARN` if no `BearerAuth` trusts the issuer, as after a typing error.
    ///
    /// A second revocation of the same target keeps the later moment, and is possible when the store is full.
    ///
    /// # Errors
    /// [`RevocationsFull`]: nothing was revoked. Revoke again later.
    #[expect(clippy::needless_pass_by_value, reason = "a revocation is used once, where it is made")]
    pub fn revoke(&self, revoke: Revoke) -> Result<(), RevocationsFull> {
        let effect = self.store.revoke(&revoke);
        let (issuer, kind) = (&revoke.issuer, revoke.kind.as_str());
        match effect {
            Ok(Effect::Stored) => event::revoked(issuer, kind),
            Ok(Effect::IssuerUntrusted) => event::revoked_for_untrusted_issuer(issuer, kind),
            Ok(Effect::Expired) => event::revoked_after_expiry(issuer, kind),
            Err(_) => event::not_revoked(issuer, kind),
        }
        effect.map(drop)
    }

    /// The number of entries, and its limit.
    #[must_use]
    pub fn status(&self) -> RevocationsStatus {
        self.store.status()
    }

    /// Whether `token` is revoked.
    pub(crate) fn hit(&self, token: &AccessToken) -> bool {
        self.store.hit(|| RevocableClaims::of(token))
    }

    /// Whether a token with these claims is revoked.
    pub(crate) fn hit_claims(&self, claims: RevocableClaims<'_>) -> bool {
        self.store.hit(|| claims)
    }

    /// Tells the store how long tokens live at one more `BearerAuth`, and whether that resolves issuers.
    pub(crate) fn add_user(&self, issuers: Weak<dyn TokenLifetimes>, resolves_issuers: bool) {
        self.store.writer().add_user(issuers, resolves_issuers);
    }

    /// The settings that are zero.
    pub(crate) fn zero_settings(&self) -> impl Iterator<Item = &'static str> {
        let writer = self.store.writer();
        let settings = [
            ("Revocations::max_entries", writer.max_entries == 0),
            ("Revocations::keep_for", writer.keep_for.is_zero()),
        ];
        settings.into_iter().filter(|(_, is_zero)| *is_zero).map(|(name, _)| name)
    }

    /// How long revocations are kept of an issuer without a limited lifetime of tokens.
    pub(crate) fn kept_for(&self) -> Duration {
        self.store.writer().keep_for
    }

    /// The number of entries, including those that have expired since the last change.
    #[cfg(feature = "metrics")]
    pub(crate) fn len(&self) -> usize {
        self.store.len()
    }
}

impl fmt::Debug for Revocations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Revocations").field("entries", &self.store.len()).finish_non_exhaustive()
    }
}
