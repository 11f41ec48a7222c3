//! The goodput of a saturated authorization server.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::support::figure::figure;
use crate::support::introspected::{IssuerIntrospection, SECOND};
use crate::support::net::Act;

/// The accepted requests of each ten seconds, with this many new tokens per second.
async fn goodput(setup: &IssuerIntrospection, offered: u32, seconds: usize) -> Vec<usize> {
    let counts: Arc<Vec<AtomicUsize>> = Arc::new((0..seconds / 10).map(|_| AtomicUsize::new(0)).collect());
    let start = Instant::now();
    let total = Duration::from_secs(seconds as u64);
    let pause = SECOND / offered;
    while start.elapsed() < total {
        let (api, token, counts) = (setup.api.clone(), setup.opaque(), Arc::clone(&counts));
        tokio::spawn(async move {
            if api.outcome(token).await.is_ok()
                && let Some(count) = counts.get(start.elapsed().as_secs() as usize / 10)
            {
                count.fetch_add(1, Ordering::Relaxed);
            }
        });
        sleep(pause).await;
    }
    counts.iter().map(|count| count.load(Ordering::Relaxed)).collect()
}

/// Untrusted tokens have 48 of the 64 permits, so the capacity is 48 / 1.6 s = 30 per second.
#[tokio::test(start_paused = true)]
async fn goodput_is_at_least_70_percent_of_capacity_at_any_offered_load() {
    for (offered, seconds) in [(50, 40), (300, 20)] {
        let setup = IssuerIntrospection::new();
        setup.net.always(Act::After(SECOND * 8 / 5, Box::new(Act::Pass)));
        let counts = goodput(&setup, offered, seconds).await;
        figure(
            "1.1",
            format_args!("accepted per 10 s, 1.6 s per response, capacity 300, {offered} new tokens/s"),
            format_args!("{counts:?}"),
            "each at least 210",
        );
        assert!(counts.iter().all(|count| *count >= 210), "{offered}: {counts:?}");
    }
}

/// The server handles one request at a time, in order, and does not notice that a client has given up.
#[tokio::test(start_paused = true)]
async fn a_server_that_slows_down_under_load_keeps_70_percent_of_its_capacity() {
    for (capacity, offered, seconds) in [(10, 30, 60), (20, 100, 30)] {
        let setup = IssuerIntrospection::new();
        let free_at = Mutex::new(Instant::now());
        setup.net.script(move |_| {
            let (mut free_at, now) = (free_at.lock().unwrap(), Instant::now());
            *free_at = (*free_at).max(now) + SECOND / capacity;
            Act::After(*free_at - now, Box::new(Act::Pass))
        });
        let counts = goodput(&setup, offered, seconds).await;
        figure(
            "1.1",
            format_args!("accepted per 10 s, one request at a time, {capacity}/s, {offered} new tokens/s"),
            format_args!("{counts:?}"),
            format_args!("each at least {}", capacity * 7),
        );
        assert!(
            counts.iter().all(|count| *count >= capacity as usize * 7),
            "{capacity} {offered}: {counts:?}"
        );
    }
}
