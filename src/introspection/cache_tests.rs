//! Which responses are cached, and for how long.

use super::super::digest::RequestContext;
use super::super::error::{IntrospectionError, IntrospectionErrorKind};
use super::*;
use crate::access_token::Grant;
use crate::bearer::ScopeSet;
use crate::jwt::claims::ClaimFault;
use crate::transport::FetchErrorKind;

const SEC: Duration = Duration::from_secs(1);

fn cache(active: u64, inactive: u64, stale: u64) -> ResponseCache {
    sharing(&store(), active, inactive, stale)
}

fn store() -> Arc<ResponseStore> {
    Arc::new(ResponseStore::new(CacheLimits { entries: 100, bytes: 1 << 20 }))
}

fn sharing(store: &Arc<ResponseStore>, active: u64, inactive: u64, stale: u64) -> ResponseCache {
    let policy = CachePolicy {
        active_ttl: SEC * active.try_into().unwrap(),
        inactive_ttl: SEC * inactive.try_into().unwrap(),
        stale_for: SEC * stale.try_into().unwrap(),
        max_token_age: Some(SEC * 500),
    };
    ResponseCache::new(policy, Arc::clone(store))
}

fn date(secs: u64) -> NumericDate {
    NumericDate::from_secs(secs).unwrap()
}

fn token(expires_at: u64) -> AccessToken {
    issued(None, expires_at)
}

fn issued(issued_at: Option<u64>, expires_at: u64) -> AccessToken {
    let grant = Grant {
        issuer: "https://h.example".into(),
        subject: None,
        client_id: None,
        audiences: Vec::new(),
        scopes: ScopeSet::default(),
        expires_at: date(expires_at),
        not_before: None,
        issued_at: issued_at.map(date),
        auth_time: None,
        leeway: Duration::ZERO,
        token_id: None,
        acr: None,
        session_id: None,
        confirmation: None,
        is_jwt: false,
        algorithm: None,
        key_id: None,
        username: None,
        scope_implies: None,
        roles: Box::default(),
    };
    AccessToken::new(grant, "{}".to_owned(), "", None)
}

fn digest(token: &str) -> TokenDigest {
    RequestContext::new(&["issuer".to_owned()]).digest(token)
}

fn origin(call: u64, requested_at: Instant) -> Origin {
    Origin { call, requested_at }
}

fn unavailable() -> IntrospectionFault {
    let kind = IntrospectionErrorKind::Fetch(FetchErrorKind::TimedOut);
    IntrospectionFault::from_error(Arc::new(IntrospectionError::new(kind)))
}

#[test]
fn the_digest_depends_on_the_token_and_on_every_part_of_the_context() {
    let context = |parts: &[&str]| {
        let parts: Vec<String> = parts.iter().map(|part| (*part).to_owned()).collect();
        RequestContext::new(&parts)
    };
    let digests = [
        context(&["a", "b"]).digest("t"),
        context(&["a", "b"]).digest("tt"),
        context(&["a", "c"]).digest("t"),
        context(&["ab", ""]).digest("t"),
        context(&["", "ab"]).digest("t"),
        context(&["a", "b", ""]).digest("t"),
    ];
    for (place, one) in digests.iter().enumerate() {
        assert!(digests.iter().skip(place + 1).all(|other| one != other), "{place}");
    }
    assert_eq!(context(&["a", "b"]).digest("t"), digests[0]);
}

#[test]
fn an_active_token_is_cached_for_its_ttl_and_never_past_its_exp() {
    let (cache, now) = (cache(30, 10, 0), Instant::now());
    cache.insert(digest("t"), origin(1, now), &Ok(token(1_000)), 0.0);
    let is_cached = |later: u64, at: u64| {
        let now = now + SEC * later.try_into().unwrap();
        cache.get(&digest("t"), Freshness::Cached, now, date(at)).is_some()
    };
    assert!(is_cached(0, 900) && is_cached(29, 999));
    assert!(!is_cached(30, 900), "the TTL has passed");
    assert!(!is_cached(0, 1_000), "the token has expired");
    assert!(cache.get(&digest("u"), Freshness::Cached, now, date(900)).is_none(), "another token");
}

#[test]
fn a_token_is_not_cached_past_its_maximum_age() {
    let (cache, now) = (cache(30, 10, 60), Instant::now());
    cache.insert(digest("t"), origin(1, now), &Ok(issued(Some(100), 1_000)), 0.0);
    let is_cached = |at| cache.get(&digest("t"), Freshness::Cached, now, date(at)).is_some();
    assert!(is_cached(599) && !is_cached(600));
    assert!(cache.get_stale(&digest("t"), now, date(600)).is_none());
    cache.insert(digest("u"), origin(1, now), &Ok(issued(Some(900), 1_000)), 0.0);
    assert!(
        cache.get(&digest("u"), Freshness::Cached, now, date(1_000)).is_none(),
        "it expires before its maximum age"
    );
}

#[test]
fn a_newer_response_replaces_the_older_one_in_both_caches() {
    let (cache, now) = (cache(30, 10, 0), Instant::now());
    let cached_as_active =
        || cache.get(&digest("t"), Freshness::Cached, now, date(0)).map(|hit| hit.outcome.is_ok());
    cache.insert(digest("t"), origin(1, now), &Ok(token(1_000)), 0.0);
    cache.insert(digest("t"), origin(2, now), &Err(IntrospectionFault::Inactive), 0.0);
    assert_eq!(cached_as_active(), Some(false));
    assert_eq!(cache.len(), (0, 1));
    cache.insert(digest("t"), origin(3, now), &Ok(token(1_000)), 0.0);
    assert_eq!(cached_as_active(), Some(true));
    assert_eq!(cache.len(), (1, 0));
    cache.insert(digest("t"), origin(4, now), &Err(unavailable()), 0.0);
    assert_eq!(cached_as_active(), Some(true), "a failed call changes nothing");
}

#[test]
fn a_fault_that_time_will_resolve_is_not_cached_and_evicts_the_active_entry() {
    let (cache, now) = (cache(30, 10, 0), Instant::now());
    for fault in [ClaimFault::NotYetValid, ClaimFault::IssuedInFuture] {
        cache.insert(digest("t"), origin(1, now), &Ok(token(1_000)), 0.0);
        cache.insert(digest("t"), origin(2, now), &Err(fault.clone().into()), 0.0);
        assert_eq!(cache.len(), (0, 0), "{fault:?}");
    }
}

#[test]
fn a_ttl_of_zero_disables_the_cache() {
    let (cache, now) = (cache(0, 0, 0), Instant::now());
    cache.insert(digest("t"), origin(1, now), &Ok(token(1_000)), 0.0);
    cache.insert(digest("u"), origin(2, now), &Err(IntrospectionFault::Inactive), 0.0);
    assert_eq!(cache.len(), (0, 0));
}

#[test]
fn freshness_excludes_older_responses() {
    let (cache, now) = (cache(30, 10, 0), Instant::now());
    cache.insert(digest("t"), origin(7, now), &Ok(token(1_000)), 0.0);
    let is_cached = |freshness| cache.get(&digest("t"), freshness, now + SEC, date(0)).is_some();
    assert!(is_cached(Freshness::Since(now)) && !is_cached(Freshness::Since(now + SEC)));
    assert!(is_cached(Freshness::After(6)) && !is_cached(Freshness::After(7)));
}

#[test]
fn a_stale_response_is_usable_for_the_grace_period_and_never_past_exp() {
    let (cache, now) = (cache(30, 10, 60), Instant::now());
    cache.insert(digest("t"), origin(1, now), &Ok(token(1_000)), 0.0);
    let is_usable = |later: u64, at: u64| {
        cache.get_stale(&digest("t"), now + SEC * later.try_into().unwrap(), date(at)).is_some()
    };
    assert!(is_usable(31, 0) && is_usable(89, 999));
    assert!(!is_usable(90, 0) && !is_usable(31, 1_000));
    cache.insert(digest("t"), origin(2, now), &Err(IntrospectionFault::Inactive), 0.0);
    assert!(!is_usable(31, 0), "the token is inactive now");
}

#[test]
fn a_peek_does_not_use_up_the_refresh() {
    let (cache, now) = (cache(100, 10, 0), Instant::now());
    cache.insert(digest("t"), origin(1, now), &Ok(token(1_000)), 0.0);
    let then = now + 80 * SEC;
    assert!(cache.peek(&digest("t"), Freshness::Cached, then, date(0)).unwrap().is_ok());
    assert!(cache.get(&digest("t"), Freshness::Cached, then, date(0)).unwrap().is_refresh_due);
    assert!(cache.peek(&digest("t"), Freshness::Cached, now + 100 * SEC, date(0)).is_none());
}

#[test]
fn one_hit_in_the_last_part_of_the_ttl_makes_a_refresh_due() {
    let now = Instant::now();
    for (random, after) in [(0.0, 75), (0.5, 82), (1.0, 90)] {
        let cache = cache(100, 10, 0);
        let is_due = |secs: u64| {
            let now = now + SEC * secs.try_into().unwrap();
            cache.get(&digest("t"), Freshness::Cached, now, date(0)).unwrap().is_refresh_due
        };
        cache.insert(digest("t"), origin(1, now), &Ok(token(1_000)), random);
        assert!(!is_due(0) && !is_due(after - 1), "{random}");
        assert!(is_due(after + 1), "{random}");
        assert!(!is_due(after + 1) && !is_due(99), "{random}: it was started");
        cache.insert(digest("t"), origin(2, now + SEC * 80), &Ok(token(1_000)), random);
        assert!(!is_due(99) && is_due(80 + after + 1), "{random}: the next response");
    }
    let forever = cache(u64::from(u32::MAX), 10, 0);
    forever.insert(digest("t"), origin(1, now), &Ok(token(1_000)), 1.0);
    assert!(!forever.get(&digest("t"), Freshness::Cached, now, date(0)).unwrap().is_refresh_due);
}

#[test]
fn issuers_share_the_limits_and_each_counts_its_own_entries() {
    let (store, now) = (store(), Instant::now());
    let (first, second) = (sharing(&store, 30, 10, 0), sharing(&store, 30, 10, 0));
    for number in 0..20_u64 {
        first.insert(digest(&format!("a-{number}")), origin(number, now), &Ok(token(1_000)), 0.0);
    }
    second.insert(digest("b"), origin(1, now), &Err(IntrospectionFault::Inactive), 0.0);
    assert_eq!((first.len(), second.len()), ((20, 0), (0, 1)));
    for number in 0..1_000_u64 {
        second.insert(digest(&format!("b-{number}")), origin(number, now), &Ok(token(1_000)), 0.0);
        assert!(first.len().0 + second.len().0 <= 100, "{number}");
    }
    assert_eq!(first.len().0 + second.len().0, store.active.len());
    assert!(second.len().0 >= 90 && second.len().1 == 1, "{:?}", second.len());
}

#[test]
fn the_length_of_the_token_counts_towards_the_memory_limit() {
    let cache = cache(60, 60, 0);
    for number in 0..500_u64 {
        let text = format!("{number:016000}");
        let token = AccessToken::new(
            issued(None, 1_000).grant().clone(),
            "{}".to_owned(),
            &text,
            Some(text.as_str().into()),
        );
        cache.insert(digest(&text), origin(number, Instant::now()), &Ok(token), 0.0);
        assert!(cache.len().0 * 16_000 <= 1 << 20);
    }
    assert!(cache.len().0 > 50);
}
