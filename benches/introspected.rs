//! Tokens that the issuer was asked about, its answer remembered: `cargo bench --bench introspected`.

mod support;

use http::HeaderValue;
use support::auth::{asked_about_tokens, show, warm, with_static_keys};
use support::raw::raw_check;
use support::request::{NO_AUTH, bare, typical};
use support::table::Table;
use support::token::{bearer, issuer, token};
use tower_bearer::Algorithm;

fn main() {
    let table = Table::new();
    let issuer = issuer(Algorithm::RS256);
    let auth = warm(&issuer, [asked_about_tokens(&issuer)]);
    let not_asking = warm(&issuer, [with_static_keys(&issuer)]);
    let token = token(&issuer);
    let jwt = token.sign();
    let (opaque, header) = ([bearer(&token.opaque())], [bearer(&jwt)]);
    show(&auth, &[&opaque[..], &header].concat());
    show(&not_asking, &header);
    let raw = raw_check(&issuer, &jwt, Algorithm::RS256);
    for (name, headers) in [("opaque token", &opaque), ("RS256, asked about as well", &header)] {
        let headers: &[HeaderValue] = headers;
        let row = |form: &str, yardstick: &str| format!("{form}: {name}, answer remembered / {yardstick}");
        let (measured, yardstick) = (bare(&auth, headers, 200), bare(&NO_AUTH, headers, 200));
        table.compare(&row("bare", "no auth"), "<= 2.0", &measured, yardstick);
        let seen = bare(&not_asking, &header, 200);
        table.compare(&row("bare", "RS256 seen before, not asked about"), "", &measured, seen);
        table.compare(&row("bare", "raw check of RS256"), "", measured, &raw);
        let (measured, yardstick) = (typical(&auth, headers, 200), typical(&NO_AUTH, headers, 200));
        table.compare(&row("typical", "no auth"), "<= 2.0", measured, yardstick);
    }
}
