//! Proofs in a replay store of the user.

use std::future::{Future, pending, ready};
use std::io;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};
use std::time::Duration;

use tokio::task::{JoinSet, yield_now};
use tower_bearer::RejectionKind::{ProofReplayed, ProofsTooMany, ReplayStoreUnavailable, SenderNotProven};
use tower_bearer::dpop::{Dpop, Nonces, ProofUse, RecordFuture, Recorded, ReplayStore, ReplayStoreError};
use tower_bearer::testing::Fault;

use super::StoreFn;
use crate::support::app::{NOW, at};
use crate::support::dpop::{DpopApi, request_of};
use crate::support::introspected::timed;
use crate::support::log::Log;
use crate::support::protected::{ACCEPTED, API, get};

/// The behaviour of a [`Scripted`] store.
#[derive(Clone, Copy)]
enum Act {
    First,
    Replayed,
    Full(Duration),
    Fail,
    Hang,
    Panic,
}

/// A store that records nothing and follows its script.
#[derive(Clone)]
struct Scripted(Arc<State>);

struct State {
    act: Mutex<Act>,
    uses: Mutex<Vec<ProofUse>>,
    /// The number of calls that hang now.
    hanging: AtomicUsize,
}

impl Scripted {
    fn new(act: Act) -> Self {
        let (act, uses) = (Mutex::new(act), Mutex::default());
        Self(Arc::new(State { act, uses, hanging: AtomicUsize::new(0) }))
    }

    fn set(&self, act: Act) {
        *self.0.act.lock().unwrap() = act;
    }

    fn uses(&self) -> Vec<ProofUse> {
        self.0.uses.lock().unwrap().clone()
    }

    fn api(&self) -> DpopApi {
        DpopApi::with(|dpop| dpop.replay_store(self.clone()))
    }
}

impl ReplayStore for Scripted {
    fn record(&self, proof: ProofUse) -> RecordFuture {
        self.0.uses.lock().unwrap().push(proof);
        let act = *self.0.act.lock().unwrap();
        let state = Arc::clone(&self.0);
        Box::pin(async move {
            match act {
                Act::First => Ok(Recorded::First),
                Act::Replayed => Ok(Recorded::Replayed),
                Act::Full(retry_after) => Err(ReplayStoreError::full(retry_after)),
                Act::Fail => {
                    let source = io::Error::other("connection to redis.internal refused");
                    Err(ReplayStoreError::new(source))
                }
                Act::Hang => {
                    let _hanging = Hanging::new(&state);
                    pending().await
                }
                Act::Panic => panic!("a bug in the store"),
            }
        })
    }
}

/// Counts a call as long as its future exists.
struct Hanging<'s>(&'s State);

impl<'s> Hanging<'s> {
    fn new(state: &'s State) -> Self {
        state.hanging.fetch_add(1, Ordering::Relaxed);
        Self(state)
    }
}

impl Drop for Hanging<'_> {
    fn drop(&mut self) {
        self.0.hanging.fetch_sub(1, Ordering::Relaxed);
    }
}

#[tokio::test(start_paused = true)]
async fn the_store_decides_whether_a_proof_is_the_first() {
    let store = Scripted::new(Act::First);
    let api = store.api();
    let proof = api.proof(&api.token());
    assert_eq!(api.outcome_of(&proof).await, ACCEPTED);
    assert_eq!(api.outcome_of(&proof).await, ACCEPTED, "it records nothing");
    store.set(Act::Replayed);
    assert_eq!(api.outcome_of(&proof).await, Err(ProofReplayed));
    assert_eq!(store.uses().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_cannot_record_gives_503_with_retry_after() {
    let store = Scripted::new(Act::First);
    let api = store.api();
    let proof = api.proof(&api.token());
    let millis = Duration::from_millis;
    for (name, act, kind, retry_after) in [
        ("full", Act::Full(millis(5000)), ProofsTooMany, "5"),
        ("full for a moment", Act::Full(Duration::ZERO), ProofsTooMany, "1"),
        ("a fraction counts as a second", Act::Full(millis(1001)), ProofsTooMany, "2"),
        ("full for long", Act::Full(Duration::MAX), ProofsTooMany, "300"),
        ("unavailable", Act::Fail, ReplayStoreUnavailable, "1"),
    ] {
        store.set(act);
        let response = api.api.send(request_of(&proof)).await;
        assert_eq!(response.outcome(), Err(kind), "{name}");
        assert_eq!(response.header("retry-after"), Some(retry_after), "{name}");
    }
    store.set(Act::First);
    assert_eq!(api.outcome_of(&proof).await, ACCEPTED, "the proof was not used up");
}

#[tokio::test(start_paused = true)]
async fn only_the_log_says_why_the_store_failed() {
    let log = Log::start();
    let api = Scripted::new(Act::Fail).api();
    let response = api.get(&api.token()).await;
    assert_eq!(response.outcome(), Err(ReplayStoreUnavailable));
    let shown = format!("{:?} {:?}", response.headers(), response.body);
    assert!(!shown.contains("redis"), "{shown}");
    assert!(log.text().contains("connection to redis.internal refused"), "{}", log.text());
}

#[tokio::test(start_paused = true)]
async fn a_store_that_hangs_gives_503_after_a_second() {
    let store = Scripted::new(Act::Hang);
    let api = store.api();
    let proof = api.proof(&api.token());
    for _ in 0..2 {
        let (outcome, time) = timed(api.outcome_of(&proof)).await;
        assert_eq!((outcome, time), (Err(ReplayStoreUnavailable), Duration::from_secs(1)));
        assert_eq!(store.0.hanging.load(Ordering::Relaxed), 0, "its future is dropped");
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_panics_lets_no_request_pass_and_breaks_no_other() {
    let store = Scripted::new(Act::Panic);
    let api = store.api();
    let token = api.token();
    let (task, proof) = (api.clone(), api.proof(&token));
    let panicked = tokio::spawn(async move { task.outcome_of(&proof).await }).await;
    assert!(panicked.unwrap_err().is_panic());
    assert_eq!(api.api.handler.calls(), 0);
    store.set(Act::First);
    assert_eq!(api.outcome_of(&api.proof(&token)).await, ACCEPTED);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_while_its_proof_is_recorded_reaches_no_handler() {
    let store = Scripted::new(Act::First);
    let api = store.api();
    let token = api.token();
    assert_eq!(api.outcome_of(&api.proof(&token)).await, ACCEPTED);
    store.set(Act::Hang);
    let proof = api.proof(&token);
    {
        let mut request = pin!(api.outcome_of(&proof));
        assert!(request.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        assert_eq!(store.0.hanging.load(Ordering::Relaxed), 1);
    }
    assert_eq!(store.0.hanging.load(Ordering::Relaxed), 0, "its future is dropped");
    assert_eq!(api.api.handler.calls(), 1);
    store.set(Act::First);
    assert_eq!(api.outcome_of(&proof).await, ACCEPTED, "this store has not recorded it");
}

#[tokio::test(start_paused = true)]
async fn a_use_has_the_end_of_the_proof_and_an_id_of_client_and_jti() {
    let store = Scripted::new(Act::First);
    let api = store.api();
    let token = api.token();
    let other = api.called_by_another();
    let token_of_other = other.token();
    for proof in [
        api.proof(&token).claim("jti", "a"),
        api.proof(&token).claim("jti", "a").issued_ago(Duration::from_secs(40)),
        api.proof(&token).claim("jti", "b"),
        other.proof(&token_of_other).claim("jti", "a"),
    ] {
        assert_eq!(api.outcome_of(&proof).await, ACCEPTED);
    }
    let uses = store.uses();
    let ends: Vec<_> = uses.iter().map(ProofUse::expires_at).collect();
    let end = at(NOW + 60 + 30);
    assert_eq!(ends, [end, end - Duration::from_secs(40), end, end]);
    assert_eq!(uses[0].id(), uses[1].id());
    let mut ids: Vec<_> = uses.iter().map(ProofUse::id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_use_with_a_nonce_ends_with_the_nonce() {
    let store = Scripted::new(Act::First);
    let nonces = Nonces::required();
    let api = DpopApi::with(|dpop| dpop.replay_store(store.clone()).nonces(nonces));
    let token = api.token();
    let response = api.get(&token).await;
    let nonce = response.header("dpop-nonce").unwrap();
    for (after, iat) in [(0, NOW), (90, 0), (179, NOW + 3600)] {
        api.idp.clock().set(at(NOW + after));
        let proof = api.proof(&token).nonce(nonce).claim("iat", iat);
        assert_eq!(api.outcome_of(&proof).await, ACCEPTED);
    }
    let ends: Vec<_> = store.uses().iter().map(ProofUse::expires_at).collect();
    assert_eq!(ends, [at(NOW + 180); 3]);
}

#[tokio::test(start_paused = true)]
async fn the_store_sees_no_proof_that_is_rejected_for_something_else() {
    let store = Scripted::new(Act::First);
    let api = store.api();
    let token = api.token();
    let proof = api.proof(&token);
    let thief = api.idp.dpop_key();
    for bad in [
        proof.clone().signed_by(&thief),
        proof.clone().claim("htm", "POST"),
        proof.clone().claim("htu", API),
        proof.clone().claim("ath", "x"),
        proof.clone().issued_ago(Duration::from_secs(600)),
        proof.clone().without("iat"),
        thief.proof("GET", API).token(&token),
        api.proof(&api.bearer_token()),
        api.proof(&api.unsigned_token().bound_to_key(&api.key).expired().sign()),
    ] {
        assert!(api.outcome_of(&bad).await.is_err(), "{bad:?}");
    }
    let bearer = get(&token);
    assert_eq!(api.outcome(bearer).await, Err(SenderNotProven));
    assert_eq!(api.api.get(api.bearer_token()).await.outcome(), ACCEPTED);
    assert_eq!(store.uses(), []);
}

/// Each of them waits, for the keys or for the store.
#[tokio::test(start_paused = true)]
async fn a_thousand_concurrent_requests_are_recorded_once_each() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let store = StoreFn(move |_| {
        counted.fetch_add(1, Ordering::Relaxed);
        async {
            yield_now().await;
            tokio::time::sleep(Duration::from_millis(500)).await;
            Ok(Recorded::First)
        }
    });
    let api = DpopApi::with(|dpop| dpop.replay_store(store));
    let token = api.token();
    let mut requests = JoinSet::new();
    for _ in 0..1000 {
        let (api, proof) = (api.clone(), api.proof(&token));
        requests.spawn(async move { api.outcome_of(&proof).await });
    }
    let (outcomes, time) = timed(requests.join_all()).await;
    assert!(outcomes.iter().all(|outcome| *outcome == ACCEPTED));
    assert_eq!((calls.load(Ordering::Relaxed), api.api.handler.calls()), (1000, 1000));
    assert_eq!(time, Duration::from_millis(500), "none waits for another");
}

#[tokio::test(start_paused = true)]
async fn several_layers_share_a_store() {
    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<[u8; 16]>>>);
    impl ReplayStore for Shared {
        fn record(&self, proof: ProofUse) -> RecordFuture {
            let mut ids = self.0.lock().unwrap();
            let is_first = !ids.contains(&proof.id());
            ids.push(proof.id());
            Box::pin(ready(Ok(if is_first { Recorded::First } else { Recorded::Replayed })))
        }
    }
    let store: Arc<dyn ReplayStore> = Arc::new(Shared::default());
    let one = DpopApi::with(|dpop| dpop.replay_store(Arc::clone(&store)));
    let dpop = Dpop::at(API).replay_store(store);
    let other = one.behind(one.idp.bearer_auth(API).dpop(dpop).build().unwrap());
    let token = one.token();
    let proof = one.proof(&token);
    assert_eq!(one.outcome_of(&proof).await, ACCEPTED);
    assert_eq!(other.outcome_of(&proof).await, Err(ProofReplayed));
    let alone = one.behind(one.idp.bearer_auth(API).dpop(Dpop::at(API)).build().unwrap());
    assert_eq!(alone.outcome_of(&proof).await, ACCEPTED, "a store of its own knows nothing of it");
}

#[tokio::test(start_paused = true)]
async fn a_request_that_waited_for_keys_waits_for_the_store_after_that() {
    let store = Scripted::new(Act::First);
    let api = store.api();
    api.idp.set_outage(Some(Fault::Delay(Duration::from_millis(700))));
    let proof = api.proof(&api.token());
    store.set(Act::Hang);
    let (outcome, time) = timed(api.outcome_of(&proof)).await;
    assert_eq!(outcome, Err(ReplayStoreUnavailable));
    assert!(time >= Duration::from_millis(1700), "{time:?}");
    assert_eq!(store.uses().len(), 1);
}
