//! The key set endpoint (RFC 7517 section 5), with conditional requests (RFC 9110 section 13.1.2).

use std::hash::{DefaultHasher, Hash, Hasher};

use bytes::Bytes;
use http::header::{CACHE_CONTROL, ETAG, IF_NONE_MATCH};
use http::{HeaderMap, Response, StatusCode};

use super::response::{plain, with_field};
use crate::testing::server::State;

impl State {
    /// The key set, or the document that replaces it.
    pub(crate) fn jwks_document(&self) -> String {
        let settings = self.lock();
        settings.jwks.clone().unwrap_or_else(|| settings.published_keys())
    }

    /// The response with the key set. 304 if the entity tag in `headers` matches.
    pub(super) fn jwks_response(&self, headers: &HeaderMap) -> Response<Bytes> {
        let document = self.jwks_document();
        let etag = entity_tag(&document);
        let unchanged = headers.get(IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == etag.as_bytes());
        let (status, body) =
            if unchanged { (StatusCode::NOT_MODIFIED, String::new()) } else { (StatusCode::OK, document) };
        let response = with_field(plain(status, "application/jwk-set+json", body), ETAG, &etag);
        let cache_control = self.lock().cache_control.clone();
        match cache_control {
            Some(value) => with_field(response, CACHE_CONTROL, &value),
            None => response,
        }
    }
}

fn entity_tag(document: &str) -> String {
    let mut hasher = DefaultHasher::new();
    document.hash(&mut hasher);
    format!("\"{:x}\"", hasher.finish())
}
