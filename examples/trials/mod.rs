//! Requests to try on an example's API: printed as curl lines, or sent and compared with what must come.
//!
//! Not an example by itself; the examples next to it share it.

#![allow(dead_code, reason = "not every example tries everything")]

use std::error::Error;
use std::time::Duration;

use reqwest::header::WWW_AUTHENTICATE;
use tower_bearer::testing::TestIssuer;

/// One request and the answer that it must get.
pub(crate) struct Trial {
    name: &'static str,
    request: Request,
    wait: Duration,
    status: u16,
    challenge: Option<String>,
}

/// What is sent.
enum Request {
    /// To a route of the API.
    Api { method: &'static str, path: &'static str, token: Option<String> },
    /// To the authorization server (RFC 7009 section 2.1), as the client that it knows from the start.
    Revocation { url: String, token: String },
}

impl Trial {
    /// `GET path` without a token; it must be answered with 200, unless [`refused`](Self::refused) follows.
    pub(crate) fn of(name: &'static str, path: &'static str) -> Self {
        Self::sending(name, Request::Api { method: "GET", path, token: None })
    }

    /// `POST path`, likewise.
    pub(crate) fn post(name: &'static str, path: &'static str) -> Self {
        Self::sending(name, Request::Api { method: "POST", path, token: None })
    }

    /// The revocation of a token, which must be answered with 200.
    pub(crate) fn revoking(name: &'static str, idp: &TestIssuer, token: &str) -> Self {
        Self::sending(name, Request::Revocation { url: idp.revocation_url(), token: token.to_owned() })
    }

    /// The same with this token.
    pub(crate) fn with(mut self, presented: impl Into<String>) -> Self {
        if let Request::Api { token, .. } = &mut self.request {
            *token = Some(presented.into());
        }
        self
    }

    /// It is sent so long after the one before it.
    pub(crate) fn after(mut self, wait: Duration) -> Self {
        self.wait = wait;
        self
    }

    /// It must be answered with this status and exactly this `WWW-Authenticate`.
    pub(crate) fn refused(mut self, status: u16, challenge: String) -> Self {
        (self.status, self.challenge) = (status, Some(challenge));
        self
    }

    fn sending(name: &'static str, request: Request) -> Self {
        Self { name, request, wait: Duration::ZERO, status: 200, challenge: None }
    }

    fn curl(&self, origin: &str) -> String {
        let wait =
            if self.wait.is_zero() { String::new() } else { format!("sleep {}; ", self.wait.as_secs()) };
        match &self.request {
            Request::Api { method, path, token } => {
                let method = if *method == "GET" { String::new() } else { format!("-X {method} ") };
                let token = token.as_ref().map(|token| format!("-H 'Authorization: Bearer {token}' "));
                format!("{wait}curl -i {method}{}{origin}{path}", token.unwrap_or_default())
            }
            Request::Revocation { url, token } => {
                let (id, secret) = (TestIssuer::CLIENT_ID, TestIssuer::CLIENT_SECRET);
                format!("{wait}curl -i -u {id}:{secret} -d 'token={token}' {url}")
            }
        }
    }

    fn target(&self) -> String {
        match &self.request {
            Request::Api { method, path, .. } => format!("{method} {path}"),
            Request::Revocation { .. } => "the issuer".to_owned(),
        }
    }

    async fn send(
        &self,
        client: &reqwest::Client,
        origin: &str,
    ) -> Result<(u16, Option<String>), Box<dyn Error>> {
        tokio::time::sleep(self.wait).await;
        let response = self.request.to(client, origin)?.send().await?;
        let challenge = response.headers().get(WWW_AUTHENTICATE).map(|value| value.to_str()).transpose()?;
        Ok((response.status().as_u16(), challenge.map(str::to_owned)))
    }
}

impl Request {
    fn to(&self, client: &reqwest::Client, origin: &str) -> Result<reqwest::RequestBuilder, Box<dyn Error>> {
        Ok(match self {
            Self::Api { method, path, token } => {
                let request = client.request(method.parse()?, format!("{origin}{path}"));
                token.iter().fold(request, |request, token| request.bearer_auth(token))
            }
            Self::Revocation { url, token } => client
                .post(url)
                .basic_auth(TestIssuer::CLIENT_ID, Some(TestIssuer::CLIENT_SECRET))
                .header("content-type", "application/x-www-form-urlencoded")
                // A token of a TestIssuer has no character that a form would encode.
                .body(format!("token={token}")),
        })
    }
}

/// Prints every request as a line to paste into another terminal.
pub(crate) fn print_curl_lines(trials: &[Trial], origin: &str) {
    for trial in trials {
        println!("# {}: {}", trial.name, trial.status);
        println!("{}\n", trial.curl(origin));
    }
}

/// Sends every request, prints what came, and says whether all of it was as it must be.
pub(crate) async fn send_all(trials: &[Trial], origin: &str) -> Result<bool, Box<dyn Error>> {
    let client = reqwest::Client::builder().no_proxy().build()?;
    let mut all_right = true;
    println!("      {:<38} {:<15} status  WWW-Authenticate", "sent", "to");
    for trial in trials {
        let (status, challenge) = trial.send(&client, origin).await?;
        let right = status == trial.status && challenge == trial.challenge;
        let verdict = if right { "ok" } else { "WRONG" };
        let shown = challenge.as_deref().unwrap_or("-");
        println!("{verdict:<5} {:<38} {:<15} {status}     {shown}", trial.name, trial.target());
        if !right {
            println!("      must be: {} {}", trial.status, trial.challenge.as_deref().unwrap_or("-"));
        }
        all_right &= right;
    }
    println!("\n{}", if all_right { "All answers are as they must be." } else { "Some answers are wrong." });
    Ok(all_right)
}
