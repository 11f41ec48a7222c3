//! The in-process replay store, with a clock set by hand.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Barrier;
use std::thread;

use super::*;

/// A multiple of the width of a slice.
const START: u64 = 1_700_000_000;

/// The slices are 10 s wide.
const RETENTION: Duration = Duration::from_secs(159);

fn at(secs: u64) -> NumericDate {
    NumericDate::from_secs(secs).unwrap()
}

fn memory(max_proofs: usize) -> ReplayMemory {
    let memory = ReplayMemory::new(max_proofs, RETENTION);
    assert_eq!(memory.slice_secs, 10);
    memory
}

/// The proof of this client with this number as `jti`.
fn proof(client: u64, jti: u64, expires_at: u64) -> ProofUse {
    let mut jkt = [0; 32];
    jkt[..8].copy_from_slice(&client.to_be_bytes());
    ProofUse::new(&jkt, &jti.to_string(), at(expires_at))
}

/// The proof with this number, of one of 500 clients.
fn numbered(number: u64, expires_at: u64) -> ProofUse {
    proof(number % 500, number, expires_at)
}

fn use_proofs(memory: &ReplayMemory, numbers: Range<u64>, expires_at: u64, now: u64) {
    for number in numbers {
        memory.record(&numbered(number, expires_at), at(now)).unwrap();
    }
}

#[track_caller]
fn assert_replayed(memory: &ReplayMemory, proof: &ProofUse, now: u64) {
    let result = memory.record(proof, at(now));
    assert!(matches!(result, Err(ReplayFault::Replayed)), "{result:?}");
}

#[track_caller]
fn assert_full(memory: &ReplayMemory, proof: &ProofUse, now: u64, expected_secs: u64) {
    match memory.record(proof, at(now)) {
        Err(ReplayFault::Full { retry_after }) => assert_eq!(retry_after.as_secs(), expected_secs),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_proof_is_replayed_until_it_expires_and_then_its_slice_is_dropped() {
    let memory = memory(100);
    let used = proof(1, 1, START + 95);
    memory.record(&used, at(START)).unwrap();
    for now in [START, START + 1, START + 94, START + 95, START + 99, START + 100, START + 10_000] {
        assert_replayed(&memory, &used, now);
        assert_eq!(memory.len.load(Ordering::Relaxed), usize::from(now < START + 100), "{now}");
    }
}

#[test]
fn a_proof_that_expires_at_the_edge_of_a_slice_stays_for_one_slice_more() {
    for expires_at in [START + 90, START + 91, START + 99] {
        let memory = memory(100);
        let used = proof(1, 1, expires_at);
        memory.record(&used, at(START)).unwrap();
        for now in [expires_at - 1, expires_at, expires_at + 1] {
            assert_replayed(&memory, &used, now);
        }
    }
    let fraction = NumericDate::from_secs_f64(1_700_000_089.25).unwrap();
    assert_eq!(ProofUse::new(&[0; 32], "a", fraction).expires_at_secs(), START + 90);
}

#[test]
fn jti_counts_per_key_and_a_key_per_jti() {
    let memory = memory(100);
    for (client, jti) in [(1, 1), (1, 2), (2, 1), (2, 2)] {
        memory.record(&proof(client, jti, START + 60), at(START)).unwrap();
    }
    assert_eq!(memory.len.load(Ordering::Relaxed), 4);
}

#[test]
fn a_proof_that_has_expired_is_not_recorded() {
    let memory = memory(100);
    assert_replayed(&memory, &proof(1, 1, START - 11), START);
    assert_eq!(memory.len.load(Ordering::Relaxed), 0);
}

#[test]
fn of_256_concurrent_uses_of_a_proof_exactly_one_is_the_first() {
    for round in 0..8 {
        let memory = memory(100);
        let (used, barrier) = (proof(1, round, START + 60), Barrier::new(256));
        let is_first = || {
            barrier.wait();
            memory.record(&used, at(START)).is_ok()
        };
        let firsts = thread::scope(|scope| {
            let threads: Vec<_> = (0..256).map(|_| scope.spawn(is_first)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).filter(|first| *first).count()
        });
        assert_eq!(firsts, 1);
    }
}

/// Some threads have read the clock before it passed the end of the slice, and others after that.
#[test]
fn of_concurrent_uses_around_the_end_of_their_slice_at_most_one_is_the_first() {
    for round in 0..50 {
        let memory = memory(100);
        memory.record(&proof(1, round, START + 51), at(START)).unwrap();
        let proofs = [proof(1, round, START + 51), proof(1, round + 100, START + 59)];
        let is_first = |used: &ProofUse, secs| memory.record(used, at(START + secs)).is_ok();
        let firsts = thread::scope(|scope| {
            let uses =
                proofs.iter().flat_map(|used| [59, 60].repeat(8).into_iter().map(move |secs| (used, secs)));
            let threads: Vec<_> =
                uses.map(|(used, secs)| scope.spawn(move || is_first(used, secs))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).filter(|first| *first).count()
        });
        assert!(firsts <= 1, "{firsts}");
    }
}

#[test]
fn a_full_memory_rejects_further_proofs_until_a_slice_is_dropped() {
    let memory = memory(100);
    use_proofs(&memory, 0..40, START + 35, START);
    use_proofs(&memory, 40..100, START + 62, START);
    let refused = numbered(100, START + 60);
    assert_full(&memory, &refused, START, 40);
    assert_full(&memory, &refused, START + 38, 2);
    assert_full(&memory, &refused, START + 39, 1);
    assert_replayed(&memory, &numbered(99, START + 62), START + 39);

    memory.record(&refused, at(START + 40)).unwrap();
    use_proofs(&memory, 101..140, START + 62, START + 40);
    assert_full(&memory, &numbered(140, START + 62), START + 40, 30);
    assert_eq!(memory.len.load(Ordering::Relaxed), 100);
}

#[test]
fn one_client_holds_at_most_a_sixteenth_once_the_memory_is_half_full() {
    let memory = memory(1600);
    let busy = 1_000_000;
    use_proofs(&memory, 0..800, START + 60, START);
    for jti in 0..100 {
        memory.record(&proof(busy, jti, START + 30 + jti % 20), at(START)).unwrap();
    }
    assert_full(&memory, &proof(busy, 100, START + 60), START, 40);
    assert_replayed(&memory, &proof(busy, 99, START + 49), START);
    use_proofs(&memory, 800..1500, START + 60, START);
    assert_full(&memory, &numbered(1500, START + 60), START, 40);

    // Half of its proofs were dropped at this time.
    for jti in 100..150 {
        memory.record(&proof(busy, jti, START + 60), at(START + 40)).unwrap();
    }
    assert_full(&memory, &proof(busy, 150, START + 60), START + 40, 10);
}

#[test]
fn one_client_may_fill_half_of_the_memory_and_others_the_rest() {
    let memory = memory(1600);
    for jti in 0..800 {
        memory.record(&proof(1_000, jti, START + 60), at(START)).unwrap();
    }
    assert_full(&memory, &proof(1_000, 800, START + 60), START, 70);
    use_proofs(&memory, 2..802, START + 60, START);
    assert_full(&memory, &numbered(802, START + 60), START, 70);
}

/// More clients than a slice counts exactly.
#[test]
fn busy_client_among_many_others_holds_nearly_a_sixteenth_and_never_more() {
    let memory = memory(16_000);
    let busy = 1_000_000;
    let mut held = 0;
    for n in 0..12_000 {
        memory.record(&proof(n, 0, START + 60), at(START)).unwrap();
        if n % 16 == 0 {
            memory.record(&proof(busy, n, START + 60), at(START)).unwrap();
            held += 1;
        }
    }
    let accepted = |jti: &u64| memory.record(&proof(busy, *jti, START + 60), at(START)).is_ok();
    held += (12_000..).take_while(accepted).count();
    println!("figure replay | proofs of one busy client in a memory of 16000 | {held} | 982 to 1000");
    assert!((16_000 * 55 / 896..=1_000).contains(&held), "{held}");
}

#[test]
fn proofs_of_before_a_jump_forward_and_back_are_replayed_and_new_ones_soon_accepted() {
    let memory = memory(100);
    let used = proof(1, 1, START + 95);
    memory.record(&used, at(START)).unwrap();
    for jump in [3_600, 10_000_000_000] {
        memory.record(&proof(2, jump, START + jump + 95), at(START + jump)).unwrap();
        assert_replayed(&memory, &used, START);
        assert_replayed(&memory, &used, START + 95);
    }
    assert_replayed(&memory, &proof(3, 1, START + 91), START + 1);
    memory.record(&proof(3, 1, START + 101), at(START + 11)).unwrap();
}

/// The clock is an hour or a century ahead for ten minutes. Then it is right.
#[test]
fn a_clock_that_was_ahead_for_long_costs_only_the_time_in_which_it_was_wrong() {
    for ahead in [3_600, 3_155_760_000] {
        let memory = memory(10_000);
        let wrong: Vec<_> = (0..600).map(|secs| proof(1, secs, START + ahead + secs + 90)).collect();
        for (secs, used) in (0..).zip(&wrong) {
            memory.record(used, at(START + ahead + secs)).unwrap();
        }
        for secs in 600..3_400 {
            memory.record(&proof(2, secs, START + secs + 90), at(START + secs)).unwrap();
        }
        for used in &wrong {
            let time_of_use = used.expires_at_secs() - 90;
            assert_replayed(&memory, used, time_of_use);
        }
        memory.record(&proof(3, 1, START + ahead + 800), at(START + ahead + 710)).unwrap();
    }
}

#[test]
fn proofs_from_a_time_when_the_clock_was_ahead_take_no_room_from_others_for_long() {
    let memory = memory(100);
    let ahead = START + 3_600;
    use_proofs(&memory, 0..100, ahead + 60, ahead);
    assert_full(&memory, &numbered(100, ahead + 60), ahead, 70);

    use_proofs(&memory, 100..200, START + 60, START);
    assert_full(&memory, &numbered(200, START + 60), START, 70);
    assert_replayed(&memory, &numbered(0, ahead + 60), ahead);
}

#[test]
fn extreme_times_are_safe() {
    let memory = ReplayMemory::new(usize::MAX, Duration::MAX);
    for now in [0, 1, 253_402_300_799] {
        memory.record(&proof(1, now, now), at(now)).unwrap();
        assert_replayed(&memory, &proof(1, now, now), now);
    }
    assert_eq!(ReplayMemory::new(0, Duration::ZERO).sustained_rate(), 0);
    assert_full(&ReplayMemory::new(0, Duration::ZERO), &proof(1, 1, START), START, 1);
    ReplayMemory::new(1, Duration::ZERO).record(&proof(1, 1, START), at(START)).unwrap();
}

#[test]
fn proofs_at_the_sustained_rate_never_fill_the_memory() {
    let memory = memory(1_000);
    let rate = memory.sustained_rate() as u64;
    assert_eq!(rate, 5);
    for now in START..START + 1_000 {
        for jti in 0..rate {
            memory.record(&proof(now * rate + jti, jti, now + RETENTION.as_secs()), at(now)).unwrap();
        }
    }
    let default = ReplayMemory::new(ReplayMemory::DEFAULT_MAX_PROOFS, Duration::from_secs(120));
    println!(
        "figure replay | proofs per second for which the default suffices | {} | -",
        default.sustained_rate()
    );
}

/// Random uses, with a clock that runs, stands still and sometimes goes back a little.
#[test]
fn memory_agrees_with_a_map_that_never_forgets() {
    let mut random = fastrand::Rng::with_seed(9449);
    for _ in 0..20 {
        let (memory, mut used, mut now) = (memory(1_000_000), HashMap::<(u64, u64), u64>::new(), START);
        let mut newest = now;
        for _ in 0..5_000 {
            now += random.u64(..4);
            if random.u8(..) < 8 {
                now -= random.u64(..20);
            }
            newest = newest.max(now);
            let (client, jti) = (random.u64(..10), random.u64(..50));
            let fresh = now + random.u64(..150);
            let expires_at = *used.get(&(client, jti)).unwrap_or(&fresh);
            let result = memory.record(&proof(client, jti, expires_at), at(now));
            let is_used = used.insert((client, jti), expires_at).is_some();
            // A slice that was dropped before the clock went back.
            let may_be_forgotten = expires_at < newest;
            match result {
                Ok(()) => assert!(!is_used, "a replay was accepted"),
                Err(ReplayFault::Replayed) => {
                    assert!(is_used || may_be_forgotten, "a first use was rejected")
                }
                other => panic!("{other:?}"),
            }
            if random.u8(..) < 4 {
                used.retain(|_, expires_at| *expires_at + 40 >= now);
            }
        }
    }
}

/// A quarter of a million, so that a million take less than 40 MB. The tables are just above a size at which
/// they double, which is the worst case, and there are as many clients as proofs.
#[test]
fn a_proof_takes_less_than_40_bytes() {
    let (proofs, slices) = (SHARDS as u64 * 4 * 240, 4);
    let mut memory = None;
    let held = allocation_counter::measure(|| {
        let filled = ReplayMemory::new(1_000_000, RETENTION);
        for n in 0..proofs {
            filled.record(&proof(n, 0, START + n % slices * 10), at(START)).unwrap();
        }
        memory = Some(filled);
    });
    let bytes = held.bytes_current as f64 / proofs as f64;
    println!("figure replay | bytes per proof, of {proofs} | {bytes:.1} | < 40");
    assert!(bytes < 40.0, "{bytes}");
}

/// The largest table that a use may rehash under a lock.
#[test]
fn no_table_has_more_than_a_fraction_of_the_proofs() {
    let memory = memory(ReplayMemory::DEFAULT_MAX_PROOFS);
    let proofs = ReplayMemory::DEFAULT_MAX_PROOFS as u64;
    use_proofs(&memory, 0..proofs, START + 60, START);
    let tables = memory.shards.iter().flat_map(|shard| lock(shard).take(&[START + 70]));
    let largest = tables.map(|table| table.len()).max().unwrap();
    println!(
        "figure replay | proofs in the largest table of a full memory with one slice | {largest} | < 1280"
    );
    assert!(largest < 1280, "{largest}");
}
