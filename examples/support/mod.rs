//! Requests to an example's API with their expected responses: sent and compared, or printed as curl lines.
//!
//! Not an example by itself: the other examples share it.

#![allow(dead_code, reason = "not every example uses all of it")]

use std::env;
use std::error::Error;
use std::io;
use std::process::ExitCode;
use std::time::Duration;

use reqwest::header::WWW_AUTHENTICATE;
use tokio::net::TcpListener;
use tower_bearer::BearerAuth;
use tower_bearer::testing::TestIssuer;

/// Listens on a free loopback port. Returns the listener and its origin, such as `http://127.0.0.1:49152`.
pub(crate) async fn listen() -> io::Result<(TcpListener, String)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let origin = format!("http://{}", listener.local_addr()?);
    Ok((listener, origin))
}

/// Prints the two servers, the routes of the API, and the guarantees of its configuration.
pub(crate) fn print_summary(idp: &TestIssuer, origin: &str, routes: &[&str], auth: &BearerAuth) {
    println!("\nAuthorization server  {}", idp.identifier());
    println!("Protected API         {origin}\n");
    routes.iter().for_each(|route| println!("  {route}"));
    println!("\nThis configuration guarantees:\n");
    auth.bounds().to_string().lines().for_each(|line| println!("  {line}"));
    println!();
}

/// Spawns `server`. With the argument `--once`, sends each request and compares the response. Otherwise,
/// prints `note` and the requests as curl lines, then serves until Ctrl-C.
pub(crate) async fn run<S>(
    server: S,
    origin: &str,
    cases: &[Case],
    note: &str,
) -> Result<ExitCode, Box<dyn Error>>
where
    S: Future<Output: Send> + Send + 'static,
{
    tokio::spawn(server);
    if env::args().any(|arg| arg == "--once") {
        let all_match = send_all(cases, origin).await?;
        return Ok(if all_match { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    println!("Paste these lines into another terminal. {note}Press Ctrl-C to stop.\n");
    print_curl_lines(cases, origin);
    tokio::signal::ctrl_c().await?;
    Ok(ExitCode::SUCCESS)
}

/// A request and its expected response.
pub(crate) struct Case {
    name: &'static str,
    request: Request,
    delay: Duration,
    status: u16,
    challenge: Option<String>,
}

enum Request {
    /// To a route of the API.
    Api { method: &'static str, path: &'static str, token: Option<String> },
    /// To the revocation endpoint of the authorization server (RFC 7009 section 2.1).
    Revocation { url: String, token: String },
}

impl Case {
    /// `GET path` without a token. The expected status is 200 until [`rejected`](Self::rejected) changes it.
    pub(crate) fn get(name: &'static str, path: &'static str) -> Self {
        Self::new(name, Request::Api { method: "GET", path, token: None })
    }

    /// `POST path` without a token. The expected status is 200 until [`rejected`](Self::rejected) changes it.
    pub(crate) fn post(name: &'static str, path: &'static str) -> Self {
        Self::new(name, Request::Api { method: "POST", path, token: None })
    }

    /// Revokes `token` at `idp`. The expected status is 200.
    pub(crate) fn revoke(name: &'static str, idp: &TestIssuer, token: &str) -> Self {
        Self::new(name, Request::Revocation { url: idp.revocation_url(), token: token.to_owned() })
    }

    /// Adds an `Authorization` header with this token.
    pub(crate) fn token(mut self, value: impl Into<String>) -> Self {
        if let Request::Api { token, .. } = &mut self.request {
            *token = Some(value.into());
        }
        self
    }

    /// Waits this long before the request.
    pub(crate) fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Expects this status and exactly this `WWW-Authenticate` header.
    pub(crate) fn rejected(mut self, status: u16, challenge: String) -> Self {
        (self.status, self.challenge) = (status, Some(challenge));
        self
    }

    fn new(name: &'static str, request: Request) -> Self {
        Self { name, request, delay: Duration::ZERO, status: 200, challenge: None }
    }

    fn curl(&self, origin: &str) -> String {
        let sleep =
            if self.delay.is_zero() { String::new() } else { format!("sleep {}; ", self.delay.as_secs()) };
        match &self.request {
            Request::Api { method, path, token } => {
                let method = if *method == "GET" { String::new() } else { format!("-X {method} ") };
                let token = token.as_ref().map(|token| format!("-H 'Authorization: Bearer {token}' "));
                format!("{sleep}curl -i {method}{}{origin}{path}", token.unwrap_or_default())
            }
            Request::Revocation { url, token } => {
                let (id, secret) = (TestIssuer::CLIENT_ID, TestIssuer::CLIENT_SECRET);
                format!("{sleep}curl -i -u {id}:{secret} -d 'token={token}' {url}")
            }
        }
    }

    fn target(&self) -> String {
        match &self.request {
            Request::Api { method, path, .. } => format!("{method} {path}"),
            Request::Revocation { .. } => "POST /revoke".to_owned(),
        }
    }

    async fn send(
        &self,
        client: &reqwest::Client,
        origin: &str,
    ) -> Result<(u16, Option<String>), Box<dyn Error>> {
        tokio::time::sleep(self.delay).await;
        let response = self.request.build(client, origin)?.send().await?;
        let challenge = response.headers().get(WWW_AUTHENTICATE).map(|value| value.to_str()).transpose()?;
        Ok((response.status().as_u16(), challenge.map(str::to_owned)))
    }
}

impl Request {
    fn build(
        &self,
        client: &reqwest::Client,
        origin: &str,
    ) -> Result<reqwest::RequestBuilder, Box<dyn Error>> {
        Ok(match self {
            Self::Api { method, path, token } => {
                let request = client.request(method.parse()?, format!("{origin}{path}"));
                token.iter().fold(request, |request, token| request.bearer_auth(token))
            }
            Self::Revocation { url, token } => client
                .post(url)
                .basic_auth(TestIssuer::CLIENT_ID, Some(TestIssuer::CLIENT_SECRET))
                .header("content-type", "application/x-www-form-urlencoded")
                // The tokens of a TestIssuer have no characters that need escaping in a form.
                .body(format!("token={token}")),
        })
    }
}

fn print_curl_lines(cases: &[Case], origin: &str) {
    for case in cases {
        println!("# {}: {}", case.name, case.status);
        println!("{}\n", case.curl(origin));
    }
}

/// Sends every request and prints the responses. Returns whether all of them match.
async fn send_all(cases: &[Case], origin: &str) -> Result<bool, Box<dyn Error>> {
    let client = reqwest::Client::builder().no_proxy().build()?;
    let mut all_match = true;
    println!("      {:<38} {:<21} status  WWW-Authenticate", "request", "target");
    for case in cases {
        let (status, challenge) = case.send(&client, origin).await?;
        let matches = status == case.status && challenge == case.challenge;
        let result = if matches { "ok" } else { "FAIL" };
        let shown = challenge.as_deref().unwrap_or("-");
        println!("{result:<5} {:<38} {:<21} {status}     {shown}", case.name, case.target());
        if !matches {
            println!("      expected: {} {}", case.status, case.challenge.as_deref().unwrap_or("-"));
        }
        all_match &= matches;
    }
    println!("\n{}", if all_match { "All responses match." } else { "Some responses do not match." });
    Ok(all_match)
}
