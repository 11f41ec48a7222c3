//! The certificate of a request, and its comparison with the token's.

use std::net::Ipv4Addr;
use std::sync::Arc;

use super::vectors::{RFC8705_BASE64, RFC8705_THUMBPRINT, escaped_pem, hex, rfc8705_der};
use super::*;
use crate::access_token::{Thumbprint, thumbprint};
use crate::binding::certificates::CertificateFault;

fn expected() -> Thumbprint {
    thumbprint(RFC8705_THUMBPRINT).unwrap()
}

fn client_cert() -> String {
    format!(":{RFC8705_BASE64}:")
}

fn from_proxy() -> CertificateReader {
    reader(&Certificates::client_cert_header().from_proxy("10.0.0.0/8"))
}

fn check(reader: &CertificateReader, head: &Head) -> Result<(), CertificateFault> {
    reader.check(&head.0, &expected())
}

#[test]
fn the_certificate_of_the_connection_must_be_the_tokens() {
    let reader = reader(&Certificates::of_connection());
    assert_eq!(check(&reader, &Head::new().with_certificate(&rfc8705_der())), Ok(()));
    assert_eq!(check(&reader, &Head::new()), Err(CertificateFault::Missing));
    for der in [&b"another"[..], b"", &rfc8705_der()[1..]] {
        let head = Head::new().with_certificate(der);
        assert_eq!(check(&reader, &head), Err(CertificateFault::Mismatch));
    }
    assert_eq!(reader.thumbprint(&Head::new().with_certificate(&rfc8705_der()).0), Ok(Some(expected())));
}

#[test]
fn a_function_finds_the_certificate() {
    let reader = reader(&Certificates::from_fn(|head| {
        head.extensions.get::<Arc<ClientCertificate>>().map(|found| (**found).clone())
    }));
    let mut head = Head::new();
    assert_eq!(check(&reader, &head), Err(CertificateFault::Missing));
    head.0.extensions.insert(Arc::new(ClientCertificate::from_der(rfc8705_der())));
    assert_eq!(check(&reader, &head), Ok(()));
    head.0.extensions.insert(Arc::new(ClientCertificate::from_der(*b"another")));
    assert_eq!(check(&reader, &head), Err(CertificateFault::Mismatch));
}

#[test]
fn headers_are_ignored_if_only_the_connection_counts() {
    let head = Head::new().sent_by("10.0.0.1").with_header("client-cert", &client_cert());
    assert_eq!(check(&reader(&Certificates::of_connection()), &head), Err(CertificateFault::Missing));
}

#[test]
fn each_header_of_a_trusted_proxy_counts() {
    let pem = escaped_pem(RFC8705_BASE64);
    for (certificates, name, value) in [
        (Certificates::client_cert_header(), "client-cert", client_cert()),
        (Certificates::xfcc_header(), "x-forwarded-client-cert", format!("Hash={}", hex(&expected()))),
        (Certificates::pem_header("X-Client-Cert"), "x-client-cert", pem),
        (Certificates::der_header("X-ARR-ClientCert"), "x-arr-clientcert", RFC8705_BASE64.to_owned()),
    ] {
        let reader = reader(&certificates.from_proxy("10.0.0.0/8"));
        let head = Head::new().sent_by("10.1.2.3").with_header(name, &value);
        assert_eq!(check(&reader, &head), Ok(()), "{name}");
        assert_eq!(reader.check(&head.0, &[0; 32]), Err(CertificateFault::Mismatch), "{name}");
        let repeated = head.with_header(name, &value);
        let fault = check(&reader, &repeated).unwrap_err();
        assert_eq!(fault, CertificateFault::HeaderMalformed("it has several lines"), "{name}");
    }
}

#[test]
fn a_proxy_that_sends_no_certificate_is_a_missing_certificate() {
    let head = Head::new().sent_by("10.0.0.1");
    assert_eq!(check(&from_proxy(), &head), Err(CertificateFault::Missing));
    assert_eq!(check(&from_proxy(), &head.with_header("client-cert", "")), Err(CertificateFault::Missing));
}

#[test]
fn a_header_of_an_untrusted_peer_is_ignored() {
    for (peer, is_trusted) in [
        ("10.0.0.1", true),
        ("::ffff:10.0.0.1", true),
        ("11.0.0.1", false),
        ("::ffff:11.0.0.1", false),
        ("::10.0.0.1", false),
        ("127.0.0.1", false),
        ("::1", false),
    ] {
        let head = Head::new().sent_by(peer).with_header("client-cert", &client_cert());
        let result = if is_trusted { Ok(()) } else { Err(CertificateFault::Missing) };
        assert_eq!(check(&from_proxy(), &head), result, "{peer}");
        let malformed = Head::new().sent_by(peer).with_header("client-cert", "x");
        assert_eq!(check(&from_proxy(), &malformed) == Err(CertificateFault::Missing), !is_trusted, "{peer}");
    }
}

#[test]
fn each_trusted_proxy_counts() {
    let certificates = Certificates::client_cert_header().from_proxy("192.0.2.1").from_proxy("fd00::/8");
    for (peer, result) in
        [("192.0.2.1", Ok(())), ("fd12::1", Ok(())), ("192.0.2.2", Err(CertificateFault::Missing))]
    {
        let head = Head::new().sent_by(peer).with_header("client-cert", &client_cert());
        assert_eq!(check(&reader(&certificates), &head), result, "{peer}");
    }
}

#[test]
fn an_unknown_peer_is_a_fault_of_the_server_if_there_is_a_header() {
    let head = Head::new().with_header("client-cert", &client_cert());
    assert_eq!(check(&from_proxy(), &head), Err(CertificateFault::PeerAddressUnknown));
    assert_eq!(check(&from_proxy(), &Head::new()), Err(CertificateFault::Missing));
}

#[test]
fn a_function_finds_the_address_of_the_peer_and_no_extension_does() {
    let certificates = Certificates::client_cert_header().from_proxy("127.0.0.1");
    let head = Head::new().sent_by("127.0.0.1").with_header("client-cert", &client_cert());
    let known = certificates.clone().peer_address(|_| Some(Ipv4Addr::LOCALHOST.into()));
    assert_eq!(check(&reader(&known), &Head::new().with_header("client-cert", &client_cert())), Ok(()));
    let other = certificates.clone().peer_address(|_| Some(Ipv4Addr::BROADCAST.into()));
    assert_eq!(check(&reader(&other), &head), Err(CertificateFault::Missing));
    let unknown = certificates.peer_address(|_| None);
    assert_eq!(check(&reader(&unknown), &head), Err(CertificateFault::PeerAddressUnknown));
}

#[test]
fn a_header_and_a_connection_count_both_only_by_also_of_connection_and_must_agree() {
    let both = reader(&Certificates::client_cert_header().from_proxy("10.0.0.0/8").also_of_connection());
    let differs = Err(CertificateFault::HeaderMalformed("the connection has another client certificate"));
    let with_header = || Head::new().with_header("client-cert", &client_cert());
    let der = rfc8705_der();
    for (name, head, of_both, of_header) in [
        ("equal", with_header().sent_by("10.0.0.1").with_certificate(&der), Ok(()), Ok(())),
        ("different", with_header().sent_by("10.0.0.1").with_certificate(b"proxy"), differs, Ok(())),
        ("only the header", with_header().sent_by("10.0.0.1"), Ok(()), Ok(())),
        (
            "only the connection",
            Head::new().sent_by("11.0.0.1").with_certificate(&der),
            Ok(()),
            Err(CertificateFault::Missing),
        ),
        (
            "a forged header beside a certificate of its sender",
            with_header().sent_by("11.0.0.1").with_certificate(b"thief"),
            Err(CertificateFault::Mismatch),
            Err(CertificateFault::Missing),
        ),
    ] {
        assert_eq!(check(&both, &head), of_both, "{name}");
        assert_eq!(check(&from_proxy(), &head), of_header, "{name}");
    }
}

#[test]
fn the_header_is_removed_unless_it_is_kept() {
    let head = Head::new().with_header("client-cert", "a").with_header("client-cert", "b");
    let head = head.with_header("client-cert-chain", "c").with_header("x-other", "d");
    let mut headers = head.headers();
    from_proxy().remove_headers(&mut headers);
    assert_eq!(headers.keys().collect::<Vec<_>>(), ["x-other"]);

    let kept = Certificates::client_cert_header().from_proxy("10.0.0.0/8").keep_header();
    for unchanged in [reader(&kept), reader(&Certificates::of_connection())] {
        let mut headers = head.headers();
        unchanged.remove_headers(&mut headers);
        assert_eq!(headers, head.headers());
    }
}

#[test]
fn only_a_header_of_an_untrusted_peer_is_ignored() {
    let reader = from_proxy();
    let ignored =
        |head: &Head| reader.ignored_header(&head.0).map(|header| (header.name.to_owned(), header.peer));
    let with_header = || Head::new().with_header("client-cert", &client_cert());
    let untrusted = Some(("client-cert".to_owned(), "192.0.2.7".parse().unwrap()));
    assert_eq!(ignored(&with_header().sent_by("192.0.2.7")), untrusted);
    assert_eq!(ignored(&with_header().sent_by("10.0.0.1")), None);
    assert_eq!(ignored(&with_header()), None);
    assert_eq!(ignored(&Head::new().sent_by("192.0.2.7")), None);
}
