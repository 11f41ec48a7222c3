//! Requests through the layer, with bodies of every kind.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Empty, Full};
use tower::limit::ConcurrencyLimit;
use tower::{ServiceExt, service_fn};
use tower_layer::Layer;
use tower_service::Service;
use tower_test::mock;

use super::body::with_bytes;
use super::*;
use crate::bearer::CredentialsFault::{self, BodyTooLarge, Malformed, SeveralCredentials};
use crate::bearer::form::FormCredential;

const FORM: &str = "application/x-www-form-urlencoded";
const LIMIT: usize = 25;

/// A step of a body: data, trailers, an error, or a wait.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Step {
    Data(&'static str),
    Trailers,
    Error,
    Wait,
}

use Step::{Data, Error, Trailers, Wait};

/// A body that plays `steps` and counts its polls.
#[derive(Debug)]
struct Script {
    steps: VecDeque<Step>,
    polls: Arc<AtomicUsize>,
    length: Option<u64>,
}

impl Script {
    fn new(steps: &[Step]) -> Self {
        Self { steps: steps.iter().copied().collect(), polls: Arc::default(), length: None }
    }
}

impl Body for Script {
    type Data = VecDeque<u8>;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        self.polls.fetch_add(1, Ordering::Relaxed);
        match self.steps.pop_front() {
            None => Poll::Ready(None),
            Some(Data(text)) => Poll::Ready(Some(Ok(Frame::data(text.bytes().collect())))),
            Some(Trailers) => Poll::Ready(Some(Ok(Frame::trailers(trailers())))),
            Some(Error) => Poll::Ready(Some(Err(io::Error::other("broken")))),
            Some(Wait) => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.steps.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        self.length.map(SizeHint::with_exact).unwrap_or_default()
    }
}

fn trailers() -> HeaderMap {
    HeaderMap::from_iter([(http::header::ETAG, HeaderValue::from_static("x"))])
}

fn full(text: &'static str) -> Full<Bytes> {
    Full::from(text)
}

fn form<B>(body: B) -> Request<B> {
    Request::post("/").header("content-type", FORM).body(body).unwrap()
}

/// The request that the inner service receives.
async fn handed_on<B>(request: Request<B>) -> Request<ReplayedBody<B>>
where
    B: Body + Unpin,
{
    let inner = service_fn(|request| async { Ok::<_, Infallible>(request) });
    FormBodyToken::up_to(LIMIT).layer(inner).oneshot(request).await.unwrap()
}

fn found<B>(request: &Request<B>) -> Option<Result<String, CredentialsFault>> {
    request.extensions().get::<FormCredential>().map(|found| found.0.clone())
}

/// The data as one string, and the other steps.
async fn drained<B: Body<Error = io::Error> + Unpin>(mut body: B) -> (String, Vec<Step>) {
    let (mut text, mut others) = (Vec::new(), Vec::new());
    while let Some(frame) = body.frame().await {
        match frame.map(with_bytes).map(Frame::into_data) {
            Ok(Ok(data)) => text.extend_from_slice(&data),
            Ok(Err(frame)) => {
                assert_eq!(frame.into_trailers().ok(), Some(trailers()));
                others.push(Trailers);
            }
            Err(error) => {
                assert_eq!(error.to_string(), "broken");
                others.push(Error);
            }
        }
    }
    (String::from_utf8(text).unwrap(), others)
}

#[tokio::test]
async fn any_body_is_passed_on_unchanged_and_its_token_is_found() {
    let token = |text: &str| Some(Ok(text.to_owned()));
    for (name, steps, expected) in [
        ("empty", &[][..], None),
        ("one frame", &[Data("access_token=abc")][..], token("abc")),
        ("frames", &[Data("access"), Data("_token=a"), Data(""), Data("bc&x")], token("abc")),
        ("waits", &[Wait, Data("access_token"), Wait, Wait, Data("=abc"), Wait], token("abc")),
        ("trailers", &[Data("access_token=abc"), Wait, Trailers], token("abc")),
        ("trailers only", &[Trailers], None),
        ("no token", &[Data("x=1&y=2")], None),
        ("not ASCII", &[Data("access_token=abc&x=\u{e9}")], None),
        ("two tokens", &[Data("access_token&access_token")], Some(Err(SeveralCredentials))),
        ("malformed", &[Data("access_token=a b")], Some(Err(Malformed))),
        ("at the limit", &[Data("access_token=a"), Data("bcdefghijkl")], token("abcdefghijkl")),
        ("over the limit", &[Data("access_token=a"), Data("bcdefghijklm")], Some(Err(BodyTooLarge))),
        ("over at once", &[Data("access_token=abcdefghijklm")], Some(Err(BodyTooLarge))),
        (
            "over, and more behind",
            &[Data("x="), Data("1234567890123456789012345"), Wait, Data("6"), Trailers],
            Some(Err(BodyTooLarge)),
        ),
        ("over, then broken", &[Data("x=123456789012345678901234"), Error], Some(Err(BodyTooLarge))),
        ("broken", &[Data("access_token=abc"), Wait, Error], None),
        ("broken at once", &[Error], None),
        ("trailers, then broken", &[Data("access_token=abc"), Trailers, Error], token("abc")),
    ] {
        let request = handed_on(form(Script::new(steps))).await;
        assert_eq!(found(&request), expected, "{name}");
        assert_eq!(drained(request.into_body()).await, drained(Script::new(steps)).await, "{name}");
    }
}

#[tokio::test]
async fn a_body_that_is_no_form_is_not_read_by_the_layer() {
    let json = Request::post("/").header("content-type", "application/json");
    let get = Request::get("/").header("content-type", FORM);
    for request in [json, get, Request::post("/")] {
        let body = Script::new(&[Data("access_token=abc"), Trailers]);
        let polls = Arc::clone(&body.polls);
        let request = handed_on(request.body(body).unwrap()).await;
        assert_eq!((polls.load(Ordering::Relaxed), found(&request)), (0, None));
        let drained = drained(request.into_body()).await;
        assert_eq!(drained, ("access_token=abc".to_owned(), vec![Trailers]));
    }
}

#[tokio::test]
async fn a_form_with_a_declared_size_above_the_limit_is_not_read() {
    let declared = |length: Option<&str>, hint: Option<u64>| {
        let mut request = form(Script { length: hint, ..Script::new(&[Data("access_token=abc")]) });
        let length = length.map(|length| HeaderValue::from_str(length).unwrap());
        request.headers_mut().extend(length.map(|length| (http::header::CONTENT_LENGTH, length)));
        request
    };
    for (length, hint, is_read) in [
        (Some("26"), None, false),
        (Some("18446744073709551615"), None, false),
        (None, Some(26), false),
        (Some("25"), Some(25), true),
        (Some("x"), None, true),
        (None, None, true),
    ] {
        let request = declared(length, hint);
        let polls = Arc::clone(&request.body().polls);
        let request = handed_on(request).await;
        assert_eq!(polls.load(Ordering::Relaxed) > 0, is_read, "{length:?} {hint:?}");
        let expected = if is_read { Ok("abc".to_owned()) } else { Err(BodyTooLarge) };
        assert_eq!(found(&request), Some(expected), "{length:?} {hint:?}");
        assert_eq!(drained(request.into_body()).await.0, "access_token=abc");
    }
}

#[tokio::test]
async fn a_credential_planted_in_the_extensions_is_removed() {
    for content_type in [FORM, "text/plain"] {
        let mut request = form(Empty::<Bytes>::new());
        request.headers_mut().insert("content-type", HeaderValue::from_static(content_type));
        request.extensions_mut().insert(FormCredential(Ok("planted".to_owned())));
        request.extensions_mut().insert("another's");
        let request = handed_on(request).await;
        assert_eq!(found(&request), None);
        assert_eq!(request.extensions().get(), Some(&"another's"));
    }
}

#[tokio::test]
async fn the_head_is_passed_on_unchanged() {
    let request = Request::put("/a?b=c")
        .version(http::Version::HTTP_2)
        .header("content-type", FORM)
        .header("x", "y")
        .body(full("access_token=abc"))
        .unwrap();
    let handed = handed_on(request).await;
    assert_eq!((handed.method().as_str(), handed.uri().to_string().as_str()), ("PUT", "/a?b=c"));
    assert_eq!((handed.version(), handed.headers().len()), (http::Version::HTTP_2, 2));
}

#[tokio::test]
async fn size_and_end_are_those_of_the_original_at_every_step() {
    let mut body = handed_on(form(full("access_token=abc"))).await.into_body();
    assert_eq!((body.size_hint().exact(), body.is_end_stream()), (Some(16), false));
    body.frame().await.unwrap().unwrap();
    assert_eq!((body.size_hint().exact(), body.is_end_stream()), (Some(0), true));
    assert!(body.frame().await.is_none());

    let empty = handed_on(form(Empty::<Bytes>::new())).await.into_body();
    assert_eq!((empty.size_hint().exact(), empty.is_end_stream()), (Some(0), true));

    let unread = handed_on(Request::new(full("abc"))).await.into_body();
    assert_eq!((unread.size_hint().exact(), unread.is_end_stream()), (Some(3), false));

    let steps = [Data("12345"), Data("123456789012345678901"), Data("6")];
    let mut large = handed_on(form(Script::new(&steps))).await.into_body();
    for held in [26, 21, 0] {
        assert_eq!((large.size_hint().lower(), large.size_hint().upper()), (held, None));
        assert!(!large.is_end_stream());
        large.frame().await.unwrap().unwrap();
    }
    assert!(large.is_end_stream());
}

#[tokio::test]
async fn the_service_that_was_ready_gets_the_request() {
    let (inner, mut handle) = mock::pair::<Request<ReplayedBody<Script>>, ()>();
    // A permit is taken by `poll_ready`; `call` without one panics.
    let mut service = FormBodyToken::up_to(LIMIT).layer(ConcurrencyLimit::new(inner, 1));
    handle.allow(2);
    service.ready().await.unwrap();
    let body = Script::new(&[Data("access_token"), Wait, Data("=abc")]);
    let mut answer = Box::pin(service.call(form(body)));
    assert!(poll_once(answer.as_mut()).await.is_pending());
    assert!(poll_once(pin!(service.ready())).await.is_pending());
    assert!(poll_once(answer.as_mut()).await.is_pending());
    let (request, respond) = handle.next_request().await.unwrap();
    assert_eq!(found(&request), Some(Ok("abc".to_owned())));
    respond.send_response(());
    answer.await.unwrap();
    service.ready().await.unwrap();
}

#[tokio::test]
async fn readiness_and_errors_are_those_of_the_inner_service() {
    let (inner, mut handle) = mock::pair::<Request<ReplayedBody<Full<Bytes>>>, ()>();
    let mut service = FormBodyToken::up_to(LIMIT).layer(inner);
    handle.allow(0);
    assert!(poll_once(pin!(service.ready())).await.is_pending());
    handle.allow(1);
    let answer = service.ready().await.unwrap().call(form(full("x=1")));
    let answer = tokio::spawn(answer);
    handle.next_request().await.unwrap().1.send_error("refused");
    assert_eq!(answer.await.unwrap().unwrap_err().to_string(), "refused");
    handle.send_error("closed");
    assert_eq!(service.ready().await.err().unwrap().to_string(), "closed");
}

#[tokio::test]
async fn a_dropped_request_drops_its_body_and_leaves_the_service_usable() {
    let (inner, mut handle) = mock::pair::<Request<ReplayedBody<Script>>, ()>();
    let mut service = FormBodyToken::up_to(LIMIT).layer(inner);
    let body = Script::new(&[Data("access_token"), Wait, Data("=abc")]);
    let polls = Arc::clone(&body.polls);
    {
        let mut answer = pin!(service.ready().await.unwrap().call(form(body)));
        assert!(poll_once(answer.as_mut()).await.is_pending());
    }
    assert_eq!(Arc::strong_count(&polls), 1);
    let answer = tokio::spawn(service.ready().await.unwrap().call(form(Script::new(&[]))));
    handle.next_request().await.unwrap().1.send_response(());
    answer.await.unwrap().unwrap();
}

#[tokio::test]
async fn debug_does_not_show_the_body() {
    let request = handed_on(form(full("access_token=secret"))).await;
    assert!(!format!("{request:?}").contains("secret"));
}

async fn poll_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    let mut future = Some(future);
    std::future::poll_fn(|cx| Poll::Ready(future.take().map_or(Poll::Pending, |future| future.poll(cx))))
        .await
}
