//! Tests of the endpoints of the test issuer, through its HTTP client.

mod assertions;
mod authentication;
mod bound_tokens;
mod clock;
mod dpop;
mod faults;
mod grants;
mod introspection;
mod issuers_with_paths;
mod keys;
mod mock_auth;
mod profiles;
mod revocation;
#[cfg(all(feature = "reqwest", feature = "test-tls"))]
mod tls;
mod token_shapes;

use std::convert::Infallible;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName};
use http::{HeaderMap, Request, Response};
use serde_json::Value;
use tower::{Layer, ServiceExt, service_fn};

use super::{InMemoryClient, TestIssuer};
use crate::middleware::{BearerAuth, ResponseBody};
use crate::transport::{FetchError, FetchRequest, HttpClient, UrlKind};

const API: &str = "https://api.example.com";
const BASIC: &str = "Basic dGVzdC1hcGk6dGVzdC1zZWNyZXQ=";

/// The type of a client assertion, in a form (RFC 7523 section 2.2).
const ASSERTION_TYPE: (&str, &str) =
    ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");

fn invalid_client() -> (u16, String) {
    (401, "invalid_client".to_owned())
}

/// A response.
#[derive(Debug)]
struct Reply {
    status: u16,
    headers: HeaderMap,
    body: Bytes,
}

impl Reply {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    fn error(&self) -> (u16, String) {
        (self.status, self.json()["error"].as_str().unwrap_or_default().to_owned())
    }

    fn header(&self, name: impl Into<HeaderName>) -> &str {
        self.headers.get(name.into()).map_or("", |value| value.to_str().unwrap())
    }
}

/// Posts a form as the client that is registered from the start.
async fn post(idp: &TestIssuer, url: &str, form: &[(&str, &str)]) -> Reply {
    post_with(idp, url, &[(AUTHORIZATION, BASIC)], form).await
}

async fn post_with(
    idp: &TestIssuer,
    url: &str,
    fields: &[(HeaderName, &str)],
    form: &[(&str, &str)],
) -> Reply {
    send(&idp.http_client(), form_request(url, fields, form)).await.unwrap()
}

fn form_request(url: &str, fields: &[(HeaderName, &str)], form: &[(&str, &str)]) -> Request<Bytes> {
    let mut request = Request::post(url).header(CONTENT_TYPE, "application/x-www-form-urlencoded");
    for (name, value) in fields {
        request = request.header(name, *value);
    }
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    request.body(Bytes::from(body)).unwrap()
}

async fn send(client: &InMemoryClient, request: Request<Bytes>) -> Result<Reply, FetchError> {
    let request = FetchRequest::new(request, UrlKind::Introspection, "", 1 << 20);
    client.fetch(request).await.map(|response| {
        let (head, body) = response.into_response().into_parts();
        Reply { status: head.status.as_u16(), headers: head.headers, body }
    })
}

/// The response to a request with this token of an API that accepts every valid token.
async fn present(auth: &BearerAuth, token: &str) -> Response<ResponseBody<()>> {
    let request = Request::get("/").header(AUTHORIZATION, format!("Bearer {token}")).body(()).unwrap();
    auth.layer(service_fn(respond)).oneshot(request).await.unwrap()
}

async fn respond(_: Request<()>) -> Result<Response<()>, Infallible> {
    Ok(Response::new(()))
}

/// The introspection response about a token.
async fn introspect(idp: &TestIssuer, token: &str) -> Value {
    post(idp, &idp.introspection_url(), &[("token", token)]).await.json()
}

async fn is_active(idp: &TestIssuer, token: &str) -> bool {
    introspect(idp, token).await["active"] == true
}
