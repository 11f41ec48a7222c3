//! Protects a listener without authentication from DNS rebinding.
//!
//! Checks: a request has one header `Host`, which is an IP address, `localhost`, or a name that is allowed.
//!
//! Does not check: the port. A page on another port has another origin.
//!
//! Why: a page and a listener with the same name and port have the same origin. The owner of a name can
//! resolve it to the listener after the page is loaded, and the page can then read the responses. The browser
//! sends the name in `Host`. An IP address is not resolved, and `localhost` has no owner.

use http::HeaderMap;
use http::header::HOST;

use crate::host::Host;

const LOCALHOST: &str = "localhost";

/// The names by which a listener may be called, in addition to `localhost` and IP addresses.
#[derive(Debug, Default)]
pub(crate) struct AllowedHosts(Vec<Host>);

impl AllowedHosts {
    /// Parses the names in `setting`. Problems are added to `problems`.
    pub(crate) fn parse(setting: &str, names: &[String], problems: &mut Vec<String>) -> Self {
        let mut hosts = Vec::new();
        for name in names {
            match Host::parse_without_port(name) {
                Some(host) if is_always_allowed(&host) => problems
                    .push(format!("{setting} has {name:?}, which is always allowed; hint: leave it out")),
                Some(host) => hosts.push(host),
                None => problems.push(format!(
                    "{setting} has {name:?}, which is no host name; hint: write ops.example.com, without \
                     scheme and port"
                )),
            }
        }
        Self(hosts)
    }

    /// Whether these `headers` have one `Host`, and it is allowed.
    pub(crate) fn allow(&self, headers: &HeaderMap) -> bool {
        let mut values = headers.get_all(HOST).iter();
        let (Some(value), None) = (values.next(), values.next()) else { return false };
        let host = value.to_str().ok().and_then(Host::parse);
        host.is_some_and(|host| is_always_allowed(&host) || self.0.contains(&host))
    }
}

fn is_always_allowed(host: &Host) -> bool {
    host.is_ip_literal() || host.as_str() == LOCALHOST
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn parse(name: &str) -> (AllowedHosts, Vec<String>) {
        let mut problems = Vec::new();
        (AllowedHosts::parse("admin_hosts", &[name.to_owned()], &mut problems), problems)
    }

    fn is_allowed(hosts: &AllowedHosts, values: &[&str]) -> bool {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(HOST, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        hosts.allow(&headers)
    }

    #[test]
    fn a_name_is_allowed_only_if_it_is_listed() {
        let (listed, none) = (parse("Ops.example.com").0, AllowedHosts::default());
        for name in ["ops.example.com", "OPS.example.com", "ops.example.com:9091", "ops.example.com."] {
            assert!(is_allowed(&listed, &[name]), "{name}");
            assert!(!is_allowed(&none, &[name]), "{name}");
        }
        for name in [
            "evil.example",
            "example.com",
            "x.ops.example.com",
            "evil-ops.example.com",
            "ops.example.com.evil.example",
            "localhost.evil.example",
            "x.localhost",
            "127.0.0.1.evil.example",
        ] {
            assert!(!is_allowed(&listed, &[name]), "{name}");
        }
    }

    #[test]
    fn addresses_and_localhost_are_always_allowed() {
        let none = AllowedHosts::default();
        for host in ["127.0.0.1", "192.0.2.7:9091", "[::1]", "[2001:db8::7]:9091", "localhost", "Localhost:1"]
        {
            assert!(is_allowed(&none, &[host]), "{host}");
        }
    }

    #[test]
    fn an_absent_repeated_or_malformed_host_is_not_allowed() {
        let none = AllowedHosts::default();
        let cases: [&[&str]; 8] = [
            &[],
            &[""],
            &["localhost", "localhost"],
            &["localhost", "evil.example"],
            &["localhost, evil.example"],
            &["evil.example@localhost"],
            &["localhost/"],
            &["localhost\u{e9}"],
        ];
        for values in cases {
            assert!(!is_allowed(&none, values), "{values:?}");
        }
    }

    #[test]
    fn a_listed_name_that_never_matches_or_is_always_allowed_is_a_problem() {
        let never =
            ["", "*", "*.example.com", "a.com,b.com", "a.com:9091", "a.com.", "http://a.com", "a.com/"];
        for (names, part) in [
            (&never[..], "which is no host name; hint: write ops.example.com"),
            (&["localhost", "LocalHost", "127.0.0.1", "[::1]"], "always allowed; hint: leave it out"),
        ] {
            for name in names {
                let (hosts, problems) = parse(name);
                assert!(hosts.0.is_empty(), "{name}");
                assert_eq!(problems.len(), 1, "{name}");
                assert!(problems[0].contains(part), "{name}: {problems:?}");
            }
        }
        assert!(parse("ops.example.com").1.is_empty());
    }
}
