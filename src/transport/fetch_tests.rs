//! The limits of one request, on a paused clock and without a socket.

use std::sync::Arc;

use http::Request;

use super::*;
use crate::transport::{FetchFuture, FetchResponse, UrlKind};

const TIMEOUT: Duration = Duration::from_secs(5);

/// A client that sends `status` and `body` after `delay`, and echoes the request's `Accept` header.
struct Scripted {
    status: u16,
    body: &'static [u8],
    delay: Duration,
}

impl HttpClient for Scripted {
    fn fetch(&self, request: FetchRequest) -> FetchFuture {
        let mut response = Response::builder().status(self.status);
        if let Some(accept) = request.request().headers().get(ACCEPT) {
            response = response.header(ACCEPT, accept);
        }
        let response = FetchResponse::new(response.body(Bytes::from_static(self.body)).unwrap());
        let delay = self.delay;
        Box::pin(async move {
            tokio::time::sleep(delay).await;
            Ok(response)
        })
    }
}

fn client(status: u16, body: &'static [u8], delay: Duration) -> Arc<dyn HttpClient> {
    Arc::new(Scripted { status, body, delay })
}

fn request() -> FetchRequest {
    let request = Request::get("https://h.example/jwks").body(Bytes::new()).unwrap();
    FetchRequest::new(request, UrlKind::Jwks, "https://h.example", 4)
}

#[tokio::test(start_paused = true)]
async fn response_over_a_limit_is_an_error() {
    use FetchErrorKind::{Redirected, Status, TimedOut, TooLarge};
    for (name, client, sent, fetched) in [
        ("200", client(200, b"1234", TIMEOUT / 2), None, None),
        ("304", client(304, b"", Duration::ZERO), None, None),
        ("302", client(302, b"", Duration::ZERO), Some(Redirected), Some(Redirected)),
        ("308", client(308, b"", Duration::ZERO), Some(Redirected), Some(Redirected)),
        ("404", client(404, b"", Duration::ZERO), None, Some(Status(404))),
        ("503", client(503, b"", Duration::ZERO), None, Some(Status(503))),
        ("a large body", client(200, b"12345", Duration::ZERO), Some(TooLarge), Some(TooLarge)),
        ("a late response", client(200, b"", 2 * TIMEOUT), Some(TimedOut), Some(TimedOut)),
    ] {
        let kind = |result: Result<_, FetchError>| result.err().map(|error| error.kind());
        assert_eq!(kind(send(&*client, request(), TIMEOUT).await), sent, "send, {name}");
        assert_eq!(kind(fetch(&*client, request(), TIMEOUT).await), fetched, "fetch, {name}");
    }
}

#[tokio::test(start_paused = true)]
async fn fetch_accepts_json_unless_the_request_says_otherwise() {
    let client = client(200, b"", Duration::ZERO);
    let response = fetch(&*client, request(), TIMEOUT).await.unwrap();
    assert_eq!(response.headers()[ACCEPT], "application/json");
    let mut request = request();
    request.request_mut().headers_mut().insert(ACCEPT, HeaderValue::from_static("application/jwk-set+json"));
    let response = fetch(&*client, request, TIMEOUT).await.unwrap();
    assert_eq!(response.headers()[ACCEPT], "application/jwk-set+json");
}

#[tokio::test(start_paused = true)]
async fn shared_client_is_a_client() {
    fn as_client(client: impl HttpClient) -> impl HttpClient {
        client
    }
    let shared = as_client(client(200, b"1", Duration::ZERO));
    let response = send(&shared, request(), TIMEOUT).await.unwrap();
    assert_eq!(response.body(), &Bytes::from_static(b"1"));
}
