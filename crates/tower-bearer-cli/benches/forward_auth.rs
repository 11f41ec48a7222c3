//! Compares the requests per second of `forward-auth`, with a cached token, to those of the same hyper server
//! without a check.
//!
//! Both servers run in processes of their own, and short rounds alternate between them. The result is the
//! median of the ratios of consecutive rounds. `ROUNDS` changes their number, which is 40 for each pair. The
//! processor time per request is measured on Linux only, and 0 elsewhere.

#[path = "../src/forward_auth/log_limit.rs"]
mod log_limit;
#[path = "../src/forward_auth/server.rs"]
mod server;

use std::fmt::Write as _;
use std::future::ready;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs};

use http::{Response, StatusCode};
use http_body_util::Full;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tower_bearer::testing::TestIssuer;

/// The argument with which this program is the server without a check.
const BASELINE: &str = "serve-204";
const API: &str = "https://api.example.com";
const ROUND: Duration = Duration::from_millis(250);

fn main() {
    if env::args().nth(1).as_deref() == Some(BASELINE) {
        return tokio::runtime::Runtime::new().unwrap().block_on(serve_baseline());
    }
    // The servers share the processors with the client, which must not have more threads than it needs.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    runtime.unwrap().block_on(compare());
}

async fn serve_baseline() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("listening on http://{}", listener.local_addr().unwrap());
    let (_sender, stopped) = watch::channel(false);
    let respond = |_, _| {
        let mut response = Response::new(Full::default());
        *response.status_mut() = StatusCode::NO_CONTENT;
        ready(response)
    };
    server::serve(listener, server::Peers::new(10_000, |_| true), respond, stopped).await;
}

async fn compare() {
    let issuer = TestIssuer::start().await.unwrap();
    let checked = Server::forward_auth(&issuer);
    let baseline = Server::baseline();
    let request = request(&issuer.token(API).subject("alice").scope("orders:read orders:write").sign());
    let rounds: usize = env::var("ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(40);

    println!(
        "| connections | without a check | forward-auth | ratio | 10th, 90th percentile \
         | CPU per request (Linux only) |"
    );
    println!("|---|---|---|---|---|---|");
    for connections in [1, 64, 1000] {
        let mut pair = (
            Load::new(&baseline, connections, &request).await,
            Load::new(&checked, connections, &request).await,
        );
        let mut ratios = Vec::new();
        // The first round fills caches.
        pair.0.round().await;
        pair.1.round().await;
        pair.0.reset();
        pair.1.reset();
        for _ in 0..rounds {
            let without = pair.0.round().await;
            ratios.push(pair.1.round().await / without);
        }
        ratios.sort_by(f64::total_cmp);
        let at = |percent: usize| ratios[(ratios.len() - 1) * percent / 100] * 100.0;
        println!(
            "| {connections} | {:.0}/s | {:.0}/s | {:.0} % | {:.0} %, {:.0} % | {:.1} us, {:.1} us |",
            pair.0.rate(),
            pair.1.rate(),
            at(50),
            at(10),
            at(90),
            pair.0.cpu(),
            pair.1.cpu(),
        );
    }
}

/// The request of nginx with the recipe of the README, for a browser's request.
fn request(token: &str) -> String {
    let mut request = "GET /_authorize HTTP/1.1\r\nHost: authorizer\r\n".to_owned();
    for (name, value) in [
        ("X-Original-Method", "GET"),
        ("X-Original-URI", "/orders/4711/items?page=2&sort=date"),
        ("X-Original-Host", "api.example.com"),
        ("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"),
        ("Accept", "application/json"),
        ("Accept-Encoding", "gzip, deflate, br"),
        ("Authorization", &format!("Bearer {token}")),
    ] {
        write!(request, "{name}: {value}\r\n").unwrap();
    }
    request + "\r\n"
}

struct Server {
    child: Child,
    address: SocketAddr,
}

impl Server {
    fn baseline() -> Self {
        Self::spawn(Command::new(env::current_exe().unwrap()).arg(BASELINE))
    }

    fn forward_auth(issuer: &TestIssuer) -> Self {
        let config = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("bench.toml");
        let text = format!(
            r#"
            listen = "127.0.0.1:0"
            trusted_proxies = ["127.0.0.1"]
            mode = "original"
            nginx_status = true
            rules = [
                {{ path = "/health", access = "public" }},
                {{ path = "/orders/**", methods = ["POST", "PUT", "DELETE"], scopes = ["orders:write"] }},
                {{ path = "/orders/**", scopes = ["orders:read"] }},
                {{ path = "/**" }},
            ]
            response_headers = {{ x-user = "sub" }}
            [auth]
            audience = "{API}"
            issuers = [{{ issuer = "{}" }}]
            "#,
            issuer.identifier()
        );
        fs::write(&config, text).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_tower-bearer"));
        Self::spawn(command.arg("forward-auth").arg("--config").arg(config))
    }

    fn spawn(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().rsplit_once("http://").unwrap().1.parse().unwrap();
        Self { child, address }
    }

    /// The processor time that the server has used, in ticks of 10 ms.
    fn cpu_ticks(&self) -> f64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap_or_default();
        let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields).split_whitespace();
        fields.skip(11).take(2).map(|ticks| ticks.parse::<f64>().unwrap()).sum()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Clients with a connection each, which send the next request after the response to the last one.
struct Load<'a> {
    server: &'a Server,
    clients: Vec<TcpStream>,
    request: &'a str,
    ticks: f64,
    requests: f64,
    elapsed: Duration,
}

impl<'a> Load<'a> {
    async fn new(server: &'a Server, connections: usize, request: &'a str) -> Self {
        let mut clients = Vec::new();
        for _ in 0..connections {
            clients.push(TcpStream::connect(server.address).await.unwrap());
            clients.last().unwrap().set_nodelay(true).unwrap();
        }
        Self { server, clients, request, ticks: server.cpu_ticks(), requests: 0.0, elapsed: Duration::ZERO }
    }

    fn reset(&mut self) {
        (self.ticks, self.requests, self.elapsed) = (self.server.cpu_ticks(), 0.0, Duration::ZERO);
    }

    /// The requests per second.
    async fn round(&mut self) -> f64 {
        let start = Instant::now();
        let send = |client| tokio::spawn(send_until(client, self.request.to_owned(), start));
        let clients: Vec<_> = self.clients.drain(..).map(send).collect();
        let mut requests = 0.0;
        for client in clients {
            let (client, sent) = client.await.unwrap();
            self.clients.push(client);
            requests += sent;
        }
        let elapsed = start.elapsed();
        self.requests += requests;
        self.elapsed += elapsed;
        requests / elapsed.as_secs_f64()
    }

    fn rate(&self) -> f64 {
        self.requests / self.elapsed.as_secs_f64()
    }

    /// The processor time per request, in microseconds.
    fn cpu(&self) -> f64 {
        (self.server.cpu_ticks() - self.ticks) * 10_000.0 / self.requests
    }
}

/// Sends requests until the end of the round, and returns their number. No response has a body.
async fn send_until(mut client: TcpStream, request: String, start: Instant) -> (TcpStream, f64) {
    let mut buffer = [0; 2048];
    let mut sent = 0.0;
    while start.elapsed() < ROUND {
        client.write_all(request.as_bytes()).await.unwrap();
        let mut length = 0;
        while !buffer[..length].ends_with(b"\r\n\r\n") {
            let read = client.read(&mut buffer[length..]).await.unwrap();
            assert_ne!(read, 0, "the server has closed the connection");
            length += read;
        }
        assert!(buffer.starts_with(b"HTTP/1.1 20"), "{}", String::from_utf8_lossy(&buffer[..length]));
        sent += 1.0;
    }
    (client, sent)
}
