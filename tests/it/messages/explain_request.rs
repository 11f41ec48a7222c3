//! `explain_request()`: every check of the credential, the token and the proof of its sender, with the same
//! verdict as for the request.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http::request::Builder;
use http_body_util::Full;
use tower_bearer::certificates::{Certificates, ClientCertificate, PeerAddress};
use tower_bearer::diagnostics::{CheckResult, Explanation};
use tower_bearer::dpop::{Dpop, Nonces, Target};
use tower_bearer::testing::{DpopKey, ProofBuilder, TestIssuer};
use tower_bearer::{BearerAuth, BearerAuthBuilder, Rejection, RejectionKind, Require, TokenSource};

use crate::support::app::issuer;
use crate::support::introspected::introspection;
use crate::support::protected::{API, ISSUER, Protected};

const URL: &str = "https://api.example.com/orders";

/// An API and a client with a key.
struct Api {
    idp: TestIssuer,
    auth: BearerAuth,
    protected: Protected,
    key: DpopKey,
}

impl Api {
    fn with(change: impl FnOnce(BearerAuthBuilder) -> BearerAuthBuilder) -> Self {
        let idp = issuer(ISSUER);
        let auth = change(idp.bearer_auth(API)).build().unwrap();
        Self { protected: Protected::by(&auth), key: idp.dpop_key(), idp, auth }
    }

    fn with_dpop() -> Self {
        Self::with(|builder| builder.dpop(Dpop::at(API)))
    }

    fn bound_token(&self) -> String {
        self.idp.token(API).scope("orders").bound_to_key(&self.key).sign()
    }

    fn proof(&self, token: &str) -> ProofBuilder {
        self.key.proof("GET", URL).token(token)
    }

    /// Explains the request and sends it. The verdict must be the same.
    async fn explained(&self, name: &str, request: Builder) -> Explanation {
        let request = request.body(Full::<Bytes>::default()).unwrap();
        let explanation = self.auth.explain_request(&request.clone().into_parts().0).await;
        let response = self.protected.send(request).await;
        let kind = response.rejection().map(Rejection::kind);
        assert_eq!(explanation.rejection_kind(), kind, "{name}:\n{explanation}");
        assert_eq!(explanation.is_accepted(), kind.is_none(), "{name}:\n{explanation}");
        explanation
    }
}

fn get() -> Builder {
    Request::get(URL)
}

fn failed(explanation: &Explanation) -> Vec<&'static str> {
    let findings = explanation.findings().iter();
    let failed = findings.filter(|finding| matches!(finding.result(), CheckResult::Failed(_)));
    failed.map(|finding| finding.check()).collect()
}

#[track_caller]
fn shown<'e>(explanation: &'e Explanation, check: &str) -> (&'e str, &'e str) {
    let finding = explanation.findings().iter().find(|finding| finding.check() == check).expect(check);
    (finding.expected(), finding.presented())
}

type Alter = fn(ProofBuilder) -> ProofBuilder;

#[tokio::test(start_paused = true)]
async fn each_check_of_a_proof_is_a_finding_that_fails_alone() {
    let api = Api::with_dpop();
    let token = api.bound_token();
    let accepted = api.explained("valid", api.proof(&token).request()).await;
    assert_eq!(failed(&accepted), Vec::<&str>::new());
    let checks: Vec<&str> = accepted.findings().iter().map(|finding| finding.check()).collect();
    assert_eq!(checks[..2], ["credential", "size"]);
    let start = checks.iter().position(|check| *check == "sender").unwrap();
    assert_eq!(
        checks[start..],
        [
            "sender",
            "proof",
            "proof header",
            "proof typ",
            "proof alg",
            "proof jwk",
            "jkt",
            "proof signature",
            "proof claims",
            "htm",
            "htu",
            "ath",
            "proof jti",
            "proof iat",
            "replay",
            "scopes"
        ]
    );
    let cases: [(&str, Alter); 12] = [
        ("proof header", |proof| proof.header("crit", vec!["exp"])),
        ("proof typ", |proof| proof.header("typ", "JWT")),
        ("proof jwk", |proof| proof.header("jwk", serde_json::Value::Null)),
        ("proof signature", |proof| proof.signed_by(&DpopKey::new())),
        ("htm", |proof| proof.claim("htm", "POST")),
        ("htm", |proof| proof.without("htm")),
        ("htu", |proof| proof.claim("htu", "https://other.example/orders")),
        ("htu", |proof| proof.without("htu")),
        ("ath", |proof| proof.claim("ath", "AAAA")),
        ("proof jti", |proof| proof.claim("jti", "")),
        ("proof iat", |proof| proof.issued_ago(Duration::from_secs(90))),
        ("proof iat", |proof| proof.issued_ahead(Duration::from_secs(31))),
    ];
    for (check, alter) in cases {
        let explanation = api.explained(check, alter(api.proof(&token)).request()).await;
        assert_eq!(failed(&explanation), [check], "{explanation}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_proof_that_is_missing_or_repeated_fails_the_finding_proof() {
    let api = Api::with_dpop();
    let token = api.bound_token();
    let header = format!("DPoP {token}");
    let missing = api.explained("missing", get().header("authorization", &header)).await;
    assert_eq!(missing.rejection_kind(), Some(RejectionKind::ProofMissing));
    assert_eq!(shown(&missing, "proof").1, "headers: 0");
    let twice = api.proof(&token).request().header("dpop", api.proof(&token).sign());
    let twice = api.explained("twice", twice).await;
    assert_eq!(twice.rejection_kind(), Some(RejectionKind::ProofMalformed));
    assert_eq!(shown(&twice, "proof").1, "headers: 2");
    let garbage = get().header("authorization", &header).header("dpop", "a.b.c");
    api.explained("garbage", garbage).await;
}

#[tokio::test(start_paused = true)]
async fn the_proof_of_another_key_or_algorithm_is_shown_with_both() {
    let api = Api::with(|builder| builder.dpop(Dpop::at(API).algorithms([tower_bearer::Algorithm::ES256])));
    let token = api.bound_token();
    let other = api.idp.dpop_key();
    let explanation = api.explained("another key", other.proof("GET", URL).token(&token).request()).await;
    assert_eq!(failed(&explanation), ["jkt"]);
    let (own, presented) = (api.key.thumbprint(), other.thumbprint());
    assert_eq!(shown(&explanation, "jkt"), (&*own, &*presented));
    let key = DpopKey::with_algorithm(tower_bearer::Algorithm::EdDSA).clock(api.idp.clock());
    let token = api.idp.token(API).bound_to_key(&key).sign();
    let explanation = api.explained("algorithm", key.proof("GET", URL).token(&token).request()).await;
    assert_eq!(failed(&explanation), ["proof alg"]);
    assert_eq!(shown(&explanation, "proof alg"), ("ES256", "EdDSA"));
}

#[tokio::test(start_paused = true)]
async fn the_computed_urls_are_shown_beside_htu() {
    let api = Api::with(|builder| {
        builder.dpop(Dpop::at("https://api.example.com/v2").and_at("https://eu.example.com"))
    });
    let token = api.bound_token();
    let explanation = api.explained("prefix", api.proof(&token).request()).await;
    assert_eq!(
        shown(&explanation, "htu"),
        ("https://api.example.com/v2/orders or https://eu.example.com/orders", URL)
    );
    let computed = |url: Option<&'static str>| {
        Api::with(|builder| {
            let dpop = Dpop::at(API).target_from(move |head| Some(Target::new(head.method.clone(), url?)));
            builder.dpop(dpop)
        })
    };
    let api = computed(Some("https://api.example.com/items?page=2"));
    let explanation = api.explained("computed", api.proof(&api.bound_token()).request()).await;
    assert_eq!(shown(&explanation, "htu"), ("https://api.example.com/items", URL));
    let api = computed(None);
    let explanation = api.explained("no target", api.proof(&api.bound_token()).request()).await;
    assert_eq!(failed(&explanation), ["htu"]);
}

#[tokio::test(start_paused = true)]
async fn explaining_a_request_uses_no_proof_up() {
    let api = Api::with_dpop();
    let token = api.bound_token();
    let request = api.proof(&token).request().body(Full::<Bytes>::default()).unwrap();
    let head = request.clone().into_parts().0;
    for _ in 0..3 {
        assert!(api.auth.explain_request(&head).await.is_accepted());
    }
    api.protected.send(request.clone()).await.assert_accepted("explained before");
    let replayed = api.auth.explain_request(&head).await;
    assert_eq!(failed(&replayed), ["replay"]);
    assert_eq!(replayed.rejection_kind(), Some(RejectionKind::ProofReplayed));
    assert!(replayed.hint().unwrap().contains("sent twice"));
}

#[tokio::test(start_paused = true)]
async fn with_nonces_the_nonce_is_a_finding_and_the_time_is_not() {
    let api = Api::with(|builder| builder.dpop(Dpop::at(API).nonces(Nonces::required())));
    let token = api.bound_token();
    let proof = || api.proof(&token).claim("iat", 1);
    let without = api.explained("without", proof().request()).await;
    assert_eq!(failed(&without), ["nonce"]);
    assert_eq!(shown(&without, "nonce").1, "none");
    let response = api.protected.send(proof().request().body(Full::default()).unwrap()).await;
    let nonce = response.header("dpop-nonce").unwrap().to_owned();
    let with = api.explained("with", proof().nonce(&nonce).request()).await;
    assert!(!with.to_string().contains(&nonce), "{with}");
    let ill_typed = api.explained("iat", proof().nonce(&nonce).claim("iat", "1").request()).await;
    assert_eq!(failed(&ill_typed), ["proof iat"]);
}

#[tokio::test(start_paused = true)]
async fn the_scheme_and_the_binding_of_the_token_must_fit() {
    let api = Api::with_dpop();
    let (bound, unbound) = (api.bound_token(), api.idp.token(API).sign());
    let as_bearer = get().header("authorization", format!("Bearer {bound}"));
    let explanation = api.explained("bound as bearer", as_bearer).await;
    assert_eq!(explanation.rejection_kind(), Some(RejectionKind::SenderNotProven));
    assert!(explanation.hint().unwrap().contains("scheme DPoP"), "{explanation}");
    let explanation = api.explained("unbound", api.proof(&unbound).request()).await;
    assert_eq!(explanation.rejection_kind(), Some(RejectionKind::TokenNotBound));
    assert_eq!(shown(&explanation, "sender").1, "scheme DPoP, not bound");
    let with_proof = api.proof(&unbound).request().header("x", "y");
    let mut request = with_proof.body(()).unwrap();
    request.headers_mut().insert("authorization", format!("Bearer {unbound}").parse().unwrap());
    let head = request.into_parts().0;
    assert!(api.auth.explain_request(&head).await.is_accepted(), "a proof that nothing needs");

    let without = Api::with(|builder| builder);
    let token = without.bound_token();
    let request = get().header("authorization", format!("Bearer {token}"));
    let explanation = without.explained("not configured", request).await;
    assert_eq!(explanation.rejection_kind(), Some(RejectionKind::SenderNotProven));
    assert!(explanation.hint().unwrap().contains("BearerAuthBuilder::dpop"));
}

#[tokio::test(start_paused = true)]
async fn the_credential_of_a_request_is_explained_first() {
    let api = Api::with(|builder| {
        builder.dpop(Dpop::at(API)).add_token_source(TokenSource::cookie("__Host-token"))
    });
    let token = api.idp.token(API).sign();
    for (name, request, kind, hint) in [
        ("none", get(), Some(RejectionKind::Missing), None),
        (
            "another scheme",
            get().header("authorization", "Basic abc"),
            Some(RejectionKind::Missing),
            Some("neither Bearer nor DPoP"),
        ),
        (
            "two",
            get().header("authorization", "Bearer a").header("authorization", "Bearer b"),
            Some(RejectionKind::MalformedRequest),
            Some("one token in one place"),
        ),
        (
            "scheme twice",
            get().header("authorization", "DPoP DPoP abc"),
            Some(RejectionKind::MalformedRequest),
            Some("remove the `DPoP ` prefix"),
        ),
        ("cookie", get().header("cookie", format!("__Host-token={token}")), None, None),
    ] {
        let explanation = api.explained(name, request).await;
        assert_eq!(explanation.rejection_kind(), kind, "{name}");
        assert_eq!(explanation.findings()[0].check(), "credential");
        let is_hinted = hint.is_none_or(|hint| explanation.hint().unwrap().contains(hint));
        assert!(is_hinted, "{name}: {:?}", explanation.hint());
    }
    let optional = Api::with(BearerAuthBuilder::optional);
    assert!(optional.explained("anonymous", get()).await.is_accepted());
    let head = get().body(()).unwrap().into_parts().0;
    let explanation = optional.auth.explain_request_for(&head, &Require::token()).await;
    assert_eq!(explanation.rejection_kind(), Some(RejectionKind::Missing));
}

#[tokio::test(start_paused = true)]
async fn an_unbound_token_is_explained_as_rejected_where_dpop_is_required() {
    let api = Api::with(|builder| builder.dpop(Dpop::at(API).required()));
    let token = api.idp.token(API).sign();
    let explanation = api.auth.explain(&token).await;
    assert_eq!(explanation.rejection_kind(), Some(RejectionKind::TokenNotBound));
    let request = get().header("authorization", format!("Bearer {token}"));
    let explanation = api.explained("bearer", request).await;
    assert_eq!(explanation.rejection_kind(), Some(RejectionKind::Missing));
    assert!(explanation.hint().unwrap().contains("Dpop::required"));
}

#[tokio::test(start_paused = true)]
async fn a_token_that_is_bound_by_its_introspection_response_is_explained_as_bound() {
    let idp = issuer(ISSUER);
    let key = idp.dpop_key();
    let builder = BearerAuth::builder(API).clock(idp.clock()).http_client(idp.http_client());
    let builder = builder.issuer(idp.issuer().introspect(introspection())).dpop(Dpop::at(API));
    let auth = builder.build().unwrap();
    let token = idp.token(API).bound_to_key(&key).opaque();
    let explain =
        async |request: Builder| auth.explain_request(&request.body(()).unwrap().into_parts().0).await;
    let explanation = explain(key.proof("GET", URL).token(&token).request()).await;
    assert!(explanation.is_accepted(), "{explanation}");
    let explanation = explain(key.proof("POST", URL).token(&token).request().method("GET")).await;
    assert_eq!(explanation.rejection_kind(), Some(RejectionKind::ProofMethodMismatch));
}

#[tokio::test(start_paused = true)]
async fn the_functions_of_a_route_run_with_the_request() {
    let api = Api::with_dpop();
    let token = api.bound_token();
    let head = api.proof(&token).request().body(()).unwrap().into_parts().0;
    let orders = || Require::scope("orders").sender_bound();
    let explained = async |route: &Require| api.auth.explain_request_for(&head, route).await;
    let accepting = orders().check(|_, head| head.uri.path() == "/orders");
    assert!(explained(&accepting).await.is_accepted());
    let explanation = explained(&orders().check(|token, _| token.subject() == Some("nobody"))).await;
    assert_eq!(failed(&explanation), ["functions"]);
    assert_eq!(explanation.rejection_kind(), Some(RejectionKind::RequirementUnmet));
    assert!(explanation.hint().unwrap().contains("Require::check"));
    let never = Require::scope("admin").check(|_, _| panic!("called without the scope"));
    assert_eq!(explained(&never).await.rejection_kind(), Some(RejectionKind::ScopeInsufficient));
}

#[tokio::test(start_paused = true)]
async fn the_token_of_a_request_is_explained_as_without_it() {
    let api = Api::with_dpop();
    let token = api.idp.token(API).expired().bound_to_key(&api.key).sign();
    let explanation = api.explained("expired", api.proof(&token).request()).await;
    assert_eq!(failed(&explanation), ["exp"]);
    let without_request = api.auth.explain(&api.bound_token()).await;
    assert!(without_request.is_accepted(), "{without_request}");
    let (expected, presented) = shown(&without_request, "sender");
    assert!(expected.ends_with("; its proof is checked only with a request"), "{expected}");
    assert_eq!(presented, "jkt");
    assert_eq!(api.auth.explain(&api.idp.token(API).sign()).await.rejection_kind(), None);
}

#[tokio::test(start_paused = true)]
async fn each_check_of_a_client_certificate_is_a_finding() {
    let certificates = Certificates::der_header("x-cert").from_proxy("10.0.0.0/8").also_of_connection();
    let api = Api::with(|builder| builder.certificates(certificates));
    let (own, other) = (ClientCertificate::from_der(b"\x30\x01a"), ClientCertificate::from_der(b"\x30\x01b"));
    let token = api.idp.token(API).bound_to_certificate(own.der()).sign();
    let request = || get().header("authorization", format!("Bearer {token}"));
    let peer = |first: u8| PeerAddress(IpAddr::V4(Ipv4Addr::new(first, 0, 0, 1)));
    let (own_header, other_header) = ("MAFh", "MAFi");
    let connection = api.explained("connection", request().extension(own.clone())).await;
    assert_eq!(shown(&connection, "certificate").1, "certificate of the connection, no header x-cert");
    let proxy = api.explained("proxy", request().extension(peer(10)).header("x-cert", own_header)).await;
    assert!(shown(&proxy, "certificate").1.ends_with("header x-cert of the trusted proxy 10.0.0.1"));
    let (expected, presented) = shown(&proxy, "x5t#S256");
    assert_eq!((expected, presented), (&*own.thumbprint(), &*own.thumbprint()));
    for (name, request, kind, check, presented) in [
        (
            "none",
            request(),
            RejectionKind::CertificateMissing,
            "certificate",
            "none of the connection, no header x-cert",
        ),
        (
            "untrusted",
            request().extension(peer(11)).header("x-cert", own_header),
            RejectionKind::CertificateMissing,
            "certificate",
            "none of the connection, header x-cert of 11.0.0.1, which is not in from_proxy",
        ),
        (
            "unknown peer",
            request().header("x-cert", own_header),
            RejectionKind::PeerAddressUnknown,
            "certificate",
            "none of the connection, header x-cert of an unknown peer",
        ),
        (
            "malformed",
            request().extension(peer(10)).header("x-cert", "!"),
            RejectionKind::CertificateHeaderMalformed,
            "certificate",
            "none of the connection, header x-cert of the trusted proxy 10.0.0.1",
        ),
        (
            "another",
            request().extension(peer(10)).header("x-cert", other_header),
            RejectionKind::CertificateMismatch,
            "x5t#S256",
            &*other.thumbprint(),
        ),
    ] {
        let explanation = api.explained(name, request).await;
        assert_eq!(explanation.rejection_kind(), Some(kind), "{name}");
        assert_eq!((failed(&explanation), shown(&explanation, check).1), (vec![check], presented), "{name}");
    }
}
