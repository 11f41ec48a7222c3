//! Lines of Envoy's `x-forwarded-client-cert`. A value is accepted only if it is one element that names the
//! certificate and no other.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use tower_bearer::certificates::Certificates;
use tower_bearer_fuzz::certificate::{Target, is_xfcc};
use tower_bearer_fuzz::fixtures::CERTIFICATE_HASH;

static TARGET: LazyLock<Target> = LazyLock::new(|| {
    let good = format!("Hash={CERTIFICATE_HASH}");
    Target::new(Certificates::xfcc_header(), "x-forwarded-client-cert", &good, is_xfcc)
});

fuzz_target!(|input: &[u8]| TARGET.check(input));
