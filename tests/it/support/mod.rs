//! The harness of the integration tests.
//!
//! `protected` sends requests to an API behind `BearerAuth` and checks the responses. `app` adds a test
//! issuer and the base token, `introspected` adds introspection. `net` is the network between an API and its
//! issuers. `log` records what is logged. `keys` and `data` provide keys and tokens.

pub(crate) mod app;
pub(crate) mod data;
pub(crate) mod introspected;
pub(crate) mod keys;
pub(crate) mod log;
pub(crate) mod net;
pub(crate) mod old_names;
pub(crate) mod protected;

/// The old path of [`log`], for `tests/it/introspection*`.
pub(crate) mod events {
    pub(crate) use super::log::Log;
}

/// The old path of [`net`], for `tests/it/introspection*`.
pub(crate) mod wire {
    pub(crate) use super::net::{Act, Net as Wire};
}
