//! The validated access token that handlers see: the caller and the grant (RFC 9068 section 2.2).

mod actor;
mod claim_value;
mod confirmation;
mod grant;
mod scope_implies;
mod sender;
mod step_up;

use std::any::{Any, type_name};
use std::error::Error;
use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::{Duration, SystemTime};

use serde::de::DeserializeOwned;
use serde_json::Value;

pub use crate::bearer::ScopeSet;
use crate::time::NumericDate;
pub use actor::Actor;
pub use claim_value::ClaimValue;
pub use confirmation::Confirmation;

pub(crate) use confirmation::{Thumbprint, thumbprint};
pub(crate) use grant::{ClaimText, Grant, KeyId};
pub(crate) use scope_implies::ScopeImplies;
pub(crate) use sender::{ProofKey, Sender};
pub use step_up::StepUp;

/// An access token that passed every check of a [`BearerAuth`](crate::BearerAuth): a JWT or an introspected
/// token.
///
/// `BearerAuth` inserts it into the extensions of the request. With the feature `axum` it is also an
/// extractor.
///
/// ```
/// # #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))] {
/// # let idp = tower_bearer::testing::TestIssuer::new();
/// # let builder = idp.token("https://api.example.com").subject("alice").scope("orders:read");
/// # let mut request = http::Request::new(());
/// # request.extensions_mut().insert(builder.access_token().unwrap());
/// use tower_bearer::AccessToken;
///
/// let token: &AccessToken = request.extensions().get().unwrap();
///
/// assert_eq!(token.issuer(), "https://issuer.test");
/// assert_eq!(token.subject(), Some("alice"));
/// assert_eq!(token.client_id(), Some("client"));
/// assert!(token.scopes().contains("orders:read"));
/// # }
/// ```
///
/// Only authenticating a request creates one (or, in tests, the feature `test-util`):
///
/// ```compile_fail,E0451
/// let token = tower_bearer::AccessToken { checked: Default::default() };
/// ```
///
/// Clones share one value by reference count. `Debug` prints the issuer and no other claim.
///
/// # Identify the caller
///
/// Use the pair of [`issuer`](Self::issuer) and [`subject`](Self::subject) as the key of a user or a service
/// (RFC 8725 section 3.8). With several issuers, the subject alone is ambiguous.
#[derive(Clone)]
pub struct AccessToken {
    checked: Arc<Checked>,
    covered_by: Option<CoveredBy>,
}

/// The `BearerAuth` that accepted the request of a token, for the layers further in. The type is erased,
/// because `BearerAuth` is on a higher floor. The reference is weak, so a token that outlives its request
/// does not keep the `BearerAuth` alive.
#[derive(Clone)]
pub(crate) struct CoveredBy(pub(crate) Weak<dyn Any + Send + Sync>);

// `AccessToken` never exposes this value.
impl UnwindSafe for CoveredBy {}
impl RefUnwindSafe for CoveredBy {}

struct Checked {
    grant: Grant,
    claims_json: Box<str>,
    /// The token as received; `None` if it cannot be introspected later.
    raw_token: Option<Arc<str>>,
    /// Only for a sender-constrained token.
    sender: Option<Arc<Sender>>,
    /// Boxed, because no handler reads further claims of most tokens.
    derived: OnceLock<Box<Derived>>,
}

/// The forms of the claims that handlers requested.
#[derive(Default)]
struct Derived {
    /// One entry per type that [`AccessToken::claims`] was called with.
    typed_claims: Mutex<Vec<Arc<dyn Any + Send + Sync>>>,
    /// The parsed claims, once [`AccessToken::claim`] or a method like it was called.
    parsed_claims: OnceLock<Value>,
}

impl AccessToken {
    /// The token with this `text`. `raw_token` is the same text, if the token can be introspected later.
    pub(crate) fn new(
        mut grant: Grant,
        claims_json: String,
        text: &str,
        raw_token: Option<Arc<str>>,
    ) -> Self {
        let confirmation = grant.confirmation.take();
        let sender = confirmation.map(|confirmation| Arc::new(Sender::new(*confirmation, text)));
        Self::with_sender(grant, claims_json, raw_token, sender)
    }

    fn with_sender(
        grant: Grant,
        claims_json: String,
        raw_token: Option<Arc<str>>,
        sender: Option<Arc<Sender>>,
    ) -> Self {
        let claims_json = claims_json.into_boxed_str();
        let checked = Checked { grant, claims_json, raw_token, sender, derived: OnceLock::new() };
        Self { checked: Arc::new(checked), covered_by: None }
    }

    /// The token of a request that this `BearerAuth` accepted.
    pub(crate) fn covered_by(self, covered_by: CoveredBy) -> Self {
        Self { covered_by: Some(covered_by), ..self }
    }

    /// The same token with fewer scopes or an earlier expiry.
    pub(crate) fn narrowed(&self, scopes: ScopeSet, expires_at: NumericDate) -> Self {
        let grant = Grant { scopes, expires_at, ..self.grant().clone() };
        let sender = self.checked.sender.clone();
        let token =
            Self::with_sender(grant, self.claims_json().to_owned(), self.raw_token().cloned(), sender);
        Self { covered_by: self.covered_by.clone(), ..token }
    }

    /// The `BearerAuth` that accepted its request, if it comes from one.
    pub(crate) fn coverage(&self) -> Option<&CoveredBy> {
        self.covered_by.as_ref()
    }

    /// The token as received; `None` if it cannot be introspected.
    pub(crate) fn raw_token(&self) -> Option<&Arc<str>> {
        self.checked.raw_token.as_ref()
    }

    pub(crate) fn grant(&self) -> &Grant {
        &self.checked.grant
    }

    /// `exp`, without any leeway.
    pub(crate) fn expiry(&self) -> NumericDate {
        self.checked.grant.expires_at
    }

    /// `iat`.
    pub(crate) fn issue_date(&self) -> Option<NumericDate> {
        self.checked.grant.issued_at
    }

    /// Whether its claims come from a JWT rather than from an introspection response.
    pub(crate) fn is_jwt(&self) -> bool {
        self.checked.grant.is_jwt
    }

    /// The approximate memory that it holds, in bytes. Copies of claims are no larger than the claims, but a
    /// list of many short values is larger than its text.
    pub(crate) fn bytes(&self) -> usize {
        let raw_token = self.raw_token().map_or(0, |text| text.len());
        let claims = self.checked.claims_json.len().saturating_mul(2);
        let listed = self.grant().roles.len().saturating_add(self.grant().audiences.capacity());
        size_of::<Checked>()
            .saturating_add(self.sender().map_or(0, Sender::bytes))
            .saturating_add(claims)
            .saturating_add(raw_token)
            .saturating_add(listed.saturating_mul(size_of::<ClaimText>()))
    }

    fn text<'t>(&'t self, text: Option<&'t ClaimText>) -> Option<&'t str> {
        text.map(|text| text.resolve(&self.checked.claims_json))
    }

    /// Whether the user's authentication meets the requirement. `now` is called only if that depends on the
    /// time.
    pub(crate) fn meets(&self, step_up: &StepUp, now: impl FnOnce() -> NumericDate) -> bool {
        let grant = self.grant();
        step_up.accepts_acr(self.acr()) && step_up.accepts_auth_time(grant.auth_time, grant.leeway, now)
    }

    /// Whether `acrs` names this authentication context of Entra ID.
    pub(crate) fn has_auth_context(&self, context: &str) -> bool {
        self.claim("acrs").is_some_and(|contexts| contexts.contains(context))
    }

    /// [`issuer`](Self::issuer), shared.
    pub(crate) fn issuer_name(&self) -> &Arc<str> {
        &self.checked.grant.issuer
    }

    /// Returns the identifier of the issuer, as configured. The `iss` of a JWT equals it.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.checked.grant.issuer
    }

    /// Returns the subject (`sub`): the user or the service that the token is about, unique within its
    /// [`issuer`](Self::issuer) only.
    ///
    /// `None` if the token has no `sub`, or an empty one: RFC 9068 requires the claim, RFC 7519 does not. To
    /// reject such tokens, add [`Issuer::require_claim`](crate::Issuer::require_claim)`("sub")`.
    ///
    /// ```
    /// use tower_bearer::AccessToken;
    ///
    /// /// The primary key of the caller, or `None` for a token without a subject.
    /// fn user_key(token: &AccessToken) -> Option<(String, String)> {
    ///     Some((token.issuer().to_owned(), token.subject()?.to_owned()))
    /// }
    /// ```
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        self.text(self.checked.grant.subject.as_ref()).filter(|subject| !subject.is_empty())
    }

    /// Returns the human-readable name of the subject in the introspection response (`username`, RFC 7662
    /// section 2.2).
    ///
    /// `None` for a JWT that was not introspected. A user name can be reassigned: never use it as a key.
    ///
    /// ```
    /// use tower_bearer::AccessToken;
    ///
    /// fn greeting(token: &AccessToken) -> String {
    ///     format!("hello {}", token.username().or(token.subject()).unwrap_or("client"))
    /// }
    /// ```
    #[must_use]
    pub fn username(&self) -> Option<&str> {
        self.text(self.checked.grant.username.as_deref())
    }

    /// Returns the client that requested the token: `client_id` (RFC 9068 section 2.2), else `azp` (OpenID
    /// Connect), or the claims in [`Issuer::client_claims`](crate::Issuer::client_claims).
    ///
    /// `None` if the token has none of them, or if the first one that it has is not a string.
    ///
    /// ```
    /// use tower_bearer::AccessToken;
    ///
    /// /// The key of a rate limit: one bucket per client, whoever the user is.
    /// fn rate_limit_key(token: &AccessToken) -> String {
    ///     format!("{} {}", token.issuer(), token.client_id().unwrap_or("-"))
    /// }
    /// ```
    #[must_use]
    pub fn client_id(&self) -> Option<&str> {
        self.text(self.checked.grant.client_id.as_ref())
    }

    /// Returns the audiences (`aud`) of the token. One of them is this API.
    ///
    /// For a token without `aud`, these are the values of
    /// [`Issuer::audience_claim`](crate::Issuer::audience_claim), unless that claim names the client. Empty
    /// if it does, or if the introspection response has neither and
    /// [`dangerous_accept_without_audience`](crate::Introspection::dangerous_accept_without_audience) is set.
    ///
    /// ```
    /// use tower_bearer::AccessToken;
    ///
    /// /// Whether the client may use the token at this API only.
    /// fn is_for_this_api_only(token: &AccessToken) -> bool {
    ///     token.audiences().eq(["https://api.example.com"])
    /// }
    /// ```
    pub fn audiences(&self) -> impl Iterator<Item = &str> {
        self.checked.grant.audiences.iter().map(|audience| audience.resolve(&self.checked.claims_json))
    }

    /// Returns the scopes that the token grants: those of `scope` and `scp`, or of
    /// [`Issuer::scope_claims`](crate::Issuer::scope_claims). Empty if the token has none.
    ///
    /// If a JWT is introspected as well and the response has scopes, these are the scopes that both have.
    ///
    /// ```
    /// # #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))] {
    /// # let idp = tower_bearer::testing::TestIssuer::new();
    /// # let builder = idp.token("https://api.example.com").scope("orders:read orders:write");
    /// # let token = builder.access_token().unwrap();
    /// assert!(token.scopes().contains("orders:write"));
    /// assert!(!token.scopes().contains("orders")); // the whole scope, not a prefix
    /// # }
    /// ```
    #[must_use]
    pub fn scopes(&self) -> &ScopeSet {
        &self.checked.grant.scopes
    }

    /// Whether the scope is granted, or included in a granted scope by the rule of the issuer.
    pub(crate) fn grants(&self, scope: &str) -> bool {
        let grant = self.grant();
        let is_implied =
            |rule: &ScopeImplies| grant.scopes.iter().any(|granted| rule.implies(granted, scope));
        grant.scopes.contains(scope) || grant.scope_implies.as_ref().is_some_and(is_implied)
    }

    /// Returns the roles of the caller, from [`Issuer::role_claims`](crate::Issuer::role_claims). Empty if
    /// the issuer has no such setting, or the token none of these claims.
    ///
    /// If a JWT is introspected as well, these are the roles in the JWT.
    ///
    /// ```
    /// use tower_bearer::AccessToken;
    ///
    /// fn departments(token: &AccessToken) -> Vec<&str> {
    ///     token.roles().filter_map(|role| role.strip_prefix("department/")).collect()
    /// }
    /// ```
    pub fn roles(&self) -> impl Iterator<Item = &str> {
        self.checked.grant.roles.iter().map(|role| role.resolve(&self.checked.claims_json))
    }

    /// Whether [`roles`](Self::roles) contains `role`. Roles are compared byte for byte.
    ///
    /// ```
    /// use tower_bearer::AccessToken;
    ///
    /// fn is_admin(token: &AccessToken) -> bool {
    ///     token.has_role("admin")
    /// }
    /// ```
    #[must_use]
    pub fn has_role(&self, role: &str) -> bool {
        self.roles().any(|own| own == role)
    }

    /// Returns the expiry (`exp`). `BearerAuth` accepts the token for the configured leeway longer.
    ///
    /// If a JWT is introspected as well and the response has an `exp`, this is the earlier of the two. If the
    /// response about an opaque token has none, this is the end of the lifetime in
    /// [`dangerous_accept_without_expiry`](crate::Introspection::dangerous_accept_without_expiry).
    ///
    /// ```
    /// # #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))] {
    /// use std::time::{Duration, SystemTime};
    ///
    /// # let idp = tower_bearer::testing::TestIssuer::new();
    /// # let token = idp.token("https://api.example.com").access_token().unwrap();
    /// assert!(token.expires_at() <= SystemTime::now() + Duration::from_secs(300));
    /// # }
    /// ```
    #[must_use]
    pub fn expires_at(&self) -> SystemTime {
        self.checked.grant.expires_at.to_system_time()
    }

    /// Returns the time until [`expires_at`](Self::expires_at), by the clock of this machine. Zero if that
    /// time has passed: `BearerAuth` accepts the token for the configured leeway longer.
    ///
    /// The [clock](crate::BearerAuthBuilder::clock) of a `BearerAuth` has no influence. If you set one,
    /// compare it with [`expires_at`](Self::expires_at) yourself.
    ///
    /// ```
    /// # #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))] {
    /// use std::time::Duration;
    ///
    /// # let idp = tower_bearer::testing::TestIssuer::new();
    /// # let token = idp.token("https://api.example.com").access_token().unwrap();
    /// // End a stream when its token expires.
    /// let limit = token.expires_in();
    /// assert!(limit > Duration::ZERO && limit <= Duration::from_secs(300));
    /// # }
    /// ```
    #[must_use]
    pub fn expires_in(&self) -> Duration {
        self.expires_at().duration_since(SystemTime::now()).unwrap_or_default()
    }

    /// Returns the start of validity (`nbf`), if the token has one.
    #[must_use]
    pub fn not_before(&self) -> Option<SystemTime> {
        self.checked.grant.not_before.map(NumericDate::to_system_time)
    }

    /// Returns the time of issue (`iat`), if the token has one.
    ///
    /// ```
    /// use std::time::{Duration, SystemTime};
    /// use tower_bearer::AccessToken;
    ///
    /// /// Whether the token was issued within the last minute. A token without `iat` counts as old.
    /// fn is_recent(token: &AccessToken) -> bool {
    ///     let age = token.issued_at().map(|at| SystemTime::now().duration_since(at).unwrap_or_default());
    ///     age.is_some_and(|age| age < Duration::from_secs(60))
    /// }
    /// ```
    #[must_use]
    pub fn issued_at(&self) -> Option<SystemTime> {
        self.checked.grant.issued_at.map(NumericDate::to_system_time)
    }

    /// Returns the identifier of the token (`jti`), unique within its [`issuer`](Self::issuer) only.
    ///
    /// ```
    /// use tower_bearer::AccessToken;
    ///
    /// /// Names the token in an audit log without quoting it.
    /// fn audit_name(token: &AccessToken) -> Option<String> {
    ///     Some(format!("{}#{}", token.issuer(), token.token_id()?))
    /// }
    /// ```
    #[must_use]
    pub fn token_id(&self) -> Option<&str> {
        self.text(self.checked.grant.token_id.as_ref())
    }

    /// Returns the session of the user at the authorization server (`sid`; OpenID Connect Front-Channel
    /// Logout section 3), unique within its [`issuer`](Self::issuer) only.
    ///
    /// `None` if the token has no `sid`, or one that is not a string. Keycloak and Hydra put it into access
    /// tokens; RFC 9068 does not know it.
    ///
    /// ```
    /// # #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))] {
    /// # let idp = tower_bearer::testing::TestIssuer::new();
    /// # let builder = idp.token("https://api.example.com").claim("sid", "b2a7");
    /// # let token = builder.access_token().unwrap();
    /// assert_eq!(token.session_id(), Some("b2a7"));
    /// # }
    /// ```
    #[must_use]
    pub fn session_id(&self) -> Option<&str> {
        self.text(self.checked.grant.session_id.as_deref())
    }

    /// Returns the authentication context class (`acr`; RFC 9068 section 2.2.1, RFC 9470 section 6.1): how
    /// the authorization server authenticated the user.
    #[must_use]
    pub fn acr(&self) -> Option<&str> {
        self.text(self.checked.grant.acr.as_deref())
    }

    /// Returns the time when the user was authenticated (`auth_time`; RFC 9068 section 2.2.1, RFC 9470
    /// section 6.1). To require a recent authentication, use
    /// [`Require::authenticated_within`](crate::Require::authenticated_within).
    ///
    /// ```
    /// use std::time::{Duration, SystemTime};
    /// use tower_bearer::AccessToken;
    ///
    /// /// The time since the last login, to show it to the user.
    /// fn since_login(token: &AccessToken) -> Option<Duration> {
    ///     SystemTime::now().duration_since(token.auth_time()?).ok()
    /// }
    /// ```
    #[must_use]
    pub fn auth_time(&self) -> Option<SystemTime> {
        self.checked.grant.auth_time.map(NumericDate::to_system_time)
    }

    /// Returns all claims as JSON text: the payload of a JWT, or the introspection response for an opaque
    /// token (RFC 7662 section 2.2). No object in it has duplicate member names.
    ///
    /// ```
    /// # #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))] {
    /// # let idp = tower_bearer::testing::TestIssuer::new();
    /// # let token = idp.token("https://api.example.com").claim("tenant", "acme").access_token().unwrap();
    /// let claims: serde_json::Value = serde_json::from_str(token.claims_json()).unwrap();
    /// assert_eq!(claims["tenant"], "acme");
    /// # }
    /// ```
    #[must_use]
    pub fn claims_json(&self) -> &str {
        &self.checked.claims_json
    }

    /// Returns the claim with this name, or the value that a JSON Pointer (RFC 6901) names. A pointer begins
    /// with `/`. `None` if the token has no such value.
    ///
    /// The first call parses the claims, once per cached token. To read many claims, use
    /// [`claims`](Self::claims).
    ///
    /// ```
    /// # #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))] {
    /// # let idp = tower_bearer::testing::TestIssuer::new();
    /// # let claim = serde_json::json!({"namespace": "shop"});
    /// # let builder = idp.token("https://api.example.com").claim("kubernetes.io", claim);
    /// # let token = builder.access_token().unwrap();
    /// let namespace = token.claim("/kubernetes.io/namespace").and_then(|value| value.as_str());
    /// assert_eq!(namespace, Some("shop"));
    /// # }
    /// ```
    #[must_use]
    pub fn claim(&self, pointer: &str) -> Option<ClaimValue<'_>> {
        self.all_claims().get(pointer)
    }

    /// Returns the authorization details of this `type` (RFC 9396 section 9.1 for JWTs, section 9.2 for
    /// introspection responses): the objects in `authorization_details` whose member `type` equals `kind`
    /// byte for byte. None if the claim is absent or not an array.
    ///
    /// The first call parses the claims, once per cached token.
    /// [`Require::detail`](crate::Require::detail) requires one on a route.
    ///
    /// ```
    /// use tower_bearer::AccessToken;
    ///
    /// #[derive(serde::Deserialize)]
    /// struct Payment {
    ///     creditor: String,
    /// }
    ///
    /// fn may_pay(token: &AccessToken, creditor: &str) -> bool {
    ///     let details = token.authorization_details("payment_initiation");
    ///     details.filter_map(|detail| detail.to::<Payment>()).any(|payment| payment.creditor == creditor)
    /// }
    /// ```
    pub fn authorization_details(&self, kind: &str) -> impl Iterator<Item = ClaimValue<'_>> {
        self.all_claims().authorization_details(kind)
    }

    fn derived(&self) -> &Derived {
        self.checked.derived.get_or_init(Box::default)
    }

    /// The claims, parsed at the first call.
    fn all_claims(&self) -> ClaimValue<'_> {
        let parse = || serde_json::from_str(&self.checked.claims_json).unwrap_or_default();
        ClaimValue::new(self.derived().parsed_claims.get_or_init(parse))
    }

    /// Deserializes the claims into `T`.
    ///
    /// The result is cached per token and type: later requests with the same cached token receive the same
    /// value.
    ///
    /// ```
    /// # #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))] {
    /// # let idp = tower_bearer::testing::TestIssuer::new();
    /// # let token = idp.token("https://api.example.com").claim("tenant", "acme").access_token().unwrap();
    /// #[derive(serde::Deserialize)]
    /// struct MyClaims {
    ///     tenant: String,
    /// }
    ///
    /// let claims = token.claims::<MyClaims>().unwrap();
    /// assert_eq!(claims.tenant, "acme");
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ClaimsMismatch`] if the claims do not deserialize into `T`.
    pub fn claims<T>(&self) -> Result<Arc<T>, ClaimsMismatch>
    where
        T: DeserializeOwned + Send + Sync + 'static,
    {
        let mut typed_claims = self.derived().typed_claims.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(cached) = typed_claims.iter().find_map(|claims| Arc::clone(claims).downcast::<T>().ok()) {
            return Ok(cached);
        }
        let claims: T = serde_json::from_str(&self.checked.claims_json)
            .map_err(|error| ClaimsMismatch::of::<T>(&error))?;
        let claims = Arc::new(claims);
        let cached: Arc<T> = Arc::clone(&claims);
        typed_claims.push(cached);
        Ok(claims)
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessToken").field("issuer", &self.issuer()).finish_non_exhaustive()
    }
}

/// The claims of a token do not deserialize into the type that a handler requested.
///
/// It names the type and the column in the JSON text. It contains no value of any claim.
///
/// ```
/// # #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))] {
/// # let idp = tower_bearer::testing::TestIssuer::new();
/// # let token = idp.token("https://api.example.com").without("tenant").access_token().unwrap();
/// #[derive(Debug, serde::Deserialize)]
/// struct MyClaims {
///     tenant: String,
/// }
///
/// let mismatch = token.claims::<MyClaims>().unwrap_err();
/// assert!(mismatch.to_string().starts_with("the claims do not fit "));
/// # }
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ClaimsMismatch {
    type_name: &'static str,
    column: usize,
}

impl ClaimsMismatch {
    fn of<T>(error: &serde_json::Error) -> Self {
        Self { type_name: type_name::<T>(), column: error.column() }
    }
}

impl fmt::Display for ClaimsMismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the claims do not fit {} (at column {})", self.type_name, self.column)
    }
}

impl Error for ClaimsMismatch {}
