//! The check of the introspection credentials in `ready`.

use tower_bearer::diagnostics::{CircuitState, IntrospectionError, IntrospectionErrorKind, NotReady};
use tower_bearer::testing::{Endpoint, Fault, TestIssuer};
use tower_bearer::{ClientAuth, Introspection};
use tracing::Level;

use super::{Api, MISCONFIGURED};
use crate::support::introspected::{TRUSTED_FAILURES, introspection};
use crate::support::log::Log;
use crate::support::protected::ACCEPTED;

fn kinds(result: Result<(), NotReady>) -> Vec<IntrospectionErrorKind> {
    let Err(error) = result else { return Vec::new() };
    error.issuers().filter_map(|(_, error)| error.downcast_ref().map(IntrospectionError::kind)).collect()
}

#[tokio::test(start_paused = true)]
async fn rejected_credentials_show_in_ready() {
    let wrong = ClientAuth::secret_basic(TestIssuer::CLIENT_ID, "wrong");
    let api = Api::introspecting(Introspection::with(wrong));
    let error = api.auth.ready().await.unwrap_err();
    assert!(error.to_string().contains("rejected this client (status 401)"), "{error}");
    assert_eq!(kinds(api.auth.ready_all().await), [IntrospectionErrorKind::ClientRejected(401)]);
    assert_eq!(api.calls(), 2, "the check is repeated until the credentials are accepted");
    api.idp.register_client(TestIssuer::CLIENT_ID, "wrong");
    api.auth.ready_all().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn accepted_credentials_are_checked_once() {
    let api = Api::new();
    for _ in 0..5 {
        api.auth.ready_all().await.unwrap();
    }
    assert_eq!(api.calls(), 1);
    let status = api.status();
    assert_eq!((status.active_tokens(), status.inactive_tokens()), (0, 0), "nothing is cached");

    let api = Api::new();
    assert_eq!(api.outcome(api.token().opaque()).await, ACCEPTED);
    api.auth.ready_all().await.unwrap();
    assert_eq!(api.calls(), 1, "the introspection of a token proves it as well");
}

#[tokio::test(start_paused = true)]
async fn a_failed_check_opens_no_circuit_breaker_and_holds_no_token_back() {
    for fault in [Fault::Status(401), Fault::Refuse, Fault::Hang, Fault::Status(500), Fault::HalfBody] {
        let api = Api::new();
        api.idp.set_fault(Endpoint::Introspection, Some(fault.clone()));
        for _ in 0..3 * TRUSTED_FAILURES {
            api.auth.ready_all().await.ok();
        }
        assert_eq!(api.status().circuit(), CircuitState::Closed, "{fault:?}");
        assert!(api.status().last_error().is_none(), "{fault:?}");
        api.idp.set_fault(Endpoint::Introspection, None);
        assert_eq!(api.outcome(api.token().opaque()).await, ACCEPTED, "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn only_what_is_true_for_every_token_is_an_error() {
    for (fault, is_ready) in [
        (Fault::Refuse, false),
        (Fault::Hang, false),
        (Fault::HalfBody, false),
        (Fault::Status(401), false),
        (Fault::Status(403), false),
        (Fault::Status(404), false),
        (Fault::Json(400, r#"{"error":"invalid_client"}"#.to_owned()), false),
        (Fault::Json(400, r#"{"error":"unsupported_token_type"}"#.to_owned()), true),
        (Fault::Json(400, r#"{"error":"invalid_request"}"#.to_owned()), true),
        (Fault::Status(429), true),
        (Fault::Status(500), true),
        (Fault::Status(503), true),
        (Fault::Html, true),
        (Fault::Body(r#"{"active":true}"#.to_owned()), true),
    ] {
        let api = Api::new();
        api.idp.set_fault(Endpoint::Introspection, Some(fault.clone()));
        assert_eq!(api.auth.ready_all().await.is_ok(), is_ready, "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_introspects_no_jwts_shows_in_ready_and_once_in_the_log() {
    let api = Api::introspecting(introspection().also_jwts());
    let unsupported = Fault::Json(400, r#"{"error":"unsupported_token_type"}"#.to_owned());
    api.idp.set_fault(Endpoint::Introspection, Some(unsupported));
    let log = Log::start();
    assert_eq!(kinds(api.auth.ready_all().await), [IntrospectionErrorKind::TokenTypeUnsupported]);
    for _ in 0..3 {
        assert_eq!(api.outcome(api.token().sign()).await, MISCONFIGURED);
    }
    let text = log.text();
    assert_eq!(text.matches("remove also_jwts, also_jwts_when and still_active").count(), 1, "{text}");
}

#[tokio::test(start_paused = true)]
async fn still_active_on_a_jwt_that_the_server_does_not_introspect_is_logged_once() {
    let api = Api::new();
    let unsupported = Fault::Json(400, r#"{"error":"unsupported_token_type"}"#.to_owned());
    api.idp.set_fault(Endpoint::Introspection, Some(unsupported));
    let log = Log::start();
    for _ in 0..3 {
        let response = api.on_route(&super::payments(), api.token().sign()).await;
        assert_eq!(response.outcome(), MISCONFIGURED);
    }
    let reported: Vec<Level> = log
        .events()
        .iter()
        .filter(|event| event.field("message").is_some_and(|message| message.contains("still_active")))
        .map(|event| event.level)
        .collect();
    assert_eq!(reported, [Level::ERROR]);
}

#[tokio::test(start_paused = true)]
async fn the_check_counts_against_the_rate_limit() {
    let wrong = ClientAuth::secret_basic(TestIssuer::CLIENT_ID, "wrong");
    let wrong = Introspection::with(wrong).endpoint("https://issuer.test/introspect").max_calls_per_minute(2);
    let api = Api::introspecting(wrong);
    api.auth.ready_all().await.unwrap_err();
    assert!(api.auth.ready_all().await.is_ok(), "a limit that is reached proves nothing");
    assert_eq!(api.calls(), 1);
}
