//! The floors of the house: a module imports from its own floor's folder or from lower floors, never upwards.
//!
//! Reads `src` and fails on an import that goes up, on a file that no floor names, and on a file
//! without a first line that says what it is for.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The floors, from the ground up. Modules on one floor do not import each other, unless listed in [`NEIGHBOURS`].
const FLOORS: [&[&str]; 12] = [
    &["encoding", "event", "fetch_url", "time"],
    &["bearer", "crypto", "sync"],
    &["access_token"],
    &["jwt", "transport"],
    &["introspection", "jwks", "metadata"],
    &["requirement"],
    &["rejection"],
    &["authenticate"],
    &["diagnostics"],
    &["middleware"],
    &["builder"],
    &["axum", "guide", "testing"],
];

/// Who may import a module of its own floor: endpoints are found by the metadata, signed answers are
/// verified with the issuer's keys.
const NEIGHBOURS: [(&str, &str); 3] =
    [("introspection", "jwks"), ("introspection", "metadata"), ("jwks", "metadata")];

#[test]
fn imports_only_go_down() {
    let mut upward = Vec::new();
    for (path, text) in sources() {
        let Some(module) = module_of(&path) else { continue };
        for (line, import) in imports(&text) {
            let allowed = import == module
                || floor(&import) < floor(&module)
                || NEIGHBOURS.contains(&(module.as_str(), import.as_str()));
            if !allowed {
                upward.push(format!("{}:{line} imports {import}", path.display()));
            }
        }
    }
    assert!(upward.is_empty(), "imports that go up:\n{}", upward.join("\n"));
}

#[test]
fn a_path_through_the_crate_root_is_no_way_around() {
    // `crate::Name` with a capital letter would reach any floor through the re-exports of lib.rs.
    let mut around = Vec::new();
    for (path, text) in sources() {
        let code = text.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//"));
        let through_root = code.filter(|(_, line)| {
            line.split("crate::").skip(1).any(|rest| rest.starts_with(|first: char| first.is_uppercase()))
        });
        around.extend(through_root.map(|(line, _)| format!("{}:{}", path.display(), line + 1)));
    }
    assert!(around.is_empty(), "paths through the crate root:\n{}", around.join("\n"));
}

#[test]
fn every_module_has_a_floor_and_every_file_says_what_it_is_for() {
    let floors: BTreeMap<&str, usize> = FLOORS
        .iter()
        .enumerate()
        .flat_map(|(floor, names)| names.iter().map(move |name| (*name, floor)))
        .collect();
    for (path, text) in sources() {
        assert!(text.starts_with("//! "), "{} does not begin with its purpose", path.display());
        if let Some(module) = module_of(&path) {
            assert!(floors.contains_key(module.as_str()), "{} is on no floor", path.display());
        }
    }
}

/// The names in `crate::name` paths, outside of comments and of test modules, with their lines.
fn imports(text: &str) -> Vec<(usize, String)> {
    let code = text.lines().enumerate().take_while(|(_, line)| line.trim() != "mod tests {");
    let code = code.filter(|(_, line)| !line.trim_start().starts_with("//"));
    code.flat_map(|(number, line)| {
        line.split("crate::").skip(1).filter_map(move |rest| {
            let name: String = rest.chars().take_while(|c| c.is_lowercase() || *c == '_').collect();
            (!name.is_empty()).then_some((number + 1, name))
        })
    })
    .collect()
}

fn floor(module: &str) -> usize {
    FLOORS.iter().position(|names| names.contains(&module)).unwrap_or(usize::MAX)
}

/// The top module that a file belongs to; `None` for `lib.rs`, and for tests, which look at anything.
fn module_of(path: &Path) -> Option<String> {
    let inside = path.strip_prefix(source_folder()).expect("a file of src");
    if inside
        .components()
        .any(|part| part.as_os_str() == "tests" || part.as_os_str().to_string_lossy().ends_with("tests.rs"))
    {
        return None;
    }
    let first = inside.components().next().expect("a path").as_os_str().to_string_lossy().into_owned();
    let module = first.trim_end_matches(".rs").to_owned();
    (module != "lib").then_some(module)
}

fn sources() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![source_folder()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("src can be read") {
            let path = entry.expect("src can be read").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("src can be read");
                found.push((path, text));
            }
        }
    }
    assert!(found.len() > 50, "src was not found");
    found
}

fn source_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}
