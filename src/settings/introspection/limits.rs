//! The settings for the TTLs of introspection responses, the timeout, and the limits on requests.

use std::time::Duration;

use super::Introspection;

/// Caching of responses and limits on requests.
impl Introspection {
    /// Sets how long a token that is active is cached, never past its `exp`. Default: 30 s.
    ///
    /// A token in use is introspected again in the background once 75 % to 90 % of this time have passed, so
    /// that no request waits for it. Unused tokens are not introspected again.
    ///
    /// This is the upper bound on the revocation delay, or [`timeout`](Self::timeout) if that is longer. With
    /// zero, every request causes an introspection request. Then an opaque token never counts as recently
    /// active, unless [`serve_stale`](Self::serve_stale) is set. It cannot use the share of the limits that
    /// is reserved for such tokens.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_bearer::{ClientAuth, Introspection};
    ///
    /// # let secret = String::new();
    /// let introspection = Introspection::with(ClientAuth::secret_basic("orders-api", secret))
    ///     .active_ttl(Duration::from_secs(5));
    /// ```
    pub fn active_ttl(mut self, ttl: Duration) -> Self {
        self.cache.active_ttl = ttl;
        self
    }

    /// Sets how long an inactive token is cached. Default: 10 s. Zero turns this caching off.
    ///
    /// A token with a response that names another API is cached for the same time. A longer time delays a
    /// token that becomes active, for example because a replica of the authorization server learns of it
    /// late.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_bearer::{ClientAuth, Introspection};
    ///
    /// # let secret = String::new();
    /// let introspection = Introspection::with(ClientAuth::secret_basic("orders-api", secret))
    ///     .inactive_ttl(Duration::from_secs(2));
    /// ```
    pub fn inactive_ttl(mut self, ttl: Duration) -> Self {
        self.cache.inactive_ttl = ttl;
        self
    }

    /// Sets the maximum time of an introspection request. Default: 3 s; then the request is rejected with
    /// 503.
    ///
    /// The time includes one retry, and fetching the metadata. It does not include the queue, which has a
    /// limit of its own: [`queue_timeout`](Self::queue_timeout). So a request waits for introspection for at
    /// most the sum of both.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_bearer::{ClientAuth, Introspection};
    ///
    /// # let secret = String::new();
    /// let introspection = Introspection::with(ClientAuth::secret_basic("orders-api", secret))
    ///     .timeout(Duration::from_secs(1))
    ///     .queue_timeout(Duration::from_millis(200)); // a request waits for at most 1.2 s
    /// ```
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.limits.timeout = timeout;
        self
    }

    /// Sets the upper bound of the adaptive concurrency limit of introspection requests. Default: 64.
    ///
    /// The limit starts at half of the upper bound, and at 16 or more if the upper bound allows that. It
    /// doubles once responses do not slow each other down. It decreases, down to a sixteenth, while requests
    /// time out or responses take more than half of [`timeout`](Self::timeout) and longer than usual. It
    /// increases again while requests succeed. A quarter is reserved for tokens that were recently active,
    /// and for JWTs that passed every other check.
    ///
    /// ```
    /// use tower_bearer::{ClientAuth, Introspection};
    ///
    /// # let secret = String::new();
    /// let introspection = Introspection::with(ClientAuth::secret_basic("orders-api", secret))
    ///     .max_concurrent_calls(16)
    ///     .max_queued_calls(256);
    /// ```
    pub fn max_concurrent_calls(mut self, calls: usize) -> Self {
        self.limiter.max_concurrent = calls;
        self
    }

    /// Sets how many introspection requests may be queued. Default: 1024.
    ///
    /// Trusted tokens come first: those that were recently active, and JWTs that passed every other check.
    /// Among equals, the newest request comes first. If the queue is full, the oldest request is rejected
    /// with 503. The queue has room for a quarter more requests with trusted tokens, so that untrusted tokens
    /// cannot displace them.
    pub fn max_queued_calls(mut self, calls: usize) -> Self {
        self.limiter.max_queued = calls;
        self
    }

    /// Sets the maximum time that an introspection request is queued. Default: 1 s; then the request is
    /// rejected with 503. Zero rejects a request if no permit is free.
    ///
    /// A request that leaves the queue has the whole [`timeout`](Self::timeout) for its response.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_bearer::{ClientAuth, Introspection};
    ///
    /// # let secret = String::new();
    /// let introspection = Introspection::with(ClientAuth::secret_basic("orders-api", secret))
    ///     .queue_timeout(Duration::from_millis(200)); // fail fast
    /// ```
    pub fn queue_timeout(mut self, timeout: Duration) -> Self {
        self.limiter.queue_timeout = timeout;
        self
    }

    /// Sets a rate limit: the maximum number of HTTP requests to the authorization server in any 60 s.
    /// Default: no rate limit, so every untrusted opaque token costs an introspection request.
    ///
    /// Above the limit, requests are rejected with 503. No window of 60 s exceeds the limit. In return the
    /// sustained rate is only about half of it: 6000 allows a burst of 3000, then about 3000 per minute. A
    /// quarter of the burst is reserved for tokens that were recently active and for JWTs that passed every
    /// other check. If the [`endpoint`](Self::endpoint) is discovered, the minimum is 5, or 7 for an issuer
    /// whose URL has a path. [`ClientAuth::client_credentials`](crate::ClientAuth::client_credentials) adds
    /// 2, or 4 if its own credentials can change.
    ///
    /// Set it to several times what your clients need. A limit that they reach is an outage for them. A
    /// client with a valid token can exhaust it if that token is introspected on every request.
    ///
    /// ```
    /// use tower_bearer::{ClientAuth, Introspection};
    ///
    /// # let secret = String::new();
    /// let introspection = Introspection::with(ClientAuth::secret_basic("orders-api", secret))
    ///     .max_calls_per_minute(6000);
    /// ```
    pub fn max_calls_per_minute(mut self, calls: u32) -> Self {
        self.limiter.per_minute = Some(calls);
        self
    }

    /// Sets the grace period during an outage of the authorization server. Default: none.
    ///
    /// While introspection fails, a cached active token is accepted for `duration` past
    /// [`active_ttl`](Self::active_ttl). It is never accepted past its `exp`, and never by
    /// [`Require::still_active`](crate::Require::still_active).
    ///
    /// A request with such a token waits for a quarter of [`timeout`](Self::timeout) at most (750 ms by
    /// default). Then the response is overdue, and the request is served the cached one. The introspection
    /// request continues and replaces it. While recent introspection requests failed or were overdue, no
    /// request waits.
    ///
    /// A limit that is reached does not count as an outage:
    /// [`max_calls_per_minute`](Self::max_calls_per_minute), [`max_queued_calls`](Self::max_queued_calls), or
    /// a 429 from the authorization server. Otherwise an attacker could exhaust a limit to keep a revoked
    /// token valid.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_bearer::{ClientAuth, Introspection};
    ///
    /// # let secret = String::new();
    /// let introspection = Introspection::with(ClientAuth::secret_basic("orders-api", secret))
    ///     .serve_stale(Duration::from_secs(300));
    /// ```
    ///
    /// # Risk
    /// A token that is revoked during an outage is accepted until the grace period ends. If the authorization
    /// server responds, but later than a quarter of `timeout`, a revoked token is accepted until the response
    /// arrives.
    pub fn serve_stale(mut self, duration: Duration) -> Self {
        self.cache.stale_for = duration;
        self
    }
}
