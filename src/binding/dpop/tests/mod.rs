//! A client that makes proofs, and an API that verifies them.

mod claims;
mod header;
mod settings;
mod target;
mod vectors;

use std::time::Duration;

use http::request::Parts;
use http::{HeaderValue, Method, Request};
use serde_json::{Value, json};

use super::fault::Malformation;
use super::*;
use crate::access_token::{Confirmation, Sender, Thumbprint};
use crate::crypto::tests::private_keys;
use crate::crypto::{Algorithm, AlgorithmSet, Jwk, JwkFault, SigningKey};
use crate::encoding::base64url;
use crate::time::NumericDate;

/// The time of the tests, in seconds.
const NOW: u64 = 1_700_000_000;
const TOKEN: &str = "an.access.token";
const BASE: &str = "https://api.example.com";
const LEEWAY: Duration = Duration::from_secs(30);

fn at(secs: u64) -> NumericDate {
    NumericDate::from_secs(secs).unwrap()
}

fn verifier(dpop: &Dpop) -> Verifier {
    let mut faults = Vec::new();
    let verifier = dpop.build(LEEWAY, AlgorithmSet::ALL, &mut faults);
    assert_eq!(faults, []);
    verifier.unwrap()
}

/// A client with a key.
struct Client {
    key: SigningKey,
    jwk: Value,
}

impl Client {
    fn new(algorithm: Algorithm) -> Self {
        let der = private_keys::der(private_keys::pem_for(algorithm));
        Self::with(SigningKey::from_pkcs8(algorithm, &der).unwrap())
    }

    fn with(key: SigningKey) -> Self {
        let mut jwk = key.public_jwk("");
        jwk.as_object_mut().unwrap().retain(|name, _| !["kid", "use", "alg"].contains(&&**name));
        Self { key, jwk }
    }

    fn header(&self) -> Value {
        json!({"typ": "dpop+jwt", "alg": self.key.algorithm().as_str(), "jwk": self.jwk})
    }

    fn sender(&self) -> Sender {
        bound_to(&self.jwk)
    }

    /// The proof with this header and these claims.
    fn sign(&self, header: &str, claims: &str) -> String {
        let encode = |text: &str| base64url::encode(text.as_bytes());
        let input = format!("{}.{}", encode(header), encode(claims));
        let signature = self.key.sign(input.as_bytes()).unwrap();
        format!("{input}.{}", base64url::encode(&signature))
    }

    fn proof(&self, claims: &Value) -> String {
        self.sign(&self.header().to_string(), &claims.to_string())
    }
}

/// A token that is bound to `jwk`.
fn bound_to(jwk: &Value) -> Sender {
    let jkt = Jwk::parse(jwk.to_string().as_bytes()).unwrap().thumbprint();
    sender_with(Some(jkt))
}

fn sender_with(jkt: Option<Thumbprint>) -> Sender {
    Sender::new(Confirmation { jkt, x5t_s256: None }, TOKEN)
}

/// The claims of a valid proof for [`head`].
fn claims() -> Value {
    json!({
        "jti": "-BwC3ESc6acc2lTc",
        "htm": "GET",
        "htu": "https://api.example.com/orders",
        "iat": NOW,
        "ath": &*sender_with(None).ath,
    })
}

/// The head of `GET /orders` with this proof.
fn head(proof: &str) -> Parts {
    request(Method::GET, "/orders", proof)
}

fn request(method: Method, uri: &str, proof: &str) -> Parts {
    let request = Request::builder().method(method).uri(uri).header("dpop", proof);
    request.body(()).unwrap().into_parts().0
}

fn assert_accepted(name: &str, result: Result<Verified, ProofFault>) {
    if let Err(fault) = result {
        panic!("{name}: {fault:?}");
    }
}

fn assert_rejected(name: &str, result: Result<Verified, ProofFault>, expected: &ProofFault) {
    assert_eq!(format!("{:?}", result.unwrap_err()), format!("{expected:?}"), "{name}");
}
