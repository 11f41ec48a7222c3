//! The replay check with a store of the user.

use std::collections::HashSet;
use std::error::Error;
use std::io;
use std::sync::Mutex;
use std::time::SystemTime;

use super::*;

fn at(secs: u64) -> NumericDate {
    NumericDate::from_secs(secs).unwrap()
}

fn proof(jti: &str) -> ProofUse {
    ProofUse::new(&[7; 32], jti, at(1_700_000_060))
}

/// A store that calls this function.
struct FromFn<F>(F);

impl<F: Fn(ProofUse) -> RecordFuture + Send + Sync + 'static> ReplayStore for FromFn<F> {
    fn record(&self, proof: ProofUse) -> RecordFuture {
        (self.0)(proof)
    }
}

async fn record(
    store: impl Fn(ProofUse) -> RecordFuture + Send + Sync + 'static,
    jti: &str,
) -> Result<(), ReplayFault> {
    record_in(&Replay::Store(Arc::new(FromFn(store))), jti).await
}

async fn record_in(replay: &Replay, jti: &str) -> Result<(), ReplayFault> {
    match replay.record(proof(jti), at(1_700_000_000)) {
        Recording::Done(result) => result,
        Recording::Pending(recording) => recording.await,
    }
}

fn failing(error: fn() -> ReplayStoreError) -> impl Fn(ProofUse) -> RecordFuture {
    move |_| Box::pin(async move { Err(error()) })
}

#[tokio::test(start_paused = true)]
async fn store_decides_which_use_is_the_first() {
    let keys = Mutex::new(HashSet::new());
    let store: Arc<dyn ReplayStore> = Arc::new(FromFn(move |proof: ProofUse| -> RecordFuture {
        let is_first = keys.lock().unwrap().insert(proof.id());
        Box::pin(async move { Ok(if is_first { Recorded::First } else { Recorded::Replayed }) })
    }));
    // An `Arc<dyn ReplayStore>` is a store, too.
    let replay = Replay::Store(Arc::new(store));
    assert!(record_in(&replay, "a").await.is_ok());
    assert!(matches!(record_in(&replay, "a").await, Err(ReplayFault::Replayed)));
    assert!(record_in(&replay, "b").await.is_ok());
}

#[tokio::test]
async fn memory_needs_no_future() {
    let replay = Replay::Memory(Arc::new(ReplayMemory::new(16, Duration::from_secs(120))));
    let record = || replay.record(proof("a"), at(1_700_000_000));
    assert!(matches!(record(), Recording::Done(Ok(()))));
    assert!(matches!(record(), Recording::Done(Err(ReplayFault::Replayed))));
}

#[tokio::test(start_paused = true)]
async fn store_that_does_not_respond_within_a_second_is_unavailable() {
    let responds_after = |millis| {
        move |_| -> RecordFuture {
            Box::pin(async move {
                tokio::time::sleep(Duration::from_millis(millis)).await;
                Ok(Recorded::First)
            })
        }
    };
    assert!(record(responds_after(999), "a").await.is_ok());
    let Err(ReplayFault::Unavailable(error)) = record(responds_after(1_001), "a").await else { panic!() };
    assert_eq!(error.to_string(), "the replay store did not respond in time");
    assert!(error.source().is_none());
}

#[tokio::test]
async fn store_that_fails_is_unavailable_with_its_error_as_the_source() {
    let failing = failing(|| ReplayStoreError::new(io::Error::other("connection refused")));
    let Err(ReplayFault::Unavailable(error)) = record(failing, "a").await else { panic!() };
    assert_eq!(error.to_string(), "the replay store is unavailable");
    assert_eq!(error.source().unwrap().to_string(), "connection refused");
    assert_eq!(error.retry_after(), None);
}

#[tokio::test]
async fn full_store_names_whole_seconds_from_1_to_300() {
    for (error, expected) in [
        (|| ReplayStoreError::full(Duration::ZERO), 1),
        (|| ReplayStoreError::full(Duration::from_millis(1)), 1),
        (|| ReplayStoreError::full(Duration::from_secs(7)), 7),
        (|| ReplayStoreError::full(Duration::from_millis(7_001)), 8),
        (|| ReplayStoreError::full(Duration::MAX), 300),
    ] as [(fn() -> ReplayStoreError, u64); 5]
    {
        match record(failing(error), "a").await {
            Err(ReplayFault::Full { retry_after }) => assert_eq!(retry_after, Duration::from_secs(expected)),
            other => panic!("{other:?}"),
        }
    }
}

/// Instances of different releases share a store.
#[test]
fn key_of_a_proof_is_the_start_of_sha_256_over_thumbprint_zero_and_jti() {
    let mut bytes = vec![7; 32];
    bytes.extend(b"\0a");
    assert_eq!(proof("a").id()[..], crate::crypto::sha256(&[&bytes])[..16]);
    assert_eq!(proof("a").expires_at(), SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_060));
    assert_ne!(proof("a").id(), proof("b").id());
    assert_ne!(proof("a").id(), ProofUse::new(&[8; 32], "a", at(1_700_000_060)).id());
    assert_eq!(proof("a").id(), ProofUse::new(&[7; 32], "a", at(1_800_000_000)).id());
}
