//! What the introspection endpoint says, and whether it makes a token good (RFC 7662 sections 2.2 and 2.3).
//!
//! Checks: the status; that the body is one JSON object without duplicate members; `active` is the boolean
//! true; `token_type` is a bearer token's; `username` is text; every claim as in a JWT (`iss`, `aud`, `exp`,
//! `nbf`, `iat`, `scope`, `sub`, `client_id`, `cnf`); for a JWT, that both are about the same token.
//! Does not check: the signature of a signed answer; see `signed`.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use serde_json::Value;

use super::fault::IntrospectionFault;
use crate::access_token::{AccessToken, ClaimText, Grant};
use crate::encoding::json;
use crate::jwt::claims::{self, ClaimFault, ClaimsPolicy, TrustedClaims};
use crate::jwt::{Claim, ConfiguredNames, UnverifiedClaims};
use crate::time::NumericDate;
use crate::transport::{FetchError, FetchErrorKind};

/// The members of an answer that are no claims of a JWT.
pub(crate) const RESPONSE_MEMBERS: [&str; 3] = ["active", "token_type", "username"];

/// The type of a signed answer (RFC 9701 section 5), without `application/`.
pub(crate) const SIGNED_TYPE: &str = "token-introspection+jwt";

/// The body of an answer with status 200.
#[derive(Debug)]
pub(super) enum Reply {
    /// JSON text.
    Plain(String),
    /// A JWT (RFC 9701 section 5).
    Signed(String),
}

/// What an answer must say.
#[derive(Clone, Debug)]
pub(crate) struct ResponsePolicy {
    /// About an opaque token, of which nothing else is known.
    pub(crate) opaque: ClaimsPolicy,
    /// About a JWT that passed every check by itself.
    pub(crate) jwt: ClaimsPolicy,
}

/// Reads an answer as far as its status goes.
///
/// # Errors
/// [`FetchErrorKind::ClientRefused`] and [`FetchErrorKind::TokenKindRefused`] where the configuration is at
/// fault, [`FetchErrorKind::Status`], [`FetchErrorKind::Unreadable`].
pub(super) fn read(response: Response<Bytes>) -> Result<Reply, FetchError> {
    let status = response.status();
    match status {
        StatusCode::OK => {}
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            return Err(FetchErrorKind::ClientRefused(status.as_u16()).into());
        }
        StatusCode::BAD_REQUEST => return Err(refused(response.body()).into()),
        _ => return Err(FetchErrorKind::Status(status.as_u16()).into()),
    }
    let signed = is_signed(response.headers());
    // Of the reader's error the part that does not hold the body.
    let text = String::from_utf8(response.into_body().into())
        .map_err(|error| FetchError::unreadable(error.utf8_error()))?;
    Ok(if signed { Reply::Signed(text) } else { Reply::Plain(text) })
}

/// Whether the answer is one JSON object in which no member stands twice.
///
/// # Errors
/// [`FetchErrorKind::Unreadable`].
pub(super) fn check_object(json: &str) -> Result<(), FetchError> {
    // Read as any value: the errors of typed reading quote the document.
    let value: Value = json::parse(json.as_bytes()).map_err(FetchError::unreadable)?;
    if value.is_object() { Ok(()) } else { Err(FetchError::unreadable("it is no JSON object")) }
}

/// How long the server asks not to be asked (RFC 9110 section 10.2.3), by an answer that came at `now`.
pub(super) fn pause(response: &Response<Bytes>, now: SystemTime) -> Option<Duration> {
    let too_many = response.status() == StatusCode::TOO_MANY_REQUESTS;
    if !too_many && response.status() != StatusCode::SERVICE_UNAVAILABLE {
        return None;
    }
    let told = response.headers().get(RETRY_AFTER).and_then(|value| retry_after(value, now));
    // 429 without a time (RFC 6585 section 4) still says "not now".
    told.or_else(|| too_many.then_some(Duration::from_secs(1)))
}

/// Judges the `token` that `json` is about; `jwt` is that token where it is a JWT.
///
/// # Errors
/// [`IntrospectionFault`], by the first check that fails.
pub(super) fn judge(
    json: String,
    token: &Arc<str>,
    jwt: Option<&AccessToken>,
    policy: &ResponsePolicy,
    now: NumericDate,
) -> Result<AccessToken, IntrospectionFault> {
    let names = &policy.opaque.names;
    let unreadable = || IntrospectionFault::of(Arc::new(FetchErrorKind::Unreadable.into()));
    let claims = UnverifiedClaims::parse(&json, names).ok_or_else(unreadable)?;
    let active = Active::of(&claims, names).ok_or(IntrospectionFault::Inactive)?;
    active.check_token_type(names)?;
    let username = active.username(names)?.map(|name| ClaimText::of(&name, &json));
    if let Some(jwt) = jwt {
        claims::check_all(&active, &policy.jwt, now)?;
        return if active.is_about(jwt) { Ok(jwt.clone()) } else { Err(IntrospectionFault::OtherToken) };
    }
    let grant = claims::check(&active, &policy.opaque, now)?;
    Ok(AccessToken::new(Grant { jwt: false, username, ..grant }, json, Some(Arc::clone(token))))
}

/// Claims that the introspection endpoint says are those of an active token. Only [`Active::of`] makes one.
pub(crate) struct Active<'c>(&'c UnverifiedClaims<'c>);

impl<'c> TrustedClaims<'c> for Active<'c> {
    fn claims(&self) -> &'c UnverifiedClaims<'c> {
        self.0
    }
}

impl<'c> Active<'c> {
    /// `None` unless `active` is the boolean true (RFC 7662 section 2.2): not a text that says so, not 1.
    pub(crate) fn of(claims: &'c UnverifiedClaims<'c>, names: &ConfiguredNames) -> Option<Self> {
        let active = claims.raw("active", names)?;
        (active.get() == "true").then_some(Self(claims))
    }

    /// That it is a bearer token (RFC 6750 section 6.1.1); older servers say `access_token`.
    ///
    /// # Errors
    /// [`ClaimFault`].
    pub(crate) fn check_token_type(&self, names: &ConfiguredNames) -> Result<(), ClaimFault> {
        let token_type: Claim<Cow<'_, str>> = self.0.configured("token_type", names);
        match claims::optional("token_type", &token_type)? {
            None => Ok(()),
            Some(told) if ["bearer", "access_token"].iter().any(|ours| told.eq_ignore_ascii_case(ours)) => {
                Ok(())
            }
            // RFC 9449 section 6.2: bound to a key that was not proven.
            Some(told) if told.eq_ignore_ascii_case("dpop") => Err(ClaimFault::SenderNotProven),
            Some(_) => Err(ClaimFault::OtherKind),
        }
    }

    /// The `username`, where there is one.
    ///
    /// # Errors
    /// [`ClaimFault`].
    pub(crate) fn username(&self, names: &ConfiguredNames) -> Result<Option<String>, ClaimFault> {
        let username: Claim<Cow<'_, str>> = self.0.configured("username", names);
        claims::optional("username", &username).map(|username| username.map(|name| name.as_ref().to_owned()))
    }

    /// Whether what it says of the token is what the token says of itself, where both say something.
    pub(crate) fn is_about(&self, jwt: &AccessToken) -> bool {
        let same = |told: &Claim<Cow<'_, str>>, own: Option<&str>| match (told.value(), own) {
            (Some(told), Some(own)) => *told == own,
            _ => true,
        };
        let ends = self.0.exp.value().is_none_or(|end| end.as_secs() == jwt.expiry().as_secs());
        same(&self.0.sub, jwt.subject()) && same(&self.0.client_id, jwt.client_id()) && ends
    }
}

fn is_signed(headers: &HeaderMap) -> bool {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media_type = content_type.and_then(|value| value.split(';').next()).unwrap_or_default().trim();
    let subtype = media_type.split_once('/').filter(|(kind, _)| kind.eq_ignore_ascii_case("application"));
    subtype.is_some_and(|(_, subtype)| subtype.eq_ignore_ascii_case(SIGNED_TYPE))
}

/// What 400 is about (RFC 6749 section 5.2, RFC 7009 section 2.2.1).
fn refused(body: &[u8]) -> FetchErrorKind {
    let body: Option<Value> = json::parse(body).ok();
    match body.as_ref().and_then(|body| body.get("error")).and_then(Value::as_str) {
        Some("invalid_client" | "unauthorized_client") => FetchErrorKind::ClientRefused(400),
        Some("unsupported_token_type") => FetchErrorKind::TokenKindRefused,
        _ => FetchErrorKind::Status(400),
    }
}

fn retry_after(value: &HeaderValue, now: SystemTime) -> Option<Duration> {
    let text = value.to_str().ok()?.trim();
    if let Ok(secs) = text.parse() {
        return Some(Duration::from_secs(secs));
    }
    let until = httpdate::parse_http_date(text).ok()?;
    Some(until.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
#[path = "response_tests.rs"]
mod tests;
