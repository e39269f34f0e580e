//! Several changes in one set: all of them or none, and values that one takes from another.

use super::{Target, judge, outcome, send, stored, target};
use crate::checks::{WRITE_ATOMICITY, WRITE_FROM_CHANGE};
use crate::run::Run;
use portico_provider_api::{Change, ChangeOutcome, ChangeValue, Precondition, SourceErrorKind, Value};

/// A set whose later change fails leaves nothing of the earlier ones, whatever the failure. A source without transactions must
/// refuse sets of several changes.
pub(super) async fn atomicity(run: &mut Run, table: &mut Target) {
    let name = table.column("name");
    if !super::able(run).transactions {
        let outcomes = send(run, vec![table.insert(200, "one"), table.insert(201, "two")]).await;
        let verdict = match outcomes {
            Err(error) if error.kind == SourceErrorKind::Unsupported => Ok(()),
            other => Err(format!("a set of two changes was not refused: {other:?}")),
        };
        judge(run, WRITE_ATOMICITY, "two changes without transactions", verdict);
        let verdict = stored(run, table).await;
        judge(run, WRITE_ATOMICITY, "two changes without transactions", verdict);
        return;
    }
    if super::able(run).update {
        let missing = Change::Update {
            table: table.relation.clone(),
            key: table.key(999),
            values: vec![(name, ChangeValue::Given(Value::text("nobody")))],
            precondition: Precondition::None,
            visible: None,
            require: None,
        };
        let outcomes = send(run, vec![table.insert(200, "rolled back"), missing, table.insert(202, "not tried")]).await;
        judge(run, WRITE_ATOMICITY, "a missing row in the middle", outcome(&outcomes, 1, &ChangeOutcome::NotFound));
        let count = outcomes.as_ref().map_or(0, Vec::len);
        let verdict = if count == 3 { Ok(()) } else { Err(format!("{count} outcomes for three changes")) };
        judge(run, WRITE_ATOMICITY, "a missing row in the middle", verdict);
        let verdict = outcome(&outcomes, 2, &ChangeOutcome::NotAttempted);
        judge(run, WRITE_ATOMICITY, "a missing row in the middle", verdict);
        let verdict = stored(run, table).await;
        judge(run, WRITE_ATOMICITY, "a missing row in the middle", verdict);
    }
    let outcomes = send(run, vec![table.insert(203, "rolled back"), table.insert(2, "duplicate")]).await;
    let verdict = match &outcomes {
        Err(error) if matches!(error.kind, SourceErrorKind::Constraint { .. }) => Ok(()),
        other => Err(format!("expected a broken constraint, got {other:?}")),
    };
    judge(run, WRITE_ATOMICITY, "a duplicate key at the end", verdict);
    let verdict = stored(run, table).await;
    judge(run, WRITE_ATOMICITY, "a duplicate key at the end", verdict);

    let outcomes = send(run, vec![table.insert(204, "both"), table.insert(205, "stored")]).await;
    for (number, label) in [(204, "both"), (205, "stored")] {
        let row = table.inserted(number, label);
        table.rows.push(row);
    }
    let verdict = match &outcomes {
        Ok(outcomes) if outcomes.len() == 2 && outcomes.iter().all(|outcome| matches!(outcome, ChangeOutcome::Done { .. })) => Ok(()),
        other => Err(format!("expected two changes done, got {other:?}")),
    };
    judge(run, WRITE_ATOMICITY, "two good changes", verdict);
    let verdict = stored(run, table).await;
    judge(run, WRITE_ATOMICITY, "two good changes", verdict);
}

/// A child that takes its reference from the parent inserted before it.
pub(super) async fn from_change(run: &mut Run, table: &mut Target) {
    let Some(mut child) = target(run, "write_child").filter(|_| super::able(run).transactions) else {
        run.summary.does_not_apply(WRITE_FROM_CHANGE, "needs the table 'write_child' and transactions");
        return;
    };
    let (id, reference) = (child.column("child_id"), child.column("parent_id"));
    let values =
        vec![(id, ChangeValue::Given(child.number(id, 60))), (reference, ChangeValue::FromChange { change: 0, column: table.key })];
    let linked = Change::Insert { table: child.relation.clone(), values, require: None };
    let outcomes = send(run, vec![table.insert(210, "parent"), linked]).await;
    let verdict = match &outcomes {
        Ok(outcomes) if outcomes.iter().all(|outcome| matches!(outcome, ChangeOutcome::Done { .. })) => Ok(()),
        other => Err(format!("expected two changes done, got {other:?}")),
    };
    judge(run, WRITE_FROM_CHANGE, "parent and child", verdict);
    let row = table.inserted(210, "parent");
    table.rows.push(row);
    let mut row: Vec<Value> = child.relation.columns.iter().map(|column| Value::Null(column.scalar_type)).collect();
    for (column, value) in [(id, child.number(id, 60)), (reference, child.number(reference, 210))] {
        if let Some(cell) = row.get_mut(column) {
            *cell = value;
        }
    }
    child.rows.push(row);
    for target in [table, &mut child] {
        let verdict = stored(run, target).await;
        judge(run, WRITE_FROM_CHANGE, "parent and child", verdict);
    }
}
