//! Tokens that were not seen before, good and forged: `cargo bench --bench cold`.

mod support;

use support::auth::{cold, with_static_keys};
use support::raw::raw_check;
use support::request::{NO_AUTH, bare};
use support::table::Table;
use support::token::{bearer, forge, issuer, token};
use tower_bearer::Algorithm;

fn main() {
    let table = Table::new();
    for (algorithm, target) in [
        (Algorithm::RS256, "<= 1.20"),
        (Algorithm::PS256, "<= 1.20"),
        (Algorithm::ES256, "<= 1.10"),
        (Algorithm::ES384, "<= 1.10"),
        (Algorithm::EdDSA, "<= 1.10"),
    ] {
        let issuer = issuer(algorithm);
        let auth = cold(&issuer, [with_static_keys(&issuer)]);
        let token = token(&issuer).sign();
        let raw = raw_check(&issuer, &token, algorithm);
        let (good, forged) = ([bearer(&token)], [bearer(&forge(&token))]);
        let (accepted, refused) = (bare(&auth, &good, 200), bare(&auth, &forged, 401));
        let no_auth = bare(&NO_AUTH, &good, 200);
        let row = |what: &str| format!("{algorithm}: {what}");
        table.compare(&row("not seen before / raw check"), target, &accepted, &raw);
        table.compare(&row("not seen before / no auth"), "", &accepted, &no_auth);
        table.compare(&row("bad signature / raw check"), "<= 1.08", &refused, &raw);
    }
}
