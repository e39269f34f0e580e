//! OpenUI5's OData V4 model in a real browser against the gateway: the page of `tests/clients/openui5`, clicked through as a user does,
//! and what the browser says of it. What the page should show is computed from the fixture's rows.

use super::clients::{Served, serve};
use super::fixture::{Customer, FULL, cents, customers, invoices};
use super::gateway::{free_port, http_client};
use super::webdriver::Browser;
use serde_json::{Value, json};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Serves the page and OpenUI5 itself. Dropping it ends it.
struct Page {
    server: Child,
    port: u16,
    _directory: tempfile::TempDir,
}

impl Page {
    async fn serve() -> Page {
        let packages = std::env::var("PORTICO_TEST_OPENUI5").expect(
            "PORTICO_TEST_OPENUI5 is not set: tests/run installs what tests/clients/openui5/package-lock.json names, and sets it to that folder",
        );
        let packages = Path::new(&packages);
        // The server wants the page and the packages in one folder, and writes beside them.
        let directory = tempfile::tempdir().unwrap();
        let source = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/clients/openui5"));
        for name in ["package.json", "ui5.yaml"] {
            std::fs::copy(source.join(name), directory.path().join(name)).unwrap();
        }
        std::fs::create_dir(directory.path().join("webapp")).unwrap();
        for entry in std::fs::read_dir(source.join("webapp")).unwrap() {
            let entry = entry.unwrap();
            std::fs::copy(entry.path(), directory.path().join("webapp").join(entry.file_name())).unwrap();
        }
        let modules = packages.join("node_modules");
        std::os::unix::fs::symlink(&modules, directory.path().join("node_modules")).unwrap();
        let port = free_port();
        let node = std::env::var("PORTICO_TEST_NODE").unwrap_or_else(|_| "node".to_owned());
        let server = Command::new(node)
            .arg(modules.join("@ui5/cli/bin/ui5.cjs"))
            .args(["serve", "--port", &port.to_string()])
            .current_dir(directory.path())
            .env("UI5_DATA_DIR", directory.path().join("data"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("Node.js does not start ({error}): tests/run installs it"));
        let page = Page { server, port, _directory: directory };
        // The theme is compiled when it is asked for first, so that no browser waits for it.
        let theme = page.url("resources/sap/m/themes/sap_horizon/library.css");
        let client = http_client();
        let end = Instant::now() + Duration::from_secs(120);
        while !client.get(&theme).send().await.is_ok_and(|response| response.status().is_success()) {
            assert!(Instant::now() < end, "the page is not served");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        page
    }

    fn url(&self, path: &str) -> String {
        format!("http://localhost:{}/{path}", self.port)
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// The texts of a table's rows: what is in each cell, an input's text included.
fn rows(table: &str) -> String {
    format!(
        "[...document.querySelectorAll('#{table} tr.sapMLIB')].map(row => [...row.querySelectorAll('td.sapMListTblCell')]\
         .map(cell => (cell.querySelector('input') ?? {{ value: cell.innerText }}).value.trim()))"
    )
}

/// A decimal as OpenUI5 shows it in English.
fn money(value: i64) -> String {
    let text = cents(value.abs());
    let (whole, fraction) = text.split_once('.').unwrap();
    let grouped = if whole.len() > 3 { format!("{},{}", &whole[..whole.len() - 3], &whole[whole.len() - 3..]) } else { whole.to_owned() };
    format!("{}{grouped}.{fraction}", if value < 0 { "-" } else { "" })
}

/// A date as OpenUI5 shows it in English.
fn date(text: &str) -> String {
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let mut parts = text.split('-').map(|part| part.parse::<usize>().unwrap());
    let (year, month, day) = (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap());
    format!("{} {day}, {year}", months[month - 1])
}

fn home(region: &str) -> &'static str {
    match region {
        "AMER" => "The Americas",
        "APAC" => "Asia and the Pacific",
        _ => "Europe, Middle East, Africa",
    }
}

fn shown<'a>(customers: impl IntoIterator<Item = &'a Customer>) -> Value {
    let row = |c: &Customer| {
        let credit = c.credit.map(money).unwrap_or_default();
        json!([c.id.to_string(), c.name, home(c.region), credit, date(c.since), c.city.unwrap_or_default()])
    };
    customers.into_iter().map(row).collect()
}

/// Requests for `$batch` in what the browser reports, with their bodies, and whether each was answered with 200 and OData 4.0.
fn batches(network: &[Value]) -> Vec<(String, bool)> {
    let of = |method: &'static str| network.iter().filter(move |event| event["method"] == method).map(|event| &event["params"]);
    let posted = of("Network.requestWillBeSent").filter(|sent| {
        sent["request"]["method"] == "POST" && sent["request"]["url"].as_str().is_some_and(|url| url.ends_with("/odata/$batch"))
    });
    let answered =
        |id: &Value| of("Network.responseReceived").any(|received| received["requestId"] == *id && received["response"]["status"] == 200);
    posted.map(|sent| (sent["request"]["postData"].as_str().unwrap_or_default().to_owned(), answered(&sent["requestId"]))).collect()
}

struct Session {
    browser: Browser,
    _page: Page,
    served: Served,
}

impl Session {
    async fn open() -> Session {
        let served = serve().await;
        let page = Page::serve().await;
        let browser = Browser::start().await;
        browser.open(&page.url(&format!("index.html?service={}/odata/&key={FULL}", served.gateway.http))).await;
        Session { browser, _page: page, served }
    }

    /// Whatever was wrong since the last time: in the page, in the browser's log, in a batch.
    async fn fine(&self) -> Vec<String> {
        let messages = self.browser.evaluate("window.portico.messages()").await;
        assert_eq!(messages, json!([]), "{}", self.served.gateway.log());
        let complaints = self.browser.complaints().await;
        assert!(complaints.is_empty(), "{complaints:#?}\n{}", self.served.gateway.log());
        let batches = batches(&self.browser.network().await);
        assert!(batches.iter().all(|(_, answered)| *answered), "{batches:#?}");
        batches.into_iter().map(|(body, _)| body).collect()
    }
}

fn in_one<'a>(bodies: &'a [String], texts: &[&str]) -> &'a str {
    let found = bodies.iter().find(|body| texts.iter().all(|text| body.contains(text)));
    found.unwrap_or_else(|| panic!("no batch has all of {texts:?}: {bodies:#?}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn openui5_lists_and_changes() {
    let session = Session::open().await;
    let (browser, all) = (&session.browser, customers());
    let list = rows("customers");

    // The first rows, with the name of the region from an expanded relationship, and how many there are.
    browser.wait_for(&list, &shown(&all[..8])).await;
    browser.wait_for("document.querySelector('#counted').innerText", &json!("24")).await;
    in_one(&session.fine().await, &["GET Customers?", "$count=true", "$expand=Home($select=code,name)", "$skip=0&$top=8"]);

    // The list grows.
    browser.click("#customers-trigger").await;
    browser.wait_for(&list, &shown(&all[..16])).await;
    in_one(&session.fine().await, &["$skip=8&$top=8"]);

    // An order with nulls, then a search, then a filter along the relationship.
    browser.click("#richest").await;
    let mut richest: Vec<&Customer> = all.iter().collect();
    richest.sort_by(|a, b| b.credit.cmp(&a.credit).then(a.id.cmp(&b.id)));
    browser.wait_for(&list, &shown(richest.iter().copied().take(8))).await;
    browser.type_into("#search-I", "mer 1").await;
    browser.wait_for(&list, &shown(richest.iter().copied().filter(|c| c.name.contains("mer 1")).take(8))).await;
    browser.wait_for("document.querySelector('#counted').innerText", &json!("10")).await;
    browser.click("#abroad").await;
    let abroad: Vec<&Customer> = richest.iter().copied().filter(|c| c.active && c.region == "EMEA").collect();
    browser.wait_for(&list, &shown(abroad.iter().copied().take(8))).await;
    let sent = session.fine().await;
    in_one(&sent, &["$orderby=Credit%20desc,Id"]);
    in_one(&sent, &["$filter=contains(Name,'mer%201')"]);
    in_one(&sent, &["$filter=Active%20eq%20true%20and%20startswith(Home/name,'Europe')"]);

    // A customer's invoices, from the other source.
    let row = abroad.iter().position(|c| c.id <= 20).unwrap();
    let pressed = abroad[row];
    browser.click(&format!("#customers tr.sapMLIB:nth-child({}) td:nth-child(3)", row + 1)).await;
    let mut expected: Vec<_> = invoices().into_iter().filter(|invoice| invoice.customer == pressed.id).collect();
    expected.sort_by_key(|invoice| std::cmp::Reverse(invoice.amount));
    let expected: Value =
        expected.iter().map(|i| json!([i.id.to_string(), money(i.amount), date(&i.issued), i.note.clone().unwrap_or_default()])).collect();
    browser.wait_for(&rows("invoices"), &expected).await;

    // A change: one PATCH with the ETag that was read. The model puts a single change into a batch without a change set around it.
    let changed = abroad[0];
    browser.type_into("#customers tr.sapMLIB:first-child input", "Malmö").await;
    browser.wait_for("window.portico.pending()", &json!(false)).await;
    let patch = format!("PATCH Customers({})", changed.id);
    let sent = session.fine().await;
    in_one(&sent, &[&patch, "If-Match:W/\"", "{\"City\":\"Malmö\"}"]);
    let stored = session.served.sources.crm_text(&format!("SELECT city FROM customers WHERE id = {}", changed.id));
    assert_eq!(stored, "Text(\"Malmö\")");
    // What was changed is read again, with all others.
    browser.click("#everybody").await;
    browser.wait_for(&format!("{list}.map(row => row[5])[0]"), &json!(richest[0].city.unwrap_or_default())).await;
    browser.picture("openui5-list").await;
    session.fine().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn openui5_adds_up() {
    let session = Session::open().await;
    let (browser, all) = (&session.browser, customers());
    browser.wait_for(&rows("customers"), &shown(&all[..8])).await;
    browser.click("#aggregate").await;
    let sums = |customers: &[&Customer]| {
        let credits: Vec<i64> = customers.iter().filter_map(|c| c.credit).collect();
        let sum = if credits.is_empty() { String::new() } else { money(credits.iter().sum()) };
        (sum, credits.iter().min().copied().map(money).unwrap_or_default())
    };
    let everybody: Vec<&Customer> = all.iter().collect();
    let mut expected = vec![json!(["0", "", "", sums(&everybody).0, sums(&everybody).1])];
    for region in ["EMEA", "APAC", "AMER"] {
        let of: Vec<&Customer> = everybody.iter().copied().filter(|c| c.region == region).collect();
        expected.push(json!(["1", region, "", sums(&of).0, sums(&of).1]));
    }
    browser.wait_for(&rows("totals"), &json!(expected)).await;
    in_one(&session.fine().await, &["$apply=", "Credit%20with%20sum"]);

    // One group opened: its cities, the null one first.
    browser.click("#totals tr.sapMLIB:nth-child(2) td:nth-child(3)").await;
    let europe: Vec<&Customer> = everybody.iter().copied().filter(|c| c.region == "EMEA").collect();
    let mut cities: Vec<Option<&str>> = europe.iter().map(|c| c.city).collect();
    cities.sort_unstable();
    cities.dedup();
    let leaves = cities.iter().map(|city| {
        let of: Vec<&Customer> = europe.iter().copied().filter(|c| c.city == *city).collect();
        let (sum, least) = sums(&of);
        json!(["2", "EMEA", city.unwrap_or_default(), sum, least])
    });
    expected.splice(2..2, leaves.collect::<Vec<_>>());
    browser.wait_for(&rows("totals"), &json!(expected)).await;
    browser.evaluate("document.querySelector('#totals').scrollIntoView()").await;
    browser.picture("openui5-totals").await;
    session.fine().await;
}
