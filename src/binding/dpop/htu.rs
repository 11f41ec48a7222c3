//! Normalizes and compares the URL in a proof (RFC 9449 section 4.3, RFC 3986 sections 6.2.2 and 6.2.3).
//!
//! Normalized: the case of scheme and host, the port of the scheme, percent-encoded unreserved characters,
//! the case of percent-encodings, dot segments, and the empty path.
//! Not normalized: an encoded slash (`%2F`), an empty segment (`//`), a slash at the end, the case of the
//! path. Servers route these to different resources.

use memchr::memchr2;

use crate::fetch_url::{FetchUrl, Origin, PlainHttp};

/// A URL without query and fragment, normalized.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Url {
    pub(super) origin: Origin,
    /// Begins with a slash.
    pub(super) path: String,
}

impl Url {
    /// Parses an absolute URL with the scheme https or http. `None` if it is another one, has a user name,
    /// or a host that URL parsers read differently.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let url = FetchUrl::parse(without_query(text), PlainHttp::Anywhere).ok()?;
        Some(Self { origin: Origin::of(url.uri())?, path: normalized_path(url.uri().path()) })
    }
}

/// The URL without query and fragment, which `htu` does not have (RFC 9449 section 4.2).
pub(super) fn without_query(url: &str) -> &str {
    memchr2(b'?', b'#', url.as_bytes()).and_then(|end| url.get(..end)).unwrap_or(url)
}

/// Normalizes a path that begins with a slash.
pub(super) fn normalized_path(path: &str) -> String {
    without_dot_segments(&with_normal_escapes(path))
}

/// Decodes escapes of unreserved characters (RFC 3986 section 6.2.2.2), and writes the others in upper case
/// (section 6.2.2.1). A `%` without two digits stays.
fn with_normal_escapes(path: &str) -> String {
    let mut parts = path.split('%');
    let mut normal = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2).unwrap_or(("", part));
        let octet = u8::from_str_radix(digits, 16).ok().filter(|_| !digits.starts_with('+'));
        match octet.map(char::from) {
            Some(character) if is_unreserved(character) => normal.push(character),
            Some(_) => {
                normal.push('%');
                normal.push_str(&digits.to_ascii_uppercase());
            }
            None => {
                normal.push('%');
                normal.push_str(digits);
            }
        }
        normal.push_str(rest);
    }
    normal
}

/// RFC 3986 section 2.3.
fn is_unreserved(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '-' | '.' | '_' | '~')
}

/// Whether a path has a dot segment, also an encoded one.
pub(super) fn has_dot_segment(path: &str) -> bool {
    path.contains(['.', '%'])
        && with_normal_escapes(path).split('/').any(|segment| matches!(segment, "." | ".."))
}

/// RFC 3986 section 5.2.4.
fn without_dot_segments(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        match segment {
            "." => {}
            ".." => drop(kept.pop()),
            _ => {
                kept.push(segment);
                continue;
            }
        }
        // A dot segment at the end leaves its slash.
        if segments.peek().is_none() {
            kept.push("");
        }
    }
    format!("/{}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equivalent_urls_are_equal() {
        for (one, other) in [
            ("https://api.example.com/a", "HTTPS://API.Example.COM/a"),
            ("https://api.example.com/a", "https://api.example.com:443/a"),
            ("http://api.example.com/a", "http://api.example.com:80/a"),
            ("https://api.example.com", "https://api.example.com/"),
            ("https://api.example.com/a", "https://api.example.com/a?b=c"),
            ("https://api.example.com/a", "https://api.example.com/a#b"),
            ("https://api.example.com/a", "https://api.example.com/a?b#c"),
            ("https://api.example.com/", "https://api.example.com?b"),
            ("https://api.example.com/~a-b_c.d", "https://api.example.com/%7Ea%2db%5Fc%2E%64"),
            ("https://api.example.com/%C3%BC", "https://api.example.com/%c3%bc"),
            ("https://api.example.com/a", "https://api.example.com/./b/../a"),
            ("https://api.example.com/a", "https://api.example.com/../../a"),
            ("https://api.example.com/a", "https://api.example.com/b/%2e%2E/a"),
            ("https://api.example.com/a/", "https://api.example.com/a/b/.."),
            ("https://api.example.com/a/", "https://api.example.com/a/."),
            ("https://api.example.com/", "https://api.example.com/.."),
            ("https://api.example.com/a/b", "https://api.example.com/a//../b"),
            ("https://[::1]/a", "https://[0:0::1]:443/a"),
        ] {
            assert_eq!(Url::parse(one).unwrap(), Url::parse(other).unwrap(), "{one} and {other}");
        }
    }

    #[test]
    fn urls_of_different_resources_differ() {
        for (one, other) in [
            ("https://api.example.com/a", "http://api.example.com/a"),
            ("https://api.example.com/a", "https://api.example.com.evil.example/a"),
            ("https://api.example.com/a", "https://api.example.com./a"),
            ("https://api.example.com/a", "https://api.example.com:8443/a"),
            ("https://api.example.com/a", "https://api.example.com/A"),
            ("https://api.example.com/a", "https://api.example.com/a/"),
            ("https://api.example.com/a/b", "https://api.example.com/a%2Fb"),
            ("https://api.example.com/a/b", "https://api.example.com/a//b"),
            ("https://api.example.com/a", "https://api.example.com//a"),
            ("https://api.example.com/%2e", "https://api.example.com/%252e"),
            ("https://api.example.com/a", "https://api.example.com/a%20"),
            ("https://api.example.com/a%3Fb", "https://api.example.com/a?b"),
            ("https://api.example.com/%4", "https://api.example.com/%40"),
            ("https://api.example.com/%+4", "https://api.example.com/%04"),
            ("https://api.example.com/a+b", "https://api.example.com/a%2Bb"),
        ] {
            assert_ne!(Url::parse(one).unwrap(), Url::parse(other).unwrap(), "{one} and {other}");
        }
    }

    #[test]
    fn anything_but_an_absolute_web_url_is_no_url() {
        for text in [
            "",
            "/a",
            "//api.example.com/a",
            "api.example.com/a",
            "https:/api.example.com/a",
            "https:///a",
            "https://",
            "https://user@api.example.com/a",
            "https://user:secret@api.example.com/a",
            "https://api.example.com:/a",
            "https://api.example.com:99999/a",
            "https://api.example.com\\@evil.example/a",
            "https://api.example.com/a b",
            " https://api.example.com/a",
            "https://api.example.com/a\n",
            "https://0x7f.1/a",
            "wss://api.example.com/a",
            "ftp://api.example.com/a",
            "urn:a",
        ] {
            assert_eq!(Url::parse(text), None, "{text:?}");
        }
    }
}
