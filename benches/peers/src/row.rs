//! A row of the table: one candidate and its figures.

use std::fmt;
use std::thread::sleep;
use std::time::{Duration, Instant};

use http::HeaderValue;

use crate::crates::{Candidate, Sender};
use crate::fixture::{Fixture, Token};
use crate::measure::{Samples, allocations, time};
use crate::{Baseline, CHECKED, UNCHECKED};

/// The maximum time that a candidate needs to fetch the issuer's keys.
const START_TIMEOUT: Duration = Duration::from_secs(5);

pub(crate) struct Row {
    name: &'static str,
    /// The figures, or the reason why there are none.
    figures: Result<Figures, String>,
}

struct Figures {
    send: Sender,
    /// The token of every request, if the candidate gets only one.
    repeated: Option<Token>,
    statuses: Statuses,
    allocations: f64,
    accepted: Samples,
    slowdown: Samples,
    forged: Samples,
    no_header: Samples,
    garbage: Samples,
}

/// The statuses of the rejected requests.
struct Statuses {
    forged: u16,
    no_header: u16,
    garbage: u16,
}

impl Row {
    pub(crate) fn new(candidate: Candidate, fixture: &Fixture, garbage: &HeaderValue) -> Self {
        let repeated = candidate.repeats_token.then(|| fixture.tokens(1).remove(0));
        let built = candidate.built.map_err(|error| error.to_string());
        let figures = built.and_then(|send| Figures::new(send, repeated, fixture, garbage));
        Self { name: candidate.name, figures }
    }

    /// Sends a batch of each kind of request.
    pub(crate) fn turn(&mut self, tokens: &[Token], garbage: &HeaderValue, baseline: &Baseline) {
        if let Ok(figures) = &mut self.figures {
            figures.turn(tokens, garbage, baseline);
        }
    }
}

impl Figures {
    /// # Errors
    /// The candidate rejects a valid token or accepts an invalid request.
    fn new(
        mut send: Sender,
        repeated: Option<Token>,
        fixture: &Fixture,
        garbage: &HeaderValue,
    ) -> Result<Self, String> {
        let tokens = fixture.tokens(9);
        accept(&mut send, repeated.as_ref().unwrap_or(&tokens[0]))?;
        let mut counts = Samples::default();
        for token in &tokens {
            let token = repeated.as_ref().unwrap_or(token);
            counts.push(allocations(|| assert_eq!(send(Some(&token.authorization)), 200)) as f64);
        }
        let statuses = Statuses {
            forged: send(Some(&tokens[0].forged)),
            no_header: send(None),
            garbage: send(Some(garbage)),
        };
        let all = [statuses.forged, statuses.no_header, statuses.garbage];
        if all.iter().any(|status| *status < 400) {
            return Err(format!("accepts invalid requests: {all:?}"));
        }
        Ok(Self {
            send,
            repeated,
            statuses,
            allocations: counts.median(),
            accepted: Samples::default(),
            slowdown: Samples::default(),
            forged: Samples::default(),
            no_header: Samples::default(),
            garbage: Samples::default(),
        })
    }

    fn turn(&mut self, tokens: &[Token], garbage: &HeaderValue, baseline: &Baseline) {
        let (send, statuses) = (&mut self.send, &self.statuses);
        let token = |number: usize| self.repeated.as_ref().unwrap_or(&tokens[number]);
        let forged = time(CHECKED, |number| assert_eq!(send(Some(&token(number).forged)), statuses.forged));
        let accepted = time(CHECKED, |number| assert_eq!(send(Some(&token(number).authorization)), 200));
        let no_header = time(UNCHECKED, |_| assert_eq!(send(None), statuses.no_header));
        let garbage_time = time(UNCHECKED, |_| assert_eq!(send(Some(garbage)), statuses.garbage));
        self.forged.push(forged / baseline.signature_check);
        self.accepted.push(accepted / baseline.signature_check);
        self.slowdown.push(accepted / baseline.accepted);
        self.no_header.push(no_header - baseline.no_header);
        self.garbage.push(garbage_time - baseline.garbage);
    }
}

/// Sends a valid token until the candidate accepts it.
fn accept(send: &mut Sender, token: &Token) -> Result<(), String> {
    let start = Instant::now();
    loop {
        match send(Some(&token.authorization)) {
            200 => return Ok(()),
            status if start.elapsed() > START_TIMEOUT => {
                return Err(format!("status {status} for a valid token"));
            }
            _ => sleep(Duration::from_millis(10)),
        }
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.figures {
            Ok(figures) => write!(f, "| {} | {figures} |", self.name),
            Err(reason) => write!(f, "| {} | – {reason} | | | | | |", self.name),
        }
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.2} | {:.1} | ", self.accepted.median(), self.slowdown.median())?;
        write!(f, "{:.2}{} | ", self.forged.median(), unusual(self.statuses.forged))?;
        write!(f, "{:.0}{} | ", self.no_header.median(), unusual(self.statuses.no_header))?;
        write!(f, "{:.0}{} | ", self.garbage.median(), unusual(self.statuses.garbage))?;
        write!(f, "{:.0}", self.allocations)
    }
}

/// The status of a rejection, if it is not 401.
fn unusual(status: u16) -> String {
    if status == 401 { String::new() } else { format!(" (status {status})") }
}
