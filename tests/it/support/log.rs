//! What this thread writes to the log, at every level.
//!
//! Why there are idle subscribers: with a single one in the process, `tracing` asks the thread that comes to
//! an event first whether anybody listens, and believes it for all threads.

use std::io;
use std::sync::{Arc, Mutex, OnceLock};

use tracing::level_filters::LevelFilter;
use tracing::subscriber::DefaultGuard;
use tracing::{Dispatch, Level};

/// Everything that was logged since its making, with spans and fields.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// Begins; ends with the guard.
    pub(crate) fn capture() -> (Self, DefaultGuard) {
        static IDLE: OnceLock<[Dispatch; 2]> = OnceLock::new();
        IDLE.get_or_init(|| [(); 2].map(|()| Dispatch::new(idle())));
        let log = Self::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(Level::TRACE)
            .with_ansi(false)
            .with_span_events(tracing_subscriber::fmt::format::FmtSpan::FULL)
            .with_writer(move || writer.clone())
            .finish();
        (log, tracing::subscriber::set_default(subscriber))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

fn idle() -> impl tracing::Subscriber {
    tracing_subscriber::fmt().with_max_level(LevelFilter::TRACE).with_writer(io::sink).finish()
}

impl io::Write for Log {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Whether `text` holds any `len` characters in a row of `secret`.
#[track_caller]
pub(crate) fn assert_holds_no_piece(text: &str, secret: &str, len: usize, name: &str) {
    assert!(secret.len() >= len && secret.is_ascii(), "{name}: nothing to look for");
    for start in 0..=secret.len() - len {
        let piece = &secret[start..start + len];
        assert!(!contains(text, piece), "{name}: {piece} is in {text}");
    }
}

/// Whether `text` contains `piece`. Faster in unoptimized builds than `str::contains`, because `memchr` is optimized
/// there.
pub(crate) fn contains(text: &str, piece: &str) -> bool {
    memchr::memmem::find(text.as_bytes(), piece.as_bytes()).is_some()
}
