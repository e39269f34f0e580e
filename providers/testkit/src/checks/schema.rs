//! Introspection: what the source says it has, compared with what was created.

use super::SCHEMA;
use crate::run::Run;
use crate::subject::{Limitation, LoadedTable};
use portico_provider_api::{ForeignKey, QueryContext, RemoteTable, RemoteTableName, Selection};
use std::collections::BTreeSet;

/// Compares every loaded table.
pub(crate) async fn schema(run: &mut Run) {
    for loaded in run.subject.tables.clone() {
        match run.schema.table(&loaded.remote).cloned() {
            None => run.summary.expect(SCHEMA, false, || format!("table '{}' is not in the remote schema", loaded.remote)),
            Some(remote) => compare(run, &loaded, &remote),
        }
    }
    selection(run).await;
}

fn compare(run: &mut Run, loaded: &LoadedTable, remote: &RemoteTable) {
    let table = &loaded.fixture;
    let names: Vec<&str> = table.columns.iter().map(|column| column.name.as_str()).collect();
    let found: Vec<&str> = remote.columns.iter().map(|column| column.name.as_str()).collect();
    let limitations = run.subject.limitations.clone();
    let besides = |name: &&str| limitations.iter().any(|limitation| limitation.has_other_column(&table.name, name));
    let expected: Vec<&str> = found.iter().copied().filter(|name| !besides(name)).collect();
    run.summary.expect(SCHEMA, names == expected, || format!("table '{}' has columns {expected:?} instead of {names:?}", loaded.remote));
    for limitation in &limitations {
        if let Limitation::OtherColumn { table: of, column, .. } = limitation
            && *of == table.name
        {
            let there = found.contains(&column.as_str()) && !names.contains(&column.as_str());
            run.summary.expect(SCHEMA, there, || format!("the limitation of {limitation} touches nothing"));
        }
    }
    for column in &table.columns {
        let Some(found) = remote.column(&column.name) else { continue };
        let place = format!("column '{}' of table '{}'", column.name, loaded.remote);
        run.summary.expect(SCHEMA, found.scalar_type == column.scalar_type, || {
            format!("{place} has type {} instead of {}", found.scalar_type, column.scalar_type)
        });
        run.summary.expect(SCHEMA, found.nullable == column.nullable, || {
            format!("{place}: nullable is {} instead of {}", found.nullable, column.nullable)
        });
        run.summary.expect(SCHEMA, column.max_length.is_none() || found.max_length == column.max_length, || {
            format!("{place} has greatest length {:?} instead of {:?}", found.max_length, column.max_length)
        });
        let generated = run.subject.has_generated_keys() && table.primary_key.contains(&column.name);
        run.summary.expect(SCHEMA, found.generated == generated, || {
            format!("{place} is {}generated, and said to be otherwise", if generated { "" } else { "not " })
        });
    }
    run.summary.expect(SCHEMA, remote.primary_key == table.primary_key, || {
        format!("table '{}' has key {:?} instead of {:?}", loaded.remote, remote.primary_key, table.primary_key)
    });
    let wanted = wanted_references(run, loaded);
    // What refers to others from columns that are not the fixture's is not the fixture's either.
    let own = |key: &&ForeignKey| !key.columns.iter().any(|column| besides(&column.as_str()));
    let found: BTreeSet<_> = remote
        .foreign_keys
        .iter()
        .filter(own)
        .map(|key| (key.columns.clone(), key.references.clone(), key.referenced_columns.clone()))
        .collect();
    run.summary.expect(SCHEMA, wanted == found, || format!("table '{}' has foreign keys {found:?} instead of {wanted:?}", loaded.remote));
    let written = remote.writable && run.capabilities().write_of(&loaded.remote).any();
    let read_only = limitations.iter().any(|limitation| limitation.is_read_only(&table.name));
    let declared = run.capabilities().write.any() || run.capabilities().tables.values().filter_map(|own| own.write).any(|own| own.any());
    run.summary.expect(SCHEMA, !declared || written != read_only, || match read_only {
        true => format!("table '{}' is writable, though a limitation says that it is not", loaded.remote),
        false => format!("table '{}' is not writable", loaded.remote),
    });
}

type Reference = (Vec<String>, RemoteTableName, Vec<String>);

fn wanted_references(run: &Run, loaded: &LoadedTable) -> BTreeSet<Reference> {
    let keys = loaded.fixture.foreign_keys.iter();
    let wanted = keys.filter_map(|key| {
        let target = run.subject.table(&key.references)?;
        Some((key.columns.clone(), target.remote.clone(), key.referenced_columns.clone()))
    });
    wanted.collect()
}

/// A selection gives those tables alone, leaves out what is missing, and equal schemas have equal versions.
async fn selection(run: &mut Run) {
    let context = QueryContext::default();
    let source = std::sync::Arc::clone(&run.subject.source);
    match source.remote_schema(&Selection::All, &context).await {
        Ok(again) => {
            let before = run.schema.version.clone();
            run.summary.expect(SCHEMA, again.version == before, || "an unchanged schema has changed its version".to_owned());
        }
        Err(error) => {
            run.saw(&error);
            run.summary.expect(SCHEMA, false, || format!("the schema could not be read again: {error}"));
        }
    }
    canonical(run).await;
    probe(run).await;
    let Some(first) = run.subject.tables.first().map(|table| table.remote.clone()) else { return };
    let wanted = Selection::Tables(vec![first.clone(), RemoteTableName(vec!["no_such_table_anywhere".to_owned()])]);
    match source.remote_schema(&wanted, &context).await {
        Ok(schema) => {
            let names: Vec<String> = schema.tables.iter().map(|table| table.name.to_string()).collect();
            run.summary.expect(SCHEMA, names == [first.to_string()], || format!("a selection of '{first}' gave {names:?}"));
        }
        Err(error) => {
            run.saw(&error);
            run.summary.expect(SCHEMA, false, || format!("a selection with a missing table failed: {error}"));
        }
    }
}

/// A probe is answered, and says the same of a schema that is the same.
async fn probe(run: &mut Run) {
    let source = std::sync::Arc::clone(&run.subject.source);
    let context = QueryContext::default();
    match (source.probe(&context).await, source.probe(&context).await) {
        (Ok(one), Ok(other)) => run.summary.expect(SCHEMA, one == other, || format!("a probe says {one:?}, and then {other:?}")),
        (Err(error), _) | (_, Err(error)) => {
            run.saw(&error);
            run.summary.expect(SCHEMA, false, || format!("a probe failed: {error}"));
        }
    }
}

/// However a table is spelt, it comes once and under one name: caches, limits and guards know it by that.
async fn canonical(run: &mut Run) {
    let Some(full) = run.subject.tables.first().map(|table| table.remote.clone()) else { return };
    let ends = (0..full.0.len()).map(|from| RemoteTableName(full.0.get(from..).unwrap_or_default().to_vec()));
    let source = std::sync::Arc::clone(&run.subject.source);
    // All spellings at once, and each alone; one that means nothing to the source gives nothing.
    let all: Vec<RemoteTableName> = ends.collect();
    for wanted in std::iter::once(all.clone()).chain(all.iter().map(|one| vec![one.clone()])) {
        let least = usize::from(wanted.contains(&full));
        match source.remote_schema(&Selection::Tables(wanted.clone()), &QueryContext::default()).await {
            Ok(schema) => {
                let names: Vec<&RemoteTableName> = schema.tables.iter().map(|table| &table.name).collect();
                let right = (least..=1).contains(&names.len()) && names.iter().all(|name| **name == full);
                run.summary.expect(SCHEMA, right, || format!("a selection of {wanted:?} gave {names:?}, not '{full}' alone"));
            }
            Err(error) => {
                run.saw(&error);
                run.summary.expect(SCHEMA, false, || format!("a selection of {wanted:?} failed: {error}"));
            }
        }
    }
}
