//! The settings of a [`BearerAuth`](crate::BearerAuth), and the check that reports every problem at once.
//!
//! - [`BearerAuthBuilder`] holds the settings that all issuers share.
//! - [`Issuer`] describes one authorization server: its keys and the rules for its tokens.
//! - [`Introspection`] configures introspection requests (RFC 7662) for the tokens of one issuer.
//! - [`client_auth`](crate::client_auth) has the credentials of this API for these requests.
//! - [`RequiredValue`] is a value that a claim must have.
//! - [`TokenCache`] limits the cache of validated tokens.
//! - [`BearerAuthView`] changes some settings for some routes; it shares keys and caches.
//!
//! Setters replace, `add_*` appends, and `require_*` tightens. `dangerous_*` loosens the validation of a
//! token. Some other settings trade security for availability or convenience. Each of them, and each
//! `dangerous_*` method, has a section "Risk".
//!
//! [`BearerAuthBuilder::build`] performs no I/O and reports all problems in one [`ConfigError`]:
//!
//! ```
//! use std::time::Duration;
//! use tower_bearer::BearerAuth;
//! use tower_bearer::builder::ConfigProblem;
//!
//! let built = BearerAuth::builder("https://api.example.com").leeway(Duration::from_secs(3600)).build();
//! let error = built.unwrap_err();
//!
//! assert_eq!(error.problems().len(), 2);
//! assert!(matches!(error.problems()[0], ConfigProblem::NoIssuer));
//! assert!(matches!(error.problems()[1], ConfigProblem::LeewayTooLong { .. }));
//! println!("{error}"); // one line per problem, each with a hint
//! ```

mod bearer_auth;
mod token_cache;

pub use bearer_auth::{BearerAuthBuilder, BearerAuthView};
pub use token_cache::TokenCache;

pub use crate::fetch_url::EndpointHosts;
pub use crate::jwt::claims::RequiredValue;
pub use crate::settings::{ConfigError, ConfigProblem, Introspection, Issuer};
