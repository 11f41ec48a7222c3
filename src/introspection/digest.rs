//! The key of a cached introspection response: a digest of the token and of everything else that has an
//! influence on the response.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::crypto;

/// A digest of a token and its [`RequestContext`]: the key of the cache.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) struct TokenDigest([u8; 32]);

/// A digest of everything else that has an influence on a response: the issuer, the endpoint, the client and
/// its authentication method, and a number.
///
/// Why a number: an issuer that replaces another one must not see the responses that were checked under the
/// earlier settings.
#[derive(Clone, Copy, Debug)]
pub(super) struct RequestContext([u8; 32]);

impl TokenDigest {
    /// The start of the digest: a key for tables that tolerate collisions.
    pub(super) fn short(&self) -> u64 {
        self.0.first_chunk().map_or(0, |start| u64::from_be_bytes(*start))
    }
}

impl RequestContext {
    /// A context that is equal to no other, not even to one with the same `parts`.
    pub(super) fn unique(parts: &[String]) -> Self {
        static CONTEXTS: AtomicU64 = AtomicU64::new(0);
        let number = CONTEXTS.fetch_add(1, Ordering::Relaxed).to_string();
        Self::new(&[parts, &[number]].concat())
    }

    pub(super) fn new(parts: &[String]) -> Self {
        // Length-prefixed, so that different lists of parts never have the same bytes.
        let framed: Vec<u8> =
            parts.iter().flat_map(|part| [&part.len().to_be_bytes()[..], part.as_bytes()].concat()).collect();
        Self(crypto::sha256(&[&framed]))
    }

    pub(super) fn digest(&self, token: &str) -> TokenDigest {
        TokenDigest(crypto::sha256(&[&self.0, token.as_bytes()]))
    }
}
