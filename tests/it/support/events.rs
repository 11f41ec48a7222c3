//! Events that can be read back: all of them, from every crate, at TRACE.

use std::fmt::Debug;
use std::sync::{Arc, Mutex, Once};

use tracing::field::{Field, Visit};
use tracing::subscriber::DefaultGuard;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

/// What was logged on this thread since it was made.
pub(crate) struct Log {
    events: Arc<Mutex<Vec<Logged>>>,
    _guard: DefaultGuard,
}

/// One event.
#[derive(Clone, Debug)]
pub(crate) struct Logged {
    pub(crate) level: Level,
    pub(crate) target: String,
    pub(crate) fields: Vec<(String, String)>,
}

impl Log {
    /// Begins to record.
    pub(crate) fn start() -> Self {
        keep_events();
        let events = Arc::<Mutex<Vec<Logged>>>::default();
        let subscriber = tracing_subscriber::registry().with(Recorder(Arc::clone(&events)));
        let log = Self { events, _guard: tracing::subscriber::set_default(subscriber) };
        tracing::callsite::rebuild_interest_cache();
        log
    }

    /// The events of this crate so far.
    pub(crate) fn events(&self) -> Vec<Logged> {
        let events = self.events.lock().unwrap();
        events.iter().filter(|event| event.target == "tower_bearer").cloned().collect()
    }

    /// The events about requests, and not about fetches or the start.
    pub(crate) fn requests(&self) -> Vec<Logged> {
        self.events().into_iter().filter(|event| event.field("kind").is_some()).collect()
    }

    /// Every event of every crate, as one text.
    pub(crate) fn text(&self) -> String {
        format!("{:?}", self.events.lock().unwrap())
    }
}

impl Logged {
    /// The field of this name.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(its_name, _)| its_name == name).map(|(_, value)| value.as_str())
    }
}

/// Has somebody want every event at all times. Whether one is wanted is decided once for each place
/// in the code, which may be reached first by a test that keeps no log.
pub(crate) fn keep_events() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| tracing::subscriber::set_global_default(tracing_subscriber::registry()).unwrap());
}

struct Recorder(Arc<Mutex<Vec<Logged>>>);

impl<S: Subscriber> Layer<S> for Recorder {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut fields = Fields(Vec::new());
        event.record(&mut fields);
        let metadata = event.metadata();
        let target = metadata.target().to_owned();
        self.0.lock().unwrap().push(Logged { level: *metadata.level(), target, fields: fields.0 });
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
