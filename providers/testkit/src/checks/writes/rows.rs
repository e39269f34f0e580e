//! Single rows: insert, update, upsert, delete; composite keys.

use super::{Target, done, judge, send, stored, target};
use crate::checks::{WRITE_DELETE, WRITE_INSERT, WRITE_UPDATE, WRITE_UPSERT};
use crate::run::Run;
use portico_provider_api::{Change, ChangeValue, Precondition, Value};

/// A row with absent columns, with nulls, with every column given.
pub(super) async fn insert(run: &mut Run, table: &mut Target) {
    let outcomes = send(run, vec![table.insert(100, "with absent columns")]).await;
    let row = table.inserted(100, "with absent columns");
    table.rows.push(row.clone());
    let verdict = done(run, &outcomes, Some(&row), true);
    judge(run, WRITE_INSERT, "insert", verdict);
    let verdict = stored(run, table).await;
    judge(run, WRITE_INSERT, "insert", verdict);

    let (note, amount, flag) = (table.column("note"), table.column("amount"), table.column("flag"));
    let Change::Insert { table: relation, mut values, require } = table.insert(101, "it's \"quoted\" 😀") else { return };
    let money = table.money(amount, -12_345);
    let truth = portico_provider_api::evaluate::cast_value(&Value::Boolean(true), table.scalar_type(flag)).unwrap_or(Value::Boolean(true));
    values.extend([(note, ChangeValue::Null), (amount, ChangeValue::Given(money.clone())), (flag, ChangeValue::Given(truth.clone()))]);
    let outcomes = send(run, vec![Change::Insert { table: relation, values, require }]).await;
    let row = table.inserted(101, "it's \"quoted\" 😀");
    table.rows.push(row);
    table.set(101, amount, money);
    table.set(101, flag, truth);
    let row = table.row(101).cloned().unwrap_or_default();
    let verdict = done(run, &outcomes, Some(&row), true);
    judge(run, WRITE_INSERT, "insert with null", verdict);
    let verdict = stored(run, table).await;
    judge(run, WRITE_INSERT, "insert with null", verdict);
}

fn update_of(table: &Target, number: i32, values: Vec<(usize, ChangeValue)>) -> Change {
    Change::Update {
        table: table.relation.clone(),
        key: table.key(number),
        values,
        precondition: Precondition::None,
        visible: None,
        require: None,
    }
}

/// Given columns change, absent ones stay, null is null.
pub(super) async fn update(run: &mut Run, table: &mut Target) {
    let (name, note) = (table.column("name"), table.column("note"));
    let outcomes = send(run, vec![update_of(table, 3, vec![(name, ChangeValue::Given(Value::text("changed")))])]).await;
    table.set(3, name, Value::text("changed"));
    let row = table.row(3).cloned().unwrap_or_default();
    let verdict = done(run, &outcomes, Some(&row), false);
    judge(run, WRITE_UPDATE, "update of one column", verdict);
    let verdict = stored(run, table).await;
    judge(run, WRITE_UPDATE, "update of one column", verdict);

    let outcomes = send(run, vec![update_of(table, 3, vec![(note, ChangeValue::Null)])]).await;
    table.set(3, note, Value::Null(table.scalar_type(note)));
    let row = table.row(3).cloned().unwrap_or_default();
    let verdict = done(run, &outcomes, Some(&row), false);
    judge(run, WRITE_UPDATE, "update to null", verdict);
    let verdict = stored(run, table).await;
    judge(run, WRITE_UPDATE, "update to null", verdict);
    composite(run).await;
}

/// One row of three that share parts of their keys.
async fn composite(run: &mut Run) {
    let Some(mut pair) = target(run, "write_pair") else { return };
    let (a, b, value) = (pair.column("a"), pair.column("b"), pair.column("value"));
    let change = Change::Update {
        table: pair.relation.clone(),
        key: vec![(a, Value::text("x")), (b, pair.number(b, 2))],
        values: vec![(value, ChangeValue::Given(Value::text("hit")))],
        precondition: Precondition::None,
        visible: None,
        require: None,
    };
    let outcomes = send(run, vec![change]).await;
    if let Some(cell) = pair.rows.get_mut(1).and_then(|row| row.get_mut(value)) {
        *cell = Value::text("hit");
    }
    let verdict = done(run, &outcomes, None, false);
    judge(run, WRITE_UPDATE, "update by a composite key", verdict);
    let verdict = stored(run, &mut pair).await;
    judge(run, WRITE_UPDATE, "update by a composite key", verdict);
}

/// The first upsert inserts, the second updates.
pub(super) async fn upsert(run: &mut Run, table: &mut Target) {
    let (name, version) = (table.column("name"), table.column("version"));
    for (label, created) in [("first", true), ("second", false)] {
        let values = vec![(name, ChangeValue::Given(Value::text(label))), (version, ChangeValue::Given(table.number(version, 1)))];
        let change = Change::Upsert { table: table.relation.clone(), key: table.key(110), values, require: None };
        let outcomes = send(run, vec![change]).await;
        if created {
            let row = table.inserted(110, label);
            table.rows.push(row);
        } else {
            table.set(110, name, Value::text(label));
        }
        let row = table.row(110).cloned().unwrap_or_default();
        let verdict = done(run, &outcomes, Some(&row), created);
        judge(run, WRITE_UPSERT, label, verdict);
        let verdict = stored(run, table).await;
        judge(run, WRITE_UPSERT, label, verdict);
    }
}

/// The named row goes, and no other.
pub(super) async fn delete(run: &mut Run, table: &mut Target) {
    let change = Change::Delete { table: table.relation.clone(), key: table.key(6), precondition: Precondition::None, visible: None };
    let outcomes = send(run, vec![change]).await;
    let (at, key) = (table.key, table.number(table.key, 6));
    table.rows.retain(|row| row.get(at) != Some(&key));
    let verdict = done(run, &outcomes, None, false);
    judge(run, WRITE_DELETE, "delete", verdict);
    let verdict = stored(run, table).await;
    judge(run, WRITE_DELETE, "delete", verdict);
}
