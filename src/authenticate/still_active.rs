//! Introspection of a token that was accepted a moment ago, for routes where that is too long ago.

use std::future::{Future, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use super::Authenticator;
use super::issuers::IssuerRegistry;
use super::revoked::check_revoked;
use crate::access_token::AccessToken;
use crate::event;
use crate::introspection::{IntrospectionFault, IntrospectionLookup};
use crate::rejection::{Rejection, RejectionKind};
use crate::time::now;

/// What introspection says now about a token that was accepted.
pub(crate) type StillActive = Pin<Box<dyn Future<Output = Result<AccessToken, Rejection>> + Send>>;

impl Authenticator {
    /// Introspects an accepted `token` by a response no older than `max_age`. `time_spent` is what its
    /// request has already waited for introspection: a request has one deadline for all.
    pub(crate) fn still_active(
        &self,
        token: &AccessToken,
        max_age: Duration,
        time_spent: Duration,
    ) -> StillActive {
        let introspected = introspect(&self.issuers, token, max_age, time_spent, Retry::Once);
        if self.required_audiences.is_empty() && self.revocations.is_none() {
            return introspected;
        }
        // The response about an opaque token replaces its claims, the audiences included.
        let (required, revocations) = (self.required_audiences.clone(), self.revocations.clone());
        Box::pin(async move {
            let token = required.admit(introspected.await?)?;
            check_revoked(revocations.as_ref(), &token).map(|()| token)
        })
    }
}

/// Whether to introspect again if the issuer is replaced meanwhile.
enum Retry {
    Once,
    Never,
}

fn introspect(
    registry: &Arc<IssuerRegistry>,
    token: &AccessToken,
    max_age: Duration,
    time_spent: Duration,
    retry: Retry,
) -> StillActive {
    let issuers = registry.load();
    // It was trusted a moment ago.
    let Some(issuer) = issuers.get(token.issuer()) else { return Box::pin(ready(Err(removed(token)))) };
    let Some((introspector, presented)) = issuer.introspector().zip(token.raw_token()) else {
        // Routes are built apart from the `BearerAuth`, so nothing can know of this earlier.
        if issuer.introspection.is_none() && issuer.state.mark_reported() {
            event::still_active_without_introspection(issuer.identifier());
        }
        return Box::pin(ready(Err(Rejection::not_introspected())));
    };
    let jwt = token.is_jwt().then(|| token.clone());
    let issuer = Arc::clone(issuer);
    let accepted = token.clone();
    let checked = move |result| same_sender(result, &accepted);
    let (digest, freshness) = (introspector.digest(presented), introspector.no_older_than(max_age));
    match introspector.introspect(presented, digest, jwt, freshness, time_spent) {
        IntrospectionLookup::Cached(result) => Box::pin(ready(checked(result))),
        IntrospectionLookup::Pending(response) => {
            let (registry, token, start) = (Arc::clone(registry), token.clone(), now());
            Box::pin(async move {
                let response = response.await;
                if !issuer.is_removed() {
                    return checked(response);
                }
                let Retry::Once = retry else { return Err(removed(&token)) };
                let waited = now().saturating_duration_since(start);
                introspect(&registry, &token, max_age, time_spent.saturating_add(waited), Retry::Never).await
            })
        }
    }
}

/// The request has proven its sender to be that of the `accepted` token, not that of another response.
fn same_sender(
    introspected: Result<AccessToken, IntrospectionFault>,
    accepted: &AccessToken,
) -> Result<AccessToken, Rejection> {
    let token = introspected.map_err(|fault| Rejection::from(fault).about(accepted))?;
    if token.bound_to() == accepted.bound_to() {
        Ok(token)
    } else {
        Err(Rejection::from(IntrospectionFault::OtherToken).about(accepted))
    }
}

/// The issuer of `token` is no longer trusted.
fn removed(token: &AccessToken) -> Rejection {
    Rejection::from(RejectionKind::IssuerUnknown).about(token)
}
