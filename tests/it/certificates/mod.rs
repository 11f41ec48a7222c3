//! Certificate-bound tokens (RFC 8705 section 3), through the whole layer.

mod header_values;
mod headers;
mod key_and_certificate;
mod log;
#[cfg(feature = "reqwest")]
mod over_tls;
mod responses;

use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE};
use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use serde_json::{Value, json};
use tower_bearer::RejectionKind::{
    CertificateMismatch, CertificateMissing, ClaimIllTyped, IntrospectionMismatch, SenderNotProven,
};
use tower_bearer::certificates::{Certificates, ClientCertificate, PeerAddress};
use tower_bearer::testing::TestIssuer;
use tower_bearer::{BearerAuth, BearerAuthBuilder};

use crate::support::protected::{ACCEPTED, API, ApiResponse, Protected, get};

/// The certificate of RFC 8705 appendix A, which is self-signed and has expired.
const CLIENT: &str = "\
    MIIBBjCBrAIBAjAKBggqhkjOPQQDAjAPMQ0wCwYDVQQDDARtdGxzMB4XDTE4MTAxODEyMzcwOVoXDTIyMDUwMjEyMzcwOVow\
    DzENMAsGA1UEAwwEbXRsczBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABNcnyxwqV6hY8QnhxxzFQ03C7HKW9OylMbnQZjjJ\
    /Au08/coZwxS7LfA4vOLS9WuneIXhbGGWvsDSb0tH6IxLm8wCgYIKoZIzj0EAwIDSQAwRgIhAP0RC1E+vwJD/D1AGHGzuri+\
    hlV/PpQEKTWUVeORWz83AiEA5x2eXZOVbUlJSGQgjwD5vaUaKlLR50Q2DmFfQj1L+SY=";

/// Its `x5t#S256`, also from RFC 8705 appendix A.
const CLIENT_X5T: &str = "A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v0";

/// The certificate of another client.
const OTHER: &[u8] = include_bytes!("../../data/localhost-cert.der");

/// The address of the proxy that these APIs trust.
const PROXY: &str = "10.0.0.7";

type ApiRequest = Request<Full<Bytes>>;

/// The DER encoding of [`CLIENT`].
fn client() -> Vec<u8> {
    BASE64_STANDARD.decode(CLIENT).unwrap()
}

/// An API that accepts certificate-bound tokens.
struct Api {
    idp: TestIssuer,
    auth: BearerAuth,
    protected: Protected,
}

impl Api {
    fn with(certificates: Certificates) -> Self {
        Self::configured(|builder| builder.certificates(certificates))
    }

    fn configured(configure: impl FnOnce(BearerAuthBuilder) -> BearerAuthBuilder) -> Self {
        let idp = TestIssuer::new();
        let auth = configure(idp.bearer_auth(API)).build().unwrap();
        Self { protected: Protected::by(&auth), idp, auth }
    }

    /// A new token that is bound to the certificate [`CLIENT`].
    fn bound(&self) -> String {
        self.idp.token(API).bound_to_certificate(client()).sign()
    }

    /// A new bearer token.
    fn unbound(&self) -> String {
        self.idp.token(API).sign()
    }

    async fn send(&self, request: ApiRequest) -> ApiResponse {
        self.protected.send(request).await
    }
}

/// The request, from a connection with this client certificate.
fn over(certificate: &[u8], mut request: ApiRequest) -> ApiRequest {
    request.extensions_mut().insert(ClientCertificate::from_der(certificate));
    request
}

/// The request, from this peer with these headers.
fn from_peer(peer: &str, headers: &[(&'static str, &str)], request: ApiRequest) -> ApiRequest {
    let mut request = with_headers(headers, request);
    request.extensions_mut().insert(PeerAddress(peer.parse().unwrap()));
    request
}

/// The request with these headers, from an unknown peer.
fn with_headers(headers: &[(&'static str, &str)], mut request: ApiRequest) -> ApiRequest {
    for (name, value) in headers {
        request.headers_mut().append(*name, value.parse().unwrap());
    }
    request
}

#[tokio::test(start_paused = true)]
async fn a_bound_token_is_accepted_with_its_own_certificate_only() {
    /// The state of a connection, as a server keeps it.
    struct Connection(ClientCertificate);

    let of_function = Certificates::from_fn(|head| {
        head.extensions.get::<Arc<Connection>>().map(|connection| connection.0.clone())
    });
    let with_trailing_octet = [client(), vec![0]].concat();
    for (name, certificate, expected) in [
        ("its own", Some(client()), ACCEPTED),
        ("another", Some(OTHER.to_vec()), Err(CertificateMismatch)),
        ("the first octets", Some(client()[..200].to_vec()), Err(CertificateMismatch)),
        ("an octet more", Some(with_trailing_octet), Err(CertificateMismatch)),
        ("an empty one", Some(Vec::new()), Err(CertificateMismatch)),
        ("none", None, Err(CertificateMissing)),
    ] {
        let of_connection = Api::with(Certificates::of_connection());
        let of_function = Api::with(of_function.clone());
        let (bound, bound_too) = (of_connection.bound(), of_function.bound());
        for attempt in ["uncached", "cached"] {
            let mut requests = [get(&bound), get(&bound_too)];
            if let Some(der) = &certificate {
                let certificate = ClientCertificate::from_der(&**der);
                requests[0].extensions_mut().insert(certificate.clone());
                requests[1].extensions_mut().insert(Arc::new(Connection(certificate)));
            }
            for (api, request) in [&of_connection, &of_function].into_iter().zip(requests) {
                api.send(request).await.assert_outcome(expected, &format!("{name}, {attempt}"));
                assert_eq!(api.auth.cached_tokens(), 1, "{name}: a valid token is cached");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_that_is_not_bound_needs_no_certificate_and_may_come_with_any() {
    let api = Api::with(Certificates::of_connection());
    for token in [api.unbound(), api.unbound()] {
        assert_eq!(api.send(get(&token)).await.outcome(), ACCEPTED);
        assert_eq!(api.send(over(OTHER, get(&token))).await.outcome(), ACCEPTED);
    }
}

#[tokio::test(start_paused = true)]
async fn a_renewed_certificate_needs_a_new_token() {
    let api = Api::with(Certificates::of_connection());
    let old = api.bound();
    let new = api.idp.token(API).bound_to_certificate(OTHER).sign();
    assert_eq!(api.send(over(&client(), get(&old))).await.outcome(), ACCEPTED);
    assert_eq!(api.send(over(OTHER, get(&old))).await.outcome(), Err(CertificateMismatch));
    assert_eq!(api.send(over(OTHER, get(&new))).await.outcome(), ACCEPTED);
}

#[tokio::test(start_paused = true)]
async fn without_the_setting_a_bound_token_is_rejected_whatever_the_request_has() {
    let api = Api::configured(|builder| builder);
    let header = format!(":{CLIENT}:");
    for (name, request) in [
        ("nothing", get(api.bound())),
        ("the connection", over(&client(), get(api.bound()))),
        ("a header", from_peer(PROXY, &[("client-cert", &header)], get(api.bound()))),
    ] {
        api.send(request).await.assert_outcome(Err(SenderNotProven), name);
    }
    let response = api.send(with_headers(&[("client-cert", &header)], get(api.unbound()))).await;
    assert_eq!(response.received().head.headers["client-cert"], header, "the header has no meaning");
}

#[tokio::test(start_paused = true)]
async fn a_confirmation_that_is_no_thumbprint_is_rejected_and_an_unknown_method_too() {
    let api = Api::with(Certificates::of_connection());
    let digest = BASE64_URL_SAFE.decode(format!("{CLIENT_X5T}=")).unwrap();
    let hex: String = digest.iter().map(|octet| format!("{octet:02x}")).collect();
    let x5t = |value: Value| json!({ "x5t#S256": value });
    for (cnf, expected) in [
        (x5t(json!(CLIENT_X5T)), ACCEPTED),
        (json!({"x5t#S256": CLIENT_X5T, "kid": "a"}), ACCEPTED),
        (x5t(json!(format!("{CLIENT_X5T}="))), Err(ClaimIllTyped)),
        (x5t(json!(hex)), Err(ClaimIllTyped)),
        (x5t(json!(&CLIENT_X5T[..42])), Err(ClaimIllTyped)),
        (x5t(json!("")), Err(ClaimIllTyped)),
        (x5t(json!(1)), Err(ClaimIllTyped)),
        (x5t(Value::Null), Err(ClaimIllTyped)),
        (x5t(json!([CLIENT_X5T])), Err(ClaimIllTyped)),
        (json!(CLIENT_X5T), Err(ClaimIllTyped)),
        (json!({}), Err(ClaimIllTyped)),
        (json!({"x5t": CLIENT_X5T}), Err(SenderNotProven)),
        (json!({"X5T#S256": CLIENT_X5T}), Err(SenderNotProven)),
    ] {
        let token = api.idp.token(API).claim("cnf", cnf.clone()).sign();
        api.send(over(&client(), get(token))).await.assert_outcome(expected, &cnf.to_string());
    }
}

#[tokio::test(start_paused = true)]
async fn an_introspection_response_binds_a_token_to_a_certificate() {
    let idp = TestIssuer::new();
    let builder = BearerAuth::builder(API).clock(idp.clock()).http_client(idp.http_client());
    let issuer = idp.issuer().introspect(idp.introspection().also_jwts());
    let auth = builder.issuer(issuer).certificates(Certificates::of_connection()).build().unwrap();
    let api = Api { protected: Protected::by(&auth), idp, auth };
    let opaque = || api.idp.token(API).bound_to_certificate(client()).opaque();
    for (name, token) in [("opaque", opaque()), ("JWT", api.bound())] {
        for (certificate, expected) in
            [(&client()[..], ACCEPTED), (OTHER, Err(CertificateMismatch)), (&client(), ACCEPTED)]
        {
            api.send(over(certificate, get(&token))).await.assert_outcome(expected, name);
        }
        api.send(get(&token)).await.assert_outcome(Err(CertificateMissing), name);
    }

    let (jwt, bound, unbound_opaque) = (api.unbound(), api.bound(), api.idp.token(API).opaque());
    let x5t = ClientCertificate::from_der(OTHER).thumbprint();
    api.idp.alter_introspection(move |response| {
        response.insert("cnf".to_owned(), json!({ "x5t#S256": x5t }));
    });
    for (name, token) in [("a JWT that says nothing", jwt), ("opaque", unbound_opaque)] {
        api.send(over(OTHER, get(&token))).await.assert_outcome(ACCEPTED, name);
        api.send(over(&client(), get(&token))).await.assert_outcome(Err(CertificateMismatch), name);
        api.send(get(&token)).await.assert_outcome(Err(CertificateMissing), name);
    }
    let response = api.send(over(&client(), get(bound))).await;
    response.assert_outcome(Err(IntrospectionMismatch), "the JWT is bound to another certificate");

    api.idp.alter_introspection(|response| drop(response.insert("cnf".to_owned(), json!("none"))));
    let response = api.send(over(&client(), get(opaque()))).await;
    response.assert_outcome(Err(ClaimIllTyped), "a confirmation in the response that confirms nothing");
}
