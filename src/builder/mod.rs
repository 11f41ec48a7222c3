//! The configuration: what a user sets, checked once, all problems at a time.

mod config_error;
mod introspection;
mod issuer;
mod settings;
mod token_cache;

pub use config_error::{ConfigError, ConfigProblem};
pub use introspection::Introspection;
pub use issuer::Issuer;
pub use settings::BearerAuthBuilder;
pub use token_cache::TokenCache;
