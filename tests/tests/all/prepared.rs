//! Prepared statements with parameters, as a Python program sends them, and the whole tour of the catalogue.

use super::fixture::{EMEA, FULL, Sources, cents, customers};
use super::flight::adbc;
use super::gateway::Gateway;
use serde_json::{Value, json};

/// Every kind of value there is, in a PostgreSQL table of its own.
const KINDS: &str = "CREATE TABLE kinds (id bigint PRIMARY KEY, small smallint, price numeric(10,3), ratio double precision, word text,
    day date, clock time, moment timestamp, instant timestamptz, yes boolean, bytes bytea, tag uuid);
    INSERT INTO kinds VALUES (1, 7, 1.555, 0.25, 'it''s ?', '2024-02-29', '10:11:12', '2024-02-29 01:02:03.5', '2024-02-29 01:02:03Z',
    true, '\\x00ff', '0a8e0a0c-7d0e-4a55-9b4e-0f6d7a2b9c11'), (2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);";

async fn gateway_over_kinds(sources: &Sources) -> Gateway {
    sources.database.run(KINDS).await;
    let config = sources.config().replace("  Revenue:\n    sql", "  Kinds: { source: billing, remote: kinds }\n  Revenue:\n    sql");
    let config = config.replace("      Regions: {}\n", "      Regions: {}\n      Kinds: {}\n");
    sources.serve_config(&config).await
}

#[tokio::test(flavor = "multi_thread")]
async fn values_of_every_type_are_bound() {
    let sources = Sources::create().await;
    let gateway = gateway_over_kinds(&sources).await;
    let by = |condition: &str| format!("SELECT id FROM \"Kinds\" WHERE {condition} ORDER BY id");
    // The condition, its values, and the rows.
    let cases: &[(&str, Value, &[i64])] = &[
        ("id = ?", json!([1]), &[1]),
        ("id = $1", json!([2]), &[2]),
        ("id = ?", json!(["2"]), &[2]),
        ("id = ?", json!([1.0]), &[1]),
        // What is between two integers is neither of them.
        ("id = ?", json!([1.7]), &[]),
        ("id < ?", json!([1.7]), &[1]),
        ("small = ?", json!([7]), &[1]),
        ("small < ?", json!([4_000_000_000_i64]), &[1]),
        ("price = ?", json!([{ "decimal": "1.555" }]), &[1]),
        ("price = ?", json!([{ "decimal": "1.5551" }]), &[]),
        ("price > ?", json!([1.5]), &[1]),
        ("ratio = ?", json!([0.25]), &[1]),
        ("word = ?", json!(["it's ?"]), &[1]),
        ("word LIKE ?", json!(["%'s%"]), &[1]),
        ("day = ?", json!([{ "date": "2024-02-29" }]), &[1]),
        ("day BETWEEN ? AND ?", json!(["2024-02-28", { "date": "2024-03-01" }]), &[1]),
        ("clock = ?", json!([{ "time": "10:11:12" }]), &[1]),
        ("moment = ?", json!([{ "timestamp": "2024-02-29T01:02:03.500" }]), &[1]),
        ("instant = ?", json!([{ "timestamp": "2024-02-29T02:02:03+01:00" }]), &[1]),
        ("yes = ?", json!([true]), &[1]),
        ("bytes = ?", json!([{ "bytes": "00ff" }]), &[1]),
        ("tag = ?", json!(["0a8e0a0c-7d0e-4a55-9b4e-0f6d7a2b9c11"]), &[1]),
        ("id IN (?, ?, ?)", json!([2, 1, 5]), &[1, 2]),
        ("id = $2 AND small = $1", json!([7, 1]), &[1]),
        ("id = $1 OR id = $1 + 1", json!([1]), &[1, 2]),
        // NULL equals nothing, and IS NULL is asked of it as of anything.
        ("small = ?", json!([null]), &[]),
        ("id = 1 AND (? IS NULL OR small = 8)", json!([null]), &[1]),
        ("id = (SELECT max(id) FROM \"Kinds\" WHERE id < ?)", json!([2]), &[1]),
    ];
    let requests: Vec<Value> = cases.iter().map(|(condition, values, _)| json!({ "query": by(condition), "parameters": values })).collect();
    let answers = adbc(&gateway, FULL, &requests);
    let mut wrong = Vec::new();
    for ((condition, values, rows), answer) in cases.iter().zip(&answers) {
        let expected: Vec<Value> = rows.iter().map(|id| json!([id])).collect();
        if answer["rows"] != json!(expected) {
            wrong.push(format!("{condition} with {values}: {answer}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn parameters_stand_anywhere_and_obey_the_caller_s_rules() {
    let sources = Sources::create().await;
    let gateway = sources.serve().await;
    let page = r#"SELECT "Id", ? AS tag FROM "Customers" ORDER BY "Id" LIMIT ? OFFSET ?"#;
    let joined = r#"SELECT i.id FROM "Customers" c JOIN "Invoices" i ON i.customer_id = c."Id" WHERE c."Id" = ? AND i.amount > ?"#;
    let requests = [
        json!({ "query": page, "parameters": ["x", 2, 3] }),
        json!({ "query": joined, "parameters": [1, { "decimal": cents(1_234 * 100) }] }),
        json!({ "query": r#"SELECT "Id" FROM "Customers" WHERE "Region" = ? OR "Id" > ?"#, "parameters": ["AMER", 0] }),
    ];
    let answers = adbc(&gateway, FULL, &requests);
    assert_eq!(answers[0]["rows"], json!([[4, "x"], [5, "x"]]), "{}", answers[0]);
    assert_eq!(answers[1]["rows"], json!([[101]]), "{}", answers[1]);
    let of_region = customers().iter().filter(|c| c.region == "EMEA").count();
    let seen = adbc(&gateway, EMEA, &requests[2..]).remove(0);
    assert_eq!(seen["rows"].as_array().map(Vec::len), Some(of_region), "row rules hold: {seen}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_is_told() {
    let sources = Sources::create().await;
    let gateway = gateway_over_kinds(&sources).await;
    let by = |condition: &str| format!("SELECT id FROM \"Kinds\" WHERE {condition}");
    let cases: &[(&str, Value, &str)] = &[
        ("id = ?", json!(["abc"]), "parameter $1"),
        ("id = ? AND day = ?", json!([1, "someday"]), "parameter $2"),
        ("price = ?", json!(["1.55551"]), "parameter $1"),
        ("id = ?", json!([1, 2]), "2 values"),
        ("id = ? AND id = ?", json!([1]), "1 values"),
        ("id = 1", json!([1]), "0 parameters"),
        ("id = ?", json!([[1, 2]]), "$1"),
        ("id = $2", json!([1, 2]), "$1 is not there"),
        ("id = $1 AND id = ?", json!([1, 2]), "both"),
        ("id = $name", json!([1]), "$name"),
        ("id = $1 AND word = $1", json!([1]), "$1"),
    ];
    let mut requests: Vec<Value> =
        cases.iter().map(|(condition, values, _)| json!({ "query": by(condition), "parameters": values })).collect();
    requests.push(json!({ "query": by("id = ?") }));
    requests.push(json!({ "many": by("id = ?"), "rows": [[1], [2]] }));
    requests.push(json!({ "many": "INSERT INTO \"Kinds\" (id) VALUES (?)", "rows": [[8], [9]] }));
    requests.push(json!({ "query": "DELETE FROM \"Kinds\" WHERE id = ?", "parameters": [1] }));
    let parts = cases.iter().map(|(_, _, part)| *part).chain(["0 values", "one row of parameters", "read-only", "read-only"]);
    let mut wrong = Vec::new();
    for ((request, part), answer) in requests.iter().zip(parts).zip(adbc(&gateway, FULL, &requests)) {
        let message = answer["error"].as_str().unwrap_or_default();
        let clear = message.contains("InvalidArgument") && message.contains(part) && !message.contains("placeholder");
        if !clear {
            wrong.push(format!("{request} must be refused with '{part}': {answer}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(sources.database.number("SELECT count(*) FROM kinds").await, 2, "nothing was written");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_types_of_parameters_are_announced() {
    let sources = Sources::create().await;
    let gateway = gateway_over_kinds(&sources).await;
    let all = "SELECT id FROM \"Kinds\" WHERE small = ? AND price > ? AND word LIKE ? AND day < ? AND yes = ? AND bytes <> ?";
    let requests = [
        json!({ "prepare": all }),
        json!({ "prepare": "SELECT $2, id FROM \"Kinds\" WHERE id = $1" }),
        json!({ "prepare": "SELECT id FROM \"Kinds\"" }),
    ];
    let answers = adbc(&gateway, FULL, &requests);
    let announced =
        json!([["$1", "int16"], ["$2", "decimal128(10, 3)"], ["$3", "string"], ["$4", "date32[day]"], ["$5", "bool"], ["$6", "binary"]]);
    assert_eq!(answers[0]["parameters"], announced, "{}", answers[0]);
    assert_eq!(answers[1]["parameters"], json!([["$1", "int64"], ["$2", "string"]]), "{}", answers[1]);
    assert_eq!(answers[2]["parameters"], json!([]), "{}", answers[2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_catalogue_is_toured_to_its_depth() {
    let sources = Sources::create().await;
    let gateway = gateway_over_kinds(&sources).await;
    let tour = [
        json!({ "objects": "all" }),
        json!({ "objects": "catalogs" }),
        json!({ "objects": "db_schemas" }),
        json!({ "objects": "tables" }),
        json!({ "schema": "Kinds" }),
        json!({ "schema": "Nowhere" }),
        json!({ "info": true }),
    ];
    let answers = adbc(&gateway, FULL, &tour);
    let catalogue = &answers[0]["objects"][0];
    assert_eq!(catalogue["catalog_name"], "portico", "{}", answers[0]);
    let schemas = catalogue["catalog_db_schemas"].as_array().unwrap();
    let public = schemas.iter().find(|schema| schema["db_schema_name"] == "public").unwrap();
    let tables = public["db_schema_tables"].as_array().unwrap();
    let names: Vec<&str> = tables.iter().map(|table| table["table_name"].as_str().unwrap()).collect();
    assert_eq!(names, ["Customers", "Invoices", "Kinds", "Lines", "Regions", "Revenue"]);
    let lines = tables.iter().find(|table| table["table_name"] == "Lines").unwrap();
    let columns: Vec<Value> =
        lines["table_columns"].as_array().unwrap().iter().map(|c| json!([c["column_name"], c["ordinal_position"]])).collect();
    assert_eq!(json!(columns), json!([["invoice_id", 1], ["no", 2], ["product", 3]]));
    let view = tables.iter().find(|table| table["table_name"] == "Revenue").unwrap();
    assert_eq!(view["table_type"], "VIEW", "{view}");
    for shallow in &answers[1..4] {
        assert_eq!(shallow["objects"][0]["catalog_name"], "portico", "{shallow}");
    }
    let expected = json!([
        ["id", "int64"],
        ["small", "int16"],
        ["price", "decimal128(10, 3)"],
        ["ratio", "double"],
        ["word", "string"],
        ["day", "date32[day]"],
        ["clock", "time64[us]"],
        ["moment", "timestamp[us]"],
        ["instant", "timestamp[us, tz=UTC]"],
        ["yes", "bool"],
        ["bytes", "binary"],
        ["tag", "string"]
    ]);
    assert_eq!(answers[4]["columns"], expected, "{}", answers[4]);
    assert!(answers[5]["error"].as_str().is_some_and(|message| message.contains("No table found")), "{}", answers[5]);
    let info = &answers[6]["info"];
    assert_eq!(info["vendor_name"], "Portico", "{info}");
    assert!(info["vendor_version"].as_str().is_some_and(|version| version.starts_with("0.")), "{info}");
}
