//! How soon the service is back after a failure.

use super::*;

/// The outcomes of 100 concurrent requests with a token of a new key, which the server publishes while it
/// acts like this.
async fn outcomes_at_a_rotation(acts: Vec<Act>) -> Vec<Result<(), tower_bearer::RejectionKind>> {
    let idp = TestIssuer::in_memory(ISSUER);
    let net = Net::to(&idp);
    let api = Protected::by(&discovering(&idp, &net));
    assert_eq!(api.outcome(idp.token(API).sign()).await, ACCEPTED);
    idp.rotate_key();
    net.then(acts);
    let mut requests = JoinSet::new();
    for _ in 0..100 {
        let (api, token) = (api.clone(), idp.token(API).sign());
        requests.spawn(async move { api.outcome(token).await });
    }
    requests.join_all().await
}

#[tokio::test(start_paused = true)]
async fn a_lost_connection_or_a_short_failure_during_a_rotation_rejects_no_request() {
    let failed = || Act::Instead(Reply::status(503));
    for (name, acts) in [
        ("lost", vec![Act::Lost]),
        ("lost twice", vec![Act::Lost, Act::Lost]),
        ("refused", vec![Act::Instead(Reply::Refused)]),
        ("503", vec![failed()]),
        ("503 three times", vec![failed(), failed(), failed()]),
        ("a panic", vec![Act::Panic]),
    ] {
        let outcomes = outcomes_at_a_rotation(acts).await;
        let rejected = outcomes.iter().filter(|outcome| **outcome != ACCEPTED).count();
        figure("2.4", format_args!("rejected of {} at a rotation, {name}", outcomes.len()), rejected, 0);
        assert_eq!(rejected, 0, "{name}: of {}", outcomes.len());
    }
}

#[tokio::test(start_paused = true)]
async fn the_service_is_back_within_five_seconds_of_the_server() {
    for fault in [Fault::Refuse, Fault::Hang, Fault::Status(503), Fault::Status(404)] {
        let mut worst = Duration::ZERO;
        for outage in 40..50 {
            let idp = TestIssuer::new();
            let api = Protected::by(&idp.bearer_auth(API).build().unwrap());
            let token = idp.token(API).sign();
            idp.set_outage(Some(fault.clone()));
            let end = Instant::now() + outage * SECOND;
            // One request every 250 ms, whether or not the earlier ones still wait.
            let mut requests = JoinSet::new();
            while Instant::now() < end {
                let (api, token) = (api.clone(), token.clone());
                requests.spawn(async move { api.outcome(token).await });
                sleep(SECOND / 4).await;
            }
            requests.abort_all();
            idp.set_outage(None);
            while api.outcome(&token).await != ACCEPTED {
                sleep(SECOND / 4).await;
            }
            worst = worst.max(end.elapsed());
        }
        let quantity = format!("longest recovery after outages of 40 s to 49 s, {fault:?}");
        figure("2.8", quantity, format_args!("{worst:?}"), "at most 5 s");
        assert!(worst <= 5 * SECOND, "{fault:?}: {worst:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn requests_are_rejected_at_once_in_a_long_outage() {
    let idp = TestIssuer::new();
    let api = Protected::by(&idp.bearer_auth(API).build().unwrap());
    idp.set_outage(Some(Fault::Refuse));
    let token = idp.token(API).sign();
    for _ in 0..2 {
        assert_eq!(api.outcome(&token).await, Err(KeysUnavailable));
    }
    let start = Instant::now();
    for _ in 0..100 {
        assert_eq!(api.outcome(&token).await, Err(KeysUnavailable));
    }
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn the_retry_after_of_a_key_set_is_honored() {
    let idp = TestIssuer::in_memory(ISSUER);
    let net = Net::of(&idp);
    net.set(JWKS, Reply::status(503).header("retry-after", "20"));
    let api = Protected::by(&discovering(&idp, &net));
    let (token, start) = (idp.token(API).sign(), Instant::now());
    let response = api.get(&token).await;
    assert_eq!(response.outcome(), Err(KeysUnavailable));
    assert_eq!(response.rejection().unwrap().retry_after(), Some(20 * SECOND));
    for _ in 0..16 {
        sleep(SECOND).await;
        assert_eq!(api.outcome(&token).await, Err(KeysUnavailable));
    }
    assert_eq!(net.count(JWKS), 1);
    net.set(JWKS, Reply::body(idp.jwks()));
    // The retry is due within the time that a request waits.
    sleep(2 * SECOND).await;
    let outcome = api.outcome(&token).await;
    let shown = format!("{} after {:?}", verdict(outcome), start.elapsed());
    figure("2.7", "request that stays for the retry, key set with `Retry-After: 20`", shown, "accepted");
    assert_eq!(outcome, ACCEPTED);
}
