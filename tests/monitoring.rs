//! Checks `examples/monitoring` against the table of metrics in the guide.
//!
//! Checks: metrics, labels, kinds and outcomes in the alert rules and in the dashboard.
//! Does not check: whether PromQL and YAML are valid, which `promtool check rules` does.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "tests may panic"
)]

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use tower_bearer::RejectionKind;

const GUIDE: &str = include_str!("../src/guide/operations.md");
const ALERTS: &str = include_str!("../examples/monitoring/alerts.yml");
const DASHBOARD: &str = include_str!("../examples/monitoring/dashboard.json");

const PREFIX: &str = "tower_bearer_";

/// Labels that Prometheus adds, and the label of histogram buckets.
const LABELS_OF_PROMETHEUS: [&str; 3] = ["instance", "job", "le"];

/// A row of the table of metrics.
struct Metric<'a> {
    kind: &'a str,
    labels: BTreeSet<&'a str>,
}

#[test]
fn the_guide_documents_each_metric_with_its_type() {
    let metrics = metrics();
    assert!(metrics.len() >= 15, "only {} metrics found", metrics.len());
    for (name, metric) in metrics {
        assert!(["counter", "gauge", "histogram"].contains(&metric.kind), "{name}: {}", metric.kind);
        assert_eq!(metric.kind == "counter", name.ends_with("_total"), "{name}");
    }
}

#[test]
fn the_alerts_use_documented_metrics_and_labels_only() {
    assert_eq!(faults(&rules()), Vec::<String>::new());
}

#[test]
fn the_dashboard_uses_documented_metrics_and_labels_only() {
    assert_eq!(faults(&queries()), Vec::<String>::new());
}

#[test]
fn the_dashboard_shows_each_documented_metric() {
    let queries = queries();
    let metrics = metrics();
    let shown: BTreeSet<&str> = names(&queries).map(|(name, _)| base(name, &metrics)).collect();
    let missing: Vec<&&str> = metrics.keys().filter(|name| !shown.contains(*name)).collect();
    assert!(missing.is_empty(), "not on the dashboard: {missing:?}");
}

#[test]
fn the_alerts_name_each_kind_that_is_500_or_503() {
    let rules = rules();
    for status in [500, 503] {
        let expected = kinds_with(|kind| kind.status().as_u16() == status);
        let lists: Vec<BTreeSet<&str>> =
            values("kind", &rules).map(|list| list.split('|').collect()).collect();
        assert!(lists.contains(&expected), "no alert has exactly the kinds of {status}: {expected:?}");
    }
}

#[test]
fn the_dashboard_names_each_kind_that_is_5xx() {
    let expected = kinds_with(|kind| kind.status().is_server_error());
    let queries = queries();
    let lists: Vec<BTreeSet<&str>> = values("kind", &queries).map(|list| list.split('|').collect()).collect();
    assert_eq!(lists, [expected]);
}

#[test]
fn each_alert_has_an_expression_a_severity_and_a_text() {
    let alerts: Vec<&str> = ALERTS.split("- alert: ").skip(1).collect();
    assert!(alerts.len() >= 5, "only {} alerts found", alerts.len());
    for alert in alerts {
        let name = alert.lines().next().unwrap();
        for key in ["expr: ", "severity: ", "summary: \"", "description: >-"] {
            assert_eq!(alert.matches(key).count(), 1, "{name}: {key}");
        }
    }
    assert!(!ALERTS.contains('\t'), "YAML has no tabs");
}

#[test]
fn an_undocumented_name_is_a_fault() {
    let cases = [
        ("metric", "rate(tower_bearer_request_total[5m])"),
        ("suffix of a histogram on a counter", "tower_bearer_requests_total_bucket"),
        ("label of another metric", r#"tower_bearer_requests_total{outcome="rejected", le="1"}"#),
        ("second label", r#"tower_bearer_circuit_open{issuer="i", kind="missing"}"#),
        ("grouping label", "sum by (job, tenant) (tower_bearer_cached_tokens)"),
        ("matching label", "tower_bearer:a / on (subject) tower_bearer:b"),
        ("label in a text", "{{ $labels.client }} rejects requests"),
        ("label in a legend", "{{client}}"),
        ("kind", r#"tower_bearer_requests_total{kind=~"missing|not_a_kind"}"#),
        ("kind of a recorded series", r#"tower_bearer:rejections:ratio5m{kind!~"not_a_kind"}"#),
        ("outcome", r#"tower_bearer_key_fetches_total{outcome="not_an_outcome"}"#),
    ];
    for (name, text) in cases {
        assert_eq!(faults(text).len(), 1, "{name}: {:?}", faults(text));
    }
}

/// The metrics in the section "Metrics" of the guide's page on operations, by name.
fn metrics() -> BTreeMap<&'static str, Metric<'static>> {
    let rows = section().lines().filter(|line| line.starts_with(&format!("| `{PREFIX}")));
    rows.map(|row| {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let name = cells[1].trim_matches('`');
        (name, Metric { kind: cells[2], labels: quoted(cells[3]).collect() })
    })
    .collect()
}

fn section() -> &'static str {
    let start = GUIDE.split_once("\n## Metrics\n").expect("the page has a section \"Metrics\"").1;
    start.split("\n## ").next().unwrap()
}

/// The words in backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// The rules without comments.
fn rules() -> String {
    ALERTS.lines().filter(|line| !line.trim_start().starts_with('#')).collect::<Vec<_>>().join("\n")
}

/// The expressions, legends and variables of the dashboard, one per line.
fn queries() -> String {
    fn collect(value: &Value, into: &mut Vec<String>) {
        match value {
            Value::Object(members) => {
                for (key, member) in members {
                    match member.as_str() {
                        Some(text) if ["expr", "legendFormat", "definition"].contains(&key.as_str()) => {
                            into.push(text.to_owned());
                        }
                        _ => collect(member, into),
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| collect(item, into)),
            _ => (),
        }
    }
    let mut found = Vec::new();
    collect(&serde_json::from_str(DASHBOARD).expect("the dashboard is JSON"), &mut found);
    assert!(found.len() > 20, "only {} queries found", found.len());
    found.join("\n")
}

/// What `text` names and the guide does not document.
fn faults(text: &str) -> Vec<String> {
    let metrics = metrics();
    let mut faults = Vec::new();
    for (name, rest) in names(text) {
        let Some(metric) = metrics.get(base(name, &metrics)) else {
            faults.push(format!("metric {name}"));
            continue;
        };
        let selector =
            rest.strip_prefix('{').and_then(|rest| rest.split_once('}')).map_or("", |split| split.0);
        for label in selector.split(", ").filter(|matcher| !matcher.is_empty()).map(word) {
            if !metric.labels.contains(label) && !["job", "instance"].contains(&label) {
                faults.push(format!("label {label} of {name}"));
            }
        }
    }
    let known: BTreeSet<&str> = metrics
        .values()
        .flat_map(|metric| metric.labels.iter().copied())
        .chain(LABELS_OF_PROMETHEUS)
        .collect();
    faults.extend(labels(text).filter(|label| !known.contains(label)).map(|label| format!("label {label}")));

    let kinds = kinds_with(|_| true);
    let named = values("kind", text).flat_map(|list| list.split('|'));
    faults.extend(named.filter(|kind| !kinds.contains(kind)).map(|kind| format!("kind {kind}")));

    let outcomes: BTreeSet<&str> =
        section().lines().filter(|line| line.starts_with("| `outcome` of")).flat_map(quoted).collect();
    let named = values("outcome", text);
    faults.extend(named.filter(|value| !outcomes.contains(value)).map(|value| format!("outcome {value}")));
    faults
}

/// The metrics in `text`, each with the text behind it.
fn names(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.match_indices(PREFIX).map(|(start, _)| {
        let found = &text[start..];
        let name = word(found);
        (name, &found[name.len()..])
    })
}

/// The name in the table for a series of the metric: without the suffix of a histogram.
fn base<'a>(name: &'a str, metrics: &BTreeMap<&str, Metric<'_>>) -> &'a str {
    let stem = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| name.strip_suffix(suffix));
    stem.filter(|stem| metrics.get(stem).is_some_and(|metric| metric.kind == "histogram")).unwrap_or(name)
}

/// The labels that `text` groups by, matches on, or shows.
fn labels(text: &str) -> impl Iterator<Item = &str> {
    let lists = ["by (", "on ("].into_iter().flat_map(move |start| {
        text.split(start).skip(1).flat_map(|rest| rest.split(')').next().unwrap_or_default().split(", "))
    });
    let in_texts = text.split("$labels.").skip(1).map(word);
    let in_legends = text.split("{{").skip(1).map(word).filter(|word| !word.is_empty());
    lists.chain(in_texts).chain(in_legends)
}

/// The values that `text` compares `label` with, in quotes.
fn values<'a>(label: &str, text: &'a str) -> impl Iterator<Item = &'a str> {
    let operators = ["=\"", "=~\"", "!=\"", "!~\""].map(|operator| format!("{label}{operator}"));
    operators.into_iter().flat_map(move |start| {
        text.match_indices(&start)
            .map(|(at, found)| text[at + found.len()..].split('"').next().unwrap_or_default())
            .collect::<Vec<_>>()
    })
}

/// The letters, digits and underscores at the start of `text`.
fn word(text: &str) -> &str {
    let end = text.find(|c: char| c != '_' && !c.is_ascii_alphanumeric());
    &text[..end.unwrap_or(text.len())]
}

fn kinds_with(condition: impl Fn(RejectionKind) -> bool) -> BTreeSet<&'static str> {
    RejectionKind::ALL.iter().copied().filter(|kind| condition(*kind)).map(RejectionKind::as_str).collect()
}
