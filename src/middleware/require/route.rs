//! The requirement of one route, and how a request is checked against it.

use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use http::request::Parts;

use crate::access_token::AccessToken;
use crate::authenticate::StillActive;
use crate::middleware::coverage::{Coverage, is_covered, now_for};
use crate::rejection::{Rejection, RejectionKind};
use crate::requirement::{Requirement, RequirementFault};

#[derive(Clone, Debug)]
pub(super) struct Route {
    pub(super) requirement: Requirement,
    pub(super) scopes_needed: Arc<str>,
    /// The maximum age of the introspection response, where the route introspects.
    pub(super) active_within: Option<Duration>,
}

impl Route {
    /// Checks the requirement against the token of the request.
    pub(super) fn check<'h>(&self, head: &'h Parts) -> Result<&'h AccessToken, Rejection> {
        if !is_covered(head) {
            return Err(RejectionKind::NotCovered.into());
        }
        let token = head.extensions.get::<AccessToken>().ok_or(RejectionKind::Missing)?;
        let rejected = |fault: RequirementFault| {
            // If the token has the scopes, naming them would send a client into a loop.
            let needs_scopes = fault.lacks_scopes();
            let rejection = Rejection::from(fault).about(token);
            if needs_scopes { rejection.needing(&self.scopes_needed) } else { rejection }
        };
        self.requirement.check(token, head, || now_for(token)).map_err(rejected)?;
        Ok(token)
    }

    /// The introspection that the route needs, if it needs one.
    pub(super) fn introspection(&self, token: &AccessToken, head: &Parts) -> Option<StillActive> {
        let max_age = self.active_within?;
        Some(match Coverage::of(head) {
            Some(coverage) => coverage.still_active(token, max_age),
            None => Box::pin(ready(Err(RejectionKind::NotCovered.into()))),
        })
    }

    /// Checks the requirement against what introspection says now, which replaces the token of the request.
    pub(super) fn check_again(
        &self,
        head: &mut Parts,
        introspected: Result<AccessToken, Rejection>,
    ) -> Result<(), Rejection> {
        let token = introspected?;
        let coverage = head.extensions.get().and_then(AccessToken::coverage).cloned();
        head.extensions.insert(match coverage {
            Some(coverage) => token.covered_by(coverage),
            None => token,
        });
        self.check(head).map(drop)
    }
}
