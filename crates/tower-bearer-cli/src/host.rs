//! The host of a request.

use std::net::{Ipv4Addr, Ipv6Addr};

use http::uri::Authority;

/// A host in lower case, without port and without a dot at the end.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Host(String);

impl Host {
    /// Parses `host` or `host:port`. `None` for anything else, such as a list of hosts.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if text.contains('@') {
            return None;
        }
        let authority: Authority = text.parse().ok()?;
        let host = authority.host();
        if !is_port(text.strip_prefix(host)?) {
            return None;
        }
        let host = host.strip_suffix('.').unwrap_or(host);
        (!host.is_empty()).then(|| Self(host.to_ascii_lowercase()))
    }

    /// Parses a host of a configuration. `None` for a host with a port, a wildcard, a comma, or a dot at the
    /// end, too.
    pub(crate) fn parse_without_port(text: &str) -> Option<Self> {
        Self::parse(text).filter(|host| host.0.eq_ignore_ascii_case(text) && !text.contains(['*', ',']))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is an IPv4 address, or an IPv6 address in brackets.
    pub(crate) fn is_ip_literal(&self) -> bool {
        let address = self.0.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        match address {
            Some(address) => address.parse::<Ipv6Addr>().is_ok(),
            None => self.0.parse::<Ipv4Addr>().is_ok(),
        }
    }
}

/// Whether `text` after a host is empty or a port. The digits may be absent (RFC 3986 section 3.2.3).
fn is_port(text: &str) -> bool {
    text.is_empty()
        || text.strip_prefix(':').is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_hosts_have_no_value() {
        for text in ["", "a, b", "a b", "user@a", "a/b", ":80", ".", "http://a"] {
            assert_eq!(Host::parse(text), None, "{text}");
        }
    }

    #[test]
    fn only_a_port_can_follow_a_host() {
        for text in ["localhost:a", "localhost:80a", "a:80:80", "[::1]a", "[::1].a", "[::1]80", "a[::1]"] {
            assert_eq!(Host::parse(text), None, "{text}");
        }
        for (text, host) in
            [("a", "a"), ("a:", "a"), ("A.:80", "a"), ("[::1]", "[::1]"), ("[::1]:80", "[::1]")]
        {
            assert_eq!(Host::parse(text).unwrap().as_str(), host, "{text}");
        }
    }

    #[test]
    fn only_whole_addresses_are_ip_literals() {
        for (text, expected) in [
            ("127.0.0.1", true),
            ("192.0.2.7:9091", true),
            ("[::1]", true),
            ("[2001:DB8::7]:9091", true),
            ("[127.0.0.1]", false),
            ("[a]", false),
            ("127.1", false),
            ("2130706433", false),
            ("0x7f000001", false),
            ("127.0.0.1.a", false),
            ("localhost", false),
        ] {
            assert_eq!(Host::parse(text).is_some_and(|host| host.is_ip_literal()), expected, "{text}");
        }
    }
}
