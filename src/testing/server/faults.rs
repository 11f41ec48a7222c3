//! The faults that a test has set, and the requests that they apply to.

use std::collections::HashMap;

use crate::jwt::compact::Compact;
use crate::jwt::header::Header;
use crate::testing::fault::{Endpoint, Fault};

/// The requests that a fault applies to.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) enum FaultTarget {
    /// Every request to this endpoint.
    Endpoint(Endpoint),
    /// Requests about this token.
    Token(String),
    /// Requests about a JWT with this `kid`.
    KeyId(String),
}

/// The faults that a test has set.
#[derive(Default)]
pub(crate) struct Faults(HashMap<FaultTarget, Planned>);

struct Planned {
    fault: Fault,
    /// The number of requests that still fail. `None`: all.
    remaining: Option<usize>,
}

impl Faults {
    /// Sets a fault, for all requests or for the next `times`. It replaces an earlier fault of this target.
    pub(crate) fn plan(&mut self, target: FaultTarget, fault: Fault, times: Option<usize>) {
        self.0.insert(target, Planned { fault, remaining: times });
    }

    /// Removes the fault of a target.
    pub(crate) fn cancel(&mut self, target: &FaultTarget) {
        self.0.remove(target);
    }

    /// The fault for the current request, if there is one: that of its token, of the key of its token, or of
    /// the endpoint, in this order. `token` returns the token that the request is about.
    pub(crate) fn next(
        &mut self,
        endpoint: Endpoint,
        token: impl FnOnce() -> Option<String>,
    ) -> Option<Fault> {
        if self.0.is_empty() {
            return None;
        }
        let token = token();
        let key_id = token.as_deref().and_then(key_id).map(FaultTarget::KeyId);
        let targets = [token.map(FaultTarget::Token), key_id, Some(FaultTarget::Endpoint(endpoint))];
        targets.into_iter().flatten().find_map(|target| self.take(&target))
    }

    fn take(&mut self, target: &FaultTarget) -> Option<Fault> {
        let planned = self.0.get_mut(target)?;
        match &mut planned.remaining {
            None => {}
            Some(0) => return None,
            Some(remaining) => *remaining = remaining.saturating_sub(1),
        }
        Some(planned.fault.clone())
    }
}

/// The `kid` of a token, if it is a JWT that names one.
fn key_id(token: &str) -> Option<String> {
    let header = Compact::parse(token).ok()?.header().ok()?;
    Some(Header::parse(&header).ok()?.key_id?.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_lasts_until_it_is_cancelled_or_used_up() {
        let mut faults = Faults::default();
        let token = FaultTarget::Endpoint(Endpoint::Token);
        let failed = |faults: &mut Faults| [(); 3].map(|()| faults.next(Endpoint::Token, || None).is_some());
        assert_eq!(failed(&mut faults), [false; 3]);
        faults.plan(token.clone(), Fault::Html, None);
        assert_eq!(failed(&mut faults), [true; 3]);
        faults.plan(token.clone(), Fault::Html, Some(2));
        assert_eq!(failed(&mut faults), [true, true, false]);
        assert_eq!(faults.next(Endpoint::Jwks, || None), None);
        faults.plan(token.clone(), Fault::Html, None);
        faults.cancel(&token);
        assert_eq!(failed(&mut faults), [false; 3]);
    }

    #[test]
    fn the_fault_of_a_token_comes_before_that_of_its_key_and_of_the_endpoint() {
        // The header is {"alg":"ES256","kid":"key-1"}.
        let token = "eyJhbGciOiJFUzI1NiIsImtpZCI6ImtleS0xIn0.e30.AA";
        let mut faults = Faults::default();
        faults.plan(FaultTarget::Endpoint(Endpoint::Introspection), Fault::Status(500), None);
        faults.plan(FaultTarget::KeyId("key-1".to_owned()), Fault::Status(501), None);
        faults.plan(FaultTarget::Token(token.to_owned()), Fault::Status(502), Some(1));
        for (about, expected) in [(Some(token), 502), (Some(token), 501), (Some("opaque"), 500), (None, 500)]
        {
            let fault = faults.next(Endpoint::Introspection, || about.map(str::to_owned));
            assert_eq!(fault, Some(Fault::Status(expected)), "{about:?}");
        }
    }
}
