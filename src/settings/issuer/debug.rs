//! `Debug` of an issuer: every setting that differs from its default. It shows no secret.

use std::fmt::{Debug, DebugStruct, Formatter, Result};

use super::{Issuer, KeyOrigin};
use crate::fetch_url::{AddressPolicy, PlainHttp, redacted};

impl Debug for Issuer {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let default = Self::new(String::new(), KeyOrigin::None);
        let mut settings = f.debug_struct("Issuer");
        settings.field("identifier", &self.identifier);
        match &self.keys {
            KeyOrigin::Discovery => settings.field("keys", &format_args!("discovered")),
            KeyOrigin::SharedMetadata(url) => {
                settings.field("keys", &format_args!("shared_metadata({:?})", redacted(url)))
            }
            KeyOrigin::Url(url) => settings.field("keys", &redacted(url)),
            KeyOrigin::Document(_) => settings.field("keys", &format_args!("static")),
            KeyOrigin::None => settings.field("keys", &format_args!("none")),
        };
        field_unless_default(&mut settings, "algorithms", &self.algorithms, &default.algorithms);
        let (own, none) = (&self.default_key_algorithm, &default.default_key_algorithm);
        field_unless_default(&mut settings, "default_key_algorithm", own, none);
        field_unless_default(&mut settings, "audience", &self.audience, &default.audience);
        field_unless_default(&mut settings, "add_audience", &self.added_audiences, &default.added_audiences);
        field_unless_default(&mut settings, "audience_claim", &self.audience_claim, &default.audience_claim);
        field_unless_default(&mut settings, "scope_claims", &self.scope_claims, &default.scope_claims);
        field_unless_default(&mut settings, "role_claims", &self.role_claims, &default.role_claims);
        field_unless_default(&mut settings, "client_claims", &self.client_claims, &default.client_claims);
        field_unless_default(&mut settings, "require_claim", &self.required_claims, &default.required_claims);
        let values = &self.required_values;
        field_unless_default(&mut settings, "require_claim_value", values, &default.required_values);
        field_unless_default(
            &mut settings,
            "allowed_clients",
            &self.allowed_clients,
            &default.allowed_clients,
        );
        field_unless_default(&mut settings, "max_age", &self.max_age, &default.max_age);
        field_unless_default(&mut settings, "max_lifetime", &self.max_lifetime, &default.max_lifetime);
        field_unless_default(&mut settings, "strict_rfc9068", &self.strict_rfc9068, &false);
        field_unless_default(&mut settings, "validators", &self.validators.len(), &0);
        field_unless_default(&mut settings, "scope_implies", &self.scope_implies.is_some(), &false);
        field_unless_default(&mut settings, "seed_jwks", &self.seed.is_some(), &false);
        let fallback_urls: Vec<String> = self.fallback_urls.iter().map(|url| redacted(url)).collect();
        field_unless_default(&mut settings, "add_fallback_jwks_url", &fallback_urls, &Vec::new());
        field_unless_default(&mut settings, "http_client", &self.client.is_some(), &false);
        field_unless_default(&mut settings, "introspect", &self.introspection.is_some(), &false);
        field_unless_default(&mut settings, "dangerous_accept_type", &self.added_types, &default.added_types);
        let restricts = self.endpoint_hosts.restricts();
        field_unless_default(&mut settings, "endpoint_hosts", &restricts, &false);
        let is_public = self.addresses == AddressPolicy::PublicOnly;
        field_unless_default(&mut settings, "require_public_addresses", &is_public, &false);
        let marks = "dangerous_accept_id_token_claims";
        field_unless_default(&mut settings, marks, &self.accepts_id_token_claims, &false);
        let plain_http = matches!(self.plain_http, PlainHttp::Anywhere);
        field_unless_default(&mut settings, "dangerous_allow_http", &plain_http, &false);
        settings.finish_non_exhaustive()
    }
}

fn field_unless_default<T: Debug + PartialEq>(
    settings: &mut DebugStruct<'_, '_>,
    name: &str,
    value: &T,
    default: &T,
) {
    if value != default {
        settings.field(name, value);
    }
}
