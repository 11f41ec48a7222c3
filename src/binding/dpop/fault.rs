//! Why a DPoP proof is rejected (RFC 9449 section 4.3).
//!
//! Never quotes the proof: a fault names the part and the rule that it breaks.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;

use super::replay::{ReplayFault, ReplayStoreError};
use crate::crypto::JwkFault;
use crate::jwt::header::HeaderFault;

/// Why a request with a sender-constrained token has no acceptable proof.
#[derive(Clone, Debug)]
pub(crate) enum ProofFault {
    /// The request has no proof.
    Missing,
    Malformed(Malformation),
    /// `alg` is unknown, symmetric, `none`, or not in [`Dpop::algorithms`](super::Dpop::algorithms).
    AlgorithmNotAllowed,
    /// `jwk` is another key than the one that the token is bound to.
    KeyMismatch,
    SignatureMismatch,
    /// `htm` is not the method of the request.
    MethodMismatch,
    /// `htu` is not the URL of the request.
    UrlMismatch,
    /// `ath` is not the hash of the token.
    TokenMismatch,
    Expired,
    IssuedInFuture,
    /// The proof has no nonce or one that is not valid any more. The header value is the current nonce.
    NonceRequired(HeaderValue),
    Replayed,
    /// The replay store has no room for the proof.
    TooMany {
        retry_after: Duration,
    },
    StoreUnavailable(Arc<ReplayStoreError>),
}

/// The rule of syntax that a proof breaks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Malformation {
    /// The request has more than one `DPoP` header line.
    Repeated,
    TooLong,
    NotCompactJws,
    Header,
    CriticalExtension,
    TypeMismatch,
    KeyMissing,
    Key(JwkFault),
    Claims,
    /// The claim is absent, ill-typed or out of range.
    Claim(&'static str),
}

impl From<Malformation> for ProofFault {
    fn from(malformation: Malformation) -> Self {
        Self::Malformed(malformation)
    }
}

impl From<JwkFault> for ProofFault {
    fn from(fault: JwkFault) -> Self {
        Self::Malformed(Malformation::Key(fault))
    }
}

impl From<HeaderFault> for ProofFault {
    fn from(fault: HeaderFault) -> Self {
        match fault {
            HeaderFault::AlgorithmNotAllowed => Self::AlgorithmNotAllowed,
            HeaderFault::Malformed => Malformation::Header.into(),
            HeaderFault::CriticalExtension => Malformation::CriticalExtension.into(),
            HeaderFault::TypeMismatch => Malformation::TypeMismatch.into(),
        }
    }
}

impl From<ReplayFault> for ProofFault {
    fn from(fault: ReplayFault) -> Self {
        match fault {
            ReplayFault::Replayed => Self::Replayed,
            ReplayFault::Full { retry_after } => Self::TooMany { retry_after },
            ReplayFault::Unavailable(error) => Self::StoreUnavailable(error),
        }
    }
}

impl fmt::Display for ProofFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed(malformation) => return malformation.fmt(f),
            Self::Missing => "the request has no DPoP proof",
            Self::AlgorithmNotAllowed => "alg of the proof is not allowed",
            Self::KeyMismatch => "the token is bound to another key than that of the proof",
            Self::SignatureMismatch => "the signature of the proof is invalid",
            Self::MethodMismatch => "htm is not the method of the request",
            Self::UrlMismatch => "htu is not the URL of the request",
            Self::TokenMismatch => "ath is not the hash of the token",
            Self::Expired => "the proof has expired",
            Self::IssuedInFuture => "iat is in the future",
            Self::NonceRequired(_) => "the proof has no valid nonce",
            Self::Replayed => "the proof was used before",
            Self::TooMany { .. } => "the replay store has no room for the proof",
            Self::StoreUnavailable(_) => "the replay store is unavailable",
        })
    }
}

impl Error for ProofFault {}

impl fmt::Display for Malformation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Key(fault) => return write!(f, "jwk of the proof is unusable: {fault}"),
            Self::Claim(name) => return write!(f, "{name} of the proof is missing or invalid"),
            Self::Repeated => "the request has more than one DPoP header",
            Self::TooLong => "the proof has more than 4096 bytes",
            Self::NotCompactJws => "the proof is not a compact JWS",
            Self::Header => "the header of the proof is malformed",
            Self::CriticalExtension => "the proof has crit or b64, which are not supported",
            Self::TypeMismatch => "typ of the proof is not dpop+jwt",
            Self::KeyMissing => "the proof has no jwk",
            Self::Claims => "the claims of the proof are not a JSON object without duplicate members",
        })
    }
}
