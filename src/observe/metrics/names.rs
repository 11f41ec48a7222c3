//! The names, units and descriptions of the metrics. The guide has them in a table, too.

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

pub(super) const REQUESTS: &str = "tower_bearer_requests_total";
pub(super) const DURATION: &str = "tower_bearer_decision_duration_seconds";
pub(super) const CACHE_HITS: &str = "tower_bearer_token_cache_hits_total";
pub(super) const CACHE_MISSES: &str = "tower_bearer_token_cache_misses_total";
pub(super) const CACHE_EVICTIONS: &str = "tower_bearer_token_cache_evictions_total";
pub(super) const CACHED_TOKENS: &str = "tower_bearer_cached_tokens";
pub(super) const KEY_FETCHES: &str = "tower_bearer_key_fetches_total";
pub(super) const KEY_FETCH_DURATION: &str = "tower_bearer_key_fetch_duration_seconds";
pub(super) const KEYS_AGE: &str = "tower_bearer_keys_age_seconds";
pub(super) const INTROSPECTIONS: &str = "tower_bearer_introspections_total";
pub(super) const INTROSPECTION_DURATION: &str = "tower_bearer_introspection_duration_seconds";
pub(super) const INTROSPECTIONS_IN_FLIGHT: &str = "tower_bearer_introspection_in_flight";
pub(super) const INTROSPECTIONS_QUEUED: &str = "tower_bearer_introspection_queued";
pub(super) const CIRCUIT_OPEN: &str = "tower_bearer_circuit_open";
pub(super) const REPLAY_PROOFS: &str = "tower_bearer_replay_proofs";
pub(super) const REVOCATIONS: &str = "tower_bearer_revocations";

/// Describes all metrics to the recorder.
pub(super) fn describe() {
    for (name, text) in [
        (REQUESTS, "Requests that were accepted or rejected"),
        (CACHE_HITS, "Tokens that were in the token cache"),
        (CACHE_MISSES, "Tokens that were not in the token cache"),
        (CACHE_EVICTIONS, "Tokens that the token cache evicted because it was full"),
        (KEY_FETCHES, "Fetches of the keys of an issuer"),
        (INTROSPECTIONS, "Introspection requests"),
    ] {
        describe_counter!(name, Unit::Count, text);
    }
    for (name, text) in [
        (DURATION, "Time until a request was accepted or rejected, without the inner service"),
        (KEY_FETCH_DURATION, "Duration of the fetches of the keys of an issuer"),
        (INTROSPECTION_DURATION, "Duration of introspection requests"),
    ] {
        describe_histogram!(name, Unit::Seconds, text);
    }
    for (name, unit, text) in [
        (CACHED_TOKENS, Unit::Count, "Tokens in the token cache"),
        (KEYS_AGE, Unit::Seconds, "Time since the authorization server last confirmed the keys"),
        (INTROSPECTIONS_IN_FLIGHT, Unit::Count, "Introspection requests in flight"),
        (INTROSPECTIONS_QUEUED, Unit::Count, "Introspection requests in the queue"),
        (CIRCUIT_OPEN, Unit::Count, "Issuers whose introspection circuit breaker is open"),
        (REPLAY_PROOFS, Unit::Count, "DPoP proofs in the replay memory"),
        (REVOCATIONS, Unit::Count, "Revocations in the store"),
    ] {
        describe_gauge!(name, unit, text);
    }
}
