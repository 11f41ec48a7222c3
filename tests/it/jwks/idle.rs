//! Keys that nobody uses cause no traffic.

use tracing::Level;

use super::*;
use crate::support::log::Log;

/// The state of the authorization server in words.
fn server(fault: Option<&Fault>) -> String {
    fault.map_or_else(|| "server available".to_owned(), |fault| format!("{fault:?}"))
}

/// A token that names `issuer`, with a signature of zeros.
fn unsigned(idp: &TestIssuer) -> String {
    let token = idp.token(API).sign();
    let (input, _) = token.rsplit_once('.').unwrap();
    format!("{input}.{}", encode([0; 64]))
}

/// The requests and the warnings within a day, after one unsigned token for each of 100 issuers.
async fn requests_and_warnings_within_a_day(fault: Option<Fault>) -> (usize, usize) {
    let log = Log::start();
    let issuers: Vec<TestIssuer> =
        (0..100).map(|n| TestIssuer::in_memory(format!("https://tenant-{n}.example"))).collect();
    let clients =
        issuers.iter().skip(1).fold(issuers[0].http_client(), |all, idp| all.and(idp.http_client()));
    let builder = issuers[1..]
        .iter()
        .fold(issuers[0].bearer_auth(API), |builder, idp| builder.add_issuer(idp.issuer()))
        .http_client(clients);
    let api = Protected::by(&builder.build().unwrap());
    for idp in &issuers {
        idp.set_outage(fault.clone());
        assert_ne!(api.outcome(unsigned(idp)).await, ACCEPTED);
    }
    sleep(24 * HOUR).await;
    let alive = tokio::runtime::Handle::current().metrics().num_alive_tasks();
    figure("2.6", format_args!("tasks alive after 24 idle hours, {}", server(fault.as_ref())), alive, 0);
    assert_eq!(alive, 0, "{fault:?}");
    let requests = |idp: &TestIssuer| idp.requests(Endpoint::Metadata) + idp.requests(Endpoint::Jwks);
    let warnings = log.events().into_iter().filter(|event| event.level <= Level::WARN).count();
    (issuers.iter().map(requests).sum(), warnings)
}

#[tokio::test(start_paused = true)]
async fn an_unsigned_token_starts_no_task_that_lives_on() {
    for (fault, most) in [(None, 300), (Some(Fault::Refuse), 1500), (Some(Fault::Hang), 600)] {
        let (sent, warnings) = requests_and_warnings_within_a_day(fault.clone()).await;
        let day = format!("in 24 idle hours, 100 issuers, {}", server(fault.as_ref()));
        figure("2.6", format_args!("requests {day}"), sent, format_args!("at most {most}"));
        figure("2.6", format_args!("events at WARN {day}"), warnings, format_args!("at most {most}"));
        assert!(sent <= most, "{fault:?}: {sent} requests of 100 issuers");
        assert!(warnings <= most, "{fault:?}: {warnings} warnings about 100 issuers");
    }
}

#[tokio::test(start_paused = true)]
async fn keys_are_refreshed_once_after_their_last_use_and_fetched_again_by_the_next() {
    let idp = TestIssuer::new();
    let api = Protected::by(&idp.bearer_auth(API).build().unwrap());
    let token = idp.token(API).lifetime(100 * HOUR).sign();
    assert_eq!(api.outcome(&token).await, ACCEPTED);
    sleep(24 * HOUR).await;
    assert_eq!((idp.requests(Endpoint::Jwks), idp.requests(Endpoint::Metadata)), (2, 1));
    assert_eq!(api.outcome(&token).await, ACCEPTED);
    assert_eq!(idp.requests(Endpoint::Jwks), 3);
    // A token that is accepted from the cache is a use as well.
    for _ in 0..24 * 60 {
        sleep(MINUTE).await;
        assert_eq!(api.outcome_at_once(&token), ACCEPTED);
    }
    assert!((150..200).contains(&idp.requests(Endpoint::Jwks)), "{}", idp.requests(Endpoint::Jwks));
}

#[tokio::test(start_paused = true)]
async fn an_idle_issuer_stays_usable_in_the_status() {
    let idp = TestIssuer::new();
    let auth = idp.bearer_auth(API).build().unwrap();
    auth.ready().await.unwrap();
    sleep(4 * HOUR).await;
    assert!(auth.status()[0].keys().unwrap().is_usable(), "a health check must not remove an idle instance");
    assert!(auth.ready().await.is_ok());
    assert_eq!(idp.requests(Endpoint::Jwks), 2);
}
