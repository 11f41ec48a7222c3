//! Sends a request over a pooled connection, over a new one, or over both.

use std::future::Future;
use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use tokio::time::timeout;

use super::error::IntrospectionErrorKind;
use super::health::CallFailure;
use super::pool_health::PoolHealth;
use crate::time::now;
use crate::transport::FetchErrorKind;

/// The response to an introspection request, not read yet.
pub(super) type Received = Result<Response<Bytes>, CallFailure>;

/// A late call asks at this interval at least whether it may send a second request.
const MIN_RECHECK: Option<Duration> = Some(Duration::from_millis(1));

/// The connections of the HTTP client to one endpoint.
#[derive(Debug, Default)]
pub(super) struct Connections {
    pool: Mutex<PoolHealth>,
}

impl Connections {
    /// Sends a request with `request`, which takes whether it needs a new connection.
    ///
    /// If a pooled connection delivers no response for `late_after`, the request is sent over a new one, too,
    /// because the pooled one may be dead. The first response counts.
    pub(super) async fn send<F>(
        &self,
        avoid_pool: bool,
        late_after: Option<Duration>,
        request: impl Fn(bool) -> F,
    ) -> Received
    where
        F: Future<Output = Received>,
    {
        if avoid_pool || self.pool().needs_fresh_connection(now()) {
            let received = request(true).await;
            if received.is_ok() {
                self.pool().fresh_responded();
            }
            return received;
        }
        let mut pooled = pin!(request(false));
        let recheck_after = late_after.and_then(|late_after| late_after.checked_div(4)).max(MIN_RECHECK);
        let mut wait = late_after;
        let received = loop {
            let Some(limit) = wait else { break pooled.await };
            if let Ok(received) = timeout(limit, &mut pooled).await {
                break received;
            }
            if self.pool().may_check() {
                match first_response(pooled, request(true)).await {
                    First::Pooled(received) => break received,
                    First::Fresh(received) => {
                        self.pool().pool_is_silent(now());
                        return Ok(received);
                    }
                }
            }
            // Another late call checks the pool at the moment.
            wait = recheck_after;
        };
        if !received.as_ref().is_err_and(is_timeout) {
            self.pool().pool_responded();
        }
        received
    }

    /// A call ended with this failure.
    pub(super) fn failed(&self, failure: &CallFailure) {
        if is_timeout(failure) {
            self.pool().timed_out();
        }
    }

    fn pool(&self) -> MutexGuard<'_, PoolHealth> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The end of two requests at the same time.
enum First {
    /// The pooled connection delivered a response, or both failed.
    Pooled(Received),
    Fresh(Response<Bytes>),
}

async fn first_response(
    mut pooled: impl Future<Output = Received> + Unpin,
    fresh: impl Future<Output = Received>,
) -> First {
    tokio::select! {
        received = &mut pooled => First::Pooled(received),
        received = fresh => match received {
            Ok(response) => First::Fresh(response),
            Err(_) => First::Pooled(pooled.await),
        },
    }
}

/// The lookup of the endpoint uses other connections.
fn is_timeout(failure: &CallFailure) -> bool {
    !failure.in_lookup && failure.error.kind() == IntrospectionErrorKind::Fetch(FetchErrorKind::TimedOut)
}
