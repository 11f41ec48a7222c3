//! Builds tokens of the test issuer: valid by default, and invalid in any way that a test needs.

use std::fmt;
use std::time::Duration;

use serde_json::{Map, Value};

use super::test_issuer::TestIssuer;
use crate::access_token::AccessToken;
use crate::middleware::BearerAuth;
use crate::rejection::{Rejection, RejectionKind};
use crate::settings::Issuer;
use crate::testing::server::{TokenForm, TokenSet, UnsignedToken};

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
    issuer: TestIssuer,
    token: UnsignedToken,
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

    pub(super) fn claims_mut(&mut self) -> &mut Map<String, Value> {
        &mut self.token.claims
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

    /// Signs with this key of the issuer, published or withdrawn. Default: the current key.
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

    /// Signs the token and returns it as a compact JWS (RFC 7515 section 7.1).
    ///
    /// The issuer records it for [introspection](TestIssuer::introspection_url) and
    /// [revocation](TestIssuer::revoke).
    ///
    /// With a deterministic algorithm, the same claims give the same token on every call, and a revoked token
    /// stays revoked. For another token, call [`TestIssuer::token`] again.
    #[must_use]
    pub fn sign(&self) -> String {
        self.issuer.state.issue(&self.token, TokenForm::Jwt, None)
    }

    /// Signs the token with these octets instead of the claims, for claims that are not well-formed JSON.
    ///
    /// The issuer does not record it.
    ///
    /// ```
    /// use tower_bearer::testing::TestIssuer;
    ///
    /// # #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))] {
    /// let idp = TestIssuer::new();
    /// let duplicate = idp.token("https://api.example.com").sign_claims(r#"{"exp":1,"exp":9999999999}"#);
    /// assert_eq!(duplicate.split('.').count(), 3);
    /// # }
    /// ```
    #[must_use]
    pub fn sign_claims(&self, claims: impl AsRef<[u8]>) -> String {
        self.issuer.state.sign_claims(&self.token, claims.as_ref())
    }

    /// Signs the token with these octets instead of the header, for headers that are not well-formed JSON.
    ///
    /// The issuer does not record it.
    ///
    /// ```
    /// use tower_bearer::testing::TestIssuer;
    ///
    /// # #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))] {
    /// let idp = TestIssuer::new();
    /// let duplicate = idp.token("https://api.example.com").sign_header(r#"{"alg":"ES256","alg":"none"}"#);
    /// assert_eq!(duplicate.split('.').count(), 3);
    /// # }
    /// ```
    #[must_use]
    pub fn sign_header(&self, header: impl AsRef<[u8]>) -> String {
        self.issuer.state.sign_header(&self.token, header.as_ref())
    }

    /// Issues an opaque token with these claims: 43 characters, different on every call.
    ///
    /// Only [introspection](TestIssuer::introspection_url) returns its claims. Header and key do not matter.
    ///
    /// ```
    /// use tower_bearer::testing::TestIssuer;
    ///
    /// # #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))] {
    /// let idp = TestIssuer::new();
    /// let token = idp.token("https://api.example.com").subject("alice").opaque();
    /// assert_eq!(token.len(), 43);
    /// # }
    /// ```
    #[must_use]
    pub fn opaque(&self) -> String {
        self.issuer.state.issue(&self.token, TokenForm::Opaque, None)
    }

    /// Issues an opaque token with this text. It replaces a token with the same text, even a revoked one.
    ///
    /// Use it for the token formats of other servers.
    ///
    /// ```
    /// use tower_bearer::testing::TestIssuer;
    ///
    /// # #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))] {
    /// let idp = TestIssuer::new();
    /// idp.token("https://api.example.com").subject("alice").opaque_as("ory_at_2YotnFZFEjr1zCsicMWpAA");
    /// # }
    /// ```
    pub fn opaque_as(&self, token: &str) {
        self.issuer.state.issue_as(&self.token, token);
    }

    /// Issues a JWT together with a refresh token (RFC 6749 section 1.5).
    ///
    /// Each call starts a new family of tokens. The [token endpoint](TestIssuer::token_url) exchanges the
    /// refresh token for a new refresh token and an access token with new `iat`, `exp` and `jti`. Using a
    /// refresh token twice, or revoking it, revokes the family (RFC 9700 section 4.14.2).
    ///
    /// ```
    /// use tower_bearer::testing::TestIssuer;
    ///
    /// # #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))] {
    /// let idp = TestIssuer::new();
    /// let tokens = idp.token("https://api.example.com").subject("alice").sign_in();
    /// assert_ne!(tokens.access_token(), tokens.refresh_token());
    /// # }
    /// ```
    #[must_use]
    pub fn sign_in(&self) -> TokenSet {
        self.issuer.state.issue_set(&self.token, TokenForm::Jwt)
    }

    /// Issues an opaque access token together with a refresh token. Otherwise like
    /// [`sign_in`](Self::sign_in).
    #[must_use]
    pub fn sign_in_opaque(&self) -> TokenSet {
        self.issuer.state.issue_set(&self.token, TokenForm::Opaque)
    }

    /// The [`AccessToken`] that a handler gets for this token, to test handlers without a layer.
    ///
    /// It signs the token and validates it in full, against the current key set and the clock of the issuer.
    /// The expected audience is the `aud` of the token, or `api` if `aud` is not a string.
    ///
    /// ```
    /// use tower_bearer::{AccessToken, testing::TestIssuer};
    ///
    /// # #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))] {
    /// fn greeting(token: &AccessToken) -> String {
    ///     format!("hello {}", token.subject().unwrap_or("client"))
    /// }
    ///
    /// let idp = TestIssuer::new();
    /// let token = idp.token("https://api.example.com").subject("alice").access_token().unwrap();
    /// assert_eq!(greeting(&token), "hello alice");
    /// # }
    /// ```
    ///
    /// # Errors
    /// The [`Rejection`] of a `BearerAuth` with that audience.
    pub fn access_token(&self) -> Result<AccessToken, Rejection> {
        let audience = self.token.claims.get("aud").and_then(Value::as_str).unwrap_or("api");
        // With introspection configured, the token can be introspected later, by `still_active`.
        let issuer = Issuer::with_static_jwks(self.issuer.identifier(), self.issuer.jwks())
            .introspect(self.issuer.introspection())
            .dangerous_allow_http();
        let builder = BearerAuth::builder(audience).issuer(issuer).clock(self.issuer.clock());
        let auth = builder.http_client(self.issuer.http_client()).build();
        let auth = auth.map_err(|_| RejectionKind::KeyUnknown)?;
        auth.access_token(&self.sign())
    }
}

impl fmt::Debug for TokenBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenBuilder").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}
