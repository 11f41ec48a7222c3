//! Why an endpoint for clients refuses a request (RFC 6749 section 5.2, RFC 8707 section 2).

use bytes::Bytes;
use http::header::WWW_AUTHENTICATE;
use http::{Response, StatusCode};
use serde_json::json;

use super::response::{json, with_field};

/// An error, by its code.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Refusal {
    /// The client is not known, or did not prove that it is the one it says.
    InvalidClient,
    /// The refresh token is not known, was used before, or was revoked.
    InvalidGrant,
    /// A parameter is missing or stands twice, or the client authenticates in two ways.
    InvalidRequest,
    /// A scope is malformed, or more than was granted.
    InvalidScope,
    /// The request does not say what the token is for.
    InvalidTarget,
    /// The grant type is not known here.
    UnsupportedGrantType,
}

impl Refusal {
    /// The response: 400, but 401 with a challenge for a client that is not known.
    pub(super) fn response(self) -> Response<Bytes> {
        let body = json!({"error": self.code()});
        if self == Self::InvalidClient {
            return with_field(
                json(StatusCode::UNAUTHORIZED, &body),
                WWW_AUTHENTICATE,
                "Basic realm=\"test\"",
            );
        }
        json(StatusCode::BAD_REQUEST, &body)
    }

    fn code(self) -> &'static str {
        match self {
            Self::InvalidClient => "invalid_client",
            Self::InvalidGrant => "invalid_grant",
            Self::InvalidRequest => "invalid_request",
            Self::InvalidScope => "invalid_scope",
            Self::InvalidTarget => "invalid_target",
            Self::UnsupportedGrantType => "unsupported_grant_type",
        }
    }
}
