//! How this API proves to an issuer who it is, before it is told about tokens (RFC 7662 section 2.1).
//!
//! `client_secret_basic` and `client_secret_post` are RFC 6749 section 2.3.1, `private_key_jwt` is
//! RFC 7523 section 2.2, `tls_client_auth` is RFC 8705 section 2, a bearer token RFC 6750 section 2.1.
//!
//! Checks: identifiers and secrets are not empty and hold no control characters (RFC 6749
//! appendix A), a bearer token is a `b64token`.
//! Does not check: that a secret is hard to guess, or that the issuer takes the method; its answer tells.
//!
//! Why: with a secret or a key of an API's own, its issuer knows which API asks. An anonymous
//! question is deliberately not to be had: whoever may ask can try out tokens (RFC 7662 section 4).

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

/// How this API proves who it is when it asks an issuer about a token.
///
/// The issuer says which methods it takes in `introspection_endpoint_auth_methods_supported` of its
/// metadata, and gives the client identifier and the secret when the API is registered with it as a
/// client. Take [`private_key_jwt`](Self::private_key_jwt) or [`mtls`](Self::mtls) where you can:
/// they send nothing that somebody could use again.
///
/// Secrets are wiped from memory when the last clone is gone, and `Debug` does not show them.
///
/// ```
/// use tower_bearer::crypto::{PrivateKey, PrivateKeyError};
/// use tower_bearer::{Algorithm, ClientAuth};
///
/// fn client_auth(key: &str) -> Result<ClientAuth, PrivateKeyError> {
///     let key = PrivateKey::from_pkcs8_pem(Algorithm::ES256, key)?.key_id("2025-05");
///     Ok(ClientAuth::private_key_jwt("orders-api", key))
/// }
/// # assert!(client_auth("").is_err());
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

/// What goes into one request. It holds secrets, and therefore has no `Debug`.
pub(crate) struct Credentials {
    /// The `Authorization` field, marked as sensitive.
    pub(crate) authorization: Option<HeaderValue>,
    /// Members of the form, before they are encoded.
    pub(crate) form: Vec<(&'static str, Zeroizing<String>)>,
}

impl ClientAuth {
    /// `client_secret_basic`: identifier and secret in the `Authorization` header, each
    /// form-urlencoded first (RFC 6749 section 2.3.1).
    ///
    /// An issuer that forgets to decode them refuses a secret with characters other than letters,
    /// digits, `-`, `.`, `_` and `*`; use [`secret_post`](Self::secret_post) there.
    pub fn secret_basic(id: impl Into<String>, secret: impl Into<String>) -> Self {
        Self::new(Method::SecretBasic { id: id.into(), secret: Zeroizing::new(secret.into()) })
    }

    /// `client_secret_post`: identifier and secret in the body (RFC 6749 section 2.3.1).
    pub fn secret_post(id: impl Into<String>, secret: impl Into<String>) -> Self {
        Self::new(Method::SecretPost { id: id.into(), secret: Zeroizing::new(secret.into()) })
    }

    /// `private_key_jwt`: an assertion, signed anew for each question and good for 60 s (RFC 7523
    /// section 2.2). Its `aud` is the identifier of the issuer, so that no other can use it.
    pub fn private_key_jwt(id: impl Into<String>, key: PrivateKey) -> Self {
        Self::new(Method::PrivateKeyJwt { id: id.into(), key })
    }

    /// A bearer token in the `Authorization` header that never changes (RFC 7662 section 2.1).
    pub fn bearer(token: impl Into<String>) -> Self {
        Self::new(Method::Bearer(Zeroizing::new(token.into())))
    }

    /// A bearer token in the `Authorization` header, taken from `token` for each question.
    ///
    /// `token` must not block: let a task of your own renew the token, and read it here. What it
    /// returns is not sent if it is no bearer token; then the answer is 503 (`introspection_unavailable`).
    pub fn bearer_from(token: impl Fn() -> String + Send + Sync + 'static) -> Self {
        Self::new(Method::BearerFrom(Box::new(token)))
    }

    /// `tls_client_auth` or `self_signed_tls_client_auth`: the TLS connection proves it, and the body
    /// holds the identifier (RFC 8705 section 2). The certificate is the HTTP client's: give one that
    /// has it.
    pub fn mtls(id: impl Into<String>) -> Self {
        Self::new(Method::Mtls { id: id.into() })
    }

    fn new(method: Method) -> Self {
        Self(Arc::new(method))
    }

    /// The method, by its name in the registry (RFC 8414 section 2); `bearer` for a token.
    pub(crate) fn method(&self) -> &'static str {
        match *self.0 {
            Method::SecretBasic { .. } => "client_secret_basic",
            Method::SecretPost { .. } => "client_secret_post",
            Method::PrivateKeyJwt { .. } => "private_key_jwt",
            Method::Bearer(_) | Method::BearerFrom(_) => "bearer",
            Method::Mtls { .. } => "tls_client_auth",
        }
    }

    /// The client identifier; `None` for a bearer token.
    pub(crate) fn client_id(&self) -> Option<&str> {
        match &*self.0 {
            Method::SecretBasic { id, .. }
            | Method::SecretPost { id, .. }
            | Method::PrivateKeyJwt { id, .. }
            | Method::Mtls { id } => Some(id),
            Method::Bearer(_) | Method::BearerFrom(_) => None,
        }
    }

    /// Whether the HTTP client must have a certificate.
    pub(crate) fn is_mtls(&self) -> bool {
        matches!(*self.0, Method::Mtls { .. })
    }

    /// What keeps it from being used, if anything does.
    pub(crate) fn fault(&self) -> Option<&'static str> {
        self.client_id().and_then(id_fault).or_else(|| match &*self.0 {
            Method::SecretBasic { secret, .. } | Method::SecretPost { secret, .. } => secret_fault(secret),
            Method::Bearer(token) if !is_b64token(token.as_bytes()) => {
                Some("the bearer token is empty or has characters that a token cannot have")
            }
            _ => None,
        })
    }

    /// What proves to `issuer`, in one request at `now`, who asks. `None` when an assertion cannot be
    /// signed, or the bearer token of the moment is none.
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
        let mut shown = f.debug_struct("ClientAuth");
        shown.field("method", &self.method());
        if let Some(id) = self.client_id() {
            shown.field("client_id", &id);
        }
        shown.finish_non_exhaustive()
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
        _ if has_control(id) => {
            Some("the client identifier has a control character (a line break, most often)")
        }
        _ => None,
    }
}

fn secret_fault(secret: &str) -> Option<&'static str> {
    match secret {
        "" => Some("the client secret is empty"),
        _ if has_control(secret) => Some(
            "the client secret has a control character (the line break at the end of a file, most often)",
        ),
        _ => None,
    }
}

fn has_control(text: &str) -> bool {
    text.chars().any(char::is_control)
}

fn bearer(token: &str) -> Option<Credentials> {
    if is_b64token(token.as_bytes()) { Credentials::header("Bearer", token) } else { None }
}

/// Both are encoded before a colon comes between them, so that a colon within is no separator
/// (RFC 6749 appendix B).
fn basic(id: &str, secret: &str) -> Zeroizing<String> {
    let mut pair = Zeroizing::new(String::new());
    pair.extend(form_urlencoded::byte_serialize(id.as_bytes()));
    pair.push(':');
    pair.extend(form_urlencoded::byte_serialize(secret.as_bytes()));
    Zeroizing::new(base64_simd::STANDARD.encode_to_string(pair.as_bytes()))
}
