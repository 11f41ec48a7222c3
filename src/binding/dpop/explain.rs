//! Runs every check of a proof to its end, for an explanation.
//!
//! Checks: the same as `verifier.rs`, by the same functions and in the same order.
//! Does not check: whether a store of the user has seen the proof. Records no use of it, so that the request
//! can still be sent.

use http::request::Parts;

use super::fault::{Malformation, ProofFault};
use super::proof::{self, ProofClaims, ProofHeader};
use super::replay::{ProofUse, ReplayFault};
use super::verifier::{Verifier, check_nonce, check_thumbprint, check_token_hash, parse_key, verify_with};
use crate::access_token::Sender;
use crate::bearer::DPOP;
use crate::binding::sender_check::SenderCheck;
use crate::encoding::base64url;
use crate::jwt::compact::Compact;
use crate::time::NumericDate;

const SIGNATURE: &str = "by the key in jwk";

impl Verifier {
    /// Every check of the proof of the request with this head, for the token of `sender`.
    pub(crate) fn explain(&self, head: &Parts, sender: &Sender, now: NumericDate) -> Vec<SenderCheck> {
        let lines = head.headers.get_all(&DPOP).iter().count();
        let proof = proof::find(&head.headers).and_then(|proof| {
            let claims = proof.claims().map_err(|_| Malformation::NotCompactJws)?;
            Ok((proof, claims))
        });
        let expected = "one header DPoP with a compact JWS";
        let mut checks = vec![SenderCheck::new("proof", expected, format!("headers: {lines}"), &proof)];
        if let Ok((proof, claims)) = proof {
            self.explain_signature(proof, sender, &mut checks);
            self.explain_claims(&claims, head, sender, now, &mut checks);
        }
        checks
    }

    fn explain_signature(&self, proof: Compact<'_>, sender: &Sender, checks: &mut Vec<SenderCheck>) {
        let json = proof.header().map_err(|_| ProofFault::from(Malformation::NotCompactJws));
        let header = json.as_deref().map_err(Clone::clone).and_then(ProofHeader::parse);
        checks.push(SenderCheck::new("proof header", "a JOSE header without crit and b64", "", &header));
        let Ok(header) = header else {
            checks.extend(without_key());
            return;
        };
        let (typ, algorithm) = (header.jose.typ.as_deref().unwrap_or("none"), header.jose.algorithm);
        checks.push(SenderCheck::new("proof typ", "dpop+jwt", typ, &header.check_type(&self.headers)));
        let result = header.check_algorithm(&self.headers);
        checks.push(SenderCheck::new("proof alg", self.algs(), algorithm.as_str(), &result));
        let jwk = header.jwk();
        checks.push(SenderCheck::new("proof jwk", "a public key that fits alg", "", &jwk));
        match (jwk, &sender.confirmation.jkt) {
            (Ok(jwk), Some(jkt)) => {
                let (expected, presented) = (base64url::encode(jkt), base64url::encode(&jwk.thumbprint()));
                checks.push(SenderCheck::new("jkt", expected, presented, &check_thumbprint(&jwk, jkt)));
                let verified = parse_key(&jwk, algorithm, proof).and_then(|key| verify_with(&key, proof));
                checks.push(SenderCheck::new("proof signature", SIGNATURE, "", &verified));
            }
            _ => checks.extend(without_key()),
        }
    }

    fn explain_claims(
        &self,
        json: &str,
        head: &Parts,
        sender: &Sender,
        now: NumericDate,
        checks: &mut Vec<SenderCheck>,
    ) {
        let claims = ProofClaims::parse(json).map_err(ProofFault::from);
        checks.push(SenderCheck::new("proof claims", "a JSON object without duplicate members", "", &claims));
        let Ok(claims) = claims else { return };
        self.explain_target(&claims, head, checks);
        let ath = claims.ath().map_err(ProofFault::from);
        let result = ath.clone().and_then(|ath| check_token_hash(ath, sender));
        checks.push(SenderCheck::new("ath", &*sender.ath, ath.unwrap_or("none"), &result));
        let jti = claims.jti().map_err(ProofFault::from);
        let presented = match &jti {
            Ok(jti) => format!("{} characters", jti.chars().count()),
            Err(_) => "none, or none that is valid".to_owned(),
        };
        checks.push(SenderCheck::new("proof jti", "1 to 256 characters", presented, &jti));
        let expires_at = self.explain_time(&claims, now, checks);
        let jkt = sender.confirmation.jkt.as_ref();
        let proof = jkt.zip(jti.ok()).zip(expires_at);
        let proof = proof.map(|((jkt, jti), expires_at)| ProofUse::new(jkt, jti, expires_at));
        self.explain_use(proof, now, checks);
    }

    fn explain_target(&self, claims: &ProofClaims<'_>, head: &Parts, checks: &mut Vec<SenderCheck>) {
        let target = self.targets.find(head);
        let (htm, htu) = (claims.htm().map_err(ProofFault::from), claims.htu().map_err(ProofFault::from));
        let Ok(target) = target else {
            let expected = "a target that the function of Dpop::target_from finds";
            checks.push(SenderCheck::new("htu", expected, htu.unwrap_or("none"), &target));
            return;
        };
        let result = htm.clone().and_then(|htm| target.check_method(htm));
        checks.push(SenderCheck::new("htm", target.method().as_str(), htm.unwrap_or("none"), &result));
        let result = htu.clone().and_then(|htu| target.check_url(htu));
        checks.push(SenderCheck::new("htu", target.urls(), htu.unwrap_or("none"), &result));
    }

    /// Returns when the proof expires, if it is valid now.
    fn explain_time(
        &self,
        claims: &ProofClaims<'_>,
        now: NumericDate,
        checks: &mut Vec<SenderCheck>,
    ) -> Option<NumericDate> {
        let iat = claims.iat().map_err(ProofFault::from);
        let presented = match &iat {
            Ok(Some(date)) => date.to_string(),
            Ok(None) => "not a date".to_owned(),
            Err(_) => "none, or not a number".to_owned(),
        };
        let checked = match &self.nonces {
            None => {
                let checked = self.check_time(claims, now);
                let expected = format!("{}, now {now}", self.window);
                checks.push(SenderCheck::new("proof iat", expected, presented, &checked));
                checked
            }
            Some(nonces) => {
                checks.push(SenderCheck::new("proof iat", "a number", presented, &iat));
                let nonce = claims.nonce();
                let checked = check_nonce(nonces, nonce, now);
                let presented = if nonce.is_some() { "present" } else { "none" };
                checks.push(SenderCheck::new("nonce", "one of the last three nonces", presented, &checked));
                checked
            }
        };
        checked.ok().map(|(expires_at, _)| expires_at)
    }

    /// Looks the proof up in the memory of this process. `proof` is `None` if it failed an earlier check.
    fn explain_use(&self, proof: Option<ProofUse>, now: NumericDate, checks: &mut Vec<SenderCheck>) {
        let expected = match self.replay().memory() {
            Some(_) => "a proof that was not used before",
            None => "a proof that was not used before; the store is not asked",
        };
        let Some(proof) = proof else {
            checks.push(SenderCheck::not_run("replay", expected));
            return;
        };
        let is_replayed = self.replay().memory().is_some_and(|memory| memory.is_replayed(&proof, now));
        let result = if is_replayed { Err(ProofFault::from(ReplayFault::Replayed)) } else { Ok(()) };
        checks.push(SenderCheck::new("replay", expected, "", &result));
    }
}

/// The checks that need a usable `jwk`.
fn without_key() -> [SenderCheck; 2] {
    let jkt = SenderCheck::not_run("jkt", "the key that the token is bound to");
    [jkt, SenderCheck::not_run("proof signature", SIGNATURE)]
}
