//! Attacks on the engine and wrong rows that it once gave, each with the answer it gives now.

use crate::harness::{Bench, Options, TABLES, bench, lines, principal, table};
use async_trait::async_trait;
use portico_engine::{Engine, EngineError};
use portico_odata::{BoundWrite, WriteAction};
use portico_provider_api::{
    Capabilities, NativeRequest, QueryContext, QueryStream, RemoteColumn, RemoteSchema, ScalarType, Selection, Source, SourceError,
    SourceErrorKind, SourceQuery, Support, Value, WritableSource,
};
use portico_provider_memory::{Fault, MemorySource};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// A source with other abilities, which refuses what lies beyond them, as real ones do.
struct Tweaked {
    inner: Arc<MemorySource>,
    tweak: fn(&mut Capabilities),
}

impl Tweaked {
    fn capabilities(&self, mut own: Capabilities) -> Capabilities {
        (self.tweak)(&mut own);
        own
    }
}

#[async_trait]
impl Source for Tweaked {
    async fn remote_schema(&self, wanted: &Selection, context: &QueryContext) -> Result<RemoteSchema, SourceError> {
        let schema = self.inner.remote_schema(wanted, context).await?;
        Ok(RemoteSchema { capabilities: self.capabilities(schema.capabilities.clone()), ..schema })
    }
    async fn query(&self, query: SourceQuery, context: &QueryContext) -> Result<QueryStream, SourceError> {
        let own = self.inner.remote_schema(&Selection::All, context).await?.capabilities;
        self.capabilities(own)
            .check(&query)
            .map_err(|error| SourceError::new("tweaked", SourceErrorKind::Unsupported, error.to_string()))?;
        self.inner.query(query, context).await
    }
    fn describe(&self, query: &SourceQuery) -> Vec<NativeRequest> {
        self.inner.describe(query)
    }
    fn writable(&self) -> Option<&dyn WritableSource> {
        self.inner.writable()
    }
}

pub async fn tweaked(options: Options, tweak: fn(&mut Capabilities)) -> Bench {
    let whole = bench(Options { crm: options.crm.clone(), erp: options.erp.clone(), ..Options::default() }).await;
    let mut sources: BTreeMap<String, Arc<dyn Source>> = BTreeMap::new();
    let mut schemas = BTreeMap::new();
    for (name, inner) in [("crm", &whole.crm), ("erp", &whole.erp)] {
        let source = Arc::new(Tweaked { inner: Arc::clone(inner), tweak });
        schemas.insert(name.to_owned(), source.remote_schema(&Selection::All, &QueryContext::default()).await.unwrap());
        sources.insert(name.to_owned(), source);
    }
    let engine = Engine::new(options.settings, sources, serde_json::from_str(&options.access).unwrap()).unwrap();
    let definition = portico_catalog::ModelDefinition {
        sources: vec!["crm".to_owned(), "erp".to_owned()],
        tables: serde_json::from_str(&options.tables).unwrap(),
        ..Default::default()
    };
    let (model, _) = portico_catalog::build(&definition, &schemas, &|model, sql| engine.describe_view(model, sql)).unwrap();
    engine.publish(Arc::new(model));
    whole.crm.clear_log();
    whole.erp.clear_log();
    Bench { engine, ..whole }
}

/// Conditions that fail only on a row that the caller must not see.
const TRAPS: [&str; 3] = [
    "SELECT Id FROM Customers WHERE CASE WHEN Region <> 'EMEA' THEN CAST(Name AS INT) ELSE 1 END = 1",
    "SELECT Id FROM Customers WHERE 10 / (Id - 2) < 100",
    "SELECT c.Id FROM Customers c JOIN Orders o ON o.CustomerId = c.Id AND 10 / (CASE WHEN c.Region = 'APAC' THEN 0 ELSE 1 END) < 100",
];

#[tokio::test]
async fn a_condition_never_meets_a_row_that_a_rule_takes_away() {
    for incapable in [false, true] {
        let bench = bench(Options { incapable, ..Options::default() }).await;
        for text in TRAPS {
            let answer = bench.sql_as(&principal("emea"), text).await;
            assert!(answer.is_ok(), "{text} (incapable {incapable}): {}", answer.unwrap_err());
        }
    }
}

#[tokio::test]
async fn rules_with_numbers_beside_floats() {
    let columns = vec![RemoteColumn::plain("id", ScalarType::Int64, false), RemoteColumn::plain("f", ScalarType::Float64, true)];
    let rows = vec![
        vec![Value::Int64(1), Value::float64(f64::INFINITY)],
        vec![Value::Int64(2), Value::float64(0.5)],
        vec![Value::Int64(3), Value::float64(1e300)],
    ];
    let tables = r#"{ "F": { "source": "erp", "remote": "f", "key": ["id"] }, "Customers": { "source": "crm", "remote": "customers" } }"#;
    let access = r#"{ "roles": { "all": { "F": { "rows": "f > 1.5" } } } }"#;
    for incapable in [false, true] {
        let options = Options {
            tables: tables.to_owned(),
            access: access.to_owned(),
            erp: vec![table("f", columns.clone(), &["id"], &rows)],
            incapable,
            ..Options::default()
        };
        let bench = bench(options).await;
        assert_eq!(bench.rows("all", "SELECT id FROM F").await, ["1", "3"]);
    }
}

#[tokio::test]
async fn keys_do_not_go_through_a_cast_that_loses_something() {
    let tables = r#"{ "O": { "source": "erp", "remote": "o" }, "Customers": { "source": "crm", "remote": "customers" } }"#;
    let access = r#"{ "roles": { "all": { "O": {}, "Customers": {} } } }"#;
    let columns = vec![
        RemoteColumn::plain("k", ScalarType::Int64, false),
        RemoteColumn::plain("amount", ScalarType::Decimal { precision: 12, scale: 2 }, false),
        RemoteColumn::plain("f", ScalarType::Float64, false),
    ];
    let rows: Vec<Vec<Value>> = (0..5_000)
        .map(|k| vec![Value::Int64(k), crate::harness::decimal(120 + k), Value::float64(if k == 7 { f64::NAN } else { k as f64 })])
        .collect();
    let options = |incapable| Options {
        tables: tables.to_owned(),
        access: access.to_owned(),
        erp: vec![table("o", columns.clone(), &["k"], &rows)],
        incapable,
        ..Options::default()
    };
    let (able, unable) = (bench(options(false)).await, bench(options(true)).await);
    for text in [
        "SELECT o.k FROM Customers c JOIN O o ON CAST(o.amount AS BIGINT) = c.\"id\"",
        "SELECT o.k FROM Customers c JOIN O o ON CAST(o.amount AS DECIMAL(12,0)) = CAST(c.\"id\" AS DECIMAL(12,0))",
        "SELECT o.k FROM Customers c JOIN O o ON o.f = CASE WHEN c.\"id\" = 1 THEN CAST('NaN' AS DOUBLE) ELSE 3 END",
        "SELECT o.k FROM O o WHERE o.f IN (SELECT CASE WHEN c.\"id\" = 1 THEN CAST('NaN' AS DOUBLE) ELSE 3 END FROM Customers c)",
    ] {
        assert_eq!(able.rows("all", text).await, unable.rows("all", text).await, "{text}");
    }
}

#[tokio::test]
async fn what_the_source_refuses_together_is_not_sent_together() {
    let bench = tweaked(Options::default(), |own| own.filter.and = Support::None).await;
    let text = "SELECT Name FROM Customers WHERE Region = 'EMEA' AND Id > 1";
    assert_eq!(bench.rows("all", text).await, ["Gamma"]);
    let [query] = bench.crm.log().try_into().unwrap();
    assert!(query.filter.is_some(), "one of the two is still sent");
}

#[tokio::test]
async fn a_table_that_cannot_be_limited_is_not() {
    let bench = tweaked(Options::default(), |own| {
        own.tables.entry("customers".to_owned()).or_default().limit = Some(Support::None);
    })
    .await;
    assert_eq!(bench.rows("all", "SELECT Id FROM Customers LIMIT 2").await.len(), 2);
    assert_eq!(bench.rows("all", "SELECT Id FROM Customers ORDER BY Id LIMIT 2 OFFSET 1").await, ["2", "3"]);
}

#[tokio::test]
async fn the_cache_is_told_of_a_write_whose_client_went_away() {
    let tables = TABLES.replace(r#""version": "version","#, r#""freshness": "1h","#);
    let bench = bench(Options { tables, ..Options::default() }).await;
    let text = "SELECT count(*) FROM Customers";
    assert_eq!(bench.rows("all", text).await, ["5"]);
    bench.crm.set_fault(Fault { delay: Some(Duration::from_millis(300)), ..Fault::default() });
    let values = vec![(0, Value::Int64(6)), (1, Value::text("New"))];
    let write = BoundWrite { table: "Customers".to_owned(), action: WriteAction::Insert { values }, select: Vec::new() };
    let gone = tokio::time::timeout(Duration::from_millis(100), bench.write("all", &write)).await;
    assert!(gone.is_err());
    bench.crm.set_fault(Fault::default());
    bench.crm.clear_log();
    bench.rows("all", text).await;
    assert_eq!(bench.crm.log().len(), 1, "the outcome is unknown, so the cache does not know either");
}

#[tokio::test]
async fn subqueries_are_cut_wherever_they_stand() {
    let bench = bench(Options::default()).await;
    assert_eq!(bench.rows("all", "SELECT sum(Id + (SELECT max(OrderId) FROM Orders)) FROM Customers").await, ["565"]);
    assert_eq!(bench.rows("all", "SELECT count(*) FROM Customers GROUP BY Id > (SELECT min(CustomerId) FROM Orders)").await, ["1", "4"]);
    assert_eq!(bench.rows("all", "SELECT Id FROM Customers ORDER BY (SELECT max(OrderId) FROM Orders) LIMIT 1").await.len(), 1);
}

#[tokio::test]
async fn pushed_functions_mean_the_same() {
    let columns = vec![
        RemoteColumn::plain("k", ScalarType::Int64, false),
        RemoteColumn::plain("s", ScalarType::Text, true),
        RemoteColumn::plain("f", ScalarType::Float64, true),
        RemoteColumn::plain("d", ScalarType::Decimal { precision: 9, scale: 2 }, true),
        RemoteColumn::plain("t", ScalarType::Timestamp, true),
        RemoteColumn::plain("z", ScalarType::TimestampTz, true),
        RemoteColumn::plain("i", ScalarType::Int32, true),
        RemoteColumn::plain("b", ScalarType::Boolean, true),
        RemoteColumn::plain("dt", ScalarType::Date, true),
    ];
    let texts = ["straße", "İ", "ŉ", "  x ", "\tx", "12", "1.50", "ΑΣ", "", "ǆ"];
    let rows: Vec<Vec<Value>> = texts
        .iter()
        .enumerate()
        .map(|(k, text)| {
            let k = k as i64;
            vec![
                Value::Int64(k),
                Value::text(*text),
                Value::float64([0.5, -0.5, 2.5, 1e20, -1.5, 0.1, 1e-7, 100.0, 3.0, -0.0][k as usize]),
                Value::Decimal {
                    unscaled: [50, -50, 250, 150, -150, 149, 0, 1, -1, 99999].map(i64::from)[k as usize].into(),
                    precision: 9,
                    scale: 2,
                },
                Value::Timestamp(k * 86_399_999_999 - 3_000_000_000_000),
                Value::TimestampTz(k * 86_399_999_999 - 3_000_000_000_000),
                Value::Int32(k as i32 * 7 - 30),
                Value::Boolean(k % 2 == 0),
                Value::Date(k as i32 * 100 - 500),
            ]
        })
        .collect();
    let tables = r#"{ "T": { "source": "erp", "remote": "t", "key": ["k"] }, "Customers": { "source": "crm", "remote": "customers" } }"#;
    let access = r#"{ "roles": { "all": { "T": {} } } }"#;
    let options = |incapable| Options {
        tables: tables.to_owned(),
        access: access.to_owned(),
        erp: vec![table("t", columns.clone(), &["k"], &rows)],
        incapable,
        ..Options::default()
    };
    let (able, unable) = (bench(options(false)).await, bench(options(true)).await);
    let mut wrong = Vec::new();
    for expression in [
        "upper(s)",
        "lower(s)",
        "btrim(s)",
        "trim(s)",
        "character_length(s)",
        "length(s)",
        "octet_length(s)",
        "substr(s, 1, 2)",
        "substr(s, 2)",
        "strpos(s, 'x')",
        "left(s, 2)",
        "round(f)",
        "floor(f)",
        "ceil(f)",
        "abs(f)",
        "round(d)",
        "floor(d)",
        "ceil(d)",
        "abs(d)",
        "abs(i)",
        "round(i)",
        "-d",
        "-i",
        "-f",
        "CAST(f AS VARCHAR)",
        "CAST(d AS VARCHAR)",
        "CAST(t AS VARCHAR)",
        "CAST(z AS VARCHAR)",
        "CAST(dt AS VARCHAR)",
        "CAST(b AS VARCHAR)",
        "CAST(i AS VARCHAR)",
        "CAST(d AS BIGINT)",
        "CAST(d AS INT)",
        "CAST(d AS DOUBLE)",
        "CAST(d AS DECIMAL(9,1))",
        "CAST(d AS DECIMAL(12,3))",
        "CAST(i AS DECIMAL(9,2))",
        "CAST(i AS DOUBLE)",
        "CAST(b AS INT)",
        "CAST(t AS DATE)",
        "CAST(z AS DATE)",
        "CAST(t AS TIME)",
        "CAST(dt AS TIMESTAMP)",
        "CAST(f AS DECIMAL(38,6))",
        "CAST(f AS FLOAT)",
        "CAST(i AS SMALLINT)",
        "CAST(i AS BOOLEAN)",
        "i / 7",
        "i % 7",
        "d / 7",
        "d * d",
        "d + 1",
        "d - 0.001",
        "d % 2",
        "f / 3",
        "f % 2",
        "i + d",
        "i * f",
        "k + i",
        "date_part('year', t)",
        "date_part('month', z)",
        "date_part('day', dt)",
        "date_part('hour', t)",
        "date_part('minute', t)",
        "date_part('second', t)",
        "date_part('second', z)",
        "extract(hour FROM CAST(t AS TIME))",
        "s || '!'",
        "concat(s, 'a')",
        "nullif(s, '12')",
        "coalesce(s, 'x')",
        "CASE b WHEN true THEN 1 ELSE 2 END",
        "i BETWEEN -10 AND 10",
        "s BETWEEN 'a' AND 'z'",
        "s LIKE '%ß%'",
        "s ILIKE 'STRASSE'",
        "b = true",
        "b > false",
        "dt + INTERVAL '1 day'",
        "t > '1970-01-01'",
        "dt < '1970-01-01'",
        "t = dt",
        "greatest(i, k)",
        "i IN (5, 12, NULL)",
        "s NOT IN ('12', '')",
        "i IS DISTINCT FROM 5",
    ] {
        for text in [
            format!("SELECT k, {expression} AS x FROM T"),
            format!("SELECT k FROM T WHERE ({expression}) IS NOT NULL"),
            format!("SELECT k FROM T WHERE ({expression}) = (SELECT {expression} FROM T WHERE k = 4)"),
        ] {
            let show = |outcome: Result<Vec<arrow::array::RecordBatch>, EngineError>| {
                outcome.map_or_else(|error| format!("error: {error}"), |found| lines(&found).join(" "))
            };
            let (a, b) = (show(able.sql_as(&principal("all"), &text).await), show(unable.sql_as(&principal("all"), &text).await));
            if a != b && !(a.starts_with("error") && b.starts_with("error")) {
                wrong.push(format!("{text}\n   pushed: {a}\n    local: {b}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn a_guard_holds_beside_a_subquery_too() {
    let text = "SELECT Id FROM Customers WHERE 10 / (Id - 2) < (SELECT max(OrderId) FROM Orders)";
    let cast =
        "SELECT Id FROM Customers WHERE CASE WHEN Region <> 'EMEA' THEN CAST(Name AS INT) ELSE 1 END < (SELECT max(OrderId) FROM Orders)";
    let random = "SELECT Id FROM Customers WHERE 10 / (Id - 2) < 100 + random()";
    for incapable in [false, true] {
        let bench = bench(Options { incapable, ..Options::default() }).await;
        for text in [text, cast, random] {
            let answer = bench.sql_as(&principal("emea"), text).await;
            assert!(answer.is_ok(), "{text} (incapable {incapable}): {}", answer.unwrap_err());
        }
    }
}

#[tokio::test]
async fn a_join_that_multiplies_rows_ends_at_its_deadline() {
    let bench = bench(Options::default()).await;
    let caller = principal("all");
    for text in [
        "SELECT count(*) FROM Orders a, Orders b, Orders c, Orders d, Orders e, Orders f, Orders g, Orders h, Orders i, Orders j",
        "SELECT count(*) FROM (SELECT 1 x FROM Orders a, Orders b, Orders c, Orders d) p
            JOIN (SELECT 1 y FROM Orders a, Orders b, Orders c, Orders d, Orders e, Orders f) q ON p.x = q.y",
    ] {
        let mut short = crate::harness::context(&caller);
        short.deadline = std::time::SystemTime::now() + Duration::from_millis(500);
        let started = std::time::Instant::now();
        assert!(matches!(bench.sql_in(&short, text).await, Err(EngineError::Timeout)), "{text}");
        assert!(started.elapsed() < Duration::from_secs(10), "{text}: {:?}", started.elapsed());
    }
}

#[tokio::test]
async fn a_statement_that_would_overflow_the_stack_or_never_be_planned_is_refused() {
    let bench = bench(Options::default()).await;
    let mut bomb = "WITH c0 AS (SELECT Id FROM Customers)".to_owned();
    for level in 1..40 {
        bomb.push_str(&format!(", c{level} AS (SELECT a.Id FROM c{before} a, c{before} b)", before = level - 1));
    }
    let chain = |start: &str, link: &str| format!("SELECT Id FROM Customers WHERE {start}{}", link.repeat(20_000));
    let hostile = [
        chain("1 = Id", "+1"),
        chain("1 = Id", "*Id"),
        chain("Id = 1", " OR Id = 2"),
        chain("Id = 1", " AND Id BETWEEN 1 AND 2"),
        chain("Id", " BETWEEN 1 AND 2"),
        chain("Id", "::int"),
        chain("Id", " IS NULL"),
        chain("Id", "[1]"),
        chain("Name = 'x'", "||'a'"),
        chain("CASE WHEN true THEN 1 ELSE 2 END", "+CASE WHEN true THEN 1 ELSE 2 END"),
        format!("SELECT 1{}", " UNION ALL SELECT 1, 1".repeat(2_000)),
        format!("SELECT 1 FROM Customers{}", ", Customers".repeat(2_000)),
        format!("SELECT 1 FROM Customers{}", " CROSS JOIN Customers".repeat(2_000)),
        format!("SELECT {}1{}", "(".repeat(40), format!("{})", "+1".repeat(90)).repeat(40)),
        bomb + " SELECT count(*) FROM c39",
        "WITH a AS (SELECT * FROM b), b AS (SELECT * FROM a) SELECT * FROM a".to_owned(),
    ];
    for text in hostile {
        let error = bench.error("all", &text).await;
        assert!(matches!(error, EngineError::Limit(_)), "{}…: {error}", &text[..80]);
    }
    let alternatives = format!("SELECT Id FROM Customers WHERE Id = 1{}", " OR Id + 1 = 3".repeat(300));
    assert_eq!(bench.rows("all", &alternatives).await, ["1", "2"]);
    let listed = format!("SELECT Id FROM Customers WHERE Id IN (1{})", ", 7".repeat(20_000));
    assert_eq!(bench.rows("all", &listed).await, ["1"]);
}

#[tokio::test]
async fn what_is_hidden_is_neither_named_nor_mistaken_for_a_fault() {
    let tables = TABLES.replace(r#""Revenue": {"#, r#""Star": { "sql": "SELECT * FROM Customers", "key": ["Id"] }, "Revenue": {"#);
    let access = r#"{ "roles": { "emea": { "Star": {}, "Customers": { "hide": ["Name"], "write": ["insert"] } } } }"#;
    let bench = bench(Options { tables, access: access.to_owned(), ..Options::default() }).await;
    assert!(matches!(bench.error("emea", "SELECT * FROM Star").await, EngineError::Forbidden(_)));
    let action = WriteAction::Insert { values: vec![(0, Value::Int64(9))] };
    let write = BoundWrite { table: "Customers".to_owned(), action, select: vec![0] };
    let refused = bench.write("emea", &write).await.err().unwrap();
    assert!(matches!(&refused, EngineError::Forbidden(message) if !message.contains("Name")), "{refused}");
}
