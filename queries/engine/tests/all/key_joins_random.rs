//! Random joins of tables that can only be asked by keys, in both sources and with few keys in a request, give the rows of tables without such a
//! requirement. `PORTICO_SEED` repeats a run.

use crate::harness::{Bench, Options, bench, lines, principal, table};
use crate::key_joins::{keys, sorted};
use crate::null_logic::seed;
use fastrand::Rng;
use portico_engine::EngineError;
use portico_provider_api::capabilities::Requirement;
use portico_provider_api::{RemoteColumn, ScalarType, Value};
use portico_provider_memory::MemoryTable;

const COLUMNS: [&str; 4] = ["a", "b", "s", "v"];

/// Small numbers and texts of different widths, many of them null.
fn random_table(name: &str, a: ScalarType, random: &mut Rng) -> MemoryTable {
    let columns = vec![
        RemoteColumn::plain("id", ScalarType::Int64, false),
        RemoteColumn::plain("a", a, true),
        RemoteColumn::plain("b", ScalarType::Int32, true),
        RemoteColumn::plain("s", ScalarType::Text, true),
        RemoteColumn::plain("v", ScalarType::Int64, false),
    ];
    let row = |id: i64, random: &mut Rng| {
        let number = random.i16(0..8);
        let a_value = match a {
            ScalarType::Int16 => Value::Int16(number),
            ScalarType::Int32 => Value::Int32(number.into()),
            _ => Value::Int64(number.into()),
        };
        let text = ["x", "X", "y", "", "é"][random.usize(0..5)];
        vec![
            Value::Int64(id),
            if random.u8(0..5) == 0 { Value::Null(a) } else { a_value },
            if random.u8(0..5) == 0 { Value::Null(ScalarType::Int32) } else { Value::Int32(random.i32(0..4)) },
            if random.u8(0..5) == 0 { Value::Null(ScalarType::Text) } else { Value::text(text) },
            Value::Int64(random.i64(0..100)),
        ]
    };
    let rows: Vec<Vec<Value>> = (0..random.i64(1..40)).map(|id| row(id, random)).collect();
    table(name, columns, &["id"], &rows)
}

/// What a table may require.
fn requirement(random: &mut Rng) -> Vec<Vec<Requirement>> {
    let one = |random: &mut Rng| match random.u8(0..6) {
        0 => keys(&["a"]),
        1 => keys(&["b"]),
        2 => keys(&["s"]),
        3 => keys(&["a", "b"]),
        4 => keys(&["b", "s"]),
        _ => vec![Requirement::Key("b".to_owned()), Requirement::From("v".to_owned())],
    };
    (0..random.usize(1..3)).map(|_| one(random)).collect()
}

fn condition(random: &mut Rng, alias: &str) -> String {
    match random.u8(0..9) {
        0 => format!("{alias}.a = {}", random.u8(0..8)),
        1 => format!("{alias}.a IN ({}, {}, {}, {}, NULL)", random.u8(0..8), random.u8(0..8), random.u8(0..8), random.u8(0..8)),
        2 => format!("({alias}.b = {} OR ({alias}.b = {} AND {alias}.v % 2 = 0))", random.u8(0..4), random.u8(0..4)),
        3 => format!("{alias}.s = '{}'", ["x", "X", "é"][random.usize(0..3)]),
        4 => format!("{alias}.v >= {}", random.u8(0..100)),
        5 => format!("{alias}.v < {}", random.u8(0..100)),
        6 => format!("{alias}.b IS NOT NULL"),
        7 => format!("({alias}.b IS NOT DISTINCT FROM {})", random.u8(0..4)),
        _ => format!("{alias}.id > {}", random.u8(0..10)),
    }
}

/// Of one column, or of two.
struct Writer<'a> {
    random: &'a mut Rng,
    several: bool,
}

fn equalities(writer: &mut Writer<'_>, one: &str, other: &str) -> String {
    let Writer { random, several } = writer;
    let column = |random: &mut Rng| COLUMNS[random.usize(0..3)];
    let first = column(random);
    let mut text = format!("{one}.{first} = {other}.{first}");
    if *several && random.bool() {
        let second = column(random);
        let op = if random.u8(0..6) == 0 { "IS NOT DISTINCT FROM" } else { "=" };
        text.push_str(&format!(" AND ({one}.{second} {op} {other}.{second})"));
    }
    text
}

fn relation(random: &mut Rng, alias: &str) -> String {
    let name = ["R", "S", "T", "U"][random.usize(0..4)];
    match random.u8(0..8) {
        0 => format!("(SELECT a, b, s, max(v) AS v, min(id) AS id FROM {name} GROUP BY a, b, s) {alias}"),
        1 => format!("(SELECT DISTINCT a, b, s, 1 AS v, 2 AS id FROM {name}) {alias}"),
        2 => format!("(SELECT * FROM {name} UNION ALL SELECT * FROM U) {alias}"),
        3 => format!("(SELECT a, b, s, v, id FROM {name} WHERE {}) {alias}", condition(random, name)),
        _ => format!("{name} {alias}"),
    }
}

fn statement(writer: &mut Writer<'_>) -> String {
    let random = &mut *writer.random;
    let (x, y, z) = (relation(random, "x"), relation(random, "y"), relation(random, "z"));
    let join = ["JOIN", "JOIN", "JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"][random.usize(0..6)];
    let kind = random.u8(0..8);
    let mut text = match kind {
        0 => format!("SELECT x.id, x.v FROM {x} WHERE EXISTS (SELECT 1 FROM {y} WHERE {})", equalities(writer, "y", "x")),
        1 => format!("SELECT x.id, x.v FROM {x} WHERE NOT EXISTS (SELECT 1 FROM {y} WHERE {})", equalities(writer, "y", "x")),
        2 => format!("SELECT x.id, x.v FROM {x} WHERE x.a IN (SELECT y.a FROM {y})"),
        3 => format!("SELECT x.id, x.v FROM {x} WHERE x.b NOT IN (SELECT y.b FROM {y})"),
        4 => format!("SELECT x.id, x.v FROM {x} WHERE x.v > 0"),
        5 => {
            let (first, second) = (equalities(writer, "x", "y"), equalities(writer, "y", "z"));
            format!("SELECT x.id, y.id, z.id, z.v FROM {x} {join} {y} ON {first} JOIN {z} ON {second} WHERE x.id >= 0")
        }
        _ => format!("SELECT x.id, y.id, y.v FROM {x} {join} {y} ON {} WHERE 1 = 1", equalities(writer, "x", "y")),
    };
    for _ in 0..writer.random.u8(0..3) {
        text.push_str(&format!(" AND {}", condition(writer.random, "x")));
    }
    text
}

async fn world(tables: &[MemoryTable], capabilities: Option<portico_provider_api::Capabilities>) -> Bench {
    let definition = r#"{ "R": { "source": "erp", "remote": "r" }, "S": { "source": "erp", "remote": "s" },
        "T": { "source": "crm", "remote": "t" }, "U": { "source": "crm", "remote": "u" } }"#;
    bench(Options {
        tables: definition.to_owned(),
        access: r#"{ "roles": { "all": { "R": {}, "S": {}, "T": {}, "U": {} } } }"#.to_owned(),
        erp: tables[..2].to_vec(),
        crm: tables[2..].to_vec(),
        capabilities,
        ..Options::default()
    })
    .await
}

#[tokio::test]
async fn random_joins_over_tables_that_require_keys() {
    let seed = seed();
    let mut random = Rng::with_seed(seed);
    let (mut answered, mut refused) = (0, 0);
    for number in 0..10 {
        // Keys of several columns are looked up in columns of their own types.
        let mixed = number % 2 == 0;
        let types = [ScalarType::Int64, ScalarType::Int32, ScalarType::Int16, ScalarType::Int64];
        let types = if mixed { types } else { [ScalarType::Int32; 4] };
        let tables: Vec<MemoryTable> =
            ["r", "s", "t", "u"].into_iter().zip(types).map(|(name, a)| random_table(name, a, &mut random)).collect();
        let mut declared = portico_provider_memory::capabilities::capabilities();
        declared.keys.max_tuples = [1, 2, 3, 1_000][random.usize(0..4)];
        if random.bool() {
            declared.filter = Default::default();
            declared.joins = Default::default();
        }
        // The last one can be read as a whole.
        let required: Vec<_> = ["r", "s", "t"].map(|name| (name, requirement(&mut random))).to_vec();
        for (name, required) in &required {
            declared.tables.entry((*name).to_owned()).or_default().required_keys.clone_from(required);
        }
        let (strict, free) = (world(&tables, Some(declared)).await, world(&tables, None).await);
        for _ in 0..50 {
            let text = statement(&mut Writer { random: &mut random, several: !mixed });
            match strict.sql_as(&principal("all"), &text).await {
                Ok(batches) => {
                    answered += 1;
                    let expected = free.rows("all", &text).await;
                    assert_eq!(sorted(lines(&batches)), sorted(expected), "seed {seed}, {required:?}: {text}");
                }
                Err(EngineError::Invalid(message)) if message.contains("can only be read by") => refused += 1,
                Err(other) => panic!("seed {seed}, {required:?}: {text}: {other}"),
            }
        }
        assert!(strict.erp.log().iter().all(|query| query.keys.is_some() || query.filter.is_some()), "seed {seed}");
    }
    println!("{answered} answered, {refused} refused");
    assert!(answered > 40 && refused > 40, "{answered} answered, {refused} refused");
}
