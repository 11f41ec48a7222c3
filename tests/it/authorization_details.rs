//! Routes that require authorization details (RFC 9396), and what handlers read of them and of actors (RFC
//! 8693).

use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use tower::Layer;
use tower_bearer::RejectionKind::{RequirementUnmet, ScopeInsufficient};
use tower_bearer::testing::TestIssuer;
use tower_bearer::{BearerAuth, Require};

use crate::support::introspected::introspection;
use crate::support::log::Log;
use crate::support::protected::{ACCEPTED, API, ApiResponse, Handler, get, send};

#[derive(Deserialize)]
struct Payment {
    creditor: String,
    actions: Vec<String>,
}

/// A payment to the shop, by the action that the method of the request needs.
fn payment() -> Require {
    Require::detail("payment", |payment: Payment, head| {
        let needed = if head.method == Method::GET { "status" } else { "initiate" };
        payment.creditor == "shop" && payment.actions.iter().any(|action| action == needed)
    })
}

fn detail(kind: &str, creditor: impl Into<Value>, actions: &[&str]) -> Value {
    json!({"type": kind, "creditor": creditor.into(), "actions": actions})
}

async fn at(require: &Require, auth: &BearerAuth, token: impl AsRef<str>) -> ApiResponse {
    send(auth.layer(require.layer(Handler::default())), get(token)).await
}

#[tokio::test(start_paused = true)]
async fn a_token_without_an_accepted_detail_gets_403_and_the_event_says_why() {
    let (absent, ill_typed, rejected) =
        (Some("absent"), Some("does not fit the type of the function"), Some("rejected by the function"));
    let idp = TestIssuer::new();
    let auth = idp.bearer_auth(API).max_rejection_events_per_second(u32::MAX).build().unwrap();
    let good = || detail("payment", "shop", &["status"]);
    let other = || detail("payment", "bank-7", &["status"]);
    for (name, details, reason) in [
        ("one", json!([good()]), None),
        ("the second of the type", json!([other(), good()]), None),
        ("beside another type", json!([{"type": "account"}, good()]), None),
        ("beside an ill-typed one", json!([{"type": "payment"}, good(), 5, null]), None),
        ("null", Value::Null, absent),
        ("empty", json!([]), absent),
        ("an object", good(), absent),
        ("a string", json!(json!([good()]).to_string()), absent),
        ("another type", json!([detail("account", "shop", &["status"])]), absent),
        ("case of the type", json!([detail("Payment", "shop", &["status"])]), absent),
        ("a longer type", json!([detail("payment_2", "shop", &["status"])]), absent),
        ("no type", json!([{"creditor": "shop", "actions": ["status"]}]), absent),
        (
            "an ill-typed type",
            json!([{"type": ["payment"], "creditor": "shop", "actions": ["status"]}]),
            absent,
        ),
        ("nested", json!([[good()]]), absent),
        ("a missing member", json!([{"type": "payment", "creditor": "shop"}]), ill_typed),
        ("an ill-typed member", json!([detail("payment", 7, &["status"])]), ill_typed),
        ("another value", json!([other()]), rejected),
        ("another value and an ill-typed one", json!([other(), {"type": "payment"}]), rejected),
        ("another action", json!([detail("payment", "shop", &["initiate"])]), rejected),
        ("the parts in two details", json!([detail("payment", "shop", &[]), other()]), rejected),
    ] {
        let log = Log::start();
        let response =
            at(&payment(), &auth, idp.token(API).claim("authorization_details", details).sign()).await;
        let Some(reason) = reason else {
            assert_eq!(response.outcome(), ACCEPTED, "{name}");
            continue;
        };
        response.assert_rejected(RequirementUnmet, name);
        assert_eq!(response.challenge().unwrap().param("scope"), None, "{name}");
        let events = log.requests();
        let [event] = &events[..] else { panic!("{name}: {events:?}") };
        let expected = format!("authorization detail payment: {reason}");
        assert_eq!(event.field("expected"), Some(&*expected), "{name}");
        assert!(
            event.field("hint").is_some() && !format!("{event:?}").contains("bank-7"),
            "{name}: {event:?}"
        );
    }
    let none = at(&payment(), &auth, idp.token(API).sign()).await;
    none.assert_rejected(RequirementUnmet, "without the claim");
}

#[tokio::test(start_paused = true)]
async fn details_are_required_in_addition_to_scopes_and_to_each_other() {
    let idp = TestIssuer::new();
    let auth = idp.bearer_auth(API).build().unwrap();
    let require =
        Require::scope("pay").and_detail("a", |_: Value, _| true).and_detail("b", |_: Value, _| true);
    for (scope, details, expected) in [
        ("pay", json!([{"type": "b"}, {"type": "a"}]), ACCEPTED),
        ("pay", json!([{"type": "a"}]), Err(RequirementUnmet)),
        ("", json!([{"type": "b"}, {"type": "a"}]), Err(ScopeInsufficient)),
    ] {
        let token = idp.token(API).scope(scope).claim("authorization_details", details).sign();
        assert_eq!(at(&require, &auth, token).await.outcome(), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn an_introspection_response_has_details_and_the_actor_of_an_opaque_token() {
    let idp = TestIssuer::new();
    let builder = BearerAuth::builder(API).clock(idp.clock()).http_client(idp.http_client());
    let auth = builder.issuer(idp.issuer().introspect(introspection())).build().unwrap();
    let with = |details: Value| {
        let token = idp.token(API).claim("authorization_details", details);
        token.claim("act", json!({"sub": "service"})).opaque()
    };
    let accepted = at(&payment(), &auth, with(json!([detail("payment", "shop", &["status"])]))).await;
    let token = accepted.assert_accepted("introspected");
    assert_eq!(token.authorization_details("payment").count(), 1);
    assert_eq!(token.authorization_details("account").count(), 0);
    assert_eq!(token.actor().unwrap().subject(), Some("service"));
    assert_eq!(at(&payment(), &auth, with(json!([]))).await.outcome(), Err(RequirementUnmet));
}

#[tokio::test(start_paused = true)]
async fn explain_for_shows_whether_a_detail_of_the_type_is_there() {
    let idp = TestIssuer::new();
    let auth = idp.bearer_auth(API).build().unwrap();
    for (details, presented) in [(json!([{"type": "payment"}]), "present"), (json!([]), "none")] {
        let token = idp.token(API).claim("authorization_details", details).sign();
        let explanation = auth.explain_for(&token, &payment()).await;
        let finding = explanation.findings().last().unwrap();
        assert_eq!(
            (finding.check(), finding.expected(), finding.presented()),
            ("authorization detail", "payment", presented)
        );
        assert_eq!(explanation.is_accepted(), presented == "present", "{explanation}");
        assert_eq!(explanation.hint().is_some(), presented == "none", "{explanation}");
    }
}

#[test]
fn the_actor_is_the_outermost_act() {
    let idp = TestIssuer::new();
    let token = |act: Value| idp.token(API).subject("alice").claim("act", act).access_token().unwrap();
    let nested = json!({
        "sub": "orders", "iss": "https://login.example.com", "client_id": "web",
        "act": {"sub": "gateway", "act": {"sub": "first"}},
    });
    let delegated = token(nested);
    let actor = delegated.actor().unwrap();
    assert_eq!(delegated.subject(), Some("alice"), "the subject stays the subject");
    assert_eq!((actor.subject(), actor.issuer()), (Some("orders"), Some("https://login.example.com")));
    assert_eq!(actor.claim("client_id").unwrap().as_str(), Some("web"));
    let before = actor.actor().unwrap();
    assert_eq!((before.subject(), before.issuer()), (Some("gateway"), None));
    let first = before.actor().unwrap();
    assert_eq!((first.subject(), first.actor().is_none()), (Some("first"), true));
    assert_eq!(format!("{actor:?}"), "Actor { .. }");

    for act in [json!("orders"), json!(["orders"]), json!(5), Value::Null] {
        assert!(token(act.clone()).actor().is_none(), "{act}");
    }
    for act in [json!({}), json!({"sub": ""}), json!({"sub": 5, "act": "gateway"})] {
        let token = token(act.clone());
        let actor = token.actor().unwrap();
        assert_eq!((actor.subject(), actor.actor().is_none()), (None, true), "{act}");
    }
    assert!(idp.token(API).access_token().unwrap().actor().is_none());
}
