//! The program `tower-bearer`.

mod allowed_hosts;
mod completions;
mod dev_issuer;
mod explain;
mod failure;
mod forward_auth;
mod host;
mod mint;
mod output;
mod usage;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

/// Checks OAuth 2.0 access tokens in front of your services, and explains why a token is rejected.
#[derive(Debug, Parser)]
#[command(name = "tower-bearer", version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    ForwardAuth(forward_auth::Arguments),
    Check(forward_auth::CheckArguments),
    Explain(explain::Arguments),
    DevIssuer(dev_issuer::Arguments),
    Mint(mint::Arguments),
    Completions(completions::CompletionsArguments),
    Man(completions::ManArguments),
}

fn main() -> ExitCode {
    let command = match Arguments::try_parse() {
        Ok(arguments) => arguments.command,
        Err(error) => return usage::report(&error),
    };
    match command {
        Command::ForwardAuth(arguments) => forward_auth::run(&arguments),
        Command::Check(arguments) => forward_auth::check(&arguments),
        Command::Explain(arguments) => explain::run(&arguments),
        Command::DevIssuer(arguments) => dev_issuer::run(&arguments),
        Command::Mint(arguments) => mint::run(&arguments),
        Command::Completions(arguments) => completions::print_completions(&arguments, Arguments::command()),
        Command::Man(arguments) => completions::print_man(&arguments, Arguments::command()),
    }
}
