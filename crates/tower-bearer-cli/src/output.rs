//! Writes to standard output without a panic if the reader has closed it.

use std::io::{self, Write as _};

use crate::failure::Failure;

/// Prints `text`. A closed pipe, such as that of `head`, is no failure.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::because("cannot write to standard output", error))
        }
        _ => Ok(()),
    }
}
