//! Serves a test issuer on a loopback port, over HTTP/1.1 without TLS.

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

use super::endpoints::{Reply, plain};
use super::server::State;

/// The maximum size of a request body in bytes.
const MAX_BODY_BYTES: usize = 1 << 20;

/// A running server. Dropping it closes the port and all connections.
pub(super) struct Loopback(AbortHandle);

impl Drop for Loopback {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Loopback {
    /// Binds a free port. Nothing is accepted yet.
    pub(super) async fn bind() -> io::Result<(TcpListener, SocketAddr)> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    }

    /// Serves `issuer` on the port.
    pub(super) fn serve(listener: TcpListener, issuer: Arc<State>) -> Self {
        let task = tokio::spawn(async move {
            // Aborting this task drops the set, which aborts the connections.
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
    // Some tests close connections early, so an error is expected.
    let _result = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn respond(request: Request<Incoming>, issuer: Arc<State>) -> Result<Response<TestBody>, Closed> {
    let reply = match read_body(request).await? {
        Some(request) => issuer.reply(&request),
        None => {
            Reply::Complete(Duration::ZERO, plain(StatusCode::PAYLOAD_TOO_LARGE, "text/plain", "too large"))
        }
    };
    match reply {
        Reply::Complete(delay, response) => {
            tokio::time::sleep(delay).await;
            Ok(response.map(|body| TestBody { data: Some(body), end: End::Complete }))
        }
        Reply::Half(response) => Ok(truncate(response, 2, End::Closed)),
        Reply::Slow(response) => Ok(truncate(response, 64, End::Never)),
        Reply::Hang => std::future::pending().await,
        Reply::Close => Err(Closed),
    }
}

/// Reads the body of a request. `None` if it exceeds [`MAX_BODY_BYTES`].
async fn read_body(request: Request<Incoming>) -> Result<Option<Request<Bytes>>, Closed> {
    let (head, mut body) = request.into_parts();
    let mut bytes = BytesMut::new();
    while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        let Ok(data) = frame.map_err(|_| Closed)?.into_data() else { continue };
        if data.len() > MAX_BODY_BYTES.saturating_sub(bytes.len()) {
            return Ok(None);
        }
        bytes.extend_from_slice(&data);
    }
    Ok(Some(Request::from_parts(head, bytes.freeze())))
}

/// Keeps one of `parts` equal parts of the body. `Content-Length` stays that of the whole body.
fn truncate(response: Response<Bytes>, parts: usize, end: End) -> Response<TestBody> {
    let whole = response.body().len();
    let mut response = response.map(|mut body| {
        body.truncate(whole.checked_div(parts).unwrap_or_default());
        TestBody { data: Some(body), end }
    });
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(whole));
    response
}

/// The error that makes hyper close the connection.
#[derive(Debug)]
struct Closed;

impl std::fmt::Display for Closed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("closed by the fault that the test has set")
    }
}

impl std::error::Error for Closed {}

/// A body of one frame.
struct TestBody {
    data: Option<Bytes>,
    end: End,
}

/// The state of the connection after the frame of a [`TestBody`].
enum End {
    /// The body is complete.
    Complete,
    /// The connection is closed.
    Closed,
    /// The connection stays open, but nothing more is sent.
    Never,
}

impl Body for TestBody {
    type Data = Bytes;
    type Error = Closed;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Closed>>> {
        match (self.data.take(), &self.end) {
            (Some(data), _) => Poll::Ready(Some(Ok(Frame::data(data)))),
            (None, End::Complete) => Poll::Ready(None),
            (None, End::Closed) => Poll::Ready(Some(Err(Closed))),
            // Nothing wakes this task. The client times out.
            (None, End::Never) => Poll::Pending,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match (&self.data, &self.end) {
            (Some(data), End::Complete) => {
                SizeHint::with_exact(u64::try_from(data.len()).unwrap_or(u64::MAX))
            }
            _ => SizeHint::default(),
        }
    }
}
