//! The API of the targets for DPoP proofs.

use std::sync::LazyLock;

use http::header::AUTHORIZATION;
use http::{HeaderValue, Request};
use tokio::runtime::{Builder, Runtime};
use tower_bearer::dpop::{Dpop, ProofUse, RecordFuture, Recorded, ReplayStore};
use tower_bearer::{BearerAuth, BearerAuthBuilder};

use crate::fixtures::{API, PATH};
use crate::{is_accepted, send};

/// The limit on the time of a replay store needs a runtime.
static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_current_thread().enable_time().build().expect("a runtime"));

/// An API that takes each proof for a new one: a replay must not hide that a changed proof passes.
pub struct Target {
    auth: BearerAuth,
    token: String,
}

struct AlwaysFirst;

impl ReplayStore for AlwaysFirst {
    fn record(&self, _: ProofUse) -> RecordFuture {
        Box::pin(async { Ok(Recorded::First) })
    }
}

impl Target {
    /// An API whose requests have this token.
    pub fn new(builder: BearerAuthBuilder, token: String) -> Self {
        let auth = builder.dpop(Dpop::at(API).replay_store(AlwaysFirst)).build();
        Self { auth: auth.expect("a valid configuration"), token }
    }

    /// Whether the API accepts a request with these lines of the header `DPoP`, separated by line breaks.
    pub fn accepts(&self, lines: &[u8]) -> bool {
        let request = Request::get(PATH).header(AUTHORIZATION, format!("DPoP {}", self.token));
        let mut request = request.body(()).expect("a request");
        for line in lines.split(|octet| *octet == b'\n') {
            // The server rejects other values before the layer sees them.
            let Ok(value) = HeaderValue::from_bytes(line) else { return false };
            request.headers_mut().append("dpop", value);
        }
        let _context = RUNTIME.enter();
        is_accepted(send(&self.auth, request))
    }
}
