//! The access token as a handler sees it: what was checked, and what it grants (RFC 9068 section 2.2).

use std::any::{Any, type_name};
use std::error::Error;
use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::SystemTime;

use serde::de::DeserializeOwned;

pub use crate::bearer::ScopeSet;
use crate::time::NumericDate;

/// An access token that passed every check of the [`BearerAuth`](crate::BearerAuth) that put it here.
///
/// It stands in the request's extensions and, with the feature `axum`, is an extractor. There is no
/// way to make one but to authenticate a request (or, in tests, the feature `test-util`):
///
/// ```compile_fail,E0451
/// let token = tower_bearer::AccessToken { checked: Default::default() };
/// ```
///
/// A clone counts a reference. `Debug` shows the issuer and nothing of the claims.
///
/// # Who is calling
///
/// A person or a service is the pair of [`issuer`](Self::issuer) and [`subject`](Self::subject)
/// (RFC 8725 section 3.8): with several issuers, the subject alone names nobody.
#[derive(Clone)]
pub struct AccessToken {
    checked: Arc<Checked>,
    covered_by: Option<CoveredBy>,
}

/// The `BearerAuth` that accepted the request of a token, for the layers further in. Only they know the type behind it,
/// which lies above this module. The reference is weak: a token that is kept does not keep the `BearerAuth` alive.
#[derive(Clone)]
pub(crate) struct CoveredBy(pub(crate) Weak<dyn Any + Send + Sync>);

// A token exposes nothing of it.
impl UnwindSafe for CoveredBy {}
impl RefUnwindSafe for CoveredBy {}

struct Checked {
    grant: Grant,
    claims_json: Box<str>,
    /// The token as it was sent, where its issuer can be asked about it.
    presented: Option<Arc<str>>,
    typed: Mutex<Vec<Arc<dyn Any + Send + Sync>>>,
}

/// What the claims of a token say, after they were checked.
#[derive(Clone)]
pub(crate) struct Grant {
    pub(crate) issuer: Arc<str>,
    pub(crate) subject: Option<ClaimText>,
    pub(crate) client_id: Option<ClaimText>,
    pub(crate) audiences: Vec<ClaimText>,
    pub(crate) scopes: ScopeSet,
    pub(crate) expires_at: NumericDate,
    pub(crate) not_before: Option<NumericDate>,
    pub(crate) issued_at: Option<NumericDate>,
    pub(crate) auth_time: Option<NumericDate>,
    pub(crate) token_id: Option<ClaimText>,
    pub(crate) acr: Option<ClaimText>,
    /// Whether the claims are those of a JWT, and not of an answer of introspection.
    pub(crate) jwt: bool,
    /// Only from introspection.
    pub(crate) username: Option<ClaimText>,
}

/// A text that the claims hold: where it stands in their JSON, or a copy where it is spelled differently there.
///
/// Why: each copy would be one more piece of memory to get for every token, and to give back.
#[derive(Clone)]
pub(crate) enum ClaimText {
    Within { start: u32, len: u32 },
    Copy(Box<str>),
}

impl ClaimText {
    /// `text`, which was read from `json`.
    pub(crate) fn of(text: &str, json: &str) -> Self {
        Self::within(text, json).unwrap_or_else(|| Self::Copy(text.into()))
    }

    fn within(text: &str, json: &str) -> Option<Self> {
        let start = text.as_ptr().addr().checked_sub(json.as_ptr().addr())?;
        let place = Self::Within { start: start.try_into().ok()?, len: text.len().try_into().ok()? };
        // A text with an escape in it was put together elsewhere.
        (place.read(json) == text).then_some(place)
    }

    /// The text, in the `json` that it was read from.
    fn read<'j>(&'j self, json: &'j str) -> &'j str {
        match self {
            Self::Copy(text) => text,
            Self::Within { start, len } => {
                let read = || {
                    let start = usize::try_from(*start).ok()?;
                    json.get(start..start.checked_add(usize::try_from(*len).ok()?)?)
                };
                read().unwrap_or_default()
            }
        }
    }
}

impl AccessToken {
    pub(crate) fn new(grant: Grant, claims_json: String, presented: Option<Arc<str>>) -> Self {
        let claims_json = claims_json.into_boxed_str();
        let checked = Checked { grant, claims_json, presented, typed: Mutex::default() };
        Self { checked: Arc::new(checked), covered_by: None }
    }

    /// The token of a request that this `BearerAuth` accepted.
    pub(crate) fn covered_by(self, covered_by: CoveredBy) -> Self {
        Self { covered_by: Some(covered_by), ..self }
    }

    /// The `BearerAuth` that accepted its request, if it comes from one.
    pub(crate) fn coverage(&self) -> Option<&CoveredBy> {
        self.covered_by.as_ref()
    }

    /// As it was sent, where its issuer can be asked about it.
    pub(crate) fn presented(&self) -> Option<&Arc<str>> {
        self.checked.presented.as_ref()
    }

    /// What its claims grant.
    pub(crate) fn grant(&self) -> &Grant {
        &self.checked.grant
    }

    /// When it ends, without any leeway.
    pub(crate) fn expiry(&self) -> NumericDate {
        self.checked.grant.expires_at
    }

    /// When it was issued, where it says so.
    pub(crate) fn issue_date(&self) -> Option<NumericDate> {
        self.checked.grant.issued_at
    }

    /// Whether its claims are those of a JWT.
    pub(crate) fn is_jwt(&self) -> bool {
        self.checked.grant.jwt
    }

    /// About how much memory it holds, in bytes. Whatever is kept of its claims a second time is no more than them.
    pub(crate) fn bytes(&self) -> usize {
        let presented = self.presented().map_or(0, |text| text.len());
        let claims = self.checked.claims_json.len().saturating_mul(2);
        size_of::<Checked>().saturating_add(claims).saturating_add(presented)
    }

    fn text<'t>(&'t self, text: &'t Option<ClaimText>) -> Option<&'t str> {
        text.as_ref().map(|text| text.read(&self.checked.claims_json))
    }

    /// [`issuer`](Self::issuer), to keep.
    pub(crate) fn issuer_name(&self) -> &Arc<str> {
        &self.checked.grant.issuer
    }

    /// The authorization server that issued it (`iss`), as configured.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.checked.grant.issuer
    }

    /// The subject (`sub`): who the token is about, unique within its [`issuer`](Self::issuer) only.
    ///
    /// `None` when the token has no `sub`, or an empty one: RFC 9068 requires the claim, RFC 7519 does not. To reject
    /// such tokens, add [`Issuer::require_claim`](crate::Issuer::require_claim)`("sub")`.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        self.text(&self.checked.grant.subject).filter(|subject| !subject.is_empty())
    }

    /// A name of the subject for people to read, as introspection tells it (`username`, RFC 7662 section 2.2).
    /// `None` for a JWT that was judged by itself. It may change hands: never a key to anything.
    #[must_use]
    pub fn username(&self) -> Option<&str> {
        self.text(&self.checked.grant.username)
    }

    /// The client that asked for it: `client_id` (RFC 9068 section 2.2), else `azp`, `cid` or
    /// `appid`, as OpenID Connect, Okta and Entra ID call it.
    #[must_use]
    pub fn client_id(&self) -> Option<&str> {
        self.text(&self.checked.grant.client_id)
    }

    /// The APIs that it is for (`aud`); this one is among them. Empty only where introspection does not tell
    /// them and that was allowed.
    pub fn audiences(&self) -> impl Iterator<Item = &str> {
        self.checked.grant.audiences.iter().map(|audience| audience.read(&self.checked.claims_json))
    }

    /// What it was granted (`scope` or `scp`); empty when the token has none.
    #[must_use]
    pub fn scopes(&self) -> &ScopeSet {
        &self.checked.grant.scopes
    }

    /// When it ends (`exp`). It may be accepted for the configured leeway longer.
    #[must_use]
    pub fn expires_at(&self) -> SystemTime {
        self.checked.grant.expires_at.to_system_time()
    }

    /// When it begins (`nbf`), where it says so.
    #[must_use]
    pub fn not_before(&self) -> Option<SystemTime> {
        self.checked.grant.not_before.map(NumericDate::to_system_time)
    }

    /// When it was issued (`iat`), where it says so.
    #[must_use]
    pub fn issued_at(&self) -> Option<SystemTime> {
        self.checked.grant.issued_at.map(NumericDate::to_system_time)
    }

    /// Its own identifier (`jti`), unique at its issuer only.
    #[must_use]
    pub fn token_id(&self) -> Option<&str> {
        self.text(&self.checked.grant.token_id)
    }

    /// How the person was authenticated (`acr`; RFC 9068 section 2.2.1, RFC 9470 section 6.1).
    #[must_use]
    pub fn acr(&self) -> Option<&str> {
        self.text(&self.checked.grant.acr)
    }

    /// When the person was authenticated (`auth_time`; RFC 9068 section 2.2.1).
    #[must_use]
    pub fn auth_time(&self) -> Option<SystemTime> {
        self.checked.grant.auth_time.map(NumericDate::to_system_time)
    }

    /// All claims, as the JSON text that was signed; of an opaque token, what introspection told of it
    /// (RFC 7662 section 2.2). No object in it has a member twice.
    #[must_use]
    pub fn claims_json(&self) -> &str {
        &self.checked.claims_json
    }

    /// The claims as your own type. Deserialized once per token and type, then remembered as long as the token is:
    /// other requests with it get the same value.
    ///
    /// # Errors
    /// [`ClaimsMismatch`] when the claims do not fit `T`.
    pub fn claims<T>(&self) -> Result<Arc<T>, ClaimsMismatch>
    where
        T: DeserializeOwned + Send + Sync + 'static,
    {
        let mut typed = self.checked.typed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = typed.iter().find_map(|known| Arc::clone(known).downcast::<T>().ok()) {
            return Ok(known);
        }
        let claims: T = serde_json::from_str(&self.checked.claims_json)
            .map_err(|error| ClaimsMismatch::of::<T>(&error))?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_of_the_claims_is_found_in_them_or_copied() {
        let json = r#"{"sub":"alice","azp":"al\u0069ce","x":""}"#;
        let alice = &json[8..13];
        assert!(matches!(ClaimText::of(alice, json), ClaimText::Within { start: 8, len: 5 }));
        let empty = json.len() - 2;
        assert!(matches!(ClaimText::of(&json[empty..empty], json), ClaimText::Within { len: 0, .. }));
        for text in ["alice".to_owned(), "\u{e9}".to_owned(), String::new(), "x".repeat(100)] {
            assert_eq!(ClaimText::of(&text, json).read(json), text);
        }
        assert_eq!(ClaimText::of(alice, json).read(json), "alice");
    }
}
