//! What a configuration guarantees, in numbers.

use std::fmt;
use std::time::Duration;

use super::{Authenticator, TrustedIssuer};

/// What a configuration guarantees, whatever clients and attackers send. `Display` prints it.
///
/// With several issuers, each figure is that of the weakest, and calls are added up.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Bounds {
    revoked_token: Option<Duration>,
    withdrawn_key: Option<Duration>,
    withdrawn_key_in_outage: Option<Duration>,
    outage: Option<Duration>,
    calls_per_minute: u32,
}

impl Bounds {
    /// The longest that a token is accepted after its issuer revoked it. `None`: until its own
    /// `exp` (and the leeway) has passed, since nothing limits it; see
    /// [`Issuer::max_lifetime`](crate::Issuer::max_lifetime).
    #[must_use]
    pub fn revoked_token(&self) -> Option<Duration> {
        self.revoked_token
    }

    /// The longest that a key is used after its issuer withdrew it, while the issuer answers.
    /// `None`: with a static key set, until the next start.
    #[must_use]
    pub fn withdrawn_key(&self) -> Option<Duration> {
        self.withdrawn_key
    }

    /// The same while the issuer does not answer.
    #[must_use]
    pub fn withdrawn_key_in_outage(&self) -> Option<Duration> {
        self.withdrawn_key_in_outage
    }

    /// How long an issuer may be out of reach, once its keys were fetched, without a request
    /// refused for it. `None`: for ever, with a static key set.
    #[must_use]
    pub fn outage(&self) -> Option<Duration> {
        self.outage
    }

    /// The most HTTP requests that go to all issuers together within any 60 s.
    #[must_use]
    pub fn calls_per_minute(&self) -> u32 {
        self.calls_per_minute
    }
}

impl fmt::Display for Bounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secs = |bound: Option<Duration>, unbounded: &str| {
            bound.map_or_else(|| unbounded.to_owned(), |bound| format!("{} s", bound.as_secs()))
        };
        writeln!(
            f,
            "a revoked token is accepted for at most: {}",
            secs(self.revoked_token, "its own lifetime")
        )?;
        writeln!(
            f,
            "a withdrawn key is used for at most: {}",
            secs(self.withdrawn_key, "until the next start")
        )?;
        let in_outage = secs(self.withdrawn_key_in_outage, "until the next start");
        writeln!(f, "the same while the authorization server is out of reach: {in_outage}")?;
        let outage = secs(self.outage, "any time");
        writeln!(f, "the authorization server may be out of reach for at least: {outage}")?;
        write!(f, "calls to authorization servers in a minute, at most: {}", self.calls_per_minute)
    }
}

impl Authenticator {
    pub(crate) fn bounds(&self) -> Bounds {
        let keys = || self.issuers.iter().map(|issuer| issuer.keys.bounds());
        // `None` is the greatest here: one issuer without a bound leaves none for all.
        let longest = |bound: &dyn Fn(&TrustedIssuer) -> Option<Duration>| {
            let bounds: Option<Vec<Duration>> = self.issuers.iter().map(bound).collect();
            bounds.and_then(|bounds| bounds.into_iter().max())
        };
        Bounds {
            revoked_token: longest(&|issuer| {
                let limits = [issuer.claims.max_lifetime, issuer.claims.max_age];
                // `iat` may lie ahead by the leeway, and the end behind by as much.
                let slack = issuer.claims.leeway.saturating_mul(2);
                limits.into_iter().flatten().min().map(|most| most.saturating_add(slack))
            }),
            withdrawn_key: longest(&|issuer| issuer.keys.bounds().map(|bounds| bounds.withdrawn)),
            withdrawn_key_in_outage: longest(&|issuer| {
                issuer.keys.bounds().map(|bounds| bounds.withdrawn_in_outage)
            }),
            outage: keys().flatten().map(|bounds| bounds.outage).min(),
            calls_per_minute: keys()
                .flatten()
                .map(|bounds| bounds.calls_per_minute)
                .fold(0, u32::saturating_add),
        }
    }
}
