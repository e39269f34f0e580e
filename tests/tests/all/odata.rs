//! OData reads over HTTP. What each query should answer is computed from the fixture's rows.

use super::fixture::{Customer, FULL, Sources, customers, invoices};
use super::gateway::{Gateway, http_client};
use serde_json::Value;

fn ids(answer: &Value, name: &str) -> Vec<i64> {
    let rows = answer["value"].as_array().unwrap_or_else(|| panic!("no value in {answer}"));
    rows.iter().map(|row| row[name].as_i64().unwrap_or_else(|| panic!("no {name} in {row}"))).collect()
}

/// A decimal of an answer. The reader of JSON used here takes it for a double, which is exact enough for cents.
pub fn in_cents(value: &Value) -> i64 {
    (value.as_f64().unwrap_or_else(|| panic!("{value} is no number")) * 100.0).round() as i64
}

type Keep = fn(&Customer) -> bool;

/// Filters over customers, and which customers they keep.
const FILTERS: &[(&str, Keep)] = &[
    ("Id eq 3", |c| c.id == 3),
    ("Id ne 3", |c| c.id != 3),
    ("Id gt 20 or Id le 2", |c| c.id > 20 || c.id <= 2),
    ("Id in (1,5,99)", |c| [1, 5, 99].contains(&c.id)),
    ("Name eq 'Customer 07'", |c| c.id == 7),
    ("City eq null", |c| c.city.is_none()),
    ("City ne null", |c| c.city.is_some()),
    ("City eq 'Berlin'", |c| c.city == Some("Berlin")),
    // OData: null is unequal to every value, and comparisons are never unknown.
    ("City ne 'Berlin'", |c| c.city != Some("Berlin")),
    ("not (City eq 'Berlin')", |c| c.city != Some("Berlin")),
    ("not (Credit gt 0)", |c| c.credit.is_none_or(|credit| credit <= 0)),
    ("Credit gt 0", |c| c.credit.is_some_and(|credit| credit > 0)),
    ("Credit ge 35.5 and Credit lt 100", |c| c.credit.is_some_and(|credit| (3_550..10_000).contains(&credit))),
    ("Credit in (-59.50,null)", |c| c.credit.is_none() || c.credit == Some(-5_950)),
    ("City eq 'O''Hara'", |c| c.city == Some("O'Hara")),
    ("City eq ''", |c| c.city == Some("")),
    ("contains(City,'%25_')", |c| c.city.is_some_and(|city| city.contains("%_"))),
    ("contains(City,'r')", |c| c.city.is_some_and(|city| city.contains('r'))),
    // Functions are null of null, and a null condition keeps nothing, negated or not.
    ("not contains(City,'r')", |c| c.city.is_some_and(|city| !city.contains('r'))),
    ("startswith(Name,'Customer 1')", |c| c.name.starts_with("Customer 1")),
    ("endswith(Name,'4')", |c| c.name.ends_with('4')),
    ("tolower(City) eq 'lyon'", |c| c.city.is_some_and(|city| city.to_lowercase() == "lyon")),
    ("length(City) eq 6", |c| c.city.is_some_and(|city| city.chars().count() == 6)),
    ("indexof(City,'y') eq 1", |c| c.city == Some("lyon")),
    ("substring(Name,9) eq '12'", |c| c.id == 12),
    ("concat(Region,Name) eq 'EMEACustomer 02'", |c| c.id == 2),
    ("trim(Name) eq Name", |_| true),
    ("Active", |c| c.active),
    ("not Active", |c| !c.active),
    ("Active eq false", |c| !c.active),
    ("Since lt 2020-01-01", |c| c.since < "2020-01-01"),
    ("Since eq 2024-02-29", |c| c.since == "2024-02-29"),
    ("year(Since) eq 2021", |c| c.since.starts_with("2021")),
    ("month(Since) eq 2 and day(Since) eq 29", |c| c.since.ends_with("02-29")),
    ("Id add 2 eq 10", |c| c.id == 8),
    ("Id mul 2 gt 40 and Id sub 1 lt 22", |c| c.id > 20 && c.id < 23),
    ("Id mod 7 eq 3", |c| c.id % 7 == 3),
    ("Id div 10 eq 2", |c| c.id / 10 == 2),
    ("-Id lt -22", |c| c.id > 22),
    ("Region eq 'EMEA' and (Id lt 5 or City eq null)", |c| c.region == "EMEA" && (c.id < 5 || c.city.is_none())),
    ("true", |_| true),
    ("1 eq 2", |_| false),
];

#[tokio::test(flavor = "multi_thread")]
async fn filters_keep_what_odata_says() {
    let sources = Sources::create().await;
    let gateway = sources.serve().await;
    let mut wrong = Vec::new();
    for (filter, keep) in FILTERS {
        let expected: Vec<i64> = customers().iter().filter(|c| keep(c)).map(|c| c.id).collect();
        let escaped = filter.replace(' ', "%20").replace('\'', "%27");
        let path = format!("/odata/Customers?$filter={escaped}&$orderby=Id&$select=Id");
        let response = gateway.get(&path, FULL).await;
        let (status, text) = (response.status(), response.text().await.unwrap());
        let answer: Value = serde_json::from_str(&text).unwrap_or_default();
        if !status.is_success() || ids(&answer, "Id") != expected {
            wrong.push(format!("{filter}: expected {expected:?}, got {status} {text}"));
        }
        let count = gateway.get(&format!("/odata/Customers/$count?$filter={escaped}"), FULL).await.text().await.unwrap();
        if count.trim_start_matches('\u{feff}') != expected.len().to_string() {
            wrong.push(format!("{filter}: $count is {count}, not {}", expected.len()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Orders over customers, each as the fixture's rows are compared. Null is lowest.
type Compare = fn(&Customer, &Customer) -> std::cmp::Ordering;
const ORDERS: &[(&str, Compare)] = &[
    ("Id desc", |a, b| b.id.cmp(&a.id)),
    ("City,Id", |a, b| a.city.cmp(&b.city).then(a.id.cmp(&b.id))),
    ("City desc,Id desc", |a, b| b.city.cmp(&a.city).then(b.id.cmp(&a.id))),
    ("Credit,Id", |a, b| a.credit.cmp(&b.credit).then(a.id.cmp(&b.id))),
    ("Credit desc,Id", |a, b| b.credit.cmp(&a.credit).then(a.id.cmp(&b.id))),
    ("Region,Since desc,Id", |a, b| a.region.cmp(b.region).then(b.since.cmp(a.since)).then(a.id.cmp(&b.id))),
    ("length(Name),Id", |a, b| a.id.cmp(&b.id)),
];

#[tokio::test(flavor = "multi_thread")]
async fn orders_put_null_lowest_and_pages_follow_them() {
    let sources = Sources::create().await;
    let gateway = sources.serve().await;
    for (order, compare) in ORDERS {
        let mut rows = customers();
        rows.sort_by(compare);
        let expected: Vec<i64> = rows.iter().map(|c| c.id).collect();
        let escaped = order.replace(' ', "%20");
        let path = format!("/odata/Customers?$orderby={escaped}&$select=Id");
        assert_eq!(ids(&gateway.json(&path, FULL).await, "Id"), expected, "{order}");
        let window = gateway.json(&format!("{path}&$skip=3&$top=5"), FULL).await;
        assert_eq!(ids(&window, "Id"), expected[3..8], "{order}");
        assert!(window.get("@odata.nextLink").is_none(), "a satisfied $top has no next page");
        assert_eq!(pages(&gateway, &path, 7).await, expected, "{order}, in pages");
    }
}

/// All rows of a collection, read in pages by following the links.
async fn pages(gateway: &Gateway, path: &str, size: usize) -> Vec<i64> {
    let mut found = Vec::new();
    let mut next = Some(format!("{}{path}", gateway.http));
    while let Some(url) = next {
        let request = gateway.request(reqwest::Method::GET, "", FULL).build().unwrap();
        let mut request = request;
        *request.url_mut() = url.parse().unwrap();
        request.headers_mut().insert("Prefer", format!("odata.maxpagesize={size}").parse().unwrap());
        let response = http_client().execute(request).await.unwrap();
        let status = response.status();
        let page: Value = response.json().await.unwrap();
        assert!(status.is_success(), "{url}: {page}");
        let page_ids = ids(&page, "Id");
        assert!(page_ids.len() <= size && !page_ids.is_empty(), "{url}: {page_ids:?}");
        found.extend(page_ids);
        next = page["@odata.nextLink"]
            .as_str()
            .map(|link| if link.starts_with("http") { link.to_owned() } else { format!("{}/odata/{link}", gateway.http) });
        assert!(found.len() <= 1_000, "the pages do not end");
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn expand_crosses_sources_in_one_query_per_level() {
    let sources = Sources::create().await;
    let gateway = sources.serve().await;
    let path = "/odata/Customers?$orderby=Id&$select=Id&$expand=Invoices($top=2;$orderby=amount%20desc;$select=id,amount;$expand=Lines($filter=no%20eq%201)),Home($select=name)";
    let answer = gateway.json(path, FULL).await;
    for (row, customer) in answer["value"].as_array().unwrap().iter().zip(customers()) {
        let mut own: Vec<_> = invoices().into_iter().filter(|i| i.customer == customer.id).collect();
        own.sort_by_key(|i| -i.amount);
        let expanded = row["Invoices"].as_array().unwrap();
        assert_eq!(expanded.len(), own.len().min(2), "{row}");
        for (invoice, expected) in expanded.iter().zip(&own) {
            assert_eq!(invoice["id"], expected.id);
            assert_eq!(in_cents(&invoice["amount"]), expected.amount);
            assert_eq!(invoice["Lines"].as_array().unwrap().len(), 1);
        }
        assert!(row["Home"]["name"].is_string(), "{row}");
    }
    assert_eq!(answer["value"].as_array().unwrap().len(), customers().len());
    // One query per level: the line of the request in the log says how many each source was asked.
    let back = gateway.json("/odata/Invoices?$filter=id%20eq%2021&$expand=Customer($select=Name)", FULL).await;
    assert_eq!(back["value"][0]["Customer"]["Name"], "Customer 01");
    let asked =
        gateway.log().lines().filter(|line| line.contains("FROM \"public\".\"invoices\"") || line.contains("FROM public.invoices")).count();
    assert!(asked <= 2, "{asked} log lines ask for invoices: one per request was expected\n{}", gateway.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_shape_of_answers_is_odatas() {
    let sources = Sources::create().await;
    let gateway = sources.serve().await;
    let one = gateway.get("/odata/Customers(7)", FULL).await;
    assert_eq!(one.headers()["odata-version"], "4.0");
    assert!(one.headers().contains_key("etag"), "a writable entity has an ETag");
    let one: Value = one.json().await.unwrap();
    assert_eq!(one["Name"], "Customer 07");
    assert_eq!(one["@odata.context"], format!("{}/odata/$metadata#Customers/$entity", gateway.http));
    let composite = gateway.json("/odata/Lines(invoice_id=3,no=2)", FULL).await;
    assert_eq!(composite["product"], "second");
    let counted = gateway.json("/odata/Customers?$count=true&$top=2&$filter=Id%20gt%204", FULL).await;
    assert_eq!(counted["@odata.count"], 20);
    assert_eq!(counted["value"].as_array().unwrap().len(), 2);
    let service = gateway.json("/odata", FULL).await;
    let names: Vec<&str> = service["value"].as_array().unwrap().iter().map(|set| set["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["Regions", "Customers", "Invoices", "Lines", "Revenue"]);
    let metadata = gateway.get("/odata/$metadata", FULL).await;
    assert!(metadata.headers()["content-type"].to_str().unwrap().starts_with("application/xml"));
    let metadata = metadata.text().await.unwrap();
    for part in [
        "EntitySet Name=\"Customers\"",
        "NavigationProperty Name=\"Invoices\"",
        "Name=\"amount\" Type=\"Edm.Decimal\"",
        "Type=\"Edm.Date\"",
    ] {
        assert!(metadata.contains(part), "{part} is not in {metadata}");
    }
    let revenue = gateway.json("/odata/Revenue?$filter=Id%20eq%201", FULL).await;
    let total: i64 = invoices().iter().filter(|i| i.customer == 1).map(|i| i.amount).sum();
    assert_eq!(in_cents(&revenue["value"][0]["Total"]), total);
    let text = gateway.get("/odata/Invoices(1)", FULL).await.text().await.unwrap();
    assert!(text.contains("\"amount\":12.90"), "decimals keep their digits: {text}");
    for path in ["/odata/Customers(99)", "/odata/Customer", "/odata/Customers?$filter=Nme%20eq%201"] {
        let response = gateway.get(path, FULL).await;
        assert_eq!(response.headers()["odata-version"], "4.0", "{path}");
        assert!(response.status().is_client_error(), "{path}");
        let error: Value = response.json().await.unwrap();
        assert!(error["error"]["code"].is_string() && error["error"]["message"].is_string(), "{path}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cache_answers_within_the_freshness_and_says_so() {
    let sources = Sources::create().await;
    let gateway = sources.serve().await;
    let path = "/odata/Regions?$orderby=code";
    let first = gateway.get(path, FULL).await;
    let age = |response: &reqwest::Response| response.headers().get("age").map(|age| age.to_str().unwrap().parse::<u64>().unwrap());
    assert_eq!(age(&first).unwrap_or(0), 0);
    let first: Value = first.json().await.unwrap();
    let connection = rusqlite::Connection::open(sources.directory.path().join("crm.sqlite")).unwrap();
    connection.execute("UPDATE regions SET name = 'changed' WHERE code = 'EMEA'", []).unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    let second = gateway.get(path, FULL).await;
    assert!(age(&second).is_some_and(|age| age >= 1), "the cached answer says its age: {:?}", second.headers());
    assert_eq!(second.json::<Value>().await.unwrap(), first, "within the freshness the source is not asked");
    let fresh = gateway.request(reqwest::Method::GET, path, FULL).header("Cache-Control", "no-cache").send().await.unwrap();
    let fresh: Value = fresh.json().await.unwrap();
    assert_eq!(fresh["value"][2]["name"], "changed", "no-cache asks the source");
    // Tables without a freshness are always asked.
    connection.execute("UPDATE customers SET name = 'new name' WHERE id = 1", []).unwrap();
    assert_eq!(gateway.json("/odata/Customers(1)", FULL).await["Name"], "new name");
}
