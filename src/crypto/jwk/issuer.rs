//! The `issuer` member of a JWK, with which Entra ID says whose tokens a key signs.
//!
//! Checks: the member equals the issuer identifier, code point by code point, except that `{tenantid}` stands
//! for one tenant, and that a UUID as a whole segment may have another case.
//!
//! Why: one key set of Entra ID serves many issuers. A key that signs tokens of personal accounts must not
//! verify a token that names a company as its issuer.

use crate::encoding::uuid;

/// The placeholder for the ID of a tenant, in the keys and the metadata that many tenants share.
pub(crate) const TENANT_ID: &str = "{tenantid}";

/// The `issuer` member of a JWK.
#[derive(Clone, Debug)]
pub(crate) struct KeyIssuer(Box<str>);

impl KeyIssuer {
    pub(super) fn new(member: &str) -> Self {
        Self(member.into())
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the key belongs to `issuer`.
    pub(crate) fn is(&self, issuer: &str) -> bool {
        let Some((before, after)) = self.0.split_once(TENANT_ID) else {
            return *self.0 == *issuer || has_same_segments(&self.0, issuer);
        };
        let tenant = issuer.strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
        tenant.is_some_and(is_tenant)
    }
}

/// Whether the segments are equal one by one, UUIDs in any case.
fn has_same_segments(one: &str, other: &str) -> bool {
    let mut pairs = one.split('/').zip(other.split('/'));
    // Texts of equal length with equal segments have equally many of them.
    one.len() == other.len() && pairs.all(|(one, other)| uuid::is_same(one, other))
}

/// Whether `text` is a tenant ID or a domain, and no more than one path segment.
fn is_tenant(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_belongs_to_the_issuer_that_it_names() {
        let template = "https://login.microsoftonline.com/{tenantid}/v2.0";
        let tenant = "https://login.microsoftonline.com/11111111-2222-3333-4444-555555555555/v2.0";
        let host = "https://login.microsoftonline.com";
        let personal = "https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0";
        for (member, issuer, expected) in [
            (template, tenant, true),
            (template, "https://login.microsoftonline.com/acme.example/v2.0", true),
            (tenant, tenant, true),
            ("https://login.example.com", "https://login.example.com", true),
            (&personal.to_uppercase().replace("HTTPS://LOGIN.MICROSOFTONLINE.COM", host), personal, false),
            (&format!("{host}/9188040D-6C67-4C5B-B112-36A304B66DAD/v2.0"), personal, true),
            (&format!("{host}/9188040D-6C67-4C5B-B112-36A304B66DAE/v2.0"), personal, false),
            (&format!("{host}/9188040D-6C67-4C5B-B112-36A304B66DAD/v2.0/"), personal, false),
            (&format!("{host}/9188040D-6C67-4C5B-B112-36A304B66DAD"), personal, false),
            (&format!("{host}/ACME/v2.0"), "https://login.microsoftonline.com/acme/v2.0", false),
            (template, "https://login.microsoftonline.com//v2.0", false),
            (template, "https://login.microsoftonline.com/a/b/v2.0", false),
            (template, "https://login.microsoftonline.com/a?b/v2.0", false),
            (template, "https://login.microsoftonline.com/a#/v2.0", false),
            (template, "https://login.microsoftonline.com/a%2fb/v2.0", false),
            (template, "https://login.microsoftonline.com/v2.0", false),
            (template, "https://login.microsoftonline.com/a/v2.0/", false),
            (template, "https://evil.example/a/v2.0", false),
            ("{tenantid}", tenant, false),
            ("https://h/{tenantid}/{tenantid}", "https://h/a/a", false),
            (personal, tenant, false),
            ("https://login.example.com/", "https://login.example.com", false),
            ("https://LOGIN.example.com", "https://login.example.com", false),
            ("", tenant, false),
        ] {
            assert_eq!(KeyIssuer::new(member).is(issuer), expected, "{member} and {issuer}");
        }
    }
}
