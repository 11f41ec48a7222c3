//! Runs the program and collects what it prints.

use std::io::Write;
use std::process::{Command, Stdio};

/// The output of the program and its exit status.
pub(crate) struct Run {
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) status: Option<i32>,
}

/// The program with these arguments, and without the variables that change its output.
pub(crate) fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tower-bearer"));
    command.args(arguments).env_remove("NO_COLOR").env_remove("TOWER_BEARER_CLIENT_SECRET");
    command
}

/// Runs `command` to its end with this standard input.
pub(crate) fn run(mut command: Command, stdin: &[u8]) -> Run {
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().unwrap();
    // A program that fails before it reads closes the pipe.
    let _result = child.stdin.take().unwrap().write_all(stdin);
    let output = child.wait_with_output().unwrap();
    Run {
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
        status: output.status.code(),
    }
}
