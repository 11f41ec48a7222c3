//! Whole requests: a line with `+` (from the trusted proxy), `-` (from another peer) or `?` (from an unknown
//! peer), the method and the path, then a header line each. Without a method it is GET, without a path `/`.
//!
//! A request is accepted only if it has a good token in its only `Authorization` line, together with the good
//! proof, which is used for the first time, or with the good certificate, if the token is bound to it.
#![no_main]

use std::str;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};

use http::header::{AUTHORIZATION, HeaderName};
use http::{HeaderMap, HeaderValue, Method, Request, Uri};
use libfuzzer_sys::fuzz_target;
use tower_bearer::BearerAuth;
use tower_bearer::certificates::{Certificates, PeerAddress};
use tower_bearer::dpop::Dpop;
use tower_bearer_fuzz::certificate::{PROXY, byte_sequence};
use tower_bearer_fuzz::fixtures::{API, BEARER, CERTIFICATE_BOUND, KEY_BOUND, METHOD, PATH, PROOF};
use tower_bearer_fuzz::{builder, send};

static AUTH: LazyLock<BearerAuth> = LazyLock::new(|| {
    let certificates = Certificates::client_cert_header().from_proxy(PROXY.to_string());
    let auth = builder().dpop(Dpop::at(API)).certificates(certificates).build();
    auth.expect("a valid configuration")
});

/// Whether the good proof was accepted before.
static IS_USED: AtomicBool = AtomicBool::new(false);

fuzz_target!(|input: &[u8]| {
    let Some((peer, request)) = parse(input) else { return };
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let headers = request.headers().clone();
    match send(&AUTH, request).as_u16() {
        200 => check_accepted(peer, &method, &path, &headers),
        400 | 401 => {}
        // The address of the peer is unknown: a fault of the server.
        500 => assert_eq!(peer, b'?'),
        other => panic!("unexpected status {other}"),
    }
});

fn parse(input: &[u8]) -> Option<(u8, Request<()>)> {
    let mut lines = input.split(|octet| *octet == b'\n');
    let (peer, target) = lines.next()?.split_first()?;
    let mut words = str::from_utf8(target).ok()?.splitn(2, ' ');
    let method = Method::try_from(words.next().filter(|method| !method.is_empty()).unwrap_or(METHOD)).ok()?;
    let uri = Uri::try_from(words.next().unwrap_or("/")).ok()?;
    let mut request = Request::new(());
    (*request.method_mut(), *request.uri_mut()) = (method, uri);
    match *peer {
        b'+' => drop(request.extensions_mut().insert(PeerAddress(PROXY))),
        b'-' => drop(request.extensions_mut().insert(PeerAddress([10, 0, 0, 2].into()))),
        b'?' => {}
        _ => return None,
    }
    for line in lines.filter(|line| !line.is_empty()) {
        let colon = line.iter().position(|octet| *octet == b':')?;
        let name = HeaderName::from_bytes(&line[..colon]).ok()?;
        let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).ok()?;
        request.headers_mut().append(name, value);
    }
    Some((*peer, request))
}

fn check_accepted(peer: u8, method: &Method, path: &str, headers: &HeaderMap) {
    let only = |name: &HeaderName| {
        let mut lines = headers.get_all(name).into_iter();
        let line = lines.next().unwrap_or_else(|| panic!("accepted without {name}"));
        assert!(lines.next().is_none(), "accepted with two lines of {name}");
        line.to_str().expect("ASCII")
    };
    let authorization = only(&AUTHORIZATION);
    let (scheme, token) = authorization.split_once(' ').expect("a scheme and a token");
    let token = token.trim();
    if token == BEARER {
        assert!(scheme.eq_ignore_ascii_case("bearer"), "{scheme}");
    } else if token == KEY_BOUND {
        assert!(scheme.eq_ignore_ascii_case("dpop"), "{scheme}");
        assert_eq!(only(&HeaderName::from_static("dpop")), PROOF);
        assert_eq!((method.as_str(), path), (METHOD, PATH));
        assert!(!IS_USED.swap(true, Ordering::Relaxed), "accepted twice");
    } else {
        assert_eq!(token, CERTIFICATE_BOUND);
        assert!(scheme.eq_ignore_ascii_case("bearer"), "{scheme}");
        assert_eq!(peer, b'+');
        assert_eq!(only(&HeaderName::from_static("client-cert")), byte_sequence());
    }
}
