//! The hosts on which the endpoints of an authorization server may be.
//!
//! Checks: the host of an endpoint that a metadata document names.
//! Does not check: ports, paths, and the addresses that a name resolves to. The transport checks addresses.

use super::host::Host;

/// The hosts that metadata may name for the endpoints of an issuer: its key set and its introspection
/// endpoint.
///
/// [`Issuer::endpoint_hosts`](crate::Issuer::endpoint_hosts) sets it. It applies to URLs from metadata only,
/// not to a URL that you configure. The host of the issuer identifier is always allowed. Names are compared
/// without regard to case; ports are not compared.
///
/// The metadata comes from the issuer itself, over TLS. Restrict the hosts if somebody else can change the
/// document, for example a tenant in a console. Otherwise they can direct introspection requests, with tokens
/// and client credentials, to any https URL.
///
/// Which addresses a host may have is another setting:
/// [`Issuer::require_public_addresses`](crate::Issuer::require_public_addresses).
///
/// ```
/// use tower_bearer::Issuer;
/// use tower_bearer::builder::EndpointHosts;
///
/// let acme = Issuer::discover("https://login.example.com").endpoint_hosts(EndpointHosts::issuer_and_subdomains());
/// let google = Issuer::discover("https://accounts.google.com")
///     .endpoint_hosts(EndpointHosts::listed(["www.googleapis.com", "*.sts.example.com"]));
/// ```
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
#[must_use]
pub struct EndpointHosts(Allowed);

#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
enum Allowed {
    #[default]
    Any,
    IssuerAndSubdomains,
    Listed(Vec<String>),
}

impl EndpointHosts {
    /// Any host. This is the default, because large authorization servers publish their keys on a host of
    /// their own.
    pub fn any() -> Self {
        Self(Allowed::Any)
    }

    /// The host of the issuer identifier and its subdomains, at any depth.
    ///
    /// The issuer `https://login.example.com` may have endpoints on `login.example.com` and
    /// `keys.login.example.com`, but neither on `keys.example.com` nor on `evil-login.example.com`. For
    /// those, use [`listed`](Self::listed).
    ///
    /// No list of public suffixes is consulted. If strangers can own subdomains of the issuer's host, use
    /// [`listed`](Self::listed) with no host, which allows the issuer's host only. An IP address has no
    /// subdomains.
    ///
    /// ```
    /// use tower_bearer::Issuer;
    /// use tower_bearer::builder::EndpointHosts;
    ///
    /// let issuer = Issuer::discover("https://login.example.com").endpoint_hosts(EndpointHosts::issuer_and_subdomains());
    /// ```
    pub fn issuer_and_subdomains() -> Self {
        Self(Allowed::IssuerAndSubdomains)
    }

    /// These hosts, and the host of the issuer identifier.
    ///
    /// An entry is a host name without scheme, port and path, or an IP address (IPv6 in brackets). `*.` in
    /// front of a name stands for all its subdomains, but not for the name itself.
    /// [`build`](crate::BearerAuthBuilder::build) rejects any other entry.
    ///
    /// ```
    /// use tower_bearer::Issuer;
    /// use tower_bearer::builder::EndpointHosts;
    ///
    /// let issuer = Issuer::discover("https://accounts.google.com")
    ///     .endpoint_hosts(EndpointHosts::listed(["www.googleapis.com", "oauth2.googleapis.com"]));
    /// ```
    pub fn listed<H: Into<String>>(hosts: impl IntoIterator<Item = H>) -> Self {
        Self(Allowed::Listed(hosts.into_iter().map(Into::into).collect()))
    }

    /// The first entry that is neither a host nor `*.` and a name.
    pub(crate) fn invalid_entry(&self) -> Option<&str> {
        let Allowed::Listed(entries) = &self.0 else { return None };
        entries.iter().map(String::as_str).find(|entry| Pattern::parse(entry).is_none())
    }

    /// Whether it restricts anything.
    pub(crate) fn restricts(&self) -> bool {
        self.0 != Allowed::Any
    }

    /// Whether an endpoint of the issuer on the host `own` may be on `host`.
    pub(super) fn allow(&self, host: Host<'_>, own: Host<'_>) -> bool {
        let is_allowed = match &self.0 {
            Allowed::Any => true,
            Allowed::IssuerAndSubdomains => host.is_subdomain_of(own),
            Allowed::Listed(entries) => {
                entries.iter().filter_map(|entry| Pattern::parse(entry)).any(|entry| entry.matches(host))
            }
        };
        is_allowed || host.equals(own)
    }
}

/// An entry of a list of hosts.
#[derive(Clone, Copy)]
enum Pattern<'e> {
    Host(Host<'e>),
    SubdomainsOf(Host<'e>),
}

impl<'e> Pattern<'e> {
    fn parse(entry: &'e str) -> Option<Self> {
        match entry.strip_prefix("*.") {
            Some(domain) => match Host::parse(domain)? {
                domain @ Host::Name(_) => Some(Self::SubdomainsOf(domain)),
                Host::V4(_) | Host::V6(_) => None,
            },
            None => Host::parse(entry).map(Self::Host),
        }
    }

    fn matches(self, host: Host<'_>) -> bool {
        match self {
            Self::Host(entry) => host.equals(entry),
            Self::SubdomainsOf(domain) => host.is_subdomain_of(domain),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{FetchUrl, PlainHttp};
    use super::*;

    fn allowed(hosts: &EndpointHosts, issuer: &str, endpoint: &str) -> bool {
        let url = |text| FetchUrl::parse(text, PlainHttp::Loopback).unwrap();
        hosts.allow(url(endpoint).host().unwrap(), url(issuer).host().unwrap())
    }

    #[test]
    fn issuer_and_subdomains_allows_nothing_else() {
        let issuer = "https://login.example.com/realms/a";
        for (endpoint, expected) in [
            ("https://login.example.com/keys", true),
            ("https://LOGIN.EXAMPLE.COM/keys", true),
            ("https://login.example.com:8443/keys", true),
            ("https://keys.login.example.com/", true),
            ("https://example.com/keys", false),
            ("https://keys.example.com/", false),
            ("https://evil-login.example.com/", false),
            ("https://evillogin.example.com/", false),
            ("https://login.example.com.evil.net/", false),
            ("https://login.example.com./", false),
            ("https://xn--lgin-jqa.example.com/", false),
            ("https://evil.net/?login.example.com", false),
            ("https://evil.net/.login.example.com", false),
            ("https://127.0.0.1/", false),
            ("https://[::1]/", false),
        ] {
            assert_eq!(
                allowed(&EndpointHosts::issuer_and_subdomains(), issuer, endpoint),
                expected,
                "{endpoint}"
            );
            assert!(allowed(&EndpointHosts::any(), issuer, endpoint), "{endpoint}");
        }
    }

    #[test]
    fn an_address_has_no_subdomains() {
        let hosts = EndpointHosts::issuer_and_subdomains();
        assert!(allowed(&hosts, "http://127.0.0.1:9000", "http://127.0.0.1:9001/keys"));
        assert!(allowed(&hosts, "http://[::1]", "http://[0:0:0:0:0:0:0:1]/keys"));
        assert!(!allowed(&hosts, "http://127.0.0.1", "http://127.0.0.2/keys"));
        assert!(!allowed(&hosts, "http://127.0.0.1", "http://localhost/keys"));
    }

    #[test]
    fn list_allows_its_hosts_and_the_host_of_the_issuer() {
        let listed =
            EndpointHosts::listed(["keys.example.net", "*.example.org", "192.0.2.1", "[2001:db8::1]"]);
        for (endpoint, expected) in [
            ("https://login.example.com/", true),
            ("https://keys.example.net:444/", true),
            ("https://KEYS.example.net/", true),
            ("https://a.example.org/", true),
            ("https://a.b.example.org/", true),
            ("https://192.0.2.1/", true),
            ("https://[2001:db8:0::1]/", true),
            ("https://example.org/", false),
            ("https://evil-example.org/", false),
            ("https://a.keys.example.net/", false),
            ("https://a.login.example.com/", false),
            ("https://keys.example.net.evil.net/", false),
            ("https://192.0.2.2/", false),
        ] {
            assert_eq!(allowed(&listed, "https://login.example.com", endpoint), expected, "{endpoint}");
        }
        assert!(!allowed(&EndpointHosts::listed([""; 0]), "https://a.example", "https://b.a.example"));
    }

    #[test]
    fn entry_that_is_no_host_is_invalid() {
        for entry in [
            "",
            "*",
            "*.",
            "https://a.example",
            "a.example:443",
            "a.example/",
            "a@b.example",
            "*.127.0.0.1",
            "*.[::1]",
            "a.*.example",
            "0x7f.1",
            "2130706433",
            "::1",
            "b\u{fc}cher.example",
            " a.example",
        ] {
            let hosts = EndpointHosts::listed(["good.example", entry]);
            assert_eq!(hosts.invalid_entry(), Some(entry), "{entry}");
        }
        assert_eq!(
            EndpointHosts::listed(["a.example", "*.b.example", "[::1]", "127.0.0.1"]).invalid_entry(),
            None
        );
    }
}
