//! Protected resource metadata (RFC 9728): the document, the service, and the parameter of challenges.

use std::io;
use std::time::Duration;

use http::{Method, Request};
use serde_json::{Value, json};
use tower::Layer;
use tower_bearer::builder::ConfigProblem;
use tower_bearer::certificates::Certificates;
use tower_bearer::dpop::Dpop;
use tower_bearer::issuers::IssuerResolver;
use tower_bearer::resource_metadata::{ResourceMetadata, ResourceMetadataService};
use tower_bearer::testing::TestIssuer;
use tower_bearer::{Algorithm, BearerAuth, BearerAuthBuilder, Issuer, Rejection, Require, TokenSource};
use tracing::Level;

use crate::support::log::Log;
use crate::support::protected::{
    ACCEPTED, API, ApiResponse, Handler, ISSUER, Protected, anonymous, get, send,
};

const WELL_KNOWN: &str = "https://api.example.com/.well-known/oauth-protected-resource";

/// A `BearerAuth` with this audience and metadata.
fn builder(idp: &TestIssuer, audience: &str, metadata: ResourceMetadata) -> BearerAuthBuilder {
    idp.bearer_auth(audience).resource_metadata(metadata)
}

fn auth_with(metadata: ResourceMetadata) -> BearerAuth {
    builder(&TestIssuer::in_memory(ISSUER), API, metadata).build().unwrap()
}

fn service(auth: &BearerAuth) -> ResourceMetadataService {
    auth.resource_metadata().unwrap()
}

fn document(auth: &BearerAuth) -> Value {
    serde_json::from_str(&service(auth).document()).unwrap()
}

/// The problems of metadata for [`API`].
fn problems(metadata: ResourceMetadata) -> Vec<ConfigProblem> {
    match builder(&TestIssuer::new(), API, metadata).build() {
        Ok(_) => Vec::new(),
        Err(error) => error.problems().to_vec(),
    }
}

async fn request(service: ResourceMetadataService, method: Method, uri: &str) -> ApiResponse {
    send(service, Request::builder().method(method).uri(uri).body(String::new()).unwrap()).await
}

#[test]
fn an_invalid_resource_identifier_is_a_config_error() {
    for (name, resource) in [
        ("empty", ""),
        ("not a URL", "orders-api"),
        ("http", "http://api.example.com"),
        ("fragment", "https://api.example.com/#orders"),
        ("user name", "https://user:hush@api.example.com"),
        ("quote", "https://api.example.com/\"x"),
        ("braces", "https://api.example.com/{tenant}"),
        ("line break", "https://api.example.com/\r\nX: y"),
    ] {
        let problems = problems(ResourceMetadata::at(resource));
        assert!(matches!(&problems[..], [ConfigProblem::ResourceUnusable { .. }]), "{name}: {problems:?}");
        assert!(!problems[0].to_string().contains("hush"), "{name}");
    }
}

#[test]
fn every_invalid_member_is_a_config_error() {
    let metadata = || ResourceMetadata::at(API);
    for (metadata, setting) in [
        (metadata().scopes_supported(["a", "b\"c"]), "scopes_supported"),
        (metadata().scopes_supported(["\u{e9}"]), "scopes_supported"),
        (metadata().scopes_supported(["a offline_access"]), "scopes_supported"),
        (metadata().scope_hint(["a\\b"]), "scope_hint"),
        (metadata().scope_hint(["offline_access"]), "scope_hint"),
        (metadata().scope_hint(["a".repeat(1025)]), "scope_hint"),
        (metadata().name(""), "name"),
        (metadata().add_localized_name("", "x"), "add_localized_name"),
        (metadata().add_localized_name("de_DE", "x"), "add_localized_name"),
        (metadata().add_localized_name("1-de", "x"), "add_localized_name"),
        (metadata().add_localized_name("de-", "x"), "add_localized_name"),
        (metadata().add_localized_name("de", ""), "add_localized_name"),
        (metadata().add_localized_name("de", "x").add_localized_name("DE", "y"), "add_localized_name"),
        (metadata().documentation("docs"), "documentation"),
        (metadata().documentation(""), "documentation"),
        (metadata().policy_uri("http://example.com/policy"), "policy_uri"),
        (metadata().tos_uri("javascript:alert(1)"), "tos_uri"),
    ] {
        let problems = problems(metadata.clone());
        let [ConfigProblem::ResourceMetadataUnusable { setting: found, .. }] = &problems[..] else {
            panic!("{metadata:?}: {problems:?}");
        };
        assert_eq!(*found, setting, "{metadata:?}");
    }
    let all = metadata().scope_hint(["\""]).name("").tos_uri("x").add_localized_name("", "");
    assert_eq!(problems(all).len(), 4, "all problems are reported at once");
}

#[test]
fn the_log_warns_if_the_audiences_are_other_urls() {
    let idp = TestIssuer::new();
    let resource = "https://api.example.com/mcp";
    for (name, audience, warning) in [
        ("the same", resource, None),
        ("a name", "orders-api", None),
        ("a name in the form of a URI", "api://orders", None),
        ("a parent", API, Some("add it with .add_audience(...)")),
        ("another host", "https://orders.example.com", Some("add it with .add_audience(...)")),
        ("a slash at the end", "https://api.example.com/mcp/", Some("they differ in the slash at the end")),
    ] {
        let metadata = || ResourceMetadata::at(resource);
        let of_issuer = BearerAuth::builder("orders").issuer(idp.issuer().audience(audience));
        let of_issuer = of_issuer.http_client(idp.http_client()).resource_metadata(metadata());
        for builder in [builder(&idp, audience, metadata()), of_issuer] {
            let log = Log::start();
            drop(builder.build().unwrap());
            let events: Vec<_> =
                log.events().into_iter().filter(|event| event.level == Level::WARN).collect();
            assert_eq!(events.len(), usize::from(warning.is_some()), "{name}: {events:?}");
            let Some((hint, event)) = warning.zip(events.first()) else { continue };
            assert_eq!(event.field("resource"), Some(resource), "{name}");
            assert!(event.field("hint").unwrap().contains(hint), "{name}: {event:?}");
        }
        let log = Log::start();
        drop(builder(&idp, audience, metadata()).add_audience(resource).build().unwrap());
        assert!(log.events().iter().all(|event| event.level > Level::WARN), "{name}: added as an audience");
    }
}

#[tokio::test(start_paused = true)]
async fn without_the_setting_there_is_no_document_and_no_parameter() {
    let auth = TestIssuer::new().bearer_auth(API).build().unwrap();
    assert!(auth.resource_metadata().is_none());
    let challenge = Protected::by(&auth).send(anonymous("GET")).await.challenge().unwrap();
    assert_eq!(challenge.to_string(), r#"Bearer realm="https://api.example.com""#);
}

#[test]
fn the_document_says_what_was_configured_and_nothing_else() {
    let minimal = auth_with(ResourceMetadata::at(API));
    assert_eq!(
        document(&minimal),
        json!({
            "resource": API,
            "authorization_servers": [ISSUER],
            "bearer_methods_supported": ["header"],
        })
    );
    let full = ResourceMetadata::at(API)
        .scopes_supported(["orders:read orders:write", "admin"])
        .scope_hint(["orders:read"])
        .name("Orders \"live\"")
        .add_localized_name("de", "Bestellungen")
        .add_localized_name("pt-BR", "Pedidos")
        .documentation("https://docs.example.com/#orders")
        .policy_uri("https://example.com/policy")
        .tos_uri("https://example.com/tos");
    assert_eq!(
        document(&auth_with(full)),
        json!({
            "resource": API,
            "authorization_servers": [ISSUER],
            "bearer_methods_supported": ["header"],
            "scopes_supported": ["orders:read", "orders:write", "admin"],
            "resource_name": "Orders \"live\"",
            "resource_name#de": "Bestellungen",
            "resource_name#pt-BR": "Pedidos",
            "resource_documentation": "https://docs.example.com/#orders",
            "resource_policy_uri": "https://example.com/policy",
            "resource_tos_uri": "https://example.com/tos",
        })
    );
    let none = ResourceMetadata::at(API).scopes_supported(["a"]).scopes_supported([" "]);
    assert_eq!(document(&auth_with(none)).get("scopes_supported"), None, "an empty list is omitted");
}

#[test]
fn the_identifier_is_published_byte_for_byte() {
    let idp = TestIssuer::new();
    for resource in ["https://API.example.com/", "https://api.example.com:443/a%2fb/", "https://h/?x=%C3%A9"]
    {
        let auth = builder(&idp, resource, ResourceMetadata::at(resource)).build().unwrap();
        assert_eq!(document(&auth)["resource"], resource);
    }
}

#[tokio::test(start_paused = true)]
async fn the_document_lists_the_issuers_that_are_trusted_now() {
    let servers = |auth: &BearerAuth| document(auth).get("authorization_servers").cloned();
    let idp = TestIssuer::in_memory(ISSUER);
    let auth = builder(&idp, API, ResourceMetadata::at(API)).build().unwrap();
    let before = service(&auth);
    auth.issuers().add(Issuer::discover("https://a.example")).unwrap();
    assert_eq!(servers(&auth), Some(json!(["https://a.example", ISSUER])));
    assert_eq!(before.document(), service(&auth).document(), "a service that exists already");
    auth.issuers().remove(ISSUER);
    assert_eq!(servers(&auth), Some(json!(["https://a.example"])));
    auth.issuers().remove("https://a.example");
    assert_eq!(servers(&auth), None, "an empty list is omitted");
}

#[tokio::test(start_paused = true)]
async fn issuers_that_a_resolver_finds_are_not_listed() {
    let tenant = TestIssuer::in_memory("https://acme.login.test");
    let resolver = IssuerResolver::new("https://{tenant}.login.test", async |request| {
        Ok::<_, io::Error>(Some(Issuer::discover(request.issuer())))
    });
    let auth = BearerAuth::builder(API)
        .clock(tenant.clock())
        .http_client(tenant.http_client())
        .resolve_issuers(resolver)
        .resource_metadata(ResourceMetadata::at(API))
        .build()
        .unwrap();
    assert_eq!(Protected::by(&auth).outcome(tenant.token(API).sign()).await, ACCEPTED);
    assert_eq!(auth.issuers().list(), ["https://acme.login.test"]);
    assert_eq!(document(&auth).get("authorization_servers"), None);
    auth.issuers().replace(tenant.issuer()).unwrap();
    assert_eq!(document(&auth)["authorization_servers"], json!(["https://acme.login.test"]));
}

#[test]
fn the_methods_are_those_that_are_enabled() {
    let idp = TestIssuer::new();
    let methods = |auth: &BearerAuth| document(auth)["bearer_methods_supported"].clone();
    let with = |metadata, source| builder(&idp, API, metadata).add_token_source(source).build().unwrap();
    let cookie = TokenSource::cookie("__Host-token");
    assert_eq!(methods(&with(ResourceMetadata::at(API), cookie)), json!(["header"]));
    assert_eq!(methods(&with(ResourceMetadata::at(API), TokenSource::query())), json!(["header", "query"]));
    let all = with(ResourceMetadata::at(API).form_body_tokens(), TokenSource::query());
    assert_eq!(methods(&all), json!(["header", "body", "query"]));
    let base = auth_with(ResourceMetadata::at(API));
    let view = base.view().add_token_source(TokenSource::query()).build().unwrap();
    assert_eq!((methods(&base), methods(&view)), (json!(["header"]), json!(["header", "query"])));
}

#[tokio::test(start_paused = true)]
async fn the_members_about_dpop_and_mutual_tls_are_what_is_enforced() {
    let idp = TestIssuer::new();
    let plain = || builder(&idp, API, ResourceMetadata::at(API));
    let fapi2 = || {
        let issuer = idp.issuer().introspect(idp.introspection().also_jwts());
        let builder = BearerAuth::builder(API).clock(idp.clock()).http_client(idp.http_client());
        builder.issuer(issuer).resource_metadata(ResourceMetadata::at(API)).fapi2()
    };
    let dpop = || Dpop::at(API).algorithms([Algorithm::PS256, Algorithm::ES256]);
    let certificates = Certificates::of_connection;
    let algorithms = json!(["PS256", "ES256"]);
    let (yes, no) = (json!(true), Value::Null);
    for (name, builder, expected) in [
        ("nothing", plain(), [&no, &no, &no]),
        ("DPoP", plain().dpop(dpop()), [&algorithms, &no, &no]),
        ("DPoP required", plain().dpop(dpop().required()), [&algorithms, &yes, &no]),
        ("certificates", plain().certificates(certificates()), [&no, &no, &yes]),
        ("both", plain().dpop(dpop()).certificates(certificates()), [&algorithms, &no, &yes]),
        (
            "both, DPoP required",
            plain().dpop(dpop().required()).certificates(certificates()),
            [&algorithms, &yes, &yes],
        ),
        ("FAPI, DPoP", fapi2().dpop(dpop()), [&algorithms, &yes, &no]),
        ("FAPI, certificates", fapi2().certificates(certificates()), [&no, &no, &yes]),
        ("FAPI, both", fapi2().dpop(dpop()).certificates(certificates()), [&algorithms, &no, &yes]),
    ] {
        let auth = builder.build().unwrap();
        let view = auth.view().optional().build().unwrap();
        let other = auth.view().resource_metadata(ResourceMetadata::at("https://api.example.com/admin"));
        for auth in [&auth, &view, &other.build().unwrap()] {
            let document = document(auth);
            let members = [
                "dpop_signing_alg_values_supported",
                "dpop_bound_access_tokens_required",
                "tls_client_certificate_bound_access_tokens",
            ];
            assert_eq!(members.map(|member| &document[member]), expected, "{name}");
        }
        let bearer = Protected::by(&auth).send(get(idp.token(API).sign())).await;
        let accepts_bearer = expected[1] == &no && !name.starts_with("FAPI");
        assert_eq!(bearer.is_from_handler(), accepts_bearer, "{name}");
    }
}

#[tokio::test]
async fn get_and_head_have_the_document_and_other_methods_get_405() {
    let auth = auth_with(ResourceMetadata::at(API).max_age(Duration::from_secs(90)));
    let service = service(&auth);
    for uri in ["/.well-known/oauth-protected-resource", "/", "/stripped?x=1", "https://evil.example/a"] {
        let response = request(service.clone(), Method::GET, uri).await;
        assert_eq!(response.status(), 200, "{uri}");
        assert_eq!(response.header("content-type"), Some("application/json"));
        assert_eq!(response.header("cache-control"), Some("public, max-age=90"));
        assert_eq!(response.header("access-control-allow-origin"), Some("*"));
        assert_eq!(response.json()["resource"], API, "{uri}");
        let head = request(service.clone(), Method::HEAD, uri).await;
        assert_eq!((head.status(), head.body.len()), (200, 0));
        assert_eq!(head.header("content-length"), Some(&*response.body.len().to_string()));
        assert_eq!(head.header("content-type"), Some("application/json"));
    }
    for method in [Method::POST, Method::PUT, Method::DELETE, Method::TRACE, "PROPFIND".parse().unwrap()] {
        let response = request(service.clone(), method.clone(), "/").await;
        assert_eq!((response.status(), response.body.len()), (405, 0), "{method}");
        assert_eq!(response.header("allow"), Some("GET, HEAD, OPTIONS"), "{method}");
    }
    let by_default = auth_with(ResourceMetadata::at(API)).resource_metadata().unwrap();
    let response = request(by_default, Method::GET, "/").await;
    assert_eq!(response.header("cache-control"), Some("public, max-age=600"));
}

#[tokio::test]
async fn scripts_of_any_origin_may_read_the_document() {
    let auth = auth_with(ResourceMetadata::at(API));
    let preflight = Request::options("/")
        .header("origin", "https://inspector.example")
        .header("access-control-request-method", "GET")
        .header("access-control-request-headers", "mcp-protocol-version")
        .body(String::new())
        .unwrap();
    let response = send(service(&auth), preflight).await;
    assert_eq!((response.status(), response.body.len()), (204, 0));
    for (name, value) in [
        ("access-control-allow-origin", "*"),
        ("access-control-allow-methods", "GET, HEAD, OPTIONS"),
        ("access-control-allow-headers", "*, authorization"),
        ("access-control-max-age", "86400"),
        ("allow", "GET, HEAD, OPTIONS"),
    ] {
        assert_eq!(response.header(name), Some(value), "{name}");
    }
    assert_eq!(response.header("access-control-allow-credentials"), None);
}

#[test]
fn the_document_is_at_the_path_of_the_resource_and_at_the_root() {
    let idp = TestIssuer::new();
    for (resource, url, paths) in [
        (API, WELL_KNOWN.to_owned(), vec!["/.well-known/oauth-protected-resource"]),
        (
            "https://api.example.com/a/mcp",
            format!("{WELL_KNOWN}/a/mcp"),
            vec!["/.well-known/oauth-protected-resource/a/mcp", "/.well-known/oauth-protected-resource"],
        ),
    ] {
        let auth = builder(&idp, resource, ResourceMetadata::at(resource)).build().unwrap();
        let service = service(&auth);
        assert_eq!(service.url(), url);
        assert_eq!(service.paths().collect::<Vec<_>>(), paths);
    }
}

#[tokio::test(start_paused = true)]
async fn the_url_in_challenges_comes_from_the_configuration_alone() {
    let idp = TestIssuer::new();
    let resource = "https://api.example.com/mcp";
    let auth = builder(&idp, API, ResourceMetadata::at(resource)).build().unwrap();
    for headers in [
        vec![("host", "evil.example")],
        vec![("host", "evil.example"), ("x-forwarded-host", "evil.example"), ("x-forwarded-proto", "http")],
        vec![("forwarded", "host=evil.example;proto=http"), ("x-forwarded-prefix", "/evil")],
        vec![("x-original-url", "/evil"), ("authorization", "Bearer evil.example")],
    ] {
        let mut request = anonymous("GET");
        *request.uri_mut() = "https://evil.example/evil".parse().unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(name, value.parse().unwrap());
        }
        let challenge = Protected::by(&auth).send(request).await.challenge().unwrap();
        assert_eq!(challenge.resource_metadata(), Some(&*format!("{WELL_KNOWN}/mcp")));
        assert!(!challenge.to_string().contains("evil"));
    }
}

#[tokio::test(start_paused = true)]
async fn the_scope_hint_is_in_the_challenge_to_a_request_without_credentials_only() {
    let idp = TestIssuer::new();
    let metadata = ResourceMetadata::at(API).scopes_supported(["a", "b", "c"]).scope_hint(["a", "b"]);
    let auth = builder(&idp, API, metadata).build().unwrap();
    let scope = |response: ApiResponse| response.challenge().unwrap().scope().map(str::to_owned);
    let api = Protected::by(&auth);
    assert_eq!(scope(api.send(anonymous("GET")).await).as_deref(), Some("a b"));
    assert_eq!(scope(api.get("garbage").await), None);
    assert_eq!(scope(api.get(idp.token(API).expired().sign()).await), None);
    let route = auth.layer(Require::scope("c").layer(Handler::default()));
    let token = idp.token(API).scope("a").sign();
    assert_eq!(scope(send(route, get(&token)).await).as_deref(), Some("c"), "the scope of the route");
    let plain = auth_with(ResourceMetadata::at(API).scopes_supported(["a"]));
    assert_eq!(scope(Protected::by(&plain).send(anonymous("GET")).await), None, "no hint by default");
}

#[tokio::test(start_paused = true)]
async fn a_view_names_its_own_metadata() {
    const ADMIN: &str = "https://api.example.com/admin";
    let idp = TestIssuer::in_memory(ISSUER);
    let auth = builder(&idp, API, ResourceMetadata::at(API)).add_audience(ADMIN).realm("r").build().unwrap();
    let admin = auth.view().require_audience(ADMIN).resource_metadata(ResourceMetadata::at(ADMIN));
    let (admin, plain) = (admin.build().unwrap(), auth.view().build().unwrap());
    for (name, auth, url) in [
        ("base", &auth, WELL_KNOWN),
        ("view without its own", &plain, WELL_KNOWN),
        ("view", &admin, &*format!("{WELL_KNOWN}/admin")),
    ] {
        let challenge = Protected::by(auth).send(anonymous("GET")).await.challenge().unwrap();
        assert_eq!((challenge.resource_metadata(), challenge.realm()), (Some(url), Some("r")), "{name}");
        assert_eq!(service(auth).url(), url, "{name}");
    }
    assert_eq!(document(&admin)["resource"], ADMIN);
    assert_eq!(document(&admin)["authorization_servers"], json!([ISSUER]));

    let log = Log::start();
    drop(auth.view().require_audience(ADMIN).resource_metadata(ResourceMetadata::at(API)).build().unwrap());
    let warns = log.events().iter().any(|event| event.field("resource") == Some(API));
    assert!(warns, "the base accepts the audience, the view does not");
    let unusable = auth.view().resource_metadata(ResourceMetadata::at("admin")).build().unwrap_err();
    assert!(matches!(unusable.problems(), [ConfigProblem::ResourceUnusable { .. }]), "{unusable}");
}

#[tokio::test(start_paused = true)]
async fn a_rejection_by_a_handler_names_the_metadata() {
    let idp = TestIssuer::new();
    let auth = builder(&idp, API, ResourceMetadata::at(API)).build().unwrap();
    let handler = tower::service_fn(async |_: Request<_>| {
        let response = Rejection::insufficient_scope(["a"]).into_http_response();
        Ok::<_, io::Error>(response.map(http_body_util::Full::new))
    });
    let response = send(auth.layer(handler), get(idp.token(API).sign())).await;
    let challenge = response.challenge().unwrap();
    assert_eq!((response.status(), challenge.scope()), (403, Some("a")));
    assert_eq!(challenge.resource_metadata(), Some(WELL_KNOWN));
}

#[cfg(feature = "axum")]
#[tokio::test(start_paused = true)]
async fn an_axum_router_serves_the_document_without_a_token() {
    use axum::Router;
    use axum::body::Body;
    use axum::routing::post;

    let idp = TestIssuer::new();
    let resource = "https://api.example.com/mcp";
    let auth = builder(&idp, resource, ResourceMetadata::at(resource)).build().unwrap();
    let mcp = Router::new().route("/", post(async || "{}")).layer(auth.clone());
    let mut app = Router::new().nest("/mcp", mcp);
    for path in service(&auth).paths() {
        app = app.route_service(path, service(&auth));
    }
    for (method, path, status) in [
        ("GET", "/.well-known/oauth-protected-resource/mcp", 200),
        ("GET", "/.well-known/oauth-protected-resource", 200),
        ("HEAD", "/.well-known/oauth-protected-resource/mcp", 200),
        ("POST", "/.well-known/oauth-protected-resource/mcp", 405),
        ("GET", "/.well-known/oauth-protected-resource/other", 404),
        ("POST", "/mcp", 401),
    ] {
        let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        let response = send(app.clone(), request).await;
        assert_eq!(response.status(), status, "{method} {path}");
        if (method, status) == ("GET", 200) {
            assert_eq!(response.json()["resource"], resource);
        }
    }
}
