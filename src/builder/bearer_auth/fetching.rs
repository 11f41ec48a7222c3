//! The settings for fetching metadata and keys, for caching keys, and for the HTTP client.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;

use super::BearerAuthBuilder;
use crate::transport::HttpClient;

/// Fetching and caching of metadata and keys.
impl BearerAuthBuilder {
    /// Sets the HTTP client that fetches metadata and keys and sends introspection requests. Default: reqwest
    /// over rustls, without redirects, with HTTP/2, a connect timeout of 2 s and an idle timeout of 20 s. It
    /// uses the proxies of the environment (`HTTPS_PROXY` and so on), except for loopback addresses.
    ///
    /// Set your own to use a proxy, another CA or a client certificate. It must not follow redirects: a
    /// redirect could send a token or a secret to another host.
    ///
    /// ```
    /// # #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))] {
    /// use tower_bearer::BearerAuth;
    /// use tower_bearer::testing::TestIssuer;
    ///
    /// // In tests: a client that reaches the test issuer without a socket.
    /// let idp = TestIssuer::new();
    /// let builder = BearerAuth::builder("https://api.example.com").http_client(idp.http_client());
    /// # }
    /// ```
    pub fn http_client(mut self, client: impl HttpClient) -> Self {
        self.client = Some(Arc::new(client));
        self
    }

    /// Turns off the [start check](Self::build), so that nothing is fetched until a request or
    /// [`BearerAuth::ready`](crate::BearerAuth::ready) needs it.
    ///
    /// For serverless functions, and for tests that count fetches. A wrong configuration then shows at the
    /// first request.
    ///
    /// ```
    /// use tower_bearer::BearerAuth;
    ///
    /// let builder = BearerAuth::builder("https://api.example.com").skip_start_check();
    /// ```
    pub fn skip_start_check(mut self) -> Self {
        self.skip_start_check = true;
        self
    }

    /// Sets how long a fetched key set is fresh. Default: its `Cache-Control: max-age`, clamped to 1 min ..
    /// 24 h; 10 min without one, and with `no-cache` or `no-store`.
    ///
    /// `ttl` replaces what the response states, whether that is shorter or longer. `BearerAuth` refreshes
    /// keys in the background before they become stale. While the authorization server responds within half
    /// of [`max_key_wait`](Self::max_key_wait), a retired key is accepted for at most this long, plus the
    /// duration of one fetch.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_bearer::BearerAuth;
    ///
    /// let builder = BearerAuth::builder("https://api.example.com").jwks_ttl(Duration::from_secs(300));
    /// ```
    pub fn jwks_ttl(mut self, ttl: Duration) -> Self {
        self.refresh.fix_ttl(ttl);
        self
    }

    /// Sets the minimum interval between fetches that unknown keys or invalid signatures cause, per issuer.
    /// Default: 30 s.
    ///
    /// The rate limit has a burst of 2. Scheduled refreshes do not count. While it is used up, tokens with
    /// unknown keys are rejected with 503 ([`KeyUnconfirmed`](crate::RejectionKind::KeyUnconfirmed)). A
    /// shorter interval lets clients with invalid tokens cause more requests to the authorization server.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_bearer::BearerAuth;
    ///
    /// let builder = BearerAuth::builder("https://api.example.com").jwks_cooldown(Duration::from_secs(10));
    /// ```
    pub fn jwks_cooldown(mut self, cooldown: Duration) -> Self {
        self.refresh.cooldown = cooldown;
        self
    }

    /// Sets the grace period for stale keys during an outage. Default: 4 h.
    ///
    /// It applies while the authorization server is unreachable, times out or responds with 429 or 5xx. For
    /// all other responses without keys, see
    /// [`jwks_stale_for_bad_responses`](Self::jwks_stale_for_bad_responses). With zero, tokens are rejected
    /// with 503 as soon as the keys are stale.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_bearer::BearerAuth;
    ///
    /// let builder = BearerAuth::builder("https://api.example.com").jwks_stale_for(Duration::from_secs(900));
    /// ```
    ///
    /// # Risk
    /// A key that the authorization server retires during an outage is accepted until the grace period ends.
    pub fn jwks_stale_for(mut self, duration: Duration) -> Self {
        self.refresh.stale_for = duration;
        self
    }

    /// Sets the grace period for stale keys while the URL of the key set responds with something else than a
    /// key set. Default: 1 h. Maximum: [`jwks_stale_for`](Self::jwks_stale_for).
    ///
    /// A redirect, 401, 403, 404, HTML or the metadata of another issuer are what an outage looks like behind
    /// a firewall, an ingress or a maintenance page. Only a response 200 with a key set retires keys.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_bearer::BearerAuth;
    ///
    /// let builder = BearerAuth::builder("https://api.example.com")
    ///     .jwks_stale_for_bad_responses(Duration::from_secs(2 * 60 * 60));
    /// ```
    ///
    /// # Risk
    /// A key that the authorization server retires meanwhile is accepted until the grace period ends.
    pub fn jwks_stale_for_bad_responses(mut self, duration: Duration) -> Self {
        self.refresh.stale_for_bad_responses = duration;
        self
    }

    /// Sets the timeout of one fetch of metadata or keys, from the first byte sent to the last byte read.
    /// Default: 5 s.
    ///
    /// For introspection requests, use [`Introspection::timeout`](crate::Introspection::timeout).
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_bearer::BearerAuth;
    ///
    /// let builder = BearerAuth::builder("https://api.example.com").fetch_timeout(Duration::from_secs(10));
    /// ```
    pub fn fetch_timeout(mut self, timeout: Duration) -> Self {
        self.fetch_timeout = timeout;
        self
    }

    /// Sets the tokio runtime that fetches keys. Default: the runtime of the request that first needs them.
    ///
    /// Set it if the runtime of a request does not live long or is not driven between requests. If this
    /// runtime stands still, a waiting request fetches the keys on its own runtime after two seconds.
    ///
    /// ```
    /// use tower_bearer::BearerAuth;
    ///
    /// let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    /// let builder = BearerAuth::builder("https://api.example.com").runtime(runtime.handle().clone());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn runtime(mut self, runtime: Handle) -> Self {
        self.runtime = Some(runtime);
        self
    }

    /// Sets the maximum time that a request waits for keys that are not cached. Default: 3 s; then it is
    /// rejected with 503. The wait for introspection has its own limit.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_bearer::BearerAuth;
    ///
    /// // For clients that give up after a second.
    /// let builder = BearerAuth::builder("https://api.example.com").max_key_wait(Duration::from_millis(900));
    /// ```
    pub fn max_key_wait(mut self, wait: Duration) -> Self {
        self.max_key_wait = wait;
        self
    }
}
