//! Where clients find the metadata of a protected resource (RFC 9728 section 3.1).
//!
//! Checks: the resource identifier is an `https` URL, or `http` to the loopback interface, without user name,
//! password and fragment (RFC 9728 section 1.2), and has only characters that a URL can have (RFC 3986
//! section 2). Its path has no segment that a router or a client reads in another way.
//! Does not normalize: clients compare the identifier code point by code point (RFC 9728 section 6).

use crate::fetch_url::{FetchUrl, PlainHttp};

const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// The URL and the paths of the metadata.
pub(super) struct Locations {
    pub(super) url: String,
    /// The path of the URL, and that of the host if it is another one.
    pub(super) paths: Vec<String>,
}

impl Locations {
    /// The locations for the resource with this identifier.
    ///
    /// # Errors
    /// Why the identifier is invalid, as a predicate for it.
    pub(super) fn of(resource: &str) -> Result<Self, &'static str> {
        let parsed = FetchUrl::parse(resource, PlainHttp::Loopback).map_err(|fault| fault.as_str())?;
        if !resource.bytes().all(is_in_url) {
            return Err("has a character that a URL cannot contain");
        }
        if parsed.uri().path().split('/').any(is_unusable_segment) {
            return Err("has a path segment that begins with `:` or `*`, or is `.` or `..`");
        }
        // Only a slash directly after the host is dropped.
        let path = Some(parsed.uri().path()).filter(|path| *path != "/").unwrap_or_default();
        let query = parsed.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
        let mut paths = vec![format!("{WELL_KNOWN}{path}")];
        if !path.is_empty() {
            paths.push(WELL_KNOWN.to_owned());
        }
        Ok(Self { url: format!("{}{WELL_KNOWN}{path}{query}", parsed.origin()), paths })
    }
}

/// Whether routers take the segment for a pattern, or clients remove it.
fn is_unusable_segment(segment: &str) -> bool {
    segment.starts_with([':', '*']) || matches!(segment, "." | "..")
}

/// The unreserved and reserved characters, and `%`.
fn is_in_url(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=%".contains(&octet)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_well_known_path_is_inserted_between_host_and_path() {
        const ROOT: &str = "/.well-known/oauth-protected-resource";
        for (resource, path, query) in [
            ("https://h.example", "", ""),
            ("https://h.example/", "", ""),
            ("https://h.example/a", "/a", ""),
            ("https://h.example/a/", "/a/", ""),
            ("https://h.example/a/b%20c", "/a/b%20c", ""),
            ("https://h.example//a", "//a", ""),
            ("https://h.example?x=1", "", "?x=1"),
            ("https://h.example/a?x=1", "/a", "?x=1"),
            ("https://h.example:8443/a", "/a", ""),
            ("http://127.0.0.1:3000/a", "/a", ""),
        ] {
            let locations = Locations::of(resource).unwrap();
            let origin = resource.splitn(4, ['/', '?']).take(3).collect::<Vec<_>>().join("/");
            assert_eq!(locations.url, format!("{origin}{ROOT}{path}{query}"), "{resource}");
            let mut paths = vec![format!("{ROOT}{path}"), ROOT.to_owned()];
            paths.dedup();
            assert_eq!(locations.paths, paths, "{resource}");
        }
    }

    #[test]
    fn a_resource_identifier_is_an_https_url_without_fragment() {
        for resource in [
            "",
            "orders-api",
            "/mcp",
            "https://",
            "http://api.example.com",
            "urn:example:api",
            "https://api.example.com/#a",
            "https://api.example.com#",
            "https://user@api.example.com",
            "https://api.example.com/a b",
            "https://api.example.com/a\"b",
            "https://api.example.com/{a}",
            "https://api.example.com/a\\b",
            "https://api.example.com/a\r\nX: y",
            "https://api.example.com/\u{e9}",
            " https://api.example.com",
            "https://*.example.com\u{0}",
            "https://api.example.com/:mcp",
            "https://api.example.com/a/*mcp",
            "https://api.example.com/./mcp",
            "https://api.example.com/a/../mcp",
        ] {
            assert!(Locations::of(resource).is_err(), "{resource:?}");
        }
    }
}
