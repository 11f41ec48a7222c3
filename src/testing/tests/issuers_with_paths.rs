//! Issuers whose identifier has a path or ends in a slash, in memory and on a port.

use super::*;
use crate::builder::BearerAuthBuilder;
use crate::testing::{Endpoint, Fault};

async fn get(client: &InMemoryClient, url: &str) -> Reply {
    send(client, Request::get(url).body(Bytes::new()).unwrap()).await.unwrap()
}

/// Whether each issuer is ready within its API.
async fn is_ready(builder: BearerAuthBuilder) -> bool {
    builder.build().unwrap().ready_all().await.is_ok()
}

#[tokio::test]
async fn an_issuer_is_discovered_whatever_its_path() {
    for identifier in
        ["https://login.test/realms/acme", "https://login.test/realms/acme/", "https://login.test/"]
    {
        let idp = TestIssuer::in_memory(identifier);
        assert!(is_ready(idp.bearer_auth(API)).await, "{identifier}");
        assert_eq!((idp.requests(Endpoint::Metadata), idp.requests(Endpoint::Jwks)), (1, 1), "{identifier}");
        let token = idp.token(API).access_token().unwrap();
        assert_eq!(token.issuer(), identifier);
    }
}

#[tokio::test]
async fn the_metadata_is_the_same_at_every_well_known_url() {
    let idp = TestIssuer::in_memory("https://login.test/realms/acme");
    for url in [
        "https://login.test/.well-known/oauth-authorization-server/realms/acme",
        "https://login.test/.well-known/openid-configuration/realms/acme",
        "https://login.test/realms/acme/.well-known/openid-configuration",
    ] {
        let metadata = get(&idp.http_client(), url).await.json();
        assert_eq!(metadata["issuer"], "https://login.test/realms/acme", "{url}");
        assert_eq!(metadata["introspection_endpoint"], "https://login.test/realms/acme/introspect", "{url}");
    }
    for url in ["https://login.test/.well-known/openid-configuration", "https://login.test/jwks"] {
        assert_eq!(get(&idp.http_client(), url).await.status, 404, "{url}");
    }
}

#[tokio::test]
async fn issuers_on_one_host_are_told_apart_by_their_path() {
    let [root, acme, globex] = ["https://login.test", "https://login.test/acme", "https://login.test/globex"]
        .map(TestIssuer::in_memory);
    let client = root.http_client().and(acme.http_client()).and(globex.http_client());
    let mut builder = BearerAuth::builder(API).http_client(client.clone());
    for idp in [&root, &acme, &globex] {
        builder = builder.add_issuer(idp.issuer());
    }
    assert!(is_ready(builder).await);
    for idp in [&root, &acme, &globex] {
        assert_eq!((idp.requests(Endpoint::Metadata), idp.requests(Endpoint::Jwks)), (1, 1), "{idp:?}");
        assert_eq!(get(&client, &idp.jwks_url()).await.body, idp.jwks(), "{idp:?}");
    }
    assert_eq!(get(&client, "https://login.test/initech/jwks").await.status, 404);
    let elsewhere = Request::get("https://login.test:8443/acme/jwks").body(Bytes::new()).unwrap();
    assert!(send(&client, elsewhere).await.is_err());
}

#[cfg(feature = "reqwest")]
#[tokio::test]
async fn an_issuer_on_a_port_may_have_a_path() {
    for path in ["", "/", "/realms/acme", "/realms/acme/"] {
        let idp = TestIssuer::loopback().path(path).start().await.unwrap();
        assert!(idp.identifier().ends_with(path));
        let issuer = idp.issuer();
        assert!(is_ready(BearerAuth::builder(API).issuer(issuer)).await, "{path}");
        assert_eq!(idp.requests(Endpoint::Jwks), 1, "{path}");
    }
}

#[tokio::test]
async fn an_added_key_set_url_has_the_keys_of_its_issuer_and_nothing_else_of_its_host() {
    let acme = TestIssuer::in_memory("https://login.test/acme");
    let globex = TestIssuer::in_memory("https://login.test/globex");
    acme.publish_jwks_at("https://keys.test/acme");
    globex.publish_jwks_at("https://keys.test/globex");
    let client = acme.http_client().and(globex.http_client());
    for (url, idp) in [
        ("https://keys.test/acme", &acme),
        ("https://keys.test/globex", &globex),
        ("https://login.test/acme/jwks", &acme),
    ] {
        assert_eq!(get(&client, url).await.body, idp.jwks(), "{url}");
    }
    assert_eq!((acme.requests(Endpoint::Jwks), globex.requests(Endpoint::Jwks)), (2, 1));
    for url in ["https://keys.test/", "https://keys.test/acme/jwks", "http://keys.test/acme"] {
        assert!(send(&client, Request::get(url).body(Bytes::new()).unwrap()).await.is_err(), "{url}");
    }
    acme.set_fault(Endpoint::Jwks, Some(Fault::Status(503)));
    assert_eq!(get(&client, "https://keys.test/acme").await.status, 503);
}

#[tokio::test]
async fn a_server_on_a_given_port_has_the_same_url_at_each_start() {
    let first = TestIssuer::start().await.unwrap();
    let port = first.identifier().rsplit(':').next().unwrap().parse().unwrap();
    assert!(TestIssuer::loopback().port(port).start().await.is_err(), "the port is in use");
    let url = first.identifier().to_owned();
    drop(first);
    let second = loop {
        // The aborted task of the first server closes the port when the runtime runs it.
        tokio::task::yield_now().await;
        if let Ok(second) = TestIssuer::loopback().port(port).start().await {
            break second;
        }
    };
    assert_eq!(second.identifier(), url);
}
