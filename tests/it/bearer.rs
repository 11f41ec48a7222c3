//! How a request may carry a token: header, query and form body (RFC 6750 section 2, RFC 9110 section 11).

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, Request};
use http_body::Frame;
use http_body_util::BodyExt;
use tower_bearer::RejectionKind::{
    BodyTooLarge, MalformedRequest, Missing, SignatureMismatch, TokenMalformed, TokenOpaque, TokenTooLarge,
};
use tower_bearer::TokenSource;
use tower_bearer::testing::Endpoint;

use crate::support::app::{App, Body, base, claims_json, empty, full, header_json, issuer, parts};
use crate::support::keys::encode;
use crate::support::log::{Log, assert_holds_no_piece};
use crate::support::protected::{API, ApiResponse, ISSUER};

const FORM: &str = "application/x-www-form-urlencoded";

fn with_query() -> App {
    App::with(|builder| builder.add_token_source(TokenSource::query()))
}

fn with_forms() -> App {
    App::new().reading_forms(64 * 1024)
}

fn form(body: impl Into<Bytes>) -> Request<Body> {
    Request::post("/").header(CONTENT_TYPE, FORM).body(full(body)).unwrap()
}

fn authorized(mut request: Request<Body>, token: &str) -> Request<Body> {
    request.headers_mut().insert(AUTHORIZATION, format!("Bearer {token}").try_into().unwrap());
    request
}

#[tokio::test(start_paused = true)]
async fn one_well_formed_credential_is_accepted() {
    let app = App::new();
    let token = app.token().sign();
    for (name, before) in [
        ("as registered", "Bearer "),
        ("lower case", "bearer "),
        ("upper case", "BEARER "),
        ("mixed case", "bEaReR "),
        ("two spaces", "Bearer  "),
        ("five spaces", "Bearer     "),
    ] {
        let response = app.authorize(format!("{before}{token}")).await;
        assert_eq!(response.assert_accepted(name).subject(), Some("alice"), "{name}");
    }
    for method in [Method::HEAD, Method::POST, Method::OPTIONS, Method::DELETE] {
        let request = Request::builder().method(&method).body(empty()).unwrap();
        app.send(authorized(request, &token)).await.assert_accepted(method.as_str());
    }
}

#[tokio::test(start_paused = true)]
async fn malformed_credentials_get_400() {
    let app = App::new();
    let t = app.token().sign();
    let [header, payload, signature] = parts(&t);
    let flattened = format!(r#"{{"payload":"{payload}","protected":"{header}","signature":"{signature}"}}"#);
    let general = format!(
        r#"{{"payload":"{payload}","signatures":[{{"protected":"{header}","signature":"{signature}"}}]}}"#
    );
    for (name, credentials) in [
        ("no token", "Bearer".to_owned()),
        ("spaces only", "Bearer   ".to_owned()),
        ("tab", format!("Bearer\t{t}")),
        ("space, then tab", format!("Bearer \t{t}")),
        ("two tokens", format!("Bearer {t} {t}")),
        ("trailing space", format!("Bearer {t} ")),
        ("comma", format!("Bearer {t},{t}")),
        ("comma and scheme", format!("Bearer {t}, Bearer {t}")),
        ("percent", format!("Bearer {t}%41")),
        ("quotes", format!("Bearer \"{t}\"")),
        ("parameter", format!("Bearer {t};x=1")),
        ("name and value", format!("Bearer token=\"{t}\"")),
        ("padding in the middle", "Bearer a=b".to_owned()),
        ("padding only", "Bearer =".to_owned()),
        ("leading padding", "Bearer =abc".to_owned()),
        ("padding after the header part", format!("Bearer {header}=.{payload}.{signature}")),
        ("empty", String::new()),
        ("leading space", format!(" Bearer {t}")),
        ("colon", format!("Bearer: {t}")),
        ("no space before a long token", format!("Bearer{t}")),
        ("flattened JSON", format!("Bearer {flattened}")),
        ("general JSON", format!("Bearer {general}")),
        ("JSON around a token", format!(r#"Bearer {{" {header}.{payload}.":1,"x":"{signature}"}}"#)),
    ] {
        app.authorize(credentials).await.assert_rejected(MalformedRequest, name);
    }
    for octets in [&b"\x80"[..], b"\xc3\xa9", b"\xff"] {
        let name = format!("{octets:x?}");
        let inside = [b"Bearer ", &t.as_bytes()[..20], octets, &t.as_bytes()[20..]].concat();
        let before = [octets, b"Bearer ", t.as_bytes()].concat();
        let within_scheme = [b"Bea", octets, b"rer ", t.as_bytes()].concat();
        for credentials in [inside, before, within_scheme] {
            let credentials = HeaderValue::from_bytes(&credentials).unwrap();
            app.authorize(credentials).await.assert_rejected(MalformedRequest, &name);
        }
    }
    for (name, token, kind) in [
        ("one part", "abc".to_owned(), TokenOpaque),
        ("two parts", "a.b".to_owned(), TokenOpaque),
        ("all other allowed characters", "a+b/c~d".to_owned(), TokenOpaque),
        ("padded", "abc==".to_owned(), TokenOpaque),
        ("a padded token", format!("{t}=="), TokenMalformed),
    ] {
        app.present(&token).await.assert_rejected(kind, name);
    }
    app.present(&t).await.assert_accepted("the unaltered token");
}

#[tokio::test(start_paused = true)]
async fn a_second_credential_gets_400() {
    let app = App::new();
    let t = app.token().sign();
    let (valid, again, opaque) = (format!("Bearer {t}"), format!("Bearer {t}"), "Bearer x".to_owned());
    let basic = "Basic dXNlcjpwYXNz".to_owned();
    for (name, lines) in [
        ("the same twice", [&valid, &again]),
        ("valid, then opaque", [&valid, &opaque]),
        ("opaque, then valid", [&opaque, &valid]),
        ("another scheme first", [&basic, &valid]),
        ("another scheme last", [&valid, &basic]),
        ("two of another scheme", [&basic, &basic]),
    ] {
        let request = Request::get("/").header(AUTHORIZATION, lines[0]).header(AUTHORIZATION, lines[1]);
        app.send(request.body(empty()).unwrap()).await.assert_rejected(MalformedRequest, name);
    }
    // The scheme is `Basic`; the crate does not parse its credentials.
    app.authorize(format!("Basic x, Bearer {t}"))
        .await
        .assert_rejected(Missing, "two schemes joined by a comma");

    let app = with_forms();
    let (t, other) = (app.token().sign(), app.token().subject("bob").sign());
    for (name, request) in [
        ("header and form, the same", authorized(form(format!("access_token={t}")), &t)),
        ("header and form, another token", authorized(form(format!("access_token={other}")), &t)),
        ("header and form, an opaque token", authorized(form("access_token=x"), &t)),
        ("header and form, an empty token", authorized(form("access_token="), &t)),
        ("two form parameters", form(format!("access_token={t}&access_token={t}"))),
        ("two form parameters, one name escaped", form(format!("access_token={t}&access%5Ftoken={t}"))),
    ] {
        app.send(request).await.assert_rejected(MalformedRequest, name);
    }

    let app = with_query().reading_forms(64 * 1024);
    let t = app.token().sign();
    let get = |uri: String| Request::get(uri).body(empty()).unwrap();
    let both = Request::post(format!("/?access_token={t}"))
        .header(CONTENT_TYPE, FORM)
        .body(full(format!("access_token={t}")))
        .unwrap();
    for (name, request) in [
        ("header and query", authorized(get(format!("/?access_token={t}")), &t)),
        ("header and query, an opaque token", authorized(get("/?access_token=x".to_owned()), &t)),
        ("two query parameters", get(format!("/?access_token={t}&access_token={t}"))),
        ("query and form", both),
    ] {
        app.send(request).await.assert_rejected(MalformedRequest, name);
    }
    app.present(&t).await.assert_accepted("only the header");
}

#[tokio::test(start_paused = true)]
async fn no_credential_or_another_scheme_gets_a_bare_challenge() {
    let app = App::new();
    let t = app.token().sign();
    let bearer = format!("Bearer {t}");
    for method in [Method::GET, Method::HEAD, Method::POST, Method::OPTIONS] {
        for (name, header, value) in [
            ("no credentials", "x-nothing", "1"),
            ("Basic", "authorization", "Basic dXNlcjpwYXNz"),
            ("DPoP", "authorization", &*format!("DPoP {t}")),
            ("no space after the scheme", "authorization", "Bearerabc"),
            ("Digest", "authorization", "Digest username=\"x\""),
            ("a scheme with the same prefix", "authorization", &*format!("Bearers {t}")),
            ("a scheme without credentials", "authorization", "Negotiate"),
            ("Proxy-Authorization", "proxy-authorization", &*bearer),
            ("another header", "x-access-token", &*t),
            ("cookie", "cookie", &*format!("access_token={t}")),
            ("cookie of the prefix", "cookie", &*format!("__Host-access_token={t}")),
            ("subprotocol", "sec-websocket-protocol", &*format!("access_token.{t}")),
        ] {
            let name = &format!("{method} {name}");
            let request = Request::builder().method(&method).header(header, value).body(empty()).unwrap();
            let response = app.send(request).await;
            response.assert_rejected(Missing, name);
            let challenge = response.challenge().expect(name);
            assert_eq!(challenge.params().collect::<Vec<_>>(), [("realm", API)], "{name}");
            let line = response.headers()["www-authenticate"].to_str().unwrap();
            assert_eq!(line, format!("Bearer realm=\"{API}\""), "{name}");
            let body = String::from_utf8(response.body.to_vec()).unwrap();
            for code in ["invalid_request", "invalid_token", "insufficient_scope"] {
                assert!(!body.contains(code), "{name}: {body}");
            }
        }
    }
    assert_eq!(app.net.urls(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_query_token_is_ignored_until_enabled() {
    let app = App::new();
    let t = app.token().sign();
    let get = |query: String| Request::get(format!("/{query}")).body(empty()).unwrap();
    app.send(get(format!("?access_token={t}"))).await.assert_rejected(Missing, "disabled");
    let ignored = app.send(authorized(get("?access_token=garbage".to_owned()), &t)).await;
    ignored.assert_accepted("disabled, with a valid header");
    assert!(ignored.headers().get(CACHE_CONTROL).is_none(), "disabled");

    let app = with_query();
    let t = app.token().sign();
    let log = Log::start();
    let escaped = t.replace('e', "%65").replace('.', "%2E");
    for (name, query) in [
        ("the only parameter", format!("?access_token={t}")),
        ("one of several parameters", format!("?x=1&access_token={t}&y=2")),
        ("escaped", format!("?access_token={escaped}")),
        ("name escaped", format!("?acc%65ss_token={t}")),
    ] {
        let response = app.send(get(query)).await;
        response.assert_accepted(name);
        assert_eq!(response.headers()[CACHE_CONTROL], "private", "{name}");
        assert_holds_no_piece(&extensions(&response), &t, 20, name);
    }
    for (name, query, kind) in [
        ("empty", "?access_token=".to_owned(), MalformedRequest),
        ("no value", "?access_token".to_owned(), MalformedRequest),
        ("an invalid character", format!("?access_token={t}%20"), MalformedRequest),
        ("a plus sign is a space", format!("?access_token={t}+x"), MalformedRequest),
        ("a name in another case", format!("?Access_Token={t}"), Missing),
        ("a longer name", format!("?xaccess_token={t}"), Missing),
        ("a bad signature", format!("?access_token={}", altered(&t)), SignatureMismatch),
    ] {
        let response = app.send(get(query)).await;
        response.assert_rejected(kind, name);
        assert_holds_no_piece(&format!("{:?} {:?}", response.rejection(), response.headers()), &t, 20, name);
    }
    let with_header = app.send(authorized(get(String::new()), &t)).await;
    with_header.assert_accepted("in the header");
    assert!(with_header.headers().get(CACHE_CONTROL).is_none(), "in the header");
    assert!(log.text().contains("request accepted"), "requests were logged");
    assert_holds_no_piece(&log.text(), &t, 20, "log");
    assert_holds_no_piece(&log.text(), &escaped, 20, "log");
}

/// The extensions that the handler received, with the token in them, as `Debug` shows them.
fn extensions(response: &ApiResponse) -> String {
    let extensions = &response.received().head.extensions;
    format!("{extensions:?} {:?}", response.token())
}

/// Changes the first character of the signature.
fn altered(token: &str) -> String {
    let [header, payload, signature] = parts(token);
    let (first, rest) = signature.split_at(1);
    format!("{header}.{payload}.{}{rest}", if first == "A" { "B" } else { "A" })
}

#[tokio::test(start_paused = true)]
async fn a_form_token_is_ignored_until_enabled() {
    let disabled = App::new();
    let t = disabled.token().sign();
    let body = format!("access_token={t}");
    let polls = Polls::default();
    let unread = Request::post("/").header(CONTENT_TYPE, FORM).body(polls.body([data(&body)])).unwrap();
    disabled.send(unread).await.assert_rejected(Missing, "disabled");
    assert_eq!(polls.count(), 0, "disabled: the body was read");
    let response = disabled.send(authorized(form("access_token=garbage"), &t)).await;
    response.assert_accepted("disabled, with a valid header");

    let app = with_forms();
    let t = app.token().sign();
    let body = format!("x=1&access_token={t}&y=2");
    let send = async |method: &str, content_type: Option<&str>, body: &[u8]| {
        let mut request = Request::builder().method(method).body(full(body.to_vec())).unwrap();
        let headers = request.headers_mut();
        content_type.map(|content_type| headers.insert(CONTENT_TYPE, content_type.try_into().unwrap()));
        app.send(request).await
    };
    for (name, method, content_type) in [
        ("POST", "POST", FORM),
        ("PUT", "PUT", FORM),
        ("PATCH", "PATCH", FORM),
        ("upper case", "POST", "APPLICATION/X-WWW-FORM-URLENCODED"),
        ("with a charset", "POST", "application/x-www-form-urlencoded; charset=utf-8"),
    ] {
        send(method, Some(content_type), body.as_bytes()).await.assert_accepted(name);
    }
    let not_ascii = [body.as_bytes(), b"&z=\xc3\xa9"].concat();
    for (name, method, content_type, body) in [
        ("GET", "GET", Some(FORM), body.as_bytes()),
        ("HEAD", "HEAD", Some(FORM), body.as_bytes()),
        ("DELETE", "DELETE", Some(FORM), body.as_bytes()),
        ("multipart", "POST", Some("multipart/form-data; boundary=x"), body.as_bytes()),
        ("JSON", "POST", Some("application/json"), body.as_bytes()),
        ("text", "POST", Some("text/plain"), body.as_bytes()),
        ("a type with the same prefix", "POST", Some("application/x-www-form-urlencodedx"), body.as_bytes()),
        ("no content type", "POST", None, body.as_bytes()),
        (
            "another charset",
            "POST",
            Some("application/x-www-form-urlencoded; charset=utf-16"),
            body.as_bytes(),
        ),
        ("not ASCII", "POST", Some(FORM), &not_ascii),
        ("no token", "POST", Some(FORM), b"x=1&access_tokens=2"),
        ("empty form", "POST", Some(FORM), b""),
        ("a name in another case", "POST", Some(FORM), b"ACCESS_TOKEN=x"),
    ] {
        send(method, content_type, body).await.assert_rejected(Missing, name);
    }
    for (name, body, kind) in [
        ("empty token", "access_token=".to_owned(), MalformedRequest),
        ("an invalid character", format!("access_token={t}+x"), MalformedRequest),
        ("opaque", "access_token=x".to_owned(), TokenOpaque),
        ("too large", format!("access_token={}", "A".repeat(16 * 1024 + 1)), TokenTooLarge),
    ] {
        send("POST", Some(FORM), body.as_bytes()).await.assert_rejected(kind, name);
    }
}

#[tokio::test(start_paused = true)]
async fn a_form_body_reaches_the_handler_unchanged() {
    let app = with_forms();
    let t = app.token().sign();
    let text = format!("a=%7e%7E%zz&&b=+%20&=x&access_token={t}&c&");
    let mut trailers = HeaderMap::new();
    trailers.insert("x-checksum", HeaderValue::from_static("1"));
    let byte_by_byte: Vec<_> = text.bytes().map(|byte| Ok(Frame::data(Bytes::from(vec![byte])))).collect();
    let with_trailers = [data(&text), Ok(Frame::trailers(trailers.clone()))];
    for (name, frames, expected) in [
        ("one frame", vec![data(&text)], None),
        ("one byte per frame", byte_by_byte, None),
        ("empty frames", vec![data(""), data(&text), data("")], None),
        ("trailers", Vec::from(with_trailers), Some(trailers)),
    ] {
        let request = Request::post("/").header(CONTENT_TYPE, FORM).body(Polls::default().body(frames));
        let response = app.send(request.unwrap()).await;
        response.assert_accepted(name);
        assert_eq!(response.received().body.as_deref(), Some(text.as_bytes()), "{name}");
        assert_eq!(response.received().trailers, expected, "{name}");
    }

    let declared = Polls::default();
    let request = Request::post("/").header(CONTENT_TYPE, FORM).header(CONTENT_LENGTH, "100000000");
    let response = app.send(request.body(declared.body([data(&text)])).unwrap()).await;
    response.assert_rejected(BodyTooLarge, "declared too large");
    assert_eq!(declared.count(), 0, "declared too large: the body was read");

    let exact = App::new();
    let text = format!("access_token={}", exact.token().sign());
    let exact = exact.reading_forms(text.len());
    exact.send(form(text.clone())).await.assert_accepted("exactly the limit");
    let streamed = Polls::default();
    let frames = [data(&text), data("&"), data("x"), data("y")];
    let request = Request::post("/").header(CONTENT_TYPE, FORM).body(streamed.body(frames)).unwrap();
    exact.send(request).await.assert_rejected(BodyTooLarge, "one byte over the limit");
    assert_eq!(streamed.count(), 2, "one byte over the limit: polls after the limit");

    let broken = || Err(io::Error::other("the client went away"));
    let half = || Polls::default().body([data("x=1&access_"), broken()]);
    let request = || Request::post("/").header(CONTENT_TYPE, FORM).body(half()).unwrap();
    app.send(request()).await.assert_rejected(Missing, "the body fails");
    let t = app.token().sign();
    let response = app.send(authorized(request(), &t)).await;
    response.assert_accepted("the body fails, token in the header");
    assert_eq!(response.received().body, None, "the handler gets the error");
}

#[tokio::test(start_paused = true)]
async fn an_oversized_token_is_rejected_before_it_is_parsed() {
    const LIMIT: usize = 16 * 1024;
    let app = App::new();
    for (name, token) in [
        ("one byte over the limit", "A".repeat(LIMIT + 1)),
        ("a mebibyte", "A".repeat(1 << 20)),
        ("a mebibyte of dots", ".".repeat(1 << 20)),
        ("a mebibyte of padding", format!("A{}", "=".repeat(1 << 20))),
        ("a mebibyte of spaces", " ".repeat(1 << 20)),
        ("a mebibyte of invalid characters", "\"".repeat(1 << 20)),
        ("a huge kid", app.token().header("kid", "A".repeat(1 << 20)).sign()),
        ("a huge claim", app.token().claim("x", "A".repeat(100_000)).sign()),
    ] {
        app.present(&token).await.assert_rejected(TokenTooLarge, name);
    }
    assert_eq!((app.idp.requests(Endpoint::Metadata), app.idp.requests(Endpoint::Jwks)), (0, 0));
    let exact = token_of(&app, LIMIT);
    assert_eq!(exact.len(), LIMIT);
    app.present(&exact).await.assert_accepted("exactly the limit");
    app.present(&format!("{exact}A")).await.assert_rejected(TokenTooLarge, "one more");
    let small = App::with(|builder| builder.max_token_bytes(100));
    small.present(&small.token().sign()).await.assert_rejected(TokenTooLarge, "another limit");
}

/// A valid token of this length, with padding in its header and its claims.
fn token_of(app: &App, len: usize) -> String {
    let signature = parts(&app.token().sign())[2].len();
    for header_pad in 0..4 {
        let header = header_json(&[], &format!(r#""x":"{}""#, "x".repeat(header_pad)));
        let rest = len - encode(&header).len() - signature - 2;
        let claims = claims_json(&[], r#""pad":"""#).len();
        let pad = (rest * 3 / 4).checked_sub(claims).unwrap();
        let token = app.token().header("x", "x".repeat(header_pad)).claim("pad", "A".repeat(pad)).sign();
        if token.len() == len {
            return token;
        }
    }
    panic!("no padding gives this length");
}

#[tokio::test(start_paused = true)]
async fn no_part_of_a_token_is_logged_or_sent_back() {
    let app = App::new();
    let log = Log::start();
    let valid = app.token().claim("secret", "the-value-of-a-private-claim").sign();
    let untrusted = issuer(ISSUER);
    let header = |json: &str| app.signed_header(json);
    let tokens = [
        ("valid", valid.clone()),
        ("bad signature", altered(&valid)),
        ("untrusted key", base(&untrusted).sign()),
        ("unknown kid", app.token().header("kid", "a-key-id-that-nobody-knows").sign()),
        ("unknown issuer", app.token().claim("iss", "https://an-issuer-nobody-knows.example").sign()),
        ("other audience", app.token().claim("aud", "https://an-api-nobody-knows.example").sign()),
        ("expired", app.token().expired().sign()),
        ("ill-typed claim", app.token().claim("sub", vec!["a-subject-within-an-array"]).sign()),
        ("unknown type", app.token().header("typ", "a-type-that-nobody-knows+jwt").sign()),
        ("unknown algorithm", header(&header_json(&["alg"], r#""alg":"an-algorithm-nobody-knows""#))),
        ("critical", header(&header_json(&[], r#""crit":["an-extension-nobody-knows"]"#))),
        (
            "repeated member",
            header(&header_json(&[], r#""a-member-that-is-repeated":1,"a-member-that-is-repeated":2"#)),
        ),
        ("opaque", "an-opaque-token-of-some-other-kind".to_owned()),
        ("too large", "AbCdEfGhIjKlMnOpQrStUvWxYz".repeat(1000)),
    ];
    for (name, token) in &tokens {
        let response = app.present(token).await;
        assert_eq!(response.rejection().is_none(), *name == "valid", "{name}");
        let sent_back = format!("{:?} {:?} {:?}", response.rejection(), response.headers(), response.body);
        assert_holds_no_piece(&sent_back, token, 20, name);
        if response.is_from_handler() {
            assert_holds_no_piece(&extensions(&response), token, 20, name);
        }
    }
    for malformed in [format!("Bearer {valid} {valid}"), format!("Bearer\t{valid}"), format!("Bearer{valid}")]
    {
        app.authorize(malformed).await.assert_rejected(MalformedRequest, "malformed");
    }
    let log = log.text();
    for label in
        ["request accepted", "signature_mismatch", "token_opaque", "keys fetched", "malformed_request"]
    {
        assert!(log.contains(label), "{label} was not logged");
    }
    for (name, token) in &tokens {
        assert_holds_no_piece(&log, token, 20, name);
    }
    for value in ["nobody", "private-claim", "within-an-array", "is-repeated", "alice"] {
        assert!(!log.contains(value), "{value} is in {log}");
    }
    let shown = format!("{:?}", app.auth);
    assert_holds_no_piece(&shown, &valid, 20, "BearerAuth");
}

/// Counts the polls of a body.
#[derive(Clone, Default)]
struct Polls(Arc<AtomicUsize>);

struct CountedBody {
    frames: VecDeque<io::Result<Frame<Bytes>>>,
    polls: Polls,
}

fn data(text: &str) -> io::Result<Frame<Bytes>> {
    Ok(Frame::data(Bytes::copy_from_slice(text.as_bytes())))
}

impl Polls {
    fn body(&self, frames: impl IntoIterator<Item = io::Result<Frame<Bytes>>>) -> Body {
        CountedBody { frames: frames.into_iter().collect(), polls: self.clone() }.boxed_unsync()
    }

    fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl http_body::Body for CountedBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.polls.0.fetch_add(1, Ordering::SeqCst);
        Poll::Ready(self.frames.pop_front())
    }
}
