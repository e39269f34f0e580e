//! How a server without `RETURNING` is written to; MariaDB understands that as well.

use super::database::{Database, relation};
use super::*;
use crate::config;
use portico_provider_api::{ConnectContext, Precondition};
use portico_provider_sql::MYSQL;
use std::time::Duration;

fn client(database: &Database) -> Client {
    let context = ConnectContext {
        source_name: "shop".to_owned(),
        base_directory: ".".into(),
        max_connections: 2,
        timeout: Duration::from_secs(20),
        request_time: Duration::from_secs(600),
    };
    let config = config::read(serde_json::json!({ "url": database.url }), &context).unwrap();
    Client::new(config::driver_options(&config, &context).unwrap(), &context)
}

async fn written(database: &Database, changes: Vec<Change>) -> Result<Vec<ChangeOutcome>, SourceError> {
    let set = ChangeSet { changes, idempotency_key: None };
    write_as(&client(database), set, &QueryContext::default(), Some(&MYSQL)).await
}

fn text(value: &str) -> ChangeValue {
    ChangeValue::Given(Value::text(value))
}

fn rows(outcomes: &[ChangeOutcome]) -> Vec<Vec<Value>> {
    let row = |outcome: &ChangeOutcome| match outcome {
        ChangeOutcome::Done { row: Some(row), .. } => row.clone(),
        other => panic!("{other:?}"),
    };
    outcomes.iter().map(row).collect()
}

#[tokio::test]
async fn rows_are_read_back_by_their_keys() {
    let database = Database::create().await;
    database.run("CREATE TABLE parent (id int AUTO_INCREMENT PRIMARY KEY, name varchar(9) DEFAULT 'none') AUTO_INCREMENT = 100").await;
    database.run("CREATE TABLE child (code varchar(9), line int DEFAULT 7, parent_id int, PRIMARY KEY (code, line))").await;
    database.run("CREATE TABLE loose (id int, name text)").await;
    let source = database.source(1);
    let (parent, child) = (relation(&source, "parent").await, relation(&source, "child").await);
    let insert = |table: &TableRelation, values, require| Change::Insert { table: table.clone(), values, require };
    let child_values = |line: ChangeValue| vec![(0, text("a")), (1, line), (2, ChangeValue::FromChange { change: 0, column: 0 })];
    let outcomes = written(
        &database,
        vec![
            insert(&parent, Vec::new(), None),
            insert(&child, child_values(ChangeValue::Given(Value::Int32(1))), None),
            insert(&parent, vec![(0, ChangeValue::Given(Value::Int32(5))), (1, text("five"))], None),
            insert(&parent, vec![(1, text("next"))], None),
            Change::Upsert { table: parent.clone(), key: vec![(0, Value::Int32(5))], values: vec![(1, text("cinq"))], require: None },
            Change::Upsert { table: parent.clone(), key: vec![(0, Value::Int32(6))], values: vec![(1, text("six"))], require: None },
            Change::Link { table: child.clone(), values: vec![(0, Value::text("l")), (1, Value::Int32(2))] },
        ],
    )
    .await
    .unwrap();
    let parent_row = |id: i32, name: &str| vec![Value::Int32(id), Value::text(name)];
    let child_row = |code: &str, line: i32, parent: Value| vec![Value::text(code), Value::Int32(line), parent];
    let expected = [
        parent_row(100, "none"),
        child_row("a", 1, Value::Int32(100)),
        parent_row(5, "five"),
        parent_row(101, "next"),
        parent_row(5, "cinq"),
        parent_row(6, "six"),
        child_row("l", 2, Value::Null(portico_provider_api::ScalarType::Int32)),
    ];
    assert_eq!(rows(&outcomes), expected);
    let created = |outcome: &ChangeOutcome| matches!(outcome, ChangeOutcome::Done { created: true, .. });
    assert_eq!((created(&outcomes[4]), created(&outcomes[5])), (false, true));

    // A key that only the server knows cannot be read back, and nothing is written.
    for (table, values) in
        [(&child, vec![(0, text("b"))]), (&relation(&source, "loose").await, vec![(0, ChangeValue::Given(Value::Int32(1)))])]
    {
        let error = written(&database, vec![insert(&parent, Vec::new(), None), insert(table, values, None)]).await.unwrap_err();
        assert_eq!(error.kind, SourceErrorKind::Unsupported, "{error}");
    }
    let require = Expr::compare(portico_provider_api::CompareOp::Eq, Expr::Column(1), Expr::Literal(Value::text("yes")));
    let refused = written(&database, vec![insert(&parent, vec![(1, text("no"))], Some(require))]).await.unwrap();
    assert_eq!(refused, [ChangeOutcome::Refused]);
    let duplicate = written(&database, vec![insert(&parent, vec![(0, ChangeValue::Given(Value::Int32(5)))], None)]).await.unwrap_err();
    let columns = vec!["id".to_owned()];
    assert_eq!(duplicate.kind, SourceErrorKind::Constraint { kind: portico_provider_api::ConstraintKind::Unique, columns });
    let delete = Change::Delete { table: parent, key: vec![(0, Value::Int32(6))], precondition: Precondition::None, visible: None };
    assert!(matches!(written(&database, vec![delete]).await.unwrap()[0], ChangeOutcome::Done { .. }));
    assert_eq!(database.text("SELECT GROUP_CONCAT(id ORDER BY id) FROM parent").await, "5,100,101");
}
