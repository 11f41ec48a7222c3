//! The two encodings of JOSE, parsed strictly: base64url and JSON.

pub(crate) mod base64url;
pub(crate) mod json;
