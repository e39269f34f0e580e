//! Every edge of every type as a condition: written out and bound, the server understands the same.

use crate::downstream::{Database, Downstream, rows};
use portico_provider_api::{CompareOp, Expr, QueryContext, RemoteTableName, ScalarType, SourceQuery, Value};
use portico_provider_testkit::words::POSTGRES;
use portico_provider_testkit::{FixtureTable, edge_values, fixtures};
use serde_json::json;

fn edges() -> Vec<FixtureTable> {
    fixtures().into_iter().filter(|table| table.name.starts_with("edge_")).collect()
}

/// What a condition means, told without SQL.
fn matches(rows: &[Vec<Value>], value: &Value) -> usize {
    let nan = value.is_nan();
    let zero = |value: &Value| matches!(value, Value::Float32(number) | Value::Float64(number) if number.0 == 0.0);
    rows.iter().filter(|row| !nan && (row[1] == *value || zero(&row[1]) && zero(value))).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bound_and_written_out_values_mean_the_same() {
    let database = Database::create().await;
    for table in edges() {
        for statement in POSTGRES.statements(&table) {
            database.run(&statement).await;
        }
    }
    let granted: Vec<String> = edges().iter().map(|table| format!("pg.public.{}", table.name)).collect();
    let downstream = Downstream::start(database, "", &granted, "").await;
    let written = downstream.source(&json!({ "catalog": "pg" }));
    let bound = downstream.source(&json!({ "catalog": "pg", "parameters": "bound" }));
    let mut asked = 0;
    for table in edges() {
        let remote = RemoteTableName(["pg", "public", table.name.as_str()].map(str::to_owned).to_vec());
        let scalar_type = table.columns[1].scalar_type;
        for value in edge_values(scalar_type).into_iter().filter(|value| !value.is_null()) {
            let equal = Expr::compare(CompareOp::Eq, Expr::Column(1), Expr::Literal(value.clone()));
            let query = SourceQuery { filter: Some(equal), ..SourceQuery::scan(table.relation(&remote)) };
            let context = QueryContext::default();
            let here = rows(&written, query.clone(), &context).await.unwrap_or_else(|error| panic!("{}: {error}", table.name));
            let there = rows(&bound, query, &context).await.unwrap_or_else(|error| panic!("bound, {}: {error}", table.name));
            assert_eq!(here.len(), matches(&table.rows, &value), "{}: {value:?}", table.name);
            assert_eq!(here, there, "{}: {value:?}", table.name);
            asked += 1;
        }
        let native = bound.describe(&SourceQuery {
            filter: Some(Expr::compare(CompareOp::Eq, Expr::Column(1), Expr::Literal(table.rows[0][1].clone()))),
            ..SourceQuery::scan(table.relation(&remote))
        });
        assert!(scalar_type == ScalarType::Boolean || native.iter().all(|request| request.text.contains("\"v\"")), "{native:?}");
    }
    assert!(asked > 60, "only {asked} values were tried");
}
