//! The state of the test issuer: its keys, clients, faults and issued tokens.

mod address;
mod alterations;
mod clients;
mod faults;
mod fingerprint;
mod issue;
mod issued;
mod presented_certificate;
mod state;
mod unsigned_token;

pub(crate) use alterations::{Alter, AlterSigned, Alterations};
pub use clients::ClientKeyUnusable;
pub(crate) use clients::DEFAULT_CLIENT;
pub(crate) use faults::FaultTarget;
pub use issue::TokenSet;
pub(crate) use issued::TokenForm;
pub(crate) use presented_certificate::PresentedCertificate;
pub(crate) use state::State;
pub(crate) use unsigned_token::{UnsignedToken, compact, header, token_type};
