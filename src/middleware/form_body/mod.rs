//! The layer `FormBodyToken`: takes the token from a form-encoded body (RFC 6750 section 2.2), outside
//! `BearerAuth`.
//!
//! Checks: the size of the form, and its fields (in `bearer::form`).
//! Does not check: the token. The layer stores what it found in the request's extensions, and passes on a
//! body that yields what the original would have. `BearerAuth` decides and responds.
//!
//! Why a layer of its own: authenticating a request needs no body, and most users want it so. With this layer
//! a request may wait for its body before it is authenticated.

mod body;
mod future;
mod layer;
mod read;
mod service;
#[cfg(test)]
mod tests;

pub use body::ReplayedBody;
pub use future::FormBodyTokenFuture;
pub use layer::FormBodyToken;
pub use service::FormBodyTokenService;
