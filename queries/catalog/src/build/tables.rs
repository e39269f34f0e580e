//! Which remote tables are published, under which names. It must not know what their columns mean.

use super::{Built, Work, below, columns, error_at, keys};
use crate::definition::TableDefinition;
use crate::error::ModelError;
use crate::model::{Origin, VirtualTable, Writing};
use crate::names;
use crate::overlay::Overlay;
use portico_provider_api::capabilities::WriteCapabilities;
use portico_provider_api::{RemoteSchema, RemoteTable, RemoteTableName, TableRelation};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Builds every table that has a remote table. Views come later, when these are known.
pub(super) fn build(work: &mut Work<'_>) {
    check_names(work);
    for (name, definition) in &work.definition.tables {
        if definition.sql.is_none() {
            defined(work, name, definition);
        }
    }
    publish_unnamed_sources(work);
}

fn check_names(work: &mut Work<'_>) {
    let mut seen: BTreeMap<String, &str> = BTreeMap::new();
    for name in work.definition.tables.keys() {
        if !names::is_identifier(name) {
            let mut error = ModelError::new(&["tables", name], not_an_identifier(name));
            error.suggestion = Some(names::sanitise(name));
            work.errors.push(error);
            work.broken.insert(name.clone());
        } else if let Some(other) = seen.insert(name.to_lowercase(), name) {
            let message =
                format!("'{name}' differs from '{other}' only by letter case: clients that ignore case could not tell them apart");
            work.errors.push(ModelError::new(&["tables", name], message));
            work.broken.insert(name.clone());
        }
    }
}

pub(super) fn not_an_identifier(name: &str) -> String {
    format!("'{name}' is not a name that OData can carry: a letter or underscore, then letters, digits or underscores, at most 128")
}

fn defined<'a>(work: &mut Work<'a>, name: &'a str, definition: &'a TableDefinition) {
    let path = below(&[], &["tables", name]);
    let Some(source) = &definition.source else {
        work.error(error_at(path, "a table needs `source` (and `remote`) for a remote table, or `sql` for a view"));
        work.broken.insert(name.to_owned());
        return;
    };
    if !work.definition.sources.contains(source) {
        let error = error_at(below(&path, &["source"]), format!("there is no source '{source}'"));
        work.error(error.suggesting(source, work.definition.sources.iter().map(String::as_str)));
        work.broken.insert(name.to_owned());
        return;
    }
    if work.broken.contains(name) {
        return;
    }
    let Some(schema) = work.schemas.get(source) else {
        work.note(format!("{name} is left out: nothing is known of source '{source}'"));
        work.left_out.insert(name.to_owned());
        return;
    };
    let built = match find(schema, source, definition.remote.as_deref().unwrap_or(name)) {
        Ok(remote) => single(work, name, source, schema, remote, Some(definition), &path),
        Err(error) => {
            let key: &[&str] = if definition.remote.is_some() { &["remote"] } else { &[] };
            work.error(ModelError { path: below(&path, key), ..error });
            None
        }
    };
    if let Some(built) = built {
        work.tables.insert(name.to_owned(), built);
    } else {
        work.broken.insert(name.to_owned());
    }
}

/// The remote table that a text means: its whole name, or its innermost part where that is unique.
fn find<'a>(schema: &'a RemoteSchema, source: &str, text: &str) -> Result<&'a RemoteTable, ModelError> {
    let wanted = RemoteTableName::parse(text);
    if let Some(table) = schema.table(&wanted) {
        return Ok(table);
    }
    let by_end: Vec<&RemoteTable> = schema.tables.iter().filter(|table| table.name.0.ends_with(&wanted.0)).collect();
    match by_end.as_slice() {
        [table] => Ok(table),
        [] => {
            let spellings: Vec<String> =
                schema.tables.iter().flat_map(|table| [table.name.to_string(), table.name.table().to_owned()]).collect();
            let error = error_at(Vec::new(), format!("source '{source}' has no table '{text}' that its credentials can see"));
            Err(error.suggesting(text, spellings.iter().map(String::as_str)))
        }
        several => {
            let all: Vec<String> = several.iter().map(|table| table.name.to_string()).collect();
            Err(error_at(Vec::new(), format!("'{text}' may be {} in source '{source}': write `remote` with its schema", all.join(" or "))))
        }
    }
}

fn single<'a>(
    work: &mut Work<'a>,
    name: &str,
    source: &str,
    schema: &'a RemoteSchema,
    remote: &'a RemoteTable,
    definition: Option<&TableDefinition>,
    path: &[String],
) -> Option<Built<'a>> {
    let errors_before = work.errors.len();
    let laid_out = columns::lay_out(work, name, remote, definition.and_then(|definition| definition.columns.as_ref()), path);
    let mut relation = laid_out.relation;
    let mut writing = writing(schema, remote, definition);
    let mut version = definition
        .and_then(|definition| definition.version.as_deref())
        .and_then(|version| columns::version(work, version, remote, &laid_out.columns, &mut relation, path));
    // A source that compares only a version of its own is told that one, and clients are given it unless the definition names another.
    if writing.able.version && !writing.able.unchanged {
        writing.own_version = columns::own_version(remote, &mut relation);
        version = version.or(writing.own_version);
    }
    note_unheld_version(work, name, definition.and_then(|definition| definition.version.as_deref()), &writing);
    let key = keys::of_remote(work, name, definition.and_then(|definition| definition.key.as_deref()), remote, &laid_out.columns, path);
    if work.errors.len() > errors_before {
        return None;
    }
    let table = VirtualTable {
        name: name.to_owned(),
        description: definition.and_then(|definition| definition.description.clone()).or_else(|| remote.description.clone()),
        origin: Origin::Single {
            source: source.to_owned(),
            relation: TableRelation { table: remote.name.clone(), columns: relation },
            window: definition.and_then(|definition| definition.window.clone()),
            version,
            writing,
        },
        columns: laid_out.columns,
        key,
        relationships: Vec::new(),
        freshness: definition.and_then(|definition| definition.freshness).unwrap_or(Duration::ZERO),
        if_match: definition.and_then(|definition| definition.writes.if_match),
        guarded: definition.is_some_and(|definition| definition.guarded),
        limits: definition.map(|definition| definition.limits).unwrap_or_default(),
        row_estimate: remote.row_estimate,
        overlay: Overlay::default(),
    };
    Some(Built { table, remote: Some(remote) })
}

/// A version that is declared and that nothing compares while a row is written is told of before somebody writes.
fn note_unheld_version(work: &mut Work<'_>, name: &str, version: Option<&str>, writing: &Writing) {
    let changes = writing.able.update || writing.able.delete;
    if let (Some(version), true, false) = (version, changes, writing.holds()) {
        work.note(format!(
            "{name}: its source does not compare the version '{version}' in the step in which it writes, so that changes which show an ETag \
             are refused; `writes: {{ check_first: true }}` accepts that something may come in between"
        ));
    }
}

/// How rows of a remote table are written.
fn writing(schema: &RemoteSchema, remote: &RemoteTable, definition: Option<&TableDefinition>) -> Writing {
    let able = if remote.writable { schema.capabilities.write_of(&remote.name) } else { WriteCapabilities::default() };
    Writing { able, own_version: None, check_first: definition.is_some_and(|definition| definition.writes.check_first) }
}

/// Publishes all tables of the sources that no definition names.
fn publish_unnamed_sources(work: &mut Work<'_>) {
    let named: BTreeSet<&str> = work.definition.tables.values().filter_map(|table| table.source.as_deref()).collect();
    // Whom a published name belongs to, for the message when a second one comes along.
    let mut owners: BTreeMap<String, (String, String)> =
        work.definition.tables.keys().map(|name| (name.to_lowercase(), (name.clone(), "defined under `tables`".to_owned()))).collect();
    for source in &work.definition.sources {
        if named.contains(source.as_str()) {
            continue;
        }
        let Some(schema) = work.schemas.get(source) else {
            work.note(format!("the tables of source '{source}' are left out: nothing is known of it"));
            continue;
        };
        if schema.tables.is_empty() {
            work.note(format!("source '{source}' has no table that its credentials can see"));
        }
        for remote in &schema.tables {
            publish_as_is(work, source, schema, remote, &mut owners);
        }
    }
}

fn publish_as_is<'a>(
    work: &mut Work<'a>,
    source: &str,
    schema: &'a RemoteSchema,
    remote: &'a RemoteTable,
    owners: &mut BTreeMap<String, (String, String)>,
) {
    let name = names::sanitise(remote.name.table());
    let path = below(&[], &["sources", source]);
    let this = format!("'{}' of source '{source}'", remote.name);
    if let Some((other_name, owner)) = owners.get(&name.to_lowercase()) {
        let message =
            format!("{this} and '{other_name}' ({owner}) would both be published as '{name}': give one another name under `tables`");
        work.error(error_at(path, message));
        return;
    }
    owners.insert(name.to_lowercase(), (name.clone(), this));
    if name != remote.name.table() {
        work.note(format!("'{}' of source '{source}' is published as '{name}', because OData cannot carry its name", remote.name));
    }
    if let Some(built) = single(work, &name, source, schema, remote, None, &path) {
        work.tables.insert(name, built);
    }
}
