//! What keeps a change from happening: stale versions, missing and invisible rows, rules for the new image, constraints.

use super::{Target, judge, outcome, send, stored, target};
use crate::checks::{WRITE_CONSTRAINT, WRITE_NOT_FOUND, WRITE_PRECONDITION, WRITE_REQUIRE};
use crate::run::Run;
use portico_provider_api::{
    Change, ChangeOutcome, ChangeValue, CompareOp, ConstraintKind, Expr, Precondition, SourceError, SourceErrorKind, TableColumn,
    TableRelation, Value,
};

fn rename(table: &Target, number: i32, precondition: Precondition, visible: Option<Expr>, require: Option<Expr>) -> Change {
    let values = vec![(table.column("name"), ChangeValue::Given(Value::text("renamed")))];
    Change::Update { table: table.relation.clone(), key: table.key(number), values, precondition, visible, require }
}

fn remove(table: &Target, number: i32, precondition: Precondition, visible: Option<Expr>) -> Change {
    Change::Delete { table: table.relation.clone(), key: table.key(number), precondition, visible }
}

/// A condition on the name.
fn named(table: &Target, name: &str) -> Expr {
    Expr::compare(CompareOp::Eq, Expr::Column(table.column("name")), Expr::Literal(Value::text(name)))
}

/// Sends one change that must end as `expected` and leave the table as it is.
async fn refused(run: &mut Run, check: &'static str, what: &str, table: &mut Target, change: Change, expected: &ChangeOutcome) {
    let outcomes = send(run, vec![change]).await;
    judge(run, check, what, outcome(&outcomes, 0, expected));
    let verdict = stored(run, table).await;
    judge(run, check, what, verdict);
}

/// Sends one change that is beyond what is declared: it must be refused, and leave the table as it is.
async fn beyond(run: &mut Run, check: &'static str, what: &str, table: &mut Target, change: Change) {
    let outcomes = send(run, vec![change]).await;
    let verdict = match &outcomes {
        Err(error) if error.kind == SourceErrorKind::Unsupported => Ok(()),
        other => Err(format!("is not declared, and was not refused: {other:?}")),
    };
    judge(run, check, what, verdict);
    let verdict = stored(run, table).await;
    judge(run, check, what, verdict);
}

/// The table with the source's own row version among its columns, and where that is.
fn with_own_version(run: &Run, table: &Target) -> Option<(TableRelation, usize)> {
    let own = run.schema.table(&table.relation.table)?.row_version.clone()?;
    let mut relation = table.relation.clone();
    relation.columns.push(TableColumn {
        name: own.name,
        scalar_type: own.scalar_type,
        nullable: own.nullable,
        codec: own.codec,
        native_type: Some(own.native_type),
    });
    let at = relation.columns.len() - 1;
    Some((relation, at))
}

/// A change under the version that the source gives a row goes through; the same version is stale then.
async fn own_version(run: &mut Run, table: &mut Target) {
    let Some((relation, at)) = with_own_version(run, table) else { return };
    let name = table.column("name");
    let reading = Target { relation: relation.clone(), key: table.key, rows: table.rows.clone() };
    let read = match super::reading(run, &reading) {
        Ok(queries) => run.ask_all(&queries).await.map_err(|no_answer| no_answer.to_string()),
        Err(wrong) => Err(wrong),
    };
    let key = table.number(table.key, 12);
    let row = read.map(|answer| answer.rows.into_iter().find(|row| row.get(table.key) == Some(&key)));
    let version = match row {
        Ok(Some(row)) => row.get(at).cloned().filter(|version| !version.is_null()),
        Ok(None) => None,
        Err(wrong) => return judge(run, WRITE_PRECONDITION, "reading the row version", Err(wrong)),
    };
    let Some(version) = version else {
        return judge(run, WRITE_PRECONDITION, "reading the row version", Err("the row has none".to_owned()));
    };
    for (label, stale) in [("versioned", false), ("stale", true)] {
        let change = Change::Update {
            table: relation.clone(),
            key: table.key(12),
            values: vec![(name, ChangeValue::Given(Value::text(label)))],
            precondition: Precondition::Version { column: at, value: version.clone() },
            visible: None,
            require: None,
        };
        let outcomes = send(run, vec![change]).await;
        let verdict = match stale {
            true => outcome(&outcomes, 0, &ChangeOutcome::Changed),
            false => {
                table.set(12, name, Value::text(label));
                super::done(run, &outcomes, None, false)
            }
        };
        judge(run, WRITE_PRECONDITION, label, verdict);
        let verdict = stored(run, table).await;
        judge(run, WRITE_PRECONDITION, label, verdict);
    }
}

/// Stale versions are told as changed and change nothing; current ones let the change through.
pub(super) async fn precondition(run: &mut Run, table: &mut Target) {
    let able = super::able(run);
    let (version, note, name) = (table.column("version"), table.column("note"), table.column("name"));
    if able.version {
        own_version(run, table).await;
    }
    if !able.unchanged {
        let old_image = Precondition::Unchanged(vec![(note, Value::text("not what is stored"))]);
        let change = rename(table, 9, old_image, None, None);
        beyond(run, WRITE_PRECONDITION, "update with a stale image", table, change).await;
    }
    if !able.version {
        let change = rename(table, 4, Precondition::Version { column: version, value: table.number(version, 99) }, None, None);
        beyond(run, WRITE_PRECONDITION, "update with a version", table, change).await;
    }
    // Of a source that compares no values, only its own version is compared.
    if !(able.unchanged && able.version) {
        return;
    }
    let stale = Precondition::Version { column: version, value: table.number(version, 99) };
    let change = rename(table, 4, stale.clone(), None, None);
    refused(run, WRITE_PRECONDITION, "update with a stale version", table, change, &ChangeOutcome::Changed).await;
    let old_image = Precondition::Unchanged(vec![(note, Value::text("not what is stored"))]);
    let change = rename(table, 9, old_image, None, None);
    refused(run, WRITE_PRECONDITION, "update with a stale image", table, change, &ChangeOutcome::Changed).await;
    if super::able(run).delete {
        let change = remove(table, 10, stale, None);
        refused(run, WRITE_PRECONDITION, "delete with a stale version", table, change, &ChangeOutcome::Changed).await;
    }
    let change = rename(table, 999, Precondition::Version { column: version, value: table.number(version, 1) }, None, None);
    refused(run, WRITE_PRECONDITION, "update of a missing row with a version", table, change, &ChangeOutcome::NotFound).await;

    // The whole stored image, nulls included, is current.
    let image: Vec<(usize, Value)> = table.row(3).cloned().unwrap_or_default().into_iter().enumerate().collect();
    for (what, number, current) in [
        ("update with the current version", 4, Precondition::Version { column: version, value: table.number(version, 1) }),
        ("update with the current image", 3, Precondition::Unchanged(image)),
    ] {
        let outcomes = send(run, vec![rename(table, number, current, None, None)]).await;
        table.set(number, name, Value::text("renamed"));
        let verdict = super::done(run, &outcomes, None, false);
        judge(run, WRITE_PRECONDITION, what, verdict);
        let verdict = stored(run, table).await;
        judge(run, WRITE_PRECONDITION, what, verdict);
    }
}

/// Missing rows and rows outside what is visible.
pub(super) async fn not_found(run: &mut Run, table: &mut Target) {
    let change = rename(table, 999, Precondition::None, None, None);
    refused(run, WRITE_NOT_FOUND, "update of a missing row", table, change, &ChangeOutcome::NotFound).await;
    let hidden = Some(named(table, "nobody has this name"));
    if !super::able(run).visible {
        let change = rename(table, 7, Precondition::None, hidden, None);
        beyond(run, WRITE_NOT_FOUND, "update under a condition", table, change).await;
        if super::able(run).delete {
            let change = remove(table, 999, Precondition::None, None);
            refused(run, WRITE_NOT_FOUND, "delete of a missing row", table, change, &ChangeOutcome::NotFound).await;
        }
        return;
    }
    let change = rename(table, 7, Precondition::None, hidden.clone(), None);
    refused(run, WRITE_NOT_FOUND, "update of an invisible row", table, change, &ChangeOutcome::NotFound).await;
    if super::able(run).delete {
        let change = remove(table, 999, Precondition::None, None);
        refused(run, WRITE_NOT_FOUND, "delete of a missing row", table, change, &ChangeOutcome::NotFound).await;
        let change = remove(table, 8, Precondition::None, hidden);
        refused(run, WRITE_NOT_FOUND, "delete of an invisible row", table, change, &ChangeOutcome::NotFound).await;
    }
}

/// A new image that breaks its rule is refused; one that keeps it is stored.
pub(super) async fn require(run: &mut Run, table: &mut Target) {
    let broken = Some(named(table, "another name"));
    if !super::able(run).require {
        let change = rename(table, 5, Precondition::None, None, broken);
        beyond(run, WRITE_REQUIRE, "update under a rule", table, change).await;
        return;
    }
    let change = rename(table, 5, Precondition::None, None, broken.clone());
    refused(run, WRITE_REQUIRE, "update against its rule", table, change, &ChangeOutcome::Refused).await;
    // A rule that is unknown is not kept.
    let unknown =
        Expr::compare(CompareOp::Eq, Expr::Literal(Value::Null(portico_provider_api::ScalarType::Text)), Expr::Literal(Value::text("")));
    let change = rename(table, 5, Precondition::None, None, Some(unknown));
    refused(run, WRITE_REQUIRE, "update against an unknown rule", table, change, &ChangeOutcome::Refused).await;
    if super::able(run).insert
        && let Change::Insert { table: relation, values, .. } = table.insert(120, "refused")
    {
        let change = Change::Insert { table: relation, values, require: broken };
        refused(run, WRITE_REQUIRE, "insert against its rule", table, change, &ChangeOutcome::Refused).await;
    }
    let kept = Some(named(table, "renamed"));
    let outcomes = send(run, vec![rename(table, 5, Precondition::None, None, kept)]).await;
    table.set(5, table.column("name"), Value::text("renamed"));
    let verdict = super::done(run, &outcomes, None, false);
    judge(run, WRITE_REQUIRE, "update that keeps its rule", verdict);
    let verdict = stored(run, table).await;
    judge(run, WRITE_REQUIRE, "update that keeps its rule", verdict);
}

/// Sends one change that must fail for a constraint and leave the table as it is.
async fn broken(run: &mut Run, what: &str, table: &mut Target, change: Change, kind: ConstraintKind) {
    let outcomes = send(run, vec![change]).await;
    let verdict = match &outcomes {
        Err(SourceError { kind: SourceErrorKind::Constraint { kind: found, .. }, .. }) if *found == kind => Ok(()),
        other => Err(format!("expected the constraint {kind:?}, got {other:?}")),
    };
    judge(run, WRITE_CONSTRAINT, what, verdict);
    let verdict = stored(run, table).await;
    judge(run, WRITE_CONSTRAINT, what, verdict);
}

/// Duplicate keys, missing values, lengths, references.
pub(super) async fn constraints(run: &mut Run, table: &mut Target) {
    let name = table.column("name");
    let change_name = |table: &Target, value: ChangeValue| Change::Update {
        table: table.relation.clone(),
        key: table.key(11),
        values: vec![(name, value)],
        precondition: Precondition::None,
        visible: None,
        require: None,
    };
    let change = change_name(table, ChangeValue::Null);
    broken(run, "null in a mandatory column", table, change, ConstraintKind::NotNull).await;
    let limited = run.subject.table("write_parent").and_then(|table| table.fixture.columns.get(name)?.max_length);
    if let Some(most) = limited {
        let long = "x".repeat(usize::try_from(most).unwrap_or_default() + 1);
        let change = change_name(table, ChangeValue::Given(Value::Text(long)));
        broken(run, "too long a text", table, change, ConstraintKind::Check).await;
    }
    if super::able(run).insert {
        let change = table.insert(11, "duplicate");
        broken(run, "a duplicate key", table, change, ConstraintKind::Unique).await;
    }
    references(run, table).await;
}

async fn references(run: &mut Run, parent: &mut Target) {
    let enforced = run.subject.table("write_child").is_some_and(|child| !child.fixture.foreign_keys.is_empty());
    let Some(mut child) = target(run, "write_child").filter(|_| enforced) else { return };
    let (id, reference) = (child.column("child_id"), child.column("parent_id"));
    if super::able(run).insert {
        let values = vec![(id, ChangeValue::Given(child.number(id, 50))), (reference, ChangeValue::Given(child.number(reference, 999)))];
        let orphan = Change::Insert { table: child.relation.clone(), values, require: None };
        broken(run, "a reference to a missing row", &mut child, orphan, ConstraintKind::ForeignKey).await;
    }
    if super::able(run).delete {
        let change = remove(parent, 1, Precondition::None, None);
        broken(run, "removal of a row that is referred to", parent, change, ConstraintKind::ForeignKey).await;
    }
}
