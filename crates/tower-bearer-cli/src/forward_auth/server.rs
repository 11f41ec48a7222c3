//! Serves HTTP/1 and HTTP/2 on one listener until the program is told to stop.

use std::convert::Infallible;
use std::net::IpAddr;
use std::time::Duration;

use http::request::Parts;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::sleep;

use super::authorizer::Body;

/// Longer than proxies keep idle connections open (nginx: 60 s), so that the proxy closes them. A request on
/// a connection that this side closes at the same time would fail.
const HEAD_TIMEOUT: Duration = Duration::from_secs(75);

/// How long requests may take after the signal to stop.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(10);

/// Answers each request with `respond`, a function of the address of the peer and the head of the request.
/// Bodies are not read.
pub(crate) async fn serve<R, F>(listener: TcpListener, respond: R, mut stop: watch::Receiver<bool>)
where
    R: Fn(IpAddr, Parts) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
    builder.http2().timer(TokioTimer::new());
    let connections = GracefulShutdown::new();
    loop {
        let (stream, peer) = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "cannot accept connections");
                    sleep(Duration::from_millis(100)).await;
                    continue;
                }
            },
            _ = stop.changed() => break,
        };
        let respond = respond.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            let response = respond(peer.ip(), request.into_parts().0);
            async { Ok::<_, Infallible>(response.await) }
        });
        let connection = builder.serve_connection(TokioIo::new(stream), service).into_owned();
        let connection = connections.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(error, "connection failed");
            }
        });
    }
    drop(listener);
    tokio::select! {
        () = connections.shutdown() => {}
        () = sleep(SHUTDOWN_TIMEOUT) => tracing::warn!("requests are still running; stopping anyway"),
    }
}
