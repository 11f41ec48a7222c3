//! The observers of one `BearerAuth`.
//!
//! Why a panic is caught: an observer must not change a decision, and some reports are made while a request
//! is dropped.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::Observer;
use super::calls::{CircuitChange, IntrospectionCall, KeyFetch};
use super::decision::Decision;

/// The observers of one `BearerAuth`. Clones share them.
#[derive(Clone, Default)]
pub(crate) struct Observers(Option<Arc<[Arc<dyn Observer>]>>);

/// The observers of the calls to one issuer.
#[derive(Clone, Debug, Default)]
pub(crate) struct IssuerObservers {
    pub(crate) observers: Observers,
    /// The pattern of the resolver that has found the issuer.
    pub(crate) resolver_pattern: Option<Arc<str>>,
}

impl Observers {
    pub(crate) fn new(observers: &[Arc<dyn Observer>]) -> Self {
        Self((!observers.is_empty()).then(|| observers.into()))
    }

    /// Whether there is one.
    pub(crate) fn is_observed(&self) -> bool {
        self.0.is_some()
    }

    pub(crate) fn decided(&self, decision: &Decision<'_>) {
        self.each(|observer| observer.decided(decision));
    }

    fn each(&self, report: impl Fn(&dyn Observer)) {
        for observer in self.0.iter().flat_map(|observers| observers.iter()) {
            // The panic hook has reported the panic.
            let _ = catch_unwind(AssertUnwindSafe(|| report(&**observer)));
        }
    }
}

impl IssuerObservers {
    /// Reports a key fetch.
    pub(crate) fn keys_fetched(&self, fetch: KeyFetch<'_>) {
        let fetch = KeyFetch { resolver_pattern: self.resolver_pattern.as_deref(), ..fetch };
        self.observers.each(|observer| observer.keys_fetched(&fetch));
    }

    /// Reports an introspection request.
    pub(crate) fn introspected(&self, call: IntrospectionCall<'_>) {
        let call = IntrospectionCall { resolver_pattern: self.resolver_pattern.as_deref(), ..call };
        self.observers.each(|observer| observer.introspected(&call));
    }

    /// Reports a change of a circuit breaker.
    pub(crate) fn circuit_changed(&self, change: CircuitChange<'_>) {
        let change = CircuitChange { resolver_pattern: self.resolver_pattern.as_deref(), ..change };
        self.observers.each(|observer| observer.circuit_changed(&change));
    }
}

impl fmt::Debug for Observers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Observers").field(&self.0.as_ref().map_or(0, |observers| observers.len())).finish()
    }
}
