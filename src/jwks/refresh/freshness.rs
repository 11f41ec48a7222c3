//! Parses the freshness lifetime of a response (RFC 9111 sections 4.2, 5.1 and 5.2.2).
//!
//! Checks: `max-age`, less `Age`. With `no-store` or `no-cache` the response states no lifetime.
//! Does not check: `s-maxage`, which is for shared caches, and `Expires`, which needs synchronized clocks.
//!
//! Why: widely used servers send `no-cache` with a key set that changes a few times a year. Taken literally,
//! it would cost a fetch per token and leave no grace period during an outage.

use std::time::Duration;

use http::HeaderMap;
use http::header::{AGE, CACHE_CONTROL};

/// The freshness lifetime that the response states, when it leaves the server. `None` if it states none.
///
/// The first `max-age` counts. One that is not a number counts as zero (RFC 9111 section 4.2.1).
pub(in crate::jwks) fn max_age(headers: &HeaderMap) -> Option<Duration> {
    let mut max_age = None;
    let lines = headers.get_all(CACHE_CONTROL).iter().filter_map(|line| line.to_str().ok());
    for (name, value) in lines.flat_map(directives) {
        if name.eq_ignore_ascii_case("no-store") || name.eq_ignore_ascii_case("no-cache") {
            return None;
        }
        if name.eq_ignore_ascii_case("max-age") {
            max_age.get_or_insert_with(|| seconds(value).unwrap_or_default());
        }
    }
    max_age
}

/// `max_age` less the `Age` of the response: the time that it spent in caches.
pub(in crate::jwks) fn remaining(max_age: Option<Duration>, headers: &HeaderMap) -> Option<Duration> {
    max_age.map(|max_age| max_age.saturating_sub(age(headers)))
}

/// The directives of one header line. A comma inside quotes is not a separator.
fn directives(line: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut quoted = false;
    let is_separator = move |c| {
        quoted ^= c == '"';
        c == ',' && !quoted
    };
    line.split(is_separator).map(|directive| {
        let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
        (name.trim(), value.trim())
    })
}

fn age(headers: &HeaderMap) -> Duration {
    let age = headers.get(AGE).and_then(|age| age.to_str().ok());
    age.and_then(seconds).unwrap_or_default()
}

/// Parses a `delta-seconds`, bare or quoted. A value that overflows is capped (RFC 9111 section 1.2.2).
fn seconds(value: &str) -> Option<Duration> {
    let value = value.trim();
    let bare = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
    let is_number = !bare.is_empty() && bare.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| Duration::from_secs(bare.parse().unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn freshness_is_max_age_less_age() {
        for (name, cache_control, age, expected) in [
            ("no headers", &[][..], None, None),
            ("other directives", &["public, must-revalidate"][..], None, None),
            ("for shared caches only", &["s-maxage=600"], None, None),
            ("plain", &["max-age=600"], None, Some(600)),
            ("capitals and spaces", &["public , MAX-AGE=600"], None, Some(600)),
            ("quoted", &["max-age=\"600\""], None, Some(600)),
            ("zero", &["max-age=0"], None, Some(0)),
            ("ten years", &["max-age=315360000"], None, Some(315_360_000)),
            ("overflow", &["max-age=99999999999999999999999"], None, Some(u64::MAX)),
            ("age below max-age", &["max-age=600"], Some("100"), Some(500)),
            ("age above max-age", &["max-age=600"], Some("601"), Some(0)),
            ("invalid age", &["max-age=600"], Some("-5"), Some(600)),
            ("age without max-age", &[][..], Some("100"), None),
            ("no-store", &["no-store"], None, None),
            ("no-store wins", &["max-age=600, no-store"], None, None),
            ("no-cache on a second line", &["max-age=600", "no-cache"], None, None),
            ("no-cache with a field name", &["no-cache=\"set-cookie\", max-age=600"], None, None),
            ("two directives: the first wins", &["max-age=60, max-age=600"], None, Some(60)),
            ("two header lines: the first wins", &["max-age=60", "max-age=600"], None, Some(60)),
            ("no value", &["max-age"], None, Some(0)),
            ("not a number", &["max-age=soon"], None, Some(0)),
            ("negative", &["max-age=-1"], None, Some(0)),
            ("plus sign", &["max-age=+600"], None, Some(0)),
            ("fraction", &["max-age=1.5"], None, Some(0)),
            ("unbalanced quote", &["max-age=\"600"], None, Some(0)),
            (
                "inside the quotes of another directive",
                &["private=\"a, max-age=5\", max-age=600"],
                None,
                Some(600),
            ),
            ("empty directives", &[",,  ,"], None, None),
        ] {
            let mut headers = HeaderMap::new();
            for line in cache_control {
                headers.append(CACHE_CONTROL, HeaderValue::from_static(line));
            }
            if let Some(age) = age {
                headers.insert(AGE, HeaderValue::from_static(age));
            }
            assert_eq!(remaining(max_age(&headers), &headers), expected.map(Duration::from_secs), "{name}");
        }
    }

    #[test]
    fn non_ascii_header_line_is_ignored() {
        let mut headers = HeaderMap::new();
        headers.insert(CACHE_CONTROL, HeaderValue::from_bytes(b"max-age=600, x=\xff").unwrap());
        assert_eq!(max_age(&headers), None);
    }
}
