//! Runs every check on one token to its end, for a developer's terminal.
//!
//! Checks: what a request would be validated by, in the same order and by the same functions. Where the token
//! would be introspected, it is introspected once, whatever is cached.
//! Does not check: how a request presents the token (see `explain_request.rs`).

use std::error::Error;
use std::sync::Arc;

use http::request::Parts;

use super::explain_claims::explain_claims;
use super::explain_route::{FromResponse, explain_route};
use super::explanation::{CheckResult, Explanation};
use super::hints::malformed_hint;
use super::rejection_details::facts_of;
use crate::access_token::AccessToken;
use crate::authenticate::{Authenticator, Issuers, Pending, Stop, TrustedIssuer};
use crate::bearer::{BearerToken, Scheme};
use crate::event::Causes;
use crate::introspection::{Active, IntrospectionFault, Introspector};
use crate::jwks::{IssuerKeys, Keys, KeysStatus, PendingKeys, VerifyError, WaitBudget};
use crate::jwt::claims::{self, ClaimsPolicy};
use crate::jwt::compact::{Compact, CompactFault};
use crate::jwt::header::{Header, HeaderFault};
use crate::jwt::{Presented, UnverifiedClaims, signature};
use crate::rejection::{Rejection, RejectionKind};
use crate::requirement::Requirement;

/// A token, and what is known about its use.
pub(super) struct Subject<'a> {
    pub(super) token: &'a [u8],
    /// The head of the request that presents the token, and the scheme.
    pub(super) request: Option<(&'a Parts, Scheme)>,
    pub(super) route: Option<&'a Requirement>,
}

impl Authenticator {
    /// Runs every check on `token`, and the checks of a `route` that need no request. Waits for keys as a
    /// request would.
    pub(crate) async fn explain(&self, token: &str, route: Option<&Requirement>) -> Explanation {
        let mut explanation = Explanation::new();
        let subject = Subject { token: token.as_bytes(), request: None, route };
        self.explain_token(&subject, &mut explanation).await;
        self.explain_remedy(&subject, &mut explanation);
        explanation
    }

    /// Sets the hint about the first check that fails.
    pub(super) fn explain_remedy(&self, subject: &Subject<'_>, explanation: &mut Explanation) {
        let Some(kind) = explanation.rejection_kind() else { return };
        let issuers = self.issuers.load();
        let facts = facts_of(subject.token, &issuers, None);
        explanation.set_hint(match kind {
            RejectionKind::MalformedRequest => malformed_hint(subject.token).map(str::to_owned),
            // The finding came with a hint.
            RejectionKind::RequirementUnmet | RejectionKind::KeysUnavailable => {
                explanation.hint().map(str::to_owned)
            }
            kind => self.hint_context(&issuers, None, &facts, true).hint(kind, &facts),
        });
    }

    /// Runs the checks from the size of the token to the requirements of the route.
    pub(super) async fn explain_token(&self, subject: &Subject<'_>, explanation: &mut Explanation) {
        self.explain_size(subject.token, explanation);
        let token = match BearerToken::parse(subject.token) {
            Ok(token) => token,
            Err(fault) => {
                explain_form(subject.token, "a b64token", Err(fault), explanation);
                return;
            }
        };
        let issuers = self.issuers.snapshot();
        let mut header_json = Vec::new();
        let presented = issuers.classify(token, &mut header_json);
        match &presented {
            Ok(Presented::Jwt { compact, header }) if issuers.without_keys(token).is_none() => {
                self.explain_jwt(&issuers, token, compact, header, subject, explanation).await;
            }
            _ => match issuers.introspecting(token, &presented) {
                Ok(issuer) => self.explain_without_claims(token, issuer, subject, explanation).await,
                Err(rejection) => {
                    let expected = "a signed JWT, or a token of an issuer that introspects";
                    explain_form(subject.token, expected, Err(rejection), explanation);
                }
            },
        }
    }

    /// A token whose claims only introspection can tell.
    async fn explain_without_claims(
        &self,
        token: BearerToken<'_>,
        issuer: &TrustedIssuer,
        subject: &Subject<'_>,
        explanation: &mut Explanation,
    ) {
        explain_form(subject.token, "any", Ok::<(), CompactFault>(()), explanation);
        explanation.add("issuer", issuer.identifier(), "", CheckResult::Passed);
        let Some(introspector) = issuer.introspector() else { return };
        let policy = &introspector.policy().opaque;
        let response =
            issuer.explain_introspection(introspector, token.as_str(), policy, None, self, explanation).await;
        let responses = introspector.policy();
        let claims = response.as_deref().and_then(|json| responses.parse(json, false, self.now()));
        if let Some(claims) = claims {
            self.explain_revocation(&claims, policy, explanation);
            self.explain_sender(token, claims.cnf.value(), subject.request, explanation);
            let more = FromResponse::default();
            explain_route(&claims, policy, &more, self.now(), subject.route, explanation);
        }
    }

    async fn explain_jwt(
        &self,
        issuers: &Issuers,
        token: BearerToken<'_>,
        compact: &Compact<'_>,
        header: &Result<Header<'_>, HeaderFault>,
        subject: &Subject<'_>,
        explanation: &mut Explanation,
    ) {
        let unresolved = self.fetch_missing_keys(issuers, token, compact, header).await;
        // The issuer may have been resolved.
        let issuers = self.issuers.snapshot();
        explain_form(subject.token, "3 parts, a signed JWT", Ok::<(), CompactFault>(()), explanation);
        let result = CheckResult::of(header.as_ref().map_err(|fault| *fault));
        explanation.add("header", "a JOSE header without crit", "", result);
        let claims_json = compact.claims().unwrap_or_default();
        let claims = UnverifiedClaims::parse(&claims_json, issuers.names());
        let result = CheckResult::of(claims.as_ref().ok_or(RejectionKind::TokenMalformed));
        explanation.add("claims", "a JSON object without duplicate members", "", result);
        let Some(claims) = claims else { return };
        let Some(issuer) = issuers.explain_issuer(&claims, unresolved.as_ref(), explanation) else { return };
        if let Ok(header) = header {
            issuer.explain_header(header, compact, explanation);
        }
        explain_claims(&claims, &issuer.claims, self.now(), explanation);
        let more = self.explain_jwt_introspection(issuer, token, explanation).await.unwrap_or_default();
        self.explain_required_audiences(&claims, &issuer.claims, explanation);
        self.explain_revocation(&claims, &issuer.claims, explanation);
        let bound_to = claims.cnf.value().or(more.bound_to.as_ref());
        self.explain_sender(token, bound_to, subject.request, explanation);
        explain_route(&claims, &issuer.claims, &more, self.now(), subject.route, explanation);
    }

    /// Introspects a JWT that passes the checks before, where that is configured.
    async fn explain_jwt_introspection(
        &self,
        issuer: &TrustedIssuer,
        token: BearerToken<'_>,
        explanation: &mut Explanation,
    ) -> Option<FromResponse> {
        let verified = self.verify(token, &mut WaitBudget::default()).ok()?;
        let introspector = issuer.introspector()?;
        let jwt = verified.jwt.as_ref().map(|jwt| &jwt.token).filter(|jwt| issuer.introspects(jwt))?;
        let policy = &introspector.policy().jwt;
        let response = issuer
            .explain_introspection(introspector, token.as_str(), policy, Some(jwt), self, explanation)
            .await?;
        let claims = introspector.policy().parse(&response, true, self.now())?;
        let scopes = claims::scopes(&claims, policy).ok().flatten();
        Some(FromResponse { scopes, bound_to: claims.cnf.value().cloned() })
    }

    /// Waits for the keys that a request with `token` would wait for if no check before them failed. Returns
    /// the rejection of a token whose issuer the resolver has not decided about.
    async fn fetch_missing_keys(
        &self,
        issuers: &Issuers,
        token: BearerToken<'_>,
        compact: &Compact<'_>,
        header: &Result<Header<'_>, HeaderFault>,
    ) -> Option<Rejection> {
        let mut budget = WaitBudget::default();
        while let Some(keys) = issuers.missing_keys(compact, header, &mut budget) {
            keys.await;
        }
        // These may have been the keys of another issuer. A request has its whole budget for its own.
        budget = WaitBudget::default();
        loop {
            match self.verify(token, &mut budget).err()? {
                Stop::Pending(Pending::Keys { keys, budget: left, .. }) => {
                    keys.await;
                    budget = left;
                }
                // Without an issuer: the token was routed to none.
                Stop::Rejected(rejection) => {
                    let is_unresolved =
                        rejection.kind() == RejectionKind::KeysUnavailable && rejection.issuer().is_none();
                    return is_unresolved.then_some(rejection);
                }
                Stop::Pending(Pending::Introspection(_)) => return None,
            }
        }
    }

    fn explain_size(&self, token: &[u8], explanation: &mut Explanation) {
        let size = if token.len() <= self.max_token_bytes {
            CheckResult::Passed
        } else {
            CheckResult::Failed(RejectionKind::TokenTooLarge)
        };
        let limit = format!("at most {} bytes", self.max_token_bytes);
        explanation.add("size", &limit, &format!("{} bytes", token.len()), size);
    }

    /// The audiences that a view requires.
    fn explain_required_audiences(
        &self,
        claims: &UnverifiedClaims<'_>,
        policy: &ClaimsPolicy,
        explanation: &mut Explanation,
    ) {
        let required = &self.required_audiences;
        if !required.is_empty() {
            // An ill-typed audience is a finding of its own.
            let presented = claims::audiences(claims, policy).unwrap_or_default();
            let presented: Vec<&str> = presented.iter().map(|audience| &**audience).collect();
            let result = CheckResult::of(required.check(&presented));
            let expected: Vec<&str> = required.iter().collect();
            explanation.add("required aud", &expected.join(" and "), &presented.join(", "), result);
        }
    }
}

impl Issuers {
    fn missing_keys(
        &self,
        compact: &Compact<'_>,
        header: &Result<Header<'_>, HeaderFault>,
        budget: &mut WaitBudget,
    ) -> Option<PendingKeys> {
        let header = header.as_ref().ok()?;
        let claims_json = compact.claims().ok()?;
        let claims = UnverifiedClaims::parse(&claims_json, self.names())?;
        let issuer = self.named_by(&claims).ok().or_else(|| self.only())?;
        match issuer.keys.as_ref()?.select(header, budget) {
            Err(VerifyError::Pending(keys)) => Some(keys),
            _ => None,
        }
    }

    /// The issuer to continue with: the one that the token names, or the only one there is. `unresolved` is
    /// the rejection of a token whose issuer the resolver has not decided about.
    fn explain_issuer(
        &self,
        claims: &UnverifiedClaims<'_>,
        unresolved: Option<&Rejection>,
        explanation: &mut Explanation,
    ) -> Option<&Arc<TrustedIssuer>> {
        let named = self.named_by(claims);
        let all = self.sorted();
        let known: Vec<&str> = all.iter().map(|issuer| &**issuer.identifier()).collect();
        let presented = claims.iss.value().map_or("", |issuer| issuer);
        let (expected, result) = match (&named, unresolved) {
            (Err(_), Some(rejection)) => {
                let why = rejection.source().map_or_else(
                    || "it has not decided in time".to_owned(),
                    |error| Causes::of(error).to_string(),
                );
                let expected = format!("an issuer that the resolver returns, but {why}");
                (expected, CheckResult::Failed(rejection.kind()))
            }
            _ => (known.join(", "), CheckResult::of(named.as_ref().map_err(Clone::clone))),
        };
        explanation.add("issuer", &expected, presented, result);
        named.ok().or_else(|| self.only())
    }
}

impl TrustedIssuer {
    fn explain_header(&self, header: &Header<'_>, compact: &Compact<'_>, explanation: &mut Explanation) {
        let algorithms: Vec<&str> =
            self.header.algorithms.iter().map(|algorithm| algorithm.as_str()).collect();
        let result = CheckResult::of(self.header.check_algorithm(header));
        explanation.add("alg", &algorithms.join(" "), header.algorithm.as_str(), result);
        let types =
            format!("{}{}", self.header.types.join(" "), if self.header.untyped { " or none" } else { "" });
        let result = CheckResult::of(self.header.check_type(header));
        explanation.add("typ", &types, header.typ.as_deref().unwrap_or("none"), result);
        let keys = self.keys.as_ref().and_then(Keys::current);
        let result = self.explain_key(header, keys.as_ref());
        let expected = match &keys {
            Some(keys) => keys.key_ids().collect::<Vec<&str>>().join(" "),
            None => format!("a key of {}, but {}", self.claims.issuer, self.why_no_keys(explanation)),
        };
        explanation.add("kid", &expected, header.key_id.as_deref().unwrap_or("none"), result);
        let result = match (result, keys) {
            (CheckResult::Passed, Some(keys)) => explain_signature(header, compact, &keys),
            _ => CheckResult::NotRun,
        };
        explanation.add("signature", &format!("by a key of {}", self.claims.issuer), "", result);
    }

    /// Why no keys are usable. Sets the hint about the fetch that failed.
    fn why_no_keys(&self, explanation: &mut Explanation) -> String {
        let status = self.keys.as_ref().map(Keys::status);
        let Some(error) = status.as_ref().and_then(KeysStatus::last_error) else {
            return "none were fetched in time".to_owned();
        };
        // An earlier failure, such as that of a resolver, has its own hint.
        if explanation.rejection_kind().is_none() {
            explanation.set_hint(error.hint().map(str::to_owned));
        }
        Causes::of(error).to_string()
    }

    fn explain_key(&self, header: &Header<'_>, cached: Option<&IssuerKeys>) -> CheckResult {
        let Some(cached) = cached else { return CheckResult::Failed(RejectionKind::KeysUnavailable) };
        if cached.select(header.key_id.as_deref(), header.algorithm).next().is_some() {
            return CheckResult::Passed;
        }
        let selected = self.keys.as_ref().map(|keys| keys.select(header, &mut WaitBudget::default()));
        match selected {
            Some(Err(VerifyError::Unavailable { rate_limited: true, .. })) => {
                CheckResult::Failed(RejectionKind::KeyUnconfirmed)
            }
            _ => CheckResult::Failed(RejectionKind::KeyUnknown),
        }
    }

    /// Introspects `token`, checks the response against `policy`, and returns it if the token is active.
    async fn explain_introspection(
        &self,
        introspector: &Introspector,
        token: &str,
        policy: &ClaimsPolicy,
        jwt: Option<&AccessToken>,
        authenticator: &Authenticator,
        explanation: &mut Explanation,
    ) -> Option<String> {
        let expected = format!("a response of {}", self.identifier());
        let response = introspector.fetch_response(token).await;
        let response =
            if jwt.is_some() { response } else { response.map_err(IntrospectionFault::about_opaque_token) };
        let result = CheckResult::of(response.as_ref().map_err(Clone::clone));
        explanation.add("introspection", &expected, "", result);
        let (responses, now) = (introspector.policy(), authenticator.now());
        let response = response.ok()?;
        let claims = responses.parse(&response, jwt.is_some(), now)?;
        let active = Active::of(&claims).ok_or(IntrospectionFault::Inactive);
        explanation.add("active", "true", "", CheckResult::of(active.as_ref().map_err(Clone::clone)));
        let active = active.ok()?;
        let token_type = CheckResult::of(active.check_token_type(jwt));
        explanation.add("token_type", "Bearer, DPoP with a key in cnf, or none", "", token_type);
        explanation.add("username", "text, or none", "", CheckResult::of(active.username()));
        explain_claims(&claims, policy, now, explanation);
        if jwt.is_none() {
            authenticator.explain_required_audiences(&claims, policy, explanation);
        }
        if let Some(jwt) = jwt {
            let same = active.is_about(jwt, policy).then_some(()).ok_or(IntrospectionFault::OtherToken);
            let expected = "sub, client_id, cnf and exp as in the JWT, exp within the leeway";
            explanation.add("same token", expected, "", CheckResult::of(same));
        }
        Some(response)
    }
}

fn explain_form<F: Into<Rejection>>(
    token: &[u8],
    expected: &str,
    result: Result<(), F>,
    explanation: &mut Explanation,
) {
    let parts = format!("parts: {}", token.split(|byte| *byte == b'.').count());
    explanation.add("serialization", expected, &parts, CheckResult::of(result));
}

fn explain_signature(header: &Header<'_>, compact: &Compact<'_>, keys: &IssuerKeys) -> CheckResult {
    let Ok(octets) = compact.signature() else { return CheckResult::Failed(RejectionKind::TokenMalformed) };
    let candidates = keys.select(header.key_id.as_deref(), header.algorithm);
    let signed = (compact.signing_input(), &*octets);
    CheckResult::of(signature::verify(&UnverifiedClaims::default(), header.algorithm, signed, candidates))
}
