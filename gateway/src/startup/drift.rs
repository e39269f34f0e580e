//! Compares what a source has now with what was accepted, and says what is published. It must not know how either was obtained.
//!
//! The rule: what is published is what the lock holds. A source that has changed is *reported* (log, `check`, `/ready`) and never
//! silently published; `portico check --write-lock` accepts the change. Until then new tables and columns are not there for clients,
//! and a query that needs a column which is gone or has another type fails with `SourceSchemaChanged` at its source: it never yields
//! wrong rows. Two things are taken from the live schema, because they say how to ask and not what is published: capabilities and row
//! estimates. And a remote table that the configuration names and the lock has never seen is accepted: naming it is consent. Of a source's
//! operations only those count that the configuration names; all others are as they are now.

use portico_provider_api::{RemoteColumn, RemoteOperation, RemoteSchema, RemoteTable, RemoteTableName};
use serde::Serialize;

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Drift {
    /// The remote table, or the operation with its parameters.
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

/// What the configuration names of a source.
#[derive(Default)]
pub struct Named {
    /// Remote tables.
    pub tables: Vec<RemoteTableName>,
    /// Operations, by name or signature.
    pub operations: Vec<String>,
}

impl Named {
    /// Whether an operation is one of them.
    pub fn calls(&self, operation: &RemoteOperation) -> bool {
        self.operations.iter().any(|wanted| operation.is_named(wanted))
    }

    /// A schema as the lock keeps it: without operations that are of no interest, and without what is only told.
    pub fn kept(&self, schema: &RemoteSchema) -> RemoteSchema {
        let operations = schema.operations.iter().filter(|operation| self.calls(operation)).cloned().collect();
        RemoteSchema { operations, notes: Vec::new(), ..schema.clone() }
    }
}

/// Compares a live schema with the accepted one.
pub fn reconcile(locked: &RemoteSchema, live: &RemoteSchema, named: &Named) -> Reconciled {
    let locked = &respelt(locked, live, named);
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
        if named.tables.iter().any(|wanted| names(wanted, &table.name)) {
            schema.tables.push(table.clone());
            accepted = true;
        } else {
            drift.push(difference(&table.name, "the table is new", false));
        }
    }
    accepted |= reconcile_operations(&mut schema, live, named, &mut drift);
    if accepted {
        // The version says which state is published; this one is neither of the two.
        schema.version = format!("{}+{}", locked.version, live.version);
    }
    Reconciled { schema, drift, accepted }
}

/// The accepted schema with its tables under the names that they have now: a lock from another version may have shorter ones, and one from
/// another place other outer parts (a database's), which the configuration does not name.
fn respelt(locked: &RemoteSchema, live: &RemoteSchema, named: &Named) -> RemoteSchema {
    let mut tables: Vec<RemoteTable> = Vec::with_capacity(locked.tables.len());
    for table in &locked.tables {
        let called = named.tables.iter().find(|wanted| names(wanted, &table.name)).unwrap_or(&table.name);
        let mut meant = live.tables.iter().filter(|now| names(called, &now.name));
        let name = match (live.table(&table.name), meant.next(), meant.next()) {
            (None, Some(now), None) => now.name.clone(),
            _ => table.name.clone(),
        };
        // Two spellings of one table are one.
        let is_there = name != table.name && (locked.table(&name).is_some() || tables.iter().any(|other| other.name == name));
        if !is_there {
            tables.push(RemoteTable { name, ..table.clone() });
        }
    }
    RemoteSchema { tables, ..locked.clone() }
}

/// Keeps the operations that were accepted; whether there is one that is accepted now.
fn reconcile_operations(schema: &mut RemoteSchema, live: &RemoteSchema, named: &Named, drift: &mut Vec<Drift>) -> bool {
    let locked = std::mem::take(&mut schema.operations);
    let mut accepted = false;
    for now in &live.operations {
        let then = locked.iter().find(|then| then.signature == now.signature && named.calls(then));
        accepted |= then.is_none() && named.calls(now);
        if let Some(then) = then {
            drift.extend(operation_change(then, now).map(|change| Drift { table: then.signature.clone(), change, breaking: true }));
        }
        schema.operations.push(then.unwrap_or(now).clone());
    }
    for gone in locked.iter().filter(|then| named.calls(then) && !live.operations.iter().any(|now| now.signature == then.signature)) {
        drift.push(Drift { table: gone.signature.clone(), change: "the operation is gone".to_owned(), breaking: true });
        schema.operations.push(gone.clone());
    }
    accepted
}

fn operation_change(then: &RemoteOperation, now: &RemoteOperation) -> Option<String> {
    if let (None, Some(reason)) = (&then.unavailable, &now.unavailable) {
        return Some(format!("the operation cannot be called any more: {reason}"));
    }
    if then.changes != now.changes {
        return Some(format!("the operation {} something", if now.changes { "may change" } else { "no longer changes" }));
    }
    let same = (&then.parameters, &then.result, then.procedure) == (&now.parameters, &now.result, now.procedure);
    (!same).then(|| format!("the operation was {}, and is {}", then.readable(), now.readable()))
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
    use portico_provider_api::{RemoteParameter, ScalarType};

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
        RemoteSchema { version: version.to_owned(), tables: tables.collect(), ..RemoteSchema::default() }
    }

    #[test]
    fn equal_schemas_have_no_drift() {
        let locked = schema("v1", &[("public.a", vec![column("id", ScalarType::Int64, false)])]);
        let mut live = locked.clone();
        live.tables[0].row_estimate = Some(99);
        let reconciled = reconcile(&locked, &live, &Named::default());
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
        let reconciled = reconcile(&locked, &live, &Named::default());
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
        let reconciled = reconcile(&locked, &live, &Named { tables: vec![RemoteTableName::parse("c")], operations: Vec::new() });
        assert!(reconciled.drift.is_empty() && reconciled.accepted);
        assert_eq!(reconciled.schema.tables.len(), 2);
    }

    #[test]
    fn a_lock_with_a_shorter_spelling_is_the_same_table() {
        let columns = || vec![column("id", ScalarType::Int64, false)];
        let locked = schema("v1", &[("a", columns()), ("b", columns()), ("c", columns()), ("public.c", columns())]);
        let live = schema("v2", &[("public.a", columns()), ("public.b", columns()), ("other.b", columns()), ("public.c", columns())]);
        let reconciled = reconcile(&locked, &live, &Named::default());
        let told: Vec<String> = reconciled.drift.iter().map(|drift| format!("{} {}", drift.table, drift.change)).collect();
        assert_eq!(
            told,
            ["b the table is gone", "public.b the table is new", "other.b the table is new"],
            "one that is not clear is not guessed"
        );
        let published: Vec<String> = reconciled.schema.tables.iter().map(|table| table.name.to_string()).collect();
        assert_eq!(published, ["public.a", "b", "public.c"]);
        // The same server elsewhere: what the configuration calls `a` is the same table.
        let named = Named { tables: vec![RemoteTableName::parse("a")], operations: Vec::new() };
        let reconciled = reconcile(&schema("v1", &[("test.a", columns())]), &schema("v2", &[("production.a", columns())]), &named);
        assert!(reconciled.drift.is_empty() && !reconciled.accepted);
        assert_eq!(reconciled.schema.tables[0].name.to_string(), "production.a");
    }

    fn operation(name: &str, given: Option<ScalarType>, changes: bool) -> RemoteOperation {
        let parameter = |scalar_type: ScalarType| RemoteParameter {
            name: "p".to_owned(),
            native_type: "native".to_owned(),
            scalar_type,
            optional: true,
        };
        RemoteOperation {
            name: RemoteTableName::parse(name),
            signature: format!("{name}()"),
            description: None,
            procedure: false,
            parameters: given.map(parameter).into_iter().collect(),
            result: None,
            changes,
            unavailable: None,
        }
    }

    #[test]
    fn operations_that_the_configuration_names_are_kept_as_they_were_accepted() {
        let named = Named { tables: Vec::new(), operations: ["a", "b()", "c", "d", "e"].map(str::to_owned).to_vec() };
        let all = |operations: Vec<RemoteOperation>| RemoteSchema { operations, ..schema("v", &[]) };
        let plain = |name: &str| operation(name, None, true);
        let locked = all(["m.a", "m.b", "m.c", "m.d", "m.other"].map(plain).to_vec());
        let lost = RemoteOperation { unavailable: Some("no right".to_owned()), ..plain("m.d") };
        let live =
            all(vec![plain("m.a"), operation("m.b", Some(ScalarType::Int32), true), lost, plain("m.e"), operation("m.other", None, false)]);
        let reconciled = reconcile(&locked, &live, &named);
        let told: Vec<String> = reconciled.drift.iter().map(|drift| format!("{} {}", drift.table, drift.change)).collect();
        assert_eq!(
            told,
            [
                "m.b() the operation was m.b(), and is m.b(p int32 default)",
                "m.d() the operation cannot be called any more: no right",
                "m.c() the operation is gone",
            ]
        );
        assert!(reconciled.accepted && reconciled.drift.iter().all(|drift| drift.breaking), "m.e is new and named");
        let published: Vec<&str> = reconciled.schema.operations.iter().map(|one| one.signature.as_str()).collect();
        assert_eq!(published, ["m.a()", "m.b()", "m.d()", "m.e()", "m.other()", "m.c()"]);
        assert!(reconciled.schema.operations[1].parameters.is_empty() && !reconciled.schema.operations[4].changes);
        assert_eq!(named.kept(&live).operations.len(), 4, "the lock holds what is named");
        assert!(!reconcile(&named.kept(&reconciled.schema), &live, &named).accepted);
    }
}
