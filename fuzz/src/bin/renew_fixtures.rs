//! Writes the fixtures and the seeds, with new keys.

// Defines the symbols of the coverage counters, if it is built with them.
use libfuzzer_sys as _;

use std::error::Error;
use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};
use tower_bearer::Algorithm;
use tower_bearer::testing::{DpopKey, TestIssuer};
use tower_bearer_fuzz::certificate::{byte_sequence, escaped_pem};
use tower_bearer_fuzz::fixtures::{API, CERTIFICATE, ISSUER, METHOD, PATH, now};

fn main() -> Result<(), Box<dyn Error>> {
    let issuer = TestIssuer::new();
    issuer.rotate_key_to(Algorithm::EdDSA);
    issuer.clock().set(now());
    let key = DpopKey::with_algorithm(Algorithm::Ed25519).clock(issuer.clock());
    let certificate = STANDARD.decode(CERTIFICATE)?;
    let hash: String = Sha256::digest(&certificate).iter().map(|octet| format!("{octet:02x}")).collect();
    let token = || issuer.token(API).claim("iss", ISSUER);
    let (bearer, bound) = (token().sign(), token().bound_to_key(&key).sign());
    let certificate_bound = token().bound_to_certificate(&certificate).sign();
    let proof = key.proof(METHOD, &format!("{API}{PATH}")).token(&bound).sign();

    write("fixtures/jwks.json", &issuer.jwks())?;
    write("fixtures/bearer.jwt", &bearer)?;
    write("fixtures/key-bound.jwt", &bound)?;
    write("fixtures/certificate-bound.jwt", &certificate_bound)?;
    write("fixtures/proof.jwt", &proof)?;
    write("fixtures/certificate.sha256", &hash)?;

    write("seeds/dpop_proof/good", &proof)?;
    write("seeds/dpop_proof/two_lines", &format!("{proof}\n{proof}"))?;
    let htu = format!("{API}{PATH}");
    let (claims, header) =
        (r#"c{"jti":"a","htm":"GET","iat":1767225600,"ath":"{ath}","htu":""#, r#"h{"typ":"#);
    write("seeds/dpop_signed/claims", &format!(r#"{claims}{htu}"}}"#))?;
    write("seeds/dpop_signed/url", &format!(r#"{claims}HTTPS://API.example.com:443/a/../%6frders?b#c"}}"#))?;
    write("seeds/dpop_signed/nonce", &format!(r#"{claims}{htu}","nonce":"a","x":[{{"y":1.5e3}}]}}"#))?;
    write("seeds/dpop_signed/header", &format!(r#"{header}"dpop+jwt","alg":"Ed25519","jwk":{{jwk}}}}"#))?;
    write("seeds/client_cert_header/good", &byte_sequence())?;
    write("seeds/der_header/good", CERTIFICATE)?;
    write("seeds/pem_header/good", &escaped_pem())?;
    write(
        "seeds/xfcc_header/hash",
        &format!("By=spiffe://a;Hash={hash};Subject=\"CN=a,O=\\\"b\\\"\";URI=spiffe://c"),
    )?;
    write("seeds/xfcc_header/cert", &format!("Hash={hash};Cert=\"{}\"", escaped_pem()))?;
    write("seeds/request/bearer", &format!("-GET {PATH}\nauthorization: Bearer {bearer}\nhost: a"))?;
    write("seeds/request/key", &format!("-GET {PATH}\nauthorization: DPoP {bound}\ndpop: {proof}"))?;
    let by_certificate =
        format!("authorization: Bearer {certificate_bound}\nclient-cert: {}", byte_sequence());
    write("seeds/request/certificate", &format!("+POST /\n{by_certificate}"))?;
    Ok(())
}

/// Writes a file below the folder of this workspace.
fn write(path: &str, text: &str) -> Result<(), Box<dyn Error>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::create_dir_all(path.parent().ok_or("no folder")?)?;
    Ok(fs::write(path, text)?)
}
