//! What a configuration guarantees, in numbers.

use std::fmt;
use std::time::Duration;

use crate::authenticate::{
    Authenticator, IssuerIntrospection, JwtIntrospection, OpaqueTokens, TrustedIssuer,
};
use crate::introspection::IntrospectionBounds;
use crate::jwks::{Keys, KeysBounds};

/// What a configuration guarantees, whatever clients and attackers send. `Display` prints it.
///
/// With several issuers, each figure is that of the weakest, and calls are added up.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Bounds {
    revoked_token: Option<Duration>,
    revoked_token_in_outage: Option<Duration>,
    revoked_introspected_token: Option<Duration>,
    retired_key: Option<Duration>,
    retired_key_in_outage: Option<Duration>,
    outage: Option<Duration>,
    max_calls_per_minute: Option<u32>,
}

impl Bounds {
    /// The longest that a token is accepted after its issuer revoked it, while the issuer answers. `None`:
    /// until its own `exp` (and the leeway) has passed, since nothing limits it; see
    /// [`Issuer::max_lifetime`](crate::Issuer::max_lifetime) and
    /// [`Introspection::also_jwts`](crate::Introspection::also_jwts).
    ///
    /// Where an issuer's JWTs are judged by themselves, or some of them are, it is they that count.
    #[must_use]
    pub fn revoked_token(&self) -> Option<Duration> {
        self.revoked_token
    }

    /// The same while the issuer does not answer.
    #[must_use]
    pub fn revoked_token_in_outage(&self) -> Option<Duration> {
        self.revoked_token_in_outage
    }

    /// The same of the tokens alone that their issuer is asked about, while it answers: opaque tokens, and JWTs
    /// where that is configured. `None`: no issuer is asked about any.
    #[must_use]
    pub fn revoked_introspected_token(&self) -> Option<Duration> {
        self.revoked_introspected_token
    }

    /// The longest that a key is used after its issuer withdrew it, while the issuer answers.
    /// `None`: with a static key set, until the next start.
    #[must_use]
    pub fn retired_key(&self) -> Option<Duration> {
        self.retired_key
    }

    /// The same while the issuer does not answer.
    #[must_use]
    pub fn retired_key_in_outage(&self) -> Option<Duration> {
        self.retired_key_in_outage
    }

    /// How long an issuer may be out of reach, once its keys were fetched, without a request
    /// refused for it. `None`: for ever, with a static key set. Zero where an issuer is asked about tokens: one
    /// that was not seen before is refused at once. What was seen before passes as long as
    /// [`Introspection::active_ttl`](crate::Introspection::active_ttl) and
    /// [`Introspection::serve_stale`](crate::Introspection::serve_stale) say.
    #[must_use]
    pub fn outage(&self) -> Option<Duration> {
        self.outage
    }

    /// The most HTTP requests that go to all issuers together within any 60 s, whatever is sent. `None`: there
    /// is introspection without a limit ([`Introspection::max_calls_per_minute`](crate::Introspection::calls_per_minute)),
    /// and every token that was not seen before costs one.
    #[must_use]
    pub fn max_calls_per_minute(&self) -> Option<u32> {
        self.max_calls_per_minute
    }
}

impl fmt::Display for Bounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at_most = |bound: Option<Duration>, unbounded: &str| {
            bound.map_or_else(|| unbounded.to_owned(), |bound| format!("{} s", secs_rounded_up(bound)))
        };
        let revoked = at_most(self.revoked_token, "its own lifetime");
        writeln!(f, "a revoked token is accepted for at most: {revoked}")?;
        if self.revoked_token_in_outage != self.revoked_token {
            let in_outage = at_most(self.revoked_token_in_outage, "its own lifetime");
            writeln!(f, "the same while the authorization server is out of reach: {in_outage}")?;
        }
        if self.revoked_introspected_token.is_some() && self.revoked_introspected_token != self.revoked_token
        {
            let introspected = at_most(self.revoked_introspected_token, "its own lifetime");
            writeln!(f, "the same of a token that is introspected: {introspected}")?;
        }
        // Zero where no issuer has keys.
        if self.retired_key != Some(Duration::ZERO) {
            let retired = at_most(self.retired_key, "until the next start");
            writeln!(f, "a withdrawn key is used for at most: {retired}")?;
            let in_outage = at_most(self.retired_key_in_outage, "until the next start");
            writeln!(f, "the same while the authorization server is out of reach: {in_outage}")?;
        }
        let outage =
            self.outage.map_or_else(|| "any time".to_owned(), |least| format!("{} s", least.as_secs()));
        writeln!(f, "the authorization server may be out of reach for at least: {outage}")?;
        f.write_str("calls to authorization servers in a minute, at most: ")?;
        match self.max_calls_per_minute {
            Some(calls) => write!(f, "{calls}"),
            None => f.write_str("one for every new token (no limit was set)"),
        }
    }
}

/// What holds for at most so long is not said to end before.
fn secs_rounded_up(bound: Duration) -> u64 {
    bound.as_secs().saturating_add(u64::from(bound.subsec_nanos() > 0))
}

impl Authenticator {
    pub(crate) fn bounds(&self) -> Bounds {
        let keys = || self.issuers.iter().filter_map(|issuer| issuer.keys.as_ref());
        // `None` is the greatest here: one issuer without a bound leaves none for all.
        let longest = |bounds: &mut dyn Iterator<Item = Option<Duration>>| {
            let bounds: Option<Vec<Duration>> = bounds.collect();
            bounds.map(|bounds| bounds.into_iter().max().unwrap_or_default())
        };
        let revoked = |bound: fn(&IntrospectionBounds) -> Duration| {
            longest(&mut self.issuers.iter().map(|issuer| issuer.revoked_token(bound)))
        };
        let retired = |bound: fn(&KeysBounds) -> Duration| {
            longest(&mut keys().map(|keys| keys.bounds().as_ref().map(bound)))
        };
        Bounds {
            revoked_token: revoked(|bounds| bounds.inactive),
            revoked_token_in_outage: revoked(|bounds| bounds.inactive_in_outage),
            revoked_introspected_token: self
                .issuers
                .iter()
                .filter_map(TrustedIssuer::introspected_token)
                .max(),
            retired_key: retired(|bounds| bounds.retired_key),
            retired_key_in_outage: retired(|bounds| bounds.retired_key_in_outage),
            outage: self.issuers.iter().filter_map(TrustedIssuer::outage).min(),
            max_calls_per_minute: self
                .issuers
                .iter()
                .map(TrustedIssuer::max_calls_per_minute)
                .try_fold(0, |sum, calls| calls.map(|calls| u32::saturating_add(sum, calls))),
        }
    }
}

impl TrustedIssuer {
    /// The longest that a revoked token of this issuer is accepted; `bound` goes for what it is asked about.
    fn revoked_token(&self, bound: fn(&IntrospectionBounds) -> Duration) -> Option<Duration> {
        let introspection = self.introspection.as_ref();
        let asked = introspection.map(|introspected| bound(&introspected.introspector.bounds()));
        let all_asked =
            introspection.is_some_and(|introspected| matches!(introspected.jwts, JwtIntrospection::All));
        if self.keys.is_none() || all_asked {
            return asked;
        }
        let limits = [self.claims.max_lifetime, self.claims.max_age];
        // `iat` may lie ahead by the leeway, and the end behind by as much.
        let slack = self.claims.leeway.saturating_mul(2);
        let by_itself = limits.into_iter().flatten().min().map(|most| most.saturating_add(slack))?;
        Some(asked.map_or(by_itself, |asked| asked.max(by_itself)))
    }

    /// The longest that a revoked token is accepted that this issuer is asked about, if it is about any.
    fn introspected_token(&self) -> Option<Duration> {
        self.introspector().filter(|_| self.is_asked()).map(|introspector| introspector.bounds().inactive)
    }

    /// Whether it is asked about tokens, and not on single routes alone.
    fn is_asked(&self) -> bool {
        let asked_about = |introspected: &IssuerIntrospection| {
            !matches!(
                (&introspected.jwts, &introspected.opaque),
                (JwtIntrospection::None, OpaqueTokens::None)
            )
        };
        self.keys.is_none() || self.introspection.as_ref().is_some_and(asked_about)
    }

    /// How long it may be out of reach; `None` for ever.
    fn outage(&self) -> Option<Duration> {
        if self.is_asked() {
            // A token that was not seen before is refused at once.
            return Some(Duration::ZERO);
        }
        self.keys.as_ref().and_then(Keys::bounds).map(|bounds| bounds.outage)
    }

    /// The most requests to it in a minute; `None` for no limit.
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
    fn parts_of_a_second_are_rounded_to_the_side_that_is_true() {
        let bound = |millis| Some(Duration::from_millis(millis));
        let bounds = Bounds {
            revoked_token: bound(500),
            revoked_token_in_outage: bound(1_001),
            revoked_introspected_token: bound(400),
            retired_key: bound(2_000),
            retired_key_in_outage: None,
            outage: bound(1_999),
            max_calls_per_minute: Some(48),
        };
        let shown = bounds.to_string();
        let figures: Vec<&str> = shown.lines().filter_map(|line| Some(line.rsplit_once(": ")?.1)).collect();
        assert_eq!(figures, ["1 s", "2 s", "1 s", "2 s", "until the next start", "1 s", "48"]);
    }
}
