//! The kind, the grace period and the text of each `KeysError`.

use super::*;
use crate::event::Causes;
use crate::metadata::{IssuerMismatch, Unreadable};

fn mismatch(named: &str) -> IssuerMismatch {
    IssuerMismatch::new(named, &"https://h.example".into())
}

#[test]
fn each_cause_has_its_kind_and_its_grace_period() {
    use KeysErrorKind as Kind;
    let fetch = |kind| KeysError::from(FetchError::from(kind));
    let of_metadata = |kind| KeysError::from(MetadataError::from(FetchError::from(kind)));
    for (error, kind, grace) in [
        (fetch(FetchErrorKind::Transport), Kind::Fetch(FetchErrorKind::Transport), GracePeriod::Full),
        (
            fetch(FetchErrorKind::ConnectionLost),
            Kind::Fetch(FetchErrorKind::ConnectionLost),
            GracePeriod::Full,
        ),
        (fetch(FetchErrorKind::TimedOut), Kind::Fetch(FetchErrorKind::TimedOut), GracePeriod::Full),
        (fetch(FetchErrorKind::TooLarge), Kind::Fetch(FetchErrorKind::TooLarge), GracePeriod::Short),
        (fetch(FetchErrorKind::Status(500)), Kind::Fetch(FetchErrorKind::Status(500)), GracePeriod::Full),
        (fetch(FetchErrorKind::Status(429)), Kind::Fetch(FetchErrorKind::Status(429)), GracePeriod::Full),
        (fetch(FetchErrorKind::Status(404)), Kind::Fetch(FetchErrorKind::Status(404)), GracePeriod::Short),
        (fetch(FetchErrorKind::Redirected), Kind::Fetch(FetchErrorKind::Redirected), GracePeriod::Short),
        (
            of_metadata(FetchErrorKind::Status(503)),
            Kind::Fetch(FetchErrorKind::Status(503)),
            GracePeriod::Full,
        ),
        (
            of_metadata(FetchErrorKind::Status(403)),
            Kind::Fetch(FetchErrorKind::Status(403)),
            GracePeriod::Short,
        ),
        (MetadataError::EndpointMissing("jwks_uri").into(), Kind::JwksUriUnusable, GracePeriod::Short),
        (
            MetadataError::IssuerMismatch(mismatch("https://x.example")).into(),
            Kind::IssuerMismatch,
            GracePeriod::Short,
        ),
        (
            MetadataError::from(Unreadable::NotAString("issuer")).into(),
            Kind::MetadataUnreadable,
            GracePeriod::Short,
        ),
        (KeySetFault::NotAKeySet.into(), Kind::KeySetUnreadable, GracePeriod::Short),
        (KeySetFault::NoUsableKey.into(), Kind::NoUsableKey, GracePeriod::None),
        (KeysError::refresh_task("the refresh task panicked"), Kind::RefreshTaskFailed, GracePeriod::Full),
    ] {
        assert_eq!((error.kind(), error.grace_period()), (kind, grace), "{error}");
        assert_eq!(error.is_outage(), grace == GracePeriod::Full, "{error}");
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
        (
            MetadataError::IssuerMismatch(mismatch("https://x.example\nforged line")).into(),
            "the metadata document is about another issuer: it names \"https://x.example\\nforged line\", and \
             \"https://h.example\" is configured (they differ in the host)",
        ),
    ] {
        assert_eq!(Causes::of(&error).to_string(), text);
    }
}
