//! One request, one straight line: from its head to an access token or a refusal.
//!
//! Checks, in this order: one credential, the shape of a JWS, the header, the issuer, its
//! algorithms and types, its keys, the signature, the claims; where that is configured, and for a token
//! that is no JWS, what the issuer says about it.
//! Does not check: what a route needs beyond a valid token (see `Require`).
//!
//! A token that was verified before is recognised, and what may have changed since is checked again: its dates,
//! the keys, what its issuer says.
//!
//! With the key held and the issuer's word remembered nothing here waits; otherwise the caller gets something
//! to wait for, and comes back.
//!
//! Why: a JWT that fails a check is never shown to its issuer for a second opinion. The issuer may know less
//! than this configuration does (which algorithms, which audience), or be asked to accept what was altered.

mod issuers;
mod token_cache;

use std::future::{Future, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use http::Method;
use http::header::{ACCESS_CONTROL_REQUEST_METHOD, AUTHORIZATION, ORIGIN};
use http::request::Parts;

use crate::access_token::{AccessToken, Grant};
use crate::bearer::{self, BearerToken, Credential, CredentialsFault, TokenSource};
use crate::crypto::SignatureMismatch;
use crate::introspection::{
    Freshness, IntrospectionFault, IntrospectionLookup, Introspector, PendingIntrospection,
};
use crate::jwks::{KeySetId, PendingKeys, VerifyError, WaitBudget};
use crate::jwt::claims::{self, ClaimFault};
use crate::jwt::compact::{self, Compact, CompactFault};
use crate::jwt::header::{Header, HeaderFault};
use crate::jwt::{ConfiguredNames, UnverifiedClaims};
use crate::rejection::{Rejection, RejectionKind};
use crate::time::now;
use crate::time::{Clock, NumericDate};

pub(crate) use issuers::{IssuerIntrospection, Issuers, JwtIntrospection, OpaqueTokens, TrustedIssuer};
pub(crate) use token_cache::{CachedToken, TokenStore};

/// Who is trusted, and what a request must show. No tower in it.
pub(crate) struct Authenticator {
    pub(crate) issuers: Issuers,
    pub(crate) names: Arc<ConfiguredNames>,
    pub(crate) sources: Vec<TokenSource>,
    pub(crate) max_token_bytes: usize,
    /// Whether a request without credentials may pass.
    pub(crate) optional: bool,
    /// Whether CORS preflights may pass.
    pub(crate) preflight: bool,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) verified: TokenStore,
}

/// What became of a request: a token, nobody (where that is allowed), or a refusal.
pub(crate) type Outcome = Result<Option<AccessToken>, Rejection>;

/// How far a request got.
pub(crate) enum Progress {
    /// To its end.
    Done(Outcome),
    /// To something that is not known yet: go on with [`Authenticator::resume`].
    Await(Waiting),
}

/// A request that waits.
pub(crate) struct Waiting {
    awaited: Awaited,
    wait_budget: WaitBudget,
}

/// What it waits for.
pub(crate) enum Awaited {
    /// A key, to judge again with.
    Keys(PendingKeys),
    /// What this issuer says of the token, which settles it.
    Verdict(PendingIntrospection, Arc<str>),
}

/// How long a request has waited for its issuer's word so far: it has one time for all. In its extensions.
#[derive(Clone, Copy, Default)]
struct WaitedForIssuer(Duration);

/// What an issuer says now about a token that was accepted.
pub(crate) type StillActive = Pin<Box<dyn Future<Output = Result<AccessToken, Rejection>> + Send>>;

impl Authenticator {
    /// What becomes of the request with this head, where no token has to be verified for that: it has none, or
    /// one that was verified before.
    pub(crate) fn settle(&self, head: &Parts) -> Option<Outcome> {
        let settled = match self.credential(head).transpose() {
            None => Ok(None),
            Some(Ok(credential)) => {
                self.verified.recall(credential.octets(), || self.now(), CachedToken::judge)?.map(Some)
            }
            Some(Err(stop)) => Err(stop),
        };
        match settled {
            Ok(token) => Some(Ok(token)),
            Err(Stop::Refused(rejection)) => Some(Err(rejection)),
            Err(Stop::Await(_)) => None,
        }
    }

    /// Judges the request with this head, which is not settled.
    pub(crate) fn authenticate(&self, head: &Parts) -> Progress {
        let mut wait_budget = WaitBudget::default();
        match self.judge(head, &mut wait_budget) {
            Ok(token) => Progress::Done(Ok(token)),
            Err(Stop::Refused(rejection)) => Progress::Done(Err(rejection)),
            Err(Stop::Await(awaited)) => Progress::Await(Waiting { awaited, wait_budget }),
        }
    }

    /// Waits, then judges again, as often as the request's patience allows. Owns the head meanwhile, so
    /// that nothing is shared.
    pub(crate) async fn resume(self: Arc<Self>, mut head: Parts, waiting: Waiting) -> (Parts, Outcome) {
        let Waiting { mut awaited, mut wait_budget } = waiting;
        let outcome = loop {
            match awaited {
                Awaited::Keys(keys) => keys.await,
                Awaited::Verdict(verdict, issuer) => {
                    let refused = |fault| Rejection::from(fault).with_issuer(&issuer);
                    let start = now();
                    let verdict = verdict.await;
                    head.extensions.insert(WaitedForIssuer(now().saturating_duration_since(start)));
                    break verdict.map(Some).map_err(refused);
                }
            };
            // Of all who waited with one token, one verifies it.
            if let Some(outcome) = self.settle(&head) {
                break outcome;
            }
            match self.judge(&head, &mut wait_budget) {
                Ok(token) => break Ok(token),
                Err(Stop::Refused(rejection)) => break Err(rejection),
                Err(Stop::Await(next)) => awaited = next,
            }
        };
        (head, outcome)
    }

    /// What the issuer of `token` says about it now, by an answer no older than `within`. It came with the request
    /// of that `head`.
    pub(crate) fn still_active(&self, token: &AccessToken, head: &Parts, within: Duration) -> StillActive {
        let issuer = self.issuers.named(token.issuer());
        let introspector = issuer.and_then(|issuer| issuer.introspector());
        let Some((introspector, presented)) = introspector.zip(token.presented()) else {
            return Box::pin(ready(Err(Rejection::not_introspected())));
        };
        let jwt = token.is_jwt().then(|| token.clone());
        let issuer = Arc::clone(token.issuer_name());
        let refused = move |fault| Rejection::from(fault).with_issuer(&issuer);
        let WaitedForIssuer(waited) = head.extensions.get().copied().unwrap_or_default();
        let (digest, freshness) = (introspector.digest(presented), introspector.no_older_than(within));
        match introspector.introspect(presented, digest, jwt, freshness, waited) {
            IntrospectionLookup::Cached(verdict) => Box::pin(ready(verdict.map_err(refused))),
            IntrospectionLookup::Await(verdict) => Box::pin(async move { verdict.await.map_err(refused) }),
        }
    }

    /// Judges one token, with the keys in hand.
    #[cfg(feature = "test-util")]
    pub(crate) fn authenticate_token(&self, token: &str) -> Result<AccessToken, Rejection> {
        let token = BearerToken::parse(token.as_bytes())?;
        self.judge_token(token, &mut WaitBudget::default()).map_err(|stop| match stop {
            Stop::Refused(rejection) => rejection,
            Stop::Await(Awaited::Keys(_)) => RejectionKind::KeysUnavailable.into(),
            Stop::Await(Awaited::Verdict(..)) => RejectionKind::IntrospectionUnavailable.into(),
        })
    }

    fn judge(&self, head: &Parts, wait_budget: &mut WaitBudget) -> Result<Option<AccessToken>, Stop> {
        let Some(credential) = self.credential(head)? else { return Ok(None) };
        self.judge_token(credential.token()?, wait_budget).map(Some)
    }

    /// The one credential of a request; none only where it may pass without.
    fn credential<'h>(&self, head: &'h Parts) -> Result<Option<Credential<'h>>, Stop> {
        match bearer::extract::find(head, &self.sources, self.max_token_bytes)? {
            None if self.optional || (self.preflight && is_preflight(head)) => Ok(None),
            None => Err(RejectionKind::Missing.into()),
            found => Ok(found),
        }
    }

    fn judge_token(&self, token: BearerToken<'_>, wait_budget: &mut WaitBudget) -> Result<AccessToken, Stop> {
        match self.judge_jwt(token, wait_budget) {
            Ok(verified) => {
                let judged = verified.judge();
                self.verified.remember(verified);
                judged
            }
            // What was refused as a JWT may be none, or one that only its issuer can judge.
            Err(Stop::Refused(refusal)) => {
                let issuer = self.shown_to(token).ok_or(refusal)?;
                let verified = CachedToken::opaque(token.as_str(), issuer);
                let accepted = verified.judge()?;
                // A rule of the user's says each time whose the token is.
                if !self.issuers.have_rules_for_opaque() {
                    self.verified.remember(verified);
                }
                Ok(accepted)
            }
            Err(stop) => Err(stop),
        }
    }

    /// Judges a JWT by itself, with the keys in hand.
    pub(crate) fn judge_jwt(
        &self,
        token: BearerToken<'_>,
        wait_budget: &mut WaitBudget,
    ) -> Result<CachedToken, Stop> {
        let compact = Compact::parse(token.octets())?;
        let header_json = compact.header()?;
        let header = Header::parse(&header_json)?;
        let claims_json = compact.claims()?;
        let claims = UnverifiedClaims::parse(&claims_json, &self.names).ok_or(CompactFault::Undecodable)?;
        let issuer = self.issuers.named_by(&claims)?;
        let (grant, keys) = issuer
            .judge(&compact, &header, &claims, self.now(), wait_budget)
            .map_err(|stop| stop.at(issuer))?;
        Ok(CachedToken::jwt(token.as_str(), issuer, grant, claims_json, keys))
    }

    pub(crate) fn now(&self) -> NumericDate {
        NumericDate::now(&*self.clock)
    }

    /// The issuer that judges `token` by introspection alone: the one without keys that a JWT names, or the one
    /// that takes it for an opaque token of its own.
    pub(crate) fn shown_to(&self, token: BearerToken<'_>) -> Option<&Arc<TrustedIssuer>> {
        if !self.issuers.introspect() {
            return None;
        }
        let token = token.as_str();
        let without_keys =
            if self.issuers.are_some_without_keys() { self.named_without_keys(token) } else { None };
        let opaque = || self.issuers.of_opaque(token).filter(|_| !compact::resembles_jws(token));
        without_keys.or_else(opaque)
    }

    fn named_without_keys(&self, token: &str) -> Option<&Arc<TrustedIssuer>> {
        let claims_json = Compact::parse(token).ok()?.claims().ok()?;
        let claims = UnverifiedClaims::parse(&claims_json, &self.names)?;
        self.issuers.named_by(&claims).ok().filter(|issuer| issuer.keys.is_none())
    }
}

impl TrustedIssuer {
    /// From unverified to signed, and from signed to what the token grants.
    fn judge(
        &self,
        compact: &Compact<'_>,
        header: &Header<'_>,
        claims: &UnverifiedClaims<'_>,
        now: NumericDate,
        wait_budget: &mut WaitBudget,
    ) -> Result<(Grant, KeySetId), Stop> {
        self.header.check_algorithm(header)?;
        self.header.check_type(header)?;
        let keys = self.keys.as_ref().ok_or(RejectionKind::KeyUnknown)?;
        let verified = keys.verify(compact, header, claims, wait_budget)?;
        Ok((claims::check(&verified.signed, &self.claims, now)?, verified.keys))
    }

    pub(crate) fn introspector(&self) -> Option<&Introspector> {
        self.introspection.as_ref().map(|introspected| &introspected.introspector)
    }
}

impl CachedToken {
    /// From what the token says to whether it is accepted now, where its issuer is asked about it.
    fn judge(&self) -> Result<AccessToken, Stop> {
        let jwt = self.jwt.as_ref().map(|jwt| &jwt.token);
        match jwt {
            Some(jwt) if !self.issuer.introspects(jwt) => Ok(jwt.clone()),
            _ => self.introspect(jwt.cloned()),
        }
    }

    fn introspect(&self, jwt: Option<AccessToken>) -> Result<AccessToken, Stop> {
        let introspector = self.issuer.introspector().ok_or(RejectionKind::TokenOpaque)?;
        let digest = self.digest(introspector);
        match introspector.introspect(&self.text, digest, jwt, Freshness::Cached, Duration::ZERO) {
            IntrospectionLookup::Cached(verdict) => {
                verdict.map_err(|fault| Stop::from(fault).at(&self.issuer))
            }
            IntrospectionLookup::Await(verdict) => {
                Err(Stop::Await(Awaited::Verdict(verdict, Arc::clone(self.issuer.identifier()))))
            }
        }
    }
}

/// Why the straight line ended before its end.
pub(crate) enum Stop {
    Refused(Rejection),
    Await(Awaited),
}

impl Stop {
    fn at(self, issuer: &TrustedIssuer) -> Self {
        match self {
            Self::Refused(rejection) => Self::Refused(rejection.with_issuer(issuer.identifier())),
            Self::Await(awaited) => Self::Await(awaited),
        }
    }
}

macro_rules! stop_at {
    ($($fault:ty),+) => {$(
        impl From<$fault> for Stop {
            fn from(fault: $fault) -> Self {
                Self::Refused(fault.into())
            }
        }
    )+};
}

stop_at!(
    CredentialsFault,
    CompactFault,
    HeaderFault,
    ClaimFault,
    IntrospectionFault,
    SignatureMismatch,
    Rejection,
    RejectionKind
);

impl From<VerifyError> for Stop {
    fn from(unverified: VerifyError) -> Self {
        match unverified {
            VerifyError::Await(keys) => Self::Await(Awaited::Keys(keys)),
            VerifyError::KeyUnknown => RejectionKind::KeyUnknown.into(),
            VerifyError::Malformed(fault) => fault.into(),
            VerifyError::Mismatch(mismatch) => mismatch.into(),
            VerifyError::Unavailable { retry_after, cause } => {
                Rejection::keys_unavailable(retry_after, cause).into()
            }
        }
    }
}

/// A CORS preflight as browsers send it: no credentials, an origin and the method to come.
fn is_preflight(head: &Parts) -> bool {
    head.method == Method::OPTIONS
        && head.headers.contains_key(ORIGIN)
        && head.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
        && !head.headers.contains_key(AUTHORIZATION)
}
