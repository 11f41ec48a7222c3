//! Serves a test issuer on a loopback port, over HTTP/1.1, with TLS if the test asks for it.

mod body;
#[cfg(feature = "test-tls")]
mod tls;

use std::future::poll_fn;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{Request, Response, StatusCode};
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};

use self::body::{Closed, End, TestBody};
#[cfg(feature = "test-tls")]
pub(super) use self::tls::Tls;
use super::endpoints::{Reply, plain};
use super::server::{PresentedCertificate, State};

/// The maximum size of a request body in bytes.
const MAX_BODY_BYTES: usize = 1 << 20;

/// How connections are secured.
#[derive(Clone, Debug, Default)]
pub(super) enum Security {
    #[default]
    Plain,
    #[cfg(feature = "test-tls")]
    Tls(Tls),
}

impl Security {
    /// The scheme of the URLs.
    pub(super) fn scheme(&self) -> &'static str {
        match self {
            Self::Plain => "http",
            #[cfg(feature = "test-tls")]
            Self::Tls(_) => "https",
        }
    }
}

/// A running server. Dropping it closes the port and all connections.
pub(super) struct Loopback(AbortHandle);

impl Drop for Loopback {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Loopback {
    /// Binds this port, or a free one for zero. Nothing is accepted yet.
    pub(super) async fn bind(port: u16) -> io::Result<(TcpListener, SocketAddr)> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    }

    /// Serves `issuer` on the port.
    pub(super) fn serve(listener: TcpListener, issuer: Arc<State>, security: Security) -> Self {
        let task = tokio::spawn(async move {
            // Aborting this task drops the set, which aborts the connections.
            let mut connections = JoinSet::new();
            loop {
                if let Ok((stream, _)) = listener.accept().await {
                    connections.spawn(serve_connection(stream, Arc::clone(&issuer), security.clone()));
                }
                while connections.try_join_next().is_some() {}
            }
        });
        Self(task.abort_handle())
    }
}

async fn serve_connection(stream: TcpStream, issuer: Arc<State>, security: Security) {
    match security {
        Security::Plain => serve_http(stream, PresentedCertificate::over_plain_http(), issuer).await,
        #[cfg(feature = "test-tls")]
        Security::Tls(tls) => {
            if let Some((stream, presented)) = tls.accept(stream).await {
                serve_http(stream, presented, issuer).await;
            }
        }
    }
}

async fn serve_http(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    presented: PresentedCertificate,
    issuer: Arc<State>,
) {
    let service = service_fn(|mut request: Request<Incoming>| {
        request.extensions_mut().insert(presented.clone());
        respond(request, Arc::clone(&issuer))
    });
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
            Ok(response.map(TestBody::complete))
        }
        Reply::Half(response) => Ok(TestBody::part_of(response, 2, End::Closed)),
        Reply::Slow(response) => Ok(TestBody::part_of(response, 64, End::Never)),
        Reply::Trickle(interval, response) => Ok(response.map(|body| TestBody::trickling(body, interval))),
        Reply::Hang => std::future::pending().await,
        Reply::Refuse | Reply::Lost => Err(Closed),
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
