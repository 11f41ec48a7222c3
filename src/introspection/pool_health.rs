//! Decides which calls need a new connection, because the pooled ones of the HTTP client may be dead.
//!
//! A state machine: it takes the time as an argument and returns decisions.
//!
//! Why: a firewall or load balancer that forgets a connection leaves both ends waiting. Every call over the
//! pool then times out, although the server is healthy. An HTTP/2 client has only one connection.

use std::time::{Duration, Instant};

use crate::time::later;

/// How long calls avoid the pool after a new connection was better. Then one call tries the pool again.
const AVOID_FOR: Duration = Duration::from_secs(10);

/// A response is late after half of the timeout, if that is at least this many typical response times.
const LATE_FACTOR: u32 = 4;

/// The state of the pooled connections.
#[derive(Debug, Default)]
pub(super) struct PoolHealth(State);

#[derive(Debug, Default)]
enum State {
    #[default]
    Healthy,
    /// A call over the pool is late, and one request over a new connection finds out why.
    Checking,
    /// A call timed out. The next ones try new connections.
    Suspect,
    /// A new connection got a response while a pooled one was silent.
    AvoidedUntil(Instant),
}

impl PoolHealth {
    /// Whether a call that starts now needs a new connection.
    pub(super) fn needs_fresh_connection(&mut self, now: Instant) -> bool {
        match self.0 {
            State::Healthy | State::Checking => false,
            State::AvoidedUntil(until) if now >= until => {
                // The others keep avoiding the pool until this call has a response.
                self.0 = State::AvoidedUntil(later(now, AVOID_FOR));
                false
            }
            State::Suspect | State::AvoidedUntil(_) => true,
        }
    }

    /// A call over the pool is late. Returns whether it may hedge: send a second request over a new
    /// connection. Only one call at a time may, until that is known to help: a server that has become slow
    /// must not get twice as many requests.
    pub(super) fn may_hedge(&mut self) -> bool {
        match self.0 {
            State::Checking => false,
            State::AvoidedUntil(_) => true,
            State::Healthy | State::Suspect => {
                self.0 = State::Checking;
                true
            }
        }
    }

    /// The pool delivered a response, or an error that is not a timeout.
    pub(super) fn pool_responded(&mut self) {
        self.0 = State::Healthy;
    }

    /// A call over the pool ended without being sent. If it checked the pool, the next late call may.
    pub(super) fn check_abandoned(&mut self) {
        if matches!(self.0, State::Checking) {
            self.0 = State::Healthy;
        }
    }

    /// A new connection delivered a response while a late call over the pool still waits.
    pub(super) fn pool_is_silent(&mut self, now: Instant) {
        self.0 = State::AvoidedUntil(later(now, AVOID_FOR));
    }

    /// A new connection delivered a response. The pool may have recovered: the next request tries it.
    pub(super) fn fresh_responded(&mut self) {
        if matches!(self.0, State::Suspect) {
            self.0 = State::Healthy;
        }
    }

    /// A call timed out.
    pub(super) fn timed_out(&mut self) {
        if !matches!(self.0, State::AvoidedUntil(_)) {
            self.0 = State::Suspect;
        }
    }
}

/// The time after which a response is late; `None` if the server is not fast enough to tell.
pub(super) fn hedge_after(typical: Option<Duration>, timeout: Duration) -> Option<Duration> {
    let half = timeout.checked_div(2)?;
    typical.filter(|typical| typical.saturating_mul(LATE_FACTOR) <= half).map(|_| half)
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "a test that overflows fails")]
mod tests {
    use super::*;

    #[test]
    fn one_late_call_checks_the_pool_and_a_fresh_response_lets_all_avoid_it() {
        let (mut pool, now) = (PoolHealth::default(), Instant::now());
        assert!(!pool.needs_fresh_connection(now));
        assert!(pool.may_hedge());
        assert!(!pool.may_hedge(), "one at a time");
        assert!(!pool.needs_fresh_connection(now));
        pool.pool_is_silent(now);
        assert!(pool.needs_fresh_connection(now) && pool.may_hedge() && pool.may_hedge());
        let then = now + AVOID_FOR;
        assert!(!pool.needs_fresh_connection(then), "one call tries the pool");
        assert!(pool.needs_fresh_connection(then), "the others do not");
        pool.pool_responded();
        assert!(!pool.needs_fresh_connection(then));
    }

    #[test]
    fn calls_after_a_timeout_use_new_connections_until_there_is_a_response() {
        for pooled in [true, false] {
            let (mut pool, now) = (PoolHealth::default(), Instant::now());
            assert!(pool.may_hedge());
            pool.timed_out();
            assert!(pool.needs_fresh_connection(now + AVOID_FOR * 10));
            if pooled {
                pool.pool_responded()
            } else {
                pool.fresh_responded()
            }
            assert!(!pool.needs_fresh_connection(now));
            assert!(pool.may_hedge(), "the next late call");
        }
    }

    #[test]
    fn a_timeout_does_not_end_the_time_in_which_the_pool_is_avoided() {
        let (mut pool, now) = (PoolHealth::default(), Instant::now());
        pool.pool_is_silent(now);
        pool.timed_out();
        pool.fresh_responded();
        assert!(pool.needs_fresh_connection(now));
    }

    #[test]
    fn a_response_is_late_after_half_of_the_timeout_if_the_server_is_usually_fast() {
        let secs = Duration::from_secs;
        assert_eq!(hedge_after(Some(secs(1)), secs(8)), Some(secs(4)));
        assert_eq!(hedge_after(Some(secs(1)), secs(7)), None);
        assert_eq!(hedge_after(None, secs(8)), None);
    }
}
