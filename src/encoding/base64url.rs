//! Base64url without padding, in its canonical form only (RFC 7515 section 2, RFC 4648 section 5).
//!
//! Checks: the URL-safe alphabet; no padding; no white space; no bits set after the last octet. Without the
//! last rule a token would have a second spelling with the same signature.

use base64_simd::URL_SAFE_NO_PAD;

/// Decodes `text`. `None` if it is not canonical base64url.
pub(crate) fn decode(text: impl AsRef<[u8]>) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode_to_vec(text.as_ref()).ok()
}

/// Whether [`decode`] accepts `text`.
pub(crate) fn is_strict(text: &[u8]) -> bool {
    URL_SAFE_NO_PAD.check(text).is_ok()
}

/// Decodes `text` as a lenient reader might. It accepts both alphabets, text with and without padding, any
/// bits after the last octet, and one character too many. `~`, which is in no alphabet, counts as `/`.
pub(crate) fn decode_leniently(text: &str) -> Option<Vec<u8>> {
    let standard = |byte: u8| match byte {
        b'-' => b'+',
        b'_' | b'~' => b'/',
        other => other,
    };
    let mut letters: Vec<u8> = text.trim_end_matches('=').bytes().map(standard).collect();
    if letters.len().checked_rem(4) == Some(1) {
        letters.pop();
    }
    base64_simd::forgiving_decode_to_vec(&letters).ok()
}

/// Encodes `octets`.
pub(crate) fn encode(octets: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode_to_string(octets)
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD as REFERENCE;

    use super::*;

    #[test]
    fn decoding_agrees_with_another_strict_decoder() {
        let alphabet = b"ABCDwxyz0189-_+/=. \n\x7f";
        let mut random = fastrand::Rng::with_seed(7515);
        for _ in 0..200_000 {
            let good = random.u8(..) < 128;
            let letters = if good { &alphabet[..14] } else { &alphabet[..] };
            let text: String =
                (0..random.usize(..70)).map(|_| char::from(letters[random.usize(..letters.len())])).collect();
            assert_eq!(decode(&text), REFERENCE.decode(&text).ok(), "{text:?}");
            assert_eq!(is_strict(text.as_bytes()), REFERENCE.decode(&text).is_ok(), "{text:?}");
        }
    }

    #[test]
    fn only_the_canonical_form_is_decoded() {
        assert_eq!(decode("-_8").as_deref(), Some(&[0xfb, 0xff][..]));
        assert_eq!(decode("").as_deref(), Some(&[][..]));
        for (name, text) in [
            ("padding", "-_8="),
            ("standard alphabet", "+/8"),
            ("white space", "-_ 8"),
            ("line break", "-_8\n"),
            ("bits after the last octet", "-_9"),
            ("a lone character", "A"),
            ("not ASCII", "-_\u{e9}"),
        ] {
            assert_eq!(decode(text), None, "{name}");
        }
    }
}
