//! The response that an [`HttpClient`](super::HttpClient) returns.

use std::fmt;

use bytes::Bytes;
use http::Response;

/// A complete response of an authorization server: status, headers and the whole body.
///
/// `Debug` redacts headers and body, because an introspection response holds claims.
///
/// # Example
///
/// ```
/// use bytes::Bytes;
/// use tower_bearer::transport::FetchResponse;
///
/// let response = http::Response::new(Bytes::from_static(br#"{"keys":[]}"#));
/// let response = FetchResponse::from(response);
/// assert_eq!(response.response().status(), 200);
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct FetchResponse {
    response: Response<Bytes>,
}

impl FetchResponse {
    /// Wraps an HTTP response.
    #[must_use]
    pub fn new(response: Response<Bytes>) -> Self {
        Self { response }
    }

    /// The HTTP response.
    #[must_use]
    pub fn response(&self) -> &Response<Bytes> {
        &self.response
    }

    /// The HTTP response, to change or to keep it.
    #[must_use]
    pub fn into_response(self) -> Response<Bytes> {
        self.response
    }
}

impl From<Response<Bytes>> for FetchResponse {
    fn from(response: Response<Bytes>) -> Self {
        Self::new(response)
    }
}

impl fmt::Debug for FetchResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FetchResponse")
            .field("status", &self.response.status())
            .field("body_bytes", &self.response.body().len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_neither_headers_nor_body() {
        let response = Response::builder().header("set-cookie", "topsecret");
        let response = FetchResponse::new(response.body(Bytes::from_static(b"topsecret")).unwrap());
        let shown = format!("{response:?}");
        assert!(shown.contains("200") && !shown.contains("topsecret"), "{shown}");
    }
}
