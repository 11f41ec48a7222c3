//! A revocation: its target at one issuer, and the moment up to which the tokens were issued.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Deserialize;

use crate::time::NumericDate;

/// A revocation: which tokens of an issuer are rejected from now on.
///
/// | constructor | rejects the issuer's tokens |
/// |---|---|
/// | [`token`](Self::token) | with this `jti` |
/// | [`session`](Self::session) | with this `sid` |
/// | [`subject`](Self::subject) | with this `sub`, issued until now |
/// | [`client`](Self::client) | of this client, issued until now |
/// | [`all_of`](Self::all_of) | issued until now |
///
/// The last three compare `iat` with the moment of the revocation, so a later sign-in passes and nothing has
/// to be cleared. They also reject tokens without `iat`. `iat` has whole seconds, so a token that is issued
/// within the second of the revocation is rejected, too.
///
/// ```
/// use tower_bearer::revocation::{Revocations, Revoke};
///
/// let revocations = Revocations::new();
/// revocations.revoke(Revoke::subject("https://login.example.com", "alice"))?;
/// # Ok::<(), tower_bearer::revocation::RevocationsFull>(())
/// ```
///
/// # JSON
/// It deserializes from an object, which
/// [`Revocations::admin_service`](super::Revocations::admin_service) accepts: `issuer`; exactly one of
/// `token`, `session`, `subject`, `client` (texts) and `all` (`true`); optionally `before` and `expires_at`,
/// in seconds since 1970. Any other member is an error.
///
/// ```
/// # use tower_bearer::revocation::Revoke;
/// let json = r#"{"issuer": "https://login.example.com", "session": "b2a7"}"#;
/// let revoke: Revoke = serde_json::from_str(json)?;
/// # Ok::<(), serde_json::Error>(())
/// ```
///
/// `Debug` prints the issuer and the kind, but not which token, session, subject or client.
#[derive(Clone, Deserialize)]
#[serde(try_from = "Document")]
#[non_exhaustive]
pub struct Revoke {
    pub(super) issuer: String,
    pub(super) kind: Kind,
    /// Empty for [`Kind::All`].
    pub(super) value: String,
    pub(super) before: Option<NumericDate>,
    pub(super) expires_at: Option<NumericDate>,
}

/// The kind of a target.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) enum Kind {
    Token,
    Session,
    Subject,
    Client,
    All,
}

impl Kind {
    /// The number of kinds.
    pub(super) const COUNT: usize = 5;

    /// Whether an entry without a moment rejects tokens whatever their `iat`.
    pub(super) fn ignores_issue_date(self) -> bool {
        matches!(self, Self::Token | Self::Session)
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Session => "session",
            Self::Subject => "subject",
            Self::Client => "client",
            Self::All => "all",
        }
    }
}

impl Revoke {
    /// Revokes the token with this `jti`, whenever it was issued.
    ///
    /// A token without `jti` cannot be revoked this way.
    #[must_use]
    pub fn token(issuer: impl Into<String>, jti: impl Into<String>) -> Self {
        Self::new(issuer.into(), Kind::Token, jti.into())
    }

    /// Revokes the tokens of the session with this `sid`, whenever they were issued. End the session at the
    /// authorization server too, so that it issues no more of them.
    ///
    /// A token without `sid` cannot be revoked this way. Many authorization servers put `sid` into ID tokens
    /// only; see [`AccessToken::session_id`](crate::AccessToken::session_id).
    #[must_use]
    pub fn session(issuer: impl Into<String>, sid: impl Into<String>) -> Self {
        Self::new(issuer.into(), Kind::Session, sid.into())
    }

    /// Revokes the tokens of this subject (`sub`) that were issued until now.
    #[must_use]
    pub fn subject(issuer: impl Into<String>, sub: impl Into<String>) -> Self {
        Self::new(issuer.into(), Kind::Subject, sub.into())
    }

    /// Revokes the tokens that were issued to this client until now: `client_id`, `azp`, or the claims in
    /// [`Issuer::client_claims`](crate::Issuer::client_claims).
    #[must_use]
    pub fn client(issuer: impl Into<String>, id: impl Into<String>) -> Self {
        Self::new(issuer.into(), Kind::Client, id.into())
    }

    /// Revokes all tokens of the issuer that were issued until now.
    #[must_use]
    pub fn all_of(issuer: impl Into<String>) -> Self {
        Self::new(issuer.into(), Kind::All, String::new())
    }

    fn new(issuer: String, kind: Kind, value: String) -> Self {
        Self { issuer, kind, value, before: None, expires_at: None }
    }

    /// Revokes the tokens with an `iat` until this moment, and those without `iat`. Default: for a token and
    /// a session, whatever their `iat`; otherwise the time of
    /// [`Revocations::revoke`](super::Revocations::revoke) by the clock of this machine.
    ///
    /// Set it to the time that the authorization server names, if it names one: its clock may differ from
    /// the one of this machine. A token whose `iat` is ahead of this machine's clock passes otherwise.
    ///
    /// ```
    /// use std::time::SystemTime;
    /// use tower_bearer::revocation::Revoke;
    ///
    /// fn account_disabled(subject: &str, event_time: SystemTime) -> Revoke {
    ///     Revoke::subject("https://login.example.com", subject).before(event_time)
    /// }
    /// ```
    #[must_use]
    pub fn before(self, moment: SystemTime) -> Self {
        Self { before: Some(date(moment)), ..self }
    }

    /// Sets the latest `exp` of the tokens that are revoked. The revocation is forgotten a few minutes later.
    /// Default: see [`Revocations::keep_for`](super::Revocations::keep_for).
    ///
    /// # Risk
    /// A token that expires later is accepted again.
    #[must_use]
    pub fn expires_at(self, moment: SystemTime) -> Self {
        Self { expires_at: Some(date(moment)), ..self }
    }
}

/// A moment before 1970 counts as 1970.
fn date(moment: SystemTime) -> NumericDate {
    NumericDate::from_epoch(moment.duration_since(UNIX_EPOCH).unwrap_or_default())
}

impl fmt::Debug for Revoke {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Revoke")
            .field("issuer", &self.issuer)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

/// The JSON form.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    issuer: String,
    token: Option<String>,
    session: Option<String>,
    subject: Option<String>,
    client: Option<String>,
    all: Option<bool>,
    before: Option<u64>,
    expires_at: Option<u64>,
}

impl TryFrom<Document> for Revoke {
    /// No error quotes a value.
    type Error = &'static str;

    fn try_from(document: Document) -> Result<Self, Self::Error> {
        let Document { issuer, token, session, subject, client, all, before, expires_at } = document;
        if all == Some(false) {
            return Err("`all` is not true");
        }
        let all = all.map(|_| (Kind::All, String::new()));
        let named = [
            (Kind::Token, token),
            (Kind::Session, session),
            (Kind::Subject, subject),
            (Kind::Client, client),
        ];
        let named = named.into_iter().filter_map(|(kind, value)| Some((kind, value?)));
        let mut targets = all.into_iter().chain(named);
        let (Some((kind, value)), None) = (targets.next(), targets.next()) else {
            return Err("not exactly one of `token`, `session`, `subject`, `client` and `all`");
        };
        if issuer.is_empty() || (value.is_empty() && kind != Kind::All) {
            return Err("an empty text names nothing");
        }
        let date = |secs: Option<u64>| match secs {
            Some(secs) => NumericDate::from_secs(secs).map(Some).ok_or("a date is after the year 9999"),
            None => Ok(None),
        };
        let (before, expires_at) = (date(before)?, date(expires_at)?);
        Ok(Self { before, expires_at, ..Self::new(issuer, kind, value) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str) -> Option<Revoke> {
        serde_json::from_str(json).ok()
    }

    #[test]
    fn a_revocation_in_json_names_one_target() {
        for (json, kind, value) in [
            (r#"{"issuer":"i","token":"v"}"#, Kind::Token, "v"),
            (r#"{"issuer":"i","session":"v"}"#, Kind::Session, "v"),
            (r#"{"issuer":"i","subject":"v","before":5,"expires_at":6}"#, Kind::Subject, "v"),
            (r#"{"issuer":"i","client":"v","before":null}"#, Kind::Client, "v"),
            (r#"{"issuer":"i","all":true}"#, Kind::All, ""),
        ] {
            let revoke = parse(json).unwrap();
            assert_eq!((revoke.kind, &*revoke.value, &*revoke.issuer), (kind, value, "i"), "{json}");
            let dates =
                json.contains("expires_at").then(|| NumericDate::from_secs(5).zip(NumericDate::from_secs(6)));
            assert_eq!(revoke.before.zip(revoke.expires_at), dates.flatten(), "{json}");
        }
    }

    #[test]
    fn a_revocation_in_json_with_any_fault_is_an_error() {
        for json in [
            "",
            "[]",
            "{}",
            r#"{"issuer":"i"}"#,
            r#"{"token":"v"}"#,
            r#"{"issuer":"i","token":"v","session":"v"}"#,
            r#"{"issuer":"i","token":"v","all":true}"#,
            r#"{"issuer":"i","token":"v","all":false}"#,
            r#"{"issuer":"i","all":false}"#,
            r#"{"issuer":"i","all":"true"}"#,
            r#"{"issuer":"","token":"v"}"#,
            r#"{"issuer":"i","token":""}"#,
            r#"{"issuer":"i","token":5}"#,
            r#"{"issuer":["i"],"token":"v"}"#,
            r#"{"issuer":"i","token":"v","token":"w"}"#,
            r#"{"issuer":"i","token":"v","sid":"w"}"#,
            r#"{"issuer":"i","token":"v","before":-1}"#,
            r#"{"issuer":"i","token":"v","before":"5"}"#,
            // Milliseconds.
            r#"{"issuer":"i","token":"v","before":1700000000000}"#,
            r#"{"issuer":"i","token":"v","expires_at":1700000000000}"#,
        ] {
            assert!(parse(json).is_none(), "{json}");
        }
    }

    #[test]
    fn debug_shows_no_value() {
        let revoke = Revoke::subject("https://login.example.com", "alice").before(SystemTime::UNIX_EPOCH);
        let shown = format!("{revoke:?}");
        assert!(shown.contains("login.example.com") && shown.contains("Subject"), "{shown}");
        assert!(!shown.contains("alice"), "{shown}");
    }
}
