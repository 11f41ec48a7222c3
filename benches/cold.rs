//! Measures uncached tokens with valid and invalid signatures: `cargo bench --bench cold`.

mod support;

use support::auth::{cold, with_static_keys};
use support::request::{NO_LAYER, bare};
use support::signature::signature_check;
use support::table::Table;
use support::token::{bearer, forge, issuer, token};
use tower_bearer::Algorithm;

fn main() {
    let table = Table::new();
    for (algorithm, target) in [
        (Algorithm::RS256, "<= 1.15"),
        (Algorithm::PS256, "<= 1.15"),
        (Algorithm::ES256, "<= 1.06"),
        (Algorithm::ES384, "<= 1.06"),
        (Algorithm::EdDSA, "<= 1.06"),
    ] {
        let issuer = issuer(algorithm);
        let auth = cold(&issuer, [with_static_keys(&issuer)]);
        let token = token(&issuer).sign();
        let check = signature_check(&issuer, &token, algorithm);
        let (valid, forged) = ([bearer(&token)], [bearer(&forge(&token))]);
        let (accepted, rejected) = (bare(&auth, &valid, 200), bare(&auth, &forged, 401));
        let no_layer = bare(&NO_LAYER, &valid, 200);
        let row = |name: &str| format!("{algorithm}: {name}");
        table.compare(&row("uncached / signature check"), target, &accepted, &check);
        table.compare(&row("uncached / no layer"), "", &accepted, &no_layer);
        table.compare(&row("invalid signature / signature check"), "<= 1.10", &rejected, &check);
    }
}
