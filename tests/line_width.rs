//! Checks that no line of Rust source is wider than 110 characters.
//!
//! Checks: comments and code in `src`, `tests`, `examples` and `benches` of the root package and of each
//! package below `crates`.
//! Does not check: lines that have no place to break. These are lines with a URL, table rows, code with a
//! string literal, and lines of a single word, such as base64.
//! Why: rustfmt on the stable toolchain neither wraps comments nor reports them.

use std::fs;
use std::path::{Path, PathBuf};

/// The same as `max_width` in `.rustfmt.toml`.
const MAX_WIDTH: usize = 110;

const FOLDERS: [&str; 4] = ["src", "tests", "examples", "benches"];

#[test]
fn no_line_is_wider_than_the_limit() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for package in packages(root) {
        let found: Vec<PathBuf> = FOLDERS.iter().flat_map(|name| rust_files(&package.join(name))).collect();
        assert!(!found.is_empty(), "no source files found in {}", package.display());
        files.extend(found);
    }
    assert!(files.len() > 100, "only {} source files found", files.len());

    let mut wide = Vec::new();
    for file in &files {
        let text = fs::read_to_string(file).expect("the file is readable UTF-8");
        let name = file.strip_prefix(root).unwrap_or(file).display();
        for (index, line) in text.lines().enumerate() {
            let width = line.chars().count();
            if width > MAX_WIDTH && is_breakable(line) {
                wide.push(format!("{name}:{}: {width} characters", index + 1));
            }
        }
    }
    assert!(wide.is_empty(), "{} lines over {MAX_WIDTH} characters:\n{}", wide.len(), wide.join("\n"));
}

#[test]
fn lines_without_a_place_to_break_are_exempt() {
    let cases = [
        ("comment", "    // The refresh task is spawned lazily.", true),
        ("doc comment", "/// The refresh task is spawned lazily.", true),
        ("quote in a comment", "/// Reads the claim \"exp\".", true),
        ("code", "let keys = cache.get(issuer);", true),
        ("URL", "//! See <https://www.rfc-editor.org/rfc/rfc6750>.", false),
        ("table row", "//! | `axum` | yes | extractors |", false),
        ("string literal", "let text = \"the audience is empty\";", false),
        ("single word", "        eyJhbGciOiJFUzI1NiJ9", false),
    ];
    for (name, line, expected) in cases {
        assert_eq!(is_breakable(line), expected, "{name}");
    }
}

/// Returns whether the author can wrap `line`.
fn is_breakable(line: &str) -> bool {
    let line = line.trim();
    let comment = line.strip_prefix("//").map(|rest| rest.trim_start_matches(['/', '!']).trim_start());
    let breakable = match comment {
        Some(text) => !text.starts_with('|'),
        None => !line.contains('"'),
    };
    breakable && !line.contains("://") && line.contains(' ')
}

/// Returns the folders of the root package and of the packages below `crates`.
fn packages(root: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(root.join("crates")).expect("the folder is readable");
    let mut packages: Vec<PathBuf> =
        entries.map(|entry| entry.expect("the folder is readable").path()).collect();
    packages.retain(|path| path.join("Cargo.toml").is_file());
    packages.push(root.to_owned());
    packages
}

/// Returns the Rust files below `folder`, without those that Cargo generated. `folder` may not exist.
fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    if !folder.is_dir() {
        return files;
    }
    for entry in fs::read_dir(folder).expect("the folder is readable") {
        let path = entry.expect("the folder is readable").path();
        if path.is_dir() {
            if !path.ends_with("target") {
                files.extend(rust_files(&path));
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}
