//! Measures rejected requests, most without a signature check: `cargo bench --bench rejections`.

mod support;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderValue;
use support::auth::{cold, with_static_keys};
use support::request::{NO_LAYER, bare, typical};
use support::table::Table;
use support::token::{API, bearer, issuer, token};
use tower_bearer::{Algorithm, BearerAuth};

fn main() {
    let issuer = issuer(Algorithm::RS256);
    let trusted = with_static_keys(&issuer).algorithms([Algorithm::RS256]);
    let rejections = Rejections { auth: cold(&issuer, [trusted]), table: Table::new() };
    let valid = token(&issuer);

    rejections.compare("no header", Some(120), &[], 401);
    let basic = HeaderValue::from_static("Basic b3JkZXJzOmtlZXAgb3V0");
    rejections.compare("another scheme", None, &[basic], 401);
    for (name, token, status) in [
        ("8 KB of `x`", "x".repeat(8192), 401),
        ("8 KB of base64url", random(BASE64URL, 8192), 401),
        ("8 KB of base64url with two dots", [2731; 3].map(|length| random(BASE64URL, length)).join("."), 401),
        ("8 KB of base64url, `~` and `.`", random(&[BASE64URL, b"~."].concat(), 8192), 401),
        ("20 000 bytes, too large", "x".repeat(20_000), 400),
        ("`alg` none", unsigned(&valid.sign()), 401),
        ("`alg` HS256", valid.clone().header("alg", "HS256").sign(), 401),
        ("`alg` not allowed", valid.clone().header("alg", "ES384").sign(), 401),
    ] {
        rejections.compare(name, Some(300), &[bearer(&token)], status);
    }
    for (name, token) in [
        ("wrong issuer", valid.clone().claim("iss", "https://other.test").sign()),
        ("expired, after the signature check", valid.clone().expired().sign()),
        ("wrong audience, after the signature check", valid.claim("aud", format!("{API}/other")).sign()),
    ] {
        rejections.compare(name, None, &[bearer(&token)], 401);
    }
}

struct Rejections {
    auth: BearerAuth,
    table: Table,
}

impl Rejections {
    /// Compares with the same request to the same service without the layer.
    fn compare(&self, name: &str, limit: Option<u32>, headers: &[HeaderValue], status: u16) {
        let (measured, baseline) = (bare(&self.auth, headers, status), bare(&NO_LAYER, headers, 200));
        self.table.compare_excess(&format!("bare: {name} / no layer"), limit, measured, baseline);
        let (measured, baseline) = (typical(&self.auth, headers, status), typical(&NO_LAYER, headers, 200));
        self.table.compare_excess(&format!("typical: {name} / no layer"), limit, measured, baseline);
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
