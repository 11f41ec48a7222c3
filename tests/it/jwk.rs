//! One key of a set: which are used, for what, and which are passed over (RFC 7517, RFC 7518, RFC 8037).

use std::time::Duration;

use serde_json::{Value, json};
use tower_bearer::Algorithm::{self, ES256, ES384, ES512, EdDSA, PS256, RS256};
use tower_bearer::testing::{Endpoint, Fault, TestIssuer};
use tower_bearer::{BearerAuth, BearerAuthBuilder};

use crate::support::events::Log;
use crate::support::keys::{clock, decode, encode, hmac_token, jwk, odd_key, token, with};
use crate::support::protected::{API, LOGIN, Protected};

/// A configuration for an issuer that publishes this document.
fn publishing(document: String) -> BearerAuthBuilder {
    let idp = TestIssuer::in_memory(LOGIN);
    idp.set_jwks(Some(document));
    BearerAuth::builder(API).issuer(idp.issuer()).http_client(idp.http_client()).clock(clock())
}

fn protected_by_document(document: String) -> Protected {
    Protected::by(&publishing(document).build().unwrap())
}

/// A service for tokens of an issuer with these keys.
fn protected_by(keys: &[Value]) -> Protected {
    protected_by_document(json!({ "keys": keys }).to_string())
}

/// The key for `algorithm` under another `kid`.
fn named(algorithm: Algorithm, kid: &str) -> Value {
    with(jwk(algorithm), "kid", kid)
}

/// A good token that names that `kid`.
fn naming(algorithm: Algorithm, kid: &str) -> String {
    token(algorithm).header("kid", kid).sign()
}

/// The first `len` octets of a member.
fn cut(key: Value, name: &str, len: usize) -> Value {
    let octets = decode(key[name].as_str().unwrap());
    with(key, name, encode(&octets[..len]))
}

/// A member with a zero octet in front.
fn padded(key: Value, name: &str) -> Value {
    let octets = decode(key[name].as_str().unwrap());
    with(key, name, encode([&[0], &octets[..]].concat()))
}

/// An EC key whose coordinates changed places: a point that is not on the curve.
fn off_the_curve(key: Value) -> Value {
    let (x, y) = (key["x"].clone(), key["y"].clone());
    with(with(key, "x", y), "y", x)
}

fn without(key: Value, name: &str) -> Value {
    with(key, name, Value::Null)
}

#[tokio::test(start_paused = true)]
async fn odd_keys_never_spoil_the_set() {
    let odd: Vec<(&str, Algorithm, Value)> = vec![
        ("no kty", ES256, without(jwk(ES256), "kty")),
        ("kty in lower case", RS256, with(jwk(RS256), "kty", "rsa")),
        ("kty of another age", ES256, with(jwk(ES256), "kty", "AKP")),
        ("kty a number", ES256, with(jwk(ES256), "kty", 1)),
        ("no n", RS256, without(jwk(RS256), "n")),
        ("padded n", RS256, with(jwk(RS256), "n", format!("{}==", jwk(RS256)["n"].as_str().unwrap()))),
        ("no y", ES256, without(jwk(ES256), "y")),
        ("short x", ES256, cut(jwk(ES256), "x", 31)),
        ("off the curve", ES256, off_the_curve(jwk(ES256))),
        ("a curve of another type", ES256, with(jwk(ES256), "crv", "Ed25519")),
        ("31 octets", EdDSA, cut(jwk(EdDSA), "x", 31)),
        ("a curve for agreement", EdDSA, with(jwk(EdDSA), "crv", "X25519")),
        ("alg a number", ES256, with(jwk(ES256), "alg", 256)),
        ("use a number", ES256, with(jwk(ES256), "use", 1)),
    ];
    let mut entries: Vec<String> = ["null", "5", "\"x\"", "[]", "{}"].map(str::to_owned).into();
    entries.extend(odd.iter().map(|(kid, _, key)| with(key.clone(), "kid", *kid).to_string()));
    let twice = named(ES256, "a member twice").to_string();
    entries.push(twice.replacen('{', "{\"alg\":\"ES256\",", 1));
    entries.push(with(jwk(ES256), "kid", 7).to_string());
    let skipped = entries.len();
    let large = with(named(ES256, "a large unknown member"), "x-note", "a".repeat(100_000));
    entries.push(large.to_string());
    let known = with(with(named(ES384, "unknown members"), "x5t", "abc"), "oth", json!([{"r": 1}]));
    entries.push(with(known, "iat", 5).to_string());
    entries.push(named(ES256, "good").to_string());
    let document = format!(r#"{{"iat":1,"x":{{"keys":[1]}},"keys":[{}],"etag":null}}"#, entries.join(","));
    let auth = publishing(document).build().unwrap();
    let api = Protected::by(&auth);

    for (algorithm, kid) in [(ES256, "good"), (ES256, "a large unknown member"), (ES384, "unknown members")] {
        assert_eq!(api.kind(naming(algorithm, kid)).await, "ok", "{kid}");
    }
    for (kid, algorithm, _) in odd {
        assert_eq!(api.kind(naming(algorithm, kid)).await, "key_unknown", "{kid}");
    }
    for kid in ["a member twice", "7"] {
        assert_eq!(api.kind(naming(ES256, kid)).await, "key_unknown", "{kid}");
    }
    let status = auth.status().remove(0);
    assert_eq!(status.keys().unwrap().skipped_keys().len(), skipped);
    assert_eq!(status.keys().unwrap().key_ids(), ["a large unknown member", "good", "unknown members"]);
}

#[tokio::test(start_paused = true)]
async fn a_weak_or_broken_key_verifies_nothing() {
    let rsa = |name: &str| odd_key(name);
    let exponent = |e: &str| (with(named(RS256, "e"), "e", e), naming(RS256, "e"));
    let ec = |key: Value| (with(key, "kid", "ec"), naming(ES256, "ec"));
    let okp = |key: Value| (with(key, "kid", "okp"), naming(EdDSA, "okp"));
    let nowhere = with(with(jwk(ES256), "x", encode([0; 32])), "y", encode([0; 32]));
    let in_front = |(key, token): (Value, String)| (padded(key, "n"), token);
    for (name, (key, token), expected) in [
        ("RSA of 1024 bits", rsa("rsa-1024"), "key_unknown"),
        ("RSA of 2040 bits", rsa("rsa-2040"), "key_unknown"),
        ("RSA of 2040 bits, made longer", in_front(rsa("rsa-2040")), "key_unknown"),
        ("RSA of 2047 bits", rsa("rsa-2047"), "key_unknown"),
        ("RSA of 2048 bits", rsa("rsa-2048"), "ok"),
        ("RSA of 2048 bits, zero in front", in_front(rsa("rsa-2048")), "ok"),
        ("RSA of 4096 bits", rsa("rsa-4096"), "ok"),
        ("RSA of 8192 bits", rsa("rsa-8192"), "ok"),
        ("RSA of 8200 bits", rsa("rsa-8200"), "key_unknown"),
        ("exponent 3", rsa("rsa-2048-e-3"), "ok"),
        ("exponent 0", exponent("AA"), "key_unknown"),
        ("exponent 1", exponent("AQ"), "key_unknown"),
        ("exponent 2", exponent("Ag"), "key_unknown"),
        ("exponent 65536", exponent("AQAA"), "key_unknown"),
        ("no exponent", exponent(""), "key_unknown"),
        ("EC of 192 bits", rsa("ec-p192"), "key_unknown"),
        ("EC, x short", ec(cut(jwk(ES256), "x", 31)), "key_unknown"),
        ("EC, x long", ec(padded(jwk(ES256), "x")), "key_unknown"),
        ("EC, off the curve", ec(off_the_curve(jwk(ES256))), "key_unknown"),
        ("EC, the point (0, 0)", ec(nowhere), "key_unknown"),
        ("X25519", okp(with(jwk(EdDSA), "crv", "X25519")), "key_unknown"),
        ("Ed25519 of 31 octets", okp(cut(jwk(EdDSA), "x", 31)), "key_unknown"),
        ("Ed25519 of 33 octets", okp(padded(jwk(EdDSA), "x")), "key_unknown"),
        ("Ed25519 of small order", okp(with(jwk(EdDSA), "x", encode([0; 32]))), "key_unknown"),
        ("Ed448", rsa("okp-ed448"), "key_unknown"),
    ] {
        let api = protected_by(&[named(ES512, "good"), key]);
        assert_eq!(api.kind(token).await, expected, "{name}");
        assert_eq!(api.kind(naming(ES512, "good")).await, "ok", "beside {name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_does_only_what_its_members_say() {
    let ops = |ops: Value| with(jwk(ES256), "key_ops", ops);
    let other = |of: Algorithm, says: &str| with(jwk(of), "alg", says);
    let cases: Vec<(&str, Value, String, &str)> = vec![
        ("use sig", jwk(ES256), naming(ES256, "k"), "ok"),
        ("use absent", without(jwk(ES256), "use"), naming(ES256, "k"), "ok"),
        ("use enc", with(jwk(ES256), "use", "enc"), naming(ES256, "k"), "key_unknown"),
        ("use in capitals", with(jwk(ES256), "use", "SIG"), naming(ES256, "k"), "key_unknown"),
        ("ops verify", ops(json!(["verify"])), naming(ES256, "k"), "ok"),
        ("ops sign and verify", ops(json!(["sign", "verify"])), naming(ES256, "k"), "ok"),
        ("ops encrypt, use sig", ops(json!(["encrypt"])), naming(ES256, "k"), "key_unknown"),
        ("ops sign", ops(json!(["sign"])), naming(ES256, "k"), "key_unknown"),
        ("ops empty", ops(json!([])), naming(ES256, "k"), "key_unknown"),
        ("ops verify twice", ops(json!(["verify", "verify"])), naming(ES256, "k"), "key_unknown"),
        ("ops a text", ops(json!("verify")), naming(ES256, "k"), "key_unknown"),
        (
            "ops verify, use enc",
            with(ops(json!(["verify"])), "use", "enc"),
            naming(ES256, "k"),
            "key_unknown",
        ),
        ("ops encrypt, no use", without(ops(json!(["encrypt"])), "use"), naming(ES256, "k"), "key_unknown"),
        ("RS256 key, PS256 token", other(PS256, "RS256"), naming(PS256, "k"), "key_unknown"),
        ("PS256 key, RS256 token", other(RS256, "PS256"), naming(RS256, "k"), "key_unknown"),
        ("RS512 key, RS256 token", other(RS256, "RS512"), naming(RS256, "k"), "key_unknown"),
        ("P-256 key that says ES384", other(ES256, "ES384"), naming(ES256, "k"), "key_unknown"),
        ("alg for encryption", other(RS256, "RSA-OAEP"), naming(RS256, "k"), "key_unknown"),
        ("alg unknown", other(ES256, "ES257"), naming(ES256, "k"), "key_unknown"),
        ("alg of an HMAC", other(RS256, "HS256"), naming(RS256, "k"), "key_unknown"),
        ("alg EdDSA, token Ed25519", jwk(EdDSA), says(EdDSA, "Ed25519"), "ok"),
        ("alg Ed25519, token EdDSA", other(EdDSA, "Ed25519"), naming(EdDSA, "k"), "ok"),
        ("ES256 by the P-384 key", without(jwk(ES384), "alg"), says(ES384, "ES256"), "key_unknown"),
        ("ES384 by the P-256 key", without(jwk(ES256), "alg"), says(ES256, "ES384"), "key_unknown"),
        ("ES512 by the P-256 key", without(jwk(ES256), "alg"), says(ES256, "ES512"), "key_unknown"),
        ("RS256 by the EC key", without(jwk(ES256), "alg"), says(ES256, "RS256"), "key_unknown"),
        ("EdDSA by the RSA key", without(jwk(RS256), "alg"), says(RS256, "EdDSA"), "key_unknown"),
        ("RS256, key without alg", without(jwk(RS256), "alg"), naming(RS256, "k"), "ok"),
        ("PS256, key without alg", without(jwk(PS256), "alg"), naming(PS256, "k"), "ok"),
        ("PS256 signed as RS256", without(jwk(PS256), "alg"), says(PS256, "RS256"), "signature_mismatch"),
        (
            "HS256, key without alg",
            without(jwk(RS256), "alg"),
            hmac_token("k", b"k"),
            "algorithm_not_allowed",
        ),
    ];
    for (name, key, token, expected) in cases {
        let api = protected_by(&[named(ES512, "good"), with(key, "kid", "k")]);
        assert_eq!(api.kind(token).await, expected, "{name}");
    }
    let (ed448, token) = odd_key("okp-ed448");
    assert_eq!(protected_by(&[named(ES512, "good"), ed448]).kind(token).await, "key_unknown");
}

/// A token of the key for `algorithm`, whose header says something else.
fn says(algorithm: Algorithm, alg: &str) -> String {
    token(algorithm).header("alg", alg).header("kid", "k").sign()
}

#[tokio::test(start_paused = true)]
async fn keys_that_share_a_kid_are_told_apart() {
    let plain = |algorithm| without(named(algorithm, "k"), "alg");
    let encryption = with(plain(RS256), "use", "enc");
    for (name, keys, tokens) in [
        ("EC and RSA", vec![plain(ES256), plain(RS256)], vec![ES256, RS256]),
        ("two of RSA", vec![plain(RS256), plain(PS256)], vec![RS256, PS256]),
        ("two of RSA, the other way", vec![plain(PS256), plain(RS256)], vec![RS256, PS256]),
        ("signature and encryption", vec![encryption, plain(PS256)], vec![PS256]),
    ] {
        let api = protected_by(&keys);
        for algorithm in tokens {
            assert_eq!(api.kind(naming(algorithm, "k")).await, "ok", "{name}, {algorithm}");
        }
        let foreign = TestIssuer::in_memory(LOGIN);
        foreign.rotate_key_to(ES256);
        let token = foreign.token(API).header("kid", "k").sign();
        let expected = if name == "EC and RSA" { "signature_mismatch" } else { "key_unknown" };
        assert_eq!(api.kind(token).await, expected, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_without_kid_tries_only_keys_that_fit() {
    let anonymous = |algorithm| token(algorithm).header("kid", Value::Null).sign();
    let foreign: Value = serde_json::from_str(&TestIssuer::new().jwks()).unwrap();
    let foreign = |n: usize| with(foreign["keys"][0].clone(), "kid", format!("other-{n}"));
    let last_of = |others: usize| -> Vec<Value> { (0..others).map(foreign).chain([jwk(ES256)]).collect() };
    for (name, keys, token, expected) in [
        ("one key", vec![jwk(ES256)], anonymous(ES256), "ok"),
        ("one of three kinds", vec![jwk(RS256), jwk(ES256), jwk(EdDSA)], anonymous(EdDSA), "ok"),
        ("no kind that fits", vec![jwk(RS256), jwk(EdDSA)], anonymous(ES256), "key_unknown"),
        ("the last of five", last_of(4), anonymous(ES256), "ok"),
        ("the last of sixteen", last_of(15), anonymous(ES256), "ok"),
        ("the last of five hundred", last_of(499), anonymous(ES256), "signature_mismatch"),
        ("the first of five hundred", last_of(499).into_iter().rev().collect(), anonymous(ES256), "ok"),
        (
            "a kid, and keys of which only another has one",
            vec![named(ES384, "a"), without(jwk(ES256), "kid")],
            naming(ES256, "b"),
            "key_unknown",
        ),
        (
            "no kid, and keys of which only another has one",
            vec![named(ES384, "a"), without(jwk(ES256), "kid")],
            anonymous(ES256),
            "ok",
        ),
        // Where no key has a name, a name in the token can choose nothing.
        ("a kid, and no key has one", vec![without(jwk(ES256), "kid")], naming(ES256, "b"), "ok"),
    ] {
        assert_eq!(protected_by(&keys).kind(token).await, expected, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_symmetric_or_private_key_in_the_set_is_no_secret() {
    let log = Log::start();
    let secret = encode(b"0123456789abcdef0123456789abcdef");
    let oct = |kid: &str, k: &str| json!({"kty": "oct", "kid": kid, "alg": "HS256", "k": k});
    let private = ["rsa-private", "ec-private", "okp-private"].map(odd_key);
    let mut keys = vec![oct("k2", &secret), oct("empty", ""), without(named(RS256, "rsa"), "alg")];
    keys.extend(private.iter().map(|(key, _)| key.clone()));
    keys.push(named(ES512, "good"));
    let auth = publishing(json!({ "keys": keys }).to_string()).build().unwrap();
    let api = Protected::by(&auth);

    for (name, token) in [
        ("the published secret", hmac_token("k2", b"0123456789abcdef0123456789abcdef")),
        ("its text", hmac_token("k2", secret.as_bytes())),
        ("an empty secret", hmac_token("empty", b"")),
        ("an empty secret, RSA key", hmac_token("rsa", b"")),
    ] {
        assert_eq!(api.kind(token).await, "algorithm_not_allowed", "{name}");
    }
    // The secret key is there for all to read: whoever signs with it proves nothing.
    for (key, token) in &private {
        assert_eq!(api.kind(token).await, "key_unknown", "{}", key["kid"]);
    }
    assert_eq!(api.kind(naming(ES512, "good")).await, "ok");
    let shown = format!("{auth:?} {:?} {}", auth.status(), log.text());
    for (key, _) in &private {
        assert!(!shown.contains(key["d"].as_str().unwrap()), "{}", key["kid"]);
    }
    assert!(!shown.contains(&secret));
}

#[tokio::test(start_paused = true)]
async fn the_keys_of_one_issuer_say_nothing_for_another() {
    let (x, y) = (TestIssuer::in_memory("https://x.example"), TestIssuer::in_memory("https://y.example"));
    let auth = x.bearer_auth(API).add_issuer(y.issuer()).http_client(x.http_client().and(y.http_client()));
    let api = Protected::by(&auth.build().unwrap());
    assert_eq!(x.key_id(), y.key_id());
    let good = x.token(API).sign();
    assert_eq!(api.kind(&good).await, "ok");
    assert_eq!(api.kind(y.token(API).sign()).await, "ok");
    for (named, signer) in [(&x, &y), (&y, &x)] {
        let forged = signer.token(API).claim("iss", named.identifier());
        assert_eq!(api.kind(forged.sign()).await, "signature_mismatch", "under one kid");
        assert_eq!(api.kind(forged.header("kid", Value::Null).sign()).await, "signature_mismatch", "no kid");
    }
    // What the forger had fetched is paid for; a rotation is seen at once again.
    tokio::time::advance(Duration::from_secs(60)).await;
    let (kept, renamed) = (x.key_id(), y.rotate_key());
    assert_ne!(kept, renamed);
    assert_eq!(api.kind(y.token(API).sign()).await, "ok", "under the new kid");
    let forged = y.token(API).claim("iss", x.identifier()).sign();
    assert_eq!(api.kind(forged).await, "key_unknown", "under a kid that the other has not");

    // The bytes of an accepted token, with the other issuer written in.
    let parts: Vec<&str> = good.split('.').collect();
    let claims = String::from_utf8(decode(parts[1])).unwrap().replace("x.example", "y.example");
    let swapped = format!("{}.{}.{}", parts[0], encode(claims), parts[2]);
    assert_eq!(api.kind(swapped).await, "signature_mismatch");

    let (x, y) = (TestIssuer::in_memory("https://x.example"), TestIssuer::in_memory("https://y.example"));
    x.set_outage(Some(Fault::Refuse));
    let auth = x.bearer_auth(API).add_issuer(y.issuer()).http_client(x.http_client().and(y.http_client()));
    let api = Protected::by(&auth.build().unwrap());
    assert_eq!(api.kind(x.token(API).sign()).await, "keys_unavailable");
    assert_eq!(api.kind(y.token(API).sign()).await, "ok");
    assert_eq!(y.requests(Endpoint::Jwks), 1);
}
