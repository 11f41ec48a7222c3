//! Tenants of Entra ID: `iss`, `tid`, the `issuer` of a key and that of shared metadata must all agree.

use std::convert::Infallible;

use serde_json::{Value, json};
use tower_bearer::RejectionKind::{
    ClaimIllTyped, ClaimMissing, ClaimsRejected, IssuerUnknown, KeyUnknown, KeysUnavailable,
};
use tower_bearer::builder::ConfigProblem;
use tower_bearer::issuers::IssuerResolver;
use tower_bearer::{BearerAuth, Issuer};

use super::recorded::{document, protected, published_documents, unsigned};
use super::{Unsigned, recorded};
use crate::support::keys::clock;
use crate::support::net::{Act, Net, Reply};
use crate::support::protected::{ACCEPTED, Protected};

const TENANT: &str = "a1b2c3d4-e5f6-4a7b-8c9d-0e1f2a3b4c5d";
const OTHER: &str = "b1b2c3d4-e5f6-4a7b-8c9d-0e1f2a3b4c5d";
const ORGANIZATIONS: &str = "https://login.microsoftonline.com/organizations/v2.0";
const COMMON: &str = "https://login.microsoftonline.com/common";

/// The four ways to configure [`TENANT`], and what Entra ID publishes and writes for each.
fn forms() -> Vec<(&'static str, Issuer, Value)> {
    vec![
        ("version 2", Issuer::entra(TENANT), v2()),
        ("version 1", Issuer::entra_v1(TENANT), v1()),
        ("version 2, shared", shared(TENANT), organizations()),
        (
            "version 1, shared",
            Issuer::entra_v1(TENANT).shared_metadata(COMMON),
            of_our_tenant(include_str!("../../data/providers/entra_v1_common.json")),
        ),
    ]
}

fn v2() -> Value {
    of_our_tenant(include_str!("../../data/providers/entra.json"))
}

fn v1() -> Value {
    of_our_tenant(include_str!("../../data/providers/entra_v1.json"))
}

fn organizations() -> Value {
    of_our_tenant(include_str!("../../data/providers/entra_organizations.json"))
}

/// The recorded documents, for [`TENANT`].
fn of_our_tenant(text: &str) -> Value {
    document(&text.replace(recorded::TENANT, TENANT))
}

fn shared(tenant: &str) -> Issuer {
    Issuer::entra(tenant).shared_metadata(ORGANIZATIONS)
}

/// The recorded token as `tenant` would get it.
fn of_tenant(recorded: &Value, tenant: &str) -> Unsigned {
    let token = unsigned(recorded, "access");
    let iss = token.claims["iss"].as_str().unwrap().replace(TENANT, tenant);
    token.with("iss", json!(iss)).with("tid", json!(tenant))
}

#[tokio::test(start_paused = true)]
async fn tid_must_be_the_tenant_of_the_issuer() {
    for (form, issuer, recorded) in forms() {
        let api = protected(issuer, &recorded);
        let with_tid = |tid: Value| unsigned(&recorded, "access").with("tid", tid);
        let guest =
            of_tenant(&recorded, TENANT).with("idp", json!(format!("https://sts.windows.net/{OTHER}/")));
        for (name, token, expected) in [
            ("as recorded", unsigned(&recorded, "access"), ACCEPTED),
            ("upper case", with_tid(json!(TENANT.to_uppercase())), ACCEPTED),
            ("a guest from another tenant", guest, ACCEPTED),
            ("another tenant", with_tid(json!(OTHER)), Err(ClaimsRejected)),
            ("a domain", with_tid(json!("contoso.onmicrosoft.com")), Err(ClaimsRejected)),
            ("a placeholder", with_tid(json!("{tenantid}")), Err(ClaimsRejected)),
            ("absent", with_tid(Value::Null), Err(ClaimMissing)),
            ("a number", with_tid(json!(7)), Err(ClaimIllTyped)),
            ("an array", with_tid(json!([TENANT])), Err(ClaimIllTyped)),
        ] {
            assert_eq!(api.outcome(token.sign()).await, expected, "{form}: {name}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_of_another_tenant_is_rejected_although_its_keys_are_the_same() {
    for (form, issuer, recorded) in forms() {
        let api = protected(issuer, &recorded);
        for tenant in [OTHER, "{tenantid}", "common", "contoso.onmicrosoft.com", &TENANT.to_uppercase()] {
            let token = of_tenant(&recorded, tenant);
            assert_eq!(api.outcome(token.sign()).await, Err(IssuerUnknown), "{form}: {tenant}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_tenant_id_may_be_configured_in_upper_case() {
    let upper = TENANT.to_uppercase();
    for (form, issuer, recorded) in [
        ("version 2", Issuer::entra(&upper), v2()),
        ("version 1", Issuer::entra_v1(&upper), v1()),
        ("shared", shared(&upper), organizations()),
    ] {
        assert!(format!("{issuer:?}").contains(&format!("[(\"tid\", {TENANT:?})]")), "{issuer:?}");
        let api = protected(issuer, &recorded);
        assert_eq!(api.outcome(of_tenant(&recorded, TENANT).sign()).await, ACCEPTED, "{form}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_of_another_tenant_verifies_nothing() {
    let in_upper_case = format!("https://login.microsoftonline.com/{}/v2.0", TENANT.to_uppercase());
    for (name, key_issuer, expected) in [
        ("the template", "https://login.microsoftonline.com/{tenantid}/v2.0", ACCEPTED),
        ("the tenant in upper case", &*in_upper_case, ACCEPTED),
        ("another tenant", &in_upper_case.replace('A', "F"), Err(KeyUnknown)),
        ("the template of version 1", "https://sts.windows.net/{tenantid}/", Err(KeyUnknown)),
        ("a template on another host", "https://login.evil.example/{tenantid}/v2.0", Err(KeyUnknown)),
    ] {
        for (form, issuer, mut recorded) in
            [("own", Issuer::entra(TENANT), v2()), ("shared", shared(TENANT), organizations())]
        {
            recorded["keys"][1]["issuer"] = json!(key_issuer);
            let api = protected(issuer, &recorded);
            let token = unsigned(&recorded, "access").sign();
            assert_eq!(api.outcome(token).await, expected, "{form} metadata, {name}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn shared_metadata_must_name_the_template_of_its_issuer() {
    let tenant = format!("https://login.microsoftonline.com/{TENANT}/v2.0");
    for (name, named) in [
        ("another host", "https://login.evil.example/{tenantid}/v2.0"),
        ("a template in the host", "https://{tenantid}.microsoftonline.com/{tenantid}/v2.0"),
        ("another placeholder", "https://login.microsoftonline.com/{tenant}/v2.0"),
        ("another case", "https://login.microsoftonline.com/{TenantId}/v2.0"),
        ("a longer path", "https://login.microsoftonline.com/{tenantid}/v2.0/"),
        ("version 1", "https://sts.windows.net/{tenantid}/"),
        ("only the placeholder", "{tenantid}"),
        ("one tenant", &tenant),
        ("another tenant", &tenant.replace(TENANT, OTHER)),
        ("itself", ORGANIZATIONS),
    ] {
        let mut recorded = organizations();
        recorded["metadata"]["issuer"] = json!(named);
        let api = protected(shared(TENANT), &recorded);
        let token = unsigned(&recorded, "access").sign();
        assert_eq!(api.outcome(token).await, Err(KeysUnavailable), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_template_in_metadata_that_is_not_shared_is_metadata_of_another_issuer() {
    let mut recorded = v2();
    recorded["metadata"]["issuer"] = json!("https://login.microsoftonline.com/{tenantid}/v2.0");
    let api = protected(Issuer::entra(TENANT), &recorded);
    let token = unsigned(&recorded, "access").sign();
    assert_eq!(api.outcome(token).await, Err(KeysUnavailable));
}

/// An API for the tenants that `is_customer` knows, and its network.
fn multi_tenant(is_customer: fn(&str) -> bool) -> (Protected, Net) {
    let net = Net::default();
    let documents = published_documents(&organizations());
    net.script(move |sent| match documents(&sent.url) {
        Some(body) => Act::Instead(Reply::body(body)),
        None => Act::Instead(Reply::status(404)),
    });
    let pattern = "https://login.microsoftonline.com/{tenant}/v2.0";
    let resolver = IssuerResolver::new(pattern, move |request| {
        let issuer = is_customer(request.tenant()).then(|| shared(request.tenant()));
        async { Ok::<_, Infallible>(issuer) }
    });
    let audience = organizations()["audience"].as_str().unwrap().to_owned();
    let auth = BearerAuth::builder(audience)
        .clock(clock())
        .http_client(net.clone())
        .resolve_issuers(resolver)
        .build();
    (Protected::by(&auth.unwrap()), net)
}

#[tokio::test(start_paused = true)]
async fn resolved_tenants_share_one_metadata_document_and_one_key_set() {
    let (api, net) = multi_tenant(|tenant| [TENANT, OTHER].contains(&tenant));
    let recorded = organizations();
    for tenant in [TENANT, OTHER] {
        assert_eq!(api.outcome(of_tenant(&recorded, tenant).sign()).await, ACCEPTED, "{tenant}");
    }
    for url in [&recorded["metadata_url"], &recorded["metadata"]["jwks_uri"]] {
        assert_eq!(net.count(url.as_str().unwrap()), 1, "{url}");
    }
    let mixed = of_tenant(&recorded, TENANT).with("tid", json!(OTHER));
    assert_eq!(api.outcome(mixed.sign()).await, Err(ClaimsRejected));
    let stranger = of_tenant(&recorded, "c1b2c3d4-e5f6-4a7b-8c9d-0e1f2a3b4c5d");
    assert_eq!(api.outcome(stranger.sign()).await, Err(IssuerUnknown));
}

#[tokio::test(start_paused = true)]
async fn a_tenant_that_no_token_has_as_iss_is_an_unknown_issuer_whatever_the_function_says() {
    let (api, net) = multi_tenant(|_| true);
    for tenant in ["common", "organizations", "consumers", "contoso.onmicrosoft.com", &TENANT.to_uppercase()]
    {
        let token = of_tenant(&organizations(), tenant).sign();
        assert_eq!(api.outcome(token).await, Err(IssuerUnknown), "{tenant}");
    }
    assert_eq!(net.total(), 0, "nothing is fetched");
}

#[test]
fn a_tenant_that_is_not_an_id_in_lower_case_is_a_config_error() {
    let upper = format!("https://login.microsoftonline.com/{}/v2.0", TENANT.to_uppercase());
    for (issuer, expected) in [
        (
            Issuer::entra("contoso.onmicrosoft.com"),
            "https://login.microsoftonline.com/contoso.onmicrosoft.com/v2.0",
        ),
        (Issuer::entra_v1("contoso.com"), "https://sts.windows.net/contoso.com/"),
        (shared("contoso.com"), "https://login.microsoftonline.com/contoso.com/v2.0"),
        (Issuer::discover(&upper), &upper),
        (
            Issuer::with_jwks_url(
                "https://login.microsoftonline.us/contoso.com/v2.0",
                "https://a.example/keys",
            ),
            "https://login.microsoftonline.us/contoso.com/v2.0",
        ),
        (Issuer::discover("https://login.microsoftonline.com/a"), "https://login.microsoftonline.com/a"),
    ] {
        let problems = problems(issuer);
        let [problem @ ConfigProblem::TenantNotAnId { issuer, .. }] = &*problems else {
            panic!("{problems:?}")
        };
        assert_eq!(issuer, expected);
        assert!(problem.to_string().contains("write the tenant ID in lower case"), "{problem}");
    }
    for tenant in ["common", "organizations", "consumers"] {
        for issuer in [Issuer::entra(tenant), Issuer::entra_v1(tenant), shared(tenant)] {
            let problems = problems(issuer);
            let [problem @ ConfigProblem::IssuerOfManyTenants { .. }] = &*problems else {
                panic!("{problems:?}")
            };
            assert!(problem.to_string().contains("resolve_issuers"), "{problem}");
        }
    }
    let policy = format!("https://login.microsoftonline.com/tfp/{TENANT}/b2c_1_signin/v2.0/");
    let b2c = format!("https://contoso.b2clogin.com/{TENANT}/v2.0/");
    for issuer in [policy, b2c, format!("https://login.microsoftonline.com/{TENANT}/v2.0/")] {
        assert!(problems(Issuer::discover(&issuer)).is_empty(), "{issuer}");
    }
}

#[test]
fn shared_metadata_that_cannot_name_the_issuer_is_a_config_error() {
    let tenant = format!("https://login.example.com/{TENANT}/v2.0");
    for (name, issuer, url) in [
        ("no tenant", "https://login.example.com", ORGANIZATIONS),
        ("a tenant by its name", "https://login.example.com/acme/v2.0", ORGANIZATIONS),
        ("a tenant further on", &tenant.replace("com/", "com/a/"), ORGANIZATIONS),
        ("a tenant in the host", &format!("https://{TENANT}.example.com/v2.0"), ORGANIZATIONS),
        ("no URL", TENANT, ORGANIZATIONS),
        ("empty", "", ORGANIZATIONS),
        ("plain http", &tenant, "http://login.example.com/organizations/v2.0"),
        ("relative", &tenant, "organizations"),
        ("a query", &tenant, "https://login.example.com/organizations/v2.0?appid=1"),
    ] {
        let problems = problems(Issuer::discover(issuer).shared_metadata(url));
        let [ConfigProblem::SharedMetadataUnusable { issuer: named, .. }] = &*problems else {
            panic!("{name}: {problems:?}");
        };
        assert_eq!(named, issuer, "{name}");
    }
    let with_password = |path: &str| format!("https://admin:hunter2@login.example.com/{path}");
    for (issuer, expected) in [
        (with_password("acme"), "https://login.example.com/acme".to_owned()),
        (with_password(TENANT), format!("https://login.example.com/{TENANT}")),
        (format!("https://login.example.com/{TENANT}/v2.0?key=hunter2"), tenant.clone()),
        (format!("http://login.example.com/{TENANT}"), format!("http://login.example.com/{TENANT}")),
    ] {
        let problems = problems(Issuer::discover(&issuer).shared_metadata(ORGANIZATIONS));
        let [
            ConfigProblem::SharedMetadataUnusable { issuer: named, .. }
            | ConfigProblem::IssuerUnusable { issuer: named, .. },
        ] = &*problems
        else {
            panic!("{issuer}: {problems:?}");
        };
        assert_eq!(*named, expected);
    }
    for issuer in [&*tenant, &format!("https://login.example.com/{TENANT}"), &tenant.to_uppercase()] {
        let issuer = Issuer::with_static_jwks(issuer, "").shared_metadata(ORGANIZATIONS);
        assert!(problems(issuer.clone()).is_empty(), "{issuer:?}");
        assert!(format!("{issuer:?}").contains(&format!("shared_metadata({ORGANIZATIONS:?})")), "{issuer:?}");
    }
}

fn problems(issuer: Issuer) -> Vec<ConfigProblem> {
    let built = BearerAuth::builder("orders").http_client(Net::default()).issuer(issuer).build();
    built.err().map(|error| error.problems().to_vec()).unwrap_or_default()
}
