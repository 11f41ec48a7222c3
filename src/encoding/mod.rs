//! The two encodings of JOSE, parsed strictly: base64url and JSON. And JSON Pointers into the latter.

pub(crate) mod base64url;
pub(crate) mod json;
pub(crate) mod json_pointer;
