//! What the tests share.

pub(crate) mod app;
pub(crate) mod data;
pub(crate) mod log;
