//! What an explanation says: a list of checks, each with what was asked for, what was presented and how it ended.

use std::fmt;

use crate::rejection::{Rejection, RejectionKind};

/// The longest presented value that is shown.
const MAX_SHOWN_CHARS: usize = 80;

/// What every check says of one token. `Display` prints it as a table.
#[derive(Clone, Debug)]
pub struct Explanation {
    findings: Vec<Finding>,
}

/// What one check says.
#[derive(Clone, Debug)]
pub struct Finding {
    check: &'static str,
    configured: String,
    presented: String,
    verdict: Verdict,
}

/// How a check ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Verdict {
    /// The token passes it.
    Holds,
    /// The token fails it, and a request with it would be refused for that.
    Fails(RejectionKind),
    /// It could not be made, because of a check before it.
    NotMade,
}

impl Explanation {
    pub(super) fn new() -> Self {
        Self { findings: Vec::new() }
    }

    /// The findings, in the order in which a request is checked.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// Whether a request with this token would be accepted now.
    #[must_use]
    pub fn is_accepted(&self) -> bool {
        self.findings.iter().all(|finding| finding.verdict == Verdict::Holds)
    }

    /// One more check.
    pub(super) fn add(&mut self, check: &'static str, configured: &str, presented: &str, verdict: Verdict) {
        let presented = presented.chars().take(MAX_SHOWN_CHARS).flat_map(char::escape_debug).collect();
        // The ids of keys are not the user's words.
        let configured = configured.chars().flat_map(char::escape_debug).collect();
        self.findings.push(Finding { check, configured, presented, verdict });
    }
}

impl Finding {
    /// The check: a claim, a header parameter or a rule.
    #[must_use]
    pub fn check(&self) -> &'static str {
        self.check
    }

    /// What the configuration asks for.
    #[must_use]
    pub fn configured(&self) -> &str {
        &self.configured
    }

    /// What the token says, cut short and with control characters escaped.
    #[must_use]
    pub fn presented(&self) -> &str {
        &self.presented
    }

    /// How it ended.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        self.verdict
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for finding in &self.findings {
            let verdict = match finding.verdict {
                Verdict::Holds => "ok",
                Verdict::Fails(kind) => kind.as_str(),
                Verdict::NotMade => "not made",
            };
            writeln!(
                f,
                "{:<16} {:<24} presented: {:<32} configured: {}",
                finding.check, verdict, finding.presented, finding.configured
            )?;
        }
        Ok(())
    }
}

impl Verdict {
    pub(super) fn of<T, F: Into<Rejection>>(checked: Result<T, F>) -> Self {
        checked.map_or_else(|fault| Self::Fails(fault.into().kind()), |_| Self::Holds)
    }
}
