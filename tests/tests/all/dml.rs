//! SQL is read-only: whatever is not a SELECT is refused through both doors, and nothing is touched.

use super::fixture::{FULL, Sources};
use super::flight::adbc;
use serde_json::{Value, json};

const STATEMENTS: &[&str] = &[
    r#"DELETE FROM "Invoices" WHERE id IN (SELECT invoice_id FROM "Lines")"#,
    r#"DELETE FROM "Invoices""#,
    r#"DELETE FROM "Invoices" LIMIT 1"#,
    r#"DELETE FROM "Customers" WHERE EXISTS (SELECT 1 FROM "Invoices")"#,
    r#"UPDATE "Invoices" SET note = 'gone' WHERE false"#,
    r#"UPDATE "Invoices" SET note = 'gone'"#,
    r#"UPDATE "Customers" SET "Name" = 'gone' WHERE "Id" = 1"#,
    r#"INSERT INTO "Invoices" VALUES (1000, 1, 1, DATE '2024-01-01', true, 'x')"#,
    r#"INSERT INTO "Customers" SELECT * FROM "Customers""#,
    r#"EXPLAIN DELETE FROM "Invoices""#,
    r#"EXPLAIN ANALYZE DELETE FROM "Invoices" WHERE id = 1"#,
    r#"EXPLAIN UPDATE "Invoices" SET note = 'gone'"#,
    r#"COPY "Invoices" TO '/tmp/portico-must-not-exist.csv'"#,
    r#"COPY (SELECT 1) TO '/tmp/portico-must-not-exist.csv'"#,
    "CREATE EXTERNAL TABLE t STORED AS CSV LOCATION '/etc/passwd'",
    "CREATE EXTERNAL TABLE t (a text) STORED AS CSV LOCATION '/etc/passwd'",
    "CREATE TABLE t AS SELECT 1",
    r#"CREATE VIEW v AS SELECT * FROM "Customers""#,
    "CREATE SCHEMA s",
    "CREATE FUNCTION f() RETURNS INT RETURN 1",
    r#"DROP TABLE "Invoices""#,
    r#"TRUNCATE TABLE "Invoices""#,
    "SET datafusion.execution.batch_size = 1",
    "BEGIN",
    "COMMIT",
    "PREPARE p AS SELECT 1",
    "EXECUTE p",
    "DEALLOCATE p",
    r#"SELECT 1; DELETE FROM "Invoices""#,
    r#"MERGE INTO "Invoices" i USING "Lines" l ON i.id = l.invoice_id WHEN MATCHED THEN DELETE"#,
    r#"WITH d AS (DELETE FROM "Invoices" RETURNING *) SELECT * FROM d"#,
    r#"SELECT * INTO t FROM "Customers""#,
    "SELECT * FROM '/etc/passwd'",
    r#"SELECT * FROM "/etc/passwd""#,
];

#[tokio::test(flavor = "multi_thread")]
async fn everything_but_select_is_refused_and_nothing_is_touched() {
    let sources = Sources::create().await;
    let gateway = sources.serve().await;
    let state = "SELECT count(*) || '/' || group_concat(id || name) FROM customers";
    let before = sources.crm_text(state);
    let mut wrong = Vec::new();
    for sql in STATEMENTS {
        let response = gateway.sql(sql, FULL).await;
        let (status, text) = (response.status().as_u16(), response.text().await.unwrap());
        let refused = (400..500).contains(&status) || status == 501;
        if !refused || !text.contains("message") {
            wrong.push(format!("HTTP {sql}: {status} {text}"));
        }
    }
    let requests: Vec<Value> = STATEMENTS.iter().map(|sql| json!({ "query": sql })).collect();
    for (sql, answer) in STATEMENTS.iter().zip(adbc(&gateway, FULL, &requests)) {
        if answer.get("error").is_none() {
            wrong.push(format!("Flight {sql}: {answer}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(sources.crm_text(state), before);
    assert_eq!(sources.database.number("SELECT count(*) FROM invoices WHERE note IS DISTINCT FROM 'gone'").await, 120);
    assert!(!std::path::Path::new("/tmp/portico-must-not-exist.csv").exists());
    let response = gateway.sql("SELECT count(*) AS n FROM \"Invoices\"", FULL).await;
    assert_eq!(response.status(), 200, "and the gateway still answers");
    assert!(response.text().await.unwrap().contains("120"));
}
