//! The kind, the outage flag and the text of each `KeysError`.

use super::*;
use crate::event::Causes;
use crate::metadata::Unreadable;

#[test]
fn each_cause_has_its_kind_and_only_an_outage_keeps_stale_keys() {
    use KeysErrorKind as Kind;
    let fetch = |kind| KeysError::from(FetchError::from(kind));
    let of_metadata = |kind| KeysError::from(MetadataError::from(FetchError::from(kind)));
    for (error, kind, outage) in [
        (fetch(FetchErrorKind::Transport), Kind::Fetch(FetchErrorKind::Transport), true),
        (fetch(FetchErrorKind::ConnectionLost), Kind::Fetch(FetchErrorKind::ConnectionLost), true),
        (fetch(FetchErrorKind::TimedOut), Kind::Fetch(FetchErrorKind::TimedOut), true),
        (fetch(FetchErrorKind::TooLarge), Kind::Fetch(FetchErrorKind::TooLarge), true),
        (fetch(FetchErrorKind::Status(500)), Kind::Fetch(FetchErrorKind::Status(500)), true),
        (fetch(FetchErrorKind::Status(429)), Kind::Fetch(FetchErrorKind::Status(429)), true),
        (fetch(FetchErrorKind::Status(404)), Kind::Fetch(FetchErrorKind::Status(404)), false),
        (fetch(FetchErrorKind::Redirected), Kind::Fetch(FetchErrorKind::Redirected), false),
        (of_metadata(FetchErrorKind::Status(503)), Kind::Fetch(FetchErrorKind::Status(503)), true),
        (of_metadata(FetchErrorKind::Status(403)), Kind::Fetch(FetchErrorKind::Status(403)), false),
        (MetadataError::EndpointMissing.into(), Kind::JwksUriMissing, false),
        (MetadataError::IssuerMismatch.into(), Kind::IssuerMismatch, false),
        (MetadataError::from(Unreadable::NotAString("issuer")).into(), Kind::MetadataUnreadable, true),
        (KeySetFault::NotAKeySet.into(), Kind::KeySetUnreadable, true),
        (KeySetFault::NoUsableKey.into(), Kind::NoUsableKey, false),
        (KeysError::refresh_task("the refresh task panicked"), Kind::RefreshTaskFailed, true),
    ] {
        assert_eq!((error.kind(), error.is_outage()), (kind, outage), "{error}");
    }
}

#[test]
fn text_and_sources_name_each_cause_once() {
    for (error, text) in [
        (FetchError::transport("connection refused").into(), "the connection failed: connection refused"),
        (
            MetadataError::from(FetchError::transport("connection refused")).into(),
            "the connection failed: connection refused",
        ),
        (
            MetadataError::from(Unreadable::NotAString("issuer")).into(),
            "the metadata document is not valid: the member `issuer` is missing or not a string",
        ),
        (KeysError::from(KeySetFault::NoUsableKey), "the key set has no usable key"),
    ] {
        assert_eq!(Causes(&error).to_string(), text);
    }
}
