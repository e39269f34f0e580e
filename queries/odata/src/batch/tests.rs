//! What clients send, by their source or documentation (none of it is a recording), and what they need to read.

use super::*;

fn crlf(text: &str) -> Vec<u8> {
    text.replace('\n', "\r\n").into_bytes()
}

fn requests(items: &[BatchItem]) -> Vec<String> {
    let line = |request: &BatchRequest| {
        let id = request.id.as_ref().map(|id| format!(" #{id}")).unwrap_or_default();
        let body = if request.body.is_empty() { String::new() } else { format!(" {}", String::from_utf8_lossy(&request.body)) };
        format!("{} {}{id}{body}", request.method, request.url)
    };
    items
        .iter()
        .map(|item| match item {
            BatchItem::Request(request) => line(request),
            BatchItem::Group { name, requests } => {
                format!("{}[{}]", name.as_deref().unwrap_or(""), requests.iter().map(line).collect::<Vec<_>>().join("; "))
            }
            BatchItem::Malformed { error, .. } => format!("! {error}"),
        })
        .collect()
}

/// As OpenUI5's `_Batch.js` serialises: no blank after the colon, a change set around each write, reads after it.
const UI5: &str = "--batch_id-1-2
Content-Type: multipart/mixed;boundary=changeset_id-1-3

--changeset_id-1-3
Content-Type:application/http
Content-Transfer-Encoding:binary
Content-ID:0.0

PATCH Customers(1)?sap-client=100 HTTP/1.1
Accept:application/json;odata.metadata=minimal;IEEE754Compatible=true
Content-Type:application/json;charset=UTF-8;IEEE754Compatible=true
If-Match:W/\"1\"

{\"Name\":\"New\"}
--changeset_id-1-3--
--batch_id-1-2
Content-Type:application/http
Content-Transfer-Encoding:binary

GET Customers?$count=true&$skip=0&$top=100 HTTP/1.1
Accept:application/json;odata.metadata=minimal;IEEE754Compatible=true


--batch_id-1-2--
";

/// As Syncfusion's `ODataV4Adaptor` does: bare line feeds, `Content-Id` in the request itself, blank lines after the body.
const SYNCFUSION: &str = "--batch_7
Content-Type: multipart/mixed; boundary=changeset_8

--changeset_8
Content-Type: application/http
Content-Transfer-Encoding: binary 

POST https://data.example.com/odata/Customers HTTP/1.1
Accept: application/json;odata=light;q=1,application/json;odata=verbose;q=0.5
Content-Id: 0
Content-Type: application/json; charset=utf-8 

{\"Id\":7,\"Name\":\"a\\nb\"}


--changeset_8--
--batch_7--";

/// As SAP CAP does for URLs that are too long: a boundary called `batch1`, a URL relative to the service with a slash before it.
const CAP: &str = "--batch1
Content-Type: application/http
Content-Transfer-Encoding: binary

GET /Customers?$filter=Id eq 1 or Id eq 2 HTTP/1.1
accept: application/json,text/plain


--batch1--";

/// As Olingo's client does: `Content-ID` in the part, absolute URLs, an epilogue.
const OLINGO: &str = "preamble
--batch_c3c5e4d0-8b5c-4b0e-a6bb-7b0c6b1f9c8a
Content-Type: application/http
Content-Transfer-Encoding: binary
Content-ID: r1

GET http://inner:8080/odata/Customers(1) HTTP/1.1
Accept: application/json;odata.metadata=full
OData-MaxVersion: 4.0


--batch_c3c5e4d0-8b5c-4b0e-a6bb-7b0c6b1f9c8a
Content-Type: multipart/mixed; boundary=\"changeset_1\"

--changeset_1
Content-Type: application/http
Content-Transfer-Encoding: binary
Content-ID: 1

POST http://inner:8080/odata/Customers HTTP/1.1
Content-Type: application/json;odata.metadata=full
Content-Length: 8

{\"Id\":9}
--changeset_1
Content-Type: application/http
Content-Transfer-Encoding: binary
Content-ID: 2

PATCH $1 HTTP/1.1
Content-Type: application/json

{\"Name\":\"x\"}
--changeset_1--
--batch_c3c5e4d0-8b5c-4b0e-a6bb-7b0c6b1f9c8a--
epilogue
";

#[test]
fn what_clients_send_is_read() {
    let patch = "[PATCH Customers(1)?sap-client=100 #0.0 {\"Name\":\"New\"}]";
    let read = |boundary, body: &[u8]| requests(&multipart(boundary, body, 100).unwrap());
    for body in [crlf(UI5), UI5.as_bytes().to_vec(), UI5.replace("--\n", "--  \n").replace("_id-1-2\n", "_id-1-2 \t\n").into_bytes()] {
        assert_eq!(read("batch_id-1-2", &body), [patch, "GET Customers?$count=true&$skip=0&$top=100"]);
    }
    let post = "[POST https://data.example.com/odata/Customers #0 {\"Id\":7,\"Name\":\"a\\nb\"}\n\n]";
    assert_eq!(read("batch_7", SYNCFUSION.as_bytes()), [post]);
    assert_eq!(read("batch1", &crlf(CAP)), ["GET /Customers?$filter=Id%20eq%201%20or%20Id%20eq%202"]);
    let olingo = read("batch_c3c5e4d0-8b5c-4b0e-a6bb-7b0c6b1f9c8a", &crlf(OLINGO));
    assert_eq!(olingo[0], "GET http://inner:8080/odata/Customers(1) #r1");
    assert_eq!(olingo[1], "[POST http://inner:8080/odata/Customers #1 {\"Id\":9}; PATCH $1 #2 {\"Name\":\"x\"}]");
}

#[test]
fn headers_of_a_part_are_read() {
    let items = multipart("batch_id-1-2", UI5.as_bytes(), 9).unwrap();
    let BatchItem::Group { requests, .. } = &items[0] else { panic!("{items:?}") };
    assert_eq!(requests[0].header("if-match"), Some("W/\"1\""));
    assert_eq!(requests[0].header("content-type"), Some("application/json;charset=UTF-8;IEEE754Compatible=true"));
}

#[test]
fn bodies_keep_their_line_breaks() {
    let part = |length: &str, body: &str| {
        let text = format!("--b\r\nContent-Type: application/http\r\n\r\nPUT A(1)/N/$value HTTP/1.1\r\n{length}\r\n{body}\r\n--b--");
        let BatchItem::Request(request) = multipart("b", text.as_bytes(), 1).unwrap().remove(0) else { panic!("{text}") };
        String::from_utf8(request.body).unwrap()
    };
    assert_eq!(part("", "one\ntwo\r\n\r\n--bb\r\nthree"), "one\ntwo\r\n\r\n--bb\r\nthree");
    assert_eq!(part("Content-Length: 4\r\n", "x\r\n\n\r\n"), "x\r\n\n", "what is announced is kept, the rest is separation");
    assert_eq!(part("Content-Length: 2\r\n", "abcd"), "abcd", "a wrong length cuts nothing off");
    assert_eq!(part("Content-Length: 99\r\n", "abcd"), "abcd");
}

#[test]
fn broken_multipart_bodies_are_refused_as_a_whole() {
    let request = "Content-Type: application/http\n\nGET A HTTP/1.1\n\n";
    for (body, names) in [
        ("".to_owned(), "does not occur"),
        (format!("--other\n{request}\n--other--"), "'b'"),
        (format!("--b\n{request}"), "closing"),
        (format!("--b\n{request}\n--b\n{request}\n--b\n{request}\n--b--"), "2 requests"),
        (format!("--b\n{}\n--b\n{}\n--b--", with_id("1"), with_id("1")), "'1' is given twice"),
        ("--b\nContent-Type: multipart/mixed\n\n--c--\n--b--".to_owned(), "boundary"),
        (format!("--b\nContent-Type: multipart/mixed;boundary=c\n\n--c\n{request}\n--b--"), "closing"),
    ] {
        let error = multipart("b", body.as_bytes(), 2).unwrap_err();
        assert!(error.message.contains(names), "{body}: {error}");
    }
}

fn with_id(id: &str) -> String {
    format!("Content-Type: application/http\nContent-ID: {id}\n\nGET A HTTP/1.1\n\n")
}

#[test]
fn parts_that_are_not_understood_are_answered_each() {
    for (part, names) in [
        ("", "Content-Type"),
        ("Content-Type: text/plain\n\nGET A HTTP/1.1\n", "text/plain"),
        ("Content-Type: application/http\n\n\n", "first line"),
        ("Content-Type: application/http\n\n{\"a\":1}", "first line"),
        ("Content-Type: application/http\n\nGET\n", "first line"),
        ("no colon\n\nGET A HTTP/1.1\n", "no colon"),
        ("Content-Type: application/http\n\nGET A HTTP/1.1\nbad header\n", "no colon"),
        ("Content-Type: application/http\n\nPOST A HTTP/1.1\nTransfer-Encoding: chunked\n\n0\n\n", "Transfer-Encoding"),
        ("Content-Type: multipart/mixed;boundary=c\n\n--c--", "no request"),
        ("Content-Type: multipart/mixed;boundary=c\n\n--c\nContent-Type: multipart/mixed;boundary=d\n\n--d--\n--c--", "change set cannot"),
    ] {
        let items = multipart("b", format!("--b\n{part}\n--b\n{}\n--b--", with_id("x")).as_bytes(), 9).unwrap();
        let [BatchItem::Malformed { error, .. }, BatchItem::Request(_)] = items.as_slice() else { panic!("{part}: {items:?}") };
        assert!(error.message.contains(names), "{part}: {error}");
    }
}

#[test]
fn boundaries_are_read() {
    for (content_type, expected) in [
        ("multipart/mixed;boundary=b", Some("b")),
        ("Multipart/Mixed; charset=UTF-8; Boundary=\"a;b c\"", Some("a;b c")),
        ("application/json", None),
        ("", None),
    ] {
        assert_eq!(boundary(content_type).unwrap().as_deref(), expected, "{content_type}");
    }
    for bad in ["multipart/mixed", "multipart/mixed;boundary=", "multipart/mixed;boundary=\u{e4}"] {
        assert!(boundary(bad).is_err(), "{bad}");
    }
}

#[test]
fn json_batches_are_read() {
    let body = r#"{"@x.y": 1, "requests": [
        {"id": "0", "method": "get", "url": "/odata/Customers(1)", "headers": {"Accept": "application/json"}},
        {"id": "1", "atomicityGroup": "g", "dependsOn": ["0"], "method": "patch", "url": "Customers(1)",
         "headers": {"content-type": "application/json; odata.metadata=minimal"}, "body": {"Credit": 12345678901234567890.1200, "t": "é\n"}},
        {"id": "2", "atomicityGroup": "g", "method": "POST", "url": "Customers", "body": {"Id": 2}},
        {"id": "3", "method": "put", "url": "Customers(1)/Note/$value", "headers": {"content-type": "text/plain"}, "body": "line\none"},
        {"id": "4", "method": "put", "url": "Customers(1)/$value", "headers": {"content-type": "image/png"}, "body": "_-8"},
        {"id": "5", "method": "get", "url": "Customers", "dependsOn": ["g"], "if": "not $3/$succeeded", "body": null}]}"#;
    let items = json(body.as_bytes(), 9).unwrap();
    assert_eq!(
        requests(&items),
        [
            "GET /odata/Customers(1) #0",
            "g[PATCH Customers(1) #1 {\"Credit\":12345678901234567890.1200,\"t\":\"é\\n\"}; POST Customers #2 {\"Id\":2}]",
            "PUT Customers(1)/Note/$value #3 line\none",
            "PUT Customers(1)/$value #4 \u{fffd}\u{fffd}",
            "GET Customers #5",
        ]
    );
    let BatchItem::Group { requests, .. } = &items[1] else { panic!() };
    assert_eq!(requests[1].header("content-type"), Some("application/json"), "the form of an undeclared body");
    let BatchItem::Request(last) = &items[4] else { panic!() };
    assert_eq!((last.depends_on.as_slice(), last.condition.clone().unwrap().references()), (&["g".to_owned()][..], vec!["3"]));
}

#[test]
fn broken_json_batches_are_refused() {
    let one = |members: &str| format!("{{\"requests\":[{{{members}}}]}}");
    let two = |first: &str, second: &str| {
        let rest = "\"method\":\"get\",\"url\":\"A\"";
        format!("{{\"requests\":[{{{rest},{first}}},{{{rest},{second}}}]}}")
    };
    for (body, names) in [
        ("".to_owned(), "not JSON"),
        ("[]".to_owned(), "not a JSON object"),
        ("{}".to_owned(), "'requests'"),
        ("{\"requests\":{}}".to_owned(), "'requests'"),
        ("{\"requests\":[],\"more\":1}".to_owned(), "'more'"),
        ("{\"requests\":[],\"requests\":[]}".to_owned(), "twice"),
        (one("\"method\":\"get\",\"url\":\"A\""), "no 'id'"),
        (one("\"id\":1,\"method\":\"get\",\"url\":\"A\""), "'id'"),
        (one("\"id\":\"1\",\"url\":\"A\""), "no 'method'"),
        (one("\"id\":\"1\",\"method\":\"get\""), "no 'url'"),
        (one("\"id\":\"1\",\"method\":\"head\",\"url\":\"A\""), "'method'"),
        (one("\"id\":\"1\",\"method\":\"get\",\"url\":\"A\",\"header\":{}"), "'header'"),
        (one("\"id\":\"1\",\"method\":\"get\",\"url\":\"A\",\"headers\":{\"a\":1}"), "header 'a'"),
        (one("\"id\":\"1\",\"method\":\"get\",\"url\":\"A\",\"headers\":{\"a\":\"1\",\"A\":\"2\"}"), "given twice"),
        (one("\"id\":\"1\",\"method\":\"get\",\"url\":\"A\",\"body\":{}"), "GET cannot have"),
        (one("\"id\":\"1\",\"method\":\"put\",\"url\":\"A\",\"headers\":{\"content-type\":\"text/plain\"},\"body\":{}"), "not a text"),
        (one("\"id\":\"1\",\"method\":\"put\",\"url\":\"A\",\"headers\":{\"content-type\":\"image/png\"},\"body\":\"?\""), "base64url"),
        (two("\"id\":\"1\"", "\"id\":\"1\""), "'1' is given twice"),
        (two("\"id\":\"1\",\"dependsOn\":[\"2\"]", "\"id\":\"2\""), "'2', which does not come before"),
        (two("\"id\":\"1\",\"dependsOn\":[\"1\"]", "\"id\":\"2\""), "'1', which does not come before"),
        (two("\"id\":\"1\"", "\"id\":\"2\",\"if\":\"$3/$succeeded\""), "'3'"),
        (two("\"id\":\"1\",\"dependsOn\":\"x\"", "\"id\":\"2\""), "'dependsOn'"),
        (two("\"id\":\"1\"", "\"id\":\"2\",\"atomicityGroup\":\"1\""), "twice"),
        (two("\"id\":\"1\",\"atomicityGroup\":\"2\"", "\"id\":\"2\""), "twice"),
        (format!("{{\"requests\":[{}]}}", ["{}"; 10].join(",")), "9 requests"),
    ] {
        let error = json(body.as_bytes(), 9).unwrap_err();
        assert!(error.message.contains(names), "{body}: {error}");
    }
    let apart = r#"{"requests":[{"id":"1","method":"get","url":"A","atomicityGroup":"g"},{"id":"2","method":"get","url":"A"},
        {"id":"3","method":"get","url":"A","atomicityGroup":"g"}]}"#;
    assert!(json(apart.as_bytes(), 9).unwrap_err().message.contains("next to each other"));
}

#[test]
fn urls_are_resolved_in_all_their_forms() {
    let place = Place { root: "https://data.example.com/portico", host: Some("inner:8080"), service: "/odata/crm" };
    let at = |url: &str| addressed(url, &place);
    for (url, path) in [
        ("Customers(1)", "/odata/crm/Customers(1)"),
        ("./Customers?$top=1", "/odata/crm/Customers?$top=1"),
        ("", "/odata/crm/"),
        ("?$format=json", "/odata/crm/?$format=json"),
        ("/odata/crm/Customers", "/odata/crm/Customers"),
        ("/portico/odata/crm/Customers", "/odata/crm/Customers"),
        ("https://data.example.com/portico/odata/crm/Customers?$top=1", "/odata/crm/Customers?$top=1"),
        ("HTTP://DATA.example.com:443/portico/odata/crm", "/odata/crm"),
        ("http://inner:8080/odata/crm/Customers('a/b')", "/odata/crm/Customers('a/b')"),
    ] {
        assert_eq!(at(url), Ok(Addressed::Here(path.to_owned())), "{url}");
    }
    for url in
        ["/odata/other/Customers", "https://evil.example.com/portico/odata/crm/Customers", "/sql", "https://data.example.com/portico/sql"]
    {
        assert!(at(url).unwrap_err().message.contains("not a URL of this service"), "{url}");
    }
    for url in ["$batch", "/odata/crm/$batch?x=1", "https://inner:8080/odata/crm/$batch/", "%24batch"] {
        assert_eq!(at(url), Ok(Addressed::Batch), "{url}");
    }
    assert_eq!(reference("$1.0/Orders?$top=1"), Some(("1.0", "/Orders?$top=1")));
    assert_eq!(reference("$1"), Some(("1", "")));
    assert_eq!((reference("$metadata"), reference("Customers"), reference("$crossjoin(A,B)"), reference("$")), (None, None, None, None));
}

fn head<'a>(id: Option<&'a str>, status: u16, reason: &'a str, headers: &'a [(String, String)]) -> PartHead<'a> {
    PartHead { id, status, reason, headers }
}

#[test]
fn multipart_responses_are_what_clients_split() {
    let headers = [("Content-Type".to_owned(), "application/json".to_owned()), ("OData-Version".to_owned(), "4.0".to_owned())];
    let (mut writer, mut out) = (MultipartResponses::new("1"), Vec::new());
    writer.part(&head(None, 200, "OK", &headers), &mut out);
    out.extend_from_slice(b"{\"value\":[]}");
    writer.open_change_set(&mut out);
    writer.part(&head(Some("0.0"), 204, "No Content", &headers[1..]), &mut out);
    writer.close_change_set(&mut out);
    writer.part(&head(Some("2"), 404, "Not Found", &headers[..1]), &mut out);
    out.extend_from_slice(b"{\"error\":{}}");
    writer.finish(&mut out);
    let text = String::from_utf8(out).unwrap();
    assert_eq!(
        text.replace("\r\n", "\n"),
        "--batchresponse_1
Content-Type: application/http
Content-Transfer-Encoding: binary

HTTP/1.1 200 OK
Content-Type: application/json
OData-Version: 4.0

{\"value\":[]}
--batchresponse_1
Content-Type: multipart/mixed;boundary=changesetresponse_1_1

--changesetresponse_1_1
Content-Type: application/http
Content-Transfer-Encoding: binary
Content-ID: 0.0

HTTP/1.1 204 No Content
OData-Version: 4.0


--changesetresponse_1_1--
--batchresponse_1
Content-Type: application/http
Content-Transfer-Encoding: binary
Content-ID: 2

HTTP/1.1 404 Not Found
Content-Type: application/json

{\"error\":{}}
--batchresponse_1--
"
    );
    assert!(!text.replace("\r\n", "").contains('\n'), "every line ends with CRLF");
    // SAP CAP takes the third piece, and its first line.
    let pieces: Vec<&str> = text.split("\r\n\r\n").collect();
    assert_eq!((pieces[1].split("\r\n").next(), pieces[2].split("\r\n").next()), (Some("HTTP/1.1 200 OK"), Some("{\"value\":[]}")));
    // And our own reader reads our own writing.
    let (mut empty, mut out) = (MultipartResponses::new("2"), Vec::new());
    empty.finish(&mut out);
    assert_eq!(out, b"--batchresponse_2--\r\n");
}

#[test]
fn json_responses_are_objects() {
    let headers = [("Content-Type".to_owned(), "text/plain".to_owned()), ("OData-Version".to_owned(), "4.01".to_owned())];
    let (mut writer, mut out) = (JsonResponses::default(), Vec::new());
    for (id, group, body) in
        [("1", None, Some((BodyForm::Json, "{\"a\":1.50}"))), ("2", Some("g"), Some((BodyForm::Text, "3\n"))), ("3\"", None, None)]
    {
        writer.part(&head(Some(id), 200, "OK", &headers), group, body.is_some(), &mut out);
        if let Some((form, text)) = body {
            JsonResponses::body(form, text.as_bytes(), &mut out);
        }
        JsonResponses::end(&mut out);
    }
    writer.finish(&mut out);
    let read: serde_json::Value = serde_json::from_slice(&out).unwrap();
    assert_eq!(read["responses"][0]["headers"]["odata-version"], "4.01");
    assert_eq!((&read["responses"][0]["body"]["a"], &read["responses"][1]["body"]), (&serde_json::json!(1.5), &serde_json::json!("3\n")));
    assert_eq!(
        (&read["responses"][1]["atomicityGroup"], &read["responses"][2]["id"]),
        (&serde_json::json!("g"), &serde_json::json!("3\""))
    );
    assert!(read["responses"][2].get("body").is_none());
    let mut out = Vec::new();
    JsonResponses::default().finish(&mut out);
    assert_eq!(out, b"{\"responses\":[]}");
    let mut out = Vec::new();
    JsonResponses::body(BodyForm::Binary, &[0xff, 0xef], &mut out);
    assert_eq!(out, b"\"_-8=\"");
}
