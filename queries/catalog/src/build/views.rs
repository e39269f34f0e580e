//! Views: read-only SQL over tables and other views, described in an order in which each finds what it uses. SQL is not parsed
//! here; which tables a view may use is read off its words, and only serves order and messages.

use super::{Built, DescribeView, Standing, Work, below, error_at, keys};
use crate::definition::TableDefinition;
use crate::model::{Column, Model, Origin, VirtualTable};
use crate::names;
use crate::overlay::Overlay;
use indexmap::IndexMap;
use portico_provider_api::{ScalarType, TableColumn};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// A view that is not built yet.
struct Pending<'a> {
    name: &'a str,
    sql: &'a str,
    definition: &'a TableDefinition,
    /// The defined tables and views whose names stand in its text.
    mentions: BTreeSet<&'a str>,
    /// Why it could not be described in the last round.
    reason: String,
}

/// Builds the views. One may use another in any order; a cycle is refused.
pub(super) fn build(work: &mut Work<'_>, describe: &DescribeView<'_>) {
    let mut pending: Vec<Pending<'_>> = Vec::new();
    for (name, definition) in &work.definition.tables {
        if let Some(sql) = definition.sql.as_deref() {
            check_settings(work, name, definition);
            if !work.broken.contains(name) {
                let words = words(sql);
                let mentions = work.definition.tables.keys().map(String::as_str).filter(|other| words.contains(*other)).collect();
                pending.push(Pending { name, sql, definition, mentions, reason: String::new() });
            }
        }
    }
    let mut model = Model {
        version: String::new(),
        tables: work.tables.iter().map(|(name, built)| (name.clone(), Arc::new(built.table.clone()))).collect(),
        remote_tables: super::remote::all(work.schemas),
        services: IndexMap::new(),
        sources: BTreeMap::new(),
        operations: Vec::new(),
    };
    // Each round describes those that need no other; what is left when a round achieves nothing cannot be built.
    loop {
        let before = pending.len();
        pending.retain_mut(|view| match describe(&model, view.sql) {
            Ok(columns) => {
                if let Some(table) = publish(work, view, &columns) {
                    model.tables.insert(view.name.to_owned(), Arc::new(table));
                }
                false
            }
            Err(reason) => {
                view.reason = reason;
                true
            }
        });
        if pending.len() == before {
            break;
        }
    }
    refuse(work, &pending);
}

/// A view takes its rows from SQL alone: what speaks of a remote table has no meaning for it.
fn check_settings(work: &mut Work<'_>, name: &str, definition: &TableDefinition) {
    let meaningless = [
        ("source", definition.source.is_some()),
        ("remote", definition.remote.is_some()),
        ("where", definition.window.is_some()),
        ("version", definition.version.is_some()),
        ("writes", definition.writes != crate::definition::WritesDefinition::default()),
        ("guarded", definition.guarded),
        ("limits", definition.limits != crate::definition::RowLimits::default()),
    ];
    for (key, given) in meaningless {
        if given {
            let message = format!(
                "`{key}` has no meaning beside `sql`: a view is read-only, and its columns and what it fetches are those of its SELECT"
            );
            work.error(error_at(below(&[], &["tables", name, key]), message));
            work.broken.insert(name.to_owned());
        }
    }
    if definition.freshness.is_some() {
        let message = "`freshness` has no meaning beside `sql`: a view is as fresh as the tables that it reads";
        work.error(error_at(below(&[], &["tables", name, "freshness"]), message));
        work.broken.insert(name.to_owned());
    }
    for (column, settings) in definition.columns.iter().flatten() {
        let meaningless = [
            ("remote", settings.remote.is_some()),
            ("type", settings.scalar_type.is_some()),
            ("codec", settings.codec.is_some()),
            ("nullable", settings.nullable.is_some()),
            ("read_only", settings.read_only),
            ("computed", settings.computed),
            ("immutable", settings.immutable),
        ];
        for (key, _) in meaningless.into_iter().filter(|(_, given)| *given) {
            let message =
                format!("`{key}` has no meaning beside `sql`: the SELECT decides where a column comes from, and a view is read-only");
            work.error(error_at(below(&[], &["tables", name, "columns", column, key]), message));
            work.broken.insert(name.to_owned());
        }
    }
}

/// Takes what a definition says more of the columns that a view has.
fn describe_columns(work: &mut Work<'_>, view: &Pending<'_>, columns: &mut [Column], path: &[String]) {
    for (name, settings) in view.definition.columns.iter().flatten() {
        let here = below(path, &["columns", name]);
        match columns.iter_mut().find(|column| column.name == *name) {
            None => {
                let error = error_at(here, format!("the SELECT has no column '{name}'"));
                work.error(error.suggesting(name, columns.iter().map(|column| column.name.as_str())));
            }
            Some(column) if settings.max_length.is_some() && !matches!(column.scalar_type, ScalarType::Text | ScalarType::Binary) => {
                let message = format!("only text and binary columns have a greatest length; '{name}' is {}", column.scalar_type);
                work.error(error_at(below(&here, &["max_length"]), message));
            }
            Some(column) => {
                column.description.clone_from(&settings.description);
                column.max_length = settings.max_length;
            }
        }
    }
}

fn publish(work: &mut Work<'_>, view: &Pending<'_>, columns: &[TableColumn]) -> Option<VirtualTable> {
    let path = below(&[], &["tables", view.name]);
    let errors_before = work.errors.len();
    let mut seen: BTreeMap<String, &str> = BTreeMap::new();
    for column in columns {
        if !names::is_identifier(&column.name) {
            let message =
                format!("the column '{}' needs a name that OData can carry: write `AS {}`", column.name, names::sanitise(&column.name));
            work.error(error_at(below(&path, &["sql"]), message));
        } else if let Some(other) = seen.insert(column.name.to_lowercase(), &column.name) {
            let message = if other == column.name {
                format!("two columns are named '{other}': rename one with AS")
            } else {
                format!("columns '{other}' and '{}' differ only by letter case: rename one with AS", column.name)
            };
            work.error(error_at(below(&path, &["sql"]), message));
        }
    }
    let mut columns = keys::of_view(columns);
    describe_columns(work, view, &mut columns, &path);
    let key = view.definition.key.as_deref().map(|key| keys::declared(work, key, &columns, &path)).unwrap_or_default();
    if work.errors.len() > errors_before {
        work.broken.insert(view.name.to_owned());
        return None;
    }
    let table = VirtualTable {
        name: view.name.to_owned(),
        description: view.definition.description.clone(),
        origin: Origin::Query { sql: view.sql.to_owned() },
        columns,
        key,
        relationships: Vec::new(),
        // What its tables allow is known to who plans it; zero here says that the view itself asks for nothing.
        freshness: Duration::ZERO,
        if_match: None,
        guarded: false,
        limits: crate::definition::RowLimits::default(),
        row_estimate: None,
        overlay: Overlay::default(),
    };
    work.tables.insert(view.name.to_owned(), Built { table: table.clone(), remote: None });
    Some(table)
}

/// Says of every view that could not be built why not, once: a view that needs another one that failed is not reported.
fn refuse(work: &mut Work<'_>, pending: &[Pending<'_>]) {
    let by_name: BTreeMap<&str, &Pending<'_>> = pending.iter().map(|view| (view.name, view)).collect();
    // What a left-out table is needed for is left out too, through any number of views.
    let mut left_out: BTreeSet<&str> = BTreeSet::new();
    loop {
        let before = left_out.len();
        for view in pending {
            let needs = |name: &&str| left_out.contains(name) || matches!(work.standing(name), Standing::LeftOut);
            if let Some(needed) = view.mentions.iter().copied().find(needs)
                && left_out.insert(view.name)
            {
                work.notes.push(format!("{} is left out: it needs {needed}, which is left out", view.name));
            }
        }
        if left_out.len() == before {
            break;
        }
    }
    let mut in_reported_cycle: BTreeSet<&str> = BTreeSet::new();
    for view in pending.iter().filter(|view| !left_out.contains(view.name)) {
        let here = below(&[], &["tables", view.name, "sql"]);
        if let Some(cycle) = cycle(view.name, &by_name) {
            if !in_reported_cycle.contains(view.name) {
                let mut names = cycle.clone();
                names.push(view.name);
                work.errors.push(error_at(here, format!("views must not use each other in a circle: {}", names.join(" → "))));
                in_reported_cycle.extend(cycle);
            }
        } else {
            let uses_failed =
                |name: &&str| *name != view.name && (by_name.contains_key(name) || matches!(work.standing(name), Standing::Broken));
            if !view.mentions.iter().any(uses_failed) {
                work.errors.push(error_at(here, view.reason.clone()));
            }
        }
    }
    for view in pending {
        let set = if left_out.contains(view.name) { &mut work.left_out } else { &mut work.broken };
        set.insert(view.name.to_owned());
    }
}

/// The views through which one comes back to itself, itself first.
fn cycle<'a>(start: &'a str, views: &BTreeMap<&'a str, &Pending<'a>>) -> Option<Vec<&'a str>> {
    let mut paths: Vec<Vec<&'a str>> = vec![vec![start]];
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    while let Some(path) = paths.pop() {
        let last = path.last().and_then(|name| views.get(name))?;
        for next in &last.mentions {
            if *next == start {
                return Some(path);
            }
            if views.contains_key(next) && seen.insert(next) {
                let mut longer = path.clone();
                longer.push(next);
                paths.push(longer);
            }
        }
    }
    None
}

/// The words of an SQL text that may be names: outside of text literals and comments, quoted or not.
fn words(sql: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut rest = sql.chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            // A doubled quote inside a literal ends one and begins the next, which comes to the same.
            '\'' => {
                while rest.next_if(|c| *c != '\'').is_some() {}
                rest.next();
            }
            '"' => {
                let mut word = String::new();
                while let Some(c) = rest.next_if(|c| *c != '"') {
                    word.push(c);
                }
                rest.next();
                found.insert(word);
            }
            '-' if rest.next_if_eq(&'-').is_some() => while rest.next_if(|c| *c != '\n').is_some() {},
            '/' if rest.next_if_eq(&'*').is_some() => {
                let mut last = ' ';
                for c in rest.by_ref() {
                    if last == '*' && c == '/' {
                        break;
                    }
                    last = c;
                }
            }
            first if first.is_alphanumeric() || first == '_' => {
                let mut word = String::from(first);
                while let Some(c) = rest.next_if(|c| c.is_alphanumeric() || *c == '_') {
                    word.push(c);
                }
                found.insert(word);
            }
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn words_are_read_outside_of_literals_and_comments() {
        let sql = "SELECT 'Customers', a.\"Order Lines\" /* Parts */ FROM Orders -- Nations\n JOIN Regions r ON 'it''s' = x_1";
        let found: Vec<String> = words(sql).into_iter().collect();
        assert_eq!(found, ["FROM", "JOIN", "ON", "Order Lines", "Orders", "Regions", "SELECT", "a", "r", "x_1"]);
    }
}
