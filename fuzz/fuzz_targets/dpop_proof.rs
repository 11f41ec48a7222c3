//! Lines of the header `DPoP`, beside a token that is bound to a key. Only the good proof, byte for byte, is
//! accepted.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use tower_bearer_fuzz::builder;
use tower_bearer_fuzz::fixtures::{KEY_BOUND, PROOF};
use tower_bearer_fuzz::proof::Target;

static TARGET: LazyLock<Target> = LazyLock::new(|| {
    let target = Target::new(builder(), KEY_BOUND.to_owned());
    assert!(target.accepts(PROOF.as_bytes()), "the good proof is rejected");
    target
});

fuzz_target!(|input: &[u8]| {
    let is_good = input == PROOF.as_bytes();
    assert!(is_good || !TARGET.accepts(input), "accepted {:?}", String::from_utf8_lossy(input));
});
