//! Client authentication at the introspection endpoint (RFC 7662 section 2.1).
//!
//! - [`ClientAuth`] has one constructor for each method.
//! - [`ClientCredentials`] requests a bearer token for [`ClientAuth::client_credentials`].
//! - [`ProvidedAuth`] is what the function of [`ClientAuth::from_fn`] returns.
//!
//! Does not check: the strength of a secret, or whether the authorization server supports the method.
//!
//! There is no anonymous method. An endpoint that is open to everybody lets attackers test tokens (RFC 7662
//! section 4).

// - `method` creates the credentials of one request. `assertion` signs JWTs for it.
// - `provider` is the interface of credentials that change: `from_fn` calls a function of the user,
//   `assertion_file` reads a file, `client_credentials` requests a bearer token.
// - `current` caches what a provider returned.

mod assertion;
mod assertion_file;
mod client_credentials;
mod current;
mod from_fn;
mod method;
mod provider;
mod setters;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use zeroize::Zeroizing;

use self::method::Kind;
use self::provider::{Provide, Source};
use crate::crypto::{HmacAlgorithm, PrivateKey};

pub use client_credentials::ClientCredentials;
pub(super) use current::CurrentAuth;
pub use from_fn::ProvidedAuth;
pub(super) use method::{Credentials, Method, Target};
pub(super) use provider::{Candidates, ProvideContext};

/// How this API authenticates itself at the introspection endpoint.
///
/// The authorization server lists its methods in the metadata member
/// `introspection_endpoint_auth_methods_supported`. It assigns the client identifier and the secret when you
/// register your API as a client. Prefer [`private_key_jwt`](Self::private_key_jwt) or [`mtls`](Self::mtls):
/// they never transmit a credential that somebody else could reuse.
///
/// Credentials that change while the API runs come from [`from_fn`](Self::from_fn),
/// [`assertion_file`](Self::assertion_file) or [`client_credentials`](Self::client_credentials).
///
/// Secrets are wiped from memory when the last clone is dropped. `Debug` does not show them.
///
/// ```
/// use tower_bearer::{ClientAuth, Introspection, Issuer};
///
/// # fn secret_from_the_environment() -> String { "s3cret".to_owned() }
/// let auth = ClientAuth::secret_basic("orders-api", secret_from_the_environment());
/// let issuer = Issuer::discover("https://login.example.com").introspect(Introspection::with(auth));
/// # let _ = issuer;
/// ```
#[derive(Clone)]
#[must_use]
pub struct ClientAuth {
    source: Source,
    /// A setter that has no effect on these credentials.
    misuse: Option<&'static str>,
}

impl ClientAuth {
    /// `client_secret_basic`: identifier and secret in the `Authorization` header (RFC 6749 section 2.3.1).
    ///
    /// Both are form-urlencoded first, as the RFC requires. A server that does not decode them rejects
    /// secrets with characters other than letters, digits, `-`, `.`, `_` and `*`. Use
    /// [`secret_post`](Self::secret_post) there.
    ///
    /// ```
    /// use tower_bearer::ClientAuth;
    ///
    /// let auth = ClientAuth::secret_basic("orders-api", "s3cret");
    /// assert!(!format!("{auth:?}").contains("s3cret"));
    /// ```
    pub fn secret_basic(id: impl Into<String>, secret: impl Into<String>) -> Self {
        Self::fixed(Kind::SecretBasic { id: id.into(), secret: Zeroizing::new(secret.into()) })
    }

    /// `client_secret_post`: identifier and secret in the request body (RFC 6749 section 2.3.1).
    ///
    /// ```
    /// use tower_bearer::{ClientAuth, Introspection};
    ///
    /// let introspection = Introspection::with(ClientAuth::secret_post("orders-api", "s3cret"));
    /// # let _ = introspection;
    /// ```
    pub fn secret_post(id: impl Into<String>, secret: impl Into<String>) -> Self {
        Self::fixed(Kind::SecretPost { id: id.into(), secret: Zeroizing::new(secret.into()) })
    }

    /// `client_secret_jwt`: an assertion signed with the secret (OpenID Connect Core section 9, RFC 7523
    /// section 2.2).
    ///
    /// The secret itself is not transmitted. Each introspection request carries its own assertion, which is
    /// valid for 60 s. Its `aud` is the issuer identifier; see
    /// [`endpoint_as_audience`](Self::endpoint_as_audience). The secret must have at least
    /// [`min_secret_bytes`](HmacAlgorithm::min_secret_bytes) (RFC 7518 section 3.2).
    ///
    /// ```
    /// use tower_bearer::ClientAuth;
    /// use tower_bearer::crypto::HmacAlgorithm;
    ///
    /// # let secret = String::new();
    /// let auth = ClientAuth::secret_jwt("orders-api", secret, HmacAlgorithm::HS256);
    /// # let _ = auth;
    /// ```
    pub fn secret_jwt(id: impl Into<String>, secret: impl Into<String>, algorithm: HmacAlgorithm) -> Self {
        Self::fixed(Kind::SecretJwt { id: id.into(), secret: Zeroizing::new(secret.into()), algorithm })
    }

    /// `private_key_jwt`: a signed assertion (RFC 7523 section 2.2).
    ///
    /// Each introspection request carries its own assertion, which is valid for 60 s. Its `aud` is the issuer
    /// identifier, so no other authorization server accepts it; see
    /// [`endpoint_as_audience`](Self::endpoint_as_audience).
    ///
    /// ```
    /// use tower_bearer::crypto::{PrivateKey, PrivateKeyError};
    /// use tower_bearer::{Algorithm, ClientAuth};
    ///
    /// fn client_auth(pem: &str) -> Result<ClientAuth, PrivateKeyError> {
    ///     let key = PrivateKey::from_pkcs8_pem(Algorithm::ES256, pem)?.key_id("2026-05");
    ///     Ok(ClientAuth::private_key_jwt("orders-api", key))
    /// }
    /// # assert!(client_auth("").is_err());
    /// ```
    pub fn private_key_jwt(id: impl Into<String>, key: PrivateKey) -> Self {
        Self::fixed(Kind::PrivateKeyJwt { id: id.into(), key })
    }

    /// A fixed bearer token in the `Authorization` header (RFC 7662 section 2.1).
    ///
    /// For a token that has to be renewed, use [`client_credentials`](Self::client_credentials) or
    /// [`bearer_from_fn`](Self::bearer_from_fn).
    ///
    /// ```
    /// use tower_bearer::{ClientAuth, Introspection};
    ///
    /// let introspection = Introspection::with(ClientAuth::bearer("2YotnFZFEjr1zCsicMWpAA"));
    /// # let _ = introspection;
    /// ```
    pub fn bearer(token: impl Into<String>) -> Self {
        Self::fixed(Kind::Bearer(Zeroizing::new(token.into())))
    }

    /// A bearer token in the `Authorization` header, read from `token` for each introspection request.
    ///
    /// `token` must not block; [`from_fn`](Self::from_fn) takes an async function. Renew the token in a task
    /// of your own, and read the current one here. A value that is not a bearer token is not sent: the
    /// request gets 503 with kind `introspection_unavailable`.
    ///
    /// ```
    /// use std::sync::{Arc, RwLock};
    ///
    /// use tower_bearer::ClientAuth;
    ///
    /// let current = Arc::new(RwLock::new("2YotnFZFEjr1zCsicMWpAA".to_owned()));
    /// let reader = Arc::clone(&current);
    /// let auth = ClientAuth::bearer_from_fn(move || reader.read().unwrap().clone());
    /// // The task that renews the token:
    /// *current.write().unwrap() = "vF9dft4qmTc2Nvb3RlckBh".to_owned();
    /// # let _ = auth;
    /// ```
    pub fn bearer_from_fn(token: impl Fn() -> String + Send + Sync + 'static) -> Self {
        Self::fixed(Kind::BearerFrom(Box::new(token)))
    }

    /// `tls_client_auth` or `self_signed_tls_client_auth`: the TLS client certificate (RFC 8705 section 2).
    ///
    /// The request body holds the client identifier only. Configure an HTTP client that has the certificate,
    /// with [`Introspection::http_client`](crate::Introspection::http_client). If the metadata has an
    /// `introspection_endpoint` in `mtls_endpoint_aliases`, requests go there (RFC 8705 section 5).
    ///
    /// ```
    /// # #[cfg(feature = "reqwest")] {
    /// use tower_bearer::transport::ReqwestClient;
    /// use tower_bearer::transport::reqwest::{Error, Identity};
    /// use tower_bearer::{ClientAuth, Introspection};
    ///
    /// /// `pem` holds the certificate chain and the private key.
    /// fn introspection(pem: &[u8]) -> Result<Introspection, Error> {
    ///     let identity = Identity::from_pem(pem)?;
    ///     let client = ReqwestClient::build(move |client| client.identity(identity.clone()))?;
    ///     Ok(Introspection::with(ClientAuth::mtls("orders-api")).http_client(client))
    /// }
    /// # assert!(introspection(b"").is_err());
    /// # }
    /// ```
    pub fn mtls(id: impl Into<String>) -> Self {
        Self::fixed(Kind::Mtls { id: id.into() })
    }

    fn fixed(kind: Kind) -> Self {
        Self { source: Source::Fixed(Candidates::one(Method::new(kind))), misuse: None }
    }

    fn provided(provider: impl Provide + 'static) -> Self {
        Self { source: Source::Provided(Arc::new(provider)), misuse: None }
    }

    /// Where the credentials come from.
    pub(super) fn source(&self) -> &Source {
        &self.source
    }

    /// The registered name of the method (RFC 8414 section 2), or `bearer` for a bearer token.
    pub(super) fn method(&self) -> &'static str {
        match &self.source {
            Source::Fixed(candidates) => candidates.first.name(),
            Source::Provided(provider) => provider.method(),
        }
    }

    /// The client identifier. `None` for a bearer token.
    pub(crate) fn client_id(&self) -> Option<&str> {
        match &self.source {
            Source::Fixed(candidates) => candidates.first.client_id(),
            Source::Provided(provider) => provider.client_id(),
        }
    }

    /// Whether the HTTP client needs a client certificate.
    pub(crate) fn is_mtls(&self) -> bool {
        match &self.source {
            Source::Fixed(candidates) => candidates.first.is_mtls(),
            Source::Provided(provider) => provider.is_mtls(),
        }
    }

    /// The URL of the token endpoint that it sends requests to, if it does.
    pub(crate) fn token_endpoint(&self) -> Option<&str> {
        match &self.source {
            Source::Fixed(_) => None,
            Source::Provided(provider) => provider.token_endpoint(),
        }
    }

    /// The most requests to the authorization server that obtaining the credentials takes.
    pub(crate) fn max_requests(&self) -> u32 {
        match &self.source {
            Source::Fixed(_) => 0,
            Source::Provided(provider) => provider.max_requests(),
        }
    }

    /// Why the configuration is invalid, or `None` if it is valid.
    pub(crate) fn fault(&self) -> Option<&'static str> {
        let fault = match &self.source {
            Source::Fixed(candidates) => candidates.fault(),
            Source::Provided(provider) => provider.fault(),
        };
        fault.or(self.misuse)
    }
}

impl fmt::Debug for ClientAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("ClientAuth");
        debug.field("method", &self.method());
        if let Some(id) = self.client_id() {
            debug.field("client_id", &id);
        }
        debug.finish_non_exhaustive()
    }
}
