//! JWT access tokens: compact JWS, header, signature, claims (RFC 7515, RFC 7519, RFC 9068).
//!
//! Everything here is pure: keys and the time are arguments. Each step consumes the type that the previous
//! one returned, so none can be skipped: [`Presented`] -> [`compact::Compact`] and [`header::Header`] ->
//! [`UnverifiedClaims`] -> [`signature::Signed`] -> `Grant`.

mod claim;
mod claim_set;
pub(crate) mod claims;
pub(crate) mod compact;
mod confirmation;
pub(crate) mod header;
mod presented;
pub(crate) mod signature;

pub(crate) use claim::Claim;
pub(crate) use claim_set::{ConfiguredNames, UnverifiedClaims};
pub(crate) use presented::Presented;
