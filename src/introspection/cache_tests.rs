//! What is remembered, for how long, and what never is.

use super::*;
use crate::access_token::Grant;
use crate::bearer::ScopeSet;
use crate::jwt::claims::ClaimFault;
use crate::transport::{FetchError, FetchErrorKind};

const SEC: Duration = Duration::from_secs(1);

fn cache(active: u64, inactive: u64, stale: u64) -> ResponseCache {
    ResponseCache::new(CachePolicy {
        active_ttl: SEC * active.try_into().unwrap(),
        inactive_ttl: SEC * inactive.try_into().unwrap(),
        stale_for: SEC * stale.try_into().unwrap(),
        max_token_age: Some(SEC * 500),
        limits: CacheLimits { entries: 100, bytes: 1 << 20 },
    })
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
        token_id: None,
        acr: None,
        jwt: false,
        username: None,
    };
    AccessToken::new(grant, "{}".to_owned(), None)
}

fn digest(token: &str) -> TokenDigest {
    RequestContext::new(&["issuer".to_owned()]).digest(token)
}

fn origin(call: u64, asked_at: Instant) -> Origin {
    Origin { call, asked_at }
}

fn unavailable() -> IntrospectionFault {
    IntrospectionFault::of(std::sync::Arc::new(FetchError::from(FetchErrorKind::TimedOut)))
}

#[test]
fn the_key_depends_on_the_token_and_on_everything_that_shaped_the_answer() {
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
fn an_active_token_is_remembered_for_its_time_and_never_past_its_end() {
    let (cache, now) = (cache(30, 10, 0), Instant::now());
    cache.remember(digest("t"), origin(1, now), &Ok(token(1_000)));
    let known = |later: u64, at: u64| {
        let now = now + SEC * later.try_into().unwrap();
        cache.recall(&digest("t"), Freshness::Cached, now, date(at)).is_some()
    };
    assert!(known(0, 900) && known(29, 999));
    assert!(!known(30, 900), "its time is over");
    assert!(!known(0, 1_000), "the token has ended");
    assert!(cache.recall(&digest("u"), Freshness::Cached, now, date(900)).is_none(), "another token");
}

#[test]
fn a_token_that_grows_too_old_is_not_remembered_beyond_that() {
    let (cache, now) = (cache(30, 10, 60), Instant::now());
    cache.remember(digest("t"), origin(1, now), &Ok(issued(Some(100), 1_000)));
    let known = |at| cache.recall(&digest("t"), Freshness::Cached, now, date(at)).is_some();
    assert!(known(599) && !known(600));
    assert!(cache.recall_stale(&digest("t"), now, date(600)).is_none());
    cache.remember(digest("u"), origin(1, now), &Ok(issued(Some(900), 1_000)));
    assert!(cache.recall(&digest("u"), Freshness::Cached, now, date(1_000)).is_none(), "its end comes first");
}

#[test]
fn a_newer_answer_replaces_the_older_one_in_either_space() {
    let (cache, now) = (cache(30, 10, 0), Instant::now());
    let recalled = || cache.recall(&digest("t"), Freshness::Cached, now, date(0)).map(|known| known.is_ok());
    cache.remember(digest("t"), origin(1, now), &Ok(token(1_000)));
    cache.remember(digest("t"), origin(2, now), &Err(IntrospectionFault::Inactive));
    assert_eq!(recalled(), Some(false));
    assert_eq!(cache.len(), (0, 1));
    cache.remember(digest("t"), origin(3, now), &Ok(token(1_000)));
    assert_eq!(recalled(), Some(true));
    assert_eq!(cache.len(), (1, 0));
    cache.remember(digest("t"), origin(4, now), &Err(unavailable()));
    assert_eq!(recalled(), Some(true), "a failed call says nothing");
}

#[test]
fn what_will_be_otherwise_soon_is_not_remembered_and_withdraws_what_was() {
    let (cache, now) = (cache(30, 10, 0), Instant::now());
    for fault in [ClaimFault::NotYetValid, ClaimFault::IssuedInFuture] {
        cache.remember(digest("t"), origin(1, now), &Ok(token(1_000)));
        cache.remember(digest("t"), origin(2, now), &Err(fault.clone().into()));
        assert_eq!(cache.len(), (0, 0), "{fault:?}");
    }
}

#[test]
fn nothing_is_remembered_for_no_time() {
    let (cache, now) = (cache(0, 0, 0), Instant::now());
    cache.remember(digest("t"), origin(1, now), &Ok(token(1_000)));
    cache.remember(digest("u"), origin(2, now), &Err(IntrospectionFault::Inactive));
    assert_eq!(cache.len(), (0, 0));
}

#[test]
fn a_fresher_answer_can_be_asked_for() {
    let (cache, now) = (cache(30, 10, 0), Instant::now());
    cache.remember(digest("t"), origin(7, now), &Ok(token(1_000)));
    let known = |freshness| cache.recall(&digest("t"), freshness, now + SEC, date(0)).is_some();
    assert!(known(Freshness::Since(now)) && !known(Freshness::Since(now + SEC)));
    assert!(known(Freshness::After(6)) && !known(Freshness::After(7)));
}

#[test]
fn a_stale_answer_will_do_for_so_long_and_never_past_the_end_of_the_token() {
    let (cache, now) = (cache(30, 10, 60), Instant::now());
    cache.remember(digest("t"), origin(1, now), &Ok(token(1_000)));
    let stale = |later: u64, at: u64| {
        cache.recall_stale(&digest("t"), now + SEC * later.try_into().unwrap(), date(at)).is_some()
    };
    assert!(stale(31, 0) && stale(89, 999));
    assert!(!stale(90, 0) && !stale(31, 1_000));
    cache.remember(digest("t"), origin(2, now), &Err(IntrospectionFault::Inactive));
    assert!(!stale(31, 0), "it was said to be inactive");
}

#[test]
fn the_text_of_a_token_counts_for_the_limit() {
    let cache = cache(60, 60, 0);
    for number in 0..500_u64 {
        let text = format!("{number:016000}");
        let token = AccessToken::new(
            issued(None, 1_000).grant().clone(),
            "{}".to_owned(),
            Some(text.as_str().into()),
        );
        cache.remember(digest(&text), origin(number, Instant::now()), &Ok(token));
        assert!(cache.len().0 * 16_000 <= 1 << 20);
    }
    assert!(cache.len().0 > 50);
}
