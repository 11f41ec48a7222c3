//! Where metadata may place the endpoints of an issuer, and issuers that name all tenants.

use serde_json::json;
use tower_bearer::builder::{ConfigProblem, EndpointHosts};
use tower_bearer::diagnostics::{IntrospectionErrorKind, KeysErrorKind};
use tower_bearer::testing::TestIssuer;
use tower_bearer::{BearerAuth, ConfigError, Issuer};

use crate::support::figure::figure;
use crate::support::introspected::introspection;
use crate::support::net::{Net, Reply};
use crate::support::protected::{ACCEPTED, API, ISSUER, Outcome, Protected};

const WELL_KNOWN: &str = "https://login.example.com/.well-known/oauth-authorization-server";
const ACTIVE: &str = r#"{"active":true,"aud":"https://api.example.com","exp":9999999999}"#;

/// An API whose issuer publishes this metadata, beside `issuer`. Its keys, and a response that calls every
/// token active, are at `url`.
struct Api {
    idp: TestIssuer,
    net: Net,
    auth: BearerAuth,
    url: &'static str,
}

impl Api {
    fn with(member: &str, url: &'static str, configure: impl FnOnce(Issuer) -> Issuer) -> Self {
        let (idp, net) = (TestIssuer::in_memory(ISSUER), Net::default());
        let mut metadata = json!({"issuer": ISSUER, "jwks_uri": "https://login.example.com/keys"});
        metadata[member] = url.into();
        net.set(WELL_KNOWN, Reply::body(metadata.to_string()));
        net.set(
            &WELL_KNOWN.replace("oauth-authorization-server", "openid-configuration"),
            Reply::status(404),
        );
        net.set("https://login.example.com/keys", Reply::body(idp.jwks()));
        let response = if member == "jwks_uri" { idp.jwks() } else { ACTIVE.to_owned() };
        net.set(url, Reply::body(response));
        let builder = BearerAuth::builder(API).issuer(configure(idp.issuer())).http_client(net.clone());
        let auth = builder.clock(idp.clock()).build().unwrap();
        Self { idp, net, auth, url }
    }

    /// The outcome of a request with a valid JWT, and the number of requests to the URL.
    async fn of_jwt(&self) -> (Outcome, usize) {
        let outcome = Protected::by(&self.auth).outcome(self.idp.token(API).sign()).await;
        (outcome, self.net.count(self.url))
    }

    /// The same with an opaque token.
    async fn of_opaque(&self) -> (Outcome, usize) {
        let outcome = Protected::by(&self.auth).outcome("opaque").await;
        (outcome, self.net.count(self.url))
    }
}

/// Client credentials and tokens would reach whatever listens on that port.
#[tokio::test(start_paused = true)]
async fn metadata_over_https_cannot_name_a_plain_http_endpoint() {
    for url in ["http://127.0.0.1:9000/x", "http://localhost:9000/x", "http://[::1]:9000/x"] {
        let api = Api::with("introspection_endpoint", url, |issuer| issuer.introspect(introspection()));
        let (outcome, requests) = api.of_opaque().await;
        let quantity = format!("requests to the introspection_endpoint {url} of https metadata");
        figure("3.2", quantity, requests, 0);
        assert!(outcome.is_err() && requests == 0, "{url}: {outcome:?}");
        let status = api.auth.status().remove(0);
        let error = status.introspection().unwrap().last_error().unwrap();
        assert_eq!(error.kind(), IntrospectionErrorKind::EndpointUnusable, "{url}");
        let source = std::error::Error::source(error).unwrap().to_string();
        let expected = format!("the `introspection_endpoint` \"{url}\" is not https, but its issuer is");
        assert_eq!(source, expected, "{url}");

        let api = Api::with("jwks_uri", url, |issuer| issuer);
        let (outcome, requests) = api.of_jwt().await;
        figure("3.2", format_args!("requests to the jwks_uri {url} of https metadata"), requests, 0);
        assert!(outcome.is_err() && requests == 0, "{url}: {outcome:?}");
        let status = api.auth.status().remove(0);
        let error = status.keys().unwrap().last_error().unwrap();
        assert_eq!(error.kind(), KeysErrorKind::JwksUriUnusable, "{url}");
        let source = std::error::Error::source(error).unwrap().to_string();
        assert_eq!(source, format!("the `jwks_uri` \"{url}\" is not https, but its issuer is"));

        // A sidecar that you configure yourself, and a test network.
        let api =
            Api::with("jwks_uri", "https://login.example.com/keys", |_| Issuer::with_jwks_url(ISSUER, url));
        api.net.set(url, Reply::body(api.idp.jwks()));
        assert_eq!(api.of_jwt().await.0, ACCEPTED, "{url}");
        let api = Api::with("jwks_uri", url, Issuer::dangerous_allow_http);
        assert_eq!(api.of_jwt().await, (ACCEPTED, 1), "{url}");
    }
}

#[tokio::test(start_paused = true)]
async fn endpoint_on_a_host_that_is_not_allowed_gets_no_request() {
    type Hosts = fn() -> EndpointHosts;
    let listed = || EndpointHosts::listed(["keys.example.net", "*.example.org"]);
    let cases: [(&str, Hosts, &str, bool); 10] = [
        ("any host", EndpointHosts::any, "https://keys.example.net/k", true),
        ("the issuer's host", EndpointHosts::issuer_and_subdomains, "https://login.example.com:8443/k", true),
        ("a subdomain", EndpointHosts::issuer_and_subdomains, "https://keys.login.example.com/k", true),
        ("a sibling", EndpointHosts::issuer_and_subdomains, "https://keys.example.com/k", false),
        ("a prefix", EndpointHosts::issuer_and_subdomains, "https://evil-login.example.com/k", false),
        ("a suffix", EndpointHosts::issuer_and_subdomains, "https://login.example.com.evil.net/k", false),
        ("a listed host", listed, "https://keys.example.net/k", true),
        ("a subdomain of a listed domain", listed, "https://a.example.org/k", true),
        ("a listed domain itself", listed, "https://example.org/k", false),
        ("the metadata service of a cloud", listed, "https://169.254.169.254/k", false),
    ];
    for (name, hosts, url, allowed) in cases {
        let api = Api::with("jwks_uri", url, |issuer| issuer.endpoint_hosts(hosts()));
        let (outcome, requests) = api.of_jwt().await;
        assert_eq!((outcome.is_ok(), requests > 0), (allowed, allowed), "keys, {name}");
        let api = Api::with("introspection_endpoint", url, |issuer| {
            issuer.endpoint_hosts(hosts()).introspect(introspection())
        });
        let (outcome, requests) = api.of_opaque().await;
        let expected = if allowed { "at least 1" } else { "0" };
        let quantity = format!("requests to an introspection_endpoint, its host: {name}");
        figure("3.2", quantity, requests, expected);
        assert_eq!((outcome.is_ok(), requests > 0), (allowed, allowed), "introspection, {name}");
    }
}

fn build(issuer: Issuer) -> Result<BearerAuth, ConfigError> {
    BearerAuth::builder(API).issuer(issuer).http_client(Net::default()).build()
}

#[test]
fn endpoint_hosts_that_are_invalid_or_without_effect_are_config_errors() {
    for entry in ["https://keys.example.com", "keys.example.com:443", "*", "", "2130706433", "a@b"] {
        let error =
            build(Issuer::discover(ISSUER).endpoint_hosts(EndpointHosts::listed([entry]))).unwrap_err();
        let [ConfigProblem::EndpointHostsUnusable { issuer, host, .. }] = error.problems() else {
            panic!("{entry}: {error}");
        };
        assert_eq!((issuer.as_str(), host.as_str()), (ISSUER, entry));
    }
    let configured = Issuer::with_jwks_url(ISSUER, "https://login.example.com/keys");
    let restricted = configured.endpoint_hosts(EndpointHosts::issuer_and_subdomains());
    let error = build(restricted.clone()).unwrap_err();
    let [ConfigProblem::EndpointHostsWithoutEffect { issuer, .. }] = error.problems() else {
        panic!("{error}")
    };
    assert_eq!(issuer, ISSUER);
    let discovering = restricted.clone().introspect(introspection());
    assert!(build(discovering).is_ok(), "the endpoint is discovered");
    let explicit = introspection().endpoint("https://login.example.com/introspect");
    assert!(build(restricted.introspect(explicit)).is_err());
}

/// Their metadata names the template `https://login.microsoftonline.com/{tenantid}/v2.0`, so every request got
/// 503.
#[test]
fn issuer_of_all_entra_tenants_is_a_config_error_with_a_hint() {
    for issuer in [
        "https://login.microsoftonline.com/common/v2.0",
        "https://login.microsoftonline.com/common",
        "https://login.microsoftonline.com/organizations/v2.0",
        "https://login.microsoftonline.com/ORGANIZATIONS/v2.0",
        "https://LOGIN.microsoftonline.com/Common/v2.0/",
        "https://login.microsoftonline.com/consumers/v2.0",
        "https://login.microsoftonline.com/{tenantid}/v2.0",
        "https://login.microsoftonline.us/organizations/v2.0",
        "https://login.partner.microsoftonline.cn/common/v2.0",
        "https://sts.windows.net/common/",
    ] {
        for configured in [
            Issuer::discover(issuer),
            Issuer::with_jwks_url(issuer, "https://login.microsoftonline.com/common/discovery/v2.0/keys"),
        ] {
            let error = build(configured).unwrap_err();
            assert!(
                matches!(error.problems(), [ConfigProblem::IssuerOfManyTenants { issuer: named, .. }]
                if named == issuer),
                "{issuer}: {error}"
            );
            assert!(error.to_string().contains("add an issuer for each tenant"), "{error}");
            assert!(error.to_string().contains("resolve_issuers"), "{error}");
        }
    }
    for issuer in [
        "https://login.microsoftonline.com/11111111-2222-3333-4444-555555555555/v2.0",
        "https://login.microsoftonline.com/tfp/common/b2c_1_signin/v2.0",
        "https://login.example.com/common",
        "https://login.example.com/realms/organizations",
    ] {
        assert!(build(Issuer::discover(issuer)).is_ok(), "{issuer}");
    }
}
