//! The default HTTP client: `reqwest` over rustls.
//!
//! Checks: no redirect is followed; a response is no larger than its limit; a request to the loopback
//! interface does not go through a proxy; a request that requires a public address connects to no other.
//! Does not check: certificates. rustls verifies them.
//!
//! Why: a proxy could read, and forge responses to, plain http requests to loopback, which carry tokens and
//! secrets.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use bytes::BytesMut;
use http::{Method, Response};
use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder};

use super::client::{DefaultClientFault, FetchFuture, HttpClient};
use super::connection_gate::ConnectionGates;
use super::error::{FetchError, NotPublic};
use super::pools::{IDLE_TIMEOUT, Pool, Pools, Settings, defaults, to_loopback, without_roots};
use super::public_dns::PublicDns;
use super::request::FetchRequest;
use super::response::FetchResponse;
use crate::fetch_url::Host;

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
/// - HTTP/2 is used if the server offers it, so concurrent requests share one connection. While none is open,
///   they wait for the first of them to open it, 300 ms at most.
///
/// # Public addresses
///
/// Requests that [require a public address](FetchRequest::requires_public_address) have a connection pool of
/// their own. For them, the client looks names up with the resolver of the system, even if
/// [`build`](Self::build) sets another one, checks the addresses, and connects to one of the checked ones.
/// Addresses that [`ClientBuilder::resolve`] sets for a name are not checked: you have chosen them.
///
/// A proxy looks the names up itself, so it must refuse private addresses, too. The client checks the host
/// name of the proxy like any other. If your proxy has a private address, write the address into its URL:
/// there it is not checked.
///
/// A wrapped `reqwest::Client` cannot check addresses, so it rejects such requests.
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
/// let client = ReqwestClient::build(move |client| client.proxy(proxy.clone()))?;
/// let builder = BearerAuth::builder("https://api.example.com").http_client(client);
/// # Ok::<(), reqwest::Error>(())
/// ```
#[derive(Clone)]
pub struct ReqwestClient {
    clients: Arc<Clients>,
}

/// The clients by destination. All but the first are built when they are first needed, because each reads the
/// root certificates of the machine.
struct Clients {
    /// For all hosts but the loopback interface.
    remote: Pools,
    /// For requests that require a public address. `None` if addresses cannot be checked.
    public: Option<Pools>,
    /// For https to the loopback interface.
    loopback_tls: Pools,
    /// For plain http to the loopback interface.
    loopback_plain: Pools,
    /// For https, where requests can share a connection.
    gates: ConnectionGates,
}

/// Why a wrapped client cannot send a request that requires a public address.
const WRAPPED: &str = "a wrapped reqwest::Client cannot check addresses: use ReqwestClient::build, or allow \
                       private addresses with IssuerResolver::allow_private_addresses";

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
    /// let client = ReqwestClient::build(move |client| client.tls_certs_merge([private_ca.clone()]))?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The error of `reqwest`, most often because the machine has no root certificates.
    pub fn build<F>(configure: F) -> Result<Self, reqwest::Error>
    where
        F: Fn(ClientBuilder) -> ClientBuilder + Send + Sync + 'static,
    {
        let configured: Settings = Arc::new(move || configure(defaults()).redirect(Policy::none()));
        let [tls, plain, public] = [(); 3].map(|()| Arc::clone(&configured));
        let clients = Clients {
            remote: Pools::new(configured),
            public: Some(Pools::new(Arc::new(move || public().dns_resolver(PublicDns)))),
            loopback_tls: Pools::new(Arc::new(move || to_loopback(tls()))),
            loopback_plain: Pools::new(Arc::new(move || without_roots(to_loopback(plain())))),
            gates: ConnectionGates::new(IDLE_TIMEOUT),
        };
        clients.remote.pooled.client()?;
        Ok(Self { clients: Arc::new(clients) })
    }
}

/// Wraps a client of your own, for example one that other parts of your program use. Prefer
/// [`build`](ReqwestClient::build), which can open fresh connections.
///
/// Build the client with `redirect(Policy::none())`. A response that was reached through a redirect is
/// rejected, but by then `reqwest` has sent the request to the other URL as well. An introspection request
/// carries the token and often a client secret.
///
/// Its pool stays as you configured it: a request that
/// [needs a fresh connection](FetchRequest::needs_fresh_connection) may get a pooled one. Requests that
/// [require a public address](FetchRequest::requires_public_address) fail. Plain http requests
/// to the loopback interface do not use it, because it may have a proxy.
///
/// ```
/// use tower_bearer::transport::{ReqwestClient, reqwest};
///
/// let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build()?;
/// let client = ReqwestClient::from(client);
/// # Ok::<(), reqwest::Error>(())
/// ```
impl From<Client> for ReqwestClient {
    fn from(client: Client) -> Self {
        let plain = || without_roots(to_loopback(defaults().redirect(Policy::none())));
        let clients = Clients {
            remote: Pools::wrapping(&client),
            public: None,
            // TLS keeps a proxy out.
            loopback_tls: Pools::wrapping(&client),
            loopback_plain: Pools::new(Arc::new(plain)),
            gates: ConnectionGates::new(IDLE_TIMEOUT),
        };
        Self { clients: Arc::new(clients) }
    }
}

impl Clients {
    fn select(&self, request: &FetchRequest) -> Result<&Pool, FetchError> {
        // Again: another client may have changed the URL.
        request.check_host()?;
        let uri = request.request().uri();
        let is_loopback = uri.host().and_then(Host::parse).is_some_and(Host::is_loopback);
        let pools = match uri.scheme_str() {
            _ if request.requires_public_address() => {
                self.public.as_ref().ok_or_else(|| FetchError::not_allowed(WRAPPED))?
            }
            Some("http") if is_loopback => &self.loopback_plain,
            _ if is_loopback => &self.loopback_tls,
            _ => &self.remote,
        };
        Ok(if request.needs_fresh_connection() { &pools.fresh } else { &pools.pooled })
    }
}

impl HttpClient for ReqwestClient {
    fn fetch(&self, request: FetchRequest) -> FetchFuture {
        let client = self.clients.select(&request).and_then(|pool| pool.client().cloned().map_err(transport));
        let clients = Arc::clone(&self.clients);
        Box::pin(async move {
            let client = client?;
            let max_body_bytes = request.max_body_bytes();
            let passed = match shared_origin(&request) {
                Some(origin) => Some(clients.gates.pass(origin).await),
                None => None,
            };
            let request =
                reqwest::Request::try_from(request.into_request()).map_err(FetchError::transport)?;
            let (requested_url, requested_method) = (request.url().clone(), request.method().clone());
            let mut received = client.execute(request).await.map_err(no_response)?;
            if let Some(passed) = passed {
                passed.responded();
            }
            if *received.url() != requested_url {
                return Err(match requested_method {
                    Method::GET => FetchError::redirected_to(received.url().as_str()),
                    _ => FetchError::redirected(),
                });
            }
            let mut body = BytesMut::new();
            while let Some(chunk) = received.chunk().await.map_err(no_response)? {
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

impl fmt::Debug for ReqwestClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReqwestClient")
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

/// The server of a request that may share its connection with others.
fn shared_origin(request: &FetchRequest) -> Option<String> {
    let uri = request.request().uri();
    let is_shared = uri.scheme_str() == Some("https") && !request.needs_fresh_connection();
    uri.authority().filter(|_| is_shared).map(|authority| authority.as_str().to_ascii_lowercase())
}

/// The text of an error and of all errors below it. `reqwest` itself says only "builder error".
fn with_causes(error: &(dyn Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| (*error).source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// Classifies a failure before the end of the response: only an established connection can be lost.
///
/// A timeout after the connection is established comes from the pings of HTTP/2, or is one that the user set.
fn no_response(error: reqwest::Error) -> FetchError {
    if let Some(refused) = NotPublic::among_causes(&error) {
        return FetchError::not_allowed(refused);
    }
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

#[cfg(test)]
mod tests {
    use super::super::error::FetchErrorKind;
    use super::*;

    #[tokio::test]
    async fn the_client_for_public_addresses_checks_what_a_name_resolves_to() {
        let client = ReqwestClient::build(|client| client.no_proxy()).unwrap();
        let public = client.clients.public.as_ref().unwrap();
        for pool in [&public.pooled, &public.fresh] {
            for url in ["http://localhost:9/", "https://localhost:9/"] {
                let error = pool.client().unwrap().get(url).send().await.unwrap_err();
                assert_eq!(no_response(error).kind(), FetchErrorKind::AddressNotAllowed, "{url}");
            }
        }
    }
}
