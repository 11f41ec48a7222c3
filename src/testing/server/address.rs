//! The identifier of a test issuer, and the URLs of its endpoints.
//!
//! Why: real issuers have a path, such as the realm of a tenant, and some identifiers end in a slash. Their
//! metadata is at three URLs, because RFC 8414 section 3.1 inserts the well-known part before the path and
//! OpenID Connect Discovery section 4 appends it.

use http::Uri;

use crate::testing::fault::Endpoint;

/// The well-known parts of metadata URLs that come before the path of an issuer.
const WELL_KNOWN: [&str; 2] =
    ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"];

/// The endpoints below the path of an issuer.
const BELOW_PATH: [(&str, Endpoint); 5] = [
    ("/.well-known/openid-configuration", Endpoint::Metadata),
    ("/jwks", Endpoint::Jwks),
    ("/introspect", Endpoint::Introspection),
    ("/token", Endpoint::Token),
    ("/revoke", Endpoint::Revocation),
];

/// The identifier of a test issuer, split into the parts of its URLs.
pub(crate) struct Address {
    identifier: String,
    /// The scheme and the authority, such as `https://login.example.com`.
    origin: String,
    /// The path without a slash at its end. Empty if there is none.
    path: String,
}

impl Address {
    /// An identifier without a scheme is reached over https, like the former identifier of Google.
    pub(crate) fn new(identifier: String) -> Self {
        let (scheme, rest) = identifier.split_once("://").unwrap_or(("https", &identifier));
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (origin, path) = (format!("{scheme}://{authority}"), path.trim_end_matches('/'));
        let path = if path.is_empty() { String::new() } else { format!("/{path}") };
        Self { identifier, origin, path }
    }

    pub(crate) fn identifier(&self) -> &str {
        &self.identifier
    }

    /// The URL of an endpoint. The metadata is at other URLs as well.
    pub(crate) fn url(&self, endpoint: Endpoint) -> String {
        let below_path = BELOW_PATH.iter().find(|(_, found)| *found == endpoint);
        let suffix = below_path.map(|(suffix, _)| *suffix).unwrap_or_default();
        format!("{}{}{suffix}", self.origin, self.path)
    }

    /// The endpoint at the path of a request URL.
    pub(crate) fn endpoint_at(&self, path: &str) -> Option<Endpoint> {
        if WELL_KNOWN.iter().any(|prefix| path.strip_prefix(prefix) == Some(&self.path)) {
            return Some(Endpoint::Metadata);
        }
        let suffix = path.strip_prefix(&self.path)?;
        BELOW_PATH.iter().find(|(found, _)| *found == suffix).map(|(_, endpoint)| *endpoint)
    }

    /// Whether `url` is on the host and port of this issuer.
    pub(crate) fn is_origin_of(&self, url: &Uri) -> bool {
        let (Some(scheme), Some(authority)) = (url.scheme_str(), url.authority()) else { return false };
        self.origin == format!("{scheme}://{authority}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_endpoints_of_an_issuer_are_below_its_path_and_its_metadata_is_at_every_well_known_url() {
        for (identifier, origin, path) in [
            ("https://login.test", "https://login.test", ""),
            ("https://login.test/", "https://login.test", ""),
            ("https://login.test/realms/acme", "https://login.test", "/realms/acme"),
            ("https://login.test/realms/acme/", "https://login.test", "/realms/acme"),
            ("http://127.0.0.1:80/a", "http://127.0.0.1:80", "/a"),
            ("accounts.test", "https://accounts.test", ""),
        ] {
            let address = Address::new(identifier.to_owned());
            assert_eq!(address.identifier(), identifier);
            assert_eq!(address.url(Endpoint::Jwks), format!("{origin}{path}/jwks"), "{identifier}");
            for at in [
                format!("/.well-known/oauth-authorization-server{path}"),
                format!("/.well-known/openid-configuration{path}"),
                format!("{path}/.well-known/openid-configuration"),
            ] {
                assert_eq!(address.endpoint_at(&at), Some(Endpoint::Metadata), "{identifier}: {at}");
            }
            for endpoint in Endpoint::ALL {
                let url: Uri = address.url(endpoint).parse().unwrap();
                assert!(address.is_origin_of(&url), "{identifier}: {url}");
                assert_eq!(address.endpoint_at(url.path()), Some(endpoint), "{identifier}: {url}");
            }
        }
    }

    #[test]
    fn a_path_outside_of_the_issuer_is_no_endpoint() {
        let address = Address::new("https://login.test/realms/acme".to_owned());
        for path in [
            "/jwks",
            "/.well-known/openid-configuration",
            "/.well-known/oauth-authorization-server",
            "/.well-known/oauth-authorization-server/realms/other",
            "/.well-known/oauth-authorization-server/realms/acme/",
            "/realms/acme",
            "/realms/acme/jwks/",
            "/realms/acme2/jwks",
        ] {
            assert_eq!(address.endpoint_at(path), None, "{path}");
        }
        for url in ["http://login.test/jwks", "https://login.test:8443/jwks", "/jwks"] {
            assert!(!address.is_origin_of(&url.parse().unwrap()), "{url}");
        }
    }
}
