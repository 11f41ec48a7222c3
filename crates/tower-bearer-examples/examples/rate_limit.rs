//! Rate limits with `tower_governor`: by address before authentication, by subject after it.
//!
//! The limit by subject is inside `BearerAuth`, so rejected requests do not count against it: nobody can use
//! up the limit of a user without a token of that user. The limit by address is outside, so it counts every
//! request, also those without a valid token.
//!
//! ```text
//! cargo run -p tower-bearer-examples --example rate_limit    # prints curl lines, then serves until Ctrl-C
//! ```

use std::error::Error;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::Request;
use axum::routing::get;
use governor::middleware::NoOpMiddleware;
use tower_bearer::testing::TestIssuer;
use tower_bearer::{AccessToken, BearerAuth};
use tower_bearer_examples::{listen, print_curl};
use tower_governor::governor::GovernorConfigBuilder;
use tower_governor::key_extractor::KeyExtractor;
use tower_governor::{GovernorError, GovernorLayer};

/// The audience: tokens for this API have it in `aud`.
const API: &str = "https://api.example.com";
/// The requests that a subject may send at once. After that, one for each [`SUBJECT_PERIOD`].
const SUBJECT_BURST: u32 = 5;
const SUBJECT_PERIOD: Duration = Duration::from_secs(60);
/// The requests that an address may send at once. After that, one for each [`ADDRESS_PERIOD`]. Many users can
/// share an address.
const ADDRESS_BURST: u32 = 50;
const ADDRESS_PERIOD: Duration = Duration::from_millis(200);
/// How often keys that have their whole burst again are removed from memory.
const CLEANUP_INTERVAL: Duration = Duration::from_secs(60);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let idp = TestIssuer::start().await?;
    let auth = BearerAuth::builder(API).issuer(idp.issuer()).build()?;
    let app = app(auth).ok_or("a limit is zero")?;
    let (listener, origin) = listen().await?;

    let orders = format!("{origin}/orders");
    print_curl("401: no token", None, &orders);
    print_curl("200 five times, then 429", Some(&idp.token(API).subject("alice").sign()), &orders);
    print_curl("200: another subject", Some(&idp.token(API).subject("bob").sign()), &orders);
    // The limit by address needs the address of the peer.
    axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await?;
    Ok(())
}

/// `None` if a limit is zero.
fn app(auth: BearerAuth) -> Option<Router> {
    let by_subject = limit(BySubject, SUBJECT_BURST, SUBJECT_PERIOD)?;
    let by_address = limit(ByAddress, ADDRESS_BURST, ADDRESS_PERIOD)?;
    // The last layer is the first that sees a request.
    Some(Router::new().route("/orders", get(orders)).layer(by_subject).layer(auth).layer(by_address))
}

async fn orders(token: AccessToken) -> String {
    format!("orders of {}\n", token.subject().unwrap_or("the client"))
}

/// A limit for each key. Needs a tokio runtime.
fn limit<K>(key: K, burst: u32, period: Duration) -> Option<GovernorLayer<K, NoOpMiddleware, Body>>
where
    K: KeyExtractor<Key: Send + Sync + 'static>,
{
    let config =
        GovernorConfigBuilder::default().key_extractor(key).burst_size(burst).period(period).finish()?;
    let limiter = config.limiter().clone();
    tokio::spawn(async move {
        let mut interval = tokio::time::interval(CLEANUP_INTERVAL);
        loop {
            interval.tick().await;
            // Otherwise each key ever seen stays in memory.
            limiter.retain_recent();
        }
    });
    Some(GovernorLayer::new(config))
}

/// Counts the requests of each subject. The same subject of another issuer is somebody else.
#[derive(Clone)]
struct BySubject;

#[derive(Clone, Debug, Eq, Hash, PartialEq)]
struct Caller {
    issuer: String,
    id: Id,
}

/// Two variants, so that a client with the name of a user does not share the limit of that user.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
enum Id {
    Subject(String),
    /// The client of a token without `sub`.
    Client(String),
}

impl KeyExtractor for BySubject {
    type Key = Caller;

    fn extract<T>(&self, request: &Request<T>) -> Result<Caller, GovernorError> {
        let token = request.extensions().get::<AccessToken>().ok_or(GovernorError::UnableToExtractKey)?;
        let id = match (token.subject(), token.client_id()) {
            (Some(subject), _) => Id::Subject(subject.to_owned()),
            (None, Some(client)) => Id::Client(client.to_owned()),
            (None, None) => return Err(GovernorError::UnableToExtractKey),
        };
        Ok(Caller { issuer: token.issuer().to_owned(), id })
    }
}

/// Counts the requests of each IPv4 address and of each IPv6 network (/64): one client has all addresses of a
/// network.
///
/// Behind a proxy, write a `KeyExtractor` that reads the header your proxy overwrites. `SmartIpKeyExtractor`
/// trusts any X-Forwarded-For, which clients can forge.
#[derive(Clone)]
struct ByAddress;

impl KeyExtractor for ByAddress {
    type Key = IpAddr;

    fn extract<T>(&self, request: &Request<T>) -> Result<IpAddr, GovernorError> {
        let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
        let ConnectInfo(peer) = peer.ok_or(GovernorError::UnableToExtractKey)?;
        Ok(match peer.ip().to_canonical() {
            IpAddr::V4(address) => address.into(),
            IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)).into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;
    use axum::response::Response;
    use tower::ServiceExt;
    use tower_bearer::BearerAuthBuilder;

    use super::*;

    const HOME: &str = "192.0.2.1";
    const ELSEWHERE: &str = "192.0.2.2";

    #[tokio::test]
    async fn flood_of_one_subject_does_not_affect_another() {
        let idp = TestIssuer::start().await.unwrap();
        let api = Api::new(BearerAuth::builder(API).issuer(idp.issuer()));
        let (alice, bob) = (idp.token(API).subject("alice"), idp.token(API).subject("bob"));

        for _ in 0..SUBJECT_BURST {
            assert_eq!(api.status(HOME, Some(alice.sign())).await, StatusCode::OK);
        }
        // Each token is a new one, and another address does not help.
        assert_eq!(api.status(HOME, Some(alice.sign())).await, StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(api.status(ELSEWHERE, Some(alice.sign())).await, StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(api.status(HOME, Some(bob.sign())).await, StatusCode::OK);
    }

    #[tokio::test]
    async fn same_subject_of_another_issuer_has_its_own_limit() {
        let (idp, other) = (TestIssuer::start().await.unwrap(), TestIssuer::start().await.unwrap());
        let api = Api::new(BearerAuth::builder(API).issuer(idp.issuer()).add_issuer(other.issuer()));

        for _ in 0..SUBJECT_BURST {
            let alice = idp.token(API).subject("alice").sign();
            assert_eq!(api.status(HOME, Some(alice)).await, StatusCode::OK);
        }
        let alice = idp.token(API).subject("alice").sign();
        assert_eq!(api.status(HOME, Some(alice)).await, StatusCode::TOO_MANY_REQUESTS);
        let alice = other.token(API).subject("alice").sign();
        assert_eq!(api.status(HOME, Some(alice)).await, StatusCode::OK);
    }

    #[tokio::test]
    async fn rejected_requests_do_not_count_against_the_subject() {
        let idp = TestIssuer::start().await.unwrap();
        let api = Api::new(BearerAuth::builder(API).issuer(idp.issuer()));
        let alice = idp.token(API).subject("alice");

        for _ in 0..=SUBJECT_BURST {
            let expired = alice.clone().expired().sign();
            assert_eq!(api.status(HOME, Some(expired)).await, StatusCode::UNAUTHORIZED);
        }
        for _ in 0..SUBJECT_BURST {
            assert_eq!(api.status(HOME, Some(alice.sign())).await, StatusCode::OK);
        }
    }

    #[tokio::test]
    async fn requests_without_a_token_are_limited_by_address() {
        let idp = TestIssuer::start().await.unwrap();
        let api = Api::new(BearerAuth::builder(API).issuer(idp.issuer()));

        for _ in 0..ADDRESS_BURST {
            assert_eq!(api.status(HOME, None).await, StatusCode::UNAUTHORIZED);
        }
        let limited = api.until_limited(HOME).await;
        // Whole seconds.
        let wait: u64 = limited.headers()["retry-after"].to_str().unwrap().parse().unwrap();
        assert!(wait <= 1, "{wait}");
        assert_eq!(api.status(ELSEWHERE, None).await, StatusCode::UNAUTHORIZED);
    }

    #[tokio::test]
    async fn addresses_of_one_ipv6_network_share_a_limit() {
        let idp = TestIssuer::start().await.unwrap();
        let api = Api::new(BearerAuth::builder(API).issuer(idp.issuer()));

        for host in 0..ADDRESS_BURST {
            assert_eq!(api.status(&format!("2001:db8::{host:x}"), None).await, StatusCode::UNAUTHORIZED);
        }
        api.until_limited("2001:db8::1:0:0:1").await;
        assert_eq!(api.status("2001:db8:0:1::1", None).await, StatusCode::UNAUTHORIZED);
    }

    #[tokio::test]
    async fn client_with_the_name_of_a_user_has_its_own_limit() {
        let idp = TestIssuer::start().await.unwrap();
        let api = Api::new(BearerAuth::builder(API).issuer(idp.issuer()));
        let user = idp.token(API).subject("alice");
        let client = idp.token(API).without("sub").claim("client_id", "alice");

        for _ in 0..SUBJECT_BURST {
            assert_eq!(api.status(HOME, Some(client.sign())).await, StatusCode::OK);
        }
        assert_eq!(api.status(HOME, Some(client.sign())).await, StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(api.status(HOME, Some(user.sign())).await, StatusCode::OK);
    }

    struct Api(Router);

    impl Api {
        fn new(auth: BearerAuthBuilder) -> Self {
            Self(app(auth.build().unwrap()).unwrap())
        }

        async fn status(&self, address: &str, token: Option<String>) -> StatusCode {
            self.send(address, token).await.status()
        }

        /// Sends requests, whose number depends on the time that they take, until one is limited.
        async fn until_limited(&self, address: &str) -> Response {
            for _ in 0..ADDRESS_BURST {
                let response = self.send(address, None).await;
                if response.status() == StatusCode::TOO_MANY_REQUESTS {
                    return response;
                }
            }
            panic!("{address} is not limited");
        }

        async fn send(&self, address: &str, token: Option<String>) -> Response {
            let mut request = Request::get("/orders");
            let address: IpAddr = address.parse().unwrap();
            request = request.extension(ConnectInfo(SocketAddr::from((address, 40000))));
            if let Some(token) = token {
                request = request.header("Authorization", format!("Bearer {token}"));
            }
            self.0.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
        }
    }
}
