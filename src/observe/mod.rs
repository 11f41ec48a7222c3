//! Decisions about requests, key fetches and introspection requests, for your own metrics or log.
//!
//! [`Observer`] is a trait with one method per kind of report.
//! [`BearerAuthBuilder::observer`](crate::BearerAuthBuilder::observer) sets one. For metrics, the feature
//! `metrics` has a ready-made observer, `BearerAuthBuilder::metrics`.
//!
//! ```
//! use std::sync::atomic::{AtomicU64, Ordering};
//!
//! use tower_bearer::BearerAuth;
//! use tower_bearer::observe::{Decision, Observer, Outcome};
//!
//! #[derive(Default)]
//! struct Rejections(AtomicU64);
//!
//! impl Observer for Rejections {
//!     fn decided(&self, decision: &Decision<'_>) {
//!         if decision.outcome() == Outcome::Rejected {
//!             self.0.fetch_add(1, Ordering::Relaxed);
//!         }
//!     }
//! }
//!
//! let builder = BearerAuth::builder("https://api.example.com").observer(Rejections::default());
//! ```
//!
//! # What a report contains
//!
//! Values from a small set: labels, issuers that you trust, names of their keys, durations. A report has no
//! token, no claim and no text that a client chose.

mod calls;
mod decision;
#[cfg(feature = "metrics")]
pub(crate) mod metrics;
mod observers;

pub use calls::{CircuitChange, IntrospectionCall, IntrospectionOutcome, KeyFetch, KeyFetchOutcome};
pub use decision::{Decision, Outcome, Source};
pub(crate) use decision::{Lookup, Undecided};
pub(crate) use observers::{IssuerObservers, Observers};

/// Receives reports from a [`BearerAuth`](crate::BearerAuth). Every method does nothing by default.
///
/// The methods run on the task of the request or of the fetch, and must not block. A panic in a method is
/// caught and has no effect on the request.
///
/// ```
/// use tower_bearer::observe::{KeyFetch, KeyFetchOutcome, Observer};
///
/// /// Prints failed fetches.
/// struct FailedFetches;
///
/// impl Observer for FailedFetches {
///     fn keys_fetched(&self, fetch: &KeyFetch<'_>) {
///         if fetch.outcome() == KeyFetchOutcome::Failed {
///             eprintln!("{}: {} key fetches in a row have failed", fetch.issuer(), fetch.failures());
///         }
///     }
/// }
/// ```
pub trait Observer: Send + Sync + 'static {
    /// A request was accepted or rejected. Called at most once per request and `BearerAuth`: each of several
    /// nested layers reports.
    ///
    /// An accepted request is reported when its response is there, or when the request is dropped before:
    /// because the inner service failed, or because the client has left. A layer further in, an extractor or
    /// a handler may still reject an accepted request with a [`Rejection`](crate::Rejection). Then it is
    /// reported as rejected, and not as accepted too.
    ///
    /// [`BearerAuth::authenticate`](crate::BearerAuth::authenticate) is reported when it returns. A
    /// request that is dropped while its token is being validated is not reported.
    fn decided(&self, decision: &Decision<'_>) {
        let _ = decision;
    }

    /// A fetch of an issuer's keys has ended. Issuers with the same source of keys share a fetch. It is
    /// reported once, for the first of them.
    fn keys_fetched(&self, fetch: &KeyFetch<'_>) {
        let _ = fetch;
    }

    /// An introspection request has ended. Cached responses are not reported.
    fn introspected(&self, call: &IntrospectionCall<'_>) {
        let _ = call;
    }

    /// The circuit breaker of an introspection endpoint has opened or closed.
    fn circuit_changed(&self, change: &CircuitChange<'_>) {
        let _ = change;
    }
}
