//! Rules that hold for the text of every source file.

use std::path::{Path, PathBuf};

/// Crates that do no IO, and what would be IO in their sources.
const PURE: &[&str] = &["providers/api/src", "providers/sql/src", "queries/catalog/src", "queries/odata/src"];
const IO: &[&str] =
    &["std::fs", "std::net", "std::process", "std::io::stdin", "tokio::net", "tokio::fs", "tokio::process", "tokio::io", "println!"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn rust_files(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display())) {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn every_file_says_what_it_is_for_and_stays_readable() {
    let mut files = Vec::new();
    for part in ["gateway", "queries", "providers", "tests"] {
        rust_files(&root().join(part), &mut files);
    }
    assert!(files.len() > 100, "only {} files were found", files.len());
    let mut wrong = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let lines = text.lines().count();
        if !text.starts_with("//!") {
            wrong.push(format!("{} does not begin with //!", file.display()));
        }
        // Tables of golden cases are data, and are as long as there are cases.
        if lines > 650 && !file.components().any(|part| part.as_os_str() == "tests") {
            wrong.push(format!("{} has {lines} lines: split it by topic", file.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn pure_crates_do_no_io() {
    let mut files = Vec::new();
    for part in PURE {
        rust_files(&root().join(part), &mut files);
    }
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for name in IO {
            assert!(!code.contains(name), "{} uses {name}", file.display());
        }
    }
}
