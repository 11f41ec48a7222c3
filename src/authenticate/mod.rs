//! The request path: from the head of a request to an access token or a rejection.
//!
//! Checks, in this order:
//!
//! 1. extract: exactly one credential
//! 2. cache: for a cached token, only what may have changed
//! 3. classify: JWT or opaque
//! 4. header and issuer of a JWT
//! 5. key and signature
//! 6. claims
//! 7. introspection, for opaque tokens, and for JWTs where that is configured
//! 8. the revocations of the configuration
//! 9. the proof of the sender, for sender-constrained tokens
//!
//! Does not check: what a route needs beyond a valid token (see `Require`).
//!
//! [`Authenticator::start`] is the fast path: it decides about requests without a token and about cached
//! tokens, and never verifies a signature. [`Authenticator::validate`] does. Neither waits: where keys or an
//! introspection response are not cached, they return [`Pending`], and [`Authenticator::resume`] waits.
//! [`Authenticator::prove`] checks the proof of a sender, once the token is valid.
//!
//! Why: a JWT that fails a check is never introspected. The authorization server does not know which
//! algorithms and audiences this API accepts, and an attacker could alter a JWT until only introspection
//! decides about it.

mod ignored_headers;
mod issuers;
mod outside_request;
mod preflight;
mod progress;
mod prove;
mod required_audiences;
mod resolver;
mod revoked;
mod still_active;
mod token_cache;
mod unlisted;

use std::mem;
use std::sync::Arc;

use http::request::Parts;

use crate::access_token::{AccessToken, Grant};
use crate::bearer::{BearerToken, Credential, Located, Scheme, TokenSource, extract};
use crate::binding::SenderPolicy;
use crate::jwks::WaitBudget;
use crate::jwt::compact::{Compact, CompactFault};
use crate::jwt::header::Header;
use crate::jwt::{Presented, UnverifiedClaims, claims};
use crate::rejection::{Rejection, RejectionKind};
use crate::revocation::Revocations;
use crate::time::{Clock, NumericDate};

pub(crate) use ignored_headers::IgnoredHeaders;
use issuers::CurrentIssuers;
pub(crate) use issuers::{
    InsertError, IssuerChange, IssuerIntrospection, IssuerRegistry, IssuerState, Issuers, JwtIntrospection,
    OpaqueTokens, TrustedIssuer,
};
use preflight::is_preflight;
pub(crate) use progress::{Pending, Progress, Resumed, Stop, Unproven};
pub(crate) use prove::{PendingProof, ProofProgress};
pub(crate) use required_audiences::RequiredAudiences;
pub(crate) use resolver::{IssuerPattern, Resolve, ResolveError, Resolver, ResolverPolicy};
pub(crate) use still_active::StillActive;
pub(crate) use token_cache::{CachedToken, TokenStore};

/// The trusted issuers, and what a request must present. It knows nothing of tower.
///
/// A clone shares the issuers and the caches.
#[derive(Clone)]
pub(crate) struct Authenticator {
    pub(crate) issuers: Arc<IssuerRegistry>,
    pub(crate) resolver: Option<Arc<Resolver>>,
    pub(crate) sources: Vec<TokenSource>,
    pub(crate) max_token_bytes: usize,
    pub(crate) senders: SenderPolicy,
    pub(crate) ignored_headers: Arc<IgnoredHeaders>,
    /// Whether a request without credentials is accepted.
    pub(crate) optional: bool,
    /// Whether a CORS preflight is accepted.
    pub(crate) allow_preflight: bool,
    pub(crate) required_audiences: RequiredAudiences,
    pub(crate) revocations: Option<Revocations>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) tokens: Arc<TokenStore>,
}

impl Authenticator {
    /// Fast path: decides about the request with this head without verifying a signature, because it has no
    /// token or a cached one.
    pub(crate) fn start(&self, head: &Parts) -> Progress {
        let credential = match self.extract(head) {
            Ok(Some(credential)) => credential,
            Ok(None) => return Progress::Done(Ok(None)),
            Err(rejection) => return Progress::Done(Err(rejection)),
        };
        match self.cached(credential.octets()) {
            Some(cached) => self.progress(cached, credential.scheme()),
            None => Progress::Uncached(credential.into()),
        }
    }

    /// Validates a credential that is not a cached token, at this place in the head of its request.
    pub(crate) fn validate(&self, credential: &Located, head: &Parts) -> Progress {
        self.progress(self.validated(credential.octets(head)), credential.scheme())
    }

    /// How far a request got whose token was presented under this scheme. Step 8: every valid token of a
    /// request comes here, cached or not.
    pub(crate) fn progress(&self, result: Result<AccessToken, Stop>, scheme: Scheme) -> Progress {
        match result {
            Ok(token) => match self.check_revoked(&token) {
                Err(rejection) => Progress::Done(Err(rejection.with_scheme(scheme))),
                Ok(()) if self.senders.applies_to(scheme, token.sender()) => {
                    Progress::Unproven(Unproven { token, scheme })
                }
                Ok(()) => Progress::Done(Ok(Some(token))),
            },
            Err(Stop::Rejected(rejection)) => Progress::Done(Err(rejection.with_scheme(scheme))),
            Err(Stop::Pending(pending)) => Progress::Pending(pending, scheme),
        }
    }

    /// Steps 3 to 7, for a token that is not cached.
    pub(crate) fn validated(&self, credential: &[u8]) -> Result<AccessToken, Stop> {
        let token = BearerToken::parse(credential)?;
        self.accept(self.verify(token, &mut WaitBudget::default())?)
    }

    /// Waits for keys and tries again, as often as the request's budget allows, or waits for an introspection
    /// response.
    pub(crate) async fn resume(self: Arc<Self>, mut pending: Pending) -> Resumed {
        loop {
            let (token, mut budget) = match pending {
                Pending::Introspection(introspection) => match introspection.resumed().await {
                    Ok(resumed) => return self.required_audiences.admit_resumed(resumed),
                    Err(token) => (token, WaitBudget::default()),
                },
                Pending::Keys { keys, token, budget } => {
                    keys.await;
                    (token, budget)
                }
            };
            // Of all requests that waited with this token, one verifies it for the others.
            let token = token.borrow();
            let cached = self.cached(token.octets());
            let result = cached.unwrap_or_else(|| self.accept(self.verify(token, &mut budget)?));
            match result {
                Err(Stop::Pending(next)) => pending = next,
                Err(Stop::Rejected(rejection)) => return Resumed::without_introspection(Err(rejection)),
                Ok(token) => return Resumed::without_introspection(Ok(token)),
            }
        }
    }

    /// Step 1: the one credential of a request; none only where a request may come without.
    pub(crate) fn extract<'h>(&self, head: &'h Parts) -> Result<Option<Credential<'h>>, Rejection> {
        let schemes = self.senders.schemes();
        let found = extract::find(head, &self.sources, schemes, self.max_token_bytes);
        match found.map_err(|fault| Rejection::from(fault).with_used(extract::scheme(head, schemes)))? {
            None if self.optional || (self.allow_preflight && is_preflight(head)) => Ok(None),
            None => Err(RejectionKind::Missing.into()),
            found => Ok(found),
        }
    }

    /// Step 2: a token that was validated before, if it is still valid.
    fn cached(&self, token: &[u8]) -> Option<Result<AccessToken, Stop>> {
        self.tokens.get(token, &self.issuers, || self.now(), |cached| self.resolve(cached))
    }

    /// Steps 3 to 6 of the module docs: everything that the text of a token can prove.
    pub(crate) fn verify(
        &self,
        token: BearerToken<'_>,
        budget: &mut WaitBudget,
    ) -> Result<CachedToken, Stop> {
        let issuers = self.issuers.load();
        let mut header_json = Vec::new();
        let presented = issuers.classify(token, &mut header_json);
        if let Ok(Presented::Jwt { compact, header: Ok(header) }) = &presented {
            return self.verify_jwt(&issuers, token, compact, header, budget);
        }
        let issuer = issuers.introspecting(token, &presented)?;
        Ok(CachedToken::without_claims(token, issuer, issuers.opaque_version))
    }

    fn verify_jwt(
        &self,
        issuers: &CurrentIssuers,
        token: BearerToken<'_>,
        compact: &Compact<'_>,
        header: &Header<'_>,
        budget: &mut WaitBudget,
    ) -> Result<CachedToken, Stop> {
        let claims_json = compact.claims()?;
        let claims =
            UnverifiedClaims::parse(&claims_json, issuers.names()).ok_or(CompactFault::Undecodable)?;
        let named = issuers.named_by(&claims);
        let issuer = named.map_err(|fault| self.unlisted(fault, &claims, token, budget))?;
        let Some(keys) = &issuer.keys else {
            return Ok(CachedToken::without_claims(token, issuer, issuers.opaque_version));
        };
        let verified = issuer.header.check(header).map_err(Stop::from).and_then(|()| {
            let verified = keys.verify(compact, header, &claims, budget);
            verified.map_err(|error| Stop::unverified(error, token, mem::take(budget)))
        });
        let granted = verified.and_then(|verified| {
            let grant = claims::check(&verified.signed, &issuer.claims, self.now())?;
            let grant = Grant { algorithm: Some(header.algorithm), key_id: verified.key_id, ..grant };
            self.senders.check_provable(grant.confirmation.as_deref())?;
            Ok((grant, verified.keys))
        });
        let (grant, keys) = granted.map_err(|stop| stop.at(issuer.identifier()))?;
        Ok(CachedToken::jwt(token, issuer, grant, claims_json, keys))
    }

    /// Step 7: introspection where it is configured. Then the token is cached.
    fn accept(&self, token: CachedToken) -> Result<AccessToken, Stop> {
        let accepted = self.resolve(&token);
        // A JWT is cached once its signature is verified, even while introspection is pending. An opaque
        // token is cached only if a response says that it is active, and never if a rule of the user's must
        // see it on every request.
        let is_cacheable =
            token.jwt.is_some() || (accepted.is_ok() && !self.issuers.load().any_opaque_rule());
        if is_cacheable {
            self.tokens.insert(token);
        }
        accepted
    }

    fn resolve(&self, token: &CachedToken) -> Result<AccessToken, Stop> {
        self.required_audiences.admit_resolved(token.resolve())
    }

    /// The pattern of the resolver, if that has found this issuer. An issuer that was removed meanwhile
    /// counts as resolved.
    pub(crate) fn resolver_pattern(&self, issuer: &str) -> Option<&Arc<str>> {
        let resolver = self.resolver.as_ref()?;
        let issuers = self.issuers.load();
        let is_configured = issuers.get(issuer).is_some_and(|issuer| !issuer.is_resolved());
        (!is_configured).then(|| resolver.pattern())
    }

    pub(crate) fn now(&self) -> NumericDate {
        NumericDate::now(&*self.clock)
    }
}
