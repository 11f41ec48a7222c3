//! Revocations: which tokens an entry rejects, and that every way to accept a token asks for one.

mod admin;
mod reports;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

use serde_json::json;
use tower::Layer;
use tower_bearer::RejectionKind::{SenderNotProven, TokenExpired, TokenRevoked};
use tower_bearer::builder::ConfigProblem;
use tower_bearer::dpop::Dpop;
use tower_bearer::revocation::{Revocations, Revoke};
use tower_bearer::testing::{Endpoint, Fault, TestIssuer, TokenBuilder};
use tower_bearer::time::Clock;
use tower_bearer::{BearerAuth, Introspection, Require};

use crate::support::dpop::{DpopApi, request_of};
use crate::support::introspected::{SECOND, introspection};
use crate::support::log::Log;
use crate::support::protected::{ACCEPTED, API, Handler, Outcome, Protected, get, send};

const OTHER: &str = "https://other.example";
const REVOKED: Outcome = Err(TokenRevoked);

/// An API with an empty store.
struct Api {
    idp: TestIssuer,
    auth: BearerAuth,
    api: Protected,
    revocations: Revocations,
}

impl Api {
    fn new() -> Self {
        let idp = TestIssuer::new();
        let revocations = Revocations::new().clock(idp.clock());
        let auth = idp.bearer_auth(API).revocations(revocations.clone()).build().unwrap();
        Self { api: Protected::by(&auth), idp, auth, revocations }
    }

    /// Introspects tokens with these settings.
    fn introspecting(introspection: Introspection) -> Self {
        let idp = TestIssuer::new();
        let revocations = Revocations::new().clock(idp.clock());
        let builder = BearerAuth::builder(API).clock(idp.clock()).http_client(idp.http_client());
        let builder = builder.revocations(revocations.clone()).skip_start_check();
        let auth = builder.issuer(idp.issuer().introspect(introspection)).build().unwrap();
        Self { api: Protected::by(&auth), idp, auth, revocations }
    }

    fn issuer(&self) -> String {
        self.idp.identifier().to_owned()
    }

    fn now(&self) -> SystemTime {
        self.idp.clock().now()
    }

    fn secs(&self) -> u64 {
        self.now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()
    }

    /// A token that entries of every kind can hit.
    fn token(&self) -> TokenBuilder {
        let token = self.idp.token(API).subject("alice").claim("jti", "j").claim("sid", "s");
        token.claim("client_id", "app").claim("iat", self.secs())
    }

    fn revoke(&self, revoke: Revoke) {
        self.revocations.revoke(revoke).unwrap();
    }
}

/// An entry of each kind that hits [`Api::token`] if it is for its issuer.
fn entries(issuer: &str) -> [(&'static str, Revoke); 5] {
    [
        ("token", Revoke::token(issuer, "j")),
        ("session", Revoke::session(issuer, "s")),
        ("subject", Revoke::subject(issuer, "alice")),
        ("client", Revoke::client(issuer, "app")),
        ("all", Revoke::all_of(issuer)),
    ]
}

#[tokio::test(start_paused = true)]
async fn an_entry_of_each_kind_rejects_a_cached_and_an_uncached_token() {
    for (name, entry) in entries("https://issuer.test") {
        let api = Api::new();
        let cached = api.token().sign();
        assert_eq!(api.api.outcome(&cached).await, ACCEPTED, "{name}");
        assert_eq!(api.api.outcome_at_once(&cached), ACCEPTED, "{name}");
        api.revoke(entry);
        assert_eq!(api.api.outcome_at_once(&cached), REVOKED, "{name}");
        let uncached = api.token().claim("x", 1).sign();
        assert_eq!(api.api.outcome(&uncached).await, REVOKED, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_entry_of_another_issuer_or_value_rejects_nothing() {
    let api = Api::new();
    let issuer = api.issuer();
    for (_, entry) in entries(OTHER).into_iter().chain(entries(&format!("{issuer}/"))) {
        api.revoke(entry);
    }
    for value in ["", "J", "jj", "alic", "sid"] {
        api.revoke(Revoke::token(&issuer, value));
        api.revoke(Revoke::session(&issuer, value));
        api.revoke(Revoke::subject(&issuer, value));
        api.revoke(Revoke::client(&issuer, value));
    }
    // The value of one kind means nothing to the others.
    api.revoke(Revoke::token(&issuer, "alice"));
    api.revoke(Revoke::session(&issuer, "j"));
    api.revoke(Revoke::subject(&issuer, "app"));
    api.revoke(Revoke::client(&issuer, "s"));
    assert_eq!(api.api.outcome(api.token().sign()).await, ACCEPTED);
}

#[tokio::test(start_paused = true)]
async fn a_later_sign_in_passes_entries_that_compare_iat() {
    for (name, entry) in entries("https://issuer.test") {
        let api = Api::new();
        let moment = api.secs();
        api.revoke(entry);
        api.idp.clock().advance(60 * SECOND);
        let ignores_iat = matches!(name, "token" | "session");
        for (issued, expected) in [
            (moment - 1, REVOKED),
            (moment, REVOKED),
            (moment + 1, if ignores_iat { REVOKED } else { ACCEPTED }),
        ] {
            let token = api.token().claim("iat", issued).sign();
            assert_eq!(api.api.outcome(&token).await, expected, "{name}: {issued}");
        }
        let without_iat = api.token().without("iat").sign();
        assert_eq!(api.api.outcome(&without_iat).await, REVOKED, "{name}: no iat");
    }
}

#[tokio::test(start_paused = true)]
async fn before_names_the_moment_of_every_kind() {
    for (name, entry) in entries("https://issuer.test") {
        let api = Api::new();
        let moment = api.secs() - 100;
        api.revoke(entry.before(SystemTime::UNIX_EPOCH + Duration::from_secs(moment)));
        for (issued, expected) in
            [(json!(moment), REVOKED), (json!(moment as f64 + 0.5), ACCEPTED), (json!(moment + 1), ACCEPTED)]
        {
            let token = api.token().claim("iat", issued.clone()).sign();
            assert_eq!(api.api.outcome(&token).await, expected, "{name}: {issued}");
        }
        let without_iat = api.token().without("iat").sign();
        assert_eq!(api.api.outcome(&without_iat).await, REVOKED, "{name}: no iat");
    }
}

#[tokio::test(start_paused = true)]
async fn an_absent_or_ill_typed_jti_or_sid_is_hit_by_the_other_kinds_only() {
    for claim in ["jti", "sid"] {
        for ill_typed in [json!(5), json!(["j"]), json!(null)] {
            let api = Api::new();
            let token = api.token().claim(claim, ill_typed.clone()).sign();
            let without = api.token().without(claim).sign();
            let by_value = if claim == "jti" { Revoke::token } else { Revoke::session };
            for value in ["", "j", "s", "5", "null", "[\"j\"]"] {
                api.revoke(by_value(api.issuer(), value.to_owned()));
            }
            for token in [&token, &without] {
                assert_eq!(api.api.outcome(token).await, ACCEPTED, "{claim}: {ill_typed}");
            }
            api.revoke(Revoke::subject(api.issuer(), "alice"));
            for token in [&token, &without] {
                assert_eq!(api.api.outcome_at_once(token), REVOKED, "{claim}: {ill_typed}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_is_found_in_azp_too() {
    let api = Api::new();
    api.revoke(Revoke::client(api.issuer(), "web"));
    let token = api.token().without("client_id");
    assert_eq!(api.api.outcome(token.claim("azp", "web").sign()).await, REVOKED);
    assert_eq!(api.api.outcome(api.token().claim("azp", "web").sign()).await, ACCEPTED, "client_id first");
}

#[tokio::test(start_paused = true)]
async fn a_cached_introspection_response_is_checked_for_a_revocation() {
    for jwts in [false, true] {
        for (name, entry) in entries("https://issuer.test") {
            let api = Api::introspecting(if jwts { introspection().also_jwts() } else { introspection() });
            let token = if jwts { api.token().sign() } else { api.token().opaque() };
            assert_eq!(api.api.outcome(&token).await, ACCEPTED, "{name}");
            let calls = api.idp.requests(Endpoint::Introspection);
            api.revoke(entry);
            assert_eq!(api.api.outcome_at_once(&token), REVOKED, "{name}");
            assert_eq!(api.idp.requests(Endpoint::Introspection), calls, "{name}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_that_is_revoked_while_its_request_waits_is_rejected() {
    for (endpoint, is_opaque) in [(Endpoint::Jwks, false), (Endpoint::Introspection, true)] {
        let api = Api::introspecting(introspection());
        api.idp.set_fault(endpoint, Some(Fault::Delay(SECOND)));
        let token = if is_opaque { api.token().opaque() } else { api.token().sign() };
        let revoked = async {
            tokio::time::sleep(SECOND / 2).await;
            api.revoke(Revoke::token(api.issuer(), "j"));
        };
        let (outcome, ()) = tokio::join!(api.api.outcome(&token), revoked);
        assert_eq!(outcome, REVOKED, "{endpoint:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_that_is_revoked_while_still_active_introspects_it_is_rejected() {
    let api = Api::introspecting(introspection());
    let token = api.token().opaque();
    assert_eq!(api.api.outcome(&token).await, ACCEPTED);
    api.idp.set_fault(Endpoint::Introspection, Some(Fault::Delay(SECOND)));
    let route = api.auth.layer(Require::token().still_active().layer(Handler::default()));
    let revoked = async {
        tokio::time::sleep(SECOND / 2).await;
        api.revoke(Revoke::token(api.issuer(), "j"));
    };
    let (response, ()) = tokio::join!(send(route, get(&token)), revoked);
    assert_eq!(response.outcome(), REVOKED);
}

#[tokio::test(start_paused = true)]
async fn a_token_outside_of_a_request_is_checked_for_a_revocation() {
    let api = Api::new();
    let token = api.token().sign();
    assert!(api.auth.authenticate(&token).await.is_ok());
    api.revoke(Revoke::session(api.issuer(), "s"));
    for token in [token, api.token().claim("x", 1).sign()] {
        assert_eq!(api.auth.authenticate(&token).await.unwrap_err().kind(), TokenRevoked);
    }
}

#[tokio::test(start_paused = true)]
async fn optional_layers_and_views_reject_revoked_tokens() {
    let api = Api::new();
    let optional = Protected::by(&api.auth.view().optional().build().unwrap());
    let view = Protected::by(&api.auth.view().require_audience(API).build().unwrap());
    let token = api.token().sign();
    assert_eq!(api.api.outcome(&token).await, ACCEPTED);
    api.revoke(Revoke::subject(api.issuer(), "alice"));
    assert_eq!(optional.outcome(&token).await, REVOKED);
    assert_eq!(view.outcome(&token).await, REVOKED);
}

#[tokio::test(start_paused = true)]
async fn one_store_works_for_several_layers() {
    let api = Api::new();
    let builder = api.idp.bearer_auth(API).revocations(api.revocations.clone());
    let other = Protected::by(&builder.build().unwrap());
    let without = Protected::by(&api.idp.bearer_auth(API).build().unwrap());
    api.revoke(Revoke::subject(api.issuer(), "alice"));
    let token = api.token().sign();
    assert_eq!((api.api.outcome(&token).await, other.outcome(&token).await), (REVOKED, REVOKED));
    assert_eq!(without.outcome(&token).await, ACCEPTED);
}

#[tokio::test(start_paused = true)]
async fn a_bound_token_is_checked_for_a_revocation_before_its_proof() {
    let revocations = Revocations::new();
    let api = DpopApi::configured(|idp, builder| {
        let revocations = revocations.clone().clock(idp.clock());
        builder.dpop(Dpop::at(API)).issuer(idp.issuer()).revocations(revocations)
    });
    let token = api.unsigned_token().claim("jti", "j").bound_to_key(&api.key).sign();
    let unused = api.proof(&token);
    assert_eq!(api.outcome(get(&token)).await, Err(SenderNotProven));
    revocations.revoke(Revoke::token(api.idp.identifier(), "j")).unwrap();
    assert_eq!(api.outcome(request_of(&unused)).await, REVOKED, "with a valid proof");
    assert_eq!(api.outcome(get(&token)).await, REVOKED, "without one");
}

#[tokio::test(start_paused = true)]
async fn a_token_is_rejected_as_expired_once_its_entry_is_forgotten() {
    let idp = TestIssuer::new();
    let revocations = Revocations::new().clock(idp.clock());
    let issuer = idp.issuer().max_lifetime(Duration::from_secs(300));
    let builder = BearerAuth::builder(API).clock(idp.clock()).http_client(idp.http_client());
    let auth = builder
        .leeway(tower_bearer::BearerAuthBuilder::MAX_LEEWAY)
        .issuer(issuer)
        .revocations(revocations.clone());
    let api = Protected::by(&auth.build().unwrap());
    let token = idp.token(API).subject("alice").lifetime(Duration::from_secs(300)).sign();
    assert_eq!(api.outcome(&token).await, ACCEPTED);
    revocations.revoke(Revoke::subject(idp.identifier(), "alice")).unwrap();
    // Until no leeway can make the token valid.
    idp.clock().advance(Duration::from_secs(300 + 299));
    assert_eq!((revocations.status().entries(), api.outcome(&token).await), (1, REVOKED));
    idp.clock().advance(Duration::from_secs(302));
    assert_eq!((revocations.status().entries(), api.outcome(&token).await), (0, Err(TokenExpired)));
}

#[tokio::test(start_paused = true)]
async fn requests_during_revocations_see_each_one_that_has_returned() {
    let api = Api::new();
    let token = api.token().sign();
    let others: Vec<String> = (0..50).map(|n| api.token().claim("jti", format!("t{n}")).sign()).collect();
    for token in others.iter().chain([&token]) {
        assert_eq!(api.api.outcome(token).await, ACCEPTED);
    }
    let (issuer, is_over) = (api.issuer(), Arc::new(AtomicBool::new(false)));
    let writers: Vec<_> = (0..2)
        .map(|writer| {
            let (revocations, issuer, is_over) =
                (api.revocations.clone(), issuer.clone(), Arc::clone(&is_over));
            thread::spawn(move || {
                for number in 0_u32.. {
                    if is_over.load(Ordering::Relaxed) {
                        break;
                    }
                    let jti = format!("noise-{writer}-{}", number % 1000);
                    revocations.revoke(Revoke::token(&issuer, jti)).unwrap();
                }
            })
        })
        .collect();
    for (number, other) in others.iter().enumerate() {
        assert_eq!(api.api.outcome_at_once(other), ACCEPTED);
        api.revoke(Revoke::token(&issuer, format!("t{number}")));
        assert_eq!(api.api.outcome_at_once(other), REVOKED);
        assert_eq!(api.api.outcome_at_once(&token), ACCEPTED);
    }
    is_over.store(true, Ordering::Relaxed);
    writers.into_iter().for_each(|writer| writer.join().unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_revocation_is_logged_without_its_value() {
    let api = Api::new();
    let log = Log::start();
    for (_, entry) in entries(&api.issuer()) {
        api.revoke(entry);
    }
    api.api.outcome(api.token().sign()).await.unwrap_err();
    let text = log.text();
    for kind in ["token", "session", "subject", "client", "all"] {
        assert!(text.contains(&format!("issuer={} kind={kind}\n", api.issuer())), "{kind}: {text}");
    }
    assert!(text.contains("token_revoked") && !text.contains("alice"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_revocation_without_effect_is_logged_as_such() {
    let api = Api::new();
    for (entry, expected) in [
        (Revoke::subject(api.issuer(), "alice"), "Access tokens revoked issuer"),
        (
            Revoke::subject(format!("{}/", api.issuer()), "alice"),
            "Access tokens revoked, but no BearerAuth trusts their issuer",
        ),
        (
            Revoke::token(api.issuer(), "j").expires_at(std::time::UNIX_EPOCH),
            "Revocation ignored: its access tokens have expired",
        ),
    ] {
        let log = Log::start();
        api.revoke(entry);
        assert!(log.text().contains(expected), "{expected}: {}", log.text());
    }
}

#[test]
fn a_store_that_cannot_work_is_a_configuration_error() {
    let idp = TestIssuer::new();
    let zero = |revocations| {
        let error = idp.bearer_auth(API).revocations(revocations).build().unwrap_err();
        match error.problems() {
            [ConfigProblem::Zero { setting, .. }] => *setting,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(zero(Revocations::new().max_entries(0)), "Revocations::max_entries");
    assert_eq!(zero(Revocations::new().keep_for(Duration::ZERO)), "Revocations::keep_for");
}
