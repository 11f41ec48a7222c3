//! Settings that cannot work.

use super::*;
use crate::binding::SettingFault;
use crate::binding::dpop::replay::Replay;

fn faults(dpop: &Dpop) -> Vec<(&'static str, String, &'static str)> {
    let mut faults = Vec::new();
    assert!(dpop.build(LEEWAY, AlgorithmSet::ALL, &mut faults).is_none(), "{dpop:?}");
    faults.into_iter().map(|SettingFault { setting, value, reason }| (setting, value, reason)).collect()
}

#[test]
fn a_base_url_is_absolute_secure_and_undecorated() {
    for base in [
        "",
        "api.example.com",
        "/v2",
        "http://api.example.com",
        "wss://api.example.com",
        "https://user:secret@api.example.com",
        "https://api.example.com?a=secret",
        "https://api.example.com/v2#a",
        "https://api.example.com:",
        "https://b\u{fc}cher.example",
    ] {
        let faults = faults(&Dpop::at(base));
        let [(setting, value, _)] = &faults[..] else { panic!("{base}: {faults:?}") };
        assert_eq!(*setting, "Dpop::at", "{base}");
        assert!(!value.contains("secret"), "{base}: {value}");
    }
    for base in ["http://127.0.0.1:3000", "http://localhost:3000/v2", "http://[::1]"] {
        verifier(&Dpop::at(base));
    }
}

#[test]
fn no_base_url_is_given_twice() {
    let dpop = Dpop::at("https://api.example.com/v2").and_at("https://API.example.com:443/a/../v2/");
    let value = "https://API.example.com:443/a/../v2/".to_owned();
    assert_eq!(faults(&dpop), [("Dpop::and_at", value, "is given twice")]);
}

#[test]
fn limits_leave_room_for_a_proof() {
    let dpop = || Dpop::at(BASE);
    let secs = Duration::from_secs;
    for (dpop, setting, value) in [
        (dpop().algorithms([]), "Dpop::algorithms", "[]"),
        (dpop().max_proof_age(Duration::ZERO), "Dpop::max_proof_age", "0ns"),
        (dpop().max_proof_age(secs(301)), "Dpop::max_proof_age", "301s"),
        (dpop().max_proofs(0), "Dpop::max_proofs", "0"),
        (dpop().nonces(Nonces::required().secret([0; 31])), "Nonces::secret", "a secret of 31 bytes"),
    ] {
        let faults = faults(&dpop);
        assert!(matches!(&faults[..], [(s, v, _)] if *s == setting && v == value), "{faults:?}");
    }
    verifier(&dpop().max_proof_age(secs(300)).max_proofs(1));
}

#[test]
fn a_capacity_has_no_effect_beside_a_store() {
    struct Store;
    impl ReplayStore for Store {
        fn record(&self, _: ProofUse) -> RecordFuture {
            Box::pin(async { Ok(Recorded::First) })
        }
    }
    let dpop = Dpop::at(BASE).replay_store(Store);
    assert!(matches!(verifier(&dpop).replay(), Replay::Store(_)));
    let expected = ("Dpop::max_proofs", "7".to_owned(), "has no effect with replay_store");
    assert_eq!(faults(&dpop.max_proofs(7)), [expected]);
}

#[test]
fn every_fault_is_reported() {
    let dpop = Dpop::at("http://api.example.com").and_at("").algorithms([]).max_proofs(0);
    assert_eq!(faults(&dpop).len(), 4);
}

#[test]
fn the_defaults_accept_every_algorithm_beside_bearer_tokens() {
    let default = verifier(&Dpop::at(BASE));
    assert!(!default.is_required() && verifier(&Dpop::at(BASE).required()).is_required());
    assert_eq!(default.algs(), "RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA Ed25519");
    assert!(matches!(default.replay(), Replay::Memory(_)));
}

#[test]
fn debug_shows_no_secret() {
    let dpop =
        Dpop::at("https://user:secret@api.example.com?secret").nonces(Nonces::required().secret(*b"secret"));
    assert!(!format!("{dpop:?}").contains("secret"), "{dpop:?}");
}
