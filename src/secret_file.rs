//! Reads secrets from files: client secrets, private keys, assertions and bearer tokens.
//!
//! Checks: a secret is at most 64 KiB of UTF-8 and not empty. Line breaks at its end are not part of it.
//! Does not check: the content.
//!
//! Why line breaks: editors and `echo` add one, also to the secrets of Kubernetes and Docker. No secret ends
//! in one, and shells drop all of them (`$(cat file)`).

use std::error::Error;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use tokio::task::spawn_blocking;
use zeroize::Zeroizing;

/// The maximum size of a file.
const MAX_BYTES: u64 = 64 * 1024;

/// Reads the secret in the file at `path`. Blocks.
///
/// # Errors
/// The [`SecretFault`]. It has nothing of the content.
pub(crate) fn read_secret(path: &Path) -> Result<Zeroizing<String>, SecretFault> {
    // A string that grows would leave copies of the secret in freed memory.
    let capacity = usize::try_from(MAX_BYTES).unwrap_or_default().saturating_add(1);
    let mut text = Zeroizing::new(String::with_capacity(capacity));
    let file = File::open(path).map_err(SecretFault::Io)?;
    file.take(MAX_BYTES.saturating_add(1)).read_to_string(&mut text).map_err(SecretFault::Io)?;
    if u64::try_from(text.len()).is_ok_and(|len| len > MAX_BYTES) {
        return Err(SecretFault::TooLarge);
    }
    match text.trim_end_matches(['\r', '\n']) {
        "" => Err(SecretFault::Empty),
        secret => Ok(Zeroizing::new(secret.to_owned())),
    }
}

/// Why a file has no secret, as a predicate for the file.
#[derive(Debug)]
pub(crate) enum SecretFault {
    Io(io::Error),
    TooLarge,
    Empty,
    /// The runtime shut down before the read began.
    Cancelled,
}

impl fmt::Display for SecretFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "cannot be read: {error}"),
            Self::TooLarge => f.write_str("is larger than 64 KiB"),
            Self::Empty => f.write_str("is empty"),
            Self::Cancelled => f.write_str("was not read, because the runtime has shut down"),
        }
    }
}

/// A file whose secret is read again and again, because another program keeps it current.
///
/// At most one read is in flight: a file system that hangs (NFS) blocks one thread, however often the secret
/// is needed meanwhile.
pub(crate) struct SecretFile {
    path: Arc<Path>,
    /// The read in flight.
    reading: Arc<Mutex<Option<Reading>>>,
}

/// A read in flight, whose result all clones receive.
type Reading = watch::Receiver<Option<Outcome>>;

type Outcome = Result<Arc<Zeroizing<String>>, Arc<SecretFileError>>;

/// Why a [`SecretFile`] has no secret.
#[derive(Debug)]
pub(crate) struct SecretFileError {
    path: Arc<Path>,
    fault: SecretFault,
}

impl SecretFile {
    pub(crate) fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into().into(), reading: Arc::default() }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the secret, on a thread for blocking calls. Waits for the read in flight if there is one.
    /// Dropping the future does not end the read.
    ///
    /// # Errors
    /// The [`SecretFileError`] of the read.
    pub(crate) async fn read(&self) -> Outcome {
        let mut reading = self.reading();
        let outcome = reading.wait_for(Option::is_some).await.ok().and_then(|outcome| outcome.clone());
        outcome.unwrap_or_else(|| Err(failed(&self.path, SecretFault::Cancelled)))
    }

    /// The read in flight. Starts one if there is none.
    fn reading(&self) -> Reading {
        let mut reading = lock(&self.reading);
        // The runtime of a read may have shut down before it began.
        if let Some(reading) = reading.as_ref().filter(|reading| reading.has_changed().is_ok()) {
            return reading.clone();
        }
        let (sender, receiver) = watch::channel(None);
        let (path, slot) = (Arc::clone(&self.path), Arc::clone(&self.reading));
        spawn_blocking(move || {
            let outcome = read_secret(&path).map(Arc::new).map_err(|fault| failed(&path, fault));
            // Under the lock, so that no later read is in the slot. The secret does not stay in memory.
            let mut reading = lock(&slot);
            *reading = None;
            sender.send_replace(Some(outcome));
        });
        reading.insert(receiver).clone()
    }
}

fn lock(reading: &Mutex<Option<Reading>>) -> MutexGuard<'_, Option<Reading>> {
    reading.lock().unwrap_or_else(PoisonError::into_inner)
}

fn failed(path: &Arc<Path>, fault: SecretFault) -> Arc<SecretFileError> {
    Arc::new(SecretFileError { path: Arc::clone(path), fault })
}

impl fmt::Display for SecretFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the file {:?} {}", self.path, self.fault)
    }
}

impl Error for SecretFileError {}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn path(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("tower-bearer-{name}-{}", std::process::id()))
    }

    #[test]
    fn line_breaks_at_the_end_are_not_part_of_a_secret() {
        let path = path("line-breaks");
        for (content, secret) in [
            ("s3cret", Some("s3cret")),
            ("s3cret\n", Some("s3cret")),
            ("s3cret\r\n", Some("s3cret")),
            ("s3cret\n\n", Some("s3cret")),
            (" s3 cret ", Some(" s3 cret ")),
            ("\ns3\ncret\n", Some("\ns3\ncret")),
            ("", None),
            ("\r\n", None),
        ] {
            fs::write(&path, content).unwrap();
            assert_eq!(read_secret(&path).ok().as_deref().map(String::as_str), secret, "{content:?}");
        }
        fs::remove_file(&path).unwrap();
    }

    #[test]
    fn an_error_names_the_fault_and_nothing_of_the_content() {
        let path = path("faults");
        for (content, fault) in [
            (None, "cannot be read: "),
            (Some(vec![b's'; (64 << 10) + 1]), "is larger than 64 KiB"),
            (Some(vec![b's', 0xff]), "cannot be read: "),
            (Some(Vec::new()), "is empty"),
        ] {
            if let Some(content) = content {
                fs::write(&path, content).unwrap();
            }
            let shown = read_secret(&path).unwrap_err().to_string();
            assert!(shown.starts_with(fault) && !shown.contains("ss"), "{shown}");
        }
        fs::write(&path, vec![b's'; 64 << 10]).unwrap();
        assert!(read_secret(&path).is_ok());
        fs::remove_file(&path).unwrap();
    }

    #[test]
    fn a_secret_that_was_read_does_not_stay_in_memory() {
        let path = path("not-kept");
        fs::write(&path, "s3cret").unwrap();
        let file = SecretFile::new(&path);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let secret = runtime.block_on(file.read()).unwrap();
        // Waits for the end of the thread that has read it.
        drop(runtime);
        assert_eq!(Arc::strong_count(&secret), 1);
        fs::remove_file(&path).unwrap();
    }

    /// Does not wait for a thread that hangs, when an assertion fails.
    #[cfg(unix)]
    struct Background(Option<tokio::runtime::Runtime>);

    #[cfg(unix)]
    impl Drop for Background {
        fn drop(&mut self) {
            if let Some(runtime) = self.0.take() {
                runtime.shutdown_background();
            }
        }
    }

    /// Reading a pipe that nobody writes to hangs.
    #[cfg(unix)]
    #[test]
    fn reads_of_a_file_that_hangs_occupy_one_thread() {
        let path = path("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = Background(builder.max_blocking_threads(2).build().ok());
        let secret = runtime.0.as_ref().unwrap().block_on(async {
            let file = SecretFile::new(&path);
            for _ in 0..5 {
                tokio::select! {
                    biased;
                    _ = file.read() => panic!("the read hangs"),
                    () = tokio::task::yield_now() => {}
                }
            }
            // Another thread is free. It writes once the last read waits for the one in flight.
            let write = async {
                let path = path.clone();
                spawn_blocking(move || fs::write(path, "s3cret\n").unwrap()).await.unwrap();
            };
            let (secret, ()) = tokio::join!(biased; file.read(), write);
            secret.unwrap()
        });
        assert_eq!(secret.as_str(), "s3cret");
        fs::remove_file(&path).unwrap();
    }
}
