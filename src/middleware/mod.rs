//! The tower side: layers, their services and futures, and how a refusal becomes a response.

mod answers;
mod form_body;
mod future;
mod layer;
mod passage;
mod protection;
mod require;
mod response_body;
mod service;
mod striped;

pub(crate) use answers::{Answers, OnReject};
pub use form_body::{FormBodyToken, FormBodyTokenFuture, FormBodyTokenService, ReplayedBody};
pub use future::ResponseFuture;
pub use layer::BearerAuth;
pub(crate) use protection::Protection;
#[cfg(feature = "axum")]
pub(crate) use protection::{is_covered, refuse};
pub use require::{Require, RequireFuture, RequireService};
pub use response_body::ResponseBody;
pub use service::BearerAuthService;
