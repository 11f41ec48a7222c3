//! What a request gets while tokens cannot be introspected, or by too many at once: an answer in time, never
//! a pass, and few calls (RFC 7662 section 4).

mod broken_client;
mod circuit;
mod client_auth;
mod endpoint;
mod faults;
mod limits;
mod load;
mod pauses;
mod sharing;
mod stale;
