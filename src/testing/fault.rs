//! The endpoints of the test issuer, and the ways in which they fail on demand.

use std::time::Duration;

/// An endpoint of a [`TestIssuer`](super::TestIssuer).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Endpoint {
    /// The metadata at both well-known places (RFC 8414 section 3, OpenID Connect Discovery section 4).
    Metadata,
    /// The key set (RFC 7517 section 5).
    Jwks,
}

/// How an endpoint fails until it is told otherwise.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Fault {
    /// The connection is closed before an answer.
    Refuse,
    /// No answer ever comes.
    Hang,
    /// The status line and a byte a minute.
    SlowBody,
    /// Half of the body, then the connection is closed.
    HalfBody,
    /// A body of so many bytes.
    HugeBody(usize),
    /// This status, with an HTML body.
    Status(u16),
    /// 200 with this body.
    Body(String),
    /// 302 to this place.
    Redirect(String),
    /// The right answer, so much later.
    Delay(Duration),
}
