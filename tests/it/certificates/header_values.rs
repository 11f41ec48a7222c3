//! The forms of the header with the certificate: what is read, and what gets 400.

use tower_bearer::RejectionKind::{CertificateHeaderMalformed, CertificateMismatch, CertificateMissing};

use super::*;

/// PEM of this base64 text.
fn pem(base64: &str) -> String {
    let lines: Vec<&str> = base64.as_bytes().chunks(64).map(|line| str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}

/// The text, with everything percent-encoded but letters, digits and `kept`.
fn escaped(text: &str, kept: &[u8]) -> String {
    let escape = |octet: u8| match octet {
        _ if octet.is_ascii_alphanumeric() || kept.contains(&octet) => char::from(octet).to_string(),
        _ => format!("%{octet:02X}"),
    };
    text.bytes().map(escape).collect()
}

/// The SHA-256 digest of the certificate in hexadecimal.
fn hash(der: &[u8]) -> String {
    let thumbprint = ClientCertificate::from_der(der).thumbprint();
    let digest = BASE64_URL_SAFE.decode(format!("{thumbprint}=")).unwrap();
    digest.iter().map(|octet| format!("{octet:02x}")).collect()
}

/// The form of a header: its name, its setting, and its values for a certificate in base64.
struct Form {
    name: &'static str,
    certificates: Certificates,
    values: fn(&str) -> Vec<String>,
    malformed: Vec<String>,
}

fn nginx(base64: &str) -> String {
    escaped(&pem(base64), b"-_.~")
}

fn aws(base64: &str) -> String {
    escaped(&pem(base64), b"-_.~+/=")
}

fn rfc_9440() -> Form {
    Form {
        name: "client-cert",
        certificates: Certificates::client_cert_header(),
        values: |base64| vec![format!(":{base64}:")],
        malformed: vec![
            CLIENT.to_owned(),
            format!(":{CLIENT}"),
            format!("{CLIENT}:"),
            format!(":{CLIENT}:, :{CLIENT}:"),
            format!(":{CLIENT}:;a=1"),
            format!("\":{CLIENT}:\""),
            format!(": {CLIENT} :"),
            format!(":{}:", CLIENT.trim_end_matches('=')),
            format!(":{}:", CLIENT.replace('+', "-").replace('/', "_")),
            format!(":{}:", nginx(CLIENT)),
            format!(":{}:", "A".repeat(16 * 1024)),
            ":".to_owned(),
        ],
    }
}

fn xfcc() -> Form {
    let (own, other) = (hash(&client()), hash(OTHER));
    Form {
        name: "x-forwarded-client-cert",
        certificates: Certificates::xfcc_header(),
        values: |base64| {
            let (hash, cert) = (hash(&BASE64_STANDARD.decode(base64).unwrap()), nginx(base64));
            vec![
                format!("Hash={hash}"),
                format!(
                    "By=spiffe://a;Hash={hash};Subject=\"CN=a,O=\\\"b;c\\\"\";URI=spiffe://b;DNS=a;DNS=b"
                ),
                format!("hash={}", hash.to_uppercase()),
                format!("Cert=\"{cert}\""),
                format!("Hash={hash};Cert=\"{cert}\";Chain=\"{cert}\""),
            ]
        },
        malformed: vec![
            format!("Hash={own},Hash={other}"),
            format!("Hash={other},Hash={own}"),
            format!("Hash={own};Hash={own}"),
            format!("Hash={own};hash={other}"),
            format!("Hash={other};Cert=\"{}\"", nginx(CLIENT)),
            format!("By=spiffe://a;URI=spiffe://b;Hash={own};Hash={own}"),
            format!("Hash={}", &own[..62]),
            format!("Hash=\"{own}"),
            format!("Hash={own};"),
            "By=spiffe://a;URI=spiffe://b".to_owned(),
            "Hash".to_owned(),
            "x".to_owned(),
        ],
    }
}

fn escaped_pem() -> Form {
    Form {
        name: "x-client-cert",
        certificates: Certificates::pem_header("X-Client-Cert"),
        values: |base64| vec![nginx(base64), aws(base64), escaped(&pem(base64).replace('\n', "\r\n"), b"")],
        malformed: vec![
            CLIENT.to_owned(),
            escaped(CLIENT, b""),
            format!("{0}{0}", nginx(CLIENT)),
            format!("x{}", nginx(CLIENT)),
            format!("{}x", nginx(CLIENT)),
            nginx(CLIENT).replace("CERTIFICATE", "PRIVATE%20KEY"),
            nginx(CLIENT).replace("%0A", "%0"),
            nginx("AAA"),
            format!("{},{}", nginx(CLIENT), nginx(CLIENT)),
        ],
    }
}

fn der() -> Form {
    Form {
        name: "x-arr-clientcert",
        certificates: Certificates::der_header("X-ARR-ClientCert"),
        values: |base64| vec![base64.to_owned()],
        malformed: vec![
            format!(":{CLIENT}:"),
            format!("{CLIENT}, {CLIENT}"),
            CLIENT.trim_end_matches('=').to_owned(),
            format!("{CLIENT}AAAA"),
            nginx(CLIENT),
            "x".to_owned(),
        ],
    }
}

#[tokio::test(start_paused = true)]
async fn each_form_of_the_header_names_the_certificate() {
    let other = BASE64_STANDARD.encode(OTHER);
    for Form { name, certificates, values, .. } in [rfc_9440(), xfcc(), escaped_pem(), der()] {
        let api = Api::with(certificates.from_proxy("10.0.0.0/8"));
        let token = api.bound();
        for (value, expected) in values(CLIENT)
            .iter()
            .map(|value| (value, ACCEPTED))
            .chain(values(&other).iter().map(|value| (value, Err(CertificateMismatch))))
        {
            let response = api.send(from_peer(PROXY, &[(name, value)], get(&token))).await;
            response.assert_outcome(expected, value);
            if expected == ACCEPTED {
                assert!(!response.received().head.headers.contains_key(name), "{value}");
            }
        }
        let empty = api.send(from_peer(PROXY, &[(name, "")], get(&token))).await;
        empty.assert_outcome(Err(CertificateMissing), name);
    }
}

#[tokio::test(start_paused = true)]
async fn a_header_that_two_readers_could_read_differently_gets_400() {
    for Form { name, certificates, values, malformed } in [rfc_9440(), xfcc(), escaped_pem(), der()] {
        let api = Api::with(certificates.from_proxy("10.0.0.0/8"));
        let (bound, unbound) = (api.bound(), api.unbound());
        let own = &values(CLIENT)[0];
        let other = &values(&BASE64_STANDARD.encode(OTHER))[0];
        let lines = [[own, own], [own, other], [other, own]];
        let lines = lines.iter().map(|lines| lines.iter().map(|line| line.as_str()).collect::<Vec<_>>());
        for lines in malformed.iter().map(|value| vec![value.as_str()]).chain(lines) {
            let headers: Vec<_> = lines.iter().map(|line| (name, *line)).collect();
            let response = api.send(from_peer(PROXY, &headers, get(&bound))).await;
            let shown = format!("{name}: {:.80?}", lines);
            response.assert_outcome(Err(CertificateHeaderMalformed), &shown);
            let response = api.send(from_peer(PROXY, &headers, get(&unbound))).await;
            response.assert_outcome(ACCEPTED, &shown);
        }
    }
}
