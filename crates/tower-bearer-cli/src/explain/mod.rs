//! `tower-bearer explain`: runs every check on a token and prints the list.

use std::process::ExitCode;

/// Run every check on a token and print the list.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {}

pub(crate) fn run(_: &Arguments) -> ExitCode {
    ExitCode::FAILURE
}
