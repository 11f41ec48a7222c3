//! Reports certificate headers that were ignored, because a peer that is no trusted proxy has sent them.
//!
//! Why at most one event a minute: any client can send the header.

use std::sync::Mutex;
use std::time::Duration;

use http::request::Parts;

use crate::access_token::Sender;
use crate::binding::SenderPolicy;
use crate::event;
use crate::sync::RateLimit;
use crate::time;

/// The least time between two events.
const INTERVAL: Duration = Duration::from_secs(60);

/// When the last event was.
pub(crate) struct IgnoredHeaders(Mutex<RateLimit>);

impl IgnoredHeaders {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(RateLimit::full(1, INTERVAL, time::now())))
    }

    /// Reports the ignored header of a request whose token is bound to a certificate.
    pub(super) fn report(&self, head: &Parts, senders: &SenderPolicy, sender: Option<&Sender>) {
        let is_bound = sender.is_some_and(|sender| sender.confirmation.x5t_s256.is_some());
        let certificates = senders.certificates.as_ref().filter(|_| is_bound);
        let Some(header) = certificates.and_then(|certificates| certificates.ignored_header(head)) else {
            return;
        };
        // If another request holds the lock, it reports.
        let Ok(mut limit) = self.0.try_lock() else { return };
        let now = time::now();
        if limit.has_one(now) {
            limit.draw(now);
            event::certificate_header_ignored(header.name, header.peer);
        }
    }
}
