//! Every check on one token, to its end, for a developer's terminal.
//!
//! Checks: what a request would be judged by, in the same order and by the same functions. Where that is
//! configured, the issuer is asked about the token, once, whatever is remembered.
//! Does not check: what comes before a token, and what a route needs beyond it.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use super::explanation::{Explanation, Verdict};
use crate::access_token::AccessToken;
use crate::authenticate::{Authenticator, Awaited, CachedToken, Stop, TrustedIssuer};
use crate::bearer::BearerToken;
use crate::introspection::{Active, IntrospectionFault, Introspector};
use crate::jwks::{KeySet, Keys, WaitBudget};
use crate::jwt::claims::{self, CHECKS, ClaimsPolicy};
use crate::jwt::compact::{Compact, CompactFault};
use crate::jwt::header::Header;
use crate::jwt::{Claim, UnverifiedClaims, signature};
use crate::rejection::RejectionKind;
use crate::time::NumericDate;

impl Authenticator {
    /// Runs every check on `token`; waits for keys as a request would.
    pub(crate) async fn explain(&self, token: &str) -> Explanation {
        let mut explanation = Explanation::new();
        self.explain_size(token, &mut explanation);
        match BearerToken::parse(token.as_bytes()).ok().and_then(|token| self.shown_to(token)) {
            Some(issuer) => self.explain_opaque(token, issuer, &mut explanation).await,
            None => self.explain_jwt(token, &mut explanation).await,
        }
        explanation
    }

    async fn explain_opaque(&self, token: &str, issuer: &TrustedIssuer, explanation: &mut Explanation) {
        explanation.add("serialization", "anything", &parts(token), Verdict::Holds);
        explanation.add("issuer", issuer.identifier(), "", Verdict::Holds);
        let Some(introspector) = issuer.introspector() else { return };
        let policy = &introspector.policy().opaque;
        issuer.explain_answer(introspector, token, policy, None, self.now(), explanation).await;
    }

    async fn explain_jwt(&self, token: &str, explanation: &mut Explanation) {
        self.fetch_missing_keys(token).await;
        let Some(issuer) = self.explain_token(token, explanation) else { return };
        let Some(introspector) = issuer.introspector() else { return };
        let Ok(CachedToken { jwt: Some(jwt), .. }) = self.judge_text(token, &mut WaitBudget::default())
        else {
            return;
        };
        if issuer.introspects(&jwt.token) {
            let policy = &introspector.policy().jwt;
            let jwt = Some(&jwt.token);
            issuer.explain_answer(introspector, token, policy, jwt, self.now(), explanation).await;
        }
    }

    /// Makes the demands for keys that a request with `token` would make, were no check before them.
    async fn fetch_missing_keys(&self, token: &str) {
        let mut wait_budget = WaitBudget::default();
        while let Err(Stop::Await(Awaited::Keys(keys))) = self.find_keys(token, &mut wait_budget) {
            keys.await;
        }
        while let Err(Stop::Await(Awaited::Keys(keys))) = self.judge_text(token, &mut wait_budget) {
            keys.await;
        }
    }

    fn judge_text(&self, token: &str, wait_budget: &mut WaitBudget) -> Result<CachedToken, Stop> {
        self.judge_jwt(BearerToken::parse(token.as_bytes())?, wait_budget)
    }

    /// The keys to check `token` with, whatever else is wrong with it.
    fn find_keys(&self, token: &str, wait_budget: &mut WaitBudget) -> Result<Arc<KeySet>, Stop> {
        let compact = Compact::parse(token)?;
        let (header, claims) = (compact.header()?, compact.claims()?);
        let header = Header::parse(&header)?;
        let claims = UnverifiedClaims::parse(&claims, &self.names).ok_or(CompactFault::Undecodable)?;
        let named = self.issuers.named_by(&claims);
        let issuer = named.or_else(|fault| self.issuers.only().ok_or(fault))?;
        let keys = issuer.keys.as_ref().ok_or(RejectionKind::KeyUnknown)?;
        Ok(keys.select(&header, wait_budget)?)
    }

    fn explain_size(&self, token: &str, explanation: &mut Explanation) {
        let size = if token.len() <= self.max_token_bytes {
            Verdict::Holds
        } else {
            Verdict::Fails(RejectionKind::TokenTooLarge)
        };
        let limit = format!("at most {} bytes", self.max_token_bytes);
        explanation.add("size", &limit, &format!("{} bytes", token.len()), size);
    }

    /// The issuer that the rest was judged by.
    fn explain_token(&self, token: &str, explanation: &mut Explanation) -> Option<&Arc<TrustedIssuer>> {
        let compact = Compact::parse(token);
        explanation.add(
            "serialization",
            "3 parts, a signed JWT",
            &parts(token),
            Verdict::of(compact.as_ref().map_err(|fault| *fault)),
        );
        let compact = compact.ok()?;
        let (header, claims) = (compact.header().unwrap_or_default(), compact.claims().unwrap_or_default());
        let (header, claims) = (Header::parse(&header), UnverifiedClaims::parse(&claims, &self.names));
        explanation.add(
            "header",
            "a JOSE header without crit",
            "",
            Verdict::of(header.as_ref().map_err(|fault| *fault)),
        );
        let readable =
            if claims.is_some() { Verdict::Holds } else { Verdict::Fails(RejectionKind::TokenMalformed) };
        explanation.add("claims", "a JSON object, no member twice", "", readable);
        let issuer = claims.as_ref().and_then(|claims| self.explain_issuer(claims, explanation));
        if let (Some(issuer), Ok(header)) = (issuer, &header) {
            issuer.explain_header(header, &compact, explanation);
        }
        if let (Some(issuer), Some(claims)) = (issuer, &claims) {
            explain_claims(claims, &issuer.claims, self.now(), explanation);
        }
        issuer
    }

    /// The issuer to go on with: the one named, or the only one there is.
    fn explain_issuer(
        &self,
        claims: &UnverifiedClaims<'_>,
        explanation: &mut Explanation,
    ) -> Option<&Arc<TrustedIssuer>> {
        let named = self.issuers.named_by(claims);
        let mut known: Vec<&str> = self.issuers.iter().map(|issuer| &**issuer.identifier()).collect();
        known.sort_unstable();
        let presented = claims.iss.value().map_or("", |issuer| issuer);
        explanation.add(
            "issuer",
            &known.join(", "),
            presented,
            Verdict::of(named.as_ref().map_err(Clone::clone)),
        );
        named.ok().or_else(|| self.issuers.only())
    }
}

impl TrustedIssuer {
    fn explain_header(&self, header: &Header<'_>, compact: &Compact<'_>, explanation: &mut Explanation) {
        let algorithms: Vec<&str> =
            self.header.algorithms.iter().map(|algorithm| algorithm.as_str()).collect();
        let verdict = Verdict::of(self.header.check_algorithm(header));
        explanation.add("alg", &algorithms.join(" "), header.algorithm.as_str(), verdict);
        let types =
            format!("{}{}", self.header.types.join(" "), if self.header.untyped { " or none" } else { "" });
        let verdict = Verdict::of(self.header.check_type(header));
        explanation.add("typ", &types, header.typ.as_deref().unwrap_or("none"), verdict);
        let keys = self.keys.as_ref().and_then(Keys::current);
        let verdict = explain_key(header, keys.as_deref());
        let known: Vec<&str> = keys.iter().flat_map(|keys| keys.key_ids()).collect();
        explanation.add("kid", &known.join(" "), header.key_id.as_deref().unwrap_or("none"), verdict);
        let verdict = match (verdict, keys) {
            (Verdict::Holds, Some(keys)) => explain_signature(header, compact, &keys),
            _ => Verdict::NotMade,
        };
        explanation.add("signature", &format!("by a key of {}", self.claims.issuer), "", verdict);
    }

    /// What this issuer says about `token`, and what becomes of it under `policy`.
    async fn explain_answer(
        &self,
        introspector: &Introspector,
        token: &str,
        policy: &ClaimsPolicy,
        jwt: Option<&AccessToken>,
        now: NumericDate,
        explanation: &mut Explanation,
    ) {
        let asked = format!("an answer of {}", self.identifier());
        let answer = introspector.fetch_response(token).await;
        let answered = Verdict::of(answer.as_ref().map_err(Clone::clone));
        explanation.add("introspection", &asked, "", answered);
        let names = &introspector.policy().opaque.names;
        let claims = answer.as_ref().ok().and_then(|json| UnverifiedClaims::parse(json, names));
        let Some(claims) = claims else { return };
        let active = Active::of(&claims, names).ok_or(IntrospectionFault::Inactive);
        explanation.add("active", "true", "", Verdict::of(active.as_ref().map_err(Clone::clone)));
        let Ok(active) = active else { return };
        let token_type = Verdict::of(active.check_token_type(names));
        explanation.add("token_type", "Bearer, or none", "", token_type);
        explanation.add("username", "text, or none", "", Verdict::of(active.username(names)));
        explain_claims(&claims, policy, now, explanation);
        if let Some(jwt) = jwt {
            let same = active.is_about(jwt).then_some(()).ok_or(IntrospectionFault::OtherToken);
            explanation.add("same token", "sub, client_id and exp as in the JWT", "", Verdict::of(same));
        }
    }
}

fn explain_key(header: &Header<'_>, keys: Option<&KeySet>) -> Verdict {
    match keys {
        None => Verdict::Fails(RejectionKind::KeysUnavailable),
        Some(keys) if keys.select(header.key_id.as_deref(), header.algorithm).next().is_some() => {
            Verdict::Holds
        }
        Some(_) => Verdict::Fails(RejectionKind::KeyUnknown),
    }
}

fn explain_claims(
    claims: &UnverifiedClaims<'_>,
    policy: &ClaimsPolicy,
    now: NumericDate,
    explanation: &mut Explanation,
) {
    for check in &CHECKS {
        let verdict = Verdict::of((check.run)(claims, policy, now));
        let (configured, presented) = shown(check.name, claims, policy, now);
        explanation.add(check.name, &configured, &presented, verdict);
    }
}

fn parts(token: &str) -> String {
    format!("parts: {}", token.split('.').count())
}

/// What a claim check asks for, and what the token says.
fn shown(
    check: &str,
    claims: &UnverifiedClaims<'_>,
    policy: &ClaimsPolicy,
    now: NumericDate,
) -> (String, String) {
    let date = |claim: &Claim<NumericDate>| match claim {
        Claim::Absent => "none".to_owned(),
        Claim::IllTyped => "not a date".to_owned(),
        Claim::Present(date) => format!("{}", date.as_secs()),
    };
    let text = |claim: &Claim<Cow<'_, str>>| match claim {
        Claim::Absent => "none".to_owned(),
        Claim::IllTyped => "not a string".to_owned(),
        Claim::Present(text) => text.to_string(),
    };
    let leeway = policy.leeway.as_secs();
    let limit = |limit: Option<Duration>| {
        limit.map_or_else(|| "no limit".to_owned(), |limit| format!("at most {} s", limit.as_secs()))
    };
    match check {
        "iss" => (policy.issuer.to_string(), text(&claims.iss)),
        "kind of token" => ("an access token".to_owned(), String::new()),
        "aud" => {
            let presented =
                claims.aud.value().map_or_else(|| "none or ill-typed".to_owned(), |named| named.join(", "));
            (policy.audiences.join(", "), presented)
        }
        "exp" => (format!("later than {} (now) less {leeway} s", now.as_secs()), date(&claims.exp)),
        "nbf" => (format!("at most {} (now) plus {leeway} s, or none", now.as_secs()), date(&claims.nbf)),
        "iat" => (format!("at most {} (now) plus {leeway} s, or none", now.as_secs()), date(&claims.iat)),
        "required claims" => {
            let absent: Vec<&str> = policy.absent(claims).map(|name| &**name).collect();
            let more: Vec<&str> = policy.required.iter().map(|name| &**name).collect();
            let optional = policy.optional;
            let always = [("iss", optional.iss), ("aud", optional.aud), ("exp", optional.exp)];
            let always = always.into_iter().filter(|(_, optional)| !optional).map(|(name, _)| name);
            let all = always.chain(more).collect::<Vec<&str>>().join(", ");
            let presented =
                if absent.is_empty() { "all".to_owned() } else { format!("not {}", absent.join(", ")) };
            (all, presented)
        }
        "claim types" => ("as their RFCs say".to_owned(), String::new()),
        "max_age" => (limit(policy.max_age), format!("issued {}", date(&claims.iat))),
        "max_lifetime" => {
            (limit(policy.max_lifetime), format!("{} to {}", date(&claims.iat), date(&claims.exp)))
        }
        "client" => {
            let allowed =
                policy.clients.as_ref().map_or_else(|| "any".to_owned(), |clients| clients.join(", "));
            (
                allowed,
                claims::client(claims).ok().flatten().map_or_else(|| "none".to_owned(), ToString::to_string),
            )
        }
        "cnf" => (
            "none (plain bearer tokens)".to_owned(),
            if claims.cnf.0 { "present" } else { "none" }.to_owned(),
        ),
        _ => (String::new(), String::new()),
    }
}

fn explain_signature(header: &Header<'_>, compact: &Compact<'_>, keys: &KeySet) -> Verdict {
    let Ok(octets) = compact.signature() else { return Verdict::Fails(RejectionKind::TokenMalformed) };
    let candidates = keys.select(header.key_id.as_deref(), header.algorithm);
    let signed = (compact.signing_input(), &*octets);
    Verdict::of(signature::verify(&UnverifiedClaims::default(), header.algorithm, signed, candidates))
}
