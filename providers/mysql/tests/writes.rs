//! Writes against a real server: outcomes, row versions, references between changes, and what a broken constraint says.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

mod database;

use database::{Database, relation, within};
use portico_provider_api::{
    Change, ChangeOutcome, ChangeSet, ChangeValue, CompareOp, ConstraintKind, Expr, Precondition, QueryContext, ScalarType, Source,
    SourceError, SourceErrorKind, TableRelation, Value,
};
use std::sync::Arc;
use std::time::Duration;

const SCHEMA: [&str; 3] = [
    "CREATE TABLE parent (id int AUTO_INCREMENT PRIMARY KEY, name varchar(10) NOT NULL, code varchar(20) UNIQUE,
        amount decimal(9,2), feeling enum('sad', 'glad'), document json, extra text, flag boolean, version int NOT NULL DEFAULT 1,
        CONSTRAINT not_negative CHECK (amount >= 0)) AUTO_INCREMENT = 100",
    "CREATE TABLE child (id int PRIMARY KEY, parent_id int, label text, FOREIGN KEY (parent_id) REFERENCES parent (id))",
    "INSERT INTO parent (id, name, code, amount) VALUES (1, 'one', 'a', 1), (2, 'two', 'b', 2)",
];

async fn create() -> Database {
    let database = Database::create().await;
    for sql in SCHEMA {
        database.run(sql).await;
    }
    database
}

async fn write(source: &Arc<dyn Source>, changes: Vec<Change>) -> Result<Vec<ChangeOutcome>, SourceError> {
    let set = ChangeSet { changes, idempotency_key: None };
    source.writable().unwrap().write(set, &QueryContext::default()).await
}

fn given(value: Value) -> ChangeValue {
    ChangeValue::Given(value)
}

fn text(value: &str) -> ChangeValue {
    given(Value::text(value))
}

fn update(table: &TableRelation, id: i32, values: Vec<(usize, ChangeValue)>, precondition: Precondition) -> Change {
    Change::Update { table: table.clone(), key: vec![(0, Value::Int32(id))], values, precondition, visible: None, require: None }
}

fn row(outcome: &ChangeOutcome) -> &[Value] {
    match outcome {
        ChangeOutcome::Done { row: Some(row), .. } => row,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_changed_meanwhile_is_told_from_what_is_gone() {
    let database = create().await;
    let source = database.source(2);
    let table = relation(&source, "parent").await;
    let expecting = |version: i32| Precondition::Version { column: 8, value: Value::Int32(version) };
    let next = |name: &str, version: i32| vec![(1, text(name)), (8, given(Value::Int32(version)))];
    let written = write(&source, vec![update(&table, 1, next("uno", 2), expecting(1))]).await.unwrap();
    assert_eq!((&row(&written[0])[1], &row(&written[0])[8]), (&Value::text("uno"), &Value::Int32(2)));
    let stale = write(
        &source,
        vec![
            update(&table, 2, vec![(1, text("x"))], Precondition::None),
            update(&table, 1, next("un", 2), expecting(1)),
            update(&table, 2, vec![(1, text("y"))], Precondition::None),
        ],
    )
    .await
    .unwrap();
    assert_eq!(stale[1..], [ChangeOutcome::Changed, ChangeOutcome::NotAttempted]);
    assert_eq!(write(&source, vec![update(&table, 77, next("un", 2), expecting(1))]).await.unwrap(), [ChangeOutcome::NotFound]);
    // A row that stays as it is has been found nevertheless, and a text in another letter case is another text.
    let unchanged = |name: &str| {
        Precondition::Unchanged(vec![(1, Value::text(name)), (2, Value::text("a")), (3, money(100)), (7, Value::Null(ScalarType::Boolean))])
    };
    for (name, done) in [("uno", true), ("UNO", false), ("uno ", false)] {
        let again = write(&source, vec![update(&table, 1, vec![(1, text("uno"))], unchanged(name))]).await.unwrap();
        assert_eq!(matches!(again[0], ChangeOutcome::Done { .. }), done, "{name}: {again:?}");
        let nothing = write(&source, vec![update(&table, 1, Vec::new(), unchanged(name))]).await.unwrap();
        assert_eq!(matches!(nothing[0], ChangeOutcome::Done { .. }), done, "{name}: {nothing:?}");
    }
    let delete = |id| Change::Delete { table: table.clone(), key: vec![(0, Value::Int32(id))], precondition: expecting(1), visible: None };
    assert_eq!(write(&source, vec![delete(1)]).await.unwrap(), [ChangeOutcome::Changed]);
    assert_eq!(write(&source, vec![delete(77)]).await.unwrap(), [ChangeOutcome::NotFound]);
    assert_eq!(database.text("SELECT GROUP_CONCAT(name ORDER BY id) FROM parent").await, "uno,two", "nothing of a failed set stays");
    // A new key is followed to where the row is now.
    let moved = write(&source, vec![update(&table, 1, vec![(0, given(Value::Int32(9)))], Precondition::None)]).await.unwrap();
    assert_eq!(row(&moved[0])[0], Value::Int32(9));
}

fn money(cents: i128) -> Value {
    Value::Decimal { unscaled: cents.into(), precision: 9, scale: 2 }
}

#[tokio::test]
async fn rules_restrict_what_is_found_and_what_is_stored() {
    let database = create().await;
    let source = database.source(1);
    let table = relation(&source, "parent").await;
    let small =
        Expr::compare(CompareOp::Lt, Expr::Column(3), Expr::Literal(Value::Decimal { unscaled: 150.into(), precision: 9, scale: 2 }));
    let amount = |cents: i128| given(Value::Decimal { unscaled: cents.into(), precision: 9, scale: 2 });
    let change = |id: i32, cents: i128| Change::Update {
        table: table.clone(),
        key: vec![(0, Value::Int32(id))],
        values: vec![(3, amount(cents))],
        precondition: Precondition::None,
        visible: Some(small.clone()),
        require: Some(small.clone()),
    };
    assert_eq!(write(&source, vec![change(2, 100)]).await.unwrap(), [ChangeOutcome::NotFound], "outside of what is visible");
    assert_eq!(write(&source, vec![change(1, 500)]).await.unwrap(), [ChangeOutcome::Refused]);
    assert!(matches!(write(&source, vec![change(1, 120)]).await.unwrap()[0], ChangeOutcome::Done { .. }));
    let insert = Change::Insert { table: table.clone(), values: vec![(1, text("new"))], require: Some(small) };
    assert_eq!(write(&source, vec![insert]).await.unwrap(), [ChangeOutcome::Refused], "null is not true");
    assert_eq!(database.text("SELECT CONCAT(count(*), ' ', sum(amount)) FROM parent").await, "2 3.20");
}

#[tokio::test]
async fn later_changes_refer_to_what_earlier_ones_stored() {
    let database = create().await;
    let source = database.source(1);
    let (parent, child) = (relation(&source, "parent").await, relation(&source, "child").await);
    let changes = vec![
        Change::Insert {
            table: parent.clone(),
            values: vec![
                (1, text("deep")),
                (4, text("glad")),
                (5, given(Value::Json(r#"{"a":1}"#.to_owned()))),
                (6, ChangeValue::Null),
                (7, given(Value::Boolean(true))),
            ],
            require: None,
        },
        Change::Insert {
            table: child,
            values: vec![(0, given(Value::Int32(5))), (1, ChangeValue::FromChange { change: 0, column: 0 })],
            require: None,
        },
    ];
    let outcomes = write(&source, changes).await.unwrap();
    let stored = row(&outcomes[0]);
    assert_eq!(stored[0], Value::Int32(100));
    assert_eq!((&stored[4], &stored[7]), (&Value::text("glad"), &Value::Boolean(true)));
    assert_eq!(row(&outcomes[1])[1], Value::Int32(100));
    let upsert = |id: i32, name: &str| Change::Upsert {
        table: parent.clone(),
        key: vec![(0, Value::Int32(id))],
        values: vec![(1, text(name))],
        require: None,
    };
    let outcomes = write(&source, vec![upsert(1, "first"), upsert(50, "fresh")]).await.unwrap();
    assert!(matches!(outcomes[0], ChangeOutcome::Done { created: false, .. }));
    assert!(matches!(outcomes[1], ChangeOutcome::Done { created: true, .. }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn upserts_of_one_key_at_the_same_time_all_succeed() {
    let database = create().await;
    let source = database.source(8);
    let table = relation(&source, "parent").await;
    for id in 1_000..1_010 {
        let tasks = (0..8).map(|writer| {
            let (source, table) = (Arc::clone(&source), table.clone());
            tokio::spawn(async move {
                let values = vec![(1, text(&format!("w{writer}")))];
                write(&source, vec![Change::Upsert { table, key: vec![(0, Value::Int32(id))], values, require: None }]).await
            })
        });
        let mut created = 0;
        for outcome in futures::future::join_all(tasks).await {
            match outcome.unwrap().unwrap()[0] {
                ChangeOutcome::Done { created: new, .. } => created += usize::from(new),
                ref other => panic!("{other:?}"),
            }
        }
        assert_eq!(created, 1);
    }
}

#[tokio::test]
async fn broken_constraints_name_columns_and_no_values() {
    let database = create().await;
    let source = database.source(2);
    let (parent, child) = (relation(&source, "parent").await, relation(&source, "child").await);
    let insert = |table: &TableRelation, values| Change::Insert { table: table.clone(), values, require: None };
    let negative = Value::Decimal { unscaled: (-123_456).into(), precision: 9, scale: 2 };
    let cases = [
        (insert(&parent, vec![(1, text("n")), (2, text("a"))]), ConstraintKind::Unique, vec!["code"]),
        (insert(&parent, vec![(0, given(Value::Int32(1))), (1, text("n"))]), ConstraintKind::Unique, vec!["id"]),
        (insert(&parent, vec![(2, text("zzz"))]), ConstraintKind::NotNull, vec!["name"]),
        (insert(&child, vec![(0, given(Value::Int32(1))), (1, given(Value::Int32(9_876)))]), ConstraintKind::ForeignKey, vec!["parent_id"]),
        (insert(&parent, vec![(1, text("n")), (3, given(negative))]), ConstraintKind::Check, vec![]),
        (insert(&parent, vec![(1, text("much too long a name"))]), ConstraintKind::Check, vec!["name"]),
        (insert(&parent, vec![(1, text("n")), (4, text("zzz"))]), ConstraintKind::Check, vec!["feeling"]),
        (insert(&parent, vec![(1, ChangeValue::Null)]), ConstraintKind::NotNull, vec!["name"]),
    ];
    for (change, kind, columns) in cases {
        let error = write(&source, vec![change]).await.unwrap_err();
        let columns = columns.into_iter().map(str::to_owned).collect();
        assert_eq!(error.kind, SourceErrorKind::Constraint { kind, columns }, "{error}");
        for value in ["zzz", "9876", "1234.56", "(a)", "much too long"] {
            assert!(!error.message.contains(value), "{error}");
        }
        assert!(error.native_code().is_some());
    }
    assert_eq!(database.text("SELECT CAST(count(*) AS CHAR) FROM parent").await, "2");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_that_waits_for_a_lock_ends_at_its_deadline_and_leaves_nothing() {
    let database = create().await;
    let source = database.source(1);
    let table = relation(&source, "parent").await;
    database.run("START TRANSACTION").await;
    database.run("UPDATE parent SET name = 'mine' WHERE id = 1").await;
    let change = update(&table, 1, vec![(1, text("theirs"))], Precondition::None);
    let set = ChangeSet { changes: vec![change.clone()], idempotency_key: None };
    let error = source.writable().unwrap().write(set, &within(Duration::from_millis(400))).await.unwrap_err();
    assert_eq!(error.kind, SourceErrorKind::Timeout, "{error}");
    assert!(database.quiet(Duration::from_secs(2)).await);
    database.run("COMMIT").await;
    assert_eq!(database.text("SELECT name FROM parent WHERE id = 1").await, "mine");
    assert!(matches!(write(&source, vec![change]).await.unwrap()[0], ChangeOutcome::Done { .. }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_that_is_given_up_is_stopped_and_leaves_nothing() {
    let database = create().await;
    let source = database.source(1);
    let table = relation(&source, "parent").await;
    database.run("START TRANSACTION").await;
    database.run("UPDATE parent SET name = 'mine' WHERE id = 1").await;
    let changes = [2, 1].map(|id| update(&table, id, vec![(1, text("theirs"))], Precondition::None)).to_vec();
    let context = QueryContext::default();
    let writing = source.writable().unwrap().write(ChangeSet { changes, idempotency_key: None }, &context);
    assert!(tokio::time::timeout(Duration::from_millis(400), writing).await.is_err(), "it waits for the lock");
    assert!(database.quiet(Duration::from_secs(2)).await, "the server still waits for the lock");
    database.run("COMMIT").await;
    assert_eq!(database.text("SELECT GROUP_CONCAT(name ORDER BY id) FROM parent").await, "mine,two");
}

#[tokio::test]
async fn a_write_after_a_restart_finds_a_new_connection() {
    let database = create().await;
    let source = database.source(1);
    let table = relation(&source, "parent").await;
    for name in ["a", "b", "c"] {
        assert_eq!(database.kill_connections().await, 1);
        let outcomes = write(&source, vec![update(&table, 1, vec![(1, text(name))], Precondition::None)]).await.unwrap();
        assert!(matches!(outcomes[0], ChangeOutcome::Done { .. }));
        assert_eq!(database.text("SELECT name FROM parent WHERE id = 1").await, name);
    }
}

#[tokio::test]
async fn a_key_that_names_several_rows_writes_none() {
    let database = Database::create().await;
    database.run("CREATE TABLE loose (id int, name text)").await;
    database.run("INSERT INTO loose VALUES (1, 'a'), (1, 'b')").await;
    let source = database.source(1);
    let table = relation(&source, "loose").await;
    let delete = Change::Delete { table: table.clone(), key: vec![(0, Value::Int32(1))], precondition: Precondition::None, visible: None };
    for change in [update(&table, 1, vec![(1, text("c"))], Precondition::None), delete] {
        assert!(write(&source, vec![change]).await.is_err());
    }
    assert_eq!(database.text("SELECT GROUP_CONCAT(name ORDER BY name SEPARATOR '') FROM loose").await, "ab");
}

#[tokio::test]
async fn a_table_without_transactions_is_not_written() {
    let database = create().await;
    database.run("CREATE TABLE old (id int PRIMARY KEY, name text) ENGINE = MyISAM").await;
    database.run("CREATE VIEW names AS SELECT id, name FROM parent").await;
    let source = database.source(1);
    for (table, writable) in [("parent", true), ("old", false), ("names", false)] {
        assert_eq!(database::introspect(&source, table).await.writable, writable, "{table}");
    }
}
