//! Detects an outage of the authorization server before the first call has used up its time limit.
//!
//! Signs of an outage: a call that failed because of the server, or that runs for longer than a response
//! usually takes. A sign is dropped once the server responds in time, and after [`SIGN_TTL`].
//!
//! Why: a request with a stale response need not wait for a server that hangs or is overloaded. Under
//! overload most calls never leave the queue, so they cannot find out themselves.
//!
//! Why only trusted tokens give signs: anybody can make up a token, and perhaps one over which the server
//! fails. The holder of a revoked token could use that to keep the token accepted.

use std::future::Future;
use std::pin::pin;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::time::timeout;

use super::error::IntrospectionErrorKind;
use super::fault::IntrospectionFault;
use super::priority::Priority;
use crate::time::now;

/// How long a sign counts. A longer time would let a limit that is reached prolong an outage that is over,
/// because no call finds that out.
const SIGN_TTL: Duration = Duration::from_secs(10);

/// Watches the calls to one endpoint.
pub(super) struct OutageDetector {
    signs: watch::Sender<Signs>,
    /// How long a call runs before it is overdue.
    overdue_after: Duration,
}

/// The signs of an outage.
#[derive(Clone, Copy, Debug, Default)]
struct Signs {
    last_sign: Option<Instant>,
    last_response_in_time: Option<Instant>,
}

impl OutageDetector {
    pub(super) fn new(overdue_after: Duration) -> Self {
        Self { signs: watch::Sender::default(), overdue_after }
    }

    /// Whether there is an outage now.
    pub(super) fn is_outage(&self) -> bool {
        self.signs.borrow().is_outage(now())
    }

    /// Waits for the first sign of an outage.
    pub(super) async fn outage(&self) {
        let mut signs = self.signs.subscribe();
        // Never an error: the sender lives as long as `self`.
        let _ = signs.wait_for(|signs| signs.is_outage(now())).await;
    }

    /// Completes `call`, which is about a token of this priority. Draws conclusions from its duration and its
    /// result.
    pub(super) async fn observe<T>(
        &self,
        priority: Priority,
        call: impl Future<Output = Result<T, IntrospectionFault>>,
    ) -> Result<T, IntrospectionFault> {
        let (started_at, mut call) = (now(), pin!(call));
        let sign = || {
            if priority == Priority::Trusted {
                self.signs.send_if_modified(|signs| signs.sign(started_at, now()));
            }
        };
        let (result, in_time) = match timeout(self.overdue_after, &mut call).await {
            Ok(result) => (result, true),
            Err(_) => {
                sign();
                (call.await, false)
            }
        };
        match &result {
            Err(IntrospectionFault::Unavailable { cause, outage, .. }) => match cause.kind() {
                IntrospectionErrorKind::NotSent => {}
                _ if *outage => sign(),
                _ => self.responded(in_time),
            },
            _ => self.responded(in_time),
        }
        result
    }

    fn responded(&self, in_time: bool) {
        if in_time {
            self.signs.send_if_modified(|signs| {
                signs.responded_in_time(now());
                // Whoever waits, waits for an outage to begin.
                false
            });
        }
    }
}

impl Signs {
    /// A call that started at `started_at` is overdue or has failed. If another call got its response in the
    /// meantime, that says more about the server. Returns whether it is a sign.
    fn sign(&mut self, started_at: Instant, now: Instant) -> bool {
        let is_sign = self.last_response_in_time.is_none_or(|responded_at| responded_at < started_at);
        if is_sign {
            self.last_sign = Some(now);
        }
        is_sign
    }

    fn responded_in_time(&mut self, now: Instant) {
        *self = Self { last_sign: None, last_response_in_time: Some(now) };
    }

    fn is_outage(&self, now: Instant) -> bool {
        self.last_sign.is_some_and(|sign| now.saturating_duration_since(sign) < SIGN_TTL)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_lasts_from_its_first_sign_to_a_response_in_time() {
        let start = Instant::now();
        let at = |secs| start + Duration::from_secs(secs);
        let mut signs = Signs::default();
        assert!(!signs.is_outage(start));
        signs.sign(at(0), at(1));
        assert!(signs.is_outage(at(1)) && signs.is_outage(at(10)));
        assert!(!signs.is_outage(at(11)), "nothing was heard for too long");
        signs.sign(at(10), at(12));
        signs.responded_in_time(at(13));
        assert!(!signs.is_outage(at(13)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_response_in_time_wakes_nobody_and_a_sign_wakes_all() {
        let detector = OutageDetector::new(Duration::from_secs(1));
        let mut signs = detector.signs.subscribe();
        assert!(detector.observe(Priority::Trusted, async { Ok(()) }).await.is_ok());
        assert!(!signs.has_changed().unwrap());
        tokio::time::sleep(Duration::from_millis(1)).await;
        let slow = async {
            tokio::time::sleep(Duration::from_secs(2)).await;
            Ok(())
        };
        assert!(detector.observe(Priority::Trusted, slow).await.is_ok());
        assert!(signs.has_changed().unwrap() && signs.borrow_and_update().is_outage(now()));
    }

    #[test]
    fn an_overdue_call_is_no_sign_if_a_later_one_got_its_response() {
        let start = Instant::now();
        let at = |secs| start + Duration::from_secs(secs);
        let mut signs = Signs::default();
        signs.responded_in_time(at(2));
        signs.sign(at(1), at(3));
        assert!(!signs.is_outage(at(3)));
        signs.sign(at(3), at(4));
        assert!(signs.is_outage(at(4)));
    }
}
