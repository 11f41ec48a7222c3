//! A failed fetch names the URL, the causes and a hint.

use std::io;
use std::time::Duration;

use serde_json::json;
use tokio::time::sleep;
use tower_bearer::builder::EndpointHosts;
use tower_bearer::issuers::IssuerResolver;
use tower_bearer::testing::Fault;
use tower_bearer::{BearerAuth, Issuer};
use tracing::Level;

use crate::support::app::issuer;
use crate::support::introspected::introspection;
use crate::support::log::{Entry, Log};
use crate::support::net::{Net, Reply};
use crate::support::protected::{ACCEPTED, API, ISSUER, Protected};

const RFC_8414: &str = "https://login.example.com/.well-known/oauth-authorization-server";
const OPENID: &str = "https://login.example.com/.well-known/openid-configuration";

/// An API that discovers `issuer`, whose well-known URLs give this response.
fn discovering(issuer: Issuer, reply: &Reply) -> BearerAuth {
    let net = Net::default();
    for url in [RFC_8414, OPENID] {
        net.set(url, reply.clone());
    }
    BearerAuth::builder(API).issuer(issuer).http_client(net).build().unwrap()
}

fn metadata_of(issuer: &str) -> Reply {
    Reply::body(json!({"issuer": issuer, "jwks_uri": "https://login.example.com/jwks"}).to_string())
}

#[tokio::test(start_paused = true)]
async fn metadata_of_another_issuer_is_reported_with_url_both_names_and_the_difference() {
    for (named, configured, difference, hint) in [
        (ISSUER, "https://login.example.com/", "only the configured one ends in a slash", "exactly"),
        ("https://login.example.com/", ISSUER, "the configured one lacks the slash at the end", "exactly"),
        ("https://LOGIN.example.com", ISSUER, "they differ only in upper and lower case", "exactly"),
        ("http://login.example.com", ISSUER, "they differ in the scheme", "public URL"),
        ("https://auth.internal:8080", ISSUER, "they differ in the host and the port", "public URL"),
        ("https://login.example.com/realms/acme", ISSUER, "they differ in the path", "exactly"),
    ] {
        let log = Log::start();
        let auth = discovering(Issuer::discover(configured), &metadata_of(named));
        let error = auth.ready().await.unwrap_err().to_string();
        let parts = [
            "time limit per issuer: 15 s".to_owned(),
            format!("it names {named:?}, and {configured:?} is configured ({difference})"),
            format!("({RFC_8414})"),
            "; hint: ".to_owned(),
            hint.to_owned(),
        ];
        for part in parts {
            assert!(error.contains(&part), "{named}: {part}: {error}");
        }
        let event = log.events().into_iter().find(|event| event.field("outcome").is_some()).unwrap();
        assert_eq!((event.field("issuer"), event.field("url")), (Some(configured), Some(RFC_8414)));
        assert!(event.field("cause").unwrap().contains(difference), "{event:?}");
        assert!(event.field("hint").unwrap().contains(hint), "{event:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_redirect_is_reported_with_its_location_escaped_shortened_and_without_query() {
    let long = format!("https://x.example/{}?state=secret", "a".repeat(1000));
    for (location, shown) in [
        ("https://www.example.com/sign-in?state=secret#secret", "\"https://www.example.com/sign-in\""),
        ("https://user:secret@www.example.com/", "\"https://www.example.com/\""),
        ("/maintenance", "\"/maintenance\""),
        ("https://x.example/\"\\ forged=1", "\"https://x.example/\\\"\\\\ forged=1\""),
        (long.as_str(), "aaaaaaaa\""),
    ] {
        let log = Log::start();
        let auth = discovering(Issuer::discover(ISSUER), &Reply::redirect(302, location));
        let error = auth.ready().await.unwrap_err().to_string();
        assert!(
            error.contains(&format!("the new location is {}", shown.get(..8).unwrap())) || location == long
        );
        assert!(error.contains(shown) && error.contains("redirects are not followed"), "{error}");
        assert!(!error.contains("secret") && !log.text().contains("secret"), "{error}");
        assert!(error.len() < 500, "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_unusable_endpoint_is_reported_with_its_url_escaped_shortened_and_without_query() {
    let api = |document: serde_json::Value| {
        let issuer = Issuer::discover(ISSUER).endpoint_hosts(EndpointHosts::listed(["login.example.com"]));
        discovering(issuer, &Reply::body(document.to_string()))
    };
    let long = format!("https://keys.example.net/{}?key=secret", "a".repeat(1000));
    for (url, shown) in [
        (
            "https://keys.example.net/jwks?key=secret",
            "the `jwks_uri` \"https://keys.example.net/jwks\" is on a host",
        ),
        (
            "https://user:secret@keys.example.net/",
            "\"https://keys.example.net/\" has a fragment, a user name",
        ),
        ("https://keys.example.net/\"x", "\"https://keys.example.net/\\\"x\" is on a host"),
        ("secret", "the `jwks_uri` is not an absolute ASCII URL"),
        (long.as_str(), "aaaa\" is on a host"),
    ] {
        let auth = api(json!({"issuer": ISSUER, "jwks_uri": url}));
        let text = auth.ready().await.unwrap_err().to_string();
        assert!(text.contains(shown) && !text.contains("secret") && text.len() < 600, "{text}");
    }
    let text = api(json!({"issuer": ISSUER})).ready().await.unwrap_err().to_string();
    assert!(text.contains("the metadata document has no `jwks_uri`"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_fetch_event_names_the_url_that_was_requested() {
    let log = Log::start();
    let auth = discovering(Issuer::discover(ISSUER), &Reply::status(404));
    assert!(auth.ready().await.unwrap_err().to_string().contains("path included"));
    let net = Net::default();
    let issuer = Issuer::with_jwks_url(ISSUER, "https://login.example.com/keys?tenant=1");
    let auth = BearerAuth::builder(API).issuer(issuer).http_client(net).build().unwrap();
    let error = auth.ready().await.unwrap_err().to_string();
    assert!(
        error.contains("the connection failed (https://login.example.com/keys): connection refused"),
        "{error}"
    );
    let failed = log.events().into_iter().filter(|event| event.field("outcome") == Some("failed"));
    let urls: Vec<String> = failed.map(|event| event.field("url").unwrap().to_owned()).collect();
    assert_eq!(urls, [RFC_8414, "https://login.example.com/keys"]);
}

#[tokio::test(start_paused = true)]
async fn every_well_known_url_that_was_tried_is_named() {
    let auth = discovering(Issuer::discover(ISSUER), &Reply::status(404));
    let error = auth.ready().await.unwrap_err().to_string();
    let expected =
        format!("the response status is 404 ({RFC_8414}; also tried {OPENID}); hint: check the issuer URL");
    assert!(error.contains(&expected), "{error}");
    let tenant = Issuer::discover("https://login.example.com/acme");
    let error = discovering(tenant, &Reply::status(404)).ready().await.unwrap_err().to_string();
    let urls = "; also tried https://login.example.com/acme/.well-known/openid-configuration and \
                https://login.example.com/.well-known/openid-configuration/acme)";
    assert!(error.contains(urls), "{error}");
    let opaque = Issuer::without_keys(ISSUER).introspect(introspection());
    let error = discovering(opaque, &Reply::status(404)).ready().await.unwrap_err().to_string();
    assert!(error.contains(&format!("({RFC_8414}; also tried {OPENID})")), "{error}");
}

#[tokio::test(start_paused = true)]
async fn the_debug_text_of_not_ready_is_its_display_text() {
    let auth = discovering(Issuer::discover(ISSUER), &Reply::status(404));
    let error = auth.ready().await.unwrap_err();
    assert_eq!(format!("{error:?}"), error.to_string());
    assert_eq!(format!("{error:#?}"), error.to_string());
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_in_the_log_once_a_minute_and_its_end_as_well() {
    let (idp, log) = (issuer(ISSUER), Log::start());
    idp.set_outage(Some(Fault::Status(503)));
    let auth = idp.bearer_auth(API).build().unwrap();
    let (api, token) = (Protected::by(&auth), idp.token(API).sign());
    let of = |message: &str| -> Vec<Entry> {
        log.events().into_iter().filter(|event| event.field("message") == Some(message)).collect()
    };
    for _ in 0..30 {
        assert!(api.outcome(&token).await.is_err());
        sleep(Duration::from_secs(1)).await;
    }
    let [first] = &of("key fetch failed")[..] else { panic!("{}", log.text()) };
    assert_eq!((first.level, first.field("failures")), (Level::WARN, Some("1")));
    assert!(first.field("cause").unwrap().contains("the response status is 503"), "{first:?}");
    let again = of("key fetch failed again");
    assert!(again.len() >= 3, "{again:?}");
    assert!(
        again.iter().all(|event| event.level == Level::DEBUG && event.field("cause").is_none()),
        "{again:?}"
    );

    idp.set_outage(Some(Fault::Status(404)));
    for _ in 0..90 {
        assert!(api.outcome(&token).await.is_err());
        sleep(Duration::from_secs(1)).await;
    }
    let causes: Vec<String> =
        of("key fetch failed").iter().map(|event| event.field("cause").unwrap().to_owned()).collect();
    assert!(causes[1].contains("404"), "another cause: {causes:?}");
    assert!((3..=4).contains(&causes.len()), "a reminder each minute: {causes:?}");

    idp.set_outage(None);
    sleep(Duration::from_secs(60)).await;
    assert_eq!(api.outcome(&token).await, ACCEPTED);
    let loaded = of("keys fetched").pop().unwrap();
    assert_eq!(loaded.level, Level::INFO);
    assert!(loaded.field("failures").unwrap().parse::<u32>().unwrap() > 5, "{loaded:?}");
}

#[tokio::test(start_paused = true)]
async fn a_request_rejected_for_want_of_keys_names_the_first_cause_and_the_event_with_all() {
    let log = Log::start();
    let issuer = Issuer::with_jwks_url(ISSUER, "https://login.example.com/keys");
    let auth = BearerAuth::builder(API).issuer(issuer).http_client(Net::default()).build().unwrap();
    let token = crate::support::app::issuer(ISSUER).token(API).sign();
    assert!(Protected::by(&auth).outcome(&token).await.is_err());
    let event = log.requests().pop().unwrap();
    let cause = event.field("cause").unwrap();
    assert!(cause.ends_with("the connection failed (https://login.example.com/keys)"), "{cause}");
    let url = "https://login.example.com/keys";
    let hint = format!("the event `key fetch failed` with the URL {url} has every cause and a hint");
    assert_eq!(event.field("hint"), Some(&*hint));
    let fetch = log.events().into_iter().find(|event| event.field("message") == Some("key fetch failed"));
    assert_eq!(fetch.unwrap().field("url"), Some(url));
}

/// Issuers that share keys share the event of their fetch, which names only one of them.
#[tokio::test(start_paused = true)]
async fn the_hint_of_a_rejection_for_want_of_shared_keys_leads_to_the_event_of_the_fetch() {
    let log = Log::start();
    let (idp, url, other) = (issuer(ISSUER), "https://login.example.com/keys", "https://other.example.com");
    let builder = BearerAuth::builder(API).http_client(Net::default());
    let builder = builder.add_issuer(Issuer::with_jwks_url(ISSUER, url));
    let api = Protected::by(&builder.add_issuer(Issuer::with_jwks_url(other, url)).build().unwrap());
    for named in [ISSUER, other] {
        assert!(api.outcome(idp.token(API).claim("iss", named).sign()).await.is_err());
    }
    let events = log.events();
    let of_fetch = |event: &&Entry| event.field("message") == Some("key fetch failed");
    let urls: Vec<Option<&str>> = events.iter().filter(of_fetch).map(|event| event.field("url")).collect();
    assert_eq!(urls, [Some(url)]);
    let requests = log.requests();
    assert_eq!(requests.len(), 2);
    for request in requests {
        let hint = request.field("hint").unwrap();
        assert!(hint.contains("`key fetch failed`") && hint.contains(url), "{hint}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_rejected_because_the_resolver_failed_names_every_cause_and_the_event_of_the_resolver() {
    let log = Log::start();
    let resolver = IssuerResolver::new("https://{tenant}.login.test", async |_| {
        Err::<Option<Issuer>, _>(io::Error::other("the database is down"))
    });
    let auth =
        BearerAuth::builder(API).http_client(Net::default()).resolve_issuers(resolver).build().unwrap();
    let token = issuer("https://acme.login.test").token(API).sign();
    assert!(Protected::by(&auth).outcome(&token).await.is_err());
    let event = log.requests().pop().unwrap();
    assert_eq!(event.field("kind"), Some("keys_unavailable"));
    let cause = event.field("cause").unwrap();
    assert!(cause.ends_with("the issuer resolver failed: the database is down"), "{cause}");
    let hint = event.field("hint").unwrap();
    assert!(hint.contains("`issuer not resolved`") && !hint.contains("key fetch"), "{hint}");
    let messages = log.events().into_iter().filter_map(|event| event.field("message").map(str::to_owned));
    assert_eq!(messages.filter(|message| message == "issuer not resolved").count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_failed_lookup_of_the_introspection_endpoint_names_the_metadata_and_both_issuers() {
    let issuer = Issuer::without_keys(ISSUER).introspect(introspection());
    let auth = discovering(issuer, &metadata_of("https://login.example.com/"));
    let error = auth.ready().await.unwrap_err().to_string();
    let expected = format!(
        "not ready (time limit per issuer: 3 s): {ISSUER}: introspection: the metadata document is about another \
         issuer ({RFC_8414}): it names \"https://login.example.com/\", and {ISSUER:?} is configured (the \
         configured one lacks the slash at the end)"
    );
    assert_eq!(error, expected);
}

/// The certificate of the server is not signed by a CA that this machine trusts.
#[cfg(feature = "reqwest")]
#[tokio::test]
async fn the_error_of_ready_has_every_cause_down_to_tls() {
    use std::sync::Arc;

    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;
    use tokio_rustls::rustls::ServerConfig;
    use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

    let certificate = CertificateDer::from(include_bytes!("../../data/localhost-cert.der").as_slice());
    let key = PrivatePkcs8KeyDer::from(include_bytes!("../../data/localhost-key.der").as_slice());
    let config = ServerConfig::builder().with_no_client_auth();
    let config = config.with_single_cert(vec![certificate], PrivateKeyDer::from(key)).unwrap();
    let (acceptor, listener) = (TlsAcceptor::from(Arc::new(config)), TcpListener::bind(("127.0.0.1", 0)));
    let listener = listener.await.unwrap();
    let issuer = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move { drop(acceptor.accept(stream).await) });
        }
    });
    let auth = BearerAuth::builder(API).issuer(Issuer::discover(&issuer)).build().unwrap();
    let error = auth.ready().await.unwrap_err().to_string();
    let start = format!(
        "not ready (time limit per issuer: 15 s): {issuer}: keys: the connection failed ({issuer}/.well-known/"
    );
    assert!(error.starts_with(&start), "{error}");
    assert!(error.contains(": invalid peer certificate: "), "{error}");
    assert!(error.contains("; hint: if the server has a private CA, name its certificate"), "{error}");
}
