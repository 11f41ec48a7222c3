//! Over HTTP on a loopback port, with a server of its own process: `cargo bench --bench loopback`.
//!
//! The server has one thread, and so has the one that sends; each connection has a token of its own and sends
//! its next request as soon as it has the response. Ends after [`LONGEST`], or after `ROUNDS` if that is sooner.

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
use support::raw::raw_check;
use support::request::NO_AUTH;
use support::table::{Batch, Sample, Table};
use support::token::{bearer, issuer, token};
use tokio::net::TcpListener;
use tower_bearer::{AccessToken, Algorithm};

/// Set where this program is the server.
const SERVER: &str = "LOOPBACK_SERVER";

const LONGEST: Duration = Duration::from_secs(20);

const CONNECTIONS: usize = 16;

/// How many requests a connection sends in a round, to each path.
const REQUESTS: usize = 125;

/// Without auth, with a layer that does nothing, with tokens seen before, with each token as one not seen before.
const PATHS: [&str; 4] = ["/open", "/layered", "/seen", "/not-seen"];

fn main() {
    if std::env::var_os(SERVER).is_some() { serve() } else { load() }
}

#[tokio::main(flavor = "current_thread")]
async fn serve() {
    let issuer = issuer(Algorithm::RS256);
    let trusted = || [with_static_keys(&issuer)];
    let orders = async || ([(CONTENT_TYPE, "application/json")], r#"{"orders":[]}"#);
    let orders_of = async |token: AccessToken| {
        assert!(token.subject().is_some());
        ([(CONTENT_TYPE, "application/json")], r#"{"orders":[]}"#)
    };
    let router = Router::new()
        .route(PATHS[0], get(orders))
        .route(PATHS[1], get(orders).layer(NO_AUTH))
        .route(PATHS[2], get(orders_of).layer(warm(&issuer, trusted())))
        .route(PATHS[3], get(orders_of).layer(cold(&issuer, trusted())));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    println!("{}", listener.local_addr().expect("an address"));
    (0..CONNECTIONS).for_each(|_| println!("{}", token(&issuer).sign()));
    // Whoever started it holds the other end, and lets go of it however it ends.
    std::thread::spawn(|| {
        let _ = io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0)
    });
    let listener = listener.tap_io(|stream| stream.set_nodelay(true).expect("a socket"));
    axum::serve(listener, router).await.expect("runs until it is ended");
}

fn load() {
    let start = Instant::now();
    let table = Table::new();
    let server = Server::start();
    let mut connections: Vec<_> =
        server.tokens.iter().map(|token| Connection::open(server.address, token)).collect();
    let raw = Batch::of(raw_check_of_rs256());
    let mut rounds: Vec<Round> = Vec::new();
    while rounds.len() < table.rounds() && start.elapsed() < LONGEST {
        let [open, layered, seen, not_seen] = PATHS.map(|path| server.measure(&mut connections, path));
        rounds.push(Round { open, layered, seen, not_seen, raw: raw.time() });
    }
    server.end();

    let samples = |what: &str, target: &str, unit: &str, of: fn(&Round) -> (f64, f64)| {
        let sample = |round| {
            let (measured, yardstick) = of(round);
            Sample { measured, yardstick }
        };
        Table::samples(what, target, unit, &rounds.iter().map(sample).collect::<Vec<_>>());
    };
    let rate = "requests/s";
    samples("requests/s, tokens seen before / no auth", ">= 0.95", rate, |of| (of.seen.rate, of.open.rate));
    samples("requests/s, a layer that does nothing / no auth", "", rate, |of| {
        (of.layered.rate, of.open.rate)
    });
    samples("requests/s, not seen before / no auth", "", rate, |of| (of.not_seen.rate, of.open.rate));
    let cpu = "ns of CPU";
    samples("server, a layer that does nothing / no auth", "", cpu, |of| (of.layered.cpu, of.open.cpu));
    samples("server, tokens seen before / no auth", "<= 1.05", cpu, |of| (of.seen.cpu, of.open.cpu));
    samples("server, not seen before / no auth", "", cpu, |of| (of.not_seen.cpu, of.open.cpu));
    samples("server, no auth and a raw check / no auth", "", cpu, |of| (of.open.cpu + of.raw, of.open.cpu));
}

fn raw_check_of_rs256() -> impl Fn() {
    let issuer = issuer(Algorithm::RS256);
    raw_check(&issuer, &token(&issuer).sign(), Algorithm::RS256)
}

/// One after another, within less than a second.
struct Round {
    open: Figures,
    layered: Figures,
    seen: Figures,
    not_seen: Figures,
    raw: f64,
}

struct Figures {
    /// Requests a second.
    rate: f64,
    /// Nanoseconds that the server computed for one request.
    cpu: f64,
}

/// The other process.
struct Server {
    process: Child,
    /// It ends when this is closed.
    stdin: ChildStdin,
    address: SocketAddr,
    tokens: Vec<String>,
}

impl Server {
    fn start() -> Self {
        let program = std::env::current_exe().expect("this program has a path");
        let mut command = Command::new(program);
        command.env(SERVER, "1").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().expect("it starts");
        let (stdin, stdout) = (process.stdin.take().expect("piped"), process.stdout.take().expect("piped"));
        let mut lines = BufReader::new(stdout).lines().map(|line| line.expect("a line"));
        let address = lines.next().and_then(|line| line.parse().ok()).expect("an address");
        let tokens = lines.take(CONNECTIONS).collect();
        Self { process, stdin, address, tokens }
    }

    fn measure(&self, connections: &mut [Connection], path: &str) -> Figures {
        connections.iter_mut().for_each(|connection| connection.turn_to(path));
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

    /// Nanoseconds that its one thread has run; Linux alone tells them.
    fn cpu(&self) -> f64 {
        let told = fs::read_to_string(format!("/proc/{}/schedstat", self.process.id())).unwrap_or_default();
        told.split_whitespace().next().and_then(|first| first.parse().ok()).unwrap_or(f64::NAN)
    }

    fn end(mut self) {
        drop(self.stdin);
        self.process.wait().expect("it ends");
    }
}

/// Kept alive, one request at a time.
struct Connection {
    stream: TcpStream,
    authorization: HeaderValue,
    request: Vec<u8>,
    response: Vec<u8>,
}

impl Connection {
    fn open(address: SocketAddr, token: &str) -> Self {
        let stream = TcpStream::connect(address).expect("it listens");
        stream.set_nodelay(true).expect("a socket");
        Self { stream, authorization: bearer(token), request: Vec::new(), response: Vec::new() }
    }

    /// Sends its requests to this path from now on; learns how long the responses are.
    fn turn_to(&mut self, path: &str) {
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
        self.stream.write_all(&self.request).expect("it reads");
    }

    fn receive(&mut self) {
        self.stream.read_exact(&mut self.response).expect("a response");
        assert!(self.response.starts_with(b"HTTP/1.1 200 "), "{}", self.response.escape_ascii());
    }
}
