//! Challenges of a `WWW-Authenticate` field, for clients and for tests: parse them, read them, write them
//! (RFC 9110 section 11.6.1).
//!
//! A resource server needs none of this: [`BearerAuth`](crate::BearerAuth) writes its challenges itself. A
//! client reads in them why its request was rejected, and what to request from the authorization server:
//!
//! ```
//! use http::Response;
//! use tower_bearer::challenge::Challenge;
//!
//! /// The scopes that a token for this request needs, if the server says so (RFC 6750 section 3.1).
//! fn scopes_needed<B>(response: &Response<B>) -> Option<String> {
//!     let challenges = Challenge::all_in(response.headers()).ok()?;
//!     let bearer = challenges.iter().find(|challenge| challenge.is_scheme("Bearer"))?;
//!     bearer.error().filter(|error| *error == "insufficient_scope")?;
//!     bearer.scope().map(str::to_owned)
//! }
//!
//! let response = Response::builder()
//!     .status(403)
//!     .header("www-authenticate", r#"Bearer realm="api", error="insufficient_scope", scope="orders:write""#)
//!     .body(())
//!     .unwrap();
//! assert_eq!(scopes_needed(&response).as_deref(), Some("orders:write"));
//! ```
//!
//! Challenges come from a server: treat their text as untrusted input.

mod parse;
#[cfg(test)]
mod tests;

use std::error::Error;
use std::fmt;
use std::time::Duration;

use http::header::WWW_AUTHENTICATE;
use http::{HeaderMap, HeaderValue};

/// One challenge: a scheme with parameters, or with a `token68`.
///
/// `Display` writes it as RFC 9110 section 11.6.1 has it, with each value as a quoted string. Parsing that
/// text gives an equal challenge.
///
/// ```
/// use http::HeaderValue;
/// use tower_bearer::challenge::Challenge;
///
/// let value = HeaderValue::from_static("Negotiate YWJj==, Bearer realm=api,error=\"invalid_token\"");
/// let [negotiate, bearer] = &Challenge::parse(&value).unwrap()[..] else { panic!() };
/// assert_eq!((negotiate.scheme(), negotiate.token68()), ("Negotiate", Some("YWJj==")));
/// assert_eq!((bearer.realm(), bearer.error()), (Some("api"), Some("invalid_token")));
/// assert_eq!(bearer.to_string(), r#"Bearer realm="api", error="invalid_token""#);
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Challenge {
    scheme: String,
    token68: Option<String>,
    params: Vec<(String, String)>,
}

/// Why a field is not a list of challenges.
///
/// ```
/// use http::HeaderValue;
/// use tower_bearer::challenge::{Challenge, ChallengeError};
///
/// let value = HeaderValue::from_static(r#"Bearer realm="api"#);
/// assert_eq!(Challenge::parse(&value), Err(ChallengeError::QuoteUnclosed));
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ChallengeError {
    /// A challenge has two parameters of the same name, ignoring case (RFC 9110 section 11.2).
    DuplicateParam,
    /// The grammar does not permit a character at its position, or the text ends early.
    Malformed,
    /// The text is not UTF-8.
    NotUtf8,
    /// A parameter precedes every scheme or follows a `token68`.
    ParamWithoutChallenge,
    /// A quoted-string has no closing quote.
    QuoteUnclosed,
}

impl Challenge {
    /// Parses all `WWW-Authenticate` lines of a response, in their order. Empty if it has no such line.
    ///
    /// ```
    /// use http::HeaderMap;
    /// use tower_bearer::challenge::Challenge;
    ///
    /// let mut headers = HeaderMap::new();
    /// headers.append("www-authenticate", "Bearer realm=\"api\"".parse()?);
    /// headers.append("www-authenticate", "Basic realm=\"api\"".parse()?);
    /// let challenges = Challenge::all_in(&headers)?;
    /// assert!(challenges[0].is_scheme("bearer") && challenges[1].is_scheme("basic"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The leftmost [`ChallengeError`].
    pub fn all_in(headers: &HeaderMap) -> Result<Vec<Self>, ChallengeError> {
        parse::lines(headers.get_all(WWW_AUTHENTICATE).iter())
    }

    /// Parses one field value: one or more challenges, separated by commas.
    ///
    /// It accepts what RFC 9110 requires recipients to tolerate: empty list elements (section 5.6.1) and
    /// white space around `=` (section 11.2). UTF-8 is accepted within quotes.
    ///
    /// ```
    /// use http::HeaderValue;
    /// use tower_bearer::challenge::{Challenge, ChallengeError};
    ///
    /// let value = HeaderValue::from_static(r#"Bearer realm="a", error="invalid_token", Basic realm="b""#);
    /// let challenges = Challenge::parse(&value)?;
    /// assert_eq!(challenges.len(), 2);
    /// assert_eq!(challenges[1].scheme(), "Basic");
    /// # Ok::<(), ChallengeError>(())
    /// ```
    ///
    /// # Errors
    /// The leftmost [`ChallengeError`].
    pub fn parse(value: &HeaderValue) -> Result<Vec<Self>, ChallengeError> {
        parse::lines([value])
    }

    /// The scheme, in its original case.
    #[must_use]
    pub fn scheme(&self) -> &str {
        &self.scheme
    }

    /// Whether the scheme is `name`, ignoring case (RFC 9110 section 11.1).
    #[must_use]
    pub fn is_scheme(&self, name: &str) -> bool {
        self.scheme.eq_ignore_ascii_case(name)
    }

    /// The protection space (RFC 9110 section 11.5).
    #[must_use]
    pub fn realm(&self) -> Option<&str> {
        self.param("realm")
    }

    /// The error code, such as `invalid_token` (RFC 6750 section 3.1). `None` if the request had no
    /// credentials.
    #[must_use]
    pub fn error(&self) -> Option<&str> {
        self.param("error")
    }

    /// The explanation for a developer (RFC 6750 section 3).
    #[must_use]
    pub fn error_description(&self) -> Option<&str> {
        self.param("error_description")
    }

    /// The required scopes, separated by spaces (RFC 6750 section 3).
    #[must_use]
    pub fn scope(&self) -> Option<&str> {
        self.param("scope")
    }

    /// The URL of the metadata of the protected resource, which names its authorization servers (RFC 9728
    /// section 5.1).
    ///
    /// ```
    /// # use http::HeaderValue;
    /// # use tower_bearer::challenge::Challenge;
    /// const METADATA: &str = "https://api.example.com/.well-known/oauth-protected-resource";
    ///
    /// let value = HeaderValue::try_from(format!(r#"Bearer resource_metadata="{METADATA}""#)).unwrap();
    /// let challenges = Challenge::parse(&value).unwrap();
    /// assert_eq!(challenges[0].resource_metadata(), Some(METADATA));
    /// ```
    #[must_use]
    pub fn resource_metadata(&self) -> Option<&str> {
        self.param("resource_metadata")
    }

    /// The authentication context classes that the resource server accepts, in order of preference (RFC 9470
    /// section 3). Empty if it names none.
    ///
    /// ```
    /// use std::time::Duration;
    /// use http::HeaderValue;
    /// use tower_bearer::challenge::Challenge;
    ///
    /// let value = HeaderValue::from_static(r#"Bearer acr_values="hardware mfa", max_age="300""#);
    /// let challenges = Challenge::parse(&value).unwrap();
    /// assert!(challenges[0].acr_values().eq(["hardware", "mfa"]));
    /// assert_eq!(challenges[0].max_age(), Some(Duration::from_secs(300)));
    /// ```
    pub fn acr_values(&self) -> impl Iterator<Item = &str> {
        self.param("acr_values").unwrap_or_default().split(' ').filter(|value| !value.is_empty())
    }

    /// The maximum time since the authentication of the user (RFC 9470 section 3). `None` also if the
    /// parameter is not a number of seconds.
    #[must_use]
    pub fn max_age(&self) -> Option<Duration> {
        let secs = self.param("max_age").filter(|secs| secs.bytes().all(|byte| byte.is_ascii_digit()))?;
        secs.parse().ok().map(Duration::from_secs)
    }

    /// The claims to request from Entra ID, in base64, for the error `insufficient_claims`.
    #[must_use]
    pub fn claims(&self) -> Option<&str> {
        self.param("claims")
    }

    /// The value of the parameter `name`, without quotes and escapes. The case of `name` does not matter.
    ///
    /// ```
    /// # use http::HeaderValue;
    /// # use tower_bearer::challenge::Challenge;
    /// let value = HeaderValue::from_static(r#"DPoP algs="ES256 EdDSA""#);
    /// let challenges = Challenge::parse(&value).unwrap();
    /// assert_eq!(challenges[0].param("algs"), Some("ES256 EdDSA"));
    /// ```
    #[must_use]
    pub fn param(&self, name: &str) -> Option<&str> {
        self.params().find(|(its_name, _)| its_name.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The names and values of all parameters, in the order of the field.
    pub fn params(&self) -> impl Iterator<Item = (&str, &str)> {
        self.params.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The `token68` of a challenge that has no parameters (RFC 9110 section 11.2).
    #[must_use]
    pub fn token68(&self) -> Option<&str> {
        self.token68.as_deref()
    }

    fn new(scheme: &str) -> Self {
        Self { scheme: scheme.to_owned(), token68: None, params: Vec::new() }
    }

    fn add(&mut self, name: &str, value: String) -> Result<(), ChallengeError> {
        if self.token68.is_some() {
            return Err(ChallengeError::ParamWithoutChallenge);
        }
        if self.param(name).is_some() {
            return Err(ChallengeError::DuplicateParam);
        }
        self.params.push((name.to_owned(), value));
        Ok(())
    }
}

impl fmt::Display for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.scheme)?;
        if let Some(token68) = &self.token68 {
            write!(f, " {token68}")?;
        }
        let mut separator = " ";
        for (name, value) in &self.params {
            // RFC 9110 section 5.6.4.
            write!(f, "{separator}{name}=\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))?;
            separator = ", ";
        }
        Ok(())
    }
}

impl fmt::Display for ChallengeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::DuplicateParam => "a challenge has a duplicate parameter",
            Self::Malformed => "the text does not match the grammar of challenges",
            Self::NotUtf8 => "the text is not UTF-8",
            Self::ParamWithoutChallenge => "a parameter belongs to no challenge",
            Self::QuoteUnclosed => "a quoted-string has no closing quote",
        })
    }
}

impl Error for ChallengeError {}
