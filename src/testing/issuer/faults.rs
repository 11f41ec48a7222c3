//! Makes endpoints of the test issuer fail, and counts their requests.

use std::iter::repeat;

use super::test_issuer::TestIssuer;
use crate::testing::fault::{Endpoint, Fault};
use crate::testing::server::FaultTarget;

impl TestIssuer {
    /// Makes an endpoint fail on every request. `None` makes it work again.
    ///
    /// ```
    /// use tower_bearer::testing::{Endpoint, Fault, TestIssuer};
    ///
    /// # #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let idp = TestIssuer::new();
    /// let auth = idp.bearer_auth("https://api.example.com").build().unwrap();
    /// idp.set_fault(Endpoint::Jwks, Some(Fault::Html));
    /// assert!(auth.ready().await.is_err());
    /// # }
    /// # #[cfg(not(any(feature = "aws-lc-rs", feature = "rust-crypto")))]
    /// # fn main() {}
    /// ```
    pub fn set_fault(&self, endpoint: Endpoint, fault: Option<Fault>) {
        self.set_fault_of(FaultTarget::Endpoint(endpoint), fault);
    }

    /// Makes every request about this token fail: introspection, revocation and refresh. `None` makes them
    /// work again.
    ///
    /// It comes before the fault of the endpoint and that of a key, and
    /// [`set_outage`](Self::set_outage) does not remove it.
    ///
    /// ```
    /// # #[cfg(feature = "axum")] {
    /// use axum::{Router, body::Body, http::Request, routing::get};
    /// use tower::ServiceExt;
    /// use tower_bearer::testing::{Fault, TestIssuer};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let idp = TestIssuer::new();
    /// let issuer = idp.issuer().introspect(idp.introspection());
    /// let auth = idp.bearer_auth("my-api").issuer(issuer).build().unwrap();
    /// let app: Router = Router::new().route("/", get(async || "ok")).layer(auth);
    /// let status = async |token: &str| {
    ///     let request = Request::get("/").header("authorization", format!("Bearer {token}"));
    ///     app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap().status()
    /// };
    ///
    /// let (poisoned, good) = (idp.token("my-api").opaque(), idp.token("my-api").opaque());
    /// idp.set_token_fault(&poisoned, Some(Fault::Status(500)));
    /// assert_eq!(status(&poisoned).await, 503);
    /// assert_eq!(status(&good).await, 200);
    /// # }
    /// # main();
    /// # }
    /// ```
    pub fn set_token_fault(&self, token: &str, fault: Option<Fault>) {
        self.set_fault_of(FaultTarget::Token(token.to_owned()), fault);
    }

    /// Makes every request about a JWT with this `kid` fail, for example because the server has lost the key.
    /// `None` makes them work again.
    ///
    /// The token need not be signed with the key. It comes before the fault of the endpoint, and
    /// [`set_outage`](Self::set_outage) does not remove it. To damage the key in the key set instead, use
    /// [`alter_key`](Self::alter_key).
    ///
    /// ```
    /// use tower_bearer::testing::{Fault, TestIssuer};
    ///
    /// # #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))] {
    /// let idp = TestIssuer::new();
    /// let old = idp.key_id();
    /// idp.rotate_key();
    /// idp.set_key_fault(&old, Some(Fault::Lost)); // introspection of older JWTs fails
    /// # }
    /// ```
    pub fn set_key_fault(&self, kid: &str, fault: Option<Fault>) {
        self.set_fault_of(FaultTarget::KeyId(kid.to_owned()), fault);
    }

    fn set_fault_of(&self, target: FaultTarget, fault: Option<Fault>) {
        let mut settings = self.state.lock();
        match fault {
            Some(fault) => settings.faults.plan(target, fault, None),
            None => settings.faults.cancel(&target),
        }
    }

    /// Makes an endpoint fail on the next `times` requests. It works normally afterwards.
    ///
    /// It replaces an earlier fault of this endpoint.
    ///
    /// ```
    /// use tower_bearer::testing::{Endpoint, Fault, TestIssuer};
    ///
    /// # #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))] {
    /// let idp = TestIssuer::new();
    /// idp.set_fault_for(Endpoint::Introspection, Fault::Status(503), 2);
    /// # }
    /// ```
    pub fn set_fault_for(&self, endpoint: Endpoint, fault: Fault, times: usize) {
        self.state.lock().faults.plan(FaultTarget::Endpoint(endpoint), fault, Some(times));
    }

    /// Makes every endpoint fail on every request. `None` makes all of them work again.
    ///
    /// ```
    /// use tower_bearer::testing::{Fault, TestIssuer};
    ///
    /// # #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let idp = TestIssuer::new();
    /// idp.set_outage(Some(Fault::Refuse));
    /// let auth = idp.bearer_auth("https://api.example.com").build().unwrap();
    /// assert!(auth.ready().await.is_err());
    ///
    /// idp.set_outage(None);
    /// let auth = idp.bearer_auth("https://api.example.com").build().unwrap();
    /// assert!(auth.ready().await.is_ok());
    /// # }
    /// # #[cfg(not(any(feature = "aws-lc-rs", feature = "rust-crypto")))]
    /// # fn main() {}
    /// ```
    pub fn set_outage(&self, fault: Option<Fault>) {
        for (endpoint, fault) in Endpoint::ALL.into_iter().zip(repeat(fault)) {
            self.set_fault(endpoint, fault);
        }
    }

    /// The number of requests to an endpoint so far, including those that failed. See [`Endpoint`].
    ///
    /// ```
    /// use tower_bearer::testing::{Endpoint, TestIssuer};
    ///
    /// # #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let idp = TestIssuer::new();
    /// let auth = idp.bearer_auth("https://api.example.com").build().unwrap();
    /// assert_eq!(idp.requests(Endpoint::Jwks), 0); // `build` sends nothing
    /// auth.ready().await.unwrap();
    /// assert_eq!(idp.requests(Endpoint::Jwks), 1);
    /// # }
    /// # #[cfg(not(any(feature = "aws-lc-rs", feature = "rust-crypto")))]
    /// # fn main() {}
    /// ```
    #[must_use]
    pub fn requests(&self, endpoint: Endpoint) -> usize {
        self.state.lock().counts.get(&endpoint).copied().unwrap_or_default()
    }
}
