//! Key sets that are found through the metadata of the issuer.

use http::header::ETAG;

use super::*;
use crate::fetch_url::EndpointHosts;
use crate::metadata::Discoverable;

const WELL_KNOWN: &str = "https://h.example/.well-known/oauth-authorization-server";

/// A server whose metadata names `jwks_uri`, and the keys that are discovered through it. If `jwks_uri` is
/// `None`, the server has no metadata.
fn discovered(
    jwks_uri: &Arc<Mutex<Option<&'static str>>>,
    kids: &'static [&'static str],
) -> (Arc<Server>, RemoteKeys) {
    let at = Arc::clone(jwks_uri);
    let server = Server::new(move |request| {
        let at = *at.lock().unwrap();
        match at {
            Some(url) if request.url == WELL_KNOWN => {
                let body = format!(r#"{{"issuer":"https://h.example","jwks_uri":"{url}"}}"#);
                Reply::With(200, Vec::new(), body.into())
            }
            Some(url) if request.url == url => Reply::keys(kids),
            None if request.url == JWKS => Reply::keys(kids),
            _ => Reply::status(404),
        }
    });
    let source = discovered_source();
    let keys = RemoteKeys::new(RemoteConfig { source, ..server.config() }, None);
    (server, keys)
}

fn discovered_source() -> KeySource {
    let url = FetchUrl::parse("https://h.example", PlainHttp::Loopback).unwrap();
    let identifier = "https://h.example".into();
    KeySource::Discovered(Discoverable::new(identifier, url, PlainHttp::Loopback, EndpointHosts::any()))
}

#[tokio::test(start_paused = true)]
async fn metadata_is_fetched_once_and_again_after_a_failed_fetch() {
    let jwks_uri = Arc::new(Mutex::new(Some(JWKS)));
    let (server, keys) = discovered(&jwks_uri, &["a"]);
    keys.ready().await.unwrap();
    sleep_in_use(&keys, 10 * MIN).await;
    assert_eq!(server.urls(), [WELL_KNOWN, JWKS, JWKS]);
    let moved = "https://keys.example/v2";
    *jwks_uri.lock().unwrap() = Some(moved);
    sleep_in_use(&keys, 10 * MIN).await;
    assert_eq!(server.urls()[3..6], [JWKS, WELL_KNOWN, moved]);
    assert!(keys.status(&issuer()).last_error.is_none());
}

#[tokio::test(start_paused = true)]
async fn previous_jwks_uri_is_used_while_the_metadata_is_unavailable() {
    let jwks_uri = Arc::new(Mutex::new(Some(JWKS)));
    let (server, keys) = discovered(&jwks_uri, &["a"]);
    keys.ready().await.unwrap();
    *jwks_uri.lock().unwrap() = Some("https://keys.example/v2");
    server.set_reply(Reply::Down);
    sleep_in_use(&keys, 10 * MIN).await;
    assert!(keys.status(&issuer()).last_error.is_some());
    server.set_script(|request| if request.url == JWKS { Reply::keys(&["b"]) } else { Reply::Down });
    sleep_in_use(&keys, MIN).await;
    assert_eq!(kids(&keys), ["b"]);
}

#[tokio::test(start_paused = true)]
async fn metadata_of_another_issuer_is_not_used() {
    let body = r#"{"issuer":"https://x.example","jwks_uri":"https://x.example/keys"}"#;
    let server = Server::always(Reply::body(body));
    let source = discovered_source();
    let keys = RemoteKeys::new(RemoteConfig { source, ..server.config() }, None);
    assert_eq!(error_kind(keys.ready().await), Some(KeysErrorKind::IssuerMismatch));
    assert!(server.urls().iter().all(|url| url.contains("/.well-known/")));
}

/// The metadata that names `url`, after 2 s.
fn metadata_naming(url: &'static str) -> Reply {
    let body = format!(r#"{{"issuer":"https://h.example","jwks_uri":"{url}"}}"#);
    Reply::With(200, Vec::new(), body.into()).after(Duration::from_secs(2))
}

#[tokio::test(start_paused = true)]
async fn etag_of_keys_that_were_dropped_because_they_moved_meanwhile_is_not_sent() {
    let (v1, v2) = ("\"v1\"", "\"v2\"");
    let server = Server::new(move |request| match request.url.as_str() {
        JWKS => Reply::keys(&["a"]).header(ETAG.as_str(), v1),
        _ => metadata_naming(JWKS),
    });
    let source = discovered_source();
    let keys = RemoteKeys::new(RemoteConfig { source, ..server.config() }, None);
    keys.ready().await.unwrap();
    // One failure starts a read of the metadata. It names another URL while the old one returns new keys.
    let mut failed = false;
    server.set_script(move |request| match request.url.as_str() {
        JWKS if std::mem::replace(&mut failed, true) => {
            Reply::keys(&["b"]).header(ETAG.as_str(), v2).after(Duration::from_secs(3))
        }
        JWKS | "https://keys.example/v2" => Reply::status(503),
        _ => metadata_naming("https://keys.example/v2"),
    });
    sleep_in_use(&keys, 10 * MIN).await;
    assert_eq!(kids(&keys), ["a"]);
    assert!(server.urls().iter().any(|url| url == "https://keys.example/v2"));
    server.set_script(move |request| match (request.url.as_str(), request.etag.as_deref()) {
        (JWKS, Some(etag)) if etag == v2 => Reply::status(304),
        (JWKS, _) => Reply::keys(&["b"]).header(ETAG.as_str(), v2),
        ("https://keys.example/v2", _) => Reply::status(503),
        _ => metadata_naming(JWKS),
    });
    sleep_in_use(&keys, 5 * MIN).await;
    assert_eq!(kids(&keys), ["b"]);
}
