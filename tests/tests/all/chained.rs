//! Two gateways, one behind the other: what a client asks the first reaches the databases of the second as if it had asked there. The
//! first knows the second as the source `hub`, and nothing of what is behind it.

use super::fixture::{EMEA, FULL, Sources, customers, invoices};
use super::gateway::{Gateway, sha256};
use super::outage::{Proxy, through};
use super::tls::with_tls;
use argon2::{Algorithm, Argon2, Params, PasswordHasher, Version};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Who may do everything at the first gateway.
const FRONT: &str = "key-of-the-front-role";
const PASSWORD: &str = "pass:wörd of the front";

/// The first gateway.
struct Front {
    gateway: Gateway,
    _directory: TempDir,
}

/// Starts the first gateway over the second with these further settings of the source.
async fn front(hub: &Gateway, settings: &str, secret: &str) -> Front {
    front_with(hub, settings, secret, &["Customers", "Invoices", "Lines", "Regions", "Revenue"]).await
}

/// The same where these tables are to be seen.
async fn front_with(hub: &Gateway, settings: &str, secret: &str, tables: &[&str]) -> Front {
    let directory = tempfile::tempdir().unwrap();
    let grants: String = tables.iter().map(|name| format!("      {name}: {{ write: [insert, update, delete] }}\n")).collect();
    let config = format!(
        "sources:\n  hub: {{ kind: flightsql, url: \"{}\", {settings} }}\naccess:\n  roles:\n    front:\n{grants}  operators: [front]\n  \
         keys:\n    front: {{ sha256: \"{}\", roles: [front] }}\n  anonymous: none\n",
        hub.flight,
        sha256(FRONT)
    );
    let gateway = Gateway::start(directory.path(), &config, &[("TEST_HUB_SECRET", secret)]).await.ready().await;
    Front { gateway, _directory: directory }
}

const BY_KEY: &str = "auth: { api_key: { key: { env: TEST_HUB_SECRET } } }";

async fn rows(gateway: &Gateway, sql: &str) -> Vec<Value> {
    let answer = gateway.sql(sql, FRONT).await;
    let status = answer.status();
    let text = answer.text().await.unwrap();
    assert!(status.is_success(), "{sql}: {status} {text}\n{}", gateway.log());
    let answer: Value = serde_json::from_str(&text).unwrap();
    answer["rows"].as_array().or(answer.as_array()).unwrap_or_else(|| panic!("no rows in {text}")).clone()
}

/// What the last gateway asked its sources since the log had that many bytes: source and text of each request.
fn asked(hub: &Gateway, since: usize) -> Vec<(String, String)> {
    let log = hub.log();
    let lines = log[since..].lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let calls = lines.flat_map(|line| line["calls"].as_array().cloned().unwrap_or_default());
    let native = |call: &Value| {
        let source = call["source"].as_str().unwrap().to_owned();
        call["native"].as_array().unwrap().iter().map(|text| (source.clone(), text.as_str().unwrap().to_owned())).collect::<Vec<_>>()
    };
    calls.flat_map(|call| native(&call)).collect()
}

/// The same, once the hub has logged the request: it does so when the answer has been sent.
async fn asked_once(hub: &Gateway, since: usize) -> Vec<(String, String)> {
    let end = Instant::now() + Duration::from_secs(20);
    loop {
        let found = asked(hub, since);
        if !found.is_empty() || Instant::now() > end {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// How many statements the last gateway has answered since the log had that many bytes.
fn runs(hub: &Gateway, since: usize) -> usize {
    hub.log()[since..].lines().filter(|line| line.contains("\"DoGet\"") && line.contains("\"statement\":\"sql\"")).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_and_a_join_arrive_at_the_database_as_one_statement() {
    let sources = Sources::create().await;
    let hub = sources.serve().await;
    let front = front(&hub, BY_KEY, FULL).await;
    let sql = r#"SELECT i.id, i.amount, l.product FROM "Invoices" i JOIN "Lines" l ON l.invoice_id = i.id
        WHERE i.amount > 1000.00 AND i.issued >= DATE '2024-06-01' AND l.product <> 'first' ORDER BY i.id LIMIT 5"#;
    let before = hub.log().len();
    let found = rows(&front.gateway, sql).await;
    let mut expected = invoices();
    expected.retain(|invoice| invoice.amount > 100_000 && invoice.issued.as_str() >= "2024-06-01");
    expected.truncate(5);
    assert_eq!(found.len(), 5, "the test asks for something");
    for (row, invoice) in found.iter().zip(&expected) {
        assert_eq!((&row["id"], &row["product"]), (&json!(invoice.id), &json!("second")), "{row}");
        let amount = row["amount"].to_string().parse::<f64>().unwrap();
        assert!((amount * 100.0 - invoice.amount as f64).abs() < 0.5, "{row}");
    }
    let native = asked_once(&hub, before).await;
    let [(source, statement)] = native.as_slice() else { panic!("the database is asked once: {native:?}") };
    assert_eq!(source, "billing");
    for part in ["invoices", "lines", "JOIN", "WHERE", "ORDER BY", "LIMIT 5"] {
        assert!(statement.contains(part), "{part}: {statement}");
    }
    // Neither gateway shows a value where it shows what it asked.
    let explained = front.gateway.sql(&format!("EXPLAIN {sql}"), FRONT).await.text().await.unwrap();
    assert!(explained.contains("JOIN") && explained.contains("$1") && !explained.contains("1000.00"), "{explained}");
    assert!(!front.gateway.log().contains("'first'") && !hub.log().contains("'first'"), "a value is in a log");
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_over_both_databases_are_computed_behind() {
    let sources = Sources::create().await;
    let hub = sources.serve().await;
    let sql = r#"SELECT c."Region" AS region, count(*) AS n, sum(i.amount) AS total, avg(i.amount) AS mean FROM "Customers" c
        JOIN "Invoices" i ON i.customer_id = c."Id" WHERE c."Active" GROUP BY c."Region" ORDER BY c."Region""#;
    let there: Value = serde_json::from_str(&hub.sql(sql, FULL).await.text().await.unwrap()).unwrap();
    for settings in [BY_KEY.to_owned(), format!("{BY_KEY}, parameters: bound"), format!("{BY_KEY}, server: standard, schemas: [public]")] {
        let standard = settings.contains("standard");
        // A server that is not known has tables in catalogs.
        let settings = if standard { format!("{settings}, catalog: portico") } else { settings };
        let front = front(&hub, &settings, FULL).await;
        let before = hub.log().len();
        let here: Value = serde_json::from_str(&front.gateway.sql(sql, FRONT).await.text().await.unwrap()).unwrap();
        assert_eq!(here, there, "{settings}");
        // What a gateway like this one computes is asked in one statement, of an unknown server each table.
        let wanted = if standard { 2 } else { 1 };
        let end = Instant::now() + Duration::from_secs(20);
        while runs(&hub, before) < wanted && Instant::now() < end {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(runs(&hub, before), wanted, "{settings}");
    }
    let active: usize = customers().iter().filter(|customer| customer.active).count();
    assert!(active > 0 && there.to_string().contains("EMEA"), "{there}");
}

#[tokio::test(flavor = "multi_thread")]
async fn odata_sees_keys_relationships_and_types_of_the_gateway_behind() {
    let sources = Sources::create().await;
    let hub = sources.serve().await;
    let front = front(&hub, BY_KEY, FULL).await;
    let metadata = front.gateway.get("/odata/$metadata", FRONT).await.text().await.unwrap();
    for part in ["<PropertyRef Name=\"invoice_id\"", "NavigationProperty", "MaxLength=\"60\"", "Scale=\"2\""] {
        assert!(metadata.contains(part), "{part}: {metadata}");
    }
    let invoice = invoices().into_iter().find(|invoice| invoice.id == 7).unwrap();
    let one = front.gateway.json("/odata/Invoices(7)", FRONT).await;
    assert_eq!((&one["customer_id"], &one["issued"]), (&json!(invoice.customer), &json!(invoice.issued)), "{one}");
    let page = front.gateway.json("/odata/Invoices?$filter=amount gt 1000 and paid&$orderby=amount desc&$top=3&$count=true", FRONT).await;
    let mut expected = invoices();
    expected.retain(|invoice| invoice.amount > 100_000 && invoice.paid);
    expected.sort_by_key(|invoice| std::cmp::Reverse(invoice.amount));
    assert_eq!(page["@odata.count"], json!(expected.len()), "{page}");
    let ids: Vec<&Value> = page["value"].as_array().unwrap().iter().map(|entity| &entity["id"]).collect();
    assert_eq!(ids, expected.iter().take(3).map(|invoice| json!(invoice.id)).collect::<Vec<_>>().iter().collect::<Vec<_>>());
    // Row rules of the gateway behind hold for whom the front logs in as.
    let restricted = front_with(&hub, BY_KEY, EMEA, &["Customers", "Invoices", "Revenue"]).await;
    let seen = rows(&restricted.gateway, r#"SELECT count(*) AS n FROM "Customers""#).await;
    let of_region = customers().iter().filter(|customer| customer.region == "EMEA").count();
    assert!(seen[0].to_string().contains(&of_region.to_string()), "{seen:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_written_through_the_chain() {
    let sources = Sources::create().await;
    let hub = sources.serve().await;
    let front = front(&hub, BY_KEY, FULL).await;
    for (method, path, body) in [
        (Method::DELETE, "/odata/Invoices(7)", None),
        (Method::PATCH, "/odata/Invoices(7)", Some(json!({ "note": "changed" }))),
        (Method::POST, "/odata/Invoices", Some(json!({ "id": 999, "customer_id": 1, "amount": 1, "issued": "2024-01-01", "paid": true }))),
    ] {
        let mut request = front.gateway.request(method.clone(), path, FRONT);
        if let Some(body) = &body {
            request = request.json(body);
        }
        let answer = request.send().await.unwrap();
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        assert!(status.is_client_error() || status == StatusCode::NOT_IMPLEMENTED, "{method}: {status} {text}");
        assert!(text.contains("Invoices") || text.contains("read"), "it says why: {text}");
    }
    let refused = front.gateway.sql(r#"DELETE FROM "Invoices""#, FRONT).await;
    assert!(refused.status().is_client_error());
    let count = i64::try_from(invoices().len()).unwrap();
    assert_eq!(sources.database.number("SELECT count(*) FROM invoices").await, count);
    assert_eq!(sources.database.number("SELECT count(*) FROM invoices WHERE note = 'changed'").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_gateway_or_a_dead_database_behind_it_is_named() {
    let sources = Sources::create().await;
    let (target, url) = through(&sources, super::gateway::free_port());
    let port = url.rsplit_once(':').unwrap().1.split('/').next().unwrap().parse().unwrap();
    let proxy = Proxy::start(port, target, true).await;
    let hub = Gateway::start(sources.directory.path(), &sources.config(), &[("TEST_BILLING_URL", &url)]).await.ready().await;
    let front = front(&hub, BY_KEY, FULL).await;
    let ask = async |path: &str| {
        let answer = front.gateway.get(path, FRONT).await;
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    assert_eq!(ask("/odata/Invoices?$top=1").await.0, 200);
    proxy.set(false);
    tokio::time::sleep(Duration::from_millis(300)).await;
    let (status, text) = ask("/odata/Invoices?$top=1").await;
    assert!([502, 503, 504].contains(&status), "{status} {text}");
    assert!(text.contains("'hub'") && text.contains("'billing'"), "both are named: {text}");
    assert_eq!(ask("/odata/Customers?$top=1").await.0, 200, "what does not need it is answered");
    drop(hub);
    for _ in 0..2 {
        let (status, text) = ask("/odata/Customers?$top=1").await;
        assert!([502, 503].contains(&status), "{status} {text}");
        assert!(text.contains("source 'hub'") && text.contains("cannot be reached"), "{text}");
        assert!(!text.contains(FULL) && !text.contains("panicked") && !text.contains("transport"), "{text}");
    }
    assert!(!front.gateway.log().contains(FULL), "the key is in the log");
}

fn openssl(directory: &Path, arguments: &[&str]) {
    let output = Command::new("openssl").args(arguments).current_dir(directory).output().expect("openssl is installed: run tests/run");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Makes an authority, and the gateway's certificate by it: `own.cert.pem` and `own.key.pem`.
fn certify(directory: &Path) -> PathBuf {
    let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
    let authority = ["-x509", "-days", "2", "-subj", "/CN=Portico test authority", "-out", "authority.pem", "-keyout", "authority.key.pem"];
    openssl(directory, &[&["req"], key.as_slice(), authority.as_slice()].concat());
    openssl(directory, &[&["req"], key.as_slice(), &["-subj", "/CN=hub", "-out", "own.csr", "-keyout", "own.key.pem"]].concat());
    std::fs::write(directory.join("names"), "subjectAltName=IP:127.0.0.1,DNS:localhost\nbasicConstraints=CA:FALSE\n").unwrap();
    let sign = ["x509", "-req", "-in", "own.csr", "-CA", "authority.pem", "-CAkey", "authority.key.pem", "-CAcreateserial"];
    openssl(directory, &[sign.as_slice(), &["-days", "2", "-extfile", "names", "-out", "own.cert.pem"]].concat());
    directory.join("authority.pem")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_front_logs_in_with_a_password_over_tls() {
    let sources = Sources::create().await;
    let directory = sources.directory.path();
    let authority = certify(directory);
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(64, 1, 1, None).unwrap());
    let hash = argon2.hash_password(PASSWORD.as_bytes()).unwrap().to_string();
    let users = format!("  users:\n    front: {{ argon2: \"{hash}\", roles: [full] }}\n  anonymous: none");
    let config = sources.config().replace("  anonymous: none", &users);
    let door = |listen: &str| with_tls(directory, listen);
    let hub = Gateway::start_with_doors(directory, &config, door, &sources.environment()).await.ready().await;
    let auth = "auth: { basic: { user: front, password: { env: TEST_HUB_SECRET } } }";
    let settings = format!("{auth}, tls: {{ ca: \"{}\" }}", authority.display());
    let trusting = front(&hub, &settings, PASSWORD).await;
    for _ in 0..2 {
        let seen = rows(&trusting.gateway, r#"SELECT count(*) AS n FROM "Invoices""#).await;
        assert!(seen[0].to_string().contains(&invoices().len().to_string()), "{seen:?}");
    }
    assert!(!trusting.gateway.log().contains("pass:w"), "the password is in the log");
    // Who does not trust the certificate, or has a wrong password, says so when asked to check.
    for (settings, secret, part) in [(auth.to_owned(), PASSWORD, "certificate"), (settings, "guess", "credentials")] {
        let elsewhere = tempfile::tempdir().unwrap();
        let text = format!(
            "gateway:\n  http: {{ listen: \"127.0.0.1:0\" }}\n  admin: {{ listen: \"127.0.0.1:0\" }}\n  token_key: {{ env: TEST_TOKEN_KEY }}\n\
             sources:\n  hub: {{ kind: flightsql, url: \"{}\", {settings} }}\n",
            hub.flight
        );
        std::fs::write(elsewhere.path().join("portico.yaml"), text).unwrap();
        let environment = [("TEST_HUB_SECRET", secret)];
        let (ended, output) = super::gateway::run(elsewhere.path(), &["check", "--config", "portico.yaml"], &environment);
        assert!(ended == super::gateway::Ended::Badly && output.contains("hub") && output.contains(part), "{ended:?} {output}");
        assert!(!output.contains(secret), "{output}");
    }
}
