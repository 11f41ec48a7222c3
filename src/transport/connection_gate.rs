//! Holds concurrent requests to a server back until the first of them has opened a connection.
//!
//! Why: whether a server has HTTP/2 shows only during the TLS handshake. Without the gate, 64 requests that
//! start together open 64 connections.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::time::timeout;

use crate::time::now;

/// How long a request waits for the first one. A TLS handshake takes less, and a response may take longer.
const MAX_WAIT: Duration = Duration::from_millis(300);

/// The gates of all servers, by origin.
#[derive(Debug)]
pub(super) struct ConnectionGates {
    /// A server that responded within this time has an open connection.
    open_for: Duration,
    gates: Mutex<HashMap<String, Gate>>,
}

#[derive(Debug)]
struct Gate {
    last_response: Option<Instant>,
    /// Closed once the first request has a response or has failed.
    first: watch::Receiver<()>,
}

enum Entry {
    Open,
    First(watch::Sender<()>),
    Wait(watch::Receiver<()>),
}

/// A request that has passed the gate. Dropping it lets the waiting requests pass.
#[derive(Debug)]
pub(super) struct GateGuard<'g> {
    gates: &'g ConnectionGates,
    origin: String,
    _first: Option<watch::Sender<()>>,
}

impl ConnectionGates {
    pub(super) fn new(open_for: Duration) -> Self {
        Self { open_for, gates: Mutex::default() }
    }

    /// Waits until another request to `origin` has opened a connection, for at most 300 ms. Does not wait if
    /// a connection is open or no other request is in flight.
    pub(super) async fn pass(&self, origin: String) -> GateGuard<'_> {
        let first = match self.enter(&origin, now()) {
            Entry::Open => None,
            Entry::First(first) => Some(first),
            Entry::Wait(mut first) => {
                // After the time limit, a connection is most likely open although the response is slow.
                let _elapsed = timeout(MAX_WAIT, first.changed()).await;
                None
            }
        };
        GateGuard { gates: self, origin, _first: first }
    }

    fn enter(&self, origin: &str, now: Instant) -> Entry {
        let mut gates = self.lock();
        match gates.get(origin) {
            Some(gate) if gate.is_open(now, self.open_for) => return Entry::Open,
            Some(gate) if gate.is_opening() => return Entry::Wait(gate.first.clone()),
            _ => {}
        }
        gates.retain(|_, gate| gate.is_open(now, self.open_for) || gate.is_opening());
        let (sender, first) = watch::channel(());
        gates.insert(origin.to_owned(), Gate { last_response: None, first });
        Entry::First(sender)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Gate>> {
        self.gates.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Gate {
    fn is_open(&self, now: Instant, open_for: Duration) -> bool {
        self.last_response.is_some_and(|at| now.saturating_duration_since(at) < open_for)
    }

    fn is_opening(&self) -> bool {
        self.first.has_changed().is_ok()
    }
}

impl GateGuard<'_> {
    /// The server has responded, so a connection to it is open.
    pub(super) fn responded(&self) {
        if let Some(gate) = self.gates.lock().get_mut(&self.origin) {
            gate.last_response = Some(now());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPEN_FOR: Duration = Duration::from_secs(20);

    async fn waits(gates: &ConnectionGates, origin: &str) -> bool {
        let start = now();
        drop(gates.pass(origin.to_owned()).await);
        now() > start
    }

    #[tokio::test(start_paused = true)]
    async fn request_waits_for_the_first_one_to_the_same_server_for_at_most_300_ms() {
        let gates = ConnectionGates::new(OPEN_FOR);
        let first = gates.pass("a".to_owned()).await;
        let start = now();
        assert!(waits(&gates, "a").await);
        assert_eq!(now().saturating_duration_since(start), MAX_WAIT);
        assert!(!waits(&gates, "b").await, "another server");
        let (done, ()) = tokio::join!(waits(&gates, "a"), async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            drop(first);
        });
        assert!(done);
        assert_eq!(now().saturating_duration_since(start), MAX_WAIT + Duration::from_millis(100));
    }

    #[tokio::test(start_paused = true)]
    async fn gate_is_open_until_the_connection_is_idle_for_too_long() {
        let gates = ConnectionGates::new(OPEN_FOR);
        let first = gates.pass("a".to_owned()).await;
        first.responded();
        assert!(!waits(&gates, "a").await, "the head of the response has arrived");
        drop(first);
        tokio::time::advance(OPEN_FOR - Duration::from_secs(1)).await;
        let second = gates.pass("a".to_owned()).await;
        assert!(!waits(&gates, "a").await);
        second.responded();
        tokio::time::advance(OPEN_FOR - Duration::from_secs(1)).await;
        assert!(!waits(&gates, "a").await);
        tokio::time::advance(OPEN_FOR).await;
        let _first = gates.pass("a".to_owned()).await;
        assert!(waits(&gates, "a").await);
    }

    #[tokio::test(start_paused = true)]
    async fn gates_of_servers_that_are_no_longer_used_are_removed() {
        let gates = ConnectionGates::new(OPEN_FOR);
        for server in 0..1000 {
            gates.pass(server.to_string()).await.responded();
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        assert!(gates.lock().len() <= 21, "{}", gates.lock().len());
    }
}
