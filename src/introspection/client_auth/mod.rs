//! Client authentication at the introspection endpoint (RFC 7662 section 2.1).
//!
//! `client_secret_basic` and `client_secret_post` are defined by RFC 6749 section 2.3.1, `private_key_jwt` by
//! RFC 7523 section 2.2, `tls_client_auth` by RFC 8705 section 2, and bearer tokens by RFC 6750 section 2.1.
//!
//! Checks: identifiers and secrets are not empty and hold no control characters (RFC 6749 appendix A). A
//! bearer token is a `b64token`.
//! Does not check: the strength of a secret, or whether the authorization server supports the method.
//!
//! Why: there is no anonymous method. An endpoint that is open to everybody lets attackers test tokens
//! (RFC 7662 section 4).

mod assertion;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use http::HeaderValue;
use zeroize::Zeroizing;

use crate::bearer::is_b64token;
use crate::crypto::PrivateKey;
use crate::time::NumericDate;

/// The `client_assertion_type` of a JWT (RFC 7523 section 2.2).
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// How this API authenticates itself at the introspection endpoint.
///
/// The authorization server lists its methods in the metadata member
/// `introspection_endpoint_auth_methods_supported`. It assigns the client identifier and the secret when you
/// register your API as a client. Prefer [`private_key_jwt`](Self::private_key_jwt) or [`mtls`](Self::mtls):
/// they never transmit a credential that somebody else could reuse.
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
pub struct ClientAuth(Arc<Method>);

enum Method {
    SecretBasic { id: String, secret: Zeroizing<String> },
    SecretPost { id: String, secret: Zeroizing<String> },
    PrivateKeyJwt { id: String, key: PrivateKey },
    Bearer(Zeroizing<String>),
    BearerFrom(Box<dyn Fn() -> String + Send + Sync>),
    Mtls { id: String },
}

/// The credentials of one request. Holds secrets, so it has no `Debug`.
pub(crate) struct Credentials {
    /// The `Authorization` header, marked as sensitive.
    pub(crate) authorization: Option<HeaderValue>,
    /// Form parameters, not encoded yet.
    pub(crate) form: Vec<(&'static str, Zeroizing<String>)>,
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
        Self::new(Method::SecretBasic { id: id.into(), secret: Zeroizing::new(secret.into()) })
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
        Self::new(Method::SecretPost { id: id.into(), secret: Zeroizing::new(secret.into()) })
    }

    /// `private_key_jwt`: a signed assertion (RFC 7523 section 2.2).
    ///
    /// Each introspection request carries its own assertion, which is valid for 60 s. Its `aud` is the issuer
    /// identifier, so no other authorization server accepts it.
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
        Self::new(Method::PrivateKeyJwt { id: id.into(), key })
    }

    /// A fixed bearer token in the `Authorization` header (RFC 7662 section 2.1).
    ///
    /// For a token that has to be renewed, use [`bearer_from`](Self::bearer_from).
    ///
    /// ```
    /// use tower_bearer::{ClientAuth, Introspection};
    ///
    /// let introspection = Introspection::with(ClientAuth::bearer("2YotnFZFEjr1zCsicMWpAA"));
    /// # let _ = introspection;
    /// ```
    pub fn bearer(token: impl Into<String>) -> Self {
        Self::new(Method::Bearer(Zeroizing::new(token.into())))
    }

    /// A bearer token in the `Authorization` header, read from `token` for each introspection request.
    ///
    /// `token` must not block. Renew the token in a task of your own, and read the current one here. A value
    /// that is not a bearer token is not sent: the request gets 503 with kind `introspection_unavailable`.
    ///
    /// ```
    /// use std::sync::{Arc, RwLock};
    ///
    /// use tower_bearer::ClientAuth;
    ///
    /// let current = Arc::new(RwLock::new("2YotnFZFEjr1zCsicMWpAA".to_owned()));
    /// let reader = Arc::clone(&current);
    /// let auth = ClientAuth::bearer_from(move || reader.read().unwrap().clone());
    /// // The task that renews the token:
    /// *current.write().unwrap() = "vF9dft4qmTc2Nvb3RlckBh".to_owned();
    /// # let _ = auth;
    /// ```
    pub fn bearer_from(token: impl Fn() -> String + Send + Sync + 'static) -> Self {
        Self::new(Method::BearerFrom(Box::new(token)))
    }

    /// `tls_client_auth` or `self_signed_tls_client_auth`: the TLS client certificate (RFC 8705 section 2).
    ///
    /// The request body holds the client identifier only. Configure an HTTP client that has the certificate,
    /// with [`Introspection::http_client`](crate::Introspection::http_client).
    ///
    /// ```
    /// use tower_bearer::transport::HttpClient;
    /// use tower_bearer::{ClientAuth, Introspection};
    ///
    /// fn introspection(client_with_certificate: impl HttpClient) -> Introspection {
    ///     Introspection::with(ClientAuth::mtls("orders-api")).http_client(client_with_certificate)
    /// }
    /// ```
    pub fn mtls(id: impl Into<String>) -> Self {
        Self::new(Method::Mtls { id: id.into() })
    }

    fn new(method: Method) -> Self {
        Self(Arc::new(method))
    }

    /// The registered name of the method (RFC 8414 section 2), or `bearer` for a bearer token.
    pub(crate) fn method(&self) -> &'static str {
        match *self.0 {
            Method::SecretBasic { .. } => "client_secret_basic",
            Method::SecretPost { .. } => "client_secret_post",
            Method::PrivateKeyJwt { .. } => "private_key_jwt",
            Method::Bearer(_) | Method::BearerFrom(_) => "bearer",
            Method::Mtls { .. } => "tls_client_auth",
        }
    }

    /// The client identifier. `None` for a bearer token.
    pub(crate) fn client_id(&self) -> Option<&str> {
        match &*self.0 {
            Method::SecretBasic { id, .. }
            | Method::SecretPost { id, .. }
            | Method::PrivateKeyJwt { id, .. }
            | Method::Mtls { id } => Some(id),
            Method::Bearer(_) | Method::BearerFrom(_) => None,
        }
    }

    /// Whether the HTTP client needs a client certificate.
    pub(crate) fn is_mtls(&self) -> bool {
        matches!(*self.0, Method::Mtls { .. })
    }

    /// Why the configuration is invalid, or `None` if it is valid.
    pub(crate) fn fault(&self) -> Option<&'static str> {
        self.client_id().and_then(id_fault).or_else(|| match &*self.0 {
            Method::SecretBasic { secret, .. } | Method::SecretPost { secret, .. } => secret_fault(secret),
            Method::Bearer(token) if !is_b64token(token.as_bytes()) => {
                Some("the bearer token is empty or has invalid characters")
            }
            _ => None,
        })
    }

    /// Creates the credentials of one request to `issuer` at `now`. `None` if the assertion cannot be signed,
    /// or the value of [`bearer_from`](Self::bearer_from) is not a bearer token.
    pub(crate) fn credentials(&self, issuer: &str, now: NumericDate) -> Option<Credentials> {
        match &*self.0 {
            Method::SecretBasic { id, secret } => Credentials::header("Basic", &basic(id, secret)),
            Method::SecretPost { id, secret } => Some(Credentials::form([
                ("client_id", Zeroizing::new(id.clone())),
                ("client_secret", secret.clone()),
            ])),
            Method::PrivateKeyJwt { id, key } => Some(Credentials::form([
                ("client_assertion_type", Zeroizing::new(JWT_BEARER.to_owned())),
                ("client_assertion", assertion::sign(key, id, issuer, now)?),
            ])),
            Method::Bearer(token) => bearer(token),
            Method::BearerFrom(token) => bearer(&Zeroizing::new(token())),
            Method::Mtls { id } => Some(Credentials::form([("client_id", Zeroizing::new(id.clone()))])),
        }
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

impl Credentials {
    fn header(scheme: &str, credential: &str) -> Option<Self> {
        let line = Zeroizing::new(format!("{scheme} {credential}"));
        let mut authorization = HeaderValue::from_str(&line).ok()?;
        authorization.set_sensitive(true);
        Some(Self { authorization: Some(authorization), form: Vec::new() })
    }

    fn form<const N: usize>(members: [(&'static str, Zeroizing<String>); N]) -> Self {
        Self { authorization: None, form: members.into() }
    }
}

fn id_fault(id: &str) -> Option<&'static str> {
    match id {
        "" => Some("the client identifier is empty"),
        _ if has_control(id) => Some("the client identifier has a control character (usually a line break)"),
        _ => None,
    }
}

fn secret_fault(secret: &str) -> Option<&'static str> {
    match secret {
        "" => Some("the client secret is empty"),
        _ if has_control(secret) => {
            Some("the client secret has a control character (usually the line break at the end of a file)")
        }
        _ => None,
    }
}

fn has_control(text: &str) -> bool {
    text.chars().any(char::is_control)
}

fn bearer(token: &str) -> Option<Credentials> {
    if is_b64token(token.as_bytes()) { Credentials::header("Bearer", token) } else { None }
}

/// Both parts are encoded first, so that a colon in one of them is not the separator (RFC 6749 appendix B).
fn basic(id: &str, secret: &str) -> Zeroizing<String> {
    let mut pair = Zeroizing::new(String::new());
    pair.extend(form_urlencoded::byte_serialize(id.as_bytes()));
    pair.push(':');
    pair.extend(form_urlencoded::byte_serialize(secret.as_bytes()));
    Zeroizing::new(base64_simd::STANDARD.encode_to_string(pair.as_bytes()))
}
