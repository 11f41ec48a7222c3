//! Measures tokens with a cached introspection response: `cargo bench --bench introspected`.

mod support;

use http::HeaderValue;
use support::auth::{warm, warm_up, with_introspection, with_static_keys};
use support::request::{NO_LAYER, bare, typical};
use support::signature::signature_check;
use support::table::Table;
use support::token::{bearer, issuer, token};
use tower_bearer::Algorithm;

fn main() {
    let table = Table::new();
    let issuer = issuer(Algorithm::RS256);
    let auth = warm(&issuer, [with_introspection(&issuer)]);
    let jwt_only = warm(&issuer, [with_static_keys(&issuer)]);
    let token = token(&issuer);
    let jwt = token.sign();
    let (opaque, header) = ([bearer(&token.opaque())], [bearer(&jwt)]);
    warm_up(&auth, &[&opaque[..], &header].concat());
    warm_up(&jwt_only, &header);
    let check = signature_check(&issuer, &jwt, Algorithm::RS256);
    for (name, headers) in [("opaque token", &opaque), ("RS256, also introspected", &header)] {
        let headers: &[HeaderValue] = headers;
        let row = |form: &str, baseline: &str| format!("{form}: {name}, cached response / {baseline}");
        let (measured, baseline) = (bare(&auth, headers, 200), bare(&NO_LAYER, headers, 200));
        table.compare(&row("bare", "no layer"), "<= 2.0", &measured, baseline);
        let cached_jwt = bare(&jwt_only, &header, 200);
        table.compare(&row("bare", "cached RS256, not introspected"), "", &measured, cached_jwt);
        table.compare(&row("bare", "RS256 signature check"), "", measured, &check);
        let (measured, baseline) = (typical(&auth, headers, 200), typical(&NO_LAYER, headers, 200));
        table.compare(&row("typical", "no layer"), "<= 2.0", measured, baseline);
    }
}
