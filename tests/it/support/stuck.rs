//! Runtimes that stand still: nothing drives them between two requests.

use std::thread;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::task::yield_now;
use tokio::time::timeout;

use super::protected::Protected;

/// A runtime that has started the calls for a request, and that nothing drives any more.
pub(crate) fn stuck_after_request(api: &Protected, token: &str) -> Runtime {
    let (api, token) = (api.clone(), token.to_owned());
    let stuck = thread::spawn(move || {
        let stuck = Builder::new_current_thread().enable_all().build().unwrap();
        stuck.block_on(async {
            assert!(timeout(Duration::from_millis(50), api.outcome(&token)).await.is_err());
        });
        stuck
    });
    stuck.join().unwrap()
}

/// Drives the runtime until all that is ready has run.
pub(crate) fn driven(stuck: Runtime) -> Runtime {
    let driven = thread::spawn(move || {
        stuck.block_on(async {
            for _ in 0..100 {
                yield_now().await;
            }
        });
        stuck
    });
    driven.join().unwrap()
}
