//! Token introspection (RFC 7662): what the authorization server says of a token, asked for within limits and
//! remembered for a while.
//!
//! `request` and `response` are pure; `inquirer` asks; `introspector` remembers, and lets those wait together
//! who ask about the same token.

mod admission;
mod breaker;
mod cache;
mod client_auth;
mod endpoint;
mod fault;
mod inquirer;
mod introspector;
mod request;
mod response;
mod signed;
mod status;

pub(crate) use admission::AdmissionPolicy;
pub use breaker::IntrospectionCircuit;
pub(crate) use cache::{CachePolicy, Freshness, TokenDigest};
pub use client_auth::{ClientAuth, PrivateKey, PrivateKeyError};
pub(crate) use endpoint::EndpointSource;
pub(crate) use fault::IntrospectionFault;
pub(crate) use inquirer::InquirerConfig;
pub(crate) use introspector::{
    IntrospectionBounds, Introspector, IntrospectorConfig, Judged, VerdictAwaited,
};
pub(crate) use response::{Active, AnswerPolicy, MEMBERS, SIGNED_TYPE};
pub(crate) use signed::{AGE_MAX, Signer};
pub use status::IntrospectionStatus;
