//! The demonstration as its user sees it: three systems that are asked over their own protocols, and one gateway in front of them.

use crate::gateway::{free_port, http_client, program};
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const START: Duration = Duration::from_secs(120);

/// The demonstration, running. Dropping it stops it.
struct Demo {
    child: Child,
    client: Client,
    http: String,
    admin: String,
    erp: String,
    logistics: String,
}

impl Drop for Demo {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Demo {
    async fn start(directory: &Path) -> Demo {
        let address = || format!("127.0.0.1:{}", free_port());
        let (http, flight, admin, erp, logistics) = (address(), address(), address(), address(), address());
        let mut command = Command::new(program());
        command.args([
            "demo",
            "--scale",
            "0.01",
            "--http",
            &http,
            "--flight",
            &flight,
            "--admin",
            &admin,
            "--erp",
            &erp,
            "--logistics",
            &logistics,
        ]);
        command.arg("--directory").arg(directory).stdin(Stdio::null());
        let out = std::fs::File::create(directory.join("out")).unwrap();
        command.stderr(out.try_clone().unwrap()).stdout(out);
        let url = |address: &str| format!("http://{address}");
        let (http, admin, erp, logistics) = (url(&http), url(&admin), url(&erp), url(&logistics));
        let mut demo = Demo { child: command.spawn().unwrap(), client: http_client(), http, admin, erp, logistics };
        let end = Instant::now() + START;
        loop {
            let ready = demo.client.get(format!("{}/ready", demo.admin)).send().await;
            if let Ok(response) = ready
                && response.status().is_success()
            {
                let state: Value = response.json().await.unwrap();
                let lives = |name: &str| state["sources"][name]["state"] == "live" && state["sources"][name]["answers"] == true;
                if ["crm", "erp", "logistics"].into_iter().all(lives) {
                    return demo;
                }
            }
            let ended = demo.child.try_wait().unwrap();
            let said = std::fs::read_to_string(directory.join("out")).unwrap();
            assert!(ended.is_none() && Instant::now() < end, "the demonstration did not come up ({ended:?}):\n{said}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    fn ask(&self, method: Method, url: String, key: &str) -> RequestBuilder {
        self.client.request(method, url).header("X-Api-Key", key).timeout(Duration::from_secs(120))
    }

    async fn odata(&self, path: &str) -> Value {
        let response = self.ask(Method::GET, format!("{}/odata/{path}", self.http), "demo-sales").send().await.unwrap();
        let (status, text) = (response.status(), response.text().await.unwrap());
        assert!(status.is_success(), "{path}: {status} {text}");
        serde_json::from_str(&text).unwrap()
    }

    async fn sql(&self, sql: &str) -> Value {
        let request = self.ask(Method::POST, format!("{}/sql", self.http), "demo-analyst").header("Accept", "application/json");
        let response = request.json(&json!({ "sql": sql })).send().await.unwrap();
        let (status, text) = (response.status(), response.text().await.unwrap());
        assert!(status.is_success(), "{sql}: {status} {text}");
        serde_json::from_str(&text).unwrap()
    }
}

/// A statement from what the demonstration prints, between `-d '` and `'`.
fn printed(text: &str, beginning: &str) -> String {
    let at = text.find(beginning).unwrap_or_else(|| panic!("{beginning} is not printed:\n{text}"));
    text[at + "-d '".len()..].split('\'').next().unwrap().to_owned()
}

/// Shipments of some orders, from the logistics service itself.
async fn shipments(demo: &Demo, orders: &[i64]) -> Vec<Value> {
    let list = orders.iter().map(i64::to_string).collect::<Vec<_>>().join(",");
    loop {
        let url = format!("{}/api/shipments?order={list}", demo.logistics);
        let response = demo.ask(Method::GET, url, "demo-logistics").send().await.unwrap();
        if response.status().as_u16() == 429 {
            tokio::time::sleep(Duration::from_millis(1100)).await;
            continue;
        }
        let page: Value = response.json().await.unwrap();
        assert_eq!(page["next"], Value::Null);
        return page["shipments"].as_array().unwrap().clone();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn three_systems_are_one() {
    let directory = tempfile::tempdir().unwrap();
    let demo = Demo::start(directory.path()).await;
    let said = std::fs::read_to_string(directory.path().join("out")).unwrap();

    // A customer of the CRM, with orders of the ERP, with shipments of the logistics company: what each says itself.
    let path = "Customers?$filter=CustomerKey le 10&$orderby=CustomerKey&$select=CustomerKey,Name\
                &$expand=Orders($select=OrderKey,TotalPrice;$orderby=OrderKey;$expand=Shipments($select=ShipmentId,Carrier,Delivered,Weight;$orderby=ShipmentId))";
    let customers = demo.odata(path).await["value"].as_array().unwrap().clone();
    assert_eq!(customers.len(), 10);
    let (mut orders_seen, mut shipments_seen) = (0, 0);
    for customer in &customers {
        let key = customer["CustomerKey"].as_i64().unwrap();
        let url = format!("{}/odata/orders?$filter=o_custkey eq {key}&$orderby=o_orderkey&$select=o_orderkey,o_totalprice", demo.erp);
        let own: Value = demo.ask(Method::GET, url, "demo-erp").send().await.unwrap().json().await.unwrap();
        let orders = customer["Orders"].as_array().unwrap();
        let expected: Vec<Value> =
            own["value"].as_array().unwrap().iter().map(|order| json!([order["o_orderkey"], order["o_totalprice"]])).collect();
        assert_eq!(
            orders.iter().map(|order| json!([order["OrderKey"], order["TotalPrice"]])).collect::<Vec<_>>(),
            expected,
            "customer {key}"
        );
        orders_seen += orders.len();
        for chunk in orders.chunks(25) {
            let keys: Vec<i64> = chunk.iter().map(|order| order["OrderKey"].as_i64().unwrap()).collect();
            let all = shipments(&demo, &keys).await;
            for order in chunk {
                let found = order["Shipments"].as_array().unwrap();
                let own: Vec<Value> = all.iter().filter(|shipment| shipment["order"] == order["OrderKey"]).cloned().collect();
                assert!(!own.is_empty() && own.len() == found.len(), "order {}", order["OrderKey"]);
                for (own, found) in own.iter().zip(found) {
                    assert_eq!(
                        [&own["id"], &own["carrier"]["name"], &own["delivered"]],
                        [&found["ShipmentId"], &found["Carrier"], &found["Delivered"]]
                    );
                    assert_eq!(own["weight"].as_str().unwrap().parse::<f64>().ok(), found["Weight"].as_f64());
                }
                shipments_seen += found.len();
            }
        }
    }
    assert!(orders_seen > 50 && shipments_seen > 100, "{orders_seen} orders, {shipments_seen} shipments");

    // The question that is printed, and what each system is asked for it.
    let answer = demo.sql(&printed(&said, "-d 'SELECT")).await;
    let rows = answer["rows"].as_array().or_else(|| answer.as_array()).unwrap_or_else(|| panic!("{answer}"));
    assert!(!rows.is_empty(), "{answer}");
    let plan = demo.sql(&printed(&said, "-d 'EXPLAIN")).await.to_string();
    for part in ["crm", "erp", "logistics", "GET /odata/orders", "GET /api/shipments"] {
        assert!(plan.contains(part), "{part}: {plan}");
    }

    // All pages of the REST API, though it says 429 on the way.
    let counted = demo.sql(r#"SELECT count(*) AS n, sum("Packages") AS packages FROM "Shipments""#).await.to_string();
    let file = rusqlite::Connection::open(directory.path().join("logistics.sqlite")).unwrap();
    let number = |sql: &str| file.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap().to_string();
    let (shipments, packages) = (number("SELECT count(*) FROM shipment"), number("SELECT sum(packages) FROM shipment"));
    assert!(shipments.len() == 5 && counted.contains(&shipments) && counted.contains(&packages), "{counted}: {shipments} {packages}");

    // A change goes to the system that has the row.
    let phone = json!({ "Phone": "25-989-741-2988" });
    let url = format!("{}/odata/Customers(1)", demo.http);
    let etag = demo.ask(Method::GET, url.clone(), "demo-sales").send().await.unwrap().headers()["etag"].clone();
    let change = || demo.ask(Method::PATCH, url.clone(), "demo-sales").header("If-Match", &etag).json(&phone);
    assert!(change().send().await.unwrap().status().is_success());
    assert_eq!(change().send().await.unwrap().status().as_u16(), 412);

    // Without its key each of the systems is closed.
    for url in [format!("{}/odata/orders", demo.erp), format!("{}/api/shipments", demo.logistics), format!("{}/odata/Orders", demo.http)] {
        assert_eq!(demo.client.get(&url).send().await.unwrap().status().as_u16(), 401, "{url}");
    }
}
