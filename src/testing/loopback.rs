//! The test issuer on a loopback port, over plain HTTP/1.1.

use std::future::poll_fn;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::CONTENT_LENGTH;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};

use super::endpoint::Answer;
use super::response::plain;
use super::state::State;

/// The most bytes that are read of a request's body.
const MAX_BODY: usize = 1 << 20;

/// A server that ends when this is dropped, with all its connections.
pub(super) struct Loopback(AbortHandle);

impl Drop for Loopback {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Loopback {
    /// A port of its own, not yet answering.
    pub(super) async fn bind() -> io::Result<(TcpListener, SocketAddr)> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    }

    /// Answers on that port for `issuer`.
    pub(super) fn serve(listener: TcpListener, issuer: Arc<State>) -> Self {
        let task = tokio::spawn(async move {
            // Dropped with this task, and the connections with it.
            let mut connections = JoinSet::new();
            loop {
                if let Ok((stream, _)) = listener.accept().await {
                    connections.spawn(serve_connection(stream, Arc::clone(&issuer)));
                }
                while connections.try_join_next().is_some() {}
            }
        });
        Self(task.abort_handle())
    }
}

async fn serve_connection(stream: TcpStream, issuer: Arc<State>) {
    let service = service_fn(|request| respond(request, Arc::clone(&issuer)));
    // A connection that ends early is what some tests are about.
    let _ended = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn respond(request: Request<Incoming>, issuer: Arc<State>) -> Result<Response<TestBody>, Refused> {
    let answer = match read(request).await? {
        Some(request) => issuer.answer(&request),
        None => {
            Answer::Whole(Duration::ZERO, plain(StatusCode::PAYLOAD_TOO_LARGE, "text/plain", "too large"))
        }
    };
    match answer {
        Answer::Whole(delay, response) => {
            tokio::time::sleep(delay).await;
            Ok(response.map(|body| TestBody { data: Some(body), end: End::Clean }))
        }
        Answer::Half(response) => Ok(cut(response, 2, End::Broken)),
        Answer::Slow(response) => Ok(cut(response, 64, End::Never)),
        Answer::Hang => std::future::pending().await,
        Answer::Refuse => Err(Refused),
    }
}

/// The request with its whole body; `None` when that is too large.
async fn read(request: Request<Incoming>) -> Result<Option<Request<Bytes>>, Refused> {
    let (head, mut body) = request.into_parts();
    let mut read = BytesMut::new();
    while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        let Ok(data) = frame.map_err(|_| Refused)?.into_data() else { continue };
        if data.len() > MAX_BODY.saturating_sub(read.len()) {
            return Ok(None);
        }
        read.extend_from_slice(&data);
    }
    Ok(Some(Request::from_parts(head, read.freeze())))
}

/// The first part of a response that promises the whole of it.
fn cut(response: Response<Bytes>, parts: usize, end: End) -> Response<TestBody> {
    let whole = response.body().len();
    let mut response = response.map(|mut body| {
        body.truncate(whole.checked_div(parts).unwrap_or_default());
        TestBody { data: Some(body), end }
    });
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(whole));
    response
}

/// Closes the connection without an answer.
#[derive(Debug)]
struct Refused;

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the test asked for no answer")
    }
}

impl std::error::Error for Refused {}

struct TestBody {
    data: Option<Bytes>,
    end: End,
}

enum End {
    Clean,
    Broken,
    Never,
}

impl Body for TestBody {
    type Data = Bytes;
    type Error = Refused;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Refused>>> {
        match (self.data.take(), &self.end) {
            (Some(data), _) => Poll::Ready(Some(Ok(Frame::data(data)))),
            (None, End::Clean) => Poll::Ready(None),
            (None, End::Broken) => Poll::Ready(Some(Err(Refused))),
            // Whoever asked gives up; nothing wakes this.
            (None, End::Never) => Poll::Pending,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match (&self.data, &self.end) {
            (Some(data), End::Clean) => SizeHint::with_exact(u64::try_from(data.len()).unwrap_or(u64::MAX)),
            _ => SizeHint::default(),
        }
    }
}
