//! The details in the event of a rejection, beside its kind: the expected values, a hint, and the values of
//! the token, where the user wants these.
//!
//! Why the token is parsed again: a rejection carries nothing of it, so that nothing of it can leak. This
//! runs only if a subscriber listens.

use std::error::Error;

use http::header::AUTHORIZATION;
use http::request::Parts;

use super::explain_route::expected_authentication;
use super::hints::{HintContext, fixed_hint, malformed_hint, starts_with_scheme, unmet_hint};
use super::token_facts::TokenFacts;
use crate::authenticate::{Authenticator, Issuers, ResolveError, TrustedIssuer};
use crate::bearer::{Scheme, Schemes, extract};
use crate::encoding::shown::{listed, shortened};
use crate::event::{PresentedToken, RejectionDetails};
use crate::jwks::{Keys, KeysError};
use crate::rejection::{Rejection, RejectionKind};

/// The most issuers that one rejection is compared with. With thousands of issuers, a flood of forged tokens
/// would make the log expensive.
const MAX_ISSUERS: usize = 32;

impl Authenticator {
    /// The details of a rejection of the request with this `head`, where there is one. `with_token` adds what
    /// the token presents.
    pub(crate) fn rejection_details(
        &self,
        rejection: &Rejection,
        head: Option<&Parts>,
        with_token: bool,
    ) -> RejectionDetails {
        let schemes = self.senders.schemes();
        let credential = head.and_then(|head| {
            let found = extract::find(head, &self.sources, schemes, self.max_token_bytes).ok()??;
            Some(found.octets().to_vec())
        });
        let issuers = self.issuers.load();
        let read = |token: &[u8]| facts_of(token, &issuers, rejection.issuer());
        let facts = credential.as_deref().map(read).unwrap_or_default();
        let context = self.hint_context(&issuers, rejection.issuer(), &facts, with_token);
        let hint = match rejection.kind() {
            RejectionKind::Missing => head.and_then(|head| missing_hint(head, schemes)).map(str::to_owned),
            RejectionKind::KeysUnavailable => outage_hint(rejection),
            RejectionKind::MalformedRequest => Some(malformed(credential.as_deref(), schemes)),
            RejectionKind::RequirementUnmet => {
                let (unmet, issuer) = (rejection.unmet(), context.issuer);
                unmet.zip(issuer).map(|(unmet, issuer)| unmet_hint(unmet, &issuer.claims))
            }
            kind => context.hint(kind, &facts),
        };
        RejectionDetails {
            expected: self.expected(rejection, &issuers, context.issuer),
            hint,
            token: if with_token { presented(&facts) } else { PresentedToken::default() },
        }
    }

    /// The context of hints about a token that was routed to the issuer `routed`, or names one.
    pub(super) fn hint_context<'a>(
        &self,
        issuers: &'a Issuers,
        routed: Option<&str>,
        facts: &TokenFacts,
        shows_token: bool,
    ) -> HintContext<'a> {
        HintContext {
            issuers: issuers.some(MAX_ISSUERS).into_iter().map(|issuer| &**issuer.identifier()).collect(),
            issuer: issuer_of(issuers, routed, facts.issuer.as_deref()),
            introspects: issuers.any_introspection(),
            schemes: self.senders.schemes(),
            now: self.now(),
            shows_token,
        }
    }

    fn expected(
        &self,
        rejection: &Rejection,
        issuers: &Issuers,
        issuer: Option<&TrustedIssuer>,
    ) -> Option<String> {
        let of_issuer = |list: fn(&TrustedIssuer) -> String| issuer.map(list);
        let expected = match rejection.kind() {
            RejectionKind::IssuerUnknown if issuers.count() > MAX_ISSUERS => {
                Some(format!("one of {} issuers", issuers.count()))
            }
            RejectionKind::IssuerUnknown => {
                Some(listed(issuers.some(MAX_ISSUERS).into_iter().map(|issuer| &**issuer.identifier())))
            }
            RejectionKind::AudienceMismatch => {
                of_issuer(|issuer| listed(issuer.claims.audiences.iter().map(|audience| &**audience)))
            }
            RejectionKind::AlgorithmNotAllowed => of_issuer(|issuer| {
                let names: Vec<&str> = issuer.header.algorithms.iter().map(|name| name.as_str()).collect();
                names.join(" ")
            }),
            RejectionKind::TypeMismatch => of_issuer(|issuer| issuer.header.types.join(" ")),
            RejectionKind::KeyUnknown | RejectionKind::SignatureMismatch => of_issuer(|issuer| {
                let keys = issuer.keys.as_ref().and_then(Keys::current);
                listed(keys.iter().flat_map(|keys| keys.key_ids()))
            }),
            RejectionKind::ClientNotAllowed => {
                of_issuer(|issuer| listed(issuer.claims.clients.iter().flatten().map(|client| &**client)))
            }
            RejectionKind::ClaimMissing | RejectionKind::ClaimIllTyped | RejectionKind::ClaimsRejected => {
                issuer.and_then(|issuer| {
                    let mut values = issuer.claims.required_values.iter();
                    let required =
                        values.find(|required| Some(required.claim.as_str()) == rejection.claim())?;
                    Some(required.value.shown())
                })
            }
            RejectionKind::AuthenticationInsufficient => rejection.step_up().map(expected_authentication),
            RejectionKind::AuthContextMissing => rejection.auth_context().map(str::to_owned),
            RejectionKind::ScopeInsufficient => rejection.scopes_needed().map(str::to_owned),
            RejectionKind::RequirementUnmet => rejection.unmet().map(ToString::to_string),
            RejectionKind::TokenTooLarge => Some(format!("at most {} bytes", self.max_token_bytes)),
            RejectionKind::TokenExpired
            | RejectionKind::TokenNotYetValid
            | RejectionKind::TokenIssuedInFuture => {
                of_issuer(|issuer| format!("leeway {} s", issuer.claims.leeway.as_secs()))
            }
            kind => self.expected_of_sender(kind),
        };
        expected.filter(|expected| !expected.is_empty())
    }
}

/// The issuer that a token was routed to or names, else the only one.
fn issuer_of<'a>(
    issuers: &'a Issuers,
    routed: Option<&str>,
    named: Option<&str>,
) -> Option<&'a TrustedIssuer> {
    let issuer = routed.or(named).and_then(|identifier| issuers.get(identifier));
    issuer.or_else(|| issuers.only()).map(|issuer| &**issuer)
}

/// The parts of a token that was routed to the issuer `routed`, or names one.
pub(super) fn facts_of(token: &[u8], issuers: &Issuers, routed: Option<&str>) -> TokenFacts {
    TokenFacts::read(token, |named| {
        issuer_of(issuers, routed, named).map(|issuer| &*issuer.claims.client_claims)
    })
}

/// The details of a rejection of a request that no `BearerAuth` covers.
pub(crate) fn uncovered_details(rejection: &Rejection) -> RejectionDetails {
    RejectionDetails { hint: fixed_hint(rejection.kind()).map(str::to_owned), ..RejectionDetails::default() }
}

fn presented(facts: &TokenFacts) -> PresentedToken {
    let shown = |text: &Option<String>| text.as_deref().map(shortened);
    let audiences = listed(facts.audiences.iter().map(String::as_str));
    PresentedToken {
        iss: shown(&facts.issuer),
        aud: Some(audiences).filter(|audiences| !audiences.is_empty()),
        client_id: shown(&facts.client),
        jti: shown(&facts.token_id),
        kid: shown(&facts.key_id),
    }
}

/// The event that has more about the failed key fetch or the failed resolver behind a rejection.
///
/// Why not the hint of the failed fetch: each of many rejected requests would repeat it. Why the URL: issuers
/// that share keys share the event, which names one of them.
fn outage_hint(rejection: &Rejection) -> Option<String> {
    if let Some(error) = fetch_error(rejection) {
        let url = error.url()?;
        return Some(format!("the event `key fetch failed` with the URL {url} has every cause and a hint"));
    }
    let is_resolver = rejection.source().is_some_and(|error| error.is::<ResolveError>());
    is_resolver.then(|| "the event `issuer not resolved` names the pattern of the resolver".to_owned())
}

/// The error of the key fetch that a rejection is about. The event of the fetch has every cause of it.
pub(crate) fn fetch_error(rejection: &Rejection) -> Option<&KeysError> {
    let error = rejection.source().filter(|_| rejection.kind() == RejectionKind::KeysUnavailable);
    error.and_then(|error| error.downcast_ref())
}

/// A request without credentials of an accepted scheme may have a header all the same.
pub(super) fn missing_hint(head: &Parts, accepted: Schemes) -> Option<&'static str> {
    let header = head.headers.get(AUTHORIZATION)?.as_bytes();
    let Some(end) = header.iter().position(|byte| *byte == b' ') else {
        return Some(match accepted {
            Schemes::Dpop => "the Authorization header has no scheme: send `Authorization: DPoP TOKEN`",
            _ => "the Authorization header has no scheme: send `Authorization: Bearer TOKEN`",
        });
    };
    let name = header.get(..end).unwrap_or_default();
    let has = |scheme: Scheme| name.eq_ignore_ascii_case(scheme.as_str().as_bytes());
    Some(match accepted {
        Schemes::Bearer if has(Scheme::Dpop) => {
            "the client uses DPoP, which is not accepted: set BearerAuthBuilder::dpop"
        }
        Schemes::Dpop if has(Scheme::Bearer) => {
            "bearer tokens are not accepted (Dpop::required): let the client send `Authorization: DPoP TOKEN` \
             and a proof"
        }
        Schemes::Bearer => "the scheme of the Authorization header is not Bearer",
        Schemes::Dpop => "the scheme of the Authorization header is not DPoP",
        Schemes::BearerAndDpop => "the scheme of the Authorization header is neither Bearer nor DPoP",
    })
}

/// `credential` is the only one of the request, if it has just one.
pub(super) fn malformed(credential: Option<&[u8]>, accepted: Schemes) -> String {
    match credential {
        Some(text) if starts_with_scheme(text) => "the scheme is there twice: send it once".to_owned(),
        Some(text) => malformed_hint(text).unwrap_or("the token has characters that no token has").to_owned(),
        None => format!("send one token in one place, as {}", shown_header(accepted)),
    }
}

/// The `Authorization` header that is expected.
pub(super) fn shown_header(accepted: Schemes) -> String {
    let headers = accepted.iter().map(|scheme| format!("`Authorization: {} TOKEN`", scheme.as_str()));
    headers.collect::<Vec<String>>().join(" or ")
}
