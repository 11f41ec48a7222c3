//! Hints for the frequent causes of a rejection: the remedy, and where it applies.
//!
//! A hint never quotes the token. Times from the token are in it only if `shows_token` is set.

use std::time::Duration;

use super::token_facts::TokenFacts;
use crate::authenticate::TrustedIssuer;
use crate::bearer::{Scheme, Schemes};
use crate::encoding::json_pointer::JsonPointer;
use crate::fetch_url::Difference;
use crate::jwt::claims::ClaimsPolicy;
use crate::rejection::RejectionKind;
use crate::requirement::{DetailFault, Unmet};
use crate::time::NumericDate;

const SYNCHRONIZE: &str = "synchronize the clocks of this machine and of the authorization server";

/// The end of a hint about a value of the token that is not shown beside it.
const SHOW_VALUE: &str = "; to see the token's value, use BearerAuth::explain or log_token_details";

/// The part of the configuration and the time that a hint depends on.
pub(super) struct HintContext<'a> {
    /// The identifiers of all issuers.
    pub(super) issuers: Vec<&'a str>,
    /// The issuer that the token names, if it is configured.
    pub(super) issuer: Option<&'a TrustedIssuer>,
    /// Whether any issuer introspects tokens.
    pub(super) introspects: bool,
    /// The accepted schemes.
    pub(super) schemes: Schemes,
    pub(super) now: NumericDate,
    /// Whether the values of the token are shown beside the hint. Then it may say how far the times of the
    /// token are from now.
    pub(super) shows_token: bool,
}

impl HintContext<'_> {
    /// The remedy for a rejection of this kind.
    pub(super) fn hint(&self, kind: RejectionKind, facts: &TokenFacts) -> Option<String> {
        match kind {
            RejectionKind::IssuerUnknown => Some(self.issuer_hint(facts)),
            RejectionKind::AudienceMismatch => Some(self.audience_hint(facts)),
            RejectionKind::TokenIssuedInFuture => Some(self.future_hint("issued", facts.issued_at)),
            RejectionKind::TokenNotYetValid => Some(self.future_hint("valid", facts.not_before)),
            RejectionKind::TokenExpired => Some(self.expiry_hint(facts)),
            RejectionKind::AlgorithmNotAllowed => Some(algorithm_hint(facts).to_owned()),
            RejectionKind::TokenOpaque => Some(self.opaque_hint().to_owned()),
            RejectionKind::SenderNotProven => Some(self.sender_hint().to_owned()),
            _ => fixed_hint(kind).map(str::to_owned),
        }
    }

    fn issuer_hint(&self, facts: &TokenFacts) -> String {
        let Some(named) = &facts.issuer else {
            return "the token has no `iss`: let the authorization server add it".to_owned();
        };
        let differences = self.issuers.iter().filter_map(|own| Some((own, Difference::between(named, own)?)));
        let close = differences.clone().find(|(_, difference)| difference.is_slip());
        let only = || differences.clone().next().filter(|_| self.issuers.len() == 1);
        match close.or_else(only) {
            Some((own, difference)) if difference.is_slip() => format!(
                "the token's `iss` is almost the configured issuer {own:?} ({difference}): configure it exactly \
                 as the token names it"
            ),
            Some((own, difference)) => format!(
                "the token is not from the configured issuer {own:?} ({difference}): request it there, or add \
                 its issuer{}",
                self.show_value()
            ),
            None => format!(
                "the token is from another authorization server: add its issuer if you trust it{}",
                self.show_value()
            ),
        }
    }

    /// How to see the value of the token, where it is not shown.
    fn show_value(&self) -> &'static str {
        if self.shows_token { "" } else { SHOW_VALUE }
    }

    fn audience_hint(&self, facts: &TokenFacts) -> String {
        let own = self.issuer.iter().flat_map(|issuer| &issuer.claims.audiences);
        let mut pairs = own.flat_map(|own| facts.audiences.iter().map(move |named| (own, named)));
        let slip = pairs.find_map(|(own, named)| {
            let difference = Difference::between(named, own).filter(Difference::is_slip)?;
            Some(format!(
                "the token's `aud` is almost the configured audience {own:?} ({difference}): configure it exactly \
                 as the token names it"
            ))
        });
        let other = if facts.resembles_id_token {
            "the token is for its own client, so it may be an ID token: send an access token for this API"
        } else {
            "let the client request a token for this API (parameter `resource` or `audience`), or add the \
             token's `aud` with add_audience"
        };
        slip.unwrap_or_else(|| format!("{other}{}", self.show_value()))
    }

    fn leeway(&self) -> Duration {
        self.issuer.map(|issuer| issuer.claims.leeway).unwrap_or_default()
    }

    fn future_hint(&self, what: &str, start: Option<NumericDate>) -> String {
        let leeway = self.leeway().as_secs();
        match start.filter(|_| self.shows_token) {
            Some(start) => {
                let ahead = start.since(self.now).as_secs();
                format!("{what} {ahead} s in the future, leeway {leeway} s: {SYNCHRONIZE}")
            }
            None => format!("{what} in the future by more than the leeway of {leeway} s: {SYNCHRONIZE}"),
        }
    }

    fn expiry_hint(&self, facts: &TokenFacts) -> String {
        let remedy =
            "let the client refresh its token; if tokens expire right after sign-in, synchronize the clocks";
        match facts.expires_at.filter(|_| self.shows_token) {
            Some(end) => {
                let (ago, leeway) = (self.now.since(end).as_secs(), self.leeway().as_secs());
                format!("expired {ago} s ago, leeway {leeway} s: {remedy}")
            }
            None => remedy.to_owned(),
        }
    }

    fn sender_hint(&self) -> &'static str {
        if self.schemes.contains(Scheme::Dpop) {
            "if `cnf` of the token has `jkt`, let the client send it with the scheme DPoP and a proof; if it has \
             `x5t#S256`, set BearerAuthBuilder::certificates"
        } else {
            "the token is bound to a key or a certificate: accept it with BearerAuthBuilder::dpop or \
             BearerAuthBuilder::certificates, or let the client request a bearer token"
        }
    }

    fn opaque_hint(&self) -> &'static str {
        if self.introspects {
            "no issuer claims this opaque token: check opaque_prefix, opaque_when and opaque_default; if it should \
             be a JWT, it was cut short"
        } else {
            "the token is opaque: let the client request one for this API (parameter `resource` or `audience`), \
             so that the authorization server issues a JWT, or configure Issuer::introspect; if it should be \
             a JWT, it was cut short"
        }
    }
}

fn algorithm_hint(facts: &TokenFacts) -> &'static str {
    match facts.algorithm.as_deref() {
        Some(name) if name.starts_with("HS") => {
            "the token is signed with a shared secret (HMAC): let the authorization server sign with RS256 or ES256"
        }
        Some(name) if name.eq_ignore_ascii_case("none") => "an unsigned token is never accepted",
        _ => {
            "let the authorization server sign with an allowed algorithm, or allow this one with Issuer::algorithms"
        }
    }
}

/// The remedy that depends on nothing else.
pub(super) fn fixed_hint(kind: RejectionKind) -> Option<&'static str> {
    Some(match kind {
        RejectionKind::IdTokenPresented => "send the access token, not the ID token",
        RejectionKind::TypeMismatch => {
            "send the access token; if it is one, its `typ` or a claim says otherwise (strict_rfc9068 accepts at+jwt)"
        }
        RejectionKind::KeyUnknown => {
            "the issuer publishes no such key: the token is from another environment, or was signed before the \
             last key rotation; or the key was skipped, see KeysStatus::skipped_keys"
        }
        RejectionKind::SignatureMismatch => {
            "the token was altered, or another environment has a key with the same `kid`"
        }
        RejectionKind::TokenRevoked => {
            "the token is in Revocations: let the client sign the user in again; a token that is issued within the \
             second of the revocation is rejected too, and so is one without `iat`"
        }
        RejectionKind::TokenMalformed => "look for a token that was cut short, altered or encoded twice",
        RejectionKind::ClaimMissing => {
            "send the access token, not an ID token; if it is an access token, let the authorization server add the claim \
             (for `aud`, see Issuer::audience_claim)"
        }
        RejectionKind::ClaimIllTyped => "fix the claim's mapping at the authorization server",
        RejectionKind::ClaimsRejected => {
            "compare the token with require_claim_value and validate of its issuer: it may be for another tenant"
        }
        RejectionKind::ClientNotAllowed => "if the client may use this API, add it to allowed_clients",
        RejectionKind::TokenNotBound => {
            "let the client request a token that is bound to its key (RFC 9449 section 5) or its certificate (RFC \
             8705 section 3); where bearer tokens are accepted, their scheme is Bearer"
        }
        RejectionKind::ProofMissing => {
            "let the client send the header `DPoP` with each request, and the proxy forward it"
        }
        RejectionKind::ProofMalformed => {
            "the cause names the part of the proof that is wrong: let the client make it with a library for DPoP"
        }
        RejectionKind::ProofAlgorithmNotAllowed => {
            "let the client sign with an algorithm of the challenge, or allow this one with Dpop::algorithms"
        }
        RejectionKind::ProofKeyMismatch => {
            "let the client sign proofs with the key of its token request; if it did, the token was stolen"
        }
        RejectionKind::ProofSignatureMismatch => {
            "the proof was altered, or its `jwk` is not that of the signing key"
        }
        RejectionKind::ProofMethodMismatch => {
            "let the client make a proof for each request; if a proxy changes the method, use Dpop::target_from"
        }
        RejectionKind::ProofUrlMismatch => {
            "`htu` is not a base URL of Dpop::at followed by the path of the request: if a proxy strips a prefix, \
             add it to the base; if it rewrites paths, use Dpop::target_from"
        }
        RejectionKind::ProofTokenMismatch => "let the client make a new proof when it gets a new token",
        RejectionKind::ProofExpired | RejectionKind::ProofIssuedInFuture => {
            "let the client make a proof for each request and synchronize its clock; with Dpop::nonces its clock does not \
             matter"
        }
        RejectionKind::ProofNonceRequired => {
            "expected once for a new nonce: the client repeats the request with the nonce of `DPoP-Nonce`; if it \
             does not, its library may not support nonces, or CORS hides the header from it"
        }
        RejectionKind::ProofReplayed => {
            "the request was sent twice with one proof: turn off retries of proxies and of the client's HTTP \
             library; if nothing retries, the proof was stolen"
        }
        RejectionKind::ProofsTooMany => {
            "raise Dpop::max_proofs, lower Dpop::max_proof_age, or limit the rate of requests per client"
        }
        RejectionKind::ReplayStoreUnavailable => {
            "no proof is accepted until the store of Dpop::replay_store responds"
        }
        RejectionKind::CertificateMissing => {
            "let the client present its certificate in the TLS handshake, and the proxy forward it; a header is \
             believed only if it comes from an address in from_proxy"
        }
        RejectionKind::CertificateMismatch => {
            "let the client present the certificate of its token request; if it did, the token was stolen"
        }
        RejectionKind::CertificateHeaderMalformed => {
            "compare the header of the proxy with the method of Certificates that you use, and let the proxy replace \
             a header that the client has sent"
        }
        RejectionKind::PeerAddressUnknown => {
            "insert certificates::PeerAddress into the extensions of each request, or set Certificates::peer_address"
        }
        RejectionKind::AuthenticationInsufficient => {
            "let the client send the user through the authorization endpoint with the `acr_values` and `max_age` \
             of the challenge; if the token has no `acr` or `auth_time` then, let the authorization server add them"
        }
        RejectionKind::AuthContextMissing => {
            "let the client request a token with the `claims` of the challenge, and add `acrs` to the optional \
             claims of the API registration"
        }
        RejectionKind::ScopeInsufficient => {
            "let the client request the scopes; if they are in another claim, set Issuer::scope_claims"
        }
        RejectionKind::NotCovered => {
            "add the BearerAuth layer outside of this route: in axum, .layer(auth) covers only the routes that \
             were added before it"
        }
        _ => return None,
    })
}

/// The remedy for a requirement of a route that a token does not meet. `policy` is that of its issuer.
pub(super) fn unmet_hint(unmet: &Unmet, policy: &ClaimsPolicy) -> String {
    match unmet {
        Unmet::Role(_) if policy.role_claims.is_empty() => {
            "no role claim is configured: set Issuer::role_claims, or use the profile of the authorization \
             server, such as Issuer::keycloak"
                .to_owned()
        }
        Unmet::Role(_) => {
            let claims: Vec<&str> = policy.role_claims.iter().map(JsonPointer::as_str).collect();
            format!(
                "the token's role claims ({}) do not have it: assign the role at the authorization server, or \
                 name another claim with Issuer::role_claims",
                claims.join(", ")
            )
        }
        Unmet::Claim(_) => {
            "let the authorization server add the claim; if the token has it, check the function of Require::claim"
                .to_owned()
        }
        Unmet::Detail(_, DetailFault::Absent) => {
            "let the client request the authorization detail (parameter `authorization_details`)".to_owned()
        }
        Unmet::Detail(_, DetailFault::IllTyped) => {
            "compare the authorization detail with the type of the function of Require::detail".to_owned()
        }
        Unmet::Detail(_, DetailFault::Rejected) => {
            "if the token should pass, fix the function of Require::detail on this route, or the detail".to_owned()
        }
        Unmet::Check => {
            "if the token should pass, fix the function of Require::check on this route, or the token's claims"
                .to_owned()
        }
    }
}

/// The remedy for a credential that is no `b64token`.
pub(super) fn malformed_hint(credential: &[u8]) -> Option<&'static str> {
    let is_space = |byte: &u8| byte.is_ascii_whitespace();
    match credential {
        [] => Some("the token is empty"),
        [b'D' | b'd', ..] if starts_with_scheme(credential) => Some("remove the `DPoP ` prefix"),
        text if starts_with_scheme(text) => Some("remove the `Bearer ` prefix"),
        [b'"' | b'\'', ..] => Some("remove the quotation marks around the token"),
        [first, ..] if is_space(first) => Some("remove the white space before the token"),
        [.., last] if is_space(last) => Some("remove the white space after the token"),
        text if text.iter().any(is_space) => {
            Some("the token has white space: look for a line break or a second value")
        }
        _ => None,
    }
}

pub(super) fn starts_with_scheme(text: &[u8]) -> bool {
    [&b"Bearer "[..], b"DPoP "]
        .iter()
        .any(|scheme| text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context(issuers: &[&'static str]) -> HintContext<'static> {
        HintContext {
            issuers: issuers.to_vec(),
            issuer: None,
            introspects: false,
            schemes: Schemes::Bearer,
            now: NumericDate::from_secs(1_000).unwrap(),
            shows_token: true,
        }
    }

    #[test]
    fn an_issuer_that_is_almost_configured_is_named_among_many() {
        let context = context(&["https://a.example", "https://b.example/"]);
        let hint = |issuer: &str| {
            let facts = TokenFacts { issuer: Some(issuer.to_owned()), ..TokenFacts::default() };
            context.hint(RejectionKind::IssuerUnknown, &facts).unwrap()
        };
        let text = hint("https://b.example");
        assert!(text.contains("\"https://b.example/\" (only the configured one ends in a slash)"), "{text}");
        assert!(hint("https://c.example").contains("another authorization server"));
        assert!(!hint("https://secret.example").contains("secret"), "the token is not quoted");
    }

    #[test]
    fn times_are_in_a_hint_only_if_they_may() {
        let facts = TokenFacts { issued_at: NumericDate::from_secs(1_040), ..TokenFacts::default() };
        let with_times = context(&[]);
        let hint = with_times.hint(RejectionKind::TokenIssuedInFuture, &facts).unwrap();
        assert!(hint.starts_with("issued 40 s in the future, leeway 0 s: synchronize"), "{hint}");
        let without = HintContext { shows_token: false, ..with_times };
        let hint = without.hint(RejectionKind::TokenIssuedInFuture, &facts).unwrap();
        assert!(!hint.contains("40"), "{hint}");
    }

    #[test]
    fn text_that_is_no_token_gets_a_hint_about_what_to_remove() {
        for (text, part) in [
            ("Bearer abc", "prefix"),
            ("bearer abc", "prefix"),
            ("\"abc\"", "quotation marks"),
            ("abc\n", "after"),
            (" abc", "before"),
            ("abc def", "second value"),
            ("", "empty"),
        ] {
            let hint = malformed_hint(text.as_bytes());
            assert!(hint.is_some_and(|hint| hint.contains(part)), "{text:?}: {hint:?}");
        }
        assert_eq!(malformed_hint(b"a{b"), None);
    }
}
