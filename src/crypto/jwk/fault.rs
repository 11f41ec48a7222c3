//! The reasons why a JWK is unusable.

use std::fmt;

/// Why a JWK cannot be used to verify tokens.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum JwkFault {
    /// The text is not JSON, or a member name occurs twice.
    Unreadable,
    /// The text is JSON, but not an object.
    NotAnObject,
    /// A required member is missing.
    MemberMissing,
    /// A member has the wrong JSON type.
    MemberIllTyped,
    /// A member of the key material is not base64url without padding.
    NotBase64url,
    /// `kty` is neither RSA, EC, OKP nor oct.
    KeyTypeUnknown,
    /// `kty` is `oct`: a shared secret, which a published key set must not contain.
    SymmetricKey,
    /// The JWK contains the private key.
    PrivateKey,
    /// `use` is not `sig`.
    UseNotSignature,
    /// `key_ops` does not contain `verify`.
    VerifyNotInOperations,
    /// `key_ops` contains an operation twice.
    OperationTwice,
    /// `alg` is not a signature algorithm that this crate supports.
    AlgorithmUnknown,
    /// `alg` does not fit `kty` and `crv`.
    AlgorithmMismatch,
    /// `crv` is neither P-256, P-384, P-521 nor Ed25519, or does not fit `kty`.
    CurveUnknown,
    /// A coordinate has the wrong length for its curve.
    CoordinateLength,
    /// The RSA modulus has fewer than 2048 bits.
    ModulusTooSmall,
    /// The RSA modulus has more than 8192 bits.
    ModulusTooLarge,
    /// The RSA modulus is even.
    ModulusEven,
    /// The RSA exponent is even, less than 3 or longer than 33 bits.
    ExponentUnfit,
    /// The backend rejects the key, usually because the point is not on its curve.
    MaterialInvalid,
    /// The Ed25519 point has small order, so that anybody can forge its signatures.
    SmallOrder,
    /// No algorithm that fits the key is allowed for the issuer.
    NotAllowed,
    /// `issuer` names another issuer.
    OtherIssuer,
}

impl fmt::Display for JwkFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unreadable => "not JSON, or a member name occurs twice",
            Self::NotAnObject => "not a JSON object",
            Self::MemberMissing => "a required member is missing",
            Self::MemberIllTyped => "a member has the wrong type",
            Self::NotBase64url => "a member is not base64url without padding",
            Self::KeyTypeUnknown => "kty is not supported",
            Self::SymmetricKey => "the key is symmetric",
            Self::PrivateKey => "the private key is included",
            Self::UseNotSignature => "use is not sig",
            Self::VerifyNotInOperations => "key_ops does not contain verify",
            Self::OperationTwice => "key_ops contains an operation twice",
            Self::AlgorithmUnknown => "alg is not a supported signature algorithm",
            Self::AlgorithmMismatch => "alg does not fit kty and crv",
            Self::CurveUnknown => "crv is not supported for this kty",
            Self::CoordinateLength => "a coordinate has the wrong length for the curve",
            Self::ModulusTooSmall => "the RSA modulus has fewer than 2048 bits",
            Self::ModulusTooLarge => "the RSA modulus has more than 8192 bits",
            Self::ModulusEven => "the RSA modulus is even",
            Self::ExponentUnfit => "the RSA exponent is even, less than 3 or longer than 33 bits",
            Self::MaterialInvalid => "the key is invalid (usually because the point is not on its curve)",
            Self::SmallOrder => "the Ed25519 point has small order",
            Self::NotAllowed => "no algorithm that fits the key is allowed",
            Self::OtherIssuer => "the key belongs to another issuer",
        })
    }
}
