//! Tokens that make the authorization server fail. They must not stop the introspection of other tokens.

use std::time::Duration;

use tokio::task::JoinSet;
use tower_bearer::diagnostics::CircuitState;
use tower_bearer::testing::Fault;

use super::UNAVAILABLE;
use crate::support::figure::figure;
use crate::support::introspected::{IssuerIntrospection, SECOND, retry_after, timed};
use crate::support::net::{Act, Reply};
use crate::support::protected::ACCEPTED;

/// The part of a token that the server, or a firewall in front of it, cannot handle.
const POISON: &str = "poison";

/// Does this with every request about a poison token.
fn poisoned(setup: &IssuerIntrospection, act: Act) {
    setup.net.script(move |sent| {
        let is_poison = std::str::from_utf8(&sent.body).is_ok_and(|body| body.contains(POISON));
        if is_poison { act.clone() } else { Act::Pass }
    });
}

fn acts() -> [(&'static str, Act); 3] {
    [
        ("500", Act::Instead(Reply::status(500))),
        ("connection reset", Act::Lost),
        ("hang", Act::Instead(Reply::Hang)),
    ]
}

/// One client repeats one token for 200 seconds.
#[tokio::test(start_paused = true)]
async fn a_repeated_poison_token_costs_a_call_every_eight_seconds_and_no_good_token() {
    for (name, act) in acts() {
        let setup = IssuerIntrospection::new();
        poisoned(&setup, act);
        let (mut rejected, mut poison_calls) = (0, 0);
        for eighth in 0..8 * 100 {
            let sent = setup.net.total();
            let (api, poison) = (setup.api.clone(), POISON.to_owned());
            let attack = tokio::spawn(async move { api.outcome(poison).await });
            setup.pass(SECOND / 8).await;
            drop(attack);
            poison_calls += setup.net.total() - sent;
            if eighth % 8 == 0 {
                rejected += usize::from(setup.outcome_of_new().await != ACCEPTED);
            }
        }
        let attack = format!("a poison token 8 times a second, {name}");
        figure("1.4", format_args!("rejected of 100 good tokens, {attack}"), rejected, 0);
        let quantity = format!("introspection requests in 100 s about {attack}");
        figure("1.4", quantity, poison_calls, "at most 34");
        assert_eq!((rejected, setup.circuit()), (0, CircuitState::Closed), "{name}");
        assert!(poison_calls <= 2 * (100 / 8 + 5), "{name}: {poison_calls}");
    }
}

/// Authlib's endpoint for JWTs answers 500 to everything that is no JWT.
#[tokio::test(start_paused = true)]
async fn made_up_tokens_that_make_the_server_fail_reject_no_good_jwt() {
    for (name, act) in acts() {
        let setup = IssuerIntrospection::with(|introspection| introspection.also_jwts());
        poisoned(&setup, act);
        let mut rejected = 0;
        for eighth in 0..100 * 8 {
            let (api, made_up) = (setup.api.clone(), format!("{POISON}-{eighth}"));
            tokio::spawn(async move { api.outcome(made_up).await });
            if eighth % 8 == 0 {
                rejected += usize::from(setup.api.outcome(setup.jwt()).await != ACCEPTED);
            }
            setup.pass(SECOND / 8).await;
        }
        let quantity = format!("rejected of 100 good JWTs, 8 made-up tokens a second, {name}");
        figure("1.4", quantity, rejected, 0);
        assert_eq!((rejected, setup.circuit()), (0, CircuitState::Closed), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_whose_introspection_failed_gets_503_without_another_call() {
    let setup = IssuerIntrospection::new();
    poisoned(&setup, Act::Instead(Reply::status(500)));
    for (calls, held_for) in [(1, 1), (2, 2), (3, 4), (4, 8), (5, 8)] {
        let response = setup.api.get(POISON).await;
        assert_eq!((response.outcome(), retry_after(&response)), (UNAVAILABLE, Some(held_for)));
        assert_eq!(setup.net.total(), calls);
        let held_for = Duration::from_secs(held_for);
        setup.pass(held_for - Duration::from_millis(1)).await;
        assert_eq!(timed(setup.api.outcome(POISON)).await, (UNAVAILABLE, Duration::ZERO));
        assert_eq!(setup.net.total(), calls);
        setup.pass(Duration::from_millis(1)).await;
    }
    setup.net.always(Act::Pass);
    let good = setup.opaque();
    assert_eq!(setup.api.outcome(&good).await, ACCEPTED);
}

/// The clients with good tokens ask ten times a second, the others a hundred times.
#[tokio::test(start_paused = true)]
async fn made_up_tokens_do_not_delay_the_recovery() {
    let setup = IssuerIntrospection::new();
    setup.open_the_circuit(Fault::Status(500)).await;
    let route = setup.still_active_route();
    let mut flood = JoinSet::new();
    let mut rejected_after_recovery = 0;
    for hundredth in 0..2000_u32 {
        if hundredth == 1000 {
            setup.fail(None);
            poisoned(&setup, Act::Instead(Reply::status(500)));
        }
        let (api, made_up) = (setup.api.clone(), format!("{POISON}-{hundredth}"));
        flood.spawn(async move { api.outcome(made_up).await });
        if hundredth % 10 == 0 {
            let outcome = route.outcome(setup.jwt()).await;
            rejected_after_recovery += u32::from(hundredth >= 1000 && outcome != ACCEPTED);
        }
        setup.pass(SECOND / 100).await;
    }
    let quantity = "rejected of 100 good tokens in 10 s after the recovery, 100 made-up tokens a second";
    figure("1.4", quantity, rejected_after_recovery, "at most 80");
    // The backoff had reached four or eight seconds when the server recovered.
    assert!(rejected_after_recovery <= 80, "{rejected_after_recovery}");
    assert_eq!(setup.circuit(), CircuitState::Closed);
}
