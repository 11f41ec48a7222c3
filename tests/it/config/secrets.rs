//! The credentials of introspection requests as data, as they are sent.

use serde_json::{Value, json};
use tower_bearer::RejectionKind;
use tower_bearer::testing::TestIssuer;

use super::{TempFile, parse};
use crate::support::keys::decode;
use crate::support::net::{Act, Net, Reply};
use crate::support::protected::{ACCEPTED, API, Protected};

const SECRET: &str = "0123456789012345678901234567890123456789";

struct Client {
    idp: TestIssuer,
    net: Net,
    api: Protected,
}

impl Client {
    /// An API that introspects with these credentials.
    fn new(mut credentials: Value) -> Self {
        let idp = TestIssuer::new();
        let net = Net::to(&idp);
        let introspection = credentials.as_object_mut().unwrap();
        introspection.insert("endpoint".to_owned(), idp.introspection_url().into());
        let issuer = json!({"issuer": idp.identifier(), "jwks": idp.jwks(), "introspection": introspection});
        let config = json!({"audience": API, "skip_start_check": true, "issuers": [issuer]});
        let builder = parse(config).unwrap().builder().unwrap();
        let api = Protected::by(&builder.clock(idp.clock()).http_client(net.clone()).build().unwrap());
        Self { idp, net, api }
    }
}

#[tokio::test(start_paused = true)]
async fn the_fallback_secret_is_sent_after_the_first_is_rejected() {
    let old = TempFile::new("old-secret", format!("{}\n", TestIssuer::CLIENT_SECRET));
    let client = Client::new(json!({
        "auth": "client_secret_post",
        "client_id": TestIssuer::CLIENT_ID,
        "secret": "new",
        "fallback_secret_file": old.0,
    }));
    assert_eq!(client.api.outcome(client.idp.token(API).opaque()).await, ACCEPTED);
    assert_eq!(client.net.sent_params("client_secret"), ["new", TestIssuer::CLIENT_SECRET]);
}

#[tokio::test(start_paused = true)]
async fn assertions_are_signed_with_the_secret_and_name_the_endpoint_or_the_issuer() {
    for (endpoint_as_audience, audience) in
        [(false, "https://issuer.test"), (true, "https://issuer.test/introspect")]
    {
        let client = Client::new(json!({
            "auth": "client_secret_jwt",
            "client_id": "orders",
            "secret": SECRET,
            "secret_algorithm": "HS256",
            "endpoint_as_audience": endpoint_as_audience,
        }));
        client.net.always(Act::Instead(Reply::body(r#"{"active": false}"#)));
        client.api.outcome(client.idp.token(API).opaque()).await.unwrap_err();
        let assertion = &client.net.sent_params("client_assertion")[0];
        let part = |index| assertion.split('.').nth(index).unwrap();
        let header: Value = serde_json::from_slice(&decode(part(0))).unwrap();
        let claims: Value = serde_json::from_slice(&decode(part(1))).unwrap();
        assert_eq!((&header["alg"], &claims["aud"]), (&json!("HS256"), &json!(audience)));
    }
}

#[tokio::test(start_paused = true)]
async fn an_assertion_from_a_file_is_sent_as_it_is() {
    let file = TempFile::new("assertion", "e30.e30.AA\n");
    let client =
        Client::new(json!({"auth": "private_key_jwt", "client_id": "orders", "assertion_file": file.0}));
    client.net.always(Act::Instead(Reply::body(r#"{"active": false}"#)));
    client.api.outcome(client.idp.token(API).opaque()).await.unwrap_err();
    assert_eq!(client.net.sent_params("client_assertion"), ["e30.e30.AA"]);
}

#[tokio::test(start_paused = true)]
async fn a_client_obtains_a_bearer_token_with_its_scope_and_parameters() {
    let token_url = "https://issuer.test/token-endpoint";
    let client = Client::new(json!({
        "auth": "client_secret_post",
        "client_id": "orders",
        "secret": SECRET,
        "client_credentials": {
            "token_endpoint": token_url,
            "scope": "introspect",
            "parameters": {"resource": "https://issuer.test/introspect"},
        },
    }));
    client.idp.register_bearer("t0k3n");
    client.net.set(token_url, Reply::body(r#"{"access_token": "t0k3n", "token_type": "Bearer"}"#));
    assert_eq!(client.api.outcome(client.idp.token(API).opaque()).await, ACCEPTED);
    assert_eq!(client.net.sent_params("scope"), ["introspect"]);
    assert_eq!(client.net.sent_params("resource"), ["https://issuer.test/introspect"]);
    let last = client.net.sent().pop().unwrap();
    assert_eq!(last.headers["authorization"], "Bearer t0k3n");
}

#[tokio::test(start_paused = true)]
async fn a_response_without_exp_is_accepted_for_the_configured_time() {
    let responding = |settings: Value| {
        let mut credentials = json!({"client_id": "orders", "secret": SECRET});
        credentials.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
        let client = Client::new(credentials);
        let response = json!({"active": true, "sub": "alice", "aud": API}).to_string();
        client.net.always(Act::Instead(Reply::body(response)));
        client
    };
    let accepting = responding(json!({"dangerous_accept_without_expiry_secs": 60}));
    assert_eq!(accepting.api.outcome("opaque").await, ACCEPTED);
    assert_eq!(responding(json!({})).api.outcome("opaque").await, Err(RejectionKind::ClaimMissing));
}
