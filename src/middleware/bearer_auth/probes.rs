//! The services for probes and operators.

use std::sync::Arc;

use super::layer::BearerAuth;
#[cfg(feature = "inspector")]
use crate::middleware::probe::StatusDocument;
use crate::middleware::probe::{ReadyService, StatusService};

impl BearerAuth {
    /// A service that responds to readiness probes: 200 once every configured issuer can accept tokens, else
    /// 503 with the issuers that cannot. It never waits. [`ReadyService`] has the details.
    ///
    /// Mount it outside of `BearerAuth`, because probes have no token. Like a clone, the service keeps the
    /// background tasks of the issuers running.
    ///
    /// ```
    /// # #[cfg(all(feature = "axum", feature = "reqwest"))] {
    /// use axum::{Router, routing::get};
    /// use tower_bearer::{BearerAuth, Issuer};
    ///
    /// let auth = BearerAuth::builder("https://api.example.com")
    ///     .issuer(Issuer::discover("https://login.example.com"))
    ///     .build()?;
    /// let app: Router = Router::new()
    ///     .route("/orders", get(async || "the orders"))
    ///     .layer(auth.clone())
    ///     // After the layer, so that it needs no token.
    ///     .route_service("/ready", auth.ready_service());
    /// # }
    /// # Ok::<(), tower_bearer::ConfigError>(())
    /// ```
    #[must_use]
    pub fn ready_service(&self) -> ReadyService {
        ReadyService::new(Arc::clone(&self.shared.authenticator))
    }

    /// A service that responds with [`status`](Self::status) as JSON, for operators. It needs no token, so
    /// keep it off the public internet; see [`StatusService`].
    ///
    /// ```
    /// # #[cfg(all(feature = "axum", feature = "reqwest"))] {
    /// use axum::Router;
    /// use tower_bearer::{BearerAuth, Issuer};
    ///
    /// let auth = BearerAuth::builder("https://api.example.com")
    ///     .issuer(Issuer::discover("https://login.example.com"))
    ///     .build()?;
    /// // Serve it on a listener that only operators reach.
    /// let admin: Router = Router::new()
    ///     .route_service("/ready", auth.ready_service())
    ///     .route_service("/status", auth.status_service());
    /// # }
    /// # Ok::<(), tower_bearer::ConfigError>(())
    /// ```
    #[must_use]
    pub fn status_service(&self) -> StatusService {
        StatusService::new(Arc::clone(&self.shared.authenticator))
    }

    /// The document of the status service.
    #[cfg(feature = "inspector")]
    pub(crate) fn status_document(&self) -> StatusDocument {
        StatusDocument::of(&self.shared.authenticator)
    }
}
