//! Parses one public key of a key set (RFC 7517 section 4, RFC 7518 section 6, RFC 8037 section 2).
//!
//! Checks: no member name occurs twice; `kty` and `crv` are supported; the members of the key are strict
//! base64url; `use`, `key_ops` and `alg`, if present, allow verification with an algorithm that fits; the
//! private key is absent; the key material is strong enough (see `material.rs`).
//!
//! Does not check: `x5c` and the other certificate members. They are never read.
//!
//! Why: anybody may hold a private key that was published, so such a key proves nothing. A member that is
//! `null`, and an empty `key_ops`, count as absent: some serializers write them for members that are not set.

mod export;
mod fault;
mod issuer;
mod material;
mod thumbprint;

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::algorithm::{Algorithm, AlgorithmSet};
use super::backend::sha256;
use crate::encoding::{base64url, json};

pub(crate) use fault::JwkFault;
use issuer::KeyIssuer;
pub(crate) use issuer::TENANT_ID;
use material::Curve;
pub(crate) use material::KeyMaterial;
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
pub(super) use material::sec1_point;

/// A public key with its `kid` and `alg`.
#[derive(Clone, Debug)]
pub(crate) struct Jwk {
    /// `kid`, unchanged.
    pub(crate) kid: Option<Box<str>>,
    /// `alg`: the only algorithm that the key may be used with.
    pub(crate) alg: Option<Algorithm>,
    /// The key material.
    pub(crate) material: KeyMaterial,
    /// `issuer`: the only issuer whose tokens the key signs. `None` for any.
    pub(crate) issuer: Option<KeyIssuer>,
}

impl Jwk {
    /// Parses the JSON text of one JWK.
    ///
    /// # Errors
    /// The first [`JwkFault`], in this order: JSON, `kty`, private key, `use`, `key_ops`, `alg`, `kid`,
    /// `issuer`, key material.
    pub(crate) fn parse(text: &[u8]) -> Result<Self, JwkFault> {
        let members = match json::parse(text).map_err(|_| JwkFault::Unreadable)? {
            Value::Object(members) => Members::new(members),
            _ => return Err(JwkFault::NotAnObject),
        };
        let key_type = members.key_type()?;
        members.check_public(key_type)?;
        members.check_use()?;
        members.check_operations()?;
        let alg = members.algorithm()?;
        let kid = members.text("kid")?.map(Box::from);
        let issuer = members.text("issuer")?.map(KeyIssuer::new);
        let material = members.material(key_type)?;
        if alg.is_some_and(|alg| !material.algorithms().contains(alg)) {
            return Err(JwkFault::AlgorithmMismatch);
        }
        Ok(Self { kid, alg, material, issuer })
    }

    /// The same key. If it has no `alg`, it may be used with `default` only, where that fits the key.
    pub(crate) fn with_default_algorithm(self, default: Option<Algorithm>) -> Self {
        let default = default.filter(|default| self.material.algorithms().contains(*default));
        Self { alg: self.alg.or(default), ..self }
    }

    /// A digest of all that decides which tokens the key verifies: `kid`, algorithms, issuer and key
    /// material.
    ///
    /// The order of members, other members and leading zeros do not change it.
    pub(crate) fn digest(&self) -> [u8; 32] {
        let algorithms: Vec<&str> = self.algorithms().iter().map(Algorithm::as_str).collect();
        let algorithms = algorithms.join(" ");
        let (kind, first, second) = self.material.fields();
        let kid = self.kid.as_deref().unwrap_or_default();
        let issuer = self.issuer.as_ref().map(KeyIssuer::as_str).unwrap_or_default();
        let present = [u8::from(self.kid.is_some()), u8::from(self.issuer.is_some())];
        let fields: [&[u8]; 7] = [
            &present,
            kid.as_bytes(),
            algorithms.as_bytes(),
            issuer.as_bytes(),
            kind.as_bytes(),
            first,
            second,
        ];
        // With the lengths in front, no two keys have the same text.
        let lengths = fields.map(|field| u64::try_from(field.len()).unwrap_or(u64::MAX).to_be_bytes());
        let text: Vec<&[u8]> = lengths.iter().map(<[u8; 8]>::as_slice).chain(fields).collect();
        sha256(&text)
    }

    /// The algorithms that the key may be used with: its `alg`, or all algorithms that fit if `alg` is
    /// absent.
    ///
    /// `EdDSA` and `Ed25519` are two names of one algorithm, so a key with either `alg` accepts both.
    pub(crate) fn algorithms(&self) -> AlgorithmSet {
        match (self.alg, &self.material) {
            (Some(alg), KeyMaterial::Rsa { .. } | KeyMaterial::Ec { .. }) => [alg].into_iter().collect(),
            (_, material) => material.algorithms(),
        }
    }
}

#[derive(Clone, Copy)]
enum KeyType {
    Rsa,
    Ec,
    Okp,
}

/// The members of a JWK. Unknown members are ignored (RFC 7517 section 4).
struct Members(Map<String, Value>);

impl Members {
    /// Drops the members that are `null`.
    fn new(mut members: Map<String, Value>) -> Self {
        members.retain(|_, value| !value.is_null());
        Self(members)
    }

    fn key_type(&self) -> Result<KeyType, JwkFault> {
        match self.required("kty")? {
            "RSA" => Ok(KeyType::Rsa),
            "EC" => Ok(KeyType::Ec),
            "OKP" => Ok(KeyType::Okp),
            "oct" => Err(JwkFault::SymmetricKey),
            _ => Err(JwkFault::KeyTypeUnknown),
        }
    }

    fn check_public(&self, key_type: KeyType) -> Result<(), JwkFault> {
        let private: &[&str] = match key_type {
            KeyType::Rsa => &["d", "p", "q", "dp", "dq", "qi", "oth"],
            KeyType::Ec | KeyType::Okp => &["d"],
        };
        if private.iter().any(|name| self.0.contains_key(*name)) {
            return Err(JwkFault::PrivateKey);
        }
        Ok(())
    }

    fn check_use(&self) -> Result<(), JwkFault> {
        match self.text("use")? {
            None | Some("sig") => Ok(()),
            Some(_) => Err(JwkFault::UseNotSignature),
        }
    }

    fn check_operations(&self) -> Result<(), JwkFault> {
        let Some(operations) = self.0.get("key_ops") else { return Ok(()) };
        let operations = operations.as_array().ok_or(JwkFault::MemberIllTyped)?;
        if operations.is_empty() {
            return Ok(());
        }
        let mut seen = HashSet::new();
        for operation in operations {
            if !seen.insert(operation.as_str().ok_or(JwkFault::MemberIllTyped)?) {
                return Err(JwkFault::OperationTwice);
            }
        }
        if seen.contains("verify") { Ok(()) } else { Err(JwkFault::VerifyNotInOperations) }
    }

    fn algorithm(&self) -> Result<Option<Algorithm>, JwkFault> {
        let name = self.text("alg")?;
        name.map(|name| Algorithm::parse(name).ok_or(JwkFault::AlgorithmUnknown)).transpose()
    }

    fn material(&self, key_type: KeyType) -> Result<KeyMaterial, JwkFault> {
        match key_type {
            KeyType::Rsa => self.rsa(),
            KeyType::Ec => self.ec(),
            KeyType::Okp => self.ed25519(),
        }
    }

    fn rsa(&self) -> Result<KeyMaterial, JwkFault> {
        let (n, e) = (self.octets("n")?, self.octets("e")?);
        KeyMaterial::rsa(&n, &e)
    }

    fn ec(&self) -> Result<KeyMaterial, JwkFault> {
        let curve = Curve::parse(self.required("crv")?).ok_or(JwkFault::CurveUnknown)?;
        KeyMaterial::ec(curve, self.octets("x")?, self.octets("y")?)
    }

    fn ed25519(&self) -> Result<KeyMaterial, JwkFault> {
        if self.required("crv")? != "Ed25519" {
            return Err(JwkFault::CurveUnknown);
        }
        KeyMaterial::ed25519(self.octets("x")?)
    }

    fn octets(&self, name: &str) -> Result<Vec<u8>, JwkFault> {
        base64url::decode(self.required(name)?).ok_or(JwkFault::NotBase64url)
    }

    fn required(&self, name: &str) -> Result<&str, JwkFault> {
        self.text(name)?.ok_or(JwkFault::MemberMissing)
    }

    /// The string value of a member, or `None` if the member is absent.
    fn text(&self, name: &str) -> Result<Option<&str>, JwkFault> {
        let member = self.0.get(name);
        member.map(|value| value.as_str().ok_or(JwkFault::MemberIllTyped)).transpose()
    }
}
