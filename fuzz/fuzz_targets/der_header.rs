//! Lines of a header with base64 DER. Only the good value, byte for byte, is accepted.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use tower_bearer::certificates::Certificates;
use tower_bearer_fuzz::certificate::Target;
use tower_bearer_fuzz::fixtures::CERTIFICATE;

static TARGET: LazyLock<Target> = LazyLock::new(|| {
    let is_good = |value: &[u8]| value == CERTIFICATE.as_bytes();
    Target::new(Certificates::der_header("x-client-der"), "x-client-der", CERTIFICATE, is_good)
});

fuzz_target!(|input: &[u8]| TARGET.check(input));
