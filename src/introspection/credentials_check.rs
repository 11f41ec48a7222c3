//! Checks at start whether the authorization server accepts the credentials of this API.
//!
//! Introspects a random token, which nobody has issued. Any response to it proves that the credentials are
//! accepted, and 401 proves that they are not. Where JWTs are introspected, the token has the form of one, so
//! a server that introspects no JWTs says so.
//!
//! Checks: the endpoint exists and responds, and the credentials are accepted.
//! Does not check: what the server says about the token. Any other status may be due to the token, so it
//! proves nothing.
//!
//! Why its failures count nowhere: the circuit breaker and the backoff per token are for the tokens of
//! clients. The limits on calls apply.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::json;

use super::call::Call;
use super::client::IntrospectionClient;
use super::error::{IntrospectionError, IntrospectionErrorKind};
use super::priority::{CallToken, Priority};
use crate::crypto::random_text;
use crate::jwt::compact::signing_input;
use crate::time::{NumericDate, later, now};
use crate::transport::FetchErrorKind;

/// Sends an introspection request, unless the credentials were accepted before. `as_jwt` tells whether JWTs
/// are introspected.
///
/// # Errors
/// The [`IntrospectionError`], if the configuration is wrong or the endpoint does not respond.
pub(super) async fn check_credentials(
    client: &IntrospectionClient,
    as_jwt: bool,
) -> Result<(), Arc<IntrospectionError>> {
    if client.is_accepted.load(Ordering::Relaxed) {
        return Ok(());
    }
    let Some(token) = random_text(32).and_then(|text| if as_jwt { jwt(client, &text) } else { Some(text) })
    else {
        return Ok(());
    };
    let call_token = CallToken { key: fastrand::u64(..), priority: Priority::Untrusted };
    let deadline = later(now(), client.max_wait());
    // A limit that is reached proves nothing.
    let Ok(call) = Call::acquire(client, call_token, deadline).await else { return Ok(()) };
    match call.introspect_unissued(&token).await {
        Err(failure) if failure.error.kind() == IntrospectionErrorKind::TokenTypeUnsupported && as_jwt => {
            client.report_jwts_unsupported(&failure.error);
            Err(failure.error)
        }
        Err(failure) if is_proof(failure.error.kind()) => Err(failure.error),
        Err(failure) if is_about_token(failure.error.kind()) => {
            client.is_checked.store(true, Ordering::Relaxed);
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Whether the API cannot introspect tokens now.
fn is_proof(kind: IntrospectionErrorKind) -> bool {
    use FetchErrorKind::{AddressNotAllowed, ConnectionLost, Redirected, Status, TimedOut, Transport};
    matches!(
        kind,
        IntrospectionErrorKind::ClientRejected(_)
            | IntrospectionErrorKind::CredentialsUnavailable
            | IntrospectionErrorKind::CredentialsUnusable
            | IntrospectionErrorKind::Fetch(
                Transport
                    | ConnectionLost
                    | TimedOut
                    | Redirected
                    | AddressNotAllowed
                    | Status(404 | 405 | 410)
            )
    )
}

/// Whether the server may have rejected no more than this token. A server that fails (5xx, HTML) has not.
fn is_about_token(kind: IntrospectionErrorKind) -> bool {
    use IntrospectionErrorKind::{Fetch, TokenTypeUnsupported};
    matches!(kind, TokenTypeUnsupported | Fetch(FetchErrorKind::Status(400..=499)))
}

/// A token in the form of an access token (RFC 9068), with a random signature.
fn jwt(client: &IntrospectionClient, id: &str) -> Option<String> {
    let now = NumericDate::now(&*client.clock);
    let header = json!({"alg": "ES256", "typ": "at+jwt"});
    let claims = json!({
        "iss": client.issuer(), "jti": id, "iat": now.as_secs(), "exp": now.later(LIFETIME).as_secs(),
    });
    Some(format!("{}.{}", signing_input(&header, &claims)?, random_text(64)?))
}

const LIFETIME: Duration = Duration::from_secs(60);
