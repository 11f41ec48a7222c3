//! `tower-bearer forward-auth`: answers a reverse proxy that asks whether a request is allowed.

use std::process::ExitCode;

/// Answer a reverse proxy that asks whether a request is allowed.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {}

pub(crate) fn run(_: &Arguments) -> ExitCode {
    ExitCode::FAILURE
}
