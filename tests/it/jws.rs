//! Signatures, algorithms and JOSE headers (RFC 7515, RFC 7518, RFC 8725).

use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::digest::KeyInit;
use hmac::{Hmac, Mac};
use serde_json::{Value, json};
use sha2::{Sha256, Sha384, Sha512};
use tokio::time::sleep;
use tower_bearer::Algorithm::{
    ES256, ES384, ES512, Ed25519, EdDSA, PS256, PS384, PS512, RS256, RS384, RS512,
};
use tower_bearer::RejectionKind::{
    AlgorithmNotAllowed, CriticalHeaderUnsupported, KeyUnknown, KeysUnavailable, MalformedRequest,
    SignatureMismatch, TokenMalformed, TokenOpaque,
};
use tower_bearer::testing::{Endpoint, TestIssuer};
use tower_bearer::{Algorithm, Issuer};

use crate::support::app::{App, CONFIGURED_URLS, base, claims_json, header_json, issuer, parts};
use crate::support::data::Data;
use crate::support::keys::{decode, encode};
use crate::support::log::Log;
use crate::support::protected::{API, COOLDOWN, ISSUER};

const EVERY_ALGORITHM: [Algorithm; 11] =
    [RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA, Ed25519];
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// One key for every algorithm, generated once because RSA keys take long.
struct Keys {
    idp: TestIssuer,
    ids: Vec<(Algorithm, String)>,
}

impl Keys {
    fn all() -> &'static Self {
        static KEYS: OnceLock<Keys> = OnceLock::new();
        KEYS.get_or_init(|| {
            let idp = issuer(ISSUER);
            let ids = EVERY_ALGORITHM.map(|algorithm| (algorithm, idp.add_key(algorithm)));
            idp.retire_key("key-1");
            Self { idp, ids: ids.into() }
        })
    }

    fn id(&self, algorithm: Algorithm) -> &str {
        &self.ids.iter().find(|(of, _)| *of == algorithm).unwrap().1
    }

    /// The base token, signed with the key for this algorithm.
    fn sign(&self, algorithm: Algorithm) -> String {
        base(&self.idp).key_id(self.id(algorithm)).sign()
    }

    /// An app with this static key set and all algorithms allowed.
    fn app(&self, jwks: impl Into<String>) -> App {
        self.restricted(jwks, EVERY_ALGORITHM)
    }

    fn restricted(&self, jwks: impl Into<String>, allowed: impl IntoIterator<Item = Algorithm>) -> App {
        let trusted = Issuer::with_static_jwks(ISSUER, jwks).algorithms(allowed);
        App::of(self.idp.clone(), trusted, |builder| builder)
    }

    /// The key set without any `alg`.
    fn without_algorithms(&self) -> String {
        changed_keys(&self.idp, |key| drop(key.as_object_mut().unwrap().remove("alg")))
    }
}

/// The key set of `idp` with every key changed.
fn changed_keys(idp: &TestIssuer, change: impl Fn(&mut Value)) -> String {
    let mut jwks: Value = serde_json::from_str(&idp.jwks()).unwrap();
    jwks["keys"].as_array_mut().unwrap().iter_mut().for_each(change);
    jwks.to_string()
}

/// Replaces the signature of `token`.
fn with_signature(token: &str, signature: &[u8]) -> String {
    let [header, payload, _] = parts(token);
    format!("{header}.{payload}.{}", encode(signature))
}

fn is_edwards(algorithm: Algorithm) -> bool {
    matches!(algorithm, EdDSA | Ed25519)
}

#[tokio::test(start_paused = true)]
async fn a_token_has_exactly_three_strict_base64url_parts() {
    let app = App::new();
    // Every part has a character in which the two base64 alphabets differ, and no part needs no padding.
    let is_distinctive =
        |token: &String| parts(token).iter().all(|part| part.contains(['-', '_']) && part.len() % 4 != 0);
    let mixed = "???a???aa???~~~a~~~aa~~~";
    let mut attempts = (0..1000).map(|n| {
        let padding = "x".repeat(n % 3);
        app.token()
            .header("x", format!("{mixed}{padding}"))
            .claim("x", format!("{mixed}{padding}{}", "x".repeat(n % 2)))
            .sign()
    });
    let t = attempts.find(is_distinctive).unwrap();
    let [h, p, s] = parts(&t);
    for (name, token) in [
        ("one part", h.to_owned()),
        ("two parts", format!("{h}.{p}")),
        ("four parts", format!("{t}.{s}")),
        ("five parts", format!("{h}.{p}.{s}.{s}.{s}")),
        ("six parts", format!("{t}.{t}")),
        ("empty header", format!(".{p}.{s}")),
        ("empty payload", format!("{h}..{s}")),
        ("leading dot", format!(".{t}")),
        ("trailing dot", format!("{t}.")),
        ("dots", "..".to_owned()),
        ("16000 dots", ".".repeat(16_000)),
        (
            "flattened JSON in base64url",
            encode(json!({"payload": p, "protected": h, "signature": s}).to_string()),
        ),
        (
            "JSON with an unprotected header only",
            encode(json!({"payload": p, "header": {"alg": "ES256"}, "signature": s}).to_string()),
        ),
    ] {
        for response in [app.present(&token).await, app.present(&token).await] {
            response.assert_rejected(TokenOpaque, name);
        }
    }
    app.present(&t).await.assert_accepted("the unaltered token");
    for padding in ["=", "==", "==="] {
        for token in [format!("{h}{padding}.{p}.{s}"), format!("{h}.{p}{padding}.{s}")] {
            app.present(&token).await.assert_rejected(MalformedRequest, "padding inside");
        }
        app.present(&format!("{t}{padding}")).await.assert_rejected(TokenMalformed, "padding at the end");
    }
    let standard = |part: &str| part.replace('-', "+").replace('_', "/");
    for (name, token) in [
        ("standard base64 alphabet in the header", format!("{}.{p}.{s}", standard(h))),
        ("standard base64 alphabet in the payload", format!("{h}.{}.{s}", standard(p))),
        ("standard base64 alphabet in the signature", format!("{h}.{p}.{}", standard(s))),
        ("tilde", format!("{h}.{p}.{s}~")),
        ("nonzero trailing bits in the header", format!("{}.{p}.{s}", with_trailing_bits(h))),
        ("nonzero trailing bits in the payload", format!("{h}.{}.{s}", with_trailing_bits(p))),
        ("nonzero trailing bits in the signature", format!("{h}.{p}.{}", with_trailing_bits(s))),
        ("a header of an impossible length", format!("{h}{}.{p}.{s}", "A".repeat(5 - h.len() % 4))),
    ] {
        assert_ne!(token, t, "{name}");
        app.present(&token).await.assert_rejected(TokenMalformed, name);
    }
    let unprotected = format!(r#"{{"header":{},"typ":"at+jwt"}}"#, header_json(&[], ""));
    app.present(&app.signed_header(unprotected))
        .await
        .assert_rejected(TokenMalformed, "alg outside of the protected header");
    for (name, token) in [
        ("nested", app.token().sign_claims(&t)),
        ("nested, with cty", app.token().header("cty", "JWT").sign_claims(&t)),
        ("nested, as a JSON string", app.token().header("cty", "JWT").sign_claims(json!(t).to_string())),
    ] {
        app.present(&token).await.assert_rejected(TokenMalformed, name);
    }
    app.present(&t).await.assert_accepted("the unaltered token, at the end");
}

/// Encodes the same octets with nonzero trailing bits.
fn with_trailing_bits(part: &str) -> String {
    let (body, last) = part.split_at(part.len() - 1);
    let place = ALPHABET.iter().position(|letter| [*letter] == last.as_bytes()).unwrap();
    format!("{body}{}", char::from(ALPHABET[place ^ 1]))
}

#[tokio::test(start_paused = true)]
async fn a_token_with_any_character_altered_is_rejected() {
    let app = App::new();
    let token = app.token().sign();
    for round in ["uncached", "cached"] {
        for place in 0..token.len() {
            let mut altered = token.clone().into_bytes();
            altered[place] = match ALPHABET.iter().position(|letter| *letter == altered[place]) {
                Some(letter) => ALPHABET[(letter + 1) % ALPHABET.len()],
                None => b'A',
            };
            let name = format!("{round}, character {place}");
            // An altered `kid` causes a fetch, within the rate limit.
            sleep(COOLDOWN).await;
            let response = app.present(std::str::from_utf8(&altered).unwrap()).await;
            response.assert_rejected(response.rejection().expect(&name).kind(), &name);
            assert_eq!(response.status(), 401, "{name}");
            assert_eq!(response.challenge().expect(&name).param("error"), Some("invalid_token"), "{name}");
        }
        app.present(&token).await.assert_accepted(round);
    }
    app.assert_fetched_only_configured_urls();
}

#[tokio::test(start_paused = true)]
async fn a_signature_of_the_wrong_length_or_value_is_rejected() {
    let keys = Keys::all();
    let app = keys.app(keys.idp.jwks());
    for algorithm in EVERY_ALGORITHM {
        let token = keys.sign(algorithm);
        let whole = decode(parts(&token)[2]);
        let len = whole.len();
        for (name, signature) in [
            ("empty", vec![]),
            ("one octet", whole[..1].to_vec()),
            ("half", whole[..len / 2].to_vec()),
            ("without its last octet", whole[..len - 1].to_vec()),
            ("without its first octet", whole[1..].to_vec()),
            ("one octet appended", [&whole[..], &[0]].concat()),
            ("one octet prepended", [&[0], &whole[..]].concat()),
            ("twice", [&whole[..], &whole[..]].concat()),
            ("all zero", vec![0; len]),
            ("all ones", vec![0xff; len]),
        ] {
            let name = &format!("{algorithm}: {name}");
            app.present(&with_signature(&token, &signature)).await.assert_rejected(SignatureMismatch, name);
        }
        app.present(&token).await.assert_accepted(algorithm.as_str());
    }
    let token = keys.sign(ES256);
    let whole = decode(parts(&token)[2]);
    for len in 0..64 {
        let response = app.present(&with_signature(&token, &whole[..len])).await;
        response.assert_rejected(SignatureMismatch, &format!("ES256: {len} octets"));
    }
}

#[tokio::test(start_paused = true)]
async fn an_unsecured_token_is_rejected() {
    let app = App::new();
    let valid = app.token().sign();
    let [_, payload, signature] = parts(&valid);
    for round in ["uncached", "cached"] {
        for alg in ["none", "None", "NONE", "nOnE", "", " none", "none ", "non\0e", "non\u{435}"] {
            for (header_name, left_out) in [("with kid", "alg"), ("without kid", "kid")] {
                let header = header_json(&["alg", left_out], &format!(r#""alg":{}"#, json!(alg)));
                for (signature_name, signature) in
                    [("no", ""), ("the valid", signature), ("a short", "AAAA"), ("a long", &encode([9; 64]))]
                {
                    let name = &format!("{round}: {alg:?} {header_name}, {signature_name} signature");
                    let token = format!("{}.{payload}.{signature}", encode(&header));
                    app.present(&token).await.assert_rejected(AlgorithmNotAllowed, name);
                }
            }
        }
        for alg in ["", r#""alg":1"#, r#""alg":null"#, r#""alg":["ES256"]"#, r#""alg":{}"#, r#""alg":true"#] {
            let header = encode(header_json(&["alg"], alg));
            for signature in ["", signature] {
                let response = app.present(&format!("{header}.{payload}.{signature}")).await;
                response.assert_rejected(TokenMalformed, &format!("{round}: {alg}"));
            }
        }
        app.present(&valid).await.assert_accepted(round);
    }
}

#[tokio::test(start_paused = true)]
async fn an_algorithm_that_is_not_allowed_is_rejected() {
    let keys = Keys::all();
    for allowed in EVERY_ALGORITHM {
        for (set, jwks) in
            [("keys with alg", keys.idp.jwks()), ("keys without alg", keys.without_algorithms())]
        {
            let app = keys.restricted(jwks, [allowed]);
            for algorithm in EVERY_ALGORITHM {
                let name = &format!("{allowed} allowed, {algorithm} sent, {set}");
                let response = app.present(&keys.sign(algorithm)).await;
                if algorithm == allowed {
                    response.assert_accepted(name);
                } else {
                    response.assert_rejected(AlgorithmNotAllowed, name);
                }
            }
        }
    }

    let (x, y) = (issuer("https://x.example"), issuer("https://y.example"));
    let [x_eddsa, y_eddsa] = [&x, &y].map(|idp| idp.add_key(EdDSA));
    let trusted_y = y.issuer().algorithms([EdDSA]);
    let client = x.http_client().and(y.http_client());
    let trusted_x = x.issuer().algorithms([ES256]);
    let app = App::reaching(client, x.clone(), trusted_x, |builder| builder.add_issuer(trusted_y));
    app.present(&base(&x).sign()).await.assert_accepted("X with its algorithm");
    app.present(&base(&y).key_id(&y_eddsa).sign()).await.assert_accepted("Y with its algorithm");
    let response = app.present(&base(&x).key_id(&x_eddsa).sign()).await;
    response.assert_rejected(AlgorithmNotAllowed, "X with the algorithm of Y");
    app.present(&base(&y).sign()).await.assert_rejected(AlgorithmNotAllowed, "Y with the algorithm of X");

    let app = App::new();
    for alg in [
        "rs256",
        "Es256",
        "es256",
        "eddsa",
        "EDDSA",
        "ed25519",
        "ED25519",
        "RS1",
        "HS1",
        "HS256",
        "HS384",
        "HS512",
        "ESP256",
        "ESP384",
        "ESP512",
        "ES256K",
        "ESB256",
        "Ed448",
        "XX256",
        "RS256 ",
        " ES256",
        "ES256\0",
        "ES-256",
        "RSA-OAEP",
        "RSA1_5",
        "A128KW",
        "dir",
        "ML-DSA-44",
        "https://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
    ] {
        let token = app.token().header("alg", alg).sign();
        app.present(&token).await.assert_rejected(AlgorithmNotAllowed, &format!("{alg:?}"));
    }
}

#[tokio::test(start_paused = true)]
async fn every_algorithm_is_verified_by_default() {
    let keys = Keys::all();
    let trusted = Issuer::with_static_jwks(ISSUER, keys.idp.jwks());
    let default = App::of(keys.idp.clone(), trusted, |builder| builder);
    let unnamed = keys.app(keys.without_algorithms());
    for algorithm in EVERY_ALGORITHM {
        let token = base(&keys.idp).key_id(keys.id(algorithm)).header("x", "y").sign();
        let [header, payload, signature] = parts(&token);
        let (header_octets, octets) = (decode(header), decode(signature));
        for (set, app) in [("keys with alg", &default), ("keys without alg", &unnamed)] {
            let name = &format!("{algorithm}, {set}");
            assert_eq!(app.present(&token).await.assert_accepted(name).subject(), Some("alice"), "{name}");
            let len = octets.len();
            for place in [0, 1, len / 4, len / 2 - 1, len / 2, len - 2, len - 1] {
                for bit in [0, 7] {
                    let mut octets = octets.clone();
                    octets[place] ^= 1 << bit;
                    let name = &format!("{name}: bit {bit} of octet {place} of the signature");
                    app.present(&with_signature(&token, &octets))
                        .await
                        .assert_rejected(SignatureMismatch, name);
                }
            }
            for (from, to) in [("alice", "alicf"), ("\"a b\"", "\"a c\""), ("app", "apq"), ("}", " }")] {
                let claims = String::from_utf8(decode(payload)).unwrap();
                let altered = claims.replacen(from, to, 1);
                assert_ne!(claims, altered, "{name}");
                let token = format!("{header}.{}.{signature}", encode(altered));
                let name = &format!("{name}: {from} replaced by {to} in the payload");
                app.present(&token).await.assert_rejected(SignatureMismatch, name);
            }
            for (from, to) in [("\"y\"", "\"z\""), ("at+jwt", "AT+jwt"), ("at+jwt", "JWT"), ("{", "{ ")] {
                let json = String::from_utf8(header_octets.clone()).unwrap();
                let altered = json.replacen(from, to, 1);
                assert_ne!(json, altered, "{name}");
                let token = format!("{}.{payload}.{signature}", encode(altered));
                let name = &format!("{name}: {from} replaced by {to} in the header");
                app.present(&token).await.assert_rejected(SignatureMismatch, name);
            }
        }
    }
    // Every algorithm with the key of every other. Only EdDSA and Ed25519 share keys (RFC 9864).
    for key in EVERY_ALGORITHM {
        for alg in EVERY_ALGORITHM {
            let name = &format!("a key for {key}, {alg} in the header");
            let token = base(&keys.idp).key_id(keys.id(key)).header("alg", alg.as_str()).sign();
            let response = default.present(&token).await;
            if key == alg || (is_edwards(key) && is_edwards(alg)) {
                response.assert_accepted(name);
            } else {
                response.assert_rejected(KeyUnknown, name);
            }
            let token = base(&keys.idp).key_id(keys.id(alg)).header("kid", keys.id(key)).sign();
            let response = default.present(&token).await;
            let name = &format!("signed with the key for {alg}, with the kid of {key}");
            if key == alg {
                response.assert_accepted(name);
            } else if is_edwards(key) && is_edwards(alg) {
                response.assert_rejected(SignatureMismatch, name);
            } else {
                response.assert_rejected(KeyUnknown, name);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_public_key_is_never_used_as_an_hmac_secret() {
    let keys = Keys::all();
    let jwks: Value = serde_json::from_str(&keys.idp.jwks()).unwrap();
    let named = keys.app(keys.idp.jwks());
    let unnamed = keys.app(keys.without_algorithms());
    for algorithm in [RS256, PS256, ES256] {
        let kid = keys.id(algorithm);
        let jwk = jwks["keys"].as_array().unwrap().iter().find(|jwk| jwk["kid"] == kid).unwrap();
        let mut secrets = secrets_of(jwk);
        secrets.push(("the whole set".to_owned(), jwks.to_string().into_bytes()));
        secrets.push(("an empty secret".to_owned(), vec![]));
        secrets.push(("the kid".to_owned(), kid.as_bytes().to_vec()));
        secrets.push(("one zero octet".to_owned(), vec![0]));
        for (secret_name, secret) in secrets {
            for alg in ["HS256", "HS384", "HS512"] {
                let header = json!({"alg": alg, "typ": "at+jwt", "kid": kid}).to_string();
                let token = hmac(&header, &claims_json(&[], ""), alg, &secret);
                for app in [&named, &unnamed] {
                    let name = &format!("{algorithm} key as {secret_name}, {alg}");
                    app.present(&token).await.assert_rejected(AlgorithmNotAllowed, name);
                }
                // The same octets with the `alg` of the key.
                let header = json!({"alg": algorithm.as_str(), "typ": "at+jwt", "kid": kid}).to_string();
                let token = hmac(&header, &claims_json(&[], ""), alg, &secret);
                let name = &format!("{algorithm} key as {secret_name}, {alg} with the alg of the key");
                named.present(&token).await.assert_rejected(SignatureMismatch, name);
            }
        }
    }
}

fn hmac(header: &str, claims: &str, alg: &str, secret: &[u8]) -> String {
    let input = format!("{}.{}", encode(header), encode(claims));
    let code = match alg {
        "HS256" => mac::<Hmac<Sha256>>(secret, &input),
        "HS384" => mac::<Hmac<Sha384>>(secret, &input),
        _ => mac::<Hmac<Sha512>>(secret, &input),
    };
    format!("{input}.{}", encode(code))
}

fn mac<M: Mac + KeyInit>(secret: &[u8], input: &str) -> Vec<u8> {
    let mac = <M as Mac>::new_from_slice(secret).unwrap();
    mac.chain_update(input).finalize().into_bytes().to_vec()
}

/// Every encoding of the key that a library might use as a secret.
fn secrets_of(jwk: &Value) -> Vec<(String, Vec<u8>)> {
    let mut secrets = vec![("its JWK".to_owned(), jwk.to_string().into_bytes())];
    let member = |name: &str| decode(jwk[name].as_str().unwrap());
    if jwk["kty"] == "RSA" {
        let (n, e) = (member("n"), member("e"));
        let pkcs1 = der(0x30, &[der_integer(&n), der_integer(&e)].concat());
        let rsa_encryption = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00";
        let spki = der(0x30, &[der(0x30, rsa_encryption), der(3, &[&[0], &pkcs1[..]].concat())].concat());
        push_pems(&mut secrets, "RSA PUBLIC KEY", &pkcs1);
        push_pems(&mut secrets, "PUBLIC KEY", &spki);
        let ssh = [ssh_string(b"ssh-rsa"), ssh_string(&e), ssh_string(&[&[0], &n[..]].concat())].concat();
        secrets.push(("OpenSSH".to_owned(), format!("ssh-rsa {}", STANDARD.encode(ssh)).into_bytes()));
        secrets.push(("n as text".to_owned(), jwk["n"].as_str().unwrap().into()));
        secrets.push(("modulus".to_owned(), n));
    } else {
        let point = [&[4], &member("x")[..], &member("y")].concat();
        let ids = b"\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07";
        let spki = der(0x30, &[der(0x30, ids), der(3, &[&[0], &point[..]].concat())].concat());
        push_pems(&mut secrets, "PUBLIC KEY", &spki);
        let ssh = [ssh_string(b"ecdsa-sha2-nistp256"), ssh_string(b"nistp256"), ssh_string(&point)].concat();
        let ssh = format!("ecdsa-sha2-nistp256 {}", STANDARD.encode(ssh));
        secrets.push(("OpenSSH".to_owned(), ssh.into_bytes()));
        secrets.push(("x as text".to_owned(), jwk["x"].as_str().unwrap().into()));
        secrets.push(("x".to_owned(), member("x")));
        secrets.push(("point".to_owned(), point));
    }
    secrets
}

fn push_pems(secrets: &mut Vec<(String, Vec<u8>)>, label: &str, octets: &[u8]) {
    let text = STANDARD.encode(octets);
    let lines: Vec<&str> =
        text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    let pem = format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"));
    let spellings = [
        ("PEM", pem.clone()),
        ("PEM with CRLF", pem.replace('\n', "\r\n")),
        ("PEM without the last line break", pem.trim_end().to_owned()),
        ("PEM after white space", format!(" \n{pem}")),
        ("PEM after a byte order mark", format!("\u{feff}{pem}")),
        ("base64", text),
    ];
    secrets.extend(spellings.map(|(name, text)| (format!("{label} {name}"), text.into_bytes())));
    secrets.push((format!("{label} DER"), octets.to_vec()));
}

/// A DER element (X.690 section 8.1).
fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let len = content.len().to_be_bytes();
    let short: Vec<u8> = len.into_iter().skip_while(|octet| *octet == 0).collect();
    let len = match short.as_slice() {
        [len @ 0..=0x7f] => vec![*len],
        long => [&[0x80 | long.len() as u8], long].concat(),
    };
    [&[tag], &len[..], content].concat()
}

fn der_integer(number: &[u8]) -> Vec<u8> {
    let number: Vec<u8> = number.iter().copied().skip_while(|octet| *octet == 0).collect();
    let sign: &[u8] = if number.first().is_none_or(|octet| *octet >= 0x80) { &[0] } else { &[] };
    der(2, &[sign, &number].concat())
}

fn ssh_string(octets: &[u8]) -> Vec<u8> {
    [&(octets.len() as u32).to_be_bytes()[..], octets].concat()
}

#[tokio::test(start_paused = true)]
async fn crit_and_b64_are_rejected() {
    let app = App::new();
    for more in [
        r#""crit":["x"],"x":1"#,
        r#""crit":["x"]"#,
        r#""crit":["exp"],"exp":1"#,
        r#""crit":["b64"],"b64":true"#,
        r#""crit":["b64"],"b64":false"#,
        r#""crit":["alg"]"#,
        r#""crit":["typ","kid"]"#,
        r#""crit":["x","x"]"#,
        r#""crit":[]"#,
        r#""crit":[""]"#,
        r#""crit":"exp""#,
        r#""crit":[1]"#,
        r#""crit":{}"#,
        r#""crit":null"#,
        r#""crit":false"#,
        r#""b64":false"#,
        r#""b64":true"#,
        r#""b64":null"#,
    ] {
        let token = app.signed_header(header_json(&[], more));
        app.present(&token).await.assert_rejected(CriticalHeaderUnsupported, more);
    }
    // RFC 7797: an unencoded payload, made of characters that a token may have.
    for more in [r#""b64":false,"crit":["b64"]"#, r#""b64":false"#] {
        let token = app.token().sign();
        let [_, _, signature] = parts(&token);
        let token = format!("{}.unencoded-payload.{signature}", encode(header_json(&[], more)));
        app.present(&token).await.assert_rejected(CriticalHeaderUnsupported, more);
        let raw = format!("{}.{}.{signature}", encode(header_json(&[], more)), claims_json(&[], ""));
        app.present(&raw).await.assert_rejected(MalformedRequest, more);
    }
    app.present(&app.token().header("Crit", vec!["x"]).sign()).await.assert_accepted("a member named Crit");
}

#[tokio::test(start_paused = true)]
async fn keys_and_urls_in_the_header_are_never_used() {
    let app = App::new();
    let forged = Data::read().forged;
    assert_eq!(forged.len(), 21);
    for forged in &forged {
        let kind = if forged.kid.as_deref() == Some("unknown") { KeyUnknown } else { SignatureMismatch };
        sleep(COOLDOWN).await;
        for response in [app.present(&forged.token).await, app.present(&forged.token).await] {
            response.assert_rejected(kind, &forged.name);
        }
    }
    let jwk: Value = serde_json::from_str(&app.idp.jwks()).unwrap();
    let jwk = jwk["keys"][0].clone();
    let canary = "https://canary.example/keys";
    for (name, token) in [
        ("the key of the issuer", app.token().header("jwk", jwk.clone())),
        ("certificate", app.token().header("x5c", vec!["MIIB"])),
        ("ill-typed", app.token().header("jwk", 1).header("x5c", 1).header("jku", 1).header("x5u", 1)),
        ("URL of a key set", app.token().header("jku", canary)),
        ("URL of a certificate", app.token().header("x5u", canary)),
        ("all of them", app.token().header("jwk", jwk.clone()).header("jku", canary).header("x5u", canary)),
    ] {
        app.present(&token.sign()).await.assert_accepted(name);
    }
    app.assert_fetched_only_configured_urls();

    let empty = App::new();
    empty.idp.set_jwks(Some(r#"{"keys":[]}"#.to_owned()));
    for token in
        forged.iter().map(|forged| forged.token.clone()).chain([empty.token().header("jwk", jwk).sign()])
    {
        empty.present(&token).await.assert_rejected(KeysUnavailable, "an empty key set");
    }
    empty.assert_fetched_only_configured_urls();
}

#[tokio::test(start_paused = true)]
async fn a_hostile_kid_is_only_compared_as_a_string() {
    let app = App::new();
    app.present(&app.token().sign()).await.assert_accepted("the keys are cached");
    let log = Log::start();
    let long = "A".repeat(10_000);
    for kid in [
        "../../etc/passwd",
        "' OR 1=1 --",
        "*)(uid=*",
        "a\0b",
        "\r\nX: y",
        "{{7*7}}",
        "${jndi:ldap://x}",
        "KEY-1",
        "key-1 ",
        " key-1",
        "key-1\0",
        "key",
        "k\u{e9}y-1",
        "\u{1f600}",
        "https://canary.example/key",
        "",
        &long,
    ] {
        let name = &format!("{kid:?}");
        sleep(COOLDOWN).await;
        let response = app.present(&app.token().header("kid", kid).sign()).await;
        response.assert_rejected(KeyUnknown, name);
        let rejection = response.rejection().unwrap();
        let sent_back = format!("{:?} {:?} {rejection}", response.headers(), response.body);
        // These also occur in fixed texts, and before the next field: the event names the key that is
        // expected.
        if !["", "key", "key-1 "].contains(&kid) {
            assert!(!sent_back.contains(kid), "{name} is in the response");
            assert!(!log.text().contains(kid), "{name} is in the log");
        }
    }
    assert!(log.text().contains("key_unknown"));
    app.assert_fetched_only_configured_urls();
    let before = app.idp.requests(Endpoint::Jwks);
    for kid in ["1", "null", "true", "[]", "{}", r#"["key-1"]"#] {
        let token = app.signed_header(header_json(&["kid"], &format!(r#""kid":{kid}"#)));
        app.present(&token).await.assert_rejected(TokenMalformed, kid);
    }
    assert_eq!(app.idp.requests(Endpoint::Jwks), before);
    app.present(&app.token().sign()).await.assert_accepted("the keys are still cached");

    for kid in ["\"", "a/b", "../x", "\u{1f600}", "", " ", "a\\b", "a\0b", "\n"] {
        let app = App::new();
        app.idp.set_jwks(Some(changed_keys(&app.idp, |key| key["kid"] = kid.into())));
        app.present(&app.token().header("kid", kid).sign()).await.assert_accepted(&format!("{kid:?}"));
        app.present(&app.token().sign()).await.assert_rejected(KeyUnknown, &format!("{kid:?}, another"));
    }
}

#[tokio::test(start_paused = true)]
async fn the_signature_covers_the_octets_as_received() {
    let app = App::new();
    let header = "\t{\r\n \"kid\" : \"key-1\" ,\"alg\":\"\\u00453256\", \"typ\":\"at+jwt\"} "
        .replace("\\u00453", "\\u0045S");
    let claims = format!(
        "{{ \"exp\" :1.8000003e9 ,\"aud\":[ \"{API}\" ],\n\"iss\":\"https:\\/\\/login.example.com\", \"sub\":\"\\u0061lice\"}}"
    );
    for (name, token) in [("header", app.signed_header(&header)), ("claims", app.signed_claims(&claims))] {
        assert_eq!(app.present(&token).await.assert_accepted(name).subject(), Some("alice"), "{name}");
        let [h, p, s] = parts(&token);
        let reencoded = |part: &str| {
            let json: Value = serde_json::from_slice(&decode(part)).unwrap();
            encode(json.to_string())
        };
        for (part, token) in
            [("header", format!("{}.{p}.{s}", reencoded(h))), ("claims", format!("{h}.{}.{s}", reencoded(p)))]
        {
            let response = app.present(&token).await;
            if part == name {
                response.assert_rejected(SignatureMismatch, &format!("{name} re-encoded"));
            } else {
                // Re-encoding a compact part gives the same octets.
                response.assert_accepted(&format!("{name}: {part} re-encoded"));
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_ecdsa_signature_is_accepted_in_its_jws_form_only() {
    let keys = Keys::all();
    let app = keys.app(keys.idp.jwks());
    let orders = [
        (ES256, "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551"),
        (
            ES384,
            "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973",
        ),
        (
            ES512,
            "01fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409",
        ),
    ];
    for (place, (algorithm, order)) in orders.iter().enumerate() {
        let token = keys.sign(*algorithm);
        let whole = decode(parts(&token)[2]);
        let half = whole.len() / 2;
        let (r, s) = whole.split_at(half);
        let n = hex(order);
        assert_eq!(n.len(), half, "{algorithm}");
        let other = with_len(&hex(orders[(place + 1) % 3].1), half);
        let (zero, one) = (vec![0; half], with_len(&[1], half));
        let der = der(0x30, &[der_integer(r), der_integer(s)].concat());
        for (name, signature) in [
            ("DER", der),
            ("without the last octet", whole[..whole.len() - 1].to_vec()),
            ("one octet appended", [&whole[..], &[0]].concat()),
            ("one octet prepended to each half", [&[0], r, &[0], s].concat()),
            ("one octet removed from each half", [&r[1..], &s[1..]].concat()),
            ("r is zero", [&zero, s].concat()),
            ("s is zero", [r, &zero].concat()),
            ("both are zero", [&zero[..], &zero].concat()),
            ("both are one", [&one[..], &one].concat()),
            ("r is the order", [&n, s].concat()),
            ("s is the order", [r, &n].concat()),
            ("both are the order", [&n[..], &n].concat()),
            ("r is the order of another curve", [&other, s].concat()),
            ("both are the order of another curve", [&other[..], &other].concat()),
            ("s before r", [s, r].concat()),
            ("all ones", vec![0xff; whole.len()]),
        ] {
            let name = &format!("{algorithm}: {name}");
            app.present(&with_signature(&token, &signature)).await.assert_rejected(SignatureMismatch, name);
        }
        app.present(&token).await.assert_accepted(algorithm.as_str());
    }
    assert_eq!(decode(parts(&keys.sign(ES512))[2]).len(), 132);
}

fn hex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks(2);
    digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

/// The last `len` octets of `number`, padded with leading zeros.
fn with_len(number: &[u8], len: usize) -> Vec<u8> {
    let padded = [&vec![0; len], number].concat();
    padded[padded.len() - len..].to_vec()
}

#[tokio::test(start_paused = true)]
async fn a_pss_signature_needs_the_hash_and_salt_length_of_its_algorithm() {
    let data = Data::read();
    let trusted = Issuer::with_static_jwks(ISSUER, data.jwks.to_string());
    let app = App::of(issuer(ISSUER), trusted, |builder| builder);
    assert_eq!(data.pss.iter().filter(|token| token.good).count(), 3);
    assert!(data.pss.len() > 20);
    for token in data.pss {
        let response = app.present(&token.token).await;
        if token.good {
            response.assert_accepted(&token.name);
        } else {
            response.assert_rejected(SignatureMismatch, &token.name);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_encrypted_token_is_rejected_without_decryption() {
    let app = App::new();
    let t = app.token().sign();
    let [header, payload, signature] = parts(&t);
    let five = |header: Value| {
        format!("{}.{}.AAAA.{}.AAAA", encode(header.to_string()), encode([1; 256]), encode([2; 64]))
    };
    for token in Data::read().encrypted {
        app.present(&token.token).await.assert_rejected(TokenOpaque, &token.name);
    }
    for (name, header) in [
        ("a direct key", json!({"alg": "dir", "enc": "A256GCM"})),
        ("ECDH", json!({"alg": "ECDH-ES", "enc": "A128GCM", "epk": {}})),
        ("key wrap", json!({"alg": "A128KW", "enc": "A128GCM"})),
        (
            "a password, with a huge iteration count",
            json!({"alg": "PBES2-HS256+A128KW", "enc": "A128GCM", "p2s": "AAAA", "p2c": 2_147_483_647}),
        ),
        ("compressed", json!({"alg": "dir", "enc": "A256GCM", "zip": "DEF"})),
        ("the header of a signed token", json!({"alg": "ES256", "kid": "key-1"})),
    ] {
        app.present(&five(header)).await.assert_rejected(TokenOpaque, name);
    }
    app.present(&format!("{header}.{payload}.{signature}.AAAA.AAAA"))
        .await
        .assert_rejected(TokenOpaque, "two more parts");
    for (name, alg) in
        [("RSA", "RSA-OAEP-256"), ("a direct key", "dir"), ("a password", "PBES2-HS256+A128KW")]
    {
        let json = json!({"alg": alg, "enc": "A256GCM", "zip": "DEF", "p2c": 2_147_483_647}).to_string();
        let token = format!("{}.{payload}.{signature}", encode(json));
        app.present(&token).await.assert_rejected(AlgorithmNotAllowed, &format!("{name}, in three parts"));
    }
    assert_eq!(app.net.urls(), Vec::<String>::new());
    // `enc` and `zip` have no meaning in a JWS. Its payload is never decompressed.
    app.present(&app.token().header("enc", "A256GCM").header("zip", "DEF").sign())
        .await
        .assert_accepted("signed");
}

#[tokio::test(start_paused = true)]
async fn no_encrypted_token_of_wycheproof_is_accepted() {
    let Some(folder) = std::env::var_os("JOSE_VECTORS") else {
        println!("skipped: JOSE_VECTORS is not set to a folder with test vectors");
        return;
    };
    let file = std::path::PathBuf::from(folder).join("wycheproof/json_web_encryption_test.json");
    let document: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let groups = document["testGroups"].as_array().unwrap().iter();
    let tests = groups.flat_map(|group| group["tests"].as_array().unwrap());
    let tokens: Vec<&str> = tests.filter_map(|test| test["jwe"].as_str()).collect();
    assert!(tokens.len() > 30);
    let app = App::new();
    for token in tokens {
        let response = app.present(token).await;
        assert_ne!(response.status(), 200, "{token}");
        assert!(!response.is_from_handler(), "{token}");
    }
    assert_eq!(app.net.urls(), Vec::<String>::new());
}

#[test]
fn deeply_nested_wide_and_dotted_tokens_are_rejected_within_a_small_stack() {
    // A quarter of the stack of tokio's threads. Unoptimized builds use more of it than release builds.
    let thread = std::thread::Builder::new().stack_size(512 * 1024).spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.unwrap().block_on(deep_wide_and_dotted());
    });
    thread.unwrap().join().unwrap();
}

async fn deep_wide_and_dotted() {
    let app = App::new();
    let members = |count: usize| {
        let members: Vec<String> = (0..count).map(|n| format!("\"m{n}\":0")).collect();
        members.join(",")
    };
    let nested = |open: &str, close: &str, depth: usize| {
        format!(r#""x":{}1{}"#, open.repeat(depth), close.repeat(depth))
    };
    for (name, more) in [
        ("arrays", nested("[", "]", 3000)),
        ("arrays, four levels too deep", nested("[", "]", 130)),
        ("unterminated arrays", format!(r#""x":{}"#, "[".repeat(5000))),
        ("objects", nested(r#"{"a":"#, "}", 1500)),
        ("objects and arrays", nested(r#"[{"a":"#, "}]", 1000)),
        ("many members", members(1000)),
        ("many members, nested", format!(r#""x":{{{}}}"#, members(513))),
        ("a number of 4000 digits", format!(r#""x":{}"#, "9".repeat(4000))),
    ] {
        let (claims, header) = (claims_json(&[], &more), header_json(&[], &more));
        let signed = [app.signed_claims(&claims), app.signed_header(&header)];
        let unsigned = [
            format!("{}.{}.AAAA", encode(header_json(&[], "")), encode(&claims)),
            format!("{}.{}.AAAA", encode(&header), encode(claims_json(&[], ""))),
        ];
        for token in signed.into_iter().chain(unsigned) {
            app.present(&token).await.assert_rejected(TokenMalformed, name);
        }
    }
    for claim in ["aud", "scope", "sub", "cnf", "exp"] {
        let deep = format!(r#""{claim}":{}{}"#, "[".repeat(3000), "]".repeat(3000));
        let token = app.signed_claims(claims_json(&[claim], &deep));
        app.present(&token).await.assert_rejected(TokenMalformed, &format!("{claim} of arrays"));
    }
    for (name, count, accepted) in [("513 members", 513, false), ("512 members", 512, true)] {
        let claims = app.signed_claims(claims_json(&[], &members(count - 8)));
        let header = app.signed_header(header_json(&[], &members(count - 3)));
        for token in [claims, header] {
            let response = app.present(&token).await;
            if accepted {
                response.assert_accepted(name);
            } else {
                response.assert_rejected(TokenMalformed, name);
            }
        }
    }
    for (name, more) in [
        ("arrays of the maximum depth", nested("[", "]", 126)),
        ("a long array", format!(r#""x":[{}0]"#, "0,".repeat(3000))),
        ("a number of 300 digits", format!(r#""x":{}"#, "9".repeat(300))),
        ("a number with 4000 decimals", format!(r#""x":0.{}"#, "3".repeat(4000))),
    ] {
        app.present(&app.signed_claims(claims_json(&[], &more))).await.assert_accepted(name);
    }
    for dots in [3, 1000, 16_000] {
        app.present(&".".repeat(dots)).await.assert_rejected(TokenOpaque, &format!("{dots} dots"));
        app.present(&"a.".repeat(dots / 2))
            .await
            .assert_rejected(TokenOpaque, &format!("{dots} letters and dots"));
    }
    for url in app.net.urls() {
        assert!(CONFIGURED_URLS.contains(&url.as_str()), "{url}");
    }
}
