//! One request, one straight line: from its head to an access token or a refusal.
//!
//! Checks, in this order: one credential, the shape of a JWS, the header, the issuer, its
//! algorithms and types, its keys, the signature, the claims.
//! Does not check: what a route needs beyond a valid token (see `Require`).
//!
//! With the key held nothing here waits; without it the caller gets a future to wait on, and
//! comes back.

mod bounds;
mod explain;
mod issuers;
mod status;

use std::sync::Arc;

use http::Method;
use http::header::{ACCESS_CONTROL_REQUEST_METHOD, AUTHORIZATION, ORIGIN};
use http::request::Parts;

use crate::access_token::{AccessToken, Grant};
use crate::bearer::{self, CredentialsFault, TokenSource};
use crate::clock::{Clock, NumericDate};
use crate::jwks::{KeysAwaited, Patience, Unverified};
use crate::jwt::claims::{self, ClaimFault};
use crate::jwt::compact::{Compact, CompactFault};
use crate::jwt::header::{Header, HeaderFault};
use crate::jwt::{ConfiguredNames, UnverifiedClaims};
use crate::rejection::{Rejection, RejectionKind};

pub use bounds::Bounds;
pub use explain::{Explanation, Finding, Verdict};
pub(crate) use issuers::{Issuers, TrustedIssuer};
pub use status::{IssuerStatus, NotReady};

/// Who is trusted, and what a request must show. No tower in it.
pub(crate) struct Authenticator {
    pub(crate) issuers: Issuers,
    pub(crate) names: Arc<ConfiguredNames>,
    pub(crate) sources: Vec<TokenSource>,
    pub(crate) token_bytes_max: usize,
    /// Whether a request without credentials may pass.
    pub(crate) optional: bool,
    /// Whether CORS preflights may pass.
    pub(crate) preflight: bool,
    pub(crate) clock: Arc<dyn Clock>,
}

/// What became of a request: a token, nobody (where that is allowed), or a refusal.
pub(crate) type Outcome = Result<Option<AccessToken>, Rejection>;

/// How far a request got.
pub(crate) enum Progress {
    /// To its end.
    Done(Outcome),
    /// To a key that must be fetched first: go on with [`Authenticator::resume`].
    AwaitKeys(KeysAwaited, Patience),
}

impl Authenticator {
    /// Judges the request with this head.
    pub(crate) fn authenticate(&self, head: &Parts) -> Progress {
        let mut patience = Patience::default();
        match self.judge(head, &mut patience) {
            Ok(token) => Progress::Done(Ok(token)),
            Err(Stop::Refused(rejection)) => Progress::Done(Err(rejection)),
            Err(Stop::AwaitKeys(keys)) => Progress::AwaitKeys(keys, patience),
        }
    }

    /// Waits for `keys`, then judges again, as often as the request's patience allows. Owns the head
    /// meanwhile, so that nothing is shared.
    pub(crate) async fn resume(
        self: Arc<Self>,
        head: Parts,
        mut keys: KeysAwaited,
        mut patience: Patience,
    ) -> (Parts, Outcome) {
        let outcome = loop {
            keys.await;
            match self.judge(&head, &mut patience) {
                Ok(token) => break Ok(token),
                Err(Stop::Refused(rejection)) => break Err(rejection),
                Err(Stop::AwaitKeys(next)) => keys = next,
            }
        };
        (head, outcome)
    }

    /// Judges one token, with the keys in hand.
    #[cfg(feature = "test-util")]
    pub(crate) fn authenticate_token(&self, token: &str) -> Result<AccessToken, Rejection> {
        self.judge_token(token, &mut Patience::default()).map_err(|stop| match stop {
            Stop::Refused(rejection) => rejection,
            Stop::AwaitKeys(_) => RejectionKind::KeysUnavailable.into(),
        })
    }

    fn judge(&self, head: &Parts, patience: &mut Patience) -> Result<Option<AccessToken>, Stop> {
        match bearer::token::find(head, &self.sources, self.token_bytes_max)? {
            Some(token) => self.judge_token(token.as_str(), patience).map(Some),
            None if self.optional || (self.preflight && is_preflight(head)) => Ok(None),
            None => Err(Rejection::from(RejectionKind::Missing).into()),
        }
    }

    fn judge_token(&self, token: &str, patience: &mut Patience) -> Result<AccessToken, Stop> {
        let compact = Compact::parse(token)?;
        let header_json = compact.header()?;
        let header = Header::parse(&header_json)?;
        let claims_json = compact.claims()?;
        let claims = UnverifiedClaims::parse(&claims_json, &self.names).ok_or(CompactFault::Undecodable)?;
        let issuer = self.issuers.named_by(&claims)?;
        let now = NumericDate::now(&*self.clock);
        let grant =
            issuer.judge(&compact, &header, &claims, now, patience).map_err(|stop| stop.at(issuer))?;
        Ok(AccessToken::new(grant, claims_json))
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
        patience: &mut Patience,
    ) -> Result<Grant, Stop> {
        self.header.check_algorithm(header)?;
        self.header.check_type(header)?;
        let signed = self.keys.verify(compact, header, claims, patience)?;
        Ok(claims::check(&signed, &self.claims, now)?)
    }
}

/// Why the straight line ended before its end.
enum Stop {
    Refused(Rejection),
    AwaitKeys(KeysAwaited),
}

impl Stop {
    fn at(self, issuer: &TrustedIssuer) -> Self {
        match self {
            Self::Refused(rejection) => Self::Refused(rejection.with_issuer(&issuer.claims.issuer)),
            Self::AwaitKeys(keys) => Self::AwaitKeys(keys),
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

stop_at!(CredentialsFault, CompactFault, HeaderFault, ClaimFault, Rejection);

impl From<Unverified> for Stop {
    fn from(unverified: Unverified) -> Self {
        match unverified {
            Unverified::Await(keys) => Self::AwaitKeys(keys),
            Unverified::KeyUnknown => Self::Refused(RejectionKind::KeyUnknown.into()),
            Unverified::Malformed(fault) => fault.into(),
            Unverified::Mismatch(mismatch) => Self::Refused(mismatch.into()),
            Unverified::Unavailable { retry_after, cause } => {
                Self::Refused(Rejection::keys_unavailable(retry_after, cause))
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
