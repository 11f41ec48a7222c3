//! The store of revocations: requests read it without a lock, and one writer at a time changes it.
//!
//! Checks: at most `max_entries`, and no entry is dropped before it expires. Does not check: whether the
//! clock is right. One that is ahead when an entry is added can drop others early.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use arc_swap::ArcSwap;

use super::entries::{Entries, Entry, Key, KeyMaker, RevocableClaims};
use super::revoke::{Kind, Revoke};
use super::status::{RevocationsFull, RevocationsStatus};
use crate::time::{Clock, NumericDate};

/// How much longer an entry is kept than the lifetime of a token: `iat` may lie ahead by the leeway, and a
/// token is accepted for the leeway after `exp`. The leeway is at most 5 min.
const SLACK: Duration = Duration::from_secs(2 * 300);

/// The room that entries of clients and whole issuers have beyond the limit: ordinary logouts must not keep
/// out the revocation after an attack.
const RESERVE: usize = 1000;

/// How long the tokens of an issuer live.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum TokenLifetime {
    /// The issuer is not trusted here.
    NoTokens,
    /// No setting limits it.
    Unlimited,
    AtMost(Duration),
}

/// The effect of a revocation that was not refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Effect {
    /// Tokens are rejected from now on.
    Stored,
    /// As `Stored`, but no user of the store trusts the issuer, so none accepts its tokens anyway.
    IssuerUntrusted,
    /// All tokens that it could reject have expired, so it was not stored.
    Expired,
}

/// Knows how long the tokens of the trusted issuers live.
pub(crate) trait TokenLifetimes: Send + Sync {
    fn lifetime(&self, issuer: &str) -> TokenLifetime;
}

/// The store.
#[derive(Default)]
pub(super) struct Store {
    /// The number of entries, so that an empty store costs a request one load.
    len: AtomicUsize,
    entries: ArcSwap<Entries>,
    keys: KeyMaker,
    writer: Mutex<Writer>,
}

/// The issuers of a `BearerAuth` that uses the store.
struct User {
    issuers: Weak<dyn TokenLifetimes>,
    /// Whether it may trust an issuer later that it does not trust now.
    resolves_issuers: bool,
}

/// The state that only changes read.
pub(super) struct Writer {
    pub(super) max_entries: usize,
    pub(super) keep_for: Duration,
    users: Vec<User>,
    /// Every key, by the end of its entry.
    by_end: BTreeSet<(u64, Key)>,
}

impl Default for Writer {
    fn default() -> Self {
        Self {
            max_entries: 100_000,
            keep_for: Duration::from_secs(24 * 60 * 60),
            users: Vec::new(),
            by_end: BTreeSet::new(),
        }
    }
}

impl Store {
    pub(super) fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn len(&self) -> usize {
        self.len.load(Ordering::Acquire)
    }

    /// Whether an entry hits a token with these claims.
    pub(super) fn hit<'c>(&self, claims: impl FnOnce() -> RevocableClaims<'c>) -> bool {
        self.len() > 0 && self.entries.load().hit(&claims(), &self.keys)
    }

    /// Stores an entry, or merges it with the one for the same target.
    pub(super) fn revoke(&self, revoke: &Revoke) -> Result<Effect, RevocationsFull> {
        let mut writer = self.writer();
        let mut entries = Entries::clone(&self.entries.load());
        let now = entries.now();
        writer.prune(&mut entries, now);
        let result = writer.add(&mut entries, self.key(revoke), revoke, now);
        self.publish(entries);
        result
    }

    pub(super) fn status(&self) -> RevocationsStatus {
        let mut writer = self.writer();
        let mut entries = Entries::clone(&self.entries.load());
        let now = entries.now();
        if writer.prune(&mut entries, now) {
            self.publish(entries);
        }
        RevocationsStatus { entries: self.len(), max_entries: writer.max_entries }
    }

    pub(super) fn set_clock(&self, clock: Arc<dyn Clock>) {
        let _writer = self.writer();
        let entries = Entries::clone(&self.entries.load()).with_clock(clock);
        self.publish(entries);
    }

    fn key(&self, revoke: &Revoke) -> Key {
        self.keys.key(revoke.kind, &revoke.issuer, &revoke.value)
    }

    /// The caller holds the lock of the writer.
    fn publish(&self, entries: Entries) {
        let len = entries.len();
        // Before the number: whoever reads that there are entries finds them.
        self.entries.store(Arc::new(entries));
        self.len.store(len, Ordering::Release);
    }
}

impl Writer {
    /// The issuers of one more `BearerAuth`.
    pub(super) fn add_user(&mut self, issuers: Weak<dyn TokenLifetimes>, resolves_issuers: bool) {
        self.users.retain(|user| user.issuers.strong_count() > 0);
        self.users.push(User { issuers, resolves_issuers });
    }

    fn add(
        &mut self,
        entries: &mut Entries,
        key: Key,
        revoke: &Revoke,
        now: NumericDate,
    ) -> Result<Effect, RevocationsFull> {
        let added = self.entry(revoke, now);
        if added.expires_at <= now.as_secs() {
            return Ok(Effect::Expired);
        }
        let replaced = entries.get(key).copied();
        if replaced.is_none() && entries.len() >= self.limit(revoke.kind) {
            return Err(self.full(now));
        }
        let entry = match replaced {
            Some(replaced) => {
                self.by_end.remove(&(replaced.expires_at, key));
                replaced.merged(added)
            }
            None => added,
        };
        self.by_end.insert((entry.expires_at, key));
        entries.set(key, entry);
        Ok(if self.is_untrusted(&revoke.issuer) { Effect::IssuerUntrusted } else { Effect::Stored })
    }

    /// The number of entries that leaves no room for one of this kind.
    fn limit(&self, kind: Kind) -> usize {
        match kind {
            Kind::Token | Kind::Session | Kind::Subject => self.max_entries,
            Kind::Client | Kind::All => self.max_entries.saturating_add(RESERVE),
        }
    }

    /// Whether there are users, and none of them trusts this issuer now or may trust it later.
    fn is_untrusted(&self, issuer: &str) -> bool {
        let mut lifetimes = self.lifetimes(issuer).peekable();
        lifetimes.peek().is_some() && lifetimes.all(|lifetime| lifetime == TokenLifetime::NoTokens)
    }

    fn entry(&self, revoke: &Revoke, now: NumericDate) -> Entry {
        let before = match revoke.before {
            None if !revoke.kind.ignores_issue_date() => Some(now),
            before => before,
        };
        let last_expiry = revoke.expires_at.unwrap_or_else(|| {
            let last_issued = before.unwrap_or(now);
            last_issued.later(self.lifetime(&revoke.issuer))
        });
        // Rounded up.
        let expires_at = last_expiry.later(SLACK).as_secs().saturating_add(1);
        Entry { kind: revoke.kind, before, expires_at }
    }

    /// The longest that a token of this issuer lives.
    fn lifetime(&self, issuer: &str) -> Duration {
        let mut longest = None;
        for lifetime in self.lifetimes(issuer) {
            match lifetime {
                TokenLifetime::NoTokens => {}
                TokenLifetime::Unlimited => return self.keep_for,
                TokenLifetime::AtMost(lifetime) => longest = longest.max(Some(lifetime)),
            }
        }
        longest.unwrap_or(self.keep_for)
    }

    /// How long tokens of this issuer live at each user.
    fn lifetimes(&self, issuer: &str) -> impl Iterator<Item = TokenLifetime> {
        let users =
            self.users.iter().filter_map(|user| user.issuers.upgrade().zip(Some(user.resolves_issuers)));
        users.map(move |(issuers, resolves_issuers)| match issuers.lifetime(issuer) {
            TokenLifetime::NoTokens if resolves_issuers => TokenLifetime::Unlimited,
            lifetime => lifetime,
        })
    }

    /// Removes the entries that have expired. False if there are none.
    fn prune(&mut self, entries: &mut Entries, now: NumericDate) -> bool {
        let mut is_changed = false;
        while let Some((end, key)) = self.by_end.first().copied() {
            if end > now.as_secs() {
                break;
            }
            self.by_end.pop_first();
            entries.remove(key);
            is_changed = true;
        }
        is_changed
    }

    fn full(&self, now: NumericDate) -> RevocationsFull {
        let next_end = self.by_end.first().map_or(0, |(end, _)| end.saturating_sub(now.as_secs()));
        RevocationsFull { retry_after: Duration::from_secs(next_end.max(1)) }
    }
}
