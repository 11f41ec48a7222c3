//! Tokens as a test wants them: good ones by default, and bad ones in every way.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use serde_json::{Map, Value, json};

use super::issuer::TestIssuer;
use crate::access_token::AccessToken;
use crate::builder::Issuer;
use crate::clock::Clock;
use crate::crypto::SigningKey;
use crate::encoding::base64url;
use crate::middleware::BearerAuth;
use crate::rejection::Rejection;

/// A token of a [`TestIssuer`], before it is signed.
///
/// It begins as RFC 9068 section 2 describes an access token: `typ` `at+jwt`; `iss`, `aud`, `sub`
/// (`"user"`), `client_id` (`"client"`), `iat` (now), `exp` (5 minutes from now) and `jti`.
#[derive(Clone)]
#[must_use]
pub struct TokenBuilder {
    issuer: TestIssuer,
    header: Map<String, Value>,
    claims: Map<String, Value>,
    key_id: Option<String>,
}

impl TestIssuer {
    /// A token for that audience, to be altered and signed: valid for 5 minutes from now.
    pub fn token(&self, audience: impl Into<String>) -> TokenBuilder {
        TokenBuilder::new(self.clone(), &audience.into())
    }
}

impl TokenBuilder {
    fn new(issuer: TestIssuer, audience: &str) -> Self {
        let mut token = Self { issuer, header: Map::new(), claims: Map::new(), key_id: None };
        let now = token.now();
        let claims = json!({
            "iss": token.issuer.identifier(),
            "aud": audience,
            "sub": "user",
            "client_id": "client",
            "iat": now,
            "exp": now.saturating_add(300),
            "jti": format!("token-{now}"),
        });
        if let Value::Object(claims) = claims {
            token.claims = claims;
        }
        token
    }

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
        let past = self.now().saturating_sub(3600);
        self.claim("exp", past)
    }

    /// Sets `exp` to so long from now.
    pub fn lifetime(self, lifetime: Duration) -> Self {
        let expires_at = self.now().saturating_add(lifetime.as_secs());
        self.claim("exp", expires_at)
    }

    /// Sets any claim to any value, of the right type or not.
    pub fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.claims.insert(name.to_owned(), value.into());
        self
    }

    /// Removes a claim.
    pub fn without(mut self, name: &str) -> Self {
        self.claims.remove(name);
        self
    }

    /// Sets a header parameter to any value; `null` removes it. `alg`, `kid` and `typ` can be set too.
    pub fn header(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.header.insert(name.to_owned(), value.into());
        self
    }

    /// Signs with this key of the issuer, published or withdrawn, and not with the current one.
    pub fn key_id(mut self, kid: &str) -> Self {
        self.key_id = Some(kid.to_owned());
        self
    }

    /// The token: a compact JWS.
    #[must_use]
    pub fn sign(&self) -> String {
        self.sign_claims(Value::Object(self.claims.clone()).to_string())
    }

    /// The token with these octets in place of the claims, for claims that no JSON writer would write.
    #[must_use]
    pub fn sign_claims(&self, claims: impl AsRef<[u8]>) -> String {
        let Some((kid, key)) = self.issuer.signing_key(self.key_id.as_deref()) else { return String::new() };
        let header = self.full_header(&kid, &key).to_string();
        sign(&key, header.as_bytes(), claims.as_ref())
    }

    /// The token with these octets in place of the header, for headers that no JSON writer would write.
    #[must_use]
    pub fn sign_header(&self, header: impl AsRef<[u8]>) -> String {
        let Some((_, key)) = self.issuer.signing_key(self.key_id.as_deref()) else { return String::new() };
        let claims = Value::Object(self.claims.clone()).to_string();
        sign(&key, header.as_ref(), claims.as_bytes())
    }

    /// What a handler gets for this token, for tests of handlers without a layer: every check is made.
    ///
    /// # Errors
    /// The [`Rejection`] that a request with this token would get from a `BearerAuth` with the
    /// token's own audience.
    pub fn access_token(&self) -> Result<AccessToken, Rejection> {
        let audience = self.claims.get("aud").and_then(Value::as_str).unwrap_or("api");
        let issuer = Issuer::with_static_jwks(self.issuer.identifier(), self.issuer.jwks());
        let auth = BearerAuth::builder(audience).issuer(issuer).clock(self.issuer.clock()).build();
        let auth = auth.map_err(|_| crate::rejection::RejectionKind::KeyUnknown)?;
        auth.access_token(&self.sign())
    }

    fn full_header(&self, kid: &str, key: &SigningKey) -> Value {
        let mut header = Map::new();
        for (name, value) in [("alg", key.algorithm().as_str()), ("typ", "at+jwt"), ("kid", kid)] {
            header.insert(name.to_owned(), value.into());
        }
        header.extend(self.header.clone());
        header.retain(|name, value| !value.is_null() || !self.header.contains_key(name));
        Value::Object(header)
    }

    fn now(&self) -> u64 {
        self.issuer.clock().now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
    }
}

impl fmt::Debug for TokenBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenBuilder").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

#[expect(clippy::expect_used, reason = "fails only without randomness, and this is a tool for tests")]
fn sign(key: &Arc<SigningKey>, header: &[u8], claims: &[u8]) -> String {
    let input = format!("{}.{}", base64url::encode(header), base64url::encode(claims));
    let signature = key.sign(input.as_bytes()).expect("the random number generator of the machine works");
    let signature = base64url::encode(&signature);
    format!("{input}.{signature}")
}
