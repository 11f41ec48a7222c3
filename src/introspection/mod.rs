//! Introspection of tokens (RFC 7662): the client's side of one question, for now.

#![allow(dead_code, unused_imports, reason = "whoever asks is not there yet")]

mod client_auth;
mod request;

pub(crate) use client_auth::Credentials;
pub use client_auth::{ClientAuth, PrivateKey, PrivateKeyError};
pub(crate) use request::{Accept, request};
