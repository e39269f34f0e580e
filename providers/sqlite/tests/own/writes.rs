//! Writes: outcomes, constraints, references, exactness.

use super::database::{Database, relation, scan, write};
use portico_provider_api::change::Precondition;
use portico_provider_api::error::ConstraintKind;
use portico_provider_api::{Change, ChangeOutcome, ChangeValue, CompareOp, Expr, SourceErrorKind, TableRelation, Value};

const SCHEMA: &str = "
CREATE TABLE parent (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, amount DECIMAL(38,10), version INT NOT NULL DEFAULT 1, big DECIMALTEXT(38,10));
CREATE TABLE child (id INTEGER PRIMARY KEY, parent INT REFERENCES parent, late INT REFERENCES parent DEFERRABLE INITIALLY DEFERRED);
CREATE TABLE checked (id INTEGER PRIMARY KEY, n INT CHECK (n > 0));
INSERT INTO parent (id, name) VALUES (1, 'one'), (2, 'two');
";

fn given(value: Value) -> ChangeValue {
    ChangeValue::Given(value)
}

fn insert(table: &TableRelation, values: Vec<(usize, ChangeValue)>) -> Change {
    Change::Insert { table: table.clone(), values, require: None }
}

fn rename(table: &TableRelation, id: i64, precondition: Precondition) -> Change {
    Change::Update {
        table: table.clone(),
        key: vec![(0, Value::Int64(id))],
        values: vec![(1, given(Value::text("renamed")))],
        precondition,
        visible: Some(Expr::compare(CompareOp::NotEq, Expr::Column(1), Expr::Literal(Value::text("two")))),
        require: None,
    }
}

fn constraint(kind: ConstraintKind, columns: &[&str]) -> SourceErrorKind {
    SourceErrorKind::Constraint { kind, columns: columns.iter().map(|column| (*column).to_owned()).collect() }
}

#[tokio::test]
async fn a_set_is_all_or_nothing_and_refers_to_its_own_rows() {
    let database = Database::with(SCHEMA);
    let source = database.source();
    let (parent, child) = (relation(&source, "parent").await, relation(&source, "child").await);
    let both = |name: &str| {
        vec![
            insert(&parent, vec![(1, given(Value::text(name)))]),
            insert(&child, vec![(1, ChangeValue::FromChange { change: 0, column: 0 })]),
        ]
    };
    let outcomes = write(&source, both("three")).await.unwrap();
    assert_eq!(
        outcomes[1],
        ChangeOutcome::Done {
            row: Some(vec![Value::Int64(1), Value::Int64(3), Value::Null(portico_provider_api::ScalarType::Int64)]),
            created: true
        }
    );
    let mut broken = both("four");
    broken.push(rename(&parent, 99, Precondition::None));
    broken.push(rename(&parent, 1, Precondition::None));
    let outcomes = write(&source, broken).await.unwrap();
    use ChangeOutcome::{NotAttempted, NotFound};
    assert_eq!(outcomes, [NotAttempted, NotAttempted, NotFound, NotAttempted]);
    assert_eq!((scan(&source, "parent").await.unwrap().len(), scan(&source, "child").await.unwrap().len()), (3, 1));
}

#[tokio::test]
async fn not_found_and_changed_are_told_apart() {
    let database = Database::with(SCHEMA);
    let source = database.source();
    let parent = relation(&source, "parent").await;
    let version = |value| Precondition::Version { column: 3, value: Value::Int64(value) };
    let one = |change| {
        let source = source.clone();
        async move { write(&source, vec![change]).await.unwrap().remove(0) }
    };
    assert_eq!(one(rename(&parent, 1, version(7))).await, ChangeOutcome::Changed);
    assert_eq!(one(rename(&parent, 9, version(1))).await, ChangeOutcome::NotFound);
    // Outside of what is visible.
    assert_eq!(one(rename(&parent, 2, version(1))).await, ChangeOutcome::NotFound);
    let unchanged = |name: &str| Precondition::Unchanged(vec![(1, Value::text(name)), (2, Value::Null(parent.columns[2].scalar_type))]);
    assert_eq!(one(rename(&parent, 1, unchanged("other"))).await, ChangeOutcome::Changed);
    assert!(matches!(one(rename(&parent, 1, unchanged("one"))).await, ChangeOutcome::Done { row: Some(_), created: false }));
    let delete = |id| Change::Delete { table: parent.clone(), key: vec![(0, Value::Int64(id))], precondition: version(2), visible: None };
    assert_eq!(one(delete(1)).await, ChangeOutcome::Changed);
    assert_eq!(one(delete(8)).await, ChangeOutcome::NotFound);
}

#[tokio::test]
async fn the_new_image_must_be_allowed() {
    let database = Database::with(SCHEMA);
    let source = database.source();
    let parent = relation(&source, "parent").await;
    let require = Some(Expr::compare(CompareOp::Eq, Expr::Column(3), Expr::Literal(Value::Int64(1))));
    let attempt = |version| Change::Insert {
        table: parent.clone(),
        values: vec![(1, given(Value::text("three"))), (3, version)],
        require: require.clone(),
    };
    assert_eq!(write(&source, vec![attempt(given(Value::Int64(2)))]).await.unwrap(), [ChangeOutcome::Refused]);
    assert_eq!(scan(&source, "parent").await.unwrap().len(), 2);
    assert!(matches!(write(&source, vec![attempt(given(Value::Int64(1)))]).await.unwrap()[0], ChangeOutcome::Done { .. }));
}

#[tokio::test]
async fn upserts_say_whether_they_created() {
    let database = Database::with(SCHEMA);
    let source = database.source();
    let parent = relation(&source, "parent").await;
    for (id, expected) in [(1, false), (5, true), (5, false)] {
        let values = vec![(1, given(Value::text(format!("name {id}"))))];
        let upsert = Change::Upsert { table: parent.clone(), key: vec![(0, Value::Int64(id))], values, require: None };
        let outcomes = write(&source, vec![upsert]).await.unwrap();
        assert!(matches!(&outcomes[0], ChangeOutcome::Done { row: Some(_), created } if *created == expected));
    }
}

#[tokio::test]
async fn constraints_name_their_columns() {
    let database = Database::with(SCHEMA);
    let source = database.source();
    let (parent, child, checked) =
        (relation(&source, "parent").await, relation(&source, "child").await, relation(&source, "checked").await);
    let cases = [
        (insert(&parent, vec![(1, given(Value::text("one")))]), constraint(ConstraintKind::Unique, &["name"])),
        (insert(&parent, vec![(0, given(Value::Int64(1))), (1, given(Value::text("x")))]), constraint(ConstraintKind::Unique, &["id"])),
        (insert(&parent, vec![(1, ChangeValue::Null)]), constraint(ConstraintKind::NotNull, &["name"])),
        (insert(&child, vec![(1, given(Value::Int64(77)))]), constraint(ConstraintKind::ForeignKey, &[])),
        // Checked only when the transaction ends.
        (insert(&child, vec![(2, given(Value::Int64(77)))]), constraint(ConstraintKind::ForeignKey, &[])),
        (insert(&checked, vec![(1, given(Value::Int64(0)))]), constraint(ConstraintKind::Check, &[])),
    ];
    for (change, expected) in cases {
        let error = write(&source, vec![change]).await.unwrap_err();
        assert_eq!(error.kind, expected, "{error}");
    }
    assert_eq!(scan(&source, "parent").await.unwrap().len(), 2);
    assert!(scan(&source, "child").await.unwrap().is_empty());
}

#[tokio::test]
async fn a_decimal_that_the_column_would_round_is_refused() {
    let database = Database::with(SCHEMA);
    let source = database.source();
    let parent = relation(&source, "parent").await;
    let long = Value::Decimal { unscaled: 1_234_567_890_123_456_789_012_345_i128.into(), precision: 38, scale: 10 };
    let attempt = |column| insert(&parent, vec![(1, given(Value::text("long"))), (column, given(long.clone()))]);
    let error = write(&source, vec![attempt(2)]).await.unwrap_err();
    // The rounded double has another value, or none that fits the type.
    assert!(matches!(error.kind, SourceErrorKind::Data | SourceErrorKind::Malformed), "{error}");
    assert_eq!(scan(&source, "parent").await.unwrap().len(), 2);
    let outcomes = write(&source, vec![attempt(4)]).await.unwrap();
    assert!(matches!(&outcomes[0], ChangeOutcome::Done { row: Some(row), .. } if row[4] == long));
    let text = insert(&parent, vec![(1, given(Value::Int64(5)))]);
    assert_eq!(write(&source, vec![text]).await.unwrap_err().kind, SourceErrorKind::Data);
}

#[tokio::test]
async fn links_are_rows_too() {
    let database = Database::with("CREATE TABLE link (a INT NOT NULL, b INT NOT NULL, PRIMARY KEY (a, b));");
    let source = database.source();
    let table = relation(&source, "link").await;
    let values = vec![(0, Value::Int64(1)), (1, Value::Int64(2))];
    let link = Change::Link { table: table.clone(), values: values.clone() };
    let unlink = Change::Unlink { table, values };
    assert!(matches!(write(&source, vec![link]).await.unwrap()[0], ChangeOutcome::Done { .. }));
    assert!(matches!(write(&source, vec![unlink.clone()]).await.unwrap()[0], ChangeOutcome::Done { .. }));
    assert_eq!(write(&source, vec![unlink]).await.unwrap(), [ChangeOutcome::NotFound]);
}
