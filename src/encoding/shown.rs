//! Prepares texts for a log or a terminal: escaped, and shortened to a few bytes or a few items.

/// The longest text of a token that is logged, in bytes.
pub(crate) const MAX_SHOWN_BYTES: usize = 64;

/// The most items of a list that are shown.
const MAX_SHOWN_ITEMS: usize = 5;

/// The start of an untrusted `text`, in at most [`MAX_SHOWN_BYTES`] bytes, with control characters escaped.
pub(crate) fn shortened(text: &str) -> String {
    let mut shown = String::new();
    for character in text.chars() {
        let escaped = character.escape_debug();
        let escaped: String =
            if matches!(character, '"' | '\'') { character.into() } else { escaped.collect() };
        if shown.len().saturating_add(escaped.len()) > MAX_SHOWN_BYTES {
            shown.push_str("...");
            break;
        }
        shown.push_str(&escaped);
    }
    shown
}

/// A list of texts, each [`shortened`]. Of a long list, the start and the number of the others.
pub(crate) fn listed<'t>(texts: impl IntoIterator<Item = &'t str>) -> String {
    let mut texts = texts.into_iter();
    let shown: Vec<String> = texts.by_ref().take(MAX_SHOWN_ITEMS).map(shortened).collect();
    let list = shown.join(", ");
    match and_more(texts.count()) {
        Some(end) => format!("{list} {end}"),
        None => list,
    }
}

/// The end of a list without its last `others` items. `None` if it is complete.
pub(crate) fn and_more(others: usize) -> Option<String> {
    (others > 0).then(|| format!("and {others} more"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_escaped_and_long_texts_cut_between_characters() {
        assert_eq!(shortened("https://a.example"), "https://a.example");
        assert_eq!(shortened("a\n\u{1b}[31m\"b\" \\"), "a\\n\\u{1b}[31m\"b\" \\\\");
        assert_eq!(shortened(&"a".repeat(64)), "a".repeat(64));
        assert_eq!(shortened(&"a".repeat(65)), format!("{}...", "a".repeat(64)));
        assert_eq!(shortened(&"\u{e9}".repeat(40)), format!("{}...", "\u{e9}".repeat(32)));
        assert_eq!(shortened(&"\n".repeat(1000)).len(), 64 + 3);
    }

    #[test]
    fn long_lists_are_cut() {
        assert_eq!(listed([]), "");
        assert_eq!(listed(["a", "b"]), "a, b");
        assert_eq!(listed(["a", "b", "c", "d", "e"]), "a, b, c, d, e");
        assert_eq!(listed(["a", "b", "c", "d", "e", "f", "g"]), "a, b, c, d, e and 2 more");
    }
}
