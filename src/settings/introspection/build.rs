//! Checks the introspection settings of one issuer and builds the `Introspector`.
//!
//! Checks: client credentials, endpoint URL, prefix and limits; that signed responses have keys to verify
//! them.
//! Does not check: anything that needs the network.

use std::sync::Arc;
use std::time::Duration;

use super::Introspection;
use crate::authenticate::{IssuerIntrospection, JwtIntrospection, OpaqueTokens};
use crate::fetch_url::{FetchUrl, redacted};
use crate::introspection::{
    CachePolicy, EndpointSource, IntrospectionClientConfig, Introspector, IntrospectorConfig,
    MAX_RESPONSE_AGE, RESPONSE_MEMBERS, ResponsePolicy, ResponseVerifier, SIGNED_TYPE,
};
use crate::jwks::Keys;
use crate::jwt::ConfiguredNames;
use crate::jwt::claims::{ClaimsPolicy, OptionalClaims};
use crate::jwt::header::HeaderPolicy;
use crate::metadata::Endpoint;
use crate::settings::config_error::ConfigProblem;
use crate::settings::context::IntrospectedIssuer;

/// The maximum lifetime of a token whose response has no `exp`.
const MAX_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

impl Introspection {
    /// The introspection as the request path uses it; `None` after at least one problem.
    pub(in crate::settings) fn build(
        &self,
        issuer: IntrospectedIssuer<'_>,
        problems: &mut Vec<ConfigProblem>,
    ) -> Option<IssuerIntrospection> {
        self.check(&issuer, problems);
        let endpoint = self.endpoint_source(&issuer, problems)?;
        self.check_rate_limit(&issuer, &endpoint, problems);
        let client = self.client.clone().or(issuer.client)?;
        let claims = ClaimsPolicy { required: issuer.required, ..issuer.claims };
        let config = IntrospectorConfig {
            client: IntrospectionClientConfig {
                issuer: Arc::clone(&claims.issuer),
                endpoint,
                auth: self.auth.clone(),
                plain_http: issuer.plain_http,
                client,
                response_verifier: issuer
                    .keys
                    .transpose()
                    .ok()?
                    .map(|keys| self.response_verifier(keys, issuer.header, &claims)),
                unsigned: !self.require_signed,
                limits: self.limits,
                limiter: self.limiter.clone(),
            },
            cache: CachePolicy {
                max_token_age: claims.max_age.map(|age| age.saturating_add(claims.leeway)),
                ..self.cache.clone()
            },
            responses: issuer.responses,
            accept_pending_jwts: self.accept_pending_jwts,
            response_policy: self.response_policy(claims, issuer.names),
            clock: issuer.clock,
        };
        Some(IssuerIntrospection {
            introspector: Introspector::new(config),
            jwts: self.jwts.clone(),
            opaque: self.opaque_tokens.clone().unwrap_or(OpaqueTokens::Others),
        })
    }

    fn check(&self, issuer: &IntrospectedIssuer<'_>, problems: &mut Vec<ConfigProblem>) {
        let has_keys = issuer.keys.is_some();
        let mut unusable = |reason: &'static str, hint: &'static str| {
            let issuer = issuer.claims.issuer.to_string();
            problems.push(ConfigProblem::IntrospectionUnusable { issuer, reason, hint });
        };
        if let Some(reason) = self.auth.fault() {
            unusable(reason, "use the credentials that the authorization server registered for this API");
        }
        let token_endpoint = self.auth.token_endpoint();
        if token_endpoint.is_some_and(|url| FetchUrl::parse(url, issuer.plain_http).is_err()) {
            unusable(
                "the token endpoint in ClientCredentials is not a valid https URL",
                "use its https URL, or Issuer::dangerous_allow_http in a test network",
            );
        }
        if matches!(&self.opaque_tokens, Some(OpaqueTokens::Prefix(prefix)) if prefix.is_empty()) {
            unusable("opaque_prefix is empty", "set a prefix, or use .opaque_default()");
        }
        if self.accept_pending_jwts && matches!(self.jwts, JwtIntrospection::None) {
            unusable(
                "dangerous_accept_pending_jwts has no effect, because JWTs are not introspected",
                "remove it, or use .also_jwts() or .also_jwts_when(...)",
            );
        }
        if self.require_signed && !has_keys {
            unusable(
                "require_signed needs the keys of the issuer, which has none",
                "use another constructor of Issuer",
            );
        }
        if self.lifetime_without_exp.is_some_and(|lifetime| lifetime.is_zero() || lifetime > MAX_LIFETIME) {
            unusable(
                "the lifetime in dangerous_accept_without_expiry is zero or longer than 24 h",
                "use a short lifetime, such as 5 min",
            );
        }
        if self.lifetime_without_exp.is_some() && issuer.claims.max_lifetime.is_some() {
            unusable(
                "dangerous_accept_without_expiry contradicts max_lifetime, which needs the `exp` of each token",
                "remove one of them",
            );
        }
        if self.auth.is_mtls() && self.client.is_none() {
            unusable(
                "ClientAuth::mtls needs an HTTP client with a client certificate",
                "set one with Introspection::http_client",
            );
        }
        let limits = [
            ("timeout of Introspection", self.limits.timeout.is_zero()),
            ("max_concurrent_calls", self.limiter.max_concurrent == 0),
            ("max_calls_per_minute", self.limiter.per_minute == Some(0)),
        ];
        let zeros = limits.into_iter().filter(|(_, is_zero)| *is_zero);
        problems.extend(zeros.map(|(setting, _)| ConfigProblem::Zero { setting }));
    }

    /// The burst is half of the limit, and must cover the discovery of the endpoint, a request for a bearer
    /// token and one introspection request.
    fn check_rate_limit(
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

    fn endpoint_source(
        &self,
        issuer: &IntrospectedIssuer<'_>,
        problems: &mut Vec<ConfigProblem>,
    ) -> Option<EndpointSource> {
        let identifier = || issuer.claims.issuer.to_string();
        let Some(text) = &self.endpoint else {
            let endpoint =
                if self.auth.is_mtls() { Endpoint::IntrospectionOverMtls } else { Endpoint::Introspection };
            let discoverable = issuer.discoverable.clone();
            if discoverable.is_none() {
                problems.push(ConfigProblem::IntrospectionUnusable {
                    issuer: identifier(),
                    reason: "the endpoint cannot be discovered, because the identifier is not a URL",
                    hint: "set the URL with .endpoint(...)",
                });
            }
            return discoverable.map(|issuer| EndpointSource::Discovered(issuer, endpoint));
        };
        match FetchUrl::parse(text, issuer.plain_http) {
            Ok(url) => Some(EndpointSource::Url(url)),
            Err(fault) => {
                let url = redacted(text);
                let reason = fault.as_str();
                problems.push(ConfigProblem::IntrospectionUrlUnusable { issuer: identifier(), url, reason });
                None
            }
        }
    }

    fn response_policy(&self, claims: ClaimsPolicy, mut names: ConfiguredNames) -> ResponsePolicy {
        RESPONSE_MEMBERS.iter().for_each(|name| names.add(name));
        let jwt = ClaimsPolicy {
            optional: OptionalClaims { iss: true, aud: true, exp: true },
            required: Vec::new(),
            max_age: None,
            max_lifetime: None,
            clients: None,
            audience_claim: None,
            validators: Vec::new(),
            ..claims.clone()
        };
        let optional = OptionalClaims { iss: true, aud: self.accept_without_audience, exp: false };
        // RFC 7662 section 2.2 names the client, whatever the JWTs of the issuer do.
        let mut client_claims = claims.client_claims.clone();
        client_claims.insert(0, "client_id".into());
        let opaque = ClaimsPolicy { optional, client_claims, ..claims };
        ResponsePolicy { opaque, jwt, names, lifetime_without_exp: self.lifetime_without_exp }
    }

    fn response_verifier(
        &self,
        keys: Keys,
        header: &HeaderPolicy,
        claims: &ClaimsPolicy,
    ) -> ResponseVerifier {
        let header = HeaderPolicy { types: vec![SIGNED_TYPE.into()], untyped: false, ..header.clone() };
        let client_id = self.auth.client_id().map(Box::from);
        let audiences = claims.audiences.iter().cloned().chain(client_id).collect();
        let optional = OptionalClaims { exp: true, ..OptionalClaims::default() };
        // The claim that stands for `aud` is that of a token. A response must name this API itself.
        let claims = ClaimsPolicy {
            audiences,
            audience_claim: None,
            optional,
            max_age: Some(MAX_RESPONSE_AGE),
            ..claims.clone()
        };
        ResponseVerifier { keys, header, claims }
    }
}
