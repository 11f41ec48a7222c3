//! Who is asked about which token, and who never is.

use std::time::Duration;

use serde_json::json;
use tower_bearer::builder::ConfigProblem;
use tower_bearer::testing::{Endpoint, Fault, TestIssuer};
use tower_bearer::time::Clock;
use tower_bearer::{
    BearerAuth, BearerAuthBuilder, ClientAuth, ConfigError, Introspection, Issuer, TokenSource,
};

use super::{Api, introspection};
use crate::support::keys::encode;
use crate::support::protected::{API, Protected};

/// Texts that nobody takes for a JWT in the form of a JWS.
const OPAQUE: [&str; 11] = [
    "2YotnFZFEjr1zCsicMWpAA",
    "ory_at_abc.def",
    "mF_9.B5f-4.1JqM",
    "v4.public.eyJhIjoxfQ",
    "a.b.c.d",
    "mF_9.B5f-4.1JqM.mF_9.B5f-4",
    "a.b.c.d.e.f",
    "a.b.c.d.e.f.g",
    "W10.e30.AA",
    "eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIn0..aXY.Y2lwaGVydGV4dA.dGFn",
    "abc/+~-_.==",
];

#[tokio::test(start_paused = true)]
async fn what_is_no_jws_is_asked_about() {
    let api = Api::new();
    for (before, token) in OPAQUE.into_iter().enumerate() {
        api.token().opaque_as(token);
        assert_eq!(api.kind(token).await, "ok", "{token}");
        assert_eq!(api.asked(), before + 1, "{token}");
    }
    let jwts_alone = Api::with(|issuer| issuer);
    for token in OPAQUE {
        let kind = jwts_alone.kind(token).await;
        assert!(["token_opaque", "token_malformed"].contains(&kind.as_str()), "{token}: {kind}");
    }
    assert_eq!(jwts_alone.asked(), 0);
}

/// Every way for a JWS of this issuer to be bad, and what it is refused for.
fn bad_jws(api: &Api) -> Vec<(&'static str, String, &'static str)> {
    let (token, now) = (api.token(), api.now());
    let good = token.sign();
    let (input, signature) = good.rsplit_once('.').unwrap();
    let (header, behind) = good.split_once('.').unwrap();
    let last = signature.chars().last().unwrap();
    // The last character of 64 octets has four bits to spare, which must be zero.
    let other_last = char::from(last as u8 + 1);
    let none = encode(json!({"alg": "none", "typ": "at+jwt"}).to_string());
    let claims = |text: &str| token.sign_claims(text);
    let iss = api.idp.identifier();
    let good_claims = format!(r#""aud":"{API}","exp":{},"sub":"alice""#, now + 60);
    vec![
        ("expired", token.clone().expired().sign(), "token_expired"),
        ("of another audience", token.clone().claim("aud", "https://x.example").sign(), "audience_mismatch"),
        ("without audience", token.clone().without("aud").sign(), "claim_missing"),
        ("not yet valid", token.clone().claim("nbf", now + 60).sign(), "token_not_yet_valid"),
        ("bound", token.clone().claim("cnf", json!({"jkt": "x"})).sign(), "sender_not_proven"),
        ("another signature", format!("{input}.{}", encode([9; 64])), "signature_mismatch"),
        ("a short signature", format!("{input}.{}", &signature[..40]), "signature_mismatch"),
        ("no signature", format!("{input}."), "signature_mismatch"),
        (
            "other claims",
            format!("{header}.{}.{signature}", encode(format!(r#"{{"iss":"{iss}",{good_claims}}}"#))),
            "signature_mismatch",
        ),
        ("alg none", format!("{none}.{}.", behind.split_once('.').unwrap().0), "algorithm_not_allowed"),
        ("alg none, signed", token.clone().header("alg", "none").sign(), "algorithm_not_allowed"),
        ("HS256", token.clone().header("alg", "HS256").sign(), "algorithm_not_allowed"),
        ("another alg", token.clone().header("alg", "RS256").sign(), "key_unknown"),
        ("an unknown alg", token.clone().header("alg", "XX1").sign(), "algorithm_not_allowed"),
        ("crit", token.clone().header("crit", json!(["exp"])).sign(), "critical_header_unsupported"),
        ("b64", token.clone().header("b64", false).sign(), "critical_header_unsupported"),
        ("an unknown kid", token.clone().header("kid", "nobody").sign(), "key_unknown"),
        ("another type", token.clone().header("typ", "logout+jwt").sign(), "type_mismatch"),
        ("an ID token", token.clone().claim("at_hash", "x").sign(), "id_token_presented"),
        ("padding in the signature", format!("{good}=="), "token_malformed"),
        ("padding in the header", format!("{header}=.{behind}"), "malformed_request"),
        ("bits to spare", format!("{}{other_last}", &good[..good.len() - 1]), "token_malformed"),
        ("the other alphabet", format!("{}+/", &good[..good.len() - 2]), "token_malformed"),
        (
            "the other alphabet in the header",
            format!("{}/.{behind}", &header[..header.len() - 1]),
            "token_malformed",
        ),
        ("a header member twice", token.sign_header(r#"{"alg":"ES256","alg":"ES256"}"#), "token_malformed"),
        ("a header cut short", format!("{}.{behind}", &header[..header.len() - 4]), "token_malformed"),
        (
            "a header that is not complete",
            format!("{}.{behind}", encode(format!(" \n{}", r#"{"alg":"ES256"#))),
            "token_malformed",
        ),
        (
            "a claim twice",
            claims(&format!(r#"{{"iss":"{iss}","iss":"{iss}",{good_claims}}}"#)),
            "token_malformed",
        ),
        ("claims that are no object", claims("[]"), "token_malformed"),
        ("claims that are no text", token.sign_claims([0xff]), "token_malformed"),
        ("an unknown issuer", token.clone().claim("iss", "https://x.example").sign(), "issuer_unknown"),
        ("almost the issuer", token.clone().claim("iss", format!("{iss}/")).sign(), "issuer_unknown"),
        ("several issuers", token.clone().claim("iss", json!([iss])).sign(), "claim_ill_typed"),
        ("no issuer", token.clone().without("iss").sign(), "claim_missing"),
        (
            "no issuer and no alg",
            token.clone().without("iss").header("alg", json!(null)).sign(),
            "token_malformed",
        ),
    ]
}

/// The issuer would say that each of these is active: it may be told, and is not.
#[tokio::test(start_paused = true)]
async fn a_jws_that_fails_a_check_is_shown_to_nobody() {
    let accept = |api: Api| {
        api.idp.set_fault(
            Endpoint::Introspection,
            Some(Fault::Body(json!({"active": true, "aud": API, "exp": api.now() + 60}).to_string())),
        );
        api
    };
    for (configuration, api) in [
        ("opaque tokens", accept(Api::new())),
        ("JWTs too", accept(Api::asking(introspection().also_jwts()))),
        ("by a rule", accept(Api::asking(introspection().also_jwts_when(|_| true).opaque_when(|_| true)))),
        ("by a prefix", accept(Api::asking(introspection().opaque_prefix("e")))),
    ] {
        for (name, token, expected) in bad_jws(&api) {
            assert_eq!(api.kind(&token).await, expected, "{configuration}: {name}");
            assert!(!api.auth.explain(&token).await.is_accepted(), "{configuration}: {name}");
        }
        assert_eq!(api.asked(), 0, "{configuration}");
        assert_eq!(api.kind(OPAQUE[0]).await == "ok", configuration != "by a prefix", "{configuration}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_jws_of_which_one_letter_was_altered_is_shown_to_nobody() {
    let api = Api::asking(introspection().also_jwts());
    let good = api.token().sign();
    assert_eq!(api.kind(&good).await, "ok");
    assert_eq!(api.asked(), 1);
    // Without the name `alg`, in the first eight letters, it is no JOSE header any more.
    for at in (8..good.len()).filter(|at| good.as_bytes()[*at] != b'.') {
        for letter in ['A', 'e', '_', '+', '~'] {
            let altered = format!("{}{letter}{}", &good[..at], &good[at + 1..]);
            if altered != good {
                assert_ne!(api.kind(&altered).await, "ok", "{altered}");
                assert_eq!(api.asked(), 1, "{altered}");
            }
        }
    }
}

type Configure = fn(Issuer) -> Issuer;

/// Issuers that introspect, each in its way, behind one API.
struct Many {
    idps: Vec<TestIssuer>,
    api: Protected,
    auth: BearerAuth,
}

impl Many {
    fn new<const N: usize>(issuers: [(&str, Configure); N]) -> Self {
        let idps: Vec<TestIssuer> = issuers
            .iter()
            .map(|(name, _)| TestIssuer::in_memory(format!("https://{name}.example")))
            .collect();
        let mut builder = BearerAuth::builder(API).clock(idps[0].clock());
        let mut client = idps[0].http_client();
        for (idp, (_, configure)) in idps.iter().zip(issuers) {
            builder = builder.add_issuer(configure(idp.issuer()));
            client = client.and(idp.http_client());
        }
        let auth = builder.http_client(client).build().unwrap();
        Self { api: Protected::by(&auth), auth, idps }
    }

    /// Who was asked about `token`, which all of them know, and the kind of the answer.
    async fn asked(&self, token: &str) -> (Vec<&str>, String) {
        let counts = || self.idps.iter().map(|idp| idp.requests(Endpoint::Introspection)).collect::<Vec<_>>();
        self.idps.iter().for_each(|idp| idp.token(API).opaque_as(token));
        let before = counts();
        let kind = self.api.kind(token).await;
        let asked = self.idps.iter().zip(before.into_iter().zip(counts()));
        let asked = asked.filter(|(_, (before, after))| before != after).map(|(idp, _)| idp.identifier());
        (asked.collect(), kind)
    }
}

#[tokio::test(start_paused = true)]
async fn an_opaque_token_is_shown_to_the_one_issuer_that_it_belongs_to() {
    let many = Many::new([
        ("short", |issuer| issuer.introspect(introspection().opaque_prefix("x_"))),
        ("long", |issuer| issuer.introspect(introspection().opaque_prefix("x_y_"))),
        ("rule", |issuer| issuer.introspect(introspection().opaque_when(|token| token.contains("rule")))),
        ("other", |issuer| issuer.introspect(introspection().opaque_when(|token| token.contains("other")))),
        ("rest", |issuer| issuer.introspect(introspection().opaque_default())),
        ("never", |issuer| issuer.introspect(introspection().opaque_none().also_jwts())),
        ("plain", |issuer| issuer),
    ]);
    for (token, expected) in [
        ("x_abc", Some("https://short.example")),
        ("x_y_abc", Some("https://long.example")),
        ("x_y", Some("https://short.example")),
        ("x_rule", Some("https://short.example")),
        ("a-rule", Some("https://rule.example")),
        ("another", Some("https://other.example")),
        ("abc", Some("https://rest.example")),
        ("X_abc", Some("https://rest.example")),
        ("ax_abc", Some("https://rest.example")),
        ("rule-and-other", None),
    ] {
        let (asked, kind) = many.asked(token).await;
        assert_eq!(asked, expected.into_iter().collect::<Vec<_>>(), "{token}");
        assert_eq!(kind, if expected.is_some() { "ok" } else { "token_opaque" }, "{token}");
        assert_eq!(many.auth.explain(token).await.is_accepted(), expected.is_some(), "{token}");
    }
    let named = many.api.get("x_y_abc").await;
    assert_eq!(named.token().unwrap().issuer(), "https://long.example");
}

#[tokio::test(start_paused = true)]
async fn an_opaque_token_that_nobody_claims_is_shown_to_nobody() {
    let many = Many::new([
        ("prefix", |issuer| issuer.introspect(introspection().opaque_prefix("x_"))),
        ("rule", |issuer| issuer.introspect(introspection().opaque_when(|_| false))),
        ("never", |issuer| issuer.introspect(introspection().opaque_none())),
    ]);
    for token in OPAQUE {
        let (asked, kind) = many.asked(token).await;
        assert!(asked.is_empty(), "{token}: {asked:?}");
        assert!(["token_opaque", "token_malformed"].contains(&kind.as_str()), "{token}: {kind}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_token_of_one_issuer_is_never_active_by_the_word_of_another() {
    let many = Many::new([
        ("a", |issuer| issuer.introspect(introspection().opaque_prefix("a_"))),
        ("b", |issuer| issuer.introspect(introspection().opaque_default())),
    ]);
    let [a, b] = &many.idps[..] else { panic!() };
    a.token(API).opaque_as("b_token");
    assert_eq!(many.api.kind("b_token").await, "token_inactive", "it is of a, and b is asked");
    b.token(API).opaque_as("a_token");
    assert_eq!(many.api.kind("a_token").await, "token_inactive");
    // An answer that names somebody else is not taken for that one's word.
    b.token(API).claim("iss", a.identifier()).opaque_as("c_token");
    assert_eq!(many.api.kind("c_token").await, "issuer_unknown");
}

#[tokio::test(start_paused = true)]
async fn every_token_that_names_an_issuer_without_keys_goes_to_it_and_no_other() {
    let (keyless, keyed) =
        (TestIssuer::in_memory("https://keyless.example"), TestIssuer::in_memory("https://keyed.example"));
    keyed.clock().set(keyless.clock().now());
    let auth = BearerAuth::builder(API)
        .clock(keyless.clock())
        .issuer(Issuer::without_keys(keyless.identifier()).introspect(introspection()))
        .add_issuer(keyed.issuer())
        .http_client(keyless.http_client().and(keyed.http_client()))
        .build()
        .unwrap();
    let api = Protected::by(&auth);
    let asked = || keyless.requests(Endpoint::Introspection);

    let es256 = keyless.token(API).subject("es256").sign();
    let hs256 = keyless.token(API).header("alg", "HS256").header("kid", json!(null)).sign();
    keyless.token(API).subject("hs256").opaque_as(&hs256);
    for (token, subject) in [(&es256, "es256"), (&hs256, "hs256")] {
        let before = asked();
        let answer = api.get(token).await;
        assert_eq!(answer.kind(), "ok", "{subject}");
        assert_eq!((answer.token().unwrap().subject(), asked()), (Some(subject), before + 1));
        assert!(auth.explain(token).await.is_accepted(), "{subject}");
    }
    keyless.revoke(&es256);
    let expired = keyless.token(API).expired().sign();
    let foreign = keyless.token("https://other.example").sign();
    for (name, token, expected) in
        [("expired", expired, "token_inactive"), ("for another API", foreign, "audience_mismatch")]
    {
        assert_eq!(api.kind(&token).await, expected, "{name}");
    }

    // What is of the other issuer, or of none, is not shown to it.
    let before = asked();
    for (name, token, expected) in [
        ("good", keyed.token(API).sign(), "ok"),
        ("expired", keyed.token(API).expired().sign(), "token_expired"),
        ("HS256", keyed.token(API).header("alg", "HS256").sign(), "algorithm_not_allowed"),
        ("of nobody", keyed.token(API).claim("iss", "https://x.example").sign(), "issuer_unknown"),
        ("without issuer", keyed.token(API).without("iss").sign(), "claim_missing"),
        (
            "two issuers",
            keyed.token(API).sign_claims(
                r#"{"iss":"https://keyless.example","iss":"https://keyed.example","exp":9999999999}"#,
            ),
            "token_malformed",
        ),
    ] {
        assert_eq!(api.kind(&token).await, expected, "{name}");
    }
    assert_eq!(asked(), before);
    assert_eq!(keyless.requests(Endpoint::Jwks), 0, "it has no keys to fetch");
    let keys = auth.status().into_iter().map(|status| status.keys().is_some()).collect::<Vec<_>>();
    assert_eq!(keys, [true, false]);
}

fn problems(issuers: impl IntoIterator<Item = Issuer>) -> ConfigError {
    let builder = BearerAuth::builder(API).http_client(TestIssuer::new().http_client());
    issuers.into_iter().fold(builder, BearerAuthBuilder::add_issuer).build().unwrap_err()
}

#[test]
fn a_configuration_that_shows_tokens_to_several_issuers_does_not_build() {
    let issuer = |name: &str, introspection: Introspection| {
        Issuer::discover(format!("https://{name}.example")).introspect(introspection)
    };
    for (name, one, other) in [
        ("nothing said", introspection(), introspection()),
        ("one default said", introspection(), introspection().opaque_default()),
        ("two defaults", introspection().opaque_default(), introspection().opaque_default()),
        ("one prefix", introspection().opaque_prefix("x_"), introspection().opaque_prefix("x_")),
    ] {
        let error = problems([issuer("a", one), issuer("b", other)]);
        let issuers = ["https://a.example", "https://b.example"].map(str::to_owned).to_vec();
        assert!(
            matches!(error.problems(), [ConfigProblem::OpaqueTokensAmbiguous { issuers: named, .. }] if *named == issuers),
            "{name}: {error}"
        );
        let mends = [".opaque_prefix(", ".opaque_when(", ".opaque_default(", ".opaque_none("];
        assert!(mends.iter().all(|mend| error.to_string().contains(mend)), "{name}: {error}");
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
        ("a prefix and the rest", introspection().opaque_prefix("x"), introspection()),
        ("rules", introspection().opaque_when(|_| true), introspection().opaque_when(|_| true)),
        ("none and the rest", introspection().opaque_none(), introspection()),
    ] {
        let builder = BearerAuth::builder(API).http_client(TestIssuer::new().http_client());
        let built = builder.issuer(issuer("a", one)).add_issuer(issuer("b", other)).build();
        assert!(built.is_ok(), "{name}: {:?}", built.err());
    }
}

#[test]
fn an_introspection_that_cannot_work_does_not_build_and_all_is_told_at_once() {
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
            vec![".introspect(Introspection::with(", "no keys and no introspection"],
        ),
        (
            "signed by nobody",
            Issuer::without_keys("https://a.example").introspect(introspection().require_signed()),
            vec!["signed answers are required of an issuer without keys"],
        ),
        (
            "an endpoint in clear",
            discover(introspection().endpoint("http://u:p@a.example/introspect?secret=1")),
            vec!["http://a.example/introspect", "https URL"],
        ),
        ("no endpoint", discover(introspection().endpoint("")), vec!["introspection endpoint"]),
        (
            "nowhere to look for the endpoint",
            Issuer::without_keys("accounts").introspect(introspection()),
            vec![".endpoint("],
        ),
        (
            "zeros",
            discover(
                introspection()
                    .max_cached_tokens(0)
                    .max_cache_bytes(0)
                    .timeout(Duration::ZERO)
                    .max_concurrent_calls(0)
                    .max_calls_per_minute(0),
            ),
            vec![
                "max_cached_tokens",
                "max_cache_bytes",
                "timeout",
                "max_concurrent_calls",
                "max_calls_per_minute",
            ],
        ),
        (
            "everything",
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
            "beside keys that cannot be fetched",
            Issuer::with_jwks_url("https://a.example", "ftp://a.example/keys")
                .introspect(with(ClientAuth::secret_basic("", "s"))),
            vec!["ftp://a.example/keys", "client identifier is empty"],
        ),
        (
            "a limit too low to find the endpoint",
            discover(introspection().max_calls_per_minute(2)),
            vec!["max_calls_per_minute", ".endpoint("],
        ),
    ];
    for (name, issuer, told) in cases {
        let error = problems([issuer]);
        let text = error.to_string();
        assert!(told.iter().all(|told| text.contains(told)), "{name}: {text}");
        assert_eq!(text.lines().count(), error.problems().len() + 1, "{name}: {text}");
        assert!(!text.contains("u:p") && !text.contains("secret=1"), "{name}: {text}");
    }
    let zero_is_a_word =
        introspection().active_ttl(Duration::ZERO).inactive_ttl(Duration::ZERO).max_queued_calls(0);
    let idp = TestIssuer::new();
    let builder = BearerAuth::builder(API).http_client(idp.http_client());
    assert!(builder.issuer(idp.issuer().introspect(zero_is_a_word)).build().is_ok());
}

#[test]
fn no_secret_of_a_configuration_is_shown() {
    let secrets: [ClientAuth; 4] = [
        ClientAuth::secret_basic("orders-api", "s3cret-value"),
        ClientAuth::secret_post("orders-api", "s3cret-value"),
        ClientAuth::bearer("s3cret-value"),
        ClientAuth::bearer_from(|| "s3cret-value".to_owned()),
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

#[tokio::test(start_paused = true)]
async fn a_refused_jwt_is_no_opaque_token_with_more_or_fewer_dots() {
    // An issuer that looks at the first three parts and calls everything active.
    let api = Api::with(|issuer| issuer.strict_rfc9068().introspect(introspection()));
    let refused = api.token().header("typ", "JWT").sign();
    api.idp.token(API).opaque_as(&refused);
    assert_eq!(api.kind(&refused).await, "type_mismatch");
    let (unsigned, _) = refused.rsplit_once('.').unwrap();
    let (header, claims) = unsigned.split_once('.').unwrap();
    for altered in [
        format!("{refused}."),
        format!(".{refused}"),
        format!("..{refused}"),
        format!("{refused}.."),
        format!("{refused}.AA.AA"),
        format!("{refused}.AA.AA.AA"),
        format!("{header}.."),
        format!("{header}.{claims}"),
        format!("{unsigned}."),
        format!("{header}~.{claims}.AA."),
    ] {
        api.idp.token(API).opaque_as(&altered);
        let kind = api.kind(&altered).await;
        assert!(["token_opaque", "token_malformed", "type_mismatch"].contains(&&*kind), "{altered}: {kind}");
        assert!(!api.auth.explain(&altered).await.is_accepted(), "{altered}");
    }
    assert_eq!(api.asked(), 0);
    // Encrypted, for whoever can read it.
    let encrypted = format!("{}..aaaa.bbbb.cccc", encode(r#"{"alg":"dir","enc":"A128GCM"}"#));
    api.token().opaque_as(&encrypted);
    assert_eq!((api.kind(&encrypted).await.as_str(), api.asked()), ("ok", 1));
}

#[test]
fn what_looks_like_a_protection_of_an_issuer_without_keys_must_be_one() {
    let without_keys = || Issuer::without_keys("https://a.example").introspect(introspection());
    for (setting, issuer) in [
        ("strict_rfc9068", without_keys().strict_rfc9068()),
        ("algorithms", without_keys().algorithms([tower_bearer::Algorithm::ES256])),
        ("dangerous_accept_type", without_keys().dangerous_accept_type("x+jwt")),
        ("seed_jwks", without_keys().seed_jwks("{}")),
        ("also_jwts", Issuer::without_keys("https://a.example").introspect(introspection().also_jwts())),
    ] {
        let error = problems([issuer]);
        let issuer = "https://a.example".to_owned();
        assert!(
            matches!(error.problems(), [ConfigProblem::SettingNeedsKeys { issuer: at, setting: named, .. }] if *at == issuer && *named == setting),
            "{error}"
        );
        assert!(error.to_string().contains("Issuer::discover"), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_issuer_without_keys_is_asked_about_jwts_also_where_it_takes_no_opaque_tokens() {
    let idp = TestIssuer::new();
    let how = introspection().endpoint(idp.introspection_url()).opaque_none();
    let issuer = Issuer::without_keys(idp.identifier()).introspect(how);
    let builder = BearerAuth::builder(API).clock(idp.clock()).http_client(idp.http_client());
    let auth = builder.issuer(issuer).build().unwrap();
    let api = Protected::by(&auth);
    assert_eq!(api.kind(idp.token(API).sign()).await, "ok");
    assert_eq!(api.kind(idp.token(API).opaque()).await, "token_opaque");
    let bounds = auth.bounds();
    assert_eq!(bounds.outage().value(), Some(Duration::ZERO));
    assert_eq!(bounds.revoked_introspected_token().value(), Some(Duration::from_secs(30)));
    assert_eq!(bounds.revoked_token().value(), Some(Duration::from_secs(30)));
    assert!(!bounds.to_string().contains("key"), "{bounds}");
}
