//! Tests of the limits of the server. Where time matters, the clock is paused.

use std::convert::Infallible;
use std::io::{self, Error, ErrorKind};
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::Response;
use http_body_util::Full;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::Instant;

use super::server::{self, Peers};

/// The text of a log.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// The log of what `action` does.
    fn of(action: impl FnOnce()) -> String {
        let log = Self::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone());
        tracing::subscriber::with_default(subscriber.finish(), action);
        String::from_utf8(log.0.lock().unwrap().clone()).unwrap()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn untrusted_peers_have_100_connections_and_cannot_hide_that_proxies_have_too_many() {
    let log = Log::of(|| {
        let peers = Peers::new(1, |peer| peer.is_loopback());
        let permits: Vec<_> = (0..102).map(|_| peers.permit(IpAddr::from([192, 0, 2, 1]))).collect();
        assert_eq!(permits.iter().flatten().filter(|(is_trusted, _)| !is_trusted).count(), 100);
        let permits: Vec<_> = (0..2).map(|_| peers.permit(IpAddr::from([127, 0, 0, 1]))).collect();
        assert_eq!(permits.iter().flatten().filter(|(is_trusted, _)| *is_trusted).count(), 1);
    });
    assert!(log.contains("is_trusted=false") && log.contains("is_trusted=true"), "{log}");
}

/// A connection to a server that never responds. The sender stops the server.
async fn connect(is_trusted: bool) -> (TcpStream, watch::Sender<bool>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, stopped) = watch::channel(false);
    let respond = |_, _| async {
        std::future::pending::<Infallible>().await;
        Response::new(Full::default())
    };
    tokio::spawn(server::serve(listener, Peers::new(1, move |_| is_trusted), respond, stopped));
    (TcpStream::connect(address).await.unwrap(), sender)
}

/// The time until the server closes the connection.
async fn time_until_closed(mut stream: TcpStream) -> Duration {
    let start = Instant::now();
    // A reset ends the connection, too.
    let _ = stream.read_to_end(&mut Vec::new()).await;
    start.elapsed()
}

fn seconds(time: Duration) -> u64 {
    time.as_millis().div_ceil(1000).try_into().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_connection_without_a_head_ends_after_10_s_or_75_s_for_a_proxy() {
    for (is_trusted, expected) in [(false, 10), (true, 75)] {
        let (stream, _sender) = connect(is_trusted).await;
        assert_eq!(seconds(time_until_closed(stream).await), expected, "{is_trusted}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_of_an_untrusted_peer_ends_after_10_s() {
    let (mut stream, _sender) = connect(false).await;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: authorizer\r\n\r\n").await.unwrap();
    assert_eq!(seconds(time_until_closed(stream).await), 10);
}

#[test]
fn only_errors_without_a_connection_delay_the_next_accept() {
    for kind in [ErrorKind::ConnectionAborted, ErrorKind::ConnectionRefused, ErrorKind::ConnectionReset] {
        assert!(server::is_connection_error(&Error::from(kind)), "{kind}");
    }
    let exhausted = Error::from_raw_os_error(24);
    assert!(!server::is_connection_error(&exhausted), "{exhausted}");
}
