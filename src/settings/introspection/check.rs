//! Checks the introspection settings of one issuer.
//!
//! Checks: client credentials, the token endpoint, prefix and limits; that signed responses have keys to
//! verify them; that no setting contradicts another.
//! Does not check: the URL of the endpoint, and anything that needs the network.

use std::time::Duration;

use super::Introspection;
use crate::authenticate::{JwtIntrospection, OpaqueTokens};
use crate::fetch_url::FetchUrl;
use crate::introspection::EndpointSource;
use crate::settings::config_error::ConfigProblem;
use crate::settings::context::IntrospectedIssuer;

/// The maximum lifetime of a token whose response has no `exp`.
const MAX_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

/// The reason and the hint of a problem.
type Fault = (&'static str, &'static str);

impl Introspection {
    pub(super) fn check(&self, issuer: &IntrospectedIssuer<'_>, problems: &mut Vec<ConfigProblem>) {
        let faults = [self.credential_faults(issuer), self.token_faults(), self.response_faults(issuer)];
        let faults = faults.into_iter().flatten();
        problems.extend(faults.map(|(reason, hint)| ConfigProblem::IntrospectionUnusable {
            issuer: issuer.claims.issuer.to_string(),
            reason,
            hint,
        }));
        let limits = [
            ("timeout of Introspection", self.limits.timeout.is_zero()),
            ("max_concurrent_calls", self.limiter.max_concurrent == 0),
            ("max_calls_per_minute", self.limiter.per_minute == Some(0)),
        ];
        let zeros = limits.into_iter().filter(|(_, is_zero)| *is_zero);
        problems.extend(zeros.map(|(setting, _)| ConfigProblem::Zero { setting }));
    }

    fn credential_faults(&self, issuer: &IntrospectedIssuer<'_>) -> Vec<Fault> {
        let invalid = self.auth.fault().map(|reason| {
            (reason, "use the credentials that the authorization server registered for this API")
        });
        let token_endpoint = self.auth.token_endpoint();
        let is_unusable = |url: &&str| FetchUrl::parse(url, issuer.plain_http).is_err();
        let token_endpoint = token_endpoint.filter(is_unusable).map(|_| {
            (
                "the token endpoint in ClientCredentials is not a valid https URL",
                "use its https URL, or Issuer::dangerous_allow_http in a test network",
            )
        });
        let mtls = (self.auth.is_mtls() && self.client.is_none()).then_some((
            "ClientAuth::mtls needs an HTTP client with a client certificate",
            "set one with Introspection::http_client",
        ));
        [invalid, token_endpoint, mtls].into_iter().flatten().collect()
    }

    /// Problems of the settings for the tokens to introspect.
    fn token_faults(&self) -> Vec<Fault> {
        let is_empty = matches!(&self.opaque_tokens, Some(OpaqueTokens::Prefix(prefix)) if prefix.is_empty());
        let prefix = is_empty.then_some(("opaque_prefix is empty", "set a prefix, or use .opaque_default()"));
        let is_without_effect = self.accept_pending_jwts && matches!(self.jwts, JwtIntrospection::None);
        let pending = is_without_effect.then_some((
            "dangerous_accept_pending_jwts has no effect, because JWTs are not introspected",
            "remove it, or use .also_jwts() or .also_jwts_when(...)",
        ));
        [prefix, pending].into_iter().flatten().collect()
    }

    /// Problems of the settings for the responses to accept.
    fn response_faults(&self, issuer: &IntrospectedIssuer<'_>) -> Vec<Fault> {
        let signed = (self.require_signed && issuer.keys.is_none()).then_some((
            "require_signed needs the keys of the issuer, which has none",
            "use another constructor of Issuer",
        ));
        let is_out_of_range = |lifetime: Duration| lifetime.is_zero() || lifetime > MAX_LIFETIME;
        let lifetime = self.lifetime_without_exp.is_some_and(is_out_of_range).then_some((
            "the lifetime in dangerous_accept_without_expiry is zero or longer than 24 h",
            "use a short lifetime, such as 5 min",
        ));
        let contradicts = self.lifetime_without_exp.is_some() && issuer.claims.max_lifetime.is_some();
        let contradiction = contradicts.then_some((
            "dangerous_accept_without_expiry contradicts max_lifetime, which needs the `exp` of each token",
            "remove one of them",
        ));
        [signed, lifetime, contradiction].into_iter().flatten().collect()
    }

    /// The burst is half of the limit, and must cover the discovery of the endpoint, a request for a bearer
    /// token and one introspection request.
    pub(super) fn check_rate_limit(
        &self,
        issuer: &IntrospectedIssuer<'_>,
        endpoint: &EndpointSource,
        problems: &mut Vec<ConfigProblem>,
    ) {
        let requests = endpoint.max_requests().saturating_add(self.auth.max_requests());
        let least = requests.saturating_mul(2).saturating_add(1);
        if self.limiter.per_minute.is_some_and(|calls| (1..least).contains(&calls)) {
            problems.push(ConfigProblem::IntrospectionUnusable {
                issuer: issuer.claims.issuer.to_string(),
                reason: "max_calls_per_minute is too low for the discovery of the endpoint and its credentials",
                hint: match self.auth.max_requests() {
                    0 => "use at least 7, or set the URL with .endpoint(...)",
                    _ => "use at least 11, or set the URL with .endpoint(...)",
                },
            });
        }
    }
}
