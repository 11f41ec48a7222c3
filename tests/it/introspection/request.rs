//! The introspection request: its form, its client and its URL (RFC 7662 section 2.1, RFC 8705 section 5).

use std::collections::HashMap;

use http::Method;
use serde_json::{Value, json};
use tower_bearer::crypto::PrivateKey;
use tower_bearer::testing::TestIssuer;
use tower_bearer::{Algorithm, BearerAuth, ClientAuth, Introspection};

use super::{Api, MISCONFIGURED, UNAVAILABLE};
use crate::support::introspected::introspection;
use crate::support::keys::decode;
use crate::support::log::{Log, assert_holds_no_piece};
use crate::support::net::{Net, Reply, Sent};
use crate::support::protected::{ACCEPTED, API, Outcome, Protected};

const ENDPOINT: &str = "https://issuer.test/ask?tenant=a%20b";

/// `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256`.
const KEY: &str = "-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgulFciSPkmKIiN/p9
Ekc5OvsDuaYVMCI0I/Wy2pKh4eyhRANCAAQvtEr3MLPr417GTGOFKEkIbksyO8F4
C9co8aI3PDk89hkg3XLdOHFq+Jw17EVpp88ptrGw5RbhoIHAgvU0vOiS
-----END PRIVATE KEY-----
";

/// The public half of [`KEY`].
const PUBLIC_KEY: &str = r#"{"kty":"EC","crv":"P-256","alg":"ES256","use":"sig",
    "x":"L7RK9zCz6-NexkxjhShJCG5LMjvBeAvXKPGiNzw5PPY","y":"GSDdct04cWr4nDXsRWmnzym2sbDlFuGggcCC9TS86JI"}"#;

fn private_key_jwt() -> ClientAuth {
    let key = PrivateKey::from_pkcs8_pem(Algorithm::ES256, KEY).unwrap();
    ClientAuth::private_key_jwt("api", key.key_id("k"))
}

/// The requests that `introspection` sends for `token`, and the outcome. Every token is active.
async fn requests_for(introspection: Introspection, token: &str, metadata: &Value) -> (Vec<Sent>, Outcome) {
    let (idp, net) = (TestIssuer::new(), Net::default());
    let active = json!({"active": true, "aud": API, "exp": 9_999_999_999_u64}).to_string();
    for url in [ENDPOINT, "https://issuer.test/plain", "https://mtls.issuer.test/ask"] {
        net.set(url, Reply::body(active.clone()));
    }
    let document = format!("{}/.well-known/oauth-authorization-server", idp.identifier());
    net.set(&document, Reply::body(metadata.to_string()));
    let issuer = idp.issuer().introspect(introspection.http_client(net.clone()));
    let builder = BearerAuth::builder(API).issuer(issuer).http_client(net.clone()).clock(idp.clock());
    let outcome = Protected::by(&builder.build().unwrap()).outcome(token).await;
    (net.sent(), outcome)
}

#[tokio::test(start_paused = true)]
async fn a_request_is_a_form_post_and_no_url_contains_the_token() {
    for token in ["2YotnFZFEjr1zCsicMWpAA", "a+b/c~d.e_f-g=="] {
        for (signed, accept) in [(false, "application/json"), (true, "application/token-introspection+jwt")] {
            let introspection = if signed { introspection().require_signed() } else { introspection() };
            let (sent, outcome) = requests_for(introspection.endpoint(ENDPOINT), token, &json!({})).await;
            assert_eq!(outcome, if signed { UNAVAILABLE } else { ACCEPTED });
            let [request] = &sent[..] else { panic!("{sent:?}") };
            assert_eq!((request.method.clone(), request.url.as_str()), (Method::POST, ENDPOINT));
            assert_eq!(request.headers["content-type"], "application/x-www-form-urlencoded");
            assert_eq!(request.headers["accept"], accept);
            let form: HashMap<String, String> = form_urlencoded(&request.body).into_iter().collect();
            assert_eq!(form["token"], token);
            assert_eq!(form["token_type_hint"], "access_token");
            assert_eq!(form.len(), 2, "{form:?}");
            let encoded =
                token.replace('+', "%2B").replace('/', "%2F").replace('~', "%7E").replace('=', "%3D");
            assert!(std::str::from_utf8(&request.body).unwrap().contains(&format!("token={encoded}&")));
            let shown = format!("{:?}", request.headers);
            assert!(shown.contains("Sensitive") && !shown.contains(token), "{shown}");
        }
    }
}

fn form_urlencoded(body: &[u8]) -> Vec<(String, String)> {
    let text = std::str::from_utf8(body).unwrap();
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (unescaped(name), unescaped(value))).collect()
}

fn unescaped(text: &str) -> String {
    let mut pieces = text.split('%');
    let first = pieces.next().unwrap().to_owned();
    pieces.fold(first, |text, piece| {
        let octet = u8::from_str_radix(&piece[..2], 16).unwrap();
        format!("{text}{}{}", char::from(octet), &piece[2..])
    })
}

/// Otherwise one of several issuers could replay an assertion at another.
#[tokio::test(start_paused = true)]
async fn an_assertion_is_for_this_issuer_only_and_used_once() {
    let api = Api::new();
    api.idp.register_client_key("api", PUBLIC_KEY).unwrap();
    let with_key = Api::of(
        api.idp.clone(),
        |issuer| issuer.introspect(Introspection::with(private_key_jwt())),
        |builder| builder,
    );
    for _ in 0..3 {
        assert_eq!(with_key.outcome(with_key.token().opaque()).await, ACCEPTED);
    }

    let mut ids = Vec::new();
    for _ in 0..2 {
        let (sent, _) =
            requests_for(Introspection::with(private_key_jwt()).endpoint(ENDPOINT), "t", &json!({})).await;
        let form: HashMap<String, String> = form_urlencoded(&sent[0].body).into_iter().collect();
        assert_eq!(form["client_assertion_type"], "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
        assert!(!sent[0].headers.contains_key("authorization"));
        let parts: Vec<&str> = form["client_assertion"].split('.').collect();
        let [header, claims] =
            [0, 1].map(|part| serde_json::from_slice::<Value>(&decode(parts[part])).unwrap());
        assert_eq!((&header["alg"], &header["kid"]), (&json!("ES256"), &json!("k")));
        assert_eq!(claims["aud"], "https://issuer.test", "one string, the issuer and not the endpoint");
        assert_eq!((&claims["iss"], &claims["sub"]), (&json!("api"), &json!("api")));
        assert!(claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap() <= 60);
        ids.push(claims["jti"].clone());
    }
    assert_ne!(ids[0], ids[1]);
}

#[tokio::test(start_paused = true)]
async fn mtls_clients_use_the_endpoint_of_mtls_endpoint_aliases() {
    let metadata = json!({
        "issuer": "https://issuer.test", "jwks_uri": "https://issuer.test/jwks",
        "introspection_endpoint": "https://issuer.test/plain",
        "mtls_endpoint_aliases": {"introspection_endpoint": "https://mtls.issuer.test/ask"},
    });
    let mut unaliased = metadata.clone();
    unaliased.as_object_mut().unwrap().remove("mtls_endpoint_aliases");
    let (plain, alias) = ("https://issuer.test/plain", "https://mtls.issuer.test/ask");
    for (name, auth, metadata, expected) in [
        ("certificate", ClientAuth::mtls("api"), &metadata, alias),
        ("certificate, no alias", ClientAuth::mtls("api"), &unaliased, plain),
        ("secret", ClientAuth::secret_post("api", "s"), &metadata, plain),
    ] {
        let (sent, outcome) = requests_for(Introspection::with(auth), "opaque", metadata).await;
        assert_eq!((outcome, sent.last().unwrap().url.as_str()), (ACCEPTED, expected), "{name}");
        let form: HashMap<String, String> = form_urlencoded(&sent.last().unwrap().body).into_iter().collect();
        assert_eq!(form["client_id"], "api", "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn neither_token_nor_credentials_are_logged() {
    let log = Log::start();
    let (secret, token) = ("the-secret-of-the-client", "the-opaque-token-of-alice");
    for status in [200, 400, 401, 500] {
        let idp = TestIssuer::new();
        let net = Net::default();
        let echo = Reply::With(status, Vec::new(), format!("{{\"{token}\":\"{secret}\"}}").into());
        net.set(ENDPOINT, echo);
        for auth in [
            ClientAuth::secret_basic("api", secret),
            ClientAuth::secret_post("api", secret),
            ClientAuth::bearer(secret),
        ] {
            let issuer = idp.issuer().introspect(Introspection::with(auth).endpoint(ENDPOINT));
            let builder = BearerAuth::builder(API).issuer(issuer).http_client(net.clone()).clock(idp.clock());
            let auth = builder.build().unwrap();
            let response = Protected::by(&auth).get(token).await;
            let shown = format!("{response:?}{:?}{:?}{}", auth.status(), auth, auth.explain(token).await);
            let shown = format!("{shown}{}", log.text());
            assert_holds_no_piece(&shown, token, 12, "token");
            assert_holds_no_piece(&shown, secret, 12, "secret");
            assert!(!shown.contains("tenant="), "the query is shown: {shown}");
        }
    }
    assert!(log.events().iter().any(|event| event.field("outcome") == Some("failed")), "nothing was logged");
}

#[tokio::test(start_paused = true)]
async fn every_client_authentication_method_works() {
    let idp = TestIssuer::new();
    idp.register_client("api with: % +", "s:e%c+r e\u{e9}t&");
    idp.register_bearer("the-token-of-the-api");
    idp.register_mtls_client("api-with-a-certificate");
    let secret = || ("api with: % +", "s:e%c+r e\u{e9}t&");
    for (name, introspection) in [
        ("basic", Introspection::with(ClientAuth::secret_basic(secret().0, secret().1))),
        ("post", Introspection::with(ClientAuth::secret_post(secret().0, secret().1))),
        ("bearer", Introspection::with(ClientAuth::bearer("the-token-of-the-api"))),
        (
            "bearer from",
            Introspection::with(ClientAuth::bearer_from_fn(|| "the-token-of-the-api".to_owned())),
        ),
        (
            "certificate",
            Introspection::with(ClientAuth::mtls("api-with-a-certificate")).http_client(idp.http_client()),
        ),
    ] {
        let api = Api::of(idp.clone(), |issuer| issuer.introspect(introspection), |builder| builder);
        assert_eq!(api.outcome(api.token().opaque()).await, ACCEPTED, "{name}");
    }
    for (name, introspection) in [
        ("basic", Introspection::with(ClientAuth::secret_basic(TestIssuer::CLIENT_ID, "x"))),
        ("post", Introspection::with(ClientAuth::secret_post("x", TestIssuer::CLIENT_SECRET))),
        ("bearer", Introspection::with(ClientAuth::bearer("x"))),
        ("certificate", Introspection::with(ClientAuth::mtls("x")).http_client(idp.http_client())),
    ] {
        let api = Api::of(idp.clone(), |issuer| issuer.introspect(introspection), |builder| builder);
        assert_eq!(api.outcome(api.token().opaque()).await, MISCONFIGURED, "{name}");
    }
}
