//! MySQL and MariaDB: exact comparisons with what an index can serve beside them, nulls in orders, placeholders by position.

use super::*;
use portico_provider_api::{Join, JoinKind};
use portico_provider_sql::{MARIADB, MYSQL, ZERO_IS_NULL};

/// Positions: 0 id, 1 name (ignores case), 2 code (exact collation), 3 latin, 4 amount, 5 flag, 6 big (unsigned), 7 y (year), 8 at, 9 uid,
/// 10 day (zero is null), 11 note (long), 12 ratio, 13 stored (date text).
fn shop() -> TableRelation {
    let money = ScalarType::Decimal { precision: 13, scale: 2 };
    let zero_is_null = format!("date{ZERO_IS_NULL}");
    TableRelation {
        table: RemoteTableName(vec!["shop".to_owned(), "o`dd".to_owned()]),
        columns: vec![
            TableColumn { nullable: false, ..column("id", ScalarType::Int32, None, Some("int")) },
            column("name", ScalarType::Text, None, Some("varchar utf8mb4_general_ci")),
            column("code", ScalarType::Text, None, Some("varchar utf8mb4_nopad_bin")),
            column("latin", ScalarType::Text, None, Some("varchar latin1_swedish_ci")),
            column("amount", money, None, Some("decimal")),
            column("flag", ScalarType::Boolean, None, Some("tinyint")),
            column("big", ScalarType::Int64, None, Some("int unsigned")),
            column("y", ScalarType::Int16, None, Some("year")),
            column("at", ScalarType::TimestampTz, None, Some("timestamp")),
            column("uid", ScalarType::Guid, None, Some("uuid")),
            column("day", ScalarType::Date, None, Some(&zero_is_null)),
            column("note", ScalarType::Text, None, Some("longtext utf8mb4_general_ci")),
            column("ratio", ScalarType::Float64, None, Some("double")),
            column("stored", ScalarType::Date, Some(Codec::DateText), Some("varchar utf8mb4_general_ci")),
        ],
    }
}

fn of_shop(outputs: &[usize]) -> SourceQuery {
    let output = outputs.iter().map(|index| Output { name: format!("out{index}"), expr: col(*index) }).collect();
    SourceQuery::select(Relation::Table(shop()), output)
}

fn shop_conditions(filters: &[Expr]) -> String {
    let mut text = String::new();
    for filter in filters {
        let whole = show(&SourceQuery { filter: Some(filter.clone()), ..of_shop(&[0]) }, &MYSQL);
        let shown = whole.split_once(" WHERE ").map_or(whole.as_str(), |(_, rest)| rest);
        text.push_str(&shown.replace("\n  ", "  -- "));
    }
    text
}

#[test]
fn texts_are_compared_as_bytes_beside_what_an_index_serves() {
    let text = |op, index| cmp(op, col(index), lit(Value::text("O'Brien")));
    let list =
        |index, negated| Expr::InList { expr: Box::new(col(index)), list: vec![lit(Value::text("a")), lit(Value::text("b"))], negated };
    let prefix = |index, part: &str| call(Function::StartsWith, vec![col(index), lit(Value::text(part))]);
    expect![[r#"
        ((t0.`name` = ?) AND (CAST((t0.`name` COLLATE utf8mb4_bin) AS BINARY) = CAST(? AS BINARY)))  -- Text("O'Brien")  -- Text("O'Brien")
        (CAST((t0.`name` COLLATE utf8mb4_bin) AS BINARY) <> CAST(CAST(? AS CHAR CHARACTER SET utf8mb4) AS BINARY))  -- Text("O'Brien")
        (CAST((t0.`name` COLLATE utf8mb4_bin) AS BINARY) < CAST(CAST(? AS CHAR CHARACTER SET utf8mb4) AS BINARY))  -- Text("O'Brien")
        (NOT (CAST((t0.`name` COLLATE utf8mb4_bin) AS BINARY) <=> CAST(CAST(? AS CHAR CHARACTER SET utf8mb4) AS BINARY)))  -- Text("O'Brien")
        (t0.`code` = ?)  -- Text("O'Brien")
        (t0.`code` < ?)  -- Text("O'Brien")
        (CAST((CONVERT(t0.`latin` USING utf8mb4) COLLATE utf8mb4_bin) AS BINARY) = CAST(CAST(? AS CHAR CHARACTER SET utf8mb4) AS BINARY))  -- Text("O'Brien")
        (CAST((t0.`name` COLLATE utf8mb4_bin) AS BINARY) = CAST((CONVERT(t0.`latin` USING utf8mb4) COLLATE utf8mb4_bin) AS BINARY))
        (t0.`name` IN (?, ?) AND (CAST((t0.`name` COLLATE utf8mb4_bin) AS BINARY) IN (CAST(? AS BINARY), CAST(? AS BINARY))))  -- Text("a")  -- Text("b")  -- Text("a")  -- Text("b")
        (CAST((t0.`name` COLLATE utf8mb4_bin) AS BINARY) NOT IN (CAST(CAST(? AS CHAR CHARACTER SET utf8mb4) AS BINARY), CAST(CAST(? AS CHAR CHARACTER SET utf8mb4) AS BINARY)))  -- Text("a")  -- Text("b")
        (t0.`name` LIKE ? ESCAPE '\' AND (LEFT(CAST((t0.`name` COLLATE utf8mb4_bin) AS BINARY), LENGTH(CAST(CAST(? AS CHAR CHARACTER SET utf8mb4) AS BINARY))) = CAST(CAST(? AS CHAR CHARACTER SET utf8mb4) AS BINARY)))  -- Text("50\\%%")  -- Text("50%")  -- Text("50%")
        (LEFT(CAST((CONVERT(t0.`latin` USING utf8mb4) COLLATE utf8mb4_bin) AS BINARY), LENGTH(CAST(CAST(? AS CHAR CHARACTER SET utf8mb4) AS BINARY))) = CAST(CAST(? AS CHAR CHARACTER SET utf8mb4) AS BINARY))  -- Text("a")  -- Text("a")
        ((t0.`name` COLLATE utf8mb4_bin) COLLATE utf8mb4_bin LIKE CAST(? AS CHAR CHARACTER SET utf8mb4) ESCAPE '\')  -- Text("a\\%%")
        (RIGHT(CAST((t0.`name` COLLATE utf8mb4_bin) AS BINARY), LENGTH(CAST(CAST(? AS CHAR CHARACTER SET utf8mb4) AS BINARY))) = CAST(CAST(? AS CHAR CHARACTER SET utf8mb4) AS BINARY))  -- Text("z")  -- Text("z")
        (t0.`name` IS NULL)
        ((t0.`uid` = ?) AND (CAST(CAST(t0.`uid` AS CHAR CHARACTER SET utf8mb4) AS BINARY) = CAST(? AS BINARY)))  -- Text("00112233-4455-6677-8899-aabbccddeeff")  -- Text("00112233-4455-6677-8899-aabbccddeeff")
        (CAST(CAST(t0.`uid` AS CHAR CHARACTER SET utf8mb4) AS BINARY) = CAST(CAST(? AS CHAR CHARACTER SET utf8mb4) AS BINARY))  -- Text("6de57b60-6d3f-ead1-1724-ac6f63e3c193")
        (CAST(CONVERT(t0.`stored` USING utf8mb4) AS BINARY) > CAST(? AS BINARY))  -- Text("1970-01-01")
    "#]].assert_eq(&shop_conditions(&[
        text(CompareOp::Eq, 1),
        text(CompareOp::NotEq, 1),
        text(CompareOp::Lt, 1),
        text(CompareOp::IsDistinctFrom, 1),
        text(CompareOp::Eq, 2),
        text(CompareOp::Lt, 2),
        text(CompareOp::Eq, 3),
        cmp(CompareOp::Eq, col(1), col(3)),
        list(1, false),
        list(1, true),
        prefix(1, "50%"),
        prefix(3, "a"),
        call(Function::Like, vec![col(1), lit(Value::text("a\\%%"))]),
        call(Function::EndsWith, vec![col(1), lit(Value::text("z"))]),
        Expr::IsNull(Box::new(col(1))),
        cmp(CompareOp::Eq, col(9), lit(Value::Guid("00112233-4455-6677-8899-aabbccddeeff".to_owned()))),
        cmp(CompareOp::Eq, col(9), lit(Value::Guid("6de57b60-6d3f-ead1-1724-ac6f63e3c193".to_owned()))),
        cmp(CompareOp::Gt, col(13), lit(Value::Date(0))),
    ]));
}

#[test]
fn numbers_and_moments() {
    let ten = || lit(Value::Int64(10));
    let plus = |right: Expr| Expr::Arithmetic { op: ArithmeticOp::Add, left: Box::new(col(6)), right: Box::new(right) };
    let over = |right: Expr| Expr::Arithmetic { op: ArithmeticOp::Divide, left: Box::new(col(6)), right: Box::new(right) };
    expect![[r#"
        (t0.`id` = CAST(? AS SIGNED))  -- Int32(7)
        (t0.`big` = CAST(? AS SIGNED))  -- Int64(10)
        ((CAST(t0.`big` AS SIGNED) + CAST(? AS SIGNED)) < CAST(? AS SIGNED))  -- Int64(10)  -- Int64(10)
        ((t0.`big` >= CAST(? AS SIGNED) AND t0.`big` <= CAST(? AS SIGNED)) AND ((CAST(t0.`big` AS SIGNED) + CAST(t0.`big` AS SIGNED)) < CAST(? AS SIGNED)))  -- Int64(10)  -- Int64(10)  -- Int64(10)
        ((CAST(t0.`big` AS SIGNED) DIV CAST(? AS SIGNED)) < CAST(? AS SIGNED))  -- Int64(10)  -- Int64(10)
        ((CASE WHEN CAST(t0.`big` AS SIGNED) = 0 THEN (CAST(t0.`big` AS SIGNED) * 0 + 9223372036854775807) + 1 ELSE (CAST(t0.`big` AS SIGNED) DIV CAST(t0.`big` AS SIGNED)) END) < CAST(? AS SIGNED))  -- Int64(10)
        ((((((-1 * t0.`id`) + 9223372034707292160) - 9223372034707292160) - 9223372034707292160) + 9223372034707292160) = CAST(? AS SIGNED))  -- Int32(7)
        (t0.`amount` < CAST(? AS DECIMAL(3,2)))  -- Text("1.2500")
        (t0.`amount` <= CAST(? AS DECIMAL(1,0)))  -- Text("0.000000000000000000000000000000")
        ((t0.`flag` <> 0) = CAST(? AS SIGNED))  -- Boolean(true)
        (t0.`flag` <> 0)
        (CAST(t0.`y` AS SIGNED) < CAST(? AS SIGNED))  -- Int16(70)
        (t0.`at` >= CAST(? AS DATETIME(6)))  -- TimestampTz(0)
        ((CASE WHEN MONTH(t0.`day`) > 0 AND DAYOFMONTH(t0.`day`) > 0 THEN t0.`day` END) >= CAST(? AS DATE))  -- Date(0)
        ((CASE WHEN MONTH(t0.`day`) > 0 AND DAYOFMONTH(t0.`day`) > 0 THEN t0.`day` END) IS NOT NULL OR NULL)
        (t0.`ratio` IS NOT NULL OR NULL)
        (t0.`ratio` IS NOT NULL OR NULL)
        (YEAR(t0.`at`) = CAST(? AS SIGNED))  -- Int32(2024)
    "#]].assert_eq(&shop_conditions(&[
        cmp(CompareOp::Eq, col(0), lit(Value::Int32(7))),
        cmp(CompareOp::Eq, col(6), ten()),
        cmp(CompareOp::Lt, plus(ten()), ten()),
        Expr::And(vec![cmp(CompareOp::Eq, col(6), ten()), cmp(CompareOp::Lt, plus(col(6)), ten())]),
        cmp(CompareOp::Lt, over(ten()), ten()),
        cmp(CompareOp::Lt, over(col(6)), ten()),
        cmp(CompareOp::Eq, Expr::Negate(Box::new(col(0))), lit(Value::Int32(7))),
        cmp(CompareOp::Lt, col(4), lit(decimal(12_500, 4))),
        cmp(CompareOp::Lt, col(4), lit(Value::Decimal { unscaled: arrow::datatypes::i256::ONE, precision: 60, scale: 60 })),
        cmp(CompareOp::Eq, col(5), lit(Value::Boolean(true))),
        col(5),
        cmp(CompareOp::Lt, col(7), lit(Value::Int16(70))),
        cmp(CompareOp::GtEq, col(8), lit(Value::TimestampTz(0))),
        cmp(CompareOp::GtEq, col(10), lit(Value::Date(0))),
        cmp(CompareOp::Lt, col(10), lit(Value::Date(i32::MAX))),
        cmp(CompareOp::Lt, col(12), lit(Value::float64(f64::INFINITY))),
        cmp(CompareOp::NotEq, col(12), lit(Value::float64(f64::NAN))),
        cmp(CompareOp::Eq, call(Function::Year, vec![col(8)]), lit(Value::Int32(2024))),
    ]));
}

#[test]
fn orders_limits_and_distinct_rows() {
    let sorted = |order_by: Vec<SortKey>| SourceQuery { order_by, ..of_shop(&[0, 1]) };
    let by = |index, descending, nulls_first| SortKey { expr: col(index), descending, nulls_first };
    let shown = [
        sorted(vec![by(1, false, true), by(2, true, true), by(0, true, true)]),
        sorted(vec![by(11, false, false)]),
        SourceQuery { offset: 5, ..of_shop(&[10, 9]) },
        SourceQuery { distinct: true, limit: Some(2), ..of_shop(&[1, 5]) },
        SourceQuery {
            limit_per: Some(LimitPer { columns: vec![col(1)], offset: 1, limit: 3 }),
            filter: Some(cmp(CompareOp::Eq, col(0), lit(Value::Int32(1)))),
            keys: Some(KeySet { columns: vec![1, 0], tuples: [1, 2, 3].map(|id| vec![Value::text("k"), Value::Int32(id)]).to_vec() }),
            ..sorted(vec![by(4, false, false)])
        },
    ]
    .iter()
    .map(|query| show(query, &MYSQL))
    .collect::<String>();
    expect![[r#"
        SELECT t0.`id` AS `c0`, t0.`name` AS `c1` FROM `shop`.`o``dd` AS t0 ORDER BY CAST((t0.`name` COLLATE utf8mb4_bin) AS BINARY) ASC, (t0.`code` IS NULL) DESC, t0.`code` DESC, t0.`id` DESC
        SELECT t0.`id` AS `c0`, t0.`name` AS `c1` FROM `shop`.`o``dd` AS t0 ORDER BY (CAST((CASE WHEN LENGTH((t0.`note` COLLATE utf8mb4_bin)) > 65540 THEN COT(0 * LENGTH((t0.`note` COLLATE utf8mb4_bin))) ELSE (t0.`note` COLLATE utf8mb4_bin) END) AS BINARY) IS NULL) ASC, CAST((CASE WHEN LENGTH((t0.`note` COLLATE utf8mb4_bin)) > 65540 THEN COT(0 * LENGTH((t0.`note` COLLATE utf8mb4_bin))) ELSE (t0.`note` COLLATE utf8mb4_bin) END) AS BINARY) ASC
        SELECT (CASE WHEN MONTH(t0.`day`) > 0 AND DAYOFMONTH(t0.`day`) > 0 THEN t0.`day` END) AS `c0`, t0.`uid` AS `c1` FROM `shop`.`o``dd` AS t0 LIMIT 18446744073709551615 OFFSET 5
        SELECT DISTINCT CAST((t0.`name` COLLATE utf8mb4_bin) AS BINARY) AS `c0`, (t0.`flag` <> 0) AS `c1` FROM `shop`.`o``dd` AS t0 LIMIT 2
        SELECT q.`c0` AS `c0`, q.`c1` AS `c1` FROM (SELECT t0.`id` AS `c0`, t0.`name` AS `c1`, t0.`amount` AS `s0`, ROW_NUMBER() OVER (PARTITION BY CAST((t0.`name` COLLATE utf8mb4_bin) AS BINARY) ORDER BY (t0.`amount` IS NULL) ASC, t0.`amount` ASC) AS `n` FROM `shop`.`o``dd` AS t0 WHERE (((t0.`name`, t0.`id`) IN ((?, CAST(? AS SIGNED)), (?, CAST(? AS SIGNED)), (?, CAST(? AS SIGNED)), (?, CAST(? AS SIGNED)))) AND ((CAST((t0.`name` COLLATE utf8mb4_bin) AS BINARY), t0.`id`) IN ((CAST(? AS BINARY), CAST(? AS SIGNED)), (CAST(? AS BINARY), CAST(? AS SIGNED)), (CAST(? AS BINARY), CAST(? AS SIGNED)), (CAST(? AS BINARY), CAST(? AS SIGNED))))) AND (t0.`id` = CAST(? AS SIGNED))) AS q WHERE q.`n` > 1 AND q.`n` <= 4 ORDER BY (q.`s0` IS NULL) ASC, q.`s0` ASC
          Text("k")
          Int32(1)
          Text("k")
          Int32(2)
          Text("k")
          Int32(3)
          Text("k")
          Int32(3)
          Text("k")
          Int32(1)
          Text("k")
          Int32(2)
          Text("k")
          Int32(3)
          Text("k")
          Int32(3)
          Int32(1)
    "#]].assert_eq(&shown);
}

#[test]
fn changes_without_returned_rows() {
    let table = TableRelation { columns: shop().columns.into_iter().take(2).collect(), ..shop() };
    let key = vec![(0, Value::Int32(1))];
    let name = |name: &str| vec![(1, ChangeValue::Given(Value::text(name)))];
    let require = Some(cmp(CompareOp::NotEq, col(1), lit(Value::text("x"))));
    let changes = [
        Change::Insert { table: table.clone(), values: name("a"), require: require.clone() },
        Change::Insert { table: table.clone(), values: Vec::new(), require: None },
        Change::Update {
            table: table.clone(),
            key: key.clone(),
            values: vec![(1, ChangeValue::Null), (0, ChangeValue::Given(Value::Int32(2)))],
            precondition: Precondition::Unchanged(vec![(1, Value::text("old"))]),
            visible: None,
            require,
        },
        Change::Update {
            table: table.clone(),
            key: key.clone(),
            values: Vec::new(),
            precondition: Precondition::None,
            visible: None,
            require: None,
        },
        Change::Delete { table, key, precondition: Precondition::None, visible: None },
    ];
    let mut text = String::new();
    for (item, dialect) in changes.iter().zip([&MARIADB, &MYSQL, &MARIADB, &MYSQL, &MARIADB]) {
        let plan = change(item, dialect).unwrap();
        text.push_str(&format!("returning {} requires {}\n{}", plan.returning, plan.requires, show_statement(&plan.statement)));
        for (label, statement) in [("probe", &plan.probe), ("stored", &plan.stored)] {
            if let Some(statement) = statement {
                text.push_str(&format!("{label}: {}", show_statement(statement)));
            }
        }
    }
    expect![[r#"
        returning true requires true
        INSERT INTO `shop`.`o``dd` (`name`) VALUES (?) RETURNING `id`, `name`, (CAST((`name` COLLATE utf8mb4_bin) AS BINARY) <> CAST(CAST(? AS CHAR CHARACTER SET utf8mb4) AS BINARY))
          Text("a")
          Text("x")
        returning false requires false
        INSERT INTO `shop`.`o``dd` () VALUES ()
        returning false requires true
        UPDATE `shop`.`o``dd` SET `name` = ?, `id` = ? WHERE (`id` = CAST(? AS SIGNED)) AND ((`name` <=> ?) AND (CAST((`name` COLLATE utf8mb4_bin) AS BINARY) <=> CAST(? AS BINARY)))
          Null(Text)
          Int32(2)
          Int32(1)
          Text("old")
          Text("old")
        probe: SELECT 1 FROM `shop`.`o``dd` WHERE (`id` = CAST(? AS SIGNED)) FOR UPDATE
          Int32(1)
        stored: SELECT `id`, `name`, (CAST((`name` COLLATE utf8mb4_bin) AS BINARY) <> CAST(CAST(? AS CHAR CHARACTER SET utf8mb4) AS BINARY)) FROM `shop`.`o``dd` WHERE (`id` = CAST(? AS SIGNED))
          Text("x")
          Int32(2)
        returning true requires false
        SELECT `id`, `name` FROM `shop`.`o``dd` WHERE (`id` = CAST(? AS SIGNED)) FOR UPDATE
          Int32(1)
        probe: SELECT 1 FROM `shop`.`o``dd` WHERE (`id` = CAST(? AS SIGNED)) FOR UPDATE
          Int32(1)
        returning false requires false
        DELETE FROM `shop`.`o``dd` WHERE (`id` = CAST(? AS SIGNED))
          Int32(1)
        probe: SELECT 1 FROM `shop`.`o``dd` WHERE (`id` = CAST(? AS SIGNED)) FOR UPDATE
          Int32(1)
    "#]].assert_eq(&text);
}

#[test]
fn blocks() {
    let from = |kind, on: usize| {
        let (left, right) = (Relation::Table(shop()), Relation::Table(shop()));
        let on = vec![(col(on), col(on))];
        Relation::Join(Box::new(Join { left, right, kind, on, residual: None, null_aware: false, null_equal: false }))
    };
    let out = |list: &[Expr]| list.iter().map(|expr| Output { name: "out".to_owned(), expr: expr.clone() }).collect::<Vec<_>>();
    let calls = |list: &[(AggregateFunction, usize)]| {
        let calls = list.iter().map(|(function, index)| AggregateCall::new(*function, Some(col(*index)), &shop().columns));
        calls.collect::<Option<Vec<_>>>().unwrap()
    };
    let distinct = SourceQuery { distinct: true, ..of_shop(&[1, 0]) };
    let plus = Expr::Arithmetic { op: ArithmeticOp::Add, left: Box::new(col(0)), right: Box::new(lit(Value::Int32(7))) };
    let averages = AggregateCall {
        filter: Some(cmp(CompareOp::Gt, col(0), lit(Value::Int32(5)))),
        ..AggregateCall::new(AggregateFunction::Average, Some(plus.clone()), &shop().columns).unwrap()
    };
    let union = Relation::Union(vec![SourceQuery { limit: Some(1), ..of_shop(&[1]) }, of_shop(&[3])]);
    let one = SourceQuery { limit: Some(1), ..of_shop(&[0]) };
    let shown = [
        SourceQuery::select(from(JoinKind::Inner, 1), out(&[col(0), col(15)])),
        SourceQuery::select(from(JoinKind::Left, 2), out(&[col(0)])),
        SourceQuery::select(from(JoinKind::Semi, 9), out(&[col(1)])),
        SourceQuery {
            filter: Some(cmp(CompareOp::Eq, col(0), lit(Value::Int32(3)))),
            ..SourceQuery::select(from(JoinKind::Anti, 3), out(&[col(1)]))
        },
        SourceQuery {
            filter: Some(cmp(CompareOp::Lt, col(0), lit(Value::Int32(1)))),
            aggregate: Some(Aggregation {
                group_by: vec![col(1), plus],
                calls: [calls(&[(AggregateFunction::Sum, 6), (AggregateFunction::Max, 3)]), vec![averages]].concat(),
                having: Some(cmp(CompareOp::GtEq, col(2), lit(Value::Int64(9)))),
            }),
            order_by: vec![SortKey { expr: col(0), descending: false, nulls_first: true }],
            ..SourceQuery::select(Relation::Table(shop()), out(&[lit(Value::Int32(2)), col(0), col(1), col(2), col(3), col(4)]))
        },
        SourceQuery {
            aggregate: Some(Aggregation {
                group_by: vec![],
                calls: calls(&[(AggregateFunction::Average, 4), (AggregateFunction::Sum, 4), (AggregateFunction::Count, 10)]),
                having: None,
            }),
            ..SourceQuery::select(Relation::Table(shop()), out(&[col(0), col(1), col(2)]))
        },
        SourceQuery {
            filter: Some(cmp(CompareOp::Eq, call(Function::Length, vec![col(0)]), lit(Value::Int32(1)))),
            ..SourceQuery::select(Relation::Query(Box::new(distinct)), out(&[col(0), col(1)]))
        },
        SourceQuery::select(union, out(&[col(0)])),
        SourceQuery { filter: Some(cmp(CompareOp::Eq, col(0), Expr::ScalarSubquery(Box::new(one)))), ..of_shop(&[0]) },
    ]
    .iter()
    .map(|query| show(query, &MYSQL))
    .collect::<String>();
    expect![[r#"
        SELECT t0.`id` AS `c0`, t1.`name` AS `c1` FROM `shop`.`o``dd` AS t0 JOIN `shop`.`o``dd` AS t1 ON ((t0.`name` = t1.`name`) AND (CAST((t0.`name` COLLATE utf8mb4_bin) AS BINARY) = CAST((t1.`name` COLLATE utf8mb4_bin) AS BINARY)))
        SELECT t0.`id` AS `c0` FROM `shop`.`o``dd` AS t0 LEFT JOIN `shop`.`o``dd` AS t1 ON (t0.`code` = t1.`code`)
        SELECT t0.`name` AS `c0` FROM `shop`.`o``dd` AS t0 WHERE EXISTS (SELECT 1 FROM `shop`.`o``dd` AS t1 WHERE (t0.`uid` = t1.`uid`))
        SELECT t0.`name` AS `c0` FROM `shop`.`o``dd` AS t0 WHERE (NOT EXISTS (SELECT 1 FROM `shop`.`o``dd` AS t1 WHERE (CAST((CONVERT(t0.`latin` USING utf8mb4) COLLATE utf8mb4_bin) AS BINARY) = CAST((CONVERT(t1.`latin` USING utf8mb4) COLLATE utf8mb4_bin) AS BINARY)))) AND (t0.`id` = CAST(? AS SIGNED))
          Int32(3)
        SELECT CAST(? AS SIGNED) AS `c0`, MIN((t0.`name` COLLATE utf8mb4_bin)) AS `c1`, MIN((((((t0.`id` + CAST(? AS SIGNED)) + 9223372034707292160) - 9223372034707292160) - 9223372034707292160) + 9223372034707292160)) AS `c2`, (SUM(CAST(t0.`big` AS SIGNED)) DIV 1) AS `c3`, (CONVERT(MAX(CAST((CONVERT(t0.`latin` USING utf8mb4) COLLATE utf8mb4_bin) AS BINARY)) USING utf8mb4) COLLATE utf8mb4_bin) AS `c4`, (CAST(SUM((CASE WHEN (t0.`id` > CAST(? AS SIGNED)) THEN (((((t0.`id` + CAST(? AS SIGNED)) + 9223372034707292160) - 9223372034707292160) - 9223372034707292160) + 9223372034707292160) END)) AS DOUBLE) / COUNT((CASE WHEN (t0.`id` > CAST(? AS SIGNED)) THEN (((((t0.`id` + CAST(? AS SIGNED)) + 9223372034707292160) - 9223372034707292160) - 9223372034707292160) + 9223372034707292160) END))) AS `c5` FROM `shop`.`o``dd` AS t0 WHERE (t0.`id` < CAST(? AS SIGNED)) GROUP BY CAST((t0.`name` COLLATE utf8mb4_bin) AS BINARY), (((((t0.`id` + CAST(? AS SIGNED)) + 9223372034707292160) - 9223372034707292160) - 9223372034707292160) + 9223372034707292160) HAVING ((SUM(CAST(t0.`big` AS SIGNED)) DIV 1) >= CAST(? AS SIGNED)) ORDER BY CAST((CASE WHEN LENGTH(MIN((t0.`name` COLLATE utf8mb4_bin))) > 65540 THEN COT(0 * LENGTH(MIN((t0.`name` COLLATE utf8mb4_bin)))) ELSE MIN((t0.`name` COLLATE utf8mb4_bin)) END) AS BINARY) ASC
          Int32(2)
          Int32(7)
          Int32(5)
          Int32(7)
          Int32(5)
          Int32(7)
          Int32(1)
          Int32(7)
          Int64(9)
        SELECT ROUND(SUM(t0.`amount`) * 1.00000 / COUNT(t0.`amount`), 6) AS `c0`, SUM(t0.`amount`) AS `c1`, count((CASE WHEN MONTH(t0.`day`) > 0 AND DAYOFMONTH(t0.`day`) > 0 THEN t0.`day` END)) AS `c2` FROM `shop`.`o``dd` AS t0
        SELECT q0.`c0` AS `c0`, q0.`c1` AS `c1` FROM (SELECT (CONVERT(d.`c0` USING utf8mb4) COLLATE utf8mb4_bin) AS `c0`, d.`c1` AS `c1` FROM (SELECT DISTINCT CAST((t0.`name` COLLATE utf8mb4_bin) AS BINARY) AS `c0`, t0.`id` AS `c1` FROM `shop`.`o``dd` AS t0) AS d) AS q0 WHERE (CHAR_LENGTH(q0.`c0`) = CAST(? AS SIGNED))
          Int32(1)
        SELECT q0.`c0` AS `c0` FROM (SELECT * FROM (SELECT (t0.`name` COLLATE utf8mb4_bin) AS `c0` FROM `shop`.`o``dd` AS t0 LIMIT 1) AS u UNION ALL SELECT (CONVERT(t1.`latin` USING utf8mb4) COLLATE utf8mb4_bin) AS `c0` FROM `shop`.`o``dd` AS t1) AS q0
        SELECT t0.`id` AS `c0` FROM `shop`.`o``dd` AS t0 WHERE (t0.`id` = (SELECT t1.`id` AS `c0` FROM `shop`.`o``dd` AS t1 LIMIT 1))
    "#]].assert_eq(&shown);
}
