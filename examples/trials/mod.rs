//! Requests to try on an example's API: printed as curl lines, or sent and compared with what must come.
//!
//! Not an example by itself; the examples next to it share it.

use std::error::Error;

use reqwest::header::WWW_AUTHENTICATE;

/// One request and the answer that it must get.
pub(crate) struct Trial {
    name: &'static str,
    path: &'static str,
    token: Option<String>,
    status: u16,
    challenge: Option<String>,
}

impl Trial {
    /// `GET path` without a token; it must be answered with 200, unless [`refused`](Self::refused) follows.
    pub(crate) fn of(name: &'static str, path: &'static str) -> Self {
        Self { name, path, token: None, status: 200, challenge: None }
    }

    /// The same with this token.
    pub(crate) fn with(mut self, token: String) -> Self {
        self.token = Some(token);
        self
    }

    /// It must be answered with this status and exactly this `WWW-Authenticate`.
    pub(crate) fn refused(mut self, status: u16, challenge: String) -> Self {
        (self.status, self.challenge) = (status, Some(challenge));
        self
    }

    fn curl(&self, origin: &str) -> String {
        let header = self
            .token
            .as_ref()
            .map(|token| format!("-H 'Authorization: Bearer {token}' "))
            .unwrap_or_default();
        format!("curl -i {header}{origin}{}", self.path)
    }

    async fn send(
        &self,
        client: &reqwest::Client,
        origin: &str,
    ) -> Result<(u16, Option<String>), Box<dyn Error>> {
        let mut request = client.get(format!("{origin}{}", self.path));
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        let response = request.send().await?;
        let challenge = response.headers().get(WWW_AUTHENTICATE).map(|value| value.to_str()).transpose()?;
        Ok((response.status().as_u16(), challenge.map(str::to_owned)))
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
    println!("      {:<34} {:<12} status  WWW-Authenticate", "sent", "to");
    for trial in trials {
        let (status, challenge) = trial.send(&client, origin).await?;
        let right = status == trial.status && challenge == trial.challenge;
        let verdict = if right { "ok" } else { "WRONG" };
        let shown = challenge.as_deref().unwrap_or("-");
        println!("{verdict:<5} {:<34} {:<12} {status}     {shown}", trial.name, trial.path);
        if !right {
            println!("      must be: {} {}", trial.status, trial.challenge.as_deref().unwrap_or("-"));
        }
        all_right &= right;
    }
    println!("\n{}", if all_right { "All answers are as they must be." } else { "Some answers are wrong." });
    Ok(all_right)
}
