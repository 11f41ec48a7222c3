//! The configuration: what a user sets, checked once, all problems at a time.

mod bearer_auth;
mod config_error;
mod introspection;
mod issuer;
mod token_cache;

pub use bearer_auth::BearerAuthBuilder;
pub use config_error::{ConfigError, ConfigProblem};
pub use introspection::Introspection;
pub use issuer::Issuer;
pub use token_cache::TokenCache;
