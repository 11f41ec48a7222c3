//! The tower side of the crate: layers with their services, futures and bodies.
//!
//! Most users need none of these types: they name the [`BearerAuth`], [`Require`] and [`FormBodyToken`] of
//! the crate root. A service that stores a protected service in a struct needs the type of the service:
//!
//! ```
//! use tower_bearer::middleware::BearerAuthService;
//!
//! struct Server<S> {
//!     inner: BearerAuthService<S>,
//! }
//! ```

mod bearer_auth;
mod body;
mod coverage;
mod decision_report;
mod form_body;
#[cfg(feature = "metrics")]
mod gauges;
mod grpc;
mod probe;
mod rejection_log;
mod require;
mod responder;
mod response_settings;
mod revocation_service;
mod shared;

pub use bearer_auth::{BearerAuth, BearerAuthService, ResponseFuture};
pub use body::ResponseBody;
#[cfg(feature = "axum")]
pub(crate) use coverage::{is_covered, reject};
pub use form_body::{FormBodyToken, FormBodyTokenFuture, FormBodyTokenService, ReplayedBody};
#[cfg(feature = "inspector")]
pub(crate) use probe::StatusDocument;
pub use probe::{ReadyService, StatusService};
pub(crate) use rejection_log::RejectionLog;
pub use require::{Require, RequireFuture, RequireService};
pub(crate) use responder::Responder;
pub(crate) use response_settings::{OnReject, ResponseSettings};
pub use revocation_service::RevocationService;
pub(crate) use shared::{OnAccept, Shared};
