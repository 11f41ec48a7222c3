//! JWT access tokens: compact JWS, header, signature, claims (RFC 7515, RFC 7519, RFC 9068).
//!
//! Everything here is pure: keys and the time are arguments. The steps hand their types on, so that
//! none can be left out: [`compact::Compact`] -> [`header::Header`] and
//! [`claims::UnverifiedClaims`] -> [`signature::Signed`] -> `AccessToken`.

mod claim;
mod claim_set;
pub(crate) mod claims;
pub(crate) mod compact;
pub(crate) mod header;
pub(crate) mod signature;

pub(crate) use claim::Claim;
pub(crate) use claim_set::{ConfiguredNames, UnverifiedClaims};
