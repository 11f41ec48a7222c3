//! MCP: a server on rmcp's streamable HTTP transport, whose clients find the authorization server from the
//! 401.
//!
//! An MCP client knows only the URL of the server. The 401 names the metadata of the server (RFC 9728), which
//! names the authorization server. There the client requests a token for the URL of the MCP server
//! (RFC 8707), which is therefore the audience: a token for another MCP server is rejected.
//!
//! ```text
//! cargo run -p tower-bearer-examples --example mcp_server    # prints curl lines, then serves until Ctrl-C
//! ```

use std::error::Error;
use std::sync::Arc;

use axum::Router;
use axum::http::request::Parts;
use rmcp::handler::server::common::{AsRequestContext, FromContextPart};
use rmcp::handler::server::wrapper::Parameters;
use rmcp::schemars::{self, JsonSchema};
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ErrorData, tool, tool_router};
use serde::Deserialize;
use tower_bearer::resource_metadata::ResourceMetadata;
use tower_bearer::testing::TestIssuer;
use tower_bearer::{AccessToken, BearerAuth, ConfigError, Issuer, Require};
use tower_bearer_examples::{listen, print_curl};

/// The scope of every request.
const READ: &str = "orders:read";
/// The scope that the tool `cancel_order` needs in addition.
const CANCEL: &str = "orders:cancel";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let idp = TestIssuer::start().await?;
    let (listener, origin) = listen().await?;
    // The URL that users give to their MCP client.
    let resource = format!("{origin}/mcp");
    let app = app(&resource, idp.issuer())?;

    print_curl("401: the challenge names the metadata", None, &resource);
    print_curl("200: the metadata", None, &format!("{origin}/.well-known/oauth-protected-resource/mcp"));
    let token = idp.token(&resource).scope(READ).sign();
    println!("# 200: the tools");
    println!("curl -i -H 'Authorization: Bearer {token}' \\");
    println!("  --json '{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/list\"}}' \\");
    println!("  -H 'Accept: application/json, text/event-stream' {resource}\n");
    axum::serve(listener, app).await?;
    Ok(())
}

fn app(resource: &str, issuer: Issuer) -> Result<Router, ConfigError> {
    let metadata = ResourceMetadata::at(resource).scopes_supported([READ, CANCEL]).scope_hint([READ]);
    let auth = BearerAuth::builder(resource).issuer(issuer).resource_metadata(metadata).build()?;

    // No sessions: each request has its token, and nothing else says who sent it. A session would have to be
    // bound to the subject that opened it. On a public host, also set `with_allowed_hosts`. For clients in
    // web pages, set `with_allowed_origins`.
    let config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(false)
        .with_json_response(true)
        .enforce_origin_validation();
    let mcp = StreamableHttpService::new(|| Ok(Orders), Arc::new(NeverSessionManager::default()), config);

    let mut app = Router::new().route_service("/mcp", mcp);
    app = app.route_layer(Require::scope(READ)).route_layer(auth.clone());
    // After the layers, so that the metadata needs no token.
    if let Some(metadata) = auth.resource_metadata() {
        for path in metadata.paths() {
            app = app.route_service(path, metadata.clone());
        }
    }
    Ok(app)
}

/// The tools.
struct Orders;

#[tool_router(server_handler)]
impl Orders {
    /// Lists the orders of the user.
    #[tool]
    async fn list_orders(&self, Caller(token): Caller) -> String {
        format!("orders of {}", token.subject().unwrap_or("the client"))
    }

    /// Cancels an order of the user.
    #[tool]
    async fn cancel_order(
        &self,
        Caller(token): Caller,
        Parameters(order): Parameters<Order>,
    ) -> Result<String, String> {
        // One URL serves all tools, so a tool checks its own scope. The model sees the text of the error.
        // A tool error, not a 403: the client does not request the scope by itself.
        token.require(CANCEL).map_err(|_| format!("cancel_order needs the scope {CANCEL}"))?;
        // A real tool also checks that the order belongs to the subject.
        Ok(format!("order {} is cancelled", order.id))
    }
}

#[derive(Deserialize, JsonSchema)]
struct Order {
    id: u32,
}

/// The token of the request that calls the tool.
///
/// rmcp gives tools the head of the HTTP request, where `BearerAuth` has put the token.
struct Caller(AccessToken);

impl<C: AsRequestContext> FromContextPart<C> for Caller {
    fn from_context_part(context: &mut C) -> Result<Self, ErrorData> {
        let head = context.as_request_context().extensions.get::<Parts>();
        let token = head.and_then(|head| head.extensions.get::<AccessToken>());
        token.cloned().map(Self).ok_or_else(|| ErrorData::internal_error("no BearerAuth", None))
    }
}

#[cfg(test)]
mod tests {
    use rmcp::model::{CallToolRequestParams, CallToolResult};
    use rmcp::service::{ClientInitializeError, RunningService};
    use rmcp::transport::StreamableHttpClientTransport;
    use rmcp::transport::auth::{
        AuthClient, AuthorizationManager, AuthorizationMetadataSource, ClientCredentialsConfig,
    };
    use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
    use rmcp::{RoleClient, ServiceExt};
    use serde_json::json;
    use tower_bearer::challenge::Challenge;

    use super::*;

    type Client = RunningService<RoleClient, ()>;

    #[tokio::test]
    async fn client_without_a_token_is_led_to_the_metadata() {
        let (server, _idp) = serve().await;

        let challenge = challenge_without_a_token(&server).await;

        let challenge = Challenge::parse(&challenge.parse().unwrap()).unwrap().remove(0);
        let metadata = server.replace("/mcp", "/.well-known/oauth-protected-resource/mcp");
        assert_eq!(challenge.param("resource_metadata"), Some(metadata.as_str()));
        assert_eq!(challenge.param("scope"), Some(READ));
        assert_eq!(challenge.param("error"), None);
    }

    #[tokio::test]
    async fn token_for_another_mcp_server_is_rejected() {
        let (server, _idp) = serve().await;
        let other = "http://127.0.0.1:1/mcp";

        let error = connect(&server, other, &[READ]).await.err().unwrap();

        assert!(error.auth_challenge().unwrap().contains(r#"error="invalid_token""#));
    }

    #[tokio::test]
    async fn token_without_the_scope_of_the_server_gets_insufficient_scope() {
        let (server, _idp) = serve().await;

        let error = connect(&server, &server, &[CANCEL]).await.err().unwrap();

        let challenge = error.auth_challenge().unwrap();
        assert!(challenge.contains(r#"error="insufficient_scope""#), "{challenge}");
        assert!(challenge.contains(READ), "{challenge}");
    }

    #[tokio::test]
    async fn tool_needs_its_own_scope() {
        let (server, _idp) = serve().await;
        let cancel = || {
            let order = json!({ "id": 7 }).as_object().cloned().unwrap();
            CallToolRequestParams::new("cancel_order").with_arguments(order)
        };

        let reader = connect(&server, &server, &[READ]).await.unwrap();
        let refused = reader.call_tool(cancel()).await.unwrap();
        assert_eq!(refused.is_error, Some(true));
        assert_eq!(text(&refused), "cancel_order needs the scope orders:cancel");

        let editor = connect(&server, &server, &[READ, CANCEL]).await.unwrap();
        let done = editor.call_tool(cancel()).await.unwrap();
        assert_ne!(done.is_error, Some(true));
        assert_eq!(text(&done), "order 7 is cancelled");
    }

    #[tokio::test]
    async fn tool_sees_the_subject_of_the_token() {
        let (server, _idp) = serve().await;

        let client = connect(&server, &server, &[READ]).await.unwrap();
        let orders = client.call_tool(CallToolRequestParams::new("list_orders")).await.unwrap();

        assert_eq!(text(&orders), format!("orders of {}", TestIssuer::CLIENT_ID));
    }

    #[tokio::test]
    async fn requests_from_web_pages_are_rejected() {
        let (server, idp) = serve().await;
        let token = idp.token(&server).scope(READ).sign();
        let list = |client: &reqwest::Client| {
            let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" }).to_string();
            let request = client.post(&server).bearer_auth(&token).body(body);
            request
                .header("Content-Type", "application/json")
                .header("Accept", "application/json, text/event-stream")
        };

        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        assert_eq!(list(&client).send().await.unwrap().status(), 200);
        let from_page = list(&client).header("Origin", "https://pages.example.com");
        assert_eq!(from_page.send().await.unwrap().status(), 403);
    }

    /// Serves the example on loopback. Returns the URL of the MCP server.
    async fn serve() -> (String, TestIssuer) {
        let idp = TestIssuer::start().await.unwrap();
        // rmcp reads no metadata without an authorization endpoint, although these tests do not use it.
        let metadata = json!({
            "issuer": idp.identifier(),
            "jwks_uri": idp.jwks_url(),
            "token_endpoint": idp.token_url(),
            "authorization_endpoint": format!("{}/authorize", idp.identifier()),
        });
        idp.set_metadata(Some(metadata.to_string()));
        let (listener, origin) = listen().await.unwrap();
        let resource = format!("{origin}/mcp");
        let app = app(&resource, idp.issuer()).unwrap();
        tokio::spawn(async move { axum::serve(listener, app).await });
        (resource, idp)
    }

    /// The challenge that a client without a token gets.
    async fn challenge_without_a_token(server: &str) -> String {
        let error = ().serve(StreamableHttpClientTransport::from_uri(server)).await.err().unwrap();
        error.auth_challenge().unwrap().to_owned()
    }

    /// Connects as a client that knows only the URL of the server and its own credentials. The client
    /// requests a token for `resource`.
    async fn connect(server: &str, resource: &str, scopes: &[&str]) -> Result<Client, ClientInitializeError> {
        let challenge = challenge_without_a_token(server).await;
        let mut manager = AuthorizationManager::new(server).await.unwrap();
        let found = manager.resolve_metadata_from_challenge(Some(&challenge)).await.unwrap();
        assert_eq!(found.source, AuthorizationMetadataSource::ProtectedResourceMetadata);
        manager.set_metadata(found.metadata);

        let credentials = ClientCredentialsConfig::ClientSecret {
            client_id: TestIssuer::CLIENT_ID.to_owned(),
            client_secret: TestIssuer::CLIENT_SECRET.to_owned(),
            scopes: scopes.iter().map(|&scope| scope.to_owned()).collect(),
            resource: Some(resource.to_owned()),
        };
        manager.configure_client_credentials(&credentials).unwrap();
        manager.exchange_client_credentials(&credentials).await.unwrap();

        let client = AuthClient::new(reqwest::Client::new(), manager);
        let config = StreamableHttpClientTransportConfig::with_uri(server);
        ().serve(StreamableHttpClientTransport::with_client(client, config)).await
    }

    fn text(result: &CallToolResult) -> &str {
        &result.content[0].as_text().unwrap().text
    }
}
