//! The result of explaining a token or a request: a list of checks, each with what was expected, what was
//! presented and its result.

use std::fmt;

use crate::rejection::{Rejection, RejectionKind};

/// The longest presented value that is shown.
const MAX_SHOWN_CHARS: usize = 80;

/// The result of every check on one token or one request. `Display` prints the verdict, what to do about it,
/// and a table.
///
/// It serializes as a map with `accepted` (a boolean), `rejection` (the label of the
/// [kind](Self::rejection_kind), or null), `description` and `hint` (a text, or null), and `findings`, a list
/// of [`Finding`]s.
///
/// ```
/// # #[cfg(all(feature = "test-util", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// use tower_bearer::RejectionKind;
/// use tower_bearer::diagnostics::CheckResult;
/// use tower_bearer::testing::TestIssuer;
///
/// let idp = TestIssuer::new();
/// let auth = idp.bearer_auth("https://api.example.com").build().unwrap();
///
/// let explanation = auth.explain(&idp.token("https://other.example").sign()).await;
/// assert!(!explanation.is_accepted());
/// let aud = explanation.findings().iter().find(|finding| finding.check() == "aud").unwrap();
/// assert_eq!(aud.expected(), "https://api.example.com");
/// assert_eq!(aud.presented(), "https://other.example");
/// assert_eq!(aud.result(), CheckResult::Failed(RejectionKind::AudienceMismatch));
/// assert_eq!(explanation.rejection_kind(), Some(RejectionKind::AudienceMismatch));
/// println!("{explanation}"); // rejected: audience_mismatch. The access token is intended for ...
/// # });
/// ```
#[derive(Clone, Debug)]
pub struct Explanation {
    findings: Vec<Finding>,
    hint: Option<String>,
}

/// The result of one check, with what was expected and what the token or the request presented.
///
/// It serializes as a map with the texts `check`, `expected` and `presented`, `result` (`"passed"`,
/// `"failed"` or `"not_run"`), and `rejection` (the label of the kind if it failed, else null).
#[derive(Clone, Debug)]
pub struct Finding {
    check: &'static str,
    expected: String,
    presented: String,
    result: CheckResult,
}

/// The result of a check.
///
/// ```
/// use tower_bearer::diagnostics::{CheckResult, Explanation};
///
/// /// The names of the checks that a token fails.
/// fn failed(explanation: &Explanation) -> Vec<&'static str> {
///     let findings = explanation.findings().iter();
///     let failed = findings.filter(|finding| matches!(finding.result(), CheckResult::Failed(_)));
///     failed.map(|finding| finding.check()).collect()
/// }
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum CheckResult {
    /// The token passes the check.
    Passed,
    /// The token fails the check. A request with it is rejected for this reason, unless an earlier check
    /// fails.
    Failed(RejectionKind),
    /// The check could not run, because an earlier one failed.
    NotRun,
}

impl Explanation {
    pub(super) fn new() -> Self {
        Self { findings: Vec::new(), hint: None }
    }

    /// The findings, in the order in which a request is checked.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// Whether a request with this token would be accepted now. For
    /// [`BearerAuth::explain`](crate::BearerAuth::explain) of a sender-constrained token: with a proof of its
    /// sender, which [`explain_request`](crate::BearerAuth::explain_request) checks.
    #[must_use]
    pub fn is_accepted(&self) -> bool {
        self.findings.iter().all(|finding| finding.result == CheckResult::Passed)
    }

    /// Why a request with this token would be rejected now: the first check that fails. `None` if it would be
    /// accepted.
    #[must_use]
    pub fn rejection_kind(&self) -> Option<RejectionKind> {
        self.findings.iter().find_map(|finding| match finding.result {
            CheckResult::Failed(kind) => Some(kind),
            CheckResult::Passed | CheckResult::NotRun => None,
        })
    }

    /// The text about the rejection that the client gets. `None` if the token would be accepted.
    ///
    /// ```
    /// # #[cfg(all(feature = "test-util", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
    /// use tower_bearer::testing::TestIssuer;
    ///
    /// let idp = TestIssuer::new();
    /// let auth = idp.bearer_auth("https://api.example.com").build().unwrap();
    /// let explanation = auth.explain(&idp.token("https://api.example.com").expired().sign()).await;
    /// assert_eq!(explanation.description(), Some("The access token expired"));
    /// # });
    /// ```
    #[must_use]
    pub fn description(&self) -> Option<&'static str> {
        self.rejection_kind().map(|kind| kind.row().text)
    }

    /// The remedy, for the frequent causes of a rejection: for an issuer or an audience that is almost
    /// the configured one, what differs.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    pub(super) fn set_hint(&mut self, hint: Option<String>) {
        self.hint = hint;
    }

    pub(super) fn add(&mut self, check: &'static str, expected: &str, presented: &str, result: CheckResult) {
        let presented = escaped(presented.chars().take(MAX_SHOWN_CHARS));
        // It can hold key ids, which the authorization server wrote.
        let expected = escaped(expected.chars());
        self.findings.push(Finding { check, expected, presented, result });
    }
}

impl Finding {
    /// The check: a claim, a header parameter or a rule.
    #[must_use]
    pub fn check(&self) -> &'static str {
        self.check
    }

    /// What the configuration expects.
    #[must_use]
    pub fn expected(&self) -> &str {
        &self.expected
    }

    /// The value in the token or the request, cut to 80 characters and with control characters escaped.
    #[must_use]
    pub fn presented(&self) -> &str {
        &self.presented
    }

    /// The result.
    #[must_use]
    pub fn result(&self) -> CheckResult {
        self.result
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.rejection_kind() {
            Some(kind) => writeln!(f, "rejected: {kind}. {}", kind.row().text)?,
            None => f.write_str("accepted\n")?,
        }
        if let Some(hint) = &self.hint {
            writeln!(f, "hint: {hint}")?;
        }
        for finding in &self.findings {
            let result = match finding.result {
                CheckResult::Passed => "ok",
                CheckResult::Failed(kind) => kind.as_str(),
                CheckResult::NotRun => "not run",
            };
            writeln!(
                f,
                "{:<16} {:<24} presented: {:<34} expected: {}",
                finding.check, result, finding.presented, finding.expected
            )?;
        }
        Ok(())
    }
}

/// Escapes control characters and backslashes, for a terminal.
fn escaped(text: impl Iterator<Item = char>) -> String {
    let mut escaped = String::new();
    for char in text {
        match char {
            '"' | '\'' => escaped.push(char),
            _ => escaped.extend(char.escape_debug()),
        }
    }
    escaped
}

impl CheckResult {
    pub(super) fn of<T, F: Into<Rejection>>(result: Result<T, F>) -> Self {
        result.map_or_else(|fault| Self::Failed(fault.into().kind()), |_| Self::Passed)
    }
}
