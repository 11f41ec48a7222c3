//! The problems of a configuration, for the developer at start-up: all of them, each with a hint.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use crate::crypto::Algorithm;
use crate::fetch_url::UrlFault;

/// A configuration that [`BearerAuthBuilder::build`](crate::BearerAuthBuilder::build) rejects.
///
/// `Display` and `Debug` print one line per problem, each with a hint, so that `main` may return the error.
/// They print an invalid URL without user name, password, query and fragment.
///
/// ```no_run
/// use tower_bearer::{BearerAuth, ConfigError, Issuer};
///
/// fn main() -> Result<(), ConfigError> {
///     let issuer = Issuer::discover("http://login.example.com");
///     let auth = BearerAuth::builder("https://api.example.com").issuer(issuer).build()?;
///     // Error: the configuration of BearerAuth is invalid:
///     //   - issuer "http://login.example.com" is not https (plain http ...); hint: use https ...
///     Ok(())
/// }
/// ```
///
/// [`problems`](Self::problems) are the same as data:
///
/// ```
/// use tower_bearer::BearerAuth;
///
/// let error = BearerAuth::builder("https://api.example.com").build().unwrap_err();
/// for problem in error.problems() {
///     println!("{problem}"); // no issuer is configured; hint: add .issuer(Issuer::discover(...
/// }
/// ```
#[derive(Clone, Eq, PartialEq)]
pub struct ConfigError {
    problems: Vec<ConfigProblem>,
}

impl ConfigError {
    /// `Ok` if there are no problems.
    pub(crate) fn unless_none(problems: Vec<ConfigProblem>) -> Result<(), Self> {
        if problems.is_empty() { Ok(()) } else { Err(Self { problems }) }
    }

    /// Returns the problems, at least one.
    #[must_use]
    pub fn problems(&self) -> &[ConfigProblem] {
        &self.problems
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the configuration of BearerAuth is invalid:")?;
        self.problems.iter().try_for_each(|problem| write!(f, "\n  - {problem}"))
    }
}

/// The same lines as `Display`: a program whose `main` returns the error prints its `Debug`.
impl fmt::Debug for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for ConfigError {}

/// One problem of a configuration, with the invalid value.
///
/// `Display` prints the problem and, after `; hint: `, the remedy.
///
/// ```
/// use tower_bearer::builder::ConfigProblem;
///
/// assert!(ConfigProblem::NoIssuer.to_string().starts_with("no issuer is configured; hint: add .issuer("));
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ConfigProblem {
    /// No issuer is configured, so no token could ever be accepted.
    NoIssuer,
    /// Two issuers have the same identifier.
    #[non_exhaustive]
    IssuerRepeated {
        /// The identifier.
        issuer: String,
    },
    /// The identifier of an issuer is invalid.
    #[non_exhaustive]
    IssuerUnusable {
        /// The identifier, without user name, password, query and fragment.
        issuer: String,
        /// The fault, as the end of a sentence that starts with the identifier.
        reason: &'static str,
    },
    /// The argument of a profile, such as [`Issuer::auth0`](crate::Issuer::auth0), is invalid.
    #[non_exhaustive]
    ProfileUnusable {
        /// The profile, such as `auth0`.
        profile: &'static str,
        /// The argument, without user name, password, query and fragment.
        argument: String,
        /// The fault, as the end of a sentence that starts with the argument.
        reason: &'static str,
        /// The remedy.
        hint: &'static str,
    },
    /// The pattern of an [`IssuerResolver`](crate::issuers::IssuerResolver) is invalid.
    #[non_exhaustive]
    IssuerPatternUnusable {
        /// The pattern.
        pattern: String,
        /// The fault, as the end of a sentence that starts with the pattern.
        reason: &'static str,
    },
    /// The identifier stands for all tenants of Entra ID, such as `common` or `organizations`. No token has
    /// such an `iss`.
    #[non_exhaustive]
    IssuerOfManyTenants {
        /// The identifier, without user name, password, query and fragment.
        issuer: String,
    },
    /// The identifier names a tenant of Entra ID in another way than tokens do, for example by its domain. No
    /// token has such an `iss`.
    #[non_exhaustive]
    TenantNotAnId {
        /// The identifier, without user name, password, query and fragment.
        issuer: String,
    },
    /// The URL of [`shared_metadata`](crate::Issuer::shared_metadata) is invalid, or its metadata cannot name
    /// the issuer.
    #[non_exhaustive]
    SharedMetadataUnusable {
        /// The identifier of the issuer.
        issuer: String,
        /// The URL, without user name, password, query and fragment.
        url: String,
        /// The fault, as the end of a sentence that starts with the metadata at the URL.
        reason: &'static str,
    },
    /// An entry of [`EndpointHosts::listed`](crate::builder::EndpointHosts::listed) is invalid.
    #[non_exhaustive]
    EndpointHostsUnusable {
        /// The identifier of the issuer.
        issuer: String,
        /// The entry.
        host: String,
        /// The fault, as the end of a sentence that starts with the entry.
        reason: &'static str,
    },
    /// [`endpoint_hosts`](crate::Issuer::endpoint_hosts) would have no effect, because no URL of the issuer
    /// comes from its metadata.
    #[non_exhaustive]
    EndpointHostsWithoutEffect {
        /// The identifier of the issuer.
        issuer: String,
    },
    /// The URL of a key set is invalid.
    #[non_exhaustive]
    JwksUrlUnusable {
        /// The identifier of the issuer.
        issuer: String,
        /// The URL, without user name, password, query and fragment.
        url: String,
        /// The fault, as the end of a sentence that starts with the URL.
        reason: &'static str,
    },
    /// A key set given as JSON cannot be parsed or has no usable key.
    #[non_exhaustive]
    JwksUnusable {
        /// The identifier of the issuer.
        issuer: String,
        /// The fault.
        reason: String,
    },
    /// The list of allowed algorithms of an issuer is empty.
    #[non_exhaustive]
    NoAlgorithm {
        /// The identifier of the issuer.
        issuer: String,
    },
    /// The algorithm of keys without `alg` is not among the allowed algorithms.
    #[non_exhaustive]
    DefaultAlgorithmNotAllowed {
        /// The identifier of the issuer.
        issuer: String,
        /// The algorithm.
        algorithm: Algorithm,
    },
    /// An audience is empty.
    AudienceEmpty,
    /// No issuer accepts an audience that a view requires, so no token could ever be accepted.
    #[non_exhaustive]
    AudienceNotAccepted {
        /// The audience.
        audience: String,
    },
    /// An audience begins or ends with white space.
    #[non_exhaustive]
    AudienceUnusable {
        /// The audience.
        audience: String,
    },
    /// A setting names a claim that no token can have, or that needs another setting.
    #[non_exhaustive]
    ClaimUnusable {
        /// The identifier of the issuer.
        issuer: String,
        /// The setting.
        setting: &'static str,
        /// The name of the claim or the JSON Pointer.
        name: String,
        /// The fault, as the end of a sentence that starts with the name.
        reason: &'static str,
        /// The remedy.
        hint: &'static str,
    },
    /// The name of a claim is empty.
    #[non_exhaustive]
    ClaimNameEmpty {
        /// The identifier of the issuer.
        issuer: String,
        /// The setting.
        setting: &'static str,
    },
    /// An issuer has neither keys nor introspection, so its tokens cannot be validated.
    #[non_exhaustive]
    NoKeysNorIntrospection {
        /// The identifier of the issuer.
        issuer: String,
    },
    /// The introspection settings of an issuer are invalid.
    #[non_exhaustive]
    IntrospectionUnusable {
        /// The identifier of the issuer.
        issuer: String,
        /// The fault.
        reason: &'static str,
        /// The remedy.
        hint: &'static str,
    },
    /// A setting would have no effect, because the issuer has no keys and its tokens are introspected.
    #[non_exhaustive]
    SettingNeedsKeys {
        /// The identifier of the issuer.
        issuer: String,
        /// The setting.
        setting: &'static str,
    },
    /// A setting would have no effect, because the issuer has a static key set and nothing is fetched for it.
    #[non_exhaustive]
    SettingNeedsFetchedKeys {
        /// The identifier of the issuer.
        issuer: String,
        /// The setting.
        setting: &'static str,
    },
    /// Any customer of the authorization server can create tokens for any audience, and no setting restricts
    /// the callers.
    #[non_exhaustive]
    CallersUnrestricted {
        /// The identifier of the issuer.
        issuer: String,
    },
    /// The URL of an introspection endpoint is invalid.
    #[non_exhaustive]
    IntrospectionUrlUnusable {
        /// The identifier of the issuer.
        issuer: String,
        /// The URL, without user name, password, query and fragment.
        url: String,
        /// The fault, as the end of a sentence that starts with the URL.
        reason: &'static str,
    },
    /// Several issuers introspect the same opaque tokens.
    #[non_exhaustive]
    OpaqueTokensAmbiguous {
        /// The identifiers of the issuers that would introspect the same tokens.
        issuers: Vec<String>,
    },
    /// The list of allowed clients of an issuer is empty, so no token could ever be accepted.
    #[non_exhaustive]
    NoClient {
        /// The identifier of the issuer.
        issuer: String,
    },
    /// The leeway exceeds [`BearerAuthBuilder::MAX_LEEWAY`](crate::BearerAuthBuilder::MAX_LEEWAY).
    #[non_exhaustive]
    LeewayTooLong {
        /// The leeway.
        leeway: Duration,
    },
    /// The realm is empty or contains a character that a challenge cannot contain.
    #[non_exhaustive]
    RealmUnusable {
        /// The realm.
        realm: String,
    },
    /// The resource identifier in [`ResourceMetadata::at`](crate::resource_metadata::ResourceMetadata::at) is
    /// invalid.
    #[non_exhaustive]
    ResourceUnusable {
        /// The identifier, without user name, password, query and fragment.
        resource: String,
        /// The fault, as the end of a sentence that starts with the identifier.
        reason: &'static str,
    },
    /// Another setting of [`ResourceMetadata`](crate::resource_metadata::ResourceMetadata) is invalid.
    #[non_exhaustive]
    ResourceMetadataUnusable {
        /// The setting.
        setting: &'static str,
        /// The value; a URL without user name, password, query and fragment.
        value: String,
        /// The fault, as the end of a sentence that starts with the value.
        reason: &'static str,
    },
    /// A setting of [`Dpop`](crate::dpop::Dpop) or [`Certificates`](crate::certificates::Certificates) is
    /// unusable.
    #[non_exhaustive]
    SenderSettingUnusable {
        /// The setting.
        setting: &'static str,
        /// The value; empty if the setting has none.
        value: String,
        /// The fault, as the end of a sentence that starts with the value.
        reason: &'static str,
    },
    /// A token from this source is never accepted, because DPoP is required.
    #[non_exhaustive]
    TokenSourceWithoutProof {
        /// The source.
        source: String,
    },
    /// The FAPI 2.0 Security Profile is not met.
    #[non_exhaustive]
    Fapi2Unmet {
        /// The issuer whose settings do not meet it. `None` for a setting of the builder.
        issuer: Option<String>,
        /// The fault, as a sentence; with an issuer, as the end of one that starts with the issuer.
        reason: &'static str,
    },
    /// A setting of the builder, of a configuration file or of an environment variable is unusable.
    #[non_exhaustive]
    SettingUnusable {
        /// The setting: its path, such as `issuers[0].introspection.secret_file`, its variable or its method.
        setting: String,
        /// The fault, as the end of a sentence that starts with the setting.
        reason: String,
        /// The remedy.
        hint: String,
    },
    /// A setting that must be positive is zero.
    #[non_exhaustive]
    Zero {
        /// The setting.
        setting: &'static str,
    },
    /// Two token sources find the same token.
    #[non_exhaustive]
    TokenSourceRepeated {
        /// The second of them.
        source: String,
    },
    /// A token source is invalid.
    #[non_exhaustive]
    TokenSourceUnusable {
        /// The token source.
        source: String,
        /// The fault, as the end of a sentence that starts with the source.
        reason: String,
    },
    /// Keys must be fetched or tokens introspected, and there is no HTTP client.
    NoHttpClient,
    /// The default HTTP client cannot be built.
    #[non_exhaustive]
    HttpClientUnusable {
        /// The error of the HTTP client.
        reason: String,
    },
}

impl ConfigProblem {
    /// Whether it says that no token has the identifier of the issuer as its `iss`.
    pub(super) fn rules_out_iss(&self) -> bool {
        matches!(self, Self::IssuerOfManyTenants { .. } | Self::TenantNotAnId { .. })
    }

    fn write_fault(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoIssuer => f.write_str("no issuer is configured"),
            Self::IssuerRepeated { issuer } => write!(f, "issuer {issuer:?} was added twice"),
            Self::IssuerUnusable { issuer, reason } => write!(f, "issuer {issuer:?} {reason}"),
            Self::ProfileUnusable { profile, argument, reason, .. } => {
                write!(f, "{argument:?} in Issuer::{profile} {reason}")
            }
            Self::IssuerPatternUnusable { pattern, reason } => {
                write!(f, "the issuer pattern {pattern:?} {reason}")
            }
            Self::IssuerOfManyTenants { issuer } => {
                write!(f, "issuer {issuer:?} stands for all tenants of Entra ID, and no token has this `iss`")
            }
            Self::TenantNotAnId { issuer } => {
                write!(f, "issuer {issuer:?} does not name a tenant of Entra ID by its ID, as `iss` does")
            }
            Self::SharedMetadataUnusable { issuer, url, reason } => {
                write!(f, "the shared metadata at {url:?} of issuer {issuer:?} {reason}")
            }
            Self::EndpointHostsUnusable { issuer, host, reason } => {
                write!(f, "the entry {host:?} in endpoint_hosts of issuer {issuer:?} {reason}")
            }
            Self::EndpointHostsWithoutEffect { issuer } => {
                write!(f, "endpoint_hosts has no effect for issuer {issuer:?}, whose URLs are all configured")
            }
            Self::JwksUrlUnusable { issuer, url, reason } => {
                write!(f, "the key set URL {url:?} of issuer {issuer:?} {reason}")
            }
            Self::JwksUnusable { issuer, reason } => {
                write!(f, "the key set of issuer {issuer:?} is unusable: {reason}")
            }
            Self::NoAlgorithm { issuer } => write!(f, "issuer {issuer:?} allows no algorithm"),
            Self::DefaultAlgorithmNotAllowed { issuer, algorithm } => {
                write!(f, "issuer {issuer:?} does not allow its default_key_algorithm {algorithm}")
            }
            Self::AudienceEmpty => f.write_str("an audience is empty"),
            Self::AudienceNotAccepted { audience } => {
                write!(f, "a view requires the audience {audience:?}, and no issuer accepts it")
            }
            Self::AudienceUnusable { audience } => {
                write!(f, "the audience {audience:?} begins or ends with white space")
            }
            Self::ClaimUnusable { issuer, setting, name, reason, .. } => {
                write!(f, "{name:?} in {setting} of issuer {issuer:?} {reason}")
            }
            Self::ClaimNameEmpty { issuer, setting } => {
                write!(f, "{setting} of issuer {issuer:?} has no claim name or an empty one")
            }
            Self::NoKeysNorIntrospection { issuer } => {
                write!(f, "issuer {issuer:?} has no keys and no introspection")
            }
            Self::IntrospectionUnusable { issuer, reason, .. } => {
                write!(f, "the introspection of issuer {issuer:?} is unusable: {reason}")
            }
            Self::SettingNeedsKeys { issuer, setting } => {
                write!(f, "{setting} has no effect for issuer {issuer:?}, which has no keys")
            }
            Self::SettingNeedsFetchedKeys { issuer, setting } => {
                write!(f, "{setting} has no effect for issuer {issuer:?}, whose keys are static")
            }
            Self::CallersUnrestricted { issuer } => {
                write!(f, "issuer {issuer:?} lets any customer create tokens for any audience")
            }
            Self::IntrospectionUrlUnusable { issuer, url, reason } => {
                write!(f, "the introspection endpoint {url:?} of issuer {issuer:?} {reason}")
            }
            Self::OpaqueTokensAmbiguous { issuers } => {
                write!(f, "the issuers {issuers:?} would introspect the same opaque tokens")
            }
            Self::NoClient { issuer } => write!(f, "allowed_clients of issuer {issuer:?} is empty"),
            Self::LeewayTooLong { leeway } => write!(f, "the leeway of {leeway:?} is longer than 5 min"),
            Self::RealmUnusable { realm } => {
                write!(f, "the realm {realm:?} is empty or has characters outside printable ASCII")
            }
            Self::ResourceUnusable { resource, reason } => {
                write!(f, "the resource identifier {resource:?} {reason}")
            }
            Self::ResourceMetadataUnusable { setting, value, reason } => {
                write!(f, "{value:?} in {setting} of the resource metadata {reason}")
            }
            Self::SenderSettingUnusable { setting, value, reason } if value.is_empty() => {
                write!(f, "{setting} {reason}")
            }
            Self::SenderSettingUnusable { setting, value, reason } => {
                write!(f, "{value:?} in {setting} {reason}")
            }
            Self::TokenSourceWithoutProof { source } => {
                write!(f, "DPoP is required, so no token from the source {source} is accepted")
            }
            Self::Fapi2Unmet { issuer: Some(issuer), reason } => {
                write!(f, "FAPI 2.0: the issuer {issuer:?} {reason}")
            }
            Self::Fapi2Unmet { issuer: None, reason } => write!(f, "FAPI 2.0: {reason}"),
            Self::SettingUnusable { setting, reason, .. } => write!(f, "{setting} {reason}"),
            Self::Zero { setting } => write!(f, "{setting} is zero"),
            Self::TokenSourceRepeated { source } => {
                write!(f, "the token source {source} finds the same token as another source")
            }
            Self::TokenSourceUnusable { source, reason } => write!(f, "the token source {source} {reason}"),
            Self::NoHttpClient => {
                f.write_str("there is no HTTP client to fetch keys or to introspect tokens with")
            }
            Self::HttpClientUnusable { reason } => {
                write!(f, "the default HTTP client cannot be built: {reason}")
            }
        }
    }

    fn hint(&self) -> &str {
        match self {
            Self::NoIssuer => {
                "add .issuer(Issuer::discover(\"https://...\")) in code or [[issuers]] in the configuration file, or \
                 set allow_no_issuer if all are added later"
            }
            Self::IssuerRepeated { .. } => {
                "add it once, with all its settings; while requests are served, change it with Issuers::replace"
            }
            Self::IssuerUnusable { reason, .. }
            | Self::JwksUrlUnusable { reason, .. }
            | Self::IntrospectionUrlUnusable { reason, .. }
                if *reason == UrlFault::Insecure.as_str() =>
            {
                "use https, or Issuer::dangerous_allow_http in a test network"
            }
            Self::IssuerUnusable { .. } => {
                "write it exactly like the `iss` claim of its tokens, such as \"https://login.example.com\""
            }
            Self::IssuerPatternUnusable { .. } => {
                "write a URL with one {tenant} in it, such as https://login.example.com/{tenant}/v2.0"
            }
            Self::IssuerOfManyTenants { .. } => {
                "add an issuer for each tenant, with its tenant ID in place of `common` or `organizations`; or \
                 accept the tenants that a function of yours knows with .resolve_issuers(IssuerResolver::new(...))"
            }
            Self::TenantNotAnId { .. } => {
                "write the tenant ID in lower case, as in the `tid` of its tokens; the metadata of the tenant names \
                 it in `issuer`"
            }
            Self::SharedMetadataUnusable { .. } => {
                "use a URL such as https://login.microsoftonline.com/organizations/v2.0 for issuers such as \
                 https://login.microsoftonline.com/TENANT_ID/v2.0, or use Issuer::discover"
            }
            Self::EndpointHostsUnusable { .. } => {
                "write a host without scheme, port and path, such as \"keys.example.com\" or \"*.example.com\""
            }
            Self::EndpointHostsWithoutEffect { .. } => "remove the setting, or use Issuer::discover",
            Self::JwksUrlUnusable { .. } | Self::IntrospectionUrlUnusable { .. } => {
                "write an https URL such as https://login.example.com/jwks, without user name, password and fragment"
            }
            Self::JwksUnusable { .. } => "use the JSON of a JWK Set (RFC 7517) with public signature keys",
            Self::NoAlgorithm { .. } => "name at least one in .algorithms([...]), or remove the setting",
            Self::AudienceUnusable { .. } => "remove the white space: `aud` is compared byte for byte",
            Self::ClaimUnusable { hint, .. }
            | Self::IntrospectionUnusable { hint, .. }
            | Self::ProfileUnusable { hint, .. } => hint,
            Self::SettingUnusable { hint, .. } => hint,
            Self::DefaultAlgorithmNotAllowed { .. } => "add it to .algorithms([...]), or remove it",
            Self::AudienceEmpty => "use the name of this API in the `aud` claim of its tokens",
            Self::AudienceNotAccepted { .. } => "add it to the BearerAuth with .add_audience(\"...\")",
            Self::ClaimNameEmpty { .. } => "name the claim, or remove the setting",
            Self::NoKeysNorIntrospection { .. } => {
                "add .introspect(Introspection::with(...)), or use Issuer::discover"
            }
            Self::SettingNeedsKeys { .. } | Self::SettingNeedsFetchedKeys { .. } => {
                "remove the setting, or use Issuer::discover"
            }
            Self::CallersUnrestricted { .. } => {
                "name the caller with .require_claim_value(\"email\", ...), list several with .allowed_clients([...]), or \
                 use .validate(...)"
            }
            Self::OpaqueTokensAmbiguous { .. } => {
                "give each issuer .opaque_prefix(...), .opaque_when(...) or .opaque_none(), and use \
                 .opaque_default() for at most one"
            }
            Self::NoClient { .. } => "name the allowed clients, or remove the setting to allow all clients",
            Self::LeewayTooLong { .. } => "use at most 5 min, and synchronize the clocks",
            Self::RealmUnusable { .. } => "set another .realm(\"...\")",
            Self::ResourceUnusable { .. } => {
                "write the URL under which clients reach this API, such as \"https://api.example.com/mcp\""
            }
            Self::ResourceMetadataUnusable { .. } | Self::SenderSettingUnusable { .. } => {
                "correct the value, or remove it"
            }
            Self::TokenSourceWithoutProof { .. } => "remove the source, or accept bearer tokens beside DPoP",
            Self::Fapi2Unmet { issuer: Some(_), .. } => {
                "add .introspect(Introspection::with(...).also_jwts()), and name PS256, ES256 or EdDSA in \
                 .algorithms([...])"
            }
            Self::Fapi2Unmet { issuer: None, .. } => {
                "set .dpop(...) or .certificates(...), a leeway of at most 10 s, and no token source; or remove \
                 .fapi2()"
            }
            Self::Zero { .. } => "use a positive value, or remove the setting to use its default",
            Self::TokenSourceRepeated { .. } => "add it once",
            Self::TokenSourceUnusable { .. } => "see the documentation of TokenSource for valid names",
            Self::NoHttpClient => "enable the feature `reqwest`, or set .http_client(...)",
            Self::HttpClientUnusable { .. } => {
                "if no root certificates were loaded, install them (the package ca-certificates) or name a PEM \
                 file in the variable SSL_CERT_FILE; or set .http_client(...)"
            }
        }
    }
}

impl fmt::Display for ConfigProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_fault(f)?;
        write!(f, "; hint: {}", self.hint())
    }
}

#[cfg(test)]
#[path = "config_error_tests.rs"]
mod tests;
