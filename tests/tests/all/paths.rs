//! Resource paths and query options over HTTP: statuses, media types, context URLs and links of everything that is not a plain
//! collection.

use super::fixture::{EMEA, FULL, Sources};
use super::gateway::Gateway;
use serde_json::{Value, json};

/// Documents with a body of their own: a media entity, with a picture as a stream property, and what the set does not offer.
const DOCUMENTS: &str = r#"
  Documents:
    source: files
    remote: documents
    columns: { id: {}, title: { searchable: true }, body: {}, picture: {}, kind: {}, secret: {} }
    media: { content: body, media_type: application/pdf }
    streams: { Picture: { content: picture, media_type: { column: kind } } }
    restrictions: { not_filterable: [secret], not_sortable: [secret], countable: false }
  Orders:
    source: files
    remote: orders
    restrictions: { readable: false }
"#;

async fn serve(sources: &Sources) -> Gateway {
    let connection = rusqlite::Connection::open(sources.directory.path().join("files.sqlite")).unwrap();
    connection
        .execute_batch(
            "CREATE TABLE documents (id INTEGER PRIMARY KEY NOT NULL, title TEXT NOT NULL, body BLOB, picture BLOB, kind TEXT, secret TEXT);
             INSERT INTO documents VALUES (1, 'Contract', x'255044462d', x'89504e47', 'image/png', 'x'), (2, 'Letter', NULL, NULL, NULL, NULL);
             CREATE TABLE orders (id INTEGER PRIMARY KEY NOT NULL, note TEXT);
             INSERT INTO orders VALUES (1, 'n');",
        )
        .unwrap();
    let config = sources
        .config()
        .replacen("sources:\n", "sources:\n  files: { kind: sqlite, path: files.sqlite }\n", 1)
        .replacen("tables:\n", &format!("tables:{DOCUMENTS}"), 1)
        .replacen("    full:\n", "    full:\n      Documents: {}\n      Orders: {}\n", 1);
    sources.serve_config(&config).await
}

/// Paths and the statuses that they are answered with.
const STATUSES: &[(&str, u16)] = &[
    ("Customers(1)/Name", 200),
    ("Customers(1)/City", 204),
    ("Customers(1)/City/$value", 204),
    ("Customers(1)/Name/$value", 200),
    ("Customers(99)/Name", 404),
    ("Customers(99)/$ref", 404),
    ("Customers(1)/Nothing", 404),
    ("Customers(1)/Name/Nothing", 404),
    ("Customers(1)/$value", 400),
    ("Customers/1/Invoices/1/Lines", 200),
    ("Customers(1)/Invoices(2)", 404),
    ("Customers(1)/Invoices(1)/Customer/Home/name/$value", 200),
    ("Invoices(1)/Lines(2)", 200),
    ("Customers/$ref", 200),
    ("Customers(1)/$ref", 200),
    ("Customers/$filter(Id%20lt%203)/$count", 200),
    ("Customers/$filter(@f)?@f=Id%20lt%203", 200),
    ("$entity?$id=Customers(1)", 200),
    ("$entity?$id=Customers", 400),
    ("$entity?$id=http://elsewhere/odata/Customers(1)", 400),
    ("$entity", 400),
    ("Documents(1)/$value", 200),
    ("Documents(2)/$value", 204),
    ("Documents(9)/$value", 404),
    ("Documents(1)/Picture", 200),
    ("Documents(2)/Picture", 204),
    ("Documents(1)/picture", 404),
    ("Documents?$search=contract", 200),
    ("Customers?$search=contract", 501),
    ("Documents?$filter=secret%20eq%20'x'", 501),
    ("Documents?$orderby=secret", 501),
    ("Documents?$count=true", 501),
    ("Documents/$count", 501),
    ("Orders", 405),
    ("Orders(1)", 200),
    ("Customers?$compute=Id%20add%201%20as%20Next&$orderby=Next", 200),
    ("Customers?$compute=Id%20add%201%20as%20Name", 400),
    ("Customers?$expand=Nothing", 400),
    ("Customers(1)/Name?$top=1", 400),
    ("Customers/$ref?$select=Name", 400),
];

#[tokio::test(flavor = "multi_thread")]
async fn every_path_has_its_status() {
    let sources = Sources::create().await;
    let gateway = serve(&sources).await;
    let mut wrong = Vec::new();
    for (path, status) in STATUSES {
        let response = gateway.get(&format!("/odata/{path}"), FULL).await;
        let found = response.status().as_u16();
        let body = response.text().await.unwrap();
        if found != *status || (found == 204 && !body.is_empty()) {
            wrong.push(format!("{path}: {found}, not {status}: {body}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_of_entities_are_answered_as_what_they_are() {
    let sources = Sources::create().await;
    let gateway = serve(&sources).await;
    for (path, media_type, body) in [
        ("Customers(2)/Name/$value", "text/plain", "Customer 02".as_bytes()),
        ("Customers(2)/Credit/$value", "text/plain", b"-49.00"),
        ("Documents(1)/$value", "application/pdf", b"%PDF-"),
        ("Documents(1)/Picture", "image/png", b"\x89PNG"),
    ] {
        let response = gateway.get(&format!("/odata/{path}"), FULL).await;
        assert!(response.headers()["content-type"].to_str().unwrap().starts_with(media_type), "{path}");
        assert_eq!(response.bytes().await.unwrap(), body, "{path}");
    }
    let root = format!("{}/odata", gateway.http);
    for (path, expected) in [
        ("Customers(2)/Name", json!({"@odata.context": format!("{root}/$metadata#Customers(2)/Name"), "value": "Customer 02"})),
        ("Invoices(2)/Customer/Name", json!({"@odata.context": format!("{root}/$metadata#Customers(2)/Name"), "value": "Customer 02"})),
        ("Customers(2)/$ref", json!({"@odata.context": format!("{root}/$metadata#$ref"), "@odata.id": format!("{root}/Customers(2)")})),
        (
            "Customers(2)/Invoices/$ref?$orderby=id&$top=2",
            json!({"@odata.context": format!("{root}/$metadata#Collection($ref)"),
                   "value": [{"@odata.id": format!("{root}/Invoices(2)")}, {"@odata.id": format!("{root}/Invoices(22)")}]}),
        ),
        (
            "Customers(2)?$select=Id&$expand=Invoices/$count",
            json!({"@odata.context": format!("{root}/$metadata#Customers(Id)/$entity"), "Id": 2, "Invoices@odata.count": 6}),
        ),
    ] {
        let mut found: Value = gateway.json(&format!("/odata/{path}"), FULL).await;
        // Tags of entities that may be changed are another test's.
        if let Some(members) = found.as_object_mut() {
            members.remove("@odata.etag");
        }
        let context = |json: &mut Value| json.as_object_mut().and_then(|members| members.remove("@odata.context"));
        let mut expected = expected;
        if path.contains("$expand") {
            context(&mut found);
            context(&mut expected);
        }
        assert_eq!(found, expected, "{path}");
    }
    let by_id = gateway.json(&format!("/odata/$entity?$id={root}/Customers(3)"), FULL).await;
    assert_eq!(by_id["Id"], 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_references_and_computed_orders_follow_their_links() {
    let sources = Sources::create().await;
    let gateway = serve(&sources).await;
    for path in [
        "/odata/Customers/$ref?$orderby=City%20desc",
        "/odata/Customers?$compute=Id%20mod%205%20as%20Rest&$orderby=Rest%20desc&$select=Rest",
    ] {
        let whole = gateway.json(path, FULL).await["value"].as_array().unwrap().clone();
        assert_eq!(whole.len(), 24);
        let (mut read, mut next) = (Vec::new(), path.to_owned());
        loop {
            let request = gateway.request(reqwest::Method::GET, &next, FULL).header("Prefer", "maxpagesize=7");
            let page: Value = request.send().await.unwrap().json().await.unwrap();
            read.extend(page["value"].as_array().unwrap().iter().cloned());
            let Some(link) = page["@odata.nextLink"].as_str() else { break };
            next = link.strip_prefix(&gateway.http).unwrap().to_owned();
        }
        assert_eq!(read, whole, "{path}");
    }
}

/// Combinations of rows of two sources, as each role sees them.
#[tokio::test(flavor = "multi_thread")]
async fn cross_joins_are_answered_across_sources_in_pages_and_by_right() {
    let sources = Sources::create().await;
    let gateway = serve(&sources).await;
    let root = format!("{}/odata", gateway.http);
    let join = "/odata/$crossjoin(Customers,Invoices)?$filter=Customers/Id%20eq%20Invoices/customer_id%20and%20Customers/Id%20le%202\
                &$orderby=Customers/Id%20desc,Invoices/id&$count=true&$expand=Invoices($select=paid;$expand=Lines($select=no;$top=1))";
    let whole = gateway.json(join, FULL).await;
    assert_eq!(whole["@odata.context"], format!("{root}/$metadata#Collection(Edm.ComplexType)"));
    assert_eq!(whole["@odata.count"], 12);
    assert_eq!(
        whole["value"][0],
        json!({"Customers@odata.navigationLink": format!("{root}/Customers(2)"),
               "Invoices": {"id": 2, "paid": false, "Lines": [{"invoice_id": 2, "no": 1}]}})
    );
    let (mut read, mut next) = (Vec::new(), join.to_owned());
    loop {
        let request = gateway.request(reqwest::Method::GET, &next, FULL).header("Prefer", "maxpagesize=5");
        let page: Value = request.send().await.unwrap().json().await.unwrap();
        read.extend(page["value"].as_array().unwrap().iter().cloned());
        let Some(link) = page["@odata.nextLink"].as_str() else { break };
        next = link.strip_prefix(&gateway.http).unwrap().to_owned();
    }
    assert_eq!(json!(read), whole["value"]);
    // A role sees the combinations of what it sees.
    for (key, customers) in [(FULL, 24), (EMEA, 8)] {
        let all = gateway.json("/odata/$crossjoin(Customers)?$count=true&$top=0", key).await;
        assert_eq!(all["@odata.count"], customers, "{key}");
    }
    for (path, status) in [
        ("$crossjoin(Customers,Invoices)?$top=1", 200),
        ("$crossjoin(Customers,Nothing)", 404),
        ("$crossjoin(Customers,Customers)", 400),
        ("$crossjoin(Customers,Orders)", 405),
        ("$crossjoin(Customers,Documents)?$filter=Documents/secret%20eq%20'x'", 501),
        ("$crossjoin(Documents,Customers)?$orderby=Documents/secret", 501),
        ("$crossjoin(Documents,Customers)?$count=true", 501),
        ("$crossjoin(Customers,Invoices)?$compute=Customers/Id%20add%20Invoices/id%20as%20Sum&$filter=Sum%20lt%205", 200),
        ("$crossjoin(Documents,Customers)?$compute=Documents/secret%20as%20S&$filter=S%20eq%20'x'", 501),
        ("$crossjoin(Documents,Customers)?$compute=Documents/secret%20as%20S&$orderby=S", 501),
        ("$crossjoin(Documents,Customers)?$compute=Documents/secret%20as%20S", 200),
        ("$crossjoin(Customers,Invoices)?$apply=identity", 501),
    ] {
        assert_eq!(gateway.get(&format!("/odata/{path}"), FULL).await.status().as_u16(), status, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn expanded_collections_have_pages_of_their_own() {
    let sources = Sources::create().await;
    // The first door is that of HTTP.
    let first = std::cell::Cell::new(true);
    let door = |listen: &str| {
        let more = if first.replace(false) { ", expand_page_size: 2" } else { "" };
        format!("{{ listen: \"{listen}\"{more} }}")
    };
    let gateway = Gateway::start_with_doors(sources.directory.path(), &sources.config(), door, &sources.environment()).await.ready().await;
    let ids = |rows: &Value| -> Vec<i64> { rows.as_array().unwrap().iter().map(|row| row["id"].as_i64().unwrap()).collect() };
    for (options, wanted) in [
        ("$select=id;$orderby=amount%20desc;$filter=id%20gt%20@least", vec![102, 82, 62, 42, 22]),
        ("$select=id;$orderby=paid,id;$top=3", vec![2, 22, 62]),
        (
            "$apply=filter(id%20gt%20@least)/groupby((id),aggregate(amount%20with%20max%20as%20Most));$orderby=Most%20desc;$select=id",
            vec![102, 82, 62, 42, 22],
        ),
        ("$select=id;$skip=1;$count=true;$orderby=id;$expand=Lines($top=1)", vec![22, 42, 62, 82, 102]),
    ] {
        let path = format!("/odata/Customers?$filter=Id%20eq%202&$select=Id&$expand=Invoices({options})&@least=20");
        let customer = gateway.json(&path, FULL).await["value"][0].clone();
        let mut read = ids(&customer["Invoices"]);
        assert_eq!(read.len(), 2, "{options}");
        let link = customer["Invoices@odata.nextLink"].as_str().unwrap_or_else(|| panic!("{options}: no link in {customer}"));
        let rest = gateway.json(link.strip_prefix(&gateway.http).unwrap(), FULL).await;
        read.extend(ids(&rest["value"]));
        assert!(rest.get("@odata.nextLink").is_none());
        assert_eq!(read, wanted, "{options}");
        if options.contains("$expand") {
            assert!(rest["value"].as_array().unwrap().iter().all(|row| row["Lines"].as_array().unwrap().len() == 1));
        }
    }
    // What `$apply` added has no request of its own: it is there in full, and nothing links to it.
    let path = "/odata/Customers?$apply=filter(Id%20eq%202)/addnested(Invoices,filter(id%20gt%2020)/orderby(id)%20as%20Late)&$select=Id";
    let customer = gateway.json(path, FULL).await["value"][0].clone();
    assert_eq!(ids(&customer["Late"]), [22, 42, 62, 82, 102], "{customer}");
    let said: Vec<&String> = customer.as_object().unwrap().keys().filter(|name| name.starts_with("Late@")).collect();
    assert_eq!(said, ["Late@odata.context"], "{customer}");
    // Few enough: no link.
    let line = gateway.json("/odata/Invoices(1)?$select=id&$expand=Lines", FULL).await;
    assert!(line.get("Lines@odata.nextLink").is_none() && line["Lines"].as_array().unwrap().len() == 2, "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_expanded_as_far_as_it_goes_ends_at_circles() {
    let sources = Sources::create().await;
    let gateway = sources.serve().await;
    let invoice = gateway.json("/odata/Invoices(1)?$select=id&$expand=*($levels=max)", FULL).await;
    // The invoice is among those of its own customer: there it is a reference, and the others are invoices.
    let invoices = invoice["Customer"]["Invoices"].as_array().unwrap();
    let references: Vec<&Value> = invoices.iter().filter(|one| one.get("id").is_none()).collect();
    assert_eq!(references, [&json!({ "@odata.id": format!("{}/odata/Invoices(1)", gateway.http) })], "{invoice}");
    assert!(invoices.len() > 1 && invoices.iter().any(|one| one["Lines"].is_array()), "{invoice}");
    // More than the service does is refused, and never cut.
    let refused = gateway.get("/odata/Invoices(1)?$expand=*($levels=9)", FULL).await;
    assert_eq!(refused.status(), 400);
}
