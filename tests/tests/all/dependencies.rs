//! Who may depend on whom. The rules are data; the facts are what `cargo metadata` says.

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, PackageId};
use std::collections::{BTreeMap, BTreeSet};

/// Every crate of the workspace and the crates of the workspace it may use. A crate that is missing here fails the test.
const ALLOWED: &[(&str, &[&str])] = &[
    ("portico", &["portico-engine", "portico-odata", "portico-catalog", "portico-provider-api", "portico-provider-registry"]),
    ("portico-engine", &["portico-odata", "portico-catalog", "portico-provider-api"]),
    ("portico-odata", &["portico-catalog", "portico-provider-api"]),
    ("portico-catalog", &["portico-provider-api"]),
    ("portico-provider-api", &[]),
    ("portico-provider-testkit", &["portico-provider-api"]),
    (
        "portico-provider-registry",
        &[
            "portico-provider-api",
            "portico-provider-memory",
            "portico-provider-sqlite",
            "portico-provider-postgres",
            "portico-provider-mysql",
            "portico-provider-flightsql",
            "portico-provider-files",
            "portico-provider-rest",
            "portico-provider-odbc",
            "portico-provider-odata",
            "portico-provider-tryton",
        ],
    ),
    ("portico-provider-memory", &["portico-provider-api", "portico-provider-sql"]),
    ("portico-provider-sql", &["portico-provider-api"]),
    ("portico-provider-web", &["portico-provider-api"]),
    ("portico-provider-domain", &["portico-provider-api"]),
    ("portico-provider-sqlite", &["portico-provider-api", "portico-provider-sql"]),
    ("portico-provider-postgres", &["portico-provider-api", "portico-provider-sql"]),
    ("portico-provider-mysql", &["portico-provider-api", "portico-provider-sql"]),
    ("portico-provider-flightsql", &["portico-provider-api", "portico-provider-sql"]),
    ("portico-provider-files", &["portico-provider-api", "portico-provider-sql"]),
    ("portico-provider-odbc", &["portico-provider-api", "portico-provider-sql"]),
    ("portico-provider-tryton", &["portico-provider-api", "portico-provider-web", "portico-provider-domain"]),
    ("portico-provider-rest", &["portico-provider-api", "portico-provider-web"]),
    ("portico-provider-odata", &["portico-provider-api", "portico-provider-sql", "portico-provider-web"]),
    ("portico-tests", &[]),
    ("portico-bench", &[]),
];

/// Crates that only some crates of the workspace may name: the prefix of their names, and those. The floor of the benchmarks is no part of
/// the program.
const RESERVED: &[(&str, &[&str])] = &[
    ("datafusion", &["portico-engine"]),
    ("axum", &["portico", "portico-bench"]),
    // As a server in the gateway, as a client in the kind that asks one.
    ("tonic", &["portico", "portico-provider-flightsql"]),
    ("arrow-flight", &["portico", "portico-provider-flightsql"]),
    // The one HTTP client of the kinds; the benchmarks are a client of the gateway.
    ("reqwest", &["portico-provider-web", "portico-bench"]),
];

/// Crates that do no IO, and what would do it. Tokio is allowed for its channels and clocks; its sockets and files are looked for in
/// the sources (see `source_files`).
const PURE: &[&str] = &["portico-provider-api", "portico-catalog", "portico-odata", "portico-provider-sql", "portico-provider-domain"];
const DOES_IO: &[&str] = &[
    "reqwest",
    "hyper",
    "ureq",
    "axum",
    "tonic",
    "arrow-flight",
    "rusqlite",
    "libsqlite3-sys",
    "tokio-postgres",
    "deadpool-postgres",
    "mysql_async",
    "odbc-api",
    "rustls",
    "datafusion",
    "object_store",
    "tempfile",
];

/// Crates that must not be there at all: another TLS stack, or YAML readers that nobody maintains.
const FORBIDDEN: &[&str] = &[
    "openssl",
    "openssl-sys",
    "native-tls",
    "aws-lc-rs",
    "aws-lc-sys",
    "serde_yaml",
    "serde_yml",
    "datafusion-federation",
    "datafusion-table-providers",
];

/// Crates of which two versions would be two types of the same name.
const ONE_VERSION: &[&str] =
    &["arrow", "arrow-array", "arrow-schema", "arrow-flight", "datafusion", "datafusion-common", "rustls", "tonic", "tokio"];

fn metadata() -> Metadata {
    let host = std::process::Command::new("rustc").arg("-vV").output().expect("rustc runs");
    let host = String::from_utf8(host.stdout).unwrap();
    let host = host.lines().find_map(|line| line.strip_prefix("host: ")).expect("rustc names its host").to_owned();
    MetadataCommand::new()
        .manifest_path(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"))
        .other_options(vec!["--locked".to_owned(), "--filter-platform".to_owned(), host])
        .exec()
        .expect("cargo metadata answers")
}

/// Names of what each workspace crate names directly, by kind of dependency.
fn direct(metadata: &Metadata, wanted: DependencyKind) -> BTreeMap<String, BTreeSet<String>> {
    metadata
        .workspace_packages()
        .iter()
        .map(|package| {
            let names =
                package.dependencies.iter().filter(|dependency| dependency.kind == wanted).map(|dependency| dependency.name.clone());
            (package.name.to_string(), names.collect())
        })
        .collect()
}

/// Names of everything that a crate is built with, itself left out; dependencies of tests are not counted.
fn closure(metadata: &Metadata, root: &PackageId) -> BTreeSet<String> {
    let resolve = metadata.resolve.as_ref().expect("a resolved graph");
    let nodes: BTreeMap<&PackageId, _> = resolve.nodes.iter().map(|node| (&node.id, node)).collect();
    let names: BTreeMap<&PackageId, &str> = metadata.packages.iter().map(|package| (&package.id, package.name.as_str())).collect();
    let (mut seen, mut open) = (BTreeSet::new(), vec![root]);
    while let Some(id) = open.pop() {
        for dependency in &nodes[id].deps {
            let built = dependency.dep_kinds.iter().any(|kind| kind.kind == DependencyKind::Normal);
            if built && seen.insert(&dependency.pkg) {
                open.push(&dependency.pkg);
            }
        }
    }
    seen.into_iter().map(|id| names[id].to_owned()).collect()
}

#[test]
fn crates_use_only_those_below_them() {
    let metadata = metadata();
    let allowed: BTreeMap<&str, &[&str]> = ALLOWED.iter().copied().collect();
    let direct = direct(&metadata, DependencyKind::Normal);
    let known: BTreeSet<&str> = direct.keys().map(String::as_str).collect();
    assert_eq!(known, allowed.keys().copied().collect(), "every crate of the workspace has a rule");
    for (name, dependencies) in &direct {
        for dependency in dependencies.iter().filter(|dependency| known.contains(dependency.as_str())) {
            assert!(allowed[name.as_str()].contains(&dependency.as_str()), "{name} must not depend on {dependency}");
        }
    }
}

#[test]
fn tests_of_a_kind_use_no_other_kind_and_nothing_above() {
    let metadata = metadata();
    for (name, dependencies) in direct(&metadata, DependencyKind::Development) {
        if !name.starts_with("portico-provider-") {
            continue;
        }
        for dependency in dependencies.iter().filter(|dependency| dependency.starts_with("portico-")) {
            // The kit is what kinds are tested with, and the reference kind is what the kit is tested with.
            let fine =
                dependency == "portico-provider-testkit" || dependency == "portico-provider-api" || dependency == "portico-provider-memory";
            assert!(fine, "the tests of {name} must not use {dependency}");
        }
    }
}

#[test]
fn reserved_crates_are_named_by_their_owners_only() {
    let metadata = metadata();
    for (name, dependencies) in direct(&metadata, DependencyKind::Normal) {
        for (prefix, owners) in RESERVED {
            let named = dependencies.iter().find(|dependency| dependency.starts_with(prefix));
            assert!(named.is_none() || owners.contains(&name.as_str()), "{name} names {}, which is for {owners:?} only", named.unwrap());
        }
    }
    // And nobody reaches DataFusion but through the engine.
    for package in metadata.workspace_packages() {
        let reaches = closure(&metadata, &package.id).iter().any(|name| name.starts_with("datafusion"));
        let may = ["portico", "portico-engine"].contains(&package.name.as_str());
        assert_eq!(reaches, may, "{} and DataFusion", package.name);
    }
}

#[test]
fn pure_crates_bring_nothing_that_does_io() {
    let metadata = metadata();
    for name in PURE {
        let package = metadata.packages.iter().find(|package| package.name.as_str() == *name).expect("a crate of the workspace");
        let closure = closure(&metadata, &package.id);
        let found: Vec<&&str> = DOES_IO.iter().filter(|crate_name| closure.contains(**crate_name)).collect();
        assert!(found.is_empty(), "{name} is built with {found:?}");
    }
}

#[test]
fn forbidden_crates_are_absent_and_shared_ones_have_one_version() {
    let metadata = metadata();
    let resolved: BTreeSet<&PackageId> = metadata.resolve.as_ref().unwrap().nodes.iter().map(|node| &node.id).collect();
    let packages: Vec<_> = metadata.packages.iter().filter(|package| resolved.contains(&package.id)).collect();
    for package in &packages {
        assert!(!FORBIDDEN.contains(&package.name.as_str()), "{} {} is in the graph", package.name, package.version);
    }
    for name in ONE_VERSION {
        let versions: Vec<String> = packages.iter().filter(|p| p.name.as_str() == *name).map(|p| p.version.to_string()).collect();
        assert_eq!(versions.len(), 1, "{name} is there in versions {versions:?}");
    }
}
