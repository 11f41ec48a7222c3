//! A page for operators: the state of the issuers, decisions by kind, recent rejections and guarantees, and a
//! box that explains a token.
//!
//! An [`Inspector`] is an [`Observer`] that counts decisions, and [`Inspector::service`] serves the page:
//!
//! ```
//! # #[cfg(all(feature = "axum", feature = "reqwest"))] {
//! use axum::{Router, routing::get};
//! use tower_bearer::inspector::Inspector;
//! use tower_bearer::{BearerAuth, Issuer, Require};
//!
//! let inspector = Inspector::new();
//! let auth = BearerAuth::builder("https://api.example.com")
//!     .issuer(Issuer::discover("https://login.example.com"))
//!     .add_observer(inspector.clone())
//!     .build()?;
//! let page = inspector.service(&auth);
//! let app: Router = Router::new()
//!     .route_service("/inspector", page)
//!     .route_layer(Require::scope("operator"))
//!     .route("/orders", get(async || "the orders"))
//!     .layer(auth);
//! # }
//! # Ok::<(), tower_bearer::ConfigError>(())
//! ```
//!
//! A browser sends no `Authorization` header when a user opens a page. Protect the page as you protect the
//! other pages of your operators: with a cookie (see [`TokenSource`](crate::TokenSource)), with your proxy,
//! or with a listener that only operators reach.
//!
//! # Memory and time
//!
//! An inspector takes about 14 KiB for its counts. It keeps the last 100 rejections, each with the identifier
//! of its issuer; consecutive rejections of one kind and issuer are one entry. To record an accepted request
//! it reads the clock and adds to an atomic counter. A rejected request takes a short lock, too.

mod data;
mod decisions;
mod kinds;
mod page;
mod records;
mod rejections;
mod service;

use std::fmt;
use std::sync::Arc;

use self::records::Records;
pub use self::service::InspectorService;
use crate::middleware::BearerAuth;
use crate::observe::{Decision, Observer};

/// Counts the decisions of a [`BearerAuth`], and serves a page that shows them.
///
/// Give it to the builder with [`add_observer`](crate::BearerAuthBuilder::add_observer). A clone shares the
/// counts. One inspector may observe several `BearerAuth`s, or one after the other.
///
/// It keeps the decisions of the last 30 minutes by kind and minute, and the last 100 rejections. It has no
/// token, no claim and no text that a client chose.
///
/// The [module](self) has an example.
#[derive(Clone)]
pub struct Inspector {
    records: Arc<Records>,
}

impl Inspector {
    /// An inspector without records.
    #[must_use]
    pub fn new() -> Self {
        Self { records: Arc::new(Records::new()) }
    }

    /// A service that serves the page: the state of `auth`, and the decisions that this inspector has
    /// observed. [`InspectorService`] has the details.
    ///
    /// Like a clone of `auth`, the service keeps the background tasks of the issuers running.
    #[must_use]
    pub fn service(&self, auth: &BearerAuth) -> InspectorService {
        InspectorService::new(Arc::clone(&self.records), auth.clone())
    }
}

impl Observer for Inspector {
    fn decided(&self, decision: &Decision<'_>) {
        self.records.add(decision);
    }
}

impl Default for Inspector {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Inspector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inspector").finish_non_exhaustive()
    }
}
