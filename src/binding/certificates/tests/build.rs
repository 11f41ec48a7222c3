//! Problems of the settings.

use super::*;

#[test]
fn a_header_without_a_trusted_proxy_is_a_problem() {
    for (certificates, setting, value) in [
        (Certificates::client_cert_header(), "client_cert_header", "client-cert"),
        (Certificates::xfcc_header(), "xfcc_header", "x-forwarded-client-cert"),
        (Certificates::pem_header("x-client-cert"), "pem_header", "x-client-cert"),
        (Certificates::der_header("X-ARR-ClientCert"), "der_header", "X-ARR-ClientCert"),
    ] {
        let problems = problems(&certificates);
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert_eq!((problems[0].setting, problems[0].value.as_str()), (setting, value));
        assert!(problems[0].reason.starts_with("has no trusted proxy"), "{problems:?}");
        reader(&certificates.from_proxy("10.0.0.0/8"));
    }
}

#[test]
fn each_invalid_proxy_is_a_problem() {
    let certificates = Certificates::client_cert_header()
        .from_proxy("10.0.0.0/8")
        .from_proxy("proxy.internal")
        .from_proxy("0.0.0.0/0")
        .from_proxy("");
    let values: Vec<_> =
        problems(&certificates).into_iter().map(|fault| (fault.setting, fault.value)).collect();
    assert_eq!(values, ["proxy.internal", "0.0.0.0/0", ""].map(|value| ("from_proxy", value.to_owned())));
}

#[test]
fn a_header_name_that_is_malformed_or_has_another_meaning_is_a_problem() {
    for name in ["", "x client", "x-\u{e9}", "a:b", "a\r\nb", "Authorization", "cookie", "host", "DPoP"] {
        let problems = problems(&Certificates::pem_header(name).from_proxy("10.0.0.1"));
        assert_eq!(problems.len(), 1, "{name}");
        assert_eq!((problems[0].setting, problems[0].value.as_str()), ("pem_header", name));
    }
}

#[test]
fn all_problems_are_reported_at_once() {
    assert_eq!(problems(&Certificates::der_header("")).len(), 2);
    assert_eq!(problems(&Certificates::der_header("").from_proxy("x").from_proxy("y")).len(), 3);
}

#[test]
fn settings_of_a_header_are_a_problem_without_one() {
    for certificates in [Certificates::of_connection(), Certificates::from_fn(|_| None)] {
        for (changed, setting) in [
            (certificates.clone().from_proxy("10.0.0.0/8"), "from_proxy"),
            (certificates.clone().also_of_connection(), "also_of_connection"),
            (certificates.clone().keep_header(), "keep_header"),
            (certificates.clone().peer_address(|_| None), "peer_address"),
        ] {
            let problems = problems(&changed);
            assert_eq!(problems.iter().map(|fault| fault.setting).collect::<Vec<_>>(), [setting]);
        }
        assert!(reader(&certificates).header.is_none());
    }
    assert!(reader(&Certificates::xfcc_header().from_proxy("::1")).header.is_some());
}

#[test]
fn debug_shows_the_settings() {
    let shown = format!("{:?}", Certificates::pem_header("x-client-cert").from_proxy("10.0.0.1"));
    assert!(shown.contains("x-client-cert") && shown.contains("10.0.0.1"), "{shown}");
    assert!(format!("{:?}", Certificates::from_fn(|_| None)).contains("Function"));
}
