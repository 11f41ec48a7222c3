//! The tower side: layers, their services and futures, and how a refusal becomes a response.

mod bearer_auth;
mod body;
mod form_body;
mod require;
mod responder;
mod shared;

pub use bearer_auth::{BearerAuth, BearerAuthService, ResponseFuture};
pub use body::ResponseBody;
pub use form_body::{FormBodyToken, FormBodyTokenFuture, FormBodyTokenService, ReplayedBody};
pub use require::{Require, RequireFuture, RequireService};
pub(crate) use responder::{OnReject, Responder};
pub(crate) use shared::Shared;
#[cfg(feature = "axum")]
pub(crate) use shared::{is_covered, refuse};
