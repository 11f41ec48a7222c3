//! An HTTP client that adds a header to the requests for one origin.
//!
//! Checks: the origin of each request. A metadata document that names another host does not get the header.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use http::header::AUTHORIZATION;
use http::{HeaderName, HeaderValue, Uri};

use super::client::{FetchFuture, HttpClient};
use super::error::FetchError;
use super::request::{FetchRequest, UrlKind};

/// An [`HttpClient`] that adds a header to the requests for metadata and keys at one origin.
///
/// For an authorization server that publishes its keys only to those who authenticate, such as the API server
/// of Kubernetes:
///
/// ```
/// # #[cfg(feature = "reqwest")] {
/// use tower_bearer::Issuer;
/// use tower_bearer::transport::{OriginHeader, ReqwestClient};
///
/// let client = ReqwestClient::build(|client| client)?;
/// let client = OriginHeader::bearer_file(
///     client,
///     "https://kubernetes.default.svc",
///     "/var/run/secrets/kubernetes.io/serviceaccount/token",
/// );
/// let issuer = Issuer::with_jwks_url(
///     "https://kubernetes.default.svc.cluster.local",
///     "https://kubernetes.default.svc/openid/v1/jwks",
/// )
/// .http_client(client);
/// # drop(issuer);
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// No other origin sees the header, whatever URLs the metadata names. Introspection requests do not get it:
/// they have credentials of their own.
#[derive(Clone)]
pub struct OriginHeader<C> {
    client: C,
    /// Scheme, host and port.
    origin: Arc<str>,
    header: Header,
}

#[derive(Clone)]
enum Header {
    Fixed(HeaderName, HeaderValue),
    BearerFile(Arc<PathBuf>),
}

impl<C> OriginHeader<C> {
    /// Adds a fixed header. `origin` is scheme, host and port, such as `https://login.example.com`.
    ///
    /// ```
    /// use http::{HeaderName, HeaderValue};
    /// use tower_bearer::transport::{HttpClient, OriginHeader};
    ///
    /// fn through_gateway<C: HttpClient>(client: C, key: HeaderValue) -> OriginHeader<C> {
    ///     let name = HeaderName::from_static("x-api-key");
    ///     OriginHeader::fixed(client, "https://login.example.com", name, key)
    /// }
    /// ```
    #[must_use]
    pub fn fixed(client: C, origin: &str, name: HeaderName, mut value: HeaderValue) -> Self {
        value.set_sensitive(true);
        Self { client, origin: origin.trim_end_matches('/').into(), header: Header::Fixed(name, value) }
    }

    /// Adds `Authorization: Bearer` with the content of a file, which is read again for each request: there
    /// are few, and the file may be rotated. If it cannot be read, the request fails.
    #[must_use]
    pub fn bearer_file(client: C, origin: &str, path: impl Into<PathBuf>) -> Self {
        let header = Header::BearerFile(Arc::new(path.into()));
        Self { client, origin: origin.trim_end_matches('/').into(), header }
    }

    fn applies_to(&self, request: &FetchRequest) -> bool {
        let has_header = matches!(request.url_kind(), UrlKind::Metadata | UrlKind::Jwks);
        has_header && origin(request.request().uri()).eq_ignore_ascii_case(&self.origin)
    }
}

impl<C: HttpClient + Clone> HttpClient for OriginHeader<C> {
    fn fetch(&self, mut request: FetchRequest) -> FetchFuture {
        if !self.applies_to(&request) {
            return self.client.fetch(request);
        }
        match &self.header {
            Header::Fixed(name, value) => {
                request.request_mut().headers_mut().insert(name, value.clone());
                self.client.fetch(request)
            }
            Header::BearerFile(path) => {
                let (client, path) = (self.client.clone(), Arc::clone(path));
                Box::pin(async move {
                    let value = read_bearer(path).await?;
                    request.request_mut().headers_mut().insert(AUTHORIZATION, value);
                    client.fetch(request).await
                })
            }
        }
    }
}

/// The header value with the token in the file. A blocking read, so not on the thread of the runtime.
async fn read_bearer(path: Arc<PathBuf>) -> Result<HeaderValue, FetchError> {
    let read = tokio::task::spawn_blocking(move || std::fs::read_to_string(&*path));
    let token = read.await.map_err(FetchError::transport)?.map_err(FetchError::transport)?;
    let value = HeaderValue::try_from(format!("Bearer {}", token.trim()));
    let mut value =
        value.map_err(|_| FetchError::transport("the file has no token that a header can hold"))?;
    value.set_sensitive(true);
    Ok(value)
}

fn origin(uri: &Uri) -> String {
    let authority = uri.authority().map(http::uri::Authority::as_str).unwrap_or_default();
    format!("{}://{authority}", uri.scheme_str().unwrap_or_default())
}

impl<C> fmt::Debug for OriginHeader<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OriginHeader").field("origin", &self.origin).finish_non_exhaustive()
    }
}
