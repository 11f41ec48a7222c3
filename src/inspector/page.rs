//! The files of the page, and the headers of every response.

use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue, Response};

pub(super) const HTML: File =
    File { content_type: "text/html; charset=utf-8", text: include_str!("page/page.html") };
pub(super) const CSS: File =
    File { content_type: "text/css; charset=utf-8", text: include_str!("page/page.css") };
pub(super) const JS: File =
    File { content_type: "text/javascript; charset=utf-8", text: include_str!("page/page.js") };
pub(super) const ICON: File = File { content_type: "image/svg+xml", text: include_str!("page/icon.svg") };

/// One file of the page.
pub(super) struct File {
    content_type: &'static str,
    text: &'static str,
}

/// The page needs nothing from other origins, sends nothing to them, and is never part of another page.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
    connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

impl File {
    pub(super) fn response(self) -> Response<String> {
        let mut response = Response::new(self.text.to_owned());
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        response
    }
}

/// Adds the headers that every response has, errors included.
pub(super) fn protect(headers: &mut HeaderMap) {
    let protections: [(HeaderName, &str); 5] = [
        (CACHE_CONTROL, "no-store"),
        (CONTENT_SECURITY_POLICY, POLICY),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (REFERRER_POLICY, "no-referrer"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    for (name, value) in protections {
        headers.insert(name, HeaderValue::from_static(value));
    }
}
