//! Readiness with many issuers, of which some are unavailable.

use std::time::Duration;

use tokio::time::Instant;
use tower_bearer::diagnostics::NotReady;
use tower_bearer::testing::TestIssuer;
use tower_bearer::{BearerAuth, Issuer};

use crate::support::figure::figure;
use crate::support::net::{Act, Net, Reply};
use crate::support::protected::API;

const SECOND: Duration = Duration::from_secs(1);

/// A `BearerAuth` with this many tenants, each with a key set of its own.
fn tenants(count: usize, net: &Net) -> BearerAuth {
    let builder = BearerAuth::builder(API).http_client(net.clone());
    let issuers = (0..count).map(|n| Issuer::with_jwks_url(tenant(n), jwks_url(n)));
    issuers.fold(builder, |builder, issuer| builder.add_issuer(issuer)).build().unwrap()
}

fn tenant(n: usize) -> String {
    format!("https://login.example.com/{n}")
}

fn jwks_url(n: usize) -> String {
    format!("{}/keys", tenant(n))
}

fn unavailable(result: Result<(), NotReady>) -> Vec<String> {
    result.err().iter().flat_map(NotReady::issuers).map(|(issuer, _)| issuer.to_owned()).collect()
}

#[tokio::test(start_paused = true)]
async fn ready_fetches_from_at_most_32_issuers_at_a_time() {
    let (idp, net) = (TestIssuer::new(), Net::default());
    let response = Reply::body(idp.jwks());
    net.always(Act::After(SECOND, Box::new(Act::Instead(response))));
    let auth = tenants(200, &net);
    let start = Instant::now();
    auth.ready_all().await.unwrap();
    let took = start.elapsed();
    figure("2.12", "fetches in flight at most, ready_all() with 200 issuers", net.max_in_flight(), 32);
    figure("2.12", "time of ready_all(), 1 s per response", format_args!("{took:?}"), "7 s");
    assert_eq!((net.max_in_flight(), net.total()), (32, 200));
    assert_eq!(took.as_secs(), 7);
}

#[tokio::test(start_paused = true)]
async fn one_unavailable_tenant_does_not_fail_the_others_unless_asked() {
    let (idp, net) = (TestIssuer::new(), Net::default());
    let response = Reply::body(idp.jwks());
    let dead = jwks_url(7);
    net.script(
        move |sent| {
            if sent.url == dead { Act::Instead(Reply::Refused) } else { Act::Instead(response.clone()) }
        },
    );
    let auth = tenants(100, &net);
    let ready = auth.ready().await;
    figure("2.12", "ready() with one dead issuer of 100", format_args!("{ready:?}"), "Ok");
    assert!(ready.is_ok());
    let failed = unavailable(auth.ready_all().await);
    figure("2.12", "issuers that ready_all() names, one dead of 100", failed.len(), 1);
    assert_eq!(failed, [tenant(7)]);
    assert!(auth.ready_for(&tenant(8)).await.is_ok());
    assert_eq!(unavailable(auth.ready_for(&tenant(7)).await), [tenant(7)]);
    let usable = auth.status().iter().filter(|status| status.keys().unwrap().is_usable()).count();
    assert_eq!(usable, 99);

    // An issuer that hangs delays the others no longer than its own time limit.
    let (hanging, response) = (jwks_url(7), Reply::body(idp.jwks()));
    net.script(
        move |sent| {
            if sent.url == hanging { Act::Instead(Reply::Hang) } else { Act::Instead(response.clone()) }
        },
    );
    let auth = tenants(100, &net);
    let start = Instant::now();
    assert!(auth.ready().await.is_ok());
    assert!(start.elapsed() <= 11 * SECOND, "{:?}", start.elapsed());
    let start = Instant::now();
    assert!(auth.ready_for(&tenant(8)).await.is_ok());
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn ready_is_an_error_if_no_issuer_is_ready() {
    let net = Net::default();
    let auth = tenants(2, &net);
    assert_eq!(unavailable(auth.ready().await), [tenant(0), tenant(1)]);
    let error = auth.ready_for("https://login.example.com").await.unwrap_err();
    assert_eq!(error.to_string(), "not ready: https://login.example.com: no such issuer is configured");
}
