//! The endpoints of the test issuer and the faults that a test can set for them.

use std::time::Duration;

/// An endpoint of a [`TestIssuer`](super::TestIssuer).
///
/// ```
/// use tower_bearer::testing::{Endpoint, Fault, TestIssuer};
///
/// # #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let idp = TestIssuer::new();
/// let auth = idp.bearer_auth("https://api.example.com").build().unwrap();
/// auth.ready().await.unwrap();
/// assert_eq!(idp.requests(Endpoint::Metadata), 1);
/// assert_eq!(idp.requests(Endpoint::Jwks), 1);
/// assert_eq!(idp.requests(Endpoint::Introspection), 0);
/// # }
/// # #[cfg(not(any(feature = "aws-lc-rs", feature = "rust-crypto")))]
/// # fn main() {}
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Endpoint {
    /// The metadata, at every well-known URL (RFC 8414 section 3.1, OpenID Connect Discovery section 4).
    Metadata,
    /// The key set, at [`jwks_url`](super::TestIssuer::jwks_url) (RFC 7517 section 5).
    Jwks,
    /// Introspection, at [`introspection_url`](super::TestIssuer::introspection_url) (RFC 7662 section 2).
    Introspection,
    /// The token endpoint, at [`token_url`](super::TestIssuer::token_url) (RFC 6749 section 3.2).
    Token,
    /// Revocation, at [`revocation_url`](super::TestIssuer::revocation_url) (RFC 7009 section 2).
    Revocation,
}

/// How a request fails. [`TestIssuer::set_fault`](super::TestIssuer::set_fault) sets it for an endpoint,
/// [`set_token_fault`](super::TestIssuer::set_token_fault) for a token and
/// [`set_key_fault`](super::TestIssuer::set_key_fault) for a key.
///
/// ```
/// use std::time::Duration;
/// use tower_bearer::testing::{Endpoint, Fault, TestIssuer};
///
/// # #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))] {
/// let idp = TestIssuer::new();
/// idp.set_fault(Endpoint::Introspection, Some(Fault::Delay(Duration::from_secs(2))));
/// idp.set_fault(Endpoint::Token, Some(Fault::RetryAfter(429, Duration::from_secs(30))));
/// idp.set_fault(Endpoint::Jwks, Some(Fault::Body(r#"{"keys":[]}"#.to_owned())));
/// # }
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Fault {
    /// Refuses the connection. A server on a port has accepted it by then, so it closes the connection like
    /// [`Lost`](Self::Lost).
    Refuse,
    /// Closes the connection after the request was sent, without a response. An HTTP client reports a lost
    /// connection ([`FetchErrorKind::ConnectionLost`](crate::transport::FetchErrorKind::ConnectionLost)), and
    /// the crate sends most requests once more.
    Lost,
    /// Never responds, and keeps the connection open.
    Hang,
    /// Sends the head of the response and the first bytes of the body, then nothing more.
    SlowBody,
    /// Sends the head of the response, then one byte of the body after each interval. With an interval of one
    /// second, a body of 100 bytes takes 100 seconds.
    Trickle(Duration),
    /// Sends half of the body, then closes the connection.
    HalfBody,
    /// Responds 200 with a body of this many bytes.
    HugeBody(usize),
    /// Responds with this status and an HTML body. A number that is not a status becomes 500.
    Status(u16),
    /// Responds with this status, an HTML body and `Retry-After` in whole seconds (RFC 9110 section 10.2.3).
    RetryAfter(u16, Duration),
    /// Responds with this status and this body as `application/json`, such as an OAuth error (RFC 6749
    /// section 5.2).
    Json(u16, String),
    /// Responds 200 with this body as `application/json`.
    Body(String),
    /// Responds 200 with this content type (first value) and this body (second value).
    BodyOfType(String, String),
    /// Responds 200 with an HTML page, like a captive portal or a misconfigured proxy.
    Html,
    /// Responds 302 with this `Location`.
    Redirect(String),
    /// Sends the normal response after this delay.
    Delay(Duration),
}

impl Endpoint {
    /// Every endpoint.
    pub(crate) const ALL: [Self; 5] =
        [Self::Metadata, Self::Jwks, Self::Introspection, Self::Token, Self::Revocation];
}
