//! Makes endpoints of the test issuer fail, and counts their requests.

use std::iter::repeat;

use super::test_issuer::TestIssuer;
use crate::testing::fault::{Endpoint, Fault};

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
        let mut settings = self.state.lock();
        match fault {
            Some(fault) => settings.faults.plan(endpoint, fault, None),
            None => settings.faults.cancel(endpoint),
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
        self.state.lock().faults.plan(endpoint, fault, Some(times));
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
