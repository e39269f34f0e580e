//! The first promise: a query gives the same rows however much of it the sources evaluate. Random queries over random rows, once
//! with every ability of the source and once with none.

use crate::harness::{Bench, Options, bench, principal, table};
use arrow::util::pretty::pretty_format_batches;
use portico_provider_api::value::Float;
use portico_provider_api::{RemoteColumn, ScalarType, Value};
use portico_provider_memory::MemoryTable;

const TABLES: &str =
    r#"{ "T": { "source": "erp", "remote": "t", "key": ["k"] }, "Customers": { "source": "crm", "remote": "customers" } }"#;
const ACCESS: &str = r#"{ "roles": { "all": { "T": {} } } }"#;

fn random_table(random: &mut fastrand::Rng) -> MemoryTable {
    let nullable = |name: &str, scalar_type| RemoteColumn::plain(name, scalar_type, true);
    let decimal = ScalarType::Decimal { precision: 9, scale: 2 };
    let columns = vec![
        RemoteColumn::plain("k", ScalarType::Int64, false),
        nullable("i", ScalarType::Int32),
        nullable("f", ScalarType::Float64),
        nullable("d", decimal),
        nullable("s", ScalarType::Text),
        nullable("b", ScalarType::Boolean),
        nullable("t", ScalarType::Timestamp),
        nullable("g", ScalarType::Guid),
    ];
    let floats = [0.0, -0.0, 1.5, -2.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY];
    let texts = ["", "a", "A", "ab", "é", "𝔸", "%", "_x", "note 1"];
    let guids = ["00000000-0000-0000-0000-000000000000", "6f9619ff-8b86-d011-b42d-00c04fc964ff"];
    let rows: Vec<Vec<Value>> = (0..60)
        .map(|k| {
            let maybe = |scalar_type: ScalarType, value: Value, random: &mut fastrand::Rng| {
                if random.u8(0..5) == 0 { Value::Null(scalar_type) } else { value }
            };
            vec![
                Value::Int64(k),
                maybe(ScalarType::Int32, Value::Int32(random.i32(-5..5)), &mut random.clone()),
                maybe(ScalarType::Float64, Value::Float64(Float(floats[random.usize(0..floats.len())])), &mut random.clone()),
                maybe(decimal, Value::Decimal { unscaled: random.i64(-300..300).into(), precision: 9, scale: 2 }, &mut random.clone()),
                maybe(ScalarType::Text, Value::text(texts[random.usize(0..texts.len())]), &mut random.clone()),
                maybe(ScalarType::Boolean, Value::Boolean(random.bool()), &mut random.clone()),
                maybe(ScalarType::Timestamp, Value::Timestamp(random.i64(-4..4) * 86_400_000_000), &mut random.clone()),
                maybe(ScalarType::Guid, Value::Guid(guids[random.usize(0..2)].to_owned()), &mut random.clone()),
            ]
        })
        .collect();
    table("t", columns, &["k"], &rows)
}

fn pick<'a>(random: &mut fastrand::Rng, choices: &[&'a str]) -> &'a str {
    choices[random.usize(0..choices.len())]
}

fn predicate(random: &mut fastrand::Rng, depth: u8) -> String {
    if depth > 0 && random.u8(0..3) > 0 {
        let (left, right) = (predicate(random, depth - 1), predicate(random, depth - 1));
        return match random.u8(0..4) {
            0 => format!("NOT ({left})"),
            1 => format!("({left} OR {right})"),
            _ => format!("({left} AND {right})"),
        };
    }
    let op = pick(random, &["=", "<>", "<", "<=", ">", ">=", "IS DISTINCT FROM", "IS NOT DISTINCT FROM"]);
    let leaf = match random.u8(0..12) {
        0 => format!("i {op} {}", random.i32(-5..5)),
        1 => format!("f {op} {}", pick(random, &["0.0", "-0.0", "1.5", "CAST('NaN' AS DOUBLE)", "CAST('inf' AS DOUBLE)", "-2"])),
        2 => format!("d {op} {}", pick(random, &["0", "1.5", "-1.25", "0.001"])),
        3 => format!("s {op} {}", pick(random, &["''", "'a'", "'A'", "'é'", "'_x'"])),
        4 => format!("t {op} TIMESTAMP '1970-01-02T00:00:00'"),
        5 => {
            format!("g {op} {}", pick(random, &["'6f9619ff-8b86-d011-b42d-00c04fc964ff'", "'6F9619FF-8B86-D011-B42D-00C04FC964FF'", "'x'"]))
        }
        6 => pick(random, &["b", "NOT b", "b IS NULL", "b IS TRUE", "b = (i > 0)"]).to_owned(),
        7 => format!("s LIKE {}", pick(random, &["'a%'", "'%'", "'\\_x'", "'note _'", "'%é%'"])),
        8 => format!("i IN ({}, {}, NULL)", random.i32(-5..5), random.i32(-5..5)),
        9 => format!("i + {} {op} k", random.i32(-5..5)),
        10 => pick(random, &["starts_with(s, 'a')", "contains(s, 'x')", "strpos(s, 'b') = 2", "upper(s) = 'A'", "character_length(s) = 1"])
            .to_owned(),
        _ => format!("CASE WHEN i > 0 THEN d ELSE -d END {op} 1.00"),
    };
    // The parser takes what follows IS DISTINCT FROM up to the end for its operand.
    format!("({leaf})")
}

fn statement(random: &mut fastrand::Rng) -> String {
    let output = pick(random, &["k", "k, i, f", "k, s || 'x' AS x", "k, i * 2 AS twice", "k, g, b, t", "count(*), sum(d)", "s, count(*)"]);
    let mut text = format!("SELECT {output} FROM T WHERE {}", predicate(random, 3));
    if output == "s, count(*)" {
        text.push_str(" GROUP BY s");
    } else if !output.starts_with("count") && random.bool() {
        // Not by `f`: a source may take 0 and -0 for equal, and then their order is its own.
        let order = pick(random, &["i", "s", "d", "t", "b"]);
        let (direction, nulls) = (pick(random, &["ASC", "DESC"]), pick(random, &["FIRST", "LAST"]));
        text.push_str(&format!(" ORDER BY {order} {direction} NULLS {nulls}, k LIMIT {} OFFSET {}", random.u8(0..20), random.u8(0..5)));
    }
    text
}

async fn outcome(bench: &Bench, text: &str) -> String {
    match bench.sql_as(&principal("all"), text).await {
        Ok(batches) => {
            let shown = pretty_format_batches(&batches).unwrap().to_string();
            let mut lines: Vec<&str> = shown.lines().collect();
            if !text.contains("ORDER BY") {
                lines.sort_unstable();
            }
            lines.join("\n")
        }
        Err(error) => panic!("{text}: {error}"),
    }
}

#[tokio::test]
async fn pushed_down_or_not() {
    let seed = std::env::var("PORTICO_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| fastrand::u64(..));
    println!("seed {seed} (set PORTICO_SEED to repeat)");
    let mut random = fastrand::Rng::with_seed(seed);
    let rows = random_table(&mut random);
    let options = |incapable| Options {
        tables: TABLES.to_owned(),
        access: ACCESS.to_owned(),
        erp: vec![rows.clone()],
        incapable,
        ..Options::default()
    };
    let (able, unable) = (bench(options(false)).await, bench(options(true)).await);
    let mut pushed = 0;
    for _ in 0..400 {
        let text = statement(&mut random);
        able.erp.clear_log();
        let with = outcome(&able, &text).await;
        pushed += able.erp.log().iter().filter(|query| query.filter.is_some()).count();
        assert_eq!(with, outcome(&unable, &text).await, "seed {seed}: {text}");
    }
    assert!(pushed > 100, "hardly anything was pushed down: {pushed} of 400");
}
