//! Shared by the examples: a listener on loopback, and requests for a terminal.

use std::io;

use tokio::net::TcpListener;

/// Listens on a free loopback port. Returns the listener and its origin, such as `http://127.0.0.1:49152`.
///
/// # Errors
///
/// The error of the operating system.
pub async fn listen() -> io::Result<(TcpListener, String)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let origin = format!("http://{}", listener.local_addr()?);
    Ok((listener, origin))
}

/// Prints a request as a curl line, after a line that says what to expect.
///
/// `target` is the URL, after further options of curl if the request needs any.
pub fn print_curl(expected: &str, token: Option<&str>, target: &str) {
    println!("# {expected}");
    match token {
        Some(token) => println!("curl -i -H 'Authorization: Bearer {token}' {target}\n"),
        None => println!("curl -i {target}\n"),
    }
}
