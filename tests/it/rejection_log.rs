//! The log in a flood of rejected requests: each kind has a limit, and nothing is lost without a count.

use std::time::Duration;

use tokio::time::advance;
use tower::Layer;
use tower_bearer::RejectionKind::{Missing, NotCovered, ScopeInsufficient, TokenExpired, TokenMalformed};
use tower_bearer::builder::ConfigProblem;
use tower_bearer::testing::TestIssuer;
use tower_bearer::{BearerAuth, BearerAuthBuilder, Require};
use tracing::Level;

use crate::support::log::{Entry, Log};
use crate::support::protected::{ACCEPTED, API, Handler, Protected, anonymous, get, send};

const SECOND: Duration = Duration::from_secs(1);
/// No token: three parts that are not base64url.
const MALFORMED: &str = "a.b.c";

/// A `BearerAuth` whose keys are cached.
async fn bearer_auth(
    idp: &TestIssuer,
    set: impl FnOnce(BearerAuthBuilder) -> BearerAuthBuilder,
) -> BearerAuth {
    let auth = set(idp.bearer_auth(API)).build().unwrap();
    assert_eq!(Protected::by(&auth).outcome(idp.token(API).sign()).await, ACCEPTED);
    auth
}

/// The kind of each event, and the count of the suppressed ones.
fn kinds(log: &Log) -> Vec<(String, Option<u64>)> {
    log.requests().iter().map(|event| (kind(event), suppressed(event))).collect()
}

fn kind(event: &Entry) -> String {
    event.field("kind").unwrap().to_owned()
}

fn suppressed(event: &Entry) -> Option<u64> {
    event.field("suppressed").map(|count| count.parse().unwrap())
}

/// Sends this many requests with this token, all of which are rejected.
async fn flood(api: &Protected, requests: usize, token: &str) {
    for _ in 0..requests {
        assert!(api.outcome(token).await.is_err());
    }
}

#[tokio::test(start_paused = true)]
async fn ten_rejections_of_a_kind_are_logged_and_then_one_per_second() {
    let auth = bearer_auth(&TestIssuer::new(), |builder| builder).await;
    let api = Protected::by(&auth);
    let log = Log::start();
    flood(&api, 10, MALFORMED).await;
    assert_eq!(kinds(&log), vec![("token_malformed".to_owned(), None); 10]);
    let mut logged = Vec::new();
    for _ in 0..5 {
        flood(&api, 100, MALFORMED).await;
        logged.push(log.requests().len());
        advance(SECOND).await;
    }
    assert_eq!(logged, [10, 11, 12, 13, 14]);
    let counts: Vec<_> = log.requests()[10..].iter().map(suppressed).collect();
    assert_eq!(counts, [Some(100), Some(99), Some(99), Some(99)]);
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_one_kind_hides_no_other_kind() {
    let idp = TestIssuer::new();
    let auth = bearer_auth(&idp, |builder| builder).await;
    let api = Protected::by(&auth);
    flood(&api, 1_000, MALFORMED).await;
    let log = Log::start();
    assert_eq!(api.outcome(idp.token(API).expired().sign()).await, Err(TokenExpired));
    let route = auth.layer(Require::scope("admin").layer(Handler::default()));
    assert_eq!(send(route, get(idp.token(API).sign())).await.outcome(), Err(ScopeInsufficient));
    assert_eq!(send(auth.layer(Handler::default()), anonymous("GET")).await.outcome(), Err(Missing));
    let of_kinds = ["token_expired", "scope_insufficient", "missing"];
    assert_eq!(kinds(&log), of_kinds.map(|kind| (kind.to_owned(), None)));
}

#[tokio::test(start_paused = true)]
async fn the_count_of_an_ended_flood_comes_with_the_next_rejection_of_any_kind() {
    let auth = bearer_auth(&TestIssuer::new(), |builder| builder).await;
    let api = Protected::by(&auth);
    let anyone = || send(auth.layer(Handler::default()), anonymous("GET"));
    flood(&api, 110, MALFORMED).await;
    let log = Log::start();
    advance(SECOND * 9).await;
    assert_eq!(anyone().await.outcome(), Err(Missing));
    assert_eq!(kinds(&log), [("missing".to_owned(), None)], "the flood may go on");
    advance(SECOND).await;
    assert_eq!(anyone().await.outcome(), Err(Missing));
    assert_eq!(anyone().await.outcome(), Err(Missing));
    let missing = ("missing".to_owned(), None);
    let of_flood = ("token_malformed".to_owned(), Some(100));
    assert_eq!(kinds(&log), [missing.clone(), missing.clone(), of_flood, missing]);
    let event = &log.requests()[2];
    assert_eq!((event.level, event.field("message")), (Level::INFO, Some("rejections suppressed")));
}

#[tokio::test(start_paused = true)]
async fn events_for_the_operator_are_limited_too() {
    let route = Require::token().layer(Handler::default());
    let log = Log::start();
    for _ in 0..20 {
        assert_eq!(send(route.clone(), anonymous("GET")).await.outcome(), Err(NotCovered));
    }
    assert_eq!(kinds(&log), vec![("not_covered".to_owned(), None); 10]);
    advance(SECOND).await;
    assert_eq!(send(route, anonymous("GET")).await.outcome(), Err(NotCovered));
    let event = &log.requests()[10];
    assert_eq!((event.level, suppressed(event)), (Level::ERROR, Some(10)));
}

#[tokio::test(start_paused = true)]
async fn a_higher_limit_logs_more_and_the_highest_logs_every_event() {
    for (limit, at_once, one_second_later) in [(2, 10, 12), (50, 50, 100), (u32::MAX, 200, 400)] {
        let set = |builder: BearerAuthBuilder| builder.max_rejection_events_per_second(limit);
        let api = Protected::by(&bearer_auth(&TestIssuer::new(), set).await);
        let log = Log::start();
        flood(&api, 200, MALFORMED).await;
        assert_eq!(log.requests().len(), at_once, "{limit}");
        advance(SECOND).await;
        flood(&api, 200, MALFORMED).await;
        assert_eq!(log.requests().len(), one_second_later, "{limit}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_view_shares_the_limit_of_its_bearer_auth() {
    let auth = bearer_auth(&TestIssuer::new(), |builder| builder).await;
    flood(&Protected::by(&auth), 10, MALFORMED).await;
    let log = Log::start();
    let view = Protected::by(&auth.view().optional().build().unwrap());
    assert_eq!(view.outcome(MALFORMED).await, Err(TokenMalformed));
    assert_eq!(kinds(&log), []);
}

#[test]
fn a_limit_of_zero_is_an_error_that_names_the_filter() {
    let builder = TestIssuer::new().bearer_auth(API).max_rejection_events_per_second(0);
    let error = builder.build().unwrap_err();
    let [problem @ ConfigProblem::SettingUnusable { setting, hint, .. }] = error.problems() else {
        panic!("{error}");
    };
    assert_eq!(setting, "max_rejection_events_per_second", "{problem}");
    assert!(hint.contains("filter the target `tower_bearer`"), "{problem}");
}
