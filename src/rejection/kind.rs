//! The table of rejections: each kind with its label, status, error code and text (RFC 6750 section 3.1, RFC
//! 9449 section 7.1).

use std::fmt;

use http::StatusCode;

use crate::bearer::ErrorCode;
use crate::event::Severity;

/// The reason of a [`Rejection`](super::Rejection). Its label ([`as_str`](Self::as_str)) is the same in logs,
/// metrics and tests, and stays the same between releases.
///
/// ```
/// use tower_bearer::RejectionKind;
///
/// assert_eq!(RejectionKind::TokenExpired.as_str(), "token_expired");
/// assert_eq!(RejectionKind::TokenExpired.status(), 401);
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum RejectionKind {
    /// The request has no credentials, or only those of another scheme.
    Missing,
    /// The credentials violate the grammar, appear twice, or use two methods at once.
    MalformedRequest,
    /// The token exceeds the size limit.
    TokenTooLarge,
    /// The form body that may hold a token exceeds the size limit.
    BodyTooLarge,
    /// The token is a damaged JWT with three parts.
    TokenMalformed,
    /// The token is not a JWS: it is opaque, encrypted, or a JWT without three parts. No issuer introspects
    /// it.
    TokenOpaque,
    /// Introspection says that the token is not active: it never was, has expired, or was revoked.
    TokenInactive,
    /// The token is in the [`Revocations`](crate::revocation::Revocations) of this API.
    TokenRevoked,
    /// The introspection response contradicts the claims of the token.
    IntrospectionMismatch,
    /// The `alg` is unknown, or not allowed for the issuer.
    AlgorithmNotAllowed,
    /// The header has `crit` or `b64`.
    CriticalHeaderUnsupported,
    /// The token says that it is another kind of token.
    TypeMismatch,
    /// The token looks like an ID token.
    IdTokenPresented,
    /// No issuer with this `iss` is configured.
    IssuerUnknown,
    /// The issuer does not publish the key that the token names.
    KeyUnknown,
    /// No key of the issuer verifies the signature.
    SignatureMismatch,
    /// `exp` has passed.
    TokenExpired,
    /// `nbf` is in the future.
    TokenNotYetValid,
    /// `iat` is in the future.
    TokenIssuedInFuture,
    /// `aud` does not name this API.
    AudienceMismatch,
    /// A required claim is missing.
    ClaimMissing,
    /// A claim has the wrong type.
    ClaimIllTyped,
    /// The token is sender-constrained (`cnf`), and the request has no proof of possession: it presents the
    /// token under the scheme Bearer, or this API accepts no proof of this kind.
    SenderNotProven,
    /// The token is not bound to a key, and the request presents it under the scheme DPoP. Or it is not bound
    /// at all, and this API or the route requires a sender-constrained token.
    TokenNotBound,
    /// The request presents its token under the scheme DPoP without a proof.
    ProofMissing,
    /// The DPoP proof is malformed, sent twice or too large, or lacks a claim.
    ProofMalformed,
    /// The DPoP proof is signed with an algorithm that is not allowed.
    ProofAlgorithmNotAllowed,
    /// The DPoP proof is signed with another key than the one that the token is bound to.
    ProofKeyMismatch,
    /// The signature of the DPoP proof is invalid.
    ProofSignatureMismatch,
    /// The DPoP proof is for another method (`htm`).
    ProofMethodMismatch,
    /// The DPoP proof is for another URL (`htu`).
    ProofUrlMismatch,
    /// The DPoP proof is for another token (`ath`).
    ProofTokenMismatch,
    /// The DPoP proof is too old (`iat`).
    ProofExpired,
    /// The DPoP proof was made in the future (`iat`).
    ProofIssuedInFuture,
    /// The DPoP proof lacks a nonce of this API, or has one that expired. The response has a new one.
    ProofNonceRequired,
    /// The DPoP proof was used before.
    ProofReplayed,
    /// The replay store has no room for another DPoP proof, or for another one of this key.
    ProofsTooMany,
    /// The replay store for DPoP proofs is unavailable.
    ReplayStoreUnavailable,
    /// The token is bound to a client certificate, and the request came without one.
    CertificateMissing,
    /// The token is bound to another client certificate than the one of the request.
    CertificateMismatch,
    /// The header in which a proxy sends the client certificate is malformed or ambiguous.
    CertificateHeaderMalformed,
    /// The address of the peer is unknown, so the sender of a certificate header cannot be trusted.
    PeerAddressUnknown,
    /// The token was issued longer ago than this API allows.
    TokenTooOld,
    /// The lifetime of the token exceeds the limit of this API.
    LifetimeTooLong,
    /// The token was issued to a client that is not allowed.
    ClientNotAllowed,
    /// A claim does not have the value that the issuer requires
    /// ([`Issuer::require_claim_value`](crate::Issuer::require_claim_value)), or a validator rejects the
    /// claims ([`Issuer::validate`](crate::Issuer::validate)).
    ClaimsRejected,
    /// The claims do not fit the type that the handler expects.
    ClaimsMismatch,
    /// The user was authenticated too weakly or too long ago for the route (RFC 9470).
    AuthenticationInsufficient,
    /// The token lacks a Conditional Access authentication context of Entra ID
    /// ([`Require::entra_auth_context`](crate::Require::entra_auth_context)).
    AuthContextMissing,
    /// The token lacks a scope.
    ScopeInsufficient,
    /// A role or an authorization detail is missing, or a check of the route failed.
    RequirementUnmet,
    /// The keys of the issuer are unavailable, and none are cached that may be used.
    KeysUnavailable,
    /// The key of the token is not cached, and the rate limit for key fetches is used up. The key may exist.
    KeyUnconfirmed,
    /// Introspection is unavailable, and no response is cached that may be used.
    IntrospectionUnavailable,
    /// Introspection cannot work as configured: the authorization server rejects this client or this type of
    /// token, no endpoint is known, or the issuer has no [`introspect`](crate::Issuer::introspect).
    IntrospectionMisconfigured,
    /// The route needs a token, and no `BearerAuth` covers it.
    NotCovered,
}

/// One row of the table.
pub(crate) struct Row {
    pub(crate) label: &'static str,
    pub(crate) status: StatusCode,
    /// The `error` of the challenge. `None` also if there is no challenge.
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

const fn invalid_proof(label: &'static str, text: &'static str) -> Row {
    row(label, StatusCode::UNAUTHORIZED, Some(ErrorCode::InvalidDpopProof), text)
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
        Self::TokenRevoked,
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
        Self::TokenNotBound,
        Self::ProofMissing,
        Self::ProofMalformed,
        Self::ProofAlgorithmNotAllowed,
        Self::ProofKeyMismatch,
        Self::ProofSignatureMismatch,
        Self::ProofMethodMismatch,
        Self::ProofUrlMismatch,
        Self::ProofTokenMismatch,
        Self::ProofExpired,
        Self::ProofIssuedInFuture,
        Self::ProofNonceRequired,
        Self::ProofReplayed,
        Self::ProofsTooMany,
        Self::ReplayStoreUnavailable,
        Self::CertificateMissing,
        Self::CertificateMismatch,
        Self::CertificateHeaderMalformed,
        Self::PeerAddressUnknown,
        Self::TokenTooOld,
        Self::LifetimeTooLong,
        Self::ClientNotAllowed,
        Self::ClaimsRejected,
        Self::ClaimsMismatch,
        Self::AuthenticationInsufficient,
        Self::AuthContextMissing,
        Self::ScopeInsufficient,
        Self::RequirementUnmet,
        Self::KeysUnavailable,
        Self::KeyUnconfirmed,
        Self::IntrospectionUnavailable,
        Self::IntrospectionMisconfigured,
        Self::NotCovered,
    ];

    /// The label: one word of lower-case letters and underscores.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.row().label
    }

    /// The status of the response. A gRPC response has the corresponding `grpc-status`.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        self.row().status
    }

    /// The level of its event.
    pub(crate) fn severity(self) -> Severity {
        match self {
            // Each client without a nonce causes one, and then goes on with it.
            Self::Missing | Self::ProofNonceRequired => Severity::Routine,
            Self::KeysUnavailable
            | Self::IntrospectionUnavailable
            | Self::ProofsTooMany
            | Self::ReplayStoreUnavailable => Severity::Outage,
            Self::NotCovered | Self::IntrospectionMisconfigured | Self::PeerAddressUnknown => Severity::Fault,
            _ => Severity::Client,
        }
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
            Self::TokenRevoked => invalid_token("token_revoked", "The access token was revoked"),
            Self::IntrospectionMismatch => invalid_token(
                "introspection_mismatch",
                "The access token does not match its introspection response",
            ),
            Self::AlgorithmNotAllowed => invalid_token(
                "algorithm_not_allowed",
                "The signature algorithm of the access token is not allowed",
            ),
            Self::CriticalHeaderUnsupported => invalid_token(
                "critical_header_unsupported",
                "The access token uses an unsupported header extension",
            ),
            Self::TypeMismatch => invalid_token("type_mismatch", "The token is not an access token"),
            Self::IdTokenPresented => invalid_token("id_token_presented", "The token is an ID token"),
            Self::IssuerUnknown => {
                invalid_token("issuer_unknown", "The issuer of the access token is not trusted")
            }
            Self::KeyUnknown => {
                invalid_token("key_unknown", "The signing key of the access token is unknown")
            }
            Self::SignatureMismatch => {
                invalid_token("signature_mismatch", "The access token signature is invalid")
            }
            Self::TokenExpired => invalid_token("token_expired", "The access token expired"),
            Self::TokenNotYetValid => {
                invalid_token("token_not_yet_valid", "The access token is not yet valid")
            }
            Self::TokenIssuedInFuture => {
                invalid_token("token_issued_in_future", "The access token was issued in the future")
            }
            Self::AudienceMismatch => {
                invalid_token("audience_mismatch", "The access token is intended for another audience")
            }
            Self::ClaimMissing => invalid_token("claim_missing", "The access token lacks a required claim"),
            Self::ClaimIllTyped => {
                invalid_token("claim_ill_typed", "A claim of the access token has the wrong type")
            }
            Self::SenderNotProven => invalid_token(
                "sender_not_proven",
                "The access token is sender-constrained and its proof of possession is missing",
            ),
            Self::TokenNotBound => {
                invalid_token("token_not_bound", "The access token is not bound as this request requires")
            }
            Self::ProofMissing => invalid_proof("proof_missing", "The request has no DPoP proof"),
            Self::ProofMalformed => invalid_proof("proof_malformed", "The DPoP proof is malformed"),
            Self::ProofAlgorithmNotAllowed => invalid_proof(
                "proof_algorithm_not_allowed",
                "The signature algorithm of the DPoP proof is not allowed",
            ),
            Self::ProofKeyMismatch => invalid_token(
                "proof_key_mismatch",
                "The access token is bound to another key than that of the DPoP proof",
            ),
            Self::ProofSignatureMismatch => {
                invalid_proof("proof_signature_mismatch", "The DPoP proof signature is invalid")
            }
            Self::ProofMethodMismatch => {
                invalid_proof("proof_method_mismatch", "The DPoP proof is for another method")
            }
            Self::ProofUrlMismatch => {
                invalid_proof("proof_url_mismatch", "The DPoP proof is for another URL")
            }
            Self::ProofTokenMismatch => {
                invalid_proof("proof_token_mismatch", "The DPoP proof is for another access token")
            }
            Self::ProofExpired => invalid_proof("proof_expired", "The DPoP proof is too old"),
            Self::ProofIssuedInFuture => {
                invalid_proof("proof_issued_in_future", "The DPoP proof was issued in the future")
            }
            Self::ProofNonceRequired => row(
                "proof_nonce_required",
                S::UNAUTHORIZED,
                Some(ErrorCode::UseDpopNonce),
                "The DPoP proof requires a nonce of this API",
            ),
            Self::ProofReplayed => invalid_proof("proof_replayed", "The DPoP proof was used before"),
            Self::ProofsTooMany => row(
                "proofs_too_many",
                S::SERVICE_UNAVAILABLE,
                None,
                "The server cannot check more DPoP proofs at the moment",
            ),
            Self::ReplayStoreUnavailable => row(
                "replay_store_unavailable",
                S::SERVICE_UNAVAILABLE,
                None,
                "The DPoP proof cannot be checked at the moment",
            ),
            Self::CertificateMissing => invalid_token(
                "certificate_missing",
                "The access token is bound to a client certificate and none was presented",
            ),
            Self::CertificateMismatch => invalid_token(
                "certificate_mismatch",
                "The access token is bound to another client certificate",
            ),
            Self::CertificateHeaderMalformed => invalid_request(
                "certificate_header_malformed",
                S::BAD_REQUEST,
                "The client certificate header is malformed",
            ),
            Self::PeerAddressUnknown => row(
                "peer_address_unknown",
                S::INTERNAL_SERVER_ERROR,
                None,
                "The server cannot check client certificates as configured",
            ),
            Self::TokenTooOld => invalid_token("token_too_old", "The access token was issued too long ago"),
            Self::LifetimeTooLong => {
                invalid_token("lifetime_too_long", "The access token lifetime exceeds the limit")
            }
            Self::ClientNotAllowed => {
                invalid_token("client_not_allowed", "The client of the access token is not allowed")
            }
            Self::ClaimsRejected => {
                invalid_token("claims_rejected", "This API rejects the claims of the access token")
            }
            Self::ClaimsMismatch => {
                invalid_token("claims_mismatch", "The access token claims have an unexpected form")
            }
            Self::AuthenticationInsufficient => row(
                "authentication_insufficient",
                S::UNAUTHORIZED,
                Some(ErrorCode::InsufficientUserAuthentication),
                "A stronger or more recent user authentication is required",
            ),
            Self::AuthContextMissing => row(
                "auth_context_missing",
                S::UNAUTHORIZED,
                Some(ErrorCode::InsufficientClaims),
                "The access token lacks a required authentication context",
            ),
            Self::ScopeInsufficient => {
                insufficient_scope("scope_insufficient", "The access token lacks a required scope")
            }
            Self::RequirementUnmet => {
                insufficient_scope("requirement_unmet", "The access token does not allow this request")
            }
            Self::KeysUnavailable => row(
                "keys_unavailable",
                S::SERVICE_UNAVAILABLE,
                None,
                "The access token cannot be verified at the moment",
            ),
            Self::KeyUnconfirmed => row(
                "key_unconfirmed",
                S::SERVICE_UNAVAILABLE,
                None,
                "The signing key of the access token cannot be looked up at the moment",
            ),
            Self::IntrospectionUnavailable => row(
                "introspection_unavailable",
                S::SERVICE_UNAVAILABLE,
                None,
                "The access token cannot be introspected at the moment",
            ),
            Self::IntrospectionMisconfigured => row(
                "introspection_misconfigured",
                S::INTERNAL_SERVER_ERROR,
                None,
                "The server cannot validate access tokens as configured",
            ),
            Self::NotCovered => row(
                "not_covered",
                S::INTERNAL_SERVER_ERROR,
                None,
                "The route is not covered by an authentication layer",
            ),
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
