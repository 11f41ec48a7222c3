//! Percent-encoded PEM: nginx's `$ssl_client_escaped_cert`, `X-Amzn-Mtls-Clientcert-Leaf`, the `Cert` of
//! Envoy.
//!
//! Checks: one `CERTIFICATE` section of canonical base64 and line breaks (RFC 7468 section 5), and nothing
//! before or after it.
//!
//! Why not the PEM reader of rustls-pki-types: it skips text outside of a section and sections that it does
//! not know, where another reader may find a certificate.
//! Why `+` is not a space: AWS leaves `+`, `=` and `/` as they are, and nobody writes a space as `+`.

use super::{Reason, base64, hex};

const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";
const END: &[u8] = b"-----END CERTIFICATE-----";

/// Decodes the DER of the only certificate in `escaped`.
pub(super) fn decode(escaped: &[u8]) -> Result<Vec<u8>, Reason> {
    let text = percent_decode(escaped).ok_or("a percent sign has no two hexadecimal digits after it")?;
    let section = text.strip_prefix(BEGIN).ok_or("it does not start with BEGIN CERTIFICATE")?;
    let end = section.iter().rposition(|octet| !is_line_break(*octet));
    let section = end.and_then(|end| section.get(..=end)).unwrap_or_default();
    let body = section.strip_suffix(END).ok_or("it does not stop at END CERTIFICATE")?;
    // A second section would be in the body, where its hyphens are not base64.
    let body: Vec<u8> = body.iter().copied().filter(|octet| !is_line_break(*octet)).collect();
    if body.is_empty() {
        return Err("its certificate is empty");
    }
    base64::decode(&body)
}

fn is_line_break(octet: u8) -> bool {
    matches!(octet, b'\r' | b'\n')
}

/// Replaces each `%XX` by its octet. `None` if two hexadecimal digits do not follow a `%`.
fn percent_decode(text: &[u8]) -> Option<Vec<u8>> {
    let (mut octets, mut rest) = (Vec::with_capacity(text.len()), text.iter().copied());
    while let Some(octet) = rest.next() {
        octets.push(if octet == b'%' { hex::octet(rest.next()?, rest.next()?)? } else { octet });
    }
    Some(octets)
}
