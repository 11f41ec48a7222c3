//! Builds DPoP proofs: valid by default, and invalid in any way that a test needs (RFC 9449 section 4.2).

use std::fmt;
use std::time::Duration;

use http::Request;
use http::header::AUTHORIZATION;
use serde_json::{Map, Value, json};

use super::key::DpopKey;
use crate::crypto::sha256;
use crate::encoding::base64url;
use crate::testing::server::compact;

/// Builds a DPoP proof for one request. [`DpopKey::proof`] returns it.
///
/// By default the proof is valid for a token that is bound to the key. Its header has `typ` (`dpop+jwt`),
/// `alg` and `jwk`, its claims are `htm`, `htu`, `iat` (now) and a unique `jti`. [`token`](Self::token) adds
/// `ath`, which a resource server requires.
///
/// ```
/// use std::time::Duration;
/// use tower_bearer::testing::TestIssuer;
///
/// # #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))] {
/// let idp = TestIssuer::new();
/// let (key, other) = (idp.dpop_key(), idp.dpop_key());
/// let token = idp.token("https://api.example.com").bound_to_key(&key).sign();
/// let proof = key.proof("GET", "https://api.example.com/me").token(&token);
///
/// let good = proof.sign();
/// let old = proof.clone().issued_ago(Duration::from_secs(600)).sign();
/// let wrong_method = proof.clone().claim("htm", "POST").sign();
/// let without_token = proof.clone().without("ath").sign();
/// let wrong_type = proof.clone().header("typ", "JWT").sign();
/// let wrong_signature = proof.signed_by(&other).sign();
/// let wrong_key = other.proof("GET", "https://api.example.com/me").token(&token).sign();
/// # drop((good, old, wrong_method, without_token, wrong_type, wrong_signature, wrong_key));
/// # }
/// ```
#[derive(Clone)]
#[must_use]
pub struct ProofBuilder {
    signer: DpopKey,
    /// The time when the builder was made, in seconds since the Unix epoch.
    now: u64,
    header: Map<String, Value>,
    claims: Map<String, Value>,
    method: String,
    url: String,
    token: Option<String>,
}

impl DpopKey {
    /// Starts to build a proof for a request with this method, to this URL.
    ///
    /// `htu` is `url` without its query and fragment (RFC 9449 section 4.2).
    ///
    /// ```
    /// use tower_bearer::testing::DpopKey;
    ///
    /// # #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))] {
    /// let proof = DpopKey::new().proof("GET", "https://api.example.com/orders?page=2").sign();
    /// assert_eq!(proof.split('.').count(), 3);
    /// # }
    /// ```
    pub fn proof(&self, method: impl AsRef<str>, url: &str) -> ProofBuilder {
        let (method, now) = (method.as_ref().to_owned(), self.now());
        let algorithm = self.signing_key().algorithm().as_str();
        let header = [("typ", json!("dpop+jwt")), ("alg", json!(algorithm)), ("jwk", self.jwk())];
        let claims = [
            ("jti", json!(format!("proof-{now}-{}", self.next_number()))),
            ("htm", json!(method)),
            ("htu", json!(url.split(['?', '#']).next().unwrap_or_default())),
            ("iat", json!(now)),
        ];
        ProofBuilder {
            signer: self.clone(),
            now,
            header: Map::from_iter(header.map(|(name, value)| (name.to_owned(), value))),
            claims: Map::from_iter(claims.map(|(name, value)| (name.to_owned(), value))),
            method,
            url: url.to_owned(),
            token: None,
        }
    }
}

impl ProofBuilder {
    /// Sets `ath` to the hash of this access token. [`request`](Self::request) sends the token, too. Default:
    /// no `ath`, as in a request to the token endpoint.
    pub fn token(mut self, token: &str) -> Self {
        self.token = Some(token.to_owned());
        self.claim("ath", base64url::encode(&sha256(&[token.as_bytes()])))
    }

    /// Sets `nonce`, the value of the last `DPoP-Nonce` header field of the server. Default: no `nonce`.
    ///
    /// ```
    /// use tower_bearer::testing::DpopKey;
    ///
    /// # #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))] {
    /// let proof = DpopKey::new().proof("GET", "https://api.example.com/me").nonce("eyJ7S_zG.eyJH0-Z");
    /// # drop(proof);
    /// # }
    /// ```
    pub fn nonce(self, nonce: &str) -> Self {
        self.claim("nonce", nonce)
    }

    /// Sets `iat` to `age` before now. Fractions of a second are dropped. Default: now.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_bearer::testing::DpopKey;
    ///
    /// # #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))] {
    /// let proof = DpopKey::new().proof("GET", "https://api.example.com/me");
    /// let old = proof.clone().issued_ago(Duration::from_secs(600)).sign();
    /// let early = proof.issued_ahead(Duration::from_secs(600)).sign();
    /// # drop((old, early));
    /// # }
    /// ```
    pub fn issued_ago(self, age: Duration) -> Self {
        let issued_at = self.now.saturating_sub(age.as_secs());
        self.claim("iat", issued_at)
    }

    /// Sets `iat` to `lead` after now, as a client with a fast clock does. Fractions of a second are dropped.
    /// Default: now.
    pub fn issued_ahead(self, lead: Duration) -> Self {
        let issued_at = self.now.saturating_add(lead.as_secs());
        self.claim("iat", issued_at)
    }

    /// Sets a claim to any value, even to one of the wrong type.
    ///
    /// ```
    /// use tower_bearer::testing::DpopKey;
    ///
    /// # #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))] {
    /// let proof = DpopKey::new().proof("GET", "https://api.example.com/me");
    /// let long_jti = proof.clone().claim("jti", "a".repeat(257)).sign();
    /// let other_host = proof.claim("htu", "https://other.example.com/me").sign();
    /// # drop((long_jti, other_host));
    /// # }
    /// ```
    pub fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.claims.insert(name.to_owned(), value.into());
        self
    }

    /// Removes a claim.
    pub fn without(mut self, name: &str) -> Self {
        self.claims.remove(name);
        self
    }

    /// Sets a header parameter to any value, even `alg`, `jwk` and `typ`. `null` removes the parameter.
    ///
    /// The proof is still signed with the same key and algorithm.
    ///
    /// ```
    /// use tower_bearer::testing::DpopKey;
    ///
    /// # #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))] {
    /// let proof = DpopKey::new().proof("GET", "https://api.example.com/me");
    /// let without_key = proof.clone().header("jwk", serde_json::Value::Null).sign();
    /// let unsigned = proof.header("alg", "none").sign();
    /// # drop((without_key, unsigned));
    /// # }
    /// ```
    pub fn header(mut self, name: &str, value: impl Into<Value>) -> Self {
        match value.into() {
            Value::Null => self.header.remove(name),
            value => self.header.insert(name.to_owned(), value),
        };
        self
    }

    /// Signs with another key. `jwk` and `alg` stay, so the signature does not fit them.
    ///
    /// ```
    /// use tower_bearer::testing::DpopKey;
    ///
    /// # #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))] {
    /// let (client, thief) = (DpopKey::new(), DpopKey::new());
    /// let forged = client.proof("GET", "https://api.example.com/me").signed_by(&thief).sign();
    /// # drop(forged);
    /// # }
    /// ```
    pub fn signed_by(mut self, key: &DpopKey) -> Self {
        self.signer = key.clone();
        self
    }

    /// Signs the proof and returns it as a compact JWS (RFC 7515 section 7.1): the value of the header field
    /// `DPoP`.
    ///
    /// Each call signs the same `jti`, so the second result is a replay of the first. For another proof, call
    /// [`DpopKey::proof`] again.
    #[must_use]
    pub fn sign(&self) -> String {
        self.sign_parts(&json_octets(&self.header), &json_octets(&self.claims))
    }

    /// Signs the proof with these octets instead of the claims, for claims that are not well-formed JSON.
    ///
    /// ```
    /// use tower_bearer::testing::DpopKey;
    ///
    /// # #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))] {
    /// let proof = DpopKey::new().proof("GET", "https://api.example.com/me");
    /// let duplicate = proof.sign_claims(r#"{"jti":"a","jti":"b"}"#);
    /// assert_eq!(duplicate.split('.').count(), 3);
    /// # }
    /// ```
    #[must_use]
    pub fn sign_claims(&self, claims: impl AsRef<[u8]>) -> String {
        self.sign_parts(&json_octets(&self.header), claims.as_ref())
    }

    /// Signs the proof with these octets instead of the header, for headers that are not well-formed JSON.
    ///
    /// ```
    /// use tower_bearer::testing::DpopKey;
    ///
    /// # #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))] {
    /// let proof = DpopKey::new().proof("GET", "https://api.example.com/me");
    /// let duplicate = proof.sign_header(r#"{"typ":"dpop+jwt","typ":"JWT"}"#);
    /// assert_eq!(duplicate.split('.').count(), 3);
    /// # }
    /// ```
    #[must_use]
    pub fn sign_header(&self, header: impl AsRef<[u8]>) -> String {
        self.sign_parts(header.as_ref(), &json_octets(&self.claims))
    }

    /// The request that this proof is for: its method and URL, the signed proof in `DPoP`, and the
    /// [token](Self::token), if there is one, in `Authorization` (RFC 9449 section 7.1).
    ///
    /// Changed claims do not change the request: with `.claim("htm", "POST")`, its method stays the same.
    ///
    /// ```
    /// use tower_bearer::testing::TestIssuer;
    ///
    /// # #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))] {
    /// let idp = TestIssuer::new();
    /// let key = idp.dpop_key();
    /// let token = idp.token("https://api.example.com").bound_to_key(&key).sign();
    /// let proof = key.proof("POST", "https://api.example.com/orders").token(&token);
    /// let request = proof.request().header("content-type", "application/json").body("{}").unwrap();
    /// assert_eq!(request.method(), "POST");
    /// assert_eq!(request.uri().path(), "/orders");
    /// # }
    /// ```
    #[must_use]
    pub fn request(&self) -> http::request::Builder {
        let request = Request::builder().method(&*self.method).uri(&*self.url).header("dpop", self.sign());
        match &self.token {
            Some(token) => request.header(AUTHORIZATION, format!("DPoP {token}")),
            None => request,
        }
    }

    fn sign_parts(&self, header: &[u8], claims: &[u8]) -> String {
        compact(self.signer.signing_key(), header, claims)
    }
}

fn json_octets(members: &Map<String, Value>) -> Vec<u8> {
    serde_json::to_vec(members).unwrap_or_default()
}

impl fmt::Debug for ProofBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProofBuilder")
            .field("signer", &self.signer)
            .field("method", &self.method)
            .finish_non_exhaustive()
    }
}
