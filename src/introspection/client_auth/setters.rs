//! The settings of credentials: those of a rotation, and the audience of assertions.

use super::ClientAuth;
use super::provider::{Candidates, Source};

impl ClientAuth {
    /// Adds fallback credentials, for the rotation of a secret or a key.
    ///
    /// If the authorization server rejects the first credentials, the introspection request is retried once
    /// with the fallback. The accepted credentials are used first from then on. Both must be credentials of
    /// the same client.
    ///
    /// ```
    /// use tower_bearer::ClientAuth;
    ///
    /// # let (new, old) = (String::new(), String::new());
    /// let auth = ClientAuth::secret_basic("orders-api", new)
    ///     .with_fallback(ClientAuth::secret_basic("orders-api", old));
    /// # let _ = auth;
    /// ```
    pub fn with_fallback(mut self, fallback: Self) -> Self {
        self.misuse = self.misuse.or(fallback.misuse);
        match (&mut self.source, fallback.source) {
            (Source::Fixed(candidates), Source::Fixed(fallback)) if fallback.second.is_none() => {
                candidates.second = Some(fallback.first);
            }
            _ => self.misuse = Some("with_fallback needs two ClientAuth that come from no provider"),
        }
        self
    }

    /// Names the URL of the endpoint as the `aud` of assertions. Default: the issuer identifier.
    ///
    /// For authorization servers that accept nothing else, such as Okta. It applies to
    /// [`private_key_jwt`](Self::private_key_jwt) and [`secret_jwt`](Self::secret_jwt), and to the
    /// credentials that [`with_fallback`](Self::with_fallback) has added before. The URL is the one that the
    /// assertion is sent to.
    ///
    /// ```
    /// use tower_bearer::ClientAuth;
    /// use tower_bearer::crypto::PrivateKey;
    ///
    /// fn client_auth(key: PrivateKey) -> ClientAuth {
    ///     ClientAuth::private_key_jwt("0oa1gjh63g214q0Hq0g4", key).endpoint_as_audience()
    /// }
    /// ```
    pub fn endpoint_as_audience(mut self) -> Self {
        let candidates = match &self.source {
            Source::Fixed(Candidates { first, second }) => {
                let second =
                    second.clone().map(|second| second.clone().with_endpoint_as_audience().unwrap_or(second));
                let first = first.clone().with_endpoint_as_audience();
                first.map(|first| Candidates { first, second })
            }
            Source::Provided(_) => None,
        };
        match candidates {
            Some(candidates) => self.source = Source::Fixed(candidates),
            None => self.misuse = Some("endpoint_as_audience needs private_key_jwt or secret_jwt"),
        }
        self
    }
}
