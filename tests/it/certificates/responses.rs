//! The responses to requests without the certificate of their token, byte for byte.

use http::header::{CACHE_CONTROL, CONTENT_TYPE, WWW_AUTHENTICATE};
use tower_bearer::RejectionKind;
use tower_bearer::RejectionKind::{CertificateHeaderMalformed, PeerAddressUnknown};

use super::*;
use crate::support::protected::as_grpc;

/// A request for each kind, to an API that reads the header of RFC 9440.
fn requests(api: &Api) -> [(RejectionKind, ApiRequest); 4] {
    let other = format!(":{}:", BASE64_STANDARD.encode(OTHER));
    let own = format!(":{CLIENT}:");
    [
        (CertificateMissing, from_peer(PROXY, &[], get(api.bound()))),
        (CertificateMismatch, from_peer(PROXY, &[("client-cert", &other)], get(api.bound()))),
        (CertificateHeaderMalformed, from_peer(PROXY, &[("client-cert", CLIENT)], get(api.bound()))),
        (PeerAddressUnknown, with_headers(&[("client-cert", &own)], get(api.bound()))),
    ]
}

fn api(configure: impl FnOnce(BearerAuthBuilder) -> BearerAuthBuilder) -> Api {
    let certificates = Certificates::client_cert_header().from_proxy(PROXY);
    Api::configured(|builder| configure(builder.certificates(certificates)))
}

#[tokio::test(start_paused = true)]
async fn each_kind_has_its_status_challenge_and_body_byte_for_byte() {
    let api = api(|builder| builder);
    let expected = [
        (
            401,
            Some("invalid_token"),
            "The access token is bound to a client certificate and none was presented",
        ),
        (401, Some("invalid_token"), "The access token is bound to another client certificate"),
        (400, Some("invalid_request"), "The client certificate header is malformed"),
        (500, None, "The server cannot check client certificates as configured"),
    ];
    for ((kind, request), (status, error, text)) in requests(&api).into_iter().zip(expected) {
        let response = api.send(request).await;
        assert_eq!(response.outcome(), Err(kind));
        assert_eq!(response.status(), status, "{kind}");
        let code = error.unwrap_or("server_error");
        let body = format!(r#"{{"error":"{code}","error_description":"{text}"}}"#);
        assert_eq!(response.body, body, "{kind}");
        let challenge = error.map(|error| {
            format!(r#"Bearer realm="https://api.example.com", error="{error}", error_description="{text}""#)
        });
        assert_eq!(response.header(WWW_AUTHENTICATE), challenge.as_deref(), "{kind}");
        assert_eq!(response.header(CONTENT_TYPE), Some("application/json"), "{kind}");
        assert_eq!(response.header(CACHE_CONTROL), Some("no-store"), "{kind}");
        let names = response.headers().keys().map(http::HeaderName::as_str);
        assert!(!names.into_iter().any(|name| name.contains("cert")), "{kind}: a header about certificates");
    }
}

#[tokio::test(start_paused = true)]
async fn the_descriptions_can_be_omitted() {
    let api = api(BearerAuthBuilder::omit_error_descriptions);
    for (kind, request) in requests(&api) {
        let response = api.send(request).await;
        response.check_rejection(kind);
        assert!(!String::from_utf8_lossy(&response.body).contains("certificate"), "{kind}");
        let challenge = response.header(WWW_AUTHENTICATE).unwrap_or_default();
        assert!(!challenge.contains("certificate"), "{kind}: {challenge}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_rejected_grpc_request_gets_the_status_of_the_kind() {
    let api = api(|builder| builder);
    for (kind, mut request) in requests(&api) {
        as_grpc(&mut request);
        let response = api.send(request).await;
        let status = match kind {
            CertificateHeaderMalformed => "3",
            PeerAddressUnknown => "13",
            _ => "16",
        };
        assert_eq!(response.header("grpc-status"), Some(status), "{kind}");
    }
}
