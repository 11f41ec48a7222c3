//! A failure of the program itself: wrong usage, an unreadable file, or a server that cannot be reached.

use std::fmt::Display;
use std::io::{self, Write as _};
use std::process::ExitCode;

/// The exit status of every [`Failure`]. Status 1 is a negative result, such as a rejected token.
const EXIT_STATUS: u8 = 2;

/// Why a command could not do its work, and how to fix it.
#[derive(Debug)]
pub(crate) struct Failure(String);

impl Failure {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }

    /// The failure of an `action`, such as `cannot read keys.pem`.
    pub(crate) fn because(action: impl Display, cause: impl Display) -> Self {
        Self(format!("{action}: {cause}"))
    }

    /// Prints the message to standard error.
    pub(crate) fn report(&self) -> ExitCode {
        // Nothing is left to tell the user with if standard error is closed.
        let _result = writeln!(io::stderr(), "tower-bearer: {}", self.0);
        ExitCode::from(EXIT_STATUS)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self(error.to_string())
    }
}
