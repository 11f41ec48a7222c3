//! The parts of a DPoP proof (RFC 9449 section 4.2).
//!
//! Checks: one `DPoP` header line with one compact JWS of at most 4 KiB; `typ`, `alg`, `jwk`; neither `crit`
//! nor `b64`; claims without duplicate members.
//! Does not check: the values of the claims (see `verifier.rs`).

use std::borrow::Cow;
use std::fmt;

use http::{HeaderMap, HeaderName};
use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::fault::{Malformation, ProofFault};
use crate::crypto::{Jwk, JwkFault};
use crate::encoding::json::{MemberNames, Name, Unique};
use crate::jwt::Claim;
use crate::jwt::compact::Compact;
use crate::jwt::header::{Header, HeaderPolicy};
use crate::time::NumericDate;

/// The header field of a proof.
static DPOP: HeaderName = HeaderName::from_static("dpop");

/// The most bytes of a proof. One with an RSA key of 8192 bits has about 3500.
const MAX_PROOF_BYTES: usize = 4096;

/// The most characters of a `jti`.
const MAX_JTI_CHARS: usize = 256;

/// The proof of a request, still encoded.
///
/// # Errors
/// [`ProofFault::Missing`] and [`ProofFault::Malformed`].
pub(super) fn find(headers: &HeaderMap) -> Result<Compact<'_>, ProofFault> {
    let mut lines = headers.get_all(&DPOP).into_iter();
    let proof = lines.next().ok_or(ProofFault::Missing)?;
    if lines.next().is_some() {
        return Err(Malformation::Repeated.into());
    }
    if proof.len() > MAX_PROOF_BYTES {
        return Err(Malformation::TooLong.into());
    }
    Compact::parse(proof).map_err(|_| Malformation::NotCompactJws.into())
}

/// The header of a proof.
pub(super) struct ProofHeader<'a> {
    pub(super) jose: Header<'a>,
    jwk: Option<&'a RawValue>,
}

impl<'a> ProofHeader<'a> {
    /// Parses a decoded header.
    ///
    /// # Errors
    /// [`ProofFault::Malformed`] and [`ProofFault::AlgorithmNotAllowed`].
    pub(super) fn parse(json: &'a [u8]) -> Result<Self, ProofFault> {
        let jose = Header::parse(json)?;
        let member: KeyMember<'a> = serde_json::from_slice(json).map_err(|_| Malformation::Header)?;
        Ok(Self { jose, jwk: member.jwk })
    }

    /// Checks that `typ` is that of a proof.
    ///
    /// # Errors
    /// [`Malformation::TypeMismatch`].
    pub(super) fn check_type(&self, policy: &HeaderPolicy) -> Result<(), ProofFault> {
        Ok(policy.check_type(&self.jose)?)
    }

    /// Checks that `alg` is allowed.
    ///
    /// # Errors
    /// [`ProofFault::AlgorithmNotAllowed`].
    pub(super) fn check_algorithm(&self, policy: &HeaderPolicy) -> Result<(), ProofFault> {
        Ok(policy.check_algorithm(&self.jose)?)
    }

    /// The public key. It fits `alg`.
    ///
    /// # Errors
    /// [`Malformation::KeyMissing`] and [`Malformation::Key`].
    pub(super) fn jwk(&self) -> Result<Jwk, ProofFault> {
        let jwk = Jwk::parse(self.jwk.ok_or(Malformation::KeyMissing)?.get().as_bytes())?;
        if !jwk.algorithms().contains(self.jose.algorithm) {
            return Err(JwkFault::AlgorithmMismatch.into());
        }
        Ok(jwk)
    }
}

/// The header member that the headers of access tokens do not have.
#[derive(Deserialize)]
struct KeyMember<'a> {
    #[serde(borrow)]
    jwk: Option<&'a RawValue>,
}

type Text<'a> = Claim<Cow<'a, str>>;

/// The claims of a proof whose signature is verified.
#[derive(Default)]
pub(super) struct ProofClaims<'a> {
    htm: Text<'a>,
    htu: Text<'a>,
    ath: Text<'a>,
    jti: Text<'a>,
    nonce: Text<'a>,
    iat: Option<&'a RawValue>,
}

impl<'a> ProofClaims<'a> {
    /// Parses decoded claims.
    ///
    /// # Errors
    /// [`Malformation::Claims`] if they are not one JSON object without duplicate members.
    pub(super) fn parse(json: &'a str) -> Result<Self, Malformation> {
        serde_json::from_str(json).map_err(|_| Malformation::Claims)
    }

    pub(super) fn htm(&self) -> Result<&str, Malformation> {
        text(&self.htm, "htm")
    }

    pub(super) fn htu(&self) -> Result<&str, Malformation> {
        text(&self.htu, "htu")
    }

    pub(super) fn ath(&self) -> Result<&str, Malformation> {
        text(&self.ath, "ath")
    }

    /// The `jti`, of 1 to 256 characters.
    pub(super) fn jti(&self) -> Result<&str, Malformation> {
        let jti = text(&self.jti, "jti")?;
        let is_in_range = !jti.is_empty() && jti.chars().count() <= MAX_JTI_CHARS;
        if is_in_range { Ok(jti) } else { Err(Malformation::Claim("jti")) }
    }

    /// The `nonce`. An ill-typed one counts as absent, so that the client is sent a new one.
    pub(super) fn nonce(&self) -> Option<&str> {
        self.nonce.value().map(|nonce| &**nonce)
    }

    /// The `iat`, which must be a number. `None` for a number that is no date.
    pub(super) fn iat(&self) -> Result<Option<NumericDate>, Malformation> {
        let text = self.iat.map(RawValue::get).unwrap_or_default();
        if text.starts_with(|first: char| first.is_ascii_digit() || first == '-') {
            Ok(NumericDate::parse(text))
        } else {
            Err(Malformation::Claim("iat"))
        }
    }

    /// Reads the value of the member `name`, unless this is another claim.
    fn read<A: MapAccess<'a>>(&mut self, name: &str, map: &mut A) -> Result<bool, A::Error> {
        let claim = match name {
            "htm" => &mut self.htm,
            "htu" => &mut self.htu,
            "ath" => &mut self.ath,
            "jti" => &mut self.jti,
            "nonce" => &mut self.nonce,
            "iat" => return read_iat(&mut self.iat, map),
            _ => return Ok(false),
        };
        if !claim.is_absent() {
            return Err(duplicate());
        }
        *claim = map.next_value()?;
        Ok(true)
    }
}

/// Reads the value of `iat`.
fn read_iat<'a, A: MapAccess<'a>>(iat: &mut Option<&'a RawValue>, map: &mut A) -> Result<bool, A::Error> {
    match iat.replace(map.next_value()?) {
        None => Ok(true),
        Some(_) => Err(duplicate()),
    }
}

fn duplicate<E: Error>() -> E {
    E::custom("duplicate member")
}

fn text<'c>(claim: &'c Text<'_>, name: &'static str) -> Result<&'c str, Malformation> {
    claim.value().map(|text| &**text).ok_or(Malformation::Claim(name))
}

impl<'de> Deserialize<'de> for ProofClaims<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ClaimsVisitor)
    }
}

struct ClaimsVisitor;

impl<'de> Visitor<'de> for ClaimsVisitor {
    type Value = ProofClaims<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the claims of a DPoP proof")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        // Most proofs have no other claims, so no list of names is needed.
        let (mut claims, mut other_names) = (ProofClaims::default(), MemberNames::default());
        while let Some(name) = map.next_key::<Name<'de>>()? {
            if !claims.read(&name.0, &mut map)? {
                other_names.add(name)?;
                map.next_value::<Unique>()?;
            }
        }
        Ok(claims)
    }
}
