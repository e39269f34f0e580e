//! What only this server has, compared with the IR's evaluator over a full scan, without chance: types that compare by rules of their own,
//! loose collations, other character sets, stored forms. The suite's generated queries come on top.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

mod database;

use database::{Database, relation, rows};
use portico_provider_api::arrays::{batch_from_rows, row_at};
use portico_provider_api::{
    ArithmeticOp, Codec, CompareOp, Expr, Function, KeySet, LimitPer, Output, QueryContext, ScalarType, SortKey, Source, SourceErrorKind,
    SourceQuery, TableColumn, TableRelation, Value, evaluate,
};
use std::sync::Arc;

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

struct Oracle {
    source: Arc<dyn Source>,
    relation: TableRelation,
    all: Vec<Vec<Value>>,
    checked: usize,
}

impl Oracle {
    async fn new(source: &Arc<dyn Source>, relation: TableRelation) -> Oracle {
        let all = rows(source, SourceQuery::scan(relation.clone()), &QueryContext::default()).await.unwrap();
        Oracle { source: Arc::clone(source), relation, all, checked: 0 }
    }

    fn query(&self) -> SourceQuery {
        SourceQuery::scan(self.relation.clone())
    }

    async fn check(&mut self, query: SourceQuery) {
        let columns: Vec<_> = self.relation.columns.iter().map(|c| (c.name.clone(), c.scalar_type, c.nullable)).collect();
        let batch = batch_from_rows(&columns, &self.all).unwrap();
        let expected = evaluate(&query, &|_| Some(batch.clone()));
        let found = rows(&self.source, query.clone(), &QueryContext::default()).await;
        let native = self.source.describe(&query);
        match (expected, found) {
            (Ok(expected), Ok(mut found)) => {
                let types: Vec<_> = query.result_columns().iter().map(|column| column.scalar_type).collect();
                let mut expected: Vec<_> = (0..expected.num_rows()).map(|row| row_at(&expected, row, &types).unwrap()).collect();
                if query.order_by.is_empty() {
                    expected.sort_by_key(|row| format!("{row:?}"));
                    found.sort_by_key(|row| format!("{row:?}"));
                }
                assert_eq!(found, expected, "{native:?} {:?}", query.filter);
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

    /// Everything that depends on how the values of a column compare.
    async fn compares(&mut self, column: usize, values: &[Value]) {
        let v = || Expr::Column(column);
        let scalar_type = self.relation.columns[column].scalar_type;
        let mut values = values.to_vec();
        values.extend(self.all.iter().map(|row| row[column].clone()).filter(|value| !value.is_null()));
        for op in OPERATORS {
            for value in values.iter().chain([&Value::Null(scalar_type)]) {
                self.filter(Expr::compare(op, v(), Expr::Literal(value.clone()))).await;
            }
            self.filter(Expr::compare(op, v(), v())).await;
        }
        for negated in [false, true] {
            let list: Vec<_> = values.iter().step_by(2).cloned().map(Expr::Literal).collect();
            self.filter(Expr::InList { expr: Box::new(v()), list, negated }).await;
        }
        let mut tuples: Vec<Vec<Value>> = Vec::new();
        for value in &values {
            if !tuples.contains(&vec![value.clone()]) {
                tuples.push(vec![value.clone()]);
            }
        }
        self.check(SourceQuery { keys: Some(KeySet { columns: vec![column], tuples: tuples.clone() }), ..self.query() }).await;
        let pairs = tuples.iter().flat_map(|tuple| [1, 2].map(|id| vec![tuple[0].clone(), Value::Int32(id)])).collect();
        self.check(SourceQuery { keys: Some(KeySet { columns: vec![column, 0], tuples: pairs }), ..self.query() }).await;
        for (descending, nulls_first) in [(false, false), (false, true), (true, false), (true, true)] {
            let order_by = vec![
                SortKey { expr: v(), descending, nulls_first },
                SortKey { expr: Expr::Column(0), descending: false, nulls_first: false },
            ];
            self.check(SourceQuery { order_by: order_by.clone(), limit: Some(5), offset: 1, ..self.query() }).await;
            let per = LimitPer { columns: vec![v()], offset: 0, limit: 1 };
            self.check(SourceQuery { order_by, limit_per: Some(per), ..self.query() }).await;
        }
        let output = vec![Output { name: "v".to_owned(), expr: v() }];
        let order_by = vec![SortKey { expr: v(), descending: true, nulls_first: true }];
        self.check(SourceQuery { distinct: true, order_by, output, ..self.query() }).await;
        let branches = vec![(Expr::IsNull(Box::new(v())), Expr::Literal(values.last().unwrap().clone()))];
        self.value(Expr::Case { branches, otherwise: Some(Box::new(v())) }).await;
    }
}

fn texts(list: &[&str]) -> Vec<Value> {
    list.iter().map(|text| Value::text(*text)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_compare_by_code_points_whatever_their_collation() {
    let database = Database::create().await;
    let columns = [
        "varchar(20) COLLATE utf8mb4_general_ci",
        "varchar(20) COLLATE utf8mb4_unicode_ci",
        "varchar(20) COLLATE utf8mb4_bin",
        "varchar(20) COLLATE utf8mb4_nopad_bin",
        "varchar(20) CHARACTER SET utf8mb3",
        "varchar(20) CHARACTER SET latin1 COLLATE latin1_german2_ci",
        "varchar(20) CHARACTER SET ucs2",
        "char(20)",
        "mediumtext",
    ];
    for (index, column) in columns.iter().enumerate() {
        let table = format!("t{index}");
        database.run(&format!("CREATE TABLE {table} (id int PRIMARY KEY, v {column}, INDEX (v(5)))")).await;
        let four_bytes = if column.contains("utf8mb4") || !column.contains("CHARACTER") { "'😀'" } else { "'ÿ'" };
        database
            .run(&format!(
                "INSERT INTO {table} VALUES (1, 'a'), (2, 'A'), (3, 'a '), (4, 'ä'), (5, ''), (6, NULL), (7, 'ab'), (8, 'a\tb'), (9, 'straße'), \
                 (10, 'strasse'), (11, {four_bytes}), (12, ' a'), (13, 'a%b'), (14, 'z'), (15, NULL)"
            ))
            .await;
        let source = database.source(1);
        let mut oracle = Oracle::new(&source, relation(&source, &table).await).await;
        let values = texts(&["", " ", "a  ", "Ä", "á", "STRASSE", "日本", "a\u{301}", "😀"]);
        if column.contains("mediumtext") {
            // Not sorted at the source: the rest is.
            let order_by = vec![SortKey { expr: Expr::Column(1), descending: false, nulls_first: false }];
            let query = SourceQuery { order_by, ..oracle.query() };
            assert_eq!(source.query(query, &QueryContext::default()).await.unwrap_err().kind, SourceErrorKind::Unsupported);
            for op in OPERATORS {
                for value in &values {
                    oracle.filter(Expr::compare(op, Expr::Column(1), Expr::Literal(value.clone()))).await;
                }
            }
        } else {
            oracle.compares(1, &values).await;
        }
        for part in ["", "a", "A", "ä", "%", "_", "\\", "ß", "ss", " ", "😀", "日"] {
            let call = |function| Expr::Call { function, arguments: vec![Expr::Column(1), Expr::Literal(Value::text(part))] };
            for function in [Function::Contains, Function::StartsWith, Function::EndsWith] {
                oracle.filter(call(function)).await;
            }
            oracle.value(call(Function::Position)).await;
            oracle.value(call(Function::Concat)).await;
        }
        for pattern in ["a%", "_", "%\\%b", "a_", "%ß%", "STR%"] {
            oracle
                .filter(Expr::Call { function: Function::Like, arguments: vec![Expr::Column(1), Expr::Literal(Value::text(pattern))] })
                .await;
        }
        for start in [i64::MIN, -1, 0, 1, 2, i64::MAX] {
            for length in [-1, 0, 2, i64::MAX] {
                let arguments = vec![Expr::Column(1), Expr::Literal(Value::Int64(start)), Expr::Literal(Value::Int64(length))];
                oracle.value(Expr::Call { function: Function::Substring, arguments }).await;
            }
        }
        // Where it begins and how long it is depends on the row; a negative length is an error.
        let number = || Expr::Cast { expr: Box::new(Expr::Column(0)), to: ScalarType::Int64 };
        let less = |count: i64| Expr::Arithmetic {
            op: ArithmeticOp::Subtract,
            left: Box::new(number()),
            right: Box::new(Expr::Literal(Value::Int64(count))),
        };
        for arguments in [vec![less(3)], vec![less(3), number()], vec![number(), less(1)], vec![number(), less(2)]] {
            let arguments = std::iter::once(Expr::Column(1)).chain(arguments).collect();
            oracle.value(Expr::Call { function: Function::Substring, arguments }).await;
        }
        assert!(oracle.checked > 100);
    }
}

/// `TINYINT(1)` holds more than two numbers, years compare as dates, enumerations by their place, GUIDs by their last part first.
#[tokio::test(flavor = "multi_thread")]
async fn types_with_rules_of_their_own_compare_as_they_are_read() {
    let database = Database::create().await;
    database
        .run(
            "CREATE TABLE t (id int PRIMARY KEY, flag boolean, bit_1 bit, bits bit(12), y year, feeling enum('sad', 'glad', 'Glad') COLLATE utf8mb4_bin, \
             feelings set('b', 'a'), guid uuid, address inet6, small smallint unsigned, number int unsigned, large bigint unsigned, \
             huge bit(64), single float, fixed binary(3), wide decimal(65,30))",
        )
        .await;
    database
        .run(
            "INSERT INTO t VALUES (1, 0, b'0', 1, 1970, 'sad', 'b', '00000000-0000-1000-8000-0000000000ff', '::1', 0, 0, 0, 0, 0.1, 'a', 0), \
             (2, 1, b'1', 257, 2070, 'glad', 'a', 'ff000000-0000-1000-8000-000000000000', '::2', 65535, 4294967295, 18446744073709551615, 18446744073709551615, 1.5, 'ab', '99999999999999999999999999999999999.5'), \
             (3, 2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL), \
             (4, -1, b'1', 4095, 0, 'Glad', 'a,b', '00000000-0000-4000-8000-000000000001', '1::', 7, 7, 7, 7, -3.25, 'abc', '-0.000000000000000000000000000001'), \
             (5, NULL, b'0', 0, 1999, 'sad', '', '00000000-0000-1000-8000-000000000100', '::ffff:127.0.0.1', 65535, 1, 1, 1, 3.4028234663852886e38, '', 1)",
        )
        .await;
    let source = database.source(1);
    let mut oracle = Oracle::new(&source, relation(&source, "t").await).await;
    let whole = |number: i128| Value::Decimal { unscaled: number.into(), precision: 20, scale: 0 };
    let digits =
        |text: &str, scale: i8| Value::Decimal { unscaled: arrow::datatypes::i256::from_string(text).unwrap(), precision: 76, scale };
    let guid = |text: &str| Value::Guid(text.to_owned());
    let float = |number: f64| Value::Float32(portico_provider_api::value::Float(number));
    let literals: [(usize, Vec<Value>); 15] = [
        (1, vec![Value::Boolean(true), Value::Boolean(false)]),
        (2, vec![Value::Boolean(true), Value::Boolean(false)]),
        (3, vec![Value::Int64(-1), Value::Int64(256), Value::Int64(i64::MAX)]),
        (4, vec![Value::Int16(70), Value::Int16(-1), Value::Int16(0), Value::Int16(99)]),
        (5, texts(&["1", "SAD", "Glad", ""])),
        (6, texts(&["b,a", "A", "2"])),
        (7, vec![guid("6de57b60-6d3f-ead1-1724-ac6f63e3c193"), guid("00000000-0000-0000-0000-000000000000")]),
        (8, texts(&["::127.0.0.1", "0::1", "zz"])),
        (9, vec![Value::Int32(-1), Value::Int32(70_000)]),
        (10, vec![Value::Int64(-1), Value::Int64(i64::MIN)]),
        (11, vec![whole(-1), whole(18_446_744_073_709_551_616), digits("15", 1)]),
        (12, vec![whole(-1), whole(18_446_744_073_709_551_616)]),
        (13, vec![float(f64::from(0.1_f32)), float(f64::INFINITY), float(f64::NEG_INFINITY), float(0.0)]),
        (14, vec![Value::Binary(b"a".to_vec()), Value::Binary(b"a\0\0".to_vec()), Value::Binary(b"\0\0\0".to_vec())]),
        (
            15,
            vec![
                digits("-15", 1),
                digits(&"9".repeat(70), 0),
                digits("-15", 31),
                digits("1", 60),
                digits(&format!("-{}", "9".repeat(76)), 0),
                digits("10", 1),
            ],
        ),
    ];
    for (column, values) in literals {
        oracle.compares(column, &values).await;
    }
    oracle.filter(Expr::Column(1)).await;
    oracle.filter(Expr::Column(2)).await;
    // Unsigned integers are computed with as the signed ones that they are published as.
    let three = |scalar_type| Expr::Literal(portico_provider_api::evaluate::cast_value(&Value::Int16(3), scalar_type).unwrap());
    for column in [3, 4, 9, 10, 11, 15] {
        use ArithmeticOp::{Add, Divide, Modulo, Multiply, Subtract};
        let scalar_type = oracle.relation.columns[column].scalar_type;
        let ops: &[ArithmeticOp] =
            if matches!(scalar_type, ScalarType::Decimal { .. }) { &[Add, Subtract] } else { &[Add, Subtract, Multiply, Divide, Modulo] };
        for op in ops {
            for (left, right) in [
                (three(scalar_type), Expr::Column(column)),
                (Expr::Column(column), three(scalar_type)),
                (Expr::Column(column), Expr::Column(column)),
            ] {
                let divides_by_zero = matches!(op, Divide | Modulo) && right == Expr::Column(column);
                let filter = divides_by_zero.then(|| {
                    Expr::compare(
                        CompareOp::Gt,
                        Expr::Column(column),
                        Expr::Literal(portico_provider_api::evaluate::cast_value(&Value::Int16(0), scalar_type).unwrap()),
                    )
                });
                let expr = Expr::Arithmetic { op: *op, left: Box::new(left), right: Box::new(right) };
                let output = vec![Output { name: "value".to_owned(), expr }];
                oracle.check(SourceQuery { output, filter, ..oracle.query() }).await;
            }
        }
        oracle.value(Expr::Negate(Box::new(Expr::Column(column)))).await;
        oracle.value(Expr::Call { function: Function::Abs, arguments: vec![Expr::Column(column)] }).await;
    }
    for column in [4, 9] {
        let scalar_type = ScalarType::Decimal { precision: 3, scale: 1 };
        oracle.value(Expr::Cast { expr: Box::new(Expr::Column(column)), to: scalar_type }).await;
        for to in [ScalarType::Int16, ScalarType::Int64, ScalarType::Text, ScalarType::Decimal { precision: 76, scale: 40 }] {
            oracle.value(Expr::Cast { expr: Box::new(Expr::Column(column)), to }).await;
        }
    }
    for function in [Function::Round, Function::Floor, Function::Ceiling] {
        let call = Expr::Call { function, arguments: vec![Expr::Column(15)] };
        if function != Function::Round {
            oracle.value(call).await;
        }
    }
    assert!(oracle.checked > 500, "{}", oracle.checked);
}

/// Columns that the configuration reads through a codec.
#[tokio::test(flavor = "multi_thread")]
async fn stored_forms_compare_as_the_values_they_stand_for() {
    let database = Database::create().await;
    database
        .run(
            "CREATE TABLE t (id int PRIMARY KEY, price varchar(20), cents bigint, day varchar(10), erp_day char(8), days int, at_time varchar(20), \
             micros bigint, stamp varchar(40), zoned varchar(40), seconds bigint, millis bigint, micro_stamp bigint, uid char(36), raw_uid binary(16), \
             flag int, flag_text varchar(5))",
        )
        .await;
    database
        .run(
            "INSERT INTO t VALUES (1, '1.50', 150, '2024-02-29', '20240229', 19782, '10:00', 36000000000, '2024-02-29 10:00:00', '2024-02-29T12:00:00+02:00', 1709200800, 1709200800123, 1709200800123456, '00112233-4455-6677-8899-AABBCCDDEEFF', x'00112233445566778899AABBCCDDEEFF', 1, 'Y'), \
             (2, '-0.5', -50, '1999-12-31', '19991231', -1, '23:59:59.999999', 86399999999, '1969-12-31T23:59:59.5', '2024-02-29T10:00:00Z', -1, -1, -1, 'ffffffff-ffff-ffff-ffff-ffffffffffff', x'FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF', 0, 'n'), \
             (3, NULL, NULL, NULL, '00000000', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL), \
             (4, '1.5', 151, '2024-03-01', '', 0, '00:00:00', 0, '2024-02-29T10:00:00.000', '1990-01-01 00:00:00-05:30', 0, 0, 0, '00112233-4455-6677-8899-aabbccddeeff', x'00000000000000000000000000000000', 1, 'true')",
        )
        .await;
    let source = database.source(1);
    let mut table = relation(&source, "t").await;
    let money = ScalarType::Decimal { precision: 10, scale: 2 };
    let coded = [
        (1, money, Codec::DecimalText),
        (2, money, Codec::DecimalUnscaled),
        (3, ScalarType::Date, Codec::DateText),
        (4, ScalarType::Date, Codec::SapDate),
        (5, ScalarType::Date, Codec::DateDays),
        (6, ScalarType::Time, Codec::TimeText),
        (7, ScalarType::Time, Codec::TimeMicros),
        (8, ScalarType::Timestamp, Codec::TimestampText),
        (9, ScalarType::TimestampTz, Codec::TimestampText),
        (10, ScalarType::Timestamp, Codec::TimestampSeconds),
        (11, ScalarType::TimestampTz, Codec::TimestampMillis),
        (12, ScalarType::Timestamp, Codec::TimestampMicros),
        (13, ScalarType::Guid, Codec::GuidText),
        (14, ScalarType::Guid, Codec::GuidBytes),
        (15, ScalarType::Boolean, Codec::BoolInt),
        (16, ScalarType::Boolean, Codec::BoolText),
    ];
    for (at, scalar_type, codec) in coded {
        let column = table.columns[at].clone();
        table.columns[at] = TableColumn { scalar_type, codec: Some(codec), nullable: true, ..column };
    }
    let mut oracle = Oracle::new(&source, table).await;
    for (at, scalar_type, _) in coded {
        let values = match scalar_type {
            ScalarType::Decimal { .. } => vec![Value::Decimal { unscaled: 1505.into(), precision: 10, scale: 3 }],
            ScalarType::Date => vec![Value::Date(19_783), Value::Date(3_000_000)],
            ScalarType::Time => vec![Value::Time(1), Value::Time(36_000_000_000)],
            ScalarType::Timestamp => vec![Value::Timestamp(-500_000), Value::Timestamp(1)],
            ScalarType::TimestampTz => vec![Value::TimestampTz(-1_000), Value::TimestampTz(1)],
            ScalarType::Guid => vec![Value::Guid("00112233-4455-6677-8899-aabbccddeeff".to_owned())],
            _ => vec![Value::Boolean(true), Value::Boolean(false)],
        };
        oracle.compares(at, &values).await;
    }
    assert!(oracle.checked > 800, "{}", oracle.checked);
    // What is not what it should be is an error when the server reads it, too.
    database.run("UPDATE t SET price = 'much' WHERE id = 4").await;
    let expensive =
        Expr::compare(CompareOp::Gt, Expr::Column(1), Expr::Literal(Value::Decimal { unscaled: 0.into(), precision: 10, scale: 2 }));
    let output = vec![Output { name: "id".to_owned(), expr: Expr::Column(0) }];
    let query = SourceQuery { filter: Some(expensive), output, ..oracle.query() };
    let error = rows(&source, query, &QueryContext::default()).await.unwrap_err();
    assert_eq!(error.kind, SourceErrorKind::Malformed, "{error}");
}

/// A sort that looked at the beginnings of values only would put these into the wrong order.
#[tokio::test(flavor = "multi_thread")]
async fn long_values_are_sorted_to_their_ends() {
    let database = Database::create().await;
    database.run("CREATE TABLE t (id int PRIMARY KEY, v text, b blob)").await;
    database
        .run("INSERT INTO t SELECT seq, CONCAT(REPEAT('a', 65000), CHAR(110 - seq)), CONCAT(REPEAT('a', 65000), CHAR(110 - seq)) FROM seq_1_to_9")
        .await;
    let source = database.source(1);
    let mut oracle = Oracle::new(&source, relation(&source, "t").await).await;
    for column in [1, 2] {
        let order_by = vec![SortKey { expr: Expr::Column(column), descending: false, nulls_first: false }];
        oracle.check(SourceQuery { order_by: order_by.clone(), ..oracle.query() }).await;
        let per = LimitPer { columns: vec![Expr::Column(column)], offset: 0, limit: 1 };
        oracle.check(SourceQuery { limit_per: Some(per), order_by, ..oracle.query() }).await;
    }
    // Longer than a sort looks at: an error, never a wrong order.
    let twice = Expr::Call { function: Function::Concat, arguments: vec![Expr::Column(1), Expr::Column(1)] };
    let query = SourceQuery { order_by: vec![SortKey { expr: twice, descending: false, nulls_first: false }], ..oracle.query() };
    assert_eq!(rows(&source, query, &QueryContext::default()).await.unwrap_err().kind, SourceErrorKind::Data);
}
