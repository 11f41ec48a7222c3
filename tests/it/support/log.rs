//! Records every event and span that `tracing` emits on this thread, of all crates and at all levels.

use std::fmt::{Debug, Write as _};
use std::sync::{Arc, Mutex, Once};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::DefaultGuard;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

/// A recorder for the current thread. It stops when it is dropped.
pub(crate) struct Log {
    entries: Arc<Mutex<Vec<Entry>>>,
    _guard: DefaultGuard,
}

/// An event, or the fields of a span.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) level: Level,
    pub(crate) target: String,
    pub(crate) fields: Vec<(String, String)>,
    is_event: bool,
}

impl Log {
    /// Starts to record.
    pub(crate) fn start() -> Self {
        enable_all_events();
        let entries = Arc::<Mutex<Vec<Entry>>>::default();
        let subscriber = tracing_subscriber::registry().with(Recorder(Arc::clone(&entries)));
        let log = Self { entries, _guard: tracing::subscriber::set_default(subscriber) };
        tracing::callsite::rebuild_interest_cache();
        log
    }

    /// The events of this crate.
    pub(crate) fn events(&self) -> Vec<Entry> {
        self.with_target("tower_bearer")
    }

    /// The audit events.
    pub(crate) fn audited(&self) -> Vec<Entry> {
        self.with_target("tower_bearer::audit")
    }

    /// The fields of each span of this crate with this name. Later values follow the first ones.
    pub(crate) fn span_fields(&self, name: &str) -> Vec<(String, String)> {
        let entries = self.entries.lock().unwrap();
        let is_wanted = |entry: &&Entry| {
            !entry.is_event && entry.target == "tower_bearer" && entry.field("span") == Some(name)
        };
        entries.iter().filter(is_wanted).flat_map(|entry| entry.fields.clone()).collect()
    }

    fn with_target(&self, target: &str) -> Vec<Entry> {
        let entries = self.entries.lock().unwrap();
        let has_target = |entry: &&Entry| entry.is_event && entry.target == target;
        entries.iter().filter(has_target).cloned().collect()
    }

    /// The events about requests, without those about fetches and start-up.
    pub(crate) fn requests(&self) -> Vec<Entry> {
        self.events().into_iter().filter(|event| event.field("kind").is_some()).collect()
    }

    /// All events and spans of all crates as one text, with the values unescaped.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        for entry in &*self.entries.lock().unwrap() {
            write!(text, "{} {}", entry.level, entry.target).unwrap();
            for (name, value) in &entry.fields {
                write!(text, " {name}={value}").unwrap();
            }
            text.push('\n');
        }
        text
    }
}

impl Entry {
    fn new(metadata: &Metadata<'_>, fields: Fields) -> Self {
        let (level, target) = (*metadata.level(), metadata.target().to_owned());
        Self { level, target, fields: fields.0, is_event: metadata.is_event() }
    }

    /// The value of the field with this name.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(of, _)| of == name).map(|(_, value)| value.as_str())
    }
}

/// Installs a global subscriber that enables every event.
///
/// Why: `tracing` caches per callsite whether any subscriber is interested. A test without a [`Log`] may
/// reach a callsite first, and the cached "no" would then hold for the tests that record.
pub(crate) fn enable_all_events() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| tracing::subscriber::set_global_default(Forgetful).unwrap());
}

/// Enables every event and span, and keeps none. A registry would keep spans, in memory that a test which
/// counts its allocations may have to pay for.
struct Forgetful;

impl Subscriber for Forgetful {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Event<'_>) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

struct Recorder(Arc<Mutex<Vec<Entry>>>);

impl Recorder {
    fn push(&self, metadata: &Metadata<'_>, record: impl FnOnce(&mut Fields)) {
        let mut fields = Fields(Vec::new());
        record(&mut fields);
        self.0.lock().unwrap().push(Entry::new(metadata, fields));
    }
}

impl<S> Layer<S> for Recorder
where
    S: Subscriber + for<'lookup> tracing_subscriber::registry::LookupSpan<'lookup>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, span: &Id, context: Context<'_, S>) {
        self.push(attributes.metadata(), |fields| {
            fields.0.push(("span".to_owned(), attributes.metadata().name().to_owned()));
            if let Some(parent) = context.span(span).and_then(|span| span.parent()) {
                fields.0.push(("parent".to_owned(), parent.name().to_owned()));
            }
            attributes.record(fields);
        });
    }

    fn on_record(&self, span: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(metadata) = context.metadata(span) {
            self.push(metadata, |fields| {
                fields.0.push(("span".to_owned(), metadata.name().to_owned()));
                values.record(fields);
            });
        }
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        self.push(event.metadata(), |fields| event.record(fields));
    }
}

struct Fields(Vec<(String, String)>);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.push((field.name().to_owned(), format!("{value:?}")));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.push((field.name().to_owned(), value.to_owned()));
    }
}

/// Every run of `len` characters of `secret` that `text` contains.
pub(crate) fn leaked_pieces<'s>(text: &str, secret: &'s str, len: usize) -> Vec<&'s str> {
    let starts = 0..=secret.len().saturating_sub(len);
    starts.map(|start| &secret[start..start + len]).filter(|piece| contains(text, piece)).collect()
}

/// Asserts that `text` contains no run of `len` characters of `secret`.
#[track_caller]
pub(crate) fn assert_holds_no_piece(text: &str, secret: &str, len: usize, name: &str) {
    assert!(secret.len() >= len && secret.is_ascii(), "{name}: the secret is too short or not ASCII");
    assert_eq!(leaked_pieces(text, secret, len), Vec::<&str>::new(), "{name}: leaked into {text}");
}

/// Whether `text` contains `piece`.
///
/// Why: `memchr` is optimized even in test builds, and so is faster there than `str::contains`.
pub(crate) fn contains(text: &str, piece: &str) -> bool {
    memchr::memmem::find(text.as_bytes(), piece.as_bytes()).is_some()
}
