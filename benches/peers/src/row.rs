//! One contestant and what was measured of it: a row of the table.

use std::fmt;
use std::thread::sleep;
use std::time::{Duration, Instant};

use http::HeaderValue;

use crate::contestants::{Contestant, Sender};
use crate::measure::{Samples, allocations, time};
use crate::trial::{Token, Trial};
use crate::{CHECKED, UNCHECKED, Yardstick};

/// How long a contestant may take until it has the issuer's keys.
const PATIENCE: Duration = Duration::from_secs(5);

pub(crate) struct Row {
    name: &'static str,
    /// Or why it is not measured.
    figures: Result<Figures, String>,
}

struct Figures {
    send: Sender,
    /// The token that it gets all the time.
    kept: Option<Token>,
    answers: Responder,
    allocations: f64,
    accepted: Samples,
    slowdown: Samples,
    forged: Samples,
    missing: Samples,
    garbage: Samples,
}

/// The statuses of its refusals.
struct Responder {
    forged: u16,
    missing: u16,
    garbage: u16,
}

impl Row {
    pub(crate) fn new(contestant: Contestant, trial: &Trial, garbage: &HeaderValue) -> Self {
        let kept = contestant.seen_before.then(|| trial.tokens(1).remove(0));
        let built = contestant.built.map_err(|error| error.to_string());
        let figures = built.and_then(|send| Figures::new(send, kept, trial, garbage));
        Self { name: contestant.name, figures }
    }

    /// A batch of each kind of request.
    pub(crate) fn turn(&mut self, tokens: &[Token], garbage: &HeaderValue, yardstick: &Yardstick) {
        if let Ok(figures) = &mut self.figures {
            figures.turn(tokens, garbage, yardstick);
        }
    }
}

impl Figures {
    /// # Errors
    /// When it does not accept a good token, or accepts what it must refuse.
    fn new(
        mut send: Sender,
        kept: Option<Token>,
        trial: &Trial,
        garbage: &HeaderValue,
    ) -> Result<Self, String> {
        let tokens = trial.tokens(9);
        accept(&mut send, kept.as_ref().unwrap_or(&tokens[0]))?;
        let mut counts = Samples::default();
        for token in &tokens {
            let token = kept.as_ref().unwrap_or(token);
            counts.push(allocations(|| assert_eq!(send(Some(&token.authorization)), 200)) as f64);
        }
        let answers = Responder {
            forged: send(Some(&tokens[0].forged)),
            missing: send(None),
            garbage: send(Some(garbage)),
        };
        let statuses = [answers.forged, answers.missing, answers.garbage];
        if statuses.iter().any(|status| *status < 400) {
            return Err(format!("lets bad requests through: {statuses:?}"));
        }
        Ok(Self {
            send,
            kept,
            answers,
            allocations: counts.median(),
            accepted: Samples::default(),
            slowdown: Samples::default(),
            forged: Samples::default(),
            missing: Samples::default(),
            garbage: Samples::default(),
        })
    }

    fn turn(&mut self, tokens: &[Token], garbage: &HeaderValue, yardstick: &Yardstick) {
        let (send, answers) = (&mut self.send, &self.answers);
        let token = |number: usize| self.kept.as_ref().unwrap_or(&tokens[number]);
        let forged = time(CHECKED, |number| assert_eq!(send(Some(&token(number).forged)), answers.forged));
        let accepted = time(CHECKED, |number| assert_eq!(send(Some(&token(number).authorization)), 200));
        let missing = time(UNCHECKED, |_| assert_eq!(send(None), answers.missing));
        let refused = time(UNCHECKED, |_| assert_eq!(send(Some(garbage)), answers.garbage));
        self.forged.push(forged / yardstick.raw);
        self.accepted.push(accepted / yardstick.raw);
        self.slowdown.push(accepted / yardstick.accepted);
        self.missing.push(missing - yardstick.missing);
        self.garbage.push(refused - yardstick.garbage);
    }
}

/// Sends a good token until it is accepted.
fn accept(send: &mut Sender, token: &Token) -> Result<(), String> {
    let start = Instant::now();
    loop {
        match send(Some(&token.authorization)) {
            200 => return Ok(()),
            status if start.elapsed() > PATIENCE => return Err(format!("answers {status} to a good token")),
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
        write!(f, "{:.2}{} | ", self.forged.median(), unusual(self.answers.forged))?;
        write!(f, "{:.0}{} | ", self.missing.median(), unusual(self.answers.missing))?;
        write!(f, "{:.0}{} | ", self.garbage.median(), unusual(self.answers.garbage))?;
        write!(f, "{:.0}", self.allocations)
    }
}

/// A refusal that is no 401.
fn unusual(status: u16) -> String {
    if status == 401 { String::new() } else { format!(" (answers {status})") }
}
