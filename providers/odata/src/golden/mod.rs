//! Golden tests of the pure stages: documents to descriptions, descriptions to capabilities, queries to requests, answers to rows.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr, reason = "these are tests")]

mod answers;
mod documents;
mod requests;

use crate::metadata::{EntitySet, Service};
use std::path::{Path, PathBuf};

/// A document of one schema `NS` and a container, of OData 4.0.
fn v4(types: &str, container: &str) -> String {
    format!(
        "<edmx:Edmx Version=\"4.0\" xmlns:edmx=\"http://docs.oasis-open.org/odata/ns/edmx\"><edmx:DataServices>\
         <Schema Namespace=\"NS\" Alias=\"Self\" xmlns=\"http://docs.oasis-open.org/odata/ns/edm\">{types}\
         <EntityContainer Name=\"C\">{container}</EntityContainer></Schema></edmx:DataServices></edmx:Edmx>"
    )
}

/// The same of OData 2.0.
fn v2(types: &str, container: &str) -> String {
    format!(
        "<edmx:Edmx Version=\"1.0\" xmlns:edmx=\"http://schemas.microsoft.com/ado/2007/06/edmx\" \
         xmlns:m=\"http://schemas.microsoft.com/ado/2007/08/dataservices/metadata\" xmlns:s=\"http://www.sap.com/Protocols/SAPData\">\
         <edmx:DataServices m:DataServiceVersion=\"2.0\"><Schema Namespace=\"NS\" xmlns=\"http://schemas.microsoft.com/ado/2008/09/edm\">{types}\
         <EntityContainer Name=\"C\" m:IsDefaultEntityContainer=\"true\">{container}</EntityContainer></Schema></edmx:DataServices></edmx:Edmx>"
    )
}

/// Data that is no part of the project: beside the checkout, or where the environment says. In CI its absence is a failure.
fn shared_data(name: &str) -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let path = std::env::var_os("PORTICO_SHARED_DATA").map_or_else(beside, PathBuf::from).join(name);
    if path.exists() {
        return Some(path);
    }
    assert!(std::env::var_os("CI").is_none(), "{} is missing", path.display());
    eprintln!("NOT RUN: {} is missing; say with PORTICO_SHARED_DATA where it is", path.display());
    None
}

fn described(set: &EntitySet) -> String {
    let mut text = format!("{} key({})", set.name, set.key.join(", "));
    if let Some(description) = &set.description {
        text.push_str(&format!(" — {description}"));
    }
    if set.etag {
        text.push_str(" etag");
    }
    text.push('\n');
    for property in &set.properties {
        text.push_str(&format!("  {}: {} as {}", property.name, property.type_name, property.scalar_type));
        for (is, word) in [
            (!property.nullable, "not null"),
            (property.computed, "computed"),
            (property.has_default, "default"),
            (property.filterable == Some(false), "not filterable"),
            (property.sortable == Some(false), "not sortable"),
        ] {
            if is {
                text.push_str(&format!(" {word}"));
            }
        }
        if let Some(length) = property.max_length {
            text.push_str(&format!(" length {length}"));
        }
        if let Some(members) = &property.members {
            text.push_str(&format!(" of {}", members.join("|")));
        }
        if let Some(description) = &property.description {
            text.push_str(&format!(" — {description}"));
        }
        text.push('\n');
    }
    for key in &set.foreign_keys {
        text.push_str(&format!(
            "  {} ({}) -> {} ({})\n",
            key.name,
            key.columns.join(", "),
            key.references,
            key.referenced_columns.join(", ")
        ));
    }
    text
}

fn read(document: &str) -> Service {
    Service::read(document.as_bytes(), None).unwrap()
}
