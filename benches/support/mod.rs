//! Shared by the benches: tokens, DPoP clients, layers, requests, the signature check and the table of
//! results.
#![allow(dead_code, reason = "no bench uses all of it")]

pub(crate) mod auth;
pub(crate) mod dpop;
pub(crate) mod request;
pub(crate) mod signature;
pub(crate) mod table;
pub(crate) mod token;
