//! Every way in which the endpoint can fail, and what that means for a request.

use std::time::Duration;

use tower_bearer::testing::{Endpoint, Fault, TestIssuer};
use tower_bearer::transport::FetchErrorKind;
use tower_bearer::{BearerAuth, ClientAuth};
use tracing::Level;

use crate::support::introspected::{IssuerIntrospection, SECOND, introspection, retry_after, settle, timed};
use crate::support::log::{Log, assert_holds_no_piece};
use crate::support::net::Reply;
use crate::support::protected::{API, Protected};
use crate::support::wire::{Act, Wire};

const UNAVAILABLE: &str = "introspection_unavailable";
const MISCONFIGURED: &str = "introspection_misconfigured";

/// A fault, the kind of refusal that follows, and the reason that an operator is given.
type Case = (&'static str, Fault, &'static str, FetchErrorKind);

fn cases(elsewhere: &TestIssuer) -> Vec<Case> {
    use FetchErrorKind::{
        ClientRefused, Redirected, Status, TimedOut, TokenKindRefused, TooLarge, Transport, Unreadable,
    };
    let error = |error: &str| Fault::Json(400, format!(r#"{{"error":"{error}"}}"#));
    let body = |body: &str| Fault::Body(body.to_owned());
    let mut cases = vec![
        ("no connection", Fault::Refuse, UNAVAILABLE, Transport),
        ("no answer", Fault::Hang, UNAVAILABLE, TimedOut),
        ("a byte a minute", Fault::SlowBody, UNAVAILABLE, TimedOut),
        ("an answer after the limit", Fault::Delay(4 * SECOND), UNAVAILABLE, TimedOut),
        ("half a body", Fault::HalfBody, UNAVAILABLE, Transport),
        ("a huge body", Fault::HugeBody(8 << 20), UNAVAILABLE, TooLarge),
        ("a byte too many", Fault::HugeBody((512 << 10) + 1), UNAVAILABLE, TooLarge),
        ("HTML", Fault::Html, UNAVAILABLE, Unreadable),
        ("garbage", body("\u{0}garbage"), UNAVAILABLE, Unreadable),
        ("a list", body("[]"), UNAVAILABLE, Unreadable),
        ("a list of an answer", body(r#"[{"active":true}]"#), UNAVAILABLE, Unreadable),
        ("a text", body(r#""active""#), UNAVAILABLE, Unreadable),
        ("true", body("true"), UNAVAILABLE, Unreadable),
        ("null", body("null"), UNAVAILABLE, Unreadable),
        ("nothing", body(""), UNAVAILABLE, Unreadable),
        ("a member twice", body(r#"{"active":false,"active":true}"#), UNAVAILABLE, Unreadable),
        ("an inner member twice", body(r#"{"active":true,"x":{"a":1,"a":1}}"#), UNAVAILABLE, Unreadable),
        ("something behind it", body(r#"{"active":true}{}"#), UNAVAILABLE, Unreadable),
        ("a redirect", Fault::Redirect(elsewhere.introspection_url()), UNAVAILABLE, Redirected),
        ("a redirect to itself", Fault::Redirect("/introspect".to_owned()), UNAVAILABLE, Redirected),
        ("too many", Fault::RetryAfter(429, 2 * SECOND), UNAVAILABLE, Status(429)),
        ("a pause", Fault::RetryAfter(503, 2 * SECOND), UNAVAILABLE, Status(503)),
        ("another error", error("server_error"), UNAVAILABLE, Status(400)),
        ("invalid_request", error("invalid_request"), UNAVAILABLE, Status(400)),
        ("a 400 of no JSON", Fault::Status(400), UNAVAILABLE, Status(400)),
        ("a 400 of a list", Fault::Json(400, "[]".to_owned()), UNAVAILABLE, Status(400)),
        ("invalid_client", error("invalid_client"), MISCONFIGURED, ClientRefused(400)),
        ("unauthorized_client", error("unauthorized_client"), MISCONFIGURED, ClientRefused(400)),
        ("unsupported_token_type", error("unsupported_token_type"), MISCONFIGURED, TokenKindRefused),
        ("401", Fault::Status(401), MISCONFIGURED, ClientRefused(401)),
        (
            "401 with an error",
            Fault::Json(401, r#"{"error":"x"}"#.to_owned()),
            MISCONFIGURED,
            ClientRefused(401),
        ),
        ("403", Fault::Status(403), MISCONFIGURED, ClientRefused(403)),
    ];
    for status in [201, 204, 206, 404, 405, 410, 413, 418, 500, 502, 503, 504, 599] {
        cases.push(("a status", Fault::Status(status), UNAVAILABLE, Status(status)));
    }
    for status in [300, 301, 307, 308] {
        cases.push(("a redirect without a place", Fault::Status(status), UNAVAILABLE, Redirected));
    }
    cases.push(("not modified", Fault::Status(304), UNAVAILABLE, Status(304)));
    let active = r#"{"active":true,"aud":"https://api.example.com","exp":9999999999}"#;
    cases.push((
        "an answer with another status",
        Fault::Json(203, active.to_owned()),
        UNAVAILABLE,
        Status(203),
    ));
    cases
}

#[tokio::test(start_paused = true)]
async fn every_fault_is_answered_in_time_as_the_table_says_and_is_not_remembered() {
    let elsewhere = TestIssuer::in_memory("https://elsewhere.example.com");
    for (name, fault, kind, why) in cases(&elsewhere) {
        let of = IssuerIntrospection::new();
        let good_jwt = of.idp.token(API).sign();
        assert_eq!(of.api.kind(&good_jwt).await, "ok", "{name}");
        let (token, before) = (of.opaque(), of.api.handler.calls());
        of.fail(fault.clone());
        let (answer, waited) = timed(of.api.get(&token)).await;
        assert_eq!(answer.kind(), kind, "{name}: {fault:?}");
        assert!(waited <= 3 * SECOND, "{name}: {waited:?}");
        settle().await;
        assert_eq!(of.why(), Some(why), "{name}: {fault:?}");
        assert_eq!(of.api.handler.calls(), before, "{name}: the handler was called");
        assert!(retry_after(&answer).is_none_or(|secs| secs >= 1), "{name}");
        let status = of.status();
        assert_eq!((status.active_tokens(), status.inactive_tokens()), (0, 0), "{name}: it is remembered");
        assert_eq!(of.calls(), 1, "{name}: it is asked once");

        assert_eq!(of.api.kind_at_once(&good_jwt), "ok", "{name}: JWTs go on");
        of.fail(None);
        of.pass(2 * SECOND).await;
        assert_eq!(of.api.kind(&token).await, "ok", "{name}: {fault:?}: healthy again");
        assert_eq!(of.why(), None, "{name}: the fault is past");
    }
    assert_eq!(elsewhere.requests(Endpoint::Introspection), 0, "no redirect is followed");
}

/// The same for JWTs that are asked about, and for routes that ask anew with an answer remembered.
#[tokio::test(start_paused = true)]
async fn no_fault_lets_a_jwt_pass_that_must_be_asked_about() {
    let elsewhere = TestIssuer::in_memory("https://elsewhere.example.com");
    for (name, fault, kind, _) in cases(&elsewhere) {
        let of =
            IssuerIntrospection::with(|introspection| introspection.also_jwts().serve_stale(60 * SECOND));
        let route = of.asking_now();
        let (old, new) = (of.idp.token(API).sign(), of.idp.token(API).sign());
        assert_eq!(of.api.kind(&old).await, "ok", "{name}");
        of.fail(fault);
        let (answered, waited) = timed(of.api.kind(&new)).await;
        assert_eq!(answered, kind, "{name}: of a new token");
        assert!(waited <= 3 * SECOND, "{name}: {waited:?}");
        of.pass(2 * SECOND).await;
        let (answered, waited) = timed(route.kind(&old)).await;
        assert_eq!(answered, kind, "{name}: of a known token, asked anew");
        assert!(waited <= 3 * SECOND, "{name}: {waited:?}");
        assert_eq!(route.handler.calls(), 0, "{name}");
    }
}

/// Answers whose bytes are no text at all.
#[tokio::test(start_paused = true)]
async fn an_answer_that_is_no_utf_8_is_no_answer() {
    for body in [&b"\xff\xfe"[..], b"{\"active\":true,\"sub\":\"\xff\"}", b"\xef\xbb\xbf{\"active\":true}"] {
        let of = IssuerIntrospection::new();
        of.wire.always(Act::Instead(Reply::body(body)));
        assert_eq!(of.kind_of_new().await, UNAVAILABLE, "{body:?}");
        assert_eq!(of.why(), Some(FetchErrorKind::Unreadable), "{body:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn tokens_of_other_issuers_go_on_while_one_is_out_of_order() {
    let elsewhere = TestIssuer::in_memory("https://elsewhere.example.com");
    for (name, fault, ..) in cases(&elsewhere) {
        let down = TestIssuer::in_memory("https://down.example.com");
        let up = TestIssuer::in_memory("https://up.example.com");
        let asks = |idp: &TestIssuer, prefix: &str| {
            idp.issuer().introspect(introspection().endpoint(idp.introspection_url()).opaque_prefix(prefix))
        };
        let builder = BearerAuth::builder(API)
            .clock(down.clock())
            .http_client(down.http_client().and(up.http_client()));
        let builder = builder.issuer(asks(&down, "down_")).add_issuer(asks(&up, "up_"));
        let api = Protected::by(&builder.build().unwrap());
        down.set_fault(Endpoint::Introspection, Some(fault));
        let jwts = [down.token(API).sign(), up.token(API).sign()];
        for round in 0..7 {
            let (bad, good) = (format!("down_{round}"), format!("up_{round}"));
            down.token(API).opaque_as(&bad);
            up.token(API).opaque_as(&good);
            assert!(api.kind(&bad).await.starts_with("introspection_"), "{name}");
            let (kind, waited) = timed(api.kind(&good)).await;
            assert_eq!((kind.as_str(), waited), ("ok", Duration::ZERO), "{name}");
            for jwt in &jwts {
                assert_eq!(api.kind(jwt).await, "ok", "{name}");
            }
        }
        assert_eq!(up.requests(Endpoint::Introspection), 7, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_refused_is_told_to_the_operator_and_not_to_the_caller() {
    let of = IssuerIntrospection::new();
    for fault in
        [Fault::Status(401), Fault::Status(403), Fault::Json(400, r#"{"error":"invalid_client"}"#.into())]
    {
        let log = crate::support::events::Log::start();
        of.fail(fault.clone());
        let answer = of.api.get(of.opaque()).await;
        assert_eq!((answer.status(), answer.kind().as_str()), (500, MISCONFIGURED), "{fault:?}");
        let body = String::from_utf8_lossy(&answer.body).into_owned();
        for word in ["introspect", "client", "secret", "401", "403", "issuer.test"] {
            assert!(!body.contains(word), "{fault:?}: {word} is in {body}");
        }
        let refused = log.requests().pop().unwrap();
        assert_eq!(refused.level, Level::ERROR, "{fault:?}");
        assert_eq!(refused.field("issuer"), Some("https://issuer.test"), "{fault:?}");
        let cause = refused.field("cause").unwrap();
        for word in ["check", "client id", "secret", "key", "may introspect"] {
            assert!(cause.contains(word), "{fault:?}: {word} is not in {cause}");
        }
    }
    let log = crate::support::events::Log::start();
    of.fail(Fault::Json(400, r#"{"error":"unsupported_token_type"}"#.to_owned()));
    assert_eq!(of.kind_of_new().await, MISCONFIGURED);
    assert!(log.requests()[0].field("cause").unwrap().contains("also_jwts"));
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_told_to_the_operator_with_its_cause() {
    let of = IssuerIntrospection::new();
    let log = crate::support::events::Log::start();
    of.fail(Fault::Status(502));
    assert_eq!(of.kind_of_new().await, UNAVAILABLE);
    let events = log.events();
    let call = events.iter().find(|event| event.field("outcome") == Some("failed")).unwrap();
    assert_eq!(call.level, Level::WARN);
    assert_eq!(call.field("url"), Some("https://issuer.test/introspect"));
    assert!(call.field("cause").unwrap().contains("502"));
    let refused = log.requests().pop().unwrap();
    assert_eq!((refused.level, refused.field("kind")), (Level::WARN, Some(UNAVAILABLE)));
    assert!(refused.field("cause").unwrap().contains("502"));
}

/// The secrets of one service: what its client authenticates with, and what a token says.
const SECRET: &str = "correct-horse-battery-staple";
const SUBJECT: &str = "subject-of-the-token-4711";
const EMAIL: &str = "mail-of-the-token-0815";

/// Faults that hand back what they were told, or what the token says, in every place where a reader might
/// quote it.
fn telling_faults(token: &str) -> Vec<Fault> {
    let told = format!("{token} {SECRET} {SUBJECT} {EMAIL}");
    let mut faults = vec![
        Fault::Body(format!("\"{told}\"")),
        Fault::Body(format!("[\"{told}\"]")),
        Fault::Body(told.clone()),
        Fault::Body(format!("{{\"{told}\":1,\"{told}\":2}}")),
        Fault::Body(format!("{{\"active\":true,\"aud\":\"{told}\",\"exp\":\"{told}\"}}")),
        Fault::Body(format!("{{\"active\":\"{told}\"}}")),
        Fault::Body(format!("{{\"active\":true,\"token_type\":\"{told}\"}}")),
        Fault::BodyOfType("application/token-introspection+jwt".to_owned(), told.clone()),
        Fault::BodyOfType(told.clone(), told.clone()),
        Fault::Redirect(format!("https://elsewhere.example.com/?token={token}&secret={SECRET}")),
    ];
    for error in
        [&*told, "invalid_client", "unauthorized_client", "unsupported_token_type", "invalid_request"]
    {
        faults.push(Fault::Json(400, format!(r#"{{"error":"{error}","error_description":"{told}"}}"#)));
    }
    faults.extend([401, 403, 500].map(|status| Fault::Json(status, format!("\"{told}\""))));
    faults
}

#[tokio::test(start_paused = true)]
async fn neither_token_nor_secret_nor_claim_is_ever_logged() {
    let elsewhere = TestIssuer::in_memory("https://elsewhere.example.com");
    let (log, _guard) = Log::capture();
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
            let issuer =
                idp.issuer().introspect(tower_bearer::Introspection::with(auth("api")).endpoint(url));
            let builder = BearerAuth::builder(API).clock(idp.clock()).http_client(Wire::to(&idp));
            (builder.issuer(issuer).build().unwrap(), idp)
        };
        let (_, scratch) = with_client();
        let token = scratch.token(API).subject(SUBJECT).claim("email", EMAIL).opaque();
        let mut faults: Vec<Fault> = cases(&elsewhere).into_iter().map(|(_, fault, ..)| fault).collect();
        faults.extend(telling_faults(&token));
        for fault in faults {
            let (auth, idp) = with_client();
            idp.token(API).subject(SUBJECT).claim("email", EMAIL).opaque_as(&token);
            let api = Protected::by(&auth);
            idp.set_fault(Endpoint::Introspection, Some(fault));
            // Six times: with the circuit open as well.
            for _ in 0..6 {
                let answer = api.get(&token).await;
                let rejection = answer.rejection().unwrap();
                shown += &format!("{rejection} {rejection:?} {:?} {answer:?} {:?}", auth.status(), auth);
            }
            idp.set_fault(Endpoint::Introspection, None);
            tokio::time::sleep(20 * SECOND).await;
            assert_eq!(api.kind(&token).await, "ok");
        }
        secrets.push(token);
    }
    let text = log.text();
    assert!(text.contains("token could not be introspected"), "the log works");
    for secret in &secrets {
        assert_holds_no_piece(&text, secret, 12, "the log");
        assert_holds_no_piece(&shown, secret, 12, "answers and status");
    }
    let basic = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, format!("api:{SECRET}"));
    assert_holds_no_piece(&text, &basic, 12, "the log");
}
