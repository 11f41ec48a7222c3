//! The configuration file.
//!
//! Checks: every setting, and reports all problems at once. The settings of `[auth]` are checked by
//! `tower_bearer`.
//!
//! Why files that `[auth]` names count as part of it: a secret or a key set in a file is read once. If the
//! file changes, its issuer or the `BearerAuth` must be built again. Otherwise keys and caches are kept.

use std::collections::BTreeMap;
use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::mem;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, LazyLock};

use ipnet::IpNet;
use serde::Deserialize;
use tower_bearer::config::BearerAuthConfig;
use tower_bearer::inspector::Inspector;
use tower_bearer::{BearerAuth, Issuer};

use super::authorizer::Policy;
use super::claim_headers::ClaimHeaders;
use super::proxy_head::Mode;
use super::rule::{Rule, RuleTable};
use crate::allowed_hosts::AllowedHosts;

const DEFAULT_MAX_CONNECTIONS: usize = 10_000;

/// The configuration, checked.
pub(crate) struct Config {
    pub(crate) listening: Listening,
    pub(crate) policy: Policy,
    pub(crate) auth: BearerAuth,
    pub(crate) auth_source: AuthSource,
}

/// The settings that a reload does not change.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Listening {
    pub(crate) listen: SocketAddr,
    pub(crate) admin_listen: Option<SocketAddr>,
    pub(crate) max_connections: usize,
}

/// The table `[auth]`. It may have secrets, so it has no `Debug`.
#[derive(Clone, PartialEq)]
pub(crate) struct AuthSource {
    issuers: Vec<TableSource>,
    /// Everything else.
    shared: TableSource,
}

/// A table, and a hash of each file that it names.
#[derive(Clone, PartialEq)]
struct TableSource {
    table: toml::Table,
    hashes: Vec<Option<u64>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    listen: String,
    admin_listen: Option<String>,
    #[serde(default)]
    admin_hosts: Vec<String>,
    max_connections: Option<usize>,
    #[serde(default)]
    trusted_proxies: Vec<String>,
    mode: Option<ModeName>,
    envoy_path_prefix: Option<String>,
    #[serde(default)]
    nginx_status: bool,
    #[serde(default)]
    auth: toml::Table,
    #[serde(default)]
    rules: Vec<RuleTable>,
    #[serde(default)]
    response_headers: BTreeMap<String, String>,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum ModeName {
    Forwarded,
    Original,
    Envoy,
}

impl Config {
    /// Checks the text of a file. If `current` was built from the same settings, it is kept with its caches.
    /// Otherwise `inspector` observes the new `BearerAuth`.
    ///
    /// # Errors
    /// Every problem. No secret is part of one.
    pub(crate) fn parse(
        text: &str,
        current: Option<(&AuthSource, &BearerAuth)>,
        inspector: &Inspector,
    ) -> Result<Self, Vec<String>> {
        let mut file: File = toml::from_str(text).map_err(|error| vec![syntax_problem(text, &error)])?;
        let mut problems = Vec::new();
        let listening = file.listening(&mut problems);
        let auth_source = AuthSource::of(text);
        let auth = match current {
            Some((source, auth)) if *source == auth_source => Some(auth.clone()),
            _ => {
                build_auth(mem::take(&mut file.auth), inspector).map_err(|error| problems.extend(error)).ok()
            }
        };
        if file.admin_listen.is_none() && auth.as_ref().is_some_and(|auth| auth.resource_metadata().is_some())
        {
            problems.push("auth.resource_metadata is served on admin_listen, which is not set".to_owned());
        }
        let policy = file.policy(&mut problems);
        match (listening, policy, auth) {
            (Some(listening), Some(policy), Some(auth)) if problems.is_empty() => {
                Ok(Self { listening, policy, auth, auth_source })
            }
            _ => Err(problems),
        }
    }
}

impl File {
    fn listening(&self, problems: &mut Vec<String>) -> Option<Listening> {
        let listen = parse_address("listen", &self.listen, problems);
        let admin_listen =
            self.admin_listen.as_ref().map(|text| parse_address("admin_listen", text, problems));
        let max_connections = self.max_connections.unwrap_or(DEFAULT_MAX_CONNECTIONS);
        if max_connections == 0 {
            problems.push("max_connections is 0, so no proxy could connect".to_owned());
        }
        Some(Listening { listen: listen?, admin_listen: admin_listen.flatten(), max_connections })
    }

    fn policy(self, problems: &mut Vec<String>) -> Option<Policy> {
        let mode = self.mode(problems);
        if self.admin_listen.is_none() && !self.admin_hosts.is_empty() {
            problems.push("admin_hosts has no effect unless admin_listen is set".to_owned());
        }
        let admin_hosts = AllowedHosts::parse("admin_hosts", &self.admin_hosts, problems);
        let trusted_proxies = parse_proxies(&self.trusted_proxies, problems);
        let rules = parse_rules(self.rules, problems);
        let claim_headers = Arc::new(ClaimHeaders::new(&self.response_headers, problems));
        let nginx_status = self.nginx_status;
        Some(Policy { admin_hosts, trusted_proxies, mode: mode?, nginx_status, rules, claim_headers })
    }

    fn mode(&self, problems: &mut Vec<String>) -> Option<Mode> {
        let prefix = self.envoy_path_prefix.as_deref();
        if prefix.is_some() && self.mode != Some(ModeName::Envoy) {
            problems.push("envoy_path_prefix has no effect unless mode is \"envoy\"".to_owned());
        }
        if prefix.is_some_and(|prefix| !prefix.starts_with('/') || prefix.ends_with('/')) {
            problems.push("envoy_path_prefix must start with / and must not end with it".to_owned());
        }
        match self.mode {
            Some(ModeName::Forwarded) => Some(Mode::Forwarded),
            Some(ModeName::Original) => Some(Mode::Original),
            Some(ModeName::Envoy) => Some(Mode::Envoy { path_prefix: prefix.unwrap_or_default().to_owned() }),
            None => {
                problems.push(
                    "mode is not set; hint: \"original\" for nginx, \"forwarded\" for Caddy, HAProxy and \
                     Traefik, \"envoy\" for Envoy"
                        .to_owned(),
                );
                None
            }
        }
    }
}

impl AuthSource {
    /// The source in the text of a configuration file. Empty if the text is no TOML.
    pub(crate) fn of(text: &str) -> Self {
        let mut file: toml::Table = text.parse().unwrap_or_default();
        let mut shared = match file.remove("auth") {
            Some(toml::Value::Table(table)) => table,
            _ => toml::Table::new(),
        };
        let issuers = match shared.remove("issuers") {
            Some(toml::Value::Array(issuers)) => issuers,
            _ => Vec::new(),
        };
        let issuers = issuers.into_iter().map(|issuer| match issuer {
            toml::Value::Table(table) => TableSource::new(table),
            // Differs from every table, so that the build reports it.
            other => TableSource::new(toml::Table::from_iter([(String::new(), other)])),
        });
        Self { issuers: issuers.collect(), shared: TableSource::new(shared) }
    }

    /// The issuers of this source that are new or have changed since `former`. `None` if anything else has
    /// changed.
    pub(crate) fn changed_issuers(&self, former: &Self) -> Option<Vec<Issuer>> {
        if self.shared != former.shared {
            return None;
        }
        let changed = self.issuers.iter().filter(|issuer| !former.issuers.contains(issuer));
        let tables = changed.map(|issuer| toml::Value::Table(issuer.table.clone())).collect();
        let mut table = self.shared.table.clone();
        table.insert("issuers".to_owned(), toml::Value::Array(tables));
        let config: BearerAuthConfig = table.try_into().ok()?;
        config.issuers().ok()
    }
}

impl TableSource {
    fn new(table: toml::Table) -> Self {
        let mut hashes = Vec::new();
        hash_files(&table, &mut hashes);
        Self { table, hashes }
    }
}

/// Hashes each file that `table` names. `None` for a file that cannot be read.
fn hash_files(table: &toml::Table, hashes: &mut Vec<Option<u64>>) {
    /// Its keys are random, so that a hash says nothing about a secret.
    static HASHER: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    for (name, value) in table {
        match value {
            // `BearerAuth` reads an assertion again by itself.
            toml::Value::String(path) if name.ends_with("_file") && name != "assertion_file" => {
                hashes.push(fs::read(path).ok().map(|content| HASHER.hash_one(content)));
            }
            toml::Value::Table(table) => hash_files(table, hashes),
            toml::Value::Array(items) => {
                items.iter().filter_map(toml::Value::as_table).for_each(|table| hash_files(table, hashes));
            }
            _ => {}
        }
    }
}

/// Reads the text of a configuration file.
///
/// # Errors
/// A sentence about the file.
pub(crate) fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("cannot read {}: {error}", path.display()))
}

/// `Display` of the error would quote the line, which may have a secret.
fn syntax_problem(text: &str, error: &toml::de::Error) -> String {
    let before = error.span().and_then(|span| text.get(..span.start));
    match before {
        Some(before) => format!("line {}: {}", before.split('\n').count(), error.message()),
        None => error.message().to_owned(),
    }
}

fn build_auth(table: toml::Table, inspector: &Inspector) -> Result<BearerAuth, Vec<String>> {
    let config: BearerAuthConfig =
        table.try_into().map_err(|error: toml::de::Error| vec![format!("auth: {}", error.message())])?;
    config
        .builder()
        .and_then(|builder| builder.metrics().add_observer(inspector.clone()).grpc(false).build())
        .map_err(|error| error.problems().iter().map(|problem| format!("auth: {problem}")).collect())
}

fn parse_address(name: &str, text: &str, problems: &mut Vec<String>) -> Option<SocketAddr> {
    let address = text.parse().ok();
    if address.is_none() {
        problems.push(format!("{name} {text:?} is no address with a port; hint: write 127.0.0.1:9090"));
    }
    address
}

fn parse_proxies(texts: &[String], problems: &mut Vec<String>) -> Vec<IpNet> {
    if texts.is_empty() {
        problems
            .push("trusted_proxies is empty; hint: [\"127.0.0.1\"] if the proxy is on this host".to_owned());
    }
    let mut ranges = Vec::new();
    for text in texts {
        match text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from)) {
            Ok(range) if range.prefix_len() == 0 => {
                problems.push(format!("trusted_proxies has {text:?}, which is every address"));
            }
            Ok(range) => ranges.push(range),
            Err(_) => problems.push(format!(
                "trusted_proxies has {text:?}, which is no address; hint: write 10.0.0.7 or 10.0.0.0/8"
            )),
        }
    }
    ranges
}

fn parse_rules(tables: Vec<RuleTable>, problems: &mut Vec<String>) -> Vec<Rule> {
    if tables.is_empty() {
        problems.push("there is no rule; hint: add [[rules]] with path = \"/**\"".to_owned());
    }
    let count = tables.len();
    let mut rules = Vec::new();
    for (position, table) in tables.into_iter().enumerate() {
        let rule = table.parse(&format!("rules[{position}]"), problems);
        if rule.as_ref().is_some_and(Rule::matches_all) && position.checked_add(1) != Some(count) {
            problems.push(format!(
                "rules[{position}] matches every request, so later rules have no effect; hint: put it last"
            ));
        }
        rules.extend(rule);
    }
    rules
}
