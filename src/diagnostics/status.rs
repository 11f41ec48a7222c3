//! The state of each issuer's keys and introspection, for a readiness probe or an operator's page. No I/O.

use std::sync::Arc;

use crate::authenticate::{Authenticator, TrustedIssuer};
use crate::introspection::{IntrospectionStatus, Introspector};
use crate::jwks::{Keys, KeysStatus};

/// The state of one issuer's keys and introspection; see [`BearerAuth::status`](crate::BearerAuth::status).
#[derive(Clone, Debug)]
pub struct IssuerStatus {
    issuer: Arc<str>,
    keys: Option<KeysStatus>,
    introspection: Option<IntrospectionStatus>,
}

impl IssuerStatus {
    /// The identifier of the issuer, as configured.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The state of its keys. `None` for an issuer [without keys](crate::Issuer::without_keys).
    #[must_use]
    pub fn keys(&self) -> Option<&KeysStatus> {
        self.keys.as_ref()
    }

    /// The state of its introspection, if that is configured.
    #[must_use]
    pub fn introspection(&self) -> Option<&IntrospectionStatus> {
        self.introspection.as_ref()
    }
}

impl Authenticator {
    pub(crate) fn status(&self) -> Vec<IssuerStatus> {
        let status = |issuer: &Arc<TrustedIssuer>| IssuerStatus {
            issuer: Arc::clone(issuer.identifier()),
            keys: issuer.keys.as_ref().map(Keys::status),
            introspection: issuer.introspector().map(Introspector::status),
        };
        self.issuers.load().sorted().iter().map(status).collect()
    }
}
