//! The credentials of one request, for each method of client authentication.
//!
//! `client_secret_basic` and `client_secret_post` are defined by RFC 6749 section 2.3.1, `client_secret_jwt`
//! by OpenID Connect Core section 9, `private_key_jwt` by RFC 7523 section 2.2, `tls_client_auth` by RFC 8705
//! section 2, and bearer tokens by RFC 6750 section 2.1.
//!
//! Checks: identifiers and secrets are not empty and hold no control characters (RFC 6749 appendix A). A
//! secret for HMAC is as long as the hash (RFC 7518 section 3.2). A bearer token is a `b64token`.
//! Does not check: whether the authorization server supports the method.

use std::sync::Arc;

use http::HeaderValue;
use zeroize::Zeroizing;

use super::assertion::{self, AssertionKey};
use crate::bearer::is_b64token;
use crate::crypto::{HmacAlgorithm, PrivateKey};
use crate::time::NumericDate;

/// The `client_assertion_type` of a JWT (RFC 7523 section 2.2).
pub(super) const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// A method of client authentication with its secrets. Clones share them.
#[derive(Clone)]
pub(in crate::introspection) struct Method {
    kind: Arc<Kind>,
    /// Whether an assertion names the URL of the endpoint as its audience, instead of the issuer.
    endpoint_as_audience: bool,
}

pub(super) enum Kind {
    SecretBasic {
        id: String,
        secret: Zeroizing<String>,
    },
    SecretPost {
        id: String,
        secret: Zeroizing<String>,
    },
    SecretJwt {
        id: String,
        secret: Zeroizing<String>,
        algorithm: HmacAlgorithm,
    },
    PrivateKeyJwt {
        id: String,
        key: PrivateKey,
    },
    /// An assertion that somebody else has signed.
    Assertion {
        id: String,
        assertion: Zeroizing<String>,
    },
    Bearer(Zeroizing<String>),
    BearerFrom(Box<dyn Fn() -> String + Send + Sync>),
    Mtls {
        id: String,
    },
}

/// Where a request goes to.
#[derive(Clone, Copy, Debug)]
pub(in crate::introspection) struct Target<'a> {
    pub(in crate::introspection) issuer: &'a str,
    /// The URL of the endpoint.
    pub(in crate::introspection) endpoint: &'a str,
}

/// The credentials of one request. Holds secrets, so it has no `Debug`.
pub(in crate::introspection) struct Credentials {
    /// The `Authorization` header, marked as sensitive.
    pub(in crate::introspection) authorization: Option<HeaderValue>,
    /// Form parameters, not encoded yet.
    pub(in crate::introspection) form: Vec<(&'static str, Zeroizing<String>)>,
}

impl Method {
    pub(super) fn new(kind: Kind) -> Self {
        Self { kind: Arc::new(kind), endpoint_as_audience: false }
    }

    /// The same method with the URL of the endpoint as the audience of its assertions. `None` if it has none.
    pub(super) fn with_endpoint_as_audience(self) -> Option<Self> {
        let is_signed = matches!(*self.kind, Kind::SecretJwt { .. } | Kind::PrivateKeyJwt { .. });
        is_signed.then_some(Self { endpoint_as_audience: true, ..self })
    }

    /// Whether both are clones of one value.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.kind, &other.kind)
    }

    /// The registered name of the method (RFC 8414 section 2), or `bearer` for a bearer token.
    pub(super) fn name(&self) -> &'static str {
        match *self.kind {
            Kind::SecretBasic { .. } => "client_secret_basic",
            Kind::SecretPost { .. } => "client_secret_post",
            Kind::SecretJwt { .. } => "client_secret_jwt",
            Kind::PrivateKeyJwt { .. } | Kind::Assertion { .. } => "private_key_jwt",
            Kind::Bearer(_) | Kind::BearerFrom(_) => "bearer",
            Kind::Mtls { .. } => "tls_client_auth",
        }
    }

    /// The client identifier. `None` for a bearer token.
    pub(super) fn client_id(&self) -> Option<&str> {
        match &*self.kind {
            Kind::SecretBasic { id, .. }
            | Kind::SecretPost { id, .. }
            | Kind::SecretJwt { id, .. }
            | Kind::PrivateKeyJwt { id, .. }
            | Kind::Assertion { id, .. }
            | Kind::Mtls { id } => Some(id),
            Kind::Bearer(_) | Kind::BearerFrom(_) => None,
        }
    }

    /// Whether the HTTP client needs a client certificate.
    pub(super) fn is_mtls(&self) -> bool {
        matches!(*self.kind, Kind::Mtls { .. })
    }

    /// Why the method cannot be used, or `None` if it can.
    pub(super) fn fault(&self) -> Option<&'static str> {
        self.client_id().and_then(id_fault).or_else(|| match &*self.kind {
            Kind::SecretBasic { secret, .. } | Kind::SecretPost { secret, .. } => secret_fault(secret),
            Kind::SecretJwt { secret, algorithm, .. } => secret_fault(secret).or_else(|| {
                (secret.len() < algorithm.min_secret_bytes()).then_some(
                    "the client secret is too short for its algorithm (32 bytes for HS256, 48 for HS384, 64 \
                     for HS512)",
                )
            }),
            Kind::Bearer(token) if !is_b64token(token.as_bytes()) => {
                Some("the bearer token is empty or has invalid characters")
            }
            Kind::Assertion { assertion, .. } if !is_b64token(assertion.as_bytes()) => {
                Some("the assertion is empty or has invalid characters")
            }
            _ => None,
        })
    }

    /// Creates the credentials of one request to `target` at `now`. `None` if the assertion cannot be signed,
    /// or the bearer token is invalid.
    pub(in crate::introspection) fn credentials(
        &self,
        target: Target<'_>,
        now: NumericDate,
    ) -> Option<Credentials> {
        let audience = if self.endpoint_as_audience { target.endpoint } else { target.issuer };
        let sign = |id: &str, key| Some(assertion_form(assertion::sign(key, id, audience, now)?));
        match &*self.kind {
            Kind::SecretBasic { id, secret } => Credentials::header("Basic", &basic(id, secret)),
            Kind::SecretPost { id, secret } => Some(Credentials::form([
                ("client_id", Zeroizing::new(id.clone())),
                ("client_secret", secret.clone()),
            ])),
            Kind::SecretJwt { id, secret, algorithm } => {
                sign(id, AssertionKey::Secret { algorithm: *algorithm, secret })
            }
            Kind::PrivateKeyJwt { id, key } => sign(id, AssertionKey::Private(key)),
            Kind::Assertion { id, assertion } => {
                let mut credentials = assertion_form(assertion.clone());
                // The subject of this assertion need not be the client identifier.
                credentials.form.push(("client_id", Zeroizing::new(id.clone())));
                Some(credentials)
            }
            Kind::Bearer(token) => bearer(token),
            Kind::BearerFrom(token) => bearer(&Zeroizing::new(token())),
            Kind::Mtls { id } => Some(Credentials::form([("client_id", Zeroizing::new(id.clone()))])),
        }
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

pub(super) fn id_fault(id: &str) -> Option<&'static str> {
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

fn assertion_form(assertion: Zeroizing<String>) -> Credentials {
    Credentials::form([
        ("client_assertion_type", Zeroizing::new(JWT_BEARER.to_owned())),
        ("client_assertion", assertion),
    ])
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
