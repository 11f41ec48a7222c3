//! axum and reqwest: a gateway that validates the token and forwards it to an API behind it.
//!
//! The API behind validates the token again and reads the caller from it, not from a header. A request that
//! bypasses the gateway gains nothing. The API accepts the same audience; for another one, the gateway has to
//! exchange the token (RFC 8693). Sender-constrained tokens cannot be forwarded: a DPoP proof names the URL
//! of the gateway.
//!
//! ```text
//! cargo run -p tower-bearer-examples --example gateway    # prints curl lines, then serves until Ctrl-C
//! ```

use std::error::Error;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, HttpBody};
use axum::extract::{Request, State};
use axum::http::header::{CONNECTION, HOST, TE, TRAILER, TRANSFER_ENCODING, UPGRADE};
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use reqwest::{Client, Url, redirect};
use tower_bearer::testing::TestIssuer;
use tower_bearer::{AccessToken, BearerAuth, Require};
use tower_bearer_examples::{listen, print_curl};

/// The audience: tokens for the gateway and for the API behind it have it in `aud`.
const API: &str = "https://api.example.com";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let idp = TestIssuer::start().await?;
    // In production, two processes, each with its own `BearerAuth`.
    let auth = BearerAuth::builder(API).issuer(idp.issuer()).build()?;
    let (upstream_listener, upstream) = listen().await?;
    let (listener, origin) = listen().await?;

    let reader = idp.token(API).subject("alice").scope("orders.read").sign();
    print_curl("401, from the gateway", None, &format!("{origin}/orders"));
    print_curl("403, from the API behind", Some(&idp.token(API).sign()), &format!("{origin}/orders"));
    print_curl("200", Some(&reader), &format!("{origin}/orders"));
    print_curl("401: the API behind is protected as well", None, &format!("{upstream}/orders"));
    tokio::spawn(axum::serve(upstream_listener, upstream_app(auth.clone())).into_future());
    axum::serve(listener, gateway(auth, &upstream)?).await?;
    Ok(())
}

/// The API behind the gateway.
fn upstream_app(auth: BearerAuth) -> Router {
    let orders =
        async |token: AccessToken| format!("orders for {}\n", token.subject().unwrap_or("the client"));
    Router::new().route("/orders", get(orders)).route_layer(Require::scope("orders.read")).route_layer(auth)
}

#[derive(Clone)]
struct Upstream {
    client: Client,
    origin: Url,
}

fn gateway(auth: BearerAuth, upstream: &str) -> Result<Router, Box<dyn Error>> {
    // Redirects are for the caller. The gateway must not follow one, least of all with a token.
    let client = Client::builder()
        .redirect(redirect::Policy::none())
        .connect_timeout(Duration::from_secs(2))
        .read_timeout(Duration::from_secs(30))
        .no_proxy()
        .build()?;
    let upstream = Upstream { client, origin: upstream.parse()? };
    Ok(Router::new().fallback(forward).layer(auth).with_state(upstream))
}

async fn forward(State(upstream): State<Upstream>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let mut url = upstream.origin;
    url.set_path(head.uri.path());
    url.set_query(head.uri.query());
    // The parser resolves `..`. Rules of the gateway for a path must hold for what the API behind receives.
    if url.path() != head.uri.path() {
        return (StatusCode::BAD_REQUEST, "the path is not in its normal form\n").into_response();
    }

    let mut request = upstream.client.request(head.method, url).headers(request_headers(head.headers));
    // A request without a body stays one.
    if !body.is_end_stream() {
        request = request.body(reqwest::Body::wrap_stream(body.into_data_stream()));
    }
    match request.send().await {
        Ok(response) => {
            let (mut head, body) = axum::http::Response::from(response).into_parts();
            remove_hop_by_hop(&mut head.headers);
            Response::from_parts(head, Body::new(body))
        }
        Err(error) if error.is_timeout() => StatusCode::GATEWAY_TIMEOUT.into_response(),
        Err(_) => StatusCode::BAD_GATEWAY.into_response(),
    }
}

/// The headers for the API behind: those of the caller, with its `Authorization`, except what ends here or
/// may be forged.
fn request_headers(mut headers: HeaderMap) -> HeaderMap {
    remove_hop_by_hop(&mut headers);
    headers.remove(HOST); // reqwest sets that of the URL
    let forged: Vec<HeaderName> = headers.keys().filter(|name| only_proxies_set(name)).cloned().collect();
    for name in forged {
        headers.remove(name);
    }
    headers
}

/// Whether servers expect this header from a proxy only: it has the user, the address or the URL of a
/// request. If your gateway sets such a header, set it after the removal.
fn only_proxies_set(name: &HeaderName) -> bool {
    // Some servers read `x_user` as `x-user`.
    let name = name.as_str().replace('_', "-");
    matches!(&*name, "forwarded" | "x-real-ip" | "x-user") || name.starts_with("x-forwarded-")
}

/// Removes the headers for a single connection, and those that `Connection` names (RFC 9110 section 7.6.1).
fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named {
        headers.remove(name);
    }
    for name in [CONNECTION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE] {
        headers.remove(name);
    }
    for name in ["keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection"] {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use axum::extract::Request;
    use axum::http::header::{AUTHORIZATION, LOCATION, WWW_AUTHENTICATE};
    use axum::response::Redirect;
    use axum::routing::post;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::*;

    struct Setup {
        idp: TestIssuer,
        gateway: String,
        upstream: String,
        /// The headers of the requests that arrived at the upstream.
        received: Arc<Mutex<Vec<HeaderMap>>>,
    }

    impl Setup {
        async fn start() -> Self {
            let idp = TestIssuer::new();
            let received = Arc::new(Mutex::new(Vec::new()));
            let record = {
                let received = Arc::clone(&received);
                move |request: Request| {
                    received.lock().unwrap().push(request.headers().clone());
                    std::future::ready(request)
                }
            };
            let response_headers = [("connection", "x-internal"), ("x-internal", "1"), ("x-kept", "1")];
            let app = upstream_app(idp.bearer_auth(API).build().unwrap())
                .route("/echo", post(async |body: String| body))
                .route("/moved", get(async || Redirect::temporary("https://elsewhere.example/")))
                .route("/headers", get(async move || (response_headers, "")))
                .layer(axum::middleware::map_request(record));
            let upstream = serve(app).await;
            let auth = idp.bearer_auth(API).build().unwrap();
            let gateway = serve(gateway(auth, &upstream).unwrap()).await;
            Self { idp, gateway, upstream, received }
        }

        fn reader(&self) -> String {
            format!("Bearer {}", self.idp.token(API).subject("alice").scope("orders.read").sign())
        }

        async fn get(&self, path: &str, headers: &[(&str, &str)]) -> reqwest::Response {
            let mut request = client().get(format!("{}{path}", self.gateway));
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            request.send().await.unwrap()
        }

        fn received(&self) -> Vec<HeaderMap> {
            self.received.lock().unwrap().clone()
        }
    }

    async fn serve(app: Router) -> String {
        let (listener, origin) = listen().await.unwrap();
        tokio::spawn(async move { axum::serve(listener, app).await });
        origin
    }

    fn client() -> Client {
        Client::builder().no_proxy().redirect(redirect::Policy::none()).build().unwrap()
    }

    #[tokio::test]
    async fn a_request_without_a_valid_token_does_not_reach_the_upstream() {
        let setup = Setup::start().await;
        let expired = format!("Bearer {}", setup.idp.token(API).scope("orders.read").expired().sign());
        for headers in [&[][..], &[("authorization", &*expired)], &[("x-user", "alice")]] {
            assert_eq!(setup.get("/orders", headers).await.status(), 401, "{headers:?}");
        }
        assert_eq!(setup.received().len(), 0);
    }

    #[tokio::test]
    async fn the_upstream_is_protected_without_the_gateway() {
        let setup = Setup::start().await;
        let orders = || client().get(format!("{}/orders", setup.upstream)).header("X-User", "alice");
        assert_eq!(orders().send().await.unwrap().status(), 401);

        let bob = setup.idp.token(API).subject("bob").scope("orders.read").sign();
        let response = orders().bearer_auth(bob).send().await.unwrap();
        assert_eq!(response.text().await.unwrap(), "orders for bob\n");
    }

    #[tokio::test]
    async fn a_rejection_of_the_upstream_passes_with_its_challenge() {
        let setup = Setup::start().await;
        let token = format!("Bearer {}", setup.idp.token(API).sign());
        let response = setup.get("/orders", &[("authorization", &token)]).await;
        assert_eq!(response.status(), 403);
        let challenge = response.headers()[WWW_AUTHENTICATE].to_str().unwrap();
        assert!(challenge.contains("scope=\"orders.read\""), "{challenge}");
    }

    #[tokio::test]
    async fn the_upstream_gets_the_token_and_no_forged_headers() {
        let setup = Setup::start().await;
        let reader = setup.reader();
        let forged = [
            "Forwarded",
            "X-Forwarded-For",
            "X-Forwarded-Host",
            "X_Forwarded_Proto",
            "X-Real-IP",
            "X-User",
            "X_User",
        ];
        let mut headers = vec![("authorization", &*reader), ("x-kept", "1")];
        headers.extend(forged.map(|name| (name, "mallory")));
        let response = setup.get("/orders", &headers).await;
        assert_eq!(response.text().await.unwrap(), "orders for alice\n");

        let received = &setup.received()[0];
        assert_eq!(received[AUTHORIZATION], reader);
        assert!(!received.values().any(|value| value == "mallory"), "{received:?}");
        assert_eq!(received["x-kept"], "1");
        assert_eq!(received[HOST], setup.upstream.trim_start_matches("http://"));
    }

    #[tokio::test]
    async fn headers_for_one_connection_are_not_forwarded() {
        let setup = Setup::start().await;
        let reader = setup.reader();
        let headers = [
            ("authorization", &*reader),
            ("connection", "X-Secret"),
            ("x-secret", "1"),
            ("te", "trailers"),
            ("keep-alive", "timeout=5"),
            ("proxy-authorization", "Basic Og=="),
        ];
        assert_eq!(setup.get("/orders", &headers).await.status(), 200);
        let received = &setup.received()[0];
        for name in ["connection", "x-secret", "te", "keep-alive", "proxy-authorization", "transfer-encoding"]
        {
            assert!(!received.contains_key(name), "{name}");
        }

        let response = setup.get("/headers", &[("authorization", &reader)]).await;
        assert!(!response.headers().contains_key("x-internal"));
        assert_eq!(response.headers()["x-kept"], "1");
    }

    #[tokio::test]
    async fn a_path_with_dot_segments_is_rejected() {
        let setup = Setup::start().await;
        for path in ["/public/../orders", "/public/%2e%2e/orders", "/./orders"] {
            // Written by hand: HTTP clients resolve the segments themselves.
            let mut stream = TcpStream::connect(setup.gateway.trim_start_matches("http://")).await.unwrap();
            let head = format!("GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: {}\r\n", setup.reader());
            stream.write_all(format!("{head}Connection: close\r\n\r\n").as_bytes()).await.unwrap();
            let mut response = String::new();
            stream.read_to_string(&mut response).await.unwrap();
            assert!(response.starts_with("HTTP/1.1 400 "), "{path}: {response}");
        }
        assert_eq!(setup.received().len(), 0);
    }

    #[tokio::test]
    async fn a_redirect_of_the_upstream_is_returned() {
        let setup = Setup::start().await;
        let response = setup.get("/moved", &[("authorization", &setup.reader())]).await;
        assert_eq!(response.status(), 307);
        assert_eq!(response.headers()[LOCATION], "https://elsewhere.example/");
    }

    #[tokio::test]
    async fn bodies_pass_in_both_directions() {
        let setup = Setup::start().await;
        let request = client().post(format!("{}/echo", setup.gateway)).body("an order");
        let response = request.header(AUTHORIZATION, setup.reader()).send().await.unwrap();
        assert_eq!(response.text().await.unwrap(), "an order");
    }

    #[tokio::test]
    async fn an_upstream_that_is_down_is_502() {
        let idp = TestIssuer::new();
        let (listener, upstream) = listen().await.unwrap();
        drop(listener);
        let gateway = serve(gateway(idp.bearer_auth(API).build().unwrap(), &upstream).unwrap()).await;
        let request = client().get(format!("{gateway}/orders")).bearer_auth(idp.token(API).sign());
        assert_eq!(request.send().await.unwrap().status(), 502);
    }
}
