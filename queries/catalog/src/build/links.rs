//! Relationships that the definitions declare, and which of all relationships lead back to each other.

mod through;

use super::overlay::{annotations, labels};
use super::tables::not_an_identifier;
use super::{Standing, Work, below, error_at, types};
use crate::definition::RelationshipDefinition;
use crate::error::ModelError;
use crate::model::{Relationship, VirtualTable};
use crate::names;
use indexmap::IndexMap;
use portico_provider_api::RemoteTable;
use std::collections::BTreeSet;

/// Adds the declared relationships.
pub(super) fn declare(work: &mut Work<'_>) {
    for (name, definition) in &work.definition.tables {
        if !matches!(work.standing(name), Standing::Built) {
            continue;
        }
        let mut seen: BTreeSet<String> = BTreeSet::new();
        for (link, declared) in &definition.relationships {
            let path = below(&[], &["tables", name, "relationships", link]);
            if !seen.insert(link.to_lowercase()) {
                work.error(error_at(path, format!("another relationship differs from '{link}' only by letter case")));
            } else if let Some(relationship) = resolve(work, name, link, declared, &path)
                && let Some(built) = work.tables.get_mut(name)
            {
                built.table.relationships.push(relationship);
            }
        }
    }
}

fn resolve(work: &mut Work<'_>, table: &str, link: &str, declared: &RelationshipDefinition, path: &[String]) -> Option<Relationship> {
    if !names::is_identifier(link) {
        let mut error = error_at(path.to_vec(), not_an_identifier(link));
        error.suggestion = Some(names::sanitise(link));
        work.error(error);
        return None;
    }
    match work.standing(&declared.to) {
        Standing::Built => {}
        Standing::Broken => return None,
        Standing::LeftOut => {
            work.note(format!("the relationship {table}.{link} is left out: {} is left out", declared.to));
            return None;
        }
        Standing::Unknown => {
            let error = error_at(below(path, &["to"]), format!("there is no table '{}'", declared.to));
            let error = error.suggesting(&declared.to, work.tables.keys().map(String::as_str));
            work.error(error);
            return None;
        }
    }
    let here = &work.tables.get(table)?.table;
    let there = work.tables.get(&declared.to)?;
    let mut errors = Vec::new();
    if let Some(property) = here.property_names().find(|property| property.to_lowercase() == link.to_lowercase()) {
        errors.push(error_at(path.to_vec(), format!("{table} has a column named '{property}' already")));
    }
    if let Some(through) = &declared.through {
        return through::resolve(work, table, link, declared, through, path, errors);
    }
    if declared.on.is_empty() {
        errors
            .push(error_at(below(path, &["on"]), "a relationship needs at least one pair of columns: `on: { column here: column there }`"));
    }
    let on = pairs(here, &there.table, &declared.on, &below(path, &["on"]), &mut errors);
    let doubtful = errors.is_empty() && !declared.many && !is_unique(&there.table, there.remote, &on);
    let failed = !errors.is_empty();
    work.errors.extend(errors);
    if failed {
        return None;
    }
    if doubtful {
        work.note(format!(
            "the relationship {table}.{link} leads to one row, but nothing says that {} is unique in its columns: where several rows match, one is shown",
            declared.to
        ));
    }
    let labels = labels(work, declared.label.as_ref(), &below(path, &["label"]));
    let annotations = annotations(work, &declared.annotations, path);
    Some(Relationship { labels, annotations, ..Relationship::plain(link, &declared.to, on, declared.many) })
}

/// The pairs of columns that are equal, here and there.
fn pairs(
    here: &VirtualTable,
    there: &VirtualTable,
    declared: &IndexMap<String, String>,
    path: &[String],
    errors: &mut Vec<ModelError>,
) -> Vec<(usize, usize)> {
    let mut on = Vec::new();
    for (from, to) in declared {
        let at = below(path, &[from]);
        let unknown = |owner: &VirtualTable, column: &str| {
            let error = error_at(at.clone(), format!("{} has no published column '{column}'", owner.name));
            error.suggesting(column, owner.columns.iter().map(|column| column.name.as_str()))
        };
        match (here.column(from), there.column(to)) {
            (Some(left), Some(right)) => {
                let type_of = |owner: &VirtualTable, index: usize| owner.columns.get(index).map(|column| column.scalar_type);
                if let (Some(a), Some(b)) = (type_of(here, left), type_of(there, right))
                    && !types::comparable(a, b)
                {
                    errors.push(error_at(at, format!("{}.{from} is {a} and {}.{to} is {b}: they cannot be equal", here.name, there.name)));
                }
                on.push((left, right));
            }
            (left, right) => {
                errors.extend(left.is_none().then(|| unknown(here, from)));
                errors.extend(right.is_none().then(|| unknown(there, to)));
            }
        }
    }
    on
}

/// Whether the other side's columns of a link hold a key of it.
fn is_unique(there: &VirtualTable, remote: Option<&RemoteTable>, on: &[(usize, usize)]) -> bool {
    let covered = |index: &usize| on.iter().any(|(_, right)| right == index);
    if !there.key.is_empty() && there.key.iter().all(covered) {
        return true;
    }
    let Some(remote) = remote else { return false };
    let published = |name: &String| there.columns.iter().position(|column| column.original_name.as_ref().unwrap_or(&column.name) == name);
    let candidates = remote.unique_keys.iter().chain(std::iter::once(&remote.primary_key)).filter(|names| !names.is_empty());
    candidates.into_iter().any(|names| names.iter().all(|name| published(name).is_some_and(|index| covered(&index))))
}

/// Whether two links join the same columns of the same tables, seen from opposite ends.
fn leads_back(there: &Relationship, here: &Relationship) -> bool {
    let swapped = |left: &[(usize, usize)], right: &[(usize, usize)]| {
        left.len() == right.len() && left.iter().all(|(a, b)| right.contains(&(*b, *a)))
    };
    match (&there.through, &here.through) {
        (None, None) => swapped(&there.on, &here.on),
        (Some(there), Some(here)) => there.table == here.table && swapped(&there.own, &here.other) && swapped(&there.other, &here.own),
        (Some(_), None) | (None, Some(_)) => false,
    }
}

/// Gives every relationship that has exactly one counterpart its name.
pub(super) fn pair(work: &mut Work<'_>) {
    let mut pairs: Vec<(String, usize, String)> = Vec::new();
    for (name, built) in &work.tables {
        for (index, link) in built.table.relationships.iter().enumerate() {
            let counterparts = |of: &Relationship, owner: &str, other: &str| -> Vec<String> {
                let candidates = work.tables.get(other).into_iter().flat_map(|built| &built.table.relationships);
                let own_name = (owner == other).then(|| of.name.clone());
                candidates
                    .filter(|candidate| candidate.to == owner && Some(&candidate.name) != own_name.as_ref() && leads_back(candidate, of))
                    .map(|candidate| candidate.name.clone())
                    .collect()
            };
            let back = counterparts(link, name, &link.to);
            let [partner] = back.as_slice() else { continue };
            let returning = work.tables.get(&link.to).and_then(|built| built.table.relationships.iter().find(|r| &r.name == partner));
            // A counterpart that several lead to would have several partners: then none is named.
            if returning.is_some_and(|returning| counterparts(returning, &link.to, name).len() == 1) {
                pairs.push((name.clone(), index, partner.clone()));
            }
        }
    }
    for (table, index, partner) in pairs {
        if let Some(link) = work.tables.get_mut(&table).and_then(|built| built.table.relationships.get_mut(index)) {
            link.partner = Some(partner);
        }
    }
}
