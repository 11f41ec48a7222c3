//! What is wrong with a configuration, for the developer at start-up: everything at once, each with its mend.

use std::error::Error;
use std::fmt;
use std::time::Duration;

/// All problems of a configuration. `Display` lists them, one on a line, each with its mend.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ConfigError {
    problems: Vec<ConfigProblem>,
}

impl ConfigError {
    /// `Ok` when there are no problems.
    pub(super) fn unless_none(problems: Vec<ConfigProblem>) -> Result<(), Self> {
        if problems.is_empty() { Ok(()) } else { Err(Self { problems }) }
    }

    /// The problems, in the order of the configuration; at least one.
    #[must_use]
    pub fn problems(&self) -> &[ConfigProblem] {
        &self.problems
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the configuration of BearerAuth cannot be used:")?;
        self.problems.iter().try_for_each(|problem| write!(f, "\n  - {problem}"))
    }
}

impl Error for ConfigError {}

/// One problem of a configuration, with the value at fault.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ConfigProblem {
    /// No issuer was added, so that no token could ever be accepted.
    NoIssuer,
    /// Two issuers have the same identifier.
    #[non_exhaustive]
    IssuerRepeated {
        /// The identifier.
        issuer: String,
    },
    /// The identifier of an issuer cannot be used.
    #[non_exhaustive]
    IssuerUnusable {
        /// The identifier.
        issuer: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The URL of a key set cannot be fetched.
    #[non_exhaustive]
    JwksUrlUnusable {
        /// The issuer that it belongs to.
        issuer: String,
        /// The URL, without its query.
        url: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A key set given as text has no usable key, or is none.
    #[non_exhaustive]
    JwksUnusable {
        /// The issuer that it belongs to.
        issuer: String,
        /// What is wrong with it.
        reason: String,
    },
    /// An issuer has no algorithm that its tokens may be signed with.
    #[non_exhaustive]
    NoAlgorithm {
        /// The issuer.
        issuer: String,
    },
    /// An audience is empty.
    AudienceEmpty,
    /// The name of a claim is empty.
    #[non_exhaustive]
    ClaimNameEmpty {
        /// The issuer.
        issuer: String,
        /// The setting.
        setting: &'static str,
    },
    /// An issuer has no keys, and no introspection to judge its tokens by.
    #[non_exhaustive]
    NoKeysNorIntrospection {
        /// The issuer.
        issuer: String,
    },
    /// The introspection of an issuer's tokens cannot be used.
    #[non_exhaustive]
    IntrospectionUnusable {
        /// The issuer.
        issuer: String,
        /// What is wrong with it, and the mend.
        reason: &'static str,
    },
    /// A setting of an issuer without keys that would do nothing, since its tokens are judged by introspection.
    #[non_exhaustive]
    SettingNeedsKeys {
        /// The issuer.
        issuer: String,
        /// The setting.
        setting: &'static str,
    },
    /// The URL of an introspection endpoint cannot be asked.
    #[non_exhaustive]
    IntrospectionUrlUnusable {
        /// The issuer that it belongs to.
        issuer: String,
        /// The URL, without its query.
        url: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Several issuers introspect, and it is not said whose opaque tokens are.
    #[non_exhaustive]
    OpaqueTokensAmbiguous {
        /// The issuers that would be asked about the same tokens.
        issuers: Vec<String>,
    },
    /// A list of clients is empty, so that no token could ever be accepted.
    #[non_exhaustive]
    NoClient {
        /// The issuer.
        issuer: String,
    },
    /// The leeway is longer than [`BearerAuthBuilder::MAX_LEEWAY`](crate::BearerAuthBuilder::LEEWAY_MAX).
    #[non_exhaustive]
    LeewayTooLong {
        /// The leeway.
        leeway: Duration,
    },
    /// The realm holds a character that a challenge cannot.
    #[non_exhaustive]
    RealmUnusable {
        /// The realm.
        realm: String,
    },
    /// A setting that must be positive is zero.
    #[non_exhaustive]
    Zero {
        /// The setting.
        setting: &'static str,
    },
    /// A source of tokens cannot be used.
    #[non_exhaustive]
    TokenSourceUnusable {
        /// The source.
        source: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Keys must be fetched, or tokens introspected, and there is no HTTP client.
    NoHttpClient,
    /// The default HTTP client could not be made.
    #[non_exhaustive]
    HttpClientUnusable {
        /// What it said.
        reason: String,
    },
}

impl fmt::Display for ConfigProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoIssuer => f.write_str("no issuer is trusted: add .issuer(Issuer::discover(\"https://...\"))"),
            Self::IssuerRepeated { issuer } => {
                write!(f, "issuer {issuer:?} was added twice: add it once, with both its settings")
            }
            Self::IssuerUnusable { issuer, reason } => {
                write!(f, "issuer {issuer:?} {reason}: write it exactly as the `iss` of its tokens")
            }
            Self::JwksUrlUnusable { issuer, url, reason } => {
                write!(f, "the key set {url:?} of issuer {issuer:?} {reason}: give its https URL, or use Issuer::dangerous_allow_http in a test network")
            }
            Self::JwksUnusable { issuer, reason } => {
                write!(f, "the key set given for issuer {issuer:?} cannot be used ({reason}): give the JSON of an RFC 7517 JWK Set with public signature keys")
            }
            Self::NoAlgorithm { issuer } => {
                write!(f, "issuer {issuer:?} has no algorithm: name at least one in .algorithms([...]) or leave it out")
            }
            Self::AudienceEmpty => f.write_str("an audience is empty: give the name that tokens for this API have in `aud`"),
            Self::ClaimNameEmpty { issuer, setting } => {
                write!(f, "{setting} of issuer {issuer:?} holds no name or an empty one: name the claim")
            }
            Self::NoKeysNorIntrospection { issuer } => {
                write!(f, "issuer {issuer:?} has no keys and no introspection: add .introspect(Introspection::with(...)), or use Issuer::discover")
            }
            Self::IntrospectionUnusable { issuer, reason } => {
                write!(f, "the introspection of issuer {issuer:?} cannot be used: {reason}")
            }
            Self::SettingNeedsKeys { issuer, setting } => {
                write!(f, "{setting} does nothing for issuer {issuer:?}, which has no keys: leave it out, or use Issuer::discover")
            }
            Self::IntrospectionUrlUnusable { issuer, url, reason } => {
                write!(f, "the introspection endpoint {url:?} of issuer {issuer:?} {reason}: give its https URL, or use Issuer::dangerous_allow_http in a test network")
            }
            Self::OpaqueTokensAmbiguous { issuers } => {
                write!(f, "the issuers {issuers:?} would be asked about the same opaque tokens: say which are whose by .opaque_prefix(...) or .opaque_when(...), with .opaque_default() on at most one, or .opaque_none()")
            }
            Self::NoClient { issuer } => {
                write!(f, "allowed_clients of issuer {issuer:?} is empty: name the clients, or leave it out to let all in")
            }
            Self::LeewayTooLong { leeway } => {
                write!(f, "a leeway of {leeway:?} is too long: give at most 5 minutes, and set the clocks right")
            }
            Self::RealmUnusable { realm } => {
                write!(f, "the realm {realm:?} is empty or has characters outside printable ASCII: set another .realm(\"...\")")
            }
            Self::Zero { setting } => write!(f, "{setting} is zero: give more, or leave it out for the default"),
            Self::TokenSourceUnusable { source, reason } => write!(f, "the token source {source} {reason}"),
            Self::NoHttpClient => f.write_str("keys must be fetched, or tokens introspected, and there is no HTTP client: turn on the feature `reqwest`, or give one to .http_client(...)"),
            Self::HttpClientUnusable { reason } => {
                write!(f, "the default HTTP client cannot be made ({reason}): install root certificates, or give a client to .http_client(...)")
            }
        }
    }
}
