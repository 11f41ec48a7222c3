//! The settings of one issuer and of its introspection, their checks, and the problems of a configuration.

mod config_error;
mod context;
mod introspection;
mod issuer;
mod resolver;

pub use config_error::{ConfigError, ConfigProblem};
pub(crate) use context::BuildContext;
pub use introspection::Introspection;
pub use issuer::Issuer;
pub(crate) use issuer::check_audiences;
pub use resolver::{IssuerRequest, IssuerResolver};
