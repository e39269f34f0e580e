//! Bad input, generated: each request is answered with a 4xx or 501 that names the culprit, never with another 5xx, a panic or a hang.
//! Requests are written to the socket as they are, because a client library would not let most of them through.

use super::fixture::{FULL, Sources};
use super::gateway::Gateway;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// One bad request, and a text that the answer must contain (letter case aside).
struct Case {
    method: &'static str,
    target: String,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    names: String,
}

fn get(target: impl Into<String>, names: &str) -> Case {
    Case { method: "GET", target: target.into(), headers: Vec::new(), body: Vec::new(), names: names.to_owned() }
}

fn send(method: &'static str, target: &str, content_type: &str, body: impl Into<Vec<u8>>, names: &str) -> Case {
    let headers = vec![("Content-Type", content_type.to_owned()), ("If-Match", "*".to_owned())];
    Case { method, target: target.to_owned(), headers, body: body.into(), names: names.to_owned() }
}

fn escaped(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~()$,'*:=;/@".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

fn option(name: &str, value: &str, names: &str) -> Case {
    get(format!("/odata/Customers?{name}={}", escaped(value)), names)
}

/// The answer's status and text; a connection that is closed without an answer has status 0.
async fn ask(gateway: &Gateway, case: &Case) -> (u16, String) {
    let address = gateway.http.strip_prefix("http://").unwrap();
    let mut request =
        format!("{} {} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nX-Api-Key: {FULL}\r\n", case.method, case.target).into_bytes();
    for (name, value) in &case.headers {
        request.extend(format!("{name}: {value}\r\n").bytes());
    }
    request.extend(format!("Content-Length: {}\r\n\r\n", case.body.len()).bytes());
    request.extend(&case.body);
    let exchange = async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        // The gateway may answer before it has read all.
        let _ = stream.write_all(&request).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        answer
    };
    let answer = tokio::time::timeout(Duration::from_secs(30), exchange).await.unwrap_or_else(|_| panic!("{} hangs", shown(case)));
    let text = String::from_utf8_lossy(&answer).into_owned();
    let status = text.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    (status, text)
}

fn shown(case: &Case) -> String {
    let body = String::from_utf8_lossy(&case.body);
    let cut = |text: &str| text.chars().take(160).collect::<String>();
    format!("{} {} {}", case.method, cut(&case.target), cut(&body))
}

fn unknown_names() -> Vec<Case> {
    let mut cases = Vec::new();
    for name in ["Custmers", "customers", "Customers2", "$metadta", "Nothing", "Kunden%C3%A4", "a.b.c", "Customers.Name"] {
        cases.push(get(format!("/odata/{name}"), name.split('%').next().unwrap()));
        cases.push(get(format!("/odata/Customers(1)/{name}"), name.split('%').next().unwrap()));
    }
    for name in ["Nme", "ID_", "name", "Invoices/nope", "Home/nope", "Nothing/Id", "TaxIdd", "x.y"] {
        let last = name.rsplit('/').next().unwrap();
        let last = if name.starts_with("Nothing") { "Nothing" } else { last };
        cases.push(option("$filter", &format!("{name} eq 1"), if name.starts_with("Invoices/") { "Invoices" } else { last }));
        cases.push(option("$orderby", name, if name.starts_with("Invoices/") { "Invoices" } else { last }));
        // A path along a relationship to one entity is followed: what is wrong is its end.
        let item = if name.starts_with("Home/") { last } else { name.split('/').next().unwrap() };
        cases.push(option("$select", name, item));
        cases.push(option("$expand", name, item));
        cases.push(get(format!("/odata/Customers({name}=1)"), name.split('/').next().unwrap()));
    }
    for name in ["$fitler", "$foo", "$toop", "$select2", "$", "$expnd", "$orderBy2", "$counts"] {
        cases.push(option(name, "1", name));
    }
    for name in ["frobnicate", "substringof", "foo.bar", "contians", "Year2", "sleep", "pg_sleep", "load_extension"] {
        cases.push(option("$filter", &format!("{name}(Name,'x')"), name));
    }
    cases
}

fn malformed_expressions() -> Vec<Case> {
    let filters = [
        "",
        "Id",
        "Id eq",
        "eq 1",
        "Id eq eq 1",
        "Id eq 1 and",
        "and Id eq 1",
        "(Id eq 1",
        "Id eq 1)",
        "Id eq 'a",
        "Id === 1",
        "Id = 1",
        "Id eq 1 or or Id eq 2",
        "not",
        "Name eq \"x\"",
        "Id in",
        "Id in (",
        "Id in ()",
        "Id in 1",
        "Id in (1,)",
        "contains(Name",
        "contains(Name)",
        "contains(Name,'a','b')",
        "contains(,)",
        "contains(Id,'a')",
        "length(Id) eq 1",
        "year(Name) eq 1",
        "substring(Name) eq 'a'",
        "substring(Name,'a') eq 'a'",
        "tolower(Id) eq '1'",
        "Id eq 'one'",
        "Name eq 1",
        "Since eq 'x'",
        "Since eq 2024-13-01",
        "Since eq 2024-02-30",
        "Since eq 20240101",
        "Active eq 1",
        "Name add 1 eq 2",
        "Id add 'x' eq 2",
        "-Name eq 'x'",
        "Id eq 1e400",
        "Credit eq 1.2.3",
        "Id eq 0x1F",
        "Id eq NaNN",
        "Id eq guid'x'",
        "Name eq null and",
        "Id and Active",
        "not Id",
        "Id eq 1;DROP TABLE x",
        "Id eq 1--",
        "Id eq 1 /* x */",
        "'a' 'b'",
        "Invoices eq 1",
        "Home eq 1",
        "Invoices/id eq 1",
        "Id eq 1 eq",
        "(((",
        ")))",
        "\u{0}",
        "Id eq \u{1F600}",
        "Id eq 1 AND",
        "🙂",
        "\\",
        "Id eq {",
        "[1,2]",
        "Name has 1",
    ];
    let mut cases: Vec<Case> = filters.iter().map(|filter| option("$filter", filter, "")).collect();
    for case in &mut cases {
        case.names = "$filter".to_owned();
    }
    for order in ["Id up", "Id desc asc", ",", "Id,,Name", "Id desc,", "Invoices", "Id eq", "(Id"] {
        cases.push(option("$orderby", order, "$orderby"));
    }
    for select in [",", "Id,", "Id Name", "Id(", "Id)", "Invoices/", "Id/Name", "*,"] {
        cases.push(option("$select", select, "$select"));
    }
    for expand in [
        ",",
        "Invoices(",
        "Invoices)",
        "Invoices($top)",
        "Invoices($top=x)",
        "Invoices($foo=1)",
        "Invoices($filter=)",
        "Invoices($filter=nope eq 1)",
        "Invoices($select=nope)",
        "Invoices($top=1;)x",
        "Name",
        "Invoices($expand=Nothing)",
        "Invoices,Invoices(",
        "Invoices($orderby=)",
    ] {
        cases.push(option("$expand", expand, "$expand"));
    }
    cases
}

fn numbers() -> Vec<Case> {
    let mut cases = Vec::new();
    for name in ["$top", "$skip"] {
        for value in ["-1", "x", "1.5", "", "99999999999999999999999999", "1e3", "0x10", "1 2", "NaN", "+-1", "null", "'1'"] {
            cases.push(option(name, value, name));
        }
    }
    for value in ["yes", "1", "", "truee", "null"] {
        cases.push(option("$count", value, "$count"));
    }
    for key in
        ["99999999999999999999999", "1.5", "'a'", "-", "1,2", "Id=1,Id=2", "Id=", "=1", "null", "Id eq 1", "@p", "2024-01-01", "true"]
    {
        cases.push(get(format!("/odata/Customers({})", escaped(key)), "\"target\":\"path\""));
    }
    for key in ["1", "invoice_id=1", "invoice_id=1,no=1,x=2", "invoice_id=1,no='a'", "invoice_id=1,nr=1", "no=1", ""] {
        cases.push(get(format!("/odata/Lines({})", escaped(key)), "\"target\":\"path\""));
    }
    for option_text in ["$top=1&$top=2", "$filter=true&$filter=false", "$select=Id&$select=Name", "$skiptoken=garbage", "$skiptoken="] {
        let name = option_text.split('=').next().unwrap();
        cases.push(get(format!("/odata/Customers?{option_text}"), name));
    }
    cases
}

fn urls() -> Vec<Case> {
    let mut cases = Vec::new();
    for path in [
        "/odata/Customers(",
        "/odata/Customers)",
        "/odata/Customers(1",
        "/odata/Customers(1))",
        "/odata/Customers(1)(2)",
        "/odata/Customers()()",
        "/odata/Customers/$",
        "/odata/Customers/$foo",
        "/odata/Customers(1)/$value",
        "/odata/Customers(1)/Name/Name",
        "/odata/Customers(1)/Name/$foo",
        "/odata/Customers/1/2/3",
        "/odata/$metadata/x",
        "/odata/$all(1)",
        "/odata/$entity",
        "/odata/$crossjoin(Customers,Invoicess)",
        "/odata/$batchh",
        "/odata/Customers(%ff)",
        "/odata/%ff",
        "/odata/%",
        "/odata/%zz",
        "/odata/Customers?$filter=%zz",
        "/odata/Customers?$filter=%ff",
        "/odata/Customers?$filter=Name%20eq%20'%00'%20x",
        "/odata/Customers?%ff=1",
        "/odata2",
        "/odataa/Customers",
        "/nothing",
        "/",
        "/sql/x",
        "/odata/..",
        "/odata/Customers/Model.Type",
        "/odata/Customers(1)/Invoices(1)(2)",
        "/odata/Customers/$count/$count",
        "/odata/Customers(1)/Invoices/$ref/x",
    ] {
        cases.push(get(path, ""));
    }
    cases.push(get(format!("/odata/Customers?$filter={}", "a".repeat(200_000)), ""));
    cases.push(get(format!("/odata/{}", "x".repeat(70_000)), ""));
    cases
}

fn deep() -> Vec<Case> {
    let mut cases = Vec::new();
    for depth in [200, 2_000, 10_000] {
        let open = "(".repeat(depth);
        let close = ")".repeat(depth);
        cases.push(get(format!("/odata/Customers?$filter={open}true{close}"), "$filter"));
        cases.push(get(format!("/odata/Customers?$filter={}true", "not%20".repeat(depth)), ""));
        cases.push(get(format!("/odata/Customers?$filter={}'a'{}%20eq%20'a'", "tolower(".repeat(depth), close), ""));
        cases.push(get(format!("/odata/Customers?$orderby={}Id{}", "-(".repeat(depth), close), ""));
        let expand = format!("{}Customer{}", "Customer($expand=Invoices($expand=".repeat(depth / 20), "))".repeat(depth / 20));
        cases.push(get(format!("/odata/Invoices?$expand={expand}"), ""));
        let sql = format!("SELECT {}1{}", "(".repeat(depth), ")".repeat(depth));
        if depth > 1_000 {
            cases.push(send("POST", "/sql", "text/plain", sql, ""));
        }
        let json = format!("{{\"Name\":{}1{}}}", "[".repeat(depth), "]".repeat(depth));
        cases.push(send("PATCH", "/odata/Customers(1)", "application/json", json, ""));
    }
    cases
}

fn bodies() -> Vec<Case> {
    let mut cases = Vec::new();
    let broken = [
        "",
        "{",
        "}",
        "[]",
        "null",
        "1",
        "\"x\"",
        "{\"Name\"}",
        "{\"Name\":}",
        "{\"Name\":1}",
        "{\"Id\":\"x\"}",
        "{'Name':'x'}",
        "{\"Name\":\"x\",}",
        "\u{0}",
        "{\"Name\":\"\\ud800\"}",
        "{\"Nope\":1}",
        "{\"Since\":\"2024-99-99\"}",
        "{\"Credit\":1e400}",
        "{\"Credit\":123456789012345678901234567890}",
        "{\"Active\":\"true\"}",
        "{\"Invoices\":[{\"id\":1}]}",
        "{\"Home@odata.bind\":1}",
        "<xml/>",
    ];
    for body in broken {
        cases.push(send("PATCH", "/odata/Customers(1)", "application/json", body, ""));
        cases.push(send("POST", "/odata/Customers", "application/json", body, ""));
    }
    cases.push(send("PATCH", "/odata/Customers(1)", "application/json", vec![0xff, 0xfe, 0x7b], ""));
    cases.push(send("PATCH", "/odata/Customers(1)", "application/json", vec![b' '; 3 << 20], ""));
    for content_type in ["text/plain", "application/xml", "", "nonsense", "application/json;IEEE754Compatible=maybe;charset=utf-7"] {
        cases.push(send("POST", "/odata/Customers", content_type, "{\"Name\":1}", ""));
    }
    for body in [
        "",
        "{}",
        "{\"sql\":1}",
        "{\"sql\":\"\"}",
        "{\"sql\":\"SELECT 1\",\"x\":1}",
        "{\"sql\":\"SELECT $1\"}",
        "{\"sql\":\"SELECT 1\",\"parameters\":1}",
        "[\"SELECT 1\"]",
        "{\"sql\":\"SELECT 'a\"}",
        "{\"sql\":\";\"}",
        "{\"sql\":\"SELECT\"}",
        "{\"sql\":\"SELECT FROM WHERE\"}",
        "{\"sql\":\"SELECT nope FROM \\\"Customers\\\"\"}",
        "{\"sql\":\"SELECT * FROM nope\"}",
        "{\"sql\":\"SELECT nope(1)\"}",
        "{\"sql\":\"SELECT 1/0\"}",
        "{\"sql\":\"SELECT CAST('x' AS INT)\"}",
        "{\"sql\":\"SELECT \\u0000\"}",
        "{\"sql\":\"SELECT * FROM \\\"Customers\\\" LIMIT -1\"}",
        "{\"sql\":\"SELECT * FROM \\\"Customers\\\" WHERE \\\"Name\\\"\"}",
    ] {
        cases.push(send("POST", "/sql", "application/json", body, ""));
    }
    for (method, target) in [
        ("GET", "/sql"),
        ("DELETE", "/odata"),
        ("POST", "/odata/$metadata"),
        ("PATCH", "/odata/Customers"),
        ("POST", "/odata/Customers(1)"),
        ("TRACE", "/odata/Customers"),
        ("FOO", "/odata/Customers"),
        ("PUT", "/odata/Customers(1)"),
    ] {
        cases.push(Case { method, target: target.to_owned(), headers: Vec::new(), body: Vec::new(), names: String::new() });
    }
    cases
}

fn headers_and_unsupported() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, value) in [
        ("Accept", "application/atom+xml"),
        ("Accept", "image/png"),
        ("OData-MaxVersion", "1.0"),
        ("OData-MaxVersion", "abc"),
        ("OData-Version", "9.9"),
    ] {
        cases.push(Case { headers: vec![(name, value.to_owned())], ..get("/odata/Customers", "") });
    }
    for (name, value) in [
        ("$apply", "nest(nope as n)"),
        ("$search", "x"),
        ("$compute", "Id add 1 as Name"),
        ("$deltatoken", "x"),
        ("$levels", "2"),
        ("$format", "atom"),
        ("$index", "1"),
    ] {
        cases.push(option(name, value, name));
    }
    for filter in [
        "Invoices/any(i:i/ide eq 1)",
        "Invoices/all(i:i/payd)",
        "Invoices/$count gt 'many'",
        "cast(Id,Edm.Strin) eq '1'",
        "isof(Id,Edm.Int33)",
        "geo.distance(Name,Name) lt 1",
        "matchesPattern(Name,'(')",
    ] {
        cases.push(option("$filter", filter, ""));
    }
    cases.push(option("$expand", "Invoices($levels=3)", "$levels"));
    cases.push(option("$expand", "Invoices/$reff", ""));
    cases
}

fn all_cases() -> Vec<Case> {
    [unknown_names(), malformed_expressions(), numbers(), urls(), deep(), bodies(), headers_and_unsupported()]
        .into_iter()
        .flatten()
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_requests_are_refused_and_name_the_culprit() {
    let sources = Sources::create().await;
    let gateway = sources.serve().await;
    let before = sources.crm_text("SELECT group_concat(id || name || coalesce(city, '')) FROM customers");
    let cases = all_cases();
    assert!(cases.len() >= 200, "only {} cases", cases.len());
    let mut wrong = Vec::new();
    for case in &cases {
        let (status, text) = ask(&gateway, case).await;
        let refused = (400..500).contains(&status) || status == 501;
        let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        let named = body.to_lowercase().contains(&case.names.to_lowercase());
        // What is no HTTP, or too long for any, is refused before there is a request to answer, without a body.
        let below = body.is_empty() && (matches!(status, 414 | 431) || (status == 400 && !case.target.is_ascii()));
        let says = body.contains("\"message\"") || below;
        if !refused || !named || !says {
            wrong.push(format!(
                "{}: must name '{}': {}",
                shown(case),
                case.names,
                text.chars().take(600).collect::<String>().replace("\r\n", " ")
            ));
        }
        for word in ["panicked", "RUST_BACKTRACE", "postgres://", "DataFusion", "src/"] {
            if text.contains(word) {
                wrong.push(format!("{}: the answer shows '{word}': {text}", shown(case)));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    assert!(!gateway.log().contains("panicked"), "{}", gateway.log());
    assert_eq!(sources.crm_text("SELECT group_concat(id || name || coalesce(city, '')) FROM customers"), before, "nothing was written");
    assert_eq!(gateway.json("/odata/Customers?$top=1", FULL).await["value"].as_array().unwrap().len(), 1, "and the gateway still answers");
}

/// Good requests, each with a few characters changed: some stay good, none may break the gateway.
#[tokio::test(flavor = "multi_thread")]
async fn mutated_requests_never_break_the_gateway() {
    let sources = Sources::create().await;
    let gateway = sources.serve().await;
    let good = [
        "/odata/Customers?$filter=Credit%20gt%2010.5%20and%20not%20contains(City,'r')&$orderby=City%20desc,Id&$top=3",
        "/odata/Customers(7)?$expand=Invoices($top=2;$orderby=amount%20desc;$select=id,amount),Home",
        "/odata/Invoices?$filter=Customer/Region%20eq%20'EMEA'&$count=true&$skip=2&$select=id,note",
        "/odata/Lines(invoice_id=3,no=2)",
        "/odata/Customers/$count?$filter=Since%20lt%202020-01-01%20or%20Id%20in%20(1,2,3)",
        "/odata/$metadata",
    ];
    let alphabet: Vec<char> = "()$',=;%/ 0aZ&?-.*@:!\"".chars().collect();
    let seed = 20_240_229;
    let mut random = fastrand::Rng::with_seed(seed);
    let mut wrong = Vec::new();
    for round in 0..300 {
        let mut target: Vec<char> = good[round % good.len()].chars().collect();
        for _ in 0..random.usize(1..4) {
            let at = random.usize(7..target.len());
            match random.usize(0..4) {
                0 => {
                    target.remove(at);
                }
                1 => target.insert(at, alphabet[random.usize(0..alphabet.len())]),
                2 => target[at] = alphabet[random.usize(0..alphabet.len())],
                _ => {
                    let other = random.usize(7..target.len());
                    target.swap(at, other);
                }
            }
        }
        // A blank ends the target in the request line.
        let target: String = target.into_iter().collect::<String>().replace(' ', "%20");
        let (status, text) = ask(&gateway, &get(target.clone(), "")).await;
        if !(200..500).contains(&status) && status != 501 {
            wrong.push(format!("{target}: {status} {}", text.chars().take(400).collect::<String>()));
        }
    }
    assert!(wrong.is_empty(), "seed {seed}:\n{}", wrong.join("\n"));
    assert!(!gateway.log().contains("panicked"), "{}", gateway.log());
}
