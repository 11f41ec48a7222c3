//! The party that acts on behalf of the subject (RFC 8693 section 4.1).

use std::fmt;

use super::AccessToken;
use super::claim_value::ClaimValue;

/// The party that uses a token on behalf of its subject: the claim `act` (RFC 8693 section 4.1). It borrows
/// from the token. `Debug` does not print its claims.
///
/// Decide only by the outermost actor, which [`AccessToken::actor`] returns. The
/// actors nested in it acted before, and only inform.
///
/// ```
/// # #[cfg(all(feature = "test-util", any(feature = "aws-lc-rs", feature = "rust-crypto")))] {
/// # let idp = tower_bearer::testing::TestIssuer::new();
/// # let act = serde_json::json!({"sub": "orders-service", "act": {"sub": "gateway"}});
/// # let builder = idp.token("https://api.example.com").subject("alice").claim("act", act);
/// # let token = builder.access_token().unwrap();
/// let actor = token.actor().unwrap();
/// assert_eq!((token.subject(), actor.subject()), (Some("alice"), Some("orders-service")));
/// assert_eq!(actor.actor().and_then(|earlier| earlier.subject()), Some("gateway"));
/// # }
/// ```
#[derive(Clone, Copy)]
pub struct Actor<'t>(ClaimValue<'t>);

impl<'t> Actor<'t> {
    /// The actor in the claim `act`, if it is an object.
    pub(super) fn of(act: ClaimValue<'t>) -> Option<Self> {
        act.is_object().then_some(Self(act))
    }

    /// Returns the subject of the actor (`sub`), unique within its issuer only. `None` if it is absent, empty
    /// or no string.
    #[must_use]
    pub fn subject(self) -> Option<&'t str> {
        self.text("sub").filter(|subject| !subject.is_empty())
    }

    /// Returns the issuer of the actor's subject (`iss`). Without it, the subject is usually one of the
    /// issuer of the token.
    #[must_use]
    pub fn issuer(self) -> Option<&'t str> {
        self.text("iss")
    }

    /// Returns the actor before this one, which only informs.
    #[must_use]
    pub fn actor(self) -> Option<Self> {
        self.claim("act").and_then(Self::of)
    }

    /// Returns another claim that identifies the actor, by its name or a JSON Pointer (RFC 6901).
    ///
    /// ```
    /// use tower_bearer::AccessToken;
    ///
    /// fn acting_client(token: &AccessToken) -> Option<&str> {
    ///     token.actor()?.claim("client_id")?.as_str()
    /// }
    /// ```
    #[must_use]
    pub fn claim(self, pointer: &str) -> Option<ClaimValue<'t>> {
        self.0.get(pointer)
    }

    fn text(self, name: &str) -> Option<&'t str> {
        self.claim(name)?.as_str()
    }
}

impl AccessToken {
    /// Returns the party that uses the token on behalf of its subject (`act`, RFC 8693 section 4.1). `None`
    /// if the token has no `act`, or one that is not an object.
    ///
    /// The first call parses the claims, once per cached token.
    ///
    /// ```
    /// use tower_bearer::AccessToken;
    ///
    /// /// Who did it, for an audit log: the service that acts for the user, if there is one.
    /// fn doer(token: &AccessToken) -> Option<&str> {
    ///     token.actor().map_or_else(|| token.subject(), |actor| actor.subject())
    /// }
    /// ```
    #[must_use]
    pub fn actor(&self) -> Option<Actor<'_>> {
        self.claim("act").and_then(Actor::of)
    }
}

impl fmt::Debug for Actor<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Actor").finish_non_exhaustive()
    }
}
