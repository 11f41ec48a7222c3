//! Malicious peers, and authorization servers that fail.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use tower_bearer::testing::{Fault, TestIssuer};

use super::support::{ForwardAuth, send};
use super::{API, RULES, config, start};

/// A request that is allowed.
const PUBLIC: &str =
    "GET /of-proxy HTTP/1.1\r\nHost: authorizer\r\nX-Original-Method: GET\r\nX-Original-URI: /public/x\r\n";

/// Everything that the program sends in response to `bytes` until it closes the connection.
fn exchange(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    // The program may close the connection before it has read everything.
    let _ = stream.write_all(bytes);
    let mut response = Vec::new();
    let _ = stream.read_to_end(&mut response);
    String::from_utf8_lossy(&response).into_owned()
}

fn statuses(responses: &str) -> Vec<&str> {
    responses.split("HTTP/1.1 ").skip(1).map(|response| &response[..3]).collect()
}

/// A connection on which one request was allowed, and which stays open.
fn keep_alive(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "{PUBLIC}\r\n").unwrap();
    let mut response = [0; 1024];
    let length = stream.read(&mut response).unwrap();
    assert!(response[..length].starts_with(b"HTTP/1.1 200"), "{:?}", response.escape_ascii().to_string());
    stream
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_over_the_limit_is_closed_until_another_one_ends() {
    let issuer = TestIssuer::start().await.unwrap();
    let mut program = ForwardAuth::start(&config(&issuer, "max_connections = 2", RULES));
    let connections = [keep_alive(program.address), keep_alive(program.address)];
    assert_eq!(exchange(program.address, format!("{PUBLIC}\r\n").as_bytes()), "");
    program.wait_for_log("too many connections");
    drop(connections);
    let close = format!("{PUBLIC}Connection: close\r\n\r\n");
    // The program learns of the end of a connection a moment later, and does not log it.
    let is_accepted = || {
        let is_accepted = statuses(&exchange(program.address, close.as_bytes())) == ["200"];
        if !is_accepted {
            thread::sleep(Duration::from_millis(10));
        }
        is_accepted
    };
    assert!((0..500).any(|_| is_accepted()), "no connection was accepted");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_101st_connection_of_untrusted_peers_is_closed() {
    let issuer = TestIssuer::start().await.unwrap();
    let untrusted = config(&issuer, "", RULES).replace(r#"["127.0.0.1"]"#, r#"["127.0.0.2"]"#);
    let mut program = ForwardAuth::start(&untrusted);
    let idle: Vec<_> = (0..99).map(|_| TcpStream::connect(program.address).unwrap()).collect();
    let request = format!("{PUBLIC}\r\n");
    let mut last = TcpStream::connect(program.address).unwrap();
    assert_eq!(exchange(program.address, request.as_bytes()), "");
    program.wait_for_log("is_trusted=false");
    last.write_all(request.as_bytes()).unwrap();
    let mut response = String::new();
    last.read_to_string(&mut response).unwrap();
    assert_eq!(statuses(&response), ["403"]);
    drop(idle);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_untrusted_peer_gets_one_response_and_takes_no_connection_of_a_proxy() {
    let issuer = TestIssuer::start().await.unwrap();
    let settings = "max_connections = 1";
    let untrusted = config(&issuer, settings, RULES).replace(r#"["127.0.0.1"]"#, r#"["127.0.0.2"]"#);
    let program = ForwardAuth::start(&untrusted);
    let idle: Vec<_> = (0..5).map(|_| TcpStream::connect(program.address).unwrap()).collect();
    let two = format!("{PUBLIC}\r\n{PUBLIC}\r\n");
    assert_eq!(statuses(&exchange(program.address, two.as_bytes())), ["403"]);
    drop(idle);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_of_several_pipelined_requests_gets_its_own_response() {
    let (_, program) = start().await;
    let denied = PUBLIC.replace("/public/x", "/internal/x");
    let missing = PUBLIC.replace("/public/x", "/orders");
    let requests = format!("{PUBLIC}\r\n{denied}\r\n{missing}\r\n{PUBLIC}Connection: close\r\n\r\n");
    assert_eq!(statuses(&exchange(program.address, requests.as_bytes())), ["200", "403", "401", "200"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_is_never_read_as_another_request() {
    let (_, program) = start().await;
    let inner = format!("{PUBLIC}\r\n");
    let outer = PUBLIC.replace("/public/x", "/orders").replace("GET /of-proxy", "POST /of-proxy");
    // Ends the connection, if the program has not closed it before.
    let last = format!("{}Connection: close\r\n\r\n", PUBLIC.replace("/public/x", "/internal/x"));
    let length = inner.len();
    let chunk = format!("{length:x}\r\n{inner}\r\n0\r\n\r\n");
    let cases = [
        (format!("Content-Length: {length}\r\n\r\n{inner}"), "401"),
        (format!("Transfer-Encoding: chunked\r\n\r\n{chunk}"), "401"),
        (format!("Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n{chunk}"), "401"),
        (format!("Content-Length: {length}\r\nContent-Length: {length}0\r\n\r\n{inner}"), "400"),
        (format!("Transfer-Encoding: identity\r\nContent-Length: {length}\r\n\r\n{inner}"), "400"),
        (format!("Transfer-Encoding: chunked, identity\r\n\r\n{inner}"), "400"),
    ];
    for (body, status) in cases {
        let responses = exchange(program.address, format!("{outer}{body}{last}").as_bytes());
        let found = statuses(&responses);
        assert!(found == [status] || found == [status, "403"], "{body}: {found:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_and_huge_heads_are_rejected() {
    let (issuer, program) = start().await;
    let bearer = format!("Authorization: Bearer {}\r\n", issuer.token(API).sign());
    let head = |lines: &[u8]| {
        let start =
            b"GET /of-proxy HTTP/1.1\r\nHost: authorizer\r\nX-Original-Method: GET\r\nConnection: close\r\n";
        [start.as_slice(), lines, b"\r\n"].concat()
    };
    let many: String = (0..200).map(|number| format!("X-{number}: a\r\n")).collect();
    let huge = "a".repeat(64 * 1024);
    let cases: [(Vec<u8>, &str); 7] = [
        (head(b"X-Original-URI: /public/\xff\r\n"), "400"),
        (head("X-Original-URI: /public/\u{e9}\r\n".as_bytes()), "400"),
        (head(format!("X-Original-URI: /orders/{huge}\r\n").as_bytes()), "400"),
        (head(format!("X-Original-URI: /orders\r\nAuthorization: Bearer {huge}\r\n").as_bytes()), "400"),
        (head(format!("X-Original-URI: /public/x\r\n{many}").as_bytes()), "431"),
        (head(format!("X-Original-URI: /public/x\r\nX-A: {}\r\n", huge.repeat(8)).as_bytes()), "431"),
        (head(format!("X-Original-URI: /orders\r\n{bearer}{bearer}").as_bytes()), "400"),
    ];
    for (number, (request, status)) in cases.iter().enumerate() {
        assert_eq!(statuses(&exchange(program.address, request)), [*status], "{number}");
    }
    // A 64 KiB header that no check reads is accepted.
    let response =
        exchange(program.address, &head(format!("X-Original-URI: /public/x\r\nX-A: {huge}\r\n").as_bytes()));
    assert_eq!(statuses(&response), ["200"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn cached_tokens_are_accepted_whatever_the_authorization_server_does() {
    let (issuer, program) = start().await;
    let cached = issuer.token(API).sign();
    assert_eq!(program.authorize("GET", "/orders", Some(&cached)).status, 200);
    let faults = [Fault::Refuse, Fault::Lost, Fault::Status(404), Fault::Html, Fault::HugeBody(1 << 24)];
    for fault in faults {
        issuer.set_outage(Some(fault));
        issuer.rotate_key();
        let unknown = issuer.token(API).sign();
        assert_ne!(program.authorize("GET", "/orders", Some(&unknown)).status, 200);
        assert_eq!(program.authorize("GET", "/orders", Some(&cached)).status, 200);
    }
    issuer.set_outage(None);
    assert_eq!(send(program.probes, "GET /status HTTP/1.1\r\n").status, 200);
}
