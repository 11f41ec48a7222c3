//! A claim of a token as handlers, routes and validators read it.

use std::fmt;

use serde::Deserialize;
use serde_json::Value;

use crate::encoding::json_pointer::JsonPointer;

/// The value of a claim, or all claims of a token. It borrows from the token.
///
/// [`AccessToken::claim`](crate::AccessToken::claim) returns one. [`Require::claim`](crate::Require::claim)
/// and [`Issuer::validate`](crate::Issuer::validate) pass one to your function. `Debug` does not print the
/// value.
///
/// ```
/// # #[cfg(all(feature = "test-util", any(feature = "aws-lc-rs", feature = "rust-crypto")))] {
/// # let idp = tower_bearer::testing::TestIssuer::new();
/// # let token = idp.token("https://api.example.com")
/// #     .claim("tenant", "acme").claim("orders", serde_json::json!({"regions": ["eu", "us"], "limit": 5}))
/// #     .access_token().unwrap();
/// assert_eq!(token.claim("tenant").and_then(|tenant| tenant.as_str()), Some("acme"));
///
/// let regions = token.claim("/orders/regions").unwrap();
/// assert!(regions.contains("eu"));
///
/// let limit = token.claim("orders").and_then(|orders| orders.get("limit"));
/// assert_eq!(limit.and_then(|limit| limit.to::<u8>()), Some(5));
/// assert!(token.claim("/orders/owner").is_none());
/// # }
/// ```
#[derive(Clone, Copy)]
pub struct ClaimValue<'t>(&'t Value);

impl<'t> ClaimValue<'t> {
    pub(crate) fn new(value: &'t Value) -> Self {
        Self(value)
    }

    /// The value as JSON, for a developer's terminal.
    pub(crate) fn to_json(self) -> String {
        self.0.to_string()
    }

    /// Returns a value inside this one: by the name of a member, or by a JSON Pointer (RFC 6901) that begins
    /// with `/`. `None` if there is no such value.
    ///
    /// ```
    /// use tower_bearer::Issuer;
    ///
    /// let issuer = Issuer::discover("https://login.example.com")
    ///     .validate(|claims| claims.get("/org/id").is_some_and(|id| id.as_str() == Some("acme")));
    /// ```
    #[must_use]
    pub fn get(self, pointer: &str) -> Option<Self> {
        JsonPointer::parse(pointer)?.find_parsed(self.0).map(Self)
    }

    /// Whether the value is an object.
    pub(super) fn is_object(self) -> bool {
        self.0.is_object()
    }

    /// The text, if the value is a string.
    #[must_use]
    pub fn as_str(self) -> Option<&'t str> {
        self.0.as_str()
    }

    /// The value, if it is a boolean.
    ///
    /// ```
    /// use tower_bearer::Issuer;
    ///
    /// // Rejects tokens without the claim, and those with the string "true".
    /// let issuer = Issuer::discover("https://login.example.com").validate(|claims| {
    ///     claims.get("email_verified").and_then(|verified| verified.as_bool()) == Some(true)
    /// });
    /// ```
    #[must_use]
    pub fn as_bool(self) -> Option<bool> {
        self.0.as_bool()
    }

    /// The value, if it is an integer in the range of `i64`.
    ///
    /// ```
    /// use tower_bearer::Require;
    ///
    /// let layer = Require::claim("clearance", |level| level.as_i64().is_some_and(|level| level >= 3));
    /// ```
    #[must_use]
    pub fn as_i64(self) -> Option<i64> {
        self.0.as_i64()
    }

    /// Whether the value is this string, or an array with this string.
    ///
    /// ```
    /// use tower_bearer::Require;
    ///
    /// let layer = Require::claim("/org/regions", |regions| regions.contains("eu")); // "eu" or ["eu", "us"]
    /// ```
    #[must_use]
    pub fn contains(self, text: &str) -> bool {
        self.as_str() == Some(text) || self.items().any(|item| item.as_str() == Some(text))
    }

    /// The items, if the value is an array; else none.
    ///
    /// ```
    /// use tower_bearer::Require;
    ///
    /// let layer = Require::claim("groups", |groups| {
    ///     groups.items().filter_map(|group| group.as_str()).any(|group| group.starts_with("orders/"))
    /// });
    /// ```
    pub fn items(self) -> impl Iterator<Item = Self> {
        self.0.as_array().into_iter().flatten().map(Self)
    }

    /// Of all claims, the authorization details of this type (RFC 9396 section 9).
    pub(crate) fn authorization_details(self, kind: &str) -> impl Iterator<Item = Self> {
        let is_of_kind = move |detail: &Self| detail.get("type").and_then(Self::as_str) == Some(kind);
        self.get("authorization_details").into_iter().flat_map(Self::items).filter(is_of_kind)
    }

    /// Deserializes the value into a `T`. `None` if it does not fit.
    ///
    /// ```
    /// use tower_bearer::AccessToken;
    ///
    /// #[derive(serde::Deserialize)]
    /// struct Address {
    ///     country: String,
    /// }
    ///
    /// fn country(token: &AccessToken) -> Option<String> {
    ///     let address: Address = token.claim("address")?.to()?;
    ///     Some(address.country)
    /// }
    /// ```
    #[must_use]
    pub fn to<T: Deserialize<'t>>(self) -> Option<T> {
        T::deserialize(self.0).ok()
    }
}

impl fmt::Debug for ClaimValue<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClaimValue").finish_non_exhaustive()
    }
}
