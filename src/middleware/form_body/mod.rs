//! Opting in to tokens in a form-encoded body (RFC 6750 section 2.2): a layer outside `BearerAuth`.
//!
//! Checks: the size of the form, its fields (in `bearer::form`).
//! Does not check: the token. It notes what it found and hands the request on with a body that yields
//! what the original would have; `BearerAuth` decides and answers.
//!
//! Why a layer of its own: judging the head of a request needs no body, and most users want it so.
//! With this layer a request may wait for its body before it is judged.

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
