//! An HTTP client that adds a header to the requests for one origin.
//!
//! Checks: the origin of each request. An endpoint on another host does not get the header, whatever the
//! metadata says.

use std::error::Error;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use http::header::AUTHORIZATION;
use http::{HeaderName, HeaderValue};

use super::client::{FetchFuture, HttpClient};
use super::error::FetchError;
use super::request::{FetchRequest, UrlKind};
use crate::fetch_url::{Origin, redacted};
use crate::secret_file::SecretFile;

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
/// )?;
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
    origin: Origin,
    header: Header,
}

#[derive(Clone)]
enum Header {
    Fixed(HeaderName, HeaderValue),
    BearerFile(Arc<SecretFile>),
}

impl<C> OriginHeader<C> {
    /// Adds a fixed header. `origin` is scheme, host and port, such as `https://login.example.com`. The port of
    /// the scheme may be left out, and the case of letters does not matter.
    ///
    /// ```
    /// use http::{HeaderName, HeaderValue};
    /// use tower_bearer::transport::{HttpClient, InvalidOrigin, OriginHeader};
    ///
    /// fn through_gateway<C: HttpClient>(
    ///     client: C,
    ///     key: HeaderValue,
    /// ) -> Result<OriginHeader<C>, InvalidOrigin> {
    ///     let name = HeaderName::from_static("x-api-key");
    ///     OriginHeader::fixed(client, "https://login.example.com", name, key)
    /// }
    /// ```
    ///
    /// # Errors
    /// [`InvalidOrigin`] if `origin` is something else, such as a URL with a path.
    pub fn fixed(
        client: C,
        origin: &str,
        name: HeaderName,
        mut value: HeaderValue,
    ) -> Result<Self, InvalidOrigin> {
        value.set_sensitive(true);
        Self::new(client, origin, Header::Fixed(name, value))
    }

    /// Adds `Authorization: Bearer` with the content of a file, which is read again for each request: there
    /// are few, and the file may be rotated.
    ///
    /// Line breaks at the end of the file are ignored. If it cannot be read, is empty or is larger than
    /// 64 KiB, the request fails. Concurrent requests share one read.
    ///
    /// # Errors
    /// [`InvalidOrigin`], as for [`fixed`](Self::fixed).
    pub fn bearer_file(client: C, origin: &str, path: impl Into<PathBuf>) -> Result<Self, InvalidOrigin> {
        Self::new(client, origin, Header::BearerFile(Arc::new(SecretFile::new(path))))
    }

    fn new(client: C, origin: &str, header: Header) -> Result<Self, InvalidOrigin> {
        match Origin::parse(origin) {
            Ok(origin) => Ok(Self { client, origin, header }),
            Err(reason) => Err(InvalidOrigin { origin: redacted(origin), reason }),
        }
    }

    fn applies_to(&self, request: &FetchRequest) -> bool {
        let has_header = matches!(request.url_kind(), UrlKind::Metadata | UrlKind::Jwks);
        has_header && Origin::of(request.request().uri()).is_some_and(|origin| origin == self.origin)
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
            Header::BearerFile(file) => {
                let (client, file) = (self.client.clone(), Arc::clone(file));
                Box::pin(async move {
                    let value = read_bearer(&file).await?;
                    request.request_mut().headers_mut().insert(AUTHORIZATION, value);
                    client.fetch(request).await
                })
            }
        }
    }
}

/// The header value with the token in the file.
async fn read_bearer(file: &SecretFile) -> Result<HeaderValue, FetchError> {
    let token = file.read().await.map_err(FetchError::transport)?;
    let value = HeaderValue::try_from(format!("Bearer {}", token.as_str()));
    let mut value =
        value.map_err(|_| FetchError::transport("the file has no token that a header can hold"))?;
    value.set_sensitive(true);
    Ok(value)
}

impl<C> fmt::Debug for OriginHeader<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OriginHeader").field("origin", &self.origin).finish_non_exhaustive()
    }
}

/// A text that is not the origin of an https or http URL.
///
/// ```
/// use http::{HeaderName, HeaderValue};
/// use tower_bearer::transport::OriginHeader;
///
/// let (name, key) = (HeaderName::from_static("x-api-key"), HeaderValue::from_static("k"));
/// let error = OriginHeader::fixed((), "https://login.example.com/realms/acme", name, key).unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     r#"the origin "https://login.example.com/realms/acme" has a path or a query"#,
/// );
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct InvalidOrigin {
    /// Without user name, password and query.
    origin: String,
    /// The fault, as a predicate.
    reason: &'static str,
}

impl fmt::Display for InvalidOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the origin {:?} {}", self.origin, self.reason)
    }
}

impl Error for InvalidOrigin {}
