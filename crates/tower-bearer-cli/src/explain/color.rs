//! Colors on a terminal.

use std::env;
use std::fmt;
use std::io::{self, IsTerminal as _};

/// When to use colors.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub(super) enum Color {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    /// Even in a file or a pipe
    Always,
    /// No colors
    Never,
}

/// A rendition of text (ECMA-48 section 8.3.117).
#[derive(Clone, Copy, Debug)]
pub(super) enum Style {
    Faint,
    Green,
    Red,
    Yellow,
}

/// Renders text, with or without colors.
#[derive(Clone, Copy, Debug)]
pub(super) struct Painter {
    is_on: bool,
}

/// A text with its style.
pub(super) struct Painted<'a> {
    text: &'a str,
    style: Option<Style>,
}

impl Painter {
    pub(super) fn new(color: Color) -> Self {
        // https://no-color.org: an empty NO_COLOR does not count.
        let no_color = || env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let is_on = match color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => io::stdout().is_terminal() && !no_color(),
        };
        Self { is_on }
    }

    pub(super) fn paint(self, style: Style, text: &str) -> Painted<'_> {
        Painted { text, style: self.is_on.then_some(style) }
    }
}

impl fmt::Display for Painted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let code = match self.style {
            None => return f.write_str(self.text),
            Some(Style::Faint) => 2,
            Some(Style::Green) => 32,
            Some(Style::Red) => 31,
            Some(Style::Yellow) => 33,
        };
        write!(f, "\x1b[{code}m{}\x1b[0m", self.text)
    }
}
