//! Token introspection (RFC 7662): what the authorization server says of a token, asked for within limits and
//! remembered for a while.
//!
//! `request` and `response` are pure; `inquirer` asks; `introspector` remembers, and lets those wait together
//! who ask about the same token.

mod cache;
mod client;
mod client_auth;
mod endpoint;
mod fault;
mod introspector;
mod limits;
mod request;
mod response;
mod signed;
mod status;

pub(crate) use cache::{CachePolicy, Freshness, TokenDigest};
pub(crate) use client::IntrospectionClientConfig;
pub use client_auth::ClientAuth;
pub(crate) use endpoint::EndpointSource;
pub(crate) use fault::IntrospectionFault;
pub(crate) use introspector::{
    IntrospectionBounds, IntrospectionLookup, Introspector, IntrospectorConfig, PendingIntrospection,
};
pub(crate) use limits::LimiterPolicy;
pub(crate) use response::{Active, RESPONSE_MEMBERS, ResponsePolicy, SIGNED_TYPE};
pub(crate) use signed::{MAX_RESPONSE_AGE, Signer};
pub use status::IntrospectionStatus;
