//! What a real server's types become: introspection as a golden text, values at the edges of every type, and values that must be errors.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

mod database;

use arrow::datatypes::i256;
use database::{Database, connect, connect_with, relation, rows};
use expect_test::expect;
use portico_provider_api::{
    QueryContext, RemoteSchema, RemoteTableName, ScalarType, Selection, Source, SourceErrorKind, SourceQuery, Support, Value,
};
use std::fmt::Write as _;
use std::sync::Arc;

const SCHEMA: [&str; 8] = [
    "CREATE TABLE customer (
        id int AUTO_INCREMENT PRIMARY KEY COMMENT 'Counted',
        code char(5) NOT NULL UNIQUE,
        name varchar(40) NOT NULL DEFAULT 'x',
        email varchar(80) CHARACTER SET latin1,
        nick varchar(20) COLLATE utf8mb4_nopad_bin DEFAULT NULL,
        notes longtext,
        credit decimal(13,2) unsigned,
        flag boolean, tiny tinyint, tiny_u tinyint unsigned, small_u smallint unsigned, medium mediumint, int_u int unsigned zerofill,
        big_u bigint unsigned, bit_1 bit, bit_9 bit(9), bit_64 bit(64), y year,
        single float, ratio double,
        feeling enum('sad', 'glad'), feelings set('a', 'b'), address inet6, guid uuid,
        fixed binary(4), raw varbinary(10), photo mediumblob, place point,
        document json, day date, at_time time(3), made datetime(6), seen timestamp NULL DEFAULT current_timestamp(),
        doubled int AS (id_copy * 2) STORED, id_copy int NOT NULL DEFAULT (1 + 1),
        UNIQUE (name, email)
    ) COMMENT 'Who buys'",
    "CREATE TABLE orders (customer_id int, line int, `Customer Code` char(5),
        PRIMARY KEY (line, customer_id), FOREIGN KEY (customer_id) REFERENCES customer (id),
        CONSTRAINT by_code FOREIGN KEY (`Customer Code`) REFERENCES customer (code)) PARTITION BY HASH (line) PARTITIONS 2",
    "CREATE TABLE orders (customer_id int, line int, `Customer Code` char(5),
        PRIMARY KEY (line, customer_id), FOREIGN KEY (customer_id) REFERENCES customer (id),
        CONSTRAINT by_code FOREIGN KEY (`Customer Code`) REFERENCES customer (code))",
    "CREATE VIEW names AS SELECT id, name FROM customer",
    "CREATE TABLE hidden (id int)",
    "CREATE TABLE old (id int PRIMARY KEY) ENGINE = MyISAM",
    "CREATE SEQUENCE numbers",
    "INSERT INTO customer (code, name, email, credit) VALUES ('ab', 'n', 'é', 1.5)",
];

async fn create() -> Database {
    let database = Database::create().await;
    for (at, sql) in SCHEMA.iter().enumerate() {
        // A partitioned table has no foreign keys: the one without partitions stands in the list behind it.
        if at != 1 {
            database.run(sql).await;
        }
    }
    database
}

fn print(schema: &RemoteSchema, database: &str) -> String {
    let mut text = String::new();
    for table in &schema.tables {
        let flags = if table.writable { "writable" } else { "" };
        let comment = table.description.as_deref().unwrap_or_default();
        writeln!(text, "{} [{flags}] key({}) {comment}", table.name, table.primary_key.join(", ")).unwrap();
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
            let restricted = match restriction {
                Some(column) if column.filter == Some(Support::None) => " not compared",
                Some(column) if column.sort == Some(Support::None) => " not sorted",
                _ => "",
            };
            writeln!(text, "  {} {}{length} ({}) {}{restricted}", column.name, column.scalar_type, column.native_type, flags.join(" "))
                .unwrap();
        }
    }
    text.lines().map(|line| format!("{}\n", line.trim_end().replace(database, "db"))).collect()
}

#[tokio::test]
async fn introspection_finds_what_is_there() {
    let database = create().await;
    let source = database.source(1);
    let context = QueryContext::default();
    let schema = source.remote_schema(&Selection::All, &context).await.unwrap();
    expect![[r#"
        db.customer [writable] key(id) Who buys
          unique(code)
          unique(name, email)
          id int32 (int) default
          code text[5] (char utf8mb4_general_ci)
          name text[40] (varchar utf8mb4_general_ci) default
          email text[80] (varchar latin1_swedish_ci) null
          nick text[20] (varchar utf8mb4_nopad_bin) null
          notes text (longtext utf8mb4_general_ci) null not sorted
          credit decimal(13,2) (decimal unsigned) null
          flag boolean (tinyint) null
          tiny int16 (tinyint) null
          tiny_u int16 (tinyint unsigned) null
          small_u int32 (smallint unsigned) null
          medium int32 (mediumint) null
          int_u int64 (int unsigned) null
          big_u decimal(20,0) (bigint unsigned) null
          bit_1 boolean (bit) null
          bit_9 int64 (bit) null
          bit_64 decimal(20,0) (bit) null
          y int16 (year) null
          single float32 (float) null
          ratio float64 (double) null
          feeling text (enum utf8mb4_general_ci) null
          feelings text (set utf8mb4_general_ci) null
          address text (inet6) null
          guid guid (uuid) null
          fixed binary[4] (binary) null
          raw binary[10] (varbinary) null
          photo binary (mediumblob) null not sorted
          place binary (point) null not compared
          document json (longtext utf8mb4_bin) null not sorted
          day date (date) null
          at_time time (time) null
          made timestamp (datetime) null
          seen timestamptz (timestamp) null default
          doubled int32 (int) null default generated
          id_copy int32 (int) default
        db.hidden [writable] key()
          id int32 (int) null
        db.names [] key()
          id int32 (int) default
          name text[40] (varchar utf8mb4_general_ci) default
        db.old [] key(id)
          id int32 (int)
        db.orders [writable] key(line, customer_id)
          by_code: (Customer Code) -> db.customer(code)
          orders_ibfk_1: (customer_id) -> db.customer(id)
          customer_id int32 (int)
          line int32 (int)
          Customer Code text[5] (char utf8mb4_general_ci) null
    "#]]
    .assert_eq(&print(&schema, &database.name));

    // The version follows the schema, not the rows.
    database.run("INSERT INTO hidden SELECT seq FROM seq_1_to_500").await;
    database.run("ANALYZE TABLE hidden").await;
    let again = source.remote_schema(&Selection::All, &context).await.unwrap();
    assert_eq!(schema.version, again.version);
    let hidden = RemoteTableName(vec![database.name.clone(), "hidden".to_owned()]);
    assert_eq!(again.table(&hidden).unwrap().row_estimate, Some(500));
    database.run("ALTER TABLE hidden MODIFY id int NOT NULL").await;
    assert_ne!(source.remote_schema(&Selection::All, &context).await.unwrap().version, schema.version);
}

#[tokio::test]
async fn a_selection_and_the_databases_limit_what_is_described() {
    let database = create().await;
    let context = QueryContext::default();
    let names = |list: &[&str]| Selection::Tables(list.iter().map(|name| RemoteTableName::parse(name)).collect());
    let found = async |source: &Arc<dyn Source>, wanted: Selection| {
        let schema = source.remote_schema(&wanted, &context).await.unwrap();
        schema.tables.iter().map(|table| table.name.to_string()).collect::<Vec<_>>()
    };
    let source = database.source(1);
    let full = format!("{}.hidden", database.name);
    let orders = format!("{}.orders", database.name);
    let wanted = names(&["orders", &orders, &full, "Hidden", "mysql.user", "missing", "a.b.c"]);
    assert_eq!(found(&source, wanted).await, [full.as_str(), orders.as_str()], "each once, whichever way it is spelt");
    // What is asked without a database is looked for in the url's.
    let relation = portico_provider_api::TableRelation { table: RemoteTableName::parse("orders"), columns: Vec::new() };
    assert!(rows(&source, SourceQuery::scan(relation), &context).await.unwrap().is_empty());
    let all = connect(&database.url.replace(&database.name, ""), 1).unwrap();
    let everything = found(&all, Selection::All).await;
    assert!(everything.contains(&full) && !everything.iter().any(|name| name.starts_with("mysql.")), "{everything:?}");
    let other = connect_with(serde_json::json!({"url": database.url, "schemas": ["no_such_database"]}), 1).unwrap();
    assert!(found(&other, Selection::All).await.is_empty());
}

#[tokio::test]
async fn a_user_sees_what_it_may_read() {
    let database = create().await;
    let user = format!("{}_r", &database.name[..24]);
    let at = format!("{user}@'127.0.0.1'");
    database.run(&format!("CREATE USER {at} IDENTIFIED BY 'reader-pw'")).await;
    for sql in ["GRANT SELECT ON orders TO", "GRANT SELECT ON customer TO", "GRANT SELECT (id) ON hidden TO"] {
        if sql.contains("(id)") {
            database.run("ALTER TABLE hidden ADD secret text").await;
        }
        database.run(&format!("{sql} {at}")).await;
    }
    let place = database.url.rsplit('@').next().unwrap();
    let source = connect(&format!("mysql://{user}:reader-pw@{place}"), 1).unwrap();
    let schema = source.remote_schema(&Selection::All, &QueryContext::default()).await.unwrap();
    let orders = relation(&source, "orders").await;
    database.run(&format!("REVOKE SELECT ON orders FROM {at}")).await;
    let refused = rows(&source, SourceQuery::scan(orders), &QueryContext::default()).await.unwrap_err();
    drop(source);
    database.run(&format!("DROP USER {at}")).await;
    let names: Vec<_> = schema.tables.iter().map(|table| table.name.table()).collect();
    assert_eq!(names, ["customer", "hidden", "orders"]);
    assert!(schema.tables.iter().all(|table| !table.writable));
    assert_eq!(schema.tables[1].columns.len(), 1, "a column without the right to read it");
    assert_eq!(schema.tables[2].primary_key, ["line", "customer_id"]);
    assert_eq!(refused.kind, SourceErrorKind::Credentials, "{refused}");
    assert!(!refused.message.contains(&user), "{refused}");
}

#[tokio::test]
async fn values_at_the_edges_arrive_exactly() {
    let database = Database::create().await;
    database
        .run(
            "CREATE TABLE edges (fixed char(6), padded varchar(6), tiny_u tinyint unsigned, int_u int unsigned, big_u bigint unsigned,
                flag boolean, bit_1 bit, bit_9 bit(9), bit_64 bit(64), y year, wide decimal(65,30), single float, feeling enum('sad', 'glad'),
                feelings set('a', 'b'), address inet6, guid uuid, bin binary(4), document json, day date, first_day date, at_time time(6),
                made datetime(6), whole datetime, seen timestamp(6) NULL, latin varchar(9) CHARACTER SET latin1, wide_text varchar(9) CHARACTER SET utf16)",
        )
        .await;
    database
        .run(
            "INSERT INTO edges VALUES ('ab ', 'ab  ', 255, 4294967295, 18446744073709551615, 7, b'1', b'100000001', 18446744073709551615, 2155,
                '-99999999999999999999999999999999999.999999999999999999999999999999', 3.4028234663852886e38, 'glad', 'b,a', '::1',
                'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11', 'a', '{\"b\": 1,  \"a\":[]}', '9999-12-31', '0001-01-01', '23:59:59.999999',
                '9999-12-31 23:59:59.999999', '1000-01-01 00:00:00', '2038-01-19 03:14:07.999999', 'äß', '日😀')",
        )
        .await;
    let source = database.source(1);
    let found = rows(&source, SourceQuery::scan(relation(&source, "edges").await), &QueryContext::default()).await.unwrap().remove(0);
    let wide = i256::from_string(&format!("-{}", "9".repeat(65))).unwrap();
    let whole = |text: &str| Value::Decimal { unscaled: i256::from_string(text).unwrap(), precision: 20, scale: 0 };
    let expected = [
        Value::text("ab"),
        Value::text("ab  "),
        Value::Int16(255),
        Value::Int64(4_294_967_295),
        whole("18446744073709551615"),
        Value::Boolean(true),
        Value::Boolean(true),
        Value::Int64(257),
        whole("18446744073709551615"),
        Value::Int16(2155),
        Value::Decimal { unscaled: wide, precision: 65, scale: 30 },
        Value::Float32(portico_provider_api::value::Float(f64::from(f32::MAX))),
        Value::text("glad"),
        Value::text("a,b"),
        Value::text("::1"),
        Value::Guid("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11".to_owned()),
        Value::Binary(b"a\0\0\0".to_vec()),
        Value::Json(r#"{"b": 1,  "a":[]}"#.to_owned()),
        Value::Date(2_932_896),
        Value::Date(-719_162),
        Value::Time(86_399_999_999),
        Value::Timestamp(253_402_300_799_999_999),
        Value::Timestamp(-30_610_224_000_000_000),
        Value::TimestampTz(2_147_483_647_999_999),
        Value::text("äß"),
        Value::text("日😀"),
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
        ("date", "'0000-00-00'"),
        ("date", "'2024-00-15'"),
        ("datetime", "'2024-02-00 12:00:00'"),
        ("timestamp", "0"),
        ("time", "'24:00:00'"),
        ("time", "'-00:00:01'"),
        ("time", "'838:59:59'"),
    ];
    for (index, (type_name, value)) in cases.into_iter().enumerate() {
        let table = format!("t{index}");
        database.run(&format!("CREATE TABLE {table} (bad {type_name})")).await;
        database.run(&format!("INSERT INTO {table} VALUES ({value})")).await;
        let query = SourceQuery::scan(relation(&source, &table).await);
        let error = rows(&source, query, &QueryContext::default()).await.unwrap_err();
        assert_eq!(error.kind, SourceErrorKind::Malformed, "{type_name} {value}: {error}");
        assert!(error.message.contains(&format!("column {}.{table}.bad ", database.name)), "{error}");
    }
    // As the settings say, they are nulls, and are null in conditions too.
    let lenient = connect_with(serde_json::json!({"url": database.url, "zero_dates": "null"}), 1).unwrap();
    for (index, (type_name, value)) in cases.iter().take(4).enumerate() {
        let table = relation(&lenient, &format!("t{index}")).await;
        assert!(table.columns[0].nullable);
        let found = rows(&lenient, SourceQuery::scan(table.clone()), &QueryContext::default()).await.unwrap();
        assert_eq!(found, [[Value::Null(table.columns[0].scalar_type)]], "{type_name} {value}");
        let is_null = portico_provider_api::Expr::IsNull(Box::new(portico_provider_api::Expr::Column(0)));
        for (filter, expected) in [(is_null.clone(), 1), (portico_provider_api::Expr::Not(Box::new(is_null)), 0)] {
            let query = SourceQuery { filter: Some(filter), ..SourceQuery::scan(table.clone()) };
            assert_eq!(rows(&lenient, query, &QueryContext::default()).await.unwrap().len(), expected, "{type_name} {value}");
        }
    }
    let integers = connect_with(serde_json::json!({"url": database.url, "tinyint1": "integer"}), 1).unwrap();
    database.run("CREATE TABLE flags (flag tinyint(1))").await;
    assert_eq!(relation(&integers, "flags").await.columns[0].scalar_type, ScalarType::Int16);
    assert_eq!(relation(&source, "flags").await.columns[0].scalar_type, ScalarType::Boolean);
}
