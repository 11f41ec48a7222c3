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
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::routing::get;
use governor::middleware::NoOpMiddleware;
use tower_bearer::testing::TestIssuer;
use tower_bearer::{AccessToken, BearerAuth};
use tower_bearer_examples::{listen, print_curl};
use tower_governor::governor::GovernorConfigBuilder;
use tower_governor::key_extractor::{KeyExtractor, PeerIpKeyExtractor};
use tower_governor::{GovernorError, GovernorLayer};

/// The audience: tokens for this API have it in `aud`.
const API: &str = "https://api.example.com";
/// The requests that a subject may send at once. After that, one for each [`PERIOD`].
const SUBJECT_BURST: u32 = 5;
/// The requests that an address may send at once. Many users can share an address.
const ADDRESS_BURST: u32 = 50;
const PERIOD: Duration = Duration::from_secs(60);

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
    // The limit by address needs the address of the peer. Behind a proxy, choose another `KeyExtractor`.
    axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await?;
    Ok(())
}

/// `None` if a limit is zero.
fn app(auth: BearerAuth) -> Option<Router> {
    let by_subject = limit(BySubject, SUBJECT_BURST)?;
    let by_address = limit(PeerIpKeyExtractor, ADDRESS_BURST)?;
    // The last layer is the first that sees a request.
    Some(Router::new().route("/orders", get(orders)).layer(by_subject).layer(auth).layer(by_address))
}

async fn orders(token: AccessToken) -> String {
    format!("orders of {}\n", token.subject().unwrap_or("the client"))
}

/// A limit for each key. Needs a tokio runtime.
fn limit<K>(key: K, burst: u32) -> Option<GovernorLayer<K, NoOpMiddleware, Body>>
where
    K: KeyExtractor<Key: Send + Sync + 'static>,
{
    let config =
        GovernorConfigBuilder::default().key_extractor(key).burst_size(burst).period(PERIOD).finish()?;
    let limiter = config.limiter().clone();
    tokio::spawn(async move {
        let mut interval = tokio::time::interval(PERIOD);
        loop {
            interval.tick().await;
            // Removes the keys that have their whole burst again. Otherwise each key ever seen stays in memory.
            limiter.retain_recent();
        }
    });
    Some(GovernorLayer::new(config))
}

/// Counts the requests of each subject. The same subject of another issuer is somebody else.
#[derive(Clone)]
struct BySubject;

#[derive(Clone, Debug, Eq, Hash, PartialEq)]
struct Subject {
    issuer: String,
    /// `sub`, or the client of a token without one.
    id: String,
}

impl KeyExtractor for BySubject {
    type Key = Subject;

    fn extract<T>(&self, request: &Request<T>) -> Result<Subject, GovernorError> {
        let token = request.extensions().get::<AccessToken>().ok_or(GovernorError::UnableToExtractKey)?;
        let id = token.subject().or_else(|| token.client_id()).ok_or(GovernorError::UnableToExtractKey)?;
        Ok(Subject { issuer: token.issuer().to_owned(), id: id.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use axum::extract::ConnectInfo;
    use axum::http::StatusCode;
    use tower::ServiceExt;
    use tower_bearer::BearerAuthBuilder;

    use super::*;

    const HOME: [u8; 4] = [192, 0, 2, 1];
    const ELSEWHERE: [u8; 4] = [192, 0, 2, 2];

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
        assert_eq!(api.status(HOME, None).await, StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(api.status(ELSEWHERE, None).await, StatusCode::UNAUTHORIZED);
    }

    struct Api(Router);

    impl Api {
        fn new(auth: BearerAuthBuilder) -> Self {
            Self(app(auth.build().unwrap()).unwrap())
        }

        async fn status(&self, address: [u8; 4], token: Option<String>) -> StatusCode {
            let mut request = Request::get("/orders");
            request = request.extension(ConnectInfo(SocketAddr::from((address, 40000))));
            if let Some(token) = token {
                request = request.header("Authorization", format!("Bearer {token}"));
            }
            self.0.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap().status()
        }
    }
}
