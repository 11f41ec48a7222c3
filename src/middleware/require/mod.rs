//! The layer `Require`: what a route needs beyond a valid token.

mod future;
mod layer;
mod route;
mod service;

pub use future::RequireFuture;
pub use layer::Require;
pub use service::RequireService;
