//! The form of durations and times in JSON, for `serialize_with`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Serialize, Serializer};

/// Whole seconds, rounded down.
pub(crate) fn serialize_secs<S>(duration: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error>
where
    S: Serializer,
{
    duration.map(|duration| duration.as_secs()).serialize(serializer)
}

/// Whole seconds since 1970, as in the claims of a token. `null` for a time before.
pub(crate) fn serialize_unix_time<S>(time: &Option<SystemTime>, serializer: S) -> Result<S::Ok, S::Error>
where
    S: Serializer,
{
    serialize_secs(&time.and_then(|time| time.duration_since(UNIX_EPOCH).ok()), serializer)
}
