//! The endpoints of the test issuer, as a client sees them.

mod authentication;
mod faults;
mod grants;
mod introspection;
mod revocation;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName};
use http::{HeaderMap, Request};
use serde_json::Value;

use super::{InMemoryClient, TestIssuer};
use crate::transport::{FetchError, FetchRequest, HttpClient, UrlKind};

const API: &str = "https://api.example.com";
const BASIC: &str = "Basic dGVzdC1hcGk6dGVzdC1zZWNyZXQ=";

/// What came back.
#[derive(Debug)]
struct Answered {
    status: u16,
    headers: HeaderMap,
    body: Bytes,
}

impl Answered {
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

/// A form from the client that is known from the start.
async fn post(idp: &TestIssuer, url: &str, form: &[(&str, &str)]) -> Answered {
    post_with(idp, url, &[(AUTHORIZATION, BASIC)], form).await
}

async fn post_with(
    idp: &TestIssuer,
    url: &str,
    fields: &[(HeaderName, &str)],
    form: &[(&str, &str)],
) -> Answered {
    send(&idp.http_client(), posted(url, fields, form)).await.unwrap()
}

fn posted(url: &str, fields: &[(HeaderName, &str)], form: &[(&str, &str)]) -> Request<Bytes> {
    let mut request = Request::post(url).header(CONTENT_TYPE, "application/x-www-form-urlencoded");
    for (name, value) in fields {
        request = request.header(name, *value);
    }
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    request.body(Bytes::from(body)).unwrap()
}

async fn send(client: &InMemoryClient, request: Request<Bytes>) -> Result<Answered, FetchError> {
    let request = FetchRequest::new(request, UrlKind::Introspection, "", 1 << 20);
    client.fetch(request).await.map(|response| {
        let (head, body) = response.into_response().into_parts();
        Answered { status: head.status.as_u16(), headers: head.headers, body }
    })
}

/// What introspection says.
async fn introspected(idp: &TestIssuer, token: &str) -> Value {
    post(idp, &idp.introspection_url(), &[("token", token)]).await.json()
}

async fn is_active(idp: &TestIssuer, token: &str) -> bool {
    introspected(idp, token).await["active"] == true
}
