//! `$all` over HTTP: the entities of all sets of all sources, each once, in pages of any size, by right; and `$all` of one type. What it
//! should be is put together from the sets, read one by one.

use super::fixture::{CLERK, EMEA, FULL, Sources};
use super::gateway::Gateway;
use reqwest::Method;
use serde_json::{Value, json};

/// Everything of a collection, page by page; and how many entities each page had.
async fn pages(gateway: &Gateway, path: &str, key: &str, accept: &str, size: usize) -> (Vec<Value>, Vec<usize>) {
    let (mut read, mut sizes, mut next) = (Vec::new(), Vec::new(), path.to_owned());
    loop {
        let request = gateway.request(Method::GET, &next, key).header("Accept", accept);
        let request = if size > 0 { request.header("Prefer", format!("maxpagesize={size}")) } else { request };
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200, "{next}: {}", response.text().await.unwrap());
        let page: Value = response.json().await.unwrap();
        let entities = page["value"].as_array().unwrap();
        sizes.push(entities.len());
        read.extend(entities.iter().cloned());
        assert!(sizes.len() <= 1_000, "{path} has no end");
        let Some(link) = page["@odata.nextLink"].as_str() else { return (read, sizes) };
        next = link.strip_prefix(&gateway.http).unwrap().to_owned();
    }
}

const MINIMAL: &str = "application/json";
const WHOLE: &str = "application/json;odata.metadata=full";

/// The entities of each set in the order of keys, as `$all` should have them.
async fn sets(gateway: &Gateway, key: &str) -> Vec<Vec<Value>> {
    let service = gateway.json("/odata", key).await;
    let mut all = Vec::new();
    for set in service["value"].as_array().unwrap().iter().filter(|entry| entry["kind"] == "EntitySet") {
        let path = format!("/odata/{}", set["url"].as_str().unwrap());
        let (plain, _) = pages(gateway, &path, key, MINIMAL, 50).await;
        let (told, _) = pages(gateway, &path, key, WHOLE, 50).await;
        let with_links = plain.into_iter().zip(told).map(|(mut entity, told)| {
            for name in ["@odata.type", "@odata.id", "@odata.editLink"] {
                entity[name] = told[name].clone();
            }
            entity
        });
        all.push(with_links.collect());
    }
    all
}

/// The same in the order of their ids: without pages sets come in any order of their own.
fn sorted(entities: &[Value]) -> Vec<Value> {
    let mut sorted = entities.to_vec();
    sorted.sort_by_key(|entity| entity["@odata.id"].to_string());
    sorted
}

#[tokio::test(flavor = "multi_thread")]
async fn all_entities_are_there_once_in_pages_of_any_size() {
    let sources = Sources::create().await;
    let gateway = sources.serve().await;
    let sets = sets(&gateway, FULL).await;
    let (all, total) = (sets.concat(), sets.iter().map(Vec::len).sum::<usize>());
    assert_eq!((sets.len(), total), (5, 24 + 120 + 240 + 3 + 20));
    assert!(all.iter().all(|entity| entity["@odata.id"].is_string() && entity["@odata.type"].is_string()));

    let whole = gateway.json("/odata/$all?$count=true", FULL).await;
    assert_eq!(whole["@odata.context"], format!("{}/odata/$metadata#Collection(Edm.EntityType)", gateway.http));
    assert_eq!(whole["@odata.count"], total);
    assert!(whole.get("@odata.nextLink").is_none());
    assert_eq!(sorted(whole["value"].as_array().unwrap()), sorted(&all));

    // Pages that end with a set, one before, one behind, and anywhere.
    let first = sets[0].len();
    let mut sizes = vec![first - 1, first, first + 1, first + sets[1].len(), total - 1, total, total + 1];
    sizes.extend((0..4).map(|_| fastrand::usize(7..90)));
    for size in sizes {
        let (read, pages) = pages(&gateway, "/odata/$all", FULL, MINIMAL, size).await;
        assert_eq!(json!(read), json!(all), "pages of {size}");
        assert!(pages[..pages.len() - 1].iter().all(|page| *page == size), "pages of {size}: {pages:?}");
        // A page that ends with the last entity has no link behind it.
        assert_eq!(pages.len(), total.div_ceil(size), "pages of {size}: {pages:?}");
    }
    for _ in 0..8 {
        let (skip, top, size) = (fastrand::usize(0..total + 20), fastrand::usize(0..total), fastrand::usize(20..200));
        let part: Vec<Value> = all.iter().skip(skip).take(top).cloned().collect();
        let path = format!("/odata/$all?$skip={skip}&$top={top}&$count=true");
        let (read, _) = pages(&gateway, &path, FULL, MINIMAL, size).await;
        assert_eq!(json!(read), json!(part), "{path} in pages of {size}");
        let whole = gateway.json(&path, FULL).await;
        assert_eq!((&whole["value"], &whole["@odata.count"]), (&json!(part), &json!(total)), "{path}");
    }

    // Without metadata there are values only.
    let bare = gateway.request(Method::GET, "/odata/$all?$top=1", FULL).header("Accept", "application/json;odata.metadata=none");
    let bare: Value = bare.send().await.unwrap().json().await.unwrap();
    assert!(!bare.to_string().contains("@odata"), "{bare}");
}

#[tokio::test(flavor = "multi_thread")]
async fn all_is_what_a_role_sees_and_a_continuation_is_for_it_alone() {
    let sources = Sources::create().await;
    let gateway = sources.serve().await;
    for (key, count) in [(CLERK, 120), (EMEA, 8 + 120 + 7), (FULL, 407)] {
        let sets = sets(&gateway, key).await;
        let (read, _) = pages(&gateway, "/odata/$all", key, MINIMAL, 40).await;
        assert_eq!((read.len(), json!(read)), (count, json!(sets.concat())), "{key}");
    }
    // One that ends in a set which another does not see is no continuation for it.
    let first = gateway.request(Method::GET, "/odata/$all", FULL).header("Prefer", "maxpagesize=5").send().await.unwrap();
    assert_eq!(first.headers()["Preference-Applied"], "odata.maxpagesize=5");
    let first: Value = first.json().await.unwrap();
    let link = first["@odata.nextLink"].as_str().unwrap().strip_prefix(&gateway.http).unwrap();
    assert_eq!(gateway.get(link, CLERK).await.status(), 410);
    let of_set = link.replace("$all", "Customers");
    assert_eq!(gateway.get(&of_set, FULL).await.status(), 410);
    assert_eq!(gateway.get(&format!("{link}&$top=1"), FULL).await.status(), 400);
}

/// A set that is searched, one that is read by key only and has an entity with a name, one that is read with a condition only.
const MORE: &str = r#"
  Documents: { source: files, remote: documents, columns: { id: {}, title: { searchable: true } }, restrictions: { countable: false } }
  Orders: { source: files, remote: orders, restrictions: { readable: false } }
  Notes: { source: files, remote: notes, restrictions: { required_in_filter: [id] } }
"#;

#[tokio::test(flavor = "multi_thread")]
async fn all_leaves_out_what_is_not_read_as_a_whole_and_is_searched() {
    let sources = Sources::create().await;
    let connection = rusqlite::Connection::open(sources.directory.path().join("files.sqlite")).unwrap();
    connection
        .execute_batch(
            "CREATE TABLE documents (id INTEGER PRIMARY KEY NOT NULL, title TEXT NOT NULL);
             INSERT INTO documents VALUES (1, 'Contract'), (2, 'Letter');
             CREATE TABLE orders (id INTEGER PRIMARY KEY NOT NULL, note TEXT);
             INSERT INTO orders VALUES (1, 'n'), (2, 'm');
             CREATE TABLE notes (id INTEGER PRIMARY KEY NOT NULL);
             INSERT INTO notes VALUES (1);",
        )
        .unwrap();
    let service = "services:\n  main:\n    path: /odata\n    tables: [Documents, Customers, Orders, Notes]\n    singletons:\n      \
                   Current: { table: Orders, key: { id: 2 } }\n      First: { table: Customers, key: { Id: 1 } }\naccess:\n";
    let config = sources
        .config()
        .replacen("sources:\n", "sources:\n  files: { kind: sqlite, path: files.sqlite }\n", 1)
        .replacen("tables:\n", &format!("tables:{MORE}"), 1)
        .replacen("access:\n", service, 1)
        .replacen("    full:\n", "    full:\n      Documents: {}\n      Orders: {}\n      Notes: {}\n", 1);
    let gateway = sources.serve_config(&config).await;
    let root = format!("{}/odata", gateway.http);
    let all = gateway.json("/odata/$all", FULL).await;
    let ids: Vec<&str> = all["value"].as_array().unwrap().iter().map(|entity| entity["@odata.id"].as_str().unwrap()).collect();
    let of = |set: &str| ids.iter().filter(|id| id.starts_with(&format!("{root}/{set}"))).count();
    // The order with a name is there, the customer with one is there once.
    assert_eq!((of("Documents("), of("Customers("), of("Orders(2)"), ids.len()), (2, 24, 1, 27), "{ids:?}");
    let (paged, _) = pages(&gateway, "/odata/$all", FULL, MINIMAL, 4).await;
    assert_eq!(sorted(&paged), sorted(all["value"].as_array().unwrap()));

    let found = gateway.json("/odata/$all?$search=contract", FULL).await;
    assert_eq!(found["value"].as_array().unwrap().len(), 1, "{found}");
    assert_eq!((&found["value"][0]["title"], &found["value"][0]["@odata.type"]), (&json!("Contract"), &json!("#Portico.main.Documents")));

    let typed = gateway.json("/odata/$all/Portico.main.Customers?$filter=Id%20lt%203&$select=Name&$orderby=Id%20desc", FULL).await;
    let customers = gateway.json("/odata/Customers?$filter=Id%20lt%203&$select=Name&$orderby=Id%20desc", FULL).await;
    assert_eq!(typed, customers);
    let (typed, pages) = pages(&gateway, "/odata/$all/Portico.main.Customers?$select=Id&$orderby=Id", FULL, MINIMAL, 10).await;
    assert_eq!((typed.len(), pages), (24, vec![10, 10, 4]));

    for (path, status) in [
        ("$all?$count=true", 501),
        ("$all?$filter=true", 501),
        ("$all?$select=Id", 501),
        ("$all?$skiptoken=x", 400),
        ("$all?$top=x", 400),
        ("$all?$search=%22", 400),
        ("$all(1)", 404),
        ("$all/Portico.main.Nothing", 404),
        ("$all/Portico.main.Orders", 405),
        ("$all/Portico.main.Customers/$count", 404),
        ("$all?$format=xml", 406),
    ] {
        let response = gateway.get(&format!("/odata/{path}"), FULL).await;
        let found = response.status().as_u16();
        assert_eq!(found, status, "{path}: {}", response.text().await.unwrap());
    }
    let posted = gateway.request(Method::POST, "/odata/$all", FULL).json(&json!({"Id": 1})).send().await.unwrap();
    assert!(posted.status().is_client_error() || posted.status() == 501, "{}", posted.status());
}
