//! Proofs over HTTP/2, whose requests have an authority and a scheme of their own.

use std::convert::Infallible;
use std::future::ready;

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{Request, Response};
use http_body_util::{Empty, Full};
use hyper::body::Incoming;
use hyper::{client, server};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use tower::{Layer, service_fn};

use crate::support::dpop::DpopApi;

#[tokio::test]
async fn the_authority_of_an_http2_request_is_not_part_of_its_url() {
    let api = DpopApi::new();
    let handler = service_fn(|_: Request<Incoming>| {
        ready(Ok::<_, Infallible>(Response::new(Full::new(Bytes::from("ok")))))
    });
    let service = TowerToHyperService::new(api.auth.layer(handler));
    let (client_io, server_io) = tokio::io::duplex(64 * 1024);
    let builder = server::conn::http2::Builder::new(TokioExecutor::new());
    let server = tokio::spawn(builder.serve_connection(TokioIo::new(server_io), service));
    let (mut sender, connection) =
        client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(client_io)).await.unwrap();
    tokio::spawn(connection);
    let token = api.token();
    for (htu, expected) in [
        ("https://api.example.com/orders", 200),
        // The URL in the request itself.
        ("http://evil.example/orders", 401),
    ] {
        let proof = api.key.proof("GET", htu).token(&token).sign();
        let request = Request::get("http://evil.example/orders?page=2")
            .header(AUTHORIZATION, format!("DPoP {token}"))
            .header("dpop", proof)
            .body(Empty::<Bytes>::new())
            .unwrap();
        assert_eq!(sender.send_request(request).await.unwrap().status(), expected, "{htu}");
    }
    drop(sender);
    assert!(server.await.unwrap().is_ok());
}
