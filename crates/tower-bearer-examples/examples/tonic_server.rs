//! tonic: a gRPC server whose calls need a token, and a client that attaches one to each call.
//!
//! `BearerAuth` validates the token when a call begins. A stream continues after the token expires: end long
//! streams after `AccessToken::expires_in`, as `axum_sse` does.
//!
//! ```text
//! cargo run -p tower-bearer-examples --example tonic_server    # makes calls, then serves until Ctrl-C
//! ```

use std::error::Error;
use std::vec;

use tokio::net::TcpListener;
use tonic::metadata::MetadataValue;
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Request, Response, Status};
use tower_bearer::testing::TestIssuer;
use tower_bearer::{AccessToken, BearerAuth};
use tower_bearer_examples::listen;

use orders::orders_client::OrdersClient;
use orders::orders_server::{Orders, OrdersServer};
use orders::{GetRequest, ListRequest, Order};

#[allow(warnings)] // Generated code.
#[path = "../proto/orders.rs"]
mod orders;

/// The audience: tokens for this API have it in `aud`.
const API: &str = "https://api.example.com";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let idp = TestIssuer::start().await?;
    let auth = BearerAuth::builder(API).issuer(idp.issuer()).build()?;
    let (listener, origin) = listen().await?;
    let server = tokio::spawn(serve(listener, auth));

    let channel = Endpoint::from_shared(origin.clone())?.connect().await?;
    let token = idp.token(API).sign();
    let mut client = client(channel.clone(), &token)?;
    println!("Get:               {:?}", client.get(GetRequest { id: "7".to_owned() }).await?.into_inner());
    println!(
        "Create:            {:?}",
        client.create(Order::default()).await.map_err(|status| status.code())
    );
    let without_token = OrdersClient::new(channel).get(GetRequest::default()).await;
    println!("Get without token: {:?}", without_token.map_err(|status| status.code()));

    let proto = concat!("-import-path ", env!("CARGO_MANIFEST_DIR"), "/proto -proto orders.proto");
    let address = origin.trim_start_matches("http://");
    println!("grpcurl -plaintext {proto} -H 'Authorization: Bearer {token}' {address} orders.Orders/List");
    Ok(server.await??)
}

async fn serve(listener: TcpListener, auth: BearerAuth) -> Result<(), tonic::transport::Error> {
    // Every service needs a token. For one of them, use `auth.named_layer(OrdersServer::new(Shop))` of
    // `tonic::service::LayerExt` instead.
    let server = Server::builder().layer(auth).add_service(OrdersServer::new(Shop));
    server.serve_with_incoming(TcpIncoming::from(listener)).await
}

struct Shop;

#[tonic::async_trait]
impl Orders for Shop {
    async fn get(&self, request: Request<GetRequest>) -> Result<Response<Order>, Status> {
        let customer = token(&request)?.subject().unwrap_or("the client").to_owned();
        Ok(Response::new(Order { id: request.into_inner().id, customer }))
    }

    async fn create(&self, request: Request<Order>) -> Result<Response<Order>, Status> {
        require(&request, "orders.write")?;
        Ok(Response::new(request.into_inner()))
    }

    type ListStream = tokio_stream::Iter<vec::IntoIter<Result<Order, Status>>>;

    async fn list(&self, request: Request<ListRequest>) -> Result<Response<Self::ListStream>, Status> {
        let customer = token(&request)?.subject().unwrap_or("the client");
        let order = |id: &str| Ok(Order { id: id.to_owned(), customer: customer.to_owned() });
        Ok(Response::new(tokio_stream::iter(vec![order("7"), order("8"), order("9")])))
    }
}

/// The token of a call that `BearerAuth` has accepted.
fn token<T>(request: &Request<T>) -> Result<&AccessToken, Status> {
    request.extensions().get().ok_or_else(|| Status::internal("BearerAuth does not cover this service"))
}

/// Rejects a call whose token does not have `scope`.
fn require<T>(request: &Request<T>, scope: &str) -> Result<(), Status> {
    let required = token(request)?.require(scope);
    required.map_err(|rejection| Status::permission_denied(rejection.description()))
}

/// A client that attaches `token` to each call.
fn client(
    channel: Channel,
    token: &str,
) -> Result<OrdersClient<InterceptedService<Channel, impl Interceptor + use<>>>, Box<dyn Error>> {
    let mut authorization = MetadataValue::try_from(format!("Bearer {token}"))?;
    authorization.set_sensitive(true);
    Ok(OrdersClient::with_interceptor(channel, move |mut request: Request<()>| {
        request.metadata_mut().insert("authorization", authorization.clone());
        Ok(request)
    }))
}

#[cfg(test)]
mod tests {
    use tokio_stream::StreamExt;
    use tonic::Code;
    use tower_bearer::testing::Fault;

    use super::*;

    /// Starts the server. Returns a connection to it.
    async fn start(idp: &TestIssuer) -> Channel {
        let auth = BearerAuth::builder(API).issuer(idp.issuer()).build().unwrap();
        let (listener, origin) = listen().await.unwrap();
        tokio::spawn(serve(listener, auth));
        Endpoint::from_shared(origin).unwrap().connect().await.unwrap()
    }

    fn challenge(status: &Status) -> &str {
        status.metadata().get("www-authenticate").unwrap().to_str().unwrap()
    }

    #[tokio::test]
    async fn a_call_with_a_valid_token_reaches_the_method() {
        let idp = TestIssuer::start().await.unwrap();
        let token = idp.token(API).subject("alice").sign();
        let mut client = client(start(&idp).await, &token).unwrap();

        let order = client.get(GetRequest { id: "7".to_owned() }).await.unwrap().into_inner();
        assert_eq!(order, Order { id: "7".to_owned(), customer: "alice".to_owned() });
    }

    #[tokio::test]
    async fn a_call_without_a_valid_token_is_unauthenticated() {
        let idp = TestIssuer::start().await.unwrap();
        let channel = start(&idp).await;

        let status = OrdersClient::new(channel.clone()).get(GetRequest::default()).await.unwrap_err();
        assert_eq!(status.code(), Code::Unauthenticated);
        assert_eq!(challenge(&status), format!(r#"Bearer realm="{API}""#));

        let mut expired = client(channel, &idp.token(API).expired().sign()).unwrap();
        let status = expired.get(GetRequest::default()).await.unwrap_err();
        assert_eq!(status.code(), Code::Unauthenticated);
        assert!(challenge(&status).contains(r#"error="invalid_token""#), "{}", challenge(&status));
    }

    #[tokio::test]
    async fn a_method_that_needs_a_scope_denies_tokens_without_it() {
        let idp = TestIssuer::start().await.unwrap();
        let channel = start(&idp).await;

        let mut reader = client(channel.clone(), &idp.token(API).sign()).unwrap();
        let status = reader.create(Order::default()).await.unwrap_err();
        assert_eq!(status.code(), Code::PermissionDenied);

        let mut writer = client(channel, &idp.token(API).scope("orders.write").sign()).unwrap();
        assert!(writer.create(Order::default()).await.is_ok());
    }

    #[tokio::test]
    async fn a_stream_needs_a_token_once() {
        let idp = TestIssuer::start().await.unwrap();
        let channel = start(&idp).await;

        let status = OrdersClient::new(channel.clone()).list(ListRequest {}).await.unwrap_err();
        assert_eq!(status.code(), Code::Unauthenticated);

        let mut client = client(channel, &idp.token(API).sign()).unwrap();
        let stream = client.list(ListRequest {}).await.unwrap().into_inner();
        let ids: Vec<String> = stream.map(|order| order.unwrap().id).collect().await;
        assert_eq!(ids, ["7", "8", "9"]);
    }

    #[tokio::test]
    async fn calls_are_unavailable_while_the_keys_were_never_fetched() {
        let idp = TestIssuer::start().await.unwrap();
        idp.set_outage(Some(Fault::Status(500)));
        let mut client = client(start(&idp).await, &idp.token(API).sign()).unwrap();

        let status = client.get(GetRequest::default()).await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable);
        assert!(status.metadata().contains_key("retry-after"));
    }
}
