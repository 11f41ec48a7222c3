//! Authorization details that a route requires (RFC 9396).
//!
//! Checks: that the token has a detail of a type, and that a function of the user accepts one of them.
//! Does not check: `locations` and other common members, which belong to the user's type.

use std::fmt;
use std::sync::Arc;

use http::request::Parts;
use serde::de::DeserializeOwned;

use crate::access_token::{AccessToken, ClaimValue};

/// A function of one detail and the head of the request.
type DetailCheck = Arc<dyn Fn(ClaimValue<'_>, &Parts) -> Result<(), DetailFault> + Send + Sync>;

/// An authorization detail that a token must have.
#[derive(Clone)]
pub(crate) struct RequiredDetail {
    /// The `type` of the detail.
    pub(crate) kind: Arc<str>,
    check: DetailCheck,
}

/// Why no authorization detail of a type is accepted. Of several details, the one that came furthest counts.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum DetailFault {
    /// The token has none of the type.
    Absent,
    /// It does not deserialize into the type of the function.
    IllTyped,
    /// The function returned `false`.
    Rejected,
}

impl RequiredDetail {
    pub(crate) fn new<T: DeserializeOwned>(
        kind: &str,
        check: impl Fn(T, &Parts) -> bool + Send + Sync + 'static,
    ) -> Self {
        let check = move |detail: ClaimValue<'_>, head: &Parts| {
            let detail = detail.to().ok_or(DetailFault::IllTyped)?;
            if check(detail, head) { Ok(()) } else { Err(DetailFault::Rejected) }
        };
        Self { kind: kind.into(), check: Arc::new(check) }
    }

    /// Checks that one of the details of the token is accepted.
    ///
    /// # Errors
    /// The greatest [`DetailFault`].
    pub(super) fn check(&self, token: &AccessToken, head: &Parts) -> Result<(), DetailFault> {
        let mut fault = DetailFault::Absent;
        for detail in token.authorization_details(&self.kind) {
            match (self.check)(detail, head) {
                Ok(()) => return Ok(()),
                Err(its_fault) => fault = fault.max(its_fault),
            }
        }
        Err(fault)
    }
}

impl fmt::Display for DetailFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Absent => "absent",
            Self::IllTyped => "does not fit the type of the function",
            Self::Rejected => "rejected by the function",
        })
    }
}
