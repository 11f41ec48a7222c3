//! The OAuth error of an endpoint that rejects a request (RFC 6749 section 5.2, RFC 8707 section 2, RFC 9449
//! section 5).

use bytes::Bytes;
use http::header::WWW_AUTHENTICATE;
use http::{Response, StatusCode};
use serde_json::json;

use super::response::{json, with_field};

/// The value of `error`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum OAuthError {
    /// The client is unknown, or its credentials are wrong.
    InvalidClient,
    /// The DPoP proof is invalid or was used before.
    InvalidDpopProof,
    /// The refresh token is unknown, used or revoked.
    InvalidGrant,
    /// A parameter is missing or duplicated, or the request has two kinds of client credentials.
    InvalidRequest,
    /// The scope is malformed or exceeds the granted scope.
    InvalidScope,
    /// The request names no resource or audience.
    InvalidTarget,
    /// The grant type is not supported.
    UnsupportedGrantType,
}

impl OAuthError {
    /// The response: 401 with a challenge for [`InvalidClient`](Self::InvalidClient), otherwise 400.
    pub(super) fn response(self) -> Response<Bytes> {
        let body = json!({"error": self.code()});
        if self == Self::InvalidClient {
            let response = json(StatusCode::UNAUTHORIZED, &body);
            return with_field(response, WWW_AUTHENTICATE, "Basic realm=\"test\"");
        }
        json(StatusCode::BAD_REQUEST, &body)
    }

    fn code(self) -> &'static str {
        match self {
            Self::InvalidClient => "invalid_client",
            Self::InvalidDpopProof => "invalid_dpop_proof",
            Self::InvalidGrant => "invalid_grant",
            Self::InvalidRequest => "invalid_request",
            Self::InvalidScope => "invalid_scope",
            Self::InvalidTarget => "invalid_target",
            Self::UnsupportedGrantType => "unsupported_grant_type",
        }
    }
}
