//! The layer `Require`: what a route needs beyond a valid token.

mod detail;
mod future;
mod layer;
mod route;
mod sender_bound;
mod service;
mod step_up;

pub use future::RequireFuture;
pub use layer::Require;
pub use service::RequireService;
