//! Prints an explanation: a verdict and a list with ticks and crosses, or JSON.

use std::fmt::{self, Write as _};

use tower_bearer::diagnostics::{CheckResult, Explanation, Finding};

use super::arguments::Arguments;
use super::color::{Painter, Style};
use crate::failure::Failure;

/// The width of the column with the names of the checks.
const NAME_WIDTH: usize = 18;

pub(super) fn report(explanation: &Explanation, arguments: &Arguments) -> Result<String, Failure> {
    let written = if arguments.json {
        serde_json::to_string_pretty(explanation).map(|json| json + "\n").map_err(|_| fmt::Error)
    } else {
        list(explanation, Painter::new(arguments.color))
    };
    written.map_err(|error| Failure::because("cannot format the explanation", error))
}

fn list(explanation: &Explanation, painter: Painter) -> Result<String, fmt::Error> {
    let mut list = String::new();
    match (explanation.rejection_kind(), explanation.description()) {
        (Some(kind), Some(description)) => {
            let undecided = kind.status().is_server_error();
            let verdict = if undecided { "undecided" } else { "rejected" };
            let style = if undecided { Style::Yellow } else { Style::Red };
            writeln!(list, "{}: {}. {description}", painter.paint(style, verdict), kind.as_str())?;
        }
        _ => writeln!(list, "{}", painter.paint(Style::Green, "accepted"))?,
    }
    if let Some(hint) = explanation.hint() {
        writeln!(list, "hint: {hint}")?;
    }
    list.push('\n');
    for finding in explanation.findings() {
        add_finding(finding, painter, &mut list)?;
    }
    Ok(list)
}

/// Adds one line for a check that passed or did not run, and what it expected for one that failed.
fn add_finding(finding: &Finding, painter: Painter, list: &mut String) -> fmt::Result {
    let name = finding.check();
    match finding.result() {
        CheckResult::Passed => {
            let line = format!("{name:<NAME_WIDTH$} {}", finding.presented());
            writeln!(list, "{} {}", painter.paint(Style::Green, "✓"), line.trim_end())
        }
        CheckResult::Failed(kind) => {
            let cross = painter.paint(Style::Red, "✗");
            writeln!(list, "{cross} {name:<NAME_WIDTH$} {}", painter.paint(Style::Red, kind.as_str()))?;
            let presented = if finding.presented().is_empty() { "nothing" } else { finding.presented() };
            writeln!(list, "    presented: {presented}\n    expected:  {}", finding.expected())
        }
        // `CheckResult` may get more variants.
        _ => {
            let line = format!("- {name:<NAME_WIDTH$} not run");
            writeln!(list, "{}", painter.paint(Style::Faint, &line))
        }
    }
}
