//! The values that a claim must have, as data: the rules of [`Issuer::validate`](crate::Issuer::validate)
//! that need no code.

use serde::Deserialize;

use crate::access_token::ClaimValue;
use crate::encoding::json_pointer::JsonPointer;

/// One value, or a list of which the claim must have one.
#[derive(Clone, Deserialize)]
#[serde(untagged, expecting = "a string, an integer, a boolean, or a list of these")]
pub(in crate::config) enum RequiredValue {
    One(Scalar),
    OneOf(Vec<Scalar>),
}

#[derive(Clone, Deserialize)]
#[serde(untagged)]
pub(in crate::config) enum Scalar {
    Text(String),
    Integer(i64),
    Flag(bool),
}

impl RequiredValue {
    /// Why no token could meet it, as the end of a sentence.
    pub(super) fn fault(&self, claim: &str) -> Option<&'static str> {
        if JsonPointer::parse(claim).is_none() {
            return Some("is not the name of a claim or a JSON Pointer (RFC 6901)");
        }
        matches!(self, Self::OneOf(values) if values.is_empty()).then_some("is an empty list")
    }

    pub(super) fn is_met_by(&self, claim: Option<ClaimValue<'_>>) -> bool {
        let Some(claim) = claim else { return false };
        match self {
            Self::One(value) => value.equals(claim),
            Self::OneOf(values) => values.iter().any(|value| value.equals(claim)),
        }
    }
}

impl Scalar {
    /// Whether type and value are the same. A number is no text, and a list of values is no value.
    fn equals(&self, claim: ClaimValue<'_>) -> bool {
        match self {
            Self::Text(text) => claim.as_str() == Some(text),
            Self::Integer(number) => claim.as_i64() == Some(*number),
            Self::Flag(flag) => claim.as_bool() == Some(*flag),
        }
    }
}
