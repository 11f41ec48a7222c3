//! All revocations at one moment. A change makes a new set that shares most of its memory with the old one.
//!
//! Why a persistent map: requests read it without a lock, and a revocation copies a few nodes instead of all
//! entries.

use std::hash::BuildHasher;
use std::sync::Arc;

use foldhash::fast::FixedState;
use foldhash::quality::RandomState;
use rpds::HashTrieMapSync;

use super::revoke::Kind;
use crate::access_token::AccessToken;
use crate::time::{Clock, NumericDate, SystemClock};

/// The claims that revocations are compared with. A claim that is absent or ill-typed is `None`: a revocation
/// of a token or a session cannot match it.
pub(crate) struct RevocableClaims<'a> {
    pub(crate) issuer: &'a str,
    pub(crate) token_id: Option<&'a str>,
    pub(crate) session_id: Option<&'a str>,
    pub(crate) subject: Option<&'a str>,
    pub(crate) client_id: Option<&'a str>,
    pub(crate) issued_at: Option<NumericDate>,
}

impl<'a> RevocableClaims<'a> {
    pub(super) fn of(token: &'a AccessToken) -> Self {
        Self {
            issuer: token.issuer(),
            token_id: token.token_id(),
            session_id: token.session_id(),
            subject: token.subject(),
            client_id: token.client_id(),
            issued_at: token.issue_date(),
        }
    }

    /// The claim that entries of this kind name. An empty one counts as absent.
    fn value(&self, kind: Kind) -> Option<&'a str> {
        let claim = match kind {
            Kind::Token => self.token_id,
            Kind::Session => self.session_id,
            Kind::Subject => self.subject,
            Kind::Client => self.client_id,
            Kind::All => return Some(""),
        };
        claim.filter(|claim| !claim.is_empty())
    }
}

/// 128 bits of keyed hash of a kind, an issuer and a value.
///
/// Two entries with the same key count as one that keeps the later moment and the later end. The key of the
/// hash is random, so that nobody can find two targets with the same hash.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(super) struct Key(u64, u64);

/// Makes the keys of one store.
#[derive(Debug, Default)]
pub(super) struct KeyMaker(RandomState, RandomState);

impl KeyMaker {
    pub(super) fn key(&self, kind: Kind, issuer: &str, value: &str) -> Key {
        let hashed = (kind, issuer, value);
        Key(self.0.hash_one(hashed), self.1.hash_one(hashed))
    }
}

/// The value of a key.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Entry {
    pub(super) kind: Kind,
    /// Rejects tokens with an `iat` until this moment and tokens without one; `None` rejects all.
    pub(super) before: Option<NumericDate>,
    /// When no token is left that it could reject, in seconds since 1970.
    pub(super) expires_at: u64,
}

impl Entry {
    /// This entry and a `newer` one for the same target.
    pub(super) fn merged(self, newer: Self) -> Self {
        Self {
            before: self.before.zip(newer.before).map(|(one, other)| one.max(other)),
            expires_at: self.expires_at.max(newer.expires_at),
            ..self
        }
    }

    fn hits(&self, issued_at: Option<NumericDate>) -> bool {
        self.before.is_none_or(|before| issued_at.is_none_or(|issued_at| issued_at <= before))
    }
}

/// All entries.
#[derive(Clone)]
pub(super) struct Entries {
    /// The keys are hashes already, so that this hasher needs no random key.
    by_key: HashTrieMapSync<Key, Entry, FixedState>,
    /// The number of entries of each kind, so that a kind without entries costs no lookup.
    counts: [usize; Kind::COUNT],
    /// Read only if an entry matches a token.
    clock: Arc<dyn Clock>,
}

impl Default for Entries {
    fn default() -> Self {
        let by_key = HashTrieMapSync::new_with_hasher_and_ptr_kind(FixedState::default());
        Self { by_key, counts: [0; Kind::COUNT], clock: Arc::new(SystemClock) }
    }
}

impl Entries {
    const KINDS: [Kind; Kind::COUNT] = [Kind::Token, Kind::Session, Kind::Subject, Kind::Client, Kind::All];

    pub(super) fn with_clock(self, clock: Arc<dyn Clock>) -> Self {
        Self { clock, ..self }
    }

    pub(super) fn now(&self) -> NumericDate {
        NumericDate::now(&*self.clock)
    }

    pub(super) fn len(&self) -> usize {
        self.by_key.size()
    }

    pub(super) fn get(&self, key: Key) -> Option<&Entry> {
        self.by_key.get(&key)
    }

    /// Whether an entry hits a token with these claims.
    pub(super) fn hit(&self, claims: &RevocableClaims<'_>, keys: &KeyMaker) -> bool {
        Self::KINDS.iter().zip(self.counts).filter(|(_, count)| *count > 0).any(|(kind, _)| {
            let key = claims.value(*kind).map(|value| keys.key(*kind, claims.issuer, value));
            key.and_then(|key| self.get(key))
                .is_some_and(|entry| entry.hits(claims.issued_at) && entry.expires_at > self.now().as_secs())
        })
    }

    /// Stores `entry`, in place of the one under this key.
    pub(super) fn set(&mut self, key: Key, entry: Entry) {
        let replaced = self.by_key.get(&key).map(|replaced| replaced.kind);
        self.by_key.insert_mut(key, entry);
        if let Some(kind) = replaced {
            self.count(kind, |count| count.saturating_sub(1));
        }
        self.count(entry.kind, |count| count.saturating_add(1));
    }

    pub(super) fn remove(&mut self, key: Key) {
        if let Some(kind) = self.by_key.get(&key).map(|entry| entry.kind) {
            self.by_key.remove_mut(&key);
            self.count(kind, |count| count.saturating_sub(1));
        }
    }

    fn count(&mut self, kind: Kind, change: impl Fn(usize) -> usize) {
        let mut counts = self.counts.iter_mut().zip(Self::KINDS);
        if let Some((count, _)) = counts.find(|(_, counted)| *counted == kind) {
            *count = change(*count);
        }
    }
}
