//! The layer that takes a token from a form-encoded body.

use tower_layer::Layer;

use super::service::FormBodyTokenService;

/// A layer that also accepts the token in the field `access_token` of a form-encoded body (RFC 6750 section
/// 2.2).
///
/// It goes outside `BearerAuth`, which validates the token:
///
/// ```
/// use tower::ServiceBuilder;
/// use tower_bearer::FormBodyToken;
///
/// let layers = ServiceBuilder::new().layer(FormBodyToken::up_to(16 * 1024));
/// // .layer(bearer_auth)
/// # let _ = layers;
/// ```
///
/// A form is a `POST`, `PUT` or `PATCH` with the one content type
/// `application/x-www-form-urlencoded` (in ASCII or UTF-8) and no content coding. It is read into
/// memory up to the limit, and the inner service gets the same bytes and trailers. Every other
/// request is passed on without buffering.
///
/// # Rejections, by `BearerAuth`
/// - A form over the limit: 413, even if the `Authorization` header has a valid token, because the form may
///   hold a second one. Set a limit that fits the largest form of the routes behind the layer.
/// - A token in the form and another in the head, or two in the form: 400 `invalid_request`.
///
/// # Deployment
/// A form is read before the client is authenticated. Put a timeout and a concurrency limit outside. A client
/// that sent `Expect: 100-continue` is told to continue.
///
/// The request's body must be [`Unpin`], as those of hyper, axum and tonic are. Put any other body into a
/// `Pin<Box<_>>`.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct FormBodyToken {
    max_bytes: usize,
}

impl FormBodyToken {
    /// Reads forms of at most `bytes` bytes. A larger form is rejected with 413.
    ///
    /// ```
    /// use tower_bearer::FormBodyToken;
    ///
    /// let layer = FormBodyToken::up_to(64 * 1024);
    /// ```
    pub fn up_to(bytes: usize) -> Self {
        Self { max_bytes: bytes }
    }
}

impl<S> Layer<S> for FormBodyToken {
    type Service = FormBodyTokenService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        FormBodyTokenService::new(inner, self.max_bytes)
    }
}
