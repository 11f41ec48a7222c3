//! Authorization server metadata (RFC 8414, OpenID Connect Discovery 1.0): where an issuer's keys are.

mod discovery;

pub(crate) use discovery::fetch_metadata;
