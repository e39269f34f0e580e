//! Values at the edges of what drivers and types can say: what fits is exact, whatever its length, and what does not is an error.

use super::database::{Database, Product, introspect, relation, rows};
use portico_provider_api::{
    Codec, CompareOp, Expr, Output, QueryContext, ScalarType, Source, SourceError, SourceErrorKind, SourceQuery, Value,
};
use std::sync::Arc;

async fn all(source: &Arc<dyn Source>, database: &Database, table: &str) -> Result<Vec<Vec<Value>>, SourceError> {
    let relation = relation(source, database, table).await;
    rows(source, SourceQuery::scan(relation), &QueryContext::default()).await
}

async fn column(source: &Arc<dyn Source>, database: &Database, table: &str, name: &str) -> Result<Vec<Value>, SourceError> {
    let relation = relation(source, database, table).await;
    let index = relation.columns.iter().position(|column| column.name == name).unwrap();
    let query = SourceQuery { output: vec![Output { name: name.to_owned(), expr: Expr::Column(index) }], ..SourceQuery::scan(relation) };
    Ok(rows(source, query, &QueryContext::default()).await?.into_iter().flatten().collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn long_texts_and_bytes_come_in_full() {
    for product in [Product::Postgres, Product::Mariadb, Product::Sqlite] {
        let database = Database::create(product);
        let (text, bytes) = match product {
            Product::Postgres => ("text", "bytea"),
            Product::Mariadb => ("longtext", "longblob"),
            Product::Sqlite => ("TEXT", "BLOB"),
        };
        database.run(&format!("CREATE TABLE lengthy (id int PRIMARY KEY, t {text}, b {bytes})"));
        // Around the sizes at which drivers go on in another piece, with characters of two units in UTF-16.
        for (id, length) in [0, 1, 127, 128, 129, 255, 256, 257, 4_095, 8_190, 8_191, 100_000].into_iter().enumerate() {
            let filler = "a😀é".repeat(length / 3 + 1).chars().take(length).collect::<String>();
            let hex: String = (0..length).map(|at| format!("{:02x}", at % 256)).collect();
            database.run(&match product {
                Product::Postgres => format!("INSERT INTO lengthy VALUES ({id}, '{filler}', '\\x{hex}'::bytea)"),
                Product::Mariadb => format!("INSERT INTO lengthy VALUES ({id}, '{filler}', x'{hex}')"),
                // In the text of a statement its driver is not given characters of two units.
                Product::Sqlite => {
                    let digits: String = filler.bytes().map(|byte| format!("{byte:02x}")).collect();
                    format!("INSERT INTO lengthy VALUES ({id}, CAST(x'{digits}' AS TEXT), x'{hex}')")
                }
            });
            let source = database.source(1);
            let found = all(&source, &database, "lengthy").await.unwrap();
            let found = found.into_iter().find(|row| row[0].as_integer() == Some(id as i64)).unwrap();
            assert!(found[1] == Value::Text(filler), "{product:?}: a text of {length} characters is another one");
            let wanted: Vec<u8> = (0..length).map(|at| (at % 256) as u8).collect();
            assert!(found[2] == Value::Binary(wanted), "{product:?}: {length} bytes are others");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_postgres_has_and_the_ir_has_not_is_an_error_or_its_text() {
    let database = Database::create(Product::Postgres);
    database.run("CREATE TYPE mood AS ENUM ('sad', 'Glad')");
    database.run("CREATE DOMAIN shortened AS varchar(5)");
    database.run(
        "CREATE TABLE odd (id int PRIMARY KEY, day date, at timestamp, zoned timestamptz, n numeric, m mood, s shortened, v varchar, \
            c char(4), i interval, a int[], j jsonb, e numeric(5,-2), o oid, \"name\" name, net inet)",
    );
    database.run(
        "INSERT INTO odd VALUES (1, '2024-02-29', '2024-02-29 12:00:00.000001', '2024-02-29 12:00:00.5+02', 0.000000000000000001, 'Glad', \
            'abc', 'long', 'ab', '1 day', '{1,2}', '{\"b\":1,\"a\":2}', 12345, 4294967295, 'x', '10.0.0.1')",
    );
    let source = database.source(1);
    let described = introspect(&source, "odd").await;
    let of = |name: &str| described.column(name).map(|column| (column.scalar_type, column.max_length)).unwrap();
    assert_eq!(of("n"), (ScalarType::UNCONSTRAINED_DECIMAL, None));
    assert_eq!(of("v"), (ScalarType::Text, None));
    assert_eq!(of("c"), (ScalarType::Text, Some(4)));
    assert_eq!(of("e"), (ScalarType::Decimal { precision: 7, scale: 0 }, None));
    assert_eq!(of("m"), (ScalarType::Text, None));
    let found = all(&source, &database, "odd").await.unwrap().remove(0);
    let texts: Vec<String> =
        [6, 5, 7, 9, 10, 15].map(|at: usize| if let Value::Text(text) = &found[at] { text.clone() } else { String::new() }).to_vec();
    assert_eq!(texts, ["abc", "Glad", "long", "1 day", "{1,2}", "10.0.0.1/32"]);
    assert_eq!(found[3], Value::TimestampTz(1_709_200_800_500_000));
    assert_eq!(found[13], Value::Int64(4_294_967_295));
    // Neither 9999-12-31 nor the year 1 of our era.
    for (name, value) in
        [("day", "infinity"), ("day", "0044-03-15 BC"), ("at", "-infinity"), ("zoned", "infinity"), ("n", "NaN"), ("n", "1e-19")]
    {
        database.run(&format!("UPDATE odd SET {name} = '{value}'"));
        let error = column(&source, &database, "odd", name).await.unwrap_err();
        assert!(error.kind == SourceErrorKind::Malformed && error.message.contains(&format!("odd.{name}")), "{value}: {error}");
        assert!(!error.message.contains(value), "{error}");
        database.run("UPDATE odd SET day = NULL, at = NULL, zoned = NULL, n = NULL");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_mariadb_has_and_the_ir_has_not_is_an_error_or_left_out() {
    let database = Database::create(Product::Mariadb);
    database.run(
        "CREATE TABLE odd (id int PRIMARY KEY, u bigint unsigned, b bit(9), y year, t tinyint(1), d date, h time, s set('a','b'), p point, \
            z decimal(65,30), l varchar(10) CHARACTER SET latin1)",
    );
    database.run("INSERT INTO odd VALUES (1, 18446744073709551615, b'100000001', 1999, 7, '2024-02-29', '23:59:59', 'a,b', POINT(1, 2), -0.000000000000000000000000000001, 'é')");
    let source = database.source(1);
    let described = introspect(&source, "odd").await;
    assert!(described.column("p").is_none() && described.description.unwrap().contains("p (point)"));
    let found = all(&source, &database, "odd").await.unwrap().remove(0);
    let decimal = |unscaled: i128, precision, scale| Value::Decimal { unscaled: unscaled.into(), precision, scale };
    assert_eq!(found[1..5], [decimal(18_446_744_073_709_551_615, 20, 0), Value::Int64(257), Value::Int16(1999), Value::Boolean(true)]);
    assert_eq!(found[7..], [Value::text("a,b"), decimal(-1, 65, 30), Value::text("é")]);
    database.run("SET SESSION sql_mode = ''");
    for (name, value) in [("d", "'0000-00-00'"), ("d", "'2024-00-10'"), ("h", "'838:59:59'"), ("h", "'-00:00:01'")] {
        database.run(&format!("UPDATE odd SET {name} = {value}"));
        let error = column(&source, &database, "odd", name).await.unwrap_err();
        assert!(error.kind == SourceErrorKind::Malformed && error.message.contains(&format!("odd.{name}")), "{value}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn stored_forms_that_mariadb_cannot_read_are_errors() {
    let database = Database::create(Product::Mariadb);
    database.run("CREATE TABLE erp (id int PRIMARY KEY, day varchar(8))");
    database.run("INSERT INTO erp VALUES (1, '20240229'), (2, '00000000'), (3, '20240301')");
    let source = database.source(1);
    let mut relation = relation(&source, &database, "erp").await;
    relation.columns[1].scalar_type = ScalarType::Date;
    relation.columns[1].codec = Some(Codec::SapDate);
    let filter = Expr::compare(CompareOp::Gt, Expr::Column(1), Expr::Literal(Value::Date(19_782)));
    let query = SourceQuery { filter: Some(filter), ..SourceQuery::scan(relation) };
    let found = rows(&source, query.clone(), &QueryContext::default()).await.unwrap();
    assert_eq!(found, [[Value::Int32(3), Value::Date(19_783)]]);
    database.run("INSERT INTO erp VALUES (4, 'someday')");
    let error = rows(&source, query, &QueryContext::default()).await.unwrap_err();
    assert!(error.kind == SourceErrorKind::Malformed && error.message.contains("stored form"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_says_how_each_value_is_stored() {
    let database = Database::create(Product::Sqlite);
    database.run("CREATE TABLE odd (id INTEGER PRIMARY KEY, n BIGINT, d DOUBLE, t TEXT, day DATE, money DECIMAL(13,2))");
    // Seventeen digits and a text behind whose NUL drivers see nothing.
    database.run("INSERT INTO odd VALUES (1, 9223372036854775807, 0.1, CAST(x'61006280' AS TEXT), '2024-02-29', 12.5)");
    database.run("UPDATE odd SET t = CAST(x'610062' AS TEXT)");
    let source = database.source(1);
    let found = all(&source, &database, "odd").await.unwrap().remove(0);
    assert_eq!(found[1..4], [Value::Int64(i64::MAX), Value::float64(0.1), Value::text("a\0b")]);
    assert_eq!(found[4..], [Value::Date(19_782), Value::Decimal { unscaled: 1250.into(), precision: 13, scale: 2 }]);
    let mut seed = fastrand::Rng::with_seed(7);
    for _ in 0..200 {
        // By exact steps: of literals SQLite is off by a unit in the last place now and then.
        let (digits, steps, up) = (seed.u64(1 << 52..1 << 53), seed.usize(0..50), seed.bool());
        let number = (0..steps).fold(digits as f64, |number, _| if up { number * 65_536.0 } else { number / 65_536.0 });
        let literal = format!("CAST({digits} AS REAL){}", if up { " * 65536.0" } else { " / 65536.0" }.repeat(steps));
        database.run(&format!("UPDATE odd SET d = {literal}"));
        assert_eq!(column(&source, &database, "odd", "d").await.unwrap(), [Value::float64(number)]);
    }
    for (name, value) in
        [("n", "'many'"), ("n", "1.5"), ("d", "'a'"), ("t", "x'00'"), ("day", "'yesterday'"), ("day", "5"), ("money", "'x'")]
    {
        database.run(&format!("UPDATE odd SET {name} = {value}"));
        let error = column(&source, &database, "odd", name).await.unwrap_err();
        assert!(error.kind == SourceErrorKind::Malformed && error.message.contains(&format!("odd.{name}")), "{value}: {error}");
        database.run("UPDATE odd SET n = NULL, d = NULL, t = NULL, day = NULL, money = NULL");
    }
    // A part of it must not be looked for.
    let relation = relation(&source, &database, "odd").await;
    let filter = Expr::compare(CompareOp::Eq, Expr::Column(3), Expr::Literal(Value::text("a\0b")));
    let error =
        rows(&source, SourceQuery { filter: Some(filter), ..SourceQuery::scan(relation) }, &QueryContext::default()).await.unwrap_err();
    assert_eq!(error.kind, SourceErrorKind::Data, "{error}");
}
