//! How the client proves who it is, and what happens when the issuer does not believe it (RFC 7662 section 2.1).

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::header::AUTHORIZATION;
use serde_json::{Value, json};
use tower_bearer::crypto::PrivateKey;
use tower_bearer::diagnostics::{IntrospectionError, IntrospectionErrorKind};
use tower_bearer::testing::TestIssuer;
use tower_bearer::{Algorithm, BearerAuth, ClientAuth, Introspection};

use crate::support::introspected::SECOND;
use crate::support::keys::decode;
use crate::support::log::{Log, assert_holds_no_piece};
use crate::support::protected::{API, Protected};
use crate::support::wire::Wire;

const MISCONFIGURED: &str = "introspection_misconfigured";

/// Of no other use.
const KEY: &str = "-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgblJGE9BQ+QufTARm
IH15KnjGmKm4x3IxGTmwHJPjkdShRANCAARxwzL6eLUWJ/dJfpTMVduU1dePOsJ4
0S5lAyLdRXswusb9DeJGXYMsYfqlh6ZVk1n3XkznDowxirpj3r3kY0CU
-----END PRIVATE KEY-----";

/// Its public half.
fn public_key() -> String {
    json!({
        "kty": "EC", "crv": "P-256", "alg": "ES256",
        "x": "ccMy-ni1Fif3SX6UzFXblNXXjzrCeNEuZQMi3UV7MLo",
        "y": "xv0N4kZdgyxh-qWHplWTWfdeTOcOjDGKumPeveRjQJQ",
    })
    .to_string()
}

fn private_key() -> PrivateKey {
    PrivateKey::from_pkcs8_pem(Algorithm::ES256, KEY).unwrap()
}

struct Client {
    idp: TestIssuer,
    wire: Wire,
    auth: BearerAuth,
    api: Protected,
}

impl Client {
    fn proving_itself_by(auth: ClientAuth) -> Self {
        let idp = TestIssuer::new();
        let wire = Wire::to(&idp);
        let asks = Introspection::with(auth).endpoint(idp.introspection_url()).http_client(wire.clone());
        let builder = BearerAuth::builder(API).clock(idp.clock()).http_client(idp.http_client());
        let auth = builder.issuer(idp.issuer().introspect(asks)).build().unwrap();
        Self { api: Protected::by(&auth), idp, wire, auth }
    }

    async fn kind(&self) -> String {
        self.api.kind(self.idp.token(API).opaque()).await
    }

    fn why(&self) -> Option<IntrospectionErrorKind> {
        self.auth.status()[0].introspection()?.last_error().map(IntrospectionError::kind)
    }

    /// The members of that name in the forms that were sent.
    fn sent(&self, name: &str) -> Vec<String> {
        let forms = self.wire.asked();
        let members = forms.iter().flat_map(|asked| form_urlencoded::parse(&asked.body));
        members.filter(|(its_name, _)| its_name == name).map(|(_, value)| value.into_owned()).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn secrets_of_any_characters_are_understood() {
    for secret in ["simple", "a b+c%20", ":&=?#/\\\"'", "\u{fc}\u{df}\u{1f511}", "%", " ", "+", "%3A", "a:b"]
    {
        for id in ["orders-api", "https://api.example.com/orders?x=1", "a b:c%\u{e9}"] {
            for auth in [ClientAuth::secret_basic(id, secret), ClientAuth::secret_post(id, secret)] {
                let name = format!("{auth:?} {id} {secret}");
                let client = Client::proving_itself_by(auth);
                client.idp.register_client(id, secret);
                assert_eq!(client.kind().await, "ok", "{name}");
                client.idp.register_client(id, "another");
                assert_eq!(client.kind().await, MISCONFIGURED, "{name}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_wrong_secret_or_an_unknown_client_is_a_fault_of_the_configuration() {
    let id = TestIssuer::CLIENT_ID;
    for auth in [
        ClientAuth::secret_basic(id, "wrong"),
        ClientAuth::secret_post(id, "wrong"),
        ClientAuth::secret_basic("unknown", TestIssuer::CLIENT_SECRET),
        ClientAuth::private_key_jwt(id, private_key()),
        ClientAuth::bearer("unknown"),
        ClientAuth::mtls(id),
    ] {
        let name = format!("{auth:?}");
        let client = Client::proving_itself_by(auth);
        assert_eq!(client.kind().await, MISCONFIGURED, "{name}");
        assert!(
            matches!(client.why(), Some(IntrospectionErrorKind::ClientRejected(_))),
            "{name}: {:?}",
            client.why()
        );
        assert_eq!(client.api.handler.calls(), 0, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_assertion_is_made_for_each_question_and_used_once() {
    let auth = ClientAuth::private_key_jwt("orders", private_key().key_id("2026"));
    let client = Client::proving_itself_by(auth);
    client.idp.register_client_key("orders", &public_key()).unwrap();
    let (log, _guard) = Log::capture();
    for _ in 0..100 {
        assert_eq!(client.kind().await, "ok");
    }
    let assertions = client.sent("client_assertion");
    let part = |assertion: &str, n: usize| -> Value {
        serde_json::from_slice(&decode(assertion.split('.').nth(n).unwrap())).unwrap()
    };
    let jtis: HashSet<String> = assertions.iter().map(|sent| part(sent, 1)["jti"].to_string()).collect();
    assert_eq!((assertions.len(), jtis.len()), (100, 100));
    for assertion in &assertions {
        let (header, claims) = (part(assertion, 0), part(assertion, 1));
        assert_eq!((&header["alg"], &header["kid"]), (&json!("ES256"), &json!("2026")));
        assert_eq!((&claims["iss"], &claims["sub"]), (&json!("orders"), &json!("orders")));
        assert_eq!(claims["aud"], "https://issuer.test", "one audience, as a text");
        let lifetime = claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap();
        assert!((1..=300).contains(&lifetime), "{lifetime}");
        assert_holds_no_piece(&log.text(), assertion.rsplit('.').next().unwrap(), 12, "signature");
    }
    assert!(client.wire.asked().iter().all(|asked| !asked.headers.contains_key(AUTHORIZATION)));
    assert!(client.sent("client_secret").is_empty());
}

/// The second request after a connection that died is no replay.
#[tokio::test(start_paused = true)]
async fn a_second_request_has_an_assertion_of_its_own() {
    let client = Client::proving_itself_by(ClientAuth::private_key_jwt("orders", private_key()));
    client.idp.register_client_key("orders", &public_key()).unwrap();
    client.wire.once(crate::support::wire::Act::Lost);
    assert_eq!(client.kind().await, "ok");
    let assertions = client.sent("client_assertion");
    assert_eq!(assertions.len(), 2);
    assert_ne!(assertions[0], assertions[1]);
}

#[tokio::test(start_paused = true)]
async fn a_bearer_token_that_changes_is_taken_anew_for_each_question() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let auth = ClientAuth::bearer_from(move || format!("token-{}", counted.fetch_add(1, Ordering::SeqCst)));
    let client = Client::proving_itself_by(auth);
    (0..50).for_each(|n| client.idp.register_bearer(&format!("token-{n}")));
    for n in 0..50 {
        assert_eq!(client.kind().await, "ok");
        assert_eq!(client.wire.asked()[n].headers[AUTHORIZATION], format!("Bearer token-{n}"));
    }
    assert_eq!(calls.load(Ordering::SeqCst), 50);
    assert_eq!(client.kind().await, MISCONFIGURED, "token-50 is not known");
    let client = Client::proving_itself_by(ClientAuth::bearer("fixed"));
    client.idp.register_bearer("fixed");
    assert_eq!(client.kind().await, "ok");
}

/// Nothing is sent, and the others are not shut out once there is a token again.
#[tokio::test(start_paused = true)]
async fn without_a_bearer_token_of_its_own_nothing_is_asked() {
    let calls = AtomicUsize::new(0);
    let auth = ClientAuth::bearer_from(move || match calls.fetch_add(1, Ordering::SeqCst) {
        0..10 => String::new(),
        10..20 => "line\nbreak".to_owned(),
        _ => "good".to_owned(),
    });
    let client = Client::proving_itself_by(auth);
    client.idp.register_bearer("good");
    for _ in 0..20 {
        assert_eq!(client.kind().await, "introspection_unavailable");
        assert_eq!(client.why(), Some(IntrospectionErrorKind::CredentialsUnusable));
    }
    assert_eq!(client.wire.total(), 0);
    assert_eq!(client.kind().await, "ok");
}

/// What a user's closure does wrong costs one answer.
#[tokio::test(start_paused = true)]
async fn a_closure_for_the_bearer_token_that_panics_costs_one_answer() {
    let calls = AtomicUsize::new(0);
    let auth = ClientAuth::bearer_from(move || {
        assert!(calls.fetch_add(1, Ordering::SeqCst) > 0, "the test asked for a panic");
        "good".to_owned()
    });
    let client = Client::proving_itself_by(auth);
    client.idp.register_bearer("good");
    assert_eq!(client.kind().await, "introspection_unavailable");
    assert_eq!(client.kind().await, "ok");
}

#[tokio::test(start_paused = true)]
async fn a_client_with_a_certificate_sends_its_identifier_and_no_secret() {
    let client = Client::proving_itself_by(ClientAuth::mtls("orders"));
    client.idp.register_mtls_client("orders");
    assert_eq!(client.kind().await, "ok");
    assert_eq!(client.sent("client_id"), ["orders"]);
    assert!(client.sent("client_secret").is_empty());
    assert!(!client.wire.asked()[0].headers.contains_key(AUTHORIZATION));
}

/// Once the secret is put right at the issuer, tokens pass again without a restart.
#[tokio::test(start_paused = true)]
async fn a_client_that_is_let_in_again_recovers() {
    let client = Client::proving_itself_by(ClientAuth::secret_basic("orders", "new"));
    client.idp.register_client("orders", "old");
    for _ in 0..20 {
        assert_eq!(client.kind().await, MISCONFIGURED);
    }
    client.idp.register_client("orders", "new");
    tokio::time::sleep(10 * SECOND).await;
    assert_eq!(client.kind().await, "ok");
}
