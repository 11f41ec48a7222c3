//! The last rejections. Consecutive ones of one kind and issuer are one entry, so that a flood of one kind
//! does not push out the others.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use serde::Serialize;

use crate::rejection::RejectionKind;
use crate::time::now;

const MAX_ENTRIES: usize = 100;

#[derive(Default)]
pub(super) struct RecentRejections {
    /// The latest is the last.
    entries: Mutex<VecDeque<Entry>>,
}

/// Consecutive rejections of one kind and issuer.
struct Entry {
    kind: RejectionKind,
    issuer: Option<Box<str>>,
    count: u64,
    latest: Instant,
}

/// An entry, as the page shows it.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct RecentRejection {
    kind: &'static str,
    status: u16,
    reason: &'static str,
    issuer: Option<Box<str>>,
    count: u64,
    /// Seconds since the latest of them.
    secs_ago: u64,
}

impl RecentRejections {
    pub(super) fn record(&self, kind: RejectionKind, issuer: Option<&str>) {
        let latest = now();
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        match entries.back_mut() {
            Some(last) if last.kind == kind && last.issuer.as_deref() == issuer => {
                last.count = last.count.saturating_add(1);
                last.latest = latest;
            }
            _ => {
                if entries.len() >= MAX_ENTRIES {
                    entries.pop_front();
                }
                entries.push_back(Entry { kind, issuer: issuer.map(Box::from), count: 1, latest });
            }
        }
    }

    /// The entries, the latest first.
    pub(super) fn list(&self) -> Vec<RecentRejection> {
        let now = now();
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let shown = |entry: &Entry| RecentRejection {
            kind: entry.kind.as_str(),
            status: entry.kind.status().as_u16(),
            reason: entry.kind.row().text,
            issuer: entry.issuer.clone(),
            count: entry.count,
            secs_ago: now.saturating_duration_since(entry.latest).as_secs(),
        };
        entries.iter().rev().map(shown).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn consecutive_rejections_of_one_kind_and_issuer_are_one_entry() {
        let rejections = RecentRejections::default();
        rejections.record(RejectionKind::Missing, None);
        for issuer in ["a", "a", "b"] {
            advance(Duration::from_secs(5)).await;
            rejections.record(RejectionKind::TokenExpired, Some(issuer));
        }
        advance(Duration::from_secs(1)).await;
        let list = rejections.list();
        let seen: Vec<_> = list.iter().map(|e| (e.kind, e.issuer.as_deref(), e.count, e.secs_ago)).collect();
        let expected = [
            ("token_expired", Some("b"), 1, 1),
            ("token_expired", Some("a"), 2, 6),
            ("missing", None, 1, 16),
        ];
        assert_eq!(seen, expected);
        assert_eq!((list[0].status, list[0].reason), (401, "The access token expired"));
    }

    #[test]
    fn only_the_last_100_entries_are_kept() {
        let rejections = RecentRejections::default();
        for index in 0..250 {
            rejections.record(RejectionKind::ALL[index % 2], None);
        }
        let list = rejections.list();
        assert_eq!(list.len(), 100);
        assert_eq!(list[0].kind, RejectionKind::ALL[1].as_str());
    }
}
