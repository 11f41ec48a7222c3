//! The handle that tests hold: the test issuer and the builder of its tokens.

mod binding;
mod clients;
mod faults;
mod introspection;
mod issue_token;
mod keys;
mod loopback_builder;
#[cfg(feature = "test-tls")]
mod loopback_tls;
mod test_issuer;
mod token;
mod token_shape;

pub use loopback_builder::LoopbackBuilder;
pub use test_issuer::TestIssuer;
pub use token::TokenBuilder;
pub use token_shape::TokenShape;
