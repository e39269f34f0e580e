//! The write side. Every check says which rows the table must hold afterwards, and reads all of them: a change of another row is as
//! bad as a missing one.

mod conditions;
mod rows;
mod sets;

use super::{
    WRITE_ATOMICITY, WRITE_CONSTRAINT, WRITE_DELETE, WRITE_FROM_CHANGE, WRITE_INSERT, WRITE_NOT_FOUND, WRITE_PRECONDITION, WRITE_REQUIRE,
    WRITE_UPDATE, WRITE_UPSERT,
};
use crate::compare::same_rows;
use crate::run::Run;
use crate::subject::Limitation;
use arrow::datatypes::i256;
use portico_provider_api::capabilities::WriteCapabilities;
use portico_provider_api::{
    Change, ChangeOutcome, ChangeSet, ChangeValue, QueryContext, ScalarType, SourceError, SourceQuery, TableRelation, Value,
};

/// A table that is written to: its relation and the rows it must hold now.
pub(super) struct Target {
    pub(super) relation: TableRelation,
    pub(super) key: usize,
    pub(super) rows: Vec<Vec<Value>>,
}

/// Rows that are made have numbers below.
const NUMBERS: i32 = 250;

const EVERY: [&str; 10] = [
    WRITE_INSERT,
    WRITE_UPDATE,
    WRITE_UPSERT,
    WRITE_DELETE,
    WRITE_PRECONDITION,
    WRITE_NOT_FOUND,
    WRITE_REQUIRE,
    WRITE_CONSTRAINT,
    WRITE_ATOMICITY,
    WRITE_FROM_CHANGE,
];

/// Runs all write checks that the capabilities declare.
pub(crate) async fn writes(run: &mut Run) {
    let declared = able(run);
    let others = run.capabilities().tables.values().filter_map(|own| own.write).any(|own| own.any());
    if !declared.any() && !others && !run.capabilities().write.any() {
        let reason = "no writes are declared";
        run.summary.expect(WRITE_INSERT, run.subject.source.writable().is_none(), || {
            "the source has a write side, and declares no writes".to_owned()
        });
        EVERY.into_iter().for_each(|check| run.summary.does_not_apply(check, reason));
        return;
    }
    if !declared.any() {
        EVERY.into_iter().for_each(|check| run.summary.does_not_apply(check, "the table 'write_parent' is not written"));
        return;
    }
    let Some(mut parent) = target(run, "write_parent") else {
        EVERY.into_iter().for_each(|check| run.summary.does_not_apply(check, "the table 'write_parent' is not loaded"));
        return;
    };
    for (declared, checks) in [
        (declared.insert, &[WRITE_INSERT, WRITE_ATOMICITY, WRITE_FROM_CHANGE][..]),
        (declared.update, &[WRITE_UPDATE, WRITE_PRECONDITION, WRITE_NOT_FOUND, WRITE_REQUIRE, WRITE_CONSTRAINT]),
        (declared.upsert, &[WRITE_UPSERT]),
        (declared.delete, &[WRITE_DELETE]),
    ] {
        if !declared {
            checks.iter().for_each(|check| run.summary.does_not_apply(check, "is not declared"));
        }
    }
    if declared.insert {
        rows::insert(run, &mut parent).await;
    }
    if declared.update {
        rows::update(run, &mut parent).await;
        conditions::precondition(run, &mut parent).await;
        conditions::not_found(run, &mut parent).await;
        conditions::require(run, &mut parent).await;
        if run.subject.limitations.iter().any(|limitation| matches!(limitation, Limitation::Constraints { .. })) {
            run.summary.does_not_apply(WRITE_CONSTRAINT, "a limitation says so");
        } else {
            conditions::constraints(run, &mut parent).await;
        }
    }
    if declared.upsert {
        rows::upsert(run, &mut parent).await;
    }
    if declared.delete {
        rows::delete(run, &mut parent).await;
    }
    if declared.insert {
        sets::atomicity(run, &mut parent).await;
        sets::from_change(run, &mut parent).await;
    }
}

/// What is declared of the table that most is written to, and can be checked: rows whose keys the source makes are not inserted.
pub(super) fn able(run: &Run) -> WriteCapabilities {
    let declared = run.subject.table("write_parent").map_or(run.capabilities().write, |loaded| run.capabilities().write_of(&loaded.remote));
    WriteCapabilities { insert: declared.insert && !run.subject.has_generated_keys(), ..declared }
}

/// A loaded table with the rows it was created with, if it is written.
pub(super) fn target(run: &Run, fixture: &str) -> Option<Target> {
    let loaded = run.subject.table(fixture)?;
    if run.subject.limitations.iter().any(|limitation| limitation.is_read_only(fixture)) {
        return None;
    }
    let relation = run.relation(loaded)?;
    let key = loaded.fixture.position(loaded.fixture.primary_key.first()?)?;
    Some(Target { relation, key, rows: loaded.fixture.rows.clone() })
}

impl Target {
    /// The position of a column; tables to write to keep their columns.
    pub(super) fn column(&self, name: &str) -> usize {
        self.relation.columns.iter().position(|column| column.name == name).unwrap_or(usize::MAX)
    }

    pub(super) fn scalar_type(&self, column: usize) -> ScalarType {
        self.relation.columns.get(column).map_or(ScalarType::Text, |column| column.scalar_type)
    }

    /// An integer as the column's type.
    pub(super) fn number(&self, column: usize, number: i32) -> Value {
        portico_provider_api::evaluate::cast_value(&Value::Int32(number), self.scalar_type(column)).unwrap_or(Value::Int32(number))
    }

    /// The key of the row with that number.
    pub(super) fn key(&self, number: i32) -> Vec<(usize, Value)> {
        vec![(self.key, self.number(self.key, number))]
    }

    /// Money in cents, as the column's type.
    pub(super) fn money(&self, column: usize, cents: i128) -> Value {
        let money = Value::Decimal { unscaled: i256::from_i128(cents), precision: 13, scale: 2 };
        portico_provider_api::evaluate::cast_value(&money, self.scalar_type(column)).unwrap_or(money)
    }

    /// The row with that key, as it must be now.
    pub(super) fn row(&mut self, number: i32) -> Option<&mut Vec<Value>> {
        let key = self.number(self.key, number);
        let at = self.key;
        self.rows.iter_mut().find(|row| row.get(at) == Some(&key))
    }

    /// Changes what a cell must be now.
    pub(super) fn set(&mut self, number: i32, column: usize, value: Value) {
        if let Some(cell) = self.row(number).and_then(|row| row.get_mut(column)) {
            *cell = value;
        }
    }

    /// An insert of a row by its number with a name; further columns are absent.
    pub(super) fn insert(&self, number: i32, name: &str) -> Change {
        let (label, version) = (self.column("name"), self.column("version"));
        let values = vec![
            (self.key, ChangeValue::Given(self.number(self.key, number))),
            (label, ChangeValue::Given(Value::text(name))),
            (version, ChangeValue::Given(self.number(version, 1))),
        ];
        Change::Insert { table: self.relation.clone(), values, require: None }
    }

    /// The row that [`Target::insert`] stores.
    pub(super) fn inserted(&self, number: i32, name: &str) -> Vec<Value> {
        let mut row: Vec<Value> = self.relation.columns.iter().map(|column| Value::Null(column.scalar_type)).collect();
        let (label, version) = (self.column("name"), self.column("version"));
        for (column, value) in [(self.key, self.number(self.key, number)), (label, Value::text(name)), (version, self.number(version, 1))] {
            if let Some(cell) = row.get_mut(column) {
                *cell = value;
            }
        }
        row
    }
}

/// Sends a change set; errors are remembered for the check on secrets.
pub(super) async fn send(run: &Run, changes: Vec<Change>) -> Result<Vec<ChangeOutcome>, SourceError> {
    let set = ChangeSet { changes, idempotency_key: None };
    let Some(writable) = run.subject.source.writable() else {
        return Err(SourceError::new("the source", portico_provider_api::SourceErrorKind::Unsupported, "has no write side"));
    };
    let written = writable.write(set, &QueryContext::default()).await;
    if let Err(error) = &written {
        run.saw(error);
    }
    written
}

/// Counts a check and records what is wrong.
pub(super) fn judge(run: &mut Run, check: &'static str, what: &str, verdict: Result<(), String>) {
    run.summary.ran(check);
    if let Err(wrong) = verdict {
        run.summary.fail(check, format!("{what}: {wrong}"), None);
    }
}

/// Whether the table holds just the rows it must hold. When it does not, what it holds becomes what is expected, so that later
/// checks are not blamed for it.
pub(super) async fn stored(run: &Run, target: &mut Target) -> Result<(), String> {
    let answer = run.ask_all(&reading(run, target)?).await.map_err(|no_answer| no_answer.to_string())?;
    let verdict =
        same_rows(&target.rows, &answer.rows).map_err(|difference| format!("the table does not hold what it should: {difference}"));
    if verdict.is_err() {
        target.rows = answer.rows;
    }
    verdict
}

/// The queries that read the table: whole, or by the keys of the rows that it must hold, that it held at first, and of those that are made.
fn reading(run: &Run, target: &Target) -> Result<Vec<SourceQuery>, String> {
    let mut rows = target.rows.clone();
    let made = (0..NUMBERS).filter_map(|number| {
        let mut row = rows.first()?.clone();
        *row.get_mut(target.key)? = target.number(target.key, number);
        Some(row)
    });
    rows.extend(made.collect::<Vec<_>>());
    crate::checks::scan::whole(run, &target.relation, &rows).ok_or_else(|| "the table cannot be read".to_owned())
}

/// Whether the outcome is `Done` with that row (where rows are returned).
pub(super) fn done(
    run: &Run,
    outcomes: &Result<Vec<ChangeOutcome>, SourceError>,
    row: Option<&[Value]>,
    created: bool,
) -> Result<(), String> {
    match outcomes.as_deref() {
        Ok([ChangeOutcome::Done { row: returned, created: said }]) => {
            if let Some(row) = row {
                if able(run).returning && returned.as_deref() != Some(row) {
                    return Err(format!("returned {returned:?} instead of {row:?}"));
                }
                if *said != created {
                    return Err(format!("said created = {said}"));
                }
            }
            Ok(())
        }
        // Of a new row the key may come back alone.
        Ok([ChangeOutcome::Keyed(told)]) if created && !able(run).returning && able(run).returning_key => {
            let wrong = told.iter().find(|(column, value)| row.is_some_and(|row| row.get(*column) != Some(value)));
            if told.is_empty() || wrong.is_some() { Err(format!("told the key {told:?}")) } else { Ok(()) }
        }
        other => Err(format!("expected one change done, got {}", outcome_text(other))),
    }
}

/// Whether the outcome at `position` is the expected one.
pub(super) fn outcome(outcomes: &Result<Vec<ChangeOutcome>, SourceError>, position: usize, expected: &ChangeOutcome) -> Result<(), String> {
    match outcomes.as_deref() {
        Ok(outcomes) if outcomes.get(position) == Some(expected) => Ok(()),
        other => Err(format!("expected {expected:?}, got {}", outcome_text(other))),
    }
}

fn outcome_text(outcomes: Result<&[ChangeOutcome], &SourceError>) -> String {
    match outcomes {
        Ok(outcomes) => format!("{outcomes:?}"),
        Err(error) => format!("{:?}: {error}", error.kind),
    }
}
