//! The settings of a resolver: issuers that are found when a token names them.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use super::config_error::{ConfigError, ConfigProblem};
use super::context::BuildContext;
use super::issuer::Issuer;
use crate::authenticate::{
    IssuerPattern, IssuerRegistry, Resolve, ResolveError, Resolver, ResolverPolicy, TrustedIssuer,
};

type ResolveFuture =
    Pin<Box<dyn Future<Output = Result<Option<Issuer>, Box<dyn Error + Send + Sync>>> + Send>>;

/// Finds issuers when a token names them: one pattern for many tenants, and a function that knows which of
/// them are yours.
///
/// [`BearerAuthBuilder::resolve_issuers`](crate::BearerAuthBuilder::resolve_issuers) uses it for tokens whose
/// `iss` is not configured.
///
/// ```
/// use tower_bearer::issuers::IssuerResolver;
/// use tower_bearer::{BearerAuth, Issuer};
///
/// # async fn is_customer(_tenant: &str) -> std::io::Result<bool> { Ok(true) }
/// let resolver = IssuerResolver::new("https://login.microsoftonline.com/{tenant}/v2.0", async |request| {
///     let is_ours = is_customer(request.tenant()).await?; // for example, a query to your database
///     Ok::<_, std::io::Error>(is_ours.then(|| Issuer::entra(request.tenant())))
/// });
/// let builder = BearerAuth::builder("66666666-7777-8888-9999-000000000000").resolve_issuers(resolver);
/// ```
///
/// # What is checked
///
/// The `iss` of a token is untrusted until its signature is verified. It must match the pattern before
/// anything else happens. Then the function decides, and the issuer that it returns must have exactly this
/// `iss` as its identifier. If they differ only in case, or if this `iss` is one that Entra ID never issues,
/// the token is rejected as `issuer_unknown`. From there on the token is validated as with any other issuer.
/// A pattern alone accepts no token.
///
/// The keys and endpoints of a resolved issuer must be on its own host or a subdomain, or on those of its
/// [`Issuer::shared_metadata`], unless [`Issuer::endpoint_hosts`] lists others. All of them must have
/// [public addresses](crate::transport::is_public_address), unless
/// [`allow_private_addresses`](Self::allow_private_addresses) is set: a token must not make your API send a
/// request into your own network.
///
/// # Limits
///
/// Requests with tokens of the same issuer share one call of the function. There are at most 64 concurrent
/// calls, and 10 per second after a burst of 64. Beyond that, and while the function fails, requests are
/// rejected with 503 `keys_unavailable`; tokens of issuers that are already resolved are not affected. An
/// identifier that the function does not know is rejected with 401 `issuer_unknown`, without another call for
/// [`negative_ttl`](Self::negative_ttl).
///
/// A resolved issuer stays for [`idle_timeout`](Self::idle_timeout) after its last valid token. If there are
/// more than [`max_issuers`](Self::max_issuers), one that was not used recently is evicted. With it goes its
/// refresh task.
#[derive(Clone)]
#[must_use]
pub struct IssuerResolver {
    pattern: String,
    resolve: Arc<dyn Fn(IssuerRequest) -> ResolveFuture + Send + Sync>,
    max_issuers: usize,
    idle_timeout: Duration,
    negative_ttl: Duration,
    timeout: Duration,
    allows_private_addresses: bool,
}

/// The untrusted `iss` of a token, as an [`IssuerResolver`] receives it. No signature has been verified yet.
///
/// ```
/// use tower_bearer::Issuer;
/// use tower_bearer::issuers::{IssuerRequest, IssuerResolver};
///
/// fn resolve(request: &IssuerRequest) -> Option<Issuer> {
///     ["acme", "globex"].contains(&request.tenant()).then(|| Issuer::discover(request.issuer()))
/// }
///
/// let resolver = IssuerResolver::new("https://{tenant}.login.example.com", async |request| {
///     Ok::<_, std::convert::Infallible>(resolve(&request))
/// });
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct IssuerRequest {
    issuer: Arc<str>,
    tenant: Box<str>,
}

impl IssuerRequest {
    /// The identifier, which matches the pattern. The [`Issuer`] must have the same.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The part of the identifier in place of `{tenant}`: at most 128 letters, digits, `-`, `_`, and in a
    /// path also `.`.
    #[must_use]
    pub fn tenant(&self) -> &str {
        &self.tenant
    }
}

impl IssuerResolver {
    /// Resolves issuers whose identifier matches `pattern` with the function `resolve`.
    ///
    /// `pattern` is a URL with one `{tenant}`, as a whole segment of the path or as a whole label of the
    /// host. `resolve` returns the issuer, `None` if there is no such issuer, or an error if it does not
    /// know. It runs as a task of its own, for at most 5 s ([`timeout`](Self::timeout)).
    pub fn new<F, A, E>(pattern: impl Into<String>, resolve: F) -> Self
    where
        F: Fn(IssuerRequest) -> A + Send + Sync + 'static,
        A: Future<Output = Result<Option<Issuer>, E>> + Send + 'static,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        let resolve = move |request| -> ResolveFuture {
            let answer = resolve(request);
            Box::pin(async move { answer.await.map_err(Into::into) })
        };
        Self {
            pattern: pattern.into(),
            resolve: Arc::new(resolve),
            max_issuers: 1_000,
            idle_timeout: Duration::from_secs(60 * 60),
            negative_ttl: Duration::from_secs(60),
            timeout: Duration::from_secs(5),
            allows_private_addresses: false,
        }
    }

    /// Sets the maximum number of resolved issuers. Default: 1 000. Each holds its keys, and a refresh task
    /// while it is in use. Zero is a [`ConfigError`](crate::ConfigError).
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_bearer::Issuer;
    /// use tower_bearer::issuers::IssuerResolver;
    ///
    /// let resolver = IssuerResolver::new("https://{tenant}.login.example.com", async |request| {
    ///     Ok::<_, std::io::Error>(Some(Issuer::discover(request.issuer())))
    /// })
    /// .max_issuers(20_000)
    /// .idle_timeout(Duration::from_secs(24 * 60 * 60));
    /// ```
    pub fn max_issuers(mut self, issuers: usize) -> Self {
        self.max_issuers = issuers;
        self
    }

    /// Sets how long a resolved issuer stays after its last valid token, at least. Default: 1 h. It is
    /// evicted before twice this time is over.
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.idle_timeout = timeout;
        self
    }

    /// Sets how long `None` is cached per identifier. Default: 60 s. Up to 10 000 identifiers are cached.
    ///
    /// A new tenant is accepted after at most this time, or at once if it is
    /// [added](crate::issuers::Issuers::add) at run time.
    pub fn negative_ttl(mut self, ttl: Duration) -> Self {
        self.negative_ttl = ttl;
        self
    }

    /// Sets the time limit of one call. Default: 5 s. A request waits for at most
    /// [`max_key_wait`](crate::BearerAuthBuilder::max_key_wait), for its issuer and its keys together.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Allows requests for the resolved issuers to addresses that are not
    /// [public](crate::transport::is_public_address): loopback, private, link-local and others. Default:
    /// public addresses only, whether a URL names the address or a host name resolves to it.
    ///
    /// For authorization servers in your own network, such as a Keycloak with one realm per tenant, and for
    /// tests on loopback. An issuer with [`Issuer::require_public_addresses`] keeps that restriction.
    ///
    /// ```
    /// use tower_bearer::Issuer;
    /// use tower_bearer::issuers::IssuerResolver;
    ///
    /// let realms = "https://keycloak.internal.example/realms/{tenant}";
    /// let resolver = IssuerResolver::new(realms, async |request| {
    ///     let is_known = matches!(request.tenant(), "acme" | "globex");
    ///     Ok::<_, std::convert::Infallible>(is_known.then(|| Issuer::discover(request.issuer())))
    /// });
    /// let resolver = resolver.allow_private_addresses();
    /// ```
    ///
    /// # Risk
    /// If tenants control the DNS of a host that your pattern matches, or the metadata of their issuer, they
    /// can direct requests of your API to servers in your network (SSRF). They do not see the responses.
    pub fn allow_private_addresses(mut self) -> Self {
        self.allows_private_addresses = true;
        self
    }

    /// The resolver as the request path uses it; `None` after at least one problem.
    pub(crate) fn build(
        &self,
        cx: &Arc<BuildContext>,
        registry: &Arc<IssuerRegistry>,
        problems: &mut Vec<ConfigProblem>,
    ) -> Option<Resolver> {
        for (setting, is_zero) in [
            ("max_issuers", self.max_issuers == 0),
            ("idle_timeout", self.idle_timeout.is_zero()),
            ("timeout of IssuerResolver", self.timeout.is_zero()),
        ] {
            problems.extend(is_zero.then_some(ConfigProblem::Zero { setting }));
        }
        cx.ensure_client(problems);
        let pattern = IssuerPattern::parse(&self.pattern).map_err(|reason| {
            let pattern = self.pattern.clone();
            problems.push(ConfigProblem::IssuerPatternUnusable { pattern, reason });
        });
        let policy = ResolverPolicy {
            max_issuers: self.max_issuers,
            idle_timeout: self.idle_timeout,
            negative_ttl: self.negative_ttl,
            timeout: self.timeout,
            max_wait: cx.max_key_wait,
            runtime: cx.runtime.clone(),
        };
        Some(Resolver::new(pattern.ok()?, self.function(cx), policy, Arc::clone(registry)))
    }

    fn function(&self, cx: &Arc<BuildContext>) -> Resolve {
        let (resolve, cx) = (Arc::clone(&self.resolve), Arc::clone(cx));
        let (allows_private, pattern) = (self.allows_private_addresses, Arc::from(&*self.pattern));
        Arc::new(move |issuer, tenant| {
            let request = IssuerRequest { issuer: Arc::clone(&issuer), tenant: tenant.into() };
            let (answer, cx, pattern) = (resolve(request), Arc::clone(&cx), Arc::clone(&pattern));
            Box::pin(async move {
                let Some(resolved) = answer.await.map_err(ResolveError)? else { return Ok(None) };
                let resolved = if allows_private { resolved } else { resolved.require_public_addresses() };
                build_resolved(&issuer, resolved.resolved_by(&pattern), &cx).map_err(ResolveError)
            })
        })
    }
}

/// The issuer that the function returned for `identifier`. `None` if no token of the issuer has this `iss`:
/// that is the fault of the token, and not of the function.
fn build_resolved(
    identifier: &str,
    issuer: Issuer,
    cx: &BuildContext,
) -> Result<Option<TrustedIssuer>, Box<dyn Error + Send + Sync>> {
    if issuer.identifier() != identifier {
        let is_other_case = issuer.identifier().eq_ignore_ascii_case(identifier);
        let other = "the function returned an issuer with another identifier";
        return if is_other_case { Ok(None) } else { Err(other.into()) };
    }
    let mut problems = Vec::new();
    let built = cx.build(&[&issuer.within_its_hosts()], &mut problems);
    if problems.iter().any(ConfigProblem::rules_out_iss) {
        return Ok(None);
    }
    ConfigError::unless_none(problems)?;
    built.into_iter().next().map(Some).ok_or_else(|| "the issuer cannot be built".into())
}

impl fmt::Debug for IssuerResolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IssuerResolver").field("pattern", &self.pattern).finish_non_exhaustive()
    }
}
