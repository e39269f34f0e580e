//! Applies a change set to a snapshot of the tables, and gives the new snapshot or none. Pure: nothing is shared before the
//! whole set has succeeded, which is what makes it a transaction.

mod constraints;
mod row;

pub(crate) use constraints::check_table;

use crate::client::Tables;
use crate::row_hash;
use crate::table::MemoryTable;
use crate::table::whole_table;
use crate::translate::{Refusal, check_columns, refusal};
use portico_provider_api::arrays::{batch_from_rows, row_at};
use portico_provider_api::evaluate::grouping_value;
use portico_provider_api::{
    Capabilities, Change, ChangeOutcome, ChangeSet, ChangeValue, ConstraintKind, Expr, Precondition, RemoteTableName, SourceErrorKind,
    TableRelation, Value, evaluate_expr,
};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a change set did.
pub(crate) struct Applied {
    /// The new snapshot; `None` when the set was rolled back.
    pub(crate) tables: Option<Tables>,
    pub(crate) outcomes: Vec<ChangeOutcome>,
}

/// A table whose rows are being changed.
pub(crate) struct Rows {
    pub(crate) table: Arc<MemoryTable>,
    pub(crate) rows: Vec<Vec<Value>>,
    changed: bool,
}

/// The tables of a snapshot, turned into rows as they are needed.
pub(crate) struct Working<'a> {
    tables: &'a Tables,
    rows: BTreeMap<RemoteTableName, Rows>,
}

pub(crate) fn constraint(kind: ConstraintKind, columns: &[String], message: String) -> Refusal {
    (SourceErrorKind::Constraint { kind, columns: columns.to_vec() }, message)
}

impl<'a> Working<'a> {
    pub(crate) fn rows(&mut self, name: &RemoteTableName) -> Result<&mut Rows, Refusal> {
        if !self.rows.contains_key(name) {
            let table = self.tables.iter().find(|table| &table.name == name);
            let table = table.ok_or_else(|| (SourceErrorKind::SchemaChanged, format!("table '{name}' does not exist")))?;
            let types: Vec<_> = table.columns.iter().map(|column| column.scalar_type).collect();
            let batch = whole_table(table).map_err(refusal)?;
            let rows = (0..batch.num_rows()).map(|row| row_at(&batch, row, &types)).collect::<Result<Vec<_>, _>>().map_err(refusal)?;
            self.rows.insert(name.clone(), Rows { table: Arc::clone(table), rows, changed: false });
        }
        self.rows.get_mut(name).ok_or_else(|| (SourceErrorKind::Internal, format!("table '{name}' was not loaded")))
    }

    pub(crate) fn tables(&self) -> &'a Tables {
        self.tables
    }

    fn finish(self) -> Result<Tables, Refusal> {
        let mut rows = self.rows;
        let tables = self.tables.iter().map(|table| match rows.remove(&table.name).filter(|rows| rows.changed) {
            None => Ok(Arc::clone(table)),
            Some(changed) => {
                let columns: Vec<_> =
                    table.columns.iter().map(|column| (column.name.clone(), column.scalar_type, column.nullable)).collect();
                let batch = batch_from_rows(&columns, &changed.rows).map_err(refusal)?;
                Ok(Arc::new(MemoryTable { batches: vec![batch], ..table.as_ref().clone() }))
            }
        });
        tables.collect()
    }
}

/// Applies all changes, or none.
pub(crate) fn apply(tables: &Tables, changes: &ChangeSet) -> Result<Applied, Refusal> {
    let mut working = Working { tables, rows: BTreeMap::new() };
    let mut outcomes: Vec<ChangeOutcome> = Vec::with_capacity(changes.changes.len());
    for change in &changes.changes {
        let outcome = one(&mut working, change, &outcomes)?;
        let done = matches!(outcome, ChangeOutcome::Done { .. });
        outcomes.push(outcome);
        if !done {
            return Ok(Applied { tables: None, outcomes: rolled_back(outcomes, changes.changes.len()) });
        }
    }
    Ok(Applied { tables: Some(working.finish()?), outcomes })
}

/// What is told of outcomes: the rows, only the keys of new ones, or that it was done.
pub(crate) fn told(changes: &ChangeSet, outcomes: Vec<ChangeOutcome>, tables: &Tables, capabilities: &Capabilities) -> Vec<ChangeOutcome> {
    let one = |(change, outcome): (&Change, ChangeOutcome)| {
        let (Change::Insert { table, .. } | Change::Update { table, .. } | Change::Upsert { table, .. }) = change else { return outcome };
        let write = capabilities.write_of(&table.table);
        match outcome {
            ChangeOutcome::Done { row: Some(row), created: true } if !write.returning && write.returning_key => {
                let known = tables.iter().find(|known| known.name == table.table);
                let key = known.iter().flat_map(|known| &known.primary_key);
                let at = key.filter_map(|name| table.columns.iter().position(|column| column.name == *name));
                ChangeOutcome::Keyed(at.filter_map(|at| Some((at, row.get(at)?.clone()))).collect())
            }
            ChangeOutcome::Done { created, .. } if !write.returning => ChangeOutcome::Done { row: None, created },
            other => other,
        }
    };
    changes.changes.iter().zip(outcomes).map(one).collect()
}

/// What was done before the failing change has been undone, and what comes after was never tried.
fn rolled_back(mut outcomes: Vec<ChangeOutcome>, count: usize) -> Vec<ChangeOutcome> {
    let failed = outcomes.pop();
    let mut all = vec![ChangeOutcome::NotAttempted; outcomes.len()];
    all.extend(failed);
    all.resize(count, ChangeOutcome::NotAttempted);
    all
}

fn one(working: &mut Working<'_>, change: &Change, earlier: &[ChangeOutcome]) -> Result<ChangeOutcome, Refusal> {
    match change {
        Change::Insert { table, values, require } => insert(working, table, &row::resolve(values, earlier)?, require.as_ref()),
        Change::Update { table, key, values, precondition, visible, require } => {
            let values = row::resolve(values, earlier)?;
            let Some(position) = find(working, table, key, visible.as_ref())? else { return Ok(ChangeOutcome::NotFound) };
            if !holds(working, table, position, precondition)? {
                return Ok(ChangeOutcome::Changed);
            }
            update(working, table, position, &values, require.as_ref())
        }
        Change::Upsert { table, key, values, require } => {
            let mut values = row::resolve(values, earlier)?;
            match find(working, table, key, None)? {
                Some(position) => update(working, table, position, &values, require.as_ref()),
                None => {
                    for (column, value) in key {
                        if !values.iter().any(|(given, _)| given == column) {
                            values.push((*column, value.clone()));
                        }
                    }
                    insert(working, table, &values, require.as_ref())
                }
            }
        }
        Change::Delete { table, key, precondition, visible } => {
            let Some(position) = find(working, table, key, visible.as_ref())? else { return Ok(ChangeOutcome::NotFound) };
            if !holds(working, table, position, precondition)? {
                return Ok(ChangeOutcome::Changed);
            }
            delete(working, table, position)
        }
        Change::Link { table, values } => insert(working, table, values, None),
        Change::Unlink { table, values } => match find(working, table, values, None)? {
            Some(position) => delete(working, table, position),
            None => Ok(ChangeOutcome::NotFound),
        },
        Change::Invoke { operation, .. } => Err((SourceErrorKind::Unsupported, format!("there is no operation '{}'", operation.name))),
    }
}

/// The position of the one visible row with that key. Two such rows are refused: no write touches more rows than were named.
fn find(
    working: &mut Working<'_>,
    relation: &TableRelation,
    key: &[(usize, Value)],
    visible: Option<&Expr>,
) -> Result<Option<usize>, Refusal> {
    if key.is_empty() {
        return Err((SourceErrorKind::Unsupported, format!("a change of table '{}' without a key", relation.table)));
    }
    let rows = working.rows(&relation.table)?;
    let scope = row::Scope::new(relation, &rows.table)?;
    let mut found = None;
    for (position, stored) in rows.rows.iter().enumerate() {
        if !scope.matches(stored, key)? {
            continue;
        }
        if found.is_some() {
            return Err((SourceErrorKind::Unsupported, format!("the key names more than one row of table '{}'", relation.table)));
        }
        found = Some(position);
    }
    let Some(position) = found else { return Ok(None) };
    let Some(visible) = visible else { return Ok(Some(position)) };
    let stored = rows.rows.get(position).map(|stored| scope.image(stored)).unwrap_or_default();
    Ok(satisfies(&stored, visible, relation)?.then_some(position))
}

fn satisfies(image: &[Value], rule: &Expr, relation: &TableRelation) -> Result<bool, Refusal> {
    evaluate_expr(rule, image, &relation.columns).map(|value| value == Value::Boolean(true)).map_err(refusal)
}

fn holds(working: &mut Working<'_>, relation: &TableRelation, position: usize, precondition: &Precondition) -> Result<bool, Refusal> {
    let rows = working.rows(&relation.table)?;
    let scope = row::Scope::new(relation, &rows.table)?;
    let stored = rows.rows.get(position).map(|stored| scope.image(stored)).unwrap_or_default();
    let same = |column: &usize, value: &Value| match stored.get(*column) {
        Some(current) => {
            let expected = row::fitted(value, current.scalar_type());
            // A value that does not even fit the column cannot be what is stored.
            Ok(expected.is_ok_and(|expected| grouping_value(expected) == grouping_value(current.clone())))
        }
        None => Err((SourceErrorKind::Unsupported, format!("a precondition on column {column}, which is not in scope"))),
    };
    match precondition {
        Precondition::None => Ok(true),
        Precondition::Version { column, value } => same(column, value),
        Precondition::Unchanged(values) => {
            for (column, value) in values {
                if !same(column, value)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
    }
}

fn insert(
    working: &mut Working<'_>,
    relation: &TableRelation,
    values: &[(usize, Value)],
    require: Option<&Expr>,
) -> Result<ChangeOutcome, Refusal> {
    let rows = working.rows(&relation.table)?;
    let table = Arc::clone(&rows.table);
    let scope = row::Scope::new(relation, &table)?;
    let mut stored: Vec<Value> = table.columns.iter().map(|column| Value::Null(column.scalar_type)).collect();
    scope.assign(&mut stored, values, &table)?;
    row::number(&mut stored, &table, &rows.rows)?;
    if let Some(rule) = require
        && !satisfies(&scope.image(&stored), rule, relation)?
    {
        return Ok(ChangeOutcome::Refused);
    }
    constraints::check_row(&table, &stored)?;
    rows.rows.push(stored.clone());
    rows.changed = true;
    let position = rows.rows.len() - 1;
    constraints::check_unique(working, &relation.table, position)?;
    constraints::check_references(working, &relation.table, position)?;
    Ok(ChangeOutcome::Done { row: Some(scope.image(&stored)), created: true })
}

fn update(
    working: &mut Working<'_>,
    relation: &TableRelation,
    position: usize,
    values: &[(usize, Value)],
    require: Option<&Expr>,
) -> Result<ChangeOutcome, Refusal> {
    let rows = working.rows(&relation.table)?;
    let table = Arc::clone(&rows.table);
    let scope = row::Scope::new(relation, &table)?;
    let before = rows.rows.get(position).cloned().unwrap_or_default();
    let mut after = before.clone();
    scope.assign(&mut after, values, &table)?;
    if let Some(rule) = require
        && !satisfies(&scope.image(&after), rule, relation)?
    {
        return Ok(ChangeOutcome::Refused);
    }
    constraints::check_row(&table, &after)?;
    if let Some(slot) = rows.rows.get_mut(position) {
        slot.clone_from(&after);
    }
    rows.changed = true;
    constraints::check_unique(working, &relation.table, position)?;
    constraints::check_references(working, &relation.table, position)?;
    constraints::check_referrers(working, &table, &before)?;
    Ok(ChangeOutcome::Done { row: Some(scope.image(&after)), created: false })
}

fn delete(working: &mut Working<'_>, relation: &TableRelation, position: usize) -> Result<ChangeOutcome, Refusal> {
    let rows = working.rows(&relation.table)?;
    let table = Arc::clone(&rows.table);
    let before = rows.rows.remove(position);
    rows.changed = true;
    constraints::check_referrers(working, &table, &before)?;
    Ok(ChangeOutcome::Done { row: None, created: false })
}

/// The values of a change as they are sent, for `row::resolve`.
pub(crate) type Given = [(usize, ChangeValue)];

/// Checks the columns in scope. A value that the column holds in another form would have to be written in it, for every row alike.
pub(crate) fn in_scope(relation: &TableRelation, table: &MemoryTable) -> Result<(), Refusal> {
    if let Some(column) = relation.columns.iter().find(|column| column.codec.is_some()) {
        let name = format!("column '{}' of table '{}'", column.name, table.name);
        return Err((
            SourceErrorKind::Unsupported,
            format!("{name} is held in another form (codec): tables with such columns are not written here"),
        ));
    }
    let stored = relation.columns.iter().filter(|column| !row_hash::is_hidden(&column.name, table)).cloned().collect();
    check_columns(&TableRelation { columns: stored, ..relation.clone() }, table)
}
