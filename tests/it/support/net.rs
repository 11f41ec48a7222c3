//! A network in memory: it answers by URL, and keeps a log of what was asked.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, Method, Response};
use serde_json::json;
use tokio::time::Instant;
use tower_bearer::testing::TestIssuer;
use tower_bearer::transport::{FetchError, FetchFuture, FetchRequest, FetchResponse, HttpClient};

/// All hosts there are. A clone is the same network.
#[derive(Clone, Default)]
pub(crate) struct Net(Arc<Mutex<Hosts>>);

#[derive(Default)]
struct Hosts {
    replies: HashMap<String, Reply>,
    log: Vec<Asked>,
}

/// What is answered at a URL.
#[derive(Clone)]
pub(crate) enum Reply {
    /// This status, these headers, this body; of any size.
    With(u16, Vec<(&'static str, String)>, Bytes),
    /// No answer ever.
    Hang,
    /// No connection.
    Refused,
}

/// One request.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) method: Method,
    pub(crate) url: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) at: Instant,
}

impl Reply {
    /// 200 with this body and no header.
    pub(crate) fn body(body: impl Into<Bytes>) -> Self {
        Self::With(200, Vec::new(), body.into())
    }

    /// This status with a body of HTML.
    pub(crate) fn status(status: u16) -> Self {
        Self::With(status, vec![("content-type", "text/html".to_owned())], "<h1>no</h1>".into())
    }

    /// This status with a `Location`.
    pub(crate) fn redirect(status: u16, to: &str) -> Self {
        Self::With(status, vec![("location", to.to_owned())], Bytes::new())
    }

    /// The same with one more header.
    pub(crate) fn header(self, name: &'static str, value: impl Into<String>) -> Self {
        match self {
            Self::With(status, mut headers, body) => {
                headers.push((name, value.into()));
                Self::With(status, headers, body)
            }
            other => other,
        }
    }

    pub(crate) async fn perform(self) -> Result<FetchResponse, FetchError> {
        match self {
            Self::With(status, headers, body) => {
                let answer =
                    headers.into_iter().fold(Response::builder().status(status), |answer, (name, value)| {
                        answer.header(name, value)
                    });
                Ok(answer.body(body).unwrap().into())
            }
            Self::Hang => std::future::pending().await,
            Self::Refused => Err(FetchError::transport("connection refused")),
        }
    }
}

impl Net {
    /// A network on which `issuer` has its metadata by RFC 8414 and its keys as published now.
    pub(crate) fn of(issuer: &TestIssuer) -> Self {
        let net = Self::default();
        let metadata = json!({"issuer": issuer.identifier(), "jwks_uri": issuer.jwks_url()});
        net.set(
            &format!("{}/.well-known/oauth-authorization-server", issuer.identifier()),
            Reply::body(metadata.to_string()),
        );
        net.set(&issuer.jwks_url(), Reply::body(issuer.jwks()));
        net
    }

    /// What is answered at `url` from now on. Nobody is at a URL that was not set.
    pub(crate) fn set(&self, url: &str, reply: Reply) {
        self.0.lock().unwrap().replies.insert(url.to_owned(), reply);
    }

    /// Everything that was asked so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.0.lock().unwrap().log.clone()
    }

    /// The URLs that were asked so far.
    pub(crate) fn urls(&self) -> Vec<String> {
        self.asked().into_iter().map(|asked| asked.url).collect()
    }

    /// How often `url` was asked.
    pub(crate) fn count(&self, url: &str) -> usize {
        self.urls().iter().filter(|asked| *asked == url).count()
    }

    /// How often anything was asked.
    pub(crate) fn total(&self) -> usize {
        self.0.lock().unwrap().log.len()
    }
}

impl HttpClient for Net {
    fn fetch(&self, request: FetchRequest) -> FetchFuture {
        let (head, body) = request.into_request().into_parts();
        let asked = Asked {
            method: head.method,
            url: head.uri.to_string(),
            headers: head.headers,
            body,
            at: Instant::now(),
        };
        let mut hosts = self.0.lock().unwrap();
        let reply = hosts.replies.get(&asked.url).cloned().unwrap_or(Reply::Refused);
        hosts.log.push(asked);
        Box::pin(reply.perform())
    }
}
