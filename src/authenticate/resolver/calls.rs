//! The calls of a resolver in flight, at most one for each issuer.
//!
//! Limits: concurrent calls, and calls per minute.
//!
//! Why heartbeats: a call runs on the runtime of the request that has started it, and nothing may drive that
//! runtime afterwards. A request that waits then starts another call on its own runtime.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::sync::RateLimit;
use crate::time::later;

/// The maximum number of concurrent calls.
const MAX_CONCURRENT: usize = 64;

/// One call is allowed per interval, after a burst of [`MAX_CONCURRENT`].
const CALL_INTERVAL: Duration = Duration::from_millis(100);

/// The interval between two heartbeats.
pub(super) const HEARTBEAT_INTERVAL: Duration = Duration::from_millis(250);

/// A heartbeat of this age is late: two of them are missing.
const LATE_HEARTBEAT: Duration = Duration::from_millis(500);

/// A call that sends no heartbeat for this long after one was late stands still.
const STALL: Duration = Duration::from_secs(1);

/// Without a heartbeat for this long, a call no longer counts against [`MAX_CONCURRENT`].
const ABANDONED: Duration = Duration::from_secs(10);

/// The calls in flight, by issuer.
pub(super) struct Calls {
    in_flight: HashMap<Arc<str>, InFlight>,
    rate_limit: RateLimit,
    /// The number of the latest call.
    latest: u64,
}

struct InFlight {
    /// An earlier call for the same issuer, whose runtime stood still, has a lower one.
    number: u64,
    /// Becomes 1 at the end of the call.
    ended: watch::Sender<u64>,
    heartbeat_at: Instant,
    /// The late heartbeat, and when it was first found late.
    suspicion: Option<(Instant, Instant)>,
}

impl Calls {
    pub(super) fn new(now: Instant) -> Self {
        let burst = u32::try_from(MAX_CONCURRENT).unwrap_or(1);
        Self { in_flight: HashMap::new(), rate_limit: RateLimit::full(burst, CALL_INTERVAL, now), latest: 0 }
    }

    /// The end of the call for `issuer`: the value becomes 1. `None` if there is no call.
    pub(super) fn ended(&self, issuer: &str) -> Option<watch::Receiver<u64>> {
        self.in_flight.get(issuer).map(|call| call.ended.subscribe())
    }

    /// Adds a call for `issuer`, which has none. Returns its number and its end. `None` if a limit prevents
    /// it.
    pub(super) fn begin(&mut self, issuer: &Arc<str>, now: Instant) -> Option<(u64, watch::Receiver<u64>)> {
        if self.in_flight.len() >= MAX_CONCURRENT {
            self.end_abandoned(now);
        }
        if self.in_flight.len() >= MAX_CONCURRENT {
            return None;
        }
        let number = self.next_number(now)?;
        let (sender, ended) = watch::channel(0);
        let call = InFlight { number, ended: sender, heartbeat_at: now, suspicion: None };
        self.in_flight.insert(Arc::clone(issuer), call);
        Some((number, ended))
    }

    /// Replaces the call for `issuer` if it stands still. Returns the number of the new one. Requests that
    /// wait for the old one wait for the new one.
    pub(super) fn restart_if_stalled(&mut self, issuer: &str, now: Instant) -> Option<u64> {
        if !self.in_flight.get_mut(issuer)?.stands_still(now) {
            return None;
        }
        let number = self.next_number(now)?;
        let call = self.in_flight.get_mut(issuer)?;
        (call.number, call.heartbeat_at, call.suspicion) = (number, now, None);
        Some(number)
    }

    /// Records a heartbeat of this call. False if another one has replaced it.
    pub(super) fn heartbeat(&mut self, issuer: &str, number: u64, now: Instant) -> bool {
        let call = self.in_flight.get_mut(issuer).filter(|call| call.number == number);
        call.map(|call| call.heartbeat_at = now).is_some()
    }

    /// Whether no other call has replaced this one.
    pub(super) fn is_current(&self, issuer: &str, number: u64) -> bool {
        self.in_flight.get(issuer).is_some_and(|call| call.number == number)
    }

    /// Whether there is a call for `issuer`.
    pub(super) fn is_in_flight(&self, issuer: &str) -> bool {
        self.in_flight.contains_key(issuer)
    }

    /// Removes this call and wakes the requests that wait for it, unless another one has replaced it.
    pub(super) fn end(&mut self, issuer: &str, number: u64) {
        if self.is_current(issuer, number) {
            self.end_any(issuer);
        }
    }

    /// Removes the call for `issuer`, whatever its number, and wakes the requests that wait for it.
    pub(super) fn end_any(&mut self, issuer: &str) {
        if let Some(call) = self.in_flight.remove(issuer) {
            call.ended.send_replace(1);
        }
    }

    /// Ends the calls that have sent no heartbeat for [`ABANDONED`]. The time limit of a call ends it only if
    /// its runtime is driven.
    fn end_abandoned(&mut self, now: Instant) {
        self.in_flight.retain(|_, call| {
            let is_alive = now < later(call.heartbeat_at, ABANDONED);
            if !is_alive {
                call.ended.send_replace(1);
            }
            is_alive
        });
    }

    /// `None` if the rate limit is used up.
    fn next_number(&mut self, now: Instant) -> Option<u64> {
        if !self.rate_limit.has_one(now) {
            return None;
        }
        self.rate_limit.draw(now);
        self.latest = self.latest.saturating_add(1);
        Some(self.latest)
    }
}

impl InFlight {
    /// Whether two checks, a second apart, have found the same late heartbeat. One check is not enough: where
    /// a handler has blocked the runtime, a request may run before the call sends its next heartbeat.
    fn stands_still(&mut self, now: Instant) -> bool {
        let heartbeat = self.heartbeat_at;
        if now < later(heartbeat, LATE_HEARTBEAT) {
            return false;
        }
        let suspicion = self.suspicion.filter(|(seen, _)| *seen == heartbeat);
        let (_, since) = *self.suspicion.insert(suspicion.unwrap_or((heartbeat, now)));
        now >= later(since, STALL)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_replaced_after_two_checks_of_the_same_late_heartbeat() {
        let start = crate::time::now();
        let at = |millis| later(start, Duration::from_millis(millis));
        let issuer: Arc<str> = "https://acme.test".into();
        let mut calls = Calls::new(start);
        let (first, ended) = calls.begin(&issuer, start).unwrap();
        assert_eq!(calls.restart_if_stalled(&issuer, at(499)), None);
        assert_eq!(calls.restart_if_stalled(&issuer, at(5000)), None, "the first check that finds it late");
        assert_eq!(calls.restart_if_stalled(&issuer, at(5999)), None);
        assert!(calls.heartbeat(&issuer, first, at(5999)));
        assert_eq!(calls.restart_if_stalled(&issuer, at(7000)), None, "late again, after a heartbeat");
        let second = calls.restart_if_stalled(&issuer, at(8000)).unwrap();
        assert!(!calls.heartbeat(&issuer, first, at(8001)) && !calls.is_current(&issuer, first));
        assert_eq!(calls.restart_if_stalled(&issuer, at(8499)), None);
        calls.end(&issuer, first);
        assert_eq!(*ended.borrow(), 0, "the end of a replaced call wakes nobody");
        calls.end(&issuer, second);
        assert_eq!(*ended.borrow(), 1);
        assert!(calls.ended(&issuer).is_none());
    }

    #[test]
    fn calls_on_runtimes_that_stand_still_do_not_use_up_the_limit_for_good() {
        let start = crate::time::now();
        let at = |millis| later(start, Duration::from_millis(millis));
        let issuer = |number: usize| Arc::<str>::from(format!("https://t{number}.test"));
        let mut calls = Calls::new(start);
        let begun: Vec<_> = (0..64).map(|number| calls.begin(&issuer(number), start).unwrap()).collect();
        for (number, (call, _)) in begun.iter().enumerate().skip(2) {
            assert!(calls.heartbeat(&issuer(number), *call, at(5000)));
        }
        assert!(calls.begin(&issuer(64), at(9999)).is_none());
        assert!(calls.begin(&issuer(64), at(10_000)).is_some());
        assert!(calls.begin(&issuer(65), at(10_000)).is_some());
        assert!(calls.begin(&issuer(66), at(10_000)).is_none());
        let ended: Vec<u64> = begun.iter().map(|(_, ended)| *ended.borrow()).collect();
        assert_eq!(ended[..2], [1, 1], "the requests that wait are woken");
        assert!(ended[2..].iter().all(|ended| *ended == 0));
        assert!(!calls.heartbeat(&issuer(0), begun[0].0, at(10_000)));
    }
}
