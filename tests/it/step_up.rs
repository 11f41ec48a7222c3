//! Routes and handlers that require another authentication of the user (RFC 9470), and its form at Entra ID.

use std::time::{Duration, UNIX_EPOCH};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use serde_json::{Value, json};
use tower::{Layer, service_fn};
use tower_bearer::RejectionKind::{
    AuthContextMissing, AuthenticationInsufficient, ClaimIllTyped, Missing, RequirementUnmet,
    ScopeInsufficient, TokenExpired, TokenInactive,
};
use tower_bearer::access_token::StepUp;
use tower_bearer::diagnostics::CheckResult;
use tower_bearer::testing::{MockBearerAuth, TestIssuer, TokenBuilder};
use tower_bearer::{AccessToken, BearerAuth, Rejection, RejectionKind, Require};

use crate::support::introspected::introspection;
use crate::support::log::Log;
use crate::support::protected::{
    ACCEPTED, API, ApiResponse, Handler, Outcome, Protected, anonymous, as_grpc, at_once, get, send,
};

const NOW: u64 = 1_800_000_000;
const MINUTE: Duration = Duration::from_secs(60);

/// An authorization server whose clock stands still at `NOW`.
fn issuer() -> TestIssuer {
    let idp = TestIssuer::new();
    idp.clock().set(UNIX_EPOCH + Duration::from_secs(NOW));
    idp
}

fn api() -> (TestIssuer, BearerAuth) {
    let idp = issuer();
    let auth = idp.bearer_auth(API).build().unwrap();
    (idp, auth)
}

/// The response of a route with this requirement.
async fn at(require: &Require, auth: &BearerAuth, request: Request<Full<Bytes>>) -> ApiResponse {
    send(auth.layer(require.layer(Handler::default())), request).await
}

/// A parameter of the challenge.
fn param(response: &ApiResponse, name: &str) -> Option<String> {
    response.challenge()?.param(name).map(str::to_owned)
}

fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[tokio::test(start_paused = true)]
async fn another_acr_gets_401_and_the_challenge_lists_the_accepted_ones() {
    let (idp, auth) = api();
    let require = Require::token().acr_any(["urn:example:hardware", "mfa"]);
    let with = |acr: Value| idp.token(API).claim("acr", acr);
    for (name, token, is_accepted) in [
        ("the first", with(json!("urn:example:hardware")), true),
        ("the second", with(json!("mfa")), true),
        ("absent", idp.token(API), false),
        ("another", with(json!("pwd")), false),
        ("in capitals", with(json!("MFA")), false),
        ("a prefix", with(json!("mf")), false),
        ("longer", with(json!("mfa ")), false),
        ("both", with(json!("urn:example:hardware mfa")), false),
        ("empty", with(json!("")), false),
        ("an array", with(json!(["mfa"])), false),
        ("an object", with(json!({"mfa": true})), false),
        ("a number", with(json!(1)), false),
        ("null", with(Value::Null), false),
        ("another claim", idp.token(API).claim("amr", json!(["mfa"])), false),
    ] {
        let response = at(&require, &auth, get(token.sign())).await;
        if is_accepted {
            assert_eq!(response.outcome(), ACCEPTED, "{name}");
            continue;
        }
        response.assert_rejected(AuthenticationInsufficient, name);
        assert_eq!(param(&response, "acr_values"), text("urn:example:hardware mfa"), "{name}");
        assert_eq!((param(&response, "max_age"), param(&response, "scope")), (None, None), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_old_authentication_gets_401_and_the_challenge_has_max_age() {
    let (idp, auth) = api();
    let exact = idp.bearer_auth(API).leeway(Duration::ZERO).build().unwrap();
    let require = Require::token().authenticated_within(MINUTE);
    for (name, auth, auth_time, is_accepted) in [
        ("now", &auth, json!(NOW), true),
        ("at the limit", &exact, json!(NOW - 60), true),
        ("a second past the limit", &exact, json!(NOW - 61), false),
        ("a fraction past the limit", &exact, json!(NOW as f64 - 60.5), false),
        ("at the end of the leeway", &auth, json!(NOW - 90), true),
        ("a second past the leeway", &auth, json!(NOW - 91), false),
        ("now, no leeway", &exact, json!(NOW), true),
        ("a second in the future, no leeway", &exact, json!(NOW + 1), false),
        ("in the future within the leeway", &auth, json!(NOW + 30), true),
        ("a second past it", &auth, json!(NOW + 31), false),
        ("far in the future", &auth, json!(NOW + 3600), false),
        ("milliseconds", &auth, json!(NOW * 1000), false),
        ("zero", &auth, json!(0), false),
        ("negative", &auth, json!(-1), false),
        ("a string of digits", &auth, json!(NOW.to_string()), false),
        ("an ISO date", &auth, json!("2027-01-15T08:00:00Z"), false),
        ("an array", &auth, json!([NOW]), false),
        ("true", &auth, json!(true), false),
        ("null", &auth, Value::Null, false),
    ] {
        let response = at(&require, auth, get(idp.token(API).claim("auth_time", auth_time).sign())).await;
        if is_accepted {
            assert_eq!(response.outcome(), ACCEPTED, "{name}");
            continue;
        }
        response.assert_rejected(AuthenticationInsufficient, name);
        assert_eq!(param(&response, "max_age"), text("60"), "{name}: without leeway");
        assert_eq!(param(&response, "acr_values"), None, "{name}");
    }
    let absent = at(&require, &auth, get(idp.token(API).claim("iat", NOW).sign())).await;
    assert_eq!(absent.outcome(), Err(AuthenticationInsufficient), "`iat` does not stand for `auth_time`");
}

#[tokio::test(start_paused = true)]
async fn a_challenge_has_all_that_the_route_requires() {
    let (idp, auth) = api();
    let require =
        Require::scope("pay eu").acr_any(["mfa"]).authenticated_within(Duration::from_millis(90_900));
    let token = |scope: &str, acr: &str, age: u64| {
        idp.token(API).scope(scope).claim("acr", acr).claim("auth_time", NOW - age).sign()
    };
    for (name, token, expected, scope) in [
        ("all", token("eu pay", "mfa", 0), ACCEPTED, None),
        ("weak", token("eu pay", "pwd", 0), Err(AuthenticationInsufficient), None),
        ("old", token("eu pay", "mfa", 150), Err(AuthenticationInsufficient), None),
        ("no scope", token("eu", "mfa", 0), Err(ScopeInsufficient), text("pay eu")),
        ("weak, no scope", token("eu", "pwd", 0), Err(AuthenticationInsufficient), text("pay eu")),
    ] {
        let response = at(&require, &auth, get(token)).await;
        assert_eq!(response.outcome(), expected, "{name}");
        assert_eq!(param(&response, "scope"), scope, "{name}");
        let step_up = expected == Err(AuthenticationInsufficient);
        assert_eq!(param(&response, "acr_values"), step_up.then(|| "mfa".to_owned()), "{name}");
        assert_eq!(param(&response, "max_age"), step_up.then(|| "90".to_owned()), "{name}: whole seconds");
    }
}

#[tokio::test(start_paused = true)]
async fn authentication_is_checked_before_roles_and_functions() {
    let (idp, auth) = api();
    let require = Require::token().check(|_, _| false).and_role("admin").acr_any(["mfa"]);
    let outcome = async |token: TokenBuilder| at(&require, &auth, get(token.sign())).await.outcome();
    assert_eq!(outcome(idp.token(API)).await, Err(AuthenticationInsufficient));
    assert_eq!(outcome(idp.token(API).claim("acr", "mfa")).await, Err(RequirementUnmet));
}

#[tokio::test(start_paused = true)]
async fn a_requirement_is_told_only_to_a_valid_token() {
    let (idp, auth) = api();
    let require =
        Require::scope("pay").acr_any(["mfa"]).authenticated_within(MINUTE).entra_auth_context("c1");
    let token = || idp.token(API).claim("acr", "pwd");
    for (name, request, expected) in [
        ("no token", anonymous("GET"), Missing),
        ("expired", get(token().expired().sign()), TokenExpired),
        ("ill-typed", get(token().claim("sub", 5).sign()), ClaimIllTyped),
        ("no token, under optional", anonymous("GET"), Missing),
    ] {
        let optional = auth.view().optional().build().unwrap();
        let auth = if name.contains("optional") { &optional } else { &auth };
        let response = at(&require, auth, request).await;
        assert_eq!(response.outcome(), Err(expected), "{name}");
        for told in ["acr_values", "max_age", "claims", "authorization_uri", "scope"] {
            assert_eq!(param(&response, told), None, "{name}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_authentication_of_a_cached_token_ages() {
    let (idp, auth) = api();
    let require = Require::token().authenticated_within(MINUTE);
    let token = idp.token(API).lifetime(Duration::from_secs(3600)).claim("auth_time", NOW).sign();
    assert_eq!(at(&require, &auth, get(&token)).await.outcome(), ACCEPTED);
    assert_eq!(auth.cached_tokens(), 1);
    idp.clock().advance(Duration::from_secs(90));
    assert_eq!(at_once(at(&require, &auth, get(&token))).outcome(), ACCEPTED);
    idp.clock().advance(Duration::from_secs(1));
    assert_eq!(at_once(at(&require, &auth, get(&token))).outcome(), Err(AuthenticationInsufficient));
    assert_eq!(Protected::by(&auth).outcome_at_once(&token), ACCEPTED, "on other routes it is good");
}

#[tokio::test(start_paused = true)]
async fn an_introspection_response_tells_the_authentication_of_an_opaque_token() {
    let idp = issuer();
    let builder = BearerAuth::builder(API).clock(idp.clock()).http_client(idp.http_client());
    let auth = builder.issuer(idp.issuer().introspect(introspection())).build().unwrap();
    let require = Require::token().acr_any(["mfa"]).authenticated_within(MINUTE);
    let token = || idp.token(API).claim("acr", "mfa").claim("auth_time", NOW - 60);
    for (name, token, expected) in [
        ("strong and recent", token(), ACCEPTED),
        ("weak", token().claim("acr", "pwd"), Err(AuthenticationInsufficient)),
        ("old", token().claim("auth_time", NOW - 91), Err(AuthenticationInsufficient)),
        ("without acr", token().without("acr"), Err(AuthenticationInsufficient)),
        ("without auth_time", token().without("auth_time"), Err(AuthenticationInsufficient)),
    ] {
        let token = token.opaque();
        for require in [&require, &require.clone().still_active()] {
            assert_eq!(at(require, &auth, get(&token)).await.outcome(), expected, "{name}");
        }
    }
    let unknown = at(&require, &auth, get("unknown")).await;
    assert_eq!((unknown.outcome(), param(&unknown, "max_age")), (Err(TokenInactive), None));
}

#[tokio::test(start_paused = true)]
async fn values_that_a_challenge_cannot_hold_are_left_out() {
    let (idp, auth) = api();
    let long = "a".repeat(1024);
    for (name, values, listed) in [
        ("in order", vec!["b", "a"], text("b a")),
        ("a space", vec!["silver level", "gold"], text("gold")),
        ("a quote", vec!["a\"b", "c\\d", "\u{e9}", "e"], text("e")),
        ("a line break", vec!["a\r\nX-Evil: 1"], None),
        ("too long", vec![&*long, "b"], None),
        ("none", vec![], None),
    ] {
        let require = Require::token().acr_any(values.clone());
        let response = at(&require, &auth, get(idp.token(API).claim("acr", "other").sign())).await;
        assert_eq!(response.outcome(), Err(AuthenticationInsufficient), "{name}");
        assert_eq!(param(&response, "acr_values"), listed, "{name}");
        for value in values {
            let response = at(&require, &auth, get(idp.token(API).claim("acr", value).sign())).await;
            assert_eq!(response.outcome(), ACCEPTED, "{name}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_later_call_replaces_an_earlier_one() {
    let (idp, auth) = api();
    let require = Require::token().acr_any(["a"]).authenticated_within(MINUTE).acr_any(["b"]);
    let require = require.authenticated_within(Duration::from_secs(5));
    let response = at(&require, &auth, get(idp.token(API).claim("acr", "a").sign())).await;
    assert_eq!(response.outcome(), Err(AuthenticationInsufficient));
    assert_eq!((param(&response, "acr_values"), param(&response, "max_age")), (text("b"), text("5")));
}

#[tokio::test(start_paused = true)]
async fn a_grpc_request_gets_unauthenticated_with_the_same_challenge() {
    let (idp, auth) = api();
    let require = Require::token().acr_any(["mfa"]).authenticated_within(MINUTE);
    let mut request = get(idp.token(API).sign());
    as_grpc(&mut request);
    let response = at(&require, &auth, request).await;
    assert_eq!((response.status(), response.header("grpc-status")), (200, Some("16")));
    assert_eq!(param(&response, "error"), text("insufficient_user_authentication"));
    assert_eq!((param(&response, "acr_values"), param(&response, "max_age")), (text("mfa"), text("60")));
}

/// Requires by the query of the request, as a handler does by its body.
async fn handle(request: Request<Full<Bytes>>) -> Result<Response<Full<Bytes>>, std::convert::Infallible> {
    let token = request.extensions().get::<AccessToken>().unwrap();
    let result = match request.uri().query() {
        Some("acr") => token.require_step_up(StepUp::new().acr_any(["mfa"])),
        Some("age") => token.require_step_up(StepUp::new().authenticated_within(MINUTE)),
        Some("own") => Err(Rejection::insufficient_user_authentication(StepUp::new())),
        _ => token.require_step_up(StepUp::new()),
    };
    let response = match result {
        Ok(()) => Response::new(Bytes::from_static(b"done")),
        Err(rejection) => rejection.into_http_response(),
    };
    Ok(response.map(Full::new))
}

#[tokio::test(start_paused = true)]
async fn a_handler_requires_an_authentication_like_a_route() {
    let (idp, auth) = api();
    let request = async |query: &str, token: &TokenBuilder| {
        let mut request = get(token.sign());
        *request.uri_mut() = format!("/?{query}").parse().unwrap();
        send(auth.layer(service_fn(handle)), request).await
    };
    let weak = idp.token(API).claim("acr", "pwd").claim("auth_time", NOW - 91);
    let strong = idp.token(API).claim("acr", "mfa").claim("auth_time", NOW - 90);
    for (query, acr_values, max_age) in [("acr", text("mfa"), None), ("age", None, text("60"))] {
        let response = request(query, &weak).await;
        response.assert_rejected(AuthenticationInsufficient, query);
        assert_eq!((param(&response, "acr_values"), param(&response, "max_age")), (acr_values, max_age));
        assert_eq!(request(query, &strong).await.status(), 200, "{query}");
    }
    assert_eq!(request("own", &strong).await.outcome(), Err(AuthenticationInsufficient));
    assert_eq!(request("nothing", &weak).await.status(), 200, "an empty requirement");
}

#[tokio::test(start_paused = true)]
async fn a_token_without_its_bearer_auth_is_checked_by_the_clock_of_the_machine() {
    let idp = TestIssuer::new();
    let now = std::time::SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let token = |age: u64| idp.token(API).claim("auth_time", now - age).access_token().unwrap();
    let hour = || StepUp::new().authenticated_within(Duration::from_secs(3600));
    assert!(token(0).require_step_up(hour()).is_ok());
    let rejection = token(7200).require_step_up(hour()).unwrap_err();
    assert_eq!(rejection.kind(), AuthenticationInsufficient);
    assert_eq!((rejection.issuer(), rejection.step_up()), (Some(idp.identifier()), Some(&hour())));
    let mock = MockBearerAuth::accepting(token(7200));
    let route = Require::token().authenticated_within(Duration::from_secs(3600)).layer(Handler::default());
    assert_eq!(send(mock.layer(route), anonymous("GET")).await.outcome(), Err(AuthenticationInsufficient));
}

#[tokio::test(start_paused = true)]
async fn the_event_names_what_is_required_and_nothing_of_the_token() {
    let log = Log::start();
    let (idp, auth) = api();
    let require = Require::token().acr_any(["gold", "silver"]).authenticated_within(MINUTE);
    at(&require, &auth, get(idp.token(API).claim("acr", "wooden").sign())).await;
    let events = log.requests();
    let [event] = &events[..] else { panic!("{events:?}") };
    assert_eq!(event.field("kind"), Some("authentication_insufficient"));
    assert_eq!(event.field("issuer"), Some(idp.identifier()));
    assert_eq!(event.field("expected"), Some("acr gold or silver, auth_time at most 60 s ago"));
    assert!(event.field("hint").unwrap().contains("`acr_values` and `max_age`"), "{event:?}");
    assert!(!format!("{event:?}").contains("wooden"), "{event:?}");
}

#[tokio::test(start_paused = true)]
async fn explain_for_shows_the_authentication_and_its_requirement() {
    let (idp, auth) = api();
    let require = Require::token().acr_any(["mfa"]).authenticated_within(MINUTE);
    let token = idp.token(API).claim("acr", "mfa");
    for (token, failed, presented) in [
        (token.clone().claim("auth_time", NOW), None, "acr mfa, auth_time 1800000000 (2027-01-15T08:00:00Z)"),
        (token, Some(AuthenticationInsufficient), "acr mfa, auth_time none"),
        (idp.token(API), Some(AuthenticationInsufficient), "acr none, auth_time none"),
    ] {
        let explanation = auth.explain_for(&token.sign(), &require).await;
        assert_eq!(explanation.rejection_kind(), failed, "{explanation}");
        let finding = explanation.findings().iter().find(|finding| finding.check() == "authentication");
        assert_eq!(finding.unwrap().presented(), presented);
        assert_eq!(finding.unwrap().expected(), "acr mfa, auth_time at most 60 s ago");
        assert_eq!(explanation.hint().is_some(), failed.is_some(), "{explanation}");
    }
    let context = Require::token().entra_auth_context("c1");
    let explanation = auth.explain_for(&idp.token(API).claim("acrs", json!(["c2"])).sign(), &context).await;
    assert_eq!(explanation.rejection_kind(), Some(AuthContextMissing), "{explanation}");
    let last = explanation.findings().iter().find(|finding| finding.check() == "acrs").unwrap();
    assert_eq!((last.presented(), last.expected()), (r#"["c2"]"#, "c1"));
    assert_eq!(last.result(), CheckResult::Failed(AuthContextMissing));
}

#[tokio::test(start_paused = true)]
async fn a_missing_auth_context_gets_the_claims_challenge_of_entra() {
    let tenant = "https://login.microsoftonline.com/11111111-2222-3333-4444-555555555555";
    let idp = TestIssuer::in_memory(format!("{tenant}/v2.0"));
    let auth = idp.bearer_auth(API).build().unwrap();
    let require = Require::scope("pay").entra_auth_context("c1");
    let outcome = |token: TokenBuilder| {
        let (require, auth) = (require.clone(), auth.clone());
        async move { at(&require, &auth, get(token.scope("pay").sign())).await }
    };
    let accepted: [Value; 2] = [json!(["c1"]), json!(["c2", "c1"])];
    for acrs in accepted {
        assert_eq!(outcome(idp.token(API).claim("acrs", acrs)).await.outcome(), ACCEPTED);
    }
    for acrs in
        [json!(["c2"]), json!([]), json!(["C1"]), json!(["c11"]), json!([1]), json!({"c1": 1}), json!(1)]
    {
        let response = outcome(idp.token(API).claim("acrs", acrs.clone())).await;
        let expected: Outcome = Err(AuthContextMissing);
        assert_eq!(response.outcome(), expected, "{acrs}");
        assert_eq!(param(&response, "error"), text("insufficient_claims"));
        assert_eq!(response.rejection().unwrap().auth_context(), Some("c1"));
        let uri = format!("{tenant}/oauth2/v2.0/authorize");
        assert_eq!((param(&response, "authorization_uri"), param(&response, "scope")), (Some(uri), None));
        let claims = BASE64_STANDARD.decode(param(&response, "claims").unwrap()).unwrap();
        assert_eq!(claims, br#"{"access_token":{"acrs":{"essential":true,"value":"c1"}}}"#);
    }
    let absent = outcome(idp.token(API).claim("acr", "c1")).await;
    assert_eq!(absent.outcome(), Err::<(), RejectionKind>(AuthContextMissing));
}
