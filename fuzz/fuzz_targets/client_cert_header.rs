//! Lines of the header `Client-Cert` (RFC 9440). Only the good value, byte for byte, is accepted.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use tower_bearer::certificates::Certificates;
use tower_bearer_fuzz::certificate::{Target, byte_sequence};

static TARGET: LazyLock<Target> = LazyLock::new(|| {
    let is_good = |value: &[u8]| value == byte_sequence().as_bytes();
    Target::new(Certificates::client_cert_header(), "client-cert", &byte_sequence(), is_good)
});

fuzz_target!(|input: &[u8]| TARGET.check(input));
