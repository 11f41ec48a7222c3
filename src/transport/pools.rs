//! The `reqwest` clients of one destination, each with its own connection pool.
//!
//! Why: a pool cannot tell a connection that a firewall dropped from an idle one, so a retry needs a new
//! connection. `reqwest` sets that per client, as it does proxies.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use reqwest::{Client, ClientBuilder};

/// The longest time to establish a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// How long an idle connection stays in the pool. Firewalls and load balancers drop idle connections without
/// notice, most of them after 60 s or more.
pub(super) const IDLE_TIMEOUT: Duration = Duration::from_secs(20);

/// How long an HTTP/2 connection with a request in flight may be silent before it is probed, and then until
/// it is closed. All requests share this connection, so a timeout of one does not remove it from the pool.
const PING_INTERVAL: Duration = Duration::from_secs(2);
const PING_TIMEOUT: Duration = Duration::from_secs(2);

/// Two clients that differ only in their pool.
pub(super) struct Pools {
    pub(super) pooled: Pool,
    /// Opens a connection for each request.
    pub(super) fresh: Pool,
}

/// A client that is built when it is first needed.
pub(super) struct Pool {
    settings: Settings,
    client: OnceLock<Client>,
}

pub(super) type Settings = Arc<dyn Fn() -> ClientBuilder + Send + Sync>;

impl Pools {
    pub(super) fn new(settings: Settings) -> Self {
        let pooled = Arc::clone(&settings);
        Self { pooled: Pool::new(pooled), fresh: Pool::new(Arc::new(move || without_pool(settings()))) }
    }

    pub(super) fn wrapping(client: &Client) -> Self {
        Self { pooled: Pool::wrapping(client), fresh: Pool::wrapping(client) }
    }
}

impl Pool {
    fn new(settings: Settings) -> Self {
        Self { settings, client: OnceLock::new() }
    }

    fn wrapping(client: &Client) -> Self {
        Self { settings: Arc::new(defaults), client: OnceLock::from(client.clone()) }
    }

    pub(super) fn client(&self) -> Result<&Client, reqwest::Error> {
        match self.client.get() {
            Some(client) => Ok(client),
            None => {
                let client = (self.settings)().build()?;
                Ok(self.client.get_or_init(|| client))
            }
        }
    }
}

/// The defaults of this crate.
pub(super) fn defaults() -> ClientBuilder {
    Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_idle_timeout(IDLE_TIMEOUT)
        .http2_keep_alive_interval(PING_INTERVAL)
        .http2_keep_alive_timeout(PING_TIMEOUT)
        .user_agent(concat!("tower-bearer/", env!("CARGO_PKG_VERSION")))
}

/// Excludes proxies, also those of the environment, and DNS.
pub(super) fn to_loopback(client: ClientBuilder) -> ClientBuilder {
    // The port of the URL replaces the zero.
    let addresses = [SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), SocketAddr::from((Ipv6Addr::LOCALHOST, 0))];
    client.no_proxy().resolve_to_addrs("localhost", &addresses)
}

/// Saves reading the root certificates, which plain http does not need.
pub(super) fn without_roots(client: ClientBuilder) -> ClientBuilder {
    client.tls_certs_only([])
}

fn without_pool(client: ClientBuilder) -> ClientBuilder {
    client.pool_max_idle_per_host(0)
}
