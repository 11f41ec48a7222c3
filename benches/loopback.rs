//! Measures HTTP over loopback with the server in its own process: `cargo bench --bench loopback`.
//!
//! Server and client have one thread each. Each connection has its own token and sends its next request after
//! the response. Ends after [`MAX_DURATION`] or `ROUNDS` rounds, whichever comes first.

mod support;

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use axum::serve::ListenerExt;
use http::HeaderValue;
use support::auth::{cold, warm, with_static_keys};
use support::request::NO_LAYER;
use support::signature::signature_check;
use support::table::{Batch, Sample, Table};
use support::token::{bearer, issuer, token};
use tokio::net::TcpListener;
use tower_bearer::{AccessToken, Algorithm};

/// The environment variable that makes this program the server.
const SERVER: &str = "LOOPBACK_SERVER";

const MAX_DURATION: Duration = Duration::from_secs(20);

const CONNECTIONS: usize = 16;

/// Requests per connection, path and round.
const REQUESTS: usize = 125;

/// Routes without a layer, with a no-op layer, with a token cache, and with the token cache disabled.
const PATHS: [&str; 4] = ["/no-layer", "/no-op", "/cached", "/uncached"];

fn main() {
    if std::env::var_os(SERVER).is_some() { serve() } else { load() }
}

#[tokio::main(flavor = "current_thread")]
async fn serve() {
    let issuer = issuer(Algorithm::RS256);
    let issuers = || [with_static_keys(&issuer)];
    let orders = async || ([(CONTENT_TYPE, "application/json")], r#"{"orders":[]}"#);
    let orders_of = async |token: AccessToken| {
        assert!(token.subject().is_some());
        ([(CONTENT_TYPE, "application/json")], r#"{"orders":[]}"#)
    };
    let router = Router::new()
        .route(PATHS[0], get(orders))
        .route(PATHS[1], get(orders).layer(NO_LAYER))
        .route(PATHS[2], get(orders_of).layer(warm(&issuer, issuers())))
        .route(PATHS[3], get(orders_of).layer(cold(&issuer, issuers())));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    println!("{}", listener.local_addr().expect("an address"));
    (0..CONNECTIONS).for_each(|_| println!("{}", token(&issuer).sign()));
    // The parent process holds the other end of stdin. It is closed when the parent exits for any reason.
    std::thread::spawn(|| {
        let _ = io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0)
    });
    let listener = listener.tap_io(|stream| stream.set_nodelay(true).expect("a socket"));
    axum::serve(listener, router).await.expect("the server runs");
}

fn load() {
    let start = Instant::now();
    let table = Table::new();
    let server = Server::start();
    let mut connections: Vec<_> =
        server.tokens.iter().map(|token| Connection::open(server.address, token)).collect();
    let check = Batch::new(rs256_signature_check());
    let mut rounds: Vec<Round> = Vec::new();
    while rounds.len() < table.rounds() && start.elapsed() < MAX_DURATION {
        let [no_layer, no_op, cached, uncached] = PATHS.map(|path| server.measure(&mut connections, path));
        rounds.push(Round { no_layer, no_op, cached, uncached, check: check.time() });
    }
    server.end();

    let samples = |name: &str, target: &str, unit: &str, figures: fn(&Round) -> (f64, f64)| {
        let sample = |round| {
            let (measured, baseline) = figures(round);
            Sample { measured, baseline }
        };
        Table::samples(name, target, unit, &rounds.iter().map(sample).collect::<Vec<_>>());
    };
    let rate = "requests/s";
    samples("requests/s, cached tokens / no layer", ">= 0.95", rate, |r| (r.cached.rate, r.no_layer.rate));
    samples("requests/s, no-op layer / no layer", "", rate, |r| (r.no_op.rate, r.no_layer.rate));
    samples("requests/s, uncached tokens / no layer", "", rate, |r| (r.uncached.rate, r.no_layer.rate));
    let cpu = "ns";
    samples("server CPU, no-op layer / no layer", "", cpu, |r| (r.no_op.cpu, r.no_layer.cpu));
    samples("server CPU, cached tokens / no layer", "<= 1.05", cpu, |r| (r.cached.cpu, r.no_layer.cpu));
    samples("server CPU, uncached tokens / no layer", "", cpu, |r| (r.uncached.cpu, r.no_layer.cpu));
    samples("server CPU, no layer plus a signature check / no layer", "", cpu, |r| {
        (r.no_layer.cpu + r.check, r.no_layer.cpu)
    });
}

fn rs256_signature_check() -> impl Fn() {
    let issuer = issuer(Algorithm::RS256);
    signature_check(&issuer, &token(&issuer).sign(), Algorithm::RS256)
}

/// One sample of each path, taken one after another within a second.
struct Round {
    no_layer: Figures,
    no_op: Figures,
    cached: Figures,
    uncached: Figures,
    /// Nanoseconds of one signature check.
    check: f64,
}

struct Figures {
    /// Requests per second.
    rate: f64,
    /// CPU time of the server per request, in nanoseconds.
    cpu: f64,
}

/// The server process.
struct Server {
    process: Child,
    /// The server exits when this is closed.
    stdin: ChildStdin,
    address: SocketAddr,
    tokens: Vec<String>,
}

impl Server {
    fn start() -> Self {
        let program = std::env::current_exe().expect("the path of this program");
        let mut command = Command::new(program);
        command.env(SERVER, "1").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().expect("the server starts");
        let (stdin, stdout) = (process.stdin.take().expect("piped"), process.stdout.take().expect("piped"));
        let mut lines = BufReader::new(stdout).lines().map(|line| line.expect("a line"));
        let address = lines.next().and_then(|line| line.parse().ok()).expect("an address");
        let tokens = lines.take(CONNECTIONS).collect();
        Self { process, stdin, address, tokens }
    }

    fn measure(&self, connections: &mut [Connection], path: &str) -> Figures {
        connections.iter_mut().for_each(|connection| connection.select(path));
        let (start, cpu) = (Instant::now(), self.cpu());
        connections.iter_mut().for_each(Connection::send);
        for _ in 1..REQUESTS {
            for connection in &mut *connections {
                connection.receive();
                connection.send();
            }
        }
        connections.iter_mut().for_each(Connection::receive);
        let requests = (REQUESTS * connections.len()) as f64;
        let rate = requests / start.elapsed().as_secs_f64();
        Figures { rate, cpu: (self.cpu() - cpu) / requests }
    }

    /// CPU time of the server's only thread in nanoseconds. NaN on systems other than Linux.
    fn cpu(&self) -> f64 {
        let schedstat =
            fs::read_to_string(format!("/proc/{}/schedstat", self.process.id())).unwrap_or_default();
        schedstat.split_whitespace().next().and_then(|first| first.parse().ok()).unwrap_or(f64::NAN)
    }

    fn end(mut self) {
        drop(self.stdin);
        self.process.wait().expect("the server exits");
    }
}

/// A keep-alive connection with one request in flight at a time.
struct Connection {
    stream: TcpStream,
    authorization: HeaderValue,
    request: Vec<u8>,
    response: Vec<u8>,
}

impl Connection {
    fn open(address: SocketAddr, token: &str) -> Self {
        let stream = TcpStream::connect(address).expect("the server listens");
        stream.set_nodelay(true).expect("a socket");
        Self { stream, authorization: bearer(token), request: Vec::new(), response: Vec::new() }
    }

    /// Selects the path of the next requests, and learns the length of its responses.
    fn select(&mut self, path: &str) {
        let authorization = self.authorization.to_str().expect("a token");
        self.request = format!(
            "GET {path}?limit=10 HTTP/1.1\r\nhost: api.example.com\r\nuser-agent: orders-frontend/2.3\r\n\
             accept: application/json\r\nauthorization: {authorization}\r\n\r\n"
        )
        .into_bytes();
        self.send();
        self.response.clear();
        let mut octet = [0];
        while !self.response.ends_with(b"}") {
            self.stream.read_exact(&mut octet).expect("a response");
            self.response.extend(octet);
        }
    }

    fn send(&mut self) {
        self.stream.write_all(&self.request).expect("the server reads");
    }

    fn receive(&mut self) {
        self.stream.read_exact(&mut self.response).expect("a response");
        assert!(self.response.starts_with(b"HTTP/1.1 200 "), "{}", self.response.escape_ascii());
    }
}
