//! The pattern of the issuer identifiers that a resolver resolves, such as
//! `https://login.example.com/{tenant}/v2.0`.
//!
//! Checks: everything but the tenant, byte for byte; the tenant is one path segment or one label of the host,
//! of letters, digits, `-` and `_`, in a path also `.`.
//!
//! Why so narrow: `iss` is read from a token that nothing has verified. A tenant with a slash, a dot in the
//! host or an escape could name another server.

use std::fmt;
use std::sync::Arc;

/// The placeholder for the tenant.
const TENANT: &str = "{tenant}";

/// The maximum length of a tenant, in bytes.
const MAX_TENANT: usize = 128;

/// A pattern with one tenant in it.
#[derive(Clone, Debug)]
pub(crate) struct IssuerPattern {
    pub(super) text: Arc<str>,
    before: Box<str>,
    after: Box<str>,
    is_in_host: bool,
}

impl IssuerPattern {
    /// Parses a pattern.
    ///
    /// # Errors
    /// The fault, as a predicate for the pattern.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let (before, after) = text.split_once(TENANT).ok_or("has no {tenant}")?;
        let (scheme, path) = before.split_once("://").ok_or("does not start with https://")?;
        if !matches!(scheme, "https" | "http") {
            return Err("does not start with https://");
        }
        if text.contains(['@', '?', '#', '%', '\\'])
            || after.contains(['{', '}'])
            || path.contains(['{', '}'])
        {
            return Err("has a query, a fragment, a user name, an escape or a second placeholder");
        }
        let is_in_host = !path.contains('/');
        if is_in_host {
            let domain = after.split('/').next().unwrap_or_default();
            let has_parent = domain.strip_prefix('.').is_some_and(|domain| domain.contains('.'));
            if !has_parent || !(path.is_empty() || path.ends_with('.')) {
                return Err("needs {tenant} as one whole label of a host with a domain of its own");
            }
        } else if !path.ends_with('/')
            || path.starts_with('/')
            || !(after.is_empty() || after.starts_with('/'))
        {
            return Err("needs {tenant} as one whole segment of the path");
        }
        Ok(Self { text: text.into(), before: before.into(), after: after.into(), is_in_host })
    }

    /// The tenant in `issuer`. `None` if the pattern does not match.
    pub(crate) fn tenant_of<'i>(&self, issuer: &'i str) -> Option<&'i str> {
        let tenant = issuer.strip_prefix(&*self.before)?.strip_suffix(&*self.after)?;
        let is_allowed = |octet: u8| {
            octet.is_ascii_alphanumeric()
                || matches!(octet, b'-' | b'_')
                || (octet == b'.' && !self.is_in_host)
        };
        let is_tenant = (1..=MAX_TENANT).contains(&tenant.len())
            && tenant.bytes().all(is_allowed)
            && !matches!(tenant, "." | "..");
        is_tenant.then_some(tenant)
    }
}

impl fmt::Display for IssuerPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_matches_one_segment_or_label_and_nothing_else() {
        let entra = "https://login.microsoftonline.com/{tenant}/v2.0";
        let auth0 = "https://{tenant}.eu.auth0.com/";
        for (pattern, issuer, tenant) in [
            (entra, "https://login.microsoftonline.com/1a-b/v2.0", Some("1a-b")),
            (entra, "https://login.microsoftonline.com/acme.example/v2.0", Some("acme.example")),
            (entra, "https://login.microsoftonline.com//v2.0", None),
            (entra, "https://login.microsoftonline.com/../v2.0", None),
            (entra, "https://login.microsoftonline.com/a/b/v2.0", None),
            (entra, "https://login.microsoftonline.com/a%2fb/v2.0", None),
            (entra, "https://login.microsoftonline.com/a?/v2.0", None),
            (entra, "https://login.microsoftonline.com/{tenant}/v2.0", None),
            (entra, "https://login.microsoftonline.com/a/v2.0/", None),
            (entra, "https://LOGIN.microsoftonline.com/a/v2.0", None),
            (entra, "https://login.microsoftonline.com.evil.test/a/v2.0", None),
            (entra, "https://evil.test/https://login.microsoftonline.com/a/v2.0", None),
            (auth0, "https://acme.eu.auth0.com/", Some("acme")),
            (auth0, "https://acme.eu.auth0.com", None),
            (auth0, "https://a.b.eu.auth0.com/", None),
            (auth0, "https://evil.test/.eu.auth0.com/", None),
            (auth0, "https://evil.test#.eu.auth0.com/", None),
            (auth0, "https://user@.eu.auth0.com/", None),
            (auth0, "https://.eu.auth0.com/", None),
        ] {
            let found = IssuerPattern::parse(pattern).unwrap();
            assert_eq!(found.tenant_of(issuer), tenant, "{pattern} and {issuer}");
            assert_eq!(found.to_string(), pattern);
        }
        let long = format!("https://login.microsoftonline.com/{}/v2.0", "a".repeat(129));
        assert_eq!(IssuerPattern::parse(entra).unwrap().tenant_of(&long), None);
    }

    #[test]
    fn a_pattern_that_could_match_any_server_is_invalid() {
        for pattern in [
            "",
            "{tenant}",
            "https://login.example.com/",
            "https://{tenant}",
            "https://{tenant}/",
            "https://{tenant}.com/",
            "https://login-{tenant}.example.com/",
            "https://{tenant}login.example.com/",
            "https://login.example.com{tenant}",
            "https://login.example.com/x{tenant}",
            "https://login.example.com/{tenant}x",
            "https:///{tenant}",
            "https://login.example.com/{tenant}/{tenant}",
            "https://login.example.com/{tenant}?x",
            "https://a@login.example.com/{tenant}",
            "ftp://login.example.com/{tenant}",
        ] {
            assert!(IssuerPattern::parse(pattern).is_err(), "{pattern}");
        }
    }
}
