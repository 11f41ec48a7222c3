//! The endpoints of the test issuer, and the ways in which they fail on demand.

use std::collections::HashMap;
use std::time::Duration;

/// An endpoint of a [`TestIssuer`](super::TestIssuer).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Endpoint {
    /// The metadata at both well-known places (RFC 8414 section 3, OpenID Connect Discovery section 4).
    Metadata,
    /// The key set (RFC 7517 section 5).
    Jwks,
    /// Says whether a token is active, and its claims (RFC 7662 section 2).
    Introspection,
    /// Issues tokens (RFC 6749 section 3.2).
    Token,
    /// Makes tokens invalid (RFC 7009 section 2).
    Revocation,
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
    /// This status, with an HTML body and `Retry-After` in whole seconds (RFC 9110 section 10.2.3).
    RetryAfter(u16, Duration),
    /// This status, with this body as `application/json`: the error of an OAuth endpoint, most often
    /// (RFC 6749 section 5.2).
    Json(u16, String),
    /// 200 with this body, as `application/json`.
    Body(String),
    /// 200 with a body of this content type: first the type, then the body.
    BodyOfType(String, String),
    /// 200 with a page of HTML, as a portal or a proxy in between would answer.
    Html,
    /// 302 to this place.
    Redirect(String),
    /// The right answer, so much later.
    Delay(Duration),
}

impl Endpoint {
    /// All of them.
    pub(super) const ALL: [Self; 5] =
        [Self::Metadata, Self::Jwks, Self::Introspection, Self::Token, Self::Revocation];
}

/// The faults that a test has asked for.
#[derive(Default)]
pub(super) struct Faults(HashMap<Endpoint, Planned>);

struct Planned {
    fault: Fault,
    /// How often it is still to happen; `None` without end.
    left: Option<usize>,
}

impl Faults {
    /// In place of what was planned for that endpoint.
    pub(super) fn plan(&mut self, endpoint: Endpoint, fault: Fault, times: Option<usize>) {
        self.0.insert(endpoint, Planned { fault, left: times });
    }

    pub(super) fn cancel(&mut self, endpoint: Endpoint) {
        self.0.remove(&endpoint);
    }

    /// How the request that came just now fails, if it does.
    pub(super) fn next(&mut self, endpoint: Endpoint) -> Option<Fault> {
        let planned = self.0.get_mut(&endpoint)?;
        match &mut planned.left {
            None => {}
            Some(0) => return None,
            Some(left) => *left = left.saturating_sub(1),
        }
        Some(planned.fault.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_lasts_until_it_is_cancelled_or_as_often_as_asked() {
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
