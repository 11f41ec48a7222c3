//! What the benches share: tokens, layers around services, requests, the raw check, and the table.
#![allow(dead_code, reason = "each bench uses a part of it")]

pub(crate) mod auth;
pub(crate) mod raw;
pub(crate) mod request;
pub(crate) mod table;
pub(crate) mod token;
