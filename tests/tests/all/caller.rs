//! A gateway that asks another one in the name of who asks: what each may see there he sees here, from the cache too, and nobody is served with
//! what the gateway shows for itself.

use super::fixture::{EMEA, FULL, Sources, customers};
use super::gateway::{Gateway, sha256};
use reqwest::Method;
use serde_json::Value;

async fn customers_as(front: &Gateway, key: &str) -> (u16, Vec<String>) {
    let request = front.request(Method::GET, "/odata/Customers?$select=Id,Region", "").bearer_auth(key);
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    let body: Value = answer.json().await.unwrap();
    let region = |row: &Value| row["Region"].as_str().unwrap_or_default().to_owned();
    (status, body["value"].as_array().map(|rows| rows.iter().map(region).collect()).unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_are_known_by_their_own_tokens_at_the_source() {
    let sources = Sources::create().await;
    let hub = sources.serve().await;
    let directory = tempfile::tempdir().unwrap();
    let config = format!(
        "sources:\n  hub: {{ kind: odata, url: \"{}/odata/\", auth: {{ caller: bearer, api_key: {{ key: {{ env: TEST_HUB_SECRET }} }} }} }}\n\
         tables:\n  Customers: {{ source: hub, remote: Customers, freshness: 5m }}\n\
         access:\n  roles:\n    anybody: {{ Customers: {{}} }}\n  keys:\n    full: {{ sha256: \"{}\", roles: [anybody] }}\n    \
         emea: {{ sha256: \"{}\", roles: [anybody] }}\n  anonymous: none\n",
        hub.http,
        sha256(FULL),
        sha256(EMEA)
    );
    let front = Gateway::start(directory.path(), &config, &[("TEST_HUB_SECRET", FULL)]).await.ready().await;
    let all = customers().len();
    // The second round is answered from the cache.
    for _ in 0..2 {
        let (status, full) = customers_as(&front, FULL).await;
        assert_eq!((status, full.len()), (200, all), "{}", front.log());
        let (status, emea) = customers_as(&front, EMEA).await;
        assert!(status == 200 && !emea.is_empty() && emea.len() < all && emea.iter().all(|region| region == "EMEA"), "{emea:?}");
    }
    // What the gateway shows for itself would see everything; who shows no token sees nothing.
    let answer = front.get("/odata/Customers?$select=Id,Region", FULL).await;
    let (status, text) = (answer.status().as_u16(), answer.text().await.unwrap());
    assert!(status >= 400 && text.contains("hub") && text.contains("showed none"), "{status} {text}");
    assert!(!front.log().contains(FULL) && !front.log().contains(EMEA), "a token is in the log");
}
