//! The queue of calls that wait for a permit: trusted tokens first, then last in, first out.
//!
//! Why: under saturation, first in, first out makes every call wait until its client has given up. Last in,
//! first out serves clients that are still waiting.

use std::collections::BTreeMap;

use super::priority::Priority;

/// A bounded queue with one stack per [`Priority`].
#[derive(Debug)]
pub(super) struct CallQueue<W> {
    max: usize,
    next: u64,
    trusted: BTreeMap<u64, W>,
    untrusted: BTreeMap<u64, W>,
}

/// The place of a waiting call.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Place {
    priority: Priority,
    number: u64,
}

impl<W> CallQueue<W> {
    /// A queue for `max` calls, and a quarter more for trusted tokens.
    pub(super) fn new(max: usize) -> Self {
        Self { max, next: 0, trusted: BTreeMap::new(), untrusted: BTreeMap::new() }
    }

    /// Adds a call. A full queue drops the oldest untrusted one, else the oldest of the same priority.
    /// Returns `None` if it has no room for this priority at all.
    pub(super) fn push(&mut self, priority: Priority, waiter: W) -> Option<Place> {
        let is_full = self.trusted.len().saturating_add(self.untrusted.len()) >= self.max;
        if is_full && self.untrusted.pop_first().is_none() {
            match priority {
                Priority::Untrusted => return None,
                Priority::Trusted if self.trusted.len() < priority.max_queued(self.max) => {}
                Priority::Trusted => drop(self.trusted.pop_first()?),
            }
        }
        self.next = self.next.wrapping_add(1);
        let place = Place { priority, number: self.next };
        self.stack(priority).insert(place.number, waiter);
        Some(place)
    }

    /// The number of waiting calls.
    pub(super) fn len(&self) -> usize {
        self.trusted.len().saturating_add(self.untrusted.len())
    }

    pub(super) fn has(&self, priority: Priority) -> bool {
        let stack = if priority.is_trusted() { &self.trusted } else { &self.untrusted };
        !stack.is_empty()
    }

    /// Takes the newest call of this priority.
    pub(super) fn pop(&mut self, priority: Priority) -> Option<W> {
        self.stack(priority).pop_last().map(|(_, waiter)| waiter)
    }

    /// Removes the call at `place`. Returns `None` if it was taken or dropped before.
    pub(super) fn remove(&mut self, place: Place) -> Option<W> {
        self.stack(place.priority).remove(&place.number)
    }

    fn stack(&mut self, priority: Priority) -> &mut BTreeMap<u64, W> {
        match priority {
            Priority::Trusted => &mut self.trusted,
            Priority::Untrusted => &mut self.untrusted,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Priority::{Trusted, Untrusted};
    use super::*;

    #[test]
    fn the_newest_call_is_taken_first() {
        let mut queue = CallQueue::new(10);
        (1..=4).for_each(|n| assert!(queue.push(Untrusted, n).is_some()));
        assert_eq!([queue.pop(Untrusted), queue.pop(Untrusted)], [Some(4), Some(3)]);
        queue.push(Untrusted, 5);
        assert_eq!([queue.pop(Untrusted), queue.pop(Untrusted)], [Some(5), Some(2)]);
        assert_eq!(queue.pop(Trusted), None);
    }

    #[test]
    fn a_full_queue_drops_the_oldest_untrusted_call() {
        let mut queue = CallQueue::new(3);
        let place = queue.push(Untrusted, 1).unwrap();
        queue.push(Untrusted, 2);
        queue.push(Trusted, 3);
        queue.push(Untrusted, 4);
        assert_eq!(queue.remove(place), None, "dropped");
        assert!(queue.push(Trusted, 5).is_some());
        assert_eq!([queue.pop(Untrusted), queue.pop(Untrusted)], [Some(4), None]);
    }

    #[test]
    fn trusted_calls_have_a_quarter_more_room_and_are_never_dropped_for_untrusted_ones() {
        let mut queue = CallQueue::new(4);
        (1..=5).for_each(|n| assert!(queue.push(Trusted, n).is_some()));
        assert_eq!(queue.push(Untrusted, 9), None);
        assert!(queue.push(Trusted, 6).is_some(), "drops the oldest");
        let left: Vec<u32> = std::iter::from_fn(|| queue.pop(Trusted)).collect();
        assert_eq!(left, [6, 5, 4, 3, 2]);
    }

    #[test]
    fn a_queue_without_room_takes_no_call() {
        let mut queue = CallQueue::new(0);
        assert_eq!([queue.push(Trusted, 1), queue.push(Untrusted, 2)], [None, None]);
    }
}
