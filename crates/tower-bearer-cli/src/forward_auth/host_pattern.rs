//! The hosts that rules name.

use crate::host::Host;

/// The host of a rule: a name, or `*.example.com` for every name below it.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum HostPattern {
    Exact(Host),
    Below(Host),
}

impl HostPattern {
    /// Parses a name without port. `None` if it is invalid.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let below = text.strip_prefix("*.");
        let name = below.unwrap_or(text);
        let host = Host::parse_without_port(name)?;
        Some(if below.is_some() { Self::Below(host) } else { Self::Exact(host) })
    }

    pub(crate) fn matches(&self, host: &Host) -> bool {
        match self {
            Self::Exact(expected) => host == expected,
            Self::Below(parent) => {
                let name =
                    host.as_str().strip_suffix(parent.as_str()).and_then(|below| below.strip_suffix('.'));
                name.is_some_and(|name| !name.is_empty())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_port_and_a_dot_at_the_end_do_not_matter() {
        let pattern = HostPattern::parse("API.example.com").unwrap();
        for text in ["api.example.com", "Api.Example.com:8443", "api.example.com."] {
            assert!(pattern.matches(&Host::parse(text).unwrap()), "{text}");
        }
        for text in ["example.com", "x.api.example.com", "api.example.com.evil.org"] {
            assert!(!pattern.matches(&Host::parse(text).unwrap()), "{text}");
        }
    }

    #[test]
    fn a_star_stands_for_at_least_one_label() {
        let pattern = HostPattern::parse("*.example.com").unwrap();
        for (text, expected) in [
            ("a.example.com", true),
            ("a.b.example.com", true),
            ("example.com", false),
            (".example.com", false),
            ("evilexample.com", false),
        ] {
            assert_eq!(Host::parse(text).is_some_and(|host| pattern.matches(&host)), expected, "{text}");
        }
    }

    #[test]
    fn a_pattern_with_a_port_or_another_star_is_invalid() {
        for text in ["", "*", "*.", "a.*.com", "*.*.com", "a:80", "a.", "a.com,b.com"] {
            assert_eq!(HostPattern::parse(text), None, "{text}");
        }
    }
}
