//! Requests a bearer token for introspection requests (RFC 6749 section 4.4).
//!
//! Checks: the response is a JSON object, its `access_token` is a `b64token`, and its `token_type` is
//! `Bearer` or absent (RFC 6749 section 5.1).
//! Does not check: the token itself. The introspection endpoint does.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use form_urlencoded::Serializer;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Request, Response, StatusCode};
use serde_json::Value;
use zeroize::Zeroizing;

use super::ClientAuth;
use super::method::{Kind, Method, Target};
use super::provider::{Candidates, Provide, ProvideContext, ProvideFuture, Provided, Source};
use crate::bearer::is_b64token;
use crate::encoding::json;
use crate::fetch_url::FetchUrl;
use crate::introspection::error::{IntrospectionError, IntrospectionErrorKind};
use crate::introspection::server_error::ServerError;
use crate::time::NumericDate;
use crate::transport::{FetchError, FetchErrorKind, FetchRequest, UrlKind, send};

/// How [`ClientAuth::client_credentials`] requests its bearer token.
///
/// ```
/// use tower_bearer::client_auth::ClientCredentials;
/// use tower_bearer::{ClientAuth, Introspection};
///
/// # let secret = String::new();
/// let client = ClientAuth::secret_basic("orders-api", secret);
/// let token = ClientCredentials::new("https://login.example.com/oauth2/token", client)
///     .scope("introspect")
///     .add_parameter("resource", "https://login.example.com/oauth2/introspect");
/// let introspection = Introspection::with(ClientAuth::client_credentials(token));
/// # let _ = introspection;
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct ClientCredentials {
    endpoint: String,
    auth: ClientAuth,
    parameters: Vec<(String, String)>,
}

impl ClientCredentials {
    /// Requests a token at `token_endpoint` with the credentials `auth`.
    ///
    /// The URL is https, or http on a loopback address. Requests use the HTTP client of the introspection.
    pub fn new(token_endpoint: impl Into<String>, auth: ClientAuth) -> Self {
        Self { endpoint: token_endpoint.into(), auth, parameters: Vec::new() }
    }

    /// Sets the requested scopes, separated by spaces (RFC 6749 section 3.3). Default: none.
    pub fn scope(mut self, scope: impl Into<String>) -> Self {
        self.parameters.retain(|(name, _)| name != "scope");
        self.add_parameter("scope", scope)
    }

    /// Adds a parameter to the request, such as `resource` (RFC 8707 section 2) or `audience`.
    pub fn add_parameter(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.parameters.push((name.into(), value.into()));
        self
    }
}

impl ClientAuth {
    /// A bearer token that the authorization server issues to this API itself (RFC 6749 section 4.4).
    ///
    /// The token is requested for the first introspection request. It is renewed in the background once three
    /// quarters of its `expires_in` have passed (60 s without `expires_in`), and when the introspection
    /// endpoint rejects it, at most once per 5 s. Concurrent requests for it are coalesced. They count
    /// against [`max_calls_per_minute`](crate::Introspection::max_calls_per_minute).
    ///
    /// If the token endpoint is unavailable and no token is cached, requests are rejected with 503
    /// `introspection_unavailable`. If it rejects this client, they are rejected with 500
    /// `introspection_misconfigured`.
    ///
    /// ```
    /// use tower_bearer::ClientAuth;
    /// use tower_bearer::client_auth::ClientCredentials;
    ///
    /// # let secret = String::new();
    /// let client = ClientAuth::secret_basic("orders-api", secret);
    /// let auth = ClientAuth::client_credentials(
    ///     ClientCredentials::new("https://login.example.com/oauth2/token", client),
    /// );
    /// # let _ = auth;
    /// ```
    pub fn client_credentials(request: ClientCredentials) -> Self {
        Self::provided(TokenRequest(Arc::new(request)))
    }
}

struct TokenRequest(Arc<ClientCredentials>);

impl Provide for TokenRequest {
    fn provide(&self, cx: ProvideContext) -> ProvideFuture {
        let request = Arc::clone(&self.0);
        Box::pin(async move {
            let candidates = match request.auth.source() {
                Source::Fixed(candidates) => candidates.clone(),
                Source::Provided(provider) => provider.provide(cx.clone()).await?.candidates,
            };
            match (request.token(&candidates.first, &cx).await, &candidates.second) {
                (Err(error), Some(second))
                    if matches!(error.kind(), IntrospectionErrorKind::ClientRejected(_)) =>
                {
                    request.token(second, &cx).await
                }
                (result, _) => result,
            }
        })
    }

    fn method(&self) -> &'static str {
        "bearer"
    }

    fn client_id(&self) -> Option<&str> {
        self.0.auth.client_id()
    }

    fn fault(&self) -> Option<&'static str> {
        let is_bearer = self.0.auth.client_id().is_none() || self.token_endpoint_of_auth().is_some();
        self.0
            .auth
            .fault()
            .or_else(|| is_bearer.then_some("ClientCredentials needs the credentials of a client"))
    }

    fn token_endpoint(&self) -> Option<&str> {
        Some(&self.0.endpoint)
    }

    fn max_requests(&self) -> u32 {
        match self.0.auth.source() {
            Source::Fixed(Candidates { second: None, .. }) => 1,
            _ => 2,
        }
    }

    fn is_mtls(&self) -> bool {
        self.0.auth.is_mtls()
    }
}

impl TokenRequest {
    fn token_endpoint_of_auth(&self) -> Option<&str> {
        self.0.auth.token_endpoint()
    }
}

impl ClientCredentials {
    /// Requests a token with these credentials.
    async fn token(&self, auth: &Method, cx: &ProvideContext) -> Result<Provided, IntrospectionError> {
        let url = FetchUrl::parse(&self.endpoint, cx.plain_http)
            .map_err(|fault| IntrospectionError::with_source(CREDENTIALS_UNAVAILABLE, fault))?;
        let request = self
            .request(auth, &url, cx)
            .ok_or_else(|| IntrospectionError::new(IntrospectionErrorKind::CredentialsUnusable))?;
        let issuer = Arc::clone(&cx.issuer);
        let request = FetchRequest::within(cx.limits, request, UrlKind::Token, issuer);
        let failed = |(kind, source)| {
            IntrospectionError::with_source(kind, TokenRequestFailed { url: url.clone(), source })
        };
        let response = send(&*cx.client, request, cx.limits.timeout).await;
        response.map_err(unavailable).and_then(|response| read(&response)).map_err(failed)
    }

    /// `None` if the credentials cannot be created.
    fn request(&self, auth: &Method, url: &FetchUrl, cx: &ProvideContext) -> Option<Request<Bytes>> {
        let endpoint = url.uri().to_string();
        let target = Target { issuer: &cx.issuer, endpoint: &endpoint };
        let credentials = auth.credentials(target, NumericDate::now(&*cx.clock))?;
        let mut form = Serializer::new(String::new());
        form.append_pair("grant_type", "client_credentials");
        for (name, value) in &self.parameters {
            form.append_pair(name, value);
        }
        for (name, value) in &credentials.form {
            form.append_pair(name, value);
        }
        let mut request = Request::new(Bytes::from(form.finish()));
        *request.method_mut() = http::Method::POST;
        *request.uri_mut() = url.uri().clone();
        let headers = request.headers_mut();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        if let Some(authorization) = credentials.authorization {
            headers.insert(AUTHORIZATION, authorization);
        }
        Some(request)
    }
}

/// Reads the token in a response (RFC 6749 sections 5.1 and 5.2).
fn read(response: &Response<Bytes>) -> Result<Provided, Failure> {
    let body: Option<Value> = json::parse(response.body()).ok();
    if response.status() != StatusCode::OK {
        return Err(rejected(response.status(), body.as_ref()));
    }
    let member = |name| body.as_ref().and_then(|body| body.get(name));
    let text = |name| member(name).and_then(Value::as_str);
    let token = text("access_token").filter(|token| is_b64token(token.as_bytes()));
    let token = token.ok_or_else(|| unavailable("the response has no access token"))?;
    if text("token_type").is_some_and(|token_type| !token_type.eq_ignore_ascii_case("bearer")) {
        return Err(unavailable("the response has a token that is no bearer token"));
    }
    let method = Method::new(Kind::Bearer(Zeroizing::new(token.to_owned())));
    let expires_in = member("expires_in").and_then(Value::as_u64).map(Duration::from_secs);
    Ok(Provided { candidates: Candidates::one(method), expires_in })
}

/// The kind and the source of an error.
type Failure = (IntrospectionErrorKind, Box<dyn Error + Send + Sync>);

const CREDENTIALS_UNAVAILABLE: IntrospectionErrorKind = IntrospectionErrorKind::CredentialsUnavailable;

fn rejected(status: StatusCode, body: Option<&Value>) -> Failure {
    let kind = match status {
        StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            IntrospectionErrorKind::ClientRejected(status.as_u16())
        }
        _ => CREDENTIALS_UNAVAILABLE,
    };
    match body.and_then(|body| ServerError::of(body, "")) {
        Some(error) => (kind, error.into()),
        None => (kind, FetchError::from(FetchErrorKind::Status(status.as_u16())).into()),
    }
}

fn unavailable(source: impl Into<Box<dyn Error + Send + Sync>>) -> Failure {
    (CREDENTIALS_UNAVAILABLE, source.into())
}

/// Why there is no token.
#[derive(Debug)]
struct TokenRequestFailed {
    url: FetchUrl,
    source: Box<dyn Error + Send + Sync>,
}

impl fmt::Display for TokenRequestFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the token request to {} failed", self.url)
    }
}

impl Error for TokenRequestFailed {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.source)
    }
}
