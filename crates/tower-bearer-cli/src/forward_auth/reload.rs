//! Replaces the configuration while the program runs.
//!
//! Why a change must be there in two polls: an editor may write the file in parts, and the first part may be
//! a valid file with fewer rules.

use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use tower_bearer::inspector::Inspector;
use tower_bearer::{BearerAuth, ConfigError, Issuer};

use super::config::{self, AuthSource, Config, Listening};
use super::live::Live;
use super::signals::Hangups;

const POLL_INTERVAL: Duration = Duration::from_secs(2);

/// The configuration file, and the configuration in use.
pub(crate) struct Reloader {
    path: PathBuf,
    live: Arc<Live>,
    /// In use since the start.
    listening: Listening,
    /// Observes every `BearerAuth`, so that its counts survive a reload.
    inspector: Inspector,
    /// Of the `BearerAuth` in use.
    auth_source: AuthSource,
    /// The latest version that was loaded, or that has problems.
    loaded: Version,
    /// A version that only the latest poll has seen.
    changed: Option<Version>,
}

/// The text of the file, and the files that it names.
#[derive(Clone, PartialEq)]
struct Version {
    text: Result<String, String>,
    auth: AuthSource,
}

impl Reloader {
    /// `config` was read from `text`, and from the file at `path`. Needs a tokio runtime.
    /// `inspector` observes its `BearerAuth`.
    pub(crate) fn new(path: PathBuf, text: String, config: Config, inspector: Inspector) -> Self {
        let auth_source = config.auth_source.clone();
        warm_up(&config.auth);
        let listening = config.listening;
        let live = Arc::new(Live::new(config.auth, config.policy));
        let loaded = Version { text: Ok(text), auth: auth_source.clone() };
        Self { path, live, listening, inspector, auth_source, loaded, changed: None }
    }

    /// The configuration in use.
    pub(crate) fn live(&self) -> Arc<Live> {
        Arc::clone(&self.live)
    }

    /// Reloads the file on SIGHUP and when it has changed, for ever.
    pub(crate) async fn run(mut self, mut hangups: Hangups) -> Infallible {
        let mut polls = interval(POLL_INTERVAL);
        polls.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = polls.tick() => tokio::task::block_in_place(|| self.poll()),
                () = hangups.recv() => tokio::task::block_in_place(|| self.reload_now()),
            }
        }
    }

    /// Loads the file if it has changed, and has not changed since the last poll.
    fn poll(&mut self) {
        let version = self.read();
        if version == self.loaded {
            self.changed = None;
        } else if self.changed.as_ref() == Some(&version) {
            self.load(version);
        } else {
            self.changed = Some(version);
        }
    }

    fn reload_now(&mut self) {
        let version = self.read();
        self.load(version);
    }

    fn read(&self) -> Version {
        let text = config::read(&self.path);
        let auth = AuthSource::of(text.as_deref().unwrap_or_default());
        Version { text, auth }
    }

    fn load(&mut self, version: Version) {
        let live = self.live.latest();
        let current = Some((&self.auth_source, live.auth()));
        let parsed = match &version.text {
            Ok(text) => Config::parse(text, current, &self.inspector),
            Err(problem) => Err(vec![problem.clone()]),
        };
        match parsed {
            Ok(config) => self.replace(live.auth(), config),
            Err(problems) => {
                for problem in problems {
                    tracing::error!(
                        "the configuration is invalid, and the former one stays in use: {problem}"
                    );
                }
            }
        }
        self.loaded = version;
        self.changed = None;
    }

    /// Uses `config` from now on. If only issuers have changed, `live` gets the new ones.
    fn replace(&mut self, live: &BearerAuth, config: Config) {
        let Config { listening, policy, auth, auth_source } = config;
        let changed = auth_source.changed_issuers(&self.auth_source);
        let mut change = "unchanged";
        if auth_source == self.auth_source {
            self.live.replace(auth, policy);
        } else if let Some(changed) = changed {
            self.live.replace_with(policy, || match update_issuers(live, &auth, changed) {
                Ok(()) => {
                    change = "issuers";
                    live.clone()
                }
                // Each step must be valid by itself, such as the first of two issuers that swap settings.
                Err(error) => {
                    tracing::warn!(
                        %error,
                        "cannot change the issuers one by one, so all caches are replaced"
                    );
                    change = "all";
                    auth
                }
            });
            warm_up(self.live.latest().auth());
        } else {
            warm_up(&auth);
            self.live.replace(auth, policy);
            change = "all";
        }
        self.auth_source = auth_source;
        tracing::info!(auth = change, "configuration reloaded");
        if listening != self.listening {
            tracing::warn!(
                "listen, admin_listen or max_connections has changed, which has no effect until this \
                 program is restarted"
            );
        }
    }
}

/// Gives `live` the issuers of `new`, of which `changed` are new or have changed. The others keep their keys
/// and caches.
fn update_issuers(live: &BearerAuth, new: &BearerAuth, changed: Vec<Issuer>) -> Result<(), ConfigError> {
    let (issuers, kept) = (live.issuers(), new.issuers().list());
    for issuer in issuers.list().iter().filter(|issuer| !kept.contains(issuer)) {
        issuers.remove(issuer);
    }
    changed.into_iter().try_for_each(|issuer| issuers.replace(issuer))
}

/// Fetches keys before the first request needs them. After a failure, the next request retries.
fn warm_up(auth: &BearerAuth) {
    let auth = auth.clone();
    tokio::spawn(async move { auth.ready().await });
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::net::Ipv4Addr;

    use http::Request;

    use super::*;

    fn config(path: &str) -> String {
        format!(
            r#"
            listen = "127.0.0.1:0"
            trusted_proxies = ["127.0.0.1"]
            mode = "envoy"
            auth = {{ audience = "api", issuers = [{{ issuer = "https://login.example.com" }}] }}
            rules = [{{ path = "{path}", access = "public" }}]
            "#
        )
    }

    async fn allows(reloader: &Reloader, path: &str) -> bool {
        let (head, ()) = Request::get(path).body(()).unwrap().into_parts();
        reloader.live.respond(Ipv4Addr::LOCALHOST.into(), &head).await.status().is_success()
    }

    #[tokio::test]
    async fn a_change_is_loaded_when_two_polls_in_a_row_have_seen_it() {
        let path = std::env::temp_dir().join(format!("tower-bearer-reload-{}.toml", std::process::id()));
        let text = config("/a");
        fs::write(&path, &text).unwrap();
        let inspector = Inspector::new();
        let parsed = Config::parse(&text, None, &inspector).unwrap();
        let mut reloader = Reloader::new(path.clone(), text, parsed, inspector);

        fs::write(&path, config("/b")).unwrap();
        reloader.poll();
        fs::write(&path, config("/c")).unwrap();
        reloader.poll();
        assert!(allows(&reloader, "/a").await);
        reloader.poll();
        assert!(allows(&reloader, "/c").await && !allows(&reloader, "/a").await);

        fs::remove_file(&path).unwrap();
        reloader.poll();
        reloader.poll();
        assert!(allows(&reloader, "/c").await);
    }
}
