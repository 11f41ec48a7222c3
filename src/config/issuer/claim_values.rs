//! The values that a claim must have, as data.

use serde::Deserialize;

use crate::jwt::claims::RequiredValue;

/// One value, or a list of which the claim must have one.
#[derive(Clone, Deserialize)]
#[serde(untagged, expecting = "a string, an integer, a boolean, or a list of these")]
pub(in crate::config) enum ValueConfig {
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

impl From<ValueConfig> for RequiredValue {
    fn from(value: ValueConfig) -> Self {
        match value {
            ValueConfig::One(value) => value.into(),
            ValueConfig::OneOf(values) => values.into(),
        }
    }
}

impl From<Scalar> for RequiredValue {
    fn from(value: Scalar) -> Self {
        match value {
            Scalar::Text(text) => text.into(),
            Scalar::Integer(number) => number.into(),
            Scalar::Flag(flag) => flag.into(),
        }
    }
}
