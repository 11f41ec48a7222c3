//! The log names the fault and the peer, and nothing of a certificate.

use std::time::Duration;

use tower_bearer::RejectionKind::CertificateHeaderMalformed;
use tracing::Level;

use super::*;
use crate::support::log::{Entry, Log, assert_holds_no_piece};

/// The events about ignored headers.
fn ignored(log: &Log) -> Vec<Entry> {
    let events = log.events().into_iter();
    events.filter(|event| event.field("message") == Some("client certificate header ignored")).collect()
}

#[tokio::test(start_paused = true)]
async fn a_header_of_an_untrusted_peer_is_logged_at_most_once_a_minute() {
    let api = Api::with(Certificates::client_cert_header().from_proxy(PROXY));
    let (token, header) = (api.bound(), format!(":{CLIENT}:"));
    let log = Log::start();
    let mut counts = Vec::new();
    for _ in 0..125 {
        let response = api.send(from_peer("192.0.2.1", &[("client-cert", &header)], get(&token))).await;
        assert_eq!(response.outcome(), Err(CertificateMissing));
        counts.push(ignored(&log).len());
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    assert_eq!([counts[0], counts[59], counts[60], counts[119], counts[120]], [1, 1, 2, 2, 3]);
    let event = &ignored(&log)[0];
    assert_eq!(event.level, Level::WARN);
    assert_eq!((event.field("header"), event.field("peer")), (Some("client-cert"), Some("192.0.2.1")));
    assert!(event.field("hint").unwrap().contains("Certificates::from_proxy"), "{event:?}");
}

#[tokio::test(start_paused = true)]
async fn a_header_beside_an_unbound_token_is_not_logged() {
    let api = Api::configured(|builder| {
        builder.certificates(Certificates::client_cert_header().from_proxy(PROXY)).optional()
    });
    let header = format!(":{CLIENT}:");
    let log = Log::start();
    for request in [get(api.unbound()), crate::support::protected::anonymous("GET")] {
        let response = api.send(from_peer("192.0.2.1", &[("client-cert", &header)], request)).await;
        assert_eq!(response.outcome(), ACCEPTED);
    }
    assert!(ignored(&log).is_empty());
}

#[tokio::test(start_paused = true)]
async fn nothing_of_a_certificate_is_in_the_log_or_in_a_rejection() {
    let api = Api::configured(|builder| {
        let certificates = Certificates::client_cert_header().from_proxy(PROXY).also_of_connection();
        builder.certificates(certificates).log_token_details()
    });
    let (own, other) = (format!(":{CLIENT}:"), format!(":{}:", BASE64_STANDARD.encode(OTHER)));
    let log = Log::start();
    let headers: [&[_]; 5] = [
        &[("client-cert", own.as_str())],
        &[("client-cert", &other)],
        &[("client-cert", &own), ("client-cert", &own)],
        &[("client-cert", CLIENT)],
        &[],
    ];
    let mut rejected = String::new();
    for headers in headers {
        for request in [get(api.bound()), over(&client(), get(api.bound())), over(OTHER, get(api.bound()))] {
            for request in [
                with_headers(headers, request.clone()),
                from_peer("192.0.2.1", headers, request.clone()),
                from_peer(PROXY, headers, request),
            ] {
                let response = api.send(request).await;
                if !response.is_from_handler() {
                    rejected += &format!("{response:?}\n");
                }
            }
        }
    }
    let text = log.text();
    for kind in ["missing", "mismatch", "header_malformed"] {
        assert!(text.contains(&format!("certificate_{kind}")), "{kind}");
    }
    for (name, secret) in [
        ("the certificate", CLIENT.to_owned()),
        ("another certificate", BASE64_STANDARD.encode(OTHER)),
        ("its DER", format!("{:?}", client())),
        ("its thumbprint", CLIENT_X5T.to_owned()),
        ("another thumbprint", ClientCertificate::from_der(OTHER).thumbprint()),
    ] {
        assert_holds_no_piece(&text, &secret, 16, name);
        assert_holds_no_piece(&rejected, &secret, 16, name);
    }
}

#[tokio::test(start_paused = true)]
async fn the_event_about_a_malformed_header_says_why() {
    let api = Api::with(Certificates::client_cert_header().from_proxy(PROXY).also_of_connection());
    let own = format!(":{CLIENT}:");
    for (headers, connection, cause) in [
        (vec![("client-cert", own.as_str()), ("client-cert", &own)], None, "it has several lines"),
        (vec![("client-cert", &own)], Some(OTHER), "the connection has another client certificate"),
    ] {
        let log = Log::start();
        let mut request = from_peer(PROXY, &headers, get(api.bound()));
        if let Some(der) = connection {
            request = over(der, request);
        }
        let response = api.send(request).await;
        assert_eq!(response.outcome(), Err(CertificateHeaderMalformed));
        let requests = log.requests();
        let event = &requests[0];
        assert_eq!(event.field("kind"), Some("certificate_header_malformed"));
        assert!(event.field("cause").unwrap().contains(cause), "{event:?}");
    }
}
