//! Says in words how two identifiers differ that must be equal byte for byte: issuers and audiences.
//!
//! Why: a slash at the end or `http` for `https` is the most frequent mistake in a configuration, and the
//! hardest to see.

use std::fmt;

/// How an identifier differs from the configured one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Difference {
    /// Only one of them has a slash at the end.
    Slash { in_configured: bool },
    /// Only in white space at the ends.
    WhiteSpace,
    /// Only in upper and lower case.
    Case,
    /// Both are URLs, and these parts differ.
    Parts(Vec<&'static str>),
}

impl Difference {
    /// How `found` differs from `configured`. `None` if they are equal, or if they are not both URLs and
    /// have nothing in common.
    pub(crate) fn between(found: &str, configured: &str) -> Option<Self> {
        if found == configured {
            return None;
        }
        if found.trim() == configured.trim() {
            return Some(Self::WhiteSpace);
        }
        if found.trim_end_matches('/') == configured.trim_end_matches('/') {
            return Some(Self::Slash { in_configured: configured.ends_with('/') });
        }
        if found.eq_ignore_ascii_case(configured) {
            return Some(Self::Case);
        }
        let (found, configured) = (UrlParts::split(found)?, UrlParts::split(configured)?);
        let parts = found.0.into_iter().zip(configured.0).zip(["scheme", "host", "port", "path"]);
        Some(Self::Parts(parts.filter(|((found, own), _)| found != own).map(|(_, name)| name).collect()))
    }

    /// Whether both are most likely meant to be the same.
    pub(crate) fn is_slip(&self) -> bool {
        match self {
            Self::Slash { .. } | Self::WhiteSpace | Self::Case => true,
            Self::Parts(parts) => matches!(parts.as_slice(), ["scheme" | "port"]),
        }
    }

    /// Whether the identifiers are on the same host and port, by the same scheme.
    pub(crate) fn is_same_origin(&self) -> bool {
        match self {
            Self::Slash { .. } | Self::WhiteSpace | Self::Case => true,
            Self::Parts(parts) => parts.as_slice() == ["path"],
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Slash { in_configured: true } => f.write_str("only the configured one ends in a slash"),
            Self::Slash { in_configured: false } => {
                f.write_str("the configured one lacks the slash at the end")
            }
            Self::WhiteSpace => f.write_str("they differ only in white space"),
            Self::Case => f.write_str("they differ only in upper and lower case"),
            Self::Parts(parts) => write!(f, "they differ in the {}", parts.join(" and the ")),
        }
    }
}

/// Scheme, host, port and path of a URL, which need not be valid.
struct UrlParts<'u>([&'u str; 4]);

impl<'u> UrlParts<'u> {
    fn split(url: &'u str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at_checked(end)?;
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, port),
            _ => (authority, ""),
        };
        Some(Self([scheme, host, port, path]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(found: &str, configured: &str) -> Option<String> {
        Difference::between(found, configured).map(|difference| difference.to_string())
    }

    #[test]
    fn the_difference_is_named_by_the_part_of_the_url() {
        let configured = "https://login.example.com/realms/acme";
        for (found, expected) in [
            ("https://login.example.com/realms/acme/", "the configured one lacks the slash at the end"),
            (" https://login.example.com/realms/acme\n", "they differ only in white space"),
            ("https://login.example.com/realms/Acme", "they differ only in upper and lower case"),
            ("http://login.example.com/realms/acme", "they differ in the scheme"),
            ("https://login.example.com:8443/realms/acme", "they differ in the port"),
            ("https://login.example.com/realms/other", "they differ in the path"),
            ("https://auth.internal/realms/acme", "they differ in the host"),
            ("http://keycloak:8080/", "they differ in the scheme and the host and the port and the path"),
            ("http://[::1]/realms/acme", "they differ in the scheme and the host"),
            ("https://[::1]:8443/realms/acme", "they differ in the host and the port"),
        ] {
            assert_eq!(text(found, configured).as_deref(), Some(expected), "{found}");
        }
        let configured = "https://login.example.com/";
        let slash = text("https://login.example.com", configured);
        assert_eq!(slash.as_deref(), Some("only the configured one ends in a slash"));
        assert_eq!(text("orders", "ORDERS").as_deref(), Some("they differ only in upper and lower case"));
    }

    #[test]
    fn equal_identifiers_and_unrelated_names_have_no_difference_to_name() {
        assert_eq!(text("https://a.example", "https://a.example"), None);
        assert_eq!(text("orders", "https://a.example"), None);
        assert_eq!(text("", "https://a.example"), None);
    }

    #[test]
    fn only_what_is_most_likely_the_same_is_a_slip() {
        let is_slip = |found| Difference::between(found, "https://a.example/x").unwrap().is_slip();
        for found in
            ["https://a.example/x/", "https://A.example/x", "http://a.example/x", "https://a.example:1/x"]
        {
            assert!(is_slip(found), "{found}");
        }
        for found in ["https://b.example/x", "https://a.example/y", "http://b.example/x"] {
            assert!(!is_slip(found), "{found}");
        }
    }
}
