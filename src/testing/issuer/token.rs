//! Builds tokens of the test issuer: valid by default, and invalid in any way that a test needs.

use std::fmt;
use std::time::Duration;

use serde_json::Value;

use super::test_issuer::TestIssuer;
use crate::testing::server::UnsignedToken;

/// Builds a token of a [`TestIssuer`]. [`TestIssuer::token`] returns it.
///
/// By default the token is a valid access token (RFC 9068 section 2): its `typ` is `at+jwt`, and it has
/// `iss`, `aud`, `sub` (`"user"`), `client_id` (`"client"`), `iat` (now), `exp` (5 minutes from now) and a
/// unique `jti`.
///
/// ```
/// use tower_bearer::{RejectionKind, testing::TestIssuer};
///
/// # #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))] {
/// let idp = TestIssuer::new();
/// let token = idp.token("https://api.example.com").subject("alice").scope("orders:read");
/// assert_eq!(token.access_token().unwrap().subject(), Some("alice"));
///
/// let rejection = token.expired().access_token().unwrap_err();
/// assert_eq!(rejection.kind(), RejectionKind::TokenExpired);
/// # }
/// ```
#[derive(Clone)]
#[must_use]
pub struct TokenBuilder {
    pub(super) issuer: TestIssuer,
    pub(super) token: UnsignedToken,
}

impl TestIssuer {
    /// Starts to build a token for this audience, valid for 5 minutes from now.
    ///
    /// ```
    /// use tower_bearer::testing::TestIssuer;
    ///
    /// # #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))] {
    /// let idp = TestIssuer::new();
    /// let token = idp.token("https://api.example.com").subject("alice").sign();
    /// assert_eq!(token.split('.').count(), 3);
    /// # }
    /// ```
    pub fn token(&self, audience: impl Into<String>) -> TokenBuilder {
        let (now, number) = (self.state.now(), self.state.next_number());
        let token = UnsignedToken::new(self.identifier(), audience.into().into(), now, number);
        TokenBuilder { issuer: self.clone(), token }
    }
}

impl TokenBuilder {
    /// Sets `sub`. Default: `"user"`.
    pub fn subject(self, subject: &str) -> Self {
        self.claim("sub", subject)
    }

    /// Sets `scope`, a space-delimited list. Default: no `scope`.
    ///
    /// ```
    /// use tower_bearer::testing::TestIssuer;
    ///
    /// # #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))] {
    /// let idp = TestIssuer::new();
    /// let token = idp.token("https://api.example.com").scope("orders:read orders:write");
    /// assert_eq!(token.access_token().unwrap().scopes().len(), 2);
    /// # }
    /// ```
    pub fn scope(self, scope: &str) -> Self {
        self.claim("scope", scope)
    }

    /// Sets `exp` to one hour ago, which no leeway covers.
    ///
    /// ```
    /// use tower_bearer::{RejectionKind, testing::TestIssuer};
    ///
    /// # #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))] {
    /// let idp = TestIssuer::new();
    /// let rejection = idp.token("https://api.example.com").expired().access_token().unwrap_err();
    /// assert_eq!(rejection.kind(), RejectionKind::TokenExpired);
    /// # }
    /// ```
    pub fn expired(self) -> Self {
        let past = self.issuer.state.now().saturating_sub(3600);
        self.claim("exp", past)
    }

    /// Sets `exp` to `lifetime` from now. Fractions of a second are dropped.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_bearer::{RejectionKind, testing::TestIssuer};
    ///
    /// # #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))] {
    /// let idp = TestIssuer::new();
    /// let token = idp.token("https://api.example.com").lifetime(Duration::from_secs(60));
    /// assert!(token.access_token().is_ok());
    ///
    /// idp.clock().advance(Duration::from_secs(120)); // the lifetime, and more than the leeway
    /// assert_eq!(token.access_token().unwrap_err().kind(), RejectionKind::TokenExpired);
    /// # }
    /// ```
    pub fn lifetime(self, lifetime: Duration) -> Self {
        let expires_at = self.issuer.state.now().saturating_add(lifetime.as_secs());
        self.claim("exp", expires_at)
    }

    /// Sets `auth_time` to `age` before now, for routes with
    /// [`Require::authenticated_within`](crate::Require::authenticated_within). Fractions of a second are
    /// dropped. A new token has no `auth_time`.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_bearer::access_token::StepUp;
    /// use tower_bearer::{RejectionKind, testing::TestIssuer};
    ///
    /// # #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))] {
    /// let recent = StepUp::new().authenticated_within(Duration::from_secs(300));
    /// let token = TestIssuer::new().token("https://api.example.com");
    ///
    /// let old = token.authenticated_ago(Duration::from_secs(900)).access_token().unwrap();
    /// let rejection = old.require_step_up(recent).unwrap_err();
    /// assert_eq!(rejection.kind(), RejectionKind::AuthenticationInsufficient);
    /// # }
    /// ```
    pub fn authenticated_ago(self, age: Duration) -> Self {
        let auth_time = self.issuer.state.now().saturating_sub(age.as_secs());
        self.claim("auth_time", auth_time)
    }

    /// Sets a claim to any value, even to one of the wrong type.
    ///
    /// ```
    /// use tower_bearer::{RejectionKind, testing::TestIssuer};
    ///
    /// # #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))] {
    /// let idp = TestIssuer::new();
    /// let token = idp.token("https://api.example.com").claim("roles", vec!["admin", "auditor"]);
    /// assert!(token.access_token().unwrap().claims_json().contains("auditor"));
    ///
    /// let rejection = token.claim("exp", "tomorrow").access_token().unwrap_err();
    /// assert_eq!(rejection.kind(), RejectionKind::ClaimIllTyped);
    /// # }
    /// ```
    pub fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.token.set(name, value);
        self
    }

    /// Removes a claim.
    ///
    /// ```
    /// use tower_bearer::{RejectionKind, testing::TestIssuer};
    ///
    /// # #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))] {
    /// let idp = TestIssuer::new();
    /// let rejection = idp.token("https://api.example.com").without("exp").access_token().unwrap_err();
    /// assert_eq!(rejection.kind(), RejectionKind::ClaimMissing);
    /// assert_eq!(rejection.claim(), Some("exp"));
    /// # }
    /// ```
    pub fn without(mut self, name: &str) -> Self {
        self.token.claims.remove(name);
        self
    }

    /// Sets a header parameter to any value, even `alg`, `kid` and `typ`. `null` removes the parameter.
    ///
    /// The token is still signed with the key and algorithm of the issuer.
    ///
    /// ```
    /// use tower_bearer::{RejectionKind, testing::TestIssuer};
    ///
    /// # #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))] {
    /// let idp = TestIssuer::new();
    /// let token = idp.token("https://api.example.com").header("typ", "logout+jwt");
    /// let rejection = token.access_token().unwrap_err();
    /// assert_eq!(rejection.kind(), RejectionKind::TypeMismatch);
    /// # }
    /// ```
    pub fn header(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.token.header.insert(name.to_owned(), value.into());
        self
    }

    /// Signs with this key of the issuer, published or retired. Default: the current key.
    ///
    /// If the issuer has never had such a key, the signed token is empty.
    ///
    /// ```
    /// use tower_bearer::{Algorithm, testing::TestIssuer};
    ///
    /// # #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))] {
    /// let idp = TestIssuer::new();
    /// let kid = idp.add_key(Algorithm::RS256);
    /// let token = idp.token("https://api.example.com").key_id(&kid).sign();
    /// # drop(token);
    /// # }
    /// ```
    pub fn key_id(mut self, kid: &str) -> Self {
        self.token.key_id = Some(kid.to_owned());
        self
    }
}

impl fmt::Debug for TokenBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenBuilder").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}
