//! The error that an authorization server reports in a response (RFC 6749 section 5.2), for the log.
//!
//! Checks: the code and the description hold no token, and no word that may be a secret or an identifier.
//!
//! Why by word: servers quote parts of the request in their descriptions. An ordinary word is short and has
//! only letters. These words are enough to find the error in the documentation of the server.

use std::error::Error;
use std::fmt::{self, Write as _};

use serde_json::Value;

/// The maximum length of a code, and of a word in a description, in bytes.
const MAX_WORD_BYTES: usize = 24;

/// The maximum length of a description, in bytes.
const MAX_DESCRIPTION_BYTES: usize = 200;

/// The maximum number of words to log.
const MAX_WORDS: usize = 50;

/// A part of a word that is this long and also a part of the token is not shown.
const MAX_SHARED_BYTES: usize = 8;

/// Stands for what is not shown.
const OMITTED: &str = "...";

/// The error of a response.
#[derive(Debug)]
pub(super) struct ServerError {
    code: String,
    description: String,
}

impl ServerError {
    /// The error in the `body` of a response to a request about `token`, if it has one.
    pub(super) fn of(body: &Value, token: &str) -> Option<Self> {
        let code = body.get("error").and_then(Value::as_str)?;
        let description = body.get("error_description").and_then(Value::as_str).unwrap_or_default();
        Some(Self { code: shown_word(code, token).to_owned(), description: shown_text(description, token) })
    }
}

/// The words of `text` that may be shown, up to the maximum length.
fn shown_text(text: &str, token: &str) -> String {
    let mut shown = String::new();
    for word in text.split_whitespace().take(MAX_WORDS).map(|word| shown_word(word, token)) {
        let is_full = shown.len().saturating_add(word.len()) >= MAX_DESCRIPTION_BYTES;
        let word = if is_full { OMITTED } else { word };
        if word == OMITTED && shown.ends_with(OMITTED) {
            continue;
        }
        let separator = if shown.is_empty() { "" } else { " " };
        // Writing to a string cannot fail.
        let _ = write!(shown, "{separator}{word}");
        if is_full {
            break;
        }
    }
    shown
}

fn shown_word<'w>(word: &'w str, token: &str) -> &'w str {
    let is_punctuation = |c: char| matches!(c, '.' | ',' | ':' | ';' | '!' | '?' | '(' | ')' | '"' | '\'');
    let bare = word.trim_matches(is_punctuation);
    let is_word = bare.len() <= MAX_WORD_BYTES
        && word.len().saturating_sub(bare.len()) <= 4
        && (bare.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'_' || byte == b'\'')
            || is_error_number(bare));
    if is_word && !shares_text(bare, token) { word } else { OMITTED }
}

/// Whether `word` is a number, or letters followed by digits such as `AADSTS7000215`.
fn is_error_number(word: &str) -> bool {
    let digits = word.trim_start_matches(|c: char| c.is_ascii_uppercase());
    digits.len() <= 8 && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether `word` is a part of `token`, or has a part in common with it.
fn shares_text(word: &str, token: &str) -> bool {
    let parts = || word.as_bytes().windows(MAX_SHARED_BYTES);
    (word.len() >= 4 && token.contains(word))
        || parts().any(|part| token.as_bytes().windows(MAX_SHARED_BYTES).any(|own| own == part))
        || (!token.is_empty() && word.contains(token))
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the response says `{}`", self.code)?;
        if self.description.is_empty() { Ok(()) } else { write!(f, " ({})", self.description) }
    }
}

impl Error for ServerError {}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const TOKEN: &str = "vF9dft4qmTabcdefghijklmnop";

    fn shown(body: &Value) -> Option<String> {
        ServerError::of(body, TOKEN).map(|error| error.to_string())
    }

    #[test]
    fn the_code_and_the_words_of_the_description_are_shown() {
        for (code, description, expected) in [
            (
                "invalid_client",
                "Client secret not provided.",
                "`invalid_client` (Client secret not provided.)",
            ),
            ("invalid_client", "", "`invalid_client`"),
            (
                "invalid_client",
                "AADSTS7000215: Invalid client secret provided.",
                "`invalid_client` (AADSTS7000215: Invalid client secret provided.)",
            ),
            ("E0000011", "", "`E0000011`"),
        ] {
            let body = json!({"error": code, "error_description": description});
            assert_eq!(shown(&body), Some(format!("the response says {expected}")));
        }
        assert_eq!(shown(&json!({"error": "x"})).unwrap(), "the response says `x`");
        for none in [json!({}), json!({"error": 5}), json!([]), json!("error"), json!(null)] {
            assert_eq!(shown(&none), None, "{none}");
        }
    }

    #[test]
    fn what_may_be_a_token_a_secret_or_an_identifier_is_omitted() {
        for (part, expected) in [
            (TOKEN, "..."),
            (&TOKEN[..10], "..."),
            ("abcdefghijkl", "..."),
            ("xxabcdefghyy", "..."),
            ("correct-horse", "..."),
            ("bob@example.com", "..."),
            ("a8Xk2", "..."),
            ("1234567890123", "..."),
            ("x\u{1b}[31mred", "..."),
            ("na\u{ef}ve", "..."),
            ("\u{202e}", "..."),
            ("((((((", "..."),
            ("aaaaaaaaaaaaaaaaaaaaaaaaa", "..."),
        ] {
            let body = json!({"error": part, "error_description": format!("no {part} {part} good\r\nline")});
            let text = shown(&body).unwrap();
            assert_eq!(text, format!("the response says `{expected}` (no {expected} good line)"), "{part}");
        }
    }

    #[test]
    fn a_long_description_is_cut() {
        let body = json!({"error": "x", "error_description": "word ".repeat(1_000)});
        let text = shown(&body).unwrap();
        assert!(text.len() < MAX_DESCRIPTION_BYTES + 40 && text.ends_with("word ...)"), "{text}");
        let body = json!({"error": "x", "error_description": format!("{}good", "\u{e4} ".repeat(MAX_WORDS))});
        assert_eq!(shown(&body).unwrap(), "the response says `x` (...)");
    }
}
