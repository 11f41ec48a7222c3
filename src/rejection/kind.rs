//! The table of rejections: each kind with its label, status, error code and text (RFC 6750 section 3.1).

use std::fmt;

use http::StatusCode;

use crate::bearer::ErrorCode;

/// What kind of refusal a [`Rejection`] is. [`as_str`](Self::as_str) gives its label, which is
/// the same in logs and tests and stays the same between releases.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum RejectionKind {
    /// No credentials, or those of another scheme.
    Missing,
    /// The credentials break the grammar, stand twice, or came by two methods at once.
    MalformedRequest,
    /// The token is over the size limit.
    TokenTooLarge,
    /// The form body that may hold a token is over the size limit.
    BodyTooLarge,
    /// The token has three parts like a JWS, but is none.
    TokenMalformed,
    /// The token is no JWS (it is opaque, or encrypted), and no issuer is configured to be asked about it.
    TokenOpaque,
    /// The issuer says that the token is not active: it never was, has ended, or was revoked.
    TokenInactive,
    /// What the issuer says about the token does not fit what the token says.
    IntrospectionMismatch,
    /// The `alg` is unknown, or the issuer may not use it.
    AlgorithmNotAllowed,
    /// The header has `crit` or `b64`.
    CriticalHeaderUnsupported,
    /// The token says that it is another kind of token.
    TypeMismatch,
    /// The token looks like an ID token.
    IdTokenPresented,
    /// The token is from an issuer that is not configured.
    IssuerUnknown,
    /// The issuer has no such key, and was asked.
    KeyUnknown,
    /// No key of the issuer made this signature.
    SignatureMismatch,
    /// `exp` has passed.
    TokenExpired,
    /// `nbf` is to come.
    TokenNotYetValid,
    /// `iat` is to come.
    TokenIssuedInFuture,
    /// `aud` does not name this API.
    AudienceMismatch,
    /// A claim that must be there is not.
    ClaimMissing,
    /// A claim has the wrong type.
    ClaimIllTyped,
    /// The token is bound to its sender (`cnf`), and the sender has not proven itself.
    SenderNotProven,
    /// The token was issued longer ago than this API allows.
    TokenTooOld,
    /// The token lives longer than this API allows.
    LifetimeTooLong,
    /// The token was issued to a client that may not call this API.
    ClientNotAllowed,
    /// The claims do not fit the type that the handler asked for.
    ClaimsMismatch,
    /// The token lacks a scope.
    ScopeInsufficient,
    /// A check of the route said no.
    RequirementUnmet,
    /// The keys of the issuer are out of reach, and none usable are held.
    KeysUnavailable,
    /// The issuer could not be asked about the token, and nothing usable is remembered.
    IntrospectionUnavailable,
    /// The issuer does not answer this service about the token: its credentials or its configuration are wrong.
    IntrospectionMisconfigured,
    /// A route asks for more than a token, and no `BearerAuth` covers it.
    NotCovered,
}

/// One row of the table.
pub(crate) struct Row {
    pub(crate) label: &'static str,
    pub(crate) status: StatusCode,
    /// In the challenge; `None` also where there is no challenge.
    pub(crate) error: Option<ErrorCode>,
    pub(crate) text: &'static str,
}

const fn row(label: &'static str, status: StatusCode, error: Option<ErrorCode>, text: &'static str) -> Row {
    Row { label, status, error, text }
}

const fn invalid_request(label: &'static str, status: StatusCode, text: &'static str) -> Row {
    row(label, status, Some(ErrorCode::InvalidRequest), text)
}

const fn invalid_token(label: &'static str, text: &'static str) -> Row {
    row(label, StatusCode::UNAUTHORIZED, Some(ErrorCode::InvalidToken), text)
}

const fn insufficient_scope(label: &'static str, text: &'static str) -> Row {
    row(label, StatusCode::FORBIDDEN, Some(ErrorCode::InsufficientScope), text)
}

impl RejectionKind {
    /// Every kind.
    pub const ALL: &'static [Self] = &[
        Self::Missing,
        Self::MalformedRequest,
        Self::TokenTooLarge,
        Self::BodyTooLarge,
        Self::TokenMalformed,
        Self::TokenOpaque,
        Self::TokenInactive,
        Self::IntrospectionMismatch,
        Self::AlgorithmNotAllowed,
        Self::CriticalHeaderUnsupported,
        Self::TypeMismatch,
        Self::IdTokenPresented,
        Self::IssuerUnknown,
        Self::KeyUnknown,
        Self::SignatureMismatch,
        Self::TokenExpired,
        Self::TokenNotYetValid,
        Self::TokenIssuedInFuture,
        Self::AudienceMismatch,
        Self::ClaimMissing,
        Self::ClaimIllTyped,
        Self::SenderNotProven,
        Self::TokenTooOld,
        Self::LifetimeTooLong,
        Self::ClientNotAllowed,
        Self::ClaimsMismatch,
        Self::ScopeInsufficient,
        Self::RequirementUnmet,
        Self::KeysUnavailable,
        Self::IntrospectionUnavailable,
        Self::IntrospectionMisconfigured,
        Self::NotCovered,
    ];

    /// The label: one word of lower-case letters and underscores.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.row().label
    }

    /// The status of the answer (for gRPC, what it stands for).
    #[must_use]
    pub const fn status(self) -> StatusCode {
        self.row().status
    }

    pub(crate) const fn row(self) -> Row {
        use StatusCode as S;
        match self {
            Self::Missing => row("missing", S::UNAUTHORIZED, None, "No access token was sent"),
            Self::MalformedRequest => invalid_request(
                "malformed_request",
                S::BAD_REQUEST,
                "The credentials are malformed or repeated",
            ),
            Self::TokenTooLarge => {
                invalid_request("token_too_large", S::BAD_REQUEST, "The access token is too large")
            }
            Self::BodyTooLarge => {
                invalid_request("body_too_large", S::PAYLOAD_TOO_LARGE, "The form body is too large")
            }
            Self::TokenMalformed => invalid_token("token_malformed", "The access token is malformed"),
            Self::TokenOpaque => invalid_token("token_opaque", "The access token is not a signed JWT"),
            Self::TokenInactive => invalid_token("token_inactive", "The access token is not active"),
            Self::IntrospectionMismatch => {
                invalid_token("introspection_mismatch", "The access token is not what its issuer says it is")
            }
            Self::AlgorithmNotAllowed => invalid_token(
                "algorithm_not_allowed",
                "The access token is signed with an algorithm not allowed",
            ),
            Self::CriticalHeaderUnsupported => invalid_token(
                "critical_header_unsupported",
                "The access token needs an extension that is not supported",
            ),
            Self::TypeMismatch => invalid_token("type_mismatch", "The token is not an access token"),
            Self::IdTokenPresented => invalid_token("id_token_presented", "The token is an ID token"),
            Self::IssuerUnknown => {
                invalid_token("issuer_unknown", "The issuer of the access token is not trusted")
            }
            Self::KeyUnknown => {
                invalid_token("key_unknown", "The access token is signed with an unknown key")
            }
            Self::SignatureMismatch => {
                invalid_token("signature_mismatch", "The signature of the access token does not hold")
            }
            Self::TokenExpired => invalid_token("token_expired", "The access token expired"),
            Self::TokenNotYetValid => {
                invalid_token("token_not_yet_valid", "The access token is not yet valid")
            }
            Self::TokenIssuedInFuture => {
                invalid_token("token_issued_in_future", "The access token was issued in the future")
            }
            Self::AudienceMismatch => {
                invalid_token("audience_mismatch", "The access token is for another audience")
            }
            Self::ClaimMissing => invalid_token("claim_missing", "The access token lacks a required claim"),
            Self::ClaimIllTyped => {
                invalid_token("claim_ill_typed", "A claim of the access token has the wrong type")
            }
            Self::SenderNotProven => invalid_token(
                "sender_not_proven",
                "The access token is bound to a sender that was not proven",
            ),
            Self::TokenTooOld => invalid_token("token_too_old", "The access token was issued too long ago"),
            Self::LifetimeTooLong => invalid_token("lifetime_too_long", "The access token lives too long"),
            Self::ClientNotAllowed => {
                invalid_token("client_not_allowed", "The client of the access token is not allowed")
            }
            Self::ClaimsMismatch => {
                invalid_token("claims_mismatch", "The claims of the access token are not as expected")
            }
            Self::ScopeInsufficient => {
                insufficient_scope("scope_insufficient", "The access token lacks a scope that is needed")
            }
            Self::RequirementUnmet => {
                insufficient_scope("requirement_unmet", "The access token does not allow this request")
            }
            Self::KeysUnavailable => row(
                "keys_unavailable",
                S::SERVICE_UNAVAILABLE,
                None,
                "The access token cannot be checked at the moment",
            ),
            Self::IntrospectionUnavailable => row(
                "introspection_unavailable",
                S::SERVICE_UNAVAILABLE,
                None,
                "The access token cannot be looked up at the moment",
            ),
            Self::IntrospectionMisconfigured => row(
                "introspection_misconfigured",
                S::INTERNAL_SERVER_ERROR,
                None,
                "The access token cannot be checked as configured",
            ),
            Self::NotCovered => {
                row("not_covered", S::INTERNAL_SERVER_ERROR, None, "The route is not protected as configured")
            }
        }
    }
}

impl fmt::Display for RejectionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_words_of_their_own_and_texts_fit_a_challenge() {
        let mut labels: Vec<_> = RejectionKind::ALL.iter().map(|kind| kind.as_str()).collect();
        labels.sort_unstable();
        labels.dedup();
        assert_eq!(labels.len(), RejectionKind::ALL.len());
        for kind in RejectionKind::ALL.iter().copied() {
            let row = kind.row();
            assert!(row.label.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{kind}");
            assert!(row.text.bytes().all(|b| matches!(b, b' '..=b'~') && b != b'"' && b != b'\\'), "{kind}");
            let challenged = matches!(row.status.as_u16(), 400 | 401 | 403 | 413);
            assert_eq!(row.error.is_some(), challenged && kind != RejectionKind::Missing, "{kind}");
        }
    }
}
