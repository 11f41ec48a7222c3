//! Checks the table of examples in the README.

use std::fs;

const README: &str = include_str!("../README.md");

#[test]
fn each_example_has_a_row() {
    let mut examples: Vec<String> = fs::read_dir("examples")
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".rs"))
        .collect();
    examples.sort();
    let mut rows: Vec<String> = README
        .lines()
        .filter_map(|line| line.strip_prefix("| [")?.split_once("](examples/"))
        .map(|(name, rest)| {
            assert!(rest.starts_with(&format!("{name}.rs) |")), "{rest}");
            format!("{name}.rs")
        })
        .collect();
    rows.sort();
    assert_eq!(rows, examples);
}
