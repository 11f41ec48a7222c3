//! The host of a URL: its form, and how it compares with another host (RFC 3986 section 3.2.2).
//!
//! Checks: a host is an IPv6 address in brackets, an IPv4 address in dotted decimal, or a name of letters,
//! digits, `-` and `_`.
//! Does not check: what a name resolves to, and whether it is a public suffix such as `co.uk`.
//!
//! Why: URL parsers disagree about other hosts. For some, `2130706433`, `0x7f.1` and `0177.0.0.1` are
//! 127.0.0.1. A host that was checked as a name could then be another one when it is connected to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The host of a URL.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Host<'u> {
    Name(&'u str),
    V4(Ipv4Addr),
    V6(Ipv6Addr),
}

impl<'u> Host<'u> {
    /// Parses the host of a URL. `None` if URL parsers could read it differently.
    pub(crate) fn parse(text: &'u str) -> Option<Self> {
        if let Some(address) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
            return address.parse().ok().map(Self::V6);
        }
        if let Ok(address) = text.parse() {
            return Some(Self::V4(address));
        }
        // A trailing dot marks a name as absolute.
        let mut labels = text.strip_suffix('.').unwrap_or(text).split('.');
        let is_number = labels.clone().next_back().is_some_and(is_number);
        (!is_number && labels.all(is_label)).then_some(Self::Name(text))
    }

    /// Whether it is the loopback interface of this machine, by address or as `localhost` (RFC 6761 section
    /// 6.3).
    pub(crate) fn is_loopback(self) -> bool {
        match self {
            Self::Name(name) => name.eq_ignore_ascii_case("localhost"),
            Self::V4(address) => address.is_loopback(),
            Self::V6(address) => address.is_loopback(),
        }
    }

    /// The address that it stands for without a lookup: an address does, and so does `localhost`.
    pub(crate) fn address(self) -> Option<IpAddr> {
        match self {
            Self::V4(address) => Some(address.into()),
            Self::V6(address) => Some(address.into()),
            Self::Name(_) => self.is_loopback().then_some(Ipv4Addr::LOCALHOST.into()),
        }
    }

    /// Whether both are the same host. Names are compared without regard to case.
    pub(super) fn equals(self, other: Host<'_>) -> bool {
        match (self, other) {
            (Self::Name(name), Host::Name(other)) => name.eq_ignore_ascii_case(other),
            (host, other) => host == other,
        }
    }

    /// Whether it is a subdomain of `domain`, at any depth. An address has no subdomains.
    pub(super) fn is_subdomain_of(self, domain: Host<'_>) -> bool {
        let (Self::Name(name), Host::Name(domain)) = (self, domain) else { return false };
        let Some((subdomain, rest)) =
            name.len().checked_sub(domain.len()).and_then(|at| name.split_at_checked(at))
        else {
            return false;
        };
        rest.eq_ignore_ascii_case(domain) && subdomain.len() > 1 && subdomain.ends_with('.')
    }
}

/// Whether URL parsers take a host with this last label for an IPv4 address.
fn is_number(label: &str) -> bool {
    let hexadecimal = label.strip_prefix("0x").or_else(|| label.strip_prefix("0X"));
    match hexadecimal {
        Some(digits) => digits.bytes().all(|octet| octet.is_ascii_hexdigit()),
        None => label.bytes().all(|octet| octet.is_ascii_digit()),
    }
}

fn is_label(label: &str) -> bool {
    let is_allowed = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_');
    !label.is_empty() && label.bytes().all(is_allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_that_url_parsers_read_differently_is_no_host() {
        for text in [
            "",
            ".",
            "..",
            "a..b",
            ".a",
            "2130706433",
            "0177.0.0.1",
            "0x7f.1",
            "0x7f000001",
            "127.1",
            "127.0.0.1.",
            "127.0.0.256",
            "1.2.3.4.5",
            "a.0x",
            "a.1",
            "a%2eb",
            "a@b",
            "a:b",
            "a/b",
            "a\\b",
            "a b",
            "b\u{fc}cher.example",
            "\u{ff4c}ocalhost",
            "[::1",
            "::1",
            "[fe80::1%25eth0]",
            "[v1.a]",
            "[127.0.0.1]",
            "*",
            "*.a",
            "a,b",
        ] {
            assert_eq!(Host::parse(text), None, "{text}");
        }
        for text in
            ["login.example.com", "a.", "xn--bcher-kva.example", "my_keycloak", "1a", "4.example", "0x7f.a"]
        {
            assert_eq!(Host::parse(text), Some(Host::Name(text)));
        }
    }

    #[test]
    fn only_loopback_addresses_and_localhost_are_loopback() {
        for text in ["localhost", "LOCALHOST", "127.0.0.1", "127.255.0.9", "[::1]", "[0:0:0:0:0:0:0:1]"] {
            assert!(Host::parse(text).unwrap().is_loopback(), "{text}");
        }
        for text in [
            "localhost.",
            "localhost.example",
            "a.localhost",
            "xlocalhost",
            "localhost-",
            "0.0.0.0",
            "[::]",
            "10.0.0.1",
            "[::ffff:127.0.0.1]",
            "[::127.0.0.1]",
            "[::2]",
            "169.254.169.254",
        ] {
            assert!(!Host::parse(text).unwrap().is_loopback(), "{text}");
        }
    }

    #[test]
    fn subdomains_end_at_a_dot() {
        let of = |host, domain| Host::parse(host).unwrap().is_subdomain_of(Host::parse(domain).unwrap());
        for host in ["keys.example.com", "a.b.example.com", "KEYS.Example.COM"] {
            assert!(of(host, "example.com"), "{host}");
        }
        for (host, domain) in [
            ("example.com", "example.com"),
            ("evil-example.com", "example.com"),
            ("evilexample.com", "example.com"),
            ("example.com.evil.net", "example.com"),
            ("example.com", "keys.example.com"),
            ("keys.example.com.", "example.com"),
            ("keys.example.com", "example.com."),
            ("com", "example.com"),
            ("127.0.0.1", "0.0.1"),
        ]
        .into_iter()
        .filter(|(_, domain)| Host::parse(domain).is_some())
        {
            assert!(!of(host, domain), "{host} and {domain}");
        }
        assert!(!of("[::1]", "[::1]") && !of("127.0.0.1", "127.0.0.1"));
    }

    #[test]
    fn addresses_are_equal_by_value_and_names_without_regard_to_case() {
        let equal = |a, b| Host::parse(a).unwrap().equals(Host::parse(b).unwrap());
        assert!(equal("[::1]", "[0:0:0:0:0:0:0:1]") && equal("Login.Example.com", "login.example.COM"));
        assert!(!equal("localhost", "127.0.0.1") && !equal("a.example", "a.example."));
    }
}
