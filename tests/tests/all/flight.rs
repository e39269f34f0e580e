//! Flight SQL as a Python program with the ADBC driver sees it.

use super::fixture::{CLERK, EMEA, FULL, Sources, cents, customers, invoices};
use super::gateway::Gateway;
use serde_json::{Value, json};
use std::io::Write;
use std::process::{Command, Stdio};

/// How a Python program presents itself, and whom it trusts.
#[derive(Default)]
pub struct Caller {
    /// The value of the authorization header of every call.
    pub authorization: Option<String>,
    /// User and password: the driver turns them into a token with a handshake.
    pub user: Option<(String, String)>,
    /// Certificates to trust, as PEM; those of the machine without.
    pub roots: Option<String>,
}

impl Caller {
    pub fn key(key: &str) -> Caller {
        Caller { authorization: (!key.is_empty()).then(|| format!("Bearer {key}")), ..Caller::default() }
    }
}

/// Runs requests through the ADBC driver: see `python/flight_sql.py`.
pub fn adbc(gateway: &Gateway, key: &str, requests: &[Value]) -> Vec<Value> {
    adbc_as(&gateway.flight, &Caller::key(key), requests)
}

/// The same as any caller, at any address.
pub fn adbc_as(address: &str, caller: &Caller, requests: &[Value]) -> Vec<Value> {
    let python = std::env::var("PORTICO_TEST_PYTHON")
        .expect("PORTICO_TEST_PYTHON is not set: run tests/run, or name a Python with the packages of tests/requirements.txt");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/python/flight_sql.py");
    let (user, password) = caller.user.as_ref().map_or((None, None), |(user, password)| (Some(user), Some(password)));
    let options = json!({
        "adbc.flight.sql.authorization_header": caller.authorization, "username": user, "password": password,
        "adbc.flight.sql.client_option.tls_root_certs": caller.roots,
    });
    let mut child =
        Command::new(python).args([script, address]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("Python starts");
    let mut input = child.stdin.take().unwrap();
    writeln!(input, "{options}").unwrap();
    for request in requests {
        writeln!(input, "{request}").unwrap();
    }
    drop(input);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "Python failed");
    let answers: Vec<Value> = String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(answers.len(), requests.len(), "{answers:?}");
    answers
}

#[tokio::test(flavor = "multi_thread")]
async fn sql_joins_both_sources_and_streams() {
    let sources = Sources::create().await;
    let gateway = sources.serve().await;
    let join = r#"SELECT c."Region", count(*) AS n, sum(i.amount) AS total FROM "Customers" c
        JOIN "Invoices" i ON i.customer_id = c."Id" WHERE i.paid AND c."Active" GROUP BY 1 ORDER BY 1"#;
    let answers = adbc(
        &gateway,
        FULL,
        &[
            json!({ "query": join }),
            json!({ "query": r#"SELECT "Name" FROM "Customers" WHERE "Id" = $1"#, "parameters": [3] }),
            json!({ "prepare": r#"SELECT "Name" FROM "Customers" WHERE "Id" = $1"# }),
            json!({ "stream": "SELECT * FROM \"Invoices\"" }),
            json!({ "query": r#"SELECT "Id", "Credit", "Since", "Active", "City" FROM "Customers" WHERE "Id" <= 2 ORDER BY 1"# }),
        ],
    );
    let mut expected: Vec<(String, i64, i64)> = Vec::new();
    for region in ["AMER", "APAC", "EMEA"] {
        let of_region: Vec<i64> = customers().iter().filter(|c| c.region == region && c.active).map(|c| c.id).collect();
        let amounts: Vec<i64> = invoices().iter().filter(|i| i.paid && of_region.contains(&i.customer)).map(|i| i.amount).collect();
        expected.push((region.to_owned(), amounts.len() as i64, amounts.iter().sum()));
    }
    let rows: Vec<Value> = expected.iter().map(|(region, n, total)| json!([region, n, cents(*total)])).collect();
    assert_eq!(answers[0]["rows"], json!(rows), "{}", answers[0]);
    assert_eq!(answers[1]["rows"], json!([["Customer 03"]]), "{}", answers[1]);
    assert!(answers[2].get("error").is_none(), "{}", answers[2]);
    assert_eq!(answers[3]["rows"], json!(invoices().len()), "{}", answers[3]);
    assert_eq!(
        answers[4]["rows"],
        json!([[1, "-59.50", "2020-01-01", true, null], [2, "-49.00", "2021-06-15", true, "lyon"]]),
        "{}",
        answers[4]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_catalogue_shows_what_the_caller_sees() {
    let sources = Sources::create().await;
    let gateway = sources.serve().await;
    let tour = [json!({ "objects": "all" }), json!({ "schema": "Invoices" }), json!({ "info": true }), json!({ "types": true })];
    let answers = adbc(&gateway, CLERK, &tour);
    for answer in &answers {
        assert!(answer.get("error").is_none(), "{answer}");
    }
    let objects = answers[0].to_string();
    assert!(objects.contains("Invoices") && !objects.contains("Customers") && !objects.contains("Revenue"), "{objects}");
    let names: Vec<&str> = answers[1]["columns"].as_array().unwrap().iter().map(|column| column[0].as_str().unwrap()).collect();
    assert_eq!(names, ["id", "customer_id", "amount", "issued", "paid", "note"]);
    assert!(answers[2].to_string().contains("Portico"), "{}", answers[2]);
    let objects = adbc(&gateway, EMEA, &tour[..1])[0].to_string();
    assert!(objects.contains("Customers") && !objects.contains("TaxId"), "{objects}");
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_have_the_right_status() {
    let sources = Sources::create().await;
    let gateway = sources.serve().await;
    let cases = [
        (FULL, "SELEC 1", "INVALID_ARGUMENT", "SELEC"),
        (FULL, "SELECT * FROM \"Custmers\"", "INVALID_ARGUMENT", "Customers"),
        (FULL, "SELECT \"Nme\" FROM \"Customers\"", "INVALID_ARGUMENT", "Nme"),
        (CLERK, "SELECT * FROM \"Customers\"", "INVALID_ARGUMENT", "Customers"),
        (EMEA, "SELECT \"TaxId\" FROM \"Customers\"", "INVALID_ARGUMENT", "TaxId"),
        (FULL, "SELECT 1 / (\"Id\" - \"Id\") FROM \"Customers\"", "INVALID_ARGUMENT", "zero"),
        ("a-wrong-key", "SELECT 1", "UNAUTHENTICATED", ""),
        ("", "SELECT 1", "UNAUTHENTICATED", ""),
    ];
    for (key, sql, status, part) in cases {
        let answer = &adbc(&gateway, key, &[json!({ "query": sql })])[0];
        let message = answer["error"].as_str().unwrap_or_else(|| panic!("{sql}: {answer}"));
        let known = answer["status"].as_str().unwrap_or_default().to_owned() + " " + message;
        assert!(known.to_uppercase().replace(' ', "").contains(&status.replace('_', "")) || known.contains(status), "{sql}: {answer}");
        assert!(message.to_lowercase().contains(&part.to_lowercase()), "{sql}: {answer}");
        assert!(!message.contains("hidden") && !message.contains("postgres://"), "{sql}: {answer}");
    }
}
