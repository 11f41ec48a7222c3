//! Checks the imports inside `src`: every module has a floor and imports only from lower floors, and no files
//! import each other in a cycle.
//!
//! Checks: `crate::`, `super::` and `self::` paths, in `use` items and in code.
//! Does not check: tests and comments. `mod` and `pub use` items that name a submodule without `self::` are
//! the table of contents of a `mod.rs`, not imports.
//! Why: without cycles, a reader can understand each file after the files that it imports.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// The floors, lowest first. Modules on one floor do not import each other, unless [`NEIGHBOURS`] lists
/// them.
const FLOORS: [&[&str]; 14] = [
    &["encoding", "event", "fetch_url", "secret_file", "time"],
    &["bearer", "crypto", "observe", "sync"],
    &["access_token", "challenge"],
    &["jwt", "transport"],
    &["introspection", "jwks", "metadata"],
    &["binding", "requirement", "revocation"],
    &["rejection"],
    &["authenticate"],
    &["audit", "diagnostics"],
    &["json_document", "settings"],
    &["resource_metadata"],
    &["middleware"],
    &["builder", "issuers"],
    &["axum", "config", "guide", "inspector", "testing"],
];

/// Importing and imported module of the same floor. The metadata names the endpoints, and the keys of the
/// issuer verify signed introspection responses.
const NEIGHBOURS: [(&str, &str); 3] =
    [("introspection", "jwks"), ("introspection", "metadata"), ("jwks", "metadata")];

/// Importing and imported file of each import that may be part of a cycle, and the reason.
const CYCLIC_IMPORTS: [(&str, &str, &str); 0] = [];

/// Files that hold a type-erased value (`dyn Any`), and the reason. A downcast can hide an import that goes
/// up.
const TYPE_ERASED: [(&str, &str); 2] = [
    (
        "settings/issuer/network.rs",
        "It finds out whether a user's HTTP client is an `Arc` that others share.",
    ),
    (
        "access_token/mod.rs",
        "`CoveredBy` holds a `Weak<dyn Any>` that middleware/coverage.rs downcasts to the shared state of the \
     middleware. A typed reference would be an import that goes up. A separate value in the extensions would \
     cost each request an allocation. The cache of typed claims holds values whose types the user chooses.",
    ),
];

/// One file of `src`.
struct Source {
    /// The path below `src`, with `/` as separator.
    name: String,
    /// The path of its module: `["jwks", "remote"]`. Empty for `lib.rs`.
    module: Vec<String>,
    text: String,
}

#[test]
fn imports_only_go_down() {
    let mut upward = Vec::new();
    for source in production_sources() {
        let Some(module) = source.module.first() else { continue };
        for import in source.paths() {
            let Some(import) = import.first().filter(|name| !name.starts_with(char::is_uppercase)) else {
                continue;
            };
            let allowed = import == module
                || floor(import) < floor(module)
                || NEIGHBOURS.contains(&(module.as_str(), import.as_str()));
            if !allowed {
                upward.push(format!("{} imports {import}", source.name));
            }
        }
    }
    assert!(upward.is_empty(), "imports that go up:\n{}", upward.join("\n"));
}

#[test]
fn no_path_goes_through_the_crate_root() {
    // The re-exports of lib.rs would make `crate::Name` an import from any floor.
    let mut through_root = Vec::new();
    for source in production_sources() {
        let names = source.paths().into_iter().filter_map(|path| path.into_iter().next());
        let names = names.filter(|name| name.starts_with(char::is_uppercase));
        through_root.extend(names.map(|name| format!("{}: crate::{name}", source.name)));
    }
    assert!(through_root.is_empty(), "paths through the crate root:\n{}", through_root.join("\n"));
}

#[test]
fn files_do_not_import_each_other_in_a_cycle() {
    let sources = production_sources();
    let mut edges = file_imports(&sources);
    for (from, to, _) in CYCLIC_IMPORTS {
        assert!(edges.get_mut(from).is_some_and(|targets| targets.remove(to)), "{from} does not import {to}");
    }
    let mut cyclic = Vec::new();
    for (from, targets) in &edges {
        let back = targets.iter().filter(|to| reaches(&edges, to, from));
        cyclic.extend(back.map(|to| format!("{from} imports {to}")));
    }
    assert!(cyclic.is_empty(), "imports that are part of a cycle:\n{}", cyclic.join("\n"));
}

#[test]
fn type_erased_values_are_listed_with_a_reason() {
    let listed: BTreeSet<String> = TYPE_ERASED.iter().map(|(file, _)| (*file).to_owned()).collect();
    let sources = production_sources().into_iter();
    let found = sources.filter(|source| source.text.contains("dyn Any")).map(|source| source.name);
    assert_eq!(found.collect::<BTreeSet<_>>(), listed);
}

#[test]
fn every_module_has_a_floor_and_every_file_starts_with_its_purpose() {
    for source in sources() {
        assert!(source.text.starts_with("//! "), "{} does not start with its purpose", source.name);
    }
    for source in production_sources() {
        if let Some(module) = source.module.first() {
            assert!(floor(module) < FLOORS.len(), "{} is on no floor", source.name);
        }
    }
}

#[test]
fn paths_are_read_from_use_items_and_code() {
    let source = Source {
        name: "jwks/remote/driver.rs".to_owned(),
        module: ["jwks", "remote", "driver"].map(str::to_owned).to_vec(),
        text: production_code(
            "//! Uses `crate::comment`.\n\
             use crate::time::{self, clock::{Clock, Instant as Now}};\n\
             use super::{config::Config, wait};\n\
             #[cfg(test)]\n\
             use super::hidden::Item;\n\
             pub(in crate::jwks) fn run() { super::super::keys::select(crate::event::KeyFetch) }\n\
             #[cfg(test)]\n\
             mod tests {\n    use super::*;\n    use crate::testing::X;\n}\n",
        ),
    };
    let paths: BTreeSet<String> = source.paths().into_iter().map(|path| path.join("::")).collect();
    let expected = [
        "event::KeyFetch",
        "jwks::keys::select",
        "jwks::remote::config::Config",
        "jwks::remote::wait",
        "time",
        "time::clock::Clock",
        "time::clock::Instant",
    ];
    assert_eq!(paths.into_iter().collect::<Vec<_>>(), expected);
}

/// The files that each file imports.
fn file_imports(sources: &[Source]) -> BTreeMap<String, BTreeSet<String>> {
    let files: BTreeMap<&[String], &str> =
        sources.iter().map(|source| (source.module.as_slice(), source.name.as_str())).collect();
    let mut edges: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for source in sources.iter().filter(|source| !source.module.is_empty()) {
        for path in source.paths() {
            let deepest = (1..=path.len()).rev().find_map(|len| files.get(path.get(..len)?));
            if let Some(target) = deepest.filter(|target| **target != source.name) {
                edges.entry(source.name.clone()).or_default().insert((*target).to_owned());
            }
        }
    }
    edges
}

/// Whether a chain of imports leads from `start` to `goal`.
fn reaches(edges: &BTreeMap<String, BTreeSet<String>>, start: &str, goal: &str) -> bool {
    let mut visited = BTreeSet::new();
    let mut pending = vec![start];
    while let Some(file) = pending.pop() {
        if file == goal {
            return true;
        }
        if visited.insert(file) {
            pending.extend(edges.get(file).into_iter().flatten().map(String::as_str));
        }
    }
    false
}

impl Source {
    fn read(root: &Path, path: &Path) -> Self {
        let text = fs::read_to_string(path).expect("src is readable");
        let below = path.strip_prefix(root).expect("the path is below src");
        let parts: Vec<String> =
            below.components().map(|part| part.as_os_str().to_string_lossy().into_owned()).collect();
        let name = parts.join("/");
        let mut module = parts;
        if let Some(last) = module.pop() {
            let stem = last.trim_end_matches(".rs");
            module.extend((!["lib", "mod"].contains(&stem)).then(|| stem.to_owned()));
        }
        Self { name, module, text }
    }

    /// Every `crate::`, `super::` and `self::` path in the file, from the crate root.
    fn paths(&self) -> Vec<Vec<String>> {
        let mut paths = Vec::new();
        for root in ["crate::", "super::", "self::"] {
            for (at, _) in self.text.match_indices(root) {
                let (before, rest) = self.text.split_at(at);
                // The rest of a longer path or name, or a visibility such as `pub(in crate::jwks)`.
                if before.ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':')
                    || before.ends_with("in ")
                {
                    continue;
                }
                let trees = use_tree(rest);
                paths.extend(trees.into_iter().map(|path| self.absolute(path)));
            }
        }
        paths
    }

    /// The path from the crate root.
    fn absolute(&self, path: Vec<String>) -> Vec<String> {
        let mut base = self.module.clone();
        let mut names = path.into_iter().peekable();
        while let Some(root) = names.next_if(|name| ["crate", "super", "self"].contains(&name.as_str())) {
            match root.as_str() {
                "crate" => base.clear(),
                "super" => drop(base.pop()),
                _ => {}
            }
        }
        base.extend(names);
        base
    }
}

/// The paths of the use tree at the start of `text`: `a::{b, c::d}` gives `a::b` and `a::c::d`.
fn use_tree(text: &str) -> Vec<Vec<String>> {
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let children = match rest.strip_prefix("::") {
        Some(rest) if rest.starts_with('{') => group(rest).into_iter().flat_map(use_tree).collect(),
        Some(rest) => use_tree(rest),
        None => vec![Vec::new()],
    };
    let prefix = |mut path: Vec<String>| {
        let names_the_module_itself = name == "self" && path.is_empty();
        if !name.is_empty() && !names_the_module_itself {
            path.insert(0, name.to_owned());
        }
        path
    };
    children.into_iter().map(prefix).collect()
}

/// The items of the group in braces at the start of `text`.
fn group(text: &str) -> Vec<&str> {
    let mut items = Vec::new();
    let (mut depth, mut start) = (0_usize, 1);
    for (at, c) in text.char_indices() {
        match c {
            '{' => depth = depth.saturating_add(1),
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if (c == ',' && depth == 1) || depth == 0 {
            items.push(text.get(start..at).unwrap_or_default().trim());
            start = at.saturating_add(1);
        }
        if depth == 0 {
            break;
        }
    }
    items.retain(|item| !item.is_empty());
    items
}

/// The code without comments and without the items under `#[cfg(test)]`.
fn production_code(text: &str) -> String {
    let mut code = String::new();
    let mut lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    while let Some(line) = lines.next() {
        if line.trim_start().starts_with("#[cfg(test)]") || line.trim_start().starts_with("#[cfg(all(test") {
            skip_item(&mut lines);
        } else {
            code.push_str(line);
            code.push('\n');
        }
    }
    code
}

/// Skips the lines of one item: up to its closing brace, or its semicolon.
fn skip_item<'t>(lines: &mut impl Iterator<Item = &'t str>) {
    let mut depth = 0_usize;
    for line in lines {
        depth = depth.saturating_add(line.matches('{').count()).saturating_sub(line.matches('}').count());
        if depth == 0 && line.trim_end().ends_with([';', '}', ',']) {
            return;
        }
    }
}

fn floor(module: &str) -> usize {
    FLOORS.iter().position(|names| names.contains(&module)).unwrap_or(usize::MAX)
}

/// The files of `src` without test modules, and without comments and test items in their text.
fn production_sources() -> Vec<Source> {
    let is_test =
        |source: &Source| source.name.split('/').any(|part| part == "tests" || part.ends_with("tests.rs"));
    let sources = sources().into_iter().filter(|source| !is_test(source));
    sources.map(|source| Source { text: production_code(&source.text), ..source }).collect()
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("src is readable") {
            let path = entry.expect("src is readable").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(Source::read(&root, &path));
            }
        }
    }
    assert!(found.len() > 50, "only {} files found in src", found.len());
    found
}
