//! Faults, request counts, metadata, and the server on a loopback port.

use std::time::Duration;

use http::header::{AUTHORIZATION, CONTENT_LENGTH, RETRY_AFTER};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;
use crate::testing::{Endpoint, Fault};
use crate::transport::FetchErrorKind;

#[tokio::test]
async fn an_endpoint_fails_with_the_fault_for_every_client() {
    let idp = TestIssuer::new();
    let url = idp.introspection_url();
    for (fault, status, content_type, body) in [
        (Fault::Html, 200, "text/html", "<h1>welcome</h1>"),
        (Fault::BodyOfType("text/plain".to_owned(), "a".to_owned()), 200, "text/plain", "a"),
        (Fault::BodyOfType("\n".to_owned(), "a".to_owned()), 200, "", "a"),
        (Fault::Body("{}".to_owned()), 200, "application/json", "{}"),
        (Fault::Json(400, "{\"error\":\"x\"}".to_owned()), 400, "application/json", "{\"error\":\"x\"}"),
        (Fault::Status(502), 502, "text/html", "<h1>something went wrong</h1>"),
        (Fault::Status(5), 500, "text/html", "<h1>something went wrong</h1>"),
    ] {
        idp.set_fault(Endpoint::Introspection, Some(fault.clone()));
        for fields in [&[][..], &[(AUTHORIZATION, BASIC)]] {
            let reply = post_with(&idp, &url, fields, &[]).await;
            assert_eq!((reply.status, reply.header(CONTENT_TYPE)), (status, content_type), "{fault:?}");
            assert_eq!(reply.body, body, "{fault:?}");
        }
    }
    idp.set_fault(Endpoint::Introspection, Some(Fault::RetryAfter(429, Duration::from_secs(7))));
    let reply = post(&idp, &url, &[]).await;
    assert_eq!((reply.status, reply.header(RETRY_AFTER)), (429, "7"));
    idp.set_fault(Endpoint::Introspection, Some(Fault::Refuse));
    let error = send(&idp.http_client(), form_request(&url, &[], &[])).await.unwrap_err();
    assert_eq!(error.kind(), FetchErrorKind::Transport);
}

#[tokio::test]
async fn a_lost_connection_is_no_refused_one() {
    let idp = TestIssuer::new();
    for (fault, kind) in
        [(Fault::Refuse, FetchErrorKind::Transport), (Fault::Lost, FetchErrorKind::ConnectionLost)]
    {
        idp.set_fault(Endpoint::Jwks, Some(fault.clone()));
        let request = Request::get(idp.jwks_url()).body(Bytes::new()).unwrap();
        assert_eq!(send(&idp.http_client(), request).await.unwrap_err().kind(), kind, "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_connection_costs_one_more_request() {
    let idp = TestIssuer::new();
    idp.set_fault_for(Endpoint::Jwks, Fault::Lost, 1);
    idp.bearer_auth(API).build().unwrap().ready().await.unwrap();
    assert_eq!(idp.requests(Endpoint::Jwks), 2);
}

#[tokio::test(start_paused = true)]
async fn a_trickling_body_takes_one_interval_per_byte() {
    let idp = TestIssuer::new();
    idp.set_jwks(Some(r#"{"keys":[]}"#.to_owned()));
    idp.set_fault(Endpoint::Jwks, Some(Fault::Trickle(Duration::from_secs(1))));
    let request = Request::get(idp.jwks_url()).body(Bytes::new()).unwrap();
    let start = tokio::time::Instant::now();
    let reply = send(&idp.http_client(), request).await.unwrap();
    assert_eq!((reply.status, reply.body), (200, Bytes::from_static(br#"{"keys":[]}"#)));
    assert_eq!(start.elapsed(), Duration::from_secs(11));
}

#[tokio::test]
async fn a_trickling_body_arrives_byte_by_byte_over_a_port() {
    let idp = TestIssuer::start().await.unwrap();
    let token = idp.token(API).opaque();
    idp.set_fault(Endpoint::Introspection, Some(Fault::Trickle(Duration::from_millis(1))));
    let url = idp.introspection_url();
    let request = form_request(&url, &[(AUTHORIZATION, BASIC)], &[("token", &token)]);
    let (status, body) = over_socket(request).await;
    assert_eq!(status, "HTTP/1.1 200 OK");
    assert_eq!(serde_json::from_str::<Value>(&body).unwrap()["active"], true);

    // The rest would take days.
    idp.set_fault(Endpoint::Introspection, Some(Fault::Trickle(Duration::from_secs(3600))));
    let request = form_request(&url, &[(AUTHORIZATION, BASIC)], &[("token", &token)]);
    let response = tokio::time::timeout(Duration::from_millis(200), over_socket(request)).await;
    assert!(response.is_err(), "{response:?}");
}

#[tokio::test]
async fn the_fault_of_a_token_applies_to_requests_about_it_and_to_no_others() {
    let idp = TestIssuer::new();
    let [poisoned, good] = [(); 2].map(|()| idp.token(API).opaque());
    let tokens = idp.token(API).sign_in();
    idp.set_token_fault(&poisoned, Some(Fault::Status(502)));
    idp.set_token_fault(tokens.refresh_token(), Some(Fault::Status(504)));
    let (introspection, revocation) = (idp.introspection_url(), idp.revocation_url());
    let status = async |url: &str, form: &[(&str, &str)]| post(&idp, url, form).await.status;
    assert_eq!(status(&introspection, &[("token", &poisoned)]).await, 502);
    assert_eq!(status(&revocation, &[("token", &poisoned)]).await, 502);
    assert_eq!(status(&introspection, &[("token", &good)]).await, 200);
    let refresh = [("grant_type", "refresh_token"), ("refresh_token", tokens.refresh_token())];
    assert_eq!(status(&idp.token_url(), &refresh).await, 504);

    idp.set_outage(None);
    assert_eq!(status(&introspection, &[("token", &poisoned)]).await, 502, "not part of an outage");
    idp.set_token_fault(&poisoned, None);
    assert_eq!(status(&introspection, &[("token", &poisoned)]).await, 200);
}

#[tokio::test]
async fn the_fault_of_a_key_applies_to_requests_about_its_jwts() {
    let idp = TestIssuer::new();
    let old = idp.key_id();
    let new = idp.rotate_key();
    idp.set_key_fault(&old, Some(Fault::Status(500)));
    let [by_old, by_new] = [&old, &new].map(|kid| idp.token(API).key_id(kid).sign());
    for (token, status) in [(by_old, 500), (by_new, 200), (idp.token(API).opaque(), 200)] {
        assert_eq!(post(&idp, &idp.introspection_url(), &[("token", &token)]).await.status, status);
    }
    idp.set_key_fault(&old, None);
    let token = idp.token(API).key_id(&old).sign();
    assert!(is_active(&idp, &token).await);
}

#[tokio::test]
async fn an_altered_key_is_published_until_it_is_replaced() {
    let idp = TestIssuer::new();
    idp.add_key(crate::crypto::Algorithm::EdDSA);
    let uses = || {
        let keys: Value = serde_json::from_str(&idp.jwks()).unwrap();
        ["key-1", "key-2"].map(|kid| {
            let key = keys["keys"].as_array().unwrap().iter().find(|key| key["kid"] == kid).unwrap();
            key["use"].as_str().unwrap_or_default().to_owned()
        })
    };
    idp.alter_key("key-1", |jwk| {
        jwk.insert("use".to_owned(), "enc".into());
    });
    idp.alter_key("key-3", |jwk| jwk.clear());
    assert_eq!(uses(), ["enc", "sig"]);
    assert!(idp.token(API).access_token().is_err());
    assert!(idp.token(API).key_id("key-2").access_token().is_ok());
    idp.replace_key();
    assert_eq!(uses(), ["sig", "sig"]);
}

#[tokio::test]
async fn a_fault_for_two_requests_ends_after_two_requests() {
    let idp = TestIssuer::new();
    idp.set_fault_for(Endpoint::Introspection, Fault::Status(503), 2);
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(post(&idp, &idp.introspection_url(), &[("token", "t")]).await.status);
    }
    assert_eq!((statuses, idp.requests(Endpoint::Introspection)), (vec![503, 503, 200], 3));
}

#[tokio::test]
async fn an_outage_covers_every_endpoint_and_every_request_is_counted() {
    let idp = TestIssuer::new();
    let metadata = format!("{}/.well-known/oauth-authorization-server", idp.identifier());
    for (outage, status) in [(Some(Fault::Status(503)), 503), (None, 200)] {
        idp.set_outage(outage);
        for url in [&metadata, &idp.jwks_url()] {
            let request = Request::get(url).body(Bytes::new()).unwrap();
            assert_eq!(send(&idp.http_client(), request).await.unwrap().status, status, "{url}");
        }
        let form = [("token", "t"), ("grant_type", "client_credentials"), ("resource", API)];
        for url in [idp.introspection_url(), idp.token_url(), idp.revocation_url()] {
            assert_eq!(post(&idp, &url, &form).await.status, status, "{url}");
        }
    }
    for endpoint in Endpoint::ALL {
        assert_eq!(idp.requests(endpoint), 2, "{endpoint:?}");
    }
}

#[tokio::test]
async fn the_metadata_contains_the_endpoints() {
    let idp = TestIssuer::new();
    let url = format!("{}/.well-known/oauth-authorization-server", idp.identifier());
    let request = Request::get(url).body(Bytes::new()).unwrap();
    let metadata = send(&idp.http_client(), request).await.unwrap().json();
    for (name, value) in [
        ("issuer", json!("https://issuer.test")),
        ("jwks_uri", json!("https://issuer.test/jwks")),
        ("introspection_endpoint", json!("https://issuer.test/introspect")),
        ("token_endpoint", json!("https://issuer.test/token")),
        ("revocation_endpoint", json!("https://issuer.test/revoke")),
        ("introspection_signing_alg_values_supported", json!(["ES256"])),
    ] {
        assert_eq!(metadata[name], value, "{name}");
    }
    for endpoint in ["introspection", "token", "revocation"] {
        let methods = metadata[format!("{endpoint}_endpoint_auth_methods_supported")].as_array().unwrap();
        assert!(
            ["client_secret_basic", "client_secret_jwt", "private_key_jwt"]
                .iter()
                .all(|name| methods.contains(&json!(name)))
        );
    }
}

/// Sends a request over a socket, and returns the status line and the body of the response.
async fn over_socket(request: Request<Bytes>) -> (String, String) {
    let authority = request.uri().authority().unwrap().as_str();
    let mut stream = TcpStream::connect(authority).await.unwrap();
    let mut head =
        format!("POST {} HTTP/1.1\r\nhost: {authority}\r\nconnection: close\r\n", request.uri().path());
    for (name, value) in request.headers() {
        head += &format!("{name}: {}\r\n", value.to_str().unwrap());
    }
    head += &format!("{CONTENT_LENGTH}: {}\r\n\r\n", request.body().len());
    stream.write_all(head.as_bytes()).await.unwrap();
    // The server may close the connection before it has read the whole body.
    let _result = stream.write_all(request.body()).await;
    let mut response = Vec::new();
    let _result = stream.read_to_end(&mut response).await;
    let response = String::from_utf8(response).unwrap();
    let (head, body) = response.split_once("\r\n\r\n").unwrap_or((&response, ""));
    (head.lines().next().unwrap_or_default().to_owned(), body.to_owned())
}

#[tokio::test]
async fn the_loopback_server_reads_bodies_up_to_one_mebibyte() {
    let idp = TestIssuer::start().await.unwrap();
    let token = idp.token(API).subject("alice").opaque();
    let url = idp.introspection_url();
    let request = form_request(&url, &[(AUTHORIZATION, BASIC)], &[("token", &token)]);
    let (status, body) = over_socket(request).await;
    assert_eq!(status, "HTTP/1.1 200 OK");
    assert_eq!(serde_json::from_str::<Value>(&body).unwrap()["sub"], "alice");
    let long = "a".repeat((1 << 20) - "token=".len());
    let largest = form_request(&url, &[(AUTHORIZATION, BASIC)], &[("token", &long)]);
    assert_eq!(over_socket(largest).await, ("HTTP/1.1 200 OK".to_owned(), "{\"active\":false}".to_owned()));
    let mut too_large = form_request(&url, &[(AUTHORIZATION, BASIC)], &[("token", &long)]);
    *too_large.body_mut() = Bytes::from([too_large.body().as_ref(), b"a"].concat());
    let (status, _) = over_socket(too_large).await;
    assert!(status.is_empty() || status.starts_with("HTTP/1.1 413"), "{status}");
    assert_eq!(idp.requests(Endpoint::Introspection), 2);
}
