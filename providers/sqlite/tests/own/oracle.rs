//! Every operation on every fixture column against the IR's evaluator over a full scan, without chance: the suite's generated queries
//! come on top.

use super::database::{Database, create_fixtures, relation, rows};
use portico_provider_api::arrays::{batch_from_rows, row_at};
use portico_provider_api::{
    ArithmeticOp, CompareOp, Expr, Function, KeySet, LimitPer, Output, ScalarType, SortKey, Source, SourceErrorKind, SourceQuery,
    TableRelation, Value, evaluate,
};
use portico_provider_testkit::{FixtureTable, Purpose, edge_values, fixtures};
use std::sync::Arc;

fn loaded() -> (Database, Vec<FixtureTable>) {
    let mut tables = fixtures();
    tables.retain(|table| table.purpose == Purpose::Read);
    for table in &mut tables {
        table
            .rows
            .retain(|row| !row.iter().any(|value| matches!(value, Value::Float32(float) | Value::Float64(float) if float.0.is_nan())));
    }
    let database = Database::new();
    create_fixtures(&database.connection(), &tables);
    (database, tables)
}

struct Oracle {
    source: Arc<dyn Source>,
    relation: TableRelation,
    all: Vec<Vec<Value>>,
    checked: usize,
}

impl Oracle {
    async fn new(source: &Arc<dyn Source>, table: &FixtureTable) -> Oracle {
        let relation = relation(source, &table.name).await;
        let all = rows(source, SourceQuery::scan(relation.clone())).await.unwrap();
        let mut expected = table.rows.clone();
        let sorted = |rows: &mut Vec<Vec<Value>>| rows.sort_by_key(|row| format!("{row:?}").replace("Float(-0.0)", "Float(0.0)"));
        let mut found = all.clone();
        sorted(&mut expected);
        sorted(&mut found);
        assert_eq!(format!("{found:?}").replace("Float(-0.0)", "Float(0.0)"), format!("{expected:?}").replace("Float(-0.0)", "Float(0.0)"));
        Oracle { source: Arc::clone(source), relation, all, checked: 0 }
    }

    fn query(&self) -> SourceQuery {
        SourceQuery::scan(self.relation.clone())
    }

    async fn check(&mut self, query: SourceQuery) {
        let columns: Vec<_> = self.relation.columns.iter().map(|c| (c.name.clone(), c.scalar_type, c.nullable)).collect();
        let batch = batch_from_rows(&columns, &self.all).unwrap();
        let expected = evaluate(&query, &|_| Some(batch.clone()));
        let found = rows(&self.source, query.clone()).await;
        let native = self.source.describe(&query);
        match (expected, found) {
            (Ok(expected), Ok(mut found)) => {
                let types: Vec<_> = query.result_columns().iter().map(|column| column.scalar_type).collect();
                let mut expected: Vec<_> = (0..expected.num_rows()).map(|row| row_at(&expected, row, &types).unwrap()).collect();
                if query.order_by.is_empty() {
                    expected.sort_by_key(|row| format!("{row:?}"));
                    found.sort_by_key(|row| format!("{row:?}"));
                }
                assert_eq!(found, expected, "{native:?}");
            }
            (Err(_), Err(error)) => assert_eq!(error.kind, SourceErrorKind::Data, "{native:?} {error}"),
            (expected, found) => panic!("{native:?}\nexpected {expected:?}\nfound {found:?}"),
        }
        self.checked += 1;
    }

    async fn filter(&mut self, filter: Expr) {
        self.check(SourceQuery { filter: Some(filter.clone()), ..self.query() }).await;
        self.check(SourceQuery { filter: Some(Expr::Not(Box::new(filter))), ..self.query() }).await;
    }

    async fn value(&mut self, expr: Expr) {
        let output = vec![Output { name: "id".to_owned(), expr: Expr::Column(0) }, Output { name: "value".to_owned(), expr }];
        self.check(SourceQuery { output, ..self.query() }).await;
    }

    fn position(&self, name: &str) -> usize {
        self.relation.columns.iter().position(|column| column.name == name).unwrap()
    }
}

const OPERATORS: [CompareOp; 8] = [
    CompareOp::Eq,
    CompareOp::NotEq,
    CompareOp::Lt,
    CompareOp::LtEq,
    CompareOp::Gt,
    CompareOp::GtEq,
    CompareOp::IsDistinctFrom,
    CompareOp::IsNotDistinctFrom,
];

fn literal(value: &Value) -> Expr {
    Expr::Literal(value.clone())
}

/// Comparisons, lists, keys, sorting, distinct rows: everything that depends on how values compare.
#[tokio::test(flavor = "multi_thread")]
async fn edge_values_compare_as_the_evaluator_says() {
    let (database, tables) = loaded();
    let source = database.source();
    for table in tables.iter().filter(|table| table.name.starts_with("edge_") && table.name != "edge_json") {
        let mut oracle = Oracle::new(&source, table).await;
        let (v, w) = (Expr::Column(oracle.position("v")), Expr::Column(oracle.position("w")));
        let scalar_type = oracle.relation.columns[1].scalar_type;
        let mut values = edge_values(scalar_type);
        values.push(Value::Null(scalar_type));
        for op in OPERATORS {
            oracle.filter(Expr::compare(op, v.clone(), w.clone())).await;
            for value in &values {
                oracle.filter(Expr::compare(op, v.clone(), literal(value))).await;
            }
        }
        for negated in [false, true] {
            let list = values.iter().step_by(2).map(literal).collect();
            oracle.filter(Expr::InList { expr: Box::new(v.clone()), list, negated }).await;
        }
        oracle.filter(Expr::IsNull(Box::new(v.clone()))).await;
        let tuples: Vec<_> = values.iter().filter(|value| !value.is_null()).step_by(2).map(|value| vec![value.clone()]).collect();
        oracle.check(SourceQuery { keys: Some(KeySet { columns: vec![1], tuples: tuples.clone() }), ..oracle.query() }).await;
        let pairs = tuples.iter().flat_map(|tuple| [0, 3].map(|id| vec![Value::Int32(id), tuple[0].clone()])).collect();
        oracle.check(SourceQuery { keys: Some(KeySet { columns: vec![0, 1], tuples: pairs }), ..oracle.query() }).await;
        for (descending, nulls_first) in [(false, false), (false, true), (true, false), (true, true)] {
            let order_by = vec![
                SortKey { expr: v.clone(), descending, nulls_first },
                SortKey { expr: Expr::Column(0), descending: false, nulls_first: false },
            ];
            oracle.check(SourceQuery { order_by: order_by.clone(), limit: Some(7), offset: 3, ..oracle.query() }).await;
            let per = LimitPer { columns: vec![w.clone()], offset: 0, limit: 1 };
            oracle.check(SourceQuery { order_by, limit_per: Some(per), ..oracle.query() }).await;
        }
        if !matches!(scalar_type, ScalarType::Float32 | ScalarType::Float64) {
            let output = vec![Output { name: "v".to_owned(), expr: v.clone() }];
            let order_by = vec![SortKey { expr: v.clone(), descending: true, nulls_first: true }];
            oracle.check(SourceQuery { distinct: true, order_by, output, ..oracle.query() }).await;
        }
        let branches = vec![(Expr::IsNull(Box::new(w.clone())), literal(&values[0]))];
        oracle.value(Expr::Case { branches, otherwise: Some(Box::new(v.clone())) }).await;
        assert!(oracle.checked > 70, "{}: {}", table.name, oracle.checked);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn functions_on_text() {
    let (database, tables) = loaded();
    let source = database.source();
    let table = tables.iter().find(|table| table.name == "edge_text").unwrap();
    let mut oracle = Oracle::new(&source, table).await;
    let call = |function, arguments: Vec<Expr>| Expr::Call { function, arguments };
    for function in [Function::Lower, Function::Upper, Function::Trim, Function::Length] {
        oracle.value(call(function, vec![Expr::Column(1)])).await;
    }
    for part in ["", "a", "A", "😀", "é", "%", "_", "\\", "c ", "'", "a%", "\\%", "%😀_"] {
        for function in [Function::Contains, Function::StartsWith, Function::EndsWith, Function::Like] {
            oracle.filter(call(function, vec![Expr::Column(1), literal(&Value::text(part))])).await;
        }
        for function in [Function::Position, Function::Concat] {
            oracle.value(call(function, vec![Expr::Column(1), literal(&Value::text(part))])).await;
        }
    }
    for start in [i64::MIN, -1, 0, 1, 2, 4, i64::MAX] {
        oracle.value(call(Function::Substring, vec![Expr::Column(1), literal(&Value::Int64(start))])).await;
        for length in [-1, 0, 2, i64::MAX] {
            let arguments = vec![Expr::Column(1), literal(&Value::Int64(start)), literal(&Value::Int64(length))];
            oracle.value(call(Function::Substring, arguments)).await;
        }
    }
    assert!(oracle.checked > 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_and_moments() {
    let (database, tables) = loaded();
    let source = database.source();
    let table = tables.iter().find(|table| table.name == "mixed").unwrap();
    let mut oracle = Oracle::new(&source, table).await;
    let column = |oracle: &Oracle, name: &str| Expr::Column(oracle.position(name));
    let call = |function, argument: Expr| Expr::Call { function, arguments: vec![argument] };
    for name in ["day", "at", "at_zone"] {
        for function in [Function::Year, Function::Month, Function::Day] {
            oracle.value(call(function, column(&oracle, name))).await;
        }
    }
    for name in ["at_time", "at", "at_zone"] {
        for function in [Function::Hour, Function::Minute, Function::Second] {
            oracle.value(call(function, column(&oracle, name))).await;
        }
    }
    for name in ["ratio", "amount", "rate"] {
        for function in [Function::Round, Function::Floor, Function::Ceiling, Function::Abs] {
            oracle.value(call(function, column(&oracle, name))).await;
        }
    }
    use ArithmeticOp::{Add, Divide, Modulo, Multiply, Subtract};
    for op in [Add, Subtract, Multiply, Divide, Modulo] {
        for (left, right) in [("n", "m"), ("big", "big"), ("amount", "rate"), ("small", "small")] {
            let (left, right) = (Box::new(column(&oracle, left)), Box::new(column(&oracle, right)));
            oracle.value(Expr::Arithmetic { op, left: left.clone(), right }).await;
            let scalar_type = left.scalar_type(&oracle.relation.columns).unwrap();
            let three = portico_provider_api::evaluate::cast_value(&Value::Int16(3), scalar_type).unwrap();
            oracle.value(Expr::Arithmetic { op, left, right: Box::new(literal(&three)) }).await;
        }
    }
    for (name, to) in [
        ("n", ScalarType::Int16),
        ("n", ScalarType::Text),
        ("n", ScalarType::Decimal { precision: 6, scale: 2 }),
        ("amount", ScalarType::Decimal { precision: 12, scale: 1 }),
        ("amount", ScalarType::Text),
        ("rate", ScalarType::Int32),
        ("day", ScalarType::Timestamp),
        ("at", ScalarType::Date),
        ("at", ScalarType::Time),
    ] {
        oracle.value(Expr::Cast { expr: Box::new(column(&oracle, name)), to }).await;
    }
    oracle.filter(column(&oracle, "flag")).await;
    oracle.value(Expr::Negate(Box::new(column(&oracle, "amount")))).await;
}
