//! Tokens as a test wants them: good ones by default, and bad ones in every way.

use std::fmt;
use std::time::Duration;

use serde_json::Value;

use super::draft::UnsignedToken;
use super::issuer::TestIssuer;
use super::issuing::TokenSet;
use super::tokens::TokenForm;
use crate::access_token::AccessToken;
use crate::builder::Issuer;
use crate::middleware::BearerAuth;
use crate::rejection::Rejection;

/// A token of a [`TestIssuer`], before it is signed.
///
/// It begins as RFC 9068 section 2 describes an access token: `typ` `at+jwt`; `iss`, `aud`, `sub`
/// (`"user"`), `client_id` (`"client"`), `iat` (now), `exp` (5 minutes from now) and a `jti` of its own.
#[derive(Clone)]
#[must_use]
pub struct TokenBuilder {
    issuer: TestIssuer,
    draft: UnsignedToken,
}

impl TestIssuer {
    /// A token for that audience, to be altered and signed: valid for 5 minutes from now.
    pub fn token(&self, audience: impl Into<String>) -> TokenBuilder {
        let (now, number) = (self.state.now(), self.state.unused_number());
        let draft = UnsignedToken::new(self.identifier(), audience.into().into(), now, number);
        TokenBuilder { issuer: self.clone(), draft }
    }
}

impl TokenBuilder {
    /// Sets `sub`.
    pub fn subject(self, subject: &str) -> Self {
        self.claim("sub", subject)
    }

    /// Sets `scope`, space-delimited.
    pub fn scope(self, scope: &str) -> Self {
        self.claim("scope", scope)
    }

    /// Sets `exp` to a time long past, beyond any leeway.
    pub fn expired(self) -> Self {
        let past = self.issuer.state.now().saturating_sub(3600);
        self.claim("exp", past)
    }

    /// Sets `exp` to so long from now.
    pub fn lifetime(self, lifetime: Duration) -> Self {
        let expires_at = self.issuer.state.now().saturating_add(lifetime.as_secs());
        self.claim("exp", expires_at)
    }

    /// Sets any claim to any value, of the right type or not.
    pub fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.draft.set(name, value);
        self
    }

    /// Removes a claim.
    pub fn without(mut self, name: &str) -> Self {
        self.draft.claims.remove(name);
        self
    }

    /// Sets a header parameter to any value; `null` removes it. `alg`, `kid` and `typ` can be set too.
    pub fn header(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.draft.header.insert(name.to_owned(), value.into());
        self
    }

    /// Signs with this key of the issuer, published or withdrawn, and not with the current one.
    pub fn key_id(mut self, kid: &str) -> Self {
        self.draft.key_id = Some(kid.to_owned());
        self
    }

    /// The token: a compact JWS. The server knows it from now on, for
    /// [introspection](TestIssuer::introspection_url) and [revocation](TestIssuer::revoke).
    ///
    /// With some algorithms the same claims give the same text each time, and a text that was revoked
    /// stays revoked. Another call of [`TestIssuer::token`] makes another token.
    #[must_use]
    pub fn sign(&self) -> String {
        self.issuer.state.issue(&self.draft, TokenForm::Jwt, None)
    }

    /// The token with these octets in place of the claims, for claims that no JSON writer would write.
    /// The server does not know it again.
    #[must_use]
    pub fn sign_claims(&self, claims: impl AsRef<[u8]>) -> String {
        self.issuer.state.sign_claims(&self.draft, claims.as_ref())
    }

    /// The token with these octets in place of the header, for headers that no JSON writer would write.
    /// The server does not know it again.
    #[must_use]
    pub fn sign_header(&self, header: impl AsRef<[u8]>) -> String {
        self.issuer.state.sign_header(&self.draft, header.as_ref())
    }

    /// The token as an opaque one: 43 characters that say nothing, another text each time. Its claims
    /// are for [introspection](TestIssuer::introspection_url) to tell; header and key do not matter.
    #[must_use]
    pub fn opaque(&self) -> String {
        self.issuer.state.issue(&self.draft, TokenForm::Opaque, None)
    }

    /// The token as an opaque one with this text, in place of any other with the same.
    pub fn opaque_as(&self, token: &str) {
        self.issuer.state.issue_as(&self.draft, token);
    }

    /// The token as a JWT, with a refresh token (RFC 6749 section 1.5).
    ///
    /// Each call starts a family of tokens, with a `jti` of its own. At the
    /// [token endpoint](TestIssuer::token_url) the refresh token gets the next two: an access token with
    /// the same claims but for `iat`, `exp` and `jti`, and a refresh token. Used a second
    /// time, or revoked, it ends all of them (RFC 9700 section 4.14.2).
    #[must_use]
    pub fn sign_in(&self) -> TokenSet {
        self.issuer.state.issue_set(&self.draft, TokenForm::Jwt)
    }

    /// The same with opaque access tokens.
    #[must_use]
    pub fn sign_in_opaque(&self) -> TokenSet {
        self.issuer.state.issue_set(&self.draft, TokenForm::Opaque)
    }

    /// What a handler gets for this token, for tests of handlers without a layer: every check is made.
    ///
    /// # Errors
    /// The [`Rejection`] that a request with this token would get from a `BearerAuth` with the
    /// token's own audience.
    pub fn access_token(&self) -> Result<AccessToken, Rejection> {
        let audience = self.draft.claims.get("aud").and_then(Value::as_str).unwrap_or("api");
        let issuer = Issuer::with_static_jwks(self.issuer.identifier(), self.issuer.jwks());
        let auth = BearerAuth::builder(audience).issuer(issuer).clock(self.issuer.clock()).build();
        let auth = auth.map_err(|_| crate::rejection::RejectionKind::KeyUnknown)?;
        auth.access_token(&self.sign())
    }
}

impl fmt::Debug for TokenBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenBuilder").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}
