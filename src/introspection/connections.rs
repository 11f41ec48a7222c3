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
                self.pool().fresh_responded(false, now());
            }
            return received;
        }
        let mut pooled = pin!(request(false));
        let in_time = match late_after {
            Some(late_after) => timeout(late_after, &mut pooled).await.ok(),
            None => Some(pooled.as_mut().await),
        };
        let received = match in_time {
            Some(received) => received,
            None if !self.pool().may_check(now()) => pooled.await,
            None => tokio::select! {
                received = &mut pooled => received,
                fresh = request(true) => {
                    if fresh.is_ok() {
                        self.pool().fresh_responded(true, now());
                        return fresh;
                    }
                    pooled.await
                }
            },
        };
        if !received.as_ref().is_err_and(is_timeout) {
            self.pool().pool_responded();
        }
        received
    }

    /// A call ended with this failure.
    pub(super) fn failed(&self, failure: &CallFailure) {
        if is_timeout(failure) {
            self.pool().timed_out(now());
        }
    }

    fn pool(&self) -> MutexGuard<'_, PoolHealth> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The lookup of the endpoint uses other connections.
fn is_timeout(failure: &CallFailure) -> bool {
    !failure.in_lookup && failure.error.kind() == IntrospectionErrorKind::Fetch(FetchErrorKind::TimedOut)
}
