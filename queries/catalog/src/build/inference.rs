//! Relationships inferred from the foreign keys of a source. Across sources there are none to infer from: those are declared.

use super::{Built, Work};
use crate::model::{Column, Origin, Relationship};
use portico_provider_api::{ForeignKey, RemoteTable};
use std::collections::{BTreeMap, BTreeSet};

/// A relationship to be named.
struct Candidate {
    /// The virtual table that gets it.
    table: String,
    to: String,
    on: Vec<(usize, usize)>,
    many: bool,
    /// Published names of the referring columns, for the longer name.
    suffix: String,
}

/// Adds a relationship in both directions for every foreign key whose both ends are published. To-one relationships are named after
/// the table they lead to, to-many ones after the table that refers; where such a name is taken or two would share it, it gets
/// `_by_` and the referring columns. A declared relationship over the same columns stands in for the inferred one.
pub(super) fn infer(work: &mut Work<'_>) {
    let mut to_one: Vec<Candidate> = Vec::new();
    let mut to_many: Vec<Candidate> = Vec::new();
    let mut notes = Vec::new();
    for (name, built) in &work.tables {
        let (Some(remote), Origin::Single { source, .. }) = (built.remote, &built.table.origin) else { continue };
        for foreign_key in &remote.foreign_keys {
            for (target_name, target) in referred(work, source, foreign_key) {
                match link(built, target, foreign_key) {
                    Ok((on, suffix)) => {
                        let inverse = on.iter().map(|(left, right)| (*right, *left)).collect();
                        let many = !identifies(remote, &foreign_key.columns);
                        to_one.push(Candidate { table: name.clone(), to: target_name.clone(), on, many: false, suffix: suffix.clone() });
                        to_many.push(Candidate { table: target_name.clone(), to: name.clone(), on: inverse, many, suffix });
                    }
                    Err(column) => notes.push(format!(
                        "no relationship is inferred from {name} to {target_name} ({}): '{column}' is not published",
                        foreign_key.name
                    )),
                }
            }
        }
    }
    work.notes.extend(notes);
    // To-one first: a table that refers to itself keeps the plain name for the row referred to.
    add(work, to_one);
    add(work, to_many);
}

/// The published tables that a foreign key leads to.
fn referred<'w, 'a>(work: &'w Work<'a>, source: &str, foreign_key: &ForeignKey) -> Vec<(&'w String, &'w Built<'a>)> {
    let is_target = |built: &Built<'_>| built.table.origin.remote_table() == Some((source, &foreign_key.references));
    work.tables.iter().filter(|(_, built)| is_target(built)).collect()
}

/// The pairs of columns, and the referring columns' names; or the first column that is not published.
fn link(from: &Built<'_>, to: &Built<'_>, foreign_key: &ForeignKey) -> Result<(Vec<(usize, usize)>, String), String> {
    let position = |columns: &[Column], name: &String| {
        columns.iter().position(|column| column.original_name.as_ref().unwrap_or(&column.name) == name).ok_or_else(|| name.clone())
    };
    let mut on = Vec::new();
    let mut names = Vec::new();
    for (left, right) in foreign_key.columns.iter().zip(&foreign_key.referenced_columns) {
        let left = position(&from.table.columns, left)?;
        on.push((left, position(&to.table.columns, right)?));
        names.extend(from.table.columns.get(left).map(|column| column.name.clone()));
    }
    Ok((on, names.join("_")))
}

/// Whether the referring columns hold a key of their own table, so that one row at most refers.
fn identifies(remote: &RemoteTable, columns: &[String]) -> bool {
    let keys = remote.unique_keys.iter().chain(std::iter::once(&remote.primary_key)).filter(|key| !key.is_empty());
    keys.into_iter().any(|key| key.iter().all(|column| columns.contains(column)))
}

fn add(work: &mut Work<'_>, candidates: Vec<Candidate>) {
    let mut wanted: BTreeMap<(String, String), usize> = BTreeMap::new();
    for candidate in &candidates {
        *wanted.entry((candidate.table.clone(), candidate.to.to_lowercase())).or_default() += 1;
    }
    for candidate in candidates {
        let shared = wanted.get(&(candidate.table.clone(), candidate.to.to_lowercase())).is_some_and(|count| *count > 1);
        let Some(built) = work.tables.get_mut(&candidate.table) else { continue };
        let declared = built
            .table
            .relationships
            .iter()
            .any(|link| link.to == candidate.to && link.through.is_none() && same_columns(&link.on, &candidate.on));
        // A table that refers to itself has the same columns in both directions, but swapped.
        if declared {
            continue;
        }
        let names = built.table.relationships.iter().map(|link| link.name.to_lowercase());
        let taken: BTreeSet<String> = built.table.property_names().map(str::to_lowercase).chain(names).collect();
        let long = format!("{}_by_{}", candidate.to, candidate.suffix);
        let name = if shared || taken.contains(&candidate.to.to_lowercase()) { long } else { candidate.to.clone() };
        if taken.contains(&name.to_lowercase()) {
            let note = format!(
                "no relationship is inferred from {} to {}: its name '{name}' is taken; declare it under another name",
                candidate.table, candidate.to
            );
            work.note(note);
            continue;
        }
        built.table.relationships.push(Relationship::plain(name, candidate.to, candidate.on, candidate.many));
    }
}

fn same_columns(left: &[(usize, usize)], right: &[(usize, usize)]) -> bool {
    left.len() == right.len() && left.iter().all(|pair| right.contains(pair))
}
