//! Builds the `Introspector` from the introspection settings of one issuer.
//!
//! Checks: the URL of the endpoint. `check.rs` checks the other settings.
//! Does not check: anything that needs the network.

use std::sync::Arc;

use super::Introspection;
use crate::authenticate::{IssuerIntrospection, OpaqueTokens};
use crate::encoding::json_pointer::JsonPointer;
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
use crate::transport::FetchLimits;

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
                observers: issuer.observers,
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
                limits: FetchLimits { addresses: issuer.addresses, ..self.limits },
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
                    reason: "the endpoint cannot be discovered, because the identifier is not an https URL",
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

    fn response_policy(&self, mut claims: ClaimsPolicy, mut names: ConfiguredNames) -> ResponsePolicy {
        RESPONSE_MEMBERS.iter().for_each(|name| names.add(name));
        // RFC 7662 section 2.2 names the scopes and the client, whatever the JWTs of the issuer do. A user
        // who names a claim of another kind leaves `scope` out on purpose.
        let is = |claim: &JsonPointer, name: &str| claim.is_member() && claim.member() == name;
        let has_only_scp = claims.scope_claims.iter().all(|claim| is(claim, "scp"));
        if has_only_scp && !claims.scope_claims.is_empty() {
            claims.scope_claims.extend(JsonPointer::parse("scope"));
        }
        let jwt = ClaimsPolicy {
            optional: OptionalClaims { iss: true, aud: true, exp: true },
            required: Vec::new(),
            required_values: Vec::new(),
            max_age: None,
            max_lifetime: None,
            clients: None,
            audience_claim: None,
            validators: Vec::new(),
            ..claims.clone()
        };
        let optional = OptionalClaims { iss: true, aud: self.accept_without_audience, exp: false };
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
