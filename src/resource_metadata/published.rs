//! The metadata document of a protected resource (RFC 9728 sections 2 and 3.2).
//!
//! Why it is written per request: issuers can be added and removed while requests are served.

use http::HeaderValue;
use serde_json::{Map, Value};

use super::locations::Locations;
use crate::binding::SenderPolicy;

/// Checked metadata, and where clients find it.
pub(crate) struct PublishedMetadata {
    pub(super) locations: Locations,
    /// The members that never change.
    pub(super) members: Map<String, Value>,
    /// Whether clients may send the token in a form body.
    pub(super) accepts_form_body: bool,
    pub(super) cache_control: HeaderValue,
    /// The `scope` of the challenge to a request without credentials. Empty for none.
    pub(super) scope_hint: String,
}

impl PublishedMetadata {
    /// The URL of the document.
    pub(crate) fn url(&self) -> &str {
        &self.locations.url
    }

    /// The scopes that a client without a token should request, separated by spaces.
    pub(crate) fn scope_hint(&self) -> Option<&str> {
        Some(&*self.scope_hint).filter(|scopes| !scopes.is_empty())
    }

    /// The document, for an API that trusts these authorization servers, accepts tokens in the query or not,
    /// and accepts these proofs. An empty list is omitted (RFC 9728 section 3.2).
    pub(super) fn document(
        &self,
        authorization_servers: Vec<String>,
        accepts_query: bool,
        senders: &SenderPolicy,
    ) -> String {
        let mut members = self.members.clone();
        if !authorization_servers.is_empty() {
            members.insert("authorization_servers".to_owned(), authorization_servers.into());
        }
        if let Some(algs) = senders.dpop_algs() {
            let algs: Vec<&str> = algs.split(' ').collect();
            members.insert("dpop_signing_alg_values_supported".to_owned(), algs.into());
        }
        let flags = [
            ("dpop_bound_access_tokens_required", senders.requires_key()),
            ("tls_client_certificate_bound_access_tokens", senders.certificates.is_some()),
        ];
        for (name, _) in flags.into_iter().filter(|(_, is_on)| *is_on) {
            members.insert(name.to_owned(), true.into());
        }
        let methods = [("header", true), ("body", self.accepts_form_body), ("query", accepts_query)];
        let methods: Vec<&str> =
            methods.into_iter().filter(|(_, is_on)| *is_on).map(|(method, _)| method).collect();
        members.insert("bearer_methods_supported".to_owned(), methods.into());
        Value::Object(members).to_string()
    }
}
