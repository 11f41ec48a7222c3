//! Requests that are refused without looking at a signature, and two that are not: `cargo bench --bench refusals`.

mod support;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderValue;
use support::auth::{cold, with_static_keys};
use support::request::{NO_AUTH, bare, typical};
use support::table::Table;
use support::token::{API, bearer, issuer, token};
use tower_bearer::{Algorithm, BearerAuth};

fn main() {
    let issuer = issuer(Algorithm::RS256);
    let trusted = with_static_keys(&issuer).algorithms([Algorithm::RS256]);
    let refusals = Refusals { auth: cold(&issuer, [trusted]), table: Table::new() };
    let good = token(&issuer);

    refusals.compare("no header", Some(60), &[], 401);
    let basic = HeaderValue::from_static("Basic b3JkZXJzOmtlZXAgb3V0");
    refusals.compare("another scheme", None, &[basic], 401);
    for (name, token, status) in [
        ("8 KB of `x`", "x".repeat(8192), 401),
        ("8 KB of base64url", random(BASE64URL, 8192), 401),
        (
            "8 KB of base64url, two dots in it",
            [2731; 3].map(|length| random(BASE64URL, length)).join("."),
            401,
        ),
        ("8 KB of base64url, `~` and `.`", random(&[BASE64URL, b"~."].concat(), 8192), 401),
        ("20 000 bytes, too large", "x".repeat(20_000), 400),
        ("`alg` none", unsigned(&good.sign()), 401),
        ("`alg` HS256", good.clone().header("alg", "HS256").sign(), 401),
        ("`alg` that is not allowed", good.clone().header("alg", "ES384").sign(), 401),
    ] {
        refusals.compare(name, Some(300), &[bearer(&token)], status);
    }
    for (name, token) in [
        ("wrong issuer", good.clone().claim("iss", "https://other.test").sign()),
        ("expired, the signature is looked at first", good.clone().expired().sign()),
        ("wrong audience, the same", good.claim("aud", format!("{API}/other")).sign()),
    ] {
        refusals.compare(name, None, &[bearer(&token)], 401);
    }
}

struct Refusals {
    auth: BearerAuth,
    table: Table,
}

impl Refusals {
    /// Against the same request to the same service without a layer.
    fn compare(&self, name: &str, limit: Option<u32>, headers: &[HeaderValue], status: u16) {
        let (measured, yardstick) = (bare(&self.auth, headers, status), bare(&NO_AUTH, headers, 200));
        self.table.compare_excess(&format!("bare: {name} / no auth"), limit, measured, yardstick);
        let (measured, yardstick) = (typical(&self.auth, headers, status), typical(&NO_AUTH, headers, 200));
        self.table.compare_excess(&format!("typical: {name} / no auth"), limit, measured, yardstick);
    }
}

const BASE64URL: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

fn random(alphabet: &[u8], length: usize) -> String {
    (0..length).map(|_| char::from(alphabet[fastrand::usize(..alphabet.len())])).collect()
}

fn unsigned(token: &str) -> String {
    let (_, rest) = token.split_once('.').expect("a JWS");
    format!("{}.{rest}", URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#))
}
