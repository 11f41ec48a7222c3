//! What the tests share.
//!
//! `app` with `data` and `log` asks one protected service about one token at a time; `protected` with
//! `keys`, `net` and `events` has services over authorization servers that misbehave as told; `introspected`
//! is one of them that asks about its tokens, over a `wire` that can be cut.

pub(crate) mod app;
pub(crate) mod data;
pub(crate) mod events;
pub(crate) mod introspected;
pub(crate) mod keys;
pub(crate) mod log;
pub(crate) mod net;
pub(crate) mod protected;
pub(crate) mod wire;
