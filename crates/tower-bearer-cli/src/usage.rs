//! Reports wrong usage.
//!
//! Checks: the report quotes no argument that may be a token. Why: output often ends in a log.

use std::process::ExitCode;

use clap::Error;
use clap::error::{ContextKind, ContextValue};

use crate::failure::Failure;

/// A longer argument is no misspelt command.
const MAX_COMMAND_CHARS: usize = 20;

/// Prints help and version, which clap reports as errors, or the error itself.
pub(crate) fn report(error: &Error) -> ExitCode {
    if may_quote_token(error) {
        return Failure::new(
            "unexpected argument, which is not shown because it may be a token: `explain` reads tokens from \
             standard input, because other users can read arguments",
        )
        .report();
    }
    // Nothing is left to tell the user with if the output is closed.
    let _result = error.print();
    if error.use_stderr() { ExitCode::from(2) } else { ExitCode::SUCCESS }
}

fn may_quote_token(error: &Error) -> bool {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text),
        _ => None,
    };
    text(ContextKind::InvalidArg).is_some_and(|argument| !argument.starts_with(['-', '<']))
        || text(ContextKind::InvalidSubcommand).is_some_and(|name| name.len() > MAX_COMMAND_CHARS)
}
