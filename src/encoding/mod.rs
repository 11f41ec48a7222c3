//! The two encodings of JOSE, parsed strictly: base64url and JSON. JSON Pointers into the latter, UUIDs, and
//! texts as a log shows them.

pub(crate) mod base64url;
pub(crate) mod json;
pub(crate) mod json_pointer;
pub(crate) mod shown;
pub(crate) mod uuid;
