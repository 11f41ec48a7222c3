//! Fixed tokens that no test kit would sign (`tests/data/tokens.json`).

use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
pub(crate) struct Data {
    pub(crate) jwks: Value,
    /// With salts and hashes of all sorts.
    pub(crate) pss: Vec<PssToken>,
    /// Signed by a stranger, whose key and certificate the header brings along.
    pub(crate) forged: Vec<ForgedToken>,
    /// Encrypted to the key of the issuer.
    pub(crate) encrypted: Vec<NamedToken>,
}

#[derive(Deserialize)]
pub(crate) struct PssToken {
    pub(crate) name: String,
    pub(crate) good: bool,
    pub(crate) token: String,
}

#[derive(Deserialize)]
pub(crate) struct ForgedToken {
    pub(crate) name: String,
    pub(crate) kid: Option<String>,
    pub(crate) token: String,
}

#[derive(Deserialize)]
pub(crate) struct NamedToken {
    pub(crate) name: String,
    pub(crate) token: String,
}

impl Data {
    pub(crate) fn read() -> Self {
        serde_json::from_str(include_str!("../../data/tokens.json")).unwrap()
    }
}
