//! Runs the program, and sends requests to it as a proxy would.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

const PROGRAM: &str = env!("CARGO_BIN_EXE_tower-bearer");

/// A file of its own for each call.
pub(crate) fn config_file(text: &str) -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!("{}-{}.toml", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, text).unwrap();
    path
}

pub(crate) fn check(config: &str) -> Output {
    Command::new(PROGRAM).arg("check").arg("--config").arg(config_file(config)).output().unwrap()
}

/// A running `forward-auth`.
pub(crate) struct ForwardAuth {
    child: Child,
    pub(crate) config: PathBuf,
    pub(crate) address: SocketAddr,
    pub(crate) probes: SocketAddr,
    log: BufReader<std::process::ChildStderr>,
}

impl ForwardAuth {
    /// `config` has `admin_listen`.
    pub(crate) fn start(config: &str) -> Self {
        let config = config_file(config);
        let mut child = Command::new(PROGRAM)
            .arg("forward-auth")
            .arg("--config")
            .arg(&config)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut address = || {
            let line = lines.next().unwrap().unwrap();
            line.split("http://").nth(1).unwrap().trim_end_matches("/ready").parse().unwrap()
        };
        let (address, probes) = (address(), address());
        let log = BufReader::new(child.stderr.take().unwrap());
        Self { child, config, address, probes, log }
    }

    /// Asks about a request, as nginx does.
    pub(crate) fn authorize(&self, method: &str, target: &str, token: Option<&str>) -> Reply {
        let token = token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
        self.send(&format!("X-Original-Method: {method}\r\nX-Original-URI: {target}\r\n{token}"))
    }

    /// Sends a request with these header lines.
    pub(crate) fn send(&self, lines: &str) -> Reply {
        send(self.address, &format!("GET /of-proxy HTTP/1.1\r\n{lines}"))
    }

    pub(crate) fn probe(&self) -> Reply {
        send(self.probes, "GET /ready HTTP/1.1\r\n")
    }

    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Replaces the file, and waits for the log line of the reload that has `text`.
    pub(crate) fn reload(&mut self, config: &str, text: &str) {
        fs::write(&self.config, config).unwrap();
        self.signal("HUP");
        self.wait_for_log(text);
    }

    pub(crate) fn wait_for_log(&mut self, text: &str) {
        let mut line = String::new();
        while !line.contains(text) {
            line.clear();
            assert_ne!(self.log.read_line(&mut line).unwrap(), 0, "no log line has {text:?}");
        }
    }

    /// The exit status and the rest of the log, after SIGTERM.
    pub(crate) fn stop(mut self) -> (Option<i32>, String) {
        self.signal("TERM");
        let mut log = String::new();
        self.log.read_to_string(&mut log).unwrap();
        (self.child.wait().unwrap().code(), log)
    }
}

impl Drop for ForwardAuth {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) struct Reply {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: String,
}

impl Reply {
    /// The value of the header with this name in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.head.lines().filter_map(|line| line.split_once(':'));
        values.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }
}

/// `start` is the request up to and including some header lines, without `Host`.
pub(crate) fn send(address: SocketAddr, start: &str) -> Reply {
    send_head(address, &format!("{start}Host: {address}\r\n"))
}

/// `head` is the request with all of its header lines, except `Connection`.
pub(crate) fn send_head(address: SocketAddr, head: &str) -> Reply {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "{head}Connection: close\r\n\r\n").unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    let (head, body) = response.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Reply { status, head: head.to_owned(), body: body.to_owned() }
}
