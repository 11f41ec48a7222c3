//! `tower-bearer mint`: prints a token of the development issuer.

mod arguments;
mod ask;
mod token_request;

use std::process::ExitCode;

pub(crate) use self::arguments::Arguments;
pub(crate) use self::token_request::TokenRequest;
use crate::dev_issuer::{issuer_with, read_key};
use crate::failure::Failure;
use crate::output::print;

pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    match mint(arguments).and_then(|token| print(&format!("{token}\n"))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn mint(arguments: &Arguments) -> Result<String, Failure> {
    let request = arguments.token_request();
    match &arguments.keys {
        // The command line requires an audience with `--keys`.
        Some(path) => Ok(request.issue(&issuer_with(&arguments.issuer, &read_key(path)?), "")),
        None => ask::ask(&arguments.issuer, &request),
    }
}
