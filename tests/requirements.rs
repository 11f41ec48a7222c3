//! Checks that the requirement map in `tests/requirements.md` is complete and names existing tests.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The numbers of the rules that the map must contain. The letters stand for bearer tokens, HTTP, JWT, JWS,
/// keys, best current practice, JWT access tokens, metadata, introspection, protected resource metadata,
/// configuration as data, step-up authentication, authorization details, token exchange, DPoP, client
/// certificates and FAPI 2.0.
const RULES: [(&str, &[(u32, u32)]); 18] = [
    ("B", &[(1, 4), (8, 17), (20, 22), (26, 26)]),
    ("H", &[(1, 1), (3, 8), (12, 13)]),
    ("J", &[(1, 15), (18, 19), (22, 23)]),
    ("S", &[(1, 6), (8, 10), (12, 12), (14, 15), (18, 19), (21, 22)]),
    ("K", &[(1, 8), (10, 10), (12, 16), (19, 21), (23, 24), (26, 28)]),
    ("P", &[(1, 4), (6, 8), (12, 17), (19, 22), (24, 24), (26, 27)]),
    ("A", &[(1, 1), (3, 7), (9, 12)]),
    ("M", &[(1, 5), (7, 9), (12, 12)]),
    ("I", &[(1, 31)]),
    ("R", &[(1, 22)]),
    ("N", &[(1, 6)]),
    ("U", &[(1, 9)]),
    ("Z", &[(1, 4)]),
    ("X", &[(1, 1)]),
    ("D", &[(1, 38)]),
    ("T", &[(1, 15)]),
    ("F", &[(1, 10)]),
    ("L", &[(1, 8)]),
];

/// The numbers of the known attacks.
const ATTACKS: (u32, u32) = (1, 52);

struct Row {
    id: String,
    tests: String,
}

#[test]
fn every_rule_and_every_attack_is_in_the_map_once() {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for row in rows() {
        *counts.entry(row.id).or_default() += 1;
    }
    let rules = RULES.iter().flat_map(|(letter, spans)| {
        spans.iter().flat_map(move |(first, last)| {
            (*first..=*last).map(move |number| format!("{letter}-{number:02}"))
        })
    });
    let attacks = (ATTACKS.0..=ATTACKS.1).map(|number| format!("V{number:02}"));
    let missing: Vec<String> = rules.chain(attacks).filter(|id| !counts.contains_key(id)).collect();
    assert!(missing.is_empty(), "not in the map: {missing:?}");
    let twice: Vec<&String> = counts.iter().filter(|(_, count)| **count > 1).map(|(id, _)| id).collect();
    assert!(twice.is_empty(), "more than once in the map: {twice:?}");
}

#[test]
fn every_row_names_tests_that_exist_or_a_reason() {
    let known = tests();
    let mut faults = Vec::new();
    for row in rows() {
        if row.tests.strip_prefix("n/a:").is_some_and(|reason| reason.trim().len() > 10) {
            continue;
        }
        let named: Vec<&str> = row.tests.split('`').skip(1).step_by(2).collect();
        if named.is_empty() {
            faults.push(format!("{} names neither a test nor a reason", row.id));
        }
        let unknown = named.into_iter().filter(|test| !known.contains(*test));
        faults.extend(unknown.map(|test| format!("{} names {test}, which does not exist", row.id)));
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

fn rows() -> Vec<Row> {
    let map = fs::read_to_string(folder().join("requirements.md")).expect("the map is readable");
    let rows = map.lines().filter(|line| line.starts_with("| ")).filter_map(|line| {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let is_rule = cells.first()?.chars().next()?.is_ascii_uppercase()
            && cells.first()?.ends_with(|c: char| c.is_ascii_digit());
        (is_rule && cells.len() >= 4)
            .then(|| Row { id: cells[0].to_owned(), tests: cells[cells.len() - 1].to_owned() })
    });
    rows.collect()
}

/// The paths of all tests of the integration binary: `module::name`.
fn tests() -> BTreeSet<String> {
    tests_in(&folder().join("it"), "")
}

/// The paths of the tests of the modules in `folder`. They start with `path`.
fn tests_in(folder: &Path, path: &str) -> BTreeSet<String> {
    let mut tests = BTreeSet::new();
    for entry in fs::read_dir(folder).expect("tests/it is readable") {
        let entry = entry.expect("tests/it is readable").path();
        let stem = entry.file_stem().unwrap_or_default().to_string_lossy();
        let module = if stem == "mod" { path.to_owned() } else { format!("{path}{stem}::") };
        if entry.is_dir() {
            tests.extend(tests_in(&entry, &module));
        } else if entry.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&entry).expect("tests/it is readable");
            tests.extend(functions(&text).map(|name| format!("{module}{name}")));
        }
    }
    tests
}

/// The names of the functions with the attribute `#[test]` or `#[tokio::test]`.
fn functions(text: &str) -> impl Iterator<Item = &str> {
    let mut is_test = false;
    text.lines().filter_map(move |line| {
        if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            is_test = true;
        }
        let name = line.split("fn ").nth(1).and_then(|rest| rest.split('(').next());
        match name {
            Some(name) if is_test && !line.starts_with(' ') => {
                is_test = false;
                Some(name)
            }
            _ => None,
        }
    })
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")
}
