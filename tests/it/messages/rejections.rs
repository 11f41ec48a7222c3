//! The events of rejected requests: expected values and hints, and the values of the token only by opt-in.

use http::header::AUTHORIZATION;
use tower_bearer::testing::TestIssuer;
use tower_bearer::{BearerAuth, BearerAuthBuilder, Issuer, RejectionKind, Require};

use crate::support::app::NOW;
use crate::support::introspected::introspection;
use crate::support::log::{Entry, Log, leaked_pieces};
use crate::support::protected::{API, Handler, ISSUER, Protected, anonymous, get, send};

const TOKEN_FIELDS: [&str; 5] = ["token.iss", "token.aud", "token.client_id", "token.jti", "token.kid"];

struct Api {
    idp: TestIssuer,
    api: Protected,
}

impl Api {
    async fn with(change: impl FnOnce(BearerAuthBuilder) -> BearerAuthBuilder) -> Self {
        let idp = crate::support::app::issuer(ISSUER);
        let builder = BearerAuth::builder(API).issuer(idp.issuer()).clock(idp.clock());
        let auth = change(builder.http_client(idp.http_client())).build().unwrap();
        auth.ready().await.unwrap();
        Self { api: Protected::by(&auth), idp }
    }

    async fn new() -> Self {
        Self::with(|builder| builder).await
    }

    /// The event of a request with these credentials.
    async fn event(&self, credentials: &str) -> Entry {
        let mut request = anonymous("GET");
        request.headers_mut().insert(AUTHORIZATION, credentials.parse().unwrap());
        let log = Log::start();
        self.api.send(request).await;
        log.requests().pop().expect("an event")
    }

    async fn event_of(&self, token: &str) -> Entry {
        self.event(&format!("Bearer {token}")).await
    }
}

#[tokio::test(start_paused = true)]
async fn frequent_causes_get_a_hint_and_the_expected_value() {
    let api = Api::new().await;
    let token = || api.idp.token(API);
    let hmac = "eyJhbGciOiJIUzI1NiJ9.e30.AA".to_owned();
    for (token, kind, expected, hint) in [
        (
            api.idp.token("https://api.example.com/").sign(),
            RejectionKind::AudienceMismatch,
            Some(API),
            "the configured one lacks the slash at the end",
        ),
        (
            api.idp.token("spa").claim("client_id", "spa").sign(),
            RejectionKind::AudienceMismatch,
            Some(API),
            "may be an ID token: send an access token for this API; to see the token's value, use \
             BearerAuth::explain or log_token_details",
        ),
        (
            api.idp.token("https://other.example").sign(),
            RejectionKind::AudienceMismatch,
            Some(API),
            "with add_audience; to see the token's value, use BearerAuth::explain or log_token_details",
        ),
        (
            token().claim("iss", "https://login.example.com/").sign(),
            RejectionKind::IssuerUnknown,
            Some(ISSUER),
            "the configured one lacks the slash at the end",
        ),
        (
            token().claim("iss", "https://evil.example").sign(),
            RejectionKind::IssuerUnknown,
            Some(ISSUER),
            "or add its issuer; to see the token's value, use BearerAuth::explain or log_token_details",
        ),
        (
            token().claim("iat", NOW + 70).sign(),
            RejectionKind::TokenIssuedInFuture,
            Some("leeway 30 s"),
            "more than the leeway of 30 s",
        ),
        (token().expired().sign(), RejectionKind::TokenExpired, Some("leeway 30 s"), "refresh"),
        (token().header("kid", "key-77").sign(), RejectionKind::KeyUnknown, Some("key-1"), "key rotation"),
        ("2YotnFZFEjr1zCsicMWpAA".to_owned(), RejectionKind::TokenOpaque, None, "Issuer::introspect"),
        (format!("Bearer {}", token().sign()), RejectionKind::MalformedRequest, None, "twice"),
        (format!("\"{}\"", token().sign()), RejectionKind::MalformedRequest, None, "quotation marks"),
        (hmac, RejectionKind::AlgorithmNotAllowed, Some("RS256"), "HMAC"),
        (token().claim("at_hash", "x").sign(), RejectionKind::IdTokenPresented, None, "the access token"),
        ("a".repeat(16 * 1024 + 1), RejectionKind::TokenTooLarge, Some("at most 16384 bytes"), ""),
    ] {
        let event = api.event_of(&token).await;
        assert_eq!(event.field("kind"), Some(kind.as_str()));
        match (expected, event.field("expected")) {
            (Some(expected), Some(shown)) => assert!(shown.contains(expected), "{kind}: {shown}"),
            (expected, shown) => assert_eq!(shown, expected, "{kind}"),
        }
        assert!(event.field("hint").unwrap_or_default().contains(hint), "{kind}: {event:?}");
    }
    assert!(api.event("eyJhbGciOiJFUzI1NiJ9").await.field("hint").unwrap().contains("no scheme"));
    assert!(api.event("Basic YTpi").await.field("hint").unwrap().contains("not Bearer"));
}

#[tokio::test(start_paused = true)]
async fn an_opaque_token_that_no_issuer_claims_gets_another_hint_with_introspection() {
    let api = Api::with(|builder| {
        let partner = Issuer::without_keys("https://partner.example");
        builder.add_issuer(partner.introspect(introspection().opaque_prefix("op_")))
    });
    let event = api.await.event_of("2YotnFZFEjr1zCsicMWpAA").await;
    assert!(event.field("hint").unwrap().contains("opaque_prefix"), "{event:?}");
}

#[tokio::test(start_paused = true)]
async fn a_required_value_of_a_claim_is_the_expected_value_of_the_event() {
    let issuer = Issuer::discover(ISSUER)
        .require_claim_value("tenant", "acme")
        .require_claim_value("verified", true)
        .validate(|claims| claims.get("org").is_some());
    let api = Api::with(|builder| builder.issuer(issuer)).await;
    let good = || api.idp.token(API).claim("tenant", "acme").claim("verified", true);
    let event = api.event_of(&good().claim("tenant", "globex").sign()).await;
    assert_eq!(event.field("kind"), Some("claims_rejected"));
    assert_eq!(event.field("expected"), Some("acme"));
    assert!(event.field("hint").unwrap().contains("another tenant"), "{event:?}");
    let event = api.event_of(&good().claim("verified", "true").sign()).await;
    assert_eq!((event.field("kind"), event.field("expected")), (Some("claim_ill_typed"), Some("true")));
    let event = api.event_of(&good().without("tenant").sign()).await;
    assert_eq!((event.field("kind"), event.field("expected")), (Some("claim_missing"), Some("acme")));
    let event = api.event_of(&good().sign()).await;
    assert_eq!(event.field("kind"), Some("claims_rejected"));
    assert_eq!(event.field("expected"), None, "a function expects no value that could be named");
}

#[tokio::test(start_paused = true)]
async fn missing_scopes_are_expected_values_of_the_event() {
    let api = Api::new().await;
    let auth = api.idp.bearer_auth(API).build().unwrap();
    auth.ready().await.unwrap();
    let log = Log::start();
    let service = auth.layer_of(Require::scope("orders:write"));
    send(service, get(api.idp.token(API).scope("orders:read").sign())).await;
    let event = log.requests().pop().unwrap();
    assert_eq!(event.field("expected"), Some("orders:write"));
    assert_eq!(event.field("issuer"), Some(ISSUER));
    assert!(event.field("hint").unwrap().contains("scope_claims"));
}

#[tokio::test(start_paused = true)]
async fn what_a_token_lacks_for_a_route_is_in_the_event_and_its_values_are_not() {
    for (claims, route, expected, hint) in [
        (
            &[][..],
            Require::role("admin"),
            "role admin",
            "no role claim is configured: set Issuer::role_claims",
        ),
        (
            &["/roles"],
            Require::role("admin"),
            "role admin",
            "the token's role claims (/roles) do not have it",
        ),
        (&["/roles"], Require::any_role(["admin", "root"]), "role admin or root", "do not have it"),
        (&[], Require::claim("tenant", |_| true), "claim tenant", "add the claim"),
        (
            &[],
            Require::claim("/roles/0", |_| false),
            "claim /roles/0",
            "check the function of Require::claim",
        ),
        (
            &[],
            Require::token().check(|_, _| false),
            "a check of the route",
            "fix the function of Require::check",
        ),
    ] {
        let idp = crate::support::app::issuer(ISSUER);
        let builder = BearerAuth::builder(API).issuer(idp.issuer().role_claims(claims.to_vec()));
        let auth = builder.clock(idp.clock()).http_client(idp.http_client()).build().unwrap();
        auth.ready().await.unwrap();
        let token = idp.token(API).claim("roles", ["secret-role"]).sign();
        let log = Log::start();
        send(auth.layer_of(route), get(token)).await;
        let event = log.requests().pop().unwrap();
        assert_eq!(event.field("kind"), Some(RejectionKind::RequirementUnmet.as_str()));
        assert_eq!((event.field("expected"), event.field("issuer")), (Some(expected), Some(ISSUER)));
        assert!(event.field("hint").unwrap().contains(hint), "{event:?}");
        assert!(!log.text().contains("secret-role"), "{event:?}");
    }
}

trait LayerOf {
    fn layer_of(
        &self,
        route: Require,
    ) -> tower_bearer::middleware::BearerAuthService<tower_bearer::middleware::RequireService<Handler>>;
}

impl LayerOf for BearerAuth {
    fn layer_of(
        &self,
        route: Require,
    ) -> tower_bearer::middleware::BearerAuthService<tower_bearer::middleware::RequireService<Handler>> {
        use tower::Layer;
        self.layer(route.layer(Handler::default()))
    }
}

#[tokio::test(start_paused = true)]
async fn values_of_the_token_are_logged_only_by_opt_in() {
    let token = |idp: &TestIssuer| {
        idp.token("https://secret-aud.example")
            .subject("secret-subject")
            .claim("jti", "secret-jti")
            .claim("client_id", "secret-client")
            .claim("email", "secret-email")
            .claim("iat", NOW + 70)
            .header("kid", "secret-kid")
            .sign()
    };
    let api = Api::new().await;
    let log = Log::start();
    let event = api.event_of(&token(&api.idp)).await;
    assert!(TOKEN_FIELDS.iter().all(|name| event.field(name).is_none()), "{event:?}");
    let future = api.event_of(&api.idp.token(API).claim("iat", NOW + 70).sign()).await;
    assert!(!format!("{event:?}{future:?}{}", log.text()).contains("secret-"));
    assert!(!future.field("hint").unwrap().contains("70"), "a time of the token");

    let api = Api::with(BearerAuthBuilder::log_token_details).await;
    let text = token(&api.idp);
    let event = api.event_of(&text).await;
    assert!(!event.field("hint").unwrap().contains("to see"), "the values are there");
    let shown: Vec<Option<&str>> = TOKEN_FIELDS.iter().map(|name| event.field(name)).collect();
    let expected = [ISSUER, "https://secret-aud.example", "secret-client", "secret-jti", "secret-kid"];
    assert_eq!(shown, expected.map(Some));
    let all = format!("{event:?}");
    assert!(!all.contains("secret-subject") && !all.contains("secret-email"), "{all}");
    assert_eq!(leaked_pieces(&all, &text, 20), Vec::<&str>::new());
    let event = api.event_of(&api.idp.token(API).claim("iat", NOW + 70).sign()).await;
    assert!(event.field("hint").unwrap().starts_with("issued 70 s in the future, leeway 30 s"), "{event:?}");
    assert!(TOKEN_FIELDS.iter().all(|name| !format!("{:?}", event.field(name)).contains("secret")));
}

#[tokio::test(start_paused = true)]
async fn the_logged_client_is_the_one_that_client_claims_name() {
    let idp = TestIssuer::new();
    let builder = BearerAuth::builder(API).clock(idp.clock()).http_client(idp.http_client());
    let auth = builder.issuer(idp.issuer().client_claims(["cid"])).log_token_details().build().unwrap();
    let log = Log::start();
    let token = idp.token(API).expired().claim("cid", "app").claim("client_id", "other").sign();
    send(auth.layer_of(Require::token()), get(token)).await;
    assert_eq!(log.requests()[0].field("token.client_id"), Some("app"));
}

#[tokio::test(start_paused = true)]
async fn logged_values_are_escaped_and_cut_to_64_bytes() {
    let api = Api::with(BearerAuthBuilder::log_token_details).await;
    let forged = format!("x\n\u{1b}[31m {}", "a".repeat(100));
    let audiences: Vec<String> = (0..50).map(|n| format!("{n}-{forged}")).collect();
    let token = api.idp.token(API).claim("aud", audiences).claim("jti", forged.as_str());
    let event = api.event_of(&token.claim("client_id", forged.as_str()).sign()).await;
    for name in ["token.aud", "token.client_id", "token.jti"] {
        let shown = event.field(name).unwrap();
        assert!(!shown.contains(char::is_control), "{name}: {shown:?}");
        assert!(shown.len() <= 64 + 3 || name == "token.aud", "{name}: {shown}");
    }
    let shown = event.field("token.aud").unwrap();
    assert!(shown.len() < 5 * 72 && shown.ends_with(" and 45 more"), "{shown}");
}

#[test]
fn the_guide_explains_every_kind() {
    let guide = include_str!("../../../src/guide/troubleshooting.md");
    for kind in RejectionKind::ALL {
        let is_explained = |line: &str| {
            line.split('|').nth(1).is_some_and(|kinds| kinds.contains(&format!("`{}`", kind.as_str())))
        };
        assert!(guide.lines().any(is_explained), "{kind}");
    }
}
