//! A tenant is added, used and removed under load: no good token is rejected, and no token of a removed
//! issuer is accepted.

use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, interval, sleep_until};
use tower_bearer::BearerAuth;
use tower_bearer::RejectionKind::IssuerUnknown;
use tower_bearer::testing::{Fault, TestIssuer};

use crate::support::introspected::introspection;
use crate::support::protected::{ACCEPTED, API, Outcome, Protected};

const SECOND: Duration = Duration::from_secs(1);

/// The interval of requests: 1 000 per second.
const INTERVAL: Duration = Duration::from_millis(1);

/// The time that a response of an authorization server takes.
const LATENCY: Duration = Duration::from_millis(40);

/// A request of the load.
struct Sample {
    started_at: Duration,
    ended_at: Duration,
    is_of_tenant: bool,
    outcome: Outcome,
}

#[tokio::test(start_paused = true)]
async fn a_tenant_comes_and_goes_under_load_and_every_token_gets_what_it_deserves() {
    let (base, tenant) =
        (TestIssuer::in_memory("https://base.test"), TestIssuer::in_memory("https://tenant.test"));
    for idp in [&base, &tenant] {
        idp.set_outage(Some(Fault::Delay(LATENCY)));
    }
    let client = base.http_client().and(tenant.http_client());
    let builder = BearerAuth::builder(API).clock(base.clock()).http_client(client);
    let auth = builder.issuer(base.issuer()).build().unwrap();
    let samples = tokio::spawn(load(Protected::by(&auth), base, tenant.clone()));
    let (issuers, start) = (auth.issuers(), Instant::now());
    let introspected = || tenant.issuer().introspect(introspection().also_jwts());
    sleep_until(start + SECOND).await;
    issuers.add(tenant.issuer()).unwrap();
    sleep_until(start + 2 * SECOND).await;
    issuers.replace(introspected()).unwrap();
    sleep_until(start + 3 * SECOND).await;
    issuers.replace(tenant.issuer().introspect(introspection().opaque_none())).unwrap();
    sleep_until(start + 4 * SECOND).await;
    assert!(issuers.remove(tenant.identifier()));
    let samples = samples.await.unwrap();
    assert_eq!(samples.len(), 5_000);
    for Sample { started_at, ended_at, is_of_tenant, outcome } in samples {
        let at = format!("{started_at:?} to {ended_at:?}, tenant: {is_of_tenant}");
        if !is_of_tenant || (started_at > SECOND && ended_at < 4 * SECOND) {
            assert_eq!(outcome, ACCEPTED, "{at}");
        } else if ended_at < SECOND || ended_at > 4 * SECOND {
            assert_eq!(outcome, Err(IssuerUnknown), "{at}");
        }
        assert!(ended_at - started_at <= 5 * LATENCY, "{at}");
    }
}

/// Sends requests for 5 s. Every other one has a token of the tenant; half of all tokens are new.
async fn load(api: Protected, base: TestIssuer, tenant: TestIssuer) -> Vec<Sample> {
    let mut ticks = interval(INTERVAL);
    let start = Instant::now();
    let repeated = [base.token(API).sign(), tenant.token(API).sign()];
    let mut requests = JoinSet::new();
    for number in 0..5_000_usize {
        ticks.tick().await;
        let (idp, is_of_tenant) = [(&base, false), (&tenant, true)][number % 2];
        let is_new = number % 4 < 2;
        let token = if is_new { idp.token(API).sign() } else { repeated[number % 2].clone() };
        let (api, started_at) = (api.clone(), start.elapsed());
        requests.spawn(async move {
            let outcome = api.outcome(token).await;
            Sample { started_at, ended_at: start.elapsed(), is_of_tenant, outcome }
        });
    }
    requests.join_all().await
}
