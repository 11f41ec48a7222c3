//! Issuers that are added, replaced and removed while requests are served.

mod clients;
mod fallbacks;
mod introspected;
mod public_addresses;
mod resolver;
mod shared_keys;
mod snapshot;
mod under_load;

use std::time::Duration;

use tokio::time::sleep;
use tower_bearer::RejectionKind::{ClaimMissing, IssuerUnknown, KeysUnavailable};
use tower_bearer::builder::ConfigProblem;
use tower_bearer::testing::{Endpoint, Fault, TestIssuer};
use tower_bearer::{BearerAuth, ConfigError, Issuer};

use crate::support::protected::{ACCEPTED, API, Protected};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

/// An API that can reach two test issuers and trusts the first.
struct TwoIssuers {
    first: TestIssuer,
    second: TestIssuer,
    auth: BearerAuth,
    api: Protected,
}

impl TwoIssuers {
    fn new() -> Self {
        let first = TestIssuer::in_memory("https://first.test");
        let second = TestIssuer::in_memory("https://second.test");
        let client = first.http_client().and(second.http_client());
        let builder = BearerAuth::builder(API).clock(first.clock()).http_client(client);
        let auth = builder.issuer(first.issuer()).skip_start_check().build().unwrap();
        Self { api: Protected::by(&auth), first, second, auth }
    }

    fn add_second(&self) {
        self.auth.issuers().add(self.second.issuer()).unwrap();
    }
}

fn problems(result: Result<(), ConfigError>) -> Vec<ConfigProblem> {
    result.unwrap_err().problems().to_vec()
}

#[tokio::test(start_paused = true)]
async fn an_added_issuer_serves_the_next_request_and_the_others_keep_their_keys() {
    let TwoIssuers { first, second, auth, api } = TwoIssuers::new();
    let (of_first, of_second) = (first.token(API).sign(), second.token(API).sign());
    assert_eq!(api.outcome(&of_first).await, ACCEPTED);
    assert_eq!(api.outcome(&of_second).await, Err(IssuerUnknown));
    auth.issuers().add(second.issuer()).unwrap();
    assert_eq!(api.outcome(&of_second).await, ACCEPTED);
    assert_eq!(api.outcome_at_once(&of_first), ACCEPTED);
    assert_eq!(api.outcome_at_once(first.token(API).sign()), ACCEPTED);
    assert_eq!((first.requests(Endpoint::Jwks), second.requests(Endpoint::Jwks)), (1, 1));
    assert_eq!(auth.issuers().list(), ["https://first.test", "https://second.test"]);
    assert_eq!(auth.status().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_cached_tokens_of_a_removed_issuer_are_rejected_at_once() {
    let two = TwoIssuers::new();
    two.add_second();
    let (of_first, of_second) = (two.first.token(API).sign(), two.second.token(API).sign());
    assert_eq!(two.api.outcome(&of_first).await, ACCEPTED);
    assert_eq!(two.api.outcome(&of_second).await, ACCEPTED);
    assert_eq!(two.auth.cached_tokens(), 2);
    assert!(two.auth.issuers().remove("https://second.test"));
    assert_eq!(two.api.outcome_at_once(&of_second), Err(IssuerUnknown));
    assert_eq!(two.api.outcome_at_once(&of_first), ACCEPTED);
    assert_eq!(two.auth.issuers().list(), ["https://first.test"]);
    assert!(!two.auth.issuers().remove("https://second.test"), "twice");
    two.add_second();
    assert_eq!(two.api.outcome(&of_second).await, ACCEPTED, "added again");
    assert_eq!(two.second.requests(Endpoint::Jwks), 2, "it starts without keys");
}

#[tokio::test(start_paused = true)]
async fn a_request_that_waits_for_keys_of_a_removed_issuer_is_rejected() {
    let two = TwoIssuers::new();
    two.add_second();
    two.second.set_fault(Endpoint::Jwks, Some(Fault::Delay(2 * SECOND)));
    let start = tokio::time::Instant::now();
    let remove = async {
        sleep(SECOND).await;
        two.auth.issuers().remove("https://second.test");
    };
    let (outcome, ()) = tokio::join!(two.api.outcome(two.second.token(API).sign()), remove);
    assert_eq!(outcome, Err(IssuerUnknown));
    assert_eq!(start.elapsed().as_secs(), 1, "the removal ends the wait");
}

#[tokio::test(start_paused = true)]
async fn a_request_that_waits_for_keys_of_a_replaced_issuer_is_validated_under_the_new_settings() {
    for (tenant, expected) in [(Some("acme"), ACCEPTED), (None, Err(ClaimMissing))] {
        let two = TwoIssuers::new();
        two.add_second();
        two.second.set_fault(Endpoint::Jwks, Some(Fault::Delay(2 * SECOND)));
        let token = two.second.token(API);
        let token = match tenant {
            Some(tenant) => token.claim("tenant", tenant),
            None => token,
        };
        let replace = async {
            sleep(SECOND).await;
            two.auth.issuers().replace(two.second.issuer().require_claim("tenant")).unwrap();
        };
        let (outcome, ()) = tokio::join!(two.api.outcome(token.sign()), replace);
        assert_eq!(outcome, expected, "{tenant:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_replaced_issuer_validates_cached_tokens_again() {
    let TwoIssuers { first, auth, api, .. } = TwoIssuers::new();
    let plain = first.token(API).sign();
    let with_tenant = first.token(API).claim("tenant", "acme").sign();
    for token in [&plain, &with_tenant] {
        assert_eq!(api.outcome(token).await, ACCEPTED);
    }
    auth.issuers().replace(first.issuer().require_claim("tenant")).unwrap();
    assert_eq!(api.outcome(&plain).await, Err(ClaimMissing));
    assert_eq!(api.outcome(&with_tenant).await, ACCEPTED);
    auth.issuers().replace(first.issuer()).unwrap();
    assert_eq!(api.outcome(&plain).await, ACCEPTED, "the claim is not required any more");
}

#[tokio::test(start_paused = true)]
async fn the_refresh_task_of_a_removed_issuer_ends_although_its_tokens_are_cached() {
    let two = TwoIssuers::new();
    two.add_second();
    let token = two.second.token(API).lifetime(24 * HOUR).sign();
    assert_eq!(two.api.outcome(&token).await, ACCEPTED);
    assert_eq!(two.auth.cached_tokens(), 1);
    two.auth.issuers().remove("https://second.test");
    let fetches = two.second.requests(Endpoint::Jwks);
    for _ in 0..20 {
        two.first.clock().advance(HOUR / 4);
        sleep(HOUR / 4).await;
        assert_eq!(two.api.outcome(&token).await, Err(IssuerUnknown));
    }
    assert_eq!(two.second.requests(Endpoint::Jwks), fetches);
}

#[tokio::test(start_paused = true)]
async fn an_issuer_is_checked_like_those_of_the_builder_and_a_problem_changes_nothing() {
    let TwoIssuers { first, auth, api, .. } = TwoIssuers::new();
    let token = first.token(API).sign();
    assert_eq!(api.outcome(&token).await, ACCEPTED);
    let issuers = auth.issuers();
    let repeated = problems(issuers.add(Issuer::discover("https://first.test").require_claim("x")));
    let [ConfigProblem::IssuerRepeated { issuer, .. }] = &repeated[..] else { panic!("{repeated:?}") };
    assert_eq!(issuer, "https://first.test");
    for result in [
        issuers.add(Issuer::discover("http://login.example.com").require_claim("")),
        issuers.replace(Issuer::discover("http://login.example.com").require_claim("")),
    ] {
        let problems = problems(result);
        assert_eq!(problems.len(), 2, "{problems:?}");
        assert!(matches!(problems[0], ConfigProblem::IssuerUnusable { .. }));
        assert!(matches!(problems[1], ConfigProblem::ClaimNameEmpty { .. }));
    }
    assert_eq!(issuers.list(), ["https://first.test"]);
    assert_eq!(api.outcome_at_once(&token), ACCEPTED);
}

#[tokio::test(start_paused = true)]
async fn an_api_without_issuers_rejects_every_token_until_one_is_added() {
    let idp = TestIssuer::new();
    let builder = BearerAuth::builder(API).clock(idp.clock()).http_client(idp.http_client());
    let auth = builder.allow_no_issuer().build().unwrap();
    let api = Protected::by(&auth);
    let token = idp.token(API).sign();
    assert_eq!(api.outcome(&token).await, Err(IssuerUnknown));
    assert!(auth.ready().await.is_ok(), "nothing is unavailable");
    auth.issuers().add(idp.issuer()).unwrap();
    assert_eq!(api.outcome(&token).await, ACCEPTED);
    assert!(auth.issuers().remove(idp.identifier()));
    assert_eq!(api.outcome(&token).await, Err(IssuerUnknown));
}

#[tokio::test(start_paused = true)]
async fn ready_does_not_wait_for_an_issuer_that_is_removed_meanwhile() {
    let two = TwoIssuers::new();
    two.add_second();
    two.second.set_outage(Some(Fault::Hang));
    let remove = async {
        sleep(SECOND).await;
        two.auth.issuers().remove("https://second.test");
    };
    let start = tokio::time::Instant::now();
    let (ready, ()) = tokio::join!(two.auth.ready_all(), remove);
    assert!(ready.is_ok(), "{ready:?}");
    assert!(start.elapsed() <= 2 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn one_unavailable_issuer_does_not_delay_the_others() {
    let two = TwoIssuers::new();
    two.add_second();
    two.second.set_outage(Some(Fault::Hang));
    let start = tokio::time::Instant::now();
    let (of_second, of_first) = tokio::join!(two.api.outcome(two.second.token(API).sign()), async {
        (two.api.outcome(two.first.token(API).sign()).await, start.elapsed())
    });
    assert_eq!(of_second, Err(KeysUnavailable));
    assert_eq!(of_first, (ACCEPTED, Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn dropping_the_api_ends_the_tasks_of_added_issuers() {
    let TwoIssuers { first, second, auth, api } = TwoIssuers::new();
    let issuers = auth.issuers();
    issuers.add(second.issuer()).unwrap();
    assert_eq!(api.outcome(second.token(API).sign()).await, ACCEPTED);
    drop((auth, api, issuers));
    let fetches = second.requests(Endpoint::Jwks);
    first.clock().advance(HOUR);
    sleep(HOUR).await;
    assert_eq!(second.requests(Endpoint::Jwks), fetches);
}
