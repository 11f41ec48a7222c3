//! An API that authenticates itself to the introspection endpoint of a test issuer.

use tower_bearer::diagnostics::{CircuitState, IntrospectionError, IntrospectionErrorKind};
use tower_bearer::testing::TestIssuer;
use tower_bearer::{BearerAuth, ClientAuth, Introspection};

use crate::support::net::Net;
use crate::support::protected::{API, Outcome, Protected};

/// An API that introspects at a test issuer, and the requests that it sends there.
pub(super) struct Client {
    pub(super) idp: TestIssuer,
    pub(super) net: Net,
    pub(super) auth: BearerAuth,
    pub(super) api: Protected,
}

impl Client {
    pub(super) fn new(auth: ClientAuth) -> Self {
        Self::with(auth, |introspection| introspection)
    }

    pub(super) fn with(auth: ClientAuth, configure: impl FnOnce(Introspection) -> Introspection) -> Self {
        let idp = TestIssuer::new();
        let net = Net::to(&idp);
        let introspection =
            Introspection::with(auth).endpoint(idp.introspection_url()).http_client(net.clone());
        let builder = BearerAuth::builder(API).clock(idp.clock()).http_client(idp.http_client());
        let auth = builder
            .issuer(idp.issuer().introspect(configure(introspection)))
            .skip_start_check()
            .build()
            .unwrap();
        Self { api: Protected::by(&auth), idp, net, auth }
    }

    /// The outcome of a request with a new opaque token.
    pub(super) async fn outcome(&self) -> Outcome {
        self.api.outcome(self.idp.token(API).opaque()).await
    }

    pub(super) fn last_error(&self) -> Option<IntrospectionErrorKind> {
        self.auth.status()[0].introspection()?.last_error().map(IntrospectionError::kind)
    }

    pub(super) fn circuit(&self) -> CircuitState {
        self.auth.status()[0].introspection().unwrap().circuit()
    }
}
