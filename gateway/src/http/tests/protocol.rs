//! Headers, preferences, versions, forms of URLs: what the protocol asks of every answer.

use super::{Answer, Door, open, open_with};
use axum::body::to_bytes;
use serde_json::{Value, json};
use std::io::Read;

impl Door {
    pub(super) async fn asked(&self, method: &str, url: &str, headers: &[(&str, &str)]) -> Answer {
        self.ask(method, url, &[&[("x-api-key", "key")], headers].concat(), "").await
    }
}

#[tokio::test]
async fn a_query_may_stand_in_the_body() {
    let door = open().await;
    let post = async |content_type: &str, url: &str, body: &str| {
        door.ask("POST", url, &[("x-api-key", "key"), ("content-type", content_type)], body).await
    };
    let plain = post("text/plain", "/odata/Customers/$query", "$filter=name eq 'Customer 3'&$select=name\n").await;
    assert_eq!((plain.status, &plain.json()["value"][0]["name"]), (200, &json!("Customer 3")), "{}", plain.body);
    assert_eq!(plain.json()["@odata.context"], "https://data.example.com/odata/$metadata#Customers(id,name)");
    let form = "$filter=name+eq+%27Customer+3%27&$select=name";
    let form = post("application/x-www-form-urlencoded;charset=utf-8", "/odata/Customers/%24query?$count=true", form).await;
    assert_eq!((&form.json()["@odata.count"], &form.json()["value"][0]["name"]), (&json!(1), &json!("Customer 3")), "{}", form.body);
    assert_eq!(post("text/plain", "/odata/Customers(1)/$query", "").await.json()["id"], 1);
    assert_eq!(post("text/plain", "/odata/Customers/$count/$query", "$filter=id lt 3").await.body, "2");
    assert_eq!(post("text/plain", "/odata/Customers/$query", "$filter=name eq '\u{e4}\n'").await.json()["value"], json!([]));
    let broken = post("text/plain", "/odata/Customers/$query", "$filter=name\neq 1 eq").await;
    assert_eq!(broken.status, 400, "{}", broken.body);
    let twice = post("text/plain", "/odata/Customers/$query?$top=1", "$top=2").await;
    assert_eq!(twice.status, 400, "{}", twice.body);
    assert_eq!(post("application/json", "/odata/Customers/$query", "{}").await.status, 415);
    let get = door.asked("GET", "/odata/Customers/$query", &[]).await;
    assert!(get.status == 404 || get.status == 405 || get.status == 400, "{}", get.body);
    // Pages are linked by GET.
    let headers = [("x-api-key", "key"), ("content-type", "text/plain"), ("prefer", "maxpagesize=4")];
    let page = door.ask("POST", "/odata/Customers/$query", &headers, "$orderby=id desc&$select=id").await.json();
    let next = page["@odata.nextLink"].as_str().unwrap().trim_start_matches("https://data.example.com");
    assert_eq!(door.get(next).await.json()["value"][0]["id"], 5);
}

#[tokio::test]
async fn long_queries_are_taken_and_never_end_in_a_link_that_is_too_long() {
    let door = open_with("", ", max_body: 1MiB").await;
    let filter = |ids: usize| (0..ids).map(|id| format!("id%20eq%20{id}")).collect::<Vec<_>>().join("%20or%20");
    let long = format!("/odata/Customers?$select=id&$filter=id%20in%20({})", vec!["1000001"; 8000].join(","));
    assert!(long.len() > 64_000 && long.len() < 65_534);
    let answer = door.get(&long).await;
    assert_eq!((answer.status, &answer.json()["value"]), (200, &json!([])), "{}", answer.body);
    let query = format!("$filter=id%20in%20(3,{})", vec!["1000001"; 12_000].join(","));
    let headers = [("x-api-key", "key"), ("content-type", "text/plain")];
    let answer = door.ask("POST", "/odata/Customers/$query", &headers, &query).await;
    assert_eq!((answer.status, &answer.json()["value"][0]["id"]), (200, &json!(3)), "{}", answer.body);
    let paged = door.ask("POST", "/odata/Customers/$query", &[headers.as_slice(), &[("prefer", "maxpagesize=1")]].concat(), &query).await;
    assert_eq!(paged.status, 414, "{}", paged.body);
    assert_eq!(door.get(&format!("/odata/Customers?$filter={}", filter(3))).await.json()["value"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn answers_are_in_the_version_that_was_negotiated() {
    let door = open().await;
    for (max, expected) in [("", "4.0"), ("4.0", "4.0"), ("4.0;NetFx", "4.0"), ("4.01", "4.01"), ("4.02", "4.01"), ("9.0", "4.01")] {
        for url in [
            "/odata",
            "/odata/$metadata",
            "/odata/Customers?$top=1",
            "/odata/Customers(1)",
            "/odata/Customers(99)",
            "/odata/Customers/$count",
        ] {
            let headers: &[(&str, &str)] =
                if max.is_empty() { &[] } else { &[("odata-maxversion", max), ("maxdataserviceversion", "3.0")] };
            let answer = door.asked("GET", url, headers).await;
            assert_eq!(answer.headers.get_all("odata-version").iter().count(), 1, "{url}");
            assert_eq!(answer.header("odata-version"), expected, "{max} {url}");
        }
    }
    let refused = door.asked("GET", "/odata/Customers", &[("odata-maxversion", "3.0")]).await;
    assert_eq!((refused.status, refused.header("odata-version")), (400, "4.0"));
    // What Power Query sends, both headers together.
    let power_query = [
        ("odata-maxversion", "4.0"),
        ("maxdataserviceversion", "3.0"),
        ("accept-encoding", "gzip, deflate"),
        (
            "accept",
            "application/json;odata.metadata=minimal;q=1.0,application/json;odata=minimalmetadata;q=0.9,application/atomsvc+xml;q=0.8,\
             application/atom+xml;q=0.8,application/xml;q=0.7,text/plain;q=0.7",
        ),
    ];
    let answer = door.asked("GET", "/odata/Customers(1)", &power_query).await;
    assert_eq!((answer.status, answer.header("odata-version")), (200, "4.0"));
    assert!(answer.header("content-type").starts_with("application/json;odata.metadata=minimal"));
    assert!(door.asked("GET", "/odata/$metadata", &power_query).await.header("content-type").starts_with("application/xml"));
    let page = [("odata-maxversion", "4.01"), ("prefer", "maxpagesize=2, omit-values=nulls")];
    assert_eq!(door.asked("GET", "/odata/Customers", &page).await.header("preference-applied"), "maxpagesize=2, omit-values=nulls");
}

#[tokio::test]
async fn preferences_are_honoured_and_said_to_be() {
    let door = open().await;
    assert_eq!(door.write("POST", "/odata/Customers", &[], r#"{"id": 50, "name": "No credit"}"#).await.status, 201);
    let asked = async |url: &str, prefer: &str| door.asked("GET", url, &[("prefer", prefer)]).await;
    let whole = asked("/odata/Customers(50)", "").await;
    assert_eq!((whole.json().get("credit"), whole.header("preference-applied")), (Some(&Value::Null), ""));
    for value in ["nulls", "defaults"] {
        for url in ["/odata/Customers(50)", "/odata/Customers?$filter=id%20eq%2050"] {
            let answer = asked(url, &format!("omit-values={value}")).await;
            assert!(answer.body.contains("No credit") && !answer.body.contains("credit\":"), "{}", answer.body);
            assert_eq!(answer.header("preference-applied"), format!("omit-values={value}"));
        }
    }
    let annotations = asked("/odata/Customers(50)", "odata.include-annotations=\"*\"").await;
    assert_eq!(annotations.header("preference-applied"), "odata.include-annotations=\"*\"");
    let strict = "/odata/Customers?$filter=id%20eq%2050L";
    assert_eq!((asked(strict, "handling=lenient").await.status, asked(strict, "handling=strict").await.status), (200, 400));
    assert_eq!(asked("/odata/Customers(50)", "handling=strict").await.header("preference-applied"), "handling=strict");
    assert_eq!(asked("/odata/Customers", "handling=perhaps").await.status, 400);
    let minimal = door.write("POST", "/odata/Customers", &[("prefer", "return=minimal")], r#"{"id": 51, "name": "x"}"#).await;
    assert_eq!((minimal.status, minimal.header("preference-applied")), (204, "return=minimal"));
}

#[tokio::test]
async fn a_gateway_can_be_strict() {
    let strict = open_with("", ", strict: true").await;
    let answer = strict.get("/odata/Customers?$filter=id%20eq%205L").await;
    assert_eq!(answer.status, 400, "{}", answer.body);
    assert_eq!(strict.asked("GET", "/odata/Customers?$filter=id%20eq%205L", &[("prefer", "handling=lenient")]).await.status, 400);
    assert_eq!(strict.get("/odata/Customers?$filter=id%20eq%205").await.status, 200);
    assert_eq!(open().await.get("/odata/Customers?$filter=id%20eq%205L").await.status, 200);
}

#[tokio::test]
async fn a_service_can_be_strict_or_lenient_by_itself() {
    // The rest of the line is a comment.
    let services = " }\nservices: { a: { path: /a, strict: true }, b: { path: /b, strict: false }, c: { path: /c } } #";
    for (http, by_default) in [("", 200), (", strict: true", 400)] {
        let door = open_with(services, http).await;
        for (path, status) in [("a", 400), ("b", 200), ("c", by_default)] {
            let url = format!("/{path}/Customers?$filter=id%20eq%205L");
            assert_eq!(door.get(&url).await.status, status, "{path} {http}");
            assert_eq!(door.asked("GET", &url, &[("prefer", "handling=strict")]).await.status, 400, "{path} {http}");
            assert_eq!(door.get(&url.replace("5L", "5")).await.status, 200, "{path} {http}");
        }
    }
}

/// Waits for what a monitor says in the end.
async fn finished(door: &Door, monitor: &str, headers: &[(&str, &str)]) -> Answer {
    loop {
        let answer = door.asked("GET", monitor, headers).await;
        if answer.status != 202 {
            return answer;
        }
        assert_eq!(answer.header("retry-after"), "1");
        assert!(answer.header("location").ends_with(monitor));
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_request_goes_on_without_its_client() {
    let door = open().await;
    let begun = door.asked("GET", "/odata/Customers?$select=id&$top=2", &[("prefer", "respond-async"), ("odata-maxversion", "4.01")]).await;
    assert_eq!((begun.status, begun.body.as_str()), (202, ""), "{}", begun.body);
    assert_eq!((begun.header("preference-applied"), begun.header("retry-after")), ("respond-async", "1"));
    let monitor = begun.header("location").strip_prefix("https://data.example.com").unwrap().to_owned();
    assert!(monitor.starts_with("/odata/$async/"), "{monitor}");
    let done = finished(&door, &monitor, &[("odata-maxversion", "4.01")]).await;
    assert_eq!((done.status, done.header("asyncresult"), done.header("odata-version")), (200, "200", "4.01"));
    assert_eq!(done.json()["value"].as_array().unwrap().len(), 2);
    // The same as a document of its own.
    let document = finished(&door, &monitor, &[("accept", "application/http"), ("odata-maxversion", "4.0")]).await;
    assert_eq!((document.status, document.header("content-type"), document.header("asyncresult")), (200, "application/http", ""));
    assert!(
        document.body.starts_with("HTTP/1.1 200 OK\r\n") && document.body.ends_with(&format!("\r\n\r\n{}", done.body)),
        "{}",
        document.body
    );
    // It is nobody else's, and can be thrown away.
    assert_eq!(door.ask("GET", &monitor, &[], "").await.status, 404);
    assert_eq!(door.ask("DELETE", &monitor, &[], "").await.status, 404);
    assert_eq!(door.asked("POST", &monitor, &[]).await.status, 405);
    assert_eq!(door.asked("DELETE", &monitor, &[]).await.status, 204);
    assert_eq!(door.asked("GET", &monitor, &[]).await.status, 404);
    assert_eq!(door.asked("GET", "/odata/$async/nonsense", &[]).await.status, 404);
}

#[tokio::test]
async fn a_client_may_wait_a_while_and_failures_are_results_too() {
    let door = open().await;
    let patient = [("prefer", "respond-async, wait=60")];
    let answer = door.asked("GET", "/odata/Customers(1)", &patient).await;
    assert_eq!((answer.status, answer.header("preference-applied"), &answer.json()["id"]), (200, "", &json!(1)));
    assert_eq!(door.asked("GET", "/odata/Customers(99)", &patient).await.status, 404);
    let begun = door.asked("GET", "/odata/Customers(99)", &[("prefer", "respond-async")]).await;
    let monitor = begun.header("location").strip_prefix("https://data.example.com").unwrap().to_owned();
    let failed = finished(&door, &monitor, &[]).await;
    assert_eq!((failed.status, failed.header("asyncresult")), (200, "404"));
    assert_eq!(failed.json()["error"]["code"], "NotFound");
    // Writes, and whole batches.
    let headers = [("prefer", "respond-async,return=minimal")];
    let begun = door.write("POST", "/odata/Customers", &headers, r#"{"id": 70, "name": "later"}"#).await;
    assert_eq!(begun.status, 202, "{}", begun.body);
    let monitor = begun.header("location").strip_prefix("https://data.example.com").unwrap().to_owned();
    let created = finished(&door, &monitor, &[]).await;
    assert_eq!((created.header("asyncresult"), created.header("odata-entityid")), ("204", "https://data.example.com/odata/Customers(70)"));
    let batch = r#"{"requests":[{"id":"1","method":"get","url":"Customers(70)"}]}"#;
    let begun = door.write("POST", "/odata/$batch", &[("prefer", "respond-async")], batch).await;
    let monitor = begun.header("location").strip_prefix("https://data.example.com").unwrap().to_owned();
    assert_eq!(finished(&door, &monitor, &[]).await.json()["responses"][0]["body"]["name"], "later");
}

#[tokio::test]
async fn a_result_that_is_too_large_is_an_error_and_a_restart_is_told() {
    let small = open_with(", limits: { asynchronous_memory: 2000B }, state: { sqlite: state.db }", "").await;
    let patient = [("prefer", "respond-async, wait=60")];
    let answer = small.asked("GET", "/odata/Customers?$expand=nothing", &patient).await;
    assert_eq!(answer.status, 400, "{}", answer.body);
    let large = small
        .asked(
            "GET",
            "/odata/Customers?$select=id,name,credit&$orderby=id&$count=true",
            &[("prefer", "respond-async, wait=60"), ("accept", "application/json;odata.metadata=full")],
        )
        .await;
    assert_eq!((large.status, large.json()["error"]["code"].as_str().unwrap()), (413, "LimitExceeded"), "{}", large.body);
    let begun = small.asked("GET", "/odata/Customers/$count", &[("prefer", "respond-async")]).await;
    let monitor = begun.header("location").strip_prefix("https://data.example.com").unwrap().to_owned();
    assert_eq!(finished(&small, &monitor, &[]).await.body, "9");
    let again = small.reopened().await;
    assert_eq!(again.asked("GET", &monitor, &[]).await.status, 410);
    assert_eq!(again.ask("GET", &monitor, &[], "").await.status, 404, "others are not told that there was one");
}

#[tokio::test]
async fn a_token_is_given_to_whoever_fetches_one_and_asked_of_nobody() {
    let door = open().await;
    let fetch = [("x-csrf-token", "Fetch")];
    let token = door.asked("HEAD", "/odata/", &fetch).await.header("x-csrf-token").to_owned();
    assert!(token.len() >= 32, "{token}");
    assert_eq!(door.asked("GET", "/odata/Customers(1)", &[("x-csrf-token", "fetch")]).await.header("x-csrf-token"), token);
    assert_ne!(door.ask("GET", "/odata", &fetch, "").await.header("x-csrf-token"), token, "each caller has another");
    assert_eq!(door.get("/odata").await.header("x-csrf-token"), "");
    for (sent, id) in [(token.as_str(), 80), ("anything", 81), ("Fetch", 82)] {
        let created = door.write("POST", "/odata/Customers", &[("x-csrf-token", sent)], &format!(r#"{{"id": {id}, "name": "x"}}"#)).await;
        assert_eq!((created.status, created.header("x-csrf-token")), (201, ""), "{sent}");
    }
}

#[tokio::test]
async fn answers_are_compressed_for_who_accepts_it() {
    let door = open().await;
    let key = ("x-api-key", "key");
    for (url, accept, expected) in [
        ("/odata/$metadata", "gzip, deflate", "gzip"),
        ("/odata/Customers", "gzip;q=0.5, deflate", "deflate"),
        ("/odata/Customers", "br", ""),
        ("/odata/Customers", "gzip;q=0", ""),
        ("/odata/Customers/$count", "gzip", ""),
    ] {
        let plain = door.get(url).await;
        let response = door.begin("GET", url, &[key, ("accept-encoding", accept)], "").await;
        let encoding = response.headers().get("content-encoding").map_or("", |value| value.to_str().unwrap()).to_owned();
        assert_eq!(encoding, expected, "{url} {accept}");
        assert!(response.headers()["vary"].to_str().unwrap().contains("Accept-Encoding"));
        let head = door.asked("HEAD", url, &[("accept-encoding", accept)]).await;
        assert_eq!(head.header("content-encoding"), expected, "{url}");
        assert_eq!(head.headers.get("content-length"), response.headers().get("content-length"), "{url}");
        let bytes = to_bytes(response.into_body(), 1 << 20).await.unwrap();
        let mut text = String::new();
        match expected {
            "gzip" => flate2::read::GzDecoder::new(bytes.as_ref()).read_to_string(&mut text).unwrap(),
            "deflate" => flate2::read::ZlibDecoder::new(bytes.as_ref()).read_to_string(&mut text).unwrap(),
            _ => bytes.as_ref().read_to_string(&mut text).unwrap(),
        };
        assert_eq!(text, plain.body, "{url} {accept}");
    }
    let etag = door.asked("GET", "/odata/$metadata", &[("accept-encoding", "gzip")]).await.header("etag").to_owned();
    assert!(etag.starts_with("W/"), "{etag}");
    assert_eq!(door.asked("GET", "/odata/$metadata", &[("if-none-match", &etag)]).await.status, 304);
    let long = format!("/odata/Customers?$filter={}", "x".repeat(900));
    let error = door.begin("GET", &long, &[key, ("accept-encoding", "gzip")], "").await;
    assert_eq!(error.status(), 400);
}

#[tokio::test]
async fn conditions_formats_and_versions_of_the_schema_are_checked() {
    let door = open().await;
    let etag = door.get("/odata/Customers(1)").await.header("etag").to_owned();
    for (url, header, value, status) in [
        ("/odata/Customers(1)", "if-none-match", etag.as_str(), 304),
        ("/odata/Customers(1)", "if-none-match", "W/\"other\"", 200),
        ("/odata/Customers(1)", "if-match", etag.as_str(), 200),
        ("/odata/Customers(1)", "if-match", "W/\"other\"", 412),
        ("/odata/Customers(1)", "if-match", "*", 200),
        ("/odata/Customers", "accept-charset", "iso-8859-1", 406),
        ("/odata/Customers", "accept-charset", "iso-8859-1;q=0.9, utf-8;q=0.1", 200),
        ("/odata/Customers", "accept", "application/json;odata=verbose, text/plain", 200),
        ("/odata/Customers", "accept", "application/atom+xml;q=0.9, application/*;q=0.1", 200),
        ("/odata/Customers", "accept", "application/atom+xml", 406),
        ("/odata/Customers?$format=json", "accept", "text/html", 200),
        ("/odata/Customers?$format=application/json;odata.metadata=none", "accept", "text/html", 200),
        ("/odata/Customers?$format=atom", "accept", "*/*", 406),
        ("/odata/Customers?$format=text/csv", "accept", "*/*", 406),
        ("/odata/Customers?$schemaversion=*", "accept", "*/*", 200),
        ("/odata/Customers?$schemaversion=1.0", "accept", "*/*", 404),
    ] {
        let answer = door.asked("GET", url, &[(header, value)]).await;
        assert_eq!(answer.status, status, "{url} {header}: {value}: {}", answer.body);
    }
    let service = door.get("/odata").await;
    assert_eq!(door.asked("GET", "/odata", &[("if-none-match", service.header("etag"))]).await.status, 304);
}

#[tokio::test]
async fn browsers_may_send_and_read_what_odata_needs() {
    let door = open().await;
    let wanted = "x-api-key,odata-version,odata-maxversion,prefer,if-match,x-csrf-token,content-type";
    let preflight =
        [("origin", "https://app.example.com"), ("access-control-request-method", "POST"), ("access-control-request-headers", wanted)];
    let answer = door.ask("OPTIONS", "/odata/$batch", &preflight, "").await;
    assert_eq!((answer.status, answer.header("access-control-allow-headers")), (204, wanted));
    let answer = door.asked("GET", "/odata", &[("origin", "https://app.example.com")]).await;
    for name in ["OData-Version", "ETag", "Location", "Preference-Applied", "AsyncResult", "X-CSRF-Token", "Retry-After"] {
        assert!(answer.header("access-control-expose-headers").split(", ").any(|exposed| exposed == name), "{name}");
    }
}
