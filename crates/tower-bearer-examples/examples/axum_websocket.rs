//! axum: WebSockets that need an access token, and end when it expires.
//!
//! - `/socket` is for programs: they send the token in the `Authorization` header of the handshake, and
//!   `BearerAuth` validates it as for any request.
//! - `/browser` is for web pages: a browser cannot set that header, so the first message is the token. URLs
//!   end up in logs and in the browser's history: do not send a token in the query. Subprotocols are the
//!   other way, see `TokenSource::web_socket_protocol` and its risk.
//!
//! ```text
//! # Prints what to try, then serves until Ctrl-C.
//! cargo run -p tower-bearer-examples --example axum_websocket
//! ```

use std::error::Error;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::extract::ws::{CloseCode, CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::any;
use tokio::time::timeout;
use tower_bearer::testing::TestIssuer;
use tower_bearer::{AccessToken, BearerAuth, Rejection, Require};
use tower_bearer_examples::listen;

/// The audience: tokens for this API have it in `aud`.
const API: &str = "https://api.example.com";

const SCOPE: &str = "chat";

/// How long a browser may take for its first message.
const LOGIN_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a client may take to receive the close frame.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// The limit for messages and frames. It also applies before the login, to anyone who connects.
const MAX_MESSAGE_BYTES: usize = 16 * 1024;

// Close codes that IANA registered.
const UNAUTHORIZED: CloseCode = 3000;
const FORBIDDEN: CloseCode = 3003;
const TRY_AGAIN_LATER: CloseCode = 1013;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let idp = TestIssuer::start().await?;
    let auth = BearerAuth::builder(API).issuer(idp.issuer()).build()?;
    let (listener, origin) = listen().await?;

    let token = idp.token(API).scope(SCOPE).lifetime(Duration::from_secs(300)).sign();
    let host = origin.trim_start_matches("http://");
    println!("# a program: websocat sends the token in the handshake\n");
    println!("websocat -H 'Authorization: Bearer {token}' ws://{host}/socket\n");
    println!("# a page: in the console of a browser, with the token as the first message\n");
    println!("socket = new WebSocket('ws://{host}/browser')");
    println!("socket.onmessage = socket.onclose = console.log");
    println!("socket.onopen = () => {{ socket.send('{token}'); socket.send('hi') }}\n");
    axum::serve(listener, app(auth)).await?;
    Ok(())
}

fn app(auth: BearerAuth) -> Router {
    Router::new()
        // `any`: over HTTP/2, a WebSocket begins with CONNECT instead of GET.
        .route("/socket", any(open))
        .route_layer(Require::scope(SCOPE))
        .route_layer(auth.clone())
        // Outside of the layer: the handshake has no token yet.
        .route("/browser", any(open_for_browser))
        .with_state(auth)
}

async fn open(upgrade: WebSocketUpgrade, token: AccessToken) -> Response {
    limit(upgrade).on_upgrade(move |socket| serve(socket, token))
}

async fn open_for_browser(upgrade: WebSocketUpgrade, State(auth): State<BearerAuth>) -> Response {
    limit(upgrade).on_upgrade(async move |mut socket| match log_in(&mut socket, &auth).await {
        Ok(token) => serve(socket, token).await,
        Err(reason) => close(socket, reason).await,
    })
}

/// Limits frames as well: otherwise, a frame header that announces 16 MiB makes the server reserve as much.
fn limit(upgrade: WebSocketUpgrade) -> WebSocketUpgrade {
    upgrade.max_message_size(MAX_MESSAGE_BYTES).max_frame_size(MAX_MESSAGE_BYTES)
}

/// Reads and validates the token in the first message.
async fn log_in(socket: &mut WebSocket, auth: &BearerAuth) -> Result<AccessToken, CloseFrame> {
    let Ok(Some(Ok(Message::Text(token)))) = timeout(LOGIN_TIMEOUT, socket.recv()).await else {
        return Err(close_frame(UNAUTHORIZED, "The first message must be an access token"));
    };
    let token = auth.authenticate(&token).await.map_err(|rejection| rejected(&rejection))?;
    token.require(SCOPE).map_err(|rejection| rejected(&rejection))?;
    Ok(token)
}

/// Serves a socket until the client leaves or the token expires. The client then connects with a new token.
async fn serve(mut socket: WebSocket, token: AccessToken) {
    if timeout(token.expires_in(), chat(&mut socket, &token)).await.is_err() {
        close(socket, close_frame(UNAUTHORIZED, "The access token expired")).await;
    }
}

async fn chat(socket: &mut WebSocket, token: &AccessToken) {
    let name = token.subject().unwrap_or("the client");
    while let Some(Ok(message)) = socket.recv().await {
        let Message::Text(text) = message else { continue };
        if socket.send(format!("{name}: {text}").into()).await.is_err() {
            return;
        }
    }
}

/// The close frame for a rejection. `description` is a fixed sentence: it tells nothing about the token.
fn rejected(rejection: &Rejection) -> CloseFrame {
    let code = match rejection.status() {
        StatusCode::FORBIDDEN => FORBIDDEN,
        status if status.is_server_error() => TRY_AGAIN_LATER,
        _ => UNAUTHORIZED,
    };
    close_frame(code, rejection.description())
}

fn close_frame(code: CloseCode, reason: &'static str) -> CloseFrame {
    CloseFrame { code, reason: reason.into() }
}

async fn close(mut socket: WebSocket, frame: CloseFrame) {
    // An error means that the client has left. A client that does not read must not keep the socket open.
    let _ = timeout(CLOSE_TIMEOUT, socket.send(Message::Close(Some(frame)))).await;
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt, SinkExt, StreamExt};
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpStream;
    use tokio::sync::mpsc;
    use tokio_tungstenite::tungstenite::client::IntoClientRequest;
    use tokio_tungstenite::tungstenite::{Error as SocketError, Message as ClientMessage};
    use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};
    use tower_bearer::testing::{Endpoint, Fault, TokenBuilder};

    use super::*;

    type Client = WebSocketStream<MaybeTlsStream<TcpStream>>;

    /// Starts the server. Returns its WebSocket origin.
    async fn start(idp: &TestIssuer) -> String {
        serve_app(app(idp.bearer_auth(API).build().unwrap())).await
    }

    async fn serve_app(app: Router) -> String {
        let (listener, origin) = listen().await.unwrap();
        tokio::spawn(async move { axum::serve(listener, app).await });
        origin.replace("http", "ws")
    }

    /// Opens `/socket`. Returns the status of the response if the server refuses.
    async fn connect(origin: &str, token: Option<TokenBuilder>) -> Result<Client, u16> {
        let mut request = format!("{origin}/socket").into_client_request().unwrap();
        if let Some(token) = token {
            let value = format!("Bearer {}", token.sign()).parse().unwrap();
            request.headers_mut().insert("authorization", value);
        }
        match connect_async(request).await {
            Ok((client, _)) => Ok(client),
            Err(SocketError::Http(response)) => Err(response.status().as_u16()),
            Err(error) => panic!("{error}"),
        }
    }

    /// Opens `/browser` and sends the first message.
    async fn log_in_with(origin: &str, first_message: impl Into<ClientMessage>) -> Client {
        let (mut client, _) = connect_async(format!("{origin}/browser")).await.unwrap();
        client.send(first_message.into()).await.unwrap();
        client
    }

    async fn reply(client: &mut Client, text: &str) -> String {
        client.send(text.into()).await.unwrap();
        client.next().await.unwrap().unwrap().into_text().unwrap().to_string()
    }

    async fn close_code(client: &mut Client) -> u16 {
        match client.next().await {
            Some(Ok(ClientMessage::Close(Some(frame)))) => frame.code.into(),
            other => panic!("not a close frame: {other:?}"),
        }
    }

    #[tokio::test]
    async fn a_handshake_without_a_valid_token_is_rejected() {
        let idp = TestIssuer::new();
        let origin = start(&idp).await;
        let cases = [
            (None, 401),
            (Some(idp.token(API).scope(SCOPE).expired()), 401),
            (Some(idp.token("https://other.example.com").scope(SCOPE)), 401),
            (Some(idp.token(API).scope("mail")), 403),
        ];
        for (token, status) in cases {
            assert_eq!(connect(&origin, token).await.err(), Some(status));
        }
    }

    #[tokio::test]
    async fn a_token_in_the_query_is_ignored() {
        let idp = TestIssuer::new();
        let origin = start(&idp).await;
        let token = idp.token(API).scope(SCOPE).sign();
        let result = connect_async(format!("{origin}/socket?access_token={token}")).await;
        assert!(matches!(result, Err(SocketError::Http(response)) if response.status() == 401));
    }

    #[tokio::test]
    async fn a_valid_token_in_the_handshake_opens_the_socket() {
        let idp = TestIssuer::new();
        let origin = start(&idp).await;
        let mut client = connect(&origin, Some(idp.token(API).subject("alice").scope(SCOPE))).await.unwrap();
        assert_eq!(reply(&mut client, "hi").await, "alice: hi");
    }

    #[tokio::test]
    async fn a_first_message_without_a_valid_token_closes_the_socket() {
        let idp = TestIssuer::new();
        let origin = start(&idp).await;
        let cases = [
            (ClientMessage::from("hi"), UNAUTHORIZED),
            (ClientMessage::from(""), UNAUTHORIZED),
            (ClientMessage::binary(idp.token(API).scope(SCOPE).sign()), UNAUTHORIZED),
            (idp.token(API).scope(SCOPE).expired().sign().into(), UNAUTHORIZED),
            (idp.token(API).sign().into(), FORBIDDEN),
        ];
        for (first_message, code) in cases {
            let mut client = log_in_with(&origin, first_message).await;
            assert_eq!(close_code(&mut client).await, code);
        }
    }

    #[tokio::test]
    async fn an_outage_of_the_authorization_server_closes_the_socket_for_a_retry() {
        let idp = TestIssuer::new();
        idp.set_fault(Endpoint::Jwks, Some(Fault::Status(500)));
        let origin = start(&idp).await;
        let mut client = log_in_with(&origin, idp.token(API).scope(SCOPE).sign()).await;
        // Paused time advances to the next timer when the runtime is idle.
        tokio::time::pause();
        assert_eq!(close_code(&mut client).await, TRY_AGAIN_LATER);
    }

    #[tokio::test]
    async fn a_silent_browser_is_disconnected() {
        let idp = TestIssuer::new();
        let origin = start(&idp).await;
        let (mut client, _) = connect_async(format!("{origin}/browser")).await.unwrap();
        // Paused time advances to the next timer when the runtime is idle.
        tokio::time::pause();
        assert_eq!(close_code(&mut client).await, UNAUTHORIZED);
    }

    #[tokio::test]
    async fn a_valid_token_in_the_first_message_opens_the_socket() {
        let idp = TestIssuer::new();
        let origin = start(&idp).await;
        let mut client = log_in_with(&origin, idp.token(API).subject("alice").scope(SCOPE).sign()).await;
        assert_eq!(reply(&mut client, "hi").await, "alice: hi");
    }

    #[tokio::test]
    async fn sockets_end_when_their_token_expires() {
        let idp = TestIssuer::new();
        let origin = start(&idp).await;
        let token = || idp.token(API).subject("alice").scope(SCOPE).lifetime(Duration::from_secs(60));
        let mut program = connect(&origin, Some(token())).await.unwrap();
        let mut browser = log_in_with(&origin, token().sign()).await;
        assert_eq!(reply(&mut program, "hi").await, "alice: hi");
        assert_eq!(reply(&mut browser, "hi").await, "alice: hi");

        // Paused time advances to the next timer when the runtime is idle.
        tokio::time::pause();
        assert_eq!(close_code(&mut program).await, UNAUTHORIZED);
        assert_eq!(close_code(&mut browser).await, UNAUTHORIZED);
    }

    #[tokio::test]
    async fn a_frame_header_that_announces_too_much_ends_the_connection() {
        let idp = TestIssuer::new();
        let origin = start(&idp).await;
        let token = || idp.token(API).scope(SCOPE).lifetime(Duration::from_secs(60));
        let program = connect(&origin, Some(token())).await.unwrap();
        let mut browser = log_in_with(&origin, token().sign()).await;
        reply(&mut browser, "hi").await;
        for mut client in [program, browser] {
            // A masked text frame of 1 MiB, without its payload.
            let header = [0x81, 0xff, 0, 0, 0, 0, 0, 0x10, 0, 0, 0, 0, 0, 0];
            client.get_mut().write_all(&header).await.unwrap();
            // The expiry of the token would end it with a close frame.
            assert!(!matches!(client.next().await, Some(Ok(_))));
        }
    }

    #[tokio::test]
    async fn a_client_that_does_not_read_is_disconnected() {
        let (closed, mut is_closed) = mpsc::channel(1);
        let open = move |upgrade: WebSocketUpgrade| async move {
            upgrade.on_upgrade(async move |mut socket| {
                // More than the buffers of both ends hold.
                let message = Message::Binary(vec![0; 64 << 20].into());
                assert!(socket.send(message).now_or_never().is_none());
                close(socket, close_frame(UNAUTHORIZED, "")).await;
                closed.send(()).await.unwrap();
            })
        };
        let origin = serve_app(Router::new().route("/", any(open))).await;
        let (_client, _) = connect_async(origin).await.unwrap();
        // Paused time advances to the next timer when the runtime is idle.
        tokio::time::pause();
        assert_eq!(timeout(10 * CLOSE_TIMEOUT, is_closed.recv()).await, Ok(Some(())));
    }
}
