//! Client authentication at the introspection endpoint, and its failures (RFC 7662 section 2.1).

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::header::AUTHORIZATION;
use serde_json::{Value, json};
use tower_bearer::crypto::PrivateKey;
use tower_bearer::diagnostics::IntrospectionErrorKind;
use tower_bearer::testing::TestIssuer;
use tower_bearer::{Algorithm, ClientAuth};

use super::client::Client;
use super::{MISCONFIGURED, UNAVAILABLE};
use crate::support::introspected::SECOND;
use crate::support::keys::decode;
use crate::support::log::{Log, assert_holds_no_piece};
use crate::support::net::Act;
use crate::support::protected::ACCEPTED;

/// A private key for these tests only.
const KEY: &str = "-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgblJGE9BQ+QufTARm
IH15KnjGmKm4x3IxGTmwHJPjkdShRANCAARxwzL6eLUWJ/dJfpTMVduU1dePOsJ4
0S5lAyLdRXswusb9DeJGXYMsYfqlh6ZVk1n3XkznDowxirpj3r3kY0CU
-----END PRIVATE KEY-----";

/// The public key of [`KEY`] as a JWK.
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

#[tokio::test(start_paused = true)]
async fn client_ids_and_secrets_may_contain_any_characters() {
    for secret in ["simple", "a b+c%20", ":&=?#/\\\"'", "\u{fc}\u{df}\u{1f511}", "%", " ", "+", "%3A", "a:b"]
    {
        for id in ["orders-api", "https://api.example.com/orders?x=1", "a b:c%\u{e9}"] {
            for auth in [ClientAuth::secret_basic(id, secret), ClientAuth::secret_post(id, secret)] {
                let name = format!("{auth:?} {id} {secret}");
                let client = Client::new(auth);
                client.idp.register_client(id, secret);
                assert_eq!(client.outcome().await, ACCEPTED, "{name}");
                client.idp.register_client(id, "another");
                assert_eq!(client.outcome().await, MISCONFIGURED, "{name}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_wrong_secret_or_an_unknown_client_gives_500() {
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
        let client = Client::new(auth);
        assert_eq!(client.outcome().await, MISCONFIGURED, "{name}");
        assert!(
            matches!(client.last_error(), Some(IntrospectionErrorKind::ClientRejected(_))),
            "{name}: {:?}",
            client.last_error()
        );
        assert_eq!(client.api.handler.calls(), 0, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn every_request_has_a_new_assertion() {
    let auth = ClientAuth::private_key_jwt("orders", private_key().key_id("2026"));
    let client = Client::new(auth);
    client.idp.register_client_key("orders", &public_key()).unwrap();
    let log = Log::start();
    for _ in 0..100 {
        assert_eq!(client.outcome().await, ACCEPTED);
    }
    let assertions = client.net.sent_params("client_assertion");
    let part = |assertion: &str, n: usize| -> Value {
        serde_json::from_slice(&decode(assertion.split('.').nth(n).unwrap())).unwrap()
    };
    let jtis: HashSet<String> = assertions.iter().map(|sent| part(sent, 1)["jti"].to_string()).collect();
    assert_eq!((assertions.len(), jtis.len()), (100, 100));
    for assertion in &assertions {
        let (header, claims) = (part(assertion, 0), part(assertion, 1));
        assert_eq!((&header["alg"], &header["kid"]), (&json!("ES256"), &json!("2026")));
        assert_eq!((&claims["iss"], &claims["sub"]), (&json!("orders"), &json!("orders")));
        assert_eq!(claims["aud"], "https://issuer.test", "one audience, as a string");
        let lifetime = claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap();
        assert!((1..=300).contains(&lifetime), "{lifetime}");
        assert_holds_no_piece(&log.text(), assertion.rsplit('.').next().unwrap(), 12, "signature");
    }
    assert!(client.net.sent().iter().all(|sent| !sent.headers.contains_key(AUTHORIZATION)));
    assert!(client.net.sent_params("client_secret").is_empty());
}

/// The server would reject a replayed assertion.
#[tokio::test(start_paused = true)]
async fn a_retry_has_a_new_assertion() {
    let client = Client::new(ClientAuth::private_key_jwt("orders", private_key()));
    client.idp.register_client_key("orders", &public_key()).unwrap();
    client.net.once(Act::Lost);
    assert_eq!(client.outcome().await, ACCEPTED);
    let assertions = client.net.sent_params("client_assertion");
    assert_eq!(assertions.len(), 2);
    assert_ne!(assertions[0], assertions[1]);
}

#[tokio::test(start_paused = true)]
async fn bearer_from_is_called_for_every_request() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let auth =
        ClientAuth::bearer_from_fn(move || format!("token-{}", counted.fetch_add(1, Ordering::SeqCst)));
    let client = Client::new(auth);
    (0..50).for_each(|n| client.idp.register_bearer(&format!("token-{n}")));
    for n in 0..50 {
        assert_eq!(client.outcome().await, ACCEPTED);
        assert_eq!(client.net.sent()[n].headers[AUTHORIZATION], format!("Bearer token-{n}"));
    }
    assert_eq!(calls.load(Ordering::SeqCst), 50);
    assert_eq!(client.outcome().await, MISCONFIGURED, "token-50 is not registered");
    let client = Client::new(ClientAuth::bearer("fixed"));
    client.idp.register_bearer("fixed");
    assert_eq!(client.outcome().await, ACCEPTED);
}

/// The circuit breaker stays closed, so requests succeed once there is a token again.
#[tokio::test(start_paused = true)]
async fn an_unusable_bearer_token_sends_no_request() {
    let calls = AtomicUsize::new(0);
    let auth = ClientAuth::bearer_from_fn(move || match calls.fetch_add(1, Ordering::SeqCst) {
        0..10 => String::new(),
        10..20 => "line\nbreak".to_owned(),
        _ => "good".to_owned(),
    });
    let client = Client::new(auth);
    client.idp.register_bearer("good");
    for _ in 0..20 {
        assert_eq!(client.outcome().await, UNAVAILABLE);
        assert_eq!(client.last_error(), Some(IntrospectionErrorKind::CredentialsUnusable));
    }
    assert_eq!(client.net.total(), 0);
    assert_eq!(client.outcome().await, ACCEPTED);
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_bearer_from_fails_only_that_call() {
    let calls = AtomicUsize::new(0);
    let auth = ClientAuth::bearer_from_fn(move || {
        assert!(calls.fetch_add(1, Ordering::SeqCst) > 0, "panic requested by the test");
        "good".to_owned()
    });
    let client = Client::new(auth);
    client.idp.register_bearer("good");
    assert_eq!(client.outcome().await, UNAVAILABLE);
    assert_eq!(client.outcome().await, ACCEPTED);
}

#[tokio::test(start_paused = true)]
async fn an_mtls_client_sends_its_identifier_and_no_secret() {
    let client = Client::new(ClientAuth::mtls("orders"));
    client.idp.register_mtls_client("orders");
    assert_eq!(client.outcome().await, ACCEPTED);
    assert_eq!(client.net.sent_params("client_id"), ["orders"]);
    assert!(client.net.sent_params("client_secret").is_empty());
    assert!(!client.net.sent()[0].headers.contains_key(AUTHORIZATION));
}

/// The secret is corrected at the authorization server.
#[tokio::test(start_paused = true)]
async fn a_client_accepted_again_recovers_without_restart() {
    let client = Client::new(ClientAuth::secret_basic("orders", "new"));
    client.idp.register_client("orders", "old");
    for _ in 0..20 {
        assert_eq!(client.outcome().await, MISCONFIGURED);
    }
    client.idp.register_client("orders", "new");
    tokio::time::sleep(10 * SECOND).await;
    assert_eq!(client.outcome().await, ACCEPTED);
}
