//! Each encoding: the certificate it carries, and each way to be malformed.

use http::HeaderValue;

use super::*;
use crate::access_token::thumbprint;
use crate::binding::certificates::tests::vectors::{
    RFC8705_BASE64, RFC8705_THUMBPRINT, RFC9440_DIGEST, RFC9440_HEADER, escaped_pem, hex,
};

const NAME: HeaderName = HeaderName::from_static("x-client-cert");

fn expected() -> Thumbprint {
    thumbprint(RFC8705_THUMBPRINT).unwrap()
}

fn headers(lines: &[&[u8]]) -> HeaderMap {
    lines.iter().map(|line| (NAME, HeaderValue::from_bytes(line).unwrap())).collect()
}

fn read_lines(encoding: Encoding, lines: &[&[u8]]) -> Result<Option<Thumbprint>, Reason> {
    CertificateHeader { name: NAME, encoding }.thumbprint(&headers(lines))
}

fn read(encoding: Encoding, value: &str) -> Result<Option<Thumbprint>, Reason> {
    read_lines(encoding, &[value.as_bytes()])
}

/// A good value of each encoding, all with the certificate of RFC 8705.
fn good() -> [(Encoding, String); 4] {
    [
        (Encoding::ByteSequence, format!(":{RFC8705_BASE64}:")),
        (Encoding::Der, RFC8705_BASE64.to_owned()),
        (Encoding::Pem, escaped_pem(RFC8705_BASE64)),
        (Encoding::Xfcc, format!("Hash={}", hex(&expected()))),
    ]
}

#[test]
fn each_encoding_carries_a_certificate() {
    for (encoding, value) in good() {
        assert_eq!(read(encoding, &value), Ok(Some(expected())), "{encoding:?}");
    }
}

#[test]
fn the_client_cert_of_rfc_9440_appendix_a_is_read() {
    let found = read(Encoding::ByteSequence, RFC9440_HEADER).unwrap().unwrap();
    assert_eq!(hex(&found), RFC9440_DIGEST);
}

#[test]
fn an_absent_or_empty_header_has_no_certificate() {
    for (encoding, _) in good() {
        assert_eq!(read_lines(encoding, &[]), Ok(None), "{encoding:?}");
        assert_eq!(read(encoding, ""), Ok(None), "{encoding:?}");
    }
    assert_eq!(read(Encoding::ByteSequence, "::"), Ok(None));
}

#[test]
fn several_lines_are_malformed_even_if_they_are_equal() {
    for (encoding, value) in good() {
        let line = value.as_bytes();
        assert_eq!(read_lines(encoding, &[line, line]), Err("it has several lines"), "{encoding:?}");
        assert_eq!(read_lines(encoding, &[line, b""]), Err("it has several lines"), "{encoding:?}");
        assert_eq!(read_lines(encoding, &[b"", line]), Err("it has several lines"), "{encoding:?}");
    }
}

#[test]
fn a_list_of_values_is_malformed() {
    for (encoding, value) in good() {
        for list in [format!("{value},{value}"), format!("{value}, {value}"), format!("{value},")] {
            assert!(read(encoding, &list).is_err(), "{encoding:?} {list}");
        }
    }
}

#[test]
fn text_before_or_after_the_value_is_malformed() {
    for (encoding, value) in good() {
        for text in [format!("{value} "), format!(" {value}"), format!("{value}x"), format!("x{value}")] {
            assert!(read(encoding, &text).is_err(), "{encoding:?} {text}");
        }
        assert!(
            read(encoding, &format!("{value};a=")).is_err() || encoding == Encoding::Xfcc,
            "{encoding:?}"
        );
    }
}

#[test]
fn more_than_16_kib_are_malformed() {
    let base64 = |len: usize| "A".repeat(len);
    assert!(read(Encoding::Der, &base64(MAX_VALUE_BYTES)).is_ok());
    assert_eq!(read(Encoding::Der, &base64(MAX_VALUE_BYTES + 4)), Err("it is longer than 16 KiB"));
    for (encoding, _) in good() {
        let long = base64(MAX_VALUE_BYTES + 1);
        assert_eq!(read(encoding, &long), Err("it is longer than 16 KiB"), "{encoding:?}");
    }
}

#[test]
fn base64_that_is_not_canonical_is_malformed() {
    for (name, text) in [
        ("no padding", RFC8705_BASE64.trim_end_matches('=').to_owned()),
        ("too much padding", format!("{RFC8705_BASE64}=")),
        ("URL-safe alphabet", RFC8705_BASE64.replace('/', "_").replace('+', "-")),
        ("space", RFC8705_BASE64.replacen("M", "M ", 1)),
        ("tab", RFC8705_BASE64.replacen("M", "M\t", 1)),
        ("bits after the last octet", RFC8705_BASE64.replace("SY=", "SZ=")),
        ("not ASCII", RFC8705_BASE64.replacen('M', "\u{e9}", 1)),
    ] {
        assert!(read(Encoding::Der, &text).is_err(), "{name}");
        assert!(read(Encoding::ByteSequence, &format!(":{text}:")).is_err(), "{name}");
        let pem = escaped_pem(&text);
        assert!(read(Encoding::Pem, &pem).is_err(), "{name}");
        assert!(read(Encoding::Xfcc, &format!("Cert=\"{pem}\"")).is_err(), "{name}");
    }
}

#[test]
fn a_byte_sequence_needs_both_colons_and_has_no_parameters() {
    for value in [
        RFC8705_BASE64.to_owned(),
        format!(":{RFC8705_BASE64}"),
        format!("{RFC8705_BASE64}:"),
        format!(":{RFC8705_BASE64}:;a=1"),
        format!("\"{RFC8705_BASE64}\""),
        format!(":{RFC8705_BASE64}::{RFC8705_BASE64}:"),
        escaped_pem(RFC8705_BASE64),
        ":".to_owned(),
        ":::".to_owned(),
    ] {
        assert!(read(Encoding::ByteSequence, &value).is_err(), "{value}");
    }
}

#[test]
fn pem_is_accepted_with_the_escapes_of_nginx_and_of_aws_and_with_crlf() {
    let nginx = escaped_pem(RFC8705_BASE64);
    let aws = nginx.replace("%2B", "+").replace("%3D", "=").replace("%2F", "/");
    assert!(aws.contains('+') && aws.contains('=') && aws.contains('/'));
    let without_last_break = nginx.strip_suffix("%0A").unwrap().to_owned();
    let lower_case = ["%2B", "%2F", "%3D", "%0A"]
        .iter()
        .fold(nginx.clone(), |text, escape| text.replace(escape, &escape.to_lowercase()));
    for value in [aws, lower_case, nginx.replace("%0A", "%0D%0A"), without_last_break] {
        assert_eq!(read(Encoding::Pem, &value), Ok(Some(expected())), "{value}");
    }
}

#[test]
fn pem_is_malformed_unless_it_is_one_certificate_and_nothing_else() {
    let good = escaped_pem(RFC8705_BASE64);
    for (name, value) in [
        ("two certificates", good.repeat(2)),
        ("a key after the certificate", good.clone() + &good.replace("CERTIFICATE", "PRIVATE%20KEY")),
        ("a key before the certificate", good.replace("CERTIFICATE", "PRIVATE%20KEY") + &good),
        ("another label", good.replace("CERTIFICATE", "TRUSTED%20CERTIFICATE")),
        ("text before", format!("subject%3DCN%0A{good}")),
        ("a line break before", format!("%0A{good}")),
        ("text after", format!("{good}CN")),
        ("a space after", format!("{good}%20")),
        ("a header inside", good.replacen("%0A", "%0AProc-Type%3A%204%0A%0A", 1)),
        ("a space inside", good.replacen("%0A", "%0A%20", 1)),
        ("a null byte inside", good.replacen("%0A", "%0A%00", 1)),
        ("an unfinished escape", good.replacen("%0A", "%0", 1)),
        ("an escape at the end", format!("{good}%")),
        ("half an escape at the end", format!("{good}%0")),
        ("an escape that is not hexadecimal", good.replacen("%0A", "%0G", 1)),
        ("an escape with a sign", good.replacen("%0A", "%+A", 1)),
        ("spaces written as plus", good.replace("%20", "+")),
        ("no end", good.replace("-----END%20CERTIFICATE-----", "")),
        ("no begin", good.replace("-----BEGIN%20CERTIFICATE-----", "")),
        ("only a begin", "-----BEGIN%20CERTIFICATE-----".to_owned()),
        ("no body", "-----BEGIN%20CERTIFICATE-----%0A-----END%20CERTIFICATE-----".to_owned()),
        ("only line breaks", "%0A%0A".to_owned()),
        ("bare base64", RFC8705_BASE64.to_owned()),
    ] {
        assert!(read(Encoding::Pem, &value).is_err(), "{name}");
    }
}

#[test]
fn an_element_of_envoy_is_read_by_its_hash_or_its_cert() {
    let (hash, pem) = (hex(&expected()), escaped_pem(RFC8705_BASE64));
    for value in [
        format!("hash={hash}"),
        format!("HASH={}", hash.to_uppercase()),
        format!("Hash=\"{hash}\""),
        format!("Cert=\"{pem}\""),
        format!("Cert={pem}"),
        format!("Hash={hash};Cert=\"{pem}\""),
        format!("By=spiffe://a/ns/x/sa/y;Hash={hash};Subject=\"\";URI=spiffe://a/ns/z/sa/w"),
        format!("Hash={hash};Subject=\"CN=a,O=b;c\";URI=https://a/?x=y;DNS=a;DNS=b;URI=c;By=d;By=e"),
        format!("Hash={hash};Subject=\"CN=\\\"a\\\",O=\\\\\";Chain=\"{pem}{pem}\""),
        format!("Unknown=1;Unknown=2;Hash={hash}"),
    ] {
        assert_eq!(read(Encoding::Xfcc, &value), Ok(Some(expected())), "{value}");
    }
}

#[test]
fn an_element_of_envoy_is_malformed_if_it_can_be_read_in_two_ways() {
    let (hash, other, pem) = (hex(&expected()), "0".repeat(64), escaped_pem(RFC8705_BASE64));
    for (name, value) in [
        ("several elements, the first is good", format!("Hash={hash},Hash={other}")),
        ("several elements, the last is good", format!("Hash={other},Hash={hash}")),
        ("an element without hash before", format!("By=a,Hash={hash}")),
        ("an empty element before", format!(",Hash={hash}")),
        ("an empty element after", format!("Hash={hash},")),
        ("a repeated Hash", format!("Hash={hash};Hash={hash}")),
        ("a Hash repeated in another case", format!("Hash={hash};hash={other}")),
        ("a Hash from a name in the certificate", format!("DNS=a;Hash={other};Hash={hash}")),
        ("a repeated Cert", format!("Cert=\"{pem}\";Cert=\"{pem}\"")),
        ("a repeated Subject", format!("Hash={hash};Subject=\"\";Subject=\"\"")),
        ("Hash and Cert differ", format!("Hash={other};Cert=\"{pem}\"")),
        ("two certificates in Cert", format!("Cert=\"{pem}{pem}\"")),
        ("a bad Cert beside a good Hash", format!("Hash={hash};Cert=\"x\"")),
        ("a bad Hash beside a good Cert", format!("Hash=x;Cert=\"{pem}\"")),
        ("an empty Hash", "Hash=".to_owned()),
        ("an empty Cert", format!("Hash={hash};Cert=\"\"")),
        ("neither Hash nor Cert", "By=a;URI=b".to_owned()),
        ("a short Hash", "Hash=00".to_owned()),
        ("a long Hash", format!("Hash={hash}00")),
        ("an odd Hash", format!("Hash={hash}0")),
        ("a Hash that is not hexadecimal", format!("Hash={}", "g".repeat(64))),
        ("a Hash in base64url", format!("Hash={RFC8705_THUMBPRINT}")),
        ("a key without a value", format!("Hash={hash};By")),
        ("no key", format!("={hash}")),
        ("an empty pair", format!("Hash={hash};")),
        ("a space before a key", format!("By=a; Hash={hash}")),
        ("a space after a key", format!("Hash ={hash}")),
        ("an open quotation", format!("Hash={hash};Subject=\"CN=a")),
        ("a quotation closed by an escaped mark", format!("Hash={hash};Subject=\"CN=a\\\"")),
        ("a quotation inside of a value", format!("Hash={hash};URI=a\"b\"")),
        ("text after a quotation", format!("Subject=\"a\"b;Hash={hash}")),
    ] {
        assert!(read(Encoding::Xfcc, &value).is_err(), "{name}");
    }
}

#[test]
fn a_changed_byte_never_gives_the_same_certificate() {
    let mut random = fastrand::Rng::with_seed(9440);
    for (encoding, value) in good() {
        for _ in 0..500 {
            let mut octets = value.clone().into_bytes();
            let at = random.usize(..octets.len());
            let changed = random.u8(0x20..0x7f);
            // Hexadecimal digits, and the keys of Envoy, have two cases.
            if changed.eq_ignore_ascii_case(&octets[at]) {
                continue;
            }
            octets[at] = changed;
            assert_ne!(read_lines(encoding, &[&octets]), Ok(Some(expected())), "{encoding:?} {at}");
        }
    }
}

#[test]
fn no_bytes_make_a_parser_panic() {
    let mut random = fastrand::Rng::with_seed(8705);
    let tokens =
        ["Hash=", "Cert=", "\"", "\\", ";", ",", "=", "%", "%0A", ":", "A", "-----BEGIN CERTIFICATE-----"];
    let good = good();
    for _ in 0..20_000 {
        let (encoding, value) = &good[random.usize(..4)];
        let mut value = match random.u8(..3) {
            0 => (0..random.usize(..40)).map(|_| random.u8(0x80..)).collect(),
            1 => (0..random.usize(..12))
                .map(|_| tokens[random.usize(..tokens.len())])
                .collect::<String>()
                .into(),
            _ => value.clone().into_bytes(),
        };
        for _ in 0..random.usize(..4) {
            let at = random.usize(..=value.len());
            match random.bool() {
                true => value.insert(at, random.u8(0x20..0x7f)),
                false => value.truncate(at),
            }
        }
        let _ = read_lines(*encoding, &[&value]);
    }
}

#[test]
fn removal_takes_the_chain_of_rfc_9440_with_it() {
    for (encoding, is_chain_removed) in [(Encoding::ByteSequence, true), (Encoding::Der, false)] {
        let mut headers = headers(&[b"a", b"b"]);
        headers.insert(CLIENT_CERT_CHAIN, HeaderValue::from_static("c"));
        CertificateHeader { name: NAME, encoding }.remove_from(&mut headers);
        assert!(!headers.contains_key(NAME));
        assert_eq!(!headers.contains_key(CLIENT_CERT_CHAIN), is_chain_removed);
    }
}
