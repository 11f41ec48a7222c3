//! The settings that all issuers share as data.

use std::fmt;
use std::time::Duration;

use http::HeaderName;
use serde::Deserialize;
use serde::de::value::SeqAccessDeserializer;
use serde::de::{Deserializer, SeqAccess, Visitor};

use super::issuer::IssuerConfig;
use super::resource_metadata::ResourceMetadataConfig;
use super::senders::{CertificatesConfig, DpopConfig};
use super::values::{Problems, one_or_many, secs};
use crate::bearer::TokenSource;
use crate::builder::{BearerAuthBuilder, TokenCache};
use crate::middleware::BearerAuth;
use crate::settings::{ConfigError, Issuer};

#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Settings {
    #[serde(deserialize_with = "one_or_many")]
    pub(super) audience: Vec<String>,
    #[serde(deserialize_with = "issuers")]
    pub(super) issuers: Vec<IssuerConfig>,
    pub(super) realm: Option<String>,
    #[serde(default)]
    pub(super) optional: bool,
    #[serde(default)]
    pub(super) allow_preflight: bool,
    #[serde(default)]
    pub(super) strip_credentials: bool,
    #[serde(default)]
    pub(super) omit_error_descriptions: bool,
    #[serde(default)]
    pub(super) log_token_details: bool,
    pub(super) grpc: Option<bool>,
    #[serde(default)]
    pub(super) skip_start_check: bool,
    #[serde(default)]
    pub(super) allow_no_issuer: bool,
    #[serde(default)]
    pub(super) token_sources: Vec<SourceConfig>,
    pub(super) leeway_secs: Option<u64>,
    pub(super) fetch_timeout_secs: Option<u64>,
    pub(super) max_key_wait_secs: Option<u64>,
    pub(super) jwks_ttl_secs: Option<u64>,
    pub(super) jwks_cooldown_secs: Option<u64>,
    pub(super) jwks_stale_for_secs: Option<u64>,
    pub(super) jwks_stale_for_bad_responses_secs: Option<u64>,
    pub(super) max_token_bytes: Option<usize>,
    pub(super) max_rejection_events_per_second: Option<u32>,
    pub(super) max_cached_responses: Option<usize>,
    pub(super) max_cached_response_bytes: Option<usize>,
    pub(super) token_cache: Option<CacheConfig>,
    pub(super) resource_metadata: Option<ResourceMetadataConfig>,
    pub(super) dpop: Option<DpopConfig>,
    pub(super) certificates: Option<CertificatesConfig>,
    #[serde(default)]
    pub(super) fapi2: bool,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum SourceConfig {
    Cookie(String),
    Header(String),
    Query,
    WebSocketProtocol(String),
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum CacheConfig {
    Disabled,
    Limited(CacheLimitsConfig),
}

#[derive(Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CacheLimitsConfig {
    max_tokens: Option<usize>,
    max_bytes: Option<usize>,
}

/// Stands in for the audience of a builder that is only checked.
const NO_AUDIENCE: &str = "none";

type SetDuration = fn(BearerAuthBuilder, Duration) -> BearerAuthBuilder;
type SetNumber = fn(BearerAuthBuilder, usize) -> BearerAuthBuilder;
type SetFlag = fn(BearerAuthBuilder) -> BearerAuthBuilder;

impl Settings {
    /// A builder with these settings, unless there are already `problems` or a setting cannot be read.
    pub(super) fn builder(&self, mut problems: Problems) -> Result<BearerAuthBuilder, ConfigError> {
        if self.audience.is_empty() {
            problems.add("audience", "is an empty list", "name this API as `aud` in its tokens does");
        }
        // After a problem the builder still gets all settings that can be read, so that its own problems are
        // reported, too.
        let mut audiences = self.audience.iter();
        let mut builder = BearerAuth::builder(audiences.next().map_or(NO_AUDIENCE, |audience| audience));
        for audience in audiences {
            builder = builder.add_audience(audience);
        }
        for issuer in self.build_issuers(&mut problems) {
            builder = builder.add_issuer(issuer);
        }
        builder = self.add_sources(builder, &mut problems);
        if let Some(realm) = &self.realm {
            builder = builder.realm(realm);
        }
        if let Some(metadata) = &self.resource_metadata {
            builder = builder.resource_metadata(metadata.build());
        }
        if let Some(dpop) = self.dpop.as_ref().and_then(|dpop| dpop.build(&mut problems)) {
            builder = builder.dpop(dpop);
        }
        if let Some(certificates) = &self.certificates {
            builder = builder.certificates(certificates.build());
        }
        problems.into_result(self.set_numbers(self.set_flags(builder)))
    }

    /// The issuers that have an identifier.
    pub(super) fn build_issuers(&self, problems: &mut Problems) -> Vec<Issuer> {
        let issuers = self.issuers.iter().enumerate();
        issuers.filter_map(|(index, issuer)| issuer.build(&format!("issuers[{index}]"), problems)).collect()
    }

    /// The settings, unless reading them had `problems`. Those that the builder finds then join them.
    pub(super) fn checked(self, problems: Problems) -> Result<Self, ConfigError> {
        if problems.is_empty() {
            return Ok(self);
        }
        let built = self.builder(problems);
        built.map(|_| self)
    }

    fn add_sources(&self, mut builder: BearerAuthBuilder, problems: &mut Problems) -> BearerAuthBuilder {
        for (index, source) in self.token_sources.iter().enumerate() {
            let source = match source {
                SourceConfig::Cookie(name) => TokenSource::cookie(name),
                SourceConfig::Query => TokenSource::query(),
                SourceConfig::WebSocketProtocol(prefix) => TokenSource::web_socket_protocol(prefix),
                SourceConfig::Header(name) => match HeaderName::try_from(name) {
                    Ok(name) => TokenSource::header(name),
                    Err(_) => {
                        let setting = format!("token_sources[{index}].header");
                        let hint = "use letters, digits and hyphens, such as x-access-token";
                        problems.add(setting, "is not the name of a header", hint);
                        continue;
                    }
                },
            };
            builder = builder.add_token_source(source);
        }
        builder
    }

    fn set_flags(&self, mut builder: BearerAuthBuilder) -> BearerAuthBuilder {
        let flags: [(bool, SetFlag); 8] = [
            (self.optional, BearerAuthBuilder::optional),
            (self.allow_preflight, BearerAuthBuilder::allow_preflight),
            (self.strip_credentials, BearerAuthBuilder::strip_credentials),
            (self.omit_error_descriptions, BearerAuthBuilder::omit_error_descriptions),
            (self.log_token_details, BearerAuthBuilder::log_token_details),
            (self.skip_start_check, BearerAuthBuilder::skip_start_check),
            (self.allow_no_issuer, BearerAuthBuilder::allow_no_issuer),
            (self.fapi2, BearerAuthBuilder::fapi2),
        ];
        for (_, set) in flags.into_iter().filter(|(is_on, _)| *is_on) {
            builder = set(builder);
        }
        match self.grpc {
            Some(is_on) => builder.grpc(is_on),
            None => builder,
        }
    }

    fn set_numbers(&self, mut builder: BearerAuthBuilder) -> BearerAuthBuilder {
        let durations: [(Option<u64>, SetDuration); 7] = [
            (self.leeway_secs, BearerAuthBuilder::leeway),
            (self.fetch_timeout_secs, BearerAuthBuilder::fetch_timeout),
            (self.max_key_wait_secs, BearerAuthBuilder::max_key_wait),
            (self.jwks_ttl_secs, BearerAuthBuilder::jwks_ttl),
            (self.jwks_cooldown_secs, BearerAuthBuilder::jwks_cooldown),
            (self.jwks_stale_for_secs, BearerAuthBuilder::jwks_stale_for),
            (self.jwks_stale_for_bad_responses_secs, BearerAuthBuilder::jwks_stale_for_bad_responses),
        ];
        for (duration, set) in durations {
            builder = secs(builder, duration, set);
        }
        let numbers: [(Option<usize>, SetNumber); 3] = [
            (self.max_token_bytes, BearerAuthBuilder::max_token_bytes),
            (self.max_cached_responses, BearerAuthBuilder::max_cached_responses),
            (self.max_cached_response_bytes, BearerAuthBuilder::max_cached_response_bytes),
        ];
        for (number, set) in numbers {
            builder = match number {
                Some(number) => set(builder, number),
                None => builder,
            };
        }
        if let Some(events) = self.max_rejection_events_per_second {
            builder = builder.max_rejection_events_per_second(events);
        }
        match self.token_cache {
            Some(cache) => builder.token_cache(cache.build()),
            None => builder,
        }
    }
}

/// Deserializes the list of issuers. Its error for a table says how TOML writes a list of tables.
fn issuers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<IssuerConfig>, D::Error> {
    deserializer.deserialize_seq(IssuersVisitor)
}

struct IssuersVisitor;

impl<'de> Visitor<'de> for IssuersVisitor {
    type Value = Vec<IssuerConfig>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of issuers (in TOML, each one begins with [[issuers]])")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
        Deserialize::deserialize(SeqAccessDeserializer::new(list))
    }
}

impl CacheConfig {
    fn build(self) -> TokenCache {
        let Self::Limited(limits) = self else { return TokenCache::disabled() };
        let mut cache = TokenCache::new();
        if let Some(tokens) = limits.max_tokens {
            cache = cache.max_tokens(tokens);
        }
        if let Some(bytes) = limits.max_bytes {
            cache = cache.max_bytes(bytes);
        }
        cache
    }
}
