//! The endpoints of the test issuer and the faults that a test can set for them.

use std::collections::HashMap;
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
    /// The metadata, at both well-known URLs (RFC 8414 section 3, OpenID Connect Discovery section 4).
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

/// How an endpoint fails. [`TestIssuer::set_fault`](super::TestIssuer::set_fault) sets it.
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
    /// Closes the connection without a response.
    Refuse,
    /// Never responds, and keeps the connection open.
    Hang,
    /// Sends the head of the response and the first bytes of the body, then nothing more.
    SlowBody,
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

/// The faults that a test has set.
#[derive(Default)]
pub(crate) struct Faults(HashMap<Endpoint, Planned>);

struct Planned {
    fault: Fault,
    /// The number of requests that still fail. `None`: all.
    remaining: Option<usize>,
}

impl Faults {
    /// Sets the fault of an endpoint, for all requests or for the next `times`. It replaces an earlier fault.
    pub(crate) fn plan(&mut self, endpoint: Endpoint, fault: Fault, times: Option<usize>) {
        self.0.insert(endpoint, Planned { fault, remaining: times });
    }

    /// Removes the fault of an endpoint.
    pub(crate) fn cancel(&mut self, endpoint: Endpoint) {
        self.0.remove(&endpoint);
    }

    /// The fault for the current request, if there is one.
    pub(crate) fn next(&mut self, endpoint: Endpoint) -> Option<Fault> {
        let planned = self.0.get_mut(&endpoint)?;
        match &mut planned.remaining {
            None => {}
            Some(0) => return None,
            Some(remaining) => *remaining = remaining.saturating_sub(1),
        }
        Some(planned.fault.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_lasts_until_it_is_cancelled_or_used_up() {
        let mut faults = Faults::default();
        assert_eq!(faults.next(Endpoint::Token), None);
        faults.plan(Endpoint::Token, Fault::Html, None);
        assert_eq!([(); 3].map(|()| faults.next(Endpoint::Token).is_some()), [true; 3]);
        faults.plan(Endpoint::Token, Fault::Html, Some(2));
        assert_eq!([(); 3].map(|()| faults.next(Endpoint::Token).is_some()), [true, true, false]);
        assert_eq!(faults.next(Endpoint::Jwks), None);
        faults.plan(Endpoint::Token, Fault::Html, None);
        faults.cancel(Endpoint::Token);
        assert_eq!(faults.next(Endpoint::Token), None);
    }
}
