//! What a real server's types become: introspection as a golden text, values at the edges of every type, and values that must be errors.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

mod database;

use arrow::datatypes::i256;
use database::{Database, introspect, relation, rows};
use expect_test::expect;
use portico_provider_api::{
    Change, ChangeSet, ChangeValue, CompareOp, Expr, Output, QueryContext, RemoteSchema, RemoteTableName, ScalarType, Selection,
    SourceErrorKind, SourceQuery, Support, Value,
};
use std::fmt::Write as _;

const SCHEMA: &str = r#"
CREATE EXTENSION citext;
CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TYPE mood AS ENUM ('sad', 'glad');
CREATE DOMAIN money_amount AS numeric(13,2) CHECK (VALUE >= 0);
CREATE DOMAIN price AS money_amount NOT NULL DEFAULT 0;
CREATE TABLE customer (
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    code char(5) NOT NULL UNIQUE,
    name varchar(40) NOT NULL DEFAULT 'x',
    email citext,
    nick text COLLATE loose,
    credit money_amount,
    list_price price,
    free numeric,
    tens numeric(5,-2),
    feeling mood,
    feelings mood[],
    every interval,
    address inet,
    big oid,
    short "char",
    system_name name,
    at_zone timetz,
    document jsonb,
    doubled int GENERATED ALWAYS AS (id * 2) STORED
);
COMMENT ON TABLE customer IS 'Who buys';
COMMENT ON COLUMN customer.code IS 'As printed';
CREATE TABLE orders (
    customer_id int REFERENCES customer (id),
    line int,
    "Customer Code" char(5) REFERENCES customer (code),
    PRIMARY KEY (line, customer_id)
) PARTITION BY RANGE (line);
CREATE TABLE orders_1 PARTITION OF orders FOR VALUES FROM (0) TO (100);
CREATE UNIQUE INDEX ON customer (lower(name));
CREATE UNIQUE INDEX ON customer (name, email);
CREATE VIEW names AS SELECT id, name FROM customer;
CREATE VIEW counted AS SELECT count(*) AS n FROM customer;
CREATE MATERIALIZED VIEW kept AS SELECT name FROM customer;
CREATE SCHEMA other;
CREATE TABLE other.thing (id bigserial PRIMARY KEY);
CREATE TABLE hidden (id int);
"#;

fn print(schema: &RemoteSchema) -> String {
    let mut text = String::new();
    for table in &schema.tables {
        let flags = [table.writable.then_some("writable"), table.row_version.as_ref().map(|version| version.name.as_str())]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>();
        let comment = table.description.as_deref().unwrap_or_default();
        writeln!(text, "{} [{}] key({}) {comment}", table.name, flags.join(" "), table.primary_key.join(", ")).unwrap();
        for key in &table.unique_keys {
            writeln!(text, "  unique({})", key.join(", ")).unwrap();
        }
        for key in &table.foreign_keys {
            writeln!(text, "  {}: ({}) -> {}({})", key.name, key.columns.join(", "), key.references, key.referenced_columns.join(", "))
                .unwrap();
        }
        for column in &table.columns {
            let length = column.max_length.map(|length| format!("[{length}]")).unwrap_or_default();
            let flags = [(column.nullable, "null"), (column.has_default, "default"), (column.generated, "generated")];
            let flags: Vec<_> = flags.into_iter().filter(|(set, _)| *set).map(|(_, name)| name).collect();
            let restriction = schema.capabilities.tables.get(&table.name.to_string()).and_then(|table| table.columns.get(&column.name));
            let restricted = if restriction.and_then(|column| column.filter) == Some(Support::None) { " not compared" } else { "" };
            writeln!(text, "  {} {}{length} ({}) {}{restricted}", column.name, column.scalar_type, column.native_type, flags.join(" "))
                .unwrap();
        }
    }
    text.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

#[tokio::test]
async fn introspection_finds_what_is_there() {
    let database = Database::create().await;
    database.run(SCHEMA).await;
    let source = database.source(1);
    let context = QueryContext::default();
    let schema = source.remote_schema(&Selection::All, &context).await.unwrap();
    expect![[r#"
        other.thing [writable xmin] key(id)
          id int64 (int8) default
        public.counted [] key()
          n int64 (int8) null
        public.customer [writable xmin] key(id) Who buys
          unique(code)
          unique(name, email)
          id int32 (int4) default generated
          code text[5] (bpchar)
          name text[40] (varchar) default
          email text (citext) null
          nick text (text collate nondeterministic) null
          credit decimal(13,2) (numeric) null
          list_price decimal(13,2) (numeric) null default
          free decimal(38,18) (numeric) null
          tens decimal(7,0) (numeric) null
          feeling text[4] (public.mood) null
          feelings json (public._mood) null
          every text (interval) null not compared
          address text (inet) null not compared
          big int64 (oid) null
          short text (char) null not compared
          system_name text[63] (name) null
          at_zone text (timetz) null not compared
          document json (jsonb) null
          doubled int32 (int4) null default generated
        public.hidden [writable xmin] key()
          id int32 (int4) null
        public.kept [] key()
          name text[40] (varchar) null
        public.names [writable] key()
          id int32 (int4) null
          name text[40] (varchar) null
        public.orders [writable] key(line, customer_id)
          orders_Customer Code_fkey: (Customer Code) -> public.customer(code)
          orders_customer_id_fkey: (customer_id) -> public.customer(id)
          customer_id int32 (int4)
          line int32 (int4)
          Customer Code text[5] (bpchar) null
    "#]]
    .assert_eq(&print(&schema));

    // The version follows the schema, not the rows.
    database.run("INSERT INTO hidden SELECT generate_series(1, 500); ANALYZE hidden").await;
    let again = source.remote_schema(&Selection::All, &context).await.unwrap();
    assert_eq!(schema.version, again.version);
    let hidden = RemoteTableName(vec!["public".to_owned(), "hidden".to_owned()]);
    assert_eq!(again.table(&hidden).unwrap().row_estimate, Some(500));
    database.run("ALTER TABLE hidden ALTER COLUMN id SET NOT NULL").await;
    assert_ne!(source.remote_schema(&Selection::All, &context).await.unwrap().version, schema.version);
}

#[tokio::test]
async fn a_selection_and_the_schemas_limit_what_is_described() {
    let database = Database::create().await;
    database.run(SCHEMA).await;
    let source = database.source(1);
    let names = |list: &[&str]| Selection::Tables(list.iter().map(|name| RemoteTableName::parse(name)).collect());
    let context = QueryContext::default();
    let schema =
        source.remote_schema(&names(&["other.thing", "orders", "public.orders", "public.nothing", "a.b.c"]), &context).await.unwrap();
    let found: Vec<String> = schema.tables.iter().map(|table| table.name.to_string()).collect();
    assert_eq!(found, ["other.thing", "public.orders"], "each once, whichever way it is spelt");
    // What is asked without a schema is looked for in the search path.
    let relation = portico_provider_api::TableRelation { table: RemoteTableName::parse("orders"), columns: Vec::new() };
    assert!(rows(&source, SourceQuery::scan(relation), &context).await.unwrap().is_empty());

    let context_of = portico_provider_api::ConnectContext {
        source_name: "billing".to_owned(),
        base_directory: ".".into(),
        max_connections: 1,
        timeout: std::time::Duration::from_secs(10),
        request_time: std::time::Duration::from_secs(600),
    };
    let limited =
        (portico_provider_postgres::kind().connect)(serde_json::json!({"url": database.url, "schemas": ["other"]}), context_of).unwrap();
    let schema = limited.remote_schema(&Selection::All, &context).await.unwrap();
    assert_eq!(schema.tables.len(), 1);
}

#[tokio::test]
async fn a_role_sees_what_it_may_read() {
    let database = Database::create().await;
    let role = format!("{}_reader", database.name);
    database.run(SCHEMA).await;
    database.run(&format!("CREATE ROLE {role} LOGIN PASSWORD 'reader-pw'; GRANT SELECT ON customer TO {role}; GRANT SELECT (id) ON hidden TO {role}; ALTER TABLE hidden ADD secret text")).await;
    let place = database.url.rsplit('@').next().unwrap();
    let source = database::connect(&format!("postgres://{role}:reader-pw@{place}"), 1).unwrap();
    let schema = source.remote_schema(&Selection::All, &QueryContext::default()).await.unwrap();
    let customer_table = relation(&source, "customer").await;
    database.run(&format!("REVOKE SELECT ON customer FROM {role}")).await;
    let refused = rows(&source, SourceQuery::scan(customer_table), &QueryContext::default()).await.unwrap_err();
    drop(source);
    // Privileges of the database go with it, the role does not.
    database
        .run(&format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{role}'; DROP OWNED BY {role}; DROP ROLE {role}"
        ))
        .await;
    let names: Vec<String> = schema.tables.iter().map(|table| table.name.to_string()).collect();
    assert_eq!(names, ["public.customer", "public.hidden"]);
    assert!(schema.tables.iter().all(|table| !table.writable));
    assert_eq!(schema.tables[1].columns.len(), 1, "a column without the right to read it");
    assert_eq!(refused.kind, SourceErrorKind::Credentials, "{refused}");
}

#[tokio::test]
async fn values_at_the_edges_arrive_exactly() {
    let database = Database::create().await;
    database.run(SCHEMA).await;
    database
        .run(
            r#"CREATE TABLE edges (
                fixed char(6), label name, wide numeric(76,0), free numeric, before_christ date, last_day date, noon time, ancient timestamp,
                far timestamptz, feeling mood, every interval, list int[], span int4range, mail citext, document jsonb, raw json, one "char",
                number oid, price money_amount, bits bit(3), guid uuid, empty text);
            INSERT INTO edges VALUES ('ab', 'label', -9999999999999999999999999999999999999999999999999999999999999999999999999999,
                '-12345678901234567890.123456789012345678', '4714-11-24 BC', '5874897-12-31', '12:00:00.000001', '4713-01-01 BC',
                '294246-01-01 00:00:00.999999+00', 'glad', '1 year 2 mons 3 days 04:05:06.789', '{1,NULL,3}', '[1,5)', 'A@b.C', '{"b": 1,  "a":[]}',
                '{"b": 1,  "a":[]}', 'x', 4294967295, 99999999999.99, B'101', 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11', '')"#,
        )
        .await;
    let source = database.source(1);
    let query = SourceQuery::scan(relation(&source, "edges").await);
    let found = rows(&source, query, &QueryContext::default()).await.unwrap().remove(0);
    let nines = i256::from_string(&"9".repeat(76)).unwrap().wrapping_neg();
    let expected = [
        Value::text("ab"),
        Value::text("label"),
        Value::Decimal { unscaled: nines, precision: 76, scale: 0 },
        Value::Decimal { unscaled: i256::from_string("-12345678901234567890123456789012345678").unwrap(), precision: 38, scale: 18 },
        Value::Date(-2_440_588),
        Value::Date(2_145_042_905),
        Value::Time(43_200_000_001),
        Value::Timestamp(-210_863_520_000_000_000),
        Value::TimestampTz(9_223_339_708_800_999_999),
        Value::text("glad"),
        Value::text("P1Y2M3DT4H5M6.789S"),
        Value::Json("[1,null,3]".to_owned()),
        Value::text("[1,5)"),
        Value::text("A@b.C"),
        Value::Json(r#"{"a": [], "b": 1}"#.to_owned()),
        Value::Json(r#"{"b": 1,  "a":[]}"#.to_owned()),
        Value::text("x"),
        Value::Int64(4_294_967_295),
        Value::Decimal { unscaled: i256::from_i128(9_999_999_999_999), precision: 13, scale: 2 },
        Value::text("101"),
        Value::Guid("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11".to_owned()),
        Value::text(""),
    ];
    assert_eq!(found.len(), expected.len());
    for (index, (found, expected)) in found.iter().zip(&expected).enumerate() {
        assert_eq!(found, expected, "column {index}");
    }
}

#[tokio::test]
async fn what_a_type_cannot_hold_is_an_error_that_names_the_column() {
    let database = Database::create().await;
    let source = database.source(1);
    let cases = [
        ("numeric", "'NaN'"),
        ("numeric", "'Infinity'"),
        ("numeric", "1e25"),
        ("numeric", "1e-19"),
        ("numeric(90,2)", "1e80"),
        ("date", "'infinity'"),
        ("timestamp", "'-infinity'"),
        ("timestamptz", "'infinity'"),
        ("timestamp", "'294276-12-31'"),
        ("time", "'24:00'"),
    ];
    for (index, (type_name, value)) in cases.into_iter().enumerate() {
        let table = format!("t{index}");
        database.run(&format!("CREATE TABLE {table} (bad {type_name}); INSERT INTO {table} VALUES ({value})")).await;
        let query = SourceQuery::scan(relation(&source, &table).await);
        let error = rows(&source, query, &QueryContext::default()).await.unwrap_err();
        assert_eq!(error.kind, SourceErrorKind::Malformed, "{type_name} {value}: {error}");
        assert!(error.message.contains(&format!("public.{table}.bad")), "{error}");
    }
}

#[tokio::test]
async fn text_types_compare_as_they_are_read() {
    let database = Database::create().await;
    database.run(SCHEMA).await;
    database
        .run("INSERT INTO customer (code, name, email, nick, feeling) VALUES ('ab', 'n', 'A@b', 'Nick', 'sad'), ('abc', 'm', 'a@b', 'nick', 'glad')")
        .await;
    let source = database.source(1);
    let table = relation(&source, "customer").await;
    let position = |name: &str| table.columns.iter().position(|column| column.name == name).unwrap();
    let count = async |name: &str, op: CompareOp, value: &str| {
        let filter = Expr::compare(op, Expr::Column(position(name)), Expr::Literal(Value::text(value)));
        let query = SourceQuery { filter: Some(filter), ..SourceQuery::scan(table.clone()) };
        rows(&source, query, &QueryContext::default()).await.map(|rows| rows.len())
    };
    for (name, value, expected) in [
        ("code", "ab", 1),
        ("code", "ab ", 0),
        ("email", "a@b", 1),
        ("email", "A@B", 0),
        ("nick", "nick", 1),
        ("nick", "NICK", 0),
        ("feeling", "glad", 1),
        ("feeling", "cheerful", 0),
    ] {
        assert_eq!(count(name, CompareOp::Eq, value).await.unwrap(), expected, "{name} = {value}");
        assert_eq!(count(name, CompareOp::NotEq, value).await.unwrap(), 2 - expected, "{name} <> {value}");
    }
    // By text, not by the enum's own order.
    assert_eq!(count("feeling", CompareOp::Lt, "sad").await.unwrap(), 1);
    let error = count("every", CompareOp::Eq, "P1D").await.unwrap_err();
    assert_eq!(error.kind, SourceErrorKind::Unsupported, "{error}");
    let nick = position("nick");
    let distinct = SourceQuery {
        distinct: true,
        output: vec![Output { name: "nick".to_owned(), expr: Expr::Column(nick) }],
        ..SourceQuery::scan(table.clone())
    };
    assert_eq!(rows(&source, distinct, &QueryContext::default()).await.unwrap().len(), 2);
    assert_eq!(
        introspect(&source, "customer").await.column("credit").unwrap().scalar_type,
        ScalarType::Decimal { precision: 13, scale: 2 }
    );
}

const MADE_UP: &str = r#"
CREATE TYPE mood AS ENUM ('sad', 'glad', 'très content');
CREATE TYPE place AS (street text, number int, at numeric(6,2)[]);
CREATE TYPE floats AS RANGE (subtype = float8);
CREATE DOMAIN good_mood AS mood CHECK (VALUE <> 'sad');
CREATE DOMAIN small_numbers AS int[] CHECK (100 > ALL (VALUE));
CREATE DOMAIN here AS place;
CREATE TABLE made_up (
    id int PRIMARY KEY, feeling good_mood, feelings mood[], numbers small_numbers, grid int[], amounts numeric(12,2)[], names text[],
    days date[], documents jsonb[], home place, homes place[], there here, span daterange, spans int4multirange, heat floats, every interval);
INSERT INTO made_up VALUES
    (1, 'très content', '{glad,sad}', '{1,NULL,3}', '{{1,2},{3,4}}', '{1.50,-0.25,NaN}', '{"a, \"b\"",NULL,""}', '{2024-02-29,infinity}',
     array['{"a": [1]}'::jsonb], ('Elm "Street"', 7, '{1.00}'), array[('x', NULL, NULL)::place], ('y', 1, '{}'), '[2024-01-01,2024-02-01]',
     '{[1,3),[5,8)}', '(,1.5]', '-1 days +02:03:04.5'),
    (2, NULL, '{}', '{}', '{}', NULL, NULL, NULL, NULL, (NULL, NULL, NULL), '{}', NULL, 'empty', '{}', NULL, NULL),
    (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
"#;

#[tokio::test]
async fn types_that_are_made_of_others_are_documents_and_texts() {
    let database = Database::create().await;
    database.run(MADE_UP).await;
    let source = database.source(1);
    let schema = source.remote_schema(&Selection::All, &QueryContext::default()).await.unwrap();
    expect![[r#"
        public.made_up [writable xmin] key(id)
          id int32 (int4)
          feeling text[12] (public.mood) null
          feelings json (public._mood) null
          numbers json (_int4) null
          grid json (_int4) null
          amounts json (_numeric) null
          names json (_text) null
          days json (_date) null
          documents json (_jsonb) null
          home json (public.place) null
          homes json (public._place) null
          there json (public.place) null
          span text (daterange) null not compared
          spans text (int4multirange) null not compared
          heat text (public.floats) null
          every text (interval) null not compared
    "#]]
    .assert_eq(&print(&schema));
    let table = relation(&source, "made_up").await;
    let found = rows(&source, SourceQuery::scan(table.clone()), &QueryContext::default()).await.unwrap();
    let shown: Vec<String> = found[0]
        .iter()
        .chain(&found[1])
        .map(|value| match value {
            Value::Text(text) | Value::Json(text) => text.clone(),
            Value::Null(scalar_type) => format!("null {scalar_type}"),
            other => format!("{other:?}"),
        })
        .collect();
    expect![[r#"
        Int32(1)
        très content
        ["glad","sad"]
        [1,null,3]
        [[1,2],[3,4]]
        [1.50,-0.25,"NaN"]
        ["a, \"b\"",null,""]
        ["2024-02-29","infinity"]
        [{"a": [1]}]
        {"street":"Elm \"Street\"","number":7,"at":[1.00]}
        [{"street":"x","number":null,"at":null}]
        {"street":"y","number":1,"at":[]}
        [2024-01-01,2024-02-02)
        {[1,3),[5,8)}
        (,1.5]
        P-1DT2H3M4.5S
        Int32(2)
        null text
        []
        []
        []
        null json
        null json
        null json
        null json
        {"street":null,"number":null,"at":null}
        []
        null json
        empty
        {}
        null text
        null text"#]]
    .assert_eq(&shown.join("\n"));

    // Null is what is read as null: not a composite value whose parts are, as PostgreSQL has it.
    let position = |name: &str| table.columns.iter().position(|column| column.name == name).unwrap();
    for (name, nulls) in [("home", 1), ("there", 2), ("homes", 1), ("grid", 1), ("feelings", 1), ("feeling", 2)] {
        let is_null = Expr::IsNull(Box::new(Expr::Column(position(name))));
        for (filter, expected) in [(is_null.clone(), nulls), (Expr::Not(Box::new(is_null)), 3 - nulls)] {
            let query = SourceQuery { filter: Some(filter), ..SourceQuery::scan(table.clone()) };
            assert_eq!(rows(&source, query, &QueryContext::default()).await.unwrap().len(), expected, "{name}");
        }
    }
    // A label that there is not is one that no row has.
    let wrong =
        Expr::compare(CompareOp::NotEq, Expr::Column(position("feeling")), Expr::Literal(Value::text("furious, if not more than that")));
    let query = SourceQuery { filter: Some(wrong), ..SourceQuery::scan(table.clone()) };
    assert_eq!(rows(&source, query, &QueryContext::default()).await.unwrap().len(), 1);
    for name in ["grid", "home", "spans", "every"] {
        let literal = if matches!(name, "grid" | "home") { Value::Json("[]".to_owned()) } else { Value::text("x") };
        let filter = Expr::compare(CompareOp::Eq, Expr::Column(position(name)), Expr::Literal(literal));
        let query = SourceQuery { filter: Some(filter), ..SourceQuery::scan(table.clone()) };
        let error = rows(&source, query, &QueryContext::default()).await.unwrap_err();
        assert_eq!(error.kind, SourceErrorKind::Unsupported, "{name}: {error}");
    }
}

#[tokio::test]
async fn documents_are_written_as_what_they_stand_for() {
    let database = Database::create().await;
    database.run(MADE_UP).await;
    let source = database.source(1);
    let table = relation(&source, "made_up").await;
    let position = |name: &str| table.columns.iter().position(|column| column.name == name).unwrap();
    let json = |text: &str| Value::Json(text.to_owned());
    let given = [
        ("id", Value::Int32(4)),
        ("feeling", Value::text("glad")),
        ("feelings", json(r#"["sad", null]"#)),
        ("numbers", json("[1, 2]")),
        ("grid", json("[[1,2],[3,4]]")),
        ("names", json(r#"["it's", "a \"b\", c"]"#)),
        ("documents", json(r#"[{"a": 1}]"#)),
        ("home", json(r#"{"number": 3, "street": "High"}"#)),
        ("homes", json(r#"[{"at": [1.5]}]"#)),
        ("span", Value::text("[2024-01-01,2024-01-31]")),
        ("every", Value::text("P1DT2H")),
    ];
    let insert = |values: Vec<(usize, ChangeValue)>| ChangeSet {
        changes: vec![Change::Insert { table: table.clone(), values, require: None }],
        idempotency_key: None,
    };
    let values = given.iter().map(|(name, value)| (position(name), ChangeValue::Given(value.clone()))).collect();
    let written = source.writable().unwrap().write(insert(values), &QueryContext::default()).await.unwrap();
    assert_eq!(written.len(), 1);
    let stored = database
        .text("SELECT ROW(feeling, feelings, numbers, grid, names, documents, home, homes, span, every)::text FROM made_up WHERE id = 4")
        .await;
    expect![[r#"(glad,"{sad,NULL}","{1,2}","{{1,2},{3,4}}","{it's,""a \\""b\\"", c""}","{""{\\""a\\"": 1}""}","(High,3,)","{""(,,{1.50})""}","[2024-01-01,2024-02-01)","1 day 02:00:00")"#]].assert_eq(&stored);
    for (index, (name, value, kind)) in [
        ("numbers", json("[1, 200]"), None),
        ("feelings", json(r#"["furious"]"#), Some(SourceErrorKind::Data)),
        ("feeling", Value::text("furious"), Some(SourceErrorKind::Data)),
        ("grid", json(r#"{"a": 1}"#), Some(SourceErrorKind::Data)),
        ("grid", json("[1"), Some(SourceErrorKind::Data)),
    ]
    .into_iter()
    .enumerate()
    {
        let values =
            vec![(position("id"), ChangeValue::Given(Value::Int32(10 + index as i32))), (position(name), ChangeValue::Given(value))];
        let error = source.writable().unwrap().write(insert(values), &QueryContext::default()).await.unwrap_err();
        match kind {
            Some(kind) => assert_eq!(error.kind, kind, "{name}: {error}"),
            None => assert!(matches!(error.kind, SourceErrorKind::Constraint { .. }), "{name}: {error}"),
        }
        assert!(!error.message.contains("furious"), "{error}");
    }
}
