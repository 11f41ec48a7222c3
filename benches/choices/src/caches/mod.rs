//! Cached tokens: lookups in the cache of this crate, in `moka` and in `quick_cache`, by the text of the
//! token.
//!
//! `moka` and `quick_cache` run with their default hasher, which hashes the whole token, and with the sampled
//! hash of this crate. No cache has a TTL or a weigher, the cheapest configuration of both. Every cache holds
//! the token as `Arc<str>` and compares it in full on a hit.

mod alternatives;
mod sampled_hash;
mod tower_bearer;

use std::hash::RandomState;
use std::hint::{black_box, spin_loop};
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::thread;
use std::time::{Duration, Instant};

use ::tower_bearer::Algorithm;

use self::alternatives::{Moka, QuickCache};
use self::sampled_hash::SampledState;
use self::tower_bearer::{Cloned, InPlace};
use crate::rounds::{Candidate, Samples, per_call, run};
use crate::table::Table;
use crate::token::{issuer, token};

/// Entries that each cache may hold: the default of this crate.
const CAPACITY: usize = 10_000;

/// Tokens that each thread looks up in turn, unless all lookups are of one token.
const TOKENS: usize = 1_000;

/// Tokens with equal samples.
const EQUAL: usize = 9_000;

/// How long one batch of lookups takes: long compared with a reading of the clock, short compared with a time
/// slice of the scheduler.
const BATCH: Duration = Duration::from_micros(150);

/// Lookups between two readings of the clock.
const CHUNK: usize = 64;

/// The same where one lookup may take a millisecond.
const SLOW_CHUNK: usize = 4;

/// The most rounds with such lookups.
const SLOW_ROUNDS: usize = 100;

/// The most attempts to have two threads run at the same time.
const ATTEMPTS: usize = 10;

/// The value that the caches store with a token.
#[derive(Debug)]
struct Grant {
    expires_at: u64,
}

/// A cache that is looked up by the text of a token.
trait Lookup: Sync {
    fn insert(&self, token: &str);

    /// The expiry of a cached token; `None` on a cache miss.
    fn look_up(&self, token: &str) -> Option<u64>;

    /// Completes deferred work of the insertions.
    fn finish_inserts(&self) {}

    /// Looks up `tokens` in turn from number `first` on, for `BATCH`.
    fn look_up_in_turn(&self, tokens: &[String], first: usize, chunk: usize) -> Run {
        let mut turns = tokens.iter().cycle().skip(first);
        let (start, mut lookups) = (Instant::now(), 0.0);
        loop {
            for token in turns.by_ref().take(chunk) {
                black_box(self.look_up(black_box(token)));
            }
            lookups += chunk as f64;
            let end = Instant::now();
            if end - start >= BATCH {
                return Run { start, end, nanoseconds: per_call(end - start, lookups) };
            }
        }
    }
}

/// One batch of lookups in one thread.
struct Run {
    start: Instant,
    end: Instant,
    /// Of one lookup.
    nanoseconds: f64,
}

impl Run {
    /// Whether both ran at the same time for most of a batch.
    fn overlaps(&self, other: &Self) -> bool {
        let together = self.end.min(other.end).saturating_duration_since(self.start.max(other.start));
        together >= BATCH * 4 / 5
    }
}

/// Prints the rows about cache hits, in one thread and in each of two.
pub(crate) fn measure_hits(table: &Table) {
    let text = token(&issuer(Algorithm::RS256)).sign();
    let sets = [0, 1].map(|set| distinct_tokens(&text, set));
    // Inserted in another order than they are looked up in.
    let mut inserted = sets.concat();
    fastrand::Rng::with_seed(2).shuffle(&mut inserted);
    let caches = Caches::filled(&inserted);
    drop(inserted);
    for (_, cache) in caches.all() {
        assert!(sets.iter().flatten().all(|token| cache.look_up(token).is_some()), "every lookup is a hit");
    }
    let size = text.len();
    let one = [0, 1].map(|_| sets[0][..1].to_vec());
    for (tokens, what) in [(&one, "one token"), (&sets, "1 000 tokens each")] {
        let group = format!("hit, {size} bytes, one thread, {what}");
        compare(table, &group, &caches, |cache, first| {
            caches.all()[cache].1.look_up_in_turn(&tokens[0], first % tokens[0].len(), CHUNK).nanoseconds
        });
        let group = format!("hit, {size} bytes, each of two threads, {what}");
        compare_in_two_threads(table, &group, &caches, tokens);
    }
}

/// Prints the rows about tokens that differ only outside of the sampled bytes.
pub(crate) fn measure_equal_samples(table: &Table) {
    let tokens = tokens_with_equal_samples(&token(&issuer(Algorithm::RS256)).sign());
    let caches = Caches::filled(&tokens);
    let table = Table { rounds: table.rounds.min(SLOW_ROUNDS) };
    compare(&table, "9 000 tokens with equal samples", &caches, |cache, first| {
        caches.all()[cache].1.look_up_in_turn(&tokens, first, SLOW_CHUNK).nanoseconds
    });
    let held = |cache: &dyn Lookup| tokens.iter().filter(|token| cache.look_up(token).is_some()).count();
    let held = caches.all().map(|(name, cache)| format!("{name}: {}", held(cache)));
    println!("\nTokens with equal samples that each cache holds: {}.", held.join("; "));
}

/// `batch` gets the number of a cache and the number of its first token, which differs from batch to batch.
fn compare(table: &Table, group: &str, caches: &Caches, batch: impl Fn(usize, usize) -> f64) {
    let (mut number, batch) = (0, &batch);
    let candidates = caches.all().map(|(name, _)| {
        // Seeds differ, so that no candidate finds the tokens of the previous one in the processor's caches.
        let (cache, mut random) = (number, fastrand::Rng::with_seed(number as u64));
        number += 1;
        Candidate::new(name, move || batch(cache, random.usize(..EQUAL)))
    });
    let [in_place, others @ ..]: [Samples; 6] = run(table.rounds, candidates);
    for other in &others {
        table.compare(group, other, &in_place);
    }
}

/// Each batch runs in two threads at the same time, each with its own set of tokens.
fn compare_in_two_threads(table: &Table, group: &str, caches: &Caches, sets: &[Vec<String>; 2]) {
    let batch = |cache: usize, first: usize, tokens: &[String]| {
        caches.all()[cache].1.look_up_in_turn(tokens, first % tokens.len(), CHUNK)
    };
    thread::scope(|scope| {
        let (order, orders) = channel();
        let (finish, finished) = channel();
        scope.spawn(move || {
            while let Some((cache, first)) = receive(&orders) {
                // Fails only when the first thread has panicked.
                let _ = finish.send(batch(cache, first, &sets[1]));
            }
        });
        compare(table, group, caches, move |cache, first| {
            for _ in 0..ATTEMPTS {
                order.send((cache, first)).expect("the second thread runs");
                let own = batch(cache, first, &sets[0]);
                let other = receive(&finished).expect("the second thread runs");
                if own.overlaps(&other) {
                    return f64::midpoint(own.nanoseconds, other.nanoseconds);
                }
            }
            f64::NAN
        });
    });
}

/// Waits without sleeping: a thread that wakes up would start its batch too late.
fn receive<T>(messages: &Receiver<T>) -> Option<T> {
    loop {
        match messages.try_recv() {
            Ok(message) => return Some(message),
            Err(TryRecvError::Empty) => spin_loop(),
            Err(TryRecvError::Disconnected) => return None,
        }
    }
}

/// One cache of each kind, with the same tokens.
struct Caches {
    in_place: InPlace,
    cloned: Cloned,
    moka: Moka<RandomState>,
    moka_sampled: Moka<SampledState>,
    quick_cache: QuickCache<quick_cache::DefaultHashBuilder>,
    quick_cache_sampled: QuickCache<SampledState>,
}

impl Caches {
    fn filled(tokens: &[String]) -> Self {
        let caches = Self {
            in_place: InPlace::new(CAPACITY),
            cloned: Cloned::new(CAPACITY),
            moka: Moka::new(CAPACITY, RandomState::new()),
            moka_sampled: Moka::new(CAPACITY, SampledState::new()),
            quick_cache: QuickCache::new(CAPACITY, Default::default()),
            quick_cache_sampled: QuickCache::new(CAPACITY, SampledState::new()),
        };
        for (_, cache) in caches.all() {
            tokens.iter().for_each(|token| cache.insert(token));
            cache.finish_inserts();
        }
        caches
    }

    /// The first is the baseline.
    fn all(&self) -> [(&'static str, &dyn Lookup); 6] {
        [
            ("tower-bearer, read in place", &self.in_place),
            ("tower-bearer, `Arc` cloned", &self.cloned),
            ("`moka`, default hasher", &self.moka),
            ("`moka`, sampled hash", &self.moka_sampled),
            ("`quick_cache`, default hasher", &self.quick_cache),
            ("`quick_cache`, sampled hash", &self.quick_cache_sampled),
        ]
    }
}

/// Tokens as long as `text`, with a signature of their own each.
fn distinct_tokens(text: &str, set: u64) -> Vec<String> {
    let (signing_input, signature) = text.rsplit_once('.').expect("a JWS");
    let mut random = fastrand::Rng::with_seed(set);
    let mut token = || {
        let signature = signature.chars().map(|_| random.alphanumeric()).collect::<String>();
        format!("{signing_input}.{signature}")
    };
    (0..TOKENS).map(|_| token()).collect()
}

/// Tokens as long as `text` that differ only in their middle, which the sampled hash does not read.
fn tokens_with_equal_samples(text: &str) -> Vec<String> {
    let (before, after) = text.split_at(text.len() / 2);
    (0..EQUAL).map(|number| format!("{before}{number:08}{}", &after[8..])).collect()
}
