//! Services with a client profile, asked as their clients ask. The requests are built from the clients' documentation, not recorded.

use super::fixture::{CLERK, EMEA, FULL, Sources, customers, invoices};
use super::gateway::{Ended, Gateway, run, sha256};
use reqwest::{Method, Response};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use tempfile::TempDir;

const SERVICES: &str = "
services:
  all: { path: /odata }
  dv: { path: /dv, profile: dataverse, tables: [Customers, Invoices, Lines, Regions] }
  sf: { path: /sf, profile: salesforce, tables: [Customers, Invoices, Lines] }
  bi: { path: /bi, profile: powerbi, tables: [Customers, Invoices] }
";

fn config(sources: &Sources) -> String {
    format!("{}{SERVICES}", sources.config().trim_end())
}

async fn send(gateway: &Gateway, method: Method, path: &str, body: Option<Value>) -> Response {
    let request = gateway.request(method, path, FULL);
    let request = if let Some(body) = body { request.json(&body) } else { request };
    request.send().await.unwrap()
}

/// The path of an absolute link.
fn path(link: &str) -> &str {
    let rest = link.split_once("://").unwrap().1;
    &rest[rest.find('/').unwrap()..]
}

fn rows(answer: &Value) -> &Vec<Value> {
    answer["value"].as_array().unwrap_or_else(|| panic!("no value in {answer}"))
}

fn texts<'a>(answer: &'a Value, name: &str) -> Vec<&'a str> {
    rows(answer).iter().map(|row| row[name].as_str().unwrap_or_else(|| panic!("no {name} in {row}"))).collect()
}

/// Follows the links to the end; gives the pages.
async fn pages(gateway: &Gateway, first: &str, key: &str) -> Vec<Value> {
    let mut pages = vec![gateway.json(first, key).await];
    while let Some(link) = pages.last().unwrap()["@odata.nextLink"].as_str() {
        assert!(pages.len() < 500, "the pages do not end");
        let next = gateway.json(path(link), key).await;
        pages.push(next);
    }
    pages
}

#[tokio::test(flavor = "multi_thread")]
async fn dataverse_finds_every_row_by_its_guid() {
    let sources = Sources::create().await;
    let gateway = sources.serve_config(&config(&sources)).await;
    let customers_by_guid: BTreeMap<String, i64> = rows(&gateway.json("/dv/Customers?$select=Id", FULL).await)
        .iter()
        .map(|row| (row["CustomersKey"].as_str().unwrap().to_owned(), row["Id"].as_i64().unwrap()))
        .collect();
    assert_eq!(customers_by_guid.len(), customers().len(), "every row has a GUID of its own");
    // The foreign key of a row in another source is the key of the row that it leads to.
    let all = gateway.json("/dv/Invoices?$top=1000", FULL).await;
    for row in rows(&all) {
        assert_eq!(customers_by_guid[row["CustomerKey"].as_str().unwrap()], row["customer_id"].as_i64().unwrap(), "{row}");
        assert_eq!(row["issued"].as_str().unwrap().get(10..), Some("T00:00:00Z"), "{row}");
    }
    for (guid, id) in customers_by_guid.iter().take(5) {
        let row = gateway.json(&format!("/dv/Customers({guid})"), FULL).await;
        assert_eq!((row["Id"].as_i64(), row["CustomersKey"].as_str()), (Some(*id), Some(guid.as_str())));
        let theirs = invoices().iter().filter(|invoice| invoice.customer == *id).count();
        let found = gateway.json(&format!("/dv/Invoices?$filter=CustomerKey%20eq%20{guid}&$count=true&$select=CustomerKey"), FULL).await;
        assert_eq!((found["@odata.count"].as_u64(), rows(&found).len()), (Some(theirs as u64), theirs), "{guid}");
        assert!(rows(&found).iter().all(|row| row["CustomerKey"] == *guid && row.get("customer_id").is_none()), "{found}");
        let nested = gateway.json(&format!("/dv/Customers({guid})/Invoices?$orderby=InvoicesKey"), FULL).await;
        assert_eq!(rows(&nested).len(), theirs);
    }
    // Keys of several parts, and of text.
    let lines = gateway.json("/dv/Lines?$top=6&$orderby=LinesKey&$expand=Invoices", FULL).await;
    let keys = texts(&lines, "LinesKey");
    assert_eq!(keys.iter().collect::<BTreeSet<_>>().len(), 6);
    for row in rows(&lines) {
        let alone = gateway.json(&format!("/dv/Lines({})", row["LinesKey"].as_str().unwrap()), FULL).await;
        assert_eq!((&alone["invoice_id"], &alone["no"]), (&row["invoice_id"], &row["no"]));
        assert_eq!(row["InvoicesKey"], row["Invoices"]["InvoicesKey"], "{row}");
    }
    let some = gateway.json(&format!("/dv/Lines?$filter=LinesKey%20in%20({},{})", keys[1], keys[4]), FULL).await;
    assert_eq!(texts(&some, "LinesKey"), [keys[1], keys[4]]);
    let homes = gateway.json("/dv/Customers?$expand=Home&$top=9", FULL).await;
    assert!(rows(&homes).iter().all(|row| row["HomeKey"].is_string() && row["HomeKey"] == row["Home"]["RegionsKey"]), "{homes}");
    // What nobody has, leads nowhere; what another may not see, neither.
    for path in ["/dv/Customers(f81d4fae-7dec-41d0-a765-00a0c91e6bf6)".to_owned(), format!("/dv/Customers({})", keys[0])] {
        assert_eq!(gateway.get(&path, FULL).await.status(), 404, "{path}");
    }
    assert_eq!(gateway.get("/dv/Customers(1)", FULL).await.status(), 400);
    let (first, id) = customers_by_guid.iter().next().unwrap();
    let name = gateway.json(&format!("/dv/Customers({first})/Name"), FULL).await;
    assert_eq!(name["value"].as_str(), customers().iter().find(|customer| customer.id == *id).map(|customer| customer.name.as_str()));
    let references = gateway.json("/dv/Customers/$ref", FULL).await;
    let ids = texts(&references, "@odata.id");
    assert!(
        ids.len() == 24 && ids.iter().all(|id| customers_by_guid.keys().any(|guid| id.ends_with(&format!("/dv/Customers({guid})")))),
        "{ids:?}"
    );
    for (guid, id) in &customers_by_guid {
        let seen = customers().iter().any(|customer| customer.id == *id && customer.region == "EMEA");
        assert_eq!(gateway.get(&format!("/dv/Customers({guid})"), EMEA).await.status(), if seen { 200 } else { 404 });
    }
    assert_eq!(gateway.get(&format!("/dv/Customers({})", customers_by_guid.keys().next().unwrap()), CLERK).await.status(), 404);
    // Paging, links and ids are the client's.
    let paged: Vec<String> = pages(&gateway, "/dv/Customers?$orderby=City,CustomersKey%20desc", FULL)
        .await
        .iter()
        .flat_map(|page| texts(page, "CustomersKey").into_iter().map(str::to_owned).collect::<Vec<_>>())
        .collect();
    assert_eq!(paged.iter().collect::<BTreeSet<_>>(), customers_by_guid.keys().collect());
    let full = gateway
        .request(Method::GET, "/dv/Lines?$top=1", FULL)
        .header("Accept", "application/json;odata.metadata=full")
        .send()
        .await
        .unwrap();
    let full: Value = full.json().await.unwrap();
    let row = &rows(&full)[0];
    let id = row["@odata.id"].as_str().unwrap();
    assert!(id.ends_with(&format!("/dv/Lines({})", row["LinesKey"].as_str().unwrap())), "{id}");
    assert_eq!(gateway.get(path(id), FULL).await.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn dataverse_writes_by_guid_without_an_etag() {
    let sources = Sources::create().await;
    let gateway = sources.serve_config(&config(&sources)).await;
    let guid = |answer: &Value, id: i64| {
        let row = rows(answer).iter().find(|row| row["Id"] == id).unwrap();
        row["CustomersKey"].as_str().unwrap().to_owned()
    };
    let known = gateway.json("/dv/Customers", FULL).await;
    let (three, four) = (guid(&known, 3), guid(&known, 4));
    let body = json!({ "id": 500, "CustomerKey": three, "amount": 99.95, "issued": "2024-12-24T00:00:00Z", "paid": true,
        "InvoicesKey": "f81d4fae-7dec-41d0-a765-00a0c91e6bf6" });
    let created = send(&gateway, Method::POST, "/dv/Invoices", Some(body)).await;
    assert_eq!(created.status(), 201, "{}", created.text().await.unwrap());
    let location = created.headers()["location"].to_str().unwrap().to_owned();
    let entity: Value = created.json().await.unwrap();
    let own = entity["InvoicesKey"].as_str().unwrap();
    assert!(location.ends_with(&format!("/dv/Invoices({own})")), "{location}");
    assert_eq!((&entity["CustomerKey"], &entity["issued"]), (&json!(three), &json!("2024-12-24T00:00:00Z")));
    assert_eq!(sources.database.number("SELECT customer_id FROM invoices WHERE id = 500 AND issued = '2024-12-24'").await, 3);

    let changed = send(&gateway, Method::PATCH, path(&location), Some(json!({ "CustomerKey": four, "InvoicesKey": own }))).await;
    assert!(changed.status().is_success(), "{}", changed.text().await.unwrap());
    assert_eq!(sources.database.number("SELECT customer_id FROM invoices WHERE id = 500").await, 4);
    let minimal = gateway.request(Method::PATCH, path(&location), FULL).header("Prefer", "return=minimal").json(&json!({ "note": "x" }));
    let minimal = minimal.send().await.unwrap();
    assert_eq!((minimal.status().as_u16(), minimal.headers()["odata-entityid"].to_str().unwrap()), (204, location.as_str()));
    for (body, why) in [
        (json!({ "InvoicesKey": three }), "cannot be changed"),
        (json!({ "CustomerKey": own }), "stands for no key"),
        (json!({ "CustomerKey": four, "customer_id": 3 }), "different values"),
        (json!({ "issued": "2024-12-24T10:00:00Z" }), "midnight"),
        (json!({ "CustomerKye": four }), "did you mean 'CustomerKey'"),
    ] {
        let refused = send(&gateway, Method::PATCH, path(&location), Some(body.clone())).await;
        assert_eq!(refused.status(), 400, "{body}");
        let message = refused.text().await.unwrap();
        assert!(message.contains(why), "{body}: {message}");
    }
    assert_eq!(sources.database.number("SELECT count(*) FROM invoices WHERE id = 500 AND customer_id = 4 AND note = 'x'").await, 1);
    assert_eq!(send(&gateway, Method::DELETE, path(&location), None).await.status(), 204);
    assert_eq!(sources.database.number("SELECT count(*) FROM invoices WHERE id = 500").await, 0);
    assert_eq!(send(&gateway, Method::DELETE, path(&location), None).await.status(), 404);
}

/// Filters that clients send on what is widened, and what they keep.
#[tokio::test(flavor = "multi_thread")]
async fn guids_and_instants_reach_the_source_as_native_keys_and_dates() {
    let sources = Sources::create().await;
    let gateway = sources.serve_config(&config(&sources)).await;
    for (filter, keep) in [
        ("issued ge 2024-03-01T00:00:00Z and issued lt 2024-06-01T00:00:00Z", ("2024-03-01", "2024-05-31")),
        ("issued gt 2024-03-01T12:00:00Z and issued le 2024-05-31T12:00:00Z", ("2024-03-02", "2024-05-31")),
        ("issued eq 2024-03-15T00:00:00Z", ("2024-03-15", "2024-03-15")),
        ("issued eq 2024-03-15T01:00:00Z", ("9", "0")),
    ] {
        let wanted = invoices().iter().filter(|invoice| keep.0 <= invoice.issued.as_str() && invoice.issued.as_str() <= keep.1).count();
        let found = gateway.json(&format!("/dv/Invoices?$filter={}", filter.replace(' ', "%20")), FULL).await;
        assert_eq!(rows(&found).len(), wanted, "{filter}");
    }
    let key = gateway.json("/dv/Customers?$filter=Id%20eq%207", FULL).await;
    let key = texts(&key, "CustomersKey")[0].to_owned();
    let line = gateway.json("/dv/Lines?$filter=invoice_id%20eq%205%20and%20no%20eq%202", FULL).await;
    let line = texts(&line, "LinesKey")[0].to_owned();
    drop(gateway);
    let explained = |url: &str| {
        let arguments = ["explain", "--config", "portico.yaml", "--as", "full", url];
        let (ended, text) = run(sources.directory.path(), &arguments, &sources.environment());
        assert!(ended == Ended::Well, "{url}: {text}");
        let native = text.split("WHERE").nth(1).unwrap_or_else(|| panic!("{url} reaches no source: {text}"));
        native.lines().next().unwrap().to_owned()
    };
    for (url, columns) in [
        (format!("/dv/Invoices?$filter=CustomerKey eq {key}"), vec!["customer_id"]),
        (format!("/dv/Lines({line})"), vec!["invoice_id", "no"]),
        (format!("/dv/Lines?$filter=LinesKey eq {line}"), vec!["invoice_id", "no"]),
        ("/dv/Invoices?$filter=issued ge 2024-03-01T00:00:00Z and issued lt 2024-06-01T00:00:00Z".to_owned(), vec!["issued"]),
        ("/bi/Invoices?$filter=issued ge 2024-03-01 and issued lt 2024-06-01".to_owned(), vec!["issued"]),
    ] {
        let condition = explained(&url);
        assert!(columns.iter().all(|column| condition.contains(&format!("\"{column}\""))), "{url}: {condition}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn dataverse_is_told_only_of_what_it_takes() {
    let sources = Sources::create().await;
    let gateway = sources.serve_config(&config(&sources)).await;
    let metadata = gateway.get("/dv/$metadata", FULL).await.text().await.unwrap();
    for wanted in [
        "<PropertyRef Name=\"CustomersKey\"/>",
        "<PropertyRef Name=\"LinesKey\"/>",
        "<ReferentialConstraint Property=\"CustomerKey\" ReferencedProperty=\"CustomersKey\"/>",
        "<ReferentialConstraint Property=\"HomeKey\" ReferencedProperty=\"RegionsKey\"/>",
        "<Property Name=\"issued\" Type=\"Edm.DateTimeOffset\"",
    ] {
        assert!(metadata.contains(wanted), "{wanted} is not in\n{metadata}");
    }
    let types: BTreeSet<&str> =
        metadata.split("<Property ").skip(1).filter_map(|part| part.split("Type=\"").nth(1)?.split('"').next()).collect();
    let allowed = ["Edm.Boolean", "Edm.DateTimeOffset", "Edm.Decimal", "Edm.Double", "Edm.Guid", "Edm.Int32", "Edm.Int64", "Edm.String"];
    assert!(types.iter().all(|name| allowed.contains(name)), "{types:?}");
    for service in ["dv", "sf"] {
        let metadata = gateway.get(&format!("/{service}/$metadata"), FULL).await.text().await.unwrap();
        let unbounded: Vec<&str> = metadata.split("<Property ").skip(1).filter(|part| part.contains("MaxLength=\"max\"")).collect();
        assert!(unbounded.is_empty(), "{service}: {unbounded:?}");
    }
    // The same tables under another profile are as they were.
    let plain = gateway.get("/odata/$metadata", FULL).await.text().await.unwrap();
    assert!(!plain.contains("CustomersKey") && plain.contains("Type=\"Edm.Date\""));
    for (path, status) in [
        ("/dv/Invoices?$apply=groupby((customer_id))", 200),
        ("/dv/Invoices?$apply=join(Customer%20as%20C)", 501),
        ("/dv/Invoices?$filter=length(CustomerKey)%20eq%201", 501),
        ("/dv/Invoices?$filter=CustomerKye%20eq%20null", 400),
        ("/dv/$crossjoin(Invoices,Customers)", 501),
    ] {
        assert_eq!(gateway.get(path, FULL).await.status().as_u16(), status, "{path}");
    }
    drop(gateway);
    let (ended, text) = run(sources.directory.path(), &["check", "--config", "portico.yaml"], &sources.environment());
    assert!(ended == Ended::Well, "{text}");
    for wanted in [
        "service dv: Lines.LinesKey: is the key in this service, a GUID for invoice_id, no",
        "service dv: Regions.RegionsKey: keys of more than 14 bytes",
        "service dv: Invoices.note: has no length",
        "service dv: Invoices.issued: is a date",
        "service sf: Lines: the key has several parts (invoice_id, no)",
        "service all: Customers: can be written and has no row version",
    ] {
        assert!(text.contains(wanted), "{wanted} is not in\n{text}");
    }
    assert!(!text.contains("Invoices: can be written"), "it has a version");
}

/// A SQLite file of documents whose keys are long, and a service for Dataverse.
fn documents(count: usize, bytes: usize) -> (TempDir, String) {
    let directory = tempfile::tempdir().unwrap();
    let connection = rusqlite::Connection::open(directory.path().join("archive.sqlite")).unwrap();
    let mut sql = String::from(
        "BEGIN; CREATE TABLE documents (name TEXT PRIMARY KEY NOT NULL, parent TEXT REFERENCES documents (name), no INTEGER NOT NULL, body TEXT NOT NULL);",
    );
    for no in 0..count {
        let parent = if no == 0 { "NULL".to_owned() } else { format!("'a document with a long name {:06}'", no / 2) };
        let body = format!("{no}:{}", "ä\"\\".repeat(bytes / 6));
        writeln!(sql, "INSERT INTO documents VALUES ('a document with a long name {no:06}', {parent}, {no}, '{body}');").unwrap();
    }
    sql.push_str("COMMIT;");
    connection.execute_batch(&sql).unwrap();
    let config = format!(
        "sources:
  archive: {{ kind: sqlite, path: archive.sqlite }}
tables:
  Documents:
    source: archive
    remote: documents
    relationships:
      Above: {{ to: Documents, on: {{ parent: name }} }}
services:
  dv: {{ path: /dv, profile: dataverse }}
  sf: {{ path: /sf, profile: salesforce }}
access:
  roles: {{ all: {{ Documents: {{ write: [insert, update] }} }} }}
  keys: {{ all: {{ sha256: \"{}\", roles: [all] }} }}
  anonymous: none
",
        sha256(FULL)
    );
    (directory, config)
}

#[tokio::test(flavor = "multi_thread")]
async fn long_keys_are_remembered_beyond_a_restart() {
    let (directory, config) = documents(40, 30);
    let state = "  state: { sqlite: state.db }\n";
    let start = || async { Gateway::start_with(directory.path(), &config, state, &[]).await.ready().await };
    let gateway = start().await;
    let all = gateway.json("/dv/Documents?$orderby=no&$select=AboveKey,no", FULL).await;
    let keys: Vec<String> = texts(&all, "DocumentsKey").into_iter().map(str::to_owned).collect();
    assert_eq!(keys.iter().collect::<BTreeSet<_>>().len(), 40);
    for (no, row) in rows(&all).iter().enumerate() {
        assert_eq!(row["AboveKey"].as_str(), (no > 0).then(|| keys[no / 2].as_str()), "{row}");
    }
    drop(gateway);
    let gateway = start().await;
    // Nothing was read since: what is known is what was kept.
    for no in [0, 7, 39] {
        let row = gateway.json(&format!("/dv/Documents({})", keys[no]), FULL).await;
        assert_eq!(row["no"], no);
    }
    let children = gateway.json(&format!("/dv/Documents?$filter=AboveKey%20eq%20{}&$orderby=no", keys[3]), FULL).await;
    assert_eq!(rows(&children).iter().map(|row| row["no"].as_i64().unwrap()).collect::<Vec<_>>(), [6, 7]);
    let changed = send(&gateway, Method::PATCH, &format!("/dv/Documents({})", keys[7]), Some(json!({ "AboveKey": keys[20] }))).await;
    assert!(changed.status().is_success(), "{}", changed.text().await.unwrap());
    let created = json!({ "name": "a document that is new and has a long name", "AboveKey": keys[1], "no": 100, "body": "" });
    let created = send(&gateway, Method::POST, "/dv/Documents", Some(created)).await;
    assert_eq!(created.status(), 201);
    let location = created.headers()["location"].to_str().unwrap().to_owned();
    drop(gateway);
    let gateway = start().await;
    assert_eq!(gateway.json(path(&location), FULL).await["AboveKey"].as_str(), Some(keys[1].as_str()));
    drop(gateway);
    // Without a file they are forgotten, and lead nowhere until they are read again.
    let gateway = Gateway::start(directory.path(), &config, &[]).await.ready().await;
    let lost = format!("/dv/Documents({})", keys[7]);
    assert_eq!(gateway.get(&lost, FULL).await.status(), 404);
    gateway.json("/dv/Documents", FULL).await;
    assert_eq!(gateway.json(&lost, FULL).await["no"], 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_for_salesforce_have_at_most_2000_rows_and_8_megabytes() {
    let (directory, config) = documents(4_300, 60);
    let gateway = Gateway::start(directory.path(), &config, &[]).await.ready().await;
    let small = pages(&gateway, "/sf/Documents?$orderby=no&$count=true", FULL).await;
    assert!(small.len() >= 3 && small.iter().all(|page| rows(page).len() <= 2_000), "{} pages", small.len());
    let numbers: Vec<i64> = small.iter().flat_map(rows).map(|row| row["no"].as_i64().unwrap()).collect();
    assert_eq!(numbers, (0..4_300).collect::<Vec<_>>());
    drop(gateway);

    let (directory, config) = documents(130, 300_000);
    let gateway = Gateway::start(directory.path(), &config, &[]).await.ready().await;
    let mut next = Some("/sf/Documents?$orderby=no%20desc&$top=120".to_owned());
    let (mut numbers, mut count) = (Vec::new(), 0);
    while let Some(link) = next {
        let text = gateway.get(&link, FULL).await.text().await.unwrap();
        assert!(text.len() <= 8_000_000, "a page of {} bytes", text.len());
        let page: Value = serde_json::from_str(&text).unwrap();
        numbers.extend(rows(&page).iter().map(|row| row["no"].as_i64().unwrap()));
        next = page["@odata.nextLink"].as_str().map(|link| path(link).to_owned());
        // A page ends because the next row does not fit, not much earlier.
        assert!(next.is_none() || text.len() > 7_000_000, "a page of {} bytes", text.len());
        count += 1;
    }
    assert_eq!(numbers, (10..130).rev().collect::<Vec<_>>());
    assert!(count >= 4, "{count} pages");
    let all = pages(&gateway, "/sf/$all?$top=120", FULL).await;
    assert!(all.len() >= 4 && all.iter().all(|page| page.to_string().len() <= 8_000_000), "{} pages", all.len());
    let mut found: Vec<i64> = all.iter().flat_map(rows).map(|row| row["no"].as_i64().unwrap()).collect();
    assert_eq!(found.len(), 120);
    found.sort_unstable();
    found.dedup();
    assert_eq!(found.len(), 120, "an entity came twice");
    // Others have no such limit.
    let whole = gateway.get("/dv/Documents", FULL).await.text().await.unwrap();
    assert!(whole.len() > 30_000_000 || whole.contains("nextLink"));

    let (directory, config) = documents(2, 9_000_000);
    let gateway = Gateway::start(directory.path(), &config, &[]).await.ready().await;
    let refused = gateway.get("/sf/Documents", FULL).await;
    assert_eq!(refused.status(), 413);
    assert!(refused.text().await.unwrap().contains("larger than a page may be"));
    assert_eq!(gateway.get("/sf/$all", FULL).await.status(), 413);
    assert_eq!(rows(&gateway.json("/sf/Documents?$select=no", FULL).await).len(), 2);
}

/// Salesforce asks for 202 rows by `$top` and `$skip`, says `$count=false` where row counts are off, and sends back the literals that it
/// was given.
#[tokio::test(flavor = "multi_thread")]
async fn salesforce_is_given_back_what_it_sends() {
    let sources = Sources::create().await;
    let config = config(&sources).replace("Name: { remote: name }", "Name: { remote: name, searchable: true }");
    let gateway = sources.serve_config(&config).await;
    let mut seen = Vec::new();
    for skip in [0, 202] {
        let url = format!("/sf/Lines?$count=false&$orderby=invoice_id,no&$select=invoice_id,no,product&$top=202&$skip={skip}");
        let page = gateway.json(&url, FULL).await;
        assert!(page.get("@odata.count").is_none() && page.get("@odata.nextLink").is_none(), "{page}");
        seen.extend(rows(&page).iter().map(|row| (row["invoice_id"].as_i64().unwrap(), row["no"].as_i64().unwrap())));
    }
    let wanted: Vec<(i64, i64)> = invoices().iter().flat_map(|invoice| [(invoice.id, 1), (invoice.id, 2)]).collect();
    assert_eq!(seen, wanted);
    let counted = gateway.json("/sf/Customers?$count=true&$top=3", FULL).await;
    assert_eq!(counted["@odata.count"], customers().len());
    // A value as it stands in the payload, sent back in a filter, finds its row with the same text in it.
    for (set, column, quoted) in
        [("Invoices", "amount", false), ("Invoices", "issued", false), ("Customers", "City", true), ("Customers", "Credit", false)]
    {
        let text = gateway.get(&format!("/sf/{set}?$select={column}&$filter={column}%20ne%20null"), FULL).await.text().await.unwrap();
        let values: BTreeSet<String> = text
            .split(&format!("\"{column}\":"))
            .skip(1)
            .map(|part| part.split([',', '}']).next().unwrap().trim_matches('"').to_owned())
            .collect();
        assert!(values.len() > 3, "{set}.{column}: {text}");
        for value in values.iter().take(6) {
            let literal = if quoted { format!("'{}'", value.replace('\'', "''")) } else { value.clone() };
            let literal = literal.replace('%', "%25").replace('\'', "%27").replace('+', "%2B");
            let back =
                gateway.get(&format!("/sf/{set}?$select={column}&$filter={column}%20eq%20{literal}"), FULL).await.text().await.unwrap();
            assert!(
                back.contains(&format!("\"{column}\":{value}")) || back.contains(&format!("\"{column}\":\"{value}\"")),
                "{value}: {back}"
            );
        }
    }
    // What people search for comes as one phrase, letter case and all.
    for (search, wanted) in [("%22Customer%2007%22", 1), ("%22customer%2007%22", 0), ("%22mer%2007%22", 1), ("%2207%20Customer%22", 0)] {
        let found = gateway.json(&format!("/sf/Customers?$search={search}&$count=true"), FULL).await;
        assert_eq!((found["@odata.count"].as_i64(), rows(&found).len()), (Some(wanted), wanted as usize), "{search}");
    }
    let written = send(&gateway, Method::PATCH, "/sf/Customers(5)", Some(json!({ "City": "Linz" }))).await;
    assert!(written.status().is_success(), "no If-Match is needed: {}", written.text().await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn power_bi_reads_whole_tables_in_one_answer() {
    let sources = Sources::create().await;
    let door = |listen: &str| if listen.is_empty() { String::new() } else { format!("{{ listen: \"{listen}\" }}") };
    // Pages of ten for everybody else.
    let config = config(&sources);
    let paged = |listen: &str| door(listen).replace(" }", ", page_size: 10 }");
    let calls = std::cell::Cell::new(0);
    let first_only = |listen: &str| {
        calls.set(calls.get() + 1);
        if calls.get() == 1 { paged(listen) } else { door(listen) }
    };
    let gateway = Gateway::start_with_doors(sources.directory.path(), &config, first_only, &sources.environment()).await.ready().await;
    assert_eq!(rows(&gateway.json("/odata/Invoices", FULL).await).len(), 10);
    for version in ["4.0", "4.01"] {
        let request = gateway.request(Method::GET, "/bi/Customers?$select=Id,Name&$expand=Invoices", FULL);
        let answer = request.header("OData-MaxVersion", version).header("MaxDataServiceVersion", "3.0").send().await.unwrap();
        let answer: Value = answer.json().await.unwrap();
        assert_eq!(rows(&answer).len(), customers().len());
        let context = answer["@odata.context"].as_str().unwrap();
        assert!(context.ends_with("/bi/$metadata#Customers(Id,Name,Invoices)"), "{context}");
    }
    let whole = gateway.json("/bi/Invoices", FULL).await;
    assert_eq!((rows(&whole).len(), whole.get("@odata.nextLink")), (invoices().len(), None));
    // Unless it asks for pages.
    let request = gateway.request(Method::GET, "/bi/Invoices", FULL).header("Prefer", "odata.maxpagesize=7");
    let answer: Value = request.send().await.unwrap().json().await.unwrap();
    assert_eq!(rows(&answer).len(), 7);
    assert!(answer["@odata.nextLink"].is_string());
}

/// What Dataverse has no notion of: enumerations over codes, complex properties, dates, times, bytes.
#[tokio::test(flavor = "multi_thread")]
async fn dataverse_is_given_flat_rows_of_types_that_it_has() {
    let directory = tempfile::tempdir().unwrap();
    let connection = rusqlite::Connection::open(directory.path().join("crm.sqlite")).unwrap();
    let sql = "CREATE TABLE partners (id INTEGER PRIMARY KEY NOT NULL, status VARCHAR(1), addr_street VARCHAR(20), addr_city VARCHAR(20), photo BLOB);
        INSERT INTO partners VALUES (1, 'O', 'Ring 1', 'Wien', x'00'), (2, 'C', NULL, NULL, NULL), (3, NULL, NULL, 'Graz', NULL), (4, 'C', 'Platz 2', 'Linz', x'01');";
    connection.execute_batch(sql).unwrap();
    let config = format!(
        "sources:
  crm: {{ kind: sqlite, path: crm.sqlite }}
enums:
  Status: {{ members: {{ Open: {{ value: 1, stored: O }}, Closed: {{ value: 2, stored: C }} }} }}
tables:
  Partners:
    source: crm
    remote: partners
    columns: {{ id: {{}}, status: {{ enum: Status }}, \"*\": {{}} }}
    complex: {{ Address: {{ type: Address, prefix: addr_ }} }}
services:
  dv: {{ path: /dv, profile: dataverse }}
access:
  roles: {{ all: {{ Partners: {{ write: [insert, update] }} }} }}
  keys: {{ all: {{ sha256: \"{}\", roles: [all] }} }}
  anonymous: none
",
        sha256(FULL)
    );
    let gateway = Gateway::start(directory.path(), &config, &[]).await.ready().await;
    let metadata = gateway.get("/dv/$metadata", FULL).await.text().await.unwrap();
    assert!(
        metadata.contains("Name=\"status\" Type=\"Edm.Int32\"") && metadata.contains("Name=\"addr_city\" Type=\"Edm.String\""),
        "{metadata}"
    );
    for unwanted in ["photo", "EnumType", "ComplexType", "Edm.Binary"] {
        assert!(!metadata.contains(unwanted), "{unwanted}: {metadata}");
    }
    let all = gateway.json("/dv/Partners?$orderby=PartnersKey", FULL).await;
    let shown: Vec<Value> = rows(&all).iter().map(|row| json!([row["id"], row["status"], row["addr_street"], row["addr_city"]])).collect();
    assert_eq!(json!(shown), json!([[1, 1, "Ring 1", "Wien"], [2, 2, null, null], [3, null, null, "Graz"], [4, 2, "Platz 2", "Linz"]]));
    assert!(rows(&all)[0].get("Address").is_none() && rows(&all)[0].get("photo").is_none(), "{all}");
    for (query, wanted) in [
        ("$filter=status%20eq%202", vec![2, 4]),
        ("$filter=status%20ne%202", vec![1, 3]),
        ("$filter=status%20in%20(1,7)", vec![1]),
        ("$filter=status%20eq%207", vec![]),
        ("$filter=status%20eq%20null", vec![3]),
        ("$filter=addr_city%20eq%20'Graz'%20or%20startswith(addr_street,'Platz')", vec![3, 4]),
        ("$select=addr_city&$orderby=addr_city%20desc&$top=2", vec![1, 4]),
    ] {
        let found = gateway.json(&format!("/dv/Partners?{query}"), FULL).await;
        let keys = texts(&found, "PartnersKey");
        let wanted: Vec<&str> = wanted.iter().map(|id: &usize| texts(&all, "PartnersKey")[id - 1]).collect();
        assert_eq!(keys, wanted, "{query}");
    }
    assert_eq!(gateway.get("/dv/Partners?$orderby=status", FULL).await.status(), 501);
    assert_eq!(gateway.get("/dv/Partners?$filter=photo%20eq%20null", FULL).await.status(), 400);
    let third = format!("/dv/Partners({})", texts(&all, "PartnersKey")[2]);
    let changed = send(&gateway, Method::PATCH, &third, Some(json!({ "status": 2, "addr_street": "Gasse 3" }))).await;
    assert!(changed.status().is_success(), "{}", changed.text().await.unwrap());
    let row = gateway.json(&third, FULL).await;
    assert_eq!(json!([row["status"], row["addr_street"], row["addr_city"]]), json!([2, "Gasse 3", "Graz"]));
    let stored: String = connection.query_row("SELECT status || addr_street FROM partners WHERE id = 3", [], |row| row.get(0)).unwrap();
    assert_eq!(stored, "CGasse 3");
}
