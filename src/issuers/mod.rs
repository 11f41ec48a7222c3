//! Issuers that come and go while requests are served: [`BearerAuth::issuers`] and [`IssuerResolver`].
//!
//! For an API with many tenants, each with an authorization server of its own:
//!
//! ```
//! # #[cfg(feature = "reqwest")] {
//! use tower_bearer::{BearerAuth, Issuer};
//!
//! let auth = BearerAuth::builder("https://api.example.com")
//!     .issuer(Issuer::discover("https://login.example.com/realms/acme"))
//!     .build()?;
//! let issuers = auth.issuers(); // while `auth` serves requests
//! issuers.add(Issuer::discover("https://login.example.com/realms/globex"))?;
//! assert_eq!(issuers.list().len(), 2);
//! assert!(issuers.remove("https://login.example.com/realms/acme"));
//! # }
//! # Ok::<(), tower_bearer::ConfigError>(())
//! ```

mod snapshot;

use std::fmt;

use crate::authenticate::{InsertError, IssuerChange};
use crate::event;
use crate::middleware::BearerAuth;
use crate::settings::{ConfigError, ConfigProblem, Issuer};
pub use crate::settings::{IssuerRequest, IssuerResolver};
pub use snapshot::KeysSnapshot;

/// Adds, replaces and removes the issuers of a running [`BearerAuth`].
///
/// [`BearerAuth::issuers`] returns it. A clone changes the same issuers, as does the handle of any clone of
/// the `BearerAuth`.
///
/// A change takes effect before the method returns: the next request sees it, cached tokens included. The
/// other issuers keep their keys, caches, circuit breakers and rate limits. Changes wait for each other, and
/// requests wait for none. A change takes logarithmic time in the number of issuers, plus the time to check
/// its settings.
///
/// No method performs I/O. The first request of an added issuer fetches its keys;
/// [`BearerAuth::ready_for`] fetches them earlier.
#[derive(Clone)]
pub struct Issuers {
    auth: BearerAuth,
}

impl BearerAuth {
    /// A handle to add, replace and remove issuers while requests are served.
    ///
    /// ```
    /// # #[cfg(feature = "reqwest")] {
    /// use tower_bearer::{BearerAuth, ConfigError, Issuer};
    ///
    /// fn onboard(auth: &BearerAuth, realm: &str) -> Result<(), ConfigError> {
    ///     auth.issuers().add(Issuer::discover(format!("https://login.example.com/realms/{realm}")))
    /// }
    /// # let auth = BearerAuth::builder("https://api.example.com").allow_no_issuer().build()?;
    /// # onboard(&auth, "acme")?;
    /// # }
    /// # Ok::<(), tower_bearer::ConfigError>(())
    /// ```
    #[must_use]
    pub fn issuers(&self) -> Issuers {
        Issuers { auth: self.clone() }
    }
}

impl Issuers {
    /// Adds an issuer. The settings of the builder apply to it: audiences, leeway, HTTP client and so on.
    ///
    /// ```
    /// # #[cfg(feature = "reqwest")] {
    /// use tower_bearer::builder::ConfigProblem;
    /// use tower_bearer::{BearerAuth, Issuer};
    ///
    /// let issuer = || Issuer::discover("https://login.example.com");
    /// let auth = BearerAuth::builder("https://api.example.com").allow_no_issuer().build()?;
    /// auth.issuers().add(issuer())?;
    ///
    /// let error = auth.issuers().add(issuer()).unwrap_err();
    /// assert!(matches!(error.problems(), [ConfigProblem::IssuerRepeated { .. }]));
    /// # }
    /// # Ok::<(), tower_bearer::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// [`ConfigError`] with every problem that [`build`](crate::BearerAuthBuilder::build) would report for
    /// this issuer: [`IssuerRepeated`](ConfigProblem::IssuerRepeated) if there is one with the same
    /// identifier, [`OpaqueTokensAmbiguous`](ConfigProblem::OpaqueTokensAmbiguous) if another one introspects
    /// the same opaque tokens, or a problem of its own settings. Nothing changes then.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "the caller has no use for it afterwards, as in the builder"
    )]
    pub fn add(&self, issuer: Issuer) -> Result<(), ConfigError> {
        let change = self.auth.shared().authenticator.issuers.change();
        if change.contains(issuer.identifier()) {
            let issuer = issuer.identifier().to_owned();
            ConfigError::unless_none(vec![ConfigProblem::IssuerRepeated { issuer }])?;
        }
        self.insert(&change, &issuer)?;
        event::issuer_changed(issuer.identifier(), "issuer added");
        Ok(())
    }

    /// Replaces the issuer with the same identifier, or adds `issuer` if there is none.
    ///
    /// No token is rejected for the change: cached tokens are validated again, under the new settings, and
    /// requests that wait for keys or introspection of the old issuer start over. The old issuer's
    /// introspection responses are not used any more.
    ///
    /// The issuer keeps its keys if the key set URL, the HTTP client and the algorithms stay the same.
    /// Fallback URLs and [`seed_jwks`](Issuer::seed_jwks) must not change either. Otherwise it fetches its
    /// keys again. Each call of [`Issuer::http_client`] counts as another HTTP client.
    ///
    /// ```
    /// # #[cfg(feature = "reqwest")] {
    /// use tower_bearer::{BearerAuth, Issuer};
    ///
    /// let issuer = || Issuer::discover("https://login.example.com");
    /// let auth = BearerAuth::builder("https://api.example.com").issuer(issuer()).build()?;
    /// auth.issuers().replace(issuer().require_claim("tenant"))?;
    /// # }
    /// # Ok::<(), tower_bearer::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// As for [`add`](Self::add), except `IssuerRepeated`. The old issuer stays then.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "the caller has no use for it afterwards, as in the builder"
    )]
    pub fn replace(&self, issuer: Issuer) -> Result<(), ConfigError> {
        let change = self.auth.shared().authenticator.issuers.change();
        self.insert(&change, &issuer)?;
        event::issuer_changed(issuer.identifier(), "issuer replaced");
        Ok(())
    }

    /// Removes the issuer with this identifier. Returns whether there was one.
    ///
    /// From now on its tokens are rejected with 401 `issuer_unknown`, cached ones and those of requests that
    /// wait included. Its refresh task ends. Added again, it starts without keys and caches.
    ///
    /// If an [`IssuerResolver`] is set and its pattern matches, the next token of this issuer resolves it
    /// again. Change the function first, so that it returns `None`. The results of calls in flight are
    /// discarded.
    ///
    /// ```
    /// use tower_bearer::BearerAuth;
    ///
    /// fn offboard(auth: &BearerAuth, realm: &str) {
    ///     if !auth.issuers().remove(&format!("https://login.example.com/realms/{realm}")) {
    ///         eprintln!("{realm} was not an issuer");
    ///     }
    /// }
    /// ```
    pub fn remove(&self, identifier: &str) -> bool {
        let is_removed = self.auth.shared().authenticator.issuers.change().remove_by_operator(identifier);
        if is_removed {
            event::issuer_changed(identifier, "issuer removed");
        }
        is_removed
    }

    /// The identifiers of all issuers, sorted. [`BearerAuth::status`] has the state of each.
    #[must_use]
    pub fn list(&self) -> Vec<String> {
        let issuers = self.auth.shared().authenticator.issuers.load().sorted();
        issuers.iter().map(|issuer| issuer.identifier().to_string()).collect()
    }

    /// Builds and publishes `issuer`.
    fn insert(&self, change: &IssuerChange<'_>, issuer: &Issuer) -> Result<(), ConfigError> {
        let mut problems = Vec::new();
        let built = self.auth.shared().context.build(&[issuer], &mut problems);
        ConfigError::unless_none(problems)?;
        for trusted in built {
            match change.insert(trusted) {
                Ok(_) => {}
                Err(InsertError::Rival(rival)) => {
                    let mut issuers = vec![rival.to_string(), issuer.identifier().to_owned()];
                    issuers.sort_unstable();
                    ConfigError::unless_none(vec![ConfigProblem::OpaqueTokensAmbiguous { issuers }])?;
                }
                // Sources close only under the lock that `change` holds, so this does not recur.
                Err(InsertError::KeysClosed) => return self.insert(change, issuer),
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Issuers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.list()).finish()
    }
}
