//! The profile `fapi2()`: what it requires of the configuration, and which tokens it then rejects (FAPI 2.0
//! Security Profile sections 5.3.3 and 5.4).

use std::io;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use tower_bearer::RejectionKind::{
    AlgorithmNotAllowed, CertificateMissing, KeysUnavailable, Missing, ProofAlgorithmNotAllowed,
    SenderNotProven, TokenInactive, TokenIssuedInFuture, TokenNotBound,
};
use tower_bearer::builder::ConfigProblem;
use tower_bearer::certificates::{Certificates, ClientCertificate};
use tower_bearer::dpop::Dpop;
use tower_bearer::issuers::IssuerResolver;
use tower_bearer::testing::{DpopKey, TestIssuer};
use tower_bearer::time::Clock;
use tower_bearer::{
    Algorithm, BearerAuth, BearerAuthBuilder, ConfigError, Introspection, Issuer, Rejection, RejectionKind,
    TokenSource,
};

use crate::support::protected::{API, ApiResponse, Protected, anonymous, get};

const ORDERS: &str = "https://api.example.com/orders";
const CERTIFICATE: &[u8] = include_bytes!("../data/localhost-cert.der");
const SECOND: Duration = Duration::from_secs(1);

type ApiRequest = Request<Full<Bytes>>;

/// The reasons of the faults, with whether an issuer is named.
const HEADER_ONLY: (bool, &str) = (false, "tokens come from other places than the `Authorization` header");
const NO_BINDING: (bool, &str) = (false, "no sender-constrained token is accepted");
const LEEWAY: (bool, &str) = (false, "the leeway is longer than 10 s");
const ALGORITHMS: (bool, &str) = (true, "allows other algorithms than PS256, ES256 and EdDSA");
const NOT_INTROSPECTED: (bool, &str) =
    (true, "does not introspect each token, so a revoked token is accepted until it expires");

/// The test issuer, as FAPI 2.0 demands it.
fn issuer(idp: &TestIssuer) -> Issuer {
    idp.issuer().introspect(idp.introspection().also_jwts())
}

fn dpop() -> Dpop {
    Dpop::at(API)
}

/// A builder under the profile, without an issuer.
fn builder(idp: &TestIssuer) -> BearerAuthBuilder {
    BearerAuth::builder(API).clock(idp.clock()).http_client(idp.http_client()).fapi2()
}

fn api(idp: &TestIssuer) -> Protected {
    Protected::by(&builder(idp).issuer(issuer(idp)).dpop(dpop()).build().unwrap())
}

/// The parts of FAPI 2.0 that are not met.
fn unmet<T>(result: Result<T, ConfigError>) -> Vec<(bool, &'static str)> {
    let Err(error) = result else { return Vec::new() };
    let unmet = error.problems().iter().map(|problem| match problem {
        ConfigProblem::Fapi2Unmet { issuer, reason, .. } => (issuer.is_some(), *reason),
        other => panic!("{other}"),
    });
    unmet.collect()
}

fn proven(key: &DpopKey, token: &str) -> ApiRequest {
    key.proof("GET", ORDERS).token(token).request().body(Full::default()).unwrap()
}

fn kind(response: &ApiResponse) -> Option<RejectionKind> {
    assert_eq!(response.rejection().is_none(), response.is_from_handler());
    response.rejection().map(Rejection::kind)
}

#[test]
fn each_setting_that_contradicts_the_profile_is_a_config_error() {
    let idp = TestIssuer::new();
    let good = || builder(&idp).dpop(dpop());
    let with = |configure: fn(Introspection) -> Introspection| {
        good().issuer(idp.issuer().introspect(configure(idp.introspection())))
    };
    let allowing = |algorithms: &[Algorithm]| good().issuer(issuer(&idp).algorithms(algorithms.to_vec()));
    let opaque_only = Issuer::without_keys(idp.identifier());
    for (name, builder, expected) in [
        ("DPoP", good().issuer(issuer(&idp)), vec![]),
        (
            "certificates",
            builder(&idp).issuer(issuer(&idp)).certificates(Certificates::of_connection()),
            vec![],
        ),
        ("no proof", builder(&idp).issuer(issuer(&idp)), vec![NO_BINDING]),
        ("query", good().issuer(issuer(&idp)).add_token_source(TokenSource::query()), vec![HEADER_ONLY]),
        (
            "cookie",
            good().issuer(issuer(&idp)).add_token_source(TokenSource::cookie("__Host-t")),
            vec![HEADER_ONLY],
        ),
        ("leeway of 10 s", good().issuer(issuer(&idp)).leeway(10 * SECOND), vec![]),
        ("leeway of 11 s", good().issuer(issuer(&idp)).leeway(11 * SECOND), vec![LEEWAY]),
        ("no introspection", good().issuer(idp.issuer()), vec![NOT_INTROSPECTED]),
        ("opaque tokens only", with(|introspection| introspection), vec![NOT_INTROSPECTED]),
        ("some JWTs", with(|introspection| introspection.also_jwts_when(|_| true)), vec![NOT_INTROSPECTED]),
        (
            "pending JWTs",
            with(|introspection| introspection.also_jwts().dangerous_accept_pending_jwts()),
            vec![NOT_INTROSPECTED],
        ),
        ("an issuer without keys", good().issuer(opaque_only.introspect(idp.introspection())), vec![]),
        ("ES256", allowing(&[Algorithm::ES256]), vec![]),
        (
            "all of FAPI",
            allowing(&[Algorithm::PS256, Algorithm::ES256, Algorithm::EdDSA, Algorithm::Ed25519]),
            vec![],
        ),
        ("RS256", allowing(&[Algorithm::ES256, Algorithm::RS256]), vec![ALGORITHMS]),
        ("PS512", allowing(&[Algorithm::PS512]), vec![ALGORITHMS]),
        ("ES384", allowing(&[Algorithm::ES384]), vec![ALGORITHMS]),
        (
            "everything",
            builder(&idp)
                .issuer(idp.issuer().algorithms([Algorithm::RS256]))
                .leeway(60 * SECOND)
                .add_token_source(TokenSource::query()),
            vec![ALGORITHMS, NOT_INTROSPECTED, HEADER_ONLY, NO_BINDING, LEEWAY],
        ),
    ] {
        assert_eq!(unmet(builder.build()), expected, "{name}");
    }
}

#[test]
fn other_algorithms_of_proofs_are_a_config_error() {
    let idp = TestIssuer::new();
    let build = |algorithms: &[Algorithm]| {
        let dpop = dpop().algorithms(algorithms.to_vec());
        builder(&idp).issuer(issuer(&idp)).dpop(dpop).build().map(drop)
    };
    assert!(build(&[Algorithm::PS256, Algorithm::ES256, Algorithm::EdDSA]).is_ok());
    let error = build(&[Algorithm::ES256, Algorithm::RS256]).unwrap_err();
    assert!(
        matches!(
            error.problems(),
            [ConfigProblem::SenderSettingUnusable { setting: "Dpop::algorithms", .. }]
        ),
        "{error}"
    );
    assert!(error.to_string().contains("the ones of FAPI 2.0"), "{error}");
}

#[test]
fn a_problem_says_what_to_change() {
    let idp = TestIssuer::new();
    let error = builder(&idp).issuer(idp.issuer()).build().unwrap_err().to_string();
    for part in [
        "FAPI 2.0: the issuer \"https://issuer.test\" does not introspect each token",
        ".introspect(Introspection::with(...).also_jwts())",
        "FAPI 2.0: no sender-constrained token is accepted",
        "set .dpop(...) or .certificates(...)",
    ] {
        assert!(error.contains(part), "{part} in {error}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_issuer_that_is_added_later_must_meet_the_profile() {
    let (idp, other) = (TestIssuer::new(), Issuer::discover("https://other.example"));
    let auth = builder(&idp).issuer(issuer(&idp)).dpop(dpop()).build().unwrap();
    let introspected = || other.clone().introspect(idp.introspection().also_jwts().opaque_none());
    assert_eq!(unmet(auth.issuers().add(other.clone())), [NOT_INTROSPECTED]);
    assert_eq!(unmet(auth.issuers().replace(idp.issuer())), [NOT_INTROSPECTED]);
    assert_eq!(unmet(auth.issuers().add(introspected().algorithms([Algorithm::RS256]))), [ALGORITHMS]);
    assert_eq!(auth.issuers().list(), [idp.identifier()]);
    assert_eq!(unmet(auth.issuers().add(introspected())), []);
}

#[tokio::test(start_paused = true)]
async fn an_issuer_that_a_resolver_finds_must_meet_the_profile() {
    let tenant = TestIssuer::in_memory("https://acme.login.test");
    let key = tenant.dpop_key();
    for (meets, expected) in [(true, None), (false, Some(KeysUnavailable))] {
        let found = if meets { issuer(&tenant) } else { tenant.issuer() };
        let resolver = IssuerResolver::new("https://{tenant}.login.test", move |_| {
            let found = found.clone();
            async move { Ok::<_, io::Error>(Some(found)) }
        });
        let auth = builder(&tenant).resolve_issuers(resolver).dpop(dpop()).build().unwrap();
        let token = tenant.token(API).bound_to_key(&key).sign();
        assert_eq!(kind(&Protected::by(&auth).send(proven(&key, &token)).await), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_view_takes_tokens_from_the_header_only() {
    let idp = TestIssuer::new();
    let auth = builder(&idp).issuer(issuer(&idp)).dpop(dpop()).build().unwrap();
    assert_eq!(unmet(auth.view().add_token_source(TokenSource::query()).build()), [HEADER_ONLY]);
    assert_eq!(unmet(auth.view().optional().build()), []);
    let mut in_query = anonymous("GET");
    *in_query.uri_mut() = format!("{ORDERS}?access_token={}", idp.token(API).sign()).parse().unwrap();
    assert_eq!(kind(&Protected::by(&auth).send(in_query).await), Some(Missing), "it is not read");
}

#[tokio::test(start_paused = true)]
async fn a_token_that_is_not_bound_is_rejected() {
    let idp = TestIssuer::new();
    let key = idp.dpop_key();
    let auth = builder(&idp).issuer(issuer(&idp)).dpop(dpop());
    let auth = auth.certificates(Certificates::of_connection()).build().unwrap();
    let api = Protected::by(&auth);
    let of_key = idp.token(API).bound_to_key(&key).sign();
    let of_certificate = idp.token(API).bound_to_certificate(CERTIFICATE).sign();
    let over_tls = |token: &str| {
        let mut request = get(token);
        request.extensions_mut().insert(ClientCertificate::from_der(CERTIFICATE));
        request
    };
    let (bearer, opaque) = (idp.token(API).sign(), idp.token(API).opaque());
    for _ in ["uncached", "cached"] {
        for (name, request, expected) in [
            ("key", proven(&key, &of_key), None),
            ("certificate", over_tls(&of_certificate), None),
            ("bearer", get(&bearer), Some(TokenNotBound)),
            ("bearer over mutual TLS", over_tls(&bearer), Some(TokenNotBound)),
            ("opaque bearer", get(&opaque), Some(TokenNotBound)),
            ("bearer under DPoP", proven(&key, &bearer), Some(TokenNotBound)),
            ("key, as bearer", get(&of_key), Some(SenderNotProven)),
            ("certificate, not presented", get(&of_certificate), Some(CertificateMissing)),
        ] {
            assert_eq!(kind(&api.send(request).await), expected, "{name}");
        }
        let outside = async |token| auth.authenticate(token).await.unwrap_err().kind();
        assert_eq!(outside(&bearer).await, TokenNotBound);
        assert_eq!(outside(&of_key).await, SenderNotProven);
    }
}

#[tokio::test(start_paused = true)]
async fn tokens_and_proofs_with_other_algorithms_are_rejected() {
    for (algorithm, is_allowed) in [
        (Algorithm::ES256, true),
        (Algorithm::EdDSA, true),
        (Algorithm::Ed25519, true),
        (Algorithm::PS256, true),
        (Algorithm::RS256, false),
        (Algorithm::ES384, false),
    ] {
        let idp = TestIssuer::new();
        let api = api(&idp);
        let key = idp.dpop_key();
        let bound = idp.token(API).bound_to_key(&key);
        let kid = idp.add_key(algorithm);
        let signed = bound.clone().key_id(&kid).sign();
        let expected = (!is_allowed).then_some(AlgorithmNotAllowed);
        assert_eq!(kind(&api.send(proven(&key, &signed)).await), expected, "{algorithm}");

        let key = DpopKey::with_algorithm(algorithm).clock(idp.clock());
        let token = idp.token(API).bound_to_key(&key).sign();
        let expected = (!is_allowed).then_some(ProofAlgorithmNotAllowed);
        assert_eq!(kind(&api.send(proven(&key, &token)).await), expected, "{algorithm} of a proof");
    }
}

#[tokio::test(start_paused = true)]
async fn a_revoked_token_is_rejected_once_its_response_is_no_longer_cached() {
    let idp = TestIssuer::new();
    let api = api(&idp);
    let key = idp.dpop_key();
    for token in [idp.token(API).bound_to_key(&key).sign(), idp.token(API).bound_to_key(&key).opaque()] {
        assert_eq!(kind(&api.send(proven(&key, &token)).await), None);
        idp.revoke(&token);
        idp.clock().advance(31 * SECOND);
        tokio::time::advance(31 * SECOND).await;
        assert_eq!(kind(&api.send(proven(&key, &token)).await), Some(TokenInactive));
    }
}

#[tokio::test(start_paused = true)]
async fn the_leeway_is_10_s_by_default() {
    let idp = TestIssuer::new();
    let plain = BearerAuth::builder(API).clock(idp.clock()).http_client(idp.http_client());
    let plain = Protected::by(&plain.issuer(issuer(&idp)).dpop(dpop()).build().unwrap());
    let profile = api(&idp);
    let key = idp.dpop_key();
    let now = idp.clock().now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    for (name, issued_at, expected) in [
        ("in the future, within it", now + 8, None),
        ("in the future, beyond it", now + 12, Some(TokenIssuedInFuture)),
    ] {
        let token = idp.token(API).bound_to_key(&key).claim("iat", issued_at).sign();
        assert_eq!(kind(&profile.send(proven(&key, &token)).await), expected, "{name}");
        assert_eq!(kind(&plain.send(proven(&key, &token)).await), None, "{name}: 30 s without the profile");
    }
}
