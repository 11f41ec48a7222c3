//! Prints the public API that a rustdoc JSON file describes, one item per line.
//!
//! Leaves out blanket impls, which belong to other crates, and traits that only the compiler names.

use std::error::Error;
use std::io::{self, Write};

use public_api::Builder;

/// Traits that no stable code can name, so that losing one breaks nobody.
const COMPILER_TRAITS: [&str; 3] =
    ["core::marker::Freeze", "core::marker::StructuralPartialEq", "core::marker::UnsafeUnpin"];

fn main() -> Result<(), Box<dyn Error>> {
    let json = std::env::args_os().nth(1).ok_or("the argument must be the path of a rustdoc JSON file")?;
    let api = Builder::from_rustdoc_json(json).omit_blanket_impls(true).sorted(true).build()?;

    let mut out = io::stdout().lock();
    for line in api.items().map(ToString::to_string) {
        if !COMPILER_TRAITS.iter().any(|name| line.contains(name)) {
            writeln!(out, "{line}")?;
        }
    }
    Ok(())
}
