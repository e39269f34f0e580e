//! What every dialect is sent, as golden texts. Run with `UPDATE_EXPECT=1` to write them anew, then read the difference.

mod blocks;
mod changes;
mod conditions;
mod datafusion;
mod mysql;
mod odbc;
mod operations;
mod product;
mod queries;

use expect_test::{Expect, expect};
use portico_provider_api::change::{ChangeValue, Precondition};
use portico_provider_api::{
    AggregateCall, AggregateFunction, Aggregation, ArithmeticOp, Change, Codec, CompareOp, Expr, Function, KeySet, LimitPer, Output,
    Relation, RemoteTableName, ScalarType, SortKey, SourceQuery, TableColumn, TableRelation, Value,
};
use portico_provider_sql::{Dialect, POSTGRES, PageRange, Parameter, SQLITE, Statement, change, resolve_references, select, select_pages};

const DECIMAL: ScalarType = ScalarType::Decimal { precision: 10, scale: 2 };

fn column(name: &str, scalar_type: ScalarType, codec: Option<Codec>, native_type: Option<&str>) -> TableColumn {
    TableColumn { name: name.to_owned(), scalar_type, nullable: true, codec, native_type: native_type.map(str::to_owned) }
}

/// Positions: 0 id, 1 name, 2 ratio, 3 price (decimal text), 4 day (date text), 5 at (seconds), 6 flag (0/1), 7 code (padded), 8 cents,
/// 9 uid, 10 stamp (ISO text), 11 erp_day (SAP), 12 big.
fn table() -> TableRelation {
    TableRelation {
        table: RemoteTableName(vec!["main".to_owned(), "od\"d".to_owned()]),
        columns: vec![
            column("id", ScalarType::Int32, None, Some("int4")),
            column("name", ScalarType::Text, None, Some("text")),
            column("ratio", ScalarType::Float64, None, Some("float8")),
            column("price", DECIMAL, Some(Codec::DecimalText), None),
            column("day", ScalarType::Date, Some(Codec::DateText), None),
            column("at", ScalarType::Timestamp, Some(Codec::TimestampSeconds), None),
            column("flag", ScalarType::Boolean, Some(Codec::BoolInt), None),
            column("code", ScalarType::Text, None, Some("bpchar")),
            column("cents", DECIMAL, Some(Codec::DecimalUnscaled), None),
            column("uid", ScalarType::Guid, Some(Codec::GuidText), None),
            column("stamp", ScalarType::TimestampTz, Some(Codec::TimestampText), None),
            column("erp_day", ScalarType::Date, Some(Codec::SapDate), None),
            column("big", ScalarType::Int64, None, Some("int8")),
        ],
    }
}

fn decimal(unscaled: i64, scale: i8) -> Value {
    Value::Decimal { unscaled: arrow::datatypes::i256::from_i128(i128::from(unscaled)), precision: 18, scale }
}

fn col(index: usize) -> Expr {
    Expr::Column(index)
}

fn lit(value: Value) -> Expr {
    Expr::Literal(value)
}

fn cmp(op: CompareOp, left: Expr, right: Expr) -> Expr {
    Expr::compare(op, left, right)
}

fn call(function: Function, arguments: Vec<Expr>) -> Expr {
    Expr::Call { function, arguments }
}

fn query(outputs: &[Expr]) -> SourceQuery {
    let output = outputs.iter().enumerate().map(|(at, expr)| Output { name: format!("out{at}"), expr: expr.clone() }).collect();
    SourceQuery::select(Relation::Table(table()), output)
}

fn filtered(filter: Expr) -> SourceQuery {
    SourceQuery { filter: Some(filter), ..query(&[col(0)]) }
}

fn key(index: usize, descending: bool) -> SortKey {
    SortKey { expr: col(index), descending, nulls_first: !descending }
}

fn show_statement(statement: &Statement) -> String {
    let mut text = format!("{}\n", statement.text);
    for parameter in &statement.parameters {
        match parameter {
            Parameter::Value(value) => text.push_str(&format!("  {value:?}\n")),
            Parameter::Array { scalar_type, values } => text.push_str(&format!("  {scalar_type}[] {values:?}\n")),
            Parameter::Later { index, scalar_type } => text.push_str(&format!("  {scalar_type} of each run: {index}\n")),
        }
    }
    text
}

fn show(query: &SourceQuery, dialect: &Dialect) -> String {
    select(query, dialect).map_or_else(|refused| format!("refused: {refused}\n"), |statement| show_statement(&statement))
}

/// Only the conditions, one per line: the texts around them are all alike.
fn conditions(filters: &[Expr], dialect: &Dialect) -> String {
    let mut text = String::new();
    for filter in filters {
        let whole = show(&filtered(filter.clone()), dialect);
        let shown = whole.split_once(" WHERE ").map_or(whole.as_str(), |(_, rest)| rest);
        text.push_str(&shown.replace("\n  ", "  -- "));
    }
    text
}

fn check(query: &SourceQuery, postgres: &Expect, sqlite: &Expect) {
    postgres.assert_eq(&show(query, &POSTGRES));
    sqlite.assert_eq(&show(query, &SQLITE));
}

fn check_conditions(filters: &[Expr], postgres: &Expect, sqlite: &Expect) {
    postgres.assert_eq(&conditions(filters, &POSTGRES));
    sqlite.assert_eq(&conditions(filters, &SQLITE));
}
