//! gRPC-Web: a tonic server that browsers call from pages of another origin.
//!
//! ```text
//! cargo run -p tower-bearer-examples --example grpc_web                             # prints curl lines
//! cargo run -p tower-bearer-examples --example grpc_web -- http://localhost:5173    # the origin of your pages
//! ```
//!
//! `tests/browser/grpc_web.test.mjs` calls it from Chromium.

use std::env;
use std::error::Error;
use std::vec;

use tokio::net::TcpListener;
use tonic::codegen::http::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use tonic::codegen::http::{HeaderName, HeaderValue, Method};
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};
use tonic_web::GrpcWebLayer;
use tower_bearer::testing::TestIssuer;
use tower_bearer::{AccessToken, BearerAuth};
use tower_bearer_examples::listen;
use tower_http::cors::CorsLayer;

use orders::orders_server::{Orders, OrdersServer};
use orders::{GetRequest, ListRequest, Order};

#[allow(warnings)] // Generated code.
#[path = "../proto/orders.rs"]
mod orders;

/// The audience: tokens for this API have it in `aud`.
const API: &str = "https://api.example.com";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let pages = env::args().nth(1).unwrap_or_else(|| "http://localhost:5173".to_owned());
    let idp = TestIssuer::start().await?;
    let auth = BearerAuth::builder(API).issuer(idp.issuer()).build()?;
    let (listener, origin) = listen().await?;

    print_call("grpc-status 16: no token", None, &format!("{origin}/orders.Orders/Get"));
    let token = idp.token(API).sign();
    print_call("an order", Some(&token), &format!("{origin}/orders.Orders/Get"));
    print_call(
        "grpc-status 7: the scope is missing",
        Some(&token),
        &format!("{origin}/orders.Orders/Create"),
    );
    let writer = idp.token(API).scope("orders.write").sign();
    print_call("the new order", Some(&writer), &format!("{origin}/orders.Orders/Create"));
    serve(listener, auth, pages.parse()?).await?;
    Ok(())
}

/// Prints a call with an empty message as a curl line, after a line that says what to expect.
fn print_call(expected: &str, token: Option<&str>, url: &str) {
    let authorization = token.map(|token| format!(" -H 'Authorization: Bearer {token}'")).unwrap_or_default();
    let content_type = "-H 'Content-Type: application/grpc-web+proto'";
    println!("# {expected}");
    println!(r"printf '\0\0\0\0\0' | curl -i{authorization} {content_type} --data-binary @- {url}");
}

async fn serve(
    listener: TcpListener,
    auth: BearerAuth,
    pages: HeaderValue,
) -> Result<(), tonic::transport::Error> {
    let header = HeaderName::from_static;
    let cors = CorsLayer::new()
        .allow_origin(pages)
        .allow_methods([Method::POST])
        // `grpc-timeout` is the deadline of a call.
        .allow_headers([
            AUTHORIZATION,
            CONTENT_TYPE,
            header("grpc-timeout"),
            header("x-grpc-web"),
            header("x-user-agent"),
        ])
        // The status of a rejected call is in its headers.
        .expose_headers([header("grpc-status"), header("grpc-message"), RETRY_AFTER, WWW_AUTHENTICATE]);
    // The first layer is the outermost. CORS responds to preflight requests, which have no token.
    // `BearerAuth` responds to gRPC-Web calls in their own form, so it is outside of the layer that
    // translates them.
    let server = Server::builder()
        .accept_http1(true)
        .layer(cors)
        .layer(auth)
        .layer(GrpcWebLayer::new())
        .add_service(OrdersServer::new(Shop));
    server.serve_with_incoming(TcpIncoming::from(listener)).await
}

struct Shop;

#[tonic::async_trait]
impl Orders for Shop {
    async fn get(&self, request: Request<GetRequest>) -> Result<Response<Order>, Status> {
        let customer = token(&request)?.subject().unwrap_or("the client").to_owned();
        Ok(Response::new(Order { id: request.into_inner().id, customer }))
    }

    async fn create(&self, request: Request<Order>) -> Result<Response<Order>, Status> {
        let required = token(&request)?.require("orders.write");
        required.map_err(|rejection| Status::permission_denied(rejection.description()))?;
        Ok(Response::new(request.into_inner()))
    }

    type ListStream = tokio_stream::Iter<vec::IntoIter<Result<Order, Status>>>;

    async fn list(&self, request: Request<ListRequest>) -> Result<Response<Self::ListStream>, Status> {
        let customer = token(&request)?.subject().unwrap_or("the client");
        let order = |id: &str| Ok(Order { id: id.to_owned(), customer: customer.to_owned() });
        Ok(Response::new(tokio_stream::iter(vec![order("7"), order("8")])))
    }
}

/// The token of a call that `BearerAuth` has accepted.
fn token<T>(request: &Request<T>) -> Result<&AccessToken, Status> {
    request.extensions().get().ok_or_else(|| Status::internal("BearerAuth does not cover this service"))
}

#[cfg(test)]
mod tests {
    use prost::Message;
    use reqwest::Client;
    use tower_bearer::Require;

    use super::*;

    const PAGES: &str = "https://shop.example.com";

    /// Starts the server. Returns its origin.
    async fn start(idp: &TestIssuer) -> String {
        let auth = BearerAuth::builder(API).issuer(idp.issuer()).build().unwrap();
        let (listener, origin) = listen().await.unwrap();
        tokio::spawn(serve(listener, auth, HeaderValue::from_static(PAGES)));
        origin
    }

    fn client() -> Client {
        Client::builder().no_proxy().build().unwrap()
    }

    /// Calls a method, as a browser does for a page: over HTTP/1.1, from another origin.
    async fn call(url: String, token: Option<String>, message: &impl Message) -> reqwest::Response {
        let message = message.encode_to_vec();
        let mut frame = vec![0];
        frame.extend(u32::try_from(message.len()).unwrap().to_be_bytes());
        frame.extend(message);
        let mut request = client().post(url).header("Origin", PAGES).body(frame);
        request = request.header("Content-Type", "application/grpc-web+proto").header("X-Grpc-Web", "1");
        if let Some(token) = token {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        request.send().await.unwrap()
    }

    /// The frames of a response body: the first byte, and the content.
    fn frames(mut body: &[u8]) -> Vec<(u8, &[u8])> {
        let mut frames = Vec::new();
        while let [kind, a, b, c, d, rest @ ..] = body {
            let length = usize::try_from(u32::from_be_bytes([*a, *b, *c, *d])).unwrap();
            let (content, after) = rest.split_at(length);
            frames.push((*kind, content));
            body = after;
        }
        frames
    }

    fn header<'a>(response: &'a reqwest::Response, name: &str) -> &'a str {
        response.headers().get(name).unwrap().to_str().unwrap()
    }

    #[tokio::test]
    async fn a_call_with_a_valid_token_gets_a_message_and_a_status_frame() {
        let idp = TestIssuer::start().await.unwrap();
        let url = format!("{}/orders.Orders/Get", start(&idp).await);
        let token = idp.token(API).subject("alice").sign();

        let response = call(url, Some(token), &GetRequest { id: "7".to_owned() }).await;
        assert_eq!(header(&response, "content-type"), "application/grpc-web+proto");
        let body = response.bytes().await.unwrap();
        let [(0, message), (0x80, trailers)] = frames(&body)[..] else { panic!("{body:?}") };
        let expected = Order { id: "7".to_owned(), customer: "alice".to_owned() };
        assert_eq!(Order::decode(message).unwrap(), expected);
        assert!(String::from_utf8_lossy(trailers).contains("grpc-status:0"), "{trailers:?}");
    }

    #[tokio::test]
    async fn a_stream_has_a_message_for_each_order() {
        let idp = TestIssuer::start().await.unwrap();
        let url = format!("{}/orders.Orders/List", start(&idp).await);

        let response = call(url, Some(idp.token(API).subject("alice").sign()), &ListRequest {}).await;
        let body = response.bytes().await.unwrap();
        let [(0, first), (0, second), (0x80, _)] = frames(&body)[..] else { panic!("{body:?}") };
        let orders = [first, second].map(|message| Order::decode(message).unwrap());
        assert_eq!(
            orders.map(|order| (order.id, order.customer)),
            [("7".to_owned(), "alice".to_owned()), ("8".to_owned(), "alice".to_owned())]
        );
    }

    #[tokio::test]
    async fn rejected_calls_have_a_status_that_pages_can_read() {
        let idp = TestIssuer::start().await.unwrap();
        let origin = start(&idp).await;
        let cases = [
            ("Get", None, "16"),
            ("Get", Some(idp.token(API).expired().sign()), "16"),
            ("Create", Some(idp.token(API).sign()), "7"),
        ];
        for (method, token, status) in cases {
            let url = format!("{origin}/orders.Orders/{method}");
            let response = call(url, token, &GetRequest::default()).await;
            assert_eq!(response.status(), 200);
            assert_eq!(header(&response, "grpc-status"), status);
            assert_eq!(header(&response, "access-control-allow-origin"), PAGES);
            assert!(header(&response, "access-control-expose-headers").contains("grpc-status"));
            assert_eq!(response.headers().contains_key("www-authenticate"), status == "16");
        }
    }

    #[tokio::test]
    async fn a_layer_inside_of_the_translation_rejects_with_a_grpc_status() {
        let idp = TestIssuer::start().await.unwrap();
        let auth = BearerAuth::builder(API).issuer(idp.issuer()).build().unwrap();
        let (listener, origin) = listen().await.unwrap();
        let server = Server::builder().accept_http1(true).layer(auth).layer(GrpcWebLayer::new());
        let server = server.layer(Require::scope("orders.write")).add_service(OrdersServer::new(Shop));
        tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));

        let url = format!("{origin}/orders.Orders/Get");
        let response = call(url, Some(idp.token(API).sign()), &GetRequest::default()).await;
        assert_eq!(response.status(), 200);
        assert_eq!(header(&response, "content-type"), "application/grpc-web+proto");
        assert_eq!(header(&response, "grpc-status"), "7");
        assert!(header(&response, "www-authenticate").contains(r#"error="insufficient_scope""#));
        assert!(response.bytes().await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_preflight_request_needs_no_token() {
        let idp = TestIssuer::start().await.unwrap();
        let url = format!("{}/orders.Orders/Get", start(&idp).await);
        let request = client().request(Method::OPTIONS, url).header("Origin", PAGES);
        let response = request.header("Access-Control-Request-Method", "POST").send().await.unwrap();
        assert_eq!(response.status(), 200);
        let allowed = header(&response, "access-control-allow-headers");
        for name in ["authorization", "content-type", "grpc-timeout", "x-grpc-web", "x-user-agent"] {
            assert!(allowed.split(',').any(|allowed| allowed.trim() == name), "{name}: {allowed}");
        }
    }
}
