//! Which issuer introspects a token, and which tokens are never introspected.

use std::time::Duration;

use serde_json::json;
use tower_bearer::RejectionKind::{
    AlgorithmNotAllowed, AudienceMismatch, ClaimIllTyped, ClaimMissing, CriticalHeaderUnsupported,
    IdTokenPresented, IssuerUnknown, KeyUnknown, MalformedRequest, SenderNotProven, SignatureMismatch,
    TokenExpired, TokenMalformed, TokenNotYetValid, TokenOpaque, TypeMismatch,
};
use tower_bearer::testing::{Endpoint, Fault, TestIssuer};
use tower_bearer::time::Clock;
use tower_bearer::{BearerAuth, Issuer};

use super::{Api, INACTIVE};
use crate::support::introspected::introspection;
use crate::support::keys::encode;
use crate::support::protected::{ACCEPTED, API, COOLDOWN, Outcome, Protected};

/// Tokens that are not a JWS.
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
async fn tokens_that_are_not_jws_are_introspected() {
    let api = Api::new();
    for (before, token) in OPAQUE.into_iter().enumerate() {
        api.token().opaque_as(token);
        assert_eq!(api.outcome(token).await, ACCEPTED, "{token}");
        assert_eq!(api.calls(), before + 1, "{token}");
    }
    let without_introspection = Api::with(|issuer| issuer);
    for token in OPAQUE {
        let outcome = without_introspection.outcome(token).await;
        assert!([Err(TokenOpaque), Err(TokenMalformed)].contains(&outcome), "{token}: {outcome:?}");
    }
    assert_eq!(without_introspection.calls(), 0);
}

/// Every way in which a JWS of this issuer is invalid, and its outcome.
fn bad_jws(api: &Api) -> Vec<(&'static str, String, Outcome)> {
    let (token, now) = (api.token(), api.now());
    let good = token.sign();
    let (input, signature) = good.rsplit_once('.').unwrap();
    let (header, behind) = good.split_once('.').unwrap();
    let last = signature.chars().last().unwrap();
    // The last character of 64 base64url-encoded octets has four unused bits, which must be zero.
    let other_last = char::from(last as u8 + 1);
    let none = encode(json!({"alg": "none", "typ": "at+jwt"}).to_string());
    let claims = |text: &str| token.sign_claims(text);
    let iss = api.idp.identifier();
    let good_claims = format!(r#""aud":"{API}","exp":{},"sub":"alice""#, now + 60);
    vec![
        ("expired", token.clone().expired().sign(), Err(TokenExpired)),
        (
            "of another audience",
            token.clone().claim("aud", "https://x.example").sign(),
            Err(AudienceMismatch),
        ),
        ("without audience", token.clone().without("aud").sign(), Err(ClaimMissing)),
        ("not yet valid", token.clone().claim("nbf", now + 60).sign(), Err(TokenNotYetValid)),
        (
            "sender-constrained",
            token.clone().claim("cnf", json!({"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"})).sign(),
            Err(SenderNotProven),
        ),
        ("another signature", format!("{input}.{}", encode([9; 64])), Err(SignatureMismatch)),
        ("a short signature", format!("{input}.{}", &signature[..40]), Err(SignatureMismatch)),
        ("no signature", format!("{input}."), Err(SignatureMismatch)),
        (
            "other claims",
            format!("{header}.{}.{signature}", encode(format!(r#"{{"iss":"{iss}",{good_claims}}}"#))),
            Err(SignatureMismatch),
        ),
        ("alg none", format!("{none}.{}.", behind.split_once('.').unwrap().0), Err(AlgorithmNotAllowed)),
        ("alg none, signed", token.clone().header("alg", "none").sign(), Err(AlgorithmNotAllowed)),
        ("HS256", token.clone().header("alg", "HS256").sign(), Err(AlgorithmNotAllowed)),
        ("another alg", token.clone().header("alg", "RS256").sign(), Err(KeyUnknown)),
        ("an unknown alg", token.clone().header("alg", "XX1").sign(), Err(AlgorithmNotAllowed)),
        ("crit", token.clone().header("crit", json!(["exp"])).sign(), Err(CriticalHeaderUnsupported)),
        ("b64", token.clone().header("b64", false).sign(), Err(CriticalHeaderUnsupported)),
        ("an unknown kid", token.clone().header("kid", "nobody").sign(), Err(KeyUnknown)),
        ("another type", token.clone().header("typ", "logout+jwt").sign(), Err(TypeMismatch)),
        ("an ID token", token.clone().claim("at_hash", "x").sign(), Err(IdTokenPresented)),
        ("padding in the signature", format!("{good}=="), Err(TokenMalformed)),
        ("padding in the header", format!("{header}=.{behind}"), Err(MalformedRequest)),
        ("unused bits set", format!("{}{other_last}", &good[..good.len() - 1]), Err(TokenMalformed)),
        ("standard base64", format!("{}+/", &good[..good.len() - 2]), Err(TokenMalformed)),
        (
            "standard base64 in the header",
            format!("{}/.{behind}", &header[..header.len() - 1]),
            Err(TokenMalformed),
        ),
        ("a header member twice", token.sign_header(r#"{"alg":"ES256","alg":"ES256"}"#), Err(TokenMalformed)),
        ("a truncated header", format!("{}.{behind}", &header[..header.len() - 4]), Err(TokenMalformed)),
        (
            "an incomplete JSON header",
            format!("{}.{behind}", encode(format!(" \n{}", r#"{"alg":"ES256"#))),
            Err(TokenMalformed),
        ),
        (
            "a claim twice",
            claims(&format!(r#"{{"iss":"{iss}","iss":"{iss}",{good_claims}}}"#)),
            Err(TokenMalformed),
        ),
        ("claims that are not an object", claims("[]"), Err(TokenMalformed)),
        ("claims that are not UTF-8", token.sign_claims([0xff]), Err(TokenMalformed)),
        ("an unknown issuer", token.clone().claim("iss", "https://x.example").sign(), Err(IssuerUnknown)),
        ("almost the issuer", token.clone().claim("iss", format!("{iss}/")).sign(), Err(IssuerUnknown)),
        ("several issuers", token.clone().claim("iss", json!([iss])).sign(), Err(ClaimIllTyped)),
        ("no issuer", token.clone().without("iss").sign(), Err(ClaimMissing)),
        (
            "no issuer and no alg",
            token.clone().without("iss").header("alg", json!(null)).sign(),
            Err(TokenMalformed),
        ),
    ]
}

/// The issuer reports every token as active, so a token that reached it would be accepted.
#[tokio::test(start_paused = true)]
async fn a_jws_that_fails_a_check_is_never_introspected() {
    let accept = |api: Api| {
        api.idp.set_fault(
            Endpoint::Introspection,
            Some(Fault::Body(json!({"active": true, "aud": API, "exp": api.now() + 60}).to_string())),
        );
        api
    };
    for (configuration, api) in [
        ("opaque tokens", accept(Api::new())),
        ("JWTs too", accept(Api::introspecting(introspection().also_jwts()))),
        (
            "by a predicate",
            accept(Api::introspecting(introspection().also_jwts_when(|_| true).opaque_when(|_| true))),
        ),
        ("by a prefix", accept(Api::introspecting(introspection().opaque_prefix("e")))),
    ] {
        for (name, token, expected) in bad_jws(&api) {
            // An unknown `kid` causes a fetch, within the rate limit.
            tokio::time::sleep(COOLDOWN).await;
            assert_eq!(api.outcome(&token).await, expected, "{configuration}: {name}");
            assert!(!api.auth.explain(&token).await.is_accepted(), "{configuration}: {name}");
        }
        assert_eq!(api.calls(), 0, "{configuration}");
        assert_eq!(
            api.outcome(OPAQUE[0]).await == ACCEPTED,
            configuration != "by a prefix",
            "{configuration}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_jws_with_one_altered_character_is_never_introspected() {
    let api = Api::introspecting(introspection().also_jwts());
    let good = api.token().sign();
    assert_eq!(api.outcome(&good).await, ACCEPTED);
    assert_eq!(api.calls(), 1);
    // An altered `alg`, in the first eight characters, turns the token into an opaque one.
    for at in (8..good.len()).filter(|at| good.as_bytes()[*at] != b'.') {
        for character in ['A', 'e', '_', '+', '~'] {
            let altered = format!("{}{character}{}", &good[..at], &good[at + 1..]);
            if altered != good {
                assert_ne!(api.outcome(&altered).await, ACCEPTED, "{altered}");
                assert_eq!(api.calls(), 1, "{altered}");
            }
        }
    }
}

type Configure = fn(Issuer) -> Issuer;

/// One API that trusts several issuers, each with its own introspection settings.
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

    /// The issuers that introspected `token`, which is active at all of them, and the outcome.
    async fn introspect(&self, token: &str) -> (Vec<&str>, Outcome) {
        let counts = || self.idps.iter().map(|idp| idp.requests(Endpoint::Introspection)).collect::<Vec<_>>();
        self.idps.iter().for_each(|idp| idp.token(API).opaque_as(token));
        let before = counts();
        let outcome = self.api.outcome(token).await;
        let called = self.idps.iter().zip(before.into_iter().zip(counts()));
        let called = called.filter(|(_, (before, after))| before != after).map(|(idp, _)| idp.identifier());
        (called.collect(), outcome)
    }
}

#[tokio::test(start_paused = true)]
async fn an_opaque_token_is_sent_to_the_one_issuer_that_it_matches() {
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
        let (called, outcome) = many.introspect(token).await;
        assert_eq!(called, expected.into_iter().collect::<Vec<_>>(), "{token}");
        assert_eq!(outcome, if expected.is_some() { ACCEPTED } else { Err(TokenOpaque) }, "{token}");
        assert_eq!(many.auth.explain(token).await.is_accepted(), expected.is_some(), "{token}");
    }
    let named = many.api.get("x_y_abc").await;
    assert_eq!(named.token().unwrap().issuer(), "https://long.example");
}

#[tokio::test(start_paused = true)]
async fn an_opaque_token_that_matches_no_issuer_is_never_introspected() {
    let many = Many::new([
        ("prefix", |issuer| issuer.introspect(introspection().opaque_prefix("x_"))),
        ("rule", |issuer| issuer.introspect(introspection().opaque_when(|_| false))),
        ("never", |issuer| issuer.introspect(introspection().opaque_none())),
    ]);
    for token in OPAQUE {
        let (called, outcome) = many.introspect(token).await;
        assert!(called.is_empty(), "{token}: {called:?}");
        assert!([Err(TokenOpaque), Err(TokenMalformed)].contains(&outcome), "{token}: {outcome:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn another_issuer_cannot_make_a_token_active() {
    let many = Many::new([
        ("a", |issuer| issuer.introspect(introspection().opaque_prefix("a_"))),
        ("b", |issuer| issuer.introspect(introspection().opaque_default())),
    ]);
    let [a, b] = &many.idps[..] else { panic!() };
    a.token(API).opaque_as("b_token");
    assert_eq!(many.api.outcome("b_token").await, INACTIVE, "b introspects a token of a");
    b.token(API).opaque_as("a_token");
    assert_eq!(many.api.outcome("a_token").await, INACTIVE);
    // A response that names another issuer is rejected.
    b.token(API).claim("iss", a.identifier()).opaque_as("c_token");
    assert_eq!(many.api.outcome("c_token").await, Err(IssuerUnknown));
}

/// The API could not tell them apart from opaque tokens: their header is no JOSE header.
#[tokio::test(start_paused = true)]
async fn a_token_of_any_form_that_names_an_issuer_without_keys_is_sent_to_no_other() {
    let (keyless, other) =
        (TestIssuer::in_memory("https://keyless.example"), TestIssuer::in_memory("https://other.example"));
    other.clock().set(keyless.clock().now());
    let keyless_introspection = introspection().opaque_prefix("k_");
    let auth = BearerAuth::builder(API)
        .clock(keyless.clock())
        .issuer(Issuer::without_keys(keyless.identifier()).introspect(keyless_introspection))
        .add_issuer(other.issuer().introspect(introspection().opaque_default()))
        .http_client(keyless.http_client().and(other.http_client()))
        .build()
        .unwrap();
    let api = Protected::by(&auth);
    let calls = || [&keyless, &other].map(|idp| idp.requests(Endpoint::Introspection));
    for header in ["W10", "a~b", "AA", "eyJhbGciOiJub25lIn0", "e30", "eyJhbGciOiJFUzI1NiIsImFsZyI6IiJ9"] {
        for (named, expected) in [(keyless.identifier(), [1, 0]), ("https://x.example", [0, 1])] {
            let token = format!("{header}.{}.AA", encode(json!({"iss": named}).to_string()));
            [&keyless, &other].iter().for_each(|idp| idp.token(API).opaque_as(&token));
            let [before_keyless, before_other] = calls();
            let outcome = api.outcome(&token).await;
            let [after_keyless, after_other] = calls();
            let called = [after_keyless - before_keyless, after_other - before_other];
            if named == keyless.identifier() || outcome == ACCEPTED {
                assert_eq!((outcome, called), (ACCEPTED, expected), "{header} {named}");
            } else {
                assert_eq!(called, [0, 0], "{header} {named}: a malformed JWT");
            }
            assert_eq!(auth.explain(&token).await.is_accepted(), outcome == ACCEPTED, "{header} {named}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_jwt_of_an_issuer_without_keys_is_sent_to_that_issuer_only() {
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
    let calls = || keyless.requests(Endpoint::Introspection);

    let es256 = keyless.token(API).subject("es256").sign();
    let hs256 = keyless.token(API).header("alg", "HS256").header("kid", json!(null)).sign();
    keyless.token(API).subject("hs256").opaque_as(&hs256);
    for (token, subject) in [(&es256, "es256"), (&hs256, "hs256")] {
        let before = calls();
        let response = api.get(token).await;
        assert_eq!(response.outcome(), ACCEPTED, "{subject}");
        assert_eq!((response.token().unwrap().subject(), calls()), (Some(subject), before + 1));
        assert!(auth.explain(token).await.is_accepted(), "{subject}");
    }
    keyless.revoke(&es256);
    let expired = keyless.token(API).expired().sign();
    let foreign = keyless.token("https://other.example").sign();
    for (name, token, expected) in
        [("expired", expired, INACTIVE), ("for another API", foreign, Err(AudienceMismatch))]
    {
        assert_eq!(api.outcome(&token).await, expected, "{name}");
    }

    // Tokens of the other issuer, or of none, are not sent to it.
    let before = calls();
    for (name, token, expected) in [
        ("valid", keyed.token(API).sign(), ACCEPTED),
        ("expired", keyed.token(API).expired().sign(), Err(TokenExpired)),
        ("HS256", keyed.token(API).header("alg", "HS256").sign(), Err(AlgorithmNotAllowed)),
        ("unknown issuer", keyed.token(API).claim("iss", "https://x.example").sign(), Err(IssuerUnknown)),
        ("without issuer", keyed.token(API).without("iss").sign(), Err(ClaimMissing)),
        (
            "two issuers",
            keyed.token(API).sign_claims(
                r#"{"iss":"https://keyless.example","iss":"https://keyed.example","exp":9999999999}"#,
            ),
            Err(TokenMalformed),
        ),
    ] {
        assert_eq!(api.outcome(&token).await, expected, "{name}");
    }
    assert_eq!(calls(), before);
    assert_eq!(keyless.requests(Endpoint::Jwks), 0, "an issuer without keys has no key set");
    let keys = auth.status().into_iter().map(|status| status.keys().is_some()).collect::<Vec<_>>();
    assert_eq!(keys, [true, false]);
}

#[tokio::test(start_paused = true)]
async fn a_rejected_jwt_with_more_or_fewer_parts_is_never_introspected() {
    // The issuer reports every token as active.
    let api = Api::with(|issuer| issuer.strict_rfc9068().introspect(introspection()));
    let rejected = api.token().header("typ", "JWT").sign();
    api.idp.token(API).opaque_as(&rejected);
    assert_eq!(api.outcome(&rejected).await, Err(TypeMismatch));
    let (unsigned, _) = rejected.rsplit_once('.').unwrap();
    let (header, claims) = unsigned.split_once('.').unwrap();
    for altered in [
        format!("{rejected}."),
        format!(".{rejected}"),
        format!("..{rejected}"),
        format!("{rejected}.."),
        format!("{rejected}.AA.AA"),
        format!("{rejected}.AA.AA.AA"),
        format!("{header}.."),
        format!("{header}.{claims}"),
        format!("{unsigned}."),
        format!("{header}~.{claims}.AA."),
    ] {
        api.idp.token(API).opaque_as(&altered);
        let outcome = api.outcome(&altered).await;
        assert!(
            [Err(TokenOpaque), Err(TokenMalformed), Err(TypeMismatch)].contains(&outcome),
            "{altered}: {outcome:?}"
        );
        assert!(!api.auth.explain(&altered).await.is_accepted(), "{altered}");
    }
    assert_eq!(api.calls(), 0);
    // An encrypted token is opaque to this API.
    let encrypted = format!("{}..aaaa.bbbb.cccc", encode(r#"{"alg":"dir","enc":"A128GCM"}"#));
    api.token().opaque_as(&encrypted);
    assert_eq!((api.outcome(&encrypted).await, api.calls()), (ACCEPTED, 1));
}

#[tokio::test(start_paused = true)]
async fn opaque_none_does_not_stop_the_introspection_of_jwts_without_keys() {
    let idp = TestIssuer::new();
    let settings = introspection().endpoint(idp.introspection_url()).opaque_none();
    let issuer = Issuer::without_keys(idp.identifier()).introspect(settings);
    let builder = BearerAuth::builder(API).clock(idp.clock()).http_client(idp.http_client());
    let auth = builder.issuer(issuer).build().unwrap();
    let api = Protected::by(&auth);
    assert_eq!(api.outcome(idp.token(API).sign()).await, ACCEPTED);
    assert_eq!(api.outcome(idp.token(API).opaque()).await, Err(TokenOpaque));
    let bounds = auth.bounds();
    assert_eq!(bounds.outage().value(), Some(Duration::ZERO));
    assert_eq!(bounds.revoked_introspected_token().value(), Some(Duration::from_secs(30)));
    assert_eq!(bounds.revoked_token().value(), Some(Duration::from_secs(30)));
    assert!(!bounds.to_string().contains("key"), "{bounds}");
}
