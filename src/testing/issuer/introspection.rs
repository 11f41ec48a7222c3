//! The introspection of the test issuer, as a test handles it.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::TestIssuer;
use crate::builder::Introspection;
use crate::introspection::ClientAuth;

impl TestIssuer {
    /// An introspection by this server, for [`Issuer::introspect`](crate::Issuer::introspect): as the client
    /// that is known from the start, by `client_secret_basic`.
    pub fn introspection(&self) -> Introspection {
        let client = ClientAuth::secret_basic(Self::CLIENT_ID, Self::CLIENT_SECRET);
        Introspection::with(client).endpoint(self.introspection_url())
    }

    /// Changes every answer about an active token before it is sent: `active`, `token_type` and the
    /// claims (RFC 7662 section 2.2). In place of an earlier alteration.
    ///
    /// ```
    /// use tower_bearer::testing::TestIssuer;
    ///
    /// # #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))] {
    /// let idp = TestIssuer::new();
    /// idp.alter_introspection(|answer| {
    ///     answer.insert("active".to_owned(), "true".into());
    ///     answer.remove("iss");
    /// });
    /// idp.clear_alterations();
    /// # }
    /// ```
    pub fn alter_introspection(&self, alter: impl Fn(&mut Map<String, Value>) + Send + Sync + 'static) {
        self.state.lock().alterations.alter = Some(Arc::new(alter));
    }

    /// Changes the header and the claims of every signed answer before it is signed, also of one about
    /// a token that is not active (RFC 9701 section 5). In place of an earlier alteration.
    ///
    /// The key stays the one that signs now: another `kid` in the header makes a signature that does
    /// not hold.
    pub fn alter_signed_introspection(
        &self,
        alter: impl Fn(&mut Map<String, Value>, &mut Map<String, Value>) + Send + Sync + 'static,
    ) {
        self.state.lock().alterations.alter_signed = Some(Arc::new(alter));
    }

    /// Ends both alterations.
    pub fn clear_alterations(&self) {
        let mut settings = self.state.lock();
        settings.alterations.alter = None;
        settings.alterations.alter_signed = None;
    }

    /// Signs every answer of introspection (`true`) or none (`false`), whatever the client asks for.
    /// Default, and with `None` again: signs when `Accept` names `application/token-introspection+jwt`
    /// (RFC 9701 section 4).
    pub fn set_signed_introspection(&self, signed: impl Into<Option<bool>>) {
        self.state.lock().alterations.signed = signed.into();
    }
}
