//! Shared by the fuzz targets: an API that accepts DPoP proofs and client certificates, and requests to it.
//!
//! Everything goes through the public API of the crate. Keys, tokens and the clock are fixed, so a seed is a
//! good proof in every process.

pub mod certificate;
pub mod fixtures;
pub mod proof;

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use http::{Request, Response, StatusCode};
use tower::{Layer, Service, service_fn};
use tower_bearer::testing::ManualClock;
use tower_bearer::{BearerAuth, BearerAuthBuilder, Issuer};

/// An API that trusts the authorization server of the fixtures.
pub fn builder() -> BearerAuthBuilder {
    builder_for(Issuer::with_static_jwks(fixtures::ISSUER, fixtures::JWKS))
}

/// An API that trusts this issuer, at the time of the fixtures.
pub fn builder_for(issuer: Issuer) -> BearerAuthBuilder {
    BearerAuth::builder(fixtures::API).clock(ManualClock::at(fixtures::now())).issuer(issuer)
}

/// The status of the response, which must be ready at the first poll: nothing has to be fetched.
pub fn send(auth: &BearerAuth, request: Request<()>) -> StatusCode {
    let mut service = auth.layer(service_fn(handle));
    match pin!(service.call(request)).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Ok(response)) => response.status(),
        Poll::Pending => panic!("the request waits although there is nothing to fetch"),
    }
}

fn handle(_: Request<()>) -> Ready<Result<Response<()>, Infallible>> {
    ready(Ok(Response::new(())))
}

/// Whether the request was accepted. Input of a client is never an internal error.
///
/// # Panics
/// If the status is neither 200 nor a rejection.
pub fn is_accepted(status: StatusCode) -> bool {
    match status.as_u16() {
        200 => true,
        400 | 401 => false,
        other => panic!("unexpected status {other}"),
    }
}

/// Decodes each `%XX`, and leaves any other `%` as it is.
pub fn percent_decoded(text: &[u8]) -> Vec<u8> {
    let (mut octets, mut rest) = (Vec::new(), text);
    while let Some((first, after)) = rest.split_first() {
        let digits =
            after.get(..2).filter(|digits| *first == b'%' && digits.iter().all(u8::is_ascii_hexdigit));
        let digits = digits.and_then(|digits| std::str::from_utf8(digits).ok());
        let decoded = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        octets.push(decoded.unwrap_or(*first));
        rest = if decoded.is_some() { &after[2..] } else { after };
    }
    octets
}
