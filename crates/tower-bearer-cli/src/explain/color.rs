//! Colors on a terminal.

use std::env;
use std::ffi::OsStr;
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

impl Color {
    /// An empty `NO_COLOR` does not count (https://no-color.org).
    fn is_on(self, is_terminal: bool, no_color: Option<&OsStr>) -> bool {
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto => is_terminal && no_color.is_none_or(OsStr::is_empty),
        }
    }
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
        let is_terminal = io::stdout().is_terminal();
        Self { is_on: color.is_on(is_terminal, env::var_os("NO_COLOR").as_deref()) }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_color_and_files_turn_colors_off_unless_they_are_requested() {
        for (color, is_terminal, no_color, expected) in [
            (Color::Auto, false, None, false),
            (Color::Auto, true, Some("1"), false),
            (Color::Auto, true, Some(""), true),
            (Color::Auto, true, None, true),
            (Color::Always, false, Some("1"), true),
            (Color::Never, true, None, false),
        ] {
            let is_on = color.is_on(is_terminal, no_color.map(OsStr::new));
            assert_eq!(is_on, expected, "{color:?} {is_terminal} {no_color:?}");
        }
    }
}
