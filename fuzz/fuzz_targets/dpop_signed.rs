//! Proofs with a good signature over any claims or any header. The input begins with `c` or `h`, which tells
//! what the rest replaces. `{ath}` and `{jwk}` stand for the good values, which differ in each process.
//!
//! A proof is accepted only if a lenient reader agrees that its members are good.
#![no_main]

use std::str;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tower_bearer::testing::{DpopKey, ManualClock, ProofBuilder, TestIssuer};
use tower_bearer::{Algorithm, Issuer};
use tower_bearer_fuzz::fixtures::{API, METHOD, NOW, PATH, now};
use tower_bearer_fuzz::proof::Target;
use tower_bearer_fuzz::{builder_for, percent_decoded};
use url::Url;

static CLIENT: LazyLock<Client> = LazyLock::new(Client::new);

fuzz_target!(|input: &[u8]| {
    let Some((first, text)) = input.split_first() else { return };
    let Ok(text) = str::from_utf8(text) else { return };
    match first {
        b'c' => CLIENT.check_claims(text),
        b'h' => CLIENT.check_header(text),
        _ => {}
    }
});

/// A DPoP client that signs anything.
struct Client {
    target: Target,
    proof: ProofBuilder,
    jwk: Value,
    ath: String,
}

impl Client {
    fn new() -> Self {
        let key = DpopKey::with_algorithm(Algorithm::Ed25519).clock(ManualClock::at(now()));
        let issuer = TestIssuer::new();
        issuer.clock().set(now());
        let token = issuer.token(API).bound_to_key(&key).sign();
        let proof = key.proof(METHOD, &format!("{API}{PATH}")).token(&token);
        let ath = URL_SAFE_NO_PAD.encode(Sha256::digest(&token));
        let trusted = Issuer::with_static_jwks(issuer.identifier(), issuer.jwks());
        let target = Target::new(builder_for(trusted), token);
        assert!(target.accepts(proof.sign().as_bytes()), "the good proof is rejected");
        Self { target, proof, jwk: key.jwk(), ath }
    }

    fn check_claims(&self, text: &str) {
        let text = text.replace("{ath}", &self.ath);
        if self.target.accepts(self.proof.sign_claims(&text).as_bytes()) {
            let claims: Value = serde_json::from_str(&text).expect("accepted claims are JSON");
            let (jti, iat) = (claims["jti"].as_str().expect("jti"), claims["iat"].as_f64().expect("iat"));
            assert!((1..=256).contains(&jti.chars().count()), "{jti}");
            // 60 s, and the leeway of 30 s on both sides.
            assert!((iat - NOW as f64).abs() <= 90.0, "{iat}");
            assert_eq!(claims["htm"], METHOD);
            assert_eq!(claims["ath"], *self.ath);
            assert!(is_target(claims["htu"].as_str().expect("htu")), "{}", claims["htu"]);
        }
    }

    fn check_header(&self, text: &str) {
        let text = text.replace("{jwk}", &self.jwk.to_string());
        if self.target.accepts(self.proof.sign_header(&text).as_bytes()) {
            let header: Value = serde_json::from_str(&text).expect("an accepted header is JSON");
            let typ = header["typ"].as_str().expect("typ").to_ascii_lowercase();
            assert_eq!(typ.strip_prefix("application/").unwrap_or(&typ), "dpop+jwt");
            assert!([json!("EdDSA"), json!("Ed25519")].contains(&header["alg"]), "{}", header["alg"]);
            for member in ["kty", "crv", "x"] {
                assert_eq!(header["jwk"][member], self.jwk[member], "{member}");
            }
            assert!(header["jwk"].get("d").is_none(), "a private key");
            assert!(header.get("crit").is_none() && header.get("b64").is_none(), "{header}");
        }
    }
}

/// Whether the URL of the request and this one are the same for another parser.
fn is_target(htu: &str) -> bool {
    let Ok(url) = Url::parse(htu) else { return false };
    let path = String::from_utf8_lossy(&percent_decoded(url.path().as_bytes())).into_owned();
    url.origin() == Url::parse(API).expect("a URL").origin() && path == PATH && url.username().is_empty()
}
