//! The header in which a proxy sends the certificate (RFC 9440 and others): who may send it, and who sees it.

use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;
use tower_bearer::RejectionKind::{
    CertificateHeaderMalformed, CertificateMismatch, CertificateMissing, Missing, PeerAddressUnknown,
    SignatureMismatch, TokenMalformed,
};
use tower_bearer::certificates::ClientCertificate;

use super::*;
use crate::support::protected::anonymous;

/// The name of the header of RFC 9440.
const HEADER: &str = "client-cert";

fn of_rfc_9440() -> Certificates {
    Certificates::client_cert_header().from_proxy(PROXY)
}

/// The value of `Client-Cert` for this certificate.
fn value(der: &[u8]) -> String {
    format!(":{}:", BASE64_STANDARD.encode(der))
}

/// The headers of the request that the handler received.
#[track_caller]
fn received(response: &ApiResponse) -> &HeaderMap {
    &response.received().head.headers
}

#[tokio::test(start_paused = true)]
async fn a_header_counts_only_if_the_peer_is_a_trusted_proxy() {
    let certificates = of_rfc_9440().from_proxy("192.0.2.0/24").from_proxy("fd00::/8");
    let api = Api::with(certificates);
    let (token, own, other) = (api.bound(), value(&client()), value(OTHER));
    for (peer, is_trusted) in [
        (PROXY, true),
        ("192.0.2.255", true),
        ("fd12::1", true),
        ("::ffff:10.0.0.7", true),
        ("10.0.0.8", false),
        ("192.0.3.0", false),
        ("fe80::1", false),
        ("::10.0.0.7", false),
        ("::ffff:10.0.0.8", false),
        ("127.0.0.1", false),
    ] {
        let header = |value| from_peer(peer, &[(HEADER, value)], get(&token));
        let trusted = |outcome| if is_trusted { outcome } else { Err(CertificateMissing) };
        api.send(header(&own)).await.assert_outcome(trusted(ACCEPTED), peer);
        api.send(header(&other)).await.assert_outcome(trusted(Err(CertificateMismatch)), peer);
        let malformed = trusted(Err(CertificateHeaderMalformed));
        api.send(header("x")).await.assert_outcome(malformed, peer);
        api.send(header("")).await.assert_outcome(Err(CertificateMissing), peer);
        let none = api.send(from_peer(peer, &[], get(&token))).await;
        none.assert_outcome(Err(CertificateMissing), peer);
    }
}

#[tokio::test(start_paused = true)]
async fn an_unknown_peer_fails_only_a_bound_token_that_comes_with_the_header() {
    let api = Api::with(of_rfc_9440());
    let stranger = TestIssuer::new().token(API).header("kid", api.idp.key_id()).sign();
    let own = value(&client());
    for (name, request, expected) in [
        ("bound", get(api.bound()), Err(PeerAddressUnknown)),
        ("not bound", get(api.unbound()), ACCEPTED),
        ("malformed", get("a.b.c"), Err(TokenMalformed)),
        ("forged", get(stranger), Err(SignatureMismatch)),
        ("no token", anonymous("GET"), Err(Missing)),
    ] {
        let response = api.send(with_headers(&[(HEADER, &own)], request)).await;
        assert_eq!(response.outcome(), expected, "{name}");
    }
    api.send(get(api.bound())).await.assert_outcome(Err(CertificateMissing), "bound, no header");
    let other_place = api.send(over(&client(), get(api.bound()))).await;
    other_place.assert_outcome(Err(CertificateMissing), "the connection does not count");
}

#[tokio::test(start_paused = true)]
async fn the_address_of_the_peer_is_never_read_from_a_header() {
    let api = Api::with(of_rfc_9440());
    let own = value(&client());
    for (name, claim) in [
        ("x-forwarded-for", PROXY),
        ("x-real-ip", PROXY),
        ("forwarded", "for=10.0.0.7"),
        ("x-envoy-external-address", PROXY),
    ] {
        let headers = [(HEADER, own.as_str()), (name, claim)];
        let request = from_peer("192.0.2.1", &headers, get(api.bound()));
        api.send(request).await.assert_outcome(Err(CertificateMissing), name);
        let unknown = with_headers(&headers, get(api.bound()));
        api.send(unknown).await.assert_outcome(Err(PeerAddressUnknown), name);
    }
}

#[tokio::test(start_paused = true)]
async fn a_function_finds_the_address_of_the_peer() {
    let find = |head: &http::request::Parts| head.extensions.get::<SocketAddr>().map(SocketAddr::ip);
    let api = Api::with(of_rfc_9440().peer_address(find));
    let request = |peer: &str| {
        let mut request = with_headers(&[(HEADER, &value(&client()))], get(api.bound()));
        request.extensions_mut().insert(SocketAddr::new(peer.parse::<IpAddr>().unwrap(), 1));
        request
    };
    assert_eq!(api.send(request(PROXY)).await.outcome(), ACCEPTED);
    assert_eq!(api.send(request("10.0.0.8")).await.outcome(), Err(CertificateMissing));
    let by_extension = from_peer(PROXY, &[(HEADER, &value(&client()))], get(api.bound()));
    assert_eq!(api.send(by_extension).await.outcome(), Err(PeerAddressUnknown));
}

#[cfg(feature = "axum")]
#[tokio::test(start_paused = true)]
async fn the_connect_info_of_axum_names_the_peer() {
    use axum::extract::ConnectInfo;

    let find = |head: &http::request::Parts| {
        head.extensions.get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip())
    };
    let api = Api::with(of_rfc_9440().peer_address(find));
    for (peer, expected) in [("10.0.0.7:1", ACCEPTED), ("10.0.0.8:1", Err(CertificateMissing))] {
        let mut request = with_headers(&[(HEADER, &value(&client()))], get(api.bound()));
        request.extensions_mut().insert(ConnectInfo::<SocketAddr>(peer.parse().unwrap()));
        api.send(request).await.assert_outcome(expected, peer);
    }
}

#[tokio::test(start_paused = true)]
async fn a_header_and_the_connection_both_count_only_if_configured_and_must_agree() {
    let header_only = Api::with(of_rfc_9440());
    let both = Api::with(of_rfc_9440().also_of_connection());
    for (name, peer, header, connection, of_both, of_header) in [
        ("equal", PROXY, Some(client()), Some(client()), ACCEPTED, ACCEPTED),
        ("only the header", PROXY, Some(client()), None, ACCEPTED, ACCEPTED),
        ("only the connection", "192.0.2.1", None, Some(client()), ACCEPTED, Err(CertificateMissing)),
        ("differ", PROXY, Some(client()), Some(OTHER.to_vec()), Err(CertificateHeaderMalformed), ACCEPTED),
        (
            "differ, and the connection is right",
            PROXY,
            Some(OTHER.to_vec()),
            Some(client()),
            Err(CertificateHeaderMalformed),
            Err(CertificateMismatch),
        ),
        (
            "a forged header, and the certificate of the thief",
            "192.0.2.1",
            Some(client()),
            Some(OTHER.to_vec()),
            Err(CertificateMismatch),
            Err(CertificateMissing),
        ),
        ("neither", PROXY, None, None, Err(CertificateMissing), Err(CertificateMissing)),
    ] {
        for (api, expected) in [(&both, of_both), (&header_only, of_header)] {
            let mut request = from_peer(peer, &[], get(api.bound()));
            if let Some(der) = &header {
                request = with_headers(&[(HEADER, &value(der))], request);
            }
            if let Some(der) = &connection {
                request.extensions_mut().insert(ClientCertificate::from_der(&**der));
            }
            api.send(request).await.assert_outcome(expected, name);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn no_handler_sees_the_header_whoever_has_sent_it() {
    let api = Api::configured(|builder| builder.certificates(of_rfc_9440()).optional().allow_preflight());
    let own = value(&client());
    let mut preflight = anonymous("OPTIONS");
    for (name, value) in [("origin", "https://app.example"), ("access-control-request-method", "PUT")] {
        preflight = with_headers(&[(name, value)], preflight);
    }
    let headers = [(HEADER, own.as_str()), (HEADER, "x"), ("client-cert-chain", own.as_str())];
    let headers = [&headers[..], &[("x-other", "kept")]].concat();
    for (name, request) in [
        ("a bound token, from the proxy", from_peer(PROXY, &[(HEADER, &own)], get(api.bound()))),
        ("an unbound token, from the proxy", from_peer(PROXY, &headers, get(api.unbound()))),
        ("an unbound token, from elsewhere", from_peer("192.0.2.1", &headers, get(api.unbound()))),
        ("an unbound token, from an unknown peer", with_headers(&headers, get(api.unbound()))),
        ("no token, from the proxy", from_peer(PROXY, &headers, anonymous("GET"))),
        ("no token, from elsewhere", from_peer("192.0.2.1", &headers, anonymous("GET"))),
        ("a preflight", with_headers(&headers, preflight)),
    ] {
        let response = api.send(request).await;
        assert_eq!(response.outcome(), ACCEPTED, "{name}");
        let names: Vec<_> = received(&response).keys().filter(|key| key.as_str().contains("cert")).collect();
        assert!(names.is_empty(), "{name}: {names:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn other_headers_are_left_alone_and_keep_header_leaves_all() {
    let own = value(&client());
    let headers = [(HEADER, own.as_str()), ("client-cert-chain", &own), ("x-forwarded-client-cert", "kept")];
    let removing = Api::with(of_rfc_9440());
    let response = removing.send(from_peer(PROXY, &headers, get(removing.unbound()))).await;
    assert_eq!(received(&response)["x-forwarded-client-cert"], "kept", "not the configured header");

    let keeping = Api::with(of_rfc_9440().keep_header());
    for peer in [PROXY, "192.0.2.1"] {
        let response = keeping.send(from_peer(peer, &headers, get(keeping.unbound()))).await;
        for (name, value) in headers {
            assert_eq!(received(&response)[name], value, "{peer}");
        }
    }
    let bound = keeping.send(from_peer(PROXY, &headers, get(keeping.bound()))).await;
    assert_eq!((bound.outcome(), &received(&bound)[HEADER]), (ACCEPTED, &own.parse().unwrap()));
}

#[tokio::test(start_paused = true)]
async fn a_chain_without_its_certificate_is_no_certificate() {
    let api = Api::with(of_rfc_9440());
    let request = from_peer(PROXY, &[("client-cert-chain", &value(&client()))], get(api.bound()));
    api.send(request).await.assert_outcome(Err(CertificateMissing), "chain only");
}

#[tokio::test(start_paused = true)]
async fn a_view_reads_and_removes_the_header_too() {
    let api = Api::with(of_rfc_9440());
    let view = api.auth.view().optional().build().unwrap();
    let own = value(&client());
    let bound = from_peer(PROXY, &[(HEADER, &own)], get(api.bound()));
    assert_eq!(Protected::by(&view).send(bound).await.outcome(), ACCEPTED);
    assert_eq!(Protected::by(&view).send(get(api.bound())).await.outcome(), Err(CertificateMissing));
    let anonymous = Protected::by(&view).send(with_headers(&[(HEADER, &own)], anonymous("GET"))).await;
    assert!(!received(&anonymous).contains_key(HEADER));
}
