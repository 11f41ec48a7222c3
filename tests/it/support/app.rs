//! An app of one handler behind the layer, with a test issuer in memory; and what became of a request to it.

use std::convert::Infallible;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use serde_json::{Map, Value, json};
use tower::{Layer, ServiceExt, service_fn};
use tower_bearer::testing::{
    Endpoint, InMemoryClient, ParsedChallenge, TestIssuer, TokenBuilder, parse_challenges,
};
use tower_bearer::transport::{FetchFuture, FetchRequest, HttpClient};
use tower_bearer::{
    AccessToken, BearerAuth, BearerAuthBuilder, FormBodyToken, Issuer, Rejection, RejectionKind,
};

/// The issuer of the base token.
pub(crate) const ISSUER: &str = "https://login.example.com";
/// The audience of the base token.
pub(crate) const API: &str = "https://api.example.com";
/// The time that the clock stands at, in seconds since 1970.
pub(crate) const NOW: u64 = 1_800_000_000;
/// What may be asked for.
pub(crate) const CONFIGURED_URLS: [&str; 3] = [
    "https://login.example.com/.well-known/oauth-authorization-server",
    "https://login.example.com/.well-known/openid-configuration",
    "https://login.example.com/jwks",
];

/// The body of a request.
pub(crate) type Body = UnsyncBoxBody<Bytes, io::Error>;

/// The layer, the issuer that it trusts, and a log of what it fetched.
pub(crate) struct App {
    pub(crate) idp: TestIssuer,
    auth: BearerAuth,
    max_form_bytes: Option<usize>,
    fetched: Arc<Mutex<Vec<String>>>,
}

/// One call of the handler.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) token: Option<AccessToken>,
    /// `None` when it broke off.
    pub(crate) body: Option<Bytes>,
    pub(crate) trailers: Option<HeaderMap>,
    /// The extensions of the request, as `Debug` shows them.
    pub(crate) extensions: String,
}

/// What became of one request.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) rejection: Option<Rejection>,
    pub(crate) calls: Vec<Call>,
}

/// A test issuer of that name whose clock stands at [`NOW`].
pub(crate) fn issuer(identifier: &str) -> TestIssuer {
    let idp = TestIssuer::in_memory(identifier);
    idp.clock().set(at(NOW));
    idp
}

/// So many seconds after 1970.
pub(crate) fn at(secs: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(secs)
}

/// A token with the claims of the base token.
pub(crate) fn base(idp: &TestIssuer) -> TokenBuilder {
    idp.token(API).subject("alice").claim("client_id", "app").claim("jti", "1").scope("a b")
}

/// The claims of the base token without `left_out`, then `more` as it stands.
pub(crate) fn claims_json(left_out: &[&str], more: &str) -> String {
    let claims = json!({
        "iss": ISSUER, "aud": API, "sub": "alice", "client_id": "app", "jti": "1", "scope": "a b",
        "iat": NOW, "exp": NOW + 300,
    });
    without(claims, left_out, more)
}

/// The header of the base token without `left_out`, then `more` as it stands.
pub(crate) fn header_json(left_out: &[&str], more: &str) -> String {
    without(json!({"alg": "ES256", "typ": "at+jwt", "kid": "key-1"}), left_out, more)
}

fn without(members: Value, left_out: &[&str], more: &str) -> String {
    let members: Map<String, Value> = serde_json::from_value(members).unwrap();
    let kept: Map<String, Value> =
        members.into_iter().filter(|(name, _)| !left_out.contains(&name.as_str())).collect();
    let text = Value::Object(kept).to_string();
    match (more, text.as_str()) {
        ("", _) => text,
        (_, "{}") => format!("{{{more}}}"),
        _ => format!("{},{more}}}", text.strip_suffix('}').unwrap()),
    }
}

pub(crate) fn encode(octets: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(octets)
}

pub(crate) fn decode(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).unwrap()
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
    /// With the defaults, found by discovery.
    pub(crate) fn new() -> Self {
        Self::with(|builder| builder)
    }

    /// With other settings of the layer.
    pub(crate) fn with(configure: impl FnOnce(BearerAuthBuilder) -> BearerAuthBuilder) -> Self {
        let idp = issuer(ISSUER);
        let trusted = idp.issuer();
        Self::of(idp, trusted, configure)
    }

    /// With other settings of the issuer.
    pub(crate) fn with_issuer(configure: impl FnOnce(Issuer) -> Issuer) -> Self {
        let idp = issuer(ISSUER);
        let trusted = configure(idp.issuer());
        Self::of(idp, trusted, |builder| builder)
    }

    /// For the tokens of `idp`, by the rules of `trusted`.
    pub(crate) fn of(
        idp: TestIssuer,
        trusted: Issuer,
        configure: impl FnOnce(BearerAuthBuilder) -> BearerAuthBuilder,
    ) -> Self {
        Self::reaching(idp.http_client(), idp, trusted, configure)
    }

    /// The same, with a client that reaches more issuers.
    pub(crate) fn reaching(
        client: InMemoryClient,
        idp: TestIssuer,
        trusted: Issuer,
        configure: impl FnOnce(BearerAuthBuilder) -> BearerAuthBuilder,
    ) -> Self {
        let fetched = Arc::default();
        let client = WatchedClient { client, fetched: Arc::clone(&fetched) };
        let builder = BearerAuth::builder(API).clock(idp.clock()).http_client(client).issuer(trusted);
        Self { idp, auth: configure(builder).build().unwrap(), max_form_bytes: None, fetched }
    }

    /// The same, which takes tokens from forms of so many bytes.
    pub(crate) fn reading_forms(self, bytes: usize) -> Self {
        Self { max_form_bytes: Some(bytes), ..self }
    }

    /// The base token, before it is signed.
    pub(crate) fn token(&self) -> TokenBuilder {
        base(&self.idp)
    }

    /// The base token with these claims in place of its own.
    pub(crate) fn signed_claims(&self, claims: impl AsRef<[u8]>) -> String {
        self.token().sign_claims(claims)
    }

    /// The base token with this header in place of its own.
    pub(crate) fn signed_header(&self, header: impl AsRef<[u8]>) -> String {
        self.token().sign_header(header)
    }

    /// Sends `token` as it should be sent.
    pub(crate) async fn present(&self, token: &str) -> Answer {
        self.authorize(format!("Bearer {token}")).await
    }

    /// Sends a request with that `Authorization`.
    pub(crate) async fn authorize<V: TryInto<HeaderValue>>(&self, credentials: V) -> Answer {
        let Ok(credentials) = credentials.try_into() else { panic!("no header value") };
        self.send(Request::get("/").header(AUTHORIZATION, credentials).body(empty()).unwrap()).await
    }

    /// Sends a request.
    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let calls: Arc<Mutex<Vec<Call>>> = Arc::default();
        let response = match self.max_form_bytes {
            None => {
                let noted = Arc::clone(&calls);
                let handler = service_fn(move |request| handle(request, Arc::clone(&noted)));
                self.auth.layer(handler).oneshot(request).await.unwrap().map(BodyExt::boxed_unsync)
            }
            Some(bytes) => {
                let noted = Arc::clone(&calls);
                let handler = service_fn(move |request| handle(request, Arc::clone(&noted)));
                let service = FormBodyToken::up_to(bytes).layer(self.auth.layer(handler));
                service.oneshot(request).await.unwrap().map(BodyExt::boxed_unsync)
            }
        };
        let (head, body) = response.into_parts();
        Answer {
            status: head.status,
            headers: head.headers,
            body: body.collect().await.unwrap().to_bytes(),
            rejection: head.extensions.get().cloned(),
            calls: std::mem::take(&mut *calls.lock().unwrap()),
        }
    }

    /// Every URL that was asked for so far.
    pub(crate) fn fetched(&self) -> Vec<String> {
        self.fetched.lock().unwrap().clone()
    }

    /// Whatever was fetched came from the issuer that is configured.
    #[track_caller]
    pub(crate) fn assert_only_configured_urls_were_asked(&self) {
        for url in self.fetched() {
            assert!(CONFIGURED_URLS.contains(&url.as_str()), "{url} was asked");
        }
        assert_eq!(
            self.fetched().len(),
            self.idp.requests(Endpoint::Metadata) + self.idp.requests(Endpoint::Jwks)
        );
    }

    pub(crate) fn auth(&self) -> &BearerAuth {
        &self.auth
    }
}

async fn handle<B>(
    request: Request<B>,
    calls: Arc<Mutex<Vec<Call>>>,
) -> Result<Response<Full<Bytes>>, Infallible>
where
    B: http_body::Body<Data = Bytes>,
{
    let (head, body) = request.into_parts();
    let body = body.collect().await.ok();
    calls.lock().unwrap().push(Call {
        token: head.extensions.get().cloned(),
        trailers: body.as_ref().and_then(|body| body.trailers().cloned()),
        body: body.map(http_body_util::Collected::to_bytes),
        extensions: format!("{:?} {:?}", head.extensions, head.extensions.get::<AccessToken>()),
    });
    Ok(Response::new(Full::new(Bytes::from_static(b"done"))))
}

/// Writes down every URL before it is asked for.
struct WatchedClient {
    client: InMemoryClient,
    fetched: Arc<Mutex<Vec<String>>>,
}

impl HttpClient for WatchedClient {
    fn fetch(&self, request: FetchRequest) -> FetchFuture {
        self.fetched.lock().unwrap().push(request.request().uri().to_string());
        self.client.fetch(request)
    }
}

impl Answer {
    pub(crate) fn kind(&self) -> Option<RejectionKind> {
        self.rejection.as_ref().map(Rejection::kind)
    }

    /// The one challenge of the answer.
    #[track_caller]
    pub(crate) fn challenge(&self, name: &str) -> ParsedChallenge {
        let lines: Vec<&HeaderValue> = self.headers.get_all(WWW_AUTHENTICATE).into_iter().collect();
        assert_eq!(lines.len(), 1, "{name}: one line of WWW-Authenticate");
        let mut challenges = parse_challenges(lines[0]).unwrap();
        assert_eq!(challenges.len(), 1, "{name}: one challenge");
        challenges.remove(0)
    }

    /// The handler was called once, with a token.
    #[track_caller]
    pub(crate) fn assert_accepted(&self, name: &str) -> &AccessToken {
        assert_eq!((self.status, self.kind()), (StatusCode::OK, None), "{name}");
        assert_eq!(self.calls.len(), 1, "{name}: calls of the handler");
        assert!(self.headers.get(WWW_AUTHENTICATE).is_none(), "{name}: a challenge");
        self.calls[0].token.as_ref().expect(name)
    }

    /// The handler was not called, and the answer is the one of `kind` in all its parts.
    #[track_caller]
    pub(crate) fn assert_refused(&self, kind: RejectionKind, name: &str) {
        let (status, error) = expected(kind);
        assert_eq!((self.kind(), self.status.as_u16()), (Some(kind), status), "{name}");
        assert_eq!(self.calls.len(), 0, "{name}: calls of the handler");
        assert_eq!(self.headers.get(CACHE_CONTROL).unwrap(), "no-store", "{name}");
        assert_eq!(self.headers.get(CONTENT_TYPE).unwrap(), "application/json", "{name}");
        let body: Map<String, Value> = serde_json::from_slice(&self.body).unwrap();
        assert!(body["error"].is_string() && body["error_description"].is_string(), "{name}");
        if status == 503 {
            assert!(self.headers.get(WWW_AUTHENTICATE).is_none(), "{name}: a challenge");
            assert!(self.headers.get(RETRY_AFTER).is_some(), "{name}: no Retry-After");
            return;
        }
        let challenge = self.challenge(name);
        assert_eq!(challenge.scheme(), "Bearer", "{name}");
        assert_eq!(challenge.param("realm"), Some(API), "{name}");
        assert_eq!(challenge.param("error"), error, "{name}");
        assert_eq!(challenge.param("error_description").is_some(), error.is_some(), "{name}");
        assert_eq!(challenge.param("error_uri"), None, "{name}");
        if let Some(error) = error {
            assert_eq!(body["error"], error, "{name}");
        }
    }
}

/// The status and the error code of a kind, from RFC 6750 section 3.1 and not from the crate.
fn expected(kind: RejectionKind) -> (u16, Option<&'static str>) {
    match kind {
        RejectionKind::Missing => (401, None),
        RejectionKind::MalformedRequest | RejectionKind::TokenTooLarge => (400, Some("invalid_request")),
        RejectionKind::BodyTooLarge => (413, Some("invalid_request")),
        RejectionKind::KeysUnavailable => (503, None),
        RejectionKind::ScopeInsufficient
        | RejectionKind::RequirementUnmet
        | RejectionKind::NotCovered
        | RejectionKind::ClaimsMismatch => panic!("{kind} is the business of other tests"),
        _ => (401, Some("invalid_token")),
    }
}
