//! The metadata endpoint (RFC 8414 section 2, RFC 9701 section 7, RFC 9449 section 5.1, RFC 8705
//! section 3.3).

use serde_json::{Value, json};

use crate::crypto::{AlgorithmSet, HmacAlgorithm};
use crate::testing::fault::Endpoint;
use crate::testing::server::State;

/// The supported methods of client authentication (RFC 8414 section 2, RFC 8705 section 2.1.1).
const METHODS: [&str; 5] =
    ["client_secret_basic", "client_secret_post", "client_secret_jwt", "private_key_jwt", "tls_client_auth"];

impl State {
    /// The metadata, or the document that replaces it.
    pub(super) fn metadata_document(&self) -> String {
        let replaced = self.lock().metadata.clone();
        replaced.unwrap_or_else(|| self.metadata().to_string())
    }

    fn metadata(&self) -> Value {
        let signatures: Vec<&str> = AlgorithmSet::ALL.iter().map(|algorithm| algorithm.as_str()).collect();
        let macs = HmacAlgorithm::ALL.iter().map(|algorithm| algorithm.as_str());
        let algorithms: Vec<&str> = signatures.iter().copied().chain(macs).collect();
        let url = |endpoint| self.address().url(endpoint);
        let signing = self.signing_key(None).map(|(_, key)| key.algorithm().as_str());
        json!({
            "issuer": self.identifier(),
            "jwks_uri": url(Endpoint::Jwks),
            "response_types_supported": [],
            "grant_types_supported": ["client_credentials", "refresh_token"],
            "token_endpoint": url(Endpoint::Token),
            "token_endpoint_auth_methods_supported": METHODS,
            "token_endpoint_auth_signing_alg_values_supported": algorithms,
            "introspection_endpoint": url(Endpoint::Introspection),
            "introspection_endpoint_auth_methods_supported": METHODS,
            "introspection_endpoint_auth_signing_alg_values_supported": algorithms,
            "introspection_signing_alg_values_supported": Vec::from_iter(signing),
            "revocation_endpoint": url(Endpoint::Revocation),
            "revocation_endpoint_auth_methods_supported": METHODS,
            "revocation_endpoint_auth_signing_alg_values_supported": algorithms,
            "dpop_signing_alg_values_supported": signatures,
            "tls_client_certificate_bound_access_tokens": self.lock().binds_to_certificates,
        })
    }
}
