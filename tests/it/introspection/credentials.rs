//! Credentials that rotate: two secrets, providers, files, and bearer tokens of the authorization server.

use std::future::pending;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::header::AUTHORIZATION;
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tower_bearer::client_auth::{ClientCredentials, ProvidedAuth};
use tower_bearer::crypto::HmacAlgorithm;
use tower_bearer::diagnostics::{CircuitState, IntrospectionErrorKind};
use tower_bearer::testing::TestIssuer;
use tower_bearer::{BearerAuth, ClientAuth, Introspection, Issuer};

use super::client::Client;
use super::{INACTIVE, MISCONFIGURED, UNAVAILABLE};
use crate::support::introspected::{SECOND, timed};
use crate::support::keys::decode;
use crate::support::log::Log;
use crate::support::net::{Act, Reply};
use crate::support::protected::{ACCEPTED, API};
use crate::support::stuck::{driven, stuck_after_request};

const TOKEN_URL: &str = "https://issuer.test/token-endpoint";

fn secret(secret: &str) -> ClientAuth {
    ClientAuth::secret_post("orders", secret)
}

/// A provider that returns these secrets one after the other, and the last one forever; and its calls.
fn secrets(secrets: &'static [&'static str]) -> (ClientAuth, Arc<AtomicUsize>) {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let auth = ClientAuth::from_fn("orders", move || {
        let call = counted.fetch_add(1, Ordering::SeqCst);
        async move { Ok::<_, io::Error>(secret(secrets[call.min(secrets.len() - 1)])) }
    });
    (auth, calls)
}

fn claims_of(jwt: &str) -> Value {
    serde_json::from_slice(&decode(jwt.split('.').nth(1).unwrap())).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_rejected_secret_is_replaced_by_the_fallback_once_and_that_comes_first_from_then_on() {
    let client = Client::new(secret("new").with_fallback(secret("old")));
    client.idp.register_client("orders", "old");
    let log = Log::start();
    for _ in 0..3 {
        assert_eq!(client.outcome().await, ACCEPTED);
    }
    assert_eq!(client.net.sent_params("client_secret"), ["new", "old", "old", "old"]);
    // The server has the new secret now.
    client.idp.register_client("orders", "new");
    for _ in 0..2 {
        assert_eq!(client.outcome().await, ACCEPTED);
    }
    assert_eq!(client.net.sent_params("client_secret")[4..], ["old", "new", "new"]);
    let text = log.text();
    assert_eq!(text.matches("introspection credentials switched").count(), 2, "{text}");
}

#[tokio::test(start_paused = true)]
async fn concurrent_requests_switch_the_secret_once() {
    let client = Arc::new(Client::new(secret("new").with_fallback(secret("old"))));
    client.idp.register_client("orders", "old");
    client.net.always(Act::After(SECOND, Box::new(Act::Pass)));
    let log = Log::start();
    let mut requests = JoinSet::new();
    for _ in 0..10 {
        let client = Arc::clone(&client);
        requests.spawn(async move { client.outcome().await });
    }
    assert!(requests.join_all().await.into_iter().all(|outcome| outcome == ACCEPTED));
    assert_eq!(log.text().matches("introspection credentials switched").count(), 1);
    assert_eq!(client.outcome().await, ACCEPTED);
    assert_eq!(client.net.sent_params("client_secret")[20..], ["old"]);
}

#[tokio::test(start_paused = true)]
async fn a_second_secret_that_meets_an_outage_is_not_preferred() {
    let client = Client::new(secret("new").with_fallback(secret("old")));
    client.net.then(vec![Act::Instead(Reply::status(401)), Act::Instead(Reply::Refused)]);
    client.idp.register_client("orders", "new");
    assert_eq!(client.outcome().await, UNAVAILABLE);
    assert_eq!(client.outcome().await, ACCEPTED);
    assert_eq!(client.net.sent_params("client_secret"), ["new", "old", "new"]);
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_is_slow_after_a_rejection_does_not_count_as_an_outage_of_the_server() {
    let calls = AtomicUsize::new(0);
    let auth = ClientAuth::from_fn("orders", move || {
        let call = calls.fetch_add(1, Ordering::SeqCst);
        async move {
            if call > 0 {
                sleep(60 * SECOND).await;
            }
            Ok::<_, io::Error>(secret("wrong"))
        }
    });
    let client = Client::new(auth);
    client.idp.register_client("orders", "right");
    let (outcome, waited) = timed(client.outcome()).await;
    assert_eq!((outcome, waited), (MISCONFIGURED, 3 * SECOND));
    assert!(matches!(client.last_error(), Some(IntrospectionErrorKind::ClientRejected(_))));
}

#[tokio::test(start_paused = true)]
async fn two_rejected_secrets_are_a_misconfiguration_after_two_requests() {
    let client = Client::new(secret("new").with_fallback(secret("old")));
    client.idp.register_client("orders", "another");
    assert_eq!(client.outcome().await, MISCONFIGURED);
    assert_eq!(client.net.sent_params("client_secret"), ["new", "old"]);
    assert!(matches!(client.last_error(), Some(IntrospectionErrorKind::ClientRejected(_))));
}

#[tokio::test(start_paused = true)]
async fn only_a_rejection_of_the_client_leads_to_the_fallback() {
    for act in
        [Act::Instead(Reply::status(500)), Act::Instead(Reply::status(400)), Act::Instead(Reply::Refused)]
    {
        let client = Client::new(secret("new").with_fallback(secret("old")));
        client.idp.register_client("orders", "old");
        client.net.once(act);
        assert_eq!(client.outcome().await, UNAVAILABLE);
        assert_eq!(client.net.sent_params("client_secret"), ["new"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_cached_response_survives_the_rotation_of_the_secret() {
    let (auth, _) = secrets(&["one", "two"]);
    let client = Client::new(auth);
    client.idp.register_client("orders", "one");
    let token = client.idp.token(API).opaque();
    assert_eq!(client.api.outcome(&token).await, ACCEPTED);
    client.idp.register_client("orders", "two");
    assert_eq!(client.outcome().await, ACCEPTED);
    assert_eq!(client.net.sent_params("client_secret"), ["one", "one", "two"]);
    assert_eq!(client.api.outcome_at_once(&token), ACCEPTED);
}

#[tokio::test(start_paused = true)]
async fn concurrent_requests_call_the_provider_once() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let auth = ClientAuth::from_fn("orders", move || {
        counted.fetch_add(1, Ordering::SeqCst);
        async {
            sleep(SECOND).await;
            Ok::<_, io::Error>(secret("one"))
        }
    });
    let client = Arc::new(Client::new(auth));
    client.idp.register_client("orders", "one");
    let mut requests = JoinSet::new();
    for _ in 0..20 {
        let client = Arc::clone(&client);
        requests.spawn(async move { client.outcome().await });
    }
    assert!(requests.join_all().await.into_iter().all(|outcome| outcome == ACCEPTED));
    assert_eq!(calls.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn cached_credentials_are_renewed_in_the_background() {
    let (auth, calls) = secrets(&["one", "two"]);
    let client = Client::new(auth);
    client.idp.register_client("orders", "one");
    for _ in 0..3 {
        assert_eq!(client.outcome().await, ACCEPTED);
    }
    assert_eq!(calls.load(Ordering::SeqCst), 1);
    sleep(61 * SECOND).await;
    // This request starts the renewal and does not wait for it.
    assert_eq!(client.outcome().await, ACCEPTED);
    sleep(SECOND).await;
    client.idp.register_client("orders", "two");
    assert_eq!(client.outcome().await, ACCEPTED);
    assert_eq!(client.net.sent_params("client_secret"), ["one", "one", "one", "one", "two"]);
    assert_eq!(calls.load(Ordering::SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn expired_credentials_are_not_sent() {
    let calls = AtomicUsize::new(0);
    let auth = ClientAuth::from_fn("orders", move || {
        let token = format!("token-{}", calls.fetch_add(1, Ordering::SeqCst));
        let auth = ProvidedAuth::from(ClientAuth::bearer(token)).expires_in(100 * SECOND);
        async move { Ok::<_, io::Error>(auth) }
    });
    let client = Client::new(auth);
    (0..3).for_each(|n| client.idp.register_bearer(&format!("token-{n}")));
    for (pause, expected) in [(0, "0"), (74, "0"), (17, "1"), (80, "1"), (1, "2")] {
        sleep(pause * SECOND).await;
        assert_eq!(client.outcome().await, ACCEPTED);
        let sent = client.net.sent();
        assert_eq!(sent.last().unwrap().headers[AUTHORIZATION], format!("Bearer token-{expected}"));
    }
}

#[tokio::test(start_paused = true)]
async fn credentials_with_a_lifetime_outlive_a_failed_provider_until_30_s_before_they_expire() {
    let calls = AtomicUsize::new(0);
    let auth = ClientAuth::from_fn("orders", move || {
        let auth = ProvidedAuth::from(secret("one")).expires_in(3600 * SECOND);
        let is_first = calls.fetch_add(1, Ordering::SeqCst) == 0;
        async move { if is_first { Ok(auth) } else { Err(io::Error::other("sealed")) } }
    });
    let client = Client::new(auth);
    client.idp.register_client("orders", "one");
    for (pause, expected) in [(0, ACCEPTED), (3000, ACCEPTED), (569, ACCEPTED), (2, UNAVAILABLE)] {
        sleep(pause * SECOND).await;
        assert_eq!(client.outcome().await, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_failing_provider_gives_503_and_is_called_once_per_second() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let auth = ClientAuth::from_fn("orders", move || {
        let call = counted.fetch_add(1, Ordering::SeqCst);
        async move {
            match call {
                0 => Err(io::Error::other("the secret store is sealed")),
                1 => panic!("panic requested by the test"),
                _ => Ok(secret("one")),
            }
        }
    });
    let client = Client::new(auth);
    client.idp.register_client("orders", "one");
    for failures in 1..=2 {
        for _ in 0..20 {
            assert_eq!(client.outcome().await, UNAVAILABLE);
            assert_eq!(client.last_error(), Some(IntrospectionErrorKind::CredentialsUnavailable));
        }
        assert_eq!(calls.load(Ordering::SeqCst), failures);
        sleep(SECOND).await;
    }
    assert_eq!((client.net.total(), client.circuit()), (0, CircuitState::Closed));
    assert_eq!(client.outcome().await, ACCEPTED);
}

#[tokio::test(start_paused = true)]
async fn a_slow_provider_delays_a_request_by_the_introspection_timeout_at_most_and_is_not_called_again() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let auth = ClientAuth::from_fn("orders", move || {
        counted.fetch_add(1, Ordering::SeqCst);
        async {
            sleep(7 * SECOND).await;
            Ok::<_, io::Error>(secret("one"))
        }
    });
    let client = Client::with(auth, |introspection| introspection.timeout(2 * SECOND));
    client.idp.register_client("orders", "one");
    for _ in 0..3 {
        let (outcome, waited) = timed(client.outcome()).await;
        assert_eq!((outcome, waited.as_secs()), (UNAVAILABLE, 2));
        assert_eq!(client.last_error(), Some(IntrospectionErrorKind::CredentialsUnavailable));
    }
    assert_eq!((client.net.total(), client.circuit()), (0, CircuitState::Closed));
    // The call has gone on.
    assert_eq!(client.outcome().await, ACCEPTED);
    assert_eq!(calls.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_never_returns_fails_after_30_s_or_ten_timeouts_and_is_called_again() {
    for (timeout, limit) in [(1, 30), (5, 50)] {
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&calls);
        let auth = ClientAuth::from_fn("orders", move || {
            let call = counted.fetch_add(1, Ordering::SeqCst);
            async move {
                if call == 0 {
                    pending::<()>().await;
                }
                Ok::<_, io::Error>(secret("one"))
            }
        });
        let client = Client::with(auth, |introspection| introspection.timeout(timeout * SECOND));
        client.idp.register_client("orders", "one");
        let log = Log::start();
        assert_eq!(client.outcome().await, UNAVAILABLE);
        sleep((limit - 2 * timeout) * SECOND - SECOND / 2).await;
        assert_eq!(client.outcome().await, UNAVAILABLE);
        assert_eq!(client.last_error(), Some(IntrospectionErrorKind::CredentialsUnavailable));
        assert_eq!((calls.load(Ordering::SeqCst), client.net.total()), (1, 0));
        assert!(!log.text().contains("introspection credentials unavailable"));
        sleep(2 * SECOND).await;
        assert!(log.text().contains("introspection credentials unavailable"));
        assert_eq!(client.outcome().await, ACCEPTED);
        assert_eq!(calls.load(Ordering::SeqCst), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn a_background_renewal_that_never_returns_is_repeated_and_leaves_the_credentials_in_use() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let auth = ClientAuth::from_fn("orders", move || {
        let call = counted.fetch_add(1, Ordering::SeqCst);
        async move {
            if call > 0 {
                pending::<()>().await;
            }
            Ok::<_, io::Error>(secret("one"))
        }
    });
    let client = Client::new(auth);
    client.idp.register_client("orders", "one");
    for expected in [1, 2, 3, 4] {
        let (outcome, waited) = timed(client.outcome()).await;
        assert_eq!((outcome, waited), (ACCEPTED, Duration::ZERO));
        sleep(SECOND).await;
        assert_eq!(calls.load(Ordering::SeqCst), expected);
        sleep(60 * SECOND).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_renewal_after_a_rejection_does_not_delay_requests_with_the_cached_credentials() {
    let calls = AtomicUsize::new(0);
    let auth = ClientAuth::from_fn("orders", move || {
        let call = calls.fetch_add(1, Ordering::SeqCst);
        async move {
            if call == 0 {
                return Ok::<_, io::Error>(secret("one"));
            }
            sleep(2 * SECOND).await;
            Ok(secret("two"))
        }
    });
    let client = Arc::new(Client::new(auth));
    client.idp.register_client("orders", "one");
    client.net.once(Act::Instead(Reply::status(401)));
    let mut rejected = JoinSet::new();
    let first = Arc::clone(&client);
    rejected.spawn(async move { timed(first.outcome()).await });
    sleep(SECOND).await;
    let (outcome, waited) = timed(client.outcome()).await;
    assert_eq!((outcome, waited), (ACCEPTED, Duration::ZERO));
    client.idp.register_client("orders", "two");
    assert_eq!(rejected.join_all().await, [(ACCEPTED, 2 * SECOND)]);
    assert_eq!(client.net.sent_params("client_secret"), ["one", "one", "two"]);
}

#[tokio::test(start_paused = true)]
async fn requests_that_are_rejected_during_a_renewal_wait_for_it() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let auth = ClientAuth::from_fn("orders", move || {
        let call = counted.fetch_add(1, Ordering::SeqCst);
        async move {
            sleep(2 * SECOND).await;
            Ok::<_, io::Error>(secret(if call == 0 { "one" } else { "two" }))
        }
    });
    // Some requests wait for both calls of the provider: 4 s.
    let client = Arc::new(Client::with(auth, |introspection| introspection.timeout(5 * SECOND)));
    client.idp.register_client("orders", "two");
    let mut requests = JoinSet::new();
    for start in [0, 0, 1, 2, 3] {
        let client = Arc::clone(&client);
        requests.spawn(async move {
            sleep(start * SECOND).await;
            client.outcome().await
        });
    }
    let outcomes = requests.join_all().await;
    assert!(outcomes.iter().all(|outcome| *outcome == ACCEPTED), "{outcomes:?}");
    assert_eq!(calls.load(Ordering::SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_fails_later_leaves_the_last_credentials_in_use() {
    let calls = AtomicUsize::new(0);
    let auth = ClientAuth::from_fn("orders", move || {
        let call = calls.fetch_add(1, Ordering::SeqCst);
        async move { if call == 0 { Ok(secret("one")) } else { Err(io::Error::other("sealed")) } }
    });
    let client = Client::new(auth);
    client.idp.register_client("orders", "one");
    for _ in 0..10 {
        assert_eq!(client.outcome().await, ACCEPTED);
        sleep(100 * SECOND).await;
    }
}

#[tokio::test(start_paused = true)]
async fn rejected_credentials_of_a_provider_are_renewed_at_most_every_five_seconds() {
    let (auth, calls) = secrets(&["wrong"]);
    let client = Client::new(auth);
    client.idp.register_client("orders", "right");
    for _ in 0..4 {
        assert_eq!(client.outcome().await, MISCONFIGURED);
    }
    assert_eq!(calls.load(Ordering::SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn if_both_secrets_of_a_provider_are_rejected_they_are_renewed_once() {
    for (registered, expected, requests, calls) in [
        ("two", ACCEPTED, &["one", "zero", "two"][..], 2),
        ("three", ACCEPTED, &["one", "zero", "two", "three"], 2),
        ("another", MISCONFIGURED, &["one", "zero", "two", "three"], 2),
        ("zero", ACCEPTED, &["one", "zero"], 1),
    ] {
        let called = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&called);
        let auth = ClientAuth::from_fn("orders", move || {
            let is_first = counted.fetch_add(1, Ordering::SeqCst) == 0;
            let (current, other) = if is_first { ("one", "zero") } else { ("two", "three") };
            async move { Ok::<_, io::Error>(secret(current).with_fallback(secret(other))) }
        });
        let client = Client::new(auth);
        client.idp.register_client("orders", registered);
        assert_eq!(client.outcome().await, expected, "{registered}");
        assert_eq!(client.net.sent_params("client_secret"), requests);
        // Within 5 s after a renewal, there is no other.
        assert_eq!(client.outcome().await, expected, "{registered}");
        assert_eq!(called.load(Ordering::SeqCst), calls, "{registered}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_provider_cannot_return_the_credentials_of_another_client_or_of_a_provider() {
    type Provided = fn() -> ClientAuth;
    let cases: [Provided; 5] = [
        || ClientAuth::secret_basic("mallory", "s"),
        || ClientAuth::secret_basic("orders", ""),
        || ClientAuth::mtls("orders"),
        || ClientAuth::assertion_file("orders", "/nowhere"),
        || ClientAuth::bearer("t").endpoint_as_audience(),
    ];
    for provided in cases {
        let client =
            Client::new(ClientAuth::from_fn("orders", move || async move { Ok::<_, io::Error>(provided()) }));
        assert_eq!(client.outcome().await, UNAVAILABLE);
        assert_eq!(client.last_error(), Some(IntrospectionErrorKind::CredentialsUnusable));
        assert_eq!(client.net.total(), 0);
    }
}

#[tokio::test]
async fn an_assertion_file_is_read_again_when_its_assertion_is_rejected() {
    let path = std::env::temp_dir().join(format!("tower-bearer-assertion-{}", std::process::id()));
    std::fs::write(&path, "a.b.one\n").unwrap();
    let client = Client::new(ClientAuth::assertion_file("orders", &path));
    let accepted = Arc::new(Mutex::new("a.b.one"));
    let expected = Arc::clone(&accepted);
    client.net.script(move |sent| {
        let form: Vec<(String, String)> = form_urlencoded::parse(&sent.body).into_owned().collect();
        let value =
            |name: &str| form.iter().find(|(param, _)| param == name).map(|(_, value)| value.as_str());
        assert_eq!(value("client_id"), Some("orders"));
        let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
        assert_eq!(value("client_assertion_type"), Some(kind));
        let is_accepted = value("client_assertion") == Some(*expected.lock().unwrap());
        let body = json!({"active": false}).to_string();
        Act::Instead(if is_accepted { Reply::body(body) } else { Reply::status(401) })
    });
    assert_eq!(client.outcome().await, INACTIVE);
    std::fs::write(&path, "a.b.two").unwrap();
    *accepted.lock().unwrap() = "a.b.two";
    assert_eq!(client.outcome().await, INACTIVE);
    assert_eq!(client.net.sent_params("client_assertion"), ["a.b.one", "a.b.one", "a.b.two"]);
    std::fs::remove_file(&path).unwrap();
}

#[tokio::test]
async fn a_missing_empty_large_or_malformed_assertion_file_gives_503() {
    let path = std::env::temp_dir().join(format!("tower-bearer-no-assertion-{}", std::process::id()));
    for contents in [None, Some(String::new()), Some("a b".to_owned()), Some("a".repeat((64 << 10) + 1))] {
        if let Some(contents) = &contents {
            std::fs::write(&path, contents).unwrap();
        }
        let client = Client::new(ClientAuth::assertion_file("orders", &path));
        assert_eq!(client.outcome().await, UNAVAILABLE);
        assert_eq!(client.last_error(), Some(IntrospectionErrorKind::CredentialsUnavailable));
        assert_eq!(client.net.total(), 0);
    }
    std::fs::remove_file(&path).unwrap();
}

/// The endpoint of the test issuer accepts the bearer tokens that its token endpoint has issued.
fn with_bearer_token(reply: impl Fn(usize) -> Reply + Send + Sync + 'static) -> Client {
    let request = ClientCredentials::new(TOKEN_URL, secret("one")).scope("introspect");
    let client = Client::new(ClientAuth::client_credentials(request));
    let tokens = AtomicUsize::new(0);
    client.net.script(move |sent| match sent.url.as_str() {
        TOKEN_URL => Act::Instead(reply(tokens.fetch_add(1, Ordering::SeqCst))),
        _ => Act::Pass,
    });
    client
}

fn issued(token: &str, expires_in: u64) -> Reply {
    Reply::body(json!({"access_token": token, "token_type": "Bearer", "expires_in": expires_in}).to_string())
}

#[tokio::test(start_paused = true)]
async fn a_bearer_token_is_requested_once_and_renewed_before_it_expires() {
    let client = with_bearer_token(|n| issued(&format!("token-{n}"), 100));
    (0..3).for_each(|n| client.idp.register_bearer(&format!("token-{n}")));
    for _ in 0..3 {
        assert_eq!(client.outcome().await, ACCEPTED);
    }
    assert_eq!(client.net.count(TOKEN_URL), 1);
    let request = &client.net.sent()[0];
    let form: Vec<(String, String)> = form_urlencoded::parse(&request.body).into_owned().collect();
    let expected = [
        ("grant_type", "client_credentials"),
        ("scope", "introspect"),
        ("client_id", "orders"),
        ("client_secret", "one"),
    ];
    assert_eq!(form, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    sleep(76 * SECOND).await;
    assert_eq!(client.outcome().await, ACCEPTED);
    sleep(SECOND).await;
    assert_eq!(client.outcome().await, ACCEPTED);
    assert_eq!(client.net.count(TOKEN_URL), 2);
    let sent = client.net.sent();
    assert_eq!(sent.last().unwrap().headers[AUTHORIZATION], "Bearer token-1");
}

#[tokio::test(start_paused = true)]
async fn a_revoked_bearer_token_is_replaced() {
    let client = with_bearer_token(|n| issued(&format!("token-{n}"), 3600));
    client.idp.register_bearer("token-1");
    assert_eq!(client.outcome().await, ACCEPTED);
    assert_eq!(client.net.count(TOKEN_URL), 2);
}

#[tokio::test(start_paused = true)]
async fn a_token_endpoint_that_rejects_the_client_is_a_misconfiguration_and_one_that_fails_is_unavailable() {
    let json =
        |status, error: &str| Reply::With(status, Vec::new(), json!({"error": error}).to_string().into());
    let ill_typed = Reply::body(json!({"access_token": 5, "token_type": "Bearer"}).to_string());
    let dpop = Reply::body(json!({"access_token": "t", "token_type": "DPoP"}).to_string());
    let malformed = Reply::body(json!({"access_token": "a b", "token_type": "Bearer"}).to_string());
    for (reply, expected) in [
        (json(401, "invalid_client"), MISCONFIGURED),
        (json(400, "invalid_scope"), MISCONFIGURED),
        (Reply::status(500), UNAVAILABLE),
        (Reply::status(429), UNAVAILABLE),
        (Reply::Refused, UNAVAILABLE),
        (Reply::Hang, UNAVAILABLE),
        (Reply::redirect(302, "https://elsewhere.test/"), UNAVAILABLE),
        (Reply::body("{}"), UNAVAILABLE),
        (Reply::body("[1"), UNAVAILABLE),
        (ill_typed, UNAVAILABLE),
        (dpop, UNAVAILABLE),
        (malformed, UNAVAILABLE),
    ] {
        let client = with_bearer_token(move |_| reply.clone());
        let (outcome, waited) = timed(client.outcome()).await;
        assert_eq!(outcome, expected);
        assert!(waited <= 3 * SECOND, "{waited:?}");
        assert_eq!(client.net.count(TOKEN_URL), client.net.total(), "no introspection request is sent");
    }
}

#[tokio::test(start_paused = true)]
async fn requests_for_a_bearer_token_count_against_the_rate_limit() {
    let request = ClientCredentials::new(TOKEN_URL, secret("one"));
    let client = Client::with(ClientAuth::client_credentials(request), |introspection| {
        introspection.max_calls_per_minute(8).inactive_ttl(Duration::ZERO)
    });
    client.net.script(|sent| match sent.url.as_str() {
        TOKEN_URL => Act::Instead(issued("token", 3600)),
        _ => Act::Instead(Reply::body(json!({"active": false}).to_string())),
    });
    for _ in 0..20 {
        client.outcome().await.unwrap_err();
    }
    assert!((2..=4).contains(&client.net.total()), "{:?}", client.net.urls());
}

#[tokio::test(start_paused = true)]
async fn the_audience_of_an_assertion_is_the_issuer_or_by_setting_the_endpoint() {
    let key = "0123456789abcdef0123456789abcdef";
    let auth = || ClientAuth::secret_jwt("orders", key, HmacAlgorithm::HS256);
    for (auth, audience) in
        [(auth(), "https://issuer.test"), (auth().endpoint_as_audience(), "https://issuer.test/introspect")]
    {
        let client = Client::new(auth);
        client.net.always(Act::Instead(Reply::body(json!({"active": false}).to_string())));
        assert_eq!(client.outcome().await, INACTIVE);
        let assertions = client.net.sent_params("client_assertion");
        assert_eq!(claims_of(&assertions[0])["aud"], audience);
        assert_eq!(claims_of(&assertions[0])["sub"], "orders");
        assert!(client.net.sent_params("client_secret").is_empty());
    }
}

#[test]
fn credentials_that_could_never_work_are_config_errors() {
    let long = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    let hmac = |length: usize, algorithm| ClientAuth::secret_jwt("orders", &long[..length], algorithm);
    let token = |url: &str, auth| ClientAuth::client_credentials(ClientCredentials::new(url, auth));
    let nested = || token(TOKEN_URL, token(TOKEN_URL, secret("s")));
    for (auth, expected) in [
        (hmac(31, HmacAlgorithm::HS256), Some("too short")),
        (hmac(32, HmacAlgorithm::HS256), None),
        (hmac(47, HmacAlgorithm::HS384), Some("too short")),
        (hmac(48, HmacAlgorithm::HS384), None),
        (hmac(63, HmacAlgorithm::HS512), Some("too short")),
        (hmac(64, HmacAlgorithm::HS512), None),
        (secret("s").endpoint_as_audience(), Some("endpoint_as_audience needs")),
        (secret("a").with_fallback(ClientAuth::secret_post("mallory", "b")), Some("another client")),
        (secret("a").with_fallback(secret("")), Some("client secret is empty")),
        (secret("a").with_fallback(secret("b").with_fallback(secret("c"))), Some("with_fallback needs")),
        (secret("a").with_fallback(ClientAuth::mtls("orders")), Some("with_fallback cannot replace")),
        (secrets(&["a"]).0.with_fallback(secret("b")), Some("with_fallback needs")),
        (ClientAuth::from_fn("", || async { Ok::<_, io::Error>(secret("a")) }), Some("identifier is empty")),
        (ClientAuth::assertion_file("orders", ""), Some("path of the assertion file is empty")),
        (token("http://issuer.test/token", secret("s")), Some("token endpoint in ClientCredentials")),
        (token(TOKEN_URL, secret("")), Some("client secret is empty")),
        (token(TOKEN_URL, ClientAuth::bearer("t")), Some("needs the credentials of a client")),
        (nested(), Some("needs the credentials of a client")),
        (token(TOKEN_URL, ClientAuth::mtls("orders")), Some("Introspection::http_client")),
        (token(TOKEN_URL, secret("s")), None),
    ] {
        let name = format!("{auth:?}");
        let issuer = Issuer::discover("https://issuer.test").introspect(Introspection::with(auth));
        let builder = BearerAuth::builder(API).http_client(TestIssuer::new().http_client());
        let error = builder.issuer(issuer).build().err().map(|error| error.to_string());
        match expected {
            Some(expected) => assert!(error.as_ref().unwrap().contains(expected), "{name}: {error:?}"),
            None => assert_eq!(error, None, "{name}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_provider_on_a_runtime_that_stands_still_is_called_again_after_its_time_limit() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let auth = ClientAuth::from_fn(TestIssuer::CLIENT_ID, move || {
        let is_first = counted.fetch_add(1, Ordering::SeqCst) == 0;
        async move {
            if is_first {
                pending::<()>().await;
            }
            Ok::<_, io::Error>(ClientAuth::secret_basic(TestIssuer::CLIENT_ID, TestIssuer::CLIENT_SECRET))
        }
    });
    let client = Client::new(auth);
    let stuck = stuck_after_request(&client.api, &client.idp.token(API).opaque());
    assert_eq!(client.outcome().await, UNAVAILABLE);
    assert_eq!(calls.load(Ordering::SeqCst), 1);
    sleep(30 * SECOND).await;
    assert_eq!(client.outcome().await, ACCEPTED);
    assert_eq!(calls.load(Ordering::SeqCst), 2);
    stuck.shutdown_background();
    assert_eq!(client.outcome().await, ACCEPTED);
}

/// The first call returns outdated credentials while the second one is in flight.
#[tokio::test(start_paused = true)]
async fn a_provider_that_returns_after_its_call_was_replaced_changes_nothing() {
    let calls = Arc::new(AtomicUsize::new(0));
    let returns: Arc<[Notify; 2]> = Arc::default();
    let (counted, gates) = (Arc::clone(&calls), Arc::clone(&returns));
    let auth = ClientAuth::from_fn(TestIssuer::CLIENT_ID, move || {
        let call = counted.fetch_add(1, Ordering::SeqCst);
        let gates = Arc::clone(&gates);
        async move {
            gates[call].notified().await;
            let secret = if call == 0 { "outdated" } else { TestIssuer::CLIENT_SECRET };
            Ok::<_, io::Error>(ClientAuth::secret_basic(TestIssuer::CLIENT_ID, secret))
        }
    });
    let client = Client::new(auth);
    let stuck = stuck_after_request(&client.api, &client.idp.token(API).opaque());
    sleep(31 * SECOND).await;
    assert_eq!(client.outcome().await, UNAVAILABLE);
    assert_eq!(calls.load(Ordering::SeqCst), 2);
    returns[0].notify_one();
    driven(stuck).shutdown_background();
    assert_eq!(client.outcome().await, UNAVAILABLE, "it waits for the second call");
    returns[1].notify_one();
    assert_eq!(client.outcome().await, ACCEPTED);
    assert_eq!(calls.load(Ordering::SeqCst), 2);
}
