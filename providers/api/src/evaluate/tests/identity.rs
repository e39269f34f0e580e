//! Queries as identities: canonical bytes read back as the same query, and differ when queries differ.

use crate::expr::{CompareOp, Expr, Function};
use crate::query::{KeySet, Output, Relation, SortKey, SourceQuery, TableColumn, TableRelation};
use crate::schema::RemoteTableName;
use crate::types::ScalarType;
use crate::value::{Float, Value};
use arrow::datatypes::i256;
use proptest::prelude::*;

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null(ScalarType::Int32)),
        Just(Value::Null(ScalarType::Text)),
        any::<bool>().prop_map(Value::Boolean),
        any::<i16>().prop_map(Value::Int16),
        any::<i32>().prop_map(Value::Int32),
        any::<i64>().prop_map(Value::Int64),
        // All bit patterns, the NaNs included.
        any::<u64>().prop_map(|bits| Value::Float64(Float(f64::from_bits(bits)))),
        (any::<i128>(), 0_i8..=10).prop_map(|(digits, scale)| Value::Decimal { unscaled: i256::from_i128(digits), precision: 40, scale }),
        ".*".prop_map(Value::Text),
        prop::collection::vec(any::<u8>(), 0..6).prop_map(Value::Binary),
        any::<i32>().prop_map(Value::Date),
        any::<i64>().prop_map(Value::Timestamp),
        any::<i64>().prop_map(Value::TimestampTz),
    ]
}

fn expr() -> impl Strategy<Value = Expr> {
    let leaf = prop_oneof![value().prop_map(Expr::Literal), (0_usize..4).prop_map(Expr::Column)];
    leaf.prop_recursive(3, 24, 3, |inner| {
        let op = prop_oneof![Just(CompareOp::Eq), Just(CompareOp::Lt), Just(CompareOp::IsDistinctFrom)];
        prop_oneof![
            (op, inner.clone(), inner.clone()).prop_map(|(op, left, right)| Expr::compare(op, left, right)),
            prop::collection::vec(inner.clone(), 0..3).prop_map(Expr::And),
            prop::collection::vec(inner.clone(), 0..3).prop_map(Expr::Or),
            inner.clone().prop_map(|inner| Expr::Not(Box::new(inner))),
            inner.clone().prop_map(|inner| Expr::Cast { expr: Box::new(inner), to: ScalarType::Decimal { precision: 9, scale: 2 } }),
            (inner.clone(), inner).prop_map(|(left, right)| Expr::Call { function: Function::Concat, arguments: vec![left, right] }),
        ]
    })
}

fn query() -> impl Strategy<Value = SourceQuery> {
    let parts = (
        "[a-c]{1,2}",
        prop::option::of(expr()),
        prop::collection::vec(expr(), 1..3),
        any::<(bool, bool, bool)>(),
        prop::option::of(any::<u64>()),
        any::<u64>(),
        prop::option::of(prop::collection::vec(value(), 1..3)),
    );
    parts.prop_map(|(name, filter, outputs, (distinct, descending, nulls_first), limit, offset, keys)| {
        let relation =
            TableRelation { table: RemoteTableName(vec![name]), columns: vec![TableColumn::computed("c", ScalarType::Int32, true)] };
        let output = outputs.into_iter().enumerate().map(|(index, expr)| Output { name: format!("o{index}"), expr }).collect();
        SourceQuery {
            filter,
            distinct,
            limit,
            offset,
            order_by: vec![SortKey { expr: Expr::Column(0), descending, nulls_first }],
            keys: keys.map(|values| KeySet { columns: vec![0], tuples: values.into_iter().map(|value| vec![value]).collect() }),
            ..SourceQuery::select(Relation::Table(relation), output)
        }
    })
}

proptest! {
    #[test]
    fn canonical_bytes_round_trip(query in query()) {
        let bytes = query.canonical_bytes().unwrap();
        let body = bytes.strip_prefix(b"portico-source-query/1\n").unwrap();
        let back: SourceQuery = serde_json::from_slice(body).unwrap();
        prop_assert_eq!(&back, &query);
        prop_assert_eq!(back.canonical_bytes().unwrap(), bytes);
    }

    #[test]
    fn different_queries_have_different_bytes(left in query(), right in query()) {
        let same = left.canonical_bytes().unwrap() == right.canonical_bytes().unwrap();
        prop_assert_eq!(same, left == right);
    }
}

#[test]
fn nulls_zeros_and_scales_are_told_apart() {
    let of = |value: Value| SourceQuery {
        filter: Some(Expr::Literal(value)),
        ..SourceQuery::scan(TableRelation { table: RemoteTableName(vec!["t".to_owned()]), columns: Vec::new() })
    };
    let queries = [
        of(Value::Null(ScalarType::Int32)),
        of(Value::Null(ScalarType::Int64)),
        of(Value::float64(0.0)),
        of(Value::float64(-0.0)),
        of(Value::Decimal { unscaled: i256::ONE, precision: 5, scale: 0 }),
        of(Value::Decimal { unscaled: i256::ONE, precision: 5, scale: 1 }),
        of(Value::text("1")),
        of(Value::Json("1".to_owned())),
    ];
    for (index, left) in queries.iter().enumerate() {
        for (other, right) in queries.iter().enumerate() {
            assert_eq!(left.canonical_bytes().unwrap() == right.canonical_bytes().unwrap(), index == other);
        }
    }
}
