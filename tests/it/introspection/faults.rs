//! Every fault of the endpoint, and the rejection, the log and the status that follow.

use std::time::Duration;

use tower_bearer::diagnostics::{CircuitState, IntrospectionErrorKind};
use tower_bearer::testing::{Endpoint, Fault, TestIssuer};
use tower_bearer::transport::FetchErrorKind;
use tower_bearer::{BearerAuth, ClientAuth};
use tower_bearer::{Introspection, RejectionKind};
use tracing::Level;

use super::{INACTIVE, MISCONFIGURED, UNAVAILABLE};
use crate::support::figure::figure;
use crate::support::introspected::{
    IssuerIntrospection, SECOND, introspection, retry_after, run_pending_tasks, timed,
};
use crate::support::log::{Log, assert_holds_no_piece};
use crate::support::net::{Act, Net, Reply};
use crate::support::protected::{ACCEPTED, API, Outcome, Protected, verdict};

/// A name, a fault, the outcome of the request, and the error in the status.
type Case = (&'static str, Fault, Outcome, IntrospectionErrorKind);

fn cases(elsewhere: &TestIssuer) -> Vec<Case> {
    use FetchErrorKind::{ConnectionLost, Redirected, Status, TimedOut, TooLarge, Transport};
    use IntrospectionErrorKind::{ClientRejected, Fetch, ResponseUnreadable};
    let error = |error: &str| Fault::Json(400, format!(r#"{{"error":"{error}"}}"#));
    let body = |body: &str| Fault::Body(body.to_owned());
    let mut cases = vec![
        ("no connection", Fault::Refuse, UNAVAILABLE, Fetch(Transport)),
        ("no response", Fault::Hang, UNAVAILABLE, Fetch(TimedOut)),
        ("a slow body", Fault::SlowBody, UNAVAILABLE, Fetch(TimedOut)),
        ("a response after the timeout", Fault::Delay(4 * SECOND), UNAVAILABLE, Fetch(TimedOut)),
        ("half a body", Fault::HalfBody, UNAVAILABLE, Fetch(ConnectionLost)),
        ("a huge body", Fault::HugeBody(8 << 20), UNAVAILABLE, Fetch(TooLarge)),
        ("one byte over the limit", Fault::HugeBody((512 << 10) + 1), UNAVAILABLE, Fetch(TooLarge)),
        ("HTML", Fault::Html, UNAVAILABLE, ResponseUnreadable),
        ("garbage", body("\u{0}garbage"), UNAVAILABLE, ResponseUnreadable),
        ("an array", body("[]"), UNAVAILABLE, ResponseUnreadable),
        ("an array of a response", body(r#"[{"active":true}]"#), UNAVAILABLE, ResponseUnreadable),
        ("a string", body(r#""active""#), UNAVAILABLE, ResponseUnreadable),
        ("true", body("true"), UNAVAILABLE, ResponseUnreadable),
        ("null", body("null"), UNAVAILABLE, ResponseUnreadable),
        ("an empty body", body(""), UNAVAILABLE, ResponseUnreadable),
        ("a repeated member", body(r#"{"active":false,"active":true}"#), UNAVAILABLE, ResponseUnreadable),
        (
            "a repeated inner member",
            body(r#"{"active":true,"x":{"a":1,"a":1}}"#),
            UNAVAILABLE,
            ResponseUnreadable,
        ),
        ("data after the object", body(r#"{"active":true}{}"#), UNAVAILABLE, ResponseUnreadable),
        ("a redirect", Fault::Redirect(elsewhere.introspection_url()), UNAVAILABLE, Fetch(Redirected)),
        ("a redirect to itself", Fault::Redirect("/introspect".to_owned()), UNAVAILABLE, Fetch(Redirected)),
        ("429", Fault::RetryAfter(429, 2 * SECOND), UNAVAILABLE, Fetch(Status(429))),
        ("503 with Retry-After", Fault::RetryAfter(503, 2 * SECOND), UNAVAILABLE, Fetch(Status(503))),
        ("another error", error("server_error"), UNAVAILABLE, Fetch(Status(400))),
        ("invalid_request", error("invalid_request"), UNAVAILABLE, Fetch(Status(400))),
        ("a 400 without JSON", Fault::Status(400), UNAVAILABLE, Fetch(Status(400))),
        ("a 400 with an array", Fault::Json(400, "[]".to_owned()), UNAVAILABLE, Fetch(Status(400))),
        ("invalid_client", error("invalid_client"), MISCONFIGURED, ClientRejected(400)),
        ("unauthorized_client", error("unauthorized_client"), MISCONFIGURED, ClientRejected(400)),
        ("401", Fault::Status(401), MISCONFIGURED, ClientRejected(401)),
        (
            "401 with an error",
            Fault::Json(401, r#"{"error":"x"}"#.to_owned()),
            MISCONFIGURED,
            ClientRejected(401),
        ),
        ("403", Fault::Status(403), MISCONFIGURED, ClientRejected(403)),
    ];
    for status in [201, 204, 206, 404, 405, 410, 413, 418, 500, 502, 503, 504, 599] {
        cases.push(("a status", Fault::Status(status), UNAVAILABLE, Fetch(Status(status))));
    }
    for status in [300, 301, 307, 308] {
        cases.push(("a redirect without Location", Fault::Status(status), UNAVAILABLE, Fetch(Redirected)));
    }
    cases.push(("not modified", Fault::Status(304), UNAVAILABLE, Fetch(Status(304))));
    let active = r#"{"active":true,"aud":"https://api.example.com","exp":9999999999}"#;
    cases.push((
        "a valid response with another status",
        Fault::Json(203, active.to_owned()),
        UNAVAILABLE,
        Fetch(Status(203)),
    ));
    cases
}

#[tokio::test(start_paused = true)]
async fn every_fault_gives_its_rejection_within_three_seconds_and_is_not_cached() {
    let elsewhere = TestIssuer::in_memory("https://elsewhere.example.com");
    for (name, fault, outcome, why) in cases(&elsewhere) {
        let setup = IssuerIntrospection::new();
        let good_jwt = setup.idp.token(API).sign();
        assert_eq!(setup.api.outcome(&good_jwt).await, ACCEPTED, "{name}");
        let (token, before) = (setup.opaque(), setup.api.handler.calls());
        setup.fail(fault.clone());
        let (response, waited) = timed(setup.api.get(&token)).await;
        assert_eq!(response.outcome(), outcome, "{name}: {fault:?}");
        assert!(waited <= 3 * SECOND, "{name}: {waited:?}");
        run_pending_tasks().await;
        assert_eq!(setup.last_error(), Some(why), "{name}: {fault:?}");
        assert_eq!(setup.api.handler.calls(), before, "{name}: the handler was called");
        assert!(retry_after(&response).is_none_or(|secs| secs >= 1), "{name}");
        let status = setup.status();
        assert_eq!(
            (status.active_tokens(), status.inactive_tokens()),
            (0, 0),
            "{name}: the failure is cached"
        );
        let is_retried = why == IntrospectionErrorKind::Fetch(FetchErrorKind::ConnectionLost);
        assert_eq!(setup.calls(), if is_retried { 2 } else { 1 }, "{name}: there is one call");

        assert_eq!(setup.api.outcome_at_once(&good_jwt), ACCEPTED, "{name}: JWTs are still accepted");
        setup.fail(None);
        setup.pass(2 * SECOND).await;
        assert_eq!(setup.api.outcome(&token).await, ACCEPTED, "{name}: {fault:?}: recovered");
        assert_eq!(setup.last_error(), None, "{name}: the error is cleared");
    }
    assert_eq!(elsewhere.requests(Endpoint::Introspection), 0, "no redirect is followed");
}

/// The JWT is introspected, or has a cached response and a route that requires `still_active`.
#[tokio::test(start_paused = true)]
async fn no_fault_makes_a_jwt_accepted_without_introspection() {
    let elsewhere = TestIssuer::in_memory("https://elsewhere.example.com");
    for (name, fault, outcome, _) in cases(&elsewhere) {
        let setup =
            IssuerIntrospection::with(|introspection| introspection.also_jwts().serve_stale(60 * SECOND));
        let route = setup.still_active_route();
        let (old, new) = (setup.idp.token(API).sign(), setup.idp.token(API).sign());
        assert_eq!(setup.api.outcome(&old).await, ACCEPTED, "{name}");
        setup.fail(fault);
        let (actual, waited) = timed(setup.api.outcome(&new)).await;
        assert_eq!(actual, outcome, "{name}: a new token");
        assert!(waited <= 3 * SECOND, "{name}: {waited:?}");
        setup.pass(2 * SECOND).await;
        let (actual, waited) = timed(route.outcome(&old)).await;
        assert_eq!(actual, outcome, "{name}: a cached token under still_active");
        assert!(waited <= 3 * SECOND, "{name}: {waited:?}");
        assert_eq!(route.handler.calls(), 0, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_response_that_is_not_utf_8_is_an_outage() {
    for body in [&b"\xff\xfe"[..], b"{\"active\":true,\"sub\":\"\xff\"}", b"\xef\xbb\xbf{\"active\":true}"] {
        let setup = IssuerIntrospection::new();
        setup.net.always(Act::Instead(Reply::body(body)));
        assert_eq!(setup.outcome_of_new().await, UNAVAILABLE, "{body:?}");
        assert_eq!(setup.last_error(), Some(IntrospectionErrorKind::ResponseUnreadable), "{body:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_fault_of_one_issuer_does_not_affect_tokens_of_another() {
    let elsewhere = TestIssuer::in_memory("https://elsewhere.example.com");
    for (name, fault, ..) in cases(&elsewhere) {
        let down = TestIssuer::in_memory("https://down.example.com");
        let up = TestIssuer::in_memory("https://up.example.com");
        let trusted = |idp: &TestIssuer, prefix: &str| {
            idp.issuer().introspect(introspection().endpoint(idp.introspection_url()).opaque_prefix(prefix))
        };
        let builder = BearerAuth::builder(API)
            .clock(down.clock())
            .http_client(down.http_client().and(up.http_client()));
        let builder = builder.issuer(trusted(&down, "down_")).add_issuer(trusted(&up, "up_"));
        let api = Protected::by(&builder.skip_start_check().build().unwrap());
        down.set_fault(Endpoint::Introspection, Some(fault));
        let jwts = [down.token(API).sign(), up.token(API).sign()];
        for round in 0..7 {
            let (bad, good) = (format!("down_{round}"), format!("up_{round}"));
            down.token(API).opaque_as(&bad);
            up.token(API).opaque_as(&good);
            let outcome = api.outcome(&bad).await;
            assert!([UNAVAILABLE, MISCONFIGURED].contains(&outcome), "{name}: {outcome:?}");
            let (outcome, waited) = timed(api.outcome(&good)).await;
            assert_eq!((outcome, waited), (ACCEPTED, Duration::ZERO), "{name}");
            for jwt in &jwts {
                assert_eq!(api.outcome(jwt).await, ACCEPTED, "{name}");
            }
        }
        assert_eq!(up.requests(Endpoint::Introspection), 7, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_rejected_client_is_reported_to_the_operator_and_not_to_the_caller() {
    let setup = IssuerIntrospection::new();
    for fault in
        [Fault::Status(401), Fault::Status(403), Fault::Json(400, r#"{"error":"invalid_client"}"#.into())]
    {
        let log = Log::start();
        setup.fail(fault.clone());
        let response = setup.api.get(setup.opaque()).await;
        assert_eq!((response.status(), response.outcome()), (500, MISCONFIGURED), "{fault:?}");
        let body = String::from_utf8_lossy(&response.body).into_owned();
        for word in ["introspect", "client", "secret", "401", "403", "issuer.test"] {
            assert!(!body.contains(word), "{fault:?}: {word} in {body}");
        }
        let rejected = log.requests().pop().unwrap();
        assert_eq!(rejected.level, Level::ERROR, "{fault:?}");
        assert_eq!(rejected.field("issuer"), Some("https://issuer.test"), "{fault:?}");
        let cause = rejected.field("cause").unwrap();
        for word in ["check", "client id", "secret", "key", "may introspect"] {
            assert!(cause.contains(word), "{fault:?}: {word} missing in {cause}");
        }
    }
}

/// The server has not issued an opaque token of a type that it does not support: any text of five parts looks
/// like an encrypted JWT. About a JWT that passed every other check, the configuration is wrong.
#[tokio::test(start_paused = true)]
async fn unsupported_token_type_rejects_an_opaque_token_and_is_a_misconfiguration_about_a_jwt() {
    let setup = IssuerIntrospection::with(Introspection::also_jwts);
    setup.fail(Fault::Json(400, r#"{"error":"unsupported_token_type"}"#.to_owned()));
    for token in ["made-up", "a.b.c.d.e"] {
        let response = setup.api.get(token).await;
        let shown = format!("{}, {}", response.status(), verdict(response.outcome()));
        figure("1.12", format_args!("unsupported_token_type about `{token}`"), shown, "401, token_inactive");
        assert_eq!((response.status(), response.outcome()), (401, INACTIVE), "{token}");
        let explanation = setup.auth.explain(token).await;
        assert!(explanation.to_string().contains("token_inactive"), "{token}: {explanation}");
    }
    assert_eq!(
        (setup.calls(), setup.status().inactive_tokens()),
        (4, 2),
        "two of the calls are explanations"
    );
    let log = Log::start();
    assert_eq!(setup.api.outcome(setup.idp.token(API).sign()).await, MISCONFIGURED);
    assert!(log.requests()[0].field("cause").unwrap().contains("also_jwts"));
}

/// Any text may be explained.
#[tokio::test(start_paused = true)]
async fn an_explanation_is_subject_to_the_limits_of_an_untrusted_token() {
    let setup = IssuerIntrospection::new();
    setup.fail(Fault::Status(500));
    for n in 0..12 {
        assert!(!setup.auth.explain(&format!("made-up-{n}")).await.is_accepted());
    }
    assert_eq!((setup.calls(), setup.circuit()), (12, CircuitState::Closed));
    assert!(!setup.auth.explain("made-up-11").await.is_accepted());
    assert_eq!(setup.calls(), 12, "a token that has just failed is held back");
}

#[tokio::test(start_paused = true)]
async fn the_error_of_the_server_reaches_the_log_and_not_the_caller() {
    let setup = IssuerIntrospection::new();
    for (status, outcome) in [(400, MISCONFIGURED), (401, MISCONFIGURED), (503, UNAVAILABLE)] {
        let log = Log::start();
        let description = r"Client secret not provided\n\u001b[31m in request about user bob@example.com";
        let body = format!(r#"{{"error":"invalid_client","error_description":"{description}"}}"#);
        setup.fail(Fault::Json(status, body));
        let response = setup.api.get(setup.opaque()).await;
        assert_eq!(response.outcome(), outcome, "{status}");
        assert!(!String::from_utf8_lossy(&response.body).contains("not provided"), "{status}");
        let expected = "`invalid_client` (Client secret not provided ... in request about user ...)";
        let events = log.events();
        let causes: Vec<_> = events.iter().filter_map(|event| event.field("cause")).collect();
        assert_eq!(causes.len(), 2, "{status}: {causes:?}");
        figure("1.13", format_args!("cause in the log, status {status}"), causes[0], expected);
        assert!(causes.iter().all(|cause| cause.contains(expected)), "{status}: {causes:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_logged_with_its_cause() {
    let setup = IssuerIntrospection::new();
    let log = Log::start();
    setup.fail(Fault::Status(502));
    assert_eq!(setup.outcome_of_new().await, UNAVAILABLE);
    let events = log.events();
    let call = events.iter().find(|event| event.field("outcome") == Some("failed")).unwrap();
    assert_eq!(call.level, Level::WARN);
    assert_eq!(call.field("url"), Some("https://issuer.test/introspect"));
    assert!(call.field("cause").unwrap().contains("502"));
    let rejected = log.requests().pop().unwrap();
    assert_eq!(
        (rejected.level, rejected.field("kind")),
        (Level::WARN, Some(RejectionKind::IntrospectionUnavailable.as_str()))
    );
    assert!(rejected.field("cause").unwrap().contains("502"));
}

/// The secrets of these tests: the client secret and two claims.
const SECRET: &str = "correct-horse-battery-staple";
const SUBJECT: &str = "subject-of-the-token-4711";
const EMAIL: &str = "mail-of-the-token-0815";

/// Faults that echo the token, the client secret and the claims wherever an error text might quote them.
fn echoing_faults(token: &str) -> Vec<Fault> {
    let echo = format!("{token} {SECRET} {SUBJECT} {EMAIL}");
    let mut faults = vec![
        Fault::Body(format!("\"{echo}\"")),
        Fault::Body(format!("[\"{echo}\"]")),
        Fault::Body(echo.clone()),
        Fault::Body(format!("{{\"{echo}\":1,\"{echo}\":2}}")),
        Fault::Body(format!("{{\"active\":true,\"aud\":\"{echo}\",\"exp\":\"{echo}\"}}")),
        Fault::Body(format!("{{\"active\":\"{echo}\"}}")),
        Fault::Body(format!("{{\"active\":true,\"token_type\":\"{echo}\"}}")),
        Fault::BodyOfType("application/token-introspection+jwt".to_owned(), echo.clone()),
        Fault::BodyOfType(echo.clone(), echo.clone()),
        Fault::Redirect(format!("https://elsewhere.example.com/?token={token}&secret={SECRET}")),
    ];
    for error in
        [&*echo, "invalid_client", "unauthorized_client", "unsupported_token_type", "invalid_request"]
    {
        faults.push(Fault::Json(400, format!(r#"{{"error":"{error}","error_description":"{echo}"}}"#)));
    }
    faults.extend([401, 403, 500].map(|status| Fault::Json(status, format!("\"{echo}\""))));
    faults
}

#[tokio::test(start_paused = true)]
async fn neither_token_nor_secret_nor_claim_is_ever_logged() {
    let elsewhere = TestIssuer::in_memory("https://elsewhere.example.com");
    let log = Log::start();
    let mut secrets = vec![SECRET.to_owned(), SUBJECT.to_owned(), EMAIL.to_owned()];
    let mut shown = String::new();
    for post in [false, true] {
        let auth = |id: &str| match post {
            true => ClientAuth::secret_post(id, SECRET),
            false => ClientAuth::secret_basic(id, SECRET),
        };
        let with_client = || {
            let idp = TestIssuer::new();
            idp.register_client("api", SECRET);
            let url = idp.introspection_url();
            let issuer = idp.issuer().introspect(Introspection::with(auth("api")).endpoint(url));
            let builder = BearerAuth::builder(API).clock(idp.clock()).http_client(Net::to(&idp));
            (builder.issuer(issuer).build().unwrap(), idp)
        };
        let (_, scratch) = with_client();
        let token = scratch.token(API).subject(SUBJECT).claim("email", EMAIL).opaque();
        let mut faults: Vec<Fault> = cases(&elsewhere).into_iter().map(|(_, fault, ..)| fault).collect();
        faults.extend(echoing_faults(&token));
        for fault in faults {
            let (auth, idp) = with_client();
            idp.token(API).subject(SUBJECT).claim("email", EMAIL).opaque_as(&token);
            let api = Protected::by(&auth);
            idp.set_fault(Endpoint::Introspection, Some(fault));
            // Six requests, so that the circuit is open for the last.
            for _ in 0..6 {
                let response = api.get(&token).await;
                let rejection = response.rejection().unwrap();
                shown += &format!("{rejection} {rejection:?} {:?} {response:?} {:?}", auth.status(), auth);
            }
            idp.set_fault(Endpoint::Introspection, None);
            tokio::time::sleep(20 * SECOND).await;
            assert_eq!(api.outcome(&token).await, ACCEPTED);
        }
        secrets.push(token);
    }
    let text = log.text();
    assert!(text.contains("token introspection failed"), "nothing was logged");
    for secret in &secrets {
        assert_holds_no_piece(&text, secret, 12, "the log");
        assert_holds_no_piece(&shown, secret, 12, "responses and status");
    }
    let basic = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, format!("api:{SECRET}"));
    assert_holds_no_piece(&text, &basic, 12, "the log");
}
