//! hyper: `BearerAuth` between other layers of a `tower::ServiceBuilder`, in the order that works.
//!
//! | layer, from the outside | why there |
//! |---|---|
//! | trace | sees every response, also 401, 503 and 504 of the layers below |
//! | timeout | includes the time that `BearerAuth` waits for keys or introspection |
//! | `BearerAuth`, `Require` | outside of the limit: 401 and 403 need no permit |
//! | load shedding, concurrency limit | next to the work that they limit |
//!
//! A request releases its permit while it waits for keys or introspection, and when it is rejected.
//!
//! ```text
//! # Prints curl lines, then serves until Ctrl-C.
//! cargo run -p tower-bearer-examples --example hyper_builder
//! ```

use std::error::Error;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Body;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::time::sleep;
use tower::load_shed::error::Overloaded;
use tower::{BoxError, Service, ServiceBuilder};
use tower_bearer::testing::TestIssuer;
use tower_bearer::{AccessToken, BearerAuth, Require};
use tower_bearer_examples::{listen, print_curl};
use tower_http::timeout::TimeoutLayer;
use tower_http::trace::TraceLayer;

/// The audience: tokens for this API have it in `aud`.
const API: &str = "https://api.example.com";

const SCOPE: &str = "reports.read";

/// For the whole request: validation of the token and the report.
const TIMEOUT: Duration = Duration::from_secs(2);

/// The wait after a connection that could not be accepted.
const ACCEPT_RETRY_INTERVAL: Duration = Duration::from_millis(100);

/// How many reports are computed at the same time.
const MAX_REPORTS: usize = 2;

/// How long a report takes.
const REPORT_TIME: Duration = Duration::from_secs(1);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().with_max_level(tracing::Level::DEBUG).init();
    let idp = TestIssuer::start().await?;
    let auth = BearerAuth::builder(API).issuer(idp.issuer()).build()?;
    let (listener, origin) = listen().await?;

    let reader = idp.token(API).scope(SCOPE).sign();
    print_curl("401: no token", None, &origin);
    print_curl("403: the scope is missing", Some(&idp.token(API).sign()), &origin);
    print_curl("200", Some(&reader), &origin);
    print_curl(
        "200 twice, and 503",
        Some(&reader),
        &format!("-Z --parallel-immediate {origin} {origin} {origin}"),
    );

    serve(listener, auth).await;
    Ok(())
}

/// Serves until the process ends.
async fn serve(listener: TcpListener, auth: BearerAuth) {
    let service = reports(auth);
    let mut http = http1::Builder::new();
    // Without a timer, hyper's timeout for request headers (30 s) has no effect, and slow clients keep their
    // connections. `TIMEOUT` begins when the headers are complete.
    http.timer(TokioTimer::new());
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // A client that has left, or too many open files.
            sleep(ACCEPT_RETRY_INTERVAL).await;
            continue;
        };
        let service = TowerToHyperService::new(service.clone());
        tokio::spawn(http.serve_connection(TokioIo::new(stream), service));
    }
}

/// The service for all connections. Its clones share the limit and the keys.
fn reports<B: Body + Send + 'static>(
    auth: BearerAuth,
) -> impl Service<
    Request<B>,
    Response = Response<impl Body<Data = Bytes, Error: Into<BoxError>> + Send>,
    Error = BoxError,
    Future: Send,
> + Clone {
    ServiceBuilder::new()
        .layer(TraceLayer::new_for_http())
        .layer(TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, TIMEOUT))
        .layer(auth)
        .layer(Require::scope(SCOPE))
        .map_result(respond_if_overloaded)
        .load_shed()
        .concurrency_limit(MAX_REPORTS)
        .service_fn(report::<B>)
}

/// An error would close the connection. Load shedding is an ordinary response instead.
fn respond_if_overloaded(
    result: Result<Response<Full<Bytes>>, BoxError>,
) -> Result<Response<Full<Bytes>>, BoxError> {
    let Err(error) = result else { return result };
    if !error.is::<Overloaded>() {
        return Err(error);
    }
    let mut response = Response::new(Full::from("too many reports at the same time\n"));
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    Ok(response)
}

async fn report<B>(request: Request<B>) -> Result<Response<Full<Bytes>>, BoxError> {
    let token = request.extensions().get::<AccessToken>();
    let subject = token.and_then(AccessToken::subject).unwrap_or("the client").to_owned();
    sleep(REPORT_TIME).await;
    Ok(Response::new(Full::from(format!("report for {subject}\n"))))
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;
    use tokio::task::JoinSet;
    use tokio::time::timeout;
    use tower::ServiceExt;
    use tower_bearer::testing::{Endpoint, Fault};

    use super::*;

    fn request(token: Option<&str>) -> Request<String> {
        let mut request = Request::get("/reports");
        if let Some(token) = token {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        request.body(String::new()).unwrap()
    }

    /// Sends a request to a clone of `$service`, as a connection does. Returns the status.
    macro_rules! status {
        ($service:expr, $token:expr) => {
            $service.clone().oneshot(request($token)).await.unwrap().status()
        };
    }

    #[tokio::test(start_paused = true)]
    async fn only_a_valid_token_with_the_scope_gets_a_report() {
        let idp = TestIssuer::new();
        let service = reports(idp.bearer_auth(API).build().unwrap());
        assert_eq!(status!(service, None), StatusCode::UNAUTHORIZED);
        let expired = idp.token(API).scope(SCOPE).expired().sign();
        assert_eq!(status!(service, Some(&expired)), StatusCode::UNAUTHORIZED);
        assert_eq!(status!(service, Some(&idp.token(API).sign())), StatusCode::FORBIDDEN);
        let reader = idp.token(API).scope(SCOPE).sign();
        assert_eq!(status!(service, Some(&reader)), StatusCode::OK);
    }

    #[tokio::test(start_paused = true)]
    async fn rejections_need_no_permit() {
        let idp = TestIssuer::new();
        let service = reports(idp.bearer_auth(API).build().unwrap());
        let reader = idp.token(API).scope(SCOPE).sign();
        let without_scope = idp.token(API).sign();
        let mut running = JoinSet::new();
        for _ in 0..MAX_REPORTS {
            running.spawn(service.clone().oneshot(request(Some(&reader))));
        }
        sleep(REPORT_TIME / 2).await;

        assert_eq!(status!(service, Some(&reader)), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(status!(service, None), StatusCode::UNAUTHORIZED);
        assert_eq!(status!(service, Some(&without_scope)), StatusCode::FORBIDDEN);

        for response in running.join_all().await {
            assert_eq!(response.unwrap().status(), StatusCode::OK);
        }
        assert_eq!(status!(service, Some(&reader)), StatusCode::OK);
    }

    #[tokio::test(start_paused = true)]
    async fn rejected_requests_release_their_permits() {
        let idp = TestIssuer::new();
        let service = reports(idp.bearer_auth(API).build().unwrap());
        for _ in 0..2 * MAX_REPORTS {
            assert_eq!(status!(service, Some("made-up")), StatusCode::UNAUTHORIZED);
        }
        let reader = idp.token(API).scope(SCOPE).sign();
        assert_eq!(status!(service, Some(&reader)), StatusCode::OK);
    }

    #[tokio::test(start_paused = true)]
    async fn the_timeout_includes_the_wait_for_keys() {
        let idp = TestIssuer::new();
        idp.set_fault(Endpoint::Jwks, Some(Fault::Delay(10 * TIMEOUT)));
        let service = reports(idp.bearer_auth(API).build().unwrap());
        let reader = idp.token(API).scope(SCOPE).sign();
        assert_eq!(status!(service, Some(&reader)), StatusCode::GATEWAY_TIMEOUT);
    }

    #[tokio::test]
    async fn connections_whose_headers_do_not_arrive_are_closed() {
        let idp = TestIssuer::new();
        let (listener, origin) = listen().await.unwrap();
        tokio::spawn(serve(listener, idp.bearer_auth(API).build().unwrap()));
        let mut client = TcpStream::connect(origin.trim_start_matches("http://")).await.unwrap();
        client.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        let mut response = [0; 1024];
        let length = client.read(&mut response).await.unwrap();
        assert!(response[..length].starts_with(b"HTTP/1.1 401 "));

        client.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
        // Paused time advances to the next timer when the runtime is idle.
        tokio::time::pause();
        let mut rest = Vec::new();
        let closed = timeout(Duration::from_secs(3600), client.read_to_end(&mut rest)).await;
        assert!(closed.is_ok());
    }

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Log {
        fn write(&mut self, text: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(text);
            Ok(text.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn rejections_are_traced_without_the_token() {
        let log = Log::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        // Global: beside a subscriber of one thread, the tests in other threads would turn events off.
        tracing::subscriber::set_global_default(subscriber).unwrap();
        tracing::callsite::rebuild_interest_cache();
        let idp = TestIssuer::new();
        let service = reports(idp.bearer_auth(API).build().unwrap());
        let without_scope = idp.token(API).sign();
        assert_eq!(status!(service, None), StatusCode::UNAUTHORIZED);
        assert_eq!(status!(service, Some(&without_scope)), StatusCode::FORBIDDEN);

        let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        for status in ["status=401", "status=403"] {
            assert!(log.contains(status), "{log}");
        }
        for part in without_scope.split('.') {
            assert!(!log.contains(part), "{log}");
        }
    }
}
