//! `tower-bearer explain`: runs every check on a token and prints the list.
//!
//! The token comes from standard input. Why: other users can read arguments, and shells store them.

mod arguments;
mod auth;
mod color;
mod report;
mod token;

use std::process::ExitCode;

use tokio::runtime::Runtime;
use tower_bearer::Require;
use tower_bearer::diagnostics::Explanation;

pub(crate) use self::arguments::Arguments;
use crate::failure::Failure;
use crate::output::print;

/// The exit status for a token that is rejected.
const REJECTED: u8 = 1;

/// The exit status if the token could not be validated, for example without the keys of its issuer.
const UNDECIDED: u8 = 2;

pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    let explained = explain(arguments).and_then(|explanation| {
        print(&report::report(&explanation, arguments)?)?;
        Ok(exit_status(&explanation))
    });
    explained.unwrap_or_else(|failure| failure.report())
}

fn explain(arguments: &Arguments) -> Result<Explanation, Failure> {
    let runtime = Runtime::new().map_err(|error| Failure::because("cannot start", error))?;
    runtime.block_on(async {
        let auth = auth::bearer_auth(arguments)?;
        let token = token::read()?;
        let scopes = arguments.scopes();
        Ok(if scopes.is_empty() {
            auth.explain(&token).await
        } else {
            auth.explain_for(&token, &Require::scope(scopes.join(" "))).await
        })
    })
}

fn exit_status(explanation: &Explanation) -> ExitCode {
    match explanation.rejection_kind() {
        None => ExitCode::SUCCESS,
        Some(kind) if kind.status().is_server_error() => ExitCode::from(UNDECIDED),
        Some(_) => ExitCode::from(REJECTED),
    }
}
