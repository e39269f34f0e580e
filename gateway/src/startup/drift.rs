//! Compares what a source has now with what was accepted, and says what is published. It must not know how either was obtained.
//!
//! The rule: what is published is what the lock holds. A source that has changed is *reported* (log, `check`, `/ready`) and never
//! silently published; `portico check --write-lock` accepts the change. Until then new tables and columns are not there for clients,
//! and a query that needs a column which is gone or has another type fails with `SourceSchemaChanged` at its source: it never yields
//! wrong rows. Two things are taken from the live schema, because they say how to ask and not what is published: capabilities and row
//! estimates. And a remote table that the configuration names and the lock has never seen is accepted: naming it is consent.

use portico_provider_api::{RemoteColumn, RemoteSchema, RemoteTable, RemoteTableName};
use serde::Serialize;

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Drift {
    /// The remote table.
    pub table: String,
    /// What is different.
    pub change: String,
    /// Whether what is published can no longer be read as it is.
    pub breaking: bool,
}

/// What to publish of a source that was reached, and how it differs from the lock.
pub struct Reconciled {
    /// What to publish.
    pub schema: RemoteSchema,
    /// The differences.
    pub drift: Vec<Drift>,
    /// Whether the lock must be written, because a named table was accepted.
    pub accepted: bool,
}

/// Compares a live schema with the accepted one. `named` are the remote tables that the configuration names.
pub fn reconcile(locked: &RemoteSchema, live: &RemoteSchema, named: &[RemoteTableName]) -> Reconciled {
    let mut schema = locked.clone();
    schema.capabilities = live.capabilities.clone();
    let mut drift = Vec::new();
    for table in &mut schema.tables {
        match live.table(&table.name) {
            Some(now) => {
                compare(table, now, &mut drift);
                table.row_estimate = now.row_estimate;
            }
            None => drift.push(difference(&table.name, "the table is gone", true)),
        }
    }
    let mut accepted = false;
    for table in live.tables.iter().filter(|table| locked.table(&table.name).is_none()) {
        if named.iter().any(|wanted| names(wanted, &table.name)) {
            schema.tables.push(table.clone());
            accepted = true;
        } else {
            drift.push(difference(&table.name, "the table is new", false));
        }
    }
    if accepted {
        // The version says which state is published; this one is neither of the two.
        schema.version = format!("{}+{}", locked.version, live.version);
    }
    Reconciled { schema, drift, accepted }
}

/// Whether a name in the configuration may mean this table: `invoices` may mean `public.invoices`.
fn names(wanted: &RemoteTableName, table: &RemoteTableName) -> bool {
    table.0.ends_with(&wanted.0)
}

fn difference(table: &RemoteTableName, change: impl Into<String>, breaking: bool) -> Drift {
    Drift { table: table.to_string(), change: change.into(), breaking }
}

fn compare(then: &RemoteTable, now: &RemoteTable, drift: &mut Vec<Drift>) {
    let mut differs = |change: String, breaking| drift.push(difference(&then.name, change, breaking));
    for column in &then.columns {
        match now.column(&column.name) {
            None => differs(format!("the column {} is gone", column.name), true),
            Some(other) => {
                for (change, breaking) in column_changes(column, other) {
                    differs(change, breaking);
                }
            }
        }
    }
    for column in now.columns.iter().filter(|column| then.column(&column.name).is_none()) {
        differs(format!("the column {} is new", column.name), false);
    }
    if then.primary_key != now.primary_key {
        let change = format!("the primary key was ({}) and is ({})", then.primary_key.join(", "), now.primary_key.join(", "));
        differs(change, true);
    }
    if then.foreign_keys != now.foreign_keys {
        differs("the foreign keys are others".to_owned(), false);
    }
    if then.writable && !now.writable {
        differs("the table can no longer be written".to_owned(), true);
    }
    if !then.writable && now.writable {
        differs("the table can be written now".to_owned(), false);
    }
    if then.row_version != now.row_version {
        differs("the row version is another".to_owned(), then.row_version.is_some());
    }
}

fn column_changes(then: &RemoteColumn, now: &RemoteColumn) -> Vec<(String, bool)> {
    let mut changes = Vec::new();
    if then.scalar_type != now.scalar_type || then.codec != now.codec {
        changes.push((format!("the column {} was {} and is {} ({})", then.name, then.scalar_type, now.scalar_type, now.native_type), true));
    }
    if then.nullable != now.nullable {
        let word = if now.nullable { "may be null now" } else { "may no longer be null" };
        changes.push((format!("the column {} {word}", then.name), now.nullable));
    }
    if then.max_length != now.max_length {
        changes.push((format!("the column {} has another greatest length", then.name), false));
    }
    if (then.generated, then.has_default) != (now.generated, now.has_default) {
        changes.push((format!("the column {} gets its value in another way", then.name), false));
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;
    use portico_provider_api::{Capabilities, ScalarType};

    fn column(name: &str, scalar_type: ScalarType, nullable: bool) -> RemoteColumn {
        RemoteColumn { native_type: "native".to_owned(), ..RemoteColumn::plain(name, scalar_type, nullable) }
    }

    fn schema(version: &str, tables: &[(&str, Vec<RemoteColumn>)]) -> RemoteSchema {
        let tables = tables.iter().map(|(name, columns)| RemoteTable {
            name: RemoteTableName::parse(name),
            description: None,
            columns: columns.clone(),
            primary_key: vec!["id".to_owned()],
            unique_keys: Vec::new(),
            foreign_keys: Vec::new(),
            row_estimate: Some(version.len() as u64),
            writable: true,
            row_version: None,
        });
        RemoteSchema {
            version: version.to_owned(),
            tables: tables.collect(),
            operations: Vec::new(),
            capabilities: Capabilities::default(),
        }
    }

    #[test]
    fn equal_schemas_have_no_drift() {
        let locked = schema("v1", &[("public.a", vec![column("id", ScalarType::Int64, false)])]);
        let mut live = locked.clone();
        live.tables[0].row_estimate = Some(99);
        let reconciled = reconcile(&locked, &live, &[]);
        assert!(reconciled.drift.is_empty() && !reconciled.accepted);
        assert_eq!(reconciled.schema.tables[0].row_estimate, Some(99));
        assert_eq!(reconciled.schema.version, "v1");
    }

    #[test]
    fn drift_is_reported_and_not_published() {
        let id = || column("id", ScalarType::Int64, false);
        let locked = schema(
            "v1",
            &[
                ("public.a", vec![id(), column("x", ScalarType::Int32, false), column("y", ScalarType::Text, true)]),
                ("public.b", vec![id()]),
            ],
        );
        let live = schema(
            "v2",
            &[
                ("public.a", vec![id(), column("x", ScalarType::Int64, true), column("z", ScalarType::Text, true)]),
                ("public.c", vec![id()]),
            ],
        );
        let reconciled = reconcile(&locked, &live, &[]);
        let told: Vec<String> =
            reconciled.drift.iter().map(|drift| format!("{} {} {}", drift.table, drift.change, drift.breaking)).collect();
        assert_eq!(
            told,
            [
                "public.a the column x was int32 and is int64 (native) true",
                "public.a the column x may be null now true",
                "public.a the column y is gone true",
                "public.a the column z is new false",
                "public.b the table is gone true",
                "public.c the table is new false",
            ]
        );
        let published: Vec<String> = reconciled.schema.tables.iter().map(|table| table.name.to_string()).collect();
        assert_eq!(published, ["public.a", "public.b"]);
        assert_eq!(reconciled.schema.tables[0].columns, locked.tables[0].columns);
    }

    #[test]
    fn a_table_that_the_configuration_names_is_accepted() {
        let locked = schema("v1", &[("public.a", vec![])]);
        let live = schema("v2", &[("public.a", vec![]), ("public.c", vec![])]);
        let reconciled = reconcile(&locked, &live, &[RemoteTableName::parse("c")]);
        assert!(reconciled.drift.is_empty() && reconciled.accepted);
        assert_eq!(reconciled.schema.tables.len(), 2);
    }
}
