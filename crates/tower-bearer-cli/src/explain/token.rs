//! Reads the token from standard input.

use std::io::{self, IsTerminal as _, Read as _, Write as _};

use crate::failure::Failure;

/// The most that is read. `explain` itself reports tokens over its size limit, which is far smaller.
const MAX_INPUT_BYTES: u64 = 1 << 20;

/// The token, without white space around it. Input that is not UTF-8 becomes a malformed token.
pub(super) fn read() -> Result<String, Failure> {
    let stdin = io::stdin();
    if stdin.is_terminal() {
        // A prompt that cannot be shown is no reason to stop.
        let _result = writeln!(io::stderr(), "Paste the access token, then press Enter and Ctrl-D:");
    }
    let mut input = Vec::new();
    let read = stdin.lock().take(MAX_INPUT_BYTES).read_to_end(&mut input);
    read.map_err(|error| Failure::because("cannot read standard input", error))?;
    match String::from_utf8_lossy(input.trim_ascii()).into_owned() {
        token if token.is_empty() => Err(Failure::new("no token on standard input: pipe one in")),
        token => Ok(token),
    }
}
