//! Authorization server metadata (RFC 8414, OpenID Connect Discovery 1.0): where an issuer's endpoints are.

mod discovery;

pub(crate) use discovery::{Discoverable, Endpoint, REQUESTS_MAX, discover};
