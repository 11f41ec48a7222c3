//! Tests of the store, without requests.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use super::*;
use crate::time::NumericDate;

const ISSUER: &str = "https://h.example";
const NOW: u64 = 1_700_000_000;

/// A clock that stands still until it is set.
#[derive(Clone, Debug)]
struct Manual(Arc<AtomicU64>);

impl Manual {
    fn advance(&self, secs: u64) {
        self.0.fetch_add(secs, Ordering::Relaxed);
    }
}

impl Clock for Manual {
    fn now(&self) -> SystemTime {
        at(self.0.load(Ordering::Relaxed))
    }
}

struct Lifetime(TokenLifetime);

impl TokenLifetimes for Lifetime {
    fn lifetime(&self, issuer: &str) -> TokenLifetime {
        if issuer == ISSUER { self.0 } else { TokenLifetime::NoTokens }
    }
}

fn at(secs: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(secs)
}

fn store() -> (Revocations, Manual) {
    let clock = Manual(Arc::new(AtomicU64::new(NOW)));
    (Revocations::new().clock(clock.clone()), clock)
}

/// Whether a token with these claims is revoked that was issued this many seconds after `NOW`.
fn hit(store: &Revocations, jti: &str, sub: &str, issued: Option<i64>) -> bool {
    store.hit_claims(RevocableClaims {
        issuer: ISSUER,
        token_id: Some(jti),
        session_id: None,
        subject: Some(sub),
        client_id: None,
        issued_at: issued.map(|after| NumericDate::from_secs(NOW.saturating_add_signed(after)).unwrap()),
    })
}

fn user(store: &Revocations, lifetime: TokenLifetime) -> Arc<dyn TokenLifetimes> {
    let user: Arc<dyn TokenLifetimes> = Arc::new(Lifetime(lifetime));
    store.add_user(Arc::downgrade(&user), false);
    user
}

#[test]
fn the_later_moment_of_two_entries_counts_whatever_their_order() {
    for (first, second) in [(10, 20), (20, 10)] {
        let (store, _) = store();
        store.revoke(Revoke::subject(ISSUER, "alice").before(at(NOW + first))).unwrap();
        store.revoke(Revoke::subject(ISSUER, "alice").before(at(NOW + second))).unwrap();
        assert!(hit(&store, "j", "alice", Some(20)), "{first}");
        assert!(!hit(&store, "j", "alice", Some(21)), "{first}");
        assert_eq!(store.status().entries(), 1);
    }
}

#[test]
fn an_entry_without_a_moment_is_not_weakened_by_one_with_a_moment() {
    for bounded_first in [true, false] {
        let (store, _) = store();
        let entries = [Revoke::token(ISSUER, "j").before(at(NOW)), Revoke::token(ISSUER, "j")];
        let [first, second] = if bounded_first {
            entries
        } else {
            let [a, b] = entries;
            [b, a]
        };
        store.revoke(first).unwrap();
        store.revoke(second).unwrap();
        assert!(hit(&store, "j", "alice", Some(1000)), "{bounded_first}");
    }
}

#[test]
fn a_full_store_refuses_new_targets_and_drops_nothing() {
    let (store, clock) = store();
    let store = store.max_entries(2);
    store.revoke(Revoke::token(ISSUER, "1").expires_at(at(NOW + 60))).unwrap();
    store.revoke(Revoke::token(ISSUER, "2")).unwrap();
    let full = store.revoke(Revoke::token(ISSUER, "3")).unwrap_err();
    assert_eq!(full.retry_after(), Duration::from_secs(60 + 600 + 1));
    assert!(hit(&store, "1", "a", None) && hit(&store, "2", "a", None) && !hit(&store, "3", "a", None));
    // The same target again, with a later end.
    store.revoke(Revoke::token(ISSUER, "1").expires_at(at(NOW + 120))).unwrap();
    clock.advance(661);
    store.revoke(Revoke::token(ISSUER, "3")).unwrap_err();
    clock.advance(60);
    store.revoke(Revoke::token(ISSUER, "3")).unwrap();
    assert_eq!(store.status(), RevocationsStatus { entries: 2, max_entries: 2 });
    assert!(!hit(&store, "1", "a", None) && hit(&store, "3", "a", None));
}

#[test]
fn a_store_full_of_tokens_has_room_for_clients_and_issuers() {
    let (store, _) = store();
    let store = store.max_entries(1);
    store.revoke(Revoke::token(ISSUER, "1")).unwrap();
    store.revoke(Revoke::session(ISSUER, "2")).unwrap_err();
    store.revoke(Revoke::subject(ISSUER, "3")).unwrap_err();
    store.revoke(Revoke::all_of(ISSUER)).unwrap();
    for client in 1..1000 {
        store.revoke(Revoke::client(ISSUER, client.to_string())).unwrap();
    }
    store.revoke(Revoke::client(ISSUER, "one more")).unwrap_err();
}

#[test]
fn an_entry_lives_as_long_as_the_tokens_of_its_issuer() {
    let hour = TokenLifetime::AtMost(Duration::from_secs(3600));
    let minute = TokenLifetime::AtMost(Duration::from_secs(60));
    for (name, lifetimes, expected) in [
        ("no user", vec![], 86_400),
        ("not trusted", vec![TokenLifetime::NoTokens], 86_400),
        ("limited", vec![hour], 3600),
        ("the longest", vec![minute, hour, minute], 3600),
        ("one unlimited", vec![hour, TokenLifetime::Unlimited], 86_400),
        ("one trusts it", vec![TokenLifetime::NoTokens, minute], 60),
    ] {
        let (store, clock) = store();
        let _users: Vec<_> = lifetimes.into_iter().map(|lifetime| user(&store, lifetime)).collect();
        store.revoke(Revoke::subject(ISSUER, "alice")).unwrap();
        clock.advance(expected + 600);
        assert_eq!(store.status().entries(), 1, "{name}");
        clock.advance(1);
        assert_eq!(store.status().entries(), 0, "{name}");
        assert!(!hit(&store, "j", "alice", Some(0)), "{name}");
    }
}

#[test]
fn an_issuer_that_can_be_resolved_later_has_tokens_of_any_lifetime() {
    let (store, clock) = store();
    let _limited = user(&store, TokenLifetime::AtMost(Duration::from_secs(60)));
    let resolving: Arc<dyn TokenLifetimes> = Arc::new(Lifetime(TokenLifetime::NoTokens));
    store.add_user(Arc::downgrade(&resolving), true);
    store.revoke(Revoke::subject(ISSUER, "alice")).unwrap();
    clock.advance(86_400);
    assert_eq!(store.status().entries(), 1);
}

#[test]
fn an_expired_entry_rejects_nothing_before_it_is_removed() {
    let (store, clock) = store();
    store.revoke(Revoke::subject(ISSUER, "alice")).unwrap();
    clock.advance(86_400 + 600);
    assert!(hit(&store, "j", "alice", None));
    clock.advance(1);
    assert!(!hit(&store, "j", "alice", None));
}

#[test]
fn a_dropped_user_has_no_tokens() {
    let (store, clock) = store();
    drop(user(&store, TokenLifetime::Unlimited));
    let _user = user(&store, TokenLifetime::AtMost(Duration::from_secs(60)));
    store.revoke(Revoke::all_of(ISSUER)).unwrap();
    clock.advance(661);
    assert_eq!(store.status().entries(), 0);
}

#[test]
fn the_time_to_keep_an_entry_starts_with_its_moment() {
    let (store, clock) = store();
    let store = store.keep_for(Duration::from_secs(60));
    store.revoke(Revoke::subject(ISSUER, "past").before(at(NOW - 700))).unwrap();
    assert_eq!(store.status().entries(), 0, "none of its tokens is valid any more");
    store.revoke(Revoke::subject(ISSUER, "future").before(at(NOW + 100))).unwrap();
    clock.advance(100 + 660);
    assert_eq!(store.status().entries(), 1);
    clock.advance(1);
    assert_eq!(store.status().entries(), 0);
}

#[test]
fn a_flood_of_revocations_stays_within_the_limit() {
    let (store, _) = store();
    let store = store.max_entries(1000);
    let mut refused = 0;
    for event in 0..20_000_u32 {
        refused += usize::from(store.revoke(Revoke::token(ISSUER, (event % 5000).to_string())).is_err());
    }
    assert_eq!((store.status().entries(), refused), (1000, 16_000));
    assert!((0..1000).all(|jti: u32| hit(&store, &jti.to_string(), "a", None)));
    assert!((1000..5000).all(|jti: u32| !hit(&store, &jti.to_string(), "a", None)));
}

#[test]
fn kinds_do_not_hit_each_other() {
    let (store, _) = store();
    store.revoke(Revoke::session(ISSUER, "x")).unwrap();
    store.revoke(Revoke::client(ISSUER, "x")).unwrap();
    assert!(!hit(&store, "x", "x", None));
    store.revoke(Revoke::token(ISSUER, "x")).unwrap();
    assert!(hit(&store, "x", "y", None) && !hit(&store, "y", "x", None));
}

#[test]
fn every_revocation_of_concurrent_writers_is_seen_when_it_returns() {
    let (store, _) = store();
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let store = &store;
            scope.spawn(move || {
                for number in 0..200 {
                    let jti = format!("{writer}-{number}");
                    assert!(!hit(store, &jti, "a", None));
                    store.revoke(Revoke::token(ISSUER, jti.as_str())).unwrap();
                    assert!(hit(store, &jti, "a", None));
                }
            });
        }
    });
    assert_eq!(store.status().entries(), 800);
}
