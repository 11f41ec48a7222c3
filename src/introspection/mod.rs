//! Token introspection (RFC 7662): the authorization server validates tokens, behind limits and a cache.
//!
//! - `introspector` is the entry: cached responses first, then `single_flight`.
//! - `single_flight` sends at most one introspection request per token, however many requests wait for it.
//!   `calls_in_flight` lists these requests.
//! - `call` sends one request, after `limits` has granted a permit, `endpoint` has found the URL and
//!   `client_auth` has the credentials. `connections` decides between pooled and new connections, as
//!   `pool_health` tells it.
//! - `limits` waits for what `limiter_state` decides: `permits` with their `queue`, `pauses`,
//!   `failed_tokens`, a rate limit and a circuit breaker. Each is a state machine that takes the time as an
//!   argument.
//! - `credentials_check` sends one introspection request at start, to find out whether the credentials are
//!   accepted.
//! - `request` and `response` are pure. `signed` verifies signed responses (RFC 9701).

mod cache;
mod call;
mod calls_in_flight;
mod client;
pub mod client_auth;
mod connections;
mod credentials_check;
mod digest;
mod endpoint;
mod error;
mod failed_tokens;
mod fault;
mod first_use;
mod health;
mod introspector;
mod limiter_state;
mod limits;
mod outage;
mod pauses;
mod permits;
mod pool_health;
mod priority;
mod queue;
mod request;
mod response;
mod server_error;
mod signed;
mod single_flight;
mod status;

pub(crate) use cache::{CachePolicy, Freshness, ResponseStore};
pub(crate) use client::IntrospectionClientConfig;
pub(crate) use client_auth::ClientAuth;
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
