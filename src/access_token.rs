//! The access token as a handler sees it: what was checked, and what it grants (RFC 9068 section 2.2).

use std::any::{Any, type_name};
use std::error::Error;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use serde::de::DeserializeOwned;

use crate::bearer::ScopeSet;
use crate::clock::NumericDate;

/// An access token that passed every check of the [`BearerAuth`](crate::BearerAuth) that put it here.
///
/// It stands in the request's extensions and, with the feature `axum`, is an extractor. There is no
/// way to make one but to authenticate a request (or, in tests, the feature `test-util`):
///
/// ```compile_fail,E0423
/// let token = tower_bearer::AccessToken(Default::default());
/// ```
///
/// A clone counts a reference. `Debug` shows the issuer and nothing of the claims.
///
/// # Who is calling
///
/// A person or a service is the pair of [`issuer`](Self::issuer) and [`subject`](Self::subject)
/// (RFC 8725 section 3.8): with several issuers, the subject alone names nobody.
#[derive(Clone)]
pub struct AccessToken(Arc<Checked>);

struct Checked {
    grant: Grant,
    claims_json: String,
    typed: Mutex<Vec<Arc<dyn Any + Send + Sync>>>,
}

/// What the claims of a token say, after they were checked.
#[derive(Clone)]
pub(crate) struct Grant {
    pub(crate) issuer: Arc<str>,
    pub(crate) subject: Option<Box<str>>,
    pub(crate) client_id: Option<Box<str>>,
    pub(crate) audiences: Vec<Box<str>>,
    pub(crate) scopes: ScopeSet,
    pub(crate) expires_at: NumericDate,
    pub(crate) not_before: Option<NumericDate>,
    pub(crate) issued_at: Option<NumericDate>,
    pub(crate) auth_time: Option<NumericDate>,
    pub(crate) token_id: Option<Box<str>>,
    pub(crate) acr: Option<Box<str>>,
    /// Whether the claims are those of a JWT, and not of an answer of introspection.
    pub(crate) jwt: bool,
    /// Only from introspection.
    pub(crate) username: Option<Box<str>>,
}

impl AccessToken {
    pub(crate) fn new(grant: Grant, claims_json: String) -> Self {
        Self(Arc::new(Checked { grant, claims_json, typed: Mutex::default() }))
    }

    /// When it ends, without any leeway.
    pub(crate) fn expiry(&self) -> NumericDate {
        self.0.grant.expires_at
    }

    /// When it was issued, where it says so.
    pub(crate) fn issue_date(&self) -> Option<NumericDate> {
        self.0.grant.issued_at
    }

    /// Whether its claims are those of a JWT.
    pub(crate) fn is_jwt(&self) -> bool {
        self.0.grant.jwt
    }

    /// About how much memory it holds, in bytes. What it was granted is in its claims as well, and counted twice.
    pub(crate) fn bytes(&self) -> usize {
        size_of::<Checked>().saturating_add(self.0.claims_json.len().saturating_mul(2))
    }

    /// The authorization server that issued it (`iss`), as configured.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.0.grant.issuer
    }

    /// Whom it was issued about (`sub`), unique at its [`issuer`](Self::issuer) only.
    ///
    /// Empty when the token names nobody: RFC 9068 asks for `sub`, RFC 7519 does not. To refuse
    /// such tokens, add [`Issuer::require_claim`](crate::Issuer::require_claim)`("sub")`.
    #[must_use]
    pub fn subject(&self) -> &str {
        self.0.grant.subject.as_deref().unwrap_or_default()
    }

    /// A name of the subject for people to read, as introspection tells it (`username`, RFC 7662 section 2.2).
    /// `None` for a JWT that was judged by itself. It may change hands: never a key to anything.
    #[must_use]
    pub fn username(&self) -> Option<&str> {
        self.0.grant.username.as_deref()
    }

    /// The client that asked for it: `client_id` (RFC 9068 section 2.2), else `azp`, `cid` or
    /// `appid`, as OpenID Connect, Okta and Entra ID call it.
    #[must_use]
    pub fn client_id(&self) -> Option<&str> {
        self.0.grant.client_id.as_deref()
    }

    /// Whether it speaks for a client rather than for a person: the subject is the client
    /// (RFC 9068 section 2.2, RFC 9700 section 4.15).
    #[must_use]
    pub fn subject_is_client(&self) -> bool {
        self.client_id().is_some_and(|client| client == self.subject())
    }

    /// The APIs that it is for (`aud`); this one is among them. Empty only where introspection does not tell
    /// them and that was allowed.
    pub fn audiences(&self) -> impl Iterator<Item = &str> {
        self.0.grant.audiences.iter().map(|audience| &**audience)
    }

    /// What it was granted (`scope` or `scp`); empty when the token has none.
    #[must_use]
    pub fn scopes(&self) -> &ScopeSet {
        &self.0.grant.scopes
    }

    /// When it ends (`exp`). It may be accepted for the configured leeway longer.
    #[must_use]
    pub fn expires_at(&self) -> SystemTime {
        self.0.grant.expires_at.to_system_time()
    }

    /// When it begins (`nbf`), where it says so.
    #[must_use]
    pub fn not_before(&self) -> Option<SystemTime> {
        self.0.grant.not_before.map(NumericDate::to_system_time)
    }

    /// When it was issued (`iat`), where it says so.
    #[must_use]
    pub fn issued_at(&self) -> Option<SystemTime> {
        self.0.grant.issued_at.map(NumericDate::to_system_time)
    }

    /// Its own identifier (`jti`), unique at its issuer only.
    #[must_use]
    pub fn token_id(&self) -> Option<&str> {
        self.0.grant.token_id.as_deref()
    }

    /// How the person was authenticated (`acr`; RFC 9068 section 2.2.1, RFC 9470 section 6.1).
    #[must_use]
    pub fn acr(&self) -> Option<&str> {
        self.0.grant.acr.as_deref()
    }

    /// When the person was authenticated (`auth_time`; RFC 9068 section 2.2.1).
    #[must_use]
    pub fn auth_time(&self) -> Option<SystemTime> {
        self.0.grant.auth_time.map(NumericDate::to_system_time)
    }

    /// All claims, as the JSON text that was signed; of an opaque token, what introspection told of it
    /// (RFC 7662 section 2.2). No object in it has a member twice.
    #[must_use]
    pub fn claims_json(&self) -> &str {
        &self.0.claims_json
    }

    /// The claims as your own type. Deserialized once per token and type, then remembered.
    ///
    /// # Errors
    /// [`ClaimsMismatch`] when the claims do not fit `T`.
    pub fn claims<T>(&self) -> Result<Arc<T>, ClaimsMismatch>
    where
        T: DeserializeOwned + Send + Sync + 'static,
    {
        let mut typed = self.0.typed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = typed.iter().find_map(|known| Arc::clone(known).downcast::<T>().ok()) {
            return Ok(known);
        }
        let claims: T =
            serde_json::from_str(&self.0.claims_json).map_err(|error| ClaimsMismatch::of::<T>(&error))?;
        let claims = Arc::new(claims);
        let remembered: Arc<T> = Arc::clone(&claims);
        typed.push(remembered);
        Ok(claims)
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessToken").field("issuer", &self.issuer()).finish_non_exhaustive()
    }
}

/// The claims of a token do not fit the type that a handler asked for.
///
/// It names the type and the place in the JSON text, and no value of any claim.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ClaimsMismatch {
    wanted: &'static str,
    column: usize,
}

impl ClaimsMismatch {
    fn of<T>(error: &serde_json::Error) -> Self {
        Self { wanted: type_name::<T>(), column: error.column() }
    }
}

impl fmt::Display for ClaimsMismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the claims do not fit {} (at column {})", self.wanted, self.column)
    }
}

impl Error for ClaimsMismatch {}
