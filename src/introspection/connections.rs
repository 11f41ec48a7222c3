//! Sends a request over a pooled connection, and hedges it over a new one if the response is late.

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

/// The minimum interval between two checks whether a late call may hedge.
const MIN_RECHECK: Option<Duration> = Some(Duration::from_millis(1));

/// The connections of the HTTP client to one endpoint.
#[derive(Debug, Default)]
pub(super) struct Connections {
    pool: Mutex<PoolHealth>,
}

impl Connections {
    /// Sends a request with `request`, which takes whether it needs a new connection.
    ///
    /// If a pooled connection delivers no response for `hedge_after`, the request is sent over a new one,
    /// too, because the pooled one may be dead. The first response counts.
    pub(super) async fn send<F>(
        &self,
        avoid_pool: bool,
        hedge_after: Option<Duration>,
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
        let recheck_after = hedge_after.and_then(|hedge_after| hedge_after.checked_div(4)).max(MIN_RECHECK);
        let mut wait = hedge_after;
        let received = loop {
            let Some(limit) = wait else { break pooled.await };
            if let Ok(received) = timeout(limit, &mut pooled).await {
                break received;
            }
            if self.pool().may_hedge() {
                match first_response(pooled, request(true)).await {
                    First::Pooled(received) => break received,
                    First::Fresh { response, pooled } => {
                        match pooled {
                            Some(failure) if !is_timeout(&failure) => self.pooled_ended(&Err(failure)),
                            _ => self.pool().pool_is_silent(now()),
                        }
                        return Ok(response);
                    }
                }
            }
            // Another late call checks the pool at the moment.
            wait = recheck_after;
        };
        self.pooled_ended(&received);
        received
    }

    /// A request over the pool ended.
    fn pooled_ended(&self, received: &Received) {
        match received {
            Ok(_) => self.pool().pool_responded(),
            Err(failure) if is_timeout(failure) => {}
            Err(failure) if is_over_connection(failure) => self.pool().pool_responded(),
            Err(_) => self.pool().check_abandoned(),
        }
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
    /// The new connection delivered a response: while the pooled one was silent, or after it had failed.
    Fresh { response: Response<Bytes>, pooled: Option<CallFailure> },
}

async fn first_response(
    mut pooled: impl Future<Output = Received> + Unpin,
    fresh: impl Future<Output = Received>,
) -> First {
    let mut fresh = pin!(fresh);
    tokio::select! {
        received = &mut pooled => match received {
            Ok(response) => First::Pooled(Ok(response)),
            Err(failure) => match fresh.await {
                Ok(response) => First::Fresh { response, pooled: Some(failure) },
                Err(_) => First::Pooled(Err(failure)),
            },
        },
        received = &mut fresh => match received {
            Ok(response) => First::Fresh { response, pooled: None },
            Err(_) => First::Pooled(pooled.await),
        },
    }
}

/// Whether the request was sent. One that a limit, the credentials or the lookup prevents says nothing about
/// the pool.
fn is_over_connection(failure: &CallFailure) -> bool {
    !failure.in_lookup && matches!(failure.error.kind(), IntrospectionErrorKind::Fetch(_))
}

/// The lookup of the endpoint uses other connections.
fn is_timeout(failure: &CallFailure) -> bool {
    !failure.in_lookup && failure.error.kind() == IntrospectionErrorKind::Fetch(FetchErrorKind::TimedOut)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::time::sleep;

    use super::*;
    use crate::introspection::error::IntrospectionError;
    use crate::transport::FetchError;

    const SECOND: Duration = Duration::from_secs(1);

    fn failure(error: IntrospectionError) -> CallFailure {
        CallFailure { error: Arc::new(error), in_lookup: false }
    }

    fn lost() -> CallFailure {
        failure(IntrospectionError::fetch(FetchError::connection_lost("closed by the server")))
    }

    #[tokio::test(start_paused = true)]
    async fn the_request_over_a_new_connection_continues_if_the_pooled_one_fails() {
        let timed_out = failure(IntrospectionError::fetch(FetchErrorKind::TimedOut.into()));
        for (name, failure, is_silent) in [("lost", lost(), false), ("timed out", timed_out, true)] {
            let (connections, sent) = (Connections::default(), AtomicUsize::new(0));
            let received = connections.send(false, Some(SECOND), |fresh| {
                sent.fetch_add(1, Ordering::Relaxed);
                let failure = failure.clone();
                async move {
                    sleep(if fresh { 2 * SECOND } else { SECOND * 3 / 2 }).await;
                    if fresh { Ok(Response::default()) } else { Err(failure) }
                }
            });
            assert!(received.await.is_ok(), "{name}");
            assert_eq!(sent.into_inner(), 2, "{name}");
            assert_eq!(connections.pool().needs_fresh_connection(now()), is_silent, "{name}");
            assert!(connections.pool().may_hedge(), "{name}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn only_a_request_that_was_sent_makes_the_pool_healthy() {
        let not_sent = || failure(IntrospectionError::new(IntrospectionErrorKind::NotSent));
        for (name, failure, is_healthy) in [
            ("connection lost", lost(), true),
            ("not sent", not_sent(), false),
            ("lost in the lookup", CallFailure { in_lookup: true, ..lost() }, false),
        ] {
            let connections = Connections::default();
            let received = connections.send(false, None, |_| async {
                // Another call times out in the meantime.
                connections.pool().timed_out();
                Err(failure.clone())
            });
            assert!(received.await.is_err(), "{name}");
            assert_eq!(!connections.pool().needs_fresh_connection(now()), is_healthy, "{name}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_check_of_the_pool_that_was_not_sent_lets_the_next_late_call_check() {
        let connections = Connections::default();
        let received = connections.send(false, Some(SECOND), |_| async {
            sleep(2 * SECOND).await;
            Err(CallFailure { in_lookup: true, ..lost() })
        });
        assert!(received.await.is_err());
        assert!(connections.pool().may_hedge());
    }
}
