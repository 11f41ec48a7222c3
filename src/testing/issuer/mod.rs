//! The handle that tests hold: the test issuer and the builder of its tokens.

mod clients;
mod faults;
mod introspection;
mod keys;
mod test_issuer;
mod token;

pub use test_issuer::TestIssuer;
pub use token::TokenBuilder;
