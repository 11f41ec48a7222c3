//! Parses introspection responses and checks the token that they describe (RFC 7662 sections 2.2 and 2.3).
//!
//! Checks: the status. The body is one JSON object without duplicate members. `active` is the boolean `true`.
//! `token_type` is that of a bearer token, and `username` is a string. Every claim is checked as in a JWT
//! (`iss`, `aud`, `exp`, `nbf`, `iat`, `scope`, `sub`, `client_id`, `cnf`), but a `null` counts as absent:
//! many servers write it for members that a token does not have. The response to a JWT describes the same
//! token, and may narrow its scopes and bring its expiry forward.
//! Does not check: the signature of a signed response; see `signed`.

use std::borrow::Cow;
use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Response, StatusCode};
use serde_json::Value;

use super::error::{IntrospectionError, IntrospectionErrorKind};
use super::fault::IntrospectionFault;
use super::server_error::ServerError;
use crate::access_token::{AccessToken, ClaimText, ClaimValue, Grant};
use crate::encoding::json;
use crate::jwt::claims::{self, CLIENT_CLAIMS, ClaimFault, ClaimsPolicy, TrustedClaims};
use crate::jwt::{Claim, ConfiguredNames, UnverifiedClaims};
use crate::time::NumericDate;
use crate::transport::{FetchErrorKind, retry_after};

/// The members of a response that are not claims of a JWT.
pub(crate) const RESPONSE_MEMBERS: [&str; 3] = ["active", "token_type", "username"];

/// The media type of a signed response (RFC 9701 section 5), without `application/`.
pub(crate) const SIGNED_TYPE: &str = "token-introspection+jwt";

/// The body of a response with status 200.
#[derive(Debug)]
pub(super) enum ResponseBody {
    /// The text of a JSON document, not parsed yet.
    Json(String),
    /// A JWT, not verified yet (RFC 9701 section 5).
    Signed(String),
}

/// The checks for the two kinds of tokens.
#[derive(Clone, Debug)]
pub(crate) struct ResponsePolicy {
    /// For an opaque token: the response is the only source of its claims.
    pub(crate) opaque: ClaimsPolicy,
    /// For a JWT that passed every local check.
    pub(crate) jwt: ClaimsPolicy,
    /// The claims that parsing a response must retain.
    pub(crate) names: ConfiguredNames,
    /// The lifetime of an opaque token whose response has no `exp`, from the response on. `None` if `exp` is
    /// required.
    pub(crate) lifetime_without_exp: Option<Duration>,
}

impl ResponsePolicy {
    /// Parses the response `json`, which arrived at `now`. `None` if it is no JSON object, or has duplicate
    /// members.
    ///
    /// The `exp` that an opaque token may lack is filled in. A JWT has one of its own.
    pub(crate) fn parse<'a>(
        &'a self,
        json: &'a str,
        is_about_jwt: bool,
        now: NumericDate,
    ) -> Option<UnverifiedClaims<'a>> {
        let mut claims = UnverifiedClaims::parse_response(json, &self.names)?;
        if let Some(lifetime) = self.lifetime_without_exp.filter(|_| !is_about_jwt && claims.exp.is_absent())
        {
            claims.exp = Claim::Present(now.later(lifetime));
        }
        Some(claims)
    }
}

/// Checks the status and the content type of a response, and returns its body.
///
/// # Errors
/// [`IntrospectionErrorKind::ClientRejected`] and [`IntrospectionErrorKind::TokenTypeUnsupported`] if the
/// configuration is wrong. [`IntrospectionErrorKind::Fetch`] for any other status.
/// [`IntrospectionErrorKind::ResponseUnreadable`] if the body is not UTF-8.
///
/// The source of an error is the error that the server reports. It holds nothing of `token`.
pub(super) fn parse(response: Response<Bytes>, token: &str) -> Result<ResponseBody, IntrospectionError> {
    if response.status() != StatusCode::OK {
        return Err(failure(response.status(), response.body(), token));
    }
    let signed = is_signed(response.headers());
    // Only the part of the error that does not hold the body.
    let text =
        String::from_utf8(response.into_body().into()).map_err(|error| unreadable(error.utf8_error()))?;
    Ok(if signed { ResponseBody::Signed(text) } else { ResponseBody::Json(text) })
}

/// Checks that `json` is one JSON object without duplicate members.
///
/// # Errors
/// [`IntrospectionErrorKind::ResponseUnreadable`].
pub(super) fn check_object(json: &str) -> Result<(), IntrospectionError> {
    // Parsed as an untyped value, because the errors of typed parsing quote the document.
    let value: Value = json::parse(json.as_bytes()).map_err(unreadable)?;
    if value.is_object() { Ok(()) } else { Err(unreadable("it is not a JSON object")) }
}

/// The wait that the server requests (RFC 9110 section 10.2.3). The response arrived at `now`.
pub(super) fn requested_pause(response: &Response<Bytes>, now: SystemTime) -> Option<Duration> {
    let too_many = response.status() == StatusCode::TOO_MANY_REQUESTS;
    if !too_many && response.status() != StatusCode::SERVICE_UNAVAILABLE {
        return None;
    }
    let requested = retry_after(response.headers(), now);
    // 429 requests a pause even without `Retry-After` (RFC 6585 section 4).
    requested.or_else(|| too_many.then_some(Duration::from_secs(1)))
}

/// Checks the response `json` and returns the access token. `jwt` is the same token, if it is a JWT.
///
/// # Errors
/// [`IntrospectionFault`], for the first check that fails.
pub(super) fn check(
    json: String,
    token: &Arc<str>,
    jwt: Option<&AccessToken>,
    policy: &ResponsePolicy,
    now: NumericDate,
) -> Result<AccessToken, IntrospectionFault> {
    let claims = policy.parse(&json, jwt.is_some(), now).ok_or_else(|| {
        let error = IntrospectionError::new(IntrospectionErrorKind::ResponseUnreadable);
        IntrospectionFault::from_error(Arc::new(error))
    })?;
    let active = Active::of(&claims).ok_or(IntrospectionFault::Inactive)?;
    active.check_token_type(jwt)?;
    let username = active.username()?.map(|name| Box::new(ClaimText::of(&name, &json)));
    if let Some(jwt) = jwt {
        claims::check_all(&active, &policy.jwt, now)?;
        return if active.is_about(jwt, &policy.jwt) {
            Ok(active.narrow(jwt, token, &policy.jwt)?)
        } else {
            Err(IntrospectionFault::OtherToken)
        };
    }
    let grant = claims::check(&active, &policy.opaque, now)?;
    let grant = Grant { is_jwt: false, username, ..grant };
    Ok(AccessToken::new(grant, json, token, Some(Arc::clone(token))))
}

/// The claims of an active token, as the introspection endpoint states them. Created by [`Active::of`] only.
pub(crate) struct Active<'c>(&'c UnverifiedClaims<'c>);

impl<'c> TrustedClaims<'c> for Active<'c> {
    fn claims(&self) -> &'c UnverifiedClaims<'c> {
        self.0
    }
}

impl<'c> Active<'c> {
    /// Returns `None` unless `active` is the boolean `true` (RFC 7662 section 2.2). `"true"` and `1` are not.
    pub(crate) fn of(claims: &'c UnverifiedClaims<'c>) -> Option<Self> {
        let active = claims.raw("active")?;
        (active.get() == "true").then_some(Self(claims))
    }

    /// Checks that `token_type` is absent, `Bearer` (RFC 6750 section 6.1.1), `access_token` as in older
    /// servers, or `DPoP` for a token that is bound to a key (RFC 9449 section 6.2): by the response, or by
    /// the claims of the `jwt` itself.
    ///
    /// # Errors
    /// [`ClaimFault::IllTyped`], [`ClaimFault::SenderNotProven`] for `DPoP` without a key, or
    /// [`ClaimFault::OtherKind`].
    pub(crate) fn check_token_type(&self, jwt: Option<&AccessToken>) -> Result<(), ClaimFault> {
        let mut confirmations = self.0.cnf.value().into_iter().chain(jwt.and_then(AccessToken::bound_to));
        let is_bound = confirmations.any(|confirmation| confirmation.jkt.is_some());
        let token_type: Claim<Cow<'_, str>> = self.0.configured("token_type");
        match claims::optional("token_type", &token_type)? {
            None => Ok(()),
            Some(value) if ["bearer", "access_token"].iter().any(|name| value.eq_ignore_ascii_case(name)) => {
                Ok(())
            }
            Some(value) if value.eq_ignore_ascii_case("dpop") && is_bound => Ok(()),
            // Without `jkt`, no proof can match.
            Some(value) if value.eq_ignore_ascii_case("dpop") => Err(ClaimFault::SenderNotProven),
            Some(_) => Err(ClaimFault::OtherKind),
        }
    }

    /// The `username`, if present.
    ///
    /// # Errors
    /// [`ClaimFault::IllTyped`] if it is not a string.
    pub(crate) fn username(&self) -> Result<Option<String>, ClaimFault> {
        let username: Claim<Cow<'_, str>> = self.0.configured("username");
        claims::optional("username", &username).map(|username| username.map(|name| name.as_ref().to_owned()))
    }

    /// The `jwt` with the scopes that the response has as well, if it has any, and the earlier `exp`. A JWT
    /// without `cnf` is bound to the key or certificate in the response.
    fn narrow(
        &self,
        jwt: &AccessToken,
        text: &str,
        policy: &ClaimsPolicy,
    ) -> Result<AccessToken, ClaimFault> {
        let scopes = claims::scopes(self.0, policy)?;
        let scopes = scopes.filter(|granted| jwt.scopes().iter().any(|scope| !granted.contains(scope)));
        let expires_at = self.0.exp.value().copied().filter(|exp| *exp < jwt.expiry());
        let bound_to = self.0.cnf.value().filter(|_| jwt.bound_to().is_none());
        let jwt = bound_to.map_or_else(|| jwt.clone(), |bound_to| jwt.clone().bound(bound_to.clone(), text));
        if scopes.is_none() && expires_at.is_none() {
            return Ok(jwt);
        }
        let own = jwt.scopes();
        let scopes = scopes.map_or_else(|| own.clone(), |scopes| own.intersection(&scopes));
        Ok(jwt.narrowed(scopes, expires_at.unwrap_or_else(|| jwt.expiry())))
    }

    /// Whether `sub`, `client_id`, `exp` and `cnf` are the same as in `jwt`, as far as both have them.
    ///
    /// The client ID of a JWT may have another name, one of [`CLIENT_CLAIMS`]. Any other claim that names the
    /// client, such as `sub`, is not compared.
    ///
    /// Two `exp` are the same within the leeway: servers that store the lifetime of a token apart from the
    /// JWT compute it from a clock read a moment later.
    pub(crate) fn is_about(&self, jwt: &AccessToken, policy: &ClaimsPolicy) -> bool {
        let is_same = |stated: &Claim<Cow<'_, str>>, own: Option<&str>| match (stated.value(), own) {
            (Some(stated), Some(own)) => *stated == own,
            _ => true,
        };
        let same_expiry = self.0.exp.value().is_none_or(|exp| {
            let difference = exp.since(jwt.expiry()).max(jwt.expiry().since(*exp));
            exp.as_secs() == jwt.expiry().as_secs() || difference <= policy.leeway
        });
        let same_sender =
            self.0.cnf.value().is_none_or(|stated| jwt.bound_to().is_none_or(|own| own == stated));
        is_same(&self.0.sub, jwt.subject())
            && is_same(&self.0.client_id, stated_client_id(jwt, policy))
            && same_expiry
            && same_sender
    }
}

/// The client ID in `jwt`: its client, or its `client_id` if another claim, such as `sub`, names the client.
fn stated_client_id<'t>(jwt: &'t AccessToken, policy: &ClaimsPolicy) -> Option<&'t str> {
    let is_client_id = |name: &str| CLIENT_CLAIMS.contains(&name);
    // Avoids `claim` in the usual case: the cached token would retain the parsed claims.
    if policy.client_claims.iter().all(|name| is_client_id(name)) {
        return jwt.client_id();
    }
    let source = policy.client_claims.iter().find(|name| jwt.claim(name).is_some());
    if source.is_some_and(|name| is_client_id(name)) {
        return jwt.client_id();
    }
    jwt.claim("client_id").and_then(ClaimValue::as_str)
}

fn is_signed(headers: &HeaderMap) -> bool {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media_type = content_type.and_then(|value| value.split(';').next()).unwrap_or_default().trim();
    let subtype = media_type.split_once('/').filter(|(kind, _)| kind.eq_ignore_ascii_case("application"));
    subtype.is_some_and(|(_, subtype)| subtype.eq_ignore_ascii_case(SIGNED_TYPE))
}

/// The error of a response whose status is not 200 (RFC 6749 section 5.2, RFC 7009 section 2.2.1).
fn failure(status: StatusCode, body: &[u8], token: &str) -> IntrospectionError {
    let body: Option<Value> = json::parse(body).ok();
    let code = body.as_ref().and_then(|body| body.get("error")).and_then(Value::as_str);
    let kind = match (status, code) {
        (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, _)
        | (StatusCode::BAD_REQUEST, Some("invalid_client" | "unauthorized_client")) => {
            IntrospectionErrorKind::ClientRejected(status.as_u16())
        }
        (StatusCode::BAD_REQUEST, Some("unsupported_token_type")) => {
            IntrospectionErrorKind::TokenTypeUnsupported
        }
        _ => IntrospectionErrorKind::Fetch(FetchErrorKind::Status(status.as_u16())),
    };
    match body.and_then(|body| ServerError::of(&body, token)) {
        Some(error) => IntrospectionError::with_source(kind, error),
        None => IntrospectionError::new(kind),
    }
}

fn unreadable(source: impl Into<Box<dyn Error + Send + Sync>>) -> IntrospectionError {
    IntrospectionError::with_source(IntrospectionErrorKind::ResponseUnreadable, source)
}

#[cfg(test)]
#[path = "response_tests.rs"]
mod tests;
