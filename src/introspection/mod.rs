//! Token introspection (RFC 7662): the authorization server validates tokens, behind limits and a cache.
//!
//! - `introspector` is the entry: cached responses first, then `single_flight`.
//! - `single_flight` sends at most one introspection request per token, however many requests wait for it.
//! - `client` sends one request, after `limits` has granted a permit and `endpoint` has found the URL.
//! - `request` and `response` are pure. `signed` verifies signed responses (RFC 9701).

mod cache;
mod client;
mod client_auth;
mod digest;
mod endpoint;
mod error;
mod fault;
mod health;
mod introspector;
mod limits;
mod outage;
mod request;
mod response;
mod server_error;
mod signed;
mod single_flight;
mod status;

pub(crate) use cache::{CachePolicy, Freshness, ResponseStore};
pub(crate) use client::IntrospectionClientConfig;
pub use client_auth::ClientAuth;
pub(crate) use digest::TokenDigest;
pub(crate) use endpoint::EndpointSource;
pub use error::{IntrospectionError, IntrospectionErrorKind};
pub(crate) use fault::IntrospectionFault;
pub(crate) use introspector::{
    IntrospectionBounds, IntrospectionLookup, Introspector, IntrospectorConfig, PendingIntrospection,
};
pub(crate) use limits::LimiterPolicy;
pub(crate) use response::{Active, RESPONSE_MEMBERS, ResponsePolicy, SIGNED_TYPE};
pub(crate) use signed::{MAX_RESPONSE_AGE, ResponseVerifier};
pub use status::IntrospectionStatus;
