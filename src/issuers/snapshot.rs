//! The cached keys of all issuers, to start another process with.

use std::collections::BTreeMap;

use crate::jwks::Keys;
use crate::middleware::BearerAuth;

/// The cached keys of each issuer, as JSON.
///
/// [`BearerAuth::keys_snapshot`] returns it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct KeysSnapshot(BTreeMap<String, String>);

impl BearerAuth {
    /// The keys that are cached now, for [`Issuer::seed_jwks`](crate::Issuer::seed_jwks) in a process that
    /// starts while the authorization server is unavailable.
    ///
    /// Issuers without fetched keys are left out. No I/O.
    ///
    /// ```
    /// use std::{fs, io};
    /// use tower_bearer::{BearerAuth, Issuer};
    ///
    /// const ISSUER: &str = "https://login.example.com";
    ///
    /// /// Call this from time to time.
    /// fn save(auth: &BearerAuth) -> io::Result<()> {
    ///     match auth.keys_snapshot().jwks(ISSUER) {
    ///         Some(jwks) => fs::write("jwks.json", jwks),
    ///         None => Ok(()),
    ///     }
    /// }
    ///
    /// fn issuer() -> Issuer {
    ///     let issuer = Issuer::discover(ISSUER);
    ///     match fs::read_to_string("jwks.json") {
    ///         Ok(jwks) => issuer.seed_jwks(jwks),
    ///         Err(_) => issuer,
    ///     }
    /// }
    /// # drop(issuer());
    /// ```
    ///
    /// # Risk
    /// - Anyone with write access to the stored keys can sign tokens.
    /// - Keys are used for [`jwks_stale_for`](crate::BearerAuthBuilder::jwks_stale_for) after the start,
    ///   however old the snapshot is. Do not use a snapshot that is older than the delay in which you must be
    ///   able to retire a key.
    #[must_use]
    pub fn keys_snapshot(&self) -> KeysSnapshot {
        let issuers = self.shared().authenticator.issuers.load().sorted();
        let keys = issuers.iter().filter_map(|issuer| {
            let jwks = issuer.keys.as_ref().and_then(Keys::export)?;
            Some((issuer.identifier().to_string(), jwks))
        });
        KeysSnapshot(keys.collect())
    }
}

impl KeysSnapshot {
    /// The keys of one issuer, as the JSON of a JWK Set (RFC 7517 section 5).
    #[must_use]
    pub fn jwks(&self, issuer: &str) -> Option<&str> {
        self.0.get(issuer).map(String::as_str)
    }

    /// The identifiers of the issuers and their keys, sorted by issuer.
    ///
    /// ```
    /// use tower_bearer::BearerAuth;
    ///
    /// fn print(auth: &BearerAuth) {
    ///     for (issuer, jwks) in auth.keys_snapshot().iter() {
    ///         println!("{issuer}: {jwks}");
    ///     }
    /// }
    /// ```
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(issuer, jwks)| (issuer.as_str(), jwks.as_str()))
    }
}
