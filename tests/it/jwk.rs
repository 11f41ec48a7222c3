//! Which keys of a key set are used, for which algorithms, and which are skipped (RFC 7517, RFC 7518,
//! RFC 8037).

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};
use tokio::time::sleep;
use tower_bearer::Algorithm::{self, ES256, ES384, ES512, EdDSA, PS256, RS256};
use tower_bearer::RejectionKind::{AlgorithmNotAllowed, KeyUnknown, KeysUnavailable, SignatureMismatch};
use tower_bearer::testing::{Endpoint, Fault, TestIssuer};
use tower_bearer::{BearerAuth, BearerAuthBuilder, Issuer};

use crate::support::figure::figure;
use crate::support::keys::{clock, decode, encode, hmac_token, jwk, odd_key, token, with};
use crate::support::log::Log;
use crate::support::net::{Net, Reply};
use crate::support::protected::{ACCEPTED, API, COOLDOWN, ISSUER, Outcome, Protected, verdict};

/// A configuration that trusts an issuer with this key set document.
fn publishing(document: String) -> BearerAuthBuilder {
    let idp = TestIssuer::in_memory(ISSUER);
    idp.set_jwks(Some(document));
    BearerAuth::builder(API).issuer(idp.issuer()).http_client(idp.http_client()).clock(clock())
}

fn protected_by_document(document: String) -> Protected {
    Protected::by(&publishing(document).build().unwrap())
}

/// An API that trusts an issuer with these keys.
fn protected_by(keys: &[Value]) -> Protected {
    protected_by_document(json!({ "keys": keys }).to_string())
}

/// The key for `algorithm` with another `kid`.
fn named(algorithm: Algorithm, kid: &str) -> Value {
    with(jwk(algorithm), "kid", kid)
}

/// A valid token with this `kid` in its header.
fn naming(algorithm: Algorithm, kid: &str) -> String {
    token(algorithm).header("kid", kid).sign()
}

/// Truncates a member to its first `len` octets.
fn cut(key: Value, name: &str, len: usize) -> Value {
    let octets = decode(key[name].as_str().unwrap());
    with(key, name, encode(&octets[..len]))
}

/// Puts a zero octet in front of a member.
fn padded(key: Value, name: &str) -> Value {
    let octets = decode(key[name].as_str().unwrap());
    with(key, name, encode([&[0], &octets[..]].concat()))
}

/// Swaps the coordinates of an EC key, which gives a point that is not on the curve.
fn off_the_curve(key: Value) -> Value {
    let (x, y) = (key["x"].clone(), key["y"].clone());
    with(with(key, "x", y), "y", x)
}

fn without(key: Value, name: &str) -> Value {
    with(key, name, Value::Null)
}

#[tokio::test(start_paused = true)]
async fn unusable_keys_are_skipped_and_the_others_used() {
    let odd: Vec<(&str, Algorithm, Value)> = vec![
        ("no kty", ES256, without(jwk(ES256), "kty")),
        ("kty in lower case", RS256, with(jwk(RS256), "kty", "rsa")),
        ("unknown kty", ES256, with(jwk(ES256), "kty", "AKP")),
        ("kty is a number", ES256, with(jwk(ES256), "kty", 1)),
        ("no n", RS256, without(jwk(RS256), "n")),
        ("padded n", RS256, with(jwk(RS256), "n", format!("{}==", jwk(RS256)["n"].as_str().unwrap()))),
        ("no y", ES256, without(jwk(ES256), "y")),
        ("short x", ES256, cut(jwk(ES256), "x", 31)),
        ("off the curve", ES256, off_the_curve(jwk(ES256))),
        ("the curve of another key type", ES256, with(jwk(ES256), "crv", "Ed25519")),
        ("31 octets", EdDSA, cut(jwk(EdDSA), "x", 31)),
        ("a key agreement curve", EdDSA, with(jwk(EdDSA), "crv", "X25519")),
        ("alg is a number", ES256, with(jwk(ES256), "alg", 256)),
        ("use is a number", ES256, with(jwk(ES256), "use", 1)),
    ];
    let mut entries: Vec<String> = ["null", "5", "\"x\"", "[]", "{}"].map(str::to_owned).into();
    entries.extend(odd.iter().map(|(kid, _, key)| with(key.clone(), "kid", *kid).to_string()));
    let twice = named(ES256, "a repeated member").to_string();
    entries.push(twice.replacen('{', "{\"alg\":\"ES256\",", 1));
    entries.push(with(jwk(ES256), "kid", 7).to_string());
    let skipped = entries.len();
    let large = with(named(ES256, "a large unknown member"), "x-note", "a".repeat(100_000));
    entries.push(large.to_string());
    let known = with(with(named(ES384, "unknown members"), "x5t", "abc"), "oth", json!([{"r": 1}]));
    entries.push(with(known, "iat", 5).to_string());
    entries.push(named(ES256, "usable").to_string());
    let document = format!(r#"{{"iat":1,"x":{{"keys":[1]}},"keys":[{}],"etag":null}}"#, entries.join(","));
    let auth = publishing(document).build().unwrap();
    let api = Protected::by(&auth);

    for (algorithm, kid) in [(ES256, "usable"), (ES256, "a large unknown member"), (ES384, "unknown members")]
    {
        assert_eq!(api.outcome(naming(algorithm, kid)).await, ACCEPTED, "{kid}");
    }
    for (kid, algorithm, _) in odd {
        sleep(COOLDOWN).await;
        assert_eq!(api.outcome(naming(algorithm, kid)).await, Err(KeyUnknown), "{kid}");
    }
    for kid in ["a repeated member", "7"] {
        sleep(COOLDOWN).await;
        assert_eq!(api.outcome(naming(ES256, kid)).await, Err(KeyUnknown), "{kid}");
    }
    let status = auth.status().remove(0);
    assert_eq!(status.keys().unwrap().skipped_keys().len(), skipped);
    assert_eq!(status.keys().unwrap().key_ids(), ["a large unknown member", "unknown members", "usable"]);
}

#[tokio::test(start_paused = true)]
async fn weak_and_malformed_keys_are_not_used() {
    let rsa = |name: &str| odd_key(name);
    let exponent = |e: &str| (with(named(RS256, "e"), "e", e), naming(RS256, "e"));
    let ec = |key: Value| (with(key, "kid", "ec"), naming(ES256, "ec"));
    let okp = |key: Value| (with(key, "kid", "okp"), naming(EdDSA, "okp"));
    let nowhere = with(with(jwk(ES256), "x", encode([0; 32])), "y", encode([0; 32]));
    let in_front = |(key, token): (Value, String)| (padded(key, "n"), token);
    for (name, (key, token), expected) in [
        ("RSA of 1024 bits", rsa("rsa-1024"), Err(KeyUnknown)),
        ("RSA of 2040 bits", rsa("rsa-2040"), Err(KeyUnknown)),
        ("RSA of 2040 bits, zero in front", in_front(rsa("rsa-2040")), Err(KeyUnknown)),
        ("RSA of 2047 bits", rsa("rsa-2047"), Err(KeyUnknown)),
        ("RSA of 2048 bits", rsa("rsa-2048"), ACCEPTED),
        ("RSA of 2048 bits, zero in front", in_front(rsa("rsa-2048")), ACCEPTED),
        ("RSA of 4096 bits", rsa("rsa-4096"), ACCEPTED),
        ("RSA of 8192 bits", rsa("rsa-8192"), ACCEPTED),
        ("RSA of 8200 bits", rsa("rsa-8200"), Err(KeyUnknown)),
        ("exponent 3", rsa("rsa-2048-e-3"), ACCEPTED),
        ("exponent 0", exponent("AA"), Err(KeyUnknown)),
        ("exponent 1", exponent("AQ"), Err(KeyUnknown)),
        ("exponent 2", exponent("Ag"), Err(KeyUnknown)),
        ("exponent 65536", exponent("AQAA"), Err(KeyUnknown)),
        ("no exponent", exponent(""), Err(KeyUnknown)),
        ("EC of 192 bits", rsa("ec-p192"), Err(KeyUnknown)),
        ("EC, x short", ec(cut(jwk(ES256), "x", 31)), Err(KeyUnknown)),
        ("EC, x long", ec(padded(jwk(ES256), "x")), Err(KeyUnknown)),
        ("EC, off the curve", ec(off_the_curve(jwk(ES256))), Err(KeyUnknown)),
        ("EC, the point (0, 0)", ec(nowhere), Err(KeyUnknown)),
        ("X25519", okp(with(jwk(EdDSA), "crv", "X25519")), Err(KeyUnknown)),
        ("Ed25519 of 31 octets", okp(cut(jwk(EdDSA), "x", 31)), Err(KeyUnknown)),
        ("Ed25519 of 33 octets", okp(padded(jwk(EdDSA), "x")), Err(KeyUnknown)),
        ("Ed25519 of small order", okp(with(jwk(EdDSA), "x", encode([0; 32]))), Err(KeyUnknown)),
        ("Ed448", rsa("okp-ed448"), Err(KeyUnknown)),
    ] {
        let api = protected_by(&[named(ES512, "usable"), key]);
        assert_eq!(api.outcome(token).await, expected, "{name}");
        assert_eq!(
            api.outcome(naming(ES512, "usable")).await,
            ACCEPTED,
            "the other key of the set, with {name}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_verifies_only_what_its_use_key_ops_and_alg_allow() {
    let ops = |ops: Value| with(jwk(ES256), "key_ops", ops);
    let other = |of: Algorithm, alg: &str| with(jwk(of), "alg", alg);
    let cases: Vec<(&str, Value, String, Outcome)> = vec![
        ("use sig", jwk(ES256), naming(ES256, "k"), ACCEPTED),
        ("use absent", without(jwk(ES256), "use"), naming(ES256, "k"), ACCEPTED),
        ("use enc", with(jwk(ES256), "use", "enc"), naming(ES256, "k"), Err(KeyUnknown)),
        ("use in capitals", with(jwk(ES256), "use", "SIG"), naming(ES256, "k"), Err(KeyUnknown)),
        ("ops verify", ops(json!(["verify"])), naming(ES256, "k"), ACCEPTED),
        ("ops sign and verify", ops(json!(["sign", "verify"])), naming(ES256, "k"), ACCEPTED),
        ("ops encrypt, use sig", ops(json!(["encrypt"])), naming(ES256, "k"), Err(KeyUnknown)),
        ("ops sign", ops(json!(["sign"])), naming(ES256, "k"), Err(KeyUnknown)),
        ("ops empty", ops(json!([])), naming(ES256, "k"), ACCEPTED),
        ("ops verify twice", ops(json!(["verify", "verify"])), naming(ES256, "k"), Err(KeyUnknown)),
        ("ops is a string", ops(json!("verify")), naming(ES256, "k"), Err(KeyUnknown)),
        (
            "ops verify, use enc",
            with(ops(json!(["verify"])), "use", "enc"),
            naming(ES256, "k"),
            Err(KeyUnknown),
        ),
        ("ops encrypt, no use", without(ops(json!(["encrypt"])), "use"), naming(ES256, "k"), Err(KeyUnknown)),
        ("RS256 key, PS256 token", other(PS256, "RS256"), naming(PS256, "k"), Err(KeyUnknown)),
        ("PS256 key, RS256 token", other(RS256, "PS256"), naming(RS256, "k"), Err(KeyUnknown)),
        ("RS512 key, RS256 token", other(RS256, "RS512"), naming(RS256, "k"), Err(KeyUnknown)),
        ("P-256 key with alg ES384", other(ES256, "ES384"), naming(ES256, "k"), Err(KeyUnknown)),
        ("alg for encryption", other(RS256, "RSA-OAEP"), naming(RS256, "k"), Err(KeyUnknown)),
        ("unknown alg", other(ES256, "ES257"), naming(ES256, "k"), Err(KeyUnknown)),
        ("alg of an HMAC", other(RS256, "HS256"), naming(RS256, "k"), Err(KeyUnknown)),
        ("alg EdDSA, token Ed25519", jwk(EdDSA), signed_by(EdDSA, "Ed25519"), ACCEPTED),
        ("alg Ed25519, token EdDSA", other(EdDSA, "Ed25519"), naming(EdDSA, "k"), ACCEPTED),
        ("ES256 with the P-384 key", without(jwk(ES384), "alg"), signed_by(ES384, "ES256"), Err(KeyUnknown)),
        ("ES384 with the P-256 key", without(jwk(ES256), "alg"), signed_by(ES256, "ES384"), Err(KeyUnknown)),
        ("ES512 with the P-256 key", without(jwk(ES256), "alg"), signed_by(ES256, "ES512"), Err(KeyUnknown)),
        ("RS256 with the EC key", without(jwk(ES256), "alg"), signed_by(ES256, "RS256"), Err(KeyUnknown)),
        ("EdDSA with the RSA key", without(jwk(RS256), "alg"), signed_by(RS256, "EdDSA"), Err(KeyUnknown)),
        ("RS256, key without alg", without(jwk(RS256), "alg"), naming(RS256, "k"), ACCEPTED),
        ("PS256, key without alg", without(jwk(PS256), "alg"), naming(PS256, "k"), ACCEPTED),
        (
            "signed with PS256, alg RS256",
            without(jwk(PS256), "alg"),
            signed_by(PS256, "RS256"),
            Err(SignatureMismatch),
        ),
        (
            "HS256, key without alg",
            without(jwk(RS256), "alg"),
            hmac_token("k", b"k"),
            Err(AlgorithmNotAllowed),
        ),
    ];
    for (name, key, token, expected) in cases {
        let api = protected_by(&[named(ES512, "usable"), with(key, "kid", "k")]);
        let outcome = api.outcome(token).await;
        if name == "ops empty" {
            figure("2.10", "key with `\"key_ops\": []`", verdict(outcome), "accepted");
        }
        assert_eq!(outcome, expected, "{name}");
    }
    let (ed448, token) = odd_key("okp-ed448");
    assert_eq!(protected_by(&[named(ES512, "usable"), ed448]).outcome(token).await, Err(KeyUnknown));
}

/// Some .NET servers publish `"d": null`.
#[tokio::test(start_paused = true)]
async fn a_member_of_a_key_that_is_null_counts_as_absent() {
    for (algorithm, members) in [(ES256, ["d", "x5c", "use", "key_ops"]), (RS256, ["d", "p", "oth", "k"])] {
        for member in members {
            let mut key = named(algorithm, "k");
            key[member] = Value::Null;
            let outcome = protected_by(&[key]).outcome(naming(algorithm, "k")).await;
            let quantity = format!("{algorithm} key with `\"{member}\": null`");
            figure("2.10", quantity, verdict(outcome), "accepted");
            assert_eq!(outcome, ACCEPTED, "{member}");
        }
    }
}

/// A token signed with the key for `algorithm`, with another `alg` in its header.
fn signed_by(algorithm: Algorithm, alg: &str) -> String {
    token(algorithm).header("alg", alg).header("kid", "k").sign()
}

#[tokio::test(start_paused = true)]
async fn keys_with_the_same_kid_are_selected_by_algorithm() {
    let plain = |algorithm| without(named(algorithm, "k"), "alg");
    let encryption = with(plain(RS256), "use", "enc");
    for (name, keys, tokens) in [
        ("EC and RSA", vec![plain(ES256), plain(RS256)], vec![ES256, RS256]),
        ("two RSA keys", vec![plain(RS256), plain(PS256)], vec![RS256, PS256]),
        ("two RSA keys, in reverse order", vec![plain(PS256), plain(RS256)], vec![RS256, PS256]),
        ("signature and encryption", vec![encryption, plain(PS256)], vec![PS256]),
    ] {
        let api = protected_by(&keys);
        for algorithm in tokens {
            assert_eq!(api.outcome(naming(algorithm, "k")).await, ACCEPTED, "{name}, {algorithm}");
        }
        let foreign = TestIssuer::in_memory(ISSUER);
        foreign.rotate_key_to(ES256);
        let token = foreign.token(API).header("kid", "k").sign();
        let expected = if name == "EC and RSA" { Err(SignatureMismatch) } else { Err(KeyUnknown) };
        assert_eq!(api.outcome(token).await, expected, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_without_kid_is_verified_with_the_keys_for_its_algorithm() {
    let anonymous = |algorithm| token(algorithm).header("kid", Value::Null).sign();
    let foreign: Value = serde_json::from_str(&TestIssuer::new().jwks()).unwrap();
    let foreign = |n: usize| with(foreign["keys"][0].clone(), "kid", format!("other-{n}"));
    let last_of = |others: usize| -> Vec<Value> { (0..others).map(foreign).chain([jwk(ES256)]).collect() };
    for (name, keys, token, expected) in [
        ("one key", vec![jwk(ES256)], anonymous(ES256), ACCEPTED),
        (
            "one key for the algorithm, and two others",
            vec![jwk(RS256), jwk(ES256), jwk(EdDSA)],
            anonymous(EdDSA),
            ACCEPTED,
        ),
        ("no key for the algorithm", vec![jwk(RS256), jwk(EdDSA)], anonymous(ES256), Err(KeyUnknown)),
        ("the last of five", last_of(4), anonymous(ES256), ACCEPTED),
        ("the last of sixteen", last_of(15), anonymous(ES256), ACCEPTED),
        ("the last of five hundred", last_of(499), anonymous(ES256), Err(SignatureMismatch)),
        ("the first of five hundred", last_of(499).into_iter().rev().collect(), anonymous(ES256), ACCEPTED),
        (
            "a kid; one key has another kid, one has none",
            vec![named(ES384, "a"), without(jwk(ES256), "kid")],
            naming(ES256, "b"),
            Err(KeyUnknown),
        ),
        (
            "no kid; one key has another kid, one has none",
            vec![named(ES384, "a"), without(jwk(ES256), "kid")],
            anonymous(ES256),
            ACCEPTED,
        ),
        // A `kid` selects nothing if no key has one.
        ("a kid; no key has one", vec![without(jwk(ES256), "kid")], naming(ES256, "b"), ACCEPTED),
    ] {
        assert_eq!(protected_by(&keys).outcome(token).await, expected, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_published_symmetric_or_private_key_is_not_used() {
    let log = Log::start();
    let secret = encode(b"0123456789abcdef0123456789abcdef");
    let oct = |kid: &str, k: &str| json!({"kty": "oct", "kid": kid, "alg": "HS256", "k": k});
    let private = ["rsa-private", "ec-private", "okp-private"].map(odd_key);
    let mut keys = vec![oct("k2", &secret), oct("empty", ""), without(named(RS256, "rsa"), "alg")];
    keys.extend(private.iter().map(|(key, _)| key.clone()));
    keys.push(named(ES512, "usable"));
    let auth = publishing(json!({ "keys": keys }).to_string()).build().unwrap();
    let api = Protected::by(&auth);

    for (name, token) in [
        ("the published secret", hmac_token("k2", b"0123456789abcdef0123456789abcdef")),
        ("the base64url text of the published secret", hmac_token("k2", secret.as_bytes())),
        ("an empty secret", hmac_token("empty", b"")),
        ("an empty secret, RSA key", hmac_token("rsa", b"")),
    ] {
        assert_eq!(api.outcome(token).await, Err(AlgorithmNotAllowed), "{name}");
    }
    // Anyone can read a published private key, so its signatures prove nothing.
    for (key, token) in &private {
        sleep(COOLDOWN).await;
        assert_eq!(api.outcome(token).await, Err(KeyUnknown), "{}", key["kid"]);
    }
    assert_eq!(api.outcome(naming(ES512, "usable")).await, ACCEPTED);
    let shown = format!("{auth:?} {:?} {}", auth.status(), log.text());
    for (key, _) in &private {
        assert!(!shown.contains(key["d"].as_str().unwrap()), "{}", key["kid"]);
    }
    assert!(!shown.contains(&secret));
}

#[tokio::test(start_paused = true)]
async fn keys_of_one_issuer_never_verify_tokens_of_another() {
    let (x, y) = (TestIssuer::in_memory("https://x.example"), TestIssuer::in_memory("https://y.example"));
    let auth = x.bearer_auth(API).add_issuer(y.issuer()).http_client(x.http_client().and(y.http_client()));
    let api = Protected::by(&auth.build().unwrap());
    assert_eq!(x.key_id(), y.key_id());
    let valid = x.token(API).sign();
    assert_eq!(api.outcome(&valid).await, ACCEPTED);
    assert_eq!(api.outcome(y.token(API).sign()).await, ACCEPTED);
    for (named, signer) in [(&x, &y), (&y, &x)] {
        let forged = signer.token(API).claim("iss", named.identifier());
        assert_eq!(api.outcome(forged.sign()).await, Err(SignatureMismatch), "the same kid");
        assert_eq!(
            api.outcome(forged.header("kid", Value::Null).sign()).await,
            Err(SignatureMismatch),
            "no kid"
        );
    }
    // The forged tokens have used up the refetch rate limit. Once it is refilled, a rotation is followed.
    tokio::time::advance(Duration::from_secs(60)).await;
    assert_ne!(y.rotate_key(), x.key_id());
    assert_eq!(api.outcome(y.token(API).sign()).await, ACCEPTED, "the new kid");
    let forged = y.token(API).claim("iss", x.identifier()).sign();
    assert_eq!(api.outcome(forged).await, Err(KeyUnknown), "a kid that the named issuer does not have");

    // An accepted token with its issuer replaced.
    let parts: Vec<&str> = valid.split('.').collect();
    let claims = String::from_utf8(decode(parts[1])).unwrap().replace("x.example", "y.example");
    let swapped = format!("{}.{}.{}", parts[0], encode(claims), parts[2]);
    assert_eq!(api.outcome(swapped).await, Err(SignatureMismatch));

    let (x, y) = (TestIssuer::in_memory("https://x.example"), TestIssuer::in_memory("https://y.example"));
    x.set_outage(Some(Fault::Refuse));
    let auth = x.bearer_auth(API).add_issuer(y.issuer()).http_client(x.http_client().and(y.http_client()));
    let api = Protected::by(&auth.build().unwrap());
    assert_eq!(api.outcome(x.token(API).sign()).await, Err(KeysUnavailable));
    assert_eq!(api.outcome(y.token(API).sign()).await, ACCEPTED);
    assert_eq!(y.requests(Endpoint::Jwks), 1);
}

/// A replica behind a load balancer may order the keys differently.
#[tokio::test(start_paused = true)]
async fn key_set_in_another_order_does_not_void_the_token_cache() {
    static DESERIALIZED: AtomicUsize = AtomicUsize::new(0);
    /// Typed claims are deserialized once for each time that the token is verified.
    #[derive(Deserialize)]
    #[serde(from = "IgnoredAny")]
    struct Counted;
    impl From<IgnoredAny> for Counted {
        fn from(_: IgnoredAny) -> Self {
            DESERIALIZED.fetch_add(1, Ordering::Relaxed);
            Self
        }
    }
    let idp = TestIssuer::in_memory(ISSUER);
    let set = |keys: [Value; 2]| idp.set_jwks(Some(json!({ "keys": keys }).to_string()));
    set([named(ES256, "a"), named(EdDSA, "b")]);
    let builder = BearerAuth::builder(API).issuer(idp.issuer()).http_client(idp.http_client()).clock(clock());
    let api = Protected::by(&builder.build().unwrap());
    let token = naming(ES256, "a");
    let verified = async || {
        let response = api.get(&token).await;
        let accepted = response.assert_accepted("the token");
        accepted.claims::<Counted>().unwrap();
        DESERIALIZED.load(Ordering::Relaxed)
    };
    assert_eq!((verified().await, verified().await), (1, 1));
    for round in 0..4 {
        let fetches = idp.requests(Endpoint::Jwks);
        let in_order = [named(ES256, "a"), named(EdDSA, "b")];
        let [first, second] = in_order.clone();
        set(if round % 2 == 0 { [second, first] } else { in_order });
        sleep(Duration::from_secs(600)).await;
        let times = verified().await;
        let quantity = format!("verifications of a token, keys in another order, round {round}");
        figure("2.9", quantity, times, 1);
        assert_eq!(times, 1);
        assert!(idp.requests(Endpoint::Jwks) > fetches, "the keys were fetched again");
    }
    // Other keys do.
    set([named(ES256, "a"), named(ES384, "b")]);
    sleep(Duration::from_secs(600)).await;
    assert_eq!(verified().await, 2);
}

/// Entra ID publishes the keys of many issuers in one set.
#[tokio::test(start_paused = true)]
async fn key_with_an_issuer_member_verifies_tokens_of_that_issuer_only() {
    const TENANT: &str = "https://login.microsoftonline.com/11111111-2222-3333-4444-555555555555/v2.0";
    const KEYS: &str = "https://login.microsoftonline.com/keys";
    for (name, member, accepted) in [
        ("the template", json!("https://login.microsoftonline.com/{tenantid}/v2.0"), true),
        ("the issuer", json!(TENANT), true),
        ("null", Value::Null, true),
        (
            "personal accounts",
            json!("https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0"),
            false,
        ),
        ("another template", json!("https://sts.windows.net/{tenantid}/"), false),
        ("a wider template", json!("https://login.microsoftonline.com/{tenantid}"), false),
        ("a number", json!(1), false),
    ] {
        let (idp, net) = (TestIssuer::in_memory(TENANT), Net::default());
        let mut document: Value = serde_json::from_str(&idp.jwks()).unwrap();
        document["keys"][0]["issuer"] = member;
        net.set(KEYS, Reply::body(document.to_string()));
        let builder = BearerAuth::builder(API).issuer(Issuer::with_jwks_url(TENANT, KEYS)).clock(idp.clock());
        let auth = builder.http_client(net).build().unwrap();
        let outcome = Protected::by(&auth).outcome(idp.token(API).sign()).await;
        let expected = if accepted { "accepted" } else { "rejected" };
        figure("2.10", format_args!("`issuer` of a key is {name}"), verdict(outcome), expected);
        assert_eq!(outcome.is_ok(), accepted, "{name}: {outcome:?}");
    }
}
