//! Starts a test issuer on a loopback port.

use std::io;
use std::sync::Arc;

use super::test_issuer::TestIssuer;
use crate::testing::clock::ManualClock;
use crate::testing::loopback::{Loopback, Security};
use crate::testing::server::State;

/// The settings of a [`TestIssuer`] on a loopback port. [`TestIssuer::loopback`] returns it.
///
/// ```
/// use tower_bearer::testing::TestIssuer;
///
/// # #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let idp = TestIssuer::loopback().path("/realms/acme").start().await?;
/// assert!(idp.identifier().ends_with("/realms/acme"));
/// assert!(idp.jwks_url().ends_with("/realms/acme/jwks"));
/// # Ok(())
/// # }
/// # #[cfg(not(any(feature = "aws-lc-rs", feature = "rust-crypto")))]
/// # fn main() {}
/// ```
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct LoopbackBuilder {
    path: String,
    /// Zero for a free one.
    port: u16,
    security: Security,
}

impl TestIssuer {
    /// A server on a free loopback port, with settings. [`start`](Self::start) starts one with the defaults.
    pub fn loopback() -> LoopbackBuilder {
        LoopbackBuilder::default()
    }
}

impl LoopbackBuilder {
    /// Sets the path of the identifier, such as `/realms/acme`. Default: none.
    ///
    /// The endpoints are below it. With `/`, the identifier ends in a slash, as those of some servers do.
    pub fn path(mut self, path: &str) -> Self {
        self.path = path.to_owned();
        self
    }

    /// Sets the port, for a server whose URL must be the same at each start. Default: 0, a free port.
    ///
    /// ```no_run
    /// use tower_bearer::testing::TestIssuer;
    ///
    /// # async fn example() -> std::io::Result<()> {
    /// let idp = TestIssuer::loopback().port(9000).start().await?;
    /// assert_eq!(idp.identifier(), "http://127.0.0.1:9000");
    /// # Ok(())
    /// # }
    /// ```
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    #[cfg(feature = "test-tls")]
    pub(super) fn security(self, security: Security) -> Self {
        Self { security, ..self }
    }

    /// Starts the server. It stops when the last clone of the [`TestIssuer`] is dropped.
    ///
    /// Its clock runs with the system clock. It responds to bodies over 1 MiB with 413.
    ///
    /// # Errors
    /// The I/O error if the port cannot be bound.
    ///
    /// # Runtime
    /// Needs a tokio runtime with I/O enabled.
    pub async fn start(self) -> io::Result<TestIssuer> {
        let (listener, address) = Loopback::bind(self.port).await?;
        let identifier = format!("{}://{address}{}", self.security.scheme(), self.path);
        let state = Arc::new(State::new(identifier, ManualClock::running()));
        let server = Loopback::serve(listener, Arc::clone(&state), self.security);
        Ok(TestIssuer::on_port(state, server))
    }
}
