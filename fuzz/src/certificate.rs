//! The targets for certificate headers, and readers that decide independently of the crate.

use std::net::{IpAddr, Ipv4Addr};

use http::header::AUTHORIZATION;
use http::{HeaderName, HeaderValue, Request};
use tower_bearer::BearerAuth;
use tower_bearer::certificates::{Certificates, PeerAddress};

use crate::fixtures::{CERTIFICATE, CERTIFICATE_BOUND, CERTIFICATE_HASH};
use crate::{builder, is_accepted, percent_decoded, send};

/// The address of the trusted proxy.
pub const PROXY: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));

/// An API behind a proxy that sends the certificate in one header.
pub struct Target {
    auth: BearerAuth,
    header: HeaderName,
    has_certificate: fn(&[u8]) -> bool,
}

impl Target {
    /// `has_certificate` tells whether a value of the header holds the certificate and no other.
    ///
    /// # Panics
    /// If the API rejects `good`.
    pub fn new(
        certificates: Certificates,
        header: &'static str,
        good: &str,
        has_certificate: fn(&[u8]) -> bool,
    ) -> Self {
        let auth = builder().certificates(certificates.from_proxy("10.0.0.1")).build();
        let header = HeaderName::from_static(header);
        let target = Self { auth: auth.expect("a valid configuration"), header, has_certificate };
        assert!(target.accepts(&[good.as_bytes()]), "{good}");
        target
    }

    /// Sends a request with these header lines, separated by line breaks.
    ///
    /// # Panics
    /// If the API accepts lines without the certificate.
    pub fn check(&self, input: &[u8]) {
        let lines: Vec<&[u8]> = input.split(|octet| *octet == b'\n').collect();
        if self.accepts(&lines) {
            let [only] = lines[..] else { panic!("accepted {} header lines", lines.len()) };
            assert!((self.has_certificate)(only), "accepted {:?}", String::from_utf8_lossy(only));
        }
    }

    fn accepts(&self, lines: &[&[u8]]) -> bool {
        let mut request = Request::new(());
        let authorization = HeaderValue::try_from(format!("Bearer {CERTIFICATE_BOUND}"));
        request.headers_mut().insert(AUTHORIZATION, authorization.expect("a header value"));
        request.extensions_mut().insert(PeerAddress(PROXY));
        for line in lines {
            // The server rejects other values before the layer sees them.
            let Ok(value) = HeaderValue::from_bytes(line) else { return false };
            request.headers_mut().append(&self.header, value);
        }
        is_accepted(send(&self.auth, request))
    }
}

/// A byte sequence of a structured field, which has one spelling.
pub fn byte_sequence() -> String {
    format!(":{CERTIFICATE}:")
}

/// The certificate in PEM, percent-encoded as nginx does.
pub fn escaped_pem() -> String {
    let lines: Vec<_> = CERTIFICATE.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
    let pem = format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"));
    pem.replace(' ', "%20").replace('\n', "%0A").replace('+', "%2B").replace('/', "%2F").replace('=', "%3D")
}

/// Whether `value` is the PEM of the certificate, except for line breaks and percent-encoding.
pub fn is_pem(value: &[u8]) -> bool {
    let text: Vec<u8> = percent_decoded(value).into_iter().filter(|octet| !b"\r\n".contains(octet)).collect();
    text == format!("-----BEGIN CERTIFICATE-----{CERTIFICATE}-----END CERTIFICATE-----").as_bytes()
}

/// Whether `value` is one element of Envoy's header that names the certificate and no other.
pub fn is_xfcc(value: &[u8]) -> bool {
    let elements = split_unquoted(value, b',');
    let [element] = elements[..] else { return false };
    let named: Vec<bool> = split_unquoted(element, b';').into_iter().filter_map(names_certificate).collect();
    !named.is_empty() && named.len() <= 2 && named.iter().all(|is_named| *is_named)
}

/// Whether this pair names the certificate. `None` if its key is another one.
fn names_certificate(pair: &[u8]) -> Option<bool> {
    let equals = pair.iter().position(|octet| *octet == b'=')?;
    let (key, value) = (pair[..equals].to_ascii_lowercase(), &pair[equals + 1..]);
    let unquoted = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value);
    match &key[..] {
        b"hash" => Some(unquoted.eq_ignore_ascii_case(CERTIFICATE_HASH.as_bytes())),
        b"cert" => Some(is_pem(unquoted)),
        _ => None,
    }
}

/// Splits at separators outside of quotation marks. A backslash within them escapes the next octet.
fn split_unquoted(text: &[u8], separator: u8) -> Vec<&[u8]> {
    let (mut parts, mut start, mut is_quoted, mut is_escaped) = (Vec::new(), 0, false, false);
    for (index, octet) in text.iter().enumerate() {
        if is_escaped {
            is_escaped = false;
        } else if is_quoted && *octet == b'\\' {
            is_escaped = true;
        } else if *octet == b'"' {
            is_quoted = !is_quoted;
        } else if *octet == separator && !is_quoted {
            parts.push(&text[start..index]);
            start = index + 1;
        }
    }
    parts.push(&text[start..]);
    parts
}
