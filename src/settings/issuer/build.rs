//! Builds the `TrustedIssuer` from the settings of one issuer.
//!
//! Checks: URLs and key sets. `check.rs` checks the other settings.
//! Does not check: anything that needs the network.

use std::slice;
use std::sync::Arc;

use super::{Issuer, KeyOrigin};
use crate::authenticate::{IssuerState, TrustedIssuer};
use crate::crypto::{AlgorithmSet, KeyAlgorithms};
use crate::encoding::json_pointer::JsonPointer;
use crate::fetch_url::{FetchUrl, redacted};
use crate::jwks::{KeySet, KeySource, Keys, RemoteConfig};
use crate::jwt::ConfiguredNames;
use crate::jwt::claims::{AudienceClaim, ClaimsPolicy, OptionalClaims, RequiredClaim, RequiredValue};
use crate::jwt::header::{HeaderPolicy, media_subtype};
use crate::metadata::Discoverable;
use crate::observe::IssuerObservers;
use crate::settings::config_error::ConfigProblem;
use crate::settings::context::{AlreadyReported, BuildContext, IntrospectedIssuer};

/// The `typ` of an access token in RFC 9068 section 2.1, without `application/`.
const RFC_9068_TYPE: &str = "at+jwt";

/// The `typ` of other JWTs (RFC 7519 section 5.1), in lower case.
const JWT_TYPE: &str = "jwt";

/// The claims that RFC 9068 section 2.2 requires beside `iss`, `exp` and `aud`.
const RFC_9068_CLAIMS: [&str; 4] = ["sub", "client_id", "iat", "jti"];

impl Issuer {
    /// The issuer as the request path uses it; `None` after at least one problem.
    pub(crate) fn build(
        &self,
        cx: &BuildContext,
        problems: &mut Vec<ConfigProblem>,
    ) -> Option<TrustedIssuer> {
        self.check(problems);
        if cx.fapi2 {
            self.check_fapi2(problems);
        }
        let default = if cx.fapi2 { AlgorithmSet::FAPI2 } else { AlgorithmSet::ALL };
        let algorithms = self.algorithms.unwrap_or(default);
        let keys = match self.keys {
            KeyOrigin::None => None,
            _ => Some(self.build_keys(algorithms, cx, problems).ok_or(AlreadyReported)),
        };
        let header = self.header_policy(algorithms);
        let claims = self.claims_policy(cx);
        let introspection = match &self.introspection {
            None => None,
            Some(introspection) => {
                let issuer = self.introspected(&header, &claims, keys.clone(), cx);
                Some(introspection.build(issuer, problems)?)
            }
        };
        // Only now, so that problems of the introspection are reported even if the keys are unusable.
        let keys = keys.transpose().ok()?;
        Some(TrustedIssuer {
            header,
            claims,
            names: self.names(),
            keys,
            introspection,
            state: IssuerState::default(),
        })
    }

    /// The claims that parsing a token must retain.
    fn names(&self) -> ConfiguredNames {
        let values = self.required_values.iter().map(|(claim, _)| claim);
        let sources = self.scope_claims.iter().chain(&self.role_claims).chain(&self.audience_claim);
        let sources: Vec<JsonPointer> =
            sources.chain(values).filter_map(|text| JsonPointer::parse(text)).collect();
        let clients = self.client_claims.iter().map(String::as_str);
        sources.iter().map(JsonPointer::member).chain(clients).chain(self.required_names()).collect()
    }

    fn header_policy(&self, algorithms: AlgorithmSet) -> HeaderPolicy {
        let lenient = (!self.strict_rfc9068).then_some(JWT_TYPE);
        let added = self.added_types.iter().map(String::as_str);
        HeaderPolicy {
            algorithms,
            types: [RFC_9068_TYPE]
                .into_iter()
                .chain(lenient)
                .chain(added)
                .map(|typ| media_subtype(typ).into())
                .collect(),
            untyped: !self.strict_rfc9068,
        }
    }

    fn claims_policy(&self, cx: &BuildContext) -> ClaimsPolicy {
        let boxed =
            |texts: &[String]| texts.iter().map(|text| Box::from(text.as_str())).collect::<Vec<Box<str>>>();
        let pointers =
            |texts: &[String]| texts.iter().filter_map(|text| JsonPointer::parse(text)).collect::<Vec<_>>();
        let audience_claim = self.audience_claim.as_deref().and_then(|text| {
            let claim = JsonPointer::parse(text)?;
            Some(AudienceClaim { claim, is_client: self.audience_is_client(text) })
        });
        let required_value = |(claim, value): &(String, RequiredValue)| {
            Some(RequiredClaim { claim: JsonPointer::parse(claim)?, value: value.clone() })
        };
        ClaimsPolicy {
            issuer: self.identifier.as_str().into(),
            audiences: boxed(&self.audiences(cx)),
            leeway: cx.leeway,
            audience_claim,
            scope_claims: pointers(&self.scope_claims),
            role_claims: pointers(&self.role_claims),
            scope_implies: self.scope_implies.clone(),
            required: self.required_names().map(Arc::from).collect(),
            required_values: self.required_values.iter().filter_map(required_value).collect(),
            max_age: self.max_age,
            max_lifetime: self.max_lifetime,
            client_claims: boxed(&self.client_claims),
            clients: self.allowed_clients.as_deref().map(boxed),
            accepts_id_token_claims: self.accepts_id_token_claims,
            validators: self.validators.clone(),
            optional: OptionalClaims::default(),
        }
    }

    fn introspected<'i>(
        &self,
        header: &'i HeaderPolicy,
        claims: &ClaimsPolicy,
        keys: Option<Result<Keys, AlreadyReported>>,
        cx: &BuildContext,
    ) -> IntrospectedIssuer<'i> {
        IntrospectedIssuer {
            header,
            claims: claims.clone(),
            required: self.required_claims.iter().map(|name| name.as_str().into()).collect(),
            names: self.names(),
            keys,
            discoverable: self.discoverable(),
            plain_http: self.plain_http,
            addresses: self.addresses,
            client: self.client.clone().or_else(|| cx.client()),
            responses: Arc::clone(&cx.responses),
            clock: Arc::clone(&cx.clock),
            observers: self.observers(cx),
        }
    }

    fn observers(&self, cx: &BuildContext) -> IssuerObservers {
        IssuerObservers { observers: cx.observers.clone(), resolver_pattern: self.resolver_pattern.clone() }
    }

    /// The claims that its JWTs must have beside `iss`, `aud` and `exp`.
    fn required_names(&self) -> impl Iterator<Item = &str> {
        let strict = RFC_9068_CLAIMS.into_iter().filter(|_| self.strict_rfc9068);
        self.required_claims.iter().map(String::as_str).chain(strict)
    }

    fn audiences(&self, cx: &BuildContext) -> Vec<String> {
        let own = self.audience.as_ref().map(slice::from_ref);
        [own.unwrap_or(&cx.audiences), &self.added_audiences].concat()
    }

    fn build_keys(
        &self,
        algorithms: AlgorithmSet,
        cx: &BuildContext,
        problems: &mut Vec<ConfigProblem>,
    ) -> Option<Keys> {
        let algorithms = KeyAlgorithms { allowed: algorithms, default: self.default_key_algorithm };
        let mut parse = |jwks: &str| {
            let parsed = KeySet::parse_for(&self.identifier, jwks.as_bytes(), algorithms);
            let problem =
                |reason: String| ConfigProblem::JwksUnusable { issuer: self.identifier.clone(), reason };
            parsed.map_err(|fault| problems.push(problem(fault.to_string()))).ok()
        };
        if let KeyOrigin::Document(jwks) = &self.keys {
            return parse(jwks).map(|keys| Keys::configured(&self.identifier, keys));
        }
        let seed = match &self.seed {
            Some(jwks) => Some(parse(jwks)?),
            None => None,
        };
        let source = self.key_source(problems);
        let fallbacks: Option<Vec<FetchUrl>> =
            self.fallback_urls.iter().map(|url| self.jwks_url(url, problems)).collect();
        let (source, fallbacks) = source.zip(fallbacks)?;
        let client = self.client.clone().or_else(|| cx.client())?;
        let mut config = cx.remote(&self.identifier, source, client);
        config.limits.addresses = self.addresses;
        config.observers = self.observers(cx);
        let keys = cx.sources.keys(RemoteConfig { algorithms, fallbacks, ..config }, seed);
        Some(Keys::fetched(&self.identifier, keys))
    }

    fn key_source(&self, problems: &mut Vec<ConfigProblem>) -> Option<KeySource> {
        match &self.keys {
            KeyOrigin::Document(_) | KeyOrigin::None => None,
            KeyOrigin::Discovery | KeyOrigin::SharedMetadata(_) => {
                Some(KeySource::Discovered(self.discoverable()?))
            }
            KeyOrigin::Url(text) => Some(KeySource::Url(self.jwks_url(text, problems)?)),
        }
    }

    fn jwks_url(&self, text: &str, problems: &mut Vec<ConfigProblem>) -> Option<FetchUrl> {
        let parsed = FetchUrl::parse(text, self.plain_http);
        let unusable = |reason| ConfigProblem::JwksUrlUnusable {
            issuer: self.identifier.clone(),
            url: redacted(text),
            reason,
        };
        let url = parsed.map_err(|fault| unusable(fault.as_str()));
        // A profile has made the URL of the same argument.
        url.map_err(|problem| problems.extend(self.profile_fault.is_none().then_some(problem))).ok()
    }

    /// The URL from which metadata is found; `None` if there is no such URL.
    fn discoverable(&self) -> Option<Discoverable> {
        let (url, template) = match &self.keys {
            KeyOrigin::SharedMetadata(url) => (url, Some(self.template()?)),
            _ => (&self.identifier, None),
        };
        let url = FetchUrl::parse(url, self.plain_http).ok()?;
        let (identifier, hosts) = (self.identifier.as_str().into(), self.endpoint_hosts.clone());
        let own = Discoverable::new(identifier, url, self.plain_http, hosts);
        Some(match template {
            Some(template) => own.with_template(template),
            None => own,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header_policy(issuer: &Issuer) -> HeaderPolicy {
        issuer.header_policy(AlgorithmSet::ALL)
    }

    #[test]
    fn order_of_strict_rfc9068_and_dangerous_accept_type_does_not_matter() {
        let issuer = || Issuer::discover("https://login.example.com");
        for (name, issuer) in [
            ("strict first", issuer().strict_rfc9068().dangerous_accept_type("application/special+jwt")),
            ("strict last", issuer().dangerous_accept_type("application/special+jwt").strict_rfc9068()),
        ] {
            let policy = header_policy(&issuer);
            let types: Vec<&str> = policy.types.iter().map(|typ| &**typ).collect();
            assert_eq!(types, ["at+jwt", "special+jwt"], "{name}");
            assert!(!policy.untyped, "{name}");
        }
    }

    #[test]
    fn lenient_issuer_accepts_jwt_and_no_type() {
        let policy = header_policy(&Issuer::discover("https://login.example.com"));
        let types: Vec<&str> = policy.types.iter().map(|typ| &**typ).collect();
        assert_eq!(types, ["at+jwt", "jwt"]);
        assert!(policy.untyped);
    }
}
