//! Issues the token that a builder has built: signed, opaque, with a refresh token, or validated.

use serde_json::Value;

use super::token::TokenBuilder;
use crate::access_token::AccessToken;
use crate::binding::certificates::Certificates;
use crate::binding::dpop::Dpop;
use crate::middleware::BearerAuth;
use crate::rejection::{Rejection, RejectionKind};
use crate::settings::Issuer;
use crate::testing::server::{TokenForm, TokenSet};

impl TokenBuilder {
    /// Signs the token and returns it as a compact JWS (RFC 7515 section 7.1).
    ///
    /// The issuer records it for [introspection](crate::testing::TestIssuer::introspection_url) and
    /// [revocation](crate::testing::TestIssuer::revoke).
    ///
    /// With a deterministic algorithm, the same claims give the same token on every call, and a revoked token
    /// stays revoked. For another token, call [`TestIssuer::token`](crate::testing::TestIssuer::token) again.
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
    /// Only [introspection](crate::testing::TestIssuer::introspection_url) returns its claims. Header and key
    /// do not matter.
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
    /// Each call starts a new family of tokens. The
    /// [token endpoint](crate::testing::TestIssuer::token_url) exchanges the refresh token for a new refresh
    /// token and an access token with new `iat`, `exp` and `jti`. Using a refresh token twice, or revoking
    /// it, revokes the family (RFC 9700 section 4.14.2).
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
    /// The [`Rejection`] of a `BearerAuth` with that audience. A sender-constrained token needs no proof
    /// here.
    pub fn access_token(&self) -> Result<AccessToken, Rejection> {
        let audience = self.token.claims.get("aud").and_then(Value::as_str).unwrap_or("api");
        // With introspection configured, the token can be introspected later, by `still_active`.
        let issuer = Issuer::with_static_jwks(self.issuer.identifier(), self.issuer.jwks())
            .introspect(self.issuer.introspection())
            .dangerous_allow_http();
        let builder = BearerAuth::builder(audience).issuer(issuer).clock(self.issuer.clock());
        // Bound tokens are valid, too. There is no request to prove anything with.
        let builder = builder.dpop(Dpop::at("https://api.test")).certificates(Certificates::of_connection());
        let auth = builder.http_client(self.issuer.http_client()).build();
        let auth = auth.map_err(|_| RejectionKind::KeyUnknown)?;
        auth.access_token(&self.sign())
    }
}
