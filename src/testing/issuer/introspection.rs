//! Configures and changes the introspection responses of the test issuer, and revokes tokens.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::test_issuer::TestIssuer;
use crate::introspection::ClientAuth;
use crate::settings::Introspection;

impl TestIssuer {
    /// An [`Introspection`] that uses this server, for [`Issuer::introspect`](crate::Issuer::introspect).
    ///
    /// It authenticates as [`CLIENT_ID`](Self::CLIENT_ID) with `client_secret_basic`.
    ///
    /// ```
    /// use tower_bearer::{BearerAuth, testing::TestIssuer};
    ///
    /// # #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))] {
    /// let idp = TestIssuer::new();
    /// let auth = BearerAuth::builder("https://api.example.com")
    ///     .issuer(idp.issuer().introspect(idp.introspection().also_jwts()))
    ///     .http_client(idp.http_client())
    ///     .clock(idp.clock());
    /// # drop(auth);
    /// # }
    /// ```
    pub fn introspection(&self) -> Introspection {
        let client = ClientAuth::secret_basic(Self::CLIENT_ID, Self::CLIENT_SECRET);
        Introspection::with(client).endpoint(self.introspection_url())
    }

    /// Changes every introspection response about an active token before it is sent (RFC 7662 section 2.2).
    ///
    /// `alter` gets the members of the response: `active`, `token_type` and the claims. It replaces an
    /// earlier `alter`.
    ///
    /// ```
    /// use tower_bearer::testing::TestIssuer;
    ///
    /// # #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))] {
    /// let idp = TestIssuer::new();
    /// // A broken server: `active` is a string, and `iss` is missing.
    /// idp.alter_introspection(|response| {
    ///     response.insert("active".to_owned(), "true".into());
    ///     response.remove("iss");
    /// });
    /// # }
    /// ```
    pub fn alter_introspection(&self, alter: impl Fn(&mut Map<String, Value>) + Send + Sync + 'static) {
        self.state.lock().alterations.alter = Some(Arc::new(alter));
    }

    /// Changes the header and the claims of every signed introspection response before it is signed (RFC 9701
    /// section 5).
    ///
    /// It applies to responses about inactive tokens, too, and replaces an earlier `alter`. The key stays the
    /// same: another `kid` in the header makes the signature invalid.
    ///
    /// ```
    /// use tower_bearer::testing::TestIssuer;
    ///
    /// # #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))] {
    /// let idp = TestIssuer::new();
    /// idp.set_signed_introspection(true);
    /// idp.alter_signed_introspection(|header, claims| {
    ///     header.insert("typ".to_owned(), "JWT".into());
    ///     claims.insert("aud".to_owned(), "another-api".into());
    /// });
    /// # }
    /// ```
    pub fn alter_signed_introspection(
        &self,
        alter: impl Fn(&mut Map<String, Value>, &mut Map<String, Value>) + Send + Sync + 'static,
    ) {
        self.state.lock().alterations.alter_signed = Some(Arc::new(alter));
    }

    /// Removes the changes of [`alter_introspection`](Self::alter_introspection) and
    /// [`alter_signed_introspection`](Self::alter_signed_introspection).
    pub fn clear_alterations(&self) {
        let mut settings = self.state.lock();
        settings.alterations.alter = None;
        settings.alterations.alter_signed = None;
    }

    /// Signs every introspection response (`true`) or none (`false`), whatever the client accepts.
    ///
    /// `None` restores the default: a response is signed if the `Accept` header of the request contains
    /// `application/token-introspection+jwt` (RFC 9701 section 4).
    ///
    /// ```
    /// use tower_bearer::testing::TestIssuer;
    ///
    /// # #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))] {
    /// let idp = TestIssuer::new();
    /// idp.set_signed_introspection(false); // a server without RFC 9701
    /// idp.set_signed_introspection(None);
    /// # }
    /// ```
    pub fn set_signed_introspection(&self, signed: impl Into<Option<bool>>) {
        self.state.lock().alterations.signed = signed.into();
    }

    /// Revokes a token of this issuer: introspection reports it as inactive from now on.
    ///
    /// A refresh token takes its whole family with it (RFC 7009 section 2.1). Unknown tokens are ignored. The
    /// [revocation endpoint](Self::revocation_url) has the same effect.
    ///
    /// ```
    /// use tower_bearer::testing::TestIssuer;
    ///
    /// # #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))] {
    /// let idp = TestIssuer::new();
    /// let token = idp.token("https://api.example.com").opaque();
    /// idp.revoke(&token);
    /// # }
    /// ```
    pub fn revoke(&self, token: &str) {
        self.state.lock().tokens.revoke(token);
    }
}
