//! axum: a stream of server-sent events for the subject of the access token. It ends when the token expires.
//!
//! `EventSource` of browsers cannot set the `Authorization` header. Read the stream with `fetch`, or with one
//! of the libraries that do so. Do not send the token in the query: URLs end up in logs.
//!
//! ```text
//! cargo run -p tower-bearer-examples --example axum_sse    # prints curl lines, then serves until Ctrl-C
//! ```

use std::convert::Infallible;
use std::error::Error;
use std::future::ready;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::routing::get;
use futures_util::{Stream, StreamExt};
use tokio::sync::broadcast;
use tokio::time::{interval, sleep};
use tokio_stream::wrappers::BroadcastStream;
use tower_bearer::testing::TestIssuer;
use tower_bearer::{AccessToken, BearerAuth, Require};
use tower_bearer_examples::{listen, print_curl};

/// The audience: tokens for this API have it in `aud`.
const API: &str = "https://api.example.com";

/// Reaches all streams; each selects the orders of its subject.
type Orders = broadcast::Sender<Order>;

#[derive(Clone)]
struct Order {
    /// The customer is the subject of this issuer: others may have the same subject.
    issuer: String,
    customer: String,
    number: u64,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let idp = TestIssuer::start().await?;
    let auth = BearerAuth::builder(API).issuer(idp.issuer()).build()?;
    let (listener, origin) = listen().await?;

    let alice = idp.token(API).subject("alice").scope("orders.read").lifetime(Duration::from_secs(30));
    print_curl("401: no token", None, &format!("{origin}/events"));
    print_curl("403: the scope is missing", Some(&idp.token(API).sign()), &format!("{origin}/events"));
    print_curl("200: events for 30 s", Some(&alice.sign()), &format!("-N {origin}/events"));

    let orders = broadcast::Sender::new(16);
    tokio::spawn(take_orders(orders.clone(), idp.identifier().to_owned()));
    axum::serve(listener, app(auth, orders)).await?;
    Ok(())
}

/// An order each second, for alice and bob in turn.
async fn take_orders(orders: Orders, issuer: String) {
    let mut every_second = interval(Duration::from_secs(1));
    for number in 0.. {
        every_second.tick().await;
        let customer = if number % 2 == 0 { "alice" } else { "bob" };
        // An error means that no stream is open.
        let _ = orders.send(Order { issuer: issuer.clone(), customer: customer.to_owned(), number });
    }
}

fn app(auth: BearerAuth, orders: Orders) -> Router {
    Router::new()
        .route("/events", get(events))
        .route_layer(Require::scope("orders.read"))
        .route_layer(auth)
        .with_state(orders)
}

async fn events(
    token: AccessToken,
    State(orders): State<Orders>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    // `BearerAuth` validated the token when the request began. It cannot end a response that has begun.
    let expired = sleep(token.expires_in());
    let events = BroadcastStream::new(orders.subscribe())
        // A client that reads too slowly misses orders. Its stream ends, so that it notices.
        .take_while(|order| ready(order.is_ok()))
        .filter_map(move |order| ready(order.ok().filter(|order| is_for(order, &token))))
        .map(|order| Ok(event(&order)))
        .take_until(expired);
    Sse::new(events).keep_alive(KeepAlive::default())
}

/// The event for an order. It needs data: browsers ignore events without.
fn event(order: &Order) -> Event {
    Event::default().event("order").data(format!("order {}", order.number))
}

fn is_for(order: &Order, token: &AccessToken) -> bool {
    token.issuer() == order.issuer && token.subject() == Some(&*order.customer)
}

#[cfg(test)]
mod tests {
    use reqwest::Response;
    use tower_bearer::testing::TokenBuilder;

    use super::*;

    struct Api {
        idp: TestIssuer,
        orders: Orders,
        origin: String,
    }

    impl Api {
        async fn start() -> Self {
            let idp = TestIssuer::new();
            let orders = broadcast::Sender::new(2);
            let app = app(idp.bearer_auth(API).build().unwrap(), orders.clone());
            let (listener, origin) = listen().await.unwrap();
            tokio::spawn(async move { axum::serve(listener, app).await });
            Self { idp, orders, origin }
        }

        fn reader(&self, subject: &str) -> TokenBuilder {
            self.idp.token(API).subject(subject).scope("orders.read")
        }

        async fn get(&self, token: Option<TokenBuilder>) -> Response {
            let client = reqwest::Client::builder().no_proxy().build().unwrap();
            let mut request = client.get(format!("{}/events", self.origin));
            if let Some(token) = token {
                request = request.bearer_auth(token.sign());
            }
            request.send().await.unwrap()
        }

        fn take_order(&self, customer: &str, number: u64) {
            self.take_order_of(self.idp.identifier(), customer, number);
        }

        fn take_order_of(&self, issuer: &str, customer: &str, number: u64) {
            let order = Order { issuer: issuer.to_owned(), customer: customer.to_owned(), number };
            self.orders.send(order).ok().unwrap();
        }
    }

    /// The text of the stream up to the end of the next event.
    async fn next_event(response: &mut Response) -> Option<String> {
        let mut text = String::new();
        while !text.ends_with("\n\n") {
            text += std::str::from_utf8(&response.chunk().await.unwrap()?).unwrap();
        }
        Some(text)
    }

    #[tokio::test]
    async fn a_stream_needs_a_valid_token_with_the_scope() {
        let api = Api::start().await;
        let cases = [
            (None, 401),
            (Some(api.reader("alice").expired()), 401),
            (Some(api.idp.token("https://other.example.com").scope("orders.read")), 401),
            (Some(api.idp.token(API).scope("orders.write")), 403),
        ];
        for (token, status) in cases {
            assert_eq!(api.get(token).await.status(), status);
        }
    }

    #[tokio::test]
    async fn a_stream_has_the_events_of_its_subject_only() {
        let api = Api::start().await;
        let mut alice = api.get(Some(api.reader("alice"))).await;
        assert_eq!(alice.status(), 200);
        assert_eq!(alice.headers()["content-type"], "text/event-stream");
        api.take_order("bob", 1);
        api.take_order("alice", 2);
        assert_eq!(next_event(&mut alice).await.unwrap(), "event: order\ndata: order 2\n\n");
    }

    #[tokio::test]
    async fn a_stream_has_no_events_for_the_same_subject_of_another_issuer() {
        let api = Api::start().await;
        let mut alice = api.get(Some(api.reader("alice"))).await;
        api.take_order_of("https://other.example.com", "alice", 1);
        api.take_order("alice", 2);
        assert_eq!(next_event(&mut alice).await.unwrap(), "event: order\ndata: order 2\n\n");
    }

    #[tokio::test]
    async fn a_token_without_a_subject_gets_no_events() {
        let api = Api::start().await;
        let token = api.reader("alice").without("sub").lifetime(Duration::from_secs(10));
        let mut stream = api.get(Some(token)).await;
        api.take_order("alice", 1);
        // Paused time advances to the next timer when the runtime is idle.
        tokio::time::pause();
        assert_eq!(next_event(&mut stream).await, None);
    }

    #[tokio::test]
    async fn a_stream_ends_when_its_token_expires() {
        let api = Api::start().await;
        let mut alice = api.get(Some(api.reader("alice").lifetime(Duration::from_secs(10)))).await;
        api.take_order("alice", 1);
        assert!(next_event(&mut alice).await.is_some());

        // Paused time advances to the next timer when the runtime is idle.
        tokio::time::pause();
        assert_eq!(next_event(&mut alice).await, None);
    }

    #[tokio::test]
    async fn a_stream_that_missed_events_ends() {
        let api = Api::start().await;
        let mut alice = api.get(Some(api.reader("alice"))).await;
        for number in 0..3 {
            api.take_order("alice", number);
        }
        assert_eq!(next_event(&mut alice).await, None);
    }
}
