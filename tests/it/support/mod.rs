//! The harness of the integration tests.
//!
//! `protected` sends requests to an API behind `BearerAuth` and checks the responses. `app` adds a test
//! issuer and the base token, `introspected` adds introspection, `dpop` adds a client that makes proofs.
//! `net` is the network between an API and its issuers. `log` records what is logged. `figure` prints what a
//! test has measured. `stuck` makes runtimes that stand still. `keys` and `data` provide keys and tokens.

pub(crate) mod app;
pub(crate) mod data;
pub(crate) mod dpop;
pub(crate) mod figure;
pub(crate) mod introspected;
pub(crate) mod keys;
pub(crate) mod log;
pub(crate) mod net;
pub(crate) mod protected;
pub(crate) mod stuck;
