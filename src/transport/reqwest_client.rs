//! The default HTTP client: `reqwest` over rustls.
//!
//! Checks: no redirect is followed; a response is no larger than its limit; a request to the loopback
//! interface does not go through a proxy.
//! Does not check: certificates. rustls verifies them.
//!
//! Why: a proxy could read and answer plain http requests to loopback, which carry tokens and secrets. And a
//! pool cannot tell a connection that a firewall dropped from an idle one, so a retry needs a new connection.
//! `reqwest` sets both per client, hence the several clients.

use std::error::Error;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use http::Response;
use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder};

use super::client::{DefaultClientFault, FetchFuture, HttpClient};
use super::error::FetchError;
use super::request::FetchRequest;
use super::response::FetchResponse;
use crate::fetch_url::Host;

/// The longest time to establish a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// How long an idle connection stays in the pool. Firewalls and load balancers drop idle connections without
/// notice, most of them after 60 s or more.
const IDLE_TIMEOUT: Duration = Duration::from_secs(20);

/// How long an HTTP/2 connection with a request in flight may be silent before it is probed, and then until
/// it is closed. All requests share this connection, so a timeout of one does not remove it from the pool.
const PING_INTERVAL: Duration = Duration::from_secs(2);
const PING_TIMEOUT: Duration = Duration::from_secs(2);

/// A [`reqwest::Client`] (version 0.13) as an [`HttpClient`].
///
/// [`build`](Self::build) makes one with the defaults of this crate and your own settings, such as a proxy, a
/// private CA or a client certificate. The module re-exports [`reqwest`](super::reqwest), so you need not
/// depend on the matching version yourself.
///
/// # Connections
///
/// - No redirect is followed.
/// - Requests to `localhost`, `127.0.0.0/8` and `::1` never go through a proxy, whatever `HTTP_PROXY` says:
///   they may be plain http. `localhost` is not looked up in DNS.
/// - An idle connection is closed after 20 s. A silent HTTP/2 connection with a request in flight is closed
///   after 4 s.
/// - A request that [needs a fresh connection](FetchRequest::needs_fresh_connection) gets one.
/// - HTTP/2 is used if the server offers it, so concurrent requests share one connection.
///
/// # Example
///
/// Send all requests to authorization servers through a proxy:
///
/// ```
/// use tower_bearer::BearerAuth;
/// use tower_bearer::transport::{ReqwestClient, reqwest};
///
/// let proxy = reqwest::Proxy::https("http://proxy.internal:3128")?;
/// let client = ReqwestClient::build(|client| client.proxy(proxy.clone()))?;
/// let builder = BearerAuth::builder("https://api.example.com").http_client(client);
/// # Ok::<(), reqwest::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct ReqwestClient {
    /// For all hosts but the loopback interface.
    remote: Pools,
    loopback: Loopback,
}

/// Two clients that differ only in their pool.
#[derive(Clone, Debug)]
struct Pools {
    pooled: Client,
    /// Opens a connection for each request.
    fresh: Client,
}

/// The clients for the loopback interface. They use no proxy.
#[derive(Clone, Debug)]
enum Loopback {
    /// With the settings of the user.
    Configured(Pools),
    /// For plain http, beside a client of the user. Over https that client is used: TLS keeps a proxy out.
    PlainHttp(Pools),
}

impl ReqwestClient {
    /// Builds a client with the defaults of this crate, which `configure` can change.
    ///
    /// Defaults: a connect timeout of 2 s, an idle timeout of 20 s, HTTP/2, the user agent
    /// `tower-bearer/VERSION`. `BearerAuth` limits the time and the size of each request by itself.
    ///
    /// `configure` runs several times, once for each connection pool, and must do the same each time.
    /// Redirects stay off, and requests to the loopback interface ignore proxies.
    ///
    /// ```no_run
    /// use tower_bearer::transport::{ReqwestClient, reqwest};
    ///
    /// # fn example(pem: &[u8]) -> Result<(), reqwest::Error> {
    /// let private_ca = reqwest::Certificate::from_pem(pem)?;
    /// let client = ReqwestClient::build(|client| client.tls_certs_merge([private_ca.clone()]))?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The error of `reqwest`, most often because the machine has no root certificates.
    pub fn build(configure: impl Fn(ClientBuilder) -> ClientBuilder) -> Result<Self, reqwest::Error> {
        let configured = || configure(defaults()).redirect(Policy::none());
        Ok(Self {
            remote: Pools::build(configured)?,
            loopback: Loopback::Configured(Pools::build(|| to_loopback(configured()))?),
        })
    }

    /// Wraps a client of your own, for example one that other parts of your program use. Prefer
    /// [`build`](Self::build), which can open fresh connections.
    ///
    /// Build the client with `redirect(Policy::none())`. A response that was reached through a redirect is
    /// rejected, but by then `reqwest` has sent the request to the other URL as well. An introspection
    /// request carries the token and often a client secret.
    ///
    /// Its pool stays as you configured it: a request that
    /// [needs a fresh connection](FetchRequest::needs_fresh_connection) may get a pooled one. Plain http
    /// requests to the loopback interface do not use `client`, because it may have a proxy.
    ///
    /// ```
    /// use tower_bearer::transport::{ReqwestClient, reqwest};
    ///
    /// let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build()?;
    /// let client = ReqwestClient::wrap(client)?;
    /// # Ok::<(), reqwest::Error>(())
    /// ```
    ///
    /// # Errors
    /// The error of `reqwest` about the client for the loopback interface.
    pub fn wrap(client: Client) -> Result<Self, reqwest::Error> {
        // Plain http needs no root certificates.
        let plain = || to_loopback(defaults().redirect(Policy::none()).tls_certs_only([]));
        Ok(Self {
            remote: Pools { fresh: client.clone(), pooled: client },
            loopback: Loopback::PlainHttp(Pools::build(plain)?),
        })
    }

    fn client_for(&self, request: &FetchRequest) -> &Client {
        let uri = request.request().uri();
        let is_loopback = uri.host().and_then(Host::parse).is_some_and(Host::is_loopback);
        let pools = match &self.loopback {
            Loopback::Configured(pools) if is_loopback => pools,
            Loopback::PlainHttp(pools) if is_loopback && uri.scheme_str() == Some("http") => pools,
            Loopback::Configured(_) | Loopback::PlainHttp(_) => &self.remote,
        };
        if request.needs_fresh_connection() { &pools.fresh } else { &pools.pooled }
    }
}

impl Pools {
    fn build(client: impl Fn() -> ClientBuilder) -> Result<Self, reqwest::Error> {
        Ok(Self { pooled: client().build()?, fresh: client().pool_max_idle_per_host(0).build()? })
    }
}

impl HttpClient for ReqwestClient {
    fn fetch(&self, request: FetchRequest) -> FetchFuture {
        let client = self.client_for(&request).clone();
        Box::pin(async move {
            let max_body_bytes = request.max_body_bytes();
            let request =
                reqwest::Request::try_from(request.into_request()).map_err(FetchError::transport)?;
            let requested_url = request.url().clone();
            let mut received = client.execute(request).await.map_err(no_response)?;
            if *received.url() != requested_url {
                return Err(FetchError::redirected());
            }
            let mut body = BytesMut::new();
            while let Some(chunk) = received.chunk().await.map_err(transport)? {
                if chunk.len() > max_body_bytes.saturating_sub(body.len()) {
                    return Err(FetchError::too_large());
                }
                body.extend_from_slice(&chunk);
            }
            let mut response = Response::new(body.freeze());
            *response.status_mut() = received.status();
            *response.headers_mut() = std::mem::take(received.headers_mut());
            Ok(FetchResponse::new(response))
        })
    }
}

/// Builds a client with the defaults of this crate.
///
/// # Errors
/// [`DefaultClientFault::Unusable`] if TLS cannot be set up. Most often the machine has no root certificates.
pub(crate) fn default_client() -> Result<Arc<dyn HttpClient>, DefaultClientFault> {
    match ReqwestClient::build(|client| client) {
        Ok(client) => Ok(Arc::new(client)),
        Err(error) => Err(DefaultClientFault::Unusable(with_causes(&error))),
    }
}

fn defaults() -> ClientBuilder {
    Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_idle_timeout(IDLE_TIMEOUT)
        .http2_keep_alive_interval(PING_INTERVAL)
        .http2_keep_alive_timeout(PING_TIMEOUT)
        .user_agent(concat!("tower-bearer/", env!("CARGO_PKG_VERSION")))
}

/// Excludes proxies, also those of the environment, and DNS.
fn to_loopback(client: ClientBuilder) -> ClientBuilder {
    // The port of the URL replaces the zero.
    let addresses = [SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), SocketAddr::from((Ipv6Addr::LOCALHOST, 0))];
    client.no_proxy().resolve_to_addrs("localhost", &addresses)
}

/// The text of an error and of all errors below it. `reqwest` itself says only "builder error".
fn with_causes(error: &(dyn Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| (*error).source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// Classifies a failure before the response: only an established connection can be lost.
///
/// A timeout after the connection is established comes from the pings of HTTP/2, or is one that the user set.
fn no_response(error: reqwest::Error) -> FetchError {
    if error.is_connect() || error.is_builder() || error.is_redirect() {
        transport(error)
    } else {
        FetchError::connection_lost(error.without_url())
    }
}

/// Drops the URL, because `reqwest` shows it with its query, and a query can hold a secret.
fn transport(error: reqwest::Error) -> FetchError {
    FetchError::transport(error.without_url())
}
