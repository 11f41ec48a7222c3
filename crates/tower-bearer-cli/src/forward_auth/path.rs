//! The paths of requests, and the patterns of rules.
//!
//! Checks: a path that a proxy, this program and your service could read in different ways is rejected:
//! `//`, `.` and `..`, an encoded `/`, characters that some servers cut or rewrite (`\`, `;`, `?`, `#`,
//! control characters), double encoding, and bytes that are not UTF-8.
//! Does not check: upper and lower case, which differ here, and spaces at the end of a segment.
//!
//! Why such paths are rejected instead of normalized: the proxy forwards its own reading of the path. A rule
//! that matches another reading is bypassed.

use std::fmt;

/// The decoded segments of a path. A slash at the end is left out, so `/admin/` is `/admin`.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct RequestPath(Vec<String>);

/// Why a path is rejected.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum PathFault {
    NoLeadingSlash,
    EmptySegment,
    DotSegment,
    Character,
    PercentEncoding,
    DoubleEncoding,
    NotUtf8,
}

/// The path of a rule: `*` stands for one segment, and `**` at the end for any number of them.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct PathPattern {
    segments: Vec<Segment>,
    has_rest: bool,
}

#[derive(Debug, Eq, PartialEq)]
enum Segment {
    Exact(String),
    Any,
}

impl RequestPath {
    /// Parses the target of a request: a path, with or without a query.
    pub(crate) fn parse(target: &str) -> Result<Self, PathFault> {
        let path = target.split_once('?').map_or(target, |(path, _)| path);
        let rest = path.strip_prefix('/').ok_or(PathFault::NoLeadingSlash)?;
        if path.contains("//") {
            return Err(PathFault::EmptySegment);
        }
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.is_empty() {
            return Ok(Self(Vec::new()));
        }
        rest.split('/').map(decode_segment).collect::<Result<_, _>>().map(Self)
    }
}

impl PathPattern {
    /// Parses a pattern such as `/orders/*/items` or `/files/**`.
    ///
    /// # Errors
    /// The problem, as the end of a sentence that starts with the pattern.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if text.contains('?') {
            return Err("has a query; rules match the path only".to_owned());
        }
        let RequestPath(mut segments) = RequestPath::parse(text).map_err(|fault| fault.to_string())?;
        let has_rest = segments.pop_if(|last| last == "**").is_some();
        let segments = segments.into_iter().map(Segment::parse).collect::<Result<_, _>>()?;
        Ok(Self { segments, has_rest })
    }

    pub(crate) fn matches(&self, path: &RequestPath) -> bool {
        let mut segments = path.0.iter();
        self.segments.iter().all(|expected| segments.next().is_some_and(|segment| expected.matches(segment)))
            && (self.has_rest || segments.next().is_none())
    }

    /// Whether it is `/**`.
    pub(crate) fn matches_all(&self) -> bool {
        self.has_rest && self.segments.is_empty()
    }
}

impl Segment {
    fn parse(text: String) -> Result<Self, String> {
        match text.as_str() {
            "*" => Ok(Self::Any),
            "**" => Err("has ** before its end".to_owned()),
            _ if text.contains('*') => Err("has a * that is not a whole segment".to_owned()),
            _ => Ok(Self::Exact(text)),
        }
    }

    fn matches(&self, segment: &str) -> bool {
        match self {
            Self::Exact(expected) => expected == segment,
            Self::Any => true,
        }
    }
}

/// Decodes one segment completely, so that every spelling of it matches the same rules.
fn decode_segment(segment: &str) -> Result<String, PathFault> {
    let mut decoded = Vec::with_capacity(segment.len());
    let mut bytes = segment.bytes();
    while let Some(byte) = bytes.next() {
        let byte = if byte == b'%' {
            decode_byte(bytes.next(), bytes.next()).ok_or(PathFault::PercentEncoding)?
        } else if byte.is_ascii_graphic() {
            byte
        } else {
            return Err(PathFault::Character);
        };
        if byte.is_ascii_control() || br"/\;?#".contains(&byte) {
            return Err(PathFault::Character);
        }
        decoded.push(byte);
    }
    let is_encoded_twice = |three: &[u8]| decode_sequence(three).is_some();
    if decoded.windows(3).any(is_encoded_twice) {
        return Err(PathFault::DoubleEncoding);
    }
    match String::from_utf8(decoded) {
        Ok(segment) if segment == "." || segment == ".." => Err(PathFault::DotSegment),
        Ok(segment) => Ok(segment),
        Err(_) => Err(PathFault::NotUtf8),
    }
}

fn decode_sequence(bytes: &[u8]) -> Option<u8> {
    match bytes {
        [b'%', high, low] => decode_byte(Some(*high), Some(*low)),
        _ => None,
    }
}

fn decode_byte(high: Option<u8>, low: Option<u8>) -> Option<u8> {
    let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
    let byte = digit(high)?.checked_mul(16)?.checked_add(digit(low)?)?;
    u8::try_from(byte).ok()
}

/// The end of a sentence that starts with the path.
impl fmt::Display for PathFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoLeadingSlash => "does not start with /",
            Self::EmptySegment => "has an empty segment (//)",
            Self::DotSegment => "has a segment . or ..",
            Self::Character => "has a character that servers read in different ways",
            Self::PercentEncoding => "has an invalid percent-encoding",
            Self::DoubleEncoding => "is percent-encoded twice",
            Self::NotUtf8 => "is not UTF-8",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ambiguous_paths_are_rejected() {
        let cases = [
            ("", PathFault::NoLeadingSlash),
            ("*", PathFault::NoLeadingSlash),
            ("admin", PathFault::NoLeadingSlash),
            ("http://host/admin", PathFault::NoLeadingSlash),
            ("?/admin", PathFault::NoLeadingSlash),
            ("//", PathFault::EmptySegment),
            ("//admin", PathFault::EmptySegment),
            ("/public//admin", PathFault::EmptySegment),
            ("/admin//", PathFault::EmptySegment),
            ("/public/../admin", PathFault::DotSegment),
            ("/public/./admin", PathFault::DotSegment),
            ("/public/..", PathFault::DotSegment),
            ("/public/%2e%2e/admin", PathFault::DotSegment),
            ("/public/.%2E/admin", PathFault::DotSegment),
            ("/public/..;/admin", PathFault::Character),
            ("/public/..%2fadmin", PathFault::Character),
            ("/public%2Fadmin", PathFault::Character),
            ("/public\\admin", PathFault::Character),
            ("/public%5cadmin", PathFault::Character),
            ("/admin;x=1", PathFault::Character),
            ("/admin%3bx", PathFault::Character),
            ("/admin%3fx", PathFault::Character),
            ("/admin#x", PathFault::Character),
            ("/admin%23", PathFault::Character),
            ("/admin%00", PathFault::Character),
            ("/admin%0a", PathFault::Character),
            ("/admin%7f", PathFault::Character),
            ("/admin x", PathFault::Character),
            ("/ädmin", PathFault::Character),
            ("/admin%", PathFault::PercentEncoding),
            ("/admin%2", PathFault::PercentEncoding),
            ("/admin%+1", PathFault::PercentEncoding),
            ("/admin%zz", PathFault::PercentEncoding),
            ("/public%252fadmin", PathFault::DoubleEncoding),
            ("/%25%36%31dmin", PathFault::DoubleEncoding),
            ("/%ff", PathFault::NotUtf8),
            // An overlong encoding of the slash.
            ("/public%c0%afadmin", PathFault::NotUtf8),
        ];
        for (target, fault) in cases {
            assert_eq!(RequestPath::parse(target), Err(fault), "{target}");
        }
    }

    #[test]
    fn every_spelling_of_a_path_matches_the_same_pattern() {
        let pattern = PathPattern::parse("/admin/users").unwrap();
        let spellings = ["/admin/users", "/admin/users/", "/%61dmin/users", "/admin/user%73/?x=/../y"];
        for target in spellings {
            assert!(pattern.matches(&RequestPath::parse(target).unwrap()), "{target}");
        }
        for target in ["/Admin/users", "/admin", "/admin/users/1", "/x/admin/users", "/", "/adminusers"] {
            assert!(!pattern.matches(&RequestPath::parse(target).unwrap()), "{target}");
        }
    }

    #[test]
    fn a_star_is_one_segment_and_two_are_the_rest() {
        let cases = [
            ("/", "/", true),
            ("/", "/a", false),
            ("/**", "/", true),
            ("/**", "/a/b", true),
            ("/a/**", "/a", true),
            ("/a/**", "/a/b/c", true),
            ("/a/**", "/ab", false),
            ("/a/*", "/a", false),
            ("/a/*", "/a/b", true),
            ("/a/*", "/a/b/c", false),
            ("/a/*/c/**", "/a/b/c", true),
            ("/a/*/c/**", "/a/b/d", false),
            ("/caf%C3%A9", "/caf%c3%a9", true),
            ("/100%25", "/100%25", true),
        ];
        for (pattern, target, expected) in cases {
            let parsed = PathPattern::parse(pattern).unwrap();
            assert_eq!(parsed.matches(&RequestPath::parse(target).unwrap()), expected, "{pattern} {target}");
        }
    }

    #[test]
    fn a_pattern_that_could_never_match_is_an_error() {
        for pattern in ["", "a", "/a//b", "/a/../b", "/a?b", "/a*", "/**/a", "/a;b", "/a%2fb", "/***"] {
            assert!(PathPattern::parse(pattern).is_err(), "{pattern}");
        }
    }
}
