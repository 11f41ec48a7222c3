//! Lines of a header with percent-encoded PEM. A value is accepted only if it is the certificate, whatever
//! its line breaks and escapes.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use tower_bearer::certificates::Certificates;
use tower_bearer_fuzz::certificate::{Target, escaped_pem, is_pem};

static TARGET: LazyLock<Target> = LazyLock::new(|| {
    Target::new(Certificates::pem_header("x-client-pem"), "x-client-pem", &escaped_pem(), is_pem)
});

fuzz_target!(|input: &[u8]| TARGET.check(input));
