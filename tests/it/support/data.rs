//! Fixed tokens that `TestIssuer` cannot make (`tests/data/tokens.json`).

use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
pub(crate) struct Data {
    pub(crate) jwks: Value,
    /// RSASSA-PSS signatures with various hashes and salt lengths.
    pub(crate) pss: Vec<PssToken>,
    /// Signed with an untrusted key, which the header contains or points to.
    pub(crate) forged: Vec<ForgedToken>,
    /// Encrypted to the public key of the issuer.
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
