//! `tower-bearer completions` and `tower-bearer man`: files that packages install.

use std::process::ExitCode;

use clap::Command;
use clap_complete::Shell;
use clap_mangen::Man;

use crate::failure::Failure;
use crate::output::print;

/// Print the completions for a shell
///
/// For bash, for example:
/// tower-bearer completions bash > ~/.local/share/bash-completion/completions/tower-bearer
#[derive(Debug, clap::Args)]
pub(crate) struct CompletionsArguments {
    /// Shell that completes the command line
    #[arg(value_enum)]
    shell: Shell,
}

/// Print the manual page of the program or of one command, in roff
///
/// To read it: tower-bearer man explain | man -l -
#[derive(Debug, clap::Args)]
pub(crate) struct ManArguments {
    /// Command, such as `explain`. Default: the program itself
    command: Option<String>,
}

/// `command` is the command line of the program.
pub(crate) fn print_completions(arguments: &CompletionsArguments, mut command: Command) -> ExitCode {
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut command, name, &mut script);
    print_bytes(&script)
}

/// `command` is the command line of the program.
pub(crate) fn print_man(arguments: &ManArguments, mut command: Command) -> ExitCode {
    command.build();
    let page = match &arguments.command {
        None => Some(&command),
        Some(name) => command.find_subcommand(name),
    };
    let Some(page) = page else { return Failure::new("no such command: see `tower-bearer help`").report() };
    let mut roff = Vec::new();
    match Man::new(page.clone()).render(&mut roff) {
        Ok(()) => print_bytes(&roff),
        Err(error) => Failure::because("cannot format the page", error).report(),
    }
}

fn print_bytes(text: &[u8]) -> ExitCode {
    print(&String::from_utf8_lossy(text)).map_or_else(|failure| failure.report(), |()| ExitCode::SUCCESS)
}
