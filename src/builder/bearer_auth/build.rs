//! Checks the whole configuration and builds the `BearerAuth`.
//!
//! Checks: at least one issuer, unless none is allowed; no issuer twice; audiences, realm, leeway, limits and
//! token sources; at most one issuer per opaque token.
//! Does not check: anything that needs the network.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, OnceLock};

use super::BearerAuthBuilder;
use crate::authenticate::{
    Authenticator, IgnoredHeaders, IssuerRegistry, Issuers, OpaqueTokens, RequiredAudiences, Resolver,
    TokenStore,
};
use crate::bearer::{TokenSource, realm_is_valid};
use crate::binding::SenderPolicy;
use crate::diagnostics::StartCheck;
use crate::introspection::ResponseStore;
use crate::jwks::KeySources;
use crate::middleware::{BearerAuth, RejectionLog, Responder, ResponseSettings, Shared};
use crate::resource_metadata::PublishedMetadata;
use crate::settings::{BuildContext, ConfigError, ConfigProblem, Issuer, check_audiences};

impl BearerAuthBuilder {
    /// Checks the configuration and builds the layer. It performs no I/O.
    ///
    /// ```
    /// use tower_bearer::{BearerAuth, ConfigError, Issuer};
    ///
    /// fn bearer_auth(issuer: &str) -> Result<BearerAuth, ConfigError> {
    ///     BearerAuth::builder("https://api.example.com").issuer(Issuer::discover(issuer)).build()
    /// }
    ///
    /// let error = bearer_auth("http://login.example.com").unwrap_err();
    /// assert!(error.to_string().contains("is not https"));
    /// ```
    ///
    /// # Start check
    /// The first request that needs keys fetches them, and [`BearerAuth::ready`] fetches them earlier. One
    /// second after the layer is first applied, a task checks up to 32 issuers. It fetches the keys and finds
    /// the introspection endpoints that nothing has used yet. A wrong issuer URL, an untrusted CA or a
    /// closed firewall is then in the log before the first request, with a hint. The task runs on the tokio
    /// runtime on which the layer is applied, else on that of the first request whose token is not cached.
    /// [`skip_start_check`](Self::skip_start_check) turns it off.
    ///
    /// # Errors
    /// [`ConfigError`] with every problem, each with a hint.
    pub fn build(self) -> Result<BearerAuth, ConfigError> {
        let mut problems = Vec::new();
        let Parts { context, issuers, resolver, realm, resource_metadata, senders } =
            self.parts(&mut problems);
        ConfigError::unless_none(problems)?;
        self.bind_revocations(&issuers);
        let turned_on = [
            ("resolve_issuers", resolver.is_some()),
            ("strip_credentials", self.strip_credentials),
            ("log_token_details", self.log_token_details),
            ("audit", self.audit.is_some()),
            ("skip_start_check", self.skip_start_check),
            ("resource_metadata", resource_metadata.is_some()),
            ("dpop", senders.dpop.is_some()),
            ("certificates", senders.certificates.is_some()),
            ("revocations", self.revocations.is_some()),
            ("fapi2", self.fapi2),
            ("token cache", self.token_cache.limits().is_some()),
        ];
        let (schemes, dpop_algs) = (senders.schemes(), senders.dpop_algs().map(Arc::from));
        let authenticator = Authenticator {
            issuers,
            resolver: resolver.map(Arc::new),
            sources: self.sources,
            max_token_bytes: self.max_token_bytes,
            senders,
            ignored_headers: Arc::new(IgnoredHeaders::new()),
            optional: self.optional,
            allow_preflight: self.preflight,
            required_audiences: RequiredAudiences::default(),
            revocations: self.revocations,
            clock: self.clock,
            tokens: Arc::new(TokenStore::new(self.token_cache.limits())),
        };
        let turned_on = turned_on.into_iter().filter(|(_, is_on)| *is_on).map(|(name, _)| name);
        authenticator.report_start(&turned_on.collect::<Vec<_>>());
        Ok(BearerAuth::new(Shared {
            authenticator: Arc::new(authenticator),
            responder: Arc::new(Responder::new(ResponseSettings {
                realm,
                schemes,
                dpop_algs,
                omit_error_descriptions: self.omit_error_descriptions,
                grpc: self.grpc,
                on_reject: self.on_reject,
                resource_metadata: resource_metadata.map(Arc::new),
            })),
            on_accept: self.on_accept,
            audit: self.audit,
            observers: context.observers.clone(),
            #[cfg(feature = "metrics")]
            metrics: self.metrics,
            strip_credentials: self.strip_credentials,
            log_token_details: self.log_token_details,
            rejections: Arc::new(RejectionLog::new(self.max_rejection_events_per_second)),
            start_check: Arc::new(StartCheck::new(!self.skip_start_check)),
            context,
        }))
    }

    /// The problems that `build` would report, except those that later calls can still solve: they may add an
    /// issuer and an HTTP client.
    #[cfg(feature = "config")]
    pub(crate) fn problems(&self) -> Vec<ConfigProblem> {
        use ConfigProblem::{HttpClientUnusable, NoHttpClient, NoIssuer};
        let mut problems = Vec::new();
        self.parts(&mut problems);
        problems.retain(|problem| !matches!(problem, NoIssuer | NoHttpClient | HttpClientUnusable { .. }));
        problems
    }

    /// Checks all settings, and builds what the checks need.
    fn parts(&self, problems: &mut Vec<ConfigProblem>) -> Parts {
        self.check(problems);
        let context = Arc::new(self.context());
        let issuers = Arc::new(IssuerRegistry::new(self.build_issuers(&context, problems)));
        let resolver = self.resolver.as_ref();
        let resolver = resolver.and_then(|resolver| resolver.build(&context, &issuers, problems));
        let realm = self.checked_realm(problems);
        let resource_metadata = self.resource_metadata.as_ref();
        let resource_metadata = resource_metadata
            .and_then(|metadata| metadata.build(&accepted_audiences(&issuers, &context), problems));
        let senders = self.build_senders(problems);
        Parts { context, issuers, resolver, realm, resource_metadata, senders }
    }

    fn check(&self, problems: &mut Vec<ConfigProblem>) {
        if self.each_issuer().next().is_none() && !self.allow_no_issuer && self.resolver.is_none() {
            problems.push(ConfigProblem::NoIssuer);
        }
        check_audiences(self.audiences.iter(), problems);
        let leeway = self.effective_leeway();
        if leeway > Self::MAX_LEEWAY {
            problems.push(ConfigProblem::LeewayTooLong { leeway });
        }
        for (setting, duration) in [
            ("jwks_ttl", self.refresh.ttl),
            ("jwks_cooldown", self.refresh.cooldown),
            ("fetch_timeout", self.fetch_timeout),
            ("max_key_wait", self.max_key_wait),
        ] {
            if duration.is_zero() {
                problems.push(ConfigProblem::Zero { setting });
            }
        }
        for (setting, limit) in [
            ("max_token_bytes", self.max_token_bytes),
            ("max_cached_responses", self.response_limits.entries),
            ("max_cached_response_bytes", self.response_limits.bytes),
        ] {
            if limit == 0 {
                problems.push(ConfigProblem::Zero { setting });
            }
        }
        if self.max_rejection_events_per_second == 0 {
            problems.push(ConfigProblem::SettingUnusable {
                setting: "max_rejection_events_per_second".to_owned(),
                reason: "is zero".to_owned(),
                hint: "use a positive value; to hide all events, filter the target `tower_bearer` in your \
                       subscriber"
                    .to_owned(),
            });
        }
        self.check_audit(problems);
        self.check_revocations(problems);
        self.token_cache.check(problems);
        check_sources(&self.sources, problems);
    }

    fn build_issuers(&self, cx: &BuildContext, problems: &mut Vec<ConfigProblem>) -> Issuers {
        let mut identifiers = HashSet::new();
        for issuer in self.each_issuer().filter(|issuer| !identifiers.insert(issuer.identifier())) {
            problems.push(ConfigProblem::IssuerRepeated { issuer: issuer.identifier().to_owned() });
        }
        let issuers: Vec<&Issuer> = self.each_issuer().collect();
        let built = cx.build(&issuers, problems);
        self.check_opaque_tokens(problems);
        built.into_iter().collect()
    }

    fn context(&self) -> BuildContext {
        BuildContext {
            audiences: self.audiences.clone(),
            leeway: self.effective_leeway(),
            fapi2: self.fapi2,
            client: self.client.clone().map(OnceLock::from).unwrap_or_default(),
            refresh: self.refresh.clone(),
            fetch_timeout: self.fetch_timeout,
            max_key_wait: self.max_key_wait,
            runtime: self.runtime.clone(),
            responses: Arc::new(ResponseStore::new(self.response_limits)),
            sources: KeySources::default(),
            clock: Arc::clone(&self.clock),
            observers: self.all_observers(),
        }
    }

    /// Two issuers must not introspect the same opaque token: each would learn tokens of the other.
    fn check_opaque_tokens(&self, problems: &mut Vec<ConfigProblem>) {
        let mut issuers_by_rule: HashMap<OpaqueRule<'_>, Vec<String>> = HashMap::new();
        for issuer in self.each_issuer() {
            let rule = match issuer.opaque_tokens() {
                Some(None | Some(OpaqueTokens::Others)) => OpaqueRule::Others,
                Some(Some(OpaqueTokens::Prefix(prefix))) => OpaqueRule::Prefix(prefix),
                // The functions of users can be compared only on a token, at run time.
                None | Some(Some(OpaqueTokens::None | OpaqueTokens::When(_))) => continue,
            };
            issuers_by_rule.entry(rule).or_default().push(issuer.identifier().to_owned());
        }
        let mut ambiguous: Vec<Vec<String>> =
            issuers_by_rule.into_values().filter(|issuers| issuers.len() > 1).collect();
        ambiguous.sort_unstable();
        problems
            .extend(ambiguous.into_iter().map(|issuers| ConfigProblem::OpaqueTokensAmbiguous { issuers }));
    }

    fn checked_realm(&self, problems: &mut Vec<ConfigProblem>) -> String {
        match (&self.realm, self.audiences.first()) {
            (Some(realm), _) if !realm_is_valid(realm) => {
                problems.push(ConfigProblem::RealmUnusable { realm: realm.clone() });
                String::new()
            }
            (Some(realm), _) => realm.clone(),
            (None, Some(audience)) if realm_is_valid(audience) => audience.clone(),
            (None, _) => "api".to_owned(),
        }
    }
}

/// The audiences that the issuers accept now, and those that an issuer without its own accepts later.
pub(super) fn accepted_audiences(issuers: &IssuerRegistry, context: &BuildContext) -> BTreeSet<String> {
    let issuers = issuers.load().sorted();
    let of_issuers = issuers.iter().flat_map(|issuer| &issuer.claims.audiences);
    of_issuers.map(ToString::to_string).chain(context.audiences.iter().cloned()).collect()
}

/// The parts of a `BearerAuth` whose settings can have problems.
struct Parts {
    context: Arc<BuildContext>,
    issuers: Arc<IssuerRegistry>,
    resolver: Option<Resolver>,
    realm: String,
    resource_metadata: Option<PublishedMetadata>,
    senders: SenderPolicy,
}

/// Each source must be usable, and find no token that another one finds.
pub(super) fn check_sources(sources: &[TokenSource], problems: &mut Vec<ConfigProblem>) {
    for (index, source) in sources.iter().enumerate() {
        if let Some(fault) = source.fault() {
            let (source, reason) = (source.to_string(), fault.to_string());
            problems.push(ConfigProblem::TokenSourceUnusable { source, reason });
        }
        let mut earlier = sources.iter().take(index);
        if earlier.any(|other| other.overlaps(source)) {
            problems.push(ConfigProblem::TokenSourceRepeated { source: source.to_string() });
        }
    }
}

/// The opaque tokens of an issuer, as far as two issuers can be compared.
#[derive(Eq, Hash, PartialEq)]
enum OpaqueRule<'i> {
    Others,
    Prefix(&'i str),
}
