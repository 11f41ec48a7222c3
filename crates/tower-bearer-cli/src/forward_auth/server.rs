//! Serves HTTP/1 on one listener until the program is told to stop.
//!
//! Checks: the number of connections, and how long a head may take. An untrusted peer has limits of its own,
//! so that it cannot use up the connections of the proxies: one request per connection, and a short time.
//!
//! Why no HTTP/2: proxies ask over HTTP/1 unless they are configured otherwise, and a connection whose
//! version must be found out first has no time limit until then.
//!
//! Why a connection over the limit is closed instead of queued: a proxy fails over at once if a connection
//! is closed, and waits for its own timeout if nobody accepts it.

use std::convert::Infallible;
use std::io::{self, ErrorKind};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::{Body, Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{sleep, timeout};

use super::log_limit::LogLimit;

/// How long a connection may wait for the head of its next request. Proxies close idle connections earlier
/// (nginx: 60 s), so no request meets a connection that this side is closing.
const IDLE_TIMEOUT: Duration = Duration::from_secs(75);

/// How long the connection of an untrusted peer may last.
const UNTRUSTED_TIMEOUT: Duration = Duration::from_secs(10);

const MAX_UNTRUSTED_CONNECTIONS: usize = 100;

/// How long requests may take after the signal to stop.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(10);

/// Which peers are trusted, and how many connections each group may have at once.
pub(crate) struct Peers<T> {
    is_trusted: T,
    trusted: Group,
    untrusted: Group,
}

/// Peers that share a limit.
struct Group {
    permits: Arc<Semaphore>,
    /// Limits the lines about this group only, so that untrusted peers cannot hide those about proxies.
    closed: LogLimit,
}

impl<T: Fn(IpAddr) -> bool> Peers<T> {
    /// `max_connections` is the limit for trusted peers.
    pub(crate) fn new(max_connections: usize, is_trusted: T) -> Self {
        Self {
            is_trusted,
            trusted: Group::new(max_connections),
            untrusted: Group::new(MAX_UNTRUSTED_CONNECTIONS),
        }
    }

    /// Whether `peer` is trusted, and the permit for its connection. `None`, with a line in the log, if its
    /// group has no more.
    pub(crate) fn permit(&self, peer: IpAddr) -> Option<(bool, OwnedSemaphorePermit)> {
        let is_trusted = (self.is_trusted)(peer);
        let group = if is_trusted { &self.trusted } else { &self.untrusted };
        let permit = Arc::clone(&group.permits).try_acquire_owned().ok();
        if permit.is_none()
            && let Some(suppressed) = group.closed.admit()
        {
            tracing::warn!(is_trusted, suppressed, "too many connections: closed");
        }
        Some((is_trusted, permit?))
    }
}

impl Group {
    fn new(max_connections: usize) -> Self {
        let permits = Semaphore::new(max_connections.min(Semaphore::MAX_PERMITS));
        Self { permits: Arc::new(permits), closed: LogLimit::new() }
    }
}

/// Responds to each request with `respond`, a function of the address of the peer and the request.
pub(crate) async fn serve<T, R, F, B>(
    listener: TcpListener,
    peers: Peers<T>,
    respond: R,
    mut stop: watch::Receiver<bool>,
) where
    T: Fn(IpAddr) -> bool,
    R: Fn(IpAddr, Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<B>> + Send + 'static,
    B: Body<Data = Bytes, Error = Infallible> + Send + 'static,
{
    let connections = GracefulShutdown::new();
    loop {
        let (stream, peer) = tokio::select! {
            accepted = accept(&listener) => accepted,
            _ = stop.changed() => break,
        };
        let Some((is_trusted, permit)) = peers.permit(peer) else { continue };
        let respond = respond.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            let response = respond(peer, request);
            async { Ok::<_, Infallible>(response.await) }
        });
        let mut builder = http1::Builder::new();
        builder.timer(TokioTimer::new()).header_read_timeout(IDLE_TIMEOUT).keep_alive(is_trusted);
        let connection = connections.watch(builder.serve_connection(TokioIo::new(stream), service));
        tokio::spawn(async move {
            let served = if is_trusted {
                connection.await
            } else {
                timeout(UNTRUSTED_TIMEOUT, connection).await.unwrap_or(Ok(()))
            };
            if let Err(error) = served {
                tracing::debug!(%error, "connection failed");
            }
            drop(permit);
        });
    }
    drop(listener);
    tokio::select! {
        () = connections.shutdown() => {}
        () = sleep(SHUTDOWN_TIMEOUT) => tracing::warn!("requests are still running; stopping anyway"),
    }
}

/// The next connection. Retries if the system has no resources for one.
async fn accept(listener: &TcpListener) -> (TcpStream, IpAddr) {
    static FAILED: LogLimit = LogLimit::new();
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => return (stream, peer.ip()),
            Err(error) if is_connection_error(&error) => tracing::debug!(%error, "connection failed"),
            Err(error) => {
                if let Some(suppressed) = FAILED.admit() {
                    tracing::warn!(%error, suppressed, "cannot accept connections");
                }
                sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// Whether `error` ends one connection, and the next one can be accepted at once.
pub(crate) fn is_connection_error(error: &io::Error) -> bool {
    use ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}
