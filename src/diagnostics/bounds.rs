//! What a configuration guarantees, in numbers.

use std::fmt;
use std::time::Duration;

use crate::authenticate::{
    Authenticator, IssuerIntrospection, JwtIntrospection, OpaqueTokens, TrustedIssuer,
};
use crate::binding::dpop::ReplayMemory;
use crate::introspection::IntrospectionBounds;
use crate::jwks::{Keys, KeysBounds};

/// What a configuration guarantees, whatever clients and attackers send. `Display` prints one guarantee per
/// line.
///
/// With several issuers, each figure is that of the weakest one, and calls are added up.
///
/// ```
/// # #[cfg(feature = "reqwest")] {
/// use std::time::Duration;
/// use tower_bearer::diagnostics::Bound;
/// use tower_bearer::{BearerAuth, Issuer};
///
/// let auth = BearerAuth::builder("https://api.example.com")
///     .issuer(Issuer::discover("https://login.example.com"))
///     .build()?;
/// let bounds = auth.bounds();
/// assert_eq!(bounds.revoked_token(), Bound::Unlimited);
/// assert_eq!(bounds.revoked_introspected_token(), Bound::NotApplicable);
/// assert_eq!(bounds.outage(), Bound::Value(Duration::from_secs(4 * 60 * 60)));
/// assert_eq!(bounds.outage_with_bad_responses(), Bound::Value(Duration::from_secs(60 * 60)));
/// # }
/// # Ok::<(), tower_bearer::ConfigError>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Bounds {
    revoked_token: Bound,
    revoked_token_in_outage: Bound,
    revoked_introspected_token: Bound,
    retired_key: Bound,
    retired_key_in_outage: Bound,
    outage: Bound,
    outage_with_bad_responses: Bound,
    max_calls_per_minute: Bound<u32>,
    proof_lifetime: Bound,
    proofs_per_second: Bound<u32>,
    revocation_kept: Bound,
}

/// One figure of [`Bounds`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Bound<T = Duration> {
    /// The guaranteed figure.
    Value(T),
    /// The configuration sets no limit.
    Unlimited,
    /// The configuration has nothing that the figure could be about.
    NotApplicable,
}

impl<T> Bound<T> {
    /// The figure, if there is one.
    ///
    /// ```
    /// use tower_bearer::diagnostics::Bound;
    ///
    /// assert_eq!(Bound::Value(48).value(), Some(48));
    /// assert_eq!(Bound::<u32>::Unlimited.value(), None);
    /// ```
    #[must_use]
    pub fn value(self) -> Option<T> {
        match self {
            Self::Value(value) => Some(value),
            Self::Unlimited | Self::NotApplicable => None,
        }
    }

    fn of_limit(limit: Option<T>) -> Self {
        limit.map_or(Self::Unlimited, Self::Value)
    }
}

impl Bounds {
    /// The longest that a revoked token is accepted while its authorization server is available. A server
    /// whose responses are overdue is not; see
    /// [`Introspection::serve_stale`](crate::Introspection::serve_stale).
    ///
    /// Where an issuer's JWTs are not introspected, or only some of them, they decide: they are accepted
    /// until their `exp` and the leeway have passed. [`Bound::Unlimited`] if nothing limits that; see
    /// [`Issuer::max_lifetime`](crate::Issuer::max_lifetime) and
    /// [`Introspection::also_jwts`](crate::Introspection::also_jwts).
    #[must_use]
    pub fn revoked_token(&self) -> Bound {
        self.revoked_token
    }

    /// The longest that a revoked token is accepted while its authorization server is unavailable.
    #[must_use]
    pub fn revoked_token_in_outage(&self) -> Bound {
        self.revoked_token_in_outage
    }

    /// The longest that a revoked token is accepted, for introspected tokens alone: opaque tokens, and JWTs
    /// where that is configured. [`Bound::NotApplicable`] if no issuer introspects tokens.
    ///
    /// It is [`Introspection::active_ttl`](crate::Introspection::active_ttl), but at least
    /// [`Introspection::timeout`](crate::Introspection::timeout): a request may join an introspection request
    /// that was sent just before the revocation.
    #[must_use]
    pub fn revoked_introspected_token(&self) -> Bound {
        self.revoked_introspected_token
    }

    /// The longest that a retired key is used while its authorization server is available: it responds to a
    /// fetch of keys within half of [`max_key_wait`](crate::BearerAuthBuilder::max_key_wait).
    /// [`Bound::Unlimited`] with a static key set, which changes at the next start only;
    /// [`Bound::NotApplicable`] if no issuer has keys.
    #[must_use]
    pub fn retired_key(&self) -> Bound {
        self.retired_key
    }

    /// The longest that a retired key is used while its authorization server is unavailable.
    #[must_use]
    pub fn retired_key_in_outage(&self) -> Bound {
        self.retired_key_in_outage
    }

    /// The shortest outage that leads to rejected requests, once keys were fetched, if the authorization
    /// server is unreachable or responds with 5xx. [`Bound::Unlimited`] with a static key set. Zero where an
    /// issuer introspects tokens: an uncached token cannot be introspected. A cached token is accepted for
    /// [`Introspection::active_ttl`](crate::Introspection::active_ttl) and
    /// [`Introspection::serve_stale`](crate::Introspection::serve_stale).
    #[must_use]
    pub fn outage(&self) -> Bound {
        self.outage
    }

    /// The same as [`outage`](Self::outage), if the authorization server or a proxy in front of it responds,
    /// but without a key set: 3xx, 401, 403, 404, or HTML.
    #[must_use]
    pub fn outage_with_bad_responses(&self) -> Bound {
        self.outage_with_bad_responses
    }

    /// The maximum number of HTTP requests to all authorization servers together within any 60 s.
    /// [`Bound::Unlimited`] if tokens are introspected without a limit
    /// ([`Introspection::max_calls_per_minute`](crate::Introspection::max_calls_per_minute)): every uncached
    /// token then costs one.
    #[must_use]
    pub fn max_calls_per_minute(&self) -> Bound<u32> {
        self.max_calls_per_minute
    }

    /// The longest time for which one DPoP proof is accepted, by the clock of this machine: once, or once by
    /// each process with a replay store of its own
    /// ([`Dpop::replay_store`](crate::dpop::Dpop::replay_store)). [`Bound::NotApplicable`] without
    /// [`dpop`](crate::BearerAuthBuilder::dpop).
    ///
    /// It is [`Dpop::max_proof_age`](crate::dpop::Dpop::max_proof_age) and the leeway on both sides, or 3 min
    /// with [`Dpop::nonces`](crate::dpop::Dpop::nonces).
    #[must_use]
    pub fn proof_lifetime(&self) -> Bound {
        self.proof_lifetime
    }

    /// The number of DPoP proofs per second that the memory of used proofs holds for any length of time. At
    /// this rate, shared by many clients, no request is rejected as `proofs_too_many`. One client alone is
    /// sure of a sixteenth of it. [`Bound::Unlimited`] with a [`ReplayStore`](crate::dpop::ReplayStore),
    /// which has limits of its own; [`Bound::NotApplicable`] without
    /// [`dpop`](crate::BearerAuthBuilder::dpop).
    ///
    /// It grows with [`Dpop::max_proofs`](crate::dpop::Dpop::max_proofs).
    ///
    /// ```
    /// # #[cfg(feature = "reqwest")] {
    /// use tower_bearer::diagnostics::Bound;
    /// use tower_bearer::dpop::Dpop;
    /// use tower_bearer::{BearerAuth, Issuer};
    ///
    /// let auth = BearerAuth::builder("https://api.example.com")
    ///     .issuer(Issuer::discover("https://login.example.com"))
    ///     .dpop(Dpop::at("https://api.example.com"))
    ///     .build()?;
    /// assert_eq!(auth.bounds().proofs_per_second(), Bound::Value(2032));
    /// # }
    /// # Ok::<(), tower_bearer::ConfigError>(())
    /// ```
    #[must_use]
    pub fn proofs_per_second(&self) -> Bound<u32> {
        self.proofs_per_second
    }

    /// How long a revocation in [`Revocations`](crate::revocation::Revocations) is certain to be kept, from
    /// the moment that it is about. [`Bound::Unlimited`] if it is kept for as long as any token that it
    /// rejects could be valid, because every issuer has a [`max_lifetime`](crate::Issuer::max_lifetime) and
    /// there is no resolver. Else [`Revocations::keep_for`](crate::revocation::Revocations::keep_for): a
    /// token that lives longer than that is accepted again. [`Bound::NotApplicable`] without
    /// [`revocations`](crate::BearerAuthBuilder::revocations).
    ///
    /// A revocation with [`expires_at`](crate::revocation::Revoke::expires_at) is kept until that time.
    #[must_use]
    pub fn revocation_kept(&self) -> Bound {
        self.revocation_kept
    }
}

impl Bounds {
    /// Whether an outage leads to rejected requests at once, because tokens need introspection.
    fn needs_introspection(&self) -> bool {
        self.outage == Bound::Value(Duration::ZERO) && self.revoked_introspected_token != Bound::NotApplicable
    }
}

impl fmt::Display for Bounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = |name: &str, bound: Bound, unlimited: &str| match bound {
            Bound::Value(bound) => writeln!(f, "{name}: {}", show_secs(secs_rounded_up(bound))),
            Bound::Unlimited => writeln!(f, "{name}: {unlimited}"),
            Bound::NotApplicable => Ok(()),
        };
        line("a revoked token is accepted for at most", self.revoked_token, "its own lifetime")?;
        if self.revoked_token_in_outage != self.revoked_token {
            line("during an outage, for at most", self.revoked_token_in_outage, "its own lifetime")?;
        }
        if self.revoked_introspected_token != self.revoked_token {
            let bound = self.revoked_introspected_token;
            line("an introspected token, for at most", bound, "its own lifetime")?;
        }
        line("a retired key is used for at most", self.retired_key, "until the next start")?;
        line("during an outage, for at most", self.retired_key_in_outage, "until the next start")?;
        if self.needs_introspection() {
            f.write_str(
                "in an outage of the authorization server, a token that needs introspection is rejected \
                 unless its response is cached\n",
            )?;
        } else {
            let outage = survived(self.outage);
            writeln!(f, "an outage of the authorization server is survived for at least: {outage}")?;
        }
        if self.outage_with_bad_responses != self.outage {
            let outage = survived(self.outage_with_bad_responses);
            writeln!(f, "if it responds without a key set, for at least: {outage}")?;
        }
        if let Bound::Value(lifetime) = self.proof_lifetime {
            writeln!(f, "a DPoP proof is accepted for at most: {}", show_secs(secs_rounded_up(lifetime)))?;
        }
        if let Bound::Value(proofs) = self.proofs_per_second {
            writeln!(f, "DPoP proofs per second that the memory of used proofs holds, at least: {proofs}")?;
        }
        match self.revocation_kept {
            Bound::NotApplicable => {}
            Bound::Unlimited => {
                f.write_str("a revocation is kept until the tokens it rejects have expired\n")?
            }
            Bound::Value(time) => {
                let time = show_secs(time.as_secs());
                writeln!(
                    f,
                    "a revocation is kept for at least: {time}; a token that lives longer is accepted again"
                )?;
            }
        }
        f.write_str("requests to authorization servers per minute, at most: ")?;
        match self.max_calls_per_minute {
            Bound::Value(calls) => write!(f, "{calls}"),
            Bound::Unlimited | Bound::NotApplicable => {
                f.write_str("one per uncached token (no limit is set)")
            }
        }
    }
}

/// A lower bound must not be rounded up.
fn survived(outage: Bound) -> String {
    match outage {
        Bound::Value(outage) => show_secs(outage.as_secs()),
        Bound::Unlimited | Bound::NotApplicable => "any time".to_owned(),
    }
}

/// Seconds, and from two minutes on the same in hours and minutes: `86410 s (24 h 10 s)`.
fn show_secs(secs: u64) -> String {
    if secs < 120 {
        return format!("{secs} s");
    }
    let parts = [(secs / 3600, "h"), (secs % 3600 / 60, "min"), (secs % 60, "s")];
    let parts = parts.iter().filter(|(count, _)| *count > 0).map(|(count, unit)| format!("{count} {unit}"));
    format!("{secs} s ({})", parts.collect::<Vec<String>>().join(" "))
}

/// An upper bound must not be rounded down.
fn secs_rounded_up(bound: Duration) -> u64 {
    bound.as_secs().saturating_add(u64::from(bound.subsec_nanos() > 0))
}

impl Authenticator {
    pub(crate) fn bounds(&self) -> Bounds {
        let all = self.issuers.load().sorted();
        let issuers = || all.iter().map(|issuer| &**issuer);
        let revoked = |bound: fn(&IntrospectionBounds) -> Duration| {
            weakest(issuers().map(|issuer| Bound::of_limit(issuer.revoked_token(bound))))
        };
        let retired = |bound: fn(&KeysBounds) -> Duration| {
            let keys = issuers().filter_map(|issuer| issuer.keys.as_ref());
            weakest(keys.map(|keys| Bound::of_limit(keys.bounds().as_ref().map(bound))))
        };
        let outage = |bound: fn(&KeysBounds) -> Duration| {
            Bound::of_limit(issuers().filter_map(|issuer| issuer.outage(bound)).min())
        };
        let dpop = self.senders.dpop.as_deref();
        Bounds {
            revoked_token: revoked(|bounds| bounds.inactive),
            revoked_token_in_outage: revoked(|bounds| bounds.inactive_in_outage),
            revoked_introspected_token: weakest(issuers().filter_map(TrustedIssuer::introspected_token)),
            retired_key: retired(|bounds| bounds.retired_key),
            retired_key_in_outage: retired(|bounds| bounds.retired_key_in_outage),
            outage: outage(|bounds| bounds.outage),
            outage_with_bad_responses: outage(|bounds| bounds.outage_with_bad_responses),
            max_calls_per_minute: Bound::of_limit(
                issuers()
                    .map(TrustedIssuer::max_calls_per_minute)
                    .try_fold(0, |sum, calls| calls.map(|calls| u32::saturating_add(sum, calls))),
            ),
            proof_lifetime: dpop.map_or(Bound::NotApplicable, |dpop| Bound::Value(dpop.max_proof_lifetime())),
            proofs_per_second: dpop.map_or(Bound::NotApplicable, |dpop| {
                Bound::of_limit(dpop.replay().memory().map(ReplayMemory::sustained_rate))
            }),
            revocation_kept: self.revocations.as_ref().map_or(Bound::NotApplicable, |revocations| {
                let is_limited = issuers().all(|issuer| issuer.claims.max_lifetime.is_some());
                Bound::of_limit((!is_limited || self.resolver.is_some()).then(|| revocations.kept_for()))
            }),
        }
    }
}

/// The bound of all together: one issuer without a limit leaves none.
fn weakest(bounds: impl Iterator<Item = Bound>) -> Bound {
    bounds.fold(Bound::NotApplicable, |weakest, bound| match (weakest, bound) {
        (Bound::Unlimited, _) | (_, Bound::Unlimited) => Bound::Unlimited,
        (Bound::NotApplicable, other) | (other, Bound::NotApplicable) => other,
        (Bound::Value(one), Bound::Value(other)) => Bound::Value(one.max(other)),
    })
}

impl TrustedIssuer {
    /// The longest that a revoked token of this issuer is accepted; `None` for no limit. `bound` selects the
    /// figure for introspected tokens.
    fn revoked_token(&self, bound: fn(&IntrospectionBounds) -> Duration) -> Option<Duration> {
        let introspected = self.introspector().map(|introspector| bound(&introspector.bounds()));
        let all_jwts = self
            .introspection
            .as_ref()
            .is_some_and(|introspection| matches!(introspection.jwts, JwtIntrospection::All));
        if self.keys.is_none() || (all_jwts && !self.accepts_pending_jwts()) {
            return introspected;
        }
        let of_jwts = self.jwt_lifetime()?;
        Some(introspected.map_or(of_jwts, |introspected| introspected.max(of_jwts)))
    }

    /// The longest that a JWT is accepted after it was issued; `None` for no limit.
    fn jwt_lifetime(&self) -> Option<Duration> {
        let limits = [self.claims.max_lifetime, self.claims.max_age];
        // `iat` may lie ahead by the leeway, and the token is accepted for the leeway after its `exp`.
        let slack = self.claims.leeway.saturating_mul(2);
        limits.into_iter().flatten().min().map(|limit| limit.saturating_add(slack))
    }

    /// Whether a JWT is accepted once before its first introspection completes, revoked or not.
    fn accepts_pending_jwts(&self) -> bool {
        self.introspector().is_some_and(|introspector| introspector.bounds().accepts_pending_jwts)
    }

    /// The longest that a revoked token is accepted which this issuer introspects, if it introspects any.
    fn introspected_token(&self) -> Option<Bound> {
        let introspector = self.introspector().filter(|_| self.introspects_any())?;
        let inactive = introspector.bounds().inactive;
        Some(match self.accepts_pending_jwts() {
            true => Bound::of_limit(self.jwt_lifetime().map(|lifetime| lifetime.max(inactive))),
            false => Bound::Value(inactive),
        })
    }

    /// Whether it introspects tokens on all routes.
    fn introspects_any(&self) -> bool {
        let introspects = |introspection: &IssuerIntrospection| {
            let none = (&introspection.jwts, &introspection.opaque);
            !matches!(none, (JwtIntrospection::None, OpaqueTokens::None))
        };
        self.keys.is_none() || self.introspection.as_ref().is_some_and(introspects)
    }

    /// The longest outage without rejected requests; `None` for any. `bound` selects the kind of outage.
    fn outage(&self, bound: fn(&KeysBounds) -> Duration) -> Option<Duration> {
        if self.introspects_any() {
            // An uncached token cannot be introspected.
            return Some(Duration::ZERO);
        }
        self.keys.as_ref().and_then(Keys::bounds).as_ref().map(bound)
    }

    /// The maximum number of requests per minute; `None` for no limit.
    fn max_calls_per_minute(&self) -> Option<u32> {
        let keys = self.keys.as_ref().and_then(Keys::bounds).map_or(0, |bounds| bounds.max_calls_per_minute);
        match self.introspector() {
            None => Some(keys),
            Some(introspector) => Some(introspector.bounds().max_calls_per_minute?.saturating_add(keys)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn upper_bounds_are_rounded_up_and_lower_bounds_down() {
        let bound = |millis| Bound::Value(Duration::from_millis(millis));
        let bounds = Bounds {
            revoked_token: bound(500),
            revoked_token_in_outage: bound(1_001),
            revoked_introspected_token: bound(400),
            retired_key: bound(2_000),
            retired_key_in_outage: Bound::Unlimited,
            outage: bound(1_999),
            outage_with_bad_responses: bound(999),
            max_calls_per_minute: Bound::Value(48),
            proof_lifetime: bound(1_500),
            proofs_per_second: Bound::Value(7),
            revocation_kept: Bound::NotApplicable,
        };
        let shown = bounds.to_string();
        let figures: Vec<&str> = shown.lines().filter_map(|line| Some(line.rsplit_once(": ")?.1)).collect();
        assert_eq!(
            figures,
            ["1 s", "2 s", "1 s", "2 s", "until the next start", "1 s", "0 s", "2 s", "7", "48"]
        );
    }

    #[test]
    fn long_times_are_shown_in_hours_and_minutes_too() {
        for (secs, shown) in [
            (0, "0 s"),
            (119, "119 s"),
            (120, "120 s (2 min)"),
            (3_601, "3601 s (1 h 1 s)"),
            (5_400, "5400 s (1 h 30 min)"),
            (86_410, "86410 s (24 h 10 s)"),
            (100_800, "100800 s (28 h)"),
        ] {
            assert_eq!(show_secs(secs), shown);
        }
    }

    #[test]
    fn the_outage_that_introspection_survives_is_described_in_words() {
        let bound = |secs| Bound::Value(Duration::from_secs(secs));
        let bounds = Bounds {
            revoked_token: bound(30),
            revoked_token_in_outage: bound(30),
            revoked_introspected_token: bound(30),
            retired_key: Bound::NotApplicable,
            retired_key_in_outage: Bound::NotApplicable,
            outage: bound(0),
            outage_with_bad_responses: bound(0),
            max_calls_per_minute: Bound::Unlimited,
            proof_lifetime: Bound::NotApplicable,
            proofs_per_second: Bound::NotApplicable,
            revocation_kept: Bound::NotApplicable,
        };
        let shown = bounds.to_string();
        assert!(!shown.contains("survived"), "{shown}");
        assert!(shown.contains("rejected unless its response is cached\n"), "{shown}");
        let without_stale_keys = Bounds { revoked_introspected_token: Bound::NotApplicable, ..bounds };
        assert!(without_stale_keys.to_string().contains("survived for at least: 0 s"));
    }

    #[test]
    fn one_issuer_without_a_limit_leaves_none() {
        let (one, two) = (Bound::Value(Duration::from_secs(1)), Bound::Value(Duration::from_secs(2)));
        assert_eq!(weakest([].into_iter()), Bound::NotApplicable);
        assert_eq!(weakest([one, two, Bound::NotApplicable].into_iter()), two);
        assert_eq!(weakest([one, Bound::Unlimited, two].into_iter()), Bound::Unlimited);
    }
}
