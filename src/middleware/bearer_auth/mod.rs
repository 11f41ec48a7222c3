//! The layer `BearerAuth`: authenticates a request before the inner service sees it.

mod accepted;
mod future;
mod layer;
#[cfg(feature = "test-util")]
mod mocked;
mod probes;
mod resource_metadata;
mod service;

pub use future::ResponseFuture;
pub use layer::BearerAuth;
pub use service::BearerAuthService;
