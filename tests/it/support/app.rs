//! An API that trusts one test issuer in memory, and the base token that the tests alter.

use std::io;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderValue, Request};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use serde_json::{Map, Value, json};
use tower::Layer;
use tower_bearer::testing::{Endpoint, InMemoryClient, TestIssuer, TokenBuilder};
use tower_bearer::{BearerAuth, BearerAuthBuilder, FormBodyToken, Issuer};

use super::log::enable_all_events;
use super::net::Net;
use super::protected::{API, ApiResponse, Handler, ISSUER, send};

/// The time at which the clock stands, in seconds since 1970.
pub(crate) const NOW: u64 = 1_800_000_000;
/// The only URLs that an [`App`] may fetch.
pub(crate) const CONFIGURED_URLS: [&str; 3] = [
    "https://login.example.com/.well-known/oauth-authorization-server",
    "https://login.example.com/.well-known/openid-configuration",
    "https://login.example.com/jwks",
];

/// The body of a request.
pub(crate) type Body = UnsyncBoxBody<Bytes, io::Error>;

/// A `BearerAuth`, the test issuer that it trusts, and the network between them.
pub(crate) struct App {
    pub(crate) idp: TestIssuer,
    pub(crate) net: Net,
    pub(crate) auth: BearerAuth,
    max_form_bytes: Option<usize>,
}

/// A test issuer with this identifier, whose clock stands at [`NOW`].
pub(crate) fn issuer(identifier: &str) -> TestIssuer {
    let idp = TestIssuer::in_memory(identifier);
    idp.clock().set(at(NOW));
    idp
}

/// This many seconds after the start of 1970.
pub(crate) fn at(secs: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(secs)
}

/// The base token, before it is signed.
pub(crate) fn base(idp: &TestIssuer) -> TokenBuilder {
    idp.token(API).subject("alice").claim("client_id", "app").claim("jti", "1").scope("a b")
}

/// The claims of the base token without those named in `left_out`, followed by the JSON text `more`.
pub(crate) fn claims_json(left_out: &[&str], more: &str) -> String {
    let claims = json!({
        "iss": ISSUER, "aud": API, "sub": "alice", "client_id": "app", "jti": "1", "scope": "a b",
        "iat": NOW, "exp": NOW + 300,
    });
    without(claims, left_out, more)
}

/// The header of the base token without the members named in `left_out`, followed by the JSON text `more`.
pub(crate) fn header_json(left_out: &[&str], more: &str) -> String {
    without(json!({"alg": "ES256", "typ": "at+jwt", "kid": "key-1"}), left_out, more)
}

fn without(members: Value, left_out: &[&str], more: &str) -> String {
    let members: Map<String, Value> = serde_json::from_value(members).unwrap();
    let rest: Map<String, Value> =
        members.into_iter().filter(|(name, _)| !left_out.contains(&name.as_str())).collect();
    let text = Value::Object(rest).to_string();
    match (more, text.as_str()) {
        ("", _) => text,
        (_, "{}") => format!("{{{more}}}"),
        _ => format!("{},{more}}}", text.strip_suffix('}').unwrap()),
    }
}

/// The three parts of a token.
pub(crate) fn parts(token: &str) -> [&str; 3] {
    let parts: Vec<&str> = token.split('.').collect();
    parts.try_into().unwrap()
}

pub(crate) fn empty() -> Body {
    full("")
}

pub(crate) fn full(text: impl Into<Bytes>) -> Body {
    Full::new(text.into()).map_err(|never| match never {}).boxed_unsync()
}

impl App {
    /// Discovers an issuer; all settings have their defaults.
    pub(crate) fn new() -> Self {
        Self::with(|builder| builder)
    }

    /// Changes the settings of the layer.
    pub(crate) fn with(configure: impl FnOnce(BearerAuthBuilder) -> BearerAuthBuilder) -> Self {
        let idp = issuer(ISSUER);
        let trusted = idp.issuer();
        Self::of(idp, trusted, configure)
    }

    /// Changes the settings of the issuer.
    pub(crate) fn with_issuer(configure: impl FnOnce(Issuer) -> Issuer) -> Self {
        let idp = issuer(ISSUER);
        let trusted = configure(idp.issuer());
        Self::of(idp, trusted, |builder| builder)
    }

    /// Trusts `idp` as configured in `trusted`.
    pub(crate) fn of(
        idp: TestIssuer,
        trusted: Issuer,
        configure: impl FnOnce(BearerAuthBuilder) -> BearerAuthBuilder,
    ) -> Self {
        Self::reaching(idp.http_client(), idp, trusted, configure)
    }

    /// Like [`Self::of`], with a client that reaches more issuers.
    pub(crate) fn reaching(
        client: InMemoryClient,
        idp: TestIssuer,
        trusted: Issuer,
        configure: impl FnOnce(BearerAuthBuilder) -> BearerAuthBuilder,
    ) -> Self {
        enable_all_events();
        let net = Net::over(client);
        let builder = BearerAuth::builder(API).clock(idp.clock()).http_client(net.clone()).issuer(trusted);
        Self { idp, net, auth: configure(builder).build().unwrap(), max_form_bytes: None }
    }

    /// Adds a `FormBodyToken` layer with this limit.
    pub(crate) fn reading_forms(self, max_bytes: usize) -> Self {
        Self { max_form_bytes: Some(max_bytes), ..self }
    }

    /// The base token, before it is signed.
    pub(crate) fn token(&self) -> TokenBuilder {
        base(&self.idp)
    }

    /// The base token with these claims instead of its own.
    pub(crate) fn signed_claims(&self, claims: impl AsRef<[u8]>) -> String {
        self.token().sign_claims(claims)
    }

    /// The base token with this header instead of its own.
    pub(crate) fn signed_header(&self, header: impl AsRef<[u8]>) -> String {
        self.token().sign_header(header)
    }

    /// Sends a GET with `Authorization: Bearer <token>`.
    pub(crate) async fn present(&self, token: &str) -> ApiResponse {
        self.authorize(format!("Bearer {token}")).await
    }

    /// Sends a GET with this `Authorization`.
    pub(crate) async fn authorize<V: TryInto<HeaderValue>>(&self, credentials: V) -> ApiResponse {
        let Ok(credentials) = credentials.try_into() else { panic!("not a header value") };
        self.send(Request::get("/").header(AUTHORIZATION, credentials).body(empty()).unwrap()).await
    }

    /// Sends a request, and checks that the handler was called once if the response is its own, else never.
    pub(crate) async fn send(&self, request: Request<Body>) -> ApiResponse {
        let handler = Handler::default();
        let response = match self.max_form_bytes {
            None => send(self.auth.layer(handler.clone()), request).await,
            Some(max_bytes) => {
                let service = self.auth.layer(handler.clone());
                send(FormBodyToken::up_to(max_bytes).layer(service), request).await
            }
        };
        assert_eq!(handler.calls(), usize::from(response.is_from_handler()), "calls of the handler");
        response
    }

    /// Asserts that every request went to the configured issuer.
    #[track_caller]
    pub(crate) fn assert_fetched_only_configured_urls(&self) {
        for url in self.net.urls() {
            assert!(CONFIGURED_URLS.contains(&url.as_str()), "{url} was fetched");
        }
        assert_eq!(
            self.net.total(),
            self.idp.requests(Endpoint::Metadata) + self.idp.requests(Endpoint::Jwks)
        );
    }
}
