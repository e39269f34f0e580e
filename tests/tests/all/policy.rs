//! That policy cannot be got round: rows, hidden and masked columns, tables that are not there, through every door.

use super::fixture::{CLERK, EMEA, FULL, Sources, customers, invoices};
use super::flight::adbc;
use super::gateway::TOKEN_KEY;
use serde_json::{Value, json};

/// A text that only hidden or other regions' rows hold.
fn leaks(text: &str) -> Option<&'static str> {
    let other = customers().into_iter().find(|c| c.region != "EMEA" && text.contains(&c.name));
    if other.is_some() {
        return Some("a row of another region");
    }
    if text.contains("TAX-") || text.contains("tax_id") {
        return Some("a hidden column");
    }
    ["Berlin", "lyon", "O'Hara"].iter().any(|city| text.contains(city)).then_some("a masked value")
}

/// Paths of OData that try to see past the rows and columns of the EMEA role.
const ODATA: &[&str] = &[
    "/odata/Customers",
    "/odata/Customers?$select=Id,Name,City",
    "/odata/Customers?$filter=Region%20ne%20'EMEA'",
    "/odata/Customers?$filter=Region%20ne%20'EMEA'%20or%20true",
    "/odata/Customers?$select=TaxId",
    "/odata/Customers?$filter=startswith(TaxId,'TAX')",
    "/odata/Customers?$orderby=TaxId",
    "/odata/Customers?$filter=City%20eq%20'Berlin'",
    "/odata/Customers(1)",
    "/odata/Customers(1)/Name",
    "/odata/Invoices(1)/Customer",
    "/odata/Invoices?$expand=Customer",
    "/odata/Invoices?$expand=Customer($select=TaxId)",
    "/odata/Invoices?$filter=Customer/Region%20eq%20'AMER'&$expand=Customer",
    "/odata/Customers?$expand=Home",
    "/odata/Customers?$expand=Invoices($expand=Customer)",
    "/odata/$metadata",
    "/odata",
    "/odata/Lines",
    "/odata/Regions",
];

/// The same with SQL.
const SQL: &[&str] = &[
    r#"SELECT * FROM "Customers""#,
    r#"SELECT "TaxId" FROM "Customers""#,
    r#"SELECT * FROM "Customers" WHERE "TaxId" LIKE 'TAX%'"#,
    r#"SELECT * FROM "Customers" ORDER BY "TaxId""#,
    r#"SELECT "City", count(*) FROM "Customers" GROUP BY 1"#,
    r#"SELECT * FROM "Customers" WHERE "Region" <> 'EMEA' OR 1 = 1"#,
    r#"SELECT c.* FROM "Invoices" i JOIN "Customers" c ON c."Id" = i.customer_id"#,
    r#"SELECT i.*, c."Name" FROM "Invoices" i LEFT JOIN "Customers" c ON c."Id" = i.customer_id"#,
    r#"SELECT (SELECT max("Name") FROM "Customers" WHERE "Region" = 'AMER')"#,
    r#"WITH a AS (SELECT * FROM "Customers") SELECT * FROM a UNION ALL SELECT * FROM a"#,
    "SELECT * FROM crm.main.customers",
    "SELECT * FROM crm.customers",
    "SELECT * FROM customers",
    "SELECT * FROM billing.public.invoices",
    "SELECT * FROM information_schema.tables",
    "SELECT * FROM information_schema.columns",
    r#"SELECT * FROM odata."Customers""#,
    r#"EXPLAIN SELECT * FROM "Customers""#,
    r#"EXPLAIN VERBOSE SELECT * FROM "Customers" WHERE "City" = 'x'"#,
    r#"EXPLAIN ANALYZE SELECT * FROM "Customers""#,
    "SELECT * FROM \"Lines\"",
    "SHOW TABLES",
];

#[tokio::test(flavor = "multi_thread")]
async fn no_way_round_rows_hides_and_masks() {
    let sources = Sources::create().await;
    let gateway = sources.serve().await;
    let mut wrong = Vec::new();
    for path in ODATA {
        let text = gateway.get(path, EMEA).await.text().await.unwrap();
        wrong.extend(leaks(&text).map(|what| format!("GET {path} shows {what}: {text}")));
    }
    for sql in SQL {
        let text = gateway.sql(sql, EMEA).await.text().await.unwrap();
        // The statement itself may be quoted in a message.
        let text = text.replace("'TAX%'", "").replace("tax_id", if sql.contains("tax_id") { "" } else { "tax_id" });
        wrong.extend(leaks(&text).map(|what| format!("SQL {sql} shows {what}: {text}")));
    }
    let requests: Vec<Value> = SQL.iter().map(|sql| json!({ "query": sql })).collect();
    for (sql, answer) in SQL.iter().zip(adbc(&gateway, EMEA, &requests)) {
        let text = answer.to_string().replace("'TAX%'", "");
        wrong.extend(leaks(&text).map(|what| format!("Flight {sql} shows {what}: {text}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let own: Vec<i64> = customers().iter().filter(|c| c.region == "EMEA").map(|c| c.id).collect();
    let seen = gateway.json("/odata/Customers?$orderby=Id", EMEA).await;
    let seen: Vec<i64> = seen["value"].as_array().unwrap().iter().map(|row| row["Id"].as_i64().unwrap()).collect();
    assert_eq!(seen, own, "and the caller's own rows are there");
    let count = gateway.get("/odata/Customers/$count", EMEA).await.text().await.unwrap();
    assert_eq!(count.trim_start_matches('\u{feff}'), own.len().to_string());
    // A predicate on a masked column sees the mask.
    let masked = gateway.json("/odata/Customers?$filter=City%20eq%20'***'", EMEA).await;
    assert_eq!(masked["value"].as_array().unwrap().len(), own.len());
    // A view runs with the caller's rights.
    let revenue = gateway.json("/odata/Revenue?$orderby=Id", EMEA).await;
    let with_invoices: Vec<i64> = own.iter().copied().filter(|id| invoices().iter().any(|i| i.customer == *id)).collect();
    let seen: Vec<i64> = revenue["value"].as_array().unwrap().iter().map(|row| row["Id"].as_i64().unwrap()).collect();
    assert_eq!(seen, with_invoices);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_role_names_is_not_there() {
    let sources = Sources::create().await;
    let gateway = sources.serve().await;
    for (path, absent) in [
        ("/odata/Customers", "/odata/Nothing"),
        ("/odata/Customers(1)", "/odata/Nothing(1)"),
        ("/odata/Invoices?$expand=Customer", "/odata/Invoices?$expand=Nothing"),
        ("/odata/Invoices?$filter=Customer/Id%20eq%201", "/odata/Invoices?$filter=Nothing/Id%20eq%201"),
    ] {
        let one = gateway.get(path, CLERK).await;
        let other = gateway.get(absent, CLERK).await;
        assert_eq!(one.status(), other.status(), "{path}: what is not allowed looks like what does not exist");
        let same = |text: String| text.replace("Customers", "X").replace("Customer", "X").replace("Nothing", "X");
        let (one, other) = (same(one.text().await.unwrap()), same(other.text().await.unwrap()));
        // What is suggested depends on what was written; that it is visible is what matters. So do positions.
        let plain = |text: &str| {
            let (start, end) =
                text.split_once("; did you mean '").map_or((text, ""), |(start, rest)| (start, rest.split_once("'?").unwrap().1));
            format!("{start}{end}").chars().filter(|c| !c.is_ascii_digit()).collect::<String>()
        };
        assert!(!one.contains("did you mean 'X") && !other.contains("did you mean 'X"), "{one} {other}");
        assert_eq!(plain(&one), plain(&other), "{path}");
    }
    let metadata = gateway.get("/odata/$metadata", CLERK).await.text().await.unwrap();
    assert!(metadata.contains("Invoices") && !metadata.contains("Customer"), "{metadata}");
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_are_needed_and_keys_stay_where_they_may() {
    let sources = Sources::create().await;
    let gateway = sources.serve().await;
    for path in ["/odata", "/odata/Customers", "/odata/$metadata", "/odata/Customers/$count"] {
        for (key, header) in [("", None), ("wrong", None), ("", Some("Basic Zm9vOmJhcg==")), ("", Some("Bearer wrong"))] {
            let mut request = gateway.request(reqwest::Method::GET, path, key);
            if let Some(header) = header {
                request = request.header("Authorization", header);
            }
            let response = request.send().await.unwrap();
            assert_eq!(response.status(), 401, "{path} {key} {header:?}");
            assert!(response.headers().contains_key("www-authenticate"), "{path}");
        }
    }
    assert_eq!(gateway.get(&format!("/odata/Invoices?api_key={EMEA}"), "").await.status(), 200);
    assert_eq!(gateway.get(&format!("/odata/Invoices?api_key={FULL}"), "").await.status(), 401, "this key is for headers only");
    let bearer = gateway
        .request(reqwest::Method::GET, "/odata/Invoices", "")
        .header("Authorization", format!("Bearer {FULL}"))
        .send()
        .await
        .unwrap();
    assert_eq!(bearer.status(), 200);
    let log = gateway.log();
    for secret in [FULL, EMEA, sources.database.url.as_str(), TOKEN_KEY] {
        assert!(!log.contains(secret), "a secret is in the log");
    }
}
