//! Serves HTTP/1 on one listener until the program is told to stop.
//!
//! Why no HTTP/2: proxies ask over HTTP/1 unless they are configured otherwise, and a connection whose version
//! must be found out first has no time limit until then.

use std::convert::Infallible;
use std::net::IpAddr;
use std::time::Duration;

use http::request::Parts;
use http::{Request, Response};
use hyper::body::{Body, Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::sleep;

/// How long a connection may wait for the head of its next request. Proxies close idle connections earlier
/// (nginx: 60 s), so no request meets a connection that this side is closing.
const IDLE_TIMEOUT: Duration = Duration::from_secs(75);

/// How long requests may take after the signal to stop.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(10);

/// Responds to each request with `respond`, a function of the address of the peer and the head of the request.
/// Bodies are not read.
pub(crate) async fn serve<R, F, B>(listener: TcpListener, respond: R, mut stop: watch::Receiver<bool>)
where
    R: Fn(IpAddr, Parts) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<B>> + Send + 'static,
    B: Body<Data = Bytes, Error = Infallible> + Send + 'static,
{
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(IDLE_TIMEOUT);
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
        let connection = builder.serve_connection(TokioIo::new(stream), service);
        let connection = connections.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "connection failed");
            }
        });
    }
    drop(listener);
    tokio::select! {
        () = connections.shutdown() => {}
        () = sleep(SHUTDOWN_TIMEOUT) => tracing::warn!("requests are still running; stopping anyway"),
    }
}
