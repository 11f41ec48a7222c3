//! The configuration of introspection: which mistakes do not build, and that no secret is shown.

use std::time::Duration;

use tower_bearer::Algorithm;
use tower_bearer::builder::ConfigProblem;
use tower_bearer::testing::TestIssuer;
use tower_bearer::{
    BearerAuth, BearerAuthBuilder, ClientAuth, ConfigError, Introspection, Issuer, TokenSource,
};

use crate::support::introspected::introspection;
use crate::support::protected::API;

fn problems(issuers: impl IntoIterator<Item = Issuer>) -> ConfigError {
    let builder = BearerAuth::builder(API).http_client(TestIssuer::new().http_client());
    issuers.into_iter().fold(builder, BearerAuthBuilder::add_issuer).build().unwrap_err()
}

#[test]
fn ambiguous_opaque_tokens_are_a_config_error() {
    let issuer = |name: &str, introspection: Introspection| {
        Issuer::discover(format!("https://{name}.example")).introspect(introspection)
    };
    for (name, one, other) in [
        ("no setting", introspection(), introspection()),
        ("one default", introspection(), introspection().opaque_default()),
        ("two defaults", introspection().opaque_default(), introspection().opaque_default()),
        ("one prefix", introspection().opaque_prefix("x_"), introspection().opaque_prefix("x_")),
    ] {
        let error = problems([issuer("a", one), issuer("b", other)]);
        let issuers = ["https://a.example", "https://b.example"].map(str::to_owned).to_vec();
        let [ConfigProblem::OpaqueTokensAmbiguous { issuers: named, .. }] = error.problems() else {
            panic!("{name}: {error}");
        };
        assert_eq!(*named, issuers, "{name}");
        let remedies = [".opaque_prefix(", ".opaque_when(", ".opaque_default(", ".opaque_none("];
        assert!(remedies.iter().all(|remedy| error.to_string().contains(remedy)), "{name}: {error}");
    }
    let error = problems([issuer("a", introspection().opaque_prefix(""))]);
    assert!(error.to_string().contains("opaque_prefix is empty"), "{error}");
    let both = problems([
        issuer("a", introspection()),
        issuer("b", introspection()),
        issuer("c", introspection().opaque_prefix("x")),
        issuer("d", introspection().opaque_prefix("x")),
    ]);
    assert_eq!(both.problems().len(), 2, "{both}");
    for (name, one, other) in [
        ("prefixes", introspection().opaque_prefix("x"), introspection().opaque_prefix("xy")),
        ("a prefix and the default", introspection().opaque_prefix("x"), introspection()),
        ("predicates", introspection().opaque_when(|_| true), introspection().opaque_when(|_| true)),
        ("none and the default", introspection().opaque_none(), introspection()),
    ] {
        let builder = BearerAuth::builder(API).http_client(TestIssuer::new().http_client());
        let built = builder.issuer(issuer("a", one)).add_issuer(issuer("b", other)).build();
        assert!(built.is_ok(), "{name}: {:?}", built.err());
    }
}

#[test]
fn an_unusable_introspection_is_a_config_error_that_lists_all_problems() {
    let discover =
        |introspection: Introspection| Issuer::discover("https://a.example").introspect(introspection);
    let with = Introspection::with;
    let cases: Vec<(&str, Issuer, Vec<&str>)> = vec![
        ("no id", discover(with(ClientAuth::secret_basic("", "s"))), vec!["client identifier is empty"]),
        ("no secret", discover(with(ClientAuth::secret_post("a", ""))), vec!["client secret is empty"]),
        ("a line break", discover(with(ClientAuth::secret_basic("a", "s\n"))), vec!["line break"]),
        ("no token", discover(with(ClientAuth::bearer(""))), vec!["bearer token is empty"]),
        ("no certificate", discover(with(ClientAuth::mtls("a"))), vec!["Introspection::http_client"]),
        (
            "no keys and no introspection",
            Issuer::without_keys("https://a.example"),
            vec![".introspect(Introspection::with(", "has no keys and no introspection"],
        ),
        (
            "signed responses without keys",
            Issuer::without_keys("https://a.example").introspect(introspection().require_signed()),
            vec!["require_signed needs the keys of the issuer"],
        ),
        (
            "an http endpoint",
            discover(introspection().endpoint("http://u:p@a.example/introspect?secret=1")),
            vec!["http://a.example/introspect", "https URL"],
        ),
        ("no endpoint", discover(introspection().endpoint("")), vec!["introspection endpoint"]),
        (
            "no URL to discover the endpoint",
            Issuer::without_keys("accounts").introspect(introspection()),
            vec![".endpoint("],
        ),
        (
            "limits of zero",
            discover(introspection().timeout(Duration::ZERO).max_concurrent_calls(0).max_calls_per_minute(0)),
            vec!["timeout", "max_concurrent_calls", "max_calls_per_minute"],
        ),
        (
            "several problems",
            discover(
                with(ClientAuth::mtls(""))
                    .endpoint("ftp://a.example")
                    .opaque_prefix("")
                    .max_concurrent_calls(0),
            ),
            vec![
                "identifier is empty",
                "Introspection::http_client",
                "ftp://a.example",
                "opaque_prefix",
                "max_concurrent_calls",
            ],
        ),
        (
            "an invalid key set URL too",
            Issuer::with_jwks_url("https://a.example", "ftp://a.example/keys")
                .introspect(with(ClientAuth::secret_basic("", "s"))),
            vec!["ftp://a.example/keys", "client identifier is empty"],
        ),
        (
            "a rate limit too low for discovery",
            discover(introspection().max_calls_per_minute(2)),
            vec!["max_calls_per_minute", ".endpoint("],
        ),
    ];
    for (name, issuer, expected) in cases {
        let error = problems([issuer]);
        let text = error.to_string();
        assert!(expected.iter().all(|part| text.contains(part)), "{name}: {text}");
        assert_eq!(text.lines().count(), error.problems().len() + 1, "{name}: {text}");
        assert!(!text.contains("u:p") && !text.contains("secret=1"), "{name}: {text}");
    }
    let valid_zeros =
        introspection().active_ttl(Duration::ZERO).inactive_ttl(Duration::ZERO).max_queued_calls(0);
    let idp = TestIssuer::new();
    let builder = BearerAuth::builder(API).http_client(idp.http_client());
    assert!(builder.issuer(idp.issuer().introspect(valid_zeros)).build().is_ok());
}

#[test]
fn debug_output_of_a_configuration_shows_no_secret() {
    let secrets: [ClientAuth; 4] = [
        ClientAuth::secret_basic("orders-api", "s3cret-value"),
        ClientAuth::secret_post("orders-api", "s3cret-value"),
        ClientAuth::bearer("s3cret-value"),
        ClientAuth::bearer_from_fn(|| "s3cret-value".to_owned()),
    ];
    let idp = TestIssuer::new();
    for auth in secrets {
        let introspection =
            Introspection::with(auth.clone()).endpoint("https://a.example/i?key=s3cret-value");
        let issuer = Issuer::discover("https://a.example").introspect(introspection.clone());
        let builder = BearerAuth::builder(API)
            .issuer(issuer.clone())
            .add_token_source(TokenSource::query())
            .http_client(idp.http_client());
        let mut shown = format!("{auth:?}{introspection:?}{issuer:?}{builder:?}{builder:#?}");
        let built = builder.build().unwrap();
        shown.push_str(&format!("{built:?}{:?}{}", built.status(), built.bounds()));
        assert!(!shown.contains("s3cret"), "{shown}");
    }
}

#[test]
fn settings_without_effect_on_an_issuer_without_keys_are_config_errors() {
    let without_keys = || Issuer::without_keys("https://a.example").introspect(introspection());
    for (setting, issuer) in [
        ("strict_rfc9068", without_keys().strict_rfc9068()),
        ("algorithms", without_keys().algorithms([Algorithm::ES256])),
        ("dangerous_accept_type", without_keys().dangerous_accept_type("x+jwt")),
        ("seed_jwks", without_keys().seed_jwks("{}")),
        ("also_jwts", Issuer::without_keys("https://a.example").introspect(introspection().also_jwts())),
    ] {
        let error = problems([issuer]);
        let issuer = "https://a.example".to_owned();
        let [ConfigProblem::SettingNeedsKeys { issuer: at, setting: named, .. }] = error.problems() else {
            panic!("{setting}: {error}");
        };
        assert_eq!((at, *named), (&issuer, setting));
        assert!(error.to_string().contains("Issuer::discover"), "{error}");
    }
}
