//! Batches, executed: what clients send gets what they need, and a failure changes nothing that it should not.

use super::{Answer, Door, open};
use futures::StreamExt;
use serde_json::{Value, json};

/// An answer in a multipart batch.
#[derive(Debug)]
struct Part {
    id: String,
    status: u16,
    head: String,
    body: String,
    in_change_set: bool,
}

/// Splits an answer as strictly as the clients do.
fn parts(answer: &Answer) -> Vec<Part> {
    assert_eq!(answer.status, 200, "{}", answer.body);
    let content_type = answer.header("content-type");
    let boundary = content_type.strip_prefix("multipart/mixed;boundary=batchresponse_").unwrap_or_else(|| panic!("{content_type}"));
    split(&answer.body, &format!("batchresponse_{boundary}"), false)
}

fn split(body: &str, boundary: &str, in_change_set: bool) -> Vec<Part> {
    let body = format!("\r\n{body}");
    let (inside, after) = body.split_once(&format!("\r\n--{boundary}--")).expect("a closing delimiter");
    assert!(after.trim().is_empty(), "{after}");
    let delimiter = format!("\r\n--{boundary}\r\n");
    let mut sections = inside.split(delimiter.as_str());
    assert_eq!(sections.next(), Some(""));
    let mut found = Vec::new();
    for section in sections {
        let (head, content) = section.split_once("\r\n\r\n").unwrap();
        if let Some(inner) = head.strip_prefix("Content-Type: multipart/mixed;boundary=") {
            assert!(inner.starts_with("changesetresponse_"));
            found.extend(split(content, inner, true));
            continue;
        }
        assert!(head.starts_with("Content-Type: application/http\r\nContent-Transfer-Encoding: binary"), "{head}");
        let id = head.split_once("Content-ID: ").map_or("", |(_, id)| id).to_owned();
        let (head, body) = content.split_once("\r\n\r\n").unwrap();
        let status = head.strip_prefix("HTTP/1.1 ").unwrap()[..3].parse().unwrap();
        found.push(Part { id, status, head: head.to_owned(), body: body.to_owned(), in_change_set });
    }
    found
}

const MULTIPART: (&str, &str) = ("content-type", "multipart/mixed;boundary=b");

impl Door {
    async fn batch(&self, headers: &[(&str, &str)], body: &str) -> Answer {
        let headers = [&[("x-api-key", "key")], headers].concat();
        self.ask("POST", "/odata/$batch", &headers, body).await
    }

    async fn json_batch(&self, headers: &[(&str, &str)], requests: Value) -> Value {
        let headers = [&[("content-type", "application/json")], headers].concat();
        let answer = self.batch(&headers, &json!({ "requests": requests }).to_string()).await;
        assert_eq!((answer.status, answer.header("content-type")), (200, "application/json;charset=utf-8"), "{}", answer.body);
        answer.json()["responses"].take()
    }
}

/// A multipart body of single requests, given as their text from the request line on.
fn of(requests: &[&str]) -> String {
    let parts = requests.iter().map(|request| format!("--b\r\nContent-Type: application/http\r\n\r\n{request}\r\n")).collect::<String>();
    format!("{parts}--b--")
}

/// A change set of requests with the ids 1, 2, ….
fn change_set(requests: &[&str]) -> String {
    let part = |(index, request): (usize, &&str)| {
        format!("--c\r\nContent-Type:application/http\r\nContent-ID:{}.0\r\n\r\n{request}\r\n", index + 1)
    };
    let parts = requests.iter().enumerate().map(part).collect::<String>();
    format!("--b\r\nContent-Type: multipart/mixed;boundary=c\r\n\r\n{parts}--c--\r\n--b--")
}

/// Built from OpenUI5's sources: headers without blanks, a change set around a single write, reads after it.
#[tokio::test]
async fn a_batch_as_ui5_sends_it() {
    let door = open().await;
    let etag = door.get("/odata/Customers(1)").await.header("etag").to_owned();
    let body = format!(
        "--batch_id-1-2\r\nContent-Type: multipart/mixed;boundary=changeset_id-1-3\r\n\r\n\
         --changeset_id-1-3\r\nContent-Type:application/http\r\nContent-Transfer-Encoding:binary\r\nContent-ID:0.0\r\n\r\n\
         PATCH Customers(1)?sap-client=100 HTTP/1.1\r\nAccept:application/json;odata.metadata=minimal;IEEE754Compatible=true\r\n\
         Content-Type:application/json;charset=UTF-8;IEEE754Compatible=true\r\nIf-Match:{etag}\r\n\r\n{{\"name\":\"Renamed\"}}\r\n\
         --changeset_id-1-3--\r\n\
         --batch_id-1-2\r\nContent-Type:application/http\r\nContent-Transfer-Encoding:binary\r\n\r\n\
         GET Customers?$count=true&$filter=id%20eq%201&$select=id,name HTTP/1.1\r\n\
         Accept:application/json;odata.metadata=minimal;IEEE754Compatible=true\r\n\r\n\r\n--batch_id-1-2--\r\n"
    );
    let headers = [
        ("content-type", "multipart/mixed; boundary=batch_id-1-2"),
        ("accept", "multipart/mixed"),
        ("odata-version", "4.0"),
        ("odata-maxversion", "4.0"),
    ];
    let answer = door.batch(&headers, &body).await;
    assert_eq!(answer.header("odata-version"), "4.0");
    let parts = parts(&answer);
    assert_eq!((parts[0].status, parts[0].id.as_str(), parts[0].in_change_set), (200, "0.0", true), "{parts:?}");
    assert!(parts[0].head.contains("\r\nETag: W/") && !parts[0].head.contains(&etag), "{}", parts[0].head);
    let read: Value = serde_json::from_str(&parts[1].body).unwrap();
    assert_eq!((&read["@odata.count"], &read["value"][0]["name"]), (&json!("1"), &json!("Renamed")), "{read}");
    assert!(parts[1].head.contains("OData-Version: 4.0") && !parts[1].body.contains('\n'), "{}", parts[1].head);
    // The same state again: a failed change set has one answer outside of any change set, and what follows is not executed.
    let stale = parts_of(&door, &headers, &body).await;
    assert_eq!((stale.len(), stale[0].status, stale[0].id.as_str(), stale[0].in_change_set), (1, 412, "0.0", false));
    let headers = [headers.as_slice(), &[("prefer", "odata.continue-on-error")]].concat();
    let answer = door.batch(&headers, &body).await;
    assert_eq!(answer.header("preference-applied"), "odata.continue-on-error");
    assert_eq!(self::parts(&answer).iter().map(|part| part.status).collect::<Vec<_>>(), [412, 200]);
}

async fn parts_of(door: &Door, headers: &[(&str, &str)], body: &str) -> Vec<Part> {
    parts(&door.batch(headers, body).await)
}

/// Built from SAP CAP's sources: a URL that was too long to stand in a request, and an answer that is split at empty lines.
#[tokio::test]
async fn a_batch_as_cap_sends_and_reads_it() {
    let door = open().await;
    let body = "--batch1\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n\
         GET /odata/Customers?$filter=id eq 3 HTTP/1.1\r\naccept: application/json,text/plain\r\n\r\n\r\n--batch1--";
    let answer = door.batch(&[("content-type", "multipart/mixed;boundary=batch1"), ("accept", "multipart/mixed")], body).await;
    let pieces: Vec<&str> = answer.body.split("\r\n\r\n").collect();
    assert!(pieces[1].starts_with("HTTP/1.1 200 OK\r\n"), "{}", answer.body);
    let read: Value = serde_json::from_str(pieces[2].split("\r\n").next().unwrap()).unwrap();
    assert_eq!(read["value"][0]["name"], "Customer 3");
}

/// Built from Syncfusion's sources: bare line feeds, `Content-Id` in the request itself, absolute URLs.
#[tokio::test]
async fn a_batch_as_syncfusion_sends_it() {
    let door = open().await;
    let body = "--batch_7\nContent-Type: multipart/mixed; boundary=changeset_8\n\n--changeset_8\nContent-Type: application/http\n\
         Content-Transfer-Encoding: binary \n\nPOST https://data.example.com/odata/Customers HTTP/1.1\n\
         Accept: application/json;odata=light;q=1,application/json;odata=verbose;q=0.5\nContent-Id: 0\n\
         Content-Type: application/json; charset=utf-8 \n\n{\"id\":70,\"name\":\"a\\nb\"}\n\n\n--changeset_8--\n--batch_7--";
    let answer = parts_of(&door, &[("content-type", "multipart/mixed; boundary=batch_7")], body).await;
    assert_eq!((answer[0].status, answer[0].id.as_str()), (201, "0"), "{answer:?}");
    assert!(answer[0].head.contains("Location: https://data.example.com/odata/Customers(70)"));
    assert_eq!(door.number("SELECT instr(name, char(10)) FROM customer WHERE id = 70"), 2);
}

#[tokio::test]
async fn a_change_set_of_several_changes_is_refused_and_nothing_executed() {
    let door = open().await;
    let post = |id: u32| format!("POST Customers HTTP/1.1\r\nContent-Type: application/json\r\n\r\n{{\"id\":{id},\"name\":\"x\"}}");
    let several = change_set(&[&post(50), &post(51)]);
    let answer = parts_of(&door, &[MULTIPART], &several).await;
    assert_eq!((answer.len(), answer[0].status, answer[0].in_change_set), (1, 501, false), "{answer:?}");
    assert!(answer[0].body.contains("change set of 2 requests"), "{}", answer[0].body);
    let read = parts_of(&door, &[MULTIPART], &change_set(&["GET Customers HTTP/1.1\r\n"])).await;
    assert_eq!(read[0].status, 400);
    let group =
        |id: &str| json!({ "id": id, "method": "post", "url": "Customers", "atomicityGroup": "g", "body": { "id": 60, "name": "x" } });
    let responses =
        door.json_batch(&[], json!([group("1"), group("2"), { "id": "3", "method": "get", "url": "Customers", "dependsOn": ["g"] }])).await;
    let statuses: Vec<_> = responses.as_array().unwrap().iter().map(|response| response["status"].as_u64().unwrap()).collect();
    assert_eq!(statuses, [501, 501, 424], "{responses}");
    assert_eq!((&responses[1]["id"], &responses[1]["atomicityGroup"]), (&json!("2"), &json!("g")));
    assert_eq!(door.number("SELECT count(*) FROM customer"), 9);
    let one = parts_of(&door, &[MULTIPART], &change_set(&[&post(50)])).await;
    assert_eq!((one[0].status, one[0].in_change_set), (201, true));
    assert_eq!(door.number("SELECT count(*) FROM customer"), 10);
}

#[tokio::test]
async fn references_lead_to_what_was_made_before() {
    let door = open().await;
    let responses = door
        .json_batch(
            &[("odata-maxversion", "4.0")],
            json!([
                { "id": "new", "method": "post", "url": "Customers", "body": { "id": 80, "name": "first" } },
                { "id": "2", "method": "patch", "url": "$new", "dependsOn": ["new"], "headers": { "If-Match": "$new" }, "body": { "name": "second" } },
                { "id": "3", "method": "patch", "url": "$2?$select=name", "headers": { "if-match": "$new" }, "body": { "name": "third" } },
                { "id": "4", "method": "get", "url": "$2?$select=name", "dependsOn": ["2"] },
                { "id": "5", "method": "get", "url": "$3", "dependsOn": ["3"] },
                { "id": "6", "method": "get", "url": "Customers(1)", "if": "not $3/$succeeded and $2/$succeeded" },
                { "id": "7", "method": "get", "url": "Customers(1)", "if": "$3/$succeeded" },
                { "id": "8", "method": "get", "url": "Customers(1)", "if": "$4/name eq 'x'" },
                { "id": "9", "method": "get", "url": "$nobody" },
                { "id": "10", "method": "get", "url": "Customers/$count", "headers": { "accept": "text/plain" } },
                { "id": "11", "method": "delete", "url": "$new", "headers": { "if-match": "*" } },
            ]),
        )
        .await;
    let statuses: Vec<_> = responses.as_array().unwrap().iter().map(|response| response["status"].as_u64().unwrap()).collect();
    assert_eq!(statuses, [201, 200, 412, 200, 424, 200, 424, 424, 400, 200, 204], "{responses:#}");
    assert_eq!(responses[0]["headers"]["location"], "https://data.example.com/odata/Customers(80)");
    assert_eq!((&responses[3]["body"]["name"], &responses[9]["body"]), (&json!("second"), &json!("10")));
    assert!(responses[10].get("body").is_none());
    assert!(responses[2]["headers"]["content-type"].as_str().unwrap().starts_with("application/json"));
    let stopped = door
        .json_batch(
            &[("prefer", "continue-on-error=false")],
            json!([{ "id": "1", "method": "get", "url": "Nothing" }, { "id": "2", "method": "get", "url": "Customers(1)" }]),
        )
        .await;
    assert_eq!((stopped.as_array().unwrap().len(), &stopped[0]["status"]), (1, &json!(404)));
}

#[tokio::test]
async fn the_format_of_the_answer_is_the_client_s_choice() {
    let door = open().await;
    let body = "--b\r\nContent-Type: application/http\r\nContent-ID: a\r\n\r\nGET Customers(1)?$select=id HTTP/1.1\r\n\r\n--b--";
    let answer = door.batch(&[MULTIPART, ("accept", "application/json;odata.metadata=none")], body).await;
    let read = answer.json();
    assert_eq!((&read["responses"][0]["id"], &read["responses"][0]["body"]["id"]), (&json!("a"), &json!(1)), "{read}");
    assert!(read["responses"][0]["body"].get("@odata.context").is_none(), "what is accepted of a batch is of its requests too: {read}");
    let body = r#"{"requests":[{"id":"x","method":"get","url":"Customers(1)"}]}"#;
    let answer = door.batch(&[("content-type", "application/json"), ("accept", "multipart/mixed")], body).await;
    assert_eq!(parts(&answer)[0].id, "x");
    let refused = door.batch(&[("content-type", "application/json"), ("accept", "text/html")], body).await;
    assert_eq!(refused.status, 406);
}

#[tokio::test]
async fn broken_batches_are_refused_and_broken_requests_answered() {
    let door = open().await;
    let json = ("content-type", "application/json");
    let get = of(&["GET Customers(1) HTTP/1.1\r\n\r\n"]);
    let many = "{},".repeat(1000);
    for (header, body, status, names) in [
        (("content-type", "text/plain"), "x", 415, "multipart/mixed"),
        (("content-type", "multipart/mixed"), get.as_str(), 400, "boundary"),
        (("content-type", "multipart/mixed;boundary=other"), &get, 400, "other"),
        (MULTIPART, get.trim_end_matches("--b--"), 400, "closing delimiter"),
        (json, "{\"requests\":", 400, "not JSON"),
        (json, r#"{"requests":[{"method":"get","url":"Customers"}]}"#, 400, "no 'id'"),
        (json, r#"{"requests":[{"id":"1","method":"get","url":"A"},{"id":"1","method":"get","url":"A"}]}"#, 400, "given twice"),
        (json, r#"{"requests":[{"id":"1","method":"get","url":"A","dependsOn":["2"]},{"id":"2","method":"get","url":"A"}]}"#, 400, "'2'"),
        (json, &format!(r#"{{"requests":[{many}{{}}]}}"#), 400, "1000 requests"),
    ] {
        let answer = door.batch(&[header], body).await;
        assert_eq!(answer.status, status, "{body}: {}", answer.body);
        assert!(answer.json()["error"]["message"].as_str().unwrap().contains(names), "{}", answer.body);
    }
    assert_eq!(door.batch(&[MULTIPART, ("if-match", "*")], &get).await.status, 400);
    let preferring = door.batch(&[MULTIPART, ("prefer", "return=minimal")], &get).await;
    assert_eq!((preferring.status, preferring.header("preference-applied")), (200, ""), "it is for single requests, and not applied here");
    let requests = [
        ("POST $batch HTTP/1.1\r\nContent-Type: application/json\r\n\r\n{}", 400, "cannot hold a batch"),
        ("GET /sql HTTP/1.1\r\n\r\n", 400, "not a URL of this service"),
        ("GET https://other.example.com/odata/Customers HTTP/1.1\r\n\r\n", 400, "not a URL of this service"),
        ("GET $7/Orders HTTP/1.1\r\n\r\n", 400, "$7"),
        ("BREW Customers HTTP/1.1\r\n\r\n", 405, "BREW"),
        ("not a request", 405, "NOT"),
        ("GET Customers?$filter=name%20eq HTTP/1.1\r\n\r\n", 400, "character"),
        ("GET Customers(99) HTTP/1.1\r\n\r\n", 404, "no such entity"),
        ("GET Customers(1) HTTP/1.1\r\nX-Api-Key: guess\r\n\r\n", 401, "key"),
        ("GET Customers(1) HTTP/1.1\r\nX-Api-Key: key\r\n\r\n", 200, "Customer 1"),
        ("GET Customers(1)?api_key=key HTTP/1.1\r\nHost: inner:8080\r\n\r\n", 200, "Customer 1"),
        ("HEAD Customers(1) HTTP/1.1\r\n\r\n", 200, ""),
        ("GET Customers/$count HTTP/1.1\r\nOData-MaxVersion: 4.01\r\n\r\n", 200, "9"),
        ("GET Customers(2) HTTP/1.1\r\nPrefer: respond-async\r\n\r\n", 200, "Customer 2"),
    ];
    let texts: Vec<&str> = requests.iter().map(|(text, ..)| *text).collect();
    let answers = parts_of(&door, &[MULTIPART, ("prefer", "continue-on-error=true")], &of(&texts)).await;
    assert_eq!(answers.len(), requests.len(), "each request has its answer");
    for (answer, (text, status, names)) in answers.iter().zip(requests) {
        assert_eq!(answer.status, status, "{text}: {answer:?}");
        assert!(answer.body.contains(names), "{text}: {answer:?}");
        let version = if text.contains("4.01") { "OData-Version: 4.01" } else { "OData-Version: 4.0\r\n" };
        assert!(format!("{}\r\n", answer.head).contains(version), "{text}: {}", answer.head);
    }
}

#[tokio::test]
async fn a_thousand_requests_are_answered_in_order() {
    let door = open().await;
    let requests: Vec<String> = (0..1000).map(|number| format!("GET Customers({}) HTTP/1.1\r\n\r\n", number % 9 + 1)).collect();
    let texts: Vec<&str> = requests.iter().map(String::as_str).collect();
    let answers = parts_of(&door, &[MULTIPART], &of(&texts)).await;
    assert_eq!(answers.len(), 1000);
    for (number, answer) in answers.iter().enumerate() {
        assert!(answer.body.contains(&format!("\"Customer {}\"", number % 9 + 1)), "{number}: {answer:?}");
    }
    let more = door.batch(&[MULTIPART], &of(&[texts.as_slice(), &texts[..1]].concat())).await;
    assert_eq!(more.status, 400, "{}", more.body);
}

#[tokio::test]
async fn a_client_that_goes_away_stops_what_has_not_begun() {
    let door = open().await;
    let post = |id: u32| format!("POST Customers HTTP/1.1\r\nContent-Type: application/json\r\n\r\n{{\"id\":{id},\"name\":\"x\"}}");
    let requests: Vec<String> = (100..120).map(post).collect();
    let texts: Vec<&str> = requests.iter().map(String::as_str).collect();
    let body = of(&texts);
    let response = door.begin("POST", "/odata/$batch", &[("x-api-key", "key"), MULTIPART], &body).await;
    let mut stream = response.into_body().into_data_stream();
    while door.number("SELECT count(*) FROM customer") < 12 {
        stream.next().await.unwrap().unwrap();
    }
    drop(stream);
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    assert_eq!(door.number("SELECT count(*) FROM customer"), 12);
}
