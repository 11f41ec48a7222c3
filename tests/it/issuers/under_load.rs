//! A tenant is added, used and removed under load: no good token is rejected, and no token of a removed
//! issuer is accepted.

use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, interval, sleep_until};
use tower_bearer::BearerAuth;
use tower_bearer::RejectionKind::IssuerUnknown;
use tower_bearer::testing::{Fault, TestIssuer};

use crate::support::figure::figure;
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
async fn while_a_tenant_comes_and_goes_no_good_token_is_rejected_and_no_removed_one_accepted() {
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
    for (name, found, all) in [
        (
            "good tokens rejected",
            wrong(&samples, Sample::is_good, ACCEPTED),
            count(&samples, Sample::is_good),
        ),
        (
            "tokens of an untrusted issuer not rejected as such",
            wrong(&samples, Sample::is_foreign, Err(IssuerUnknown)),
            count(&samples, Sample::is_foreign),
        ),
    ] {
        figure("tenant", format_args!("{name}, of {all} at 1000 requests/s"), found, 0);
        assert_eq!(found, 0, "{name}");
        assert!(all > 900, "{name}: {all}");
    }
    assert!(samples.iter().all(|sample| sample.ended_at - sample.started_at <= 5 * LATENCY));
}

impl Sample {
    /// The issuer was trusted during the whole request.
    fn is_good(&self) -> bool {
        !self.is_of_tenant || (self.started_at > SECOND && self.ended_at < 4 * SECOND)
    }

    /// The issuer was not trusted at any time of the request, or was removed before its end.
    fn is_foreign(&self) -> bool {
        self.is_of_tenant && (self.ended_at < SECOND || self.ended_at > 4 * SECOND)
    }
}

/// The samples of this kind with another outcome than the expected one.
fn wrong(samples: &[Sample], is_kind: fn(&Sample) -> bool, expected: Outcome) -> usize {
    samples.iter().filter(|sample| is_kind(sample) && sample.outcome != expected).count()
}

fn count(samples: &[Sample], is_kind: fn(&Sample) -> bool) -> usize {
    samples.iter().filter(|sample| is_kind(sample)).count()
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
