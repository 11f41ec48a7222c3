//! Rejections, log events, `explain()` and configuration errors (RFC 6750 section 3, RFC 9110 section
//! 11.6.1).

use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::request::Parts;
use http::{Method, Request, Response, Version};
use http_body_util::Full;
use serde_json::json;
use tower::Layer;
use tower_bearer::builder::ConfigProblem;
use tower_bearer::diagnostics::CheckResult;
use tower_bearer::resource_metadata::ResourceMetadata;
use tower_bearer::revocation::{Revocations, Revoke};
use tower_bearer::testing::{Fault, TestIssuer, TokenBuilder};
use tower_bearer::{
    Algorithm, BearerAuth, BearerAuthBuilder, ClientAuth, FormBodyToken, Introspection, Issuer, Rejection,
    RejectionKind, Require, TokenSource,
};
use tracing::Level;

use crate::support::keys::{encode, unknown_kid};
use crate::support::log::{Log, leaked_pieces};
use crate::support::protected::{
    ACCEPTED, API, ApiResponse, Handler, Protected, anonymous, as_grpc, get, send,
};

/// An issuer whose rate limit for unknown keys is used up.
const BUSY: &str = "https://busy.example";

/// An API that can reject requests as every kind.
struct Rejecting {
    idp: TestIssuer,
    auth: BearerAuth,
}

impl Rejecting {
    /// Configures every limit that a kind needs.
    async fn new(change: impl FnOnce(BearerAuthBuilder) -> BearerAuthBuilder) -> Self {
        let idp = TestIssuer::new();
        let issuer = idp
            .issuer()
            .max_age(Duration::from_secs(3600))
            .max_lifetime(Duration::from_secs(7200))
            .allowed_clients(["client"])
            .validate(|claims| claims.get("org").is_none())
            .introspect(
                introspection(TestIssuer::CLIENT_SECRET)
                    .opaque_prefix("op_")
                    .also_jwts_when(|token| token.subject() == Some("swapped")),
            );
        idp.alter_introspection(|response| {
            response.insert("sub".to_owned(), "another".into());
        });
        let down = TestIssuer::in_memory("https://down.example");
        down.set_outage(Some(Fault::Refuse));
        let strict = TestIssuer::in_memory("https://strict.example");
        let busy = TestIssuer::in_memory(BUSY);
        let revocations = Revocations::new().clock(idp.clock());
        revocations.revoke(Revoke::token("https://issuer.test", "revoked")).unwrap();
        let builder = BearerAuth::builder(API)
            .revocations(revocations)
            .issuer(issuer)
            .add_issuer(
                down.issuer().introspect(introspection(TestIssuer::CLIENT_SECRET).opaque_prefix("down_")),
            )
            .add_issuer(strict.issuer().introspect(introspection("not-the-secret").opaque_prefix("strict_")))
            .add_issuer(busy.issuer())
            .jwks_cooldown(Duration::from_secs(24 * 3600))
            .http_client(
                idp.http_client().and(down.http_client()).and(strict.http_client()).and(busy.http_client()),
            )
            .clock(idp.clock())
            .add_token_source(TokenSource::query());
        let auth = change(builder).build().unwrap();
        for kid in ["first", "second"] {
            Protected::by(&auth).send(get(unknown_kid(BUSY, kid))).await;
        }
        Self { auth, idp }
    }

    fn token(&self) -> TokenBuilder {
        self.idp.token(API)
    }

    fn now(&self) -> u64 {
        use tower_bearer::time::Clock;
        self.idp.clock().now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
    }

    /// A token that is rejected as this kind, if a token can cause it.
    fn bad_token(&self, kind: RejectionKind) -> Option<String> {
        use RejectionKind as K;
        let (token, now) = (self.token(), self.now());
        let forged = || {
            let valid = token.sign();
            format!("{}.{}", valid.rsplit_once('.').unwrap().0, encode([9; 64]))
        };
        Some(match kind {
            K::MalformedRequest => "a b".to_owned(),
            K::TokenTooLarge => "a".repeat(16 * 1024 + 1),
            K::TokenMalformed => token.sign_claims("[]"),
            K::TokenOpaque => "mF_9.B5f-4.1JqM.mF_9.B5f-4".to_owned(),
            K::TokenInactive => "op_mF_9B5f-41JqMmF_9B5f-4".to_owned(),
            K::TokenRevoked => token.claim("jti", "revoked").sign(),
            K::IntrospectionMismatch => token.subject("swapped").sign(),
            K::AlgorithmNotAllowed => token.header("alg", "none").sign(),
            K::CriticalHeaderUnsupported => token.header("crit", json!(["exp"])).sign(),
            K::TypeMismatch => token.header("typ", "logout+jwt").sign(),
            K::IdTokenPresented => token.claim("at_hash", "x").sign(),
            K::IssuerUnknown => token.claim("iss", "https://evil.example").sign(),
            K::KeyUnknown => token.header("kid", "nobody").sign(),
            K::SignatureMismatch => forged(),
            K::TokenExpired => token.claim("exp", now - 31).sign(),
            K::TokenNotYetValid => token.claim("nbf", now + 60).sign(),
            K::TokenIssuedInFuture => token.claim("iat", now + 60).sign(),
            K::AudienceMismatch => token.claim("aud", "https://other.example").sign(),
            K::ClaimMissing => token.without("exp").sign(),
            K::ClaimIllTyped => token.claim("sub", 5).sign(),
            K::SenderNotProven => {
                token.claim("cnf", json!({"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"})).sign()
            }
            K::TokenTooOld => token.claim("iat", now - 3700).sign(),
            K::LifetimeTooLong => token.claim("exp", now + 7300).sign(),
            K::ClientNotAllowed => token.claim("client_id", "other").sign(),
            K::ClaimsRejected => token.claim("org", "other").sign(),
            K::KeysUnavailable => token.claim("iss", "https://down.example").sign(),
            K::KeyUnconfirmed => unknown_kid(BUSY, "third"),
            K::IntrospectionUnavailable => "down_mF_9B5f-41JqMmF_9B5f-4".to_owned(),
            K::IntrospectionMisconfigured => "strict_mF_9B5f-41JqMmF_9B5f-4".to_owned(),
            K::AuthenticationInsufficient | K::AuthContextMissing => token.sign(),
            K::ScopeInsufficient => token.scope("b").sign(),
            K::RequirementUnmet => token.scope("a").sign(),
            _ => return None,
        })
    }

    /// The response to a request that is rejected as this kind. A request with more header fields is a POST
    /// over HTTP/2.
    async fn response(&self, kind: RejectionKind, fields: &[(&'static str, &'static str)]) -> ApiResponse {
        let mut request = match (self.bad_token(kind), kind) {
            (Some(token), _) => get(token),
            (None, RejectionKind::BodyTooLarge) => form(b"access_token=abcdefghijklmnopqrstuvwxyz"),
            (None, RejectionKind::NotCovered) => get(self.token().sign()),
            (None, _) => anonymous("GET"),
        };
        for (name, value) in fields {
            *request.method_mut() = Method::POST;
            *request.version_mut() = Version::HTTP_2;
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        let handler = Handler::default();
        let route = match kind {
            RejectionKind::RequirementUnmet => Require::scope("a").check(|_, _| false),
            RejectionKind::AuthenticationInsufficient => Require::token().acr_any(["mfa"]),
            RejectionKind::AuthContextMissing => Require::token().entra_auth_context("c1"),
            RejectionKind::ScopeInsufficient => Require::scope("orders:read a"),
            RejectionKind::NotCovered => return send(Require::token().layer(handler), request).await,
            _ => Require::token(),
        };
        let form = FormBodyToken::up_to(16);
        send(form.layer(self.auth.layer(route.layer(handler))), request).await
    }
}

/// The header fields that make a POST over HTTP/2 a gRPC call.
const GRPC: [(&str, &str); 2] = [("te", "trailers"), ("content-type", "application/grpc")];

/// Introspection with the client that every test issuer knows.
fn introspection(secret: &str) -> Introspection {
    Introspection::with(ClientAuth::secret_basic(TestIssuer::CLIENT_ID, secret))
}

/// A POST with a form body.
fn form(body: &'static [u8]) -> Request<Full<Bytes>> {
    let mut request = anonymous("POST");
    request.headers_mut().insert(CONTENT_TYPE, "application/x-www-form-urlencoded".parse().unwrap());
    *request.body_mut() = Full::new(Bytes::from_static(body));
    request
}

/// The kinds of a layer that accepts bearer tokens. Another kind is raised by an extractor.
fn kinds() -> impl Iterator<Item = RejectionKind> {
    let of_layer = |kind: &RejectionKind| *kind != RejectionKind::ClaimsMismatch && !is_of_sender(*kind);
    RejectionKind::ALL.iter().copied().filter(of_layer)
}

/// Whether only a `BearerAuth` that accepts DPoP proofs or client certificates raises this kind.
fn is_of_sender(kind: RejectionKind) -> bool {
    let label = kind.as_str();
    let starts = ["proof", "replay_store", "certificate", "peer_address", "token_not_bound"];
    starts.iter().any(|start| label.starts_with(start))
}

/// Whether a route raises this kind, for a token that is valid elsewhere.
fn is_of_route(kind: RejectionKind) -> bool {
    use RejectionKind as K;
    matches!(
        kind,
        K::AuthenticationInsufficient | K::AuthContextMissing | K::ScopeInsufficient | K::RequirementUnmet
    )
}

#[tokio::test(start_paused = true)]
async fn every_kind_has_its_status_challenge_and_body() {
    let rejecting = Rejecting::new(|builder| builder).await;
    let mut codes = BTreeSet::new();
    let mut texts = HashSet::new();
    for kind in kinds() {
        let response = rejecting.response(kind, &[]).await;
        assert_eq!(response.outcome(), Err(kind), "the table in `support` holds");
        assert_eq!(response.status(), kind.status().as_u16(), "{kind}");
        let body = response.json();
        assert_eq!(body.as_object().unwrap().len(), 2, "{kind}: {body}");
        assert!(
            texts.insert(body["error_description"].to_string()),
            "{kind}: another kind has the same description"
        );
        if let Some(challenge) = response.challenge() {
            let line = response.header(WWW_AUTHENTICATE).unwrap();
            assert!(line.starts_with(&format!(r#"Bearer realm="{API}""#)), "{line}");
            codes.extend(challenge.param("error").map(str::to_owned));
            if kind != RejectionKind::Missing {
                assert_eq!(challenge.param("error").unwrap(), body["error"], "{kind}");
                assert_eq!(
                    challenge.param("error_description").unwrap(),
                    body["error_description"],
                    "{kind}"
                );
            }
            let scope = (kind == RejectionKind::ScopeInsufficient).then_some("orders:read a");
            assert_eq!(challenge.param("scope"), scope, "{kind}");
        }
    }
    let expected = [
        "insufficient_claims",
        "insufficient_scope",
        "insufficient_user_authentication",
        "invalid_request",
        "invalid_token",
    ];
    assert_eq!(codes, expected.map(str::to_owned).into());

    // A HEAD gets the same headers.
    for kind in [RejectionKind::Missing, RejectionKind::TokenExpired] {
        let mut request = rejecting.bad_token(kind).map_or_else(|| anonymous("GET"), get);
        *request.method_mut() = Method::HEAD;
        assert_eq!(Protected::by(&rejecting.auth).send(request).await.outcome(), Err(kind));
    }
    // Two tokens that are rejected as the same kind get the same response, byte for byte.
    let api = Protected::by(&rejecting.auth);
    let expired = |subject: &str| rejecting.token().subject(subject).expired().sign();
    let (one, other) = (api.get(expired("alice")).await, api.get(expired("bob")).await);
    assert_eq!((one.headers(), &one.body), (other.headers(), &other.body));
}

#[tokio::test(start_paused = true)]
async fn omit_error_descriptions_leaves_only_error_codes() {
    let rejecting = Rejecting::new(BearerAuthBuilder::omit_error_descriptions).await;
    for kind in kinds().filter(|kind| *kind != RejectionKind::NotCovered) {
        let response = rejecting.response(kind, &[]).await;
        response.check_rejection(kind);
        let body = response.json();
        assert_eq!(body.as_object().unwrap().keys().collect::<Vec<_>>(), ["error"], "{kind}");
        if let Some(challenge) = response.challenge() {
            assert_eq!(challenge.param("error_description"), None, "{kind}");
        }
    }
    let response = rejecting.response(RejectionKind::TokenExpired, &GRPC).await;
    assert_eq!((response.header("grpc-status"), response.header("grpc-message")), (Some("16"), None));
}

#[tokio::test(start_paused = true)]
async fn on_reject_replaces_the_body_and_cannot_drop_the_challenge() {
    let write = |rejection: &Rejection, _: &Parts| {
        let mut response = Response::new(Bytes::from(format!("<p>{}</p>", rejection.kind())));
        *response.status_mut() = http::StatusCode::OK;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, "text/html".parse().unwrap());
        headers.insert("x-own", "1".parse().unwrap());
        headers.insert(CACHE_CONTROL, "max-age=600".parse().unwrap());
        headers.insert(RETRY_AFTER, "9999".parse().unwrap());
        headers.append(WWW_AUTHENTICATE, "Basic realm=\"x\"".parse().unwrap());
        headers.append(WWW_AUTHENTICATE, "Negotiate".parse().unwrap());
        response
    };
    let rejecting = Rejecting::new(|builder| builder.on_reject(write)).await;
    for kind in kinds().filter(|kind| *kind != RejectionKind::NotCovered) {
        let response = rejecting.response(kind, &[]).await;
        response.check_rejection(kind);
        assert_eq!(response.body, format!("<p>{kind}</p>"), "{kind}");
        assert_eq!((response.header(CONTENT_TYPE), response.header("x-own")), (Some("text/html"), Some("1")));
        assert_ne!(response.header(RETRY_AFTER), Some("9999"), "{kind}");
        assert_eq!(response.rejection().unwrap().kind(), kind);
    }
}

#[tokio::test(start_paused = true)]
async fn on_reject_receives_the_head_of_the_request() {
    let write = |_: &Rejection, head: &Parts| {
        let header = head.headers.get("x-request-id").map(|id| id.as_bytes().to_vec());
        Response::new(Bytes::from(header.unwrap_or_default()))
    };
    let rejecting = Rejecting::new(|builder| builder.on_reject(write)).await;
    let response = rejecting.response(RejectionKind::TokenExpired, &[("x-request-id", "r-17")]).await;
    assert_eq!(response.body, "r-17");
}

#[tokio::test(start_paused = true)]
async fn on_reject_receives_credentials_that_debug_hides() {
    let write = |_: &Rejection, head: &Parts| Response::new(Bytes::from(format!("{head:?}")));
    let rejecting = Rejecting::new(|builder| builder.on_reject(write)).await;
    let token = rejecting.idp.token(API).expired().sign();
    let response = Protected::by(&rejecting.auth).get(&token).await;
    assert_eq!(response.status(), 401);
    let text = String::from_utf8(response.body.to_vec()).unwrap();
    assert!(text.contains("authorization"), "{text}");
    assert_eq!(leaked_pieces(&text, &token, 10), Vec::<&str>::new());
}

#[tokio::test(start_paused = true)]
async fn every_challenge_names_the_resource_metadata_whatever_writes_the_response() {
    const URL: &str = "https://api.example.com/.well-known/oauth-protected-resource/mcp";
    type Change = fn(BearerAuthBuilder) -> BearerAuthBuilder;
    let changes: [(&str, Change); 3] = [
        ("default", |builder| builder),
        ("on_reject", |builder| {
            builder.on_reject(|_, _| {
                let challenge = "Bearer resource_metadata=\"https://evil.example\"";
                Response::builder().header(WWW_AUTHENTICATE, challenge).body(Bytes::new()).unwrap()
            })
        }),
        ("no descriptions", BearerAuthBuilder::omit_error_descriptions),
    ];
    for (name, change) in changes {
        let metadata = ResourceMetadata::at("https://api.example.com/mcp").scope_hint(["a"]);
        let rejecting = Rejecting::new(|builder| change(builder.resource_metadata(metadata))).await;
        for kind in kinds().filter(|kind| *kind != RejectionKind::BodyTooLarge) {
            for headers in [&[][..], &GRPC] {
                let response = rejecting.response(kind, headers).await;
                let challenge = response.challenge();
                assert_eq!(challenge.is_some(), kind.status().as_u16() < 500, "{name}: {kind}");
                let url = challenge.as_ref().map(|challenge| challenge.resource_metadata().unwrap());
                assert_eq!(url, challenge.is_some().then_some(URL), "{name}: {kind} {headers:?}");
            }
        }
    }
}

/// Proxies with forward authentication (nginx `auth_request`) take a 200 for an accepted request. In each row
/// one thing is not as in a gRPC call.
#[tokio::test(start_paused = true)]
async fn a_rejection_has_status_200_only_for_grpc_calls() {
    const HTTP_2: Version = Version::HTTP_2;
    let rejecting = Rejecting::new(|builder| builder).await;
    for (method, version, te, content_type) in [
        ("GET", HTTP_2, "trailers", "application/grpc"),
        ("PUT", HTTP_2, "trailers", "application/grpc"),
        ("OPTIONS", HTTP_2, "trailers", "application/grpc"),
        ("POST", Version::HTTP_11, "trailers", "application/grpc"),
        ("POST", Version::HTTP_10, "trailers", "application/grpc"),
        ("POST", HTTP_2, "", "application/grpc"),
        ("POST", HTTP_2, "gzip", "application/grpc"),
        ("POST", HTTP_2, "trailersx", "application/grpc"),
        ("POST", HTTP_2, "trailers", ""),
        ("POST", HTTP_2, "trailers", "application/grpcfoo"),
        ("POST", HTTP_2, "trailers", "application/grpc-foo"),
        ("POST", HTTP_2, "trailers", "application/grpc+"),
        ("POST", HTTP_2, "trailers", "application/grpc proto"),
        ("POST", HTTP_2, "trailers", "text/plain; application/grpc"),
        ("POST", HTTP_2, "trailers", "text/plain, application/grpc"),
        ("GET", HTTP_2, "trailers", "application/grpc-web"),
        ("POST", HTTP_2, "trailers", "application/grpc-webx"),
        ("POST", HTTP_2, "trailers", "application/grpc-web-textx"),
        ("POST", HTTP_2, "trailers", "application/grpc-web-text+"),
    ] {
        let mut request = anonymous(method);
        *request.version_mut() = version;
        for (name, value) in [("te", te), ("content-type", content_type)] {
            if !value.is_empty() {
                request.headers_mut().insert(name, value.parse().unwrap());
            }
        }
        let response = send(rejecting.auth.layer(Handler::default()), request).await;
        let row = format!("{method} {version:?} te: {te} content-type: {content_type}");
        assert_eq!((response.status(), response.header("grpc-status")), (401, None), "{row}");
    }
    let mut request = anonymous("POST");
    as_grpc(&mut request);
    request.headers_mut().append(CONTENT_TYPE, "text/plain".parse().unwrap());
    let response = send(rejecting.auth.layer(Handler::default()), request).await;
    assert_eq!(response.status(), 401, "two content types");
}

#[tokio::test(start_paused = true)]
async fn without_grpc_every_call_gets_the_status_and_body_of_the_kind() {
    let rejecting = Rejecting::new(|builder| builder.grpc(false)).await;
    for content_type in ["application/grpc", "application/grpc-web", "application/grpc-web-text"] {
        // No `BearerAuth` covers a request that is `not_covered`, so no setting applies to it.
        let without = [RejectionKind::BodyTooLarge, RejectionKind::NotCovered];
        for kind in kinds().filter(|kind| !without.contains(kind)) {
            let fields = [("te", "trailers"), ("content-type", content_type)];
            let response = rejecting.response(kind, &fields).await;
            let plain = rejecting.response(kind, &[]).await;
            assert_eq!(response.status(), kind.status().as_u16(), "{kind}");
            assert_eq!(response.header("grpc-status"), None, "{kind}");
            assert_eq!(response.body, plain.body, "{kind}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_grpc_web_call_over_http_1_gets_a_response_in_its_own_form() {
    let auth = Rejecting::new(|builder| builder).await.auth;
    for (asked, answered) in [
        ("application/grpc-web", "application/grpc-web"),
        ("application/grpc-web+proto", "application/grpc-web"),
        ("Application/gRPC-Web; charset=utf-8", "application/grpc-web"),
        ("application/grpc-web-text", "application/grpc-web-text"),
        ("application/grpc-web-text+proto", "application/grpc-web-text"),
    ] {
        let mut request = anonymous("POST");
        request.headers_mut().insert(CONTENT_TYPE, asked.parse().unwrap());
        let response = send(auth.layer(Handler::default()), request).await;
        assert_eq!((response.status(), response.header("grpc-status")), (200, Some("16")), "{asked}");
        assert_eq!(response.header(CONTENT_TYPE), Some(answered), "{asked}");
        assert!(response.body.is_empty(), "{asked}");
    }
}

#[tokio::test(start_paused = true)]
async fn grpc_requests_get_trailers_only_responses() {
    let rejecting =
        Rejecting::new(|builder| builder.on_reject(|_, _| Response::new(Bytes::from_static(b"own")))).await;
    for (content_type, own) in [
        ("application/grpc", "application/grpc"),
        ("application/grpc+proto", "application/grpc"),
        ("application/grpc;x=y", "application/grpc"),
        ("application/grpc-web", "application/grpc-web"),
    ] {
        for kind in kinds().filter(|kind| *kind != RejectionKind::BodyTooLarge) {
            let fields = [("te", "trailers"), ("content-type", content_type)];
            let response = rejecting.response(kind, &fields).await;
            let status = match kind.status().as_u16() {
                400 => "3",
                401 => "16",
                403 => "7",
                500 => "13",
                _ => "14",
            };
            assert_eq!(response.status(), 200, "{kind}");
            assert_eq!(response.header("grpc-status"), Some(status), "{kind}");
            let rejection = response.rejection().unwrap();
            assert_eq!(rejection.kind(), kind);
            assert_eq!(response.header("grpc-message"), Some(rejection.description()), "{kind}");
            assert_eq!(response.header(CONTENT_TYPE), Some(own), "{kind}");
            assert_eq!(response.header(CACHE_CONTROL), Some("no-store"), "{kind}");
            assert!(response.body.is_empty(), "{kind}: a body");
            let plain = rejecting.response(kind, &[]).await;
            for name in [WWW_AUTHENTICATE, RETRY_AFTER] {
                assert_eq!(
                    response.headers().contains_key(&name),
                    plain.headers().contains_key(&name),
                    "{kind}"
                );
            }
            assert_eq!(response.header(WWW_AUTHENTICATE), plain.header(WWW_AUTHENTICATE), "{kind}");
        }
    }
    let plain =
        rejecting.response(RejectionKind::TokenExpired, &[("content-type", "application/json")]).await;
    assert_eq!((plain.status(), plain.header("grpc-status")), (401, None));
}

#[tokio::test(start_paused = true)]
async fn a_challenge_holds_only_allowed_characters() {
    let idp = TestIssuer::new();
    let api = Protected::by(&idp.bearer_auth(API).build().unwrap());
    // No text of this crate contains "zq", so its presence in a response would be a leak.
    let hostile = "zq\"zq\\zq\r\nzq: zq\0zq\u{e9}zq\u{1f600}zq";
    let token = || idp.token(API);
    let tokens = [
        token().header("kid", hostile).sign(),
        token().header("alg", hostile).sign(),
        token().header("typ", hostile).sign(),
        token().header("crit", json!([hostile])).sign(),
        token().header(hostile, 1).header("crit", json!([])).sign(),
        token().claim("iss", hostile).sign(),
        token().claim("aud", hostile).sign(),
        token().claim("sub", json!([hostile])).sign(),
        token().claim("scope", hostile).claim("exp", 0).sign(),
        token().claim("scope", json!([hostile, 1])).sign(),
        token().claim(hostile, 1).claim("cnf", 1).sign(),
    ];
    for token in tokens {
        let response = api.get(token).await;
        assert_ne!(response.outcome(), ACCEPTED);
        let shown = format!("{:?} {:?}", response.headers(), response.body);
        assert!(!shown.contains("zq"), "{shown}");
        for value in response.headers().values() {
            assert!(value.as_bytes().iter().all(|byte| (b' '..=b'~').contains(byte)), "{value:?}");
        }
        let description = response.challenge().unwrap().param("error_description").unwrap().to_owned();
        assert!(description.bytes().all(|byte| matches!(byte, 0x20..=0x21 | 0x23..=0x5B | 0x5D..=0x7E)));
    }

    for realm in ["a\"b", "a\\b", "a\\", "\"", "x, Basic realm=\"y", "a b"] {
        let auth = idp.bearer_auth(API).realm(realm).build().unwrap();
        let response = Protected::by(&auth).send(anonymous("GET")).await;
        assert_eq!(response.outcome(), Err(RejectionKind::Missing));
        assert_eq!(response.challenge().unwrap().param("realm"), Some(realm));
    }
    for realm in ["a\r\nb", "a\nb", "a\0", "\u{e9}", "\t", "\u{7f}", ""] {
        let error = idp.bearer_auth(API).realm(realm).build().unwrap_err();
        let [problem] = error.problems() else { panic!("{error}") };
        assert!(matches!(problem, ConfigProblem::RealmUnusable { realm: of, .. } if of == realm), "{error}");
    }
    // An audience that is not a valid realm is replaced by the default.
    let auth = idp.bearer_auth("\u{e9}").build().unwrap();
    let response = Protected::by(&auth).send(anonymous("GET")).await;
    assert_eq!(response.challenge().unwrap().param("realm"), Some("api"));

    let auth = idp.bearer_auth(API).build().unwrap();
    for scope in ["a\"b", "a\\b", "\u{e9}", "a\r\nb", "a\tb"] {
        for route in [Require::scope(scope), Require::all_of([scope]), Require::any_of([scope])] {
            let response =
                send(auth.layer(route.layer(Handler::default())), get(token().scope(scope).sign()));
            let response = response.await;
            assert_eq!(
                response.outcome(),
                Err(RejectionKind::ScopeInsufficient),
                "{scope:?}: no token can have this scope"
            );
            assert_eq!(response.challenge().unwrap().param("scope"), None, "{scope:?}");
        }
    }
    let route = Require::all_of(["orders:read", "!#[]~"]);
    let response = send(auth.layer(route.layer(Handler::default())), get(token().sign())).await;
    assert_eq!(response.challenge().unwrap().param("scope"), Some("orders:read !#[]~"));
}

#[tokio::test(start_paused = true)]
async fn no_part_of_the_token_is_logged_or_sent_back() {
    let log = Log::start();
    let rejecting = Rejecting::new(|builder| builder.max_rejection_events_per_second(u32::MAX)).await;
    let handler = Handler::default();
    let service = FormBodyToken::up_to(1 << 20).layer(rejecting.auth.layer(handler));
    let secrets = |token: TokenBuilder| {
        token
            .subject("secret-subject-value")
            .claim("jti", "secret-jti-value")
            .claim("email", "secret-email-value")
            .sign()
    };
    let mut tokens = vec![secrets(rejecting.token())];
    let bad = kinds().filter(|kind| *kind != RejectionKind::TokenTooLarge && !is_of_route(*kind));
    tokens.extend(bad.filter_map(|kind| rejecting.bad_token(kind)));
    tokens.push(secrets(rejecting.token().expired()));
    tokens.push(secrets(rejecting.token().header("kid", "secret-kid-value")));
    tokens.push(secrets(rejecting.token().claim("iss", "https://secret-iss-value.example")));
    tokens.push(secrets(rejecting.token().claim("aud", "secret-aud-value")));
    let mut shown = String::new();
    for token in tokens.iter().filter(|token| !token.contains(' ')) {
        let mut in_form = form(b"");
        *in_form.body_mut() = Full::new(Bytes::from(format!("access_token={token}")));
        let mut in_query = anonymous("GET");
        *in_query.uri_mut() = format!("https://api.example.com/orders?access_token={token}").parse().unwrap();
        for request in [get(token), in_form, in_query] {
            let response = send(service.clone(), request).await;
            let rejection = response.rejection();
            shown.push_str(&format!("{:?} {:?}", response.headers(), response.body));
            shown.push_str(&format!("{rejection:?} {:?}", response.token()));
            let mut cause = rejection.map(|rejection| -> &dyn std::error::Error { rejection });
            while let Some(error) = cause {
                shown.push_str(&format!("{error} {error:?}"));
                cause = error.source();
            }
            if let Some(token) = response.token() {
                // The handler can read the claims, but `Debug` does not show them.
                assert_eq!(token.subject(), Some("secret-subject-value"));
                shown.push_str(&format!("{token:?}"));
            }
        }
    }
    shown.push_str(&format!("{:?} {service:?} {:?}", rejecting.auth, rejecting.auth.status()));
    shown.push_str(&log.text());
    assert!(log.requests().len() >= tokens.len(), "requests were logged");
    for token in tokens.iter().filter(|token| token.len() >= 20) {
        assert_eq!(leaked_pieces(&shown, token, 20), Vec::<&str>::new());
    }
    assert!(!shown.contains("secret-"), "a value of a claim or of the header leaked");
    assert!(!shown.contains("access_token="), "the query leaked");
}

#[tokio::test(start_paused = true)]
async fn each_request_emits_one_event() {
    let rejecting = Rejecting::new(|builder| builder).await;
    let api = Protected::by(&rejecting.auth);
    assert_eq!(api.outcome(rejecting.token().sign()).await, ACCEPTED);
    for kind in kinds() {
        let log = Log::start();
        rejecting.response(kind, &[]).await;
        let events = log.requests();
        assert_eq!(events.len(), 1, "{kind}: {events:?}");
        let event = events.last().unwrap();
        assert_eq!(event.field("kind"), Some(kind.as_str()));
        assert_eq!(event.field("status"), Some(kind.status().as_str()), "{kind}");
        let level = match kind.status().as_u16() {
            _ if kind == RejectionKind::Missing => Level::DEBUG,
            500 => Level::ERROR,
            // Any client can cause it.
            503 if kind == RejectionKind::KeyUnconfirmed => Level::INFO,
            503 => Level::WARN,
            _ => Level::INFO,
        };
        assert_eq!(event.level, level, "{kind}");
    }
    let log = Log::start();
    assert_eq!(api.outcome(rejecting.token().sign()).await, ACCEPTED);
    let events = log.events();
    assert_eq!(events.len(), 1);
    assert_eq!((events[0].field("kind"), events[0].level), (Some("accepted"), Level::DEBUG));
    assert_eq!(events[0].field("issuer"), Some(rejecting.idp.identifier()));

    // A request that waits for keys emits one event too, and so does each fetch.
    let idp = TestIssuer::new();
    let log = Log::start();
    let auth = idp.bearer_auth(API).optional().build().unwrap();
    assert_eq!(log.events().len(), 1, "start-up, with the bounds");
    let api = Protected::by(&auth);
    assert_eq!(api.outcome(idp.token(API).sign()).await, ACCEPTED);
    assert_eq!(api.send(anonymous("GET")).await.status(), 200);
    assert_eq!(log.requests().len(), 2);
    let fetched = log.events().into_iter().filter(|event| event.field("outcome").is_some());
    assert_eq!(fetched.count(), 1);
    assert_eq!(log.events().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn explain_rejects_text_that_is_no_b64token() {
    let idp = TestIssuer::new();
    let auth = idp.bearer_auth(API).build().unwrap();
    let valid = idp.token(API).sign();
    for text in [String::new(), format!("{valid} "), format!("Bearer {valid}"), "\u{1b}[31m".to_owned()] {
        let explanation = auth.explain(&text).await;
        let failed = explanation.findings().iter().map(|finding| finding.result());
        let failed: Vec<_> = failed.filter(|result| *result != CheckResult::Passed).collect();
        assert_eq!(failed, [CheckResult::Failed(RejectionKind::MalformedRequest)], "{text:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn explain_reports_every_failed_check_and_prints_no_secret() {
    let idp = TestIssuer::new();
    let issuer = idp.issuer().strict_rfc9068().max_age(Duration::from_secs(60)).allowed_clients(["app"]);
    let builder = BearerAuth::builder(API).issuer(issuer).http_client(idp.http_client()).clock(idp.clock());
    let auth = builder.build().unwrap();
    let faulty = |token: TokenBuilder| {
        token
            .header("typ", "JWT")
            .claim("aud", "https://other.example")
            .expired()
            .claim("nbf", 9_999_999_999_u64)
            .claim("iat", 5)
            .claim("client_id", "other")
            .claim("cnf", json!({"jkt": "secret-thumbprint"}))
            .without("jti")
            .claim("sub", "secret-subject")
            .claim("email", "secret-email")
            .claim("scope", "orders:read")
    };
    let token = faulty(idp.token(API)).sign();
    let explanation = auth.explain(&token).await;
    let failing: Vec<(&str, &str)> = explanation
        .findings()
        .iter()
        .filter_map(|finding| match finding.result() {
            CheckResult::Failed(kind) => Some((finding.check(), kind.as_str())),
            _ => None,
        })
        .collect();
    assert_eq!(
        failing,
        [
            ("typ", "type_mismatch"),
            ("aud", "audience_mismatch"),
            ("exp", "token_expired"),
            ("nbf", "token_not_yet_valid"),
            ("required claims", "claim_missing"),
            ("max_age", "token_too_old"),
            ("client", "client_not_allowed"),
            ("cnf", "claim_ill_typed"),
        ]
    );
    assert!(!explanation.is_accepted());
    let text = explanation.to_string();
    for shown in ["https://other.example", API, "jti", idp.identifier(), "JWT", "orders:read"] {
        assert!(text.contains(shown), "{shown}: {text}");
    }
    let signature = token.rsplit_once('.').unwrap().1;
    let debug = format!("{explanation:?}");
    for text in [&text, &debug] {
        assert!(!text.contains("secret-"), "{text}");
        assert_eq!(leaked_pieces(text, &token, 20), Vec::<&str>::new());
        assert!(!text.contains(signature));
    }

    // The signature is reported beside the claims. A request is rejected for the first failed check.
    let forged = format!("{}.{}", token.rsplit_once('.').unwrap().0, encode([1; 64]));
    let explanation = auth.explain(&forged).await;
    let result = |check: &str| {
        explanation.findings().iter().find(|finding| finding.check() == check).unwrap().result()
    };
    assert_eq!(result("signature"), CheckResult::Failed(RejectionKind::SignatureMismatch));
    assert_eq!(result("aud"), CheckResult::Failed(RejectionKind::AudienceMismatch));
    assert_eq!(Protected::by(&auth).outcome(&forged).await, Err(RejectionKind::TypeMismatch));

    let valid = idp.token(API).claim("client_id", "app").sign();
    let explanation = auth.explain(&valid).await;
    assert!(explanation.is_accepted(), "{explanation}");
    assert_eq!(Protected::by(&auth).outcome(&valid).await, ACCEPTED);

    // It agrees with the outcome of a request with the same token.
    let rejecting = Rejecting::new(|builder| builder).await;
    let api = Protected::by(&rejecting.auth);
    for kind in kinds() {
        let Some(token) = rejecting.bad_token(kind) else { continue };
        if is_of_route(kind) || kind == RejectionKind::MalformedRequest {
            continue;
        }
        assert_eq!(api.outcome(&token).await, Err(kind));
        let explanation = rejecting.auth.explain(&token).await;
        let fails =
            |finding: &tower_bearer::diagnostics::Finding| finding.result() == CheckResult::Failed(kind);
        assert!(explanation.findings().iter().any(fails), "{kind}: {explanation}");
        assert!(!explanation.is_accepted(), "{kind}");
    }
    for garbage in ["", "a", "a.b.c", "....", "\u{e9}", &"a".repeat(100_000), "e30.e30.e30"] {
        assert!(!auth.explain(garbage).await.is_accepted());
    }
    let long = idp.token(API).header("kid", format!("\u{1b}[31m{}", "k".repeat(500))).sign();
    let text = auth.explain(&long).await.to_string();
    assert!(!text.contains('\u{1b}') && !text.contains(&"k".repeat(100)), "{text}");
}

#[test]
fn a_configuration_error_lists_all_problems() {
    let idp = TestIssuer::new();
    let builder = BearerAuth::builder("")
        .issuer(Issuer::discover("http://login.example.com"))
        .add_issuer(Issuer::with_jwks_url("https://a.example", "ftp://a.example/keys?secret=1"))
        .add_issuer(Issuer::with_static_jwks("https://b.example", "{}").algorithms([]))
        .add_issuer(
            Issuer::with_static_jwks("https://c.example", idp.jwks()).allowed_clients(Vec::<String>::new()),
        )
        .add_issuer(Issuer::with_static_jwks("https://c.example", idp.jwks()).require_claim(""))
        .realm("\n")
        .leeway(Duration::from_secs(301))
        .max_token_bytes(0)
        .max_cached_responses(0)
        .max_cached_response_bytes(0)
        .jwks_cooldown(Duration::ZERO)
        .add_token_source(TokenSource::cookie("token"))
        .add_token_source(TokenSource::query())
        .add_token_source(TokenSource::query())
        .http_client(idp.http_client());
    let error = builder.build().unwrap_err();
    let text = error.to_string();
    assert_eq!(text.lines().count(), error.problems().len() + 1, "{text}");
    for shown in [
        "http://login.example.com",
        "ftp://a.example/keys",
        "https://b.example",
        "no algorithm",
        "allowed_clients",
        "https://c.example",
        "added twice",
        "require_claim",
        "an audience is empty",
        "realm",
        "301s",
        "max_token_bytes is zero",
        "max_cached_responses is zero",
        "max_cached_response_bytes is zero",
        "jwks_cooldown is zero",
        "__Host-",
        "add it once",
    ] {
        assert!(text.contains(shown), "{shown}: {text}");
    }
    assert!(!text.contains("secret=1"), "the query of the URL is shown: {text}");
    let none = BearerAuth::builder(API).build().unwrap_err();
    assert_eq!(none.problems(), [ConfigProblem::NoIssuer]);
    let wrong = Issuer::with_static_jwks("https://d.example", idp.jwks()).algorithms([Algorithm::RS256]);
    let error = BearerAuth::builder(API).issuer(wrong).build().unwrap_err();
    assert!(matches!(error.problems(), [ConfigProblem::JwksUnusable { .. }]), "{error}");
    let longest = BearerAuth::builder(API)
        .issuer(Issuer::with_static_jwks("https://e.example", idp.jwks()))
        .leeway(BearerAuthBuilder::MAX_LEEWAY);
    assert!(longest.build().is_ok());
}

#[tokio::test]
async fn explain_escapes_control_characters_of_the_key_set() {
    let idp = TestIssuer::new();
    let mut jwks: serde_json::Value = serde_json::from_str(&idp.jwks()).unwrap();
    jwks["keys"][0]["kid"] = json!("\u{1b}[2Jall good");
    idp.set_jwks(Some(jwks.to_string()));
    let auth = idp.bearer_auth(API).build().unwrap();
    let text = auth.explain(&idp.token(API).sign()).await.to_string();
    assert!(!text.contains('\u{1b}'), "{text:?}");
}

#[test]
fn a_configuration_error_does_not_show_the_password_of_a_url() {
    let issuer = Issuer::with_jwks_url("i", "https://admin:hunter2@h.example/k?x=1");
    let error = BearerAuth::builder(API).issuer(issuer).build().unwrap_err();
    assert!(!error.to_string().contains("hunter2"), "{error}");
}
